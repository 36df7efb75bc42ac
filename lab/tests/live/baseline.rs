//! The routers of these tests among themselves: what fails here is not ours.

use super::bird::{self, Bird};
use super::capture::Capture;
use super::frr::{self, Frr};
use super::gobgp::{self, GoBgp};
use super::net::Net;
use super::openbgpd::OpenBgpd;
use super::route::{Route, Router};

#[test]
fn frr_reflects_between_gobgp_and_bird() {
    let mut net = Net::new();
    let (a, b, c) = (net.node(), net.node(), net.node());
    let mut capture = Capture::start(&a);
    let neighbors = [(b.v4.into(), true), (c.v4.into(), false), (c.v6.into(), false)]
        .map(|(address, both_families)| frr::Neighbor {
            address,
            client: true,
            both_families,
            extended_next_hop: false,
        })
        .to_vec();
    let networks = vec![("65001:1".into(), "10.1.1.0/24".into(), 1001), ("65001:1".into(), "fd00:1::/48".into(), 1002)];
    let frr = Frr::start(&a, &frr::Config { neighbors, networks, ..Default::default() });
    let neighbors = vec![gobgp::Neighbor { address: a.v4.into(), client: false, passive: false }];
    let gobgp = GoBgp::start(&b, &gobgp::Config { neighbors, vrf: Some("65001:2".into()), ..Default::default() });
    gobgp.originate_in_vrf("10.2.2.0/24");
    gobgp.originate_in_vrf("fd00:2::/48");
    let routes = vec![
        Route::new("65001:3", "10.3.0.0/24", 3001, std::net::Ipv4Addr::new(198, 51, 100, 33)),
        Route::new("65001:3", "fd00:3::/48", 3002, "2001:db8::33".parse::<std::net::Ipv6Addr>().unwrap()),
    ];
    let neighbors = vec![a.v4.into(), a.v6.into()];
    let bird = Bird::start(&c, &bird::Config { neighbors, extended_next_hop: false, routes: routes.clone() });
    for route in &routes {
        frr.expect(route);
    }
    gobgp.expect(&routes[0]);
    gobgp.expect(&Route::new("65001:1", "10.1.1.0/24", 1001, a.v4));
    gobgp.expect(&Route::new("65001:1", "fd00:1::/48", 1002, a.v4));
    bird.expect(&Route::new("65001:2", "10.2.2.0/24", 0, b.v4));
    bird.expect(&Route::new("65001:1", "fd00:1::/48", 1002, a.v6));
    let decoded = capture.decode(&a);
    assert!(decoded.malformed.is_empty(), "{decoded:?}");
    assert!(decoded.messages[&1] >= 2 && decoded.messages[&2] >= 4, "{decoded:?}");
}

#[test]
fn openbgpd_reflects_between_gobgps() {
    let mut net = Net::new();
    let (a, b, c) = (net.node(), net.node(), net.node());
    let _openbgpd = OpenBgpd::start(&a, &[b.v4, c.v4]);
    let pe = |node: &super::net::Node| {
        let neighbors = vec![gobgp::Neighbor { address: a.v4.into(), client: false, passive: false }];
        GoBgp::start(node, &gobgp::Config { neighbors, ..Default::default() })
    };
    let (pe_b, pe_c) = (pe(&b), pe(&c));
    let route = Route::new("65001:2", "10.2.3.0/24", 2003, b.v4);
    pe_b.originate(&route);
    pe_c.expect(&route);
}

#[test]
fn gobgp_keeps_routes_while_frr_restarts() {
    let mut net = Net::new();
    let (a, b) = (net.node(), net.node());
    let neighbor = frr::Neighbor { address: b.v4.into(), client: false, both_families: true, extended_next_hop: false };
    let networks = vec![("65001:1".into(), "10.1.1.0/24".into(), 1001)];
    let config =
        frr::Config { neighbors: vec![neighbor], networks, hold: 9, graceful_restart: true, ..Default::default() };
    let mut frr = Frr::start(&a, &config);
    let neighbors = vec![gobgp::Neighbor { address: a.v4.into(), client: false, passive: false }];
    let gobgp = GoBgp::start(&b, &gobgp::Config { neighbors, hold: 9, graceful_restart: true, ..Default::default() });
    let route = Route::new("65001:1", "10.1.1.0/24", 1001, a.v4);
    gobgp.expect(&route);
    let stale = |wanted: bool| {
        super::net::until(&format!("the route is stale: {wanted}"), super::PATIENCE, || {
            let text = gobgp.control("global rib -a vpnv4 -j")?;
            if text.contains(&format!("\"stale\":{wanted}")) { Ok(()) } else { Err(text) }
        });
    };
    stale(false);
    frr.kill();
    stale(true);
    frr.restart();
    stale(false);
    gobgp.expect(&route);
}
