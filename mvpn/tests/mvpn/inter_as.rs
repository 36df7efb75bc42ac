//! Segmented inter-AS trees: ASBRs join the P-tunnels of ASes that know nothing of each other (RFC 6514 §9.2, §11.2, §12.2).

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use fwd_core::net::VrfId;
use mvpn::mvrf::inter_as::Side;
use mvpn::mvrf::{AdRoute, AsmMode, Input, InterAs, McastKind, MvrfConfig, Threshold, TunnelKind};
use proptest::prelude::*;

use super::border::Ases;
use super::node::SimAddress;
use super::world::World;
use super::{Provider, VRF, mvrf};

const SECOND: Duration = Duration::from_secs(1);

/// Three ASes in a chain: PEs 0 and 1 behind ASBR 6, ASBRs 7 and 8 with PEs 2 and 3 between them, ASBR 9 with PEs 4 and 5.
pub fn chain() -> Ases {
    Ases {
        asn: vec![65001, 65001, 65002, 65002, 65003, 65003, 65001, 65002, 65002, 65003],
        links: vec![(6, 7), (8, 9)],
        abrs: Vec::new(),
    }
}

/// The tunnels of each AS: one kind for I-PMSIs and S-PMSIs.
pub type Kinds = [TunnelKind; 3];

pub const MIXED: Kinds = [TunnelKind::MldpP2mp, TunnelKind::RsvpTeP2mp, TunnelKind::IngressReplication];

pub fn kind_of(ases: &Ases, kinds: Kinds, node: usize) -> TunnelKind {
    kinds[ases.asn[node] as usize - 65001]
}

/// The chain with a site at each PE; the RP is a CE of PE 5.
pub fn network<A: SimAddress>(provider: Provider, kinds: Kinds, seed: u64, tune: impl Fn(&mut MvrfConfig)) -> World<A> {
    let ases = chain();
    let mut world = World::<A>::of_ases(
        provider.routers(10),
        &ases,
        seed,
        |_, _| {},
        |node, config| {
            let kind = kind_of(&ases, kinds, node);
            (config.inclusive, config.selective) = (kind, kind);
        },
    );
    for pe in 0..6 {
        let kind = kind_of(&ases, kinds, pe);
        let inclusive = if kind == TunnelKind::RsvpTeP2mp { TunnelKind::MldpP2mp } else { kind };
        let mut config = mvrf(pe, Some(inclusive), kind);
        tune(&mut config);
        world.add_site(pe, config, pe == 5);
    }
    world.run_for(SECOND * 5);
    world
}

pub fn to(pes: &[usize]) -> BTreeMap<(usize, VrfId), u32> {
    pes.iter().map(|pe| ((*pe, VRF), 1)).collect()
}

fn between(world: &World<impl SimAddress>) -> u64 {
    world.packets_between.values().sum()
}

fn ssm<A: SimAddress>(provider: Provider, kinds: Kinds) {
    let mut world = network::<A>(provider, kinds, 3, |_| {});
    let (source, group) = (A::host(0, 1), A::ssm(1));
    for pe in [1, 2, 3, 4] {
        world.member((pe, VRF), Some(source), group, true);
    }
    world.run_for(SECOND * 5);
    let before = between(&world);
    let number = world.send((0, VRF), source, group);
    world.run_for(SECOND);
    assert_eq!(world.copies(source, group, number), to(&[1, 2, 3, 4]), "{provider:?} {kinds:?}");
    // One copy on each link between ASes, whatever the number of receivers behind it.
    assert_eq!(between(&world) - before, 2);
    // The other way round, and from the middle.
    for (from, receivers) in [(4, vec![0, 1, 2, 3]), (2, vec![0, 1, 3, 4])] {
        let (source, group) = (A::host(from, 1), A::ssm(2));
        for pe in &receivers {
            world.member((*pe, VRF), Some(source), group, true);
        }
        world.run_for(SECOND * 5);
        let number = world.send((from, VRF), source, group);
        world.run_for(SECOND);
        assert_eq!(world.copies(source, group, number), to(&receivers), "from {from} {provider:?} {kinds:?}");
    }
    for pe in [1, 2, 3, 4] {
        world.member((pe, VRF), Some(source), group, false);
    }
    world.run_for(SECOND * 20);
    let before = world.crossed;
    world.send((0, VRF), source, group);
    world.run_for(SECOND);
    assert_eq!(world.crossed, before, "nobody wants it any more");
}

/// Three ASes in a chain, with tunnels of one kind or of three: every receiver is served once, with one copy on each link between ASes.
///
/// Shows: MVPN-IAS-1, MVPN-CORE-5
#[test]
fn three_ases_with_three_kinds_of_tunnels() {
    let one = |kind| [kind; 3];
    for provider in Provider::BOTH {
        for kinds in [MIXED, one(TunnelKind::MldpP2mp), one(TunnelKind::IngressReplication)] {
            ssm::<Ipv4Addr>(provider, kinds);
            ssm::<Ipv6Addr>(provider, kinds);
        }
    }
}

/// PEs are configured as if there was one AS, ASBRs with no more than tunnels: what is told within AS 3 names its ASBR alone as next hop, its
/// PEs know no way to other routers, and there is a route for each AS, however many PEs it has.
///
/// Shows: MVPN-IAS-4, MVPN-ISEC-8
#[test]
fn a_route_for_each_as_and_not_for_each_pe() {
    let world = network::<Ipv4Addr>(Provider::V4, MIXED, 5, |_| {});
    let alone = mvrf(0, Some(TunnelKind::MldpP2mp), TunnelKind::MldpP2mp);
    assert_eq!(format!("{:?}", world.pes[0].sites[&VRF].config), format!("{alone:?}"));
    let border = world.pes[9].border.as_ref().unwrap();
    let inside: Vec<_> = border.advertised().filter(|(to, ..)| *to == Side::Internal).collect();
    let ases: Vec<u32> = inside
        .iter()
        .filter_map(|(_, route, _)| match route.kind {
            McastKind::Ad(AdRoute::InterAsIPmsi(ad)) if route.family == mvpn::pim::wire::AddressFamily::V4 => {
                Some(ad.source_as)
            }
            _ => None,
        })
        .collect();
    assert_eq!(BTreeSet::from_iter(ases.clone()), BTreeSet::from([65001, 65002]));
    assert_eq!(ases.len(), 2);
    let next_hops: BTreeSet<IpAddr> = inside.iter().map(|(.., advert)| advert.attributes.next_hop).collect();
    assert_eq!(next_hops, BTreeSet::from([world.routers[9]]));
    let far = |route: &&mvpn::mvrf::McastRoute| matches!(route.kind, McastKind::Ad(AdRoute::IntraAsIPmsi(_)));
    assert_eq!(inside.iter().map(|(_, route, _)| *route).filter(far).count(), 2, "its own, for ingress replication");
    assert!(world.rib.iter().filter(|(route, _)| far(route)).all(|(route, paths)| {
        let McastKind::Ad(AdRoute::IntraAsIPmsi(ad)) = route.kind else { return false };
        let of = world.routers.iter().position(|r| *r == ad.originator).unwrap();
        paths.keys().all(|node| *node == of)
    }));
}

/// Shared trees and source trees across three ASes, both ways for groups to cross the backbone.
fn asm(mode: AsmMode, kinds: Kinds) {
    let mut world = network::<Ipv4Addr>(Provider::V4, kinds, 7, |config| config.asm = mode);
    let (source, group) = (Ipv4Addr::host(0, 1), Ipv4Addr::asm(1));
    for pe in [1, 2, 3, 4] {
        world.member((pe, VRF), None, group, true);
    }
    world.run_for(SECOND * 5);
    for _ in 0..5 {
        world.send((0, VRF), source, group);
        world.run_for(SECOND);
    }
    if mode == AsmMode::SptOnly {
        let (source, group) = (source.into(), group.into());
        world.input(0, Input::Active { vrf: VRF, source, group, rp: None, is_active: true });
    }
    world.run_for(SECOND * 40);
    let number = world.send((0, VRF), source, group);
    world.run_for(SECOND);
    let mut got = world.copies(source, group, number);
    got.remove(&(5, VRF));
    assert_eq!(got, to(&[1, 2, 3, 4]), "{mode:?} {kinds:?}");
}

#[test]
fn groups_of_any_source_in_three_ases() {
    for kinds in [MIXED, [TunnelKind::MldpP2mp; 3]] {
        asm(AsmMode::RptSpt, kinds);
        asm(AsmMode::SptOnly, kinds);
    }
}

/// A stream at a packet each 10 ms: how many of its packets are lost, and doubled.
fn stream<A: SimAddress>(
    world: &mut World<A>,
    (source, group): (A, A),
    receivers: &[usize],
    packets: usize,
    mut during: impl FnMut(&mut World<A>, usize),
) -> (usize, usize) {
    let mut numbers = Vec::new();
    for n in 0..packets {
        during(world, n);
        numbers.push(world.send((0, VRF), source, group));
        world.run_for(Duration::from_millis(10));
    }
    world.run_for(SECOND);
    let copies: Vec<_> = numbers.iter().map(|number| world.copies(source, group, *number)).collect();
    let lost = copies.iter().map(|c| receivers.iter().filter(|pe| !c.contains_key(&(**pe, VRF))).count()).sum();
    (lost, copies.iter().flat_map(|c| c.values()).filter(|n| **n > 1).count())
}

/// A flow moves to an S-PMSI across ASes: nothing is lost, and ASes without receivers get none of it.
#[test]
fn a_flow_moves_to_segments_of_its_own() {
    for kinds in [MIXED, [TunnelKind::IngressReplication; 3], [TunnelKind::MldpP2mp; 3]] {
        let mut world = network::<Ipv4Addr>(Provider::V4, kinds, 9, |config| {
            config.s_pmsi.threshold = Some(Threshold { up: 1000, down: 500 });
        });
        let (source, group) = (Ipv4Addr::host(0, 1), Ipv4Addr::ssm(1));
        for pe in [1, 3] {
            world.member((pe, VRF), Some(source), group, true);
        }
        world.run_for(SECOND * 5);
        // By the I-PMSI it goes to AS 3 too, which drops it.
        let before = world.packets_between.get(&(8, 9)).copied();
        let number = world.send((0, VRF), source, group);
        world.run_for(SECOND);
        assert_eq!(world.copies(source, group, number), to(&[1, 3]));
        assert_ne!(world.packets_between.get(&(8, 9)).copied(), before);
        let outcome = stream(&mut world, (source, group), &[1, 3], 1000, |world, n| {
            if n == 100 {
                let (source, group) = (source.into(), group.into());
                world.input(0, Input::Rate { vrf: VRF, source, group, octets_per_second: 1_000_000 });
            }
        });
        assert_eq!(outcome, (0, 0), "{kinds:?}");
        assert!(world.pes[0].mvpn.carried(VRF, source.into(), group.into()).unwrap().is_selective);
        let before = world.packets_between.clone();
        let number = world.send((0, VRF), source, group);
        world.run_for(SECOND);
        assert_eq!(world.copies(source, group, number), to(&[1, 3]), "{kinds:?}");
        let more = |link: (usize, usize)| world.packets_between[&link] - before[&link];
        assert_eq!((more((6, 7)), more((8, 9))), (1, 0), "{kinds:?}");
    }
}

/// The provider in the middle takes other tunnels: its neighbours are told nothing, and packets go on arriving.
#[test]
fn a_provider_changes_its_tunnels_and_neighbours_do_not_know() {
    let mut world = network::<Ipv4Addr>(Provider::V4, [TunnelKind::MldpP2mp; 3], 11, |_| {});
    let (source, group) = (Ipv4Addr::host(0, 1), Ipv4Addr::ssm(1));
    for pe in [2, 3, 4] {
        world.member((pe, VRF), Some(source), group, true);
    }
    world.run_for(SECOND * 5);
    let told = world.routes_between.clone();
    for kind in [TunnelKind::IngressReplication, TunnelKind::RsvpTeP2mp, TunnelKind::MldpP2mp] {
        for asbr in [7, 8] {
            let now = world.now;
            world.pes[asbr].border.as_mut().unwrap().set_tunnels(now, kind, kind).unwrap();
            world.drain(asbr);
        }
        world.run_for(SECOND * 3);
        let number = world.send((0, VRF), source, group);
        world.run_for(SECOND);
        assert_eq!(world.copies(source, group, number), to(&[2, 3, 4]), "{kind:?}");
    }
    assert_eq!(world.routes_between, told);
}

/// Two links between two ASes, with ASBRs of their own: one fails and is repaired, and each time every receiver is served once.
#[test]
fn a_link_between_ases_fails_and_is_repaired() {
    let links = vec![(3, 5), (4, 6)];
    let ases =
        Ases { asn: vec![65001, 65002, 65002, 65001, 65001, 65002, 65002], links: links.clone(), ..Ases::default() };
    let target: bgp_vpn::attr::RouteTarget = "65001:1".parse().unwrap();
    let rd = |asn: u32| bgp_vpn::nlri::RouteDistinguisher::two_octet_as(65001, asn);
    let mut world = World::<Ipv4Addr>::of_ases(
        Provider::V4.routers(7),
        &ases,
        17,
        |_, _| {},
        |node, config| {
            // All ASBRs of an AS have one RD (RFC 6514 §9.2, option 1).
            config.rds = BTreeMap::from([(vec![target.into()], rd(ases.asn[node]))]);
        },
    );
    for pe in 0..3 {
        world.add_site(pe, mvrf(pe, Some(TunnelKind::MldpP2mp), TunnelKind::MldpP2mp), false);
    }
    world.run_for(SECOND * 5);
    let (source, group) = (Ipv4Addr::host(0, 1), Ipv4Addr::ssm(1));
    for pe in [1, 2] {
        world.member((pe, VRF), Some(source), group, true);
    }
    for (link, up) in [(links[0], true), (links[0], false), (links[0], true), (links[1], false), (links[1], true)] {
        world.set_link(link, up);
        world.run_for(SECOND * 5);
        let number = world.send((0, VRF), source, group);
        world.run_for(SECOND);
        assert_eq!(world.copies(source, group, number), to(&[1, 2]), "{link:?} {up}");
    }
}

/// VRFs back to back: each AS has procedures of its own, and PIM between them.
fn option_a() {
    let asn = vec![65001, 65001, 65001, 65002, 65002, 65002];
    let ases = Ases { asn, ..Ases::default() };
    let mut world = World::<Ipv4Addr>::of_ases(Provider::V4.routers(6), &ases, 15, |_, _| {}, |_, _| {});
    world.lans = BTreeMap::from([((2, VRF), (3, VRF)), ((3, VRF), (2, VRF))]);
    for pe in 0..6 {
        let kind = if pe < 3 { TunnelKind::MldpP2mp } else { TunnelKind::IngressReplication };
        let mut config = mvrf(pe, Some(kind), kind);
        let target: bgp_vpn::attr::RouteTarget = format!("{}:1", ases.asn[pe]).parse().unwrap();
        (config.import, config.export) = (vec![target.into()], vec![target.into()]);
        config.inter_as = InterAs::None;
        world.add_site(pe, config, false);
    }
    for (asbr, far) in [(3, [0, 1]), (2, [4, 5])] {
        far.into_iter().for_each(|pe| world.set_prefix(asbr, VRF, Ipv4Addr::subnet(pe).into(), true));
    }
    world.run_for(SECOND * 40);
    let (source, group) = (Ipv4Addr::host(0, 1), Ipv4Addr::ssm(1));
    for pe in [1, 4, 5] {
        world.member((pe, VRF), Some(source), group, true);
    }
    world.run_for(SECOND * 10);
    let number = world.send((0, VRF), source, group);
    world.run_for(SECOND);
    // One copy on the link between the VRFs.
    assert_eq!(world.copies(source, group, number), to(&[1, 2, 4, 5]));
    assert!(world.routes_between.is_empty() && world.packets_between.is_empty());
}

/// The options of RFC 4364 §10 for unicast, each with what multicast can do there: with VRFs back to back procedures within an AS alone; with
/// labelled routes from ASBR to ASBR and from PE to PE, tunnels in segments or whole.
///
/// Shows: MVPN-IAS-3
#[test]
fn every_option_of_unicast_with_every_model_of_multicast() {
    option_a();
    whole(true);
    whole(false);
    ssm::<Ipv4Addr>(Provider::V4, MIXED);
}

/// Tunnels from PE to PE: ASBRs pass the routes as they are, and join nothing.
fn whole(next_hop_self: bool) {
    let ases = chain();
    let mut world = World::<Ipv4Addr>::of_ases(
        Provider::V4.routers(10),
        &ases,
        13,
        |_, _| {},
        |_, config| {
            config.whole = BTreeSet::from(["65001:1".parse::<bgp_vpn::attr::RouteTarget>().unwrap().into()]);
            config.next_hop_self = next_hop_self;
        },
    );
    for pe in 0..6 {
        let mut config = mvrf(pe, Some(TunnelKind::MldpP2mp), TunnelKind::MldpP2mp);
        config.inter_as = InterAs::NonSegmented;
        config.s_pmsi.threshold = Some(Threshold { up: 1000, down: 500 });
        world.add_site(pe, config, false);
    }
    world.run_for(SECOND * 5);
    let (source, group) = (Ipv4Addr::host(0, 1), Ipv4Addr::ssm(1));
    for pe in [1, 3, 5] {
        world.member((pe, VRF), Some(source), group, true);
    }
    world.run_for(SECOND * 5);
    for octets_per_second in [0, 5000] {
        let (s, g) = (source.into(), group.into());
        world.input(0, Input::Rate { vrf: VRF, source: s, group: g, octets_per_second });
        world.run_for(SECOND * 10);
        let number = world.send((0, VRF), source, group);
        world.run_for(SECOND);
        assert_eq!(world.copies(source, group, number), to(&[1, 3, 5]));
    }
    for asbr in 6..10 {
        assert_eq!(world.pes[asbr].border.as_ref().unwrap().segments(), 0);
    }
}

/// Two areas and the backbone of one AS: PEs 0 and 1 behind ABR 6, PEs 2 and 3 behind ABR 7, PEs 4 and 5 in the backbone. Each part has
/// S-PMSI tunnels of its own kind.
fn areas(provider: Provider, [first, second, backbone]: Kinds) {
    let ases = Ases { asn: vec![1, 1, 2, 2, 0, 0, 1, 2], links: Vec::new(), abrs: vec![6, 7] };
    let kind_of = |node: usize| [backbone, first, second][ases.asn[node] as usize];
    let mut world = World::<Ipv4Addr>::of_ases(
        provider.routers(8),
        &ases,
        21,
        |_, _| {},
        |node, config| {
            config.selective = kind_of(node);
            config.backbone = Some(backbone);
        },
    );
    for pe in 0..6 {
        let mut config = mvrf(pe, Some(TunnelKind::MldpP2mp), kind_of(pe));
        config.inter_area = true;
        config.s_pmsi.threshold = Some(Threshold { up: 1000, down: 500 });
        world.add_site(pe, config, false);
    }
    world.run_for(SECOND * 5);
    for (from, receivers) in [(0, [1, 2, 4]), (2, [0, 3, 5]), (4, [1, 2, 5])] {
        let (source, group) = (Ipv4Addr::host(from, 1), Ipv4Addr::ssm(1));
        for pe in receivers {
            world.member((pe, VRF), Some(source), group, true);
        }
        world.run_for(SECOND * 5);
        for octets_per_second in [0, 5000] {
            let (s, g) = (source.into(), group.into());
            world.input(from, Input::Rate { vrf: VRF, source: s, group: g, octets_per_second });
            world.run_for(SECOND * 10);
            let number = world.send((from, VRF), source, group);
            world.run_for(SECOND);
            assert_eq!(world.copies(source, group, number), to(&receivers), "{from} {octets_per_second} {provider:?}");
        }
        let carried = world.pes[from].mvpn.carried(VRF, source.into(), group.into()).unwrap();
        assert!(carried.is_selective);
    }
    // PEs know of no tunnel whose root is in another area.
    let root = |tunnel: &mvpn::mvrf::PTunnel| match tunnel {
        mvpn::mvrf::PTunnel::MldpP2mp(lsp) => Some(lsp.root),
        mvpn::mvrf::PTunnel::RsvpTeP2mp { ingress, .. } => Some(*ingress),
        _ => None,
    };
    for (pe, area) in [(1, 1), (3, 2), (5, 0)] {
        let members = world.pes[pe].mvpn.members(VRF).filter_map(|(_, _, tunnel)| root(tunnel?));
        for root in members {
            let node = world.routers.iter().position(|r| *r == root).unwrap();
            assert!(world.areas(node).any(|of| of == area), "PE {pe} has a tunnel of router {node}");
        }
    }
}

/// ABRs join the segments of areas (RFC 7524 §5 to §7).
#[test]
fn areas_with_tunnels_of_their_own() {
    use TunnelKind::{IngressReplication, MldpP2mp, RsvpTeP2mp};
    for provider in Provider::BOTH {
        areas(provider, [MldpP2mp; 3]);
        areas(provider, [IngressReplication, RsvpTeP2mp, MldpP2mp]);
        areas(provider, [RsvpTeP2mp, MldpP2mp, IngressReplication]);
    }
}

/// A random network: ASes in a tree, each with PEs and with an ASBR for each link.
fn random_ases(rng: &mut super::world::Rng) -> (Ases, usize, Kinds) {
    let count = 2 + rng.below(3) as usize;
    let mut asn = Vec::new();
    for n in 0..count {
        (0..1 + rng.below(3)).for_each(|_| asn.push(65001 + n as u32));
    }
    let pes = asn.len();
    let mut links = Vec::new();
    for n in 1..count {
        let other = rng.below(n as u64) as u32;
        asn.extend([65001 + other, 65001 + n as u32]);
        links.push((asn.len() - 2, asn.len() - 1));
    }
    let kinds = [TunnelKind::MldpP2mp, TunnelKind::IngressReplication, TunnelKind::RsvpTeP2mp];
    let mut kind = || kinds[rng.below(3) as usize];
    (Ases { asn, links, ..Ases::default() }, pes, [kind(), kind(), kind()])
}

fn random<A: SimAddress>(provider: Provider, seed: u64, bursts: &[Vec<(u8, u8, bool)>]) {
    let mut rng = super::world::Rng(seed);
    let (ases, pes, kinds) = random_ases(&mut rng);
    let kind_of = |node: usize| kinds[(ases.asn[node] as usize - 65001) % 3];
    let tune = |_: usize, config: &mut mvpn::mvrf::MvpnConfig| config.timers.hold_down = SECOND * 5;
    let mut world = World::<A>::of_ases(provider.routers(ases.asn.len()), &ases, seed, tune, |node, config| {
        (config.inclusive, config.selective) = (kind_of(node), kind_of(node));
    });
    for pe in 0..pes {
        let kind = kind_of(pe);
        let inclusive = if kind == TunnelKind::RsvpTeP2mp { TunnelKind::MldpP2mp } else { kind };
        let mut config = mvrf(pe, Some(inclusive), kind);
        config.s_pmsi.threshold = Some(Threshold { up: 1000, down: 500 });
        world.add_site(pe, config, false);
    }
    world.run_for(SECOND * 5);
    let mut members = BTreeSet::new();
    for burst in bursts {
        for (pe, flow, joined) in burst {
            let (pe, flow) = (usize::from(*pe) % pes, *flow);
            let from = usize::from(flow / 2) % pes;
            let (source, group) = (A::host(from, 1), A::ssm(flow));
            if flow % 4 == 3 {
                let octets_per_second = if *joined { 5000 } else { 1 };
                let (source, group) = (source.into(), group.into());
                world.input(from, Input::Rate { vrf: VRF, source, group, octets_per_second });
            }
            if pe != from {
                match joined {
                    true => drop(members.insert((flow, pe))),
                    false => drop(members.remove(&(flow, pe))),
                }
                world.member((pe, VRF), Some(source), group, *joined);
            }
        }
        world.run_for(SECOND * 25);
        for flow in 0..8_u8 {
            let from = usize::from(flow / 2) % pes;
            let (source, group) = (A::host(from, 1), A::ssm(flow));
            let before = between(&world);
            let number = world.send((from, VRF), source, group);
            world.run_for(SECOND);
            let expected: Vec<usize> = members.iter().filter(|(f, _)| *f == flow).map(|(_, pe)| *pe).collect();
            assert_eq!(world.copies(source, group, number), to(&expected), "flow {flow} of {ases:?} {kinds:?}");
            assert!(between(&world) - before <= ases.links.len() as u64, "twice on a link between ASes");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, max_shrink_iters: 100, ..ProptestConfig::default() })]

    /// Random ASes with random tunnels, random joins and leaves: every receiver that should be served is, once; nobody else is; and at most
    /// one copy crosses each link between ASes.
    #[test]
    fn every_receiver_of_every_as_is_served_once(
        (v6, provider_v6) in any::<(bool, bool)>(),
        seed in any::<u64>(),
        bursts in prop::collection::vec(prop::collection::vec((any::<u8>(), 0..8_u8, any::<bool>()), 1..8), 1..4),
    ) {
        let provider = if provider_v6 { Provider::V6 } else { Provider::V4 };
        match v6 {
            true => random::<Ipv6Addr>(provider, seed, &bursts),
            false => random::<Ipv4Addr>(provider, seed, &bursts),
        }
    }
}
