//! What an operator says of MSDP.

use alloc::vec::Vec;
use core::net::Ipv4Addr;
use core::time::Duration;

use crate::address::Address;
use crate::gmp::FilterLine;

/// A configuration that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MsdpConfigError {
    /// Not a unicast address.
    #[error("address: not a unicast address")]
    Address,
    /// The peer's address is ours.
    #[error("local: the same as the peer's address")]
    SameAddress,
    /// The peer is there already.
    #[error("address: a peer already")]
    PeerExists,
    /// RFC 3618 §5.4, §5.5: at least 1 s, and less than the hold time, which is at least 3 s.
    #[error("keepalive: below 1 s, or not less than hold")]
    KeepAlive,
    /// At least 3 s.
    #[error("hold: below 3 s")]
    Hold,
    /// RFC 3618 §5.3: SA-Advertisement-Period and SA-Hold-Down-Period (30 s) at least.
    #[error("sa_state: below 90 s")]
    SaState,
}

/// Timer values (RFC 3618 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MsdpTimers {
    /// KeepAlive-Period: default 60 s.
    pub keepalive: Duration,
    /// HoldTime-Period: default 75 s.
    pub hold: Duration,
    /// ConnectRetry-Period: default 30 s.
    pub connect_retry: Duration,
    /// SG-State-Period: default 150 s.
    pub sa_state: Duration,
}

impl MsdpTimers {
    /// SA-Advertisement-Period, which is no one's choice (RFC 3618 §5.1).
    pub const SA_ADVERTISEMENT: Duration = Duration::from_secs(60);
}

impl Default for MsdpTimers {
    fn default() -> Self {
        let secs = Duration::from_secs;
        Self { keepalive: secs(60), hold: secs(75), connect_retry: secs(30), sa_state: secs(150) }
    }
}

/// How much peers may fill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MsdpLimits {
    /// Entries of the SA cache. Default 100,000.
    pub cache: usize,
    /// Entries that one peer may bring. Default 20,000.
    pub per_peer: usize,
    /// RPs whose RPF peer is known or asked for. Those without an entry in the cache make room for others. Default 4,096.
    pub rps: usize,
}

impl Default for MsdpLimits {
    fn default() -> Self {
        Self { cache: 100_000, per_peer: 20_000, rps: 4096 }
    }
}

/// An MSDP speaker of a VRF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MsdpConfig {
    /// The RP address in what this router originates. Anycast-RPs each need one of their own (RFC 3446 §3).
    pub originator: Ipv4Addr,
    /// Timer values.
    pub timers: MsdpTimers,
    /// Limits.
    pub limits: MsdpLimits,
}

impl MsdpConfig {
    /// The defaults of the RFC.
    #[must_use]
    pub fn new(originator: Ipv4Addr) -> Self {
        Self { originator, timers: MsdpTimers::default(), limits: MsdpLimits::default() }
    }

    pub(super) fn check(&self) -> Result<(), MsdpConfigError> {
        let secs = Duration::from_secs;
        if !self.originator.is_host() {
            return Err(MsdpConfigError::Address);
        }
        if self.timers.hold < secs(3) {
            return Err(MsdpConfigError::Hold);
        }
        if self.timers.keepalive < secs(1) || self.timers.keepalive >= self.timers.hold {
            return Err(MsdpConfigError::KeepAlive);
        }
        if self.timers.sa_state < secs(90) {
            return Err(MsdpConfigError::SaState);
        }
        Ok(())
    }
}

/// A peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MsdpPeerConfig {
    /// Its address.
    pub address: Ipv4Addr,
    /// Ours towards it.
    pub local: Ipv4Addr,
    /// The mesh group that it is in (RFC 3618 §10.2).
    pub mesh_group: Option<u32>,
    /// Whether it is the RPF peer of every RP that no other rule gives one: rule (v), the default peer.
    pub static_rpf: bool,
    /// Which sources are taken from it.
    pub import: Vec<FilterLine<Ipv4Addr>>,
    /// Which sources it is told.
    pub export: Vec<FilterLine<Ipv4Addr>>,
}

impl MsdpPeerConfig {
    /// A peer in no mesh group, without filters.
    #[must_use]
    pub const fn new(address: Ipv4Addr, local: Ipv4Addr) -> Self {
        Self { address, local, mesh_group: None, static_rpf: false, import: Vec::new(), export: Vec::new() }
    }

    pub(super) fn check(&self) -> Result<(), MsdpConfigError> {
        if !self.address.is_host() || !self.local.is_host() {
            return Err(MsdpConfigError::Address);
        }
        if self.address == self.local {
            return Err(MsdpConfigError::SameAddress);
        }
        Ok(())
    }
}
