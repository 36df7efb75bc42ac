//! Backup paths in the forwarding plane, and routes of CEs that are exported beside a better one.

use std::time::Duration;

use bgp_vpn::nlri::Family;
use bgp_vpn::session::FamilyConfig;
use bgp_vpn::speaker::{Event, Input, LocalRoute, Output};
use bgp_vpn::vrf::{LabelMode, VrfConfig};
use fwd_core::net::{IfIndex, IpPrefix, NhlfeId, ProtectionId, VrfId};
use fwd_core::op::FwdOp;

use crate::overlap::{circuit_of, core, site};
use crate::world::{Delivery, World, v4};

const T: (&[&str], &[&str]) = (&["65001:1"], &["65001:1"]);
const PREFIXES: [&str; 4] = ["10.1.0.0/16", "10.2.0.0/16", "10.3.0.0/16", "fd01::/16"];

/// Three PEs; the second and third have the same routes, and the first has backup paths with so many pairs.
fn three(pairs: u32) -> (World, Vec<usize>) {
    let (mut world, pes, _) = core(3, 1);
    let now = world.now;
    let speaker = &mut world.nodes[pes[0]].speaker;
    speaker.set_protections(now, (ProtectionId(50), ProtectionId(49 + pairs))).unwrap();
    let config = VrfConfig::new(VrfId(1), "red", "65001:77".parse().unwrap(), "65001:1".parse().unwrap());
    speaker.add_vrf(now, VrfConfig { backup: true, ..config }).unwrap();
    for pe in &pes[1..] {
        site(&mut world, *pe, 1, T, LabelMode::PerVrf, &PREFIXES);
    }
    world.reach_all();
    world.run(Duration::from_secs(5));
    (world, pes)
}

/// Where packets of the first PE go, for every prefix.
fn all_at(world: &World, from: usize, pe: usize) -> bool {
    ["10.1.0.1", "10.2.0.1", "10.3.0.1", "fd01::1"]
        .iter()
        .all(|to| world.send(from, 1, to.parse().unwrap()) == Delivery::Circuit(pe, circuit_of(1, pe)))
}

/// The next op of a node, applied.
fn one_op(world: &mut World, node: usize) -> FwdOp {
    loop {
        match world.nodes[node].speaker.poll_output() {
            Some(Output::Program(op)) => {
                world.nodes[node].fib.apply(op);
                return op;
            }
            Some(Output::Event(_)) => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn one_operation_moves_all_routes_of_a_next_hop_that_fails() {
    let (mut world, pes) = three(4);
    assert!(all_at(&world, pes[0], pes[1]));
    assert_eq!(world.nodes[pes[0]].fib.pairs.len(), 1, "all routes share a pair");
    let address = world.nodes[pes[1]].address;
    world.input(pes[0], Input::NextHop { address, reach: None });
    assert_eq!(one_op(&mut world, pes[0]), FwdOp::SwitchOver { id: ProtectionId(50), backup: true });
    assert!(all_at(&world, pes[0], pes[2]), "with the first op");
    world.settle();
    assert!(all_at(&world, pes[0], pes[2]));
    assert!(world.nodes[pes[0]].fib.pairs.is_empty(), "there is no other way left");
    world.reach_all();
    world.settle();
    assert!(all_at(&world, pes[0], pes[1]));
    assert_eq!(world.nodes[pes[0]].fib.pairs.len(), 1);
    // The second way goes, and comes back: what is in use is not touched.
    let address = world.nodes[pes[2]].address;
    world.input(pes[0], Input::NextHop { address, reach: None });
    world.settle();
    assert!(all_at(&world, pes[0], pes[1]) && world.nodes[pes[0]].fib.pairs.is_empty());
    world.reach_all();
    world.settle();
    assert_eq!(world.nodes[pes[0]].fib.pairs.len(), 1);
    // Everything goes: nothing is left behind.
    let now = world.now;
    world.nodes[pes[0]].speaker.remove_vrf(now, VrfId(1)).unwrap();
    world.settle();
    let fib = &world.nodes[pes[0]].fib;
    assert!(fib.pairs.is_empty() && fib.nhlfes.is_empty() && fib.routes.is_empty());
}

#[test]
fn a_circuit_that_fails_hands_its_traffic_to_another_pe() {
    let (mut world, pes) = three(4);
    let circuit = 900;
    world.circuit(pes[0], 1, circuit, v4(98));
    for prefix in PREFIXES {
        let route = Some(LocalRoute::Via(IfIndex(circuit)));
        world.input(pes[0], Input::Local { vrf: VrfId(1), prefix: prefix.parse().unwrap(), route });
    }
    world.settle();
    let here = |world: &World| world.send(pes[0], 1, "10.2.0.1".parse().unwrap());
    assert_eq!(here(&world), Delivery::Circuit(pes[0], circuit));
    world.input(pes[0], Input::Circuit { iface: IfIndex(circuit), circuit: None });
    assert!(matches!(one_op(&mut world, pes[0]), FwdOp::SwitchOver { backup: true, .. }));
    assert!(all_at(&world, pes[0], pes[1]));
    world.settle();
    assert!(all_at(&world, pes[0], pes[1]));
}

#[test]
fn where_there_are_no_pairs_the_best_way_is_used_alone() {
    let (mut world, pes) = three(4);
    let id = ProtectionId(50);
    let (primary, backup, _) = world.nodes[pes[0]].fib.pairs[&id];
    world.nodes[pes[0]].fib.pairs.remove(&id);
    world.input(pes[0], Input::Refused(FwdOp::SetProtection { id, primary, backup }));
    world.settle();
    assert!(all_at(&world, pes[0], pes[1]));
    let full = |e: &&Event| matches!(e, Event::ForwardingFull { op: FwdOp::SetProtection { .. } });
    assert_eq!(world.nodes[pes[0]].events.iter().filter(full).count(), 1);
    let direct = |id: &NhlfeId| world.nodes[pes[0]].fib.nhlfes.contains_key(id);
    assert!(direct(&primary));
    let (mut world, _, _) = core(1, 1);
    let now = world.now;
    let wrong = world.nodes[0].speaker.set_protections(now, (ProtectionId(2), ProtectionId(1)));
    assert!(wrong.unwrap_err().to_string().starts_with("protections: 2 to 1"));
}

/// A CE of a PE's VRF 1, by circuit 950, that announces a prefix; time passes until everybody knows.
fn announcing_ce(world: &mut World, pe: usize, prefix: IpPrefix) -> usize {
    world.circuit(pe, 1, 950, v4(50));
    let ce = world.node(65010, 50, v4(50));
    world.link(pe, ce, |node, peer| {
        peer.families = vec![FamilyConfig::new(Family::IPV4_UNICAST)];
        if node == pe {
            peer.vrf = VrfId(1);
        }
    });
    world.input(ce, Input::Local { vrf: VrfId::GLOBAL, prefix, route: Some(LocalRoute::Local) });
    world.reach_all();
    world.run(Duration::from_secs(5));
    ce
}

#[test]
fn a_route_of_a_ce_is_exported_beside_a_better_one_of_another_pe_where_that_is_asked_for() {
    let prefix = "10.1.0.0/16".parse().unwrap();
    let to = "10.1.0.1".parse().unwrap();
    for best_external in [false, true] {
        let (mut world, pes, rrs) = core(2, 1);
        site(&mut world, pes[0], 1, T, LabelMode::PerVrf, &["10.1.0.0/16"]);
        let config = VrfConfig::new(VrfId(1), "red", "65001:77".parse().unwrap(), "65001:1".parse().unwrap());
        let config = VrfConfig { best_external, label_mode: LabelMode::PerAttachmentCircuit, ..config };
        let now = world.now;
        world.nodes[pes[1]].speaker.add_vrf(now, config).unwrap();
        let ce = announcing_ce(&mut world, pes[1], prefix);
        // The other PE's route has the shorter AS_PATH.
        assert_eq!(world.send(pes[1], 1, to), Delivery::Circuit(pes[0], circuit_of(1, pes[0])));
        let routes = world.nodes[rrs[0]].speaker.vpn_routes();
        assert_eq!(routes.len(), 1 + usize::from(best_external));
        for route in routes.iter().filter(|r| r.rd == Some("65001:77".parse().unwrap())) {
            let way = world.label_switch(pes[1], &[route.labels.as_slice()[0]], to);
            assert_eq!(way, Delivery::Circuit(pes[1], 950), "its label leads to the CE and not back");
        }
        // The better one goes, and what was at hand, or follows, is used; the CE's goes too.
        world.input(pes[0], Input::Local { vrf: VrfId(1), prefix, route: None });
        world.settle();
        assert_eq!(world.send(pes[0], 1, to), Delivery::Circuit(pes[1], 950));
        world.input(ce, Input::Local { vrf: VrfId::GLOBAL, prefix, route: None });
        world.settle();
        assert_eq!(world.nodes[rrs[0]].speaker.stats().vpn_routes, 0);
    }
    let (mut world, _, _) = core(1, 1);
    let config = VrfConfig::new(VrfId(1), "red", "65001:77".parse().unwrap(), "65001:1".parse().unwrap());
    let now = world.now;
    let error = world.nodes[0].speaker.add_vrf(now, VrfConfig { best_external: true, ..config }).unwrap_err();
    assert!(error.to_string().starts_with("best_external: one label for the VRF"), "{error}");
}

/// Another VRF of the PE that imports only the CE's route sends by the CE, though the CE's own VRF prefers another PE.
#[test]
fn a_best_external_route_leaks_with_its_own_way_out() {
    let prefix = "10.1.0.0/16".parse().unwrap();
    let to = "10.1.0.1".parse().unwrap();
    let (mut world, pes, _) = core(2, 1);
    site(&mut world, pes[0], 1, T, LabelMode::PerVrf, &["10.1.0.0/16"]);
    let now = world.now;
    let mut red = VrfConfig::new(VrfId(1), "red", "65001:77".parse().unwrap(), "65001:1".parse().unwrap());
    (red.best_external, red.label_mode) = (true, LabelMode::PerAttachmentCircuit);
    red.export.push("65001:9".parse().unwrap());
    let blue = VrfConfig::new(VrfId(2), "blue", "65001:78".parse().unwrap(), "65001:9".parse().unwrap());
    for config in [red, blue] {
        world.nodes[pes[1]].speaker.add_vrf(now, config).unwrap();
    }
    announcing_ce(&mut world, pes[1], prefix);
    assert_eq!(world.send(pes[1], 1, to), Delivery::Circuit(pes[0], circuit_of(1, pes[0])));
    assert_eq!(world.send(pes[1], 2, to), Delivery::Circuit(pes[1], 950));
    // The better route goes and comes again: nothing changes for the VRF that never had it.
    for route in [None, Some(LocalRoute::Local)] {
        world.input(pes[0], Input::Local { vrf: VrfId(1), prefix, route });
        world.settle();
        assert_eq!(world.send(pes[1], 2, to), Delivery::Circuit(pes[1], 950));
    }
}
