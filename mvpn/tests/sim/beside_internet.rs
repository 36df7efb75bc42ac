//! A provider whose routers carry multicast of the Internet by PIM, and who offers multicast VPNs on them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use bgp_vpn::nlri::RouteDistinguisher;
use fwd_core::net::{IfIndex, VrfId};
use fwd_core::op::{LegTarget, Mroute, MrouteKey};
use fwd_core::time::Instant;
use mvpn::mvrf::{Input, MvpnConfig, MvpnPe, MvrfConfig, Output, PTunnel, TreeRequest, TunnelKind};

use super::world::{SimAddress, World};

type A = Ipv4Addr;

/// PEs 0, 1 and 2, each with a LAN of its own; P routers 3 and 4, of which 3 is the RP.
const LANS: &[&[usize]] = &[&[0], &[1], &[2], &[0, 3], &[1, 3], &[2, 4], &[3, 4]];

fn secs(n: u64) -> Duration {
    Duration::from_secs(n)
}

/// A group of any source, and a channel.
fn internet() -> [(A, Option<A>); 2] {
    [(A::asm(1), None), (A::ssm(1), Some(A::host(0, 1)))]
}

/// What the routers have of these groups: routes with their legs.
type Known = Vec<BTreeMap<MrouteKey, (Mroute, Vec<LegTarget>)>>;

fn known(world: &World<A>) -> Known {
    let groups = internet().map(|(group, _)| group);
    let is_of = |key: &MrouteKey| match key {
        MrouteKey::Source4 { group, .. } => groups.contains(group),
        MrouteKey::Group4 { group } => groups.contains(&group.addr()),
        _ => false,
    };
    let of = |forwarder: &super::world::Forwarder| {
        let routes = forwarder.mroutes.iter().filter(|(key, _)| is_of(key));
        routes.map(|(key, mroute)| (*key, (*mroute, forwarder.legs(mroute)))).collect()
    };
    world.nodes.iter().map(|node| of(&node.forwarder)).collect()
}

/// The LANs that a packet of each group crosses, after a while in which there was one each second.
fn trees(world: &mut World<A>, first: u64) -> Vec<BTreeSet<usize>> {
    for n in 0..30 {
        for (i, (group, _)) in (0..).zip(internet()) {
            world.send(0, A::host(0, 1), group, first + n * 10 + i);
        }
        world.run(secs(1));
    }
    (0..2).map(|i| world.lans_of(first + 290 + i).unwrap()).collect()
}

/// The PEs tell each other their I-PMSI A-D routes, and join what these name. The roots and groups of the trees.
fn provision(world: &mut World<A>, kind: TunnelKind) -> BTreeMap<usize, A> {
    let new = |n: usize| {
        let router: IpAddr = A::host(n, 1).into();
        let mut config = MvpnConfig::new(router, 65001);
        config.p_groups = Some("232.100.0.0/24".parse().unwrap());
        let mut pe = MvpnPe::new(Instant::ZERO, config).unwrap();
        let rd = RouteDistinguisher::two_octet_as(65001, 100 + n as u32);
        let mut config = MvrfConfig::new(VrfId(1), rd, "65001:1".parse().unwrap(), IfIndex(1000));
        config.inclusive = Some(kind);
        pe.add_mvrf(Instant::ZERO, config).unwrap();
        pe
    };
    let mut pes: Vec<MvpnPe> = (0..3).map(new).collect();
    let (mut roots, mut queue) = (BTreeMap::new(), Vec::new());
    loop {
        for (n, pe) in pes.iter_mut().enumerate() {
            queue.extend(std::iter::from_fn(|| pe.poll_output()).map(|output| (n, output)));
        }
        let Some((n, output)) = queue.pop() else { break };
        match output {
            Output::Advertise { route, attributes } => {
                for to in (0..3).filter(|to| *to != n) {
                    pes[to].handle_input(Instant::ZERO, Input::Route { route, attributes: Some(attributes.clone()) });
                }
            }
            Output::Tree(TreeRequest::Root { tunnel: PTunnel::PimSsm { group: IpAddr::V4(group), .. }, .. }) => {
                roots.insert(n, group);
            }
            Output::Tree(TreeRequest::Join { tunnel, .. }) => {
                let PTunnel::PimSsm { root: IpAddr::V4(root), group: IpAddr::V4(group) } = tunnel else {
                    panic!("{tunnel:?}")
                };
                world.members(n, group, Some(root), true);
            }
            Output::Tree(request) => panic!("{request:?}"),
            _ => {}
        }
    }
    roots
}

/// Multicast of the Internet is there, by a shared tree and by a source's. Then a VPN comes: with ingress replication the routers are asked for nothing and
/// have no more state than before; with trees of PIM-SSM they have those beside what there was, which stays as it is, route by route and leg by leg.
///
/// Shows: MVPN-SPG-1
#[test]
fn trees_of_the_internet_stay_as_they_are() {
    let mut world = World::<A>::new(LANS, Some(3), 5, |_, _| {});
    world.run(secs(60));
    for (group, source) in internet() {
        (1..3).for_each(|lan| world.members(lan, group, source, true));
    }
    world.run(secs(60));
    let crossed = trees(&mut world, 1000);
    assert_eq!(crossed, vec![BTreeSet::from([1, 2, 3, 4, 5, 6]); 2]);
    let before = known(&world);
    assert!(before.iter().all(|routes| !routes.is_empty()));
    let routes = |world: &World<A>| world.nodes.iter().map(|node| node.forwarder.mroutes.len()).collect::<Vec<_>>();
    let few = routes(&world);

    assert_eq!(provision(&mut world, TunnelKind::IngressReplication), BTreeMap::new());
    assert_eq!(trees(&mut world, 2000), crossed);
    assert_eq!((known(&world), routes(&world)), (before.clone(), few.clone()));

    let roots = provision(&mut world, TunnelKind::PimSsm);
    assert_eq!(roots.keys().copied().collect::<Vec<_>>(), [0, 1, 2]);
    world.run(secs(20));
    assert_eq!(trees(&mut world, 3000), crossed);
    assert_eq!(known(&world), before);
    assert!(routes(&world).iter().zip(few).all(|(now, then)| *now == then + 3), "a tree for each root");
    for (n, group) in roots {
        let number = 4000 + n as u64;
        world.send(n, A::host(n, 1), group, number);
        world.run(secs(1));
        for to in (0..3).filter(|to| *to != n) {
            assert_eq!(world.crossed.get(&(number, to)), Some(&1), "from PE {n} to {to}");
        }
    }
}
