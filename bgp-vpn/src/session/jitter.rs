//! Jitter of timers (RFC 4271 §10), from a seed.
#![cfg_attr(not(test), deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic))]

use core::time::Duration;

use fwd_core::random::Random;

/// Factors for timers.
#[derive(Clone, Debug)]
pub(super) struct Jitter(Random);

impl Jitter {
    pub(super) const fn new(seed: u64) -> Self {
        Self(Random::new(seed))
    }

    /// `d` times a factor drawn evenly from 0.75 to 1.0.
    pub(super) fn apply(&mut self, d: Duration) -> Duration {
        d.saturating_sub(self.0.up_to(d / 4))
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
