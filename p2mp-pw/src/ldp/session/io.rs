//! What goes into a session and what comes out.

use alloc::vec::Vec;
use core::time::Duration;

use super::super::capability::{Capability, FaultTolerance};
use super::super::message::Message;
use super::super::status::{Status, StatusCode};
use super::super::tlv::TlvType;
use super::config::AdvertisementDiscipline;

/// What happened to a session.
#[derive(Clone, Debug)]
pub enum Input<'a> {
    /// There is a Hello adjacency with the peer: the session may be opened.
    Start,
    /// The last adjacency is gone ([`StatusCode::HOLD_TIMER_EXPIRED`]), or the operator stops the session
    /// ([`StatusCode::SHUTDOWN`]).
    Stop(StatusCode),
    /// The TCP connection is up: ours if we are active, the peer's if not; ask
    /// [`Session::admits_connection`](super::Session::admits_connection) before taking that.
    Connected,
    /// The peer sent octets: half a PDU or twenty.
    Stream {
        /// The octets.
        octets: &'a [u8],
    },
    /// The connection is gone, or the attempt to open it failed.
    Closed,
    /// A message to send. Ignored unless the session is operational. Identifier 0: the session numbers it; others are the
    /// sender's, from [`OWN_MESSAGE_ID`](super::super::neighbour::OWN_MESSAGE_ID) on.
    Send(Message),
    /// The peer's Hellos have another configuration sequence number: no delay is left from refusals (RFC 5036 §3.5.2.1).
    PeerReconfigured,
}

/// What is to be done outside, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Open a TCP connection from our transport address to port 646 of the peer's; answer with `Connected` or `Closed`.
    Connect,
    /// Close the connection after sending what was output before.
    Close,
    /// Send one PDU.
    Send {
        /// The PDU.
        octets: Vec<u8>,
    },
    /// The session is operational.
    Up(Negotiated),
    /// A message of the operational session, for label distribution.
    Message(Message),
    /// The session, or an attempt at one that had a connection, is over.
    Down(Down),
    /// Something to log or count.
    Event(Event),
}

/// What both sides agreed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Negotiated {
    /// The smaller of both proposals.
    pub keepalive: Duration,
    /// The smaller of both proposals, in octets.
    pub max_pdu_length: u16,
    /// Unsolicited unless both proposed On Demand.
    pub discipline: AdvertisementDiscipline,
    /// The peer detects loops by path vectors of at most so many LSRs.
    pub path_vector_limit: Option<u8>,
    /// The peer's capabilities, by type.
    pub capabilities: Vec<(TlvType, Capability)>,
    /// The peer's graceful restart.
    pub graceful_restart: Option<FaultTolerance>,
}

impl Negotiated {
    /// Whether the peer advertises a capability.
    #[must_use]
    pub fn has(&self, capability: TlvType) -> bool {
        self.capabilities.iter().any(|(code, value)| *code == capability && value.advertised)
    }
}

/// How a session or an attempt at one ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Down {
    /// It was operational.
    pub operational: bool,
    /// What we said, if anything.
    pub sent: Option<StatusCode>,
    /// What the peer said, if anything.
    pub received: Option<StatusCode>,
    /// The peer's labels are to be kept for so long (RFC 3478 §3.3); otherwise they go.
    pub retain: Option<Duration>,
}

/// Something to log or count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// An Initialization was refused, by us or by the peer: the next attempt waits so long.
    BackingOff(Duration),
    /// A message of the peer's was refused and the session goes on.
    Refused(Status),
    /// The peer refused something and the session goes on.
    Advisory(Status),
}

/// What a session counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SessionCounters {
    /// PDUs received.
    pub pdus_received: u64,
    /// PDUs sent.
    pub pdus_sent: u64,
    /// Messages received, refused ones too.
    pub messages_received: u64,
    /// Messages sent.
    pub messages_sent: u64,
    /// Messages refused.
    pub refused: u64,
    /// How often the session became operational.
    pub established: u64,
    /// Attempts that ended before that.
    pub attempts_failed: u64,
}
