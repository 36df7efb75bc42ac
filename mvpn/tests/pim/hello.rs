//! RFC 7761 §4.3, RFC 8775.

use std::net::Ipv4Addr;
use std::time::Duration;

use mvpn::pim::wire::{DrlbList, HelloOption, LanPruneDelay, Message, MessageType};
use mvpn::pim::{DrLoadBalancing, PimEvent};

use crate::one::{ALL, LAN, ME, N1, N2, One, RP, S, SSM, config, lan};

/// Shows: L3VPN-8.8-7, L3VPN-8.8-11
#[test]
fn hellos_go_out_every_period_with_the_four_options() {
    let mut one = One::new();
    one.wait(Duration::from_secs(95));
    let sent: Vec<_> = one.sent.iter().filter(|(i, ..)| *i == Some(LAN)).collect();
    assert_eq!(sent.len(), 4, "within 5 s, and each 30 s after");
    for (_, from, to, octets) in sent {
        assert_eq!((*from, *to), (ME, ALL));
        let Ok(Message::Hello(hello)) = Message::parse(octets, (*from).into(), (*to).into()) else { panic!() };
        assert!(
            hello.options.contains(&HelloOption::Holdtime(105)) && hello.options.contains(&HelloOption::DrPriority(1))
        );
        let delay = LanPruneDelay { tracking_support: false, propagation_delay: 500, override_interval: 2500 };
        assert!(hello.options.contains(&HelloOption::LanPruneDelay(delay)));
        assert!(hello.options.iter().any(|o| matches!(o, HelloOption::GenerationId(_))));
    }
}

#[test]
fn a_new_or_restarted_neighbour_is_greeted_within_five_seconds() {
    let mut one = One::new();
    one.wait(Duration::from_secs(10));
    for generation in [1, 2] {
        one.sent.clear();
        one.hello(LAN, N1, &[HelloOption::GenerationId(generation)]);
        one.wait(Duration::from_secs(5));
        assert!(one.sent.iter().any(|(i, ..)| *i == Some(LAN)), "generation {generation}");
    }
    assert!(one.events.contains(&PimEvent::NeighborUp { interface: LAN, neighbor: N1 }));
    assert!(one.events.contains(&PimEvent::NeighborRestarted { interface: LAN, neighbor: N1 }));
    one.hello(LAN, N1, &[HelloOption::Holdtime(0)]);
    assert_eq!(one.events.last(), Some(&PimEvent::NeighborDown { interface: LAN, neighbor: N1 }));
}

#[test]
fn the_dr_is_the_best_priority_then_the_highest_address_and_times_out() {
    let mut one = One::new();
    assert_eq!(one.pim.dr(LAN), Some(ME));
    one.hello(LAN, N1, &[]);
    assert_eq!(one.pim.dr(LAN), Some(ME));
    one.hello(LAN, N2, &[]);
    assert_eq!(one.pim.dr(LAN), Some(N2));
    one.hello(LAN, N1, &[HelloOption::DrPriority(2)]);
    assert_eq!(one.pim.dr(LAN), Some(N1));
    one.wait(Duration::from_secs(104));
    assert_eq!(one.pim.dr(LAN), Some(N1));
    one.wait(Duration::from_secs(1));
    assert_eq!((one.pim.dr(LAN), one.pim.neighbors(LAN).count()), (Some(ME), 0));
}

#[test]
fn a_hello_goes_before_a_join_to_a_neighbour_that_heard_none() {
    let mut one = One::new();
    one.sent.clear();
    one.member(SSM, Some(S), true);
    assert_eq!(one.kinds(), [MessageType::HELLO, MessageType::JOIN_PRUNE]);
    one.wait(Duration::from_secs(61));
    assert!(one.kinds().contains(&MessageType::JOIN_PRUNE), "and again each minute");
}

fn drlb() -> DrLoadBalancing<Ipv4Addr> {
    let (group_mask, source_mask) = (Ipv4Addr::BROADCAST, Ipv4Addr::BROADCAST);
    DrLoadBalancing { group_mask, source_mask, rp_mask: Ipv4Addr::UNSPECIFIED }
}

/// Of two candidates each serves the groups whose hash is its ordinal: the list is sorted from high to low.
#[test]
fn dr_load_balancing_splits_groups() {
    let mut c = lan();
    c.dr_load_balancing = Some(drlb());
    let mut one = One::with(config(), c, RP);
    one.hello(LAN, N1, &[HelloOption::DrlbCapability(0)]);
    // This router is the DR: ordinal 0 is its own, 1 the neighbour's.
    for (last, mine) in [(2, true), (3, false), (4, true)] {
        let group = Ipv4Addr::new(239, 1, 1, last);
        one.member(group, None, true);
        assert_eq!(one.mroute(None, group).is_some(), mine, "{group}");
    }
    let hellos = |one: &mut One| {
        one.wait(Duration::from_secs(31));
        let last = one.sent.iter().rev().find(|(i, _, _, o)| *i == Some(LAN) && o[0] & 15 == 0).cloned().unwrap();
        let Ok(Message::Hello(h)) = Message::parse(&last.3, last.1.into(), last.2.into()) else { panic!() };
        h.options.into_iter().find_map(|o| if let HelloOption::DrlbList(l) = o { Some(l) } else { None })
    };
    assert_eq!(hellos(&mut one).unwrap().candidates, [std::net::IpAddr::from(ME), N1.into()]);
    // A better DR whose list has this router second: the shares change places.
    let list = DrlbList {
        group_mask: Ipv4Addr::BROADCAST.into(),
        source_mask: Ipv4Addr::BROADCAST.into(),
        rp_mask: Ipv4Addr::UNSPECIFIED.into(),
        candidates: vec![N2.into(), ME.into()],
    };
    one.hello(LAN, N2, &[HelloOption::DrlbCapability(0), HelloOption::DrlbList(list)]);
    assert!(hellos(&mut one).is_none(), "only the DR sends the list");
    for (last, mine) in [(2, false), (3, true), (4, false)] {
        let group = Ipv4Addr::new(239, 1, 1, last);
        assert_eq!(one.mroute(None, group).is_some(), mine, "{group}");
    }
}
