//! Leaf A-D routes: leaves of S-PMSIs announce themselves (RFC 6514 §9.2.3.4.1, §12.3, RFC 7988 §5, RFC 8534 §5).

use core::net::IpAddr;

use fwd_core::net::Label;
use fwd_core::time::Instant;

use super::attributes::{McastAttributes, Target};
use super::config::TunnelKind;
use super::event::{MvpnLimit, MvpnReject};
use super::i_pmsi::is_tree;
use super::instance::{Joined, Mvrf, PeKey};
use super::p_tunnel::{PTunnel, PmsiTunnelValue};
use super::route::{AdRoute, McastKind, McastRoute, SFlow};
use super::shared::{Shared, Timer};

impl Mvrf {
    /// A Leaf A-D route that answers an S-PMSI A-D route of this PE, or one that would be for a flow of a wildcard.
    pub(super) fn leaf_changed(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        (route, key, leaf): (McastRoute, AdRoute, IpAddr),
        attributes: Option<&McastAttributes>,
    ) {
        let AdRoute::SPmsi { flow, .. } = key else { return };
        let Some(attributes) = attributes else { return self.forget_leaf(shared, now, flow, leaf) };
        let label = attributes.pmsi.as_ref().and_then(|p| p.label);
        let known = self.leaves.get(&flow).is_some_and(|l| l.contains_key(&leaf));
        if !known && self.leaf_count >= self.config.limits.leaves {
            return shared.limit(now, self.config.vrf, MvpnLimit::Leaves);
        }
        self.leaf_count = self.leaf_count.saturating_add(usize::from(!known));
        self.leaves.entry(flow).or_default().insert(leaf, label);
        if !known && self.inclusive.is_none() {
            self.reach(leaf, true);
        }
        self.attach_leaf(shared, now, (route, flow), leaf, label);
        self.audience_changed(shared, now, flow);
    }

    /// Leaves that announced themselves before the S-PMSI was there.
    pub(super) fn attach_known_leaves(&self, shared: &mut Shared, now: Instant, flow: SFlow) {
        let Some(out) = self.s_out.get(&flow) else { return };
        if shared.roots.get(&out.tree).is_some_and(|root| root.kind == TunnelKind::RsvpTeP2mp) {
            for leaf in self.leaves.get(&flow).into_iter().flat_map(|leaves| leaves.keys()) {
                shared.set_leaf(now, out.tree, *leaf, None);
            }
        }
    }

    /// Who receives a flow says whether it has an S-PMSI.
    fn audience_changed(&mut self, shared: &mut Shared, now: Instant, flow: SFlow) {
        if let (Some(source), Some(group)) = (flow.source, flow.group.address()) {
            self.update_s_pmsi(shared, now, source, group);
        }
    }

    fn attach_leaf(
        &self,
        shared: &mut Shared,
        now: Instant,
        (route, flow): (McastRoute, SFlow),
        leaf: IpAddr,
        label: Option<Label>,
    ) {
        let Some(tree) = self.s_out.get(&flow).map(|out| out.tree) else { return };
        match (shared.roots.get(&tree).map(|r| r.kind), label) {
            (Some(TunnelKind::IngressReplication), None) => {
                shared.reject(now, self.config.vrf, MvpnReject::NoLabel, route);
            }
            (Some(TunnelKind::IngressReplication | TunnelKind::RsvpTeP2mp), _) => {
                shared.set_leaf(now, tree, leaf, label);
            }
            _ => {}
        }
    }

    fn forget_leaf(&mut self, shared: &mut Shared, now: Instant, flow: SFlow, leaf: IpAddr) {
        let Some(leaves) = self.leaves.get_mut(&flow) else { return };
        if leaves.remove(&leaf).is_none() {
            return;
        }
        if leaves.is_empty() {
            self.leaves.remove(&flow);
        }
        self.leaf_count = self.leaf_count.saturating_sub(1);
        if self.inclusive.is_none() {
            self.reach(leaf, false);
        }
        let trees = self.s_out.get(&flow).map(|out| [Some(out.tree), out.before]);
        for tree in trees.into_iter().flatten().flatten() {
            let mut users = self.tree_users.get(&tree).into_iter().flatten();
            let is_leaf = |user: &SFlow| self.leaves.get(user).is_some_and(|leaves| leaves.contains_key(&leaf));
            if !users.any(is_leaf) {
                shared.clear_leaf(tree, leaf);
            }
        }
        self.audience_changed(shared, now, flow);
    }

    /// Receives an S-PMSI: joins its tunnel, and announces itself where that is asked for.
    pub(super) fn join_s_pmsi(&mut self, shared: &mut Shared, now: Instant, key: PeKey, flow: SFlow) {
        let Some(incoming) = self.s_in.get(&(key, flow)).filter(|s| s.joined.is_none()) else { return };
        let Some(pmsi) = incoming.attributes.pmsi.clone() else { return };
        let next_hop = incoming.attributes.leaves_report_to();
        let Some(arrives_by) = self.hold(shared, now, key) else { return };
        let route = McastRoute::s_pmsi(key.rd, flow, key.address);
        let ad = AdRoute::SPmsi { rd: key.rd, flow, originator: key.address };
        let kind = McastKind::Leaf { key: ad, originator: shared.config.router };
        let leaf = McastRoute { family: flow.family, kind };
        let replicates = matches!(pmsi.tunnel, PTunnel::IngressReplication(_));
        let mut joined = Joined { tunnel: None, leaf: None, has_label: false };
        if is_tree(&pmsi.tunnel) {
            if !shared.join(&pmsi.tunnel, pmsi.label, arrives_by, Some(key)) {
                shared.reject(now, self.config.vrf, MvpnReject::TunnelInUse, route);
                return self.release(shared, key);
            }
            joined.tunnel = Some((pmsi.tunnel.clone(), pmsi.label));
        }
        // RFC 8534 §5.1: a leaf of a wildcard that is tracked flow by flow says so.
        if pmsi.leaf_information_required || replicates {
            let mut attributes = McastAttributes::new(shared.config.router, alloc::vec![Target::router(next_hop)]);
            if replicates {
                let Some(label) = self.hold_label(shared, now, key) else { return self.release(shared, key) };
                joined.has_label = true;
                let mut value = PmsiTunnelValue::new(PTunnel::IngressReplication(shared.config.router));
                value.label = Some(label);
                attributes.pmsi = Some(value);
            }
            if pmsi.per_flow {
                attributes.pmsi.get_or_insert(PmsiTunnelValue::new(PTunnel::None)).per_flow = true;
            }
            shared.originate(self.config.vrf, leaf, attributes);
            joined.leaf = Some(leaf);
        }
        if let Some(incoming) = self.s_in.get_mut(&(key, flow)) {
            incoming.joined = Some(joined);
        }
    }

    /// Another MVRF of this PE answered an S-PMSI of bidirectional groups, and does not any more: this one may, if it still receives it.
    pub(super) fn answer_again(&mut self, shared: &mut Shared, now: Instant, route: McastRoute) {
        let McastKind::Leaf { key: AdRoute::SPmsi { rd, flow, originator }, .. } = route.kind else { return };
        if self.is_bidir_flow(&flow) {
            self.update_bidir_leaf(shared, now, PeKey { address: originator, rd }, flow);
        }
    }

    /// The label that another PE's VRF replicates to.
    fn hold_label(&mut self, shared: &mut Shared, now: Instant, key: PeKey) -> Option<Label> {
        let upstream = self.upstreams.get_mut(&key)?;
        let label = match &mut upstream.label {
            Some((label, uses)) => {
                *uses = uses.saturating_add(1);
                *label
            }
            None => {
                let label = shared.hold_leaf_label(now, self.config.vrf, key, upstream.tunnel)?;
                upstream.label = Some((label, 1));
                label
            }
        };
        Some(label)
    }

    /// Receives an S-PMSI no more.
    pub(super) fn leave_s_pmsi(&mut self, shared: &mut Shared, key: PeKey, flow: SFlow) {
        self.end_old(shared, key, flow);
        if let Some(joined) = self.s_in.get_mut(&(key, flow)).and_then(|s| s.joined.take()) {
            self.end_joined(shared, key, flow, &joined);
        }
    }

    /// Leaves the tunnel that an S-PMSI had before.
    pub(super) fn end_old(&mut self, shared: &mut Shared, key: PeKey, flow: SFlow) {
        shared.timers.clear(Timer::LeaveOld(self.config.vrf, key, flow));
        if let Some(old) = self.s_in.get_mut(&(key, flow)).and_then(|s| s.old.take()) {
            self.end_joined(shared, key, flow, &old);
        }
    }

    fn end_joined(&mut self, shared: &mut Shared, key: PeKey, flow: SFlow, joined: &Joined) {
        // The answer to the tunnel that came in its place is the same route.
        let answers = self.s_in.get(&(key, flow)).and_then(|s| s.joined.as_ref()).and_then(|now| now.leaf);
        if let Some(leaf) = joined.leaf.filter(|leaf| answers != Some(*leaf)) {
            shared.withdraw(self.config.vrf, leaf);
            // RFC 8534 §5: where the flow is still tracked, the same route says so.
            if let Some(group) = flow.group.address() {
                self.track_flow(shared, (flow.source, group));
            }
        }
        if let Some(upstream) = self.upstreams.get_mut(&key) {
            if let Some((tunnel, label)) = &joined.tunnel {
                shared.leave(tunnel, *label, upstream.tunnel);
            }
            if let (true, Some((_, uses))) = (joined.has_label, &mut upstream.label) {
                *uses = uses.saturating_sub(1);
                if *uses == 0 {
                    shared.release_leaf_label(key, upstream.tunnel);
                    upstream.label = None;
                }
            }
        }
        self.release(shared, key);
    }
}
