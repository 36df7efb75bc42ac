//! Two routers that bring the same packets to one LAN, ours and FRR's: LAN 1 has the source, and both of them lead to LAN 2. Two routers there
//! join the source by one of them each, so that both forward to LAN 2 and see each other's packets; the Assert (RFC 7761 §4.6) leaves one.
//!
//! The group is source-specific: FRR takes no Assert on an interface to which it forwards for (*,G).

use std::time::Duration;

use serde_json::{Value, json};

use super::super::PATIENCE;
use super::super::net::{Net, Node, until};
use super::frr::Frr;
use super::host::{Member, Source, every_packet_once};
use super::ours::Ours;
use super::{Family, Place, To, interface, ip, nodes};

/// FRR's router with a way to the source.
const OTHER: u8 = 2;

/// Link-local addresses that say which router is the higher, in place of those that the kernel makes of MAC addresses.
pub fn known_link_locals(node: &Node, place: &Place) {
    for (i, lan) in place.lans.iter().enumerate() {
        let name = interface(i);
        ip(node, &format!("link set dev {name} addrgenmode none"));
        ip(node, &format!("-6 addr flush dev {name} scope link"));
        ip(node, &format!("addr add fe80::{lan}:{}/64 dev {name} nodad", place.number));
    }
}

/// A router on two LANs, with a way to LAN 1 by a router of LAN 2 or on it.
pub fn place(number: u8, lans: [u8; 2], upstream: Option<u8>) -> Place {
    let routes = upstream.map(|n| (To::Lan(1), (2, n))).into_iter().collect();
    Place { number, lans: lans.to_vec(), routes, dr_priority: 1, rp: None, candidate: None, bsr_period: 5, hello: 1 }
}

/// Who won on LAN 2, as ours has it.
fn winner(state: &Value, family: Family) -> Option<String> {
    let of_flow = |a: &&Value| {
        a["group"] == json!(family.ssm().to_string()) && a["source"] == json!(family.address(1, 100).to_string())
    };
    state["interfaces"][1]["asserts"].as_array()?.iter().find(of_flow)?["winner"].as_str().map(str::to_owned)
}

/// Routers of equal metric, so that the higher address wins: ours is `number`.
fn asserts(number: u8) {
    let mut net = Net::new();
    let places = [
        place(number, [1, 2], None),
        place(OTHER, [1, 2], None),
        place(3, [2, 3], Some(number)),
        place(4, [2, 4], Some(OTHER)),
    ];
    let (routers, hosts) = nodes(&mut net, &places, &[1, 3, 4]);
    let frr: Vec<Frr> = (1..4)
        .map(|n| {
            known_link_locals(&routers[n], &places[n]);
            Frr::start(&routers[n], &places[n])
        })
        .collect();
    let ours = Ours::start(&routers[0], &places[0]);
    let best = number.max(OTHER);
    for family in [Family::V4, Family::V6] {
        ours.expect_neighbors(family, 0, 1);
        ours.expect_neighbors(family, 1, 3);
        let (source, group) = (family.address(1, 100), family.ssm());
        let members = [1, 2].map(|host| Member::join(&hosts[host], group, Some(source)));
        // Each of the routers with members has joined by its own way: both have LAN 2 as an outgoing interface.
        until("ours forwards to LAN 2", PATIENCE, || {
            let state = ours.family(family);
            let is_joined = |m: &Value| m["group"] == json!(group.to_string()) && m["copies"] == true;
            if state["mroutes"].as_array().unwrap().iter().any(is_joined) { Ok(()) } else { Err(state.to_string()) }
        });
        let word = if family == Family::V4 { "ip" } else { "ipv6" };
        frr[0].expect(&format!("show {word} pim join"), &group.to_string());
        assert_eq!(winner(&ours.family(family), family), None);
        let stream = Source::start(&hosts[0], source, group);
        let address = match family {
            Family::V4 => family.address(2, best).to_string(),
            Family::V6 => format!("fe80::2:{best}"),
        };
        until("the Assert is decided", PATIENCE, || match winner(&ours.family(family), family) {
            Some(of) if of == address => Ok(()),
            other => Err(format!("{other:?}")),
        });
        if family == Family::V4 {
            let state = if best == OTHER { "WINNER" } else { "LOSER" };
            frr[0].expect("show ip pim assert", state);
            frr[0].expect("show ip pim assert", &address);
        }
        for member in &members {
            every_packet_once(&format!("{family:?}, ours is {number}"), &stream, member, Duration::from_secs(25));
        }
    }
}

/// Ours has the higher address: FRR falls silent.
///
/// Shows: MVPN-CEPE-2, MVPN-CEPE-8
#[test]
fn our_router_wins_the_assert() {
    asserts(9);
}

/// FRR has the higher address: ours falls silent.
///
/// Shows: MVPN-CEPE-2, MVPN-CEPE-8
#[test]
fn our_router_loses_the_assert() {
    asserts(1);
}
