//! Status of peers, and MAC withdrawals (RFC 8077 §6.3.2, RFC 4762 §6.2).

use alloc::vec::Vec;

use fwd_core::time::Instant;

use super::config::PwAttachment;
use super::io::{Event, Output};
use super::machine::{Pws, StatusMethod};
use super::receive::status_of;
use crate::ldp::message::{Address, Notification};
use crate::ldp::{LdpId, PwStatus, StatusCode, TlvValue};

impl Pws {
    /// A notification: the status of one pseudowire, of a group, or of all.
    pub(super) fn notification(&mut self, now: Instant, peer: LdpId, notification: &Notification) {
        if notification.status.code.without_forward() != StatusCode::PW_STATUS {
            return;
        }
        self.counters.status_received = self.counters.status_received.saturating_add(1);
        let (Some(fec), Some(status)) = (notification.fec().cloned(), status_of(&notification.optional)) else {
            return self.ignored();
        };
        for pw in self.all_meant(peer, &fec, &notification.optional) {
            let Some(state) = self.pws.get_mut(&pw) else { continue };
            // Who withdraws labels for status does not send it (RFC 8077 §6.3.3).
            let Some(remote) = state.remote.as_mut().filter(|_| state.method != StatusMethod::LabelWithdraw) else {
                continue;
            };
            let before = core::mem::replace(&mut remote.status, status);
            if before == status {
                continue;
            }
            self.outputs.push_back(Output::Event(Event::RemoteStatus { pw, status }));
            self.switchover_requested(now, pw, before, status);
            self.refresh(now, pw);
            self.relay(now, pw, Self::points(&notification.optional).into_iter().next());
        }
    }

    /// MAC addresses of a VPLS to forget; a switching point hands the message on.
    pub(super) fn mac_withdraw(&mut self, peer: LdpId, message: &Address) {
        let fec = message.optional.iter().find_map(|tlv| match &tlv.value {
            TlvValue::Fec(fec) => Some(fec.clone()),
            _ => None,
        });
        let Some(fec) = fec else { return };
        let macs: Vec<_> = message
            .optional
            .iter()
            .flat_map(|tlv| match &tlv.value {
                TlvValue::MacList(macs) => macs.clone(),
                _ => Vec::new(),
            })
            .collect();
        let flush = message.optional.iter().find_map(|tlv| match &tlv.value {
            TlvValue::MacFlush(flush) => Some((**flush).clone()),
            _ => None,
        });
        for pw in self.all_meant(peer, &fec, &message.optional) {
            match self.pws.get(&pw).map(|p| p.config.attachment) {
                Some(PwAttachment::Segment(other)) => self.send_mac_withdraw(other, macs.clone(), flush.clone()),
                Some(_) => {
                    self.outputs.push_back(Output::MacWithdraw { pw, macs: macs.clone(), flush: flush.clone() });
                }
                None => {}
            }
        }
    }

    /// Faults of all circuits of a group at once: one wildcard message to each peer, instead of one for each pseudowire
    /// (RFC 8077 §6.3.2). Peers to which status is signalled by labels hear it by labels.
    pub fn set_group_faults(&mut self, now: Instant, group_id: u32, faults: PwStatus) {
        let circuit = faults & (PwStatus::AC_RECEIVE_FAULT | PwStatus::AC_TRANSMIT_FAULT);
        let members: Vec<_> =
            self.pws.iter().filter(|(_, p)| p.config.group_id == group_id).map(|(pw, _)| *pw).collect();
        let mut by_peer: alloc::collections::BTreeMap<(LdpId, bool), Vec<_>> = alloc::collections::BTreeMap::new();
        for pw in members {
            let Some(state) = self.pws.get_mut(&pw) else { continue };
            state.faults = circuit;
            let by_id = matches!(state.config.name, super::config::PwName::Id(_));
            by_peer.entry((state.config.peer, by_id)).or_default().push(pw);
        }
        for ((_, by_id), pws) in by_peer {
            let statuses: Vec<PwStatus> = pws.iter().map(|pw| self.local_status(*pw)).collect();
            let tlv = |pw: &super::io::PwIndex| {
                self.pws.get(pw).is_some_and(|p| p.method == StatusMethod::Tlv && p.ours == super::machine::Ours::Sent)
            };
            let uniform = statuses.windows(2).all(|pair| pair.first() == pair.last()) && pws.iter().all(tlv);
            if let (true, true, Some(first), Some(status)) =
                (uniform, by_id && group_id != 0, pws.first(), statuses.first())
            {
                self.send_group_status(*first, *status);
                for pw in &pws {
                    if let Some(state) = self.pws.get_mut(pw) {
                        state.told = *status;
                    }
                }
            }
            for pw in pws {
                self.refresh(now, pw);
            }
        }
    }

    fn send_group_status(&mut self, of: super::io::PwIndex, status: PwStatus) {
        use crate::ldp::fec::{FecElement, PwId, PwIdScope};
        use crate::ldp::message::MessageBody;
        let Some(state) = self.pws.get(&of) else { return };
        let control_word = matches!(state.c_bit, super::c_bit::CBit::SentC1 | super::c_bit::CBit::Done(true));
        let (pw_type, group_id) = (state.config.pw_type, state.config.group_id);
        let element = PwId { control_word, pw_type, group_id, pw: PwIdScope::Group };
        let notification = Notification::pw_status(FecElement::PwId(alloc::boxed::Box::new(element)), status);
        self.counters.status_sent = self.counters.status_sent.saturating_add(1);
        self.send(of, MessageBody::Notification(notification));
    }
}
