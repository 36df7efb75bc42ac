//! Which message of a peer's goes to which procedure.

use alloc::vec::Vec;

use fwd_core::net::{IfIndex, IpPrefix, Label};
use fwd_core::time::Instant;

use super::super::fec::{Fec, FecElement, FecType, PrefixFec, TypedWildcard, WildcardScope};
use super::super::message::{Address, LabelMapping, LabelRequest, LabelTlv, LabelWithdraw, Message, MessageBody};
use super::super::neighbour::Application;
use super::super::status::{Status, StatusCode};
use super::super::tlv::TlvValue;
use super::super::{AddressFamily, LdpId};
use super::attributes::Attributes;
use super::fec::FecId;
use super::io::Event;
use super::machine::Lde;

/// Which FECs an element of a Label Withdraw, Release or Request means.
enum Meant {
    One(FecId),
    Family(AddressFamily),
    Everything,
}

impl Lde {
    pub(super) fn receive(&mut self, now: Instant, peer: LdpId, message: &Message) {
        if !self.is_up(peer) {
            return;
        }
        match &message.body {
            MessageBody::Address(m) => self.addresses(now, peer, message, m, true),
            MessageBody::AddressWithdraw(m) => self.addresses(now, peer, message, m, false),
            MessageBody::LabelMapping(m) => self.mapping(now, peer, message, m),
            MessageBody::LabelRequest(m) => self.request(now, peer, message, m),
            MessageBody::LabelWithdraw(m) => self.withdraw(now, peer, message, m),
            MessageBody::LabelRelease(m) => self.release(now, peer, message, m),
            MessageBody::LabelAbortRequest(m) => {
                if let Some(Meant::One(fec)) = m.fec.only().and_then(|element| self.meant(element)) {
                    self.receive_abort(peer, fec, m.request_id);
                }
            }
            MessageBody::Notification(m) => self.receive_notification(now, peer, m),
            _ => self.ignored(),
        }
        self.check_queue(now, peer);
    }

    fn ignored(&mut self) {
        self.counters.ignored = self.counters.ignored.saturating_add(1);
    }

    /// A peer that makes us answer and does not read the answers is given up.
    fn check_queue(&mut self, now: Instant, peer: LdpId) {
        let max = self.config.max_queued;
        let bound = |p: &super::machine::Peer| max.saturating_add(p.sent.len()).saturating_add(p.withdrawn.len());
        if self.peers.get(&peer).is_some_and(|p| p.queue.len() > bound(p)) {
            self.peer_down(now, peer, None);
            self.outputs.push_back(super::io::Output::Event(Event::Overrun { peer }));
        }
    }

    /// The status of an element that ends the message (RFC 5036 §3.4.1.1), said to the peer.
    fn refuse_elements(&mut self, peer: LdpId, message: &Message, fec: &Fec) -> bool {
        let Some(code) = fec.0.iter().find_map(FecElement::refused) else { return false };
        self.refuse(peer, message, code);
        true
    }

    fn refuse(&mut self, peer: LdpId, message: &Message, code: StatusCode) {
        self.notify(peer, code, Some((message.id, message.body.kind())), Vec::new());
    }

    fn addresses(&mut self, now: Instant, peer: LdpId, message: &Message, list: &Address, up: bool) {
        if Application::of(message) != Application::All {
            return;
        }
        if list.family.address_len().is_none() {
            // RFC 5036 §3.5.5.1
            return self.refuse(peer, message, StatusCode::UNSUPPORTED_ADDRESS_FAMILY);
        }
        for address in &list.addresses {
            self.learn(now, peer, *address, None::<IfIndex>, up);
        }
    }

    fn mapping(&mut self, now: Instant, peer: LdpId, message: &Message, mapping: &LabelMapping) {
        if self.refuse_elements(peer, message, &mapping.fec) {
            return;
        }
        let usable = |label: Label| {
            !label.is_special_purpose()
                || matches!(label, Label::IMPLICIT_NULL | Label::IPV4_EXPLICIT_NULL | Label::IPV6_EXPLICIT_NULL)
        };
        let label = match mapping.label {
            LabelTlv::Generic(label) if usable(label) => label,
            LabelTlv::Generic(label) | LabelTlv::Upstream(label) => {
                // A label that nobody may send towards the peer (RFC 3032 §2.1).
                self.counters.mappings_refused = self.counters.mappings_refused.saturating_add(1);
                return self.send_release(peer, mapping.fec.clone(), Some(label), None);
            }
        };
        let attributes = Attributes::of(&mapping.optional);
        let request = mapping.optional.iter().find_map(|tlv| match tlv.value {
            TlvValue::LabelRequestMessageId(id) => Some(id),
            _ => None,
        });
        for element in &mapping.fec.0 {
            match element {
                FecElement::Prefix(PrefixFec::Ip(prefix)) => {
                    let fec = self.fecs.ensure(*prefix);
                    self.receive_mapping(now, peer, fec, label, attributes.clone(), request);
                }
                // Wildcards are for other messages (RFC 5036 §3.4.1), other FECs for other machines.
                _ => self.ignored(),
            }
        }
    }

    fn request(&mut self, now: Instant, peer: LdpId, message: &Message, request: &LabelRequest) {
        if self.refuse_elements(peer, message, &request.fec) {
            return;
        }
        let attributes = Attributes::of(&request.optional);
        let meant = match request.fec.only() {
            // LRq.5: a prefix that nobody knows has no route.
            Some(FecElement::Prefix(PrefixFec::Ip(prefix))) => Meant::One(self.fecs.ensure(*prefix)),
            Some(element) => match self.meant(element) {
                Some(meant) => meant,
                None => return self.ignored(),
            },
            None => return self.ignored(),
        };
        match meant {
            Meant::One(fec) => self.receive_request(now, peer, fec, message.id, &attributes),
            Meant::Family(family) => {
                // RFC 5918 §4.1: all that we would advertise, as if asked for one by one.
                for fec in self.of_family(family) {
                    if let Some(state) = self.peers.get_mut(&peer) {
                        state.sent.retain(|known, sent| *known != fec || !sent.released);
                    }
                    if self.leads_on(fec) && !self.peers.get(&peer).is_some_and(|p| p.sent.contains_key(&fec)) {
                        let downstream = self.downstream(fec);
                        let propagating = downstream.is_some();
                        let prepared = self.prepare_mapping(peer, fec, downstream.flatten().as_ref(), propagating);
                        self.send_label(now, peer, fec, prepared, Some(message.id));
                    }
                }
            }
            Meant::Everything => self.ignored(),
        }
    }

    fn withdraw(&mut self, now: Instant, peer: LdpId, message: &Message, withdraw: &LabelWithdraw) {
        if self.refuse_elements(peer, message, &withdraw.fec) {
            return;
        }
        // LWd.2: one answer for the whole FEC TLV.
        self.send_release(peer, withdraw.fec.clone(), withdraw.label(), None);
        for fec in self.all_meant(&withdraw.fec, |p| p.received.keys().copied().collect(), peer) {
            self.receive_withdraw(now, peer, fec, withdraw.label());
        }
    }

    fn release(&mut self, now: Instant, peer: LdpId, message: &Message, release: &LabelWithdraw) {
        if self.refuse_elements(peer, message, &release.fec) {
            return;
        }
        let held = |p: &super::machine::Peer| {
            let withdrawn = p.withdrawn.iter().map(|(fec, _)| *fec);
            p.sent.keys().copied().chain(withdrawn).collect::<alloc::collections::BTreeSet<_>>().into_iter().collect()
        };
        let loop_status = |status: &Status| status.code.without_forward() == StatusCode::LOOP_DETECTED;
        let looped = release.optional.iter().any(|tlv| matches!(&tlv.value, TlvValue::Status(s) if loop_status(s)));
        for fec in self.all_meant(&release.fec, held, peer) {
            self.receive_release(now, peer, fec, release.label(), looped);
        }
    }

    /// The FECs that a FEC TLV means, of those that `of` the peer are concerned.
    fn all_meant(&self, fec: &Fec, of: impl Fn(&super::machine::Peer) -> Vec<FecId>, peer: LdpId) -> Vec<FecId> {
        let Some(state) = self.peers.get(&peer) else { return Vec::new() };
        let mut fecs = Vec::new();
        for element in &fec.0 {
            match self.meant(element) {
                Some(Meant::One(fec)) => fecs.push(fec),
                Some(Meant::Everything) => fecs.extend(of(state)),
                Some(Meant::Family(family)) => {
                    let is_v6 = family == AddressFamily::IPV6;
                    let known = of(state).into_iter().filter(|fec| {
                        self.fecs.get(*fec).is_some_and(|s| matches!(s.prefix, IpPrefix::V6(_)) == is_v6)
                    });
                    fecs.extend(known);
                }
                None => {}
            }
        }
        fecs
    }

    /// What an element means; `None`: nothing that is known here.
    fn meant(&self, element: &FecElement) -> Option<Meant> {
        match element {
            FecElement::Prefix(PrefixFec::Ip(prefix)) => self.fecs.find(*prefix).map(Meant::One),
            FecElement::TypedWildcard(TypedWildcard {
                fec_type: FecType::PREFIX,
                scope: WildcardScope::Family(family),
            }) => matches!(*family, AddressFamily::IPV4 | AddressFamily::IPV6).then_some(Meant::Family(*family)),
            FecElement::Wildcard => Some(Meant::Everything),
            _ => None,
        }
    }
}
