//! IKEv1's Security Association payload: proposals and transforms as payloads of their own (RFC 2408 §3.4–§3.6).

use alloc::vec::Vec;

use fwd_core::codec::{self, BufMut, Fail, Fault, Take};
use smallvec::SmallVec;

use super::super::attribute::{Attribute, Attributes};
use super::super::{PayloadType, ProtocolId};

/// The only situation in use (RFC 2407 §4.2.1).
pub const SITUATION_IDENTITY_ONLY: u32 = 1;

/// A transform: algorithms, all of them together, as attributes.
///
/// ```text
/// +---------------+---------------+-------------------------------+
/// | next: 0 or 3  |   reserved    |        payload length         |
/// +---------------+---------------+-------------------------------+
/// |    number     | transform ID  |           reserved            |
/// +---------------+---------------+-------------------------------+
/// |  attributes                                                   ~
/// +---------------------------------------------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transform<'a> {
    /// Its number.
    pub number: u8,
    /// Phase 1: 1 (KEY_IKE). ESP: the encryption algorithm (RFC 2407 §4.4.4).
    pub id: u8,
    /// The attributes.
    pub attributes: Attributes<'a>,
}

impl<'a> Transform<'a> {
    const HEADER_LEN: usize = 8;

    fn take(i: &'a [u8]) -> Take<'a, (Self, bool)> {
        let start = i;
        let (i, [next, _, l0, l1, number, id, _, _]) = codec::array::<8>(i, "transform")?;
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        let Some(len) = length.checked_sub(Self::HEADER_LEN) else {
            return Err(Fail::new(start.get(2..).unwrap_or_default(), "transform length", Fault::Length(length)));
        };
        if next != 0 && next != PayloadType::TRANSFORM.0 {
            return Err(Fail::new(start, "next transform", Fault::Value(next.into())));
        }
        let (i, attributes) = codec::octets(i, len, "transform attributes")?;
        let attributes = Attributes::check(attributes)?;
        Ok((i, (Self { number, id, attributes }, next == 0)))
    }
}

/// The transforms of a proposal; a list that was checked when it was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Transforms<'a> {
    octets: &'a [u8],
}

impl<'a> Iterator for Transforms<'a> {
    type Item = Transform<'a>;
    fn next(&mut self) -> Option<Transform<'a>> {
        let (rest, (transform, _)) = Transform::take(self.octets).ok()?;
        self.octets = rest;
        Some(transform)
    }
}

/// A proposal. Proposals with one number belong together: all of them or none (RFC 2408 §4.2).
///
/// ```text
/// +---------------+---------------+-------------------------------+
/// | next: 0 or 2  |   reserved    |        payload length         |
/// +---------------+---------------+---------------+---------------+
/// |    number     |  protocol ID  |   SPI size    |  transforms   |
/// +---------------+---------------+---------------+---------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proposal<'a> {
    /// Its number.
    pub number: u8,
    /// The protocol.
    pub protocol: ProtocolId,
    /// The sender's SPI.
    pub spi: &'a [u8],
    /// The transforms, in the sender's order.
    pub transforms: Transforms<'a>,
}

impl<'a> Proposal<'a> {
    const HEADER_LEN: usize = 8;

    fn take(i: &'a [u8]) -> Take<'a, (Self, bool)> {
        let start = i;
        let (i, [next, _, l0, l1, number, protocol, spi_len, count]) = codec::array::<8>(i, "proposal")?;
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        let Some(len) = length.checked_sub(Self::HEADER_LEN) else {
            return Err(Fail::new(start.get(2..).unwrap_or_default(), "proposal length", Fault::Length(length)));
        };
        if next != 0 && next != PayloadType::PROPOSAL.0 {
            return Err(Fail::new(start, "next proposal", Fault::Value(next.into())));
        }
        let (i, body) = codec::octets(i, len, "proposal")?;
        let (body, spi) = codec::octets(body, spi_len.into(), "SPI")?;
        let mut rest = body;
        for n in 1..=count {
            let at = rest;
            let (after, (_, is_last)) = Transform::take(rest)?;
            if is_last != (n == count) {
                return Err(Fail::new(at, "next transform", Fault::Value(u32::from(n))));
            }
            rest = after;
        }
        if !rest.is_empty() {
            return Err(Fail::new(rest, "transforms", Fault::Trailing(rest.len())));
        }
        let transforms = Transforms { octets: body };
        Ok((i, (Self { number, protocol: ProtocolId(protocol), spi, transforms }, next == 0)))
    }
}

/// A Security Association payload; its proposals and transforms were checked when it was taken.
///
/// ```text
/// +---------------------------------------------------------------+
/// |               domain of interpretation (DOI)                  |
/// +---------------------------------------------------------------+
/// |                          situation                            |
/// +---------------------------------------------------------------+
/// |  proposals                                                    ~
/// +---------------------------------------------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sa<'a> {
    /// The DOI.
    pub doi: u32,
    /// The situation.
    pub situation: u32,
    octets: &'a [u8],
}

impl<'a> Sa<'a> {
    pub(super) fn take(i: &'a [u8]) -> Take<'a, Self> {
        let (i, doi) = codec::be_u32(i, "DOI")?;
        let (octets, situation) = codec::be_u32(i, "situation")?;
        let mut rest = octets;
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
        Ok((&[], Self { doi, situation, octets }))
    }

    pub(super) const fn wire_len(&self) -> usize {
        self.octets.len().saturating_add(8)
    }

    pub(super) fn emit(&self, out: &mut impl BufMut) {
        out.put_u32(self.doi);
        out.put_u32(self.situation);
        out.put_slice(self.octets);
    }

    /// The proposals, in the sender's order.
    #[must_use]
    pub const fn proposals(&self) -> Proposals<'a> {
        Proposals { octets: self.octets }
    }

    /// Writes the body of a payload of the IPsec DOI with one proposal.
    pub fn write(offer: &ProposalOffer, out: &mut Vec<u8>) {
        out.put_u32(super::DOI_IPSEC);
        out.put_u32(SITUATION_IDENTITY_ONLY);
        offer.emit(out);
    }
}

/// The proposals of a payload.
#[derive(Clone, Copy, Debug)]
pub struct Proposals<'a> {
    octets: &'a [u8],
}

impl<'a> Iterator for Proposals<'a> {
    type Item = Proposal<'a>;
    fn next(&mut self) -> Option<Proposal<'a>> {
        let (rest, (proposal, _)) = Proposal::take(self.octets).ok()?;
        self.octets = rest;
        Some(proposal)
    }
}

/// A transform to be written. Attributes are of the short form where their value fits in 16 bits.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct TransformOffer {
    /// Its number.
    pub number: u8,
    /// Its ID.
    pub id: u8,
    /// Types (15 bits) and values of its attributes.
    pub attributes: Vec<(u16, u32)>,
}

/// A proposal to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProposalOffer {
    /// Its number.
    pub number: u8,
    /// The protocol.
    pub protocol: ProtocolId,
    /// Our SPI.
    pub spi: SmallVec<[u8; 8]>,
    /// The transforms: at most 255.
    pub transforms: Vec<TransformOffer>,
}

impl ProposalOffer {
    fn emit(&self, out: &mut Vec<u8>) {
        let transforms = self.transforms.get(..255).unwrap_or(&self.transforms);
        let mut body = Vec::new();
        for (n, transform) in transforms.iter().enumerate() {
            let more = n.saturating_add(1) < transforms.len();
            let mut attributes = Vec::new();
            for &(kind, value) in &transform.attributes {
                match u16::try_from(value) {
                    Ok(short) => Attribute::Short(kind, short).emit(&mut attributes),
                    Err(_) => Attribute::Long(kind, &value.to_be_bytes()).emit(&mut attributes),
                }
            }
            body.put_slice(&[if more { PayloadType::TRANSFORM.0 } else { 0 }, 0]);
            let len = attributes.len().saturating_add(Transform::HEADER_LEN);
            body.put_u16(u16::try_from(len).unwrap_or(u16::MAX));
            body.put_slice(&[transform.number, transform.id, 0, 0]);
            body.put_slice(&attributes);
        }
        let len = Proposal::HEADER_LEN.saturating_add(self.spi.len()).saturating_add(body.len());
        out.put_slice(&[0, 0]);
        out.put_u16(u16::try_from(len).unwrap_or(u16::MAX));
        let spi_len = u8::try_from(self.spi.len()).unwrap_or(u8::MAX);
        out.put_slice(&[self.number, self.protocol.0, spi_len, u8::try_from(transforms.len()).unwrap_or(u8::MAX)]);
        out.put_slice(&self.spi);
        out.put_slice(&body);
    }

    /// What is in a proposal; `None` if an attribute is no number.
    #[must_use]
    pub fn of(proposal: &Proposal<'_>) -> Option<Self> {
        let transform = |t: Transform<'_>| {
            let attributes = t.attributes.map(|a| Some((a.kind(), a.number()?))).collect::<Option<_>>()?;
            Some(TransformOffer { number: t.number, id: t.id, attributes })
        };
        let transforms = proposal.transforms.map(transform).collect::<Option<_>>()?;
        let spi = SmallVec::from_slice(proposal.spi);
        Some(Self { number: proposal.number, protocol: proposal.protocol, spi, transforms })
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for ProposalOffer {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let spi_len = u.int_in_range(0..=8)?;
        let (number, protocol, spi) = (u.arbitrary()?, u.arbitrary()?, SmallVec::from_slice(u.bytes(spi_len)?));
        let count = u.int_in_range(0..=4)?;
        let mut transforms = (0..count).map(|_| u.arbitrary()).collect::<arbitrary::Result<Vec<TransformOffer>>>()?;
        for transform in &mut transforms {
            transform.attributes.truncate(8);
            transform.attributes.iter_mut().for_each(|(kind, _)| *kind &= 0x7fff);
        }
        Ok(Self { number, protocol, spi, transforms })
    }
}
