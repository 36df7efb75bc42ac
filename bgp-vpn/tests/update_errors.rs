//! RFC 7606, one case per attribute and kind of fault: the action, and that nothing else is lost.

use bgp_vpn::attr::{AttrFlags, AttrType};
use bgp_vpn::message::{FaultAction, RULES, Update};
use bgp_vpn::nlri::{Family, UnicastNlri};
use bgp_vpn::session::{Negotiated, PeerKind};
use fwd_core::net::Ipv4Prefix;

use FaultAction::{AttributeDiscard, DisableFamily, SessionReset, TreatAsWithdraw};
use PeerKind::{External, Internal};

fn session(kind: PeerKind) -> Negotiated {
    Negotiated { four_octet_as: true, ..Negotiated::baseline(kind) }
}

fn attribute(flags: u8, code: u8, value: &[u8]) -> Vec<u8> {
    let mut out = vec![flags, code, u8::try_from(value.len()).unwrap()];
    out.extend(value);
    out
}

/// What every announcement has: ORIGIN, AS_PATH, NEXT_HOP, LOCAL_PREF.
fn base(kind: PeerKind) -> Vec<(u8, Vec<u8>)> {
    let mut all = vec![
        (1, attribute(0x40, 1, &[0])),
        (2, attribute(0x40, 2, &[2, 1, 0, 0, 0xfd, 0xe9])),
        (3, attribute(0x40, 3, &[192, 0, 2, 1])),
    ];
    if kind == Internal {
        all.push((5, attribute(0x40, 5, &[0, 0, 0, 100])));
    }
    all
}

fn body(attributes: &[Vec<u8>], nlri: &[u8]) -> Vec<u8> {
    let attributes = attributes.concat();
    let mut out = vec![0, 0];
    out.extend(u16::try_from(attributes.len()).unwrap().to_be_bytes());
    out.extend(attributes);
    out.extend(nlri);
    out
}

/// An announcement of 10.0.0.0/8 in which `attribute` takes the place of the sound one of its type.
fn announce(kind: PeerKind, code: u8, attribute: Vec<u8>) -> Vec<u8> {
    let mut all: Vec<Vec<u8>> = base(kind).into_iter().filter(|(c, _)| *c != code).map(|(_, a)| a).collect();
    all.push(attribute);
    body(&all, &[8, 10])
}

/// The one fault of an announcement that stays readable, and that the attribute is not handed out.
fn fault(kind: PeerKind, code: u8, octets: Vec<u8>) -> Option<FaultAction> {
    let (negotiated, body) = (session(kind), announce(kind, code, octets));
    let update = Update::parse(&body, &negotiated).unwrap();
    let routes: Vec<_> = update.nlri().map(Result::unwrap).collect();
    assert_eq!(routes, [UnicastNlri { path_id: None, prefix: "10.0.0.0/8".parse::<Ipv4Prefix>().unwrap() }]);
    if let [fault] = update.faults() {
        assert_eq!((fault.attr_type, Some(fault.action)), (AttrType(code), update.action()));
        assert_eq!(update.attributes().value(AttrType(code)), None, "{code}");
    } else {
        assert!(update.faults().is_empty(), "{:?}", update.faults());
    }
    update.action()
}

/// A sound value of every attribute in the table but the two with NLRI.
fn sound(code: u8) -> Vec<u8> {
    match code {
        1 => vec![0],
        2 => vec![2, 1, 0, 0, 0xfd, 0xe9],
        3..=5 | 8..=10 => vec![192, 0, 2, 1],
        6 => vec![],
        7 | 16 | 18 => vec![0, 2, 0xfd, 0xe8, 0, 0, 0, 1],
        17 => vec![2, 1, 0, 1, 0, 0],
        22 => vec![0, 0, 0, 0, 0],
        23 => vec![0, 2, 0, 0],
        25 => vec![0; 20],
        27 => vec![192, 0, 2, 1, 0, 0, 1],
        32 => vec![0; 12],
        38 => vec![1, 0, 0, 0, 7, 1, 4, 192, 0, 2, 1],
        40 => vec![1, 0, 7, 0, 0, 0, 0, 0, 0, 7],
        128 => [&[0, 0, 0xfd, 0xe9][..], &attribute(0x40, 1, &[0])].concat(),
        other => panic!("no value of attribute {other}"),
    }
}

fn codes() -> impl Iterator<Item = (u8, AttrFlags)> {
    RULES.iter().map(|rule| (rule.attr_type.0, rule.flags)).filter(|(code, _)| !matches!(code, 14 | 15))
}

/// Shows: L3VPN-8.1-13, L3VPN-8.2-1, L3VPN-8.2-2, L3VPN-8.2-4, L3VPN-8.2-6, L3VPN-8.2-7, L3VPN-8.2-10
#[test]
fn sound_attributes_have_no_fault_where_they_mean_something() {
    for (code, flags) in codes() {
        // AS4_PATH and AS4_AGGREGATOR do not belong on a session with 4-octet AS numbers (RFC 6793 §6).
        let want = matches!(code, 17 | 18).then_some(AttributeDiscard);
        assert_eq!(fault(Internal, code, attribute(flags.bits(), code, &sound(code))), want, "{code}");
        // LOCAL_PREF, ORIGINATOR_ID, CLUSTER_LIST, BGP Prefix-SID of an external peer are dropped (RFC 7606 §7.5, §7.9, §7.10;
        // RFC 8669 §4).
        let want = matches!(code, 5 | 9 | 10 | 17 | 18 | 40).then_some(AttributeDiscard);
        assert_eq!(fault(External, code, attribute(flags.bits(), code, &sound(code))), want, "{code}");
    }
}

/// RFC 7606 §3 c: the Optional or Transitive bit is wrong. The Partial bit and the unused ones are not looked at.
///
/// Shows: L3VPN-8.1-13
#[test]
fn flags() {
    for (code, flags) in codes().filter(|(code, _)| !matches!(code, 17 | 18)) {
        for wrong in [0x80, 0x40, 0xc0] {
            let octets = attribute(flags.bits() ^ wrong, code, &sound(code));
            assert_eq!(fault(Internal, code, octets), Some(TreatAsWithdraw), "{code} {wrong:#x}");
        }
        assert_eq!(fault(Internal, code, attribute(flags.bits() | 0x2f, code, &sound(code))), None, "{code}");
    }
}

/// RFC 7606 §7 and the RFCs of later attributes: wrong lengths.
///
/// Shows: L3VPN-8.1-13, L3VPN-8.2-1, L3VPN-8.2-2, L3VPN-8.2-4, L3VPN-8.2-6, L3VPN-8.2-10, L3VPN-8.2-12
#[test]
fn lengths() {
    let cases: &[(u8, &[usize], FaultAction)] = &[
        (1, &[0, 2], TreatAsWithdraw),
        (2, &[1], TreatAsWithdraw),
        (3, &[0, 3, 5, 16], TreatAsWithdraw),
        (4, &[0, 3, 5], TreatAsWithdraw),
        (5, &[0, 3, 5], TreatAsWithdraw),
        (6, &[1, 4], AttributeDiscard),
        (7, &[0, 6, 7, 9], AttributeDiscard),
        (8, &[0, 3, 5], TreatAsWithdraw),
        (9, &[0, 3, 5], TreatAsWithdraw),
        (10, &[0, 3, 5], TreatAsWithdraw),
        (16, &[0, 7, 9], TreatAsWithdraw),
        (22, &[0, 4], TreatAsWithdraw),
        (23, &[0, 3], TreatAsWithdraw),
        (25, &[0, 8, 19, 21], TreatAsWithdraw),
        (27, &[0, 6, 8, 20], TreatAsWithdraw),
        (32, &[0, 8, 11, 13], TreatAsWithdraw),
        (38, &[0, 10], AttributeDiscard),
        (40, &[0, 2], AttributeDiscard),
        (128, &[0, 3], TreatAsWithdraw),
    ];
    for (code, lengths, action) in cases {
        let flags = RULES.iter().find(|rule| rule.attr_type.0 == *code).unwrap().flags.bits();
        for len in *lengths {
            let octets = attribute(flags, *code, &vec![0; *len]);
            assert_eq!(fault(Internal, *code, octets), Some(*action), "{code}, {len} octets");
        }
    }
}

/// Values that their RFC does not allow.
///
/// Shows: L3VPN-8.1-13, L3VPN-8.2-1
#[test]
fn values() {
    let cases: &[(u8, u8, &[u8], FaultAction)] = &[
        // RFC 7606 §7.1: undefined.
        (0x40, 1, &[3], TreatAsWithdraw),
        // RFC 7606 §7.2: unknown segment, empty segment, overrun, one octet left.
        (0x40, 2, &[5, 1, 0, 0, 0, 1], TreatAsWithdraw),
        (0x40, 2, &[2, 0], TreatAsWithdraw),
        (0x40, 2, &[2, 2, 0, 0, 0, 1], TreatAsWithdraw),
        (0x40, 2, &[2, 1, 0, 0, 0, 1, 2], TreatAsWithdraw),
        // RFC 4271 §6.3, RFC 7606 §3 e: no host has these.
        (0x40, 3, &[0, 0, 0, 0], TreatAsWithdraw),
        (0x40, 3, &[127, 0, 0, 1], TreatAsWithdraw),
        (0x40, 3, &[224, 0, 0, 1], TreatAsWithdraw),
        (0x40, 3, &[255, 255, 255, 255], TreatAsWithdraw),
        // RFC 9012 §13: a TLV that ends beyond the attribute.
        (0xc0, 23, &[0, 2, 0, 5, 1, 1, 1], TreatAsWithdraw),
        // RFC 9026 §3.1.6: an optional TLV that ends beyond the attribute.
        (0xc0, 38, &[1, 0, 0, 0, 7, 1, 5, 192, 0, 2, 1], AttributeDiscard),
        // RFC 8669 §6: likewise.
        (0xc0, 40, &[1, 0, 8, 0, 0, 0, 0, 0, 0, 7], AttributeDiscard),
        // RFC 6368 §5: MP_REACH_NLRI inside; a malformed ORIGIN inside; half an attribute inside.
        (0xc0, 128, &[0, 0, 0, 1, 0x80, 14, 5, 0, 1, 1, 0, 0], TreatAsWithdraw),
        (0xc0, 128, &[0, 0, 0, 1, 0x40, 1, 1, 9], TreatAsWithdraw),
        (0xc0, 128, &[0, 0, 0, 1, 0x40, 1], TreatAsWithdraw),
    ];
    for (flags, code, value, action) in cases {
        let (negotiated, body) = (session(Internal), announce(Internal, *code, attribute(*flags, *code, value)));
        let update = Update::parse(&body, &negotiated).unwrap();
        assert_eq!(update.action(), Some(*action), "{code} {value:?}");
        assert_eq!((update.faults().len(), update.faults()[0].attr_type.0), (1, *code), "{value:?}");
    }
    // RFC 5065 §5: confederation segments of a peer outside.
    for (kind, want) in [(External, Some(TreatAsWithdraw)), (Internal, None)] {
        let path = attribute(0x40, 2, &[3, 1, 0, 0, 0, 1, 2, 1, 0, 0, 0, 2]);
        assert_eq!(fault(kind, 2, path), want);
    }
}

/// RFC 6793 §6, on a session with 2-octet AS numbers: malformed attributes are discarded, AGGREGATOR has six octets.
///
/// Shows: L3VPN-8.2-7
#[test]
fn two_octet_as_sessions() {
    let negotiated = Negotiated::baseline(External);
    let cases: [(Vec<u8>, Option<FaultAction>); 7] = [
        (attribute(0xc0, 17, &[2, 1, 0, 1, 0, 0]), None),
        (attribute(0xc0, 17, &[2, 1, 0, 1, 0]), Some(AttributeDiscard)),
        (attribute(0xc0, 17, &[2, 2, 0, 1, 0, 0]), Some(AttributeDiscard)),
        (attribute(0xc0, 18, &[0, 1, 0, 0, 192, 0, 2, 1]), None),
        (attribute(0xc0, 18, &[0, 1, 192, 0, 2, 1]), Some(AttributeDiscard)),
        (attribute(0xc0, 7, &[0, 1, 192, 0, 2, 1]), None),
        (attribute(0xc0, 7, &[0, 1, 0, 0, 192, 0, 2, 1]), Some(AttributeDiscard)),
    ];
    for (octets, want) in cases {
        let base = [
            attribute(0x40, 1, &[0]),
            attribute(0x40, 2, &[2, 1, 0xfd, 0xe9]),
            attribute(0x40, 3, &[192, 0, 2, 1]),
            octets.clone(),
        ];
        let body = body(&base, &[8, 10]);
        let update = Update::parse(&body, &negotiated).unwrap();
        assert_eq!(update.action(), want, "{octets:?}");
        let path = update.attributes().merged_as_path().unwrap();
        let want = if octets[1] == 17 && want.is_none() { "65536" } else { "65001" };
        assert_eq!(path.as_path().to_string(), want);
    }
}

/// RFC 7606 §3 d, RFC 4760 §3.
///
/// Shows: L3VPN-8.1-13
#[test]
fn missing_well_known_attributes() {
    for kind in [Internal, External] {
        let all = base(kind);
        for (missing, _) in &all {
            let rest: Vec<_> = all.iter().filter(|(code, _)| code != missing).map(|(_, a)| a.clone()).collect();
            let body = body(&rest, &[8, 10]);
            let negotiated = session(kind);
            let update = Update::parse(&body, &negotiated).unwrap();
            assert_eq!(update.action(), Some(TreatAsWithdraw));
            assert_eq!(update.faults()[0].attr_type.0, *missing);
            let notification = update.faults()[0].notification();
            assert_eq!((notification.subcode, notification.data.as_slice()), (3, &[*missing][..]));
        }
    }
    // Routes of MP_REACH_NLRI need no NEXT_HOP, and its value does not matter (RFC 4760 §3).
    let mp = attribute(0x80, 14, &[0, 1, 1, 4, 192, 0, 2, 1, 0, 8, 10]);
    let rest = [attribute(0x40, 1, &[0]), attribute(0x40, 2, &[]), attribute(0x40, 3, &[0, 0, 0, 0]), mp];
    let (body, negotiated) = (body(&rest, &[]), session(External));
    assert_eq!(Update::parse(&body, &negotiated).unwrap().action(), None);
}

/// RFC 7606 §3 g.
///
/// Shows: L3VPN-8.1-13
#[test]
fn repeated_attributes() {
    let mp_reach = attribute(0x80, 14, &[0, 1, 1, 4, 192, 0, 2, 1, 0, 8, 10]);
    let mp_unreach = attribute(0x80, 15, &[0, 1, 1, 8, 10]);
    let unknown = attribute(0xc0, 99, &[1, 2, 3]);
    for (octets, want) in [(mp_reach, SessionReset), (mp_unreach, SessionReset), (unknown, AttributeDiscard)] {
        let mut all: Vec<_> = base(External).into_iter().map(|(_, a)| a).collect();
        all.extend([octets.clone(), octets]);
        let (body, negotiated) = (body(&all, &[8, 10]), session(External));
        let update = Update::parse(&body, &negotiated).unwrap();
        assert_eq!((update.action(), update.faults().len()), (Some(want), 1));
        assert_eq!(update.notification().map(|n| n.subcode), (want == SessionReset).then_some(1));
    }
    // The first one counts, of known attributes and unknown ones.
    let mut all: Vec<_> = base(External).into_iter().map(|(_, a)| a).collect();
    all.extend([attribute(0x80, 4, &[0, 0, 0, 7]), attribute(0x80, 4, &[0, 0, 0, 9]), attribute(0xc0, 99, &[1])]);
    all.push(attribute(0xc0, 99, &[2]));
    let (body, negotiated) = (body(&all, &[8, 10]), session(External));
    let update = Update::parse(&body, &negotiated).unwrap();
    assert_eq!(update.attributes().med(), Some(7));
    let kept: Vec<_> = update.attributes().unknown_transitive().collect();
    assert_eq!((kept.len(), kept[0].value), (1, &[1][..]));
    assert!(kept[0].flags.contains(AttrFlags::PARTIAL), "RFC 4271 §5");
    assert_eq!(update.attributes().iter().count(), 5);
}

/// RFC 4271 §6.3: an unknown attribute that claims to be well-known. RFC 4271 §5: an unknown optional non-transitive one ends here.
#[test]
fn unknown_attributes() {
    assert_eq!(fault(External, 99, attribute(0x40, 99, &[1])), Some(SessionReset));
    let body = announce(External, 99, attribute(0x40, 99, &[1]));
    let notification = Update::parse(&body, &session(External)).unwrap().notification().unwrap();
    assert_eq!((notification.subcode, notification.data.as_slice()), (2, &[0x40, 99, 1, 1][..]));
    let body = announce(External, 99, attribute(0x80, 99, &[1]));
    let negotiated = session(External);
    let update = Update::parse(&body, &negotiated).unwrap();
    assert_eq!((update.action(), update.attributes().unknown_transitive().count()), (None, 0));
}

/// RFC 7606 §4: an attribute ends beyond the field; a part of a header is left. The NLRI field is found all the same.
///
/// Shows: L3VPN-8.1-13
#[test]
fn attributes_that_overrun() {
    for tail in [&[0xc0, 99, 5, 1][..], &[0xc0], &[0xc0, 99], &[0xd0, 99, 0]] {
        let mut all: Vec<_> = base(External).into_iter().map(|(_, a)| a).collect();
        all.push(tail.to_vec());
        let (body, negotiated) = (body(&all, &[8, 10]), session(External));
        let update = Update::parse(&body, &negotiated).unwrap();
        assert_eq!((update.action(), update.nlri().count()), (Some(TreatAsWithdraw), 1), "{tail:?}");
    }
}

/// RFC 7606 §3 b: the fields cannot be told apart.
#[test]
fn lengths_beyond_the_message() {
    for body in [&[][..], &[0], &[0, 1], &[0, 1, 0, 0], &[0, 0, 0, 1], &[0, 2, 8, 10, 0], &[0, 0, 0, 5, 0x40, 1, 1, 0]]
    {
        let error = Update::parse(body, &session(External)).unwrap_err();
        assert_eq!((error.notification.code.0, error.notification.subcode), (3, 1), "{body:?}");
    }
}

/// RFC 7606 §5.2: attributes with a fault and no routes.
///
/// Shows: L3VPN-8.1-13
#[test]
fn faults_without_reachable_nlri_reset_the_session() {
    let bad = attribute(0x40, 1, &[9]);
    let empty_mp_reach = attribute(0x80, 14, &[0, 1, 128, 12, 0, 0, 0, 0, 0, 0, 0, 0, 192, 0, 2, 1, 0]);
    let mp_unreach = attribute(0x80, 15, &[0, 1, 128]);
    let discarded = attribute(0x40, 6, &[1]);
    for (all, want, subcode) in [
        (vec![bad.clone()], Some(SessionReset), Some(6)),
        (vec![bad.clone(), mp_unreach.clone()], Some(SessionReset), Some(6)),
        (vec![bad.clone(), empty_mp_reach.clone()], Some(SessionReset), Some(6)),
        (vec![mp_unreach.clone(), vec![0xc0]], Some(SessionReset), Some(1)),
        (vec![discarded, mp_unreach.clone()], Some(AttributeDiscard), None),
        (vec![attribute(0x80, 15, &[0, 1])], Some(SessionReset), Some(9)),
        (vec![attribute(0xc0, 15, &[0, 1, 128])], Some(DisableFamily), None),
        (vec![mp_unreach], None, None),
    ] {
        let (body, negotiated) = (body(&all, &[]), session(External));
        let update = Update::parse(&body, &negotiated).unwrap();
        assert_eq!(update.action(), want, "{all:?}");
        assert_eq!(update.notification().map(|n| n.subcode), subcode, "{all:?}");
    }
}

/// RFC 7606 §5.3, §7.11: what makes MP_REACH_NLRI and MP_UNREACH_NLRI incorrect disables their family, and only theirs.
///
/// Shows: L3VPN-8.1-13, L3VPN-8.2-5
#[test]
fn attributes_with_nlri() {
    let vpn4 = |len: u8, next_hop: &[u8]| {
        [&[0, 1, 128, len][..], next_hop, &[0, 88, 0, 1, 1, 0, 0, 0, 1, 0, 0, 0, 1]].concat()
    };
    let next_hop = [0, 0, 0, 0, 0, 0, 0, 0, 192, 0, 2, 1];
    let cases = [
        (attribute(0x80, 14, &vpn4(12, &next_hop)), None),
        (attribute(0xc0, 14, &vpn4(12, &next_hop)), Some(DisableFamily)),
        (attribute(0x80, 14, &vpn4(4, &next_hop[8..])), Some(DisableFamily)),
        (attribute(0x80, 14, &vpn4(24, &[0; 24])), Some(DisableFamily)),
        (attribute(0x80, 14, &vpn4(200, &next_hop)), Some(DisableFamily)),
        (attribute(0x80, 14, &[0, 1, 128, 0]), Some(DisableFamily)),
        (attribute(0x80, 14, &[0, 1]), Some(SessionReset)),
        (attribute(0x40, 15, &[0, 1, 128]), Some(DisableFamily)),
        (attribute(0x80, 15, &[0, 1]), Some(SessionReset)),
    ];
    for (octets, want) in cases {
        let code = octets[1];
        assert_eq!(fault(External, code, octets.clone()), want, "{octets:?}");
        let body = announce(External, code, octets);
        let negotiated = session(External);
        let disabled: Vec<_> = Update::parse(&body, &negotiated).unwrap().disabled_families().collect();
        assert_eq!(disabled, if want == Some(DisableFamily) { vec![Family::VPN_IPV4] } else { vec![] });
    }
}

/// RFC 7606 §5.3: NLRI fields.
///
/// Shows: L3VPN-8.1-13
#[test]
fn malformed_nlri() {
    let all: Vec<_> = base(External).into_iter().map(|(_, a)| a).collect();
    let negotiated = session(External);
    for field in [&[33, 10, 0, 0, 0, 0][..], &[8, 10, 16, 10], &[24]] {
        let body = body(&all, field);
        let update = Update::parse(&body, &negotiated).unwrap();
        let fault = update.check_nlri().unwrap_err();
        assert_eq!((fault.action, fault.notification().subcode), (SessionReset, 10), "{field:?}");
    }
    let mut withdrawn = vec![0, 2, 33, 10];
    withdrawn.extend([0, 0]);
    assert_eq!(Update::parse(&withdrawn, &negotiated).unwrap().check_nlri().unwrap_err().action, SessionReset);
    for (family, field) in [([0, 1, 128], &[87u8, 0, 1, 1][..]), ([0, 2, 128], &[217; 29]), ([0, 2, 1], &[129; 18])] {
        let unreach = attribute(0x80, 15, &[&family[..], field].concat());
        let body = body(&[unreach], &[]);
        let fault = Update::parse(&body, &negotiated).unwrap().check_nlri().unwrap_err();
        assert_eq!((fault.action, fault.notification().subcode), (DisableFamily, 9), "{family:?}");
    }
}

/// RFC 7606 §3 h: the strongest action, and a message full of faults costs bounded memory.
#[test]
fn many_faults() {
    let mut all: Vec<_> = base(External).into_iter().map(|(_, a)| a).collect();
    all.extend(vec![attribute(0x80, 4, &[]); 1000]);
    all.push(attribute(0x80, 14, &[0, 1, 128, 3]));
    let (body, negotiated) = (body(&all, &[8, 10]), session(External));
    let update = Update::parse(&body, &negotiated).unwrap();
    assert_eq!((update.action(), update.faults().len()), (Some(DisableFamily), 16));
    assert_eq!(update.disabled_families().collect::<Vec<_>>(), [Family::VPN_IPV4]);
}
