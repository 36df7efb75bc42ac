//! What is sent: labels, requests, withdrawals (RFC 5036 A.2.1–A.2.5).

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use fwd_core::net::{IpPrefix, Label};
use fwd_core::time::Instant;

use super::super::LdpId;
use super::super::fec::{Fec, FecElement, PrefixFec};
use super::super::message::{
    LabelAbortRequest, LabelMapping, LabelRequest, LabelTlv, LabelWithdraw, Message, MessageBody, MessageType,
    Notification,
};
use super::super::neighbour::OWN_MESSAGE_ID;
use super::super::status::{Status, StatusCode};
use super::super::tlv::{Tlv, TlvValue};
use super::attributes::Attributes;
use super::config::EgressLabel;
use super::fec::{FecId, Known};
use super::io::Event;
use super::machine::{Job, Lde, Requested, Sent};

/// The FEC of a prefix.
pub(super) fn fec_of(prefix: IpPrefix) -> Fec {
    Fec::single(FecElement::Prefix(PrefixFec::Ip(prefix)))
}

impl Lde {
    /// `Send_Label` (A.2.1). Whether there was a label.
    pub(super) fn send_label(
        &mut self,
        now: Instant,
        peer: LdpId,
        fec: FecId,
        attributes: Attributes,
        request: Option<u32>,
    ) -> bool {
        // SL.1, SL.2
        let Some(label) = self.bind(fec) else {
            if self.fecs.get(fec).is_none_or(|state| state.refused) {
                return false;
            }
            let prefix = self.fecs.get(fec).map(|state| state.prefix);
            if let Some(prefix) = prefix {
                self.own_event(now, Event::NoLabels { prefix });
            }
            // SL.9
            if let Some(id) = request {
                // SL.10–SL.12
                self.notify(peer, StatusCode::NO_LABEL_RESOURCES, Some((id, MessageType::LABEL_REQUEST)), Vec::new());
                if let Some(state) = self.peers.get_mut(&peer) {
                    state.pending.remove(&fec);
                    state.told_no_resources = true;
                }
            } else if let Some(state) = self.peers.get_mut(&peer) {
                // SL.13
                state.unserved.insert(fec);
            }
            return false;
        };
        // SL.3: programmed before the message is polled.
        self.mark_dirty(fec);
        let Some(state) = self.peers.get_mut(&peer) else { return false };
        if state.withdrawn.contains(&(fec, label)) {
            // The release that is under way would be taken for one of this mapping: it waits (A.1.14, note 1).
            state.sent.remove(&fec);
            state.unserved.insert(fec);
            return true;
        }
        // SL.5–SL.7
        let attributes = attributes.boxed();
        let request = state.pending.remove(&fec).or(request);
        let said = |before: &Sent| !before.released && (!before.pending || before.repeated);
        let repeated = state.sent.get(&fec).is_some_and(said);
        let sent = Sent { label, pending: true, released: false, looped: false, repeated, request, attributes };
        let held = state.sent.insert(fec, sent).is_some_and(|before| !before.released);
        if !held {
            if let Some(state) = self.fecs.get_mut(fec) {
                state.holders = state.holders.saturating_add(1);
            }
        }
        // SL.4
        self.queue(peer, Job::Mapping(fec));
        true
    }

    /// Our label for a FEC: null labels at the egress, else one of the block.
    fn bind(&mut self, fec: FecId) -> Option<Label> {
        let state = self.fecs.get(fec)?;
        if state.refused {
            return None;
        }
        if let Some(label) = state.local {
            return Some(label);
        }
        let label = if state.route == Known::Egress {
            match (self.config.egress, state.prefix) {
                (EgressLabel::ImplicitNull, _) => Label::IMPLICIT_NULL,
                (EgressLabel::ExplicitNull, IpPrefix::V4(_)) => Label::IPV4_EXPLICIT_NULL,
                (EgressLabel::ExplicitNull, IpPrefix::V6(_)) => Label::IPV6_EXPLICIT_NULL,
            }
        } else {
            let label = Label::from_low_bits(self.labels.allocate()?);
            self.label_owner.insert(label, fec);
            label
        };
        self.fecs.get_mut(fec)?.local = Some(label);
        Some(label)
    }

    /// `Send_Label_Request` (A.2.2).
    pub(super) fn send_request(&mut self, peer: LdpId, fec: FecId, attributes: &Attributes) -> bool {
        let Some(prefix) = self.fecs.get(fec).map(|state| state.prefix) else { return false };
        let Some(state) = self.peers.get_mut(&peer).filter(|p| p.up) else { return false };
        // SLRq.1
        if state.requested.get(&fec).is_some_and(|r| !r.aborted) {
            return true;
        }
        // SLRq.2, SLRq.6
        if state.no_resources {
            state.wanted.insert(fec);
            return false;
        }
        // SLRq.3–SLRq.5
        let id = self.next_request;
        self.next_request = id.checked_add(1).unwrap_or(OWN_MESSAGE_ID);
        if let Some(before) = state.requested.insert(fec, Requested { id, aborted: false }) {
            state.request_ids.remove(&before.id);
        }
        state.request_ids.insert(id, fec);
        self.counters.requests_sent = self.counters.requests_sent.saturating_add(1);
        let request = LabelRequest { fec: fec_of(prefix), optional: attributes.tlvs().collect() };
        self.queue(peer, Job::Message(Box::new(Message { id, body: MessageBody::LabelRequest(request) })));
        true
    }

    /// Asks to forget a request of ours.
    pub(super) fn send_abort(&mut self, peer: LdpId, fec: FecId) {
        let Some(prefix) = self.fecs.get(fec).map(|state| state.prefix) else { return };
        let requested = self.peers.get_mut(&peer).and_then(|p| p.requested.get_mut(&fec));
        let Some(requested) = requested.filter(|r| !r.aborted) else { return };
        requested.aborted = true;
        let abort = LabelAbortRequest { fec: fec_of(prefix), request_id: requested.id, optional: Vec::new() };
        self.send(peer, MessageBody::LabelAbortRequest(abort));
    }

    /// `Send_Label_Withdraw` (A.2.3): of the label that the peer holds, if it does.
    pub(super) fn send_withdraw(&mut self, peer: LdpId, fec: FecId) {
        let Some(state) = self.peers.get_mut(&peer) else { return };
        state.unserved.remove(&fec);
        let Some(sent) = state.sent.remove(&fec).filter(|sent| !sent.released) else { return };
        let Some(fec_state) = self.fecs.get_mut(fec) else { return };
        fec_state.holders = fec_state.holders.saturating_sub(1);
        let prefix = fec_state.prefix;
        if sent.pending && !sent.repeated {
            // The peer never heard of it; but what it asked has no other answer.
            if let Some(id) = sent.request {
                self.notify(peer, StatusCode::NO_ROUTE, Some((id, MessageType::LABEL_REQUEST)), Vec::new());
            }
            return;
        }
        // SWd.1, SWd.2
        if state.withdrawn.insert((fec, sent.label)) && !sent.label.is_special_purpose() {
            let count = self.retiring.entry(sent.label).or_default();
            *count = count.saturating_add(1);
        }
        let optional = vec![Tlv::new(TlvValue::GenericLabel(sent.label))];
        self.send(peer, MessageBody::LabelWithdraw(LabelWithdraw { fec: fec_of(prefix), optional }));
    }

    /// A Label Release of a FEC's label, with the reason where there is one.
    pub(super) fn send_release(&mut self, peer: LdpId, fec: Fec, label: Option<Label>, reason: Option<Status>) {
        let label = label.map(TlvValue::GenericLabel);
        let optional = label.into_iter().chain(reason.map(TlvValue::Status)).map(Tlv::new).collect();
        self.send(peer, MessageBody::LabelRelease(LabelWithdraw { fec, optional }));
    }

    /// `Send_Notification` (A.2.4): about a message of the peer's.
    pub(super) fn notify(
        &mut self,
        peer: LdpId,
        code: StatusCode,
        about: Option<(u32, MessageType)>,
        optional: Vec<Tlv>,
    ) {
        let (message_id, message_type) = about.unwrap_or((0, MessageType(0)));
        let status = Status { code, message_id, message_type };
        self.send(peer, MessageBody::Notification(Notification { status, optional }));
    }

    /// `Send_Message` (A.2.5).
    pub(super) fn send(&mut self, peer: LdpId, body: MessageBody) {
        self.queue(peer, Job::Message(Box::new(body.into())));
    }

    fn queue(&mut self, peer: LdpId, job: Job) {
        if let Some(state) = self.peers.get_mut(&peer).filter(|p| p.up) {
            state.queue.push_back(job);
        }
        self.mark_ready(peer);
    }

    pub(super) fn mark_ready(&mut self, peer: LdpId) {
        let Some(state) = self.peers.get_mut(&peer) else { return };
        if state.up && state.writable && !state.queued && !state.queue.is_empty() {
            state.queued = true;
            self.ready.push_back(peer);
        }
    }

    /// The next message for a peer that is writable.
    pub(super) fn next_message(&mut self, peer: LdpId) -> Option<Message> {
        let state = self.peers.get_mut(&peer).filter(|p| p.up && p.writable)?;
        loop {
            let fec = match state.queue.pop_front()? {
                Job::Message(message) => return Some(*message),
                Job::Mapping(fec) => fec,
            };
            // Withdrawn meanwhile, or sent already.
            let Some(sent) = state.sent.get_mut(&fec).filter(|s| s.pending && !s.released) else { continue };
            let Some(fec_state) = self.fecs.get(fec) else { continue };
            sent.pending = false;
            let answers = sent.request.take().map(|id| Tlv::new(TlvValue::LabelRequestMessageId(id)));
            let attributes = sent.attributes.as_deref().into_iter().flat_map(Attributes::tlvs);
            let optional = answers.into_iter().chain(attributes).collect();
            let label = LabelTlv::Generic(sent.label);
            self.counters.mappings_sent = self.counters.mappings_sent.saturating_add(1);
            let mapping = LabelMapping { fec: fec_of(fec_state.prefix), label, optional };
            return Some(MessageBody::LabelMapping(mapping).into());
        }
    }

    /// Gives a label back to the block when no peer holds it, and nobody waits to hear that it is gone.
    pub(super) fn free_label(&mut self, label: Label) {
        if label.is_special_purpose() || self.retiring.contains_key(&label) {
            return;
        }
        if self.label_owner.remove(&label).is_some() {
            self.labels.release(label.value());
        }
    }

    /// A peer gave a withdrawn label back, or can hold it no more.
    pub(super) fn retired(&mut self, label: Label) {
        let Some(count) = self.retiring.get_mut(&label) else { return };
        *count = count.saturating_sub(1);
        if *count == 0 {
            self.retiring.remove(&label);
            let bound = self.label_owner.get(&label).and_then(|fec| self.fecs.get(*fec)).and_then(|state| state.local);
            if bound != Some(label) {
                self.free_label(label);
            }
        }
    }
}
