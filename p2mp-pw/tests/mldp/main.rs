//! Multipoint LSPs (RFC 6388): networks of machines with their forwarding planes, and arbitrary stimuli against one machine.

mod carrier;
mod drive;
mod net;
mod protection;
mod scale;
mod sim;
mod vpn;

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(3_000))]
    /// Whatever happens in whatever order, the invariants of `drive.rs` hold.
    #[test]
    fn any_stimuli(data in proptest::collection::vec(proptest::num::u8::ANY, 0..500)) {
        drive::run(&data);
    }
}
