//! Limits that an operator changes while the MVRF runs (RFC 4834 §5.2.5).

use alloc::vec::Vec;
use fwd_core::time::Instant;

use super::config::{MvpnConfigError, MvpnLimits};
use super::damping::Merit;
use super::instance::{Mvrf, PeKey};
use super::io::CTree;
use super::route::{AdRoute, McastKind, McastRoute, SFlow};
use super::s_pmsi::Move;
use super::shared::{Shared, Timer};

/// Which limit a route of another PE counts against.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Held {
    Members,
    Joins,
    SPmsis,
    Sources,
    Leaves,
}

impl Held {
    pub(super) const fn of(route: &McastRoute) -> Option<Self> {
        Some(match route.kind {
            McastKind::Ad(AdRoute::IntraAsIPmsi(_)) => Self::Members,
            McastKind::Ad(AdRoute::SPmsi { .. }) => Self::SPmsis,
            McastKind::Ad(AdRoute::InterAsIPmsi(_)) => return None,
            McastKind::Leaf { .. } => Self::Leaves,
            McastKind::SourceActive(_) => Self::Sources,
            McastKind::SharedTreeJoin(_) | McastKind::SourceTreeJoin(_) => Self::Joins,
        })
    }
}

impl Mvrf {
    /// What there is of a kind beyond its limit.
    pub(super) fn excess(&self, held: Held) -> usize {
        let l = &self.config.limits;
        let (used, max) = match held {
            Held::Members => (self.members.len(), l.members),
            Held::Joins => (self.joins.len(), l.joins),
            // Those that are withdrawn go by themselves.
            Held::SPmsis => {
                let of_flows = self.s_in.values().filter(|s| !s.is_withdrawn).count();
                (of_flows.saturating_add(self.bidir.offer_count()), l.s_pmsis)
            }
            Held::Sources => (self.sources.len(), l.sources),
            Held::Leaves => (self.leaf_count, l.leaves),
        };
        used.saturating_sub(max)
    }

    /// Takes new limits. `routes`: what other PEs said, the newest first. What was there first stays; the rest goes as if it had been
    /// withdrawn, and comes back when it is said again; S-PMSIs of this PE that there is room for again come back by themselves.
    pub(super) fn set_limits(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        limits: MvpnLimits,
        routes: &[McastRoute],
    ) -> Result<(), MvpnConfigError> {
        if limits.has_zero() {
            return Err(MvpnConfigError::Limits);
        }
        let old = core::mem::replace(&mut self.config.limits, limits);
        let mut s_pmsis = self.excess(Held::SPmsis);
        for route in routes {
            let is_too_many = match (Held::of(route), route.kind) {
                (_, McastKind::Ad(AdRoute::SPmsi { rd, flow, originator })) => {
                    let key = PeKey { address: originator, rd };
                    let known = self.s_in.get(&(key, flow)).is_some_and(|s| !s.is_withdrawn);
                    let drops = s_pmsis > 0 && (known || self.bidir.has_offer(key, flow));
                    s_pmsis = s_pmsis.saturating_sub(usize::from(drops));
                    drops
                }
                (Some(held), _) => self.excess(held) > 0,
                (None, _) => false,
            };
            if is_too_many {
                self.route_changed(shared, now, *route, None);
            }
        }
        self.drop_crossed(shared, now);
        self.drop_in_band(shared, now);
        self.drop_trees(shared, now);
        self.drop_sources(shared);
        self.drop_s_pmsis(shared, now);
        if limits.own_s_pmsis > old.own_s_pmsis || limits.own_tunnels > old.own_tunnels {
            self.restore_s_pmsis(shared, now);
        }
        Ok(())
    }

    fn drop_trees(&mut self, shared: &mut Shared, now: Instant) {
        let excess = self.trees.len().saturating_sub(self.config.limits.trees);
        let mut trees: Vec<(u64, CTree)> = self.trees.iter().map(|(tree, known)| (known.since, *tree)).collect();
        trees.sort_unstable_by(|a, b| b.cmp(a));
        for (_, tree) in trees.into_iter().take(excess) {
            if let Some(known) = self.trees.get_mut(&tree) {
                // What is dropped flaps no more.
                (known.by_pim, known.by_source, known.merit) = (false, false, Merit::default());
            }
            shared.timers.clear(Timer::Damped(self.config.vrf, tree));
            self.update_tree(shared, now, tree);
        }
    }

    fn drop_sources(&mut self, shared: &mut Shared) {
        let excess = self.own_sources.len().saturating_sub(self.config.limits.own_sources);
        let mut sources: Vec<_> = self.own_sources.iter().map(|(source, since)| (*since, *source)).collect();
        sources.sort_unstable_by(|a, b| b.cmp(a));
        for (_, (group, source)) in sources.into_iter().take(excess) {
            self.cease(shared, group, source);
        }
    }

    fn drop_s_pmsis(&mut self, shared: &mut Shared, now: Instant) {
        let MvpnLimits { own_s_pmsis, own_tunnels, .. } = self.config.limits;
        let mut flows: Vec<(u64, SFlow)> = self.s_out.iter().map(|(flow, out)| (out.since, *flow)).collect();
        flows.sort_unstable_by(|a, b| b.cmp(a));
        for (_, flow) in flows {
            if self.s_out.len() > own_s_pmsis || self.tree_users.len() > own_tunnels {
                self.end_s_pmsi(shared, now, flow, Some(Move::Limit));
            }
        }
    }
}

impl MvpnLimits {
    /// Whether a limit is 0 that must not be.
    pub(super) fn has_zero(&self) -> bool {
        let l = self;
        [l.members, l.joins, l.s_pmsis, l.sources, l.trees, l.own_sources, l.own_tunnels, l.leaves].contains(&0)
    }
}
