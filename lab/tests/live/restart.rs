//! A router dies (kill -9) and comes back.

use super::frr::{self, Frr};
use super::gobgp::{self, GoBgp};
use super::net::{Net, Node};
use super::ours::{Config, LABEL, Ours, Peer};
use super::route::{Route, Router};

/// What FRR originates in these tests.
fn frr_networks() -> Vec<(String, String, u32)> {
    vec![("65001:1".into(), "10.1.1.0/24".into(), 1001), ("65001:1".into(), "fd00:1::/48".into(), 1002)]
}

fn frr_routes(node: &Node) -> Vec<Route> {
    frr_networks().iter().map(|(rd, prefix, label)| Route::new(rd, prefix, u64::from(*label), node.v4)).collect()
}

fn start_frr(node: &Node, reflector: &Node, graceful_restart: bool) -> Frr {
    let neighbor =
        frr::Neighbor { address: reflector.v4.into(), client: false, both_families: true, extended_next_hop: false };
    let config = frr::Config {
        neighbors: vec![neighbor],
        networks: frr_networks(),
        hold: 9,
        graceful_restart,
        ..Default::default()
    };
    Frr::start(node, &config)
}

fn start_gobgp(node: &Node, peer: &Node, graceful_restart: bool) -> GoBgp {
    let neighbors = vec![gobgp::Neighbor { address: peer.v4.into(), client: false, passive: false }];
    GoBgp::start(node, &gobgp::Config { neighbors, hold: 9, graceful_restart, ..Default::default() })
}

fn gobgp_routes(node: &Node) -> Vec<Route> {
    vec![Route::new("65001:2", "10.2.3.0/24", 2003, node.v4), Route::new("65001:2", "fd00:2::/48", 2004, node.v4)]
}

fn expect_all(router: &dyn Router, routes: &[Route]) {
    routes.iter().for_each(|route| router.expect(route));
}

/// FRR and then GoBGP die without graceful restart: their routes are withdrawn from the other, and are back on both sides once the
/// router is.
#[test]
fn routes_go_and_come_with_their_router() {
    let mut net = Net::new();
    let (r, f, g) = (net.node(), net.node(), net.node());
    let peers = [&f, &g].map(|n| Peer::client(n.v4)).to_vec();
    let reflector = Ours::start(&r, &Config { peers, ..Config::default() });
    let mut frr = start_frr(&f, &r, false);
    let mut gobgp = start_gobgp(&g, &r, false);
    gobgp_routes(&g).iter().for_each(|route| gobgp.originate(route));
    expect_all(&gobgp, &frr_routes(&f));
    expect_all(&frr, &gobgp_routes(&g));

    let before = reflector.ups_and_downs(f.v4);
    frr.kill();
    reflector.expect_down(f.v4, before.1 + 1);
    gobgp.expect_none("65001:1");
    reflector.expect_none("65001:1");
    frr.restart();
    reflector.expect_up(f.v4, before.0 + 1);
    expect_all(&gobgp, &frr_routes(&f));
    expect_all(&frr, &gobgp_routes(&g));

    let (before, of_frr) = (reflector.ups_and_downs(g.v4), reflector.ups_and_downs(f.v4));
    gobgp.kill();
    reflector.expect_down(g.v4, before.1 + 1);
    frr.expect_none("65001:2");
    gobgp.restart(false);
    gobgp_routes(&g).iter().for_each(|route| gobgp.originate(route));
    reflector.expect_up(g.v4, before.0 + 1);
    expect_all(&gobgp, &frr_routes(&f));
    expect_all(&frr, &gobgp_routes(&g));
    assert_eq!(reflector.ups_and_downs(f.v4), of_frr, "the session with FRR is not touched by GoBGP's end");
}

/// FRR dies with graceful restart agreed on: we keep its routes as stale, the others notice nothing, and the routes are fresh once it is
/// back.
///
/// Shows: L3VPN-8.1-10
#[test]
fn routes_of_a_gracefully_restarting_router_stay() {
    let mut net = Net::new();
    let (r, f, g) = (net.node(), net.node(), net.node());
    let peers = [&f, &g].map(|n| Peer::client(n.v4)).to_vec();
    let reflector = Ours::start(&r, &Config { peers, graceful_restart: Some(60), ..Config::default() });
    let mut frr = start_frr(&f, &r, true);
    let gobgp = start_gobgp(&g, &r, false);
    gobgp_routes(&g).iter().for_each(|route| gobgp.originate(route));
    expect_all(&gobgp, &frr_routes(&f));
    expect_all(&frr, &gobgp_routes(&g));
    expect_stale(&reflector, "65001:1", false);

    let down = reflector.ups_and_downs(f.v4).1 + 1;
    frr.kill();
    reflector.expect_down(f.v4, down);
    expect_stale(&reflector, "65001:1", true);
    let kept = gobgp.routes().unwrap();
    assert!(frr_routes(&f).iter().all(|r| kept.contains(r)), "GoBGP lost a route that should be kept: {kept:?}");
    frr.restart();
    expect_stale(&reflector, "65001:1", false);
    expect_all(&gobgp, &frr_routes(&f));
    expect_all(&frr, &gobgp_routes(&g));
}

/// Our PE dies with graceful restart agreed on: GoBGP keeps its routes, and takes them afresh when it is back.
///
/// Shows: L3VPN-8.1-10
#[test]
fn our_routes_stay_while_we_restart_gracefully() {
    let mut net = Net::new();
    let (g, o) = (net.node(), net.node());
    let gobgp = start_gobgp(&g, &o, true);
    let start = || {
        let vrf = Some(("65001:3", &["10.3.3.0/24", "fd00:3::/48"][..]));
        Ours::start(&o, &Config { peers: vec![Peer::new(g.v4)], graceful_restart: Some(60), vrf, ..Config::default() })
    };
    let ours = [Route::new("65001:3", "10.3.3.0/24", LABEL, o.v4), Route::new("65001:3", "fd00:3::/48", LABEL, o.v4)];
    let pe = start();
    expect_all(&gobgp, &ours);
    let up = |n: usize| {
        super::net::until("GoBGP's session", super::PATIENCE, || {
            let text = gobgp.control("neighbor")?;
            if text.contains("Establ") == (n == 1) { Ok(()) } else { Err(text) }
        });
    };
    up(1);
    pe.kill();
    up(0);
    let kept = gobgp.routes().unwrap();
    assert!(ours.iter().all(|r| kept.contains(r)), "GoBGP lost a route that should be kept: {kept:?}");
    let _pe = start();
    up(1);
    expect_all(&gobgp, &ours);
    super::net::until("no stale route", super::PATIENCE, || {
        let text = gobgp.control("global rib -a vpnv4 -j")?;
        if text.contains("\"stale\":true") { Err(text) } else { Ok(()) }
    });
}

/// Our PE dies without graceful restart: FRR drops its routes at once and has them again when it is back.
#[test]
fn our_routes_go_and_come_with_us() {
    let mut net = Net::new();
    let (f, o) = (net.node(), net.node());
    let frr = start_frr(&f, &o, false);
    let start = || {
        let vrf = Some(("65001:3", &["10.3.3.0/24", "fd00:3::/48"][..]));
        Ours::start(&o, &Config { peers: vec![Peer::new(f.v4)], vrf, ..Config::default() })
    };
    let pe = start();
    frr.expect(&Route::new("65001:3", "fd00:3::/48", LABEL, o.v4));
    expect_all(&pe, &frr_routes(&f));
    pe.kill();
    frr.expect_none("65001:3");
    let pe = start();
    frr.expect(&Route::new("65001:3", "10.3.3.0/24", LABEL, o.v4));
    frr.expect(&Route::new("65001:3", "fd00:3::/48", LABEL, o.v4));
    expect_all(&pe, &frr_routes(&f));
}

/// Waits until all our paths of an RD, and at least one, are stale or fresh.
fn expect_stale(ours: &Ours, rd: &str, stale: bool) {
    super::net::until(&format!("paths of {rd} stale: {stale}"), super::PATIENCE, || {
        let reply = ours.ask("vpn");
        let mut paths = reply["paths"].as_array().unwrap().iter().filter(|p| p["rd"] == rd).peekable();
        if paths.peek().is_some() && paths.all(|p| p["stale"] == stale) { Ok(()) } else { Err(format!("{reply}")) }
    });
}
