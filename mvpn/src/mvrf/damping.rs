//! Damping of multicast state (RFC 7899): prunes of a flow that flaps wait; joins never do.

use core::time::Duration;

use fwd_core::time::Instant;

/// Damping (RFC 7899 §5.1, §7.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DampingConfig {
    /// Time in which the figure of merit halves: at most 60 s, default 10 s.
    pub half_life: Duration,
    /// What a change adds: default 1,000.
    pub increment: u32,
    /// Above it, prunes wait: at most 50,000, default 3,000.
    pub cutoff: u32,
    /// Below it, they do not any more: below `cutoff`, default 1,500.
    pub reuse: u32,
    /// What the figure of merit is at most: default 20 increments.
    pub ceiling: u32,
}

impl Default for DampingConfig {
    fn default() -> Self {
        Self { half_life: Duration::from_secs(10), increment: 1000, cutoff: 3000, reuse: 1500, ceiling: 20_000 }
    }
}

impl DampingConfig {
    pub(super) fn is_valid(&self) -> bool {
        let life = self.half_life;
        let is_life = !life.is_zero() && life <= Duration::from_secs(60);
        is_life && self.increment > 0 && self.cutoff <= 50_000 && (1..self.cutoff).contains(&self.reuse)
    }

    /// The figure after a time.
    fn decayed(&self, figure: u32, elapsed: Duration) -> u32 {
        let life = self.half_life.as_micros().max(1);
        let elapsed = elapsed.as_micros();
        let halvings = elapsed.checked_div(life).unwrap_or(0);
        let rest = elapsed.checked_rem(life).unwrap_or(0);
        let Some(whole) = u32::try_from(halvings).ok().and_then(|n| figure.checked_shr(n)) else { return 0 };
        // 2^(-k/16) in 1/65,536, and linear between: off by at most 0.03 %.
        let sixteenths = rest.saturating_mul(16);
        let step = usize::try_from(sixteenths.checked_div(life).unwrap_or(0)).unwrap_or(0);
        let within = sixteenths.checked_rem(life).unwrap_or(0);
        let factor = |step: usize| u128::from(ROOTS.get(step).copied().unwrap_or(32_768));
        let (from, to) = (factor(step), factor(step.saturating_add(1)));
        let drop = from.saturating_sub(to).saturating_mul(within).checked_div(life).unwrap_or(0);
        let scaled = u128::from(whole).saturating_mul(from.saturating_sub(drop)) >> 16;
        u32::try_from(scaled).unwrap_or(u32::MAX)
    }

    /// How long a figure takes to fall below `reuse`, by halving an interval: 20 steps.
    fn time_to_reuse(&self, figure: u32) -> Duration {
        let mut most = self.half_life.saturating_mul(33);
        let mut least = Duration::ZERO;
        for _ in 0..40 {
            let middle = least.saturating_add(most.saturating_sub(least).checked_div(2).unwrap_or_default());
            match self.decayed(figure, middle) < self.reuse {
                true => most = middle,
                false => least = middle,
            }
        }
        most
    }
}

/// 2^(-k/16) in 1/65,536.
const ROOTS: [u32; 17] = [
    65536, 62757, 60097, 57549, 55109, 52772, 50535, 48393, 46341, 44376, 42495, 40693, 38968, 37316, 35734, 34219,
    32768,
];

/// The figure of merit of one state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Merit {
    figure: u32,
    at: Instant,
    is_damped: bool,
}

impl Merit {
    /// The state changed: counts it. Until when prunes wait, if they do.
    pub(super) fn change(&mut self, now: Instant, config: &DampingConfig) -> Option<Instant> {
        self.age(now, config);
        self.figure = self.figure.saturating_add(config.increment).min(config.ceiling);
        // RFC 7899 §5.1: damping begins above the cutoff.
        self.is_damped |= self.figure > config.cutoff;
        self.waits_until(now, config)
    }

    fn age(&mut self, now: Instant, config: &DampingConfig) {
        self.figure = config.decayed(self.figure, now - self.at);
        self.at = now;
        self.is_damped &= self.figure >= config.reuse;
    }

    /// Until when prunes wait, if they do.
    pub(super) fn waits_until(&self, now: Instant, config: &DampingConfig) -> Option<Instant> {
        let mut here = *self;
        here.age(now, config);
        here.is_damped.then(|| now + config.time_to_reuse(here.figure))
    }

    /// Whether it says nothing any more.
    pub(super) fn is_spent(&self, now: Instant, config: &DampingConfig) -> bool {
        config.decayed(self.figure, now - self.at) < config.increment >> 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `changes` changes at an interval: until when prunes wait after the last one, in seconds after it.
    fn after(changes: u32, interval: Duration) -> Option<u64> {
        let config = DampingConfig::default();
        let mut merit = Merit::default();
        let mut now = Instant::from_secs(1);
        let mut until = None;
        for n in 0..changes {
            now = Instant::from_secs(1) + interval * n;
            until = merit.change(now, &config);
        }
        until.map(|until| (until - now).as_millis() as u64)
    }

    #[test]
    fn the_examples_of_the_defaults() {
        let second = Duration::from_secs(1);
        assert_eq!(after(3, second), None);
        let four = after(4, second).unwrap();
        assert!((12_500..=13_500).contains(&four), "{four}");
        // 2 changes in a second for 15 s.
        let long = after(30, Duration::from_millis(500)).unwrap();
        assert!((34_000..=38_000).contains(&long), "{long}");
        // The cap: log2(20,000 / 1,500) half-lives.
        let cap = after(200, Duration::from_millis(1)).unwrap();
        assert!((37_000..=37_700).contains(&cap), "{cap}");
    }

    #[test]
    fn decay_is_by_halves() {
        let config = DampingConfig::default();
        let secs = Duration::from_secs;
        assert_eq!([0, 10, 20, 40].map(|s| config.decayed(16_000, secs(s))), [16_000, 8000, 4000, 1000]);
        let fifth = config.decayed(16_000, secs(2));
        assert!((13_920..=13_940).contains(&fifth), "{fifth}");
        assert_eq!(config.decayed(u32::MAX, secs(100_000)), 0);
    }
}
