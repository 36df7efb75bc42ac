//! Random delays of machines, from a seed: feature `control`.
#![allow(clippy::arithmetic_side_effects)]

use core::time::Duration;

/// A small generator (SplitMix64): spread, not secrecy, is what delays need.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// The generator of a seed: equal seeds give equal numbers.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// The next 64 bits.
    #[allow(clippy::should_implement_trait)] // it never ends
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A duration between zero and `most`, in whole microseconds.
    pub fn up_to(&mut self, most: Duration) -> Duration {
        let micros = u64::try_from(most.as_micros()).unwrap_or(u64::MAX);
        match micros.checked_add(1) {
            Some(n) => Duration::from_micros(self.next() % n),
            None => Duration::from_micros(self.next()),
        }
    }

    /// A duration between `least` and `most`.
    pub fn between(&mut self, least: Duration, most: Duration) -> Duration {
        least.saturating_add(self.up_to(most.saturating_sub(least)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_fill_their_interval_and_repeat_with_the_seed() {
        let (least, most) = (Duration::from_millis(500), Duration::from_millis(2500));
        let draw = |seed| {
            let mut random = Random::new(seed);
            core::array::from_fn::<_, 200, _>(|_| random.between(least, most))
        };
        let drawn = draw(7);
        assert_eq!(drawn, draw(7));
        assert_ne!(drawn, draw(8));
        assert!(drawn.iter().all(|d| (least..=most).contains(d)));
        assert!(drawn.iter().any(|d| *d < Duration::from_millis(700)));
        assert!(drawn.iter().any(|d| *d > Duration::from_millis(2300)));
        assert_eq!(Random::new(1).up_to(Duration::ZERO), Duration::ZERO);
    }
}
