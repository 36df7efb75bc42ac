//! Statistics by period, and delays of probes (RFC 5501 §5.4, §6.5.3).

use alloc::collections::{BTreeMap, VecDeque};
use core::time::Duration;

use fwd_core::time::Instant;
use fwd_core::{BridgeCounters, GroupCounters};

/// What was counted in a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Period<T> {
    /// When it began.
    pub start: Instant,
    /// How long it was.
    pub length: Duration,
    /// What was counted.
    pub counted: T,
}

/// Counters that only grow, and wrap.
pub trait Counted: Copy + Default {
    /// What was counted between an earlier reading and this one.
    #[must_use]
    fn since(&self, earlier: &Self) -> Self;
}

/// Frames and octets of a circuit, pseudowire or instance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Frames that came in.
    pub in_frames: u64,
    /// Octets that came in.
    pub in_octets: u64,
    /// Frames that went out.
    pub out_frames: u64,
    /// Octets that went out.
    pub out_octets: u64,
    /// Frames dropped by policers.
    pub policed: u64,
    /// Sources not learned for a limit.
    pub unlearned: u64,
}

impl From<BridgeCounters> for Traffic {
    fn from(c: BridgeCounters) -> Self {
        Self {
            in_frames: c.in_packets,
            in_octets: c.in_octets,
            out_frames: c.out_packets,
            out_octets: c.out_octets,
            policed: c.policed,
            unlearned: c.unlearned,
        }
    }
}

impl Counted for Traffic {
    fn since(&self, earlier: &Self) -> Self {
        Self {
            in_frames: self.in_frames.wrapping_sub(earlier.in_frames),
            in_octets: self.in_octets.wrapping_sub(earlier.in_octets),
            out_frames: self.out_frames.wrapping_sub(earlier.out_frames),
            out_octets: self.out_octets.wrapping_sub(earlier.out_octets),
            policed: self.policed.wrapping_sub(earlier.policed),
            unlearned: self.unlearned.wrapping_sub(earlier.unlearned),
        }
    }
}

/// Frames of a group: in, and copies out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GroupTraffic {
    /// Frames that came in.
    pub frames: u64,
    /// Their octets.
    pub octets: u64,
    /// Copies that went out.
    pub copies: u64,
    /// Copies that were lost.
    pub lost: u64,
}

impl From<GroupCounters> for GroupTraffic {
    fn from(c: GroupCounters) -> Self {
        Self { frames: c.packets, octets: c.octets, copies: c.copies, lost: c.lost }
    }
}

impl Counted for GroupTraffic {
    fn since(&self, earlier: &Self) -> Self {
        Self {
            frames: self.frames.wrapping_sub(earlier.frames),
            octets: self.octets.wrapping_sub(earlier.octets),
            copies: self.copies.wrapping_sub(earlier.copies),
            lost: self.lost.wrapping_sub(earlier.lost),
        }
    }
}

/// The last periods of something that counts.
///
/// ```
/// use core::time::Duration;
/// use fwd_core::time::Instant;
/// use vpls::stats::{Periods, Traffic};
///
/// let mut periods = Periods::new(Instant::ZERO, Duration::from_secs(900), 96);
/// periods.sample(Instant::from_secs(900), Traffic { in_frames: 7, ..Traffic::default() });
/// assert_eq!(periods.iter().next().unwrap().counted.in_frames, 7);
/// ```
#[derive(Clone, Debug)]
pub struct Periods<T> {
    length: Duration,
    most: usize,
    start: Instant,
    /// The reading at the start.
    base: T,
    done: VecDeque<Period<T>>,
}

impl<T: Counted> Periods<T> {
    /// Nothing counted; as many periods are kept.
    #[must_use]
    pub fn new(now: Instant, length: Duration, most: usize) -> Self {
        Self {
            length: length.max(Duration::from_millis(1)),
            most,
            start: now,
            base: T::default(),
            done: VecDeque::new(),
        }
    }

    /// A reading of the counters. A period ends with the first reading after its length; it says how long it was.
    pub fn sample(&mut self, now: Instant, reading: T) {
        let length = now - self.start;
        if length < self.length {
            return;
        }
        if self.done.len() >= self.most {
            self.done.pop_front();
        }
        self.done.push_back(Period { start: self.start, length, counted: reading.since(&self.base) });
        (self.start, self.base) = (now, reading);
    }

    /// The periods that are over, the oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &Period<T>> {
        self.done.iter()
    }
}

/// Delays of probes to one receiver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Delay {
    /// Of the last probe.
    pub last: Duration,
    /// The least.
    pub least: Duration,
    /// The greatest.
    pub most: Duration,
    /// Interarrival jitter as RFC 3550 §6.4.1 smooths it.
    pub jitter: Duration,
    /// Probes that arrived.
    pub probes: u64,
}

/// One-way delays of probes by receiver: the sender's and the receivers' clocks are the same, or synchronised.
#[derive(Clone, Debug)]
pub struct Delays<K> {
    receivers: BTreeMap<K, Delay>,
    most: usize,
}

impl<K: Ord + Copy> Delays<K> {
    /// Nothing measured; as many receivers are kept.
    #[must_use]
    pub const fn new(most: usize) -> Self {
        Self { receivers: BTreeMap::new(), most }
    }

    /// A probe that was sent and received.
    pub fn probe(&mut self, receiver: K, sent: Instant, received: Instant) {
        let delay = received - sent;
        if self.receivers.len() >= self.most && !self.receivers.contains_key(&receiver) {
            return;
        }
        let first = Delay { last: delay, least: delay, most: delay, jitter: Duration::ZERO, probes: 0 };
        let d = self.receivers.entry(receiver).or_insert(first);
        let change = delay.abs_diff(d.last);
        d.jitter =
            if change > d.jitter { d.jitter + (change - d.jitter) / 16 } else { d.jitter - (d.jitter - change) / 16 };
        (d.last, d.least, d.most) = (delay, d.least.min(delay), d.most.max(delay));
        d.probes = d.probes.saturating_add(1);
    }

    /// The delays of a receiver.
    #[must_use]
    pub fn of(&self, receiver: &K) -> Option<&Delay> {
        self.receivers.get(receiver)
    }

    /// How much later the last receiver gets a frame than the first.
    #[must_use]
    pub fn difference(&self) -> Duration {
        let last = || self.receivers.values().map(|d| d.last);
        last().max().unwrap_or_default().saturating_sub(last().min().unwrap_or_default())
    }
}

/// Between a join and the first frame of its group.
#[derive(Clone, Debug, Default)]
pub struct JoinDelays<K> {
    waiting: BTreeMap<K, Instant>,
    /// Joins that were answered by data, the sum of their delays, and the greatest.
    pub answered: (u64, Duration, Duration),
}

/// Joins that wait for data.
const MOST_WAITING: usize = 4096;

impl<K: Ord + Copy> JoinDelays<K> {
    /// A report or Join was seen.
    pub fn joined(&mut self, now: Instant, key: K) {
        if self.waiting.len() < MOST_WAITING {
            self.waiting.entry(key).or_insert(now);
        }
    }

    /// The first frame went out; its delay, if a join waited for it.
    pub fn data(&mut self, now: Instant, key: &K) -> Option<Duration> {
        let delay = now - self.waiting.remove(key)?;
        let (n, sum, most) = self.answered;
        self.answered = (n.saturating_add(1), sum.saturating_add(delay), most.max(delay));
        Some(delay)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    /// Shows: VPLS-PM-2
    #[test]
    fn periods_hold_differences_and_counters_may_wrap() {
        let reading = |n: u64| Traffic { in_frames: n, ..Traffic::default() };
        let mut periods = Periods::new(Instant::ZERO, Duration::from_secs(10), 2);
        periods.sample(Instant::from_secs(9), reading(5));
        assert_eq!(periods.iter().count(), 0);
        periods.sample(Instant::from_secs(10), reading(7));
        periods.sample(Instant::from_secs(21), reading(u64::MAX));
        periods.sample(Instant::from_secs(31), reading(2));
        let counted: Vec<_> = periods.iter().map(|p| (p.start, p.length.as_secs(), p.counted.in_frames)).collect();
        assert_eq!(counted, [(Instant::from_secs(10), 11, u64::MAX - 7), (Instant::from_secs(21), 10, 3)]);
    }

    /// Shows: VPLS-PM-4, VPLS-SLA-1
    #[test]
    fn delays_differ_between_receivers() {
        let mut delays = Delays::new(3);
        for n in 0..10 {
            let sent = Instant::from_secs(n);
            for (receiver, ms) in [(1, 5), (2, 7), (3, 12), (4, 99)] {
                delays.probe(receiver, sent, sent + Duration::from_millis(ms));
            }
        }
        assert_eq!(delays.difference(), Duration::from_millis(7));
        let one = delays.of(&1).unwrap();
        assert_eq!((one.last, one.jitter, one.probes), (Duration::from_millis(5), Duration::ZERO, 10));
        assert_eq!(delays.of(&4), None, "no more receivers than may be kept");
        delays.probe(1, Instant::ZERO, Instant::ZERO + Duration::from_millis(21));
        assert_eq!(delays.of(&1).unwrap().jitter, Duration::from_millis(1));
        let mut joins = JoinDelays::default();
        joins.joined(Instant::from_secs(1), 9);
        joins.joined(Instant::from_secs(2), 9);
        assert_eq!(joins.data(Instant::from_secs(3), &9), Some(Duration::from_secs(2)));
        assert_eq!((joins.data(Instant::from_secs(4), &9), joins.answered.0), (None, 1));
    }
}
