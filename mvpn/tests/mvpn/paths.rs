//! Trees by RSVP-TE whose explicit routes are computed outside: disjoint ones for a flow, links that are not overloaded.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use bgp_vpn::attr::RouteTarget;
use bgp_vpn::nlri::RouteDistinguisher;
use fwd_core::net::VrfId;
use mvpn::mvrf::{BfdSession, Input, MvrfConfig, PTunnel, RootStandby, Sites, TunnelKind};

use super::Provider;
use super::node::{SimAddress, pmsi};
use super::world::World;

const SECOND: Duration = Duration::from_secs(1);
/// VPNs, each with a flow of one unit from a source that is attached to both roots.
const VPNS: u16 = 5;
const ROOTS: [usize; 2] = [0, 1];
const LEAVES: [usize; 2] = [2, 3];
/// The most units on a link.
const CEILING: u32 = 3;

type Link = (usize, usize);

/// Four ways through the core, over two routers each: from either root to either leaf.
fn core() -> BTreeSet<Link> {
    let mut links = BTreeSet::new();
    for plane in 0..4 {
        let (upper, lower) = (10 + plane, 20 + plane);
        links.extend(ROOTS.map(|root| (root, upper)));
        links.extend(LEAVES.map(|leaf| (lower, leaf)));
        links.insert((upper, lower));
    }
    links
}

/// A tree over links that may be used: each leaf by the shortest way from what is there. `None`: there is none.
fn tree(root: usize, leaves: &BTreeSet<usize>, may_use: impl Fn(&Link) -> bool) -> Option<BTreeSet<Link>> {
    let (links, mut tree) = (core(), BTreeSet::new());
    for leaf in leaves {
        let start: BTreeSet<usize> = tree.iter().map(|(_, to)| *to).chain([root]).collect();
        let (mut from, mut queue) = (BTreeMap::new(), start.iter().copied().collect::<VecDeque<_>>());
        while let Some(at) = queue.pop_front() {
            for link in links.iter().filter(|link| link.0 == at && may_use(link)) {
                if !start.contains(&link.1) && !from.contains_key(&link.1) {
                    from.insert(link.1, at);
                    queue.push_back(link.1);
                }
            }
        }
        let mut at = *leaf;
        while !start.contains(&at) {
            let before = *from.get(&at)?;
            tree.insert((before, at));
            at = before;
        }
    }
    Some(tree)
}

/// Trees by VPN and root.
type Trees = BTreeMap<(VrfId, usize), BTreeSet<Link>>;

/// The explicit routes of all trees. `engineered`: with a ceiling for each link, and both trees of a VPN disjoint; else by shortest ways.
fn lay(leaves: &BTreeMap<(VrfId, usize), BTreeSet<usize>>, engineered: bool) -> Trees {
    let mut trees = Trees::new();
    for ((vrf, root), leaves) in leaves {
        let load = load(&trees);
        let other = trees.get(&(*vrf, 1 - root)).cloned().unwrap_or_default();
        let fits = |link: &Link| load.get(link).copied().unwrap_or(0) < CEILING && !other.contains(link);
        let tree = tree(*root, leaves, |link| !engineered || fits(link)).expect("a way");
        trees.insert((*vrf, *root), tree);
    }
    trees
}

/// Units on each link, if each root sends all flows.
fn load(trees: &Trees) -> BTreeMap<Link, u32> {
    let mut load = BTreeMap::new();
    trees.values().flatten().for_each(|link| *load.entry(*link).or_default() += 1);
    load
}

fn vrfs() -> impl Iterator<Item = VrfId> {
    (1..=VPNS).map(VrfId)
}

fn network<A: SimAddress>(provider: Provider) -> World<A> {
    let mut world: World<A> = World::new(provider.routers(4), 37, |_, _| {});
    for pe in 0..4 {
        for vrf in vrfs() {
            let rd = RouteDistinguisher::two_octet_as(65001, u32::from(vrf.0) * 100 + pe as u32);
            let rt = RouteTarget::two_octet_as(65001, u32::from(vrf.0));
            let mut config = MvrfConfig::new(vrf, rd, rt, pmsi(vrf));
            (config.inclusive, config.selective) = (Some(TunnelKind::RsvpTeP2mp), TunnelKind::RsvpTeP2mp);
            config.standby = Some(RootStandby::Hot);
            let is_root = ROOTS.contains(&pe);
            config.sites = Sites { senders: is_root, receivers: !is_root };
            config.bfd = Some(BfdSession { discriminator: 7000 + pe as u32, source: None });
            world.add_site(pe, config, false);
        }
    }
    for vrf in vrfs() {
        ROOTS.into_iter().for_each(|pe| world.set_prefix(pe, vrf, A::subnet(9).into(), true));
    }
    world.run_for(SECOND);
    for vrf in vrfs() {
        LEAVES.into_iter().for_each(|pe| world.member((pe, vrf), Some(A::host(9, 1)), A::ssm(1), true));
    }
    world.run_for(SECOND * 3);
    world
}

/// The leaves of the trees of the roots, as the provider of tunnels knows them.
fn leaves<A: SimAddress>(world: &World<A>) -> BTreeMap<(VrfId, usize), BTreeSet<usize>> {
    let mut found = BTreeMap::new();
    for root in ROOTS {
        for vrf in vrfs() {
            let rd = world.pes[root].sites[&vrf].config.rd;
            let own = world.pes[root].mvpn.originated().find_map(|(route, attributes)| match route.kind {
                mvpn::mvrf::McastKind::Ad(ad) if ad.rd() == rd => attributes.pmsi.clone(),
                _ => None,
            });
            let tunnel = own.expect("an I-PMSI").tunnel;
            assert!(matches!(tunnel, PTunnel::RsvpTeP2mp { .. }));
            found.insert((vrf, root), world.lsps[&tunnel].leaves.keys().copied().collect::<BTreeSet<_>>());
        }
    }
    found
}

fn go<A: SimAddress>(provider: Provider) {
    let mut world = network::<A>(provider);
    let (source, group) = (A::host(9, 1), A::ssm(1));
    let leaves = leaves(&world);
    assert!(leaves.values().all(|of| *of == LEAVES.into()), "{leaves:?}");
    let (plain, trees) = (lay(&leaves, false), lay(&leaves, true));
    assert!(load(&plain).values().any(|units| *units > CEILING), "shortest ways overload a link");
    assert!(load(&trees).values().all(|units| *units <= CEILING), "{:?}", load(&trees));
    for vrf in vrfs() {
        assert!(trees[&(vrf, 0)].is_disjoint(&trees[&(vrf, 1)]), "{vrf:?}");
    }
    // Both roots send; each leaf hands on one copy. What the links carry is what was reckoned with.
    let send = |world: &mut World<A>, vrf| {
        let number = world.send((0, vrf), source, group);
        world.send_again((1, vrf), source, group, number);
        world.run_for(Duration::from_millis(20));
        world.copies(source, group, number).into_iter().collect::<Vec<_>>()
    };
    let mut carried: BTreeMap<Link, u32> = BTreeMap::new();
    for vrf in vrfs() {
        let before = ROOTS.map(|root| world.sent_by[root]);
        assert_eq!(send(&mut world, vrf), [((2, vrf), 1), ((3, vrf), 1)]);
        for root in ROOTS {
            assert_eq!(world.sent_by[root] - before[root], 2, "a copy for each leaf");
            trees[&(vrf, root)].iter().for_each(|link| *carried.entry(*link).or_default() += 1);
        }
    }
    assert!(carried.values().all(|units| *units <= CEILING));
    // Each link in turn: of no VPN both trees are hit, so all its leaves go on being served, once BFD has seen it.
    for link in core() {
        for vrf in vrfs() {
            let hit: Vec<usize> = ROOTS.into_iter().filter(|root| trees[&(vrf, *root)].contains(&link)).collect();
            assert!(hit.len() < 2, "{link:?} {vrf:?}");
            for at in LEAVES {
                for root in ROOTS {
                    let (pe, is_up) = (world.routers[root], !hit.contains(&root));
                    world.input(at, Input::UpstreamState { vrf, pe, is_up });
                }
            }
            world.run_for(SECOND);
            // What the root of the tree that was hit sends is lost.
            let number = 1_000_000 + u32::from(vrf.0);
            for root in ROOTS.into_iter().filter(|root| !hit.contains(root)) {
                world.send_again((root, vrf), source, group, number);
            }
            world.run_for(SECOND);
            let copies = world.copies(source, group, number);
            assert_eq!(copies.into_iter().collect::<Vec<_>>(), [((2, vrf), 1), ((3, vrf), 1)], "{link:?}");
            world.delivered.clear();
        }
    }
}

/// Five VPNs, each with a flow that both PEs of its source send by trees of their own (RFC 9026 §4.2). A computation outside knows the leaves of each
/// tree and what links carry, and lays both trees of a VPN over different links, none of which has more than its ceiling; shortest ways would overload one.
/// Whichever link fails, one of the trees is whole and every receiver is served, once.
///
/// Shows: MVPN-TE-2
#[test]
fn two_disjoint_trees_for_a_flow_and_no_link_overloaded() {
    for provider in Provider::BOTH {
        go::<Ipv4Addr>(provider);
        go::<Ipv6Addr>(provider);
    }
}
