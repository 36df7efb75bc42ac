//! Which flows may cross the backbone, who says so, and a VPN that takes part in the Internet's multicast.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use bgp_vpn::attr::RouteTarget;
use bgp_vpn::attr::ext_community::VrfRouteImport;
use bgp_vpn::nlri::RouteDistinguisher;
use fwd_core::net::{IpPrefix, VrfId};
use fwd_core::time::Instant;
use mvpn::address::Address;
use mvpn::mvrf::{
    CTree, Contract, CustomerError, Input, McastKind, MvpnConfig, MvpnConfigError, MvpnLimit, MvpnLimits, MvpnPe,
    MvrfConfig, Permit, TunnelKind, UmhRoute, Usage,
};
use proptest::prelude::*;

use super::node::{SimAddress, pmsi};
use super::world::World;
use super::{Provider, VRF, mvrf};

type A = Ipv4Addr;

const SECOND: Duration = Duration::from_secs(1);
const NOW: Instant = Instant::ZERO;
const SOURCE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 0, 1));

fn groups(prefix: &str) -> Permit {
    Permit::of_groups(prefix.parse().unwrap())
}

/// A PE with VRFs 1 and 2, each with a source behind another PE and eight trees of it in 232.1.0.0/16 to 232.8.0.0/16.
fn two_customers() -> MvpnPe {
    let mut pe = MvpnPe::new(NOW, MvpnConfig::new([192, 0, 2, 1].into(), 65001)).unwrap();
    for n in 1..=2_u16 {
        let vrf = VrfId(n);
        let rd = |pe: u32| RouteDistinguisher::four_octet_as(u32::from(n), pe as u16);
        let target = RouteTarget::two_octet_as(65001, u32::from(n));
        pe.add_mvrf(NOW, MvrfConfig::new(vrf, rd(1), target, pmsi(vrf))).unwrap();
        let address = [192, 0, 2, 2].into();
        let import = Some(VrfRouteImport { address, local: n });
        let route = Some(UmhRoute { import, source_as: None, next_hop: address, is_installed: true });
        pe.handle_input(NOW, Input::Umh { vrf, prefix: "10.0.0.0/8".parse().unwrap(), rd: rd(2), route });
        for tree in (1..=8).map(tree) {
            pe.handle_input(NOW, Input::Tree { vrf, tree, joined: true });
        }
    }
    while pe.poll_output().is_some() {}
    pe
}

fn tree(n: u8) -> CTree {
    CTree::Source { group: [232, n, 1, 1].into(), source: SOURCE }
}

/// The groups that a VRF joins at other PEs.
fn joined(pe: &MvpnPe, vrf: u16) -> BTreeSet<u8> {
    let of = |route: &mvpn::mvrf::McastRoute| match route.kind {
        McastKind::SourceTreeJoin(join) if join.rd == RouteDistinguisher::four_octet_as(u32::from(vrf), 2) => {
            match join.group {
                IpAddr::V4(group) => Some(group.octets()[1]),
                IpAddr::V6(_) => None,
            }
        }
        _ => None,
    };
    pe.originated().filter_map(|(route, _)| of(route)).collect()
}

/// What a customer asks for: VRF, and a list of groups as (second octet, prefix length) or limits.
#[derive(Clone, Debug)]
enum Ask {
    Groups(u16, Vec<(u8, u8)>),
    Limits(u16, usize, usize),
}

fn ask() -> impl Strategy<Value = Ask> {
    let range = (0..16_u8, prop_oneof![Just(4_u8), Just(8), Just(13), Just(16), Just(24), Just(32)]);
    prop_oneof![
        (0..4_u16, prop::collection::vec(range, 0..4)).prop_map(|(vrf, list)| Ask::Groups(vrf, list)),
        (0..4_u16, 0..12_usize, 0..200_usize).prop_map(|(vrf, trees, joins)| Ask::Limits(vrf, trees, joins)),
    ]
}

fn prefix((second, len): (u8, u8)) -> IpPrefix {
    let address = Ipv4Addr::new(232, second, 1, 1);
    let bits = address.to_bits() & u32::MAX.checked_shl(32 - u32::from(len)).unwrap_or(0);
    format!("{}/{len}", Ipv4Addr::from_bits(bits)).parse().unwrap()
}

proptest! {
    /// Whatever customer A asks for: he gets what his contract holds and an error for all else; what he joins is what his list and his limit
    /// say; and nothing of customer B changes, neither routes nor limits nor what is refused him.
    ///
    /// Shows: MVPN-COAM-2
    #[test]
    fn a_customer_changes_his_own_within_his_contract(asks in prop::collection::vec(ask(), 1..12)) {
        // 232.0.0.0 to 232.7.255.255, ten trees, 100 joins.
        let most = MvpnLimits { trees: 10, joins: 100, ..MvpnLimits::default() };
        let contract = Contract { vrfs: vec![VrfId(1)], permitted: vec![groups("232.0.0.0/13")], limits: most };
        let mut pe = two_customers();
        let b = |pe: &MvpnPe| -> (BTreeSet<u8>, Vec<Usage>) { (joined(pe, 2), pe.usage(VrfId(2))) };
        let (of_b, mut list, mut trees) = (b(&pe), Vec::<(u8, u8)>::new(), 50_000);
        for ask in asks {
            let before = (joined(&pe, 1), pe.usage(VrfId(1)));
            let (vrf, expected, got) = match &ask {
                Ask::Groups(vrf, ranges) => {
                    let held = |(second, len): &(u8, u8)| *len >= 13 && *second < 8;
                    let is_held = !ranges.is_empty() && ranges.iter().all(held);
                    let permitted = ranges.iter().map(|range| Permit::of_groups(prefix(*range))).collect();
                    (*vrf, is_held, pe.customer(&contract).set_permitted(NOW, VrfId(*vrf), permitted))
                }
                Ask::Limits(vrf, trees, joins) => {
                    let limits = MvpnLimits { trees: *trees, joins: *joins, ..most };
                    (*vrf, *trees <= 10 && *joins <= 100, pe.customer(&contract).set_limits(NOW, VrfId(*vrf), limits))
                }
            };
            let is_zero = matches!(&ask, Ask::Limits(_, trees, joins) if *trees == 0 || *joins == 0);
            let error = match (vrf, expected, is_zero) {
                (1, true, false) => None,
                (1, true, true) => Some(CustomerError::Config(MvpnConfigError::Limits)),
                (1, false, _) => Some(CustomerError::Contract),
                _ => Some(CustomerError::Vrf),
            };
            prop_assert_eq!(got.err(), error, "{:?}", ask);
            if error.is_some() {
                prop_assert_eq!(&(joined(&pe, 1), pe.usage(VrfId(1))), &before, "a refused change changes nothing");
            } else {
                match ask {
                    Ask::Groups(_, ranges) => list = ranges,
                    Ask::Limits(_, of, _) => trees = trees.min(of),
                }
            }
            // The first trees stay within a lower limit; they are in the order of their groups.
            let may = |n: &u8| list.is_empty() || list.iter().any(|range| {
                let within = prefix(*range);
                let len = within.bit_len();
                prefix((*n, len)) == within && (len <= 16 || within.addr() == prefix((*n, len)).addr())
            });
            let expected: BTreeSet<u8> = (1..=8).take(trees).filter(may).collect();
            prop_assert_eq!(joined(&pe, 1), expected);
            prop_assert_eq!(b(&pe), of_b.clone());
        }
        while pe.poll_output().is_some() {}
        prop_assert!(pe.customer(&contract).usage(VrfId(2)).is_empty());
    }
}

/// Two PEs of the Internet, 0 and 3, in the global table, and two of a VPN, 1 and 2, that takes part in it.
fn internet() -> World<A> {
    let mut world: World<A> = World::new(Provider::V4.routers(4), 3, |_, c| {
        c.p_groups = Some("232.100.0.0/24".parse().unwrap());
    });
    let (vpn, all) = (RouteTarget::two_octet_as(65001, 1), RouteTarget::two_octet_as(65001, 9));
    for pe in 0..4 {
        let mut config = match pe {
            0 | 3 => MvrfConfig::global(all, pmsi(VrfId::GLOBAL)),
            _ => mvrf(pe, None, TunnelKind::PimSsm),
        };
        (config.inclusive, config.selective) = (Some(TunnelKind::PimSsm), TunnelKind::PimSsm);
        config.import = vec![vpn.into(), all.into()];
        if !matches!(pe, 0 | 3) {
            let flow = |groups: &str, source: A| Permit {
                groups: groups.parse().unwrap(),
                sources: Some(source.prefix(32).unwrap().into()),
            };
            // The VPN's own groups; one channel in; one out.
            config.permitted = vec![
                groups("239.0.0.0/8"),
                groups("232.100.0.0/24"),
                flow("232.1.1.1/32", A::host(0, 1)),
                flow("232.1.1.9/32", A::host(2, 1)),
            ];
        }
        world.add_site(pe, config, false);
    }
    world.run_for(SECOND * 2);
    world
}

fn refused(world: &World<A>, pe: usize, vrf: VrfId) -> u64 {
    let events = world.pes[pe].events.iter();
    let of = events.filter_map(|e| match e {
        mvpn::mvrf::MvpnEvent::Limit { limit: MvpnLimit::Permitted, vrf: v, times } if *v == vrf => Some(*times),
        _ => None,
    });
    of.sum()
}

/// The Internet's multicast as one more VPN of an extranet, the global table: one listed channel of it enters a VPN and one listed channel of
/// the VPN leaves, no other does though it is joined; nothing enters for a group without a member; and the provider's own groups are no
/// groups of the Internet here, though customers have the same.
///
/// Shows: MVPN-INET-1
#[test]
fn listed_channels_cross_between_a_vpn_and_the_internet() {
    let mut world = internet();
    let global = VrfId::GLOBAL;
    let copies = |world: &mut World<A>, (from, vrf): (usize, VrfId), group: A| {
        let number = world.send((from, vrf), A::host(from, 1), group);
        world.run_for(SECOND);
        world.copies(A::host(from, 1), group, number)
    };
    // Without a member nothing of the Internet crosses, listed or not.
    let before = world.crossed;
    for n in [1, 2] {
        assert!(copies(&mut world, (0, global), A::ssm(n)).is_empty());
    }
    assert_eq!(world.crossed, before);
    for n in [1, 2] {
        world.member((1, VRF), Some(A::host(0, 1)), A::ssm(n), true);
        world.member((3, global), Some(A::host(0, 1)), A::ssm(n), true);
    }
    for n in [9, 8] {
        world.member((3, global), Some(A::host(2, 1)), A::ssm(n), true);
        world.member((1, VRF), Some(A::host(2, 1)), A::ssm(n), true);
    }
    world.run_for(SECOND * 3);
    let to = |places: &[(usize, VrfId)]| places.iter().map(|place| (*place, 1)).collect::<BTreeMap<_, _>>();
    assert_eq!(copies(&mut world, (0, global), A::ssm(1)), to(&[(1, VRF), (3, global)]), "listed, in");
    assert_eq!(copies(&mut world, (0, global), A::ssm(2)), to(&[(3, global)]), "not listed");
    assert_eq!(copies(&mut world, (2, VRF), A::ssm(9)), to(&[(1, VRF), (3, global)]), "listed, out");
    assert_eq!(copies(&mut world, (2, VRF), A::ssm(8)), to(&[]), "not listed, nor in the VPN");
    // What was not joined for the list: at the PE of the receivers, and at that of the source.
    assert!(refused(&world, 1, VRF) > 0 && refused(&world, 2, VRF) > 0);
    // A group of the provider's range: no group of the Internet, but one of a VPN.
    let own = Ipv4Addr::new(232, 100, 0, 0);
    assert!(world.lsps.keys().any(|t| matches!(t, mvpn::mvrf::PTunnel::PimSsm { group, .. } if *group == own)));
    world.member((3, global), Some(A::host(0, 1)), own, true);
    world.member((1, VRF), Some(A::host(2, 1)), own, true);
    world.run_for(SECOND * 3);
    assert!(copies(&mut world, (0, global), own).is_empty());
    assert_eq!(refused(&world, 3, global), 1);
    assert_eq!(copies(&mut world, (2, VRF), own), to(&[(1, VRF)]));
    // The list is changed while it runs: another channel in, the first no more.
    let flow = |n: u8| Permit {
        groups: A::ssm(n).prefix(32).unwrap().into(),
        sources: Some(A::host(0, 1).prefix(32).unwrap().into()),
    };
    world.pes[1].mvpn.set_permitted(world.now, VRF, vec![flow(2)]).unwrap();
    world.drain(1);
    world.run_for(SECOND * 3);
    assert_eq!(copies(&mut world, (0, global), A::ssm(1)), to(&[(3, global)]));
    assert_eq!(copies(&mut world, (0, global), A::ssm(2)), to(&[(1, VRF), (3, global)]));
}
