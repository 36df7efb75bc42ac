//! With mLDP through a P router: one copy on a link, a move without a loss.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use bgp_vpn::attr::RouteTarget;
use bgp_vpn::nlri::RouteDistinguisher;
use fwd_core::net::VrfId;
use mvpn::mvrf::{Input, MvpnEvent, MvrfConfig, Threshold, TunnelKind};

use super::node::{SimAddress, pmsi};
use super::switch::stream;
use super::world::World;
use super::{Provider, VRF, mvrf};

type A = Ipv4Addr;

const SECOND: Duration = Duration::from_secs(1);
/// PEs 0 to 3, and the P router between them.
const P: usize = 4;

fn network(provider: Provider, inclusive: TunnelKind) -> World<A> {
    let mut world: World<A> = World::new(provider.routers(5), 17, |_, _| {});
    world.start_ldp(P);
    for pe in 0..4 {
        let mut config = mvrf(pe, Some(inclusive), TunnelKind::MldpP2mp);
        config.s_pmsi.threshold = Some(Threshold { up: 100_000, down: 50_000 });
        world.add_site(pe, config, false);
    }
    world.run_for(SECOND * 2);
    world
}

/// What a packet costs on the link of its PE into the core.
fn on_the_link(world: &mut World<A>, source: A, group: A) -> u64 {
    let before = world.sent_by[0];
    let number = world.send((0, VRF), source, group);
    world.run_for(SECOND);
    let expected = BTreeMap::from([1, 2, 3].map(|pe| ((pe, VRF), 1)));
    assert_eq!(world.copies(source, group, number), expected);
    world.sent_by[0] - before
}

/// A P2MP LSP takes one copy over the link to the P router, which makes three of it; ingress replication takes one for each leaf.
///
/// Shows: MVPN-OPT-1
#[test]
fn one_copy_on_a_link_by_a_tree() {
    let (source, group) = (A::host(0, 1), A::ssm(1));
    for provider in Provider::BOTH {
        let copies = [TunnelKind::MldpP2mp, TunnelKind::IngressReplication].map(|kind| {
            let mut world = network(provider, kind);
            for pe in 1..4 {
                world.member((pe, VRF), Some(source), group, true);
            }
            world.run_for(SECOND * 3);
            on_the_link(&mut world, source, group)
        });
        assert_eq!(copies, [1, 3]);
    }
}

/// A flow moves to an mLDP tree of its own and back, at a packet each millisecond; the P router keeps nothing of it after.
#[test]
fn a_flow_moves_through_the_core_without_a_loss() {
    let mut world = network(Provider::V4, TunnelKind::MldpP2mp);
    let (source, group) = (A::host(0, 1), A::ssm(1));
    for pe in [1, 2] {
        world.member((pe, VRF), Some(source), group, true);
    }
    world.run_for(SECOND * 3);
    let trees = |world: &World<A>| world.ldp.as_ref().unwrap().nodes[P].trees().count();
    let before = trees(&world);
    let rate = |world: &mut World<A>, octets_per_second| {
        let (source, group) = (source.into(), group.into());
        world.input(0, Input::Rate { vrf: VRF, source, group, octets_per_second });
    };
    rate(&mut world, 1_000_000);
    assert_eq!(stream(&mut world, source, group, &[1, 2], SECOND * 5), (0, 0));
    assert!(world.pes[0].mvpn.carried(VRF, source.into(), group.into()).unwrap().is_selective);
    assert_eq!(trees(&world), before + 1);
    world.run_for(SECOND * 60);
    rate(&mut world, 0);
    assert_eq!(stream(&mut world, source, group, &[1, 2], SECOND * 15), (0, 0));
    world.run_for(SECOND * 20);
    assert_eq!(trees(&world), before);
}

/// One branch of a P2MP LSP behind the P router shrinks, and another: what the tunnel carries, as its root tells and as its managed object would,
/// is the least over all leaves as soon as the news has crossed two links; it grows again with the branch. What is promised to customers is
/// held against it.
///
/// Shows: MVPN-TUN-10
#[test]
fn the_size_of_a_tunnel_is_that_of_its_smallest_branch() {
    for provider in Provider::BOTH {
        let mut world: World<A> = World::new(provider.routers(5), 17, |_, _| {});
        world.start_ldp(P);
        for pe in 0..4 {
            let mut config = mvrf(pe, Some(TunnelKind::MldpP2mp), TunnelKind::MldpP2mp);
            config.mtu = Some(1500);
            world.add_site(pe, config, false);
        }
        let (source, group) = (A::host(0, 1), A::ssm(1));
        world.member((2, VRF), Some(source), group, true);
        world.run_for(SECOND * 2);
        let mtu = |world: &World<A>| world.pes[0].mvpn.carried(VRF, source.into(), group.into()).unwrap().mtu;
        // Links of 1,600 octets, a label.
        assert_eq!(mtu(&world), Some(1596), "{provider:?}");
        let too_small = |world: &World<A>| {
            let said = world.pes[0].events.iter().filter_map(|e| match e {
                MvpnEvent::TooSmall { mtu, .. } => Some(*mtu),
                _ => None,
            });
            said.collect::<Vec<_>>()
        };
        for (leaf, link, expected) in [
            (2, 1560, 1556),
            (3, 1540, 1536),
            (2, 1400, 1396),
            (1, 1500, 1396),
            (2, 1600, 1496),
            (1, 1600, 1536),
            (3, 1600, 1596),
        ] {
            world.ldp_mtu(P, leaf, link);
            world.run_for(Duration::from_millis(20));
            assert_eq!(mtu(&world), Some(expected), "{provider:?}: the link to PE {leaf} takes {link}");
        }
        assert_eq!(too_small(&world), [1396, 1496], "{provider:?}");
    }
}

/// Three VPNs of four PEs with 102 flows, of the same addresses in each, by one P2MP LSP for each PE: upstream-assigned labels tell the VPNs
/// apart, and the same labels of other roots do not matter. The P router keeps four trees.
///
/// Shows: MVPN-SCAL-13
#[test]
fn three_vpns_share_the_tree_of_each_root() {
    let mut world: World<A> = World::new(Provider::V4.routers(5), 23, |_, _| {});
    world.start_ldp(P);
    for pe in 0..4 {
        for vpn in 1..=3_u16 {
            let rd = RouteDistinguisher::two_octet_as(65001, u32::from(vpn) * 100 + pe as u32);
            let rt = RouteTarget::two_octet_as(65001, u32::from(vpn));
            let mut config = MvrfConfig::new(VrfId(vpn), rd, rt, pmsi(VrfId(vpn)));
            config.aggregated = true;
            // VPN 3 has its flows on S-PMSIs of their own, in the same LSP.
            if vpn == 3 {
                config.s_pmsi.always = vec!["232.0.0.0/8".parse().unwrap()];
            }
            world.add_site(pe, config, false);
        }
    }
    world.run_for(SECOND * 2);
    let (source, group) = (A::host(0, 1), A::ssm);
    // VPN 1 at PE 1, VPN 2 at PE 2, VPN 3 at both; the same addresses from PE 3 too, for other receivers.
    let receivers = |vpn: u16| match vpn {
        1 => vec![1],
        2 => vec![2],
        _ => vec![1, 2],
    };
    for vpn in 1..=3 {
        for n in 0..34 {
            for pe in receivers(vpn) {
                world.member((pe, VrfId(vpn)), Some(source), group(n), true);
            }
            world.member((0, VrfId(vpn)), Some(A::host(3, 1)), group(n), true);
        }
    }
    world.run_for(SECOND * 10);
    assert_eq!(world.ldp.as_ref().unwrap().nodes[P].trees().count(), 4);
    assert!(world.pes.iter().take(4).all(|pe| pe.mvpn.root_tunnels() == 1));
    for vpn in 1..=3 {
        for n in 0..34 {
            let number = world.send((0, VrfId(vpn)), source, group(n));
            let other = world.send((3, VrfId(vpn)), A::host(3, 1), group(n));
            world.run_for(Duration::from_millis(50));
            let expected: BTreeMap<_, _> = receivers(vpn).into_iter().map(|pe| ((pe, VrfId(vpn)), 1)).collect();
            assert_eq!(world.copies(source, group(n), number), expected, "VPN {vpn} flow {n}");
            let back = BTreeMap::from([((0, VrfId(vpn)), 1)]);
            assert_eq!(world.copies(A::host(3, 1), group(n), other), back, "VPN {vpn} flow {n}");
        }
    }
    let labels = |pe: usize| {
        let of = world.pes[pe].mvpn.originated().filter_map(|(_, a)| a.pmsi.as_ref()?.label);
        of.collect::<std::collections::BTreeSet<_>>()
    };
    assert!(labels(0).intersection(&labels(3)).count() >= 3, "equal labels of two roots");
}
