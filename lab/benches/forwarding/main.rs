//! The forwarding plane on the packaged full table, beside what others publish with `--features peers`.
//!
//! Each figure is the least of many short samples, in nanoseconds per look-up or packet; ours and the peers' are taken in turns in
//! the same run, so what counts is their ratio. `RUSTFLAGS="-C target-cpu=native"` gives the processor's population count to both.
//! DPDK takes part when a C compiler and `libdpdk-dev` are there; the run says so when they are not.

mod data;
#[cfg_attr(not(feature = "peers"), allow(dead_code))] // what others are measured on
mod exact;
mod ours;
#[cfg(feature = "peers")]
mod peers;

use std::time::Instant;

/// Samples of each measurement; the least counts.
const SAMPLES: usize = 15;

/// Items of a section: short enough that most samples of it are not interrupted, and all sections together as long as a trace.
pub const SECTION: usize = 1 << 14;

/// The least times of each section of a trace added up, in nanoseconds per item, and its digest.
pub fn least<T>(items: &[T], mut pass: impl FnMut(&[T]) -> u64) -> (f64, u64) {
    let (mut sum, mut best) = (0, vec![f64::MAX; items.len().div_ceil(SECTION)]);
    for _ in 0..SAMPLES {
        sum = 0;
        for (section, best) in items.chunks(SECTION).zip(&mut best) {
            let start = Instant::now();
            sum += std::hint::black_box(pass(section));
            *best = best.min(start.elapsed().as_nanos() as f64);
        }
    }
    (best.iter().sum::<f64>() / items.len() as f64, sum)
}

/// A line of the report.
pub fn row(table: &str, who: &str, trace: &str, (ns, _): (f64, u64)) {
    println!("{table:<6} {who:<40} {trace:<6} {ns:>8.2} ns");
}

fn main() {
    let data = data::Data::new();
    println!("{} IPv4 and {} IPv6 routes, 1,000 next hops without a pattern", data.v4.len(), data.v6.len());
    let mut planes = [false, true].map(|is_front| ours::Plane::new(&data, is_front));
    planes.iter().for_each(|plane| plane.sizes(&data));
    let [digests, same] = [0, 1].map(|at| planes[at].lookups(&data));
    assert_eq!(digests, same);
    let exact = exact::lookups();
    #[cfg(feature = "peers")]
    {
        peers::lookups(&data, &digests);
        peers::dpdk(&data, &digests, &exact);
    }
    #[cfg(not(feature = "peers"))]
    drop(exact);
    planes.iter_mut().for_each(|plane| plane.updates(&data));
    ours::packets();
}
