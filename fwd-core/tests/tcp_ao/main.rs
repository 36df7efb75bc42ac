//! TCP-AO (RFC 5925): its option, its vectors (RFC 9235), and connections whose segments are changed, forged, reordered and repeated.

mod ao_pair;
mod drive;
mod keys;
mod octets;
mod stream;
mod vectors;

use proptest::prelude::*;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn ends_take_what_is_honest_and_nothing_else(data in proptest::collection::vec(any::<u8>(), 0..2000)) {
        drive::run(&data);
    }
}
