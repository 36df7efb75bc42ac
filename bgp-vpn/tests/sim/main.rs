//! Speakers among themselves: several routers in virtual time above models of forwarding planes.

mod admission;
mod audience;
mod bad_input;
mod beside_multicast;
mod bgp_mib;
mod ce;
mod churn;
mod families;
mod forwarding_limits;
mod igp;
mod inter_as;
mod label_life;
mod opaque;
mod option_ab;
mod overlap;
mod paths;
mod pe_ce;
mod policy;
mod protect;
mod recovery;
mod reflect;
mod refresh;
mod rt_constraint;
mod vr;
mod world;
mod yang;

mod customer_view;
mod drive;
mod vr_drive;

proptest::proptest! {
    #![proptest_config(proptest::test_runner::Config { cases: 256, ..Default::default() })]

    /// Whatever happens, the forwarding plane, the VRFs and the peers agree with each other in the end.
    #[test]
    fn arbitrary_stimuli_keep_tables_forwarding_and_peers_in_step(
        data in proptest::collection::vec(proptest::num::u8::ANY, 0..1500)
    ) {
        drive::run(&data);
    }

    /// Whoever comes and goes, links are those that VPN-IDs and route targets say.
    #[test]
    fn virtual_routers_are_linked_as_a_naive_model_says(
        data in proptest::collection::vec(proptest::num::u8::ANY, 0..400)
    ) {
        vr_drive::run(&data);
    }
}
