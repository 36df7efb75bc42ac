//! Fast failover of upstream PEs (RFC 9026): a source behind two PEs, of which one fails without a word.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use fwd_core::net::IpPrefix;
use mvpn::mvrf::{BfdSession, Input, McastKind, RootStandby, TunnelKind};

use super::node::SimAddress;
use super::world::World;
use super::{Provider, VRF, mvrf};

const SECOND: Duration = Duration::from_secs(1);
/// What BFD takes to see a failure here.
const DETECTION: u32 = 30;

/// PEs 0 and 1 have the source; PE 1 is selected, for its address. Packets that PEs 2 and 3 missed together, and copies too many, from one
/// second before PE 1 falls silent to two seconds after.
fn fail<A: SimAddress>(provider: Provider, kind: TunnelKind, standby: RootStandby, revertive: bool) -> (u64, u64, u64) {
    let mut world: World<A> = World::new(provider.routers(4), 41, |_, _| {});
    for pe in 0..4 {
        let mut config = mvrf(pe, Some(kind), kind);
        (config.standby, config.revertive) = (Some(standby), revertive);
        config.bfd = Some(BfdSession { discriminator: 7000 + pe as u32, source: None });
        world.add_site(pe, config, false);
    }
    let (source, group) = (A::host(9, 1), A::ssm(1));
    let subnet: IpPrefix = A::subnet(9).into();
    (0..2).for_each(|pe| world.set_prefix(pe, VRF, subnet, true));
    world.run_for(SECOND);
    // Heads announce their sessions with their tunnels.
    for tail in [2, 3] {
        let session = world.pes[tail].watched.get(&world.routers[1]).copied().flatten();
        assert_eq!(session, Some(BfdSession { discriminator: 7001, source: None }));
    }
    for pe in [2, 3] {
        world.member((pe, VRF), Some(source), group, true);
    }
    world.run_for(SECOND * 2);
    let joins: Vec<_> =
        world.pes[2].mvpn.originated().filter(|(r, _)| matches!(r.kind, McastKind::SourceTreeJoin(_))).collect();
    assert_eq!(joins.iter().filter(|(_, a)| a.standby).count(), 1, "a route for each of both, one of them a standby");
    assert_eq!(joins.len(), 2);
    let (mut numbers, mut from_second) = (Vec::new(), 0);
    for ms in 0..3000_u32 {
        if ms == 1000 {
            from_second = world.sent_by[0];
            world.pes[1].alive = false;
        }
        if ms == 1000 + DETECTION {
            let pe = world.routers[1];
            [0, 2, 3].into_iter().for_each(|at| world.input(at, Input::UpstreamState { vrf: VRF, pe, is_up: false }));
        }
        let number = world.send((0, VRF), source, group);
        world.send_again((1, VRF), source, group, number);
        numbers.push(number);
        world.run_for(Duration::from_millis(1));
    }
    world.run_for(SECOND);
    let (mut lost, mut twice) = (0, 0);
    for number in numbers {
        let copies = world.copies(source, group, number);
        lost += [2, 3].iter().filter(|pe| !copies.contains_key(&(**pe, VRF))).count() as u64;
        twice += copies.values().map(|n| u64::from(n - 1)).sum::<u64>();
    }
    // It comes back: it is selected again.
    world.pes[1].alive = true;
    let pe = world.routers[1];
    [0, 2, 3].into_iter().for_each(|at| world.input(at, Input::UpstreamState { vrf: VRF, pe, is_up: true }));
    world.run_for(SECOND * 2);
    let carried = world.pes[2].mvpn.carried(VRF, source.into(), group.into()).unwrap();
    assert_eq!(carried.from, Some(if revertive { pe } else { world.routers[0] }));
    let number = world.send((0, VRF), source, group);
    world.send_again((1, VRF), source, group, number);
    world.run_for(SECOND);
    assert_eq!(world.copies(source, group, number).len(), 2);
    (lost, twice, from_second)
}

/// Hot, warm, cold: what each loses when the first PE fails, beside the time that BFD needs to see it. Nobody gets a packet twice, though with
/// hot standby both PEs send.
///
/// Shows: MVPN-MH-4
#[test]
fn a_second_pe_takes_over() {
    fn go<A: SimAddress>(provider: Provider, kind: TunnelKind) {
        let fail = |standby| fail::<A>(provider, kind, standby, true);
        let (hot, warm, cold) = (fail(RootStandby::Hot), fail(RootStandby::Warm), fail(RootStandby::Cold));
        println!(
            "{provider:?} {kind:?}: packets lost by two receivers, hot {}, warm {}, cold {}",
            hot.0, warm.0, cold.0
        );
        // Packets are 1 ms apart, the core is 5 ms wide.
        let detection = 2 * u64::from(DETECTION);
        assert!(hot.0 <= detection, "{}", hot.0);
        assert!((detection..=detection + 20).contains(&warm.0), "{}", warm.0);
        assert!(cold.0 > warm.0 && cold.0 <= detection + 2 * 500, "{}", cold.0);
        assert_eq!((hot.1, warm.1, cold.1), (0, 0, 0));
        assert!(hot.2 > 900 && warm.2 == 0 && cold.2 == 0, "only hot sends before");
    }
    go::<Ipv4Addr>(Provider::V4, TunnelKind::MldpP2mp);
    go::<Ipv6Addr>(Provider::V4, TunnelKind::MldpP2mp);
    go::<Ipv4Addr>(Provider::V6, TunnelKind::MldpP2mp);
    go::<Ipv6Addr>(Provider::V6, TunnelKind::MldpP2mp);
}

/// Who is not to return stays.
///
/// Shows: MVPN-MH-4
#[test]
fn a_second_pe_may_stay() {
    for standby in [RootStandby::Hot, RootStandby::Warm, RootStandby::Cold] {
        let (lost, twice, _) = fail::<Ipv4Addr>(Provider::V4, TunnelKind::MldpP2mp, standby, false);
        assert!(twice == 0 && lost <= 1060, "{lost}");
    }
}
