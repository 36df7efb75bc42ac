//! What an operator says of the bootstrap mechanism.

use alloc::vec::Vec;
use core::time::Duration;

use fwd_core::net::IfIndex;

use crate::pim::rp_set::{RpAddress, RpMode};

/// A configuration that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BsrConfigError {
    /// RFC 5059 §5: the timeout must be longer than the period, and that longer than the minimum.
    #[error("period: not between min_interval and timeout")]
    Period,
    /// RFC 5059 §5: longer than the timeout.
    #[error("zone_timeout: not longer than timeout")]
    ZoneTimeout,
    /// Zero, or 2.5 times of it exceed 65,535 s.
    #[error("advertisement_period: zero or too long")]
    AdvertisementPeriod,
    /// Not a unicast address.
    #[error("address: not a unicast address")]
    Address,
    /// More bits than an address has.
    #[error("hash_mask_len: longer than an address")]
    HashMaskLen,
    /// Not of groups.
    #[error("range: not a range of group addresses")]
    Range,
    /// An MTU in which no range fits.
    #[error("mtu: below 576")]
    Mtu,
    /// An interface that is there already.
    #[error("interface: configured already")]
    InterfaceExists,
}

/// Timer values (RFC 5059 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BsrTimers {
    /// BS_Period: default 60 s.
    pub period: Duration,
    /// BS_Timeout: default 130 s.
    pub timeout: Duration,
    /// BS_Min_Interval: default 10 s.
    pub min_interval: Duration,
    /// SZ_Timeout: default 1,300 s.
    pub zone_timeout: Duration,
    /// C_RP_Adv_Period: default 60 s. The holdtime is 2.5 times as long.
    pub advertisement_period: Duration,
    /// The most C_RP_Adv_Backoff may be: default 3 s.
    pub advertisement_backoff: Duration,
}

impl Default for BsrTimers {
    fn default() -> Self {
        let secs = Duration::from_secs;
        Self {
            period: secs(60),
            timeout: secs(130),
            min_interval: secs(10),
            zone_timeout: secs(1300),
            advertisement_period: secs(60),
            advertisement_backoff: secs(3),
        }
    }
}

/// How much state peers may make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BsrLimits {
    /// Scope zones, learnt ones among them. Default 16.
    pub zones: usize,
    /// Group ranges of a zone. Default 1,024.
    pub ranges: usize,
    /// RPs of a range. Default 64.
    pub rps: usize,
    /// Messages in a second. Default 100.
    pub messages_per_second: u32,
}

impl Default for BsrLimits {
    fn default() -> Self {
        Self { zones: 16, ranges: 1024, rps: 64, messages_per_second: 100 }
    }
}

/// The bootstrap mechanism of a VRF and family.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BsrConfig {
    /// Seed of random delays.
    pub seed: u64,
    /// Timer values.
    pub timers: BsrTimers,
    /// Limits.
    pub limits: BsrLimits,
    /// Whether unicast Bootstrap messages are taken (RFC 5059 §3.5.2). Default false.
    pub unicast: bool,
}

impl BsrConfig {
    pub(super) fn check(&self) -> Result<(), BsrConfigError> {
        let t = &self.timers;
        if t.period < t.min_interval || t.period >= t.timeout {
            return Err(BsrConfigError::Period);
        }
        if t.zone_timeout <= t.timeout {
            return Err(BsrConfigError::ZoneTimeout);
        }
        if t.advertisement_period < Duration::from_secs(1) || t.advertisement_period > Duration::from_secs(26_214) {
            return Err(BsrConfigError::AdvertisementPeriod);
        }
        Ok(())
    }
}

/// An interface with PIM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BsrInterfaceConfig<A: RpAddress> {
    /// The interface.
    pub interface: IfIndex,
    /// The source of messages.
    pub address: A,
    /// The longest IP packet: at least 576 octets.
    pub mtu: u16,
    /// Administrative scope zones whose border the interface is (RFC 5059 §3.4).
    pub borders: Vec<A::Prefix>,
}

/// This router as candidate BSR of a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CandidateBsr<A> {
    /// Its address.
    pub address: A,
    /// Its priority: more is better. RFC 5059 §4.1 suggests 64.
    pub priority: u8,
    /// Bits of a group that the hash takes: 30 for IPv4 and 126 for IPv6 by default.
    pub hash_mask_len: u8,
}

/// This router as candidate RP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CandidateRpConfig<A: RpAddress> {
    /// Its address.
    pub address: A,
    /// Its priority: less is better; RFC 5059 §3.2 demands 192 by default.
    pub priority: u8,
    /// Group ranges, and what they are routed by.
    pub ranges: Vec<(A::Prefix, RpMode)>,
}
