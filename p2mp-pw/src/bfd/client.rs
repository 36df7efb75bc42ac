//! What a head knows of its tails: `MultipointClient` sessions (RFC 8563 §6.1).

use core::net::IpAddr;
use core::num::NonZeroU32;
use core::time::Duration;

use fwd_core::time::Instant;

use super::auth::AuthState;
use super::config::{ConfigError, Path, SessionId};
use super::fsm::{SessionEvent, SessionType, transition};
use super::io::{Discard, Event};
use super::machine::{Bfd, Due, Timer};
use super::packet::{ControlFlags, ControlPacket, Diag, State};

/// One tail.
#[derive(Clone, Copy, Debug)]
pub(super) struct Client {
    /// The tail's discriminator.
    pub(super) discriminator: Option<NonZeroU32>,
    pub(super) state: State,
    pub(super) diag: Diag,
    /// How often it takes packets of a Poll Sequence, in microseconds.
    min_rx: u32,
    /// A Poll Sequence to it runs.
    pub(super) polling: bool,
    auth: AuthState,
}

impl Client {
    const fn new() -> Self {
        Self {
            discriminator: None,
            state: State::Down,
            diag: Diag::NONE,
            min_rx: 1,
            polling: false,
            auth: AuthState::new(0),
        }
    }
}

impl Bfd {
    /// Asks all tails of a head whether they hear it, by the Poll bit of the next packet (RFC 8563 §6.9). Tails that were
    /// heard of and do not answer within Detect Mult times the report interval are reported.
    ///
    /// # Errors
    /// No such head, or one that does not want to hear of its tails.
    pub fn solicit(&mut self, now: Instant, id: SessionId) -> Result<(), ConfigError> {
        let report = self.report(id)?;
        let Some(head) = self.sessions.get_mut(&id) else { return Err(ConfigError::Unknown(id)) };
        head.polls = head.polls.max(1);
        let wait = report.saturating_mul(head.config.detect_mult.get().into());
        let quiet: alloc::vec::Vec<IpAddr> =
            head.clients.iter().filter(|(_, client)| !client.polling).map(|(tail, _)| *tail).collect();
        for tail in quiet {
            self.timers.set(Timer::Client(id, tail), now + wait);
        }
        self.transmit(now, id);
        Ok(())
    }

    /// Asks one tail, by a Poll Sequence of its own (RFC 8563 §6.10).
    ///
    /// # Errors
    /// No such head, one that does not want to hear of its tails, or a tail that was never heard.
    pub fn poll_tail(&mut self, now: Instant, id: SessionId, tail: IpAddr) -> Result<(), ConfigError> {
        self.report(id)?;
        let Some(head) = self.sessions.get_mut(&id) else { return Err(ConfigError::Unknown(id)) };
        let mult = head.config.detect_mult.get();
        let Some(client) = head.clients.get_mut(&tail) else { return Err(ConfigError::Unknown(id)) };
        client.polling = true;
        let interval = head.config.desired_min_tx.max(Duration::from_micros(client.min_rx.into()));
        self.timers.set(Timer::Client(id, tail), now + interval.saturating_mul(mult.into()));
        self.timers.set(Timer::ClientPoll(id, tail), now + interval);
        self.queue_packet(Due::ClientPoll(id, tail));
        Ok(())
    }

    /// The tails of a head, with their states.
    pub fn tails(&self, id: SessionId) -> impl Iterator<Item = (IpAddr, State)> + '_ {
        let clients = self.sessions.get(&id).map(|head| &head.clients);
        clients.into_iter().flatten().map(|(tail, client)| (*tail, client.state))
    }

    fn report(&self, id: SessionId) -> Result<Duration, ConfigError> {
        match self.sessions.get(&id).map(|head| head.config.path) {
            Some(Path::Head { report: Some(report), .. }) if !report.is_zero() => Ok(report),
            Some(Path::Head { .. }) => {
                Err(ConfigError::Combination { field: "report", rule: "a time: else tails are silent" })
            }
            _ => Err(ConfigError::Unknown(id)),
        }
    }

    /// A packet from a tail (RFC 8563 §6.13.2).
    pub(super) fn receive_client(
        &mut self,
        now: Instant,
        id: SessionId,
        tail: IpAddr,
        packet: &ControlPacket,
    ) -> Result<(), Discard> {
        if self.report(id).is_err() {
            return Err(Discard::Session);
        }
        let most = self.config.max_clients;
        let Some(head) = self.sessions.get_mut(&id) else { return Err(Discard::Session) };
        if head.state != State::Up {
            return Err(Discard::State);
        }
        let known = head.clients.get(&tail).copied();
        if known.is_none() && head.clients.len() >= most {
            self.too_many(now, "max_clients");
            return Err(Discard::Limit);
        }
        let mut client = known.unwrap_or(Client::new());
        if !head.verify(&mut client.auth, packet) {
            return Err(Discard::Authentication);
        }
        let event = SessionEvent::Received(packet.state);
        let (state, diag) =
            transition(SessionType::MultipointClient, client.state, event).map_err(|_| Discard::State)?;
        let changed = known.is_none() || state != client.state;
        (client.state, client.diag) = (state, diag.unwrap_or(client.diag));
        client.discriminator = Some(packet.my_discriminator);
        client.min_rx = packet.required_min_rx;
        let is_final = packet.flags.contains(ControlFlags::FINAL);
        if is_final || !client.polling {
            client.polling = false;
            self.timers.clear(Timer::Client(id, tail));
            self.timers.clear(Timer::ClientPoll(id, tail));
        }
        head.clients.insert(tail, client);
        if changed {
            self.queue_event(Event::Tail { session: id, tail, state, diag: client.diag });
        }
        if packet.flags.contains(ControlFlags::POLL) {
            self.queue_packet(Due::ClientFinal(id, tail));
        }
        Ok(())
    }

    /// A tail did not answer (RFC 8563 §6.2): what that means is not known.
    pub(super) fn client_expired(&mut self, id: SessionId, tail: IpAddr) {
        self.timers.clear(Timer::ClientPoll(id, tail));
        let client = self.sessions.get_mut(&id).and_then(|head| head.clients.get_mut(&tail));
        let Some(client) = client else { return };
        client.polling = false;
        let event = SessionEvent::DetectionTimeExpired;
        let Ok((state, diag)) = transition(SessionType::MultipointClient, client.state, event) else { return };
        let changed = state != client.state;
        (client.state, client.diag) = (state, diag.unwrap_or(client.diag));
        let diag = client.diag;
        if changed {
            self.queue_event(Event::Tail { session: id, tail, state, diag });
        }
    }

    /// The next packet of a Poll Sequence to a tail.
    pub(super) fn client_poll_again(&mut self, now: Instant, id: SessionId, tail: IpAddr) {
        let Some(head) = self.sessions.get(&id) else { return };
        let Some(client) = head.clients.get(&tail).filter(|client| client.polling) else { return };
        let interval = head.config.desired_min_tx.max(Duration::from_micros(client.min_rx.into()));
        self.timers.set(Timer::ClientPoll(id, tail), now + interval);
        self.queue_packet(Due::ClientPoll(id, tail));
    }

    /// A head that is not up has no tails to follow (RFC 8563 §6.12).
    pub(super) fn forget_clients(&mut self, id: SessionId) {
        let Some(head) = self.sessions.get_mut(&id) else { return };
        for tail in core::mem::take(&mut head.clients).into_keys() {
            self.timers.clear(Timer::Client(id, tail));
            self.timers.clear(Timer::ClientPoll(id, tail));
        }
    }
}
