//! Which routes a speaker takes from a peer at all, and what one prefix under very many route distinguishers comes to.

use std::time::Duration;

use bgp_vpn::nlri::Family;
use bgp_vpn::session::FamilyConfig;
use bgp_vpn::speaker::{Input, LocalRoute, PeerId, RouteSource};
use bgp_vpn::vrf::{LabelMode, VrfConfig};
use fwd_core::net::{Ipv4Prefix, VrfId};

use crate::overlap::{AS, circuit_of, site};
use crate::world::{Delivery, World, v4};

/// An UPDATE with these attributes, and these prefixes of IPv4 unicast.
pub fn update(attributes: &[u8], nlri: &[u8]) -> Vec<u8> {
    let mut m = vec![0xff; 16];
    m.extend_from_slice(&(23 + (attributes.len() + nlri.len()) as u16).to_be_bytes());
    m.extend_from_slice(&[2, 0, 0]);
    m.extend_from_slice(&(attributes.len() as u16).to_be_bytes());
    m.extend_from_slice(attributes);
    m.extend_from_slice(nlri);
    m
}

/// An AS_SEQUENCE of 4-octet AS numbers as an attribute.
pub fn as_path(asns: &[u32]) -> Vec<u8> {
    let mut a = vec![0x40, 2, 2 + 4 * asns.len() as u8, 2, asns.len() as u8];
    asns.iter().for_each(|asn| a.extend_from_slice(&asn.to_be_bytes()));
    a
}

/// A VPN-IPv4 route as MP_REACH_NLRI: next hop 192.0.2.77, route distinguisher 65001:`rd`, label, a /8 prefix.
fn vpn_route(rd: u32, label: u32, prefix: u8) -> Vec<u8> {
    let mut a = vec![0x80, 14, 30, 0, 1, 128, 12, 0, 0, 0, 0, 0, 0, 0, 0, 192, 0, 2, 77, 0, 96];
    a.extend_from_slice(&(label << 4 | 1).to_be_bytes()[1..]);
    a.extend_from_slice(&[0, 0, 0xfd, 0xe9]);
    a.extend_from_slice(&rd.to_be_bytes());
    a.push(prefix);
    a
}

/// ORIGIN, an empty AS_PATH, LOCAL_PREF, then `mp`, then route target 65001:1.
fn internal(mp: &[u8], local_pref: u8) -> Vec<u8> {
    let mut a = vec![0x40, 1, 1, 0, 0x40, 2, 0, 0x40, 5, 4, 0, 0, 0, local_pref];
    a.extend_from_slice(mp);
    a.extend_from_slice(&[0xc0, 16, 8, 0, 2, 0xfd, 0xe9, 0, 0, 0, 1]);
    update(&a, &[])
}

/// A PE with VRF 1, and a core peer that speaks through `inject`.
fn pe() -> (World, usize, PeerId) {
    let mut world = World::default();
    let pe = world.node(AS, 1, v4(1));
    let far = world.node(AS, 2, v4(2));
    let (peer, _) = world.link(pe, far, |_, peer| peer.families = vec![FamilyConfig::new(Family::VPN_IPV4)]);
    let t: &[&str] = &["65001:1"];
    site(&mut world, pe, 1, (t, t), LabelMode::PerVrf, &[]);
    let reach = Some(bgp_vpn::speaker::Reach { metric: 1, nhlfe: fwd_core::net::NhlfeId(2) });
    world.input(pe, Input::NextHop { address: v4(77), reach });
    world.run(Duration::from_secs(5));
    (world, pe, peer)
}

/// A label that means something else than a VPN to every router takes a packet out of the VPN: such a route is passed on, but no
/// VRF uses it.
#[test]
fn a_special_purpose_label_is_no_vpn_label() {
    let (mut world, pe, peer) = pe();
    for (rd, label, used) in [(1, 3, false), (2, 0, false), (3, 15, false), (4, 16, true)] {
        world.inject(pe, peer, &internal(&vpn_route(rd, label, 10 + rd as u8), 100));
        world.settle();
        let to = std::net::Ipv4Addr::new(10 + rd as u8, 0, 0, 1).into();
        let entry = world.nodes[pe].fib.routes.keys().any(|(vrf, p)| {
            *vrf == VrfId(1)
                && matches!((p, to), (fwd_core::net::IpPrefix::V4(p), std::net::IpAddr::V4(a)) if p.contains(a))
        });
        assert_eq!(entry, used, "label {label}");
    }
    assert_eq!(world.nodes[pe].speaker.stats().vpn_routes, 4);
}

/// One prefix with many route distinguishers: paths come, get better and worse, and go, many in one input; in the end the VRF holds
/// what a fresh decision over those that are left would choose.
#[test]
fn many_paths_to_one_prefix_are_decided_when_the_input_is_through() {
    let (mut world, pe, peer) = pe();
    let best = |world: &World| {
        let routes = world.nodes[pe].speaker.vrf_routes(VrfId(1));
        let best: Vec<_> = routes.iter().filter(|r| r.best).collect();
        assert!(best.len() <= 1);
        best.first().map(|r| match r.source {
            RouteSource::Imported(rd) => (rd.to_string(), r.labels.as_slice()[0].value()),
            other => panic!("{other:?}"),
        })
    };
    let all = |rds: std::ops::Range<u32>, pref: fn(u32) -> u8| -> Vec<u8> {
        rds.flat_map(|rd| internal(&vpn_route(rd, 100 + rd, 10), pref(rd))).collect()
    };
    // All at once, the best in the middle.
    world.inject(pe, peer, &all(1..60, |rd| if rd == 30 { 200 } else { 100 }));
    world.settle();
    assert_eq!(best(&world), Some(("65001:30".into(), 130)));
    let ops = world.nodes[pe].ops.len();
    // The best gets worse, another better and worse again: one decision, one change of the entry.
    let mut input = all(30..31, |_| 50);
    input.extend(all(40..41, |_| 220));
    input.extend(all(40..41, |_| 90));
    input.extend(all(20..21, |_| 210));
    world.inject(pe, peer, &input);
    world.settle();
    assert_eq!(best(&world), Some(("65001:20".into(), 120)));
    let changes = world.nodes[pe].ops[ops..].iter().filter(|op| matches!(op, fwd_core::op::FwdOp::SetRoute4 { .. }));
    assert_eq!(changes.count(), 1);
    // A local route of the VRF wins over all, and the choice among them is back when it goes.
    let prefix = "10.0.0.0/8".parse().unwrap();
    world.input(pe, Input::Local { vrf: VrfId(1), prefix, route: Some(LocalRoute::Local) });
    world.settle();
    assert_eq!(world.send(pe, 1, "10.0.0.1".parse().unwrap()), Delivery::Local(pe));
    world.input(pe, Input::Local { vrf: VrfId(1), prefix, route: None });
    world.settle();
    assert_eq!(best(&world), Some(("65001:20".into(), 120)));
    // The peer goes with all of them.
    world.reset_connection(pe, peer);
    assert!(world.nodes[pe].speaker.vrf_routes(VrfId(1)).is_empty());
    assert!(world.nodes[pe].fib.routes.is_empty() && world.nodes[pe].fib.nhlfes.is_empty());
    assert_eq!(world.nodes[pe].speaker.stats().vpn_paths, 0);
}

/// A CE that has room again after its limit refused routes is asked for them (RFC 2918), and not more often than every ten seconds.
#[test]
fn a_peer_is_asked_for_what_its_limit_refused() {
    let mut world = World::default();
    let near = world.node(AS, 1, v4(1));
    let far = world.node(65002, 2, v4(2));
    let (peer, _) = world.link(near, far, |node, peer| {
        peer.families = vec![FamilyConfig::new(Family::IPV4_UNICAST)];
        if node == near {
            peer.families[0].max_routes = Some(10);
        }
    });
    let local = |world: &mut World, n: u32, up: bool| {
        let prefix = Ipv4Prefix::from_bits(0x0a00_0000 + (n << 8), 24).unwrap().into();
        world.input(far, Input::Local { vrf: VrfId::GLOBAL, prefix, route: up.then_some(LocalRoute::Local) });
    };
    (0..15).for_each(|n| local(&mut world, n, true));
    world.run(Duration::from_secs(5));
    let held = |world: &World| {
        let state = world.nodes[near].speaker.peer_families(peer)[0];
        (state.received, state.refused)
    };
    assert_eq!(held(&world), (10, 5));
    local(&mut world, 0, false);
    world.settle();
    assert_eq!(held(&world).0, 9);
    world.run(Duration::from_secs(1));
    assert_eq!(held(&world), (10, 9), "it was asked, and sent fourteen again");
    local(&mut world, 1, false);
    world.run(Duration::from_secs(8));
    assert_eq!(held(&world).0, 9, "not asked again so soon");
    world.run(Duration::from_secs(3));
    assert_eq!(held(&world).0, 10);
    // Without anything refused nobody asks.
    let refreshes = |world: &World| world.nodes[near].speaker.session_counters(peer).unwrap().sent.refreshes;
    (2..8).for_each(|n| local(&mut world, n, false));
    world.run(Duration::from_secs(60));
    let asked = refreshes(&world);
    local(&mut world, 9, false);
    world.run(Duration::from_secs(60));
    assert_eq!((held(&world).0, refreshes(&world)), (6, asked));
}

/// RFC 4271 §6.3: the AS_PATH of an external peer begins with its AS, unless it is a route server.
#[test]
fn the_first_as_of_an_external_peer_is_its_own() {
    for (enforce, taken) in [(true, 1), (false, 2)] {
        let mut world = World::default();
        let near = world.node(AS, 1, v4(1));
        let far = world.node(65002, 2, v4(2));
        let (peer, _) = world.link(near, far, |_, peer| {
            peer.families = vec![FamilyConfig::new(Family::IPV4_UNICAST)];
            peer.enforce_first_as = enforce;
        });
        world.run(Duration::from_secs(5));
        for (n, path) in [(10, vec![65002, 65003]), (11, vec![65003, 65002])] {
            let a = [&[0x40, 1, 1, 0][..], &as_path(&path), &[0x40, 3, 4, 192, 0, 2, 2]].concat();
            world.inject(near, peer, &update(&a, &[8, n]));
        }
        world.settle();
        assert_eq!(world.nodes[near].speaker.vrf_routes(VrfId::GLOBAL).len(), taken);
        let counters = world.nodes[near].speaker.peer_counters(peer).unwrap();
        assert_eq!(counters.not_first_as, 2 - taken as u64);
    }
}

/// Two sites of one customer with one AS number: nothing without help; with `as_override` the PE puts its own AS in the place of
/// the customer's; with `allow_own_as` the CE takes its own AS number as often as it is told.
#[test]
fn sites_of_one_as_number_exchange_routes_by_override_or_allowance() {
    for (as_override, allow_own_as, expected) in
        [(false, 0, None), (true, 0, Some(vec![65001, 65001])), (false, 1, Some(vec![65001, 65010]))]
    {
        let mut world = World::default();
        let pe = world.node(AS, 1, v4(1));
        let target = "65001:1".parse().unwrap();
        let vrf = VrfConfig::new(VrfId(1), "blue", "65001:1".parse().unwrap(), target);
        world.nodes[pe].speaker.add_vrf(world.now, vrf).unwrap();
        let mut ces = Vec::new();
        for n in [10, 11] {
            let ce = world.node(65010, n, v4(n));
            world.circuit(pe, 1, circuit_of(1, ce) + 50, v4(n));
            world.link(pe, ce, |node, peer| {
                peer.families = vec![FamilyConfig::new(Family::IPV4_UNICAST)];
                if node == pe {
                    (peer.vrf, peer.as_override) = (VrfId(1), as_override);
                } else {
                    peer.allow_own_as = allow_own_as;
                }
            });
            ces.push(ce);
        }
        let prefix = "10.0.0.0/8".parse().unwrap();
        world.input(ces[0], Input::Local { vrf: VrfId::GLOBAL, prefix, route: Some(LocalRoute::Local) });
        world.run(Duration::from_secs(5));
        let learnt = world.nodes[ces[1]].speaker.vrf_routes(VrfId::GLOBAL);
        assert_eq!(learnt.len(), usize::from(expected.is_some()));
        if let (Some(path), Some(route)) = (expected, learnt.first()) {
            assert_eq!(route.attributes[4..], as_path(&path));
        }
    }
}
