//! What the machine is told of itself.

use core::time::Duration;

use super::super::config::ConfigError;
use super::super::crypto::CryptoProvider;
use super::ticket::TicketConfig;

/// Configuration of a [`super::Ike`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Ports of IKE and of IKE behind NATs; (500, 4500).
    pub ports: (u16, u16),
    /// How long until a request is sent again for the first time; it doubles up to 30 s. Default 1 s.
    pub retransmit: Duration,
    /// How often a request is sent in all (RFC 7296 §2.4: at least a dozen). Default 12.
    pub tries: u8,
    /// How long a half-open SA waits for IKE_AUTH. Default 30 s.
    pub half_open_lifetime: Duration,
    /// From how many half-open SAs on a cookie is asked for (RFC 7296 §2.6). Default 1,000.
    pub cookie_threshold: usize,
    /// How many half-open SAs there may be. Default 10,000.
    pub half_open_limit: usize,
    /// How many half-open SAs one source may have. Default 64.
    pub half_open_per_source: usize,
    /// How many IKE SAs there may be. Default 100,000.
    pub ike_sa_limit: usize,
    /// How many Child SAs one IKE SA may have. Default 20,000.
    pub children_per_sa: usize,
    /// After how long a silence the peer is asked whether it is there; zero: never. Default 30 s.
    pub liveness: Duration,
    /// How often a NAT is kept open. Default 20 s (RFC 3948 §4).
    pub keepalive: Duration,
    /// Octets of an IKE message above which it is sent in fragments to peers that know them (RFC 7383). Default 1,228.
    pub fragment_len: usize,
    /// The tickets that peers may ask for (RFC 5723). Default: none.
    pub tickets: Option<TicketConfig>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            ports: (500, 4500),
            retransmit: Duration::from_secs(1),
            tries: 12,
            half_open_lifetime: Duration::from_secs(30),
            cookie_threshold: 1000,
            half_open_limit: 10_000,
            half_open_per_source: 64,
            ike_sa_limit: 100_000,
            children_per_sa: 20_000,
            liveness: Duration::from_secs(30),
            keepalive: Duration::from_secs(20),
            fragment_len: 1228,
            tickets: None,
        }
    }
}

impl Config {
    pub(super) fn check(&self, provider: &impl CryptoProvider) -> Result<(), ConfigError> {
        let zeros = [
            ("ports", self.ports.0 == 0 || self.ports.1 == 0),
            ("retransmit", self.retransmit.is_zero()),
            ("tries", self.tries == 0),
            ("half_open_lifetime", self.half_open_lifetime.is_zero()),
            ("half_open_limit", self.half_open_limit == 0),
            ("half_open_per_source", self.half_open_per_source == 0),
            ("ike_sa_limit", self.ike_sa_limit == 0),
            ("children_per_sa", self.children_per_sa == 0),
            ("keepalive", self.keepalive.is_zero()),
        ];
        if let Some((name, _)) = zeros.into_iter().find(|(_, zero)| *zero) {
            return Err(ConfigError::Zero(name));
        }
        if !(528..=65_535).contains(&self.fragment_len) {
            return Err(ConfigError::FragmentLen(self.fragment_len));
        }
        self.tickets.as_ref().map_or(Ok(()), |tickets| tickets.check(provider))
    }
}
