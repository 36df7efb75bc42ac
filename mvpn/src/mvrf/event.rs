//! What happened.

use core::net::IpAddr;

use fwd_core::net::VrfId;

use super::c_mldp::CMldpRoute;
use super::in_band::InBandFault;
use super::p_tunnel::PTunnel;
use super::route::{McastRoute, SFlow};
use super::s_pmsi::Move;

/// What was refused for a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MvpnLimit {
    /// PEs of an MVPN.
    Members,
    /// C-multicast routes for this PE.
    Joins,
    /// S-PMSI A-D routes of other PEs.
    SPmsis,
    /// Source Active A-D routes of other PEs.
    Sources,
    /// Trees joined.
    Trees,
    /// Sources announced.
    OwnSources,
    /// S-PMSIs of this PE.
    OwnSPmsis,
    /// P-tunnels of S-PMSIs of an MVRF.
    OwnTunnels,
    /// Leaf A-D routes.
    Leaves,
    /// P-tunnels that this PE is the root of.
    TunnelBudget,
    /// Bandwidth reserved for trees, in octets in a second.
    Bandwidth,
    /// Labels, entries, groups or tunnel numbers.
    Numbers,
    /// Routes that an ASBR or ABR keeps of its neighbours.
    Paths,
    /// Trees that an ASBR or ABR takes on.
    Segments,
    /// Flows that the list of those that may cross the backbone does not hold.
    Permitted,
}

/// Why a route was not used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum MvpnReject {
    /// A tunnel that flows of another VRF are received from: whose flows they are would be ambiguous (RFC 7900 §2.2).
    TunnelInUse,
    /// A C-multicast route with another RD than the MVRF's.
    Rd,
    /// A Shared Tree Join in SPT-only mode (RFC 6514 §14.3).
    SharedTree,
    /// A Leaf A-D route without the label that ingress replication needs.
    NoLabel,
    /// An address, or a customer's FEC element, that its field cannot hold.
    Address,
    /// A customer's LSP that is no P2MP LSP, or whose S-PMSI has a tunnel that brings no labelled packets.
    CMldp,
    /// PMSI_TUNNEL of a type that is not known here, or with an identifier that is none of that type: the route is taken as withdrawn
    /// (RFC 6514 §5).
    TunnelType,
    /// An S-PMSI of bidirectional groups: a PE or a label twice among PE Distinguisher Labels (RFC 7582 §3.2.2.1), or another MVRF of this PE
    /// has its tunnel or answers it.
    Bidir,
    /// A tunnel with an upstream-assigned label, where segments of trees are joined.
    UpstreamLabel,
}

/// An event. Events that peers cause come at most once in a second for each kind and MVRF, with the number since the last.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MvpnEvent {
    /// A limit was reached.
    Limit {
        /// Which.
        limit: MvpnLimit,
        /// Where.
        vrf: VrfId,
        /// How often since the last such event.
        times: u64,
    },
    /// What a limit bounds reached the high mark of its alarm, or fell below the low one.
    Alarm {
        /// Which.
        limit: MvpnLimit,
        /// Where.
        vrf: VrfId,
        /// Whether raised.
        is_raised: bool,
        /// What there is.
        used: usize,
        /// What there may be.
        max: usize,
    },
    /// Routes were not used.
    Rejected {
        /// Why.
        reason: MvpnReject,
        /// Where.
        vrf: VrfId,
        /// The last one.
        route: McastRoute,
        /// How often since the last such event.
        times: u64,
    },
    /// Routes with customers' FEC elements were not used, or not originated.
    RejectedCMldp {
        /// Why.
        reason: MvpnReject,
        /// Where.
        vrf: VrfId,
        /// The last one.
        route: CMldpRoute,
        /// How often since the last such event.
        times: u64,
    },
    /// A flow moved to an S-PMSI, or back to the default tunnel.
    Moved {
        /// Where.
        vrf: VrfId,
        /// The flows.
        flow: SFlow,
        /// The tunnel that they took before.
        from: Option<PTunnel>,
        /// The tunnel that they take.
        to: Option<PTunnel>,
        /// Why.
        why: Move,
    },
    /// A tunnel of this PE cannot carry what the MVRF promises; an S-PMSI is given up, an I-PMSI is not.
    TooSmall {
        /// Where.
        vrf: VrfId,
        /// The tunnel.
        tunnel: PTunnel,
        /// The most octets of a customer's packet that it carries.
        mtu: u16,
        /// What is promised.
        promised: u16,
    },
    /// A tunnel of this PE failed. Flows of S-PMSIs took another.
    Failed {
        /// Where.
        vrf: VrfId,
        /// The tunnel.
        tunnel: PTunnel,
    },
    /// A PE sent something else than S-PMSI Joins to their port, or somebody sent them who is not on the PMSI.
    BadSPmsiJoin {
        /// Where.
        vrf: VrfId,
        /// The PE.
        pe: IpAddr,
        /// How often since the last such event.
        times: u64,
    },
    /// The selected upstream PE of a flow changed.
    UpstreamChanged {
        /// Where.
        vrf: VrfId,
        /// The source; `None` is the shared tree.
        source: Option<IpAddr>,
        /// The group.
        group: IpAddr,
        /// The PE.
        pe: Option<IpAddr>,
    },
    /// An LSP that was joined in-band carries nothing.
    InBand {
        /// Where, if it is known.
        vrf: Option<VrfId>,
        /// The last one.
        tunnel: PTunnel,
        /// Why.
        fault: InBandFault,
        /// How often since the last such event.
        times: u64,
    },
    /// The forwarder had no room for an op; what needed it does not work.
    Refused {
        /// The op.
        op: fwd_core::op::FwdOp,
    },
}
