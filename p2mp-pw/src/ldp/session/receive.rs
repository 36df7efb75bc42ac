//! What the peer sends: PDUs, messages, and what their faults cost (RFC 5036 §3.5.1.2).

use core::time::Duration;

use fwd_core::time::Instant;

use super::super::message::{Initialization, MessageBody, MessageType, Notification, RawMessage, RgKind, SessionFlags};
use super::super::status::{Status, StatusCode};
use super::super::tlv::{Tlv, TlvValue};
use super::super::{Octets, Pdu, frame_len};
use super::config::AdvertisementDiscipline;
use super::fsm::{SessionEvent, State};
use super::io::{Event, Negotiated, Output};
use super::machine::{Cause, Session};

impl Session {
    /// Octets of the connection: PDUs are taken as they become complete.
    pub(super) fn receive(&mut self, now: Instant, octets: &[u8]) {
        if self.state == State::NonExistent {
            return;
        }
        let mut buffer = core::mem::take(&mut self.partial);
        buffer.extend_from_slice(octets);
        let mut rest = buffer.as_slice();
        while self.state != State::NonExistent {
            let len = match frame_len(rest, self.max_pdu_length()) {
                Ok(Some(len)) if len <= rest.len() => len,
                Ok(_) => break,
                Err(status) => return self.event(now, SessionEvent::FatalFault, Cause::status(status)),
            };
            let (pdu, after) = rest.split_at_checked(len).unwrap_or((rest, &[]));
            rest = after;
            self.pdu(now, pdu);
        }
        if self.state != State::NonExistent {
            // At most one PDU less an octet stays.
            self.partial = rest.to_vec();
        }
    }

    fn pdu(&mut self, now: Instant, octets: &[u8]) {
        self.counters.pdus_received = self.counters.pdus_received.saturating_add(1);
        self.heard(now);
        let pdu = match Pdu::parse(octets) {
            Ok(pdu) => pdu,
            Err(fault) => {
                return self.event(now, SessionEvent::FatalFault, Cause::status(StatusCode::of_malformed(&fault)));
            }
        };
        if pdu.id != self.config.peer {
            let before_init = self.state < State::OpenRec;
            let code = if before_init { StatusCode::SESSION_REJECTED_NO_HELLO } else { StatusCode::BAD_LDP_IDENTIFIER };
            return self.event(now, SessionEvent::FatalFault, Cause::status(code));
        }
        for raw in pdu.messages() {
            if self.state == State::NonExistent {
                return;
            }
            self.counters.messages_received = self.counters.messages_received.saturating_add(1);
            match raw {
                Ok(raw) => self.message(now, &raw),
                Err(fault) => {
                    let status = Cause::status(StatusCode::of_malformed(&fault));
                    return self.event(now, SessionEvent::FatalFault, status);
                }
            }
        }
    }

    fn message(&mut self, now: Instant, raw: &RawMessage<'_>) {
        // RFC 7275's capability is not offered: nobody here is of a redundancy group, whatever the message says.
        if RgKind::of(raw.kind).is_some() && self.state == State::Operational {
            return self.refuse(now, raw, StatusCode::UNKNOWN_MESSAGE_TYPE, None);
        }
        let message = match raw.parse() {
            Ok(message) => message,
            Err(fault) => return self.refuse(now, raw, StatusCode::of_malformed(&fault), None),
        };
        if let Some(tlv) = message.body.refused_tlv() {
            let tlv = tlv.clone();
            return self.refuse(now, raw, StatusCode::UNKNOWN_TLV, Some(&tlv));
        }
        match &message.body {
            MessageBody::Initialization(proposal) if self.state < State::Operational => {
                let proposal = proposal.clone();
                self.proposed(now, raw, &proposal);
            }
            MessageBody::KeepAlive => self.event(now, SessionEvent::KeepAlive, self.unexpected(raw)),
            MessageBody::Notification(notification) if notification.status.code.is_fatal() => {
                let received = Some(notification.status.code);
                let cause = Cause { received, ..Cause::status(StatusCode::SHUTDOWN) };
                self.event(now, SessionEvent::Shutdown, cause);
            }
            MessageBody::Notification(notification) if self.state == State::Operational => {
                let status = notification.status;
                self.outputs.push_back(Output::Event(Event::Advisory(status)));
                self.event(now, SessionEvent::OtherMessage, Cause { message: Some(message), ..self.unexpected(raw) });
            }
            MessageBody::Unknown(kind, _) if self.state == State::Operational => {
                if kind.0 & MessageType::UNKNOWN == 0 {
                    self.refuse(now, raw, StatusCode::UNKNOWN_MESSAGE_TYPE, None);
                }
            }
            _ => self.event(now, SessionEvent::OtherMessage, Cause { message: Some(message), ..self.unexpected(raw) }),
        }
    }

    /// What is said to a message that ends the initialization: the U bit does not count there (RFC 5036 §2.5.3).
    fn unexpected(&self, raw: &RawMessage<'_>) -> Cause {
        let status = Status { code: StatusCode::SHUTDOWN, message_id: raw.id, message_type: raw.kind };
        Cause { status: Some(status), ..Cause::default() }
    }

    /// A message that cannot be used: the session ends, or goes on without it, as the status says.
    fn refuse(&mut self, now: Instant, raw: &RawMessage<'_>, code: StatusCode, tlv: Option<&Tlv>) {
        self.counters.refused = self.counters.refused.saturating_add(1);
        let status = Status { code, message_id: raw.id, message_type: raw.kind };
        if code.is_fatal() || self.state < State::Operational {
            let cause = Cause { status: Some(status), ..Cause::default() };
            return self.event(now, SessionEvent::FatalFault, cause);
        }
        self.outputs.push_back(Output::Event(Event::Refused(status)));
        let mut answer = Notification::new(status);
        answer.optional.extend(tlv.map(|tlv| {
            let mut octets = alloc::vec::Vec::new();
            tlv.emit(&mut octets);
            Tlv::new(TlvValue::ReturnedTlvs(Octets::from_vec(octets)))
        }));
        self.send(MessageBody::Notification(answer));
    }

    /// The peer's Initialization (RFC 5036 §2.5.3, §3.5.3).
    fn proposed(&mut self, now: Instant, raw: &RawMessage<'_>, proposal: &Initialization) {
        match self.negotiate(proposal) {
            Ok(negotiated) => {
                self.negotiated = Some(negotiated);
                self.event(now, SessionEvent::AcceptableInitialization, self.unexpected(raw));
                self.heard(now);
            }
            Err(code) => {
                let status = Status { code, message_id: raw.id, message_type: raw.kind };
                let cause = Cause { status: Some(status), ..Cause::default() };
                self.event(now, SessionEvent::UnacceptableInitialization, cause);
            }
        }
    }

    fn negotiate(&self, proposal: &Initialization) -> Result<Negotiated, StatusCode> {
        if proposal.version != Pdu::VERSION {
            return Err(StatusCode::BAD_PROTOCOL_VERSION);
        }
        if proposal.receiver != self.config.local {
            return Err(StatusCode::SESSION_REJECTED_NO_HELLO);
        }
        if proposal.keepalive_time == 0 {
            return Err(StatusCode::SESSION_REJECTED_BAD_KEEPALIVE_TIME);
        }
        let on_demand = proposal.flags.contains(SessionFlags::ON_DEMAND);
        let ours = self.config.discipline;
        let discipline = if on_demand { ours } else { AdvertisementDiscipline::DownstreamUnsolicited };
        let max = if proposal.max_pdu_length <= 255 { Pdu::DEFAULT_MAX_LEN } else { proposal.max_pdu_length };
        let mut capabilities = alloc::vec::Vec::new();
        for tlv in &proposal.optional {
            if let TlvValue::Capability(code, value) = &tlv.value {
                // A second parameter of the same type is malformed (RFC 5561 §3).
                if capabilities.iter().any(|(seen, _)| seen == code) {
                    return Err(StatusCode::MALFORMED_TLV_VALUE);
                }
                capabilities.push((*code, value.clone()));
            }
        }
        let graceful_restart = proposal.optional.iter().find_map(|tlv| match tlv.value {
            TlvValue::FtSession(ft) => Some(ft),
            _ => None,
        });
        Ok(Negotiated {
            keepalive: self.config.keepalive.min(Duration::from_secs(proposal.keepalive_time.into())),
            max_pdu_length: self.config.max_pdu_length.min(max),
            discipline,
            path_vector_limit: proposal
                .flags
                .contains(SessionFlags::LOOP_DETECTION)
                .then_some(proposal.path_vector_limit),
            capabilities,
            graceful_restart,
        })
    }
}
