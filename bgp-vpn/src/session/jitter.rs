//! Jitter of timers (RFC 4271 §10), from a seed.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic))]

use core::time::Duration;

/// A small generator (SplitMix64): spread, not secrecy, is what jitter needs.
#[derive(Clone, Debug)]
pub(super) struct Jitter(u64);

impl Jitter {
    pub(super) const fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// `d` times a factor drawn evenly from 0.75 to 1.0.
    pub(super) fn apply(&mut self, d: Duration) -> Duration {
        let quarter = u64::try_from(d.as_micros() / 4).unwrap_or(u64::MAX);
        let less = if quarter == 0 { 0 } else { self.next() % quarter.saturating_add(1) };
        d.saturating_sub(Duration::from_micros(less))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn factors_fill_the_last_quarter_and_repeat_with_the_seed() {
        let d = Duration::from_secs(30);
        let draw = |seed| {
            let mut jitter = Jitter::new(seed);
            core::array::from_fn::<_, 200, _>(|_| jitter.apply(d))
        };
        let drawn = draw(7);
        assert_eq!(drawn, draw(7));
        assert_ne!(drawn, draw(8));
        assert!(drawn.iter().all(|t| *t >= d * 3 / 4 && *t <= d));
        assert!(drawn.iter().any(|t| *t < d * 4 / 5) && drawn.iter().any(|t| *t > d * 19 / 20));
        assert_eq!(Jitter::new(1).apply(Duration::ZERO), Duration::ZERO);
    }
}
