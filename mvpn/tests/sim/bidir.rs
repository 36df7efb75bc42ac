//! BIDIR-PIM (RFC 5015): elections and trees of several routers.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};

use mvpn::address::Address;
use mvpn::pim::rp_set::{RpMode, StaticRp};
use mvpn::pim::{BidirConfig, Input, MribRoute, PimEvent};

use crate::secs;
use crate::world::{SimAddress, World, iface};

/// LAN 0 hangs at routers 0 and 1, which share LAN 1 with router 2; router 2 has the RPA's link, LAN 2, and router 3 LAN 3.
const LANS: &[&[usize]] = &[&[0, 1], &[0, 1, 2], &[2, 3], &[3]];

fn world<A: SimAddress>(seed: u64, rpa: A, range: A::Prefix) -> World<A> {
    let mut world = World::<A>::new(LANS, None, seed, |_, c| c.bidir = Some(BidirConfig::new(1..=4)));
    for r in 0..world.nodes.len() {
        let fixed = StaticRp { range, address: rpa, mode: RpMode::Bidir, overrides: false };
        world.nodes[r].pim.update_rp_set(world.now, |set| set.set_static(fixed).unwrap());
        world.drain(r);
    }
    world
}

fn df<A: SimAddress>(world: &World<A>, lan: usize, rpa: A) -> Vec<Option<A>> {
    world.lans[lan].iter().map(|r| world.nodes[*r].pim.designated_forwarder(rpa, iface(lan))).collect()
}

/// An address of the RPA's link that no router has.
fn rpa<A: SimAddress>() -> A {
    A::host(2, 77)
}

fn packets_go_both_ways<A: SimAddress>(seed: u64, loss: u64) {
    let mut w = world::<A>(seed, rpa(), A::asm(0).prefix(A::BITS - 8).unwrap());
    w.loss = loss;
    w.run(secs(20));
    w.loss = 0;
    w.run(secs(80));
    // Both routers of LAN 0 are one hop from the link: the higher address wins. On LAN 1 router 2 is on the link itself.
    assert_eq!(df(&w, 0, rpa::<A>()), [Some(A::on_lan(0, 1)); 2]);
    assert_eq!(df(&w, 1, rpa::<A>()), [Some(A::on_lan(1, 2)); 3]);
    assert_eq!(df(&w, 3, rpa::<A>()), [Some(A::on_lan(3, 3))]);
    let g = A::asm(1);
    // Without receivers a packet goes up to the link and no further.
    w.send(0, A::host(0, 1), g, 1);
    w.run(secs(1));
    assert_eq!(w.lans_of(1), Ok(BTreeSet::from([1, 2])), "a source-only branch");
    w.members(0, g, None, true);
    w.members(3, g, None, true);
    w.run(secs(70));
    w.send(0, A::host(0, 1), g, 2);
    w.send(3, A::host(3, 1), g, 3);
    w.run(secs(1));
    assert_eq!(w.lans_of(2), Ok(BTreeSet::from([1, 2, 3])), "up from LAN 0, down to LAN 3");
    assert_eq!(w.lans_of(3), Ok(BTreeSet::from([0, 1, 2])), "up from LAN 3, down to LAN 0");
    w.members(0, g, None, false);
    w.members(3, g, None, false);
    w.run(secs(400));
    w.send(3, A::host(3, 1), g, 4);
    w.run(secs(1));
    assert_eq!(w.lans_of(4), Ok(BTreeSet::from([2])));
    assert!(w.nodes.iter().all(|n| n.pim.states() == 0));
}

/// Shows: MVPN-CEPE-6, L3VPN-8.8-3
#[test]
fn packets_go_up_to_the_rendezvous_link_and_down_to_members() {
    packets_go_both_ways::<Ipv4Addr>(1, 0);
    packets_go_both_ways::<Ipv6Addr>(2, 0);
}

#[test]
fn elections_that_lose_three_of_ten_messages_end_the_same() {
    for seed in 0..5 {
        packets_go_both_ways::<Ipv4Addr>(seed, 30);
    }
}

/// The metric of the loser becomes better: it offers, the DF backs off and passes its task, within 1.5 s, and not for a moment are there
/// two that forward.
///
/// Shows: MVPN-CEPE-6
#[test]
fn a_better_metric_moves_the_df_within_a_second_and_a_half() {
    let rpa = rpa::<Ipv4Addr>();
    let mut w = world::<Ipv4Addr>(3, rpa, Ipv4Addr::groups());
    w.run(secs(30));
    let (low, high) = (Ipv4Addr::on_lan(0, 0), Ipv4Addr::on_lan(0, 1));
    assert_eq!(df(&w, 0, rpa), [Some(high); 2]);
    let better = MribRoute { interface: iface(1), next_hop: Some(Ipv4Addr::on_lan(1, 2)), preference: 20, metric: 0 };
    w.input(0, Input::Route { address: rpa, route: Some(better) });
    let changed = w.now;
    while w.nodes[0].pim.designated_forwarder(rpa, iface(0)) != Some(low) {
        assert!(w.now - changed <= std::time::Duration::from_millis(1500));
        w.run(std::time::Duration::from_millis(1));
        let acting = [0, 1].map(|r| w.nodes[r].pim.is_designated_forwarder(rpa, iface(0)));
        assert_ne!(acting, [true, true], "two forwarders at {:?}", w.now);
    }
    w.run(secs(1));
    assert_eq!(df(&w, 0, rpa), [Some(low); 2]);
    // Its route turns to the link itself: it stops at once, and the other takes over.
    let back = MribRoute { interface: iface(0), next_hop: Some(high), preference: 20, metric: 0 };
    w.input(0, Input::Route { address: rpa, route: Some(back) });
    assert!(!w.nodes[0].pim.is_designated_forwarder(rpa, iface(0)));
    w.run(secs(2));
    assert_eq!(df(&w, 0, rpa), [Some(high); 2]);
    // The DF dies: the neighbour's holdtime later there is another.
    w.input(0, Input::Route { address: rpa, route: Some(better) });
    w.run(secs(3));
    assert_eq!(df(&w, 0, rpa), [Some(low); 2]);
    w.nodes[0].alive = false;
    w.run(secs(110));
    assert_eq!(w.nodes[1].pim.designated_forwarder(rpa, iface(0)), Some(high));
    let heard = |e: &PimEvent<Ipv4Addr>| matches!(e, PimEvent::DfChanged { df: Some(d), .. } if *d == low);
    assert!(w.nodes[1].events.iter().any(heard));
}

/// The RPA may be a router's loopback; the mapping may change; a range that is not all BIDIR has routes for the groups that flow.
///
/// Shows: MVPN-RP-1
#[test]
fn the_rpa_is_a_router_or_no_node_at_all() {
    let (rpa, g) = (Ipv4Addr::loopback(2), Ipv4Addr::asm(1));
    let mut w = world::<Ipv4Addr>(3, rpa, Ipv4Addr::groups());
    w.run(secs(30));
    assert_eq!(df(&w, 1, rpa), [Some(Ipv4Addr::on_lan(1, 2)); 3]);
    assert_eq!(df(&w, 2, rpa), [Some(Ipv4Addr::on_lan(2, 2)); 2]);
    w.members(0, g, None, true);
    w.run(secs(5));
    w.send(3, Ipv4Addr::host(3, 1), g, 1);
    w.run(secs(1));
    // 224.0.0.0/4 holds the SSM range, so there is no route for all of it: the packet that makes the route is lost at each router.
    for n in 2..6 {
        w.send(3, Ipv4Addr::host(3, 1), g, n);
        w.run(secs(1));
    }
    assert_eq!(w.lans_of(5), Ok(BTreeSet::from([0, 1, 2])));
    w.members(0, g, None, false);
    for r in 0..4 {
        let all = <Ipv4Addr as Address>::ALL_GROUPS;
        w.nodes[r].pim.update_rp_set(w.now, |set| assert!(set.clear_static(&all)));
        w.drain(r);
    }
    w.run(secs(400));
    for node in &w.nodes {
        assert!(
            node.forwarder.mroutes.is_empty() && node.forwarder.sets.is_empty() && node.forwarder.groups.is_empty()
        );
    }
}
