//! Routers 1 and 2 side by side between LAN 1 and LAN 2. Router 3 is between LAN 1 and the source's LAN 3, router 4 between LAN 2 and LAN 4
//! with a member. One of the two is DR of LAN 2 and serves a member there, router 4 joins by the other: both forward until the Assert.
//!
//! Ours is the DR, once the router that wins the Assert and once the one that loses it. It is not tried with FRR as the DR: FRR 10.3 that
//! lost an Assert goes on forwarding to members that it knows by IGMP (`show ip pim channel` says LostAssert, `show ip mroute` has the
//! interface all the same).

use std::time::Duration;

use super::super::net::Net;
use super::frr::Frr;
use super::host::{Member, Source, every_packet_once};
use super::ours::Ours;
use super::{Family, Place, To, nodes};

const PATIENCE: Duration = Duration::from_secs(25);

/// Router `n`, where `ours` is ours, which wants to be DR; router 4 goes by the other.
fn place(n: u8, ours: u8) -> Place {
    let (lans, routes) = match n {
        3 => (vec![3, 1], vec![(To::Lan(2), (1, ours)), (To::Lan(4), (1, ours))]),
        4 => (vec![2, 4], vec![(To::Lan(1), (2, 3 - ours)), (To::Lan(3), (2, 3 - ours))]),
        _ => (vec![1, 2], vec![(To::Lan(3), (1, 3)), (To::Lan(4), (2, 4))]),
    };
    Place { number: n, lans, routes, dr_priority: if n == ours { 50 } else { 1 }, rp: Some(3), candidate: false }
}

fn one_forwarder(ours: u8) {
    let mut net = Net::new();
    let places: Vec<Place> = (1..=4).map(|n| place(n, ours)).collect();
    let (routers, hosts) = nodes(&mut net, &places, &[3, 2, 4]);
    let at = usize::from(ours) - 1;
    let _frr: Vec<Frr> = (0..4).filter(|n| *n != at).map(|n| Frr::start(&routers[n], &places[n])).collect();
    let router = Ours::start(&routers[at], &places[at]);
    for family in [Family::V4, Family::V6] {
        router.expect_neighbors(family, 0, 2);
        router.expect_neighbors(family, 1, 2);
        // DR priority counts, not the address.
        let state = router.family(family);
        let own = match family {
            Family::V4 => family.address(2, ours).to_string(),
            Family::V6 => format!("fe80::2:{ours}"),
        };
        assert_eq!(state["interfaces"][1]["dr"], own, "{state}");
        let from = family.address(3, 100);
        let near = Member::join(&hosts[1], family.ssm(), Some(from));
        let far = Member::join(&hosts[2], family.ssm(), Some(from));
        let source = Source::start(&hosts[0], from, family.ssm());
        every_packet_once(&format!("{family:?}, on the LAN, ours is {ours}"), &source, &near, PATIENCE);
        every_packet_once(&format!("{family:?}, behind it, ours is {ours}"), &source, &far, PATIENCE);
    }
}

/// Metrics are equal and the higher address wins: FRR's.
///
/// Shows: MVPN-CEPE-2
#[test]
fn our_dr_loses_the_assert() {
    one_forwarder(1);
}

/// The same with ours as the higher address.
///
/// Shows: MVPN-CEPE-2
#[test]
fn our_dr_wins_the_assert() {
    one_forwarder(2);
}
