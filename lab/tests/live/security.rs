//! Sessions that are protected against strangers: TCP MD5 with FRR, a least TTL against a peer that is too far away.

use std::time::Duration;

use super::frr::Frr;
use super::net::Net;
use super::ours::{Config, Ours, Peer};
use super::raw;

fn frr(of: &str, words: &[&str]) -> String {
    let mut text = format!(
        "router bgp 65001\n bgp router-id 192.0.2.2\n no bgp default ipv4-unicast\n neighbor {of} remote-as 65001\n"
    );
    for words in [&["timers connect 1"], words].concat() {
        text += &format!(" neighbor {of} {words}\n");
    }
    text + &format!(" address-family ipv4 vpn\n  neighbor {of} activate\n exit-address-family\n")
}

fn protected(address: impl Into<std::net::IpAddr>, more: &'static str) -> Peer {
    Peer { more, ..Peer::new(address).families(&["vpn-ipv4"]) }
}

/// Shows: L3VPN-8.1-14
#[test]
fn md5_and_gtsm_with_frr() {
    let mut net = Net::new();
    let (a, b, c) = (net.node(), net.node(), net.node());
    let right = "md5 = \"correct-horse\"\ngtsm-hops = 1";
    let peers = vec![protected(b.v4, right), protected(c.v4, "md5 = \"battery-staple\"")];
    let ours = Ours::start(&a, &Config { peers, ..Config::default() });
    let us = a.v4.to_string();
    let _knows = Frr::start_with(&b, &frr(&us, &["password correct-horse", "ttl-security hops 1"]));
    let _guesses = Frr::start_with(&c, &frr(&us, &["password wrong-horse"]));
    ours.expect_up(b.v4, 1);
    // Five attempts of either side, at 1 s and 2 s.
    std::thread::sleep(Duration::from_secs(6));
    assert_eq!(ours.ups_and_downs(c.v4), (0, 0), "a wrong key");
    assert_eq!(ours.ups_and_downs(b.v4).1, 0);
}

/// Shows: L3VPN-8.1-14
#[test]
fn a_peer_behind_a_router_is_not_heard_where_ttl_security_is_on() {
    let mut net = Net::new();
    let (a, b) = (net.node(), net.node());
    let peer = Peer { passive: true, ..protected(b.v4, "gtsm-hops = 1") };
    let ours = Ours::start(&a, &Config { peers: vec![peer], ..Config::default() });
    let us = a.v4.into();
    let speak = move |ttl| move || raw::connect(us, Some(ttl)).and_then(|mut s| raw::establish(&mut s, 1).map(|()| s));
    // From our link a packet arrives with TTL 255; with 254 it came through a router.
    let far = raw::inside(&b, speak(254)).join().unwrap();
    assert!(far.is_err() && ours.ups_and_downs(b.v4).0 == 0, "{far:?}");
    let near = raw::inside(&b, speak(255)).join().unwrap();
    assert!(near.is_ok(), "{near:?}");
    ours.expect_up(b.v4, 1);
}
