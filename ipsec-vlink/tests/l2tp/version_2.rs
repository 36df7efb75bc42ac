//! Version 2: sessions that carry PPP, and multicast sessions.

use ipsec_vlink::l2tp::PseudowireType;
use ipsec_vlink::l2tp::control::fsm::SessionState;
use ipsec_vlink::l2tp::control::{
    Cause, ConfigError, Event, PeerConfig, PeerId, SessionConfig, SessionId, SessionStart,
};

use crate::net::{Faults, Net, address};

fn ppp(peer: PeerId, start: SessionStart, local: &[u8], remote: &[u8], group: &[u8]) -> SessionConfig {
    let cfg = SessionConfig::new(peer, start, local, remote);
    SessionConfig { pseudowire: PseudowireType::PPP, group: group.to_vec(), ..cfg }
}

fn net(multicast: [bool; 2]) -> (Net, [PeerId; 2]) {
    let mut net = Net::new(Some(1701), Faults::default());
    let cfg = PeerConfig { multicast: multicast[0], ..PeerConfig::v2(address(2, None).ip) };
    let a = net.ends[0].add_peer(cfg).unwrap();
    let cfg = PeerConfig { multicast: multicast[1], initiate: false, ..PeerConfig::v2(address(1, None).ip) };
    let b = net.ends[1].add_peer(cfg).unwrap();
    (net, [a, b])
}

#[test]
fn a_call_comes_up_and_carries_frames() {
    let (mut net, [a, b]) = net([false; 2]);
    let theirs = net.ends[1].add_session(net.now, ppp(b, SessionStart::Await, b"", b"", b"vpn")).unwrap();
    let ours = net.ends[0].add_session(net.now, ppp(a, SessionStart::Incoming, b"", b"", b"vpn")).unwrap();
    net.seconds(2);
    assert_eq!(net.ends[0].session_state(ours), Some(SessionState::Established));
    net.ends[0].send_payload(ours, &[0xff, 3, 0xc0, 0x21, 9]);
    net.ends[1].send_payload(theirs, &[1, 2, 3]);
    net.seconds(1);
    assert_eq!(net.payloads, [vec![vec![1, 2, 3]], vec![vec![0xff, 3, 0xc0, 0x21, 9]]]);
    // A frame of a session that there is not.
    let mut octets = net.sent.last().unwrap().1.clone();
    octets[5] ^= 1;
    let invalid = net.ends[0].counters().invalid;
    net.inject(0, net.addresses[1], &octets);
    assert_eq!((net.payloads[0].len(), net.ends[0].counters().invalid), (1, invalid + 1));
}

/// The group comes with ICCN, and may be ignored by who does not know it: a session of a group is never taken without.
#[test]
fn a_private_group_is_never_guessed() {
    for (said, result) in [(&b"vpn"[..], None), (b"other", Some(24)), (b"", Some(24))] {
        let (mut net, [a, b]) = net([false; 2]);
        net.ends[1].add_session(net.now, ppp(b, SessionStart::Await, b"", b"", b"vpn")).unwrap();
        let ours = net.ends[0].add_session(net.now, ppp(a, SessionStart::Incoming, b"", b"", said)).unwrap();
        net.seconds(2);
        let cause = net.events[0].iter().find_map(|e| match e {
            Event::SessionDown { session, cause } if *session == ours => Some(*cause),
            _ => None,
        });
        assert_eq!(cause, result.map(|result| Cause::Peer { result, error: 0 }), "{said:?}");
    }
}

/// RFC 4045: what goes to ten sessions crosses the tunnel once, by a session of its own, and comes out ten times.
///
/// Shows: MVPN-TUN-6
#[test]
fn one_multicast_session_serves_many() {
    // The second end is the LNS: it has the multicast.
    let (mut net, [a, b]) = net([true; 2]);
    let mut ids: Vec<[SessionId; 2]> = Vec::new();
    for n in 0..10_u8 {
        let theirs = net.ends[1].add_session(net.now, ppp(b, SessionStart::Await, &[n], &[n], b"")).unwrap();
        let ours = net.ends[0].add_session(net.now, ppp(a, SessionStart::Incoming, &[n], &[n], b"")).unwrap();
        ids.push([ours, theirs]);
    }
    net.seconds(5);
    let multicast = net.ends[1].add_multicast(net.now, b).unwrap();
    let lns: Vec<SessionId> = ids.iter().map(|[_, theirs]| *theirs).collect();
    net.ends[1].set_outgoing(net.now, multicast, &lns);
    net.seconds(2);
    // The LNS may send once: all ten are acknowledged.
    let ready = net.events[1].iter().rev().find_map(|e| match e {
        Event::MulticastReady { sessions, .. } => Some(sessions.len()),
        _ => None,
    });
    assert_eq!(ready, Some(10));
    // The LAC copies what has the multicast session's number to each of the ten.
    let outgoing = |net: &Net| {
        net.events[0].iter().rev().find_map(|e| match e {
            Event::MulticastOutgoing { sessions, local_id, .. } => Some((*local_id, sessions.clone())),
            _ => None,
        })
    };
    let (local_id, sessions) = outgoing(&net).unwrap();
    assert_ne!(local_id, 0);
    let all: Vec<SessionId> = ids.iter().map(|[ours, _]| *ours).collect();
    assert!(sessions.len() == 10 && all.iter().all(|id| sessions.contains(id)));

    // Frames: as many cross the tunnel as are sent, one by one ten times as many.
    let crossing = |net: &mut Net, send: &dyn Fn(&mut Net)| {
        net.payloads[0].clear();
        let before = net.sent.iter().filter(|(from, octets)| *from == 1 && octets[0] & 0x80 == 0).count();
        send(net);
        net.seconds(1);
        let after = net.sent.iter().filter(|(from, octets)| *from == 1 && octets[0] & 0x80 == 0).count();
        (after - before, net.payloads[0].len())
    };
    let frame = &[0xff, 3, 0, 0x21, 0x45][..];
    assert_eq!(
        crossing(&mut net, &|net: &mut Net| lns.iter().for_each(|id| net.ends[1].send_payload(*id, frame))),
        (10, 10)
    );
    assert_eq!(crossing(&mut net, &|net: &mut Net| net.ends[1].send_multicast(multicast, frame)), (1, 10));
    assert!(net.payloads[0].iter().all(|copy| copy == frame));
    net.ends[1].set_outgoing(net.now, multicast, &lns[..4]);
    net.seconds(1);
    assert_eq!(outgoing(&net).unwrap().1.len(), 4);
    assert_eq!(crossing(&mut net, &|net: &mut Net| net.ends[1].send_multicast(multicast, frame)), (1, 4));
    net.ends[1].remove_multicast(net.now, multicast);
    net.seconds(1);
    assert_eq!(crossing(&mut net, &|net: &mut Net| net.ends[1].send_multicast(multicast, frame)), (0, 0));
    assert!(net.events[0].iter().any(|e| matches!(e, Event::MulticastDown { .. })));
}

#[test]
fn multicast_sessions_need_both_sides() {
    for multicast in [[false, true], [true, false]] {
        let (mut net, [a, b]) = net(multicast);
        net.ends[1].add_session(net.now, ppp(b, SessionStart::Await, b"", b"", b"")).unwrap();
        net.ends[0].add_session(net.now, ppp(a, SessionStart::Incoming, b"", b"", b"")).unwrap();
        net.seconds(2);
        assert_eq!(net.ends[1].add_multicast(net.now, b), Err(ConfigError::Multicast));
    }
}
