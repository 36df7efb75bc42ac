//! Segments of other kinds than labelled ones, and fewer of them: trees of PIM's, S-PMSIs merged into inter-AS trees, and what a remote AS
//! holds however many PEs there are (RFC 6514 §9.2, §12.2.1).

use std::collections::{BTreeMap, BTreeSet};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use fwd_core::net::{Label, Mac};
use fwd_core::wire::LabelEntry;
use mvpn::mvrf::inter_as::{AsbrConfig, AsbrConfigError, MvpnAsbr, Side};
use mvpn::mvrf::{AdRoute, Input, McastAttributes, McastKind, McastRoute, MvrfConfig, Target, Threshold, TunnelKind};
use mvpn::pim::wire::AddressFamily;

use super::border::Ases;
use super::inter_as::{Kinds, chain, kind_of, to};
use super::node::{CORE, SimAddress, data, mac};
use super::world::World;
use super::{Provider, VRF, mvrf};

type A = Ipv4Addr;

const SECOND: Duration = Duration::from_secs(1);
const KINDS: Kinds = [TunnelKind::MldpP2mp, TunnelKind::PimSsm, TunnelKind::IngressReplication];

fn config(pe: usize, kind: TunnelKind) -> MvrfConfig {
    let mut config = mvrf(pe, Some(kind), kind);
    config.s_pmsi.threshold = Some(Threshold { up: 1000, down: 500 });
    config
}

fn network<A: SimAddress>(kinds: Kinds, border: impl Fn(usize, &mut AsbrConfig)) -> World<A> {
    let ases = chain();
    let mut world = World::<A>::of_ases(
        Provider::V4.routers(10),
        &ases,
        3,
        |_, config| config.p_groups = Some("232.100.0.0/24".parse().unwrap()),
        |node, config| {
            config.router.p_groups = Some("232.101.0.0/24".parse().unwrap());
            let kind = kind_of(&ases, kinds, node);
            (config.inclusive, config.selective) = (kind, kind);
            border(node, config);
        },
    );
    world.has_pim = true;
    for pe in 0..6 {
        world.add_site(pe, config(pe, kind_of(&ases, kinds, pe)), false);
    }
    world.run_for(SECOND * 5);
    world
}

/// A packet reaches these, each once. Copies on each link between ASes.
fn reaches<A: SimAddress>(
    world: &mut World<A>,
    from: usize,
    group: A,
    receivers: &[usize],
) -> BTreeMap<(usize, usize), u64> {
    let before = world.packets_between.clone();
    let number = world.send((from, VRF), A::host(from, 1), group);
    world.run_for(SECOND);
    assert_eq!(world.copies(A::host(from, 1), group, number), to(receivers), "from PE {from}");
    let new = |(link, count): (&(usize, usize), &u64)| (*link, count - before.get(link).copied().unwrap_or(0));
    world.packets_between.iter().map(new).filter(|(_, count)| *count > 0).collect()
}

fn joined<A: SimAddress>(world: &mut World<A>, from: usize, group: A, receivers: &[usize]) {
    for pe in receivers {
        world.member((*pe, VRF), Some(A::host(from, 1)), group, true);
    }
}

fn rate<A: SimAddress>(world: &mut World<A>, from: usize, group: A, octets_per_second: u64) {
    let (source, group) = (A::host(from, 1).into(), group.into());
    world.input(from, Input::Rate { vrf: VRF, source, group, octets_per_second });
}

/// What routers of these ASes say within them.
fn said<A: SimAddress>(world: &World<A>, of: impl Fn(u32) -> bool) -> BTreeMap<(McastRoute, usize), McastAttributes> {
    let all =
        world.rib.iter().flat_map(|(route, paths)| paths.iter().map(|(node, said)| ((*route, *node), said.clone())));
    all.filter(|((_, node), _)| of(world.asn[*node])).collect()
}

/// Flows from and to every AS, by I-PMSIs and by S-PMSIs.
fn three_kinds<A: SimAddress>() {
    let mut world = network::<A>(KINDS, |_, _| {});
    for (n, (from, receivers, links)) in
        [(0, [1, 2, 3, 4], [(6, 7), (8, 9)]), (2, [0, 1, 3, 4], [(7, 6), (8, 9)]), (4, [0, 2, 3, 5], [(9, 8), (7, 6)])]
            .into_iter()
            .enumerate()
    {
        let group = A::ssm(n as u8);
        joined(&mut world, from, group, &receivers);
        world.run_for(SECOND * 5);
        let once = BTreeMap::from(links.map(|link| (link, 1)));
        for octets_per_second in [0, 1_000_000] {
            rate(&mut world, from, group, octets_per_second);
            world.run_for(SECOND * 10);
            let before = world.into_trees.clone();
            assert_eq!(reaches(&mut world, from, group, &receivers), once, "{octets_per_second}");
            // In AS 2 it goes once into a tree of PIM's: at the ASBR that it came in by, or at its PE.
            let sent = |(node, count): (&usize, &u64)| (*node, count - before.get(node).copied().unwrap_or(0));
            let sent: Vec<_> = world.into_trees.iter().map(sent).filter(|(_, count)| *count > 0).collect();
            assert_eq!(sent, [([7, 2, 8][n], 1)]);
        }
        let carried = world.pes[from].mvpn.carried(VRF, A::host(from, 1).into(), group.into()).unwrap();
        assert!(carried.is_selective);
    }
}

/// The provider in the middle takes other tunnels, in service: its ASBRs for what passes, and a PE for what it sends.
fn the_middle_changes() {
    let mut world = network::<A>(KINDS, |_, _| {});
    let (one, two, three) = (A::ssm(1), A::ssm(2), A::ssm(3));
    joined(&mut world, 0, one, &[2, 3, 4]);
    joined(&mut world, 3, two, &[0, 5]);
    world.run_for(SECOND * 5);
    let (told, outside) = (world.routes_between.clone(), said(&world, |asn| asn != 65002));
    let mut inside = said(&world, |asn| asn == 65002);
    for kind in [TunnelKind::MldpP2mp, TunnelKind::IngressReplication, TunnelKind::PimSsm] {
        let now = world.now;
        for asbr in [7, 8] {
            world.pes[asbr].border.as_mut().unwrap().set_tunnels(now, kind, kind).unwrap();
            world.drain(asbr);
        }
        world.pes[2].mvpn.remove_mvrf(now, VRF).unwrap();
        world.drain(2);
        world.pes[2].sites.remove(&VRF);
        world.run_for(SECOND);
        world.add_site(2, config(2, kind), false);
        world.refresh(2);
        for pe in [0, 1, 3, 4, 5] {
            world.set_prefix(pe, VRF, A::subnet(pe).into(), true);
        }
        joined(&mut world, 0, one, &[2]);
        world.run_for(SECOND * 5);
        reaches(&mut world, 0, one, &[2, 3, 4]);
        reaches(&mut world, 3, two, &[0, 5]);
        assert_eq!(world.routes_between, told, "{kind:?}: neighbours were told something");
        assert_eq!(said(&world, |asn| asn != 65002), outside, "{kind:?}");
        let now_inside = said(&world, |asn| asn == 65002);
        assert_ne!(now_inside, inside, "{kind:?}");
        inside = now_inside;
    }
    joined(&mut world, 2, three, &[0, 3, 5]);
    world.run_for(SECOND * 5);
    reaches(&mut world, 2, three, &[0, 3, 5]);
}

/// AS 1 has mLDP, AS 2 source-specific trees of PIM's with GRE, AS 3 ingress replication, of IPv4 and IPv6 customers: the ASBRs join the
/// segments, each receiver gets each packet once, with one copy on each link between ASes and one into a tree of AS 2. When AS 2 takes other
/// kinds of tunnels, what is said in AS 1 and AS 3 and on the links between ASes stays as it is to the last attribute.
///
/// Shows: MVPN-IAS-5
#[test]
fn each_provider_has_its_kind_of_tunnel() {
    three_kinds::<Ipv4Addr>();
    three_kinds::<Ipv6Addr>();
    the_middle_changes();
}

fn target() -> Target {
    "65001:1".parse::<bgp_vpn::attr::RouteTarget>().unwrap().into()
}

/// What there is of routes and copies with so many PEs in each of three ASes, all of which receive a flow of one: I-PMSI A-D routes that are
/// told in AS 3 from elsewhere, all routes that each ASBR tells the other AS, and copies on the links.
fn with_pes(count: usize) -> (usize, Vec<usize>, BTreeMap<(usize, usize), u64>) {
    let ends = [3 * count, 3 * count + 1, 3 * count + 2, 3 * count + 3];
    let mut asn: Vec<u32> = (0..3 * count).map(|pe| 65001 + (pe / count) as u32).collect();
    asn.extend([65001, 65002, 65002, 65003]);
    let ases = Ases { asn, links: vec![(ends[0], ends[1]), (ends[2], ends[3])], abrs: Vec::new() };
    let kinds = [TunnelKind::MldpP2mp, TunnelKind::MldpP2mp, TunnelKind::IngressReplication];
    let mut world = World::<A>::of_ases(
        Provider::V4.routers(3 * count + 4),
        &ases,
        5,
        |_, _| {},
        |node, config| {
            let kind = kind_of(&ases, kinds, node);
            (config.inclusive, config.selective) = (kind, kind);
        },
    );
    for pe in 0..3 * count {
        let kind = kind_of(&ases, kinds, pe);
        world.add_site(pe, mvrf(pe, Some(kind), kind), false);
    }
    world.run_for(SECOND * 10);
    let receivers: Vec<usize> = (1..3 * count).collect();
    joined(&mut world, 0, A::ssm(1), &receivers);
    world.run_for(SECOND * 10);
    let copies = reaches(&mut world, 0, A::ssm(1), &receivers);
    let told = |node: usize, is_wanted: &dyn Fn(Side, &McastRoute) -> bool| {
        let border = world.pes[node].border.as_ref().unwrap();
        border.advertised().filter(|(to, route, _)| is_wanted(*to, route)).count()
    };
    let is_far = |to: Side, route: &McastRoute| {
        let is_inclusive = matches!(route.kind, McastKind::Ad(AdRoute::InterAsIPmsi(_)));
        to == Side::Internal && is_inclusive && route.family == AddressFamily::V4
    };
    let is_out = |to: Side, _: &McastRoute| matches!(to, Side::External(_));
    let out = ends.iter().map(|node| told(*node, &is_out)).collect();
    // Links by their ends' places among the ASBRs.
    let place = |node: usize| ends.iter().position(|end| *end == node).unwrap();
    let copies = copies.into_iter().map(|((a, b), count)| ((place(a), place(b)), count)).collect();
    (told(ends[3], &is_far), out, copies)
}

/// The chain, with S-PMSIs in AS 1 that the first ASBR of AS 2 merges into the inter-AS tree of AS 1.
fn merging() -> World<A> {
    network::<A>([TunnelKind::MldpP2mp, TunnelKind::MldpP2mp, TunnelKind::IngressReplication], |node, config| {
        if node == 7 {
            config.merged = BTreeSet::from([target()]);
        }
    })
}

/// The label that ASBR 7 gave for the inter-AS tree of AS 1.
fn label_of_tree(world: &World<A>) -> Label {
    let border = world.pes[7].border.as_ref().unwrap();
    let label = border.advertised().find_map(|(_, route, advert)| match route.kind {
        McastKind::Leaf { key: AdRoute::InterAsIPmsi(ad), .. } if ad.source_as == 65001 => {
            advert.attributes.pmsi.as_ref()?.label
        }
        _ => None,
    });
    label.expect("a leaf of the tree")
}

/// A packet of a flow that somebody sends by the inter-AS tree to ASBR 7.
fn by_the_tree(world: &mut World<A>, group: A, number: u32) {
    let label = label_of_tree(world);
    let packet = data(A::host(0, 1), group, number);
    let mut octets = vec![0; 18];
    octets[..6].copy_from_slice(&mac(7).0);
    octets[6..12].copy_from_slice(&Mac([2, 0, 0, 0, 1, 6]).0);
    octets[12..14].copy_from_slice(&[0x88, 0x47]);
    octets[14..].copy_from_slice(&LabelEntry::new(label, 0, true, 60).0);
    octets.extend_from_slice(&packet[14..]);
    world.frame(7, CORE, &octets);
    world.run_for(SECOND);
}

/// A flow moves to an S-PMSI in AS 1. Behind ASBR 7 nobody is told, and nothing is lost.
fn merged() {
    let mut world = merging();
    let (one, two) = (A::ssm(1), A::ssm(2));
    joined(&mut world, 0, one, &[1, 2, 4]);
    joined(&mut world, 0, two, &[3, 5]);
    world.run_for(SECOND * 5);
    let behind = |world: &World<A>| said(world, |asn| asn != 65001);
    let before = behind(&world);
    let numbers: Vec<u32> = (0..2000)
        .map(|n| {
            if n == 100 {
                rate(&mut world, 0, one, 1_000_000);
            }
            let number = world.send((0, VRF), A::host(0, 1), one);
            world.run_for(Duration::from_millis(10));
            number
        })
        .collect();
    world.run_for(SECOND);
    for number in numbers {
        assert_eq!(world.copies(A::host(0, 1), one, number), to(&[1, 2, 4]));
    }
    assert!(world.pes[0].mvpn.carried(VRF, A::host(0, 1).into(), one.into()).unwrap().is_selective);
    assert_eq!(world.pes[7].border.as_ref().unwrap().merged(), 1);
    assert_eq!(behind(&world), before, "S-PMSIs end at ASBR 7");
    // One copy on each link, of this flow and of the one that is on the I-PMSI still.
    let once = BTreeMap::from([((6, 7), 1), ((8, 9), 1)]);
    assert_eq!(reaches(&mut world, 0, one, &[1, 2, 4]), once);
    assert_eq!(reaches(&mut world, 0, two, &[3, 5]), once);
    // What else comes of the flow by the inter-AS tree is discarded, what comes of others is not.
    let drops = |world: &World<A>| world.pes[7].drops.get("RpfFailed").copied().unwrap_or(0);
    let failed = drops(&world);
    by_the_tree(&mut world, one, 900_001);
    assert_eq!((world.copies(A::host(0, 1), one, 900_001).len(), drops(&world) - failed), (0, 1));
    by_the_tree(&mut world, two, 900_002);
    assert_eq!((world.copies(A::host(0, 1), two, 900_002), drops(&world) - failed), (to(&[3, 5]), 1));
    // Without receivers behind it ASBR 7 is no leaf of the S-PMSI.
    [2, 4].into_iter().for_each(|pe| world.member((pe, VRF), Some(A::host(0, 1)), one, false));
    world.run_for(SECOND * 30);
    assert_eq!(reaches(&mut world, 0, one, &[1]), BTreeMap::new());
    joined(&mut world, 0, one, &[4]);
    world.run_for(SECOND * 5);
    assert_eq!(reaches(&mut world, 0, one, &[1, 4]), once);
    // Back to the I-PMSI.
    world.run_for(SECOND * 60);
    rate(&mut world, 0, one, 0);
    world.run_for(SECOND * 30);
    assert_eq!(world.pes[7].border.as_ref().unwrap().merged(), 0);
    assert_eq!(reaches(&mut world, 0, one, &[1, 4]), once);
}

/// Ten times as many PEs change nothing of what an AS is told of another: I-PMSI A-D routes are as many as the other ASes, C-multicast and all
/// other routes between ASes as many as before, and a link between ASes takes one copy. S-PMSIs of one AS end where the next merges them.
///
/// Shows: MVPN-IAS-7
#[test]
fn what_ases_cost_each_other_does_not_grow_with_their_pes() {
    let few = with_pes(2);
    assert_eq!((few.0, &few.2), (2, &BTreeMap::from([((0, 1), 1), ((2, 3), 1)])));
    assert_eq!(with_pes(20), few);
    merged();
}

#[test]
fn values_of_border_routers_are_checked() {
    let check = |change: &dyn Fn(&mut AsbrConfig)| {
        let mut config = AsbrConfig::new([192, 0, 2, 1].into(), 65001, [192, 0, 2, 1].into());
        change(&mut config);
        MvpnAsbr::new(fwd_core::time::Instant::ZERO, config).err()
    };
    let groups = Some("232.100.0.0/24".parse().unwrap());
    assert_eq!(check(&|c| c.selective = TunnelKind::PimSsm), Some(AsbrConfigError::PGroups));
    assert_eq!(check(&|c| (c.selective, c.router.p_groups) = (TunnelKind::PimSsm, groups)), None);
    let of_area = |c: &mut AsbrConfig| (c.backbone, c.router.p_groups) = (Some(TunnelKind::MldpP2mp), groups);
    assert_eq!(check(&of_area), None);
    let pim = |c: &mut AsbrConfig| c.selective = TunnelKind::PimSsm;
    assert_eq!(check(&|c| (of_area(c), pim(c)).0), Some(AsbrConfigError::Tunnel));
    assert_eq!(check(&|c| c.backbone = Some(TunnelKind::PimSsm)), Some(AsbrConfigError::Tunnel));
    let shared = TunnelKind::BidirPim([239, 1, 1, 1].into());
    assert_eq!(check(&|c| c.inclusive = shared), Some(AsbrConfigError::Tunnel));
    let merges = |c: &mut AsbrConfig| c.merged = BTreeSet::from([target()]);
    assert_eq!(check(&|c| (of_area(c), merges(c)).0), Some(AsbrConfigError::Merged));
    assert_eq!(check(&|c| c.vrfs = 0..=5), Some(AsbrConfigError::Vrfs));
}
