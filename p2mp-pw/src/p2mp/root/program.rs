//! A pseudowire's state at its root as messages and forwarding entries.
//!
//! Frames of the source's circuit go into an instance that floods: to the circuits that receive here, and to a port for each leg of the
//! tunnel, whose entry pushes the pseudowire's label below the tunnel's (RFC 8338 §3.2). Ways back end at one port. All but the source are
//! on one side, between whose ports nothing goes: what a leaf sends reaches the source only.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use fwd_core::net::{Label, LabelStack, NhlfeId, PortId, ReplicationId};
use fwd_core::op::{Attachment, FwdOp, Ilm, IlmAction, LegTarget, NextHop, Nhlfe, TunnelModel, VsiOrVrf};

use super::super::config::{PwId, instance, port};
use super::super::fsm::LeafEvent;
use super::io::{Event, Output};
use super::machine::{Leaf, Leg, Pw, Root, Timer};
use crate::ldp::LdpId;
use crate::ldp::fec::{Fec, FecElement, P2mpPw};
use crate::ldp::message::{LabelMapping, LabelTlv, LabelWithdraw, MessageBody, Notification};
use crate::ldp::{PwStatus, Tlv, TlvValue};

/// The side that frames go to from the source, and from which they go to the source only.
const FAR: u8 = 1;
/// Legs of the group: circuits first, then the tunnel's legs of the pseudowire, then those of the one that protects it.
const FIRST_LEG: u16 = 256;
const FIRST_BACKUP_LEG: u16 = 0x8000;

impl Root {
    fn op(&mut self, op: FwdOp) {
        self.outputs.push_back(Output::Program(op));
    }

    /// Brings the tables in line with a pseudowire.
    pub(super) fn program(&mut self, id: PwId) {
        let Some(mut pw) = self.pws.remove(&id) else { return };
        if !pw.removing && !pw.refused && !pw.programmed && pw.config.protects.is_none() {
            if self.instance(&mut pw) {
                pw.programmed = true;
                // What protects it has its legs in this one's group.
                self.dirty.extend(pw.backup.map(|backup| (backup, None)));
            } else {
                self.outputs.push_back(Output::Event(Event::NoRoom { pw: id }));
            }
        }
        self.legs(id, &mut pw);
        if pw.refused {
            self.take_out(&mut pw);
        }
        let held = pw.leaves.values().any(Leaf::has_label);
        if pw.removing && !held && pw.leaves.values().all(|l| !l.wanted) {
            self.clear(&mut pw);
            self.forget_name(&pw.config.sai);
            for leaf in pw.leaves.keys() {
                self.timers.clear(Timer::Confirm(id, *leaf));
                self.timers.clear(Timer::Status(id, *leaf));
                if let Some(peer) = self.peers.get_mut(leaf) {
                    peer.pws.remove(&id);
                }
            }
            return;
        }
        self.pws.insert(id, pw);
    }

    /// The forwarder of a pseudowire, with its circuits.
    fn instance(&mut self, pw: &mut Pw) -> bool {
        let vsi = pw.config.vsi;
        let mut ports = Vec::new();
        for _ in &pw.config.circuits {
            match self.ports.allocate() {
                Some(port) => ports.push(PortId(port)),
                None => {
                    ports.iter().for_each(|port| self.ports.release(port.0));
                    return false;
                }
            }
        }
        self.op(FwdOp::SetReplication { id: pw.group, owner: VsiOrVrf::Vsi(vsi) });
        self.op(FwdOp::SetVsi { vsi, settings: instance(pw.group, pw.config.service.sequence) });
        for (leg, (id, circuit)) in (0..).zip(ports.iter().zip(&pw.config.circuits)) {
            let attachment = Attachment::Circuit { iface: circuit.iface, tags: circuit.tags };
            let side = if leg == 0 { 0 } else { FAR };
            self.op(FwdOp::SetPort { id: *id, port: port(vsi, attachment, side, false) });
            self.op(FwdOp::SetLeg { group: pw.group, leg, target: LegTarget::Port(*id) });
        }
        pw.circuits = ports;
        if pw.config.return_path {
            let (id, nhlfe) = (self.ports.allocate().map(PortId), self.nhlfes.allocate().map(NhlfeId));
            if let (Some(id), Some(nhlfe)) = (id, nhlfe) {
                self.set_nhlfe(nhlfe, LabelStack::EMPTY, NextHop::Discard);
                let attachment = Attachment::Pseudowire { nhlfe };
                self.op(FwdOp::SetPort { id, port: port(vsi, attachment, FAR, pw.config.service.control_word) });
                pw.back = Some((id, nhlfe));
            } else {
                id.iter().for_each(|id| self.ports.release(id.0));
                nhlfe.iter().for_each(|nhlfe| self.nhlfes.release(nhlfe.0));
            }
        }
        true
    }

    fn set_nhlfe(&mut self, id: NhlfeId, push: LabelStack, next: NextHop) {
        self.op(FwdOp::SetNhlfe { id, nhlfe: Nhlfe { push, next, model: TunnelModel::Pipe } });
    }

    /// A port for each leg of the tunnel, of the pseudowire that sends. A leg of its own entry stays as it is when others change.
    fn legs(&mut self, id: PwId, pw: &mut Pw) {
        let sends = pw.active && !pw.removing && !pw.refused;
        let tunnel = pw.tunnel.as_ref().filter(|_| sends).and_then(|(tunnel, _)| self.tunnels.get(tunnel));
        let wanted = tunnel.map(|t| t.legs.clone()).unwrap_or_default();
        let home = match pw.config.protects {
            None => pw.programmed.then_some((pw.config.vsi, pw.group, FIRST_LEG)),
            Some(protects) => self.pws.get(&protects.primary).filter(|primary| primary.programmed).map(|primary| {
                // As long as there is one to protect, its group has the legs.
                (primary.config.vsi, primary.group, FIRST_BACKUP_LEG)
            }),
        };
        let Some((vsi, group, first)) = home else { return };
        let old: Vec<u16> = pw.legs.keys().copied().filter(|leg| !wanted.contains_key(leg)).collect();
        for number in old {
            let Some(leg) = pw.legs.remove(&number) else { continue };
            self.clear_leg((group, first.saturating_add(number)), leg);
        }
        for (number, via) in wanted {
            match pw.legs.get_mut(&number) {
                Some(leg) if leg.via == via => {}
                Some(leg) => {
                    leg.via = via;
                    let nhlfe = leg.nhlfe;
                    self.set_nhlfe(nhlfe, LabelStack::single(pw.label), NextHop::Nhlfe(via));
                }
                None => {
                    // Beyond this, numbers of the two would meet.
                    let (nhlfe, port_id) = match number < FIRST_BACKUP_LEG.saturating_sub(FIRST_LEG) {
                        true => (self.nhlfes.allocate().map(NhlfeId), self.ports.allocate().map(PortId)),
                        false => (None, None),
                    };
                    let (Some(nhlfe), Some(port_id)) = (nhlfe, port_id) else {
                        nhlfe.iter().for_each(|n| self.nhlfes.release(n.0));
                        port_id.iter().for_each(|p| self.ports.release(p.0));
                        self.outputs.push_back(Output::Event(Event::NoRoom { pw: id }));
                        continue;
                    };
                    self.set_nhlfe(nhlfe, LabelStack::single(pw.label), NextHop::Nhlfe(via));
                    let attachment = Attachment::Pseudowire { nhlfe };
                    let control_word = pw.config.service.control_word;
                    self.op(FwdOp::SetPort { id: port_id, port: port(vsi, attachment, FAR, control_word) });
                    let target = LegTarget::Port(port_id);
                    self.op(FwdOp::SetLeg { group, leg: first.saturating_add(number), target });
                    pw.legs.insert(number, Leg { via, nhlfe, port: port_id });
                }
            }
        }
    }

    fn clear_leg(&mut self, (group, number): (ReplicationId, u16), leg: Leg) {
        self.op(FwdOp::ClearLeg { group, leg: number });
        self.op(FwdOp::ClearPort { id: leg.port });
        self.op(FwdOp::ClearNhlfe { id: leg.nhlfe });
        self.ports.release(leg.port.0);
        self.nhlfes.release(leg.nhlfe.0);
    }

    /// Takes the legs of one that protects another out of the other's group.
    pub(super) fn strip(&mut self, id: PwId) {
        let Some(pw) = self.pws.get_mut(&id) else { return };
        let (protects, legs) = (pw.config.protects, core::mem::take(&mut pw.legs));
        let Some(group) = protects.and_then(|protects| self.pws.get(&protects.primary)).map(|pw| pw.group) else {
            return;
        };
        for (number, leg) in legs {
            self.clear_leg((group, FIRST_BACKUP_LEG.saturating_add(number)), leg);
        }
    }

    /// Gives a pseudowire's numbers back.
    fn clear(&mut self, pw: &mut Pw) {
        for leaf in pw.leaves.values_mut() {
            self.clear_back(leaf);
        }
        self.take_out(pw);
        self.groups.release(pw.group.0);
        self.labels.release(pw.label.value());
    }

    /// Takes the forwarder of a pseudowire out of the tables.
    fn take_out(&mut self, pw: &mut Pw) {
        if core::mem::take(&mut pw.programmed) {
            // Those of the one that protects it are of its group and instance too.
            let backup = pw.backup.and_then(|backup| self.pws.get_mut(&backup));
            for (number, leg) in backup.map(|backup| core::mem::take(&mut backup.legs)).unwrap_or_default() {
                self.clear_leg((pw.group, FIRST_BACKUP_LEG.saturating_add(number)), leg);
            }
            for id in core::mem::take(&mut pw.circuits) {
                self.op(FwdOp::ClearPort { id });
                self.ports.release(id.0);
            }
            if let Some((id, nhlfe)) = pw.back.take() {
                self.close_ways_back(pw);
                self.op(FwdOp::ClearPort { id });
                self.op(FwdOp::ClearNhlfe { id: nhlfe });
                self.ports.release(id.0);
                self.nhlfes.release(nhlfe.0);
            }
            self.op(FwdOp::ClearVsi { vsi: pw.config.vsi });
            self.op(FwdOp::ClearReplication { id: pw.group });
        }
    }

    /// Labels of ways back lead to a port that goes: they are withdrawn and cleared first.
    fn close_ways_back(&mut self, pw: &mut Pw) {
        let named = pw.config.service.named(&pw.config.sai, None);
        for (leaf_id, leaf) in &mut pw.leaves {
            let up = self.peers.get(leaf_id).is_some_and(|p| p.up);
            if let (Some((label, true)), true, Ok(named)) = (leaf.back, up, &named) {
                self.withdraw(*leaf_id, FecElement::P2pPwDownstream(Box::new(named.clone())), label);
            }
            self.clear_back(leaf);
        }
    }

    /// The forwarding plane has no room for a pseudowire: nothing of it stays, and its leaves lose their labels.
    pub(super) fn refused(&mut self, op: &FwdOp) {
        let owns = |pw: &Pw| match op {
            FwdOp::SetReplication { id, .. } => pw.group == *id,
            FwdOp::SetLeg { group, .. } => pw.group == *group,
            FwdOp::SetVsi { vsi, .. } => pw.config.vsi == *vsi,
            FwdOp::SetPort { id, .. } => {
                let back = pw.back.is_some_and(|(port, _)| port == *id);
                back || pw.circuits.contains(id) || pw.legs.values().any(|leg| leg.port == *id)
            }
            FwdOp::SetNhlfe { id, .. } => {
                pw.back.is_some_and(|(_, nhlfe)| nhlfe == *id) || pw.legs.values().any(|leg| leg.nhlfe == *id)
            }
            FwdOp::SetIlm { label, .. } => pw.leaves.values().any(|leaf| leaf.back.is_some_and(|(l, _)| l == *label)),
            _ => false,
        };
        let Some((id, pw)) = self.pws.iter_mut().find(|(_, pw)| !pw.refused && owns(pw)) else { return };
        pw.refused = true;
        let id = *id;
        self.outputs.push_back(Output::Event(Event::TableFull { pw: id }));
        self.touch_all(id);
    }

    fn clear_back(&mut self, leaf: &mut Leaf) {
        if let Some((label, _)) = leaf.back.take() {
            self.op(FwdOp::ClearIlm { label });
            self.labels.release(label.value());
        }
    }

    /// Tells one leaf what it does not know yet, or knows wrong.
    pub(super) fn tell(&mut self, id: PwId, leaf_id: LdpId) {
        let Some(mut pw) = self.pws.remove(&id) else { return };
        let Some(mut leaf) = pw.leaves.remove(&leaf_id) else {
            self.pws.insert(id, pw);
            return;
        };
        let able = self.peers.get(&leaf_id).is_some_and(|p| p.up && p.capable);
        let tunnel =
            pw.tunnel.as_ref().map(|(_, tunnel)| tunnel).filter(|_| leaf.wanted && able && !pw.removing && !pw.refused);
        let mut event = None;
        if leaf.sent.is_some() && leaf.sent.as_ref() != tunnel {
            event = Some(LeafEvent::Withdrawn);
            self.take_back(&pw, leaf_id, &mut leaf, able);
        }
        // A tunnel that changed is told when the leaf gave the label back that it has with the old one (RFC 7338 §3.2).
        if let Some(tunnel) = tunnel.filter(|_| !leaf.withdrawing && (leaf.sent.is_none() || leaf.again)) {
            if let Ok(offer) = pw.config.service.offer(&pw.config.sai, tunnel.clone()) {
                self.map(leaf_id, FecElement::P2mpPwUpstream(Box::new(offer)), pw.label);
                leaf.sent = Some(tunnel.clone());
                event = Some(LeafEvent::Offered);
                leaf.back = leaf.back.map(|(label, sent)| (label, sent && !leaf.again));
                leaf.status_sent = PwStatus::empty();
            }
        }
        leaf.again = false;
        if leaf.sent.is_some() {
            self.way_back(&pw, leaf_id, &mut leaf);
            self.report(&pw, leaf_id, &mut leaf);
        }
        if leaf.wanted || leaf.has_label() {
            pw.leaves.insert(leaf_id, leaf);
        } else {
            self.clear_back(&mut leaf);
            if let Some(peer) = self.peers.get_mut(&leaf_id) {
                peer.pws.remove(&id);
            }
            self.timers.clear(Timer::Confirm(id, leaf_id));
            self.timers.clear(Timer::Status(id, leaf_id));
            if pw.removing {
                self.dirty.insert((id, None));
            }
        }
        self.pws.insert(id, pw);
        if let Some(event) = event {
            self.leaf_event(self.now, id, leaf_id, event);
        }
        self.unsettled.insert(id);
    }

    /// Withdraws the label, and with it that of the way back.
    fn take_back(&mut self, pw: &Pw, leaf_id: LdpId, leaf: &mut Leaf, able: bool) {
        let Some(tunnel) = leaf.sent.take() else { return };
        let up = self.peers.get(&leaf_id).is_some_and(|p| p.up);
        if up {
            if let Ok(named) = pw.config.service.named(&pw.config.sai, Some(tunnel)) {
                self.withdraw(leaf_id, FecElement::P2mpPwUpstream(Box::new(named)), pw.label);
                // A router that does not know the FEC any more will not answer.
                leaf.withdrawing = able;
            }
            if let (Some((label, true)), Ok(named)) = (leaf.back, pw.config.service.named(&pw.config.sai, None)) {
                self.withdraw(leaf_id, FecElement::P2pPwDownstream(Box::new(named)), label);
                leaf.back = Some((label, false));
            }
        }
        leaf.status_sent = PwStatus::empty();
    }

    /// The label by which a leaf sends to the source (RFC 8338 §3.2.2): one for each leaf.
    fn way_back(&mut self, pw: &Pw, leaf_id: LdpId, leaf: &mut Leaf) {
        let Some((port, _)) = pw.back else { return };
        if leaf.back.is_none() {
            let Some(label) = self.labels.allocate().and_then(Label::new) else { return };
            let ilm = Ilm { action: IlmAction::Bridge(port), model: TunnelModel::Pipe };
            self.op(FwdOp::SetIlm { label, ilm });
            leaf.back = Some((label, false));
        }
        if let (Some((label, false)), Ok(named)) = (leaf.back, pw.config.service.named(&pw.config.sai, None)) {
            self.map(leaf_id, FecElement::P2pPwDownstream(Box::new(named)), label);
            leaf.back = Some((label, true));
        }
    }

    /// The root's own status (RFC 8338 §5), if the leaf knows another.
    fn report(&mut self, pw: &Pw, leaf_id: LdpId, leaf: &mut Leaf) {
        let status = pw.status();
        if leaf.status_sent == status {
            return;
        }
        if let Ok(named) = pw.config.service.named(&pw.config.sai, leaf.sent.clone()) {
            leaf.status_sent = status;
            self.counters.statuses_sent = self.counters.statuses_sent.saturating_add(1);
            self.send(leaf_id, MessageBody::Notification(Notification::pw_status(upstream(named), status)));
        }
    }

    fn map(&mut self, peer: LdpId, element: FecElement, label: Label) {
        self.counters.mappings_sent = self.counters.mappings_sent.saturating_add(1);
        let label = LabelTlv::Generic(label);
        let mapping = LabelMapping { fec: Fec::single(element), label, optional: Vec::new() };
        self.send(peer, MessageBody::LabelMapping(mapping));
    }

    fn withdraw(&mut self, peer: LdpId, element: FecElement, label: Label) {
        self.counters.withdraws_sent = self.counters.withdraws_sent.saturating_add(1);
        let optional = vec![Tlv::new(TlvValue::GenericLabel(label))];
        self.send(peer, MessageBody::LabelWithdraw(LabelWithdraw { fec: Fec::single(element), optional }));
    }

    fn send(&mut self, peer: LdpId, body: MessageBody) {
        self.outputs.push_back(Output::Message { peer, message: body.into() });
    }
}

fn upstream(pw: P2mpPw) -> FecElement {
    FecElement::P2mpPwUpstream(Box::new(pw))
}
