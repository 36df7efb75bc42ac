//! Recorded OPEN, NOTIFICATION, KEEPALIVE and ROUTE-REFRESH messages, octet for octet; `golden/session/ORIGIN.md` says whose.

use bgp_vpn::message::capability::{
    AddPath, Capability, CapabilityCode, Entries, GracefulRestart, LongLived, OtherCapability, RestartFamilyFlags,
    RestartFlags, SendReceive,
};
use bgp_vpn::message::{ErrorCode, Header, Message, Open, frame_len};
use bgp_vpn::nlri::{Afi, Family, Safi};
use bgp_vpn::session::{Negotiated, PeerConfig, PeerKind};

const MESSAGES: &str = include_str!("golden/session/messages.txt");

/// Made to be malformed, by tcpdump's fuzzers.
const MALFORMED: [&str; 1] = ["tcpdump__bgp-bgp_capabilities_print-oobr-1/open_1"];

/// Valid, but written otherwise by us: the extended format for parameters of less than 256 octets.
const NOT_CANONICAL: [&str; 1] = ["tcpdump__bgp-extended-optional-parameters-length/open_1"];

fn messages() -> impl Iterator<Item = (&'static str, Vec<u8>)> {
    MESSAGES.lines().map(|line| {
        let (name, hex) = line.split_once(' ').expect("name and octets");
        let octet = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).expect("hexadecimal digits");
        (name, (0..hex.len()).step_by(2).map(octet).collect())
    })
}

fn message(name: &str) -> Vec<u8> {
    messages().find(|(n, _)| *n == name).unwrap_or_else(|| panic!("no {name}")).1
}

fn emit(message: &Message<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    message.emit(&mut out);
    assert_eq!(out.len(), message.wire_len());
    out
}

fn open(name: &str) -> Open {
    match Message::parse(&message(name)) {
        Ok(Message::Open(open)) => open,
        other => panic!("{name}: {other:?}"),
    }
}

/// Shows: L3VPN-8.1-1, L3VPN-8.1-3, L3VPN-8.1-4
#[test]
fn recordings_round_trip_octet_for_octet() {
    let mut kinds = [0; 6];
    for (name, octets) in messages() {
        assert_eq!(frame_len(&octets, Header::MAX_MESSAGE_LEN), Ok(Some(octets.len())), "{name}");
        let parsed = Message::parse(&octets);
        if MALFORMED.contains(&name) {
            assert!(parsed.is_err(), "{name}");
            continue;
        }
        let parsed = parsed.unwrap_or_else(|fault| panic!("{name}: {fault}"));
        kinds[usize::from(parsed.message_type().0)] += 1;
        let again = emit(&parsed);
        if NOT_CANONICAL.contains(&name) {
            assert_eq!(Message::parse(&again), Ok(parsed), "{name}");
        } else {
            assert_eq!(again, octets, "{name}");
        }
    }
    let [_, opens, _, notifications, keepalives, refreshes] = kinds;
    assert!(opens > 80 && notifications >= 7 && keepalives == 1 && refreshes >= 4, "{kinds:?}");
}

/// Every truncation, and every octet set to every other value: no panic, and what parses can be written and read again.
#[test]
fn mutations_never_panic_and_stay_consistent() {
    for (name, octets) in messages() {
        for len in Header::LEN..octets.len() {
            let mut cut = octets[..len].to_vec();
            cut[16..18].copy_from_slice(&u16::try_from(len).unwrap().to_be_bytes());
            consistent(name, &cut);
            assert!(Message::parse(&octets[..len]).is_err(), "{name}: {len} octets");
        }
        let mut mutated = octets.clone();
        for at in 0..octets.len() {
            for value in 0..=u8::MAX {
                mutated[at] = value;
                consistent(name, &mutated);
            }
            mutated[at] = octets[at];
        }
    }
}

fn consistent(name: &str, octets: &[u8]) {
    let _ = frame_len(octets, Header::MAX_MESSAGE_LEN);
    if let Ok(parsed) = Message::parse(octets) {
        let again = emit(&parsed);
        assert!(again.len() <= octets.len(), "{name}: grew");
        assert_eq!(Message::parse(&again), Ok(parsed), "{name}: {octets:02x?}");
    }
}

const FRR: &str = "frr8-gobgp3__vpnv4-vpnv6-evpn/open_1";
const GOBGP: &str = "freertr-gobgp3__vpnv4-rtc/open_1";

/// Shows: L3VPN-8.1-5, L3VPN-8.1-6, L3VPN-8.1-10, L3VPN-8.1-11, L3VPN-8.1-12
#[test]
fn capabilities_of_frr() {
    let open = open(FRR);
    assert_eq!((open.asn(), open.hold_time, open.identifier), (65001, 15, [203, 0, 113, 1].into()));
    let evpn = Family::new(Afi::L2VPN, Safi::EVPN);
    let families = [Family::VPN_IPV4, Family::VPN_IPV6, evpn];
    let receives = families.map(|family| AddPath { family, mode: SendReceive::RECEIVE });
    let restart = RestartFlags::RESTARTED | RestartFlags::NOTIFICATION;
    let other = |code, value: &[u8]| Capability::Other(OtherCapability::new(code, value).unwrap());
    let long_lived = families.map(|f| LongLived::new(f, RestartFamilyFlags::FORWARDING, 0).unwrap());
    let expected = [
        Capability::Multiprotocol(Family::VPN_IPV4),
        Capability::Multiprotocol(Family::VPN_IPV6),
        Capability::Multiprotocol(evpn),
        Capability::RouteRefreshPreStandard,
        Capability::RouteRefresh,
        Capability::EnhancedRouteRefresh,
        Capability::FourOctetAs(65001),
        Capability::ExtendedMessage,
        Capability::AddPath(Entries::new(&receives).unwrap()),
        other(CapabilityCode::FQDN, b"\x05frr-a\x00"),
        Capability::GracefulRestart(GracefulRestart::new(restart, 120, Entries::new(&[]).unwrap()).unwrap()),
        Capability::LongLivedGracefulRestart(Entries::new(&long_lived).unwrap()),
    ];
    assert_eq!(open.capabilities().cloned().collect::<Vec<_>>(), expected);
}

/// Shows: L3VPN-8.1-8
#[test]
fn frr_and_gobgp_agree_as_they_did() {
    let (frr, gobgp) = (open(FRR), open(GOBGP));
    let address = |n| std::net::IpAddr::from([203, 0, 113, n]);
    let config = PeerConfig::new(address(2), address(1), 65001, &[]);
    let agreed = Negotiated::from_opens(&frr, &gobgp, &config).unwrap();
    assert_eq!((agreed.peer_kind, agreed.peer_as), (PeerKind::Internal, 65001));
    assert_eq!(agreed.peer_identifier, std::net::Ipv4Addr::new(203, 0, 113, 2));
    assert_eq!(agreed.families[..], [Family::VPN_IPV4, Family::VPN_IPV6, Family::new(Afi::L2VPN, Safi::EVPN)]);
    assert!(agreed.four_octet_as && agreed.route_refresh && !agreed.enhanced_route_refresh);
    assert_eq!((agreed.max_message_len, agreed.max_receive_len), (4096, 65_535));
    assert!(agreed.add_path_receive.is_empty(), "GoBGP offers no ADD-PATH");
    assert!(agreed.extended_next_hop.is_empty(), "FRR does not offer it");
    let next_hops: Vec<_> = gobgp
        .capabilities()
        .filter_map(|c| match c {
            Capability::ExtendedNextHop(list) => Some(list.iter().map(|e| e.family()).collect::<Vec<_>>()),
            _ => None,
        })
        .flatten()
        .collect();
    assert_eq!(next_hops, [Some(Family::VPN_IPV4), None, None, None, None], "what RFC 8950 names counts");
    let same = Negotiated::from_opens(&frr, &frr, &config).unwrap_err();
    assert_eq!((same.code, same.subcode), (ErrorCode::OPEN, 3), "the same identifier inside one AS");
}

#[test]
fn shutdown_communications_are_read() {
    let text = |name| match Message::parse(&message(name)) {
        Ok(Message::Notification(n)) => n.communication().map(str::to_owned),
        other => panic!("{other:?}"),
    };
    let short = text("tcpdump__bgp-shutdown-communication/notification_1").unwrap();
    assert_eq!(short, "This is a test of the shutdown communication system.");
    let long = text("tcpdump__bgp-extended-shutdown-msg/notification_1").unwrap();
    assert!(long.len() > 128 && long.starts_with("[TICKET-1-1438367390]"), "RFC 9003: {long}");
}

/// Shows: L3VPN-8.1-7
#[test]
fn filters_of_a_router_are_read() {
    let octets = message("tcpdump__bgp-orf/route_refresh_1");
    let Ok(Message::RouteRefresh(refresh)) = Message::parse(&octets) else { panic!("no ROUTE-REFRESH") };
    let (when, filters) = refresh.filters().unwrap().unwrap();
    assert_eq!((filters.len(), filters[0].orf_type.0), (1, 64));
    assert_eq!(refresh.is_deferred(), when.0 == 2);
}
