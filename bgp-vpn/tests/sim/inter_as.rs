//! VPNs across autonomous systems (RFC 4364 §10) and carriers of carriers (§9).

use std::time::Duration;

use bgp_vpn::nlri::Family;
use bgp_vpn::session::{FamilyConfig, NextHopRule, PeerRole};
use bgp_vpn::speaker::{Input, LabeledRoute, LocalRoute};
use bgp_vpn::vrf::{LabelMode, VrfConfig};
use fwd_core::net::{IpPrefix, Ipv4Prefix, Label, LabelSpaceId, NhlfeId, VrfId};
use fwd_core::op::{Ilm, IlmAction, NextHop};

use crate::overlap::{VPN, circuit_of, site};
use crate::world::{Delivery, World, v4};

const T: (&[&str], &[&str]) = (&["65001:1"], &["65001:1"]);

/// A node of an AS whose identifier and address are its number plus one.
fn node(world: &mut World, asn: u32) -> usize {
    let id = world.nodes.len() as u8 + 1;
    world.node(asn, id, v4(id))
}

/// A session for VPN routes; `own`: the first of the two tells itself as next hop.
fn vpn_session(world: &mut World, a: usize, b: usize, own: bool) {
    world.link(a, b, |node, peer| {
        peer.families = VPN.map(FamilyConfig::new).to_vec();
        if own && node == a {
            peer.families.iter_mut().for_each(|f| f.next_hop = NextHopRule::Own);
        }
    });
    world.reach(a, b);
    world.reach(b, a);
}

fn loopback(world: &World, node: usize) -> IpPrefix {
    let std::net::IpAddr::V4(address) = world.nodes[node].address else { unreachable!() };
    Ipv4Prefix::from_bits(address.to_bits(), 32).unwrap().into()
}

fn reaches(world: &World, from: usize, to: &str, pe: usize) -> bool {
    world.send(from, 1, to.parse().unwrap()) == Delivery::Circuit(pe, circuit_of(1, pe))
}

/// PE, ASBR = ASBR, ASBR = ASBR, PE: three ASes, VPN routes from ASBR to ASBR.
struct OptionB {
    world: World,
    pes: [usize; 2],
    asbrs: [usize; 4],
}

/// `own`: the ASBRs tell their own AS themselves as next hop; else the other AS's ASBR is reached from there.
fn option_b(own: bool) -> OptionB {
    let mut world = World::default();
    let [pe1, a1, b1, b2, c1, pe2] = [65001, 65001, 65002, 65002, 65003, 65003].map(|asn| node(&mut world, asn));
    vpn_session(&mut world, a1, pe1, own);
    vpn_session(&mut world, a1, b1, false);
    world.link(b1, b2, |_, peer| {
        peer.families = VPN.map(FamilyConfig::new).to_vec();
        if own {
            peer.families.iter_mut().for_each(|f| f.next_hop = NextHopRule::Own);
        }
    });
    vpn_session(&mut world, b2, c1, false);
    vpn_session(&mut world, c1, pe2, own);
    for (from, to) in [(b1, b2), (b2, b1), (pe1, b1), (b2, a1), (b1, c1), (pe2, b2)] {
        world.reach(from, to);
    }
    site(&mut world, pe1, 1, T, LabelMode::PerVrf, &["10.1.0.0/16", "fd01::/16"]);
    site(&mut world, pe2, 1, T, LabelMode::PerVrf, &["10.2.0.0/16", "10.3.0.0/16", "fd02::/16"]);
    world.run(Duration::from_secs(5));
    OptionB { world, pes: [pe1, pe2], asbrs: [a1, b1, b2, c1] }
}

fn swaps(world: &World, node: usize) -> usize {
    world.nodes[node].fib.ilm.values().filter(|ilm| matches!(ilm.action, IlmAction::Forward(_))).count()
}

/// ASBRs on one subnet tell each other their link-local addresses beside the global ones (RFC 4659 §8, §3.2.1.1).
///
/// Shows: L3VPN-FEA-5
#[test]
fn asbrs_that_share_a_subnet_tell_both_next_hops() {
    let mut world = World::default();
    let v6 = |n: u16| std::net::Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, n);
    let local = |n: u16| std::net::Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, n);
    let nodes = [65001, 65001, 65002, 65002];
    let [pe1, a, b, pe2] = std::array::from_fn(|n| world.node(nodes[n], n as u8 + 1, v6(n as u16 + 1).into()));
    for (from, to) in [(a, pe1), (b, pe2), (a, b)] {
        world.link(from, to, |node, peer| {
            peer.families = VPN.map(FamilyConfig::new).to_vec();
            for family in &mut peer.families {
                family.extended_next_hop = family.family == Family::VPN_IPV4;
                family.next_hop = NextHopRule::Own;
            }
            peer.link_local = ([from, to] == [a, b]).then(|| local(node as u16 + 1));
        });
        world.reach(from, to);
        world.reach(to, from);
    }
    site(&mut world, pe1, 1, T, LabelMode::PerVrf, &["10.1.0.0/16", "fd01::/16"]);
    site(&mut world, pe2, 1, T, LabelMode::PerVrf, &["10.2.0.0/16", "fd02::/16"]);
    world.run(Duration::from_secs(5));
    for (from, to, pe) in [(pe1, "10.2.0.1", pe2), (pe1, "fd02::1", pe2), (pe2, "10.1.0.1", pe1), (pe2, "fd01::1", pe1)]
    {
        assert!(reaches(&world, from, to, pe), "{from} {to}");
    }
    let told = |node: usize, octets: &[u8]| {
        world.nodes[node].sent.iter().filter(|(_, sent)| sent.windows(octets.len()).any(|w| w == octets)).count()
    };
    for node in [a, b] {
        let n = node as u16 + 1;
        let both = [&[0, 2, 128, 48][..], &[0; 8], &v6(n).octets(), &[0; 8], &local(n).octets()].concat();
        assert!(told(node, &both) > 0, "VPN-IPv6 to the other AS");
        // Within the AS there is no subnet that all share.
        let global = [&[0, 2, 128, 24][..], &[0; 8], &v6(n).octets()].concat();
        assert!(told(node, &global) > 0, "VPN-IPv6 to our own AS");
    }
}

/// Shows: L3VPN-SCN-3
#[test]
fn option_b_swaps_labels_at_every_asbr_that_is_a_next_hop() {
    for own in [true, false] {
        let OptionB { world, pes: [pe1, pe2], asbrs } = option_b(own);
        for (from, to, pe) in
            [(pe1, "10.2.0.1", pe2), (pe1, "fd02::1", pe2), (pe2, "10.1.0.1", pe1), (pe2, "fd01::1", pe1)]
        {
            assert!(reaches(&world, from, to, pe), "{to} with next-hop-self {own}");
        }
        // PE 2 has one label for all its routes: an ASBR needs one for them, whatever their number and family.
        let both_ways = if own { [2, 2, 2, 2] } else { [1, 1, 1, 1] };
        assert_eq!(asbrs.map(|a| swaps(&world, a)), both_ways, "next-hop-self {own}");
        // The VPN's addresses mean nothing outside the VRFs.
        assert!(asbrs.iter().all(|a| world.nodes[*a].fib.routes.is_empty()));
    }
}

#[test]
fn option_b_keeps_a_label_for_as_long_as_the_other_as_may_use_it() {
    let OptionB { mut world, pes: [pe1, pe2], asbrs: [a1, b1, b2, c1] } = option_b(true);
    // One of two routes with one label goes: the label stays.
    let route = |world: &mut World, prefix: &str, up: bool| {
        let route = up.then_some(LocalRoute::Via(fwd_core::net::IfIndex(circuit_of(1, pe2))));
        let prefix = prefix.parse().unwrap();
        world.input(pe2, Input::Local { vrf: VrfId(1), prefix, route });
        world.settle();
    };
    route(&mut world, "10.3.0.0/16", false);
    assert!(reaches(&world, pe1, "10.2.0.1", pe2) && swaps(&world, b2) == 2);
    // The ASBR cannot write to its neighbour any more: what the neighbour still sends with the old label arrives.
    let peer = world.nodes[b1].speaker.peer_by_address(VrfId::GLOBAL, world.nodes[a1].address).unwrap();
    world.nodes[b1].room = 0;
    for side in [bgp_vpn::speaker::Side::Outgoing, bgp_vpn::speaker::Side::Incoming] {
        world.input(b1, Input::Writable { peer, side, room: 0 });
    }
    route(&mut world, "10.2.0.0/16", false);
    route(&mut world, "fd02::/16", false);
    assert_eq!((swaps(&world, b2), swaps(&world, c1)), (1, 1));
    assert_eq!(swaps(&world, b1), 2, "the neighbour was not told");
    world.nodes[b1].room = 1 << 20;
    for side in [bgp_vpn::speaker::Side::Outgoing, bgp_vpn::speaker::Side::Incoming] {
        world.input(b1, Input::Writable { peer, side, room: 1 << 20 });
    }
    world.settle();
    assert_eq!((swaps(&world, b1), swaps(&world, a1)), (1, 1));
    route(&mut world, "10.2.0.0/16", true);
    assert!(reaches(&world, pe1, "10.2.0.1", pe2));
    assert!(!reaches(&world, pe1, "fd02::1", pe2));
}

#[test]
fn option_b_passes_on_only_what_it_can_forward() {
    let OptionB { mut world, pes: [pe1, pe2], asbrs: [a1, _, _, c1] } = option_b(true);
    // The ASBR loses its own PE: the other ASes lose its routes, and get them back.
    let address = world.nodes[pe2].address;
    world.input(c1, Input::NextHop { address, reach: None });
    world.settle();
    assert_eq!(world.send(pe1, 1, "10.2.0.1".parse().unwrap()), Delivery::Dropped);
    assert_eq!(world.nodes[a1].speaker.stats().vpn_routes, 2);
    world.reach(c1, pe2);
    world.settle();
    assert!(reaches(&world, pe1, "10.2.0.1", pe2));
    // A forwarding plane without room for the label: neither announced nor half done.
    let ilm: Vec<_> = world.nodes[c1].fib.ilm.iter().map(|(label, ilm)| (*label, *ilm)).collect();
    for (label, ilm) in ilm {
        world.input(c1, Input::Refused(fwd_core::op::FwdOp::SetIlm { label, ilm }));
    }
    world.settle();
    assert_eq!(world.send(pe1, 1, "10.2.0.1".parse().unwrap()), Delivery::Dropped);
    world.nodes[c1].speaker.retry_refused(world.now, VrfId::GLOBAL).unwrap();
    world.settle();
    assert!(reaches(&world, pe1, "10.2.0.1", pe2));
}

/// Shows: L3VPN-SCN-3
#[test]
fn option_a_needs_no_labels_between_the_ases() {
    let mut world = World::default();
    let [pe1, a, b, pe2] = [65001, 65001, 65002, 65002].map(|asn| node(&mut world, asn));
    for (pe, asbr) in [(pe1, a), (pe2, b)] {
        vpn_session(&mut world, pe, asbr, false);
    }
    site(&mut world, pe1, 1, T, LabelMode::PerVrf, &["10.1.0.0/16", "fd01::/16"]);
    site(&mut world, pe2, 1, T, LabelMode::PerVrf, &["10.2.0.0/16", "fd02::/16"]);
    for (asbr, other) in [(a, b), (b, a)] {
        site(&mut world, asbr, 1, T, LabelMode::PerVrf, &[]);
        let far = world.nodes[other].address;
        world.circuit(asbr, 1, 700, far);
        world.wire(asbr, 700, other, 1);
    }
    world.link(a, b, |_, peer| {
        peer.vrf = VrfId(1);
        peer.families = [Family::IPV4_UNICAST, Family::IPV6_UNICAST].map(FamilyConfig::new).to_vec();
    });
    world.run(Duration::from_secs(5));
    for (from, to, pe) in [(pe1, "10.2.0.1", pe2), (pe1, "fd02::1", pe2), (pe2, "10.1.0.1", pe1), (pe2, "fd01::1", pe1)]
    {
        assert!(reaches(&world, from, to, pe), "{to}");
    }
    assert_eq!([a, b].map(|n| swaps(&world, n)), [0, 0]);
}

/// Two ASes; reflectors exchange VPN routes over several hops, ASBRs labelled routes to the PEs.
fn option_c() -> (World, [usize; 2], [usize; 2]) {
    let mut world = World::default();
    let mut sides = Vec::new();
    for asn in [65001, 65002] {
        let [pe, asbr, rr] = [(); 3].map(|()| node(&mut world, asn));
        vpn_session(&mut world, pe, rr, false);
        world.link(pe, asbr, |n, peer| {
            peer.families = vec![FamilyConfig::new(Family::IPV4_LABELED_UNICAST)];
            if n == asbr {
                peer.families[0].next_hop = NextHopRule::Own;
            }
        });
        world.reach(pe, asbr);
        world.reach(asbr, pe);
        // The ASBR announces the PE, which it knows from its IGP.
        let prefix = loopback(&world, pe);
        let route = Some(LabeledRoute::Via(World::transport(pe)));
        world.input(asbr, Input::Labeled { prefix, route });
        sides.push([pe, asbr, rr]);
    }
    let [[pe1, a, rr1], [pe2, b, rr2]] = [sides[0], sides[1]];
    world.link(a, b, |_, peer| peer.families = vec![FamilyConfig::new(Family::IPV4_LABELED_UNICAST)]);
    world.reach(a, b);
    world.reach(b, a);
    world.link(rr1, rr2, |_, peer| {
        peer.families = VPN.map(FamilyConfig::new).to_vec();
        peer.families.iter_mut().for_each(|f| f.next_hop = NextHopRule::Unchanged);
    });
    site(&mut world, pe1, 1, T, LabelMode::PerVrf, &["10.1.0.0/16", "fd01::/16"]);
    site(&mut world, pe2, 1, T, LabelMode::PerVrf, &["10.2.0.0/16", "fd02::/16"]);
    world.run(Duration::from_secs(5));
    (world, [pe1, pe2], [a, b])
}

/// Shows: L3VPN-SCN-3
#[test]
fn option_c_keeps_vpn_labels_and_next_hops_and_switches_by_labelled_routes() {
    let (mut world, [pe1, pe2], [a, b]) = option_c();
    for (from, to, pe) in [(pe1, "10.2.0.1", pe2), (pe1, "fd02::1", pe2), (pe2, "10.1.0.1", pe1), (pe2, "fd01::1", pe1)]
    {
        assert!(reaches(&world, from, to, pe), "{to}");
    }
    // The VPN route is the far PE's own: its next hop and its label.
    let route = |world: &World| {
        let routes = world.nodes[pe1].speaker.vpn_routes();
        routes.into_iter().find(|r| r.prefix == "10.2.0.0/16".parse().unwrap())
    };
    let learnt = route(&world).unwrap();
    assert_eq!(learnt.next_hop, Some(world.nodes[pe2].address));
    let labels: Vec<Label> = world.nodes[pe2].fib.ilm.keys().copied().collect();
    assert_eq!(learnt.labels.as_slice(), labels);
    // ASBRs hold a label for each PE, none for a VPN.
    assert_eq!([a, b].map(|n| swaps(&world, n)), [2, 2]);
    assert!([a, b].iter().all(|n| world.nodes[*n].speaker.stats().vpn_routes == 0));
    // The labelled route goes and comes: so do the VPN's, whose next hop it leads to.
    let prefix = loopback(&world, pe2);
    world.input(b, Input::Labeled { prefix, route: None });
    world.settle();
    assert!(route(&world).is_some());
    assert_eq!(world.send(pe1, 1, "10.2.0.1".parse().unwrap()), Delivery::Dropped);
    assert!(
        world.nodes[pe1]
            .fib
            .routes
            .keys()
            .all(|(_, p)| p.to_string().contains("1.0.0/16") || p.to_string() == "fd01::/16")
    );
    world.input(b, Input::Labeled { prefix, route: Some(LabeledRoute::Via(World::transport(pe2))) });
    world.settle();
    assert!(reaches(&world, pe1, "10.2.0.1", pe2));
    // Where the IGP reaches the PE, it is used.
    world.reach(pe1, pe2);
    world.settle();
    assert!(reaches(&world, pe1, "10.2.0.1", pe2));
    let through = |world: &World| {
        world.nodes[pe1].fib.nhlfes.values().any(|n| n.next == fwd_core::op::NextHop::Nhlfe(World::transport(pe2)))
    };
    assert!(through(&world));
}

/// Shows: L3VPN-REF-4
#[test]
fn a_vpn_spans_two_hundred_ases() {
    const ASES: usize = 200;
    let mut world = World::default();
    let nodes: Vec<usize> = (0..ASES).map(|n| node(&mut world, 64_512 + n as u32)).collect();
    for pair in nodes.windows(2) {
        vpn_session(&mut world, pair[0], pair[1], false);
    }
    let (first, last) = (nodes[0], nodes[ASES - 1]);
    site(&mut world, first, 1, T, LabelMode::PerVrf, &["10.1.0.0/16"]);
    site(&mut world, last, 1, T, LabelMode::PerVrf, &["10.2.0.0/16"]);
    world.run(Duration::from_secs(5));
    assert!(reaches(&world, first, "10.2.0.1", last) && reaches(&world, last, "10.1.0.1", first));
    // The route passed every AS once and carries the path of all.
    let route = world.nodes[last].speaker.vpn_routes().into_iter().find(|r| r.prefix == "10.1.0.0/16".parse().unwrap());
    let path = bgp_vpn::attr::Attributes::of_canonical(&route.unwrap().attributes).as_path().unwrap().hop_count();
    assert_eq!(path as usize, ASES - 1);
    // One change: one UPDATE at each of the ASes in between.
    let before: Vec<usize> = nodes.iter().map(|n| world.nodes[*n].sent.len()).collect();
    let prefix = "10.1.0.0/16".parse().unwrap();
    world.input(first, Input::Local { vrf: VrfId(1), prefix, route: None });
    world.settle();
    assert_eq!(world.send(last, 1, "10.1.0.1".parse().unwrap()), Delivery::Dropped);
    let sent = nodes.iter().zip(before).map(|(n, before)| world.nodes[*n].sent.len() - before);
    assert_eq!(sent.collect::<Vec<_>>(), [vec![1; ASES - 1], vec![0]].concat());
}

/// A carrier of which `a` and `b` are PEs, whose customers `ce` are carriers with an AS of their own: labelled routes both ways.
fn carry(world: &mut World, pes: [usize; 2], vrf: u16, ces: [usize; 2], circuit: u32) {
    let name = format!("carrier{vrf}");
    for (pe, ce) in pes.into_iter().zip(ces) {
        let rd = format!("65001:{}", 10 * u32::from(vrf) + pe as u32).parse().unwrap();
        let target = format!("65001:{}", 1000 + u32::from(vrf)).parse().unwrap();
        let config = VrfConfig::new(VrfId(vrf), &name, rd, target);
        world.nodes[pe].speaker.add_vrf(world.now, config).unwrap();
        let address = world.nodes[ce].address;
        world.circuit(pe, vrf, circuit, address);
        world.wire(pe, circuit, ce, 0);
        world.link(pe, ce, |node, peer| {
            peer.families = vec![FamilyConfig::new(Family::IPV4_LABELED_UNICAST)];
            if node == pe {
                (peer.vrf, peer.as_override) = (VrfId(vrf), true);
            }
        });
        world.reach(ce, pe);
        let prefix = loopback(world, ce);
        world.input(ce, Input::Labeled { prefix, route: Some(LabeledRoute::Local) });
    }
}

/// Shows: L3VPN-REF-11
#[test]
fn carriers_carry_carriers_three_levels_deep() {
    let mut world = World::default();
    let [a1, a2, b1, b2, c1, c2] = [100, 100, 200, 200, 300, 300].map(|asn| node(&mut world, asn));
    // Each carrier's PEs exchange VPN routes; only the first carrier's reach each other by an IGP.
    for pair in [[a1, a2], [b1, b2], [c1, c2]] {
        world.link(pair[0], pair[1], |_, peer| peer.families = VPN.map(FamilyConfig::new).to_vec());
    }
    world.reach(a1, a2);
    world.reach(a2, a1);
    carry(&mut world, [a1, a2], 11, [b1, b2], 800);
    carry(&mut world, [b1, b2], 12, [c1, c2], 900);
    site(&mut world, c1, 1, T, LabelMode::PerVrf, &["10.1.0.0/16", "fd01::/16"]);
    site(&mut world, c2, 1, T, LabelMode::PerVrf, &["10.2.0.0/16", "fd02::/16"]);
    world.run(Duration::from_secs(5));
    for (from, to, pe) in [(c1, "10.2.0.1", c2), (c1, "fd02::1", c2), (c2, "10.1.0.1", c1), (c2, "fd01::1", c1)] {
        assert!(reaches(&world, from, to, pe), "{to}");
    }
    // What a carrier knows of its customers is where their PEs are, not who their customers are.
    let knows = |world: &World, node: usize, vrf: u16| {
        let routes = world.nodes[node].speaker.vrf_routes(VrfId(vrf));
        let mut all: Vec<String> = routes.iter().map(|r| r.prefix.to_string()).collect();
        all.sort();
        all
    };
    let both = |world: &World, x: usize, y: usize| {
        let mut all = [x, y].map(|n| loopback(world, n).to_string());
        all.sort();
        all
    };
    assert_eq!(knows(&world, a1, 11), both(&world, b1, b2));
    assert_eq!(knows(&world, b1, 12), both(&world, c1, c2));
    // At each hop every label of a CE's packet is one that the PE handed out: another goes nowhere.
    let handed: Vec<Label> = world.nodes[a1].fib.ilm.keys().copied().collect();
    let unknown = (16..).map(|l| Label::new(l).unwrap()).find(|l| !handed.contains(l)).unwrap();
    assert_eq!(world.label_switch(a1, &[unknown], "10.2.0.1".parse().unwrap()), Delivery::Dropped);
    // The lowest carrier's customer site goes: nothing is left of it anywhere, and the carriers above see no change.
    let ops = [a1, a2, b1, b2].map(|n| world.nodes[n].ops.len());
    let prefix = "10.2.0.0/16".parse().unwrap();
    world.input(c2, Input::Local { vrf: VrfId(1), prefix, route: None });
    world.settle();
    assert_eq!(world.send(c1, 1, "10.2.0.1".parse().unwrap()), Delivery::Dropped);
    assert_eq!([a1, a2, b1, b2].map(|n| world.nodes[n].ops.len()), ops);
    // The middle carrier's PE loses its customer: its labels go with the session.
    let ce = world.nodes[b2].speaker.peer_by_address(VrfId(12), world.nodes[c2].address).unwrap();
    world.nodes[b2].speaker.remove_peer(world.now, ce).unwrap();
    world.settle();
    assert_eq!(world.send(c1, 1, "fd02::1".parse().unwrap()), Delivery::Dropped);
    assert!(!knows(&world, b1, 12).contains(&loopback(&world, c2).to_string()));
}

/// Two CEs of a VRF that are carriers: what stands in the label space of a CE's interface is what the CE was told, and nothing that the other
/// one was told (RFC 4364 §9, §13.1; RFC 8277 §2). It follows routes that come and go, and goes with the session.
///
/// Shows: MVPN-CSC-3
#[test]
fn a_carrier_uses_the_labels_that_it_was_told_and_no_others() {
    let mut world = World::default();
    let [pe, x, y] = [100, 200, 300].map(|asn| node(&mut world, asn));
    let config = VrfConfig::new(VrfId(11), "carrier", "65001:11".parse().unwrap(), "65001:1011".parse().unwrap());
    world.nodes[pe].speaker.add_vrf(world.now, config).unwrap();
    let space = |ce: usize| LabelSpaceId(ce as u32);
    for (circuit, ce) in [(800, x), (801, y)] {
        let address = world.nodes[ce].address;
        world.circuit(pe, 11, circuit, address);
        world.wire(pe, circuit, ce, 0);
        world.link(pe, ce, |node, peer| {
            peer.families = vec![FamilyConfig::new(Family::IPV4_LABELED_UNICAST)];
            if node == pe {
                (peer.vrf, peer.as_override, peer.label_space) = (VrfId(11), true, Some(space(ce)));
            }
        });
        world.reach(ce, pe);
        let prefix = loopback(&world, ce);
        world.input(ce, Input::Labeled { prefix, route: Some(LabeledRoute::Local) });
    }
    world.run(Duration::from_secs(5));
    // The label map of each CE's interface: where its labels lead.
    let map = |world: &World, ce: usize| -> Vec<(Label, NextHop)> {
        let fib = &world.nodes[pe].fib;
        let own = fib.spaces.iter().filter(|((of, _), _)| *of == space(ce));
        let leads = |ilm: &Ilm| match ilm.action {
            IlmAction::Forward(entry) => fib.nhlfes[&entry].next,
            other => panic!("{other:?}"),
        };
        own.map(|((_, label), ilm)| (*label, leads(ilm))).collect()
    };
    let (of_x, of_y) = (map(&world, x), map(&world, y));
    // Each was told the way to the other, with a label of its own.
    let to = |circuit: u32| NextHop::Nhlfe(NhlfeId(circuit));
    assert_eq!((of_x.len(), of_x[0].1, of_y.len(), of_y[0].1), (1, to(801), 1, to(800)));
    assert_ne!(of_x[0].0, of_y[0].0);
    assert_eq!(world.nodes[pe].fib.ilm.len(), 2, "labels that no interface has a space for");
    let prefix = loopback(&world, y);
    world.input(y, Input::Labeled { prefix, route: None });
    world.run(Duration::from_secs(5));
    assert_eq!((map(&world, x), map(&world, y)), (vec![], of_y));
    let session = world.nodes[pe].speaker.peer_by_address(VrfId(11), world.nodes[y].address).unwrap();
    world.nodes[pe].speaker.remove_peer(world.now, session).unwrap();
    world.settle();
    assert!(world.nodes[pe].fib.spaces.is_empty());
}

#[test]
fn a_reflector_between_ases_keeps_labels_and_next_hops_for_its_clients() {
    let mut world = World::default();
    let [pe, rr, far] = [65001, 65001, 65002].map(|asn| node(&mut world, asn));
    world.link(pe, rr, |node, peer| {
        peer.families = VPN.map(FamilyConfig::new).to_vec();
        if node == rr {
            peer.role = PeerRole::ReflectorClient;
        }
    });
    world.link(rr, far, |_, peer| {
        peer.families = VPN.map(FamilyConfig::new).to_vec();
        peer.families.iter_mut().for_each(|f| f.next_hop = NextHopRule::Unchanged);
    });
    site(&mut world, pe, 1, T, LabelMode::PerVrf, &["10.1.0.0/16"]);
    world.run(Duration::from_secs(5));
    let routes = world.nodes[far].speaker.vpn_routes();
    assert_eq!(routes[0].next_hop, Some(world.nodes[pe].address));
    assert!(world.nodes[rr].fib.ilm.is_empty(), "it does not forward");
}
