//! Headers of version 2 (RFC 2661 §3.1).

use fwd_core::codec::{BufMut, Fail, Fault, Malformed, Take, all, be_u16, octets};

const CONTROL: u16 = 0x8000;
const LENGTH: u16 = 0x4000;
const SEQUENCE: u16 = 0x0800;
const OFFSET: u16 = 0x0200;
const PRIORITY: u16 = 0x0100;
const VERSION: u16 = 0x000f;

/// A control message: T, L and S are set, O and P are not.
///
/// ```text
/// +-+-+---+-+-+-+-+-------+-------+-------------------------------+
/// |1|1|x x|1|x|0|0|x x x x|   2   |            length             |
/// +-+-+---+-+-+-+-+-------+-------+-------------------------------+
/// |           tunnel ID           |           session ID          |
/// |              Ns               |              Nr               |
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Control<'a> {
    /// The receiver's tunnel; 0 before it is known.
    pub tunnel: u16,
    /// The receiver's session; 0 for the tunnel itself, or before it is known.
    pub session: u16,
    /// The message's number.
    pub ns: u16,
    /// The number that is expected next.
    pub nr: u16,
    /// AVPs; none in a ZLB, which only acknowledges (RFC 2661 §1.2).
    pub body: &'a [u8],
}

impl<'a> Control<'a> {
    /// Octets in front of the AVPs.
    pub const HEADER: usize = 12;
    /// The most octets of AVPs.
    pub const MAX_BODY: usize = 0xffff - Self::HEADER;

    /// Takes a control message.
    ///
    /// # Errors
    /// It is data, of another version, or the length is not right.
    pub fn take(i: &'a [u8]) -> Take<'a, Self> {
        let (rest, first) = be_u16(i, "flags and version")?;
        if first & (CONTROL | LENGTH | SEQUENCE | VERSION) != CONTROL | LENGTH | SEQUENCE | 2 {
            return Err(Fail::new(i, "flags and version", Fault::Value(first.into())));
        }
        let (rest, len) = be_u16(rest, "length")?;
        let Some(left) = usize::from(len).checked_sub(4) else {
            return Err(Fail::new(i, "length", Fault::Length(len.into())));
        };
        let (after, message) = octets(rest, left, "message")?;
        let (message, tunnel) = be_u16(message, "tunnel ID")?;
        let (message, session) = be_u16(message, "session ID")?;
        let (message, ns) = be_u16(message, "Ns")?;
        let (body, nr) = be_u16(message, "Nr")?;
        Ok((after, Self { tunnel, session, ns, nr, body }))
    }

    /// A control message and nothing else.
    ///
    /// # Errors
    /// As [`Self::take`], or octets are left over.
    pub fn parse(octets: &'a [u8]) -> Result<Self, Malformed> {
        all(octets, Self::take)
    }

    /// Octets of the message.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        self.body.len().min(Self::MAX_BODY).saturating_add(Self::HEADER)
    }

    /// Writes the message. Of a body beyond [`Self::MAX_BODY`] the rest is left out.
    pub fn emit(&self, out: &mut impl BufMut) {
        out.put_u16(CONTROL | LENGTH | SEQUENCE | 2);
        out.put_u16(self.wire_len() as u16);
        out.put_u16(self.tunnel);
        out.put_u16(self.session);
        out.put_u16(self.ns);
        out.put_u16(self.nr);
        out.put_slice(self.body.get(..Self::MAX_BODY).unwrap_or(self.body));
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for Control<'a> {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let (tunnel, session, ns, nr) = u.arbitrary()?;
        let len = u.int_in_range(0..=Self::MAX_BODY)?.min(u.len());
        Ok(Self { tunnel, session, ns, nr, body: u.bytes(len)? })
    }
}

/// A data message: T is not set, and what is optional is there if its bit says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Data<'a> {
    /// The receiver's tunnel.
    pub tunnel: u16,
    /// The receiver's session.
    pub session: u16,
    /// P: to be handled first.
    pub priority: bool,
    /// Whether a length is said.
    pub has_length: bool,
    /// Ns and Nr, of which the latter means nothing.
    pub sequence: Option<(u16, u16)>,
    /// Octets of an offset pad, of zeros here.
    pub offset: Option<u16>,
    /// The PPP frame, without address and control octets where that was agreed.
    pub payload: &'a [u8],
}

impl<'a> Data<'a> {
    /// The plainest: no length, no number, no offset.
    #[must_use]
    pub const fn new(tunnel: u16, session: u16, payload: &'a [u8]) -> Self {
        Self { tunnel, session, priority: false, has_length: false, sequence: None, offset: None, payload }
    }

    /// Takes a data message: all that there is, or as long as it says.
    ///
    /// # Errors
    /// It is control, of another version, or ends too early.
    pub fn take(i: &'a [u8]) -> Take<'a, Self> {
        let (rest, first) = be_u16(i, "flags and version")?;
        if first & (CONTROL | VERSION) != 2 {
            return Err(Fail::new(i, "flags and version", Fault::Value(first.into())));
        }
        let has_length = first & LENGTH != 0;
        let (after, rest) = if has_length {
            let (rest, len) = be_u16(rest, "length")?;
            let Some(left) = usize::from(len).checked_sub(4) else {
                return Err(Fail::new(i, "length", Fault::Length(len.into())));
            };
            octets(rest, left, "message")?
        } else {
            (&[][..], rest)
        };
        let (rest, tunnel) = be_u16(rest, "tunnel ID")?;
        let (mut rest, session) = be_u16(rest, "session ID")?;
        let (mut sequence, mut offset) = (None, None);
        if first & SEQUENCE != 0 {
            let (i, ns) = be_u16(rest, "Ns")?;
            let (i, nr) = be_u16(i, "Nr")?;
            (rest, sequence) = (i, Some((ns, nr)));
        }
        if first & OFFSET != 0 {
            let (i, pad) = be_u16(rest, "offset size")?;
            let (i, _) = octets(i, pad.into(), "offset pad")?;
            (rest, offset) = (i, Some(pad));
        }
        let priority = first & PRIORITY != 0;
        Ok((after, Self { tunnel, session, priority, has_length, sequence, offset, payload: rest }))
    }

    /// A data message and nothing else.
    ///
    /// # Errors
    /// As [`Self::take`], or octets are left over.
    pub fn parse(octets: &'a [u8]) -> Result<Self, Malformed> {
        all(octets, Self::take)
    }

    /// Octets of the message.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        let optional = if self.has_length { 2_usize } else { 0 };
        let optional = optional.saturating_add(if self.sequence.is_some() { 4 } else { 0 });
        let pad = self.offset.map_or(0, |pad| usize::from(pad).saturating_add(2));
        self.payload.len().saturating_add(6).saturating_add(optional).saturating_add(pad)
    }

    /// Writes the message. A message beyond 65,535 octets is written without a length.
    pub fn emit(&self, out: &mut impl BufMut) {
        let len = u16::try_from(self.wire_len()).ok().filter(|_| self.has_length);
        let bit = |set: bool, bit: u16| if set { bit } else { 0 };
        let flags = bit(len.is_some(), LENGTH)
            | bit(self.sequence.is_some(), SEQUENCE)
            | bit(self.offset.is_some(), OFFSET)
            | bit(self.priority, PRIORITY);
        out.put_u16(flags | 2);
        if let Some(len) = len {
            out.put_u16(len);
        }
        out.put_u16(self.tunnel);
        out.put_u16(self.session);
        if let Some((ns, nr)) = self.sequence {
            out.put_u16(ns);
            out.put_u16(nr);
        }
        if let Some(pad) = self.offset {
            out.put_u16(pad);
            out.put_bytes(0, pad.into());
        }
        out.put_slice(self.payload);
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for Data<'a> {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let (tunnel, session, priority, has_length) = u.arbitrary()?;
        let offset = u.arbitrary::<Option<u8>>()?.map(u16::from);
        let sequence = u.arbitrary()?;
        let len = u.int_in_range(0..=2000)?.min(u.len());
        Ok(Self { tunnel, session, priority, has_length, sequence, offset, payload: u.bytes(len)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn control_and_data_are_told_apart() {
        let zlb = [0xc8, 2, 0, 12, 0, 1, 0, 0, 0, 1, 0, 1];
        let read = Control::parse(&zlb).unwrap();
        assert_eq!((read.tunnel, read.ns, read.nr, read.body), (1, 1, 1, &[][..]));
        let mut out = Vec::new();
        read.emit(&mut out);
        assert_eq!(out, zlb);
        assert!(Data::parse(&zlb).is_err());
        let data = Data { sequence: Some((7, 0)), offset: Some(3), has_length: true, ..Data::new(1, 2, &[0xff, 3]) };
        let mut out = Vec::new();
        data.emit(&mut out);
        assert_eq!(out, [0x4a, 2, 0, 19, 0, 1, 0, 2, 0, 7, 0, 0, 0, 3, 0, 0, 0, 0xff, 3]);
        assert_eq!((Data::parse(&out), Control::parse(&out).is_err()), (Ok(data), true));
        out[2] = 9;
        assert_eq!(Data::parse(&out).unwrap_err().fault, Fault::Truncated);
    }
}
