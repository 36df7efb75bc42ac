//! The state of a group on an interface, and the state tables of the router side (RFC 3376 §6.2 to §6.5, RFC 3810 §7.2 to §7.5).
// The operators here are those of sets.
#![allow(clippy::arithmetic_side_effects)]

use alloc::collections::BTreeSet;

use super::RecordType;
use crate::address::Address;

/// A filter mode with its source lists.
///
/// On an interface of a router a source of an INCLUDE filter and a requested source of an EXCLUDE filter have a source timer that
/// runs; an excluded one has none. An INCLUDE filter without sources is no state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Filter<A> {
    /// INCLUDE (A): these sources are wanted.
    Include(BTreeSet<A>),
    /// EXCLUDE (X, Y): all sources are wanted but those that are excluded.
    Exclude {
        /// X: sources that someone asked for by name.
        requested: BTreeSet<A>,
        /// Y: sources that nobody wants.
        excluded: BTreeSet<A>,
    },
}

impl<A> Default for Filter<A> {
    fn default() -> Self {
        Self::Include(BTreeSet::new())
    }
}

impl<A: Address> Filter<A> {
    /// Whether nothing is wanted.
    #[must_use]
    pub fn is_none(&self) -> bool {
        matches!(self, Self::Include(sources) if sources.is_empty())
    }

    /// Whether the mode is EXCLUDE.
    #[must_use]
    pub const fn is_exclude(&self) -> bool {
        matches!(self, Self::Exclude { .. })
    }

    /// Whether traffic of `source` is wanted (RFC 3376 §6.3).
    #[must_use]
    pub fn wants(&self, source: &A) -> bool {
        match self {
            Self::Include(sources) => sources.contains(source),
            Self::Exclude { excluded, .. } => !excluded.contains(source),
        }
    }

    /// Whether the source is in any of the lists.
    #[must_use]
    pub fn names(&self, source: &A) -> bool {
        match self {
            Self::Include(sources) => sources.contains(source),
            Self::Exclude { requested, excluded } => requested.contains(source) || excluded.contains(source),
        }
    }

    /// How many sources are in the lists.
    #[must_use]
    pub fn len(&self) -> usize {
        match self {
            Self::Include(sources) => sources.len(),
            Self::Exclude { requested, excluded } => requested.len().saturating_add(excluded.len()),
        }
    }

    /// Whether no source is in the lists.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The sources whose timers run.
    #[must_use]
    pub const fn timed(&self) -> &BTreeSet<A> {
        match self {
            Self::Include(sources) | Self::Exclude { requested: sources, .. } => sources,
        }
    }

    /// The filter of one host after its record: what explicit tracking keeps (RFC 3376 Appendix A.2).
    #[must_use]
    pub fn of_host(self, record: RecordType, sources: &BTreeSet<A>) -> Self {
        let none = BTreeSet::new();
        match (self, record) {
            (_, RecordType::IS_INCLUDE | RecordType::TO_INCLUDE) => Self::Include(sources.clone()),
            (_, RecordType::IS_EXCLUDE | RecordType::TO_EXCLUDE) => {
                Self::Exclude { requested: none, excluded: sources.clone() }
            }
            (Self::Include(a), RecordType::ALLOW) => Self::Include(&a | sources),
            (Self::Include(a), RecordType::BLOCK) => Self::Include(&a - sources),
            (Self::Exclude { excluded, .. }, RecordType::ALLOW) => {
                Self::Exclude { requested: none, excluded: &excluded - sources }
            }
            (Self::Exclude { excluded, .. }, RecordType::BLOCK) => {
                Self::Exclude { requested: none, excluded: &excluded | sources }
            }
            (state, _) => state,
        }
    }
}

/// What source timers are set to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimerValue {
    /// The Group Membership Interval (MLD: Multicast Address Listening Interval).
    #[default]
    MembershipInterval,
    /// What is left of the group timer.
    GroupTimer,
}

/// What a record does to a group: a row of the tables in RFC 3376 §6.4 and RFC 3810 §7.4.
///
/// Sources of the old state that the new one does not name are deleted, with their timers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transition<A> {
    /// The new router state.
    pub next: Filter<A>,
    /// Sources whose timers are set.
    pub set: BTreeSet<A>,
    /// What they are set to.
    pub value: TimerValue,
    /// Group Timer = GMI.
    pub set_group_timer: bool,
    /// Send Q(G, these), unless there is none.
    pub query_sources: BTreeSet<A>,
    /// Send Q(G).
    pub query_group: bool,
}

/// The transition of a group's state at a record. A record of an unknown type does nothing (RFC 3376 §4.2.12).
#[must_use]
pub fn transition<A: Address>(state: &Filter<A>, record: RecordType, sources: &BTreeSet<A>) -> Transition<A> {
    match state {
        Filter::Include(a) => include(a, record, sources),
        Filter::Exclude { requested, excluded } => exclude(requested, excluded, record, sources),
    }
}

fn row<A>(next: Filter<A>, set: BTreeSet<A>) -> Transition<A> {
    Transition {
        next,
        set,
        value: TimerValue::MembershipInterval,
        set_group_timer: false,
        query_sources: BTreeSet::new(),
        query_group: false,
    }
}

/// Router state INCLUDE (A), report of B.
fn include<A: Address>(a: &BTreeSet<A>, record: RecordType, b: &BTreeSet<A>) -> Transition<A> {
    let to_exclude = || Filter::Exclude { requested: a & b, excluded: b - a };
    match record {
        // INCLUDE (A+B)   (B)=GMI
        RecordType::IS_INCLUDE | RecordType::ALLOW => row(Filter::Include(a | b), b.clone()),
        // EXCLUDE (A*B,B-A)   (B-A)=0, Delete (A-B), Group Timer=GMI
        RecordType::IS_EXCLUDE => Transition { set_group_timer: true, ..row(to_exclude(), BTreeSet::new()) },
        // INCLUDE (A)   Send Q(G,A*B)
        RecordType::BLOCK => Transition { query_sources: a & b, ..row(Filter::Include(a.clone()), BTreeSet::new()) },
        // EXCLUDE (A*B,B-A)   (B-A)=0, Delete (A-B), Send Q(G,A*B), Group Timer=GMI
        RecordType::TO_EXCLUDE => {
            Transition { set_group_timer: true, query_sources: a & b, ..row(to_exclude(), BTreeSet::new()) }
        }
        // INCLUDE (A+B)   (B)=GMI, Send Q(G,A-B)
        RecordType::TO_INCLUDE => Transition { query_sources: a - b, ..row(Filter::Include(a | b), b.clone()) },
        _ => row(Filter::Include(a.clone()), BTreeSet::new()),
    }
}

/// Router state EXCLUDE (X,Y), report of A.
fn exclude<A: Address>(x: &BTreeSet<A>, y: &BTreeSet<A>, record: RecordType, a: &BTreeSet<A>) -> Transition<A> {
    let state = |requested, excluded| Filter::Exclude { requested, excluded };
    let unknown = || &(a - x) - y;
    match record {
        // EXCLUDE (X+A,Y-A)   (A)=GMI
        RecordType::IS_INCLUDE | RecordType::ALLOW => row(state(x | a, y - a), a.clone()),
        // EXCLUDE (A-Y,Y*A)   (A-X-Y)=GMI, Delete (X-A), Delete (Y-A), Group Timer=GMI
        RecordType::IS_EXCLUDE => Transition { set_group_timer: true, ..row(state(a - y, y & a), unknown()) },
        // EXCLUDE (X+(A-Y),Y)   (A-X-Y)=Group Timer, Send Q(G,A-Y)
        RecordType::BLOCK => Transition {
            value: TimerValue::GroupTimer,
            query_sources: a - y,
            ..row(state(x | &(a - y), y.clone()), unknown())
        },
        // EXCLUDE (A-Y,Y*A)   (A-X-Y)=Group Timer, Delete (X-A), Delete (Y-A), Send Q(G,A-Y), Group Timer=GMI
        RecordType::TO_EXCLUDE => Transition {
            value: TimerValue::GroupTimer,
            set_group_timer: true,
            query_sources: a - y,
            ..row(state(a - y, y & a), unknown())
        },
        // EXCLUDE (X+A,Y-A)   (A)=GMI, Send Q(G,X-A), Send Q(G)
        RecordType::TO_INCLUDE => {
            Transition { query_sources: x - a, query_group: true, ..row(state(x | a, y - a), a.clone()) }
        }
        _ => row(state(x.clone(), y.clone()), BTreeSet::new()),
    }
}

/// The state after the timer of a source expired (RFC 3376 §6.3): it is deleted, or excluded.
#[must_use]
pub fn source_expired<A: Address>(state: Filter<A>, source: A) -> Filter<A> {
    match state {
        Filter::Include(mut a) => {
            a.remove(&source);
            Filter::Include(a)
        }
        Filter::Exclude { mut requested, mut excluded } => {
            if requested.remove(&source) {
                excluded.insert(source);
            }
            Filter::Exclude { requested, excluded }
        }
    }
}

/// The state after the group timer expired (RFC 3376 §6.5): INCLUDE of the sources whose timers run.
#[must_use]
pub fn group_expired<A: Address>(state: Filter<A>) -> Filter<A> {
    match state {
        Filter::Exclude { requested, .. } => Filter::Include(requested),
        include => include,
    }
}

#[cfg(test)]
mod tests {
    use core::net::Ipv4Addr;

    use super::*;

    fn set(of: &[u8]) -> BTreeSet<Ipv4Addr> {
        of.iter().map(|&n| Ipv4Addr::new(192, 0, 2, n)).collect()
    }

    #[test]
    fn expiry_of_timers() {
        let state = Filter::Exclude { requested: set(&[1, 2]), excluded: set(&[3]) };
        let after = source_expired(state.clone(), Ipv4Addr::new(192, 0, 2, 1));
        assert_eq!(after, Filter::Exclude { requested: set(&[2]), excluded: set(&[1, 3]) });
        assert_eq!(group_expired(after), Filter::Include(set(&[2])));
        assert!(source_expired(Filter::Include(set(&[1])), Ipv4Addr::new(192, 0, 2, 1)).is_none());
    }

    #[test]
    fn what_a_host_wants_after_its_records() {
        let host = Filter::default()
            .of_host(RecordType::TO_EXCLUDE, &set(&[1]))
            .of_host(RecordType::BLOCK, &set(&[2]))
            .of_host(RecordType::ALLOW, &set(&[1]));
        assert!(host.wants(&Ipv4Addr::new(192, 0, 2, 1)) && !host.wants(&Ipv4Addr::new(192, 0, 2, 2)));
        let host = host.of_host(RecordType::TO_INCLUDE, &set(&[5])).of_host(RecordType::BLOCK, &set(&[5]));
        assert!(host.is_none());
    }
}
