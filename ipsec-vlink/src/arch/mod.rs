//! The six architectures of a virtual link (draft-duffy §6), a file each: what tells links apart, what they need, and what the
//! forwarding plane is told.

pub mod distinct_ipip;
pub mod gre;
pub mod l2tp;
pub mod mpls;
pub mod shared_ipip;
pub mod tunnel_sa;

use core::net::IpAddr;

use fwd_core::op::Ends;
use fwd_core::wire::IpProtocol;

use crate::ike::{Mode, TrafficSelector};

/// How a virtual link is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum Architecture {
    /// 6.1: a tunnel-mode association of its own.
    TunnelSa,
    /// 6.2: a transport-mode association of its own, around an IP-in-IP tunnel that all links share.
    SharedIpip,
    /// 6.3: an IP-in-IP tunnel between addresses of its own.
    DistinctIpip,
    /// 6.4: a key of a GRE tunnel.
    Gre,
    /// 6.5: a label of an MPLS-in-IP tunnel.
    Mpls,
    /// 6.6: an L2TP session.
    L2tp,
}

/// What a packet carries that says its link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demux {
    /// The SPI.
    Spi,
    /// The outer addresses.
    Address,
    /// The key of GRE.
    GreKey,
    /// A label.
    Label,
    /// The L2TP session, and its cookie.
    Session,
}

/// Who sets a tunnel up, keeps it and takes it down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TunnelManager {
    /// IKE.
    Ike,
    /// Nobody: BFD or routing finds that it is gone.
    None,
    /// A label distribution protocol, or nobody.
    LabelDistribution,
    /// L2TP's control connection.
    L2tp,
}

/// Whether links go without IPsec.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clear {
    /// No; but one that needs no telling apart.
    One,
    /// Never.
    Never,
    /// Yes, with nobody who manages them.
    Unmanaged,
    /// Yes.
    Yes,
}

/// How many of something N links to one peer need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    /// One for all.
    One,
    /// One for each.
    PerLink,
}

/// How a CE with one context can take part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CeProfile {
    /// With a tunnel-mode association for any packet.
    WildcardTunnelMode,
    /// As any.
    Yes,
    /// With GRE without a key.
    UnkeyedGre,
    /// As a client of L2TP over IPsec.
    L2tpClient,
    /// Not at all.
    No,
}

/// What an architecture is like: the draft's comparison, as the machine behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Properties {
    /// What a packet carries.
    pub demux: Demux,
    /// Whether it goes without IPsec.
    pub clear: Clear,
    /// Who manages it.
    pub manager: TunnelManager,
    /// Whether the set-up protocol has a standard field for the VPN.
    pub standard_vpn_field: bool,
    /// Whether IKE needs an extension, and several associations with equal selectors.
    pub ike_extension: bool,
    /// IKE SAs for N links to one peer.
    pub ike_sas: Count,
    /// Pairs of Child SAs for N links.
    pub child_sas: Count,
    /// Outer addresses for N links.
    pub addresses: Count,
    /// How a CE takes part.
    pub ce: CeProfile,
    /// The mode of its associations.
    pub mode: Mode,
}

impl Architecture {
    /// All six, in the draft's order.
    pub const ALL: [Self; 6] =
        [Self::TunnelSa, Self::SharedIpip, Self::DistinctIpip, Self::Gre, Self::Mpls, Self::L2tp];

    /// What it is like.
    #[must_use]
    pub const fn properties(self) -> &'static Properties {
        match self {
            Self::TunnelSa => &tunnel_sa::PROPERTIES,
            Self::SharedIpip => &shared_ipip::PROPERTIES,
            Self::DistinctIpip => &distinct_ipip::PROPERTIES,
            Self::Gre => &gre::PROPERTIES,
            Self::Mpls => &mpls::PROPERTIES,
            Self::L2tp => &l2tp::PROPERTIES,
        }
    }

    /// What PEs build among each other, the best first (draft-duffy §7): L2TP has the properties, the others are lighter.
    pub const PE_TO_PE: [Self; 3] = [Self::L2tp, Self::Gre, Self::DistinctIpip];
    /// What a CE takes part in (draft-duffy §7), by any vendor's IPsec: a part of [`Self::PE_TO_PE`].
    pub const WITH_CE: [Self; 1] = [Self::DistinctIpip];

    /// The section of the draft, and its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::TunnelSa => "6.1 tunnel-mode SA",
            Self::SharedIpip => "6.2 shared IP-in-IP",
            Self::DistinctIpip => "6.3 distinct IP-in-IP",
            Self::Gre => "6.4 GRE key",
            Self::Mpls => "6.5 MPLS label",
            Self::L2tp => "6.6 L2TP session",
        }
    }

    /// The protocol that stands behind the outer IP header, in clear.
    #[must_use]
    pub const fn protocol(self) -> IpProtocol {
        match self {
            Self::TunnelSa | Self::SharedIpip | Self::DistinctIpip => IpProtocol::IPV4,
            Self::Gre => IpProtocol::GRE,
            Self::Mpls => IpProtocol::MPLS,
            Self::L2tp => IpProtocol::L2TP,
        }
    }

    /// What the associations of its links select, from us and from the peer: any packet in tunnel mode, the tunnel's own protocol
    /// between the two ends in transport mode.
    #[must_use]
    pub const fn selectors(self, ends: &Ends) -> (TrafficSelector, TrafficSelector) {
        let (local, remote) = addresses(ends);
        match self {
            Self::TunnelSa => (TrafficSelector::ANY_V4, TrafficSelector::ANY_V4),
            other => (
                TrafficSelector::host_protocol(local, other.protocol().0),
                TrafficSelector::host_protocol(remote, other.protocol().0),
            ),
        }
    }
}

/// Both addresses: ours and the peer's.
#[must_use]
pub const fn addresses(ends: &Ends) -> (IpAddr, IpAddr) {
    match *ends {
        Ends::V4 { local, remote } => (IpAddr::V4(local), IpAddr::V4(remote)),
        Ends::V6 { local, remote } => (IpAddr::V6(local), IpAddr::V6(remote)),
    }
}

/// Octets of the outer IP header.
#[must_use]
pub const fn outer_header(ends: &Ends) -> u16 {
    match ends {
        Ends::V4 { .. } => 20,
        Ends::V6 { .. } => 40,
    }
}
