//! The tunnel of an S-PMSI: one of its own, or that of flows with much the same receivers (RFC 6513 §6.3.2).

use core::net::IpAddr;

use alloc::collections::BTreeSet;
use fwd_core::time::Instant;

use super::policy::Seen;
use crate::mvrf::config::TunnelKind;
use crate::mvrf::event::MvpnLimit;
use crate::mvrf::forwarding::mroute_key;
use crate::mvrf::instance::Mvrf;
use crate::mvrf::root::TreeId;
use crate::mvrf::route::SFlow;
use crate::mvrf::shared::Shared;

impl Mvrf {
    /// A tunnel for an S-PMSI; `None`: there is none to have, and the flow waits for one.
    pub(super) fn choose_tree(&mut self, shared: &mut Shared, now: Instant, flow: SFlow) -> Option<TreeId> {
        let kind = self.kind_for(flow);
        if let Some(tree) = self.congruent(shared, kind, flow) {
            self.tree_users.entry(tree).or_default().insert(flow);
            return Some(tree);
        }
        let has_room = self.tree_users.len() < self.config.limits.own_tunnels;
        let tree = match has_room {
            true => shared.new_root(now, self.config.vrf, kind, self.shares_trunk()),
            false => {
                shared.limit(now, self.config.vrf, MvpnLimit::OwnTunnels);
                None
            }
        };
        let Some(tree) = tree.or_else(|| self.least_waste(shared, kind, flow)) else {
            self.figures.without_tunnel = self.figures.without_tunnel.saturating_add(1);
            self.waiting.insert(flow);
            return None;
        };
        self.waiting.remove(&flow);
        self.tree_users.entry(tree).or_default().insert(flow);
        Some(tree)
    }

    /// The kind of tunnel that a flow gets: another than the first choice if that failed it.
    pub(super) fn kind_for(&self, flow: SFlow) -> TunnelKind {
        let fallback = self.config.fallback.filter(|_| self.failed.contains(&flow));
        fallback.unwrap_or(self.config.selective)
    }

    /// Whether LSPs of the MVRF may reach PEs that are not of its VPN.
    pub(in crate::mvrf) const fn shares_trunk(&self) -> bool {
        self.config.aggregated && !self.config.no_foreign_leaf
    }

    /// An S-PMSI needs its tunnel no more: the last takes it down, and who waits for one gets it.
    pub(super) fn release_tree(&mut self, shared: &mut Shared, now: Instant, flow: SFlow, tree: TreeId) {
        let Some(users) = self.tree_users.get_mut(&tree) else { return };
        users.remove(&flow);
        if !users.is_empty() {
            return;
        }
        self.tree_users.remove(&tree);
        shared.drop_root(tree);
        let waits = |flow: &&SFlow| !self.s_out.contains_key(*flow) && self.is_wanted(shared, **flow);
        let next = self.waiting.iter().filter(waits).max_by_key(|flow| self.seen_of(**flow).wasted).copied();
        if let Some(next) = next {
            self.waiting.remove(&next);
            self.reconsider(shared, now, next);
        }
    }

    fn seen_of(&self, flow: SFlow) -> Seen {
        match (flow.source, flow.group.address()) {
            (Some(source), Some(group)) => self.seen(source, group),
            _ => Seen::default(),
        }
    }

    /// The PEs that receive a flow that goes by a tunnel of its own, as far as they announced themselves.
    pub(super) fn leaves_of(&self, flow: SFlow) -> BTreeSet<IpAddr> {
        match (flow.source, flow.group.address()) {
            (Some(source), Some(group)) => self.receivers_of(source, group),
            _ => BTreeSet::new(),
        }
    }

    /// Whether a tunnel carries single flows only, no wildcard.
    pub(super) fn is_single(&self, tree: TreeId) -> bool {
        let mut users = self.tree_users.get(&tree).into_iter().flatten();
        users.all(|flow| flow.source.is_some() && flow.group.address().is_some())
    }

    pub(super) fn leaves_of_tree(&self, tree: TreeId) -> BTreeSet<IpAddr> {
        self.tree_users.get(&tree).into_iter().flatten().flat_map(|flow| self.leaves_of(*flow)).collect()
    }

    /// Tunnels that a flow may share: those of this MVRF's single flows, of the same kind.
    fn candidates(&self, shared: &Shared, kind: TunnelKind) -> impl Iterator<Item = (TreeId, BTreeSet<IpAddr>)> + '_ {
        let of_kind = |tree: &TreeId| shared.roots.get(tree).is_some_and(|root| root.kind == kind);
        let trees: alloc::vec::Vec<TreeId> = match kind {
            // Copies are made for each leaf: no tunnel is saved.
            TunnelKind::IngressReplication => alloc::vec::Vec::new(),
            _ => self.tree_users.keys().copied().filter(|tree| of_kind(tree) && self.is_single(*tree)).collect(),
        };
        trees.into_iter().map(|tree| (tree, self.leaves_of_tree(tree)))
    }

    /// The tunnel whose leaves are most like those of a flow, if they are enough so.
    fn congruent(&self, shared: &Shared, kind: TunnelKind, flow: SFlow) -> Option<TreeId> {
        let least = usize::from(self.config.s_pmsi.congruence?);
        let own = self.leaves_of(flow);
        if own.is_empty() {
            return None;
        }
        let likeness = |leaves: &BTreeSet<IpAddr>| {
            let (common, all) = (leaves.intersection(&own).count(), leaves.union(&own).count());
            common.saturating_mul(100).checked_div(all).unwrap_or(0)
        };
        let best = self.candidates(shared, kind).map(|(tree, leaves)| (likeness(&leaves), tree)).max()?;
        (best.0 >= least).then_some(best.1)
    }

    /// Where there is no tunnel left: the one on which a flow wastes least, if that is less than it does by default.
    fn least_waste(&self, shared: &Shared, kind: TunnelKind, flow: SFlow) -> Option<TreeId> {
        self.config.s_pmsi.congruence?;
        let own = self.leaves_of(flow);
        let seen = self.seen_of(flow);
        if own.is_empty() {
            return None;
        }
        let weight = |pes: &mut dyn Iterator<Item = &IpAddr>| pes.map(|pe| self.config.s_pmsi.weight(pe)).sum::<u64>();
        let cost = |(tree, leaves): (TreeId, BTreeSet<IpAddr>)| {
            let flow_wastes = seen.rate.saturating_mul(weight(&mut leaves.difference(&own)));
            let others = self.tree_users.get(&tree).into_iter().flatten().map(|flow| self.seen_of(*flow).rate).sum();
            let others_waste = weight(&mut own.difference(&leaves)).saturating_mul(others);
            (flow_wastes.saturating_add(others_waste), tree)
        };
        let best = self.candidates(shared, kind).map(cost).min()?;
        (best.0 < seen.wasted).then_some(best.1)
    }

    /// What is known of a flow of ours.
    pub(in crate::mvrf) fn seen(&self, source: IpAddr, group: IpAddr) -> Seen {
        let rate = self.c_routes.get(&mroute_key(Some(source), group)).map_or(0, |route| route.rate);
        let policy = &self.config.s_pmsi;
        if !policy.explicit_tracking {
            return Seen { rate, ..Seen::default() };
        }
        let receivers = self.receivers_of(source, group);
        let weight: u64 = receivers.iter().filter(|pe| self.reached.contains_key(pe)).map(|pe| policy.weight(pe)).sum();
        let unwanted = self.reached_weight.saturating_sub(weight);
        let wasted = rate.saturating_mul(unwanted);
        Seen { rate, receivers: receivers.len(), reached: self.reached.len(), wasted }
    }

    /// The default tunnel reaches a PE for one reason more, or one less.
    pub(in crate::mvrf) fn reach(&mut self, pe: IpAddr, is_more: bool) {
        let weight = self.config.s_pmsi.weight(&pe);
        let reasons = self.reached.entry(pe).or_insert(0);
        match is_more {
            true => {
                *reasons = reasons.saturating_add(1);
                if *reasons == 1 {
                    self.reached_weight = self.reached_weight.saturating_add(weight);
                }
            }
            false => {
                *reasons = reasons.saturating_sub(1);
                if *reasons == 0 {
                    self.reached.remove(&pe);
                    self.reached_weight = self.reached_weight.saturating_sub(weight);
                }
            }
        }
    }
}
