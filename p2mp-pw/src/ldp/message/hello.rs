//! The Hello message (RFC 5036 §3.5.2).

use alloc::vec::Vec;
use core::net::IpAddr;

use bitflags::bitflags;
use fwd_core::codec::{self, BufMut, Take};

use super::super::tlv::{Tlv, TlvFlags, TlvType, TlvValue, emit_header, take_mandatory};
use super::{emit_optional, optional_len, take_optional};

bitflags! {
    /// Flags of a Hello. Unknown bits survive.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct HelloFlags: u16 {
        /// T: a Targeted Hello; else a Link Hello (RFC 5036 §3.5.2).
        const TARGETED = 0x8000;
        /// R: asks the receiver for Targeted Hellos (RFC 5036 §3.5.2).
        const REQUEST = 0x4000;
        /// G: the sender uses GTSM on the session (RFC 6720 §2.1).
        const GTSM = 0x2000;
        const _ = !0;
    }
}

/// The sender is there, and takes sessions.
///
/// ```text
/// Common Hello Parameters TLV:
/// +---------------+---+---+---+---------------+
/// | Hold time (2) | T | R | G | Reserved (13) |
/// +---------------+---+---+---+---------------+
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// How long the receiver should remember this Hello, in seconds. 0: 15 s for a Link Hello, 45 s for a Targeted Hello;
    /// [`Self::INFINITE`]: for ever.
    pub hold_time: u16,
    /// The flags.
    pub flags: HelloFlags,
    /// Optional parameters.
    pub optional: Vec<Tlv>,
}

impl Hello {
    /// A hold time without end.
    pub const INFINITE: u16 = 0xffff;
    const COMMON_LEN: usize = 4;

    /// The first transport address of the family asked for; without one the Hello's source address is meant.
    #[must_use]
    pub fn transport_address(&self, ipv6: bool) -> Option<IpAddr> {
        self.optional.iter().find_map(|tlv| match tlv.value {
            TlvValue::TransportAddress(address) if address.is_ipv6() == ipv6 => Some(address),
            _ => None,
        })
    }

    fn take_common(i: &[u8]) -> Take<'_, (u16, HelloFlags)> {
        let (i, hold_time) = codec::be_u16(i, "hold time")?;
        let (i, flags) = codec::be_u16(i, "hello flags")?;
        Ok((i, (hold_time, HelloFlags::from_bits_retain(flags))))
    }

    pub(super) fn take(i: &[u8]) -> Take<'_, Self> {
        let (i, (hold_time, flags)) = take_mandatory(i, TlvType::COMMON_HELLO, Self::take_common)?;
        let (i, optional) = take_optional(i)?;
        Ok((i, Self { hold_time, flags, optional }))
    }

    pub(super) fn wire_len(&self) -> usize {
        optional_len(&self.optional).saturating_add(Tlv::HEADER_LEN).saturating_add(Self::COMMON_LEN)
    }

    pub(super) fn emit(&self, out: &mut impl BufMut) {
        emit_header(TlvFlags::empty(), TlvType::COMMON_HELLO, Self::COMMON_LEN, out);
        out.put_u16(self.hold_time);
        out.put_u16(self.flags.bits());
        emit_optional(&self.optional, out);
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for Hello {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let flags = HelloFlags::from_bits_retain(u.arbitrary()?);
        Ok(Self { hold_time: u.arbitrary()?, flags, optional: super::super::octets::arbitrary_list(u, 3)? })
    }
}
