//! What the machine is told of itself, and what of a peer's configuration IKEv1 cannot do.

use core::time::Duration;

use super::super::config::{AuthConfig, ChildConfig, ConfigError, PeerConfig};
use super::super::crypto::CryptoProvider;
use super::{proposal, selector};

/// How phase 1 goes (RFC 2409 §5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Phase1 {
    /// Main Mode: six messages, identities hidden. The shared key is that of the peer's address.
    #[default]
    Main,
    /// Aggressive Mode too, and by us: three messages, identities in the clear, so that the shared key may be that of an identity. Whoever
    /// asks gets a hash that a weak key can be guessed from; it is refused unless a peer is configured so.
    Aggressive,
}

/// Configuration of a [`super::Ike`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Ports of IKE and of IKE behind NATs; (500, 4500).
    pub ports: (u16, u16),
    /// How long until a message is sent again for the first time; it doubles up to 30 s. Default 1 s.
    pub retransmit: Duration,
    /// How often a message is sent in all. Default 12.
    pub tries: u8,
    /// How long a half-open SA waits for its proof. Default 30 s.
    pub half_open_lifetime: Duration,
    /// How many half-open SAs there may be; another one takes the place of the oldest. Default 10,000.
    pub half_open_limit: usize,
    /// How many half-open SAs one source may have; another one takes the place of its oldest. Default 64.
    pub half_open_per_source: usize,
    /// How many ISAKMP SAs there may be. Default 100,000.
    pub ike_sa_limit: usize,
    /// How many IPsec SAs one peer may have. Default 20,000.
    pub children_per_peer: usize,
    /// How many Quick Modes may be on their way on one ISAKMP SA. Default 64.
    pub exchanges_per_sa: usize,
    /// After how long a silence the peer is asked whether it is there (RFC 3706); zero: never. Default 30 s.
    pub liveness: Duration,
    /// How often a NAT is kept open. Default 20 s (RFC 3948 §4).
    pub keepalive: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            ports: (500, 4500),
            retransmit: Duration::from_secs(1),
            tries: 12,
            half_open_lifetime: Duration::from_secs(30),
            half_open_limit: 10_000,
            half_open_per_source: 64,
            ike_sa_limit: 100_000,
            children_per_peer: 20_000,
            exchanges_per_sa: 64,
            liveness: Duration::from_secs(30),
            keepalive: Duration::from_secs(20),
        }
    }
}

impl Config {
    pub(super) fn check(&self) -> Result<(), ConfigError> {
        let zeros = [
            ("ports", self.ports.0 == 0 || self.ports.1 == 0),
            ("retransmit", self.retransmit.is_zero()),
            ("tries", self.tries == 0),
            ("half_open_lifetime", self.half_open_lifetime.is_zero()),
            ("half_open_limit", self.half_open_limit == 0),
            ("half_open_per_source", self.half_open_per_source == 0),
            ("ike_sa_limit", self.ike_sa_limit == 0),
            ("children_per_peer", self.children_per_peer == 0),
            ("exchanges_per_sa", self.exchanges_per_sa == 0),
            ("keepalive", self.keepalive.is_zero()),
        ];
        zeros.into_iter().find(|(_, zero)| *zero).map_or(Ok(()), |(name, _)| Err(ConfigError::Zero(name)))
    }
}

/// Whether IKEv1 can do what a peer is configured for.
pub(super) fn check_peer(config: &PeerConfig, provider: &impl CryptoProvider) -> Result<(), ConfigError> {
    config.check(provider)?;
    if !matches!(config.auth, AuthConfig::Psk(_)) {
        return Err(ConfigError::SharedKeyOnly);
    }
    if let Some(suite) = config.suites.iter().find(|s| proposal::ike_attributes(s).is_none()) {
        return Err(ConfigError::Suite(*suite));
    }
    config.children.iter().try_for_each(check_child)
}

/// Whether IKEv1 can do what a child is configured for: one selector at each end, algorithms with a number, no label.
pub(super) fn check_child(child: &ChildConfig) -> Result<(), ConfigError> {
    if let Some(suite) = child.suites.iter().find(|s| proposal::esp_attributes(s).is_none()) {
        return Err(ConfigError::EspSuite(*suite));
    }
    for selectors in [&child.local, &child.remote] {
        match &selectors[..] {
            [one] if selector::identification(one).is_some() => {}
            _ => return Err(ConfigError::Selectors(child.tag)),
        }
    }
    if child.label.is_some() {
        return Err(ConfigError::Label(child.tag));
    }
    Ok(())
}
