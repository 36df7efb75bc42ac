//! Requests and responses: numbers, repetition, what is taken and what is not (RFC 7296 §2.1–§2.3, §2.21).

use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use fwd_core::time::Instant;

use super::super::arrival::{self, Arrival};
use super::super::child_sa::{ChildSaId, IkeSaId};
use super::super::config::PeerId;
use super::super::counters::Reject;
use super::super::crypto::CryptoProvider;
use super::super::event::{Ended, Event};
use super::super::header::{ExchangeType, Header};
use super::super::payload::v2::Body;
use super::super::payload::{Notify, NotifyType, Payload, PayloadType, Payloads, ProtocolId, Writer};
use super::channel::Fragments;
use super::fsm::{SaEvent, State, transition};
use super::machine::{Ike, Timer};
use super::message::Message;
use super::sa::{IkeSa, Outstanding, Request, Task};

/// The longest time between two repetitions of a request.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

impl<P: CryptoProvider> Ike<P> {
    pub(super) fn on_datagram(&mut self, now: Instant, from: SocketAddr, to: SocketAddr, octets: &[u8]) {
        let (arrival, payloads) = match arrival::read(2, self.config.ports.1, (from, to), octets) {
            Ok(Some(read)) => read,
            Ok(None) => return,
            Err(cause) => return self.reject(now, from, cause),
        };
        let header = &arrival.header;
        if header.exchange == ExchangeType::IKE_SA_INIT && !header.is_response() {
            return self.on_init_request(now, &arrival, payloads);
        }
        if header.exchange == ExchangeType::IKE_SESSION_RESUME && !header.is_response() {
            return self.on_resume_request(now, &arrival, payloads);
        }
        let ours = if header.from_initiator() { header.responder_spi } else { header.initiator_spi };
        let Some(&id) = self.by_spi.get(&ours) else {
            return self.reject(now, from, Reject::UnknownSpi);
        };
        self.with(id, |this, sa| {
            if let Err(cause) = this.on_message(now, sa, &arrival, payloads) {
                this.reject(now, from, cause);
            }
        });
    }

    fn on_message(
        &mut self,
        now: Instant,
        sa: &mut IkeSa,
        arrival: &Arrival<'_>,
        payloads: Payloads<'_>,
    ) -> Result<(), Reject> {
        let header = &arrival.header;
        if header.from_initiator() == sa.initiator {
            return Err(Reject::UnknownSpi);
        }
        let message = Message::read(payloads).map_err(|_| Reject::Malformed)?;
        if header.exchange == ExchangeType::IKE_SA_INIT {
            return self.on_init_response(now, sa, arrival, &message);
        }
        if header.exchange == ExchangeType::IKE_SESSION_RESUME {
            return self.on_resume_response(now, sa, arrival, &message);
        }
        let theirs = if sa.initiator { header.responder_spi } else { header.initiator_spi };
        if theirs != sa.spi_theirs {
            return Err(Reject::UnknownSpi);
        }
        let repeated = self.is_in_window(sa, header)?;
        let sealed = message.sealed.ok_or(Reject::Malformed)?;
        let Some((first, text)) = self.open(sa, arrival, &sealed, repeated)? else { return Ok(()) };
        sa.heard = true;
        self.follow(sa, arrival);
        if repeated {
            self.counters.duplicates += 1;
            let packets = core::mem::take(&mut sa.response);
            self.transmit(sa, &packets);
            sa.response = packets;
            return Ok(());
        }
        let inner = Message::read(Payloads::new(first, &text));
        if header.is_response() {
            self.on_response(now, sa, arrival, &inner.map_err(|_| Reject::Malformed)?);
        } else {
            sa.expected_id = sa.expected_id.wrapping_add(1);
            match inner {
                Ok(inner) => self.on_request(now, sa, arrival, &inner),
                Err(_) => {
                    self.refuse(sa, header, NotifyType::INVALID_SYNTAX, &[]);
                    return Err(Reject::Malformed);
                }
            }
        }
        Ok(())
    }

    /// Whether a message has the number that is due; `true`: it is the request before, again.
    fn is_in_window(&self, sa: &IkeSa, header: &Header) -> Result<bool, Reject> {
        let id = header.message_id;
        if header.is_response() {
            let due = sa.outstanding.as_ref().is_some_and(|o| o.id == id);
            return if due { Ok(false) } else { Err(Reject::MessageId) };
        }
        if id == sa.expected_id {
            return Ok(false);
        }
        let repeated = id.wrapping_add(1) == sa.expected_id && !sa.response.is_empty();
        if repeated { Ok(true) } else { Err(Reject::MessageId) }
    }

    /// Decrypts; `None`: a fragment of which others are missing.
    fn open(
        &mut self,
        sa: &mut IkeSa,
        arrival: &Arrival<'_>,
        sealed: &Payload<'_>,
        repeated: bool,
    ) -> Result<Option<(PayloadType, Vec<u8>)>, Reject> {
        let channel = sa.receive.as_ref().ok_or(Reject::UnknownSpi)?;
        let Ok(Body::Skf(fragment)) = Body::of(sealed) else {
            let text = channel.open(&mut self.provider, arrival.octets, sealed.body);
            return text.map(|text| Some((sealed.next, text))).map_err(|_| Reject::Integrity);
        };
        let text = channel.open(&mut self.provider, arrival.octets, fragment.sealed).map_err(|_| Reject::Integrity)?;
        if repeated {
            // RFC 7383 §2.6.1: the first fragment alone makes the answer go again.
            return Ok((fragment.number == 1).then(|| (PayloadType::NONE, Vec::new())));
        }
        match sa.reassembly.take(arrival.header.message_id, sealed.next, &fragment, text) {
            Fragments::Waiting => Ok(None),
            Fragments::Refused => Err(Reject::Fragment),
            Fragments::Whole(first, text) => Ok(Some((first, text))),
        }
    }

    /// Follows a peer behind a NAT to another address or port (RFC 7296 §2.23), and an initiator to the second port.
    fn follow(&mut self, sa: &mut IkeSa, arrival: &Arrival<'_>) {
        if (arrival.from, arrival.to) == (sa.remote, sa.local) {
            return;
        }
        if !sa.peer_behind_nat && !sa.is_half_open() {
            return;
        }
        (sa.remote, sa.local) = (arrival.from, arrival.to);
        if sa.is_half_open() {
            return;
        }
        self.has_moved(sa);
    }

    fn on_request(&mut self, now: Instant, sa: &mut IkeSa, arrival: &Arrival<'_>, message: &Message<'_>) {
        let header = &arrival.header;
        if let Some(kind) = message.critical {
            return self.refuse(sa, header, NotifyType::UNSUPPORTED_CRITICAL_PAYLOAD, &[kind.0]);
        }
        if !message.deletes.iter().any(|d| d.protocol == ProtocolId::IKE) {
            self.peer_has_taken(sa);
        }
        match (header.exchange, sa.state) {
            (ExchangeType::IKE_AUTH, State::InitReceived) => self.on_auth_request(now, sa, arrival, message),
            (ExchangeType::CREATE_CHILD_SA, _) if sa.is_usable() => {
                self.on_create_request(now, sa, header, message);
            }
            (ExchangeType::INFORMATIONAL, _) if sa.is_usable() => {
                self.on_informational_request(now, sa, arrival, message);
            }
            _ => self.refuse(sa, header, NotifyType::INVALID_SYNTAX, &[]),
        }
        self.next_request(now, sa);
    }

    fn on_response(&mut self, now: Instant, sa: &mut IkeSa, arrival: &Arrival<'_>, message: &Message<'_>) {
        let Some(outstanding) = sa.outstanding.take() else { return };
        self.timers.clear(Timer::Retransmit(sa.id));
        match outstanding.what {
            Request::Init => {}
            Request::Auth(larval) => self.on_auth_response(now, sa, arrival, message, &larval),
            Request::Create(larval) => self.on_child_response(now, sa, message, larval),
            Request::Successor(successor) => self.on_successor_response(now, sa, message, &successor),
            Request::DeleteChild(child) => self.remove_child(sa, child),
            Request::DeleteIke => {
                let why = sa.deleted();
                self.end(sa, why);
            }
            Request::Move => self.on_moved(now, sa, arrival, message),
            Request::Ticket => self.keep_ticket(now, sa, message),
            Request::Drop | Request::Liveness => {}
        }
        self.next_request(now, sa);
    }

    /// Seals and sends a request.
    pub(super) fn request(
        &mut self,
        now: Instant,
        sa: &mut IkeSa,
        exchange: ExchangeType,
        inner: &Writer,
        what: Request,
    ) {
        let id = sa.next_id;
        let header = sa.header(exchange, id, false);
        let Some(packets) = self.seal(sa, &header, inner) else { return };
        sa.next_id = sa.next_id.wrapping_add(1);
        self.transmit(sa, &packets);
        sa.outstanding = Some(Outstanding { id, packets, tries: 1, what });
        self.timers.set(Timer::Retransmit(sa.id), now + self.config.retransmit);
    }

    /// Seals and sends a response, and keeps it for the case that the request comes again.
    pub(super) fn respond(&mut self, sa: &mut IkeSa, request: &Header, inner: &Writer) {
        let header = sa.header(request.exchange, request.message_id, true);
        let Some(packets) = self.seal(sa, &header, inner) else { return };
        self.transmit(sa, &packets);
        sa.response = packets;
    }

    /// Answers a request with an error.
    pub(super) fn refuse(&mut self, sa: &mut IkeSa, request: &Header, why: NotifyType, data: &[u8]) {
        let mut inner = Writer::new();
        notify(&mut inner, &Notify::new(why, data));
        self.respond(sa, request, &inner);
    }

    fn seal(&mut self, sa: &mut IkeSa, header: &Header, inner: &Writer) -> Option<Vec<Vec<u8>>> {
        let limit = sa.fragments.then_some(self.config.fragment_len);
        sa.send.as_mut()?.seal(&mut self.provider, header, inner, limit).ok()
    }

    /// Sends packets, on the second port with the marker in front (RFC 3948 §2.2).
    pub(super) fn transmit(&mut self, sa: &IkeSa, packets: &[Vec<u8>]) {
        for packet in packets {
            self.send(sa.local, sa.remote, packet);
        }
    }

    pub(super) fn send(&mut self, from: SocketAddr, to: SocketAddr, packet: &[u8]) {
        self.outputs.push_back(arrival::datagram(self.config.ports.1, from, to, packet));
    }

    pub(super) fn on_retransmit(&mut self, now: Instant, id: IkeSaId) {
        self.with(id, |this, sa| {
            let Some(mut outstanding) = sa.outstanding.take() else { return };
            if outstanding.tries >= this.config.tries {
                let why = match outstanding.what {
                    Request::DeleteIke => sa.deleted(),
                    _ => Ended::Timeout,
                };
                return this.end(sa, why);
            }
            let doublings = u32::from(outstanding.tries.min(16));
            let wait = this.config.retransmit.saturating_mul(1 << doublings).min(LONGEST_WAIT);
            outstanding.tries += 1;
            this.counters.retransmitted += 1;
            this.transmit(sa, &outstanding.packets);
            sa.outstanding = Some(outstanding);
            this.timers.set(Timer::Retransmit(id), now + wait);
        });
    }

    pub(super) fn on_half_open(&mut self, _now: Instant, id: IkeSaId) {
        self.with(id, |this, sa| this.end(sa, Ended::Timeout));
    }

    /// Sends the next request of the queue, if none is on its way.
    pub(super) fn next_request(&mut self, now: Instant, sa: &mut IkeSa) {
        while sa.outstanding.is_none() && sa.is_usable() {
            let Some(task) = sa.queue.pop() else { return };
            match task {
                Task::Create(tag) => self.request_child(now, sa, tag, None),
                Task::RekeyChild(child) => self.request_replacement(now, sa, child),
                Task::RekeyIke => self.request_successor(now, sa, None),
                Task::CloneIke(target) => self.request_successor(now, sa, Some(target)),
                Task::DeleteChild(child) => self.request_delete_child(now, sa, child),
                Task::Drop(spi) => self.request_drop(now, sa, spi),
                Task::DeleteIke => self.request_delete(now, sa),
                Task::Move => self.request_move(now, sa),
                Task::Ticket => {
                    let mut w = Writer::new();
                    notify(&mut w, &Notify::new(NotifyType::TICKET_REQUEST, &[]));
                    self.request(now, sa, ExchangeType::INFORMATIONAL, &w, Request::Ticket);
                }
                Task::Liveness => {
                    self.request(now, sa, ExchangeType::INFORMATIONAL, &Writer::new(), Request::Liveness);
                }
            }
        }
    }

    /// Puts a task off because the peer asked to wait (RFC 7296 §2.25).
    pub(super) fn put_off(&mut self, now: Instant, sa: &mut IkeSa, task: Task) {
        sa.ask(task);
        let wait = self.jittered(Duration::from_secs(5));
        self.timers.set(Timer::Retry(sa.id), now + wait);
    }

    /// Ends an SA: its children leave the SAD.
    pub(super) fn end(&mut self, sa: &mut IkeSa, why: Ended) {
        if let Some(theirs) = sa.collision.take() {
            // Ours was never answered: the peer's replacement stands.
            self.hand_over(sa, theirs.successor);
        }
        let Ok(state) = transition(sa.state, SaEvent::End) else { return };
        if let Some(Outstanding { what: Request::DeleteChild(id), .. }) = sa.outstanding.take() {
            self.delete_elsewhere(sa, id);
        }
        self.close_half(sa);
        sa.state = state;
        if why != Ended::Timeout {
            self.revoke_ticket(sa);
        }
        self.forget(sa);
        for child in core::mem::take(&mut sa.children).into_values() {
            self.forget_child(child);
        }
        for timer in
            [Timer::Retransmit, Timer::HalfOpen, Timer::Liveness, Timer::Keepalive, Timer::Replace, Timer::Retry]
        {
            self.timers.clear(timer(sa.id));
        }
        self.event(Event::Closed(sa.id, sa.peer, why));
    }

    /// Nothing finds an SA any more.
    pub(super) fn forget(&mut self, sa: &IkeSa) {
        self.by_spi.remove(&sa.spi_ours);
        if let Some(with) = self.peers.get_mut(&sa.peer) {
            with.sas.remove(&sa.id);
        }
    }

    /// An SA is of another peer at the same addresses.
    pub(super) fn is_of(&mut self, sa: &mut IkeSa, peer: PeerId) {
        for (id, is_there) in [(sa.peer, false), (peer, true)] {
            let Some(with) = self.peers.get_mut(&id) else { continue };
            if is_there {
                with.sas.insert(sa.id)
            } else {
                with.sas.remove(&sa.id)
            };
        }
        sa.peer = peer;
    }

    /// A deletion of a child was on its way when the SA ended that it was sent on: the child goes, and the successor tells the peer.
    fn delete_elsewhere(&mut self, sa: &mut IkeSa, id: ChildSaId) {
        let Some((spi, ike)) = self.children.get(&id).map(|c| (c.spi_in, c.ike)) else { return };
        self.remove_child(sa, id);
        if let Some(successor) = self.sas.get_mut(&ike) {
            successor.ask(Task::Drop(spi));
            self.timers.set(Timer::Retry(ike), Instant::ZERO);
        }
    }

    /// A half-open SA is that no longer.
    pub(super) fn close_half(&mut self, sa: &IkeSa) {
        if !sa.is_half_open() {
            return;
        }
        self.half_open = self.half_open.saturating_sub(1);
        self.timers.clear(Timer::HalfOpen(sa.id));
        if let Some(handshake) = &sa.handshake {
            self.by_initiator.remove(&(handshake.source, sa.spi_theirs));
            if let hashbrown::hash_map::Entry::Occupied(mut count) =
                self.half_open_by_source.entry(handshake.source.ip())
            {
                *count.get_mut() = count.get().saturating_sub(1);
                if *count.get() == 0 {
                    count.remove();
                }
            }
        }
    }
}

/// Appends a notification.
pub(super) fn notify(w: &mut Writer, notify: &Notify<'_>) {
    w.put(PayloadType::NOTIFY, false, |out| Body::Notify(*notify).emit(out));
}

/// Appends a payload.
pub(super) fn put(w: &mut Writer, body: &Body<'_>) {
    w.put(body.kind(), false, |out| body.emit(out));
}
