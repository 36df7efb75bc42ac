//! The Label Withdraw and Label Release messages (RFC 5036 §3.5.10, §3.5.11).

use alloc::vec::Vec;

use fwd_core::codec::{BufMut, Take};
use fwd_core::net::Label;

use super::super::fec::Fec;
use super::super::tlv::{Tlv, TlvType, TlvValue, take_mandatory};
use super::{emit_optional, optional_len, take_optional};

/// A FEC whose label is taken back or given back. Without a label among the parameters all labels of the FEC are meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelWithdraw {
    /// The FEC.
    pub fec: Fec,
    /// Optional parameters: the label, and in a Label Release a status.
    pub optional: Vec<Tlv>,
}

impl LabelWithdraw {
    /// The FEC's label; `None`: all its labels.
    #[must_use]
    pub fn label(&self) -> Option<Label> {
        self.optional.iter().find_map(|tlv| match tlv.value {
            TlvValue::GenericLabel(label) | TlvValue::UpstreamLabel(label) => Some(label),
            _ => None,
        })
    }

    pub(super) fn take(i: &[u8]) -> Take<'_, Self> {
        let (i, fec) = take_mandatory(i, TlvType::FEC, Fec::take)?;
        let (i, optional) = take_optional(i)?;
        Ok((i, Self { fec, optional }))
    }

    pub(super) fn wire_len(&self) -> usize {
        optional_len(&self.optional).saturating_add(self.fec.tlv_len())
    }

    pub(super) fn emit(&self, out: &mut impl BufMut) {
        self.fec.emit_tlv(out);
        emit_optional(&self.optional, out);
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for LabelWithdraw {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(Self { fec: u.arbitrary()?, optional: super::super::octets::arbitrary_list(u, 3)? })
    }
}
