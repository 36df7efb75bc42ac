//! Damping of memberships (RFC 7899 §5.1, §6.1): what joins and leaves too often stays joined for a while.

use alloc::collections::BTreeMap;
use core::time::Duration;

use fwd_core::time::Instant;

use crate::config::ConfigError;

/// The parameters of RFC 7899 §7.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DampingConfig {
    /// What a change adds to the figure of merit. Default 1,000.
    pub increment: u32,
    /// Above it, damping begins. Default 3,000, at most 50,000.
    pub cut_off: u32,
    /// Below it, damping ends. Default 1,500; below the cut-off.
    pub reuse: u32,
    /// In which time the figure halves. Default 10 s, at most 60 s.
    pub half_life: Duration,
    /// The most that the figure can be. Default 20,000.
    pub ceiling: u32,
}

impl Default for DampingConfig {
    fn default() -> Self {
        let half_life = Duration::from_secs(10);
        Self { increment: 1000, cut_off: 3000, reuse: 1500, half_life, ceiling: 20_000 }
    }
}

impl DampingConfig {
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let half_life = Duration::from_secs(1)..=Duration::from_secs(60);
        let good =
            self.reuse > 0 && self.reuse < self.cut_off && self.cut_off <= 50_000 && self.ceiling >= self.cut_off;
        if good && half_life.contains(&self.half_life) { Ok(()) } else { Err(ConfigError::Damping) }
    }
}

/// A figure of merit, in thousandths.
#[derive(Clone, Copy, Debug)]
struct Figure {
    merit: u64,
    at: Instant,
    damped: bool,
}

/// 2 to the power of −1/2, −1/4, …, in 2^-32.
const ROOTS: [u64; 16] = [
    3_037_000_500,
    3_611_622_603,
    3_938_502_376,
    4_112_874_773,
    4_202_935_003,
    4_248_701_965,
    4_271_771_996,
    4_283_353_945,
    4_289_156_690,
    4_292_061_010,
    4_293_513_907,
    4_294_240_540,
    4_294_603_903,
    4_294_785_595,
    4_294_876_445,
    4_294_921_870,
];

/// `value` after a number of half-lives, which is in 2^-16.
fn decay(value: u64, half_lives: u64) -> u64 {
    let whole = half_lives >> 16;
    if whole > 40 {
        return 0;
    }
    let bits = (0..16_u32).rev().map(|bit| half_lives >> bit & 1 == 1);
    let roots = ROOTS.iter().zip(bits).filter(|(_, is_set)| *is_set);
    roots.fold(value, |value, (root, _)| (value.saturating_mul(*root)) >> 32) >> whole
}

impl DampingConfig {
    fn half_lives(&self, time: Duration) -> u64 {
        let half_life = self.half_life.as_micros().max(1);
        u64::try_from((time.as_micros() << 16).checked_div(half_life).unwrap_or(0)).unwrap_or(u64::MAX)
    }
}

/// What is damped, by any key.
#[derive(Clone, Debug)]
pub struct Damper<K> {
    config: DampingConfig,
    figures: BTreeMap<K, Figure>,
    most: usize,
}

impl<K: Copy + Ord> Damper<K> {
    /// Nothing is damped; figures are kept of so many keys at most.
    #[must_use]
    pub const fn new(config: DampingConfig, most: usize) -> Self {
        Self { config, figures: BTreeMap::new(), most }
    }

    fn now(&self, figure: &Figure, now: Instant) -> u64 {
        decay(figure.merit, self.config.half_lives(now - figure.at))
    }

    /// Notes a change; whether the key is damped. A leave of what has no figure makes none (RFC 7899 §5.1).
    pub fn change(&mut self, now: Instant, key: K, joined: bool) -> bool {
        if self.figures.len() >= self.most && !self.figures.contains_key(&key) {
            self.forget(now);
        }
        let is_full = self.figures.len() >= self.most;
        let known = self.figures.get(&key).copied();
        if known.is_none() && (!joined || is_full) {
            return false;
        }
        let old = known.unwrap_or(Figure { merit: 0, at: now, damped: false });
        let added = u64::from(self.config.increment).saturating_mul(1000);
        let merit = self.now(&old, now).saturating_add(added).min(u64::from(self.config.ceiling).saturating_mul(1000));
        let damped = old.damped || merit > u64::from(self.config.cut_off).saturating_mul(1000);
        self.figures.insert(key, Figure { merit, at: now, damped });
        damped
    }

    /// Whether a key is damped.
    #[must_use]
    pub fn is_damped(&self, now: Instant, key: &K) -> bool {
        let reuse = u64::from(self.config.reuse).saturating_mul(1000);
        self.figures.get(key).is_some_and(|figure| figure.damped && self.now(figure, now) >= reuse)
    }

    /// The figure of merit of a key.
    #[must_use]
    pub fn figure(&self, now: Instant, key: &K) -> u64 {
        self.figures.get(key).map_or(0, |figure| self.now(figure, now) / 1000)
    }

    /// When damping of a key ends, unless it changes again: found to the millisecond.
    #[must_use]
    pub fn release(&self, now: Instant, key: &K) -> Option<Instant> {
        let figure = self.figures.get(key).filter(|figure| figure.damped)?;
        let reuse = u64::from(self.config.reuse).saturating_mul(1000);
        // The decay is monotonic: halve the interval in which it falls below the threshold.
        let (mut low, mut high) = (0_u64, 64 * u64::try_from(self.config.half_life.as_millis()).unwrap_or(u64::MAX));
        while low < high {
            let middle = low.midpoint(high);
            let at = figure.at + Duration::from_millis(middle);
            if decay(figure.merit, self.config.half_lives(at - figure.at)) < reuse {
                high = middle;
            } else {
                low = middle.saturating_add(1);
            }
        }
        Some((figure.at + Duration::from_millis(low)).max(now))
    }

    /// Ends damping of a key that is below the threshold.
    pub fn reuse(&mut self, now: Instant, key: &K) {
        let is_damped = self.is_damped(now, key);
        if let Some(figure) = self.figures.get_mut(key) {
            figure.damped = is_damped;
        }
    }

    /// Forgets figures that have decayed to next to nothing.
    fn forget(&mut self, now: Instant) {
        let (config, least) = (self.config, u64::from(self.config.increment).saturating_mul(10));
        self.figures.retain(|_, f| decay(f.merit, config.half_lives(now - f.at)) > least);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changes(every: Duration, n: u32) -> (Damper<u8>, Instant, Option<u32>) {
        let mut damper = Damper::new(DampingConfig::default(), 10);
        let (mut now, mut first) = (Instant::ZERO, None);
        for i in 1..=n {
            if damper.change(now, 1, i % 2 == 1) && first.is_none() {
                first = Some(i);
            }
            if i < n {
                now = now + every;
            }
        }
        (damper, now, first)
    }

    /// The illustrations of RFC 7899 §7.3.
    ///
    /// Shows: VPLS-SEC-14, VPLS-THR-C1
    #[test]
    fn illustrations_of_the_rfc() {
        assert_eq!(changes(Duration::from_secs(6), 100).2, None);
        assert_eq!(changes(Duration::from_secs(1), 3).2, None);
        let released = |(damper, last, first): (Damper<u8>, Instant, Option<u32>)| {
            (first, (damper.release(last, &1).unwrap() - last).as_secs())
        };
        assert_eq!(released(changes(Duration::from_secs(1), 4)), (Some(4), 12), "approximately 13 s");
        let (first, left) = released(changes(Duration::from_millis(500), 30));
        assert!(first == Some(4) && (34..=37).contains(&left), "{left}: about 50 s from the first change");
        assert_eq!(released(changes(Duration::from_millis(10), 1000)).1, 37);
    }

    #[test]
    fn figures_halve() {
        assert_eq!(decay(1 << 20, 1 << 16), 1 << 19);
        assert_eq!(decay(1_000_000, 1 << 15), 707_106);
        assert_eq!(decay(u32::MAX.into(), 41 << 16), 0);
        let mut damper = Damper::new(DampingConfig::default(), 2);
        let now = Instant::ZERO;
        assert!(!damper.change(now, 1, false) && damper.figure(now, &1) == 0, "a leave of nothing");
        damper.change(now, 1, true);
        assert_eq!(damper.figure(Instant::from_secs(10), &1), 500);
        // No more keys than there may be, but those that have decayed make room.
        damper.change(now, 2, true);
        damper.change(now, 3, true);
        assert_eq!(damper.figure(now, &3), 0);
        damper.change(Instant::from_secs(100), 3, true);
        assert_eq!(damper.figure(Instant::from_secs(100), &3), 1000);
    }
}
