//! The control header of version 3 (RFC 3931 §3.2.1). Data headers are `fwd_core::wire::l2tpv3`.

use fwd_core::codec::{BufMut, Fail, Fault, Malformed, Take, all, be_u16, be_u32, octets};

const FIRST: u16 = 0xc803;
/// T, L, S and the version; the other bits are reserved and ignored.
const MEANING: u16 = 0xc80f;

/// A control message. Over IP the four octets of session 0 precede it (RFC 3931 §4.1.1.2); they are not read or written here.
///
/// ```text
/// +-+-+---+-+-------------+-------+-------------------------------+
/// |1|1|x x|1|x x x x x x x|   3   |            length             |
/// +-+-+---+-+-------------+-------+-------------------------------+
/// |                     control connection ID                     |
/// |              Ns               |              Nr               |
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Control<'a> {
    /// The receiver's number of the control connection; 0 before it is known.
    pub connection: u32,
    /// The message's number.
    pub ns: u16,
    /// The number that is expected next.
    pub nr: u16,
    /// AVPs.
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
        if first & MEANING != FIRST {
            return Err(Fail::new(i, "flags and version", Fault::Value(first.into())));
        }
        let (rest, len) = be_u16(rest, "length")?;
        let Some(left) = usize::from(len).checked_sub(4) else {
            return Err(Fail::new(i, "length", Fault::Length(len.into())));
        };
        let (after, message) = octets(rest, left, "message")?;
        let (message, connection) = be_u32(message, "control connection ID")?;
        let (message, ns) = be_u16(message, "Ns")?;
        let (body, nr) = be_u16(message, "Nr")?;
        Ok((after, Self { connection, ns, nr, body }))
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
        out.put_u16(FIRST);
        out.put_u16(self.wire_len() as u16);
        out.put_u32(self.connection);
        out.put_u16(self.ns);
        out.put_u16(self.nr);
        out.put_slice(self.body.get(..Self::MAX_BODY).unwrap_or(self.body));
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for Control<'a> {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let (connection, ns, nr) = u.arbitrary()?;
        let len = u.int_in_range(0..=Self::MAX_BODY)?.min(u.len());
        Ok(Self { connection, ns, nr, body: u.bytes(len)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn the_octets_of_the_figure() {
        let octets = [0xc8, 3, 0, 20, 0, 1, 2, 3, 0, 5, 0, 6, 0x80, 8, 0, 0, 0, 0, 0, 6];
        let read = Control::parse(&octets).unwrap();
        assert_eq!((read.connection, read.ns, read.nr, read.body.len()), (0x10203, 5, 6, 8));
        let mut out = Vec::new();
        read.emit(&mut out);
        assert_eq!(out, octets);
        for (at, value, field) in [(0, 0x48, "flags and version"), (1, 2, "flags and version"), (3, 3, "length")] {
            let mut wrong = octets;
            wrong[at] = value;
            assert_eq!(Control::parse(&wrong).unwrap_err().field, field);
        }
        assert_eq!(Control::parse(&octets[..13]).unwrap_err().fault, Fault::Truncated);
    }
}
