//! Notifications, deletion, dead peers, keepalives (RFC 2408 §4.8, RFC 2409 §5.7, RFC 3706, RFC 3948 §4).

use fwd_core::time::Instant;

use super::super::arrival::Arrival;
use super::super::child_sa::IkeSaId;
use super::super::counters::Reject;
use super::super::crypto::CryptoProvider;
use super::super::event::{Ended, Event, Output};
use super::super::header::HeaderFlags;
use super::super::payload::v1::{Body, DOI_IPSEC};
use super::super::payload::{Delete, Notify, NotifyType, Payloads, ProtocolId};
use super::exchange::AGAIN;
use super::fsm::{QuickState, State};
use super::machine::{Ike, Timer};
use super::main_mode::clear;
use super::message::Message;
use super::sa::IkeSa;

impl<P: CryptoProvider> Ike<P> {
    pub(super) fn on_informational(
        &mut self,
        now: Instant,
        sa: &mut IkeSa,
        arrival: &Arrival<'_>,
        payloads: Payloads<'_>,
    ) -> Result<(), Reject> {
        if !arrival.header.flags.contains(HeaderFlags::ENCRYPTION) {
            return self.on_hint(now, sa, arrival, payloads);
        }
        let message_id = arrival.header.message_id;
        let iv = self.iv(sa, message_id)?;
        let (text, _) = self.open(sa, &iv, arrival.octets)?;
        let payloads = Payloads::padded(arrival.header.next_payload, &text);
        let message = Message::read(payloads, &text).map_err(|_| Reject::Integrity)?;
        self.is_hashed(sa, &message, &[&message_id.to_be_bytes()])?;
        if !sa.is_established() {
            // The peer has the keys and will not have us.
            if let (Some(error), State::MainIdSent) = (message.error(), sa.state) {
                self.end(now, sa, Ended::Refused(error.kind));
            }
            return Ok(());
        }
        for notify in &message.notifies {
            self.on_notify(now, sa, arrival, notify)?;
        }
        for delete in &message.deletes {
            self.on_delete(now, sa, delete);
        }
        Ok(())
    }

    /// An error in the clear is believed by an end that knows no keys yet: whoever sends it knows a cookie that is random.
    fn on_hint(
        &mut self,
        now: Instant,
        sa: &mut IkeSa,
        arrival: &Arrival<'_>,
        payloads: Payloads<'_>,
    ) -> Result<(), Reject> {
        let message = clear(arrival, payloads)?;
        match (message.error(), sa.state) {
            (Some(error), State::MainSaSent | State::AggressiveSent) => {
                self.end(now, sa, Ended::Refused(error.kind));
                Ok(())
            }
            _ => Err(Reject::Integrity),
        }
    }

    fn on_notify(
        &mut self,
        now: Instant,
        sa: &mut IkeSa,
        arrival: &Arrival<'_>,
        notify: &Notify<'_>,
    ) -> Result<(), Reject> {
        let number = || notify.data.try_into().map(u32::from_be_bytes).map_err(|_| Reject::Malformed);
        match notify.kind {
            NotifyType::R_U_THERE_V1 => {
                let number = number()?;
                // RFC 3706 §6.2: the same again, for our answer may have been lost, or a later one.
                if sa.peer_probe.is_some_and(|last| number.wrapping_sub(last) > u32::MAX / 2) {
                    return Err(Reject::Hash);
                }
                if sa.peer_probe.replace(number) != Some(number) {
                    self.heard(sa, arrival);
                }
                self.probe(sa, NotifyType::R_U_THERE_ACK_V1, number);
            }
            NotifyType::R_U_THERE_ACK_V1 => {
                let number = number()?;
                if sa.probe.is_none_or(|(sent, _)| sent != number) {
                    return Err(Reject::Hash);
                }
                self.heard(sa, arrival);
            }
            kind if kind.is_error() => self.on_refusal(now, sa, notify),
            _ => {}
        }
        Ok(())
    }

    /// The peer refuses a Quick Mode: the one with this SPI, or the only one.
    fn on_refusal(&mut self, now: Instant, sa: &mut IkeSa, notify: &Notify<'_>) {
        let spi = notify.spi.try_into().map(u32::from_be_bytes).ok();
        let ours = || sa.quick.iter().filter(|(_, q)| q.state == QuickState::Sent);
        let named = ours().find(|(_, q)| Some(q.larval.spi_in) == spi);
        let only = ours().next().filter(|_| ours().count() == 1);
        let Some(message_id) = named.or(only).map(|(id, _)| *id) else { return };
        if let Some(quick) = self.give_up(sa, message_id) {
            self.event(Event::ChildRefused { ike: sa.id, tag: Some(quick.larval.tag), why: notify.kind });
            self.try_again_later(now, quick.larval.replaces);
        }
    }

    fn on_delete(&mut self, now: Instant, sa: &mut IkeSa, delete: &Delete<'_>) {
        match delete.protocol {
            ProtocolId::ESP => {
                for spi in delete.spis32() {
                    if let Some(child) = self.by_spi_out.get(&(sa.peer, spi)).copied() {
                        self.forget_child(child);
                    }
                }
            }
            ProtocolId::IKE => {
                let ours = [sa.cookie_i.to_be_bytes(), sa.cookie_r.to_be_bytes()].concat();
                if delete.spis().any(|spi| spi == ours) {
                    let replaced = self.newest(sa.peer).is_some_and(|newest| newest != sa.id);
                    self.end(now, sa, if replaced { Ended::Replaced } else { Ended::Peer });
                }
            }
            _ => {}
        }
    }

    fn probe(&mut self, sa: &IkeSa, kind: NotifyType, number: u32) {
        let (spi, data) = ([sa.cookie_i.to_be_bytes(), sa.cookie_r.to_be_bytes()].concat(), number.to_be_bytes());
        self.inform(sa, &Body::Notify(DOI_IPSEC, Notify { protocol: ProtocolId::IKE, spi: &spi, kind, data: &data }));
    }

    /// Asks a silent peer whether it is there (RFC 3706 §5.4): once in the interval of liveness, then with the time of retransmission
    /// between, until it answers or is dead.
    pub(super) fn on_liveness(&mut self, now: Instant, id: IkeSaId) {
        self.with(id, |this, sa| {
            let silent = !core::mem::take(&mut sa.heard);
            if !silent || !sa.dpd {
                sa.probe = None;
                return this.timers.set(Timer::Liveness(id), now + this.config.liveness);
            }
            let (number, tries) = match sa.probe {
                Some((_, tries)) if tries >= this.config.tries => return this.end(now, sa, Ended::Timeout),
                Some((number, tries)) => (number, tries.saturating_add(1)),
                None => {
                    sa.next_probe = sa.next_probe.wrapping_add(1);
                    (sa.next_probe, 1)
                }
            };
            sa.probe = Some((number, tries));
            this.probe(sa, NotifyType::R_U_THERE_V1, number);
            let wait = this.config.retransmit.saturating_mul(1 << u32::from(tries.min(16))).min(AGAIN);
            this.timers.set(Timer::Liveness(id), now + wait);
        });
    }

    /// Keeps a NAT open (RFC 3948 §4).
    pub(super) fn on_keepalive(&mut self, now: Instant, id: IkeSaId) {
        let Some(sa) = self.sas.get(&id).filter(|sa| sa.is_established()) else { return };
        self.outputs.push_back(Output::Datagram { from: sa.local, to: sa.remote, octets: alloc::vec![0xff] });
        self.timers.set(Timer::Keepalive(id), now + self.config.keepalive);
    }
}
