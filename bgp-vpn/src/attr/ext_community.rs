//! Extended communities (RFC 4360, RFC 5668) and the route targets among them.

use core::fmt;
use core::net::Ipv4Addr;
use core::str::FromStr;

use fwd_core::codec::BufMut;

use super::{List, ListItem};
use crate::administrator::{Administrator, AdministratorError};

/// An extended community: eight octets, of which the first one or two are the type.
///
/// ```text
/// +---------------+---------------+-------------------------------+
/// | type          | sub-type      | value (6)                     |
/// +---------------+---------------+-------------------------------+
/// ```
///
/// Bit 0x80 of the type marks IANA authority, bit 0x40 a community that is not transitive across ASes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct ExtCommunity(pub [u8; 8]);

/// The value of EXTENDED COMMUNITIES.
pub type ExtCommunities<'a> = List<'a, ExtCommunity>;

impl ListItem for ExtCommunity {
    const LEN: usize = 8;
    const NAME: &'static str = "EXTENDED COMMUNITIES";

    #[inline]
    fn split(octets: &[u8]) -> Option<(Self, &[u8])> {
        octets.split_first_chunk().map(|(item, rest)| (Self(*item), rest))
    }

    #[inline]
    fn emit(&self, out: &mut impl BufMut) {
        out.put_slice(&self.0);
    }
}

impl ExtCommunity {
    /// Octets on the wire.
    pub const LEN: usize = 8;
    /// High octet: 2-octet AS specific (RFC 4360 §3.1).
    pub const TWO_OCTET_AS: u8 = 0x00;
    /// High octet: IPv4 address specific (RFC 4360 §3.2).
    pub const IPV4_ADDRESS: u8 = 0x01;
    /// High octet: 4-octet AS specific (RFC 5668 §2).
    pub const FOUR_OCTET_AS: u8 = 0x02;
    /// High octet: opaque (RFC 4360 §3.3).
    pub const OPAQUE: u8 = 0x03;
    /// High octet bit: not transitive across ASes (RFC 4360 §2).
    pub const NON_TRANSITIVE: u8 = 0x40;
    /// Sub-type: route target (RFC 4360 §4).
    pub const ROUTE_TARGET: u8 = 0x02;
    /// Sub-type: route origin, also called site of origin (RFC 4360 §5).
    pub const ROUTE_ORIGIN: u8 = 0x03;

    /// A 2-octet AS specific community of this sub-type.
    #[must_use]
    pub const fn two_octet_as(subtype: u8, asn: u16, local: u32) -> Self {
        Self::new(subtype, Administrator::TwoOctetAs(asn, local))
    }

    /// An IPv4 address specific community of this sub-type.
    #[must_use]
    pub const fn ipv4_address(subtype: u8, addr: Ipv4Addr, local: u16) -> Self {
        Self::new(subtype, Administrator::Ipv4(addr, local))
    }

    /// A 4-octet AS specific community of this sub-type.
    #[must_use]
    pub const fn four_octet_as(subtype: u8, asn: u32, local: u16) -> Self {
        Self::new(subtype, Administrator::FourOctetAs(asn, local))
    }

    const fn new(subtype: u8, administrator: Administrator) -> Self {
        let [a, b, c, d, e, g] = administrator.octets();
        Self([administrator.kind(), subtype, a, b, c, d, e, g])
    }

    /// Whether a route keeps it when it leaves the AS (RFC 4360 §2).
    #[inline]
    #[must_use]
    pub const fn is_transitive(self) -> bool {
        let [high, ..] = self.0;
        high & Self::NON_TRANSITIVE == 0
    }

    /// Whether it is a route target of any of the three forms (RFC 4360 §4, RFC 5668 §2).
    #[inline]
    #[must_use]
    pub const fn is_route_target(self) -> bool {
        let [high, sub, ..] = self.0;
        high <= Self::FOUR_OCTET_AS && sub == Self::ROUTE_TARGET
    }

    /// Whether it is a route origin (site of origin) of any of the three forms (RFC 4360 §5).
    #[inline]
    #[must_use]
    pub const fn is_route_origin(self) -> bool {
        let [high, sub, ..] = self.0;
        high <= Self::FOUR_OCTET_AS && sub == Self::ROUTE_ORIGIN
    }
}

/// A route target: the extended community that decides into which VRFs a route goes (RFC 4364 §4.3.1).
///
/// The text forms are those of route distinguishers: `65001:7`, `192.0.2.1:7`, `4200000000:7`, `65001L:7`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouteTarget(ExtCommunity);

/// Text that is no route target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a route target is written ASN:number or IPv4:number")]
pub struct RouteTargetError;

impl RouteTarget {
    /// The community as a route target, if it is one.
    #[inline]
    #[must_use]
    pub const fn from_community(community: ExtCommunity) -> Option<Self> {
        if community.is_route_target() { Some(Self(community)) } else { None }
    }

    /// The extended community.
    #[inline]
    #[must_use]
    pub const fn community(self) -> ExtCommunity {
        self.0
    }
}

impl FromStr for RouteTarget {
    type Err = RouteTargetError;

    fn from_str(s: &str) -> Result<Self, RouteTargetError> {
        s.parse()
            .map(|administrator| Self(ExtCommunity::new(ExtCommunity::ROUTE_TARGET, administrator)))
            .map_err(|AdministratorError| RouteTargetError)
    }
}

impl fmt::Display for ExtCommunity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [high, sub, value @ ..] = self.0;
        let name = match sub {
            Self::ROUTE_TARGET => "target",
            Self::ROUTE_ORIGIN => "origin",
            _ => return write!(f, "{:#018x}", u64::from_be_bytes(self.0)),
        };
        match Administrator::from_octets(u16::from(high), value) {
            Some(administrator) => write!(f, "{name}:{administrator}"),
            None => write!(f, "{:#018x}", u64::from_be_bytes(self.0)),
        }
    }
}

impl fmt::Debug for ExtCommunity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for RouteTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for RouteTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
