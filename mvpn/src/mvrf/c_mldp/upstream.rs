//! LSPs whose root is behind this PE's CEs, and that other PEs join (RFC 6514 §11.3.2, §12.1).

use core::net::IpAddr;

use fwd_core::net::{Label, ReplicationId};
use fwd_core::op::{FwdOp, LegTarget};
use fwd_core::time::Instant;
use p2mp_pw::ldp::fec::MultipointFec;

use super::Entry;
use super::route::{CMldpRoute, CMldpSPmsi};
use crate::mvrf::attributes::McastAttributes;
use crate::mvrf::config::TunnelKind;
use crate::mvrf::event::{MvpnLimit, MvpnReject};
use crate::mvrf::instance::Mvrf;
use crate::mvrf::io::Output;
use crate::mvrf::p_tunnel::PmsiTunnelValue;
use crate::mvrf::root::TreeId;
use crate::mvrf::shared::{Shared, Timer};

/// An LSP that goes on to other PEs.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    /// The label that the PMSI mapped to it.
    label: Label,
    /// The tunnel of its S-PMSI; none: there was none to have.
    tree: Option<TreeId>,
    /// The leg of the customers' mLDP that leads to it, and whether the forwarder has that.
    leg: Option<((ReplicationId, u16), bool)>,
}

/// Whether the root of a tunnel has to know its leaves.
const fn leaves_announce(kind: TunnelKind) -> bool {
    matches!(kind, TunnelKind::IngressReplication | TunnelKind::RsvpTeP2mp)
}

impl Mvrf {
    /// Another PE joins an LSP here, or none does any more.
    pub(super) fn lsp_joined(&mut self, shared: &mut Shared, now: Instant, fec: &MultipointFec, is_joined: bool) {
        if is_joined && !self.c_mldp.joins.contains(fec) {
            if self.c_mldp.joins.len() >= self.config.limits.joins {
                return shared.limit(now, self.config.vrf, MvpnLimit::Joins);
            }
            self.c_mldp.joins.insert(fec.clone());
        } else if !is_joined {
            self.c_mldp.joins.remove(fec);
        }
        self.update_sent(shared, now, fec);
    }

    /// An LSP goes on to other PEs while they join it and its root is in the PE's own sites: the procedures of a transit node are the
    /// customers' mLDP's, which hears of one more peer downstream.
    pub(super) fn update_sent(&mut self, shared: &mut Shared, now: Instant, fec: &MultipointFec) {
        let may = self.config.sites.senders && self.umh.is_local(fec.root);
        match (self.c_mldp.joins.contains(fec) && may, self.c_mldp.sent.contains_key(fec)) {
            (true, false) => self.begin_sent(shared, now, fec),
            (false, true) => self.end_sent(shared, fec),
            _ => {}
        }
    }

    fn begin_sent(&mut self, shared: &mut Shared, now: Instant, fec: &MultipointFec) {
        let Some(label) = self.c_mldp.labels.take().and_then(Label::new) else {
            return shared.limit(now, self.config.vrf, MvpnLimit::Numbers);
        };
        self.c_mldp.named.insert(label, fec.clone());
        self.c_mldp.sent.insert(fec.clone(), Sent { label, tree: None, leg: None });
        let vrf = self.config.vrf;
        shared.outputs.push_back(Output::CMldp { vrf, fec: fec.clone(), label, mapped: true });
        self.open_s_pmsi_of_lsp(shared, now, fec);
    }

    fn end_sent(&mut self, shared: &mut Shared, fec: &MultipointFec) {
        self.close_s_pmsi_of_lsp(shared, fec);
        let Some(sent) = self.c_mldp.sent.remove(fec) else { return };
        self.c_mldp.named.remove(&sent.label);
        self.c_mldp.labels.give_back(sent.label.value());
        let (vrf, label) = (self.config.vrf, sent.label);
        shared.outputs.push_back(Output::CMldp { vrf, fec: fec.clone(), label, mapped: false });
    }

    fn s_pmsi_of_lsp(&self, shared: &Shared, fec: &MultipointFec) -> CMldpSPmsi {
        CMldpSPmsi { rd: self.config.rd, fec: fec.clone(), originator: shared.config.router }
    }

    /// A tunnel for an LSP, or a label in the one that is there for all (RFC 6514 §15), and the S-PMSI A-D route that says so.
    fn open_s_pmsi_of_lsp(&mut self, shared: &mut Shared, now: Instant, fec: &MultipointFec) {
        let with_tunnel = self.c_mldp.sent.values().filter(|sent| sent.tree.is_some()).count();
        let vrf = self.config.vrf;
        let aggregated = self.shares_trunk();
        let tunnels = self.tree_users.len().saturating_add(if aggregated { 0 } else { with_tunnel });
        let tree = if self.s_out.len().saturating_add(with_tunnel) >= self.config.limits.own_s_pmsis {
            shared.limit(now, vrf, MvpnLimit::OwnSPmsis);
            None
        } else if tunnels >= self.config.limits.own_tunnels {
            shared.limit(now, vrf, MvpnLimit::OwnTunnels);
            None
        } else {
            shared.new_root(now, vrf, self.config.selective, aggregated)
        };
        let Some(tree) = tree else {
            return shared.timers.set(Timer::Lsps(vrf), now + shared.config.timers.retry);
        };
        if let Some(sent) = self.c_mldp.sent.get_mut(fec) {
            sent.tree = Some(tree);
        }
        let Some(root) = shared.roots.get(&tree) else { return };
        let mut value = PmsiTunnelValue { label: root.label, ..PmsiTunnelValue::new(root.tunnel.clone()) };
        value.leaf_information_required = leaves_announce(root.kind);
        let mut attributes = self.attributes(&shared.config);
        attributes.pmsi = Some(value);
        let route = CMldpRoute::SPmsi(self.s_pmsi_of_lsp(shared, fec));
        shared.originate_c_mldp(vrf, route, attributes);
        for (leaf, label) in self.c_mldp.leaves.get(fec).into_iter().flatten() {
            self.attach_leaf_of_lsp(shared, now, fec, *leaf, *label);
        }
        self.bind_sent(shared, fec);
    }

    fn close_s_pmsi_of_lsp(&mut self, shared: &mut Shared, fec: &MultipointFec) {
        let Some(sent) = self.c_mldp.sent.get_mut(fec) else { return };
        let Some(tree) = sent.tree.take() else { return };
        if let Some(((group, leg), true)) = sent.leg.as_mut().map(|(at, is_bound)| (*at, core::mem::take(is_bound))) {
            shared.op(FwdOp::ClearLeg { group, leg });
        }
        let route = CMldpRoute::SPmsi(self.s_pmsi_of_lsp(shared, fec));
        shared.withdraw_c_mldp(self.config.vrf, route);
        shared.drop_root(tree);
    }

    /// The forwarder or the provider of tunnels has no room for an LSP's tunnel: after a while another is tried. Whether it was one.
    pub(in crate::mvrf) fn lsp_tree_failed(&mut self, shared: &mut Shared, now: Instant, tree: TreeId) -> bool {
        let found = self.c_mldp.sent.iter().find(|(_, sent)| sent.tree == Some(tree)).map(|(fec, _)| fec.clone());
        let Some(fec) = found else { return false };
        self.close_s_pmsi_of_lsp(shared, &fec);
        shared.timers.set(Timer::Lsps(self.config.vrf), now + shared.config.timers.retry);
        true
    }

    /// The forwarder had no room for the leg to an LSP's tunnel: after a while it is tried again.
    pub(in crate::mvrf) fn leg_of_lsp_refused(&mut self, shared: &mut Shared, now: Instant, at: (ReplicationId, u16)) {
        let Some(Some(fec)) = self.c_mldp.legs.get(&at) else { return };
        let Some(sent) = self.c_mldp.sent.get_mut(fec) else { return };
        if let Some((_, is_bound)) = sent.leg.as_mut().filter(|(known, _)| *known == at) {
            *is_bound = false;
            shared.timers.set(Timer::Lsps(self.config.vrf), now + shared.config.timers.retry);
        }
    }

    /// LSPs without a tunnel, or without a leg to it, try again.
    pub(in crate::mvrf) fn retry_lsps(&mut self, shared: &mut Shared, now: Instant) {
        let is_waiting = |sent: &Sent| sent.tree.is_none() || sent.leg.is_some_and(|(_, is_bound)| !is_bound);
        let waiting = self.c_mldp.sent.iter().filter(|(_, sent)| is_waiting(sent));
        for (fec, tree) in waiting.map(|(fec, sent)| (fec.clone(), sent.tree)).collect::<alloc::vec::Vec<_>>() {
            match tree {
                Some(_) => self.bind_sent(shared, &fec),
                None => self.open_s_pmsi_of_lsp(shared, now, &fec),
            }
        }
    }

    /// The customers' mLDP has a leg to the PMSI.
    pub(super) fn leg_set(&mut self, shared: &mut Shared, at: (ReplicationId, u16), entry: Entry) {
        self.leg_cleared(shared, at);
        let fec = match entry {
            Entry::Branch(label) => self.c_mldp.named.get(&label).cloned(),
            Entry::Pmsi => None,
        };
        self.c_mldp.legs.insert(at, fec.clone());
        let Some(fec) = fec else { return };
        if let Some(sent) = self.c_mldp.sent.get_mut(&fec) {
            sent.leg = Some((at, false));
        }
        self.bind_sent(shared, &fec);
    }

    /// It has none there any more. Whether it had.
    pub(super) fn leg_cleared(&mut self, shared: &mut Shared, at: (ReplicationId, u16)) -> bool {
        let Some(fec) = self.c_mldp.legs.remove(&at) else { return false };
        // The LSP may be over since, or have another leg.
        let sent = fec
            .and_then(|fec| self.c_mldp.sent.get_mut(&fec))
            .filter(|sent| sent.leg.is_some_and(|(known, _)| known == at));
        let leg = sent.and_then(|sent| sent.leg.take());
        if let Some(((group, leg), true)) = leg {
            shared.op(FwdOp::ClearLeg { group, leg });
        }
        true
    }

    /// The leg leads to the tunnel of the LSP's S-PMSI.
    fn bind_sent(&mut self, shared: &mut Shared, fec: &MultipointFec) {
        let Some(sent) = self.c_mldp.sent.get_mut(fec) else { return };
        let Some((((group, leg), is_bound), tree)) = sent.leg.as_mut().zip(sent.tree).map(|((a, b), t)| ((*a, b), t))
        else {
            return;
        };
        let Some(to) = shared.roots.get(&tree).map(|root| root.group).filter(|_| !*is_bound) else { return };
        *is_bound = true;
        shared.op(FwdOp::SetLeg { group, leg, target: LegTarget::Group(to) });
    }

    /// A Leaf A-D route that answers the S-PMSI of an LSP came, changed or went.
    pub(super) fn lsp_leaf_changed(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        route: &CMldpRoute,
        (fec, leaf): (&MultipointFec, IpAddr),
        attributes: Option<&McastAttributes>,
    ) {
        let known = self.c_mldp.leaves.get(fec).is_some_and(|leaves| leaves.contains_key(&leaf));
        let Some(attributes) = attributes else {
            if known {
                self.forget_leaf_of_lsp(shared, fec, leaf);
            }
            return;
        };
        let label = attributes.pmsi.as_ref().and_then(|pmsi| pmsi.label);
        let tree = self.c_mldp.sent.get(fec).and_then(|sent| sent.tree).and_then(|tree| shared.roots.get(&tree));
        if tree.is_some_and(|root| root.kind == TunnelKind::IngressReplication) && label.is_none() {
            return shared.reject_c_mldp(now, self.config.vrf, MvpnReject::NoLabel, route);
        }
        if !known && self.leaf_count.saturating_add(self.c_mldp.leaf_count) >= self.config.limits.leaves {
            return shared.limit(now, self.config.vrf, MvpnLimit::Leaves);
        }
        self.c_mldp.leaf_count = self.c_mldp.leaf_count.saturating_add(usize::from(!known));
        self.c_mldp.leaves.entry(fec.clone()).or_default().insert(leaf, label);
        self.attach_leaf_of_lsp(shared, now, fec, leaf, label);
    }

    fn attach_leaf_of_lsp(
        &self,
        shared: &mut Shared,
        now: Instant,
        fec: &MultipointFec,
        leaf: IpAddr,
        label: Option<Label>,
    ) {
        if let Some(tree) = self.tree_of_leaves(shared, fec) {
            shared.set_leaf(now, tree, leaf, label);
        }
    }

    /// The tunnel of an LSP, if its root has to know its leaves.
    fn tree_of_leaves(&self, shared: &Shared, fec: &MultipointFec) -> Option<TreeId> {
        let tree = self.c_mldp.sent.get(fec)?.tree?;
        leaves_announce(shared.roots.get(&tree)?.kind).then_some(tree)
    }

    fn forget_leaf_of_lsp(&mut self, shared: &mut Shared, fec: &MultipointFec, leaf: IpAddr) {
        if let Some(leaves) = self.c_mldp.leaves.get_mut(fec) {
            leaves.remove(&leaf);
            if leaves.is_empty() {
                self.c_mldp.leaves.remove(fec);
            }
        }
        self.c_mldp.leaf_count = self.c_mldp.leaf_count.saturating_sub(1);
        if let Some(tree) = self.tree_of_leaves(shared, fec) {
            shared.clear_leaf(tree, leaf);
        }
    }
}
