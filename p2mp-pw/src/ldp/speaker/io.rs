//! Configuration of a speaker, and what goes in and comes out.

use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use fwd_core::net::{Authentication, IfIndex, IpPrefix, NhlfeId};
use fwd_core::op::FwdOp;

use super::super::capability::Capability;
use super::super::discovery::{self, DiscoveryConfig, HelloTarget};
use super::super::lde::{self, LdeConfig, Route};
use super::super::message::Message;
use super::super::session::{self, AdvertisementDiscipline, GracefulRestart, Negotiated};
use super::super::tlv::TlvType;
use super::super::{LdpId, Pdu};

/// An LDP speaker.
#[derive(Clone, Debug)]
pub struct SpeakerConfig {
    /// Discovery; its identifier is the speaker's.
    pub discovery: DiscoveryConfig,
    /// Label distribution.
    pub lde: LdeConfig,
    /// Proposed KeepAlive time of all sessions. Default 180 s.
    pub keepalive: Duration,
    /// Proposed maximum PDU length. Default 4096.
    pub max_pdu_length: u16,
    /// The discipline that we propose. Default Downstream Unsolicited.
    pub discipline: AdvertisementDiscipline,
    /// Capabilities to advertise: those of the applications too. Default typed wildcards and unrecognized notifications.
    pub capabilities: Vec<(TlvType, Capability)>,
    /// Graceful restart. Default none.
    pub graceful_restart: Option<GracefulRestart>,
    /// Sessions, at most. Default 2,000.
    pub max_sessions: usize,
    /// How long a dual-stack peer may take for its preferred family before the other is used (RFC 7552 §6.1.1). Default 15 s.
    pub family_wait: Duration,
}

impl SpeakerConfig {
    /// Defaults.
    #[must_use]
    pub fn new(discovery: DiscoveryConfig, lde: LdeConfig) -> Self {
        let known = [TlvType::TYPED_WILDCARD_CAPABILITY, TlvType::UNRECOGNIZED_NOTIFICATION];
        Self {
            discovery,
            lde,
            keepalive: Duration::from_secs(180),
            max_pdu_length: Pdu::DEFAULT_MAX_LEN,
            discipline: AdvertisementDiscipline::DownstreamUnsolicited,
            capabilities: known.map(|code| (code, Capability::advertised())).into(),
            graceful_restart: None,
            max_sessions: 2000,
            family_wait: Duration::from_secs(15),
        }
    }
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Input<'a> {
    /// A datagram to UDP port 646.
    Datagram {
        /// Its source.
        from: IpAddr,
        /// The interface it came by.
        iface: IfIndex,
        /// It was sent to all routers of the link.
        to_all_routers: bool,
        /// Its TTL or hop limit.
        ttl: u8,
        /// The octets.
        octets: &'a [u8],
    },
    /// The TCP connection with a peer is up: the one that [`Output::Connect`] asked for, or one that the peer opened and
    /// [`LdpSpeaker::admits`](super::LdpSpeaker::admits) named the peer for.
    Connected {
        /// The peer.
        peer: LdpId,
    },
    /// The peer sent octets.
    Stream {
        /// The peer.
        peer: LdpId,
        /// The octets.
        octets: &'a [u8],
    },
    /// The connection is gone, or the attempt to open it failed.
    Closed {
        /// The peer.
        peer: LdpId,
    },
    /// Whether a peer's connection takes octets. While it does not, labels wait as what they are, not as octets.
    Writable {
        /// The peer.
        peer: LdpId,
        /// It does.
        writable: bool,
    },
    /// A message of another application's.
    Send {
        /// The peer.
        peer: LdpId,
        /// The message.
        message: Message,
    },
    /// An address of ours.
    LocalAddress {
        /// The address.
        address: IpAddr,
        /// It is there; else it is gone.
        up: bool,
    },
    /// The route to a prefix; `None`: there is none.
    Route {
        /// The prefix.
        prefix: IpPrefix,
        /// Where it leads.
        route: Option<Route<'a>>,
    },
    /// The forwarding plane refused an operation of the speaker's.
    Refused(FwdOp),
}

/// What is to be done outside, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send a Hello from and to UDP port 646.
    Datagram {
        /// Where to.
        to: HelloTarget,
        /// The source address.
        from: IpAddr,
        /// The TTL or hop limit.
        ttl: u8,
        /// The octets.
        octets: Vec<u8>,
    },
    /// Open a TCP connection to port 646; answer with `Connected` or `Closed`.
    Connect {
        /// The peer.
        peer: LdpId,
        /// Our address.
        local: IpAddr,
        /// The peer's.
        remote: IpAddr,
        /// With TTL 255, and taking no less (RFC 6720).
        gtsm: bool,
        /// Authenticated so: a connection that cannot be had so is `Closed` (RFC 5036 §2.9, RFC 5925).
        authentication: Option<Authentication>,
    },
    /// Send octets.
    Stream {
        /// The peer.
        peer: LdpId,
        /// One PDU.
        octets: Vec<u8>,
    },
    /// Close the connection after sending what was output before.
    Close {
        /// The peer.
        peer: LdpId,
    },
    /// Change the forwarding plane.
    Program(FwdOp),
    /// Packets to a prefix can take this entry; see [`lde::Output::Lsp`].
    Lsp {
        /// The prefix.
        prefix: IpPrefix,
        /// The entry.
        nhlfe: Option<NhlfeId>,
    },
    /// A session is operational: for the other applications.
    PeerUp {
        /// The peer.
        peer: LdpId,
        /// What was agreed on.
        negotiated: Negotiated,
    },
    /// A session is over: for the other applications.
    PeerDown {
        /// The peer.
        peer: LdpId,
        /// Keep the peer's labels so long.
        retain: Option<Duration>,
    },
    /// A message for the other applications: [`Application::takes`](super::super::neighbour::Application::takes) says which.
    Message {
        /// The peer.
        peer: LdpId,
        /// The message.
        message: Message,
    },
    /// Something to log or count.
    Event(Event),
}

/// Something to log or count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Of discovery.
    Discovery(discovery::Event),
    /// Of a session.
    Session {
        /// The peer.
        peer: LdpId,
        /// What.
        event: session::Event,
    },
    /// A session, or an attempt at one, ended.
    Down {
        /// The peer.
        peer: LdpId,
        /// How.
        down: session::Down,
    },
    /// Of label distribution.
    Lde(lde::Event),
    /// There are as many sessions as allowed: an adjacency makes none.
    TooManySessions {
        /// The peer.
        peer: LdpId,
    },
}
