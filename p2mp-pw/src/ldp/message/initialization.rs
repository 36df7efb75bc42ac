//! The Initialization message (RFC 5036 §3.5.3).

use alloc::vec::Vec;

use bitflags::bitflags;
use fwd_core::codec::{self, BufMut, Take};

use super::super::LdpId;
use super::super::capability::Capability;
use super::super::tlv::{Tlv, TlvFlags, TlvType, TlvValue, emit_header, take_mandatory};
use super::{emit_optional, optional_len, take_optional};

bitflags! {
    /// Flags of the Common Session Parameters. Unknown bits survive.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct SessionFlags: u8 {
        /// A: Downstream on Demand; else Downstream Unsolicited (RFC 5036 §3.5.3).
        const ON_DEMAND = 0x80;
        /// D: loop detection by path vectors (RFC 5036 §3.5.3).
        const LOOP_DETECTION = 0x40;
        const _ = !0;
    }
}

/// What the sender proposes for a session.
///
/// ```text
/// Common Session Parameters TLV:
/// +-------------+--------------------+---+---+--------------+-----------+--------------------+------------------+
/// | Version (2) | KeepAlive time (2) | A | D | Reserved (6) | PVLim (1) | Max PDU length (2) | Receiver id (6)  |
/// +-------------+--------------------+---+---+--------------+-----------+--------------------+------------------+
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Initialization {
    /// The protocol's version: 1.
    pub version: u16,
    /// Proposed KeepAlive time in seconds; the smaller proposal counts. 0 is refused.
    pub keepalive_time: u16,
    /// The flags.
    pub flags: SessionFlags,
    /// The longest path vector; 0 without loop detection.
    pub path_vector_limit: u8,
    /// Proposed maximum PDU length in octets; the smaller proposal counts. 255 or less means 4096.
    pub max_pdu_length: u16,
    /// The receiver's identifier, as its Hello said.
    pub receiver: LdpId,
    /// Optional parameters: capabilities.
    pub optional: Vec<Tlv>,
}

impl Initialization {
    const COMMON_LEN: usize = 14;

    /// The capability parameter of this type.
    #[must_use]
    pub fn capability(&self, tlv_type: TlvType) -> Option<&Capability> {
        self.optional.iter().find_map(|tlv| match &tlv.value {
            TlvValue::Capability(found, capability) if *found == tlv_type => Some(capability),
            _ => None,
        })
    }

    fn take_common(i: &[u8]) -> Take<'_, Self> {
        let (i, version) = codec::be_u16(i, "protocol version")?;
        let (i, keepalive_time) = codec::be_u16(i, "keepalive time")?;
        let (i, flags) = codec::be_u8(i, "session flags")?;
        let (i, path_vector_limit) = codec::be_u8(i, "path vector limit")?;
        let (i, max_pdu_length) = codec::be_u16(i, "max pdu length")?;
        let (i, receiver) = LdpId::take(i)?;
        let flags = SessionFlags::from_bits_retain(flags);
        let optional = Vec::new();
        Ok((i, Self { version, keepalive_time, flags, path_vector_limit, max_pdu_length, receiver, optional }))
    }

    pub(super) fn take(i: &[u8]) -> Take<'_, Self> {
        let (i, common) = take_mandatory(i, TlvType::COMMON_SESSION, Self::take_common)?;
        let (i, optional) = take_optional(i)?;
        Ok((i, Self { optional, ..common }))
    }

    pub(super) fn wire_len(&self) -> usize {
        optional_len(&self.optional).saturating_add(Tlv::HEADER_LEN).saturating_add(Self::COMMON_LEN)
    }

    pub(super) fn emit(&self, out: &mut impl BufMut) {
        emit_header(TlvFlags::empty(), TlvType::COMMON_SESSION, Self::COMMON_LEN, out);
        out.put_u16(self.version);
        out.put_u16(self.keepalive_time);
        out.put_u8(self.flags.bits());
        out.put_u8(self.path_vector_limit);
        out.put_u16(self.max_pdu_length);
        self.receiver.emit(out);
        emit_optional(&self.optional, out);
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for Initialization {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(Self {
            version: u.arbitrary()?,
            keepalive_time: u.arbitrary()?,
            flags: SessionFlags::from_bits_retain(u.arbitrary()?),
            path_vector_limit: u.arbitrary()?,
            max_pdu_length: u.arbitrary()?,
            receiver: u.arbitrary()?,
            optional: super::super::octets::arbitrary_list(u, 3)?,
        })
    }
}
