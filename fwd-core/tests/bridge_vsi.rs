//! Virtual switch instances beside a naive model of a bridge.

mod switching;
mod vsi;

use proptest::prelude::*;

/// Steps that learn, move, age, limit, pin and flush, each with the forwarder and the model: a check that the model itself sees them.
#[test]
fn a_walk_through_every_kind_of_step() {
    let frame = |port, from, to| [15, port, from, to];
    let steps = [
        frame(0, 1, 2),  // flooded
        frame(1, 2, 1),  // known on both sides
        frame(2, 3, 1),  // from a pseudowire
        frame(3, 4, 3),  // split horizon
        frame(0, 5, 1),  // same port
        frame(1, 1, 16), // a station that moved; broadcast
        [5, 0, 4, 0],    // 16 seconds
        frame(0, 5, 2),  // seen again
        [5, 0, 8, 0],    // 32 seconds: the others are forgotten in time
        [5, 0, 15, 0],
        [5, 0, 15, 0],
        frame(5, 1, 2), // the other instance
        [2, 6, 1, 0],   // pinned there
        frame(5, 1, 2),
        [4, 1, 3, 0], // flushed, but for what is pinned
        [0, 0, 2, 0], // two addresses at most
        frame(0, 1, 0),
        frame(0, 2, 0),
        frame(0, 3, 0),
        frame(1, 2, 0), // a move is free
        [1, 0, 0, 1],   // none at this port
        frame(0, 4, 0),
        [3, 1, 1, 0],
    ];
    vsi::run(&steps.concat());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the steps, the instances know what the model knows, and frames leave where it says.
    #[test]
    fn instances_are_the_bridge_of_maps(data in proptest::collection::vec(any::<u8>(), 0..1600)) {
        vsi::run(&data);
    }
}
