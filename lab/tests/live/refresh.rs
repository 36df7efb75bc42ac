//! Routes asked for again, and several paths to one destination.

use super::bird::{self, Bird};
use super::capture::Capture;
use super::frr::{self, Frr};
use super::gobgp::{self, GoBgp};
use super::net::{Net, until};
use super::ours::{Config, LABEL, Ours, Peer};
use super::route::{Route, Router};

/// What `counts` says of one type in one direction.
fn count(ours: &Ours, direction: &str, kind: &str) -> u64 {
    ours.ask("counts")[direction][kind].as_u64().unwrap()
}

/// FRR asks for both families again: we mark begin and end (RFC 7313) around the routes, and the session stays.
///
/// Shows: L3VPN-8.1-3, L3VPN-8.1-6
#[test]
fn frr_asks_again_and_gets_marked_routes() {
    let mut net = Net::new();
    let (f, o) = (net.node(), net.node());
    let capture = Capture::start(&o);
    let neighbor = frr::Neighbor { address: o.v4.into(), client: false, both_families: true, extended_next_hop: false };
    let frr = Frr::start(&f, &frr::Config { neighbors: vec![neighbor], hold: 9, ..Default::default() });
    let vrf = Some(("65001:3", &["10.3.3.0/24", "fd00:3::/48"][..]));
    let pe = Ours::start(&o, &Config { peers: vec![Peer::new(f.v4)], vrf, ..Config::default() });
    let ours = [Route::new("65001:3", "10.3.3.0/24", LABEL, o.v4), Route::new("65001:3", "fd00:3::/48", LABEL, o.v4)];
    ours.iter().for_each(|route| frr.expect(route));
    let (updates, before) = (count(&pe, "sent", "update"), pe.ups_and_downs(f.v4));
    frr.show(&format!("clear bgp {} soft in", o.v4)).unwrap();
    // A request for each family, BoRR and EoRR for each, and its routes between them.
    until("both families were sent again", super::PATIENCE, || {
        let (asked, marks) = (count(&pe, "received", "route-refresh"), count(&pe, "sent", "route-refresh"));
        let again = count(&pe, "sent", "update") - updates;
        if asked >= 2 && marks == 2 * asked && again >= 2 { Ok(()) } else { Err(format!("{asked} {marks} {again}")) }
    });
    ours.iter().for_each(|route| frr.expect(route));
    assert_eq!(pe.ups_and_downs(f.v4), before);
    super::interop::expect_decoded(capture, &pe, &o);
}

/// BIRD asks again, too, and takes our marks.
///
/// Shows: L3VPN-8.1-6
#[test]
fn bird_asks_again() {
    let mut net = Net::new();
    let (b, o) = (net.node(), net.node());
    let neighbors = vec![o.v4.into()];
    let bird = Bird::start(&b, &bird::Config { neighbors, extended_next_hop: false, routes: vec![] });
    let vrf = Some(("65001:3", &["10.3.3.0/24"][..]));
    let peers = vec![Peer::new(b.v4).families(&["vpn-ipv4"])];
    let pe = Ours::start(&o, &Config { peers, vrf, ..Config::default() });
    let ours = Route::new("65001:3", "10.3.3.0/24", LABEL, o.v4);
    bird.expect(&ours);
    let (updates, before) = (count(&pe, "sent", "update"), pe.ups_and_downs(b.v4));
    bird.control("reload in p0").unwrap();
    until("the routes were sent again", super::PATIENCE, || {
        let (asked, marks) = (count(&pe, "received", "route-refresh"), count(&pe, "sent", "route-refresh"));
        let again = count(&pe, "sent", "update") - updates;
        if (asked, marks) == (1, 2) && again >= 1 { Ok(()) } else { Err(format!("{asked} {marks} {again}")) }
    });
    bird.expect(&ours);
    assert_eq!(bird.complaints(), "");
    assert_eq!(pe.ups_and_downs(b.v4), before);
}

/// FRR sends both paths of a destination, each with its path identifier; without ADD-PATH only one would arrive.
///
/// Shows: L3VPN-8.1-12
#[test]
fn frr_sends_us_several_paths() {
    let mut net = Net::new();
    let (f, o, a, b) = (net.node(), net.node(), net.node(), net.node());
    let neighbors = [&o, &a, &b].map(|n| frr::Neighbor {
        address: n.v4.into(),
        client: true,
        both_families: true,
        extended_next_hop: false,
    });
    let config = frr::Config { neighbors: neighbors.to_vec(), hold: 9, all_paths: true, ..Default::default() };
    let _frr = Frr::start(&f, &config);
    let peers = vec![Peer { add_path_receive: true, ..Peer::new(f.v4) }];
    let pe = Ours::start(&o, &Config { peers, vrf: Some(("65001:3", &[])), ..Config::default() });
    let paths = [(&a, 2001), (&b, 2002)].map(|(node, label)| Route::new("65001:9", "10.9.9.0/24", label, node.v4));
    let gobgps: Vec<GoBgp> = [&a, &b]
        .into_iter()
        .map(|node| {
            let neighbors = vec![gobgp::Neighbor { address: f.v4.into(), client: false, passive: false }];
            GoBgp::start(node, &gobgp::Config { neighbors, hold: 9, ..Default::default() })
        })
        .collect();
    gobgps.iter().zip(&paths).for_each(|(gobgp, path)| gobgp.originate(path));
    paths.iter().for_each(|path| pe.expect(path));
    gobgps[0].control("global rib del -a vpnv4 10.9.9.0/24 label 2001 rd 65001:9").unwrap();
    until("one path is left", super::PATIENCE, || {
        let routes = pe.routes()?;
        if routes == paths[1..] { Ok(()) } else { Err(format!("{routes:?}")) }
    });
}
