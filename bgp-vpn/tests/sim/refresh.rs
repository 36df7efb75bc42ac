//! Route refresh beside End-of-RIB (RFC 2918, RFC 7313 §4).

use std::time::Duration;

use bgp_vpn::message::{Message, MessageType, RefreshSubtype, RouteRefresh};
use bgp_vpn::nlri::Family;
use bgp_vpn::session::FamilyConfig;
use bgp_vpn::speaker::{Event, Input, PeerId, Side};
use bgp_vpn::vrf::LabelMode;

use crate::overlap::{AS, site};
use crate::world::{World, v4};

const A: (&[&str], &[&str]) = (&["65001:1"], &["65001:1"]);
/// Room for the one UPDATE with the route, and not for what follows.
const ONE_UPDATE: usize = 130;
const ALL: usize = 1 << 20;

/// Two PEs, the session up, of which the first has a route that it had no room to tell.
fn before_the_dump() -> (World, usize, usize, PeerId, PeerId) {
    let mut world = World::default();
    let (from, to) = (world.node(AS, 1, v4(1)), world.node(AS, 2, v4(2)));
    world.nodes[from].room = 0;
    let (peer, back) = world.link(from, to, |_, peer| peer.families = vec![FamilyConfig::new(Family::VPN_IPV4)]);
    site(&mut world, from, 1, A, LabelMode::PerVrf, &["10.1.0.0/16"]);
    world.run(Duration::from_secs(5));
    assert_eq!(world.established(from), 1);
    assert!(world.nodes[to].speaker.vpn_routes().is_empty());
    (world, from, to, peer, back)
}

fn room(world: &mut World, from: usize, peer: PeerId, room: usize) {
    world.input(from, Input::Writable { peer, side: Side::Outgoing, room });
    world.settle();
}

fn refresh(subtype: RefreshSubtype) -> Vec<u8> {
    let mut octets = Vec::new();
    Message::RouteRefresh(RouteRefresh::new(Family::VPN_IPV4, subtype)).emit(&mut octets);
    octets
}

/// What a node sent beside OPEN and KEEPALIVE, in order: `U` a route, `E` End-of-RIB, `B` and `R` begin and end of a refresh.
fn sent(world: &World, from: usize) -> String {
    let stream: Vec<u8> = world.nodes[from].sent.iter().flat_map(|(_, octets)| octets.clone()).collect();
    let (mut rest, mut seen) = (&stream[..], String::new());
    while let [_, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, high, low, kind, ..] = *rest {
        let len = usize::from(u16::from_be_bytes([high, low]));
        match (MessageType(kind), len) {
            (MessageType::UPDATE, 29) => seen.push('E'),
            (MessageType::UPDATE, _) => seen.push('U'),
            (MessageType::ROUTE_REFRESH, _) => seen.push(if rest[21] == 1 { 'B' } else { 'R' }),
            _ => {}
        }
        rest = &rest[len..];
    }
    seen
}

#[test]
fn a_refresh_asked_for_during_the_first_dump_follows_end_of_rib() {
    let (mut world, from, _, peer, _) = before_the_dump();
    let octets = refresh(RefreshSubtype::REQUEST);
    world.input(from, Input::Stream { peer, side: Side::Outgoing, octets: &octets });
    room(&mut world, from, peer, ALL);
    assert_eq!(sent(&world, from), "UEBUR");
}

#[test]
fn a_refresh_asked_for_during_a_refresh_follows_its_end() {
    let (mut world, from, _, peer, _) = before_the_dump();
    room(&mut world, from, peer, ALL);
    let octets = refresh(RefreshSubtype::REQUEST);
    room(&mut world, from, peer, 0);
    world.input(from, Input::Stream { peer, side: Side::Outgoing, octets: &octets });
    room(&mut world, from, peer, ONE_UPDATE);
    assert_eq!(sent(&world, from), "UEBU");
    world.input(from, Input::Stream { peer, side: Side::Outgoing, octets: &octets });
    room(&mut world, from, peer, ALL);
    assert_eq!(sent(&world, from), "UEBURBUR");
}

/// A begin of refresh before the peer's End-of-RIB is ignored: else that End-of-RIB would take the routes that came before.
#[test]
fn a_refresh_that_begins_before_end_of_rib_costs_no_route() {
    let (mut world, from, to, peer, back) = before_the_dump();
    room(&mut world, from, peer, ONE_UPDATE);
    assert_eq!(sent(&world, from), "U");
    let octets = refresh(RefreshSubtype::BEGIN);
    world.input(to, Input::Stream { peer: back, side: Side::Incoming, octets: &octets });
    room(&mut world, from, peer, ALL);
    assert!(world.nodes[to].events.iter().any(|e| matches!(e, Event::EndOfRib { .. })));
    assert_eq!(world.nodes[to].speaker.vpn_routes().len(), 1);
}

/// End-of-RIB within a refresh is not its end; the routes not sent again go with the end that is meant.
#[test]
fn end_of_rib_does_not_end_a_refresh() {
    let (mut world, from, to, peer, back) = before_the_dump();
    room(&mut world, from, peer, ALL);
    let stale = |world: &World| world.nodes[to].speaker.vpn_routes().iter().filter(|r| r.stale).count();
    let mut octets = refresh(RefreshSubtype::BEGIN);
    bgp_vpn::message::emit_end_of_rib(Family::VPN_IPV4, &mut octets);
    world.input(to, Input::Stream { peer: back, side: Side::Incoming, octets: &octets });
    world.settle();
    assert_eq!(stale(&world), 1);
    let octets = refresh(RefreshSubtype::END);
    world.input(to, Input::Stream { peer: back, side: Side::Incoming, octets: &octets });
    world.settle();
    assert!(world.nodes[to].speaker.vpn_routes().is_empty());
}
