//! The Capability message (RFC 5561 §4).

use alloc::vec::Vec;

use fwd_core::codec::{BufMut, Take};

use super::super::tlv::Tlv;
use super::{emit_optional, optional_len, take_optional};

/// Capabilities that the sender has or has not from now on; for peers with the Dynamic Capability Announcement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CapabilityMessage {
    /// Capability parameters.
    pub optional: Vec<Tlv>,
}

impl CapabilityMessage {
    pub(super) fn take(i: &[u8]) -> Take<'_, Self> {
        take_optional(i).map(|(i, optional)| (i, Self { optional }))
    }

    pub(super) fn wire_len(&self) -> usize {
        optional_len(&self.optional)
    }

    pub(super) fn emit(&self, out: &mut impl BufMut) {
        emit_optional(&self.optional, out);
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for CapabilityMessage {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(Self { optional: super::super::octets::arbitrary_list(u, 3)? })
    }
}
