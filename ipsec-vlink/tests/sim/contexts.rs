//! Many contexts between two systems: what tells them apart, and what that takes.

use std::collections::BTreeSet;

use fwd_core::DropReason;
use fwd_core::wire::l2tpv3::Cookie;
use ipsec_vlink::arch::Architecture;
use ipsec_vlink::vlink::Security;

use crate::router::Fate;
use crate::world::{World, own_ends, packet, reads_payload};

/// The outer IP header's addresses and protocol of a frame, and the four octets behind it.
fn outer(frame: &[u8]) -> ([u8; 9], u32) {
    let mut ends = [0; 9];
    ends[..8].copy_from_slice(&frame[26..34]);
    ends[8] = frame[23];
    (ends, u32::from_be_bytes(frame[34..38].try_into().unwrap()))
}

/// A world of two routers with so many links.
fn joined(n: u16, architecture: Architecture, security: Security) -> World {
    let mut world = World::new(2, n, usize::from(n) + 2);
    let peers = world.peer(0, 1);
    world.join([0, 1], peers, n, architecture, security);
    world
}

/// Each virtual router reaches its own counterpart, both ways.
fn all_reach(world: &mut World, n: u16) {
    for vrf in 1..=n {
        assert!(world.reaches(0, 1, vrf) && world.reaches(1, 0, vrf), "VRF {vrf}");
    }
}

/// A thousand contexts on one IKE SA: the packets are the same but for the SPI, and that alone leads to the virtual router.
///
/// Shows: VLINK-6.1-A
#[test]
fn the_spi_alone_says_the_context() {
    const N: u16 = 1000;
    let mut world = joined(N, Architecture::TunnelSa, Security::Esp);
    for router in &world.routers {
        assert_eq!((router.ike.sizes().0, router.ike.children(), router.sad.len()), (1, 1000, 1000));
        // The VPN-ID was said when each was made, and nothing narrower than everything was agreed.
        let said: BTreeSet<_> = router.installed.values().map(|child| child.context.clone()).collect();
        assert!(said.len() == 1000 && !said.contains(&None));
        let first = router.installed.values().next().unwrap();
        let same = |c: &ipsec_vlink::ike::ChildSa| c.local_selectors == first.local_selectors && c.mode == first.mode;
        assert!(router.installed.values().all(same));
    }
    world.wire = Some(Vec::new());
    for vrf in 1..=N {
        assert!(world.reaches(0, 1, vrf), "VRF {vrf}");
    }
    let wire = world.wire.take().unwrap();
    let ends: BTreeSet<_> = wire.iter().map(|frame| outer(frame).0).collect();
    let spis: BTreeSet<_> = wire.iter().map(|frame| outer(frame).1).collect();
    assert_eq!((ends.len(), spis.len(), ends.first().unwrap()[8]), (1, 1000, 50));
    for vrf in 1..=N {
        assert!(world.reaches(1, 0, vrf), "VRF {vrf}");
    }
}

/// A thousand contexts share one IP-in-IP tunnel. Without what ESP says of a packet, nobody knows its context.
///
/// Shows: VLINK-6.2-A
#[test]
fn what_came_through_an_association_goes_with_the_packet() {
    const N: u16 = 1000;
    let mut world = joined(N, Architecture::SharedIpip, Security::Esp);
    for router in &world.routers {
        assert_eq!((router.ike.sizes().0, router.sad.len(), router.links.local_addresses()), (1, 1000, 1));
    }
    all_reach(&mut world, N);
    world.routers[1].tells_association = false;
    for vrf in [1, 500, 1000] {
        assert_eq!(world.send(0, vrf, &packet(0, 1)), (1, Fate::Dropped(DropReason::NoVlink)));
    }
    world.routers[1].tells_association = true;
    all_reach(&mut world, 3);
}

/// A hundred contexts, a hundred addresses of ours and as many of the peer's, and as many IKE SAs: the address that a packet
/// comes to says the virtual router, protected and in clear, and IKE says nothing of contexts.
///
/// Shows: VLINK-6.3-A, VLINK-5.3-7
#[test]
fn the_address_says_the_context() {
    const N: u16 = 100;
    for security in [Security::Esp, Security::Clear] {
        let mut world = joined(N, Architecture::DistinctIpip, security);
        let sas = if security == Security::Esp { 100 } else { 0 };
        for router in &world.routers {
            assert_eq!((router.ike.sizes().0, router.sad.len(), router.links.local_addresses()), (sas, sas, 100));
            assert!(router.installed.values().all(|child| child.context.is_none()));
        }
        all_reach(&mut world, N);
        if security == Security::Clear {
            // The packet of one, sent to the address of another, is the other's.
            let Fate::Core(mut frame) = world.leave(0, 7, &packet(0, 1)) else { panic!("sent") };
            let address = |n: u32, end: usize| {
                let fwd_core::op::Ends::V4 { local, .. } = own_ends(end, 1 - end, n) else { unreachable!() };
                local.octets()
            };
            frame[26..30].copy_from_slice(&address(9, 0));
            frame[30..34].copy_from_slice(&address(9, 1));
            let header = frame[14..].first_chunk_mut::<20>().unwrap();
            fwd_core::wire::Ipv4(header).fill_checksum();
            assert!(matches!(world.arrive(frame), (1, Fate::Site { vrf: 9, .. })));
        }
    }
}

/// A thousand labels, one association. A label that nobody gave out leads nowhere.
///
/// Shows: VLINK-6.5-A
#[test]
fn the_label_says_the_context() {
    const N: u16 = 1000;
    let mut world = joined(N, Architecture::Mpls, Security::Esp);
    for router in &world.routers {
        assert_eq!((router.ike.sizes().0, router.ike.children(), router.sad.len()), (1, 1, 1));
    }
    all_reach(&mut world, N);
    let mut clear = joined(2, Architecture::Mpls, Security::Clear);
    let Fate::Core(mut frame) = clear.leave(0, 1, &packet(0, 1)) else { panic!("sent") };
    frame[34] ^= 0x40;
    assert_eq!(clear.arrive(frame), (1, Fate::Dropped(DropReason::UnknownLabel)));
}

/// GRE and MPLS in IP without IPsec: links come up, no message of IKE is sent, packets go in clear, and who sends from another
/// address is not heard (RFC 4023 §8.2).
///
/// Shows: VLINK-6.4-P1, VLINK-6.5-P1
#[test]
fn tunnels_go_without_ipsec() {
    for architecture in [Architecture::Gre, Architecture::Mpls] {
        let mut world = joined(10, architecture, Security::Clear);
        world.wire = Some(Vec::new());
        all_reach(&mut world, 10);
        let wire = world.wire.take().unwrap();
        assert!(wire.iter().all(|frame| frame[23] == architecture.protocol().0 && reads_payload(frame)));
        for router in &world.routers {
            assert_eq!((router.ike_sent, router.sad.len(), router.up.len()), (0, 0, 10));
        }
        let Fate::Core(mut frame) = world.leave(0, 1, &packet(0, 1)) else { panic!("sent") };
        frame[29] ^= 1;
        fwd_core::wire::Ipv4(frame[14..].first_chunk_mut::<20>().unwrap()).fill_checksum();
        assert_eq!(world.arrive(frame), (1, Fate::Dropped(DropReason::NoVlink)), "from a spoofed address");
    }
}

/// L2TPv3 without IPsec: who knows the session and guesses its cookie of 64 bits gets nothing through.
///
/// Shows: VLINK-6.6-P1
#[test]
fn a_cookie_is_not_guessed() {
    let mut world = joined(2, Architecture::L2tp, Security::Clear);
    all_reach(&mut world, 2);
    assert!(world.routers.iter().all(|router| router.ike_sent == 0));
    let Fate::Core(frame) = world.leave(0, 1, &packet(0, 1)) else { panic!("sent") };
    assert_eq!((frame[23], Cookie::new(&frame[38..46]).is_some()), (115, true));
    let mut random = 5_u64;
    for _ in 0..1_000_000 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mut forged = frame.clone();
        forged[38..46].copy_from_slice(&(random ^ random >> 29).to_be_bytes());
        if forged != frame {
            assert_eq!(world.arrive(forged), (1, Fate::Dropped(DropReason::VlinkCookie)));
        }
    }
    all_reach(&mut world, 2);
}
