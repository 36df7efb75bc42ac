//! Recorded UPDATEs, octet for octet; `golden/update/ORIGIN.md` says whose.

#[path = "update/invariants.rs"]
mod invariants;
#[path = "golden/update/recordings.rs"]
mod recordings;

use bgp_vpn::attr::{AsWidth, Attribute, NextHop};
use bgp_vpn::message::{FaultAction, Header, MpPosition, Update, UpdateWriter, emit_end_of_rib};
use bgp_vpn::nlri::evpn::EvpnRoute;
use bgp_vpn::nlri::mcast_vpn::{
    CGroup, CMulticast, InterAsIPmsiAd, IntraAsIPmsiAd, LeafAd, McastVpnRoute, SPmsiAd, SourceActiveAd,
};
use bgp_vpn::nlri::{
    Afi, EvpnNlri, Family, LabeledNlri, McastVpnNlri, MdtNlri, Nlri, NlriFormat, RouteDistinguisher, RtMembershipNlri,
    Safi, UnicastNlri, VplsNlri, VpnMulticastNlri, VpnNlri,
};
use bgp_vpn::session::Negotiated;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use fwd_core::net::{Ipv4Prefix, Ipv6Prefix};

use invariants::consistent;
use recordings::{Recording, outcome, recordings};

const EXPECTED: &str = include_str!("golden/update/expected.txt");

/// NLRI, one a line.
const EVPN: &str = include_str!("golden/update/evpn.txt");

/// NLRI of MCAST-VPN, and the route in words, one a line.
const MCAST_VPN: &str = include_str!("golden/update/mcast_vpn.txt");

/// Malformed by fuzzing in places where every value is allowed: reserved octets, surplus bits of prefixes, route distinguishers of next
/// hops, so that they are written otherwise.
const NOT_CANONICAL: [&str; 6] = [
    "tcpdump__bgp-as-path-oobr/update_18",
    "tcpdump__bgp-as-path-oobr/update_20",
    "tcpdump__bgp-as-path-oobr/update_22",
    "tcpdump__bgp-as-path-oobr/update_23",
    "tcpdump__bgp-as-path-oobr/update_24",
    "tcpdump__tok2str-oobr-1/update_2",
];

/// Every recording is read, has exactly the faults and actions that `expected.txt` says, and is written again as it came.
///
/// Shows: L3VPN-8.1-13, L3VPN-8.2-1, L3VPN-8.2-2, L3VPN-8.2-4, L3VPN-8.2-5, L3VPN-8.2-6, L3VPN-8.2-8, L3VPN-8.2-14, L3VPN-8.3-1,
/// L3VPN-8.3-4, L3VPN-8.3-6, L3VPN-8.3-7, L3VPN-8.3-8, L3VPN-8.3-11
#[test]
fn recordings_round_trip_octet_for_octet() {
    let expected: std::collections::HashMap<_, _> = EXPECTED.lines().filter_map(|line| line.split_once(' ')).collect();
    let (mut clean, mut found) = (0, String::new());
    for Recording { name, negotiated, message } in recordings() {
        let outcome = outcome(&message, &negotiated);
        if !outcome.is_empty() {
            found.push_str(&format!("{name} {outcome}\n"));
        } else {
            clean += 1;
        }
        assert_eq!(outcome, expected.get(name).copied().unwrap_or_default(), "{name}");
        if let Ok(update) = Update::parse(&message[Header::LEN..], &negotiated) {
            let mut out = Vec::new();
            update.emit(&mut out);
            assert_eq!(out.len(), update.wire_len(), "{name}");
            assert_eq!(out == message[Header::LEN..], !NOT_CANONICAL.contains(&name), "{name}");
        }
    }
    assert!(clean > 400, "{clean}");
    assert_eq!(found, EXPECTED);
}

/// The families of the recordings, their next hops, and NLRI written by the writer from what was read.
///
/// Shows: L3VPN-FEA-2, L3VPN-8.3-1, L3VPN-8.3-4, L3VPN-8.3-5, L3VPN-8.3-6, L3VPN-8.3-7, L3VPN-8.3-8, L3VPN-8.3-11
#[test]
fn routes_read_from_recordings_are_announced_again_in_the_same_octets() {
    let mut families = std::collections::BTreeMap::new();
    for Recording { name, negotiated, message } in recordings() {
        let Ok(update) = Update::parse(&message[Header::LEN..], &negotiated) else { continue };
        if update.action().is_some() || update.check_nlri().is_err() {
            continue;
        }
        let Some(reach) = update.mp_reach() else { continue };
        let Some(next_hop) = reach.next_hop() else { continue };
        let written = match reach.family {
            Family::IPV6_UNICAST => write::<UnicastNlri<Ipv6Prefix>>(&update, &negotiated, next_hop),
            Family::IPV4_LABELED_UNICAST => write::<LabeledNlri<'_, Ipv4Prefix>>(&update, &negotiated, next_hop),
            Family::VPN_IPV4 => write::<VpnNlri<'_, Ipv4Prefix>>(&update, &negotiated, next_hop),
            Family::VPN_IPV6 => write::<VpnNlri<'_, Ipv6Prefix>>(&update, &negotiated, next_hop),
            Family::MCAST_VPN_IPV4 => write::<McastVpnNlri<'_, Ipv4Addr>>(&update, &negotiated, next_hop),
            Family::MCAST_VPN_IPV6 => write::<McastVpnNlri<'_, Ipv6Addr>>(&update, &negotiated, next_hop),
            Family::VPN_IPV4_MULTICAST => write::<VpnMulticastNlri<Ipv4Prefix>>(&update, &negotiated, next_hop),
            Family::VPN_IPV6_MULTICAST => write::<VpnMulticastNlri<Ipv6Prefix>>(&update, &negotiated, next_hop),
            Family::RT_CONSTRAINT => write::<RtMembershipNlri>(&update, &negotiated, next_hop),
            Family::VPLS => write::<VplsNlri<'_>>(&update, &negotiated, next_hop),
            Family::EVPN => write::<EvpnNlri<'_>>(&update, &negotiated, next_hop),
            Family::MDT => write::<MdtNlri>(&update, &negotiated, next_hop),
            _ => continue,
        };
        // What was written is read as what was received: the same routes, the same next hop, equal attributes.
        let again = Update::parse(&written[Header::LEN..], &negotiated).unwrap();
        assert!(again.faults().is_empty(), "{name}: {:?}", again.faults());
        let reach_again = again.mp_reach().unwrap();
        assert_eq!(reach_again.next_hop(), Some(next_hop), "{name}");
        if !NOT_CANONICAL.contains(&name) && !name.contains("oobr") {
            assert_eq!((reach_again.nlri, reach_again.next_hop_octets), (reach.nlri, reach.next_hop_octets), "{name}");
        }
        let (mut a, mut b) = (Vec::new(), Vec::new());
        update.attributes().emit_canonical(&mut a);
        again.attributes().emit_canonical(&mut b);
        assert_eq!(a, b, "{name}");
        *families.entry(reach.family.to_string()).or_insert(0) += 1;
    }
    let service = ["mcast-vpn-ipv4", "mcast-vpn-ipv6", "vpn-ipv4-multicast", "rt-constraint", "vpls", "evpn", "mdt"];
    for family in ["ipv6-unicast", "vpn-ipv4", "vpn-ipv6", "ipv4-labeled-unicast"].into_iter().chain(service) {
        assert!(families.get(family).is_some_and(|n| *n > 0), "{family}: {families:?}");
    }
}

/// EVPN routes of the types 1, 2, 4 and 5 as others wrote them; those of type 3 are among the recordings.
#[test]
fn evpn_routes_of_each_type_octet_for_octet() {
    let mut seen = Vec::new();
    for line in EVPN.lines() {
        let octets = hex(line);
        let format = NlriFormat { add_path: false, multiple_labels: false };
        let (rest, nlri) = EvpnNlri::take(&octets, format).unwrap();
        assert!(rest.is_empty() && !matches!(nlri.route, EvpnRoute::Other { .. }), "{nlri:?}");
        let mut out = Vec::new();
        nlri.emit(format, &mut out);
        assert_eq!(out, octets);
        seen.push(octets[0]);
    }
    assert_eq!(seen, [1, 4, 5, 2]);
}

/// MCAST-VPN routes of the types 1 to 7 as another implementation wrote them, a Leaf A-D route for each kind of key.
///
/// Shows: L3VPN-8.4-1, L3VPN-8.4-2, L3VPN-8.4-3, L3VPN-8.4-6, L3VPN-8.4-7, L3VPN-8.4-8, L3VPN-8.4-9
#[test]
fn mcast_vpn_routes_of_each_type_octet_for_octet() {
    let rd: RouteDistinguisher = "10.1.1.1:65535".parse().unwrap();
    let address = |text: &str| text.parse::<Ipv4Addr>().unwrap();
    let (originator, leaf) = (IpAddr::V4(address("9.8.7.6")), IpAddr::V4(address("20.1.1.1")));
    let (source, ssm, asm) = (address("192.168.1.1"), address("232.1.2.3"), address("224.1.2.3"));
    let octets: Vec<Vec<u8>> = MCAST_VPN.lines().map(|line| hex(line.split(' ').next().unwrap())).collect();
    let joined = |source, group| CMulticast { rd, source_as: 65001, source, group };
    let expected = [
        McastVpnRoute::IntraAsIPmsiAd(IntraAsIPmsiAd { rd, originator }),
        McastVpnRoute::InterAsIPmsiAd(InterAsIPmsiAd { rd, source_as: 65001 }),
        McastVpnRoute::SPmsiAd(SPmsiAd { rd, source: Some(source), group: CGroup::Group(ssm), originator }),
        McastVpnRoute::LeafAd(LeafAd { route_key: &octets[2], originator: leaf }),
        McastVpnRoute::LeafAd(LeafAd { route_key: &octets[1], originator: leaf }),
        McastVpnRoute::SourceActiveAd(SourceActiveAd { rd, source, group: asm }),
        McastVpnRoute::SharedTreeJoin(joined(address("192.168.1.9"), asm)),
        McastVpnRoute::SourceTreeJoin(joined(source, ssm)),
    ];
    assert_eq!(octets.len(), expected.len());
    let format = NlriFormat::default();
    for (octets, route) in octets.iter().zip(expected) {
        let (rest, nlri) = McastVpnNlri::<Ipv4Addr>::take(octets, format).unwrap();
        assert_eq!((rest, nlri), (&[][..], McastVpnNlri::new(route)));
        let mut out = Vec::new();
        nlri.emit(format, &mut out);
        assert_eq!(&out, octets);
    }
}

/// MDT-SAFI as freeRtr and zettabgp announce it; the family of the same SAFI for IPv6, which no RFC has, is kept as octets.
///
/// Shows: L3VPN-8.3-9
#[test]
fn mdt_routes_as_others_announce_them() {
    let (mut read, mut kept) = (Vec::new(), 0);
    for Recording { name, negotiated, message } in recordings().filter(|recording| recording.name.contains("__mdt")) {
        let update = Update::parse(&message[Header::LEN..], &negotiated).unwrap();
        let Some(reach) = update.mp_reach() else { continue };
        match (reach.family, name.split('_').next()) {
            (Family::MDT, Some(who)) => {
                for nlri in reach.nlris::<MdtNlri>().map(Result::unwrap) {
                    read.push(format!("{who} {} {} {}", nlri.rd, nlri.pe, nlri.group));
                }
                let written = write::<MdtNlri>(&update, &negotiated, reach.next_hop().unwrap());
                let again = Update::parse(&written[Header::LEN..], &negotiated).unwrap();
                assert_eq!(again.mp_reach().unwrap().nlri, reach.nlri, "{name}");
            }
            (Family { afi: Afi::IPV6, safi: Safi::MDT }, _) => kept += 1,
            _ => {}
        }
    }
    read.sort();
    let expected = [
        "freertr 1:2 2.2.2.1 239.1.1.2",
        "freertr 1:2 2.2.2.2 239.1.1.2",
        "freertr 1:3 2.2.2.1 239.1.1.3",
        "freertr 1:3 2.2.2.2 239.1.1.3",
        "zettabgp 65001:7 192.0.2.1 239.1.1.1",
        "zettabgp 65001:7 192.0.2.1 239.1.1.2",
    ];
    assert_eq!((read, kept), (expected.map(String::from).to_vec(), 3));
}

/// Of what the crate zettabgp writes for MCAST-VPN the routes without C-sources and C-groups are read; those that should have lengths in
/// front of them and have none are faults for which the family is no longer used with the peer: where the next NLRI begins is not to be
/// relied on (RFC 7606 §5.3).
///
/// Shows: L3VPN-8.1-13
#[test]
fn mcast_vpn_routes_without_address_lengths_are_faults() {
    let mut sound = Vec::new();
    for Recording { name, negotiated, message } in recordings().filter(|r| r.name.starts_with("zettabgp__mcast-vpn")) {
        let update = Update::parse(&message[Header::LEN..], &negotiated).unwrap();
        match update.check_nlri() {
            Ok(()) => sound.push(name.trim_start_matches("zettabgp__mcast-vpn/")),
            Err(fault) => {
                let outcome = (fault.family, fault.action);
                assert_eq!(outcome, (Family::MCAST_VPN_IPV4, FaultAction::DisableFamily), "{name}");
            }
        }
    }
    assert_eq!(sound, ["type_1", "type_2", "type_1_ipv6"]);
}

fn hex(digits: &str) -> Vec<u8> {
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).expect("hexadecimal digits"))
        .collect()
}

fn write<'a, N: Nlri<'a>>(update: &Update<'a>, negotiated: &Negotiated, next_hop: NextHop) -> Vec<u8> {
    let reach = update.mp_reach().unwrap();
    let mut canonical = Vec::new();
    update.attributes().emit_canonical(&mut canonical);
    let mut attributes = Vec::new();
    match update.attributes().width() {
        AsWidth::Four => attributes = canonical,
        AsWidth::Two => Attribute::emit_two_octet(&canonical, &mut attributes),
    }
    let mut negotiated = negotiated.clone();
    negotiated.add_path_send = negotiated.add_path_receive.clone();
    let mut out = Vec::new();
    let mut writer =
        UpdateWriter::announce(&mut out, &negotiated, reach.family, next_hop, &attributes, MpPosition::First).unwrap();
    for nlri in reach.nlris::<N>() {
        assert!(writer.push(&nlri.unwrap()));
    }
    assert!(writer.finish() > 0);
    out
}

/// End-of-RIB markers of the recordings, and of every family.
///
/// Shows: L3VPN-8.1-10
#[test]
fn end_of_rib() {
    let mut seen = 0;
    for Recording { name, negotiated, message } in recordings() {
        let Ok(update) = Update::parse(&message[Header::LEN..], &negotiated) else { continue };
        let Some(family) = update.end_of_rib() else { continue };
        let mut out = Vec::new();
        emit_end_of_rib(family, &mut out);
        // FRR writes the attribute with a long header.
        let short = Update::parse(&out[Header::LEN..], &negotiated).unwrap();
        assert_eq!(short.end_of_rib(), Some(family), "{name}");
        seen += 1;
    }
    assert!(seen > 10, "{seen}");
}

/// Every truncation, every bit of every octet flipped: no panic; a fault of the frame or faults that the table of actions allows; and
/// what is sound can be written and is then read as the same.
///
/// Shows: L3VPN-8.1-13
#[test]
fn mutations_never_panic_and_stay_consistent() {
    for Recording { name, negotiated, message } in recordings() {
        let body = &message[Header::LEN..];
        for len in 0..body.len() {
            consistent(name, &body[..len], &negotiated);
        }
        let mut mutated = body.to_vec();
        for at in 0..body.len() {
            // All values for what decides about structure: the shorter messages; single bits for all.
            if body.len() < 80 {
                (1..=255u8).for_each(|x| flip(name, &mut mutated, at, x, &negotiated));
            } else {
                (0..8).for_each(|bit| flip(name, &mut mutated, at, 1 << bit, &negotiated));
                flip(name, &mut mutated, at, 0xff, &negotiated);
            }
        }
    }
}

fn flip(name: &str, body: &mut [u8], at: usize, mask: u8, negotiated: &Negotiated) {
    body[at] ^= mask;
    consistent(name, body, negotiated);
    body[at] ^= mask;
}
