//! Receive Label Mapping (RFC 5036 A.1.2).

use fwd_core::net::Label;
use fwd_core::time::Instant;

use super::super::LdpId;
use super::super::status::{Status, StatusCode};
use super::attributes::{Attributes, loop_detected};
use super::config::{Control, Retention};
use super::fec::{FecId, Known};
use super::io::Event;
use super::machine::{Lde, Received, Timer};
use super::send::fec_of;

impl Lde {
    /// The procedure, for one FEC element of the message.
    pub(super) fn receive_mapping(
        &mut self,
        now: Instant,
        peer: LdpId,
        fec: FecId,
        label: Label,
        attributes: Attributes,
        request: Option<u32>,
    ) {
        let Some(prefix) = self.fecs.get(fec).map(|state| state.prefix) else { return };
        let limit = self.config.max_labels;
        let Some(state) = self.peers.get_mut(&peer) else { return };
        // LMp.1, LMp.2
        let matches = |id: u32| request.is_none_or(|request| request == id);
        let answered = state.requested.get(&fec).is_some_and(|r| matches(r.id));
        if answered {
            if let Some(requested) = state.requested.remove(&fec) {
                state.request_ids.remove(&requested.id);
            }
        }
        let previous = state.received.get(&fec).map(|received| received.label);
        // LMp.3
        if loop_detected(&self.config, &attributes) {
            return self.looped_mapping(now, peer, fec, label);
        }
        if previous.is_none() && state.received.len() >= limit {
            self.peer_event(now, peer, Event::TooManyLabels { peer });
            self.refuse_label(peer, fec, label, None);
            return;
        }
        // LMp.9, LMp.10, LMp.10a: the old label is given back; the new one takes its place below.
        if let Some(previous) = previous.filter(|previous| *previous != label && !answered && !state.on_demand()) {
            state.received.remove(&fec);
            self.mark_dirty(fec);
            self.send_release(peer, fec_of(prefix), Some(previous), None);
        }
        // LMp.11–LMp.13
        let next_hop = self.next_hops(fec).contains(&peer);
        if !next_hop && self.config.retention == Retention::Conservative {
            // LMp.32
            self.send_release(peer, fec_of(prefix), Some(label), None);
            self.forget_if_unknown(fec);
            return;
        }
        // LMp.14–LMp.16
        let received = Received { label, stale: false, attributes: attributes.clone().boxed() };
        if let Some(state) = self.peers.get_mut(&peer) {
            state.received.insert(fec, received);
            state.looped.remove(&fec);
        }
        self.counters.mappings_received = self.counters.mappings_received.saturating_add(1);
        if next_hop {
            self.mark_dirty(fec);
            self.propagate(now, fec, Some(&attributes));
        }
    }

    /// LMp.4–LMp.8: the label of a loop is given back, and not used.
    fn looped_mapping(&mut self, now: Instant, peer: LdpId, fec: FecId, label: Label) {
        let Some(prefix) = self.fecs.get(fec).map(|state| state.prefix) else { return };
        let Some(state) = self.peers.get_mut(&peer) else { return };
        // LMp.4–LMp.7
        if state.received.get(&fec).is_some_and(|received| received.label == label) {
            state.received.remove(&fec);
            self.mark_dirty(fec);
        }
        if let Some((state, delay)) = self.peers.get_mut(&peer).zip(self.config.request_retry) {
            state.looped.insert(fec);
            self.timers.set(Timer::Deferred(peer, fec), now + delay);
        }
        // LMp.8
        self.counters.loops = self.counters.loops.saturating_add(1);
        self.peer_event(now, peer, Event::LoopDetected { peer, prefix });
        let reason = Status::new(StatusCode::LOOP_DETECTED);
        self.refuse_label(peer, fec, label, Some(reason));
    }

    /// Gives back a label that cannot be kept.
    fn refuse_label(&mut self, peer: LdpId, fec: FecId, label: Label, reason: Option<Status>) {
        let Some(prefix) = self.fecs.get(fec).map(|state| state.prefix) else { return };
        self.counters.mappings_refused = self.counters.mappings_refused.saturating_add(1);
        self.send_release(peer, fec_of(prefix), Some(label), reason);
        self.forget_if_unknown(fec);
    }

    /// LMp.17–LMp.31: what a next hop's label means for all peers. `received`: its attributes.
    pub(super) fn propagate(&mut self, now: Instant, fec: FecId, received: Option<&Attributes>) {
        let next_hops = self.next_hops(fec);
        let ordered = self.config.control == Control::Ordered;
        // LMp.17
        for peer in self.up_peers() {
            let attributes = self.prepare_mapping(peer, fec, received, true);
            let Some(state) = self.peers.get_mut(&peer) else { continue };
            let skipped = self.config.split_horizon && next_hops.contains(&peer);
            // LMp.18
            let told = state.sent.get_mut(&fec);
            if let Some(sent) = told {
                // LMp.22–LMp.27
                let changed = sent.attributes.as_deref().unwrap_or(&Attributes::default()) != &attributes;
                if changed && (!sent.released || sent.looped) {
                    let request = sent.request;
                    self.send_label(now, peer, fec, attributes.clone(), request);
                }
            } else if ordered && !state.on_demand() && !skipped {
                // LMp.19–LMp.21
                self.send_label(now, peer, fec, attributes.clone(), None);
            }
            // LMp.28, LMp.29
            let pending = self.peers.get(&peer).and_then(|p| p.pending.get(&fec).copied());
            if let Some(id) = pending {
                self.send_label(now, peer, fec, attributes, Some(id));
            }
        }
        // LMp.30
        self.mark_dirty(fec);
        if let Some(state) = self.fecs.get_mut(fec) {
            state.hop_count = received.and_then(|r| r.hop_count);
        }
    }

    /// Whether our label for a FEC leads on: we are egress, or a next hop gave its label.
    pub(super) fn leads_on(&self, fec: FecId) -> bool {
        let egress = self.fecs.get(fec).is_some_and(|state| state.route == Known::Egress);
        egress || self.downstream(fec).is_some()
    }
}
