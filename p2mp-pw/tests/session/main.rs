//! Two LDP sessions in virtual time, and one against octets of our making (RFC 5036 §2.5, §3.5).

mod drive;
mod faults;
mod initialization;
mod pair;
mod timers;

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(4_000))]
    /// Whatever happens in whatever order, the invariants of `drive.rs` hold.
    #[test]
    fn any_stimuli(data in proptest::collection::vec(proptest::num::u8::ANY, 0..600)) {
        drive::run(&data);
    }
}
