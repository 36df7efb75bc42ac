//! Unicast VPNs beside multicast (RFC 6514 §6, §7): PEs that have MCAST-VPN and PEs that do not, and the communities that only PEs say.

use std::time::Duration;

use bgp_vpn::nlri::Family;
use bgp_vpn::session::{ConfigError, FamilyConfig, PeerConfig, PeerRole};
use bgp_vpn::speaker::PeerId;
use bgp_vpn::vrf::LabelMode;
use fwd_core::net::VrfId;

use crate::admission::{as_path, update};
use crate::ce::ce;
use crate::opaque::{message, told};
use crate::overlap::{AS, VPN, circuit_of, core, site};
use crate::world::{Delivery, World, v4, v6};

const MCAST: Family = Family::MCAST_VPN_IPV4;
const RR: usize = 0;
const PES: [usize; 3] = [1, 2, 3];
/// VRF Route Import 192.0.2.1:1, and Source AS 65001.
const ROUTE_IMPORT: [u8; 8] = [1, 0x0b, 192, 0, 2, 1, 0, 1];
const SOURCE_AS: [u8; 8] = [0, 9, 0xfd, 0xe9, 0, 0, 0, 0];
const TARGET: [u8; 8] = [0, 2, 0xfd, 0xe9, 0, 0, 0, 1];

/// A reflector, three PEs with a site of one VPN each, and the reflector's ends of their sessions. `has` says who has multicast.
fn network(has: impl Fn(usize) -> bool) -> (World, Vec<PeerId>) {
    let mut world = World::default();
    world.node(AS, 200, v4(200));
    let mut ends = Vec::new();
    for pe in PES {
        assert_eq!(world.node(AS, pe as u8, v4(pe as u8)), pe);
        let (_, end) = world.link(pe, RR, |node, peer| {
            let multicast = (node == RR || has(node)).then_some(MCAST);
            peer.families = VPN.into_iter().chain(multicast).map(FamilyConfig::new).collect();
            if node == RR {
                peer.role = PeerRole::ReflectorClient;
            }
        });
        ends.push(end);
    }
    let t: &[&str] = &["65001:1"];
    for pe in PES {
        site(&mut world, pe, 1, (t, t), LabelMode::PerVrf, &[&format!("10.{pe}.0.0/16")]);
    }
    world.reach_all();
    world.run(Duration::from_secs(5));
    (world, ends)
}

/// Packets of all sites to all sites that do not arrive.
fn lost(world: &World) -> usize {
    let ways = PES.into_iter().flat_map(|from| PES.into_iter().map(move |to| (from, to)));
    let arrives = |(from, to): &(usize, usize)| {
        let address = format!("10.{to}.0.1").parse().unwrap();
        world.send(*from, 1, address) == Delivery::Circuit(*to, circuit_of(1, *to))
    };
    ways.filter(|way| !arrives(way)).count()
}

/// What PE 1 says of its site, with the communities that multicast needs.
fn route_with_communities(world: &World) -> Vec<u8> {
    let label = world.nodes[1].fib.ilm.keys().next().unwrap().value();
    let mut reach = vec![0, 1, 128, 12, 0, 0, 0, 0, 0, 0, 0, 0, 192, 0, 2, 1, 0, 104];
    reach.extend_from_slice(&(label << 4 | 1).to_be_bytes()[1..]);
    reach.extend_from_slice(&[0, 0, 0xfd, 0xe9, 0, 0, 0, 101, 10, 1]);
    let mut attributes = vec![0x40, 1, 1, 0, 0x40, 2, 0, 0x40, 5, 4, 0, 0, 0, 100, 0x80, 14, reach.len() as u8];
    attributes.extend_from_slice(&reach);
    attributes.extend_from_slice(&[0xc0, 16, 24]);
    attributes.extend_from_slice(&[TARGET, ROUTE_IMPORT, SOURCE_AS].concat());
    message(&attributes)
}

/// An Intra-AS I-PMSI A-D route and a Source Tree Join.
fn multicast_routes() -> (Vec<u8>, Vec<u8>) {
    const RD: [u8; 8] = [0, 0, 0xfd, 0xe9, 0, 0, 0, 101];
    let join = [&[7, 22][..], &RD, &[0, 0, 0xfd, 0xe9], &[32, 10, 1, 0, 1], &[32, 232, 1, 1, 1]].concat();
    let nlri = [&[1, 12][..], &RD, &[192, 0, 2, 1], &join].concat();
    let reach = [&[0, 1, 5, 4, 192, 0, 2, 1, 0][..], &nlri].concat();
    let mut attributes = vec![0x40, 1, 1, 0, 0x40, 2, 0, 0x40, 5, 4, 0, 0, 0, 100, 0x80, 14, reach.len() as u8];
    attributes.extend_from_slice(&reach);
    attributes.extend_from_slice(&[0xc0, 16, 8]);
    attributes.extend_from_slice(&TARGET);
    (message(&attributes), nlri)
}

fn said(world: &World, node: usize, peer: PeerId, community: [u8; 8]) -> bool {
    let sent = world.nodes[node].sent.iter().filter(|(to, _)| *to == peer);
    sent.into_iter().any(|(_, octets)| octets.windows(8).any(|w| w == community))
}

/// PEs 1 and 2 have multicast, PE 3 does not. It gets unicast routes with VRF Route Import and Source AS, which mean nothing to it, and forwards by
/// them as before; of MCAST-VPN routes its session carries none, and they change nothing of its tables.
///
/// Shows: MVPN-GEN-2
#[test]
fn a_pe_without_multicast_has_its_unicast() {
    let (mut world, ends) = network(|pe| pe != 3);
    assert_eq!(lost(&world), 0);
    let octets = route_with_communities(&world);
    world.inject(RR, ends[0], &octets);
    world.settle();
    for end in [ends[1], ends[2]] {
        assert!(said(&world, RR, end, ROUTE_IMPORT) && said(&world, RR, end, SOURCE_AS));
    }
    assert_eq!(lost(&world), 0);
    let (ops, from) = (world.nodes.iter().map(|n| n.ops.len()).collect::<Vec<_>>(), world.nodes[RR].sent.len());
    let (octets, nlri) = multicast_routes();
    world.inject(RR, ends[0], &octets);
    world.run(Duration::from_secs(200));
    assert_eq!(told(&world, ends[1], from, MCAST).0, nlri);
    assert_eq!(told(&world, ends[2], 0, MCAST), (vec![], vec![]));
    assert_eq!(world.nodes.iter().map(|n| n.ops.len()).collect::<Vec<_>>(), ops);
    assert_eq!(lost(&world), 0);
    assert!(ends.iter().all(|end| world.nodes[RR].speaker.peer_negotiated(*end).is_some()));
}

/// Multicast is turned on in a network in service: MCAST-VPN by a second session between each PE and the reflector, from other addresses of theirs. Not
/// a packet of unicast is lost in any millisecond, no entry of a forwarder is touched, and the new family goes by the new sessions.
///
/// Shows: MVPN-MIG-2
#[test]
fn multicast_comes_by_a_second_session_and_unicast_does_not_notice() {
    let (mut world, ends) = network(|_| false);
    let ops = world.nodes.iter().map(|n| n.ops.len()).collect::<Vec<_>>();
    let mut second = Vec::new();
    for pe in PES {
        let (near, far) = (v6(pe as u16), v6(200));
        let (_, end) = world.link(pe, RR, |node, peer| {
            (peer.local_address, peer.address) = if node == RR { (far, near) } else { (near, far) };
            peer.families = vec![FamilyConfig::new(MCAST)];
            if node == RR {
                peer.role = PeerRole::ReflectorClient;
            }
        });
        second.push(end);
        for _ in 0..1000 {
            world.run(Duration::from_millis(1));
            assert_eq!(lost(&world), 0);
        }
    }
    world.run(Duration::from_secs(5));
    assert!(second.iter().chain(&ends).all(|end| world.nodes[RR].speaker.peer_negotiated(*end).is_some()));
    let from = world.nodes[RR].sent.len();
    let (octets, nlri) = multicast_routes();
    world.inject(RR, second[0], &octets);
    world.run(Duration::from_secs(200));
    for (first, second) in ends.iter().zip(&second).skip(1) {
        assert_eq!(told(&world, *second, from, MCAST).0, nlri);
        assert_eq!(told(&world, *first, 0, MCAST), (vec![], vec![]));
    }
    assert_eq!(world.nodes.iter().map(|n| n.ops.len()).collect::<Vec<_>>(), ops);
    assert_eq!(lost(&world), 0);
}

/// Communities and attributes that nobody knows, within an AS and to a customer in another: what is transitive goes on, what is not stays in the AS, and an
/// attribute that is not is dropped at once (RFC 4360 §6, RFC 4271 §5). MCAST-VPN routes of types that are not there yet cost no session, and those beside
/// them are told.
///
/// Shows: MVPN-MIG-3
#[test]
fn what_comes_later_goes_as_far_as_it_may() {
    let (mut world, ends) = network(|_| true);
    let (_, customer, _) = ce(&mut world, PES[1], 1, 65020, &[]);
    world.run(Duration::from_secs(60));
    let (transitive, not) = ([0x3f, 1, 2, 3, 4, 5, 6, 7], [0x7f, 1, 2, 3, 4, 5, 6, 7]);
    let octets = route_with_communities(&world);
    let communities = [TARGET, transitive, not].concat();
    let start = octets.len() - communities.len();
    let mut attributes = octets[23..start].to_vec();
    attributes.extend_from_slice(&communities);
    attributes.extend_from_slice(&[0xc0, 222, 8, 77, 0, 0, 0, 0, 0, 0, 1, 0x80, 223, 8, 77, 0, 0, 0, 0, 0, 0, 2]);
    world.inject(RR, ends[0], &message(&attributes));
    world.run(Duration::from_secs(60));
    let (kept, dropped) = ([77, 0, 0, 0, 0, 0, 0, 1], [77, 0, 0, 0, 0, 0, 0, 2]);
    let at = |world: &World, node, peer| [transitive, not, kept, dropped].map(|octets| said(world, node, peer, octets));
    assert_eq!(at(&world, RR, ends[1]), [true, true, true, false]);
    assert_eq!(at(&world, PES[1], customer), [true, false, true, false]);
    let (octets, known) = multicast_routes();
    let head = octets[23..].windows(2).position(|w| w == [0x80, 14]).unwrap() + 23;
    for kind in (8..=255_u8).filter(|kind| ![0x43, 0x44, 0x47].contains(kind)) {
        let nlri = [&[kind, 3, 1, 2, kind][..], &known].concat();
        let reach = [&[0, 1, 5, 4, 192, 0, 2, 1, 0][..], &nlri].concat();
        let mut attributes = octets[23..head].to_vec();
        attributes.extend_from_slice(&[0x80, 14, reach.len() as u8]);
        attributes.extend_from_slice(&reach);
        attributes.extend_from_slice(&[&[0xc0, 16, 8][..], &TARGET].concat());
        let from = world.nodes[RR].sent.len();
        world.inject(RR, ends[0], &message(&attributes));
        world.run(Duration::from_secs(60));
        let told = told(&world, ends[1], from, MCAST).0;
        let is_there = |route: &[u8]| told.windows(route.len()).any(|w| w == route);
        assert!(kind > 8 || is_there(&known[..14]) && is_there(&known[14..]), "those that are known");
        assert!(ends.iter().all(|end| world.nodes[RR].speaker.peer_negotiated(*end).is_some()), "type {kind}");
    }
    assert_eq!(lost(&world), 0);
}

/// What PEs say of where multicast comes from is taken from no customer, and told to none.
///
/// Shows: MVPN-ISEC-1
#[test]
fn customers_neither_say_nor_hear_where_multicast_comes_from() {
    let (mut world, pes, rrs) = core(2, 1);
    let t: &[&str] = &["65001:1"];
    pes.iter().for_each(|pe| site(&mut world, *pe, 1, (t, t), LabelMode::PerVrf, &[]));
    let (_, pe_side, _) = ce(&mut world, pes[0], 1, 65010, &[]);
    let (_, other_side, _) = ce(&mut world, pes[1], 1, 65020, &[]);
    world.reach_all();
    world.run(Duration::from_secs(5));
    let opaque = [3, 0x0b, 0, 0, 0, 0, 0, 7];
    let communities = [&[0xc0, 16, 24][..], &ROUTE_IMPORT, &SOURCE_AS, &opaque].concat();
    let attributes = [&[0x40, 1, 1, 0][..], &as_path(&[65010]), &[0x40, 3, 4, 192, 0, 2, 103], &communities].concat();
    world.inject(pes[0], pe_side, &update(&attributes, &[16, 10, 5]));
    world.run(Duration::from_secs(60));
    let sent = |world: &World, community: [u8; 8]| {
        let all = world.nodes[pes[0]].sent.iter().filter(|(peer, _)| *peer != pe_side);
        all.into_iter().any(|(_, octets)| octets.windows(8).any(|w| w == community))
    };
    assert!(sent(&world, opaque) && !sent(&world, ROUTE_IMPORT) && !sent(&world, SOURCE_AS));
    // A PE with multicast says it: its route reaches the customer at the other PE without.
    let label = world.nodes[pes[0]].fib.ilm.keys().next().unwrap().value();
    let mut reach = vec![0, 1, 128, 12, 0, 0, 0, 0, 0, 0, 0, 0, 192, 0, 2, 1, 0, 104];
    reach.extend_from_slice(&(label << 4 | 1).to_be_bytes()[1..]);
    reach.extend_from_slice(&[0, 0, 0xfd, 0xe9, 0, 0, 0, 222, 10, 6]);
    let mut attributes = vec![0x40, 1, 1, 0, 0x40, 2, 0, 0x40, 5, 4, 0, 0, 0, 100, 0x80, 14, reach.len() as u8];
    attributes.extend_from_slice(&reach);
    attributes.extend_from_slice(&[&[0xc0, 16, 32][..], &TARGET, &ROUTE_IMPORT, &SOURCE_AS, &opaque].concat());
    let from_first = world.nodes[rrs[0]].speaker.peers()[0];
    world.inject(rrs[0], from_first, &message(&attributes));
    world.run(Duration::from_secs(60));
    assert!(said(&world, pes[1], other_side, opaque));
    assert!(!said(&world, pes[1], other_side, ROUTE_IMPORT) && !said(&world, pes[1], other_side, SOURCE_AS));
}

/// A CE's session has no MCAST-VPN, and cannot be given it; routes of the family that come even so are told to nobody, while those of a PE are.
///
/// Shows: MVPN-ISEC-1
#[test]
fn multicast_routes_of_a_ce_are_not_taken() {
    let (mut world, ends) = network(|_| true);
    let pe = PES[0];
    let (_, pe_side, _) = ce(&mut world, pe, 1, 65010, &[]);
    world.run(Duration::from_secs(60));
    let config = PeerConfig::new(v4(77), v4(pe as u8), 65011, &[MCAST]);
    let refused = world.nodes[pe].speaker.add_peer(world.now, PeerConfig { vrf: VrfId(1), ..config });
    assert!(matches!(refused, Err(ConfigError::Value { field: "families", .. })), "{refused:?}");
    let (of_pe, known) = multicast_routes();
    let mut reach = [&[0, 1, 5, 4, 192, 0, 2, 103, 0][..], &known].concat();
    let mut attributes = [&[0x40, 1, 1, 0][..], &as_path(&[65010]), &[0x80, 14, reach.len() as u8]].concat();
    attributes.append(&mut reach);
    attributes.extend_from_slice(&[&[0xc0, 16, 8][..], &TARGET].concat());
    let heard = |world: &World, from: usize| {
        let all = world.nodes[pe].sent.iter().chain(&world.nodes[RR].sent[from..]);
        all.into_iter().any(|(_, octets)| octets.windows(14).any(|w| w == &known[..14]))
    };
    world.inject(pe, pe_side, &message(&attributes));
    world.run(Duration::from_secs(60));
    assert!(!heard(&world, 0));
    world.inject(RR, ends[0], &of_pe);
    world.run(Duration::from_secs(60));
    assert!(heard(&world, 0));
}
