//! KeepAlives, silence, graceful restart (RFC 5036 §2.5.6, RFC 3478 §3.3).

use std::time::Duration;

use p2mp_pw::ldp::StatusCode;
use p2mp_pw::ldp::session::{GracefulRestart, Input, State};

use crate::pair::{Pair, config};

#[test]
fn keepalives_keep_an_idle_session() {
    let mut pair = Pair::new([config(1), config(2)]);
    pair.run(Duration::from_secs(3600));
    assert_eq!(pair.states(), [State::Operational; 2]);
    // Initialization and KeepAlive at first, then a KeepAlive each 60 s.
    assert_eq!(pair.sessions[0].counters().messages_sent, 62);
}

#[test]
fn silence_for_the_keepalive_time_ends_the_session() {
    let mut pair = Pair::new([config(1), config(2)]);
    pair.cut = true;
    pair.run(Duration::from_secs(179));
    assert_eq!(pair.states(), [State::Operational; 2]);
    pair.run(Duration::from_secs(1));
    assert_eq!(pair.states(), [State::NonExistent; 2]);
    let down = pair.downs(0)[0];
    assert_eq!((down.operational, down.sent), (true, Some(StatusCode::KEEPALIVE_TIMER_EXPIRED)));
    assert_eq!(down.retain, None);
    pair.cut = false;
    pair.run(Duration::from_secs(60));
    assert_eq!(pair.states(), [State::Operational; 2]);
}

#[test]
fn labels_of_a_peer_that_restarts_are_kept_for_its_reconnect_timeout() {
    let configs = [1, 2].map(|n| {
        let mut config = config(n);
        config.graceful_restart = Some(GracefulRestart { reconnect: Duration::from_secs(90), ..Default::default() });
        config
    });
    let mut pair = Pair::new(configs);
    pair.input(0, Input::Closed);
    assert_eq!(pair.downs(0)[0].retain, Some(Duration::from_secs(90)));
    let mut pair = Pair::new([config(1), config(2)]);
    pair.input(0, Input::Closed);
    assert_eq!(pair.downs(0)[0].retain, None);
}

/// A connection on which nothing comes does not hold the session for ever.
#[test]
fn initialization_has_a_time_limit() {
    let mut pair = Pair::new([config(1), config(2)]);
    pair.input(0, Input::Stop(StatusCode::SHUTDOWN));
    pair.run(Duration::from_secs(40));
    pair.input(1, Input::Connected);
    let before = pair.downs(1).len();
    pair.run(Duration::from_secs(16));
    assert_eq!(pair.downs(1).len(), before + 1);
    assert_eq!(pair.downs(1)[before].sent, Some(StatusCode::KEEPALIVE_TIMER_EXPIRED));
}
