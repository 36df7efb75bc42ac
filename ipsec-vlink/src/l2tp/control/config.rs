//! What an endpoint is told, and what it says.

use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use fwd_core::wire::l2tpv3::Cookie;
use thiserror::Error;

use super::channel::Delivery;
use super::multicast::MulticastId;
use crate::l2tp::digest::{DigestType, Secret};
use crate::l2tp::{CircuitStatus, PseudowireType};

/// A version of L2TP.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// RFC 2661: PPP over UDP.
    V2,
    /// RFC 3931: any pseudowire, over UDP or IP.
    V3,
}

/// Where a packet comes from or goes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address {
    /// The address.
    pub ip: IpAddr,
    /// The UDP port; none over IP protocol 115 (RFC 3931 §4.1.1).
    pub port: Option<u16>,
}

impl Address {
    /// The UDP port of L2TP.
    pub const PORT: u16 = 1701;
}

/// A peer, as this endpoint numbers them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerId(pub u32);

/// A session, as this endpoint numbers them; not the number on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionId(pub u32);

/// The configuration of an endpoint.
#[derive(Clone, Debug)]
pub struct Config {
    /// The name that peers are told.
    pub host_name: Vec<u8>,
    /// The vendor's name that peers are told; empty: none.
    pub vendor_name: Vec<u8>,
    /// The Router ID of version 3 (RFC 3931 §5.4.3).
    pub router_id: u32,
    /// What random values are made of: 32 octets that nobody can guess, other ones after each start.
    pub seed: [u8; 32],
    /// A peer that is silent for so long gets a Hello; default 60 s (RFC 3931 §4.4).
    pub hello: Duration,
    /// How long after a failure it is tried again; default 10 s.
    pub retry: Duration,
    /// How much peers can cost.
    pub limits: Limits,
}

impl Config {
    /// The defaults.
    #[must_use]
    pub fn new(host_name: &[u8], router_id: u32, seed: [u8; 32]) -> Self {
        Self {
            host_name: host_name.to_vec(),
            vendor_name: Vec::new(),
            router_id,
            seed,
            hello: Duration::from_secs(60),
            retry: Duration::from_secs(10),
            limits: Limits::default(),
        }
    }
}

/// How much peers can cost. What is beyond is dropped and counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Control connections that are not established yet; default 1,000.
    pub half_open: usize,
    /// SCCRQ per second, and as many at once; default 50.
    pub sccrq_per_second: u32,
    /// Messages that wait to be sent to one peer; default 100,000.
    pub queued: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { half_open: 1000, sccrq_per_second: 50, queued: 100_000 }
    }
}

/// A peer.
#[derive(Clone, Debug)]
pub struct PeerConfig {
    /// Its address, and the port that we send to when we open the connection.
    pub remote: Address,
    /// The version spoken with it.
    pub version: Version,
    /// Whether we open the control connection as soon as there is a session that wants it.
    pub initiate: bool,
    /// The secret shared with it: then both sides must prove that they know it.
    pub secret: Option<Secret>,
    /// Another secret that is taken as well, while secrets are being changed (RFC 3931 §5.4.1).
    pub other_secret: Option<Secret>,
    /// The hash of message digests that we send.
    pub digest: DigestType,
    /// Whether values that name customers are hidden. Needs a secret.
    pub hide: bool,
    /// What sessions may carry; told in version 3 (RFC 3931 §5.4.3).
    pub pseudowires: Vec<PseudowireType>,
    /// Whether multicast sessions are offered (RFC 4045 §3). Version 2 only.
    pub multicast: bool,
    /// How messages are delivered.
    pub delivery: Delivery,
}

impl PeerConfig {
    /// A peer of version 3.
    #[must_use]
    pub fn v3(remote: Address) -> Self {
        Self {
            remote,
            version: Version::V3,
            initiate: true,
            secret: None,
            other_secret: None,
            digest: DigestType::default(),
            hide: false,
            pseudowires: alloc::vec![PseudowireType::IP, PseudowireType::ETHERNET, PseudowireType::ETHERNET_VLAN],
            multicast: false,
            delivery: Delivery::VERSION_3,
        }
    }

    /// A peer of version 2.
    #[must_use]
    pub fn v2(ip: IpAddr) -> Self {
        Self {
            version: Version::V2,
            pseudowires: alloc::vec![PseudowireType::PPP],
            delivery: Delivery::VERSION_2,
            ..Self::v3(Address { ip, port: Some(Address::PORT) })
        }
    }
}

/// Who asks for a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SessionStart {
    /// We, with ICRQ.
    Incoming,
    /// We, with OCRQ.
    Outgoing,
    /// The peer.
    Await,
}

/// A session that is wanted, or taken if it is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SessionConfig {
    /// With whom.
    pub peer: PeerId,
    /// Who asks.
    pub start: SessionStart,
    /// The group that both ends belong to: the Attachment Group Identifier of version 3 (RFC 4667 §4.3), the Private Group ID of
    /// version 2 (RFC 2661 §4.4.4). Here: of a VPN. Empty: none is said.
    pub group: Vec<u8>,
    /// The end here: what the peer's Remote End ID must say; in version 2 its Called Number.
    pub local_end: Vec<u8>,
    /// The end there: what our Remote End ID says; in version 2 our Called Number.
    pub remote_end: Vec<u8>,
    /// What it carries.
    pub pseudowire: PseudowireType,
    /// Octets of the cookie that packets to us must have: 0, 4 or 8. Default 8.
    pub cookie_len: usize,
    /// Whether packets to us have the default sublayer.
    pub sublayer: bool,
    /// Whether packets to us are numbered. Needs the sublayer in version 3.
    pub sequencing: bool,
    /// The MTU of the interface; said to the peer, whose must be the same (RFC 4667 §4.3).
    pub mtu: Option<u16>,
}

impl SessionConfig {
    /// A session with the defaults.
    #[must_use]
    pub fn new(peer: PeerId, start: SessionStart, local_end: &[u8], remote_end: &[u8]) -> Self {
        Self {
            peer,
            start,
            group: Vec::new(),
            local_end: local_end.to_vec(),
            remote_end: remote_end.to_vec(),
            pseudowire: PseudowireType::IP,
            cookie_len: 8,
            sublayer: false,
            sequencing: false,
            mtu: None,
        }
    }
}

/// Why a configuration is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// No such peer.
    #[error("peer: there is no such peer")]
    Peer,
    /// There is a peer with that address and version.
    #[error("remote: there is a peer with that address and version")]
    Remote,
    /// Version 2 goes over UDP only.
    #[error("remote: version 2 goes over UDP only")]
    Carrier,
    /// Values can be hidden only with a secret.
    #[error("hide: needs a secret")]
    Hide,
    /// A name, group or end that does not fit an AVP.
    #[error("{0}: longer than an AVP takes, or empty")]
    Length(&'static str),
    /// Another session of the peer has the same group and end.
    #[error("local_end: another session of the peer has it")]
    End,
    /// The cookie has 0, 4 or 8 octets.
    #[error("cookie_len: must be 0, 4 or 8")]
    Cookie,
    /// Numbers need the sublayer that holds them (RFC 3931 §5.4.4).
    #[error("sequencing: needs the sublayer")]
    Sequencing,
    /// The peer is not offered this pseudowire.
    #[error("pseudowire: not among the peer's")]
    Pseudowire,
    /// Version 2 has only 65,535 sessions, and so on.
    #[error("sessions: no number is left")]
    Sessions,
    /// A window, a number of tries or an interval of zero.
    #[error("delivery: window, tries and intervals must not be zero")]
    Delivery,
    /// Multicast sessions are of version 2, with a peer that offers them.
    #[error("multicast: not between these")]
    Multicast,
}

/// What reaches an endpoint.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// The payload of a UDP datagram, or of an IP packet of protocol 115.
    Datagram {
        /// Who sent it.
        from: Address,
        /// The payload.
        octets: &'a [u8],
    },
}

/// What an endpoint wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send this.
    Datagram {
        /// To whom.
        to: Address,
        /// The payload of UDP or IP.
        octets: Vec<u8>,
    },
    /// A PPP frame of a session of version 2.
    Payload {
        /// The session.
        session: SessionId,
        /// The frame.
        octets: Vec<u8>,
    },
    /// Something happened.
    Event(Event),
}

/// A session that is up: what the forwarding plane is to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SessionUp {
    /// Between whom.
    pub remote: Address,
    /// The number that packets to us have.
    pub local_id: u32,
    /// The number that packets from us have.
    pub remote_id: u32,
    /// The cookie of packets to us.
    pub local_cookie: Cookie,
    /// The cookie of packets from us.
    pub remote_cookie: Cookie,
    /// Whether packets to us have the sublayer.
    pub local_sublayer: bool,
    /// Whether packets from us must have it.
    pub remote_sublayer: bool,
    /// Whether packets from us must be numbered.
    pub remote_sequencing: bool,
    /// What it carries.
    pub pseudowire: PseudowireType,
}

/// Why a connection or session is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It was closed here.
    Closed,
    /// The peer said so: StopCCN or CDN with this result and error.
    Peer {
        /// The result.
        result: u16,
        /// The error; 0 if none was said.
        error: u16,
    },
    /// We said so, with this result and error.
    Refused {
        /// The result.
        result: u16,
        /// The error.
        error: u16,
    },
    /// The peer does not answer.
    Timeout,
    /// The control connection went.
    ControlConnection,
    /// A new control connection of the peer's took its place.
    Replaced,
    /// The peer has lost it (RFC 4951 §3.3).
    Stale,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The control connection is established.
    PeerUp {
        /// With whom.
        peer: PeerId,
    },
    /// The control connection is gone.
    PeerDown {
        /// With whom.
        peer: PeerId,
        /// Why.
        cause: Cause,
    },
    /// A session is up.
    SessionUp {
        /// Which.
        session: SessionId,
        /// What was agreed.
        up: SessionUp,
    },
    /// A session is down, or did not come up.
    SessionDown {
        /// Which.
        session: SessionId,
        /// Why.
        cause: Cause,
    },
    /// An outgoing call is to be placed: answer with [`super::Endpoint::call_placed`].
    PlaceCall {
        /// For which session.
        session: SessionId,
    },
    /// The peer's circuit changed.
    Circuit {
        /// Of which session.
        session: SessionId,
        /// What it is.
        status: CircuitStatus,
    },
    /// The peer refused to be who it says, or did not prove it.
    AuthenticationFailed {
        /// Who.
        from: Address,
    },
    /// The peer is ready to copy multicast to these sessions (RFC 4045 §6.2.2).
    MulticastReady {
        /// By which multicast session.
        multicast: MulticastId,
        /// To which.
        sessions: Vec<SessionId>,
    },
    /// A multicast session, by its number here, is to be copied to these sessions (RFC 4045 §6.2.1).
    MulticastOutgoing {
        /// Which.
        multicast: MulticastId,
        /// The number that its packets have.
        local_id: u16,
        /// All sessions that get copies.
        sessions: Vec<SessionId>,
    },
    /// A multicast session is gone.
    MulticastDown {
        /// Which.
        multicast: MulticastId,
    },
    /// Something of a peer's was dropped; said at most once a second, always counted ([`Counters`]).
    Dropped {
        /// Of whom.
        from: Address,
        /// Why.
        why: &'static str,
    },
}

/// What was counted since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Messages sent, acknowledgements among them.
    pub sent: u64,
    /// Messages sent again.
    pub retransmitted: u64,
    /// Messages received and processed.
    pub received: u64,
    /// Messages without a header that can be read, of no connection, or with an acknowledgement of what was not sent.
    pub invalid: u64,
    /// Messages whose digest, response or hidden values are not those of the secret.
    pub unauthenticated: u64,
    /// SCCRQ beyond the limits.
    pub limited: u64,
    /// SCCRQ of nobody we know.
    pub unknown_peer: u64,
    /// Sessions that were refused.
    pub refused: u64,
}
