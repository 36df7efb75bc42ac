//! A pseudowire's state at a leaf as messages and forwarding entries.
//!
//! The root's label, in the root's label space (RFC 5331 §7), leads to a port of an instance that floods to the circuits. Circuits are on one
//! side and pseudowires on the other: what a circuit sends goes to the root alone.

use alloc::boxed::Box;
use alloc::vec::Vec;

use fwd_core::net::LabelStack;
use fwd_core::op::{Attachment, FwdOp, Ilm, IlmAction, LegTarget, NextHop, Nhlfe, TunnelModel, VsiOrVrf};

use super::super::config::{PwId, instance, port};
use super::super::fsm::PwState;
use super::io::{Event, Output};
use super::machine::{Leaf, Member, Pw};
use crate::ldp::PwStatus;
use crate::ldp::fec::FecElement;
use crate::ldp::message::{MessageBody, Notification};

const PSEUDOWIRES: u8 = 1;
const CIRCUITS: u8 = 2;
/// Legs of the group: circuits first, then pseudowires.
const FIRST_PSEUDOWIRE: u16 = 256;

impl Leaf {
    fn op(&mut self, op: FwdOp) {
        self.outputs.push_back(Output::Program(op));
    }

    /// Brings all in line that changed.
    pub(super) fn program_all(&mut self) {
        while let Some(id) = self.dirty.pop_first() {
            self.program(id);
        }
    }

    /// Brings tables and the root's knowledge in line with a pseudowire.
    pub(super) fn program(&mut self, id: PwId) {
        let Some(mut pw) = self.pws.remove(&id) else { return };
        self.dirty.remove(&id);
        if pw.refused {
            self.take_out(&mut pw);
        } else if !core::mem::replace(&mut pw.programmed, true) {
            self.instance(&pw);
        }
        let mut members = core::mem::take(&mut pw.members);
        let verifies = pw.selector.is_none();
        // What does not feed the circuits any more goes before what does: never two copies.
        for feeds in [false, true] {
            for (index, member) in members.iter_mut().enumerate().filter(|_| !pw.refused) {
                let is_up = pw.selected == Some(index) && member.state == PwState::Up;
                // What in-band verification found to be down can be found to be up again only as long as its packets get here.
                let is_verified = verifies && member.state == PwState::Fault && member.oam_down;
                if (is_up || is_verified) == feeds {
                    self.member(&pw, index, member, feeds);
                }
            }
        }
        for (index, member) in members.iter_mut().enumerate() {
            self.report(&pw, index, member);
        }
        pw.members = members;
        self.pws.insert(id, pw);
    }

    fn instance(&mut self, pw: &Pw) {
        let vsi = pw.config.vsi;
        self.op(FwdOp::SetReplication { id: pw.group, owner: VsiOrVrf::Vsi(vsi) });
        self.op(FwdOp::SetVsi { vsi, settings: instance(pw.group, pw.config.service.sequence) });
        for (leg, (id, circuit)) in (0..).zip(pw.circuits.iter().zip(&pw.config.circuits)) {
            let attachment = Attachment::Circuit { iface: circuit.iface, tags: circuit.tags };
            self.op(FwdOp::SetPort { id: *id, port: port(vsi, attachment, CIRCUITS, false) });
            self.op(FwdOp::SetLeg { group: pw.group, leg, target: LegTarget::Port(*id) });
        }
    }

    /// Entry, port, label and leg of a member.
    fn member(&mut self, pw: &Pw, index: usize, m: &mut Member, feeds: bool) {
        let leg = u16::try_from(index).unwrap_or(u16::MAX).saturating_add(FIRST_PSEUDOWIRE);
        let root = m.root.and_then(|root| self.peers.get(&root));
        let offer = root.and_then(|peer| peer.offers.get(&m.sai)).filter(|_| feeds);
        let back = offer.and_then(|o| o.back);
        let way = root.and_then(|peer| peer.next).filter(|_| back.is_some()).unwrap_or(NextHop::Discard);
        let bound = offer.map(|o| o.label).zip(root.and_then(|peer| peer.space)).map(|(label, space)| (space, label));
        if m.bound != bound {
            if let Some((space, label)) = m.bound {
                self.op(FwdOp::ClearContextIlm { space, label });
            }
        }
        let sends = back.is_some();
        if m.sends && !sends {
            self.op(FwdOp::ClearLeg { group: pw.group, leg });
        }
        if m.back != Some((back, way)) {
            m.back = Some((back, way));
            let push = back.map_or(LabelStack::EMPTY, LabelStack::single);
            let nhlfe = Nhlfe { push, next: way, model: TunnelModel::Pipe };
            self.op(FwdOp::SetNhlfe { id: m.nhlfe, nhlfe });
        }
        if !core::mem::replace(&mut m.programmed, true) {
            let attachment = Attachment::Pseudowire { nhlfe: m.nhlfe };
            let settings = port(pw.config.vsi, attachment, PSEUDOWIRES, pw.config.service.control_word);
            self.op(FwdOp::SetPort { id: m.port, port: settings });
        }
        if let Some((space, label)) = bound.filter(|_| m.bound != bound) {
            let ilm = Ilm { action: IlmAction::Bridge(m.port), model: TunnelModel::Pipe };
            self.op(FwdOp::SetContextIlm { space, label, ilm });
        }
        if sends && !m.sends {
            self.op(FwdOp::SetLeg { group: pw.group, leg, target: LegTarget::Port(m.port) });
        }
        (m.bound, m.sends) = (bound, sends);
    }

    /// Tells the root how the leaf fares, by the P2P PW Downstream element, whether or not there is a way back (RFC 8338 §5).
    fn report(&mut self, pw: &Pw, index: usize, m: &mut Member) {
        let Some(root) = m.root.filter(|root| self.peers.get(root).is_some_and(|p| p.up)) else { return };
        let status = match m.state {
            // Nothing is known yet.
            PwState::Idle | PwState::WaitTransport => return,
            PwState::Rejected => PwStatus::NOT_FORWARDING,
            _ if pw.refused => PwStatus::NOT_FORWARDING | pw.ac_status,
            PwState::Fault => PwStatus::PSN_RECEIVE_FAULT | pw.ac_status,
            PwState::Up | PwState::Standby if pw.selector.is_some() && pw.selected != Some(index) => {
                PwStatus::STANDBY | pw.ac_status
            }
            PwState::Up | PwState::Standby => pw.ac_status,
        };
        if m.told == Some(status) {
            return;
        }
        let silent = m.told.is_none() && status.is_empty() && !pw.config.confirm;
        m.told = Some(status);
        if let (false, Ok(named)) = (silent, pw.config.service.named(&m.sai, None)) {
            self.counters.statuses_sent = self.counters.statuses_sent.saturating_add(1);
            let element = FecElement::P2pPwDownstream(Box::new(named));
            let body = MessageBody::Notification(Notification::pw_status(element, status));
            self.outputs.push_back(Output::Message { peer: root, message: body.into() });
        }
    }

    /// The forwarding plane has no room for a pseudowire: nothing of it stays, and its roots hear that it does not forward.
    pub(super) fn refused(&mut self, op: &FwdOp) {
        let owns = |pw: &Pw| match op {
            FwdOp::SetReplication { id, .. } => pw.group == *id,
            FwdOp::SetLeg { group, .. } => pw.group == *group,
            FwdOp::SetVsi { vsi, .. } => pw.config.vsi == *vsi,
            FwdOp::SetPort { id, .. } => pw.circuits.contains(id) || pw.members.iter().any(|m| m.port == *id),
            FwdOp::SetNhlfe { id, .. } => pw.members.iter().any(|m| m.nhlfe == *id),
            FwdOp::SetContextIlm { space, label, .. } => pw.members.iter().any(|m| m.bound == Some((*space, *label))),
            _ => false,
        };
        let Some((id, pw)) = self.pws.iter_mut().find(|(_, pw)| !pw.refused && owns(pw)) else { return };
        pw.refused = true;
        let id = *id;
        self.outputs.push_back(Output::Event(Event::TableFull { pw: id }));
        self.dirty.insert(id);
    }

    /// Takes a pseudowire with its members' labels out of the tables.
    pub(super) fn take_out(&mut self, pw: &mut Pw) {
        if !core::mem::take(&mut pw.programmed) {
            return;
        }
        for m in &mut pw.members {
            if let Some((space, label)) = m.bound.take() {
                self.op(FwdOp::ClearContextIlm { space, label });
            }
            (m.sends, m.back, m.programmed) = (false, None, false);
        }
        self.clear(pw);
    }

    /// Takes a pseudowire out of the tables after its members lost their labels.
    fn clear(&mut self, pw: &mut Pw) {
        let ports: Vec<_> = pw.members.iter().map(|m| m.port).chain(pw.circuits.iter().copied()).collect();
        ports.into_iter().for_each(|id| self.op(FwdOp::ClearPort { id }));
        for m in &pw.members {
            self.op(FwdOp::ClearNhlfe { id: m.nhlfe });
        }
        self.op(FwdOp::ClearVsi { vsi: pw.config.vsi });
        self.op(FwdOp::ClearReplication { id: pw.group });
    }
}
