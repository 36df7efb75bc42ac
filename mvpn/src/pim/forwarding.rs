//! Multicast routes for the forwarder, from the state (RFC 7761 §4.2).

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::RangeInclusive;

use fwd_core::net::{IfIndex, ReplicationId, RpfSetId};
use fwd_core::op::{FwdOp, LegTarget, Mroute, Origin, Rpf, VsiOrVrf};
use smallvec::SmallVec;

use super::config::SptThreshold;
use super::io::Output;
use super::network::PimAddress;
use super::router::PimRouter;
use super::state::Installed;

/// Numbers of a range, lent and taken back.
#[derive(Clone, Debug)]
struct Numbers {
    range: RangeInclusive<u32>,
    next: Option<u32>,
    free: Vec<u32>,
}

impl Numbers {
    const fn new(range: RangeInclusive<u32>) -> Self {
        Self { next: Some(*range.start()), range, free: Vec::new() }
    }

    fn take(&mut self) -> Option<u32> {
        self.free.pop().or_else(|| {
            let number = self.next.filter(|n| self.range.contains(n))?;
            self.next = number.checked_add(1);
            Some(number)
        })
    }
}

/// Numbers of sets of interfaces that are not in use.
#[derive(Clone, Debug)]
pub(super) struct RpfSets(Option<Numbers>);

impl RpfSets {
    pub(super) fn new(range: Option<RangeInclusive<u32>>) -> Self {
        Self(range.map(Numbers::new))
    }

    pub(super) fn take(&mut self) -> Option<RpfSetId> {
        self.0.as_mut()?.take().map(RpfSetId)
    }

    pub(super) fn give_back(&mut self, set: RpfSetId) {
        if let Some(numbers) = &mut self.0 {
            numbers.free.push(set.0);
        }
    }
}

/// Numbers of replication groups that are not in use, and whose the others are.
#[derive(Clone, Debug)]
pub(super) struct Pool {
    numbers: Numbers,
    /// Octets of source (if any) and group, for ops that are refused.
    owners: BTreeMap<u32, (Option<u128>, u128)>,
}

impl Pool {
    pub(super) const fn new(range: RangeInclusive<u32>) -> Self {
        Self { numbers: Numbers::new(range), owners: BTreeMap::new() }
    }

    pub(super) fn take<A: PimAddress>(&mut self, source: Option<A>, group: A) -> Option<ReplicationId> {
        let id = self.numbers.take()?;
        self.owners.insert(id, (source.map(A::bits), group.bits()));
        Some(ReplicationId(id))
    }

    pub(super) fn give_back(&mut self, id: ReplicationId) {
        if self.owners.remove(&id.0).is_some() {
            self.numbers.free.push(id.0);
        }
    }

    pub(super) fn owner<A: PimAddress>(&self, id: ReplicationId) -> Option<(Option<A>, A)> {
        let (source, group) = self.owners.get(&id.0)?;
        let source = source.map(A::of_bits);
        Some((source, A::of_bits(*group)))
    }
}

/// What the forwarder should have.
struct Wanted {
    rpf: Rpf,
    legs: Vec<LegTarget>,
    register: bool,
    spt: Option<IfIndex>,
    punt_wrong_interface: bool,
}

fn from(interface: Option<IfIndex>) -> Rpf {
    interface.map_or(Rpf::Nowhere, |i| Rpf::From(Origin::Interface(i)))
}

impl<A: PimAddress> PimRouter<A> {
    fn wanted(&self, g: A, s: Option<A>) -> Option<Wanted> {
        if let Some((rpf, olist, software)) = s.and_then(|s| self.dense_route(g, s)) {
            let mut legs: Vec<LegTarget> = olist.into_iter().map(LegTarget::Interface).collect();
            if software {
                legs.push(LegTarget::Local);
            }
            return Some(Wanted { rpf: from(rpf), legs, register: false, spt: None, punt_wrong_interface: true });
        }
        let view = self.view(g)?;
        let legs = |olist: super::macros::Olist, rpf: Option<IfIndex>| {
            olist.into_iter().filter(|i| Some(*i) != rpf).map(LegTarget::Interface).collect::<Vec<_>>()
        };
        if view.group.bidir {
            return if s.is_none() { self.wanted_bidir(&view) } else { None };
        }
        let Some(s) = s else {
            if view.group.refused || view.group.ssm {
                return None;
            }
            let (rpf, olist) = (view.rpf_interface_rp(), view.immediate_olist_g());
            if olist.is_empty() {
                return None;
            }
            // A last-hop router looks at each new source, to leave the shared tree for it.
            let members = olist.iter().any(|i| view.pim_include_g(*i));
            let switch = members && self.net.config.spt_threshold != SptThreshold::Infinity;
            let mut legs = legs(olist, rpf);
            if switch {
                legs.push(LegTarget::Local);
            }
            return Some(Wanted { rpf: from(rpf), legs, register: false, spt: None, punt_wrong_interface: true });
        };
        let view = view.source(s);
        if view.source.is_none_or(|x| x.refused) {
            return None;
        }
        let register = view.register_tunnel();
        let own = view.rpf_interface_s();
        if view.spt_bit() || view.directly_connected() {
            let legs = legs(view.inherited_olist_sg(), own);
            return Some(Wanted { rpf: from(own), legs, register, spt: None, punt_wrong_interface: true });
        }
        let rp = view.group.rpf_interface_rp();
        let spt = own.filter(|i| view.join_desired_sg() && Some(*i) != rp);
        let legs = legs(view.inherited_olist_sg_rpt(), rp);
        Some(Wanted { rpf: from(rp), legs, register, spt, punt_wrong_interface: true })
    }

    /// Of a group of BIDIR-PIM: olist(G), from wherever the RPA's packets may come (RFC 5015 §3.3).
    fn wanted_bidir(&self, view: &super::macros::GroupView<'_, A>) -> Option<Wanted> {
        let rpa = view.group.rp?;
        if view.group.refused || view.group.is_idle() {
            return None;
        }
        let set = self.net.rpas.get(&rpa)?.set();
        let legs = view.olist_bidir().into_iter().map(LegTarget::Interface).collect();
        Some(Wanted { rpf: Rpf::AnyOf(set), legs, register: false, spt: None, punt_wrong_interface: false })
    }

    fn installed(&mut self, g: A, s: Option<A>) -> Option<&mut Option<Installed>> {
        if let Some(dense) = s.and_then(|s| self.dense.sources.get_mut(&(g, s))) {
            return Some(&mut dense.installed);
        }
        let group = self.groups.get_mut(&g)?;
        match s {
            None => Some(&mut group.installed),
            Some(s) => group.sources.get_mut(&s).map(|x| &mut x.installed),
        }
    }

    pub(super) fn op(&mut self, op: FwdOp) {
        self.outputs.push_back(Output::Program(op));
    }

    /// Takes a route out of the forwarder.
    pub(super) fn withdraw(&mut self, g: A, s: Option<A>) {
        let Some(old) = self.installed(g, s).and_then(Option::take) else { return };
        let vrf = self.net.config.vrf;
        self.op(FwdOp::ClearMroute { vrf, key: A::mroute_key(s, g) });
        if let Some(id) = old.replication {
            self.op(FwdOp::ClearReplication { id });
            self.pool.give_back(id);
        }
    }

    /// Brings the forwarder up to date about a route: legs before the route that uses them.
    pub(super) fn program(&mut self, g: A, s: Option<A>) {
        let Some(wanted) = self.wanted(g, s) else { return self.withdraw(g, s) };
        let vrf = self.net.config.vrf;
        let old = self.installed(g, s).and_then(Option::take);
        let (mut replication, mut legs, old_route) =
            old.map_or((None, SmallVec::new(), None), |o| (o.replication, o.legs, Some(o.mroute)));
        if !wanted.legs.is_empty() && replication.is_none() {
            replication = self.pool.take(s, g);
            if let Some(id) = replication {
                self.op(FwdOp::SetReplication { id, owner: VsiOrVrf::Vrf(vrf) });
            }
        }
        if let Some(group) = replication {
            let gone: Vec<u16> = legs.iter().filter(|(_, t)| !wanted.legs.contains(t)).map(|(n, _)| *n).collect();
            legs.retain(|(_, t)| wanted.legs.contains(t));
            for leg in gone {
                self.op(FwdOp::ClearLeg { group, leg });
            }
            for target in wanted.legs {
                if legs.iter().all(|(_, t)| *t != target) {
                    let leg = (0..u16::MAX).find(|n| legs.iter().all(|(m, _)| m != n)).unwrap_or(u16::MAX);
                    legs.push((leg, target));
                    self.op(FwdOp::SetLeg { group, leg, target });
                }
            }
        }
        let used = replication.filter(|_| !legs.is_empty());
        let mroute = Mroute {
            rpf: wanted.rpf,
            replication: used,
            punt_wrong_interface: wanted.punt_wrong_interface,
            register: wanted.register,
            spt: wanted.spt,
        };
        if old_route != Some(mroute) {
            self.op(FwdOp::SetMroute { vrf, key: A::mroute_key(s, g), mroute });
        }
        if used.is_none() {
            if let Some(id) = replication.take() {
                self.op(FwdOp::ClearReplication { id });
                self.pool.give_back(id);
            }
        }
        if let Some(slot) = self.installed(g, s) {
            *slot = Some(Installed { mroute, replication, legs });
        }
    }
}
