//! Routes of both VPN families, both ways, with every router in every role.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::bird::{self, Bird};
use super::capture::Capture;
use super::frr::{self, Frr};
use super::gobgp::{self, GoBgp};
use super::net::{Net, Node};
use super::openbgpd::OpenBgpd;
use super::ours::{BOTH, Config, LABEL, Ours, Peer};
use super::route::{Route, Router};

/// A PE of ours with a VRF and one peer for both families.
fn our_pe(node: &Node, peer: &Node, rd: &'static str, routes: &'static [&'static str]) -> Ours {
    Ours::start(node, &Config { peers: vec![Peer::new(peer.v4)], vrf: Some((rd, routes)), ..Config::default() })
}

/// RFC 4659 §3.2.1.2: over an IPv4 core the next hop of a VPN-IPv6 route is an IPv4-mapped address; it is compared as IPv4.
fn expect(router: &dyn Router, rd: &str, prefix: &str, label: u64, next_hop: impl Into<IpAddr>) {
    router.expect(&Route::new(rd, prefix, label, next_hop));
}

/// Ends the capture in our node; everything we sent must be there, whole and well-formed.
pub fn expect_decoded(mut capture: Capture, ours: &Ours, node: &Node) {
    // Both counts are taken at an unknown moment between two keepalives: these may differ by those in flight.
    let sent = ours.sent();
    let decoded = capture.decode(node);
    assert!(decoded.malformed.is_empty(), "{}: {decoded:?}", capture.file().display());
    for kind in [1, 2, 3, 5] {
        assert_eq!(decoded.messages.get(&kind), sent.get(&kind), "type {kind}: tshark {decoded:?}, sent {sent:?}");
    }
    assert!(decoded.messages.get(&4) >= sent.get(&4) && sent.contains_key(&2), "tshark {decoded:?}, sent {sent:?}");
}

/// We are the route reflector; the PEs are FRR, GoBGP and ours.
///
/// Shows: L3VPN-8.1-1, L3VPN-8.1-5, L3VPN-8.1-11, L3VPN-8.2-4, L3VPN-8.2-5, L3VPN-8.2-6, L3VPN-8.3-4, L3VPN-8.3-5
#[test]
fn we_reflect_between_frr_gobgp_and_our_pe() {
    let mut net = Net::new();
    let (r, f, g, o) = (net.node(), net.node(), net.node(), net.node());
    let capture = Capture::start(&r);
    let peers = [&f, &g, &o].map(|n| Peer::client(n.v4)).to_vec();
    let reflector = Ours::start(&r, &Config { peers, ..Config::default() });
    let networks = vec![("65001:1".into(), "10.1.1.0/24".into(), 1001), ("65001:1".into(), "fd00:1::/48".into(), 1002)];
    let neighbor = frr::Neighbor { address: r.v4.into(), client: false, both_families: true, extended_next_hop: false };
    let frr = Frr::start(&f, &frr::Config { neighbors: vec![neighbor], networks, hold: 9, ..Default::default() });
    let neighbors = vec![gobgp::Neighbor { address: r.v4.into(), client: false, passive: false }];
    let config = gobgp::Config { neighbors, hold: 9, vrf: Some("65001:2".into()), ..Default::default() };
    let gobgp = GoBgp::start(&g, &config);
    gobgp.originate_in_vrf("10.2.2.0/24");
    gobgp.originate_in_vrf("fd00:2::/48");
    gobgp.originate(&Route::new("65001:2", "10.2.3.0/24", 2003, g.v4));
    let pe = our_pe(&o, &r, "65001:3", &["10.3.3.0/24", "fd00:3::/48"]);

    for router in [&reflector as &dyn Router, &gobgp, &pe] {
        expect(router, "65001:1", "10.1.1.0/24", 1001, f.v4);
        expect(router, "65001:1", "fd00:1::/48", 1002, f.v4);
    }
    for router in [&reflector as &dyn Router, &frr, &pe] {
        expect(router, "65001:2", "10.2.2.0/24", 0, g.v4);
        expect(router, "65001:2", "fd00:2::/48", 0, g.v4);
        expect(router, "65001:2", "10.2.3.0/24", 2003, g.v4);
    }
    for router in [&reflector as &dyn Router, &frr, &gobgp] {
        expect(router, "65001:3", "10.3.3.0/24", LABEL, o.v4);
        expect(router, "65001:3", "fd00:3::/48", LABEL, o.v4);
    }
    pe.expect_forwarding("10.1.1.0/24", 1001);
    pe.expect_forwarding("fd00:1::/48", 1002);
    pe.expect_forwarding("10.2.3.0/24", 2003);
    // RFC 4456 §8: the originator and our cluster stand on what we reflected.
    let shown = frr.show("show bgp ipv4 vpn rd 65001:2 10.2.3.0/24 json").unwrap();
    assert!(shown.contains(&format!("\"originatorId\":\"{}\"", g.v4)), "{shown}");
    assert!(shown.contains(&r.v4.to_string()), "{shown}");

    pe.ask("withdraw red 10.3.3.0/24");
    pe.ask("withdraw red fd00:3::/48");
    frr.expect_none("65001:3");
    gobgp.expect_none("65001:3");
    pe.ask("announce red 10.3.4.0/24");
    expect(&frr, "65001:3", "10.3.4.0/24", LABEL, o.v4);
    expect(&gobgp, "65001:3", "10.3.4.0/24", LABEL, o.v4);
    expect_decoded(capture, &reflector, &r);
}

/// FRR is the route reflector between two PEs of ours; VPN-IPv6 runs over sessions of its own, with IPv6 next hops.
///
/// Shows: L3VPN-8.3-4, L3VPN-8.3-5
#[test]
fn frr_reflects_between_our_pes() {
    let mut net = Net::new();
    let (f, a, b) = (net.node(), net.node(), net.node());
    let capture = Capture::start(&a);
    let neighbors = [a.address(false), a.address(true), b.address(false), b.address(true)]
        .map(|address| frr::Neighbor { address, client: true, both_families: false, extended_next_hop: false })
        .to_vec();
    let frr = Frr::start(&f, &frr::Config { neighbors, hold: 9, ..Default::default() });
    let peers = || vec![Peer::new(f.v4).families(&["vpn-ipv4"]), Peer::new(f.v6).families(&["vpn-ipv6"])];
    let pe = |node: &Node, rd, routes| {
        Ours::start(node, &Config { peers: peers(), vrf: Some((rd, routes)), ..Config::default() })
    };
    let pe_a = pe(&a, "65001:1", &["10.1.1.0/24", "fd00:1::/48"]);
    let pe_b = pe(&b, "65001:2", &["10.2.2.0/24", "fd00:2::/48"]);
    for (router, rd, v4, v6, node) in [
        (&frr as &dyn Router, "65001:1", "10.1.1.0/24", "fd00:1::/48", &a),
        (&pe_b, "65001:1", "10.1.1.0/24", "fd00:1::/48", &a),
        (&frr, "65001:2", "10.2.2.0/24", "fd00:2::/48", &b),
        (&pe_a, "65001:2", "10.2.2.0/24", "fd00:2::/48", &b),
    ] {
        expect(router, rd, v4, LABEL, node.v4);
        expect(router, rd, v6, LABEL, node.v6);
    }
    for prefix in ["10.2.2.0/24", "fd00:2::/48"] {
        pe_a.expect_forwarding(prefix, LABEL);
    }
    pe_b.ask("withdraw red 10.2.2.0/24");
    pe_b.ask("withdraw red fd00:2::/48");
    pe_a.expect_none("65001:2");
    expect_decoded(capture, &pe_a, &a);
}

/// GoBGP is the route reflector between two PEs of ours, both families on one session.
///
/// Shows: L3VPN-8.3-4, L3VPN-8.3-5
#[test]
fn gobgp_reflects_between_our_pes() {
    let mut net = Net::new();
    let (g, a, b) = (net.node(), net.node(), net.node());
    let capture = Capture::start(&a);
    let neighbors = [&a, &b].map(|n| gobgp::Neighbor { address: n.v4.into(), client: true, passive: false }).to_vec();
    let gobgp = GoBgp::start(&g, &gobgp::Config { neighbors, hold: 9, ..Default::default() });
    let pe_a = our_pe(&a, &g, "65001:1", &["10.1.1.0/24", "fd00:1::/48"]);
    let pe_b = our_pe(&b, &g, "65001:2", &["10.2.2.0/24", "fd00:2::/48"]);
    for (router, rd, v4, v6, node) in [
        (&gobgp as &dyn Router, "65001:1", "10.1.1.0/24", "fd00:1::/48", &a),
        (&pe_b, "65001:1", "10.1.1.0/24", "fd00:1::/48", &a),
        (&pe_a, "65001:2", "10.2.2.0/24", "fd00:2::/48", &b),
    ] {
        expect(router, rd, v4, LABEL, node.v4);
        expect(router, rd, v6, LABEL, node.v4);
    }
    pe_b.ask("withdraw red 10.2.2.0/24");
    pe_b.ask("withdraw red fd00:2::/48");
    pe_a.expect_none("65001:2");
    gobgp.expect_none("65001:2");
    expect_decoded(capture, &pe_a, &a);
}

/// FRR as a PE, and a PE of ours, without a reflector between them.
///
/// Shows: L3VPN-8.3-4, L3VPN-8.3-5
#[test]
fn frr_and_our_pe_face_to_face() {
    let mut net = Net::new();
    let (f, o) = (net.node(), net.node());
    let networks = vec![("65001:1".into(), "10.1.1.0/24".into(), 1001), ("65001:1".into(), "fd00:1::/48".into(), 1002)];
    let neighbor = frr::Neighbor { address: o.v4.into(), client: false, both_families: true, extended_next_hop: false };
    let frr = Frr::start(&f, &frr::Config { neighbors: vec![neighbor], networks, hold: 9, ..Default::default() });
    let pe = our_pe(&o, &f, "65001:3", &["10.3.3.0/24", "fd00:3::/48"]);
    expect(&pe, "65001:1", "10.1.1.0/24", 1001, f.v4);
    expect(&pe, "65001:1", "fd00:1::/48", 1002, f.v4);
    expect(&frr, "65001:3", "10.3.3.0/24", LABEL, o.v4);
    expect(&frr, "65001:3", "fd00:3::/48", LABEL, o.v4);
    pe.expect_forwarding("10.1.1.0/24", 1001);
    pe.expect_forwarding("fd00:1::/48", 1002);
    let summary = pe.terminate();
    assert_eq!(summary["vpn-paths"], 4, "{summary}");
    frr.expect_none("65001:3");
}

fn bird_routes() -> Vec<Route> {
    let v6: Ipv6Addr = "2001:db8::33".parse().unwrap();
    vec![
        Route::new("65001:4", "10.4.4.0/24", 4001, Ipv4Addr::new(198, 51, 100, 33)),
        Route::new("65001:4", "fd00:4::/48", 4002, v6),
    ]
}

/// BIRD as a PE: VPN-IPv4 over IPv4, VPN-IPv6 over IPv6.
///
/// Shows: L3VPN-8.3-4, L3VPN-8.3-5
#[test]
fn bird_and_our_pe_face_to_face() {
    let mut net = Net::new();
    let (b, o) = (net.node(), net.node());
    let capture = Capture::start(&o);
    let neighbors = vec![o.v4.into(), o.v6.into()];
    let bird = Bird::start(&b, &bird::Config { neighbors, extended_next_hop: false, routes: bird_routes() });
    let peers = vec![Peer::new(b.v4).families(&["vpn-ipv4"]), Peer::new(b.v6).families(&["vpn-ipv6"])];
    let vrf = Some(("65001:3", &["10.3.3.0/24", "fd00:3::/48"][..]));
    let pe = Ours::start(&o, &Config { peers, vrf, ..Config::default() });
    for route in bird_routes() {
        pe.expect(&route);
        pe.expect_forwarding(&route.prefix, route.label);
    }
    expect(&bird, "65001:3", "10.3.3.0/24", LABEL, o.v4);
    expect(&bird, "65001:3", "fd00:3::/48", LABEL, o.v6);
    assert_eq!(bird.complaints(), "");
    pe.ask("withdraw red 10.3.3.0/24");
    pe.ask("withdraw red fd00:3::/48");
    bird.expect_none("65001:3");
    expect_decoded(capture, &pe, &o);
}

/// VPN-IPv4 with IPv6 next hops over an IPv6-only core, agreed on by capability 5.
///
/// Shows: L3VPN-8.1-8
#[test]
fn bird_takes_vpn_ipv4_with_ipv6_next_hops() {
    let mut net = Net::new();
    let (b, o) = (net.node(), net.node());
    let neighbors = vec![o.v6.into()];
    let v6: Ipv6Addr = "2001:db8::33".parse().unwrap();
    let theirs = Route::new("65001:4", "10.4.4.0/24", 4001, v6);
    let bird = Bird::start(&b, &bird::Config { neighbors, extended_next_hop: true, routes: vec![theirs.clone()] });
    let peers = vec![Peer { extended_next_hop: true, ..Peer::new(b.v6).families(BOTH) }];
    let vrf = Some(("65001:3", &["10.3.3.0/24", "fd00:3::/48"][..]));
    let pe = Ours::start(&o, &Config { peers, vrf, ..Config::default() });
    expect(&bird, "65001:3", "10.3.3.0/24", LABEL, o.v6);
    expect(&bird, "65001:3", "fd00:3::/48", LABEL, o.v6);
    assert_eq!(bird.complaints(), "");
    pe.expect(&theirs);
    pe.expect_forwarding("10.4.4.0/24", 4001);
}

/// OpenBGPD is the route reflector between GoBGP as a PE and ours.
#[test]
fn openbgpd_reflects_between_gobgp_and_our_pe() {
    let mut net = Net::new();
    let (r, g, o) = (net.node(), net.node(), net.node());
    let openbgpd = OpenBgpd::start(&r, &[g.v4, o.v4]);
    let neighbors = vec![gobgp::Neighbor { address: r.v4.into(), client: false, passive: false }];
    let gobgp = GoBgp::start(&g, &gobgp::Config { neighbors, hold: 9, ..Default::default() });
    gobgp.originate(&Route::new("65001:2", "10.2.3.0/24", 2003, g.v4));
    let pe = our_pe(&o, &r, "65001:3", &["10.3.3.0/24", "fd00:3::/48"]);
    expect(&pe, "65001:2", "10.2.3.0/24", 2003, g.v4);
    expect(&gobgp, "65001:3", "10.3.3.0/24", LABEL, o.v4);
    drop(openbgpd);
    pe.expect_none("65001:2");
}

/// A few thousand routes from FRR through us to GoBGP and some hundred back, in messages of at most 4,096 octets: tshark 4.0
/// takes longer ones for malformed.
#[test]
fn we_relay_thousands_of_routes() {
    relay(false);
}

/// The same with FRR having agreed to longer messages, and getting some.
///
/// Shows: L3VPN-8.1-2
#[test]
fn frr_takes_extended_messages() {
    relay(true);
}

/// FRR, we and GoBGP in a row; each route has a label of its own.
fn relay(extended_messages: bool) {
    let mut net = Net::new();
    let (r, f, g) = (net.node(), net.node(), net.node());
    let capture = Capture::start(&r);
    let v4 =
        (0..3000).map(|n: u32| (format!("65001:{}", n % 7), format!("10.{}.{}.0/24", n / 250, n % 250), 10_000 + n));
    let v6 = (0..1000).map(|n: u32| (format!("65001:{}", n % 7), format!("fd00:{:x}::/48", n + 1), 20_000 + n));
    let networks: Vec<_> = v4.chain(v6).collect();
    let of_frr: Vec<Route> = networks.iter().map(|(rd, p, label)| Route::new(rd, p, u64::from(*label), f.v4)).collect();
    let of_gobgp: Vec<Route> = (0..300)
        .map(|n| {
            Route::new(
                &format!("65001:{}", 10 + n % 3),
                &format!("10.200.{}.{}/30", n / 60, n % 60 * 4),
                30_000 + n,
                g.v4,
            )
        })
        .collect();
    let peers = [&f, &g].map(|n| Peer::client(n.v4)).to_vec();
    let reflector = Ours::start(&r, &Config { peers, extended_messages, ..Config::default() });
    let neighbors = vec![gobgp::Neighbor { address: r.v4.into(), client: false, passive: false }];
    let gobgp = GoBgp::start(&g, &gobgp::Config { neighbors, hold: 9, ..Default::default() });
    gobgp.originate_all(&of_gobgp);
    let neighbor = frr::Neighbor { address: r.v4.into(), client: false, both_families: true, extended_next_hop: false };
    let frr = Frr::start(&f, &frr::Config { neighbors: vec![neighbor], networks, hold: 9, ..Default::default() });
    let mut all = [of_frr, of_gobgp.clone()].concat();
    all.sort();
    for router in [&reflector as &dyn Router, &gobgp] {
        super::net::until(&format!("{} has all routes", router.name()), super::PATIENCE, || {
            let mut routes = router.routes()?;
            routes.sort();
            if routes == all { Ok(()) } else { Err(format!("{} routes of {}", routes.len(), all.len())) }
        });
    }
    // FRR tells labels and next hops only route by route.
    super::net::until("FRR has all routes", super::PATIENCE, || {
        let mut names = frr.prefixes(false)?;
        names.extend(frr.prefixes(true)?);
        names.sort();
        let mut wanted: Vec<_> = all.iter().map(|r| (r.rd.clone(), r.prefix.clone())).collect();
        wanted.sort();
        if names == wanted { Ok(()) } else { Err(format!("{} routes of {}", names.len(), wanted.len())) }
    });
    for route in of_gobgp.iter().step_by(50) {
        assert_eq!(frr.route(&route.rd, &route.prefix).unwrap(), vec![route.clone()]);
    }
    let longest = reflector.ask("counts")["longest-sent"].as_u64().unwrap();
    assert_eq!(longest > 4096, extended_messages, "{longest}");
    if !extended_messages {
        expect_decoded(capture, &reflector, &r);
    }
}
