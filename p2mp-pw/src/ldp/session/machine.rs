//! The session as a machine: the state machine's actions, timers, PDUs.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use fwd_core::time::Instant;
use fwd_core::timers::Timers;

use super::super::Pdu;
use super::super::message::{Initialization, Message, MessageBody, Notification, SessionFlags};
use super::super::neighbour::OWN_MESSAGE_ID;
use super::super::status::{Status, StatusCode};
use super::config::{AdvertisementDiscipline, ConfigError, SessionConfig};
use super::fsm::{Action, SessionEvent, State, transition};
use super::io::{Down, Event, Input, Negotiated, Output, SessionCounters};

/// The timers of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// No PDU from the peer: for the KeepAlive time, or for the time that initialization may take.
    Peer,
    /// Nothing sent for a third of the KeepAlive time.
    KeepAlive,
    /// The next attempt to connect.
    Connect,
}

/// One LDP session (RFC 5036 §2.5). What labels mean is its owner's business.
///
/// Between [`Input::Start`] and [`Input::Stop`] the active side connects and reconnects by itself, after a refusal with
/// growing delays; the passive side takes connections.
///
/// ```
/// use fwd_core::time::Instant;
/// use p2mp_pw::ldp::LdpId;
/// use p2mp_pw::ldp::session::{Input, Output, Session, SessionConfig, State};
///
/// let id = |n: u8| LdpId::platform([192, 0, 2, n].into());
/// let address = |n: u8| [192, 0, 2, n].into();
/// let now = Instant::from_secs(1);
/// let mut sessions = [1, 2].map(|n: u8| {
///     let config = SessionConfig::new(id(n), id(3 - n), address(n), address(3 - n));
///     Session::new(now, config).unwrap()
/// });
/// for session in &mut sessions {
///     session.handle_input(now, Input::Start);
/// }
/// assert_eq!(sessions[0].poll_output(), None); // passive: the smaller address
/// assert_eq!(sessions[1].poll_output(), Some(Output::Connect));
/// for session in &mut sessions {
///     session.handle_input(now, Input::Connected);
/// }
/// while sessions.iter().any(|s| s.state() != State::Operational) {
///     for from in [0, 1] {
///         while let Some(output) = sessions[from].poll_output() {
///             if let Output::Send { octets } = output {
///                 sessions[1 - from].handle_input(now, Input::Stream { octets: &octets });
///             }
///         }
///     }
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Session {
    pub(super) config: SessionConfig,
    pub(super) state: State,
    /// Between start and stop.
    up: bool,
    /// A connection is there, or being opened.
    connecting: bool,
    pub(super) negotiated: Option<Negotiated>,
    /// Octets of a PDU that is not complete.
    pub(super) partial: Vec<u8>,
    next_id: u32,
    refusals: u32,
    timers: Timers<Timer>,
    outbox: VecDeque<Message>,
    pub(super) outputs: VecDeque<Output>,
    pub(super) counters: SessionCounters,
}

/// What comes with an event.
#[derive(Debug, Default)]
pub(super) struct Cause {
    /// The status to send, if the transition sends one.
    pub(super) status: Option<Status>,
    /// The fatal status that the peer sent.
    pub(super) received: Option<StatusCode>,
    /// What is handed on if the transition processes the message.
    pub(super) message: Option<Message>,
}

impl Cause {
    pub(super) fn status(code: StatusCode) -> Self {
        Self { status: Some(Status::new(code)), ..Self::default() }
    }
}

impl Session {
    /// A session that waits for [`Input::Start`].
    ///
    /// # Errors
    /// A field of the configuration is out of its range.
    pub fn new(_now: Instant, config: SessionConfig) -> Result<Self, ConfigError> {
        config.validate()?;
        Ok(Self {
            config,
            state: State::NonExistent,
            up: false,
            connecting: false,
            negotiated: None,
            partial: Vec::new(),
            next_id: 1,
            refusals: 0,
            timers: Timers::new(),
            outbox: VecDeque::new(),
            outputs: VecDeque::new(),
            counters: SessionCounters::default(),
        })
    }

    /// The state.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// Whether a connection that the peer opens is taken: between start and stop, while there is none. Close it otherwise.
    #[must_use]
    pub fn admits_connection(&self) -> bool {
        self.up && self.state == State::NonExistent && !self.config.is_active()
    }

    /// What was agreed on, while the session is operational.
    #[must_use]
    pub fn negotiated(&self) -> Option<&Negotiated> {
        self.negotiated.as_ref().filter(|_| self.state == State::Operational)
    }

    /// What was counted.
    #[must_use]
    pub const fn counters(&self) -> &SessionCounters {
        &self.counters
    }

    /// Takes an input.
    pub fn handle_input(&mut self, now: Instant, input: Input<'_>) {
        match input {
            Input::Start => {
                self.up = true;
                if self.state == State::NonExistent && !self.connecting && self.timers.get(Timer::Connect).is_none() {
                    self.connect(now);
                }
            }
            Input::Stop(code) => {
                self.up = false;
                self.timers.clear(Timer::Connect);
                let pending = self.connecting && self.state == State::NonExistent;
                self.event(now, SessionEvent::Stop, Cause::status(code));
                if pending {
                    self.connecting = false;
                    self.outputs.push_back(Output::Close);
                }
            }
            Input::Connected => self.connected(now),
            Input::Stream { octets } => self.receive(now, octets),
            Input::Closed => {
                let was_attempt = self.state == State::NonExistent && self.connecting;
                self.connecting = false;
                self.event(now, SessionEvent::ConnectionLost, Cause::default());
                if was_attempt {
                    self.counters.attempts_failed = self.counters.attempts_failed.saturating_add(1);
                    self.retry_in(now, self.config.initialization);
                }
            }
            Input::Send(message) => {
                if self.state == State::Operational {
                    let id = if message.id == 0 { self.number() } else { message.id };
                    self.outbox.push_back(Message { id, ..message });
                }
            }
            Input::PeerReconfigured => {
                self.refusals = 0;
                if self.timers.get(Timer::Connect).is_some() {
                    self.timers.clear(Timer::Connect);
                    self.connect(now);
                }
            }
        }
        self.pause_keep_alive(now);
    }

    /// Lets timers expire that are due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(timer) = self.timers.expired(now) {
            match timer {
                Timer::Peer if self.state == State::NonExistent => {
                    self.connecting = false;
                    self.outputs.push_back(Output::Close);
                    self.retry_in(now, self.config.initialization);
                }
                Timer::Peer => {
                    self.event(now, SessionEvent::Timeout, Cause::status(StatusCode::KEEPALIVE_TIMER_EXPIRED));
                }
                Timer::KeepAlive => self.send(MessageBody::KeepAlive),
                Timer::Connect => self.connect(now),
            }
        }
        self.pause_keep_alive(now);
    }

    /// What is to be done next, if anything.
    pub fn poll_output(&mut self) -> Option<Output> {
        // Messages wait for others that may share their PDU.
        self.outputs.pop_front().or_else(|| self.next_pdu())
    }

    /// Messages that wait to be sent.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.outbox.len()
    }

    /// When [`Self::handle_timeout`] is due. Inputs and timeouts change it.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        self.timers.next_timeout()
    }

    fn connect(&mut self, now: Instant) {
        if self.up && self.config.is_active() && !self.connecting {
            self.connecting = true;
            self.timers.set(Timer::Peer, now + self.config.initialization);
            self.outputs.push_back(Output::Connect);
        }
    }

    fn connected(&mut self, now: Instant) {
        if self.state != State::NonExistent {
            return;
        }
        if !self.up {
            self.outputs.push_back(Output::Close);
            return;
        }
        self.connecting = true;
        self.timers.set(Timer::Peer, now + self.config.initialization);
        self.event(now, SessionEvent::ConnectionUp, Cause::default());
        if self.config.is_active() {
            self.event(now, SessionEvent::TransmitInitialization, Cause::default());
        }
    }

    /// The peer sent a PDU.
    pub(super) fn heard(&mut self, now: Instant) {
        let time = match (self.state, &self.negotiated) {
            (State::Operational | State::OpenRec, Some(negotiated)) => negotiated.keepalive,
            _ => self.config.initialization,
        };
        self.timers.set(Timer::Peer, now + time);
    }

    /// Runs the state machine. What cannot be is ignored.
    pub(super) fn event(&mut self, now: Instant, event: SessionEvent, cause: Cause) {
        let Ok((next, actions)) = transition(self.state, event) else { return };
        let before = core::mem::replace(&mut self.state, next);
        let mut sent = None;
        let mut message = cause.message;
        for action in actions {
            match action {
                Action::SendInitialization => self.send(self.initialization()),
                Action::SendKeepAlive => self.send(MessageBody::KeepAlive),
                Action::SendNotification => {
                    let status = cause.status.unwrap_or(Status::new(StatusCode::SHUTDOWN));
                    sent = Some(status.code);
                    self.send(MessageBody::Notification(Notification::new(status)));
                    self.flush();
                }
                Action::Close => self.outputs.push_back(Output::Close),
                Action::Process => self.outputs.extend(message.take().map(Output::Message)),
                Action::Up => self.became_operational(),
                Action::BackOff => {
                    self.counters.attempts_failed = self.counters.attempts_failed.saturating_add(1);
                }
            }
        }
        if next == State::NonExistent && before != State::NonExistent {
            self.ended(now, before, Down { operational: false, sent, received: cause.received, retain: None }, actions);
        }
    }

    fn became_operational(&mut self) {
        self.refusals = 0;
        self.counters.established = self.counters.established.saturating_add(1);
        if let Some(negotiated) = &self.negotiated {
            self.outputs.push_back(Output::Up(negotiated.clone()));
        }
    }

    fn ended(&mut self, now: Instant, before: State, mut down: Down, actions: &[Action]) {
        self.connecting = false;
        self.partial = Vec::new();
        self.outbox = VecDeque::new();
        self.timers.clear(Timer::Peer);
        self.timers.clear(Timer::KeepAlive);
        let negotiated = self.negotiated.take();
        down.operational = before == State::Operational;
        // A session that both sides ended in words has no state to keep (RFC 3478 §3.3 is about lost ones).
        if down.operational && down.sent.is_none_or(|s| s == StatusCode::KEEPALIVE_TIMER_EXPIRED) {
            let restart = negotiated.and_then(|n| n.graceful_restart).filter(|ft| ft.reconnect_timeout_ms > 0);
            down.retain = restart.filter(|_| self.config.graceful_restart.is_some()).map(|ft| ft.reconnect_timeout());
        }
        self.outputs.push_back(Output::Down(down));
        if actions.contains(&Action::BackOff) {
            let factor = 1_u32.checked_shl(self.refusals.min(16)).unwrap_or(u32::MAX);
            let delay = self.config.backoff.saturating_mul(factor).min(self.config.max_backoff);
            self.refusals = self.refusals.saturating_add(1);
            self.outputs.push_back(Output::Event(Event::BackingOff(delay)));
            self.retry_in(now, delay);
        } else {
            self.retry_in(now, Duration::from_secs(1));
        }
    }

    fn retry_in(&mut self, now: Instant, delay: Duration) {
        self.timers.clear(Timer::Peer);
        if self.up && self.config.is_active() {
            self.timers.set(Timer::Connect, now + delay);
        }
    }

    fn initialization(&self) -> MessageBody {
        let mut flags = SessionFlags::empty();
        flags.set(SessionFlags::ON_DEMAND, self.config.discipline == AdvertisementDiscipline::DownstreamOnDemand);
        flags.set(SessionFlags::LOOP_DETECTION, self.config.path_vector_limit.is_some());
        MessageBody::Initialization(Initialization {
            version: Pdu::VERSION,
            keepalive_time: u16::try_from(self.config.keepalive.as_secs()).unwrap_or(u16::MAX),
            flags,
            path_vector_limit: self.config.path_vector_limit.unwrap_or(0),
            max_pdu_length: self.config.max_pdu_length,
            receiver: self.config.peer,
            optional: self.config.optional(),
        })
    }

    /// The largest PDU length field at this time (RFC 5036 §3.5.3).
    pub(super) fn max_pdu_length(&self) -> u16 {
        match (&self.negotiated, self.state) {
            (Some(negotiated), State::Operational) => negotiated.max_pdu_length,
            _ => Pdu::DEFAULT_MAX_LEN,
        }
    }

    pub(super) fn send(&mut self, body: MessageBody) {
        let id = self.number();
        self.outbox.push_back(Message { id, body });
    }

    /// The next identifier: below those that applications choose, and not 0, which means no message in a Status TLV.
    fn number(&mut self) -> u32 {
        let id = self.next_id;
        self.next_id = self.next_id.checked_add(1).filter(|next| *next < OWN_MESSAGE_ID).unwrap_or(1);
        id
    }

    /// What is sent from here on starts the time until a KeepAlive is due (RFC 5036 §2.5.6).
    fn pause_keep_alive(&mut self, now: Instant) {
        if self.outbox.is_empty() {
            return;
        }
        if let Some(negotiated) = &self.negotiated {
            self.timers.set(Timer::KeepAlive, now + negotiated.keepalive / 3);
        }
    }

    /// Packs what is to be sent into PDUs, ahead of what follows.
    fn flush(&mut self) {
        while let Some(pdu) = self.next_pdu() {
            self.outputs.push_back(pdu);
        }
    }

    /// A PDU of as many waiting messages as it has room for.
    fn next_pdu(&mut self) -> Option<Output> {
        let room = Pdu::room(self.max_pdu_length());
        let mut used = self.outbox.front()?.wire_len();
        let fits = self.outbox.iter().skip(1).take_while(|message| {
            used = used.saturating_add(message.wire_len());
            used <= room
        });
        let count = fits.count().saturating_add(1);
        let messages: Vec<Message> = self.outbox.drain(..count).collect();
        let mut octets = Vec::with_capacity(used.min(room).saturating_add(Pdu::HEADER_LEN));
        Pdu::emit(self.config.local, &messages, &mut octets);
        self.counters.pdus_sent = self.counters.pdus_sent.saturating_add(1);
        self.counters.messages_sent = self.counters.messages_sent.saturating_add(messages.len() as u64);
        Some(Output::Send { octets })
    }
}
