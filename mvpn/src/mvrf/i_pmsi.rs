//! Intra-AS I-PMSI A-D routes (RFC 6514 §9.1), and what an inclusive tunnel is bound to.

use core::net::IpAddr;

use alloc::vec::Vec;
use bgp_vpn::nlri::RouteDistinguisher;
use bgp_vpn::nlri::mcast_vpn::IntraAsIPmsiAd;
use fwd_core::time::Instant;

use super::attributes::McastAttributes;
use super::config::{InterAs, MvpnConfigError, TunnelKind};
use super::event::{MvpnLimit, MvpnReject};
use super::instance::{Member, Mvrf, PeKey, SPmsiOut};
use super::io::Output;
use super::p_tunnel::{MldpLsp, PTunnel, PmsiTunnelValue};
use super::root::TreeId;
use super::route::{McastRoute, SFlow};
use super::s_pmsi::{Reason, SPmsiPolicy};
use super::shared::Shared;
use crate::pim::wire::AddressFamily;

impl Mvrf {
    /// Builds the inclusive tunnel and originates the routes of the MVRF.
    pub(super) fn start(&mut self, shared: &mut Shared, now: Instant) -> Result<(), MvpnConfigError> {
        let sites = self.config.sites;
        if let Some(kind) = self.config.inclusive {
            if sites.senders {
                self.inclusive = Some(
                    shared
                        .new_root(now, self.config.vrf, kind, self.shares_trunk())
                        .ok_or(MvpnConfigError::Inclusive)?,
                );
            }
            if kind == TunnelKind::IngressReplication && sites.receivers {
                self.own_label = self.new_own_label(shared, now);
                if self.own_label.is_none() {
                    return Err(MvpnConfigError::Inclusive);
                }
            }
            if let (TunnelKind::MldpMp2mp { root, lsp }, true) = (kind, sites.receivers) {
                self.join_mp2mp(shared, now, PTunnel::MldpMp2mp(MldpLsp::generic(root, lsp)))?;
            }
        }
        self.start_families(shared, now);
        self.update_distinguisher(shared, now, shared.config.router);
        Ok(())
    }

    /// Adds a family of customers' addresses: what the MVRF says of the others stays as it is.
    pub(super) fn add_family(&mut self, shared: &mut Shared, now: Instant, family: AddressFamily) {
        if !self.config.families.contains(&family) {
            self.config.families.push(family);
            self.start_families(shared, now);
            self.announce_all_bidir(shared);
        }
    }

    /// What is said once for each family. What is said already is not said again.
    fn start_families(&mut self, shared: &mut Shared, now: Instant) {
        self.originate_i_pmsi(shared);
        self.update_mdt(shared, true);
        let is_ours = |flow: &SFlow| self.config.families.contains(&flow.family) && !self.s_out.contains_key(flow);
        let fixed: Vec<SFlow> = self.config.s_pmsi.fixed.iter().copied().filter(is_ours).collect();
        for flow in fixed {
            self.set_wanted(shared, now, flow, Some(Reason::Placed));
        }
        self.track_default(shared);
        self.start_schedule(shared, now);
    }

    fn new_own_label(
        &self,
        shared: &mut Shared,
        now: Instant,
    ) -> Option<(fwd_core::net::Label, fwd_core::net::TunnelId)> {
        let tunnel = shared.new_tunnel(now, self.config.vrf)?;
        match shared.new_label(now, self.config.vrf, tunnel) {
            Some(label) => Some((label, tunnel)),
            None => {
                shared.drop_tunnel(tunnel);
                None
            }
        }
    }

    /// Receives by the MP2MP LSP of all PEs.
    fn join_mp2mp(&mut self, shared: &mut Shared, now: Instant, lsp: PTunnel) -> Result<(), MvpnConfigError> {
        let tunnel = shared.new_tunnel(now, self.config.vrf).ok_or(MvpnConfigError::Inclusive)?;
        if !shared.join(&lsp, None, tunnel, None) {
            shared.drop_tunnel(tunnel);
            return Err(MvpnConfigError::Mp2mp);
        }
        self.own_mp2mp = Some((lsp, tunnel));
        Ok(())
    }

    /// Whether a tunnel is the one that all PEs of the MVPN share, which is joined already.
    fn is_own_mp2mp(&self, tunnel: &PTunnel) -> bool {
        self.own_mp2mp.as_ref().is_some_and(|(own, _)| own == tunnel)
    }

    // RFC 6514 §9.1.1
    pub(super) fn originate_i_pmsi(&self, shared: &mut Shared) {
        if !self.config.model.has_mcast() {
            return;
        }
        let (sites, inclusive) = (self.config.sites, self.config.inclusive);
        let replicates = inclusive == Some(TunnelKind::IngressReplication);
        let is_needed = match (sites.senders, sites.receivers) {
            (true, true) => true,
            // Receivers only: needed to be replicated to, or to be a leaf of RSVP-TE tunnels.
            (false, true) => replicates || inclusive == Some(TunnelKind::RsvpTeP2mp),
            (true, false) => !replicates,
            (false, false) => false,
        };
        if !is_needed {
            return;
        }
        let mut attributes = self.attributes(&shared.config);
        attributes.no_export = self.config.inter_as != InterAs::NonSegmented;
        attributes.pmsi = self.i_pmsi_tunnel(shared);
        attributes.segmented_next_hop = self.config.inter_area.then_some(shared.config.router);
        attributes.bfd = self.config.bfd.filter(|_| attributes.pmsi.is_some());
        for family in &self.config.families {
            let route = McastRoute::i_pmsi(*family, self.config.rd, shared.config.router);
            shared.originate(self.config.vrf, route, attributes.clone());
        }
    }

    fn i_pmsi_tunnel(&self, shared: &Shared) -> Option<PmsiTunnelValue> {
        if let Some((label, _)) = self.own_label {
            let mut value = PmsiTunnelValue::new(PTunnel::IngressReplication(shared.config.router));
            value.label = Some(label);
            return Some(value);
        }
        let root = shared.roots.get(&self.inclusive?)?;
        match root.kind {
            // Senders only: nobody replicates to it.
            TunnelKind::IngressReplication => None,
            _ => Some(PmsiTunnelValue { label: root.label, ..PmsiTunnelValue::new(root.tunnel.clone()) }),
        }
    }

    /// An Intra-AS I-PMSI A-D route of another PE (RFC 6514 §9.1.2).
    pub(super) fn member_changed(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        (family, ad): (AddressFamily, IntraAsIPmsiAd),
        attributes: Option<&McastAttributes>,
    ) {
        let key = PeKey { address: ad.originator, rd: ad.rd };
        if let Some(bfd) = attributes.and_then(|a| a.bfd.as_ref()) {
            self.watch_head(shared, ad.originator, Some(bfd));
        }
        let known = self.members.get(&key).and_then(|m| m.tunnels.get(&family));
        if known.is_some_and(|tunnel| attributes.is_some_and(|a| a.pmsi == *tunnel)) {
            return;
        }
        self.forget_member(shared, key, family);
        if let Some(attributes) = attributes {
            if !self.members.contains_key(&key) && self.members.len() >= self.config.limits.members {
                shared.limit(now, self.config.vrf, MvpnLimit::Members);
            } else {
                let route = McastRoute::i_pmsi(family, ad.rd, ad.originator);
                self.learn_member(shared, now, key, route, attributes.pmsi.as_ref());
            }
        }
        if !self.members.contains_key(&key) {
            self.watch_head(shared, ad.originator, None);
        }
        self.update_leaves_of_inclusive(shared, now, key.address);
        let flows: Vec<_> = self.by_pe.get(&key).into_iter().flatten().copied().collect();
        for flow in flows {
            self.refresh_routes(shared, flow);
        }
        self.trees_towards(shared, now, key.address);
        self.update_distinguisher(shared, now, key.address);
    }

    fn learn_member(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        key: PeKey,
        route: McastRoute,
        pmsi: Option<&PmsiTunnelValue>,
    ) {
        let Some(arrives_by) = self.hold(shared, now, key) else { return };
        let mut tunnel = pmsi.cloned();
        let to_join =
            pmsi.filter(|v| self.config.sites.receivers && is_tree(&v.tunnel) && !self.is_own_mp2mp(&v.tunnel));
        if let Some(value) = to_join {
            if !shared.join(&value.tunnel, value.label, arrives_by, Some(key)) {
                shared.reject(now, self.config.vrf, MvpnReject::TunnelInUse, route);
                tunnel = None;
            }
        }
        let tunnels = alloc::collections::BTreeMap::new();
        self.members.entry(key).or_insert(Member { tunnels }).tunnels.insert(route.family, tunnel);
        if self.inclusive.is_some() {
            self.reach(key.address, true);
        }
    }

    fn forget_member(&mut self, shared: &mut Shared, key: PeKey, family: AddressFamily) {
        let Some(member) = self.members.get_mut(&key) else { return };
        let Some(old) = member.tunnels.remove(&family) else { return };
        if member.tunnels.is_empty() {
            self.members.remove(&key);
        }
        if self.inclusive.is_some() {
            self.reach(key.address, false);
        }
        if let (Some(old), Some(upstream)) = (old.filter(|v| is_tree(&v.tunnel)), self.upstreams.get(&key)) {
            if self.config.sites.receivers {
                shared.leave(&old.tunnel, old.label, upstream.tunnel);
            }
        }
        self.release(shared, key);
    }

    /// A PE is a leaf of the inclusive tunnel, or not, by what its routes say.
    fn update_leaves_of_inclusive(&self, shared: &mut Shared, now: Instant, pe: IpAddr) {
        let Some(tree) = self.inclusive else { return };
        let Some(kind) = shared.roots.get(&tree).map(|r| r.kind) else { return };
        let of = |rd| PeKey { address: pe, rd };
        let all = of(RouteDistinguisher::ZERO)..=of(RouteDistinguisher::ALL_ONES);
        let mut of_pe = self.members.range(all).flat_map(|(_, m)| m.tunnels.values());
        match kind {
            TunnelKind::IngressReplication => {
                let label = of_pe.find_map(|value| match value {
                    Some(PmsiTunnelValue { tunnel: PTunnel::IngressReplication(_), label, .. }) => *label,
                    _ => None,
                });
                match label {
                    Some(label) => shared.set_leaf(now, tree, pe, Some(label)),
                    None => shared.clear_leaf(tree, pe),
                }
            }
            TunnelKind::RsvpTeP2mp => match of_pe.next() {
                Some(_) => shared.set_leaf(now, tree, pe, None),
                None => shared.clear_leaf(tree, pe),
            },
            _ => {}
        }
    }

    /// The tree of the inclusive tunnel or S-PMSI that a flow takes from this PE, and whether it is an S-PMSI (RFC 6625 §3.1).
    pub(super) fn tunnel_of(&self, source: Option<IpAddr>, group: IpAddr) -> (Option<TreeId>, bool) {
        if let Some(rpa) = self.rpa_of(group) {
            return (self.bidir_tree(group, rpa), true);
        }
        if self.is_in_band(group) {
            return (self.in_band_tree(source, group), true);
        }
        match self.s_pmsi_of(source, group) {
            Some((_, out)) => (Some(out.carrier()), true),
            None => (self.inclusive, false),
        }
    }

    /// The S-PMSI that a flow takes from this PE.
    pub(super) fn s_pmsi_of(&self, source: Option<IpAddr>, group: IpAddr) -> Option<(SFlow, &SPmsiOut)> {
        let candidates = SFlow::candidates(source, group, self.is_ssm(group));
        candidates.into_iter().flatten().find_map(|flow| {
            let out = self.s_out.get(&flow).filter(|out| out.state.carries())?;
            Some((flow, out))
        })
    }

    /// Ends everything that the MVRF has with others.
    pub(super) fn stop(&mut self, shared: &mut Shared, now: Instant) {
        // Nothing waits any more: neither withdrawals that are damped, nor tunnels that are left later; and no flow is placed anew.
        self.config.s_pmsi = SPmsiPolicy::default();
        self.config.damping = None;
        (self.placed, self.scheduled, self.waiting) = Default::default();
        let vrf = self.config.vrf;
        shared.timers.retain(|timer| timer.vrf() != vrf);
        let trees: Vec<_> = self.trees.keys().copied().collect();
        for tree in trees {
            if let Some(known) = self.trees.get_mut(&tree) {
                (known.by_pim, known.by_source) = (false, false);
            }
            self.update_tree(shared, now, tree);
        }
        let joins: Vec<_> = self.joins.keys().copied().collect();
        for tree in joins {
            self.forget_join(shared, now, tree);
        }
        self.stop_in_band(shared, now);
        self.stop_lsps(shared, now);
        let s_in: Vec<_> = self.s_in.keys().copied().collect();
        for (key, flow) in s_in {
            self.leave_s_pmsi(shared, key, flow);
            self.s_in.remove(&(key, flow));
            self.bootstrap_changed(shared, now, key, flow);
        }
        let members: Vec<_> = self.members.iter().flat_map(|(k, m)| m.tunnels.keys().map(|f| (*k, *f))).collect();
        for (key, family) in members {
            self.forget_member(shared, key, family);
        }
        self.stop_ases(shared, now);
        let heads: Vec<IpAddr> = self.watched.keys().copied().collect();
        heads.into_iter().for_each(|pe| self.watch_head(shared, pe, None));
        let s_out: Vec<_> = self.s_out.keys().copied().collect();
        for flow in s_out {
            self.end_s_pmsi(shared, now, flow, None);
        }
        let keys: Vec<_> = self.c_routes.keys().copied().collect();
        for key in keys {
            self.program(shared, now, fwd_core::op::FwdOp::ClearMroute { vrf: self.config.vrf, key });
        }
        let groups: Vec<_> = self.c_groups.keys().copied().collect();
        for id in groups {
            self.program(shared, now, fwd_core::op::FwdOp::ClearReplication { id });
        }
        self.stop_bidir(shared, now);
        for ((group, source), rp) in core::mem::take(&mut self.told_sources) {
            shared.outputs.push_back(Output::SourceActive { vrf, source, group, rp, is_active: false });
        }
        let mine: Vec<McastRoute> = shared.originated().map(|(route, _)| *route).collect();
        for route in mine {
            shared.withdraw(self.config.vrf, route);
        }
        self.update_mdt(shared, false);
        if let Some(tree) = self.inclusive.take() {
            shared.drop_root(tree);
        }
        if let Some((label, tunnel)) = self.own_label.take() {
            shared.drop_label(label);
            shared.drop_tunnel(tunnel);
        }
        if let Some((lsp, tunnel)) = self.own_mp2mp.take() {
            shared.leave(&lsp, None, tunnel);
            shared.drop_tunnel(tunnel);
        }
        shared.timers.retain(|timer| timer.vrf() != vrf);
        shared.wait_no_more(vrf);
    }
}

/// Whether a leaf joins the tunnel, or is a leaf of it by signalling.
pub(super) const fn is_tree(tunnel: &PTunnel) -> bool {
    !matches!(tunnel, PTunnel::None | PTunnel::IngressReplication(_))
}
