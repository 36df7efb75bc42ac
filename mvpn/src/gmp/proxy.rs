//! Forwarding by IGMP or MLD alone (RFC 4605): a router of a tree that runs no multicast routing protocol.
//!
//! It is a host on its upstream interface, where it wants what its downstream interfaces want together, and a router on those. What
//! arrives goes to the upstream interface and to the downstream interfaces with members, but where it came from; on a downstream link
//! with several proxies only the querier forwards (§4.2).

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::ops::RangeInclusive;

use fwd_core::net::{IfIndex, ReplicationId, RpfSetId, VrfId};
use fwd_core::op::{FwdOp, LegTarget, Mroute, Origin, Rpf, VsiOrVrf};
use fwd_core::time::Instant;

use super::{
    ConfigError, Event, Filter, GmpHost, GmpRouter, HostConfig, HostError, HostFilter, InterfaceConfig, Protocol,
    RouterConfig, RouterInput, RouterOutput,
};
use crate::pim::PimAddress;

/// A proxy of one VRF and one family.
#[derive(Clone, Debug)]
pub struct ProxyConfig<A> {
    /// The VRF.
    pub vrf: VrfId,
    /// The interface towards the root of the tree.
    pub upstream: IfIndex,
    /// Source of reports on it: in IPv6 link-local.
    pub address: A,
    /// The host side.
    pub host: HostConfig,
    /// The router side.
    pub router: RouterConfig,
    /// Numbers of replication groups in the forwarder that are this proxy's alone.
    pub replication: RangeInclusive<u32>,
    /// The set of interfaces that packets may come from, in the forwarder.
    pub rpf_set: RpfSetId,
}

/// A configuration that cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProxyError {
    /// Of the upstream interface.
    #[error("upstream: {0}")]
    Upstream(#[from] HostError),
    /// Of a downstream interface.
    #[error("downstream: {0}")]
    Downstream(#[from] ConfigError),
    /// The upstream interface cannot be a downstream interface, too.
    #[error("iface: the upstream interface")]
    Interface,
}

/// What goes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProxyOutput<A> {
    /// A datagram to be sent with TTL 1 and the Router Alert option.
    Datagram {
        /// The interface.
        iface: IfIndex,
        /// The IP source.
        source: A,
        /// The IP destination.
        destination: A,
        /// The payload.
        octets: Vec<u8>,
    },
    /// An op for the forwarder.
    Program(FwdOp),
    /// Something an operator may want to know.
    Event(Event<A>),
    /// The forwarder had no room, or there is no number left: packets of the group go as those of groups without members do.
    Refused {
        /// The group.
        group: A,
    },
}

/// A route that the forwarder was told.
#[derive(Clone, Debug)]
struct Installed {
    id: ReplicationId,
    legs: Vec<IfIndex>,
}

/// An IGMP or MLD proxy.
#[derive(Clone, Debug)]
pub struct GmpProxy<A: Protocol + PimAddress> {
    config: ProxyConfig<A>,
    host: GmpHost<A>,
    router: GmpRouter<A>,
    downstream: BTreeSet<IfIndex>,
    /// Routes by group and source; that of every group has no group.
    routes: BTreeMap<(Option<A>, Option<A>), Installed>,
    free: Vec<u32>,
    next: u32,
    queriers: BTreeSet<IfIndex>,
    outputs: VecDeque<ProxyOutput<A>>,
}

impl<A: Protocol + PimAddress> GmpProxy<A> {
    /// A proxy without downstream interfaces.
    ///
    /// # Errors
    /// A value out of its range.
    pub fn new(now: Instant, config: ProxyConfig<A>) -> Result<Self, ProxyError> {
        let mut host = GmpHost::new(now, config.host)?;
        host.add_interface(now, config.upstream, config.address)?;
        let router = GmpRouter::new(now, config.router)?;
        let next = *config.replication.start();
        let from = Origin::Interface(config.upstream);
        let mut proxy = Self {
            host,
            router,
            downstream: BTreeSet::new(),
            routes: BTreeMap::new(),
            free: Vec::new(),
            next,
            queriers: BTreeSet::new(),
            outputs: VecDeque::new(),
            config,
        };
        proxy.op(FwdOp::SetRpfMember { set: proxy.config.rpf_set, from });
        proxy.set_route(None, None, Vec::from([proxy.config.upstream]));
        Ok(proxy)
    }

    /// Serves the members of an interface.
    ///
    /// # Errors
    /// The upstream interface, one that is there, or a value out of its range.
    pub fn add_downstream(
        &mut self,
        now: Instant,
        iface: IfIndex,
        config: InterfaceConfig<A>,
    ) -> Result<(), ProxyError> {
        if iface == self.config.upstream {
            return Err(ProxyError::Interface);
        }
        self.router.add_interface(now, iface, config)?;
        self.downstream.insert(iface);
        self.follow(now);
        Ok(())
    }

    /// Ceases to.
    pub fn remove_downstream(&mut self, now: Instant, iface: IfIndex) {
        if self.downstream.remove(&iface) {
            self.router.remove_interface(now, iface);
            self.follow(now);
        }
    }

    /// Takes a datagram.
    pub fn handle_input(&mut self, now: Instant, input: RouterInput<'_, A>) {
        let RouterInput::Datagram { iface, .. } = input;
        if iface == self.config.upstream {
            self.host.handle_input(now, input);
        } else {
            self.router.handle_input(now, input);
        }
        self.follow(now);
    }

    /// The forwarder had no room for an op: the route that it was of is taken back.
    pub fn refused(&mut self, op: FwdOp) {
        let (FwdOp::SetReplication { id, .. } | FwdOp::SetLeg { group: id, .. }) = op else {
            let FwdOp::SetMroute { key, .. } = op else { return };
            if let Some((source, group)) = A::of_mroute_key(key) {
                self.give_up(Some(group), source);
            }
            return;
        };
        let found = self.routes.iter().find(|(_, r)| r.id == id).map(|(key, _)| *key);
        if let Some((group, source)) = found {
            self.give_up(group, source);
        }
    }

    fn give_up(&mut self, group: Option<A>, source: Option<A>) {
        self.clear_route(group, source);
        if let Some(group) = group {
            self.outputs.push_back(ProxyOutput::Refused { group });
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        if self.host.next_timeout().is_some_and(|at| at <= now) {
            self.host.handle_timeout(now);
        }
        if self.router.next_timeout().is_some_and(|at| at <= now) {
            self.router.handle_timeout(now);
        }
        self.follow(now);
    }

    /// When [`Self::handle_timeout`] is due. Inputs, timeouts and the operator's methods change it.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        self.host.next_timeout().into_iter().chain(self.router.next_timeout()).min()
    }

    /// The next output.
    pub fn poll_output(&mut self) -> Option<ProxyOutput<A>> {
        self.outputs.pop_front()
    }

    /// What is wanted of a group upstream: the merge of RFC 4605 §3.1, by the rules of RFC 3376 §3.2.
    #[must_use]
    pub fn wanted(&self, group: A) -> HostFilter<A> {
        let filters: Vec<&Filter<A>> =
            self.downstream.iter().filter_map(|iface| self.router.filter(*iface, group)).collect();
        let mut included = BTreeSet::new();
        let mut excluded: Option<BTreeSet<A>> = None;
        for filter in filters {
            match filter {
                Filter::Include(sources) => included.extend(sources.iter().copied()),
                Filter::Exclude { excluded: sources, .. } => {
                    excluded = Some(match excluded {
                        None => sources.clone(),
                        Some(before) => before.intersection(sources).copied().collect(),
                    });
                }
            }
        }
        match excluded {
            None => HostFilter { exclude: false, sources: included },
            Some(sources) => HostFilter { exclude: true, sources: sources.difference(&included).copied().collect() },
        }
    }

    /// What follows from what the router side learnt: reports upstream, and routes.
    fn follow(&mut self, now: Instant) {
        let mut changed = BTreeSet::new();
        while let Some(output) = self.router.poll_output() {
            match output {
                RouterOutput::Datagram { iface, source, destination, octets } => {
                    self.outputs.push_back(ProxyOutput::Datagram { iface, source, destination, octets });
                }
                RouterOutput::Membership { group, .. } => drop(changed.insert(group)),
                RouterOutput::Event(event) => self.outputs.push_back(ProxyOutput::Event(event)),
            }
        }
        let queriers: BTreeSet<IfIndex> =
            self.downstream.iter().copied().filter(|iface| self.router.is_querier(*iface)).collect();
        if queriers != self.queriers {
            self.queriers_changed(queriers);
            changed.extend(self.routes.keys().filter_map(|(group, _)| *group));
            changed.extend(self.downstream.iter().flat_map(|iface| self.router.groups(*iface)));
        }
        for group in changed {
            let wanted = self.wanted(group);
            // A group that hosts do not report, or one too many, is served downstream all the same.
            let _ = self.host.listen(now, self.config.upstream, group, wanted);
            self.program(group);
        }
        while let Some(output) = self.host.poll_output() {
            let super::HostOutput { iface, source, destination, octets } = output;
            self.outputs.push_back(ProxyOutput::Datagram { iface, source, destination, octets });
        }
    }

    /// Packets of a link come in by the one proxy that is its querier.
    fn queriers_changed(&mut self, queriers: BTreeSet<IfIndex>) {
        let set = self.config.rpf_set;
        let old = core::mem::replace(&mut self.queriers, queriers.clone());
        for iface in old.difference(&queriers) {
            self.op(FwdOp::ClearRpfMember { set, from: Origin::Interface(*iface) });
        }
        for iface in queriers.difference(&old) {
            self.op(FwdOp::SetRpfMember { set, from: Origin::Interface(*iface) });
        }
    }

    /// Brings the forwarder up to date about a group: one route for all sources, and one for each source that somebody names.
    fn program(&mut self, group: A) {
        let filters: BTreeMap<IfIndex, Filter<A>> = self
            .queriers
            .iter()
            .filter_map(|iface| self.router.filter(*iface, group).map(|f| (*iface, f.clone())))
            .collect();
        let mut named = BTreeSet::new();
        for filter in filters.values() {
            named.extend(filter.timed().iter().copied());
            if let Filter::Exclude { excluded, .. } = filter {
                named.extend(excluded.iter().copied());
            }
        }
        let stale: Vec<A> = self
            .routes
            .range((Some(group), None)..)
            .take_while(|((g, _), _)| *g == Some(group))
            .filter_map(|((_, s), _)| *s)
            .filter(|s| !named.contains(s))
            .collect();
        for source in stale {
            self.clear_route(Some(group), Some(source));
        }
        let up = self.config.upstream;
        let legs = |wants: &dyn Fn(&Filter<A>) -> bool| {
            let to = filters.iter().filter(|(_, f)| wants(f)).map(|(iface, _)| *iface);
            [up].into_iter().chain(to).collect::<Vec<_>>()
        };
        let all = legs(&Filter::is_exclude);
        let of_sources: Vec<(A, Vec<IfIndex>)> = named.iter().map(|s| (*s, legs(&|f| f.wants(s)))).collect();
        if filters.is_empty() {
            self.clear_route(Some(group), None);
        } else {
            self.set_route(Some(group), None, all);
        }
        for (source, legs) in of_sources {
            self.set_route(Some(group), Some(source), legs);
        }
    }

    fn key(group: Option<A>, source: Option<A>) -> fwd_core::op::MrouteKey {
        group.map_or_else(|| A::range_key(A::ALL_GROUPS), |group| A::mroute_key(source, group))
    }

    fn set_route(&mut self, group: Option<A>, source: Option<A>, legs: Vec<IfIndex>) {
        let (vrf, old) = (self.config.vrf, self.routes.get(&(group, source)));
        if old.is_some_and(|old| old.legs == legs) {
            return;
        }
        // A new group of legs, and then the route: packets meet the old legs or the new ones.
        let Some(id) = self.take() else {
            return self.give_up(group, source);
        };
        self.op(FwdOp::SetReplication { id, owner: VsiOrVrf::Vrf(vrf) });
        for (leg, iface) in (0..).zip(&legs) {
            self.op(FwdOp::SetLeg { group: id, leg, target: LegTarget::Interface(*iface) });
        }
        let mroute = Mroute {
            rpf: Rpf::AnyOf(self.config.rpf_set),
            replication: Some(id),
            punt_wrong_interface: false,
            register: false,
            spt: None,
        };
        self.op(FwdOp::SetMroute { vrf, key: Self::key(group, source), mroute });
        if let Some(old) = self.routes.insert((group, source), Installed { id, legs }) {
            self.op(FwdOp::ClearReplication { id: old.id });
            self.free.push(old.id.0);
        }
    }

    fn clear_route(&mut self, group: Option<A>, source: Option<A>) {
        let Some(old) = self.routes.remove(&(group, source)) else { return };
        self.op(FwdOp::ClearMroute { vrf: self.config.vrf, key: Self::key(group, source) });
        self.op(FwdOp::ClearReplication { id: old.id });
        self.free.push(old.id.0);
    }

    fn take(&mut self) -> Option<ReplicationId> {
        let number = self.free.pop().or_else(|| {
            let number = Some(self.next).filter(|n| self.config.replication.contains(n))?;
            self.next = self.next.saturating_add(1);
            Some(number)
        });
        number.map(ReplicationId)
    }

    fn op(&mut self, op: FwdOp) {
        self.outputs.push_back(ProxyOutput::Program(op));
    }
}
