//! Extended communities (RFC 4360, RFC 5668): the eight octets, route targets, and what other communities say.
//!
//! | Type | Community | File |
//! |---|---|---|
//! | 0x0002, 0x0102, 0x0202 | Route Target (RFC 4360 §4, RFC 5668 §2) | here |
//! | 0x0003, 0x0103, 0x0203 | Route Origin (RFC 4360 §5) | here |
//! | 0x0005, 0x0105, 0x0205, 0x8005; 0x0306, 0x8000; 0x0107, 0x8001 | OSPF (RFC 4577 §4.2.6) | `ospf.rs` |
//! | 0x0009, 0x0209; 0x010B; 0x0112; 0x0120; 0x0307 | multicast VPN | `mvpn.rs` |
//! | 0x0304, 0x0305 | extranet (RFC 7900 §4.4.1, §4.5) | `extranet.rs` |
//! | 0x030B, 0x030C | Color, Encapsulation (RFC 9012 §4) | `tunnel.rs` |
//! | 0x000A, 0x010A; 0x800A | layer 2 VPN (RFC 6074 §6, RFC 4761 §3.2.4) | `l2vpn.rs` |
//! | 0x030D, 0x0600, 0x0601, 0x0602, 0x0603 | EVPN (RFC 7432 §7, RFC 9135 §8.1) | `evpn.rs` |

use core::fmt;
use core::net::{IpAddr, Ipv4Addr};
use core::str::FromStr;

use fwd_core::codec::BufMut;

use super::{Ipv6ExtCommunity, List, ListItem};

mod evpn;
mod extranet;
mod l2vpn;
mod mvpn;
mod ospf;
mod tunnel;

use crate::administrator::{Administrator, AdministratorError};
pub use evpn::{DefaultGateway, EsImport, EsiLabel, EsiLabelFlags, MacMobility, RoutersMac};
pub use extranet::{ExtranetSeparation, ExtranetSource};
pub use l2vpn::{L2vpnId, Layer2Flags, Layer2Info};
pub use mvpn::{
    AdditionalPmsiFlags, AddressSpecific, AddressTarget, MvpnSaRpAddress, SegmentedNextHop, SourceAs, VrfRouteImport,
};
pub use ospf::{OspfDomainId, OspfRouteOptions, OspfRouteType, OspfRouterId};
pub use tunnel::{Color, Encapsulation};

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

    /// High octet: EVPN (RFC 7432 §7).
    pub const EVPN: u8 = 0x06;

    /// An opaque community of this sub-type (RFC 4360 §3.3).
    #[must_use]
    pub const fn opaque(subtype: u8, [a, b, c, d, e, f]: [u8; 6]) -> Self {
        Self([Self::OPAQUE, subtype, a, b, c, d, e, f])
    }

    /// Type and sub-type as one number, as registries write them.
    #[inline]
    #[must_use]
    pub const fn code(self) -> u16 {
        let [high, sub, ..] = self.0;
        u16::from_be_bytes([high, sub])
    }

    /// The six octets behind type and sub-type.
    #[inline]
    #[must_use]
    pub const fn value(self) -> [u8; 6] {
        let [_, _, value @ ..] = self.0;
        value
    }

    /// The community of this code and value.
    #[must_use]
    pub const fn from_parts(code: u16, [a, b, c, d, e, f]: [u8; 6]) -> Self {
        let [high, sub] = code.to_be_bytes();
        Self([high, sub, a, b, c, d, e, f])
    }

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

    /// Whether it tells PEs where multicast comes from: VRF Route Import or Source AS (RFC 6514 §6, §7). Only a PE says that.
    #[must_use]
    pub const fn is_upstream_hop(self) -> bool {
        matches!(self.0, [Self::IPV4_ADDRESS, 0x0b, ..] | [Self::TWO_OCTET_AS | Self::FOUR_OCTET_AS, 0x09, ..])
    }
}

/// What an extended community of one kind says.
pub trait TypedCommunity: Sized {
    /// What the community says; `None` if it is of another kind.
    fn from_community(community: ExtCommunity) -> Option<Self>;
    /// The community that says it.
    fn community(&self) -> ExtCommunity;
}

impl<'a> ExtCommunities<'a> {
    /// The communities of one kind.
    pub fn all<T: TypedCommunity>(&self) -> impl Iterator<Item = T> + use<'a, T> {
        self.iter().filter_map(T::from_community)
    }

    /// The first community of a kind: the one that counts where a route must not have several.
    #[must_use]
    pub fn first<T: TypedCommunity>(&self) -> Option<T> {
        self.all().next()
    }
}

/// An IP address specific community: among EXTENDED COMMUNITIES for IPv4, in an attribute of its own for IPv6 (RFC 5701).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AddressCommunity {
    /// Of EXTENDED COMMUNITIES.
    V4(ExtCommunity),
    /// Of IPv6 Address Specific EXTENDED COMMUNITIES.
    V6(Ipv6ExtCommunity),
}

impl AddressCommunity {
    /// The transitive community of this sub-type, which both attributes number alike.
    #[must_use]
    pub const fn new(subtype: u8, address: IpAddr, local: u16) -> Self {
        match address {
            IpAddr::V4(address) => Self::V4(ExtCommunity::ipv4_address(subtype, address, local)),
            IpAddr::V6(address) => Self::V6(Ipv6ExtCommunity::new(subtype, address, local)),
        }
    }

    /// Address and local number, if it is transitive and of this sub-type.
    #[must_use]
    pub fn parts(self, subtype: u8) -> Option<(IpAddr, u16)> {
        match self {
            Self::V4(community) => {
                let [ExtCommunity::IPV4_ADDRESS, sub, a, b, c, d, e, f] = community.0 else { return None };
                (sub == subtype).then(|| (Ipv4Addr::new(a, b, c, d).into(), u16::from_be_bytes([e, f])))
            }
            Self::V6(community) => {
                let same = community.type_octet() == 0 && community.subtype() == subtype;
                same.then(|| (community.global().into(), community.local()))
            }
        }
    }
}

impl From<ExtCommunity> for AddressCommunity {
    fn from(community: ExtCommunity) -> Self {
        Self::V4(community)
    }
}

impl From<Ipv6ExtCommunity> for AddressCommunity {
    fn from(community: Ipv6ExtCommunity) -> Self {
        Self::V6(community)
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

    /// The route target of a 2-octet AS, `65001:7`.
    #[must_use]
    pub const fn two_octet_as(asn: u16, number: u32) -> Self {
        Self(ExtCommunity::two_octet_as(ExtCommunity::ROUTE_TARGET, asn, number))
    }

    /// The route target of an IPv4 address, `192.0.2.1:7`.
    #[must_use]
    pub const fn ipv4_address(address: Ipv4Addr, number: u16) -> Self {
        Self(ExtCommunity::ipv4_address(ExtCommunity::ROUTE_TARGET, address, number))
    }

    /// The route target of a 4-octet AS, `65001L:7`.
    #[must_use]
    pub const fn four_octet_as(asn: u32, number: u16) -> Self {
        Self(ExtCommunity::four_octet_as(ExtCommunity::ROUTE_TARGET, asn, number))
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for RouteTarget {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let [_, _, value @ ..]: [u8; 8] = u.arbitrary()?;
        let high = u16::from(u.int_in_range(0..=ExtCommunity::FOUR_OCTET_AS)?);
        Ok(Self(ExtCommunity::from_parts((high << 8) | u16::from(ExtCommunity::ROUTE_TARGET), value)))
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

#[cfg(test)]
mod tests {
    use std::string::ToString;

    use super::*;
    use crate::attr::Ipv6ExtCommunity;

    /// Route Origin in its three forms, and in its form for IPv6 addresses (RFC 4360 §5, RFC 5668 §2, RFC 5701 §3).
    ///
    /// Shows: L3VPN-8.6-2
    #[test]
    fn route_origins_octet_for_octet() {
        const SOO: u8 = ExtCommunity::ROUTE_ORIGIN;
        for (community, octets, text) in [
            (ExtCommunity::two_octet_as(SOO, 65001, 9), [0, 3, 0xfd, 0xe9, 0, 0, 0, 9], "origin:65001:9"),
            (
                ExtCommunity::ipv4_address(SOO, Ipv4Addr::new(192, 0, 2, 1), 9),
                [1, 3, 192, 0, 2, 1, 0, 9],
                "origin:192.0.2.1:9",
            ),
            (ExtCommunity::four_octet_as(SOO, 65551, 9), [2, 3, 0, 1, 0, 15, 0, 9], "origin:65551:9"),
        ] {
            assert_eq!(community.0, octets);
            assert!(community.is_route_origin() && !community.is_route_target());
            assert_eq!(community.to_string(), text);
        }
        let community = Ipv6ExtCommunity::new(SOO, core::net::Ipv6Addr::LOCALHOST, 9);
        let mut octets = [0; 20];
        (octets[1], octets[17], octets[19]) = (3, 1, 9);
        assert_eq!(community.0, octets);
        assert!(community.is_route_origin() && !community.is_route_target());
    }
}
