//! Recorded IKE messages of both versions, octet for octet (`golden/ORIGIN.md` says whose).

use std::collections::BTreeMap;

use ipsec_vlink::ike::header::{ExchangeType, Header};
use ipsec_vlink::ike::payload::{Attribute, IdType, Notify, NotifyType, PayloadType, Payloads, v1, v2};
use ipsec_vlink::ike::{TrafficSelector, major_version};

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

fn recordings(text: &'static str) -> impl Iterator<Item = (&'static str, Vec<u8>)> {
    text.lines().map(|line| line.split_once(' ').unwrap()).map(|(name, octets)| (name, hex(octets)))
}

const V1: &str = include_str!("golden/ikev1.txt");
const V2: &str = include_str!("golden/ikev2.txt");

/// Writes what was read of a message: header, generic headers, bodies.
fn rewritten(octets: &[u8]) -> Option<Vec<u8>> {
    let (header, payloads) = Payloads::of(octets).ok()?;
    let mut out = Vec::new();
    header.emit(&mut out);
    for payload in payloads {
        let payload = payload.ok()?;
        let at = out.len();
        out.extend_from_slice(&[payload.next.0, payload.flags, 0, 0]);
        if header.major() == 2 {
            let body = v2::Body::of(&payload).ok()?;
            assert_eq!(body.kind(), payload.kind);
            assert_eq!(body.wire_len(), payload.body.len());
            body.emit(&mut out);
        } else {
            let body = v1::Body::of(&payload).ok()?;
            assert_eq!((body.kind(), body.wire_len()), (payload.kind, payload.body.len()));
            body.emit(&mut out);
        }
        let len = u16::try_from(out.len() - at).unwrap().to_be_bytes();
        out[at + 2..at + 4].copy_from_slice(&len);
    }
    Some(out)
}

/// Shows: L2VPN-5.6-7
#[test]
fn recordings_of_ikev2_round_trip_octet_for_octet() {
    let (mut exchanges, mut kinds) = (BTreeMap::new(), BTreeMap::new());
    for (name, octets) in recordings(V2) {
        assert_eq!(major_version(&octets), Some(2), "{name}");
        assert_eq!(rewritten(&octets).as_deref(), Some(&octets[..]), "{name}");
        let (header, payloads) = Payloads::of(&octets).unwrap();
        *exchanges.entry(header.exchange).or_insert(0) += 1;
        payloads.for_each(|p| *kinds.entry(p.unwrap().kind).or_insert(0) += 1);
    }
    let all = [ExchangeType::IKE_SA_INIT, ExchangeType::IKE_AUTH, ExchangeType::INFORMATIONAL];
    assert!(all.iter().all(|e| exchanges.contains_key(e)), "{exchanges:?}");
    let all = [PayloadType::SA, PayloadType::KE, PayloadType::NONCE, PayloadType::NOTIFY, PayloadType::SK];
    assert!(all.iter().all(|k| kinds.contains_key(k)), "{kinds:?}");
}

/// Phase 1 in the clear; what is encrypted is octets.
#[test]
fn recordings_of_ikev1_round_trip_octet_for_octet() {
    let mut kinds = BTreeMap::new();
    for (name, octets) in recordings(V1) {
        let header = Header::parse(&octets[..Header::LEN]).unwrap();
        assert_eq!((header.major(), header.length as usize), (1, octets.len()), "{name}");
        if header.flags.bits() & 1 != 0 {
            continue;
        }
        assert_eq!(rewritten(&octets).as_deref(), Some(&octets[..]), "{name}");
        let (_, payloads) = Payloads::of(&octets).unwrap();
        payloads.for_each(|p| *kinds.entry(p.unwrap().kind).or_insert(0) += 1);
    }
    let all = [
        PayloadType::SA_V1,
        PayloadType::KE_V1,
        PayloadType::ID_V1,
        PayloadType::HASH,
        PayloadType::NONCE_V1,
        PayloadType::VENDOR_ID_V1,
        PayloadType::NAT_D,
    ];
    assert!(all.iter().all(|k| kinds.contains_key(k)), "{kinds:?}");
}

/// What the first messages of two implementations offer.
#[test]
fn recorded_offers_are_understood() {
    let of = |text, wanted: &str| recordings(text).find(|(name, _)| *name == wanted).unwrap().1;
    let octets = of(V2, "init-request");
    let (_, mut payloads) = Payloads::of(&octets).unwrap();
    let v2::Body::Sa(sa) = v2::Body::of(&payloads.next().unwrap().unwrap()).unwrap() else { panic!("SA first") };
    let transforms: Vec<_> =
        sa.proposals().flat_map(|p| p.transforms).map(|t| (t.kind.0, t.id, t.key_bits())).collect();
    let wanted = [(1, 12, Some(256)), (3, 12, Some(0)), (2, 5, Some(0)), (4, 14, Some(0))];
    assert_eq!(transforms, wanted);
    let octets = of(V1, "main-0");
    let (_, mut payloads) = Payloads::of(&octets).unwrap();
    let v1::Body::Sa(sa) = v1::Body::of(&payloads.next().unwrap().unwrap()).unwrap() else { panic!("SA first") };
    assert_eq!((sa.doi, sa.situation), (v1::DOI_IPSEC, v1::SITUATION_IDENTITY_ONLY));
    let attributes: Vec<_> = sa.proposals().flat_map(|p| p.transforms).flat_map(|t| t.attributes).collect();
    assert!(attributes.contains(&Attribute::Short(1, 7)) && attributes.contains(&Attribute::Short(14, 256)));
}

/// Every truncation and every change of one octet is read, or refused at an offset inside; whatever is read is written again.
#[test]
fn changed_recordings_are_read_or_refused() {
    for (name, octets) in recordings(V2).chain(recordings(V1)) {
        for len in 0..octets.len() {
            assert!(Payloads::of(&octets[..len]).is_err(), "{name} {len}");
        }
        for at in 0..octets.len() {
            let mut changed = octets.clone();
            changed[at] ^= 0x81;
            if let Ok((_, payloads)) = Payloads::of(&changed) {
                for payload in payloads {
                    match payload {
                        Ok(p) => {
                            let malformed = v2::Body::of(&p).err().or_else(|| v1::Body::of(&p).err());
                            assert!(malformed.is_none_or(|m| m.offset <= p.body.len()), "{name} {at}");
                        }
                        Err(m) => assert!(m.offset <= changed.len(), "{name} {at}"),
                    }
                }
            }
        }
    }
}

/// The bodies of RFC 7296's figures: §3.10 (USE_TRANSPORT_MODE), §3.13 (a range of IPv4), §3.5.
///
/// Shows: L2VPN-5.6-10
#[test]
fn bodies_from_the_figures() {
    let notify = hex("00004007");
    let v2::Body::Notify(n) = v2::Body::parse(PayloadType::NOTIFY, &notify).unwrap() else { panic!() };
    assert_eq!(n, Notify::new(NotifyType::USE_TRANSPORT_MODE, &[]));
    let ts = hex("02000000070000100000ffff00000000ffffffff0a00000876706e31");
    let v2::Body::TsI(selectors) = v2::Body::parse(PayloadType::TS_I, &ts).unwrap() else { panic!() };
    assert_eq!(selectors.ranges().collect::<Vec<_>>(), [TrafficSelector::ANY_V4]);
    assert_eq!(selectors.label(), Some(&b"vpn1"[..]));
    let ts6 = hex(&format!("01000000 08110028 06a506a5 {} {}", "0".repeat(32), "f".repeat(32)).replace(' ', ""));
    let v2::Body::TsR(selectors) = v2::Body::parse(PayloadType::TS_R, &ts6).unwrap() else { panic!() };
    let ts = selectors.ranges().next().unwrap();
    assert_eq!((ts.protocol(), ts.ports(), ts.is_ipv4()), (17, (1701, 1701), false));
    let id = hex("040000000a000000ffff0000");
    let v1::Body::Id(id) = v1::Body::parse(PayloadType::ID_V1, &id).unwrap() else { panic!() };
    let range = ("10.0.0.0".parse().unwrap(), "10.0.255.255".parse().unwrap());
    assert_eq!((id.kind, id.addresses()), (IdType::IPV4_SUBNET, Some(range)));
}
