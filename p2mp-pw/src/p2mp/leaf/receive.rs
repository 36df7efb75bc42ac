//! Messages of roots.

use alloc::boxed::Box;
use alloc::vec;
use alloc::vec::Vec;

use fwd_core::time::Instant;

use super::super::config::Sai;
use super::io::{Event, Output};
use super::machine::{Leaf, Offer};
use crate::ldp::fec::{Fec, FecElement, FecType, P2mpPw, PmsiTunnelType, PwType, TypedWildcard, WildcardScope};
use crate::ldp::message::{LabelMapping, LabelWithdraw, MessageBody, Notification};
use crate::ldp::{LdpId, PwStatus, Status, StatusCode, Tlv, TlvValue};

impl Leaf {
    /// A message of a peer.
    pub(super) fn message(&mut self, now: Instant, peer: LdpId, body: &MessageBody) {
        if !self.peers.get(&peer).is_some_and(|p| p.up) {
            return;
        }
        match body {
            MessageBody::LabelMapping(mapping) => match mapping.fec.only() {
                Some(FecElement::P2mpPwUpstream(pw)) => self.upstream(now, peer, pw, mapping),
                Some(FecElement::P2pPwDownstream(pw)) => {
                    let offer = Sai::of(pw).and_then(|sai| {
                        let offer = self.peers.get_mut(&peer)?.offers.get_mut(&sai)?;
                        Some((sai, offer))
                    });
                    if let Some((sai, offer)) = offer {
                        offer.back = Some(mapping.label.label());
                        self.touch(&sai);
                    }
                }
                _ => {}
            },
            MessageBody::LabelWithdraw(withdraw) => self.withdraw(now, peer, withdraw),
            MessageBody::Notification(notification) => self.notification(now, peer, notification),
            _ => {}
        }
    }

    fn touch(&mut self, sai: &Sai) {
        if let Some((pw, _)) = self.by_sai.get(sai) {
            self.dirty.insert(*pw);
        }
    }

    /// A root offers a pseudowire (RFC 8338 §3.2.1). Parameters may stand in the element or beside it.
    fn upstream(&mut self, now: Instant, peer: LdpId, pw: &P2mpPw, mapping: &LabelMapping) {
        let Some(sai) = Sai::of(pw) else { return };
        self.counters.mappings_received = self.counters.mappings_received.saturating_add(1);
        let (label, limit) = (mapping.label.label(), self.max_offers());
        let Some(p) = self.peers.get_mut(&peer) else { return };
        if label.is_special_purpose() {
            return self.release(peer, pw, label, None);
        }
        // What one label carries cannot be told apart: the first keeps it.
        if p.labels.get(&label).is_some_and(|of| *of != sai) {
            self.outputs.push_back(Output::Event(Event::LabelTwice { peer, sai }));
            return self.release(peer, pw, label, Some(StatusCode::GENERIC_MISCONFIGURATION));
        }
        match p.offers.get(&sai) {
            // One tunnel for one pseudowire (RFC 7338 §3.2).
            Some(there) if there.pw.tunnel() != pw.tunnel() => {
                self.outputs.push_back(Output::Event(Event::SecondTunnel { sai }));
                return self.release(peer, pw, label, Some(StatusCode::GENERIC_MISCONFIGURATION));
            }
            Some(_) => {}
            None if p.offers.len() >= limit => {
                self.counters.limited = self.counters.limited.saturating_add(1);
                if !core::mem::replace(&mut p.limit_told, true) {
                    self.outputs.push_back(Output::Event(Event::TooManyOffers { peer }));
                }
                return self.release(peer, pw, label, Some(StatusCode::NO_LABEL_RESOURCES));
            }
            None => {}
        }
        let beside = mapping.optional.iter().filter(|tlv| {
            matches!(
                tlv.value,
                TlvValue::PwInterfaceParameters(_) | TlvValue::PwGroupId(_) | TlvValue::PwSwitchingPoint(_)
            )
        });
        let optional: Vec<Tlv> = pw.optional().iter().chain(beside).cloned().collect();
        let name = (sai.agi.clone(), sai.saii.clone());
        let merged = P2mpPw::new(pw.control_word(), pw.pw_type(), name, pw.tunnel().cloned(), optional);
        let pw = merged.unwrap_or_else(|_| pw.clone());
        let (back, status) = p.offers.get(&sai).map_or((None, PwStatus::empty()), |o| (o.back, o.status));
        let before = p.offers.insert(sai.clone(), Offer { label, pw, back, status }).map(|old| old.label);
        if let Some(before) = before {
            p.labels.remove(&before);
        }
        p.labels.insert(label, sai.clone());
        if let Some(&(id, index)) = self.by_sai.get(&sai) {
            let root = self.pws.get(&id).and_then(|pw| pw.members.get(index)?.root);
            // The first root that offers it has it.
            if root.is_none_or(|root| root == peer) {
                self.offered(now, id, index, peer);
            }
        } else {
            self.instantiate(now, &sai);
        }
        // The entry of the label before goes first: the root may have given that to another pseudowire.
        if before.is_some_and(|before| before != label) {
            self.program_all();
        }
    }

    fn withdraw(&mut self, now: Instant, peer: LdpId, withdraw: &LabelWithdraw) {
        let Some(element) = withdraw.fec.only() else { return };
        let Some(p) = self.peers.get_mut(&peer) else { return };
        let named: Vec<Sai> = match element {
            FecElement::P2mpPwUpstream(pw) | FecElement::P2pPwDownstream(pw) => match Sai::of(pw) {
                Some(sai) => vec![sai],
                None => {
                    // RFC 8338 §3.4: all of a group.
                    let group = withdraw.optional.iter().find_map(group_id);
                    let of_group = |o: &Offer| group.is_some() && o.pw.optional().iter().find_map(group_id) == group;
                    p.offers.iter().filter(|(_, o)| of_group(o)).map(|(sai, _)| sai.clone()).collect()
                }
            },
            FecElement::TypedWildcard(wildcard) => {
                p.offers.iter().filter(|(_, o)| means(wildcard, &o.pw)).map(|(sai, _)| sai.clone()).collect()
            }
            FecElement::Wildcard => p.offers.keys().cloned().collect(),
            _ => return,
        };
        let back_only = match element {
            FecElement::P2pPwDownstream(_) => true,
            FecElement::TypedWildcard(wildcard) => wildcard.fec_type == FecType::P2P_PW_DOWNSTREAM,
            _ => false,
        };
        for sai in named {
            let Some(p) = self.peers.get_mut(&peer) else { return };
            let Some(offer) = p.offers.get_mut(&sai) else { continue };
            if back_only {
                offer.back = None;
                self.touch(&sai);
            } else if withdraw.label().is_none_or(|label| label == offer.label) {
                p.labels.remove(&offer.label);
                p.offers.remove(&sai);
                self.lost(now, peer, &sai);
            }
        }
        // The entries go first, then the root may use the label for something else.
        self.program_all();
        if !matches!(element, FecElement::Wildcard) {
            let optional = withdraw.label().map(|l| Tlv::new(TlvValue::GenericLabel(l))).into_iter().collect();
            self.send_release(peer, element.clone(), optional);
        }
    }

    /// RFC 8338 §5: the root's status names the pseudowire by the P2MP PW Upstream element.
    fn notification(&mut self, now: Instant, peer: LdpId, notification: &Notification) {
        if notification.status.code.without_forward() != StatusCode::PW_STATUS {
            return;
        }
        let status = notification.optional.iter().find_map(|tlv| match tlv.value {
            TlvValue::PwStatus(status) => Some(status),
            _ => None,
        });
        let Some((status, FecElement::P2mpPwUpstream(pw))) = status.zip(notification.fec().and_then(Fec::only)) else {
            return;
        };
        let Some(p) = self.peers.get_mut(&peer) else { return };
        let group = notification.optional.iter().find_map(group_id);
        let named: Vec<Sai> = match Sai::of(pw) {
            Some(sai) => vec![sai],
            None => {
                let of_group = |o: &Offer| group.is_some() && o.pw.optional().iter().find_map(group_id) == group;
                p.offers.iter().filter(|(_, o)| of_group(o)).map(|(sai, _)| sai.clone()).collect()
            }
        };
        for sai in named {
            let offer = self.peers.get_mut(&peer).and_then(|p| p.offers.get_mut(&sai));
            let Some(offer) = offer else { continue };
            self.counters.statuses_received = self.counters.statuses_received.saturating_add(1);
            if core::mem::replace(&mut offer.status, status) == status {
                continue;
            }
            if let Some(&(pw, index)) = self.by_sai.get(&sai) {
                self.outputs.push_back(Output::Event(Event::RootStatus { pw, sai, status }));
                self.weigh(now, pw, index);
            }
        }
    }

    fn release(&mut self, peer: LdpId, pw: &P2mpPw, label: fwd_core::net::Label, status: Option<StatusCode>) {
        let mut optional = vec![Tlv::new(TlvValue::GenericLabel(label))];
        optional.extend(status.map(|code| Tlv::new(TlvValue::Status(Status::new(code)))));
        self.send_release(peer, FecElement::P2mpPwUpstream(Box::new(pw.clone())), optional);
    }

    fn send_release(&mut self, peer: LdpId, element: FecElement, optional: Vec<Tlv>) {
        self.counters.releases_sent = self.counters.releases_sent.saturating_add(1);
        let body = MessageBody::LabelRelease(LabelWithdraw { fec: Fec::single(element), optional });
        self.outputs.push_back(Output::Message { peer, message: body.into() });
    }
}

fn group_id(tlv: &Tlv) -> Option<u32> {
    match tlv.value {
        TlvValue::PwGroupId(id) => Some(id),
        _ => None,
    }
}

/// Whether a typed wildcard means an offer (RFC 8338 §3.3).
fn means(wildcard: &TypedWildcard, pw: &P2mpPw) -> bool {
    let WildcardScope::P2mpPw(kind, tunnel) = wildcard.scope else { return false };
    let of_type = kind == PwType::WILDCARD || kind == pw.pw_type();
    let any = wildcard.fec_type == FecType::P2P_PW_DOWNSTREAM || tunnel == PmsiTunnelType::WILDCARD;
    of_type && (any || pw.tunnel().map(|t| t.tunnel_type()) == Some(tunnel))
}
