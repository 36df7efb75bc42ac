//! Long-lived graceful restart (RFC 9494 §3.1).

use core::time::Duration;

use fwd_core::codec::{self, BufMut, Take};

use super::{Entry, RestartFamilyFlags};
use crate::nlri::{Afi, Family, Safi};

/// How long stale routes of a family are worth keeping once the restart time is over.
///
/// ```text
/// +---------+----------+-----------+----------------------------------------+
/// | AFI (2) | SAFI (1) | Flags (1) | Long-lived stale time in seconds (3)   |
/// +---------+----------+-----------+----------------------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LongLived {
    /// The family.
    pub family: Family,
    /// Its flags: F as in graceful restart.
    pub flags: RestartFamilyFlags,
    time: u32,
}

impl LongLived {
    /// The longest stale time, in seconds.
    pub const MAX_TIME: u32 = 0xff_ffff;

    /// An entry. `None` if `time`, in seconds, exceeds [`Self::MAX_TIME`].
    #[must_use]
    pub fn new(family: Family, flags: RestartFamilyFlags, time: u32) -> Option<Self> {
        (time <= Self::MAX_TIME).then_some(Self { family, flags, time })
    }

    /// The stale time; zero: routes are not kept beyond the restart time.
    #[must_use]
    pub const fn time(&self) -> Duration {
        Duration::from_secs(self.time as u64)
    }
}

impl Entry for LongLived {
    const LEN: usize = 7;

    fn take(i: &[u8]) -> Take<'_, Self> {
        let (i, afi) = codec::be_u16(i, "afi")?;
        let (i, safi) = codec::be_u8(i, "safi")?;
        let (i, flags) = codec::be_u8(i, "flags for address family")?;
        let (i, [a, b, c]) = codec::array::<3>(i, "long-lived stale time")?;
        let family = Family::new(Afi(afi), Safi(safi));
        let flags = RestartFamilyFlags::from_bits_retain(flags);
        Ok((i, Self { family, flags, time: u32::from_be_bytes([0, a, b, c]) }))
    }

    fn emit(&self, out: &mut impl BufMut) {
        let [_, a, b, c] = self.time.to_be_bytes();
        out.put_u16(self.family.afi.0);
        out.put_u8(self.family.safi.0);
        out.put_u8(self.flags.bits());
        out.put_slice(&[a, b, c]);
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for LongLived {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let flags = RestartFamilyFlags::from_bits_retain(u.arbitrary()?);
        Ok(Self { family: u.arbitrary()?, flags, time: u.int_in_range(0..=Self::MAX_TIME)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::capability::Capability;

    #[test]
    fn code_71_lists_family_flags_and_a_time_of_three_octets() {
        let octets = [71, 14, 0, 1, 128, 0x80, 0x01, 0x51, 0x80, 0, 25, 70, 0x41, 0xff, 0xff, 0xff];
        let Ok(Capability::LongLivedGracefulRestart(list)) = Capability::parse(&octets) else { panic!("not code 71") };
        assert_eq!(list[0], LongLived::new(Family::VPN_IPV4, RestartFamilyFlags::FORWARDING, 86_400).unwrap());
        assert_eq!(list[1].time(), Duration::from_secs(u64::from(LongLived::MAX_TIME)));
        assert_eq!(list[1].flags.bits(), 0x41, "unknown bits survive");
        let mut out = alloc::vec::Vec::new();
        Capability::LongLivedGracefulRestart(list).emit(&mut out);
        assert_eq!(out, octets);
        assert!(Capability::parse(&octets[..15]).is_err() && Capability::parse(&[71, 1, 0]).is_err());
        assert_eq!(LongLived::new(Family::VPN_IPV4, RestartFamilyFlags::empty(), 1 << 24), None);
    }
}
