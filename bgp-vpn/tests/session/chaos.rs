//! Connections cut at any moment, partitions, operators: in the end the session comes back.

use std::time::Duration;

use bgp_vpn::message::{Notification, subcode};
use bgp_vpn::session::Input;
use proptest::prelude::*;

use crate::net::{Net, config};

#[derive(Clone, Debug)]
enum Blow {
    /// One end hears that its connections failed; the other one hears nothing.
    Cut(usize),
    /// What is under way is lost for good.
    Lose,
    Partition(bool),
    Stop(usize),
    Start(usize),
    Reset(usize),
    /// Somebody else connects, says nothing, and stays.
    Stranger(usize),
    /// One end restarts from nothing; the other one hears nothing.
    Reborn(usize),
}

fn blow() -> impl Strategy<Value = Blow> {
    let end = 0..2_usize;
    prop_oneof![
        end.clone().prop_map(Blow::Cut),
        Just(Blow::Lose),
        any::<bool>().prop_map(Blow::Partition),
        end.clone().prop_map(Blow::Stop),
        end.clone().prop_map(Blow::Start),
        end.clone().prop_map(Blow::Reset),
        end.clone().prop_map(Blow::Stranger),
        end.prop_map(Blow::Reborn),
    ]
}

fn strike(net: &mut Net, blow: Blow) {
    match blow {
        Blow::Cut(end) => net.cut(end),
        Blow::Lose => net.lose_all(),
        Blow::Partition(on) => net.partitioned = on,
        Blow::Stop(end) => {
            let cease = Notification::administrative(subcode::cease::ADMINISTRATIVE_SHUTDOWN, "works");
            net.input(end, Input::Stop(cease));
        }
        Blow::Start(end) => net.input(end, Input::Start),
        Blow::Reset(end) => {
            let cease = Notification::administrative(subcode::cease::ADMINISTRATIVE_RESET, "");
            net.input(end, Input::Reset(cease));
        }
        Blow::Stranger(end) => {
            if net.ends[end].session.admits_incoming() {
                net.stranger(end);
            }
        }
        Blow::Reborn(end) => net.reborn(end),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn the_session_comes_back(
        blows in prop::collection::vec((blow(), 0_u64..40_000), 0..20),
        delay in 1_u64..2_000,
        restarts in any::<[bool; 2]>(),
        damped in any::<[bool; 2]>(),
        passive in any::<bool>(),
    ) {
        let mut configs = [config(1, 65001, 65001), config(2, 65001, 65001)];
        for (n, c) in configs.iter_mut().enumerate() {
            c.peer.graceful_restart = restarts[n].then_some(Duration::from_secs(120));
            c.peer.timers.idle_hold = damped[n].then_some(Duration::from_secs(2));
        }
        configs[0].peer.passive = passive;
        let mut net = Net::new(configs);
        net.delays = vec![Duration::from_millis(delay), Duration::from_millis(delay / 2 + 1)];
        net.start();
        for (blow, wait) in blows {
            strike(&mut net, blow);
            net.run(Duration::from_millis(wait));
        }
        net.partitioned = false;
        net.start();
        // Four minutes for an OPEN that never comes, the hold time for a silent peer, and the longest IdleHoldTime.
        net.run(Duration::from_secs(1_200));
        prop_assert!(net.agreed(), "{:?}", net.ends.each_ref().map(|e| (e.session.state(), &e.told)));
    }
}
