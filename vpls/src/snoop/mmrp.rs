//! MMRP of customers (IEEE 802.1Q §10.8, §10.12): which ports registered which group MAC addresses.
//!
//! ```text
//! destination 01-80-C2-00-00-20 (6) | source (6) | 88-F6 (2) | version 0 (1)
//! message: type (1) | length of a value (1) | vectors | end mark 0 (2)      ...      end mark 0 (2)
//! vector: leave all (3 bits) | number of values (13 bits) | first value | three events an octet
//! ```
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use alloc::vec::Vec;

use fwd_core::codec::{self, BufMut, Fail, Take};
use fwd_core::net::Mac;
use fwd_core::{Fault, Malformed};

/// The address of MMRP participants of customers.
pub const PARTICIPANTS: Mac = Mac([0x01, 0x80, 0xc2, 0, 0, 0x20]);
/// MMRP's Ethertype.
pub const ETHERTYPE: u16 = 0x88f6;

/// What a participant says of a value (§10.8.2.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MrpEvent {
    /// Declared anew.
    New,
    /// Declared, and registered.
    JoinIn,
    /// Registered, not declared.
    In,
    /// Declared, not registered.
    JoinMt,
    /// Neither.
    Mt,
    /// Withdrawn.
    Leave,
}

impl MrpEvent {
    const ALL: [Self; 6] = [Self::New, Self::JoinIn, Self::In, Self::JoinMt, Self::Mt, Self::Leave];

    fn of(value: u8) -> Option<Self> {
        Self::ALL.get(usize::from(value)).copied()
    }

    /// Whether it declares the value.
    pub(super) const fn joins(self) -> bool {
        matches!(self, Self::New | Self::JoinIn | Self::JoinMt)
    }
}

/// What is registered: a group, or a service requirement (§10.12.1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attribute {
    /// All groups (0), or all that nobody registered (1).
    Service(u8),
    /// A group address.
    Mac(Mac),
}

/// Values that follow each other, with an event each.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Vector {
    /// Whether all registrations of the type end unless they are declared again.
    pub leave_all: bool,
    /// The first value.
    pub first: Attribute,
    /// The events of it and of those that follow.
    pub events: Vec<MrpEvent>,
}

impl Vector {
    /// The values with their events.
    pub fn values(&self) -> impl Iterator<Item = (Attribute, MrpEvent)> + '_ {
        (0_u64..).zip(&self.events).map(|(n, event)| (self.first.plus(n), *event))
    }

    fn take(i: &[u8], kind: u8) -> Take<'_, Option<Self>> {
        let (rest, header) = codec::be_u16(i, "vector header")?;
        if header == 0 {
            return Ok((rest, None));
        }
        let (leave_all, n) = (header >> 13, usize::from(header & 0x1fff));
        if leave_all > 1 {
            return Err(Fail::new(i, "leave all", Fault::Value(leave_all.into())));
        }
        let (rest, first) = Attribute::take(rest, kind)?;
        let (rest, packed) = codec::octets(rest, n.div_ceil(3), "events")?;
        let mut events = Vec::new();
        for octet in packed {
            for value in [octet / 36, octet / 6 % 6, octet % 6] {
                let event = MrpEvent::of(value).ok_or(Fail::new(packed, "event", Fault::Value((*octet).into())))?;
                events.push(event);
            }
        }
        events.truncate(n);
        Ok((rest, Some(Self { leave_all: leave_all == 1, first, events })))
    }

    fn emit(&self, out: &mut impl BufMut) {
        let n = u16::try_from(self.events.len()).unwrap_or(0x1fff).min(0x1fff);
        out.put_u16(u16::from(self.leave_all) << 13 | n);
        self.first.emit(out);
        for three in self.events.chunks(3).take(usize::from(n).div_ceil(3)) {
            let of = |at: usize| three.get(at).map_or(0, |event| *event as u8);
            out.put_u8(of(0).wrapping_mul(36).wrapping_add(of(1).wrapping_mul(6)).wrapping_add(of(2)));
        }
    }
}

impl Attribute {
    const SERVICE: u8 = 1;
    const MAC: u8 = 2;

    const fn kind(&self) -> (u8, u8) {
        match self {
            Self::Service(_) => (Self::SERVICE, 1),
            Self::Mac(_) => (Self::MAC, 6),
        }
    }

    /// The value that comes so many later.
    fn plus(self, n: u64) -> Self {
        match self {
            Self::Service(value) => Self::Service(value.wrapping_add(n as u8)),
            Self::Mac(Mac([a, b, c, d, e, f])) => {
                let number = u64::from_be_bytes([0, 0, a, b, c, d, e, f]).wrapping_add(n);
                let [_, _, a, b, c, d, e, f] = number.to_be_bytes();
                Self::Mac(Mac([a, b, c, d, e, f]))
            }
        }
    }

    fn take(i: &[u8], kind: u8) -> Take<'_, Self> {
        match kind {
            Self::SERVICE => codec::be_u8(i, "service").map(|(rest, value)| (rest, Self::Service(value))),
            _ => codec::array(i, "address").map(|(rest, mac)| (rest, Self::Mac(Mac(mac)))),
        }
    }

    fn emit(&self, out: &mut impl BufMut) {
        match self {
            Self::Service(value) => out.put_u8(*value),
            Self::Mac(mac) => out.put_slice(&mac.0),
        }
    }
}

/// An MRPDU of MMRP.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mmrpdu(pub Vec<Vector>);

impl Mmrpdu {
    /// Reads a frame to [`PARTICIPANTS`]. Messages of other types than those of the standard's version are passed over (§10.8.3.5).
    ///
    /// # Errors
    /// Another Ethertype, a value or an event that there is not, or a list without its end mark.
    pub fn parse_frame(frame: &[u8]) -> Result<Self, Malformed> {
        codec::all(frame, |i| {
            let (i, _addresses) = codec::octets(i, 12, "addresses")?;
            let (rest, ethertype) = codec::be_u16(i, "Ethertype")?;
            if ethertype != ETHERTYPE {
                return Err(Fail::new(i, "Ethertype", Fault::Value(ethertype.into())));
            }
            let (_padding, pdu) = Self::take(rest)?;
            Ok((&[], pdu))
        })
    }

    /// Takes an MRPDU: up to its end mark, or to the end of the input where there is none (§10.8.2.2).
    ///
    /// # Errors
    /// As [`Self::parse_frame`].
    pub fn take(i: &[u8]) -> Take<'_, Self> {
        let (mut i, _version) = codec::be_u8(i, "version")?;
        let mut vectors = Vec::new();
        loop {
            if i.is_empty() {
                return Ok((i, Self(vectors)));
            }
            let (rest, [kind, length]) = codec::array::<2>(i, "message")?;
            i = rest;
            if (kind, length) == (0, 0) {
                return Ok((i, Self(vectors)));
            }
            let expected = match kind {
                Attribute::SERVICE => 1,
                Attribute::MAC => 6,
                // Without its framing its end cannot be found: the PDU ends here.
                _ => return Ok((&[], Self(vectors))),
            };
            if length != expected {
                return Err(Fail::new(rest, "length", Fault::Length(length.into())));
            }
            loop {
                let (rest, vector) = Vector::take(i, kind)?;
                i = rest;
                match vector {
                    Some(vector) => vectors.push(vector),
                    None => break,
                }
            }
        }
    }

    /// Writes the MRPDU: a message for each vector.
    pub fn emit(&self, out: &mut impl BufMut) {
        out.put_u8(0);
        for vector in &self.0 {
            let (kind, length) = vector.first.kind();
            out.put_slice(&[kind, length]);
            vector.emit(out);
            out.put_u16(0);
        }
        out.put_u16(0);
    }

    /// A frame of a participant.
    #[must_use]
    pub fn frame(&self, source: Mac) -> Vec<u8> {
        let mut frame = [&PARTICIPANTS.0[..], &source.0, &ETHERTYPE.to_be_bytes()].concat();
        self.emit(&mut frame);
        frame.resize(frame.len().max(60), 0);
        frame
    }

    /// How many values it says something of; one at least.
    #[must_use]
    pub fn count(&self) -> u32 {
        let n: usize = self.0.iter().map(|vector| vector.events.len()).sum();
        u32::try_from(n).unwrap_or(u32::MAX).max(1)
    }
}

#[cfg(feature = "arbitrary")]
mod generate {
    use super::*;
    use arbitrary::{Arbitrary, Result, Unstructured};

    impl<'a> Arbitrary<'a> for Mmrpdu {
        fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
            let vector = |u: &mut Unstructured<'a>| -> Result<Vector> {
                let first =
                    if u.arbitrary()? { Attribute::Service(u.arbitrary()?) } else { Attribute::Mac(u.arbitrary()?) };
                let n = u.int_in_range(1..=10)?;
                let events = (0..n).map(|_| u.choose(&MrpEvent::ALL).copied()).collect::<Result<_>>()?;
                Ok(Vector { leave_all: u.arbitrary()?, first, events })
            };
            let n = u.int_in_range(0..=4)?;
            Ok(Self((0..n).map(|_| vector(u)).collect::<Result<_>>()?))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GROUP: Mac = Mac([0x01, 0x00, 0x5e, 1, 1, 1]);

    /// A PDU as §10.8.2 lays it out: JoinIn of two addresses that follow each other, then a Leave.
    ///
    /// Shows: L2VPN-5.4-4
    #[test]
    fn octets_of_a_pdu() {
        let join = Vector {
            leave_all: true,
            first: Attribute::Mac(GROUP),
            events: alloc::vec![MrpEvent::JoinIn, MrpEvent::Leave],
        };
        let pdu = Mmrpdu(alloc::vec![join]);
        let mut octets = Vec::new();
        pdu.emit(&mut octets);
        let vector = [0x20, 2, 0x01, 0x00, 0x5e, 1, 1, 1, 36 + 5 * 6];
        assert_eq!(octets, [&[0, 2, 6][..], &vector, &[0, 0, 0, 0]].concat());
        assert_eq!(Mmrpdu::take(&octets), Ok((&[][..], pdu.clone())));
        let frame = pdu.frame(Mac([2; 6]));
        let header = [1, 0x80, 0xc2, 0, 0, 0x20, 2, 2, 2, 2, 2, 2, 0x88, 0xf6];
        assert_eq!(frame[..14 + octets.len()], [&header[..], &octets].concat());
        assert_eq!(Mmrpdu::parse_frame(&frame), Ok(pdu.clone()));
        let values: Vec<_> = pdu.0[0].values().collect();
        assert_eq!(values[1], (Attribute::Mac(Mac([0x01, 0x00, 0x5e, 1, 1, 2])), MrpEvent::Leave));
        for n in 0..octets.len() - 2 {
            assert!(Mmrpdu::take(&octets[..n]).is_err() || n == 1, "{n}");
        }
        let mut bad = octets.clone();
        bad[11] = 216;
        assert_eq!(codec::all(&bad, Mmrpdu::take).unwrap_err().field, "event");
        bad[2] = 4;
        assert_eq!(codec::all(&bad, Mmrpdu::take).unwrap_err().field, "length");
    }
}
