//! Our speaker as the one reflector of routers of several makes, for all services at once; several paths; peers that stay away.

use super::PATIENCE;
use super::exabgp::ExaBgp;
use super::frr::{self, Frr};
use super::gobgp::{self, GoBgp};
use super::net::{Net, Node, until};
use super::ours::{Config, Ours, Peer};
use super::route::{Route, Router};
use super::services;

fn gobgp(node: &Node, reflector: &Node, config: gobgp::Config) -> GoBgp {
    let neighbors = vec![gobgp::Neighbor { address: reflector.v4.into(), client: false, passive: false }];
    GoBgp::start(node, &gobgp::Config { neighbors, hold: 9, ..config })
}

fn frr(node: &Node, reflector: &Node, networks: Vec<(String, String, u32)>) -> Frr {
    let neighbor =
        frr::Neighbor { address: reflector.v4.into(), client: false, both_families: true, extended_next_hop: false };
    Frr::start(node, &frr::Config { neighbors: vec![neighbor], networks, hold: 9, ..Default::default() })
}

/// VPN-IPv4 and VPN-IPv6 between two GoBGPs that constrain route targets and two FRRs that do not; EVPN between the GoBGPs; VPLS with an
/// attribute that nobody knows between two ExaBGPs.
///
/// Shows: L3VPN-8.3-8
#[test]
fn we_reflect_all_services_between_two_gobgps_two_frrs_and_two_exabgps() {
    let mut net = Net::new();
    let r = net.node();
    let [ga, gb, fa, fb, xa, xb] = std::array::from_fn(|_| net.node());
    let go = |n: &Node| Peer::client(n.v4).families(&["vpn-ipv4", "vpn-ipv6", "rt-constraint", "evpn"]);
    let exa = |n: &Node| Peer::client(n.v4).families(&["vpls"]);
    let peers = vec![go(&ga), go(&gb), Peer::client(fa.v4), Peer::client(fb.v4), exa(&xa), exa(&xb)];
    let reflector = Ours::start(&r, &Config { peers, graceful_restart: Some(60), ..Config::default() });
    let families = vec!["l3vpn-ipv4-unicast", "l3vpn-ipv6-unicast", "rtc", "l2vpn-evpn"];
    let [a, b] = [(&ga, "65001:1"), (&gb, "65001:2")].map(|(node, rd)| {
        // Only with graceful restart does GoBGP say where its memberships end.
        let (vrf, families) = (Some(rd.into()), families.clone());
        let config = gobgp::Config { vrf, families, graceful_restart: true, ..Default::default() };
        gobgp(node, &r, config)
    });
    let networks = |rd: &str, n: u32| {
        [format!("10.{n}.1.0/24"), format!("fd00:{n}::/48")].map(|prefix| (rd.to_owned(), prefix, 1000 + n)).to_vec()
    };
    let [c, d] = [(&fa, "65001:3", 3), (&fb, "65001:4", 4)].map(|(node, rd, n)| frr(node, &r, networks(rd, n)));
    let content: String = (0..200u32).map(|n| format!("{:02x}", n % 251)).collect();
    let vpls = format!(
        "vpls endpoint 5 base 10702 offset 1 size 8 rd 65001:5 next-hop {} \
         extended-community [ target:65001:100 l2info:19:0:1500:111 ] attribute [ 0xD5 0xC0 0x{content} ];",
        xa.v4
    );
    let _sender = ExaBgp::start(&xa, r.v4.into(), &vpls);
    let receiver = ExaBgp::start(&xb, r.v4.into(), "");

    a.originate(&Route::new("65001:1", "10.1.1.0/24", 2001, ga.v4));
    b.originate(&Route::new("65001:2", "fd00:2::/48", 2002, gb.v4));
    a.control("global rib add macadv aa:bb:cc:dd:ee:04 10.0.0.1 etag 10 label 10,20 rd 65001:1 rt 65001:100 -a evpn")
        .unwrap();
    for router in [&b as &dyn Router, &c, &d] {
        router.expect(&Route::new("65001:1", "10.1.1.0/24", 2001, ga.v4));
    }
    for router in [&a as &dyn Router, &c, &d] {
        router.expect(&Route::new("65001:2", "fd00:2::/48", 2002, gb.v4));
    }
    for (router, rd, n, node) in [
        (&d as &dyn Router, "65001:3", 3, &fa),
        (&a, "65001:3", 3, &fa),
        (&c, "65001:4", 4, &fb),
        (&b, "65001:4", 4, &fb),
    ] {
        for (rd, prefix, label) in networks(rd, n) {
            router.expect(&Route::new(&rd, &prefix, label.into(), node.v4));
        }
    }
    until("the MAC route arrives as it was sent", PATIENCE, || {
        let (sent, arrived) = (services::routes(&a)?, services::routes(&b)?);
        if sent.len() == 1 && sent == arrived { Ok(()) } else { Err(format!("{sent:?}\nthere: {arrived:?}")) }
    });
    until("the label block arrives with the attribute", PATIENCE, || {
        let updates = receiver.updates();
        let whole = |u: &serde_json::Value| {
            let text = u.to_string().to_lowercase();
            text.contains(&content) && text.contains("10702") && text.contains("65001:5")
        };
        if updates.iter().any(whole) { Ok(()) } else { Err(format!("{updates:?}")) }
    });
    assert_eq!(reflector.ups_and_downs(xa.v4), (1, 0));
}

/// FRR takes all paths of a destination from us (RFC 7911), and loses the one that goes.
///
/// Shows: L3VPN-8.1-12
#[test]
fn we_send_frr_several_paths() {
    let mut net = Net::new();
    let (r, f, a, b) = (net.node(), net.node(), net.node(), net.node());
    let several = Peer { more: "add-path-send = true", ..Peer::client(f.v4) };
    let peers = vec![several, Peer::client(a.v4), Peer::client(b.v4)];
    let _reflector = Ours::start(&r, &Config { peers, ..Config::default() });
    let taker = frr(&f, &r, vec![]);
    let paths = [(&a, 2001), (&b, 2002)].map(|(node, label)| Route::new("65001:9", "10.9.9.0/24", label, node.v4));
    let gobgps = [&a, &b].map(|node| gobgp(node, &r, gobgp::Config::default()));
    gobgps.iter().zip(&paths).for_each(|(gobgp, path)| gobgp.originate(path));
    paths.iter().for_each(|path| taker.expect(path));
    gobgps[0].control("global rib del -a vpnv4 10.9.9.0/24 label 2001 rd 65001:9").unwrap();
    until("one path is left", PATIENCE, || {
        let routes = taker.routes()?;
        if routes == paths[1..] { Ok(()) } else { Err(format!("{routes:?}")) }
    });
}

/// A GoBGP that stays away longer than its restart time: FRR, which knows what the mark means, is told its route as the last resort
/// (RFC 9494), until it is back.
#[test]
fn routes_of_a_gobgp_that_stays_away_are_marked_for_frr() {
    let mut net = Net::new();
    let (r, f, g) = (net.node(), net.node(), net.node());
    let lasting = |n: &Node| Peer { more: "long-lived = 300", ..Peer::client(n.v4) };
    let config = Config { peers: vec![lasting(&g), lasting(&f)], graceful_restart: Some(60), ..Config::default() };
    let reflector = Ours::start(&r, &config);
    let taker = frr(&f, &r, vec![]);
    let mut source = gobgp(&g, &r, gobgp::Config { graceful_restart: true, long_lived: true, ..Default::default() });
    let route = Route::new("65001:9", "10.9.9.0/24", 2001, g.v4);
    source.originate(&route);
    taker.expect(&route);
    let marked = |wanted: bool| {
        until(&format!("FRR shows the mark: {wanted}"), PATIENCE, || {
            let shown = taker.show("show bgp ipv4 vpn rd 65001:9 10.9.9.0/24 json")?;
            let marked = shown.to_lowercase().contains("llgr");
            if shown.contains("10.9.9.0") && marked == wanted { Ok(()) } else { Err(shown) }
        });
    };
    marked(false);
    source.kill();
    marked(true);
    assert_eq!(reflector.ups_and_downs(f.v4), (1, 0));
    source.restart(true);
    source.originate(&route);
    marked(false);
}
