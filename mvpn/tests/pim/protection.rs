//! Activation, roles, filters, limits: what a hostile CE can do, and to whom.

use std::net::Ipv4Addr;
use std::time::Duration;

use fwd_core::op::FwdOp;
use mvpn::pim::wire::{Hello, HelloOption, Message};
use mvpn::pim::{Input, PimConfigError, PimEvent, PimLimit, PimLimits, PimReject, PrefixFilter};

use crate::one::{ALL, ASM, LAN, ME, N1, N2, NUP, One, RP, S, SSM, UP, config, lan};

fn rejected(one: &One) -> Vec<PimReject> {
    let reason = |e: &PimEvent<Ipv4Addr>| if let PimEvent::Rejected { reason, .. } = e { Some(*reason) } else { None };
    one.events.iter().filter_map(reason).collect()
}

fn limited(one: &One) -> Vec<PimLimit> {
    let limit = |e: &PimEvent<Ipv4Addr>| if let PimEvent::Limit { limit, .. } = e { Some(*limit) } else { None };
    one.events.iter().filter_map(limit).collect()
}

/// Shows: MVPN-SEC-3
#[test]
fn an_interface_without_pim_gets_no_hello_and_nothing_counts_that_comes_from_it() {
    let mut one = One::new();
    let elsewhere = fwd_core::net::IfIndex(7);
    let hello = Message::Hello(Hello { options: vec![HelloOption::Holdtime(105)] });
    one.receive(elsewhere, N1, ALL, &hello);
    one.input(Input::Data { interface: elsewhere, source: S, group: ASM });
    one.wait(Duration::from_secs(100));
    assert!(one.sent.iter().all(|(i, ..)| *i == Some(LAN) || *i == Some(UP)));
    assert_eq!((rejected(&one), one.pim.states()), (vec![PimReject::Interface], 0));
    // Off again: goodbye, and nothing after it.
    one.sent.clear();
    one.pim.remove_interface(one.now, LAN).unwrap();
    one.drain();
    let Ok(Message::Hello(bye)) = Message::parse(&one.sent[0].3, ME.into(), ALL.into()) else { panic!() };
    assert!(bye.options.contains(&HelloOption::Holdtime(0)));
    one.sent.clear();
    one.wait(Duration::from_secs(100));
    assert!(one.sent.iter().all(|(i, ..)| *i == Some(UP)));
    assert_eq!(one.pim.remove_interface(one.now, LAN), Err(PimConfigError::Interface));
}

/// Shows: MVPN-SEC-4
#[test]
fn a_denied_group_or_source_gets_no_state_and_is_counted() {
    let mut c = config();
    c.group_filter = PrefixFilter { rules: vec![("232.2.0.0/16".parse().unwrap(), false)] };
    let mut l = lan();
    l.source_filter = PrefixFilter { rules: vec![("10.9.8.0/24".parse().unwrap(), false)] };
    let mut one = One::with(c, l, RP);
    one.hello(LAN, N1, &[]);
    let denied = [(Ipv4Addr::new(232, 2, 1, 1), S), (SSM, Ipv4Addr::new(10, 9, 8, 7))];
    for (g, s) in denied {
        one.join(N1, g, s);
        one.member(g, Some(s), true);
        assert_eq!((one.pim.states(), one.ops.len()), (0, 0));
        one.wait(Duration::from_secs(2));
    }
    assert_eq!(rejected(&one), [PimReject::Filtered; 2]);
    one.join(N1, SSM, S);
    assert!(one.mroute(Some(S), SSM).is_some());
}

#[test]
fn an_interface_can_be_of_senders_or_of_receivers_only() {
    let mut l = lan();
    l.receivers = false;
    let mut one = One::with(config(), l, RP);
    one.hello(LAN, N1, &[]);
    one.join(N1, SSM, S);
    one.member(SSM, Some(S), true);
    assert_eq!((one.pim.states(), rejected(&one)), (0, vec![PimReject::Role]));
    let here = Ipv4Addr::new(10, 0, 1, 100);
    one.input(Input::Data { interface: LAN, source: here, group: ASM });
    assert!(one.mroute(Some(here), ASM).unwrap().register);

    let mut l = lan();
    l.senders = false;
    let mut one = One::with(config(), l, RP);
    one.input(Input::Data { interface: LAN, source: here, group: ASM });
    assert_eq!((one.mroute(Some(here), ASM), rejected(&one)), (None, vec![PimReject::Role]));
    one.member(SSM, Some(S), true);
    assert!(one.mroute(Some(S), SSM).is_some());
}

/// The limit of an interface refuses the next state, a Prune frees one, and the other interface is not touched.
#[test]
fn the_101st_channel_is_refused_and_a_leave_frees_its_slot() {
    let mut c = config();
    c.replication = 1..=1000;
    c.limits = PimLimits { states_per_interface: 100, ..PimLimits::default() };
    let mut one = One::with(c, lan(), RP);
    one.hello(LAN, N1, &[]);
    let g = |n: u32| Ipv4Addr::from_bits(SSM.to_bits() + n);
    for n in 0..150 {
        one.join(N1, g(n), S);
    }
    let count = |one: &One| (0..200).filter(|n| one.mroute(Some(S), g(*n)).is_some()).count();
    assert_eq!((count(&one), limited(&one)), (100, vec![PimLimit::InterfaceStates]));
    one.prune(N1, g(0), S);
    one.wait(Duration::from_secs(1));
    one.join(N1, g(120), S);
    assert!(one.mroute(Some(S), g(120)).is_some());
    one.join(N1, g(121), S);
    assert_eq!(count(&one), 100);
    // A host behind the other interface is served.
    let membership = mvpn::pim::Membership::Include;
    one.input(Input::Membership {
        interface: UP,
        group: g(199),
        source: Some(Ipv4Addr::new(10, 0, 1, 200)),
        membership,
    });
    assert_eq!(limited(&one).len(), 2);
    assert!(one.mroute(Some(Ipv4Addr::new(10, 0, 1, 200)), g(199)).is_some());
}

#[test]
fn the_limit_of_the_router_holds_for_all_interfaces() {
    let mut c = config();
    c.limits = PimLimits { states: 10, ..PimLimits::default() };
    let mut one = One::with(c, lan(), RP);
    one.hello(LAN, N1, &[]);
    for n in 0..20 {
        one.join(N1, Ipv4Addr::from_bits(SSM.to_bits() + n), S);
    }
    assert_eq!((one.pim.states(), limited(&one)), (10, vec![PimLimit::States]));
}

/// Strangers, impostors and floods: only Hellos of strangers, a bounded number of neighbours, a bounded number of messages.
#[test]
fn messages_of_strangers_and_floods_are_dropped_and_counted_once_a_second() {
    let mut c = config();
    c.limits = PimLimits { neighbors_per_interface: 2, messages_per_neighbor: 20, ..PimLimits::default() };
    let mut l = lan();
    l.neighbor_filter = PrefixFilter { rules: vec![("10.0.1.64/26".parse().unwrap(), false)] };
    let mut one = One::with(c, l, RP);
    one.join(N1, SSM, S);
    assert_eq!(rejected(&one), [PimReject::NotNeighbor]);
    one.hello(LAN, Ipv4Addr::new(10, 0, 1, 70), &[]);
    assert_eq!(rejected(&one)[1..], [PimReject::Filtered]);
    for n in [N1, N2, Ipv4Addr::new(10, 0, 1, 3)] {
        one.hello(LAN, n, &[]);
    }
    assert_eq!((one.pim.neighbors(LAN).count(), limited(&one)), (2, vec![PimLimit::Neighbors]));
    one.events.clear();
    for n in 0..1000 {
        one.join(N1, Ipv4Addr::from_bits(SSM.to_bits() + n), S);
    }
    assert_eq!((limited(&one), one.pim.states()), (vec![PimLimit::Messages], 40));
    // The neighbour on the other interface is heard all the same.
    one.hello(UP, NUP, &[HelloOption::GenerationId(8)]);
    assert!(one.events.contains(&PimEvent::NeighborRestarted { interface: UP, neighbor: NUP }));
    one.wait(Duration::from_secs(2));
    one.join(N1, SSM, S);
    for _ in 0..100 {
        one.join(N1, SSM, S);
    }
    let Some(PimEvent::Limit { times, .. }) = one.events.last() else { panic!("{:?}", one.events.last()) };
    assert!(*times > 900, "{times}");
}

#[test]
fn malformed_messages_cost_an_event_and_authentication_is_asked_for_where_it_is_configured() {
    let mut one = One::new();
    let mut octets =
        Message::Hello(Hello { options: vec![HelloOption::Holdtime(105)] }).to_packet(N1.into(), ALL.into());
    octets[3] ^= 1;
    for _ in 0..10 {
        one.input(Input::Datagram { interface: LAN, from: N1, to: ALL, octets: &octets, authenticated: false });
    }
    assert_eq!(rejected(&one), [PimReject::Malformed]);
    octets[3] ^= 1;
    let mut l = lan();
    l.authenticated = true;
    let mut one = One::with(config(), l, RP);
    for authenticated in [false, true] {
        one.input(Input::Datagram { interface: LAN, from: N1, to: ALL, octets: &octets, authenticated });
        assert_eq!(one.pim.neighbors(LAN).count(), usize::from(authenticated));
    }
    assert_eq!(rejected(&one), [PimReject::Authentication]);
}

/// Shows: MVPN-ADDR-1
#[test]
fn any_group_but_those_of_link_scope_can_be_joined() {
    let mut one = One::new();
    one.hello(LAN, N1, &[]);
    // Every 2^18th group from 224.0.1.0 on, with changing low bits.
    let first = Ipv4Addr::new(224, 0, 1, 0).to_bits();
    for n in 0..1023_u32 {
        let g = Ipv4Addr::from_bits(first + n * (1 << 18) + n * 37);
        assert!(g.is_multicast());
        one.ops.clear();
        one.join(N1, g, S);
        assert!(one.mroute(Some(S), g).is_some(), "{g}");
        one.prune(N1, g, S);
        one.wait(Duration::from_millis(10));
        one.hello(LAN, N1, &[]);
    }
    for g in ["224.0.0.1", "224.0.0.13", "224.0.0.255"] {
        let g: Ipv4Addr = g.parse().unwrap();
        one.join(N1, g, S);
        assert!(one.mroute(Some(S), g).is_none(), "{g}");
    }
}

/// A forwarder without room: the router leaves the tree, and says so.
#[test]
fn a_refused_route_is_pruned_upstream() {
    let mut one = One::new();
    one.member(SSM, Some(S), true);
    let op = *one.ops.iter().find(|op| matches!(op, FwdOp::SetMroute { .. })).unwrap();
    one.join_prunes();
    one.input(Input::Refused(op));
    assert!(one.join_prunes().iter().any(|(i, n, g, s, _, join)| (*i, *n, *g, *s, *join) == (UP, NUP, SSM, S, false)));
    assert!(one.events.contains(&PimEvent::Refused { group: SSM, source: Some(S) }));
    assert_eq!(one.mroute(Some(S), SSM), None);
}

#[test]
fn configuration_errors_name_the_field() {
    let mut c = config();
    c.timers.join_prune_period = Duration::from_secs(9);
    let error = mvpn::pim::PimRouter::new(fwd_core::time::Instant::ZERO, c).unwrap_err();
    assert_eq!(error.to_string(), "join_prune_period: not 10 to 600 s");
    let mut l = lan();
    l.propagation_delay = Duration::from_millis(99);
    let mut one = One::new();
    one.pim.remove_interface(one.now, LAN).unwrap();
    assert_eq!(one.pim.add_interface(one.now, l), Err(PimConfigError::PropagationDelay));
    assert_eq!(one.pim.add_interface(one.now, lan()), Ok(()));
    assert_eq!(one.pim.add_interface(one.now, lan()), Err(PimConfigError::Interface));
}

/// A CE whose Hellos change all the time: so many changes count in a second, and the rest is dropped.
#[test]
fn hellos_that_change_all_the_time_are_bounded() {
    let mut c = config();
    c.limits = PimLimits { hello_changes_per_second: 5, ..PimLimits::default() };
    let mut one = One::with(c, lan(), RP);
    for n in 0..100 {
        one.hello(LAN, N1, &[HelloOption::GenerationId(n)]);
    }
    let restarts = one.events.iter().filter(|e| matches!(e, PimEvent::NeighborRestarted { .. })).count();
    assert_eq!((restarts, limited(&one)), (4, vec![PimLimit::HelloChanges]));
    for _ in 0..100 {
        one.hello(LAN, N1, &[HelloOption::GenerationId(4)]);
    }
    assert_eq!(limited(&one).len(), 1, "a Hello that says nothing new costs nothing");
}
