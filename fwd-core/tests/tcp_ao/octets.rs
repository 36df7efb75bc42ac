//! The option's octets, and headers that are none.

use fwd_core::Fault;
use fwd_core::tcp_ao::crypto::rustcrypto::RustCrypto;
use fwd_core::tcp_ao::{AoOption, Dropped, SignError};
use proptest::prelude::*;

use super::ao_pair::*;

proptest! {
    #[test]
    fn options_survive_their_octets(data in proptest::collection::vec(any::<u8>(), 80)) {
        let option: AoOption<'_> = arbitrary::Unstructured::new(&data).arbitrary().unwrap();
        let mut octets = Vec::new();
        option.emit(&mut octets);
        prop_assert_eq!(octets.len(), option.wire_len());
        prop_assert_eq!(AoOption::parse(&octets), Ok(option));
    }

    #[test]
    fn octets_that_parse_are_an_options_own(mut octets in proptest::collection::vec(any::<u8>(), 0..48), kind: bool) {
        if let ([first, ..], true) = (&mut octets[..], kind) {
            *first = AoOption::KIND;
        }
        if let Ok(option) = AoOption::parse(&octets) {
            let mut again = Vec::new();
            option.emit(&mut again);
            prop_assert_eq!(again, octets);
        }
    }
}

#[test]
fn lengths_are_bounded() {
    let fault = |octets: &[u8]| AoOption::parse(octets).map(|_| ()).map_err(|m| (m.offset, m.field, m.fault));
    assert_eq!(fault(&[29, 3, 1]).unwrap_err(), (1, "Length", Fault::Length(3)));
    assert_eq!(fault(&[29, 41, 1]).unwrap_err(), (1, "Length", Fault::Length(41)));
    assert_eq!(fault(&[28, 4, 1, 2]).unwrap_err(), (0, "Kind", Fault::Value(28)));
    assert_eq!(fault(&[29, 6, 1, 2, 3]).unwrap_err(), (4, "MAC", Fault::Truncated));
    assert_eq!(fault(&[29, 4, 1, 2, 3]).unwrap_err(), (4, "end", Fault::Trailing(1)));
    assert_eq!(AoOption::new(1, 2, &[0; 37]), None);
}

/// RFC 5925 §2.2: two of them, one beside TCP MD5, and lengths that are none.
#[test]
fn headers_that_are_none_are_dropped_and_counted() {
    let [mut a, mut b] = open(&keys(pair(), &[1]), &mut keys(turned(pair()), &[1]), [10, 20]);
    let good = signed(&mut a, pair(), 11, ACK, b"data");
    let mut expected = b.counters();
    let option = &good[24..40];
    let md5 = [&[19, 18][..], &[0; 16], &[1, 1]].concat();
    let of = |options: &[u8]| segment(pair().local, pair().remote, 11, ACK, options, b"data");
    let short = of(&[29, 3, 1, 0]);
    let over = of(&[29, 16, 1, 0]);
    let mut offset = good.clone();
    offset[12] = 0x40;
    let mut beyond = good.clone();
    beyond[12] = 0xf0;
    let wrong = [
        (of(&[option, option].concat()), "Kind"),
        (of(&[option, &md5[..]].concat()), "Kind"),
        (of(&[&md5[..], option].concat()), "Kind"),
        (short, "Length"),
        (over, "option"),
        (of(&[8, 0, 0, 0]), "option"),
        (of(&[1, 1, 1, 29]), "option"),
        (offset, "Data Offset"),
        (beyond, "Data Offset"),
        (good[..19].to_vec(), "header"),
        (vec![0x50; 65_536], "segment"),
    ];
    for (octets, field) in &wrong {
        let Err(Dropped::Malformed(malformed)) = verify(&mut b, octets) else { panic!("{field}") };
        assert_eq!(malformed.field, *field);
        expected.malformed += 1;
    }
    // What stands behind the end of the list is no option; TCP MD5 alone is none of ours.
    assert_eq!(verify(&mut b, &of(&[&[0, 1, 1, 1][..], option].concat())), Err(Dropped::Missing));
    assert_eq!(verify(&mut b, &of(&md5)), Err(Dropped::Missing));
    expected.missing += 2;
    assert_eq!(b.counters(), expected);
    assert!(verify(&mut b, &good).is_ok());
    assert_eq!(b.counters().dropped(), wrong.len() as u64 + 2);

    let mut sign = |octets: &[u8]| a.sign(&mut octets.to_vec(), &RustCrypto);
    assert!(matches!(sign(&good[..19]), Err(SignError::Malformed(_))));
    assert_eq!(sign(&of(&[1, 1, 1, 1])), Err(SignError::Option));
    assert_eq!(sign(&of(&[29, 8, 0, 0, 0, 0, 0, 0])), Err(SignError::Option));
    assert_eq!(sign(&segment(pair().remote, pair().local, 1, ACK, option, b"")), Err(SignError::Ports));
}
