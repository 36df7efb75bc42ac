//! Simultaneous opens (RFC 4271 §6.8).

use std::time::Duration;

use bgp_vpn::session::{Input, State};
use proptest::prelude::*;

use crate::net::{Net, Told, config};

#[test]
fn one_side_alone_comes_up() {
    let mut configs = [config(1, 65001, 65001), config(2, 65001, 65001)];
    configs[1].peer.passive = true;
    let mut net = Net::new(configs);
    net.start();
    net.run(Duration::from_secs(1));
    assert!(net.agreed());
    assert_eq!(net.ends[1].connects, 0, "a passive session never connects");
}

#[test]
fn the_higher_identifier_keeps_its_connection() {
    for (ids, winner) in [([1, 2], 1), ([2, 1], 0)] {
        let mut configs = [config(1, 65001, 65001), config(2, 65001, 65001)];
        for (c, id) in configs.iter_mut().zip(ids) {
            c.local.router_id = [10, 0, 0, id].into();
        }
        let mut net = Net::new(configs);
        net.start();
        net.run(Duration::from_secs(1));
        assert!(net.agreed());
        assert_eq!(net.ends[winner].session.established_side(), Some(bgp_vpn::speaker::Side::Outgoing));
        assert!(net.ends.iter().all(|e| e.downs().is_empty()), "the loser is no news");
        let collision = net.ends.iter().flat_map(|e| &e.sent).any(|(_, o)| o[16..] == [0, 21, 3, 6, 7]);
        assert!(collision, "Cease/Connection Collision Resolution");
    }
}

#[test]
fn equal_identifiers_are_decided_by_the_as_number() {
    let mut configs = [config(1, 65001, 65002), config(2, 65002, 65001)];
    for c in &mut configs {
        c.local.router_id = [10, 0, 0, 1].into();
    }
    let mut net = Net::new(configs);
    net.start();
    net.run(Duration::from_secs(1));
    assert!(net.agreed());
    assert_eq!(net.ends[1].session.established_side(), Some(bgp_vpn::speaker::Side::Outgoing));
}

#[test]
fn an_established_session_outlives_another_connection() {
    let mut net = Net::pair();
    net.input(1, Input::Start);
    net.input(0, Input::Start);
    net.run(Duration::from_secs(5));
    assert!(net.agreed());
    let end = usize::from(net.ends[0].session.established_side() == Some(bgp_vpn::speaker::Side::Incoming));
    // `end` has its session over the connection it opened; somebody connects to it and sends a good OPEN.
    let open = net.ends[1 - end].sent.iter().find(|(_, o)| o[18] == 1).unwrap().1.clone();
    net.stranger(end);
    let before = net.ends[end].sent.len();
    net.input(end, Input::Stream { side: bgp_vpn::speaker::Side::Incoming, octets: &open });
    let cease = &net.ends[end].sent[before..];
    assert_eq!(cease[0].1[16..], [0, 21, 3, 6, 7], "Cease/Connection Collision Resolution");
    assert_eq!(net.ends[end].session.state(), State::Established);
    net.run(Duration::from_secs(200));
    assert_eq!(net.ends[end].told.len(), 1, "established once, and nothing since: {:?}", net.ends[end].told);
}

/// Every order in which the octets of both connections may arrive.
#[test]
fn all_interleavings_leave_at_most_one_connection() {
    for (ids, ases) in [([1, 2], [1, 1]), ([1, 1], [2, 1])] {
        let mut configs = [config(1, ases[0], ases[1]), config(2, ases[1], ases[0])];
        for (c, id) in configs.iter_mut().zip(ids) {
            c.local.router_id = [10, 0, 0, id].into();
        }
        let mut net = Net::new(configs);
        // Resets only add orders in which nothing more happens.
        net.resets = false;
        net.start();
        let mut leaves = [0_u32; 2];
        explore(&net, &mut leaves);
        let [agreed, none] = leaves;
        assert!(agreed > 100_000 && none < agreed / 20, "{ids:?}: {leaves:?}");
    }
}

fn explore(net: &Net, leaves: &mut [u32; 2]) {
    let choices = net.under_way();
    if choices.is_empty() {
        let up = net.ends.iter().filter(|e| e.session.state() == State::Established).count();
        match up {
            2 => {
                assert!(net.agreed(), "both up over different connections");
                leaves[0] += 1;
            }
            // One end was up over the loser before it heard of the winner, and closed that: RFC 4271 §6.8 lets this happen.
            // Both try again.
            0 => {
                assert!(net.ends.iter().all(|e| e.connections() == 0));
                leaves[1] += 1;
            }
            _ => panic!("one end is up alone: {:?}", net.ends.each_ref().map(|e| &e.told)),
        }
        return;
    }
    for pipe in choices {
        let mut next = net.clone();
        next.step(pipe);
        explore(&next, leaves);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Any delays, any starts, with and without DelayOpen: in the end there is one session over one connection.
    #[test]
    fn sessions_agree_in_the_end(
        delays in prop::collection::vec(1_u64..3_000, 1..6),
        lead in 0_u64..5_000,
        seeds in any::<[u64; 2]>(),
        ids in any::<[u8; 2]>(),
        delay_open in any::<[bool; 2]>(),
        restarts in any::<[bool; 2]>(),
        damped in any::<bool>(),
    ) {
        let mut configs = [config(1, 65001, 65002), config(2, 65002, 65001)];
        for (n, c) in configs.iter_mut().enumerate() {
            c.seed = seeds[n];
            c.local.router_id = [10, 0, 0, ids[n].max(1)].into();
            c.peer.timers.delay_open = delay_open[n].then_some(Duration::from_secs(2));
            c.peer.graceful_restart = restarts[n].then_some(Duration::from_secs(120));
            c.peer.timers.idle_hold = damped.then_some(Duration::from_secs(3));
        }
        let mut net = Net::new(configs);
        net.delays = delays.into_iter().map(Duration::from_millis).collect();
        net.input(0, Input::Start);
        net.run(Duration::from_millis(lead));
        net.input(1, Input::Start);
        net.run(Duration::from_secs(600));
        prop_assert!(net.agreed(), "{:?}", net.ends.each_ref().map(|e| &e.told));
        let ups = net.ends[0].told.iter().filter(|t| matches!(t, Told::Established(_))).count();
        prop_assert!(ups <= 8, "up {ups} times");
    }
}

/// The connection that lost a collision is not tried again while the other one carries the session.
#[test]
fn the_loser_of_a_collision_rests_while_the_session_stands() {
    let mut configs = [config(1, 65001, 65002), config(2, 65002, 65001)];
    for (n, c) in configs.iter_mut().enumerate() {
        c.seed = [0, 3_391_851_564_463_436_672][n];
        c.local.router_id = [10, 0, 0, [102, 1][n]].into();
        c.peer.timers.delay_open = [true, false][n].then_some(Duration::from_secs(2));
    }
    let mut net = Net::new(configs);
    net.delays = vec![Duration::from_millis(441)];
    net.input(0, Input::Start);
    net.input(1, Input::Start);
    net.run(Duration::from_secs(600));
    for end in &net.ends {
        assert!(end.connects <= 3, "{} attempts to connect", end.connects);
    }
    assert!(net.agreed(), "{:?}", net.ends.each_ref().map(|e| &e.told));
}
