//! Set-up, control word, status, mismatches, groups (RFC 8077).

use fwd_core::net::{Mac, PortId};
use fwd_core::op::{FwdOp, IlmAction, NextHop};
use p2mp_pw::ldp::fec::{Attachment, PwEnds, PwType};
use p2mp_pw::ldp::message::MessageBody;
use p2mp_pw::ldp::{PwStatus, StatusCode, TlvValue};
use p2mp_pw::pw::{CBit, Event, Mismatch, Output, PwAttachment, PwConfig, PwConfigError, PwName};

use crate::net::{Net, id, pw_id};

fn ends(ours: u32, theirs: u32) -> PwName {
    PwName::Ends(PwEnds {
        agi: Attachment::group([0, 1, 0, 0, 0, 0, 0, 9]),
        saii: Attachment::individual(ours),
        taii: Attachment::individual(theirs),
    })
}

/// Shows: L2VPN-5.1-35, L2VPN-5.1-28
#[test]
fn fec_128_comes_up_once_both_ends_and_tunnels_are_there() {
    let mut net = Net::new(2, &[(1, 2)]);
    let a = net.add(1, pw_id(2, 100));
    assert!(!net.up(1, a));
    let b = net.add(2, pw_id(1, 100));
    assert!(net.up(1, a) && net.up(2, b));
    // The entry pushes the peer's label over the tunnel; our label leads to the pseudowire's port.
    let label = net.pe(2).pws.local_label(b).unwrap();
    let nhlfe = net.pe(1).pws.forwarding(a).unwrap().nhlfe;
    let pushed = net.pe(1).ops.iter().find_map(|op| match op {
        FwdOp::SetNhlfe { id, nhlfe: entry } if *id == nhlfe => Some((entry.push.as_slice().to_vec(), entry.next)),
        _ => None,
    });
    assert_eq!(pushed, Some((vec![label], NextHop::Nhlfe(fwd_core::net::NhlfeId(2)))));
    let ours = net.pe(1).pws.local_label(a).unwrap();
    let led = net.pe(1).ops.iter().any(
        |op| matches!(op, FwdOp::SetIlm { label, ilm } if *label == ours && ilm.action == IlmAction::Bridge(PortId(3))),
    );
    assert!(led);
    // Without a tunnel nothing is sent into nothing, and the peer hears of it.
    net.tunnel(1, 2, false);
    assert!(!net.up(1, a) && !net.up(2, b));
    assert_eq!(net.pe(2).pws.remote_status(b), Some(PwStatus::PSN_TRANSMIT_FAULT));
    assert!(net.pe(1).ops.contains(&FwdOp::ClearNhlfe { id: nhlfe }));
    net.tunnel(1, 2, true);
    assert!(net.up(1, a) && net.up(2, b));
}

/// Shows: L2VPN-5.1-36
#[test]
fn fec_129_finds_its_other_end_by_the_target_identifier() {
    let mut net = Net::new(2, &[(1, 2)]);
    let mut config = PwConfig::new(id(2), ends(1, 2), crate::net::circuit(1));
    config.group_id = 7;
    let a = net.add(1, config);
    // RFC 8077 §6.2.3: a target that is not known there.
    let released = |e: &Event| matches!(e, Event::Released { reason: StatusCode::UNASSIGNED_TAI, .. });
    assert!(net.pe(1).events.iter().any(released));
    assert!(!net.up(1, a));
    // Once it is configured it speaks first, and gets its answer.
    let b = net.add(2, PwConfig::new(id(1), ends(2, 1), crate::net::circuit(1)));
    assert!(net.up(1, a) && net.up(2, b));
    let mapping = net.log.iter().rev().find_map(|(from, _, body)| match body {
        MessageBody::LabelMapping(m) if *from == 1 => Some(m.clone()),
        _ => None,
    });
    let values: Vec<TlvValue> = mapping.unwrap().optional.into_iter().map(|tlv| tlv.value).collect();
    assert!(values.contains(&TlvValue::PwGroupId(7)));
    assert!(values.iter().any(|value| matches!(value, TlvValue::PwInterfaceParameters(p) if p.len() == 1)));
}

/// All preferences, whoever is first: RFC 8077 §7.2.
#[test]
fn the_control_word_is_used_if_both_prefer_it() {
    for [first, second] in [[true, true], [true, false], [false, true], [false, false]] {
        let mut net = Net::new(2, &[(1, 2)]);
        let with = |peer, preferred| PwConfig { control_word: preferred, ..pw_id(peer, 100) };
        let a = net.add(1, with(2, first));
        let b = net.add(2, with(1, second));
        assert!(net.up(1, a) && net.up(2, b), "{first} {second}");
        let used = first && second;
        assert_eq!(net.pe(1).pws.forwarding(a).unwrap().control_word, used);
        assert_eq!(net.pe(2).pws.forwarding(b).unwrap().control_word, used);
        assert_eq!([net.pe(1).pws.c_bit(a), net.pe(2).pws.c_bit(b)], [Some(CBit::Done(used)); 2]);
        // §7.3: another preference, and both negotiate anew.
        let now = net.now;
        net.pe(1).pws.prefer_control_word(now, a, !first).unwrap();
        net.run();
        let used = !first && second;
        assert!(net.up(1, a) && net.up(2, b), "renegotiated from {first} {second}");
        assert_eq!(net.pe(2).pws.forwarding(b).unwrap().control_word, used);
    }
}

/// RFC 8077 §7.2 -iii: the wrong C bit is said in a withdrawal that nobody answers.
#[test]
fn a_wrong_c_bit_is_withdrawn_without_a_release() {
    let mut net = Net::new(2, &[(1, 2)]);
    net.add(1, pw_id(2, 100));
    net.add(2, PwConfig { control_word: false, ..pw_id(1, 100) });
    assert_eq!(net.said(1, 2), ["mapping", "withdraw", "mapping"]);
    assert_eq!(net.said(2, 1), ["mapping"]);
}

/// Shows: L2VPN-5.1-44
#[test]
fn status_is_told_by_tlv_if_both_ends_can() {
    let mut net = Net::new(2, &[(1, 2)]);
    let (a, b) = (net.add(1, pw_id(2, 100)), net.add(2, pw_id(1, 100)));
    net.said(1, 2);
    net.faults(1, a, PwStatus::AC_RECEIVE_FAULT);
    assert_eq!(net.said(1, 2), ["status"]);
    assert_eq!(net.pe(2).pws.remote_status(b), Some(PwStatus::AC_RECEIVE_FAULT));
    assert!(!net.up(1, a) && !net.up(2, b));
    let told = Event::RemoteStatus { pw: b, status: PwStatus::AC_RECEIVE_FAULT };
    assert!(net.pe(2).events.contains(&told));
    net.faults(1, a, PwStatus::empty());
    assert!(net.up(1, a) && net.up(2, b));
}

#[test]
fn status_is_told_by_labels_if_one_end_cannot() {
    let mut net = Net::new(2, &[(1, 2)]);
    let a = net.add(1, pw_id(2, 100));
    let b = net.add(2, PwConfig { status_tlv: false, ..pw_id(1, 100) });
    assert!(net.up(1, a) && net.up(2, b));
    net.said(1, 2);
    net.faults(1, a, PwStatus::AC_TRANSMIT_FAULT);
    assert_eq!(net.said(1, 2), ["withdraw"]);
    assert_eq!(net.said(2, 1).last(), Some(&"release"));
    assert!(!net.up(2, b));
    net.faults(1, a, PwStatus::empty());
    assert_eq!(net.said(1, 2), ["mapping"]);
    assert!(net.up(1, a) && net.up(2, b));
}

#[test]
fn mtus_and_types_that_differ_are_refused_with_a_reason() {
    let mut net = Net::new(2, &[(1, 2)]);
    let a = net.add(1, pw_id(2, 100));
    net.add(2, PwConfig { mtu: 9000, ..pw_id(1, 100) });
    assert!(!net.up(1, a));
    assert_eq!(net.pe(1).pws.mismatch(a), Some(Mismatch::Mtu(1500, Some(9000))));
    let mut net = Net::new(2, &[(1, 2)]);
    let a = net.add(1, pw_id(2, 100));
    let b = net.add(2, PwConfig { pw_type: PwType::ETHERNET_TAGGED, ..pw_id(1, 100) });
    assert!(!net.up(1, a) && !net.up(2, b));
    assert_eq!(net.pe(2).pws.mismatch(b), Some(Mismatch::Type));
    assert!(net.pe(2).events.contains(&Event::Mismatch { pw: b, why: Mismatch::Type }));
    assert!(net.said(2, 1).contains(&"release"));
}

#[test]
fn a_session_that_ends_takes_its_pseudowires_along_and_brings_them_back() {
    let mut net = Net::new(2, &[(1, 2)]);
    let (a, b) = (net.add(1, pw_id(2, 100)), net.add(2, pw_id(1, 100)));
    net.session(1, 2, false);
    assert!(!net.up(1, a) && !net.up(2, b));
    net.session(1, 2, true);
    assert!(net.up(1, a) && net.up(2, b));
    // Removed at one end: the other hears of it, and gives the label back.
    let now = net.now;
    net.pe(1).pws.remove(now, a).unwrap();
    net.run();
    assert!(!net.up(2, b));
    assert_eq!(net.pe(1).pws.remove(now, a), Err(PwConfigError::Unknown));
    let a = net.add(1, pw_id(2, 100));
    assert!(net.up(1, a) && net.up(2, b));
}

/// RFC 3478 §3.3: the labels of a peer that restarts stay in use for a while.
#[test]
fn a_peer_that_restarts_gracefully_keeps_its_pseudowires() {
    use p2mp_pw::pw::Input;
    let mut net = Net::new(2, &[(1, 2)]);
    let (a, b) = (net.add(1, pw_id(2, 100)), net.add(2, pw_id(1, 100)));
    let minute = Some(std::time::Duration::from_secs(60));
    for (n, peer) in [(1, id(2)), (2, id(1))] {
        net.input(n, Input::PeerDown { peer, retain: minute });
    }
    assert!(net.up(1, a) && net.up(2, b));
    net.session(1, 2, true);
    net.wait(61);
    assert!(net.up(1, a) && net.up(2, b), "said again in time");
    for (n, peer) in [(1, id(2)), (2, id(1))] {
        net.input(n, Input::PeerDown { peer, retain: minute });
    }
    net.wait(61);
    assert!(!net.up(1, a) && !net.up(2, b));
}

#[test]
fn a_group_is_told_of_by_one_message() {
    let mut net = Net::new(2, &[(1, 2)]);
    let at = |peer, n| {
        let port = PwAttachment::Port(PortId(n));
        PwConfig { group_id: 5, attachment: port, ..pw_id(peer, n) }
    };
    let pws: Vec<_> = (1..=20).map(|n| (net.add(1, at(2, n)), net.add(2, at(1, n)))).collect();
    assert!(pws.iter().all(|(a, b)| net.up(1, *a) && net.up(2, *b)));
    net.said(1, 2);
    let now = net.now;
    net.pe(1).pws.set_group_faults(now, 5, PwStatus::AC_RECEIVE_FAULT);
    net.run();
    assert_eq!(net.said(1, 2), ["status"], "one wildcard for twenty");
    assert!(pws.iter().all(|(_, b)| net.pes[&2].pws.remote_status(*b) == Some(PwStatus::AC_RECEIVE_FAULT)));
    net.pe(1).pws.set_group_faults(now, 5, PwStatus::empty());
    net.run();
    assert!(pws.iter().all(|(a, b)| net.up(1, *a) && net.up(2, *b)));
    // A wildcard withdrawal of the peer's group.
    use p2mp_pw::ldp::fec::{Fec, FecElement, PwId, PwIdScope};
    let element = PwId { control_word: true, pw_type: PwType::ETHERNET, group_id: 5, pw: PwIdScope::Group };
    let fec = Fec::single(FecElement::PwId(Box::new(element)));
    let withdraw = p2mp_pw::ldp::message::LabelWithdraw { fec, optional: Vec::new() };
    let message = MessageBody::LabelWithdraw(withdraw).into();
    net.said(2, 1);
    net.input(2, p2mp_pw::pw::Input::Message { peer: id(1), message: &message });
    assert!(pws.iter().all(|(_, b)| !net.up(2, *b)));
    assert_eq!(net.said(2, 1).iter().filter(|kind| **kind == "release").count(), 1);
}

#[test]
fn labels_for_unknown_pseudowires_are_kept_up_to_a_limit() {
    let mut net = Net::new(2, &[(1, 2)]);
    let mut config = crate::net::config(2);
    config.max_retained = 2;
    net.pe(2).pws = p2mp_pw::pw::Pws::new(net.now, config).unwrap();
    net.session(1, 2, true);
    net.tunnel(2, 1, true);
    let at = |peer, n| PwConfig { attachment: PwAttachment::Port(PortId(n)), ..pw_id(peer, n) };
    let pws: Vec<_> = (1..=4).map(|n| net.add(1, at(2, n))).collect();
    assert!(net.pe(2).events.contains(&Event::TooManyRetained { peer: id(1) }));
    assert_eq!(net.said(2, 1), ["release", "release"]);
    let second = net.add(2, at(1, 2));
    assert!(net.up(2, second) && net.up(1, pws[1]));
    // What was released comes again when we speak of it.
    let fourth = net.add(2, at(1, 4));
    assert!(net.up(2, fourth) && net.up(1, pws[3]));
}

/// Shows: L2VPN-5.1-14
#[test]
fn mac_withdrawals_reach_the_other_end() {
    let mut net = Net::new(2, &[(1, 2)]);
    let (a, b) = (net.add(1, pw_id(2, 100)), net.add(2, pw_id(1, 100)));
    let macs = vec![Mac([2, 0, 0, 0, 0, 1])];
    net.pe(1).pws.withdraw_macs(a, macs.clone(), None).unwrap();
    net.run();
    assert!(net.pe(2).others.contains(&Output::MacWithdraw { pw: b, macs, flush: None }));
}

#[test]
fn bad_configuration_is_refused_by_name() {
    let mut net = Net::new(2, &[(1, 2)]);
    let now = net.now;
    let pws = &mut net.pe(1).pws;
    assert_eq!(pws.add(now, pw_id(2, 0)), Err(PwConfigError::ZeroId));
    pws.add(now, pw_id(2, 1)).unwrap();
    assert_eq!(pws.add(now, pw_id(2, 1)), Err(PwConfigError::Duplicate));
    // SAToP needs the control word (RFC 8077 §7.1).
    let e1 = PwConfig { pw_type: PwType::from_low_bits(0x11), control_word: false, ..pw_id(2, 2) };
    assert_eq!(pws.add(now, e1), Err(PwConfigError::ControlWordRequired));
}

/// A table that is full: the peer hears that the pseudowire does not forward.
#[test]
fn a_refused_operation_is_told_to_the_peer() {
    let mut net = Net::new(2, &[(1, 2)]);
    let (a, b) = (net.add(1, pw_id(2, 100)), net.add(2, pw_id(1, 100)));
    let refused = *net.pe(1).ops.iter().find(|op| matches!(op, FwdOp::SetNhlfe { .. })).unwrap();
    net.input(1, p2mp_pw::pw::Input::Refused(refused));
    assert!(!net.up(1, a) && !net.up(2, b));
    assert_eq!(net.pe(2).pws.remote_status(b), Some(PwStatus::NOT_FORWARDING));
    assert!(net.pe(1).events.contains(&Event::TableFull { pw: a }));
}
