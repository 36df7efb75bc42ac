//! Labels that are taken back while peers still hold routes with them (RFC 4364 §4.3.2; RFC 8277 §2.4).

use std::time::Duration;

use bgp_vpn::nlri::Family;
use bgp_vpn::session::FamilyConfig;
use bgp_vpn::speaker::{Circuit, Event, Input, LocalRoute, Side};
use bgp_vpn::vrf::{LabelMode, VrfConfig};
use fwd_core::net::{IfIndex, NhlfeId, VrfId};
use fwd_core::op::FwdOp;

use crate::overlap::{AS, circuit_of, site};
use crate::world::{Delivery, World, v4};

const A: (&[&str], &[&str]) = (&["65001:1"], &["65001:1"]);

/// Two PEs with a session to each other; VPN A at both, with 10.1.0.0/16 behind the first. Updates wait `interval`.
fn two_pes(mode: LabelMode, labels: u32, interval: u64) -> (World, usize, usize) {
    let mut world = World::default();
    let near = world.node_with_labels(AS, 1, v4(1), (1000, 1000 + labels - 1));
    let far = world.node(AS, 2, v4(2));
    world.link(near, far, |_, peer| {
        peer.families = vec![FamilyConfig::new(Family::VPN_IPV4)];
        peer.timers.min_route_advertisement = Duration::from_secs(interval);
    });
    site(&mut world, near, 1, A, mode, &["10.1.0.0/16"]);
    site(&mut world, far, 1, A, LabelMode::PerVrf, &[]);
    world.reach_all();
    world.run(Duration::from_secs(60));
    let behind = Delivery::Circuit(near, circuit_of(1, near));
    assert_eq!(world.send(far, 1, "10.1.0.1".parse().unwrap()), behind);
    (world, near, far)
}

/// The first PE cannot write to the other any more.
fn stop_reading(world: &mut World, near: usize) {
    let peer = world.nodes[near].speaker.peers()[0];
    world.nodes[near].room = 0;
    world.input(near, Input::Writable { peer, side: Side::Outgoing, room: 0 });
}

/// Program before advertise, and withdraw before clear: while a peer holds a route, its PE has the label.
#[test]
fn the_label_of_a_withdrawn_route_outlives_it_until_peers_are_told() {
    let (mut world, near, far) = two_pes(LabelMode::PerPrefix, 100, 0);
    stop_reading(&mut world, near);
    let prefix = "10.1.0.0/16".parse().unwrap();
    world.input(near, Input::Local { vrf: VrfId(1), prefix, route: None });
    world.settle();
    assert_eq!((world.nodes[far].speaker.vpn_routes().len(), world.nodes[near].fib.ilm.len()), (1, 1));
    let peer = world.nodes[near].speaker.peers()[0];
    world.input(near, Input::Writable { peer, side: Side::Outgoing, room: 1 << 16 });
    world.settle();
    assert_eq!((world.nodes[far].speaker.vpn_routes().len(), world.nodes[near].fib.ilm.len()), (0, 0));
}

/// A VRF is removed and its handle used for another customer's, before the other PE can be told: what still comes with the old
/// label goes nowhere, and least of all to the other customer.
#[test]
fn the_label_of_a_removed_vrf_leads_into_no_other() {
    let (mut world, near, far) = two_pes(LabelMode::PerVrf, 100, 0);
    stop_reading(&mut world, near);
    let now = world.now;
    world.nodes[near].speaker.remove_vrf(now, VrfId(1)).unwrap();
    let rd = "65001:900".parse().unwrap();
    let other = VrfConfig::new(VrfId(1), "other", rd, "65001:9".parse().unwrap());
    world.nodes[near].speaker.add_vrf(now, other).unwrap();
    world.circuit(near, 1, 700, v4(98));
    let prefix = "10.1.0.0/16".parse().unwrap();
    let route = Some(LocalRoute::Via(IfIndex(700)));
    world.input(near, Input::Local { vrf: VrfId(1), prefix, route });
    world.settle();
    // The other PE was not told: its packets still come.
    assert_eq!(world.nodes[far].speaker.vpn_routes().len(), 1);
    assert_eq!(world.send(far, 1, "10.1.0.1".parse().unwrap()), Delivery::Dropped);
    // Nor is the label another's before it was told.
    assert_eq!(world.nodes[near].speaker.stats().labels, 2);
}

/// A circuit moves to the VRF of another customer, or its entry to another circuit: labels that lead to the entry do so no more,
/// whether or not the peers were told.
#[test]
fn the_label_of_a_moved_circuit_leads_into_no_other_vrf() {
    for mode in [LabelMode::PerAttachmentCircuit, LabelMode::PerPrefix] {
        let (mut world, near, far) = two_pes(mode, 100, 0);
        site(&mut world, near, 2, (&["65001:2"], &["65001:2"]), mode, &[]);
        stop_reading(&mut world, near);
        let number = circuit_of(1, near);
        let circuit = Circuit { vrf: VrfId(2), address: v4(97), nhlfe: NhlfeId(number) };
        world.input(near, Input::Circuit { iface: IfIndex(number), circuit: Some(circuit) });
        world.settle();
        assert_eq!(world.nodes[far].speaker.vpn_routes().len(), 1);
        assert_eq!(world.send(far, 1, "10.1.0.1".parse().unwrap()), Delivery::Dropped, "{mode:?}");
    }
}

/// A circuit that only changes its entry keeps what leads there, under the label that peers know.
#[test]
fn a_circuit_that_changes_its_entry_keeps_its_label() {
    for mode in [LabelMode::PerAttachmentCircuit, LabelMode::PerPrefix] {
        let (mut world, near, far) = two_pes(mode, 100, 0);
        stop_reading(&mut world, near);
        let circuit = Circuit { vrf: VrfId(1), address: v4(99), nhlfe: NhlfeId(777) };
        world.input(near, Input::Circuit { iface: IfIndex(circuit_of(1, near)), circuit: Some(circuit) });
        world.settle();
        assert_eq!(world.send(far, 1, "10.1.0.1".parse().unwrap()), Delivery::Circuit(near, 777), "{mode:?}");
    }
}

/// A route that comes and goes between two rounds of UPDATEs, with a label of its own: the range is not used up by it, and
/// another route still finds a label.
#[test]
fn a_flapping_route_does_not_use_up_the_labels() {
    let (mut world, near, far) = two_pes(LabelMode::PerPrefix, 4, 30);
    let prefix = "10.1.0.0/16".parse().unwrap();
    let via = Some(LocalRoute::Via(IfIndex(circuit_of(1, near))));
    let flap = |world: &mut World| {
        for route in [None, via] {
            world.input(near, Input::Local { vrf: VrfId(1), prefix, route });
            world.settle();
        }
    };
    // The withdrawal goes at once, the route one interval later; the next round is another one away.
    flap(&mut world);
    world.run(Duration::from_secs(31));
    assert_eq!(world.nodes[far].speaker.vpn_routes().len(), 1);
    (0..20).for_each(|_| flap(&mut world));
    let prefix = "10.2.0.0/16".parse().unwrap();
    world.input(near, Input::Local { vrf: VrfId(1), prefix, route: via });
    world.run(Duration::from_secs(90));
    let exhausted = |e: &Event| matches!(e, Event::LabelsExhausted { .. });
    assert!(!world.nodes[near].events.iter().any(exhausted));
    let behind = Delivery::Circuit(near, circuit_of(1, near));
    for to in ["10.1.0.1", "10.2.0.1"] {
        assert_eq!(world.send(far, 1, to.parse().unwrap()), behind);
    }
    assert_eq!(world.nodes[near].speaker.stats().labels, 2);
}

/// A forwarding plane without room for labels refuses each once; nobody asks again and again.
#[test]
fn refused_labels_are_not_asked_for_without_end() {
    let mut world = World::default();
    let pe = world.node(AS, 1, v4(1));
    site(&mut world, pe, 1, A, LabelMode::PerPrefix, &["10.1.0.0/16", "10.2.0.0/16", "fd01::/16"]);
    let speaker = &mut world.nodes[pe].speaker;
    let mut refused = 0;
    for _ in 0..1000 {
        let Some(output) = speaker.poll_output() else { break };
        if let bgp_vpn::speaker::Output::Program(op @ FwdOp::SetIlm { .. }) = output {
            refused += 1;
            speaker.handle_input(world.now, Input::Refused(op));
        }
    }
    assert_eq!((speaker.poll_output(), refused), (None, 3));
    assert!(speaker.vpn_routes().is_empty());
    speaker.retry_refused(world.now, VrfId(1)).unwrap();
    world.drain(pe);
    assert_eq!((world.nodes[pe].fib.ilm.len(), world.nodes[pe].speaker.vpn_routes().len()), (3, 3));
}
