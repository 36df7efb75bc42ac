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

/// Each body by the number that a message says, written again as it was.
///
/// Shows: L2VPN-5.6-1
#[test]
fn bodies_of_isakmp_by_their_numbers() {
    use v1::Body;
    // A proposal of ESP with one transform, as in RFC 2408 §3.5 and §3.6.
    let sa = "00000001000000010000001c010304010000010000000010011400008006008080040001";
    type Is = fn(&Body<'_>) -> bool;
    let bodies: [(u8, &str, Is); 14] = [
        (1, sa, |b| matches!(b, Body::Sa(_))),
        (4, "0102", |b| matches!(b, Body::Ke([1, 2]))),
        (5, "01000000c0000201", |b| matches!(b, Body::Id(id) if id.kind == IdType::IPV4)),
        (6, "0430", |b| matches!(b, Body::Cert(_))),
        (7, "04", |b| matches!(b, Body::CertReq(_))),
        (8, "aa", |b| matches!(b, Body::Hash([0xaa]))),
        (9, "bb", |b| matches!(b, Body::Signature([0xbb]))),
        (10, "cc", |b| matches!(b, Body::Nonce([0xcc]))),
        (
            11,
            "000000010304000e00000100",
            |b| matches!(b, Body::Notify(1, n) if n.kind == NotifyType::NO_PROPOSAL_CHOSEN),
        ),
        (12, "000000010304000100000100", |b| matches!(b, Body::Delete(1, d) if d.spis32().eq([256]))),
        (13, "afca", |b| matches!(b, Body::VendorId([0xaf, 0xca]))),
        (20, "dd", |b| matches!(b, Body::NatD([0xdd]))),
        (21, "01000000c0000201", |b| matches!(b, Body::NatOa(_))),
        (195, "ee", |b| matches!(b, Body::Unknown(PayloadType::VPN_CONTEXT_V1, [0xee]))),
    ];
    for (number, octets, is) in bodies {
        let octets = hex(octets);
        let body = Body::parse(PayloadType(number), &octets).unwrap();
        assert!(is(&body), "{number}: {body:?}");
        let mut out = Vec::new();
        body.emit(&mut out);
        assert_eq!((body.kind(), out), (PayloadType(number), octets));
    }
}

/// Shows: L2VPN-5.6-8
#[test]
fn bodies_of_ikev2_by_their_numbers() {
    use v2::Body;
    type Is = fn(&Body<'_>) -> bool;
    let ts = "010000000700001000 00ffff00000000ffffffff".replace(' ', "");
    let sa = "0000002801030403000001000300000c0100000c800e00800300000802000005000000080300000c";
    let bodies: [(u8, &str, Is); 18] = [
        (33, sa, |b| matches!(b, Body::Sa(_))),
        (34, "001f000001", |b| matches!(b, Body::Ke(ke) if ke.group.0 == 31 && ke.data == [1])),
        (35, "0b00000001", |b| matches!(b, Body::IdI(id) if id.kind == IdType::KEY_ID)),
        (36, "0200000061", |b| matches!(b, Body::IdR(id) if id.kind == IdType::FQDN)),
        (37, "0f30", |b| matches!(b, Body::Cert(_))),
        (38, "04", |b| matches!(b, Body::CertReq(_))),
        (39, "02000000aa", |b| matches!(b, Body::Auth(_))),
        (40, "cc", |b| matches!(b, Body::Nonce([0xcc]))),
        (41, "0000000e", |b| matches!(b, Body::Notify(n) if n.kind == NotifyType::NO_PROPOSAL_CHOSEN)),
        (42, "0304000100000100", |b| matches!(b, Body::Delete(d) if d.spis32().eq([256]))),
        (43, "6e9b", |b| matches!(b, Body::VendorId([0x6e, 0x9b]))),
        (44, &ts, |b| matches!(b, Body::TsI(_))),
        (45, &ts, |b| matches!(b, Body::TsR(_))),
        (46, "dd", |b| matches!(b, Body::Sk([0xdd]))),
        (47, "01000000", |b| matches!(b, Body::Cp(_))),
        (48, "01", |b| matches!(b, Body::Eap([1]))),
        (53, "00010002ee", |b| matches!(b, Body::Skf(f) if (f.number, f.total) == (1, 2))),
        (128, "ff", |b| matches!(b, Body::Unknown(PayloadType(128), [0xff]))),
    ];
    for (number, octets, is) in bodies {
        let octets = hex(octets);
        let body = Body::parse(PayloadType(number), &octets).unwrap_or_else(|m| panic!("{number}: {m:?}"));
        assert!(is(&body), "{number}: {body:?}");
        let mut out = Vec::new();
        body.emit(&mut out);
        assert_eq!((body.kind(), out), (PayloadType(number), octets));
    }
}

/// Shows: L2VPN-5.6-9
#[test]
fn identities_by_their_numbers() {
    use ipsec_vlink::ike::Identity;
    let read = |octets: &str| {
        let octets = hex(octets);
        let v2::Body::IdI(id) = v2::Body::parse(PayloadType::ID_I, &octets).unwrap() else { panic!() };
        (id.kind, Identity { kind: id.kind, data: id.data.to_vec() })
    };
    let address = |text: &str| Identity::address(text.parse().unwrap());
    assert_eq!(read("01000000c0000201").1, address("192.0.2.1"));
    assert_eq!(read("0200000061").1, Identity::fqdn("a"));
    assert_eq!(read("05000000 20010db8000000000000000000000001".replace(' ', "").as_str()).1, address("2001:db8::1"));
    for (octet, kind) in [(3, IdType::RFC822), (9, IdType::DER_DN), (10, IdType::DER_GN), (11, IdType::KEY_ID)] {
        assert_eq!(read(&format!("{octet:02x}00000061")).0, kind);
    }
}

/// Shows: L2VPN-5.6-11, L2VPN-5.6-12
#[test]
fn notifications_by_their_numbers() {
    type N = NotifyType;
    let numbers = [
        (1, N::UNSUPPORTED_CRITICAL_PAYLOAD),
        (4, N::INVALID_IKE_SPI),
        (5, N::INVALID_MAJOR_VERSION),
        (7, N::INVALID_SYNTAX),
        (9, N::INVALID_MESSAGE_ID),
        (11, N::INVALID_SPI),
        (14, N::NO_PROPOSAL_CHOSEN),
        (17, N::INVALID_KE_PAYLOAD),
        (24, N::AUTHENTICATION_FAILED),
        (34, N::SINGLE_PAIR_REQUIRED),
        (35, N::NO_ADDITIONAL_SAS),
        (36, N::INTERNAL_ADDRESS_FAILURE),
        (37, N::FAILED_CP_REQUIRED),
        (38, N::TS_UNACCEPTABLE),
        (39, N::INVALID_SELECTORS),
        (43, N::TEMPORARY_FAILURE),
        (44, N::CHILD_SA_NOT_FOUND),
        (16384, N::INITIAL_CONTACT),
        (16385, N::SET_WINDOW_SIZE),
        (16386, N::ADDITIONAL_TS_POSSIBLE),
        (16388, N::NAT_DETECTION_SOURCE_IP),
        (16389, N::NAT_DETECTION_DESTINATION_IP),
        (16390, N::COOKIE),
        (16391, N::USE_TRANSPORT_MODE),
        (16393, N::REKEY_SA),
        (16394, N::ESP_TFC_PADDING_NOT_SUPPORTED),
        (16395, N::NON_FIRST_FRAGMENTS_ALSO),
        (16396, N::MOBIKE_SUPPORTED),
        (16400, N::UPDATE_SA_ADDRESSES),
        (16430, N::IKEV2_FRAGMENTATION_SUPPORTED),
        (16432, N::CLONE_IKE_SA_SUPPORTED),
        (16433, N::CLONE_IKE_SA),
        (16444, N::SA_RESOURCE_INFO),
        (40969, N::VPN_CONTEXT),
    ];
    for (number, kind) in numbers {
        let octets = hex(&format!("0000{number:04x}"));
        let v2::Body::Notify(n) = v2::Body::parse(PayloadType::NOTIFY, &octets).unwrap() else { panic!() };
        assert_eq!((n.kind, n.kind.is_error()), (kind, number < 16384));
    }
}

/// The notifications of ISAKMP and of IPsec's DOI by their numbers (RFC 2408 §3.14.1, RFC 2407 §4.6.3): 1 to 30 are errors, the
/// named ones are what they are, and private status types survive.
///
/// Shows: L2VPN-5.6-5
#[test]
fn notifications_of_isakmp_by_their_numbers() {
    type N = NotifyType;
    let read = |number: u16| {
        let octets = hex(&format!("000000010300{number:04x}"));
        let v1::Body::Notify(doi, n) = v1::Body::parse(PayloadType::NOTIFY_V1, &octets).unwrap() else { panic!() };
        let (kind, mut out) = (n.kind, Vec::new());
        v1::Body::Notify(doi, n).emit(&mut out);
        assert_eq!(out, octets, "{number}");
        kind
    };
    for number in 1..=30 {
        assert!(read(number).is_error(), "{number}");
    }
    for (number, kind) in [
        (14, N::NO_PROPOSAL_CHOSEN),
        (16, N::PAYLOAD_MALFORMED_V1),
        (18, N::INVALID_ID_INFORMATION_V1),
        (23, N::INVALID_HASH_INFORMATION_V1),
        (24, N::AUTHENTICATION_FAILED),
        (29, N::UNSUPPORTED_EXCHANGE_TYPE_V1),
        (16384, N::CONNECTED_V1),
        (24576, N::RESPONDER_LIFETIME_V1),
        (24577, N::REPLAY_STATUS_V1),
        (24578, N::INITIAL_CONTACT_V1),
        (36136, N::R_U_THERE_V1),
        (36137, N::R_U_THERE_ACK_V1),
    ] {
        assert_eq!((read(number), kind.0), (kind, number));
    }
    for private in [32768, 36000, 40959] {
        assert!(!read(private).is_error(), "{private}");
    }
}
