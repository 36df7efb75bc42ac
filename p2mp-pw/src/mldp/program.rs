//! A tree's state as messages and forwarding entries (RFC 6388 §2.4): what changed since the last time, in an order in which
//! nothing is announced that is not yet in the tables.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use fwd_core::net::{LabelStack, ReplicationId};
use fwd_core::op::{FwdOp, IlmAction, LegTarget, NextHop, Nhlfe, VsiOrVrf};

use super::fec::{TreeFec, TreeId, TreeKind};
use super::io::Event;
use super::machine::{Core, Mldp};
use super::tree::{Accept, Bound, Branch, LegNumbers, Tree};
use crate::ldp::LdpId;
use crate::ldp::fec::{Fec, FecElement, MultipointFec};
use crate::ldp::message::{LabelMapping, LabelTlv, LabelWithdraw, MessageBody, Notification};
use crate::ldp::{MbbStatus, MpStatus, Tlv, TlvValue};

impl Mldp {
    /// Brings messages and tables in line with a tree.
    pub(super) fn reconcile(&mut self, id: TreeId) {
        let Some(mut tree) = self.trees.remove(&id) else { return };
        tree.queued = false;
        let fed = tree.feeds.and_then(|outer| self.trees.get(&outer)?.plane.group).map(LegTarget::Group);
        let touched = tree.take_touched();
        let mut group_is_new = false;
        {
            let mut pass = Pass { core: &mut self.core, id };
            let stopped = pass.entries(&mut tree, &touched);
            group_is_new |= pass.group(&mut tree, &touched, fed);
            pass.ilm(&mut tree, fed);
            pass.measure(&mut tree);
            pass.mappings(&mut tree);
            pass.withdraws(&mut tree);
            pass.clear_ilm(&mut tree);
            pass.acknowledge(&mut tree, &touched);
            pass.ways_up(&mut tree, &touched);
            pass.stop(&mut tree, &stopped);
            pass.free_group(&mut tree, fed);
            pass.tell(&mut tree, &touched);
        }
        // The tree that feeds this one waits for the group, or for another.
        if let Some(inner) = tree.fed_by.filter(|_| group_is_new) {
            if let Some(inner_tree) = self.trees.get_mut(&inner) {
                self.core.queue(inner, inner_tree);
            }
        }
        let peers: Vec<LdpId> = self.concerned(&tree);
        if tree.is_over() {
            self.forget(id, &tree);
        } else {
            self.trees.insert(id, tree);
        }
        for peer in peers {
            self.detach(peer, id);
        }
    }

    /// Peers whose relation to a tree may have ended in this pass.
    fn concerned(&mut self, tree: &Tree) -> Vec<LdpId> {
        core::mem::take(&mut self.core.parted).into_iter().filter(|peer| !tree.concerns(*peer)).collect()
    }

    fn detach(&mut self, peer: LdpId, id: TreeId) {
        if let Some(p) = self.core.peers.get_mut(&peer) {
            p.trees.remove(&id);
        }
        self.tidy_peer(peer);
    }
}

/// One look at one tree.
pub(super) struct Pass<'a> {
    pub(super) core: &'a mut Core,
    pub(super) id: TreeId,
}

impl Pass<'_> {
    /// Writes the entries of branches that packets are to go to; returns those that they are no more to go to.
    fn entries(&mut self, tree: &mut Tree, touched: &[LdpId]) -> Vec<LdpId> {
        let upstream = tree.upstream();
        let mut stopped = Vec::new();
        for peer in touched {
            let Some(branch) = tree.branches.get_mut(peer) else { continue };
            // RFC 6388 §2.4.1.4: the upstream LSR's own mapping is kept, not used.
            if upstream == Some(*peer) {
                if branch.pushed.is_some() {
                    stopped.push(*peer);
                }
            } else if branch.pushed != Some(branch.label) {
                let Some(way) = self.core.entry_of(*peer) else { continue };
                if branch.pushed.replace(branch.label).is_none() {
                    tree.live = tree.live.saturating_add(1);
                }
                let (id, push) = (branch.nhlfe, LabelStack::single(branch.label));
                self.set_nhlfe(id, push, way);
            }
        }
        tree.live = tree.live.saturating_sub(stopped.len());
        let gone = tree.gone.iter().filter(|(_, b)| b.pushed.is_some()).count();
        tree.live = tree.live.saturating_sub(gone);
        stopped
    }

    pub(super) fn set_nhlfe(&mut self, id: fwd_core::net::NhlfeId, push: LabelStack, way: fwd_core::net::NhlfeId) {
        let nhlfe = Nhlfe { push, next: NextHop::Nhlfe(way), model: self.core.config.model };
        self.core.program(FwdOp::SetNhlfe { id, nhlfe });
    }

    /// Whether packets that arrive are copied, and not just delivered.
    fn needs_group(tree: &Tree, fed: Option<LegTarget>) -> bool {
        let arrives = !tree.is_root || tree.fed_by.is_some();
        arrives && (tree.live > 0 || tree.local.is_some() && fed.is_some())
    }

    /// The group of the tree with its legs; whether it is new.
    fn group(&mut self, tree: &mut Tree, touched: &[LdpId], fed: Option<LegTarget>) -> bool {
        if !Self::needs_group(tree, fed) {
            return false;
        }
        let (group, is_new) = match tree.plane.group {
            Some(group) => (group, false),
            None => match self.core.groups.take().map(ReplicationId) {
                Some(group) => {
                    let owner = VsiOrVrf::Vrf(self.core.config.vrf);
                    self.core.program(FwdOp::SetReplication { id: group, owner });
                    tree.plane.group = Some(group);
                    (group, true)
                }
                None => {
                    self.core.event(Event::NoRoom { tree: self.id });
                    return false;
                }
            },
        };
        let local = tree.local.map(|deliver| deliver.leg());
        let fixed = [(LegNumbers::LOCAL, local, &mut tree.plane.local), (LegNumbers::UP, fed, &mut tree.plane.fed)];
        for (leg, wanted, there) in fixed {
            if *there != wanted {
                *there = wanted;
                self.core.program(match wanted {
                    Some(target) => FwdOp::SetLeg { group, leg, target },
                    None => FwdOp::ClearLeg { group, leg },
                });
            }
        }
        let upstream = tree.upstream();
        let add = |core: &mut Core, peer: &LdpId, branch: &mut Branch| {
            if branch.pushed.is_some() && !branch.in_group && upstream != Some(*peer) {
                branch.in_group = true;
                let target = LegTarget::Nhlfe(branch.nhlfe);
                core.program(FwdOp::SetLeg { group, leg: branch.leg, target });
            }
        };
        if is_new {
            tree.branches.iter_mut().for_each(|(peer, branch)| add(self.core, peer, branch));
        } else {
            for peer in touched {
                if let Some(branch) = tree.branches.get_mut(peer) {
                    add(self.core, peer, branch);
                }
            }
        }
        is_new
    }

    /// The active label's meaning. An old label goes before the new one comes (RFC 6388 §2.4.3).
    fn ilm(&mut self, tree: &mut Tree, fed: Option<LegTarget>) {
        let Some(active) = tree.active else { return };
        let action = match (tree.plane.group.filter(|_| Self::needs_group(tree, fed)), tree.local, fed) {
            (Some(group), ..) => Some(IlmAction::Replicate(group)),
            (None, Some(deliver), _) => Some(deliver.action()),
            (None, None, Some(LegTarget::Group(group))) => Some(IlmAction::Replicate(group)),
            (None, None, _) => None,
        };
        let space = self.core.space_of(active.peer);
        let wanted = action.map(|action| Bound { space, label: active.label, action });
        if tree.plane.ilm == wanted {
            return;
        }
        let place = |bound: Bound| (bound.space, bound.label);
        if let Some(old) = tree.plane.ilm.filter(|old| Some(place(*old)) != wanted.map(place)) {
            self.core.unbind(old.space, old.label);
        }
        tree.plane.ilm = wanted;
        if let Some(Bound { space, label, action }) = wanted {
            self.core.bind(space, label, action);
        }
    }

    /// The largest payload from here on (RFC 3988 §2.3).
    fn measure(&mut self, tree: &mut Tree) {
        let peers = &self.core.peers;
        let of_branch = |(peer, branch): (&LdpId, &Branch)| {
            branch.pushed?;
            let hop = peers.get(peer).map(|p| p.mtu).filter(|mtu| *mtu > 0)?;
            Some(hop.saturating_sub(4).min(branch.mtu))
        };
        tree.mtu = tree.branches.iter().filter_map(of_branch).min().unwrap_or(Tree::MTU);
    }

    /// Label Mappings to upstream LSRs.
    fn mappings(&mut self, tree: &mut Tree) {
        let mtu = tree.mtu;
        let (fec, kind) = (&tree.fec, tree.fec.kind);
        for accept in tree.active.iter_mut().chain(&mut tree.pending) {
            if accept.sent == Some(mtu) || accept.refused || !self.core.is_up(accept.peer) {
                continue;
            }
            if accept.sent.is_some() && !self.core.config.signal_mtu {
                accept.sent = Some(mtu);
                continue;
            }
            accept.sent = Some(mtu);
            let mut optional = Vec::new();
            if self.core.config.signal_mtu && kind == TreeKind::P2mp {
                optional.push(Tlv::new(TlvValue::Mtu(mtu)));
            }
            if accept.mbb {
                let request = MpStatus::Mbb(MbbStatus::REQUEST);
                optional.push(Tlv::new(TlvValue::MpStatus(smallvec::smallvec![request])));
            }
            let fec = Fec::single(element(upstream_fec(fec, accept).down()));
            let mapping = LabelMapping { fec, label: LabelTlv::Generic(accept.label), optional };
            self.core.counters.mappings_sent = self.core.counters.mappings_sent.saturating_add(1);
            self.core.send(accept.peer, MessageBody::LabelMapping(mapping));
        }
        // Once in use, the element has no more to ask for.
        if let Some(active) = &mut tree.active {
            active.mbb = false;
        }
    }

    /// Label Withdraws to LSRs that are upstream no more (RFC 6388 §2.4.2.1), with the release of their way up (§3.3.2.1).
    fn withdraws(&mut self, tree: &mut Tree) {
        for accept in core::mem::take(&mut tree.dropped) {
            self.core.parted.push(accept.peer);
            let named = upstream_fec(&tree.fec, &accept);
            if accept.sent.is_none() || !self.core.is_up(accept.peer) {
                self.core.labels.give(accept.label.value());
                continue;
            }
            self.withdraw(accept.peer, named.down(), accept.label, true);
            if let (Some(label), Some(up)) = (accept.up, named.up()) {
                let optional = vec![Tlv::new(TlvValue::GenericLabel(label))];
                self.core.counters.releases_sent = self.core.counters.releases_sent.saturating_add(1);
                let release = LabelWithdraw { fec: Fec::single(element(up)), optional };
                self.core.send(accept.peer, MessageBody::LabelRelease(release));
            }
        }
    }

    /// A label that a peer has is free only when the peer gives it back; `say` tells it to.
    pub(super) fn withdraw(&mut self, peer: LdpId, fec: MultipointFec, label: fwd_core::net::Label, say: bool) {
        if say {
            let optional = vec![Tlv::new(TlvValue::GenericLabel(label))];
            self.core.counters.withdraws_sent = self.core.counters.withdraws_sent.saturating_add(1);
            let withdraw = LabelWithdraw { fec: Fec::single(element(fec.clone())), optional };
            self.core.send(peer, MessageBody::LabelWithdraw(withdraw));
        }
        if let Some(p) = self.core.peers.get_mut(&peer) {
            p.withdrawn.insert(label, fec);
        }
    }

    /// The label of a tree that has no upstream LSR any more means nothing.
    fn clear_ilm(&mut self, tree: &mut Tree) {
        if tree.active.is_none() {
            if let Some(old) = tree.plane.ilm.take() {
                self.core.unbind(old.space, old.label);
            }
        }
    }

    /// Make-before-break notifications to those that asked, when this router is ready (RFC 6388 §8.4.4, §8.4.5).
    fn acknowledge(&mut self, tree: &mut Tree, touched: &[LdpId]) {
        if !tree.is_root && tree.active.is_none() {
            return;
        }
        let upstream = tree.upstream();
        for peer in touched {
            let Some(branch) = tree.branches.get_mut(peer) else { continue };
            let ready = branch.pushed.is_some() && self.core.is_up(*peer);
            if !branch.request || upstream == Some(*peer) || !ready {
                continue;
            }
            branch.request = false;
            let mut ack = Notification::mp_status(element(tree.fec.down()), MpStatus::Mbb(MbbStatus::ACK));
            ack.optional.push(Tlv::new(TlvValue::GenericLabel(branch.label)));
            self.core.counters.mbb_acks_sent = self.core.counters.mbb_acks_sent.saturating_add(1);
            self.core.send(*peer, MessageBody::Notification(ack));
        }
    }

    /// Takes branches out of the tables that left, or that are upstream.
    fn stop(&mut self, tree: &mut Tree, stopped: &[LdpId]) {
        for peer in stopped {
            if let Some(branch) = tree.branches.get_mut(peer) {
                clear(self.core, self.id, tree.plane.group, branch);
            }
        }
        for (peer, mut branch) in core::mem::take(&mut tree.gone) {
            clear(self.core, self.id, tree.plane.group, &mut branch);
            self.core.nhlfes.give(branch.nhlfe.0);
            tree.legs.give(branch.leg);
            self.core.parted.push(peer);
        }
    }

    /// The group goes with the last that needed it.
    fn free_group(&mut self, tree: &mut Tree, fed: Option<LegTarget>) {
        if Self::needs_group(tree, fed) {
            return;
        }
        if let Some(group) = tree.plane.group.take() {
            self.core.program(FwdOp::ClearReplication { id: group });
            self.core.groups.give(group.0);
            (tree.plane.local, tree.plane.fed) = (None, None);
            tree.branches.values_mut().for_each(|branch| branch.in_group = false);
        }
    }

    /// Tells the tree's user what it needs to send, and whether packets arrive.
    fn tell(&mut self, tree: &mut Tree, touched: &[LdpId]) {
        let kind = tree.fec.kind;
        let sends = tree.open || kind == TreeKind::Mp2mp && tree.local.is_some();
        for peer in touched {
            let Some(branch) = tree.branches.get_mut(peer) else { continue };
            let told = sends && branch.pushed.is_some();
            if core::mem::replace(&mut branch.told, told) != told {
                let (tree, leg) = (self.id, branch.leg);
                self.core.event(match told {
                    true => Event::LegUp { tree, leg, nhlfe: branch.nhlfe, peer: *peer },
                    false => Event::LegDown { tree, leg },
                });
            }
        }
        self.tell_way_up(tree);
        let used = tree.open || tree.local.is_some();
        let carried = tree.active.is_some_and(|a| a.sent.is_some() && !a.refused);
        let way_up = kind == TreeKind::P2mp || tree.plane.up.is_some();
        let up = used && if tree.is_root { tree.live > 0 } else { carried && way_up };
        if core::mem::replace(&mut tree.told_up, up) != up {
            let tree = self.id;
            self.core.event(if up { Event::TreeUp { tree } } else { Event::TreeDown { tree } });
        }
        if used && kind == TreeKind::P2mp && tree.is_root && tree.told_mtu != Some(tree.mtu) {
            tree.told_mtu = Some(tree.mtu);
            self.core.event(Event::Mtu { tree: self.id, mtu: tree.mtu });
        }
    }
}

/// Takes a branch's leg and entry out of the tables, after its user heard of it.
fn clear(core: &mut Core, tree: TreeId, group: Option<ReplicationId>, branch: &mut Branch) {
    let leg = branch.leg;
    if core::mem::take(&mut branch.told) {
        core.event(Event::LegDown { tree, leg });
    }
    if let Some(group) = group.filter(|_| core::mem::take(&mut branch.in_group)) {
        core.program(FwdOp::ClearLeg { group, leg });
    }
    if branch.pushed.take().is_some() {
        core.program(FwdOp::ClearNhlfe { id: branch.nhlfe });
    }
}

/// The name under which a tree is known at an upstream LSR.
pub(super) fn upstream_fec(fec: &TreeFec, accept: &Accept) -> TreeFec {
    accept.via.map_or_else(|| fec.clone(), |via| fec.recursive(via))
}

pub(super) fn element(fec: MultipointFec) -> FecElement {
    FecElement::Multipoint(Box::new(fec))
}
