//! Which flows get an S-PMSI (RFC 6513 §7.2): rules as values, and the decision as a function of what is known of a flow.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use fwd_core::net::IpPrefix;
use fwd_core::time::Instant;

use crate::mvrf::route::SFlow;

/// When a flow moves to an S-PMSI and back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Threshold {
    /// It moves when it sends this many octets in a second, or more.
    pub up: u64,
    /// It may return when it sends fewer than this; at most `up`.
    pub down: u64,
}

/// When a flow moves to an S-PMSI because few PEs receive it, and back: in percent of the PEs that the default tunnel reaches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Audience {
    /// It moves when at most so many receive it.
    pub few: u8,
    /// It may return when more than this receive it; `few` to 100.
    pub many: u8,
}

/// A time at which flows have S-PMSIs, whatever is known of them: an audience that comes by the clock (RFC 4834 §4.1.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Period {
    /// The flows.
    pub flows: Vec<SFlow>,
    /// When it begins for the first time.
    pub first: Instant,
    /// How long it lasts; not 0.
    pub length: Duration,
    /// From one beginning to the next, more than `length`; `None`: once.
    pub every: Option<Duration>,
}

impl Period {
    /// Whether the period is on at `now`, and when that changes next.
    #[must_use]
    pub fn at(&self, now: Instant) -> (bool, Option<Instant>) {
        if now < self.first {
            return (false, Some(self.first));
        }
        let since = now - self.first;
        let (rounds, every) = match self.every {
            Some(every) => (since.as_micros().checked_div(every.as_micros()).unwrap_or(0), every),
            None => (0, Duration::ZERO),
        };
        let Ok(rounds) = u32::try_from(rounds) else { return (false, None) };
        let begins = self.first + every.saturating_mul(rounds);
        let ends = begins + self.length;
        match now < ends {
            true => (true, Some(ends)),
            false => (false, self.every.map(|every| begins + every)),
        }
    }

    pub(in crate::mvrf) fn is_valid(&self) -> bool {
        !self.length.is_zero() && self.every.is_none_or(|every| every > self.length)
    }
}

/// Which flows get S-PMSIs (RFC 6513 §7.2).
///
/// The rules by rate, audience and waste each suffice. A flow stays for the hold-down time, and then until no rule keeps it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SPmsiPolicy {
    /// S-PMSIs that are always there: wildcards (RFC 6625), or flows placed by hand.
    pub fixed: Vec<SFlow>,
    /// Groups of which each flow that has a receiver gets one at once.
    pub always: Vec<IpPrefix>,
    /// Flows that are fast get one.
    pub threshold: Option<Threshold>,
    /// Flows that few PEs receive get one. Needs `explicit_tracking`.
    pub audience: Option<Audience>,
    /// Flows that waste this many octets in a second on PEs without a receiver get one: the rate times the weights of those PEs. Needs
    /// `explicit_tracking`.
    pub waste: Option<Threshold>,
    /// The weights of PEs that are not 1: what an octet towards them costs.
    pub weights: BTreeMap<IpAddr, u32>,
    /// Whether leaves announce themselves flow by flow (RFC 8534 §2): by the wildcard S-PMSIs there are, and on an I-PMSI by a
    /// (C-*,C-*) S-PMSI A-D route without a tunnel.
    pub explicit_tracking: bool,
    /// Flows share the tunnel of an S-PMSI if, of all PEs that receive one of them, at least so many percent receive each; from 1 to 100.
    /// Where the budget of tunnels is used up, a flow takes the tunnel on which it wastes least, if that is less than by default.
    /// `None`: a tunnel for each. Needs `explicit_tracking`; with ingress replication there is nothing to share.
    pub congruence: Option<u8>,
    /// Flows whose tunnel nothing changes: an S-PMSI if they are `fixed`, the default tunnel if not.
    pub pinned: Vec<SFlow>,
    /// Nothing changes the tunnel of any flow but an operator.
    pub is_static: bool,
    /// When flows have S-PMSIs by the clock.
    pub schedule: Vec<Period>,
}

impl SPmsiPolicy {
    /// Whether flows are judged by who receives them.
    #[must_use]
    pub const fn needs_receivers(&self) -> bool {
        self.audience.is_some() || self.waste.is_some() || self.congruence.is_some()
    }

    pub(in crate::mvrf) fn is_valid(&self) -> bool {
        let is_good = |t: &Threshold| t.up > 0 && t.down <= t.up;
        self.threshold.iter().chain(&self.waste).all(is_good)
            && self.audience.is_none_or(|a| a.few <= a.many && a.many <= 100)
            && self.congruence.is_none_or(|c| (1..=100).contains(&c))
            && self.schedule.iter().all(Period::is_valid)
            && (self.explicit_tracking || !self.needs_receivers())
    }

    /// Whether neither rates nor receivers change the tunnel of a flow.
    #[must_use]
    pub fn is_pinned(&self, flow: &SFlow) -> bool {
        self.is_static || self.fixed.contains(flow) || self.pinned.contains(flow)
    }

    /// What an octet towards a PE costs.
    #[must_use]
    pub fn weight(&self, pe: &IpAddr) -> u64 {
        u64::from(self.weights.get(pe).copied().unwrap_or(1))
    }
}

/// Why a flow has an S-PMSI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// It is fixed, in a range of groups that always has them, or an operator placed it.
    Placed,
    /// By the clock.
    Scheduled,
    /// Its rate.
    Rate,
    /// What it would waste.
    Waste,
    /// Few PEs receive it.
    Audience,
}

/// Why flows changed their tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Move {
    /// To an S-PMSI.
    Wanted(Reason),
    /// Back: there is no reason any more.
    Unwanted,
    /// Back: the tunnel failed.
    Failed,
    /// Back: the tunnel cannot carry what is promised.
    TooSmall,
    /// Back: an operator allows fewer S-PMSIs or tunnels than there were.
    Limit,
}

/// What is known of a flow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Octets in a second.
    pub rate: u64,
    /// PEs that receive it; 0: not known.
    pub receivers: usize,
    /// PEs that the default tunnel reaches.
    pub reached: usize,
    /// Octets in a second, times weight, that the default tunnel would bring to PEs that do not receive the flow.
    pub wasted: u64,
}

/// Why a flow should have an S-PMSI; `None`: it should not. `is_selective`: it has one; `is_held`: and has not had it for the hold-down
/// time.
#[must_use]
pub fn decide(policy: &SPmsiPolicy, seen: &Seen, is_selective: bool, is_held: bool) -> Option<Reason> {
    let above = |value: u64, t: Threshold| match is_selective {
        true => is_held || value >= t.down,
        false => value >= t.up,
    };
    if policy.threshold.is_some_and(|t| above(seen.rate, t)) {
        return Some(Reason::Rate);
    }
    if seen.receivers == 0 && !is_held {
        return None;
    }
    if policy.waste.is_some_and(|t| above(seen.wasted, t)) {
        return Some(Reason::Waste);
    }
    let share = |limit: u8| seen.receivers.saturating_mul(100) <= seen.reached.saturating_mul(usize::from(limit));
    let is_small = policy.audience.is_some_and(|a| match is_selective {
        true => is_held || share(a.many),
        false => share(a.few),
    });
    is_small.then_some(Reason::Audience)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(rate: u64, receivers: usize, wasted: u64) -> Seen {
        Seen { rate, receivers, reached: 10, wasted }
    }

    #[test]
    fn each_rule_has_its_two_thresholds() {
        let policy = |change: fn(&mut SPmsiPolicy)| {
            let mut policy = SPmsiPolicy { explicit_tracking: true, ..SPmsiPolicy::default() };
            change(&mut policy);
            assert!(policy.is_valid());
            policy
        };
        let rate = policy(|p| p.threshold = Some(Threshold { up: 10, down: 5 }));
        assert_eq!(decide(&rate, &seen(9, 1, 0), false, false), None);
        assert_eq!(decide(&rate, &seen(10, 0, 0), false, false), Some(Reason::Rate));
        assert_eq!(decide(&rate, &seen(5, 0, 0), true, false), Some(Reason::Rate));
        assert_eq!(decide(&rate, &seen(4, 0, 0), true, false), None);
        assert_eq!(decide(&rate, &seen(0, 0, 0), true, true), Some(Reason::Rate), "held");
        let waste = policy(|p| p.waste = Some(Threshold { up: 100, down: 50 }));
        assert_eq!(decide(&waste, &seen(9, 1, 99), false, false), None);
        assert_eq!(decide(&waste, &seen(9, 0, 100), false, false), None, "nothing is known of receivers");
        assert_eq!(decide(&waste, &seen(9, 1, 100), false, false), Some(Reason::Waste));
        assert_eq!(decide(&waste, &seen(9, 1, 50), true, false), Some(Reason::Waste));
        assert_eq!(decide(&waste, &seen(9, 1, 49), true, false), None);
        let audience = policy(|p| p.audience = Some(Audience { few: 20, many: 50 }));
        assert_eq!(decide(&audience, &seen(0, 3, 0), false, false), None);
        assert_eq!(decide(&audience, &seen(0, 2, 0), false, false), Some(Reason::Audience));
        assert_eq!(decide(&audience, &seen(0, 5, 0), true, false), Some(Reason::Audience));
        assert_eq!(decide(&audience, &seen(0, 6, 0), true, false), None);
    }

    #[test]
    fn periods_come_again() {
        let (hour, day) = (Duration::from_secs(3600), Duration::from_secs(86_400));
        let at = |hours: u64| Instant::from_secs(hours * 3600);
        let mut period = Period { flows: Vec::new(), first: at(20), length: hour * 3, every: Some(day) };
        assert_eq!(period.at(at(0)), (false, Some(at(20))));
        assert_eq!(period.at(at(20)), (true, Some(at(23))));
        assert_eq!(period.at(at(23)), (false, Some(at(44))));
        assert_eq!(period.at(at(24 * 9 + 22)), (true, Some(at(24 * 9 + 23))));
        period.every = None;
        assert_eq!(period.at(at(30)), (false, None));
        assert!(period.is_valid());
        period.every = Some(hour * 3);
        assert!(!period.is_valid());
    }

    #[test]
    fn rules_that_need_receivers_need_tracking() {
        let mut policy = SPmsiPolicy { congruence: Some(80), ..SPmsiPolicy::default() };
        assert!(!policy.is_valid());
        policy.explicit_tracking = true;
        assert!(policy.is_valid());
        policy.congruence = Some(0);
        assert!(!policy.is_valid());
        policy.congruence = None;
        policy.audience = Some(Audience { few: 30, many: 20 });
        assert!(!policy.is_valid());
    }
}
