//! What is exchanged between the ASBRs of two providers, and somebody on the link between them.

mod attacker;
mod world;

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use attacker::Attacker;
use bgp_vpn::speaker::Event;
use fwd_core::secret::Secret;
use fwd_core::tcp_ao::{Mkt, Peers};
use lab::sim::packet::IpView;
use mvpn::pim::wire::{
    EncodedGroup, GroupSetBuf, Hello, HelloOption, JoinPruneBuf, Message, MessageType, SourceBuf, SourceFlags, packet,
};
use mvpn::pim::{PimEvent, PimReject};
use p2mp_pw::ldp::discovery::Refusal;
use world::*;

const KEY: &[u8] = b"of both providers";

/// The second key of BGP, as a node has it.
fn second(node: usize) -> Mkt {
    let mut mkt = Mkt::new(Peers::between(border(node), border(NEAR + FAR - node)), 2, b"another of both providers");
    if node == NEAR {
        (mkt.send_id, mkt.recv_id) = (12, 21);
    } else {
        (mkt.send_id, mkt.recv_id) = (21, 12);
    }
    mkt
}

/// Nothing that was forged is seen in any table: `routes` of the first PE are all there are, and no session, adjacency or neighbour was lost.
fn unharmed(world: &mut World, routes: u32, taken: (u64, u64)) {
    assert_eq!(world.routes(FAR, NEAR), (routes, true));
    assert_eq!(world.routes(NEAR, FAR), (0, true));
    assert_eq!(world.routes(FAR_PE, FAR), (routes, true));
    assert_eq!(world.taken(FAR, NEAR), (taken.0, taken.1, 1));
    assert_eq!(world.taken(NEAR, FAR), (0, 0, 1));
    for node in [NEAR, FAR] {
        let session = world.peer(node, NEAR + FAR - node);
        let of = |e: &&Event| matches!(e, Event::Established { peer } | Event::Down { peer, .. } if *peer == session);
        let events: Vec<_> = world.nodes[node].events.iter().filter(of).collect();
        assert!(matches!(events.last(), Some(Event::Established { .. })), "{events:?}");
        let other = border(NEAR + FAR - node);
        let side = world.border(node);
        assert_eq!((side.hello.adjacencies().count(), side.hello_downs), (1, 0));
        assert!(side.hello.adjacencies().all(|a| a.source == other));
        let neighbors: Vec<IpAddr> = side.pim.neighbors(fwd_core::net::IfIndex(1)).map(IpAddr::from).collect();
        assert_eq!(neighbors, [other]);
        assert_eq!(side.pim.states(), 0);
        let lost =
            |e: &PimEvent<Ipv4Addr>| matches!(e, PimEvent::NeighborDown { .. } | PimEvent::NeighborRestarted { .. });
        assert!(!side.pim_events.iter().any(lost));
    }
}

/// Resets, UPDATEs and SYNs with no key, a guessed one and a number of no key; segments of the session itself again, as they were and changed:
/// all are dropped and counted, and no route changes. The same against a session without keys ends it, and before that adds a route.
///
/// Shows: MVPN-ISEC-7
#[test]
fn forged_and_replayed_messages_at_an_asbr_are_dropped() {
    let mut world = World::new(1, Some(KEY));
    world.run(20);
    (1..=10).for_each(|n| world.route(n, true));
    world.run(5);
    world.route(10, false);
    world.run(5);
    unharmed(&mut world, 9, (10, 1));

    let attacker = Attacker::new(&mut world);
    for to in [NEAR, FAR] {
        let before = world.ao(to).counters();
        let refused = world.nodes[to].tcp.dropped();
        let forged = attacker.forged_bgp(to);
        let number = forged.len() as u64;
        forged.into_iter().for_each(|packet| world.inject(packet));
        world.run(1);
        assert_eq!(world.ao(to).counters().dropped() - before.dropped(), number);
        let counters = world.ao(to).counters();
        let new =
            [counters.missing - before.missing, counters.mac - before.mac, counters.unknown_key - before.unknown_key];
        assert!(new.iter().all(|n| *n > 0) && counters.malformed > before.malformed, "{counters:?}");
        let syns = attacker.forged_syns(to);
        let number = syns.len() as u64;
        syns.into_iter().for_each(|packet| world.inject(packet));
        // From farther than the link.
        for mut packet in attacker.segments(to) {
            packet[8] = 254;
            world.inject(packet);
        }
        let far = attacker.segments(to).count() as u64;
        world.run(1);
        assert_eq!(world.nodes[to].tcp.dropped() - refused, number + far);
        unharmed(&mut world, 9, (10, 1));
    }
    // What was sent is sent again: the MAC is right, and TCP had the octets already.
    let verified = world.ao(FAR).counters().verified;
    attacker.all().for_each(|packet| world.inject(packet));
    world.run(1);
    assert!(world.ao(FAR).counters().verified > verified);
    unharmed(&mut world, 9, (10, 1));
    // LDP and PIM: with no key, a guessed one, changed, and again.
    for to in [NEAR, FAR] {
        let from = NEAR + FAR - to;
        world.border(to).hello_refusals.clear();
        let before = (*world.border(to).hello.counters(), world.border(to).esp_refused);
        attacker.forged_hellos(to).into_iter().for_each(|packet| world.inject(packet));
        let replays = attacker.hellos(to).count();
        attacker.hellos(to).for_each(|packet| world.inject(packet));
        forged_pim(from, to).into_iter().for_each(|packet| world.inject(packet));
        let esp = attacker.replayed_and_changed_esp(to);
        let esp_count = esp.len() as u64;
        esp.into_iter().for_each(|packet| world.inject(packet));
        world.run(3);
        let side = world.border(to);
        let refused = |why| side.hello.counters().refused[why as usize] - before.0.refused[why as usize];
        assert!(refused(Refusal::Replayed) >= replays as u64 && replays > 3, "{replays}");
        assert!(refused(Refusal::Unauthenticated) >= 2);
        assert_eq!(side.esp_refused - before.1, esp_count);
        let unauthenticated = |e: &PimEvent<Ipv4Addr>| matches!(e, PimEvent::Rejected { reason: PimReject::Authentication, times, .. } if *times > 0);
        assert!(side.pim_events.iter().any(unauthenticated), "{:?}", side.pim_events);
        unharmed(&mut world, 9, (10, 1));
    }
    // The sessions go on.
    world.route(11, true);
    world.run(200);
    unharmed(&mut world, 10, (11, 1));
}

/// The same forgeries where nobody authenticates: an UPDATE of the attacker's is taken, and a reset of his ends the session.
#[test]
fn without_keys_the_same_forgeries_succeed() {
    let mut world = World::new(1, None);
    world.run(20);
    world.route(1, true);
    world.run(5);
    assert_eq!(world.taken(FAR, NEAR), (1, 0, 1));
    let attacker = Attacker::new(&mut world);
    world.inject(attacker.plain_update(FAR));
    world.run(1);
    assert_eq!(world.taken(FAR, NEAR).0, 2, "a route of the attacker's");
    world.inject(attacker.plain_reset(FAR));
    world.run(1);
    assert!(world.nodes[FAR].events.iter().any(|e| matches!(e, Event::Down { .. })));
}

/// A Hello that says goodbye, and a Join, in the clear.
fn forged_pim(from: usize, to: usize) -> Vec<Vec<u8>> {
    let (source, group) = (border(from), IpAddr::from([224, 0, 0, 13]));
    let bye = Message::Hello(Hello { options: vec![HelloOption::Holdtime(0)] });
    let mut set = GroupSetBuf::new(EncodedGroup::new(IpAddr::from([232, 1, 1, 1])));
    set.joins.push(SourceBuf::new(IpAddr::from([10, 0, 0, 1]), SourceFlags::empty()));
    let mut join = JoinPruneBuf::new(border(to), 210);
    join.push(set);
    let join = packet(MessageType::JOIN_PRUNE, 0, source, group, |out| join.emit(out));
    [bye.to_packet(source, group), join].iter().map(|octets| pim_packet(source, octets)).collect()
}

/// Keys of all three change while routes flow and the link loses packets. One ASBR has BGP's new key long before the other: it asks for it in
/// vain, and nothing is lost. What the old keys signed is of no use afterwards.
///
/// Shows: MVPN-ISEC-7
#[test]
fn keys_roll_over_with_no_session_loss() {
    for first in [NEAR, FAR] {
        let last = NEAR + FAR - first;
        let mut world = World::new(first as u64, Some(KEY));
        world.run(20);
        world.loss = 20_000;
        let mut number = 0;
        let mut flow = |world: &mut World, seconds: u64| {
            for _ in 0..seconds {
                number += 1;
                world.route(number, true);
                world.run(1);
            }
            number
        };
        flow(&mut world, 5);
        world.ao(first).add(second(first)).unwrap();
        let wanted = second(first).recv_id;
        world.ao(first).prefer(wanted).unwrap();
        // A new association of PIM's, too: received before it is sent with.
        for node in [NEAR, FAR] {
            let theirs = 0x2000 + (NEAR + FAR - node) as u32;
            let sa = fwd_core::sa::InboundSa::new(theirs, false, 64, cipher(theirs));
            world.border(node).inbound.insert(theirs, sa);
        }
        flow(&mut world, 10);
        assert_eq!([first, last].map(|n| world.ao(n).current()), [1, 1], "the other does not have it");
        world.ao(last).add(second(last)).unwrap();
        let wanted = second(last).recv_id;
        world.ao(last).prefer(wanted).unwrap();
        for node in [NEAR, FAR] {
            let ours = 0x2000 + node as u32;
            world.border(node).outbound = fwd_core::sa::OutboundSa::new(ours, false, cipher(ours));
        }
        flow(&mut world, 10);
        assert_eq!([NEAR, FAR].map(|n| world.ao(n).current()), [12, 21]);
        for node in [NEAR, FAR] {
            assert_eq!(world.ao(node).counters().dropped(), 0, "no segment was lost to a key");
            world.ao(node).remove(1).unwrap();
            let side = world.border(node);
            side.inbound.retain(|spi, _| *spi >= 0x2000);
            assert_eq!(side.esp_refused, 0);
        }
        // The keys of LDP's Hellos change at second 60, and the old one is refused from second 90 on.
        let routes = flow(&mut world, 60);
        world.loss = 0;
        world.run(10);
        assert!(world.now > fwd_core::time::Instant::ZERO + Duration::from_secs(110));
        unharmed(&mut world, routes.into(), (routes.into(), 0));
        let old = Attacker::new(&mut world);
        let before = world.ao(FAR).counters().unknown_key;
        old.all().for_each(|packet| world.inject(packet));
        world.run(5);
        assert!(world.ao(FAR).counters().unknown_key > before + 10);
        assert!(world.border(FAR).esp_refused > 0);
        unharmed(&mut world, routes.into(), (routes.into(), 0));
    }
}

/// Without the right key there is no connection at all.
#[test]
fn another_key_is_no_session() {
    let mut world = World::new(3, Some(KEY));
    let (here, there) = (border(FAR), border(NEAR));
    let keys = world.nodes[FAR].tcp.keys(fwd_core::net::VrfId::GLOBAL);
    keys.remove(&Peers::between(here, there), 1).unwrap();
    let mut other = Mkt::new(Peers::between(here, there), 1, KEY);
    other.key = Secret::copy(b"guess");
    keys.add(other).unwrap();
    world.run(60);
    assert_eq!((world.routes(NEAR, FAR).1, world.routes(FAR, NEAR).1), (false, false));
    assert!(world.nodes[FAR].tcp.dropped() + world.nodes[NEAR].tcp.dropped() > 0);
    assert!(world.seen.iter().all(|p| IpView::parse(p).is_some()));
}
