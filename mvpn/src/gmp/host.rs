//! The host side of IGMP and MLD (RFC 3376 §5, §7.2; RFC 3810 §6, §8.2).
//!
//! The state of an interface is what all who listen on it want together: the embedder, or [`GmpProxy`](super::GmpProxy), says it.
// Instants and durations saturate; the operators of sets are those of sets.
#![allow(clippy::arithmetic_side_effects)]

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::time::Duration;

use fwd_core::net::IfIndex;
use fwd_core::time::Instant;
use fwd_core::timers::Timers;

use super::{Message, Protocol, Query, RecordType, ReportBuf, ResponseCode, RouterInput, Version};
use fwd_core::random::Random;

/// What a report may hold so that it passes every link that carries IPv6: 1,280 octets less the headers.
const ROOM: usize = 1204;

/// The values of RFC 3376 §8 and RFC 3810 §9 that concern hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HostConfig {
    /// Seed of random delays.
    pub seed: u64,
    /// The version that is spoken until an older querier is heard; default the highest.
    pub version: Version,
    /// Robustness Variable, until a querier says another: 1 to 7, default 2.
    pub robustness: u8,
    /// Unsolicited Report Interval: more than zero, default 1 s.
    pub unsolicited_report_interval: Duration,
    /// The same where an older querier is present: default 10 s.
    pub older_unsolicited_report_interval: Duration,
    /// Query Interval of an older querier, which does not say its own: default 125 s.
    pub query_interval: Duration,
    /// Groups of an interface. Default 4,096.
    pub groups: usize,
}

impl Default for HostConfig {
    fn default() -> Self {
        Self {
            seed: 0,
            version: Version::V3,
            robustness: 2,
            unsolicited_report_interval: Duration::from_secs(1),
            older_unsolicited_report_interval: Duration::from_secs(10),
            query_interval: Duration::from_secs(125),
            groups: 4096,
        }
    }
}

/// A configuration or a request that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// Not within 1 to 7.
    #[error("robustness: not within 1 to 7")]
    Robustness,
    /// MLD has no version 1.
    #[error("version: no such version of this protocol")]
    Version,
    /// Zero.
    #[error("unsolicited_report_interval: zero")]
    UnsolicitedReportInterval,
    /// The source of reports.
    #[error("address: not one that reports are sent from")]
    Address,
    /// An interface that is not there, or is there already.
    #[error("iface: not configured, or configured already")]
    Interface,
    /// Not a group, or one that nobody reports.
    #[error("group: not a group that is reported")]
    Group,
    /// More groups than [`HostConfig::groups`].
    #[error("group: more than the interface may have")]
    Limit,
}

/// What is wanted of a group on an interface (RFC 3376 §3.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostFilter<A> {
    /// Filter mode EXCLUDE; else INCLUDE.
    pub exclude: bool,
    /// The sources.
    pub sources: BTreeSet<A>,
}

impl<A: Ord> HostFilter<A> {
    /// INCLUDE ({}): nothing.
    #[must_use]
    pub const fn none() -> Self {
        Self { exclude: false, sources: BTreeSet::new() }
    }

    /// EXCLUDE ({}): everything.
    #[must_use]
    pub const fn all() -> Self {
        Self { exclude: true, sources: BTreeSet::new() }
    }

    /// Whether nothing is wanted.
    #[must_use]
    pub fn is_none(&self) -> bool {
        !self.exclude && self.sources.is_empty()
    }
}

/// What goes out: a datagram to be sent with TTL 1 and the Router Alert option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostOutput<A> {
    /// The interface.
    pub iface: IfIndex,
    /// The IP source.
    pub source: A,
    /// The IP destination.
    pub destination: A,
    /// The payload.
    pub octets: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer<A> {
    /// The interface timer: an answer to a general query.
    Interface(IfIndex),
    /// The timer of a group: an answer to a query of it; in older versions to any query.
    Group(IfIndex, A),
    /// The next state-change report.
    Change(IfIndex),
    /// The next unsolicited report of a group in an older version.
    Unsolicited(IfIndex, A),
    /// Older Version Querier Present: version 1.
    V1Querier(IfIndex),
    /// The same of version 2.
    V2Querier(IfIndex),
}

/// A group on an interface.
#[derive(Clone, Debug)]
struct Group<A> {
    filter: HostFilter<A>,
    /// How often a change of the filter mode is still to be said.
    mode_changes: u8,
    /// How often a change of a source is still to be said.
    changes: BTreeMap<A, u8>,
    /// Sources that a query asked for; none is all.
    asked: BTreeSet<A>,
    /// In older versions: this host was the last to report (RFC 2236 §6).
    last_reporter: bool,
    /// Unsolicited reports of an older version still to be sent.
    unsolicited: u8,
}

impl<A> Default for Group<A> {
    fn default() -> Self {
        Self {
            filter: HostFilter { exclude: false, sources: BTreeSet::new() },
            mode_changes: 0,
            changes: BTreeMap::new(),
            asked: BTreeSet::new(),
            last_reporter: false,
            unsolicited: 0,
        }
    }
}

#[derive(Clone, Debug)]
struct Interface<A> {
    address: A,
    robustness: u8,
    groups: BTreeMap<A, Group<A>>,
}

/// The host side of IGMP or MLD.
///
/// ```
/// use core::net::Ipv4Addr;
/// use fwd_core::{net::IfIndex, time::Instant};
/// use mvpn::gmp::{GmpHost, HostConfig, HostFilter};
///
/// let now = Instant::ZERO;
/// let mut host = GmpHost::new(now, HostConfig::default())?;
/// host.add_interface(now, IfIndex(1), Ipv4Addr::new(192, 0, 2, 9))?;
/// host.listen(now, IfIndex(1), Ipv4Addr::new(239, 1, 1, 1), HostFilter::all())?;
/// let report = host.poll_output().unwrap();
/// assert_eq!(report.destination, Ipv4Addr::new(224, 0, 0, 22));
/// # Ok::<(), mvpn::gmp::HostError>(())
/// ```
#[derive(Clone, Debug)]
pub struct GmpHost<A: Protocol> {
    config: HostConfig,
    interfaces: BTreeMap<IfIndex, Interface<A>>,
    timers: Timers<Timer<A>>,
    random: Random,
    outputs: VecDeque<HostOutput<A>>,
}

impl<A: Protocol> GmpHost<A> {
    /// A host without interfaces.
    ///
    /// # Errors
    /// A value out of its range.
    pub fn new(_now: Instant, config: HostConfig) -> Result<Self, HostError> {
        if !(1..=7).contains(&config.robustness) {
            return Err(HostError::Robustness);
        }
        if config.version < A::LOWEST {
            return Err(HostError::Version);
        }
        if config.unsolicited_report_interval.is_zero() || config.older_unsolicited_report_interval.is_zero() {
            return Err(HostError::UnsolicitedReportInterval);
        }
        let (interfaces, timers, outputs) = (BTreeMap::new(), Timers::new(), VecDeque::new());
        Ok(Self { random: Random::new(config.seed), config, interfaces, timers, outputs })
    }

    /// Begins on an interface; `address` is the source of reports, in IPv6 link-local.
    ///
    /// # Errors
    /// An interface that is there, or an address that hosts do not report from.
    pub fn add_interface(&mut self, _now: Instant, iface: IfIndex, address: A) -> Result<(), HostError> {
        if !A::is_reporter(address) {
            return Err(HostError::Address);
        }
        if self.interfaces.contains_key(&iface) {
            return Err(HostError::Interface);
        }
        let interface = Interface { address, robustness: self.config.robustness, groups: BTreeMap::new() };
        self.interfaces.insert(iface, interface);
        Ok(())
    }

    /// Says what is wanted of a group on an interface from now on: IPMulticastListen of RFC 3376 §2 for all who listen together.
    ///
    /// # Errors
    /// An interface that is not there, a group that is not reported, or more groups than allowed.
    pub fn listen(&mut self, now: Instant, iface: IfIndex, group: A, filter: HostFilter<A>) -> Result<(), HostError> {
        if !group.is_multicast() || A::is_never_reported(group) {
            return Err(HostError::Group);
        }
        let most = self.config.groups;
        let interface = self.interfaces.get_mut(&iface).ok_or(HostError::Interface)?;
        if !interface.groups.contains_key(&group) {
            if filter.is_none() {
                return Ok(());
            }
            if interface.groups.len() >= most {
                return Err(HostError::Limit);
            }
        }
        let robustness = interface.robustness;
        let state = interface.groups.entry(group).or_default();
        let old = core::mem::replace(&mut state.filter, filter);
        if old == state.filter {
            return Ok(());
        }
        match self.compatibility(iface) {
            Version::V3 => {
                if let Some(state) = self.group_mut(iface, group) {
                    state.changed(&old, robustness);
                }
                self.change_report(now, iface);
            }
            older => self.older_change(now, iface, group, older, old.is_none()),
        }
        Ok(())
    }

    /// The version that the interface speaks: the oldest querier's that was heard lately (RFC 3376 §7.2.1).
    #[must_use]
    pub fn compatibility(&self, iface: IfIndex) -> Version {
        let heard = |timer| self.timers.get(timer).is_some();
        let version = if heard(Timer::V1Querier(iface)) {
            Version::V1
        } else if heard(Timer::V2Querier(iface)) {
            Version::V2
        } else {
            Version::V3
        };
        version.min(self.config.version)
    }

    /// Takes a datagram of an interface; one that is malformed or not from its link is dropped.
    pub fn handle_input(&mut self, now: Instant, input: RouterInput<'_, A>) {
        let RouterInput::Datagram { iface, source, destination, hop_limit, octets, .. } = input;
        let Ok(message) = A::parse_message(octets, source, destination) else { return };
        if hop_limit != 1 || !self.interfaces.contains_key(&iface) {
            return;
        }
        match message {
            Message::Query(query) => {
                let expected = if query.is_general() { A::ALL_SYSTEMS } else { query.group };
                let own = self.interfaces.get(&iface).map(|i| i.address);
                if destination == expected || Some(destination) == own {
                    self.query(now, iface, &query);
                }
            }
            // Only older versions keep silent where another member spoke.
            Message::ReportV1(group) | Message::ReportV2(group) if self.compatibility(iface) < Version::V3 => {
                if let Some(state) = self.group_mut(iface, group) {
                    state.last_reporter = false;
                    self.timers.clear(Timer::Group(iface, group));
                }
            }
            _ => {}
        }
    }

    /// When [`Self::handle_timeout`] is due. Inputs, timeouts and [`Self::listen`] change it.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        self.timers.next_timeout()
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(timer) = self.timers.expired(now) {
            match timer {
                Timer::Interface(iface) => self.answer_general(iface),
                Timer::Group(iface, group) => self.answer_group(iface, group),
                Timer::Change(iface) => self.change_report(now, iface),
                Timer::Unsolicited(iface, group) => self.unsolicited(now, iface, group),
                // The interface goes back to the newer version (RFC 3376 §7.2.1).
                Timer::V1Querier(_) | Timer::V2Querier(_) => {}
            }
        }
    }

    /// The next output.
    pub fn poll_output(&mut self) -> Option<HostOutput<A>> {
        self.outputs.pop_front()
    }

    fn group_mut(&mut self, iface: IfIndex, group: A) -> Option<&mut Group<A>> {
        self.interfaces.get_mut(&iface)?.groups.get_mut(&group)
    }

    // RFC 3376 §5.2, §7.2.1
    fn query(&mut self, now: Instant, iface: IfIndex, query: &Query<'_, A>) {
        let version = A::query_version(query);
        let most = match version {
            // RFC 3376 §7.2.2: version 1 has no Max Resp Time; it is 10 s.
            Version::V1 => Duration::from_secs(10),
            _ => query.response.duration(),
        };
        let Some(interface) = self.interfaces.get_mut(&iface) else { return };
        if let Some(v3) = query.v3 {
            let said = v3.bits.robustness();
            interface.robustness = if said == 0 { self.config.robustness } else { said };
        }
        let present = self.config.query_interval * u32::from(interface.robustness) + most;
        match version {
            Version::V1 => self.older_querier(now, iface, Timer::V1Querier(iface), present),
            Version::V2 => self.older_querier(now, iface, Timer::V2Querier(iface), present),
            Version::V3 => {}
        }
        if self.compatibility(iface) < Version::V3 {
            return self.older_query(now, iface, query, most);
        }
        let delay = self.random.up_to(most);
        // Rule 1: an answer to a general query that comes sooner says all.
        let at = now + delay;
        if self.timers.get(Timer::Interface(iface)).is_some_and(|pending| pending < at) {
            return;
        }
        if query.is_general() {
            return self.timers.set(Timer::Interface(iface), at);
        }
        let timer = Timer::Group(iface, query.group);
        let pending = self.timers.get(timer);
        let Some(state) = self.group_mut(iface, query.group).filter(|g| !g.filter.is_none()) else { return };
        let asked: BTreeSet<A> = query.sources().iter().collect();
        match pending {
            // Rule 3
            None => state.asked = asked,
            // Rule 4
            Some(_) if asked.is_empty() || state.asked.is_empty() => state.asked = BTreeSet::new(),
            // Rule 5
            Some(_) => state.asked.extend(asked),
        }
        self.timers.set(timer, pending.map_or(at, |p| p.min(at)));
    }

    /// Reports of another version that wait are dropped when an older querier appears (RFC 3376 §7.2.1).
    fn older_querier(&mut self, now: Instant, iface: IfIndex, timer: Timer<A>, present: Duration) {
        let before = self.compatibility(iface);
        self.timers.set(timer, now + present);
        if self.compatibility(iface) == before {
            return;
        }
        self.timers.clear(Timer::Interface(iface));
        self.timers.clear(Timer::Change(iface));
        let Some(interface) = self.interfaces.get_mut(&iface) else { return };
        interface.groups.retain(|_, state| !state.filter.is_none());
        for (group, state) in &mut interface.groups {
            state.mode_changes = 0;
            state.changes.clear();
            state.asked.clear();
            self.timers.clear(Timer::Group(iface, *group));
        }
    }

    /// The answer to a general query: the state of every group.
    fn answer_general(&mut self, iface: IfIndex) {
        let Some(interface) = self.interfaces.get(&iface) else { return };
        let all = interface.groups.iter().filter(|(_, g)| !g.filter.is_none());
        let records: Vec<_> = all
            .map(|(group, g)| {
                let kind = if g.filter.exclude { RecordType::IS_EXCLUDE } else { RecordType::IS_INCLUDE };
                (kind, *group, g.filter.sources.clone())
            })
            .collect();
        self.report(iface, records);
    }

    fn answer_group(&mut self, iface: IfIndex, group: A) {
        let version = self.compatibility(iface);
        let Some(state) = self.group_mut(iface, group) else { return };
        if version < Version::V3 {
            return self.older_report(iface, group, version);
        }
        let (filter, asked) = (&state.filter, core::mem::take(&mut state.asked));
        let record = match (asked.is_empty(), filter.exclude) {
            (true, true) => (RecordType::IS_EXCLUDE, group, filter.sources.clone()),
            (true, false) => (RecordType::IS_INCLUDE, group, filter.sources.clone()),
            (false, false) => (RecordType::IS_INCLUDE, group, &filter.sources & &asked),
            (false, true) => (RecordType::IS_INCLUDE, group, &asked - &filter.sources),
        };
        // A query of sources that are not wanted gets no answer.
        if !record.2.is_empty() || record.0 == RecordType::IS_EXCLUDE {
            self.report(iface, Vec::from([record]));
        }
    }

    /// A state-change report, and the time of the next one (RFC 3376 §5.1).
    fn change_report(&mut self, now: Instant, iface: IfIndex) {
        let Some(interface) = self.interfaces.get_mut(&iface) else { return };
        let mut records = Vec::new();
        for (group, state) in &mut interface.groups {
            state.change_records(*group, &mut records);
        }
        let more = interface.groups.values().any(Group::has_changes);
        interface.groups.retain(|_, state| !state.filter.is_none() || state.has_changes());
        self.report(iface, records);
        if more {
            let delay = self.random.up_to(self.config.unsolicited_report_interval);
            self.timers.set(Timer::Change(iface), now + delay);
        } else {
            self.timers.clear(Timer::Change(iface));
        }
    }

    /// Sends records in as many reports as they need.
    fn report(&mut self, iface: IfIndex, records: Vec<(RecordType, A, BTreeSet<A>)>) {
        let head = A::LEN.saturating_add(4);
        let most = ROOM.saturating_sub(head).checked_div(A::LEN).unwrap_or(1);
        let mut report = ReportBuf::new();
        for (kind, group, sources) in records {
            let sources: Vec<A> = sources.into_iter().collect();
            // RFC 3376 §4.2.16: other records are split; of an EXCLUDE one the rest of the sources is left out.
            let exclude = matches!(kind, RecordType::IS_EXCLUDE | RecordType::TO_EXCLUDE);
            let mut chunks: Vec<&[A]> = sources.chunks(most).take(if exclude { 1 } else { usize::MAX }).collect();
            if chunks.is_empty() {
                chunks.push(&[]);
            }
            for chunk in chunks {
                let len = chunk.len().saturating_mul(A::LEN).saturating_add(head);
                if !report.is_empty() && report.records_len().saturating_add(len) > ROOM {
                    let full = core::mem::take(&mut report);
                    self.send(iface, A::ALL_REPORT_ROUTERS, &Message::ReportV3(full.as_report()));
                }
                report.push(kind, group, chunk.iter().copied());
            }
        }
        if !report.is_empty() {
            self.send(iface, A::ALL_REPORT_ROUTERS, &Message::ReportV3(report.as_report()));
        }
    }

    fn send(&mut self, iface: IfIndex, destination: A, message: &Message<'_, A>) {
        let Some(source) = self.interfaces.get(&iface).map(|i| i.address) else { return };
        let mut octets = Vec::new();
        A::emit_message(message, source, destination, &mut octets);
        self.outputs.push_back(HostOutput { iface, source, destination, octets });
    }

    // What follows is RFC 2236 §3, §6, RFC 2710 §4, §5 and RFC 1112 Appendix I: groups alone count, and a filter that is not empty is a
    // membership.

    fn older_query(&mut self, now: Instant, iface: IfIndex, query: &Query<'_, A>, most: Duration) {
        let Some(interface) = self.interfaces.get(&iface) else { return };
        let asked = |group: &A| query.is_general() || *group == query.group;
        let groups: Vec<A> =
            interface.groups.iter().filter(|(g, s)| asked(g) && !s.filter.is_none()).map(|(g, _)| *g).collect();
        for group in groups {
            // Each group has a delay of its own.
            let at = now + self.random.up_to(most);
            let timer = Timer::Group(iface, group);
            if self.timers.get(timer).is_none_or(|pending| pending > at) {
                self.timers.set(timer, at);
            }
        }
    }

    fn older_change(&mut self, now: Instant, iface: IfIndex, group: A, version: Version, new: bool) {
        let robustness = self.interfaces.get(&iface).map_or(1, |i| i.robustness);
        let Some(state) = self.group_mut(iface, group) else { return };
        if state.filter.is_none() {
            let tell = state.last_reporter && version >= Version::V2;
            self.timers.clear(Timer::Group(iface, group));
            self.timers.clear(Timer::Unsolicited(iface, group));
            if let Some(interface) = self.interfaces.get_mut(&iface) {
                interface.groups.remove(&group);
            }
            if tell {
                self.send(iface, A::ALL_ROUTERS, &Message::Leave(group));
            }
        } else if new {
            state.unsolicited = robustness;
            self.unsolicited(now, iface, group);
        }
    }

    fn unsolicited(&mut self, now: Instant, iface: IfIndex, group: A) {
        let version = self.compatibility(iface);
        let Some(state) = self.group_mut(iface, group).filter(|g| g.unsolicited > 0) else { return };
        state.unsolicited = state.unsolicited.saturating_sub(1);
        let more = state.unsolicited > 0;
        if version == Version::V3 {
            return;
        }
        self.older_report(iface, group, version);
        if more {
            let delay = self.random.up_to(self.config.older_unsolicited_report_interval);
            self.timers.set(Timer::Unsolicited(iface, group), now + delay);
        }
    }

    fn older_report(&mut self, iface: IfIndex, group: A, version: Version) {
        let Some(state) = self.group_mut(iface, group) else { return };
        state.last_reporter = true;
        let message = if version == Version::V1 { Message::ReportV1(group) } else { Message::ReportV2(group) };
        self.send(iface, group, &message);
    }
}

impl<A: Protocol> Group<A> {
    fn has_changes(&self) -> bool {
        self.mode_changes > 0 || !self.changes.is_empty()
    }

    /// The filter changed; the change is said as often as the robustness (RFC 3376 §5.1).
    fn changed(&mut self, old: &HostFilter<A>, robustness: u8) {
        if old.exclude != self.filter.exclude {
            self.mode_changes = robustness;
            self.changes.clear();
            return;
        }
        let differ = (&old.sources - &self.filter.sources).into_iter().chain(&self.filter.sources - &old.sources);
        for source in differ {
            self.changes.insert(source, robustness);
        }
    }

    /// The records of the next state-change report.
    fn change_records(&mut self, group: A, records: &mut Vec<(RecordType, A, BTreeSet<A>)>) {
        if self.mode_changes > 0 {
            self.mode_changes = self.mode_changes.saturating_sub(1);
            let kind = if self.filter.exclude { RecordType::TO_EXCLUDE } else { RecordType::TO_INCLUDE };
            records.push((kind, group, self.filter.sources.clone()));
            // The record says the whole list: what changed beside the mode is said with it.
            self.changes.retain(|_, n| {
                *n = n.saturating_sub(1);
                *n > 0
            });
            return;
        }
        let changed: BTreeSet<A> = self.changes.keys().copied().collect();
        let (named, gone) = (&changed & &self.filter.sources, &changed - &self.filter.sources);
        let (allow, block) = if self.filter.exclude { (gone, named) } else { (named, gone) };
        for (kind, sources) in [(RecordType::ALLOW, allow), (RecordType::BLOCK, block)] {
            if !sources.is_empty() {
                records.push((kind, group, sources));
            }
        }
        self.changes.retain(|_, n| {
            *n = n.saturating_sub(1);
            *n > 0
        });
    }
}
