//! Limits that the provider sets, at run time and under attack (RFC 4834 §5.2.5, §5.2.8).

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use bgp_vpn::nlri::RouteDistinguisher;
use bgp_vpn::nlri::mcast_vpn::CMulticast;
use fwd_core::net::{PolicerId, VrfId};
use fwd_core::op::{FwdOp, PolicePoint, Policer, Rates, Unit};
use fwd_core::time::Instant;
use mvpn::mvrf::{
    AdRoute, AsmMode, CTree, Input, McastAttributes, McastKind, McastRoute, MldpLsp, MvpnConfigError, MvpnEvent,
    MvpnLimit, MvpnLimits, MvpnPe, MvrfConfig, Output, PTunnel, PmsiTunnelValue, Reservation, SFlow, Target,
    TunnelKind, Usage,
};
use mvpn::pim::wire::AddressFamily;
use proptest::prelude::*;

use super::limits::{alone, set, tree};
use super::node::{SimAddress, pmsi, site};
use super::world::World;
use super::{Provider, VRF, mvrf};

type A = Ipv4Addr;

const SECOND: Duration = Duration::from_secs(1);

fn usage(pe: &MvpnPe, vrf: VrfId, of: MvpnLimit) -> Usage {
    pe.usage(vrf).into_iter().find(|u| u.limit == of).unwrap()
}

/// Ten sources may be announced: the eleventh gets no Source Active A-D route, so nobody joins it; it is counted, and an alarm says so.
/// Together they may send so much: of twice the rate half passes, to the hundredth.
///
/// Shows: MVPN-CTL-1
#[test]
fn sources_are_limited_in_number_and_rate() {
    let mut world: World<A> = World::new(Provider::V4.routers(3), 5, |_, _| {});
    for pe in 0..3 {
        let mut config = mvrf(pe, Some(TunnelKind::MldpP2mp), TunnelKind::MldpP2mp);
        (config.asm, config.limits.own_sources, config.alarm.high) = (AsmMode::SptOnly, 10, 100);
        world.add_site(pe, config, pe == 2);
    }
    world.run_for(SECOND);
    world.member((1, VRF), None, A::asm(1), true);
    world.run_for(SECOND * 2);
    for n in 0..11 {
        let (source, group) = (A::host(0, n).into(), A::asm(1).into());
        world.input(0, Input::Active { vrf: VRF, source, group, rp: None, is_active: true });
    }
    world.run_for(SECOND * 2);
    let announced = |pe: &MvpnPe| pe.originated().filter(|(r, _)| matches!(r.kind, McastKind::SourceActive(_))).count();
    let joined = |pe: &MvpnPe| pe.originated().filter(|(r, _)| matches!(r.kind, McastKind::SourceTreeJoin(_))).count();
    assert_eq!((announced(&world.pes[0].mvpn), joined(&world.pes[1].mvpn)), (10, 10));
    let sources = usage(&world.pes[0].mvpn, VRF, MvpnLimit::OwnSources);
    assert_eq!((sources.used, sources.max, sources.refused, sources.is_raised), (10, 10, 1, true));
    let told = |e: &MvpnEvent| matches!(e, MvpnEvent::Alarm { limit: MvpnLimit::OwnSources, is_raised: true, .. });
    assert_eq!(world.pes[0].events.iter().filter(|e| told(e)).count(), 1);
    // Packets of the eleventh reach nobody, those of the others the receiver.
    for n in 0..11 {
        let number = world.send((0, VRF), A::host(0, n), A::asm(1));
        world.run_for(SECOND);
        let copies = world.copies(A::host(0, n), A::asm(1), number);
        assert_eq!(copies.get(&(1, VRF)).copied(), (n < 10).then_some(1), "source {n}");
    }
    // 32 octets a packet: 500 packets a second may pass, two sources send 500 each.
    let rates = Rates::Single { cir: 32 * 500, cbs: 32 * 4, ebs: 0 };
    let policer = Policer { rates, unit: Unit::Octets, drop_yellow: true };
    for op in [
        FwdOp::SetPolicer { id: PolicerId(0), policer },
        FwdOp::SetPolicePoint { at: PolicePoint::Multicast(VRF), policer: PolicerId(0) },
    ] {
        world.pes[0].forwarder.apply(&op).unwrap();
    }
    let mut passed = 0;
    for n in 0..8000 {
        let source = A::host(0, n as u8 % 2);
        let number = world.send((0, VRF), source, A::asm(1));
        world.run_for(Duration::from_millis(1));
        world.run_for(Duration::ZERO);
        passed += u32::from(!world.copies(source, A::asm(1), number).is_empty() || n >= 7990);
    }
    let sent = world.pes[0].drops.get("Policed").copied().unwrap_or(0);
    assert!((3960..=4040).contains(&(8000 - sent)), "{sent} were dropped of 8000, {passed}");
}

/// Bandwidth for two fast streams and one slow: what is more is refused, counted and said, whatever streams there are go on, and a leave makes
/// room.
///
/// Shows: MVPN-QOS-7
#[test]
fn joins_are_admitted_while_there_is_bandwidth() {
    let mut world: World<A> = World::new(Provider::V4.routers(2), 5, |_, _| {});
    for pe in 0..2 {
        let mut config = mvrf(pe, Some(TunnelKind::MldpP2mp), TunnelKind::MldpP2mp);
        let rates = vec![("232.0.0.0/8".parse().unwrap(), 1_000_000), ("232.1.1.3/32".parse().unwrap(), 100_000)];
        config.reservation = Some(Reservation { capacity: 2_100_000, rates, other: 0 });
        world.add_site(pe, config, false);
    }
    world.run_for(SECOND);
    let source = A::host(0, 1);
    (1..=5).for_each(|n| world.member((1, VRF), Some(source), A::ssm(n), true));
    world.run_for(SECOND * 3);
    let served = |world: &mut World<A>| -> Vec<u8> {
        let is_served = |n: &u8| {
            let number = world.send((0, VRF), source, A::ssm(*n));
            world.run_for(SECOND);
            !world.copies(source, A::ssm(*n), number).is_empty()
        };
        (1..=5).filter(is_served).collect()
    };
    assert_eq!(served(&mut world), [1, 2, 3]);
    let bandwidth = usage(&world.pes[1].mvpn, VRF, MvpnLimit::Bandwidth);
    assert_eq!((bandwidth.used, bandwidth.max, bandwidth.is_raised), (2_100_000, 2_100_000, true));
    assert!(bandwidth.refused >= 2);
    let said = |e: &MvpnEvent| matches!(e, MvpnEvent::Limit { limit: MvpnLimit::Bandwidth, .. });
    assert!(world.pes[1].events.iter().any(said));
    world.member((1, VRF), Some(source), A::ssm(1), false);
    // PIM joins again every minute.
    world.run_for(SECOND * 70);
    assert_eq!(served(&mut world).len(), 3);
    assert_eq!(usage(&world.pes[1].mvpn, VRF, MvpnLimit::Bandwidth).used, 2_100_000);
}

fn trees_joined(pe: &MvpnPe) -> BTreeSet<IpAddr> {
    let groups = pe.originated().filter_map(|(r, _)| match r.kind {
        McastKind::SourceTreeJoin(join) => Some(join.group),
        _ => None,
    });
    groups.collect()
}

/// A rogue's C-multicast routes for the VRF of PE 192.0.2.1.
fn join_route(rd: RouteDistinguisher, n: u32) -> Input {
    let group = IpAddr::V4(Ipv4Addr::from_bits((232 << 24) + 256 + n));
    let join = CMulticast { rd, source_as: 65001, source: A::host(0, 1).into(), group };
    let route = McastRoute { family: AddressFamily::V4, kind: McastKind::SourceTreeJoin(join) };
    let target: Target = Target::Rt("192.0.2.1:1".parse().unwrap());
    Input::Route { route, attributes: Some(McastAttributes::new([192, 0, 2, 9].into(), vec![target])) }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Limits that change at run time take effect at once, nothing else is withdrawn or said anew, and what goes is what came last.
    ///
    /// Shows: MVPN-CTL-3
    #[test]
    fn a_lower_limit_drops_the_newest(
        order in Just((0..60_u8).collect::<Vec<_>>()).prop_shuffle(),
        low in 1..60_usize,
        high in 60..100_usize,
    ) {
        let now = Instant::from_secs(100);
        let mut pe = alone(|c| c.limits.trees = 60);
        order.iter().for_each(|n| set(&mut pe, now, *n, true));
        while pe.poll_output().is_some() {}
        pe.set_limits(now, VRF, MvpnLimits { trees: low, ..MvpnLimits::default() }).unwrap();
        let group = |n: &u8| tree(*n).group();
        let expected: BTreeSet<IpAddr> = order[..low].iter().map(group).collect();
        prop_assert_eq!(trees_joined(&pe), expected);
        let mut withdrawn = 0;
        while let Some(output) = pe.poll_output() {
            prop_assert!(!matches!(output, Output::Advertise { .. }), "{:?}", output);
            withdrawn += usize::from(matches!(output, Output::Withdraw(_)));
        }
        prop_assert_eq!(withdrawn, 60 - low);
        // With room again, what PIM joins again is joined.
        pe.set_limits(now, VRF, MvpnLimits { trees: high, ..MvpnLimits::default() }).unwrap();
        order.iter().for_each(|n| set(&mut pe, now, *n, true));
        prop_assert_eq!(trees_joined(&pe).len(), 60);
        let none = MvpnLimits { trees: 0, ..MvpnLimits::default() };
        prop_assert_eq!(pe.set_limits(now, VRF, none), Err(MvpnConfigError::Limits));
        prop_assert_eq!(pe.set_limits(now, VrfId(9), MvpnLimits::default()), Err(MvpnConfigError::Vrf));
    }
}

/// The same for what other PEs say: joins, members and S-PMSIs that came last go, and come back when they are said again.
#[test]
fn a_lower_limit_drops_the_newest_of_others() {
    let now = Instant::from_secs(1);
    let mut pe = alone(|c| c.inclusive = Some(TunnelKind::MldpP2mp));
    pe.handle_input(now, Input::Local { vrf: VRF, prefix: "10.0.0.0/8".parse().unwrap(), reachable: true });
    let rd = mvrf(0, None, TunnelKind::MldpP2mp).rd;
    (0..50).for_each(|n| pe.handle_input(now, join_route(rd, n)));
    while pe.poll_output().is_some() {}
    assert_eq!(usage(&pe, VRF, MvpnLimit::Joins).used, 50);
    pe.set_limits(now, VRF, MvpnLimits { joins: 20, ..MvpnLimits::default() }).unwrap();
    let gone: BTreeSet<CTree> = std::iter::from_fn(|| pe.poll_output())
        .filter_map(|o| match o {
            Output::Downstream { tree, joined: false, .. } => Some(tree),
            _ => None,
        })
        .collect();
    let group = |n: u32| IpAddr::V4(Ipv4Addr::from_bits((232 << 24) + 256 + n));
    let source = A::host(0, 1).into();
    assert_eq!(gone, (20..50).map(|n| CTree::Source { group: group(n), source }).collect());
    assert_eq!(usage(&pe, VRF, MvpnLimit::Joins).used, 20);
    pe.set_limits(now, VRF, MvpnLimits::default()).unwrap();
    pe.handle_input(now, join_route(rd, 33));
    assert_eq!(usage(&pe, VRF, MvpnLimit::Joins).used, 21);
}

/// Routes of every type that a rogue PE of VPN 1 makes up.
fn made_up(n: u32) -> [Input; 5] {
    let rogue: IpAddr = [192, 0, 2, 77].into();
    let far = |n: u32| IpAddr::V4(Ipv4Addr::from_bits((198 << 24) + (51 << 16) + n));
    let group = IpAddr::V4(Ipv4Addr::from_bits((239 << 24) + 256 + n));
    let rd = RouteDistinguisher::four_octet_as(n, 9);
    let export: Target = Target::Rt("65001:1".parse().unwrap());
    let with = |route: McastRoute, pmsi: Option<PmsiTunnelValue>, target: Target| Input::Route {
        route,
        attributes: Some(McastAttributes { pmsi, ..McastAttributes::new(rogue, vec![target]) }),
    };
    let lsp = |id| Some(PmsiTunnelValue::new(PTunnel::MldpP2mp(MldpLsp::generic(rogue, id))));
    let flow = SFlow::source_group(far(1), group);
    let ours = AdRoute::SPmsi { rd: mvrf(0, None, TunnelKind::MldpP2mp).rd, flow, originator: [192, 0, 2, 1].into() };
    let leaf = McastRoute { family: AddressFamily::V4, kind: McastKind::Leaf { key: ours, originator: far(n) } };
    [
        with(McastRoute::i_pmsi(AddressFamily::V4, rd, far(n)), lsp(n), export),
        with(McastRoute::s_pmsi(rd, flow, rogue), lsp(1_000_000 + n), export),
        with(McastRoute::source_active(rd, far(n), group), None, export),
        with(leaf, None, Target::router([192, 0, 2, 1].into())),
        join_route(mvrf(0, None, TunnelKind::MldpP2mp).rd, n),
    ]
}

/// A flood of made-up routes of every type, joins, labels and spoofed packets against VPN 1: each is bounded, dropped or refused, and
/// counted; what is said of it is at most one event a second for each kind; VPN 2 on the same PEs is served as before. When the
/// flood is withdrawn, nothing is left of it.
///
/// Shows: MVPN-SEC-1, MVPN-ISEC-9
#[test]
fn a_flood_in_one_vpn_is_bounded_and_the_other_is_served() {
    let two = VrfId(2);
    let mut world: World<A> = World::new(Provider::V4.routers(3), 5, |_, _| {});
    let limits = MvpnLimits {
        members: 20,
        joins: 50,
        s_pmsis: 30,
        sources: 40,
        trees: 60,
        own_sources: 10,
        own_s_pmsis: 10,
        own_tunnels: 10,
        leaves: 25,
    };
    for pe in 0..3 {
        let mut config = mvrf(pe, Some(TunnelKind::MldpP2mp), TunnelKind::MldpP2mp);
        config.limits = limits;
        world.add_site(pe, config, false);
        let rd = RouteDistinguisher::two_octet_as(65001, 200 + pe as u32);
        world.add_site(pe, MvrfConfig::new(two, rd, "65001:2".parse().unwrap(), pmsi(two)), false);
    }
    world.run_for(SECOND);
    let (source, group) = (A::host(0, 1), A::ssm(1));
    for pe in [1, 2] {
        world.member((pe, two), Some(source), group, true);
    }
    world.run_for(SECOND * 2);
    let (numbers, events) = (world.pes[0].mvpn.numbers_in_use(), world.pes[0].events.len());
    let served = |world: &mut World<A>| {
        let number = world.send((0, two), source, group);
        world.run_for(Duration::from_millis(100));
        world.copies(source, group, number).into_iter().collect::<Vec<_>>()
    };
    let good = [((1, two), 1), ((2, two), 1)];
    assert_eq!(served(&mut world), good);
    let start = world.now;
    for n in 0..2000 {
        for input in made_up(n) {
            world.input(0, input);
        }
        // A join that is not for this VRF's RD is not a join.
        world.input(0, join_route(RouteDistinguisher::four_octet_as(7, 7), n));
        if n % 8 == 0 {
            world.member((1, VRF), Some(A::host(0, 2)), A::ssm((n / 8) as u8), true);
        }
        if n % 200 == 0 {
            assert_eq!(served(&mut world), good, "after {n}");
        }
    }
    let seconds = (world.now - start).as_secs() + 1;
    for pe in [0, 1] {
        for usage in world.pes[pe].mvpn.usage(VRF) {
            assert!(usage.used <= usage.max, "{usage:?}");
        }
        assert!(world.pes[pe].mvpn.usage(two).iter().all(|u| u.refused == 0 && !u.is_raised));
    }
    for (of, refused) in
        [(MvpnLimit::Members, 1980), (MvpnLimit::SPmsis, 1970), (MvpnLimit::Sources, 1960), (MvpnLimit::Joins, 1950)]
    {
        let usage = usage(&world.pes[0].mvpn, VRF, of);
        assert!(usage.refused >= refused && usage.is_raised, "{usage:?}");
    }
    assert!(usage(&world.pes[1].mvpn, VRF, MvpnLimit::Trees).refused >= 100);
    // Each kind of event at most once a second, alarms once.
    let said = world.pes[0].events.len() - events;
    assert!(said as u64 <= 20 * seconds, "{said} events in {seconds} s");
    // Data: a label from a CE, a source that is another PE's.
    let mut labelled = vec![2, 0, 0, 0, 1, 1, 2, 0, 0, 0, 9, 9, 0x88, 0x47, 0, 0x3e, 0x81, 64];
    labelled.extend_from_slice(&super::node::data(source, group, 1)[14..]);
    let drops = |world: &World<A>| world.pes[1].drops.values().sum::<u64>();
    let before = drops(&world);
    world.frame(1, site(VRF), &labelled);
    assert_eq!(drops(&world), before + 1, "{:?}", world.pes[1].drops);
    let number = world.send((1, two), source, group);
    world.run_for(SECOND);
    assert!(world.copies(source, group, number).is_empty(), "a spoofed source");
    assert_eq!(served(&mut world), good);
    // All of it is withdrawn.
    for n in 0..2000 {
        for input in made_up(n) {
            if let Input::Route { route, .. } = input {
                world.input(0, Input::Route { route, attributes: None });
            }
        }
    }
    world.run_for(SECOND * 100);
    assert_eq!(world.pes[0].mvpn.numbers_in_use(), numbers);
    let left: Vec<_> = world.pes[0]
        .mvpn
        .usage(VRF)
        .into_iter()
        .filter(|u| u.limit != MvpnLimit::Members && u.limit != MvpnLimit::Joins)
        .collect();
    assert!(left.iter().all(|u| u.used == 0), "{left:?}");
    assert_eq!(served(&mut world), good);
}

/// A source without receivers puts nothing into any tunnel, in its own VPN or an extranet; once the last receiver has gone, forwarding
/// stops: at once for SSM, after the join removal delay for ASM at most.
///
/// Shows: MVPN-ISEC-6
#[test]
fn a_channel_without_members_is_not_carried() {
    for kinds in super::ssm::KINDS {
        let mut world: World<A> = World::new(Provider::V4.routers(3), 9, |_, _| {});
        for pe in 0..3 {
            let mut config = mvrf(pe, kinds.0, kinds.1);
            if kinds.0.is_none() {
                config.s_pmsi.fixed = vec![SFlow::all(AddressFamily::V4)];
            }
            if pe == 2 {
                // Another VPN that imports the first, as one that leads to the Internet does.
                config.import = vec![Target::Rt("65001:2".parse().unwrap()), Target::Rt("65001:1".parse().unwrap())];
                config.export = vec![Target::Rt("65001:2".parse().unwrap())];
            }
            world.add_site(pe, config, false);
        }
        world.run_for(SECOND * 2);
        let crossed = |world: &mut World<A>, from: usize| {
            let before = world.crossed;
            for group in [A::ssm(1), A::asm(1)] {
                world.send((from, VRF), A::host(from, 1), group);
            }
            world.run_for(SECOND);
            world.crossed - before
        };
        assert_eq!((crossed(&mut world, 0), crossed(&mut world, 2)), (0, 0), "{kinds:?}");
        for receiver in [1, 2] {
            world.member((receiver, VRF), Some(A::host(0, 1)), A::ssm(1), true);
            world.run_for(SECOND * 5);
            assert!(crossed(&mut world, 0) > 0, "{kinds:?} PE {receiver}");
            world.member((receiver, VRF), Some(A::host(0, 1)), A::ssm(1), false);
            world.run_for(SECOND);
            assert_eq!(crossed(&mut world, 0), 0, "{kinds:?} PE {receiver}");
            // (S,G) of an ASM group.
            world.member((receiver, VRF), Some(A::host(0, 1)), A::asm(1), true);
            world.run_for(SECOND * 5);
            assert!(crossed(&mut world, 0) > 0, "{kinds:?} PE {receiver}");
            world.member((receiver, VRF), Some(A::host(0, 1)), A::asm(1), false);
            world.run_for(SECOND * 11);
            assert_eq!(crossed(&mut world, 0), 0, "{kinds:?} PE {receiver}");
        }
    }
}
