//! Trees: who is served by them, what the core carries, and what happens when they come, go and fail.

use std::net::Ipv4Addr;
use std::time::Duration;

use fwd_core::net::*;
use vpls::bgp::Tunnel;
use vpls::multicast::{BindingState, InclusiveLeaves, Reason, ReplicationMode, TreeConfig, TunnelKind};
use vpls::{EventKind, FateSharing, Input, VsiConfig};

use super::signalling::{VSI, network, ve};
use super::snoop::{G, snooping};
use crate::world::packets::{data, frame, hello, join, leave, mac, report};
use crate::world::{World, address};

fn with_trees(pes: usize, legacy: Option<usize>, trees: TreeConfig) -> World {
    network(pes, |pe| {
        let snoop = Some(snooping());
        if Some(pe) == legacy { ve(pe, 1) } else { VsiConfig { snoop, trees: Some(trees), ..ve(pe, 1) } }
    })
}

fn inclusive() -> TreeConfig {
    TreeConfig { inclusive: Some(TunnelKind::Mldp), ..TreeConfig::default() }
}

/// Octets and frames that a PE sends into the core for one frame.
fn copies(world: &mut World, pe: usize, octets: &[u8]) -> (u64, Vec<(usize, u32)>) {
    let before = world.links.get(&(pe, true)).map_or(0, |link| link.0);
    let reached = world.reached(pe, 1, octets);
    (world.links.get(&(pe, true)).map_or(0, |link| link.0) - before, reached)
}

/// One copy on the first link instead of one for each PE; addresses are learned as if by the pseudowire.
///
/// Shows: VPLS-MAC-1, VPLS-GEN-3, VPLS-ORD-2
#[test]
fn an_inclusive_tree_carries_what_is_flooded() {
    let mut world = with_trees(4, None, inclusive());
    world.pass(Duration::from_secs(4));
    let (n, reached) = copies(&mut world, 0, &frame(Mac::BROADCAST, mac(1)));
    assert_eq!((n, reached.len()), (1, 7));
    assert_eq!(
        world.reached(3, 2, &frame(mac(1), mac(2))),
        [(0, 1)],
        "learned from the tree, at the pseudowire to its root"
    );
    // Unknown unicast keeps its order: it stays on the pseudowires that it will take when it is known.
    assert_eq!(copies(&mut world, 0, &frame(mac(77), mac(1))).0, 3);
    assert!(world.pes[0].pe.bindings(VSI).values().all(|binding| binding.leaves.len() == 3));
}

/// RFC 7117 §4 as it stands: every PE takes part, nobody is asked.
#[test]
fn an_inclusive_tree_for_all_needs_no_answers() {
    let mut world = with_trees(3, None, TreeConfig { inclusive_leaves: InclusiveLeaves::All, ..inclusive() });
    world.pass(Duration::from_secs(4));
    let (n, reached) = copies(&mut world, 1, &frame(Mac::BROADCAST, mac(1)));
    assert_eq!((n, reached.len()), (1, 5));
}

/// A PE that knows no trees gets its copy by the pseudowire: nobody gets two, nobody none.
///
/// Shows: VPLS-BC-2
#[test]
fn pes_without_trees_share_the_instance() {
    let mut world = with_trees(4, Some(3), inclusive());
    world.pass(Duration::from_secs(4));
    for n in 0..1000_u32 {
        let (copies, reached) = copies(&mut world, 0, &frame(Mac::BROADCAST, mac(u8::try_from(n % 100).unwrap())));
        assert_eq!((copies, reached), (2, vec![(0, 2), (1, 1), (1, 2), (2, 1), (2, 2), (3, 1), (3, 2)]));
    }
    assert_eq!(world.reached(3, 1, &frame(Mac::BROADCAST, mac(9))).len(), 7);
}

/// The reference case of RFC 5501 §3.2: 20 remote PEs, three of them with members.
///
/// Shows: VPLS-GEN-2
#[test]
fn the_first_link_carries_one_copy_and_pes_without_members_none() {
    let mut world = with_trees(21, None, TreeConfig { congruency: 0, ..TreeConfig::default() });
    let octets = data(1, G);
    let flood = world.reached(0, 1, &frame(Mac::BROADCAST, mac(1)));
    assert_eq!((flood.len(), world.links[&(0, true)].0), (41, 20), "ingress replication: 20 copies");
    for pe in [4, 9, 17] {
        world.send(pe, 1, &join(7, G));
    }
    assert_eq!(copies(&mut world, 0, &octets), (3, vec![(4, 1), (9, 1), (17, 1)]));
    select(&mut world);
    let before: Vec<u64> = (0..21).map(|pe| world.links.get(&(pe, false)).map_or(0, |link| link.1)).collect();
    assert_eq!(copies(&mut world, 0, &octets), (1, vec![(4, 1), (9, 1), (17, 1)]));
    let got = (1..21).filter(|pe| world.links.get(&(*pe, false)).map_or(0, |link| link.1) > before[*pe]).count();
    assert_eq!(got, 3, "17 PEs without members get nothing");
}

/// Samples of 50 Mbit/s for six seconds, and the switchover.
fn select(world: &mut World) {
    for _ in 0..7 {
        world.input(0, Input::Rate { vsi: VSI, source: None, group: G.into(), bits_per_second: 50_000_000 });
        world.pass(Duration::from_secs(1));
    }
    world.pass(Duration::from_secs(4));
}

/// Shows: VPLS-TEST-9, VPLS-PM-6, VPLS-ORD-1
#[test]
fn a_flow_moves_to_its_own_tree_and_back() {
    let mut world = with_trees(4, None, TreeConfig { congruency: 0, ..inclusive() });
    world.pass(Duration::from_secs(4));
    world.send(1, 1, &join(7, G));
    world.send(2, 1, &join(8, G));
    let trace = |world: &World| world.pes[0].pe.trace_group(VSI, None, G.into()).unwrap();
    assert_eq!((trace(&world).mode, trace(&world).reason), (ReplicationMode::Inclusive, Some(Reason::Configured)));
    // At every moment of the change each member gets one copy.
    for step in 0..100 {
        if step % 10 == 0 {
            world.input(0, Input::Rate { vsi: VSI, source: None, group: G.into(), bits_per_second: 50_000_000 });
        }
        world.pass(Duration::from_millis(100));
        assert_eq!(world.reached(0, 1, &data(1, G)), [(1, 1), (2, 1)], "{step}");
    }
    assert_eq!((trace(&world).mode, trace(&world).reason), (ReplicationMode::Selective, Some(Reason::Rate)));
    assert_eq!(trace(&world).served, [address(1), address(2)]);
    assert!(world.has_event(0, |kind| *kind == EventKind::Selective(Reason::Rate)));
    assert_eq!(world.pes[0].pe.carried(VSI).unwrap().switches(Reason::Rate), 1);
    // The rate falls: after its least life the tree is given up.
    for step in 0..90 {
        world.input(0, Input::Rate { vsi: VSI, source: None, group: G.into(), bits_per_second: 1000 });
        world.pass(Duration::from_secs(1));
        assert_eq!(world.reached(0, 1, &data(1, G)), [(1, 1), (2, 1)], "{step}");
    }
    assert_eq!(trace(&world).mode, ReplicationMode::Inclusive);
    assert!(world.has_event(0, |kind| *kind == EventKind::Inclusive(Reason::BelowThreshold)));
    assert_eq!(world.pes[0].pe.bindings(VSI).len(), 1);
    assert_eq!(world.pes[0].pe.carried(VSI).unwrap().total(), 2);
}

/// A member that comes later joins the tree; one that leaves is not served longer than damping says.
#[test]
fn leaves_come_and_go() {
    let mut world = with_trees(4, None, TreeConfig { congruency: 0, ..TreeConfig::default() });
    world.send(1, 1, &join(7, G));
    world.send(2, 1, &join(8, G));
    select(&mut world);
    assert_eq!(copies(&mut world, 0, &data(1, G)).0, 1);
    world.send(3, 1, &join(9, G));
    assert_eq!(copies(&mut world, 0, &data(1, G)), (1, vec![(1, 1), (2, 1), (3, 1)]));
    world.send(2, 1, &leave(8, G));
    world.pass(Duration::from_secs(3));
    assert_eq!(copies(&mut world, 0, &data(1, G)), (1, vec![(1, 1), (3, 1)]));
    let binding = world.pes[0].pe.bindings(VSI).into_values().next().unwrap();
    assert_eq!((binding.state, binding.leaves.len()), (BindingState::Sending, 2));
    assert!(matches!(binding.tunnel, Tunnel::MldpP2mp { .. }));
}

/// Instances that share a tree are told apart by the label below it.
#[test]
fn an_aggregate_tree_serves_several_instances() {
    let trees = TreeConfig { aggregate: true, ..inclusive() };
    let mut world = network(3, |pe| VsiConfig { trees: Some(trees), ..ve(pe, 1) });
    for pe in 0..3 {
        world.with(pe, |machine, now| machine.add_vsi(now, VsiConfig { trees: Some(trees), ..ve(pe, 2) }).unwrap());
        super::signalling::circuit(&mut world, pe, VsiId(2), 3);
    }
    world.pass(Duration::from_secs(6));
    let tunnels: Vec<Tunnel> = [1, 2]
        .into_iter()
        .flat_map(|vsi| world.pes[0].pe.bindings(VsiId(vsi)).into_values())
        .map(|b| b.tunnel)
        .collect();
    assert_eq!((tunnels.len(), &tunnels[0]), (2, &tunnels[1]));
    assert_eq!(
        copies(&mut world, 0, &frame(Mac::BROADCAST, mac(1))),
        (1, vec![(0, 2), (1, 1), (1, 2), (2, 1), (2, 2)])
    );
    assert_eq!(world.reached(0, 3, &frame(Mac::BROADCAST, mac(1))), [(1, 3), (2, 3)]);
}

/// The branch to a PE fails: its copies go by the pseudowire; unicast is not touched.
///
/// Shows: VPLS-FM-3, VPLS-FATE-1, VPLS-REST-1
#[test]
fn copies_replace_a_tree_that_fails() {
    let mut world = with_trees(4, None, inclusive());
    world.pass(Duration::from_secs(4));
    world.break_branch(0, 3, true);
    let all = vec![(0, 2), (1, 1), (1, 2), (2, 1), (2, 2), (3, 1), (3, 2)];
    assert_eq!(copies(&mut world, 0, &frame(Mac::BROADCAST, mac(1))), (2, all.clone()));
    assert!(world.has_event(0, |kind| *kind == EventKind::TreeDown));
    world.break_branch(0, 3, false);
    assert_eq!(copies(&mut world, 0, &frame(Mac::BROADCAST, mac(1))), (1, all));
    assert_eq!(world.pes[0].pe.fate_sharing(VSI), Some(FateSharing::None));
}

/// Coupled: the pseudowire to a PE is down while the tree to it is. With nothing left, an alarm comes before routers give up.
///
/// Shows: VPLS-FATE-2, VPLS-REST-3
#[test]
fn unicast_may_share_the_fate_of_a_tree() {
    let config =
        |pe| VsiConfig { snoop: Some(snooping()), trees: Some(inclusive()), fate: FateSharing::Coupled, ..ve(pe, 1) };
    let mut world = network(4, config);
    world.pass(Duration::from_secs(4));
    world.send(0, 1, &hello(1, true));
    world.break_branch(0, 3, true);
    assert!(world.up(0, VSI).iter().all(|(pe, _)| *pe != 3));
    assert_eq!(world.reached(0, 1, &frame(Mac::BROADCAST, mac(1))), [(0, 2), (1, 1), (1, 2), (2, 1), (2, 2)]);
    let unrestored = |world: &World| world.has_event(0, |kind| *kind == EventKind::Unrestored(address(3)));
    world.pass(Duration::from_millis(52_400));
    assert!(!unrestored(&world));
    world.pass(Duration::from_millis(200));
    assert!(unrestored(&world), "half of 105 s");
    world.break_branch(0, 3, false);
    assert!(world.up(0, VSI).iter().any(|(pe, _)| *pe == 3));
    assert_eq!(world.reached(0, 1, &frame(Mac::BROADCAST, mac(1))).len(), 7);
}

/// The MTU of a tree is that of its narrowest branch, less what is in front of the payload.
///
/// Shows: VPLS-TUN-3
#[test]
fn a_tree_has_an_mtu() {
    let mut world = with_trees(2, None, inclusive());
    let tunnel = world.pes[0].pe.bindings(VSI).into_values().next().unwrap().tunnel;
    assert_eq!(world.pes[0].pe.tree_mtu(VSI), None);
    world.input(0, Input::Tree(vpls::TreeEvent::Mtu { tunnel, mtu: 1580 }));
    assert_eq!(world.pes[0].pe.tree_mtu(VSI), Some(1558));
}

/// Flows that an operator gives a tree keep it, whatever their rate.
#[test]
fn a_tree_by_configuration_stays() {
    let mut world = with_trees(3, None, TreeConfig::default());
    world.send(1, 1, &join(7, G));
    world.send(2, 1, &join(8, G));
    world.with(0, |pe, now| pe.set_selective(now, VSI, None, G.into(), true).unwrap());
    world.pass(Duration::from_secs(4));
    assert_eq!(copies(&mut world, 0, &data(1, G)).0, 1);
    for _ in 0..100 {
        world.input(0, Input::Rate { vsi: VSI, source: None, group: G.into(), bits_per_second: 0 });
        world.pass(Duration::from_secs(1));
    }
    assert_eq!(copies(&mut world, 0, &data(1, G)).0, 1);
    world.with(0, |pe, now| pe.set_selective(now, VSI, None, G.into(), false).unwrap());
    assert_eq!(copies(&mut world, 0, &data(1, G)).0, 2);
    world.pass(Duration::from_secs(4));
    assert!(world.pes[0].pe.bindings(VSI).is_empty());
    let error = world.with(0, |pe, now| pe.set_selective(now, VSI, None, Ipv4Addr::LOCALHOST.into(), true));
    assert_eq!(error, Err(vpls::ConfigError::Group));
}

/// A thousand channels, and a branch of the tree that fails: they are restored with its detection, long before routers give up.
///
/// Shows: VPLS-REST-2
#[test]
fn a_thousand_channels_are_restored_at_once() {
    let mut world = with_trees(4, None, inclusive());
    let group = |n: u32| Ipv4Addr::from(u32::from(Ipv4Addr::new(239, 2, 0, 0)) + n);
    for n in 0..500 {
        let source = |k: u8| [Ipv4Addr::new(10, 0, 0, k)];
        for k in [1, 2] {
            world.send(3, 1 + u32::from(k) % 2, &report(7, &[(mvpn::gmp::RecordType::ALLOW, group(n), &source(k))]));
        }
        if n % 50 == 0 {
            world.pass(Duration::from_secs(1));
        }
    }
    assert_eq!(world.pes[0].pe.usage(VSI).unwrap().groups, 1000);
    world.pass(Duration::from_secs(4));
    assert_eq!(copies(&mut world, 0, &data(1, group(499))), (1, vec![(3, 2)]));
    world.break_branch(0, 3, true);
    world.pass(Duration::from_millis(1));
    for n in 0..500 {
        assert_eq!(world.reached(0, 1, &data(1, group(n))), [(3, 2)], "{n}");
    }
}
