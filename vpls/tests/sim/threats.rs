//! Attacks (the catalogue's threat table) with the default limits: the attacker's instance degrades, the others stay as they were.

use std::net::Ipv4Addr;
use std::time::Duration;

use fwd_core::DropReason;
use fwd_core::net::*;
use fwd_core::op::Tags;
use mvpn::gmp::RecordType;
use vpls::damping::DampingConfig;
use vpls::multicast::TreeConfig;
use vpls::police::{Rate, TypeRates};
use vpls::snoop::{AclLine, CircuitSnoop, SnoopConfig};
use vpls::{CircuitConfig, EventKind, Input, VsiConfig, VsiLimits};

use super::signalling::{VSI, circuit, network, ve};
use super::snoop::{G, snooping};
use crate::world::World;
use crate::world::packets::{Jp, data, frame, hello, join, join_prune, leave, mac, query, report};

/// The victim's instance: on interface 3 of each PE.
const VICTIM: VsiId = VsiId(2);

/// Two PEs: the attacker's instance on interfaces 1 and 2, the victim's on 3.
fn networks(config: impl Fn(&mut VsiConfig)) -> World {
    let of = |pe, vsi| VsiConfig { snoop: Some(snooping()), ..ve(pe, vsi) };
    let mut world = network(2, |pe| {
        let mut attacked = of(pe, 1);
        config(&mut attacked);
        attacked
    });
    for pe in 0..2 {
        world.with(pe, |machine, now| machine.add_vsi(now, of(pe, 2)).unwrap());
        circuit(&mut world, pe, VICTIM, 3);
    }
    world.pass(Duration::from_secs(3));
    world.send(1, 3, &join(7, G));
    world.send(0, 3, &frame(Mac::BROADCAST, mac(3)));
    world.send(1, 3, &frame(Mac::BROADCAST, mac(4)));
    victim_is_well(&mut world);
    world
}

/// The victim's groups, a new join, and unicast, as without an attack: all at once, nothing lost.
fn victim_is_well(world: &mut World) {
    for n in 0..20 {
        assert_eq!(world.reached(0, 3, &data(1, G)), [(1, 3)]);
        assert_eq!(world.reached(0, 3, &frame(mac(4), mac(3))), [(1, 3)]);
        let fresh = Ipv4Addr::new(226, 0, 1, n);
        world.send(1, 3, &join(7, fresh));
        assert_eq!(world.reached(0, 3, &data(1, fresh)), [(1, 3)]);
        world.send(1, 3, &leave(7, fresh));
    }
}

fn group(n: u32) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(Ipv4Addr::new(239, 0, 0, 0)) + n)
}

fn groups(world: &World, pe: usize, vsi: VsiId) -> usize {
    world.pes[pe].pe.usage(vsi).unwrap().groups
}

/// VPLS-THR-A1: groups without end from one circuit. What it has is kept, and so is what its neighbour joins.
///
/// Shows: VPLS-THR-A1, VPLS-SEC-8
#[test]
fn a_circuit_joins_more_groups_than_it_may() {
    let mut world = networks(|_| {});
    for n in 0..3000 {
        world.send(0, 1, &join(7, group(n)));
        if n % 50 == 0 {
            world.pass(Duration::from_secs(1));
        }
    }
    assert_eq!(groups(&world, 0, VSI), 512);
    assert!(world.has_event(0, |kind| matches!(kind, EventKind::GroupLimit(_))));
    world.pass(Duration::from_secs(1));
    world.send(0, 2, &join(8, G));
    assert_eq!(world.reached(1, 1, &data(1, G)), [(0, 2)], "the neighbour's circuit joins as ever");
    assert_eq!(world.reached(1, 1, &data(1, group(2999))), [], "refused: unregistered");
    world.send(0, 1, &join(7, group(0)));
    assert_eq!(world.reached(1, 1, &data(1, group(0))), [(0, 1)], "what is there stays");
    victim_is_well(&mut world);
}

/// Limits are each instance's own.
///
/// Shows: VPLS-SEC-9, VPLS-PM-3
#[test]
fn limits_are_of_each_instance() {
    let few = VsiLimits { groups: 10, groups_per_circuit: 10, ..VsiLimits::DEFAULT };
    let mut world = networks(|config| config.limits = few);
    for n in 0..400 {
        world.send(0, 1, &join(7, group(n)));
        world.send(0, 3, &join(7, group(n)));
        if n % 40 == 0 {
            world.pass(Duration::from_secs(1));
        }
    }
    assert_eq!(groups(&world, 0, VSI), 10);
    assert!(groups(&world, 0, VICTIM) >= 400);
    assert!(world.has_event(0, |kind| matches!(kind, EventKind::Threshold(_, 80, true))));
    assert!(world.has_event(0, |kind| matches!(kind, EventKind::Threshold(_, 100, true))));
}

/// VPLS-THR-A2: records without end. They are counted one by one, whatever frame they come in.
///
/// Shows: VPLS-THR-A2, VPLS-SEC-7
#[test]
fn records_are_charged_one_by_one() {
    let mut world = networks(|_| {});
    let records: Vec<(RecordType, Ipv4Addr, &[Ipv4Addr])> =
        (0..100).map(|n| (RecordType::TO_EXCLUDE, group(n), &[][..])).collect();
    let burst = report(7, &records);
    for _ in 0..10_000 {
        world.send(0, 1, &burst);
    }
    let dropped = world.pes[0].pe.usage(VSI).unwrap().dropped;
    assert!(dropped[1] >= 9_980, "a burst of 1,000 records, then 500 a second: {dropped:?}");
    assert!(world.has_event(0, |kind| matches!(kind, EventKind::RecordRate(_))));
    victim_is_well(&mut world);
    world.send(0, 2, &join(8, G));
    assert_eq!(world.reached(1, 1, &data(1, G)), [(0, 2)]);
}

/// VPLS-THR-A3: PIM neighbours and queriers without end.
///
/// Shows: VPLS-THR-A3
#[test]
fn neighbors_and_router_ports_have_limits() {
    let mut world = networks(|_| {});
    for n in 1..=100 {
        world.send(0, 1, &hello(n, true));
    }
    assert_eq!(world.pes[0].pe.snooping(VSI).unwrap().neighbors().count(), 64);
    assert!(world.has_event(0, |kind| matches!(kind, EventKind::NeighborLimit(_))));
    world.send(0, 2, &hello(200, true));
    assert_eq!(world.pes[0].pe.snooping(VSI).unwrap().neighbors().count(), 65, "the neighbour's circuit has its own");
    victim_is_well(&mut world);
}

/// VPLS-THR-B1: malformed messages. The 51st puts the circuit into quarantine; data passes, others' messages are heard.
///
/// Shows: VPLS-THR-B1, VPLS-SEC-6, VPLS-SEC-16
#[test]
fn malformed_messages_put_a_circuit_into_quarantine() {
    let mut world = networks(|_| {});
    let mut bad = join(7, G);
    *bad.last_mut().unwrap() ^= 1;
    for _ in 0..50 {
        world.send(0, 1, &bad);
    }
    let quarantined = |world: &World| world.pes[0].pe.snooping(VSI).unwrap().is_quarantined(PortId(0));
    assert!(!quarantined(&world));
    assert!(world.pes[0].pe.snooping(VSI).unwrap().flows().is_empty(), "no state of it");
    world.send(0, 1, &bad);
    assert!(quarantined(&world));
    assert_eq!(world.pes[0].pe.usage(VSI).unwrap().dropped[0], 51);
    world.send(0, 1, &join(7, G));
    assert!(world.pes[0].pe.snooping(VSI).unwrap().flows().is_empty());
    world.send(0, 2, &join(8, G));
    assert_eq!(world.reached(0, 1, &data(1, G)), [(0, 2)], "data is not touched");
    victim_is_well(&mut world);
    world.pass(Duration::from_secs(61));
    world.send(0, 1, &join(7, G));
    assert_eq!(world.reached(0, 2, &data(1, G)), [(0, 1)]);
    assert!(world.has_event(0, |kind| matches!(kind, EventKind::Released(_))));
    // The second time it lasts twice as long.
    for _ in 0..51 {
        world.send(0, 1, &bad);
    }
    world.pass(Duration::from_secs(61));
    assert!(quarantined(&world));
    world.pass(Duration::from_secs(60));
    world.send(0, 1, &join(7, group(1)));
    assert!(!quarantined(&world));
}

/// VPLS-THR-B2: messages of others than they seem.
///
/// Shows: VPLS-THR-B2, VPLS-SEC-15
#[test]
fn spoofed_messages_leave_no_entry() {
    let denied: Ipv4Prefix = "225.0.0.0/8".parse().unwrap();
    let acl = vec![AclLine { permit: false, groups: denied.into(), sources: None }];
    let mut world = networks(|config| config.snoop = Some(SnoopConfig { acl: acl.clone(), ..snooping() }));
    let hosts = CircuitSnoop { hosts: true, ..CircuitSnoop::DEFAULT };
    let config = CircuitConfig { snoop: hosts, ..CircuitConfig::new(IfIndex(4), Tags::Any) };
    world.with(0, |pe, now| pe.add_circuit(now, VSI, config).unwrap());
    world.send(0, 2, &hello(9, true));
    world.send(0, 1, &hello(8, true));
    let s = Some(Ipv4Addr::new(10, 0, 0, 1));
    let free = Ipv4Addr::new(226, 1, 1, 1);
    for attack in [
        join(7, G),                                                                         // a group that is denied
        join_prune(8, 9, G, &Jp { joins: &[s], prunes: &[] }),                              // the same, by PIM
        join_prune(66, 9, free, &Jp { joins: &[s], prunes: &[] }),                          // nobody's neighbour
        join_prune(8, 66, free, &Jp { joins: &[s], prunes: &[] }),                          // towards nobody
        join(7, Ipv4Addr::new(224, 0, 0, 9)),                                               // a group of the link
        join_prune(8, 9, Ipv4Addr::new(232, 1, 1, 1), &Jp { joins: &[None], prunes: &[] }), // SSM without a source
        report(7, &[(RecordType::TO_EXCLUDE, Ipv4Addr::new(232, 1, 1, 1), &[])]),           // the same, by IGMP
    ] {
        world.send(0, 1, &attack);
        assert!(world.pes[0].pe.snooping(VSI).unwrap().flows().is_empty(), "{attack:x?}");
    }
    // A neighbour that another circuit pretends to be.
    world.send(0, 1, &join_prune(9, 8, free, &Jp { joins: &[s], prunes: &[] }));
    assert!(world.pes[0].pe.snooping(VSI).unwrap().flows().is_empty());
    // Queries from hosts are not heard, and go nowhere.
    world.control.clear();
    world.send(0, 4, &query(5));
    assert!(world.control.is_empty() && world.has_event(0, |kind| matches!(kind, EventKind::QuerierGuard(_))));
    victim_is_well(&mut world);
}

/// VPLS-THR-B3: a neighbour that is everywhere stays where it was first.
///
/// Shows: VPLS-THR-B3
#[test]
fn a_neighbor_that_moves_too_often_is_frozen() {
    let mut world = networks(|_| {});
    for n in 0..20_u32 {
        world.send(0, 1 + n % 2, &hello(9, true));
    }
    assert!(world.has_event(0, |kind| matches!(kind, EventKind::NeighborMoved(_))));
    let at = |world: &World| world.pes[0].pe.snooping(VSI).unwrap().neighbors().next().unwrap().1.port;
    let frozen = at(&world);
    for n in 0..20_u32 {
        world.send(0, 1 + n % 2, &hello(9, true));
        assert_eq!(at(&world), frozen);
    }
    victim_is_well(&mut world);
}

/// VPLS-THR-C1: a group that is joined and left without end stays joined for a while.
#[test]
fn a_group_that_flaps_is_damped() {
    let mut world = networks(|config| config.damping = Some(DampingConfig::default()));
    for _ in 0..10 {
        world.send(0, 1, &join(7, G));
        world.send(0, 1, &leave(7, G));
        world.pass(Duration::from_secs(3));
    }
    world.send(0, 1, &join(7, G));
    world.send(0, 1, &leave(7, G));
    world.pass(Duration::from_secs(3));
    assert!(world.has_event(0, |kind| *kind == EventKind::Damped));
    assert_eq!(world.reached(1, 1, &data(1, G)), [(0, 1)], "held joined");
    world.pass(Duration::from_secs(60));
    assert_eq!(world.reached(1, 1, &data(1, G)), []);
    victim_is_well(&mut world);
}

/// VPLS-THR-C3: changes of trees are so many a second, and follow no customer who changes his mind.
///
/// Shows: VPLS-THR-C3
#[test]
fn customers_do_not_make_the_core_churn() {
    let trees = TreeConfig { congruency: 0, ..TreeConfig::default() };
    let mut world = network(3, |pe| VsiConfig { snoop: Some(snooping()), trees: Some(trees), ..ve(pe, 1) });
    for n in 0..60 {
        for pe in [1, 2] {
            world.send(pe, 1, &join(7, group(n)));
        }
    }
    let rate = |world: &mut World, bits| {
        for n in 0..60 {
            let input = Input::Rate { vsi: VSI, source: None, group: group(n).into(), bits_per_second: bits };
            world.input(0, input);
        }
    };
    rate(&mut world, 50_000_000);
    world.pass(Duration::from_secs(5));
    rate(&mut world, 50_000_000);
    assert_eq!(world.pes[0].pe.bindings(VSI).len(), 10, "ten in the first second");
    world.pass(Duration::from_secs(1));
    rate(&mut world, 50_000_000);
    assert_eq!(world.pes[0].pe.bindings(VSI).len(), 20);
    // A rate that comes and goes: no tree is given up in its least life, and none is made for a moment's rate.
    for _ in 0..20 {
        rate(&mut world, 0);
        world.pass(Duration::from_millis(500));
        rate(&mut world, 50_000_000);
        world.pass(Duration::from_millis(500));
    }
    assert_eq!(world.pes[0].pe.bindings(VSI).len(), 20);
}

/// Offers frames at ten times a rate for a second; how many of a thousand pass.
fn flood(world: &mut World, iface: u32, octets: &[u8]) -> usize {
    let mut passed = 0;
    for _ in 0..1000 {
        world.pass(Duration::from_millis(1));
        passed += usize::from(!world.send(0, iface, octets).is_empty());
    }
    passed
}

/// VPLS-THR-D1, D2, E1: floods of multicast, broadcast and to unknown addresses are cut to their rates, and nothing else is.
///
/// Shows: VPLS-SEC-2, VPLS-THR-D1, VPLS-THR-D2, VPLS-THR-E1, VPLS-CSEC-4, VPLS-SEC-10, VPLS-SEC-12, VPLS-SEC-13, VPLS-QOS-5
#[test]
fn floods_are_policed_by_type() {
    // Frames of 60 and 62 octets, a thousand a second: 480 kbit/s of each type against 48 kbit/s.
    let rate = Some(Rate { bits_per_second: 48_000, burst: 600 });
    let rates = TypeRates { multicast: rate, broadcast: rate, unknown: rate, ..TypeRates::NONE };
    let mut world = networks(|config| {
        config.rates = rates;
        config.snoop = None;
    });
    world.send(1, 1, &frame(Mac::BROADCAST, mac(2)));
    world.send(0, 1, &frame(Mac::BROADCAST, mac(1)));
    for (what, octets) in
        [("multicast", data(1, G)), ("broadcast", frame(Mac::BROADCAST, mac(1))), ("unknown", frame(mac(99), mac(1)))]
    {
        let passed = flood(&mut world, 1, &octets);
        assert!((95..=112).contains(&passed), "{what}: {passed} of 1000");
        assert_eq!(world.reached(0, 1, &frame(mac(2), mac(1))), [(1, 1)], "unicast passes");
    }
    assert!(world.pes[0].drops[&DropReason::Policed] > 2000);
    victim_is_well(&mut world);
}

/// A circuit's own rate takes nothing of its instance's.
#[test]
fn a_circuit_is_policed_before_its_instance() {
    let rate = Some(Rate { bits_per_second: 48_000, burst: 600 });
    let mut world = networks(|config| config.snoop = None);
    let rates = TypeRates { broadcast: rate, ..TypeRates::NONE };
    let config = CircuitConfig { rates, ..CircuitConfig::new(IfIndex(4), Tags::Any) };
    world.with(0, |pe, now| pe.add_circuit(now, VSI, config).unwrap());
    let passed = flood(&mut world, 4, &frame(Mac::BROADCAST, mac(1)));
    assert!((95..=112).contains(&passed), "{passed}");
    assert_eq!(flood(&mut world, 1, &frame(Mac::BROADCAST, mac(2))), 1000);
    victim_is_well(&mut world);
}

/// VPLS-THR-E2: sources without end. An instance learns as many as it may; the victim keeps its addresses.
///
/// Shows: VPLS-THR-E2
#[test]
fn sources_without_end_fill_one_instance_alone() {
    let mut world = networks(|config| config.limits.macs_per_circuit = 100);
    let before = world.pes[0].forwarder.learned(VICTIM);
    for n in 0..2000_u32 {
        let [_, b, c, d] = n.to_be_bytes();
        world.send(0, 1, &frame(Mac::BROADCAST, Mac([2, 1, b, c, d, 1])));
    }
    assert_eq!(world.pes[0].forwarder.learned(VSI), 100);
    assert_eq!(world.pes[0].forwarder.learned(VICTIM), before);
    victim_is_well(&mut world);
}

/// VPLS-THR-E3: an address that is here and there is a loop; the newer port is blocked for a while.
///
/// Shows: VPLS-THR-E3
#[test]
fn a_loop_blocks_the_newer_port() {
    let mut world = networks(|_| {});
    for n in 0..5 {
        let (from, to) = if n % 2 == 0 { (PortId(0), PortId(1)) } else { (PortId(1), PortId(0)) };
        world.input(0, Input::Moved { vsi: VSI, mac: mac(9), from, to });
    }
    assert!(world.has_event(0, |kind| *kind == EventKind::Loop(PortId(1))));
    assert_eq!(world.reached(0, 2, &frame(Mac::BROADCAST, mac(1))), []);
    assert_eq!(world.reached(0, 1, &frame(Mac::BROADCAST, mac(1))), [(1, 1), (1, 2)]);
    victim_is_well(&mut world);
    world.pass(Duration::from_secs(301));
    assert_eq!(world.reached(0, 2, &frame(Mac::BROADCAST, mac(1))).len(), 3);
    // Moves that are far apart are no loop.
    for n in 0..10 {
        world.pass(Duration::from_secs(60));
        let (from, to) = if n % 2 == 0 { (PortId(0), PortId(1)) } else { (PortId(1), PortId(0)) };
        world.input(0, Input::Moved { vsi: VSI, mac: mac(9), from, to });
    }
    assert_eq!(world.reached(0, 2, &frame(Mac::BROADCAST, mac(1))).len(), 3);
}

/// Admission: the eleventh stream of 10 Mbit/s has no room in 100 Mbit/s.
///
/// Shows: VPLS-QOS-3, VPLS-SCALE-5
#[test]
fn streams_are_admitted_while_there_is_bandwidth() {
    let mut world = networks(|config| config.admission = Some(100_000_000));
    for n in 0..10 {
        world.with(0, |pe, now| pe.admit(now, VSI, (None, group(n).into()), 10_000_000).unwrap());
    }
    let refused = world.with(0, |pe, now| pe.admit(now, VSI, (None, group(10).into()), 10_000_000));
    assert_eq!(refused, Err(vpls::oam::AdmissionError::Budget { left: 0 }));
    assert!(world.has_event(0, |kind| *kind == EventKind::AdmissionRefused));
    world.with(0, |pe, now| pe.release(now, VSI, (None, group(3).into())));
    world.with(0, |pe, now| pe.admit(now, VSI, (None, group(10).into()), 10_000_000).unwrap());
    // What an instance consists of can be asked for.
    let text = world.pes[0].pe.explain_text(VSI);
    assert!(text.contains("circuits: 2\n") && text.contains("pseudowires up: 1\n"), "{text}");
}

/// Every entry and label that the machine believes programmed is in the tables; one that was changed behind its back is found.
#[test]
fn the_tables_can_be_compared_with_what_was_programmed() {
    let mut world = networks(|_| {});
    let audit = |world: &World| {
        let node = &world.pes[0];
        node.pe.programmed().filter(|op| fwd_core::audit::compare(&node.forwarder, op).is_err()).count()
    };
    assert!(world.pes[0].pe.programmed().count() >= 4);
    assert_eq!(audit(&world), 0);
    let op = world.pes[0].pe.programmed().find(|op| matches!(op, fwd_core::op::FwdOp::SetIlm { .. })).unwrap();
    let fwd_core::op::FwdOp::SetIlm { label, .. } = op else { unreachable!() };
    world.pes[0].apply(&fwd_core::op::FwdOp::ClearIlm { label });
    assert_eq!(audit(&world), 1);
}
