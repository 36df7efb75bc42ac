//! Protection of P2MP pseudowires by others (RFC 7338 §3.4.6): which of a group carries traffic.
//!
//! RFC 8338 has no procedure; the preferential forwarding bit of RFC 6870 is used from root to leaf with the P2MP PW Upstream FEC, and a
//! leaf obeys its root. A leaf of several roots listens to the one that the group selects; a root with several pseudowires sends on it.

use alloc::vec::Vec;
use core::time::Duration;

use fwd_core::time::Instant;
use fwd_core::timers::Timers;

use crate::ldp::session::ConfigError;

/// When a pseudowire counts as failed at its root, by its leaves (RFC 7338 §3.4.6).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Criterion {
    /// When one leaf reports a fault.
    AnyLeaf,
    /// When so many leaves do.
    Leaves(u32),
    /// When all do.
    #[default]
    AllLeaves,
    /// Never: only the operator switches.
    Manual,
}

impl Criterion {
    /// Whether the pseudowire counts as failed.
    #[must_use]
    pub const fn is_met(self, faulty: u32, leaves: u32) -> bool {
        match self {
            Self::AnyLeaf => faulty > 0,
            Self::Leaves(k) => faulty >= k && faulty > 0,
            Self::AllLeaves => faulty >= leaves && leaves > 0,
            Self::Manual => false,
        }
    }
}

/// How a group changes over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RedundancyConfig {
    /// How long a failure may last before the group changes over: the time in which the tunnel may recover by its own means.
    /// Default 500 ms.
    pub hold_off: Duration,
    /// How long a better member has to be well before the group returns to it. `None`: it does not return. Default 30 s.
    pub revert: Option<Duration>,
}

impl Default for RedundancyConfig {
    fn default() -> Self {
        Self { hold_off: Duration::from_millis(500), revert: Some(Duration::from_secs(30)) }
    }
}

/// A member's health.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Member {
    up: bool,
    /// Its root says that it does not send on it (RFC 6870 §5).
    standby: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    HoldOff,
    Revert,
}

/// A group of pseudowires of which one carries traffic. Members are numbered from the best: that with the lowest identifier.
#[derive(Clone, Debug)]
pub struct Redundancy {
    config: RedundancyConfig,
    members: Vec<Member>,
    selected: Option<usize>,
    /// The operator holds it on this member.
    manual: Option<usize>,
    timers: Timers<Timer>,
    changed: bool,
    switches: u64,
}

impl Redundancy {
    /// A group of members that are down.
    ///
    /// # Errors
    /// Fewer than two members, or a time to return of zero.
    pub fn new(_now: Instant, members: usize, config: RedundancyConfig) -> Result<Self, ConfigError> {
        if members < 2 {
            let value = u32::try_from(members).unwrap_or(u32::MAX);
            return Err(ConfigError::Number { field: "members", value, rule: "2 or more" });
        }
        if let Some(value) = config.revert.filter(|t| t.is_zero()) {
            return Err(ConfigError::Time { field: "revert", value, rule: "more than zero, or none" });
        }
        let members = alloc::vec![Member::default(); members];
        let timers = Timers::new();
        Ok(Self { config, members, selected: None, manual: None, timers, changed: false, switches: 0 })
    }

    /// The member that carries traffic.
    #[must_use]
    pub const fn selected(&self) -> Option<usize> {
        self.selected
    }

    /// How often the group changed from one member to another.
    #[must_use]
    pub const fn switches(&self) -> u64 {
        self.switches
    }

    /// Whether the selection changed since the last time this was asked.
    pub fn poll_changed(&mut self) -> bool {
        core::mem::take(&mut self.changed)
    }

    /// When [`Self::handle_timeout`] is due. Changes of members and timeouts change it.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        self.timers.next_timeout()
    }

    /// A member is well, or is not.
    pub fn set_up(&mut self, now: Instant, member: usize, up: bool) {
        if let Some(m) = self.members.get_mut(member) {
            m.up = up;
        }
        self.evaluate(now);
    }

    /// A member's root sends on it, or does not.
    pub fn set_standby(&mut self, now: Instant, member: usize, standby: bool) {
        if let Some(m) = self.members.get_mut(member) {
            m.standby = standby;
        }
        self.evaluate(now);
    }

    /// The operator wants this member while it is well; `None`: whichever is best.
    pub fn set_manual(&mut self, now: Instant, member: Option<usize>) {
        self.manual = member;
        if let Some(wanted) = member.filter(|m| self.is_well(*m)) {
            self.select(Some(wanted));
        }
        self.evaluate(now);
    }

    /// Lets timers expire that are due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(timer) = self.timers.expired(now) {
            let best = self.best();
            match timer {
                Timer::HoldOff if self.selected.is_none_or(|s| !self.is_well(s)) => self.select(best),
                Timer::Revert if self.manual.is_none() => self.select(best),
                Timer::HoldOff | Timer::Revert => {}
            }
        }
        self.evaluate(now);
    }

    fn is_well(&self, member: usize) -> bool {
        self.members.get(member).is_some_and(|m| m.up)
    }

    fn is_sent_on(&self, member: usize) -> bool {
        self.members.get(member).is_some_and(|m| m.up && !m.standby)
    }

    /// The best that is well: one that its root sends on before one that it does not, then the lowest.
    fn best(&self) -> Option<usize> {
        let well = (0..self.members.len()).filter(|m| self.is_well(*m));
        well.min_by_key(|m| (!self.is_sent_on(*m), *m))
    }

    fn evaluate(&mut self, now: Instant) {
        let best = self.best();
        let Some(selected) = self.selected else {
            self.timers.clear(Timer::HoldOff);
            return self.select(best);
        };
        if !self.is_well(selected) {
            self.timers.clear(Timer::Revert);
            if best.is_none() {
                self.timers.clear(Timer::HoldOff);
            } else if self.timers.get(Timer::HoldOff).is_none() {
                self.timers.set(Timer::HoldOff, now + self.config.hold_off);
            }
            return;
        }
        self.timers.clear(Timer::HoldOff);
        // The roots know who sends: a leaf follows at once.
        if !self.is_sent_on(selected) && best.is_some_and(|b| self.is_sent_on(b)) {
            self.timers.clear(Timer::Revert);
            return self.select(best);
        }
        match (best.filter(|b| *b < selected && self.manual.is_none()), self.config.revert) {
            (Some(_), Some(wait)) if self.timers.get(Timer::Revert).is_none() => {
                self.timers.set(Timer::Revert, now + wait);
            }
            (Some(_), _) => {}
            (None, _) => self.timers.clear(Timer::Revert),
        }
    }

    fn select(&mut self, member: Option<usize>) {
        if self.selected != member {
            if self.selected.is_some() && member.is_some() {
                self.switches = self.switches.saturating_add(1);
            }
            self.selected = member;
            self.changed = true;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(ms: u64) -> Instant {
        Instant::from_micros(ms * 1000)
    }

    fn group() -> Redundancy {
        let mut group = Redundancy::new(at(0), 2, RedundancyConfig::default()).unwrap();
        group.set_up(at(0), 0, true);
        group.set_up(at(0), 1, true);
        group
    }

    /// Shows: P2MP-PRO-5
    #[test]
    fn criteria_for_six_leaves() {
        use Criterion::{AllLeaves, AnyLeaf, Leaves, Manual};
        for (criterion, from) in [(AnyLeaf, 1), (Leaves(3), 3), (AllLeaves, 6), (Manual, 7)] {
            for faulty in 0..=6 {
                assert_eq!(criterion.is_met(faulty, 6), faulty >= from, "{criterion:?} {faulty}");
            }
        }
        assert!(!AllLeaves.is_met(0, 0) && !Leaves(0).is_met(0, 6));
        assert_eq!(Criterion::default(), AllLeaves);
    }

    /// Shows: P2MP-PRO-1, MVPN-TRB-5
    #[test]
    fn a_tunnel_that_recovers_in_time_changes_nothing() {
        let mut group = group();
        // 50 ms: the tunnel's own protection.
        group.set_up(at(1000), 0, false);
        assert_eq!((group.selected(), group.next_timeout()), (Some(0), Some(at(1500))));
        group.set_up(at(1050), 0, true);
        group.handle_timeout(at(1600));
        assert_eq!((group.selected(), group.switches(), group.next_timeout()), (Some(0), 0, None));
        // Two seconds: one change, after the hold-off.
        group.set_up(at(2000), 0, false);
        group.handle_timeout(at(2499));
        assert_eq!(group.selected(), Some(0));
        group.handle_timeout(at(2500));
        assert_eq!(group.selected(), Some(1));
        group.set_up(at(4000), 0, true);
        assert_eq!((group.selected(), group.switches()), (Some(1), 1));
        // And back when it was well for long enough.
        group.handle_timeout(at(33_999));
        assert_eq!(group.selected(), Some(1));
        group.handle_timeout(at(34_000));
        assert_eq!((group.selected(), group.switches()), (Some(0), 2));
    }

    /// Shows: P2MP-PRO-8
    #[test]
    fn the_selection_by_state_of_both() {
        // (up, standby) of both; which is selected once all timers ran.
        let states = [(false, false), (true, false), (true, true)];
        for (i, a) in states.into_iter().enumerate() {
            for (j, b) in states.into_iter().enumerate() {
                let mut group = Redundancy::new(at(0), 2, RedundancyConfig::default()).unwrap();
                for (member, (up, standby)) in [(1, b), (0, a)] {
                    group.set_standby(at(0), member, standby);
                    group.set_up(at(0), member, up);
                }
                group.handle_timeout(at(60_000));
                group.handle_timeout(at(120_000));
                let expected = match (i, j) {
                    (0, 0) => None,
                    (0, _) => Some(1),
                    (2, 1) => Some(1),
                    // Both active, or both standby: the lowest identifier.
                    _ => Some(0),
                };
                assert_eq!(group.selected(), expected, "{a:?} {b:?}");
            }
        }
    }

    #[test]
    fn a_leaf_follows_its_roots_at_once_and_the_operator_while_it_can() {
        let mut group = group();
        group.set_standby(at(10), 0, true);
        assert_eq!(group.selected(), Some(1), "root 1 sends");
        assert!(group.poll_changed() && !group.poll_changed());
        group.set_standby(at(20), 0, false);
        group.set_manual(at(20), Some(1));
        group.handle_timeout(at(100_000));
        assert_eq!((group.selected(), group.next_timeout()), (Some(1), None), "held");
        group.set_up(at(100_000), 1, false);
        group.handle_timeout(at(100_500));
        assert_eq!(group.selected(), Some(0));
        group.set_up(at(100_600), 0, false);
        assert_eq!((group.selected(), group.next_timeout()), (Some(0), None), "nothing better to go to");
        assert!(Redundancy::new(at(0), 1, RedundancyConfig::default()).is_err());
    }
}
