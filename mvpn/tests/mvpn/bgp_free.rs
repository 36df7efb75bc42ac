//! P-tunnels from PE to PE across ASes whose P routers know no router of the others.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

use mvpn::mvrf::{Input, InterAs, Threshold, TunnelKind};

use super::inter_as::{chain, to};
use super::ldp::link;
use super::node::SimAddress;
use super::world::World;
use super::{Provider, VRF, mvrf};

type A = Ipv4Addr;

const SECOND: Duration = Duration::from_secs(1);
const CORE: [(usize, usize); 12] =
    [(0, 10), (1, 10), (6, 10), (6, 7), (7, 11), (2, 11), (3, 11), (8, 11), (8, 9), (9, 12), (4, 12), (5, 12)];

/// The chain of three ASes, each with a P router between its PEs and ASBRs, 10 to 12, and mLDP; ASBRs pass routes on with themselves as next hop.
fn network() -> World<A> {
    let mut ases = chain();
    ases.asn.extend([65001, 65002, 65003]);
    let mut world = World::<A>::of_ases(
        Provider::V4.routers(13),
        &ases,
        13,
        |_, _| {},
        |_, config| {
            config.whole = BTreeSet::from(["65001:1".parse::<bgp_vpn::attr::RouteTarget>().unwrap().into()]);
            config.next_hop_self = true;
        },
    );
    world.start_ldp_on(CORE.map(|(a, b)| link(a, b)).into(), |_, _| {});
    for pe in 0..6 {
        let mut config = mvrf(pe, Some(TunnelKind::MldpP2mp), TunnelKind::MldpP2mp);
        config.inter_as = InterAs::NonSegmented;
        config.s_pmsi.threshold = Some(Threshold { up: 1000, down: 500 });
        world.add_site(pe, config, false);
    }
    world.run_for(SECOND * 5);
    world
}

/// Streams of all three ASes, by I-PMSIs and by S-PMSIs: PEs join the P-tunnels of other ASes under the next hops of A-D routes, ASBRs go on by
/// theirs, and no router has a route to a PE of another AS. Every receiver is served once, with one copy on each link between ASes.
///
/// Shows: MVPN-IAS-6
#[test]
fn p_tunnels_cross_cores_without_routes_to_their_roots() {
    let mut world = network();
    let mldp = &world.ldp.as_ref().unwrap().nodes;
    for (n, pe) in (0..13).flat_map(|n| (0..6).map(move |pe| (n, pe))) {
        let is_known = mldp[n].metric(world.routers[pe]).is_some();
        assert_eq!(is_known, n != pe && world.asn[n] == world.asn[pe], "router {n}, PE {pe}");
    }
    for (from, receivers, links) in
        [(0, [1, 3, 5], [(6, 7), (8, 9)]), (2, [0, 3, 4], [(7, 6), (8, 9)]), (4, [1, 2, 5], [(9, 8), (7, 6)])]
    {
        let (source, group) = (A::host(from, 1), A::ssm(1));
        receivers.into_iter().for_each(|pe| world.member((pe, VRF), Some(source), group, true));
        world.run_for(SECOND * 5);
        for octets_per_second in [0, 5000] {
            let (s, g) = (source.into(), group.into());
            world.input(from, Input::Rate { vrf: VRF, source: s, group: g, octets_per_second });
            world.run_for(SECOND * 10);
            let before = std::mem::take(&mut world.packets_between);
            let number = world.send((from, VRF), source, group);
            world.run_for(SECOND);
            assert_eq!(world.copies(source, group, number), to(&receivers), "from {from} at {octets_per_second}");
            assert_eq!(world.packets_between, BTreeMap::from(links.map(|link| (link, 1))));
            world.packets_between = before;
        }
        assert!(world.pes[from].mvpn.carried(VRF, source.into(), group.into()).unwrap().is_selective);
    }
    assert!((6..10).all(|asbr| world.pes[asbr].border.as_ref().unwrap().segments() == 0));
}
