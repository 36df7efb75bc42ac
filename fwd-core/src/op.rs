//! `FwdOp`: the only way from a control plane to the forwarding plane.

mod encoding;

use crate::net::{IfIndex, Ipv4Prefix, Ipv6Prefix, Label, LabelStack, Mac, NhlfeId, VrfId};

/// One change of the forwarding tables.
///
/// Ops are small values, applied in the order they were issued. Every op is idempotent: applying it twice leaves the
/// same tables as applying it once. A `Set*` replaces what was there; a `Clear*` of what is not there does nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum FwdOp {
    /// Creates an interface or changes it: its VRF (an attachment circuit) or [`VrfId::GLOBAL`] (a core link).
    SetInterface {
        /// The interface.
        iface: IfIndex,
        /// Its settings.
        interface: Interface,
    },
    /// Removes an interface; packets that would leave by it are dropped and counted.
    ClearInterface {
        /// The interface.
        iface: IfIndex,
    },
    /// Writes a next hop label forwarding entry (RFC 3031 §3.10).
    SetNhlfe {
        /// The entry's number.
        id: NhlfeId,
        /// The entry.
        nhlfe: Nhlfe,
    },
    /// Removes a next hop label forwarding entry.
    ClearNhlfe {
        /// The entry's number.
        id: NhlfeId,
    },
    /// Maps an incoming label of the per-platform space (RFC 3031 §3.14) to an action.
    SetIlm {
        /// The incoming top label.
        label: Label,
        /// What to do with packets that carry it.
        ilm: Ilm,
    },
    /// Removes an incoming label.
    ClearIlm {
        /// The incoming top label.
        label: Label,
    },
    /// Writes an IPv4 route of a VRF.
    SetRoute4 {
        /// The VRF.
        vrf: VrfId,
        /// The destination.
        prefix: Ipv4Prefix,
        /// What to do with packets to it.
        action: RouteAction,
    },
    /// Removes an IPv4 route of a VRF.
    ClearRoute4 {
        /// The VRF.
        vrf: VrfId,
        /// The destination.
        prefix: Ipv4Prefix,
    },
    /// Writes an IPv6 route of a VRF.
    SetRoute6 {
        /// The VRF.
        vrf: VrfId,
        /// The destination.
        prefix: Ipv6Prefix,
        /// What to do with packets to it.
        action: RouteAction,
    },
    /// Removes an IPv6 route of a VRF.
    ClearRoute6 {
        /// The VRF.
        vrf: VrfId,
        /// The destination.
        prefix: Ipv6Prefix,
    },
}

/// An Ethernet interface of the router.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Interface {
    /// The VRF that packets arriving without a label are looked up in.
    pub vrf: VrfId,
    /// Our MAC address on it: source of what we send, and destination of what we accept beside group addresses.
    pub mac: Mac,
    /// The largest payload of an Ethernet frame, labels included, in octets (RFC 3032 §3.2).
    pub mtu: u16,
    /// Whether labelled packets are accepted. Off on customer interfaces unless the customer is a carrier
    /// (RFC 4364 §13.1).
    pub mpls: bool,
}

/// A next hop label forwarding entry: labels to push, and where to send the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Nhlfe {
    /// Labels to push, top of stack first. Empty for plain IP forwarding and for penultimate hop popping.
    pub push: LabelStack,
    /// Where the packet goes.
    pub next: NextHop,
    /// How TTL and traffic class of the pushed labels relate to the packet below.
    pub model: TunnelModel,
}

/// Where a packet goes once its labels are pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum NextHop {
    /// To a neighbour on an interface.
    Neighbor {
        /// The interface.
        iface: IfIndex,
        /// The neighbour's MAC address.
        mac: Mac,
    },
    /// Through another entry, whose labels go on top: a VPN label above which a transport tunnel pushes its own.
    /// At most [`NextHop::MAX_DEPTH`] entries deep.
    Nhlfe(NhlfeId),
    /// To this router's own software.
    Local,
    /// Nowhere; counted.
    Discard,
}

impl NextHop {
    /// The longest chain of entries that a packet follows.
    pub const MAX_DEPTH: usize = 4;
}

/// What to do with a labelled packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Ilm {
    /// What replaces the top label.
    pub action: IlmAction,
    /// How TTL and traffic class of the popped label relate to the packet below.
    pub model: TunnelModel,
}

/// What replaces the top label.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum IlmAction {
    /// Swap or pop: the entry's labels (none for a pop) replace the top label; no look-up of what is below.
    Forward(NhlfeId),
    /// Pop. A label below is looked up; an IP packet below is looked up in this VRF (RFC 4364 §5).
    PopLookup(VrfId),
}

/// What to do with a packet to a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum RouteAction {
    /// Send it through this entry.
    Forward(NhlfeId),
    /// Hand it to this router's own software.
    Local,
    /// Drop it; counted.
    Discard,
}

/// How the TTL (RFC 3443) and traffic class (RFC 3270 §2.6) of a label relate to the header below it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum TunnelModel {
    /// The tunnel is visible: TTL and class are copied down when the label is pushed and up when it is popped.
    #[default]
    Uniform,
    /// The tunnel is one hop: its TTL starts at 255 and is thrown away, the header below keeps its class, and the
    /// egress forwards by the class of the tunnel.
    Pipe,
    /// As `Pipe`, but the egress forwards by the class of the header below.
    ShortPipe,
}
