//! Bad configurations, exhausted pools, peers that do not read, peers that send nonsense.

use std::time::Duration;

use bgp_vpn::nlri::Family;
use bgp_vpn::session::{ConfigError, PeerConfig, State};
use bgp_vpn::speaker::{Event, Input, LocalRoute, Side};
use bgp_vpn::vrf::{LabelMode, VrfConfig};
use fwd_core::net::{IfIndex, IpPrefix, Ipv4Prefix, VrfId};
use proptest::prelude::*;

use crate::overlap::{AS, VPN, circuit_of, core, site};
use crate::world::{World, v4};

fn vrf(id: u16, name: &str, rd: &str) -> VrfConfig {
    VrfConfig::new(VrfId(id), name, rd.parse().unwrap(), "65001:1".parse().unwrap())
}

fn duplicate(result: Result<(), ConfigError>) -> &'static str {
    match result {
        Err(ConfigError::Duplicate { field, .. }) => field,
        other => panic!("{other:?}"),
    }
}

/// Shows: L3VPN-REF-7
#[test]
fn what_must_be_unique_on_a_pe_is_refused_twice() {
    let mut world = World::default();
    let pe = world.node(AS, 1, v4(1));
    let now = world.now;
    let speaker = &mut world.nodes[pe].speaker;
    let mut first = vrf(1, "blue", "65001:1");
    first.vpn_id = Some("5e:2a".parse().unwrap());
    speaker.add_vrf(now, first).unwrap();
    assert_eq!(duplicate(speaker.add_vrf(now, vrf(1, "red", "65001:2"))), "id");
    assert_eq!(duplicate(speaker.add_vrf(now, vrf(2, "blue", "65001:2"))), "name");
    assert_eq!(duplicate(speaker.add_vrf(now, vrf(2, "red", "65001:1"))), "rd");
    let mut same = vrf(2, "red", "65001:2");
    same.vpn_id = Some("00005e:0000002a".parse().unwrap());
    assert_eq!(duplicate(speaker.add_vrf(now, same.clone())), "vpn_id");
    same.vpn_id = Some("5e:2b".parse().unwrap());
    speaker.add_vrf(now, same).unwrap();
    // What is removed may come again.
    speaker.remove_vrf(now, VrfId(1)).unwrap();
    let mut again = vrf(1, "blue", "65001:1");
    again.vpn_id = Some("5e:2a".parse().unwrap());
    speaker.add_vrf(now, again).unwrap();
}

#[test]
fn configurations_that_make_no_sense_name_their_field() {
    let mut world = World::default();
    let pe = world.node(AS, 1, v4(1));
    let now = world.now;
    let speaker = &mut world.nodes[pe].speaker;
    let mut none = vrf(1, "blue", "65001:1");
    none.import.clear();
    assert_eq!(speaker.add_vrf(now, none), Err(ConfigError::Empty { field: "import" }));
    let mut none = vrf(1, "blue", "65001:1");
    none.export.clear();
    assert_eq!(speaker.add_vrf(now, none), Err(ConfigError::Empty { field: "export" }));
    assert_eq!(speaker.add_vrf(now, vrf(1, "", "65001:1")), Err(ConfigError::Empty { field: "name" }));
    assert!(matches!(speaker.add_vrf(now, vrf(0, "x", "65001:1")), Err(ConfigError::Value { field: "id", .. })));
    let peer = PeerConfig::new(v4(2), v4(1), AS, &VPN);
    speaker.add_peer(now, peer.clone()).unwrap();
    assert!(matches!(speaker.add_peer(now, peer.clone()), Err(ConfigError::Duplicate { field: "address", .. })));
    let unknown = PeerConfig { vrf: VrfId(7), ..peer.clone() };
    assert!(matches!(speaker.add_peer(now, unknown), Err(ConfigError::Unknown { field: "vrf", .. })));
    speaker.add_vrf(now, vrf(1, "blue", "65001:1")).unwrap();
    let vpn_from_ce = PeerConfig { vrf: VrfId(1), ..peer };
    assert!(matches!(speaker.add_peer(now, vpn_from_ce), Err(ConfigError::Value { field: "families", .. })));
}

#[test]
fn an_exhausted_label_range_keeps_routes_local() {
    let mut world = World::default();
    let pe = world.node_with_labels(AS, 1, v4(1), (100, 101));
    let far = world.node(AS, 2, v4(2));
    world.link(pe, far, |_, peer| peer.families = VPN.map(bgp_vpn::session::FamilyConfig::new).to_vec());
    let t: &[&str] = &["65001:1"];
    let prefixes = ["10.0.0.0/16", "10.1.0.0/16", "10.2.0.0/16"];
    site(&mut world, pe, 1, (t, t), LabelMode::PerPrefix, &prefixes);
    world.run(Duration::from_secs(5));
    assert!(world.nodes[pe].events.contains(&Event::LabelsExhausted { vrf: VrfId(1) }));
    assert_eq!(world.nodes[pe].fib.routes.len(), 3);
    assert_eq!(world.nodes[far].speaker.stats().vpn_routes, 2);
    // A label comes free with the route that has it.
    let prefix: IpPrefix = "10.0.0.0/16".parse().unwrap();
    world.input(pe, Input::Local { vrf: VrfId(1), prefix, route: None });
    world.settle();
    assert_eq!(world.nodes[far].speaker.stats().vpn_routes, 1);
    let route = Some(LocalRoute::Via(IfIndex(circuit_of(1, pe))));
    world.input(pe, Input::Local { vrf: VrfId(1), prefix: "10.3.0.0/16".parse().unwrap(), route });
    world.settle();
    assert_eq!(world.nodes[far].speaker.stats().vpn_routes, 2);
}

#[test]
fn a_peer_that_never_reads_costs_no_memory() {
    let (mut world, pes, rrs) = core(2, 1);
    let t: &[&str] = &["65001:1"];
    site(&mut world, pes[0], 1, (t, t), LabelMode::PerVrf, &[]);
    world.reach_all();
    world.run(Duration::from_secs(5));
    // The second PE stops reading; the first one's routes come, change and go.
    let rr = rrs[0];
    let deaf = world.nodes[rr].speaker.peer_by_address(VrfId::GLOBAL, v4(2)).unwrap();
    let sent_before = world.nodes[rr].sent.iter().filter(|(p, _)| *p == deaf).count();
    let side = Side::Incoming;
    world.input(rr, Input::Writable { peer: deaf, side, room: 0 });
    let mut peak = 0;
    for round in 0..20u32 {
        for n in 0..1000 {
            let prefix = IpPrefix::V4(Ipv4Prefix::from_bits(0x0a00_0000 + ((round % 3) << 20) + (n << 8), 24).unwrap());
            world.input(pes[0], Input::Local { vrf: VrfId(1), prefix, route: Some(LocalRoute::Local) });
        }
        world.settle();
        for n in 0..1000 {
            let prefix = IpPrefix::V4(Ipv4Prefix::from_bits(0x0a00_0000 + ((round % 3) << 20) + (n << 8), 24).unwrap());
            world.input(pes[0], Input::Local { vrf: VrfId(1), prefix, route: None });
        }
        world.settle();
        let stats = world.nodes[rr].speaker.stats();
        assert_eq!((stats.queued, stats.vpn_routes), (0, 0));
        if round == 2 {
            peak = stats.octets;
        }
        assert!(round < 2 || stats.octets <= peak, "{} octets after round {round}, {peak} before", stats.octets);
    }
    assert_eq!(world.nodes[rr].sent.iter().filter(|(p, _)| *p == deaf).count(), sent_before);
    // It reads again and is told what is left: nothing that it would have to forget.
    world.input(
        pes[0],
        Input::Local { vrf: VrfId(1), prefix: "10.9.0.0/16".parse().unwrap(), route: Some(LocalRoute::Local) },
    );
    world.settle();
    world.input(rr, Input::Writable { peer: deaf, side, room: 1 << 16 });
    world.settle();
    assert_eq!(world.nodes[pes[1]].speaker.stats().vpn_routes, 1);
}

/// A PE with a VPN that has a route of its own, and a core peer that sends what it likes.
fn victim() -> (World, usize, bgp_vpn::speaker::PeerId) {
    let mut world = World::default();
    let pe = world.node(AS, 1, v4(1));
    let far = world.node(AS, 2, v4(2));
    let (peer, _) = world.link(pe, far, |_, peer| {
        peer.families = [Family::VPN_IPV4, Family::VPN_IPV6, Family::IPV4_UNICAST]
            .map(bgp_vpn::session::FamilyConfig::new)
            .to_vec();
    });
    let t: &[&str] = &["65001:1"];
    site(&mut world, pe, 1, (t, t), LabelMode::PerVrf, &["10.0.0.0/16"]);
    site(&mut world, pe, 2, (&["65001:2"], &["65001:2"]), LabelMode::PerVrf, &["10.0.0.0/16"]);
    world.reach_all();
    world.run(Duration::from_secs(5));
    (world, pe, peer)
}

/// UPDATEs that are in order: a VPN-IPv4 route of the first VPN, and an IPv4 unicast route.
fn golden() -> Vec<Vec<u8>> {
    let attributes = [
        &[0x40, 1, 1, 0, 0x40, 2, 6, 2, 1, 0, 0, 0xfd, 0xea][..],
        &[0x80, 4, 4, 0, 0, 0, 9, 0x40, 5, 4, 0, 0, 0, 100, 0xc0, 8, 4, 0xfd, 0xe9, 0, 1],
    ]
    .concat();
    let reach = [0, 1, 128, 12, 0, 0, 0, 0, 0, 0, 0, 0, 192, 0, 2, 2, 0];
    let nlri = [104, 0, 0x3e, 0x81, 0, 0, 0xfd, 0xe9, 0, 0, 0, 50, 10, 1];
    let mut vpn = attributes.clone();
    vpn.extend_from_slice(&[0x80, 14, (reach.len() + nlri.len()) as u8]);
    vpn.extend_from_slice(&reach);
    vpn.extend_from_slice(&nlri);
    vpn.extend_from_slice(&[0xc0, 16, 8, 0, 2, 0xfd, 0xe9, 0, 0, 0, 1]);
    let mut plain = attributes[..13].to_vec();
    plain.extend_from_slice(&[0x40, 3, 4, 192, 0, 2, 2]);
    plain.extend_from_slice(&attributes[13..]);
    let message = |attributes: &[u8], nlri: &[u8]| {
        let mut m = vec![0xff; 16];
        m.extend_from_slice(&(23 + attributes.len() as u16 + nlri.len() as u16).to_be_bytes());
        m.extend_from_slice(&[2, 0, 0, 0, attributes.len() as u8]);
        m.extend_from_slice(attributes);
        m.extend_from_slice(nlri);
        m
    };
    vec![message(&vpn, &[]), message(&plain, &[16, 172, 16])]
}

/// Sends octets on the session, and checks what must hold whatever they were.
fn survive(octets: &[u8], what: &str) {
    let (mut world, pe, peer) = victim();
    let others = |world: &World| {
        let mut fib = world.nodes[pe].fib.clone();
        fib.routes.retain(|(vrf, _), _| *vrf == VrfId(2));
        (fib.routes, world.nodes[pe].speaker.vrf_routes(VrfId(2)))
    };
    let before = others(&world);
    let ours: Vec<_> = world.nodes[pe].fib.routes.keys().filter(|(v, _)| *v == VrfId(1)).copied().collect();
    world.inject(pe, peer, octets);
    world.settle();
    assert_eq!(others(&world), before, "{what}: another VRF changed");
    assert!(ours.iter().all(|r| world.nodes[pe].fib.routes.contains_key(r)), "{what}: an own route went");
    let state = world.nodes[pe].speaker.peer_state(peer).unwrap();
    let sent = world.nodes[pe].events.iter().any(|e| matches!(e, Event::Down { sent: Some(_), .. }));
    assert!(state == State::Established || sent, "{what}: {state:?} without a NOTIFICATION");
    // No route without a matching target.
    for route in world.nodes[pe].speaker.vrf_routes(VrfId(1)) {
        let imported = route.next_hop.is_some();
        assert!(!imported || route.targets.contains(&"65001:1".parse().unwrap()), "{what}: {route:?}");
    }
}

#[test]
fn golden_updates_are_golden() {
    let (mut world, pe, peer) = victim();
    for update in golden() {
        world.inject(pe, peer, &update);
    }
    world.settle();
    assert_eq!(world.nodes[pe].speaker.peer_state(peer), Some(State::Established));
    assert_eq!(world.nodes[pe].speaker.vpn_routes().len(), 3);
    assert!(world.nodes[pe].fib.routes.contains_key(&(VrfId(1), "10.1.0.0/16".parse().unwrap())));
    assert_eq!(world.nodes[pe].speaker.vrf_routes(VrfId::GLOBAL).len(), 1);
}

#[test]
fn every_truncation_of_an_update_is_survived_or_answered() {
    for update in golden() {
        for len in 19..update.len() {
            // With a length field that agrees, so that it is the body that is truncated.
            let mut cut = update[..len].to_vec();
            cut[16..18].copy_from_slice(&(len as u16).to_be_bytes());
            survive(&cut, &format!("{len} octets"));
        }
    }
}

#[test]
fn every_mutation_of_an_octet_is_survived_or_answered() {
    for update in golden() {
        // Another type would make it another message, and rightly so.
        for at in (16..18).chain(19..update.len()) {
            for flip in [0x01, 0x80, 0xff] {
                let mut bad = update.clone();
                bad[at] ^= flip;
                survive(&bad, &format!("octet {at} ^ {flip:#x}"));
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_body_is_survived_or_answered(body in proptest::collection::vec(any::<u8>(), 4..200)) {
        let mut m = vec![0xff; 16];
        m.extend_from_slice(&(19 + body.len() as u16).to_be_bytes());
        m.push(2);
        m.extend_from_slice(&body);
        survive(&m, "noise");
    }
}
