//! VPNs joined across two ASes by option AB: routes of all VPNs over one session (as RFC 4364 §10 b), packets of each over an interface of its
//! own (as §10 a).

use std::time::Duration;

use bgp_vpn::attr::Attributes;
use bgp_vpn::session::{FamilyConfig, NextHopRule, PeerConfig};
use bgp_vpn::speaker::{Input, LocalRoute, PeerId};
use bgp_vpn::vrf::{InterAsLink, LabelMode, VrfConfig};
use fwd_core::net::{IfIndex, NhlfeId, VrfId};
use fwd_core::op::{IlmAction, RouteAction};

use crate::overlap::{VPN, circuit_of};
use crate::world::{Delivery, World, v4};

/// VPNs 1 and 2 with the same addresses go on in the other AS; VPN 3 is on both sides, and does not.
struct Ab {
    world: World,
    pes: [usize; 2],
    asbrs: [usize; 2],
    session: (PeerId, PeerId),
}

/// The interface of a VRF at either ASBR to the other.
fn link(vrf: u16) -> u32 {
    700 + u32::from(vrf)
}

/// A VRF of `node`, in the AS of this number: each AS has route targets of its own and imports those of both.
fn vrf(node: usize, asn: u32, id: u16, mode: LabelMode) -> VrfConfig {
    let rd = format!("{asn}:{}", 100 * u32::from(id) + node as u32).parse().unwrap();
    let target = format!("{asn}:{id}").parse().unwrap();
    let mut config = VrfConfig::new(VrfId(id), &format!("vpn{id}"), rd, target);
    config.import = ["65001", "65002"].map(|a| format!("{a}:{id}").parse().unwrap()).to_vec();
    config.label_mode = mode;
    config
}

fn set_circuit(world: &mut World, node: usize, id: u16, number: u32, address: u8, prefixes: &[&str]) {
    world.circuit(node, id, number, v4(address));
    for prefix in prefixes {
        let route = Some(LocalRoute::Via(IfIndex(number)));
        world.input(node, Input::Local { vrf: VrfId(id), prefix: prefix.parse().unwrap(), route });
    }
}

fn option_ab(mode: LabelMode) -> Ab {
    let mut world = World::default();
    let ases = [65001, 65001, 65002, 65002];
    let [pe1, a, b, pe2] = std::array::from_fn(|n| world.node(ases[n], n as u8 + 1, v4(n as u8 + 1)));
    for (pe, asbr) in [(pe1, a), (pe2, b)] {
        world.link(pe, asbr, |_, peer| peer.families = VPN.map(FamilyConfig::new).to_vec());
        world.reach(pe, asbr);
        world.reach(asbr, pe);
    }
    for id in [1, 2, 3] {
        for (node, other) in [(a, b), (b, a)] {
            let mut config = vrf(node, ases[node], id, mode);
            if id != 3 {
                config.inter_as = vec![InterAsLink { peer: world.nodes[other].address, iface: IfIndex(link(id)) }];
            }
            world.nodes[node].speaker.add_vrf(world.now, config).unwrap();
            world.circuit(node, id, link(id), v4(100 + other as u8));
            world.wire(node, link(id), other, id);
        }
        for (pe, prefixes) in [(pe1, ["10.1.0.0/16", "fd01::/16"]), (pe2, ["10.2.0.0/16", "fd02::/16"])] {
            world.nodes[pe].speaker.add_vrf(world.now, vrf(pe, ases[pe], id, mode)).unwrap();
            set_circuit(&mut world, pe, id, circuit_of(id, pe), 99, &prefixes);
        }
    }
    let session = world.link(a, b, |_, peer| {
        peer.families = VPN.map(FamilyConfig::new).to_vec();
        peer.option_ab = true;
    });
    world.run(Duration::from_secs(5));
    Ab { world, pes: [pe1, pe2], asbrs: [a, b], session }
}

/// What of VPN `id` arrives on the far side, of four packets: both families, both ways.
fn arrived(ab: &Ab, id: u16) -> usize {
    let [pe1, pe2] = ab.pes;
    let ways = [(pe1, "10.2.0.1", pe2), (pe1, "fd02::1", pe2), (pe2, "10.1.0.1", pe1), (pe2, "fd01::1", pe1)];
    let sent = ways.map(|(from, to, pe)| (ab.world.send(from, id, to.parse().unwrap()), pe));
    assert!(sent.iter().all(|(d, pe)| [Delivery::Dropped, Delivery::Circuit(*pe, circuit_of(id, *pe))].contains(d)));
    sent.iter().filter(|(d, _)| *d != Delivery::Dropped).count()
}

/// The route distinguishers of the VPN routes that a router has of others.
fn learnt(world: &World, node: usize) -> Vec<String> {
    let routes = world.nodes[node].speaker.vpn_routes();
    let mut rds: Vec<String> =
        routes.iter().filter(|r| r.next_hop.is_some()).map(|r| r.rd.unwrap().to_string()).collect();
    rds.sort();
    rds.dedup();
    rds
}

#[test]
fn one_session_brings_the_routes_and_an_interface_for_each_vpn_the_packets() {
    for mode in [LabelMode::PerVrf, LabelMode::PerAttachmentCircuit, LabelMode::PerPrefix] {
        let ab = option_ab(mode);
        assert_eq!([1, 2, 3].map(|id| arrived(&ab, id)), [4, 4, 0], "{mode:?}");
        let (world, [a, b]) = (&ab.world, ab.asbrs);
        for node in [a, b] {
            // Packets cross without label: routes to the other AS leave by the interface itself, and no label leads to a label.
            for id in [1, 2] {
                let far = if node == a { "10.2.0.0/16" } else { "10.1.0.0/16" };
                let action = world.nodes[node].fib.routes[&(VrfId(id), far.parse().unwrap())];
                assert_eq!(action, RouteAction::Forward(NhlfeId(link(id))));
            }
            let into_tunnels = |action| matches!(action, IlmAction::Forward(id) if id.0 >= crate::world::FIRST_NHLFE);
            assert!(!world.nodes[node].fib.ilm.values().any(|ilm| into_tunnels(ilm.action)));
        }
        // Over the session come routes of the other ASBR's VRFs, not those of its PEs; and PEs have theirs of their own AS's routers only.
        assert_eq!(learnt(world, b), ["65001:101", "65001:201", "65002:103", "65002:203", "65002:303"]);
        assert_eq!(learnt(world, ab.pes[0]), ["65001:101", "65001:201"]);
    }
}

#[test]
fn routes_of_the_other_as_say_where_they_were_and_do_not_come_back() {
    let ab = option_ab(LabelMode::PerVrf);
    let [a, b] = ab.asbrs;
    let routes = ab.world.nodes[ab.pes[0]].speaker.vpn_routes();
    let far = routes.iter().filter(|r| r.next_hop.is_some()).collect::<Vec<_>>();
    assert_eq!(far.len(), 4, "two VPNs, two families");
    for route in far {
        assert_eq!(route.next_hop, Some(ab.world.nodes[a].address));
        let attributes = Attributes::of_canonical(&route.attributes);
        let path: Vec<u32> =
            attributes.as_path().unwrap().segments().flat_map(|s| s.asns().collect::<Vec<_>>()).collect();
        assert_eq!(path, [65002]);
    }
    for (node, peer) in [(a, ab.session.0), (b, ab.session.1)] {
        let counters = ab.world.nodes[node].speaker.peer_counters(peer).unwrap();
        assert_eq!((counters.announced, counters.looped), (4, 0), "the other AS's routes, once");
    }
}

#[test]
fn an_interface_that_fails_takes_its_vpn_along_and_no_other() {
    let mut ab = option_ab(LabelMode::PerVrf);
    let [a, _] = ab.asbrs;
    ab.world.input(a, Input::Circuit { iface: IfIndex(link(1)), circuit: None });
    ab.world.settle();
    // Only packets of the other direction, whose interface stands at the other end, arrive still.
    assert_eq!([1, 2].map(|id| arrived(&ab, id)), [2, 4]);
    assert_eq!(learnt(&ab.world, ab.pes[0]), ["65001:201"]);
    ab.world.circuit(a, 1, link(1), v4(102));
    ab.world.settle();
    assert_eq!([1, 2].map(|id| arrived(&ab, id)), [4, 4]);
    // A site goes, and comes back as one of the ASBR itself.
    let prefix = "10.2.0.0/16".parse().unwrap();
    ab.world.input(ab.pes[1], Input::Local { vrf: VrfId(1), prefix, route: None });
    ab.world.settle();
    assert_eq!([1, 2].map(|id| arrived(&ab, id)), [3, 4]);
    let b = ab.asbrs[1];
    set_circuit(&mut ab.world, b, 1, 900, 99, &["10.2.0.0/16"]);
    ab.world.settle();
    assert_eq!(ab.world.send(ab.pes[0], 1, "10.2.0.1".parse().unwrap()), Delivery::Circuit(b, 900));
    assert_eq!(ab.world.send(ab.pes[1], 1, "10.2.0.1".parse().unwrap()), Delivery::Circuit(b, 900));
    // A VRF goes: its VPN is told no more, and nothing of it is left on the other side.
    ab.world.nodes[b].speaker.remove_vrf(ab.world.now, VrfId(1)).unwrap();
    ab.world.settle();
    assert_eq!([1, 2].map(|id| arrived(&ab, id)), [0, 4]);
    assert_eq!(learnt(&ab.world, ab.pes[0]), ["65001:201"]);
    // The session goes with all that came by it.
    ab.world.nodes[a].speaker.remove_peer(ab.world.now, ab.session.0).unwrap();
    ab.world.settle();
    assert_eq!([1, 2].map(|id| arrived(&ab, id)), [0, 0]);
    assert_eq!(learnt(&ab.world, ab.pes[0]), Vec::<String>::new());
}

/// Beside an ASBR of option AB there may be one of option B: neither is told what is the other's.
#[test]
fn options_ab_and_b_stand_side_by_side() {
    let mut ab = option_ab(LabelMode::PerVrf);
    let (c, [a, _]) = (ab.world.node(65003, 9, v4(9)), ab.asbrs);
    ab.world.link(a, c, |_, peer| peer.families = VPN.map(FamilyConfig::new).to_vec());
    ab.world.reach(a, c);
    ab.world.reach(c, a);
    ab.world.nodes[c].speaker.add_vrf(ab.world.now, vrf(c, 65003, 1, LabelMode::PerVrf)).unwrap();
    set_circuit(&mut ab.world, c, 1, circuit_of(1, c), 99, &["10.3.0.0/16"]);
    ab.world.run(Duration::from_secs(5));
    // The PE's own routes with labels swapped, the other AS's as those of our VRF; never the ASBR of option AB's own.
    assert_eq!(learnt(&ab.world, c), ["65001:100", "65001:101", "65001:200", "65001:201", "65001:300"]);
    for (to, at) in [("10.1.0.1", ab.pes[0]), ("10.2.0.1", ab.pes[1])] {
        assert_eq!(ab.world.send(c, 1, to.parse().unwrap()), Delivery::Circuit(at, circuit_of(1, at)), "{to}");
    }
    assert!(!learnt(&ab.world, ab.asbrs[1]).contains(&"65003:104".to_string()));
    assert_eq!([1, 2].map(|id| arrived(&ab, id)), [4, 4]);
}

/// What another PE announces under the route distinguisher of our VRF is imported, but not passed on: both would be one route.
#[test]
fn a_route_under_our_own_route_distinguisher_stays_in_our_as() {
    let mut ab = option_ab(LabelMode::PerVrf);
    let ([pe1, pe2], [a, _]) = (ab.pes, ab.asbrs);
    let now = ab.world.now;
    ab.world.nodes[pe1].speaker.remove_vrf(now, VrfId(1)).unwrap();
    let rd = "65001:101".parse().unwrap();
    let config = VrfConfig { rd, ..vrf(pe1, 65001, 1, LabelMode::PerVrf) };
    ab.world.nodes[pe1].speaker.add_vrf(now, config).unwrap();
    set_circuit(&mut ab.world, pe1, 1, circuit_of(1, pe1), 99, &["10.1.0.0/16", "fd01::/16"]);
    ab.world.settle();
    let to = "10.1.0.1".parse().unwrap();
    assert_eq!(ab.world.send(a, 1, to), Delivery::Circuit(pe1, circuit_of(1, pe1)));
    assert_eq!([1, 2].map(|id| arrived(&ab, id)), [2, 4]);
    let prefix = "10.1.0.0/16".parse().unwrap();
    ab.world.input(pe1, Input::Local { vrf: VrfId(1), prefix, route: None });
    ab.world.settle();
    assert_eq!(ab.world.send(a, 1, to), Delivery::Dropped);
    // A site of the ASBR's own is told under it.
    set_circuit(&mut ab.world, a, 1, 900, 99, &["10.1.0.0/16"]);
    ab.world.settle();
    assert_eq!(ab.world.send(pe2, 1, to), Delivery::Circuit(a, 900));
}

#[test]
fn configurations_that_cannot_work_are_refused() {
    let mut world = World::default();
    let n = world.node(65001, 1, v4(1));
    let now = world.now;
    let speaker = &mut world.nodes[n].speaker;
    let mut config = vrf(n, 65001, 1, LabelMode::PerVrf);
    config.inter_as = vec![InterAsLink { peer: v4(2), iface: IfIndex(1) }; 2];
    let refused = |e: bgp_vpn::session::ConfigError| e.to_string().contains("inter_as");
    assert!(refused(speaker.add_vrf(now, config.clone()).unwrap_err()));
    config.inter_as.truncate(1);
    let inside = VrfConfig { customer_as: Some(64999), ..config.clone() };
    assert!(refused(speaker.add_vrf(now, inside).unwrap_err()));
    speaker.add_vrf(now, config).unwrap();
    let peer = |asn| PeerConfig { option_ab: true, ..PeerConfig::new(v4(2), v4(1), asn, &VPN) };
    assert!(speaker.add_peer(now, peer(65001)).unwrap_err().to_string().contains("option_ab"));
    let in_vrf = PeerConfig { vrf: VrfId(1), families: Vec::new(), ..peer(65002) };
    assert!(speaker.add_peer(now, in_vrf).unwrap_err().to_string().contains("option_ab"));
    let mut own = peer(65002);
    own.families.iter_mut().for_each(|f| f.next_hop = NextHopRule::Own);
    speaker.add_peer(now, own).unwrap();
}
