//! Extranets between MVRFs of one PE (RFC 7900 §8): joins, sources and packets cross from VRF to VRF, and need no route and no tunnel.
//!
//! The MVRF with the source has the selected upstream hop's RD, and its VRF Route Import names this PE. What is joined of it becomes a join of
//! its own, as a C-multicast route of another PE would; its packets go on in the other VRF as those that come by a tunnel, whose RPF check
//! is then that of any other upstream PE (RFC 6513 §9.1.1).

use core::net::IpAddr;

use alloc::collections::{BTreeSet, VecDeque};
use alloc::vec::Vec;
use bgp_vpn::nlri::RouteDistinguisher;
use fwd_core::net::{ReplicationId, TunnelId, VrfId};
use fwd_core::op::{FwdOp, LegTarget};
use fwd_core::time::Instant;

use super::config::{AsmMode, CMulticastProtocol};
use super::forwarding::flow_of;
use super::instance::{FlowKey, Joiner, Mvrf, PeKey};
use super::io::CTree;
use super::limits::Held;
use super::machine::MvpnPe;
use super::route::McastRoute;
use super::shared::Shared;
use super::source_active::shared_trees;
use super::umh::Umh;

/// What an MVRF has to say to others of the same PE, in order.
pub(super) type Crossings = VecDeque<Crossing>;

/// What crosses from an MVRF to another of the same PE.
#[derive(Clone, Copy, Debug)]
pub(super) enum Crossing {
    /// An MVRF joins a tree of the one with this RD, or leaves it.
    Join { to: RouteDistinguisher, from: VrfId, tree: CTree, joined: bool },
    /// An MVRF takes a flow of the one with this RD by this tunnel, or no more.
    Tap { to: RouteDistinguisher, from: VrfId, flow: FlowKey, tunnel: Option<TunnelId> },
    /// A source of an MVRF, by group and source, is active, or no more: for those that import its routes.
    Source { from: VrfId, flow: (IpAddr, IpAddr), present: bool },
    /// A Leaf A-D route that this MVRF waited for is free: no other answers the S-PMSI any more.
    Answer { vrf: VrfId, route: McastRoute },
    /// A tunnel that nothing crosses by any more.
    Drop(TunnelId),
}

impl MvpnPe {
    /// Takes what crosses to where it belongs.
    pub(super) fn cross(&mut self, now: Instant) {
        while let Some(crossing) = self.shared.crossings.pop_front() {
            match crossing {
                Crossing::Join { to, from, tree, joined } => {
                    if let Some(m) = self.by_rd.get(&to).and_then(|vrf| self.mvrfs.get_mut(vrf)) {
                        m.join_changed(&mut self.shared, now, tree, Joiner::Vrf(from), joined);
                        m.watch(&mut self.shared, now);
                    }
                }
                Crossing::Tap { to, from, flow, tunnel } => {
                    if let Some(m) = self.by_rd.get(&to).and_then(|vrf| self.mvrfs.get_mut(vrf)) {
                        m.tap(&mut self.shared, from, flow, tunnel);
                    }
                }
                Crossing::Source { from, flow, present } => self.source_crosses(now, from, flow, present),
                Crossing::Answer { vrf, route } => {
                    if let Some(m) = self.mvrfs.get_mut(&vrf) {
                        m.answer_again(&mut self.shared, now, route);
                    }
                }
                Crossing::Drop(tunnel) => self.shared.drop_tunnel(tunnel),
            }
        }
    }

    fn source_crosses(&mut self, now: Instant, from: VrfId, flow: (IpAddr, IpAddr), present: bool) {
        let Some(of) = self.mvrfs.get(&from) else { return };
        let key = PeKey { address: self.shared.config.router, rd: of.config.rd };
        let family = crate::pim::wire::AddressFamily::of(flow.0);
        let to: BTreeSet<VrfId> = of.config.export.iter().flat_map(|target| self.importers_of(target)).collect();
        for vrf in to.into_iter().filter(|vrf| *vrf != from) {
            if let Some(m) = self.mvrfs.get_mut(&vrf).filter(|m| m.config.families.contains(&family)) {
                m.source_changed(&mut self.shared, now, flow, key, present);
                m.watch(&mut self.shared, now);
            }
        }
    }

    /// An MVRF is new: others may have waited for it, and it for others' sources.
    pub(super) fn meet(&mut self, now: Instant, vrf: VrfId) {
        let Some(new) = self.mvrfs.get(&vrf) else { return };
        let of = PeKey { address: self.shared.config.router, rd: new.config.rd };
        for (from, m) in self.mvrfs.iter().filter(|(other, _)| **other != vrf) {
            if m.umh.has_origin(of.rd, of.address) {
                m.say_again(&mut self.shared, of);
            }
            if m.config.export.iter().any(|target| new.config.import.contains(target)) {
                let flows = m.own_sources.keys();
                let crossings = flows.map(|flow| Crossing::Source { from: *from, flow: *flow, present: true });
                self.shared.crossings.extend(crossings);
            }
        }
        self.cross(now);
    }

    /// An MVRF is to go: so are its sources.
    pub(super) fn part(&mut self, now: Instant, vrf: VrfId) {
        let flows = self.mvrfs.get(&vrf).into_iter().flat_map(|m| m.own_sources.keys().copied());
        let gone = flows.map(|flow| Crossing::Source { from: vrf, flow, present: false });
        self.shared.crossings.extend(gone);
        self.cross(now);
    }
}

impl Mvrf {
    /// The MVRF of this PE that a tree is joined at, if the upstream hop is one.
    fn joined_here(&self, shared: &Shared, tree: &CTree, umh: Option<Umh>) -> Option<RouteDistinguisher> {
        let Some(Umh::Remote { import, rd, .. }) = umh else { return None };
        let is_tree = !matches!(tree, CTree::Shared { .. }) || self.config.asm == AsmMode::RptSpt;
        (is_tree && import.address == shared.config.router && rd != self.config.rd).then_some(rd)
    }

    /// The upstream hop of a tree changed: the join crosses to another MVRF of this PE.
    pub(super) fn move_join(&self, shared: &mut Shared, tree: CTree, old: Option<Umh>, new: Option<Umh>) {
        let (old, new) = (self.joined_here(shared, &tree, old), self.joined_here(shared, &tree, new));
        if old == new {
            return;
        }
        let from = self.config.vrf;
        let crossing = |to, joined| Crossing::Join { to, from, tree, joined };
        let both = [new.map(|to| crossing(to, true)), old.map(|to| crossing(to, false))];
        shared.crossings.extend(both.into_iter().flatten());
    }

    /// A flow is expected from a VRF, if that is one of this PE; or no more.
    pub(super) fn move_tap(&self, shared: &mut Shared, flow: FlowKey, of: PeKey, present: bool) {
        if of.address == shared.config.router {
            let tunnel = self.upstreams.get(&of).map(|upstream| upstream.tunnel).filter(|_| present);
            shared.crossings.push_back(Crossing::Tap { to: of.rd, from: self.config.vrf, flow, tunnel });
        }
    }

    /// Everything that is wanted of another MVRF of this PE.
    fn say_again(&self, shared: &mut Shared, of: PeKey) {
        for (tree, known) in &self.trees {
            if self.joined_here(shared, tree, known.umh) == Some(of.rd) {
                self.move_join(shared, *tree, None, known.umh);
            }
        }
        for flow in self.by_pe.get(&of).into_iter().flatten() {
            self.move_tap(shared, *flow, of, true);
        }
    }

    /// Another MVRF of this PE takes a flow, or no more.
    fn tap(&mut self, shared: &mut Shared, from: VrfId, flow: FlowKey, tunnel: Option<TunnelId>) {
        let taps = self.taps.entry(flow).or_default();
        match tunnel {
            Some(tunnel) => taps.insert(from, tunnel),
            None => taps.remove(&from),
        };
        if taps.is_empty() {
            self.taps.remove(&flow);
        }
        self.bind_group(shared, flow.1);
    }

    /// Joins and sources of other MVRFs of this PE that are beyond a limit go, after those of other PEs, as if they had been withdrawn.
    pub(super) fn drop_crossed(&mut self, shared: &mut Shared, now: Instant) {
        let is_here = |by: &&Joiner| matches!(by, Joiner::Vrf(_));
        let joins = self.joins.iter().flat_map(|(tree, join)| join.by.iter().filter(is_here).map(|by| (*tree, *by)));
        for (tree, by) in joins.collect::<Vec<_>>() {
            if self.excess(Held::Joins) > 0 {
                self.join_changed(shared, now, tree, by, false);
            }
        }
        let router = shared.config.router;
        let says = self.sources.iter().flat_map(|(flow, says)| says.iter().map(|key| (*flow, *key)));
        for (flow, key) in says.filter(|(_, key)| key.address == router).collect::<Vec<_>>() {
            if self.excess(Held::Sources) > 0 {
                self.source_changed(shared, now, flow, key, false);
            }
        }
    }

    /// The tunnels of other MVRFs of this PE that take a flow.
    fn taps_of(&self, (source, group): FlowKey) -> BTreeSet<TunnelId> {
        let of_source = source.and_then(|source| self.taps.get(&(Some(source), group)));
        let of_group = self.taps.get(&(None, group));
        of_source.into_iter().chain(of_group).flat_map(|taps| taps.values().copied()).collect()
    }

    /// Binds the legs of a group's flows anew.
    pub(super) fn bind_group(&mut self, shared: &mut Shared, group: IpAddr) {
        let keys = self.c_by_group.get(&group).into_iter().flatten();
        let routes = keys.filter_map(|key| self.c_routes.get(key)?.mroute.replication);
        let ids: Vec<ReplicationId> = routes.collect();
        ids.into_iter().for_each(|id| self.bind_leg(shared, id));
    }

    /// Whether a flow of ours that the PMSI joined is for MVRFs of this PE alone: it takes no tunnel. A source that is announced may have
    /// receivers that join the shared tree alone (RFC 6514 §13.2).
    pub(super) fn stays_here(&self, source: Option<IpAddr>, group: IpAddr) -> bool {
        let is_announced = source.is_some_and(|source| self.own_sources.contains_key(&(group, source)));
        if self.taps.is_empty() || is_announced || self.config.protocol != CMulticastProtocol::Bgp {
            return false;
        }
        let of_source = source.and_then(|source| self.joins.get(&CTree::Source { group, source }));
        let of_group = self.joins.range(shared_trees(group)).map(|(_, join)| join);
        let is_route = |by: &Joiner| !matches!(by, Joiner::Vrf(_));
        !self.taps_of((source, group)).is_empty() && !of_group.chain(of_source).any(|join| join.by.iter().any(is_route))
    }

    /// The legs by which a flow that leaves by the PMSI goes on in other MVRFs of this PE. They are numbered from the highest down, those of
    /// the customers' PIM from the lowest up.
    pub(super) fn bind_taps(&mut self, shared: &mut Shared, id: ReplicationId) {
        let Some(group) = self.c_groups.get(&id) else { return };
        if self.taps.is_empty() && group.taps.is_empty() {
            return;
        }
        let flow = group.pmsi.and(group.key).and_then(flow_of);
        let wanted = flow.map(|flow| self.taps_of(flow)).unwrap_or_default();
        let Some(group) = self.c_groups.get_mut(&id) else { return };
        group.taps.retain(|tunnel, leg| {
            let is_wanted = wanted.contains(tunnel);
            if !is_wanted {
                shared.op(FwdOp::ClearLeg { group: id, leg: *leg });
            }
            is_wanted
        });
        for tunnel in wanted {
            if group.taps.contains_key(&tunnel) {
                continue;
            }
            let is_used = |leg: &u16| {
                group.pmsi == Some(*leg) || group.others.contains_key(leg) || group.taps.values().any(|of| of == leg)
            };
            let Some(leg) = (0..=u16::MAX).rev().find(|leg| !is_used(leg)) else { return };
            group.taps.insert(tunnel, leg);
            shared.op(FwdOp::SetLeg { group: id, leg, target: LegTarget::Multicast(tunnel) });
        }
    }
}
