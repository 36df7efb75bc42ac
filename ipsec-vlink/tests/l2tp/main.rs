//! L2TP endpoints in virtual time.

mod authentication;
mod drive;
mod net;
mod ppp;
mod ppp_drive;
mod sessions;
mod version_2;

use std::time::Duration;

use ipsec_vlink::l2tp::control::fsm::{ConnectionState, SessionState};
use ipsec_vlink::l2tp::control::{Cause, Event, PeerConfig, SessionConfig, SessionStart};
use ipsec_vlink::l2tp::{Avps, MessageType, Value, v3};

use net::{Faults, Net, address};

/// Kinds of the messages of version 3 over IP that an end sent, without acknowledgements.
pub fn kinds(net: &Net, of: usize) -> Vec<MessageType> {
    let kind = |octets: &[u8]| {
        let message = v3::Control::parse(&octets[4..]).ok()?;
        match Value::of(&Avps::new(message.body).next()?.ok()?) {
            Ok(Value::MessageType(kind)) if kind != MessageType::ACK => Some(kind),
            _ => None,
        }
    };
    net.sent.iter().filter(|(from, _)| *from == of).filter_map(|(_, octets)| kind(octets)).collect()
}

#[test]
fn a_session_takes_six_messages() {
    let mut net = Net::new(None, Faults::default());
    let peers = [net.ends[0].add_peer(PeerConfig::v3(address(2, None))).unwrap(), {
        let cfg = PeerConfig { initiate: false, ..PeerConfig::v3(address(1, None)) };
        net.ends[1].add_peer(cfg).unwrap()
    }];
    let cfg = SessionConfig::new(peers[1], SessionStart::Await, b"b", b"a");
    net.ends[1].add_session(net.now, cfg).unwrap();
    let id =
        net.ends[0].add_session(net.now, SessionConfig::new(peers[0], SessionStart::Incoming, b"a", b"b")).unwrap();
    net.seconds(2);
    use MessageType as M;
    assert_eq!(kinds(&net, 0), [M::SCCRQ, M::SCCCN, M::ICRQ, M::ICCN]);
    assert_eq!(kinds(&net, 1), [M::SCCRP, M::ICRP]);
    assert_eq!(net.ends[0].session_state(id), Some(SessionState::Established));
    let ups: Vec<_> = net
        .events
        .iter()
        .flatten()
        .filter_map(|e| if let Event::SessionUp { up, .. } = e { Some(*up) } else { None })
        .collect();
    let [a, b] = ups[..] else { panic!("{ups:?}") };
    assert_eq!((a.local_id, a.remote_id), (b.remote_id, b.local_id));
    assert!(a.local_cookie == b.remote_cookie && a.remote_cookie == b.local_cookie);
    assert_eq!(a.local_cookie.as_slice().len(), 8);
    assert_ne!(a.local_id, 0);
}

/// A third of all datagrams is lost, many come twice or late: sessions come up all the same, each once, and in spite of both
/// sides asking for them.
#[test]
fn sessions_come_up_through_loss_and_reordering() {
    let faults = Faults { lost_percent: 30, repeated_percent: 10, jitter: 400 };
    let mut net = Net::new(None, faults);
    let a = net.ends[0].add_peer(PeerConfig::v3(address(2, None))).unwrap();
    let b = net.ends[1].add_peer(PeerConfig::v3(address(1, None))).unwrap();
    const N: usize = 100;
    for n in 0..N {
        let name = |end: char| format!("{end}{n}").into_bytes();
        let cfg = SessionConfig::new(a, SessionStart::Incoming, &name('a'), &name('b'));
        net.ends[0].add_session(net.now, cfg).unwrap();
        let cfg = SessionConfig::new(b, SessionStart::Incoming, &name('b'), &name('a'));
        net.ends[1].add_session(net.now, cfg).unwrap();
    }
    net.seconds(1200);
    for end in 0..2 {
        // Of each session the last that was said is that it is up.
        let mut up = std::collections::BTreeSet::new();
        for event in &net.events[end] {
            match event {
                Event::SessionUp { session, .. } => assert!(up.insert(*session), "twice up without a down"),
                Event::SessionDown { session, .. } => {
                    up.remove(session);
                }
                _ => {}
            }
        }
        assert_eq!(up.len(), N, "end {end}");
        assert!(net.ends[end].counters().retransmitted > 10);
    }
    net.faults = Faults::default();
    net.seconds(300);
    assert_eq!(net.ends[0].connections(), 1, "the connection that lost the tie is gone");
    let before = net.sent.len();
    net.seconds(600);
    assert!(net.sent.len() - before < 60, "at rest there is nothing but Hello");
}

/// Shows: VLINK-6.6-P3
#[test]
fn a_dead_peer_is_found_by_hello_and_a_cdn_takes_one_session_down() {
    let mut net = Net::new(None, Faults::default());
    let a = net.ends[0].add_peer(PeerConfig::v3(address(2, None))).unwrap();
    let b = net.ends[1].add_peer(PeerConfig { initiate: false, ..PeerConfig::v3(address(1, None)) }).unwrap();
    let mut ids = Vec::new();
    for n in 0..3_u8 {
        net.ends[1].add_session(net.now, SessionConfig::new(b, SessionStart::Await, &[n], &[n])).unwrap();
        ids.push(net.ends[0].add_session(net.now, SessionConfig::new(a, SessionStart::Incoming, &[n], &[n])).unwrap());
    }
    net.seconds(200);
    assert!(kinds(&net, 0).contains(&MessageType::HELLO) || kinds(&net, 1).contains(&MessageType::HELLO));
    assert_eq!(net.ends[0].connection_state(a), ConnectionState::Established);

    // One session goes, the others do not notice.
    net.ends[0].remove_session(net.now, ids[1]);
    net.seconds(2);
    let downs =
        |net: &Net, end: usize| net.events[end].iter().filter(|e| matches!(e, Event::SessionDown { .. })).count();
    assert_eq!(kinds(&net, 0).last(), Some(&MessageType::CDN));
    assert_eq!((downs(&net, 0), downs(&net, 1)), (1, 1));

    // Silence: Hello after 60 s, and ten tries of it take 63 s.
    net.cut[1] = true;
    let cut = net.now;
    while !net.events[0].iter().any(|e| matches!(e, Event::PeerDown { .. })) {
        net.run(Duration::from_millis(100));
        assert!(net.now - cut < Duration::from_secs(200));
    }
    let took = net.now - cut;
    assert!(took > Duration::from_secs(60) && took < Duration::from_secs(126), "{took:?}");
    assert!(net.events[0].contains(&Event::PeerDown { peer: a, cause: Cause::Timeout }));
    assert_eq!(downs(&net, 0), 3);

    // Both sides see each other again: everything comes back by itself.
    net.cut[1] = false;
    net.seconds(200);
    assert_eq!(net.ends[0].session_state(ids[0]), Some(SessionState::Established));
}

#[test]
fn a_connection_that_is_closed_lingers_and_goes() {
    let mut net = Net::new(Some(1701), Faults::default());
    let a = net.ends[0].add_peer(PeerConfig::v3(address(2, Some(1701)))).unwrap();
    let b = net.ends[1].add_peer(PeerConfig { initiate: false, ..PeerConfig::v3(address(1, Some(1701))) }).unwrap();
    net.ends[1].add_session(net.now, SessionConfig::new(b, SessionStart::Await, b"", b"")).unwrap();
    net.ends[0].add_session(net.now, SessionConfig::new(a, SessionStart::Incoming, b"", b"")).unwrap();
    net.seconds(1);
    net.ends[0].remove_peer(net.now, a);
    net.seconds(2);
    assert!(net.events[1].contains(&Event::PeerDown { peer: b, cause: Cause::Peer { result: 1, error: 0 } }));
    assert_eq!((net.ends[0].connections(), net.ends[1].connections()), (1, 1), "kept for what is repeated");
    net.seconds(80);
    assert_eq!((net.ends[0].connections(), net.ends[1].connections()), (0, 0));
    assert_eq!((net.ends[0].next_timeout(), net.ends[1].next_timeout()), (None, None));
}

#[test]
fn arbitrary_stimuli() {
    let mut random = 1_u64;
    for n in 0..300 {
        let mut octets = Vec::new();
        for _ in 0..n {
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            octets.extend((random >> 24).to_be_bytes());
        }
        drive::run(&octets);
    }
}
