//! What goes into pseudowires and what comes out.

use alloc::vec::Vec;
use core::time::Duration;

use fwd_core::net::{Mac, NhlfeId};
use fwd_core::op::{FlowLabels, FwdOp};

use crate::ldp::message::Message;
use crate::ldp::session::Negotiated;
use crate::ldp::{LdpId, MacFlush, PwStatus, StatusCode};

/// A pseudowire, as [`Pws::add`](super::Pws::add) numbered it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PwIndex(pub u32);

/// What happened.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// The session with a peer is operational.
    PeerUp {
        /// The peer.
        peer: LdpId,
        /// What was agreed on.
        negotiated: &'a Negotiated,
    },
    /// The session with a peer is over. With `retain` its labels stay in use for so long (RFC 3478 §3.3).
    PeerDown {
        /// The peer.
        peer: LdpId,
        /// How long its labels are kept; `None`: they are gone.
        retain: Option<Duration>,
    },
    /// The peer sent a message that [`Application::Pseudowire`](crate::ldp::neighbour::Application::Pseudowire) takes.
    Message {
        /// The peer.
        peer: LdpId,
        /// The message.
        message: &'a Message,
    },
    /// The tunnel to a peer: the entry that leads there, as label distribution says it; `None`: there is none.
    Transport {
        /// The peer.
        peer: LdpId,
        /// The entry.
        nhlfe: Option<NhlfeId>,
    },
    /// Faults of the circuit at a pseudowire: [`PwStatus::AC_RECEIVE_FAULT`] and [`PwStatus::AC_TRANSMIT_FAULT`] count.
    Circuit {
        /// The pseudowire.
        pw: PwIndex,
        /// Its circuit's faults.
        faults: PwStatus,
    },
    /// The forwarding plane refused an operation.
    Refused(FwdOp),
}

/// How a pseudowire forwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PwForwarding {
    /// The entry that frames leave by, with the pseudowire's label.
    pub nhlfe: NhlfeId,
    /// Frames carry the control word.
    pub control_word: bool,
    /// The directions in which frames have a flow label (RFC 6391 §4.1).
    pub flow_label: FlowLabels,
}

/// What is to be done outside, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send a message.
    Message {
        /// The peer.
        peer: LdpId,
        /// The message.
        message: Message,
    },
    /// Change the forwarding plane.
    Program(FwdOp),
    /// A pseudowire forwards, or forwards otherwise than before.
    Up {
        /// The pseudowire.
        pw: PwIndex,
        /// How.
        forwarding: PwForwarding,
    },
    /// A pseudowire does not forward any more; its entry is cleared next.
    Down {
        /// The pseudowire.
        pw: PwIndex,
    },
    /// The peer wants MAC addresses of a VPLS forgotten (RFC 4762 §6.2, RFC 7361 §5). No address: all.
    MacWithdraw {
        /// The pseudowire that it came by.
        pw: PwIndex,
        /// The addresses.
        macs: Vec<Mac>,
        /// How to forget them, where the peer says so.
        flush: Option<MacFlush>,
    },
    /// Something to log or count.
    Event(Event),
}

/// Why a peer's label for a pseudowire is of no use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mismatch {
    /// The types differ.
    Type,
    /// The MTUs differ: ours, and what the peer said.
    Mtu(u16, Option<u16>),
    /// The type needs the control word and the peer does not use it (RFC 8077 §7.1).
    ControlWord,
    /// The pseudowire passed us before (RFC 6073 §7.4.1).
    Loop,
}

/// Something to log or count. Those that a peer causes come at most once a second and peer, but for changes of state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The peer's label for a pseudowire is of no use.
    Mismatch {
        /// The pseudowire.
        pw: PwIndex,
        /// Why.
        why: Mismatch,
    },
    /// What the peer reports of a pseudowire changed.
    RemoteStatus {
        /// The pseudowire.
        pw: PwIndex,
        /// The peer's status.
        status: PwStatus,
    },
    /// Another pseudowire of a set is active.
    Active {
        /// The set.
        set: u32,
        /// The pseudowire; `None`: none can be.
        pw: Option<PwIndex>,
    },
    /// The peer did not follow a requested switch-over in time (RFC 6870 §6.3.1).
    SwitchoverRefused {
        /// The pseudowire.
        pw: PwIndex,
    },
    /// The peer gave our label back, and said why.
    Released {
        /// The pseudowire.
        pw: PwIndex,
        /// Why.
        reason: StatusCode,
    },
    /// The peer sent labels for more unknown pseudowires than are kept; the rest is released.
    TooManyRetained {
        /// The peer.
        peer: LdpId,
    },
    /// The forwarding plane has no room for a pseudowire.
    TableFull {
        /// The pseudowire.
        pw: PwIndex,
    },
}

/// What is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PwCounters {
    /// Label Mappings received.
    pub mappings_received: u64,
    /// Label Mappings sent.
    pub mappings_sent: u64,
    /// Status notifications received.
    pub status_received: u64,
    /// Status notifications sent.
    pub status_sent: u64,
    /// Labels of peers released because of a mismatch, a loop or a limit.
    pub refused: u64,
    /// Messages without meaning here.
    pub ignored: u64,
}
