//! RSVP-TE P2MP (RFC 4875): routers in virtual time, their tables walked packet by packet, and arbitrary stimuli.

mod drive;
mod mib;
mod net;
mod pw;
mod rsvp_tables;
mod sim;

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(2_000))]
    /// Whatever happens in whatever order, the invariants of `drive.rs` hold.
    #[test]
    fn any_stimuli(data in proptest::collection::vec(proptest::num::u8::ANY, 0..600)) {
        drive::run(&data);
    }
}
