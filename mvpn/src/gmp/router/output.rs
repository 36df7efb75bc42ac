//! Queries, membership changes and events, made from what is owed when they are polled.

use alloc::vec::Vec;
use core::time::Duration;

use fwd_core::net::IfIndex;

use super::{GmpRouter, Membership, Output, Timer};
use crate::gmp::{
    AddressesBuf, InterfaceConfig, IntervalCode, Message, Protocol, Query, QueryBits, QueryV3, ResponseCode, Version,
};

/// What a query may hold so that it passes every link that carries IPv6: 1,280 octets less the headers.
const QUERY_ROOM: usize = 1204;

impl<A: Protocol> GmpRouter<A> {
    /// Sources of one query.
    const SOURCES: usize = QUERY_ROOM / A::LEN;

    /// The next output; `None` when there is none. Queries come first, then membership changes, then events.
    pub fn poll_output(&mut self) -> Option<Output<A>> {
        while self.ready.is_empty() {
            if let Some(iface) = self.general.pop_first() {
                self.general_datagram(iface);
            } else if let Some((iface, group)) = self.queries.pop_first() {
                self.specific_datagrams(iface, group);
            } else if let Some((iface, group)) = self.changed.pop_first() {
                self.collect_changes(iface, group);
            } else {
                return self.events.pop().map(Output::Event);
            }
        }
        self.ready.pop_front()
    }

    /// Writes a query in the version that the interface speaks.
    fn query_datagram(&mut self, iface: IfIndex, group: A, response: Duration, suppress: bool, sources: &[A]) {
        let Some(interface) = self.interfaces.get_mut(&iface) else { return };
        interface.counters.sent_queries = interface.counters.sent_queries.saturating_add(1);
        let &mut InterfaceConfig { version, intervals, address, .. } = &mut interface.config;
        let sources: AddressesBuf<A> = sources.iter().copied().collect();
        let v3 = (version == Version::V3).then(|| QueryV3 {
            bits: QueryBits::new(suppress, intervals.robustness),
            interval: IntervalCode::of(intervals.query),
            sources: sources.as_addresses(),
            additional: &[],
        });
        let response = if version == Version::V1 { A::ResponseCode::ZERO } else { A::ResponseCode::of(response) };
        let destination = if group == A::UNSPECIFIED { A::ALL_SYSTEMS } else { group };
        let mut octets = Vec::new();
        A::emit_message(&Message::Query(Query { group, response, v3 }), address, destination, &mut octets);
        self.ready.push_back(Output::Datagram { iface, source: address, destination, octets });
    }

    fn general_datagram(&mut self, iface: IfIndex) {
        if let Some(response) = self.interfaces.get(&iface).map(|i| i.config.intervals.response) {
            self.query_datagram(iface, A::UNSPECIFIED, response, false, &[]);
        }
    }

    /// One round of a group's queries, if they are ours to send (RFC 3376 §6.6.3).
    fn specific_datagrams(&mut self, iface: IfIndex, group: A) {
        let Some(interface) = self.interfaces.get(&iface).filter(|i| i.other_querier.is_none()) else { return };
        let (version, intervals) = (interface.config.version, interface.config.intervals);
        let Some(state) = self.groups.get_mut(&(iface, group)) else { return };
        let of_group = state.group_queries > 0 && version > Version::V1;
        state.group_queries = state.group_queries.saturating_sub(1);
        let asked: Vec<A> = state.source_queries.keys().copied().filter(|_| version == Version::V3).collect();
        state.source_queries.retain(|_, n| {
            *n = n.saturating_sub(1);
            *n > 0
        });
        if state.group_queries > 0 || !state.source_queries.is_empty() {
            self.timers.set(Timer::Requery(iface, group), self.now + intervals.last_member);
        }
        let late = self.now + intervals.last_member_time();
        let is_long = |timer| self.timers.get(timer).is_some_and(|at| at > late);
        let long_group = is_long(Timer::Group(iface, group));
        let (long, short): (Vec<A>, Vec<A>) =
            asked.into_iter().partition(|&source| is_long(Timer::Source(iface, group, source)));
        if of_group {
            self.query_datagram(iface, group, intervals.last_member, long_group, &[]);
        }
        // A group-specific query asks for the sources whose timers run long, too.
        for sources in long.chunks(Self::SOURCES).filter(|_| !of_group) {
            self.query_datagram(iface, group, intervals.last_member, true, sources);
        }
        for sources in short.chunks(Self::SOURCES) {
            self.query_datagram(iface, group, intervals.last_member, false, sources);
        }
    }

    /// What of a group's membership has changed since it was handed out.
    fn collect_changes(&mut self, iface: IfIndex, group: A) {
        let Some(state) = self.groups.get_mut(&(iface, group)) else { return };
        let (any, named) = state.wanted();
        let mut push = |membership, present| {
            self.ready.push_back(Output::Membership { iface, group, membership, present });
        };
        let kind = |any| if any { Membership::Exclude } else { Membership::Include };
        if any && !state.told_any {
            push(Membership::AnySource, true);
        }
        for &source in &state.told {
            if any != state.told_any || !named.contains(&source) {
                push(kind(state.told_any)(source), false);
            }
        }
        for &source in &named {
            if any != state.told_any || !state.told.contains(&source) {
                push(kind(any)(source), true);
            }
        }
        if !any && state.told_any {
            push(Membership::AnySource, false);
        }
        state.told_any = any;
        state.told = named;
        if state.is_unused() {
            self.groups.remove(&(iface, group));
        }
    }
}
