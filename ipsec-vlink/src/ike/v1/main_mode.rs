//! Main Mode with a shared key (RFC 2409 §5.4).
//!
//! ```text
//! initiator                        responder
//! SA, vendor IDs            -->
//!                           <--    SA, vendor IDs
//! KE, Ni, NAT-D             -->
//!                           <--    KE, Nr, NAT-D
//! { IDii, HASH_I }          -->
//!                           <--    { IDir, HASH_R }
//! ```
//!
//! The responder computes nothing before message 3, whose sender has shown that it is where it says it is.

use fwd_core::time::Instant;

use super::super::arrival::Arrival;
use super::super::config::PeerConfig;
use super::super::counters::Reject;
use super::super::crypto::{CryptoProvider, Digest};
use super::super::event::Ended;
use super::super::header::Header;
use super::super::payload::v1::{Body, DOI_IPSEC};
use super::super::payload::{Notify, NotifyType, PayloadType, Payloads, ProtocolId, Writer};
use super::config::Phase1;
use super::fsm::{SaEvent, transition};
use super::machine::Ike;
use super::message::Message;
use super::packet::{self, Iv};
use super::phase1::{put, put_sa, sa_body};
use super::proposal::{choose_ike, chosen_ike, ike_offer};
use super::sa::IkeSa;

impl<P: CryptoProvider> Ike<P> {
    pub(super) fn send_main_1(&mut self, now: Instant, sa: &mut IkeSa) -> Option<()> {
        let peer = self.peer(sa)?;
        let body = sa_body(&ike_offer(&peer.suites, peer.lifetime));
        let mut w = Writer::message(&sa.header(sa.phase1(), 0));
        put_sa(&mut w, &body);
        self.put_vendor_ids(&mut w, sa);
        sa.handshake.as_mut()?.sa_i = body;
        self.fly(Some(now), sa, w.finish(), None);
        Some(())
    }

    pub(super) fn on_main_1(
        &mut self,
        now: Instant,
        arrival: &Arrival<'_>,
        message: &Message<'_>,
        digest: Digest,
    ) -> Result<(), Reject> {
        let offer = message.sa.ok_or(Reject::Malformed)?;
        let peer = self.peer_at(arrival, |_: &PeerConfig, _| true).ok_or(Reject::UnknownPeer)?;
        let suites = self.peers.get(&peer).map(|with| with.peer.config.suites.clone()).unwrap_or_default();
        let Some(chosen) = choose_ike(&offer, &suites) else {
            self.refuse_first(arrival, NotifyType::NO_PROPOSAL_CHOSEN);
            return Err(Reject::Proposal);
        };
        let ends = (arrival.to, arrival.from);
        let cookie = Some(arrival.header.initiator_spi);
        let mut sa = self.blank((peer, Phase1::Main), cookie, ends, chosen.suite).map_err(|_| Reject::HalfOpen)?;
        self.take_choice(&mut sa, &chosen);
        self.note_vendor_ids(&mut sa, message);
        if let Some(handshake) = sa.handshake.as_mut() {
            handshake.sa_i = message.sa_body.to_vec();
        }
        let mut w = Writer::message(&sa.header(sa.phase1(), 0));
        put_sa(&mut w, &sa_body(&chosen.answer));
        self.put_vendor_ids(&mut w, &sa);
        self.fly(None, &mut sa, w.finish(), Some(digest));
        self.keep_half_open(now, sa, arrival);
        Ok(())
    }

    pub(super) fn on_main_2(
        &mut self,
        now: Instant,
        sa: &mut IkeSa,
        arrival: &Arrival<'_>,
        payloads: Payloads<'_>,
        digest: Digest,
    ) -> Result<(), Reject> {
        let message = clear(arrival, payloads)?;
        let suites = self.peer(sa).map(|p| p.suites.clone()).unwrap_or_default();
        let chosen = message.sa.and_then(|answer| chosen_ike(&answer, &suites)).ok_or(Reject::Proposal)?;
        if arrival.header.responder_spi == 0 {
            return Err(Reject::Malformed);
        }
        let state = transition(sa.state, SaEvent::SaAnswered).map_err(|_| Reject::MessageId)?;
        self.take_choice(sa, &chosen);
        self.note_vendor_ids(sa, &message);
        self.begin_exchange(sa).ok_or(Reject::Proposal)?;
        sa.cookie_r = arrival.header.responder_spi;
        sa.state = state;
        let packet = self.main_exchange(sa);
        self.fly(Some(now), sa, packet, Some(digest));
        Ok(())
    }

    /// Public value, nonce, and hashes of addresses: message 3 or 4.
    fn main_exchange(&self, sa: &IkeSa) -> alloc::vec::Vec<u8> {
        let mut w = Writer::message(&sa.header(sa.phase1(), 0));
        Self::put_exchange(&mut w, sa);
        self.put_nat_d(&mut w, sa);
        w.finish()
    }

    pub(super) fn on_main_3(
        &mut self,
        sa: &mut IkeSa,
        arrival: &Arrival<'_>,
        payloads: Payloads<'_>,
        digest: Digest,
    ) -> Result<(), Reject> {
        let message = clear(arrival, payloads)?;
        if message.ke.map(<[u8]>::len) != sa.suite.group.public_len() || message.good_nonce().is_none() {
            return Err(Reject::Malformed);
        }
        let state = transition(sa.state, SaEvent::KeReceived).map_err(|_| Reject::MessageId)?;
        self.begin_exchange(sa).ok_or(Reject::Proposal)?;
        self.agree(sa, &message)?;
        self.look_for_nat(sa, &message, arrival);
        sa.state = state;
        let packet = self.main_exchange(sa);
        self.fly(None, sa, packet, Some(digest));
        Ok(())
    }

    pub(super) fn on_main_4(
        &mut self,
        now: Instant,
        sa: &mut IkeSa,
        arrival: &Arrival<'_>,
        payloads: Payloads<'_>,
        digest: Digest,
    ) -> Result<(), Reject> {
        let message = clear(arrival, payloads)?;
        let state = transition(sa.state, SaEvent::KeAnswered).map_err(|_| Reject::MessageId)?;
        self.agree(sa, &message)?;
        self.look_for_nat(sa, &message, arrival);
        let packet = self.main_proof(sa, true).ok_or(Reject::Proposal)?;
        sa.state = state;
        self.fly(Some(now), sa, packet, Some(digest));
        Ok(())
    }

    /// Identity and proof, encrypted: message 5 or 6.
    fn main_proof(&mut self, sa: &mut IkeSa, contact: bool) -> Option<alloc::vec::Vec<u8>> {
        let id = self.our_id(sa);
        let hash = self.proof(sa, true, &id)?;
        let mut w = Writer::new();
        w.raw(PayloadType::ID_V1, &id);
        put(&mut w, &Body::Hash(&hash));
        if contact {
            self.put_initial_contact(&mut w, sa);
        }
        let header = sa.header(sa.phase1(), 0);
        let (first, chain) = (w.first(), w.chain());
        let keys = sa.keys.as_ref()?;
        packet::seal(&mut self.provider, (&sa.suite, keys), &mut sa.iv, &header, (first, &chain)).ok()
    }

    pub(super) fn on_main_5(
        &mut self,
        now: Instant,
        sa: &mut IkeSa,
        arrival: &Arrival<'_>,
        digest: Digest,
    ) -> Result<(), Reject> {
        let (text, next) = self.open(sa, &sa.iv, arrival.octets)?;
        let message = self.proved(sa, arrival, &text)?;
        sa.iv = next;
        // The initiator goes to the second port with this message, or through its NAT to another one.
        (sa.remote, sa.local) = (arrival.from, arrival.to);
        if !self.is_peer(sa, &message) {
            return self.refuse_identity(now, sa);
        }
        let packet = self.main_proof(sa, false).ok_or(Reject::Authentication)?;
        self.fly(None, sa, packet, Some(digest));
        self.establish(now, sa, &message);
        Ok(())
    }

    /// What is in a message with identity and proof. One that proves nothing changes nothing: anybody may have sent it.
    pub(super) fn proved<'a>(&self, sa: &IkeSa, arrival: &Arrival<'_>, text: &'a [u8]) -> Result<Message<'a>, Reject> {
        // With another key this is no chain of payloads.
        let payloads = Payloads::padded(arrival.header.next_payload, text);
        let message = Message::read(payloads, text).map_err(|_| Reject::Authentication)?;
        let (_, id) = *message.ids.first().ok_or(Reject::Authentication)?;
        self.check_proof(sa, &message, id)?;
        Ok(message)
    }

    /// The key is right and the identity is not.
    pub(super) fn refuse_identity(&mut self, now: Instant, sa: &mut IkeSa) -> Result<(), Reject> {
        let kind = NotifyType::INVALID_ID_INFORMATION_V1;
        let notify = Notify { protocol: ProtocolId::IKE, ..Notify::new(kind, &[]) };
        self.inform(sa, &Body::Notify(DOI_IPSEC, notify));
        self.end(now, sa, Ended::Failed(Reject::Authentication));
        Err(Reject::Authentication)
    }

    pub(super) fn on_main_6(&mut self, now: Instant, sa: &mut IkeSa, arrival: &Arrival<'_>) -> Result<(), Reject> {
        let iv: &Iv = &sa.iv;
        let (text, next) = self.open(sa, iv, arrival.octets)?;
        let message = self.proved(sa, arrival, &text)?;
        sa.iv = next;
        if !self.is_peer(sa, &message) {
            return self.refuse_identity(now, sa);
        }
        self.timers.clear(super::machine::Timer::Retransmit(sa.id));
        sa.flight.answers = None;
        self.establish(now, sa, &message);
        Ok(())
    }
}

/// The payloads of a message in the clear.
pub(super) fn clear<'a>(arrival: &Arrival<'a>, payloads: Payloads<'a>) -> Result<Message<'a>, Reject> {
    let rest = arrival.octets.get(Header::LEN..).unwrap_or_default();
    Message::read(payloads, rest).map_err(|_| Reject::Malformed)
}
