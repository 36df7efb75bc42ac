//! Labels and status that are sent (RFC 8077 §6, §7).

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use fwd_core::net::{Label, Mac};
use fwd_core::time::Instant;

use super::c_bit::{CBit, CBitAction, CBitEvent, transition};
use super::config::{PwAttachment, PwConfig, PwName};
use super::io::{Output, PwIndex};
use super::machine::{Ours, Pws, StatusMethod};
use crate::ldp::fec::{Fec, FecElement, GeneralizedPwId, InterfaceParameter, PwEnds, PwId, PwIdScope, PwType};
use crate::ldp::message::{Address, LabelMapping, LabelRequest, LabelTlv, LabelWithdraw, MessageBody, Notification};
use crate::ldp::{LdpId, MacFlush, Octets, PwStatus, Status, StatusCode, Tlv, TlvValue};

/// Whether the control word is required for a type (RFC 8077 §7.1, RFC 4446 §3.2): frame relay, ATM AAL5 SDU, CEP and TDM.
pub(super) const fn requires_control_word(pw_type: PwType) -> bool {
    matches!(pw_type.value(), 0x0001 | 0x0002 | 0x0008 | 0x0010..=0x0019)
}

/// The interface parameters of a pseudowire's own.
fn own_parameters(config: &PwConfig) -> Vec<InterfaceParameter> {
    let mtu = (config.mtu != 0).then_some(InterfaceParameter::Mtu(config.mtu));
    mtu.into_iter().chain(config.parameters.iter().cloned()).collect()
}

pub(super) fn parameters_len(config: &PwConfig) -> usize {
    own_parameters(config).iter().map(InterfaceParameter::wire_len).fold(0, usize::saturating_add)
}

impl Pws {
    /// The FEC element of a pseudowire, as we send it.
    pub(super) fn element(
        &self,
        pw: PwIndex,
        control_word: bool,
        parameters: Vec<InterfaceParameter>,
    ) -> Option<FecElement> {
        let config = &self.pws.get(&pw)?.config;
        let (pw_type, group_id) = (config.pw_type, config.group_id);
        Some(match &config.name {
            PwName::Id(pw_id) => {
                let scope = PwIdScope::One { pw_id: *pw_id, parameters };
                FecElement::PwId(Box::new(PwId { control_word, pw_type, group_id, pw: scope }))
            }
            PwName::Ends(ends) => {
                let ends = Some(ends.clone());
                FecElement::GeneralizedPwId(Box::new(GeneralizedPwId { control_word, pw_type, ends }))
            }
        })
    }

    /// The C bit that our Label Mapping has, or would have.
    fn c(&self, pw: PwIndex) -> bool {
        match self.pws.get(&pw).map(|p| (p.c_bit, p.config.control_word)) {
            Some((CBit::SentC1 | CBit::Done(true), _)) => true,
            Some((CBit::SentC0 | CBit::Done(false), _)) | None => false,
            Some((CBit::NoneSent | CBit::Renegotiating, preferred)) => preferred,
        }
    }

    /// What our end reports of a pseudowire.
    pub(super) fn local_status(&self, pw: PwIndex) -> PwStatus {
        let Some(state) = self.pws.get(&pw) else { return PwStatus::NOT_FORWARDING };
        let mut status = state.faults;
        if !self.transports.contains_key(&state.config.peer) {
            status |= PwStatus::PSN_TRANSMIT_FAULT;
        }
        if let PwAttachment::Segment(other) = state.config.attachment {
            status |= self.relayed_status(other);
        }
        if (state.mismatch.is_some() || state.refused) && status.is_up() {
            status |= PwStatus::NOT_FORWARDING;
        }
        if state.config.redundancy.is_some_and(|m| m.mode != super::config::RedundancyMode::Slave) && !state.active {
            status |= PwStatus::STANDBY;
        }
        status.set(PwStatus::REQUEST_SWITCHOVER, state.requesting);
        status
    }

    /// Whether our label should be with the peer.
    fn wants_label(&self, pw: PwIndex) -> bool {
        let Some(state) = self.pws.get(&pw) else { return false };
        let segment = match state.config.attachment {
            PwAttachment::Segment(other) => self.pws.get(&other).is_some_and(|p| p.remote.is_some()),
            PwAttachment::Port(_) | PwAttachment::Circuit(_) => true,
        };
        let by_label = state.method == StatusMethod::LabelWithdraw || !state.config.status_tlv;
        let well = !by_label || state.faults.is_empty();
        self.peers.get(&state.config.peer) == Some(&true) && !state.released && segment && well
    }

    /// Brings label, status and forwarding of a pseudowire to what is known.
    pub(super) fn refresh(&mut self, now: Instant, pw: PwIndex) {
        let wanted = self.wants_label(pw);
        let Some(state) = self.pws.get(&pw) else { return };
        let renegotiating = state.c_bit == CBit::Renegotiating;
        match state.ours {
            Ours::None if wanted && !renegotiating => self.advertise(pw),
            Ours::Sent if !wanted => {
                self.send_withdraw(pw, None);
                if let Some(state) = self.pws.get_mut(&pw) {
                    state.c_bit = CBit::NoneSent;
                }
            }
            Ours::None | Ours::Sent | Ours::Withdrawing => {}
        }
        if let Some(member) = self.pws.get(&pw).and_then(|p| p.config.redundancy) {
            self.select(now, member.set);
        }
        self.program(pw);
        self.tell_status(pw);
    }

    /// Sends our Label Mapping, with the C bit that RFC 8077 §7.2 says.
    fn advertise(&mut self, pw: PwIndex) {
        let Some(state) = self.pws.get(&pw) else { return };
        let mut preferred = state.config.control_word;
        if let PwAttachment::Segment(other) = state.config.attachment {
            // A switching point hands the bit on (RFC 6073 §7).
            let beyond = self.pws.get(&other).and_then(|p| p.remote.as_ref());
            preferred = beyond.map_or(preferred, |remote| remote.control_word);
        }
        let received = state.remote.as_ref().filter(|r| !r.stale).map(|remote| remote.control_word);
        let (next, action) = transition(state.c_bit, CBitEvent::Send { preferred, received });
        let Some(CBitAction::SendMapping(c)) = action else { return };
        if let Some(state) = self.pws.get_mut(&pw) {
            state.c_bit = next;
            if next == CBit::SentC0 && received == Some(true) {
                // As if no label had been received: the peer says it again without the control word.
                state.remote = None;
            }
        }
        self.send_mapping(pw, c);
    }

    pub(super) fn send_mapping(&mut self, pw: PwIndex, c: bool) {
        let status = self.local_status(pw);
        let Some(state) = self.pws.get(&pw) else { return };
        let mut parameters = own_parameters(&state.config);
        let mut points = Vec::new();
        if let PwAttachment::Segment(other) = state.config.attachment {
            (parameters, points) = self.relayed_parameters(other);
        }
        let by_id = matches!(state.config.name, PwName::Id(_));
        let (group_id, label, status_tlv) = (state.config.group_id, state.label, state.config.status_tlv);
        let in_fec = if by_id { core::mem::take(&mut parameters) } else { Vec::new() };
        let Some(element) = self.element(pw, c, in_fec) else { return };
        let mut optional = Vec::new();
        if !by_id {
            if group_id != 0 {
                optional.push(TlvValue::PwGroupId(group_id));
            }
            if !parameters.is_empty() {
                optional.push(TlvValue::PwInterfaceParameters(parameters));
            }
        }
        if status_tlv {
            optional.push(TlvValue::PwStatus(status));
        }
        optional.extend(points.into_iter().map(TlvValue::PwSwitchingPoint));
        let optional = optional.into_iter().map(Tlv::new).collect();
        let fec = Fec::single(element);
        let mapping = LabelMapping { fec, label: LabelTlv::Generic(label), optional };
        if let Some(state) = self.pws.get_mut(&pw) {
            state.ours = Ours::Sent;
            state.told = status;
        }
        self.counters.mappings_sent = self.counters.mappings_sent.saturating_add(1);
        self.send(pw, MessageBody::LabelMapping(mapping));
    }

    /// Withdraws our label; with a status the peer does not answer (RFC 8077 §7.2).
    pub(super) fn send_withdraw(&mut self, pw: PwIndex, reason: Option<StatusCode>) {
        let Some(element) = self.element(pw, self.c(pw), Vec::new()) else { return };
        let Some(state) = self.pws.get_mut(&pw) else { return };
        state.ours = if reason.is_some() { Ours::None } else { Ours::Withdrawing };
        let label = TlvValue::GenericLabel(state.label);
        let reason = reason.map(|code| TlvValue::Status(Status::new(code)));
        let optional = [Some(label), reason].into_iter().flatten().map(Tlv::new).collect();
        let fec = Fec::single(element);
        self.send(pw, MessageBody::LabelWithdraw(LabelWithdraw { fec, optional }));
    }

    /// The FEC element of a pseudowire as the peer sends it: with its name for the label that it owns.
    fn peers_element(&self, pw: PwIndex) -> Option<FecElement> {
        let mut element = self.element(pw, self.c(pw), Vec::new())?;
        if let FecElement::GeneralizedPwId(pw) = &mut element {
            pw.ends = pw.ends.as_ref().map(PwEnds::reversed);
        }
        Some(element)
    }

    /// Gives the peer's label back.
    pub(super) fn send_release(&mut self, pw: PwIndex, label: Option<Label>, reason: Option<StatusCode>) {
        let Some(element) = self.peers_element(pw) else { return };
        let Some(peer) = self.pws.get(&pw).map(|p| p.config.peer) else { return };
        self.release_to(peer, Fec::single(element), label, reason, Vec::new());
    }

    /// A Label Release of what the peer named; its group beside it, where it named one.
    pub(super) fn release_to(
        &mut self,
        peer: LdpId,
        fec: Fec,
        label: Option<Label>,
        reason: Option<StatusCode>,
        mut optional: Vec<Tlv>,
    ) {
        let reason = reason.map(|code| TlvValue::Status(Status::new(code)));
        let label = label.map(TlvValue::GenericLabel);
        optional.extend(label.into_iter().chain(reason).map(Tlv::new));
        self.send_to(peer, MessageBody::LabelRelease(LabelWithdraw { fec, optional }));
    }

    /// Withdraws and releases, and asks for a label once the peer released ours (RFC 8077 §7.3).
    pub(super) fn renegotiate(&mut self, now: Instant, pw: PwIndex) {
        let Some(state) = self.pws.get(&pw) else { return };
        let (next, action) = transition(state.c_bit, CBitEvent::Renegotiate);
        if action != Some(CBitAction::WithdrawAndRelease) {
            return;
        }
        self.send_withdraw(pw, None);
        let remote = self.pws.get_mut(&pw).and_then(|p| p.remote.take());
        if let Some(remote) = remote {
            self.send_release(pw, Some(remote.label), None);
        }
        if let Some(state) = self.pws.get_mut(&pw) {
            state.c_bit = next;
            state.method = StatusMethod::Undecided;
        }
        self.refresh(now, pw);
    }

    pub(super) fn send_request(&mut self, pw: PwIndex) {
        if let Some(element) = self.peers_element(pw) {
            let request = LabelRequest { fec: Fec::single(element), optional: Vec::new() };
            self.send(pw, MessageBody::LabelRequest(request));
        }
    }

    /// Tells the peer our status if it is another than it knows.
    pub(super) fn tell_status(&mut self, pw: PwIndex) {
        let status = self.local_status(pw);
        let Some(state) = self.pws.get(&pw) else { return };
        let by_tlv = state.config.status_tlv && state.method != StatusMethod::LabelWithdraw;
        if state.ours != Ours::Sent || !by_tlv || state.told == status {
            return;
        }
        self.send_status(pw, status, None);
    }

    /// A status notification of a pseudowire, with the switching point that it comes from.
    pub(super) fn send_status(&mut self, pw: PwIndex, status: PwStatus, point: Option<Octets>) {
        let Some(element) = self.element(pw, self.c(pw), Vec::new()) else { return };
        if let Some(state) = self.pws.get_mut(&pw) {
            state.told = status;
        }
        let mut notification = Notification::pw_status(element, status);
        notification.optional.extend(point.map(|octets| Tlv::new(TlvValue::PwSwitchingPoint(octets))));
        self.counters.status_sent = self.counters.status_sent.saturating_add(1);
        self.send(pw, MessageBody::Notification(notification));
    }

    pub(super) fn send_mac_withdraw(&mut self, pw: PwIndex, macs: Vec<Mac>, flush: Option<MacFlush>) {
        let Some(element) = self.element(pw, self.c(pw), Vec::new()) else { return };
        let mut optional = vec![TlvValue::Fec(Fec::single(element)), TlvValue::MacList(macs)];
        optional.extend(flush.map(|flush| TlvValue::MacFlush(Box::new(flush))));
        let optional = optional.into_iter().map(Tlv::new).collect();
        self.send(pw, MessageBody::AddressWithdraw(Address::mac_withdraw(optional)));
    }

    pub(super) fn send(&mut self, pw: PwIndex, body: MessageBody) {
        if let Some(peer) = self.pws.get(&pw).map(|p| p.config.peer) {
            self.send_to(peer, body);
        }
    }

    pub(super) fn send_to(&mut self, peer: LdpId, body: MessageBody) {
        if self.peers.get(&peer) == Some(&true) {
            self.outputs.push_back(Output::Message { peer, message: body.into() });
        }
    }
}
