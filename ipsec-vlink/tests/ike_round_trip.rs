//! `parse(emit(x)) == x` for the parts of IKE messages.

use arbitrary::{Arbitrary, Unstructured};
use ipsec_vlink::ike::header::Header;
use ipsec_vlink::ike::payload::v2::{Body, Offer, Sa};
use ipsec_vlink::ike::payload::{Delete, PayloadType, Payloads, Selectors, Writer, v1};
use ipsec_vlink::ike::{TrafficSelector, VpnContext};
use proptest::prelude::*;

fn drawn<'a, T: Arbitrary<'a>>(octets: &'a [u8]) -> Option<T> {
    T::arbitrary(&mut Unstructured::new(octets)).ok()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn headers(octets in prop::collection::vec(any::<u8>(), 40)) {
        let Some(header) = drawn::<Header>(&octets) else { return Ok(()) };
        let mut out = Vec::new();
        header.emit(&mut out);
        prop_assert_eq!((out.len(), Header::parse(&out)), (header.wire_len(), Ok(header)));
    }

    #[test]
    fn contexts(octets in prop::collection::vec(any::<u8>(), 0..60)) {
        let Some(context) = drawn::<VpnContext>(&octets) else { return Ok(()) };
        let mut out = Vec::new();
        context.emit(&mut out);
        prop_assert_eq!((out.len(), VpnContext::parse(&out)), (context.wire_len(), Ok(context)));
    }

    #[test]
    fn proposals(octets in prop::collection::vec(any::<u8>(), 0..400)) {
        let Some(offers) = drawn::<[Offer; 3]>(&octets) else { return Ok(()) };
        let mut out = Vec::new();
        Sa::write(&offers, &mut out);
        let Ok(Body::Sa(sa)) = Body::parse(PayloadType::SA, &out) else { panic!("{offers:?}") };
        let read: Vec<Offer> = sa.proposals().map(|p| Offer::of(&p).unwrap()).collect();
        prop_assert_eq!(read.as_slice(), offers.as_slice());
    }

    #[test]
    fn proposals_of_ikev1(octets in prop::collection::vec(any::<u8>(), 0..400)) {
        let Some(offer) = drawn::<v1::ProposalOffer>(&octets) else { return Ok(()) };
        let mut out = Vec::new();
        v1::Sa::write(&offer, &mut out);
        let Ok(v1::Body::Sa(sa)) = v1::Body::parse(PayloadType::SA_V1, &out) else { panic!("{offer:?}") };
        let read: Vec<v1::ProposalOffer> = sa.proposals().map(|p| v1::ProposalOffer::of(&p).unwrap()).collect();
        prop_assert_eq!(read, vec![offer]);
    }

    #[test]
    fn selectors(octets in prop::collection::vec(any::<u8>(), 0..200)) {
        let Some((selectors, label)) = drawn::<(Vec<TrafficSelector>, Option<[u8; 9]>)>(&octets) else { return Ok(()) };
        let mut out = Vec::new();
        Selectors::write(&selectors, label.as_ref().map(|l| &l[..]), &mut out);
        let Ok(Body::TsI(read)) = Body::parse(PayloadType::TS_I, &out) else { panic!("{selectors:?}") };
        prop_assert_eq!(read.ranges().collect::<Vec<_>>(), selectors);
        prop_assert_eq!(read.label(), label.as_ref().map(|l| &l[..]));
    }

    #[test]
    fn deletions(octets in prop::collection::vec(any::<u8>(), 0..80)) {
        let Some(delete) = drawn::<Delete<'_>>(&octets) else { return Ok(()) };
        let mut out = Vec::new();
        Body::Delete(delete).emit(&mut out);
        prop_assert_eq!(Body::parse(PayloadType::DELETE, &out), Ok(Body::Delete(delete)));
    }

    /// What was read of any body is written, and read again as the same; in a chain, too.
    #[test]
    fn bodies_from_anywhere(kind in any::<u8>(), octets in prop::collection::vec(any::<u8>(), 0..80)) {
        let kind = PayloadType(kind % 56);
        if let Ok(body) = Body::parse(kind, &octets) {
            let mut out = Vec::new();
            body.emit(&mut out);
            prop_assert_eq!(out.len(), body.wire_len());
            prop_assert_eq!(Body::parse(kind, &out), Ok(body));
        }
        if let Ok(body) = v1::Body::parse(kind, &octets) {
            let mut out = Vec::new();
            body.emit(&mut out);
            prop_assert_eq!((out.len(), v1::Body::parse(kind, &out)), (body.wire_len(), Ok(body)));
        }
        if kind != PayloadType::NONE {
            let mut w = Writer::new();
            w.raw(kind, &octets);
            let chain = w.chain();
            let read: Vec<_> = Payloads::new(kind, &chain).map(|p| p.unwrap()).collect();
            prop_assert_eq!((read.len(), read[0].body), (1, &octets[..]));
        }
    }
}
