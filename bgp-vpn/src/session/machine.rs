//! The session: both connections that may exist with a peer, as one machine.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic))]

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::time::Duration;

use fwd_core::time::Instant;

use super::config::{ConfigError, OpenState};
use super::connection::{Connection, Tcp, Timer};
use super::fsm::{Conditions, SessionEvent, State, transition};
use super::io::{Input, Output, SessionConfig, SessionCounters};
use super::jitter::Jitter;
use super::negotiated::Negotiated;
use crate::message::{ErrorCode, Message, MessageType, Notification, Open, RouteRefresh, subcode};
use crate::speaker::Side;

/// One BGP session (RFC 4271 §8): framing, OPEN exchange, timers, collisions. What UPDATEs mean is its owner's business.
///
/// The session connects and reconnects by itself from [`Input::Start`] to [`Input::Stop`]. While it is not up it listens,
/// except in Idle, where it refuses connections: before the start, after the stop, and while DampPeerOscillations holds it
/// back. At most one connection is ever established.
///
/// ```
/// use bgp_vpn::nlri::Family;
/// use bgp_vpn::session::{Input, LocalIdentity, Output, PeerConfig, Session, SessionConfig, State};
/// use bgp_vpn::speaker::Side;
/// use fwd_core::time::Instant;
///
/// let mut sessions = [1, 2].map(|n: u8| {
///     let ip = |n: u8| core::net::IpAddr::from([192, 0, 2, n]);
///     let peer = PeerConfig::new(ip(3 - n), ip(n), 65001, &[Family::VPN_IPV4]);
///     let local = LocalIdentity { asn: 65001, router_id: [192, 0, 2, n].into() };
///     let config = SessionConfig { local, peer, seed: n.into(), restarted: false };
///     Session::new(Instant::ZERO, config).unwrap()
/// });
/// let now = Instant::from_secs(1);
/// sessions[0].handle_input(now, Input::Start);
/// sessions[1].handle_input(now, Input::Start);
/// let sides = [Side::Outgoing, Side::Incoming];
/// assert_eq!(sessions[0].poll_output(), Some(Output::Connect));
/// for (session, side) in sessions.iter_mut().zip(sides) {
///     session.handle_input(now, Input::Connected { side });
/// }
/// while sessions.iter().any(|s| s.state() != State::Established) {
///     for from in [0, 1] {
///         while let Some(output) = sessions[from].poll_output() {
///             if let Output::Send { octets, .. } = output {
///                 let input = Input::Stream { side: sides[1 - from], octets: &octets };
///                 sessions[1 - from].handle_input(now, input);
///             }
///         }
///     }
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Session {
    pub(super) config: SessionConfig,
    /// Between start and stop.
    up: bool,
    outgoing: Connection,
    incoming: Connection,
    pub(super) idle_hold: Option<Instant>,
    /// Failures in a row; the time between attempts grows with them.
    pub(super) failures: u32,
    pub(super) without_capabilities: bool,
    pub(super) was_established: bool,
    pub(super) jitter: Jitter,
    pub(super) outputs: VecDeque<Output>,
    pub(super) counters: SessionCounters,
}

/// What comes with an event, and what became of it.
#[derive(Debug, Default)]
pub(super) struct Cause {
    /// The NOTIFICATION to send, if the transition sends one.
    pub(super) error: Option<Notification>,
    /// The message that the event is about.
    pub(super) message: Option<MessageType>,
    /// What is handed on if the transition processes the message.
    pub(super) output: Option<Output>,
    /// The NOTIFICATION received.
    pub(super) received: Option<Notification>,
    /// The NOTIFICATION sent.
    pub(super) sent: Option<Notification>,
    /// An early new attempt has no prospect.
    pub(super) hopeless: bool,
    /// The peer's routes are to be kept.
    pub(super) retain: bool,
    /// Start again.
    pub(super) restart: bool,
}

impl Cause {
    pub(super) fn error(error: Notification) -> Self {
        Self { error: Some(error), ..Self::default() }
    }

    pub(super) fn message(message: MessageType) -> Self {
        Self { message: Some(message), ..Self::default() }
    }
}

pub(super) const fn other(side: Side) -> Side {
    match side {
        Side::Outgoing => Side::Incoming,
        Side::Incoming => Side::Outgoing,
    }
}

impl Session {
    /// The large value of the HoldTimer before the peer's OPEN (RFC 4271 §8.2.2).
    pub const LARGE_HOLD_TIME: Duration = Duration::from_secs(240);

    /// A session in Idle.
    ///
    /// # Errors
    /// A field of the configuration is out of its range.
    pub fn new(_now: Instant, config: SessionConfig) -> Result<Self, ConfigError> {
        config.local.validate()?;
        config.peer.validate()?;
        if config.peer.open(&config.local, OpenState::default()).is_none() {
            return Err(ConfigError::Exhausted { field: "families" });
        }
        Ok(Self {
            jitter: Jitter::new(config.seed),
            config,
            up: false,
            outgoing: Connection::default(),
            incoming: Connection::default(),
            idle_hold: None,
            failures: 0,
            without_capabilities: false,
            was_established: false,
            outputs: VecDeque::new(),
            counters: SessionCounters::default(),
        })
    }

    /// The state of whichever connection is further.
    #[must_use]
    pub fn state(&self) -> State {
        self.outgoing.state.max(self.incoming.state)
    }

    /// What was agreed on, while the session is Established.
    #[must_use]
    pub fn negotiated(&self) -> Option<&Negotiated> {
        self.established_side().and_then(|side| self.side(side).negotiated.as_deref())
    }

    /// The connection of the established session.
    #[must_use]
    pub fn established_side(&self) -> Option<Side> {
        [Side::Outgoing, Side::Incoming].into_iter().find(|side| self.side(*side).state == State::Established)
    }

    /// Since when the session is Established.
    #[must_use]
    pub fn established_since(&self) -> Option<Instant> {
        self.established_side().and_then(|side| self.side(side).established_at)
    }

    /// Messages and events so far.
    #[must_use]
    pub const fn counters(&self) -> &SessionCounters {
        &self.counters
    }

    /// The configuration.
    #[must_use]
    pub const fn config(&self) -> &SessionConfig {
        &self.config
    }

    /// Whether a connection that the peer opened now would be used; if not, close it at once.
    ///
    /// No in Idle, and while an earlier incoming connection exists, unless that one is Established and the peer offered to
    /// restart gracefully: then the new one is the sign of its restart (RFC 4724 §4.2).
    #[must_use]
    pub fn admits_incoming(&self) -> bool {
        match self.incoming.tcp {
            Tcp::Open => self.incoming.state == State::Established && self.peer_restarts(Side::Incoming),
            _ => self.state() != State::Idle,
        }
    }

    /// Something happened.
    pub fn handle_input(&mut self, now: Instant, input: Input<'_>) {
        match input {
            Input::Start => self.start(now),
            Input::Stop(cease) => self.stop(now, cease),
            Input::Reset(cease) => self.reset(now, &cease),
            Input::Connected { side: Side::Outgoing } => self.outgoing_connected(now),
            Input::Connected { side: Side::Incoming } => self.incoming_connected(now),
            Input::Stream { side, octets } => self.stream(now, side, octets),
            Input::Closed { side } => {
                if self.side(side).tcp != Tcp::Closed {
                    self.side_mut(side).closed();
                    self.fire(now, side, SessionEvent::TcpConnectionFails, Cause::default());
                }
            }
            Input::Writable { side, room } => self.writable(now, side, room),
            Input::UpdateError(notification) => {
                if let Some(side) = self.established_side() {
                    self.outputs.retain(|o| !matches!(o, Output::Update(_) | Output::Refresh(_)));
                    self.fire(now, side, SessionEvent::UpdateMsgErr, Cause::error(notification));
                }
            }
            Input::UpdateSent => {
                if let Some(side) = self.established_side() {
                    self.counters.sent.updates = self.counters.sent.updates.saturating_add(1);
                    self.start_keepalive(now, side);
                }
            }
            Input::Refresh(refresh) => self.send_refresh(refresh),
        }
        self.settle(now);
    }

    /// Fires what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((at, due)) = self.next_timer() {
            if at > now {
                break;
            }
            match due {
                None => {
                    self.idle_hold = None;
                    self.fire(now, Side::Outgoing, SessionEvent::IdleHoldTimerExpires, Cause::default());
                }
                // While the other connection carries the session there is nothing to connect for (RFC 4271 §6.8, §8.2.1).
                Some((side, Timer::ConnectRetry)) if self.side(other(side)).state == State::Established => {
                    self.rest(now, side);
                }
                Some((side, timer)) => {
                    self.side_mut(side).stop(timer);
                    let event = match timer {
                        Timer::Hold => SessionEvent::HoldTimerExpires,
                        Timer::SendHold => SessionEvent::SendHoldTimerExpires,
                        Timer::Keepalive => SessionEvent::KeepaliveTimerExpires,
                        Timer::DelayOpen => SessionEvent::DelayOpenTimerExpires,
                        Timer::ConnectRetry => SessionEvent::ConnectRetryTimerExpires,
                    };
                    self.fire(now, side, event, Cause::default());
                }
            }
            self.settle(now);
        }
    }

    /// The next thing to be done outside.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Self::handle_timeout`] is to be called next: the earliest of the HoldTimer, SendHoldTimer, KeepaliveTimer,
    /// DelayOpenTimer of both connections, ConnectRetryTimer and IdleHoldTimer. Any input and any time-out may change it.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        self.next_timer().map(|(at, _)| at)
    }

    /// The earliest timer; of two at once the one named first above.
    fn next_timer(&self) -> Option<(Instant, Option<(Side, Timer)>)> {
        let mut next = self.idle_hold.map(|at| (at, None));
        for side in [Side::Outgoing, Side::Incoming] {
            for (at, timer) in self.side(side).timers() {
                if let Some(at) = at {
                    if next.is_none_or(|(first, _)| at < first) {
                        next = Some((at, Some((side, timer))));
                    }
                }
            }
        }
        next
    }

    pub(super) const fn side(&self, side: Side) -> &Connection {
        match side {
            Side::Outgoing => &self.outgoing,
            Side::Incoming => &self.incoming,
        }
    }

    pub(super) const fn side_mut(&mut self, side: Side) -> &mut Connection {
        match side {
            Side::Outgoing => &mut self.outgoing,
            Side::Incoming => &mut self.incoming,
        }
    }

    pub(super) fn peer_restarts(&self, side: Side) -> bool {
        self.side(side).negotiated.as_ref().is_some_and(|n| n.peer_restarts())
    }

    fn start(&mut self, now: Instant) {
        if self.up {
            return;
        }
        self.up = true;
        self.failures = 0;
        self.without_capabilities = false;
        let passive = self.config.peer.passive;
        let event = if passive { SessionEvent::ManualStartPassive } else { SessionEvent::ManualStart };
        self.fire(now, Side::Outgoing, event, Cause::default());
    }

    fn stop(&mut self, now: Instant, cease: Notification) {
        self.up = false;
        self.idle_hold = None;
        for side in [Side::Outgoing, Side::Incoming] {
            self.fire(now, side, SessionEvent::ManualStop, Cause::error(cease.clone()));
        }
    }

    fn reset(&mut self, now: Instant, cease: &Notification) {
        for side in [Side::Outgoing, Side::Incoming] {
            if self.side(side).tcp != Tcp::Closed {
                self.fire(now, side, SessionEvent::AutomaticStop, Cause::error(cease.clone()));
            }
        }
    }

    fn outgoing_connected(&mut self, now: Instant) {
        match self.outgoing.tcp {
            Tcp::Opening => {
                self.outgoing.tcp = Tcp::Open;
                self.fire(now, Side::Outgoing, SessionEvent::TcpCrAcked, Cause::default());
            }
            // Too late: the attempt was given up.
            Tcp::Closed => self.outputs.push_back(Output::Close { side: Side::Outgoing }),
            Tcp::Open => {}
        }
    }

    fn incoming_connected(&mut self, now: Instant) {
        let side = Side::Incoming;
        if self.incoming.tcp == Tcp::Open {
            // Replaced: the old one is gone without a word.
            self.incoming.closed();
            let restart = self.incoming.state == State::Established && self.peer_restarts(side);
            let event = if restart { SessionEvent::TcpConnectionConfirmed } else { SessionEvent::TcpConnectionFails };
            self.fire(now, side, event, Cause::default());
            self.incoming = Connection::default();
            self.settle(now);
        }
        if self.outgoing.state == State::Established && self.peer_restarts(Side::Outgoing) {
            // RFC 4724 §4.2: the peer restarted; its old connection is closed without a NOTIFICATION.
            self.fire(now, Side::Outgoing, SessionEvent::TcpConnectionConfirmed, Cause::default());
            self.outgoing = Connection::default();
        } else if self.state() == State::Idle {
            // RFC 4486 §4: the connection is there, and refused.
            let refusal = Notification::new(ErrorCode::CEASE, subcode::cease::CONNECTION_REJECTED);
            self.send(side, &Message::Notification(refusal));
            self.outputs.push_back(Output::Close { side });
            return;
        }
        // The FSM that waits in Active without a connection goes on with this one; one in Connect goes on beside it.
        if self.outgoing.state == State::Active && self.outgoing.tcp == Tcp::Closed {
            self.outgoing = Connection::default();
        }
        self.incoming = Connection::accepted();
        self.fire(now, side, SessionEvent::TcpConnectionConfirmed, Cause::default());
    }

    fn writable(&mut self, now: Instant, side: Side, room: usize) {
        let connection = self.side(side);
        let hold_time = connection.negotiated.as_ref().map_or(Duration::ZERO, |n| n.hold_time);
        if room > 0 {
            self.side_mut(side).send_hold = None;
        } else if let (None, Some(limit), false) =
            (connection.send_hold, self.config.peer.timers.send_hold, hold_time.is_zero())
        {
            self.side_mut(side).send_hold = Some(now + limit.max(hold_time.saturating_mul(2)));
        }
    }

    fn send_refresh(&mut self, refresh: RouteRefresh) {
        let (Some(side), Some(negotiated)) = (self.established_side(), self.negotiated()) else { return };
        let request = refresh.subtype == crate::message::RefreshSubtype::REQUEST;
        let taken = if request { negotiated.route_refresh } else { negotiated.enhanced_route_refresh };
        if taken && negotiated.families.contains(&refresh.family) {
            self.send(side, &Message::RouteRefresh(refresh));
        }
    }

    /// Brings connections that came to rest together: one FSM waits or connects for both, and starts again by itself.
    fn settle(&mut self, now: Instant) {
        if self.incoming.tcp == Tcp::Closed && self.incoming.state != State::Idle {
            self.incoming = Connection::default();
        }
        if self.up && self.state() == State::Idle && self.idle_hold.is_none() {
            // Listening at once, connecting after a while.
            let damped = self.config.peer.timers.idle_hold.is_some();
            let event =
                if damped { SessionEvent::AutomaticStartDampedPassive } else { SessionEvent::AutomaticStartPassive };
            self.fire(now, Side::Outgoing, event, Cause::default());
        }
    }

    /// One event on one connection: the transition, its actions, and what follows from the new state.
    pub(super) fn fire(&mut self, now: Instant, side: Side, event: SessionEvent, mut cause: Cause) {
        let before = self.side(side).state;
        let (next, actions) = match transition(before, event, self.conditions(side)) {
            Ok(next) => next,
            Err(unexpected) => {
                let data: Vec<u8> =
                    cause.message.filter(|_| unexpected.subcode != 0).map(|m| m.0).into_iter().collect();
                cause.error = Some(Notification::with_data(ErrorCode::FSM, unexpected.subcode, &data));
                (State::Idle, unexpected.actions)
            }
        };
        let dumped = event == SessionEvent::OpenCollisionDump;
        let ended = before >= State::OpenSent && next < State::OpenSent;
        let failed = ended || before != State::Idle && next == State::Idle;
        if failed && !dumped && event != SessionEvent::ManualStop {
            self.count_failure(now, side, cause.hopeless);
        }
        for action in actions {
            self.act(now, side, event, next, *action, &mut cause);
        }
        for notification in [&cause.sent, &cause.received].into_iter().flatten() {
            self.counters.last_error = [notification.code.0, notification.subcode];
        }
        if (before == State::Established) != (next == State::Established) {
            self.counters.changed = Some(now);
        }
        self.side_mut(side).state = next;
        if next == State::Established && before != next {
            self.established(now, side);
        }
        let second = self.side(other(side)).state == State::Established;
        let news = ended || cause.sent.is_some() || cause.received.is_some();
        if news && next < State::OpenSent && !second && (before == State::Established || !dumped) {
            self.outputs.push_back(Output::Down(super::io::Down {
                established: before == State::Established,
                sent: cause.sent,
                received: cause.received,
                retain_routes: cause.retain,
            }));
        }
        if cause.restart {
            let passive = self.config.peer.passive;
            let event =
                if passive { SessionEvent::AutomaticStartDampedPassive } else { SessionEvent::AutomaticStartDamped };
            self.fire(now, side, event, Cause::default());
        }
    }

    fn conditions(&self, side: Side) -> Conditions {
        let timers = &self.config.peer.timers;
        let mut conditions = Conditions::NOTIFICATION_WITHOUT_OPEN;
        conditions.set(Conditions::DELAY_OPEN, timers.delay_open.is_some());
        conditions.set(Conditions::DELAY_OPEN_TIMER_RUNS, self.side(side).delay_open.is_some());
        conditions.set(Conditions::DAMP_PEER_OSCILLATIONS, timers.idle_hold.is_some());
        conditions.set(Conditions::PEER_RESTARTS, self.peer_restarts(side));
        conditions
    }

    pub(super) fn local_open(&self) -> Option<Open> {
        let state = OpenState {
            restarted: self.config.restarted && !self.was_established,
            forwarding: self.config.restarted || self.was_established,
            without_capabilities: self.without_capabilities,
        };
        self.config.peer.open(&self.config.local, state)
    }
}
