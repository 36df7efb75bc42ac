//! What a reflector and an ordinary speaker pass on, and how (RFC 4456, RFC 4271 §5.1, RFC 7313).

use std::time::Duration;

use bgp_vpn::message::{Message, Update};
use bgp_vpn::nlri::{Family, VpnNlri};
use bgp_vpn::session::{FamilyConfig, PeerRole, State};
use bgp_vpn::speaker::{Event, PeerId};
use fwd_core::net::Ipv4Prefix;

use crate::overlap::AS;
use crate::world::{World, v4};

/// A reflector, and its peers: clients first.
pub fn star(
    clients: usize,
    others: usize,
    configure: impl Fn(&mut bgp_vpn::session::PeerConfig),
) -> (World, Vec<PeerId>) {
    let mut world = World::default();
    let rr = world.node(AS, 200, v4(200));
    let mut peers = Vec::new();
    for i in 0..clients + others {
        let node = world.node(AS, i as u8 + 1, v4(i as u8 + 1));
        let (_, peer) = world.link(node, rr, |at, peer| {
            peer.families = vec![FamilyConfig::new(Family::VPN_IPV4)];
            if at == rr && i < clients {
                peer.role = PeerRole::ReflectorClient;
            }
            configure(peer);
        });
        peers.push(peer);
    }
    world.run(Duration::from_secs(5));
    (world, peers)
}

/// An UPDATE with one VPN-IPv4 route, whose label has traffic class bits, and these attributes in front.
pub fn route(prefix: u8, extra: &[u8]) -> Vec<u8> {
    let mut a = vec![0x40, 1, 1, 0, 0x40, 2, 0];
    a.extend_from_slice(extra);
    a.extend_from_slice(&[0x80, 14, 30, 0, 1, 128, 12, 0, 0, 0, 0, 0, 0, 0, 0, 192, 0, 2, 77, 0]);
    a.extend_from_slice(&[96, 0, 0x3e, 0x8f, 0, 0, 0xfd, 0xe9, 0, 0, 0, 50, prefix]);
    a.extend_from_slice(&[0xc0, 16, 8, 0, 2, 0xfd, 0xe9, 0, 0, 0, 1]);
    message(&a)
}

pub fn message(attributes: &[u8]) -> Vec<u8> {
    let mut m = vec![0xff; 16];
    m.extend_from_slice(&(23 + attributes.len() as u16).to_be_bytes());
    m.extend_from_slice(&[2, 0, 0]);
    m.extend_from_slice(&(attributes.len() as u16).to_be_bytes());
    m.extend_from_slice(attributes);
    m
}

/// The messages a node sent to a peer since `from`.
pub fn sent(world: &World, node: usize, peer: PeerId, from: usize) -> Vec<Vec<u8>> {
    let mut messages = Vec::new();
    for (_, octets) in world.nodes[node].sent[from..].iter().filter(|(p, _)| *p == peer) {
        let mut rest = &octets[..];
        while !rest.is_empty() {
            let (message, after) = rest.split_at(usize::from(u16::from_be_bytes([rest[16], rest[17]])));
            messages.push(message.to_vec());
            rest = after;
        }
    }
    messages
}

#[test]
fn a_reflector_passes_on_to_whom_rfc_4456_says_and_leaves_labels_alone() {
    let (mut world, peers) = star(2, 2, |_| ());
    let from = world.nodes[0].sent.len();
    let far = |world: &World, peer: usize| world.nodes[peer + 1].speaker.stats().vpn_routes;
    // From a client: to everyone else.
    world.inject(0, peers[0], &route(10, &[0x40, 5, 4, 0, 0, 0, 100]));
    world.settle();
    assert_eq!([0, 1, 2, 3].map(|p| far(&world, p)), [0, 1, 1, 1]);
    // Attributes in ascending order; ORIGINATOR_ID of the client, the reflector's cluster, label octets as they came.
    let mut expected = vec![0x40, 1, 1, 0, 0x40, 2, 0, 0x40, 5, 4, 0, 0, 0, 100];
    expected.extend_from_slice(&[0x80, 9, 4, 192, 0, 2, 1, 0x80, 10, 4, 192, 0, 2, 200]);
    expected.extend_from_slice(&[0x80, 14, 30, 0, 1, 128, 12, 0, 0, 0, 0, 0, 0, 0, 0, 192, 0, 2, 77, 0]);
    expected.extend_from_slice(&[96, 0, 0x3e, 0x8f, 0, 0, 0xfd, 0xe9, 0, 0, 0, 50, 10]);
    expected.extend_from_slice(&[0xc0, 16, 8, 0, 2, 0xfd, 0xe9, 0, 0, 0, 1]);
    assert_eq!(sent(&world, 0, peers[2], from), [message(&expected)]);
    // From another: to clients only.
    world.inject(0, peers[2], &route(11, &[0x40, 5, 4, 0, 0, 0, 100]));
    world.settle();
    assert_eq!([0, 1, 2, 3].map(|p| far(&world, p)), [1, 2, 1, 1]);
    // Withdrawn only where it was announced.
    let from = world.nodes[0].sent.len();
    world.reset_connection(0, peers[2]);
    assert_eq!([0, 1, 3].map(|p| sent(&world, 0, peers[p], from).len()), [1, 1, 0]);
    assert_eq!([0, 1, 3].map(|p| far(&world, p)), [0, 1, 1]);
}

#[test]
fn what_has_been_here_before_is_not_used() {
    let (mut world, peers) = star(2, 0, |_| ());
    let local_pref = [0x40, 5, 4, 0, 0, 0, 100];
    let loops: [&[u8]; 2] =
        [&[0x80, 9, 4, 192, 0, 2, 200], &[0x80, 9, 4, 192, 0, 2, 9, 0x80, 10, 8, 9, 9, 9, 9, 192, 0, 2, 200]];
    for extra in loops {
        world.inject(0, peers[0], &route(10, &local_pref));
        world.settle();
        assert_eq!(world.nodes[2].speaker.stats().vpn_routes, 1);
        // It replaces the route that could be used.
        world.inject(0, peers[0], &route(10, &[&local_pref[..], extra].concat()));
        world.settle();
        assert_eq!(world.nodes[0].speaker.stats().vpn_paths, 0);
        assert_eq!(world.nodes[2].speaker.stats().vpn_routes, 0);
    }
    assert_eq!(world.nodes[0].speaker.peer_counters(peers[0]).unwrap().looped, 2);
}

#[test]
fn no_advertise_and_no_export_are_obeyed() {
    let mut world = World::default();
    let rr = world.node(AS, 200, v4(200));
    let peers: Vec<PeerId> = [(AS, 1), (AS, 2), (65002, 3)]
        .into_iter()
        .map(|(asn, id)| {
            let node = world.node(asn, id, v4(id));
            let link = world.link(node, rr, |at, peer| {
                peer.families = vec![FamilyConfig::new(Family::IPV4_UNICAST)];
                if at == rr && asn == AS {
                    peer.role = PeerRole::ReflectorClient;
                }
            });
            link.1
        })
        .collect();
    world.run(Duration::from_secs(5));
    for (prefix, community, expected) in [(10, 0u32, [1, 1]), (11, 0xffff_ff01, [1, 0]), (12, 0xffff_ff02, [0, 0])] {
        let mut a = vec![0x40, 1, 1, 0, 0x40, 2, 0, 0x40, 3, 4, 192, 0, 2, 77, 0x80, 4, 4, 0, 0, 0, 5];
        a.extend_from_slice(&[0x40, 5, 4, 0, 0, 0, 100, 0xc0, 8, 4]);
        a.extend_from_slice(&community.to_be_bytes());
        let mut m = message(&a);
        m.extend_from_slice(&[8, prefix]);
        let len = m.len() as u16;
        m[16..18].copy_from_slice(&len.to_be_bytes());
        let from = world.nodes[rr].sent.len();
        world.inject(rr, peers[0], &m);
        world.settle();
        let got = [1, 2].map(|p| sent(&world, rr, peers[p], from).len());
        assert_eq!(got, expected, "{community:#x}");
        if prefix == 10 {
            // To another AS: our AS number, our address, no LOCAL_PREF, no MULTI_EXIT_DISC, nothing of the reflector.
            let mut a = vec![0x40, 1, 1, 0, 0x40, 2, 6, 2, 1, 0, 0, 0xfd, 0xe9, 0x40, 3, 4, 192, 0, 2, 200];
            a.extend_from_slice(&[0xc0, 8, 4, 0, 0, 0, 0]);
            let mut expected = message(&a);
            expected.extend_from_slice(&[8, 10]);
            let len = expected.len() as u16;
            expected[16..18].copy_from_slice(&len.to_be_bytes());
            assert_eq!(sent(&world, rr, peers[2], from), [expected]);
        }
    }
}

#[test]
fn a_refresh_is_marked_and_repeats_what_the_peer_holds() {
    let (mut world, peers) = star(2, 0, |_| ());
    for prefix in 10..14 {
        world.inject(0, peers[0], &route(prefix, &[0x40, 5, 4, 0, 0, 0, 100]));
    }
    world.settle();
    let from = world.nodes[0].sent.len();
    let request = [&[0xff; 16][..], &[0, 23, 5, 0, 1, 0, 128]].concat();
    world.inject(0, peers[1], &request);
    world.settle();
    let messages = sent(&world, 0, peers[1], from);
    let marker = |subtype: u8| [&[0xff; 16][..], &[0, 23, 5, 0, 1, subtype, 128]].concat();
    assert_eq!(messages.first(), Some(&marker(1)));
    assert_eq!(messages.last(), Some(&marker(2)));
    let negotiated = world.nodes[2].speaker.peer_negotiated(world.nodes[2].speaker.peers()[0]).unwrap().clone();
    let mut routes = 0;
    for m in &messages[1..messages.len() - 1] {
        let Ok(Message::Update(body)) = Message::parse(m) else { panic!("not an UPDATE") };
        let update = Update::parse(body, &negotiated).unwrap();
        routes += update.mp_reach().unwrap().nlris::<VpnNlri<'_, Ipv4Prefix>>().count();
    }
    assert_eq!(routes, 4);
}

#[test]
fn routes_that_a_refreshing_peer_does_not_repeat_go_with_its_end() {
    let (mut world, peers) = star(2, 0, |_| ());
    for prefix in 10..14 {
        world.inject(0, peers[0], &route(prefix, &[0x40, 5, 4, 0, 0, 0, 100]));
    }
    let marker = |subtype: u8| [&[0xff; 16][..], &[0, 23, 5, 0, 1, subtype, 128]].concat();
    world.inject(0, peers[0], &marker(1));
    world.inject(0, peers[0], &route(11, &[0x40, 5, 4, 0, 0, 0, 100]));
    world.settle();
    assert_eq!(world.nodes[2].speaker.stats().vpn_routes, 4);
    world.inject(0, peers[0], &marker(2));
    world.settle();
    assert_eq!(world.nodes[0].speaker.stats().vpn_routes, 1);
    assert_eq!(world.nodes[2].speaker.stats().vpn_routes, 1);
}

#[test]
fn advertisements_keep_their_distance_and_the_last_state_wins() {
    let (mut world, peers) = star(2, 0, |peer| peer.timers.min_route_advertisement = Duration::from_secs(5));
    world.run(Duration::from_secs(20));
    let from = world.nodes[0].sent.len();
    let updates = |world: &World| sent(world, 0, peers[1], from).iter().filter(|m| m[18] == 2).count();
    world.inject(0, peers[0], &route(10, &[0x40, 5, 4, 0, 0, 0, 100]));
    world.settle();
    assert_eq!(updates(&world), 1);
    for preference in 101..110 {
        world.inject(0, peers[0], &route(10, &[0x40, 5, 4, 0, 0, 0, preference]));
        world.settle();
    }
    assert_eq!(updates(&world), 1);
    world.run(Duration::from_secs(4));
    assert_eq!(updates(&world), 1);
    world.run(Duration::from_secs(2));
    assert_eq!(updates(&world), 2);
    let held = world.nodes[2].speaker.vpn_routes();
    assert!(held[0].attributes.windows(7).any(|w| w == [0x40, 5, 4, 0, 0, 0, 109]));
}

#[test]
fn a_peers_limit_refuses_and_reports_once() {
    let (mut world, peers) = star(2, 0, |peer| peer.families[0].max_routes = Some(2));
    for prefix in 10..15 {
        world.inject(0, peers[0], &route(prefix, &[0x40, 5, 4, 0, 0, 0, 100]));
    }
    world.settle();
    let speaker = &world.nodes[0].speaker;
    assert_eq!((speaker.stats().vpn_routes, speaker.peer_families(peers[0])[0].refused), (2, 3));
    let full = |e: &&Event| matches!(e, Event::PeerFull { .. });
    assert_eq!(world.nodes[0].events.iter().filter(full).count(), 1);
    assert_eq!(speaker.peer_state(peers[0]), Some(State::Established));
}

/// RFC 7606 on a live session: the routes go, the session stays.
#[test]
fn a_malformed_attribute_withdraws_and_a_malformed_nlri_disables() {
    let (mut world, peers) = star(2, 0, |_| ());
    let local_pref = [0x40, 5, 4, 0, 0, 0, 100];
    for prefix in [10, 11] {
        world.inject(0, peers[0], &route(prefix, &local_pref));
    }
    world.settle();
    // MULTI_EXIT_DISC of three octets: treat-as-withdraw (RFC 7606 §7.4).
    world.inject(0, peers[0], &route(10, &[0x80, 4, 3, 0, 0, 0, 0x40, 5, 4, 0, 0, 0, 100]));
    world.settle();
    let speaker = &world.nodes[0].speaker;
    assert_eq!((speaker.stats().vpn_routes, speaker.peer_state(peers[0])), (1, Some(State::Established)));
    assert_eq!(speaker.peer_counters(peers[0]).unwrap().treated_as_withdrawn, 1);
    assert_eq!(world.nodes[2].speaker.stats().vpn_routes, 1);
    // A prefix of 33 bits: nothing of the family is believed any more (RFC 7606 §5.3).
    let mut bad = route(12, &local_pref);
    let at = bad.windows(4).position(|w| w == [96, 0, 0x3e, 0x8f]).unwrap();
    bad[at] = 88 + 33;
    world.inject(0, peers[0], &bad);
    world.settle();
    let speaker = &world.nodes[0].speaker;
    assert_eq!((speaker.stats().vpn_routes, speaker.peer_state(peers[0])), (0, Some(State::Established)));
    assert!(speaker.peer_families(peers[0])[0].disabled);
    world.inject(0, peers[0], &route(13, &local_pref));
    world.settle();
    assert_eq!(world.nodes[0].speaker.stats().vpn_routes, 0);
    assert_eq!(world.nodes[2].speaker.stats().vpn_routes, 0);
}

#[test]
fn several_paths_per_destination_are_kept_apart() {
    let (mut world, peers) = star(2, 0, |peer| {
        peer.families[0].add_path_receive = true;
        peer.families[0].add_path_send = true;
    });
    let with_path = |id: u8, preference: u8| {
        let mut m = route(10, &[0x40, 5, 4, 0, 0, 0, preference]);
        let at = m.windows(4).position(|w| w == [96, 0, 0x3e, 0x8f]).unwrap();
        m.splice(at..at, [0, 0, 0, id]);
        // The attribute, all attributes, and the message are longer.
        let mp = m.windows(3).position(|w| w == [0x80, 14, 30]).unwrap();
        m[mp + 2] += 4;
        m[22] += 4;
        m[17] += 4;
        m
    };
    world.inject(0, peers[0], &with_path(1, 100));
    world.inject(0, peers[0], &with_path(2, 200));
    world.settle();
    let stats = world.nodes[0].speaker.stats();
    assert_eq!((stats.vpn_routes, stats.vpn_paths), (1, 2));
    let preferences = |world: &World| {
        let of = |attributes: &[u8]| attributes[attributes.windows(3).position(|w| w == [0x40, 5, 4]).unwrap() + 6];
        let held = world.nodes[2].speaker.vpn_routes();
        held.iter().map(|r| (of(&r.attributes), r.best)).collect::<std::collections::BTreeSet<_>>()
    };
    assert_eq!(preferences(&world), [(100, false), (200, true)].into());
    world.inject(0, peers[0], &with_path(2, 50));
    world.settle();
    assert_eq!(preferences(&world), [(50, false), (100, true)].into());
    assert_eq!(world.nodes[0].speaker.stats().vpn_paths, 2);
}
