//! An interface: querier election and general queries (RFC 3376 §6.6.2, RFC 3810 §7.6.2).

use alloc::collections::BTreeMap;
use core::time::Duration;

use fwd_core::net::IfIndex;
use fwd_core::time::Instant;

use super::event::{Counters, EventKind};
use super::{GmpRouter, Timer};
use crate::gmp::{InterfaceConfig, Intervals, Protocol, Query, ResponseCode, Version};

/// A bucket of tokens, one for each message or record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    tokens: u32,
    filled: Instant,
}

impl Bucket {
    const fn new(now: Instant, rate: u32) -> Self {
        Self { tokens: rate, filled: now }
    }

    /// Takes `n` tokens, if so many are there.
    pub(super) fn take(&mut self, now: Instant, rate: u32, n: u32) -> bool {
        let micros = u64::try_from((now - self.filled).as_micros()).unwrap_or(u64::MAX);
        let earned = micros.saturating_mul(u64::from(rate)).checked_div(1_000_000).unwrap_or(0);
        if earned > 0 {
            self.tokens = self.tokens.saturating_add(u32::try_from(earned).unwrap_or(u32::MAX)).min(rate);
            self.filled = now;
        }
        match self.tokens.checked_sub(n) {
            Some(rest) => {
                self.tokens = rest;
                true
            }
            None => false,
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Interface<A: Protocol> {
    pub(super) config: InterfaceConfig<A>,
    /// The querier, if it is another router.
    pub(super) other_querier: Option<A>,
    /// What the querier said: RFC 3376 §8.1, §8.2.
    pub(super) adopted: Intervals,
    /// Startup queries still to be sent.
    pub(super) startup: u8,
    /// Groups with members.
    pub(super) groups: usize,
    /// Groups of each tracked host.
    pub(super) host_groups: BTreeMap<A, usize>,
    pub(super) bucket: Bucket,
    pub(super) counters: Counters,
}

impl<A: Protocol> Interface<A> {
    pub(super) fn new(now: Instant, config: InterfaceConfig<A>) -> Self {
        Self {
            adopted: config.intervals,
            startup: 0,
            other_querier: None,
            groups: 0,
            host_groups: BTreeMap::new(),
            bucket: Bucket::new(now, config.limits.records_per_second),
            counters: Counters::default(),
            config,
        }
    }

    /// The intervals in use: the querier's where it says them.
    pub(super) const fn intervals(&self) -> &Intervals {
        if self.other_querier.is_some() { &self.adopted } else { &self.config.intervals }
    }
}

impl<A: Protocol> GmpRouter<A> {
    /// Becomes querier: the startup queries begin.
    pub(super) fn start_querying(&mut self, iface: IfIndex) {
        let Some(interface) = self.interfaces.get_mut(&iface) else { return };
        interface.other_querier = None;
        interface.startup = interface.config.intervals.startup_count();
        self.timers.clear(Timer::OtherQuerier(iface));
        self.general_query(iface);
    }

    /// A general query is due; the timer of the next one is set.
    pub(super) fn general_query(&mut self, iface: IfIndex) {
        let Some(interface) = self.interfaces.get_mut(&iface) else { return };
        interface.startup = interface.startup.saturating_sub(1);
        let intervals = &interface.config.intervals;
        let interval = if interface.startup > 0 { intervals.startup() } else { intervals.query };
        self.general.insert(iface);
        self.timers.set(Timer::GeneralQuery(iface), self.now + interval);
    }

    /// Another router's query: the lower address is querier.
    pub(super) fn election(&mut self, iface: IfIndex, from: A, query: &Query<'_, A>) {
        let Some(interface) = self.interfaces.get_mut(&iface) else { return };
        let version = A::query_version(query);
        if version != interface.config.version {
            self.events.push(self.now, iface, EventKind::QueryVersion(version), from);
        }
        // RFC 4541 §2.1.1: a query from 0.0.0.0 is that of a snooping switch and elects nobody.
        if from == A::UNSPECIFIED || from >= interface.config.address {
            return;
        }
        // Among other routers, too, the lowest stays: the others will fall silent.
        if interface.other_querier.is_some_and(|querier| from > querier) {
            return;
        }
        if interface.other_querier != Some(from) {
            interface.other_querier = Some(from);
            self.general.remove(&iface);
            self.timers.clear(Timer::GeneralQuery(iface));
            self.events.push(self.now, iface, EventKind::NonQuerier, from);
        }
        // RFC 3376 §4.1.6, §4.1.7: values of zero mean our own.
        let own = interface.config.intervals;
        interface.adopted = own;
        if let Some(v3) = query.v3 {
            if v3.bits.robustness() != 0 {
                interface.adopted.robustness = v3.bits.robustness();
            }
            if !v3.interval.duration().is_zero() {
                interface.adopted.query = v3.interval.duration();
            }
        }
        if query.is_general() && version > Version::V1 {
            interface.adopted.response = query.response.duration().max(Duration::from_millis(1));
        }
        let until = self.now + interface.adopted.other_querier();
        self.timers.set(Timer::OtherQuerier(iface), until);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_gives_its_rate_and_no_more() {
        let mut bucket = Bucket::new(Instant::ZERO, 10);
        assert!(bucket.take(Instant::ZERO, 10, 10) && !bucket.take(Instant::ZERO, 10, 1));
        // Small steps are not lost.
        let mut taken = 0;
        for ms in 0..1000 {
            taken += u32::from(bucket.take(Instant::from_micros(ms * 1000), 10, 1));
        }
        assert_eq!(taken, 9);
    }
}
