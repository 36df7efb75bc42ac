//! Messages of IKEv2 and of IKEv1.

use ipsec_vlink::ike::VpnContext;
use ipsec_vlink::ike::payload::{Payloads, v1, v2};

/// A message of IKEv2: no panic; every body is written in as many octets as it was read from, and read again as the same.
pub fn parse_ikev2(data: &[u8]) {
    let Ok((_, payloads)) = Payloads::of(data) else { return };
    for payload in payloads {
        let Ok(payload) = payload else { return };
        let Ok(body) = v2::Body::of(&payload) else { continue };
        let mut out = Vec::new();
        body.emit(&mut out);
        assert_eq!((out.len(), body.wire_len()), (payload.body.len(), payload.body.len()));
        assert_eq!(v2::Body::parse(payload.kind, &out), Ok(body));
        match body {
            v2::Body::Sa(sa) => sa.proposals().for_each(|p| _ = v2::Offer::of(&p)),
            v2::Body::TsI(ts) | v2::Body::TsR(ts) => _ = ts.ranges().count(),
            v2::Body::Notify(n) => _ = VpnContext::parse(n.data),
            v2::Body::Delete(d) => _ = d.spis32().count(),
            _ => {}
        }
    }
}

/// As [`parse_ikev2`], of ISAKMP and IKEv1.
pub fn parse_isakmp(data: &[u8]) {
    let Ok((_, payloads)) = Payloads::of(data) else { return };
    for payload in payloads {
        let Ok(payload) = payload else { return };
        let Ok(body) = v1::Body::of(&payload) else { continue };
        let mut out = Vec::new();
        body.emit(&mut out);
        assert_eq!((out.len(), body.wire_len()), (payload.body.len(), payload.body.len()));
        assert_eq!(v1::Body::parse(payload.kind, &out), Ok(body));
        match body {
            v1::Body::Sa(sa) => sa.proposals().for_each(|p| _ = v1::ProposalOffer::of(&p)),
            v1::Body::Id(id) | v1::Body::NatOa(id) => _ = id.addresses(),
            _ => {}
        }
    }
}
