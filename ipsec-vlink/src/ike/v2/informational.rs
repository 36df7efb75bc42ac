//! INFORMATIONAL: deletion, liveness, keepalives (RFC 7296 §1.4, §2.4, §2.23).

use alloc::vec::Vec;

use fwd_core::time::Instant;

use super::super::arrival::Arrival;
use super::super::child_sa::{ChildSaId, IkeSaId};
use super::super::crypto::CryptoProvider;
use super::super::event::{Ended, Output};
use super::super::header::ExchangeType;
use super::super::payload::v2::Body;
use super::super::payload::{Delete, NotifyType, ProtocolId, Writer};
use super::exchange::{notify, put};
use super::fsm::{ChildEvent, ChildState, SaEvent, State, child_transition, transition};
use super::machine::{Ike, Timer};
use super::message::Message;
use super::sa::{IkeSa, Request, Task};

impl<P: CryptoProvider> Ike<P> {
    pub(super) fn on_informational_request(
        &mut self,
        now: Instant,
        sa: &mut IkeSa,
        arrival: &Arrival<'_>,
        message: &Message<'_>,
    ) {
        let header = &arrival.header;
        let deletes_ike = message.deletes.iter().any(|d| d.protocol == ProtocolId::IKE);
        let failed = message.notify(NotifyType::AUTHENTICATION_FAILED).is_some();
        if deletes_ike || failed {
            self.respond(sa, header, &Writer::new());
            let why = match (failed, sa.is_replaced()) {
                (true, _) => Ended::Refused(NotifyType::AUTHENTICATION_FAILED),
                (false, true) => Ended::Replaced,
                (false, false) => Ended::Peer,
            };
            return self.end(sa, why);
        }
        // RFC 7296 §1.4.1: the other halves are deleted and named, but those that are on their way already.
        let mut spis: Vec<u8> = Vec::new();
        let esp = message.deletes.iter().filter(|d| d.protocol == ProtocolId::ESP);
        for spi in esp.flat_map(Delete::spis32) {
            let Some(id) = sa.children.get(&spi).copied() else { continue };
            let Some(child) = self.children.get(&id) else { continue };
            if child.state != ChildState::Deleting {
                spis.extend_from_slice(&child.spi_in.to_be_bytes());
                self.remove_child(sa, id);
            }
        }
        let mut w = Writer::new();
        // RFC 4555 §3.7: it goes back as it came.
        if let Some(cookie) = message.notify(NotifyType::COOKIE2) {
            notify(&mut w, cookie);
        }
        if message.notify(NotifyType::UPDATE_SA_ADDRESSES).is_some() {
            self.on_move(now, sa, arrival, message, &mut w);
        }
        self.put_ticket(now, &mut w, sa, message);
        if let Some(delete) = Delete::new(ProtocolId::ESP, 4, &spis).filter(|_| !spis.is_empty()) {
            put(&mut w, &Body::Delete(delete));
        }
        self.respond(sa, header, &w);
    }

    pub(super) fn request_delete_child(&mut self, now: Instant, sa: &mut IkeSa, id: ChildSaId) {
        let Some(child) = self.children.get_mut(&id).filter(|c| c.ike == sa.id) else { return };
        let Ok(state) = child_transition(child.state, ChildEvent::Delete) else { return };
        child.state = state;
        let spi = child.spi_in.to_be_bytes();
        let mut w = Writer::new();
        if let Some(delete) = Delete::new(ProtocolId::ESP, 4, &spi) {
            put(&mut w, &Body::Delete(delete));
        }
        self.request(now, sa, ExchangeType::INFORMATIONAL, &w, Request::DeleteChild(id));
    }

    /// Deletes a Child SA that the peer has made and we have not.
    pub(super) fn request_drop(&mut self, now: Instant, sa: &mut IkeSa, spi: u32) {
        let spi = spi.to_be_bytes();
        let mut w = Writer::new();
        if let Some(delete) = Delete::new(ProtocolId::ESP, 4, &spi) {
            put(&mut w, &Body::Delete(delete));
        }
        self.request(now, sa, ExchangeType::INFORMATIONAL, &w, Request::Drop);
    }

    pub(super) fn request_delete(&mut self, now: Instant, sa: &mut IkeSa) {
        let Ok(state) = transition(sa.state, SaEvent::Delete) else { return };
        sa.state = state;
        // RFC 5723 §6.2, whether the peer hears of it or not.
        self.revoke_ticket(sa);
        let mut w = Writer::new();
        put(&mut w, &Body::Delete(Delete::IKE));
        self.request(now, sa, ExchangeType::INFORMATIONAL, &w, Request::DeleteIke);
    }

    /// Asks a silent peer whether it is there (RFC 7296 §2.4).
    pub(super) fn on_liveness(&mut self, now: Instant, id: IkeSaId) {
        let interval = self.config.liveness;
        self.with(id, |this, sa| {
            if !sa.is_usable() {
                return;
            }
            this.timers.set(Timer::Liveness(id), now + interval);
            let silent = !core::mem::take(&mut sa.heard);
            if silent && sa.outstanding.is_none() && sa.state == State::Established {
                sa.ask(Task::Liveness);
                this.next_request(now, sa);
            }
        });
    }

    /// Keeps a NAT open (RFC 3948 §4).
    pub(super) fn on_keepalive(&mut self, now: Instant, id: IkeSaId) {
        let Some(sa) = self.sas.get(&id).filter(|sa| sa.is_usable()) else { return };
        self.outputs.push_back(Output::Datagram { from: sa.local, to: sa.remote, octets: alloc::vec![0xff] });
        self.timers.set(Timer::Keepalive(id), now + self.config.keepalive);
    }
}
