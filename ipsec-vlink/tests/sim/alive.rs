//! What keeps links alive, what finds out that they are not, and what the network may do to packets.

use fwd_core::net::VrfId;
use fwd_core::time::Instant;
use ipsec_vlink::arch::Architecture;
use ipsec_vlink::sad::Reject;
use ipsec_vlink::vlink::{Event, Input, LinkConfig, LinkId, LinkState, PeerId, Security};

use crate::router::Fate;
use crate::world::{World, packet, vpn};

/// A routing protocol over the link, as plain as can be: a Hello every 10 s, a neighbour that was silent for 40 s is gone.
const HELLO: u64 = 10;
const HOLD: u64 = 40;
/// What distributes labels holds a session for so long.
const LABEL_HOLD: u64 = 90;

/// From when nothing gets through any more to the end of the link: seconds, as the first router finds it out.
fn detection(architecture: Architecture, security: Security) -> (LinkState, u64) {
    let mut world = World::new(2, 1, 4);
    let peers = world.peer(0, 1);
    let base = LinkConfig { security, watched: true, ..LinkConfig::new(PeerId(0), vpn(1), VrfId(1), architecture) };
    let links = world.link([0, 1], peers, &base).unwrap();
    world.seconds(5);
    world.route(0, 1, 1, links[0]);
    world.route(1, 1, 0, links[1]);
    let state = world.routers[0].links.state(links[0]);
    for _ in 0..6 {
        assert!(world.greets(0, 1, 1, 89) && world.greets(1, 0, 1, 89));
        world.seconds(HELLO);
    }
    assert_eq!(world.routers[0].links.state(links[0]), state);
    let cut = world.now;
    world.cut = true;
    let is_managed = state == LinkState::Up;
    for second in 0..600 {
        if !world.routers[0].links.state(links[0]).carries() {
            return (state, (world.now - cut).as_secs());
        }
        assert!(!world.greets(1, 0, 1, 89), "it is cut");
        if !is_managed && second == HOLD {
            world.routers[0].links.handle_input(world.now, Input::Alive { link: links[0], alive: false });
        }
        if architecture == Architecture::Mpls && security == Security::Clear && second == LABEL_HOLD {
            world.routers[0].links.handle_input(world.now, Input::RemoteKey { link: links[0], key: None });
        }
        world.seconds(1);
    }
    panic!("{architecture:?} {security:?}: nobody noticed");
}

/// Nothing gets through any more, and nobody says so. Who manages the tunnel finds out by asking; where nobody does, the routing
/// protocol's hold time is what there is.
///
/// Shows: VLINK-4-4
#[test]
fn a_black_hole_is_found() {
    // IKE asks after 30 s of silence, and again after 1, 2, 4, 8, 16 and seven times 30 s; L2TP asks after 60 s, and again after
    // 1, 2, 4 and five times 8 s or so (RFC 3931 §4.2).
    for (architecture, security, managed, (least, most)) in [
        (Architecture::TunnelSa, Security::Esp, true, (200, 320)),
        (Architecture::SharedIpip, Security::Esp, true, (200, 320)),
        (Architecture::DistinctIpip, Security::Esp, true, (200, 320)),
        (Architecture::DistinctIpip, Security::Clear, false, (HOLD, HOLD + 1)),
        (Architecture::Gre, Security::Clear, false, (HOLD, HOLD + 1)),
        (Architecture::Mpls, Security::Clear, true, (LABEL_HOLD, LABEL_HOLD + 1)),
        (Architecture::L2tp, Security::Clear, true, (30, 200)),
    ] {
        let (state, seconds) = detection(architecture, security);
        println!("{} {security:?}: {state:?}, found after {seconds} s", architecture.name());
        assert_eq!(state == LinkState::Up, managed, "{architecture:?} {security:?}");
        assert!((least..=most).contains(&seconds), "{architecture:?} {security:?}: {seconds} s");
    }
}

/// Packets of a link that the network loses and reorders: as many are lost inside as outside, nothing is sent again, none is waited
/// for, and the link stays as it is.
///
/// Shows: VLINK-4-10
#[test]
fn loss_and_reordering_are_the_packets_own() {
    for architecture in Architecture::ALL {
        for security in [Security::Esp, Security::Clear] {
            if architecture == Architecture::TunnelSa && security == Security::Clear {
                continue;
            }
            let mut world = World::new(2, 1, 4);
            let peers = world.peer(0, 1);
            let links = world.join([0, 1], peers, 1, architecture, security);
            let mut random = 3_u64;
            let mut draw = |below: u64| {
                random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (random >> 33) % below
            };
            let (mut sent, mut lost, mut delivered) = (0, 0, 0);
            for _ in 0..200 {
                let mut flying = Vec::new();
                for _ in 0..10 {
                    let Fate::Core(frame) = world.leave(0, 1, &packet(0, 1)) else { panic!("sent") };
                    sent += 1;
                    if draw(20) == 0 {
                        lost += 1;
                    } else {
                        let at = draw(1 + flying.len() as u64) as usize;
                        flying.insert(at, frame);
                    }
                }
                for frame in flying {
                    delivered += usize::from(matches!(world.arrive(frame), (1, Fate::Site { vrf: 1, .. })));
                }
            }
            assert!(lost > 50);
            assert_eq!(delivered, sent - lost, "{architecture:?} {security:?}");
            world.seconds(100);
            for (end, router) in world.routers.iter().enumerate() {
                assert_eq!(router.links.status(world.now, links[0][end]).unwrap().transitions, 1);
            }
        }
    }
}

/// A network that serves one class before another: the window of one association loses what was overtaken, associations for each
/// class lose nothing (RFC 4301 §4.1).
///
/// Shows: VLINK-4-9
#[test]
fn classes_have_associations_of_their_own() {
    const EXPEDITED: u8 = 46;
    for per_class in [false, true] {
        let mut world = World::new(2, 1, 4);
        if per_class {
            world.routers[0].classes = vec![EXPEDITED >> 3];
            world.routers[1].classes = vec![EXPEDITED >> 3];
        }
        let peers = world.peer(0, 1);
        world.join([0, 1], peers, 1, Architecture::DistinctIpip, Security::Esp);
        let pairs = if per_class { 2 } else { 1 };
        assert!(world.routers.iter().all(|router| router.sad.len() == pairs));
        let (mut urgent, mut others) = (Vec::new(), Vec::new());
        for n in 0..400 {
            let mut inner = packet(0, 1);
            inner[1] = if n % 2 == 0 { EXPEDITED << 2 } else { 0 };
            fwd_core::wire::Ipv4(inner.first_chunk_mut::<20>().unwrap()).fill_checksum();
            let Fate::Core(frame) = world.leave(0, 1, &inner) else { panic!("sent") };
            // The network sees the class of what is inside.
            assert_eq!(frame[15], inner[1]);
            if n % 2 == 0 { urgent.push(frame) } else { others.push(frame) }
        }
        // The queue of the one is served first.
        let arrived = urgent
            .into_iter()
            .chain(others)
            .filter(|frame| matches!(world.arrive(frame.clone()), (1, Fate::Site { vrf: 1, .. })));
        let arrived = arrived.count();
        let dropped = world.routers[1].sad.rejected(Reject::Replayed) as usize;
        assert_eq!(arrived + dropped, 400);
        assert_eq!(dropped == 0, per_class, "{dropped} of 400 were taken for old");
    }
}

/// A link of this machine's events, for what a test wants to count.
fn downs(world: &World, router: usize) -> Vec<(Instant, LinkId)> {
    let of = |(at, event): &(Instant, Event)| match event {
        Event::LinkDown { link } => Some((*at, *link)),
        _ => None,
    };
    world.routers[router].events.iter().filter_map(of).collect()
}

/// A peer that comes back is found again, by each architecture that has somebody who asks.
#[test]
fn what_was_cut_comes_back() {
    for architecture in Architecture::ALL {
        let mut world = World::new(2, 1, 4);
        let peers = world.peer(0, 1);
        let links = world.join([0, 1], peers, 1, architecture, Security::Esp);
        world.cut = true;
        world.seconds(400);
        assert_eq!(downs(&world, 0).len(), 1, "{architecture:?}");
        world.cut = false;
        world.seconds(400);
        assert!(world.routers[0].up.contains_key(&links[0][0]), "{architecture:?}");
        world.route(0, 1, 1, links[0][0]);
        assert!(world.reaches(0, 1, 1), "{architecture:?}");
    }
}
