//! With mLDP through a P router: one copy on a link, a move without a loss.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use mvpn::mvrf::{Input, Threshold, TunnelKind};

use super::node::SimAddress;
use super::switch::stream;
use super::world::World;
use super::{Provider, VRF, mvrf};

type A = Ipv4Addr;

const SECOND: Duration = Duration::from_secs(1);
/// PEs 0 to 3, and the P router between them.
const P: usize = 4;

fn network(provider: Provider, inclusive: TunnelKind) -> World<A> {
    let mut world: World<A> = World::new(provider.routers(5), 17, |_, _| {});
    world.start_ldp(P);
    for pe in 0..4 {
        let mut config = mvrf(pe, Some(inclusive), TunnelKind::MldpP2mp);
        config.s_pmsi.threshold = Some(Threshold { up: 100_000, down: 50_000 });
        world.add_site(pe, config, false);
    }
    world.run_for(SECOND * 2);
    world
}

/// What a packet costs on the link of its PE into the core.
fn on_the_link(world: &mut World<A>, source: A, group: A) -> u64 {
    let before = world.sent_by[0];
    let number = world.send((0, VRF), source, group);
    world.run_for(SECOND);
    let expected = BTreeMap::from([1, 2, 3].map(|pe| ((pe, VRF), 1)));
    assert_eq!(world.copies(source, group, number), expected);
    world.sent_by[0] - before
}

/// A P2MP LSP takes one copy over the link to the P router, which makes three of it; ingress replication takes one for each leaf.
///
/// Shows: MVPN-OPT-1
#[test]
fn one_copy_on_a_link_by_a_tree() {
    let (source, group) = (A::host(0, 1), A::ssm(1));
    for provider in Provider::BOTH {
        let copies = [TunnelKind::MldpP2mp, TunnelKind::IngressReplication].map(|kind| {
            let mut world = network(provider, kind);
            for pe in 1..4 {
                world.member((pe, VRF), Some(source), group, true);
            }
            world.run_for(SECOND * 3);
            on_the_link(&mut world, source, group)
        });
        assert_eq!(copies, [1, 3]);
    }
}

/// A flow moves to an mLDP tree of its own and back, at a packet each millisecond; the P router keeps nothing of it after.
#[test]
fn a_flow_moves_through_the_core_without_a_loss() {
    let mut world = network(Provider::V4, TunnelKind::MldpP2mp);
    let (source, group) = (A::host(0, 1), A::ssm(1));
    for pe in [1, 2] {
        world.member((pe, VRF), Some(source), group, true);
    }
    world.run_for(SECOND * 3);
    let trees = |world: &World<A>| world.ldp.as_ref().unwrap().nodes[P].trees().count();
    let before = trees(&world);
    let rate = |world: &mut World<A>, octets_per_second| {
        let (source, group) = (source.into(), group.into());
        world.input(0, Input::Rate { vrf: VRF, source, group, octets_per_second });
    };
    rate(&mut world, 1_000_000);
    assert_eq!(stream(&mut world, source, group, &[1, 2], SECOND * 5), (0, 0));
    assert!(world.pes[0].mvpn.carried(VRF, source.into(), group.into()).unwrap().is_selective);
    assert_eq!(trees(&world), before + 1);
    world.run_for(SECOND * 60);
    rate(&mut world, 0);
    assert_eq!(stream(&mut world, source, group, &[1, 2], SECOND * 15), (0, 0));
    world.run_for(SECOND * 20);
    assert_eq!(trees(&world), before);
}
