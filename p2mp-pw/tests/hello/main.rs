//! Authenticated Hellos (RFC 7349).

use proptest::prelude::*;

mod authentication;
mod drive;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    /// Whatever an attacker repeats, changes or makes up: no adjacency that the neighbour did not ask for, no number taken twice.
    #[test]
    fn any_stimuli(data in prop::collection::vec(any::<u8>(), 0..400)) {
        drive::run(&data);
    }
}
