//! What sessions are asked for, and what they are refused for.

use ipsec_vlink::l2tp::control::fsm::SessionState;
use ipsec_vlink::l2tp::control::{Cause, ConfigError, Event, PeerConfig, SessionConfig, SessionId, SessionStart};
use ipsec_vlink::l2tp::{CircuitStatus, PseudowireType};

use crate::net::{Faults, Net, address};

/// Two ends with these sessions, after five seconds; the causes of what went down at the first.
fn pair(a: impl Fn(&mut SessionConfig), b: impl Fn(&mut SessionConfig)) -> (Net, [SessionId; 2], Vec<Cause>) {
    let mut net = Net::new(None, Faults::default());
    let first = net.ends[0].add_peer(PeerConfig::v3(address(2, None))).unwrap();
    let second = net.ends[1].add_peer(PeerConfig { initiate: false, ..PeerConfig::v3(address(1, None)) }).unwrap();
    let mut ours = SessionConfig::new(first, SessionStart::Incoming, b"a", b"b");
    let mut theirs = SessionConfig::new(second, SessionStart::Await, b"b", b"a");
    a(&mut ours);
    b(&mut theirs);
    let theirs = net.ends[1].add_session(net.now, theirs).unwrap();
    let ours = net.ends[0].add_session(net.now, ours).unwrap();
    net.seconds(5);
    let cause = |e: &Event| if let Event::SessionDown { cause, .. } = e { Some(*cause) } else { None };
    let causes = net.events[0].iter().filter_map(cause).collect();
    (net, [ours, theirs], causes)
}

fn peer_said(result: u16) -> Vec<Cause> {
    vec![Cause::Peer { result, error: 0 }]
}

/// Shows: L2VPN-5.5-17
#[test]
fn what_does_not_fit_is_refused_with_its_result() {
    let (_, _, causes) = pair(|_| {}, |b| b.pseudowire = PseudowireType::ETHERNET);
    assert_eq!(causes, peer_said(14));
    let (_, _, causes) = pair(|a| a.mtu = Some(1500), |b| b.mtu = Some(1400));
    assert_eq!(causes, peer_said(23));
    let (_, _, causes) = pair(|a| a.remote_end = b"nobody".to_vec(), |_| {});
    assert_eq!(causes, peer_said(24));
    let (_, _, causes) = pair(|a| a.group = b"other VPN".to_vec(), |b| b.group = b"VPN".to_vec());
    assert_eq!(causes, peer_said(24), "never a session of another group");
    let (_, _, causes) = pair(|a| a.local_end = b"stranger".to_vec(), |_| {});
    assert_eq!(causes, peer_said(25));
    let (net, ids, causes) = pair(|a| a.mtu = Some(1500), |b| b.mtu = Some(1500));
    assert_eq!((causes, net.ends[0].session_state(ids[0])), (vec![], Some(SessionState::Established)));
    // One that is refused asks again later.
    let (mut net, _, _) = pair(|_| {}, |b| b.pseudowire = PseudowireType::ETHERNET);
    let before = net.ends[1].counters().refused;
    net.seconds(15);
    assert!(net.ends[1].counters().refused > before);
}

#[test]
fn groups_and_ends_say_which_session() {
    let mut net = Net::new(None, Faults::default());
    let a = net.ends[0].add_peer(PeerConfig::v3(address(2, None))).unwrap();
    let b = net.ends[1].add_peer(PeerConfig { initiate: false, ..PeerConfig::v3(address(1, None)) }).unwrap();
    let mut wanted = Vec::new();
    for group in [b"red".to_vec(), b"blue".to_vec(), vec![]] {
        // The same ends in each group.
        let cfg = SessionConfig { group: group.clone(), ..SessionConfig::new(b, SessionStart::Await, b"x", b"y") };
        let theirs = net.ends[1].add_session(net.now, cfg).unwrap();
        let cfg = SessionConfig { group, ..SessionConfig::new(a, SessionStart::Incoming, b"y", b"x") };
        let ours = net.ends[0].add_session(net.now, cfg.clone()).unwrap();
        assert_eq!(net.ends[0].add_session(net.now, cfg), Err(ConfigError::End));
        wanted.push((ours, theirs));
    }
    net.seconds(5);
    let ups = |net: &Net, end: usize| -> Vec<(SessionId, u32, u32)> {
        let up = |e: &Event| match e {
            Event::SessionUp { session, up } => Some((*session, up.local_id, up.remote_id)),
            _ => None,
        };
        net.events[end].iter().filter_map(up).collect()
    };
    let (ours, theirs) = (ups(&net, 0), ups(&net, 1));
    assert_eq!(ours.len(), 3);
    for (a, local, remote) in ours {
        let (b, ..) = theirs.iter().find(|(_, l, r)| (*l, *r) == (remote, local)).unwrap();
        assert!(wanted.contains(&(a, *b)));
    }
}

#[test]
fn circuits_tell_their_state_and_outgoing_calls_wait_for_it() {
    let mut net = Net::new(None, Faults::default());
    let a = net.ends[0].add_peer(PeerConfig::v3(address(2, None))).unwrap();
    let b = net.ends[1].add_peer(PeerConfig { initiate: false, ..PeerConfig::v3(address(1, None)) }).unwrap();
    let theirs = net.ends[1].add_session(net.now, SessionConfig::new(b, SessionStart::Await, b"b", b"b")).unwrap();
    let ours = net.ends[0].add_session(net.now, SessionConfig::new(a, SessionStart::Outgoing, b"b", b"b")).unwrap();
    net.seconds(2);
    assert!(net.events[1].contains(&Event::PlaceCall { session: theirs }));
    assert_eq!(net.ends[0].session_state(ours), Some(SessionState::WaitConnect));
    assert_eq!(net.ends[1].session_state(theirs), Some(SessionState::WaitCsAnswer));
    net.ends[1].call_placed(net.now, theirs, true);
    net.seconds(1);
    assert_eq!(net.ends[0].session_state(ours), Some(SessionState::Established));
    net.ends[1].set_circuit(net.now, theirs, CircuitStatus::RECEIVE_FAULT);
    net.seconds(1);
    let status = CircuitStatus::RECEIVE_FAULT;
    assert!(net.events[0].contains(&Event::Circuit { session: ours, status }));
}

/// RFC 4951 §3.3.
#[test]
fn sessions_that_the_peer_lost_are_found() {
    let mut net = Net::new(None, Faults::default());
    let a = net.ends[0].add_peer(PeerConfig::v3(address(2, None))).unwrap();
    let b = net.ends[1].add_peer(PeerConfig { initiate: false, ..PeerConfig::v3(address(1, None)) }).unwrap();
    let mut ids = Vec::new();
    for n in 0..3_u8 {
        let theirs = net.ends[1].add_session(net.now, SessionConfig::new(b, SessionStart::Await, &[n], &[n])).unwrap();
        let ours = net.ends[0].add_session(net.now, SessionConfig::new(a, SessionStart::Incoming, &[n], &[n])).unwrap();
        ids.push((ours, theirs));
    }
    net.seconds(2);
    net.ends[0].query_sessions(net.now, a);
    net.seconds(2);
    assert!(!net.events[0].iter().any(|e| matches!(e, Event::SessionDown { .. })), "all are known");
    // The peer's answer once more, in its turn, but of one session it knows nothing.
    let local = |net: &Net, id: SessionId| {
        net.events[0].iter().find_map(|e| match e {
            Event::SessionUp { session, up } if *session == id => Some((up.local_id, up.remote_id)),
            _ => None,
        })
    };
    let (ours, theirs) = local(&net, ids[1].0).unwrap();
    let is_fsr = |octets: &&Vec<u8>| octets.get(23) == Some(&22) && octets[22] == 0;
    let mut answer =
        net.sent.iter().filter(|(from, _)| *from == 1).map(|(_, octets)| octets).find(is_fsr).unwrap().clone();
    answer[13] += 1;
    let pair: Vec<u8> = theirs.to_be_bytes().into_iter().chain(ours.to_be_bytes()).collect();
    let at = answer.windows(8).position(|window| window == pair).unwrap();
    answer[at..at + 4].fill(0);
    net.inject(0, net.addresses[1], &answer);
    let down = Event::SessionDown { session: ids[1].0, cause: Cause::Stale };
    assert!(net.events[0].contains(&down), "{:?}", net.events[0]);
    assert_eq!(net.ends[0].session_state(ids[0].0), Some(SessionState::Established));
}

#[test]
fn configuration_that_is_wrong_says_which_field() {
    let mut net = Net::new(None, Faults::default());
    let peer = net.ends[0].add_peer(PeerConfig::v3(address(2, None))).unwrap();
    let good = SessionConfig::new(peer, SessionStart::Await, b"a", b"b");
    let mut refused = |change: fn(&mut SessionConfig)| {
        let mut cfg = good.clone();
        change(&mut cfg);
        net.ends[0].add_session(net.now, cfg).unwrap_err()
    };
    assert_eq!(refused(|c| c.cookie_len = 5), ConfigError::Cookie);
    assert_eq!(refused(|c| c.sequencing = true), ConfigError::Sequencing);
    assert_eq!(refused(|c| c.pseudowire = PseudowireType::HDLC), ConfigError::Pseudowire);
    assert_eq!(refused(|c| c.group = vec![0; 2000]), ConfigError::Length("group"));
    let mut refused = |cfg: PeerConfig| net.ends[0].add_peer(cfg).unwrap_err();
    assert_eq!(refused(PeerConfig::v3(address(2, None))), ConfigError::Remote);
    assert_eq!(refused(PeerConfig { hide: true, ..PeerConfig::v3(address(3, None)) }), ConfigError::Hide);
    assert_eq!(refused(PeerConfig { multicast: true, ..PeerConfig::v3(address(3, None)) }), ConfigError::Multicast);
    let v2 = PeerConfig::v2(address(3, None).ip);
    assert_eq!(refused(PeerConfig { remote: address(3, None), ..v2 }), ConfigError::Carrier);
}
