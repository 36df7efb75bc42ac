//! A P-tunnel of PIM's across ASes whose P routers know no router of the others (RFC 6513 §8.1.3).

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};

use bgp_vpn::nlri::RouteDistinguisher;
use mvpn::pim::{Input, PimEvent, PimInterfaceConfig, PimReject, Ways};

use super::secs;
use super::world::{SimAddress, World, iface};

/// PEs 0 and 9 with sites on LANs 0 and 11 - P 1 - ASBR 2 = ASBR 3 - P 4 - ASBR 5 = ASBR 6 - P 7 - router 8, with the upstream PE's address
/// on LAN 9.
const LANS: &[&[usize]] =
    &[&[0], &[0, 1], &[1, 2], &[2, 3], &[3, 4], &[4, 5], &[5, 6], &[6, 7], &[7, 8], &[8], &[1, 9], &[9]];
const AS: [u8; 10] = [1, 1, 1, 2, 2, 2, 3, 3, 3, 1];

fn rd() -> RouteDistinguisher {
    RouteDistinguisher::two_octet_as(65001, 8)
}

/// The next hops of the upstream PE's A-D route at ASBRs: the next ASBR, and at the last the PE.
fn next<A: SimAddress>(asbr: usize, pe: A) -> A {
    match asbr {
        2 => A::loopback(3),
        3 => A::loopback(5),
        5 => A::loopback(6),
        _ => pe,
    }
}

fn set<A: SimAddress>(world: &mut World<A>, asbr: usize, pe: A, is_there: bool) {
    let next_hop = is_there.then(|| next(asbr, pe));
    world.input(asbr, Input::MvpnRoute { pe, rd: rd(), next_hop });
}

fn network<A: SimAddress>(pe: A) -> World<A> {
    let mut world = World::<A>::new(LANS, None, 4, |r, config| config.local_addresses = vec![A::loopback(r)]);
    world.ttl = 16;
    let now = world.now;
    for (lan, routers) in LANS.iter().enumerate() {
        for r in *routers {
            let mut config = PimInterfaceConfig::new(iface(lan), A::on_lan(lan, *r), vec![A::subnet(lan)]);
            config.join_attributes = true;
            world.nodes[*r].pim.remove_interface(now, iface(lan)).unwrap();
            world.nodes[*r].pim.add_interface(now, config).unwrap();
        }
    }
    for (r, asn) in AS.into_iter().enumerate() {
        if asn != 3 {
            world.hidden.insert((r, pe));
        }
        for other in (0..10).filter(|other| AS[*other] != asn) {
            if !LANS.iter().any(|lan| lan.contains(&r) && lan.contains(&other)) {
                world.hidden.insert((r, A::loopback(other)));
            }
        }
    }
    // PEs know it by the A-D route, whose next hop is the ASBR.
    for r in [0, 9] {
        let routes = world.route(r, A::loopback(2)).into_iter().collect();
        let ways = Ways { routes, vector: Some(A::loopback(2)), rd: Some(rd()), ..Ways::default() };
        world.ways.insert((r, pe), ways);
    }
    for asbr in [2, 3, 5, 6] {
        set(&mut world, asbr, pe, true);
    }
    world.run(secs(5));
    world
}

fn crosses<A: SimAddress>() {
    let (pe, group) = (A::host(9, 1), A::ssm(1));
    let mut world = network(pe);
    for (r, lan) in [(0, 0), (9, 11)] {
        world.member(r, lan, group, Some(pe), true);
    }
    world.run(secs(10));
    let all: BTreeSet<usize> = (0..LANS.len()).filter(|lan| *lan != 9).collect();
    world.send(9, pe, group, 1);
    world.run(secs(1));
    assert_eq!(world.lans_of(1), Ok(all.clone()), "each link once");
    assert!([0, 1, 2, 3, 4, 5, 9].into_iter().all(|r| world.route(r, pe).is_none()));
    for (n, asbr) in (1..).zip([2, 3, 5, 6]) {
        set(&mut world, asbr, pe, false);
        world.run(secs(300));
        world.send(9, pe, group, 10 * n);
        world.run(secs(1));
        let got = world.lans_of(10 * n).unwrap();
        assert!([0, 11].iter().all(|site| !got.contains(site)), "ASBR {asbr} has no way on: {got:?}");
        let is_refused = |e: &PimEvent<A>| matches!(e, PimEvent::Rejected { reason: PimReject::NoAdRoute, .. });
        assert!(world.nodes[asbr].events.iter().any(is_refused));
        set(&mut world, asbr, pe, true);
        world.run(secs(120));
        world.send(9, pe, group, 10 * n + 1);
        world.run(secs(1));
        assert_eq!(world.lans_of(10 * n + 1), Ok(all.clone()), "ASBR {asbr} has one again");
    }
    for (r, lan) in [(0, 0), (9, 11)] {
        world.member(r, lan, group, Some(pe), false);
    }
    world.run(secs(300));
    assert!(world.nodes.iter().all(|node| node.pim.states() == 0 && node.tracked.is_empty()));
}

/// PEs of the first AS join a tree of a PE in the third. Their Joins name the ASBR that is the next hop of its A-D route, and each ASBR the next one
/// that its own leads to: P routers find the way without a route to the PE, and ASBRs without one beyond the next ASBR. An ASBR without the A-D
/// route discards the Joins.
///
/// Shows: MVPN-IAS-6
#[test]
fn joins_cross_cores_that_do_not_know_the_upstream_pe() {
    crosses::<Ipv4Addr>();
    crosses::<Ipv6Addr>();
}
