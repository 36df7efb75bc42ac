//! Hold, keepalive, connect retry, idle hold and send hold timers.

use std::time::Duration;

use bgp_vpn::message::{ErrorCode, Message, Notification, Open, subcode};
use bgp_vpn::session::{Input, State};
use bgp_vpn::speaker::Side;

use crate::net::{Net, config};

fn types(net: &Net, end: usize) -> Vec<u8> {
    net.ends[end].sent.iter().map(|(_, o)| o[18]).collect()
}

#[test]
fn keepalives_keep_the_session() {
    let mut net = Net::pair();
    net.start();
    net.run(Duration::from_secs(3600));
    assert!(net.agreed());
    assert_eq!(net.ends[0].told.len(), 1);
    let keepalives = types(&net, 0).iter().filter(|t| **t == 4).count();
    assert!((120..=165).contains(&keepalives), "every 22.5 s to 30 s: {keepalives}");
}

#[test]
fn a_silent_partition_ends_by_the_hold_timer() {
    let mut net = Net::pair();
    net.start();
    net.run(Duration::from_secs(5));
    net.partitioned = true;
    net.lose_all();
    net.run(Duration::from_secs(60));
    assert!(net.agreed(), "not before the hold time");
    net.run(Duration::from_secs(31));
    for end in &net.ends {
        assert_ne!(end.session.state(), State::Established);
        let sent = end.downs()[0].sent.clone().unwrap();
        assert_eq!(sent.code, ErrorCode::HOLD_TIMER_EXPIRED);
    }
    net.partitioned = false;
    net.run(Duration::from_secs(60));
    assert!(net.agreed(), "back within the ConnectRetryTime of 30 s and the attempt itself");
}

#[test]
fn a_short_partition_passes_unnoticed() {
    let mut net = Net::pair();
    net.start();
    net.run(Duration::from_secs(5));
    let at = net.now;
    net.delays = vec![Duration::from_secs(30)];
    net.run(Duration::from_secs(300));
    assert!(net.agreed());
    assert!(net.now > at);
    assert_eq!(net.ends[0].told.len(), 1);
}

#[test]
fn the_smaller_hold_time_counts_and_zero_means_none() {
    let mut configs = [config(1, 65001, 65001), config(2, 65001, 65001)];
    configs[0].peer.timers.hold = Duration::from_secs(3);
    let mut net = Net::new(configs.clone());
    net.start();
    net.run(Duration::from_secs(5));
    for end in &net.ends {
        assert_eq!(end.session.negotiated().unwrap().hold_time, Duration::from_secs(3));
    }
    configs[1].peer.timers.hold = Duration::ZERO;
    let mut net = Net::new(configs);
    net.start();
    net.run(Duration::from_secs(5));
    let sent = net.ends[0].sent.len();
    net.run(Duration::from_secs(100_000));
    assert!(net.agreed());
    assert_eq!(net.ends[0].sent.len(), sent, "no keepalives");
    assert_eq!(net.ends[0].session.next_timeout(), None);
}

#[test]
fn a_peer_that_never_answers_the_open_is_given_up_after_four_minutes() {
    let mut net = Net::pair();
    net.input(0, Input::Start);
    let connection = net.stranger(0);
    net.run(Duration::from_secs(239));
    assert_eq!(net.ends[0].session.state(), State::OpenSent);
    net.run(Duration::from_secs(2));
    let last = net.ends[0].sent.last().unwrap();
    assert_eq!((last.0, &last.1[16..]), (connection, &[0, 21, 3, 4, 0][..]));
    assert_ne!(net.ends[0].session.state(), State::OpenSent);
}

#[test]
fn attempts_grow_rarer_up_to_the_connect_retry_time() {
    let mut net = Net::pair();
    net.partitioned = false;
    net.input(0, Input::Start);
    // The other session is not started: every attempt is refused.
    let mut attempts = Vec::new();
    for second in 0..200 {
        net.run(Duration::from_secs(1));
        if attempts.len() < net.ends[0].connects {
            attempts.push(second);
        }
    }
    let gaps: Vec<_> = attempts.windows(2).map(|w| w[1] - w[0]).collect();
    assert!(gaps[0] <= 2 && gaps.iter().all(|g| *g <= 30), "{gaps:?}");
    assert!(gaps[gaps.len() - 2..].iter().all(|g| *g >= 22), "{gaps:?}");
    assert!(net.ends[0].told.is_empty(), "an attempt without a connection is no news");
}

#[test]
fn an_attempt_that_hangs_is_repeated() {
    let mut net = Net::pair();
    net.partitioned = true;
    net.input(0, Input::Start);
    net.run(Duration::from_secs(100));
    assert!((4..=5).contains(&net.ends[0].connects), "every 22.5 s to 30 s: {}", net.ends[0].connects);
}

#[test]
fn damping_holds_the_peer_in_idle_for_longer_each_time() {
    let mut configs = [config(1, 65001, 65001), config(2, 65001, 65001)];
    configs[0].peer.timers.idle_hold = Some(Duration::from_secs(10));
    configs[1].peer.remote_as = 65009; // It refuses our OPEN.
    configs[0].peer.passive = true;
    let mut net = Net::new(configs);
    net.start();
    net.run(Duration::from_secs(1));
    assert_eq!(net.ends[0].session.state(), State::Idle);
    assert!(!net.ends[0].session.admits_incoming(), "Idle refuses connections");
    net.run(Duration::from_secs(8));
    assert_eq!(net.ends[0].session.state(), State::Idle);
    net.run(Duration::from_secs(3));
    assert_eq!(net.ends[0].session.state(), State::Active);
    let mut idle = 0;
    for _ in 0..120 {
        net.run(Duration::from_secs(1));
        idle += u32::from(net.ends[0].session.state() == State::Idle);
    }
    assert!(idle > 40, "20 s, then 40 s: {idle}");
}

#[test]
fn delay_open_waits_for_the_peer() {
    let mut configs = [config(1, 65001, 65001), config(2, 65001, 65001)];
    configs[0].peer.timers.delay_open = Some(Duration::from_secs(10));
    configs[1].peer.passive = true;
    let mut net = Net::new(configs.clone());
    net.start();
    net.run(Duration::from_secs(1));
    assert!(net.agreed());
    assert_eq!(types(&net, 0)[..2], [1, 4], "OPEN and KEEPALIVE together, after the peer's OPEN");
    configs[1].peer.timers.delay_open = Some(Duration::from_secs(20));
    let mut net = Net::new(configs);
    net.start();
    net.run(Duration::from_secs(9));
    assert!(types(&net, 0).is_empty() && types(&net, 1).is_empty());
    net.run(Duration::from_secs(2));
    assert!(net.agreed(), "the first to lose patience sends its OPEN");
}

#[test]
fn a_peer_that_never_reads_is_given_up() {
    let mut net = Net::pair();
    net.start();
    net.run(Duration::from_secs(5));
    let side = net.ends[0].session.established_side().unwrap();
    net.input(0, Input::Writable { side, room: 0 });
    net.run(Duration::from_secs(400));
    net.input(0, Input::Writable { side, room: 1000 });
    net.run(Duration::from_secs(400));
    assert!(net.agreed(), "it read in time");
    net.input(0, Input::Writable { side, room: 0 });
    net.run(Duration::from_secs(479));
    net.input(0, Input::Writable { side, room: 0 });
    assert!(net.agreed());
    net.run(Duration::from_secs(2));
    let down = net.ends[0].downs()[0].clone();
    assert_eq!((down.established, down.sent, down.received), (true, None, None));
}

#[test]
fn updates_put_keepalives_off() {
    let mut net = Net::pair();
    net.start();
    net.run(Duration::from_secs(2));
    let sent = net.ends[0].sent.len();
    for _ in 0..100 {
        net.input(0, Input::UpdateSent);
        net.input(1, Input::UpdateSent);
        net.run(Duration::from_secs(20));
        // What the owner sent reaches the other end.
        for end in [0, 1] {
            let mut octets = Vec::new();
            Message::Update(&[0; 4]).emit(&mut octets);
            let side = net.ends[end].session.established_side().unwrap();
            net.input(end, Input::Stream { side, octets: &octets });
        }
    }
    assert!(net.agreed());
    assert_eq!(net.ends[0].sent.len(), sent);
    assert_eq!(net.ends[0].session.counters().sent.updates, 100);
}

#[test]
fn the_operators_stop_and_start() {
    let mut net = Net::pair();
    net.start();
    net.run(Duration::from_secs(2));
    net.input(0, Input::Stop(Notification::administrative(subcode::cease::ADMINISTRATIVE_SHUTDOWN, "new fibre")));
    net.run(Duration::from_secs(1000));
    assert_eq!(net.ends[0].session.state(), State::Idle);
    assert_eq!(net.ends[0].session.next_timeout(), None);
    let received = net.ends[1].downs()[0].received.clone().unwrap();
    assert_eq!(received.communication(), Some("new fibre"));
    assert!(net.ends[1].connects < 50, "RFC 4486 §4: no haste after a shutdown: {}", net.ends[1].connects);
    net.input(0, Input::Start);
    net.run(Duration::from_secs(60));
    assert!(net.agreed());
    net.input(1, Input::Reset(Notification::administrative(subcode::cease::ADMINISTRATIVE_RESET, "")));
    net.run(Duration::from_secs(60));
    assert!(net.agreed(), "a reset comes back by itself");
}

#[test]
fn a_connection_in_idle_is_refused() {
    let mut net = Net::pair();
    let stranger = net.stranger(0);
    assert_eq!(net.ends[0].sent[0].0, stranger);
    assert_eq!(net.ends[0].sent[0].1[16..], [0, 21, 3, 6, 5], "Cease/Connection Rejected");
    assert_eq!(net.ends[0].connections(), 0);
}

#[test]
fn a_peer_without_optional_parameters_gets_an_open_without() {
    let mut one = config(1, 65001, 65001);
    one.peer.families.insert(0, bgp_vpn::session::FamilyConfig::new(bgp_vpn::nlri::Family::IPV4_UNICAST));
    let mut net = Net::new([one, config(2, 65001, 65001)]);
    net.input(0, Input::Start);
    net.stranger(0);
    let opens = |net: &Net| -> Vec<Open> {
        let sent = net.ends[0].sent.iter().filter_map(|(_, o)| match Message::parse(o) {
            Ok(Message::Open(open)) => Some(open),
            _ => None,
        });
        sent.collect()
    };
    assert!(opens(&net)[0].capabilities().count() > 3);
    let mut refusal = Vec::new();
    Message::Notification(Notification::new(ErrorCode::OPEN, 4)).emit(&mut refusal);
    net.input(0, Input::Stream { side: Side::Incoming, octets: &refusal });
    net.stranger(0);
    assert_eq!(opens(&net)[1].parameters(), []);
}
