//! IPv6 Address Specific EXTENDED COMMUNITIES (RFC 5701 §2).

use core::fmt;
use core::net::Ipv6Addr;

use fwd_core::codec::BufMut;

use super::{ExtCommunity, List, ListItem};

/// An extended community whose administrator is an IPv6 address.
///
/// ```text
/// +---------------+---------------+---------------------------+-------------------------+
/// | 0x00 or 0x40  | sub-type (1)  | Global Administrator (16) | Local Administrator (2) |
/// +---------------+---------------+---------------------------+-------------------------+
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Ipv6ExtCommunity(pub [u8; 20]);

/// The value of IPv6 Address Specific EXTENDED COMMUNITIES.
pub type Ipv6ExtCommunities<'a> = List<'a, Ipv6ExtCommunity>;

impl Ipv6ExtCommunity {
    /// A transitive community of this sub-type: [`ExtCommunity::ROUTE_TARGET`] or [`ExtCommunity::ROUTE_ORIGIN`]
    /// (RFC 5701 §3).
    #[must_use]
    pub const fn new(subtype: u8, global: Ipv6Addr, local: u16) -> Self {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = global.octets();
        let [x, y] = local.to_be_bytes();
        Self([0, subtype, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, x, y])
    }

    /// Global Administrator.
    #[must_use]
    pub const fn global(self) -> Ipv6Addr {
        let [_, _, a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, _, _] = self.0;
        Ipv6Addr::from_bits(u128::from_be_bytes([a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]))
    }

    /// Local Administrator.
    #[must_use]
    pub const fn local(self) -> u16 {
        let [.., x, y] = self.0;
        u16::from_be_bytes([x, y])
    }

    /// The octet in front of the sub-type: 0x00, or 0x40 for a community that does not leave the AS.
    #[must_use]
    pub const fn type_octet(self) -> u8 {
        let [high, ..] = self.0;
        high
    }

    /// The sub-type.
    #[must_use]
    pub const fn subtype(self) -> u8 {
        let [_, subtype, ..] = self.0;
        subtype
    }

    /// Whether a route keeps it when it leaves the AS (RFC 5701 §2).
    #[must_use]
    pub const fn is_transitive(self) -> bool {
        let [high, ..] = self.0;
        high & ExtCommunity::NON_TRANSITIVE == 0
    }

    /// Whether it is a route target (RFC 5701 §3).
    #[must_use]
    pub const fn is_route_target(self) -> bool {
        let [high, subtype, ..] = self.0;
        high == 0 && subtype == ExtCommunity::ROUTE_TARGET
    }

    /// Whether it is a route origin (RFC 5701 §3).
    #[must_use]
    pub const fn is_route_origin(self) -> bool {
        let [high, subtype, ..] = self.0;
        high == 0 && subtype == ExtCommunity::ROUTE_ORIGIN
    }
}

impl ListItem for Ipv6ExtCommunity {
    const LEN: usize = 20;
    const NAME: &'static str = "IPv6 Address Specific EXTENDED COMMUNITIES";

    #[inline]
    fn split(octets: &[u8]) -> Option<(Self, &[u8])> {
        octets.split_first_chunk().map(|(item, rest)| (Self(*item), rest))
    }

    #[inline]
    fn emit(&self, out: &mut impl BufMut) {
        out.put_slice(&self.0);
    }
}

impl fmt::Display for Ipv6ExtCommunity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [high, subtype, ..] = self.0;
        match (high, subtype) {
            (0, ExtCommunity::ROUTE_TARGET) => f.write_str("target:")?,
            (0, ExtCommunity::ROUTE_ORIGIN) => f.write_str("origin:")?,
            _ => write!(f, "{high:#04x}:{subtype:#04x}:")?,
        }
        write!(f, "[{}]:{}", self.global(), self.local())
    }
}

impl fmt::Debug for Ipv6ExtCommunity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attr::ListBuf;
    use alloc::string::ToString;

    /// Shows: L3VPN-8.2-10
    #[test]
    fn route_target_octets_by_the_figure() {
        let target = Ipv6ExtCommunity::new(ExtCommunity::ROUTE_TARGET, "2001:db8::1".parse().unwrap(), 7);
        let list: ListBuf<_> = [target].into_iter().collect();
        let octets = [0, 2, 0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 7];
        assert_eq!(list.as_list().octets(), octets);
        assert_eq!(Ipv6ExtCommunities::parse(&octets).unwrap().iter().next(), Some(target));
        assert_eq!(target.to_string(), "target:[2001:db8::1]:7");
        assert!(target.is_route_target() && target.is_transitive() && !target.is_route_origin());
        assert!(Ipv6ExtCommunities::parse(&octets[..19]).is_err());
    }
}
