//! Receive Label Request, Receive Label Abort Request (RFC 5036 A.1.1, A.1.3).

use alloc::vec;
use alloc::vec::Vec;

use fwd_core::time::Instant;

use super::super::LdpId;
use super::super::message::MessageType;
use super::super::status::StatusCode;
use super::super::tlv::{Tlv, TlvValue};
use super::attributes::{Attributes, loop_detected};
use super::config::{Control, RequestProcedure};
use super::fec::{FecId, Known};
use super::io::Event;
use super::machine::Lde;

impl Lde {
    /// Receive Label Request. `id`: the request's message identifier.
    pub(super) fn receive_request(&mut self, now: Instant, peer: LdpId, fec: FecId, id: u32, attributes: &Attributes) {
        let about = Some((id, MessageType::LABEL_REQUEST));
        let Some(state) = self.fecs.get(fec) else { return };
        let prefix = state.prefix;
        let egress = state.route == Known::Egress;
        let next_hops = self.next_hops(fec);
        // LRq.1–LRq.4: a request that comes from where it would go to is a loop.
        if loop_detected(&self.config, attributes) || next_hops.as_slice() == [peer] {
            self.counters.loops = self.counters.loops.saturating_add(1);
            self.peer_event(now, peer, Event::LoopDetected { peer, prefix });
            self.notify(peer, StatusCode::LOOP_DETECTED, about, Vec::new());
            self.forget_if_unknown(fec);
            return;
        }
        if !egress && next_hops.is_empty() {
            // LRq.5
            self.notify(peer, StatusCode::NO_ROUTE, about, Vec::new());
            self.forget_if_unknown(fec);
            return;
        }
        let Some(state) = self.peers.get_mut(&peer) else { return };
        // LRq.6, LRq.7: we merge, so a second request while the first waits is a duplicate.
        if state.pending.contains_key(&fec) {
            self.counters.ignored = self.counters.ignored.saturating_add(1);
            return;
        }
        // LRq.8
        state.pending.insert(fec, id);
        // LRq.9
        let downstream = self.downstream(fec);
        let leads_on = egress || downstream.is_some();
        if leads_on || self.config.control == Control::Independent {
            let received = downstream.clone().flatten();
            let prepared = self.prepare_mapping(peer, fec, received.as_ref(), downstream.is_some());
            // LRq.11, LRq.12: what is sent is installed.
            self.send_label(now, peer, fec, prepared, Some(id));
        }
        // LRq.10
        if !leads_on {
            self.request_downstream(fec, Some(attributes));
        }
    }

    /// The Label Request procedure: asks next hops for a label, those on demand always.
    pub(super) fn request_downstream(&mut self, fec: FecId, received: Option<&Attributes>) {
        let attributes = self.prepare_request(received);
        for peer in self.next_hops(fec) {
            let Some(state) = self.peers.get(&peer) else { continue };
            let asked = state.on_demand() || self.config.request == RequestProcedure::WhenNeeded;
            if asked && state.received.get(&fec).is_none_or(|received| received.stale) {
                self.send_request(peer, fec, &attributes);
            }
        }
    }

    /// Receive Label Abort Request. `id`: the message identifier of the request that is taken back.
    pub(super) fn receive_abort(&mut self, peer: LdpId, fec: FecId, id: u32) {
        let Some(state) = self.peers.get_mut(&peer) else { return };
        // LAbR.1, LAbR.2: one that was answered is no longer pending.
        if state.pending.get(&fec) != Some(&id) {
            self.counters.ignored = self.counters.ignored.saturating_add(1);
            self.forget_if_unknown(fec);
            return;
        }
        // LAbR.11
        state.pending.remove(&fec);
        // LAbR.3
        let request = Tlv::new(TlvValue::LabelRequestMessageId(id));
        let about = Some((id, MessageType::LABEL_REQUEST));
        self.notify(peer, StatusCode::LABEL_REQUEST_ABORTED, about, vec![request]);
        // LAbR.4–LAbR.10: we merge; our own request goes on while somebody else waits, or we are ingress and want it.
        let wanted = self.peers.values().any(|p| p.pending.contains_key(&fec));
        if !wanted && self.config.request == RequestProcedure::Never {
            for next_hop in self.next_hops(fec) {
                if !self.peers.get(&next_hop).is_some_and(super::machine::Peer::on_demand) {
                    self.send_abort(next_hop, fec);
                }
            }
        }
        self.forget_if_unknown(fec);
    }
}
