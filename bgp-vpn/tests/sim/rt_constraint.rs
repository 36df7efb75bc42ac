//! Route target constraint (RFC 4684).

use std::net::Ipv4Addr;
use std::time::Duration;

use bgp_vpn::nlri::{Family, RtMembership};
use bgp_vpn::session::{FamilyConfig, PeerConfig, PeerRole};
use bgp_vpn::speaker::{Input, PeerId, RouteSource};
use bgp_vpn::vrf::{LabelMode, VrfConfig};
use fwd_core::net::VrfId;

use crate::admission::update;
use crate::overlap::{AS, circuit_of, site};
use crate::world::{Delivery, World, v4};

const FAMILIES: [Family; 2] = [Family::RT_CONSTRAINT, Family::VPN_IPV4];

fn constrained(peer: &mut PeerConfig) {
    peer.families = FAMILIES.map(FamilyConfig::new).to_vec();
}

/// A session between a client and its reflector, both with route target constraint.
pub fn client(world: &mut World, pe: usize, rr: usize) -> (PeerId, PeerId) {
    world.link(pe, rr, |node, peer| {
        constrained(peer);
        if node == rr {
            peer.role = PeerRole::ReflectorClient;
        }
    })
}

pub fn target(n: u32) -> String {
    format!("65001:{n}")
}

/// A VPN at a PE: VRF, route target and third octet of its prefix are `vpn`, the second octet is the PE's number.
fn vpn_site(world: &mut World, pe: usize, vpn: u16) {
    let t = target(vpn.into());
    let prefix = format!("10.{pe}.{vpn}.0/24");
    site(world, pe, vpn, (&[&t], &[&t]), LabelMode::PerVrf, &[&prefix]);
}

/// What a node holds of VPN routes, by prefix.
pub fn held(world: &World, node: usize) -> Vec<String> {
    let routes = world.nodes[node].speaker.vpn_routes();
    let mut all: Vec<String> =
        routes.iter().filter(|r| r.source != RouteSource::Local).map(|r| r.prefix.to_string()).collect();
    all.sort();
    all.dedup();
    all
}

/// Shows: L3VPN-SCN-2, L3VPN-8.3-8
#[test]
fn fifty_pes_receive_the_routes_of_their_targets_and_no_others() {
    const PES: usize = 50;
    let mut world = World::default();
    let pes: Vec<usize> = (0..PES).map(|i| world.node(AS, i as u8 + 1, v4(i as u8 + 1))).collect();
    let rrs: Vec<usize> = (0..2).map(|i| world.node(AS, 200 + i, v4(200 + i))).collect();
    for &pe in &pes {
        for rr in &rrs {
            client(&mut world, pe, *rr);
        }
        // Ten VPNs; each PE has two of them.
        for vpn in [pe % 10, (pe / 10 + pe) % 10] {
            if !world.nodes[pe].speaker.vrfs().any(|v| usize::from(v.id.0) == vpn + 1) {
                vpn_site(&mut world, pe, vpn as u16 + 1);
            }
        }
    }
    world.reach_all();
    world.run(Duration::from_secs(5));
    let vpns = |world: &World, pe: usize| world.nodes[pe].speaker.vrfs().map(|v| v.id.0).collect::<Vec<u16>>();
    let check = |world: &World, pes: &[usize]| {
        for &pe in pes {
            let mut expected = Vec::new();
            for &other in pes.iter().filter(|o| **o != pe) {
                let common: Vec<u16> = vpns(world, other).into_iter().filter(|v| vpns(world, pe).contains(v)).collect();
                expected.extend(common.iter().map(|vpn| format!("10.{other}.{vpn}.0/24")));
            }
            expected.sort();
            assert_eq!(held(world, pe), expected, "PE {pe}");
        }
    };
    check(&world, &pes);
    assert!(held(&world, pes[0]).len() < 20, "of a hundred routes");
    // A PE more: nothing is configured elsewhere but its sessions at the reflectors.
    let mut pes = pes;
    let new = world.node(AS, 99, v4(99));
    for rr in &rrs {
        client(&mut world, new, *rr);
    }
    pes.push(new);
    vpn_site(&mut world, new, 4);
    world.run(Duration::from_secs(5));
    check(&world, &pes);
    // A reflector goes: no route is lost.
    for peer in world.nodes[rrs[0]].speaker.peers() {
        world.set_cut(rrs[0], peer, true);
    }
    world.run(Duration::from_secs(200));
    assert_eq!(world.established(rrs[0]), 0);
    check(&world, &pes);
}

#[test]
fn a_change_of_targets_moves_the_routes_of_these_targets_only() {
    let mut world = World::default();
    let [a, b, rr] = [1, 2, 200].map(|id| world.node(AS, id, v4(id)));
    let (_, at_rr) = client(&mut world, b, rr);
    client(&mut world, a, rr);
    for vpn in 1..=5 {
        vpn_site(&mut world, a, vpn);
    }
    vpn_site(&mut world, b, 1);
    world.reach_all();
    world.run(Duration::from_secs(5));
    assert_eq!(held(&world, b), ["10.0.1.0/24"]);
    let counters = |world: &World| {
        let c = world.nodes[rr].speaker.peer_counters(at_rr).unwrap();
        (c.sent, c.withdrawals_sent)
    };
    let before = counters(&world);
    let targets = |list: &[u32]| list.iter().map(|n| target(*n).parse().unwrap()).collect::<Vec<_>>();
    let now = world.now;
    world.nodes[b].speaker.set_vrf_targets(now, VrfId(1), targets(&[1, 3]), targets(&[1])).unwrap();
    world.settle();
    assert_eq!(held(&world, b), ["10.0.1.0/24", "10.0.3.0/24"]);
    // One route more; nothing was repeated.
    assert_eq!(counters(&world), (before.0 + 1, before.1));
    let to = |world: &World, address: &str| world.send(b, 1, address.parse().unwrap());
    assert_eq!(to(&world, "10.0.3.1"), Delivery::Circuit(a, circuit_of(3, a)));
    world.nodes[b].speaker.set_vrf_targets(now, VrfId(1), targets(&[3]), targets(&[3])).unwrap();
    world.settle();
    assert_eq!(held(&world, b), ["10.0.3.0/24"]);
    assert_eq!(to(&world, "10.0.1.1"), Delivery::Dropped);
    // Nobody else imports target 1, but the other PE itself.
    let memberships = |world: &World, node: usize| {
        let mut all: Vec<String> = world.nodes[node].speaker.memberships().iter().map(|(m, _)| m.to_string()).collect();
        all.sort();
        all.dedup();
        all
    };
    assert_eq!(memberships(&world, b).len(), 5);
    world.nodes[b].speaker.remove_vrf(now, VrfId(1)).unwrap();
    world.settle();
    assert!(held(&world, b).is_empty());
    assert!(held(&world, rr).contains(&"10.0.1.0/24".to_string()), "its own client is told that it wants it");
}

/// RFC 4684 §3.2: two clusters whose reflectors are not each other's clients.
#[test]
fn membership_crosses_clusters_both_ways() {
    let mut world = World::default();
    let [rr1, rr2] = [200, 201].map(|id| world.node(AS, id, v4(id)));
    world.link(rr1, rr2, |_, peer| constrained(peer));
    let pes: Vec<usize> = (1..=4).map(|id| world.node(AS, id, v4(id))).collect();
    for (pe, rr) in pes.iter().zip([rr1, rr1, rr2, rr2]) {
        client(&mut world, *pe, rr);
        vpn_site(&mut world, *pe, 1);
    }
    vpn_site(&mut world, pes[0], 2);
    vpn_site(&mut world, pes[3], 2);
    vpn_site(&mut world, pes[1], 3);
    world.reach_all();
    world.run(Duration::from_secs(5));
    let all_of = |pe: usize, vpns: &[u16]| {
        let mut all: Vec<String> = Vec::new();
        for vpn in vpns {
            let with: &[usize] = if *vpn == 1 { &pes } else { &[pes[0], pes[3]] };
            all.extend(with.iter().filter(|o| **o != pe).map(|o| format!("10.{o}.{vpn}.0/24")));
        }
        all.sort();
        all
    };
    assert_eq!(held(&world, pes[0]), all_of(pes[0], &[1, 2]));
    assert_eq!(held(&world, pes[1]), all_of(pes[1], &[1]));
    assert_eq!(held(&world, pes[2]), all_of(pes[2], &[1]));
    assert_eq!(held(&world, pes[3]), all_of(pes[3], &[1, 2]));
    // VPN 3 has one site: its route need not cross to the other cluster.
    assert!(!held(&world, rr2).iter().any(|p| p.ends_with(".3.0/24")));
    // Of two PEs of one cluster that want a target one goes: the other's membership still crosses.
    world.nodes[pes[2]].speaker.remove_vrf(world.now, VrfId(1)).unwrap();
    world.settle();
    assert!(held(&world, pes[3]).contains(&format!("10.{}.1.0/24", pes[0])));
    world.nodes[pes[3]].speaker.remove_vrf(world.now, VrfId(1)).unwrap();
    world.settle();
    assert!(!held(&world, rr2).contains(&format!("10.{}.1.0/24", pes[0])), "nobody there wants it");
}

#[test]
fn the_default_target_and_peers_without_constraint() {
    let mut world = World::default();
    let [a, old, rr] = [1, 2, 200].map(|id| world.node(AS, id, v4(id)));
    world.link(a, rr, |node, peer| {
        constrained(peer);
        if node == rr {
            peer.role = PeerRole::ReflectorClient;
            peer.families[0].default_target = true;
        }
    });
    // The other PE has no route target constraint: it is told all, and the reflector asks for all on its behalf.
    world.link(old, rr, |node, peer| {
        peer.families = vec![FamilyConfig::new(Family::VPN_IPV4)];
        if node == rr {
            peer.role = PeerRole::ReflectorClient;
        }
    });
    vpn_site(&mut world, a, 1);
    vpn_site(&mut world, a, 2);
    vpn_site(&mut world, old, 1);
    vpn_site(&mut world, old, 3);
    world.reach_all();
    world.run(Duration::from_secs(5));
    assert_eq!(held(&world, old), ["10.0.1.0/24", "10.0.2.0/24"]);
    assert_eq!(held(&world, a), ["10.1.1.0/24"]);
    let told = world.nodes[a].speaker.memberships();
    assert!(told.iter().any(|(m, s)| *m == RtMembership::DEFAULT && matches!(s, RouteSource::Peer(_))));
}

#[test]
fn ranges_of_targets_are_wanted_as_prefixes() {
    let mut world = World::default();
    let [a, b] = [1, 2].map(|id| world.node(AS, id, v4(id)));
    let (at_a, at_b) = world.link(a, b, |_, peer| constrained(peer));
    for vpn in 1..=5 {
        vpn_site(&mut world, a, vpn);
    }
    world.run(Duration::from_secs(5));
    assert!(held(&world, b).is_empty());
    // MP_REACH_NLRI of 1/132, next hop 192.0.2.2, one NLRI of `bits` bits of AS 65001 and target 65001:4.
    let nlri = [0, 0, 0xfd, 0xe9, 0, 2, 0xfd, 0xe9, 0, 0, 0, 4];
    let member = |bits: u8, withdraw: bool| {
        let octets = &nlri[..usize::from(bits.div_ceil(8))];
        let mut a = if withdraw { vec![] } else { vec![0x40, 1, 1, 0, 0x40, 2, 0, 0x40, 5, 4, 0, 0, 0, 100] };
        a.extend_from_slice(if withdraw { &[0x80, 15] } else { &[0x80, 14] });
        a.push(octets.len() as u8 + if withdraw { 4 } else { 10 });
        a.extend_from_slice(&[0, 1, 132]);
        if !withdraw {
            a.extend_from_slice(&[4, 192, 0, 2, 2, 0]);
        }
        a.push(bits);
        a.extend_from_slice(octets);
        update(&a, &[])
    };
    let mut after = |octets: &[u8]| {
        world.inject(a, at_a, octets);
        world.settle();
        held(&world, b).len()
    };
    assert_eq!(after(&member(96, false)), 1);
    // 94 bits: targets 65001:4 to 65001:7.
    assert_eq!(after(&member(94, false)), 2);
    assert_eq!(after(&member(94, true)), 1);
    // Any target of AS 65001; any at all.
    assert_eq!(after(&member(64, false)), 5);
    assert_eq!(after(&member(64, true)), 1);
    assert_eq!(after(&member(32, false)), 5);
    assert_eq!(after(&member(0, false)), 5);
    assert_eq!(after(&member(32, true)), 5);
    assert_eq!(after(&member(96, true)), 5);
    assert_eq!(after(&member(0, true)), 0);
    let _ = at_b;
}

/// RFC 4684 §6: VPN routes follow the peer's End-of-RIB of memberships, and do not wait for it for ever.
#[test]
fn vpn_routes_wait_for_memberships_at_most_a_minute() {
    let mut world = World::default();
    let [a, b] = [1, 2].map(|id| world.node(AS, id, v4(id)));
    // The far end takes and acknowledges, but cannot write UPDATEs.
    world.nodes[b].room = 0;
    let (at_a, _) = world.link(a, b, |_, peer| constrained(peer));
    vpn_site(&mut world, a, 1);
    world.run(Duration::from_secs(50));
    let eor = |world: &World| {
        let vpn = [0, 0, 0, 6, 0x80, 15, 3, 0, 1, 128];
        let sent = world.nodes[a].sent.iter().filter(|(p, _)| *p == at_a);
        sent.filter(|(_, octets)| octets.windows(vpn.len()).any(|w| w == vpn)).count()
    };
    assert_eq!((world.established(a), eor(&world)), (1, 0));
    world.run(Duration::from_secs(15));
    assert_eq!(eor(&world), 1);
    assert!(held(&world, b).is_empty(), "it wants nothing");
}

#[test]
fn membership_crosses_ases_with_option_b() {
    let mut world = World::default();
    let [pe1, a, b, pe2] =
        [(65001, 1), (65001, 2), (65002, 3), (65002, 4)].map(|(asn, id)| world.node(asn, id, v4(id)));
    for (x, y) in [(pe1, a), (a, b), (b, pe2)] {
        world.link(x, y, |node, peer| {
            constrained(peer);
            if node == a || node == b {
                peer.families[1].next_hop = bgp_vpn::session::NextHopRule::Own;
            }
        });
        world.reach(x, y);
        world.reach(y, x);
    }
    for vpn in [1, 2] {
        vpn_site(&mut world, pe1, vpn);
    }
    vpn_site(&mut world, pe2, 2);
    world.run(Duration::from_secs(5));
    assert_eq!(held(&world, b), ["10.0.2.0/24", "10.3.2.0/24"]);
    assert_eq!(world.send(pe2, 2, "10.0.2.1".parse().unwrap()), Delivery::Circuit(pe1, circuit_of(2, pe1)));
    assert_eq!(world.send(pe1, 2, "10.3.2.1".parse().unwrap()), Delivery::Circuit(pe2, circuit_of(2, pe2)));
    let origins: Vec<Option<u32>> = world.nodes[pe1].speaker.memberships().iter().map(|(m, _)| m.origin_as()).collect();
    assert!(origins.contains(&Some(65002)));
}

/// Shows: L3VPN-REF-8
#[test]
fn a_new_vrf_finds_the_thousand_pes_of_its_vpn_within_seconds() {
    const PES: u32 = 1000;
    let mut world = World::default();
    let rr = world.node(AS, 200, v4(200));
    let pes: Vec<usize> = (0..PES).map(|n| world.node_at(AS, Ipv4Addr::from_bits(0x0b00_0001 + n))).collect();
    let mut sessions = Vec::new();
    for (n, &pe) in pes.iter().enumerate() {
        sessions.push(client(&mut world, pe, rr).1);
        // Fifty VPNs of twenty sites.
        let vrf = n as u16 % 50 + 1;
        let rd = format!("65001:{}", 10_000 + n).parse().unwrap();
        let config = VrfConfig::new(VrfId(vrf), "vpn", rd, target(u32::from(vrf)).parse().unwrap());
        world.nodes[pe].speaker.add_vrf(world.now, config).unwrap();
        let prefix = fwd_core::net::Ipv4Prefix::from_bits(0x0a00_0000 + ((n as u32) << 8), 24).unwrap().into();
        let route = Some(bgp_vpn::speaker::LocalRoute::Local);
        world.input(pe, Input::Local { vrf: VrfId(vrf), prefix, route });
    }
    world.run(Duration::from_secs(5));
    assert_eq!(world.established(rr), PES as usize);
    let counters = |world: &World, peer| world.nodes[rr].speaker.peer_counters(peer).unwrap();
    let before: Vec<_> = sessions.iter().map(|peer| counters(&world, *peer)).collect();
    // A VRF of the first VPN comes at a PE of the second; those of the first are told of it, those of the others of nothing.
    let (new, start) = (pes[1], world.now);
    for &pe in &pes {
        world.reach(new, pe);
    }
    let config = VrfConfig::new(VrfId(3), "new", "65001:99".parse().unwrap(), target(1).parse().unwrap());
    world.nodes[new].speaker.add_vrf(start, config).unwrap();
    let prefix = "172.16.0.0/16".parse().unwrap();
    world.input(new, Input::Local { vrf: VrfId(3), prefix, route: Some(bgp_vpn::speaker::LocalRoute::Local) });
    let mut waited = Duration::ZERO;
    while world.nodes[new].speaker.vrf_stats(VrfId(3)).unwrap().routes <= PES / 50 && waited < Duration::from_secs(5) {
        world.run(Duration::from_millis(100));
        waited += Duration::from_millis(100);
    }
    assert!(waited < Duration::from_secs(5));
    for (n, (session, before)) in sessions.iter().zip(before).enumerate().skip(2) {
        let now = counters(&world, *session);
        let (sent, considered) = (now.updates_sent - before.updates_sent, now.considered - before.considered);
        assert_eq!((sent, considered), (u64::from(n % 50 == 0), u64::from(n % 50 == 0)), "PE {n}");
    }
}
