//! The Label Mapping message (RFC 5036 §3.5.7).

use alloc::vec::Vec;

use fwd_core::codec::{BufMut, Fail, Fault, Take};
use fwd_core::net::{IpPrefix, Ipv4Prefix, Label};

use super::super::fec::{Fec, FecElement, PrefixFec};
use super::super::tlv::{Tlv, TlvType, TlvValue, take_mandatory};
use super::{emit_optional, optional_len, take_optional};

/// The label of a mapping: who assigned it says in which label space it is looked up (RFC 5331 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum LabelTlv {
    /// In the Generic Label TLV. Assigned by the sender for what it receives; with the FEC of a P2MP pseudowire, for what
    /// it sends (RFC 8338 §3.5).
    Generic(Label),
    /// In the Upstream-Assigned Label TLV: assigned by the sender for what it sends (RFC 6389 §4).
    Upstream(Label),
}

impl LabelTlv {
    /// The label.
    #[must_use]
    pub const fn label(self) -> Label {
        match self {
            Self::Generic(label) | Self::Upstream(label) => label,
        }
    }

    const fn of(value: &TlvValue) -> Option<Self> {
        match value {
            TlvValue::GenericLabel(label) => Some(Self::Generic(*label)),
            TlvValue::UpstreamLabel(label) => Some(Self::Upstream(*label)),
            _ => None,
        }
    }

    /// The Generic Label TLV in front, as it nearly always is, without a list of parameters for it.
    #[inline]
    fn in_front(i: &[u8]) -> Option<(&[u8], Self)> {
        let (octets, rest) = i.split_first_chunk::<{ Self::GENERIC_LEN }>()?;
        let [0x02, 0x00, 0, 4, a, b, c, d] = *octets else { return None };
        Some((rest, Self::Generic(Label::new(u32::from_be_bytes([a, b, c, d]))?)))
    }

    /// Octets of a whole Generic Label TLV.
    const GENERIC_LEN: usize = 8;

    const fn tlv_len(self) -> usize {
        match self {
            Self::Generic(_) => Self::GENERIC_LEN,
            Self::Upstream(_) => 12,
        }
    }

    const fn generic_octets(label: Label) -> [u8; Self::GENERIC_LEN] {
        let [t0, t1] = TlvType::GENERIC_LABEL.value().to_be_bytes();
        let [a, b, c, d] = label.value().to_be_bytes();
        [t0, t1, 0, 4, a, b, c, d]
    }

    fn emit(self, out: &mut impl BufMut) {
        match self {
            Self::Generic(label) => out.put_slice(&Self::generic_octets(label)),
            Self::Upstream(label) => Tlv::new(TlvValue::UpstreamLabel(label)).emit(out),
        }
    }
}

/// A label for a FEC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelMapping {
    /// The FEC.
    pub fec: Fec,
    /// The label.
    pub label: LabelTlv,
    /// Optional parameters.
    pub optional: Vec<Tlv>,
}

impl LabelMapping {
    /// The label may stand anywhere behind the FEC: interface parameters come before it (RFC 8077 §6.3.3).
    pub(super) fn take(i: &[u8]) -> Take<'_, Self> {
        let (i, fec) = take_mandatory(i, TlvType::FEC, Fec::take)?;
        if let Some((i, label)) = LabelTlv::in_front(i) {
            let (rest, optional) = take_optional(i)?;
            return Ok((rest, Self { fec, label, optional }));
        }
        let (rest, mut optional) = take_optional(i)?;
        let labels = optional.iter().enumerate();
        let mut labels = labels.filter_map(|(at, tlv)| LabelTlv::of(&tlv.value).map(|label| (at, label)));
        let Some((at, label)) = labels.next() else {
            let missing = Fault::Value(TlvType::GENERIC_LABEL.value().into());
            return Err(Fail::new(i, "mandatory parameter", missing));
        };
        optional.remove(at);
        Ok((rest, Self { fec, label, optional }))
    }

    pub(super) fn wire_len(&self) -> usize {
        optional_len(&self.optional).saturating_add(self.fec.tlv_len()).saturating_add(self.label.tlv_len())
    }

    /// The prefix and label of a mapping of one IPv4 prefix without parameters. Most messages of a session are of this kind, and are read
    /// and written at once: [`Self::take_plain`], [`PlainMapping::emit`].
    #[inline]
    pub(super) fn plain(&self) -> Option<PlainMapping> {
        let (LabelTlv::Generic(label), []) = (self.label, self.optional.as_slice()) else { return None };
        let [FecElement::Prefix(PrefixFec::Ip(IpPrefix::V4(prefix)))] = self.fec.0.as_slice() else { return None };
        Some(PlainMapping { prefix: *prefix, label })
    }

    /// The parameters of such a message, as [`Self::take`] would read them; `None`: it is of another kind, or malformed.
    #[inline]
    pub(super) fn take_plain(i: &[u8]) -> Option<Self> {
        let (fec, rest) = i.split_first_chunk::<8>()?;
        let [0x01, 0x00, 0, fec_len, 0x02, 0x00, 0x01, bit_len] = *fec else { return None };
        let octets = bit_len.div_ceil(8);
        let (address, rest) = match (octets, rest) {
            (4, [a, b, c, d, rest @ ..]) => ([*a, *b, *c, *d], rest),
            (3, [a, b, c, rest @ ..]) => ([*a, *b, *c, 0], rest),
            (2, [a, b, rest @ ..]) => ([*a, *b, 0, 0], rest),
            (1, [a, rest @ ..]) => ([*a, 0, 0, 0], rest),
            (0, rest) => ([0; 4], rest),
            _ => return None,
        };
        let (rest, label) = LabelTlv::in_front(rest)?;
        if fec_len.checked_sub(4) != Some(octets) || !rest.is_empty() {
            return None;
        }
        let prefix = Ipv4Prefix::new(address.into(), bit_len)?;
        let fec = Fec::single(FecElement::Prefix(PrefixFec::Ip(IpPrefix::V4(prefix))));
        Some(Self { fec, label, optional: Vec::new() })
    }

    pub(super) fn emit(&self, out: &mut impl BufMut) {
        self.fec.emit_tlv(out);
        let of_fec = self.optional.iter().take_while(|tlv| stands_before_label(tlv)).count();
        let (of_fec, rest) = self.optional.split_at_checked(of_fec).unwrap_or((&self.optional, &[]));
        emit_optional(of_fec, out);
        self.label.emit(out);
        emit_optional(rest, out);
    }
}

/// A mapping of one IPv4 prefix without parameters: see [`LabelMapping::plain`].
pub(super) struct PlainMapping {
    prefix: Ipv4Prefix,
    label: Label,
}

impl PlainMapping {
    /// Octets of the whole message without those of the prefix.
    const FIXED: usize = 24;
    /// Octets in front of the prefix, and it at its longest.
    const FRONT: usize = 20;

    #[inline]
    pub(super) fn wire_len(&self) -> usize {
        self.prefix.wire_octets().len().saturating_add(Self::FIXED)
    }

    /// Writes the whole message.
    #[inline]
    pub(super) fn emit(&self, id: u32, out: &mut impl BufMut) {
        match self.prefix.wire_octets().len() {
            0 => self.emit_as::<24>(id, out),
            1 => self.emit_as::<25>(id, out),
            2 => self.emit_as::<26>(id, out),
            3 => self.emit_as::<27>(id, out),
            _ => self.emit_as::<28>(id, out),
        }
    }

    /// Of so many octets in all.
    #[inline]
    fn emit_as<const LEN: usize>(&self, id: u32, out: &mut impl BufMut) {
        let n = u8::try_from(LEN.saturating_sub(Self::FIXED)).unwrap_or(0);
        let ([i0, i1, i2, i3], [p0, p1, p2, p3]) = (id.to_be_bytes(), self.prefix.bits().to_be_bytes());
        let front: [u8; Self::FRONT] = [
            0x04,
            0x00,
            0,
            n.saturating_add(20),
            i0,
            i1,
            i2,
            i3, // type, length, identifier
            0x01,
            0x00,
            0,
            n.saturating_add(4), // FEC
            0x02,
            0x00,
            0x01,
            self.prefix.bit_len(),
            p0,
            p1,
            p2,
            p3, // an IPv4 prefix
        ];
        let mut message = [0; LEN];
        if let Some(start) = message.first_chunk_mut::<{ Self::FRONT }>() {
            *start = front;
        }
        // Over the octets that the prefix does not have.
        if let Some(end) = message.last_chunk_mut::<{ LabelTlv::GENERIC_LEN }>() {
            *end = LabelTlv::generic_octets(self.label);
        }
        out.put_slice(&message);
    }
}

/// Parameters that were part of the FEC element before the Generalized PWid.
const fn stands_before_label(tlv: &Tlv) -> bool {
    matches!(tlv.value, TlvValue::PwInterfaceParameters(_) | TlvValue::PwGroupId(_))
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for LabelMapping {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let (fec, label) = (u.arbitrary()?, u.arbitrary()?);
        let mut optional: Vec<Tlv> = super::super::octets::arbitrary_list(u, 3)?;
        optional.retain(|tlv| LabelTlv::of(&tlv.value).is_none());
        Ok(Self { fec, label, optional })
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::super::{Message, MessageBody};
    use super::*;

    /// Every length of a prefix: what is written at once is what the parameters one by one make, and is read as they are read.
    #[test]
    fn plain_mappings_are_as_any_others() {
        for bit_len in 0..=32 {
            let prefix = Ipv4Prefix::from_bits(0xc0a8_d7ff, bit_len).unwrap();
            let fec = Fec::single(FecElement::Prefix(PrefixFec::Ip(IpPrefix::V4(prefix))));
            let mapping = LabelMapping { fec, label: LabelTlv::Generic(Label::from_low_bits(77)), optional: vec![] };
            let mut parameters = Vec::new();
            mapping.emit(&mut parameters);
            assert_eq!(parameters.len(), mapping.wire_len());
            assert_eq!(LabelMapping::take(&parameters).unwrap(), (&[][..], mapping.clone()));
            assert_eq!(LabelMapping::take_plain(&parameters), Some(mapping.clone()));
            let mut out = Vec::new();
            let message = Message { id: 0x0102_0304, body: MessageBody::LabelMapping(mapping) };
            message.emit(&mut out);
            assert_eq!(out.len(), message.wire_len());
            let len = u8::try_from(parameters.len()).unwrap() + 4;
            assert_eq!(out, [&[4, 0, 0, len, 1, 2, 3, 4][..], &parameters].concat());
            // Whatever else stands there, or is missing, is for the other way to judge.
            for cut in 0..parameters.len() {
                assert_eq!(LabelMapping::take_plain(&parameters[..cut]), None);
            }
            assert_eq!(LabelMapping::take_plain(&[&parameters[..], &[0]].concat()), None);
            for at in [0, 1, 2, 3, 4, 5, 6] {
                let mut changed = parameters.clone();
                changed[at] ^= 1;
                assert_eq!(LabelMapping::take_plain(&changed), None, "{at}");
            }
        }
        assert_eq!(LabelMapping::take_plain(&[1, 0, 0, 9, 2, 0, 1, 33, 1, 2, 3, 4, 5, 2, 0, 0, 4, 0, 0, 0, 9]), None);
    }
}
