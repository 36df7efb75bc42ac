//! Receive Label Release, Receive Label Withdraw, LSR Decides to No Longer Label Switch a FEC (RFC 5036 A.1.4, A.1.5, A.1.14).

use fwd_core::net::Label;
use fwd_core::time::Instant;

use super::super::LdpId;
use super::config::Control;
use super::fec::{FecId, Known};
use super::machine::{Lde, LdpIds, Sent, Timer};
use super::send::fec_of;

impl Lde {
    /// Receive Label Release; without a label, of all that the peer has of the FEC. `looped`: it says Loop Detected.
    pub(super) fn receive_release(
        &mut self,
        now: Instant,
        peer: LdpId,
        fec: FecId,
        label: Option<Label>,
        looped: bool,
    ) {
        let Some(state) = self.peers.get_mut(&peer) else { return };
        // LRl.3, LRl.4. One that says Loop Detected is the peer's own and answers no withdrawal.
        let range = match label {
            Some(label) => (fec, label)..=(fec, label),
            None => (fec, Label::from_low_bits(0))..=(fec, Label::MAX),
        };
        let retired = state.withdrawn.range(range).map(|(_, label)| *label).filter(|_| !looped);
        let retired: smallvec::SmallVec<[Label; 2]> = retired.collect();
        for label in &retired {
            state.withdrawn.remove(&(fec, *label));
        }
        // LRl.2: a label that is not yet sent cannot come back.
        let holds = state.sent.get(&fec).filter(|s| !s.released && !s.pending && label.is_none_or(|l| l == s.label));
        let released = holds.cloned().filter(|sent| !retired.contains(&sent.label));
        let answered = !retired.is_empty();
        for label in retired {
            self.retired(label);
        }
        if answered {
            self.resume(now, peer, fec);
        }
        if let Some(sent) = released {
            let sent_label = sent.label;
            if sent.repeated {
                // Which time is meant? A withdrawal makes it certain that the peer does not hold the label.
                self.send_withdraw(peer, fec);
            } else if let Some(state) = self.fecs.get_mut(fec) {
                state.holders = state.holders.saturating_sub(1);
            }
            if let Some(state) = self.peers.get_mut(&peer) {
                let sent = Sent { released: true, looped, pending: false, repeated: false, request: None, ..sent };
                state.sent.insert(fec, sent);
            }
            self.released(fec, sent_label);
        }
        self.resources_available(now);
        self.forget_if_unknown(fec);
    }

    /// A label that waited for the release of the same label is told.
    fn resume(&mut self, now: Instant, peer: LdpId, fec: FecId) {
        let Some(state) = self.peers.get_mut(&peer) else { return };
        let unserved = state.unserved.remove(&fec);
        let pending = state.pending.get(&fec).copied();
        if let Some(id) = pending.filter(|_| self.leads_on(fec) || self.config.control == Control::Independent) {
            let downstream = self.downstream(fec);
            let propagating = downstream.is_some();
            let attributes = self.prepare_mapping(peer, fec, downstream.flatten().as_ref(), propagating);
            self.send_label(now, peer, fec, attributes, Some(id));
        } else if unserved {
            self.advertise(now, peer, fec);
        }
    }

    /// LRl.5–LRl.13: a peer holds our label no more.
    fn released(&mut self, fec: FecId, label: Label) {
        let Some(state) = self.fecs.get_mut(fec).filter(|state| state.holders == 0) else { return };
        let egress = state.route == Known::Egress;
        let prefix = state.prefix;
        // LRl.12, LRl.13
        state.local = None;
        self.mark_dirty(fec);
        self.free_label(label);
        // LRl.6–LRl.10
        if self.config.propagate_release && !egress {
            for next_hop in self.next_hops(fec) {
                let received = self.peers.get_mut(&next_hop).and_then(|p| p.received.remove(&fec));
                if let Some(received) = received {
                    self.send_release(next_hop, fec_of(prefix), Some(received.label), None);
                }
            }
        }
    }

    /// Receive Label Withdraw for one FEC, after LWd.2, which is one message for all that a wildcard means.
    pub(super) fn receive_withdraw(&mut self, now: Instant, peer: LdpId, fec: FecId, label: Option<Label>) {
        let Some(state) = self.peers.get_mut(&peer) else { return };
        // LWd.3, LWd.4
        let matches = state.received.get(&fec).is_some_and(|r| label.is_none_or(|label| label == r.label));
        if matches {
            state.received.remove(&fec);
            // LWd.1
            self.mark_dirty(fec);
            self.lost_label(now, peer, fec);
        }
        self.forget_if_unknown(fec);
    }

    /// LWd.5–LWd.12: what it means upstream that a peer's label is gone.
    pub(super) fn lost_label(&mut self, now: Instant, peer: LdpId, fec: FecId) {
        if !self.next_hops(fec).contains(&peer) {
            return;
        }
        // LWd.5
        if self.config.control == Control::Independent {
            // LWd.6, LWd.7
            if self.peers.get(&peer).is_some_and(|p| p.up && p.on_demand()) {
                self.recognize(now, fec);
            }
            return;
        }
        // The appendix leaves a next hop on demand unasked for ever after a withdrawal in ordered control: it is asked again, as
        // after a No Route (A.1.10).
        if let Some(delay) =
            self.config.request_retry.filter(|_| self.peers.get(&peer).is_some_and(|p| p.up && p.on_demand()))
        {
            self.timers.set(Timer::Deferred(peer, fec), now + delay);
        }
        // LWd.10: with other next hops the label still leads on.
        if self.leads_on(fec) {
            return;
        }
        // LWd.8–LWd.11
        for other in self.up_peers() {
            if other != peer {
                self.send_withdraw(other, fec);
            }
        }
        self.unbind_if_unheld(fec);
    }

    /// NoLS.1: takes our label for a FEC back from all peers.
    pub(super) fn withdraw_from_all(&mut self, fec: FecId) {
        let peers: LdpIds = self.peers.keys().copied().collect();
        for peer in peers {
            self.send_withdraw(peer, fec);
        }
        if let Some(state) = self.fecs.get_mut(fec) {
            state.holders = 0;
        }
        self.unbind_if_unheld(fec);
    }

    /// Unbinds a label that no peer holds; it is free once those that held it gave it back.
    pub(super) fn unbind_if_unheld(&mut self, fec: FecId) {
        let Some(state) = self.fecs.get_mut(fec).filter(|state| state.holders == 0) else { return };
        if let Some(label) = state.local.take() {
            self.mark_dirty(fec);
            self.free_label(label);
        }
    }
}
