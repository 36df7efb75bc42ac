//! What a PPP machine is told, and what it says.

use alloc::vec::Vec;
use core::net::Ipv4Addr;
use core::time::Duration;

use thiserror::Error;

use super::auth::AuthProtocol;
use super::frame::Protocol;
use crate::l2tp::digest::Secret;

/// A name and its secret.
#[derive(Clone, Debug)]
pub struct Credential {
    /// The name, at most 255 octets.
    pub name: Vec<u8>,
    /// The secret, at most 255 octets.
    pub secret: Secret,
}

/// The configuration of one end of a link.
#[derive(Clone, Debug)]
pub struct Config {
    /// The most octets of a packet to us; default 1,500 (RFC 1661 §6.1). It is said where it is another.
    pub mru: u16,
    /// How the peer must prove who it is; none: it need not.
    pub demand: Option<AuthProtocol>,
    /// Who the peer is, where it must prove it.
    pub peer: Option<Credential>,
    /// Who we are, where the peer wants it proved; none: we refuse to.
    pub ours: Option<Credential>,
    /// Whether PAP is good enough to prove who we are: the secret is sent as it is. Default: no.
    pub allow_pap: bool,
    /// Our IPv4 address; [`Ipv4Addr::UNSPECIFIED`]: the peer assigns one. None: no IPv4.
    pub local: Option<Ipv4Addr>,
    /// The peer's IPv4 address, which we assign; none: it says one.
    pub remote: Option<Ipv4Addr>,
    /// Our interface identifier in IPv6 (RFC 5072 §4.1), not 0; none: no IPv6.
    pub interface_id: Option<u64>,
    /// What magic numbers and challenges are made of: 32 octets that nobody can guess, other ones after each start.
    pub seed: [u8; 32],
    /// How long an answer may take; default 3 s (RFC 1661 §4.6).
    pub restart: Duration,
    /// How often Configure-Request is sent without an answer; default 10.
    pub max_configure: u8,
    /// How often Terminate-Request is sent; default 2.
    pub max_terminate: u8,
    /// After how many Configure-Naks what is not acceptable is rejected; default 5.
    pub max_failure: u8,
    /// How often the peer is asked whether it is there; default 10 s. Zero: never.
    pub echo: Duration,
    /// How many of these may stay without an answer; default 3.
    pub echo_tries: u8,
}

impl Config {
    /// The defaults, with these addresses.
    #[must_use]
    pub const fn new(local: Option<Ipv4Addr>, remote: Option<Ipv4Addr>, seed: [u8; 32]) -> Self {
        Self {
            mru: 1500,
            demand: None,
            peer: None,
            ours: None,
            allow_pap: false,
            local,
            remote,
            interface_id: None,
            seed,
            restart: Duration::from_secs(3),
            max_configure: 10,
            max_terminate: 2,
            max_failure: 5,
            echo: Duration::from_secs(10),
            echo_tries: 3,
        }
    }

    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let fits = |c: &Option<Credential>| c.as_ref().is_none_or(|c| c.name.len() <= 255 && c.secret.len() <= 255);
        if !fits(&self.peer) || !fits(&self.ours) {
            return Err(ConfigError::Credential);
        }
        if self.demand.is_some() && self.peer.is_none() {
            return Err(ConfigError::Demand);
        }
        if self.mru < 128 {
            return Err(ConfigError::Mru);
        }
        if self.interface_id == Some(0) {
            return Err(ConfigError::InterfaceId);
        }
        if self.restart.is_zero() || self.max_configure == 0 || self.echo_tries == 0 {
            return Err(ConfigError::Zero);
        }
        Ok(())
    }
}

/// Why a configuration is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// A name or secret that does not fit.
    #[error("peer, ours: name or secret longer than 255 octets")]
    Credential,
    /// Nobody is known that could prove to be it.
    #[error("demand: without a peer")]
    Demand,
    /// Too small for anything.
    #[error("mru: less than 128")]
    Mru,
    /// The identifier is 0.
    #[error("interface_id: must not be 0")]
    InterfaceId,
    /// A time or a number of tries is zero.
    #[error("restart, max_configure, echo_tries: must not be zero")]
    Zero,
}

/// What reaches the machine.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// The layer below, a session of L2TP, is up.
    Up,
    /// It is down.
    Down,
    /// A frame arrived.
    Frame(&'a [u8]),
    /// A packet is to be sent; it is dropped while its protocol is not up.
    Packet {
        /// What it is: [`Protocol::IPV4`] or [`Protocol::IPV6`].
        protocol: Protocol,
        /// The packet.
        octets: &'a [u8],
    },
}

/// What the machine wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Send this frame.
    Frame(Vec<u8>),
    /// A packet arrived.
    Packet {
        /// What it is.
        protocol: Protocol,
        /// The packet.
        octets: Vec<u8>,
    },
    /// Something happened.
    Event(Event),
}

/// Why a link is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Down {
    /// The layer below went.
    Lower,
    /// The peer ended it, or configures it anew.
    Peer,
    /// It was closed here.
    Closed,
    /// The peer does not answer.
    Timeout,
    /// The peer did not prove who it is.
    PeerUnknown,
    /// The peer does not take us for who we say.
    Refused,
    /// Several echo requests stayed without an answer.
    EchoLost,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// LCP is open, and both are who they say.
    Authenticated,
    /// IPv4 packets go.
    Ipv4Up {
        /// Our address.
        local: Ipv4Addr,
        /// The peer's.
        remote: Ipv4Addr,
    },
    /// IPv4 packets do not go.
    Ipv4Down,
    /// IPv6 packets go.
    Ipv6Up {
        /// Our interface identifier.
        local: u64,
        /// The peer's.
        remote: u64,
    },
    /// IPv6 packets do not go.
    Ipv6Down,
    /// The link is down.
    Down(Down),
}
