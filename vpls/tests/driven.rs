//! Random stimuli against one PE, with the invariants of the fuzz target.

#[path = "sim/drive.rs"]
mod drive;

use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    /// Shows: VPLS-SEC-1
    #[test]
    fn nothing_a_peer_or_customer_does_breaks_a_pe(data in prop::collection::vec(any::<u8>(), 0..3000)) {
        drive::run(&data);
    }
}
