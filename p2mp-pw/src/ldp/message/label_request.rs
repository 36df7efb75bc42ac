//! The Label Request and Label Abort Request messages (RFC 5036 §3.5.8, §3.5.9).

use alloc::vec::Vec;

use fwd_core::codec::{self, BufMut, Take};

use super::super::fec::Fec;
use super::super::tlv::{Tlv, TlvFlags, TlvType, emit_header, take_mandatory};
use super::{emit_optional, optional_len, take_optional};

/// Asks for a label for a FEC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelRequest {
    /// The FEC.
    pub fec: Fec,
    /// Optional parameters.
    pub optional: Vec<Tlv>,
}

impl LabelRequest {
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

/// Takes a Label Request back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelAbortRequest {
    /// The FEC of the request.
    pub fec: Fec,
    /// The request's message identifier.
    pub request_id: u32,
    /// Optional parameters; none is defined.
    pub optional: Vec<Tlv>,
}

impl LabelAbortRequest {
    pub(super) fn take(i: &[u8]) -> Take<'_, Self> {
        let (i, fec) = take_mandatory(i, TlvType::FEC, Fec::take)?;
        let take_id = |i| codec::be_u32(i, "label request message id");
        let (i, request_id) = take_mandatory(i, TlvType::LABEL_REQUEST_MESSAGE_ID, take_id)?;
        let (i, optional) = take_optional(i)?;
        Ok((i, Self { fec, request_id, optional }))
    }

    pub(super) fn wire_len(&self) -> usize {
        let request_id = Tlv::HEADER_LEN.saturating_add(4);
        optional_len(&self.optional).saturating_add(request_id).saturating_add(self.fec.tlv_len())
    }

    pub(super) fn emit(&self, out: &mut impl BufMut) {
        self.fec.emit_tlv(out);
        emit_header(TlvFlags::empty(), TlvType::LABEL_REQUEST_MESSAGE_ID, 4, out);
        out.put_u32(self.request_id);
        emit_optional(&self.optional, out);
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for LabelRequest {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(Self { fec: u.arbitrary()?, optional: super::super::octets::arbitrary_list(u, 3)? })
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for LabelAbortRequest {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(Self {
            fec: u.arbitrary()?,
            request_id: u.arbitrary()?,
            optional: super::super::octets::arbitrary_list(u, 3)?,
        })
    }
}
