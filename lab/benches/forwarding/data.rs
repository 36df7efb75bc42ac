//! The full table with next hops, and addresses to look up in it.

use fwd_core::net::{Ipv4Prefix, Ipv6Prefix};
use lab::table::FullTable;

/// Addresses of each trace.
pub const TRACE: usize = 1 << 20;
/// Next hops.
pub const HOPS: u64 = 1000;

/// splitmix64: the same data in every run.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.next()) * n as u128) >> 64) as usize
    }
}

/// Routes and traces: `uni` of random addresses, `ann` inside of announced prefixes, each as likely as the others, `zipf` of
/// flows inside of announced prefixes whose weights fall as 1/n.
pub struct Data {
    pub v4: Vec<(Ipv4Prefix, u32)>,
    pub v6: Vec<(Ipv6Prefix, u32)>,
    pub traces4: [(&'static str, Vec<u32>); 3],
    pub traces6: [(&'static str, Vec<u128>); 3],
}

impl Data {
    pub fn new() -> Self {
        let table = FullTable::read().expect("the packaged table");
        let mut r = Random(1);
        let mut hop = || 1 + r.below(HOPS as usize) as u32;
        let v4: Vec<_> = table.v4.into_iter().map(|prefix| (prefix, hop())).collect();
        let v6: Vec<_> = table.v6.into_iter().map(|prefix| (prefix, hop())).collect();
        let inside4 = |r: &mut Random| {
            let prefix = v4[r.below(v4.len())].0;
            prefix.bits() | (r.next() as u32 & u32::MAX.checked_shr(prefix.bit_len().into()).unwrap_or(0))
        };
        let inside6 = |r: &mut Random| {
            let prefix = v6[r.below(v6.len())].0;
            let host = u128::from(r.next()) << 64 | u128::from(r.next());
            prefix.bits() | (host & u128::MAX.checked_shr(prefix.bit_len().into()).unwrap_or(0))
        };
        let uni4 = (0..TRACE).map(|_| r.next() as u32).collect();
        let ann4 = (0..TRACE).map(|_| inside4(&mut r)).collect();
        let uni6 = (0..TRACE).map(|_| 1 << 125 | (u128::from(r.next()) << 64 | u128::from(r.next())) >> 3).collect();
        let ann6 = (0..TRACE).map(|_| inside6(&mut r)).collect();
        let mut sums = Vec::with_capacity(TRACE);
        let mut sum = 0.0;
        for n in 1..=TRACE {
            sum += 1.0 / n as f64;
            sums.push(sum);
        }
        let flow = |r: &mut Random| {
            let at = (r.next() >> 11) as f64 / (1_u64 << 53) as f64 * sum;
            sums.partition_point(|&c| c < at).min(TRACE - 1)
        };
        let flows4: Vec<u32> = (0..TRACE).map(|_| inside4(&mut r)).collect();
        let flows6: Vec<u128> = (0..TRACE).map(|_| inside6(&mut r)).collect();
        let zipf4 = (0..TRACE).map(|_| flows4[flow(&mut r)]).collect();
        let zipf6 = (0..TRACE).map(|_| flows6[flow(&mut r)]).collect();
        Self {
            v4,
            v6,
            traces4: [("uni", uni4), ("ann", ann4), ("zipf", zipf4)],
            traces6: [("uni", uni6), ("ann", ann6), ("zipf", zipf6)],
        }
    }
}
