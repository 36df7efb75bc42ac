//! Session resumption (RFC 5723): IKE_SESSION_RESUME instead of IKE_SA_INIT, without a group and without another proof than the old keys.

use alloc::boxed::Box;
use core::time::Duration;

use fwd_core::time::Instant;

use super::super::arrival::Arrival;
use super::super::config::{ConfigError, PeerId};
use super::super::counters::Reject;
use super::super::crypto::{CryptoError, CryptoProvider};
use super::super::event::{Ended, Event};
use super::super::header::ExchangeType;
use super::super::payload::{Notify, NotifyType, Payloads, Writer};
use super::exchange::notify;
use super::keys::{IkeKeys, Seed};
use super::machine::Ike;
use super::message::Message;
use super::sa::{Handshake, IkeSa, Presented, Task};
use super::ticket::{Resumable, Ticket};

impl<P: CryptoProvider> Ike<P> {
    /// Takes the ticket out that is held for a peer, so that it outlives this machine.
    pub fn take_ticket(&mut self, peer: PeerId) -> Option<Ticket> {
        self.peers.get_mut(&peer)?.ticket.take()
    }

    /// Gives the machine a ticket for a peer: it is shown when the peer is connected to the next time, if it is still good.
    ///
    /// # Errors
    /// There is no such peer, or its suites are not those of the ticket.
    pub fn give_ticket(&mut self, peer: PeerId, ticket: Ticket) -> Result<(), ConfigError> {
        let with = self.peers.get_mut(&peer).ok_or(ConfigError::NotThere)?;
        if !with.config.suites.contains(&ticket.suite) {
            return Err(ConfigError::Suite(ticket.suite));
        }
        with.ticket = Some(ticket);
        Ok(())
    }

    /// How many tickets are kept for others, or remembered as used.
    #[must_use]
    pub fn tickets(&self) -> usize {
        self.tickets.len()
    }

    /// The ticket to show to a peer: each is shown once.
    pub(super) fn good_ticket(&mut self, now: Instant, peer: PeerId) -> Option<Ticket> {
        let with = self.peers.get_mut(&peer)?;
        let ticket = with.ticket.take()?;
        (now < ticket.expires && with.config.suites.contains(&ticket.suite)).then_some(ticket)
    }

    pub(super) fn on_resume_request(&mut self, now: Instant, arrival: &Arrival<'_>, payloads: Payloads<'_>) {
        if let Err(cause) = self.try_resume_request(now, arrival, payloads) {
            self.reject(now, arrival.from, cause);
        }
    }

    fn try_resume_request(
        &mut self,
        now: Instant,
        arrival: &Arrival<'_>,
        payloads: Payloads<'_>,
    ) -> Result<(), Reject> {
        let Some(message) = self.first_message(arrival, payloads)? else { return Ok(()) };
        let (Some(ticket), Some(nonce)) = (message.notify(NotifyType::TICKET_OPAQUE), message.good_nonce()) else {
            return Err(Reject::Malformed);
        };
        self.admit(now, arrival, &message, nonce)?;
        let found = self.tickets.open(now, &mut self.provider, ticket.data);
        let found = found.and_then(|(id, state)| Some((id, self.peer_of(arrival, &state)?, state)));
        let Some((id, peer, state)) = found else {
            // RFC 5723 §4.3.2: the initiator begins anew, without a ticket.
            self.refuse_first(arrival, NotifyType::TICKET_NACK, &[]);
            return Err(Reject::Ticket);
        };
        let mut sa = self.blank(peer, false, (arrival.to, arrival.from), state.suite).map_err(|_| Reject::HalfOpen)?;
        sa.spi_theirs = arrival.header.initiator_spi;
        self.note(&mut sa, &message, arrival, (arrival.header.initiator_spi, 0));
        let nonce_ours = self.nonce();
        let spis = (sa.spi_i(), sa.spi_r());
        let keys = IkeKeys::derive(&self.provider, &state.suite, Seed::Resumed(&state.d), (nonce, &nonce_ours), spis);
        let Ok(keys) = keys else {
            self.forget(&sa);
            return Err(Reject::Proposal);
        };
        sa.set_keys(keys);
        let mut handshake = Handshake::new(nonce_ours, arrival.from);
        handshake.nonce_theirs = nonce.to_vec();
        handshake.message_theirs = arrival.octets.to_vec();
        handshake.ticket = Some(Presented::Theirs { id, expires: state.expires, old: state.spi });
        let w = Writer::message(&sa.header(ExchangeType::IKE_SESSION_RESUME, 0, true));
        self.keep_half_open(now, sa, Box::new(handshake), w, arrival);
        Ok(())
    }

    /// The peer that a ticket is of, if it is still configured, at these addresses and with these algorithms.
    fn peer_of(&self, arrival: &Arrival<'_>, state: &Resumable) -> Option<PeerId> {
        let fits = |id: &PeerId| {
            self.peers.get(id).map(|p| &p.config).is_some_and(|c| {
                (&c.local_id, &c.remote_id) == (&state.local_id, &state.remote_id) && c.suites.contains(&state.suite)
            })
        };
        self.by_ends.at(arrival.to.ip(), arrival.from.ip()).find(fits)
    }

    pub(super) fn on_resume_response(
        &mut self,
        now: Instant,
        sa: &mut IkeSa,
        arrival: &Arrival<'_>,
        message: &Message<'_>,
    ) -> Result<(), Reject> {
        let shown = sa.handshake.as_ref().is_some_and(|h| matches!(h.ticket, Some(Presented::Ours(_))));
        if self.is_asked_again(now, sa, arrival, message, shown)? {
            return Ok(());
        }
        if message.notify(NotifyType::TICKET_NACK).is_some() || message.error().is_some() {
            return self.begin_anew(now, sa);
        }
        let nonce = message.good_nonce().filter(|_| arrival.header.responder_spi != 0).ok_or(Reject::Malformed)?;
        let handshake = sa.handshake.take().ok_or(Reject::MessageId)?;
        let spis = (sa.spi_ours, arrival.header.responder_spi);
        let keys = match &handshake.ticket {
            Some(Presented::Ours(Ticket { suite, d, .. })) => {
                let nonces = (&handshake.nonce_ours[..], nonce);
                IkeKeys::derive(&self.provider, suite, Seed::Resumed(d), nonces, spis).map(|keys| (*suite, keys))
            }
            _ => Err(CryptoError::Length),
        };
        self.answered(now, sa, arrival, message, (handshake, keys.ok(), nonce))
    }

    /// The peer does not take the ticket: a whole exchange, with the same SPI.
    fn begin_anew(&mut self, now: Instant, sa: &mut IkeSa) -> Result<(), Reject> {
        let suite = self.peers.get(&sa.peer).and_then(|p| p.config.suites.first().copied()).ok_or(Reject::Proposal)?;
        let handshake = sa.handshake.as_mut().ok_or(Reject::MessageId)?;
        handshake.dh = Some(self.provider.dh_begin(suite.group).map_err(|_| Reject::Proposal)?);
        (handshake.ticket, handshake.cookie) = (None, None);
        sa.suite = suite;
        self.send_init(now, sa);
        Ok(())
    }

    /// Appends a ticket of an SA, if the peer asked for one and tickets are given out.
    pub(super) fn put_ticket(&mut self, now: Instant, w: &mut Writer, sa: &mut IkeSa, message: &Message<'_>) {
        let asked = message.notify(NotifyType::TICKET_REQUEST).is_some();
        let Some(lifetime) = self.tickets.lifetime().filter(|_| asked) else { return };
        let config = self.peers.get(&sa.peer).map(|p| &p.config);
        let made = config.zip(sa.keys.as_ref()).map(|(config, keys)| {
            // No longer than the SA (RFC 5723 §6.2).
            let lifetime = lifetime.min(config.lifetime);
            let state = Resumable {
                expires: now + lifetime,
                spi: sa.spi_ours,
                suite: sa.suite,
                local_id: config.local_id.clone(),
                remote_id: config.remote_id.clone(),
                d: keys.d.clone(),
            };
            (lifetime, state)
        });
        let Some((lifetime, state)) = made else { return };
        let expires = state.expires;
        let Some((id, ticket)) = self.tickets.issue(now, &mut self.provider, state) else {
            return notify(w, &Notify::new(NotifyType::TICKET_NACK, &[]));
        };
        // An SA has one ticket.
        self.revoke_ticket(sa);
        sa.ticket = Some((id, expires));
        let seconds = u32::try_from(lifetime.as_secs()).unwrap_or(u32::MAX).to_be_bytes();
        notify(w, &Notify::new(NotifyType::TICKET_LT_OPAQUE, &[&seconds[..], &ticket].concat()));
    }

    /// Keeps the ticket that the peer gave.
    pub(super) fn keep_ticket(&mut self, now: Instant, sa: &IkeSa, message: &Message<'_>) {
        let given = message.notify(NotifyType::TICKET_LT_OPAQUE).and_then(|n| n.data.split_first_chunk::<4>());
        let Some((seconds, ticket)) = given else { return };
        let (Some(with), Some(keys)) = (self.peers.get_mut(&sa.peer), &sa.keys) else { return };
        if !with.config.resumption || ticket.is_empty() || ticket.len() > Ticket::MAX_LEN {
            return;
        }
        let expires = now + Duration::from_secs(u32::from_be_bytes(*seconds).into());
        let octets = ticket.to_vec();
        with.ticket = Some(Ticket { octets, expires, suite: sa.suite, d: keys.d.clone(), of: sa.id });
    }

    /// An SA is resumed, at the end that gave the ticket: that is used, and the SA that it is of goes without a word (RFC 5723 §4.3.4).
    pub(super) fn resumed(&mut self, sa: &IkeSa, presented: &Presented) {
        self.counters.resumed += 1;
        self.event(Event::Resumed(sa.id, sa.peer));
        let Presented::Theirs { id, expires, old } = *presented else { return };
        self.tickets.revoke(id, expires);
        if let Some(old) = self.by_spi.get(&old).copied() {
            self.with(old, |this, sa| this.end(sa, Ended::Replaced));
        }
    }

    /// The ticket of an SA that is deleted or replaced is good no longer, at either end (RFC 5723 §6.2). Whether it is one that we held.
    pub(super) fn revoke_ticket(&mut self, sa: &mut IkeSa) -> bool {
        if let Some((id, expires)) = sa.ticket.take() {
            self.tickets.revoke(id, expires);
        }
        let Some(with) = self.peers.get_mut(&sa.peer) else { return false };
        with.ticket.take_if(|ticket| ticket.of == sa.id).is_some()
    }

    /// The ticket of a rekeyed SA is replaced by another one, if it was ours.
    pub(super) fn replace_ticket(&mut self, old: &mut IkeSa, new: &mut IkeSa) {
        if self.revoke_ticket(old) {
            new.ask(Task::Ticket);
        }
    }
}
