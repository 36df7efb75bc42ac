//! RPAs: where packets of their groups may come from, and where they go without receivers (RFC 5015 §3.3).

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use fwd_core::net::{IfIndex, RpfSetId};
use fwd_core::op::{FwdOp, LegTarget, Mroute, Origin, Rpf, VsiOrVrf};
use fwd_core::time::Instant;

use super::Rpa;
use crate::pim::downstream::JoinEvent;
use crate::pim::io::{Output, PimEvent, PimLimit};
use crate::pim::network::PimAddress;
use crate::pim::router::PimRouter;
use crate::pim::state::Timer;

impl<A: PimAddress> PimRouter<A> {
    /// The mapping of groups to RPs, or the set of interfaces, may have changed: elections of what is there, and of nothing else.
    pub(in crate::pim) fn sync_rpas(&mut self, now: Instant) {
        let wanted: BTreeSet<A> = match self.net.config.bidir {
            Some(_) => self.net.rp_set.bidir().map(|(_, rpa)| rpa).collect(),
            None => return,
        };
        let gone: Vec<A> = self.net.rpas.keys().copied().filter(|rpa| !wanted.contains(rpa)).collect();
        for rpa in gone {
            self.forget_rpa(rpa);
        }
        // A range may have gone from one RPA to another, and has one route.
        for rpa in self.net.rpas.keys().copied().collect::<Vec<_>>() {
            self.clear_stale_branches(rpa);
        }
        for rpa in wanted {
            if !self.net.rpas.contains_key(&rpa) {
                let Some(set) = self.rpf_sets.take() else {
                    self.limit(now, PimLimit::RpfSets, None);
                    continue;
                };
                let of = Rpa {
                    set,
                    members: BTreeSet::new(),
                    elections: BTreeMap::new(),
                    branches: BTreeMap::new(),
                    next_hop: None,
                };
                self.net.rpas.insert(rpa, of);
                self.watch_rpa(rpa);
            }
            self.rpa_changed(now, rpa);
        }
    }

    fn forget_rpa(&mut self, rpa: A) {
        let branches: Vec<A::Prefix> =
            self.net.rpas.get(&rpa).map(|of| of.branches.keys().copied().collect()).unwrap_or_default();
        for range in branches {
            self.clear_branch(rpa, range);
        }
        let Some(of) = self.net.rpas.remove(&rpa) else { return };
        for i in of.elections.keys() {
            self.timers.clear(Timer::DfElection(rpa, *i));
        }
        for i in of.members {
            self.op(FwdOp::ClearRpfMember { set: of.set, from: Origin::Interface(i) });
        }
        self.rpf_sets.give_back(of.set);
        self.unwatch_rpa(rpa);
    }

    /// Interfaces, routes or ranges of an RPA may have changed.
    pub(in crate::pim) fn rpa_changed(&mut self, now: Instant, rpa: A) {
        let rpl = self.net.link_of(rpa);
        let wanted: Vec<IfIndex> = self
            .net
            .interfaces
            .iter()
            .filter(|(i, x)| !x.config.passive && x.config.df_election && rpl != Some(**i))
            .map(|(i, _)| *i)
            .collect();
        let Some(of) = self.net.rpas.get_mut(&rpa) else { return };
        let gone: Vec<IfIndex> = of.elections.keys().copied().filter(|i| !wanted.contains(i)).collect();
        for i in gone {
            of.elections.remove(&i);
            self.timers.clear(Timer::DfElection(rpa, i));
        }
        let new: Vec<IfIndex> = wanted
            .into_iter()
            .filter(|i| self.net.rpas.get(&rpa).is_some_and(|of| !of.elections.contains_key(i)))
            .collect();
        for i in new {
            self.start_election(now, rpa, i);
        }
        self.df_metrics_may_change(now, rpa);
        self.program_rpa(rpa);
    }

    /// The DF of a link is another, or this router's metric as DF.
    pub(super) fn df_changed(&mut self, now: Instant, rpa: A, i: IfIndex, stopped: bool) {
        self.program_rpa(rpa);
        let groups = self.net.watches.get(&rpa).map(|w| w.groups.clone()).unwrap_or_default();
        for g in groups {
            if stopped {
                self.stop_being_df(now, g, i);
            }
            self.evaluate(now, g, None);
        }
    }

    fn stop_being_df(&mut self, now: Instant, g: A, i: IfIndex) {
        self.fire_join_of(now, g, i, JoinEvent::StopBeingDf);
    }

    /// Brings the forwarder up to date about an RPA.
    fn program_rpa(&mut self, rpa: A) {
        let up = self.net.rpa_interface(rpa);
        let all = self.net.interfaces.keys().copied();
        let wanted: BTreeSet<IfIndex> = all.filter(|i| up == Some(*i) || self.net.i_am_df(rpa, *i)).collect();
        let Some(of) = self.net.rpas.get_mut(&rpa) else { return };
        let (set, old) = (of.set, core::mem::replace(&mut of.members, wanted.clone()));
        for i in old.difference(&wanted) {
            self.op(FwdOp::ClearRpfMember { set, from: Origin::Interface(*i) });
        }
        for i in wanted.difference(&old) {
            self.op(FwdOp::SetRpfMember { set, from: Origin::Interface(*i) });
        }
        self.clear_stale_branches(rpa);
        for range in self.whole_ranges(rpa) {
            self.set_branch(rpa, range, up);
        }
    }

    /// Ranges of source-only branches (RFC 5015 §3.3.2) that have one route, as every group of them has this RPA. In other ranges the first
    /// packet of a group makes a route for the group.
    fn whole_ranges(&self, rpa: A) -> BTreeSet<A::Prefix> {
        let of = self.net.rp_set.bidir().filter(|(_, address)| *address == rpa).map(|(range, _)| range);
        of.filter(|range| self.is_whole(range, rpa)).collect()
    }

    fn clear_stale_branches(&mut self, rpa: A) {
        let (wanted, up) = (self.whole_ranges(rpa), self.net.rpa_interface(rpa));
        let Some(of) = self.net.rpas.get(&rpa) else { return };
        let stale: Vec<A::Prefix> = of
            .branches
            .iter()
            .filter(|(range, leg)| !wanted.contains(*range) || leg.map(|(_, i)| i) != up)
            .map(|(range, _)| *range)
            .collect();
        for range in stale {
            self.clear_branch(rpa, range);
        }
    }

    /// Whether every routed group of a range has this RPA.
    fn is_whole(&self, range: &A::Prefix, rpa: A) -> bool {
        let overlap = |other: &A::Prefix| A::prefix_addr(other).is_in(range) || A::prefix_addr(range).is_in(other);
        let set = &self.net.rp_set;
        let special = A::special_groups(set.has_embedded()).any(|p| overlap(&p));
        !special
            && !self.net.config.ssm_ranges.iter().any(overlap)
            && !self.net.config.dense.iter().flat_map(|d| &d.ranges).any(overlap)
            && set.ranges().filter(|(r, _)| overlap(r)).all(|(_, of)| of.iter().all(|a| *a == rpa))
    }

    fn set_branch(&mut self, rpa: A, range: A::Prefix, up: Option<IfIndex>) {
        let Some(of) = self.net.rpas.get(&rpa) else { return };
        if of.branches.contains_key(&range) {
            return;
        }
        let (vrf, set) = (self.net.config.vrf, of.set);
        // A range has no group that the pool could name: a refusal of its ops cannot be traced to a group.
        let leg = up.and_then(|i| self.pool.take(None, A::prefix_addr(&range)).map(|id| (id, i)));
        if let Some((id, i)) = leg {
            self.op(FwdOp::SetReplication { id, owner: VsiOrVrf::Vrf(vrf) });
            self.op(FwdOp::SetLeg { group: id, leg: 0, target: LegTarget::Interface(i) });
        }
        let mroute = Mroute {
            rpf: Rpf::AnyOf(set),
            replication: leg.map(|(id, _)| id),
            punt_wrong_interface: false,
            register: false,
            spt: None,
        };
        self.op(FwdOp::SetMroute { vrf, key: A::range_key(range), mroute });
        if let Some(of) = self.net.rpas.get_mut(&rpa) {
            of.branches.insert(range, leg);
        }
    }

    fn clear_branch(&mut self, rpa: A, range: A::Prefix) {
        let vrf = self.net.config.vrf;
        let Some(leg) = self.net.rpas.get_mut(&rpa).and_then(|of| of.branches.remove(&range)) else { return };
        self.op(FwdOp::ClearMroute { vrf, key: A::range_key(range) });
        if let Some((id, _)) = leg {
            self.op(FwdOp::ClearReplication { id });
            self.pool.give_back(id);
        }
    }

    /// A packet of a group without a route (RFC 5015 §3.3.2): a source-only branch of the group.
    pub(in crate::pim) fn bidir_data(&mut self, now: Instant, iif: IfIndex, g: A) {
        let Some(rpa) = self.net.rp(g) else { return };
        let taken = self.net.rpa_interface(rpa) == Some(iif) || self.net.i_am_df(rpa, iif);
        if !taken || self.group_entry(now, g, iif).is_none() {
            return;
        }
        self.bidir_active(now, g);
        self.evaluate(now, g, None);
    }

    /// Packets of the group were forwarded: its source-only branch stays.
    pub(in crate::pim) fn bidir_active(&mut self, now: Instant, g: A) {
        let at = now + self.net.config.timers.keepalive;
        if let Some(group) = self.groups.get_mut(&g) {
            group.active = true;
            self.timers.set(Timer::GroupActive(g), at);
        }
    }

    /// The forwarder had no room for an interface of an RPA's set.
    pub(in crate::pim) fn rpa_refused(&mut self, set: RpfSetId, i: IfIndex) {
        let Some((rpa, of)) = self.net.rpas.iter_mut().find(|(_, of)| of.set == set) else { return };
        of.members.remove(&i);
        let rpa = *rpa;
        self.outputs.push_back(Output::Event(PimEvent::RpaRefused { rpa }));
    }
}
