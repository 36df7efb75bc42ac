//! The actions of the FSM, carried out.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic))]

use alloc::vec::Vec;
use core::time::Duration;

use fwd_core::time::Instant;

use super::connection::Tcp;
use super::fsm::{Action, SessionEvent, State};
use super::io::{MessageCounts, Output};
use super::machine::{Cause, Session, other};
use crate::message::{ErrorCode, Message, MessageType, Notification, subcode};
use crate::speaker::Side;

impl MessageCounts {
    pub(super) fn count(&mut self, message_type: MessageType) {
        let field = match message_type {
            MessageType::OPEN => &mut self.opens,
            MessageType::UPDATE => &mut self.updates,
            MessageType::NOTIFICATION => &mut self.notifications,
            MessageType::KEEPALIVE => &mut self.keepalives,
            _ => &mut self.refreshes,
        };
        *field = field.saturating_add(1);
    }
}

impl Session {
    /// The first time between attempts; it doubles with each failure.
    const FIRST_RETRY: Duration = Duration::from_secs(1);
    /// Failures after which the time between attempts is the longest: 2^16 s exceed every ConnectRetryTime.
    const LONGEST_WAIT: u32 = 17;
    /// How often the IdleHoldTime is doubled at most.
    const IDLE_HOLD_DOUBLINGS: u32 = 6;

    pub(super) fn act(
        &mut self,
        now: Instant,
        side: Side,
        event: SessionEvent,
        next: State,
        action: Action,
        cause: &mut Cause,
    ) {
        match action {
            Action::InitiateConnection => {
                self.side_mut(side).tcp = Tcp::Opening;
                self.outputs.push_back(Output::Connect);
            }
            Action::DropConnection => self.drop_connection(side),
            Action::RejectConnection => self.outputs.push_back(Output::Close { side }),
            // A second connection has an FSM of its own, which is all the tracking there is.
            Action::TrackConnection => {}
            Action::SendOpen => self.send_open(side),
            Action::SendKeepalive => self.send(side, &Message::Keepalive),
            Action::SendCease => {
                let collision = subcode::cease::CONNECTION_COLLISION_RESOLUTION;
                let cease = cause.error.take().unwrap_or_else(|| Notification::new(ErrorCode::CEASE, collision));
                self.notify(side, self.cease(side, cease), cause);
            }
            Action::SendHoldTimerExpired => {
                self.notify(side, Notification::new(ErrorCode::HOLD_TIMER_EXPIRED, 0), cause);
            }
            Action::SendError | Action::SendFsmError => {
                if let Some(error) = cause.error.take() {
                    self.notify(side, error, cause);
                }
            }
            Action::StartConnectRetryTimer => self.start_retry(now, side, next),
            Action::StopConnectRetryTimer => self.side_mut(side).retry = None,
            Action::StartDelayOpenTimer => {
                self.side_mut(side).delay_open = self.config.peer.timers.delay_open.map(|d| now + d);
            }
            Action::StopDelayOpenTimer => self.side_mut(side).delay_open = None,
            Action::StartLargeHoldTimer => self.side_mut(side).hold = Some(now + Self::LARGE_HOLD_TIME),
            Action::StartHoldTimer => {
                let hold_time = self.hold_time(side);
                self.side_mut(side).hold = (!hold_time.is_zero()).then(|| now + hold_time);
            }
            Action::StartKeepaliveTimer => self.start_keepalive(now, side),
            Action::ZeroConnectRetryCounter => self.counters.connect_retry = 0,
            Action::IncrementConnectRetryCounter => {
                self.counters.connect_retry = self.counters.connect_retry.saturating_add(1);
            }
            Action::DampPeerOscillations => self.damp(now, side, event),
            Action::AutomaticStart => cause.restart = true,
            Action::ProcessUpdate | Action::ProcessRouteRefresh => self.outputs.extend(cause.output.take()),
            Action::ReleaseRoutes => cause.retain = self.retains_routes(side, event, cause),
            Action::ReleaseResources => self.side_mut(side).release(),
        }
    }

    fn drop_connection(&mut self, side: Side) {
        if self.side(side).tcp != Tcp::Closed {
            self.outputs.push_back(Output::Close { side });
        }
        let connection = self.side_mut(side);
        connection.closed();
        connection.release();
    }

    /// Waits for the ConnectRetryTimer in Active, without an attempt to connect.
    pub(super) fn rest(&mut self, now: Instant, side: Side) {
        self.drop_connection(side);
        self.side_mut(side).state = State::Active;
        self.start_retry(now, side, State::Active);
    }

    fn send_open(&mut self, side: Side) {
        if let Some(open) = self.local_open() {
            self.send(side, &Message::Open(open.clone()));
            self.side_mut(side).open = Some(open);
        }
    }

    pub(super) fn send(&mut self, side: Side, message: &Message<'_>) {
        let mut octets = Vec::with_capacity(message.wire_len());
        message.emit(&mut octets);
        self.counters.sent.count(message.message_type());
        self.outputs.push_back(Output::Send { side, octets });
    }

    fn notify(&mut self, side: Side, notification: Notification, cause: &mut Cause) {
        self.send(side, &Message::Notification(notification.clone()));
        cause.sent = Some(notification);
    }

    /// A Cease that ends the session for long goes inside a Hard Reset where NOTIFICATIONs do not end graceful restart
    /// (RFC 8538 §5.1).
    fn cease(&self, side: Side, cease: Notification) -> Notification {
        let for_long = matches!(
            cease.subcode,
            subcode::cease::MAXIMUM_NUMBER_OF_PREFIXES_REACHED
                | subcode::cease::ADMINISTRATIVE_SHUTDOWN
                | subcode::cease::PEER_DECONFIGURED
        );
        let agreed = self.side(side).negotiated.as_ref().is_some_and(|n| n.notification_restart);
        if agreed && for_long && cease.code == ErrorCode::CEASE { cease.hard_reset() } else { cease }
    }

    /// RFC 4724 §4.2: the connection failed. RFC 8538 §4: or, with the N bit of both, anything else but a Hard Reset.
    fn retains_routes(&self, side: Side, event: SessionEvent, cause: &Cause) -> bool {
        use SessionEvent::{TcpConnectionConfirmed, TcpConnectionFails, TcpCrAcked};
        let Some(negotiated) = &self.side(side).negotiated else { return false };
        let failed = matches!(event, TcpConnectionFails | TcpCrAcked | TcpConnectionConfirmed);
        let hard = [&cause.sent, &cause.received].into_iter().flatten().any(Notification::is_hard_reset);
        negotiated.peer_restarts() && (failed || negotiated.notification_restart && !hard)
    }

    fn hold_time(&self, side: Side) -> Duration {
        self.side(side).negotiated.as_ref().map_or(Duration::ZERO, |n| n.hold_time)
    }

    /// KeepaliveTime: a third of the hold time (RFC 4271 §10).
    pub(super) fn start_keepalive(&mut self, now: Instant, side: Side) {
        let hold_time = self.hold_time(side);
        self.side_mut(side).keepalive = if hold_time.is_zero() {
            None
        } else {
            let third = hold_time / 3;
            Some(now + self.jitter.apply(third))
        };
    }

    /// In Connect the timer bounds the attempt, in Active the wait for the next one. A passive session never connects.
    fn start_retry(&mut self, now: Instant, side: Side, next: State) {
        let longest = self.config.peer.timers.connect_retry;
        let time = match next {
            State::Connect => longest,
            State::Active => {
                longest.min(doubled(Self::FIRST_RETRY, self.failures.saturating_sub(1).min(Self::LONGEST_WAIT)))
            }
            _ => return self.side_mut(side).retry = None,
        };
        if side == Side::Outgoing && !self.config.peer.passive {
            let time = self.jitter.apply(time);
            self.side_mut(side).retry = Some(now + time);
        }
    }

    /// One failure more in a row; a session that held for a while starts the row anew.
    pub(super) fn count_failure(&mut self, now: Instant, side: Side, hopeless: bool) {
        let hold_time = match self.hold_time(side) {
            Duration::ZERO => Duration::from_secs(90),
            hold_time => hold_time,
        };
        if self.side(side).established_at.is_some_and(|at| now - at >= hold_time) {
            self.failures = 0;
        }
        self.failures = if hopeless { Self::LONGEST_WAIT } else { self.failures.saturating_add(1) };
    }

    /// DampPeerOscillations (RFC 4271 §8.1.1): the peer stays in Idle for a time that doubles with each failure. Losing a
    /// collision is no failure, and another connection under way goes on.
    fn damp(&mut self, now: Instant, side: Side, event: SessionEvent) {
        let alone = self.side(other(side)).state == State::Idle;
        if let (Some(first), true, true) =
            (self.config.peer.timers.idle_hold, alone, event != SessionEvent::OpenCollisionDump)
        {
            let doublings = self.failures.saturating_sub(1).min(Self::IDLE_HOLD_DOUBLINGS);
            self.idle_hold = Some(now + doubled(first, doublings));
        }
    }

    /// The session is up over `side`: an attempt of the other side that has no connection yet is given up.
    pub(super) fn established(&mut self, now: Instant, side: Side) {
        self.was_established = true;
        self.counters.established = self.counters.established.saturating_add(1);
        let rest = other(side);
        if self.side(rest).tcp == Tcp::Open {
            self.side_mut(rest).rival = true;
        } else {
            self.drop_connection(rest);
            let connection = self.side_mut(rest);
            connection.retry = None;
            connection.state = State::Idle;
        }
        let connection = self.side_mut(side);
        connection.established_at = Some(now);
        if let Some(negotiated) = connection.negotiated.clone() {
            self.outputs.push_back(Output::Established { side, negotiated });
        }
    }
}

fn doubled(d: Duration, times: u32) -> Duration {
    d.saturating_mul(1_u32.checked_shl(times).unwrap_or(u32::MAX))
}
