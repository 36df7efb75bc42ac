//! One TCP connection of a session: its state, its timers, and the framing of what it receives.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic))]

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::vec::Vec;

use fwd_core::time::Instant;

use super::fsm::State;
use super::negotiated::Negotiated;
use crate::message::capability::Capability;
use crate::message::{Header, Notification, Open, frame_len};

/// What there is of TCP.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Tcp {
    /// Nothing.
    #[default]
    Closed,
    /// Our attempt.
    Opening,
    /// A connection.
    Open,
}

/// One connection and its FSM.
#[derive(Clone, Debug, Default)]
pub(super) struct Connection {
    pub(super) state: State,
    pub(super) tcp: Tcp,
    /// The head of a message whose rest is still to come; shorter than the longest message.
    input: Vec<u8>,
    /// ConnectRetryTimer; only the outgoing connection has one.
    pub(super) retry: Option<Instant>,
    pub(super) hold: Option<Instant>,
    pub(super) keepalive: Option<Instant>,
    pub(super) delay_open: Option<Instant>,
    pub(super) send_hold: Option<Instant>,
    /// The OPEN we sent.
    pub(super) open: Option<Open>,
    /// What follows from both OPENs.
    pub(super) negotiated: Option<Box<Negotiated>>,
    pub(super) established_at: Option<Instant>,
    /// This connection was already there when the other one became Established: both are of one simultaneous open.
    pub(super) rival: bool,
}

impl Connection {
    /// A connection that the peer opened, taken by the FSM that listens.
    pub(super) fn accepted() -> Self {
        Self { state: State::Active, tcp: Tcp::Open, ..Self::default() }
    }

    /// Forgets everything but state, TCP and the ConnectRetryTimer.
    pub(super) fn release(&mut self) {
        *self = Self { state: self.state, tcp: self.tcp, retry: self.retry, ..Self::default() };
    }

    /// TCP is gone.
    pub(super) fn closed(&mut self) {
        self.tcp = Tcp::Closed;
        self.input = Vec::new();
    }

    /// The longest message the peer may send: extended ones as soon as it has our OPEN that offers them (RFC 8654 §4).
    fn max_len(&self) -> usize {
        let offered = |open: &Open| open.capabilities().any(|c| *c == Capability::ExtendedMessage);
        if self.open.as_ref().is_some_and(offered) { Header::MAX_EXTENDED_LEN } else { Header::MAX_MESSAGE_LEN }
    }

    /// The next whole message out of what was kept and `octets`, of which it takes what it needs. `None`: there is none,
    /// and all octets were taken. A message that stands whole in `octets` is not copied.
    pub(super) fn next_message<'a>(&mut self, octets: &mut &'a [u8]) -> Result<Option<Cow<'a, [u8]>>, Notification> {
        let max = self.max_len();
        if self.input.is_empty() {
            if let Some(len) = frame_len(octets, max)? {
                if let Some((message, rest)) = octets.split_at_checked(len) {
                    *octets = rest;
                    return Ok(Some(Cow::Borrowed(message)));
                }
            }
        }
        loop {
            let framed = frame_len(&self.input, max)?;
            let want = framed.unwrap_or(Header::LEN);
            let missing = want.saturating_sub(self.input.len());
            if missing == 0 {
                return Ok(Some(Cow::Owned(core::mem::take(&mut self.input))));
            }
            let (head, rest) = octets.split_at_checked(missing).unwrap_or((*octets, &[]));
            self.input.extend_from_slice(head);
            *octets = rest;
            if head.len() < missing {
                // A fault in a header that is not whole yet.
                return frame_len(&self.input, max).map(|_| None);
            }
        }
    }

    /// The timers, with what they are.
    pub(super) fn timers(&self) -> [(Option<Instant>, Timer); 5] {
        [
            (self.hold, Timer::Hold),
            (self.send_hold, Timer::SendHold),
            (self.keepalive, Timer::Keepalive),
            (self.delay_open, Timer::DelayOpen),
            (self.retry, Timer::ConnectRetry),
        ]
    }

    pub(super) fn stop(&mut self, timer: Timer) {
        *match timer {
            Timer::Hold => &mut self.hold,
            Timer::SendHold => &mut self.send_hold,
            Timer::Keepalive => &mut self.keepalive,
            Timer::DelayOpen => &mut self.delay_open,
            Timer::ConnectRetry => &mut self.retry,
        } = None;
    }
}

/// A timer of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timer {
    Hold,
    SendHold,
    Keepalive,
    DelayOpen,
    ConnectRetry,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::Message;

    fn messages(count: usize) -> Vec<u8> {
        let mut octets = Vec::new();
        for n in 0..count {
            Message::Keepalive.emit(&mut octets);
            Message::Update(&alloc::vec![0; 4 + n]).emit(&mut octets);
        }
        octets
    }

    #[test]
    fn messages_come_out_whole_however_they_are_cut() {
        let octets = messages(10);
        for size in 1..octets.len() {
            let mut connection = Connection::default();
            let mut out = Vec::new();
            for mut piece in octets.chunks(size) {
                while let Some(message) = connection.next_message(&mut piece).unwrap() {
                    out.extend_from_slice(&message);
                }
                assert!(piece.is_empty());
                assert!(connection.input.len() < Header::MAX_MESSAGE_LEN);
            }
            assert_eq!(out, octets, "cut every {size} octets");
        }
    }

    #[test]
    fn a_whole_message_is_not_copied() {
        let octets = messages(1);
        let mut piece = &octets[..];
        let message = Connection::default().next_message(&mut piece).unwrap();
        assert!(matches!(message, Some(Cow::Borrowed(m)) if m.len() == 19));
    }

    #[test]
    fn garbage_is_refused_at_its_first_octet() {
        let mut connection = Connection::default();
        let mut piece = &b"\xff\xffGET"[..];
        assert_eq!(connection.next_message(&mut piece).unwrap_err().subcode, 1);
        let mut connection = Connection::default();
        let mut piece = &[0xff; 5][..];
        assert_eq!(connection.next_message(&mut piece), Ok(None));
        let mut piece = &b"G"[..];
        assert_eq!(connection.next_message(&mut piece).unwrap_err().subcode, 1);
    }
}
