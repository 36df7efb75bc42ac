//! What the machine counts and tells an operator.

use alloc::collections::{BTreeMap, VecDeque};
use core::time::Duration;

use fwd_core::net::IfIndex;
use fwd_core::time::Instant;

use super::super::Version;

/// What an [`Event`] is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum EventKind {
    /// This router has become querier.
    Querier,
    /// Another router has become querier.
    NonQuerier,
    /// A query of another version than ours: routers of a link must speak one version (RFC 3376 §7.3.1).
    QueryVersion(Version),
    /// A malformed message, or one with a wrong checksum.
    Malformed,
    /// A message that did not come from the link, or had no Router Alert option, or a wrong source.
    Unacceptable,
    /// More messages and records than [`records_per_second`](super::super::InterfaceLimits::records_per_second).
    Rate,
    /// A join of one group more than the interface may have.
    GroupLimit,
    /// A join of one group more than the VRF may have.
    VrfLimit,
    /// A join of one source more than a group may have.
    SourceLimit,
    /// A join of one group more than a host may have.
    HostLimit,
    /// A join that the filter does not permit.
    Filtered,
    /// A join of all sources in the SSM range (RFC 4604 §2.2).
    SsmRange,
}

/// Something an operator may want to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event<A> {
    /// The interface.
    pub iface: IfIndex,
    /// What has happened.
    pub kind: EventKind,
    /// How often since the last event of this kind and interface.
    pub count: u64,
    /// Whose message it was, the last time.
    pub from: A,
}

/// What an interface has counted since it was added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Queries received.
    pub queries: u64,
    /// Reports and leaves received.
    pub reports: u64,
    /// Group records received.
    pub records: u64,
    /// Queries sent.
    pub sent_queries: u64,
    /// Malformed messages, wrong checksums among them.
    pub malformed: u64,
    /// Messages dropped for their IP header.
    pub unacceptable: u64,
    /// Messages and records dropped for their rate.
    pub rate: u64,
    /// Joins refused by limits.
    pub limited: u64,
    /// Joins refused by the filter, or for the SSM range.
    pub filtered: u64,
    /// Messages of types that are not ours.
    pub unknown: u64,
}

#[derive(Clone, Copy, Debug)]
struct Held<A> {
    /// Before this no other event of the kind is handed out.
    until: Instant,
    /// How often it happened since.
    count: u64,
    from: A,
}

/// Events, at most one of a kind and interface in an interval.
#[derive(Clone, Debug)]
pub(super) struct Events<A> {
    interval: Duration,
    queue: VecDeque<Event<A>>,
    held: BTreeMap<(IfIndex, EventKind), Held<A>>,
}

impl<A: Copy> Events<A> {
    /// Events that nobody polls are dropped beyond so many.
    const MAX: usize = 1024;

    pub(super) const fn new(interval: Duration) -> Self {
        Self { interval, queue: VecDeque::new(), held: BTreeMap::new() }
    }

    pub(super) fn push(&mut self, now: Instant, iface: IfIndex, kind: EventKind, from: A) {
        let held = self.held.entry((iface, kind)).or_insert(Held { until: Instant::ZERO, count: 0, from });
        held.count = held.count.saturating_add(1);
        held.from = from;
        if now >= held.until && self.queue.len() < Self::MAX {
            self.queue.push_back(Event { iface, kind, count: held.count, from });
            held.count = 0;
            held.until = now + self.interval;
        }
    }

    pub(super) fn pop(&mut self) -> Option<Event<A>> {
        self.queue.pop_front()
    }
}
