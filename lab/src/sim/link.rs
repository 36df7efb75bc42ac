//! Ethernet links between two nodes, with the faults of real ones.

use std::time::Duration;

use fwd_core::time::Instant;

use super::rng::Rng;

/// What a link does to frames. Both directions are alike and independent.
#[derive(Clone, Copy, Debug)]
pub struct LinkConfig {
    /// Bits per second; 0 is without bound.
    pub rate: u64,
    /// Propagation delay.
    pub delay: Duration,
    /// Up to so much is added to the delay, frame by frame; order is kept.
    pub jitter: Duration,
    /// Frames lost, in a million.
    pub loss: u32,
    /// Frames delayed by [`LinkConfig::reorder_delay`] past those behind them, in a million.
    pub reorder: u32,
    /// How far a reordered frame falls back.
    pub reorder_delay: Duration,
    /// Frames delivered twice, in a million.
    pub duplicate: u32,
    /// The largest payload of a frame, in octets; longer ones are dropped.
    pub mtu: u16,
    /// Octets that wait for the line before further frames are dropped.
    pub queue: usize,
}

impl Default for LinkConfig {
    /// 10 Gbit/s, 1 ms, no faults, MTU 1,600 (room for labels above a customer's 1,500), 4 MiB of queue.
    fn default() -> Self {
        Self {
            rate: 10_000_000_000,
            delay: Duration::from_millis(1),
            jitter: Duration::ZERO,
            loss: 0,
            reorder: 0,
            reorder_delay: Duration::from_millis(3),
            duplicate: 0,
            mtu: 1600,
            queue: 4 << 20,
        }
    }
}

/// What became of the frames of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkCounters {
    /// Frames handed to the link.
    pub frames: u64,
    /// Their octets.
    pub octets: u64,
    /// Frames the receiver got, duplicates included.
    pub delivered: u64,
    /// Lost by chance.
    pub lost: u64,
    /// Delivered twice.
    pub duplicated: u64,
    /// Delivered behind later ones.
    pub reordered: u64,
    /// Dropped at a full queue.
    pub overflowed: u64,
    /// Longer than the MTU.
    pub too_long: u64,
    /// Sent into a partition or a failed link.
    pub cut: u64,
}

/// One direction of a link.
#[derive(Clone, Debug, Default)]
pub struct Direction {
    /// When the line is free again.
    free_at: Instant,
    /// The latest arrival so far, so that jitter keeps order.
    last_arrival: Instant,
    /// Counters.
    pub counters: LinkCounters,
}

/// When a frame arrives: not at all, once, or twice.
pub type Arrivals = [Option<Instant>; 2];

impl Direction {
    /// Sends a frame of `len` octets, Ethernet header included.
    pub fn send(&mut self, now: Instant, config: &LinkConfig, cut: bool, len: usize, rng: &mut Rng) -> Arrivals {
        let counters = &mut self.counters;
        counters.frames += 1;
        counters.octets += len as u64;
        if len > usize::from(config.mtu) + ETHERNET_HEADER {
            counters.too_long += 1;
            return [None; 2];
        }
        let start = self.free_at.max(now);
        let backlog = ((start - now).as_micros() * u128::from(config.rate) / 8_000_000) as usize;
        if backlog > config.queue {
            counters.overflowed += 1;
            return [None; 2];
        }
        self.free_at = start + transmission(config.rate, len);
        if cut {
            counters.cut += 1;
            return [None; 2];
        }
        if rng.per_million(config.loss) {
            counters.lost += 1;
            return [None; 2];
        }
        let mut arrival = self.free_at + config.delay + rng.up_to(config.jitter);
        if rng.per_million(config.reorder) {
            counters.reordered += 1;
            arrival = arrival + config.reorder_delay;
        } else {
            arrival = arrival.max(self.last_arrival);
            self.last_arrival = arrival;
        }
        counters.delivered += 1;
        let again = rng.per_million(config.duplicate);
        if again {
            counters.duplicated += 1;
            counters.delivered += 1;
        }
        [Some(arrival), again.then(|| arrival + config.delay / 2)]
    }
}

/// Octets of an Ethernet header without tag.
const ETHERNET_HEADER: usize = 14;

fn transmission(rate: u64, len: usize) -> Duration {
    if rate == 0 {
        return Duration::ZERO;
    }
    Duration::from_nanos(u64::try_from(len as u128 * 8_000_000_000 / u128::from(rate)).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arrivals(config: &LinkConfig, frames: usize, seed: u64) -> (Vec<Instant>, LinkCounters) {
        let (mut direction, mut rng) = (Direction::default(), Rng::new(seed));
        let mut out = Vec::new();
        for n in 0..frames {
            let now = Instant::from_micros(n as u64 * 10);
            out.extend(direction.send(now, config, false, 1000, &mut rng).into_iter().flatten());
        }
        (out, direction.counters)
    }

    #[test]
    fn rate_and_delay_add_up() {
        let config = LinkConfig { rate: 8_000_000, delay: Duration::from_millis(5), ..LinkConfig::default() };
        let (times, _) = arrivals(&config, 2, 0);
        // 1,000 octets take 1 ms at 8 Mbit/s; the second frame waits for the first.
        assert_eq!(times, [Instant::from_micros(6_000), Instant::from_micros(7_000)]);
    }

    #[test]
    fn a_slow_line_overflows_its_queue() {
        let config = LinkConfig { rate: 8_000_000, queue: 3_000, ..LinkConfig::default() };
        let (times, counters) = arrivals(&config, 10, 0);
        assert!(counters.overflowed > 0);
        assert_eq!(times.len() as u64 + counters.overflowed, 10);
    }

    #[test]
    fn jitter_keeps_order_and_reordering_does_not() {
        let jitter = LinkConfig { jitter: Duration::from_millis(2), ..LinkConfig::default() };
        assert!(arrivals(&jitter, 500, 7).0.is_sorted());
        let reorder = LinkConfig { reorder: 100_000, ..jitter };
        assert!(!arrivals(&reorder, 500, 7).0.is_sorted());
    }

    #[test]
    fn every_frame_is_accounted_for() {
        let config =
            LinkConfig { loss: 100_000, duplicate: 50_000, reorder: 50_000, mtu: 1500, ..LinkConfig::default() };
        let (times, c) = arrivals(&config, 2_000, 3);
        assert_eq!(times.len() as u64, c.delivered);
        assert_eq!(c.frames + c.duplicated, c.delivered + c.lost + c.overflowed + c.too_long + c.cut);
        assert!(c.lost > 100 && c.duplicated > 30 && c.reordered > 30, "{c:?}");
    }

    #[test]
    fn long_frames_and_partitions_drop() {
        let config = LinkConfig { mtu: 900, ..LinkConfig::default() };
        assert_eq!(arrivals(&config, 3, 0).1.too_long, 3);
        let (mut direction, mut rng) = (Direction::default(), Rng::new(0));
        assert_eq!(direction.send(Instant::ZERO, &LinkConfig::default(), true, 60, &mut rng), [None; 2]);
        assert_eq!(direction.counters.cut, 1);
    }
}
