//! Label distribution: scripts per procedure of RFC 5036 Appendix A, networks against the IGP, arbitrary stimuli.

mod drive;
mod net;
mod network;
mod script;
mod scripts;

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(2_000))]

    /// The fuzz target's body.
    #[test]
    fn arbitrary_stimuli(data in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..600)) {
        drive::run(&data);
    }
}
