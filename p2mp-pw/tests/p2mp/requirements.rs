//! Requirements of RFC 7338 that need one look each: names, reports, in-band monitoring, what is refused, what one leaf costs others.

use std::collections::BTreeMap;
use std::time::Duration;

use fwd_core::DropReason;
use fwd_core::net::{IfIndex, LabelSpaceId, Mac, VsiId};
use fwd_core::op::{FwdOp, IlmAction, NextHop};
use fwd_core::wire::ControlWord;
use p2mp_pw::ldp::fec::FecElement;
use p2mp_pw::ldp::message::{Message, MessageBody};
use p2mp_pw::ldp::{Pdu, PwStatus, Tlv, TlvValue};
use p2mp_pw::oam_map::{AcConfig, AcInputs, Ccm, PwInputs, map};
use p2mp_pw::p2mp::root::{self, Event as RootEvent, RootState};
use p2mp_pw::p2mp::{LeafState, Mismatch, Monitor, PwId, leaf};
use p2mp_pw::pw::SwitchingPoint;

use super::net::{Net, ldp_id};
use super::pe::*;

const SETTLE: Duration = Duration::from_secs(5);

/// R0, P1, P2, leaves L3 and L4 behind P2, L5 behind P1; the pseudowire to the leaves named.
fn service(leaves: &[usize], change: impl Fn(&mut root::RootPwConfig)) -> (Pes, PwId, Vec<PwId>) {
    let links = [(0, 1, 10), (1, 2, 10), (2, 3, 10), (2, 4, 10), (1, 5, 10)];
    let mut pes = Pes::new(Net::new(6, &links, 3, |_, _| {}), &[0], &[3, 4, 5]);
    let tunnel = pes.open(0, 7);
    let mut config = root_config(0, 1, 1, &[50]);
    change(&mut config);
    let pw = pes.root_pw(0, config, Some(tunnel));
    let mut at = Vec::new();
    for l in leaves {
        at.push(pes.leaf_pw(*l, leaf_config(0, 1, 1, &[50])));
        pes.add_leaf(0, pw, *l);
    }
    pes.run(SETTLE);
    (pes, pw, at)
}

fn state(pes: &Pes, pw: PwId, l: usize) -> LeafState {
    pes.roots[&0].pw(pw).unwrap().leaves.iter().find(|(id, _)| *id == ldp_id(l)).unwrap().1
}

fn element(message: &Message) -> Option<FecElement> {
    let fec = match &message.body {
        MessageBody::LabelMapping(m) => &m.fec,
        MessageBody::LabelWithdraw(m) | MessageBody::LabelRelease(m) => &m.fec,
        MessageBody::Notification(m) => m.fec()?,
        _ => return None,
    };
    fec.0.first().cloned()
}

/// One name in Mapping, Notification, Withdraw and Release: the Upstream element from the root, the Downstream element from the leaf; with a
/// way back the root maps that one too.
///
/// Shows: P2MP-SIG-2
#[test]
fn one_name_in_all_signalling() {
    let (mut pes, pw, at) = service(&[3], |config| config.return_path = true);
    pes.leaves.get_mut(&3).unwrap().set_ac_status(at[0], PwStatus::AC_TRANSMIT_FAULT);
    pes.roots.get_mut(&0).unwrap().set_ac_status(pw, PwStatus::AC_RECEIVE_FAULT);
    pes.settle();
    pes.run(SETTLE);
    pes.remove_leaf(0, pw, 3);
    pes.run(SETTLE);
    let mut kinds = Vec::new();
    for (from, _, message) in &pes.log {
        let named = element(message).unwrap_or_else(|| panic!("{message:?}"));
        let (FecElement::P2mpPwUpstream(fec) | FecElement::P2pPwDownstream(fec)) = &named else { panic!("{named:?}") };
        assert_eq!(fec.source(), Some((&sai(0, 1).agi, &sai(0, 1).saii)));
        let kind = match message.body {
            MessageBody::LabelMapping(_) => "mapping",
            MessageBody::LabelWithdraw(_) => "withdraw",
            MessageBody::LabelRelease(_) => "release",
            _ => "notification",
        };
        kinds.push((*from, kind, matches!(named, FecElement::P2mpPwUpstream(_))));
    }
    for expected in [
        (0, "mapping", true),
        (0, "mapping", false),
        (3, "notification", false),
        (0, "notification", true),
        (0, "withdraw", true),
        (3, "release", true),
    ] {
        assert!(kinds.contains(&expected), "{expected:?} in {kinds:?}");
    }
}

/// A status of a leaf, octet for octet (RFC 8338 §5, RFC 8077 §6.3.2): a Notification with Status 0x00000028, PW Status, and the Downstream
/// element.
///
/// Shows: P2MP-FLT-9
#[test]
fn a_report_is_a_pw_status_notification() {
    let (mut pes, _, at) = service(&[3], |_| {});
    let before = pes.log.len();
    pes.leaves.get_mut(&3).unwrap().set_ac_status(at[0], PwStatus::AC_RECEIVE_FAULT);
    pes.settle();
    let [(3, 0, message)] = &pes.log[before..] else { panic!("{:?}", &pes.log[before..]) };
    let mut out = Vec::new();
    Message { id: 0, body: message.body.clone() }.emit(&mut out);
    let octets = |hex: &str| -> Vec<u8> {
        let digits: Vec<u8> = hex.bytes().filter(u8::is_ascii_hexdigit).collect();
        digits.chunks(2).map(|d| u8::from_str_radix(std::str::from_utf8(d).unwrap(), 16).unwrap()).collect()
    };
    let message = octets(
        "0001 003a 00000000
         0300 000a 00000028 00000000 0000
         896a 0004 00000002
         0100 001c
         84 8005 18
         01 08 0000fbf400000009
         02 0c 0000fbf4 c0000201 00000001
         ",
    );
    assert_eq!(out, message, "{out:02x?}");
}

/// The branch above two leaves breaks: the root hears of those two, and of no other.
///
/// Shows: P2MP-FLT-8, MVPN-TRB-5
#[test]
fn the_report_names_the_leaves_behind_the_break() {
    let (mut pes, pw, _) = service(&[3, 4, 5], |_| {});
    let before = pes.root_events.len();
    pes.net.set_link(1, false);
    pes.run(SETTLE);
    let mut named: Vec<_> = pes.root_events[before..]
        .iter()
        .filter_map(|(_, event)| match event {
            RootEvent::Leaf { leaf, state: LeafState::Fault(PwStatus::PSN_RECEIVE_FAULT), .. } => Some(*leaf),
            _ => None,
        })
        .collect();
    named.sort_unstable();
    assert_eq!(named, [ldp_id(3), ldp_id(4)]);
    assert_eq!(state(&pes, pw, 5), LeafState::Confirmed);
}

/// Each setting listens to what it names and to nothing else.
///
/// Shows: P2MP-FLT-3
#[test]
fn the_operator_chooses_what_is_listened_to() {
    for (monitor, ldp, vccv) in [(Monitor::Ldp, true, false), (Monitor::Vccv, false, true), (Monitor::Both, true, true)]
    {
        let (mut pes, pw, at) = service(&[3, 4], |config| config.monitor = monitor);
        let faults = |pes: &Pes, l: usize| {
            let of = |(_, e): &&(usize, RootEvent)| matches!(e, RootEvent::Leaf { leaf, state: LeafState::Fault(_), .. } if *leaf == ldp_id(l));
            pes.root_events.iter().filter(of).count()
        };
        pes.leaves.get_mut(&3).unwrap().set_ac_status(at[0], PwStatus::AC_RECEIVE_FAULT);
        pes.settle();
        pes.run(SETTLE);
        assert_eq!(faults(&pes, 3) > 0, ldp, "{monitor:?} and LDP status");
        let now = pes.net.now;
        pes.roots.get_mut(&0).unwrap().set_oam(now, pw, ldp_id(4), false);
        pes.settle();
        assert_eq!(faults(&pes, 4) > 0, vccv, "{monitor:?} and VCCV");
    }
}

/// The root's label is looked up in the root's label space at a leaf; the label of the way back in the root's own.
///
/// Shows: P2MP-CON-1
#[test]
fn labels_are_assigned_upstream_and_downstream() {
    let (pes, _, _) = service(&[3], |config| config.return_path = true);
    let label_of = |upstream: bool| {
        let mut mappings = pes.log.iter().filter_map(|(_, _, m)| match &m.body {
            MessageBody::LabelMapping(mapping) => Some((element(m)?, mapping.label.label())),
            _ => None,
        });
        mappings.find(|(e, _)| matches!(e, FecElement::P2mpPwUpstream(_)) == upstream).unwrap().1
    };
    let (down, back) = (label_of(true), label_of(false));
    let (root, leaf) = (&pes.net.nodes[0].fwd, &pes.net.nodes[3].fwd);
    assert_eq!(leaf.ilm(down), None, "not in the leaf's own space");
    assert!(leaf.context_ilm(LabelSpaceId(1), down).is_some());
    assert!(matches!(root.ilm(back).map(|ilm| ilm.action), Some(IlmAction::Bridge(_))));
}

/// Somebody's leaf comes and goes as fast as it can: whoever has nothing to do with it loses no frame and hears nothing.
///
/// Shows: P2MP-SEC-4
#[test]
fn a_flapping_leaf_costs_the_others_nothing() {
    let (mut pes, _, at) = service(&[3, 4, 5], |_| {});
    let before = pes.log.len();
    for n in 0..100 {
        match n % 4 {
            0 => pes.session(0, 3, false, true),
            1 => pes.session(0, 3, true, true),
            2 => pes.leaves.get_mut(&3).unwrap().set_ac_status(at[0], PwStatus::AC_TRANSMIT_FAULT),
            _ => pes.leaves.get_mut(&3).unwrap().set_ac_status(at[0], PwStatus::empty()),
        }
        pes.settle();
        let exits = pes.frame(0, AC);
        assert!(exits.ends_with(&[(4, 50), (5, 50)]), "{exits:?}");
        pes.run(Duration::from_millis(7));
    }
    assert!(pes.log[before..].iter().all(|(from, to, _)| *from == 3 || *to == 3));
}

/// The root's tables are full: what was promised is taken back from all leaves, nothing is left, and another try succeeds.
#[test]
fn a_full_table_at_the_root_is_told_to_the_leaves() {
    let (mut pes, pw, _) = service(&[3, 4], |_| {});
    assert_eq!(pes.frame(0, AC), [(3, 50), (4, 50)]);
    let vsi = VsiId(1);
    let settings = pes.net.nodes[0].fwd.vsi(vsi).unwrap();
    let (now, op) = (pes.net.now, FwdOp::SetVsi { vsi, settings });
    pes.roots.get_mut(&0).unwrap().handle_input(now, root::Input::Refused(op));
    pes.settle();
    pes.run(SETTLE);
    assert!(pes.root_events.contains(&(0, RootEvent::TableFull { pw })));
    assert!(pes.net.nodes[0].fwd.vsi(vsi).is_none());
    assert_eq!(pes.frame(0, AC), []);
    for l in [3, 4] {
        let withdrawn =
            |(_, to, m): &(usize, usize, Message)| *to == l && matches!(m.body, MessageBody::LabelWithdraw(_));
        assert!(pes.log.iter().any(withdrawn), "leaf {l}");
    }
    let (again, now) = ((root::TunnelRef(7), tunnel(0, 7)), pes.net.now);
    pes.roots.get_mut(&0).unwrap().set_tunnel(now, pw, Some(again)).unwrap();
    pes.settle();
    pes.run(SETTLE);
    assert_eq!(pes.frame(0, AC), [(3, 50), (4, 50)]);
    assert_eq!(pes.roots[&0].pw(pw).unwrap().state, RootState::Up);
}

/// A leaf's tables are full: its root hears that it does not forward, other leaves do not notice, and with the next offer it tries again.
#[test]
fn a_full_table_at_a_leaf_is_told_to_the_root() {
    let (mut pes, pw, at) = service(&[3, 4], |_| {});
    let vsi = VsiId(1);
    let settings = pes.net.nodes[3].fwd.vsi(vsi).unwrap();
    let (now, op) = (pes.net.now, FwdOp::SetVsi { vsi, settings });
    pes.leaves.get_mut(&3).unwrap().handle_input(now, leaf::Input::Refused(op));
    pes.settle();
    pes.run(SETTLE);
    assert!(pes.leaf_events.contains(&(3, leaf::Event::TableFull { pw: at[0] })));
    assert_eq!(state(&pes, pw, 3), LeafState::Fault(PwStatus::NOT_FORWARDING));
    assert!(pes.net.nodes[3].fwd.vsi(vsi).is_none());
    assert_eq!(pes.frame(0, AC), [(4, 50)]);
    pes.remove_leaf(0, pw, 3);
    pes.run(SETTLE);
    pes.add_leaf(0, pw, 3);
    pes.run(SETTLE);
    assert_eq!(pes.frame(0, AC), [(3, 50), (4, 50)]);
    assert_eq!(state(&pes, pw, 3), LeafState::Confirmed);
}

/// A way back: what a leaf sends reaches the source's circuit, and no other leaf; one circuit carries both directions at each end.
///
/// Shows: P2MP-ARC-8, P2MP-BC-6, P2MP-BC-7, P2MP-BC-8
#[test]
fn a_leaf_answers_the_source_alone() {
    // The leaves are the root's neighbours: a way back needs no labels but the pseudowire's.
    let mut pes = Pes::new(Net::new(3, &[(0, 1, 10), (0, 2, 10)], 3, |_, _| {}), &[0], &[1, 2]);
    let tunnel = pes.open(0, 7);
    let mut config = root_config(0, 1, 1, &[50]);
    config.return_path = true;
    let pw = pes.root_pw(0, config, Some(tunnel));
    for l in [1, 2] {
        // Link 0 is to the first leaf, link 1 to the second.
        let next = NextHop::Neighbor { iface: IfIndex(l as u32 - 1), mac: Mac([2, 0, 0, 0, 0, 1]) };
        let (now, input) = (pes.net.now, leaf::Input::Reach { peer: ldp_id(0), next: Some(next) });
        pes.leaves.get_mut(&l).unwrap().handle_input(now, input);
        pes.leaf_pw(l, leaf_config(0, 1, 1, &[50]));
        pes.add_leaf(0, pw, l);
    }
    pes.run(SETTLE);
    assert_eq!(pes.frame(0, AC), [(1, 50), (2, 50)]);
    assert_eq!(pes.frame(1, AC), [(0, 50)]);
    assert_eq!(pes.frame(2, AC), [(0, 50)]);
}

/// The source's customer fails, by its link or by what its OAM says: every leaf's customer hears of it (RFC 7023 §6).
///
/// Shows: P2MP-FLT-12, MVPN-TRB-5
#[test]
fn a_fault_of_the_source_reaches_the_customers_of_the_leaves() {
    let (mut pes, pw, _) = service(&[3, 4], |_| {});
    let faults =
        [AcInputs { link_receive_fault: true, ..AcInputs::default() }, AcInputs { ais: true, ..AcInputs::default() }];
    for circuit in faults.into_iter().flat_map(|fault| [fault, AcInputs::default()]) {
        let well = circuit == AcInputs::default();
        let told = map(AcConfig::default(), &PwInputs::default(), &circuit).status;
        assert_eq!(told.is_empty(), well);
        let before = pes.leaf_events.len();
        pes.roots.get_mut(&0).unwrap().set_ac_status(pw, told);
        pes.settle();
        for l in [3, 4] {
            let heard = pes.leaf_events[before..].iter().find_map(|(n, event)| match event {
                leaf::Event::RootStatus { status, .. } if *n == l => Some(*status),
                _ => None,
            });
            let remote = heard.unwrap_or_else(|| panic!("leaf {l}: {circuit:?}"));
            let config = AcConfig { mep: Some(Ccm::Off), elmi: true };
            let indication = map(config, &PwInputs { remote, ..PwInputs::default() }, &AcInputs::default()).indication;
            assert_eq!((indication.ais, indication.not_active), (!well, !well), "leaf {l}: {circuit:?}");
        }
    }
}

/// A mapping that passed a switching point (RFC 6073 §7.4): the S-PE TLV is read from octets, and a P2MP pseudowire with one is refused,
/// for it has one segment (RFC 7338 §1.2).
///
/// Shows: L2VPN-5.1-29
#[test]
fn a_switched_p2mp_pseudowire_is_refused() {
    let (mut pes, pw, _) = service(&[3, 4], |_| {});
    let offer = pes.log.iter().find(|(_, to, m)| *to == 3 && matches!(m.body, MessageBody::LabelMapping(_)));
    let (_, _, mut message) = offer.unwrap().clone();
    let point = SwitchingPoint::new([192, 0, 2, 77].into(), Some(9));
    let mut value = Vec::new();
    point.emit(&mut value);
    let MessageBody::LabelMapping(mapping) = &mut message.body else { panic!() };
    mapping.optional.push(Tlv::new(TlvValue::PwSwitchingPoint(value.as_slice().into())));
    let mut octets = Vec::new();
    Pdu::emit(ldp_id(0), &[message], &mut octets);
    let tlv = [0x89, 0x6d, 0, 12, 1, 4, 0, 0, 0, 9, 3, 4, 192, 0, 2, 77];
    assert!(octets.ends_with(&tlv), "{octets:02x?}");
    let message: Message = Pdu::parse(&octets).unwrap().messages().next().unwrap().unwrap().parse().unwrap();
    let MessageBody::LabelMapping(mapping) = &message.body else { panic!() };
    let read = mapping.optional.iter().find_map(|tlv| match &tlv.value {
        TlvValue::PwSwitchingPoint(value) => Some(SwitchingPoint::parse(value).unwrap()),
        _ => None,
    });
    assert_eq!(read, Some(point));
    let (now, peer) = (pes.net.now, ldp_id(0));
    pes.leaves.get_mut(&3).unwrap().handle_input(now, leaf::Input::Message { peer, message: &message });
    pes.settle();
    pes.run(SETTLE);
    let switched = |e: &leaf::Event| matches!(e, leaf::Event::Mismatch { what: Mismatch::Switched, .. });
    assert!(pes.leaf_events.iter().any(|(n, e)| *n == 3 && switched(e)));
    assert_eq!(state(&pes, pw, 3), LeafState::Fault(PwStatus::NOT_FORWARDING));
    assert_eq!(state(&pes, pw, 4), LeafState::Confirmed);
    assert_eq!(pes.frame(0, AC), [(4, 50)]);
}

/// A frame as a pseudowire carries it: with this number in the control word.
fn number_of(octets: &[u8]) -> u16 {
    let at = 14 + octets[14..].chunks(4).position(|entry| entry[2] & 1 == 1).unwrap() * 4 + 4;
    ControlWord::of(&octets[at..]).unwrap().sequence()
}

/// Frames are numbered at the root, once for all leaves; a leaf delivers them in order, whatever the network does to some of them: here every
/// seventh packet on each last link is overtaken by the one behind it. A leaf that comes late begins with the number that it finds.
///
/// Shows: P2MP-ARC-1
#[test]
fn frames_are_delivered_in_order_or_not_at_all() {
    const FRAMES: u32 = if cfg!(debug_assertions) { 100_000 } else { 1_000_000 };
    let links = [(0, 1, 10), (1, 2, 10), (1, 3, 10), (1, 4, 10), (1, 5, 10), (1, 6, 10), (1, 7, 10)];
    let mut pes = Pes::new(Net::new(8, &links, 3, |_, _| {}), &[0], &[2, 3, 4, 5, 6, 7]);
    let tunnel = pes.open(0, 7);
    let mut config = root_config(0, 1, 1, &[50]);
    config.service.sequence = true;
    let pw = pes.root_pw(0, config, Some(tunnel));
    let join = |pes: &mut Pes, l: usize| {
        let mut config = leaf_config(0, 1, 1, &[50]);
        config.service.sequence = true;
        pes.leaf_pw(l, config);
        pes.add_leaf(0, pw, l);
        pes.run(SETTLE);
    };
    (2..7).for_each(|l| join(&mut pes, l));
    let mut late: BTreeMap<usize, Vec<u8>> = BTreeMap::new();
    let mut delivered: BTreeMap<usize, (u32, u32)> = BTreeMap::new();
    let mut overtaken = 0;
    for n in 1..=FRAMES {
        if n == FRAMES / 2 {
            join(&mut pes, 7);
        }
        let frame = [&[2, 0, 0, 0, 9, 9, 2, 0, 0, 0, 9, 1, 0x88, 0xb5][..], &n.to_be_bytes(), &[0; 56]].concat();
        let at_p = pes.net.forward(0, AC, &frame);
        let [(1, arriving, packet)] = at_p.as_slice() else { panic!("{at_p:?}") };
        let expected = u16::try_from((n - 1) % 65_535 + 1).unwrap();
        assert_eq!(number_of(packet), expected, "frame {n}");
        for (l, iface, copy) in pes.net.forward(1, *arriving, packet) {
            let turn = (n + l as u32) % 7;
            let arrivals = match late.remove(&l) {
                Some(old) => vec![copy, old],
                None if turn == 0 => {
                    late.insert(l, copy);
                    continue;
                }
                None => vec![copy],
            };
            for (which, octets) in arrivals.into_iter().enumerate() {
                let out = pes.net.forward(l, iface, &octets);
                overtaken += u32::from(which == 1);
                assert_eq!(
                    out.len(),
                    usize::from(which == 0),
                    "leaf {l}, frame {n}: what was overtaken is not delivered"
                );
                for (_, circuit, frame) in out {
                    assert_eq!(circuit, AC);
                    let number = u32::from_be_bytes(frame[14..18].try_into().unwrap());
                    let (count, last) = delivered.entry(l).or_default();
                    assert!(*last < number, "leaf {l}: {number} after {last}");
                    (*count, *last) = (*count + 1, number);
                }
            }
        }
    }
    for l in 2..8 {
        let sent = if l == 7 { FRAMES / 2 + 1 } else { FRAMES };
        let (count, _) = delivered[&l];
        assert!(count >= sent - sent / 7 - 2 && count < sent, "leaf {l}: {count} of {sent}");
        let lost = pes.net.nodes[l].fwd.counters().dropped(DropReason::Disordered);
        assert!(lost > 0 && u64::from(sent) >= u64::from(count) + lost, "leaf {l}: {lost} dropped");
    }
    assert!(overtaken > FRAMES / 2);
}
