//! The forwarding plane on the packaged full table, beside what others publish with `--features peers`.
//!
//! Each figure is the least of many short samples, in nanoseconds per look-up or packet; ours and the peers' are taken in turns in
//! the same run, so what counts is their ratio. `RUSTFLAGS="-C target-cpu=native"` gives the processor's population count to both.
//! DPDK takes part when a C compiler and `libdpdk-dev` are there; the run says so when they are not.

mod data;
mod ours;
#[cfg(feature = "peers")]
mod peers;

use std::time::Instant;

/// Samples of each measurement; the least counts.
const SAMPLES: usize = 15;

/// The least time of a pass, in nanoseconds per item, and its digest.
pub fn least(items: usize, mut pass: impl FnMut() -> u64) -> (f64, u64) {
    let digest = pass();
    let mut best = f64::MAX;
    for _ in 0..SAMPLES {
        let start = Instant::now();
        assert_eq!(std::hint::black_box(pass()), digest);
        best = best.min(start.elapsed().as_nanos() as f64 / items as f64);
    }
    (best, digest)
}

/// A line of the report.
pub fn row(table: &str, who: &str, trace: &str, (ns, _): (f64, u64)) {
    println!("{table:<6} {who:<40} {trace:<6} {ns:>8.2} ns");
}

fn main() {
    let data = data::Data::new();
    println!("{} IPv4 and {} IPv6 routes, 1,000 next hops without a pattern", data.v4.len(), data.v6.len());
    let mut plane = ours::Plane::new(&data);
    plane.sizes(&data);
    let digests = plane.lookups(&data);
    #[cfg(feature = "peers")]
    {
        peers::lookups(&data, &digests);
        peers::dpdk(&data, &digests);
    }
    let _ = &digests;
    plane.updates(&data);
    ours::labels();
    ours::packets();
}
