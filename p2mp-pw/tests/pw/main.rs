//! Pseudowires between PEs whose messages cross a wire in order; frames through real forwarders.

mod drive;
mod frames;
mod net;
mod procedures;
mod redundancy;
mod switching;

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(2_000))]

    /// The fuzz target's body.
    #[test]
    fn arbitrary_stimuli(data in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..600)) {
        drive::run(&data);
    }
}
