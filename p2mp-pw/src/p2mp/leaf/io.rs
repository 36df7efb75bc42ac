//! Settings, inputs and outputs of a leaf.

use alloc::vec::Vec;
use core::time::Duration;

use fwd_core::net::{LabelSpaceId, VsiId};
use fwd_core::op::{FwdOp, NextHop};

use super::super::accept::Mismatch;
use super::super::config::{Circuit, Monitor, PortRange, PwId, Sai, Service, SpaceRange};
use super::super::fsm::PwState;
use super::template::TemplateId;
use crate::ldp::fec::PmsiTunnel;
use crate::ldp::message::Message;
use crate::ldp::neighbour::NhlfeRange;
use crate::ldp::session::Negotiated;
use crate::ldp::{LdpId, PwStatus};
use crate::mldp::GroupRange;
use crate::redundancy::RedundancyConfig;

/// One router as a leaf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeafConfig {
    /// Entries: one for each pseudowire.
    pub nhlfes: NhlfeRange,
    /// Bridge ports: one for each circuit and pseudowire.
    pub ports: PortRange,
    /// Replication groups: one for each pseudowire or group of them.
    pub groups: GroupRange,
    /// Label spaces: one for each root.
    pub spaces: SpaceRange,
    /// How long the tunnel may take before the root hears of it. Default 30 s.
    pub transport: Duration,
    /// Offers kept of one root, whether there is a pseudowire for them or not (liberal retention, RFC 8338 §3). Default 10,000.
    pub max_offers: usize,
}

impl LeafConfig {
    /// The blocks that are this machine's, and defaults.
    #[must_use]
    pub const fn new(nhlfes: NhlfeRange, ports: PortRange, groups: GroupRange, spaces: SpaceRange) -> Self {
        Self { nhlfes, ports, groups, spaces, transport: Duration::from_secs(30), max_offers: 10_000 }
    }
}

/// Circuits, with the pseudowires that may feed them: one, or several that protect each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeafPwConfig {
    /// The names of the pseudowires; in a group the lowest is the best.
    pub sais: Vec<Sai>,
    /// What the root has to offer.
    pub service: Service,
    /// The instance that is its forwarder; nobody else's.
    pub vsi: VsiId,
    /// Its circuits, 255 at most.
    pub circuits: Vec<Circuit>,
    /// Whether the MTU has to be the root's. Default no.
    pub strict_mtu: bool,
    /// Whether the root is told that all is well, which RFC 8338 §5 leaves open. Default yes.
    pub confirm: bool,
    /// Where faults of the way from the root are looked for. Default both.
    pub monitor: Monitor,
    /// How one of several is chosen.
    pub redundancy: RedundancyConfig,
}

impl LeafPwConfig {
    /// One pseudowire with defaults.
    #[must_use]
    pub fn new(sai: Sai, service: Service, vsi: VsiId, circuits: Vec<Circuit>) -> Self {
        let redundancy = RedundancyConfig::default();
        let (sais, strict_mtu, confirm) = (alloc::vec![sai], false, true);
        Self { sais, service, vsi, circuits, strict_mtu, confirm, monitor: Monitor::Both, redundancy }
    }
}

/// Bad configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LeafError {
    /// There is a pseudowire of this name, or it stands twice.
    #[error("sais: another pseudowire has this name")]
    Duplicate,
    /// No name.
    #[error("sais: 1 or more")]
    NoName,
    /// No circuit, or more than 255.
    #[error("circuits: 1 to 255")]
    Circuits,
    /// Times of the group.
    #[error("redundancy.revert: more than zero, or none")]
    Redundancy,
    /// The blocks are used up.
    #[error("{0}: the block is used up")]
    Exhausted(&'static str),
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
    /// A session ended: what the root offered is gone.
    PeerDown {
        /// The peer.
        peer: LdpId,
    },
    /// A message of a peer about P2MP pseudowires.
    Message {
        /// The peer.
        peer: LdpId,
        /// The message.
        message: &'a Message,
    },
    /// A tunnel that was joined, or waited for, carries packets, or does no more.
    Tunnel {
        /// The tunnel.
        tunnel: &'a PmsiTunnel,
        /// Whether it does.
        up: bool,
    },
    /// How packets get to a root, for the ways back: the entry of an LSP.
    Reach {
        /// The root.
        peer: LdpId,
        /// The next hop; `None`: there is no way.
        next: Option<NextHop>,
    },
    /// The forwarding plane refused an operation: the roots are told that the leaf does not forward, until one offers again.
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
    /// Become a leaf of a tunnel ([`mldp::Mldp::join`](crate::mldp::Mldp::join)), whose packets have labels of this space below the
    /// tunnel's; of an RSVP-TE tunnel: expect it.
    Join {
        /// The tunnel.
        tunnel: PmsiTunnel,
        /// The root's label space.
        space: LabelSpaceId,
    },
    /// Leave a tunnel.
    Leave {
        /// The tunnel.
        tunnel: PmsiTunnel,
    },
    /// Something that the operator wants to know.
    Event(Event),
}

/// Something that the operator wants to know.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The forwarding plane has no room for a pseudowire.
    TableFull {
        /// The pseudowire.
        pw: PwId,
    },
    /// A pseudowire changed its state.
    State {
        /// The pseudowire, or group.
        pw: PwId,
        /// Its name.
        sai: Sai,
        /// The state.
        state: PwState,
    },
    /// A root offers what cannot be taken.
    Mismatch {
        /// The pseudowire, or group.
        pw: PwId,
        /// Its name.
        sai: Sai,
        /// What does not match.
        what: Mismatch,
    },
    /// The root's MTU is above ours: its largest frames will not leave the circuit.
    SmallMtu {
        /// The pseudowire, or group.
        pw: PwId,
        /// The root's.
        root: u16,
        /// Ours.
        leaf: u16,
    },
    /// A root named another tunnel for a pseudowire that has one; it was told to keep it (RFC 7338 §3.2).
    SecondTunnel {
        /// The pseudowire.
        sai: Sai,
    },
    /// The root says how its circuit fares: a forward defect for the leaf's circuits (RFC 7023 §4), or none.
    RootStatus {
        /// The pseudowire, or group.
        pw: PwId,
        /// Its name.
        sai: Sai,
        /// The status.
        status: PwStatus,
    },
    /// A template is for a pseudowire that a root offers.
    FromTemplate {
        /// The template.
        template: TemplateId,
        /// The pseudowire.
        pw: PwId,
        /// Its name.
        sai: Sai,
    },
    /// A template is for a pseudowire that a root offers, and has no room for it: the offer is retained.
    TemplateExhausted {
        /// The template.
        template: TemplateId,
        /// The pseudowire's name.
        sai: Sai,
    },
    /// A root gave a pseudowire the label that another has: it was told to take it back.
    LabelTwice {
        /// The root.
        peer: LdpId,
        /// The name of the pseudowire whose offer was refused.
        sai: Sai,
    },
    /// A root offers more than is kept.
    TooManyOffers {
        /// The root.
        peer: LdpId,
    },
    /// Another pseudowire of a group feeds the circuits.
    Switched {
        /// The group.
        pw: PwId,
        /// The pseudowire.
        sai: Sai,
    },
}

/// A pseudowire as it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PwView {
    /// The pseudowires by name, with their states.
    pub members: Vec<(Sai, PwState)>,
    /// Which of them feeds the circuits.
    pub selected: Option<Sai>,
}

/// What is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Label Mappings taken.
    pub mappings_received: u64,
    /// Status messages sent.
    pub statuses_sent: u64,
    /// Status messages taken.
    pub statuses_received: u64,
    /// Label Releases sent.
    pub releases_sent: u64,
    /// Offers refused for the limit.
    pub limited: u64,
}
