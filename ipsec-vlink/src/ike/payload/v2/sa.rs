//! IKEv2's Security Association payload: proposals and their transforms (RFC 7296 §3.3).

use alloc::vec::Vec;

use fwd_core::codec::{self, BufMut, Fail, Fault, Take};
use smallvec::SmallVec;

use super::super::ProtocolId;
use super::super::attribute::Attributes;

/// What a transform is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct TransformType(pub u8);

impl TransformType {
    /// Encryption algorithm.
    pub const ENCR: Self = Self(1);
    /// Pseudorandom function.
    pub const PRF: Self = Self(2);
    /// Integrity algorithm.
    pub const INTEG: Self = Self(3);
    /// Diffie-Hellman group.
    pub const DH: Self = Self(4);
    /// Extended sequence numbers.
    pub const ESN: Self = Self(5);
}

/// A transform.
///
/// ```text
/// +---------------+---------------+-------------------------------+
/// | last: 0 or 3  |   reserved    |       transform length        |
/// +---------------+---------------+-------------------------------+
/// |transform type |   reserved    |         transform ID          |
/// +---------------+---------------+-------------------------------+
/// |  attributes                                                   ~
/// +---------------------------------------------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transform<'a> {
    /// What it is.
    pub kind: TransformType,
    /// Which one.
    pub id: u16,
    /// Its attributes: the length of its key, or none.
    pub attributes: Attributes<'a>,
}

impl<'a> Transform<'a> {
    const HEADER_LEN: usize = 8;
    const MORE: u8 = 3;
    /// The Key Length attribute (RFC 7296 §3.3.5).
    const KEY_LENGTH: u16 = 14;

    /// Takes a transform and says whether it is the last.
    #[inline]
    fn take(i: &'a [u8]) -> Take<'a, (Self, bool)> {
        let start = i;
        let (i, [last, _, l0, l1, kind, _, i0, i1]) = codec::array::<8>(i, "transform")?;
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        let Some(len) = length.checked_sub(Self::HEADER_LEN) else {
            return Err(Fail::new(start.get(2..).unwrap_or_default(), "transform length", Fault::Length(length)));
        };
        if last != 0 && last != Self::MORE {
            return Err(Fail::new(start, "last transform", Fault::Value(last.into())));
        }
        let (i, attributes) = codec::octets(i, len, "transform attributes")?;
        let attributes = Attributes::check(attributes)?;
        let id = u16::from_be_bytes([i0, i1]);
        Ok((i, (Self { kind: TransformType(kind), id, attributes }, last == 0)))
    }

    /// Bits of the key; 0: not said. `None`: an attribute that we do not know, so that the transform cannot be taken
    /// (RFC 7296 §3.3.6).
    #[must_use]
    pub fn key_bits(&self) -> Option<u16> {
        let mut bits = 0;
        for attribute in self.attributes {
            match attribute {
                super::super::Attribute::Short(Self::KEY_LENGTH, n) => bits = n,
                _ => return None,
            }
        }
        Some(bits)
    }
}

/// The transforms of a proposal; a list that was checked when it was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transforms<'a> {
    octets: &'a [u8],
}

impl<'a> Iterator for Transforms<'a> {
    type Item = Transform<'a>;

    #[inline]
    fn next(&mut self) -> Option<Transform<'a>> {
        let (rest, (transform, _)) = Transform::take(self.octets).ok()?;
        self.octets = rest;
        Some(transform)
    }
}

/// A proposal.
///
/// ```text
/// +---------------+---------------+-------------------------------+
/// | last: 0 or 2  |   reserved    |        proposal length        |
/// +---------------+---------------+---------------+---------------+
/// |proposal number|  protocol ID  |   SPI size    |  transforms   |
/// +---------------+---------------+---------------+---------------+
/// |  SPI, transforms                                              ~
/// +---------------------------------------------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proposal<'a> {
    /// Its number, from 1.
    pub number: u8,
    /// The protocol.
    pub protocol: ProtocolId,
    /// The sender's SPI.
    pub spi: &'a [u8],
    /// The transforms.
    pub transforms: Transforms<'a>,
}

impl<'a> Proposal<'a> {
    const HEADER_LEN: usize = 8;
    const MORE: u8 = 2;

    #[inline]
    fn take(i: &'a [u8]) -> Take<'a, (Self, bool)> {
        let start = i;
        let (i, [last, _, l0, l1, number, protocol, spi_len, count]) = codec::array::<8>(i, "proposal")?;
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        let Some(len) = length.checked_sub(Self::HEADER_LEN) else {
            return Err(Fail::new(start.get(2..).unwrap_or_default(), "proposal length", Fault::Length(length)));
        };
        if last != 0 && last != Self::MORE {
            return Err(Fail::new(start, "last proposal", Fault::Value(last.into())));
        }
        let (i, body) = codec::octets(i, len, "proposal")?;
        let (body, spi) = codec::octets(body, spi_len.into(), "SPI")?;
        let mut rest = body;
        for n in 1..=count {
            let at = rest;
            let (after, (_, is_last)) = Transform::take(rest)?;
            if is_last != (n == count) {
                return Err(Fail::new(at, "last transform", Fault::Value(u32::from(n))));
            }
            rest = after;
        }
        if !rest.is_empty() {
            return Err(Fail::new(rest, "transforms", Fault::Trailing(rest.len())));
        }
        let transforms = Transforms { octets: body };
        Ok((i, (Self { number, protocol: ProtocolId(protocol), spi, transforms }, last == 0)))
    }
}

/// A Security Association payload; its proposals and transforms were checked when it was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sa<'a> {
    octets: &'a [u8],
}

impl<'a> Sa<'a> {
    #[inline]
    pub(super) fn take(i: &'a [u8]) -> Take<'a, Self> {
        let octets = i;
        let mut rest = i;
        loop {
            let (after, (_, last)) = Proposal::take(rest)?;
            rest = after;
            if last {
                break;
            }
        }
        if !rest.is_empty() {
            return Err(Fail::new(rest, "proposals", Fault::Trailing(rest.len())));
        }
        Ok((&[], Self { octets }))
    }

    pub(super) const fn wire_len(&self) -> usize {
        self.octets.len()
    }

    pub(super) fn emit(&self, out: &mut impl BufMut) {
        out.put_slice(self.octets);
    }

    /// The proposals, in the sender's order.
    #[must_use]
    pub const fn proposals(&self) -> Proposals<'a> {
        Proposals { octets: self.octets }
    }

    /// Writes the body of a payload with these proposals: at least one, each with at most 255 transforms.
    pub fn write(offers: &[Offer], out: &mut Vec<u8>) {
        for (n, offer) in offers.iter().enumerate() {
            let more = n.saturating_add(1) < offers.len();
            offer.emit(if more { Proposal::MORE } else { 0 }, out);
        }
    }
}

/// The proposals of a payload.
#[derive(Clone, Copy, Debug)]
pub struct Proposals<'a> {
    octets: &'a [u8],
}

impl<'a> Iterator for Proposals<'a> {
    type Item = Proposal<'a>;

    #[inline]
    fn next(&mut self) -> Option<Proposal<'a>> {
        let (rest, (proposal, _)) = Proposal::take(self.octets).ok()?;
        self.octets = rest;
        Some(proposal)
    }
}

/// A proposal to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Its number, from 1.
    pub number: u8,
    /// The protocol.
    pub protocol: ProtocolId,
    /// Our SPI.
    pub spi: SmallVec<[u8; 8]>,
    /// Types, IDs and bits of keys (0: not said) of the transforms.
    pub transforms: SmallVec<[(TransformType, u16, u16); 8]>,
}

impl Offer {
    fn emit(&self, last: u8, out: &mut Vec<u8>) {
        let attribute = |bits: u16| if bits == 0 { 0 } else { 4_usize };
        let transforms = self.transforms.get(..255).unwrap_or(&self.transforms);
        let len = transforms.iter().fold(Proposal::HEADER_LEN.saturating_add(self.spi.len()), |len, (_, _, bits)| {
            len.saturating_add(Transform::HEADER_LEN).saturating_add(attribute(*bits))
        });
        out.put_slice(&[last, 0]);
        out.put_u16(u16::try_from(len).unwrap_or(u16::MAX));
        let spi_len = u8::try_from(self.spi.len()).unwrap_or(u8::MAX);
        out.put_slice(&[self.number, self.protocol.0, spi_len, u8::try_from(transforms.len()).unwrap_or(u8::MAX)]);
        out.put_slice(&self.spi);
        for (n, (kind, id, bits)) in transforms.iter().enumerate() {
            let more = n.saturating_add(1) < transforms.len();
            out.put_slice(&[if more { Transform::MORE } else { 0 }, 0]);
            out.put_u16(if *bits == 0 { 8 } else { 12 });
            out.put_slice(&[kind.0, 0]);
            out.put_u16(*id);
            if *bits != 0 {
                super::super::Attribute::Short(Transform::KEY_LENGTH, *bits).emit(out);
            }
        }
    }

    /// What is in a proposal; `None` if it has an attribute that an offer cannot have.
    #[must_use]
    pub fn of(proposal: &Proposal<'_>) -> Option<Self> {
        let transforms = proposal.transforms.map(|t| Some((t.kind, t.id, t.key_bits()?))).collect::<Option<_>>()?;
        let spi = SmallVec::from_slice(proposal.spi);
        Some(Self { number: proposal.number, protocol: proposal.protocol, spi, transforms })
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for Offer {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let spi_len = u.int_in_range(0..=8)?;
        let (number, protocol, spi) = (u.arbitrary()?, u.arbitrary()?, SmallVec::from_slice(u.bytes(spi_len)?));
        let count = u.int_in_range(0..=6)?;
        let transforms = (0..count).map(|_| u.arbitrary()).collect::<arbitrary::Result<_>>()?;
        Ok(Self { number, protocol, spi, transforms })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use smallvec::smallvec;

    fn offer(number: u8) -> Offer {
        let transforms = smallvec![(TransformType::ENCR, 12, 256), (TransformType::DH, 14, 0)];
        Offer { number, protocol: ProtocolId::IKE, spi: SmallVec::new(), transforms }
    }

    #[test]
    fn proposals_octet_for_octet() {
        let mut out = Vec::new();
        Sa::write(&[offer(1), offer(2)], &mut out);
        let first = b"\x02\0\0\x1c\x01\x01\0\x02\x03\0\0\x0c\x01\0\0\x0c\x80\x0e\x01\0\0\0\0\x08\x04\0\0\x0e";
        assert_eq!(out.split_at(28).0, first);
        let sa = codec::all(&out, Sa::take).unwrap();
        let read: Vec<_> = sa.proposals().map(|p| Offer::of(&p).unwrap()).collect();
        assert_eq!(read, [offer(1), offer(2)]);
    }

    #[test]
    fn counts_and_marks_must_agree() {
        let mut whole = Vec::new();
        Sa::write(&[offer(1)], &mut whole);
        let fault = |at: usize, value: u8| {
            let mut octets = whole.clone();
            octets[at] = value;
            codec::all(&octets, Sa::take).map_err(|m| (m.offset, m.fault)).unwrap_err()
        };
        assert_eq!(fault(7, 1), (8, Fault::Value(1)), "more transforms than the count");
        assert_eq!(fault(7, 3), (20, Fault::Value(2)), "fewer transforms than the count");
        assert_eq!(fault(0, 2), (28, Fault::Truncated), "another proposal promised");
        assert_eq!(fault(0, 7), (0, Fault::Value(7)));
        assert_eq!(fault(3, 7), (2, Fault::Length(7)));
        assert_eq!(fault(11, 7), (10, Fault::Length(7)));
    }
}
