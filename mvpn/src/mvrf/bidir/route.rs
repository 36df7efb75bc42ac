//! Routes of bidirectional groups: the PMSI resolved to partitions (RFC 6513 §11.2.1, RFC 5015 §3.3).

use core::net::IpAddr;

use alloc::vec::Vec;
use fwd_core::net::{IpPrefix, RpfSetId};
use fwd_core::op::{FwdOp, MrouteKey, Origin, Rpf};
use fwd_core::time::Instant;

use crate::mvrf::forwarding::group_of;
use crate::mvrf::instance::Mvrf;
use crate::mvrf::route::SFlow;
use crate::mvrf::shared::Shared;
use crate::mvrf::umh::holds;

impl Mvrf {
    /// An op of the customers' PIM on a set of interfaces.
    pub(in crate::mvrf) fn set_member(&mut self, shared: &mut Shared, set: RpfSetId, from: Origin, present: bool) {
        if !self.has_bidir() || from != Origin::Interface(self.config.pmsi) {
            return shared.op(match present {
                true => FwdOp::SetRpfMember { set, from },
                false => FwdOp::ClearRpfMember { set, from },
            });
        }
        self.bidir.sets.entry(set).or_default().has_pmsi = present;
        self.bind_set(shared, set);
        if !present {
            self.bidir.sets.retain(|of, known| *of != set || known.rpa.is_some());
        }
    }

    /// A route of bidirectional groups tells which RPA a set is of; what the forwarder is to have in its place.
    pub(in crate::mvrf) fn bidir_rpf(&mut self, shared: &mut Shared, key: MrouteKey) {
        let Some(Rpf::AnyOf(set)) = self.c_routes.get(&key).map(|route| route.mroute.rpf) else { return };
        let Some(rpa) = self.rpa_of(group_of(key)) else { return };
        let known = self.bidir.sets.entry(set).or_default();
        if known.rpa.replace(rpa) != Some(rpa) {
            self.bind_set(shared, set);
        }
    }

    /// A group has a route of its own now, or no more: it may need its own tunnel.
    pub(in crate::mvrf) fn bidir_route_changed(&mut self, shared: &mut Shared, now: Instant, group: IpAddr) {
        if let Some(key) = self.rpa_of(group).and_then(|rpa| self.bidir.upstream(rpa)) {
            self.update_channel(shared, now, key, SFlow::any_source(group));
        }
    }

    /// The check of a route of the customers' PIM, as the forwarder has it.
    pub(in crate::mvrf) fn bidirectional(&self, shared: &Shared, key: MrouteKey, rpf: Rpf) -> Rpf {
        match rpf {
            Rpf::AnyOf(set) if self.is_bidir(group_of(key)) => match self.merges(shared, key) {
                Some(own) => Rpf::Merging { set, own },
                None => Rpf::Bidirectional(set),
            },
            rpf => rpf,
        }
    }

    /// The PMSI in a set is the partition of the set's RPA.
    fn bind_set(&mut self, shared: &mut Shared, set: RpfSetId) {
        let Some(known) = self.bidir.sets.get(&set).copied() else { return };
        let upstream = known.rpa.filter(|_| known.has_pmsi).and_then(|rpa| self.bidir.upstream(rpa));
        let partition = upstream.and_then(|key| self.bidir.partitions.get(&key));
        let wanted = partition.map_or([None; 2], |partition| [Some(partition.arrives_by), partition.branches]);
        for old in known.bound.into_iter().flatten().filter(|old| !wanted.contains(&Some(*old))) {
            shared.op(FwdOp::ClearRpfMember { set, from: Origin::Tunnel(old) });
        }
        for new in wanted.into_iter().flatten().filter(|new| !known.bound.contains(&Some(*new))) {
            shared.op(FwdOp::SetRpfMember { set, from: Origin::Tunnel(new) });
        }
        if let Some(known) = self.bidir.sets.get_mut(&set) {
            known.bound = wanted;
        }
    }

    /// The sets of an RPA.
    pub(super) fn bind_sets(&mut self, shared: &mut Shared, rpa: IpAddr) {
        let of_rpa = self.bidir.sets.iter().filter(|(_, known)| known.rpa == Some(rpa));
        let sets: Vec<RpfSetId> = of_rpa.map(|(set, _)| *set).collect();
        sets.into_iter().for_each(|set| self.bind_set(shared, set));
    }

    /// The legs of an RPA's groups out of the PMSI.
    pub(super) fn bind_rpa(&mut self, shared: &mut Shared, rpa: IpAddr) {
        let of_rpa = |key: Option<MrouteKey>| key.and_then(|key| self.rpa_of(group_of(key))) == Some(rpa);
        let groups = self.c_groups.iter().filter(|(_, group)| group.pmsi.is_some() && of_rpa(group.key));
        let ids: Vec<_> = groups.map(|(id, _)| *id).collect();
        ids.into_iter().for_each(|id| self.bind_leg(shared, id));
    }

    /// Routes of a range of groups, which are bidirectional now, or not any more, or have another RPA.
    pub(super) fn refresh_bidir_routes(&mut self, shared: &mut Shared, range: &IpPrefix) {
        let of_range = |key: &&MrouteKey| holds(range, group_of(**key));
        let keys: Vec<MrouteKey> = self.c_routes.keys().filter(of_range).copied().collect();
        for key in keys {
            self.bidir_rpf(shared, key);
            self.emit_route(shared, key);
            let id = self.c_routes.get(&key).and_then(|route| route.mroute.replication);
            if let Some(id) = id {
                self.bind_leg(shared, id);
            }
        }
    }
}
