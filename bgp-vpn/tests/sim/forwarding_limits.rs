//! A PE whose forwarding plane or VRF is full, and what its neighbours learn of it.

use std::time::Duration;

use bgp_vpn::nlri::Family;
use bgp_vpn::session::{FamilyConfig, LocalIdentity};
use bgp_vpn::speaker::{Event, Input, Speaker, SpeakerConfig};
use bgp_vpn::vrf::{LabelMode, RouteLimit, VrfConfig};
use fwd_core::net::{Label, NhlfeId, VrfId};

use crate::overlap::{AS, attach, core, site};
use crate::world::{FIRST_NHLFE, World, v4};

const A: (&[&str], &[&str]) = (&["65001:1"], &["65001:1"]);

/// Entries for one imported route only: the other is not in use, so that no CE is told what cannot be forwarded.
#[test]
fn a_route_without_forwarding_entry_is_not_announced_to_ces() {
    let mut world = World::default();
    let pes = [world.node(AS, 1, v4(1)), world.node(AS, 2, v4(2))];
    let config = SpeakerConfig {
        local: LocalIdentity { asn: AS, router_id: [192, 0, 2, 1].into() },
        cluster_id: None,
        labels: (Label::new(1000).unwrap(), Label::new(1999).unwrap()),
        nhlfes: (NhlfeId(FIRST_NHLFE), NhlfeId(FIRST_NHLFE)),
        seed: 1,
    };
    world.nodes[pes[0]].speaker = Speaker::new(world.now, config).unwrap();
    world.link(pes[0], pes[1], |_, peer| peer.families = vec![FamilyConfig::new(Family::VPN_IPV4)]);
    site(&mut world, pes[0], 1, A, LabelMode::PerVrf, &[]);
    site(&mut world, pes[1], 1, A, LabelMode::PerPrefix, &["10.1.0.0/16", "10.2.0.0/16"]);
    let ce = world.node(65010, 9, v4(99));
    world.link(pes[0], ce, |node, peer| {
        peer.families = vec![FamilyConfig::new(Family::IPV4_UNICAST)];
        if node == pes[0] {
            peer.vrf = VrfId(1);
        }
    });
    world.reach_all();
    world.run(Duration::from_secs(10));
    let node = &world.nodes[pes[0]];
    assert!(node.events.iter().any(|e| matches!(e, Event::NhlfesExhausted { vrf: VrfId(1) })));
    assert_eq!(node.fib.routes.keys().filter(|(vrf, _)| *vrf == VrfId(1)).count(), 1);
    assert_eq!(world.nodes[ce].speaker.vrf_routes(VrfId::GLOBAL).len(), 1);
}

/// A full VRF gets room because a next hop is lost: it asks for what it refused by itself, without another input.
#[test]
fn room_that_a_lost_next_hop_leaves_is_used() {
    let (mut world, pes, _) = core(3, 1);
    let rd = "65001:77".parse().unwrap();
    let mut config = VrfConfig::new(VrfId(1), "small", rd, "65001:1".parse().unwrap());
    config.limit = Some(RouteLimit { mid: 1, high: 1, max: 1 });
    world.nodes[pes[0]].speaker.add_vrf(world.now, config).unwrap();
    world.reach_all();
    site(&mut world, pes[1], 1, A, LabelMode::PerVrf, &["10.1.0.0/16"]);
    world.run(Duration::from_secs(5));
    site(&mut world, pes[2], 1, A, LabelMode::PerVrf, &["10.2.0.0/16"]);
    world.run(Duration::from_secs(5));
    let held = |world: &World| {
        let routes = world.nodes[pes[0]].speaker.vrf_routes(VrfId(1));
        routes.iter().map(|r| r.prefix.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(held(&world), ["10.1.0.0/16"]);
    world.input(pes[0], Input::NextHop { address: v4(2), reach: None });
    world.run(Duration::from_secs(1));
    assert_eq!(held(&world), ["10.2.0.0/16"]);
}

/// RFC 4271 §5.1.4: the MULTI_EXIT_DISC of a CE's AS is not passed on to a third AS by a PE that exports the route.
#[test]
fn the_med_of_a_ce_stays_in_the_as() {
    let mut world = World::default();
    let pe = world.node(AS, 1, v4(1));
    let rr = world.node(AS, 200, v4(200));
    let asbr = world.node(65002, 3, v4(3));
    let ce = world.node(65010, 9, v4(99));
    site(&mut world, pe, 1, A, LabelMode::PerVrf, &[]);
    attach(&mut world, pe, &[rr]);
    world.link(pe, asbr, |_, peer| peer.families = vec![FamilyConfig::new(Family::VPN_IPV4)]);
    let (to_ce, _) = world.link(pe, ce, |node, peer| {
        peer.families = vec![FamilyConfig::new(Family::IPV4_UNICAST)];
        if node == pe {
            peer.vrf = VrfId(1);
        }
    });
    world.reach_all();
    world.run(Duration::from_secs(5));
    let attributes = [
        &[0x40, 1, 1, 0][..],
        &[0x40, 2, 6, 2, 1, 0, 0, 0xfd, 0xf2],
        &[0x40, 3, 4, 192, 0, 2, 99],
        &[0x80, 4, 4, 0, 0, 0, 7],
    ]
    .concat();
    let mut update = vec![0xff; 16];
    let len = 19 + 4 + attributes.len() + 2;
    update.extend([0, len as u8, 2, 0, 0, 0, attributes.len() as u8]);
    update.extend(&attributes);
    update.extend([8, 10]);
    world.input(pe, Input::Stream { peer: to_ce, side: bgp_vpn::speaker::Side::Outgoing, octets: &update });
    world.run(Duration::from_secs(5));
    let has_med = |node: usize| {
        let routes = world.nodes[node].speaker.vpn_routes();
        assert_eq!(routes.len(), 1);
        routes[0].attributes.windows(7).any(|w| w == [0x80, 4, 4, 0, 0, 0, 7])
    };
    assert!(has_med(rr));
    assert!(!has_med(asbr));
}
