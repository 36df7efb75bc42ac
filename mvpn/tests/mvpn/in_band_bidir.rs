//! Bidirectional trees that mLDP signals in-band (RFC 6826 §2.3, RFC 7246): LDP's messages through a P router, and no MCAST-VPN route.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use bgp_vpn::attr::RouteTarget;
use bgp_vpn::attr::ext_community::VrfRouteImport;
use bgp_vpn::nlri::RouteDistinguisher;
use fwd_core::net::{IpPrefix, NhlfeId, VrfId};
use fwd_core::time::Instant;
use mvpn::mvrf::{
    BidirModel, CTree, InBandFault, Input, McastKind, McastRoute, Model, MvpnConfig, MvpnEvent, MvpnLimit, MvpnPe,
    MvrfConfig, Output, PTunnel, Sites, TreeId, TreeRequest, TunnelKind, UmhRoute, UmhSelection,
};
use p2mp_pw::mldp::TreeFec;

use super::node::{SimAddress, pmsi};
use super::world::{Place, World};
use super::{Provider, VRF};

const SECOND: Duration = Duration::from_secs(1);
/// The P router, next to PEs 0 to 3.
const P: usize = 4;
const OTHER: VrfId = VrfId(2);

fn rd(pe: usize, vrf: VrfId) -> RouteDistinguisher {
    RouteDistinguisher::two_octet_as(65001, 1000 * u32::from(vrf.0) + pe as u32)
}

/// The groups of the first RPA.
fn in_band<A: SimAddress>(mut config: MvrfConfig) -> MvrfConfig {
    (config.model, config.inclusive, config.in_band) = (Model::InBand, None, vec![A::bidir_range(0).into()]);
    config
}

fn mvrf<A: SimAddress>(pe: usize, vrf: VrfId) -> MvrfConfig {
    in_band::<A>(MvrfConfig::new(vrf, rd(pe, vrf), RouteTarget::two_octet_as(65001, u32::from(vrf.0)), pmsi(vrf)))
}

/// Four PEs around a P router, and an RPA that is behind some of them.
fn network<A: SimAddress>(
    provider: Provider,
    vrfs: &[VrfId],
    rpl: &[usize],
    tune: impl Fn(usize, &mut MvrfConfig),
) -> World<A> {
    let mut world: World<A> = World::new(provider.routers(P + 1), 53, |_, _| {});
    world.puts_back = true;
    world.start_ldp(P);
    for vrf in vrfs {
        for pe in 0..P {
            let mut config = mvrf::<A>(pe, *vrf);
            tune(pe, &mut config);
            world.add_site(pe, config, false);
            world.set_rpas((pe, *vrf), 1);
        }
        rpl.iter().for_each(|pe| world.set_rpl((*pe, *vrf), 0, true));
    }
    world.run_for(SECOND * 2);
    world
}

fn at(pe: usize) -> Place {
    (pe, VRF)
}

fn once(places: &[Place]) -> BTreeMap<Place, u32> {
    places.iter().map(|place| (*place, 1)).collect()
}

fn to(pes: &[usize]) -> BTreeMap<Place, u32> {
    once(&pes.iter().map(|pe| at(*pe)).collect::<Vec<_>>())
}

/// Sends a packet into a site: who got it, and how many copies crossed links of the core.
fn sent<A: SimAddress>(world: &mut World<A>, from: Place, group: A) -> (BTreeMap<Place, u32>, u64) {
    let (before, source) = (world.crossed, A::host(from.0, 1));
    let number = world.send(from, source, group);
    world.run_for(SECOND);
    (world.copies(source, group, number), world.crossed - before)
}

/// Trees of mLDP at each router.
fn trees<A: SimAddress>(world: &World<A>) -> Vec<usize> {
    (0..=P).map(|n| world.ldp.as_ref().unwrap().trees_at(n)).collect()
}

fn named<A: SimAddress>(world: &World<A>, root: usize, groups: IpPrefix) -> Option<PTunnel> {
    let rd = Some(rd(root, VRF).octets());
    PTunnel::of_mldp(&TreeFec::in_band_bidir(world.routers[root], &groups, A::rpa(0).into(), rd).unwrap())
}

fn host<A: SimAddress>(group: A) -> IpPrefix {
    group.prefix(A::BITS).unwrap().into()
}

fn joins_and_leaves<A: SimAddress>(provider: Provider) {
    let mut world = network::<A>(provider, &[VRF, OTHER], &[0], |_, _| {});
    let group = A::bidir(0, 1);
    // An LSP of each VPN for what its PEs have no receivers of.
    assert_eq!(trees(&world), [2; 5], "{provider:?}");
    let idle: Vec<_> = world.pes.iter().map(|pe| pe.mvpn.numbers_in_use()).collect();
    // Nobody joined: up to the RPA, and nothing down. Two PEs that but send get a copy of what the third does, and drop it (RFC 6826 §2.3).
    assert_eq!(sent(&mut world, at(3), group), (to(&[0]), 4), "{provider:?}");
    assert_eq!(sent(&mut world, at(0), group), (to(&[]), 0), "{provider:?}");
    for place in [at(1), at(2), (3, OTHER)] {
        world.member(place, None, group, true);
    }
    world.run_for(SECOND * 2);
    assert_eq!(trees(&world), [4, 3, 3, 3, 4]);
    let carried = |world: &World<A>, pe: usize| world.pes[pe].mvpn.carried(VRF, A::host(1, 1).into(), group.into());
    let lsp = named(&world, 0, host(group));
    for pe in [0, 1] {
        let carried = carried(&world, pe).unwrap();
        assert_eq!((&carried.sent_by, &carried.received_by), (&lsp, &lsp), "PE {pe}");
    }
    assert_eq!(carried(&world, 1).unwrap().from, Some(world.routers[0]));
    for (from, receivers, crossed) in [
        // Down from the RPA's side.
        (at(0), to(&[1, 2]), 3),
        // Up and down at once.
        (at(1), to(&[0, 2]), 3),
        (at(2), to(&[0, 1]), 3),
        // Up the range's LSP, and from the root down the group's.
        (at(3), to(&[0, 1, 2]), 7),
        ((0, OTHER), once(&[(3, OTHER)]), 2),
        ((3, OTHER), once(&[(0, OTHER)]), 2),
        ((1, OTHER), once(&[(0, OTHER), (3, OTHER)]), 6),
    ] {
        assert_eq!(sent(&mut world, from, group), (receivers, crossed), "{provider:?} from {from:?}");
    }
    // Another group is another LSP.
    let other = A::bidir(0, 2);
    world.member(at(3), None, other, true);
    world.run_for(SECOND * 2);
    assert_eq!(sent(&mut world, at(1), other).0, to(&[0, 3]));
    assert_eq!(sent(&mut world, at(3), group).0, to(&[0, 1, 2]));
    world.member(at(3), None, other, false);
    // They leave, one after the other.
    world.member(at(2), None, group, false);
    world.run_for(SECOND * 10);
    assert_eq!(sent(&mut world, at(0), group), (to(&[1]), 2), "{provider:?}");
    assert_eq!(sent(&mut world, at(2), group).0, to(&[0, 1]), "{provider:?}");
    assert_eq!(sent(&mut world, at(1), group), (to(&[0]), 2), "{provider:?}");
    for place in [at(1), (3, OTHER)] {
        world.member(place, None, group, false);
    }
    world.run_for(SECOND * 10);
    assert_eq!(sent(&mut world, at(0), group), (to(&[]), 0), "{provider:?}");
    assert_eq!(sent(&mut world, at(1), group).0, to(&[0]), "{provider:?}");
    assert_eq!(trees(&world), [2; 5]);
    let after: Vec<_> = world.pes.iter().map(|pe| pe.mvpn.numbers_in_use()).collect();
    assert_eq!(after, idle, "{provider:?}");
    assert!(world.rib.is_empty(), "no MCAST-VPN route at any time: {:?}", world.rib);
    // The RPA is nowhere any more.
    for vrf in [VRF, OTHER] {
        world.set_rpl((0, vrf), 0, false);
    }
    world.run_for(SECOND * 5);
    assert_eq!(trees(&world), [0; 5]);
    assert!(world.pes.iter().all(|pe| pe.mvpn.numbers_in_use() == [0; 4]));
}

/// An MP2MP LSP for each bidirectional group, rooted at the PE towards the RPA, and one for the range, of two VPNs with the same addresses. Each packet
/// comes once to each receiver and to the RPA's side, from wherever it was sent: from a PE with receivers, from one without, and
/// from behind the root. When all have left nothing is left at any router. RFC 6826 §2.3, RFC 7246 §2.
#[test]
fn bidirectional_trees_become_lsps() {
    for provider in Provider::BOTH {
        joins_and_leaves::<Ipv4Addr>(provider);
        joins_and_leaves::<Ipv6Addr>(provider);
    }
}

fn global_table<A: SimAddress>(provider: Provider) {
    let mut world: World<A> = World::new(provider.routers(P + 1), 54, |_, _| {});
    world.puts_back = true;
    world.start_ldp(P);
    let vrf = VrfId::GLOBAL;
    for pe in 0..P {
        let config = MvrfConfig::global(RouteTarget::two_octet_as(65001, 9), pmsi(vrf));
        world.add_site(pe, in_band::<A>(config), false);
        world.set_rpas((pe, vrf), 1);
    }
    world.run_for(SECOND);
    // The RPA's route is one of BGP without any attribute of multicast.
    let (rpa, group) = (A::rpa(0), A::bidir(0, 1));
    let prefix = host(rpa);
    world.input(0, Input::Local { vrf, prefix, reachable: true });
    world.retrack(0, vrf);
    let next_hop = world.routers[0];
    for to in 1..P {
        let route = Some(UmhRoute { import: None, source_as: None, next_hop, is_installed: true });
        world.input(to, Input::Umh { vrf, prefix, rd: RouteDistinguisher::ZERO, route });
        world.retrack(to, vrf);
    }
    [1, 2].iter().for_each(|pe| world.member((*pe, vrf), None, group, true));
    world.run_for(SECOND * 2);
    let of = |pes: &[usize]| once(&pes.iter().map(|pe| (*pe, vrf)).collect::<Vec<_>>());
    for (from, receivers) in [(0, &[1, 2][..]), (1, &[0, 2]), (3, &[0, 1, 2])] {
        assert_eq!(sent(&mut world, (from, vrf), group).0, of(receivers), "{provider:?} from PE {from}");
    }
    let lsp = PTunnel::of_mldp(&TreeFec::in_band_bidir(next_hop, &host(group), rpa.into(), None).unwrap());
    assert_eq!(world.pes[1].mvpn.carried(vrf, rpa.into(), group.into()).unwrap().sent_by, lsp);
    [1, 2].iter().for_each(|pe| world.member((*pe, vrf), None, group, false));
    world.run_for(SECOND * 10);
    assert_eq!((trees(&world), world.rib.len()), (vec![1; 5], 0), "the range's");
}

/// The same in the global table, by RFC 6826: the root is the next hop of the route to the RPA.
#[test]
fn bidirectional_trees_of_the_global_table() {
    for provider in Provider::BOTH {
        global_table::<Ipv4Addr>(provider);
        global_table::<Ipv6Addr>(provider);
    }
}

fn root_changes<A: SimAddress>(provider: Provider) {
    let mut world = network::<A>(provider, &[VRF], &[0], |_, _| {});
    let group = A::bidir(0, 1);
    [1, 2].iter().for_each(|pe| world.member(at(*pe), None, group, true));
    world.run_for(SECOND * 2);
    let mut numbers = Vec::new();
    let mut stream = |world: &mut World<A>, change: &dyn Fn(&mut World<A>)| {
        for ms in 0..3000 {
            if ms == 500 {
                change(world);
            }
            for from in [1, 3] {
                let source = A::host(from, 1);
                numbers.push((source, world.send(at(from), source, group)));
            }
            world.run_for(Duration::from_millis(1));
        }
        for (source, number) in numbers.drain(..) {
            let copies = world.copies(source, group, number);
            assert!(copies.values().all(|copies| *copies == 1), "{provider:?}: {copies:?}");
        }
    };
    // The route by PE 3 is preferred.
    stream(&mut world, &|world| world.set_rpl(at(3), 0, true));
    world.run_for(SECOND * 5);
    assert_eq!(world.pes[1].mvpn.carried(VRF, A::rpa(0).into(), group.into()).unwrap().from, Some(world.routers[3]));
    // PE 0 has a way of its own, and stays with itself. It is the upstream PE of nobody else.
    for (from, receivers) in [(1, &[2, 3][..]), (2, &[1, 3]), (3, &[1, 2]), (0, &[])] {
        assert_eq!(sent(&mut world, at(from), group).0, to(receivers), "{provider:?} from PE {from}");
    }
    assert_eq!(trees(&world), [0, 2, 2, 2, 2], "the LSPs of the PE before are gone");
    stream(&mut world, &|world| world.set_rpl(at(0), 0, false));
    world.run_for(SECOND * 5);
    assert_eq!(sent(&mut world, at(0), group).0, to(&[1, 2, 3]), "{provider:?}: it joined the range's LSP");
    // That PE dies, and the one before is back.
    world.set_rpl(at(0), 0, true);
    world.kill(3);
    world.set_core_link(super::ldp::link(3, P), false);
    world.converge();
    world.run_for(SECOND * 5);
    for (from, receivers) in [(1, &[0, 2][..]), (2, &[0, 1]), (0, &[1, 2])] {
        assert_eq!(sent(&mut world, at(from), group).0, to(receivers), "{provider:?} from PE {from}");
    }
    assert_eq!(trees(&world)[..3], [2, 2, 2]);
}

/// Another upstream PE is selected, under load: no packet comes twice or goes round, what is sent after goes by the new root's LSPs, and the old
/// ones are gone. A PE that dies is replaced.
#[test]
fn the_root_changes() {
    for provider in Provider::BOTH {
        root_changes::<Ipv4Addr>(provider);
        root_changes::<Ipv6Addr>(provider);
    }
}

fn a_sender_joins<A: SimAddress>(provider: Provider) {
    let mut world = network::<A>(provider, &[VRF], &[0], |_, _| {});
    let (group, source) = (A::bidir(0, 1), A::host(3, 1));
    world.member(at(1), None, group, true);
    world.run_for(SECOND * 2);
    let mut numbers = Vec::new();
    for ms in 0..5000 {
        match ms {
            1000 => world.member(at(3), None, group, true),
            3000 => world.member(at(3), None, group, false),
            _ => {}
        }
        numbers.push(world.send(at(3), source, group));
        world.run_for(Duration::from_millis(1));
    }
    world.run_for(SECOND);
    let mut echoes = 0;
    for number in numbers {
        let mut copies = world.copies(source, group, number);
        // What went by the range's LSP just before is on its way when the group's is joined.
        echoes += copies.remove(&at(3)).unwrap_or(0);
        assert_eq!(copies, to(&[0, 1]), "{provider:?}");
    }
    assert!(echoes <= 25, "{provider:?}: {echoes} came back, more than were on their way");
    let by_range = world.pes[3].mvpn.carried(VRF, source.into(), group.into()).unwrap();
    assert_eq!((by_range.sent_by, by_range.received_by), (named(&world, 0, A::bidir_range(0).into()), None));
}

/// A PE whose sites send has a receiver too, and then no more: it changes from the range's LSP to the group's and back, at a packet each millisecond.
/// Others and the RPA's side get each once.
#[test]
fn a_sender_has_receivers_for_a_while() {
    for provider in Provider::BOTH {
        a_sender_joins::<Ipv4Addr>(provider);
        a_sender_joins::<Ipv6Addr>(provider);
    }
}

/// PEs 0 and 1 are attached to the RPA's link; PE 2 has selected PE 0 and PE 3 has selected PE 1, as unicast has: by the LSPs of two roots
/// nothing crosses from one partition to the other but over the customer's own RPL, and each packet comes once. RFC 6513 §11.2.1.
#[test]
fn roots_are_partitions() {
    type A = Ipv4Addr;
    let mut world = network::<A>(Provider::V4, &[VRF], &[0, 1], |_, config| config.umh = UmhSelection::Installed);
    let group = A::bidir(0, 1);
    (0..4).for_each(|pe| world.member(at(pe), None, group, true));
    world.run_for(SECOND * 3);
    for (from, receivers) in [(0, &[2]), (2, &[0]), (1, &[3]), (3, &[1])] {
        assert_eq!(sent(&mut world, at(from), group).0, to(receivers), "from PE {from}");
    }
    world.lans = BTreeMap::from([(at(0), at(1)), (at(1), at(0))]);
    for (from, receivers) in [(2, &[0, 3]), (3, &[1, 2])] {
        assert_eq!(sent(&mut world, at(from), group).0, to(receivers), "over the RPL from PE {from}");
    }
}

/// PEs whose sites only receive join no LSP of a range, and send nothing; those whose sites only send join no LSP of a group.
#[test]
fn sites_that_but_send_or_receive() {
    type A = Ipv4Addr;
    let mut world = network::<A>(Provider::V4, &[VRF], &[0], |pe, config| match pe {
        1 => config.sites = Sites { senders: false, receivers: true },
        2 => config.sites = Sites { senders: true, receivers: false },
        _ => {}
    });
    let group = A::bidir(0, 1);
    [1, 2].iter().for_each(|pe| world.member(at(*pe), None, group, true));
    world.run_for(SECOND * 2);
    assert_eq!(trees(&world), [2, 1, 1, 1, 2]);
    for (from, receivers) in [(0, &[1][..]), (1, &[]), (2, &[0, 1]), (3, &[0, 1])] {
        assert_eq!(sent(&mut world, at(from), group).0, to(receivers), "from PE {from}");
    }
}

/// Beside groups of one RPA that mLDP signals those of another go by the partitions' own LSPs, which routes name, through the same P router.
#[test]
fn other_groups_go_by_routes() {
    type A = Ipv4Addr;
    let mut world = network::<A>(Provider::V4, &[VRF], &[0], |_, config| {
        config.model = Model::Bgp;
        config.inclusive = Some(TunnelKind::MldpP2mp);
        config.bidir = Some(BidirModel::FlatMp2mp);
    });
    (0..P).for_each(|pe| world.set_rpas(at(pe), 2));
    world.set_rpl(at(3), 1, true);
    world.run_for(SECOND * 3);
    let (by_name, by_route) = (A::bidir(0, 1), A::bidir(1, 1));
    for group in [by_name, by_route] {
        [1, 2].iter().for_each(|pe| world.member(at(*pe), None, group, true));
    }
    world.run_for(SECOND * 3);
    for (from, receivers) in [(0, &[1, 2][..]), (1, &[0, 2]), (3, &[0, 1, 2])] {
        assert_eq!(sent(&mut world, at(from), by_name).0, to(receivers), "in-band from PE {from}");
    }
    for (from, receivers) in [(0, &[1, 2, 3][..]), (1, &[2, 3]), (3, &[1, 2])] {
        assert_eq!(sent(&mut world, at(from), by_route).0, to(receivers), "by routes from PE {from}");
    }
    let lsp = world.pes[1].mvpn.carried(VRF, A::rpa(0).into(), by_name.into()).unwrap().sent_by;
    assert_eq!(lsp, named(&world, 0, host(by_name)));
    let joined = |route: &McastRoute| match route.kind {
        McastKind::SharedTreeJoin(join) => Some(join.group),
        _ => None,
    };
    let groups: BTreeSet<IpAddr> = world.rib.keys().filter_map(joined).collect();
    assert_eq!(groups, BTreeSet::from([by_route.into()]), "joins that routes say");
}

fn outputs(pe: &mut MvpnPe) -> Vec<Output> {
    std::iter::from_fn(|| pe.poll_output()).collect()
}

const ROUTER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const RPA: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 9, 0, 1));

fn one() -> MvpnPe {
    let mut pe = MvpnPe::new(Instant::ZERO, MvpnConfig::new(ROUTER, 65001)).unwrap();
    let mut config = mvrf::<Ipv4Addr>(0, VRF);
    config.in_band = vec!["239.0.0.0/8".parse().unwrap()];
    config.limits.joins = 3;
    pe.add_mvrf(Instant::ZERO, config).unwrap();
    let range = "239.1.0.0/16".parse().unwrap();
    pe.handle_input(Instant::ZERO, Input::BidirRange { vrf: VRF, range, rpa: Some(RPA) });
    assert!(outputs(&mut pe).is_empty(), "nothing is said and nothing built beforehand");
    pe
}

fn lsp(root: IpAddr, groups: &str, rpa: IpAddr, of: usize) -> PTunnel {
    let fec = TreeFec::in_band_bidir(root, &groups.parse().unwrap(), rpa, Some(rd(of, VRF).octets()));
    PTunnel::of_mldp(&fec.unwrap()).unwrap()
}

/// What a root is asked for and does not do: LSPs of groups that are not signalled so, and of an RPA that is not the group's or not behind it. The
/// latter carry packets once it is.
#[test]
fn roots_wait_for_the_rpa() {
    let mut pe = one();
    let rooted = |pe: &mut MvpnPe, tunnel: PTunnel, at: u64| {
        pe.handle_input(Instant::from_secs(at), Input::Rooted { tunnel });
        outputs(pe)
    };
    let fault = |outputs: &[Output]| {
        outputs.iter().find_map(|o| match o {
            Output::Event(MvpnEvent::InBand { fault, .. }) => Some(*fault),
            _ => None,
        })
    };
    let join = |outputs: &[Output]| {
        outputs.iter().find_map(|o| match o {
            Output::Tree(TreeRequest::Join { tunnel, arrives_by }) => Some((tunnel.clone(), *arrives_by)),
            _ => None,
        })
    };
    let downstream = |outputs: &[Output]| outputs.iter().any(|o| matches!(o, Output::Downstream { joined: true, .. }));
    let root = |outputs: &[Output]| {
        outputs.iter().find_map(|o| match o {
            Output::Tree(TreeRequest::Root { tree, .. }) => Some(*tree),
            _ => None,
        })
    };
    assert_eq!(fault(&rooted(&mut pe, lsp(ROUTER, "238.1.0.0/16", RPA, 0), 1)), Some(InBandFault::Group));
    assert_eq!(fault(&rooted(&mut pe, lsp(ROUTER, "224.0.0.0/4", RPA, 0), 2)), Some(InBandFault::Group), "too wide");
    assert_eq!(fault(&rooted(&mut pe, lsp(ROUTER, "239.1.1.1/32", RPA, 9), 1)), Some(InBandFault::Rd));
    let [group, range] = ["239.1.1.1/32", "239.1.0.0/16"].map(|groups| lsp(ROUTER, groups, RPA, 0));
    let first = rooted(&mut pe, group.clone(), 2);
    assert_eq!((fault(&first), join(&first), downstream(&first)), (Some(InBandFault::Rpa), None, false));
    let second = rooted(&mut pe, range.clone(), 4);
    assert_eq!((fault(&second), join(&second)), (Some(InBandFault::Rpa), None));
    // Of another RPA than the group's, for good.
    let third = rooted(&mut pe, lsp(ROUTER, "239.1.0.0/16", [10, 9, 0, 2].into(), 0), 6);
    assert_eq!(fault(&third), Some(InBandFault::Rpa));
    // Groups and ranges count alike.
    let fourth = rooted(&mut pe, lsp(ROUTER, "239.1.1.2/32", RPA, 0), 8);
    assert!(matches!(fourth[..], [Output::Event(MvpnEvent::Limit { limit: MvpnLimit::Joins, vrf: VRF, times: 1 })]));
    let now = Instant::from_secs(9);
    let prefix: IpPrefix = "10.9.0.0/24".parse().unwrap();
    pe.handle_input(now, Input::Local { vrf: VRF, prefix, reachable: true });
    let there = outputs(&mut pe);
    let joined: BTreeMap<PTunnel, _> = there
        .iter()
        .filter_map(|o| match o {
            Output::Tree(TreeRequest::Join { tunnel, arrives_by }) => Some((tunnel.clone(), *arrives_by)),
            _ => None,
        })
        .collect();
    assert_eq!(joined.keys().collect::<BTreeSet<_>>(), BTreeSet::from([&group, &range]));
    assert_ne!(joined[&group], joined[&range], "what is sent without receivers is told apart");
    let tree = CTree::Shared { group: [239, 1, 1, 1].into(), rp: RPA };
    assert!(there.contains(&Output::Downstream { vrf: VRF, tree, joined: true }));
    // The last branch ends each.
    for outputs_of in [&first, &second] {
        let id: TreeId = root(outputs_of).unwrap();
        for branches in [vec![NhlfeId(5)], vec![]] {
            pe.handle_input(now, Input::Branches { tree: id, branches });
        }
        let ended = outputs(&mut pe);
        assert!(ended.contains(&Output::Tree(TreeRequest::Remove { tree: id })), "{ended:?}");
        assert!(ended.iter().any(|o| matches!(o, Output::Tree(TreeRequest::Leave { .. }))), "{ended:?}");
    }
    pe.remove_mvrf(now, VRF).unwrap();
    outputs(&mut pe);
    assert_eq!(pe.numbers_in_use(), [0; 4]);
}

/// A PE that joined a group receives by its LSP once it can send by it, and not before: what it sends by the range's would come back.
#[test]
fn a_leaf_receives_when_it_can_send() {
    let mut pe = one();
    let (root, now) = (IpAddr::from([192, 0, 2, 2]), Instant::ZERO);
    let import = Some(VrfRouteImport { address: root, local: 1 });
    let route = UmhRoute { import, source_as: None, next_hop: root, is_installed: true };
    let prefix = "10.9.0.0/16".parse().unwrap();
    pe.handle_input(now, Input::Umh { vrf: VRF, prefix, rd: rd(2, VRF), route: Some(route) });
    let is_root = |o: &Output, tunnel: &PTunnel| match o {
        Output::Tree(TreeRequest::Root { tree, tunnel: of }) if of == tunnel => Some(*tree),
        _ => None,
    };
    let of_range = lsp(root, "239.1.0.0/16", RPA, 2);
    assert!(outputs(&mut pe).iter().any(|o| is_root(o, &of_range).is_some()));
    let tree = CTree::Shared { group: [239, 1, 1, 1].into(), rp: RPA };
    pe.handle_input(now, Input::Tree { vrf: VRF, tree, joined: true });
    let of_group = lsp(root, "239.1.1.1/32", RPA, 2);
    let said = outputs(&mut pe);
    let id = said.iter().find_map(|o| is_root(o, &of_group)).expect("a leaf that sends");
    let receives = |outputs: &[Output]| outputs.iter().any(|o| matches!(o, Output::Tree(TreeRequest::Join { .. })));
    let leaves = |outputs: &[Output]| outputs.iter().any(|o| matches!(o, Output::Tree(TreeRequest::Leave { .. })));
    assert!(!receives(&said) && pe.originated().count() == 0);
    let mut branches = |branches: Vec<NhlfeId>| {
        pe.handle_input(now, Input::Branches { tree: id, branches });
        outputs(&mut pe)
    };
    assert!(receives(&branches(vec![NhlfeId(7)])));
    assert!(leaves(&branches(vec![])));
    assert!(receives(&branches(vec![NhlfeId(8)])));
    pe.handle_input(now, Input::Tree { vrf: VRF, tree, joined: false });
    let left = outputs(&mut pe);
    assert!(leaves(&left) && left.contains(&Output::Tree(TreeRequest::Remove { tree: id })), "{left:?}");
    pe.remove_mvrf(now, VRF).unwrap();
    outputs(&mut pe);
    assert_eq!(pe.numbers_in_use(), [0; 4]);
}
