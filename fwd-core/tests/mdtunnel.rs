//! Multicast of a VRF in tunnels through an IP core: every leg is a virtual link (RFC 6513 §6.4.5, §12).

mod router;

use std::net::IpAddr;

use fwd_core::net::{IfIndex, LabelSpaceId, NhlfeId, PolicerId, ReplicationId, TunnelId, VlinkId, VrfId};
use fwd_core::op::{
    Deliver, Encapsulation, Ends, FwdOp, Ilm, IlmAction, Interface, LegTarget, Mroute, MrouteKey, MulticastVrf,
    NextHop, Origin, PolicePoint, Policer, Rates, Rpf, TunnelModel, Unit, Vlink, VlinkOutput, VsiOrVrf,
};
use fwd_core::time::Instant;
use fwd_core::wire::icmp::{Trouble, error4, error6};
use fwd_core::wire::l2tpv3::Cookie;
use fwd_core::wire::{Ipv4, Ipv6, LabelEntry};
use fwd_core::{DropReason, Frame, PuntReason, Replica, Verdict};
use proptest::prelude::*;
use router::{OURS, Router, ip_from, label, plain};

const CORE: u32 = 0;
const CUSTOMER: u32 = 2;
const VRF: VrfId = VrfId(1);
/// The groups of copies: of the one stream, and of the other.
const STREAMS: [ReplicationId; 2] = [ReplicationId(0), ReplicationId(1)];
const GROUPS4: [&str; 2] = ["232.1.1.1", "232.1.1.2"];
const GROUPS6: [&str; 2] = ["ff3e::8000:1", "ff3e::8000:2"];

fn ends(v6: bool, far: u8) -> Ends {
    match v6 {
        false => Ends::V4 { local: [192, 0, 2, 1].into(), remote: [192, 0, 2, far].into() },
        true => Ends::V6 {
            local: "2001:db8::1".parse().unwrap(),
            remote: [0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, far].into(),
        },
    }
}

/// A PE whose streams go into a link each, below these labels. Links 0 and 1 are of MTU 1,500 unless it is changed.
fn pe(encapsulation: Encapsulation, v6: bool, labels: &[u32]) -> Router {
    let mut r = Router::new();
    r.entry(40, &[], CORE, TunnelModel::Pipe);
    r.apply(FwdOp::SetMulticastVrf { vrf: VRF, multicast: MulticastVrf { punt_no_route: false } });
    for (n, id) in (0..).zip(STREAMS) {
        let deliver = Deliver::Vrf(VRF);
        let link = Vlink {
            ends: ends(v6, 2 + n as u8),
            encapsulation,
            deliver,
            mpls: true,
            label_space: None,
            check_source: false,
            ordered: false,
            protection: None,
            model: TunnelModel::Pipe,
        };
        r.apply(FwdOp::SetVlink { id: VlinkId(n), vlink: link });
        mtu(&mut r, n, 1500);
        r.nhlfe(50 + n, labels, NextHop::Vlink(VlinkId(n)), TunnelModel::Pipe);
        r.apply(FwdOp::SetReplication { id, owner: VsiOrVrf::Vrf(VRF) });
        r.apply(FwdOp::SetLeg { group: id, leg: 0, target: LegTarget::Nhlfe(NhlfeId(50 + n)) });
        let mroute = Mroute {
            rpf: Rpf::From(Origin::Interface(IfIndex(CUSTOMER))),
            replication: Some(id),
            punt_wrong_interface: false,
            register: false,
            spt: None,
        };
        let source = "10.0.0.9".parse().unwrap();
        let key = MrouteKey::Source4 { source, group: GROUPS4[n as usize].parse().unwrap() };
        r.apply(FwdOp::SetMroute { vrf: VRF, key, mroute });
        let source = "fd00::9".parse().unwrap();
        let key = MrouteKey::Source6 { source, group: GROUPS6[n as usize].parse().unwrap() };
        r.apply(FwdOp::SetMroute { vrf: VRF, key, mroute });
    }
    r
}

/// Sets the MTU of a link.
fn mtu(r: &mut Router, link: u32, mtu: u16) {
    let key = match r.0.vlink(VlinkId(link)).map(|(vlink, _)| vlink.encapsulation) {
        Some(Encapsulation::GreKey(key)) => Some(key),
        _ => None,
    };
    let output = VlinkOutput {
        next: NhlfeId(40),
        key,
        cookie: Cookie::NONE,
        ports: (0, 6635),
        numbered: false,
        mtu,
        ttl: 64,
        dscp: None,
        protection: None,
    };
    r.apply(FwdOp::SetVlinkOutput { id: VlinkId(link), output });
}

/// A stream's packet: an IP packet with so many octets of payload, in a frame.
fn packet(v6: bool, stream: usize, payload: u16) -> Vec<u8> {
    match v6 {
        false => ip_from("10.0.0.9", GROUPS4[stream], 64, 0, payload),
        true => ip_from("fd00::9", GROUPS6[stream], 64, 0, payload),
    }
}

/// What left, without link headers, and what software got.
fn forward(r: &mut Router, packet: &[u8]) -> (Vec<Vec<u8>>, Vec<PuntReason>) {
    let octets = plain(packet);
    let mut buffer = vec![0; Frame::HEADROOM];
    buffer.extend_from_slice(&octets);
    let mut frame = Frame::new(&mut buffer, Frame::HEADROOM, octets.len()).unwrap();
    let replication = match r.0.forward(&mut frame, IfIndex(CUSTOMER)) {
        Verdict::Replicate(replication) => replication,
        other => panic!("{other:?}"),
    };
    let (mut sent, mut punted) = (Vec::new(), Vec::new());
    let mut copies = r.0.copies(&frame, replication);
    while let Some(replica) = copies.next() {
        match replica {
            Replica::Transmit { iface, front, payload, .. } => {
                assert_eq!(iface, IfIndex(CORE));
                sent.push([&front[14..], &frame.octets()[payload]].concat());
            }
            Replica::Punt(Verdict::Punt { reason, .. }) => punted.push(reason),
            Replica::Punt(other) => panic!("{other:?}"),
        }
    }
    (sent, punted)
}

/// Protocol, total length and the octets behind the outer header. An IPv4 one is no fragment and must not become one.
fn outer(octets: &[u8]) -> (u8, usize, &[u8]) {
    if octets[0] >> 4 == 6 {
        let h = Ipv6::of(octets).unwrap();
        return (h.next_header(), h.payload_len() + Ipv6::LEN, &octets[Ipv6::LEN..]);
    }
    let h = Ipv4::of(octets).unwrap();
    assert_eq!((h.dont_fragment(), h.more_fragments(), h.fragment_offset()), (true, false, 0));
    assert_eq!(fwd_core::wire::checksum::of(&octets[..Ipv4::LEN]), 0);
    (h.protocol(), h.total_len(), &octets[Ipv4::LEN..])
}

/// A packet as it goes on: one hop further.
fn onward(packet: &[u8]) -> Vec<u8> {
    let mut packet = packet.to_vec();
    match packet[0] >> 4 {
        6 => Ipv6::of_mut(&mut packet).unwrap().set_hop_limit(63),
        _ => Ipv4::of_mut(&mut packet).unwrap().set_ttl(63),
    }
    packet
}

/// Both families in both: protocol 4 and 41, next header 4 and 41.
///
/// Shows: MVPN-TUN-8
#[test]
fn streams_in_ip_in_ip() {
    for outer_v6 in [false, true] {
        let mut r = pe(Encapsulation::IpInIp, outer_v6, &[]);
        for (inner_v6, protocol) in [(false, 4), (true, 41)] {
            let stream = packet(inner_v6, 0, 100);
            let (sent, punted) = forward(&mut r, &stream);
            assert_eq!((sent.len(), punted.len()), (1, 0));
            assert_eq!(sent[0][0] >> 4, if outer_v6 { 6 } else { 4 });
            assert_eq!(outer(&sent[0]), (protocol, sent[0].len(), &onward(&stream)[..]));
        }
    }
}

fn encapsulations() -> impl Strategy<Value = (Encapsulation, &'static [u32], usize)> {
    prop_oneof![
        Just((Encapsulation::IpInIp, &[][..], 0)),
        Just((Encapsulation::Gre, &[][..], 4)),
        Just((Encapsulation::GreKey(7), &[][..], 8)),
        Just((Encapsulation::Gre, &[500][..], 8)),
        Just((Encapsulation::MplsInIp, &[501, 500][..], 8)),
        Just((Encapsulation::MplsInUdp, &[500][..], 12)),
    ]
}

proptest! {
    /// Whatever the sizes: a packet that fits goes whole, one that does not goes not at all and is counted; no outer packet is a
    /// fragment, and IPv4's may not become one. That the packet inside may be fragmented, or is a fragment, changes nothing.
    ///
    /// Shows: MVPN-TUN-11
    #[test]
    fn nothing_is_fragmented_inside_of_a_tunnel(
        (encapsulation, labels, added) in encapsulations(),
        (outer_v6, inner_v6, flags) in any::<(bool, bool, u8)>(),
        payload in 0..1600_u16,
        (link, iface) in (1000..1600_u16, 1000..1600_u16),
    ) {
        let mut r = pe(encapsulation, outer_v6, labels);
        mtu(&mut r, 0, link);
        r.interface(CORE, 0, true, iface);
        let mut stream = packet(inner_v6, 0, payload);
        if !inner_v6 {
            // Don't fragment, more fragments, an offset.
            stream[6] = (flags & 3) << 5;
            stream[7] = flags >> 2;
            stream[10..12].fill(0);
            Ipv4::of_mut(&mut stream).unwrap().fill_checksum();
        }
        let overhead = added + if outer_v6 { 40 } else { 20 };
        let fits = stream.len() + overhead <= usize::from(link.min(iface));
        let (sent, punted) = forward(&mut r, &stream);
        prop_assert_eq!(sent.len(), usize::from(fits));
        if let [copy] = &sent[..] {
            let (_, len, inside) = outer(copy);
            prop_assert_eq!((len, len), (copy.len(), stream.len() + overhead));
            prop_assert_eq!(&inside[added..], &onward(&stream)[..]);
        }
        prop_assert_eq!(r.0.counters().lost(DropReason::CopyTooBig), u64::from(!fits));
        prop_assert_eq!(punted, if fits || !inner_v6 { vec![] } else { vec![PuntReason::TooBig] });
    }
}

/// The root of a tree of PIM's and the P-group, over IPv4 and IPv6.
fn tree(v6: bool) -> (IpAddr, IpAddr) {
    match ends(v6, 1) {
        Ends::V4 { local, .. } => (local.into(), [239, 9, 9, 1].into()),
        Ends::V6 { local, .. } => (local.into(), "ff3e::8000:99".parse().unwrap()),
    }
}

/// A PE that is the root of a tree: its streams go there in GRE.
fn root(v6: bool) -> Router {
    let mut r = pe(Encapsulation::Gre, v6, &[]);
    let (mut link, _) = r.0.vlink(VlinkId(0)).unwrap();
    link.ends = match tree(v6) {
        (IpAddr::V4(local), IpAddr::V4(remote)) => Ends::V4 { local, remote },
        (IpAddr::V6(local), IpAddr::V6(remote)) => Ends::V6 { local, remote },
        other => panic!("{other:?}"),
    };
    r.apply(FwdOp::SetVlink { id: VlinkId(0), vlink: link });
    r
}

/// A PE that is a leaf of the tree and passes it on by its other core interface; the tree is a tunnel of the VRF.
fn leaf(v6: bool) -> Router {
    let mut r = Router::new();
    let (of_tree, of_vrf) = (ReplicationId(2), ReplicationId(3));
    for (vrf, id) in [(VrfId::GLOBAL, of_tree), (VRF, of_vrf)] {
        r.apply(FwdOp::SetMulticastVrf { vrf, multicast: MulticastVrf { punt_no_route: false } });
        r.apply(FwdOp::SetReplication { id, owner: VsiOrVrf::Vrf(vrf) });
    }
    let mroute = |from, id| Mroute {
        rpf: Rpf::From(from),
        replication: Some(id),
        punt_wrong_interface: false,
        register: false,
        spt: None,
    };
    let key = match tree(v6) {
        (IpAddr::V4(source), IpAddr::V4(group)) => MrouteKey::Source4 { source, group },
        (IpAddr::V6(source), IpAddr::V6(group)) => MrouteKey::Source6 { source, group },
        other => panic!("{other:?}"),
    };
    let of_core = mroute(Origin::Interface(IfIndex(CORE)), of_tree);
    r.apply(FwdOp::SetMroute { vrf: VrfId::GLOBAL, key, mroute: of_core });
    r.apply(FwdOp::SetLeg { group: of_tree, leg: 0, target: LegTarget::Decapsulate(TREE) });
    r.apply(FwdOp::SetLeg { group: of_tree, leg: 1, target: LegTarget::Interface(IfIndex(1)) });
    r.apply(FwdOp::SetLeg { group: of_vrf, leg: 0, target: LegTarget::Interface(IfIndex(CUSTOMER)) });
    r.apply(FwdOp::SetMulticastTunnel { tunnel: TREE, vrf: VRF });
    let by_tree = mroute(Origin::Tunnel(TREE), of_vrf);
    let (source, group) = ("10.0.0.9".parse().unwrap(), GROUPS4[0].parse().unwrap());
    r.apply(FwdOp::SetMroute { vrf: VRF, key: MrouteKey::Source4 { source, group }, mroute: by_tree });
    let (source, group) = ("fd00::9".parse().unwrap(), GROUPS6[0].parse().unwrap());
    r.apply(FwdOp::SetMroute { vrf: VRF, key: MrouteKey::Source6 { source, group }, mroute: by_tree });
    r
}

/// The tunnel that a tree is.
const TREE: TunnelId = TunnelId(3);

/// What a leaf sends: the interface and the packet without its link header; and what it lost.
fn receive(r: &mut Router, packet: &[u8]) -> Vec<(u32, Vec<u8>)> {
    let octets = plain(packet);
    let mut buffer = [vec![0; Frame::HEADROOM], octets.clone()].concat();
    let mut frame = Frame::new(&mut buffer, Frame::HEADROOM, octets.len()).unwrap();
    let Verdict::Replicate(replication) = r.0.forward(&mut frame, IfIndex(CORE)) else { panic!() };
    let mut sent = Vec::new();
    let mut copies = r.0.copies(&frame, replication);
    while let Some(replica) = copies.next() {
        let Replica::Transmit { iface, front, payload, .. } = replica else { panic!("{replica:?}") };
        sent.push((iface.0, [&front[14..], &frame.octets()[payload]].concat()));
    }
    assert_eq!(frame.octets(), octets);
    sent
}

/// A tree of PIM's in the core, of both families, for streams of both: protocol 47 from the root's address to the P-group, Protocol Type 0x0800
/// and 0x86DD, and no key. A leaf takes the stream out, beside the routers behind it, who get the packet of the tree.
#[test]
fn streams_in_gre_on_a_tree() {
    for outer_v6 in [false, true] {
        let (from, to) = tree(outer_v6);
        let (mut root, mut leaf) = (root(outer_v6), leaf(outer_v6));
        for (inner_v6, kind) in [(false, [0x08, 0x00]), (true, [0x86, 0xdd])] {
            let stream = packet(inner_v6, 0, 100);
            let (sent, punted) = forward(&mut root, &stream);
            assert_eq!((sent.len(), punted.len()), (1, 0));
            let ends: (IpAddr, IpAddr) = match Ipv6::of(&sent[0]).filter(|_| outer_v6) {
                Some(h) => (h.source().into(), h.destination().into()),
                None => Ipv4::of(&sent[0]).map(|h| (h.source().into(), h.destination().into())).unwrap(),
            };
            assert_eq!(ends, (from, to));
            let gre = [&[0, 0][..], &kind, &onward(&stream)].concat();
            assert_eq!(outer(&sent[0]), (47, sent[0].len(), &gre[..]));
            let mut twice = onward(&stream);
            match inner_v6 {
                true => Ipv6::of_mut(&mut twice).unwrap().set_hop_limit(62),
                false => Ipv4::of_mut(&mut twice).unwrap().set_ttl(62),
            }
            assert_eq!(receive(&mut leaf, &sent[0]), [(CUSTOMER, twice), (1, onward(&sent[0]))]);
        }
        assert_eq!(leaf.0.counters().lost(DropReason::VlinkHeader), 0);
    }
}

/// What is not as on a tree goes on to the routers behind the leaf and no further in it.
#[test]
fn a_leaf_takes_only_what_belongs_on_a_tree() {
    let mut leaf = leaf(false);
    let stream = packet(false, 0, 100);
    let (sent, _) = forward(&mut root(false), &stream);
    let lost = |leaf: &mut Router, packet: &[u8], reason| {
        let before = leaf.0.counters().lost(reason);
        let onward: Vec<u32> = receive(leaf, packet).into_iter().map(|(iface, _)| iface).collect();
        assert_eq!((onward, leaf.0.counters().lost(reason) - before), (vec![1], 1), "{reason:?}");
    };
    let changed = |at: usize, octets: &[u8]| {
        let mut packet = sent[0].clone();
        packet[at..at + octets.len()].copy_from_slice(octets);
        packet[10..12].fill(0);
        Ipv4::of_mut(&mut packet).unwrap().fill_checksum();
        packet
    };
    // A key; a reserved bit; labels; another version than the type says; another protocol; a fragment; a mark that the source does not know.
    lost(&mut leaf, &changed(20, &[0x20]), DropReason::VlinkHeader);
    lost(&mut leaf, &changed(20, &[0x40]), DropReason::VlinkHeader);
    lost(&mut leaf, &changed(22, &[0x88, 0x47]), DropReason::VlinkPayload);
    lost(&mut leaf, &changed(22, &[0x86, 0xdd]), DropReason::VlinkPayload);
    lost(&mut leaf, &changed(9, &[17]), DropReason::VlinkHeader);
    lost(&mut leaf, &changed(6, &[0x20]), DropReason::VlinkHeader);
    lost(&mut leaf, &changed(1, &[3]), DropReason::VlinkCongestion);
    // Another tunnel than the stream is expected by; a tunnel of no VRF.
    for (tunnel, reason) in [(TunnelId(2), DropReason::RpfFailed), (TunnelId(4), DropReason::UnknownTunnel)] {
        let target = LegTarget::Decapsulate(tunnel);
        leaf.apply(FwdOp::SetMulticastTunnel { tunnel: TunnelId(2), vrf: VRF });
        leaf.apply(FwdOp::SetLeg { group: ReplicationId(2), leg: 0, target });
        lost(&mut leaf, &sent[0], reason);
    }
    // A customer has no such tree.
    let target = LegTarget::Decapsulate(TREE);
    leaf.apply(FwdOp::SetLeg { group: ReplicationId(2), leg: 0, target });
    leaf.apply(FwdOp::SetLeg { group: ReplicationId(3), leg: 1, target });
    receive(&mut leaf, &sent[0]);
    assert_eq!(leaf.0.counters().lost(DropReason::LegUnfit), 1);
}

/// A tree of PIM's that several VPNs share: below GRE of either type, IP or UDP a label of the root's says the VPN (RFC 6513 §12.2, RFC 4023
/// §3, RFC 7510 §3), and one below it the PE (RFC 6513 §12.3). What is below goes on in its VRF; what the root told nothing about does not.
#[test]
fn labels_on_a_tree_of_several_vpns() {
    const SPACE: LabelSpaceId = LabelSpaceId(5);
    for outer_v6 in [false, true] {
        let mut leaf = leaf(outer_v6);
        let ilm = |action| Ilm { action, model: TunnelModel::Pipe };
        let (vpn, pe, unknown) = (label(700), label(701), label(702));
        let inner = LabelSpaceId(6);
        leaf.apply(FwdOp::SetLeg { group: ReplicationId(2), leg: 0, target: LegTarget::Context(SPACE) });
        leaf.apply(FwdOp::SetContextIlm { space: SPACE, label: vpn, ilm: ilm(IlmAction::Multicast(TREE)) });
        leaf.apply(FwdOp::SetContextIlm { space: SPACE, label: pe, ilm: ilm(IlmAction::Context(inner)) });
        leaf.apply(FwdOp::SetContextIlm { space: inner, label: vpn, ilm: ilm(IlmAction::Multicast(TREE)) });
        let stream = onward(&packet(false, 0, 100));
        let mut out = stream.clone();
        Ipv4::of_mut(&mut out).unwrap().set_ttl(62);
        let entry = |label, is_bottom| LabelEntry::new(label, 0, is_bottom, 255).0;
        let stacks = [entry(vpn, true).to_vec(), [entry(pe, false), entry(vpn, true)].concat()];
        let udp = |octets: &[u8]| {
            let len = 8 + octets.len() as u16;
            [&0xc000_u16.to_be_bytes()[..], &6635_u16.to_be_bytes(), &len.to_be_bytes(), &[0, 0], octets].concat()
        };
        for stack in &stacks {
            let labelled = [&stack[..], &stream].concat();
            for (protocol, payload) in [
                (47, [&[0, 0, 0x88, 0x47][..], &labelled].concat()),
                (47, [&[0, 0, 0x88, 0x48][..], &labelled].concat()),
                (137, labelled.clone()),
                (17, udp(&labelled)),
            ] {
                let sent = on_tree(outer_v6, protocol, &payload);
                let expected = [(CUSTOMER, out.clone()), (1, onward(&sent))];
                assert_eq!(receive(&mut leaf, &sent), expected, "{protocol} {stack:?}");
            }
        }
        let lost = |leaf: &mut Router, (protocol, payload): (u8, &[u8]), reason| {
            let before = leaf.0.counters().lost(reason);
            let onward: Vec<u32> =
                receive(leaf, &on_tree(outer_v6, protocol, payload)).into_iter().map(|(iface, _)| iface).collect();
            assert_eq!((onward, leaf.0.counters().lost(reason) - before), (vec![1], 1), "{reason:?}");
        };
        // A label that the root told nothing about; one with nothing below; a stack that ends; an IP packet; a session.
        let of = |stack: &[u8]| [stack, &stream[..]].concat();
        lost(&mut leaf, (137, &of(&entry(unknown, true))), DropReason::NoContextBinding);
        lost(&mut leaf, (137, &of(&entry(pe, true))), DropReason::NoContextBinding);
        lost(&mut leaf, (137, &entry(pe, false)), DropReason::Truncated);
        lost(&mut leaf, (47, &[&[0, 0, 8, 0][..], &stream].concat()), DropReason::VlinkPayload);
        lost(&mut leaf, (115, &[0, 0, 0, 9, 1, 2, 3, 4]), DropReason::VlinkHeader);
        lost(
            &mut leaf,
            (47, &[&[0x20, 0, 0x88, 0x47, 0, 0, 0, 1][..], &of(&stacks[0])].concat()),
            DropReason::VlinkHeader,
        );
        // A customer has no such tree.
        leaf.apply(FwdOp::SetLeg { group: ReplicationId(3), leg: 1, target: LegTarget::Context(SPACE) });
        receive(&mut leaf, &on_tree(outer_v6, 137, &of(&stacks[0])));
        assert_eq!(leaf.0.counters().lost(DropReason::LegUnfit), 1);
    }
}

/// A packet from the root of the tree to its group.
fn on_tree(v6: bool, protocol: u8, payload: &[u8]) -> Vec<u8> {
    let (from, to) = tree(v6);
    let mut octets = ip_from(&from.to_string(), &to.to_string(), 64, 0, payload.len() as u16);
    let header = octets.len() - payload.len();
    octets.truncate(header);
    if v6 {
        octets[6] = protocol;
    } else {
        octets[9] = protocol;
        octets[10..12].fill(0);
        Ipv4::of_mut(&mut octets).unwrap().fill_checksum();
    }
    octets.extend(payload);
    octets
}

/// An IPv6 source behind a tunnel that is too small is told, as often as the VRF's limit allows; an IPv4 source is not (RFC 1812
/// §4.3.2.7), and the loss is counted with its size.
///
/// Shows: MVPN-MTU-3
#[test]
fn sources_behind_a_small_tunnel_learn_its_mtu() {
    let mut r = pe(Encapsulation::Gre, false, &[]);
    mtu(&mut r, 0, 1324);
    let rates = Rates::Single { cir: 2, cbs: 3, ebs: 0 };
    let policer = Policer { rates, unit: Unit::Packets, drop_yellow: true };
    r.apply(FwdOp::SetPolicer { id: PolicerId(0), policer });
    r.apply(FwdOp::SetPolicePoint { at: PolicePoint::Punt(VRF), policer: PolicerId(0) });
    r.0.set_now(Instant::from_secs(100));
    let large = packet(true, 0, 1300);
    let told = |r: &mut Router| {
        let (sent, punted) = forward(r, &large);
        assert!(sent.is_empty());
        assert!(punted.iter().all(|&reason| reason == PuntReason::TooBig));
        punted.len()
    };
    // A burst of three, then two a second.
    assert_eq!((0..10).map(|_| told(&mut r)).sum::<usize>(), 3);
    r.0.set_now(Instant::from_secs(101));
    assert_eq!((0..10).map(|_| told(&mut r)).sum::<usize>(), 2);
    let seen = r.0.group_counters(STREAMS[0]).unwrap();
    assert_eq!((seen.too_big, seen.last_too_big), (20, (1340, 1300)));

    // What the source is told: the most that fits the tunnel, about its own packet.
    let mut answer = [0; 1280];
    let trouble = Trouble::TooBig { mtu: seen.last_too_big.1 };
    let len = error6(trouble, "fd00::1".parse().unwrap(), &large, &mut answer).unwrap();
    let about = Ipv6::of(&answer).unwrap();
    assert_eq!((len, about.destination()), (1280, "fd00::9".parse::<std::net::Ipv6Addr>().unwrap()));
    assert_eq!((answer[40..42].to_vec(), answer[44..48].to_vec()), (vec![2, 0], 1300_u32.to_be_bytes().to_vec()));
    assert_eq!(answer[48..68], large[..20]);
    // It sends smaller ones.
    assert_eq!(forward(&mut r, &packet(true, 0, 1260)).0.len(), 1);

    // IPv4: no answer, whether the packet may be fragmented or not.
    r.0.set_now(Instant::from_secs(200));
    let large = packet(false, 0, 1300);
    for n in 21..25 {
        assert_eq!(forward(&mut r, &large), (vec![], vec![]));
        let seen = r.0.group_counters(STREAMS[0]).unwrap();
        assert_eq!((seen.too_big, seen.last_too_big), (n, (1320, 1300)));
    }
    assert_eq!(error4(trouble, [10, 0, 0, 1].into(), &large, &mut answer), None);
}

/// Which VRF, which stream, which tunnel loses packets for their size, and how large the last was and might have been.
///
/// Shows: MVPN-MTU-4, MVPN-TUN-12
#[test]
fn what_is_too_big_is_counted_where_it_is_looked_for() {
    let mut r = pe(Encapsulation::Gre, false, &[]);
    mtu(&mut r, 0, 824);
    mtu(&mut r, 1, 624);
    for (stream, payload) in [(0, 780), (0, 781), (1, 580), (1, 700), (1, 601)] {
        forward(&mut r, &packet(false, stream, payload));
    }
    for (stream, count, last) in [(0, 1, (801, 800)), (1, 2, (621, 600))] {
        let group = r.0.group_counters(STREAMS[stream]).unwrap();
        assert_eq!((group.lost, group.too_big, group.last_too_big), (count, count, last), "stream {stream}");
        let tunnel = r.0.vlink_counters(VlinkId(stream as u32));
        let (size, room) = tunnel.last_too_big;
        assert_eq!((tunnel.too_big, (u32::from(size), u32::from(room))), (count, last), "tunnel {stream}");
    }
    assert_eq!(r.0.too_big(VRF).map(|seen| (seen.packets, seen.last)), Some((3, (621, 600))));
    // A unicast packet of the VRF counts as well; those of another do not.
    r.entry(30, &[600], CORE, TunnelModel::Pipe);
    r.route_to(2, "10.7.0.0/16", 30);
    let interface = Interface { vrf: VrfId::GLOBAL, mac: OURS, mtu: 500, mpls: true };
    r.apply(FwdOp::SetInterface { iface: IfIndex(CORE), interface });
    let unicast = plain(&ip_from("10.0.0.9", "10.7.0.1", 64, 0, 500));
    assert!(matches!(r.forward(3, &unicast), Err(Verdict::Punt { reason: PuntReason::TooBig, .. })));
    let seen = [VrfId::GLOBAL, VRF, VrfId(2)].map(|vrf| r.0.too_big(vrf).unwrap());
    assert_eq!(seen.map(|seen| (seen.packets, seen.last)), [(0, (0, 0)), (3, (621, 600)), (1, (520, 496))]);
    assert_eq!(r.0.too_big(VrfId(77)).map(|seen| seen.packets), None);
}
