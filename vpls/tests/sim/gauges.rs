//! How well each way of carrying multicast does, and what it costs in state.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;
use std::time::Duration;

use fwd_core::net::VsiId;
use vpls::multicast::{Gauge, TreeConfig, TunnelKind};
use vpls::{Input, VsiConfig};

use super::signalling::{VSI, circuit, network, ve};
use super::snoop::{G, snooping};
use crate::world::World;
use crate::world::packets::{data, join};

/// A way of carrying: snooping or not, trees or not.
fn mode(snoop: bool, trees: Option<TreeConfig>) -> World {
    network(21, |pe| VsiConfig { snoop: snoop.then(snooping), trees, ..ve(pe, 1) })
}

fn rate(world: &mut World, group: Ipv4Addr) {
    for _ in 0..7 {
        world.input(0, Input::Rate { vsi: VSI, source: None, group: group.into(), bits_per_second: 50_000_000 });
        world.pass(Duration::from_secs(1));
    }
    world.pass(Duration::from_secs(4));
}

/// What the gauge says is what the network does: PEs that got a frame, and frames on the first link.
fn measured(world: &mut World, group: Ipv4Addr) -> Gauge {
    let received = |world: &World| -> Vec<u64> {
        (1..21).map(|pe| world.links.get(&(pe, false)).map_or(0, |link| link.0)).collect()
    };
    let sent = |world: &World| world.links.get(&(0, true)).map_or(0, |link| link.0);
    let (before, first) = (received(world), sent(world));
    world.send(0, 1, &data(1, group));
    let got = received(world).iter().zip(&before).filter(|(now, then)| now > then).count();
    let gauge = world.pes[0].pe.gauge(VSI, None, group.into()).unwrap();
    assert_eq!((gauge.served, gauge.copies as u64), (got, sent(world) - first), "{gauge:?}");
    gauge
}

/// 20 remote PEs with 1, 3, 10 and all of them with members, each mode: PEs without members that get the flow, and copies on the first
/// link (RFC 5501 §3.2, §4.1.1.1).
///
/// Shows: VPLS-GEN-4
#[test]
fn both_wastes_of_every_mode_are_measured() {
    let exact = TreeConfig { congruency: 0, ..TreeConfig::default() };
    let inclusive = TreeConfig { inclusive: Some(TunnelKind::Mldp), selective: None, ..exact };
    for (snoop, trees) in [(false, None), (true, None), (false, Some(inclusive)), (true, Some(exact))] {
        let mut world = mode(snoop, trees);
        world.pass(Duration::from_secs(4));
        let mut members = 0;
        for wanted in [1, 3, 10, 20] {
            for pe in members + 1..=wanted {
                world.send(pe, 1, &join(7, G));
            }
            members = wanted;
            if trees.is_some_and(|t| t.inclusive.is_none()) {
                rate(&mut world, G);
            }
            let gauge = measured(&mut world, G);
            let (served, copies) = match (snoop, trees) {
                (false, None) => (20, 20),
                (true, None) => (wanted, wanted),
                (false, _) => (20, 1),
                // One member is better served by its pseudowire.
                (true, _) => (wanted, 1),
            };
            assert_eq!((gauge.served, gauge.copies), (served, copies), "{snoop} {trees:?} {wanted}");
            if snoop {
                assert_eq!((gauge.memberless(), gauge.members), (0, wanted), "{trees:?}");
            }
        }
    }
}

/// Hand-worked: 20 PEs on a tree, 5 of them with members; and a tree of two flows, {1, 2, 3, 4} and {3, 4}: six of eight.
///
/// Shows: VPLS-PM-7
#[test]
fn gauges_equal_what_is_worked_by_hand() {
    let gauge = Gauge { served: 20, members: 5, copies: 1, state: 2 };
    assert_eq!((gauge.memberless(), gauge.stretch(), gauge.over_delivery()), (750, 1000, Some(4000)));
    assert_eq!(Gauge::default().over_delivery(), None);
    let trees = TreeConfig { aggregate: true, congruency: 50, ..TreeConfig::default() };
    let mut world = network(5, |pe| VsiConfig { snoop: Some(snooping()), trees: Some(trees), ..ve(pe, 1) });
    let (first, second) = (Ipv4Addr::new(225, 0, 0, 1), Ipv4Addr::new(225, 0, 0, 2));
    (1..5).for_each(|pe| drop(world.send(pe, 1, &join(7, first))));
    (3..5).for_each(|pe| drop(world.send(pe, 1, &join(7, second))));
    rate(&mut world, first);
    rate(&mut world, second);
    let all = world.pes[0].pe.rooted_trees();
    assert_eq!(all.len(), 1);
    // The branch, and an entry with a label below for each flow.
    assert_eq!((all[0].bindings, all[0].leaves, all[0].congruency, all[0].entries), (2, 4, 75, 3));
    let gauge = world.pes[0].pe.gauge(VSI, None, second.into()).unwrap();
    assert_eq!((gauge.served, gauge.members, gauge.copies), (4, 2, 1));
    // Half of both in common is too little where a quarter at most may be had in vain: each flow gets a tree of its own.
    let exact = TreeConfig { congruency: 25, ..trees };
    let mut world = network(5, |pe| VsiConfig { snoop: Some(snooping()), trees: Some(exact), ..ve(pe, 1) });
    (1..5).for_each(|pe| drop(world.send(pe, 1, &join(7, first))));
    (3..5).for_each(|pe| drop(world.send(pe, 1, &join(7, second))));
    rate(&mut world, first);
    rate(&mut world, second);
    assert_eq!(world.pes[0].pe.rooted_trees().len(), 2);
}

/// Members of a group: three or four PEs that lie near each other.
fn near(n: u16) -> BTreeSet<usize> {
    let start = usize::from(n * 7 % 5) * 2;
    (0..3 + usize::from(n % 2)).map(|k| 1 + (start + k) % 12).collect()
}

/// The fewer trees, the more is delivered in vain: from a tree for each group to one for all (RFC 7117 §3.5, §10). The number of
/// entries of a P router that every tree passes is the number of trees.
///
/// Shows: VPLS-DOM-3, VPLS-SCALE-0
#[test]
fn trees_are_traded_for_bandwidth() {
    let mut curve = Vec::new();
    for (sharing, congruency) in [(1, 0), (50, 0), (50, 40), (50, 70), (50, 100)] {
        let trees = TreeConfig { aggregate: true, sharing, congruency, churn: 1000, ..TreeConfig::default() };
        let mut world = network(13, |pe| VsiConfig { snoop: Some(snooping()), trees: Some(trees), ..ve(pe, 1) });
        let groups: Vec<Ipv4Addr> = (0..20).map(|n| Ipv4Addr::new(225, 1, 0, n)).collect();
        for (n, group) in (0..).zip(&groups) {
            near(n).into_iter().for_each(|pe| drop(world.send(pe, 1, &join(7, *group))));
        }
        for _ in 0..12 {
            for group in &groups {
                let group = (*group).into();
                world.input(0, Input::Rate { vsi: VSI, source: None, group, bits_per_second: 50_000_000 });
            }
            world.pass(Duration::from_secs(1));
        }
        let (mut served, mut wanted) = (0, 0);
        for (n, group) in (0..).zip(&groups) {
            let gauge = world.pes[0].pe.gauge(VSI, None, (*group).into()).unwrap();
            assert_eq!((gauge.members, gauge.copies), (near(n).len(), 1));
            (served, wanted) = (served + gauge.served, wanted + gauge.members);
        }
        curve.push((world.pes[0].pe.rooted_trees().len(), served * 1000 / wanted));
    }
    assert_eq!(curve[0], (20, 1000), "a tree for each group: nothing in vain");
    assert_eq!(curve[4].0, 1, "one for all");
    assert!(curve[4].1 >= 3000, "{curve:?}");
    for pair in curve.windows(2) {
        assert!(pair[1].0 <= pair[0].0 && pair[1].1 >= pair[0].1, "fewer trees, more in vain: {curve:?}");
    }
    assert!(curve[1].0 < 20 && curve[1].1 == 1000, "groups with the same members share a tree for nothing: {curve:?}");
}

/// Labels that the P router in the middle of everything replicates by: VPLSs of a PE over the aggregation factor, times PEs that root trees,
/// since each tree has one root (RFC 7117 §3.5).
///
/// Shows: VPLS-SCALE-3
#[test]
fn trees_in_the_core_are_as_many_as_the_formula_says() {
    const PES: usize = 6;
    const VPLSS: u16 = 12;
    for factor in [1_u16, 2, 4] {
        let inclusive = Some(TunnelKind::Mldp);
        let trees = TreeConfig { inclusive, aggregate: factor > 1, sharing: factor, ..TreeConfig::default() };
        let mut world = World::new(PES);
        for pe in 0..PES {
            for vsi in 1..=VPLSS {
                let config = VsiConfig { trees: Some(trees), ..ve(pe, vsi) };
                world.with(pe, |machine, now| machine.add_vsi(now, config).unwrap());
                circuit(&mut world, pe, VsiId(vsi), vsi.into());
            }
        }
        world.pass(Duration::from_secs(8));
        assert_eq!(world.p.replicating(), PES * usize::from(VPLSS / factor), "factor {factor}");
    }
}
