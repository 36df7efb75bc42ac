//! Every reason to drop or punt, VRF isolation, sizes and counters.

mod router;

use fwd_core::net::{Label, Mac, NhlfeId, VrfId};
use fwd_core::op::{FwdOp, Ilm, IlmAction, NextHop, RouteAction, TunnelModel};
use fwd_core::table::{ApplyError, Table};
use fwd_core::wire::{EtherType, Ethernet, Ipv4};
use fwd_core::{DropReason, PuntReason, Verdict};
use router::{OURS, Router, THEIRS, ip, ip_from, ip_of, label, labelled, plain};

const V4: &str = "10.1.2.3";
const V6: &str = "fd00:1::3";

fn dropped<T>(reason: DropReason) -> Result<T, Verdict> {
    Err(Verdict::Drop(reason))
}

fn punted<T>(reason: PuntReason, vrf: u16, offset: usize) -> Result<T, Verdict> {
    Err(Verdict::Punt { reason, vrf: VrfId(vrf), offset })
}

/// VRF 1: everything to the core behind label 500. Label 100 ends in VRF 1's attachment circuit routes, 110 is swapped.
fn pe() -> Router {
    let mut r = Router::new();
    r.entry(1, &[500], 0, TunnelModel::Uniform);
    r.entry(2, &[], 2, TunnelModel::Uniform);
    r.route_to(1, "0.0.0.0/0", 1);
    r.route_to(1, "::/0", 1);
    r.pop_lookup(100, 1, TunnelModel::Uniform);
    r.forward_label(110, 1, TunnelModel::Uniform);
    r
}

#[test]
fn frames_that_are_not_for_us() {
    let mut r = pe();
    let with = |destination: [u8; 6], ethertype| {
        [&Ethernet::new(Mac(destination), THEIRS, EtherType(ethertype)).0[..], &ip(V4, 64, 0)].concat()
    };
    let (ours, group) = (OURS.0, [0xff; 6]);
    for (iface, frame, expected) in [
        (7, with(ours, 0x0800), dropped(DropReason::NoIngress)),
        (8, with(ours, 0x0800), dropped(DropReason::NoIngress)),
        (2, with(THEIRS.0, 0x0800), dropped(DropReason::NotOurMac)),
        (2, with(group, 0x0800), dropped(DropReason::LinkBroadcast)),
        (0, with(group, 0x8847), dropped(DropReason::LinkBroadcast)),
        (2, with(ours, 0x8100), dropped(DropReason::VlanTagged)),
        (2, with(ours, 0x88a8), dropped(DropReason::VlanTagged)),
        (2, with(ours, 0x88cc), dropped(DropReason::UnknownEthertype)),
        (2, with(ours, 0x0032), dropped(DropReason::UnknownEthertype)),
        (2, with(ours, 0x86dd), dropped(DropReason::IpVersion)),
        (2, with(ours, 0x0806), punted(PuntReason::Arp, 1, 14)),
        (2, with(group, 0x0806), punted(PuntReason::Arp, 1, 14)),
        (2, with(ours, 0x0800)[..13].to_vec(), dropped(DropReason::Truncated)),
        (2, Vec::new(), dropped(DropReason::Truncated)),
    ] {
        assert_eq!(r.send(iface, &frame), expected, "{frame:02x?}");
    }
}

/// RFC 4364 §13.1: no labelled packet from a customer, whatever its label.
#[test]
fn a_customer_cannot_inject_labels() {
    let mut r = pe();
    for top in [0, 1, 2, 3, 100, 110, 999] {
        let frame = labelled(&[(top, 0, 64)], &ip(V4, 64, 0));
        assert_eq!(r.send(2, &frame), dropped(DropReason::MplsDisabled));
    }
    assert_eq!(r.0.counters().dropped(DropReason::MplsDisabled), 7);
}

#[test]
fn ipv4_headers_are_checked() {
    let good = plain(&ip(V4, 64, 0));
    let mut r = pe();
    assert!(r.send(2, &good).is_ok());
    let mut with = |at: usize, value: u8, right_sum: bool| {
        let mut frame = good.clone();
        frame[14 + at] = value;
        if right_sum {
            Ipv4::of_mut(&mut frame[14..]).unwrap().fill_checksum();
        }
        r.forward(2, &frame).map(|_| ())
    };
    assert_eq!(with(0, 0x55, true), dropped(DropReason::IpVersion));
    assert_eq!(with(0, 0x44, true), dropped(DropReason::HeaderLength));
    assert_eq!(with(0, 0x4f, true), dropped(DropReason::Truncated));
    assert_eq!(with(3, 19, true), dropped(DropReason::TotalLength));
    assert_eq!(with(3, 53, true), dropped(DropReason::Truncated));
    assert_eq!(with(8, 63, false), dropped(DropReason::Checksum));
    assert_eq!(with(10, 0, false), dropped(DropReason::Checksum));
    assert_eq!(with(3, 20, true), Ok(()));
    for len in 14..good.len() {
        assert_eq!(r.forward(2, &good[..len]).map(|_| ()), dropped(DropReason::Truncated));
    }
}

#[test]
fn ipv6_headers_are_checked() {
    let good = plain(&ip(V6, 64, 0));
    let mut r = pe();
    assert!(r.send(2, &good).is_ok());
    for len in 14..good.len() {
        assert_eq!(r.forward(2, &good[..len]).map(|_| ()), dropped(DropReason::Truncated));
    }
    let mut frame = good.clone();
    frame[14] = 0x50;
    assert_eq!(r.send(2, &frame), dropped(DropReason::IpVersion));
}

/// Ethernet padding is not part of the packet: it does not go below a label.
#[test]
fn padding_is_cut() {
    for to in [V4, V6] {
        let mut frame = plain(&ip_of(to, 64, 0, 0));
        let len = frame.len();
        frame.extend([0xee; 26]);
        let (_, _, sent) = pe().forward(2, &frame).unwrap();
        assert_eq!(sent.len(), len + 4);
    }
}

#[test]
fn addresses_that_are_not_forwarded() {
    let mut r = pe();
    for (source, destination, expected) in [
        ("127.0.0.1", V4, dropped(DropReason::MartianSource)),
        ("0.0.0.0", V4, dropped(DropReason::MartianSource)),
        ("224.0.0.1", V4, dropped(DropReason::MartianSource)),
        ("255.255.255.255", V4, dropped(DropReason::MartianSource)),
        ("169.254.0.1", V4, dropped(DropReason::MartianSource)),
        ("10.0.0.9", "127.0.0.1", dropped(DropReason::MartianDestination)),
        ("10.0.0.9", "0.0.0.0", dropped(DropReason::MartianDestination)),
        ("10.0.0.9", "169.254.0.1", dropped(DropReason::MartianDestination)),
        ("0.0.0.0", "255.255.255.255", punted(PuntReason::Multicast, 1, 14)),
        ("10.0.0.9", "239.1.1.1", punted(PuntReason::Multicast, 1, 14)),
        ("::1", V6, dropped(DropReason::MartianSource)),
        ("::", V6, dropped(DropReason::MartianSource)),
        ("ff02::1", V6, dropped(DropReason::MartianSource)),
        ("fe80::1", V6, dropped(DropReason::MartianSource)),
        ("fd00::9", "::1", dropped(DropReason::MartianDestination)),
        ("fd00::9", "::", dropped(DropReason::MartianDestination)),
        ("fe80::1", "fe80::2", punted(PuntReason::LinkLocal, 1, 14)),
        ("::", "ff02::1:ff00:1", punted(PuntReason::Multicast, 1, 14)),
    ] {
        let sent = r.send(2, &plain(&ip_from(source, destination, 64, 0, 8)));
        assert_eq!(sent, expected, "{source} to {destination}");
    }
    // A link-local address has no meaning at the far end of a tunnel.
    let frame = labelled(&[(100, 0, 64)], &ip_from("fe80::1", "fe80::2", 64, 0, 8));
    assert_eq!(r.send(0, &frame), dropped(DropReason::MartianDestination));
}

#[test]
fn what_routes_say() {
    for (prefix, to) in [("10.1.0.0/16", V4), ("fd00:1::/32", V6)] {
        let mut r = Router::new();
        let frame = plain(&ip(to, 1, 0));
        assert_eq!(r.send(2, &frame), dropped(DropReason::NoRoute));
        r.route(1, prefix, RouteAction::Discard);
        assert_eq!(r.send(2, &frame), dropped(DropReason::Discard));
        r.route(1, prefix, RouteAction::Local);
        assert_eq!(r.send(2, &frame), punted(PuntReason::Local, 1, 14), "delivery does not look at the TTL");
        r.route_to(1, prefix, 9);
        assert_eq!(r.send(2, &frame), dropped(DropReason::NoNhlfe));
        r.nhlfe(9, &[500], NextHop::Discard, TunnelModel::Pipe);
        assert_eq!(r.send(2, &frame), dropped(DropReason::Discard));
        r.nhlfe(9, &[500], NextHop::Local, TunnelModel::Pipe);
        assert_eq!(r.send(2, &frame), punted(PuntReason::Local, 1, 14));
        r.entry(9, &[500], 6, TunnelModel::Pipe);
        assert_eq!(r.send(2, &frame), dropped(DropReason::NoEgress));
    }
}

/// RFC 1812 §5.3.13: options are software's.
#[test]
fn ipv4_options_are_punted() {
    let mut packet = ip_of(V4, 64, 0, 8);
    packet[0] = 0x47;
    let mut frame = plain(&packet);
    let sum = {
        let header = &mut frame[14..42];
        header[10..12].fill(0);
        fwd_core::wire::checksum::of(header).to_be_bytes()
    };
    frame[24..26].copy_from_slice(&sum);
    assert_eq!(pe().send(2, &frame), punted(PuntReason::Ipv4Options, 1, 14));
}

/// RFC 3032 §2.1, RFC 4182 §2, RFC 7274 §3.
///
/// Shows: L3VPN-8.7-4
#[test]
fn special_purpose_labels() {
    let mut r = pe();
    r.route_to(0, "10.1.0.0/16", 1);
    r.route_to(0, "fd00:1::/32", 1);
    let (v4, v6) = (ip(V4, 64, 0), ip(V6, 64, 0));
    for (labels, packet, expected) in [
        (&[(0, 0, 64)][..], &v4, Ok(63)),
        (&[(2, 0, 64)], &v6, Ok(63)),
        (&[(0, 0, 64)], &v6, dropped(DropReason::IpVersion)),
        (&[(2, 0, 64)], &v4, dropped(DropReason::IpVersion)),
        // Anywhere in the stack; the label below decides.
        (&[(2, 0, 20), (0, 0, 9), (110, 0, 9)], &v4, Ok(64)),
        (&[(0, 0, 20), (3, 0, 9)], &v4, dropped(DropReason::ImplicitNull)),
        (&[(1, 0, 64), (100, 0, 64)], &v4, punted(PuntReason::RouterAlert, 0, 14)),
        (&[(0, 0, 20), (1, 0, 64), (100, 0, 64)], &v4, punted(PuntReason::RouterAlert, 0, 18)),
        (&[(1, 0, 64)], &v4, dropped(DropReason::RouterAlertAtBottom)),
        (&[(3, 0, 64)], &v4, dropped(DropReason::ImplicitNull)),
        (&[(4, 0, 64)], &v4, dropped(DropReason::SpecialPurposeLabel)),
        (&[(13, 0, 64)], &v4, dropped(DropReason::SpecialPurposeLabel)),
        (&[(15, 0, 64)], &v4, dropped(DropReason::SpecialPurposeLabel)),
        (&[(16, 0, 64)], &v4, dropped(DropReason::UnknownLabel)),
        (&[(1 << 19, 0, 64)], &v4, dropped(DropReason::UnknownLabel)),
    ] {
        assert_eq!(r.send(0, &labelled(labels, packet)).map(|sent| sent.ttl), expected, "{labels:?}");
    }
    // Above the swapped label: two explicit nulls were popped, the TTL of the first counts.
    let sent = r.send(0, &labelled(&[(2, 0, 20), (0, 0, 9), (110, 0, 9)], &v4)).unwrap();
    assert_eq!(sent.labels, [(500, 0, true, 19)]);
}

/// An explicit null is popped by the uniform model unless the operator says otherwise.
#[test]
fn the_model_of_explicit_null_is_set() {
    let mut r = pe();
    r.route_to(0, "10.1.0.0/16", 1);
    let frame = labelled(&[(0, 0, 20)], &ip(V4, 64, 0));
    assert_eq!(r.send(0, &frame).map(|s| s.ttl), Ok(19));
    r.pop_lookup(0, 0, TunnelModel::Pipe);
    assert_eq!(r.send(0, &frame).map(|s| s.ttl), Ok(63));
    r.apply(FwdOp::ClearIlm { label: Label::IPV4_EXPLICIT_NULL });
    assert_eq!(r.send(0, &frame).map(|s| s.ttl), Ok(19));
}

#[test]
fn stacks_that_end_or_never_end() {
    let mut r = pe();
    assert_eq!(r.send(0, &labelled(&[], &[0, 6, 64])), dropped(DropReason::Truncated));
    let frame = labelled(&[(100, 0, 64)], &ip(V4, 64, 0));
    assert_eq!(r.send(0, &frame[..18]), dropped(DropReason::Truncated));
    assert_eq!(r.send(0, &frame[..30]), dropped(DropReason::Truncated));
    assert_eq!(r.send(0, &labelled(&[(100, 0, 64)], &[0xff; 40])), dropped(DropReason::UnknownPayload));
    assert_eq!(r.send(0, &labelled(&[(100, 0, 64)], &[0x00; 40])), dropped(DropReason::UnknownPayload));
    for (depth, expected) in [(9, Ok(())), (10, dropped(DropReason::StackTooDeep))] {
        let frame = labelled(&vec![(100, 0, 64); depth], &ip(V4, 64, 0));
        assert_eq!(r.send(0, &frame).map(|_| ()), expected);
    }
    let frame = labelled(&[(0, 0, 64); 300], &ip(V4, 64, 0));
    assert_eq!(r.send(0, &frame), dropped(DropReason::StackTooDeep));
}

/// RFC 3032 §2.1: a label that would be replaced by implicit null is popped instead.
#[test]
fn implicit_null_is_not_sent() {
    let mut r = pe();
    r.entry(5, &[3], 1, TunnelModel::Uniform);
    r.forward_label(120, 5, TunnelModel::Uniform);
    let sent = r.send(0, &labelled(&[(120, 0, 20)], &ip(V4, 64, 0))).unwrap();
    assert_eq!((sent.labels, sent.ttl), (vec![], 19));
    r.entry(5, &[3, 200, 3], 1, TunnelModel::Uniform);
    let sent = r.send(0, &labelled(&[(120, 0, 20)], &ip(V4, 64, 0))).unwrap();
    assert_eq!(sent.labels, [(200, 0, true, 19)]);
}

#[test]
fn chains_of_entries_are_bounded() {
    let mut r = pe();
    for id in 10..13 {
        r.nhlfe(id, &[id + 500], NextHop::Nhlfe(NhlfeId(id + 1)), TunnelModel::Pipe);
    }
    r.entry(13, &[513], 0, TunnelModel::Pipe);
    r.route_to(1, "10.1.0.0/16", 10);
    let sent = r.send(2, &plain(&ip(V4, 64, 0))).unwrap();
    assert_eq!(sent.labels.iter().map(|l| l.0).collect::<Vec<_>>(), [513, 512, 511, 510]);
    r.nhlfe(13, &[513], NextHop::Nhlfe(NhlfeId(10)), TunnelModel::Pipe);
    assert_eq!(r.send(2, &plain(&ip(V4, 64, 0))), dropped(DropReason::ChainTooDeep));
}

/// RFC 3032 §3.4, §3.5: labels count; a packet that may be fragmented is told apart.
#[test]
fn packets_larger_than_the_link() {
    let mut r = pe();
    r.interface(0, 0, true, 1000);
    for (to, header) in [(V4, 20), (V6, 40)] {
        let fits = plain(&ip_of(to, 64, 0, 996 - header));
        assert_eq!(r.send(2, &fits).map(|_| ()), Ok(()));
        let large = plain(&ip_of(to, 64, 0, 997 - header));
        assert_eq!(r.send(2, &large), punted(PuntReason::TooBig, 1, 14));
    }
    let mut large = plain(&ip_of(V4, 64, 0, 977));
    large[20] = 0;
    Ipv4::of_mut(&mut large[14..]).unwrap().fill_checksum();
    assert_eq!(r.send(2, &large), punted(PuntReason::FragmentationNeeded, 1, 14));
    // Swapped, so that what is below is not known.
    let mut transit = labelled(&[(110, 0, 64)], &ip_of(V4, 64, 0, 977));
    transit[24] = 0;
    assert_eq!(r.send(0, &transit), punted(PuntReason::TooBig, 0, 14));
}

/// Two customers with the same addresses: no packet of one reaches the other, from either side.
#[test]
fn vrfs_are_apart() {
    let mut r = Router::new();
    r.entry(1, &[], 2, TunnelModel::Uniform);
    r.entry(2, &[], 3, TunnelModel::Uniform);
    r.entry(3, &[501], 0, TunnelModel::Uniform);
    r.entry(4, &[502], 0, TunnelModel::Uniform);
    for (vrf, label, local, remote) in [(1, 101, 1, 3), (2, 102, 2, 4)] {
        for (here, there) in [("10.1.0.0/16", "10.2.0.0/16"), ("fd00:1::/32", "fd00:2::/32")] {
            r.route_to(vrf, here, local);
            r.route_to(vrf, there, remote);
        }
        r.pop_lookup(label, vrf, TunnelModel::Uniform);
    }
    for (iface, label, vpn_label) in [(2, 101, 501), (3, 102, 502)] {
        for (here, there) in [("10.1.0.1", "10.2.0.1"), ("fd00:1::1", "fd00:2::1")] {
            let sent = r.send(0, &labelled(&[(label, 0, 64)], &ip(here, 64, 0))).unwrap();
            assert_eq!((sent.iface, sent.labels.len()), (iface, 0));
            let sent = r.send(iface, &plain(&ip(there, 64, 0))).unwrap();
            assert_eq!((sent.iface, sent.labels[0].0), (0, vpn_label));
        }
    }
    // What only one of them has, the other has not, nor the core.
    r.route_to(1, "10.9.0.0/16", 3);
    assert!(r.send(2, &plain(&ip("10.9.0.1", 64, 0))).is_ok());
    assert_eq!(r.send(3, &plain(&ip("10.9.0.1", 64, 0))), dropped(DropReason::NoRoute));
    assert_eq!(r.send(0, &plain(&ip("10.9.0.1", 64, 0))), dropped(DropReason::NoRoute));
    assert_eq!(r.send(0, &labelled(&[(102, 0, 64)], &ip("10.9.0.1", 64, 0))), dropped(DropReason::NoRoute));
}

#[test]
fn packets_and_octets_are_counted_per_vrf() {
    let mut r = pe();
    r.route_to(1, "10.1.0.0/16", 2);
    let packet = ip(V4, 64, 0);
    r.send(0, &labelled(&[(100, 0, 64)], &packet)).unwrap();
    r.send(2, &plain(&ip("10.2.0.1", 64, 0))).unwrap();
    let _ = r.send(2, &plain(&ip("10.2.0.1", 1, 0)));
    let len = packet.len() as u64;
    let vrf = r.0.vrf_counters(VrfId(1));
    assert_eq!((vrf.in_packets, vrf.in_octets, vrf.out_packets, vrf.out_octets), (2, 2 * len, 1, len));
    let core = r.0.vrf_counters(VrfId::GLOBAL);
    assert_eq!((core.in_packets, core.in_octets, core.out_packets, core.out_octets), (1, len + 4, 1, len + 4));
    assert_eq!(r.0.vrf_counters(VrfId(2)), r.0.vrf_counters(VrfId(99)));
    assert_eq!((r.0.counters().transmitted(), r.0.counters().total()), (2, 3));
}

/// Without room for the labels a packet is dropped, not cut.
#[test]
fn headroom_is_checked() {
    let mut r = pe();
    let octets = plain(&ip(V4, 64, 0));
    for (headroom, fits) in [(0, false), (3, false), (4, true)] {
        let mut buffer = vec![0; headroom];
        buffer.extend(&octets);
        let mut frame = fwd_core::Frame::new(&mut buffer, headroom, octets.len()).unwrap();
        let verdict = r.0.forward(&mut frame, fwd_core::net::IfIndex(2));
        assert_eq!(verdict != Verdict::Drop(DropReason::NoHeadroom), fits);
        assert_eq!(frame.octets() == octets, !fits);
    }
}

#[test]
fn ops_that_do_not_fit_are_refused_by_name() {
    let mut r = Router::new();
    let ilm = |action| Ilm { action, model: TunnelModel::Pipe };
    let nhlfe = fwd_core::op::Nhlfe {
        push: fwd_core::net::LabelStack::EMPTY,
        next: NextHop::Local,
        model: TunnelModel::Uniform,
    };
    let interface = |vrf| fwd_core::op::Interface { vrf: VrfId(vrf), mac: OURS, mtu: 1500, mpls: false };
    let if_index = fwd_core::net::IfIndex;
    let prefix = "10.0.0.0/8".parse().unwrap();
    let full = ApplyError::TableFull;
    for (op, error) in [
        (FwdOp::SetInterface { iface: if_index(8), interface: interface(0) }, full(Table::Interface)),
        (FwdOp::SetInterface { iface: if_index(u32::MAX), interface: interface(0) }, full(Table::Interface)),
        (FwdOp::SetInterface { iface: if_index(0), interface: interface(4) }, full(Table::Vrf)),
        (FwdOp::SetNhlfe { id: NhlfeId(64), nhlfe }, full(Table::Nhlfe)),
        (FwdOp::SetIlm { label: label(1016), ilm: ilm(IlmAction::Forward(NhlfeId(1))) }, full(Table::Ilm)),
        (FwdOp::SetIlm { label: label(16), ilm: ilm(IlmAction::PopLookup(VrfId(4))) }, full(Table::Vrf)),
        (
            FwdOp::SetIlm { label: label(0), ilm: ilm(IlmAction::PopLookup(VrfId(1))) },
            ApplyError::SpecialPurposeLabel(label(0)),
        ),
        (
            FwdOp::SetIlm { label: label(3), ilm: ilm(IlmAction::PopLookup(VrfId(0))) },
            ApplyError::SpecialPurposeLabel(label(3)),
        ),
        (FwdOp::SetRoute4 { vrf: VrfId(4), prefix, action: RouteAction::Local }, full(Table::Vrf)),
        (
            FwdOp::SetRoute4 { vrf: VrfId(1), prefix, action: RouteAction::Forward(NhlfeId(u32::MAX)) },
            ApplyError::NhlfeId(NhlfeId(u32::MAX)),
        ),
    ] {
        assert_eq!(r.0.apply(&op), Err(error), "{op:?}");
    }
    for i in 0..100 {
        let prefix = fwd_core::net::Ipv4Prefix::from_bits(i << 8, 24).unwrap();
        let op = FwdOp::SetRoute4 { vrf: VrfId(1), prefix, action: RouteAction::Local };
        let before = r.0.route_counts(VrfId(1));
        if r.0.apply(&op).is_err() {
            assert_eq!(r.0.apply(&op), Err(full(Table::Fib4)));
            assert_eq!(r.0.route_counts(VrfId(1)), before);
            assert_eq!(r.0.routes4(VrfId(1)).count(), i as usize);
            assert!(i >= 50, "two nodes a route");
            // What is there can still be changed and removed.
            r.route(1, "0.0.0.0/24", RouteAction::Discard);
            r.apply(FwdOp::ClearRoute4 { vrf: VrfId(1), prefix: "0.0.1.0/24".parse().unwrap() });
            assert_eq!(r.0.apply(&op), Ok(()));
            return;
        }
    }
    panic!("a hundred routes in a hundred nodes");
}

/// Clearing what is not there does nothing, in and out of range.
#[test]
fn clearing_nothing_is_no_error() {
    let mut r = Router::new();
    for n in [7, u32::MAX] {
        r.apply(FwdOp::ClearInterface { iface: fwd_core::net::IfIndex(n) });
        r.apply(FwdOp::ClearNhlfe { id: NhlfeId(n) });
        r.apply(FwdOp::ClearIlm { label: Label::from_low_bits(n) });
        r.apply(FwdOp::ClearRoute4 { vrf: VrfId(n as u16), prefix: "10.0.0.0/8".parse().unwrap() });
        r.apply(FwdOp::ClearRoute6 { vrf: VrfId(n as u16), prefix: "fd00::/8".parse().unwrap() });
    }
}
