//! P2MP pseudowires over mLDP: frames are counted.

use std::time::Duration;

use p2mp_pw::ldp::message::MessageBody;
use p2mp_pw::ldp::{PwStatus, StatusCode};
use p2mp_pw::p2mp::root::{Event as RootEvent, FaultPolicy, Protects, RootError, RootState};
use p2mp_pw::p2mp::{LeafState, PwState, leaf};
use p2mp_pw::redundancy::{Criterion, RedundancyConfig};

use super::net::{Net, ldp_id};
use super::pe::*;

const SETTLE: Duration = Duration::from_secs(5);

/// R0 and R6 roots, P1 and P2, leaves L3, L4, L5.
fn tree() -> Pes {
    let links = [(0, 1, 10), (1, 2, 10), (2, 3, 10), (2, 4, 10), (1, 5, 10), (2, 6, 10)];
    Pes::new(Net::new(7, &links, 3, |_, _| {}), &[0, 6], &[3, 4, 5])
}

/// A pseudowire from R0 to leaves, on a tree of its own.
fn service(pes: &mut Pes, leaves: &[usize]) -> p2mp_pw::p2mp::PwId {
    let tunnel = pes.open(0, 7);
    let pw = pes.root_pw(0, root_config(0, 1, 1, &[50, 51]), Some(tunnel));
    for l in leaves {
        pes.leaf_pw(*l, leaf_config(0, 1, 1, &[50]));
        pes.add_leaf(0, pw, *l);
    }
    pes.run(SETTLE);
    pw
}

/// Each leaf gets one copy, one copy is on each link, and the root knows how each fares; leaves come and go without any effect on others,
/// by frames and by messages.
///
/// Shows: P2MP-ARC-5, P2MP-SIG-7, P2MP-SIG-8, P2MP-FLT-4, P2MP-ARC-4
#[test]
fn leaves_come_and_go_without_effect_on_others() {
    let mut pes = tree();
    let pw = service(&mut pes, &[3, 4]);
    // The second circuit at the root receives too; nothing goes back to the source.
    assert_eq!(pes.frame(0, AC), [(0, 51), (3, 50), (4, 50)]);
    assert!(pes.net.crossed.values().all(|copies| *copies == 1));
    assert_eq!(pes.frame(0, fwd_core::net::IfIndex(51)), [(0, 50)], "a receiver reaches the source only");
    let leaves = pes.roots[&0].pw(pw).unwrap().leaves;
    assert_eq!(leaves, [(ldp_id(3), LeafState::Confirmed), (ldp_id(4), LeafState::Confirmed)]);
    assert_eq!(pes.roots[&0].pw(pw).unwrap().state, RootState::Up);
    let before = pes.log.len();
    pes.leaf_pw(5, leaf_config(0, 1, 1, &[50, 51, 52]));
    for grafts in [true, false] {
        if grafts {
            pes.add_leaf(0, pw, 5)
        } else {
            pes.remove_leaf(0, pw, 5)
        }
        let end = pes.net.now + SETTLE;
        loop {
            let exits = pes.frame(0, AC);
            assert!(exits.starts_with(&[(0, 51), (3, 50), (4, 50)]), "{exits:?}");
            if !pes.step(end) {
                break;
            }
        }
        // Three circuits of the leaf have a copy each.
        let own: &[(usize, u32)] = if grafts { &[(5, 50), (5, 51), (5, 52)] } else { &[] };
        assert_eq!(pes.frame(0, AC)[3..], *own);
    }
    assert!(pes.log[before..].iter().all(|(from, to, _)| *from == 5 || *to == 5), "nobody else hears of it");
    assert_eq!(pes.net.crossed.keys().filter(|(link, _)| *link == 4).count(), 0, "the branch is gone too");
    // P routers hold the tree and nothing of the pseudowire.
    assert_eq!(pes.net.nodes[1].mldp.trees().count(), 1);
}

/// Thousand pseudowires on one tree: routers between the ends hold as much as for one (RFC 7338 §3.4.7), and each leaf gets what is its
/// own, by the root's labels (RFC 5331 §7).
///
/// Shows: P2MP-UND-3, P2MP-SCL-2
#[test]
fn a_thousand_pseudowires_share_a_tree() {
    let mut pes = tree();
    let tunnel = pes.open(0, 7);
    let mut used = Vec::new();
    for n in 1..=1000_u32 {
        // Circuits on the first two only; L4 is a leaf of every other one.
        let ac = (n <= 2).then_some(49 + n);
        let mut config = root_config(0, n, n as u16, &ac.map_or(vec![59], |ac| vec![ac]));
        config.circuits[0].tags = if n <= 2 { config.circuits[0].tags } else { vlan(n) };
        let pw = pes.root_pw(0, config, Some(tunnel.clone()));
        for l in [3, 4].into_iter().filter(|l| *l == 3 || n % 2 == 1) {
            let mut config = leaf_config(0, n, n as u16, &ac.map_or(vec![59], |ac| vec![ac]));
            config.circuits[0].tags = if n <= 2 { config.circuits[0].tags } else { vlan(n) };
            pes.leaf_pw(l, config);
            pes.add_leaf(0, pw, l);
        }
        if n == 1 || n == 1000 {
            pes.run(SETTLE);
            used.push([1, 2].map(|p: usize| (pes.net.nodes[p].mldp.used(), pes.net.nodes[p].mldp.trees().count())));
        }
    }
    assert_eq!(used[0], used[1], "P1 and P2");
    assert_eq!(pes.frame(0, AC), [(3, 50), (4, 50)]);
    // L4 is on the tree and no leaf of the second: the root's label means nothing to it.
    assert_eq!(pes.frame(0, fwd_core::net::IfIndex(51)), [(3, 51)]);
    assert_eq!(pes.net.nodes[4].drops(fwd_core::DropReason::NoContextBinding), 1);
}

fn vlan(n: u32) -> fwd_core::op::Tags {
    fwd_core::op::Tags::Vlan(fwd_core::net::VlanId::new(n as u16).unwrap())
}

/// What leaves report is told with its kind; what matches not is not attached, and others are (RFC 8338 §3.1, §5).
///
/// Shows: P2MP-SIG-4, P2MP-CON-5, P2MP-FLT-10, P2MP-FLT-1
#[test]
fn the_root_learns_which_leaf_has_which_fault() {
    let mut pes = tree();
    let tunnel = pes.open(0, 7);
    let pw = pes.root_pw(0, root_config(0, 1, 1, &[50]), Some(tunnel));
    let mut wrong = leaf_config(0, 1, 1, &[50]);
    wrong.service.pw_type = p2mp_pw::ldp::fec::PwType::ETHERNET_TAGGED;
    pes.leaf_pw(3, wrong);
    let mut silent = leaf_config(0, 1, 1, &[50]);
    silent.confirm = false;
    pes.leaf_pw(4, silent);
    let at5 = pes.leaf_pw(5, leaf_config(0, 1, 1, &[50]));
    for l in [3, 4, 5] {
        pes.add_leaf(0, pw, l);
    }
    pes.run(Duration::from_secs(20));
    let state =
        |pes: &Pes, l: usize| pes.roots[&0].pw(pw).unwrap().leaves.iter().find(|(id, _)| *id == ldp_id(l)).unwrap().1;
    assert_eq!(state(&pes, 3), LeafState::Fault(PwStatus::NOT_FORWARDING));
    assert_eq!((state(&pes, 4), state(&pes, 5)), (LeafState::Unconfirmed, LeafState::Confirmed));
    assert_eq!(pes.frame(0, AC), [(4, 50), (5, 50)]);
    for fault in [PwStatus::AC_RECEIVE_FAULT, PwStatus::AC_TRANSMIT_FAULT, PwStatus::empty()] {
        pes.leaves.get_mut(&5).unwrap().set_ac_status(at5, fault);
        pes.settle();
        pes.run(SETTLE);
        let expected = if fault.is_empty() { LeafState::Confirmed } else { LeafState::Fault(fault) };
        assert_eq!(state(&pes, 5), expected, "that bit only");
    }
    // The branch to P2 is cut: L3 and L4 lose the tunnel, and the root hears exactly that.
    let before = pes.root_events.len();
    pes.net.set_link(1, false);
    pes.run(SETTLE);
    assert_eq!(state(&pes, 4), LeafState::Fault(PwStatus::PSN_RECEIVE_FAULT));
    assert_eq!(state(&pes, 5), LeafState::Confirmed);
    let named = pes.root_events[before..].iter().filter(|(_, e)| matches!(e, RootEvent::Leaf { .. })).count();
    assert_eq!(named, 1, "L4 alone: L3 was at fault before");
    assert!(pes.log.iter().all(|(from, to, _)| [0, 3, 4, 5, 6].contains(from) && [0, 3, 4, 5, 6].contains(to)));
    pes.net.set_link(1, true);
    pes.run(SETTLE);
    assert_eq!(state(&pes, 4), LeafState::Confirmed);
}

/// The root's circuit fails: every leaf is told, once (RFC 8338 §5). The leaf with a fault is taken out alone.
///
/// Shows: P2MP-FLT-11, P2MP-FLT-5
#[test]
fn leaves_learn_how_the_root_fares() {
    let mut pes = tree();
    let tunnel = pes.open(0, 7);
    let mut config = root_config(0, 1, 1, &[50]);
    config.policy = FaultPolicy::Prune;
    let pw = pes.root_pw(0, config, Some(tunnel));
    let mut at = Vec::new();
    for l in [3, 4, 5] {
        at.push(pes.leaf_pw(l, leaf_config(0, 1, 1, &[50])));
        pes.add_leaf(0, pw, l);
    }
    pes.run(SETTLE);
    let before = pes.log.len();
    pes.roots.get_mut(&0).unwrap().set_ac_status(pw, PwStatus::AC_RECEIVE_FAULT);
    pes.settle();
    assert_eq!(pes.log.len() - before, 3, "one message for each leaf");
    for l in [3, 4, 5] {
        let told = pes
            .leaf_events
            .iter()
            .any(|(n, e)| *n == l && matches!(e, leaf::Event::RootStatus { status: PwStatus::AC_RECEIVE_FAULT, .. }));
        assert!(told);
    }
    pes.leaves.get_mut(&4).unwrap().set_ac_status(at[1], PwStatus::AC_TRANSMIT_FAULT);
    pes.settle();
    pes.run(SETTLE);
    assert!(pes.root_events.contains(&(0, RootEvent::LeafPruned { pw, leaf: ldp_id(4) })));
    assert_eq!(pes.frame(0, AC), [(3, 50), (5, 50)]);
    assert_eq!(pes.roots[&0].pw(pw).unwrap().leaves.len(), 2);
}

/// A router that does not know P2MP pseudowires is never told of one, and the operator is told which it is (RFC 8338 §4).
///
/// Shows: P2MP-BC-4, P2MP-BC-5, P2MP-BC-2
#[test]
fn a_router_that_cannot_is_left_out() {
    let mut pes = tree();
    pes.session(0, 4, false, true);
    pes.session(0, 4, true, false);
    let pw = service(&mut pes, &[3, 4, 5]);
    assert_eq!(pes.mappings_to(4), 0);
    assert!(pes.root_events.contains(&(0, RootEvent::PeerLacksP2mpPw { pw, leaf: ldp_id(4) })));
    assert_eq!(pes.frame(0, AC), [(0, 51), (3, 50), (5, 50)]);
    // It learns, and unlearns (RFC 5561 §5): labels are withdrawn.
    for able in [true, false] {
        let (now, negotiated) = (pes.net.now, capable(able));
        let input = p2mp_pw::p2mp::root::Input::Capabilities { peer: ldp_id(4), negotiated: &negotiated };
        pes.roots.get_mut(&0).unwrap().handle_input(now, input);
        pes.settle();
        pes.run(SETTLE);
        assert_eq!(pes.frame(0, AC).contains(&(4, 50)), able);
    }
    let withdrawn = |(_, to, m): &(usize, usize, p2mp_pw::ldp::message::Message)| {
        *to == 4 && matches!(m.body, MessageBody::LabelWithdraw(_))
    };
    assert!(pes.log.iter().any(withdrawn));
}

/// No label is told before there is a tunnel; a second tunnel for the same pseudowire is refused by leaves (RFC 7338 §3.2); names are unique.
///
/// Shows: P2MP-UND-2, P2MP-UND-10, P2MP-CON-2, P2MP-SIG-1
#[test]
fn one_tunnel_and_first_the_tunnel() {
    let mut pes = tree();
    let pw = pes.root_pw(0, root_config(0, 1, 1, &[50]), None);
    let at = pes.leaf_pw(3, leaf_config(0, 1, 1, &[50]));
    pes.add_leaf(0, pw, 3);
    pes.run(SETTLE);
    assert_eq!((pes.mappings_to(3), pes.roots[&0].pw(pw).unwrap().state), (0, RootState::Idle));
    let (first, second) = (pes.open(0, 7), pes.open(0, 8));
    let now = pes.net.now;
    pes.roots.get_mut(&0).unwrap().set_tunnel(now, pw, Some(first)).unwrap();
    pes.settle();
    pes.run(SETTLE);
    assert_eq!(pes.frame(0, AC), [(3, 50)]);
    // A root that breaks the rule: the mapping of another tunnel, before the first was withdrawn.
    let (_, _, mut message) = pes.log.iter().find(|(_, to, _)| *to == 3).unwrap().clone();
    let MessageBody::LabelMapping(mapping) = &mut message.body else { panic!() };
    let named = p2mp_pw::ldp::fec::P2mpPw::new(
        true,
        p2mp_pw::ldp::fec::PwType::ETHERNET,
        (sai(0, 1).agi, sai(0, 1).saii),
        Some(second.1.clone()),
        vec![],
    );
    mapping.fec =
        p2mp_pw::ldp::fec::Fec::single(p2mp_pw::ldp::fec::FecElement::P2mpPwUpstream(Box::new(named.unwrap())));
    let input = leaf::Input::Message { peer: ldp_id(0), message: &message };
    pes.leaves.get_mut(&3).unwrap().handle_input(now, input);
    let answer = pes.leaves.get_mut(&3).unwrap().poll_output();
    assert_eq!(answer, Some(leaf::Output::Event(leaf::Event::SecondTunnel { sai: sai(0, 1) })));
    let Some(leaf::Output::Message { message, .. }) = pes.leaves.get_mut(&3).unwrap().poll_output() else { panic!() };
    let MessageBody::LabelRelease(release) = message.body else { panic!() };
    assert!(release.optional.iter().any(|tlv| matches!(&tlv.value,
        p2mp_pw::ldp::TlvValue::Status(status) if status.code == StatusCode::GENERIC_MISCONFIGURATION)));
    assert_eq!(pes.frame(0, AC), [(3, 50)], "and goes on with the first");
    // The rule kept: the old one goes, then the new one is told.
    pes.roots.get_mut(&0).unwrap().set_tunnel(now, pw, Some(second)).unwrap();
    pes.settle();
    pes.run(SETTLE);
    assert_eq!(pes.frame(0, AC), [(3, 50)]);
    assert_eq!(pes.leaves[&3].pw(at).unwrap().members, [(sai(0, 1), PwState::Up)]);
    let again = pes.roots.get_mut(&0).unwrap().add_pw(now, root_config(0, 1, 2, &[51]));
    assert_eq!(again, Err(RootError::Duplicate));
    let again = pes.leaves.get_mut(&3).unwrap().add_pw(now, leaf_config(0, 1, 2, &[51]));
    assert_eq!(again, Err(leaf::LeafError::Duplicate));
}

/// Two roots for the same circuits: the leaf listens to one, and to the other when the first is gone; never to both.
///
/// Shows: P2MP-PRO-6, P2MP-PRO-7, MVPN-TRB-5
#[test]
fn a_root_fails_and_the_other_takes_over() {
    let mut pes = tree();
    let tunnels = [(0, pes.open(0, 7)), (6, pes.open(6, 9))];
    let mut pws = Vec::new();
    for (r, tunnel) in tunnels {
        pws.push(pes.root_pw(r, root_config(r, 1, 1, &[50]), Some(tunnel)));
    }
    let mut at = Vec::new();
    for l in [3, 4, 5] {
        let mut config = leaf_config(0, 1, 1, &[50]);
        config.sais.push(sai(6, 1));
        at.push(pes.leaf_pw(l, config));
        pes.add_leaf(0, pws[0], l);
        pes.add_leaf(6, pws[1], l);
    }
    pes.run(SETTLE);
    let leaves = [(3, 50), (4, 50), (5, 50)];
    assert_eq!((pes.frame(0, AC), pes.frame(6, AC)), (leaves.to_vec(), vec![]), "the lowest name of two that send");
    // R0 dies: its link, and its sessions with it. Tunnels and sessions go; after the hold-off R6 is heard.
    pes.net.set_link(0, false);
    for l in [3, 4, 5] {
        pes.session(0, l, false, true);
    }
    pes.run(Duration::from_millis(400));
    assert_eq!(pes.frame(6, AC), [], "the hold-off");
    pes.run(Duration::from_millis(600));
    assert_eq!(pes.frame(6, AC), leaves);
    for (l, at) in [3, 4, 5].into_iter().zip(&at) {
        assert_eq!(pes.leaves[&l].pw(*at).unwrap().selected, Some(sai(6, 1)));
    }
    // Back, and after the time to return R0 is heard again; at no step more than one copy.
    pes.net.set_link(0, true);
    for l in [3, 4, 5] {
        pes.session(0, l, true, true);
    }
    let end = pes.net.now + Duration::from_secs(60);
    while pes.step(end) {
        let (a, b) = (pes.frame(0, AC), pes.frame(6, AC));
        assert_eq!(a.len() + b.len(), 3, "{a:?} {b:?}");
    }
    assert_eq!(pes.frame(0, AC), leaves);
}

/// One circuit at the root, two pseudowires on two trees: one of them sends (RFC 7338 §3.4.6).
///
/// Shows: P2MP-PRO-3, P2MP-PRO-4, P2MP-PRO-2
#[test]
fn a_pseudowire_protects_another_at_the_root() {
    let mut pes = tree();
    let (first, second) = (pes.open(0, 7), pes.open(0, 8));
    let primary = pes.root_pw(0, root_config(0, 1, 1, &[50]), Some(first));
    let protects = Protects { primary, criterion: Criterion::AllLeaves, config: RedundancyConfig::default() };
    let mut config = root_config(0, 2, 2, &[50]);
    config.protects = Some(protects);
    let backup = pes.root_pw(0, config, Some(second));
    // CE2 has two homes: L4 by the first, L5 by the second.
    let at4 = pes.leaf_pw(4, leaf_config(0, 1, 1, &[50]));
    pes.leaf_pw(5, leaf_config(0, 2, 1, &[50]));
    pes.add_leaf(0, primary, 4);
    pes.run(SETTLE);
    pes.add_leaf(0, backup, 5);
    pes.run(SETTLE);
    assert_eq!(pes.frame(0, AC), [(4, 50)]);
    let standby = |(n, e): &(usize, leaf::Event)| {
        *n == 5 && matches!(e, leaf::Event::RootStatus { status: PwStatus::STANDBY, .. })
    };
    assert!(pes.leaf_events.iter().any(standby), "the other is told that it is the standby");
    pes.leaves.get_mut(&4).unwrap().set_ac_status(at4, PwStatus::AC_TRANSMIT_FAULT);
    pes.settle();
    assert_eq!(pes.frame(0, AC), [(4, 50)], "within the hold-off");
    pes.run(Duration::from_secs(2));
    assert_eq!(pes.frame(0, AC), [(5, 50)]);
    assert!(pes.root_events.contains(&(0, RootEvent::Switched { to: backup })));
    let now = pes.net.now;
    pes.roots.get_mut(&0).unwrap().remove_pw(now, backup);
    pes.settle();
    assert_eq!(pes.frame(0, AC), [(4, 50)], "without the other it sends, whatever its leaves say");
}

/// Labels, ports and entries are free once the last is gone, at both ends; a leaf's session may end at any time.
#[test]
fn nothing_is_left_when_all_is_removed() {
    let mut pes = tree();
    let pw = service(&mut pes, &[3, 4, 5]);
    pes.session(0, 4, false, true);
    assert_eq!(pes.frame(0, AC), [(0, 51), (3, 50), (5, 50)]);
    pes.session(0, 4, true, true);
    pes.run(SETTLE);
    assert_eq!(pes.frame(0, AC), [(0, 51), (3, 50), (4, 50), (5, 50)]);
    let now = pes.net.now;
    pes.roots.get_mut(&0).unwrap().remove_pw(now, pw);
    pes.settle();
    pes.run(SETTLE);
    assert_eq!(pes.roots[&0].pw(pw), None);
    assert!(pes.net.nodes[1..].iter().all(|n| n.mldp.trees().count() == 0));
    let fwd = &pes.net.nodes[0].fwd;
    assert!(fwd.vsi(fwd_core::net::VsiId(1)).is_none());
    assert!((0..4000).all(|p| fwd.port(fwd_core::net::PortId(p)).is_none()));
    assert!((1000..6000).all(|n| fwd.nhlfe(fwd_core::net::NhlfeId(n)).is_none()));
    assert_eq!(pes.leaves[&3].retained().count(), 0);
}

/// A leaf that never stops talking is heard once a second, and costs the others nothing.
///
/// Shows: P2MP-SEC-3, MVPN-TRB-5
#[test]
fn a_leaf_that_never_stops_talking() {
    let mut pes = tree();
    service(&mut pes, &[3, 4]);
    let (_, _, message) = pes
        .log
        .iter()
        .rfind(|(from, _, m)| *from == 3 && matches!(m.body, MessageBody::Notification(_)))
        .unwrap()
        .clone();
    let before = *pes.roots[&0].counters();
    for n in 0..10_000_u32 {
        let mut message = message.clone();
        if let MessageBody::Notification(n2) = &mut message.body {
            n2.optional[0].value = p2mp_pw::ldp::TlvValue::PwStatus(PwStatus::from_bits_retain(n % 2 * 2));
        }
        let now = pes.net.now;
        let input = p2mp_pw::p2mp::root::Input::Message { peer: ldp_id(3), message: &message };
        pes.roots.get_mut(&0).unwrap().handle_input(now, input);
    }
    pes.settle();
    let after = *pes.roots[&0].counters();
    assert_eq!(after.statuses_received - before.statuses_received, 1);
    assert_eq!(after.statuses_held - before.statuses_held, 9_999);
    pes.run(SETTLE);
    assert_eq!(pes.roots[&0].counters().statuses_received - before.statuses_received, 2, "and the last of them");
    assert_eq!(pes.frame(0, AC), [(0, 51), (3, 50), (4, 50)]);
}
