//! The customers' routes for the forwarder, with the PMSI resolved: legs to tunnels, RPF checks against the upstream PE
//! (RFC 6513 §9.1.1).

use core::net::IpAddr;

use fwd_core::net::{IfIndex, IpPrefix, Ipv4Prefix, Ipv6Prefix, ReplicationId};
use fwd_core::op::{FwdOp, LegTarget, Mroute, MrouteKey, Origin, Rpf};
use fwd_core::time::Instant;

use super::c_multicast::By;
use super::config::{AsmMode, CMulticastProtocol};
use super::instance::{CRoute, FlowKey, Mvrf};
use super::io::CTree;
use super::root::TreeId;
use super::shared::{Shared, Timer};
use super::source_active::{shared_trees, sources_in};

/// The forwarder's key of (C-S,C-G), or of (C-*,C-G).
pub(super) fn mroute_key(source: Option<IpAddr>, group: IpAddr) -> MrouteKey {
    match (source, group) {
        (Some(IpAddr::V4(source)), IpAddr::V4(group)) => MrouteKey::Source4 { source, group },
        (Some(IpAddr::V6(source)), IpAddr::V6(group)) => MrouteKey::Source6 { source, group },
        (_, IpAddr::V4(group)) => MrouteKey::Group4 { group: Ipv4Prefix::host(group) },
        (_, IpAddr::V6(group)) => MrouteKey::Group6 { group: Ipv6Prefix::host(group) },
    }
}

/// Source and group of a key; `None` for a range of groups.
pub(super) fn flow_of(key: MrouteKey) -> Option<FlowKey> {
    Some(match key {
        MrouteKey::Source4 { source, group } => (Some(source.into()), group.into()),
        MrouteKey::Source6 { source, group } => (Some(source.into()), group.into()),
        MrouteKey::Group4 { group } if group.bit_len() == 32 => (None, group.addr().into()),
        MrouteKey::Group6 { group } if group.bit_len() == 128 => (None, group.addr().into()),
        _ => return None,
    })
}

/// The family that a range of groups is of, and its first group.
pub(super) fn group_of(key: MrouteKey) -> IpAddr {
    match key {
        MrouteKey::Source4 { group, .. } => group.into(),
        MrouteKey::Source6 { group, .. } => group.into(),
        MrouteKey::Group4 { group } => IpPrefix::V4(group).addr(),
        MrouteKey::Group6 { group } => IpPrefix::V6(group).addr(),
    }
}

impl Mvrf {
    fn pmsi(&self) -> Origin {
        Origin::Interface(self.config.pmsi)
    }

    /// An op of the customers' PIM, or mLDP.
    pub(super) fn program(&mut self, shared: &mut Shared, now: Instant, op: FwdOp) {
        if self.program_lsp(shared, now, &op) {
            return;
        }
        match op {
            FwdOp::SetReplication { id, .. } => {
                self.c_groups.entry(id).or_default();
                shared.op(op);
            }
            FwdOp::ClearReplication { id } => {
                self.c_groups.remove(&id);
                shared.op(op);
            }
            FwdOp::SetLeg { group, leg, target } => self.set_leg(shared, now, group, leg, target),
            FwdOp::ClearLeg { group, leg } => self.clear_leg(shared, now, group, leg),
            FwdOp::SetMroute { key, mroute, .. } => self.set_mroute(shared, now, key, mroute),
            FwdOp::ClearMroute { key, .. } => self.clear_mroute(shared, now, key),
            FwdOp::SetRpfMember { set, from } => self.set_member(shared, set, from, true),
            FwdOp::ClearRpfMember { set, from } => self.set_member(shared, set, from, false),
            _ => shared.op(op),
        }
    }

    fn set_leg(&mut self, shared: &mut Shared, now: Instant, id: ReplicationId, leg: u16, target: LegTarget) {
        let pmsi = self.config.pmsi;
        let Some(group) = self.c_groups.get_mut(&id) else { return };
        if target == LegTarget::Interface(pmsi) {
            if self.config.sites.senders {
                group.pmsi = Some(leg);
                self.bind_leg(shared, id);
                self.pmsi_leg_changed(shared, now, id);
            }
            return;
        }
        // RFC 6513 §2.3: sites that only send receive nothing, but from each other.
        group.others.insert(leg, target);
        shared.op(FwdOp::SetLeg { group: id, leg, target });
        self.legs_changed(shared, now, id);
    }

    fn clear_leg(&mut self, shared: &mut Shared, now: Instant, id: ReplicationId, leg: u16) {
        let Some(group) = self.c_groups.get_mut(&id) else { return };
        if group.pmsi == Some(leg) {
            group.pmsi = None;
            let key = group.key;
            if group.bound.take().is_some() {
                shared.op(FwdOp::ClearLeg { group: id, leg });
            }
            self.bind_taps(shared, id);
            self.join_again(shared, key);
            return self.pmsi_leg_changed(shared, now, id);
        }
        group.others.remove(&leg);
        shared.op(FwdOp::ClearLeg { group: id, leg });
        self.legs_changed(shared, now, id);
    }

    /// A flow of ours has receivers at other PEs, or not any more.
    fn pmsi_leg_changed(&mut self, shared: &mut Shared, now: Instant, id: ReplicationId) {
        let flow = self.c_groups.get(&id).and_then(|g| g.key).and_then(flow_of);
        if let Some((Some(source), group)) = flow {
            self.settle(shared, now, source, group);
            self.update_s_pmsi(shared, now, source, group);
        }
    }

    /// In SPT-only mode, who has receivers of a group joins its sources.
    fn legs_changed(&mut self, shared: &mut Shared, now: Instant, id: ReplicationId) {
        let flow = self.c_groups.get(&id).and_then(|g| g.key).and_then(flow_of);
        if let (Some((None, group)), AsmMode::SptOnly) = (flow, self.config.asm) {
            self.update_group(shared, now, group);
        }
    }

    /// Whether the PE's own sites have receivers of a group on the shared tree.
    pub(super) fn has_receivers(&self, group: IpAddr) -> bool {
        let route = self.c_routes.get(&mroute_key(None, group));
        let id = route.and_then(|route| route.mroute.replication);
        id.and_then(|id| self.c_groups.get(&id)).is_some_and(|group| !group.others.is_empty())
    }

    /// The leg out of the PMSI leads to the tunnel that the flow is matched to.
    pub(super) fn bind_leg(&mut self, shared: &mut Shared, id: ReplicationId) {
        self.bind_taps(shared, id);
        let Some(group) = self.c_groups.get(&id) else { return };
        let (Some(leg), Some(key)) = (group.pmsi, group.key) else { return };
        let bound = group.bound;
        let (source, g) = flow_of(key).unwrap_or((None, group_of(key)));
        let tree = match flow_of(key) {
            Some(_) => self.tunnel_of(source, g).0,
            None => self.tree_of_range(key),
        };
        let wanted = tree
            .filter(|_| !self.is_kept_back(source, g) && !self.stays_here(source, g))
            .filter(|_| !self.starts_later(shared, source, g))
            .and_then(|tree| shared.roots.get(&tree))
            .map(|root| root.group);
        if wanted == bound {
            return;
        }
        match wanted {
            // The leg is replaced in one step: no packet is lost, and none is sent twice.
            Some(to) => shared.op(FwdOp::SetLeg { group: id, leg, target: LegTarget::Group(to) }),
            None => shared.op(FwdOp::ClearLeg { group: id, leg }),
        }
        if let Some(group) = self.c_groups.get_mut(&id) {
            group.bound = wanted;
        }
    }

    /// A tunnel is to be given up: legs of groups whose routes went before them, which no longer follow what routes are matched to, do not
    /// lead to it.
    pub(super) fn unbind(&mut self, shared: &mut Shared, tree: TreeId) {
        let Some(to) = shared.roots.get(&tree).map(|root| root.group) else { return };
        for (id, group) in self.c_groups.iter_mut().filter(|(_, group)| group.bound == Some(to)) {
            group.bound = None;
            if let Some(leg) = group.pmsi {
                shared.op(FwdOp::ClearLeg { group: *id, leg });
            }
        }
    }

    fn set_mroute(&mut self, shared: &mut Shared, now: Instant, key: MrouteKey, mroute: Mroute) {
        if let Some(group) = mroute.replication.and_then(|id| self.c_groups.get_mut(&id)) {
            group.key = Some(key);
        }
        let old_rate = self.c_routes.get(&key).map(|route| route.rate);
        self.c_routes.insert(key, CRoute { mroute, rate: old_rate.unwrap_or(0) });
        self.c_by_group.entry(group_of(key)).or_default().insert(key);
        self.bidir_rpf(shared, key);
        if let Some(id) = mroute.replication {
            self.bind_leg(shared, id);
        }
        self.emit_route(shared, key);
        self.follow_pim(shared, now, key);
        match flow_of(key) {
            Some((Some(source), group)) => {
                self.derived.remove(&(group, source));
                if old_rate.is_none() {
                    self.settle(shared, now, source, group);
                }
                self.update_s_pmsi(shared, now, source, group);
            }
            Some((None, group)) => {
                self.refresh_derived(shared, group);
                if self.config.asm == AsmMode::SptOnly {
                    self.update_group(shared, now, group);
                }
                self.bidir_route_changed(shared, now, group);
            }
            None => {}
        }
    }

    fn clear_mroute(&mut self, shared: &mut Shared, now: Instant, key: MrouteKey) {
        let Some(old) = self.c_routes.remove(&key) else { return };
        self.follow_pim(shared, now, key);
        if let Some(keys) = self.c_by_group.get_mut(&group_of(key)) {
            keys.remove(&key);
            if keys.is_empty() {
                self.c_by_group.remove(&group_of(key));
            }
        }
        let flow = flow_of(key);
        if let Some((None, group)) = flow {
            // First those that use its legs.
            self.refresh_derived(shared, group);
        }
        shared.op(FwdOp::ClearMroute { vrf: self.config.vrf, key });
        if let Some(group) = old.mroute.replication.and_then(|id| self.c_groups.get_mut(&id)) {
            group.key = None;
        }
        match flow {
            Some((Some(source), group)) => {
                self.update_derived(shared, group, source);
                self.update_s_pmsi(shared, now, source, group);
            }
            Some((None, group)) => {
                if self.config.asm == AsmMode::SptOnly {
                    self.update_group(shared, now, group);
                }
                self.bidir_route_changed(shared, now, group);
            }
            None => {}
        }
    }

    /// Where PIM runs between the PEs, its routes say what it joined: it has joined what comes from the PMSI.
    fn follow_pim(&mut self, shared: &mut Shared, now: Instant, key: MrouteKey) {
        if self.config.protocol == CMulticastProtocol::Bgp {
            return;
        }
        let joined = self.c_routes.get(&key).is_some_and(|route| route.mroute.rpf == Rpf::From(self.pmsi()));
        match flow_of(key) {
            Some((Some(source), group)) => {
                self.set_tree(shared, now, CTree::Source { group, source }, By::Pim, joined);
            }
            Some((None, group)) if !joined => {
                // Which RP's tree was joined, messages said.
                let trees: alloc::vec::Vec<_> = self.trees.range(shared_trees(group)).map(|(tree, _)| *tree).collect();
                for tree in trees {
                    self.set_tree(shared, now, tree, By::Pim, false);
                }
            }
            _ => {}
        }
    }

    /// Writes a route of the customers' PIM.
    pub(super) fn emit_route(&self, shared: &mut Shared, key: MrouteKey) {
        let Some(route) = self.c_routes.get(&key) else { return };
        let mut mroute = Mroute { rpf: self.bidirectional(shared, key, route.mroute.rpf), ..route.mroute };
        let mut changes_over = false;
        if mroute.rpf == Rpf::From(self.pmsi()) {
            let (source, group) = flow_of(key).unwrap_or((None, group_of(key)));
            (mroute.rpf, changes_over) = self.rpf(source, group);
        }
        if mroute.spt == Some(self.config.pmsi) {
            // The first packet on the source's tree comes by a tunnel: software knows it as one from elsewhere.
            mroute.spt = None;
            mroute.punt_wrong_interface = true;
        } else if mroute.rpf != route.mroute.rpf {
            // Packets of a wrong PE are dropped and counted, and nobody asserts on a PMSI.
            mroute.punt_wrong_interface = changes_over;
        }
        shared.op(FwdOp::SetMroute { vrf: self.config.vrf, key, mroute });
    }

    /// The RPF check of what comes from the PMSI, and whether the first packet that fails it is to be known of: a source stays on the
    /// shared tree until a packet comes by its own (RFC 7761 §4.2.2), so that none is missed and none comes twice.
    fn rpf(&self, source: Option<IpAddr>, group: IpAddr) -> (Rpf, bool) {
        let shared = self.receiving.get(&(None, group));
        let Some(receiving) = self.receiving.get(&(source, group)).or(shared) else { return (Rpf::Nowhere, false) };
        let before = shared.filter(|shared| shared.pe != receiving.pe && !receiving.has_arrived);
        let Some(upstream) = self.upstreams.get(&before.unwrap_or(receiving).pe) else { return (Rpf::Nowhere, false) };
        let rpf = match upstream.set {
            Some((set, _)) => Rpf::AnyOf(set),
            None => Rpf::From(Origin::Tunnel(upstream.tunnel)),
        };
        (rpf, before.is_some())
    }

    /// Whether a source that was announced is not sent to other PEs yet.
    fn starts_later(&self, shared: &Shared, source: Option<IpAddr>, group: IpAddr) -> bool {
        source.is_some_and(|source| shared.timers.get(Timer::SourceStart(self.config.vrf, group, source)).is_some())
    }

    /// Where a flow comes from changed: so does the check of its packets.
    pub(super) fn refresh_routes(&mut self, shared: &mut Shared, (source, group): FlowKey) {
        match source {
            Some(source) => {
                let key = mroute_key(Some(source), group);
                if self.c_routes.get(&key).is_some_and(|route| route.mroute.rpf == Rpf::From(self.pmsi())) {
                    self.emit_route(shared, key);
                }
                self.update_derived(shared, group, source);
            }
            None => {
                let keys: alloc::vec::Vec<_> = self.c_by_group.get(&group).into_iter().flatten().copied().collect();
                for key in keys {
                    let route = self.c_routes.get(&key);
                    if route.is_some_and(|route| route.mroute.rpf == Rpf::From(self.pmsi())) {
                        self.emit_route(shared, key);
                    }
                }
                self.refresh_derived(shared, group);
            }
        }
    }

    fn refresh_derived(&mut self, shared: &mut Shared, group: IpAddr) {
        let mut sources = self.sources_of(group);
        sources.extend(self.derived.range(sources_in(group)).map(|(_, source)| *source));
        for source in sources {
            self.update_derived(shared, group, source);
        }
    }

    /// (C-S,C-G) with the legs of (C-*,C-G), for a source that comes from another PE than the shared tree does
    /// (RFC 6514 §13.2, §14.2), as long as the customers' PIM has no (C-S,C-G) itself.
    fn update_derived(&mut self, shared: &mut Shared, group: IpAddr, source: IpAddr) {
        let key = mroute_key(Some(source), group);
        let (vrf, pmsi) = (self.config.vrf, self.pmsi());
        let star = self.c_routes.get(&mroute_key(None, group)).map(|route| route.mroute);
        let star = star.filter(|m| m.rpf == Rpf::From(pmsi) || self.config.asm == AsmMode::SptOnly);
        let is_own = self.c_routes.contains_key(&key);
        let wanted = star.filter(|_| !is_own && self.receiving.contains_key(&(Some(source), group)));
        match wanted {
            Some(star) => {
                let (rpf, punt_wrong_interface) = self.rpf(Some(source), group);
                let mroute = Mroute { rpf, punt_wrong_interface, register: false, spt: None, ..star };
                self.derived.insert((group, source));
                shared.op(FwdOp::SetMroute { vrf, key, mroute });
            }
            None if self.derived.remove(&(group, source)) && !is_own => {
                shared.op(FwdOp::ClearMroute { vrf, key });
            }
            None => {}
        }
    }

    /// The interface that the customers' PIM knows the PMSI by.
    pub(super) const fn pmsi_interface(&self) -> IfIndex {
        self.config.pmsi
    }
}
