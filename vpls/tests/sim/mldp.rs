//! Trees of `p2mp_pw::mldp` under instances: both machines at every PE, and a P router with the one.

use std::time::Duration;

use fwd_core::net::Mac;
use vpls::VsiConfig;
use vpls::multicast::{TreeConfig, TunnelKind};

use super::signalling::{VSI, circuit, ve};
use super::snoop::{G, snooping};
use crate::world::World;
use crate::world::mldp::Trees;
use crate::world::packets::{data, frame, join, leave, mac};

fn network(trees: TreeConfig) -> World {
    let mut world = World::new(4);
    world.mldp = Some(Trees::new(4));
    for pe in 0..4 {
        let config = VsiConfig { snoop: Some(snooping()), trees: Some(trees), ..ve(pe, 1) };
        world.with(pe, |machine, now| machine.add_vsi(now, config).unwrap());
        for iface in 1..=2 {
            circuit(&mut world, pe, VSI, iface);
        }
    }
    world.pass(Duration::from_secs(5));
    world
}

/// Frames that a PE sends into the core for one frame, and whom it reaches.
fn sent(world: &mut World, pe: usize, octets: &[u8]) -> (u64, Vec<(usize, u32)>) {
    let before = world.links.get(&(pe, true)).map_or(0, |link| link.0);
    let reached = world.reached(pe, 1, octets);
    (world.links[&(pe, true)].0 - before, reached)
}

/// Four trees grow, one from each PE; what is flooded takes one copy on the first link and reaches every circuit once. A root
/// without its session copies to its pseudowires.
#[test]
fn inclusive_trees_of_mldp_carry_what_is_flooded() {
    let mut world = network(TreeConfig { inclusive: Some(TunnelKind::Mldp), ..TreeConfig::default() });
    assert!(world.mldp.as_ref().unwrap().messages >= 4 * 3 + 4, "each leaf to the P router, and it to each root");
    let all = frame(Mac::BROADCAST, mac(1));
    for pe in 0..4 {
        let (n, reached) = sent(&mut world, pe, &all);
        assert_eq!((n, reached.len()), (1, 7), "{pe}");
    }
    // Learned from the tree, at the pseudowire to its root.
    assert_eq!(world.reached(2, 2, &frame(mac(1), mac(2))), [(3, 1)]);
    let now = world.now;
    world.mldp.as_mut().unwrap().lose(now, 0);
    world.settle();
    let (n, reached) = sent(&mut world, 0, &all);
    assert_eq!((n, reached.len()), (3, 7), "without branches the root copies to its pseudowires");
}

/// A flow that is worth it gets a tree of its own, with the leaves that have members.
#[test]
fn selective_trees_of_mldp_follow_members() {
    let mut world = network(TreeConfig { congruency: 0, ..TreeConfig::default() });
    for pe in [1, 3] {
        world.send(pe, 1, &join(7, G));
    }
    world.pass(Duration::from_secs(1));
    assert_eq!(sent(&mut world, 0, &data(1, G)), (2, vec![(1, 1), (3, 1)]), "by pseudowires");
    for _ in 0..11 {
        let rate = vpls::Input::Rate { vsi: VSI, source: None, group: G.into(), bits_per_second: 50_000_000 };
        world.input(0, rate);
        world.pass(Duration::from_secs(1));
    }
    assert_eq!(sent(&mut world, 0, &data(1, G)), (1, vec![(1, 1), (3, 1)]), "by a tree");
    assert!(world.pes[0].pe.trace_group(VSI, None, G.into()).unwrap().tree.is_some());
    world.send(2, 2, &join(8, G));
    world.send(3, 1, &leave(7, G));
    world.pass(Duration::from_secs(10));
    let (_, reached) = sent(&mut world, 0, &data(1, G));
    assert_eq!(reached, [(1, 1), (2, 2)]);
}
