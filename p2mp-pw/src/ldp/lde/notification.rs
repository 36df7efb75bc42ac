//! Notifications about requests, deferred requests, label resources (RFC 5036 A.1.8–A.1.13, A.1.15).

use alloc::vec::Vec;

use fwd_core::time::Instant;

use super::super::LdpId;
use super::super::fec::{FecElement, FecType, WildcardScope};
use super::super::message::Notification;
use super::super::status::StatusCode;
use super::super::tlv::TlvValue;
use super::fec::FecId;
use super::io::{Event, Output};
use super::machine::{Lde, Timer};

impl Lde {
    /// A Notification of the peer's.
    pub(super) fn receive_notification(&mut self, now: Instant, peer: LdpId, notification: &Notification) {
        let status = notification.status;
        match status.code.without_forward() {
            StatusCode::LABEL_REQUEST_ABORTED => {
                let named = notification.optional.iter().find_map(|tlv| match tlv.value {
                    TlvValue::LabelRequestMessageId(id) => Some(id),
                    _ => None,
                });
                // LRqA.1, LRqA.2
                self.request_over(peer, named.unwrap_or(status.message_id));
            }
            StatusCode::NO_LABEL_RESOURCES => {
                // NoRes.1
                let fec = self.request_over(peer, status.message_id);
                let Some(state) = self.peers.get_mut(&peer) else { return };
                // NoRes.2, NoRes.3
                state.no_resources = true;
                state.wanted.extend(fec);
            }
            StatusCode::NO_ROUTE | StatusCode::LOOP_DETECTED => {
                // NoNH.1
                let Some(fec) = self.request_over(peer, status.message_id) else { return };
                // NoNH.2
                if let Some(delay) = self.config.request_retry {
                    self.timers.set(Timer::Deferred(peer, fec), now + delay);
                }
            }
            StatusCode::LABEL_RESOURCES_AVAILABLE => self.peer_has_labels(peer),
            StatusCode::END_OF_LIB => self.end_of_lib(now, peer, notification),
            _ => {}
        }
    }

    /// The request with this message identifier has its answer.
    fn request_over(&mut self, peer: LdpId, id: u32) -> Option<FecId> {
        let state = self.peers.get_mut(&peer)?;
        let fec = state.request_ids.remove(&id)?;
        state.requested.remove(&fec);
        self.forget_if_unknown(fec);
        self.fecs.get(fec).map(|_| fec)
    }

    /// Receive Notification / Label Resources Available (A.1.12).
    fn peer_has_labels(&mut self, peer: LdpId) {
        let Some(state) = self.peers.get_mut(&peer) else { return };
        // Res.1
        state.no_resources = false;
        // Res.2–Res.6
        for fec in core::mem::take(&mut state.wanted) {
            if self.next_hops(fec).contains(&peer) {
                let attributes = self.prepare_request(None);
                self.send_request(peer, fec, &attributes);
            }
            self.forget_if_unknown(fec);
        }
    }

    /// Timeout of Deferred Label Request (A.1.15).
    pub(super) fn deferred(&mut self, peer: LdpId, fec: FecId) {
        // TO.1–TO.3
        let missing = self.peers.get(&peer).is_some_and(|p| !p.received.contains_key(&fec));
        if missing && self.next_hops(fec).contains(&peer) {
            let attributes = self.prepare_request(None);
            self.send_request(peer, fec, &attributes);
        }
    }

    /// Detect Local Label Resources Have Become Available (A.1.13).
    pub(super) fn resources_available(&mut self, now: Instant) {
        if !self.labels.has_free() {
            return;
        }
        for peer in self.up_peers() {
            let Some(state) = self.peers.get_mut(&peer) else { continue };
            // ResA.1–ResA.4
            if core::mem::take(&mut state.told_no_resources) {
                self.notify(peer, StatusCode::LABEL_RESOURCES_AVAILABLE, None, Vec::new());
            }
            // ResA.5–ResA.8: what gets none again is recorded again.
            let unserved = self.peers.get_mut(&peer).map(|p| core::mem::take(&mut p.unserved)).unwrap_or_default();
            for fec in unserved {
                self.advertise(now, peer, fec);
                self.forget_if_unknown(fec);
            }
        }
    }

    /// All labels of a type were sent (RFC 5919 §4).
    fn end_of_lib(&mut self, now: Instant, peer: LdpId, notification: &Notification) {
        let typed = |element: &FecElement| match element {
            FecElement::TypedWildcard(wildcard) => {
                wildcard.fec_type == FecType::PREFIX && matches!(wildcard.scope, WildcardScope::Family(_))
            }
            _ => false,
        };
        let of_prefixes = notification.fec().is_some_and(|fec| fec.0.iter().any(typed));
        if of_prefixes && self.timers.get(Timer::Synchronized(peer)).is_some() {
            self.timers.clear(Timer::Synchronized(peer));
            self.outputs.push_back(Output::Event(Event::Synchronized { peer, end_of_lib: true }));
            // What is still stale was not said again.
            if self.timers.get(Timer::Stale(peer)).is_some() {
                self.drop_stale(now, peer);
            }
        }
    }
}
