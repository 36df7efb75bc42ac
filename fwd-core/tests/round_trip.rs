//! `parse(emit(op)) == op` for every op, and `emit(parse(octets)) == octets` for all octets that parse; the same of
//! the headers that are more than views.

use fwd_core::op::FwdOp;
use fwd_core::wire::Gre;
use fwd_core::wire::l2tpv3::{self, Carrier, Cookie, Kind};
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

fn value<T>() -> impl Strategy<Value = T> + use<T>
where
    T: std::fmt::Debug + for<'a> arbitrary::Arbitrary<'a>,
{
    proptest::collection::vec(any::<u8>(), 40)
        .prop_filter_map("not enough octets", |data| arbitrary::Unstructured::new(&data).arbitrary().ok())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn gre_headers_survive_their_octets(header in value::<Gre>()) {
        let octets = header.emit();
        prop_assert_eq!(Gre::take(&octets[..header.wire_len()]), Ok((header, header.wire_len())));
    }

    #[test]
    fn gre_octets_that_parse_are_the_headers_own(octets: [u8; 16]) {
        if let Ok((header, len)) = Gre::take(&octets) {
            prop_assert_eq!(Gre::take(&header.emit()[..len]), Ok((header, len)));
        }
    }

    #[test]
    fn l2tp_headers_survive_their_octets(session in 1_u32.., cookie in value::<Cookie>(), over_udp: bool) {
        let carrier = if over_udp { Carrier::Udp } else { Carrier::Ip };
        let octets = l2tpv3::emit(carrier, session, &cookie);
        let offset = l2tpv3::header_len(carrier);
        prop_assert_eq!(l2tpv3::kind(carrier, &octets), Ok(Kind::Data { session, offset }));
        prop_assert!(cookie.is_in_front_of(&octets[offset..]));
    }
}
