//! Trees in a network: packets are counted at every step.

use std::collections::BTreeSet;
use std::time::Duration;

use fwd_core::net::Label;
use p2mp_pw::ldp::fec::{Fec, FecElement, OpaqueElement};
use p2mp_pw::ldp::message::{LabelMapping, LabelTlv, MessageBody};
use p2mp_pw::mldp::{Deliver, Event, Input, JoinError, Role, RootSet, TreeFec, TreeKind};
use proptest::prelude::*;

use super::net::{Net, address, ldp_id};

const SETTLE: Duration = Duration::from_secs(60);

/// R0 - P1 - P2 - {L3, L4}, P1 - L5; and a longer way R0 - P6 - P2.
pub const TREE: [(usize, usize, u32); 7] =
    [(0, 1, 10), (1, 2, 10), (2, 3, 10), (2, 4, 10), (1, 5, 10), (0, 6, 15), (2, 6, 15)];

fn tree() -> Net {
    Net::new(7, &TREE, 3, |_, _| {})
}

fn only(nodes: &[usize], n: usize) -> Vec<u32> {
    (0..n).map(|i| u32::from(nodes.contains(&i))).collect()
}

/// One copy per link, whatever the number of leaves; a graft or a prune touches nobody else, with a packet after every message.
///
/// Shows: P2MP-ARC-3
#[test]
fn grafts_and_prunes_touch_nobody_else() {
    let mut net = tree();
    let fec = TreeFec::p2mp(address(0), 7);
    let root = net.open(0, &fec, 0);
    assert_eq!(net.packet(0, 0), [0; 7]);
    net.join(3, &fec, 0);
    net.run(SETTLE);
    assert!(net.nodes[0].events.contains(&Event::TreeUp { tree: root }));
    assert_eq!(net.packet(0, 0), only(&[3], 7));
    for (n, joins) in [(4, true), (5, true), (4, false), (2, true), (5, false), (2, false)] {
        match joins {
            true => {
                net.join(n, &fec, 0);
            }
            false => net.leave(n, &fec),
        }
        let end = net.now + SETTLE;
        loop {
            let got = net.packet(0, 0);
            assert_eq!(got[3], 1, "while {n} joins or leaves");
            assert!(net.crossed.values().all(|copies| *copies == 1), "more than one copy on a link");
            if !net.step(end) {
                break;
            }
        }
    }
    assert_eq!(net.packet(0, 0), only(&[3], 7));
    net.leave(3, &fec);
    net.run(SETTLE);
    assert!(net.nodes[1..].iter().all(|n| n.is_clean()));
    assert!(net.nodes[0].events.contains(&Event::TreeDown { tree: root }));
}

/// Of a tree that a router of the edge joined in-band the root is told once, and again when it comes anew: also while the root takes it down
/// (RFC 6826 §2).
#[test]
fn a_root_is_told_of_what_it_did_not_open() {
    let mut net = tree();
    let fec = TreeFec::in_band(address(0), [10, 0, 0, 1].into(), [232, 1, 1, 1].into(), Some([0, 0, 0, 1, 0, 0, 0, 7]));
    let told = |net: &Net| net.nodes[0].events.iter().filter(|e| matches!(e, Event::Rooted { .. })).count();
    net.join(3, &fec, 0);
    net.run(SETTLE);
    net.join(5, &fec, 0);
    net.run(SETTLE);
    let unopened = |net: &Net| net.nodes[0].mldp.unopened().count();
    assert_eq!((told(&net), unopened(&net)), (1, 1));
    assert_eq!(net.packet(0, 0), [0; 7]);
    let root = net.open(0, &fec, 0);
    net.run(SETTLE);
    assert_eq!((net.packet(0, 0), unopened(&net)), (only(&[3, 5], 7), 0));
    [3, 5].into_iter().for_each(|n| net.leave(n, &fec));
    net.run(SETTLE);
    let now = net.now;
    net.nodes[0].mldp.close(now, root);
    net.join(4, &fec, 0);
    net.run(SETTLE);
    assert_eq!((told(&net), unopened(&net)), (2, 1));
    // The root closes it with a mapping under its nose.
    let root = net.open(0, &fec, 0);
    net.leave(4, &fec);
    net.run(SETTLE);
    let element = FecElement::Multipoint(Box::new(fec.down()));
    let label = LabelTlv::Generic(Label::new(700).unwrap());
    let mapping = LabelMapping { fec: Fec::single(element), label, optional: Vec::new() };
    let message = MessageBody::LabelMapping(mapping).into();
    let mldp = &mut net.nodes[0].mldp;
    mldp.handle_input(net.now, Input::Message { peer: ldp_id(1), message: &message });
    mldp.close(net.now, root);
    net.drain();
    assert_eq!((told(&net), unopened(&net)), (3, 1));
}

/// What a P router holds depends on its own branches only.
#[test]
fn a_transit_router_knows_its_own_branches() {
    let mut net = tree();
    let fec = TreeFec::p2mp(address(0), 7);
    net.open(0, &fec, 0);
    net.join(3, &fec, 0);
    net.run(SETTLE);
    let (used, sent) = (net.nodes[1].mldp.used(), net.nodes[1].sent);
    net.join(4, &fec, 0);
    net.run(SETTLE);
    assert_eq!((net.nodes[1].mldp.used(), net.nodes[1].sent), (used, sent), "a leaf behind P2 is P2's business");
    let id = net.nodes[2].mldp.find(&fec).unwrap();
    let view = net.nodes[2].mldp.tree(id).unwrap();
    assert_eq!((view.role, view.upstream, view.branches), (Role::Transit, Some(ldp_id(1)), vec![ldp_id(3), ldp_id(4)]));
    net.join(2, &fec, 0);
    assert_eq!(net.nodes[2].mldp.tree(id).map(|v| v.role), Some(Role::Bud));
    // RFC 3988 §2.3: 1,500 octets and a label on each hop.
    assert_eq!(net.nodes[0].mldp.tree(net.nodes[0].mldp.find(&fec).unwrap()).unwrap().mtu, 1496);
}

/// A better way to the root comes up: make-before-break neither loses nor doubles a packet (RFC 6388 §8).
#[test]
fn make_before_break_neither_loses_nor_doubles() {
    let mut net = tree();
    let fec = TreeFec::p2mp(address(0), 7);
    net.open(0, &fec, 0);
    for n in [3, 4, 5] {
        net.join(n, &fec, 0);
    }
    net.run(SETTLE);
    // P2 goes over to P6, then back to P1.
    for (metric, upstream) in [(1, 6), (15, 1)] {
        net.set_metric(6, metric);
        let end = net.now + SETTLE;
        while net.step(end) {
            assert_eq!(net.packet(0, 0), only(&[3, 4, 5], 7));
        }
        let id = net.nodes[2].mldp.find(&fec).unwrap();
        assert_eq!(net.nodes[2].mldp.tree(id).unwrap().upstream, Some(ldp_id(upstream)));
    }
    assert_eq!(net.nodes[2].mldp.counters().upstream_changes, 2);
    assert!(net.nodes[6].is_clean(), "nothing is left on the way that is not used");
}

/// Without make-before-break the old label goes first: never two copies (RFC 6388 §2.4.3).
#[test]
fn break_before_make_never_doubles() {
    let mut net = Net::new(7, &TREE, 5, |_, config| config.mbb = None);
    let fec = TreeFec::p2mp(address(0), 7);
    net.open(0, &fec, 0);
    net.join(3, &fec, 0);
    net.run(SETTLE);
    net.set_metric(6, 1);
    let end = net.now + SETTLE;
    let mut lost = 0;
    while net.step(end) {
        let got = net.packet(0, 0);
        assert!(got[3] <= 1);
        lost += 1 - got[3];
    }
    assert!(lost > 0, "and loses while the new way is made");
    assert_eq!(net.packet(0, 0), only(&[3], 7));
}

/// The old upstream LSR dies while the new one gets ready: there is nothing to wait for (RFC 6388 §8.4.3).
#[test]
fn a_dead_upstream_lsr_is_not_waited_for() {
    let mut net = tree();
    let fec = TreeFec::p2mp(address(0), 7);
    net.open(0, &fec, 0);
    net.join(3, &fec, 0);
    net.run(SETTLE);
    net.set_metric(6, 1);
    let id = net.nodes[2].mldp.find(&fec).unwrap();
    let end = net.now + SETTLE;
    while net.nodes[2].mldp.tree(id).unwrap().next_upstream.is_none() {
        assert!(net.step(end));
    }
    net.set_link(1, false);
    assert_eq!(net.nodes[2].mldp.tree(id).unwrap().upstream, Some(ldp_id(6)), "at once");
    net.run(SETTLE);
    assert_eq!(net.packet(0, 0), only(&[3], 7));
}

/// Every leaf of an MP2MP LSP sends to all others (RFC 6388 §3); of an HSMP LSP to the root only (RFC 7140).
#[test]
fn leaves_send_too() {
    for (kind, root_is_leaf) in [(TreeKind::Mp2mp, true), (TreeKind::Mp2mp, false), (TreeKind::Hsmp, true)] {
        let mut net = tree();
        let fec = TreeFec::new(kind, address(0), &OpaqueElement::GenericLspId(9));
        let mut members = vec![3, 4, 5];
        for n in members.clone() {
            net.join(n, &fec, 1);
        }
        if root_is_leaf {
            if kind == TreeKind::Hsmp {
                net.open(0, &fec, 1);
            }
            net.join(0, &fec, 1);
            members.push(0);
        }
        net.run(SETTLE);
        // One more, that is a bud.
        net.join(2, &fec, 1);
        members.push(2);
        net.run(SETTLE);
        for &from in &members {
            let others: Vec<usize> = match kind {
                TreeKind::Hsmp if from != 0 => vec![0],
                _ => members.iter().copied().filter(|n| *n != from).collect(),
            };
            assert_eq!(net.packet(from, 1), only(&others, 7), "{kind:?} from {from}");
        }
        for &n in &members {
            net.leave(n, &fec);
        }
        if kind == TreeKind::Hsmp {
            let id = net.nodes[0].mldp.find(&fec).unwrap();
            let now = net.now;
            net.nodes[0].mldp.close(now, id);
            net.drain();
        }
        net.run(SETTLE);
        assert!(net.nodes.iter().all(|n| n.is_clean()), "{kind:?}");
    }
}

/// Who sends by an MP2MP LSP and does not receive: its packets reach all leaves, nothing is delivered to it, and when it has closed the LSP nothing
/// is left. What it joins later it receives.
#[test]
fn some_only_send() {
    let mut net = tree();
    let fec = TreeFec::mp2mp(address(0), 9);
    let [by_four, by_two] = [4, 2].map(|n| net.open(n, &fec, 1));
    net.run(SETTLE);
    assert!(net.nodes[4].mldp.is_up(by_four), "the way up is there without a leaf");
    assert_eq!(net.packet(4, 1), [0; 7]);
    // Of two more one is the root.
    for n in [3, 0] {
        net.join(n, &fec, 1);
    }
    net.run(SETTLE);
    for (from, to) in [(4, &[0, 3][..]), (2, &[0, 3]), (3, &[0]), (0, &[3])] {
        assert_eq!(net.packet(from, 1), only(to, 7), "from {from}");
    }
    net.join(4, &fec, 1);
    net.run(SETTLE);
    for (from, to) in [(4, &[0, 3][..]), (2, &[0, 3, 4]), (3, &[0, 4])] {
        assert_eq!(net.packet(from, 1), only(to, 7), "from {from}, with 4");
    }
    [3, 0, 4].into_iter().for_each(|n| net.leave(n, &fec));
    net.run(SETTLE);
    assert_eq!(net.packet(2, 1), [0; 7]);
    let now = net.now;
    net.nodes[4].mldp.close(now, by_four);
    net.nodes[2].mldp.close(now, by_two);
    net.drain();
    net.run(SETTLE);
    assert!(net.nodes.iter().all(|n| n.is_clean()));
    let other = TreeFec::p2mp(address(0), 9);
    assert_eq!(net.nodes[4].mldp.open(now, other), Err(JoinError::NotRoot));
}

/// The labels of a frame, the top one first; none if it is not MPLS.
fn stack(octets: &[u8]) -> Vec<u32> {
    let mut labels = Vec::new();
    if octets[12..14] == [0x88, 0x47] {
        for entry in octets[14..].chunks_exact(4) {
            labels.push(u32::from_be_bytes([0, entry[0], entry[1], entry[2]]) >> 4);
            if entry[2] & 1 == 1 {
                break;
            }
        }
    }
    labels
}

/// P2MP and MP2MP LSPs with a node that branches, a bud and leaves: everybody gets each packet once, and on each link, the last included, it has
/// one label that is not reserved. No router pops it one hop early, and nobody asks for a null label (RFC 6513 §6.3.3, §12.1.3).
///
/// Shows: MVPN-TUN-5
#[test]
fn a_packet_of_a_tree_is_labelled_on_every_link() {
    for kind in [TreeKind::P2mp, TreeKind::Mp2mp] {
        let mut net = tree();
        let fec = TreeFec::new(kind, address(0), &OpaqueElement::GenericLspId(5));
        if kind == TreeKind::P2mp {
            net.open(0, &fec, 1);
        }
        for n in [3, 4, 5, 2] {
            net.join(n, &fec, 1);
        }
        net.run(SETTLE);
        let role = |net: &Net, n: usize| {
            let mldp = &net.nodes[n].mldp;
            mldp.find(&fec).and_then(|id| mldp.tree(id)).unwrap().role
        };
        let roles = [0, 1, 2, 3].map(|n| role(&net, n));
        assert_eq!(roles, [Role::Root, Role::Transit, Role::Bud, Role::Leaf], "{kind:?}");
        let senders: &[usize] = if kind == TreeKind::P2mp { &[0] } else { &[2, 3, 4, 5] };
        for from in senders {
            let others: Vec<usize> = [2, 3, 4, 5].into_iter().filter(|n| n != from).collect();
            assert_eq!(net.packet(*from, 1), only(&others, 7), "{kind:?} from {from}");
            let stacks: Vec<Vec<u32>> = net.crossings.iter().map(|(_, _, octets)| stack(octets)).collect();
            let is_plain = |stack: &Vec<u32>| matches!(stack[..], [label] if label >= 16);
            assert!(stacks.len() >= 4 && stacks.iter().all(is_plain), "{kind:?} from {from}: {stacks:?}");
        }
    }
}

/// The tree of an MP2MP LSP follows the routes, with its ways up.
#[test]
fn an_mp2mp_lsp_survives_a_link() {
    let mut net = tree();
    let fec = TreeFec::mp2mp(address(0), 9);
    for n in [3, 4, 5] {
        net.join(n, &fec, 1);
    }
    net.run(SETTLE);
    for (link, up) in [(1, false), (1, true), (0, false)] {
        net.set_link(link, up);
        net.run(SETTLE);
        for from in [3, 4, 5] {
            let others: Vec<usize> = [3, 4, 5].into_iter().filter(|n| *n != from).collect();
            assert_eq!(net.packet(from, 1), only(&others, 7), "link {link} {up}, from {from}");
        }
    }
}

/// Two roots for one opaque value: leaves hear both, a sender picks the nearest that is up (RFC 6388 §7).
#[test]
fn roots_are_redundant() {
    let mut net = tree();
    let opaque = OpaqueElement::GenericLspId(11);
    let roots = [address(0), address(6)];
    let mut sets = Vec::new();
    for n in [3, 4, 5] {
        let now = net.now;
        let deliver = Deliver::Multicast(fwd_core::net::TunnelId(2));
        sets.push(RootSet::join(&mut net.nodes[n].mldp, now, TreeKind::Mp2mp, (&roots, &opaque), deliver).unwrap());
        net.drain();
    }
    net.run(SETTLE);
    let at = |net: &Net, root: usize| net.nodes[3].mldp.find(&TreeFec::new(TreeKind::Mp2mp, address(root), &opaque));
    // From L3, R6 is 25 away, R0 30.
    assert_eq!(sets[0].active(&net.nodes[3].mldp), at(&net, 6));
    net.set_link(6, false);
    net.set_link(5, false);
    net.run(SETTLE);
    assert_eq!(sets[0].active(&net.nodes[3].mldp), at(&net, 0), "the root is gone");
    let now = net.now;
    sets.remove(0).leave(&mut net.nodes[3].mldp, now);
    net.drain();
    net.run(SETTLE);
    assert!(net.nodes[3].is_clean());
    let taken = Err(JoinError::RootOfP2mp);
    let fec = TreeFec::p2mp(address(3), 1);
    assert_eq!(net.nodes[3].mldp.join(now, fec, Deliver::Multicast(fwd_core::net::TunnelId(2))), taken);
}

/// Random networks, leaves that come and go, links that fail and change: when routes are settled each leaf gets each packet once, nobody
/// else gets one, and no link carries two.
fn random_network(seed: u64, steps: usize) {
    let mut net = {
        let mut dice = Net::new(1, &[], seed, |_, _| {});
        let nodes = 4 + dice.random(7) as usize;
        let mut links = Vec::new();
        for n in 1..nodes {
            links.push((dice.random(n as u64) as usize, n, 1 + dice.random(4) as u32));
        }
        for _ in 0..dice.random(8) {
            let (a, b) = (dice.random(nodes as u64) as usize, dice.random(nodes as u64) as usize);
            if a != b && !links.iter().any(|l| (l.0, l.1) == (a.min(b), a.max(b))) {
                links.push((a.min(b), a.max(b), 1 + dice.random(4) as u32));
            }
        }
        let mbb = dice.random(4) > 0;
        Net::new(nodes, &links, seed, |n, config| {
            // Some routers do without make-before-break, or all.
            if !mbb || n % 5 == 3 {
                config.mbb = None;
            }
        })
    };
    let nodes = net.nodes.len();
    let fecs = [TreeFec::p2mp(address(0), 1), TreeFec::p2mp(address(1), 1), TreeFec::mp2mp(address(2), 3)];
    net.open(0, &fecs[0], 0);
    net.open(1, &fecs[1], 1);
    let mut members = [BTreeSet::new(), BTreeSet::new(), BTreeSet::new()];
    for _ in 0..steps {
        match net.random(8) {
            0..5 => {
                let (tree, n) = (net.random(3) as usize, net.random(nodes as u64) as usize);
                if tree != 2 && n == tree {
                    continue;
                }
                if members[tree].remove(&n) {
                    net.leave(n, &fecs[tree]);
                } else {
                    net.join(n, &fecs[tree], tree as u32);
                    members[tree].insert(n);
                }
            }
            5 | 6 => {
                let link = net.random(net.links.len() as u64) as usize;
                let up = !net.links[link].up;
                net.set_link(link, up);
            }
            _ => {
                let (link, metric) = (net.random(net.links.len() as u64) as usize, 1 + net.random(6) as u32);
                net.set_metric(link, metric);
            }
        }
        let wait = net.random(50_000);
        net.run(Duration::from_micros(wait));
    }
    net.run(SETTLE);
    assert_eq!(net.in_flight(), 0, "messages that never end");
    let reach: Vec<Vec<bool>> = (0..3).map(|r| net.distances(r).iter().map(Option::is_some).collect()).collect();
    for tree in 0..3 {
        let senders: Vec<usize> = if tree == 2 { members[2].iter().copied().collect() } else { vec![tree] };
        for from in senders.into_iter().filter(|n| reach[tree][*n]) {
            let to: Vec<usize> = members[tree].iter().copied().filter(|n| reach[tree][*n] && *n != from).collect();
            assert_eq!(net.packet(from, tree as u32), only(&to, nodes), "seed {seed} tree {tree} from {from}");
            assert!(net.crossed.values().all(|copies| *copies == 1), "seed {seed}: a link carries two copies");
        }
    }
    for (tree, members) in members.iter().enumerate() {
        members.iter().for_each(|n| net.leave(*n, &fecs[tree]));
    }
    net.run(SETTLE);
    for (n, fec) in fecs.iter().enumerate().take(2) {
        let id = net.nodes[n].mldp.find(fec).unwrap();
        let now = net.now;
        net.nodes[n].mldp.close(now, id);
    }
    net.drain();
    assert!(net.nodes.iter().all(|n| n.is_clean()), "seed {seed}: state is left");
    assert!(net.nodes.iter().all(|n| n.legs.is_empty()), "seed {seed}: legs are left");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]
    #[test]
    fn random_networks(seed in any::<u64>(), steps in 1_usize..40) {
        random_network(seed, steps);
    }
}
