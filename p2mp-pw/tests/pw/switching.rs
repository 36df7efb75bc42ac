//! Multi-segment pseudowires (RFC 6073): T-PEs 1 and 3, S-PE 2.

use fwd_core::net::Mac;
use fwd_core::op::{FwdOp, IlmAction};
use p2mp_pw::ldp::message::MessageBody;
use p2mp_pw::ldp::{PwStatus, TlvValue};
use p2mp_pw::pw::{Mismatch, Output, PwAttachment, PwConfig, PwConfigError, PwIndex, SwitchingPoint};

use crate::net::{Net, pw_id};

/// A pseudowire of two segments: number 100 to PE 2, 200 from there to PE 3.
fn two_segments() -> (Net, PwIndex, [PwIndex; 2], PwIndex) {
    let mut net = Net::new(3, &[(1, 2), (2, 3)]);
    let segment = |peer, n, other| PwConfig { attachment: PwAttachment::Segment(other), ..pw_id(peer, n) };
    let first = net.add(2, segment(1, 100, PwIndex(0)));
    let second = net.add(2, segment(3, 200, first));
    let now = net.now;
    net.pe(2).pws.join(now, first, second).unwrap();
    net.run();
    assert_eq!(net.pe(2).pws.join(now, first, first), Err(PwConfigError::NotASegment));
    let a = net.add(1, pw_id(2, 100));
    let b = net.add(3, pw_id(2, 200));
    (net, a, [first, second], b)
}

#[test]
fn segments_are_joined_label_to_label() {
    let (mut net, a, segments, b) = two_segments();
    assert!(net.up(1, a) && net.up(3, b));
    for (from, to) in [(segments[0], segments[1]), (segments[1], segments[0])] {
        let (label, entry) = (net.pe(2).pws.local_label(from).unwrap(), net.pe(2).pws.forwarding(to).unwrap().nhlfe);
        let ilm = net.pe(2).ops.iter().rev().find_map(|op| match op {
            FwdOp::SetIlm { label: of, ilm } if *of == label => Some(ilm.action),
            _ => None,
        });
        assert_eq!(ilm, Some(IlmAction::Forward(entry)));
    }
    // The label says which switching point it passed, and by which segment.
    let points: Vec<_> = net
        .log
        .iter()
        .filter(|(from, to, _)| (*from, *to) == (2, 3))
        .filter_map(|(_, _, body)| {
            let MessageBody::LabelMapping(m) = body else { return None };
            m.optional.iter().find_map(|tlv| match &tlv.value {
                TlvValue::PwSwitchingPoint(octets) => Some(SwitchingPoint::parse(octets).unwrap()),
                _ => None,
            })
        })
        .collect();
    assert_eq!(points.first(), Some(&SwitchingPoint::new([192, 0, 2, 2].into(), Some(100))));
}

#[test]
fn status_and_mac_withdrawals_travel_over_the_switching_point() {
    let (mut net, a, segments, b) = two_segments();
    net.faults(1, a, PwStatus::AC_RECEIVE_FAULT);
    assert_eq!(net.pe(3).pws.remote_status(b), Some(PwStatus::AC_RECEIVE_FAULT));
    assert!(!net.up(3, b) && !net.up(2, segments[0]));
    net.faults(1, a, PwStatus::empty());
    assert!(net.up(1, a) && net.up(3, b) && net.up(2, segments[1]));
    // A fault of a segment's tunnel is told at the far end.
    net.tunnel(2, 1, false);
    assert_eq!(net.pe(3).pws.remote_status(b), Some(PwStatus::PSN_TRANSMIT_FAULT));
    assert!(!net.up(3, b));
    net.tunnel(2, 1, true);
    assert!(net.up(1, a) && net.up(3, b));
    net.pe(1).pws.withdraw_macs(a, vec![Mac([2; 6])], None).unwrap();
    net.run();
    assert!(net.pe(3).others.contains(&Output::MacWithdraw { pw: b, macs: vec![Mac([2; 6])], flush: None }));
    // A segment that is gone takes the whole along.
    net.session(1, 2, false);
    assert!(!net.up(3, b));
    net.session(1, 2, true);
    assert!(net.up(1, a) && net.up(3, b));
}

/// RFC 6073 §7.4.1: a label that passed us before.
#[test]
fn a_loop_of_switching_points_is_refused() {
    let (mut net, _, _, b) = two_segments();
    let mut mapping = net
        .log
        .iter()
        .find_map(|(from, to, body)| match body {
            MessageBody::LabelMapping(m) if (*from, *to) == (2, 3) => Some(m.clone()),
            _ => None,
        })
        .unwrap();
    let mut own = Vec::new();
    SwitchingPoint::new([192, 0, 2, 3].into(), None).emit(&mut own);
    mapping.optional.push(p2mp_pw::ldp::Tlv::new(TlvValue::PwSwitchingPoint(own[..].into())));
    let message = MessageBody::LabelMapping(mapping).into();
    net.input(3, p2mp_pw::pw::Input::Message { peer: crate::net::id(2), message: &message });
    assert_eq!(net.pe(3).pws.mismatch(b), Some(Mismatch::Loop));
    assert!(!net.up(3, b));
}
