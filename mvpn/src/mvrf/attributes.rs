//! What goes with a route: next hop, route targets, tunnel, communities.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use alloc::vec::Vec;
use bgp_vpn::attr::Ipv6ExtCommunity;
use bgp_vpn::attr::ext_community::{AddressCommunity, AddressTarget, ExtCommunity, RouteTarget};

use fwd_core::net::Label;

use super::p_tunnel::PmsiTunnelValue;

/// A route target of either attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Target {
    /// Of EXTENDED COMMUNITIES.
    Rt(RouteTarget),
    /// Of IPv6 Address Specific EXTENDED COMMUNITIES (RFC 6515 §3).
    V6 {
        /// Global Administrator.
        address: Ipv6Addr,
        /// Local Administrator.
        local: u16,
    },
}

impl Target {
    /// The route target that reaches the router of this address alone (RFC 6514 §9.2.3.2.1, §12.1).
    #[must_use]
    pub const fn router(address: IpAddr) -> Self {
        Self::of(AddressTarget::router(address))
    }

    /// The route target of an address and a number.
    #[must_use]
    pub const fn of(target: AddressTarget) -> Self {
        match target.address {
            IpAddr::V4(address) => Self::Rt(RouteTarget::ipv4_address(address, target.local)),
            IpAddr::V6(address) => Self::V6 { address, local: target.local },
        }
    }

    /// The community.
    #[must_use]
    pub const fn community(self) -> AddressCommunity {
        match self {
            Self::Rt(target) => AddressCommunity::V4(target.community()),
            Self::V6 { address, local } => {
                AddressCommunity::new(ExtCommunity::ROUTE_TARGET, IpAddr::V6(address), local)
            }
        }
    }

    /// The target of a community, if it is one.
    #[must_use]
    pub fn from_ipv6_community(community: Ipv6ExtCommunity) -> Option<Self> {
        AddressTarget::from_community(community).map(Self::of)
    }
}

impl From<RouteTarget> for Target {
    fn from(target: RouteTarget) -> Self {
        Self::Rt(target)
    }
}

/// A P2MP BFD session that watches a tunnel from its root (RFC 9026 §3.1.6).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BfdSession {
    /// My Discriminator of the head.
    pub discriminator: u32,
    /// The address that the head's packets come from; `None`: the originator's.
    pub source: Option<IpAddr>,
}

/// The attributes of an MCAST-VPN route that a PE looks at or sets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct McastAttributes {
    /// Next hop; without a RD (RFC 6515 §2).
    pub next_hop: IpAddr,
    /// Route targets.
    pub targets: Vec<Target>,
    /// PMSI_TUNNEL.
    pub pmsi: Option<PmsiTunnelValue>,
    /// NO_EXPORT (RFC 1997).
    pub no_export: bool,
    /// Standby PE (RFC 9026 §4.1), community 0xFFFF0009.
    pub standby: bool,
    /// MVPN SA RP-address (RFC 9081 §3).
    pub rp: Option<Ipv4Addr>,
    /// Inter-Area P2MP Segmented Next-Hop (RFC 7524 §4): the root of the segment.
    pub segmented_next_hop: Option<IpAddr>,
    /// BFD Discriminator of a P2MP session.
    pub bfd: Option<BfdSession>,
    /// PE Distinguisher Labels (RFC 6514 §8): the labels of the PMSI's LSP that stand for PEs.
    pub pe_labels: Vec<(IpAddr, Label)>,
}

impl McastAttributes {
    /// The router that Leaf A-D routes are for: the root of the segment (RFC 6514 §9.2.3.4.1, RFC 7524 §6.2).
    #[must_use]
    pub fn leaves_report_to(&self) -> IpAddr {
        self.segmented_next_hop.unwrap_or(self.next_hop)
    }

    /// Attributes with a next hop and route targets.
    #[must_use]
    pub const fn new(next_hop: IpAddr, targets: Vec<Target>) -> Self {
        Self {
            next_hop,
            targets,
            pmsi: None,
            no_export: false,
            standby: false,
            rp: None,
            segmented_next_hop: None,
            bfd: None,
            pe_labels: Vec::new(),
        }
    }
}
