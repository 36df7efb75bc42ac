//! `FwdOp`: the only way from a control plane to the forwarding plane.

mod bridge;
mod class_map;
mod context;
mod encoding;
mod mark;
mod multicast;
mod police;
mod spread;
pub(crate) mod vlink;

pub use spread::Bucket;

pub use bridge::{Attachment, BridgePort, Class, FlowLabels, Flush, LinkLocal, Tags, Vsi, VsiGroupKey};
pub use class_map::ClassMap;
pub use mark::{CodePoint, MarkPoint};
pub use multicast::{LegTarget, Mroute, MrouteKey, MulticastVrf, Origin, Rpf};
pub use police::{PolicePoint, Policer, Rates, TrafficType, Unit};
pub use vlink::{Deliver, Dscp, Encapsulation, Ends, Protection, Session, Vlink, VlinkOutput};

use crate::net::{
    EcmpId, IfIndex, Ipv4Prefix, Ipv6Prefix, Label, LabelSpaceId, LabelStack, Mac, NhlfeId, PolicerId, PortId,
    ProtectionId, ReplicationId, RpfSetId, TunnelId, VlanId, VlinkId, VrfId, VsiId,
};

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
    /// Maps a label of another label space to where it leads. Of another router's: to a bridge port, a multicast tunnel or the legs of a
    /// group (RFC 5331 §7, RFC 8338 §3.5); labels reach it through [`IlmAction::Context`]. A VPN's label on a tunnel of several VPNs may
    /// lead to one more space, that of the PE distinguisher labels below it (RFC 6513 §12.3), and no label of that space to another. Of
    /// an interface's ([`FwdOp::SetLabelSpace`], [`FwdOp::SetUpstreamSpace`]): as of the per-platform space.
    SetContextIlm {
        /// The space.
        space: LabelSpaceId,
        /// The label, as the other router assigned it.
        label: Label,
        /// What to do with packets that carry it.
        ilm: Ilm,
    },
    /// Removes a label of another label space.
    ClearContextIlm {
        /// The space.
        space: LabelSpaceId,
        /// The label.
        label: Label,
    },
    /// Gives an interface a label space of its own (RFC 3031 §3.14): labels that arrive on it mean what this space says, and those that
    /// the space does not hold are dropped, whatever they mean elsewhere. So a neighbour uses only labels that it was told
    /// (RFC 4364 §10 b, §13.1). Special-purpose labels mean the same everywhere.
    SetLabelSpace {
        /// The interface, which must exist.
        iface: IfIndex,
        /// The space, not the last number.
        space: LabelSpaceId,
    },
    /// Returns an interface to the per-platform label space.
    ClearLabelSpace {
        /// The interface.
        iface: IfIndex,
    },
    /// Gives an interface a label space for labels on top that their senders assigned, in multicast frames of Ethertype 0x8848
    /// (RFC 5332 §4, RFC 5331 §7): of context labels, each of which leads to the label space of a router on the link
    /// ([`IlmAction::Context`]).
    SetUpstreamSpace {
        /// The interface, which must exist.
        iface: IfIndex,
        /// The space, not the last number.
        space: LabelSpaceId,
    },
    /// Takes no more labels on an interface that their senders assigned.
    ClearUpstreamSpace {
        /// The interface.
        iface: IfIndex,
    },
    /// Writes one bucket of a group. Flows of the other buckets stay where they are.
    SetBucket {
        /// The group.
        group: EcmpId,
        /// The bucket.
        bucket: Bucket,
        /// The entry that its flows take.
        entry: NhlfeId,
    },
    /// Empties a bucket: its flows take the next bucket that is not empty.
    ClearBucket {
        /// The group.
        group: EcmpId,
        /// The bucket.
        bucket: Bucket,
    },
    /// Pairs an entry with the one that takes over when it fails. Whether it has taken over stays as it was; of a new pair, it
    /// has not.
    SetProtection {
        /// The pair.
        id: ProtectionId,
        /// The entry that packets take.
        primary: NhlfeId,
        /// The entry that they take after a [`FwdOp::SwitchOver`].
        backup: NhlfeId,
    },
    /// Dissolves a pair; packets to it are dropped.
    ClearProtection {
        /// The pair.
        id: ProtectionId,
    },
    /// Sends everything behind a pair by its backup, or by its primary again: one store, whatever the number of routes.
    SwitchOver {
        /// The pair.
        id: ProtectionId,
        /// Whether by the backup.
        backup: bool,
    },
    /// Says the interface that a pair's primary goes by: while it is down, or there is no such interface, packets take the backup.
    SetWatch {
        /// The pair, which must exist.
        id: ProtectionId,
        /// The interface, not the last number.
        iface: IfIndex,
    },
    /// No interface's state switches a pair any more.
    ClearWatch {
        /// The pair.
        id: ProtectionId,
    },
    /// Says whether an interface is down: one store switches every pair that watches it, whatever the number of pairs and routes. What
    /// else leads to it is not changed. A new interface is up.
    SetInterfaceState {
        /// The interface, which must exist.
        iface: IfIndex,
        /// Whether it is down.
        down: bool,
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
    /// Writes a multicast route of a VRF.
    SetMroute {
        /// The VRF.
        vrf: VrfId,
        /// Which packets.
        key: MrouteKey,
        /// What to do with them.
        mroute: Mroute,
    },
    /// Removes a multicast route of a VRF, and its counters.
    ClearMroute {
        /// The VRF.
        vrf: VrfId,
        /// Which packets.
        key: MrouteKey,
    },
    /// Turns multicast routing on in a VRF. While it is off, all multicast packets go to software.
    SetMulticastVrf {
        /// The VRF.
        vrf: VrfId,
        /// How.
        multicast: MulticastVrf,
    },
    /// Turns multicast routing off in a VRF. Its routes stay.
    ClearMulticastVrf {
        /// The VRF.
        vrf: VrfId,
    },
    /// Adds an interface or tunnel to a set that packets may come from.
    SetRpfMember {
        /// The set.
        set: RpfSetId,
        /// The interface or tunnel.
        from: Origin,
    },
    /// Removes an interface or tunnel from a set.
    ClearRpfMember {
        /// The set.
        set: RpfSetId,
        /// The interface or tunnel.
        from: Origin,
    },
    /// Binds a tunnel that multicast arrives by to the VRF whose routes are for it.
    SetMulticastTunnel {
        /// The tunnel.
        tunnel: TunnelId,
        /// The VRF.
        vrf: VrfId,
    },
    /// Unbinds a tunnel; what arrives by it is dropped.
    ClearMulticastTunnel {
        /// The tunnel.
        tunnel: TunnelId,
    },
    /// Creates a replication group without legs, or gives one another owner. Copies leave only on interfaces and ports of the
    /// owner, or labelled on core interfaces. A labelled packet is copied by a VRF's group if it came from the VRF or by the core.
    SetReplication {
        /// The group.
        id: ReplicationId,
        /// Whose packets it copies.
        owner: VsiOrVrf,
    },
    /// Removes a replication group with its legs.
    ClearReplication {
        /// The group.
        id: ReplicationId,
    },
    /// Adds a leg to a replication group, or replaces it.
    SetLeg {
        /// The group.
        group: ReplicationId,
        /// The leg's number in the group.
        leg: u16,
        /// Where copies go.
        target: LegTarget,
    },
    /// Removes a leg of a replication group.
    ClearLeg {
        /// The group.
        group: ReplicationId,
        /// The leg's number in the group.
        leg: u16,
    },
    /// Creates a virtual switch instance or changes its settings.
    SetVsi {
        /// The instance.
        vsi: VsiId,
        /// Its settings.
        settings: Vsi,
    },
    /// Removes a virtual switch instance and the addresses it learned; its ports forward nothing.
    ClearVsi {
        /// The instance.
        vsi: VsiId,
    },
    /// Creates a port of an instance or changes it. Moving it to another instance, or to another attachment, forgets its
    /// addresses.
    SetPort {
        /// The port.
        id: PortId,
        /// Its settings.
        port: BridgePort,
    },
    /// Removes a port and the addresses learned at it.
    ClearPort {
        /// The port.
        id: PortId,
    },
    /// Writes a static address: it is never aged, moved or flushed, and counts to no limit.
    SetMac {
        /// The instance.
        vsi: VsiId,
        /// The address, not a group's.
        mac: Mac,
        /// The port it is at.
        port: PortId,
    },
    /// Removes an address, static or learned.
    ClearMac {
        /// The instance.
        vsi: VsiId,
        /// The address.
        mac: Mac,
    },
    /// Forgets learned addresses.
    Flush {
        /// Which.
        what: Flush,
    },
    /// Writes where the multicast frames of an instance go that match a key.
    SetVsiGroup {
        /// The instance.
        vsi: VsiId,
        /// Which frames.
        key: VsiGroupKey,
        /// Where they go; none: nowhere, a filter.
        replication: Option<ReplicationId>,
    },
    /// Removes a group entry of an instance.
    ClearVsiGroup {
        /// The instance.
        vsi: VsiId,
        /// Which frames.
        key: VsiGroupKey,
    },
    /// Makes a customer's VLAN a broadcast domain of its own: frames of an instance whose first tag, below the
    /// service-delimiting ones, has this VLAN are learned, flooded and limited as another instance says (qualified learning,
    /// RFC 4762 §3.1).
    SetVlanDomain {
        /// The instance that the ports belong to.
        vsi: VsiId,
        /// The VLAN.
        vlan: VlanId,
        /// The instance that stands for the VLAN. It has no ports of its own.
        domain: VsiId,
    },
    /// Returns a customer's VLAN to its instance's own domain.
    ClearVlanDomain {
        /// The instance that the ports belong to.
        vsi: VsiId,
        /// The VLAN.
        vlan: VlanId,
    },
    /// Writes a policer. Its buckets are filled if it is new, kept if it was there.
    SetPolicer {
        /// The policer.
        id: PolicerId,
        /// Rates and actions.
        policer: Policer,
    },
    /// Removes a policer: where it stands, everything passes.
    ClearPolicer {
        /// The policer.
        id: PolicerId,
    },
    /// Puts a policer somewhere.
    SetPolicePoint {
        /// Where.
        at: PolicePoint,
        /// The policer.
        policer: PolicerId,
    },
    /// Takes the policer away from somewhere.
    ClearPolicePoint {
        /// Where.
        at: PolicePoint,
    },
    /// Marks packets (RFC 2475 §2.3.3.3).
    SetMark {
        /// Which.
        at: MarkPoint,
        /// What with.
        code: CodePoint,
    },
    /// Leaves packets as they are marked.
    ClearMark {
        /// Which.
        at: MarkPoint,
    },
    /// Creates a virtual link, or changes how its packets are known when they arrive; its output stays.
    SetVlink {
        /// The link.
        id: VlinkId,
        /// Ends, encapsulation, and where payloads go.
        vlink: Vlink,
    },
    /// Removes a virtual link with its output and counters.
    ClearVlink {
        /// The link.
        id: VlinkId,
    },
    /// Writes how packets leave by a virtual link, which must exist.
    SetVlinkOutput {
        /// The link.
        id: VlinkId,
        /// How.
        output: VlinkOutput,
    },
}

/// Whose packets something is for: a VPN of layer 3 or of layer 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum VsiOrVrf {
    /// A VRF's; [`VrfId::GLOBAL`]: the provider's, and the P2MP LSPs that pass through this router.
    Vrf(VrfId),
    /// A virtual switch instance's.
    Vsi(VsiId),
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
    /// To every label switching router on an interface, in one multicast frame whose MAC address has the second label of the stack in
    /// it, or the only one (RFC 5332 §8). Without a label to push the packet is dropped.
    Lan {
        /// The interface.
        iface: IfIndex,
        /// Who assigned the label on top.
        top: Assigned,
    },
    /// Through another entry, whose labels go on top: a VPN label above which a transport tunnel pushes its own.
    /// At most [`NextHop::MAX_DEPTH`] entries deep.
    Nhlfe(NhlfeId),
    /// Through a virtual link, whose headers go on top. At most one in a chain of entries.
    Vlink(VlinkId),
    /// Through the entry that a hash of the packet's flow picks from a group: of addresses, protocol and ports of IP, of the
    /// labels, or of the entropy label (RFC 6790 §4.3).
    Ecmp(EcmpId),
    /// Through the primary or the backup entry of a pair.
    Protected(ProtectionId),
    /// To this router's own software.
    Local,
    /// Nowhere; counted.
    Discard,
}

/// Who bound a label to what it means (RFC 5332 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum Assigned {
    /// The routers that the packet is for, all of them the same label: Ethertype 0x8847.
    Downstream,
    /// The sender: Ethertype 0x8848.
    Upstream,
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
    /// Copy: each leg of the group gets the packet, with the top label replaced by what the leg's entry pushes (P2MP LSP,
    /// RFC 5332, RFC 6388 §2.2).
    Replicate(ReplicationId),
    /// Pop. The IP packet below is multicast that came by this tunnel, in the tunnel's VRF (RFC 6513 §6, §9.1.1).
    Multicast(TunnelId),
    /// Pop. The Ethernet frame below arrived at this bridge port (RFC 4448 §4).
    Bridge(PortId),
    /// Pop. The label below is looked up in this label space: that of the router at the root of the tunnel (RFC 5331 §7).
    Context(LabelSpaceId),
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
