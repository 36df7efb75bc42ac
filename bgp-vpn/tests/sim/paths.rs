//! More than one path per destination: ADD-PATH (RFC 7911), and the best external path.

use std::collections::BTreeSet;
use std::time::Duration;

use bgp_vpn::message::{Message, Update};
use bgp_vpn::nlri::{Family, NlriFormat, Nlris, VpnNlri};
use bgp_vpn::policy::{Policy, Statement, Then};
use bgp_vpn::session::{FamilyConfig, Negotiated, PeerKind, PeerRole};
use bgp_vpn::speaker::PeerId;
use fwd_core::net::Ipv4Prefix;

use crate::overlap::AS;
use crate::reflect::{message, route, sent};
use crate::world::{World, v4};

/// A reflector with clients, of which the last takes at most `max` paths.
fn reflector(clients: usize, max: u8) -> (World, Vec<PeerId>) {
    let mut world = World::default();
    let rr = world.node(AS, 200, v4(200));
    let mut peers = Vec::new();
    for i in 0..clients {
        let node = world.node(AS, i as u8 + 1, v4(i as u8 + 1));
        let (_, peer) = world.link(node, rr, |at, peer| {
            let mut family = FamilyConfig::new(Family::VPN_IPV4);
            family.add_path_send = at == rr && i + 1 == clients;
            family.add_path_receive = at != rr && i + 1 == clients;
            family.max_paths = max;
            peer.families = vec![family];
            if at == rr {
                peer.role = PeerRole::ReflectorClient;
            }
        });
        peers.push(peer);
    }
    world.run(Duration::from_secs(5));
    (world, peers)
}

fn preferred(prefix: u8, preference: u8) -> Vec<u8> {
    route(prefix, &[0x40, 5, 4, 0, 0, 0, preference])
}

/// An UPDATE that withdraws the route of [`route`].
pub fn withdrawal(prefix: u8) -> Vec<u8> {
    message(&[0x80, 15, 16, 0, 1, 128, 96, 0x80, 0, 0, 0, 0, 0xfd, 0xe9, 0, 0, 0, 50, prefix])
}

/// The LOCAL_PREF and path identifiers of what a node holds.
fn held(world: &World, node: usize) -> BTreeSet<u8> {
    let of = |attributes: &[u8]| attributes[attributes.windows(3).position(|w| w == [0x40, 5, 4]).unwrap() + 6];
    world.nodes[node].speaker.vpn_routes().iter().map(|r| of(&r.attributes)).collect()
}

/// The path identifiers announced and withdrawn to a peer since `from`.
fn identifiers(world: &World, peer: PeerId, from: usize) -> [Vec<u32>; 2] {
    let mut negotiated = Negotiated::baseline(PeerKind::Internal);
    negotiated.families = [Family::VPN_IPV4].into_iter().collect();
    negotiated.add_path_receive = [Family::VPN_IPV4].into_iter().collect();
    negotiated.four_octet_as = true;
    let format = NlriFormat { add_path: true, multiple_labels: false };
    let [mut announced, mut withdrawn] = [Vec::new(), Vec::new()];
    for octets in sent(world, 0, peer, from) {
        let Ok(Message::Update(body)) = Message::parse(&octets) else { continue };
        let update = Update::parse(body, &negotiated).unwrap();
        let ids = |nlri| {
            let nlris = Nlris::<VpnNlri<'_, Ipv4Prefix>>::new(nlri, format);
            nlris.map(|n| n.unwrap().path_id.unwrap().0).collect::<Vec<_>>()
        };
        announced.extend(update.mp_reach().into_iter().flat_map(|mp| ids(mp.nlri)));
        withdrawn.extend(update.mp_unreach().into_iter().flat_map(|mp| ids(mp.nlri)));
    }
    [announced, withdrawn]
}

/// Shows: L3VPN-8.1-12
#[test]
fn a_peer_that_takes_several_paths_is_told_each_and_each_change_once() {
    let (mut world, peers) = reflector(4, 8);
    let taker = peers[3];
    let from = world.nodes[0].sent.len();
    for (peer, preference) in [(0, 100), (1, 110), (2, 120)] {
        world.inject(0, peers[peer], &preferred(10, preference));
    }
    world.settle();
    assert_eq!(held(&world, 4), [100, 110, 120].into());
    let [announced, _] = identifiers(&world, taker, from);
    assert_eq!(
        announced.iter().collect::<BTreeSet<_>>().len(),
        3,
        "one identifier each, none of them 0: {announced:?}"
    );
    assert!(!announced.contains(&0));
    // Peers that take one path hold the best, and only that.
    assert_eq!(held(&world, 1), [120].into());
    // One of them changes, and is not the best: one announcement, to those that take several.
    let from = world.nodes[0].sent.len();
    world.inject(0, peers[0], &preferred(10, 90));
    world.settle();
    assert_eq!(held(&world, 4), [90, 110, 120].into());
    assert_eq!(identifiers(&world, taker, from), [vec![announced[0]], vec![]]);
    assert_eq!(world.nodes[0].sent[from..].iter().filter(|(p, _)| *p != taker).count(), 0);
    // The same again says nothing.
    let from = world.nodes[0].sent.len();
    world.inject(0, peers[0], &preferred(10, 90));
    world.settle();
    assert_eq!(world.nodes[0].sent.len(), from);
    // The best goes: one withdrawal here, another route for the others.
    world.inject(0, peers[2], &withdrawal(10));
    world.settle();
    assert_eq!((held(&world, 4), held(&world, 1)), ([90, 110].into(), [110].into()));
    let [again, withdrawn] = identifiers(&world, taker, from);
    assert_eq!((again.len(), withdrawn.len()), (0, 1));
    // The session of a third ends: its path goes, and with the last the destination.
    world.inject(0, peers[0], &withdrawal(10));
    world.inject(0, peers[1], &withdrawal(10));
    world.settle();
    assert_eq!((held(&world, 4), held(&world, 1)), ([].into(), [].into()));
    assert_eq!(world.nodes[0].speaker.stats().vpn_routes, 0);
}

#[test]
fn of_many_paths_the_best_are_told_and_a_path_that_falls_behind_is_withdrawn() {
    let (mut world, peers) = reflector(5, 2);
    for (peer, preference) in [(0, 100), (1, 110), (2, 120), (3, 130)] {
        world.inject(0, peers[peer], &preferred(10, preference));
    }
    world.settle();
    assert_eq!(held(&world, 5), [120, 130].into());
    world.inject(0, peers[0], &preferred(10, 140));
    world.settle();
    assert_eq!(held(&world, 5), [130, 140].into());
    world.inject(0, peers[3], &withdrawal(10));
    world.settle();
    assert_eq!(held(&world, 5), [120, 140].into());
    // What a peer told is not told back to it: the taker's own path is none of the two.
    let mut own = preferred(10, 200);
    let at = own.windows(4).position(|w| w == [96, 0, 0x3e, 0x8f]).unwrap();
    own[at + 1..at + 4].copy_from_slice(&[0, 0x10, 0x01]);
    world.inject(0, peers[4], &own);
    world.settle();
    assert_eq!(held(&world, 5), [120, 140].into());
    assert_eq!(held(&world, 1), [200].into());
}

#[test]
fn a_session_that_comes_back_is_told_all_paths_anew() {
    let (mut world, peers) = reflector(3, 8);
    for peer in [0, 1] {
        world.inject(0, peers[peer], &preferred(10, 100 + peer as u8));
        world.inject(0, peers[peer], &preferred(11, 100 + peer as u8));
    }
    world.settle();
    world.reset_connection(0, peers[2]);
    assert!(held(&world, 3).is_empty());
    world.run(Duration::from_secs(60));
    assert_eq!(held(&world, 3), [100, 101].into());
    assert_eq!(world.nodes[3].speaker.stats().vpn_paths, 4);
    // A refresh tells them again, with the identifiers they have.
    let from = world.nodes[0].sent.len();
    let taker = world.nodes[3].speaker.peers()[0];
    let config = world.nodes[3].speaker.peer_config(taker).unwrap().clone();
    let all = Statement { matches: vec![], sets: vec![], then: Then::Accept };
    let other = Policy { statements: vec![all], otherwise: Then::Accept };
    let now = world.now;
    world.nodes[3].speaker.set_peer_policies(now, taker, other, config.export).unwrap();
    world.run(Duration::from_secs(1));
    let [announced, withdrawn] = identifiers(&world, peers[2], from);
    assert_eq!((announced.len(), withdrawn.len()), (4, 0));
    assert_eq!(world.nodes[3].speaker.stats().vpn_paths, 4);
}

/// An UPDATE of another AS, whose AS_PATH has this many AS numbers.
fn external(asns: u8) -> Vec<u8> {
    let mut a = vec![0x40, 1, 1, 0, 0x40, 2, 2 + 4 * asns, 2, asns];
    for n in 0..u32::from(asns) {
        a.extend_from_slice(&(65002 + n).to_be_bytes());
    }
    a.extend_from_slice(&[0x80, 14, 30, 0, 1, 128, 12, 0, 0, 0, 0, 0, 0, 0, 0, 192, 0, 2, 77, 0]);
    a.extend_from_slice(&[96, 0, 0x3e, 0x8f, 0, 0, 0xfd, 0xe9, 0, 0, 0, 50, 10]);
    a.extend_from_slice(&[0xc0, 16, 8, 0, 2, 0xfd, 0xe9, 0, 0, 0, 1]);
    message(&a)
}

/// Two border routers of one AS, each with a neighbour in another; the way out of the first is shorter.
#[test]
fn a_border_router_tells_the_other_its_own_way_out_where_that_is_asked_for() {
    for best_external in [false, true] {
        let mut world = World::default();
        let [a, b] = [1, 2].map(|id| world.node(AS, id, v4(id)));
        let [x, y] = [11, 12].map(|id| world.node(65002, id, v4(id)));
        world.link(a, b, |_, peer| {
            peer.families = vec![FamilyConfig { best_external, ..FamilyConfig::new(Family::VPN_IPV4) }];
        });
        let unchanged = |_: usize, peer: &mut bgp_vpn::session::PeerConfig| {
            peer.families = vec![FamilyConfig::new(Family::VPN_IPV4)];
        };
        let (_, from_x) = world.link(x, a, unchanged);
        let (_, from_y) = world.link(y, b, unchanged);
        world.run(Duration::from_secs(5));
        world.inject(b, from_y, &external(3));
        world.inject(a, from_x, &external(1));
        world.settle();
        let paths = |world: &World, node: usize| world.nodes[node].speaker.stats().vpn_paths;
        assert_eq!(paths(&world, b), 2, "b has its own and a's");
        assert_eq!(paths(&world, a), if best_external { 2 } else { 1 }, "best external {best_external}");
        // The way out of b gets longer still: a learns that, though b's best path is a's all the time.
        world.inject(b, from_y, &external(4));
        world.settle();
        let longest = |world: &World| {
            let lengths = world.nodes[a].speaker.vpn_routes();
            lengths
                .iter()
                .map(|r| r.attributes.windows(3).position(|w| w[0] == 0x40 && w[1] == 2).map(|i| r.attributes[i + 2]))
                .max()
        };
        assert_eq!(longest(&world), Some(Some(if best_external { 18 } else { 6 })));
        // a's way out goes: where it has the other at hand it goes on without waiting for b.
        world.set_cut(a, world.nodes[a].speaker.peers()[0], true);
        world.reset_connection(x, world.nodes[x].speaker.peers()[0]);
        assert_eq!(paths(&world, a), u32::from(best_external));
    }
}
