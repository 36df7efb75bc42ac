//! COMMUNITIES (RFC 1997).

use core::fmt;

use fwd_core::codec::BufMut;

use super::{List, ListItem};

/// A community: four octets, by custom an AS number and a value of that AS.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Community(pub u32);

/// The value of COMMUNITIES.
pub type Communities<'a> = List<'a, Community>;

impl Community {
    /// Drain traffic from the route before it goes away (RFC 8326 §4).
    pub const GRACEFUL_SHUTDOWN: Self = Self(0xFFFF_0000);
    /// Let the originating PE import its own route into another VRF (RFC 7611 §2).
    pub const ACCEPT_OWN: Self = Self(0xFFFF_0001);
    /// The route is stale under long-lived graceful restart (RFC 9494 §3.3).
    pub const LLGR_STALE: Self = Self(0xFFFF_0006);
    /// Do not keep the route under long-lived graceful restart (RFC 9494 §3.4).
    pub const NO_LLGR: Self = Self(0xFFFF_0007);
    /// The upstream PE is the standby one (RFC 9026 §7.1).
    pub const STANDBY_PE: Self = Self(0xFFFF_0009);
    /// Discard traffic to the prefix (RFC 7999 §5).
    pub const BLACKHOLE: Self = Self(0xFFFF_029A);
    /// Do not advertise outside the AS or confederation (RFC 1997).
    pub const NO_EXPORT: Self = Self(0xFFFF_FF01);
    /// Do not advertise to any peer (RFC 1997).
    pub const NO_ADVERTISE: Self = Self(0xFFFF_FF02);
    /// Do not advertise to external peers, members of the confederation included (RFC 1997).
    pub const NO_EXPORT_SUBCONFED: Self = Self(0xFFFF_FF03);
    /// Do not advertise over bilateral peerings (RFC 3765 §3).
    pub const NO_PEER: Self = Self(0xFFFF_FF04);

    /// The community `asn:value`.
    #[must_use]
    pub const fn new(asn: u16, value: u16) -> Self {
        let ([a, b], [c, d]) = (asn.to_be_bytes(), value.to_be_bytes());
        Self(u32::from_be_bytes([a, b, c, d]))
    }

    /// The name of a well-known community.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::GRACEFUL_SHUTDOWN => "graceful-shutdown",
            Self::ACCEPT_OWN => "accept-own",
            Self::LLGR_STALE => "llgr-stale",
            Self::NO_LLGR => "no-llgr",
            Self::STANDBY_PE => "standby-pe",
            Self::BLACKHOLE => "blackhole",
            Self::NO_EXPORT => "no-export",
            Self::NO_ADVERTISE => "no-advertise",
            Self::NO_EXPORT_SUBCONFED => "no-export-subconfed",
            Self::NO_PEER => "no-peer",
            _ => return None,
        })
    }
}

impl ListItem for Community {
    const LEN: usize = 4;
    const NAME: &'static str = "COMMUNITIES";

    #[inline]
    fn split(octets: &[u8]) -> Option<(Self, &[u8])> {
        octets.split_first_chunk().map(|(item, rest)| (Self(u32::from_be_bytes(*item)), rest))
    }

    #[inline]
    fn emit(&self, out: &mut impl BufMut) {
        out.put_u32(self.0);
    }
}

impl fmt::Display for Community {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "{}:{}", self.0 >> 16, self.0 & 0xFFFF),
        }
    }
}

impl fmt::Debug for Community {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    /// Shows: L3VPN-8.2-2, L3VPN-8.2-3
    #[test]
    fn well_known_values() {
        for (community, value) in [
            (Community::NO_EXPORT, 0xFFFF_FF01),
            (Community::NO_ADVERTISE, 0xFFFF_FF02),
            (Community::NO_EXPORT_SUBCONFED, 0xFFFF_FF03),
            (Community::ACCEPT_OWN, 0xFFFF_0001),
            (Community::GRACEFUL_SHUTDOWN, 0xFFFF_0000),
            (Community::STANDBY_PE, 0xFFFF_0009),
        ] {
            let octets = u32::to_be_bytes(value);
            let list = Communities::parse(&octets).unwrap();
            assert!(list.contains(community) && community.name().is_some(), "{community}");
        }
        assert_eq!(Community::new(65000, 1).to_string(), "65000:1");
    }
}
