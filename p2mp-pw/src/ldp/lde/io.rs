//! What goes into label distribution and what comes out.

use core::net::IpAddr;
use core::time::Duration;

use fwd_core::net::{IfIndex, IpPrefix, NhlfeId};
use fwd_core::op::{FwdOp, NextHop};

use super::super::LdpId;
use super::super::message::Message;
use super::super::session::Negotiated;

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
    /// The session with a peer is over.
    PeerDown {
        /// The peer.
        peer: LdpId,
        /// Keep its labels so long and wait for it (RFC 3478 §3.3); `None`: they are gone.
        retain: Option<Duration>,
    },
    /// The peer sent a message that [`Application::Prefix`](super::super::neighbour::Application::Prefix) takes.
    Message {
        /// The peer.
        peer: LdpId,
        /// The message.
        message: &'a Message,
    },
    /// Whether messages for a peer can be sent, or wait here. A peer that is up is writable until told otherwise.
    Writable {
        /// The peer.
        peer: LdpId,
        /// They can be sent.
        writable: bool,
    },
    /// A neighbour's Hellos come from this address: it is a next hop, though link-local addresses are not advertised. Said after
    /// each `PeerUp`, and when it changes.
    Adjacent {
        /// The peer.
        peer: LdpId,
        /// The source of its Hellos.
        source: IpAddr,
        /// Where they come in.
        iface: IfIndex,
        /// They come; else they ended.
        up: bool,
    },
    /// An address of ours, to be advertised or withdrawn (RFC 5036 §3.5.5).
    LocalAddress {
        /// The address.
        address: IpAddr,
        /// It is there; else it is gone.
        up: bool,
    },
    /// The route to a prefix; `None`: there is none.
    Route {
        /// The prefix, which is the FEC.
        prefix: IpPrefix,
        /// Where it leads.
        route: Option<Route<'a>>,
    },
    /// The forwarding plane refused an operation.
    Refused(FwdOp),
}

/// Where a prefix leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Route<'a> {
    /// Here, or to where no labels are distributed: we are egress.
    Egress,
    /// By next hops of the same cost, 64 at most: one for each bucket.
    Via(&'a [Hop]),
}

/// A next hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hop {
    /// The neighbour's address.
    pub gateway: IpAddr,
    /// The interface.
    pub iface: IfIndex,
    /// How packets reach it.
    pub next: NextHop,
}

/// What is to be done outside, in this order: entries before the messages that promise them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send a message. Identifier 0: the session numbers it.
    Message {
        /// The peer.
        peer: LdpId,
        /// The message.
        message: Message,
    },
    /// Change the forwarding plane.
    Program(FwdOp),
    /// Packets to a prefix can take this entry from here on: transport for VPN labels, and for the prefix's own packets. `None`:
    /// no longer; the entry is cleared next.
    Lsp {
        /// The prefix.
        prefix: IpPrefix,
        /// The entry.
        nhlfe: Option<NhlfeId>,
    },
    /// Something to log or count.
    Event(Event),
}

/// Something to log or count. Those that a peer causes come at most once a second and peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A hop count or path vector of the peer's shows a loop (RFC 5036 §2.8).
    LoopDetected {
        /// The peer.
        peer: LdpId,
        /// The prefix.
        prefix: IpPrefix,
    },
    /// The peer sent more labels than are kept of it; the rest is released.
    TooManyLabels {
        /// The peer.
        peer: LdpId,
    },
    /// The peer advertises more addresses than are kept of it.
    TooManyAddresses {
        /// The peer.
        peer: LdpId,
    },
    /// The peer does not read what it makes us say: its session should be ended.
    Overrun {
        /// The peer.
        peer: LdpId,
    },
    /// No label is left for a prefix.
    NoLabels {
        /// The prefix.
        prefix: IpPrefix,
    },
    /// The forwarding plane has no room for a prefix, or there is no entry left to number: its label is withdrawn.
    TableFull {
        /// The prefix.
        prefix: IpPrefix,
    },
    /// The peer's labels are complete: it said so, or the time for that is over (RFC 5919 §5).
    Synchronized {
        /// The peer.
        peer: LdpId,
        /// It said so.
        end_of_lib: bool,
    },
    /// Stale labels of the peer were dropped.
    StaleDropped {
        /// The peer.
        peer: LdpId,
        /// How many.
        labels: usize,
    },
}

/// What label distribution counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LdeCounters {
    /// Label mappings taken, per FEC element.
    pub mappings_received: u64,
    /// Label Mapping messages sent.
    pub mappings_sent: u64,
    /// Labels released because they could not be kept: loops, limits, labels that mean something else.
    pub mappings_refused: u64,
    /// Loops detected.
    pub loops: u64,
    /// Messages without meaning here: FECs that are not for labels, requests twice.
    pub ignored: u64,
    /// Operations that the forwarding plane refused.
    pub refused_ops: u64,
    /// Labels asked for by us.
    pub requests_sent: u64,
}
