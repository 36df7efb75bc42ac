//! Virtual links: two routers, every encapsulation, both families; what is checked when a packet arrives; sizes, marks, order,
//! and security associations.

mod router;

use std::net::{Ipv4Addr, Ipv6Addr};

use fwd_core::net::{IfIndex, Label, LabelSpaceId, NhlfeId, SaId, VlinkId, VrfId};
use fwd_core::op::{
    Deliver, Dscp, Encapsulation, Ends, FwdOp, Ilm, IlmAction, NextHop, Protection, RouteAction, Session, TunnelModel,
    Vlink, VlinkOutput,
};
use fwd_core::sa::{InboundSa, OutboundSa, UnprotectError};
use fwd_core::wire::esp::{Cipher, Context, Refused, Replayed};
use fwd_core::wire::icmp::{Trouble, error4, error6};
use fwd_core::wire::l2tpv3::Cookie;
use fwd_core::wire::{EtherType, Ethernet, Ipv4, Ipv6, checksum};
use fwd_core::{DropReason, Frame, PuntReason, Verdict};
use router::{OURS, Router, THEIRS, ip, ip_from, ip_of, plain};

const CORE: u32 = 0;
const CUSTOMER: u32 = 2;

fn ends(side: usize, v6: bool) -> Ends {
    let pick = |i: usize| i == side;
    if v6 {
        let a = |near| Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, if pick(near) { 2 } else { 1 });
        Ends::V6 { local: a(1), remote: a(0) }
    } else {
        let a = |near| Ipv4Addr::new(192, 0, 2, if pick(near) { 2 } else { 1 });
        Ends::V4 { local: a(1), remote: a(0) }
    }
}

fn link(encapsulation: Encapsulation, ends: Ends) -> Vlink {
    Vlink {
        ends,
        encapsulation,
        deliver: Deliver::Vrf(VrfId(1)),
        mpls: false,
        label_space: None,
        check_source: false,
        ordered: false,
        protection: None,
        model: TunnelModel::Pipe,
    }
}

fn output() -> VlinkOutput {
    VlinkOutput {
        next: NhlfeId(40),
        key: None,
        cookie: Cookie::NONE,
        ports: (0, 0),
        numbered: false,
        mtu: 1500,
        ttl: 64,
        dscp: None,
        protection: None,
    }
}

/// A router whose customer of VRF 1 reaches 10.9.0.0/16 and fd09::/16 by link 1, above entry 41, or the other way round.
fn router(side: usize, vlink: Vlink, out: VlinkOutput, labels: &[u32]) -> Router {
    let mut r = Router::new();
    r.entry(40, &[], CORE, TunnelModel::Pipe);
    r.apply(FwdOp::SetVlink { id: VlinkId(1), vlink });
    r.apply(FwdOp::SetVlinkOutput { id: VlinkId(1), output: out });
    r.nhlfe(41, labels, NextHop::Vlink(VlinkId(1)), TunnelModel::Pipe);
    r.entry(42, &[], CUSTOMER, TunnelModel::Pipe);
    let (near, far) = if side == 0 { (42, 41) } else { (41, 42) };
    for (prefix, id) in [("10.9.0.0/16", far), ("fd09::/16", far), ("10.0.0.0/16", near), ("fd00::/16", near)] {
        r.route_to(1, prefix, id);
    }
    for local in ["192.0.2.1/32", "192.0.2.2/32", "2001:db8::1/128", "2001:db8::2/128"] {
        r.route(0, local, RouteAction::Local);
    }
    r
}

/// Makes of a frame that one router sent one that the other receives.
fn cross(mut frame: Vec<u8>) -> Vec<u8> {
    assert_eq!((&frame[..6], &frame[6..12]), (&THEIRS.0[..], &OURS.0[..]));
    frame[..12].rotate_left(6);
    frame
}

fn session(id: u32, cookie: &[u8], sublayer: bool) -> Session {
    Session { id, cookie: Cookie::new(cookie).unwrap(), sublayer }
}

/// Encapsulation, what is sent for it, and the octets that it adds behind the outer IP header.
fn encapsulations() -> Vec<(Encapsulation, VlinkOutput, usize, &'static [u32])> {
    let o = output();
    let key = |key| VlinkOutput { key: Some(key), ..o };
    let l2tp = |cookie: &[u8]| VlinkOutput { cookie: Cookie::new(cookie).unwrap(), ports: (1701, 1701), ..key(77) };
    vec![
        (Encapsulation::IpInIp, o, 0, &[]),
        (Encapsulation::Gre, o, 4, &[]),
        (Encapsulation::GreKey(9), key(9), 8, &[]),
        (Encapsulation::GreKey(9), VlinkOutput { numbered: true, ..key(9) }, 12, &[]),
        (Encapsulation::Gre, o, 8, &[500]),
        (Encapsulation::MplsInIp, o, 4, &[500]),
        (Encapsulation::MplsInIp, o, 8, &[501, 500]),
        (Encapsulation::MplsInUdp, VlinkOutput { ports: (0, 6635), ..o }, 12, &[500]),
        (Encapsulation::L2tp(session(77, &[], false)), l2tp(&[]), 4, &[]),
        (Encapsulation::L2tp(session(77, &[1, 2, 3, 4], false)), l2tp(&[1, 2, 3, 4]), 8, &[]),
        (Encapsulation::L2tp(session(77, &[1; 8], true)), l2tp(&[1; 8]), 16, &[]),
        (Encapsulation::L2tpUdp(session(77, &[1; 8], true)), VlinkOutput { numbered: true, ..l2tp(&[1; 8]) }, 28, &[]),
    ]
}

/// Runs `check` on both routers of each encapsulation, outer family and inner family; with the octets of overhead.
fn each(mut check: impl FnMut(Router, Router, &str, usize)) {
    for (encapsulation, out, added, labels) in encapsulations() {
        for v6 in [false, true] {
            for destination in ["10.9.1.1", "fd09::1"] {
                let make = |side| {
                    // IPv6 takes no zero checksum for L2TP, which is sent without.
                    let vlink = Vlink { mpls: true, ordered: out.numbered, ..link(encapsulation, ends(side, v6)) };
                    let mut r = router(side, vlink, out, labels);
                    r.pop_lookup(500, 1, TunnelModel::Pipe);
                    r.pop_lookup(501, 0, TunnelModel::Pipe);
                    r
                };
                if v6 && matches!(encapsulation, Encapsulation::L2tpUdp(_)) {
                    continue;
                }
                check(make(0), make(1), destination, added + if v6 { 40 } else { 20 });
            }
        }
    }
}

/// The overheads of the catalogue: IP-in-IP 20, GRE 24, MPLS-in-GRE 28; and MPLS-in-IP 24.
///
/// Shows: VLINK-4-1, MVPN-MTU-1, L2VPN-5.7-1, L2VPN-5.7-2, L2VPN-5.7-3, L2VPN-5.7-4
#[test]
fn what_goes_in_comes_out() {
    let mut seen = 0;
    each(|mut a, mut b, destination, overhead| {
        let sent = ip(destination, 64, 46);
        for round in 1..4 {
            let (iface, class, frame) = a.forward(CUSTOMER, &plain(&sent)).unwrap();
            assert_eq!((iface, class, frame.len()), (CORE, 5, 14 + sent.len() + overhead));
            let outer = &frame[14..];
            let (ttl, dscp, len) = if outer[0] >> 4 == 4 {
                assert_eq!(checksum::of(&outer[..20]), 0);
                let h = Ipv4::of(outer).unwrap();
                assert!(h.dont_fragment());
                (h.ttl(), h.dscp(), h.total_len())
            } else {
                let h = Ipv6::of(outer).unwrap();
                (h.hop_limit(), h.dscp(), h.payload_len() + 40)
            };
            assert_eq!((ttl, dscp, len), (64, 46, outer.len()));
            let (iface, class, frame) = b.forward(CORE, &cross(frame)).unwrap();
            let expected = ip(destination, 62, 46);
            assert_eq!((iface, class, &frame[14..]), (CUSTOMER, 5, &expected[..]));
            let (sent, got) = (a.0.vlink_counters(VlinkId(1)), b.0.vlink_counters(VlinkId(1)));
            assert_eq!((sent.out_packets, got.in_packets), (round, round));
        }
        seen += 1;
    });
    assert_eq!(seen, 12 * 2 * 2 - 2);
}

/// A packet that just fits goes; one octet more is software's, with what it takes to tell the sender, and nothing is
/// fragmented.
///
/// Shows: MVPN-MTU-5, VLINK-4-8
#[test]
fn sizes_are_kept_to_the_octet() {
    each(|mut a, mut b, destination, overhead| {
        let header = if destination.contains(':') { 40 } else { 20 };
        let fits = 1400 - overhead;
        let mut out = a.0.vlink(VlinkId(1)).unwrap().1.unwrap();
        out.mtu = 1400;
        a.apply(FwdOp::SetVlinkOutput { id: VlinkId(1), output: out });
        let packet = ip_of(destination, 64, 0, (fits - header) as u16);
        let (_, _, frame) = a.forward(CUSTOMER, &plain(&packet)).unwrap();
        assert_eq!(frame.len(), 14 + 1400);
        let (_, _, frame) = b.forward(CORE, &cross(frame)).unwrap();
        assert_eq!(frame.len(), 14 + fits);

        let packet = plain(&ip_of(destination, 64, 0, (fits + 1 - header) as u16));
        let punt = Verdict::Punt { reason: PuntReason::TooBig, vrf: VrfId(1), offset: 14 };
        assert_eq!(a.forward(CUSTOMER, &packet), Err(punt));
        let mut buffer = packet.clone();
        let frame = Frame::new(&mut buffer, 0, packet.len()).unwrap();
        assert_eq!(a.0.room_for(&frame, IfIndex(CUSTOMER)), Some((14, fits)));
        let counters = a.0.vlink_counters(VlinkId(1));
        assert_eq!((counters.too_big, counters.last_too_big), (1, (fits as u16 + 1, fits as u16)));

        let mut out = [0; 1280];
        let big = Trouble::TooBig { mtu: fits as u32 };
        let told = match header {
            20 => error4(big, Ipv4Addr::new(10, 0, 0, 1), &packet[14..], &mut out).map(|_| &out[26..28]),
            _ => error6(big, Ipv6Addr::LOCALHOST, &packet[14..], &mut out).map(|_| &out[46..48]),
        };
        assert_eq!(told, Some(&(fits as u16).to_be_bytes()[..]));
    });
}

/// 1000 links between the same two routers, of two customers in turns with the same addresses.
///
/// Shows: VLINK-3-1, VLINK-4-6, VLINK-6.4-A
#[test]
fn a_thousand_links_between_two_routers() {
    let make = |side| {
        let mut r = router(side, link(Encapsulation::GreKey(0), ends(side, false)), output(), &[]);
        for key in 1..=1000 {
            let vlink = Vlink {
                deliver: Deliver::Vrf(VrfId(1 + (key % 2) as u16)),
                ..link(Encapsulation::GreKey(key), ends(side, false))
            };
            r.apply(FwdOp::SetVlink { id: VlinkId(key), vlink });
            let output = VlinkOutput { key: Some(key), ..output() };
            r.apply(FwdOp::SetVlinkOutput { id: VlinkId(key), output });
        }
        r.entry(43, &[], 3, TunnelModel::Pipe);
        r.route_to(2, "10.9.0.0/16", 43);
        r
    };
    let (mut a, mut b) = (make(0), make(1));
    for key in 1..=1000 {
        a.nhlfe(41, &[], NextHop::Vlink(VlinkId(key)), TunnelModel::Pipe);
        let (_, _, frame) = a.forward(CUSTOMER, &plain(&ip("10.9.1.1", 64, 0))).unwrap();
        let frame = cross(frame);
        let (iface, _, _) = b.forward(CORE, &frame).unwrap();
        assert_eq!(iface, if key % 2 == 0 { CUSTOMER } else { 3 });
        // A key of nobody's, or none at all, is dropped: there is no link by default.
        let mut unknown = frame.clone();
        unknown[38..42].copy_from_slice(&(key + 5000).to_be_bytes());
        assert_eq!(b.forward(CORE, &unknown), Err(Verdict::Drop(DropReason::NoVlink)));
        let mut keyless = frame;
        keyless[34] = 0;
        assert_eq!(b.forward(CORE, &keyless), Err(Verdict::Drop(DropReason::NoVlink)));
    }
    assert_eq!(b.0.counters().dropped(DropReason::NoVlink), 2000);
    for key in 1..=1000 {
        assert_eq!(b.0.vlink_counters(VlinkId(key)).in_packets, 1);
    }
    b.apply(FwdOp::ClearVlink { id: VlinkId(1000) });
    let (_, _, frame) = a.forward(CUSTOMER, &plain(&ip("10.9.1.1", 64, 0))).unwrap();
    assert_eq!(b.forward(CORE, &cross(frame)), Err(Verdict::Drop(DropReason::NoVlink)));
}

/// A route moves from one link to another: the next packet leaves by the other, and nothing else was touched.
///
/// Shows: VLINK-5.2-1, VLINK-6.2-C3
#[test]
fn routing_says_the_link() {
    let mut a = router(0, link(Encapsulation::GreKey(1), ends(0, false)), output(), &[]);
    for key in 1..=2 {
        a.apply(FwdOp::SetVlink { id: VlinkId(key), vlink: link(Encapsulation::GreKey(key), ends(0, false)) });
        let protection = Some(Protection { sa: SaId(key as u16), overhead: 40 });
        let output = VlinkOutput { key: Some(key), protection, ..output() };
        a.apply(FwdOp::SetVlinkOutput { id: VlinkId(key), output });
        a.nhlfe(50 + key, &[], NextHop::Vlink(VlinkId(key)), TunnelModel::Pipe);
    }
    for key in [1, 2, 1] {
        a.route_to(1, "10.9.0.0/16", 50 + key);
        let packet = plain(&ip("10.9.1.1", 64, 0));
        let mut buffer = vec![0; Frame::HEADROOM];
        buffer.extend(&packet);
        let mut frame = Frame::new(&mut buffer, Frame::HEADROOM, packet.len()).unwrap();
        let verdict = a.0.forward(&mut frame, IfIndex(CUSTOMER));
        let expected = Verdict::Protect { iface: IfIndex(CORE), class: 0, sa: SaId(key as u16), offset: 14 };
        assert_eq!((verdict, frame.octets()[41]), (expected, key as u8));
    }
}

#[test]
fn sessions_are_guarded_by_cookie_and_addresses() {
    let cookie = [1, 2, 3, 4, 5, 6, 7, 8];
    let out = VlinkOutput { key: Some(77), cookie: Cookie::new(&cookie).unwrap(), ..output() };
    let make = |side| router(side, link(Encapsulation::L2tp(session(77, &cookie, false)), ends(side, false)), out, &[]);
    let (mut a, mut b) = (make(0), make(1));
    let (_, _, frame) = a.forward(CUSTOMER, &plain(&ip("10.9.1.1", 64, 0))).unwrap();
    let frame = cross(frame);
    for at in 38..46 {
        let mut wrong = frame.clone();
        wrong[at] ^= 0x10;
        assert_eq!(b.forward(CORE, &wrong), Err(Verdict::Drop(DropReason::VlinkCookie)));
    }
    let mut other = frame.clone();
    other[29] = 77;
    Ipv4::of_mut(&mut other[14..]).unwrap().fill_checksum();
    assert_eq!(b.forward(CORE, &other), Err(Verdict::Drop(DropReason::VlinkAddress)));
    let mut control = frame.clone();
    control[34..38].fill(0);
    let local = Verdict::Punt { reason: PuntReason::Local, vrf: VrfId::GLOBAL, offset: 14 };
    assert_eq!(b.forward(CORE, &control), Err(local));
    let mut fragment = frame.clone();
    fragment[20] = 0x20;
    Ipv4::of_mut(&mut fragment[14..]).unwrap().fill_checksum();
    let reason = PuntReason::Fragment;
    assert_eq!(b.forward(CORE, &fragment), Err(Verdict::Punt { reason, vrf: VrfId::GLOBAL, offset: 14 }));
    assert!(b.forward(CORE, &frame).is_ok());
}

#[test]
fn headers_and_payloads_that_do_not_fit_the_link_are_dropped() {
    let make = |side| router(side, link(Encapsulation::Gre, ends(side, false)), output(), &[]);
    let (mut a, mut b) = (make(0), make(1));
    let (_, _, frame) = a.forward(CUSTOMER, &plain(&ip("10.9.1.1", 64, 0))).unwrap();
    let frame = cross(frame);
    for (at, value, reason) in [
        (34, 0x40, DropReason::VlinkHeader),
        (35, 1, DropReason::VlinkHeader),
        (34, 0x80, DropReason::VlinkHeader), // a checksum that is not one
        (36, 0x65, DropReason::VlinkPayload),
        (37, 0x06, DropReason::VlinkPayload),
        (38, 0x65, DropReason::VlinkPayload),
        (41, 0xff, DropReason::Truncated),
    ] {
        let mut wrong = frame.clone();
        wrong[at] = value;
        assert_eq!(b.forward(CORE, &wrong), Err(Verdict::Drop(reason)), "octet {at}");
    }
    // Labels only where the link takes them.
    let mut labels = frame.clone();
    labels[36..38].copy_from_slice(&EtherType::MPLS.0.to_be_bytes());
    assert_eq!(b.forward(CORE, &labels), Err(Verdict::Drop(DropReason::VlinkPayload)));
    // On the way in as well: IP-in-IP carries no labels, MPLS-in-IP nothing else.
    for (encapsulation, stack) in [(Encapsulation::IpInIp, &[500][..]), (Encapsulation::MplsInIp, &[])] {
        let mut a = router(0, link(encapsulation, ends(0, false)), output(), stack);
        let verdict = a.forward(CUSTOMER, &plain(&ip("10.9.1.1", 64, 0)));
        assert_eq!(verdict, Err(Verdict::Drop(DropReason::VlinkPayload)));
    }
    // A link without output, and a link above a link.
    let mut a = make(0);
    a.nhlfe(40, &[], NextHop::Vlink(VlinkId(1)), TunnelModel::Pipe);
    assert_eq!(a.forward(CUSTOMER, &plain(&ip("10.9.1.1", 64, 0))), Err(Verdict::Drop(DropReason::ChainTooDeep)));
    a.apply(FwdOp::ClearVlink { id: VlinkId(1) });
    assert_eq!(a.forward(CUSTOMER, &plain(&ip("10.9.1.1", 64, 0))), Err(Verdict::Drop(DropReason::NoVlink)));
}

/// RFC 2983 §3, RFC 6040 §4: the outer code point is the payload's or a fixed one; at the end the model decides.
///
/// Shows: L3VPN-REF-6
#[test]
fn marks_follow_the_model() {
    for (model, class, dscp) in
        [(TunnelModel::Uniform, 4, 34), (TunnelModel::Pipe, 4, 46), (TunnelModel::ShortPipe, 5, 46)]
    {
        for destination in ["10.9.1.1", "fd09::1"] {
            let out = VlinkOutput { dscp: Dscp::new(34), ..output() };
            let make = |side| router(side, Vlink { model, ..link(Encapsulation::Gre, ends(side, true)) }, out, &[]);
            let (mut a, mut b) = (make(0), make(1));
            let mut packet = ip(destination, 64, 46);
            // Capable of congestion notification: ECT(0).
            let ecn = |packet: &mut [u8], bits| match destination {
                "fd09::1" => Ipv6::of_mut(packet).unwrap().set_ecn(bits),
                _ => Ipv4::of_mut(packet).unwrap().set_ecn(bits),
            };
            ecn(&mut packet, 2);
            let (_, _, frame) = a.forward(CUSTOMER, &plain(&packet)).unwrap();
            let outer = Ipv6::of(&frame[14..]).unwrap();
            assert_eq!((outer.dscp(), outer.ecn()), (34, 2));
            let mut marked = cross(frame);
            Ipv6::of_mut(&mut marked[14..]).unwrap().set_ecn(3);
            let (_, served, frame) = b.forward(CORE, &marked).unwrap();
            let mut expected = ip(destination, 62, dscp);
            ecn(&mut expected, 3);
            assert_eq!((served, &frame[14..]), (class, &expected[..]));
            // What is not sent comes back as it was, marks and all: `Router::forward` looks.
            let hops = if destination == "fd09::1" { 14 + 44 + 7 } else { 14 + 44 + 8 };
            marked[hops] = 1;
            if destination != "fd09::1" {
                Ipv4::of_mut(&mut marked[58..]).unwrap().fill_checksum();
            }
            let punt = Verdict::Punt { reason: PuntReason::TtlExpired, vrf: VrfId(1), offset: 58 };
            assert_eq!(b.forward(CORE, &marked), Err(punt));
        }
    }
    let make = |side| router(side, link(Encapsulation::Gre, ends(side, true)), output(), &[]);
    let (_, _, frame) = make(0).forward(CUSTOMER, &plain(&ip("10.9.1.1", 64, 0))).unwrap();
    let mut marked = cross(frame);
    Ipv6::of_mut(&mut marked[14..]).unwrap().set_ecn(3);
    assert_eq!(make(1).forward(CORE, &marked), Err(Verdict::Drop(DropReason::VlinkCongestion)));
}

#[test]
fn order_counts_where_it_is_asked_for() {
    for (ordered, encapsulation, out) in [
        (true, Encapsulation::GreKey(9), VlinkOutput { key: Some(9), numbered: true, ..output() }),
        (false, Encapsulation::GreKey(9), VlinkOutput { key: Some(9), numbered: true, ..output() }),
        (true, Encapsulation::L2tp(session(9, &[], true)), VlinkOutput { key: Some(9), numbered: true, ..output() }),
    ] {
        let make = |side| router(side, Vlink { ordered, ..link(encapsulation, ends(side, false)) }, out, &[]);
        let (mut a, mut b) = (make(0), make(1));
        let frames: Vec<_> =
            (0..4).map(|_| cross(a.forward(CUSTOMER, &plain(&ip("10.9.1.1", 64, 0))).unwrap().2)).collect();
        let late = Err(Verdict::Drop(DropReason::VlinkOrder));
        assert!(b.forward(CORE, &frames[0]).is_ok() && b.forward(CORE, &frames[2]).is_ok());
        assert_eq!(b.forward(CORE, &frames[1]).is_err(), ordered);
        assert_eq!(b.forward(CORE, &frames[2]) == late, ordered);
        assert!(b.forward(CORE, &frames[3]).is_ok());
        assert_eq!(b.0.vlink_counters(VlinkId(1)).disordered, if ordered { 2 } else { 0 });
    }
}

/// Exclusive or with a key and the number, and a sum over all as check value: enough to tell what was touched.
#[derive(Clone)]
struct Sum(u8);

impl Sum {
    fn sum(&self, context: &Context, text: &[u8]) -> [u8; 4] {
        let (data, len) = context.associated_data();
        let all = data[..len].iter().chain(text);
        all.fold(u32::from(self.0), |sum, &octet| sum.wrapping_mul(31).wrapping_add(octet.into())).to_be_bytes()
    }

    fn turn(&self, context: &Context, text: &mut [u8]) {
        text.iter_mut().for_each(|octet| *octet ^= self.0 ^ context.sequence as u8 ^ 0x5a);
    }
}

impl Cipher for Sum {
    fn iv_len(&self) -> usize {
        8
    }
    fn icv_len(&self) -> usize {
        4
    }
    fn block_len(&self) -> usize {
        16
    }
    fn seal(&mut self, context: &Context, iv: &mut [u8], text: &mut [u8], icv: &mut [u8]) -> Result<(), Refused> {
        iv.fill(7);
        self.turn(context, text);
        icv.copy_from_slice(&self.sum(context, text));
        Ok(())
    }
    fn open(&mut self, context: &Context, _: &[u8], text: &mut [u8], icv: &[u8]) -> Result<(), Refused> {
        if icv != self.sum(context, text) {
            return Err(Refused);
        }
        self.turn(context, text);
        Ok(())
    }
}

/// Two links of one VRF: what comes by the one that does not lead back is taken, unless sources are checked.
///
/// Shows: VLINK-5.2-2
#[test]
fn asymmetric_routes_pass_unless_sources_are_checked() {
    for v6 in [false, true] {
        for (check_source, back, expected) in
            [(false, 51, Ok(())), (true, 51, Err(Verdict::Drop(DropReason::VlinkSource))), (true, 41, Ok(()))]
        {
            let make = |side| {
                let vlink = Vlink { check_source, ..link(Encapsulation::GreKey(9), ends(side, v6)) };
                let mut r = router(side, vlink, VlinkOutput { key: Some(9), ..output() }, &[]);
                let other = link(Encapsulation::GreKey(10), ends(side, v6));
                r.apply(FwdOp::SetVlink { id: VlinkId(2), vlink: other });
                r.apply(FwdOp::SetVlinkOutput { id: VlinkId(2), output: VlinkOutput { key: Some(10), ..output() } });
                r.nhlfe(51, &[], NextHop::Vlink(VlinkId(2)), TunnelModel::Pipe);
                r
            };
            let (mut a, mut b) = (make(0), make(1));
            // The way back to the source.
            b.route_to(1, if v6 { "fd00::/16" } else { "10.0.0.0/16" }, back);
            let (inside, outside) = if v6 { ("fd09::1", "fdcc::1") } else { ("10.9.1.1", "172.16.0.1") };
            let (_, _, sent) = a.forward(CUSTOMER, &plain(&ip(inside, 64, 0))).unwrap();
            let arrived = b.forward(CORE, &cross(sent)).map(|(iface, ..)| assert_eq!(iface, CUSTOMER));
            assert_eq!(arrived, expected, "{check_source} {back}");
            // A source that is routed nowhere is behind no link.
            let (_, _, sent) = a.forward(CUSTOMER, &plain(&ip_from(outside, inside, 64, 0, 32))).unwrap();
            let arrived = b.forward(CORE, &cross(sent)).map(drop);
            let expected = if check_source { Err(Verdict::Drop(DropReason::VlinkSource)) } else { Ok(()) };
            assert_eq!(arrived, expected, "{check_source} {back}");
        }
    }
}

/// Labels of a link's own space: by the link they lead into the VRF, by another link they are not known.
///
/// Shows: VLINK-6.5-C3
#[test]
fn a_label_of_a_link_is_of_no_other() {
    let make = |side| {
        let space = Some(LabelSpaceId(5));
        let inside = Vlink { label_space: space, ..link(Encapsulation::MplsInIp, ends(side, false)) };
        let mut r = router(side, inside, output(), &[500]);
        let gre = Vlink { mpls: true, ..link(Encapsulation::Gre, ends(side, false)) };
        r.apply(FwdOp::SetVlink { id: VlinkId(2), vlink: gre });
        r.apply(FwdOp::SetVlinkOutput { id: VlinkId(2), output: output() });
        r.nhlfe(51, &[500], NextHop::Vlink(VlinkId(2)), TunnelModel::Pipe);
        let ilm = Ilm { action: IlmAction::PopLookup(VrfId(1)), model: TunnelModel::Pipe };
        let label = Label::new(500).unwrap();
        r.apply(FwdOp::SetContextIlm { space: LabelSpaceId(5), label, ilm });
        r
    };
    let (mut a, mut b) = (make(0), make(1));
    let packet = plain(&ip("10.9.1.1", 64, 0));
    let (_, _, sent) = a.forward(CUSTOMER, &packet).unwrap();
    assert_eq!(b.forward(CORE, &cross(sent)).map(|(iface, ..)| iface), Ok(CUSTOMER));
    a.route_to(1, "10.9.0.0/16", 51);
    let (_, _, sent) = a.forward(CUSTOMER, &packet).unwrap();
    assert_eq!(b.forward(CORE, &cross(sent)).map(drop), Err(Verdict::Drop(DropReason::UnknownLabel)));
}

/// A frame in a buffer with room on both sides.
fn with_frame<T>(octets: &[u8], run: impl FnOnce(&mut Frame<'_>) -> T) -> (T, Vec<u8>) {
    let mut buffer = vec![0; Frame::HEADROOM];
    buffer.extend(octets);
    buffer.extend([0; 64]);
    let mut frame = Frame::new(&mut buffer, Frame::HEADROOM, octets.len()).unwrap();
    let result = run(&mut frame);
    (result, frame.octets().to_vec())
}

/// ESP around every encapsulation: what was protected is read by nobody else, comes out as it was, once, and what arrives in
/// clear is dropped.
///
/// Shows: VLINK-3-2, VLINK-6.4-C4, VLINK-6.5-C3
#[test]
fn protected_links_take_nothing_in_clear() {
    for (encapsulation, out, _, labels) in encapsulations() {
        for v6 in [false, true] {
            if v6 && matches!(encapsulation, Encapsulation::L2tpUdp(_)) {
                continue;
            }
            let out = VlinkOutput { protection: Some(Protection { sa: SaId(3), overhead: 8 + 8 + 17 + 4 }), ..out };
            let make = |side| {
                let vlink = link(encapsulation, ends(side, v6));
                let vlink = Vlink { mpls: true, protection: Some(SaId(3)), ..vlink };
                let mut r = router(side, vlink, out, labels);
                r.pop_lookup(500, 1, TunnelModel::Pipe);
                r.pop_lookup(501, 0, TunnelModel::Pipe);
                r
            };
            let (mut a, mut b) = (make(0), make(1));
            // IP in IP is known by its association alone: without it, or with another, there is no such link.
            let no_context = match encapsulation {
                Encapsulation::IpInIp => Verdict::Drop(DropReason::NoVlink),
                _ => Verdict::Drop(DropReason::VlinkProtection),
            };
            let mut outbound = OutboundSa::new(0x1234, true, Sum(9));
            let mut inbound = InboundSa::<_, 4>::new(0x1234, true, 64, Sum(9));
            let (verdict, clear) = with_frame(&plain(&ip("10.9.1.1", 64, 0)), |f| a.0.forward(f, IfIndex(CUSTOMER)));
            assert_eq!(verdict, Verdict::Protect { iface: IfIndex(CORE), class: 0, sa: SaId(3), offset: 14 });
            assert_eq!(b.forward(CORE, &cross(clear.clone())), Err(no_context));

            let (done, sent) = with_frame(&clear, |frame| outbound.protect(frame, 14));
            assert_eq!(done, Ok(()));
            assert!(!sent.windows(8).any(|w| w == [8, 9, 10, 11, 12, 13, 14, 15]), "the payload can be read");
            let outer = &sent[14..];
            let (protocol, len) = match v6 {
                true => (Ipv6::of(outer).unwrap().next_header(), Ipv6::of(outer).unwrap().payload_len() + 40),
                false => (Ipv4::of(outer).unwrap().protocol(), Ipv4::of(outer).unwrap().total_len()),
            };
            assert_eq!((protocol, len, checksum::of(&outer[..20]) == 0 || v6), (50, outer.len(), true));
            let arrived = cross(sent);
            let esp = Verdict::Punt { reason: PuntReason::Esp, vrf: VrfId::GLOBAL, offset: 14 };
            assert_eq!(b.forward(CORE, &arrived), Err(esp));
            let mut flipped = arrived.clone();
            *flipped.last_mut().unwrap() ^= 1;
            assert_eq!(with_frame(&flipped, |f| inbound.unprotect(f, 14)).0, Err(UnprotectError::Integrity));
            let mut forged = arrived.clone();
            forged[if v6 { 54 } else { 34 }] ^= 1;
            assert_eq!(with_frame(&forged, |f| inbound.unprotect(f, 14)).0, Err(UnprotectError::NotEsp));

            let (done, opened) = with_frame(&arrived, |frame| inbound.unprotect(frame, 14));
            assert_eq!((done, &opened), (Ok(()), &cross(clear)));
            let replayed = Err(UnprotectError::Replayed(Replayed::Duplicate));
            assert_eq!(with_frame(&arrived, |f| inbound.unprotect(f, 14)).0, replayed);

            let wrong = with_frame(&opened, |f| b.0.forward_unprotected(f, IfIndex(CORE), SaId(4))).0;
            assert_eq!(wrong, no_context);
            let (verdict, delivered) = with_frame(&opened, |f| b.0.forward_unprotected(f, IfIndex(CORE), SaId(3)));
            assert_eq!(verdict, Verdict::Transmit { iface: IfIndex(CUSTOMER), class: 0 });
            assert_eq!(delivered[14..], ip("10.9.1.1", 62, 0));
        }
    }
}

/// Each octet of a protected and of a clear packet wrong in turn, and each length: no panic, and nothing is delivered changed.
#[test]
fn damaged_packets_do_no_harm() {
    each(|mut a, mut b, destination, _| {
        let (_, _, frame) = a.forward(CUSTOMER, &plain(&ip(destination, 64, 0))).unwrap();
        let frame = cross(frame);
        for at in 14..frame.len() {
            let mut wrong = frame.clone();
            wrong[at] ^= 0x11;
            let _ = b.forward(CORE, &wrong);
            let _ = b.forward(CORE, &frame[..at]);
            let (_, _) = with_frame(&wrong, |f| InboundSa::<_, 4>::new(1, true, 64, Sum(1)).unprotect(f, 14));
            let (_, _) = with_frame(&wrong, |f| OutboundSa::new(1, true, Sum(1)).protect(f, 14));
        }
        assert_eq!(Ethernet::of(&frame).unwrap().destination(), OURS);
    });
}

/// Both families are carried by both, in every encapsulation of the catalogue (section 8.7), in the clear and under ESP, with the protocol's
/// number on the wire; and both under a label on an Ethernet link.
///
/// Shows: L3VPN-REF-2
#[test]
fn both_families_are_payload_and_transport_of_every_encapsulation() {
    let mut seen = 0;
    for (encapsulation, out, _, labels) in encapsulations() {
        for (v6, protected, (destination, inner, ether)) in [false, true].into_iter().flat_map(|v6| {
            let payloads = [("10.9.1.1", 4, 0x0800), ("fd09::1", 41, 0x86dd)];
            [false, true].into_iter().flat_map(move |protected| payloads.map(|payload| (v6, protected, payload)))
        }) {
            if v6 && matches!(encapsulation, Encapsulation::L2tpUdp(_)) {
                continue;
            }
            let protection = protected.then_some(Protection { sa: SaId(3), overhead: 8 + 8 + 17 + 4 });
            let make = |side| {
                let vlink = Vlink { mpls: true, ordered: out.numbered, ..link(encapsulation, ends(side, v6)) };
                let vlink = Vlink { protection: protected.then_some(SaId(3)), ..vlink };
                let mut r = router(side, vlink, VlinkOutput { protection, ..out }, labels);
                r.pop_lookup(500, 1, TunnelModel::Pipe);
                r.pop_lookup(501, 0, TunnelModel::Pipe);
                r
            };
            let (mut a, mut b) = (make(0), make(1));
            let (_, sent) = with_frame(&plain(&ip(destination, 64, 0)), |f| a.0.forward(f, IfIndex(CUSTOMER)));
            let outer = if v6 { 40 } else { 20 };
            let number = |frame: &[u8]| {
                assert_eq!(frame[14] >> 4, if v6 { 6 } else { 4 });
                frame[if v6 { 20 } else { 23 }]
            };
            let expected = match encapsulation {
                Encapsulation::IpInIp => inner,
                Encapsulation::Gre | Encapsulation::GreKey(_) => 47,
                Encapsulation::MplsInIp => 137,
                Encapsulation::L2tp(_) => 115,
                _ => 17,
            };
            assert_eq!(number(&sent), expected, "{encapsulation:?}");
            if expected == 47 {
                let protocol = u16::from_be_bytes([sent[14 + outer + 2], sent[14 + outer + 3]]);
                assert_eq!(protocol, if labels.is_empty() { ether } else { 0x8847 });
            }
            let clear = cross(sent.clone());
            let (verdict, delivered) = if protected {
                let mut outbound = OutboundSa::new(0x1234, true, Sum(9));
                let mut inbound = InboundSa::<_, 4>::new(0x1234, true, 64, Sum(9));
                let (done, sent) = with_frame(&sent, |frame| outbound.protect(frame, 14));
                assert_eq!((done, number(&sent)), (Ok(()), 50));
                let (done, opened) = with_frame(&cross(sent), |frame| inbound.unprotect(frame, 14));
                assert_eq!((done, &opened), (Ok(()), &clear));
                with_frame(&opened, |f| b.0.forward_unprotected(f, IfIndex(CORE), SaId(3)))
            } else {
                with_frame(&clear, |f| b.0.forward(f, IfIndex(CORE)))
            };
            assert_eq!(verdict, Verdict::Transmit { iface: IfIndex(CUSTOMER), class: 0 }, "{encapsulation:?} {v6}");
            assert_eq!(delivered[14..], ip(destination, 62, 0));
            seen += 1;
        }
    }
    assert_eq!(seen, 12 * 2 * 2 * 2 - 4);
    for destination in ["10.9.1.1", "fd09::1"] {
        let mut r = Router::new();
        r.entry(41, &[500], CORE, TunnelModel::Pipe);
        ["10.9.0.0/16", "fd09::/16"].into_iter().for_each(|prefix| r.route_to(1, prefix, 41));
        let (_, _, frame) = r.forward(CUSTOMER, &plain(&ip(destination, 64, 0))).unwrap();
        // Label 500, traffic class 0, bottom of stack.
        assert_eq!(frame[12..17], [0x88, 0x47, 0, 0x1f, 0x41]);
        assert_eq!(frame[18..], ip(destination, 63, 0));
    }
}
