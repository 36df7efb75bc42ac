//! Aggressive Mode with a shared key (RFC 2409 §5.4), refused but from peers that are configured for it.
//!
//! ```text
//! initiator                               responder
//! SA, KE, Ni, IDii, vendor IDs     -->
//!                                  <--    SA, KE, Nr, IDir, HASH_R, vendor IDs, NAT-D
//! { HASH_I, NAT-D }                -->
//! ```

use fwd_core::time::Instant;

use super::super::arrival::Arrival;
use super::super::config::IkeSuite;
use super::super::counters::Reject;
use super::super::crypto::{CryptoProvider, Digest};
use super::super::header::{Header, HeaderFlags};
use super::super::payload::v1::Body;
use super::super::payload::{NotifyType, PayloadType, Payloads, Writer};
use super::config::Phase1;
use super::machine::{Ike, Timer};
use super::main_mode::clear;
use super::message::Message;
use super::packet;
use super::phase1::{put, put_sa, sa_body};
use super::proposal::{choose_ike, chosen_ike, ike_offer};
use super::sa::IkeSa;

impl<P: CryptoProvider> Ike<P> {
    /// The suites that go with the public value of message 1: those with the group of the first.
    fn aggressive_suites(&self, sa: &IkeSa) -> alloc::vec::Vec<IkeSuite> {
        let suites = self.peer(sa).map(|p| p.suites.clone()).unwrap_or_default();
        let group = suites.first().map(|s| s.group);
        suites.into_iter().filter(|s| Some(s.group) == group).collect()
    }

    pub(super) fn send_aggressive_1(&mut self, now: Instant, sa: &mut IkeSa) -> Option<()> {
        let lifetime = self.peer(sa)?.lifetime;
        let body = sa_body(&ike_offer(&self.aggressive_suites(sa), lifetime));
        self.begin_exchange(sa)?;
        let mut w = Writer::message(&sa.header(sa.phase1(), 0));
        put_sa(&mut w, &body);
        Self::put_exchange(&mut w, sa);
        w.raw(PayloadType::ID_V1, &self.our_id(sa));
        self.put_vendor_ids(&mut w, sa);
        sa.handshake.as_mut()?.sa_i = body;
        self.fly(Some(now), sa, w.finish(), None);
        Some(())
    }

    pub(super) fn on_aggressive_1(
        &mut self,
        now: Instant,
        arrival: &Arrival<'_>,
        message: &Message<'_>,
        digest: Digest,
    ) -> Result<(), Reject> {
        let (Some(offer), Some(ke), Some(_)) = (message.sa, message.ke, message.good_nonce()) else {
            return Err(Reject::Malformed);
        };
        let (id, id_body) = *message.ids.first().ok_or(Reject::Malformed)?;
        let fits = |p: &super::super::config::PeerConfig, mode| mode == Phase1::Aggressive && p.remote_id.is(&id);
        let peer = self.peer_at(arrival, fits).ok_or(Reject::UnknownPeer)?;
        let suites = self.peers.get(&peer).map(|with| with.peer.config.suites.clone()).unwrap_or_default();
        let chosen = choose_ike(&offer, &suites).filter(|c| c.suite.group.public_len() == Some(ke.len()));
        let Some(chosen) = chosen else {
            self.refuse_first(arrival, NotifyType::NO_PROPOSAL_CHOSEN);
            return Err(Reject::Proposal);
        };
        let (ends, cookie) = ((arrival.to, arrival.from), Some(arrival.header.initiator_spi));
        let sa = self.blank((peer, Phase1::Aggressive), cookie, ends, chosen.suite);
        let mut sa = sa.map_err(|_| Reject::HalfOpen)?;
        self.take_choice(&mut sa, &chosen);
        self.note_vendor_ids(&mut sa, message);
        if let Some(handshake) = sa.handshake.as_mut() {
            handshake.sa_i = message.sa_body.to_vec();
            handshake.id_theirs = id_body.to_vec();
        }
        let packet = match self.answer_aggressive(&mut sa, message, &sa_body(&chosen.answer)) {
            Ok(packet) => packet,
            Err(cause) => {
                self.by_cookie.remove(&sa.cookie_r);
                return Err(cause);
            }
        };
        self.fly(Some(now), &mut sa, packet, Some(digest));
        self.keep_half_open(now, sa, arrival);
        Ok(())
    }

    /// Message 2.
    fn answer_aggressive(
        &mut self,
        sa: &mut IkeSa,
        message: &Message<'_>,
        answer: &[u8],
    ) -> Result<alloc::vec::Vec<u8>, Reject> {
        self.begin_exchange(sa).ok_or(Reject::Proposal)?;
        self.agree(sa, message)?;
        let id = self.our_id(sa);
        let hash = self.proof(sa, true, &id).ok_or(Reject::Proposal)?;
        let mut w = Writer::message(&sa.header(sa.phase1(), 0));
        put_sa(&mut w, answer);
        Self::put_exchange(&mut w, sa);
        w.raw(PayloadType::ID_V1, &id);
        put(&mut w, &Body::Hash(&hash));
        self.put_vendor_ids(&mut w, sa);
        self.put_nat_d(&mut w, sa);
        Ok(w.finish())
    }

    pub(super) fn on_aggressive_2(
        &mut self,
        now: Instant,
        sa: &mut IkeSa,
        arrival: &Arrival<'_>,
        payloads: Payloads<'_>,
        digest: Digest,
    ) -> Result<(), Reject> {
        let message = clear(arrival, payloads)?;
        let chosen = message.sa.and_then(|answer| chosen_ike(&answer, &self.aggressive_suites(sa)));
        let chosen = chosen.ok_or(Reject::Proposal)?;
        let (_, id) = *message.ids.first().ok_or(Reject::Malformed)?;
        // Until the proof is seen to be right, nothing of the message counts: ours may still be answered by the peer itself.
        let (suite, cookie_r, dh) = (sa.suite, sa.cookie_r, sa.handshake.as_ref().and_then(|h| h.dh.clone()));
        sa.suite = chosen.suite;
        sa.cookie_r = arrival.header.responder_spi;
        let proved = match self.agree(sa, &message) {
            Ok(()) => self.check_proof(sa, &message, id),
            Err(cause) => Err(cause),
        };
        if let Err(cause) = proved {
            (sa.suite, sa.cookie_r, sa.keys) = (suite, cookie_r, None);
            if let Some(handshake) = sa.handshake.as_mut() {
                handshake.dh = dh;
            }
            return Err(cause);
        }
        self.take_choice(sa, &chosen);
        self.note_vendor_ids(sa, &message);
        if !self.is_peer(sa, &message) {
            return self.refuse_identity(now, sa);
        }
        let mut hashes = Writer::new();
        let ours = self.our_id(sa);
        let hash = self.proof(sa, true, &ours).ok_or(Reject::Proposal)?;
        put(&mut hashes, &Body::Hash(&hash));
        self.look_for_nat(sa, &message, arrival);
        self.put_nat_d(&mut hashes, sa);
        self.put_initial_contact(&mut hashes, sa);
        let header = sa.header(sa.phase1(), 0);
        let (first, chain) = (hashes.first(), hashes.chain());
        let keys = sa.keys.as_ref().ok_or(Reject::Proposal)?;
        let sealed = packet::seal(&mut self.provider, (&sa.suite, keys), &mut sa.iv, &header, (first, &chain));
        self.fly(None, sa, sealed.map_err(|_| Reject::Proposal)?, Some(digest));
        self.establish(now, sa, &message);
        Ok(())
    }

    pub(super) fn on_aggressive_3(
        &mut self,
        now: Instant,
        sa: &mut IkeSa,
        arrival: &Arrival<'_>,
        payloads: Payloads<'_>,
    ) -> Result<(), Reject> {
        // RFC 2409 §5.4: it may come in the clear.
        let encrypted = arrival.header.flags.contains(HeaderFlags::ENCRYPTION);
        let (text, next) = if encrypted {
            self.open(sa, &sa.iv, arrival.octets)?
        } else {
            (arrival.octets.get(Header::LEN..).unwrap_or_default().to_vec(), sa.iv.clone())
        };
        let payloads = if encrypted { Payloads::padded(arrival.header.next_payload, &text) } else { payloads };
        let octets = if encrypted { &text } else { arrival.octets.get(Header::LEN..).unwrap_or_default() };
        let message = Message::read(payloads, octets).map_err(|_| Reject::Authentication)?;
        // The identity is that of message 1, by which the peer was found.
        let id = sa.handshake.as_ref().map(|h| h.id_theirs.clone()).ok_or(Reject::MessageId)?;
        self.check_proof(sa, &message, &id)?;
        sa.iv = next;
        self.look_for_nat(sa, &message, arrival);
        (sa.remote, sa.local) = (arrival.from, arrival.to);
        self.timers.clear(Timer::Retransmit(sa.id));
        self.establish(now, sa, &message);
        Ok(())
    }
}
