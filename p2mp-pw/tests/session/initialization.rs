//! Session initialization (RFC 5036 §2.5.3, §3.5.3).

use std::time::Duration;

use p2mp_pw::ldp::session::{AdvertisementDiscipline, GracefulRestart, Input, Output, State};
use p2mp_pw::ldp::{Capability, StatusCode, TlvType};

use crate::pair::{Pair, config};

#[test]
fn the_larger_address_connects_and_both_agree() {
    let mut configs = [config(1), config(2)];
    configs[0].keepalive = Duration::from_secs(30);
    configs[1].max_pdu_length = 1500;
    configs[1].discipline = AdvertisementDiscipline::DownstreamOnDemand;
    configs[0].path_vector_limit = Some(16);
    configs[0].capabilities = vec![(TlvType::P2MP_CAPABILITY, Capability::advertised())];
    configs[1].graceful_restart = Some(GracefulRestart::default());
    let pair = Pair::new(configs);
    assert_eq!(pair.states(), [State::Operational; 2]);
    for session in &pair.sessions {
        let agreed = session.negotiated().unwrap();
        assert_eq!((agreed.keepalive, agreed.max_pdu_length), (Duration::from_secs(30), 1500));
        assert_eq!(agreed.discipline, AdvertisementDiscipline::DownstreamUnsolicited);
    }
    let [first, second] = pair.sessions.each_ref().map(|s| s.negotiated().unwrap());
    assert!(second.has(TlvType::P2MP_CAPABILITY) && !first.has(TlvType::P2MP_CAPABILITY));
    assert_eq!((first.path_vector_limit, second.path_vector_limit), (None, Some(16)));
    assert_eq!(first.graceful_restart.unwrap().reconnect_timeout_ms, 120_000);
    assert_eq!(first.graceful_restart.unwrap().recovery_time_ms, 0);
}

#[test]
fn two_that_want_labels_on_demand_get_them_so() {
    let configs = [1, 2].map(|n| {
        let mut config = config(n);
        config.discipline = AdvertisementDiscipline::DownstreamOnDemand;
        config
    });
    let pair = Pair::new(configs);
    assert_eq!(pair.sessions[0].negotiated().unwrap().discipline, AdvertisementDiscipline::DownstreamOnDemand);
}

/// RFC 5036 §2.5.3: no less than 15 s after the first refusal, growing to no less than two minutes.
#[test]
fn refusals_are_answered_by_growing_delays() {
    let mut configs = [config(1), config(2)];
    // The passive side expects another label space of the active one.
    configs[0].peer.label_space = 5;
    let mut pair = Pair::new(configs);
    pair.run(Duration::from_secs(600));
    assert_eq!(pair.delays(1)[..5], [15, 30, 60, 120, 120]);
    let down = pair.downs(1)[0];
    assert_eq!((down.operational, down.received), (false, Some(StatusCode::SESSION_REJECTED_NO_HELLO)));
    assert_eq!(pair.downs(0)[0].sent, Some(StatusCode::SESSION_REJECTED_NO_HELLO));
    // The peer says in its Hellos that it was configured anew: no need to wait (RFC 5036 §3.5.2.1).
    let before = pair.delays(1).len();
    pair.input(1, Input::PeerReconfigured);
    assert_eq!(pair.delays(1)[before..], [15]);
}

#[test]
fn a_session_that_stops_says_so_and_starts_again() {
    let mut pair = Pair::new([config(1), config(2)]);
    pair.input(0, Input::Stop(StatusCode::HOLD_TIMER_EXPIRED));
    assert_eq!(pair.states(), [State::NonExistent; 2]);
    assert_eq!(pair.downs(1)[0].received, Some(StatusCode::HOLD_TIMER_EXPIRED));
    assert_eq!(pair.downs(0)[0].sent, Some(StatusCode::HOLD_TIMER_EXPIRED));
    assert!(!pair.sessions[0].admits_connection());
    pair.run(Duration::from_secs(300));
    assert_eq!(pair.states(), [State::NonExistent; 2]);
    pair.input(0, Input::Start);
    assert!(pair.sessions[0].admits_connection());
    pair.run(Duration::from_secs(121));
    assert_eq!(pair.states(), [State::Operational; 2]);
    let ups = |n: usize| pair.outputs[n].iter().filter(|o| matches!(o, Output::Up(_))).count();
    assert_eq!([ups(0), ups(1)], [2, 2]);
}

#[test]
fn bad_configuration_names_its_field() {
    let refused = |change: fn(&mut p2mp_pw::ldp::session::SessionConfig)| {
        let mut config = config(1);
        change(&mut config);
        let now = fwd_core::time::Instant::ZERO;
        p2mp_pw::ldp::session::Session::new(now, config).unwrap_err().to_string()
    };
    assert!(refused(|c| c.keepalive = Duration::ZERO).starts_with("keepalive: 0ns"));
    assert!(refused(|c| c.backoff = Duration::from_secs(14)).starts_with("backoff: 14s"));
    assert!(refused(|c| c.max_backoff = Duration::from_secs(60)).starts_with("max_backoff: 60s"));
    assert!(refused(|c| c.max_pdu_length = 255).starts_with("max_pdu_length: 255"));
    assert!(refused(|c| c.path_vector_limit = Some(0)).starts_with("path_vector_limit: 0"));
    assert!(refused(|c| c.peer_transport = c.local_transport).starts_with("peer_transport: 192.0.2.1"));
}
