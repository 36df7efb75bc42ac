//! Rates: of traffic by type, which the forwarding plane polices, and of control messages, which this machine does.

use core::time::Duration;

use fwd_core::op::{Policer, Rates, TrafficType, Unit};
use fwd_core::time::Instant;

/// A rate of frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// Bits a second.
    pub bits_per_second: u64,
    /// Octets that may come at once.
    pub burst: u32,
}

impl Rate {
    /// Nothing: a burst of one octet lets no frame through.
    pub const ZERO: Self = Self { bits_per_second: 0, burst: 1 };

    /// A rate with a burst of 100 ms, two full frames at least.
    #[must_use]
    pub const fn bits(bits_per_second: u64) -> Self {
        let tenth = bits_per_second / 80;
        let burst = if tenth > u32::MAX as u64 { u32::MAX } else { tenth as u32 };
        Self { bits_per_second, burst: if burst < 3036 { 3036 } else { burst } }
    }

    /// The policer of the forwarding plane.
    #[must_use]
    pub const fn policer(self) -> Policer {
        let rates = Rates::Single { cir: self.bits_per_second / 8, cbs: self.burst, ebs: 0 };
        Policer { rates, unit: Unit::Octets, drop_yellow: true }
    }
}

/// Rates of a circuit or instance by type of traffic; none: not policed. At a circuit they are applied first, so that one circuit's
/// excess takes nothing of its instance's rates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TypeRates {
    /// To known addresses.
    pub unicast: Option<Rate>,
    /// To unknown addresses.
    pub unknown: Option<Rate>,
    /// To all.
    pub broadcast: Option<Rate>,
    /// To groups.
    pub multicast: Option<Rate>,
    /// Control frames that go to this machine.
    pub control: Option<Rate>,
    /// The sum of those types that have no rate of their own.
    pub aggregate: Option<Rate>,
}

impl TypeRates {
    /// Nothing is policed.
    pub const NONE: Self =
        Self { unicast: None, unknown: None, broadcast: None, multicast: None, control: None, aggregate: None };

    /// The defaults of a circuit of a rate: multicast a tenth and 10 Mbit/s at least, broadcast a hundredth and 1 Mbit/s at least,
    /// unknown unicast a hundredth and 2 Mbit/s at least, control frames 1 Mbit/s.
    #[must_use]
    pub fn of_circuit(bits_per_second: u64) -> Self {
        let share = |of: u64, least: u64| Some(Rate::bits((bits_per_second / of).max(least)));
        Self {
            unicast: None,
            unknown: share(100, 2_000_000),
            broadcast: share(100, 1_000_000),
            multicast: share(10, 10_000_000),
            control: Some(Rate::bits(1_000_000)),
            aggregate: None,
        }
    }

    const fn of(&self, traffic: TrafficType) -> Option<Rate> {
        match traffic {
            TrafficType::Unicast => self.unicast,
            TrafficType::Unknown => self.unknown,
            TrafficType::Broadcast => self.broadcast,
            TrafficType::Multicast => self.multicast,
            TrafficType::Control => self.control,
        }
    }

    /// The policers to set up, with the types that each is for.
    pub(crate) fn policers(&self) -> impl Iterator<Item = (alloc::vec::Vec<TrafficType>, Policer)> {
        let rates = *self;
        let own = TrafficType::ALL.into_iter().filter_map(move |t| Some((alloc::vec![t], rates.of(t)?.policer())));
        let rest = move || TrafficType::ALL.into_iter().filter(|t| rates.of(*t).is_none()).collect();
        own.chain(rates.aggregate.into_iter().map(move |rate| (rest(), rate.policer())))
    }
}

/// A token bucket of this machine: so many a second, so many at once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bucket {
    rate: u64,
    burst: u64,
    /// Millionths of tokens.
    tokens: u64,
    at: Instant,
}

impl Bucket {
    pub(crate) const fn new(now: Instant, rate: u32, burst: u32) -> Self {
        let burst = burst as u64 * 1_000_000;
        Self { rate: rate as u64, burst, tokens: burst, at: now }
    }

    fn fill(&mut self, now: Instant) {
        let elapsed: Duration = now - self.at;
        let micros = u64::try_from(elapsed.as_micros()).unwrap_or(u64::MAX);
        self.tokens = self.tokens.saturating_add(micros.saturating_mul(self.rate)).min(self.burst);
        self.at = now;
    }

    /// Takes `n`, if there are as many.
    pub(crate) fn take(&mut self, now: Instant, n: u32) -> bool {
        self.fill(now);
        match self.tokens.checked_sub(u64::from(n).saturating_mul(1_000_000)) {
            Some(left) => {
                self.tokens = left;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    /// Shows: VPLS-SEC-11
    #[test]
    fn an_aggregate_is_for_the_types_without_a_rate() {
        let rates = TypeRates { multicast: Some(Rate::bits(1)), aggregate: Some(Rate::bits(2)), ..TypeRates::NONE };
        let policers: Vec<_> = rates.policers().collect();
        assert_eq!(policers[0].0, [TrafficType::Multicast]);
        let rest = [TrafficType::Unicast, TrafficType::Unknown, TrafficType::Broadcast, TrafficType::Control];
        assert_eq!(policers[1].0, rest);
        assert_eq!(policers.len(), 2);
    }

    #[test]
    fn defaults_of_a_circuit() {
        let rates = TypeRates::of_circuit(10_000_000_000);
        assert_eq!(rates.multicast, Some(Rate { bits_per_second: 1_000_000_000, burst: 12_500_000 }));
        assert_eq!(rates.broadcast.map(|r| r.bits_per_second), Some(100_000_000));
        let slow = TypeRates::of_circuit(10_000_000);
        assert_eq!(slow.multicast.map(|r| r.bits_per_second), Some(10_000_000));
        assert_eq!((slow.broadcast, slow.unknown), (Some(Rate::bits(1_000_000)), Some(Rate::bits(2_000_000))));
    }

    #[test]
    fn a_bucket_gives_its_burst_and_then_its_rate() {
        let mut bucket = Bucket::new(Instant::ZERO, 10, 20);
        assert!(bucket.take(Instant::ZERO, 20) && !bucket.take(Instant::ZERO, 1));
        let taken = (0..1000).filter(|ms| bucket.take(Instant::from_micros(ms * 1000), 1)).count();
        assert_eq!(taken, 9);
    }
}
