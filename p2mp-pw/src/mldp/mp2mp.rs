//! The way up of MP2MP LSPs (RFC 6388 §3.3.1) and of HSMP LSPs (RFC 7140 §3.4): for each downstream LSR D a label of ours, whose packets
//! go to the root and, of an MP2MP LSP, down to everybody but D.
//!
//! It is ordered (§3.3.1.3): nobody downstream learns such a label before the way from here to the root is there.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use fwd_core::net::{Label, LabelStack, NhlfeId, ReplicationId};
use fwd_core::op::{FwdOp, IlmAction, LegTarget, VsiOrVrf};

use super::fec::TreeKind;
use super::io::Event;
use super::program::{Pass, element};
use super::tree::{Branch, LegNumbers, Tree, UpPath};
use crate::ldp::LdpId;
use crate::ldp::fec::Fec;
use crate::ldp::message::{LabelMapping, LabelTlv, MessageBody};

impl Pass<'_> {
    /// Brings the ways up in line with the tree.
    pub(super) fn ways_up(&mut self, tree: &mut Tree, touched: &[LdpId]) {
        if tree.fec.kind == TreeKind::P2mp {
            return;
        }
        let entry_changed = self.way_to_root(tree);
        let closed = tree.active.is_none() && !tree.is_root;
        let reached = tree.is_root || tree.plane.up.is_some();
        tree.up_open = !closed && (tree.up_open || reached);
        // What left, or is upstream, is no leg of the others any more.
        let mut left: Vec<u16> = tree.gone.iter().map(|(_, b)| b.leg).collect();
        let idle = |tree: &Tree, peer: &LdpId| {
            tree.branches.get(peer).filter(|_| tree.upstream() == Some(*peer)).map(|b| b.leg)
        };
        left.extend(touched.iter().filter_map(|peer| idle(tree, peer)));
        let mut gone = core::mem::take(&mut tree.gone);
        for (peer, branch) in &mut gone {
            // RFC 6388 §3.3.2.2: the peer gives the label back of itself.
            self.drop_path(tree, *peer, branch, false);
        }
        tree.gone = gone;
        let peers: Vec<LdpId> = tree.branches.keys().copied().collect();
        let legs = self.legs(tree);
        for peer in peers {
            let own = touched.contains(&peer);
            let Some(mut branch) = tree.branches.remove(&peer) else { continue };
            let wanted = tree.up_open && branch.pushed.is_some() && tree.upstream() != Some(peer) && !branch.up_refused;
            if !wanted {
                self.drop_path(tree, peer, &mut branch, true);
            } else if own || entry_changed || branch.up.is_none() || !left.is_empty() || !touched.is_empty() {
                self.path(tree, peer, &mut branch, &legs);
            }
            tree.branches.insert(peer, branch);
        }
        if tree.plane.up.is_some() && tree.active.and_then(|a| a.up).is_none() {
            if let Some((id, ..)) = tree.plane.up.take() {
                self.tell_way_up(tree);
                self.core.program(FwdOp::ClearNhlfe { id });
                self.core.nhlfes.give(id.0);
            }
        }
    }

    /// The entry that leads to the root; whether legs to it change.
    fn way_to_root(&mut self, tree: &mut Tree) -> bool {
        let wanted = tree.active.and_then(|a| Some((a.peer, a.up?)));
        let Some((peer, label)) = wanted else { return tree.plane.up.is_some() };
        let there = tree.plane.up.map(|(_, peer, label)| (peer, label));
        if there == wanted {
            return false;
        }
        let id = tree.plane.up.map(|(id, ..)| id).or_else(|| self.core.nhlfes.take().map(NhlfeId));
        let (Some(id), Some(way)) = (id, self.core.entry_of(peer)) else { return false };
        self.set_nhlfe(id, LabelStack::single(label), way);
        tree.plane.up = Some((id, peer, label));
        there.is_none()
    }

    /// Where packets of a peer downstream go, beside the peer's own leg: towards the root, down, and into this router.
    fn legs(&self, tree: &Tree) -> BTreeMap<u16, LegTarget> {
        let mut legs = BTreeMap::new();
        let is_mp2mp = tree.fec.kind == TreeKind::Mp2mp;
        if let Some(deliver) = tree.local.filter(|_| is_mp2mp || tree.is_root) {
            legs.insert(LegNumbers::LOCAL, deliver.leg());
        }
        if let Some((id, ..)) = tree.plane.up.filter(|_| tree.active.is_some_and(|a| a.up.is_some())) {
            legs.insert(LegNumbers::UP, LegTarget::Nhlfe(id));
        }
        if is_mp2mp {
            let live = tree.branches.iter().filter(|(peer, b)| b.pushed.is_some() && tree.upstream() != Some(**peer));
            legs.extend(live.map(|(_, b)| (b.leg, LegTarget::Nhlfe(b.nhlfe))));
        }
        legs
    }

    /// Writes one peer's way up, and tells the peer.
    fn path(&mut self, tree: &Tree, peer: LdpId, branch: &mut Branch, legs: &BTreeMap<u16, LegTarget>) {
        if branch.up.is_none() {
            let label = self.core.labels.take().and_then(Label::new);
            let group = self.core.groups.take().map(ReplicationId);
            let (Some(label), Some(group)) = (label, group) else {
                label.iter().for_each(|l| self.core.labels.give(l.value()));
                group.iter().for_each(|g| self.core.groups.give(g.0));
                self.core.event(Event::NoRoom { tree: self.id });
                return;
            };
            let owner = VsiOrVrf::Vrf(self.core.config.vrf);
            self.core.program(FwdOp::SetReplication { id: group, owner });
            branch.up = Some(UpPath { label, group: Some(group), legs: BTreeMap::new(), ilm: None, advertised: false });
        }
        let Some(path) = &mut branch.up else { return };
        let Some(group) = path.group else { return };
        let old: Vec<u16> = path.legs.keys().copied().filter(|leg| !legs.contains_key(leg)).collect();
        for leg in old {
            path.legs.remove(&leg);
            self.core.program(FwdOp::ClearLeg { group, leg });
        }
        // RFC 6388 §3.3.1.5: not back to the one that sent.
        for (&leg, &target) in legs.iter().filter(|(leg, _)| **leg != branch.leg) {
            if path.legs.insert(leg, target) != Some(target) {
                self.core.program(FwdOp::SetLeg { group, leg, target });
            }
        }
        let action = IlmAction::Replicate(group);
        let wanted = (self.core.space_of(peer), action);
        let old = path.ilm.replace(wanted);
        if let Some((space, _)) = old.filter(|(space, _)| *space != wanted.0) {
            self.core.unbind(space, path.label);
        }
        if old != Some(wanted) {
            self.core.bind(wanted.0, path.label, action);
        }
        if self.core.is_up(peer) && !core::mem::replace(&mut path.advertised, true) {
            let Some(up) = tree.fec.up() else { return };
            let (fec, label) = (Fec::single(element(up)), LabelTlv::Generic(path.label));
            self.core.counters.mappings_sent = self.core.counters.mappings_sent.saturating_add(1);
            self.core.send(peer, MessageBody::LabelMapping(LabelMapping { fec, label, optional: Vec::new() }));
        }
    }

    /// Takes one peer's way up back.
    fn drop_path(&mut self, tree: &Tree, peer: LdpId, branch: &mut Branch, say: bool) {
        let Some(path) = branch.up.take() else { return };
        match tree.fec.up().filter(|_| path.advertised && self.core.is_up(peer) && !branch.up_refused) {
            Some(fec) => self.withdraw(peer, fec, path.label, say),
            None => self.core.labels.give(path.label.value()),
        }
        if let Some((space, _)) = path.ilm {
            self.core.unbind(space, path.label);
        }
        if let Some(group) = path.group {
            self.core.program(FwdOp::ClearReplication { id: group });
            self.core.groups.give(group.0);
        }
    }

    /// The leg towards the root, for a leaf that sends.
    pub(super) fn tell_way_up(&mut self, tree: &mut Tree) {
        let wanted = (tree.local.is_some() || tree.open) && tree.active.is_some_and(|a| a.up.is_some());
        let up = tree.plane.up.filter(|_| wanted);
        if core::mem::replace(&mut tree.plane.up_told, up.is_some()) != up.is_some() {
            let (tree, leg) = (self.id, LegNumbers::UP);
            self.core.event(match up {
                Some((nhlfe, peer, _)) => Event::LegUp { tree, leg, nhlfe, peer },
                None => Event::LegDown { tree, leg },
            });
        }
    }
}
