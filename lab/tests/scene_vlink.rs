//! The scene of virtual links, and more packets by what it is made of.

use std::time::Duration;

use fwd_core::DropReason;
use fwd_core::net::VrfId;
use ipsec_vlink::arch::Architecture;
use ipsec_vlink::sad::Reject;
use ipsec_vlink::vlink::{LinkConfig, LinkId, LinkState, PeerId, Security};
use lab::run::Report;
use lab::run::scene::vlink::world::{Outcome, Size, World, ends, packet};
use lab::run::scene::vlink::{exchange, join, reads_payload, run, vpn};

/// Shows: L3VPN-SOL-3, VLINK-6.6-P1
#[test]
fn the_scene_is_as_expected() {
    let mut report = Report::default();
    run(1, &mut report).unwrap();
    assert!(report.is_good(), "{}", report.print());
    assert!(report.checks.len() >= 14);
}

/// Two routers with `n` links, of VRF 1 and 2 in turns, as this architecture makes them.
fn many(n: u32, architecture: Architecture) -> (World, Vec<[LinkId; 2]>) {
    let mut world = World::new(2, Size { links: n as usize }, 7);
    let peers = world.peer(0, 1, |_, _| {});
    let mut links = Vec::new();
    for index in 0..n {
        let vrf = 1 + (index & 1) as u16;
        let base = LinkConfig { index, ..LinkConfig::new(PeerId(0), vpn(vrf), VrfId(vrf), architecture) };
        let own_ends = |end: usize, cfg: &mut LinkConfig| {
            if architecture == Architecture::DistinctIpip {
                cfg.ends = Some(ends(end, 1 - end, 10 + (index >> 8) as u8, index as u8));
            }
        };
        links.push(world.link([0, 1], peers, own_ends, &base).unwrap());
    }
    world.run(Duration::from_secs(60));
    (world, links)
}

/// A thousand links between the same two routers, and the same inner addresses on both VRFs: the egress knows each packet's VRF
/// by what the architecture has for it.
///
/// Shows: VLINK-6.1-A, VLINK-6.2-A, VLINK-6.2-C3, VLINK-6.3-A, VLINK-6.5-A, VLINK-5.2-1
#[test]
fn a_thousand_links_of_each_architecture() {
    for architecture in Architecture::ALL {
        let n = if architecture == Architecture::DistinctIpip { 100 } else { 1000 };
        let (mut world, links) = many(n, architecture);
        assert_eq!(world.routers[0].up.len(), n as usize, "{architecture:?}");
        for (index, ids) in links.iter().enumerate() {
            let vrf = 1 + (index & 1) as u16;
            // The route moves from link to link, and the packet with it: no policy is touched.
            world.route(0, vrf, 1, ids[0]);
            match world.send(0, vrf, 1, 100) {
                Outcome::Delivered { router: 1, iface, .. } => assert_eq!(iface, u32::from(vrf), "{architecture:?}"),
                other => panic!("{architecture:?} link {index}: {other:?}"),
            }
        }
    }
}

/// Without the number of its association a packet of a shared tunnel has no context.
///
/// Shows: VLINK-3-2
#[test]
fn a_shared_tunnel_needs_the_association() {
    let mut world = World::new(2, Size { links: 4 }, 1);
    let peers = world.peer(0, 1, |_, _| {});
    join(&mut world, [0, 1], peers, Architecture::SharedIpip, Security::Esp).unwrap();
    world.wire = Some(Vec::new());
    assert_eq!(exchange(&mut world, [0, 1], 3), (12, 0));
    let wire = world.wire.take().unwrap();
    assert!(!reads_payload(&wire));
    let first = wire.iter().find(|frame| frame[5] == 2).unwrap()[14..].to_vec();
    assert_eq!(world.inject(1, &first), Outcome::Rejected(1, Reject::Replayed));
    // The same in clear: IP in IP between the same addresses.
    let inner = packet(1, 100);
    let mut clear = first[..20].to_vec();
    clear[9] = 4;
    let len = 20 + inner.len() as u16;
    clear[2..4].copy_from_slice(&len.to_be_bytes());
    fwd_core::wire::Ipv4(clear.first_chunk_mut::<20>().unwrap()).fill_checksum();
    clear.extend(inner);
    assert_eq!(world.inject(1, &clear), Outcome::Dropped(1, DropReason::NoVlink));
}

/// Of two VPNs one is protected, the other is not, between the same two routers: two pairs of addresses (ruling G-30).
///
/// Shows: L3VPN-REF-10
#[test]
fn protection_is_by_vpn() {
    for architecture in [Architecture::Gre, Architecture::Mpls, Architecture::L2tp, Architecture::DistinctIpip] {
        let mut world = World::new(2, Size { links: 4 }, 1);
        // One L2TP peer goes between the clear addresses; what is protected of it is the other architectures' here.
        if architecture == Architecture::L2tp {
            continue;
        }
        let peers = world.peer(0, 1, |_, _| {});
        let mut ids = Vec::new();
        for (vrf, security) in [(1, Security::Esp), (2, Security::Clear)] {
            let base = LinkConfig { security, ..LinkConfig::new(PeerId(0), vpn(vrf), VrfId(vrf), architecture) };
            let own_ends = |end: usize, cfg: &mut LinkConfig| {
                if architecture == Architecture::DistinctIpip {
                    cfg.ends = Some(ends(end, 1 - end, 3, vrf as u8));
                }
            };
            ids.push(world.link([0, 1], peers, own_ends, &base).unwrap());
        }
        world.run(Duration::from_secs(3));
        for (vrf, shown) in [(1, false), (2, true)] {
            world.route(0, vrf, 1, ids[usize::from(vrf) - 1][0]);
            world.wire = Some(Vec::new());
            assert!(matches!(world.send(0, vrf, 1, 200), Outcome::Delivered { router: 1, .. }), "{architecture:?}");
            assert_eq!(reads_payload(&world.wire.take().unwrap()), shown, "{architecture:?} VRF {vrf}");
        }
    }
}

/// Keys change below a link that goes on: no packet is lost, and the old association takes none any more.
#[test]
fn keys_change_under_traffic() {
    let mut world = World::new(2, Size { links: 4 }, 1);
    let peers = world.peer(0, 1, |_, _| {});
    let links = join(&mut world, [0, 1], peers, Architecture::Gre, Security::Esp).unwrap();
    world.wire = Some(Vec::new());
    assert_eq!(exchange(&mut world, [0, 1], 5), (20, 0));
    let old = world.wire.take().unwrap();
    let sas = [0, 1].map(|end| world.routers[end].links.sa(links[0][end]).unwrap());
    world.rekey([0, 1], sas);
    assert_eq!(exchange(&mut world, [0, 1], 50), (200, 0));
    assert_eq!(world.routers[0].sad.len(), 1);
    let packet = old.iter().find(|frame| frame[5] == 2).unwrap()[14..].to_vec();
    assert_eq!(world.inject(1, &packet), Outcome::Rejected(1, Reject::UnknownSpi));
}

/// The peer goes silent: an L2TP link falls by Hello, and comes back by itself.
#[test]
fn l2tp_finds_that_the_peer_is_gone() {
    let mut world = World::new(2, Size { links: 4 }, 1);
    let peers = world.peer(0, 1, |_, _| {});
    let links = join(&mut world, [0, 1], peers, Architecture::L2tp, Security::Clear).unwrap();
    let state = |world: &World| world.routers[0].links.status(world.now, links[0][0]).unwrap().state;
    assert_eq!(state(&world), LinkState::Up);
    world.is_cut = true;
    world.run(Duration::from_secs(200));
    assert_eq!(state(&world), LinkState::Down);
    assert!(world.routers[0].up.is_empty());
    world.is_cut = false;
    world.run(Duration::from_secs(200));
    assert_eq!(state(&world), LinkState::Up);
    for vrf in 1..=2_u16 {
        for end in 0..2 {
            world.route(end, vrf, 1 - end as u8, links[usize::from(vrf) - 1][end]);
        }
    }
    assert_eq!(exchange(&mut world, [0, 1], 5), (20, 0));
}
