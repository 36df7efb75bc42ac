//! What is emitted is read back as it was: over generators that fuzz targets share.

use arbitrary::{Arbitrary, Unstructured};
use bgp_vpn::attr::PmsiTunnel;
use bgp_vpn::nlri::{McastVplsNlri, Nlri as _, NlriFormat, VplsNlri};
use proptest::prelude::*;
use vpls::bgp::{Nlri, Pmsi, RouteAttributes};
use vpls::probe::ProbeMessage;
use vpls::snoop::mmrp::Mmrpdu;

const FORMAT: NlriFormat = NlriFormat { add_path: false, multiple_labels: false };

fn of<T: for<'a> Arbitrary<'a>>(octets: &[u8]) -> Option<T> {
    T::arbitrary(&mut Unstructured::new(octets)).ok()
}

proptest! {
    #[test]
    fn nlri(octets in prop::collection::vec(any::<u8>(), 0..120)) {
        let Some(nlri) = of::<Nlri>(&octets) else { return Ok(()) };
        let mut out = Vec::new();
        nlri.emit(&mut out);
        let read = if nlri.is_mcast() {
            let (rest, read) = McastVplsNlri::take(&out, FORMAT).unwrap();
            prop_assert!(rest.is_empty());
            Nlri::of_mcast(&read)
        } else {
            let (rest, read) = VplsNlri::take(&out, FORMAT).unwrap();
            prop_assert!(rest.is_empty());
            Nlri::of_vpls(&read)
        };
        prop_assert_eq!(read, Some(nlri));
    }

    #[test]
    fn pmsi(octets in prop::collection::vec(any::<u8>(), 0..60)) {
        let Some(pmsi) = of::<Pmsi>(&octets) else { return Ok(()) };
        let mut out = Vec::new();
        pmsi.emit(&mut out);
        prop_assert_eq!(Pmsi::of(&PmsiTunnel::parse(&out).unwrap()), Some(pmsi));
    }

    #[test]
    fn mmrp(octets in prop::collection::vec(any::<u8>(), 0..120)) {
        let Some(pdu) = of::<Mmrpdu>(&octets) else { return Ok(()) };
        let mut out = Vec::new();
        pdu.emit(&mut out);
        prop_assert_eq!(Mmrpdu::take(&out), Ok((&[][..], pdu)));
    }

    #[test]
    fn probe(octets in prop::collection::vec(any::<u8>(), 0..200)) {
        let Some(message) = of::<ProbeMessage>(&octets) else { return Ok(()) };
        let mut out = Vec::new();
        message.emit(&mut out);
        prop_assert_eq!(out.len(), message.wire_len());
        prop_assert_eq!(ProbeMessage::parse(&out), Ok(message));
    }

    #[test]
    fn attributes(octets in prop::collection::vec(any::<u8>(), 0..160)) {
        let Some(attributes) = of::<RouteAttributes>(&octets) else { return Ok(()) };
        let communities: Vec<_> = attributes.communities().collect();
        let mut out = Vec::new();
        let tunnel = attributes.pmsi.as_ref().map(|pmsi| {
            pmsi.emit(&mut out);
            PmsiTunnel::parse(&out).unwrap()
        });
        let (next_hop, preference) = (attributes.next_hop, attributes.local_pref);
        let read = RouteAttributes::new(next_hop, preference, communities.iter().copied(), tunnel.as_ref());
        prop_assert_eq!(read, attributes);
    }
}
