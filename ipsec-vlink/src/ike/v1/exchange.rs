//! Messages: which SA they are for, what is taken and what not, repetition (RFC 2408 §3.1, §5.1).

use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use fwd_core::time::Instant;

use super::super::arrival::{self, Arrival};
use super::super::child_sa::{IkeSaId, UdpEncapsulation};
use super::super::counters::Reject;
use super::super::crypto::{CryptoProvider, Digest, HashId, equal};
use super::super::event::{Ended, Event, Output};
use super::super::header::{ExchangeType, Header, HeaderFlags};
use super::super::payload::v1::Body;
use super::super::payload::{PayloadType, Payloads, Writer};
use super::fsm::{QuickEvent, QuickState, SaEvent, State, quick_transition, transition};
use super::machine::{Ike, Timer};
use super::message::Message;
use super::packet::{self, Iv, phase2_iv};
use super::sa::{IkeSa, Quick, Task};

/// The longest time between two repetitions of a message.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// How long a Quick Mode that is done is remembered: as long as the responder may repeat message 2.
const LINGER: Duration = Duration::from_secs(300);

/// How long until what failed is tried again.
pub(super) const AGAIN: Duration = Duration::from_secs(30);

impl<P: CryptoProvider> Ike<P> {
    pub(super) fn on_datagram(&mut self, now: Instant, from: SocketAddr, to: SocketAddr, octets: &[u8]) {
        let (arrival, payloads) = match arrival::read(1, self.config.ports.1, (from, to), octets) {
            Ok(Some(read)) => read,
            Ok(None) => return,
            Err(cause) => return self.reject(now, from, cause),
        };
        let header = &arrival.header;
        if !HeaderFlags::ENCRYPTION.contains(header.flags) {
            return self.reject(now, from, Reject::Exchange);
        }
        let begins = matches!(header.exchange, ExchangeType::IDENTITY_PROTECTION | ExchangeType::AGGRESSIVE);
        if begins && header.responder_spi == 0 {
            if let Err(cause) = self.on_first(now, &arrival, payloads) {
                self.reject(now, from, cause);
            }
            return;
        }
        let Some(id) = self.sa_of(header) else {
            return self.reject(now, from, Reject::UnknownSpi);
        };
        self.with(id, |this, sa| {
            let taken = match header.exchange {
                exchange if exchange == sa.phase1() => this.on_phase1(now, sa, &arrival, payloads),
                ExchangeType::QUICK_MODE if sa.is_established() => this.on_quick(now, sa, &arrival),
                ExchangeType::ISAKMP_INFORMATIONAL => this.on_informational(now, sa, &arrival, payloads),
                _ => Err(Reject::Exchange),
            };
            match taken {
                Ok(()) => this.next_exchange(now, sa),
                Err(cause) => this.reject(now, from, cause),
            }
        });
    }

    /// The SA that both cookies of a message say: which of them is ours, the header does not say.
    fn sa_of(&self, header: &Header) -> Option<IkeSaId> {
        let ours = [header.initiator_spi, header.responder_spi].into_iter();
        let mut ids = ours.filter_map(|cookie| self.by_cookie.get(&cookie).copied());
        ids.find(|id| self.sas.get(id).is_some_and(|sa| sa.has(header)))
    }

    /// What a message is known by when it comes again.
    pub(super) fn digest(&self, message: &[u8]) -> Option<Digest> {
        self.provider.hash(HashId::SHA1, &[message]).ok()
    }

    fn on_phase1(
        &mut self,
        now: Instant,
        sa: &mut IkeSa,
        arrival: &Arrival<'_>,
        payloads: Payloads<'_>,
    ) -> Result<(), Reject> {
        if arrival.header.message_id != 0 {
            return Err(Reject::MessageId);
        }
        let digest = self.digest(arrival.octets).ok_or(Reject::Malformed)?;
        if sa.flight.answered(&digest) {
            self.counters.duplicates += 1;
            self.send(sa.local, sa.remote, &sa.flight.packet);
            return Ok(());
        }
        let encrypted = arrival.header.flags.contains(HeaderFlags::ENCRYPTION);
        match (sa.state, encrypted) {
            (State::MainSaSent, false) => self.on_main_2(now, sa, arrival, payloads, digest),
            (State::MainSaReceived, false) => self.on_main_3(sa, arrival, payloads, digest),
            (State::MainKeSent, false) => self.on_main_4(now, sa, arrival, payloads, digest),
            (State::MainKeReceived, true) => self.on_main_5(now, sa, arrival, digest),
            (State::MainIdSent, true) => self.on_main_6(now, sa, arrival),
            (State::AggressiveSent, false) => self.on_aggressive_2(now, sa, arrival, payloads, digest),
            (State::AggressiveReceived, _) => self.on_aggressive_3(now, sa, arrival, payloads),
            _ => Err(Reject::MessageId),
        }
    }

    /// Sends a message of phase 1 and keeps it for repetition: when what it `answers` comes again, and, if `now` is given, until it is
    /// answered.
    pub(super) fn fly(&mut self, now: Option<Instant>, sa: &mut IkeSa, packet: Vec<u8>, answers: Option<Digest>) {
        self.send(sa.local, sa.remote, &packet);
        sa.flight = super::sa::Flight { packet, answers, tries: 1 };
        match now {
            Some(now) => self.timers.set(Timer::Retransmit(sa.id), now + self.config.retransmit),
            None => self.timers.clear(Timer::Retransmit(sa.id)),
        }
    }

    pub(super) fn send(&mut self, from: SocketAddr, to: SocketAddr, packet: &[u8]) {
        self.outputs.push_back(arrival::datagram(self.config.ports.1, from, to, packet));
    }

    /// How long to wait after so many tries.
    fn backoff(&self, tries: u8) -> Duration {
        self.config.retransmit.saturating_mul(1 << u32::from(tries.min(16))).min(LONGEST_WAIT)
    }

    pub(super) fn on_retransmit(&mut self, now: Instant, id: IkeSaId) {
        self.with(id, |this, sa| {
            if sa.flight.tries >= this.config.tries {
                return this.end(now, sa, Ended::Timeout);
            }
            let wait = this.backoff(sa.flight.tries);
            sa.flight.tries += 1;
            this.counters.retransmitted += 1;
            this.send(sa.local, sa.remote, &sa.flight.packet);
            this.timers.set(Timer::Retransmit(id), now + wait);
        });
    }

    /// A Quick Mode waits for an answer, or is done and may be forgotten.
    pub(super) fn on_quick_timer(&mut self, now: Instant, id: IkeSaId, message_id: u32) {
        self.with(id, |this, sa| {
            let Some(quick) = sa.quick.get_mut(&message_id) else {
                sa.done.remove(&message_id);
                return;
            };
            if quick.flight.tries < this.config.tries {
                let wait = this.backoff(quick.flight.tries);
                quick.flight.tries += 1;
                this.counters.retransmitted += 1;
                this.outputs.push_back(arrival::datagram(
                    this.config.ports.1,
                    sa.local,
                    sa.remote,
                    &quick.flight.packet,
                ));
                return this.timers.set(Timer::Quick(id, message_id), now + wait);
            }
            let ours = quick.state == QuickState::Sent;
            this.give_up(sa, message_id);
            if ours {
                this.end(now, sa, Ended::Timeout);
            }
        });
    }

    /// A Quick Mode comes to nothing.
    pub(super) fn give_up(&mut self, sa: &mut IkeSa, message_id: u32) -> Option<Quick> {
        let quick = sa.quick.remove(&message_id)?;
        let state = quick_transition(quick.state, QuickEvent::End).ok()?;
        self.timers.clear(Timer::Quick(sa.id, message_id));
        Some(Quick { state, ..quick })
    }

    /// A Quick Mode is done: what must be known of it to repeat its last message, or not to be taken in by a repeated first one.
    pub(super) fn finish(&mut self, now: Instant, sa: &mut IkeSa, message_id: u32, flight: super::sa::Flight) {
        self.timers.clear(Timer::Quick(sa.id, message_id));
        if sa.done.len() < self.config.children_per_peer {
            sa.done.insert(message_id, flight);
            self.timers.set(Timer::Quick(sa.id, message_id), now + LINGER);
        }
    }

    /// Begins the exchanges of the queue, as many as may be on their way.
    pub(super) fn next_exchange(&mut self, now: Instant, sa: &mut IkeSa) {
        while sa.is_established() && sa.quick.len() < self.config.exchanges_per_sa {
            let Some(Task::Create(tag, replaces)) = sa.queue.pop_front() else { return };
            self.request_child(now, sa, tag, replaces);
        }
    }

    /// The start of a chain that is hashed: a hash payload to be filled.
    pub(super) fn hash_first(sa: &IkeSa) -> Writer {
        let mut w = Writer::new();
        let zeros = [0; Digest::MAX];
        let len = sa.suite.prf.output_len().unwrap_or(0);
        w.raw(PayloadType::HASH, zeros.get(..len).unwrap_or_default());
        w
    }

    /// Fills in the hash of phase 2, over `front` and what follows it (RFC 2409 §5.5, §5.7), and seals the message.
    pub(super) fn seal_hashed(
        &mut self,
        sa: &IkeSa,
        header: &Header,
        iv: &mut Iv,
        front: &[&[u8]],
        w: Writer,
    ) -> Option<Vec<u8>> {
        let keys = sa.keys.as_ref()?;
        let first = w.first();
        let mut chain = w.chain();
        let len = sa.suite.prf.output_len()?;
        let (head, rest) = chain.split_at_mut_checked(len.checked_add(4)?)?;
        let message_id = header.message_id.to_be_bytes();
        let mut parts: smallvec::SmallVec<[&[u8]; 8]> = smallvec::SmallVec::new();
        parts.extend_from_slice(front);
        if front.is_empty() {
            parts.push(&message_id);
        }
        parts.push(rest);
        let hash = self.provider.prf(sa.suite.prf, &keys.a, &parts).ok()?;
        drop(parts);
        head.get_mut(4..)?.copy_from_slice(&hash);
        packet::seal(&mut self.provider, (&sa.suite, keys), iv, header, (first, &chain)).ok()
    }

    /// Decrypts a message of phase 2.
    pub(super) fn open(&mut self, sa: &IkeSa, iv: &Iv, octets: &[u8]) -> Result<(Vec<u8>, Iv), Reject> {
        let keys = sa.keys.as_ref().ok_or(Reject::UnknownSpi)?;
        packet::open(&mut self.provider, (&sa.suite, keys), iv, octets).map_err(|_| Reject::Integrity)
    }

    /// The first vector of an exchange of phase 2.
    pub(super) fn iv(&self, sa: &IkeSa, message_id: u32) -> Result<Iv, Reject> {
        phase2_iv(&self.provider, &sa.suite, &sa.iv, message_id).map_err(|_| Reject::Integrity)
    }

    /// Whether the hash of phase 2 is that of the peer, over `front` and what follows it.
    pub(super) fn is_hashed(&self, sa: &IkeSa, message: &Message<'_>, front: &[&[u8]]) -> Result<(), Reject> {
        let (Some(hash), Some(rest), Some(keys)) = (message.hash, message.hashed, sa.keys.as_ref()) else {
            return Err(Reject::Hash);
        };
        let mut parts: smallvec::SmallVec<[&[u8]; 8]> = smallvec::SmallVec::from_slice(front);
        parts.push(rest);
        let wanted = self.provider.prf(sa.suite.prf, &keys.a, &parts).map_err(|_| Reject::Hash)?;
        if equal(hash, &wanted) { Ok(()) } else { Err(Reject::Hash) }
    }

    /// Sends a message that is not answered (RFC 2409 §5.7).
    pub(super) fn inform(&mut self, sa: &IkeSa, body: &Body<'_>) {
        let message_id = self.message_id(sa);
        let header = sa.header(ExchangeType::ISAKMP_INFORMATIONAL, message_id);
        let mut w = Self::hash_first(sa);
        w.put(body.kind(), false, |out| body.emit(out));
        let Ok(mut iv) = self.iv(sa, message_id) else { return };
        if let Some(packet) = self.seal_hashed(sa, &header, &mut iv, &[], w) {
            self.send(sa.local, sa.remote, &packet);
        }
    }

    /// A message ID that is not in use.
    pub(super) fn message_id(&mut self, sa: &IkeSa) -> u32 {
        loop {
            let mut octets = [0; 4];
            self.provider.random(&mut octets);
            let id = u32::from_be_bytes(octets);
            if id != 0 && !sa.quick.contains_key(&id) && !sa.done.contains_key(&id) {
                return id;
            }
        }
    }

    /// A message has proved that it is the peer's: it is there, and, behind a NAT, here (RFC 3947 §6).
    pub(super) fn heard(&mut self, sa: &mut IkeSa, arrival: &Arrival<'_>) {
        sa.heard = true;
        sa.probe = None;
        if (arrival.from, arrival.to) == (sa.remote, sa.local) || !sa.peer_behind_nat {
            return;
        }
        (sa.remote, sa.local) = (arrival.from, arrival.to);
        self.event(Event::Moved(sa.id, sa.remote));
        let moved = UdpEncapsulation { local: sa.local, remote: sa.remote };
        for child in self.peers.get(&sa.peer).into_iter().flat_map(|with| &with.children) {
            self.outputs.push_back(Output::Move(*child, moved));
        }
    }

    /// Ends an SA. What it was to ask, another one with the peer asks; without another one the IPsec SAs end too.
    pub(super) fn end(&mut self, now: Instant, sa: &mut IkeSa, why: Ended) {
        let Ok(state) = transition(sa.state, SaEvent::End) else { return };
        self.close_half(sa);
        let was_established = sa.is_established();
        sa.state = state;
        self.by_cookie.remove(&sa.cookie_ours());
        for timer in
            [Timer::Retransmit, Timer::HalfOpen, Timer::Liveness, Timer::Keepalive, Timer::Replace, Timer::Expire]
        {
            self.timers.clear(timer(sa.id));
        }
        for message_id in sa.quick.keys().chain(sa.done.keys()) {
            self.timers.clear(Timer::Quick(sa.id, *message_id));
        }
        let old = sa.handshake.take().and_then(|h| h.replaces).filter(|id| self.sas.contains_key(id));
        if let Some(old) = old {
            self.timers.set(Timer::Replace(old), now + AGAIN);
        }
        if was_established {
            self.leave(now, sa);
        }
        // Of those that made room for others, one event a second tells.
        if why != Ended::Failed(Reject::HalfOpen) {
            self.event(Event::Closed(sa.id, sa.peer, why));
        }
    }

    fn leave(&mut self, now: Instant, sa: &mut IkeSa) {
        let Some(with) = self.peers.get_mut(&sa.peer) else { return };
        with.sas.remove(&sa.id);
        let Some(other) = with.sas.last().copied() else {
            for child in with.children.clone() {
                self.forget_child(child);
            }
            return;
        };
        for task in unfinished(sa) {
            self.ask(now, other, task);
        }
    }

    /// A half-open SA is that no longer.
    pub(super) fn close_half(&mut self, sa: &IkeSa) {
        if !self.half_open.remove(&sa.id) {
            return;
        }
        self.timers.clear(Timer::HalfOpen(sa.id));
        let Some(source) = sa.handshake.as_ref().map(|h| h.source) else { return };
        self.by_initiator.remove(&(source, sa.cookie_i));
        if let hashbrown::hash_map::Entry::Occupied(mut of_source) = self.half_open_by_source.entry(source.ip()) {
            of_source.get_mut().remove(&sa.id);
            if of_source.get().is_empty() {
                of_source.remove();
            }
        }
    }
}

/// What an SA was asking, and was to ask.
pub(super) fn unfinished(sa: &mut IkeSa) -> Vec<Task> {
    let begun = core::mem::take(&mut sa.quick).into_values().filter(|q| q.state == QuickState::Sent);
    let begun = begun.map(|q| Task::Create(q.larval.tag, q.larval.replaces));
    begun.chain(core::mem::take(&mut sa.queue)).collect()
}
