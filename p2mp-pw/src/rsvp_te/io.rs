//! What goes into RSVP-TE and what comes out.

use alloc::vec::Vec;
use core::net::Ipv4Addr;

use fwd_core::net::{IfIndex, NhlfeId};
use fwd_core::op::FwdOp;

use super::config::LspKey;
use super::object::ErrorCode;

/// What happened.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// A datagram of IP protocol 46 to us.
    Datagram {
        /// Its source.
        from: Ipv4Addr,
        /// Where it arrived.
        iface: IfIndex,
        /// The message.
        octets: &'a [u8],
    },
    /// The forwarding plane refused an operation of ours.
    Refused(FwdOp),
}

/// What is to be done outside, in this order: entries before the messages that promise them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send a datagram of IP protocol 46 to a neighbour.
    Datagram {
        /// The neighbour.
        to: Ipv4Addr,
        /// The interface.
        iface: IfIndex,
        /// The message.
        octets: Vec<u8>,
    },
    /// Change the forwarding plane.
    Program(FwdOp),
    /// Something to act on, log or count.
    Event(Event),
}

/// Something to act on, log or count. Those that a peer causes come with a change of state, or at most once in `event_interval`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// At the ingress: packets can go out by one more entry.
    LegUp {
        /// The LSP.
        lsp: LspKey,
        /// Which branch.
        leg: u16,
        /// Its entry.
        nhlfe: NhlfeId,
        /// The neighbour.
        hop: Ipv4Addr,
    },
    /// At the ingress: an entry is cleared next.
    LegDown {
        /// The LSP.
        lsp: LspKey,
        /// Which branch.
        leg: u16,
    },
    /// At the ingress: a leaf has a reservation all the way.
    LeafUp {
        /// The LSP.
        lsp: LspKey,
        /// The leaf.
        leaf: Ipv4Addr,
    },
    /// At the ingress: it has none any more.
    LeafDown {
        /// The LSP.
        lsp: LspKey,
        /// The leaf.
        leaf: Ipv4Addr,
    },
    /// At the ingress: all leaves of `to` are reached. Packets are to go by it from here on: `from` is torn down next.
    Switch {
        /// The LSP that is replaced.
        from: LspKey,
        /// The LSP that replaces it.
        to: LspKey,
    },
    /// At a leaf: an ingress wants to reach us, and [`Rsvp::deliver`](super::Rsvp::deliver) says nothing of its tunnel.
    Wanted {
        /// The LSP.
        lsp: LspKey,
    },
    /// At a leaf: the LSP ended.
    Ended {
        /// The LSP.
        lsp: LspKey,
    },
    /// A node refused a sub-LSP: at the ingress.
    PathRefused {
        /// The LSP.
        lsp: LspKey,
        /// The leaf, where the node said it.
        leaf: Option<Ipv4Addr>,
        /// The node.
        node: Ipv4Addr,
        /// Why.
        code: ErrorCode,
    },
    /// A node refused a reservation: at a leaf.
    ResvRefused {
        /// The LSP.
        lsp: LspKey,
        /// The node.
        node: Ipv4Addr,
        /// Why.
        code: ErrorCode,
    },
    /// A limit was reached, or a block is used up: its field.
    TooMany(&'static str),
    /// The forwarding plane has no room for an LSP.
    TableFull {
        /// The LSP.
        lsp: LspKey,
    },
}

/// What is counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RsvpCounters {
    /// Messages sent.
    pub sent: u64,
    /// Messages received that were taken.
    pub received: u64,
    /// Datagrams that are no message, or lack what their type must have.
    pub malformed: u64,
    /// Messages about nothing that is known here, or from where it cannot come.
    pub ignored: u64,
    /// Errors sent, PathErr and ResvErr.
    pub errors_sent: u64,
    /// State of neighbours that timed out.
    pub expired: u64,
    /// Operations that the forwarding plane refused.
    pub refused_ops: u64,
}
