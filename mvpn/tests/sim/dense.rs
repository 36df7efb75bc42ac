//! PIM-DM (RFC 3973): flooding, pruning and grafting of several routers.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};

use mvpn::pim::DenseConfig;
use mvpn::pim::wire::MessageType;

use crate::secs;
use crate::world::{SimAddress, World};

/// Router 0 has the source's LAN 0; LAN 1 joins it with 1 and 2, who both reach LAN 2, where 3 is, with LAN 3. Router 4 is behind LAN 4.
const LANS: &[&[usize]] = &[&[0], &[0, 1, 2], &[1, 2, 3], &[3], &[0, 4], &[4]];

fn world<A: SimAddress>(seed: u64, refresh: bool) -> World<A> {
    World::<A>::new(LANS, None, seed, |_, c| {
        let mut dense = DenseConfig { ranges: vec![A::asm(0).prefix(A::BITS - 8).unwrap()], ..DenseConfig::default() };
        if !refresh {
            dense.state_refresh = None;
        }
        c.dense = Some(dense);
    })
}

fn stream<A: SimAddress>(w: &mut World<A>, g: A, first: u64, packets: u64) {
    for n in first..first + packets {
        w.send(0, A::host(0, 1), g, n);
        w.run(secs(1));
    }
}

fn life<A: SimAddress>(seed: u64, loss: u64) {
    let mut w = world::<A>(seed, false);
    let g = A::asm(1);
    w.run(secs(40));
    (w.loss, w.reorder) = (loss, loss > 0);
    w.members(3, g, None, true);
    stream(&mut w, g, 1, 20);
    w.loss = 0;
    stream(&mut w, g, 100, 300);
    // LAN 4 is pruned: its router has no members. LAN 2 has one forwarder by Assert.
    stream(&mut w, g, 1000, 10);
    assert_eq!(w.lans_of(1009), Ok(BTreeSet::from([1, 2, 3])), "seed {seed}");
    // A member there: a Graft brings the packets at once.
    w.members(5, g, None, true);
    w.run(secs(1));
    stream(&mut w, g, 2000, 2);
    assert_eq!(w.lans_of(2001), Ok(BTreeSet::from([1, 2, 3, 4, 5])), "seed {seed}");
    w.members(5, g, None, false);
    w.members(3, g, None, false);
    w.run(secs(5));
    stream(&mut w, g, 3000, 10);
    assert_eq!(w.lans_of(3009), Ok(BTreeSet::new()), "nobody wants it");
    // Without State Refresh a prune runs out and the next packet is flooded again.
    let flooded = |w: &mut World<A>, first| {
        stream(w, g, first, 250);
        (first..first + 250).any(|n| w.lans_of(n).map_or(true, |l| !l.is_empty()))
    };
    assert!(flooded(&mut w, 4000));
    w.run(secs(900));
    for (r, node) in w.nodes.iter().enumerate() {
        let left = (node.pim.states(), node.forwarder.mroutes.len(), node.forwarder.groups.len(), node.tracked.len());
        assert_eq!(left, (0, 0, 0, 0), "router {r}, seed {seed}");
    }
}

/// Shows: MVPN-CEPE-7
#[test]
fn packets_are_flooded_pruned_and_grafted() {
    life::<Ipv4Addr>(1, 0);
    life::<Ipv6Addr>(2, 0);
}

#[test]
fn loss_of_30_percent_ends_the_same() {
    for seed in 0..4 {
        life::<Ipv4Addr>(seed, 30);
    }
}

/// With State Refresh prunes stay for as long as the source lives: no packet is flooded again.
///
/// Shows: MVPN-CEPE-7, L3VPN-8.8-2
#[test]
fn state_refresh_keeps_prunes_alive() {
    let mut w = world::<Ipv4Addr>(4, true);
    let g = Ipv4Addr::asm(1);
    w.run(secs(40));
    stream(&mut w, g, 1, 20);
    stream(&mut w, g, 100, 900);
    for n in 110..1000 {
        assert_eq!(w.lans_of(n), Ok(BTreeSet::new()), "packet {n}");
    }
    // A member grafts although its prune is refreshed, and the branch stays.
    w.members(5, g, None, true);
    w.run(secs(1));
    stream(&mut w, g, 2000, 300);
    for n in 2001..2300 {
        assert_eq!(w.lans_of(n), Ok(BTreeSet::from([4, 5])), "packet {n}");
    }
}

/// A Graft is repeated until it is acknowledged.
#[test]
fn a_lost_graft_is_sent_again() {
    let mut w = world::<Ipv4Addr>(4, false);
    let g = Ipv4Addr::asm(1);
    w.run(secs(40));
    stream(&mut w, g, 1, 20);
    assert_eq!(w.lans_of(20), Ok(BTreeSet::new()));
    w.loss = 100;
    w.log.clear();
    w.members(5, g, None, true);
    w.run(secs(7));
    w.loss = 0;
    stream(&mut w, g, 100, 5);
    assert_eq!(w.lans_of(104), Ok(BTreeSet::from([4, 5])));
    let kinds: Vec<_> = w.log.iter().filter(|(r, _)| *r == 4 || *r == 0).map(|(r, k)| (*r, *k)).collect();
    let grafts = kinds.iter().filter(|k| **k == (4, MessageType::GRAFT)).count();
    let acks = kinds.iter().filter(|k| **k == (0, MessageType::GRAFT_ACK)).count();
    assert!((3..=5).contains(&grafts) && acks == 1, "{grafts} Grafts, {acks} Graft-Acks");
}
