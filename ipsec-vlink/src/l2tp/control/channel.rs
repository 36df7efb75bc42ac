//! Reliable delivery of control messages (RFC 2661 §5.8, RFC 3931 §4.2): numbers, window, slow start, retransmission.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::time::Duration;

use fwd_core::time::Instant;

/// How messages are sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// Until the first time; default 1 s.
    pub first: Duration,
    /// The most between two times, which otherwise doubles; default 8 s.
    pub most: Duration,
    /// Times that a message is sent before the peer is given up; default 5 for version 2, 10 for version 3.
    pub tries: u8,
    /// Messages that we take out of order, and tell the peer that we take at once; default 4, as if nothing were said.
    pub window: u16,
}

impl Delivery {
    /// The defaults of version 2 (RFC 2661 §5.8).
    pub const VERSION_2: Self =
        Self { first: Duration::from_secs(1), most: Duration::from_secs(8), tries: 5, window: 4 };
    /// The defaults of version 3 (RFC 3931 §4.2).
    pub const VERSION_3: Self = Self { tries: 10, ..Self::VERSION_2 };

    /// How long a side that ended the connection keeps it: as long as all times that a message is sent take (RFC 2661 §5.7).
    #[must_use]
    pub fn cycle(&self) -> Duration {
        let mut interval = self.first;
        (0..self.tries).fold(Duration::ZERO, |sum, _| {
            let now = interval.min(self.most);
            interval = interval.saturating_mul(2);
            sum.saturating_add(now)
        })
    }
}

/// A message that was sent and not acknowledged.
#[derive(Clone, Debug)]
struct Sent {
    ns: u16,
    session: u16,
    body: Vec<u8>,
    tries: u8,
}

/// A message to be put on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Transmit<'a> {
    pub(super) ns: u16,
    /// Of version 2's header.
    pub(super) session: u16,
    pub(super) body: &'a [u8],
}

/// What becomes of a message that was received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// It is the next one: process it, then those that [`Channel::held`] gives.
    Next,
    /// It came before, or comes too early and was kept or dropped: acknowledge.
    Other,
}

/// One direction's state of a control connection, and the other's.
#[derive(Clone, Debug)]
pub(super) struct Channel {
    delivery: Delivery,
    /// Of the next message sent.
    ns: u16,
    /// Of the next message expected.
    nr: u16,
    sent: VecDeque<Sent>,
    /// Messages that may be unacknowledged: the peer's receive window.
    peer_window: u16,
    /// Congestion window, threshold and what was acknowledged within a window (RFC 3931 appendix A).
    congestion: u16,
    threshold: u16,
    acknowledged: u16,
    held: BTreeMap<u16, (u16, Vec<u8>)>,
    retransmitted: u64,
}

/// How far `a` is ahead of `b`; negative if behind.
const fn ahead(a: u16, b: u16) -> i16 {
    a.wrapping_sub(b) as i16
}

impl Channel {
    pub(super) fn new(delivery: Delivery) -> Self {
        Self {
            delivery,
            ns: 0,
            nr: 0,
            sent: VecDeque::new(),
            peer_window: 4,
            congestion: 1,
            threshold: 4,
            acknowledged: 0,
            held: BTreeMap::new(),
            retransmitted: 0,
        }
    }

    /// The peer said how many messages it takes. RFC 2661 §4.4.3: a window of 0 is none; it counts as 1.
    pub(super) fn set_peer_window(&mut self, window: u16) {
        self.peer_window = window.max(1);
        self.threshold = self.peer_window;
    }

    /// Whether another message may be sent.
    pub(super) fn has_room(&self) -> bool {
        self.sent.len() < usize::from(self.congestion.min(self.peer_window))
    }

    /// Whether everything was acknowledged.
    pub(super) fn is_clear(&self) -> bool {
        self.sent.is_empty()
    }

    /// The number that goes with everything that is sent.
    pub(super) const fn nr(&self) -> u16 {
        self.nr
    }

    /// The number of a message that only acknowledges.
    pub(super) const fn ns(&self) -> u16 {
        self.ns
    }

    pub(super) const fn retransmitted(&self) -> u64 {
        self.retransmitted
    }

    /// Sends a message: it is kept until it is acknowledged.
    pub(super) fn send(&mut self, session: u16, body: Vec<u8>) -> Option<Transmit<'_>> {
        let ns = self.ns;
        self.ns = self.ns.wrapping_add(1);
        self.sent.push_back(Sent { ns, session, body, tries: 1 });
        self.sent.back().map(|sent| Transmit { ns, session, body: &sent.body })
    }

    /// When the oldest message is to be sent again, if it was sent now.
    pub(super) fn again_at(&self, now: Instant) -> Option<Instant> {
        let tries = self.sent.front()?.tries;
        let doubled = self.delivery.first.saturating_mul(1 << tries.saturating_sub(1).min(16));
        Some(now + doubled.min(self.delivery.most))
    }

    /// The message that is to be sent again because its time ran out; `None` if the peer is to be given up, or nothing waits.
    pub(super) fn expire(&mut self) -> Option<Transmit<'_>> {
        // RFC 3931 appendix A: half the window is the new threshold, and it all starts at one.
        self.threshold = (self.congestion >> 1).max(1);
        (self.congestion, self.acknowledged) = (1, 0);
        let tries = self.delivery.tries;
        let oldest = self.sent.front_mut()?;
        if oldest.tries >= tries {
            return None;
        }
        oldest.tries = oldest.tries.saturating_add(1);
        self.retransmitted = self.retransmitted.saturating_add(1);
        Some(Transmit { ns: oldest.ns, session: oldest.session, body: &oldest.body })
    }

    /// Takes the peer's acknowledgement: returns whether messages were acknowledged, `None` if it is not one.
    pub(super) fn acknowledge(&mut self, nr: u16) -> Option<bool> {
        // Beyond what was sent: clearly invalid (RFC 3931 §4.2).
        if ahead(nr, self.ns) > 0 {
            return None;
        }
        let mut any = false;
        while self.sent.front().is_some_and(|sent| ahead(nr, sent.ns) > 0) {
            self.sent.pop_front();
            any = true;
            self.grow();
        }
        Some(any)
    }

    /// One message was acknowledged: slow start, then congestion avoidance (RFC 3931 appendix A).
    fn grow(&mut self) {
        if self.congestion < self.threshold {
            self.congestion = self.congestion.saturating_add(1);
            return;
        }
        self.acknowledged = self.acknowledged.saturating_add(1);
        if self.acknowledged >= self.congestion {
            self.acknowledged = 0;
            self.congestion = self.congestion.saturating_add(1).min(self.peer_window.max(1));
        }
    }

    /// Takes a message that is not only an acknowledgement.
    pub(super) fn arrive(&mut self, ns: u16, session: u16, body: &[u8]) -> Arrival {
        match ahead(ns, self.nr) {
            0 => {
                self.nr = self.nr.wrapping_add(1);
                Arrival::Next
            }
            early if early > 0 && early < self.delivery.window as i16 => {
                // Bounded by the window that we said.
                self.held.entry(ns).or_insert_with(|| (session, body.to_vec()));
                Arrival::Other
            }
            _ => Arrival::Other,
        }
    }

    /// The next message that came too early, if it is its turn.
    pub(super) fn held(&mut self) -> Option<(u16, Vec<u8>)> {
        let held = self.held.remove(&self.nr)?;
        self.nr = self.nr.wrapping_add(1);
        Some(held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec;

    fn send(channel: &mut Channel) -> u16 {
        channel.send(0, vec![1]).unwrap().ns
    }

    #[test]
    fn slow_start_opens_the_window_and_a_loss_closes_it() {
        let mut c = Channel::new(Delivery::VERSION_3);
        c.set_peer_window(8);
        let mut windows = vec![];
        for _ in 0..12 {
            let mut n = 0;
            while c.has_room() {
                send(&mut c);
                n += 1;
            }
            windows.push(n);
            let ns = c.ns();
            assert_eq!(c.acknowledge(ns), Some(true));
        }
        assert_eq!(windows, [1, 2, 4, 8, 8, 8, 8, 8, 8, 8, 8, 8]);
        while c.has_room() {
            send(&mut c);
        }
        let first = c.sent.front().unwrap().ns;
        assert_eq!(c.expire().unwrap().ns, first);
        assert_eq!((c.congestion, c.threshold), (1, 4));
        assert_eq!(c.acknowledge(c.ns()), Some(true));
        // To the threshold by one for each, then by one for each window.
        assert_eq!((c.congestion, c.has_room()), (5, true));
    }

    #[test]
    fn what_is_out_of_order_waits_and_duplicates_do_nothing() {
        let mut c = Channel::new(Delivery::VERSION_2);
        assert_eq!(c.arrive(2, 7, &[2]), Arrival::Other);
        assert_eq!(c.arrive(9, 0, &[9]), Arrival::Other, "beyond the window: dropped");
        assert_eq!(c.arrive(1, 0, &[1]), Arrival::Other);
        assert_eq!(c.held(), None);
        assert_eq!(c.arrive(0, 0, &[0]), Arrival::Next);
        assert_eq!((c.held(), c.held(), c.held()), (Some((0, vec![1])), Some((7, vec![2])), None));
        assert_eq!(c.arrive(0, 0, &[0]), Arrival::Other);
        assert_eq!((c.nr(), c.held.len()), (3, 0));
    }

    #[test]
    fn a_peer_that_is_silent_is_given_up() {
        for (delivery, seconds) in [(Delivery::VERSION_2, 23), (Delivery::VERSION_3, 63)] {
            let mut c = Channel::new(delivery);
            send(&mut c);
            let (mut now, mut times) = (Instant::from_secs(0), 1);
            loop {
                now = c.again_at(now).unwrap();
                if c.expire().is_none() {
                    break;
                }
                times += 1;
            }
            assert_eq!((times, now), (delivery.tries, Instant::from_secs(seconds)));
            assert_eq!(delivery.cycle(), Duration::from_secs(seconds));
        }
    }

    #[test]
    fn numbers_wrap_and_impossible_acknowledgements_are_ignored() {
        let mut c = Channel::new(Delivery::VERSION_2);
        (c.ns, c.nr) = (u16::MAX, u16::MAX);
        assert_eq!(send(&mut c), u16::MAX);
        assert_eq!(c.acknowledge(1), None);
        assert_eq!(c.acknowledge(u16::MAX), Some(false));
        assert_eq!(c.acknowledge(0), Some(true));
        assert!(c.is_clear());
        assert_eq!(c.arrive(u16::MAX, 0, &[]), Arrival::Next);
        assert_eq!(c.arrive(0, 0, &[]), Arrival::Next);
    }
}
