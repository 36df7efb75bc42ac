//! Policies of peers and VRFs, and topologies made of route targets: extranet, hub and spoke (RFC 4364 §4.3.5).

use std::collections::BTreeSet;
use std::time::Duration;

use bgp_vpn::attr::{Attributes, RouteTarget};
use bgp_vpn::nlri::Family;
use bgp_vpn::policy::{AsPathMatch, Match, Policy, PrefixRange, Set, Statement, Then};
use bgp_vpn::session::{Authentication, FamilyConfig};
use bgp_vpn::speaker::{Input, LocalRoute, PeerId};
use bgp_vpn::vrf::{LabelMode, VrfConfig};
use fwd_core::net::{LabelSpaceId, VrfId};

use crate::overlap::{AS, VPN, circuit_of, core, site};
use crate::world::{Delivery, World, v4};

fn range(prefix: &str, longest: u8) -> Match {
    let prefix: fwd_core::net::IpPrefix = prefix.parse().unwrap();
    Match::Prefix(vec![PrefixRange { prefix, lengths: prefix.bit_len()..=longest }])
}

fn statement(matches: Vec<Match>, sets: Vec<Set>, then: Then) -> Statement {
    Statement { matches, sets, then }
}

fn accept(statements: Vec<Statement>) -> Policy {
    Policy { statements, otherwise: Then::Accept }
}

fn target(text: &str) -> RouteTarget {
    text.parse().unwrap()
}

/// Two ASBRs of providers that trust each other by contract: routes of other VPNs than agreed on do not get in, and no label leads to
/// them.
///
/// Shows: L3VPN-SCN-4
#[test]
fn routes_of_targets_that_were_not_agreed_on_do_not_cross() {
    let mut world = World::default();
    let [pe, a, b] = [(65001, 1), (65001, 2), (65002, 3)].map(|(asn, id)| world.node(asn, id, v4(id)));
    world.link(pe, a, |_, peer| peer.families = vec![FamilyConfig::new(Family::VPN_IPV4)]);
    let agreed = Policy {
        statements: vec![statement(
            vec![Match::RouteTarget(vec![target("65001:1")])],
            vec![Set::RemoveRouteTargets, Set::AddExtCommunity(target("65002:501").community())],
            Then::Accept,
        )],
        otherwise: Then::Reject,
    };
    world.link(a, b, |node, peer| {
        peer.families = vec![FamilyConfig::new(Family::VPN_IPV4)];
        if node == b {
            peer.import = agreed.clone();
        }
    });
    for (x, y) in [(pe, a), (a, pe), (a, b), (b, a)] {
        world.reach(x, y);
    }
    for vpn in [1, 2] {
        let t = format!("65001:{vpn}");
        site(&mut world, pe, vpn, (&[&t], &[&t]), LabelMode::PerVrf, &[&format!("10.{vpn}.0.0/16")]);
    }
    world.run(Duration::from_secs(5));
    let routes = world.nodes[b].speaker.vpn_routes();
    assert_eq!(routes.iter().map(|r| r.prefix.to_string()).collect::<Vec<_>>(), ["10.1.0.0/16"]);
    assert_eq!(routes[0].targets, [target("65002:501")]);
    assert_eq!(world.nodes[a].speaker.vpn_routes().len(), 2);
}

/// The interface to the other provider takes the labels that it was told: not those of VPNs that it has no contract for.
///
/// Shows: L3VPN-SCN-4
#[test]
fn a_neighbour_by_contract_can_use_the_labels_it_was_told_and_no_others() {
    let mut world = World::default();
    let [pe, a, b] = [(65001, 1), (65001, 2), (65002, 3)].map(|(asn, id)| world.node(asn, id, v4(id)));
    let both = |peer: &mut bgp_vpn::session::PeerConfig| peer.families = VPN.map(FamilyConfig::new).to_vec();
    world.link(pe, a, |_, peer| both(peer));
    let told = accept_only("65001:1");
    let (to_b, _) = world.link(a, b, |node, peer| {
        both(peer);
        if node == a {
            peer.export = told.clone();
            peer.label_space = Some(LabelSpaceId(7));
        }
    });
    for (x, y) in [(pe, a), (a, pe), (a, b), (b, a)] {
        world.reach(x, y);
    }
    for vpn in [1, 2] {
        let t = format!("65001:{vpn}");
        let prefixes = [format!("10.{vpn}.0.0/16"), format!("10.{vpn}.0.0/24"), format!("fd0{vpn}::/16")];
        let prefixes: Vec<&str> = prefixes.iter().map(String::as_str).collect();
        site(&mut world, pe, vpn, (&[&t], &[&t]), LabelMode::PerVrf, &prefixes);
    }
    world.run(Duration::from_secs(5));
    // The labels that b holds routes with, and what they lead to: the same as for everybody.
    let agrees = |world: &World| {
        let held = world.nodes[b].speaker.vpn_routes();
        let told: BTreeSet<_> = held.iter().map(|r| (LabelSpaceId(7), r.labels.as_slice()[0])).collect();
        let fib = &world.nodes[a].fib;
        assert_eq!(fib.spaces.keys().copied().collect::<BTreeSet<_>>(), told);
        assert!(fib.spaces.iter().all(|((_, label), ilm)| fib.ilm.get(label) == Some(ilm)));
        told.len()
    };
    assert_eq!(agrees(&world), 1);
    assert_eq!(world.nodes[a].fib.ilm.len(), 2, "the other VPN's label works for others");
    // Some of the routes go: the label stays; all of them: it goes after b was told.
    let local = |world: &mut World, prefix: &str, on: bool| {
        let route = on.then_some(LocalRoute::Via(fwd_core::net::IfIndex(circuit_of(1, pe))));
        world.input(pe, Input::Local { vrf: VrfId(1), prefix: prefix.parse().unwrap(), route });
        world.run(Duration::from_secs(1));
    };
    local(&mut world, "10.1.0.0/16", false);
    assert_eq!(agrees(&world), 1);
    local(&mut world, "10.1.0.0/24", false);
    local(&mut world, "fd01::/16", false);
    assert_eq!(agrees(&world), 0);
    local(&mut world, "10.1.0.0/16", true);
    assert_eq!(agrees(&world), 1);
    // The contract ends, and comes back; the session ends.
    let config = world.nodes[a].speaker.peer_config(to_b).unwrap().clone();
    for target in ["65001:9", "65001:1"] {
        let now = world.now;
        world.nodes[a].speaker.set_peer_policies(now, to_b, config.import.clone(), accept_only(target)).unwrap();
        world.run(Duration::from_secs(1));
        assert_eq!(agrees(&world), usize::from(target == "65001:1"));
    }
    world.set_cut(a, to_b, true);
    world.reset_connection(a, to_b);
    assert!(world.nodes[a].fib.spaces.is_empty());
}

fn accept_only(text: &str) -> Policy {
    let agreed = statement(vec![Match::RouteTarget(vec![target(text)])], vec![], Then::Accept);
    Policy { statements: vec![agreed], otherwise: Then::Reject }
}

/// A PE with two CEs of its VRF 1; the first originates prefixes.
fn two_ces(prefixes: &[&str]) -> (World, usize, [usize; 2], [PeerId; 2]) {
    let (mut world, pes, _) = core(1, 1);
    let pe = pes[0];
    site(&mut world, pe, 1, (&["65001:1"], &["65001:1"]), LabelMode::PerVrf, &[]);
    let mut ces = Vec::new();
    for (n, asn) in [(50, 65010), (51, 65020)] {
        let ce = world.node(asn, n, v4(n));
        world.circuit(pe, 1, circuit_of(1, pe) + u32::from(n), v4(n));
        let (side, _) = world.link(pe, ce, |node, peer| {
            peer.families = vec![FamilyConfig::new(Family::IPV4_UNICAST)];
            if node == pe {
                peer.vrf = VrfId(1);
            }
        });
        ces.push((ce, side));
    }
    for prefix in prefixes {
        let prefix = prefix.parse().unwrap();
        world.input(ces[0].0, Input::Local { vrf: VrfId::GLOBAL, prefix, route: Some(LocalRoute::Local) });
    }
    world.run(Duration::from_secs(5));
    (world, pe, [ces[0].0, ces[1].0], [ces[0].1, ces[1].1])
}

fn learnt(world: &World, node: usize) -> Vec<String> {
    let routes = world.nodes[node].speaker.vrf_routes(VrfId::GLOBAL);
    let mut all: Vec<String> = routes.iter().map(|r| r.prefix.to_string()).collect();
    all.sort();
    all
}

#[test]
fn policies_of_a_peer_change_what_it_is_told_at_once_and_what_it_told_by_refresh() {
    let (mut world, pe, [a, b], [from_a, to_b]) = two_ces(&["10.1.0.0/16", "10.2.0.0/16", "10.2.3.0/24"]);
    assert_eq!(learnt(&world, b), ["10.1.0.0/16", "10.2.0.0/16", "10.2.3.0/24"]);
    let now = world.now;
    // Towards the other CE: nothing longer than /16, one route prepended.
    let export = accept(vec![
        statement(
            vec![range("10.1.0.0/16", 16)],
            vec![Set::Prepend { asn: None, times: 2 }, Set::Med(Some(7))],
            Then::Accept,
        ),
        statement(vec![range("10.0.0.0/8", 16)], vec![], Then::Accept),
        statement(vec![], vec![], Then::Reject),
    ]);
    world.nodes[pe].speaker.set_peer_policies(now, to_b, Policy::default(), export).unwrap();
    world.settle();
    assert_eq!(learnt(&world, b), ["10.1.0.0/16", "10.2.0.0/16"]);
    let of = |world: &World, node: usize, vrf: VrfId, prefix: &str| {
        let routes = world.nodes[node].speaker.vrf_routes(vrf);
        routes.into_iter().find(|r| r.prefix.to_string() == prefix).unwrap().attributes
    };
    let octets = of(&world, b, VrfId::GLOBAL, "10.1.0.0/16");
    let attributes = Attributes::of_canonical(&octets);
    assert_eq!((attributes.as_path().unwrap().hop_count(), attributes.med()), (4, Some(7)));
    let octets = of(&world, b, VrfId::GLOBAL, "10.2.0.0/16");
    assert_eq!(Attributes::of_canonical(&octets).as_path().unwrap().hop_count(), 2);
    // What the first CE told is asked for again: one route is refused, one preferred.
    let import = accept(vec![
        statement(vec![range("10.2.0.0/16", 16)], vec![], Then::Reject),
        statement(vec![Match::AsPath(AsPathMatch::From(65010))], vec![Set::LocalPref(250)], Then::Accept),
    ]);
    world.nodes[pe].speaker.set_peer_policies(now, from_a, import, Policy::default()).unwrap();
    world.settle();
    assert_eq!(learnt(&world, b), ["10.1.0.0/16"]);
    let octets = of(&world, pe, VrfId(1), "10.2.3.0/24");
    assert_eq!(Attributes::of_canonical(&octets).local_pref(), Some(250));
    // And everything is back without them.
    for peer in [from_a, to_b] {
        world.nodes[pe].speaker.set_peer_policies(now, peer, Policy::default(), Policy::default()).unwrap();
    }
    world.settle();
    assert_eq!(learnt(&world, b), ["10.1.0.0/16", "10.2.0.0/16", "10.2.3.0/24"]);
    assert_eq!(world.nodes[a].speaker.session_counters(PeerId(0)).unwrap().received.refreshes, 2);
}

/// Servers of one VPN for the members of others: one prefix carries a second route target (RFC 4364 §4.3.5).
#[test]
fn an_extranet_shares_the_routes_that_its_export_policy_marks() {
    let (mut world, pes, _) = core(2, 1);
    let extranet = target("65001:99");
    site(
        &mut world,
        pes[0],
        1,
        (&["65001:1", "65001:98"], &["65001:1"]),
        LabelMode::PerVrf,
        &["10.1.0.0/16", "10.1.9.0/24"],
    );
    site(
        &mut world,
        pes[1],
        2,
        (&["65001:2", "65001:99"], &["65001:2", "65001:98"]),
        LabelMode::PerVrf,
        &["10.2.0.0/16"],
    );
    world.reach_all();
    let mark = accept(vec![statement(
        vec![range("10.1.9.0/24", 24)],
        vec![Set::AddExtCommunity(extranet.community())],
        Then::Accept,
    )]);
    world.nodes[pes[0]].speaker.set_vrf_policies(world.now, VrfId(1), Policy::default(), mark).unwrap();
    world.run(Duration::from_secs(5));
    let to = |world: &World, pe: usize, vrf: u16, address: &str| world.send(pe, vrf, address.parse().unwrap());
    assert_eq!(to(&world, pes[1], 2, "10.1.9.1"), Delivery::Circuit(pes[0], circuit_of(1, pes[0])));
    assert_eq!(to(&world, pes[1], 2, "10.1.0.1"), Delivery::Dropped);
    assert_eq!(to(&world, pes[0], 1, "10.2.0.1"), Delivery::Circuit(pes[1], circuit_of(2, pes[1])));
    // The other VPN takes it no more, by a policy of its own.
    let refuse = accept(vec![statement(vec![Match::RouteTarget(vec![extranet])], vec![], Then::Reject)]);
    world.nodes[pes[1]].speaker.set_vrf_policies(world.now, VrfId(2), refuse, Policy::default()).unwrap();
    world.settle();
    assert_eq!(to(&world, pes[1], 2, "10.1.9.1"), Delivery::Dropped);
    world.nodes[pes[1]].speaker.set_vrf_policies(world.now, VrfId(2), Policy::default(), Policy::default()).unwrap();
    world.settle();
    assert_eq!(to(&world, pes[1], 2, "10.1.9.1"), Delivery::Circuit(pes[0], circuit_of(1, pes[0])));
}

/// Traffic between spokes passes the hub's CE: two VRFs at the hub, one for each direction (RFC 4364 §4.3.5).
#[test]
fn spokes_reach_each_other_through_the_hub_alone() {
    let mut world = World::default();
    let pes: Vec<usize> = (1..=3).map(|i| world.node(AS, i, v4(i))).collect();
    let rr = world.node(AS, 200, v4(200));
    for &pe in &pes {
        world.link(pe, rr, |node, peer| {
            peer.families = vec![FamilyConfig::new(Family::VPN_IPV4)];
            // What the hub's CE tells has passed this AS before.
            peer.allow_own_as = 1;
            if node == rr {
                peer.role = bgp_vpn::session::PeerRole::ReflectorClient;
            }
        });
    }
    let (spoke, hub): (&[&str], &[&str]) = (&["65001:10"], &["65001:20"]);
    site(&mut world, pes[0], 1, (hub, spoke), LabelMode::PerVrf, &["10.1.0.0/16"]);
    site(&mut world, pes[1], 1, (hub, spoke), LabelMode::PerVrf, &["10.2.0.0/16"]);
    // The hub: VRF 1 takes the spokes' routes to the CE, VRF 2 the CE's to the spokes.
    let target = |list: &[&str]| list.iter().map(|t| t.parse().unwrap()).collect::<Vec<RouteTarget>>();
    for (vrf, import, export) in [(1, spoke, &["65001:30"][..]), (2, &["65001:30"][..], hub)] {
        let rd = format!("65001:{}", 900 + vrf).parse().unwrap();
        let mut config = VrfConfig::new(VrfId(vrf), &format!("hub{vrf}"), rd, target(import)[0]);
        config.export = target(export);
        world.nodes[pes[2]].speaker.add_vrf(world.now, config).unwrap();
    }
    let ce = world.node(65010, 60, v4(60));
    let ce2 = world.node(65010, 61, v4(61));
    for (vrf, node) in [(1, ce), (2, ce2)] {
        let address = world.nodes[node].address;
        world.circuit(pes[2], vrf, 800 + u32::from(vrf), address);
        world.link(pes[2], node, |n, peer| {
            peer.families = vec![FamilyConfig::new(Family::IPV4_UNICAST)];
            if n == pes[2] {
                (peer.vrf, peer.allow_own_as) = (VrfId(vrf), 1);
            }
        });
    }
    // The CE is one router: what it learns by one session it tells by the other.
    world.link(ce, ce2, |_, peer| {
        peer.families = vec![FamilyConfig::new(Family::IPV4_UNICAST)];
        peer.families[0].next_hop = bgp_vpn::session::NextHopRule::Own;
    });
    world.reach_all();
    world.run(Duration::from_secs(5));
    // From spoke to spoke: to the hub's PE and out to its CE, by the circuit of the second VRF.
    for (from, to) in [(pes[0], "10.2.0.1"), (pes[1], "10.1.0.1")] {
        assert_eq!(world.send(from, 1, to.parse().unwrap()), Delivery::Circuit(pes[2], 802), "{to}");
    }
    // From the hub's CE on, by the first VRF, it goes to the spoke.
    assert_eq!(world.send(pes[2], 1, "10.2.0.1".parse().unwrap()), Delivery::Circuit(pes[1], circuit_of(1, pes[1])));
}

/// Two providers' ASBRs agreed on TCP-AO. Without the key, or with another, the session never comes up and nothing crosses, however long it is
/// tried; with the key it does.
///
/// Shows: L3VPN-SCN-4
#[test]
fn a_session_without_the_key_never_comes_up() {
    let ao = |key: &str, id| Some(Authentication::Ao { key: key.as_bytes().to_vec(), id });
    let md5 = Some(Authentication::Md5(b"agreed".to_vec()));
    let cases =
        [(None, false), (ao("guessed", 1), false), (ao("agreed", 2), false), (md5, false), (ao("agreed", 1), true)];
    for (theirs, comes_up) in cases {
        let mut world = World::default();
        let [a, b] = [(65001, 1), (65002, 2)].map(|(asn, id)| world.node(asn, id, v4(id)));
        let (to_b, to_a) = world.link(a, b, |node, peer| {
            peer.families = vec![FamilyConfig::new(Family::VPN_IPV4)];
            peer.protection.authentication = if node == a { ao("agreed", 1) } else { theirs.clone() };
        });
        for (node, n) in [(a, 1), (b, 2)] {
            site(&mut world, node, 1, (&["65001:1"], &["65001:1"]), LabelMode::PerVrf, &[&format!("10.{n}.0.0/16")]);
        }
        world.reach(a, b);
        world.reach(b, a);
        world.run(Duration::from_secs(3600));
        assert_eq!([world.established(a), world.established(b)], [usize::from(comes_up); 2], "{theirs:?}");
        let learnt =
            |node: usize| world.nodes[node].speaker.vpn_routes().iter().filter(|r| r.next_hop.is_some()).count();
        assert_eq!([learnt(a), learnt(b)], [usize::from(comes_up); 2]);
        let said = |node: usize, peer| world.nodes[node].sent.iter().any(|(to, _)| *to == peer);
        assert_eq!([said(a, to_b), said(b, to_a)], [comes_up; 2], "not even OPEN");
    }
}
