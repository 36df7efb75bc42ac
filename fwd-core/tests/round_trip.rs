//! `parse(emit(op)) == op` for every op, and `emit(parse(octets)) == octets` for all octets that parse.

use fwd_core::op::FwdOp;
use proptest::prelude::*;

fn ops() -> impl Strategy<Value = FwdOp> {
    proptest::collection::vec(any::<u8>(), 120)
        .prop_filter_map("not enough octets", |data| arbitrary::Unstructured::new(&data).arbitrary().ok())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn ops_survive_their_octets(op in ops()) {
        prop_assert_eq!(FwdOp::parse(&op.emit()), Ok(op));
    }

    #[test]
    fn octets_that_parse_are_the_ops_own(op in ops(), at in 0..FwdOp::LEN, value: u8) {
        let mut octets = op.emit();
        octets[at] = value;
        match FwdOp::parse(&octets) {
            Ok(other) => prop_assert_eq!(other.emit(), octets),
            Err(malformed) => prop_assert!(malformed.offset < FwdOp::LEN),
        }
    }
}
