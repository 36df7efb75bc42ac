//! What goes into the machine and comes out of it.

use alloc::vec::Vec;
use core::net::IpAddr;

use fwd_core::Verdict;
use fwd_core::net::{Label, Mac, NhlfeId, PortId, VsiId};
use fwd_core::op::{FlowLabels, FwdOp, LegTarget, NextHop};
use p2mp_pw::ldp::PwStatus;
use p2mp_pw::ldp::fec::PwEnds;

use crate::bgp::{Nlri, RouteAttributes, RouteKey, Tunnel};
use crate::event::Event;
use crate::fault::FaultNotice;
use crate::probe::{ProbeReport, TraceRequest};

/// What comes in.
#[derive(Clone, Debug)]
pub enum Input<'a> {
    /// The best path of a route of families 25/65 or 25/8 has changed; of another PE, import by target not yet done.
    Route {
        /// The route.
        nlri: Nlri,
        /// Its attributes; none: it is gone.
        attributes: Option<RouteAttributes>,
    },
    /// A speaker session came up: everything that was advertised is to be advertised again.
    Refresh,
    /// How packets reach a PE: by an LSP, a GRE, MPLS-in-UDP or L2TPv3 virtual link, a group of such; none: not at all.
    Transport {
        /// The PE.
        peer: IpAddr,
        /// What the pseudowires' labels go on top of.
        next: Option<NextHop>,
        /// The largest labelled packet that gets through, in octets; 0: not known.
        mtu: u16,
    },
    /// What the LDP side says of a pseudowire.
    Pw {
        /// Which.
        id: PwId,
        /// What.
        event: PwEvent,
    },
    /// A peer withdraws MAC addresses (RFC 4762 §6.2, RFC 7361 §5).
    MacWithdraw {
        /// Over which pseudowire.
        id: PwId,
        /// Which addresses; empty: all that the flag says.
        macs: &'a [Mac],
        /// Whether those learned from the sender go, rather than all others (RFC 7361 §5.1.1, N).
        negative: bool,
    },
    /// An attachment circuit came up or went down.
    Circuit {
        /// Its port.
        port: PortId,
        /// Which.
        up: bool,
    },
    /// IGMP, MLD, PIM or a bridging control frame that the forwarding plane punted ([`fwd_core::Verdict::PuntFrame`]).
    Frame {
        /// The port that it arrived at.
        port: PortId,
        /// The customer's frame, with the tags that are not service-delimiting.
        octets: &'a [u8],
    },
    /// What became of a tree of the core.
    Tree(TreeEvent),
    /// Octets of a flow since the last sample of it, from its group's counters.
    Rate {
        /// The instance.
        vsi: VsiId,
        /// C-S; none: any.
        source: Option<IpAddr>,
        /// C-G.
        group: IpAddr,
        /// Bits a second.
        bits_per_second: u64,
    },
    /// The forwarding plane learned an address at a port where another had it.
    Moved {
        /// The instance.
        vsi: VsiId,
        /// The address.
        mac: Mac,
        /// The port that it moved from.
        from: PortId,
        /// The port that it is at.
        to: PortId,
    },
    /// What came in the associated channel of a pseudowire ([`fwd_core::PuntReason::PseudowireControl`]).
    Channel {
        /// The pseudowire's port.
        port: PortId,
        /// The channel's header, and what is behind it.
        octets: &'a [u8],
    },
    /// The forwarding plane has traced a sample ([`Output::Trace`]).
    Traced {
        /// Which trace.
        trace: u32,
        /// What the sample leaves by.
        exits: &'a [LegTarget],
        /// Why it leaves by nothing.
        verdict: Option<Verdict>,
    },
    /// The forwarding plane has no room for an op.
    Refused(FwdOp),
}

/// Which pseudowire of an instance.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PwId {
    /// The instance.
    pub vsi: VsiId,
    /// The other end.
    pub peer: IpAddr,
    /// How it is signalled.
    pub service: PwService,
}

/// How a pseudowire is signalled.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PwService {
    /// By label blocks, with this remote VE (RFC 4761).
    Ve(u16),
    /// By LDP with the Generalized PWid FEC, of auto-discovered ends (RFC 6074 §3.2.3).
    Discovered,
    /// By LDP with the PWid FEC (RFC 4762 §6.1.1).
    PwId(u32),
}

/// What the LDP side says of a pseudowire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PwEvent {
    /// The other end sent its label.
    Mapping {
        /// Its label.
        label: Label,
        /// Whether a control word is used.
        control_word: bool,
        /// Whether it takes flow labels, and whether it sends them.
        flow_label: FlowLabels,
        /// Its MTU; 0: not said.
        mtu: u16,
    },
    /// A session of its own carries the pseudowire, as one of L2TPv3 does (RFC 4719, RFC 4667), or the LDP side programs its labels itself
    /// ([`p2mp_pw::pw::PwAttachment::Port`]): frames leave by this next hop without a label of ours. What arrives is delivered to the
    /// pseudowire's port ([`crate::VplsPe::pseudowires`]).
    Session {
        /// The virtual link of the session, or the entry of the LDP side.
        next: NextHop,
        /// Whether a control word is used.
        control_word: bool,
        /// The directions in which a flow label is used.
        flow_label: FlowLabels,
        /// Its MTU; 0: not said.
        mtu: u16,
    },
    /// The other end took its label back, or the session ended.
    Withdrawn,
    /// The other end's status.
    Status(PwStatus),
}

/// What this PE wants of the LDP side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PwSignal {
    /// Set a pseudowire up.
    Request {
        /// Which.
        id: PwId,
        /// The identifiers of a Generalized PWid FEC; none: the PWid FEC.
        ends: Option<PwEnds>,
        /// Our label, which frames arrive by.
        label: Label,
        /// Our MTU.
        mtu: u16,
        /// Whether we want a control word.
        control_word: bool,
        /// Our status.
        status: PwStatus,
    },
    /// Our status has changed.
    Status {
        /// Which.
        id: PwId,
        /// The status.
        status: PwStatus,
    },
    /// Take a pseudowire down.
    Release {
        /// Which.
        id: PwId,
    },
}

/// A MAC withdraw message to be sent in an LDP Address Withdraw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MacWithdraw {
    /// Over which pseudowire.
    pub id: PwId,
    /// The addresses; empty: all that the flag says.
    pub macs: Vec<Mac>,
    /// RFC 7361 §5.1.1, N: those learned from the sender.
    pub negative: bool,
}

/// What this PE wants of the core's trees.
///
/// With [`p2mp_pw::mldp::Mldp`] beside this machine, and [`Tunnel::tree_fec`] as the name of the tree:
///
/// | This machine says | mLDP is told |
/// |---|---|
/// | `Root` | `open` |
/// | `Unroot` | `close` |
/// | `Join` with a port | `join`, delivering to [`Deliver::Bridge`](p2mp_pw::mldp::Deliver::Bridge) |
/// | `Leave` | `leave` |
///
/// | mLDP says | This machine is told |
/// |---|---|
/// | `LegUp`, `LegDown` | [`TreeEvent::Branches`] with the entries of all legs; its outputs are carried out before mLDP's next |
/// | `Mtu`, unless unknown | [`TreeEvent::Mtu`] |
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TreeRequest {
    /// Root a tree. Of RSVP-TE, the leaves must be known.
    Root {
        /// The tree.
        tunnel: Tunnel,
        /// Its leaves as far as they are known.
        leaves: Vec<IpAddr>,
    },
    /// Take down a tree that this PE roots.
    Unroot {
        /// The tree.
        tunnel: Tunnel,
    },
    /// Be a leaf of a tree: what it carries arrives at this bridge port, or has one more label.
    Join {
        /// The tree.
        tunnel: Tunnel,
        /// The port; none: the label below is looked up.
        deliver: Option<PortId>,
    },
    /// Be a leaf no longer.
    Leave {
        /// The tree.
        tunnel: Tunnel,
    },
}

/// What became of a tree of the core.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TreeEvent {
    /// A tree that this PE roots: the entries of its branches, each with the label of the tree. Empty: it does not carry.
    Branches {
        /// The tree.
        tunnel: Tunnel,
        /// One entry for each branch.
        entries: Vec<NhlfeId>,
    },
    /// Whether a leaf of a tree that this PE roots is reached: by BFD or LSP ping (RFC 8562, RFC 6425).
    Leaf {
        /// The tree.
        tunnel: Tunnel,
        /// The leaf.
        leaf: IpAddr,
        /// Whether it is.
        reached: bool,
    },
    /// The greatest packet that every branch carries (RFC 5501 §6.2.2), in octets.
    Mtu {
        /// The tree.
        tunnel: Tunnel,
        /// The MTU.
        mtu: u16,
    },
}

/// What comes out.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Advertise a route.
    Advertise(Nlri, RouteAttributes),
    /// Withdraw a route.
    Withdraw(RouteKey, Nlri),
    /// Signal a pseudowire.
    Pw(PwSignal),
    /// Send a MAC withdraw message.
    MacWithdraw(MacWithdraw),
    /// Root or join a tree.
    Tree(TreeRequest),
    /// Send a customer's frame out of a bridge port, as the forwarding plane would: with its tags or labels.
    Frame {
        /// The port.
        port: PortId,
        /// The frame.
        octets: Vec<u8>,
    },
    /// Trace a sample through the forwarding plane ([`TraceRequest::follow`]), hand back [`Input::Traced`], then send the packets.
    Trace(TraceRequest),
    /// Send a message in the associated channel of a pseudowire ([`crate::probe::leave`]).
    Channel {
        /// The pseudowire's port.
        port: PortId,
        /// The channel's header, and what is behind it.
        octets: Vec<u8>,
    },
    /// What became of a probe.
    Probe(ProbeReport),
    /// Change the forwarding plane.
    Program(FwdOp),
    /// What became of a fault.
    Fault(FaultNotice),
    /// Something an operator may want to know.
    Event(Event),
}
