//! What a VPLS costs is linear, and as published. Alone in its program: the allocator counts all that it hands out.

use lab::vpls_scale::sweep::{Metric, Swept};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<std::alloc::System> = &INSTRUMENTED_SYSTEM;

/// A PE with so many of it, and the octets that it holds for each.
fn built(metric: Metric, n: u32) -> (Swept, f64) {
    let before = Region::new(ALLOCATOR);
    let swept = metric.build(n).unwrap();
    let change = before.change();
    let held = change.bytes_allocated as isize - change.bytes_deallocated as isize;
    (swept, held as f64 / f64::from(n))
}

/// Ten times as much of a quantity, the others fixed, costs no more than 1.3 times as much for each, in memory, operations and octets of
/// UPDATEs. What the checked-in report says of each comes out again.
///
/// Shows: VPLS-SCALE-2, VPLS-SCALE-4
#[test]
fn each_quantity_costs_the_same_when_there_is_ten_times_as_much() {
    let report = include_str!("../../docs/scale/vpls.md");
    let mut changed = Vec::new();
    for metric in Metric::ALL {
        let (few, octets_of_few) = built(metric, metric.base());
        let (many, octets_of_many) = built(metric, metric.base() * 10);
        println!(
            "{}: {octets_of_few:.0} and {octets_of_many:.0} octets; {} and {}",
            metric.name(),
            few.per_unit(),
            many.per_unit()
        );
        assert!(octets_of_many <= octets_of_few * 1.3, "{metric:?}: {octets_of_few} to {octets_of_many} octets each");
        for (what, few_have, many_have) in [
            ("operations", few.ops, many.ops),
            ("UPDATEs", few.updates, many.updates),
            ("octets", few.octets, many.octets),
        ] {
            assert!(many_have as f64 <= few_have as f64 * 10.0 * 1.3, "{metric:?}: {few_have} to {many_have} {what}");
        }
        for swept in [&few, &many] {
            let mut lines = report.lines().filter_map(|line| line.trim_start().strip_prefix(metric.name()));
            let published = lines.find(|line| line.split_whitespace().next() == Some(&swept.units.to_string()));
            if !published.is_some_and(|line| line.ends_with(&swept.per_unit())) {
                changed.push((metric, swept.units, swept.per_unit(), published));
            }
        }
    }
    assert!(changed.is_empty(), "the report says otherwise: {changed:#?}");
    // The items that RFC 5501 §6.1.2 asks for besides, at three sizes; no multicast addresses of the provider are used.
    for line in ["instances: 10 pseudowires, 2 circuits each   4000", "addresses of the provider that are used: 0"] {
        assert!(report.contains(line), "{line}");
    }
}
