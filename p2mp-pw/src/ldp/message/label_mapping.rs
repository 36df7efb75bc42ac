//! The Label Mapping message (RFC 5036 §3.5.7).

use alloc::vec::Vec;

use fwd_core::codec::{BufMut, Fail, Fault, Take};
use fwd_core::net::Label;

use super::super::fec::Fec;
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

    const fn value(self) -> TlvValue {
        match self {
            Self::Generic(label) => TlvValue::GenericLabel(label),
            Self::Upstream(label) => TlvValue::UpstreamLabel(label),
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
        let label = Tlv::new(self.label.value()).wire_len();
        optional_len(&self.optional).saturating_add(self.fec.tlv_len()).saturating_add(label)
    }

    pub(super) fn emit(&self, out: &mut impl BufMut) {
        self.fec.emit_tlv(out);
        let of_fec = self.optional.iter().take_while(|tlv| stands_before_label(tlv)).count();
        let (of_fec, rest) = self.optional.split_at_checked(of_fec).unwrap_or((&self.optional, &[]));
        emit_optional(of_fec, out);
        Tlv::new(self.label.value()).emit(out);
        emit_optional(rest, out);
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
