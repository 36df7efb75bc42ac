//! Sessions back to back in virtual time.

mod chaos;
mod collision;
mod drive;
mod faults;
mod net;
mod restart;
mod timers;

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(10_000))]

    /// The fuzz target `drive_session` on random octets.
    #[test]
    fn any_stimuli(data in proptest::collection::vec(proptest::num::u8::ANY, 0..1_500)) {
        drive::run(&data);
    }
}
