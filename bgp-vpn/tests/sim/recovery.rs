//! Sessions that end and come back, next hops that move, forwarding planes that are full.

use std::time::Duration;

use bgp_vpn::nlri::Family;
use bgp_vpn::session::{FamilyConfig, PeerRole};
use bgp_vpn::speaker::{Circuit, Event, Input, PeerId, Reach, RouteSource};
use bgp_vpn::vrf::LabelMode;
use fwd_core::net::{IfIndex, NhlfeId, VrfId};
use fwd_core::op::FwdOp;

use crate::overlap::{AS, VPN, circuit_of, core, site};
use crate::paths::withdrawal;
use crate::reflect::route;
use crate::world::{Delivery, World, v4};

/// Two PEs behind a reflector, one VPN.
fn vpn() -> (World, Vec<usize>, usize) {
    let (mut world, pes, rrs) = core(2, 1);
    let t: &[&str] = &["65001:1"];
    site(&mut world, pes[0], 1, (t, t), LabelMode::PerVrf, &["10.0.0.0/16", "10.2.0.0/16"]);
    site(&mut world, pes[1], 1, (t, t), LabelMode::PerVrf, &["10.1.0.0/16"]);
    world.reach_all();
    world.run(Duration::from_secs(5));
    (world, pes, rrs[0])
}

/// Two PEs with a direct session that restarts gracefully, or not.
fn direct(restart: Option<Duration>) -> World {
    let mut world = World::default();
    for i in 0..2 {
        world.node(AS, i + 1, v4(i + 1));
    }
    world.link(0, 1, |_, peer| {
        peer.families = VPN.map(bgp_vpn::session::FamilyConfig::new).to_vec();
        peer.graceful_restart = restart;
        peer.timers.connect_retry = Duration::from_secs(10);
    });
    let t: &[&str] = &["65001:1"];
    site(&mut world, 0, 1, (t, t), LabelMode::PerVrf, &["10.0.0.0/16", "10.2.0.0/16"]);
    site(&mut world, 1, 1, (t, t), LabelMode::PerVrf, &["10.1.0.0/16"]);
    world.reach_all();
    world.run(Duration::from_secs(5));
    world
}

fn reaches(world: &World, from: usize, to: &str, pe: usize) -> bool {
    world.send(from, 1, to.parse().unwrap()) == Delivery::Circuit(pe, circuit_of(1, pe))
}

#[test]
fn without_graceful_restart_routes_go_with_the_session() {
    let mut world = direct(None);
    assert!(reaches(&world, 1, "10.0.0.1", 0));
    let peer = world.nodes[0].speaker.peers()[0];
    world.set_cut(0, peer, true);
    world.reset_connection(0, peer);
    assert!(!reaches(&world, 1, "10.0.0.1", 0));
    world.set_cut(0, peer, false);
    world.run(Duration::from_secs(300));
    assert!(reaches(&world, 1, "10.0.0.1", 0));
}

#[test]
fn with_graceful_restart_routes_stay_until_the_end_of_rib_or_the_restart_time() {
    let mut world = direct(Some(Duration::from_secs(120)));
    let peer = world.nodes[0].speaker.peers()[0];
    let ops = world.nodes[1].ops.len();
    // The session ends; meanwhile one of the routes goes.
    world.set_cut(0, peer, true);
    world.reset_connection(0, peer);
    let prefix = "10.2.0.0/16".parse().unwrap();
    world.input(0, Input::Local { vrf: VrfId(1), prefix, route: None });
    world.settle();
    assert!(reaches(&world, 1, "10.0.0.1", 0));
    let held = |world: &World| world.nodes[1].fib.routes.contains_key(&(VrfId(1), prefix));
    assert!(held(&world));
    assert_eq!(world.nodes[1].ops.len(), ops);
    assert!(world.nodes[1].speaker.vpn_routes().iter().any(|r| r.stale));
    world.set_cut(0, peer, false);
    world.run(Duration::from_secs(100));
    assert_eq!(world.established(1), 1);
    assert!(reaches(&world, 1, "10.0.0.1", 0) && !held(&world));
    assert!(!world.nodes[1].speaker.vpn_routes().iter().any(|r| r.stale));
    assert_eq!(world.nodes[1].ops.len(), ops + 1, "only the withdrawn route was touched");
    // The session ends and does not come back.
    world.set_cut(0, peer, true);
    world.reset_connection(0, peer);
    world.run(Duration::from_secs(119));
    assert!(reaches(&world, 1, "10.0.0.1", 0));
    world.run(Duration::from_secs(2));
    assert!(!reaches(&world, 1, "10.0.0.1", 0));
    assert!(world.nodes[1].fib.nhlfes.is_empty());
}

/// A reflector with two clients that restart gracefully for 60 s and then for long; the last takes stale routes or does not know them.
fn long_lived(knows: bool) -> (World, PeerId) {
    let mut world = World::default();
    let rr = world.node(AS, 200, v4(200));
    let mut first = None;
    for i in 0..3usize {
        let node = world.node(AS, i as u8 + 1, v4(i as u8 + 1));
        let (_, peer) = world.link(node, rr, |at, peer| {
            let mut family = FamilyConfig::new(Family::VPN_IPV4);
            family.long_lived = (i < 2 || knows).then_some(Duration::from_secs(1000));
            peer.families = vec![family];
            peer.graceful_restart = Some(Duration::from_secs(60));
            peer.timers.connect_retry = Duration::from_secs(10);
            if at == rr {
                peer.role = PeerRole::ReflectorClient;
            }
        });
        first.get_or_insert(peer);
    }
    world.run(Duration::from_secs(5));
    (world, first.unwrap())
}

/// What the last client holds: LOCAL_PREF, and whether the route is marked.
fn held_by_last(world: &World) -> Vec<(u8, bool)> {
    let held = world.nodes[3].speaker.vpn_routes();
    let view = held.iter().map(|r| {
        let attributes = &r.attributes;
        let preference = attributes[attributes.windows(3).position(|w| w == [0x40, 5, 4]).unwrap() + 6];
        (preference, attributes.windows(4).any(|w| w == [0xff, 0xff, 0, 6]))
    });
    view.collect()
}

#[test]
fn routes_of_a_peer_that_stays_away_are_the_last_resort_for_as_long_as_it_said() {
    for knows in [true, false] {
        let (mut world, peer) = long_lived(knows);
        let peers = world.nodes[0].speaker.peers();
        let preferred = |p: u8| route(10, &[0x40, 5, 4, 0, 0, 0, p]);
        world.inject(0, peers[0], &preferred(200));
        // NO_LLGR: not to be kept.
        world.inject(0, peers[0], &route(11, &[0x40, 5, 4, 0, 0, 0, 150, 0xc0, 8, 4, 0xff, 0xff, 0, 7]));
        world.inject(0, peers[1], &preferred(100));
        world.settle();
        assert_eq!(held_by_last(&world), [(200, false), (150, false)]);
        world.set_cut(0, peer, true);
        world.reset_connection(0, peer);
        world.run(Duration::from_secs(59));
        assert_eq!(held_by_last(&world), [(200, false), (150, false)], "the restart time");
        world.run(Duration::from_secs(2));
        assert_eq!(held_by_last(&world), [(100, false)], "a route that is not stale is better whatever its preference");
        world.inject(0, peers[1], &withdrawal(10));
        world.settle();
        let last_resort = if knows { vec![(200, true)] } else { vec![] };
        assert_eq!(held_by_last(&world), last_resort, "told to those that know what the mark means");
        world.run(Duration::from_secs(990));
        assert_eq!(world.nodes[0].speaker.stats().vpn_routes, 1);
        world.run(Duration::from_secs(15));
        assert_eq!(world.nodes[0].speaker.stats().vpn_routes, 0);
        assert!(held_by_last(&world).is_empty());
    }
}

#[test]
fn a_peer_that_comes_back_late_has_its_routes_until_it_said_what_is_left() {
    let (mut world, peer) = long_lived(true);
    let peers = world.nodes[0].speaker.peers();
    for prefix in [10, 11] {
        world.inject(0, peers[0], &route(prefix, &[0x40, 5, 4, 0, 0, 0, 100]));
    }
    world.settle();
    world.set_cut(0, peer, true);
    world.reset_connection(0, peer);
    world.run(Duration::from_secs(200));
    assert_eq!(held_by_last(&world), [(100, true), (100, true)]);
    world.set_cut(0, peer, false);
    world.run(Duration::from_secs(60));
    // It sent End-of-RIB and nothing else: it has no routes of its own in this world.
    assert_eq!(world.established(0), 3);
    assert!(held_by_last(&world).is_empty());
}

/// Shows: L3VPN-8.1-10
#[test]
fn after_a_restart_nothing_is_programmed_or_told_before_all_peers_said_what_they_have() {
    for back in [true, false] {
        let mut world = World::default();
        for i in 0..3 {
            world.node(AS, i + 1, v4(i + 1));
        }
        let now = world.now;
        world.nodes[0].speaker.restarted(now, Duration::from_secs(120)).unwrap();
        let mut peers = Vec::new();
        for i in 1..3 {
            let (peer, _) = world.link(0, i, |_, peer| {
                peer.families = VPN.map(FamilyConfig::new).to_vec();
                peer.families.push(FamilyConfig::new(Family::RT_CONSTRAINT));
                peer.graceful_restart = Some(Duration::from_secs(100));
                peer.timers.connect_retry = Duration::from_secs(5);
            });
            peers.push(peer);
        }
        let t: &[&str] = &["65001:1"];
        for i in 0..3 {
            site(&mut world, i, 1, (t, t), LabelMode::PerVrf, &[&format!("10.{i}.0.0/16")]);
        }
        world.reach_all();
        world.set_cut(0, peers[1], true);
        world.run(Duration::from_secs(60));
        assert_eq!(world.established(0), 1);
        let seen = world.nodes[1].speaker.peer_negotiated(world.nodes[1].speaker.peers()[0]).unwrap();
        let restart = seen.peer_restart.clone().unwrap();
        assert!(restart.restarted && restart.families.iter().all(|(_, forwarding)| *forwarding));
        assert_eq!(world.nodes[0].ops, [], "the forwarding plane keeps what it held");
        assert!(world.nodes[1].speaker.vpn_routes().iter().all(|r| r.source == RouteSource::Local));
        assert!(world.nodes[0].speaker.vpn_routes().len() > 1, "the peer told its routes: it knows what is wanted");
        world.set_cut(0, peers[1], !back);
        world.run(Duration::from_secs(if back { 40 } else { 70 }));
        let ended = world.nodes[0].events.iter().filter_map(|e| match e {
            Event::RestartEnded { complete } => Some(*complete),
            _ => None,
        });
        assert_eq!(ended.collect::<Vec<_>>(), [back]);
        assert!(reaches(&world, 1, "10.0.0.1", 0) && reaches(&world, 0, "10.1.0.1", 1));
    }
    let mut world = World::default();
    world.node(AS, 1, v4(1));
    let now = world.now;
    let error = world.nodes[0].speaker.restarted(now, Duration::ZERO).unwrap_err();
    assert!(error.to_string().starts_with("deferral: 0ns"), "{error}");
}

#[test]
fn a_next_hop_that_moves_rewrites_entries_and_not_routes() {
    let (mut world, pes, _) = vpn();
    let ops = world.nodes[pes[1]].ops.len();
    let address = world.nodes[pes[0]].address;
    let via = |nhlfe| Some(Reach { metric: 10, nhlfe: NhlfeId(nhlfe) });
    world.input(pes[1], Input::NextHop { address, reach: via(77) });
    world.settle();
    let new: Vec<FwdOp> = world.nodes[pes[1]].ops[ops..].to_vec();
    assert!(matches!(new[..], [FwdOp::SetNhlfe { .. }]), "{new:?}");
    // Unreachable: the routes go; back: they come.
    world.input(pes[1], Input::NextHop { address, reach: None });
    world.settle();
    assert_eq!(world.send(pes[1], 1, "10.0.0.1".parse().unwrap()), Delivery::Dropped);
    assert!(world.nodes[pes[1]].fib.nhlfes.is_empty());
    world.input(pes[1], Input::NextHop { address, reach: via(pes[0] as u32 + 1) });
    world.settle();
    assert!(reaches(&world, pes[1], "10.0.0.1", pes[0]));
}

#[test]
fn a_circuit_that_goes_down_takes_its_routes_along() {
    for mode in [LabelMode::PerVrf, LabelMode::PerAttachmentCircuit, LabelMode::PerPrefix] {
        let (mut world, pes, _) = core(2, 1);
        let t: &[&str] = &["65001:1"];
        site(&mut world, pes[0], 1, (t, t), mode, &["10.0.0.0/16"]);
        site(&mut world, pes[1], 1, (t, t), mode, &[]);
        world.reach_all();
        world.run(Duration::from_secs(5));
        assert!(reaches(&world, pes[1], "10.0.0.1", pes[0]));
        let iface = IfIndex(circuit_of(1, pes[0]));
        world.input(pes[0], Input::Circuit { iface, circuit: None });
        world.settle();
        assert_eq!(world.send(pes[1], 1, "10.0.0.1".parse().unwrap()), Delivery::Dropped, "{mode:?}");
        assert!(world.nodes[pes[1]].fib.routes.is_empty());
        let circuit = Some(Circuit { vrf: VrfId(1), address: v4(99), nhlfe: NhlfeId(555) });
        world.input(pes[0], Input::Circuit { iface, circuit });
        world.settle();
        assert_eq!(world.send(pes[1], 1, "10.0.0.1".parse().unwrap()), Delivery::Circuit(pes[0], 555), "{mode:?}");
        // Another entry for the same circuit: labels stay and do something else.
        let ops = world.nodes[pes[1]].ops.len();
        let circuit = Some(Circuit { vrf: VrfId(1), address: v4(99), nhlfe: NhlfeId(556) });
        world.input(pes[0], Input::Circuit { iface, circuit });
        world.settle();
        assert_eq!(world.send(pes[1], 1, "10.0.0.1".parse().unwrap()), Delivery::Circuit(pes[0], 556), "{mode:?}");
        assert_eq!(world.nodes[pes[1]].ops.len(), ops, "nothing changed for others");
    }
}

#[test]
fn a_refused_route_is_withdrawn_everywhere_and_the_others_stay() {
    let (mut world, pes, _) = vpn();
    let refused = *world.nodes[pes[0]]
        .ops
        .iter()
        .find(|op| matches!(op, FwdOp::SetRoute4 { prefix, .. } if prefix.to_string() == "10.0.0.0/16"))
        .unwrap();
    world.input(pes[0], Input::Refused(refused));
    world.settle();
    assert!(world.nodes[pes[0]].events.contains(&Event::ForwardingFull { op: refused }));
    assert_eq!(world.send(pes[0], 1, "10.0.0.1".parse().unwrap()), Delivery::Dropped);
    assert_eq!(world.send(pes[1], 1, "10.0.0.1".parse().unwrap()), Delivery::Dropped);
    assert!(reaches(&world, pes[1], "10.2.0.1", pes[0]));
    let now = world.now;
    world.nodes[pes[0]].speaker.retry_refused(now, VrfId(1)).unwrap();
    world.settle();
    assert!(reaches(&world, pes[1], "10.0.0.1", pes[0]));
}

#[test]
fn a_refused_label_or_entry_takes_what_needs_it() {
    let (mut world, pes, _) = vpn();
    let of = |world: &World, pe: usize, f: fn(&FwdOp) -> bool| *world.nodes[pe].ops.iter().find(|op| f(op)).unwrap();
    let label = of(&world, pes[0], |op| matches!(op, FwdOp::SetIlm { .. }));
    world.input(pes[0], Input::Refused(label));
    world.settle();
    assert_eq!(world.send(pes[1], 1, "10.0.0.1".parse().unwrap()), Delivery::Dropped);
    assert!(reaches(&world, pes[0], "10.0.0.1", pes[0]), "local forwarding needs no label");
    let entry = of(&world, pes[0], |op| matches!(op, FwdOp::SetNhlfe { .. }));
    assert!(reaches(&world, pes[0], "10.1.0.1", pes[1]));
    world.input(pes[0], Input::Refused(entry));
    world.settle();
    assert_eq!(world.send(pes[0], 1, "10.1.0.1".parse().unwrap()), Delivery::Dropped);
    assert!(world.nodes[pes[0]].fib.nhlfes.is_empty());
}

/// A removed VRF takes its labels out of the forwarding plane at once; their numbers are used again only when no peer holds a
/// route with them.
#[test]
fn labels_of_a_removed_vrf_are_reserved_while_peers_hold_them() {
    let (mut world, pes, rr) = vpn();
    let iface = IfIndex(circuit_of(1, pes[0]));
    // The reflector does not read.
    world.nodes[pes[0]].room = 0;
    let (peer, side) = (world.nodes[pes[0]].speaker.peers()[0], bgp_vpn::speaker::Side::Outgoing);
    world.input(pes[0], Input::Writable { peer, side, room: 0 });
    let now = world.now;
    world.nodes[pes[0]].speaker.remove_vrf(now, VrfId(1)).unwrap();
    world.input(pes[0], Input::Circuit { iface, circuit: None });
    world.settle();
    assert_eq!(world.nodes[rr].speaker.stats().vpn_routes, 3);
    assert!(world.nodes[pes[0]].fib.ilm.is_empty());
    assert_eq!(world.nodes[pes[0]].speaker.stats().labels, 1, "the label that the others hold is still reserved");
    world.nodes[pes[0]].room = 1 << 16;
    world.input(pes[0], Input::Writable { peer, side, room: 1 << 16 });
    world.settle();
    assert_eq!(world.nodes[rr].speaker.stats().vpn_routes, 1);
    assert!(world.nodes[pes[0]].fib.ilm.is_empty() && world.nodes[pes[0]].fib.routes.is_empty());
    assert_eq!(world.nodes[pes[0]].speaker.stats().labels, 0);
}
