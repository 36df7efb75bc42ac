//! Alarms on what limits bound, with hysteresis and a minimum time between two of them.

use core::time::Duration;

use alloc::vec::Vec;
use fwd_core::time::Instant;

use super::event::{MvpnEvent, MvpnLimit};
use super::instance::Mvrf;
use super::shared::{Shared, Timer};

/// When an alarm is raised and cleared, as shares of the limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AlarmConfig {
    /// Raised at this share of the limit, in percent, or more: above `low`, at most 100. Default 90.
    pub high: u8,
    /// Cleared below this share, in percent: at least 1. Default 70.
    pub low: u8,
    /// From one event of a limit to the next: default 10 s. What is so at its end is said then.
    pub spacing: Duration,
}

impl Default for AlarmConfig {
    fn default() -> Self {
        Self { high: 90, low: 70, spacing: Duration::from_secs(10) }
    }
}

impl AlarmConfig {
    pub(super) const fn is_valid(&self) -> bool {
        self.low >= 1 && self.low < self.high && self.high <= 100
    }

    /// Whether the alarm is raised, after it was raised or not.
    fn is_raised(&self, was: bool, used: usize, max: usize) -> bool {
        let mark = if was { self.low } else { self.high };
        max > 0 && used as u128 * 100 >= max as u128 * u128::from(mark)
    }
}

/// An alarm that was said.
#[derive(Clone, Copy, Debug)]
pub(super) struct Alarm {
    is_raised: bool,
    said: Instant,
}

/// How much of a limit is used: what a provider, or the customer of the MVRF, asks for (RFC 4834 §5.1.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// The limit.
    pub limit: MvpnLimit,
    /// What there is.
    pub used: usize,
    /// What there may be.
    pub max: usize,
    /// What was refused since the MVRF is there.
    pub refused: u64,
    /// Whether its alarm is raised.
    pub is_raised: bool,
}

impl Mvrf {
    /// What there is and may be of all that the MVRF's limits bound.
    fn used(&self) -> [(MvpnLimit, usize, usize); 9] {
        let l = &self.config.limits;
        let octets = |rate: u64| usize::try_from(rate).unwrap_or(usize::MAX);
        let capacity = self.config.reservation.as_ref().map_or(0, |r| r.capacity);
        [
            (MvpnLimit::Members, self.members.len(), l.members),
            (MvpnLimit::Joins, self.joins.len(), l.joins),
            (MvpnLimit::SPmsis, self.s_pmsis_known(), l.s_pmsis),
            (MvpnLimit::Sources, self.sources.len(), l.sources),
            (MvpnLimit::Trees, self.trees.len(), l.trees),
            (MvpnLimit::OwnSources, self.own_sources.len(), l.own_sources),
            (MvpnLimit::OwnSPmsis, self.s_out.len(), l.own_s_pmsis),
            (MvpnLimit::Leaves, self.leaf_count, l.leaves),
            (MvpnLimit::Bandwidth, octets(self.reserved), octets(capacity)),
        ]
    }

    pub(super) fn usage(&self, shared: &Shared) -> Vec<Usage> {
        let of = |(limit, used, max)| Usage {
            limit,
            used,
            max,
            refused: shared.refused(self.config.vrf, limit),
            is_raised: self.alarms.get(&limit).is_some_and(|a| a.is_raised),
        };
        self.used().into_iter().map(of).collect()
    }

    /// Raises and clears alarms.
    pub(super) fn watch(&mut self, shared: &mut Shared, now: Instant) {
        let (vrf, config) = (self.config.vrf, self.config.alarm);
        for (limit, used, max) in self.used() {
            let alarm = self.alarms.get(&limit).copied();
            let was = alarm.is_some_and(|a| a.is_raised);
            let is_raised = config.is_raised(was, used, max);
            if is_raised == was {
                continue;
            }
            if let Some(next) = alarm.map(|a| a.said + config.spacing).filter(|next| *next > now) {
                let timer = Timer::Alarm(vrf);
                let at = shared.timers.get(timer).map_or(next, |at| at.min(next));
                shared.timers.set(timer, at);
                continue;
            }
            self.alarms.insert(limit, Alarm { is_raised, said: now });
            shared.event(MvpnEvent::Alarm { limit, vrf, is_raised, used, max });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn raised_at_the_high_mark_and_cleared_below_the_low_one() {
        let config = AlarmConfig { high: 90, low: 50, spacing: Duration::ZERO };
        let seen: std::vec::Vec<_> = [89, 90, 100, 89, 50, 49, 60, 89]
            .into_iter()
            .scan(false, |was, used| {
                *was = config.is_raised(*was, used, 100);
                Some(*was)
            })
            .collect();
        assert_eq!(seen, [false, true, true, true, true, false, false, false]);
        assert!(!config.is_raised(false, 0, 0), "what may not be at all raises nothing");
        assert!(config.is_raised(false, usize::MAX, usize::MAX));
    }

    #[test]
    fn marks_are_in_order() {
        let valid = |high, low| AlarmConfig { high, low, spacing: Duration::ZERO }.is_valid();
        assert!(AlarmConfig::default().is_valid() && valid(100, 1));
        assert!(!valid(101, 1) && !valid(50, 50) && !valid(50, 0));
    }
}
