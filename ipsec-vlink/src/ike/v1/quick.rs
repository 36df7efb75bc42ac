//! Quick Mode: IPsec SAs asked for and answered (RFC 2409 §5.5, RFC 2407 §4.5, RFC 3947 §5).
//!
//! ```text
//! initiator                                            responder
//! { HASH(1), SA, Ni, [KE,] IDci, IDcr, [context] } -->
//!                              <--  { HASH(2), SA, Nr, [KE,] IDci, IDcr, [N(RESPONDER-LIFETIME),] [context] }
//! { HASH(3) }                                      -->
//! ```
//!
//! The responder installs with message 3, which shows that message 1 was no repetition of an old one.

use alloc::vec::Vec;
use core::net::SocketAddr;

use fwd_core::time::Instant;

use super::super::arrival::Arrival;
use super::super::child_sa::{ChildSaId, Mode};
use super::super::config::ChildConfig;
use super::super::context::VpnContext;
use super::super::counters::Reject;
use super::super::crypto::{CryptoProvider, Secret};
use super::super::event::Event;
use super::super::fresh;
use super::super::header::{ExchangeType, HeaderFlags};
use super::super::payload::v1::{Body, DOI_IPSEC, address_id};
use super::super::payload::{Identification, Notify, NotifyType, PayloadType, Payloads, ProtocolId, Writer};
use super::super::selector::TrafficSelector;
use super::fsm::{QuickEvent, QuickState, quick_transition};
use super::machine::{Ike, Timer};
use super::message::Message;
use super::packet::Iv;
use super::phase1::{put, put_sa, sa_body};
use super::proposal::{Wanted, choose_esp, chosen_esp, esp_offer, lifetime_attributes, said_lifetime};
use super::sa::{Flight, IkeSa, Larval, Quick};
use super::selector;

fn wanted(config: &ChildConfig, sa: &IkeSa) -> Wanted {
    Wanted { mode: config.mode, udp: sa.encapsulate, group: config.group, lifetime: config.lifetime }
}

/// The selectors in a message of the initiator, the initiator's first; those of the systems themselves where nothing is said. In transport
/// mode packets have the addresses that a NAT gave them, and selectors those that NAT-OA says (RFC 3947 §5.2): they are made to agree.
fn selectors(sa: &IkeSa, message: &Message<'_>, mode: Mode) -> Option<(TrafficSelector, TrafficSelector)> {
    match &message.ids[..] {
        [] => {
            let (ours, theirs) = (TrafficSelector::host(sa.local.ip()), TrafficSelector::host(sa.remote.ip()));
            Some((theirs, ours))
        }
        [(i, _), (r, _)] => {
            let both = (selector::of(i)?, selector::of(r)?);
            let [at_i, at_r] = &message.nat_oa[..] else { return Some(both) };
            if mode != Mode::Transport || !sa.encapsulate {
                return Some(both);
            }
            let seen = |ts: TrafficSelector, said: &Identification<'_>, at: SocketAddr| {
                if said.addresses() == Some(ts.addresses()) { ts.of_host_seen_as(at.ip()) } else { ts }
            };
            Some((seen(both.0, at_i, sa.remote), seen(both.1, at_r, sa.local)))
        }
        _ => None,
    }
}

/// The selector of ours, or what is left of it, if that is allowed.
fn narrowed(config: &ChildConfig, ours: &[TrafficSelector], theirs: TrafficSelector) -> Option<TrafficSelector> {
    let ours = ours.first()?;
    let is_part = config.narrowing && ours.intersection(&theirs) == Some(theirs);
    (*ours == theirs || is_part).then_some(theirs)
}

impl<P: CryptoProvider> Ike<P> {
    /// A fresh SPI for packets received (RFC 4303 §2.1: above 255).
    fn new_spi(&mut self) -> u32 {
        fresh::esp_spi(&mut self.provider, |spi| self.by_spi_in.contains_key(spi))
    }

    /// Begins a Quick Mode.
    pub(super) fn request_child(&mut self, now: Instant, sa: &mut IkeSa, tag: u32, replaces: Option<ChildSaId>) {
        let Some(config) = self.peers.get(&sa.peer).and_then(|with| with.peer.child(tag)).cloned() else { return };
        let dh = config.group.map(|group| self.provider.dh_begin(group));
        let (Ok(dh), [local], [remote], Some(suite)) =
            (dh.transpose(), &config.local[..], &config.remote[..], config.suites.first())
        else {
            return;
        };
        let larval = Larval {
            tag,
            replaces,
            spi_in: self.new_spi(),
            spi_out: 0,
            nonce_i: self.nonce(),
            nonce_r: Vec::new(),
            dh,
            shared: None,
            suite: *suite,
            lifetime: config.lifetime,
            local: *local,
            remote: *remote,
            context: None,
        };
        let mut w = Self::hash_first(sa);
        put_sa(&mut w, &sa_body(&esp_offer(&config.suites, &wanted(&config, sa), larval.spi_in)));
        put(&mut w, &Body::Nonce(&larval.nonce_i));
        if let Some(dh) = &larval.dh {
            put(&mut w, &Body::Ke(&dh.public));
        }
        for id in [local, remote].into_iter().filter_map(selector::identification) {
            put(&mut w, &Body::Id(id.payload()));
        }
        Self::put_original_addresses(&mut w, sa, config.mode, true);
        Self::put_context(&mut w, sa, config.context.as_ref());
        let message_id = self.message_id(sa);
        let Ok(mut iv) = self.iv(sa, message_id) else { return };
        let header = sa.header(ExchangeType::QUICK_MODE, message_id);
        let Some(packet) = self.seal_hashed(sa, &header, &mut iv, &[], w) else { return };
        self.send(sa.local, sa.remote, &packet);
        let flight = Flight { packet, answers: None, tries: 1 };
        sa.quick.insert(message_id, Quick { state: QuickState::Sent, iv, flight, larval });
        self.timers.set(Timer::Quick(sa.id, message_id), now + self.config.retransmit);
    }

    /// Says both addresses as they are here, those of who asked first, for transport mode through a NAT (RFC 3947 §5.2).
    fn put_original_addresses(w: &mut Writer, sa: &IkeSa, mode: Mode, asked: bool) {
        if mode != Mode::Transport || !sa.encapsulate {
            return;
        }
        let (i, r) = if asked { (sa.local, sa.remote) } else { (sa.remote, sa.local) };
        for at in [i, r] {
            let (kind, octets) = address_id(at.ip());
            put(w, &Body::NatOa(Identification::new(kind, &octets)));
        }
    }

    /// Says the VPN context, to a peer that knows what it is.
    fn put_context(w: &mut Writer, sa: &IkeSa, context: Option<&VpnContext>) {
        if let Some(context) = context.filter(|_| sa.vpn_context) {
            w.put(PayloadType::VPN_CONTEXT_V1, false, |out| context.emit(out));
        }
    }

    pub(super) fn on_quick(&mut self, now: Instant, sa: &mut IkeSa, arrival: &Arrival<'_>) -> Result<(), Reject> {
        let message_id = arrival.header.message_id;
        if message_id == 0 || !arrival.header.flags.contains(HeaderFlags::ENCRYPTION) {
            return Err(Reject::Malformed);
        }
        let digest = self.digest(arrival.octets).ok_or(Reject::Malformed)?;
        let known = sa.quick.get(&message_id).map(|q| &q.flight).or_else(|| sa.done.get(&message_id));
        if let Some(flight) = known.filter(|flight| flight.answered(&digest)) {
            self.counters.duplicates += 1;
            if !flight.packet.is_empty() {
                self.send(sa.local, sa.remote, &flight.packet);
            }
            return Ok(());
        }
        if sa.done.contains_key(&message_id) {
            return Err(Reject::Hash);
        }
        let quick = sa.quick.get(&message_id);
        let iv: Iv = match quick {
            Some(quick) => quick.iv.clone(),
            None => self.iv(sa, message_id)?,
        };
        let (text, next) = self.open(sa, &iv, arrival.octets)?;
        let payloads = Payloads::padded(arrival.header.next_payload, &text);
        let message = Message::read(payloads, &text).map_err(|_| Reject::Integrity)?;
        let id = message_id.to_be_bytes();
        match quick.map(|q| (q.state, &q.larval)) {
            None => self.is_hashed(sa, &message, &[&id])?,
            Some((QuickState::Sent, larval)) => self.is_hashed(sa, &message, &[&id, &larval.nonce_i])?,
            Some((QuickState::Received, l)) => self.is_hashed(sa, &message, &[&[0], &id, &l.nonce_i, &l.nonce_r])?,
            Some(_) => return Err(Reject::MessageId),
        }
        self.heard(sa, arrival);
        match sa.quick.get(&message_id).map(|q| q.state) {
            None => self.on_quick_1(now, sa, &message, message_id, next, digest),
            Some(QuickState::Sent) => self.on_quick_2(now, sa, &message, message_id, next, digest),
            Some(_) => self.on_quick_3(now, sa, message_id, digest),
        }
        Ok(())
    }

    fn on_quick_1(
        &mut self,
        now: Instant,
        sa: &mut IkeSa,
        message: &Message<'_>,
        message_id: u32,
        iv: Iv,
        digest: super::super::crypto::Digest,
    ) {
        match self.answer_child(sa, message, message_id, iv) {
            Ok((packet, iv, larval)) => {
                self.send(sa.local, sa.remote, &packet);
                let flight = Flight { packet, answers: Some(digest), tries: 1 };
                sa.quick.insert(message_id, Quick { state: QuickState::Received, iv, flight, larval });
                self.timers.set(Timer::Quick(sa.id, message_id), now + self.config.retransmit);
            }
            Err(kind) => {
                // RFC 2407 §4.6.3: with the SPI of the offer, by which the initiator knows which one is meant.
                let spi = message.sa.and_then(|sa| sa.proposals().next()).map(|p| p.spi).unwrap_or_default();
                let notify = Notify { protocol: ProtocolId::ESP, spi, kind, data: &[] };
                self.inform(sa, &Body::Notify(DOI_IPSEC, notify));
                self.event(Event::ChildRefused { ike: sa.id, tag: None, why: kind });
            }
        }
    }

    /// The child that a request is for, and its selectors, ours first.
    fn child_asked_for(
        &self,
        sa: &IkeSa,
        message: &Message<'_>,
    ) -> Result<(ChildConfig, TrafficSelector, TrafficSelector), NotifyType> {
        let offer = message.sa.ok_or(NotifyType::PAYLOAD_MALFORMED_V1)?;
        let with = self.peers.get(&sa.peer).ok_or(NotifyType::INVALID_ID_INFORMATION_V1)?;
        let fits = |config: &ChildConfig| {
            let said = selectors(sa, message, config.mode);
            let (theirs, ours) = said.ok_or(NotifyType::INVALID_ID_INFORMATION_V1)?;
            let both = narrowed(config, &config.local, ours).zip(narrowed(config, &config.remote, theirs));
            let (local, remote) = both.ok_or(NotifyType::INVALID_ID_INFORMATION_V1)?;
            match choose_esp(&offer, &config.suites, &wanted(config, sa)) {
                Some(_) => Ok((config.clone(), local, remote)),
                None => Err(NotifyType::NO_PROPOSAL_CHOSEN),
            }
        };
        if let Some(record) = message.context.filter(|_| sa.vpn_context) {
            let context = VpnContext::parse(record).map_err(|_| NotifyType::PAYLOAD_MALFORMED_V1)?;
            return with.peer.child_of(&context).ok_or(NotifyType::INVALID_ID_INFORMATION_V1).and_then(fits);
        }
        let mut why = NotifyType::INVALID_ID_INFORMATION_V1;
        let mut found = None;
        for config in with.peer.config.children.iter().filter(|c| c.context.is_none()) {
            match fits(config) {
                // Of children that are alike, one that is not there yet.
                Ok(fitting) if !self.is_there(sa, config.tag) => return Ok(fitting),
                Ok(fitting) => _ = found.get_or_insert(fitting),
                Err(NotifyType::NO_PROPOSAL_CHOSEN) => why = NotifyType::NO_PROPOSAL_CHOSEN,
                Err(_) => {}
            }
        }
        found.ok_or(why)
    }

    /// Message 2, and what message 3 will make an IPsec SA of.
    fn answer_child(
        &mut self,
        sa: &IkeSa,
        message: &Message<'_>,
        message_id: u32,
        mut iv: Iv,
    ) -> Result<(Vec<u8>, Iv, Larval), NotifyType> {
        let there = self.peers.get(&sa.peer).map_or(0, |with| with.children.len());
        if there >= self.config.children_per_peer || sa.quick.len() >= self.config.exchanges_per_sa {
            return Err(NotifyType::NO_PROPOSAL_CHOSEN);
        }
        let (config, local, remote) = self.child_asked_for(sa, message)?;
        let (Some(offer), Some(nonce_i)) = (message.sa, message.good_nonce()) else {
            return Err(NotifyType::PAYLOAD_MALFORMED_V1);
        };
        let chosen = choose_esp(&offer, &config.suites, &wanted(&config, sa));
        let (mut chosen, spi_out) = chosen.ok_or(NotifyType::NO_PROPOSAL_CHOSEN)?;
        let (public, shared) = self.exchange(&config, message)?;
        let (spi_in, nonce_r) = (self.new_spi(), self.nonce());
        chosen.answer.spi = smallvec::SmallVec::from_slice(&spi_in.to_be_bytes());
        let mut w = Self::hash_first(sa);
        put_sa(&mut w, &sa_body(&chosen.answer));
        put(&mut w, &Body::Nonce(&nonce_r));
        if let Some(public) = &public {
            put(&mut w, &Body::Ke(public));
        }
        for (_, body) in &message.ids {
            w.raw(PayloadType::ID_V1, body);
        }
        Self::put_original_addresses(&mut w, sa, config.mode, false);
        let theirs = chosen.lifetime.unwrap_or(config.lifetime);
        if config.lifetime < theirs {
            let (spi, data) = (spi_in.to_be_bytes(), lifetime_attributes(config.lifetime));
            let kind = NotifyType::RESPONDER_LIFETIME_V1;
            put(&mut w, &Body::Notify(DOI_IPSEC, Notify { protocol: ProtocolId::ESP, spi: &spi, kind, data: &data }));
        }
        Self::put_context(&mut w, sa, config.context.as_ref());
        let header = sa.header(ExchangeType::QUICK_MODE, message_id);
        let front: [&[u8]; 2] = [&message_id.to_be_bytes(), nonce_i];
        let packet = self.seal_hashed(sa, &header, &mut iv, &front, w).ok_or(NotifyType::NO_PROPOSAL_CHOSEN)?;
        let larval = Larval {
            tag: config.tag,
            replaces: None,
            spi_in,
            spi_out,
            nonce_i: nonce_i.to_vec(),
            nonce_r,
            dh: None,
            shared,
            suite: chosen.suite,
            lifetime: config.lifetime.min(theirs),
            local,
            remote,
            context: config.context.filter(|_| sa.vpn_context),
        };
        Ok((packet, iv, larval))
    }

    /// Both halves of a new exchange, where there is one: our public value, and what is shared.
    fn exchange(
        &mut self,
        config: &ChildConfig,
        message: &Message<'_>,
    ) -> Result<(Option<Vec<u8>>, Option<Secret>), NotifyType> {
        let Some(group) = config.group else { return Ok((None, None)) };
        let public = message.ke.ok_or(NotifyType::PAYLOAD_MALFORMED_V1)?;
        let dh = self.provider.dh_begin(group).map_err(|_| NotifyType::NO_PROPOSAL_CHOSEN)?;
        let shared = self.provider.dh_agree(&dh, public).map_err(|_| NotifyType::PAYLOAD_MALFORMED_V1)?;
        Ok((Some(dh.public), Some(shared)))
    }

    fn on_quick_2(
        &mut self,
        now: Instant,
        sa: &mut IkeSa,
        message: &Message<'_>,
        message_id: u32,
        mut iv: Iv,
        digest: super::super::crypto::Digest,
    ) {
        let Some(mut quick) = sa.quick.remove(&message_id) else { return };
        self.timers.clear(Timer::Quick(sa.id, message_id));
        let larval = &mut quick.larval;
        let Ok(state) = quick_transition(quick.state, QuickEvent::Answered) else { return };
        if let Err(event) = self.take_answer(sa, message, larval) {
            self.event(event);
            return self.try_again_later(now, larval.replaces);
        }
        quick.state = state;
        let header = sa.header(ExchangeType::QUICK_MODE, message_id);
        let id = message_id.to_be_bytes();
        let w = Self::hash_first(sa);
        let front: [&[u8]; 4] = [&[0], &id, &larval.nonce_i, &larval.nonce_r];
        let Some(packet) = self.seal_hashed(sa, &header, &mut iv, &front, w) else { return };
        self.send(sa.local, sa.remote, &packet);
        self.finish(now, sa, message_id, Flight { packet, answers: Some(digest), tries: 1 });
        self.install(now, sa, quick.larval, true);
    }

    /// Takes what the responder has chosen into a larval SA, or says what happened.
    fn take_answer(&mut self, sa: &IkeSa, message: &Message<'_>, larval: &mut Larval) -> Result<(), Event> {
        let refused = |why| Event::ChildRefused { ike: sa.id, tag: Some(larval.tag), why };
        let config = self.peers.get(&sa.peer).and_then(|with| with.peer.child(larval.tag)).cloned();
        let (Some(config), Some(answer), Some(nonce)) = (config, message.sa, message.good_nonce()) else {
            return Err(refused(NotifyType::PAYLOAD_MALFORMED_V1));
        };
        let (chosen, spi_out) = chosen_esp(&answer, &config.suites, &wanted(&config, sa))
            .ok_or_else(|| refused(NotifyType::NO_PROPOSAL_CHOSEN))?;
        // RFC 2409 §5.5: the identities come back as they went; a peer that leaves them out means the same.
        let same = match &message.ids[..] {
            [] => true,
            [(i, _), (r, _)] => selector::of(i) == Some(larval.local) && selector::of(r) == Some(larval.remote),
            _ => false,
        };
        if !same {
            return Err(refused(NotifyType::INVALID_ID_INFORMATION_V1));
        }
        let said = message.context.and_then(|record| VpnContext::parse(record).ok());
        if config.context.is_some() && (said != config.context || !sa.vpn_context) {
            return Err(Event::NoContext { ike: sa.id, tag: larval.tag });
        }
        let shared = match (&larval.dh, message.ke) {
            (None, _) => Ok(None),
            (Some(dh), Some(public)) => self.provider.dh_agree(dh, public).map(Some),
            (Some(_), None) => return Err(refused(NotifyType::PAYLOAD_MALFORMED_V1)),
        };
        larval.shared = shared.map_err(|_| refused(NotifyType::PAYLOAD_MALFORMED_V1))?;
        let said = message.notifies.iter().find(|n| n.kind == NotifyType::RESPONDER_LIFETIME_V1);
        let lifetime = said.and_then(|n| said_lifetime(n.data)).map_or(larval.lifetime, |l| l.min(larval.lifetime));
        larval.lifetime = lifetime.max(core::time::Duration::from_secs(2));
        (larval.suite, larval.spi_out) = (chosen.suite, spi_out);
        larval.nonce_r = nonce.to_vec();
        larval.context = config.context;
        Ok(())
    }

    fn on_quick_3(&mut self, now: Instant, sa: &mut IkeSa, message_id: u32, digest: super::super::crypto::Digest) {
        let Some(quick) = sa.quick.remove(&message_id) else { return };
        if quick_transition(quick.state, QuickEvent::Confirmed).is_err() {
            return;
        }
        self.finish(now, sa, message_id, Flight { packet: Vec::new(), answers: Some(digest), tries: 1 });
        self.install(now, sa, quick.larval, false);
    }
}
