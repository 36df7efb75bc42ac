//! The Notification message (RFC 5036 §3.5.1).

use alloc::vec;
use alloc::vec::Vec;

use fwd_core::codec::{BufMut, Take};

use super::super::fec::{Fec, FecElement};
use super::super::status::{Status, StatusCode};
use super::super::tlv::{Tlv, TlvFlags, TlvType, TlvValue, emit_header, take_mandatory};
use super::super::{MpStatus, PwStatus};
use super::{emit_optional, optional_len, take_optional};

/// A status, and what belongs to it: the session's end, an answer to a message, the state of a pseudowire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// The status.
    pub status: Status,
    /// Optional parameters.
    pub optional: Vec<Tlv>,
}

impl Notification {
    /// A status without more.
    #[must_use]
    pub const fn new(status: Status) -> Self {
        Self { status, optional: Vec::new() }
    }

    /// The state of a pseudowire (RFC 8077 §6.3.2).
    #[must_use]
    pub fn pw_status(fec: FecElement, status: PwStatus) -> Self {
        let optional = vec![Tlv::new(TlvValue::PwStatus(status)), Tlv::new(TlvValue::Fec(Fec::single(fec)))];
        Self { status: Status::new(StatusCode::PW_STATUS), optional }
    }

    /// The state of a multipoint LSP (RFC 6388 §5.2.1).
    #[must_use]
    pub fn mp_status(fec: FecElement, status: MpStatus) -> Self {
        let status = Tlv::new(TlvValue::MpStatus(smallvec::smallvec![status]));
        let optional = vec![status, Tlv::new(TlvValue::Fec(Fec::single(fec)))];
        Self { status: Status::new(StatusCode::LDP_MP_STATUS), optional }
    }

    /// All labels for FECs of this typed wildcard were sent (RFC 5919 §4).
    #[must_use]
    pub fn end_of_lib(fec: FecElement) -> Self {
        Self { status: Status::new(StatusCode::END_OF_LIB), optional: vec![Tlv::new(TlvValue::Fec(Fec::single(fec)))] }
    }

    /// The FEC that the status is about.
    #[must_use]
    pub fn fec(&self) -> Option<&Fec> {
        self.optional.iter().find_map(|tlv| match &tlv.value {
            TlvValue::Fec(fec) => Some(fec),
            _ => None,
        })
    }

    pub(super) fn take(i: &[u8]) -> Take<'_, Self> {
        let (i, status) = take_mandatory(i, TlvType::STATUS, Status::take)?;
        let (i, optional) = take_optional(i)?;
        Ok((i, Self { status, optional }))
    }

    pub(super) fn wire_len(&self) -> usize {
        optional_len(&self.optional).saturating_add(Tlv::HEADER_LEN).saturating_add(Status::LEN)
    }

    pub(super) fn emit(&self, out: &mut impl BufMut) {
        // The F bit of the TLV is that of the code (RFC 5036 §3.4.6).
        let forward = self.status.code != self.status.code.without_forward();
        let flags = if forward { TlvFlags::FORWARD } else { TlvFlags::empty() };
        emit_header(flags, TlvType::STATUS, Status::LEN, out);
        self.status.emit(out);
        emit_optional(&self.optional, out);
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for Notification {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(Self { status: u.arbitrary()?, optional: super::super::octets::arbitrary_list(u, 3)? })
    }
}
