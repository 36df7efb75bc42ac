//! CEs that speak BGP (RFC 4364 §7): import and export over EBGP, sites of origin, route limits.

use std::time::Duration;

use bgp_vpn::attr::ext_community::ExtCommunity;
use bgp_vpn::nlri::Family;
use bgp_vpn::session::FamilyConfig;
use bgp_vpn::speaker::{Event, Input, LocalRoute, PeerId, RouteSource};
use bgp_vpn::vrf::{LabelMode, RouteLimit, VrfConfig};
use fwd_core::net::{IpPrefix, VrfId};
use fwd_core::op::FwdOp;

use crate::overlap::{circuit_of, core, site};
use crate::world::{Delivery, World, v4};

/// A CE of AS `asn` at a VRF of a PE, with an EBGP session over its circuit; it originates `prefixes`.
pub fn ce(world: &mut World, pe: usize, vrf: u16, asn: u32, prefixes: &[&str]) -> (usize, PeerId, PeerId) {
    let id = 100 + world.nodes.len() as u8;
    let ce = world.node(asn, id, v4(id));
    world.circuit(pe, vrf, circuit_of(vrf, pe) + 50, v4(id));
    let (pe_side, ce_side) = world.link(pe, ce, |node, peer| {
        peer.families = [Family::IPV4_UNICAST, Family::IPV6_UNICAST].map(FamilyConfig::new).to_vec();
        if node == pe {
            peer.vrf = VrfId(vrf);
        }
    });
    originate(world, ce, prefixes, true);
    (ce, pe_side, ce_side)
}

fn originate(world: &mut World, ce: usize, prefixes: &[&str], up: bool) {
    for prefix in prefixes {
        let prefix = prefix.parse().unwrap();
        world.input(ce, Input::Local { vrf: VrfId::GLOBAL, prefix, route: up.then_some(LocalRoute::Local) });
    }
}

fn prefixes(world: &World, node: usize, vrf: VrfId) -> Vec<String> {
    let routes = world.nodes[node].speaker.vrf_routes(vrf);
    let mut all: Vec<String> = routes.iter().filter(|r| r.best).map(|r| r.prefix.to_string()).collect();
    all.sort();
    all
}

/// The two PEs of one VPN.
fn vpn(mode: LabelMode) -> (World, [usize; 2]) {
    let (mut world, pes, _) = core(2, 1);
    let t: &[&str] = &["65001:1"];
    site(&mut world, pes[0], 1, (t, t), mode, &[]);
    site(&mut world, pes[1], 1, (t, t), mode, &[]);
    (world, [pes[0], pes[1]])
}

#[test]
fn routes_go_from_ce_to_ce_with_the_path_of_both_ases() {
    for mode in [LabelMode::PerVrf, LabelMode::PerAttachmentCircuit, LabelMode::PerPrefix] {
        let (mut world, pes) = vpn(mode);
        let (a, _, _) = ce(&mut world, pes[0], 1, 65010, &["10.0.0.0/16", "fd00::/16"]);
        let (b, _, _) = ce(&mut world, pes[1], 1, 65020, &["10.1.0.0/16"]);
        world.reach_all();
        world.run(Duration::from_secs(5));
        assert_eq!(prefixes(&world, a, VrfId::GLOBAL), ["10.0.0.0/16", "10.1.0.0/16", "fd00::/16"]);
        assert_eq!(prefixes(&world, b, VrfId::GLOBAL), ["10.0.0.0/16", "10.1.0.0/16", "fd00::/16"]);
        let learnt = world.nodes[b].speaker.vrf_routes(VrfId::GLOBAL);
        let route = learnt.iter().find(|r| r.prefix.to_string() == "10.0.0.0/16").unwrap();
        assert_eq!(route.next_hop, Some(world.nodes[pes[1]].address));
        // AS_SEQUENCE 65001 65010, no route target, no LOCAL_PREF.
        let path = [0x40, 2, 10, 2, 2, 0, 0, 0xfd, 0xe9, 0, 0, 0xfd, 0xf2];
        assert_eq!(route.attributes, [&[0x40, 1, 1, 0][..], &path].concat());
        let to_a = Delivery::Circuit(pes[0], circuit_of(1, pes[0]) + 50);
        assert_eq!(world.send(pes[1], 1, "10.0.0.1".parse().unwrap()), to_a);
        assert_eq!(world.send(pes[1], 1, "fd00::1".parse().unwrap()), to_a);
        // Withdrawn at the source, gone at the other end, labels given back.
        originate(&mut world, a, &["10.0.0.0/16", "fd00::/16"], false);
        world.settle();
        assert_eq!(prefixes(&world, b, VrfId::GLOBAL), ["10.1.0.0/16"]);
        assert_eq!(world.send(pes[1], 1, "10.0.0.1".parse().unwrap()), Delivery::Dropped);
        let labels = world.nodes[pes[0]].fib.ilm.len();
        assert_eq!(labels, usize::from(mode != LabelMode::PerPrefix), "{mode:?}");
    }
}

#[test]
fn a_site_of_origin_does_not_get_its_own_routes_back() {
    let (mut world, pes, _) = core(2, 1);
    let soo = ExtCommunity::two_octet_as(ExtCommunity::ROUTE_ORIGIN, 65001, 9);
    for (i, pe) in pes.iter().enumerate() {
        let rd = format!("65001:{i}").parse().unwrap();
        let mut vrf = VrfConfig::new(VrfId(1), "blue", rd, "65001:1".parse().unwrap());
        vrf.site_of_origin = Some(soo);
        world.nodes[*pe].speaker.add_vrf(world.now, vrf).unwrap();
    }
    // One site with two CEs, of different AS numbers so that no loop check helps.
    let (a, _, _) = ce(&mut world, pes[0], 1, 65010, &["10.0.0.0/16"]);
    let (b, _, _) = ce(&mut world, pes[1], 1, 65020, &[]);
    world.reach_all();
    world.run(Duration::from_secs(5));
    let imported = world.nodes[pes[1]].speaker.vrf_routes(VrfId(1));
    assert!(imported.iter().any(|r| r.ext_communities().contains(&soo)), "the PE has the route, with its site");
    assert!(prefixes(&world, b, VrfId::GLOBAL).is_empty(), "the other CE of the site does not");
    assert_eq!(prefixes(&world, a, VrfId::GLOBAL), ["10.0.0.0/16"]);
}

/// A CE says a route target of another VPN: it is taken off, the route is its own VPN's, and the other VPN, at the same PE and at the other
/// one, has its own routes and no more.
///
/// Shows: L3VPN-TSK-4
#[test]
fn a_customer_cannot_choose_route_targets() {
    let (mut world, pes) = vpn(LabelMode::PerVrf);
    let (_, pe_side, _) = ce(&mut world, pes[0], 1, 65010, &[]);
    let other: &[&str] = &["65001:66"];
    site(&mut world, pes[0], 2, (other, other), LabelMode::PerVrf, &["10.1.0.0/16"]);
    site(&mut world, pes[1], 2, (other, other), LabelMode::PerVrf, &["10.2.0.0/16"]);
    world.reach_all();
    world.run(Duration::from_secs(5));
    let of_other = |world: &World| pes.map(|pe| prefixes(world, pe, VrfId(2)));
    let before = of_other(&world);
    assert_eq!(before[0], ["10.1.0.0/16", "10.2.0.0/16"]);
    // An UPDATE of the CE with a route target of that VPN.
    let session = world.nodes[pes[0]].speaker.peer_negotiated(pe_side).unwrap().clone();
    assert!(session.four_octet_as);
    let attributes = [
        &[0x40, 1, 1, 0, 0x40, 2, 6, 2, 1, 0, 0, 0xfd, 0xf2, 0x40, 3, 4, 192, 0, 2][..],
        &[world.nodes[3].speaker.identity().router_id.octets()[3]],
        &[0xc0, 16, 8, 0, 2, 0xfd, 0xe9, 0, 0, 0, 66],
    ]
    .concat();
    let mut update = vec![0xff; 16];
    update.extend_from_slice(&(23 + attributes.len() as u16 + 2).to_be_bytes());
    update.extend_from_slice(&[2, 0, 0, 0, attributes.len() as u8]);
    update.extend_from_slice(&attributes);
    update.extend_from_slice(&[8, 10]);
    world.inject(pes[0], pe_side, &update);
    world.settle();
    let exported = world.nodes[pes[0]].speaker.vpn_routes();
    let leaked: Vec<_> = exported.iter().filter(|r| r.prefix.to_string() == "10.0.0.0/8").collect();
    assert_eq!(leaked.len(), 1);
    assert_eq!(leaked[0].targets, ["65001:1".parse().unwrap()]);
    assert_eq!(prefixes(&world, pes[1], VrfId(1)), ["10.0.0.0/8"], "its own VPN has the route");
    assert_eq!(of_other(&world), before);
    let to = |vrf, address: &str| world.send(pes[1], vrf, address.parse().unwrap());
    assert_eq!(to(2, "10.3.0.1"), Delivery::Dropped);
    assert_eq!(to(2, "10.1.0.1"), Delivery::Circuit(pes[0], circuit_of(2, pes[0])), "the second VPN goes on");
}

/// Two VRFs of one PE, each with a CE, one limited to 1,000 routes.
fn limited() -> (World, usize, (usize, PeerId), usize) {
    let (mut world, pes, _) = core(2, 1);
    let t = |n: u16| format!("65001:{n}").parse().unwrap();
    for vrf in [1, 2] {
        let rd = format!("65001:{vrf}").parse().unwrap();
        let mut config = VrfConfig::new(VrfId(vrf), &format!("vpn{vrf}"), rd, t(vrf));
        config.limit = (vrf == 1).then_some(RouteLimit { mid: 500, high: 900, max: 1000 });
        world.nodes[pes[0]].speaker.add_vrf(world.now, config).unwrap();
    }
    let (a, a_side, _) = ce(&mut world, pes[0], 1, 65010, &[]);
    let (b, _, _) = ce(&mut world, pes[0], 2, 65020, &[]);
    world.reach_all();
    world.run(Duration::from_secs(5));
    (world, pes[0], (a, a_side), b)
}

fn flood(world: &mut World, ce: usize, routes: u32, up: bool) {
    for n in 0..routes {
        let prefix = IpPrefix::V4(fwd_core::net::Ipv4Prefix::from_bits(0x0a00_0000 + (n << 6), 26).unwrap());
        world.input(ce, Input::Local { vrf: VrfId::GLOBAL, prefix, route: up.then_some(LocalRoute::Local) });
    }
    world.settle();
}

/// What was done for one VRF at a PE.
fn ops_of(world: &World, pe: usize, vrf: u16) -> Vec<FwdOp> {
    let of =
        |op: &&FwdOp| matches!(op, FwdOp::SetRoute4 { vrf: v, .. } | FwdOp::ClearRoute4 { vrf: v, .. } if v.0 == vrf);
    world.nodes[pe].ops.iter().filter(of).copied().collect()
}

/// Shows: L3VPN-REF-9, L3VPN-TSK-4
#[test]
fn a_flood_from_a_ce_stops_at_its_vrfs_limit() {
    let (mut calm, pe, _, b) = limited();
    let others: Vec<String> = (0..50).map(|n| format!("172.16.{n}.0/24")).collect();
    let others: Vec<&str> = others.iter().map(String::as_str).collect();
    originate(&mut calm, b, &others, true);
    calm.settle();

    let (mut world, pe2, (a, a_side), b2) = limited();
    assert_eq!((pe, b), (pe2, b2));
    for (n, pair) in others.chunks(10).enumerate() {
        flood(&mut world, a, 20_000 * (n as u32 + 1), true);
        originate(&mut world, b, pair, true);
        world.settle();
    }
    let speaker = &world.nodes[pe].speaker;
    assert_eq!(speaker.peer_counters(a_side).unwrap().announced, 100_000);
    let stats = speaker.vrf_stats(VrfId(1)).unwrap();
    assert_eq!((stats.routes, stats.refused), (1000, 99_000));
    assert_eq!(ops_of(&world, pe, 1).len(), 1000);
    let crossings = |e: &&Event| matches!(e, Event::VrfThreshold { vrf: VrfId(1), .. });
    let crossed: Vec<_> = world.nodes[pe].events.iter().filter(crossings).collect();
    assert_eq!(
        crossed,
        [
            &Event::VrfThreshold { vrf: VrfId(1), routes: 500, high: false },
            &Event::VrfThreshold { vrf: VrfId(1), routes: 900, high: true }
        ]
    );
    let full = |e: &&Event| matches!(e, Event::VrfFull { .. });
    assert_eq!(world.nodes[pe].events.iter().filter(full).count(), 1);
    // The other VRF saw the same changes in the same order as without the flood, and at the same virtual time.
    assert_eq!(ops_of(&world, pe, 2), ops_of(&calm, pe, 2));
    assert_eq!(world.now, calm.now);
}

#[test]
fn a_freed_place_in_a_full_vrf_is_given_to_a_refused_route() {
    let (mut world, pe, (a, _), _) = limited();
    flood(&mut world, a, 1010, true);
    assert_eq!(world.nodes[pe].speaker.vrf_stats(VrfId(1)).unwrap().routes, 1000);
    // Twenty of the accepted go: the CE is asked, and what it still announces fills the places, ten of them.
    flood(&mut world, a, 20, false);
    world.run(Duration::from_secs(30));
    assert_eq!(world.nodes[pe].speaker.vrf_stats(VrfId(1)).unwrap().routes, 990);
    flood(&mut world, a, 20, true);
    assert_eq!(world.nodes[pe].speaker.vrf_stats(VrfId(1)).unwrap().routes, 1000);
}

#[test]
fn vrfs_of_one_pe_exchange_routes_by_route_target_without_labels() {
    let (mut world, pes, _) = core(1, 1);
    site(&mut world, pes[0], 1, (&["65001:1"], &["65001:1", "65001:9"]), LabelMode::PerVrf, &[]);
    site(&mut world, pes[0], 2, (&["65001:2", "65001:9"], &["65001:2"]), LabelMode::PerVrf, &[]);
    let (a, _, _) = ce(&mut world, pes[0], 1, 65010, &["10.0.0.0/16"]);
    let (b, _, _) = ce(&mut world, pes[0], 2, 65020, &["10.0.0.0/16", "10.1.0.0/16"]);
    world.run(Duration::from_secs(5));
    let to = |world: &World, vrf, address: &str| world.send(pes[0], vrf, address.parse().unwrap());
    assert_eq!(to(&world, 1, "10.0.0.1"), Delivery::Circuit(pes[0], circuit_of(1, pes[0]) + 50));
    assert_eq!(to(&world, 2, "10.0.0.1"), Delivery::Circuit(pes[0], circuit_of(2, pes[0]) + 50), "its own comes first");
    assert_eq!(to(&world, 1, "10.1.0.1"), Delivery::Dropped);
    // Without a route of its own, VRF 2 uses the leaked one.
    originate(&mut world, b, &["10.0.0.0/16"], false);
    world.settle();
    assert_eq!(to(&world, 2, "10.0.0.1"), Delivery::Circuit(pes[0], circuit_of(1, pes[0]) + 50));
    let leaked = world.nodes[pes[0]].speaker.vrf_routes(VrfId(2));
    assert!(leaked.iter().any(|r| matches!(r.source, RouteSource::Leaked(_)) && r.best));
    assert!(prefixes(&world, b, VrfId::GLOBAL).contains(&"10.0.0.0/16".into()));
    // It follows the other VRF's circuit.
    world.circuit(pes[0], 1, circuit_of(1, pes[0]) + 51, world.nodes[a].address);
    world.settle();
    assert_eq!(to(&world, 2, "10.0.0.1"), to(&world, 1, "10.0.0.1"));
    world.nodes[pes[0]].speaker.remove_vrf(world.now, VrfId(1)).unwrap();
    world.settle();
    assert_eq!(to(&world, 2, "10.0.0.1"), Delivery::Dropped);
}
