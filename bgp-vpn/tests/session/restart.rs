//! Graceful restart as far as the session decides it (RFC 4724 §4.2, §5, RFC 8538).

use std::time::Duration;

use bgp_vpn::message::capability::{Capability, RestartFamilyFlags, RestartFlags};
use bgp_vpn::message::{Message, Notification, RefreshSubtype, RouteRefresh, subcode};
use bgp_vpn::nlri::Family;
use bgp_vpn::session::{Input, State};
use bgp_vpn::speaker::Side;

use crate::net::{Net, Told, config};

fn restarting_pair(restarts: [bool; 2]) -> Net {
    let mut configs = [config(1, 65001, 65001), config(2, 65001, 65001)];
    for (c, restarts) in configs.iter_mut().zip(restarts) {
        c.peer.graceful_restart = restarts.then_some(Duration::from_secs(120));
    }
    let mut net = Net::new(configs);
    net.start();
    net.run(Duration::from_secs(100));
    assert!(net.agreed());
    net
}

fn last_open(net: &Net, end: usize) -> (RestartFlags, Vec<RestartFamilyFlags>) {
    let open = net.ends[end].sent.iter().rev().find_map(|(_, o)| match Message::parse(o) {
        Ok(Message::Open(open)) => Some(open),
        _ => None,
    });
    let open = open.unwrap();
    open.capabilities()
        .find_map(|c| match c {
            Capability::GracefulRestart(g) => Some((g.flags, g.families.iter().map(|f| f.flags).collect())),
            _ => None,
        })
        .unwrap()
}

/// Shows: L3VPN-8.1-10
#[test]
fn a_lost_connection_keeps_the_routes_of_a_peer_that_restarts() {
    for restarts in [true, false] {
        let mut net = restarting_pair([false, restarts]);
        net.cut(0);
        assert_eq!(net.ends[0].downs()[0].retain_routes, restarts);
        assert!(net.ends[0].session.admits_incoming(), "it listens at once");
    }
}

#[test]
fn without_the_n_bit_a_notification_ends_it_all() {
    let mut net = restarting_pair([false, true]);
    net.input(1, Input::Reset(Notification::administrative(subcode::cease::ADMINISTRATIVE_RESET, "")));
    net.run(Duration::from_millis(100));
    assert!(!net.ends[0].downs()[0].retain_routes && !net.ends[1].downs()[0].retain_routes);
}

#[test]
fn with_the_n_bit_only_a_hard_reset_does() {
    let mut net = restarting_pair([true, true]);
    net.input(1, Input::Reset(Notification::administrative(subcode::cease::ADMINISTRATIVE_RESET, "")));
    net.run(Duration::from_secs(40));
    assert!(net.agreed());
    assert!(net.ends[0].downs()[0].retain_routes && net.ends[1].downs()[0].retain_routes);
    net.input(1, Input::Stop(Notification::administrative(subcode::cease::ADMINISTRATIVE_SHUTDOWN, "gone")));
    net.run(Duration::from_secs(1));
    let received = net.ends[0].downs()[1].received.as_ref().unwrap();
    assert!(received.is_hard_reset());
    assert_eq!(received.communication(), Some("gone"));
    assert!(!net.ends[0].downs()[1].retain_routes && !net.ends[1].downs()[1].retain_routes);
}

#[test]
fn hold_timer_expiry_keeps_routes_with_the_n_bit() {
    for restarts in [true, false] {
        let mut net = restarting_pair([restarts, true]);
        net.partitioned = true;
        net.lose_all();
        net.run(Duration::from_secs(95));
        assert_eq!(net.ends[0].downs()[0].retain_routes, restarts);
    }
}

#[test]
fn a_new_connection_of_a_peer_that_restarts_replaces_the_old_one() {
    for restarts in [true, false] {
        let mut net = restarting_pair([true, restarts]);
        // The peer loses its memory: nobody tells end 0.
        let old = net.ends[0].established();
        let sent = net.ends[0].sent.len();
        if net.ends[0].session.established_side() == Some(Side::Incoming) {
            assert_eq!(net.ends[0].session.admits_incoming(), restarts);
        }
        if restarts {
            net.stranger(0);
            let down = net.ends[0].downs()[0].clone();
            assert!(down.established && down.retain_routes && down.sent.is_none());
            assert_eq!(net.ends[0].session.state(), State::OpenSent);
            assert_eq!(net.ends[0].sent[sent..].len(), 1, "an OPEN, and no NOTIFICATION to the old connection");
            assert_ne!(Some(net.ends[0].sent[sent].0), old);
        }
    }
}

#[test]
fn flags_tell_what_happened_to_us() {
    let mut net = restarting_pair([true, true]);
    let none = RestartFamilyFlags::empty();
    assert_eq!(last_open(&net, 0), (RestartFlags::NOTIFICATION, vec![none; 2]), "a first start kept nothing");
    net.cut(0);
    net.run(Duration::from_secs(60));
    assert!(net.agreed());
    let kept = RestartFamilyFlags::FORWARDING;
    assert_eq!(last_open(&net, 0), (RestartFlags::NOTIFICATION, vec![kept; 2]), "our forwarding plane lives on");

    let mut configs = [config(1, 65001, 65001), config(2, 65001, 65001)];
    configs[0].peer.graceful_restart = Some(Duration::from_secs(60));
    configs[0].restarted = true;
    let mut net = Net::new(configs);
    net.start();
    net.run(Duration::from_secs(10));
    let both = RestartFlags::NOTIFICATION | RestartFlags::RESTARTED;
    assert_eq!(last_open(&net, 0), (both, vec![kept; 2]));
    let peer = net.ends[1].session.negotiated().unwrap().peer_restart.clone().unwrap();
    assert!(peer.restarted && peer.families.iter().all(|(_, kept)| *kept));
    net.cut(0);
    net.run(Duration::from_secs(60));
    assert_eq!(last_open(&net, 0).0, RestartFlags::NOTIFICATION, "R only until the session was up");
    let helper = net.ends[0].session.negotiated().unwrap().peer_restart.clone().unwrap();
    assert!(helper.families.is_empty(), "the other one only helps");
}

/// Shows: L3VPN-8.1-3, L3VPN-8.1-6
#[test]
fn refreshes_pass_between_speakers_that_agreed() {
    let mut net = restarting_pair([false, false]);
    for subtype in [RefreshSubtype::REQUEST, RefreshSubtype::BEGIN, RefreshSubtype::END] {
        net.input(0, Input::Refresh(RouteRefresh::new(Family::VPN_IPV4, subtype)));
    }
    net.input(0, Input::Refresh(RouteRefresh::new(Family::IPV6_UNICAST, RefreshSubtype::REQUEST)));
    net.run(Duration::from_secs(1));
    let told = &net.ends[1].told[1..];
    let expected = [0, 1, 2].map(|s| Told::Refresh(RouteRefresh::new(Family::VPN_IPV4, RefreshSubtype(s))));
    assert_eq!(told, expected, "a family that was not agreed on is not sent");
    assert_eq!(net.ends[0].session.counters().sent.refreshes, 3);
}
