//! Families whose NLRI are octets to a reflector: what it takes, what it passes on, what names a route.

use std::time::Duration;

use bgp_vpn::message::{Message, Update};
use bgp_vpn::nlri::{Afi, Family, Framing, Safi};
use bgp_vpn::session::{ConfigError, FamilyConfig, PeerConfig, PeerRole};
use bgp_vpn::speaker::{Event, PeerId};
use fwd_core::time::Instant;

use crate::overlap::AS;
use crate::world::{World, v4};

/// A service that nobody knows; its NLRI have a type and a length.
const LATER: Family = Family::new(Afi(25), Safi(200));
const RD: [u8; 8] = [0, 0, 0xfd, 0xe9, 0, 0, 0, 7];

fn families() -> Vec<FamilyConfig> {
    let known = [
        Family::MCAST_VPN_IPV4,
        Family::MCAST_VPN_IPV6,
        Family::VPLS,
        Family::MCAST_VPLS,
        Family::EVPN,
        Family::VPN_IPV4_MULTICAST,
        Family::MDT,
        Family::VR_MEMBERSHIP_IPV4,
    ];
    let mut families: Vec<_> = known.into_iter().map(FamilyConfig::new).collect();
    families.push(FamilyConfig { framing: Some(Framing::TypeLength), ..FamilyConfig::new(LATER) });
    families
}

/// A reflector, node 0, and three clients.
fn star(configure: impl Fn(&mut PeerConfig)) -> (World, Vec<PeerId>) {
    let mut world = World::default();
    let rr = world.node(AS, 200, v4(200));
    let mut peers = Vec::new();
    for i in 1..=3 {
        let node = world.node(AS, i, v4(i));
        let (_, peer) = world.link(node, rr, |at, peer| {
            peer.families = families();
            if at == rr {
                peer.role = PeerRole::ReflectorClient;
            }
            configure(peer);
        });
        peers.push(peer);
    }
    world.run(Duration::from_secs(5));
    (world, peers)
}

fn nlris(family: Family) -> Vec<Vec<u8>> {
    let join = [&[7, 22][..], &RD, &[0, 0, 0xfd, 0xe9], &[32, 10, 0, 0, 1], &[32, 232, 1, 1, 1]].concat();
    match family {
        Family::MCAST_VPN_IPV4 => vec![[&[1, 12][..], &RD, &[192, 0, 2, 1]].concat(), join, vec![77, 3, 1, 2, 3]],
        Family::MCAST_VPN_IPV6 => vec![[&[1, 24][..], &RD, &[0x20, 1, 0x0d, 0xb8], &[0; 11], &[1]].concat()],
        Family::VPLS => vec![
            [&[0, 17][..], &RD, &[0, 5, 0, 1, 0, 8, 0x40, 0, 0x10]].concat(),
            [&[0, 12][..], &RD, &[192, 0, 2, 1]].concat(),
        ],
        Family::MCAST_VPLS => vec![[&[3, 14][..], &RD, &[0, 0, 192, 0, 2, 1]].concat()],
        Family::EVPN => vec![evpn_mac(1, 100), vec![8, 2, 1, 2]],
        Family::VPN_IPV4_MULTICAST => vec![[&[72][..], &RD, &[10]].concat()],
        // One as we make them, and one of a form that we do not know.
        Family::VR_MEMBERSHIP_IPV4 => vec![
            [&[96][..], &[0, 0, 0, 0x5e, 0, 0, 0, 0x2a], &[192, 0, 2, 1]].concat(),
            [&[112][..], &RD, &[1, 2, 3, 4, 5, 6]].concat(),
        ],
        Family::MDT => vec![[&[128][..], &RD, &[192, 0, 2, 1, 239, 1, 1, 1]].concat()],
        _ => vec![vec![1, 4, 1, 2, 3, 4], vec![200, 0]],
    }
}

fn evpn_mac(esi: u8, label: u8) -> Vec<u8> {
    [&[2, 33][..], &RD, &[esi; 10], &[0; 4], &[48, 2, 0, 0, 0, 0, 1, 0], &[0, label, 1]].concat()
}

/// An UPDATE that announces NLRI of a family, with an attribute that nobody knows. `tail` stands behind MP_REACH_NLRI.
fn announce(family: Family, nlri: &[Vec<u8>]) -> Vec<u8> {
    let next_hop: &[u8] = match family {
        Family::VPN_IPV4_MULTICAST => &[0, 0, 0, 0, 0, 0, 0, 0, 192, 0, 2, 77],
        _ => &[192, 0, 2, 77],
    };
    let mut value = family.afi.0.to_be_bytes().to_vec();
    value.extend([family.safi.0, next_hop.len() as u8]);
    value.extend(next_hop);
    value.push(0);
    value.extend(nlri.concat());
    let mut attributes = vec![0x40, 1, 1, 0, 0x40, 2, 0, 0x40, 5, 4, 0, 0, 0, 100, 0x80, 14, value.len() as u8];
    attributes.extend(value);
    attributes.extend([0xc0, 16, 8, 0, 2, 0xfd, 0xe9, 0, 0, 0, 1, 0xe0, 222, 5, 1, 2, 3, 4, 5]);
    message(&attributes)
}

fn withdraw(family: Family, nlri: &[Vec<u8>]) -> Vec<u8> {
    let mut value = family.afi.0.to_be_bytes().to_vec();
    value.push(family.safi.0);
    value.extend(nlri.concat());
    message(&[&[0x80, 15, value.len() as u8], &value[..]].concat())
}

pub fn message(attributes: &[u8]) -> Vec<u8> {
    let mut m = vec![0xff; 16];
    m.extend_from_slice(&(23 + attributes.len() as u16).to_be_bytes());
    m.extend_from_slice(&[2, 0, 0]);
    m.extend_from_slice(&(attributes.len() as u16).to_be_bytes());
    m.extend_from_slice(attributes);
    m
}

/// NLRI octets of a family that a node announced to a peer, and those it withdrew, since `from`.
pub fn told(world: &World, peer: PeerId, from: usize, family: Family) -> (Vec<u8>, Vec<u8>) {
    let (mut announced, mut withdrawn) = (Vec::new(), Vec::new());
    for (_, octets) in world.nodes[0].sent[from..].iter().filter(|(p, _)| *p == peer) {
        let mut rest = &octets[..];
        while let Ok((after, message)) = Message::take(rest) {
            rest = after;
            let Message::Update(body) = message else { continue };
            let negotiated = world.nodes[0].speaker.peer_negotiated(peer).unwrap();
            let update = Update::parse(body, negotiated).unwrap();
            assert!(update.faults().is_empty());
            if let Some(reach) = update.mp_reach().filter(|r| r.family == family) {
                announced.extend(reach.nlri);
            }
            if let Some(unreach) = update.mp_unreach().filter(|r| r.family == family) {
                withdrawn.extend(unreach.nlri);
            }
        }
    }
    (announced, withdrawn)
}

/// Every family, both ways, octet for octet: next hop, NLRI, and an attribute that nobody knows.
///
/// Shows: L3VPN-8.3-6, L3VPN-8.3-7, L3VPN-8.3-9, L3VPN-8.3-10, L3VPN-8.3-11
#[test]
fn every_family_is_reflected_octet_for_octet() {
    for family in families().into_iter().map(|f| f.family) {
        let (mut world, peers) = star(|_| ());
        for nlri in nlris(family) {
            let nlri = [nlri];
            let from = world.nodes[0].sent.len();
            world.inject(0, peers[0], &announce(family, &nlri));
            world.settle();
            let sent: Vec<_> =
                world.nodes[0].sent[from..].iter().map(|(peer, octets)| (*peer, octets.clone())).collect();
            // As it came, but for ORIGINATOR_ID and CLUSTER_LIST (RFC 4456 §8).
            let mut expected = announce(family, &nlri)[23..].to_vec();
            let at = expected.iter().position(|o| *o == 14).unwrap() - 1;
            let added = [0x80, 9, 4, 192, 0, 2, 1, 0x80, 10, 4, 192, 0, 2, 200];
            expected.splice(at..at, added);
            let expected = message(&expected);
            assert_eq!(sent, [(peers[1], expected.clone()), (peers[2], expected)], "{family} {nlri:?}");
            let from = world.nodes[0].sent.len();
            world.inject(0, peers[0], &withdraw(family, &nlri));
            world.settle();
            for peer in [peers[1], peers[2]] {
                assert_eq!(told(&world, peer, from, family), (vec![], nlri.concat()), "{family}");
            }
        }
        assert!(world.nodes[0].events.iter().all(|e| !matches!(e, Event::UpdateFault { .. })), "{family}");
    }
}

/// RFC 7432 §7: the later announcement replaces the earlier though segment and label differ; a withdrawal need not repeat them.
#[test]
fn what_does_not_name_a_route_replaces_it() {
    let (mut world, peers) = star(|_| ());
    let (first, second) = (evpn_mac(1, 100), evpn_mac(2, 200));
    world.inject(0, peers[0], &announce(Family::EVPN, &[first]));
    world.settle();
    let from = world.nodes[0].sent.len();
    world.inject(0, peers[0], &announce(Family::EVPN, std::slice::from_ref(&second)));
    world.settle();
    assert_eq!(told(&world, peers[1], from, Family::EVPN), (second.clone(), vec![]));
    assert_eq!(world.nodes[0].speaker.peer_families(peers[0])[4].received, 1);
    let from = world.nodes[0].sent.len();
    world.inject(0, peers[0], &withdraw(Family::EVPN, &[evpn_mac(0, 0)]));
    world.settle();
    // Peers are told with the octets that they were given.
    assert_eq!(told(&world, peers[1], from, Family::EVPN), (vec![], second));
}

/// The better of two paths is told; when it goes, the other; when that session ends, a withdrawal.
#[test]
fn paths_compete_and_go_with_their_sessions() {
    let (mut world, peers) = star(|_| ());
    let nlri = nlris(Family::MCAST_VPN_IPV4);
    let better = {
        let mut octets = announce(Family::MCAST_VPN_IPV4, &nlri);
        let at = octets.windows(3).position(|w| w == [0x40, 5, 4]).unwrap();
        octets[at + 6] = 200;
        octets
    };
    world.inject(0, peers[0], &announce(Family::MCAST_VPN_IPV4, &nlri));
    world.inject(0, peers[1], &better);
    world.settle();
    assert_eq!(world.nodes[0].speaker.peer_families(peers[0])[0].received, 3);
    let from = world.nodes[0].sent.len();
    world.reset_connection(0, peers[1]);
    let (again, _) = told(&world, peers[2], from, Family::MCAST_VPN_IPV4);
    assert_eq!(again.len(), nlri.concat().len());
    let from = world.nodes[0].sent.len();
    world.reset_connection(0, peers[0]);
    let (announced, withdrawn) = told(&world, peers[2], from, Family::MCAST_VPN_IPV4);
    assert_eq!((announced.len(), withdrawn.len()), (0, nlri.concat().len()));
    assert_eq!(world.nodes[0].speaker.peer_families(peers[2])[0].advertised, 0);
}

/// RFC 7606 §5.3: an NLRI that overruns its field disables the family, and its routes go; the others stay.
#[test]
fn a_field_that_cannot_be_told_apart_disables_its_family() {
    let (mut world, peers) = star(|_| ());
    for family in [Family::EVPN, Family::VPLS] {
        world.inject(0, peers[0], &announce(family, &nlris(family)));
    }
    world.settle();
    world.inject(0, peers[0], &announce(Family::EVPN, &[vec![2, 200, 1]]));
    world.settle();
    let families = world.nodes[0].speaker.peer_families(peers[0]);
    let received = |family| families.iter().find(|f| f.family == family).map(|f| (f.received, f.disabled));
    assert_eq!((received(Family::EVPN), received(Family::VPLS)), (Some((0, true)), Some((2, false))));
}

/// The limit of a peer holds here too.
#[test]
fn routes_beyond_the_limit_are_refused() {
    let (mut world, peers) = star(|peer| peer.families.iter_mut().for_each(|f| f.max_routes = Some(2)));
    world.inject(0, peers[0], &announce(Family::MCAST_VPN_IPV4, &nlris(Family::MCAST_VPN_IPV4)));
    world.settle();
    let state = world.nodes[0].speaker.peer_families(peers[0])[0];
    assert_eq!((state.received, state.refused), (2, 1));
    assert!(world.nodes[0].events.iter().any(|e| matches!(e, Event::PeerFull { .. })));
}

/// A family without framing, or with another than its table's, is refused by name.
#[test]
fn framings_are_checked() {
    let (mut world, _) = star(|_| ());
    let peer = |n: u8, framing| PeerConfig {
        families: vec![FamilyConfig { framing, ..FamilyConfig::new(LATER) }],
        ..PeerConfig::new(v4(n), v4(200), AS, &[])
    };
    let speaker = &mut world.nodes[0].speaker;
    let refused = |error: Result<PeerId, ConfigError>| match error {
        Err(ConfigError::Value { field, .. }) => field,
        other => panic!("{other:?}"),
    };
    let now = Instant::from_secs(100);
    assert_eq!(refused(speaker.add_peer(now, peer(50, None))), "families");
    assert_eq!(refused(speaker.add_peer(now, peer(50, Some(Framing::Bits)))), "framing");
    assert!(speaker.add_peer(now, peer(50, Some(Framing::TypeLength))).is_ok());
}
