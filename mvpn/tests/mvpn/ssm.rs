//! SSM: every receiver that should be served is, once.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use bgp_vpn::nlri::mcast_vpn::CGroup;
use mvpn::mvrf::{Input, McastKind, McastRoute, MvpnEvent, Output, PTunnel, SFlow, TunnelKind};
use mvpn::pim::wire::AddressFamily;

use super::node::SimAddress;
use super::world::World;
use super::{Provider, VRF, mvrf};

const SECOND: Duration = Duration::from_secs(1);

/// Inclusive and selective tunnels to run with: none inclusive is a (C-*,C-*) S-PMSI.
pub const KINDS: [(Option<TunnelKind>, TunnelKind); 4] = [
    (Some(TunnelKind::MldpP2mp), TunnelKind::MldpP2mp),
    (Some(TunnelKind::IngressReplication), TunnelKind::IngressReplication),
    (None, TunnelKind::IngressReplication),
    (None, TunnelKind::RsvpTeP2mp),
];

pub fn network<A: SimAddress>(
    provider: Provider,
    pes: usize,
    (inclusive, selective): (Option<TunnelKind>, TunnelKind),
    seed: u64,
) -> World<A> {
    let mut world = World::new(provider.routers(pes), seed, |_, _| {});
    for pe in 0..pes {
        let mut config = mvrf(pe, inclusive, selective);
        if inclusive.is_none() {
            config.s_pmsi.fixed = [AddressFamily::V4, AddressFamily::V6].map(SFlow::all).to_vec();
        }
        world.add_site(pe, config, false);
    }
    world.run_for(SECOND);
    world
}

fn one_source<A: SimAddress>(provider: Provider, kinds: (Option<TunnelKind>, TunnelKind)) -> BTreeSet<McastRoute> {
    let mut world = network::<A>(provider, 5, kinds, 1);
    let (source, group) = (A::host(0, 1), A::ssm(1));
    let at = (0, VRF);
    let before = world.crossed;
    let number = world.send(at, source, group);
    world.run_for(SECOND);
    // What nobody wants does not enter a tunnel.
    assert_eq!((world.crossed - before, world.copies(source, group, number).len()), (0, 0));
    for pe in [1, 3, 4] {
        world.member((pe, VRF), Some(source), group, true);
    }
    world.run_for(SECOND * 2);
    let number = world.send(at, source, group);
    world.run_for(SECOND);
    let to = |pes: &[usize]| pes.iter().map(|pe| ((*pe, VRF), 1)).collect::<BTreeMap<_, _>>();
    assert_eq!(world.copies(source, group, number), to(&[1, 3, 4]), "{provider:?} {kinds:?}");
    // RFC 6514 §11.4: the second receiver behind a PE costs no message.
    let messages = world.messages.clone();
    world.member((1, VRF), Some(source), A::ssm(1), true);
    assert_eq!(world.messages, messages);
    let joins = |world: &World<A>| -> BTreeSet<McastRoute> {
        let all = world.pes.iter().flat_map(|pe| pe.mvpn.originated()).map(|(route, _)| *route);
        all.filter(|route| matches!(route.kind, McastKind::SourceTreeJoin(_))).collect()
    };
    let joined = joins(&world);
    world.member((3, VRF), Some(source), group, false);
    world.run_for(SECOND * 2);
    let number = world.send(at, source, group);
    world.run_for(SECOND);
    assert_eq!(world.copies(source, group, number), to(&[1, 4]), "{provider:?} {kinds:?}");
    for pe in [1, 4] {
        world.member((pe, VRF), Some(source), group, false);
    }
    world.run_for(SECOND * 20);
    let before = world.crossed;
    world.send(at, source, group);
    world.run_for(SECOND);
    assert_eq!(world.crossed, before, "{provider:?} {kinds:?}");
    joined
}

/// Customers' and providers' families, each with each, with every kind of tunnel: C-multicast routes are the same whatever the tunnel.
///
/// Shows: MVPN-GEN-4, MVPN-TUN-1
#[test]
fn one_source_in_all_four_pairs_of_families() {
    for provider in Provider::BOTH {
        let v4: BTreeSet<_> = KINDS.into_iter().map(|kinds| one_source::<Ipv4Addr>(provider, kinds)).collect();
        let v6: BTreeSet<_> = KINDS.into_iter().map(|kinds| one_source::<Ipv6Addr>(provider, kinds)).collect();
        assert_eq!((v4.len(), v6.len()), (1, 1), "a join for each kind of tunnel the same");
        assert!(v4.iter().chain(&v6).all(|joins| joins.len() == 1));
    }
}

/// A source attached to two PEs, both of which have receivers elsewhere: two PEs select one each, and drop what comes from the other.
///
/// Shows: MVPN-CORE-8
#[test]
fn packets_of_the_wrong_pe_are_dropped_and_counted() {
    type A = Ipv4Addr;
    let mut world = network::<A>(Provider::V4, 4, KINDS[0], 3);
    let (source, group) = (Ipv4Addr::new(10, 9, 0, 1), A::ssm(1));
    for pe in [0, 1] {
        world.set_prefix(pe, VRF, "10.9.0.0/24".parse().unwrap(), true);
    }
    world.run_for(SECOND);
    for pe in [2, 3] {
        world.member((pe, VRF), Some(source), group, true);
    }
    world.run_for(SECOND * 2);
    // PE 1 has the highest address. PE 0 is made to send too, as if another had joined there.
    let rd = mvrf(0, None, TunnelKind::MldpP2mp).rd;
    let join = world.pes[2].mvpn.originated().find_map(|(route, attributes)| match route.kind {
        McastKind::SourceTreeJoin(join) => Some((*route, join, attributes.clone())),
        _ => None,
    });
    let (mut route, mut join, mut attributes) = join.expect("a join");
    join.rd = rd;
    route.kind = McastKind::SourceTreeJoin(join);
    let import = world.pes[0].mvpn.route_import(VRF).unwrap();
    attributes.targets = vec![mvpn::mvrf::Target::of(import.c_multicast_import())];
    world.input(0, Input::Route { route, attributes: Some(attributes) });
    world.run_for(SECOND);
    let number = world.send((0, VRF), source, group);
    world.send_again((1, VRF), source, group, number);
    world.run_for(SECOND);
    let expected = BTreeMap::from([((2, VRF), 1), ((3, VRF), 1)]);
    assert_eq!(world.copies(source, group, number), expected);
    for pe in [2, 3] {
        assert_eq!(world.pes[pe].drops.get("RpfFailed"), Some(&1), "PE {pe}");
    }
    // PE 1 dies: both go over to PE 0.
    world.kill(1);
    world.run_for(SECOND * 3);
    let number = world.send((0, VRF), source, group);
    world.run_for(SECOND);
    assert_eq!(world.copies(source, group, number), expected);
    let changed =
        |e: &MvpnEvent| matches!(e, MvpnEvent::UpstreamChanged { pe: Some(pe), .. } if *pe == world.routers[0]);
    assert!(world.pes[2].events.iter().any(changed));
}

/// 100 PEs list each other, with the tunnel of each; one with another route target lists nobody and is listed by nobody.
///
/// Shows: MVPN-CORE-1
#[test]
fn a_hundred_pes_find_each_other() {
    let mut world: World<Ipv4Addr> = World::new(Provider::V4.routers(101), 1, |_, _| {});
    for pe in 0..101 {
        let mut config = mvrf(pe, Some(TunnelKind::MldpP2mp), TunnelKind::MldpP2mp);
        config.families = vec![AddressFamily::V4];
        if pe == 100 {
            config.import = vec!["65001:2".parse::<bgp_vpn::attr::RouteTarget>().unwrap().into()];
            config.export = config.import.clone();
        }
        world.add_site(pe, config, false);
    }
    world.run_for(SECOND * 60);
    for pe in 0..100 {
        let members: BTreeSet<_> = world.pes[pe].mvpn.members(VRF).collect();
        assert_eq!(members.len(), 99, "PE {pe}");
        for (address, _, tunnel) in members {
            let Some(PTunnel::MldpP2mp(lsp)) = tunnel else { panic!("{tunnel:?}") };
            assert_eq!(lsp.root, address);
        }
    }
    assert_eq!(world.pes[100].mvpn.members(VRF).count(), 0);
}

/// With S-PMSIs only, a VPN without receivers costs one type 1 route for each family, and no tunnel.
///
/// Shows: MVPN-USE-5
#[test]
fn a_vpn_without_receivers_has_no_tunnel() {
    let mut world: World<Ipv4Addr> = World::new(Provider::V4.routers(3), 1, |_, _| {});
    for pe in 0..3 {
        let mut config = mvrf(pe, None, TunnelKind::MldpP2mp);
        config.s_pmsi.always = vec!["224.0.0.0/4".parse().unwrap(), "ff00::/8".parse().unwrap()];
        world.add_site(pe, config, false);
    }
    world.run_for(SECOND * 10);
    for pe in &world.pes {
        assert_eq!(pe.mvpn.originated().count(), 2);
        assert!(pe.mvpn.originated().all(|(_, attributes)| attributes.pmsi.is_none()));
        assert_eq!(pe.mvpn.root_tunnels(), 0);
    }
    // The first receiver gets the flow's own tunnel.
    let (source, group) = (<Ipv4Addr as SimAddress>::host(0, 1), <Ipv4Addr as SimAddress>::ssm(1));
    world.member((2, VRF), Some(source), group, true);
    world.run_for(SECOND * 10);
    assert_eq!(world.pes[0].mvpn.root_tunnels(), 1);
    let number = world.send((0, VRF), source, group);
    world.run_for(SECOND);
    assert_eq!(world.copies(source, group, number), BTreeMap::from([((2, VRF), 1)]));
    let carried = world.pes[0].mvpn.carried(VRF, source.into(), group.into()).unwrap();
    assert!(carried.is_selective && matches!(carried.sent_by, Some(PTunnel::MldpP2mp(_))));
    let there = world.pes[2].mvpn.carried(VRF, source.into(), group.into()).unwrap();
    assert_eq!((there.from, there.received_by), (Some(world.routers[0]), carried.sent_by));
}

/// A removed VRF leaves nothing behind: routes, numbers, timers.
#[test]
fn a_removed_vrf_leaves_nothing_behind() {
    for kinds in KINDS {
        let mut world = network::<Ipv4Addr>(Provider::V4, 3, kinds, 5);
        let (source, group) = (<Ipv4Addr as SimAddress>::host(0, 1), <Ipv4Addr as SimAddress>::ssm(1));
        world.member((1, VRF), Some(source), group, true);
        world.run_for(SECOND * 5);
        for pe in [0, 1] {
            let now = world.now;
            world.pes[pe].mvpn.remove_mvrf(now, VRF).unwrap();
            let mut withdrawn = 0;
            while let Some(output) = world.pes[pe].mvpn.poll_output() {
                match output {
                    Output::Withdraw(_) => withdrawn += 1,
                    Output::Program(op) => world.pes[pe].forwarder.apply(&op).unwrap(),
                    _ => {}
                }
            }
            assert!(withdrawn >= 2, "{kinds:?}");
            assert_eq!(world.pes[pe].mvpn.numbers_in_use(), [0; 4], "PE {pe} {kinds:?}");
            assert_eq!(world.pes[pe].mvpn.next_timeout(), None);
        }
    }
}

/// Routes are written as the codec of BGP writes them, and read back.
#[test]
fn a_wildcard_is_written_with_zero_lengths() {
    let flow = SFlow { group: CGroup::Any, ..SFlow::all(AddressFamily::V4) };
    let rd = mvrf(0, None, TunnelKind::MldpP2mp).rd;
    let route = mvpn::mvrf::McastRoute::s_pmsi(rd, flow, [192, 0, 2, 1].into());
    let mut octets = Vec::new();
    route.emit(&mut octets);
    assert_eq!(octets, [&[3, 14, 0, 0, 0xfd, 0xe9, 0, 0, 0, 100][..], &[0, 0, 192, 0, 2, 1]].concat());
    assert_eq!(mvpn::mvrf::McastRoute::parse(AddressFamily::V4, &octets), Ok(Some(route)));
}
