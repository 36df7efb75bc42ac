//! PIM at scale: SC-3 of the catalogue (5,490 neighbours, 183 Hellos a second each way) and 100,000 (S,G) with 10,000 Joins and Prunes a
//! second. Prints processor time for a second of virtual time, and octets of a state.
#![allow(missing_docs)]

// Its tests run in `tests/pim`.
#[allow(dead_code, unused_imports)]
#[path = "../tests/pim/scale.rs"]
mod scale;

fn main() {
    let ces: Vec<u32> = std::iter::once(500).chain(std::iter::repeat_n(10, 499)).collect();
    let found = scale::neighbors(&ces, 600);
    println!(
        "SC-3: {} neighbours, {:.0} Hellos a second each way, {} lost in 10 minutes; {:.2} ms of processor a second",
        found.up,
        found.sent as f64 / 600.0,
        found.lost,
        found.time.as_secs_f64() * 1000.0 / 600.0,
    );
    for count in [10_000, 100_000] {
        let of = scale::states(count, 5000, 20);
        println!(
            "{count} (S,G): {:.1} µs to join one, {} octets each with group, timers, route and replication group; 10,000 Joins and Prunes a \
             second: {:.0} ms of processor a second, {:.0} ms the worst; a timer that expires: {} allocations",
            of.join.as_secs_f64() * 1e6,
            of.octets,
            of.second.as_secs_f64() * 1000.0,
            of.worst.as_secs_f64() * 1000.0,
            of.expiry,
        );
    }
}
