//! An LSP's state as forwarding entries and messages: what changed since the last time, in an order in which nothing is promised
//! that is not yet in the tables.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec;
use alloc::vec::Vec;
use core::net::Ipv4Addr;

use fwd_core::net::{IfIndex, LabelStack, NhlfeId, ReplicationId, VrfId};
use fwd_core::op::{FwdOp, Ilm, IlmAction, LegTarget, Nhlfe, VsiOrVrf};

use super::config::{LspKey, Neighbour, SubGroup};
use super::io::{Event, Output};
use super::lsp::{Branch, Lsp, Towards};
use super::machine::{Rsvp, Timer};
use super::message::{Message, MessageType};
use super::object::Object;
use crate::ldp::octets::Octets;
use crate::mldp::Deliver;

/// The leg that delivers here; branches have the others.
const LOCAL_LEG: u16 = u16::MAX;
/// L3PID of a tunnel that carries anything (RFC 3209 §4.2.1): IPv4.
const L3PID: u16 = 0x0800;
/// Priorities of the LSP: neither preempts nor is preempted but by the best.
pub(super) const PRIORITY: u8 = 7;

/// A branch to a neighbour without sub-LSPs.
pub(super) const fn branch(neighbour: Neighbour, leg: u16, nhlfe: NhlfeId) -> Branch {
    Branch { neighbour, groups: BTreeMap::new(), leg, nhlfe, label: None, pushed: None, in_group: false, told: false }
}

impl Rsvp {
    /// Brings messages and tables in line with an LSP.
    pub(super) fn reconcile(&mut self, key: LspKey) {
        let Some(mut lsp) = self.lsps.remove(&key) else { return };
        self.paths(key, &mut lsp);
        self.entries(&mut lsp);
        self.group(key, &mut lsp);
        self.set_ilm(key, &mut lsp);
        self.resvs(key, &mut lsp);
        self.tell(key, &mut lsp);
        self.clear(key, &mut lsp);
        lsp.life.set(self.now, lsp.is_up());
        let over = !lsp.ingress && lsp.leaves.is_empty() && lsp.branches.is_empty() && lsp.groups.is_empty();
        if over {
            self.forget(key, &lsp);
        } else {
            self.lsps.insert(key, lsp);
        }
    }

    fn program(&mut self, op: FwdOp) {
        self.outputs.push_back(Output::Program(op));
    }

    /// Paths that are due; a sub-group without leaves is torn down (RFC 4875 §7.2).
    fn paths(&mut self, key: LspKey, lsp: &mut Lsp) {
        let (mut send, mut over) = (Vec::new(), Vec::new());
        for (hop, branch) in &mut lsp.branches {
            for (id, group) in branch.groups.iter_mut().filter(|(_, group)| group.due) {
                group.due = false;
                let was_sent = core::mem::replace(&mut group.sent, !group.leaves.is_empty());
                if group.leaves.is_empty() {
                    over.push((*hop, *id));
                }
                if group.sent || was_sent {
                    send.push((*hop, branch.neighbour, *id, group.leaves.clone()));
                }
            }
        }
        for (hop, neighbour, id, leaves) in send {
            let message = self.path_message(key, lsp, neighbour, id, &leaves);
            self.send((hop, neighbour.iface), message);
        }
        for (hop, id) in over {
            self.timers.clear(Timer::Resv(key, hop, id));
            if let Some(branch) = lsp.branches.get_mut(&hop) {
                branch.groups.remove(&id);
            }
        }
    }

    /// Path, or PathTear where there are no leaves.
    fn path_message(
        &self,
        key: LspKey,
        lsp: &Lsp,
        neighbour: Neighbour,
        id: u16,
        leaves: &BTreeSet<Ipv4Addr>,
    ) -> Message {
        let template = key.sender(SubGroup { originator: self.config.address, id });
        let mut objects = vec![
            Object::Session4(key.session),
            Object::Hop { address: neighbour.local.into(), handle: neighbour.iface.0 },
        ];
        if leaves.is_empty() {
            objects.extend([Object::SenderTemplate4(template), Object::SenderTspec(lsp.tspec)]);
            return Message::new(MessageType::PATH_TEAR, objects);
        }
        let route = |leaf: &Ipv4Addr| lsp.leaves.get(leaf).map(|l| l.route.clone()).unwrap_or_default();
        objects.push(Object::TimeValues(self.period()));
        // A first way that is not said would leave the others nothing to branch off from: those with ways come first.
        let mut ordered: Vec<(Ipv4Addr, super::Route)> = leaves.iter().map(|leaf| (*leaf, route(leaf))).collect();
        ordered.sort_by_key(|(_, route)| route.0.is_empty());
        if let Some((_, first)) = ordered.first().filter(|(_, first)| !first.0.is_empty()) {
            objects.push(Object::ExplicitRoute(first.clone()));
        }
        let name = Octets::new();
        objects.extend([
            Object::LabelRequest(L3PID),
            Object::SessionAttribute { setup: PRIORITY, hold: PRIORITY, flags: 4, name },
            Object::SenderTemplate4(template),
            Object::SenderTspec(lsp.tspec),
        ]);
        for (at, (leaf, route)) in ordered.into_iter().enumerate() {
            objects.push(Object::S2lSubLsp(leaf.into()));
            if at > 0 && !route.0.is_empty() {
                objects.push(Object::SecondaryExplicitRoute(route));
            }
        }
        Message::new(MessageType::PATH, objects)
    }

    fn period(&self) -> u32 {
        u32::try_from(self.config.refresh.as_millis()).unwrap_or(u32::MAX)
    }

    /// Whether a branch carries packets: some leaf behind it has a reservation.
    fn carries(lsp: &Lsp, hop: Ipv4Addr) -> bool {
        !lsp.refused && lsp.leaves.values().any(|leaf| leaf.towards == Towards::Via(hop) && leaf.reserved)
    }

    /// Entries of branches that have a label.
    fn entries(&mut self, lsp: &mut Lsp) {
        let carrying: BTreeSet<Ipv4Addr> =
            lsp.branches.keys().copied().filter(|hop| Self::carries(lsp, *hop)).collect();
        for (hop, branch) in &mut lsp.branches {
            let wanted = branch.label.filter(|_| carrying.contains(hop));
            let Some(label) = wanted.filter(|label| branch.pushed != Some(*label)) else { continue };
            branch.pushed = Some(label);
            let nhlfe =
                Nhlfe { push: LabelStack::single(label), next: branch.neighbour.next, model: self.config.model };
            self.program(FwdOp::SetNhlfe { id: branch.nhlfe, nhlfe });
        }
    }

    fn delivery(&self, key: LspKey, lsp: &Lsp) -> Option<Deliver> {
        let here = lsp.leaves.values().any(|leaf| leaf.towards == Towards::Here && leaf.reserved);
        self.deliveries.get(&key.session).copied().filter(|_| here && !lsp.refused)
    }

    /// The group that copies what passes through, with its legs.
    fn group(&mut self, key: LspKey, lsp: &mut Lsp) {
        let live: BTreeSet<Ipv4Addr> = lsp.branches.keys().copied().filter(|hop| Self::carries(lsp, *hop)).collect();
        let local = self.delivery(key, lsp);
        if lsp.ingress || live.is_empty() {
            return;
        }
        let group = match lsp.plane.group {
            Some(group) => group,
            None => {
                let Some(id) = self.replications.allocate() else {
                    lsp.refused = true;
                    return self.too_many("groups");
                };
                let id = ReplicationId(id);
                self.program(FwdOp::SetReplication { id, owner: VsiOrVrf::Vrf(VrfId::GLOBAL) });
                lsp.plane.group = Some(id);
                id
            }
        };
        for (hop, branch) in &mut lsp.branches {
            if live.contains(hop) && branch.pushed.is_some() && !branch.in_group {
                branch.in_group = true;
                let target = LegTarget::Nhlfe(branch.nhlfe);
                self.program(FwdOp::SetLeg { group, leg: branch.leg, target });
            }
        }
        if let Some(deliver) = local.filter(|_| !lsp.plane.local) {
            lsp.plane.local = true;
            self.program(FwdOp::SetLeg { group, leg: LOCAL_LEG, target: deliver.leg() });
        }
    }

    /// What our label means. It changes before anything that it led to goes.
    fn set_ilm(&mut self, key: LspKey, lsp: &mut Lsp) {
        let Some(upstream) = lsp.upstream else { return };
        let copies = lsp.branches.keys().any(|hop| Self::carries(lsp, *hop));
        let action = match (lsp.plane.group.filter(|_| copies), self.delivery(key, lsp)) {
            (Some(group), _) => Some(IlmAction::Replicate(group)),
            (None, Some(deliver)) => Some(deliver.action()),
            (None, None) => None,
        };
        let wanted = action.map(|action| (upstream.label, action));
        if let Some((label, action)) = wanted.filter(|_| lsp.plane.ilm != wanted) {
            lsp.plane.ilm = wanted;
            self.program(FwdOp::SetIlm { label, ilm: Ilm { action, model: self.config.model } });
        }
    }

    /// Resvs for sub-groups of the previous hop's whose reserved leaves changed, or that are to be refreshed.
    fn resvs(&mut self, key: LspKey, lsp: &mut Lsp) {
        let Some(upstream) = lsp.upstream else { return };
        let Some(local) = self.neighbours.get(&upstream.hop).map(|n| n.local) else { return };
        let names: Vec<SubGroup> = lsp.groups.keys().copied().collect();
        for name in names {
            let reserved = if lsp.refused { BTreeSet::new() } else { lsp.reserved_of(name) };
            let Some(group) = lsp.groups.get_mut(&name) else { continue };
            let refresh = core::mem::take(&mut group.refresh);
            let before = core::mem::replace(&mut group.told, reserved.clone());
            if before == reserved && (reserved.is_empty() || !refresh) {
                continue;
            }
            let kind = if reserved.is_empty() { MessageType::RESV_TEAR } else { MessageType::RESV };
            let mut objects =
                vec![Object::Session4(key.session), Object::Hop { address: local.into(), handle: upstream.handle }];
            if kind == MessageType::RESV {
                objects.push(Object::TimeValues(self.period()));
            }
            objects.extend([
                Object::SHARED_EXPLICIT,
                Object::FlowSpec(lsp.tspec),
                Object::FilterSpec4(key.sender(name)),
            ]);
            if kind == MessageType::RESV {
                objects.push(Object::Label(upstream.label.value()));
            }
            objects.extend(reserved.iter().map(|leaf| Object::S2lSubLsp((*leaf).into())));
            self.send((upstream.hop, upstream.iface), Message::new(kind, objects));
        }
    }

    /// Tells the ingress's user what it can send by, and whom it reaches.
    fn tell(&mut self, key: LspKey, lsp: &mut Lsp) {
        if !lsp.ingress {
            return;
        }
        let carrying: BTreeSet<Ipv4Addr> =
            lsp.branches.keys().copied().filter(|hop| Self::carries(lsp, *hop)).collect();
        for (hop, branch) in &mut lsp.branches {
            if carrying.contains(hop) && branch.pushed.is_some() && !branch.told {
                branch.told = true;
                let (leg, nhlfe) = (branch.leg, branch.nhlfe);
                self.outputs.push_back(Output::Event(Event::LegUp { lsp: key, leg, nhlfe, hop: *hop }));
            }
        }
        for (address, leaf) in &mut lsp.leaves {
            if core::mem::replace(&mut leaf.told, leaf.reserved) != leaf.reserved {
                let leaf_address = *address;
                self.outputs.push_back(Output::Event(match leaf.reserved {
                    true => Event::LeafUp { lsp: key, leaf: leaf_address },
                    false => Event::LeafDown { lsp: key, leaf: leaf_address },
                }));
            }
        }
        let ready = !lsp.leaves.is_empty() && lsp.leaves.values().all(|leaf| leaf.reserved);
        if let Some(old) = lsp.replaces.take_if(|_| ready) {
            self.outputs.push_back(Output::Event(Event::Switch { from: old, to: key }));
            // It may be gone already, by the operator's word.
            let _ = self.remove_lsp(self.now, old);
        }
    }

    /// Takes out of the tables what is no more used, after nothing leads to it.
    fn clear(&mut self, key: LspKey, lsp: &mut Lsp) {
        let has_action = lsp.branches.keys().any(|hop| Self::carries(lsp, *hop)) || self.delivery(key, lsp).is_some();
        if !has_action {
            if let Some((label, _)) = lsp.plane.ilm.take() {
                self.program(FwdOp::ClearIlm { label });
            }
        }
        let copies = lsp.branches.keys().any(|hop| Self::carries(lsp, *hop));
        let group = lsp.plane.group;
        if lsp.plane.local && self.delivery(key, lsp).is_none() {
            lsp.plane.local = false;
            if let Some(group) = group {
                self.program(FwdOp::ClearLeg { group, leg: LOCAL_LEG });
            }
        }
        let idle: Vec<Ipv4Addr> = lsp.branches.keys().copied().filter(|hop| !Self::carries(lsp, *hop)).collect();
        for hop in idle {
            let Some(branch) = lsp.branches.get_mut(&hop) else { continue };
            if core::mem::take(&mut branch.told) {
                self.outputs.push_back(Output::Event(Event::LegDown { lsp: key, leg: branch.leg }));
            }
            if let Some(group) = group.filter(|_| core::mem::take(&mut branch.in_group)) {
                self.outputs.push_back(Output::Program(FwdOp::ClearLeg { group, leg: branch.leg }));
            }
            if branch.pushed.take().is_some() {
                self.outputs.push_back(Output::Program(FwdOp::ClearNhlfe { id: branch.nhlfe }));
            }
            if branch.groups.is_empty() {
                self.nhlfes.release(branch.nhlfe.0);
                lsp.branches.remove(&hop);
            }
        }
        if let Some(group) = lsp.plane.group.take_if(|_| !copies) {
            lsp.plane.local = false;
            self.program(FwdOp::ClearReplication { id: group });
            self.replications.release(group.0);
        }
    }

    fn forget(&mut self, key: LspKey, lsp: &Lsp) {
        self.timers.clear(Timer::Refresh(key));
        if let Some(upstream) = lsp.upstream {
            self.labels.release(upstream.label.value());
        }
    }

    /// The forwarding plane has no room: what was promised for the LSP is taken back.
    pub(super) fn refused(&mut self, op: FwdOp) {
        self.counters.refused_ops = self.counters.refused_ops.saturating_add(1);
        let owns = |lsp: &Lsp| match op {
            FwdOp::SetNhlfe { id, .. } => lsp.branches.values().any(|branch| branch.nhlfe == id),
            FwdOp::SetIlm { label, .. } => lsp.upstream.is_some_and(|upstream| upstream.label == label),
            FwdOp::SetReplication { id, .. } => lsp.plane.group == Some(id),
            FwdOp::SetLeg { group, .. } => lsp.plane.group == Some(group),
            _ => false,
        };
        let Some((key, lsp)) = self.lsps.iter_mut().find(|(_, lsp)| !lsp.refused && owns(lsp)) else { return };
        lsp.refused = true;
        let key = *key;
        self.outputs.push_back(Output::Event(Event::TableFull { lsp: key }));
        self.dirty.insert(key);
    }

    /// The interface by which an LSP comes, to look at.
    #[must_use]
    pub fn incoming(&self, key: LspKey) -> Option<(IfIndex, fwd_core::net::Label)> {
        let upstream = self.lsps.get(&key)?.upstream?;
        Some((upstream.iface, upstream.label))
    }
}
