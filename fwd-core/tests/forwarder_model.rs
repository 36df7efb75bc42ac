//! The forwarder against a naive model of it: arbitrary ops and frames, octet for octet.

mod model;

use fwd_core::{DropReason, PuntReason};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_forwarder_does_what_the_naive_one_does(data in proptest::collection::vec(any::<u8>(), 0..3000)) {
        model::run(&data);
    }
}

/// The comparison is worth something only if packets get everywhere: every counter rises over a fixed set of inputs.
#[test]
fn the_comparison_reaches_every_verdict() {
    let rng = TestRng::deterministic_rng(RngAlgorithm::ChaCha);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let mut sums = std::collections::BTreeMap::new();
    for _ in 0..3000 {
        let data: Vec<u8> = (0..3000).map(|_| runner.rng().random()).collect();
        for (name, n) in model::run(&data).iter() {
            *sums.entry(name).or_insert(0) += n;
        }
    }
    // What becomes of tunnels' packets is shown in `vlink.rs`.
    // Multicast and bridging are shown in `multicast.rs` and `bridge.rs`.
    let theirs = DropReason::ALL.iter().filter(|r| **r as usize >= DropReason::NoMroute as usize).map(|r| r.name());
    let punts = PuntReason::ALL.iter().filter(|r| **r as usize >= PuntReason::NoMroute as usize).map(|r| r.name());
    let theirs: Vec<&str> = theirs.chain(punts).chain(["replicated"]).collect();
    let elsewhere =
        |name: &str| name.starts_with("vlink") || matches!(name, "esp" | "fragment") || theirs.contains(&name);
    let never: Vec<_> = sums.iter().filter(|(name, n)| **n == 0 && !elsewhere(name)).collect();
    assert!(never.is_empty(), "{never:?}");
    assert!(sums["transmitted"] > 1000, "{sums:?}");
    println!("{sums:?}");
}
