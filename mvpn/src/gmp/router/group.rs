//! A group on an interface.

use alloc::collections::{BTreeMap, BTreeSet};

use fwd_core::net::IfIndex;
use fwd_core::time::Instant;

use super::{GmpRouter, Timer};
use crate::address::Address;
use crate::gmp::{Filter, Protocol, TimerValue, Transition, group_expired, source_expired};

/// What is known and owed of a group.
#[derive(Clone, Debug)]
pub(super) struct Group<A> {
    pub(super) filter: Filter<A>,
    /// What each host wants, with explicit tracking.
    pub(super) hosts: BTreeMap<A, Filter<A>>,
    /// The operator joins all sources.
    pub(super) fixed_any: bool,
    /// Sources that the operator joins.
    pub(super) fixed: BTreeSet<A>,
    /// Group-specific queries still to be sent.
    pub(super) group_queries: u8,
    /// Queries still to be sent of each source.
    pub(super) source_queries: BTreeMap<A, u8>,
    /// Whether it counts as a group with members.
    pub(super) counted: bool,
    /// What was handed out: whether all sources are wanted, and which sources are included or, then, excluded.
    pub(super) told_any: bool,
    pub(super) told: BTreeSet<A>,
}

impl<A> Default for Group<A> {
    fn default() -> Self {
        Self {
            filter: Filter::default(),
            hosts: BTreeMap::new(),
            fixed_any: false,
            fixed: BTreeSet::new(),
            group_queries: 0,
            source_queries: BTreeMap::new(),
            counted: false,
            told_any: false,
            told: BTreeSet::new(),
        }
    }
}

impl<A: Address> Group<A> {
    /// What is to be handed out: all sources but these, or only these.
    pub(super) fn wanted(&self) -> (bool, BTreeSet<A>) {
        match &self.filter {
            Filter::Exclude { .. } if self.fixed_any => (true, BTreeSet::new()),
            Filter::Exclude { excluded, .. } => (true, excluded.difference(&self.fixed).copied().collect()),
            Filter::Include(_) if self.fixed_any => (true, BTreeSet::new()),
            Filter::Include(sources) => (false, sources | &self.fixed),
        }
    }

    /// Whether nothing is known, configured or told.
    pub(super) fn is_unused(&self) -> bool {
        self.filter.is_none() && !self.fixed_any && self.fixed.is_empty() && !self.told_any && self.told.is_empty()
    }
}

impl<A: Protocol> GmpRouter<A> {
    /// Carries a transition out: state, timers, queries.
    pub(super) fn apply(&mut self, iface: IfIndex, group: A, transition: Transition<A>) {
        let Some(interface) = self.interfaces.get(&iface) else { return };
        let until = self.now + interface.intervals().membership();
        let Some(state) = self.groups.get_mut(&(iface, group)) else { return };
        let Transition { next, set, value, set_group_timer, query_sources, query_group } = transition;
        let until_source = match value {
            TimerValue::MembershipInterval => until,
            TimerValue::GroupTimer => self.timers.get(Timer::Group(iface, group)).unwrap_or(until),
        };
        for &source in state.filter.timed().difference(next.timed()) {
            self.timers.clear(Timer::Source(iface, group, source));
            state.source_queries.remove(&source);
        }
        for &source in set.intersection(next.timed()) {
            self.timers.set(Timer::Source(iface, group, source), until_source);
        }
        if set_group_timer {
            self.timers.set(Timer::Group(iface, group), until);
        }
        state.filter = next;
        self.settle(iface, group);
        if query_group {
            self.query_group(iface, group);
        }
        self.query_sources(iface, group, &query_sources);
    }

    /// Send Q(G), unless another router does (RFC 3376 §6.6.3.1). With explicit tracking or fast leave the answer may be known.
    fn query_group(&mut self, iface: IfIndex, group: A) {
        if self.is_known_unwanted(iface, group, None) {
            return self.group_timer_expired(iface, group);
        }
        let Some(interface) = self.interfaces.get(&iface).filter(|i| i.other_querier.is_none()) else { return };
        let intervals = interface.config.intervals;
        if let Some(state) = self.groups.get_mut(&(iface, group)) {
            state.group_queries = intervals.last_member_count();
            self.queries.insert((iface, group));
            self.lower(Timer::Group(iface, group), intervals.last_member_time());
        }
    }

    /// Send Q(G, sources), unless another router does (RFC 3376 §6.6.3.2).
    fn query_sources(&mut self, iface: IfIndex, group: A, sources: &BTreeSet<A>) {
        for &source in sources {
            if self.is_known_unwanted(iface, group, Some(source)) {
                self.source_timer_expired(iface, group, source);
                continue;
            }
            let Some(interface) = self.interfaces.get(&iface).filter(|i| i.other_querier.is_none()) else { return };
            let intervals = interface.config.intervals;
            let Some(state) = self.groups.get_mut(&(iface, group)) else { return };
            let timer = Timer::Source(iface, group, source);
            let long = self.timers.get(timer).is_some_and(|at| at > self.now + intervals.last_member_time());
            if long {
                state.source_queries.insert(source, intervals.last_member_count());
                self.queries.insert((iface, group));
                self.lower(timer, intervals.last_member_time());
            }
        }
    }

    /// Lowers a timer that runs longer.
    pub(super) fn lower(&mut self, timer: Timer<A>, to: core::time::Duration) {
        let at = self.now + to;
        if self.timers.get(timer).is_some_and(|old| old > at) {
            self.timers.set(timer, at);
        }
    }

    /// Whether no query is needed to know that nobody wants a source, or all sources, any more.
    fn is_known_unwanted(&self, iface: IfIndex, group: A, source: Option<A>) -> bool {
        let Some(interface) = self.interfaces.get(&iface) else { return false };
        if interface.config.fast_leave {
            return true;
        }
        // Members of older versions suppress each other's reports: only with version 3 all are known.
        if !interface.config.tracking || self.compatibility(iface, group) != crate::gmp::Version::V3 {
            return false;
        }
        self.groups.get(&(iface, group)).is_some_and(|state| {
            !state.hosts.values().any(|host| match source {
                None => host.is_exclude(),
                Some(source) => host.wants(&source),
            })
        })
    }

    /// RFC 3376 §6.3.
    pub(super) fn source_timer_expired(&mut self, iface: IfIndex, group: A, source: A) {
        self.timers.clear(Timer::Source(iface, group, source));
        if let Some(state) = self.groups.get_mut(&(iface, group)) {
            state.source_queries.remove(&source);
            state.filter = source_expired(core::mem::take(&mut state.filter), source);
            self.settle(iface, group);
        }
    }

    /// RFC 3376 §6.5.
    pub(super) fn group_timer_expired(&mut self, iface: IfIndex, group: A) {
        self.timers.clear(Timer::Group(iface, group));
        if let Some(state) = self.groups.get_mut(&(iface, group)) {
            state.group_queries = 0;
            state.filter = group_expired(core::mem::take(&mut state.filter));
            self.settle(iface, group);
        }
    }

    /// Drops what members said of a group, as if all of them had left: for an operator, and for a port that went down.
    pub fn clear_group(&mut self, now: Instant, iface: IfIndex, group: A) {
        self.now = now;
        let Some(state) = self.groups.get_mut(&(iface, group)) else { return };
        for &source in state.filter.timed() {
            self.timers.clear(Timer::Source(iface, group, source));
        }
        state.filter = Filter::default();
        self.settle(iface, group);
    }

    /// After a change of the filter: groups with members are counted, and one without has nothing else.
    fn settle(&mut self, iface: IfIndex, group: A) {
        let Some(interface) = self.interfaces.get_mut(&iface) else { return };
        let Some(state) = self.groups.get_mut(&(iface, group)) else { return };
        self.changed.insert((iface, group));
        let has_members = !state.filter.is_none();
        if has_members == state.counted {
            return;
        }
        state.counted = has_members;
        if has_members {
            interface.groups = interface.groups.saturating_add(1);
            self.members = self.members.saturating_add(1);
            return;
        }
        interface.groups = interface.groups.saturating_sub(1);
        self.members = self.members.saturating_sub(1);
        state.source_queries.clear();
        state.group_queries = 0;
        self.queries.remove(&(iface, group));
        for timer in [Timer::Group, Timer::V1Host, Timer::V2Host, Timer::Requery] {
            self.timers.clear(timer(iface, group));
        }
        for host in core::mem::take(&mut state.hosts).into_keys() {
            self.timers.clear(Timer::Host(iface, group, host));
            self.count_host(iface, host, false);
        }
    }
}
