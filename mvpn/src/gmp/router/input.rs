//! What a message does (RFC 3376 §6.4, §6.6, §7.3; RFC 3810 §7.4, §7.6, §8.3).

use alloc::collections::BTreeSet;

use fwd_core::net::IfIndex;
use fwd_core::time::Instant;

use super::event::EventKind;
use super::{GmpRouter, Input, Timer};
use crate::gmp::{Filter, GroupRecord, Message, Protocol, Query, RecordType, Version, transition};

impl<A: Protocol> GmpRouter<A> {
    /// Takes an input. It never fails: what a host or router does wrong is counted and becomes an event.
    pub fn handle_input(&mut self, now: Instant, input: Input<'_, A>) {
        self.now = now;
        let Input::Datagram { iface, source, destination, hop_limit, router_alert, octets } = input;
        let Some(interface) = self.interfaces.get_mut(&iface) else { return };
        if !interface.bucket.take(now, interface.config.limits.records_per_second, 1) {
            interface.counters.rate = interface.counters.rate.saturating_add(1);
            return self.events.push(now, iface, EventKind::Rate, source);
        }
        let Ok(message) = A::parse_message(octets, source, destination) else {
            interface.counters.malformed = interface.counters.malformed.saturating_add(1);
            return self.events.push(now, iface, EventKind::Malformed, source);
        };
        if source == interface.config.address {
            return; // Our own, looped back.
        }
        let v1 = matches!(message, Message::ReportV1(_))
            || matches!(&message, Message::Query(q) if A::query_version(q) == Version::V1);
        let on_link = hop_limit == 1 && (router_alert || v1 || !interface.config.router_alert);
        let from_router = source == A::UNSPECIFIED || source.is_link_protocol_source();
        let subnets = &interface.config.subnets;
        let from_host = A::is_reporter(source)
            && (A::BITS == 128
                || source == A::UNSPECIFIED
                || subnets.is_empty()
                || subnets.iter().any(|s| source.is_in(s)));
        let acceptable = on_link
            && match message {
                Message::Query(_) => from_router,
                _ => from_host,
            };
        if !acceptable {
            interface.counters.unacceptable = interface.counters.unacceptable.saturating_add(1);
            return self.events.push(now, iface, EventKind::Unacceptable, source);
        }
        let counters = &mut interface.counters;
        let counter = match message {
            Message::Query(_) => &mut counters.queries,
            Message::Unknown(_) => &mut counters.unknown,
            _ => &mut counters.reports,
        };
        *counter = counter.saturating_add(1);
        self.message(iface, source, destination, &message);
    }

    fn message(&mut self, iface: IfIndex, from: A, destination: A, message: &Message<'_, A>) {
        let Some(version) = self.interfaces.get(&iface).map(|i| i.config.version) else { return };
        let none = BTreeSet::new();
        match *message {
            Message::Query(query) => self.query(iface, from, destination, &query),
            Message::ReportV1(group) => self.record(iface, from, Version::V1, RecordType::IS_EXCLUDE, group, &none),
            Message::ReportV2(group) if version >= Version::V2 => {
                self.record(iface, from, Version::V2, RecordType::IS_EXCLUDE, group, &none);
            }
            // RFC 3376 §7.3.2: a leave is TO_IN ({}), and means nothing while version 1 members are there.
            Message::Leave(group) if version >= Version::V2 && self.compatibility(iface, group) > Version::V1 => {
                self.record(iface, from, Version::V2, RecordType::TO_INCLUDE, group, &none);
            }
            Message::ReportV3(report) if version == Version::V3 => {
                for record in report.records {
                    self.group_record(iface, from, &record);
                }
            }
            _ => {}
        }
    }

    fn group_record(&mut self, iface: IfIndex, from: A, record: &GroupRecord<'_, A>) {
        let Some(interface) = self.interfaces.get_mut(&iface) else { return };
        let GroupRecord { kind, group, .. } = *record;
        interface.counters.records = interface.counters.records.saturating_add(1);
        if !interface.bucket.take(self.now, interface.config.limits.records_per_second, 1) {
            interface.counters.rate = interface.counters.rate.saturating_add(1);
            return self.events.push(self.now, iface, EventKind::Rate, from);
        }
        let mode = self.compatibility(iface, group);
        let ignored = match kind {
            RecordType::BLOCK => mode < Version::V3,
            RecordType::TO_INCLUDE => mode < Version::V2,
            _ => kind.name().is_none(),
        };
        if ignored {
            return;
        }
        // RFC 3376 §7.3.2: the source list of TO_EX is ignored beside members of older versions.
        let keep = kind != RecordType::TO_EXCLUDE || mode == Version::V3;
        let sources = record.sources.iter().filter(|s| keep && s.is_host()).collect();
        self.record(iface, from, Version::V3, kind, group, &sources);
    }

    /// A record, or what a message of an older version amounts to.
    fn record(&mut self, iface: IfIndex, from: A, version: Version, kind: RecordType, group: A, sources: &BTreeSet<A>) {
        if !group.is_multicast() || group.is_link_scope_group() || A::is_never_reported(group) {
            return;
        }
        let (kind, mut sources) = match self.ssm(iface, from, kind, group, sources) {
            Some(record) => record,
            None => return,
        };
        if !self.permit(iface, from, kind, group, &mut sources) || !self.admit(iface, from, kind, group, &mut sources) {
            return;
        }
        let Some(interface) = self.interfaces.get(&iface) else { return };
        let membership = interface.intervals().membership();
        if interface.config.tracking && version == Version::V3 && from != A::UNSPECIFIED {
            self.track(iface, from, kind, group, &sources);
        }
        let state = self.groups.entry((iface, group)).or_default();
        let transition = transition(&state.filter, kind, &sources);
        if kind == RecordType::IS_EXCLUDE && version < Version::V3 && !group.is_ssm_group() {
            // RFC 3376 §7.3.2: the older host present timers.
            let timer = if version == Version::V1 { Timer::V1Host } else { Timer::V2Host };
            self.timers.set(timer(iface, group), self.now + membership);
        }
        self.apply(iface, group, transition);
    }

    /// Keeps what a host wants (RFC 3376 Appendix A.2).
    fn track(&mut self, iface: IfIndex, host: A, kind: RecordType, group: A, sources: &BTreeSet<A>) {
        let Some(membership) = self.interfaces.get(&iface).map(|i| i.intervals().membership()) else { return };
        let state = self.groups.entry((iface, group)).or_default();
        let old = state.hosts.remove(&host);
        let was = old.is_some();
        let wants = old.unwrap_or_default().of_host(kind, sources);
        let is = !wants.is_none();
        let timer = Timer::Host(iface, group, host);
        if is {
            state.hosts.insert(host, wants);
            self.timers.set(timer, self.now + membership);
        } else {
            self.timers.clear(timer);
        }
        if was != is {
            self.count_host(iface, host, is);
        }
    }

    /// The rules of the SSM range (RFC 4604 §2.2): members who cannot name a source are mapped to some, or are ignored.
    fn ssm(
        &mut self,
        iface: IfIndex,
        from: A,
        kind: RecordType,
        group: A,
        sources: &BTreeSet<A>,
    ) -> Option<(RecordType, BTreeSet<A>)> {
        let all = matches!(kind, RecordType::IS_EXCLUDE | RecordType::TO_EXCLUDE);
        let leave = kind == RecordType::TO_INCLUDE && sources.is_empty();
        if !group.is_ssm_group() || !(all || leave) {
            return Some((kind, sources.clone()));
        }
        let interface = self.interfaces.get_mut(&iface)?;
        if let Some(mapped) = interface.config.mapped(group) {
            let kind = if all { RecordType::ALLOW } else { RecordType::BLOCK };
            return Some((kind, mapped.iter().copied().collect()));
        }
        if leave {
            return Some((kind, sources.clone()));
        }
        interface.counters.filtered = interface.counters.filtered.saturating_add(1);
        self.events.push(self.now, iface, EventKind::SsmRange, from);
        None
    }

    /// Applies the filter: takes out sources, or refuses the record. Leaving is always permitted.
    fn permit(&mut self, iface: IfIndex, from: A, kind: RecordType, group: A, sources: &mut BTreeSet<A>) -> bool {
        let Some(interface) = self.interfaces.get_mut(&iface) else { return false };
        let before = sources.len();
        let permitted = match kind {
            RecordType::IS_EXCLUDE | RecordType::TO_EXCLUDE => interface.config.permits(group, None),
            RecordType::IS_INCLUDE | RecordType::ALLOW => {
                sources.retain(|&source| interface.config.permits(group, Some(source)));
                before == 0 || !sources.is_empty()
            }
            RecordType::TO_INCLUDE => {
                sources.retain(|&source| interface.config.permits(group, Some(source)));
                true
            }
            _ => true,
        };
        if !permitted || sources.len() < before {
            interface.counters.filtered = interface.counters.filtered.saturating_add(1);
            self.events.push(self.now, iface, EventKind::Filtered, from);
        }
        permitted
    }

    /// Applies the limits: takes out sources, or refuses the record. What is there already is not touched.
    fn admit(&mut self, iface: IfIndex, from: A, kind: RecordType, group: A, sources: &mut BTreeSet<A>) -> bool {
        let Some(interface) = self.interfaces.get(&iface) else { return false };
        let limits = interface.config.limits;
        let state = self.groups.get(&(iface, group));
        let joins = match kind {
            RecordType::IS_EXCLUDE | RecordType::TO_EXCLUDE => true,
            RecordType::BLOCK => false,
            _ => !sources.is_empty(),
        };
        let known = state.is_some_and(|g| !g.filter.is_none());
        if !known && !joins {
            return false; // Nothing is left that was not joined.
        }
        let refused = if !known && interface.groups >= limits.groups {
            Some(EventKind::GroupLimit)
        } else if !known && self.members >= self.config.groups {
            Some(EventKind::VrfLimit)
        } else if interface.config.tracking && joins && self.host_is_full(iface, from, group, limits.groups_per_host) {
            Some(EventKind::HostLimit)
        } else {
            None
        };
        if let Some(kind) = refused {
            self.limited(iface, from, kind);
            return false;
        }
        let empty = Filter::default();
        let filter = state.map_or(&empty, |g| &g.filter);
        let exclude = filter.is_exclude();
        let mut room = limits.sources.saturating_sub(filter.len());
        let before = sources.len();
        sources.retain(|source| {
            filter.names(source) || {
                let fits = room > 0;
                room = room.saturating_sub(1);
                fits
            }
        });
        if sources.len() < before {
            self.limited(iface, from, EventKind::SourceLimit);
            return joins && (known || !sources.is_empty() || exclude);
        }
        true
    }

    fn limited(&mut self, iface: IfIndex, from: A, kind: EventKind) {
        if let Some(interface) = self.interfaces.get_mut(&iface) {
            interface.counters.limited = interface.counters.limited.saturating_add(1);
        }
        self.events.push(self.now, iface, kind, from);
    }

    /// Whether a tracked host is a member of as many groups as it may, and not of this one.
    fn host_is_full(&self, iface: IfIndex, host: A, group: A, limit: usize) -> bool {
        if self.groups.get(&(iface, group)).is_some_and(|g| g.hosts.contains_key(&host)) {
            return false;
        }
        self.interfaces.get(&iface).is_some_and(|i| i.host_groups.get(&host).is_some_and(|&n| n >= limit))
    }

    /// RFC 3376 §6.6.1: a querier's specific query without the S flag lowers the timers of the others.
    fn query(&mut self, iface: IfIndex, from: A, destination: A, query: &Query<'_, A>) {
        let expected = if query.is_general() { A::ALL_SYSTEMS } else { query.group };
        let Some(interface) = self.interfaces.get(&iface) else { return };
        // RFC 3376 §4.1.12: also to an address of the interface.
        if destination != expected && destination != interface.config.address {
            return;
        }
        self.election(iface, from, query);
        let Some(interface) = self.interfaces.get(&iface).filter(|i| i.other_querier == Some(from)) else { return };
        if query.is_general() || query.v3.is_some_and(|v3| v3.bits.suppress()) {
            return;
        }
        let time = interface.intervals().last_member_time();
        if query.sources().is_empty() {
            self.lower(Timer::Group(iface, query.group), time);
        } else {
            for source in query.sources() {
                self.lower(Timer::Source(iface, query.group, source), time);
            }
        }
    }
}
