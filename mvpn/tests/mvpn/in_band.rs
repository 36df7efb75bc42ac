//! Trees that mLDP signals in-band (RFC 7246, RFC 6826): a P router in the middle, LDP's messages, and no MCAST-VPN route.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use bgp_vpn::attr::RouteTarget;
use bgp_vpn::nlri::RouteDistinguisher;
use fwd_core::net::{IpPrefix, VrfId};
use fwd_core::time::Instant;
use mvpn::mvrf::{
    BidirModel, CMulticastProtocol, CTree, InBandFault, Input, MldpLsp, Model, MvpnConfig, MvpnConfigError, MvpnEvent,
    MvpnLimit, MvpnPe, MvrfConfig, Output, PTunnel, TreeId, TreeRequest, TunnelKind, UmhRoute,
};
use p2mp_pw::ldp::fec::OpaqueElement;
use p2mp_pw::mldp::{TreeFec, TreeKind};

use super::ldp::link;
use super::node::{SimAddress, pmsi};
use super::transport::{CLEAN, Outcome, numbered};
use super::world::{Place, World};
use super::{Provider, VRF};

const SECOND: Duration = Duration::from_secs(1);
/// The P router, next to PEs 0 to 3.
const P: usize = 4;
const OTHER: VrfId = VrfId(2);

fn rd(pe: usize, vrf: VrfId) -> RouteDistinguisher {
    RouteDistinguisher::two_octet_as(65001, 1000 * u32::from(vrf.0) + pe as u32)
}

fn groups() -> Vec<IpPrefix> {
    ["232.0.0.0/8", "ff3e::/16"].map(|range| range.parse().unwrap()).to_vec()
}

fn in_band(mut config: MvrfConfig) -> MvrfConfig {
    (config.model, config.inclusive, config.in_band) = (Model::InBand, None, groups());
    config
}

fn mvrf(pe: usize, vrf: VrfId) -> MvrfConfig {
    in_band(MvrfConfig::new(vrf, rd(pe, vrf), RouteTarget::two_octet_as(65001, u32::from(vrf.0)), pmsi(vrf)))
}

fn network<A: SimAddress>(provider: Provider, vrfs: &[VrfId], delay: Option<Duration>) -> World<A> {
    let tune = |_, config: &mut MvpnConfig| config.timers.switch_over = delay.unwrap_or(config.timers.switch_over);
    let mut world: World<A> = World::new(provider.routers(P + 1), 51, tune);
    world.start_ldp(P);
    for vrf in vrfs {
        (0..P).for_each(|pe| world.add_site(pe, mvrf(pe, *vrf), false));
    }
    world.run_for(SECOND);
    world
}

fn once(places: &[Place]) -> BTreeMap<Place, u32> {
    places.iter().map(|place| (*place, 1)).collect()
}

/// Sends a packet into a site: who got it, and how many copies crossed links of the core.
fn sent<A: SimAddress>(world: &mut World<A>, at: Place, source: A, group: A) -> (BTreeMap<Place, u32>, u64) {
    let before = world.crossed;
    let number = world.send(at, source, group);
    world.run_for(SECOND);
    (world.copies(source, group, number), world.crossed - before)
}

/// Trees of mLDP at each router.
fn trees<A: SimAddress>(world: &World<A>) -> Vec<usize> {
    (0..=P).map(|n| world.ldp.as_ref().unwrap().trees_at(n)).collect()
}

fn joins_and_leaves<A: SimAddress>(provider: Provider) {
    let mut world = network::<A>(provider, &[VRF, OTHER], None);
    let (source, group) = (A::host(0, 1), A::ssm(1));
    assert_eq!(sent(&mut world, (0, VRF), source, group), (once(&[]), 0));
    for place in [(1, VRF), (2, VRF), (3, OTHER)] {
        world.member(place, Some(source), group, true);
    }
    world.run_for(SECOND * 2);
    // Two VPNs have the same addresses, and an LSP each: one copy to the P router, one from there to each leaf.
    assert_eq!(sent(&mut world, (0, VRF), source, group), (once(&[(1, VRF), (2, VRF)]), 3), "{provider:?}");
    assert_eq!(sent(&mut world, (0, OTHER), source, group), (once(&[(3, OTHER)]), 2), "{provider:?}");
    assert_eq!(trees(&world), [2, 1, 1, 1, 2]);
    let named = TreeFec::in_band(world.routers[0], source.into(), group.into(), Some(rd(0, VRF).octets()));
    let carried = |world: &World<A>, pe: usize| world.pes[pe].mvpn.carried(VRF, source.into(), group.into()).unwrap();
    assert_eq!(carried(&world, 0).sent_by, PTunnel::of_mldp(&named));
    assert_eq!(carried(&world, 1).received_by, PTunnel::of_mldp(&named));
    assert_eq!(carried(&world, 1).from, Some(world.routers[0]));
    // A tree of another source is another LSP; what is no group of the range crosses nothing.
    world.member((1, VRF), Some(A::host(3, 1)), group, true);
    world.member((1, VRF), None, A::asm(1), true);
    world.run_for(SECOND * 2);
    assert_eq!(sent(&mut world, (3, VRF), A::host(3, 1), group), (once(&[(1, VRF)]), 2));
    assert_eq!(sent(&mut world, (3, VRF), A::host(3, 1), A::asm(1)).1, 0);
    world.member((1, VRF), Some(A::host(3, 1)), group, false);
    world.member((1, VRF), None, A::asm(1), false);
    // They leave, one after the other.
    world.member((2, VRF), Some(source), group, false);
    world.run_for(SECOND * 10);
    assert_eq!(sent(&mut world, (0, VRF), source, group), (once(&[(1, VRF)]), 2), "{provider:?}");
    for place in [(1, VRF), (3, OTHER)] {
        world.member(place, Some(source), group, false);
    }
    world.run_for(SECOND * 10);
    assert_eq!(sent(&mut world, (0, VRF), source, group), (once(&[]), 0), "{provider:?}");
    assert_eq!(trees(&world), [0; 5]);
    assert_eq!(world.pes[0].mvpn.root_tunnels(), 0);
    assert!(world.rib.is_empty(), "no MCAST-VPN route at any time: {:?}", world.rib);
    assert!(world.pes.iter().all(|pe| pe.mvpn.numbers_in_use() == [0; 4]));
    // And come back.
    world.member((2, VRF), Some(source), group, true);
    world.run_for(SECOND * 2);
    assert_eq!(sent(&mut world, (0, VRF), source, group), (once(&[(2, VRF)]), 2), "{provider:?}");
}

/// An LSP for each source tree, of two VPNs with the same addresses: each packet once to each receiver, no copy where nobody wants one, and when the
/// last leaf has left nothing is left at any router. RFC 7246 §2.
#[test]
fn source_trees_become_lsps() {
    for provider in Provider::BOTH {
        joins_and_leaves::<Ipv4Addr>(provider);
        joins_and_leaves::<Ipv6Addr>(provider);
    }
}

fn global_table<A: SimAddress>(provider: Provider) {
    let mut world: World<A> = World::new(provider.routers(P + 1), 52, |_, _| {});
    world.start_ldp(P);
    let vrf = VrfId::GLOBAL;
    for pe in 0..P {
        world.add_site(pe, in_band(MvrfConfig::global(RouteTarget::two_octet_as(65001, 9), pmsi(vrf))), false);
    }
    world.run_for(SECOND);
    // The source's route is one of BGP without any attribute of multicast.
    let (source, group) = (A::host(9, 1), A::ssm(1));
    let prefix: IpPrefix = A::subnet(9).into();
    world.input(0, Input::Local { vrf, prefix, reachable: true });
    let next_hop = world.routers[0];
    for to in 1..P {
        let route = Some(UmhRoute { import: None, source_as: None, next_hop, is_installed: true });
        world.input(to, Input::Umh { vrf, prefix, rd: RouteDistinguisher::ZERO, route });
        world.retrack(to, vrf);
    }
    [1, 2].iter().for_each(|pe| world.member((*pe, vrf), Some(source), group, true));
    world.run_for(SECOND * 2);
    assert_eq!(sent(&mut world, (0, vrf), source, group), (once(&[(1, vrf), (2, vrf)]), 3), "{provider:?}");
    let named = PTunnel::of_mldp(&TreeFec::in_band(next_hop, source.into(), group.into(), None));
    assert_eq!(world.pes[0].mvpn.carried(vrf, source.into(), group.into()).unwrap().sent_by, named);
    [1, 2].iter().for_each(|pe| world.member((*pe, vrf), Some(source), group, false));
    world.run_for(SECOND * 10);
    assert_eq!((trees(&world), world.rib.len()), (vec![0; 5], 0));
}

/// The same in the global table, by RFC 6826: the root is the next hop of the route to the source.
#[test]
fn source_trees_of_the_global_table() {
    for provider in Provider::BOTH {
        global_table::<Ipv4Addr>(provider);
        global_table::<Ipv6Addr>(provider);
    }
}

/// A source behind PEs 0 and 3, of which the second comes later and is selected.
fn root_changes<A: SimAddress>(provider: Provider, delay: Option<Duration>) -> Outcome {
    let mut world = network::<A>(provider, &[VRF], delay);
    let at = (A::host(9, 1), A::ssm(1));
    world.set_prefix(0, VRF, A::subnet(9).into(), true);
    world.run_for(SECOND);
    [1, 2].iter().for_each(|pe| world.member((*pe, VRF), Some(at.0), at.1, true));
    world.run_for(SECOND * 2);
    let outcome = numbered(&mut world, at, (&[0, 3], &[1, 2]), SECOND * 6, |world| {
        world.set_prefix(3, VRF, A::subnet(9).into(), true);
    });
    let from = |world: &World<A>| world.pes[1].mvpn.carried(VRF, at.0.into(), at.1.into()).unwrap().from;
    assert_eq!(from(&world), Some(world.routers[3]));
    assert_eq!(trees(&world), [0, 1, 1, 1, 1], "the LSP of the PE before is gone");
    // That PE dies: its leaves go back.
    world.kill(3);
    world.set_core_link(link(3, P), false);
    world.converge();
    world.run_for(SECOND * 2);
    assert_eq!(from(&world), Some(world.routers[0]));
    assert_eq!(sent(&mut world, (0, VRF), at.0, at.1), (once(&[(1, VRF), (2, VRF)]), 3), "{provider:?}");
    assert_eq!(trees(&world)[..3], [1, 1, 1]);
    assert_eq!(trees(&world)[P], 1, "nothing is left of the LSP of the dead");
    outcome
}

/// Another upstream PE is selected: the LSP that is rooted there is joined before the other is left, and no packet of a stream at 1 kHz is lost or
/// comes twice. Without the delay it would be. A PE that dies is replaced by the one before.
#[test]
fn the_root_changes_without_a_loss() {
    for provider in Provider::BOTH {
        assert_eq!(root_changes::<Ipv4Addr>(provider, None), CLEAN);
        assert_eq!(root_changes::<Ipv6Addr>(provider, None), CLEAN);
    }
    let at_once = root_changes::<Ipv4Addr>(Provider::V4, Some(Duration::ZERO));
    assert!(at_once.lost > 0 && at_once.twice == 0, "{at_once:?}");
}

/// Two VRFs of a PE join the same tree of another PE's VRF: one leaf, and each gets each packet, also after the first has left.
#[test]
fn two_vrfs_share_a_leaf() {
    type A = Ipv4Addr;
    let mut world = network::<A>(Provider::V4, &[VRF], None);
    let mut config = mvrf(1, OTHER);
    config.import.push(RouteTarget::two_octet_as(65001, 1).into());
    world.add_site(1, config, false);
    world.set_prefix(1, OTHER, A::subnet(1).into(), false);
    world.run_for(SECOND);
    world.retrack(1, OTHER);
    let (source, group) = (A::host(0, 1), A::ssm(1));
    [VRF, OTHER].iter().for_each(|vrf| world.member((1, *vrf), Some(source), group, true));
    world.run_for(SECOND * 2);
    assert_eq!(sent(&mut world, (0, VRF), source, group), (once(&[(1, VRF), (1, OTHER)]), 2));
    world.member((1, VRF), Some(source), group, false);
    world.run_for(SECOND * 10);
    assert_eq!(sent(&mut world, (0, VRF), source, group), (once(&[(1, OTHER)]), 2));
}

fn lsp(root: IpAddr, source: [u8; 4], group: [u8; 4], of: Option<RouteDistinguisher>) -> PTunnel {
    PTunnel::of_mldp(&TreeFec::in_band(root, source.into(), group.into(), of.map(|rd| rd.octets()))).unwrap()
}

fn outputs(pe: &mut MvpnPe) -> Vec<Output> {
    std::iter::from_fn(|| pe.poll_output()).collect()
}

/// What a root is asked for and does not do, each said once in a second: LSPs of other roots, of no tree, of no VRF or of the global table's, of
/// groups that are not signalled so, and of a source that is not behind it. The last carries packets once the source is there.
#[test]
fn roots_say_what_they_do_not_carry() {
    let router = IpAddr::from([192, 0, 2, 1]);
    let mut pe = MvpnPe::new(Instant::ZERO, MvpnConfig::new(router, 65001)).unwrap();
    let of = rd(0, VRF);
    let mut config = mvrf(0, VRF);
    config.limits.joins = 2;
    pe.add_mvrf(Instant::ZERO, config).unwrap();
    assert!(outputs(&mut pe).is_empty(), "nothing is said and nothing built beforehand");
    let (s, g) = ([10, 0, 0, 1], [232, 1, 1, 1]);
    let mut faults = |tunnel: PTunnel, at: u64| -> Vec<Output> {
        pe.handle_input(Instant::from_secs(at), Input::Rooted { tunnel });
        outputs(&mut pe)
    };
    let fault = |outputs: &[Output]| match outputs {
        [Output::Event(MvpnEvent::InBand { vrf, fault, times, .. })] => Some((*vrf, *fault, *times)),
        _ => None,
    };
    let bidir = OpaqueElement::TransitBidir { mask_len: 32, rp: s.into(), group: g.into(), rd: Some(of.octets()) };
    let source = OpaqueElement::TransitSource { source: s.into(), group: g.into(), rd: Some(of.octets()) };
    let [mp2mp, bidir] = [(TreeKind::Mp2mp, source), (TreeKind::P2mp, bidir)]
        .map(|(kind, element)| PTunnel::of_mldp(&TreeFec::new(kind, router, &element)).unwrap());
    // Leaves of tunnels that routes named may be there before their root, and after it.
    assert!(faults(PTunnel::MldpP2mp(MldpLsp::generic(router, 7)), 1).is_empty());
    let wrong = [
        (lsp([192, 0, 2, 9].into(), s, g, Some(of)), None, InBandFault::Lsp),
        (bidir, None, InBandFault::Opaque),
        (lsp(router, s, g, Some(rd(9, VRF))), None, InBandFault::Rd),
        (lsp(router, s, [239, 1, 1, 1], Some(of)), Some(VRF), InBandFault::Group),
    ];
    for (tunnel, vrf, expected) in wrong {
        assert_eq!(fault(&faults(tunnel.clone(), 1)), Some((vrf, expected, 1)), "{tunnel:?}");
        assert!(faults(tunnel.clone(), 1).is_empty(), "within a second it is counted");
        assert_eq!(fault(&faults(tunnel, 2)), Some((vrf, expected, 2)));
    }
    assert_eq!(fault(&faults(mp2mp, 9)), Some((None, InBandFault::Opaque, 1)));
    assert_eq!(fault(&faults(lsp(router, s, g, None), 9)), Some((None, InBandFault::Rd, 1)), "no global table");
    assert_eq!(fault(&faults(lsp(router, s, g, Some(RouteDistinguisher::ZERO)), 11)), Some((None, InBandFault::Rd, 1)));
    // The way to the source leads back into the backbone.
    let taken = faults(lsp(router, s, g, Some(of)), 20);
    let is_back = |o: &Output| matches!(o, Output::Event(MvpnEvent::InBand { fault: InBandFault::Source, .. }));
    let root = |o: &Output| match o {
        Output::Tree(TreeRequest::Root { tree, .. }) => Some(*tree),
        _ => None,
    };
    assert!(taken.iter().any(is_back) && !taken.iter().any(|o| matches!(o, Output::Downstream { .. })), "{taken:?}");
    let id: TreeId = taken.iter().find_map(root).expect("a tree");
    assert!(faults(lsp(router, s, g, Some(of)), 20).is_empty(), "it is there");
    // Two at most.
    let second = faults(lsp(router, s, [232, 1, 1, 2], Some(of)), 21);
    assert!(second.iter().find_map(root).is_some());
    let third = faults(lsp(router, s, [232, 1, 1, 3], Some(of)), 21);
    assert!(matches!(third[..], [Output::Event(MvpnEvent::Limit { limit: MvpnLimit::Joins, vrf: VRF, times: 1 })]));
    let now = Instant::from_secs(30);
    let prefix = "10.0.0.0/24".parse().unwrap();
    pe.handle_input(now, Input::Local { vrf: VRF, prefix, reachable: true });
    let tree = CTree::Source { group: g.into(), source: s.into() };
    let joined = |joined| Output::Downstream { vrf: VRF, tree, joined };
    assert!(outputs(&mut pe).contains(&joined(true)));
    // The last branch ends it, an answer without branches at the beginning does not.
    let branches = |branches: &[u32]| Input::Branches {
        tree: id,
        branches: branches.iter().map(|n| fwd_core::net::NhlfeId(*n)).collect(),
    };
    pe.handle_input(now, branches(&[]));
    assert!(outputs(&mut pe).is_empty());
    pe.handle_input(now, branches(&[5]));
    assert_eq!(outputs(&mut pe).len(), 1);
    pe.handle_input(now, branches(&[]));
    let ended = outputs(&mut pe);
    assert!(
        ended.contains(&joined(false)) && ended.contains(&Output::Tree(TreeRequest::Remove { tree: id })),
        "{ended:?}"
    );
    // What is beyond a lower limit goes.
    let mut limits = mvpn::mvrf::MvpnLimits::default();
    pe.handle_input(now, Input::Rooted { tunnel: lsp(router, s, g, Some(of)) });
    limits.joins = 1;
    outputs(&mut pe);
    pe.set_limits(now, VRF, limits).unwrap();
    assert!(outputs(&mut pe).iter().any(|o| matches!(o, Output::Tree(TreeRequest::Remove { .. }))));
    pe.remove_mvrf(now, VRF).unwrap();
    outputs(&mut pe);
    assert_eq!(pe.numbers_in_use(), [0; 4]);
}

#[test]
fn what_does_not_go_with_it() {
    let changes: [fn(&mut MvrfConfig); 7] = [
        |c| c.in_band.clear(),
        |c| c.in_band = vec!["10.0.0.0/8".parse().unwrap()],
        |c| c.inclusive = Some(TunnelKind::MldpP2mp),
        |c| c.bidir = Some(BidirModel::FlatMp2mp),
        |c| c.bootstrap = true,
        |c| c.s_pmsi.fixed = vec![mvpn::mvrf::SFlow::all(mvpn::pim::wire::AddressFamily::V4)],
        |c| (c.model, c.inclusive, c.in_band) = (Model::Bgp, None, vec!["10.0.0.0/8".parse().unwrap()]),
    ];
    let mut pe = MvpnPe::new(Instant::ZERO, MvpnConfig::new([192, 0, 2, 1].into(), 65001)).unwrap();
    for (n, change) in changes.into_iter().enumerate() {
        let mut config = mvrf(0, VRF);
        change(&mut config);
        assert_eq!(pe.add_mvrf(Instant::ZERO, config), Err(MvpnConfigError::InBand), "{n}");
    }
    pe.add_mvrf(Instant::ZERO, mvrf(0, VRF)).unwrap();
    let migrated = pe.migrate(Instant::ZERO, VRF, Model::Bgp, CMulticastProtocol::Bgp);
    assert_eq!(migrated, Err(MvpnConfigError::InBand));
}
