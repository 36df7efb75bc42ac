//! Addresses whose routes matter: what is watched, and what follows from a change.

use alloc::collections::BTreeSet;

use fwd_core::time::Instant;

use super::io::{MribRoute, Output};
use super::network::{PimAddress, Watch};
use super::router::PimRouter;
use super::state::Timer;
use super::ways::{AllWays, MAX_ROUTES, Ways};

/// The highest MT-ID (RFC 6420 §5.2).
const MAX_TOPOLOGY: u16 = 0x0fff;

impl<A: PimAddress> PimRouter<A> {
    /// Begins to watch the route to an address for a group.
    pub(super) fn watch(&mut self, address: A, list: impl FnOnce(&mut Watch<A>) -> &mut BTreeSet<A>, g: A) {
        if let Some(watch) = self.watched(address) {
            list(watch).insert(g);
        }
    }

    /// Begins to watch the route to an RPA.
    pub(super) fn watch_rpa(&mut self, address: A) {
        if let Some(watch) = self.watched(address) {
            watch.rpa = true;
        }
    }

    fn watched(&mut self, address: A) -> Option<&mut Watch<A>> {
        if !self.net.watches.contains_key(&address) {
            let link = self.net.link_of(address);
            let local = self.net.is_local(address);
            let route = link.filter(|_| !local).map(|interface| MribRoute {
                interface,
                next_hop: None,
                preference: 0,
                metric: 0,
            });
            if let Some(route) = &route {
                self.net.via.entry(route.interface).or_default().insert(address);
            }
            let ways = AllWays::of(route);
            let tracked = route.is_none() && !local;
            if tracked {
                self.outputs.push_back(Output::Track(address));
            }
            let watch = Watch {
                ways,
                tracked,
                groups: BTreeSet::new(),
                source_of: BTreeSet::new(),
                rpa: false,
                dense: BTreeSet::new(),
                vector_of: BTreeSet::new(),
            };
            self.net.watches.insert(address, watch);
        }
        self.net.watches.get_mut(&address)
    }

    /// Ends it.
    pub(super) fn unwatch(&mut self, address: A, list: impl FnOnce(&mut Watch<A>) -> &mut BTreeSet<A>, g: A) {
        if let Some(watch) = self.net.watches.get_mut(&address) {
            list(watch).remove(&g);
            self.unwatch_idle(address);
        }
    }

    /// Begins to watch the route to the RPF vector of a tree.
    pub(super) fn watch_vector(&mut self, address: A, g: A, s: Option<A>) {
        if let Some(watch) = self.watched(address) {
            watch.vector_of.insert((g, s));
        }
    }

    /// Ends it.
    pub(super) fn unwatch_vector(&mut self, address: A, g: A, s: Option<A>) {
        if let Some(watch) = self.net.watches.get_mut(&address) {
            watch.vector_of.remove(&(g, s));
            self.unwatch_idle(address);
        }
    }

    /// Ends the watch of an RPA.
    pub(super) fn unwatch_rpa(&mut self, address: A) {
        if let Some(watch) = self.net.watches.get_mut(&address) {
            watch.rpa = false;
            self.unwatch_idle(address);
        }
    }

    fn unwatch_idle(&mut self, address: A) {
        let Some(watch) = self.net.watches.get(&address).filter(|w| w.is_idle()) else { return };
        if watch.tracked {
            self.outputs.push_back(Output::Untrack(address));
        }
        self.set_ways(address, |ways| *ways = AllWays::of(None));
        self.net.watches.remove(&address);
    }

    fn set_ways(&mut self, address: A, change: impl FnOnce(&mut AllWays<A>)) {
        let Some(watch) = self.net.watches.get_mut(&address) else { return };
        let old = watch.ways.interfaces();
        change(&mut watch.ways);
        let new = watch.ways.interfaces();
        for i in old.iter().filter(|i| !new.contains(i)) {
            if let Some(set) = self.net.via.get_mut(i) {
                set.remove(&address);
                if set.is_empty() {
                    self.net.via.remove(i);
                }
            }
        }
        for i in new {
            self.net.via.entry(i).or_default().insert(address);
        }
    }

    /// What was found of a tracked address changed.
    pub(super) fn ways_changed(&mut self, now: Instant, address: A, topology: u16, ways: Ways<A>) {
        let Some(watch) = self.net.watches.get(&address).filter(|w| w.tracked) else { return };
        let vector = watch.ways.vector(topology);
        let same = vector == ways.proxy()
            && watch.ways.alternate(topology) == ways.alternate.as_ref()
            && watch.ways.routes(topology).eq(ways.routes.iter().take(MAX_ROUTES));
        if same || topology > MAX_TOPOLOGY {
            return;
        }
        let moved = vector != ways.proxy();
        let (groups, source_of) = (watch.groups.clone(), watch.source_of.clone());
        self.set_ways(address, |all| all.set(topology, ways));
        self.address_changed(now, address);
        if moved {
            // The trees that keep their neighbour say the other vector at once.
            groups.into_iter().for_each(|g| self.join_again(g, None));
            source_of.into_iter().for_each(|g| self.join_again(g, Some(address)));
        }
    }

    /// What depends on the route to an address is evaluated anew.
    pub(super) fn address_changed(&mut self, now: Instant, address: A) {
        let Some(watch) = self.net.watches.get(&address) else { return };
        let (groups, source_of, rpa) = (watch.groups.clone(), watch.source_of.clone(), watch.rpa);
        let vector_of = watch.vector_of.clone();
        for g in watch.dense.clone() {
            self.dense_evaluate(now, g, address);
        }
        for (g, s) in vector_of {
            self.evaluate(now, g, s);
        }
        if rpa {
            self.rpa_changed(now, address);
        }
        for g in groups {
            self.evaluate(now, g, None);
        }
        for g in source_of {
            let arrived = self.source_mut(g, address).and_then(|source| source.arrived.take());
            if let Some(interface) = arrived {
                self.timers.clear(Timer::Arrived(g, address));
                self.data_arrives(now, interface, address, g);
            }
            self.evaluate(now, g, Some(address));
        }
    }

    /// Interfaces or their addresses changed: which addresses are on a link is found anew.
    pub(super) fn links_changed(&mut self, now: Instant) {
        let addresses: alloc::vec::Vec<A> = self.net.watches.keys().copied().collect();
        for address in addresses {
            let (link, local) = (self.net.link_of(address), self.net.is_local(address));
            let tracked = link.is_none() && !local;
            let Some(watch) = self.net.watches.get_mut(&address) else { continue };
            let was = core::mem::replace(&mut watch.tracked, tracked);
            let old = watch.ways.routes(0).next().copied();
            match (was, tracked) {
                (false, true) => self.outputs.push_back(Output::Track(address)),
                (true, false) => self.outputs.push_back(Output::Untrack(address)),
                _ => {}
            }
            if !tracked {
                let on_link = |interface| MribRoute { interface, next_hop: None, preference: 0, metric: 0 };
                let route = link.filter(|_| !local).map(on_link);
                self.set_ways(address, |ways| *ways = AllWays::of(route));
            } else if !was {
                self.set_ways(address, |ways| *ways = AllWays::of(None));
            }
            let new = self.net.watches.get(&address).and_then(|w| w.ways.routes(0).next().copied());
            let gone = |r: MribRoute<A>| !self.net.interfaces.contains_key(&r.interface);
            if old != new || old.is_some_and(gone) || was != tracked {
                self.address_changed(now, address);
            }
        }
    }
}
