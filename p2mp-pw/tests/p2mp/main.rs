//! P2MP pseudowires (RFC 8338) between PEs whose tunnels are mLDP's, with their forwarding planes.

mod drive;
#[path = "../mldp/net.rs"]
mod net;
mod oam;
mod p2mp_tables;
mod pe;
mod provision;
mod requirements;
mod scale;
mod sim;

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(2_000))]

    /// Whatever happens in whatever order, the invariants of `drive.rs` hold.
    #[test]
    fn any_stimuli(data in proptest::collection::vec(proptest::num::u8::ANY, 0..600)) {
        drive::run(&data);
    }
}
