//! When packets are sent, and what a change of state sets going (RFC 5880 §6.8.3, §6.8.7, RFC 8562 §5.13.3).

use core::time::Duration;

use fwd_core::time::Instant;

use super::config::SessionId;
use super::fsm::{SessionEvent, SessionType};
use super::io::Event;
use super::machine::{Bfd, Due, Key, Timer};
use super::packet::State;

impl Bfd {
    /// Sends a packet, if one may be sent, and sets the time of the next one.
    pub(super) fn transmit(&mut self, now: Instant, id: SessionId) {
        let Some(session) = self.sessions.get(&id) else { return };
        if !session.is_periodic() {
            self.timers.clear(Timer::Transmit(id));
            return;
        }
        let next = now + session.jittered(&mut self.random);
        self.timers.set(Timer::Transmit(id), next);
        self.queue_packet(Due::Periodic(id));
    }

    /// Sees that packets go out no later than the interval says (RFC 5880 §6.8.3), and no more if they may not.
    pub(super) fn reschedule(&mut self, now: Instant, id: SessionId) {
        let Some(session) = self.sessions.get(&id) else { return };
        if !session.is_periodic() {
            self.timers.clear(Timer::Transmit(id));
            return;
        }
        let Some(at) = self.timers.get(Timer::Transmit(id)) else {
            // A tail that starts to report waits, unless it was asked alone (RFC 8563 §6.13.3).
            if session.kind == SessionType::MultipointTail && !session.hurried {
                let delay =
                    self.random.up_to(Duration::from_micros(session.remote.min_rx.into()).saturating_mul(9) / 10);
                self.timers.set(Timer::Transmit(id), now + delay);
            } else {
                self.transmit(now, id);
            }
            return;
        };
        let latest = session.last_sent.unwrap_or(now) + session.interval();
        if at > latest {
            let next = session.last_sent.unwrap_or(now) + session.jittered(&mut self.random);
            self.timers.set(Timer::Transmit(id), next.max(now));
        }
    }

    /// A session's state is another: who waits for it is told, and the peer at once (RFC 8562 §5.13.3).
    pub(super) fn changed(&mut self, now: Instant, id: SessionId) {
        let Some(session) = self.sessions.get(&id) else { return };
        let (state, diag, remote_diag, kind) = (session.state, session.diag, session.remote.diag, session.kind);
        let (dynamic, hold) = (session.dynamic, self.config.dynamic_tail_hold);
        self.queue_event(Event::State { session: id, state, diag, remote_diag });
        match kind {
            SessionType::MultipointTail => {
                self.timers.clear(Timer::Transmit(id));
                self.reschedule(now, id);
                if dynamic && state == State::Down {
                    self.timers.set(Timer::Phase(id), now + hold);
                } else if dynamic {
                    self.timers.clear(Timer::Phase(id));
                }
            }
            SessionType::MultipointHead => {
                if state != State::Up {
                    self.forget_clients(id);
                }
                self.transmit(now, id);
            }
            _ => self.transmit(now, id),
        }
    }

    /// A time of announcement is over.
    pub(super) fn phase(&mut self, now: Instant, id: SessionId) {
        let Some(session) = self.sessions.get_mut(&id) else { return };
        match session.state {
            State::AdminDown if session.leaving => self.end(id),
            State::AdminDown => {
                session.silent = true;
                self.timers.clear(Timer::Transmit(id));
            }
            State::Down if session.dynamic => self.end(id),
            _ => {
                if let Some(Some(_)) = session.happen(SessionEvent::Announced) {
                    self.changed(now, id);
                }
            }
        }
    }

    pub(super) fn end(&mut self, id: SessionId) {
        self.forget_clients(id);
        let Some(session) = self.sessions.remove(&id) else { return };
        if let Some(key) = Key::of(&session.config.path) {
            self.keys.remove(&key);
        }
        if session.dynamic {
            self.dynamic_tails = self.dynamic_tails.saturating_sub(1);
        }
        for timer in [Timer::Transmit, Timer::Detect, Timer::Sequence, Timer::Phase, Timer::Reply] {
            self.timers.clear(timer(id));
        }
        self.queue_event(Event::Removed(id));
    }
}
