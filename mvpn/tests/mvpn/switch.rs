//! Flows that change their tunnel: no packet is lost, none comes twice.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use mvpn::mvrf::{Input, McastKind, MvpnEvent, SFlow, Threshold, TunnelKind};
use mvpn::pim::wire::AddressFamily;

use super::node::SimAddress;
use super::world::World;
use super::{Provider, VRF, mvrf};

const SECOND: Duration = Duration::from_secs(1);

/// Sends a packet every millisecond, and counts what each receiver got: copies too few, copies too many.
pub fn stream<A: SimAddress>(world: &mut World<A>, source: A, group: A, to: &[usize], time: Duration) -> (u64, u64) {
    let expected: BTreeMap<_, _> = to.iter().map(|pe| ((*pe, VRF), 1)).collect();
    let numbers: Vec<u32> = (0..time.as_millis())
        .map(|_| {
            let number = world.send((0, VRF), source, group);
            world.run_for(Duration::from_millis(1));
            number
        })
        .collect();
    world.run_for(Duration::from_millis(100));
    let (mut lost, mut twice) = (0, 0);
    for number in numbers {
        let copies = world.copies(source, group, number);
        lost += expected.keys().filter(|place| !copies.contains_key(place)).count() as u64;
        twice += copies.values().map(|n| u64::from(n - 1)).sum::<u64>();
        assert!(copies.keys().all(|place| expected.contains_key(place)), "{copies:?}");
    }
    (lost, twice)
}

fn rate<A: SimAddress>(world: &mut World<A>, source: A, group: A, octets_per_second: u64) {
    let (source, group) = (source.into(), group.into());
    world.input(0, Input::Rate { vrf: VRF, source, group, octets_per_second });
}

fn network<A: SimAddress>(provider: Provider, inclusive: Option<TunnelKind>, selective: TunnelKind) -> World<A> {
    let mut world: World<A> = World::new(provider.routers(4), 11, |_, _| {});
    for pe in 0..4 {
        let mut config = mvrf(pe, inclusive, selective);
        config.s_pmsi.threshold = Some(Threshold { up: 100_000, down: 50_000 });
        if inclusive.is_none() {
            config.s_pmsi.fixed = vec![SFlow::all(AddressFamily::V4), SFlow::all(AddressFamily::V6)];
        }
        world.add_site(pe, config, false);
    }
    world.run_for(SECOND);
    world
}

fn by_rate<A: SimAddress>(provider: Provider, inclusive: Option<TunnelKind>, selective: TunnelKind) {
    let mut world = network::<A>(provider, inclusive, selective);
    let (source, group) = (A::host(0, 1), A::ssm(1));
    for pe in [1, 2] {
        world.member((pe, VRF), Some(source), group, true);
    }
    world.run_for(SECOND * 2);
    let selective_now =
        |world: &World<A>| world.pes[0].mvpn.carried(VRF, source.into(), group.into()).unwrap().is_selective;
    let is_wild = inclusive.is_none();
    assert_eq!(selective_now(&world), is_wild);
    // Below the upper threshold it stays.
    rate(&mut world, source, group, 99_999);
    assert!(!has_s_pmsi(&world, source, group));
    rate(&mut world, source, group, 100_000);
    assert!(has_s_pmsi(&world, source, group));
    // Across the switch, which comes three seconds after the announcement.
    assert_eq!(stream(&mut world, source, group, &[1, 2], SECOND * 5), (0, 0), "{inclusive:?} {selective:?}");
    let moved = |world: &World<A>| world.pes[0].events.iter().filter(|e| matches!(e, MvpnEvent::Moved { .. })).count();
    let count = moved(&world);
    assert!(selective_now(&world) && count >= 1);
    // A bursty source does not swing: the hold-down time is 60 s.
    for burst in 0..20 {
        rate(&mut world, source, group, if burst % 2 == 0 { 10 } else { 200_000 });
        world.run_for(Duration::from_millis(500));
    }
    assert_eq!(moved(&world), count);
    rate(&mut world, source, group, 60_000);
    world.run_for(SECOND * 60);
    assert!(has_s_pmsi(&world, source, group), "above the lower threshold it stays");
    rate(&mut world, source, group, 49_999);
    assert!(!has_s_pmsi(&world, source, group));
    assert_eq!(stream(&mut world, source, group, &[1, 2], SECOND * 15), (0, 0), "{inclusive:?} {selective:?}");
    assert_eq!((selective_now(&world), moved(&world)), (is_wild, count + 1));
}

fn has_s_pmsi<A: SimAddress>(world: &World<A>, source: A, group: A) -> bool {
    let flow = SFlow::source_group(source.into(), group.into());
    world.pes[0].mvpn.originated().any(|(route, _)| match route.kind {
        McastKind::Ad(mvpn::mvrf::AdRoute::SPmsi { flow: f, .. }) => f == flow,
        _ => false,
    })
}

/// Packets at 1 kHz across the move to an S-PMSI and back, from an I-PMSI and from a wildcard S-PMSI, by P2MP LSPs and by ingress
/// replication.
///
/// Shows: MVPN-CORE-2
#[test]
fn a_fast_flow_moves_and_returns_without_a_loss() {
    by_rate::<Ipv4Addr>(Provider::V4, Some(TunnelKind::MldpP2mp), TunnelKind::MldpP2mp);
    by_rate::<Ipv6Addr>(Provider::V4, Some(TunnelKind::MldpP2mp), TunnelKind::IngressReplication);
    by_rate::<Ipv4Addr>(Provider::V6, None, TunnelKind::IngressReplication);
    by_rate::<Ipv6Addr>(Provider::V6, None, TunnelKind::MldpP2mp);
}

/// PEs without a receiver get no packet of a flow with a tunnel of its own; of an I-PMSI they get all, and drop them.
///
/// Shows: MVPN-SCAL-10
#[test]
fn only_receivers_get_what_has_a_tunnel_of_its_own() {
    type A = Ipv4Addr;
    let mut world = network::<A>(Provider::V4, Some(TunnelKind::MldpP2mp), TunnelKind::MldpP2mp);
    let (source, group) = (A::host(0, 1), A::ssm(1));
    world.member((1, VRF), Some(source), group, true);
    world.run_for(SECOND * 2);
    let crossed = |world: &mut World<A>| {
        let before = world.crossed;
        let number = world.send((0, VRF), source, group);
        world.run_for(SECOND);
        assert_eq!(world.copies(source, group, number), BTreeMap::from([((1, VRF), 1)]));
        world.crossed - before
    };
    assert_eq!(crossed(&mut world), 3);
    rate(&mut world, source, group, 1_000_000);
    world.run_for(SECOND * 5);
    assert_eq!(crossed(&mut world), 1);
    // A receiver that comes later joins the S-PMSI: one more branch.
    let joins = world.joins;
    world.member((2, VRF), Some(source), group, true);
    world.run_for(SECOND * 2);
    assert_eq!(world.joins - joins, 1);
    let before = world.crossed;
    world.send((0, VRF), source, group);
    world.run_for(SECOND);
    assert_eq!(world.crossed - before, 2);

    // Of a tunnel that several flows share, who wants one gets all.
    let mut world = network::<A>(Provider::V4, None, TunnelKind::MldpP2mp);
    for (pe, group) in [(1, group), (2, A::ssm(2))] {
        world.member((pe, VRF), Some(source), group, true);
    }
    world.run_for(SECOND * 2);
    let before = world.crossed;
    let number = world.send((0, VRF), source, group);
    world.run_for(SECOND);
    assert_eq!((world.crossed - before, world.copies(source, group, number).len()), (2, 1));
}

/// Leaves of a wildcard S-PMSI announce themselves flow by flow, and the root knows who receives what.
#[test]
fn leaves_of_a_wildcard_are_tracked_flow_by_flow() {
    type A = Ipv4Addr;
    let mut world: World<A> = World::new(Provider::V4.routers(4), 2, |_, _| {});
    for pe in 0..4 {
        let mut config = mvrf(pe, None, TunnelKind::MldpP2mp);
        config.s_pmsi.fixed = vec![SFlow::all(AddressFamily::V4)];
        config.s_pmsi.explicit_tracking = true;
        world.add_site(pe, config, false);
    }
    world.run_for(SECOND);
    let (source, group) = (A::host(0, 1), A::ssm(1));
    world.member((1, VRF), Some(source), group, true);
    world.member((3, VRF), Some(source), A::ssm(2), true);
    world.run_for(SECOND * 2);
    let receivers = |world: &World<A>, group: A| -> Vec<_> {
        world.pes[0].mvpn.receivers(VRF, source.into(), group.into()).into_iter().collect()
    };
    assert_eq!(receivers(&world, group), [world.routers[1]]);
    assert_eq!(receivers(&world, A::ssm(2)), [world.routers[3]]);
    world.member((1, VRF), Some(source), group, false);
    world.run_for(SECOND * 2);
    assert!(receivers(&world, group).is_empty());
}
