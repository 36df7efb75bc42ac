//! The two address families of customer multicast, for codecs and machines that are written once.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

use core::fmt::{Debug, Display};
use core::hash::Hash;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use fwd_core::codec::BufMut;
use fwd_core::net::{IpPrefix, Ipv4Prefix, Ipv6Prefix};

/// An IPv4 or IPv6 address, with what multicast protocols need to know of its family.
pub trait Address: Copy + Ord + Hash + Debug + Display + Into<IpAddr> + 'static {
    /// A prefix of this family.
    type Prefix: Copy + Ord + Hash + Debug + Display + Into<IpPrefix> + 'static;

    /// Octets of an address.
    const LEN: usize;
    /// Bits of an address.
    const BITS: u8;
    /// No address: 0.0.0.0 or `::`.
    const UNSPECIFIED: Self;
    /// All systems on the link: 224.0.0.1 or `ff02::1`.
    const ALL_SYSTEMS: Self;
    /// All routers on the link: 224.0.0.2 or `ff02::2`.
    const ALL_ROUTERS: Self;
    /// All PIM routers on the link: 224.0.0.13 or `ff02::d` (RFC 7761 §4.9).
    const ALL_PIM_ROUTERS: Self;
    /// Where version 3 (MLD: version 2) reports go: 224.0.0.22 or `ff02::16` (RFC 3376 §4.2.14, RFC 3810 §5.2.14).
    const ALL_REPORT_ROUTERS: Self;
    /// Every group: 224.0.0.0/4 or `ff00::/8`.
    const ALL_GROUPS: Self::Prefix;

    /// The first address of `octets` and the rest; `None` where there are too few.
    fn split(octets: &[u8]) -> Option<(Self, &[u8])>;

    /// Writes the address in network order.
    fn emit(&self, out: &mut impl BufMut);

    /// The address, if it is of this family.
    fn from_ip(address: IpAddr) -> Option<Self>;

    /// Whether it is a group address.
    fn is_multicast(&self) -> bool;

    /// Whether it is a group that is never routed: 224.0.0.0/24 (RFC 5771 §4), or IPv6 groups of scope 0, 1 and 2
    /// (RFC 4291 §2.7).
    fn is_link_scope_group(&self) -> bool;

    /// Whether it is in the range of source-specific multicast: 232.0.0.0/8 or `ff3x::/32` (RFC 4607 §1).
    fn is_ssm_group(&self) -> bool;

    /// The prefix of `len` bits that holds the address; `None` if `len` exceeds [`Self::BITS`].
    fn prefix(self, len: u8) -> Option<Self::Prefix>;

    /// The prefix, if it is of this family.
    fn prefix_from_ip(prefix: IpPrefix) -> Option<Self::Prefix>;

    /// Whether `prefix` holds the address.
    fn is_in(&self, prefix: &Self::Prefix) -> bool;

    /// Whether the address can name a host: not unspecified, not a group, not loopback, not broadcast.
    fn is_host(&self) -> bool;

    /// Whether a router sends messages of its link protocols from it: any unicast IPv4 address, or a link-local IPv6 address
    /// (RFC 4291 §2.5.6).
    fn is_link_protocol_source(&self) -> bool;
}

impl Address for Ipv4Addr {
    type Prefix = Ipv4Prefix;

    const LEN: usize = 4;
    const BITS: u8 = 32;
    const UNSPECIFIED: Self = Self::UNSPECIFIED;
    const ALL_SYSTEMS: Self = Self::new(224, 0, 0, 1);
    const ALL_ROUTERS: Self = Self::new(224, 0, 0, 2);
    const ALL_PIM_ROUTERS: Self = Self::new(224, 0, 0, 13);
    const ALL_REPORT_ROUTERS: Self = Self::new(224, 0, 0, 22);
    const ALL_GROUPS: Ipv4Prefix = match Ipv4Prefix::new(Self::new(224, 0, 0, 0), 4) {
        Some(prefix) => prefix,
        None => Ipv4Prefix::DEFAULT,
    };

    #[inline]
    fn split(octets: &[u8]) -> Option<(Self, &[u8])> {
        octets.split_first_chunk::<4>().map(|(a, rest)| (Self::from(*a), rest))
    }

    #[inline]
    fn emit(&self, out: &mut impl BufMut) {
        out.put_slice(&self.octets());
    }

    fn from_ip(address: IpAddr) -> Option<Self> {
        match address {
            IpAddr::V4(a) => Some(a),
            IpAddr::V6(_) => None,
        }
    }

    #[inline]
    fn is_multicast(&self) -> bool {
        Self::is_multicast(self)
    }

    #[inline]
    fn is_link_scope_group(&self) -> bool {
        matches!(self.octets(), [224, 0, 0, _])
    }

    #[inline]
    fn is_ssm_group(&self) -> bool {
        matches!(self.octets(), [232, ..])
    }

    fn prefix(self, len: u8) -> Option<Ipv4Prefix> {
        Ipv4Prefix::new(self, len)
    }

    fn prefix_from_ip(prefix: IpPrefix) -> Option<Ipv4Prefix> {
        match prefix {
            IpPrefix::V4(p) => Some(p),
            IpPrefix::V6(_) => None,
        }
    }

    #[inline]
    fn is_in(&self, prefix: &Ipv4Prefix) -> bool {
        prefix.contains(*self)
    }

    fn is_host(&self) -> bool {
        !(self.is_unspecified() || self.is_loopback() || Self::is_multicast(self) || self.is_broadcast())
    }

    fn is_link_protocol_source(&self) -> bool {
        self.is_host()
    }
}

impl Address for Ipv6Addr {
    type Prefix = Ipv6Prefix;

    const LEN: usize = 16;
    const BITS: u8 = 128;
    const UNSPECIFIED: Self = Self::UNSPECIFIED;
    const ALL_SYSTEMS: Self = Self::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
    const ALL_ROUTERS: Self = Self::new(0xff02, 0, 0, 0, 0, 0, 0, 2);
    const ALL_PIM_ROUTERS: Self = Self::new(0xff02, 0, 0, 0, 0, 0, 0, 0xd);
    const ALL_REPORT_ROUTERS: Self = Self::new(0xff02, 0, 0, 0, 0, 0, 0, 0x16);
    const ALL_GROUPS: Ipv6Prefix = match Ipv6Prefix::new(Self::new(0xff00, 0, 0, 0, 0, 0, 0, 0), 8) {
        Some(prefix) => prefix,
        None => Ipv6Prefix::DEFAULT,
    };

    #[inline]
    fn split(octets: &[u8]) -> Option<(Self, &[u8])> {
        octets.split_first_chunk::<16>().map(|(a, rest)| (Self::from(*a), rest))
    }

    #[inline]
    fn emit(&self, out: &mut impl BufMut) {
        out.put_slice(&self.octets());
    }

    fn from_ip(address: IpAddr) -> Option<Self> {
        match address {
            IpAddr::V6(a) => Some(a),
            IpAddr::V4(_) => None,
        }
    }

    #[inline]
    fn is_multicast(&self) -> bool {
        Self::is_multicast(self)
    }

    #[inline]
    fn is_link_scope_group(&self) -> bool {
        matches!(self.octets(), [0xff, scope, ..] if scope & 0x0f <= 2)
    }

    #[inline]
    fn is_ssm_group(&self) -> bool {
        matches!(self.octets(), [0xff, flags, 0, 0, ..] if flags >> 4 == 3)
    }

    fn prefix(self, len: u8) -> Option<Ipv6Prefix> {
        Ipv6Prefix::new(self, len)
    }

    fn prefix_from_ip(prefix: IpPrefix) -> Option<Ipv6Prefix> {
        match prefix {
            IpPrefix::V6(p) => Some(p),
            IpPrefix::V4(_) => None,
        }
    }

    #[inline]
    fn is_in(&self, prefix: &Ipv6Prefix) -> bool {
        prefix.contains(*self)
    }

    fn is_host(&self) -> bool {
        !(self.is_unspecified() || self.is_loopback() || Self::is_multicast(self))
    }

    fn is_link_protocol_source(&self) -> bool {
        self.is_unicast_link_local()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_groups() {
        let four = |s: &str| s.parse::<Ipv4Addr>().unwrap();
        let six = |s: &str| s.parse::<Ipv6Addr>().unwrap();
        assert!(four("224.0.0.9").is_link_scope_group() && !four("224.0.1.9").is_link_scope_group());
        assert!(four("232.1.1.1").is_ssm_group() && !four("233.1.1.1").is_ssm_group());
        assert!(six("ff02::5").is_link_scope_group() && six("ff11::5").is_link_scope_group());
        assert!(!six("ff05::5").is_link_scope_group());
        assert!(
            six("ff3e::8000:1").is_ssm_group() && !six("ff3e:40::1").is_ssm_group() && !six("ff1e::1").is_ssm_group()
        );
        assert!(
            four("239.255.255.255").is_in(&Ipv4Addr::ALL_GROUPS) && !four("223.0.0.1").is_in(&Ipv4Addr::ALL_GROUPS)
        );
        assert!(six("fe80::1").is_link_protocol_source() && !six("2001:db8::1").is_link_protocol_source());
    }
}
