//! What goes into a PE and what comes out.

use core::net::IpAddr;

use alloc::vec::Vec;
use bgp_vpn::nlri::RouteDistinguisher;
use fwd_core::net::{IfIndex, IpPrefix, Label, LabelSpaceId, NhlfeId, ReplicationId, TunnelId, VrfId};
use fwd_core::op::FwdOp;
use p2mp_pw::ldp::fec::MultipointFec;

use super::attributes::{BfdSession, McastAttributes};
use super::c_mldp::CMldpRoute;
use super::event::MvpnEvent;
use super::mdt::MdtRoute;
use super::p_tunnel::PTunnel;
use super::root::TreeId;
use super::route::McastRoute;
use super::umh::UmhRoute;

/// A customer's tree as PIM on the PMSI joins or prunes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CTree {
    /// (C-*,C-G).
    Shared {
        /// C-G.
        group: IpAddr,
        /// C-RP.
        rp: IpAddr,
    },
    /// (C-S,C-G).
    Source {
        /// C-G.
        group: IpAddr,
        /// C-S.
        source: IpAddr,
    },
    /// (C-S,C-G,rpt): joined is pruned off the shared tree.
    PrunedSource {
        /// C-G.
        group: IpAddr,
        /// C-S.
        source: IpAddr,
        /// C-RP.
        rp: IpAddr,
    },
}

impl CTree {
    /// C-G.
    #[must_use]
    pub const fn group(&self) -> IpAddr {
        match self {
            Self::Shared { group, .. } | Self::Source { group, .. } | Self::PrunedSource { group, .. } => *group,
        }
    }

    /// C-S, or the C-RP of the shared tree.
    #[must_use]
    pub const fn root(&self) -> IpAddr {
        match self {
            Self::Shared { rp, .. } | Self::PrunedSource { rp, .. } => *rp,
            Self::Source { source, .. } => *source,
        }
    }

    /// The flow: C-S unless the tree is shared, and C-G.
    #[must_use]
    pub const fn flow(&self) -> (Option<IpAddr>, IpAddr) {
        match self {
            Self::Shared { group, .. } => (None, *group),
            Self::Source { group, source } | Self::PrunedSource { group, source, .. } => (Some(*source), *group),
        }
    }
}

/// An input.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// BGP's best route of an MCAST-VPN NLRI; `None` when there is none any more. Not this PE's own.
    Route {
        /// The route.
        route: McastRoute,
        /// Its attributes.
        attributes: Option<McastAttributes>,
    },
    /// A VPN-IP route (SAFI 128, or 129 where the MVPN has its own routes for RPF, RFC 6514 §10) that is imported into a VRF, or none
    /// any more.
    Umh {
        /// The VRF.
        vrf: VrfId,
        /// Prefix.
        prefix: IpPrefix,
        /// RD.
        rd: RouteDistinguisher,
        /// What the route says.
        route: Option<UmhRoute>,
    },
    /// A route of a VRF by its own CEs, which the PE advertises to others, or none any more.
    Local {
        /// The VRF.
        vrf: VrfId,
        /// Prefix.
        prefix: IpPrefix,
        /// Whether there is one.
        reachable: bool,
    },
    /// The RPA of a range of groups of the customers' BIDIR-PIM, or none any more; of several ranges the longest counts.
    BidirRange {
        /// The VRF.
        vrf: VrfId,
        /// The groups.
        range: IpPrefix,
        /// The RPA.
        rpa: Option<IpAddr>,
    },
    /// The customers' PIM joined or pruned a tree on the PMSI.
    Tree {
        /// The VRF.
        vrf: VrfId,
        /// The tree.
        tree: CTree,
        /// Whether joined.
        joined: bool,
    },
    /// Another PE pruned a tree by PIM on the PMSI ([`super::PmsiLink::overhear`]).
    Pruned {
        /// The VRF.
        vrf: VrfId,
        /// The tree.
        tree: CTree,
    },
    /// As [`Self::Route`], of a route with a customer's FEC element (RFC 7441).
    CMldpRoute {
        /// The route.
        route: CMldpRoute,
        /// Its attributes.
        attributes: Option<McastAttributes>,
    },
    /// The customers' mLDP maps a label to an LSP for the PMSI, or withdraws it ([`super::PmsiPeer::read`]).
    CMldp {
        /// The VRF.
        vrf: VrfId,
        /// The LSP.
        fec: MultipointFec,
        /// The label; `None`: none any more.
        label: Option<Label>,
    },
    /// An op of the customers' PIM or mLDP for the forwarder.
    Program {
        /// The VRF.
        vrf: VrfId,
        /// The op.
        op: FwdOp,
    },
    /// The entry that leads to another router, for copies to it; `None` if it is not reachable.
    Transport {
        /// The router.
        router: IpAddr,
        /// The entry.
        entry: Option<NhlfeId>,
    },
    /// The entries of the branches of a tree that this PE is the root of.
    Branches {
        /// The tree.
        tree: TreeId,
        /// One for each branch; they may change at any time.
        branches: Vec<NhlfeId>,
    },
    /// The most octets that fit into a tunnel of this PE, its labels aside; `None`: not known. They may change at any time.
    TunnelMtu {
        /// The tree.
        tree: TreeId,
        /// Octets.
        mtu: Option<u16>,
    },
    /// Somebody joined an mLDP LSP at this PE that it did not ask for (RFC 6826 §2, RFC 7246 §2). One that is taken is asked for
    /// ([`TreeRequest::Root`]), and over when it has no branches any more ([`TreeRequest::Remove`]). One that is refused has to be said again when an
    /// MVRF is added that may take it.
    Rooted {
        /// The LSP.
        tunnel: PTunnel,
    },
    /// The provider of tunnels cannot build a tree, or not any more.
    TreeFailed {
        /// The tree.
        tree: TreeId,
    },
    /// The rate of a flow of the PE's own sites, from the forwarder's counters.
    Rate {
        /// The VRF.
        vrf: VrfId,
        /// C-S.
        source: IpAddr,
        /// C-G.
        group: IpAddr,
        /// Octets in a second, lately.
        octets_per_second: u64,
    },
    /// A source of an ASM group in the PE's own sites is active, or no more: the PE is RP, or an RP told it (RFC 6514 §14.1).
    Active {
        /// The VRF.
        vrf: VrfId,
        /// C-S.
        source: IpAddr,
        /// C-G.
        group: IpAddr,
        /// The RP that knows the source (RFC 9081 §3).
        rp: Option<core::net::Ipv4Addr>,
        /// Whether it is.
        is_active: bool,
    },
    /// A packet of a flow came over the PMSI, or from another VRF of this PE, and failed its route's check
    /// ([`fwd_core::PuntReason::WrongInterface`]): a PE on the shared tree takes the first packet by the source's tree as the sign to change
    /// over, as PIM does (RFC 7761 §4.2.2). If it came by a tunnel of this VRF alone it goes through the forwarder again, after the ops that this makes.
    Arrival {
        /// The VRF.
        vrf: VrfId,
        /// C-S.
        source: IpAddr,
        /// C-G.
        group: IpAddr,
    },
    /// An MDT-SAFI route of another PE (RFC 6037), or none any more.
    Mdt {
        /// The route.
        route: MdtRoute,
        /// Its attributes: the next hop and route targets count.
        attributes: Option<McastAttributes>,
    },
    /// What came to UDP port 3232 ([`crate::pim::wire::s_pmsi_join::SPmsiJoin`]) of a VRF. Who is no PE has no say: it counts if it came over the PMSI.
    SPmsiJoin {
        /// The VRF.
        vrf: VrfId,
        /// The interface it came by: [`MvrfConfig::pmsi`](super::MvrfConfig::pmsi) for what came by the I-PMSI.
        interface: IfIndex,
        /// The PE that sent it.
        pe: IpAddr,
        /// The payload.
        octets: Vec<u8>,
    },
    /// Whether the tunnels from another PE work: the state of a BFD session (RFC 8562), or what else is known of them (RFC 9026 §3.1).
    UpstreamState {
        /// The VRF.
        vrf: VrfId,
        /// The PE.
        pe: IpAddr,
        /// Whether they do. Without this input they do.
        is_up: bool,
    },
    /// The forwarder had no room for an op.
    Refused(FwdOp),
}

impl Input {
    /// The VRF that it names.
    pub(super) const fn vrf(&self) -> Option<VrfId> {
        match self {
            Self::Umh { vrf, .. }
            | Self::Local { vrf, .. }
            | Self::BidirRange { vrf, .. }
            | Self::Tree { vrf, .. }
            | Self::Pruned { vrf, .. }
            | Self::CMldp { vrf, .. }
            | Self::Program { vrf, .. }
            | Self::SPmsiJoin { vrf, .. }
            | Self::UpstreamState { vrf, .. }
            | Self::Rate { vrf, .. }
            | Self::Arrival { vrf, .. }
            | Self::Active { vrf, .. } => Some(*vrf),
            Self::Route { .. }
            | Self::CMldpRoute { .. }
            | Self::Mdt { .. }
            | Self::Transport { .. }
            | Self::Branches { .. }
            | Self::Rooted { .. }
            | Self::TunnelMtu { .. }
            | Self::TreeFailed { .. }
            | Self::Refused(_) => None,
        }
    }
}

/// What a provider of P-tunnels (LDP, RSVP-TE, PIM of the provider) is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TreeRequest {
    /// This PE is the root of a tunnel: answer with [`Input::Branches`] now and at every change. Of an MP2MP LSP it is a leaf that sends:
    /// the branches are those that lead from it to the others.
    Root {
        /// The number of the tree.
        tree: TreeId,
        /// The tunnel.
        tunnel: PTunnel,
    },
    /// A leaf for a tree whose root signals its leaves.
    Leaf {
        /// The tree.
        tree: TreeId,
        /// The leaf.
        leaf: IpAddr,
        /// Whether it is one.
        present: bool,
    },
    /// The tree is needed no more.
    Remove {
        /// The tree.
        tree: TreeId,
    },
    /// This PE is a leaf: what arrives is to be taken as multicast that came by this number.
    Join {
        /// The tunnel.
        tunnel: PTunnel,
        /// The number, for [`fwd_core::op::IlmAction::Multicast`] or a leg of that name; of a tree of PIM's for
        /// [`fwd_core::op::LegTarget::Decapsulate`].
        arrives_by: TunnelId,
    },
    /// This router is a leaf: what arrives goes on by the legs of this group, still labelled. At an ASBR or ABR they are the next segment
    /// (RFC 6514 §9.2.3.2). At a PE they lead to several VRFs (RFC 7900 §8), in place of what was asked for by `Join`; or the group is that of a
    /// customer's LSP, which the customers' mLDP has for its VRF ([`super::PmsiPeer`]).
    Stitch {
        /// The tunnel.
        tunnel: PTunnel,
        /// The group, for [`fwd_core::op::IlmAction::Replicate`] or a leg of that name.
        group: ReplicationId,
    },
    /// This PE is a leaf of a tunnel that carries upstream-assigned labels: what arrives is to be looked up in this space.
    JoinSpace {
        /// The tunnel.
        tunnel: PTunnel,
        /// The space, for [`fwd_core::op::IlmAction::Context`] or a leg of that name.
        space: LabelSpaceId,
    },
    /// This PE is a leaf no more.
    Leave {
        /// The tunnel.
        tunnel: PTunnel,
    },
}

/// An output.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// An op for the forwarder.
    Program(FwdOp),
    /// Advertise this route, in place of what was advertised of its NLRI.
    Advertise {
        /// The route.
        route: McastRoute,
        /// Its attributes.
        attributes: McastAttributes,
    },
    /// Withdraw this route.
    Withdraw(McastRoute),
    /// Advertise this route with a customer's FEC element, in place of what was advertised of its NLRI.
    AdvertiseCMldp {
        /// The route.
        route: CMldpRoute,
        /// Its attributes.
        attributes: McastAttributes,
    },
    /// Withdraw it.
    WithdrawCMldp(CMldpRoute),
    /// Tell the customers' mLDP that the PMSI maps a label to an LSP, or withdraws it ([`super::PmsiPeer::message`]).
    CMldp {
        /// The VRF.
        vrf: VrfId,
        /// The LSP.
        fec: MultipointFec,
        /// The label.
        label: Label,
        /// Whether mapped.
        mapped: bool,
    },
    /// Advertise this MDT-SAFI route.
    AdvertiseMdt {
        /// The route.
        route: MdtRoute,
        /// Its attributes.
        attributes: McastAttributes,
    },
    /// Withdraw it.
    WithdrawMdt(MdtRoute),
    /// Send this to UDP port 3232 of all PIM routers (224.0.0.13) over the I-PMSI of a VRF.
    SPmsiJoin {
        /// The VRF.
        vrf: VrfId,
        /// The payload.
        octets: Vec<u8>,
    },
    /// A Source Active A-D route of another PE says that a source of an ASM group is active, or none does any more: for MSDP
    /// ([`crate::msdp::Input::Mesh`], RFC 9081 §3). If the RP changes, what was said with the old one is taken back first.
    SourceActive {
        /// The VRF.
        vrf: VrfId,
        /// C-S.
        source: IpAddr,
        /// C-G.
        group: IpAddr,
        /// The RP that knows the source, as the route says.
        rp: Option<core::net::Ipv4Addr>,
        /// Whether it is.
        is_active: bool,
    },
    /// Run the tail of this BFD session, or of none any more; [`Input::UpstreamState`] tells what it says.
    Watch {
        /// The VRF.
        vrf: VrfId,
        /// The head.
        pe: IpAddr,
        /// The session.
        session: Option<BfdSession>,
    },
    /// A tunnel is needed, or no more.
    Tree(TreeRequest),
    /// Tell the customers' PIM that the neighbour on the PMSI joined or pruned a tree.
    Downstream {
        /// The VRF.
        vrf: VrfId,
        /// The tree.
        tree: CTree,
        /// Whether joined.
        joined: bool,
    },
    /// Something happened.
    Event(MvpnEvent),
}
