//! The router side of IGMP and MLD in virtual time, both families by the same tests.

mod drive;
mod host;
mod lan;
mod limits;
mod members;
mod proxy;
mod queries;
mod versions;
mod yang;

proptest::proptest! {
    #[test]
    fn arbitrary_stimuli_keep_the_invariants(data in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..1500)) {
        drive::run(&data);
    }
}
