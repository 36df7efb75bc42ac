//! PIM-DM (RFC 3973): groups that are flooded, and pruned where nobody wants them.
//!
//! | Section | File | What |
//! |---|---|---|
//! | 4.1.3 | `mod.rs` | the state, and the macros of it |
//! | 4.4.1, 4.4.2, 4.5.2, 4.6.4 | `fsm.rs` | the machines as functions |
//! | 4.2, 4.4 | `act.rs` | data, changes of what is true, actions, timers |
//! | 4.4, 4.6 | `receive.rs` | Join/Prunes, Grafts, Asserts |
//! | 4.5 | `refresh.rs` | State Refresh: origination and forwarding |
//!
//! The forwarder has a route for each (S,G) that software saw a packet of. A pruned one has no copies but, when the Prune Limit Timer does
//! not run, one for software: the next packet brings another Prune.

mod act;
pub mod fsm;
mod receive;
mod refresh;

use alloc::collections::BTreeMap;
use core::time::Duration;

use fwd_core::net::IfIndex;
use fwd_core::time::Instant;

use super::assert::{AssertMetric, AssertState};
use super::io::Membership;
use super::macros::Olist;
use super::network::{Network, PimAddress};
use super::router::PimRouter;
use super::state::{Installed, Rpf};
use fsm::{OriginationState, PruneState, UpstreamState};

/// A timer of PIM-DM, group before source (RFC 3973 §4.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum DenseTimer<A> {
    /// PPT(S,G,I)
    PrunePending(A, A, IfIndex),
    /// PT(S,G,I)
    Prune(A, A, IfIndex),
    /// AT(S,G,I)
    Assert(A, A, IfIndex),
    /// GRT(S,G)
    GraftRetry(A, A),
    /// OT(S,G)
    Override(A, A),
    /// PLT(S,G)
    PruneLimit(A, A),
    /// SAT(S,G)
    SourceActive(A, A),
    /// SRT(S,G)
    StateRefresh(A, A),
    /// No packet and no message for so long: the state may go.
    Idle(A, A),
}

/// State of (S,G) on an interface.
#[derive(Clone, Debug)]
pub(super) struct DenseInterface<A> {
    prune: PruneState,
    /// The longest holdtime of the Prunes in force.
    holdtime: Duration,
    assert: AssertState,
    /// AssertWinner, AssertWinnerMetric.
    winner: Option<AssertMetric<A>>,
}

impl<A> Default for DenseInterface<A> {
    fn default() -> Self {
        Self { prune: PruneState::NoInfo, holdtime: Duration::ZERO, assert: AssertState::NoInfo, winner: None }
    }
}

impl<A> DenseInterface<A> {
    fn is_idle(&self) -> bool {
        self.prune == PruneState::NoInfo && self.assert == AssertState::NoInfo
    }
}

/// State of (S,G).
#[derive(Clone, Debug)]
pub(super) struct DenseSource<A> {
    upstream: UpstreamState,
    origination: OriginationState,
    rpf: Rpf<A>,
    connected: bool,
    interfaces: BTreeMap<IfIndex, DenseInterface<A>>,
    /// When the last State Refresh was passed on.
    refreshed: Option<Instant>,
    /// How many this router originated.
    refreshes: u8,
    pub(super) refused: bool,
    pub(super) installed: Option<Installed>,
}

impl<A> Default for DenseSource<A> {
    fn default() -> Self {
        Self {
            upstream: UpstreamState::Forwarding,
            origination: OriginationState::NotOriginator,
            rpf: Rpf::default(),
            connected: false,
            interfaces: BTreeMap::new(),
            refreshed: None,
            refreshes: 0,
            refused: false,
            installed: None,
        }
    }
}

/// The groups of PIM-DM.
#[derive(Clone, Debug)]
pub(super) struct Dense<A> {
    /// By group, then source.
    pub(super) sources: BTreeMap<(A, A), DenseSource<A>>,
    /// What local members want: group, source, interface.
    members: BTreeMap<(A, Option<A>, IfIndex), Membership>,
}

impl<A> Default for Dense<A> {
    fn default() -> Self {
        Self { sources: BTreeMap::new(), members: BTreeMap::new() }
    }
}

impl<A: PimAddress> Network<A> {
    /// Whether the group is one of PIM-DM.
    pub(super) fn is_dense(&self, group: A) -> bool {
        let ranges = self.config.dense.as_ref().map(|d| d.ranges.as_slice()).unwrap_or_default();
        ranges.iter().any(|range| group.is_in(range)) && !self.is_ssm(group)
    }
}

// RFC 3973 §4.1.3
impl<A: PimAddress> PimRouter<A> {
    fn dense(&self, g: A, s: A) -> Option<&DenseSource<A>> {
        self.dense.sources.get(&(g, s))
    }

    fn dense_mut(&mut self, g: A, s: A) -> Option<&mut DenseSource<A>> {
        self.dense.sources.get_mut(&(g, s))
    }

    fn dense_interface(&self, g: A, s: A, i: IfIndex) -> Option<&DenseInterface<A>> {
        self.dense(g, s)?.interfaces.get(&i)
    }

    /// `pim_include(*,G) (-) pim_exclude(S,G) (+) pim_include(S,G)`, of one interface.
    fn dense_members(&self, g: A, s: A, i: IfIndex) -> bool {
        let of = |source| self.dense.members.get(&(g, source, i)).copied().unwrap_or(Membership::None);
        of(None) == Membership::Include && of(Some(s)) != Membership::Exclude || of(Some(s)) == Membership::Include
    }

    /// CouldAssert(S,G,I)
    fn dense_could_assert(&self, s: A, i: IfIndex) -> bool {
        self.net.rpf_interface(s) != Some(i)
    }

    /// spt_assert_metric(S,I)
    fn dense_spt_metric(&self, s: A, i: IfIndex) -> AssertMetric<A> {
        let address = self.net.address(i);
        self.net.metric(s).map_or_else(
            || AssertMetric::infinite(address),
            |(preference, metric)| AssertMetric { rpt: false, preference, metric, address },
        )
    }

    /// my_assert_metric(S,G,I)
    fn dense_metric(&self, s: A, i: IfIndex) -> AssertMetric<A> {
        if self.dense_could_assert(s, i) { self.dense_spt_metric(s, i) } else { AssertMetric::infinite(A::UNSPECIFIED) }
    }

    /// lost_assert(S,G,I)
    fn dense_lost_assert(&self, g: A, s: A, i: IfIndex) -> bool {
        let lost = |x: &DenseInterface<A>| {
            x.assert == AssertState::Loser && x.winner.is_some_and(|w| w.is_better(&self.dense_spt_metric(s, i)))
        };
        self.dense_could_assert(s, i) && self.dense_interface(g, s, i).is_some_and(lost)
    }

    /// olist(S,G)
    fn dense_olist(&self, g: A, s: A) -> Olist {
        let rpf = self.net.rpf_interface(s);
        let wanted = |i: &IfIndex| {
            let Some(interface) = self.net.interfaces.get(i) else { return false };
            let pruned = self.dense_interface(g, s, *i).is_some_and(|x| x.prune == PruneState::Pruned);
            let flooded = !interface.neighbors.is_empty() && !pruned;
            rpf != Some(*i)
                && interface.config.receivers
                && interface.config.group_filter.permits(g)
                && (flooded || self.dense_members(g, s, *i))
                && !self.dense_lost_assert(g, s, *i)
        };
        self.net.interfaces.keys().copied().filter(wanted).collect()
    }

    /// RPF'(S,G), with the interface towards the source.
    fn dense_rpf(&self, g: A, s: A) -> Rpf<A> {
        let mut rpf = self.net.rpf(s);
        let state = rpf.interface.and_then(|i| self.dense_interface(g, s, i));
        if let Some(winner) = state.filter(|x| x.assert == AssertState::Loser).and_then(|x| x.winner) {
            rpf.neighbor = Some(winner.address);
        }
        rpf
    }

    /// What the forwarder should do with (S,G): the interface packets come from, the copies, and whether software wants one.
    pub(super) fn dense_route(&self, g: A, s: A) -> Option<(Option<IfIndex>, Olist, bool)> {
        let source = self.dense(g, s).filter(|x| !x.refused)?;
        let limited = self.timers.get(super::state::Timer::Dense(DenseTimer::PruneLimit(g, s))).is_some();
        let olist = self.dense_olist(g, s);
        let pruned = source.upstream == UpstreamState::Pruned;
        let unwanted = (pruned || olist.is_empty()) && !source.connected;
        let olist = if pruned { Olist::new() } else { olist };
        Some((self.net.rpf_interface(s), olist, unwanted && !limited))
    }
}
