//! Messages of leaves.

use alloc::vec::Vec;

use fwd_core::time::Instant;

use super::super::config::{PwId, Sai};
use super::super::fsm::LeafEvent;
use super::io::{Event, Output};
use super::machine::{Root, Timer};
use crate::ldp::fec::{Fec, FecElement, FecType, PmsiTunnelType, PwType, TypedWildcard, WildcardScope};
use crate::ldp::message::{LabelWithdraw, MessageBody, Notification};
use crate::ldp::{LdpId, PwStatus, StatusCode, TlvValue};

impl Root {
    /// A message of a peer.
    pub(super) fn message(&mut self, now: Instant, peer: LdpId, body: &MessageBody) {
        if !self.peers.get(&peer).is_some_and(|p| p.up) {
            return;
        }
        match body {
            MessageBody::LabelRelease(release) => self.release(now, peer, release),
            MessageBody::LabelRequest(request) => {
                // RFC 8338 §3: who lost a label asks for it, for one pseudowire or for all of a type (RFC 5918 §4).
                for id in self.named(peer, request.fec.only()) {
                    if let Some(leaf) = self.pws.get_mut(&id).and_then(|pw| pw.leaves.get_mut(&peer)) {
                        leaf.again = true;
                        self.dirty.insert((id, Some(peer)));
                    }
                }
            }
            MessageBody::Notification(notification) => self.notification(now, peer, notification),
            // A root takes no labels: the way back is of its own labels.
            MessageBody::LabelMapping(_) | MessageBody::LabelWithdraw(_) => {}
            _ => {}
        }
    }

    /// The pseudowires of a peer that an element means.
    fn named(&self, peer: LdpId, element: Option<&FecElement>) -> Vec<PwId> {
        let pws = self.peers.get(&peer).into_iter().flat_map(|p| p.pws.iter().copied());
        match element {
            Some(FecElement::P2mpPwUpstream(pw) | FecElement::P2pPwDownstream(pw)) => {
                let id = Sai::of(pw).and_then(|sai| self.find(&sai));
                id.filter(|id| pws.into_iter().any(|p| p == *id)).into_iter().collect()
            }
            Some(FecElement::TypedWildcard(TypedWildcard { fec_type, scope: WildcardScope::P2mpPw(kind, tunnel) })) => {
                let upstream = *fec_type == FecType::P2MP_PW_UPSTREAM;
                let means = |id: &PwId| {
                    self.pws.get(id).is_some_and(|pw| {
                        let of_type = *kind == PwType::WILDCARD || pw.config.service.pw_type == *kind;
                        let at = pw.tunnel.as_ref().map(|(_, t)| t.tunnel_type());
                        of_type && (!upstream || *tunnel == PmsiTunnelType::WILDCARD || at == Some(*tunnel))
                    })
                };
                pws.filter(means).collect()
            }
            _ => Vec::new(),
        }
    }

    /// A leaf gives the label back: as it was told to, or because it cannot use it.
    fn release(&mut self, now: Instant, peer: LdpId, release: &LabelWithdraw) {
        let Some(FecElement::P2mpPwUpstream(pw)) = release.fec.only() else { return };
        let Some(id) = Sai::of(pw).and_then(|sai| self.find(&sai)) else { return };
        let Some(found) = self.pws.get_mut(&id) else { return };
        if release.label().is_some_and(|label| label != found.label) {
            self.counters.ignored = self.counters.ignored.saturating_add(1);
            return;
        }
        let Some(leaf) = found.leaves.get_mut(&peer) else { return };
        if core::mem::take(&mut leaf.withdrawing) {
            self.dirty.extend([(id, Some(peer)), (id, None)]);
        } else if leaf.sent.take().is_some() {
            leaf.wanted = false;
            self.outputs.push_back(Output::Event(Event::LeafRefused { pw: id, leaf: peer }));
            self.leaf_event(now, id, peer, LeafEvent::Withdrawn);
            self.dirty.insert((id, Some(peer)));
        }
    }

    /// RFC 8338 §5: a leaf's status names the pseudowire by the P2P PW Downstream element, whether or not there is a way back.
    fn notification(&mut self, now: Instant, peer: LdpId, notification: &Notification) {
        if notification.status.code.without_forward() != StatusCode::PW_STATUS {
            return;
        }
        let status = notification.optional.iter().find_map(|tlv| match tlv.value {
            TlvValue::PwStatus(status) => Some(status),
            _ => None,
        });
        let (Some(status), Some(element)) = (status, notification.fec().and_then(Fec::only)) else { return };
        if !matches!(element, FecElement::P2pPwDownstream(_) | FecElement::TypedWildcard(_)) {
            self.counters.ignored = self.counters.ignored.saturating_add(1);
            return;
        }
        for id in self.named(peer, Some(element)) {
            let Some(leaf) = self.pws.get_mut(&id).and_then(|pw| pw.leaves.get_mut(&peer)) else { continue };
            // One leaf that never stops talking costs the others nothing.
            if self.timers.get(Timer::Status(id, peer)).is_some() {
                leaf.held = Some(status);
                self.counters.statuses_held = self.counters.statuses_held.saturating_add(1);
                continue;
            }
            self.status(now, id, peer, status);
        }
    }

    /// Acts upon a leaf's status.
    pub(super) fn status(&mut self, now: Instant, id: PwId, peer: LdpId, status: PwStatus) {
        self.timers.set(Timer::Status(id, peer), now + self.config.status_interval);
        self.counters.statuses_received = self.counters.statuses_received.saturating_add(1);
        if self.pws.get(&id).is_some_and(|pw| pw.config.monitor.ldp()) {
            self.leaf_event(now, id, peer, LeafEvent::Status(status));
        }
    }
}
