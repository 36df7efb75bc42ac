//! Messages of peers about multipoint FECs (RFC 6388 §2.4.1, §2.4.2, §3.3.1, §3.3.2, §8.4, §9).

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use fwd_core::net::{Label, NhlfeId};
use fwd_core::op::FwdOp;
use fwd_core::time::Instant;

use super::fec::{TreeFec, TreeId};
use super::io::{Event, Limit};
use super::machine::{Mldp, Timer};
use super::tree::{Accept, Branch, Tree};
use super::upstream::UpstreamEvent;
use crate::ldp::fec::{Fec, FecElement, FecType, MultipointFec, MultipointKind, TypedWildcard, WildcardScope};
use crate::ldp::message::{LabelMapping, LabelWithdraw, MessageBody, Notification};
use crate::ldp::{AddressFamily, LdpId, MbbStatus, MpStatus, Status, StatusCode, Tlv, TlvValue};

/// What a wildcard means: FECs of a type (any: all multipoint ones), of roots of a family (any: both).
#[derive(Clone, Copy, Debug)]
pub(super) struct Scope {
    kind: Option<MultipointKind>,
    family: Option<AddressFamily>,
}

impl Scope {
    /// The scope of a FEC element that is a wildcard and may mean multipoint FECs.
    pub(super) fn of(element: &FecElement) -> Option<Self> {
        match element {
            FecElement::Wildcard => Some(Self { kind: None, family: None }),
            FecElement::TypedWildcard(TypedWildcard { fec_type, scope: WildcardScope::Family(family) }) => {
                Some(Self { kind: Some(MultipointKind::of(*fec_type)?), family: Some(*family) })
            }
            _ => None,
        }
    }

    /// Whether it means the FECs of a tree that lead from the root (or towards it).
    pub(super) fn means(self, fec: &TreeFec, up: bool) -> bool {
        let kind = if up { fec.kind.up() } else { Some(fec.kind.down()) };
        let family = AddressFamily::of(fec.root);
        kind.is_some_and(|kind| self.kind.is_none_or(|k| k == kind)) && self.family.is_none_or(|f| f == family)
    }
}

impl Mldp {
    /// A message of a peer.
    pub(super) fn message(&mut self, now: Instant, peer: LdpId, body: &MessageBody) {
        if !self.core.is_up(peer) {
            return;
        }
        match body {
            MessageBody::LabelMapping(mapping) => self.mapping(now, peer, mapping),
            MessageBody::LabelWithdraw(withdraw) => self.withdraw(now, peer, withdraw),
            MessageBody::LabelRelease(release) => self.released(now, peer, release),
            MessageBody::LabelRequest(request) => {
                // RFC 5918 §4: all labels of the type once more. A single multipoint FEC is never asked for.
                if let Some(scope) = request.fec.only().and_then(Scope::of) {
                    self.send_again(peer, |fec| scope.means(fec, false), |fec| scope.means(fec, true));
                }
            }
            MessageBody::Notification(notification) => self.notification(now, peer, notification),
            _ => {}
        }
    }

    fn mapping(&mut self, now: Instant, peer: LdpId, mapping: &LabelMapping) {
        let fec = match mapping.fec.only() {
            Some(FecElement::Multipoint(fec)) => fec,
            // RFC 6388 §2.4: a multipoint element stands alone.
            _ if mapping.fec.0.iter().any(|element| matches!(element, FecElement::Multipoint(_))) => {
                self.core.counters.ignored = self.core.counters.ignored.saturating_add(1);
                return;
            }
            _ => return,
        };
        self.core.counters.mappings_received = self.core.counters.mappings_received.saturating_add(1);
        let (tree, up) = TreeFec::of(fec);
        let label = mapping.label.label();
        if label.is_special_purpose() {
            // There is no penultimate hop popping: the label says the tree (RFC 6388 §2.4).
            self.release(peer, fec, label, None);
        } else if !self.core.config.may_extend_to(peer) {
            self.core.limited(now, peer, Limit::Border);
            self.release(peer, fec, label, None);
        } else if up {
            self.mapping_up(now, peer, &tree, fec, label);
        } else if let Err(limit) = self.mapping_down(now, peer, &tree, mapping) {
            self.core.limited(now, peer, limit);
            self.release(peer, fec, label, Some(StatusCode::NO_LABEL_RESOURCES));
        }
    }

    /// A peer joins downstream (RFC 6388 §2.4.1.4, §2.4.1.5, §3.3.1.5, §3.3.1.6, §8.4.4).
    fn mapping_down(&mut self, now: Instant, peer: LdpId, fec: &TreeFec, mapping: &LabelMapping) -> Result<(), Limit> {
        let label = mapping.label.label();
        let mtu = mapping.optional.iter().find_map(|tlv| match tlv.value {
            TlvValue::Mtu(mtu) => Some(mtu),
            _ => None,
        });
        let mtu = mtu.unwrap_or(Tree::MTU);
        let request = mapping.optional.iter().any(|tlv| is_mbb(tlv, MbbStatus::REQUEST));
        let is_new = self.find(fec).is_none();
        let id = self.enter(fec).ok_or(Limit::Trees)?;
        let Some(tree) = self.trees.get_mut(&id) else { return Ok(()) };
        if let Some(branch) = tree.branches.get_mut(&peer) {
            let old = core::mem::replace(&mut branch.label, label);
            (branch.mtu, branch.stale) = (mtu, false);
            branch.request |= request;
            if old != label {
                // One label for each peer: the older one is of no use to anybody.
                self.release(peer, &fec.down(), old, None);
            }
        } else {
            match self.branch(peer, id, label, mtu) {
                Ok(mut branch) => {
                    branch.request = request;
                    let Some(tree) = self.trees.get_mut(&id) else { return Ok(()) };
                    tree.branches.insert(peer, branch);
                    tree.mbb_wanted |= request && tree.active.is_none() && tree.pending.is_none();
                }
                Err(limit) => {
                    if let Some(tree) = self.trees.get_mut(&id) {
                        self.core.queue(id, tree); // it may be over before it began
                    }
                    return Err(limit);
                }
            }
            if let Some(p) = self.core.peers.get_mut(&peer) {
                p.trees.insert(id);
                p.branches = p.branches.saturating_add(1);
            }
            // A tree that was closed may not be over yet.
            let is_unknown = self.trees.get(&id).is_some_and(|tree| tree.is_unknown() && tree.branches.len() == 1);
            if (is_new || is_unknown) && self.core.config.addresses.contains(&fec.root) {
                self.rooted(now, id, fec);
            }
        }
        if let Some(tree) = self.trees.get_mut(&id) {
            tree.touch(peer);
            self.core.queue(id, tree);
        }
        self.reselect(now, id);
        Ok(())
    }

    /// A branch with its entry and leg.
    fn branch(&mut self, peer: LdpId, id: TreeId, label: Label, mtu: u16) -> Result<Branch, Limit> {
        let config = &self.core.config;
        let tree = self.trees.get_mut(&id).ok_or(Limit::Trees)?;
        if tree.branches.len() >= config.max_branches_of_tree {
            return Err(Limit::BranchesOfTree);
        }
        if self.core.peers.get(&peer).is_some_and(|p| p.branches >= config.max_branches_of_peer) {
            return Err(Limit::BranchesOfPeer);
        }
        let nhlfe = self.core.nhlfes.take().map(NhlfeId).ok_or(Limit::Nhlfes)?;
        let Some(leg) = tree.legs.take() else {
            self.core.nhlfes.give(nhlfe.0);
            return Err(Limit::BranchesOfTree);
        };
        let (pushed, up) = (None, None);
        let (request, stale, in_group, told, up_refused) = (false, false, false, false, false);
        Ok(Branch { label, leg, nhlfe, mtu, request, stale, pushed, in_group, told, up, up_refused })
    }

    /// The upstream LSR gives a label for packets towards the root (RFC 6388 §3.3.1.4, §3.3.1.5).
    fn mapping_up(&mut self, now: Instant, peer: LdpId, fec: &TreeFec, element: &MultipointFec, label: Label) {
        let id = self.find(fec);
        let tree = id.and_then(|id| self.trees.get_mut(&id).map(|tree| (id, tree)));
        let found = tree.and_then(|(id, tree)| {
            let accept = tree.active.iter_mut().chain(&mut tree.pending).find(|a| a.peer == peer)?;
            let old = accept.up.replace(label);
            tree.touch_all = true;
            self.core.queue(id, tree);
            Some(old)
        });
        match found {
            Some(Some(old)) if old != label => self.release(peer, element, old, None),
            Some(_) => {}
            None => self.release(peer, element, label, None),
        }
        if let Some(id) = id {
            self.reselect(now, id);
        }
    }

    fn withdraw(&mut self, now: Instant, peer: LdpId, withdraw: &LabelWithdraw) {
        let label = withdraw.label();
        match withdraw.fec.only() {
            Some(FecElement::Multipoint(fec)) => {
                self.count_withdraw();
                let (tree, up) = TreeFec::of(fec);
                if let Some(id) = self.find(&tree) {
                    self.withdrawn(now, peer, id, up, label);
                }
                // RFC 6388 §2.4.2.2: a release answers, whether or not the label was of use.
                let optional = label.map(|l| Tlv::new(TlvValue::GenericLabel(l))).into_iter().collect();
                self.send_release(peer, FecElement::Multipoint(fec.clone()), optional);
            }
            Some(element) => {
                let Some(scope) = Scope::of(element) else { return };
                self.count_withdraw();
                let trees = self.core.peers.get(&peer).map(|p| p.trees.clone()).unwrap_or_default();
                for id in trees {
                    let Some(fec) = self.trees.get(&id).map(|t| t.fec.clone()) else { continue };
                    for up in [false, true] {
                        if scope.means(&fec, up) {
                            self.withdrawn(now, peer, id, up, None);
                        }
                    }
                }
                // The plain wildcard is answered by label distribution, once for all FECs.
                if !matches!(element, FecElement::Wildcard) {
                    self.send_release(peer, element.clone(), Vec::new());
                }
            }
            None => {}
        }
    }

    fn count_withdraw(&mut self) {
        self.core.counters.withdraws_received = self.core.counters.withdraws_received.saturating_add(1);
    }

    /// A peer's label of a tree goes (RFC 6388 §2.4.2.2, §2.4.2.3, §3.3.2.2); `None`: whichever it has.
    fn withdrawn(&mut self, now: Instant, peer: LdpId, id: TreeId, up: bool, label: Option<Label>) {
        let Some(tree) = self.trees.get_mut(&id) else { return };
        if up {
            let accept = tree.active.iter_mut().chain(&mut tree.pending).find(|a| a.peer == peer);
            let Some(accept) = accept.filter(|a| label.is_none() || a.up == label) else { return };
            accept.up = None;
            if tree.upstream() == Some(peer) {
                tree.up_open = false;
            }
            tree.touch_all = true;
            self.core.queue(id, tree);
        } else if tree.branches.get(&peer).is_some_and(|b| label.is_none_or(|l| b.label == l)) {
            self.remove_branch(now, peer, id);
        }
    }

    /// Takes a peer out of a tree.
    pub(super) fn remove_branch(&mut self, now: Instant, peer: LdpId, id: TreeId) {
        let Some(tree) = self.trees.get_mut(&id) else { return };
        let Some(branch) = tree.branches.remove(&peer) else { return };
        tree.gone.push((peer, branch));
        let fed_by = tree.fed_by.filter(|_| tree.branches.is_empty());
        if fed_by.is_some() {
            tree.fed_by = None;
        }
        if let Some(p) = self.core.peers.get_mut(&peer) {
            p.branches = p.branches.saturating_sub(1);
        }
        // The tree that feeds it lets go first.
        if let Some(inner) = fed_by {
            self.starve(now, inner);
        }
        if let Some(tree) = self.trees.get_mut(&id) {
            self.core.queue(id, tree);
        }
        self.reselect(now, id);
    }

    /// A peer gives labels back: those that were withdrawn are free, those that were not are not wanted.
    fn released(&mut self, now: Instant, peer: LdpId, release: &LabelWithdraw) {
        let label = release.label();
        let Some(element) = release.fec.only() else { return };
        let scope = match element {
            FecElement::Multipoint(_) => None,
            wildcard => match Scope::of(wildcard) {
                Some(scope) => Some(scope),
                None => return,
            },
        };
        let means = |fec: &MultipointFec| match (scope, element) {
            (Some(scope), _) => {
                let (tree, up) = TreeFec::of(fec);
                scope.means(&tree, up)
            }
            (None, FecElement::Multipoint(named)) => **named == *fec,
            _ => false,
        };
        let Some(p) = self.core.peers.get_mut(&peer) else { return };
        let mut freed = Vec::new();
        p.withdrawn.retain(|l, fec| {
            let goes = label.is_none_or(|label| label == *l) && means(fec);
            freed.extend(goes.then_some(*l));
            !goes
        });
        let found = !freed.is_empty();
        freed.into_iter().for_each(|label| self.core.labels.give(label.value()));
        if let (FecElement::Multipoint(fec), false) = (element, found) {
            self.not_wanted(now, peer, fec, label);
        }
    }

    /// A peer gives a label back that is not withdrawn: an upstream LSR has no room for us, or a downstream LSR needs no way up
    /// any more (RFC 6388 §3.3.2.1).
    fn not_wanted(&mut self, now: Instant, peer: LdpId, fec: &MultipointFec, label: Option<Label>) {
        let (fec, up) = TreeFec::of(fec);
        let Some(id) = self.find(&fec) else { return };
        let Some(tree) = self.trees.get_mut(&id) else { return };
        if up {
            let Some(branch) = tree.branches.get_mut(&peer) else { return };
            if branch.up.as_ref().is_some_and(|path| path.advertised && label.is_none_or(|l| l == path.label)) {
                branch.up_refused = true;
                tree.touch(peer);
            }
        } else {
            let same = |a: &&mut Accept| a.peer == peer && a.sent.is_some() && label.is_none_or(|l| l == a.label);
            let Some(accept) = tree.active.iter_mut().chain(&mut tree.pending).find(same) else { return };
            accept.refused = true;
            self.core.timers.set(Timer::Retry(id), now + Self::RETRY);
        }
        self.core.queue(id, tree);
    }

    fn notification(&mut self, now: Instant, peer: LdpId, notification: &Notification) {
        let element = notification.fec().and_then(Fec::only);
        match (notification.status.code.without_forward(), element) {
            (StatusCode::LDP_MP_STATUS, Some(FecElement::Multipoint(fec))) => {
                if !notification.optional.iter().any(|tlv| is_mbb(tlv, MbbStatus::ACK)) {
                    return;
                }
                let label = notification.optional.iter().find_map(|tlv| match tlv.value {
                    TlvValue::GenericLabel(label) => Some(label),
                    _ => None,
                });
                // RFC 6388 §8.4.5: what matches no inactive element is ignored.
                let id = self.find(&TreeFec::of(fec).0).or_else(|| self.find_recursive(peer, fec));
                let matching = id.filter(|id| {
                    let pending = self.trees.get(id).and_then(|tree| tree.pending);
                    pending.is_some_and(|a| a.peer == peer && label.is_none_or(|l| l == a.label))
                });
                match matching {
                    Some(id) => self.upstream_event(now, id, UpstreamEvent::Acknowledged, None),
                    None => self.core.counters.ignored = self.core.counters.ignored.saturating_add(1),
                }
            }
            (StatusCode::END_OF_LIB, Some(element)) => {
                if let Some(scope) = Scope::of(element) {
                    self.drop_stale(now, peer, |fec| scope.means(fec, false));
                }
            }
            _ => {}
        }
    }

    /// The tree that goes to a peer under a recursive opaque value.
    fn find_recursive(&self, peer: LdpId, fec: &MultipointFec) -> Option<TreeId> {
        let outer = TreeFec::of(fec).0;
        let id = self.find(&outer.inner()?)?;
        let pending = self.trees.get(&id)?.pending?;
        (pending.peer == peer && pending.via == Some(outer.root)).then_some(id)
    }

    /// Gives a peer's label back.
    pub(super) fn release(&mut self, peer: LdpId, fec: &MultipointFec, label: Label, status: Option<StatusCode>) {
        let mut optional = vec![Tlv::new(TlvValue::GenericLabel(label))];
        optional.extend(status.map(|code| Tlv::new(TlvValue::Status(Status::new(code)))));
        self.send_release(peer, FecElement::Multipoint(Box::new(fec.clone())), optional);
    }

    fn send_release(&mut self, peer: LdpId, element: FecElement, optional: Vec<Tlv>) {
        self.core.counters.releases_sent = self.core.counters.releases_sent.saturating_add(1);
        self.core.send(peer, MessageBody::LabelRelease(LabelWithdraw { fec: Fec::single(element), optional }));
    }

    /// The forwarding plane has no room: what needs the entry is taken back (design of `FwdOp`: a refused op changed nothing).
    pub(super) fn refused(&mut self, now: Instant, op: &FwdOp) {
        self.core.counters.refused_ops = self.core.counters.refused_ops.saturating_add(1);
        let by_branch = |matches: &dyn Fn(&Branch) -> bool| {
            self.trees.iter().find_map(|(id, tree)| {
                let branch = tree.branches.iter().find(|(_, b)| matches(b))?;
                Some((*id, *branch.0))
            })
        };
        let branch = match *op {
            FwdOp::SetNhlfe { id, .. } => by_branch(&|b| b.nhlfe == id),
            FwdOp::SetLeg { group, leg, .. } => self.trees.iter().find_map(|(id, tree)| {
                let in_tree = tree.plane.group == Some(group);
                let branch = tree.branches.iter().find(|(_, b)| {
                    in_tree && b.leg == leg || b.up.as_ref().is_some_and(|path| path.group == Some(group))
                })?;
                Some((*id, *branch.0))
            }),
            FwdOp::SetReplication { id, .. } => by_branch(&|b| b.up.as_ref().is_some_and(|p| p.group == Some(id))),
            FwdOp::SetIlm { label, .. } | FwdOp::SetContextIlm { label, .. } => {
                by_branch(&|b| b.up.as_ref().is_some_and(|p| p.label == label))
            }
            _ => return,
        };
        if let Some((id, peer)) = branch {
            let found = self.trees.get(&id).and_then(|tree| Some((tree.fec.down(), tree.branches.get(&peer)?.label)));
            if let Some((fec, label)) = found.filter(|_| self.core.is_up(peer)) {
                self.release(peer, &fec, label, Some(StatusCode::NO_LABEL_RESOURCES));
            }
            self.core.event(Event::NoRoom { tree: id });
            self.remove_branch(now, peer, id);
            return;
        }
        // The tree's own label or group: nobody is to send us its packets.
        let own = self.trees.iter().find_map(|(id, tree)| match *op {
            FwdOp::SetReplication { id: group, .. } => (tree.plane.group == Some(group)).then_some(*id),
            FwdOp::SetIlm { label, .. } | FwdOp::SetContextIlm { label, .. } => {
                (tree.active.is_some_and(|a| a.label == label)).then_some(*id)
            }
            FwdOp::SetLeg { group, .. } => (tree.plane.group == Some(group)).then_some(*id),
            _ => None,
        });
        let Some(id) = own else { return };
        self.core.event(Event::NoRoom { tree: id });
        self.upstream_event(now, id, UpstreamEvent::NoneLeft, None);
        self.core.timers.set(Timer::Retry(id), now + Self::RETRY);
    }
}

fn is_mbb(tlv: &Tlv, status: MbbStatus) -> bool {
    matches!(&tlv.value, TlvValue::MpStatus(list) if list.contains(&MpStatus::Mbb(status)))
}

/// All FECs of a type, with roots of a family.
pub(super) fn typed_wildcard(kind: MultipointKind, family: AddressFamily) -> FecElement {
    let fec_type: FecType = kind.fec_type();
    FecElement::TypedWildcard(TypedWildcard { fec_type, scope: WildcardScope::Family(family) })
}

/// The families of roots.
pub(super) const FAMILIES: [AddressFamily; 2] = [AddressFamily::IPV4, AddressFamily::IPV6];
