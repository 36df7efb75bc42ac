//! Several VPNs: what route targets join, and what they keep apart.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Duration;

use bgp_vpn::attr::RouteTarget;
use bgp_vpn::nlri::RouteDistinguisher;
use fwd_core::net::VrfId;
use mvpn::mvrf::{CMulticastProtocol, InterAs, McastKind, MvrfConfig, Target, TunnelKind};

use super::node::{SimAddress, pmsi};
use super::world::World;
use super::{Provider, VRF, mvrf};

type A = Ipv4Addr;

const SECOND: Duration = Duration::from_secs(1);

fn target(vpn: usize) -> Target {
    RouteTarget::two_octet_as(65001, vpn as u32).into()
}

/// A network of PEs with one VRF each, of the VPNs `of`; VPN v imports the VPNs of `imports`.
fn extranet(of: &[usize], imports: &[(usize, usize)]) -> World<A> {
    let mut world: World<A> = World::new(Provider::V4.routers(of.len()), 31, |_, _| {});
    for (pe, vpn) in of.iter().enumerate() {
        let mut config = mvrf(pe, Some(TunnelKind::MldpP2mp), TunnelKind::MldpP2mp);
        config.export = vec![target(*vpn)];
        config.import = vec![target(*vpn)];
        config.import.extend(imports.iter().filter(|(to, _)| to == vpn).map(|(_, from)| target(*from)));
        world.add_site(pe, config, false);
    }
    world.run_for(SECOND * 2);
    world
}

/// Every way for VPNs to import each other: what is delivered is what is imported, in each direction by itself, once each.
///
/// Shows: MVPN-EXT-1, MVPN-EXT-2, MVPN-EXT-3, MVPN-EXT-5, MVPN-EXT-8
#[test]
fn what_is_imported_is_delivered() {
    // PEs 0 and 1 are of VPN 1, 2 and 3 of VPN 2, 4 of VPN 3. VPN 3 imports both, nobody imports VPN 3.
    let of = [1, 1, 2, 2, 3];
    for one_two in [false, true] {
        for two_one in [false, true] {
            let mut imports = vec![(3, 1), (3, 2)];
            imports.extend(one_two.then_some((1, 2)));
            imports.extend(two_one.then_some((2, 1)));
            let mut world = extranet(&of, &imports);
            let group = A::ssm(1);
            for from in 0..of.len() {
                for to in (0..of.len()).filter(|to| *to != from) {
                    world.member((to, VRF), Some(A::host(from, 1)), group, true);
                }
            }
            world.run_for(SECOND * 3);
            for (from, vpn) in of.iter().enumerate() {
                let number = world.send((from, VRF), A::host(from, 1), group);
                world.run_for(SECOND);
                let may = |to: &usize| of[*to] == *vpn || imports.contains(&(of[*to], *vpn));
                let expected: BTreeMap<_, _> =
                    (0..of.len()).filter(|to| *to != from && may(to)).map(|to| ((to, VRF), 1)).collect();
                assert_eq!(world.copies(A::host(from, 1), group, number), expected, "{imports:?} from PE {from}");
            }
        }
    }
}

/// The global table of an IPv4 and of an IPv6 Internet beside a VPN with the same addresses (RFC 7716): RD 0 at every PE, the same procedures,
/// nothing of one reaches the other.
#[test]
fn the_global_table_is_one_more() {
    for kinds in super::ssm::KINDS {
        let mut world: World<A> = World::new(Provider::V4.routers(4), 3, |_, _| {});
        let global = VrfId::GLOBAL;
        for pe in 0..4 {
            let mut config = MvrfConfig::global(RouteTarget::two_octet_as(65001, 9), pmsi(global));
            (config.inclusive, config.selective) = kinds;
            if kinds.0.is_none() {
                use mvpn::pim::wire::AddressFamily::{V4, V6};
                config.s_pmsi.fixed = [V4, V6].map(mvpn::mvrf::SFlow::all).to_vec();
            }
            let rd = config.rd;
            assert_eq!(rd, RouteDistinguisher::ZERO);
            world.add_site(pe, config, false);
            world.add_site(pe, mvrf(pe, Some(TunnelKind::MldpP2mp), TunnelKind::MldpP2mp), false);
        }
        world.run_for(SECOND * 2);
        let (source, group) = (A::host(0, 1), A::ssm(1));
        for pe in [1, 2] {
            world.member((pe, global), Some(source), group, true);
        }
        world.member((3, VRF), Some(source), group, true);
        world.run_for(SECOND * 5);
        for (from, to) in [(global, vec![(1, global), (2, global)]), (VRF, vec![(3, VRF)])] {
            let number = world.send((0, from), source, group);
            world.run_for(SECOND);
            let expected: BTreeMap<_, _> = to.into_iter().map(|place| (place, 1)).collect();
            assert_eq!(world.copies(source, group, number), expected, "{kinds:?}");
        }
        let of_global = |route: &mvpn::mvrf::McastRoute| match route.kind {
            McastKind::SourceTreeJoin(join) => join.rd == RouteDistinguisher::ZERO,
            _ => false,
        };
        let joins: Vec<_> = world.pes[1].mvpn.originated().filter(|(route, _)| of_global(route)).collect();
        assert_eq!(joins.len(), 1);
        // RFC 7716 §2.5: the route target of the upstream PE alone, with 0 for its table.
        assert_eq!(joins[0].1.targets, vec![Target::router(world.routers[0])]);
    }
}

/// A stream that three VPNs share, and a VRF that is in all three: one copy on its link, whoever there has joined it.
///
/// Shows: MVPN-EXT-11
#[test]
fn one_copy_on_a_link_that_three_vpns_share() {
    let mut world: World<A> = World::new(Provider::V4.routers(3), 5, |_, _| {});
    let all = vec![target(1), target(2), target(3)];
    for pe in 0..3 {
        let mut config = mvrf(pe, Some(TunnelKind::MldpP2mp), TunnelKind::MldpP2mp);
        (config.import, config.export) = match pe {
            0 => (vec![target(1)], all.clone()),
            1 => (all.clone(), vec![target(4)]),
            // A VPN with a stream of its own in the same group.
            _ => (vec![target(2)], vec![target(2)]),
        };
        world.add_site(pe, config, false);
    }
    world.run_for(SECOND * 2);
    let group = A::ssm(1);
    for from in [0, 2] {
        world.member((1, VRF), Some(A::host(from, 1)), group, true);
        world.member((1, VRF), Some(A::host(from, 1)), group, true);
    }
    world.run_for(SECOND * 3);
    for from in [0, 2] {
        for _ in 0..10 {
            let number = world.send((from, VRF), A::host(from, 1), group);
            world.run_for(SECOND);
            let copies = world.copies(A::host(from, 1), group, number);
            assert_eq!(copies.get(&(1, VRF)), Some(&1), "from PE {from}");
        }
    }
}

/// One host route is imported: its source can be joined, its neighbour cannot.
///
/// Shows: MVPN-EXT-9
#[test]
fn only_the_source_that_is_imported_can_be_joined() {
    let mut world: World<A> = World::new(Provider::V4.routers(2), 1, |_, _| {});
    let host = |n: u8| Ipv4Addr::new(10, 77, 0, n);
    for pe in 0..2 {
        let mut config = mvrf(pe, Some(TunnelKind::MldpP2mp), TunnelKind::MldpP2mp);
        if pe == 1 {
            config.export = vec![target(2)];
            config.import = vec![target(2), target(1)];
        }
        world.add_site(pe, config, false);
    }
    world.set_prefix(0, VRF, "10.77.0.1/32".parse().unwrap(), true);
    world.run_for(SECOND);
    for n in [1, 2] {
        world.member((1, VRF), Some(host(n)), A::ssm(1), true);
    }
    world.run_for(SECOND * 2);
    for (n, copies) in [(1, 1), (2, 0)] {
        let number = world.send((0, VRF), host(n), A::ssm(1));
        world.run_for(SECOND);
        assert_eq!(world.copies(host(n), A::ssm(1), number).len(), copies, "host {n}");
    }
}

/// The same source and group in five VPNs on the same PEs: nothing leaks.
#[test]
fn equal_addresses_in_several_vpns_do_not_meet() {
    for kinds in super::ssm::KINDS {
        let mut world: World<A> = World::new(Provider::V4.routers(3), 1, |_, _| {});
        for pe in 0..3 {
            for vpn in 1..=5_u16 {
                let rd = RouteDistinguisher::two_octet_as(65001, u32::from(vpn) * 100 + pe as u32);
                let rt = RouteTarget::two_octet_as(65001, u32::from(vpn));
                let mut config = MvrfConfig::new(VrfId(vpn), rd, rt, pmsi(VrfId(vpn)));
                (config.inclusive, config.selective) = kinds;
                config.s_pmsi.always = vec!["232.0.0.0/8".parse().unwrap()];
                world.add_site(pe, config, false);
            }
        }
        world.run_for(SECOND * 2);
        let (source, group) = (A::host(0, 1), A::ssm(1));
        // VPN n has receivers at PE 1 if n is odd, at PE 2 if n is above 2.
        let receivers = |vpn: u16| {
            let pes = [(1, vpn % 2 == 1), (2, vpn > 2)].into_iter().filter(|(_, has)| *has);
            pes.map(|(pe, _)| (pe, VrfId(vpn))).collect::<Vec<_>>()
        };
        for vpn in 1..=5 {
            for place in receivers(vpn) {
                world.member(place, Some(source), group, true);
            }
        }
        world.run_for(SECOND * 10);
        for vpn in 1..=5 {
            let number = world.send((0, VrfId(vpn)), source, group);
            world.run_for(SECOND);
            let expected: BTreeMap<_, _> = receivers(vpn).into_iter().map(|place| (place, 1)).collect();
            assert_eq!(world.copies(source, group, number), expected, "VPN {vpn} {kinds:?}");
        }
    }
}

/// The reference scenario: one source PE, twenty receiver PEs, and no more said of the VRF than unicast needs and one call.
///
/// Shows: MVPN-GEN-1, MVPN-GEN-3, MVPN-OAM-1, MVPN-SCAL-10
#[test]
fn defaults_serve_twenty_receivers() {
    let mut world: World<A> = World::new(Provider::V6.routers(21), 1, |_, _| {});
    for pe in 0..21 {
        let rd = RouteDistinguisher::two_octet_as(65001, 100 + pe as u32);
        world.add_site(pe, MvrfConfig::new(VRF, rd, "65001:1".parse().unwrap(), pmsi(VRF)), false);
    }
    world.run_for(SECOND * 10);
    let types: BTreeSet<Vec<Target>> =
        world.pes.iter().flat_map(|pe| pe.mvpn.originated()).map(|(_, a)| a.targets.clone()).collect();
    assert_eq!(types, BTreeSet::from([vec![target(1)]]));
    let (source, group) = (A::host(0, 1), A::ssm(1));
    let joins = world.joins;
    world.member((1, VRF), Some(source), group, true);
    world.run_for(SECOND * 2);
    let messages = world.messages.clone();
    for pe in 2..21 {
        world.member((pe, VRF), Some(source), group, true);
    }
    world.run_for(SECOND * 2);
    // The first receiver's route is the best: the others change nothing beyond the reflector, and no tunnel.
    assert_eq!((&world.messages, world.joins), (&messages, joins));
    let number = world.send((0, VRF), source, group);
    world.run_for(SECOND);
    let all: BTreeMap<_, _> = (1..21).map(|pe| ((pe, VRF), 1)).collect();
    assert_eq!(world.copies(source, group, number), all);
}

/// PEs of two ASes with tunnels from PE to PE: C-multicast routes name the upstream PE in the Source AS field (RFC 6514 §11.1.3).
#[test]
fn two_ases_without_segments() {
    let mut world: World<A> = World::new(Provider::V4.routers(4), 1, |pe, c| c.asn = 65001 + pe as u32 / 2);
    for pe in 0..4 {
        let mut config = mvrf(pe, Some(TunnelKind::MldpP2mp), TunnelKind::MldpP2mp);
        config.inter_as = InterAs::NonSegmented;
        world.add_site(pe, config, false);
    }
    world.run_for(SECOND * 2);
    let i_pmsi = world.pes[0].mvpn.originated().next().unwrap();
    assert!(!i_pmsi.1.no_export, "other ASes need it");
    let (source, group) = (A::host(0, 1), A::ssm(1));
    for pe in [1, 2, 3] {
        world.member((pe, VRF), Some(source), group, true);
    }
    world.run_for(SECOND * 2);
    let source_as = |pe: usize| {
        world.pes[pe].mvpn.originated().find_map(|(route, _)| match route.kind {
            McastKind::SourceTreeJoin(join) => Some(join.source_as),
            _ => None,
        })
    };
    let upstream = u32::from_be_bytes([192, 0, 2, 1]);
    assert_eq!([1, 2, 3].map(source_as), [Some(65001), Some(upstream), Some(upstream)]);
    let number = world.send((0, VRF), source, group);
    world.run_for(SECOND);
    assert_eq!(world.copies(source, group, number).len(), 3);
}

/// Who got a packet, and how often.
type Copies = BTreeMap<(usize, VrfId), u32>;

/// A script of receivers, with joins by BGP or by PIM between the PEs: what arrived, and how many messages of BGP and of PIM it took.
fn script(provider: Provider, protocol: CMulticastProtocol) -> (Vec<Copies>, u64, u64) {
    let mut world: World<A> = World::new(provider.routers(5), 1, |_, _| {});
    for pe in 0..5 {
        let mut config = mvrf(pe, Some(TunnelKind::MldpP2mp), TunnelKind::MldpP2mp);
        config.protocol = protocol;
        world.add_site(pe, config, pe == 4);
    }
    world.run_for(SECOND * 40);
    let routes: u64 = world.messages.iter().sum();
    let (source, ssm, asm) = (A::host(0, 1), A::ssm(1), A::asm(1));
    let mut got = Vec::new();
    for (pe, joined) in [(1, true), (2, true), (3, true), (2, false), (1, false), (2, true)] {
        world.member((pe, VRF), Some(source), ssm, joined);
        world.run_for(SECOND * 20);
        let number = world.send((0, VRF), source, ssm);
        world.run_for(SECOND);
        got.push(world.copies(source, ssm, number));
    }
    // The shared tree, from a source in the RP's own site.
    let near = A::host(4, 1);
    for pe in [1, 3] {
        world.member((pe, VRF), None, asm, true);
    }
    world.run_for(SECOND * 20);
    for _ in 0..20 {
        world.send((4, VRF), near, asm);
        world.run_for(SECOND);
    }
    let number = world.send((4, VRF), near, asm);
    world.run_for(SECOND);
    got.push(world.copies(near, asm, number));
    (got, world.messages.iter().sum::<u64>() - routes, world.pim_messages)
}

/// The same packets arrive, once each, whichever carries the joins.
///
/// Shows: MVPN-CORE-3
#[test]
fn joins_by_bgp_and_by_pim_deliver_the_same() {
    for provider in Provider::BOTH {
        let (by_bgp, routes, no_pim) = script(provider, CMulticastProtocol::Bgp);
        let (by_pim, no_routes, messages) = script(provider, CMulticastProtocol::Pim);
        let expected: [&[usize]; 7] = [&[1], &[1, 2], &[1, 2, 3], &[1, 3], &[3], &[2, 3], &[1, 3]];
        let expected = expected.map(|pes| pes.iter().map(|pe| ((*pe, VRF), 1)).collect::<BTreeMap<_, _>>());
        assert_eq!(by_bgp, expected);
        assert_eq!(by_pim, expected);
        println!("{provider:?}: {routes} BGP messages for joins by BGP; {messages} PIM messages between PEs by PIM");
        assert!(routes > 0 && no_pim == 0 && no_routes == 0 && messages > 0);
    }
}

/// A site that only receives sends nothing into the VPN, and its routes lead nobody to it; one that only sends has its joins ignored.
///
/// Shows: MVPN-SEC-5
#[test]
fn sites_that_only_send_or_only_receive() {
    let mut world: World<A> = World::new(Provider::V4.routers(3), 1, |_, _| {});
    for pe in 0..3 {
        let mut config = mvrf(pe, Some(TunnelKind::MldpP2mp), TunnelKind::MldpP2mp);
        config.sites.senders = pe != 1;
        config.sites.receivers = pe != 0;
        world.add_site(pe, config, false);
    }
    world.run_for(SECOND);
    assert_eq!(world.pes[1].mvpn.route_import(VRF), None);
    for (pe, from) in [(0, 2), (1, 0), (2, 0), (2, 1)] {
        world.member((pe, VRF), Some(A::host(from, 1)), A::ssm(1), true);
    }
    world.run_for(SECOND * 3);
    let mut got = Vec::new();
    for from in 0..3 {
        let before = world.crossed;
        let number = world.send((from, VRF), A::host(from, 1), A::ssm(1));
        world.run_for(SECOND);
        let pes: Vec<usize> = world.copies(A::host(from, 1), A::ssm(1), number).into_keys().map(|(pe, _)| pe).collect();
        got.push((pes, world.crossed > before));
    }
    assert_eq!(got, [(vec![1, 2], true), (vec![], false), (vec![], false)]);
}

/// Three of ten PEs have multicast on: the others keep nothing of it.
///
/// Shows: MVPN-ISEC-4
#[test]
fn pes_without_multicast_keep_nothing_of_it() {
    let mut world: World<A> = World::new(Provider::V4.routers(10), 1, |_, _| {});
    for pe in 0..3 {
        world.add_site(pe, mvrf(pe, Some(TunnelKind::IngressReplication), TunnelKind::MldpP2mp), false);
    }
    world.run_for(SECOND);
    world.member((1, VRF), Some(A::host(0, 1)), A::ssm(1), true);
    world.run_for(SECOND * 5);
    let number = world.send((0, VRF), A::host(0, 1), A::ssm(1));
    world.run_for(SECOND);
    assert_eq!(world.copies(A::host(0, 1), A::ssm(1), number).len(), 1);
    for pe in &world.pes[3..] {
        assert_eq!((pe.mvpn.numbers_in_use(), pe.ops, pe.mvpn.originated().count()), ([0; 4], 0, 0));
    }
}
