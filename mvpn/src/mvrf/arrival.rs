//! Tunnels that this PE is a leaf of, and the MVRFs that each delivers to (RFC 7900 §8).
//!
//! MVRFs that receive from the same VRF of another PE share what they receive by: one leaf of a tree, one label in a tree that VPNs share, one label
//! that is replicated to. What arrives then goes on by a group, with a leg into each; what one of them did not join it drops, as with an
//! inclusive tunnel.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use fwd_core::net::{Label, LabelSpaceId, ReplicationId, TunnelId, VrfId};
use fwd_core::op::{FwdOp, Ilm, IlmAction, LegTarget, TunnelModel, VsiOrVrf};
use fwd_core::time::Instant;

use super::event::MvpnLimit;
use super::instance::PeKey;
use super::io::{Output, TreeRequest};
use super::numbers::Numbers;
use super::p_tunnel::PTunnel;
use super::shared::Shared;

#[derive(Clone, Debug)]
struct Arrival {
    arrives_by: TunnelId,
    uses: usize,
}

/// What a leaf delivers to.
#[derive(Clone, Debug)]
pub(super) struct Arrivals {
    /// Who sends by it, where that is one VRF of another PE.
    from: Option<PeKey>,
    /// By the legs of the group.
    to: BTreeMap<u16, Arrival>,
    /// Where it delivers to several, or did: the group whose legs lead to them.
    group: Option<ReplicationId>,
}

/// A tunnel that this PE is a leaf of, with upstream-assigned labels (RFC 5331 §7).
#[derive(Clone, Debug)]
pub(super) struct Space {
    id: LabelSpaceId,
    labels: BTreeMap<Label, Meaning>,
}

/// What an upstream-assigned label means.
#[derive(Clone, Debug)]
enum Meaning {
    /// Packets of VRFs.
    Vrfs(Arrivals),
    /// A customer's labelled packets, for so many.
    Lsp(IlmAction, usize),
}

/// What an MVRF more, or less, changes.
struct Change {
    ops: Vec<FwdOp>,
    /// A group that is there since, or should not be any more.
    group: Option<ReplicationId>,
    is_over: bool,
}

impl Arrivals {
    fn new(from: Option<PeKey>, arrives_by: TunnelId) -> Self {
        Self { from, to: BTreeMap::from([(0, Arrival { arrives_by, uses: 1 })]), group: None }
    }

    /// One more needs it. `None`: it delivers to another MVRF of this PE, and not the flows of the same VRF alone: these would be ambiguous
    /// (RFC 7900 §2.2). Or there are no numbers left.
    fn add(&mut self, groups: &mut Numbers, arrives_by: TunnelId, from: Option<PeKey>) -> Option<Change> {
        let (mut ops, is_over) = (Vec::new(), false);
        if let Some(arrival) = self.to.values_mut().find(|arrival| arrival.arrives_by == arrives_by) {
            arrival.uses = arrival.uses.saturating_add(1);
            return Some(Change { ops, group: None, is_over });
        }
        if from.is_none() || self.from != from {
            return None;
        }
        let leg = (0..=u16::MAX).find(|leg| !self.to.contains_key(leg))?;
        let target = |arrival: TunnelId| LegTarget::Multicast(arrival);
        let group = match self.group {
            Some(group) => group,
            None => {
                let group = groups.take().map(ReplicationId)?;
                ops.push(FwdOp::SetReplication { id: group, owner: VsiOrVrf::Vrf(VrfId::GLOBAL) });
                let first = self.to.iter();
                ops.extend(first.map(|(leg, a)| FwdOp::SetLeg { group, leg: *leg, target: target(a.arrives_by) }));
                group
            }
        };
        ops.push(FwdOp::SetLeg { group, leg, target: target(arrives_by) });
        let is_new = self.group.replace(group).is_none();
        self.to.insert(leg, Arrival { arrives_by, uses: 1 });
        Some(Change { ops, group: is_new.then_some(group), is_over })
    }

    /// One less does. `None`: others of the same MVRF do still.
    fn remove(&mut self, arrives_by: TunnelId) -> Option<Change> {
        let (leg, arrival) = self.to.iter_mut().find(|(_, arrival)| arrival.arrives_by == arrives_by)?;
        arrival.uses = arrival.uses.saturating_sub(1);
        if arrival.uses > 0 {
            return None;
        }
        let leg = *leg;
        self.to.remove(&leg);
        if self.to.is_empty() {
            return Some(Change { ops: Vec::new(), group: self.group, is_over: true });
        }
        let ops = self.group.map(|group| FwdOp::ClearLeg { group, leg }).into_iter().collect();
        Some(Change { ops, group: None, is_over: false })
    }
}

impl Shared {
    fn ops(&mut self, ops: Vec<FwdOp>) {
        ops.into_iter().for_each(|op| self.op(op));
    }

    fn end_group(&mut self, group: Option<ReplicationId>) {
        if let Some(id) = group {
            self.op(FwdOp::ClearReplication { id });
            self.groups.give_back(id.0);
        }
    }

    /// Becomes a leaf of a tunnel, for what comes with this label if there is one. `false`: it delivers to another MVRF of this PE, and not
    /// the flows of the same VRF alone.
    pub(super) fn join(
        &mut self,
        tunnel: &PTunnel,
        label: Option<Label>,
        arrives_by: TunnelId,
        from: Option<PeKey>,
    ) -> bool {
        if let Some(label) = label {
            return self.join_labelled(tunnel, label, arrives_by, from);
        }
        if self.stitched.contains_key(tunnel) {
            return false;
        }
        let Some(known) = self.arrivals.get_mut(tunnel) else {
            self.arrivals.insert(tunnel.clone(), Arrivals::new(from, arrives_by));
            self.outputs.push_back(Output::Tree(TreeRequest::Join { tunnel: tunnel.clone(), arrives_by }));
            return true;
        };
        let Some(change) = known.add(&mut self.groups, arrives_by, from) else { return false };
        self.ops(change.ops);
        if let Some(group) = change.group {
            self.outputs.push_back(Output::Tree(TreeRequest::Stitch { tunnel: tunnel.clone(), group }));
        }
        true
    }

    /// Becomes a leaf of a tunnel whose packets go on by a customer's group, still labelled. `false`: it delivers something else already.
    pub(super) fn stitch(&mut self, tunnel: &PTunnel, group: ReplicationId) -> bool {
        if self.arrivals.contains_key(tunnel) || self.stitched.contains_key(tunnel) {
            return false;
        }
        self.stitched.insert(tunnel.clone(), group);
        self.outputs.push_back(Output::Tree(TreeRequest::Stitch { tunnel: tunnel.clone(), group }));
        true
    }

    /// Ends what [`Self::stitch`] began.
    pub(super) fn unstitch(&mut self, tunnel: &PTunnel) {
        if self.stitched.remove(tunnel).is_some() {
            self.outputs.push_back(Output::Tree(TreeRequest::Leave { tunnel: tunnel.clone() }));
        }
    }

    fn join_labelled(&mut self, tunnel: &PTunnel, label: Label, arrives_by: TunnelId, from: Option<PeKey>) -> bool {
        let known = self.spaces.get_mut(tunnel).and_then(|space| Some((space.id, space.labels.get_mut(&label)?)));
        let Some((space, meaning)) = known else {
            let meaning = Meaning::Vrfs(Arrivals::new(from, arrives_by));
            return self.new_meaning(tunnel, label, meaning, IlmAction::Multicast(arrives_by));
        };
        let Meaning::Vrfs(arrivals) = meaning else { return false };
        let Some(change) = arrivals.add(&mut self.groups, arrives_by, from) else { return false };
        self.ops(change.ops);
        if let Some(group) = change.group {
            let ilm = Ilm { action: IlmAction::Replicate(group), model: TunnelModel::Uniform };
            self.op(FwdOp::SetContextIlm { space, label, ilm });
        }
        true
    }

    /// Becomes a leaf of a tunnel for what of a customer's LSP comes with this upstream-assigned label. `false`: that is for something else
    /// already, or there are no numbers.
    pub(super) fn join_space(&mut self, tunnel: &PTunnel, label: Label, action: IlmAction) -> bool {
        match self.spaces.get_mut(tunnel).and_then(|space| space.labels.get_mut(&label)) {
            Some(Meaning::Lsp(known, uses)) if *known == action => {
                *uses = uses.saturating_add(1);
                true
            }
            Some(_) => false,
            None => self.new_meaning(tunnel, label, Meaning::Lsp(action, 1), action),
        }
    }

    fn new_meaning(&mut self, tunnel: &PTunnel, label: Label, meaning: Meaning, action: IlmAction) -> bool {
        let known = self.spaces.get(tunnel).map(|space| space.id);
        let Some(space) = known.or_else(|| self.space_numbers.take().map(LabelSpaceId)) else { return false };
        let labels = BTreeMap::new();
        self.spaces.entry(tunnel.clone()).or_insert(Space { id: space, labels }).labels.insert(label, meaning);
        self.op(FwdOp::SetContextIlm { space, label, ilm: Ilm { action, model: TunnelModel::Uniform } });
        if known.is_none() {
            self.outputs.push_back(Output::Tree(TreeRequest::JoinSpace { tunnel: tunnel.clone(), space }));
        }
        true
    }

    fn leave_labelled(&mut self, tunnel: &PTunnel, label: Label, arrives_by: TunnelId) {
        let meaning = self.spaces.get_mut(tunnel).and_then(|space| space.labels.get_mut(&label));
        let Some(Meaning::Vrfs(arrivals)) = meaning else { return };
        let Some(change) = arrivals.remove(arrives_by) else { return };
        self.ops(change.ops);
        if change.is_over {
            self.end_meaning(tunnel, label, change.group);
        }
    }

    /// Ends what [`Self::join_space`] began.
    pub(super) fn leave_space(&mut self, tunnel: &PTunnel, label: Label, action: IlmAction) {
        let meaning = self.spaces.get_mut(tunnel).and_then(|space| space.labels.get_mut(&label));
        let Some(Meaning::Lsp(_, uses)) = meaning.filter(|of| matches!(of, Meaning::Lsp(known, _) if *known == action))
        else {
            return;
        };
        *uses = uses.saturating_sub(1);
        if *uses == 0 {
            self.end_meaning(tunnel, label, None);
        }
    }

    fn end_meaning(&mut self, tunnel: &PTunnel, label: Label, group: Option<ReplicationId>) {
        let Some(here) = self.spaces.get_mut(tunnel) else { return };
        here.labels.remove(&label);
        let (space, is_unused) = (here.id, here.labels.is_empty());
        self.op(FwdOp::ClearContextIlm { space, label });
        self.end_group(group);
        if is_unused {
            self.spaces.remove(tunnel);
            self.space_numbers.give_back(space.0);
            self.outputs.push_back(Output::Tree(TreeRequest::Leave { tunnel: tunnel.clone() }));
        }
    }

    /// Is a leaf no more, if nothing else needs the tunnel.
    pub(super) fn leave(&mut self, tunnel: &PTunnel, label: Option<Label>, arrives_by: TunnelId) {
        if let Some(label) = label {
            return self.leave_labelled(tunnel, label, arrives_by);
        }
        let Some(change) = self.arrivals.get_mut(tunnel).and_then(|known| known.remove(arrives_by)) else { return };
        self.ops(change.ops);
        if change.is_over {
            self.arrivals.remove(tunnel);
            self.outputs.push_back(Output::Tree(TreeRequest::Leave { tunnel: tunnel.clone() }));
            self.end_group(change.group);
        }
    }

    /// The label that another PE's VRF replicates to: one for each, so that what comes by it is known to be from there (RFC 7988 §7). The Leaf A-D
    /// route has room for one, so all MVRFs of this PE that receive from there have the same. `None`: there are no numbers left.
    pub(super) fn hold_leaf_label(
        &mut self,
        now: Instant,
        vrf: VrfId,
        from: PeKey,
        arrives_by: TunnelId,
    ) -> Option<Label> {
        let Some((label, arrivals)) = self.leaf_labels.get_mut(&from) else {
            let label = self.new_label(now, vrf, arrives_by)?;
            self.leaf_labels.insert(from, (label, Arrivals::new(Some(from), arrives_by)));
            return Some(label);
        };
        let label = *label;
        let Some(change) = arrivals.add(&mut self.groups, arrives_by, Some(from)) else {
            self.limit(now, vrf, MvpnLimit::Numbers);
            return None;
        };
        self.ops(change.ops);
        if let Some(group) = change.group {
            let ilm = Ilm { action: IlmAction::Replicate(group), model: TunnelModel::Uniform };
            self.op(FwdOp::SetIlm { label, ilm });
        }
        Some(label)
    }

    /// An MVRF needs it no more.
    pub(super) fn release_leaf_label(&mut self, from: PeKey, arrives_by: TunnelId) {
        let Some((label, arrivals)) = self.leaf_labels.get_mut(&from) else { return };
        let (label, Some(change)) = (*label, arrivals.remove(arrives_by)) else { return };
        self.ops(change.ops);
        if !change.is_over {
            return;
        }
        self.leaf_labels.remove(&from);
        if change.group.is_some() {
            // The label goes once it is withdrawn, the group before.
            let ilm = Ilm { action: IlmAction::Multicast(arrives_by), model: TunnelModel::Uniform };
            self.op(FwdOp::SetIlm { label, ilm });
            self.end_group(change.group);
        }
        self.drop_label(label);
    }
}
