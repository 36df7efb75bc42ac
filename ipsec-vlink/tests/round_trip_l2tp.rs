//! `parse(emit(x)) == x` for every message and AVP of L2TP.

use arbitrary::{Arbitrary, Unstructured};
use ipsec_vlink::l2tp::{Avps, RawAvp, ResultCode, Value, v2, v3};
use proptest::prelude::*;

fn arbitrary<'a, T: Arbitrary<'a>>(octets: &'a [u8]) -> Option<T> {
    T::arbitrary(&mut Unstructured::new(octets)).ok()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn messages(octets in prop::collection::vec(any::<u8>(), 0..600)) {
        let mut out = Vec::new();
        if let Some(message) = arbitrary::<v2::Control<'_>>(&octets) {
            message.emit(&mut out);
            prop_assert_eq!(out.len(), message.wire_len());
            prop_assert_eq!(v2::Control::parse(&out), Ok(message));
        }
        out.clear();
        if let Some(message) = arbitrary::<v3::Control<'_>>(&octets) {
            message.emit(&mut out);
            prop_assert_eq!(out.len(), message.wire_len());
            prop_assert_eq!(v3::Control::parse(&out), Ok(message));
        }
        out.clear();
        if let Some(message) = arbitrary::<v2::Data<'_>>(&octets) {
            message.emit(&mut out);
            prop_assert_eq!(out.len(), message.wire_len());
            prop_assert_eq!(v2::Data::parse(&out), Ok(message));
        }
    }

    #[test]
    fn avps(octets in prop::collection::vec(any::<u8>(), 0..1200)) {
        if let Some(avp) = arbitrary::<RawAvp<'_>>(&octets) {
            let mut out = Vec::new();
            avp.emit(&mut out);
            prop_assert_eq!(out.len(), avp.wire_len());
            prop_assert_eq!(RawAvp::parse(&out), Ok(avp));
        }
        if let Some(code) = arbitrary::<ResultCode<'_>>(&octets) {
            let mut out = Vec::new();
            code.emit(&mut out);
            prop_assert_eq!(ResultCode::parse(&out), Ok(code));
        }
    }

    #[test]
    fn values(octets in prop::collection::vec(any::<u8>(), 0..1200)) {
        let Some(values) = arbitrary::<[Value<'_>; 4]>(&octets) else { return Ok(()) };
        let mut out = Vec::new();
        for value in &values {
            value.emit_avp(&mut out);
        }
        let read: Vec<RawAvp<'_>> = Avps::new(&out).collect::<Result<_, _>>().unwrap();
        prop_assert_eq!(read.len(), values.len());
        for (avp, value) in read.iter().zip(values) {
            match value {
                // An attribute that is known after all, or a cookie of no octets, which has no AVP.
                Value::Unknown { .. } => prop_assert_eq!(avp.attribute, value.attribute()),
                Value::AssignedCookie(cookie) if cookie.as_slice().is_empty() => {}
                _ => prop_assert_eq!(Value::of(avp), Ok(value)),
            }
        }
    }
}
