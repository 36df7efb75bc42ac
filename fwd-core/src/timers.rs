//! The timer table of a control-plane machine (feature `control`).

use alloc::collections::{BTreeMap, BTreeSet};

use crate::time::Instant;

/// Timers by key, each running or not.
///
/// The work of [`expired`](Self::expired) is proportional to what expires, not to what runs: every operation costs
/// the logarithm of the number of running timers. Timers that expire at the same instant come out in key order, so that a
/// machine behaves the same in every run.
///
/// ```
/// use core::time::Duration;
/// use fwd_core::time::Instant;
/// use fwd_core::timers::Timers;
///
/// #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
/// enum Timer { Hold, Keepalive }
///
/// let mut timers = Timers::new();
/// timers.set(Timer::Hold, Instant::from_secs(90));
/// timers.set(Timer::Keepalive, Instant::from_secs(30));
/// timers.set(Timer::Keepalive, Instant::from_secs(31));
/// assert_eq!(timers.next_timeout(), Some(Instant::from_secs(31)));
/// assert_eq!(timers.expired(Instant::from_secs(31)), Some(Timer::Keepalive));
/// assert_eq!(timers.expired(Instant::from_secs(31)), None);
/// assert_eq!(timers.get(Timer::Hold), Some(Instant::from_secs(90)));
/// ```
#[derive(Clone, Debug)]
pub struct Timers<K> {
    queue: BTreeSet<(Instant, K)>,
    running: BTreeMap<K, Instant>,
}

impl<K> Default for Timers<K> {
    fn default() -> Self {
        Self { queue: BTreeSet::new(), running: BTreeMap::new() }
    }
}

impl<K: Copy + Ord> Timers<K> {
    /// A table in which nothing runs.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Starts a timer, or restarts it if it runs.
    pub fn set(&mut self, key: K, at: Instant) {
        if let Some(old) = self.running.insert(key, at) {
            self.queue.remove(&(old, key));
        }
        self.queue.insert((at, key));
    }

    /// Stops a timer, if it runs.
    pub fn clear(&mut self, key: K) {
        if let Some(at) = self.running.remove(&key) {
            self.queue.remove(&(at, key));
        }
    }

    /// Stops every timer whose key does not satisfy `keep`. The one operation whose work is that of all running timers.
    pub fn retain(&mut self, mut keep: impl FnMut(K) -> bool) {
        let queue = &mut self.queue;
        self.running.retain(|&key, &mut at| {
            let kept = keep(key);
            if !kept {
                queue.remove(&(at, key));
            }
            kept
        });
    }

    /// When a timer expires, if it runs.
    #[must_use]
    pub fn get(&self, key: K) -> Option<Instant> {
        self.running.get(&key).copied()
    }

    /// When the next timer expires, if any runs. Only `set`, `clear`, `retain` and `expired` change it.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        self.queue.first().map(|&(at, _)| at)
    }

    /// Stops and returns the earliest timer that is due at `now`. Call it until it returns `None`.
    pub fn expired(&mut self, now: Instant) -> Option<K> {
        let &(at, key) = self.queue.first()?;
        if at > now {
            return None;
        }
        self.clear(key);
        Some(key)
    }

    /// How many timers run.
    #[must_use]
    pub fn len(&self) -> usize {
        self.running.len()
    }

    /// Whether no timer runs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.running.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timers_come_out_in_order_of_time_then_key() {
        let mut t = Timers::new();
        for (key, at) in [(3_u32, 5), (1, 5), (2, 4), (9, 6)] {
            t.set(key, Instant::from_secs(at));
        }
        let now = Instant::from_secs(5);
        assert_eq!([t.expired(now), t.expired(now), t.expired(now), t.expired(now)], [Some(2), Some(1), Some(3), None]);
        assert_eq!(t.next_timeout(), Some(Instant::from_secs(6)));
        assert_eq!(t.len(), 1);
    }

    #[test]
    fn a_restarted_timer_expires_once_and_a_stopped_one_never() {
        let mut t = Timers::new();
        t.set('a', Instant::from_secs(1));
        t.set('a', Instant::from_secs(2));
        t.set('b', Instant::from_secs(1));
        t.clear('b');
        t.clear('c');
        assert_eq!(t.expired(Instant::from_secs(1)), None);
        assert_eq!(t.expired(Instant::from_secs(9)), Some('a'));
        assert!(t.is_empty() && t.next_timeout().is_none());
    }

    #[test]
    fn retain_stops_the_rest() {
        let mut t = Timers::new();
        for key in 0..10_u8 {
            t.set(key, Instant::from_secs(u64::from(key)));
        }
        t.retain(|key| key % 2 == 1);
        assert_eq!((t.len(), t.next_timeout()), (5, Some(Instant::from_secs(1))));
        assert_eq!(t.get(2), None);
    }
}
