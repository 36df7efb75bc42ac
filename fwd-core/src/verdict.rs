//! What becomes of a packet, and why.

use crate::net::{IfIndex, PortId, SaId, VrfId};
use crate::stage::replicate::Replication;

/// What becomes of a packet. A packet that is not transmitted is left in its frame as it arrived.
#[must_use]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Send the frame, rewritten, on this interface.
    Transmit {
        /// The interface.
        iface: IfIndex,
        /// The class that decides the packet's treatment on it (RFC 3270 §2.6): the traffic class of the tunnel it came
        /// out of, or of its own header. 0 to 7.
        class: u8,
    },
    /// Put the packet, rewritten, through a security association ([`crate::sa`]), then send it on this interface.
    Protect {
        /// The interface.
        iface: IfIndex,
        /// The class that decides the packet's treatment on it.
        class: u8,
        /// The security association.
        sa: SaId,
        /// Octets of the frame in front of the outer IP header, behind which everything is to be protected.
        offset: usize,
    },
    /// Hand the packet to this router's own software.
    Punt {
        /// Why.
        reason: PuntReason,
        /// The VRF in which it was to be forwarded.
        vrf: VrfId,
        /// Octets of the frame in front of the header (IP or label) that caused it: the link header and popped labels.
        offset: usize,
    },
    /// Hand the frame, which is bridged, to this router's own software.
    PuntFrame {
        /// Why.
        reason: PuntReason,
        /// The bridge port that it arrived at.
        port: PortId,
        /// Octets in front of the customer's frame: those of a tunnel.
        offset: usize,
    },
    /// Send copies: [`crate::Forwarder::copies`] makes one after the other. The frame stays as it arrived.
    Replicate(Replication),
    /// Drop the packet.
    Drop(DropReason),
}

/// Why a packet goes to software.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[repr(u8)]
pub enum PuntReason {
    /// Its destination is this router.
    Local,
    /// ARP (RFC 826).
    Arp,
    /// IP multicast or limited broadcast.
    Multicast,
    /// IPv6 link-local destination (RFC 4291 §2.5.6).
    LinkLocal,
    /// Its TTL or hop limit ran out: an ICMP time exceeded may be due (RFC 3032 §2.3, RFC 3443 §2.3).
    TtlExpired,
    /// Larger than the outgoing interface takes, and must not be fragmented, or is labelled: an ICMP message may be due
    /// (RFC 3032 §3.4, §3.5; RFC 8201).
    TooBig,
    /// An IPv4 packet that is too large and may be fragmented (RFC 791 §3.2).
    FragmentationNeeded,
    /// The router alert label (RFC 3032 §2.1).
    RouterAlert,
    /// An IPv4 header with options (RFC 1812 §5.3.13).
    Ipv4Options,
    /// An ESP packet to this router: it is to be taken out of its security association (RFC 4303), then
    /// [`crate::Forwarder::forward_unprotected`].
    Esp,
    /// A fragment of a tunnel's packet to this router: to be reassembled (RFC 791 §3.2).
    Fragment,
    /// A multicast packet without a route, in a VRF that says so (RFC 7761 §4.2: no state for the packet).
    NoMroute,
    /// A multicast packet that did not come from where its route expects it (RFC 7761 §4.6).
    WrongInterface,
    /// A multicast packet that arrived on the interface towards its source, while its route is on the shared tree (RFC 7761
    /// §4.2.2).
    SptArrival,
    /// A copy of a multicast packet that is to be sent to the RP (RFC 7761 §4.4.1).
    Register,
    /// IGMP, MLD or PIM in an instance that snoops (RFC 4541, RFC 8220).
    Snoop,
    /// A frame to a link-local group address, in an instance that says so (IEEE 802.1Q §8.6.3).
    BridgeControl,
    /// The associated channel of a pseudowire (RFC 4385 §5).
    PseudowireControl,
}

impl PuntReason {
    /// Every reason.
    pub const ALL: [Self; 18] = [
        Self::Local,
        Self::Arp,
        Self::Multicast,
        Self::LinkLocal,
        Self::TtlExpired,
        Self::TooBig,
        Self::FragmentationNeeded,
        Self::RouterAlert,
        Self::Ipv4Options,
        Self::Esp,
        Self::Fragment,
        Self::NoMroute,
        Self::WrongInterface,
        Self::SptArrival,
        Self::Register,
        Self::Snoop,
        Self::BridgeControl,
        Self::PseudowireControl,
    ];

    /// The counter's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Arp => "arp",
            Self::Multicast => "multicast",
            Self::LinkLocal => "link-local",
            Self::TtlExpired => "ttl-expired",
            Self::TooBig => "too-big",
            Self::FragmentationNeeded => "fragmentation-needed",
            Self::RouterAlert => "router-alert",
            Self::Ipv4Options => "ipv4-options",
            Self::Esp => "esp",
            Self::Fragment => "fragment",
            Self::NoMroute => "no-mroute",
            Self::WrongInterface => "wrong-interface",
            Self::SptArrival => "spt-arrival",
            Self::Register => "register",
            Self::Snoop => "snoop",
            Self::BridgeControl => "bridge-control",
            Self::PseudowireControl => "pseudowire-control",
        }
    }
}

/// Why a packet is dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[repr(u8)]
pub enum DropReason {
    /// It arrived on an interface that does not exist.
    NoIngress,
    /// The frame ends inside a header, or before the end that a header states.
    Truncated,
    /// Sent to another station's MAC address.
    NotOurMac,
    /// IP unicast or MPLS in a frame to a group MAC address (RFC 1812 §5.3.4).
    LinkBroadcast,
    /// A VLAN tag on an interface without sub-interfaces.
    VlanTagged,
    /// An ethertype, or a length, that is not forwarded.
    UnknownEthertype,
    /// A labelled packet on an interface that takes none (RFC 4364 §13.1).
    MplsDisabled,
    /// No such incoming label (RFC 3031 §3.18).
    UnknownLabel,
    /// Label 3, which is never in a stack (RFC 3032 §2.1).
    ImplicitNull,
    /// A special-purpose label that this router does not process (RFC 7274 §3).
    SpecialPurposeLabel,
    /// The router alert label at the bottom of the stack (RFC 3032 §2.1).
    RouterAlertAtBottom,
    /// More labels to pop than this router pops.
    StackTooDeep,
    /// Neither IPv4 nor IPv6 below the last label.
    UnknownPayload,
    /// The version does not fit the ethertype or the explicit null label.
    IpVersion,
    /// An IPv4 header length below 20 octets.
    HeaderLength,
    /// A total length below the header's.
    TotalLength,
    /// A wrong IPv4 header checksum.
    Checksum,
    /// A source address that no packet may be forwarded from (RFC 1812 §5.3.7, RFC 4291 §2.5, RFC 3927 §7).
    MartianSource,
    /// A destination address that no packet may be forwarded to.
    MartianDestination,
    /// No route.
    NoRoute,
    /// A route, label or entry that discards.
    Discard,
    /// The next hop label forwarding entry does not exist, or the group or pair that is to name it.
    NoNhlfe,
    /// The entries form a chain longer than [`crate::op::NextHop::MAX_DEPTH`].
    ChainTooDeep,
    /// The outgoing interface does not exist.
    NoEgress,
    /// No room in front of the packet for the labels.
    NoHeadroom,
    /// A tunnel's packet to this router of no virtual link, or a virtual link that does not exist or has no output.
    NoVlink,
    /// A session's packet between other addresses than its virtual link's.
    VlinkAddress,
    /// A session's packet without the cookie (RFC 3931 §8.2).
    VlinkCookie,
    /// A packet in clear for a virtual link that is protected, or the reverse, or through another security association.
    VlinkProtection,
    /// A header of a tunnel that is not as it must be, or a wrong checksum in it.
    VlinkHeader,
    /// A payload that the virtual link does not carry.
    VlinkPayload,
    /// A numbered packet out of order (RFC 2890 §2.2, RFC 3931 §4.6).
    VlinkOrder,
    /// Marked for congestion on the way, and its sender does not know the mark (RFC 6040 §4.2).
    VlinkCongestion,
    /// Its source is not behind the link that it came by (RFC 3704 §2.2).
    VlinkSource,
    /// A multicast packet without a route.
    NoMroute,
    /// A multicast packet that did not come from where its route expects it: from another interface, or by the tunnel of
    /// another PE (RFC 6513 §9.1).
    RpfFailed,
    /// A multicast packet or frame that has nowhere to go.
    NoReceivers,
    /// A multicast packet whose TTL ran out; no ICMP message is due (RFC 1812 §4.3.2.7).
    MulticastTtl,
    /// A label below a multipoint tunnel that is unknown in the label space of the tunnel's root (RFC 5331 §7), or none: the packet is
    /// for other leaves.
    NoContextBinding,
    /// Multicast by a tunnel that is bound to no VRF.
    UnknownTunnel,
    /// A replication group, interface or port of another VPN.
    ForeignGroup,
    /// A leg that does not fit the packet: a bridge port for a routed packet, a second nested group.
    LegUnfit,
    /// A copy of a multicast packet that is larger than its interface takes, or a bridged one than its instance promises.
    CopyTooBig,
    /// A label below that of a tunnel or pseudowire, which has none below it.
    LabelBelow,
    /// A bridge port or instance that does not exist.
    NoPort,
    /// A frame of a pseudowire without the control word or tag that belongs to it.
    ControlWord,
    /// A source address that is a group's, or zero.
    SourceMac,
    /// A group address that does not belong to the IP group, is one of IP's on a frame without IP, or is reserved for MPLS
    /// (RFC 5332 §8).
    GroupMac,
    /// PAUSE (RFC 4448 §4.4.5).
    Pause,
    /// A frame to a link-local group address, in an instance that says so.
    BridgeControl,
    /// A frame whose destination is at the port that it came from.
    SamePort,
    /// A frame from a pseudowire whose destination is behind another of the same mesh (RFC 4762 §4.4).
    SplitHorizon,
    /// A multicast frame that a group entry filters.
    Filtered,
    /// More than a policer lets through.
    Policed,
    /// A frame of a pseudowire that a later one overtook (RFC 4385 §4.2).
    Disordered,
}

impl DropReason {
    /// Every reason.
    pub const ALL: [Self; 55] = [
        Self::NoIngress,
        Self::Truncated,
        Self::NotOurMac,
        Self::LinkBroadcast,
        Self::VlanTagged,
        Self::UnknownEthertype,
        Self::MplsDisabled,
        Self::UnknownLabel,
        Self::ImplicitNull,
        Self::SpecialPurposeLabel,
        Self::RouterAlertAtBottom,
        Self::StackTooDeep,
        Self::UnknownPayload,
        Self::IpVersion,
        Self::HeaderLength,
        Self::TotalLength,
        Self::Checksum,
        Self::MartianSource,
        Self::MartianDestination,
        Self::NoRoute,
        Self::Discard,
        Self::NoNhlfe,
        Self::ChainTooDeep,
        Self::NoEgress,
        Self::NoHeadroom,
        Self::NoVlink,
        Self::VlinkAddress,
        Self::VlinkCookie,
        Self::VlinkProtection,
        Self::VlinkHeader,
        Self::VlinkPayload,
        Self::VlinkOrder,
        Self::VlinkCongestion,
        Self::VlinkSource,
        Self::NoMroute,
        Self::RpfFailed,
        Self::NoReceivers,
        Self::MulticastTtl,
        Self::NoContextBinding,
        Self::UnknownTunnel,
        Self::ForeignGroup,
        Self::LegUnfit,
        Self::CopyTooBig,
        Self::LabelBelow,
        Self::NoPort,
        Self::ControlWord,
        Self::SourceMac,
        Self::GroupMac,
        Self::Pause,
        Self::BridgeControl,
        Self::SamePort,
        Self::SplitHorizon,
        Self::Filtered,
        Self::Policed,
        Self::Disordered,
    ];

    /// The counter's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NoIngress => "no-ingress",
            Self::Truncated => "truncated",
            Self::NotOurMac => "not-our-mac",
            Self::LinkBroadcast => "link-broadcast",
            Self::VlanTagged => "vlan-tagged",
            Self::UnknownEthertype => "unknown-ethertype",
            Self::MplsDisabled => "mpls-disabled",
            Self::UnknownLabel => "unknown-label",
            Self::ImplicitNull => "implicit-null",
            Self::SpecialPurposeLabel => "special-purpose-label",
            Self::RouterAlertAtBottom => "router-alert-at-bottom",
            Self::StackTooDeep => "stack-too-deep",
            Self::UnknownPayload => "unknown-payload",
            Self::IpVersion => "ip-version",
            Self::HeaderLength => "header-length",
            Self::TotalLength => "total-length",
            Self::Checksum => "checksum",
            Self::MartianSource => "martian-source",
            Self::MartianDestination => "martian-destination",
            Self::NoRoute => "no-route",
            Self::Discard => "discard",
            Self::NoNhlfe => "no-nhlfe",
            Self::ChainTooDeep => "chain-too-deep",
            Self::NoEgress => "no-egress",
            Self::NoHeadroom => "no-headroom",
            Self::NoVlink => "no-vlink",
            Self::VlinkAddress => "vlink-address",
            Self::VlinkCookie => "vlink-cookie",
            Self::VlinkProtection => "vlink-protection",
            Self::VlinkHeader => "vlink-header",
            Self::VlinkPayload => "vlink-payload",
            Self::VlinkOrder => "vlink-order",
            Self::VlinkCongestion => "vlink-congestion",
            Self::VlinkSource => "vlink-source",
            Self::NoMroute => "no-mroute",
            Self::RpfFailed => "rpf-failed",
            Self::NoReceivers => "no-receivers",
            Self::MulticastTtl => "multicast-ttl",
            Self::NoContextBinding => "no-context-binding",
            Self::UnknownTunnel => "unknown-tunnel",
            Self::ForeignGroup => "foreign-group",
            Self::LegUnfit => "leg-unfit",
            Self::CopyTooBig => "copy-too-big",
            Self::LabelBelow => "label-below",
            Self::NoPort => "no-port",
            Self::ControlWord => "control-word",
            Self::SourceMac => "source-mac",
            Self::GroupMac => "group-mac",
            Self::Pause => "pause",
            Self::BridgeControl => "bridge-control",
            Self::SamePort => "same-port",
            Self::SplitHorizon => "split-horizon",
            Self::Filtered => "filtered",
            Self::Policed => "policed",
            Self::Disordered => "disordered",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_stands_at_its_own_number() {
        for (i, r) in PuntReason::ALL.iter().enumerate() {
            assert_eq!(*r as usize, i);
        }
        for (i, r) in DropReason::ALL.iter().enumerate() {
            assert_eq!(*r as usize, i);
        }
        assert_eq!(DropReason::Disordered as usize + 1, DropReason::ALL.len());
        assert_eq!(PuntReason::PseudowireControl as usize + 1, PuntReason::ALL.len());
    }
}
