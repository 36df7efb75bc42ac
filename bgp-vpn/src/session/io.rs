//! What goes into a session and what comes out.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic))]

use alloc::boxed::Box;
use alloc::vec::Vec;

use fwd_core::time::Instant;

use super::config::{LocalIdentity, PeerConfig};
use super::negotiated::Negotiated;
use crate::message::{Notification, RouteRefresh};
use crate::speaker::Side;

/// One session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionConfig {
    /// Who we are.
    pub local: LocalIdentity,
    /// The peer.
    pub peer: PeerConfig,
    /// Seed of the jitter on the timers (RFC 4271 §10).
    pub seed: u64,
    /// This router's control plane restarted and the forwarding plane kept its state: the Restart State and Forwarding
    /// State bits are set until the session is up (RFC 4724 §4.1). Of meaning only with graceful restart. Default off.
    pub restarted: bool,
}

/// What happened to a session.
///
/// After [`Output::Close`] nothing more is to be reported about that connection.
#[derive(Clone, Debug)]
pub enum Input<'a> {
    /// The operator starts the session (events 1 and 4).
    Start,
    /// The operator stops the session for good (event 2), with this Cease.
    Stop(Notification),
    /// The session is to be closed and opened again (event 8): an administrative reset, a configuration change, too many
    /// prefixes, no memory. With this Cease.
    Reset(Notification),
    /// A TCP connection is up (events 16 and 17). Another incoming one while one is up replaces it; ask
    /// [`Session::admits_incoming`](super::Session::admits_incoming) first, and close it if that says no.
    Connected {
        /// Who opened it.
        side: Side,
    },
    /// The peer sent octets: half a message or twenty.
    Stream {
        /// On which connection.
        side: Side,
        /// The octets.
        octets: &'a [u8],
    },
    /// The connection is gone, or the attempt to open it failed (event 18).
    Closed {
        /// Which one.
        side: Side,
    },
    /// The connection takes so many octets more; 0: the peer does not read, and the SendHoldTimer runs (RFC 9687).
    Writable {
        /// Which one.
        side: Side,
        /// Octets.
        room: usize,
    },
    /// An UPDATE that was output cannot be survived (event 28; RFC 7606 §2), with the NOTIFICATION to send. UPDATEs that
    /// were received behind it are not output any more.
    UpdateError(Notification),
    /// UPDATEs were sent on the established connection: the KeepaliveTimer starts again.
    UpdateSent,
    /// Send a ROUTE-REFRESH: a request, BoRR or EoRR. Ignored unless the session is up and the peer takes it (RFC 2918 §4,
    /// RFC 7313 §4).
    Refresh(RouteRefresh),
}

/// What is to be done outside, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Open a TCP connection to the peer; answer with `Connected` or `Closed` of [`Side::Outgoing`].
    Connect,
    /// Close the connection after sending what was output before, or give up the attempt to open it.
    Close {
        /// Which one.
        side: Side,
    },
    /// Send one message.
    Send {
        /// On which connection.
        side: Side,
        /// The message.
        octets: Vec<u8>,
    },
    /// The session is up; UPDATEs go over this connection.
    Established {
        /// Which one.
        side: Side,
        /// What was agreed on.
        negotiated: Box<Negotiated>,
    },
    /// The body of an UPDATE of the established session.
    Update(Vec<u8>),
    /// A ROUTE-REFRESH of the established session, in a family that was agreed on.
    Refresh(RouteRefresh),
    /// The session, or an attempt at one that had a connection, is over.
    Down(Down),
}

/// How a session or an attempt at one ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Down {
    /// It was up.
    pub established: bool,
    /// The NOTIFICATION that was sent, if any.
    pub sent: Option<Notification>,
    /// The NOTIFICATION that was received, if any.
    pub received: Option<Notification>,
    /// The peer's routes are to be kept as stale, in the families of
    /// [`PeerRestart`](super::PeerRestart) and for its time (RFC 4724 §4.2, RFC 8538 §4.1); otherwise they go.
    pub retain_routes: bool,
}

/// Messages by type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MessageCounts {
    /// OPENs.
    pub opens: u64,
    /// UPDATEs.
    pub updates: u64,
    /// NOTIFICATIONs.
    pub notifications: u64,
    /// KEEPALIVEs.
    pub keepalives: u64,
    /// ROUTE-REFRESHes.
    pub refreshes: u64,
}

impl MessageCounts {
    /// All of them.
    #[must_use]
    pub const fn total(&self) -> u64 {
        let Self { opens, updates, notifications, keepalives, refreshes } = *self;
        opens.wrapping_add(updates).wrapping_add(notifications).wrapping_add(keepalives).wrapping_add(refreshes)
    }
}

/// What a session counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionCounters {
    /// Messages received, faulty ones too.
    pub received: MessageCounts,
    /// Messages sent; UPDATEs as [`Input::UpdateSent`] reports them.
    pub sent: MessageCounts,
    /// How often the session came up.
    pub established: u64,
    /// ConnectRetryCounter (RFC 4271 §8).
    pub connect_retry: u32,
    /// Code and sub-code of the last NOTIFICATION sent or received; zeros: there was none.
    pub last_error: [u8; 2],
    /// When the last UPDATE came.
    pub last_update: Option<Instant>,
    /// When the session came up, or went down if that was later; none: it never came up.
    pub changed: Option<Instant>,
}
