//! What goes into BFD and what comes out.

use alloc::vec::Vec;
use core::net::IpAddr;

use fwd_core::net::IfIndex;

use super::config::{LspId, PwRef, SessionId, TreeId};
use super::packet::{Diag, State};

/// UDP port of single-hop sessions, and of packets in LSPs and multipoint paths (RFC 5881 §4, RFC 5884 §7, RFC 8562 §5.8).
pub const PORT: u16 = 3784;
/// UDP port of multihop sessions (RFC 5883 §5).
pub const MULTIHOP_PORT: u16 = 4784;
/// UDP port of reflectors (RFC 7881 §3).
pub const SBFD_PORT: u16 = 7784;
/// Channel type of packets without IP and UDP headers in a pseudowire's associated channel (RFC 5885 §3.2).
pub const CHANNEL_TYPE: u16 = 0x0007;

/// How a packet came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// In a UDP datagram that was routed or came over a link.
    Udp {
        /// The interface.
        iface: IfIndex,
        /// Its source.
        from: IpAddr,
        /// Its destination.
        to: IpAddr,
        /// Its TTL or hop limit.
        ttl: u8,
        /// Its source port.
        source_port: u16,
        /// Its destination port.
        port: u16,
    },
    /// Out of an LSP, in a UDP datagram to 127/8 and port [`PORT`].
    Lsp {
        /// The LSP.
        lsp: LspId,
        /// The datagram's source.
        from: IpAddr,
    },
    /// In the control channel of a pseudowire.
    Pw {
        /// The pseudowire.
        pw: PwRef,
        /// The TTL of its IP header, where it has one.
        ttl: Option<u8>,
    },
    /// On a multipoint path, in a UDP datagram to port [`PORT`].
    Tree {
        /// The path.
        tree: TreeId,
        /// The datagram's source.
        from: IpAddr,
    },
}

/// What happened.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// A packet.
    Packet {
        /// How it came.
        arrival: Arrival,
        /// The Control packet, from its version on.
        octets: &'a [u8],
    },
}

/// How a packet is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// In a UDP datagram.
    Udp {
        /// The interface; `None`: routed.
        iface: Option<IfIndex>,
        /// Its source.
        from: IpAddr,
        /// Its destination.
        to: IpAddr,
        /// Its source port, of 49,152 and above but for replies of reflectors.
        source_port: u16,
        /// Its destination port.
        port: u16,
    },
    /// In an LSP: a UDP datagram to a random address of 127/8 and port [`PORT`], with TTL 1 (RFC 5884 §7).
    Lsp {
        /// The LSP.
        lsp: LspId,
        /// Its source.
        from: IpAddr,
        /// Its source port.
        source_port: u16,
    },
    /// In the control channel of a pseudowire.
    Pw {
        /// The pseudowire.
        pw: PwRef,
        /// Source and source port of a UDP datagram as in an LSP, but with TTL 255; `None`: no headers, channel type
        /// [`CHANNEL_TYPE`] (RFC 5885 §3.2).
        ip: Option<(IpAddr, u16)>,
    },
    /// On a multipoint path: a UDP datagram to port [`PORT`] and the path's group, or to 127/8 in a P2MP LSP (RFC 8562 §5.8).
    Tree {
        /// The path.
        tree: TreeId,
        /// Its source.
        from: IpAddr,
        /// Its source port.
        source_port: u16,
    },
}

/// What is to be done outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send a packet. Datagrams have TTL 255 unless [`Via`] says otherwise.
    Packet {
        /// How.
        via: Via,
        /// The Control packet.
        octets: Vec<u8>,
    },
    /// Something to act on, log or count.
    Event(Event),
}

/// Something to act on, log or count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A session changed its state.
    State {
        /// The session.
        session: SessionId,
        /// Its state.
        state: State,
        /// Why.
        diag: Diag,
        /// What the peer said last of why its state changed.
        remote_diag: Diag,
    },
    /// The peer of a session that is up gives another diagnostic: of a path behind it (RFC 5880 §6.8.17).
    RemoteDiag {
        /// The session.
        session: SessionId,
        /// The diagnostic.
        diag: Diag,
    },
    /// A head was heard on a tree: there is a session.
    TailCreated {
        /// The session.
        session: SessionId,
        /// The tree.
        tree: TreeId,
        /// The head.
        head: IpAddr,
    },
    /// A session ended: of a dynamic tail, or one that was removed and has told its peer.
    Removed(SessionId),
    /// A tail is another way than before, or was heard for the first time.
    Tail {
        /// The head's session.
        session: SessionId,
        /// The tail.
        tail: IpAddr,
        /// Its state; `Down` with [`Diag::DETECTION_TIME_EXPIRED`] means that it did not answer, and no more (RFC 8563 §6.2).
        state: State,
        /// Why.
        diag: Diag,
    },
    /// A limit was reached: `max_sessions`, `max_dynamic_tails`, `max_clients`. At most once a second.
    TooMany(&'static str),
}

/// Why a packet was dropped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Discard {
    /// It is no Control packet.
    Malformed,
    /// No session is meant, or none that such a packet can be for.
    Session,
    /// It came another way than the session's: interface, addresses, LSP, TTL.
    Path,
    /// It lacks authentication, has some that is not expected, or fails.
    Authentication,
    /// The session is disabled, or the State is none of its type's.
    State,
    /// A limit was reached.
    Limit,
}

/// Packets by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BfdCounters {
    /// Packets sent.
    pub sent: u64,
    /// Packets accepted.
    pub received: u64,
    /// Packets dropped, by [`Discard`] in its order.
    pub discarded: [u64; 6],
}
