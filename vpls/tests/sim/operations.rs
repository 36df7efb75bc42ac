//! What an operator sees: managed objects, statistics that add up, faults from opening to end, the audit of the tables; and bounds on
//! work and copies.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;

use fwd_core::mib::{Objects, Oid, Value};
use fwd_core::net::*;
use fwd_core::op::{FwdOp, Nhlfe};
use vpls::bgp::Tunnel;
use vpls::fault::{Affected, Cause, Extent, Stage};
use vpls::mib::{MembershipMib, VplsMib};
use vpls::multicast::{TreeConfig, TunnelKind};
use vpls::police::Rate;
use vpls::{EventKind, Input, PwConfig, VsiConfig};

use super::signalling::{VSI, network, plain, ve};
use super::snoop::{G, snooped, snooping};
use crate::world::packets::{data, frame, join, leave, mac};
use crate::world::{World, address};

fn walk(objects: &impl Objects) -> Vec<(String, Value)> {
    let (mut at, mut seen) = (Oid::default(), Vec::new());
    while let Some((oid, value)) = objects.next(&at) {
        assert!(oid > at, "{oid} after {at}");
        assert_eq!(objects.get(&oid), Some(value.clone()), "{oid}");
        seen.push((oid.to_string(), value));
        at = oid;
    }
    seen
}

/// Every readable object of RFC 7257's three modules and of RFC 5519's router side that this PE has state for is there, in the order of
/// a walk.
#[test]
fn every_listed_object_has_a_value() {
    let discovery = Some(bgp_vpn::attr::ext_community::L2vpnId::two_octet_as(65000, 1));
    let config = |pe| VsiConfig { discovery, snoop: Some(snooping()), ..ve(pe, 1) };
    let mut world = network(3, config);
    world.with(0, |pe, now| pe.add_vsi(now, plain(0, 2)).unwrap());
    world.with(0, |pe, now| pe.add_pseudowire(now, VsiId(2), PwConfig::spoke(address(1), 7, None, 0)).unwrap());
    world.send(0, 1, &join(7, G));
    let seen = walk(&VplsMib::new(&world.pes[0].pe));
    let is = |oid: &str, value: Value| {
        assert!(seen.contains(&(format!("1.3.6.1.2.1.10.{oid}"), value.clone())), "{oid} {value:?} in {seen:#?}");
    };
    is("274.1.2.1.13.1", Value::Unsigned(1500));
    is("274.1.2.1.16.1", Value::Integer(2));
    is("274.1.2.1.16.2", Value::Integer(1));
    is("274.1.3.1.1.1", Value::Integer(1));
    is("274.1.3.1.1.2", Value::Integer(2));
    is("274.1.3.1.2.2", Value::Counter(1));
    is("274.1.5.1.3.1", Value::Octets(vec![0, 10, 0xfd, 0xe8, 0, 0, 0, 1]));
    is("274.1.6.1.2.1.1", Value::Integer(3));
    is("276.1.1.1.1.1", Value::Unsigned(8));
    is("276.1.2.1.3.1.1", Value::Unsigned(100));
    // The columns of the tables that RFC 7257 lists as readable and that are kept here.
    for (entry, columns) in [
        ("274.1.2.1", &[4, 6, 7, 8, 12, 13, 15, 16][..]),
        ("274.1.3.1", &[1, 2]),
        ("274.1.4.1", &[1, 2, 3, 4]),
        ("274.1.5.1", &[1, 2, 3, 4, 5]),
        ("274.1.6.1", &[2, 3, 4, 5]),
        ("275.1.2.1", &[1]),
        ("276.1.1.1", &[1]),
        ("276.1.2.1", &[3, 5, 6]),
        ("276.1.3.1", &[1, 2]),
    ] {
        for column in columns {
            let front = format!("1.3.6.1.2.1.10.{entry}.{column}.");
            assert!(seen.iter().any(|(oid, _)| oid.starts_with(&front)), "{front}");
        }
    }
    let membership = MembershipMib::new(&world.pes[0].pe, VSI, world.now).unwrap();
    let seen = walk(&membership);
    let cached = |(oid, _): &&(String, Value)| oid.starts_with("1.3.6.1.2.1.185.1.4.") && oid.contains("225.1.1.1");
    assert!(seen.iter().any(|found| cached(&found)), "{seen:#?}");
    assert!(MembershipMib::new(&world.pes[0].pe, VsiId(2), world.now).is_none(), "an instance that does not snoop");
}

/// A snapshot adds up: drops by cause are all drops, for control messages as for frames.
///
/// Shows: VPLS-PM-1
#[test]
fn statistics_add_up() {
    let mut world = snooped(2, |_| {});
    let mut bad = join(7, G);
    *bad.last_mut().unwrap() ^= 1;
    (0..7).for_each(|_| drop(world.send(0, 1, &bad)));
    world.send(0, 1, &frame(Mac([1, 0x80, 0xc2, 0, 0, 1]), mac(1)));
    world.send(0, 1, &frame(mac(9), Mac::default()));
    world.send(0, 1, &data(1, Ipv4Addr::new(225, 7, 7, 7)));
    let statistic = VplsMib::new(&world.pes[0].pe).statistics[0];
    assert_eq!(statistic.dropped, statistic.usage.dropped.iter().sum::<u64>());
    assert_eq!((statistic.usage.dropped[0], statistic.dropped), (7, 7));
    let counters = world.pes[0].forwarder.counters();
    let by_cause: u64 = counters.drops().map(|(_, n)| n).sum();
    assert_eq!(by_cause, world.pes[0].drops.values().sum::<u64>());
    assert_eq!(by_cause, 2, "of a group without members there is no copy, which is no drop");
    let (vsi, ports) = (world.pes[0].forwarder.vsi_counters(VSI).unwrap(), [0, 1].map(PortId));
    let of_ports: u64 = ports.iter().map(|p| world.pes[0].forwarder.port_counters(*p).unwrap().in_packets).sum();
    assert_eq!(vsi.in_packets, of_ports, "an instance counts what its ports do");
}

/// Branches of a tree that fail are one fault, with one identifier until the last is back; one of a PE takes all.
#[test]
fn faults_of_trees_and_pes_have_one_life() {
    let trees = TreeConfig { inclusive: Some(TunnelKind::Mldp), ..TreeConfig::default() };
    let mut world = network(4, |pe| VsiConfig { trees: Some(trees), ..ve(pe, 1) });
    world.pass(Duration::from_secs(4));
    world.faults.clear();
    world.break_branch(0, 2, true);
    world.break_branch(0, 3, true);
    world.pass(Duration::from_secs(1));
    let told: Vec<_> = world.faults.drain(..).filter(|(pe, _)| *pe == 0).map(|(_, notice)| notice).collect();
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(matches!(&told[0].cause, Cause::Tree(Tunnel::MldpP2mp { .. })));
    let leaves: BTreeSet<Affected> = [2, 3].map(|pe| Affected::Leaf(address(pe))).into();
    assert_eq!((told[0].stage, &told[0].affected, told[0].extent), (Stage::Opened, &leaves, Extent::Partial(2)));
    world.break_branch(0, 2, false);
    world.break_branch(0, 3, false);
    world.pass(Duration::from_secs(1));
    let ended = world.faults.drain(..).find(|(pe, _)| *pe == 0).unwrap().1;
    assert_eq!((ended.id, ended.stage), (told[0].id, Stage::Closed));
    assert_eq!(world.pes[0].pe.faults().iter().count(), 0);
    world.reach(0, 1, false);
    world.pass(Duration::from_secs(1));
    let pe = world.faults.drain(..).find(|(_, notice)| notice.cause == Cause::Pe(address(1))).unwrap().1;
    assert_eq!((pe.stage, pe.extent), (Stage::Opened, Extent::Total));
}

/// A label that is not what was programmed is found by comparing the tables with what the machine believes.
///
/// Shows: VPLS-TEST-4
#[test]
fn an_audit_finds_a_label_that_was_flipped() {
    let mut world = network(3, |pe| ve(pe, 1));
    let audit = |world: &World| -> Vec<FwdOp> {
        let node = &world.pes[0];
        node.pe.programmed().filter(|op| fwd_core::audit::compare(&node.forwarder, op).is_err()).collect()
    };
    assert_eq!(audit(&world), []);
    let flipped = world.pes[0].pe.programmed().find_map(|op| match op {
        FwdOp::SetNhlfe { id, nhlfe } => Some((id, nhlfe)),
        _ => None,
    });
    let (id, good) = flipped.unwrap();
    let push = LabelStack::single(Label::new(77_777).unwrap());
    world.pes[0].apply(&FwdOp::SetNhlfe { id, nhlfe: Nhlfe { push, ..good } });
    assert_eq!(audit(&world), [FwdOp::SetNhlfe { id, nhlfe: good }]);
}

/// VPLS-THR-C2: joins and leaves that sweep over 10,000 groups, 10,000 messages a second. No more than 200 changes a second are made of
/// them, and to refuse one takes no memory but for its event: `lab vpls-scale` says what share of a processor that is.
///
/// Shows: VPLS-THR-C2
#[test]
fn a_sweep_over_many_groups_is_bounded() {
    let mut world = snooped(2, |_| {});
    let group = |n: u32| Ipv4Addr::from(u32::from(Ipv4Addr::new(239, 0, 0, 0)) + n % 10_000);
    let frames: Vec<Vec<u8>> =
        (0..10_000).map(|n| if n % 2 == 0 { join(7, group(n / 2)) } else { leave(7, group(n / 2)) }).collect();
    let (mut changes, mut entries) = (0_u64, BTreeSet::new());
    for second in 0..12 {
        let mut allocations = 0;
        // 10,000 messages a second, in ten bursts.
        for burst in 0..10 {
            let pe = &mut world.pes[0].pe;
            allocations += allocation_counter::measure(|| {
                for octets in &frames[burst * 1000..(burst + 1) * 1000] {
                    pe.handle_input(world.now, Input::Frame { port: PortId(0), octets });
                }
            })
            .count_total;
            let before = world.pes[0].ops;
            world.settle();
            changes += world.pes[0].ops - before;
            world.pass(Duration::from_millis(100));
            entries.insert(world.pes[0].pe.usage(VSI).unwrap().groups);
        }
        let most = 400 + 200 * (second + 1);
        assert!(
            changes <= most * 8,
            "{changes} operations after {second} s: a change is a group, two legs, an entry, or the reverse"
        );
        // One for each that is refused; those that are taken have the rest: 1,000 records of a port in the first second, then less.
        let most = if second == 0 { 30_000 } else { 18_000 };
        assert!(allocations <= most, "{allocations} allocations in second {second}");
    }
    assert!(world.has_event(0, |kind| matches!(kind, EventKind::RecordRate(_))));
    assert!(*entries.last().unwrap() <= 512);
}

/// VPLS-THR-D3: copies have a budget, whatever the fan-out: a frame to thirty members costs thirty times what one to one does.
///
/// Shows: VPLS-THR-D3
#[test]
fn copies_stay_within_their_budget() {
    let budget = Rate::bits(8_000_000);
    let offered = |members: u32| {
        let mut world = network(2, |pe| VsiConfig { snoop: Some(snooping()), copies: Some(budget), ..ve(pe, 1) });
        for iface in 3..3 + members {
            super::signalling::circuit(&mut world, 0, VSI, iface);
            world.send(0, iface, &join(7, G));
        }
        // 8 Mbit/s of frames for two seconds: as much as the budget, before they are copied.
        let octets = [data(1, G), vec![0; 938]].concat();
        let mut copies = 0_u64;
        for _ in 0..200 {
            world.pass(Duration::from_millis(10));
            (0..10).for_each(|_| copies += world.reached(0, 1, &octets).len() as u64);
        }
        copies * octets.len() as u64 * 8
    };
    let (one, thirty) = (offered(1), offered(30));
    assert!((15_000_000..=17_000_000).contains(&one), "{one}");
    // The burst of a policer is 3,036 octets at least, for each of the copies.
    assert!((14_000_000..=18_500_000).contains(&thirty), "{thirty}");
    // Without a budget there are thirty times as many.
    let mut world = snooped(2, |_| {});
    for iface in 3..33 {
        super::signalling::circuit(&mut world, 0, VSI, iface);
        world.send(0, iface, &join(7, G));
    }
    assert_eq!(world.reached(0, 1, &data(1, G)).len(), 30);
}
