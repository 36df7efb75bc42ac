//! Routes: those of other PEs to the instances that they are for (RFC 4761 §3.2.2, RFC 6074 §3.2.2), and ours to the speaker.

use alloc::collections::BTreeSet;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::IpAddr;

use bgp_vpn::attr::RouteTarget;
use bgp_vpn::nlri::RouteDistinguisher;
use fwd_core::net::VsiId;

use crate::bgp::{Nlri, RouteKey};
use crate::event::EventKind;
use crate::io::Output;
use crate::pe::{Dirty, VplsPe};
use crate::sorted::VecMap;
use crate::vsi::Route;

/// What makes a route an instance's: a target that it imports, or the route distinguisher of the route of ours that is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Interest {
    Target(RouteTarget),
    Answer(RouteDistinguisher),
}

impl Interest {
    fn of(route: &Route) -> impl Iterator<Item = Self> + '_ {
        let answer = if let Nlri::Leaf(key, _) = route.nlri { Some(key.rd) } else { None };
        let targets = route.attributes.targets.iter().filter(move |_| answer.is_none());
        targets.map(|target| Self::Target(*target)).chain(answer.map(Self::Answer))
    }
}

impl VplsPe {
    /// Keeps, or forgets, whom a route may be for.
    fn index(&mut self, route: &Route, present: bool) {
        let key = route.nlri.key();
        for interest in Interest::of(route) {
            let keys = self.interests.entry(interest).or_default();
            if present {
                keys.insert(key);
            } else {
                keys.remove(&key);
                if keys.is_empty() {
                    self.interests.remove(&interest);
                }
            }
        }
    }

    /// Gives a new instance the routes that are for it.
    pub(crate) fn import_known(&mut self, vsi: VsiId) {
        let Some(config) = self.vsis.get(&vsi).map(|instance| &instance.config) else { return };
        let targets = config.import.iter().copied().map(Interest::Target);
        let of_instance = targets.chain([Interest::Answer(config.rd)]);
        let keys: BTreeSet<RouteKey> = of_instance.filter_map(|i| self.interests.get(&i)).flatten().copied().collect();
        for key in keys {
            if let Some(route) = self.routes.get(&key).cloned() {
                self.import(vsi, &route);
            }
        }
    }

    /// A route of another PE has changed.
    pub(crate) fn route(&mut self, nlri: Nlri, attributes: Option<crate::bgp::RouteAttributes>) {
        let key = nlri.key();
        let own: IpAddr = self.config.router_id.into();
        if attributes.as_ref().is_some_and(|a| a.next_hop == own) {
            return; // Our own, reflected.
        }
        let old = self.routes.remove(&key);
        if let Some(old) = &old {
            self.index(old, false);
        }
        let new = attributes.map(|attributes| Arc::new(Route { nlri, attributes }));
        if let Some(new) = &new {
            if self.routes.len() >= self.config.limits.routes {
                self.events.push(self.now, None, EventKind::RouteLimit);
                return;
            }
            self.routes.insert(key, new.clone());
            self.index(new, true);
        }
        let mut vsis = BTreeSet::new();
        for route in [&old, &new].into_iter().flatten() {
            vsis.extend(self.importers(route));
        }
        for vsi in vsis {
            if let (Some(_), Some(instance)) = (&old, self.vsis.get_mut(&vsi)) {
                instance.routes.remove(&key);
            }
            if let Some(new) = &new {
                self.import(vsi, new);
            } else {
                self.route_changed(vsi, &nlri);
            }
        }
    }

    /// The instances that a route is for.
    fn importers(&self, route: &Route) -> Vec<VsiId> {
        if let Nlri::Leaf(key, _) = route.nlri {
            // RFC 7117 §8.3: the route target names us; the route distinguisher is that of our own route.
            let is_ours = key.originator == IpAddr::V4(self.config.router_id);
            return self.rds.get(&key.rd).copied().filter(|_| is_ours).into_iter().collect();
        }
        let of_target = |target| self.targets.get(target).into_iter().flatten().copied();
        route.attributes.targets.iter().flat_map(of_target).collect()
    }

    /// Gives an instance a route, if it is for it.
    pub(crate) fn import(&mut self, vsi: VsiId, route: &Arc<Route>) {
        let is_for = self.importers(route).contains(&vsi);
        if let Some(instance) = self.vsis.get_mut(&vsi).filter(|_| is_for) {
            instance.routes.insert(route.clone());
        }
        self.route_changed(vsi, &route.nlri);
    }

    fn route_changed(&mut self, vsi: VsiId, nlri: &Nlri) {
        match *nlri {
            Nlri::Block { ve_id, .. } => self.ve_changed(vsi, ve_id),
            Nlri::Discovery { .. } => self.discovery_changed(vsi),
            Nlri::SPmsi(_) => drop(self.dirty.insert(Dirty::Leaves(vsi))),
            Nlri::Leaf(key, _) => self.leaves_changed(vsi, &key),
        }
        self.dirty.insert(Dirty::Advertise(vsi));
    }

    /// Advertises everything again.
    pub(crate) fn refresh(&mut self) {
        let all = self.vsis.values().flat_map(|instance| instance.advertised.values());
        self.out.extend(all.map(|route| Output::Advertise(route.nlri, route.attributes.clone())));
    }

    /// Advertises what is to be advertised, and withdraws the rest.
    pub(crate) fn settle_routes(&mut self, vsi: VsiId) {
        let routes = self.ve_routes(vsi).into_iter().chain(self.discovery_route(vsi)).chain(self.mcast_routes(vsi));
        let wanted: VecMap<RouteKey, Route> = routes.map(|route| (route.nlri.key(), route)).collect();
        let Some(instance) = self.vsis.get_mut(&vsi) else { return };
        for (key, route) in &instance.advertised {
            if !wanted.contains_key(key) {
                self.out.push_back(Output::Withdraw(*key, route.nlri));
            }
        }
        for (key, route) in &wanted {
            if instance.advertised.get(key) != Some(route) {
                self.out.push_back(Output::Advertise(route.nlri, route.attributes.clone()));
            }
        }
        instance.advertised = wanted;
    }
}
