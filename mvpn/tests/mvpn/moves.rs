//! The log of flows that changed their tunnel, and the counters beside it.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use mvpn::mvrf::{Input, Move, MvpnEvent, MvpnLimit, MvpnLimits, PTunnel, Reason, SFlow, Threshold, TunnelKind};

use super::decision::{flow, network, rate};
use super::node::SimAddress;
use super::world::World;
use super::{Provider, VRF};

const SECOND: Duration = Duration::from_secs(1);

/// A line of the log: the flow, the tunnel before and after, why.
type Line = (SFlow, Option<PTunnel>, Option<PTunnel>, Move);

fn log<A: SimAddress>(world: &World<A>) -> Vec<Line> {
    let lines = world.pes[0].events.iter().filter_map(|e| match e {
        MvpnEvent::Moved { vrf: VRF, flow, from, to, why } => Some((*flow, from.clone(), to.clone(), *why)),
        _ => None,
    });
    lines.collect()
}

/// Counters by cause are the counts of the log, and the log of a flow leads from tunnel to tunnel without a gap, to the one that carries it.
fn check<A: SimAddress>(world: &World<A>, inclusive: &PTunnel) {
    let figures = world.pes[0].mvpn.s_pmsi_figures(VRF).unwrap();
    let (mut causes, mut at) = (BTreeMap::new(), BTreeMap::<SFlow, Option<PTunnel>>::new());
    for (flow, from, to, why) in log(world) {
        *causes.entry(why).or_insert(0_u64) += 1;
        assert_eq!(*at.get(&flow).unwrap_or(&Some(inclusive.clone())), from, "{flow:?} {why:?}");
        assert_ne!(from, to, "{flow:?} {why:?}");
        at.insert(flow, to);
    }
    for reason in [Reason::Placed, Reason::Scheduled, Reason::Rate, Reason::Waste, Reason::Audience] {
        let counted = figures.moved.get(&reason).copied().unwrap_or(0);
        assert_eq!(causes.get(&Move::Wanted(reason)).copied().unwrap_or(0), counted, "{reason:?}");
    }
    assert_eq!(causes.get(&Move::Unwanted).copied().unwrap_or(0), figures.returned);
    for (flow, to) in at {
        let (source, group) = (flow.source.unwrap(), flow.group.address().unwrap());
        assert_eq!(world.pes[0].mvpn.carried(VRF, source, group).unwrap().sent_by, to);
    }
}

fn every_cause<A: SimAddress>(provider: Provider) {
    let limits = MvpnLimits { own_tunnels: 3, ..MvpnLimits::default() };
    let mut world = network::<A>(provider, 6, Some(TunnelKind::MldpP2mp), |c| {
        c.s_pmsi.threshold = Some(Threshold { up: 10_000, down: 5_000 });
        c.s_pmsi.waste = Some(Threshold { up: 3_000, down: 1_000 });
        c.limits = limits;
    });
    let audiences: [(u8, &[usize]); 4] = [(1, &[1, 2, 3, 4, 5]), (2, &[1]), (3, &[1, 2, 3, 4, 5]), (4, &[2])];
    for (group, receivers) in audiences {
        receivers.iter().for_each(|pe| world.member((*pe, VRF), Some(A::host(0, 1)), A::ssm(group), true));
    }
    world.run_for(SECOND * 5);
    let carried = |world: &World<A>, n| world.pes[0].mvpn.carried(VRF, A::host(0, 1).into(), A::ssm(n).into()).unwrap();
    let inclusive = carried(&world, 1).sent_by.unwrap();
    let causes = |world: &World<A>, of: u8| -> Vec<Move> {
        log(world).into_iter().filter(|(f, ..)| *f == flow(A::ssm(of))).map(|(.., why)| why).collect()
    };
    // By its rate, by what it would waste, by hand; there is no fourth tunnel.
    rate(&mut world, A::ssm(1), 20_000);
    rate(&mut world, A::ssm(2), 2_000);
    let now = world.now;
    world.pes[0].mvpn.place(now, VRF, flow(A::ssm(3)), Some(true)).unwrap();
    world.drain(0);
    rate(&mut world, A::ssm(4), 1_000);
    world.run_for(SECOND * 5);
    check(&world, &inclusive);
    let firsts = [1, 2, 3, 4].map(|n| causes(&world, n));
    let wanted = |reason| vec![Move::Wanted(reason)];
    assert_eq!(firsts, [wanted(Reason::Rate), wanted(Reason::Waste), wanted(Reason::Placed), vec![]]);
    assert!(world.pes[0].mvpn.s_pmsi_figures(VRF).unwrap().without_tunnel > 0, "the budget");
    // The tunnel of the first fails: it returns, and the one that waited gets the place.
    let failed = world.lsps[&carried(&world, 1).sent_by.unwrap()].root.unwrap().1;
    world.input(0, Input::TreeFailed { tree: failed });
    world.run_for(SECOND * 5);
    check(&world, &inclusive);
    assert_eq!((causes(&world, 1)[1..].to_vec(), causes(&world, 4)), (vec![Move::Failed], wanted(Reason::Waste)));
    assert_eq!(world.pes[0].mvpn.s_pmsi_figures(VRF).unwrap().failed, 1);
    // The second is slow: it returns after its hold-down time, and the first, tried again meanwhile, gets its place.
    rate(&mut world, A::ssm(2), 0);
    world.run_for(SECOND * 80);
    check(&world, &inclusive);
    assert_eq!(causes(&world, 2)[1..], [Move::Unwanted]);
    assert_eq!(causes(&world, 1)[2..], [Move::Wanted(Reason::Rate)]);
    // An operator allows one tunnel, and three again: what came last goes, and comes back by itself.
    let now = world.now;
    world.pes[0].mvpn.set_limits(now, VRF, MvpnLimits { own_tunnels: 1, ..limits }).unwrap();
    world.drain(0);
    check(&world, &inclusive);
    let of_limit = log(&world).into_iter().filter(|(.., why)| *why == Move::Limit).map(|(flow, ..)| flow);
    assert_eq!(of_limit.collect::<Vec<_>>(), [flow(A::ssm(1)), flow(A::ssm(4))]);
    world.run_for(SECOND * 10);
    world.pes[0].mvpn.set_limits(world.now, VRF, limits).unwrap();
    world.drain(0);
    world.run_for(SECOND * 5);
    check(&world, &inclusive);
    assert!([1, 3, 4].into_iter().all(|n| carried(&world, n).is_selective));
    let is_refusal = |e: &&MvpnEvent| matches!(e, MvpnEvent::Limit { limit: MvpnLimit::OwnTunnels, .. });
    assert!(world.pes[0].events.iter().any(|e| is_refusal(&e)));
}

/// Flows move by rate, by waste and by hand, are refused for a budget, fall back when a tunnel fails and when they are slow, and when an
/// operator allows less: each is in the log with flow, from, to and reason, and counted by its cause.
///
/// Shows: MVPN-OAM-10
#[test]
fn every_move_is_logged_and_counted_by_its_cause() {
    every_cause::<Ipv4Addr>(Provider::V4);
    every_cause::<Ipv6Addr>(Provider::V4);
    every_cause::<Ipv4Addr>(Provider::V6);
    every_cause::<Ipv6Addr>(Provider::V6);
}

/// Fixed S-PMSIs of a VPN that has nothing else end with a limit and come back with it.
#[test]
fn fixed_s_pmsis_come_back_with_their_limit() {
    type A = Ipv4Addr;
    let mut world = network::<A>(Provider::V4, 3, None, |_| {});
    world.member((1, VRF), Some(A::host(0, 1)), A::ssm(1), true);
    world.run_for(SECOND * 3);
    let served = |world: &mut World<A>| {
        let number = world.send((0, VRF), A::host(0, 1), A::ssm(1));
        world.run_for(SECOND);
        world.copies(A::host(0, 1), A::ssm(1), number).len()
    };
    assert_eq!(served(&mut world), 1);
    let set = |world: &mut World<A>, own_s_pmsis| {
        let limits = MvpnLimits { own_s_pmsis, ..MvpnLimits::default() };
        world.pes[0].mvpn.set_limits(world.now, VRF, limits).unwrap();
        world.drain(0);
        world.run_for(SECOND * 15);
    };
    set(&mut world, 0);
    assert_eq!((served(&mut world), world.pes[0].mvpn.root_tunnels()), (0, 0));
    set(&mut world, 10);
    assert_eq!((served(&mut world), world.pes[0].mvpn.root_tunnels()), (1, 2));
}
