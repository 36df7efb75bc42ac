//! Graceful restart (RFC 4724 §3, RFC 8538 §2).

use bitflags::bitflags;
use fwd_core::codec::{self, BufMut, Take};

use super::{Entries, Entry};
use crate::nlri::{Afi, Family, Safi};

bitflags! {
    /// Restart flags, the top four bits of the first octet. Unknown bits survive.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct RestartFlags: u8 {
        /// R: the sender has restarted; do not wait for its End-of-RIB (RFC 4724 §3).
        const RESTARTED = 0x8;
        /// N: graceful restart covers NOTIFICATIONs and hold timer expiry (RFC 8538 §2).
        const NOTIFICATION = 0x4;
        const _ = 0xf;
    }
}

bitflags! {
    /// Flags of one family. Unknown bits survive.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct RestartFamilyFlags: u8 {
        /// F: the forwarding state of this family's routes was preserved (RFC 4724 §3).
        const FORWARDING = 0x80;
        const _ = 0xff;
    }
}

/// A family for which the sender can preserve forwarding state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FamilyRestart {
    /// The family.
    pub family: Family,
    /// Its flags.
    pub flags: RestartFamilyFlags,
}

impl Entry for FamilyRestart {
    const LEN: usize = 4;

    fn take(i: &[u8]) -> Take<'_, Self> {
        let (i, afi) = codec::be_u16(i, "afi")?;
        let (i, safi) = codec::be_u8(i, "safi")?;
        let (i, flags) = codec::be_u8(i, "flags for address family")?;
        let flags = RestartFamilyFlags::from_bits_retain(flags);
        Ok((i, Self { family: Family::new(Afi(afi), Safi(safi)), flags }))
    }

    fn emit(&self, out: &mut impl BufMut) {
        out.put_u16(self.family.afi.0);
        out.put_u8(self.family.safi.0);
        out.put_u8(self.flags.bits());
    }
}

/// The graceful restart capability.
///
/// ```text
/// +-------------------+-------------------------------+
/// | Restart flags (4) | Restart time in seconds (12)  |   bits
/// +-------------------+---+----------+----------------+
/// | AFI (2)               | SAFI (1) | Flags (1)      |   octets, 0 to 63 times
/// +-----------------------+----------+----------------+
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GracefulRestart {
    /// Restart flags.
    pub flags: RestartFlags,
    time: u16,
    /// Families whose forwarding state the sender can preserve; none: it only helps others to restart and sends
    /// End-of-RIB.
    pub families: Entries<FamilyRestart>,
}

impl GracefulRestart {
    /// The longest restart time, in seconds.
    pub const MAX_TIME: u16 = 4095;

    /// The capability. `None` if `time`, in seconds, exceeds [`Self::MAX_TIME`].
    #[must_use]
    pub fn new(flags: RestartFlags, time: u16, families: Entries<FamilyRestart>) -> Option<Self> {
        (time <= Self::MAX_TIME).then_some(Self { flags, time, families })
    }

    /// The time until the session is up again after a restart, in seconds, at most [`Self::MAX_TIME`].
    #[must_use]
    pub const fn time(&self) -> u16 {
        self.time
    }

    /// Takes the value up to its end.
    ///
    /// # Errors
    /// Truncated input, or a list of impossible length.
    pub fn take(i: &[u8]) -> Take<'_, Self> {
        let (i, [first, second]) = codec::array::<2>(i, "restart flags and time")?;
        let (i, families) = Entries::take(i)?;
        let flags = RestartFlags::from_bits_retain(first >> 4);
        Ok((i, Self { flags, time: u16::from_be_bytes([first & 0xf, second]), families }))
    }

    /// Octets of the value.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        self.families.wire_len().saturating_add(2)
    }

    /// Writes the value.
    pub fn emit(&self, out: &mut impl BufMut) {
        let [first, second] = self.time.to_be_bytes();
        out.put_slice(&[(self.flags.bits() << 4) | first, second]);
        self.families.emit(out);
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for FamilyRestart {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(Self { family: u.arbitrary()?, flags: RestartFamilyFlags::from_bits_retain(u.arbitrary()?) })
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for GracefulRestart {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let flags = RestartFlags::from_bits_retain(u.int_in_range(0..=0xf)?);
        Ok(Self { flags, time: u.int_in_range(0..=Self::MAX_TIME)?, families: u.arbitrary()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::capability::Capability;

    /// Shows: L3VPN-8.1-10
    #[test]
    fn flags_and_time_share_two_octets() {
        let octets = [64, 10, 0xc0 | 0x0f, 0xff, 0, 1, 128, 0x80, 0, 2, 128, 0];
        let Ok(Capability::GracefulRestart(restart)) = Capability::parse(&octets) else { panic!("not code 64") };
        assert_eq!(restart.flags, RestartFlags::RESTARTED | RestartFlags::NOTIFICATION);
        assert_eq!(restart.time(), 4095);
        assert_eq!(restart.families[0].flags, RestartFamilyFlags::FORWARDING);
        assert_eq!(restart.families[1].family, Family::VPN_IPV6);
        let mut out = alloc::vec::Vec::new();
        Capability::GracefulRestart(restart.clone()).emit(&mut out);
        assert_eq!(out, octets);
        assert_eq!(GracefulRestart::new(RestartFlags::empty(), 4096, restart.families), None);
    }

    #[test]
    fn without_families_it_promises_end_of_rib_only() {
        let Ok(Capability::GracefulRestart(restart)) = Capability::parse(&[64, 2, 0, 0]) else { panic!("refused") };
        assert!(restart.families.is_empty());
    }
}
