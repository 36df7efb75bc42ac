//! Settings, inputs and outputs of a root.

use alloc::vec::Vec;
use core::time::Duration;

use fwd_core::net::{NhlfeId, VsiId};
use fwd_core::op::FwdOp;

use super::super::config::{Circuit, Monitor, PortRange, PwId, Sai, Service};
use super::super::fsm::LeafState;
use crate::ldp::LdpId;
use crate::ldp::fec::{Attachment, P2mpPwError, PmsiTunnel};
use crate::ldp::message::Message;
use crate::ldp::neighbour::{LabelRange, NhlfeRange};
use crate::ldp::session::Negotiated;
use crate::mldp::GroupRange;
use crate::redundancy::{Criterion, RedundancyConfig};

/// One router as a root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootConfig {
    /// Labels: one for each pseudowire, which the leaves look up in this router's label space, and one for each way back.
    pub labels: LabelRange,
    /// Entries: one for each pseudowire and leg of its tunnel, and one for its ways back.
    pub nhlfes: NhlfeRange,
    /// Bridge ports: one for each circuit, for each pseudowire and leg of its tunnel, and for its ways back.
    pub ports: PortRange,
    /// Replication groups: one for each pseudowire.
    pub groups: GroupRange,
    /// How long a leaf may take to say how it fares before it counts as unconfirmed. Default 10 s.
    pub confirm: Duration,
    /// The least time between two status messages of one leaf about one pseudowire that are acted upon; of those that come faster, the
    /// last is acted upon when it is over. Default 1 s.
    pub status_interval: Duration,
}

impl RootConfig {
    /// The blocks that are this machine's, and defaults.
    #[must_use]
    pub const fn new(labels: LabelRange, nhlfes: NhlfeRange, ports: PortRange, groups: GroupRange) -> Self {
        let (confirm, status_interval) = (Duration::from_secs(10), Duration::from_secs(1));
        Self { labels, nhlfes, ports, groups, confirm, status_interval }
    }
}

/// A tunnel of this router, as whoever signals it numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TunnelRef(pub u64);

/// What becomes of a leaf that reports a fault.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FaultPolicy {
    /// It stays.
    #[default]
    Keep,
    /// Its label is withdrawn; the operator puts it back.
    Prune,
}

/// One pseudowire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootPwConfig {
    /// Its name.
    pub sai: Sai,
    /// What leaves have to agree on.
    pub service: Service,
    /// The instance that is its forwarder; nobody else's.
    pub vsi: VsiId,
    /// Its circuits: the first is the source; others, 254 at most, receive as leaves do.
    pub circuits: Vec<Circuit>,
    /// Whether leaves can send to the source (RFC 8338 §3.2.2).
    pub return_path: bool,
    /// Where faults of leaves are looked for. Default both.
    pub monitor: Monitor,
    /// What becomes of a leaf with a fault. Default: it stays.
    pub policy: FaultPolicy,
    /// Whether leaves of the same attachment group that [`Input::Member`] names are added. Default no.
    pub discover: bool,
    /// It protects this pseudowire, whose instance and circuits it uses: its own are not looked at.
    pub protects: Option<Protects>,
}

/// How a pseudowire protects another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Protects {
    /// The other.
    pub primary: PwId,
    /// By how many faulty leaves each counts as failed.
    pub criterion: Criterion,
    /// How the change is made.
    pub config: RedundancyConfig,
}

impl RootPwConfig {
    /// A pseudowire without a way back.
    #[must_use]
    pub const fn new(sai: Sai, service: Service, vsi: VsiId, circuits: Vec<Circuit>) -> Self {
        let (return_path, monitor, policy, protects) = (false, Monitor::Both, FaultPolicy::Keep, None);
        Self { sai, service, vsi, circuits, return_path, monitor, policy, discover: false, protects }
    }
}

/// Bad configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RootError {
    /// There is a pseudowire of this name.
    #[error("sai: another pseudowire has this name")]
    Duplicate,
    /// There is no such pseudowire.
    #[error("no such pseudowire")]
    Unknown,
    /// The name is not of AII type 2 and 12 octets (RFC 5003 §3.2).
    #[error("sai.saii: type 2 of 12 octets")]
    Saii,
    /// No circuit, or more than 255.
    #[error("circuits: 1 to 255")]
    Circuits,
    /// The element would be too long: too many selective trees.
    #[error(transparent)]
    TooLong(#[from] P2mpPwError),
    /// The blocks are used up.
    #[error("{0}: the block is used up")]
    Exhausted(&'static str),
    /// The one that is to be protected protects another, or is protected.
    #[error("protects: a pseudowire that is in no group")]
    Group,
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Input<'a> {
    /// A session became operational.
    PeerUp {
        /// The peer.
        peer: LdpId,
        /// What was agreed on.
        negotiated: &'a Negotiated,
    },
    /// A session ended. Labels of P2MP pseudowires are sent anew when it comes back.
    PeerDown {
        /// The peer.
        peer: LdpId,
    },
    /// The peer changed what it can do (RFC 5561 §5).
    Capabilities {
        /// The peer.
        peer: LdpId,
        /// What it can do.
        negotiated: &'a Negotiated,
    },
    /// A message of a peer about P2MP pseudowires.
    Message {
        /// The peer.
        peer: LdpId,
        /// The message.
        message: &'a Message,
    },
    /// A tunnel of this router has one more leg: [`mldp::Event::LegUp`](crate::mldp::Event::LegUp).
    LegUp {
        /// The tunnel.
        tunnel: TunnelRef,
        /// The leg's number in it.
        leg: u16,
        /// The entry that pushes the tunnel's label.
        nhlfe: NhlfeId,
    },
    /// A leg is gone.
    LegDown {
        /// The tunnel.
        tunnel: TunnelRef,
        /// The leg's number in it.
        leg: u16,
    },
    /// A router is a leaf of an attachment group, or is no more: what auto-discovery found (RFC 6074 §3.2). Who is root and who leaf is
    /// local policy, as by a route target of its own for leaves.
    Member {
        /// The group.
        agi: &'a Attachment,
        /// The leaf.
        leaf: LdpId,
        /// Whether it is.
        present: bool,
    },
    /// The forwarding plane refused an operation: the pseudowire's labels are taken back from its leaves, until
    /// [`Root::set_tunnel`](super::Root::set_tunnel) tries again.
    Refused(FwdOp),
}

/// What is to be done outside, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send a message to a peer.
    Message {
        /// The peer.
        peer: LdpId,
        /// The message, for the session to number.
        message: Message,
    },
    /// Change the forwarding tables.
    Program(FwdOp),
    /// Something that the operator wants to know.
    Event(Event),
}

/// A pseudowire at its root.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum RootState {
    /// Without a tunnel.
    #[default]
    Idle,
    /// With a tunnel; nobody was told yet.
    TunnelSelected,
    /// Leaves have its label.
    Signalling,
    /// A leaf is attached, and the tunnel has a leg.
    Up,
    /// It goes; leaves have not given its label back yet.
    Withdrawing,
}

/// Something that the operator wants to know.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A pseudowire changed its state.
    State {
        /// The pseudowire.
        pw: PwId,
        /// The state.
        state: RootState,
    },
    /// A leaf changed its state: attached, or with which fault.
    Leaf {
        /// The pseudowire.
        pw: PwId,
        /// The leaf.
        leaf: LdpId,
        /// The state.
        state: LeafState,
    },
    /// A leaf cannot be: its router does not know P2MP pseudowires (RFC 8338 §4).
    PeerLacksP2mpPw {
        /// The pseudowire.
        pw: PwId,
        /// The leaf.
        leaf: LdpId,
    },
    /// A leaf gave the label back that it was offered.
    LeafRefused {
        /// The pseudowire.
        pw: PwId,
        /// The leaf.
        leaf: LdpId,
    },
    /// A leaf was taken out for its fault.
    LeafPruned {
        /// The pseudowire.
        pw: PwId,
        /// The leaf.
        leaf: LdpId,
    },
    /// All leaves report a fault: a reverse defect for the source's circuit (RFC 7023 §4); `false`: no more.
    ReverseDefect {
        /// The pseudowire.
        pw: PwId,
        /// Whether it is.
        present: bool,
    },
    /// A pseudowire is carried by an LSP for each leaf, for want of a tree: links that they share carry copies (RFC 7338 §3.1).
    IngressReplication {
        /// The pseudowire.
        pw: PwId,
    },
    /// Of two pseudowires the other one sends.
    Switched {
        /// That which sends.
        to: PwId,
    },
    /// The blocks of entries or ports are used up: a leg of the tunnel gets nothing.
    NoRoom {
        /// The pseudowire.
        pw: PwId,
    },
    /// The forwarding plane has no room for a pseudowire.
    TableFull {
        /// The pseudowire.
        pw: PwId,
    },
}

/// A pseudowire as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PwView {
    /// Its state.
    pub state: RootState,
    /// Its tunnel.
    pub tunnel: Option<PmsiTunnel>,
    /// Its leaves.
    pub leaves: Vec<(LdpId, LeafState)>,
    /// Whether it sends, of two.
    pub active: bool,
}

/// What is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Label Mappings sent.
    pub mappings_sent: u64,
    /// Label Withdraws sent.
    pub withdraws_sent: u64,
    /// Status messages sent.
    pub statuses_sent: u64,
    /// Status messages taken.
    pub statuses_received: u64,
    /// Status messages that came too fast, and wait.
    pub statuses_held: u64,
    /// Messages that make no sense in their place and had no effect.
    pub ignored: u64,
}
