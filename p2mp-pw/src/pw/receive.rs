//! Labels, releases and withdrawals of peers (RFC 8077 §6, §7).

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use fwd_core::net::Label;
use fwd_core::time::Instant;

use super::c_bit::{CBit, CBitAction, CBitEvent, transition};
use super::config::PwName;
use super::io::{Event, Mismatch, Output, PwIndex};
use super::machine::{Ours, Pws, Remote, StatusMethod};
use super::send::requires_control_word;
use crate::ldp::fec::{
    Fec, FecElement, FecType, FlowLabel, InterfaceParameter, PwEnds, PwIdScope, PwType, WildcardScope,
};
use crate::ldp::message::{LabelMapping, LabelRequest, LabelWithdraw, Message, MessageBody};
use crate::ldp::{LdpId, PwStatus, Status, StatusCode, Tlv, TlvValue};

/// Which pseudowires a FEC of the peer's means.
pub(super) enum Meant {
    /// The one of this name, as we name it, and its type.
    One(PwName, PwType),
    /// Those of a group of the peer's.
    Group(u32),
    /// Those of a kind of name and a type.
    Kind(FecType, PwType),
    /// All.
    All,
}

/// What an element means; the group of a Generalized PWid stands beside it.
pub(super) fn meant(element: &FecElement, optional: &[Tlv]) -> Option<Meant> {
    Some(match element {
        FecElement::PwId(pw) => match &pw.pw {
            PwIdScope::One { pw_id, .. } => Meant::One(PwName::Id(*pw_id), pw.pw_type),
            PwIdScope::Group => Meant::Group(pw.group_id),
        },
        FecElement::GeneralizedPwId(pw) => match &pw.ends {
            Some(ends) => Meant::One(PwName::Ends(ends.reversed()), pw.pw_type),
            None => Meant::Group(optional.iter().find_map(|tlv| match tlv.value {
                TlvValue::PwGroupId(group) => Some(group),
                _ => None,
            })?),
        },
        FecElement::TypedWildcard(wildcard) => match wildcard.scope {
            WildcardScope::PwType(pw_type) => Meant::Kind(wildcard.fec_type, pw_type),
            _ => return None,
        },
        FecElement::Wildcard => Meant::All,
        _ => return None,
    })
}

/// A FEC with source and target swapped: labels are asked for and given back by the name that their owner has for them.
fn reversed(fec: &Fec) -> Fec {
    let mut fec = fec.clone();
    for element in &mut fec.0 {
        if let FecElement::GeneralizedPwId(pw) = element {
            pw.ends = pw.ends.as_ref().map(PwEnds::reversed);
        }
    }
    fec
}

/// The reason that a Label Release or Withdraw gives.
fn reason(optional: &[Tlv]) -> Option<Status> {
    optional.iter().find_map(|tlv| match tlv.value {
        TlvValue::Status(status) => Some(status),
        _ => None,
    })
}

fn remote_of(mapping: &LabelMapping) -> Option<Remote> {
    let (control_word, parameters, group_id) = match mapping.fec.only()? {
        FecElement::PwId(pw) => {
            let PwIdScope::One { parameters, .. } = &pw.pw else { return None };
            (pw.control_word, parameters.clone(), pw.group_id)
        }
        FecElement::GeneralizedPwId(pw) => {
            let parameters = mapping.optional.iter().find_map(|tlv| match &tlv.value {
                TlvValue::PwInterfaceParameters(parameters) => Some(parameters.clone()),
                _ => None,
            });
            let group = mapping.optional.iter().find_map(|tlv| match tlv.value {
                TlvValue::PwGroupId(group) => Some(group),
                _ => None,
            });
            (pw.control_word, parameters.unwrap_or_default(), group.unwrap_or(0))
        }
        _ => return None,
    };
    let mtu = parameters.iter().find_map(|p| if let InterfaceParameter::Mtu(mtu) = p { Some(*mtu) } else { None });
    let flow = parameters.iter().find_map(|p| if let InterfaceParameter::FlowLabel(f) = p { Some(*f) } else { None });
    Some(Remote {
        label: mapping.label.label(),
        control_word,
        mtu,
        group_id,
        status: status_of(&mapping.optional).unwrap_or_default(),
        flow_label: flow.unwrap_or(FlowLabel::empty()),
        parameters,
        points: Pws::points(&mapping.optional),
        stale: false,
    })
}

pub(super) fn status_of(optional: &[Tlv]) -> Option<PwStatus> {
    optional.iter().find_map(|tlv| match tlv.value {
        TlvValue::PwStatus(status) => Some(status),
        _ => None,
    })
}

impl Pws {
    pub(super) fn receive(&mut self, now: Instant, peer: LdpId, message: &Message) {
        match &message.body {
            MessageBody::LabelMapping(m) => self.mapping(now, peer, m),
            MessageBody::LabelWithdraw(m) => self.withdraw(now, peer, m),
            MessageBody::LabelRelease(m) => self.release(now, peer, m),
            MessageBody::LabelRequest(m) => self.request(now, peer, m),
            MessageBody::Notification(m) => self.notification(now, peer, m),
            MessageBody::AddressWithdraw(m) => self.mac_withdraw(peer, m),
            // Addresses of interfaces, and capabilities that change, are no pseudowire's business.
            _ => {}
        }
    }

    pub(super) fn ignored(&mut self) {
        self.counters.ignored = self.counters.ignored.saturating_add(1);
    }

    /// The configured pseudowires that a FEC means.
    pub(super) fn all_meant(&self, peer: LdpId, fec: &Fec, optional: &[Tlv]) -> BTreeSet<PwIndex> {
        let mut pws = BTreeSet::new();
        for element in &fec.0 {
            match meant(element, optional) {
                Some(Meant::One(name, _)) => pws.extend(self.names.get(&(peer, name))),
                Some(Meant::Group(group)) => pws.extend(self.of_group(peer, group)),
                Some(Meant::Kind(fec_type, pw_type)) => pws.extend(self.of_peer(peer).into_iter().filter(|pw| {
                    let by_id = |name: &PwName| matches!(name, PwName::Id(_)) == (fec_type == FecType::PW_ID);
                    let of_type = |t: PwType| pw_type == PwType::WILDCARD || t == pw_type;
                    self.pws.get(pw).is_some_and(|p| by_id(&p.config.name) && of_type(p.config.pw_type))
                })),
                Some(Meant::All) => pws.extend(self.of_peer(peer)),
                None => {}
            }
        }
        pws
    }

    /// A Label Mapping: of a pseudowire that is configured, or kept for one that may be.
    pub(super) fn mapping(&mut self, now: Instant, peer: LdpId, mapping: &LabelMapping) {
        self.counters.mappings_received = self.counters.mappings_received.saturating_add(1);
        let element = mapping.fec.only().and_then(|element| meant(element, &mapping.optional));
        let Some(Meant::One(name, pw_type)) = element else { return self.ignored() };
        let Some(pw) = self.names.get(&(peer, name.clone())).copied() else {
            return self.unknown(now, peer, name, mapping);
        };
        if self.pws.get(&pw).is_some_and(|p| p.config.pw_type != pw_type) {
            self.reject(now, pw, Mismatch::Type, mapping, StatusCode::GENERIC_MISCONFIGURATION);
            return;
        }
        self.mapping_of(now, pw, mapping);
    }

    /// A label for a pseudowire that is not configured: of FEC 129 the target is not known (RFC 8077 §6.2.3); of FEC 128 it is kept.
    fn unknown(&mut self, now: Instant, peer: LdpId, name: PwName, mapping: &LabelMapping) {
        let label = Some(mapping.label.label());
        if matches!(name, PwName::Ends(_)) {
            self.counters.refused = self.counters.refused.saturating_add(1);
            return self.release_to(peer, mapping.fec.clone(), label, Some(StatusCode::UNASSIGNED_TAI), Vec::new());
        }
        let kept = self.retained.entry(peer).or_default();
        if !kept.contains_key(&name) && kept.len() >= self.config.max_retained {
            self.counters.refused = self.counters.refused.saturating_add(1);
            self.peer_event(now, peer, Event::TooManyRetained { peer });
            return self.release_to(peer, mapping.fec.clone(), label, None, Vec::new());
        }
        kept.insert(name, mapping.clone());
    }

    /// Gives a label back that is of no use, and reports why.
    fn reject(&mut self, now: Instant, pw: PwIndex, why: Mismatch, mapping: &LabelMapping, code: StatusCode) {
        self.counters.refused = self.counters.refused.saturating_add(1);
        let Some(state) = self.pws.get_mut(&pw) else { return };
        let peer = state.config.peer;
        let known = state.mismatch.replace(why) == Some(why);
        state.remote = None;
        if !known {
            self.outputs.push_back(Output::Event(Event::Mismatch { pw, why }));
        }
        self.release_to(peer, mapping.fec.clone(), Some(mapping.label.label()), Some(code), Vec::new());
        self.refresh(now, pw);
        self.refresh_other(now, pw);
    }

    /// A Label Mapping of a configured pseudowire.
    pub(super) fn mapping_of(&mut self, now: Instant, pw: PwIndex, mapping: &LabelMapping) {
        let Some(remote) = remote_of(mapping) else { return self.ignored() };
        let Some(state) = self.pws.get(&pw) else { return };
        if !remote.control_word && requires_control_word(state.config.pw_type) {
            return self.reject(now, pw, Mismatch::ControlWord, mapping, StatusCode::ILLEGAL_C_BIT);
        }
        if self.passed_us(&remote) {
            return self.reject(now, pw, Mismatch::Loop, mapping, StatusCode::PW_LOOP_DETECTED);
        }
        let (next, action) = transition(state.c_bit, CBitEvent::Mapping(remote.control_word));
        let replaced = state.remote.as_ref().map(|r| r.label).filter(|label| *label != remote.label);
        let Some(state) = self.pws.get_mut(&pw) else { return };
        state.c_bit = next;
        // The peer speaks of the pseudowire: it may have our label again (RFC 8077 §6.2.3).
        state.released = false;
        if action == Some(CBitAction::Ignore) {
            return self.refresh(now, pw);
        }
        let status_tlv = status_of(&mapping.optional).is_some();
        let tlv = state.config.status_tlv && status_tlv;
        state.method = if tlv { StatusMethod::Tlv } else { StatusMethod::LabelWithdraw };
        let differs = state.config.mtu != 0 && remote.mtu.is_some_and(|mtu| mtu != state.config.mtu);
        let segment = matches!(state.config.attachment, super::config::PwAttachment::Segment(_));
        // A switching point hands the MTU on; both T-PEs compare (RFC 6073 §7).
        let why = (differs && !segment).then_some(Mismatch::Mtu(state.config.mtu, remote.mtu));
        if why.is_some() && state.mismatch != why {
            self.outputs.extend(why.map(|why| Output::Event(Event::Mismatch { pw, why })));
        }
        let Some(state) = self.pws.get_mut(&pw) else { return };
        state.mismatch = why;
        state.remote = Some(remote);
        if let Some(label) = replaced {
            self.send_release(pw, Some(label), None);
        }
        if action == Some(CBitAction::WithdrawAndSendC0) {
            // RFC 8077 §7.2 -iii: with the C bit that was sent.
            if let Some(state) = self.pws.get_mut(&pw) {
                state.c_bit = CBit::SentC1;
            }
            self.send_withdraw(pw, Some(StatusCode::WRONG_C_BIT));
            if let Some(state) = self.pws.get_mut(&pw) {
                state.c_bit = CBit::Done(false);
            }
            self.send_mapping(pw, false);
        }
        self.refresh(now, pw);
        self.refresh_other(now, pw);
    }

    /// A Label Withdraw: answered by a release, unless it says Wrong C-bit (RFC 8077 §7.2).
    fn withdraw(&mut self, now: Instant, peer: LdpId, withdraw: &LabelWithdraw) {
        let wrong_c = reason(&withdraw.optional).is_some_and(|s| s.code.without_forward() == StatusCode::WRONG_C_BIT);
        if !wrong_c {
            let group = withdraw.optional.iter().filter(|tlv| matches!(tlv.value, TlvValue::PwGroupId(_)));
            let group: Vec<Tlv> = group.cloned().collect();
            self.release_to(peer, withdraw.fec.clone(), withdraw.label(), None, group);
        }
        for pw in self.all_meant(peer, &withdraw.fec, &withdraw.optional) {
            let label = withdraw.label();
            let Some(state) = self.pws.get_mut(&pw) else { continue };
            if state.remote.as_ref().is_none_or(|remote| label.is_some_and(|label| label != remote.label)) {
                continue;
            }
            state.remote = None;
            state.mismatch = None;
            state.c_bit = transition(state.c_bit, CBitEvent::Withdraw).0;
            self.refresh(now, pw);
            self.refresh_other(now, pw);
        }
        let kept = self.retained.entry(peer).or_default();
        for element in &withdraw.fec.0 {
            match meant(element, &withdraw.optional) {
                Some(Meant::One(name, _)) => drop(kept.remove(&name)),
                Some(Meant::Group(group)) => kept.retain(|_, m| remote_of(m).is_none_or(|r| r.group_id != group)),
                Some(Meant::All | Meant::Kind(FecType::PW_ID, _)) => kept.clear(),
                _ => {}
            }
        }
    }

    /// A Label Release: the peer does not use our label.
    fn release(&mut self, now: Instant, peer: LdpId, release: &LabelWithdraw) {
        let why = reason(&release.optional).map(|status| status.code.without_forward());
        // A release names the pseudowire as our Label Mapping did.
        let fec = reversed(&release.fec);
        for element in &fec.0 {
            let Some(Meant::One(name, _)) = meant(element, &release.optional) else { continue };
            if let Some(label) = self.leaving.remove(&(peer, name)) {
                self.labels.release(label.value());
            }
        }
        for pw in self.all_meant(peer, &fec, &release.optional) {
            let Some(state) = self.pws.get_mut(&pw) else { continue };
            let ours: Option<Label> = Some(state.label);
            if release.label().is_some() && release.label() != ours {
                continue;
            }
            let (next, action) = transition(state.c_bit, CBitEvent::Release);
            let before = state.ours;
            state.ours = Ours::None;
            state.c_bit = next;
            if action == Some(CBitAction::Request) {
                self.send_request(pw);
            } else if before == Ours::Sent {
                // The peer's own decision: it hears of the pseudowire again when it speaks of it.
                state.released = true;
                if let Some(reason) = why {
                    self.outputs.push_back(Output::Event(Event::Released { pw, reason }));
                }
            }
            self.refresh(now, pw);
        }
    }

    /// A Label Request: labels of pseudowires are sent unasked, and again when asked.
    fn request(&mut self, now: Instant, peer: LdpId, request: &LabelRequest) {
        for pw in self.all_meant(peer, &reversed(&request.fec), &request.optional) {
            let Some(state) = self.pws.get_mut(&pw) else { continue };
            state.released = false;
            match state.ours {
                Ours::Sent => {
                    let c = matches!(state.c_bit, CBit::SentC1 | CBit::Done(true));
                    self.send_mapping(pw, c);
                }
                Ours::None | Ours::Withdrawing => self.refresh(now, pw),
            }
        }
    }
}
