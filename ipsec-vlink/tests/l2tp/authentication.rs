//! Who may open a control connection, and what strangers can do.

use ipsec_vlink::l2tp::control::fsm::ConnectionState;
use ipsec_vlink::l2tp::control::{Event, Limits, PeerConfig, SessionConfig, SessionId, SessionStart, Version};
use ipsec_vlink::l2tp::digest::{DigestType, Secret};
use ipsec_vlink::l2tp::v3;

use crate::net::{Faults, Net, address};

fn secret(text: &str) -> Option<Secret> {
    Some(Secret::copy(text.as_bytes()))
}

/// Two ends with these secrets.
fn pair(version: Version, change: [&dyn Fn(&mut PeerConfig); 2]) -> (Net, [SessionId; 2]) {
    let port = Some(1701).filter(|_| version == Version::V2);
    let mut net = Net::new(port, Faults::default());
    let mut ids = Vec::new();
    for end in [1, 0] {
        let remote = address(2 - end as u8, port);
        let mut cfg = match version {
            Version::V2 => PeerConfig::v2(remote.ip),
            Version::V3 => PeerConfig::v3(remote),
        };
        cfg.initiate = end == 0;
        change[end](&mut cfg);
        let pseudowire = cfg.pseudowires[0];
        let peer = net.ends[end].add_peer(cfg).unwrap();
        let start = if end == 0 { SessionStart::Incoming } else { SessionStart::Await };
        let cfg = SessionConfig { pseudowire, ..SessionConfig::new(peer, start, b"customer", b"customer") };
        ids.push(net.ends[end].add_session(net.now, cfg).unwrap());
    }
    net.seconds(5);
    (net, [ids[1], ids[0]])
}

fn is_up(net: &Net) -> bool {
    net.events.iter().all(|events| events.iter().any(|e| matches!(e, Event::SessionUp { .. })))
}

#[test]
fn only_who_knows_the_secret_gets_a_connection() {
    for version in [Version::V2, Version::V3] {
        let with = |text: &'static str| move |cfg: &mut PeerConfig| cfg.secret = secret(text);
        assert!(is_up(&pair(version, [&with("word"), &with("word")]).0), "{version:?}");
        let none = |_: &mut PeerConfig| {};
        for wrong in [
            pair(version, [&with("word"), &with("sword")]),
            pair(version, [&with("word"), &none]),
            pair(version, [&none, &with("word")]),
        ] {
            let (net, _) = wrong;
            assert!(!is_up(&net), "{version:?}");
            let unauthenticated: u64 = net.ends.iter().map(|end| end.counters().unauthenticated).sum();
            assert!(unauthenticated > 0, "{version:?}");
        }
    }
}

#[test]
fn digests_of_both_types_and_two_secrets_while_they_change() {
    let sha1 = |cfg: &mut PeerConfig| {
        cfg.secret = secret("new");
        cfg.digest = DigestType::HmacSha1;
    };
    let both = |cfg: &mut PeerConfig| {
        cfg.secret = secret("new");
        cfg.other_secret = secret("old");
    };
    assert!(is_up(&pair(Version::V3, [&sha1, &both]).0));
    let old = |cfg: &mut PeerConfig| {
        cfg.secret = secret("old");
        cfg.other_secret = secret("new");
    };
    assert!(is_up(&pair(Version::V3, [&old, &both]).0));
}

#[test]
fn hidden_values_do_not_show_and_are_understood() {
    let hiding = |cfg: &mut PeerConfig| {
        cfg.secret = secret("word");
        cfg.hide = true;
    };
    let open = |cfg: &mut PeerConfig| cfg.secret = secret("word");
    for version in [Version::V2, Version::V3] {
        let shown = |net: &Net| {
            let has = |octets: &[u8]| octets.windows(8).any(|window| window == b"customer");
            net.sent.iter().filter(|(from, octets)| *from == 0 && has(octets)).count()
        };
        let (net, _) = pair(version, [&hiding, &open]);
        assert!(is_up(&net) && shown(&net) == 0, "{version:?}");
        let (net, _) = pair(version, [&open, &open]);
        assert!(is_up(&net) && shown(&net) == 1, "{version:?}");
    }
}

/// What an outsider who reads along can make of what he has read: nothing.
#[test]
fn messages_that_were_changed_or_forged_do_nothing() {
    let with = |cfg: &mut PeerConfig| cfg.secret = secret("word");
    let (mut net, _) = pair(Version::V3, [&with, &with]);
    let seen: Vec<Vec<u8>> = net.sent.iter().filter(|(from, _)| *from == 0).map(|(_, octets)| octets.clone()).collect();
    let events = net.events[1].len();
    for octets in &seen {
        // Of a digest every bit counts, of the rest as well.
        for at in (4..octets.len()).step_by(3) {
            let mut forged = octets.clone();
            forged[at] ^= 0x10;
            net.inject(1, net.addresses[0], &forged);
        }
        net.inject(1, net.addresses[0], octets);
        net.inject(1, address(66, None), octets);
    }
    let new: Vec<&Event> = net.events[1][events..].iter().collect();
    assert!(new.iter().all(|e| matches!(e, Event::Dropped { .. } | Event::AuthenticationFailed { .. })), "{new:?}");
    // One event a second at most, however many there are.
    assert!(new.len() <= 2, "{}", new.len());
    let counters = net.ends[1].counters();
    assert!(counters.unauthenticated > 50 && counters.invalid > 20, "{counters:?}");
    net.seconds(200);
    assert_eq!(net.ends[1].connections(), 1);
}

#[test]
fn a_flood_of_requests_is_bounded_and_counted() {
    let limits = Limits { half_open: 3, sccrq_per_second: 50, ..Limits::default() };
    let mut net = Net::with(None, Faults::default(), |mut cfg| {
        cfg.limits = limits;
        cfg
    });
    for n in 10..60 {
        net.ends[1].add_peer(PeerConfig { initiate: false, ..PeerConfig::v3(address(n, None)) }).unwrap();
    }
    // An SCCRQ of each of many peers, and as many that nobody knows.
    let mut other = Net::new(None, Faults::default());
    let a = other.ends[0].add_peer(PeerConfig::v3(address(2, None))).unwrap();
    other.ends[0].add_session(other.now, SessionConfig::new(a, SessionStart::Incoming, b"", b"")).unwrap();
    other.drain();
    let request = other.sent[0].1.clone();
    for n in 10..110_u8 {
        net.inject(1, address(n, None), &request);
    }
    let counters = net.ends[1].counters();
    assert_eq!(net.ends[1].connections(), 3);
    assert_eq!(counters.limited, 97);
    net.seconds(2);
    net.inject(1, address(200, None), &request);
    let counters = net.ends[1].counters();
    assert_eq!((counters.limited, counters.unknown_peer), (98, 0), "half-open first");
    net.seconds(80);
    assert_eq!(net.ends[1].connections(), 0, "those that never answered are forgotten");
    net.inject(1, address(200, None), &request);
    assert_eq!(net.ends[1].counters().unknown_peer, 1);
    assert_eq!(net.ends[1].connections(), 0);
}

#[test]
fn noise_is_dropped_and_counted() {
    let (mut net, _) = pair(Version::V3, [&|_| {}, &|_| {}]);
    let (events, mut random) = (net.events[1].len(), 1_u64);
    for n in 0..20_000 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let mut octets = vec![0, 0, 0, 0, 0xc8, 3];
        octets.extend(random.to_be_bytes().iter().cycle().take(n % 60).map(|b| b.rotate_left(n as u32)));
        net.inject(1, net.addresses[0], &octets);
    }
    assert!(net.ends[1].counters().invalid > 10_000);
    assert!(net.events[1].len() - events <= 1);
    net.seconds(100);
    assert!(v3::Control::parse(&net.sent.last().unwrap().1[4..]).is_ok());
    let peer = net.events[1].iter().find_map(|e| if let Event::PeerUp { peer } = e { Some(*peer) } else { None });
    assert_eq!(net.ends[1].connection_state(peer.unwrap()), ConnectionState::Established);
}
