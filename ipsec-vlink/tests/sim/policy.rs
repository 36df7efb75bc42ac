//! IPsec by choice: for each context and each peer, added later, and what arrives otherwise than the policy says.

use fwd_core::DropReason;
use fwd_core::net::VrfId;
use ipsec_vlink::arch::Architecture;
use ipsec_vlink::sad::Reject;
use ipsec_vlink::spd::Audit;
use ipsec_vlink::vlink::{ConfigError, Event, LinkConfig, Security};

use crate::router::Fate;
use crate::world::{World, packet, reads_payload, vpn};

/// What a packet of this policy looks like on the wire: its protocol, and whether it can be read.
fn form(architecture: Architecture, security: Security) -> (u8, bool) {
    match security {
        Security::Clear => (architecture.protocol().0, true),
        Security::Integrity => (50, true),
        Security::Esp | Security::Discard => (50, false),
    }
}

fn config(n: u16, architecture: Architecture, security: Security) -> LinkConfig {
    let peer = ipsec_vlink::vlink::PeerId(0);
    LinkConfig { security, ..LinkConfig::new(peer, vpn(n.into()), VrfId(n), architecture) }
}

/// Four contexts with three remotes, each pair with a policy of its own: each packet looks as its policy says.
///
/// Shows: VLINK-3-3
#[test]
fn each_context_and_remote_has_its_policy() {
    let mut random = 11_u64;
    for architecture in [Architecture::DistinctIpip, Architecture::Gre, Architecture::Mpls, Architecture::L2tp] {
        // Between one pair of addresses there is one kind of protection; a link with addresses of its own has its own.
        let all = [Security::Clear, Security::Esp, Security::Integrity];
        let choices = if architecture == Architecture::DistinctIpip { &all[..] } else { &all[..2] };
        let mut world = World::new(4, 4, 32);
        let mut cells = Vec::new();
        for remote in 1..4 {
            let peers = world.peer(0, remote);
            for vrf in 1..=4 {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let security = choices[(random >> 33) as usize % choices.len()];
                // What is said of keys is said of one link.
                let cfg = LinkConfig { index: remote as u32, ..config(vrf, architecture, security) };
                let links = world.link([0, remote], peers, &cfg).unwrap();
                cells.push((remote, vrf, security, links));
            }
        }
        let used: std::collections::HashSet<Security> = cells.iter().map(|cell| cell.2).collect();
        assert_eq!(used.len(), choices.len(), "the matrix has each policy");
        world.seconds(10);
        for (remote, vrf, security, links) in cells {
            world.route(0, vrf, remote, links[0]);
            world.route(remote, vrf, 0, links[1]);
            world.wire = Some(Vec::new());
            assert!(world.reaches(0, remote, vrf) && world.reaches(remote, 0, vrf), "{architecture:?} {security:?}");
            let wire = world.wire.take().unwrap();
            let seen: Vec<_> = wire.iter().map(|frame| (frame[23], reads_payload(frame))).collect();
            assert_eq!(seen, [form(architecture, security); 2], "{architecture:?} {security:?}");
        }
    }
}

/// Links come up in clear; IPsec is added to both ends, and taken away again. They stay up, and nothing that is to be protected
/// goes in clear meanwhile.
///
/// Shows: VLINK-5.1-2
#[test]
fn ipsec_is_added_without_a_restart() {
    for architecture in [Architecture::Gre, Architecture::Mpls, Architecture::L2tp] {
        let mut world = World::new(2, 2, 8);
        let peers = world.peer_with(0, 1, |_, cfg| (cfg.clear, cfg.l2tp_clear) = (None, None));
        let links = world.join([0, 1], peers, 2, architecture, Security::Clear);
        assert!(world.routers.iter().all(|router| router.ike_sent == 0));
        let before: Vec<_> = world.routers.iter().map(|router| router.events.len()).collect();
        for (from, to) in [(Security::Clear, Security::Esp), (Security::Esp, Security::Clear)] {
            let now = world.now;
            for (end, router) in world.routers.iter_mut().enumerate() {
                // The tunnel's other link goes with it.
                router.links.secure(now, links[0][end], to).unwrap();
            }
            world.collect();
            world.wire = Some(Vec::new());
            if to == Security::Esp {
                assert_eq!(world.send(0, 1, &packet(0, 1)), (0, Fate::Unprotected), "not without protection");
            }
            world.seconds(5);
            for vrf in [1, 2] {
                assert!(world.reaches(0, 1, vrf) && world.reaches(1, 0, vrf), "{architecture:?} {from:?} {to:?}");
            }
            let wire = world.wire.take().unwrap();
            let seen: Vec<_> =
                wire.iter().map(|frame| (frame[23], reads_payload(frame))).filter(|f| f.1 || f.0 == 50).collect();
            assert!(seen.iter().filter(|f| **f == form(architecture, to)).count() >= 4);
            assert!(to == Security::Clear || !seen.iter().any(|f| f.1), "nothing can be read");
        }
        for (end, router) in world.routers.iter().enumerate() {
            let down = |(_, event): &&(_, Event)| matches!(event, Event::LinkDown { .. });
            assert_eq!(router.events[before[end]..].iter().filter(down).count(), 0, "{architecture:?}");
            for link in &links {
                assert_eq!(router.links.status(world.now, link[end]).unwrap().transitions, 1);
            }
            assert_eq!(router.sad.len(), 0, "it was given back");
        }
    }
    // Where the association is the link, there is none without it.
    let mut world = World::new(2, 1, 4);
    let peers = world.peer(0, 1);
    let links = world.join([0, 1], peers, 1, Architecture::TunnelSa, Security::Esp);
    let refused = world.routers[0].links.secure(world.now, links[0][0], Security::Clear);
    assert_eq!(refused, Err(ConfigError::RequiresIpsec));
}

/// A tunnel whose policy is changed to protect, and whose peer does not take part, goes down.
#[test]
fn what_cannot_be_protected_goes_down() {
    let mut world = World::new(2, 1, 4);
    let peers = world.peer_with(0, 1, |_, cfg| cfg.clear = None);
    let links = world.join([0, 1], peers, 1, Architecture::Gre, Security::Clear);
    world.routers[0].links.secure(world.now, links[0][0], Security::Esp).unwrap();
    world.seconds(60);
    assert_eq!(world.send(0, 1, &packet(0, 1)), (0, Fate::Unprotected));
    world.seconds(120);
    assert!(!world.routers[0].links.state(links[0][0]).carries());
}

/// Protected and clear contexts between the same two PEs, by two pairs of addresses: what belongs to the protected one is not
/// taken in clear, whether it comes to its own addresses or by the other tunnel; packet by packet, and L2TP's own messages, too
/// (RFC 3193 §3.3).
///
/// Shows: VLINK-6.6-C2, VLINK-6.4-C4, VLINK-6.5-C3, L3VPN-REF-10
#[test]
fn a_protected_context_is_not_reached_in_clear() {
    for architecture in [Architecture::Gre, Architecture::Mpls, Architecture::L2tp] {
        let mut world = World::new(2, 2, 8);
        let peers = world.peer(0, 1);
        let protected = world.link([0, 1], peers, &config(1, architecture, Security::Esp)).unwrap();
        let clear = world.link([0, 1], peers, &config(2, architecture, Security::Clear)).unwrap();
        world.seconds(5);
        world.route(0, 1, 1, protected[0]);
        world.route(0, 2, 1, clear[0]);
        assert!(world.reaches(0, 1, 1) && world.reaches(0, 1, 2));
        let Fate::Core(sample) = world.leave(0, 2, &packet(0, 1)) else { panic!("sent") };
        let to_pair = |subnet: u8, frame: &[u8]| {
            let mut frame = frame.to_vec();
            (frame[28], frame[32]) = (subnet, subnet);
            fwd_core::wire::Ipv4(frame[14..].first_chunk_mut::<20>().unwrap()).fill_checksum();
            frame
        };
        // The key, label or session of the protected context, which an attacker has somehow learnt.
        let stolen = match architecture {
            Architecture::L2tp => {
                let up = world.routers[1].session_of(protected[1]).unwrap();
                [&up.local_id.to_be_bytes()[..], up.local_cookie.as_slice()].concat()
            }
            _ => world.routers[1].links.local_key(protected[1]).unwrap().to_be_bytes().to_vec(),
        };
        let mut forged = sample.clone();
        match architecture {
            Architecture::Gre => forged[38..42].copy_from_slice(&stolen),
            Architecture::Mpls => {
                let label = u32::from_be_bytes(stolen.try_into().unwrap());
                let entry = label << 12 | 0x140;
                forged[34..38].copy_from_slice(&entry.to_be_bytes());
            }
            _ => forged[34..46].copy_from_slice(&stolen),
        }
        // By the clear tunnel: known there is the clear context's alone.
        let (_, by_clear) = world.arrive(forged.clone());
        let refused =
            [DropReason::NoVlink, DropReason::UnknownLabel, DropReason::VlinkAddress, DropReason::VlinkProtection];
        assert!(matches!(by_clear, Fate::Dropped(why) if refused.contains(&why)), "{architecture:?} {by_clear:?}");
        // To the addresses of what is protected: dropped, counted and told.
        let counted = world.routers[1].links.dropped(Audit::ShouldBeProtected);
        for frame in [to_pair(1, &forged), to_pair(1, &sample)] {
            let (_, by_protected) = world.arrive(frame);
            assert!(matches!(by_protected, Fate::Dropped(why) if refused.contains(&why)), "{architecture:?}");
        }
        assert_eq!(world.routers[1].links.dropped(Audit::ShouldBeProtected), counted + 2, "{architecture:?}");
        world.collect();
        let told = |(_, e): &(_, Event)| matches!(e, Event::Audit { why: Audit::ShouldBeProtected, .. });
        assert!(world.routers[1].events.iter().any(told));
        // A message of L2TP in clear, to the protected connection.
        if architecture == Architecture::L2tp {
            let received = world.routers[1].l2tp.counters().received;
            let invalid = world.routers[1].l2tp.counters().invalid;
            let mut hello = sample[..34].to_vec();
            hello.extend([0; 4]);
            hello.extend([0xc8, 3, 0, 20, 0, 0, 0, 1, 0, 9, 0, 9, 0x80, 8, 0, 0, 0, 0, 0, 6]);
            let len = (hello.len() - 14) as u16;
            hello[16..18].copy_from_slice(&len.to_be_bytes());
            let _ = world.arrive(to_pair(1, &hello));
            let counters = world.routers[1].l2tp.counters();
            assert_eq!((counters.received, counters.invalid), (received, invalid), "L2TP does not hear of it");
            let _ = world.arrive(to_pair(2, &hello));
            let counters = world.routers[1].l2tp.counters();
            assert_ne!((counters.received, counters.invalid), (received, invalid), "in clear it does");
        }
        assert!(world.reaches(0, 1, 1) && world.reaches(0, 1, 2), "both go on");
    }
}

/// What routers say to each other over a protected link goes through its association, as all packets do; and who forges it from
/// outside is not heard, whatever the tunnel looks like.
///
/// Shows: VLINK-8-1
#[test]
fn routing_is_protected_as_data_is() {
    for architecture in Architecture::ALL {
        let mut world = World::new(2, 1, 4);
        let peers = world.peer(0, 1);
        world.join([0, 1], peers, 1, architecture, Security::Esp);
        world.wire = Some(Vec::new());
        for protocol in [89, 103, 6] {
            assert!(world.greets(0, 1, 1, protocol) && world.greets(1, 0, 1, protocol));
        }
        let wire = world.wire.take().unwrap();
        assert_eq!(wire.len(), 6);
        assert!(wire.iter().all(|frame| frame[23] == 50 && !reads_payload(frame)), "{architecture:?}");
        // The same packet as it is inside, without ESP and with ESP of other keys.
        let mut stranger = World::new(2, 1, 4);
        for router in &mut stranger.routers {
            router.secret = b"another".to_vec();
        }
        let theirs = stranger.peer(0, 1);
        stranger.join([0, 1], theirs, 1, architecture, Security::Esp);
        stranger.wire = Some(Vec::new());
        assert!(stranger.greets(0, 1, 1, 89));
        let frame = stranger.wire.take().unwrap().remove(0);
        let (_, fate) = world.arrive(frame.clone());
        let why = [Reject::UnknownSpi, Reject::Integrity, Reject::Replayed].map(Fate::Rejected);
        assert!(why.contains(&fate), "{architecture:?} {fate:?}");
        if architecture != Architecture::TunnelSa {
            let mut clear = World::new(2, 1, 4);
            let theirs = clear.peer_with(0, 1, |_, cfg| (cfg.clear, cfg.l2tp_clear) = (None, None));
            clear.join([0, 1], theirs, 1, architecture, Security::Clear);
            clear.wire = Some(Vec::new());
            assert!(clear.greets(0, 1, 1, 89), "{architecture:?}");
            let frame = clear.wire.take().unwrap().remove(0);
            let (_, fate) = world.arrive(frame);
            assert!(matches!(fate, Fate::Dropped(_)), "{architecture:?} {fate:?}");
        }
    }
}

/// The crate says where its protection ends, and there it ends: what leaves a link at a site can be read.
///
/// Shows: VLINK-8-2
#[test]
fn protection_ends_at_the_boundary() {
    let documentation = include_str!("../../src/lib.rs");
    let boundary = documentation.split("//! # ").find(|section| section.starts_with("Boundary")).unwrap();
    for words in ["between its two ends", "routing protocols", "out of scope"] {
        assert!(boundary.contains(words), "{words}");
    }
    for architecture in Architecture::ALL {
        let mut world = World::new(2, 1, 4);
        let peers = world.peer(0, 1);
        world.join([0, 1], peers, 1, architecture, Security::Esp);
        world.wire = Some(Vec::new());
        let (_, fate) = world.send(0, 1, &packet(0, 1));
        assert!(matches!(fate, Fate::Site { packet, .. } if reads_payload(&packet)), "{architecture:?}");
        assert!(world.wire.take().unwrap().iter().all(|frame| !reads_payload(frame)), "{architecture:?}");
    }
}
