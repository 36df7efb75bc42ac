//! Ways to an address: routes of equal cost, other topologies (RFC 6420), RPF vectors (RFC 5496), and which of them a tree takes.

use alloc::boxed::Box;
use alloc::vec::Vec;

use bgp_vpn::nlri::RouteDistinguisher;
use fwd_core::net::IfIndex;

use super::io::MribRoute;
use super::network::{Network, PimAddress};

/// Routes of equal cost that are kept of an address; more are cut off.
pub const MAX_ROUTES: usize = 16;

/// What a lookup in the multicast RIB found, where that is more than one route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ways<A> {
    /// Routes of equal cost. The first one whose next hop is a PIM neighbour is taken, if nothing says otherwise; at most [`MAX_ROUTES`]
    /// are kept.
    pub routes: Vec<MribRoute<A>>,
    /// A longer way that leads to no loop (RFC 5286): for fast reroute alone (RFC 7431 §3.2).
    pub alternate: Option<MribRoute<A>>,
    /// RPF vector for Joins by these routes (RFC 5496 §3.3.1), whose metrics are then those to the vector (§3.3.3): for routers on the way
    /// that have no route to the address.
    pub vector: Option<A>,
    /// RD of the Intra-AS I-PMSI A-D route that the address, an upstream PE in another AS, is known by: Joins have an MVPN Join attribute with it, and
    /// the vector as proxy address, in place of an RPF vector (RFC 6513 §8.1.3.2). The vector is the route's next hop. Needs a vector.
    pub rd: Option<RouteDistinguisher>,
}

impl<A> Default for Ways<A> {
    fn default() -> Self {
        Self { routes: Vec::new(), alternate: None, vector: None, rd: None }
    }
}

impl<A: Copy> Ways<A> {
    pub(super) fn proxy(&self) -> Option<Vector<A>> {
        self.vector.map(|address| Vector { address, rd: self.rd })
    }
}

/// The router that Joins go to first: an RPF vector, or with an RD the proxy of an MVPN Join attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Vector<A> {
    pub(super) address: A,
    pub(super) rd: Option<RouteDistinguisher>,
}

/// What an RPF lookup is of: an address in a topology, 0 being that of unicast routing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target<A> {
    pub(super) topology: u16,
    pub(super) address: A,
}

impl<A> From<A> for Target<A> {
    fn from(address: A) -> Self {
        Self { topology: 0, address }
    }
}

/// The ways to an address in every topology. Most have one route, which has no box.
#[derive(Clone, Debug)]
pub(super) struct AllWays<A> {
    first: Option<MribRoute<A>>,
    more: Option<Box<More<A>>>,
}

#[derive(Clone, Debug)]
struct More<A> {
    /// Of the base topology, beside the first route.
    base: Ways<A>,
    others: Vec<(u16, Ways<A>)>,
}

impl<A: Copy + Eq> AllWays<A> {
    /// The one route of an address on a link of this router.
    pub(super) const fn of(first: Option<MribRoute<A>>) -> Self {
        Self { first, more: None }
    }

    fn in_topology(&self, topology: u16) -> Option<&Ways<A>> {
        let more = self.more.as_ref()?;
        if topology == 0 {
            return Some(&more.base);
        }
        more.others.iter().find(|(t, _)| *t == topology).map(|(_, ways)| ways)
    }

    /// Routes of equal cost in a topology, in order.
    pub(super) fn routes(&self, topology: u16) -> impl Iterator<Item = &MribRoute<A>> + Clone {
        let first = self.first.as_ref().filter(|_| topology == 0);
        first.into_iter().chain(self.in_topology(topology).into_iter().flat_map(|w| w.routes.iter()))
    }

    pub(super) fn alternate(&self, topology: u16) -> Option<&MribRoute<A>> {
        self.in_topology(topology)?.alternate.as_ref()
    }

    pub(super) fn vector(&self, topology: u16) -> Option<Vector<A>> {
        self.in_topology(topology)?.proxy()
    }

    /// Whether nothing was found in any topology.
    pub(super) const fn is_empty(&self) -> bool {
        self.first.is_none() && self.more.is_none()
    }

    /// Interfaces of all ways, each once.
    pub(super) fn interfaces(&self) -> Vec<IfIndex> {
        let more = self.more.iter().flat_map(|m| core::iter::once(&m.base).chain(m.others.iter().map(|(_, w)| w)));
        let routes = more.flat_map(|w| w.routes.iter().chain(&w.alternate));
        let mut all: Vec<IfIndex> = self.first.iter().chain(routes).map(|r| r.interface).collect();
        all.sort_unstable();
        all.dedup();
        all
    }

    /// Replaces what is known of a topology.
    pub(super) fn set(&mut self, topology: u16, mut ways: Ways<A>) {
        ways.routes.truncate(MAX_ROUTES);
        let mut others = self.more.take().map(|m| *m);
        if topology == 0 {
            self.first = if ways.routes.is_empty() { None } else { Some(ways.routes.remove(0)) };
            let others = others.map(|m| m.others).unwrap_or_default();
            let plain = ways.routes.is_empty() && ways.alternate.is_none() && ways.vector.is_none();
            if !plain || !others.is_empty() {
                self.more = Some(Box::new(More { base: ways, others }));
            }
            return;
        }
        let mut more = others.take().unwrap_or_else(|| More { base: Ways::default(), others: Vec::new() });
        more.others.retain(|(t, _)| *t != topology);
        if ways != Ways::default() && more.others.len() < MAX_ROUTES {
            more.others.push((topology, ways));
        }
        if !more.others.is_empty() || more.base != Ways::default() {
            self.more = Some(Box::new(more));
        }
    }
}

/// A way that a tree takes although it is not the first: an ECMP Redirect asked for it, or the first one fell silent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Detour<A> {
    pub(super) interface: IfIndex,
    pub(super) next_hop: A,
    /// Router identifier of the neighbour (RFC 6395); 0 if it has none.
    pub(super) router: u32,
    /// Of a redirect: what it weighs, and who sent it.
    pub(super) redirect: Option<Weight<A>>,
}

/// How desirable an interface of an ECMP bundle is (RFC 6754 §5.5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Weight<A> {
    pub(super) preference: u8,
    pub(super) metric: u64,
    /// The neighbour's address or Interface ID.
    pub(super) tie: u128,
    /// The router that sent it: its identifier, or its address.
    pub(super) from: (u32, A),
}

impl<A> Weight<A> {
    /// Less preference and metric, then the higher neighbour.
    pub(super) fn is_better(&self, other: &Self) -> bool {
        let of = |w: &Self| (w.preference, w.metric, core::cmp::Reverse(w.tie));
        of(self) < of(other)
    }
}

impl<A: PimAddress> Network<A> {
    /// Whether the route's next hop is a neighbour, or the address is on the link.
    pub(super) fn is_live(&self, route: &MribRoute<A>) -> bool {
        self.interfaces.contains_key(&route.interface)
            && route.next_hop.is_none_or(|hop| self.nbr(route.interface, hop).is_some())
    }

    /// The ways to an address and the topology to look in: an address on a link of ours is there in all of them.
    fn ways(&self, target: Target<A>) -> Option<(&AllWays<A>, u16)> {
        self.watches.get(&target.address).map(|w| (&w.ways, if w.tracked { target.topology } else { 0 }))
    }

    /// The routes of equal cost to a target.
    pub(super) fn routes(&self, target: Target<A>) -> impl Iterator<Item = &MribRoute<A>> + Clone {
        self.ways(target).into_iter().flat_map(|(ways, topology)| ways.routes(topology))
    }

    /// A longer way to a target that leads to no loop.
    pub(super) fn alternate(&self, target: Target<A>) -> Option<&MribRoute<A>> {
        self.ways(target).and_then(|(ways, topology)| ways.alternate(topology))
    }

    /// The vector that Joins to a target carry.
    pub(super) fn vector(&self, target: Target<A>) -> Option<Vector<A>> {
        self.ways(target).and_then(|(ways, topology)| ways.vector(topology))
    }

    /// The route that a tree takes. A detour that is no way any more leads to another neighbour on the same link, or to the same router
    /// on another (RFC 6754 §5.3). With `reroute` the alternate serves where no route does.
    pub(super) fn choose(&self, target: Target<A>, detour: Option<&Detour<A>>, reroute: bool) -> Option<&MribRoute<A>> {
        let (ways, topology) = self.ways(target)?;
        if ways.more.is_none() {
            return ways.first.as_ref().filter(|_| topology == 0);
        }
        let routes = ways.routes(topology);
        let alternate = self.alternate(target).filter(|r| reroute && self.is_live(r));
        if let Some(d) = detour {
            let same = |r: &&MribRoute<A>| r.interface == d.interface && r.next_hop == Some(d.next_hop);
            let router = |r: &MribRoute<A>| {
                let hop = r.next_hop.and_then(|hop| self.nbr(r.interface, hop))?;
                self.interfaces.get(&r.interface)?.neighbors.get(&hop).map(|n| n.router_id)
            };
            let live = || routes.clone().filter(|r| self.is_live(r));
            let found = live().chain(alternate).find(same);
            let near = || live().find(|r| r.interface == d.interface);
            let again = || live().find(|r| d.router != 0 && router(r) == Some(d.router));
            if let Some(route) = found.or_else(near).or_else(again) {
                return Some(route);
            }
        }
        let mut first = routes.clone();
        routes.clone().find(|r| self.is_live(r)).or(alternate).or_else(|| first.next())
    }
}

#[cfg(test)]
mod tests {
    use core::net::Ipv4Addr;

    use super::*;

    fn route(interface: u32) -> MribRoute<Ipv4Addr> {
        MribRoute { interface: IfIndex(interface), next_hop: None, preference: 1, metric: 1 }
    }

    #[test]
    fn one_route_has_no_box_and_every_topology_its_ways() {
        let mut all = AllWays::of(None);
        assert!(all.is_empty());
        all.set(0, Ways { routes: Vec::from([route(1)]), ..Ways::default() });
        assert!(all.more.is_none() && !all.is_empty());
        all.set(5, Ways { routes: Vec::from([route(2), route(3)]), ..Ways::default() });
        all.set(0, Ways { routes: Vec::from([route(1), route(4)]), alternate: Some(route(6)), ..Ways::default() });
        let of = |all: &AllWays<Ipv4Addr>, t| all.routes(t).map(|r| r.interface.0).collect::<Vec<_>>();
        assert_eq!((of(&all, 0), of(&all, 5), of(&all, 6)), (Vec::from([1, 4]), Vec::from([2, 3]), Vec::new()));
        assert_eq!(all.interfaces(), [1, 2, 3, 4, 6].map(IfIndex));
        all.set(5, Ways::default());
        all.set(0, Ways { routes: Vec::from([route(1)]), ..Ways::default() });
        assert!(all.more.is_none());
        all.set(0, Ways::default());
        assert!(all.is_empty());
    }

    #[test]
    fn no_more_than_so_many_routes_are_kept() {
        let mut all = AllWays::of(None);
        all.set(0, Ways { routes: (0..100).map(route).collect(), ..Ways::default() });
        assert_eq!(all.routes(0).count(), MAX_ROUTES);
    }

    #[test]
    fn less_preference_and_metric_and_the_higher_neighbour_win() {
        let weight = |preference, metric, tie| Weight { preference, metric, tie, from: (0, Ipv4Addr::UNSPECIFIED) };
        assert!(weight(1, 9, 0).is_better(&weight(2, 0, 9)));
        assert!(weight(1, 8, 0).is_better(&weight(1, 9, 9)));
        assert!(weight(1, 9, 2).is_better(&weight(1, 9, 1)));
        assert!(!weight(1, 9, 1).is_better(&weight(1, 9, 1)));
    }
}
