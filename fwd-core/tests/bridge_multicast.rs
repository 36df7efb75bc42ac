//! Bridging and multicast, end to end: what frames come out where.

#[path = "switching/isolation.rs"]
mod isolation;
#[path = "switching/qos.rs"]
mod qos;
mod switching;

use fwd_core::net::*;
use fwd_core::op::*;
use fwd_core::table::ApplyError;
use fwd_core::time::Instant;
use fwd_core::wire::{EtherType, Ethernet, LabelEntry};
use fwd_core::{DropReason, Forwarder, PuntReason};
use proptest::prelude::*;
use switching::*;

/// Instance 1 with circuits 6 and 7, untagged, and pseudowires of labels 16 and 17 in one mesh: ports 0 to 3.
fn vpls() -> Forwarder<'static> {
    let mut f = forwarder();
    let ports =
        [circuit(VSI, 6, Tags::Untagged), circuit(VSI, 7, Tags::Untagged), pseudowire(VSI, 2), pseudowire(VSI, 3)];
    apply(&mut f, [FwdOp::SetVsi { vsi: VSI, settings: settings() }]);
    apply(&mut f, [FwdOp::SetReplication { id: FLOOD, owner: VsiOrVrf::Vsi(VSI) }]);
    for (n, port) in ports.into_iter().enumerate() {
        let id = PortId(n as u32);
        apply(&mut f, [FwdOp::SetPort { id, port }]);
        apply(&mut f, [FwdOp::SetLeg { group: FLOOD, leg: n as u16, target: LegTarget::Port(id) }]);
    }
    for n in [2, 3] {
        let ilm = Ilm { action: IlmAction::Bridge(PortId(n)), model: TunnelModel::Pipe };
        apply(&mut f, [FwdOp::SetIlm { label: label(14 + n), ilm }]);
    }
    f
}

/// A frame as it comes by a pseudowire: with a control word.
fn from_core(label_value: u32, frame: &[u8]) -> Vec<u8> {
    let front = Ethernet::new(OURS, NEXT, EtherType::MPLS).0;
    let entry = LabelEntry::new(label(label_value), 5, true, 64).0;
    [&front[..], &entry, &[0; 4], frame].concat()
}

#[test]
fn frames_are_learned_and_switched_between_circuits_and_pseudowires() {
    let mut f = vpls();
    let frame = ethernet(mac(2), mac(1), &DATA);
    // Unknown: to the other circuit and both pseudowires, with the control word and the frame as it was.
    let Fate::Sent(sent) = forward(&mut f, 6, &frame) else { panic!() };
    assert_eq!(sent[&IfIndex(7)], std::slice::from_ref(&frame));
    for (copy, n) in sent[&CORE].iter().zip([2, 3]) {
        let entry = LabelEntry::new(label(1000 + n), 0, true, 255).0;
        let front = [&Ethernet::new(NEXT, OURS, EtherType::MPLS).0[..], &entry, &[0; 4]].concat();
        assert_eq!(*copy, [front, frame.clone()].concat());
    }
    // The answer comes by a pseudowire: known on both sides, and not flooded.
    let answer = ethernet(mac(1), mac(2), &DATA);
    assert_eq!(forward(&mut f, 9, &from_core(16, &answer)), Fate::Sent([(IfIndex(6), vec![answer])].into()));
    let Fate::Sent(sent) = forward(&mut f, 6, &frame) else { panic!() };
    assert_eq!(sent[&CORE][0][14..18], LabelEntry::new(label(1002), 0, true, 255).0);
    assert_eq!((f.mac(VSI, mac(1)), f.mac(VSI, mac(2)), f.learned(VSI)), (Some(PortId(0)), Some(PortId(2)), 2));
    // A priority tag's code point is the class of the labels.
    let mut tagged = ethernet(mac(2), mac(1), &[0x81, 0x00, 0xa0, 0]);
    tagged.extend(DATA);
    let Fate::Sent(sent) = forward(&mut f, 6, &tagged) else { panic!() };
    assert_eq!(sent[&CORE][0][14..18], LabelEntry::new(label(1002), 5, true, 255).0);
    let counters = f.port_counters(PortId(0)).unwrap();
    assert_eq!((counters.in_packets, counters.out_packets, counters.in_by_type), (3, 1, [2, 1, 0, 0, 0]));
}

/// RFC 4762 §4.4: what comes by a pseudowire of the mesh goes to circuits alone.
#[test]
fn a_mesh_does_not_forward_between_its_pseudowires() {
    let mut f = vpls();
    let broadcast = ethernet(Mac::BROADCAST, mac(3), &DATA);
    assert_eq!(exits(&forward(&mut f, 9, &from_core(16, &broadcast))), [6, 7]);
    let unicast = ethernet(mac(3), mac(4), &DATA);
    assert_eq!(forward(&mut f, 9, &from_core(17, &unicast)), Fate::Drop(DropReason::SplitHorizon));
    let back = ethernet(mac(3), mac(5), &DATA);
    assert_eq!(forward(&mut f, 9, &from_core(16, &back)), Fate::Drop(DropReason::SamePort));
}

#[test]
fn limits_flushes_and_age_forget_addresses() {
    let mut f = vpls();
    let mut port = circuit(VSI, 6, Tags::Untagged);
    port.mac_limit = 2;
    apply(&mut f, [FwdOp::SetPort { id: PortId(0), port }]);
    for n in 1..=3 {
        forward(&mut f, 6, &ethernet(mac(9), mac(n), &DATA));
    }
    assert_eq!((f.learned(VSI), f.port_counters(PortId(0)).unwrap().unlearned), (2, 1));
    forward(&mut f, 7, &ethernet(mac(9), mac(4), &DATA));
    apply(&mut f, [FwdOp::SetMac { vsi: VSI, mac: mac(5), port: PortId(3) }]);
    apply(&mut f, [FwdOp::Flush { what: Flush::AllBut { vsi: VSI, port: PortId(1) } }]);
    let known = |f: &Forwarder<'_>| (1..=5).filter(|n| f.mac(VSI, mac(*n)).is_some()).collect::<Vec<_>>();
    assert_eq!((known(&f), f.learned(VSI)), (vec![4, 5], 1));
    // A move, a flush of the port that it left and of the one that it is at.
    forward(&mut f, 6, &ethernet(mac(9), mac(4), &DATA));
    apply(&mut f, [FwdOp::Flush { what: Flush::Port(PortId(1)) }]);
    assert_eq!(f.mac(VSI, mac(4)), Some(PortId(0)));
    apply(&mut f, [FwdOp::Flush { what: Flush::Mac { vsi: VSI, mac: mac(5) } }]);
    assert_eq!(known(&f), [4, 5], "a static address is not flushed");
    // 300 seconds, and at most an eighth more and eight seconds.
    for second in (0..=348).step_by(4) {
        f.age(Instant::from_secs(second), 64);
        assert!(second > 300 || known(&f) == [4, 5], "{second}");
    }
    assert_eq!((known(&f), f.learned(VSI)), (vec![5], 0));
}

/// Shows: VPLS-PKT-4, VPLS-PKT-5, VPLS-PKT-7, VPLS-PKT-8, VPLS-DOM-8, VPLS-DOM-9, VPLS-CSEC-3
#[test]
fn groups_are_told_apart_by_address_and_what_all_have_to_hear_goes_to_all() {
    let mut f = vpls();
    let members = ReplicationId(2);
    let snoop = Vsi { snoop: true, multicast: None, ..settings() };
    apply(&mut f, [FwdOp::SetVsi { vsi: VSI, settings: snoop }]);
    apply(&mut f, [FwdOp::SetReplication { id: members, owner: VsiOrVrf::Vsi(VSI) }]);
    apply(&mut f, [FwdOp::SetLeg { group: members, leg: 0, target: LegTarget::Port(PortId(1)) }]);
    let group = |a| MrouteKey::Group4 { group: Ipv4Prefix::host([a, 1, 1, 1].into()) };
    let set = |key, replication| FwdOp::SetVsiGroup { vsi: VSI, key, replication };
    apply(&mut f, [set(VsiGroupKey::Ip(group(225)), Some(members))]);
    let data = |to: [u8; 4]| {
        let to_mac = Mac([1, 0, 0x5e, to[1] & 0x7f, to[2], to[3]]);
        ethernet(to_mac, mac(1), &[&[8, 0][..], &packet([10, 0, 0, 1], to, 9)].concat())
    };
    assert_eq!(exits(&forward(&mut f, 6, &data([225, 1, 1, 1]))), [7]);
    // By IP address the group of the same MAC address is another, by MAC address it is not.
    assert_eq!(forward(&mut f, 6, &data([226, 1, 1, 1])), Fate::Drop(DropReason::NoReceivers));
    let by_mac = VsiGroupKey::Mac(Mac([1, 0, 0x5e, 1, 1, 1]));
    apply(&mut f, [set(by_mac, Some(members))]);
    assert_eq!(exits(&forward(&mut f, 6, &data([226, 1, 1, 1]))), [7]);
    // A filter of one channel leaves the others of its group.
    let channel = MrouteKey::Source4 { source: [10, 0, 0, 1].into(), group: [225, 1, 1, 1].into() };
    apply(&mut f, [set(VsiGroupKey::Ip(channel), None)]);
    assert_eq!(forward(&mut f, 6, &data([225, 1, 1, 1])), Fate::Drop(DropReason::Filtered));
    let other = ethernet(
        Mac([1, 0, 0x5e, 1, 1, 1]),
        mac(1),
        &[&[8, 0][..], &packet([10, 0, 0, 2], [225, 1, 1, 1], 9)].concat(),
    );
    assert_eq!(exits(&forward(&mut f, 6, &other)), [7]);
    // OSPF, IS-IS, BPDU and CFM reach every port, whether frames are snooped or not.
    let llc = [0, 40, 0x42, 0x42, 3];
    let control = [
        data([224, 0, 0, 5]),
        ethernet(Mac([1, 0x80, 0xc2, 0, 0, 0x14]), mac(1), &llc),
        ethernet(Mac([1, 0x80, 0xc2, 0, 0, 0]), mac(1), &llc),
        ethernet(Mac([1, 0x80, 0xc2, 0, 0, 0x30]), mac(1), &[0x89, 2, 0]),
    ];
    let with_snooping: Vec<_> = control.iter().map(|frame| exits(&forward(&mut f, 6, frame))).collect();
    apply(&mut f, [FwdOp::SetVsi { vsi: VSI, settings: settings() }]);
    let without: Vec<_> = control.iter().map(|frame| exits(&forward(&mut f, 6, frame))).collect();
    assert_eq!((with_snooping, without), (vec![vec![7, 9, 9]; 4], vec![vec![7, 9, 9]; 4]));
}

#[test]
fn invalid_addresses_are_dropped_each_for_its_reason() {
    let mut f = vpls();
    let to = |mac_to, from| ethernet(mac_to, from, &DATA);
    for (frame, reason) in [
        (to(mac(2), Mac([3, 0, 0, 0, 0, 1])), DropReason::SourceMac),
        (to(mac(2), Mac::default()), DropReason::SourceMac),
        (to(Mac([1, 0x80, 0xc2, 0, 0, 1]), mac(1)), DropReason::Pause),
        (to(Mac([1, 0, 0x5e, 0x80, 0, 1]), mac(1)), DropReason::GroupMac),
    ] {
        assert_eq!(forward(&mut f, 6, &frame), Fate::Drop(reason));
        assert!(f.counters().dropped(reason) > 0);
    }
    let snoop = Vsi { snoop: true, link_local: LinkLocal::Punt, ..settings() };
    apply(&mut f, [FwdOp::SetVsi { vsi: VSI, settings: snoop }]);
    let wrong = [&[8, 0][..], &packet([10, 0, 0, 1], [225, 1, 1, 1], 9)].concat();
    let wrong = ethernet(Mac([1, 0, 0x5e, 1, 1, 2]), mac(1), &wrong);
    assert_eq!(forward(&mut f, 6, &wrong), Fate::Drop(DropReason::GroupMac));
    let bpdu = to(Mac([1, 0x80, 0xc2, 0, 0, 0]), mac(1));
    assert_eq!(forward(&mut f, 6, &bpdu), Fate::Punt(PuntReason::BridgeControl));
}

/// Shows: VPLS-SEC-10, VPLS-THR-D1, VPLS-THR-D2, VPLS-THR-E1
#[test]
fn each_type_of_traffic_is_policed_before_it_is_copied() {
    for (traffic, to) in [
        (TrafficType::Broadcast, Mac::BROADCAST),
        (TrafficType::Multicast, Mac([1, 0, 0x5e, 1, 1, 1])),
        (TrafficType::Unknown, mac(9)),
        (TrafficType::Unicast, mac(8)),
    ] {
        let mut f = vpls();
        forward(&mut f, 7, &ethernet(mac(9), mac(8), &DATA));
        let rates = Rates::Single { cir: 1_250_000, cbs: 12_500, ebs: 0 };
        let policer = Policer { rates, unit: Unit::Octets, drop_yellow: true };
        let at = PolicePoint::Port(PortId(0), traffic);
        apply(&mut f, [FwdOp::SetPolicer { id: PolicerId(1), policer }]);
        apply(&mut f, [FwdOp::SetPolicePoint { at, policer: PolicerId(1) }]);
        let frame = ethernet(to, mac(1), &[0x88; 1238]);
        let mut passed = 0;
        // Twice the rate for two seconds.
        for n in 0..4000_u64 {
            f.set_now(Instant::from_micros(n * 500));
            match forward(&mut f, 6, &frame) {
                Fate::Sent(_) => passed += 1,
                fate => assert_eq!(fate, Fate::Drop(DropReason::Policed)),
            }
        }
        assert!((1990..=2020).contains(&passed), "{traffic:?}: {passed}");
        assert_eq!(f.port_counters(PortId(0)).unwrap().policed, 4000 - passed);
        // Another port's traffic is not touched.
        assert!(matches!(forward(&mut f, 7, &ethernet(Mac::BROADCAST, mac(8), &DATA)), Fate::Sent(_)));
    }
}

#[test]
fn multicast_is_copied_to_customers_and_into_the_tunnel() {
    let mut f = mvpn(|mroute| mroute);
    let Fate::Sent(sent) = forward(&mut f, 0, &multicast(SOURCE, 9)) else { panic!() };
    let routed = packet(SOURCE, [232, 1, 1, 1], 8);
    let customer = [&Ethernet::new(Mac([1, 0, 0x5e, 1, 1, 1]), OURS, EtherType::IPV4).0[..], &routed].concat();
    let entry = LabelEntry::new(label(1005), 5, true, 255).0;
    let core = [&Ethernet::new(NEXT, OURS, EtherType::MPLS).0[..], &entry, &routed].concat();
    let expected = [(IfIndex(1), vec![customer.clone()]), (IfIndex(2), vec![customer]), (CORE, vec![core])];
    assert_eq!(sent, expected.into());
    let counters = f.group_counters(ReplicationId(3)).unwrap();
    assert_eq!((counters.packets, counters.octets, counters.copies, counters.lost), (1, 60, 3, 0));
    assert_eq!((f.counters().replicated(), f.counters().copies()), (1, 3));
}

#[test]
fn what_does_not_come_from_where_it_should_is_not_forwarded() {
    let no_route = |f: &mut Forwarder<'_>| forward(f, 0, &multicast([10, 0, 0, 7], 9));
    let mut f = mvpn(|mroute| mroute);
    assert_eq!(forward(&mut f, 1, &multicast(SOURCE, 9)), Fate::Drop(DropReason::RpfFailed));
    assert_eq!(forward(&mut f, 0, &multicast(SOURCE, 1)), Fate::Drop(DropReason::MulticastTtl));
    assert_eq!(no_route(&mut f), Fate::Punt(PuntReason::NoMroute));
    // Punts are policed: two of them.
    let rates = Rates::Single { cir: 1, cbs: 2, ebs: 0 };
    let policer = Policer { rates, unit: Unit::Packets, drop_yellow: true };
    apply(&mut f, [FwdOp::SetPolicer { id: PolicerId(2), policer }]);
    apply(&mut f, [FwdOp::SetPolicePoint { at: PolicePoint::Punt(VrfId(1)), policer: PolicerId(2) }]);
    let punt = Fate::Punt(PuntReason::NoMroute);
    assert_eq!([no_route(&mut f), no_route(&mut f)], [punt, Fate::Punt(PuntReason::NoMroute)]);
    assert_eq!(no_route(&mut f), Fate::Drop(DropReason::Policed));

    let mut f = mvpn(|mroute| Mroute { punt_wrong_interface: true, spt: Some(IfIndex(2)), ..mroute });
    assert_eq!(forward(&mut f, 1, &multicast(SOURCE, 9)), Fate::Punt(PuntReason::WrongInterface));
    assert_eq!(forward(&mut f, 2, &multicast(SOURCE, 9)), Fate::Punt(PuntReason::SptArrival));
    // Designated forwarder interfaces of a bidirectional group.
    let set = RpfSetId(4);
    let mut f = mvpn(|mroute| Mroute { rpf: Rpf::AnyOf(set), ..mroute });
    assert_eq!(forward(&mut f, 1, &multicast(SOURCE, 9)), Fate::Drop(DropReason::RpfFailed));
    apply(&mut f, [FwdOp::SetRpfMember { set, from: Origin::Interface(IfIndex(1)) }]);
    assert_eq!(exits(&forward(&mut f, 1, &multicast(SOURCE, 9))), [0, 2, 9]);
    // A VRF without multicast hands it all to software.
    assert_eq!(forward(&mut f, 3, &multicast(SOURCE, 9)), Fate::Punt(PuntReason::Multicast));
}

/// RFC 6513 §11.2: a bidirectional tree across a backbone. The tunnel tells the partition, and what came by one does not return into it.
#[test]
fn packets_of_a_bidirectional_tree_do_not_return_into_the_backbone() {
    let (set, tunnel) = (RpfSetId(4), |n| Origin::Tunnel(TunnelId(n)));
    for rpf in [Rpf::Bidirectional(set), Rpf::AnyOf(set)] {
        let mut f = mvpn(|mroute| Mroute { rpf, ..mroute });
        let backbone = ReplicationId(7);
        apply(&mut f, [FwdOp::SetReplication { id: backbone, owner: VsiOrVrf::Vrf(VrfId(1)) }]);
        // The leg to the core is one of the backbone's.
        let leg = |group, leg, target| FwdOp::SetLeg { group, leg, target };
        apply(&mut f, [leg(backbone, 0, LegTarget::Nhlfe(NhlfeId(5)))]);
        apply(&mut f, [leg(ReplicationId(3), 3, LegTarget::Group(backbone))]);
        for from in [Origin::Interface(IfIndex(0)), Origin::Interface(IfIndex(1)), tunnel(1)] {
            apply(&mut f, [FwdOp::SetRpfMember { set, from }]);
        }
        for n in [1, 2] {
            let ilm = Ilm { action: IlmAction::Multicast(TunnelId(n)), model: TunnelModel::Uniform };
            apply(&mut f, [FwdOp::SetMulticastTunnel { tunnel: TunnelId(n), vrf: VrfId(1) }]);
            apply(&mut f, [FwdOp::SetIlm { label: label(15 + n), ilm }]);
        }
        // Up and down, and not where it came from.
        assert_eq!(exits(&forward(&mut f, 0, &multicast(SOURCE, 9))), [1, 2, 9]);
        assert_eq!(exits(&forward(&mut f, 1, &multicast(SOURCE, 9))), [0, 2, 9]);
        let arriving = |n: u32| {
            let front = Ethernet::new(OURS, NEXT, EtherType::MPLS).0;
            let entry = LabelEntry::new(label(15 + n), 0, true, 64).0;
            [&front[..], &entry, &multicast(SOURCE, 9)[14..]].concat()
        };
        let expected: &[u32] = if rpf == Rpf::AnyOf(set) { &[0, 1, 2, 9] } else { &[0, 1, 2] };
        assert_eq!(exits(&forward(&mut f, 9, &arriving(1))), expected, "{rpf:?}");
        // Of another partition.
        assert_eq!(forward(&mut f, 9, &arriving(2)), Fate::Drop(DropReason::RpfFailed));
    }
}

/// RFC 6826 §2.3: at the root of a group's tree that of the senders without receivers joins it: what comes by the senders' goes down the group's,
/// what comes by the group's does not.
#[test]
fn packets_of_one_tree_go_on_by_another_of_the_backbone() {
    let (set, own) = (RpfSetId(4), TunnelId(1));
    let mut f = mvpn(|mroute| Mroute { rpf: Rpf::Merging { set, own }, spt: Some(IfIndex(1)), ..mroute });
    let backbone = ReplicationId(7);
    let leg = |group, leg, target| FwdOp::SetLeg { group, leg, target };
    apply(&mut f, [FwdOp::SetReplication { id: backbone, owner: VsiOrVrf::Vrf(VrfId(1)) }]);
    apply(&mut f, [leg(backbone, 0, LegTarget::Nhlfe(NhlfeId(5)))]);
    apply(&mut f, [leg(ReplicationId(3), 3, LegTarget::Group(backbone))]);
    let members = [1, 2].map(|n| Origin::Tunnel(TunnelId(n)));
    for from in members.into_iter().chain([Origin::Interface(IfIndex(1))]) {
        apply(&mut f, [FwdOp::SetRpfMember { set, from }]);
    }
    for n in [1, 2, 3] {
        let ilm = Ilm { action: IlmAction::Multicast(TunnelId(n)), model: TunnelModel::Uniform };
        apply(&mut f, [FwdOp::SetMulticastTunnel { tunnel: TunnelId(n), vrf: VrfId(1) }]);
        apply(&mut f, [FwdOp::SetIlm { label: label(15 + n), ilm }]);
    }
    // The interface is no sign to leave a shared tree here.
    assert_eq!(exits(&forward(&mut f, 1, &multicast(SOURCE, 9))), [0, 2, 9]);
    let arriving = |n: u32| {
        let front = Ethernet::new(OURS, NEXT, EtherType::MPLS).0;
        let entry = LabelEntry::new(label(15 + n), 0, true, 64).0;
        [&front[..], &entry, &multicast(SOURCE, 9)[14..]].concat()
    };
    assert_eq!(exits(&forward(&mut f, 9, &arriving(1))), [0, 1, 2]);
    assert_eq!(exits(&forward(&mut f, 9, &arriving(2))), [0, 1, 2, 9]);
    assert_eq!(forward(&mut f, 9, &arriving(3)), Fate::Drop(DropReason::RpfFailed));
}

#[test]
fn ranges_of_groups_are_matched_after_groups_and_channels() {
    let mut f = mvpn(|mroute| mroute);
    let vrf = VrfId(1);
    let set = |f: &mut Forwarder<'_>, prefix: &str, replication| {
        let key = MrouteKey::Group4 { group: prefix.parse().unwrap() };
        let mroute = Mroute { rpf: Rpf::Any, replication, punt_wrong_interface: false, register: false, spt: None };
        apply(f, [FwdOp::SetMroute { vrf, key, mroute }]);
        key
    };
    let other = |f: &mut Forwarder<'_>| forward(f, 0, &multicast([10, 0, 0, 7], 9));
    set(&mut f, "224.0.0.0/4", Some(ReplicationId(3)));
    assert_eq!(exits(&other(&mut f)), [1, 2, 9]);
    let range = set(&mut f, "232.0.0.0/8", None);
    assert_eq!(other(&mut f), Fate::Drop(DropReason::NoReceivers));
    assert_eq!(exits(&forward(&mut f, 0, &multicast(SOURCE, 9))), [1, 2, 9]);
    apply(&mut f, [FwdOp::ClearMroute { vrf, key: range }]);
    assert_eq!(exits(&other(&mut f)), [1, 2, 9]);
}

#[test]
fn a_copy_that_does_not_fit_is_lost_alone_and_counted_with_its_size() {
    let mut f = mvpn(|mroute| mroute);
    let shrink = |mtu| FwdOp::SetInterface {
        iface: CORE,
        interface: Interface { vrf: VrfId::GLOBAL, mac: OURS, mtu, mpls: true },
    };
    // 60 octets and a label.
    apply(&mut f, [shrink(64)]);
    assert_eq!(exits(&forward(&mut f, 0, &multicast(SOURCE, 9))), [1, 2, 9]);
    apply(&mut f, [shrink(63)]);
    assert_eq!(exits(&forward(&mut f, 0, &multicast(SOURCE, 9))), [1, 2]);
    let counters = f.group_counters(ReplicationId(3)).unwrap();
    assert_eq!((counters.copies, counters.lost, counters.too_big, counters.last_too_big), (5, 1, 1, (60, 59)));
    assert_eq!(f.counters().lost(DropReason::CopyTooBig), 1);
}

/// A P2MP LSP that branches here and ends here too: RFC 6513 §9.1.1 by the tunnel that the label stands for.
///
/// Shows: P2MP-UND-1
#[test]
fn a_bud_node_swaps_for_its_branches_and_routes_what_ends_here() {
    let mut f = mvpn(|mroute| Mroute { rpf: Rpf::From(Origin::Tunnel(TunnelId(1))), ..mroute });
    let tree = ReplicationId(4);
    let ilm = Ilm { action: IlmAction::Replicate(tree), model: TunnelModel::Pipe };
    apply(&mut f, [FwdOp::SetMulticastTunnel { tunnel: TunnelId(1), vrf: VrfId(1) }]);
    apply(&mut f, [FwdOp::SetReplication { id: tree, owner: VsiOrVrf::Vrf(VrfId::GLOBAL) }]);
    apply(&mut f, [FwdOp::SetLeg { group: tree, leg: 0, target: LegTarget::Multicast(TunnelId(1)) }]);
    apply(&mut f, [FwdOp::SetLeg { group: tree, leg: 1, target: LegTarget::Nhlfe(NhlfeId(7)) }]);
    apply(&mut f, [FwdOp::ClearLeg { group: ReplicationId(3), leg: 3 }]);
    apply(&mut f, [FwdOp::SetIlm { label: label(20), ilm }]);
    let inner = packet(SOURCE, [232, 1, 1, 1], 9);
    let entry = LabelEntry::new(label(20), 5, true, 30).0;
    let arriving = [&Ethernet::new(OURS, NEXT, EtherType::MPLS).0[..], &entry, &inner].concat();
    let Fate::Sent(sent) = forward(&mut f, 9, &arriving) else { panic!() };
    let swapped = LabelEntry::new(label(1007), 5, true, 29).0;
    let branch = [&Ethernet::new(NEXT, OURS, EtherType::MPLS).0[..], &swapped, &inner].concat();
    assert_eq!(sent[&CORE], [branch], "below the swapped label nothing changes");
    assert_eq!(sent.keys().map(|iface| iface.0).collect::<Vec<_>>(), [0, 1, 2, 9]);
    assert_eq!(sent[&IfIndex(1)][0][14..], packet(SOURCE, [232, 1, 1, 1], 8));
    // Another PE's tunnel is not where it should come from.
    apply(&mut f, [FwdOp::SetMulticastTunnel { tunnel: TunnelId(2), vrf: VrfId(1) }]);
    apply(&mut f, [FwdOp::SetLeg { group: tree, leg: 0, target: LegTarget::Multicast(TunnelId(2)) }]);
    assert_eq!(exits(&forward(&mut f, 9, &arriving)), [9]);
    assert_eq!(f.counters().lost(DropReason::RpfFailed), 1);
}

/// Receivers in two VRFs of one tunnel, and in the VRF of a source and another beside it (RFC 7900 §8): each VRF makes its own copies, with its
/// own RPF check, and the packet loses one hop.
#[test]
fn a_packet_goes_on_in_the_vrfs_of_an_extranet() {
    let tunnel = |n| Origin::Tunnel(TunnelId(n));
    let mut f = mvpn(|mroute| Mroute { rpf: Rpf::From(tunnel(1)), ..mroute });
    let (other, group, tree) = (VrfId(2), ReplicationId(6), ReplicationId(4));
    let key = MrouteKey::Source4 { source: SOURCE.into(), group: [232, 1, 1, 1].into() };
    let rpf = Rpf::From(tunnel(2));
    let mroute = Mroute { rpf, replication: Some(group), punt_wrong_interface: false, register: false, spt: None };
    let interface = Interface { vrf: other, mac: OURS, mtu: 1500, mpls: false };
    let ilm = Ilm { action: IlmAction::Replicate(tree), model: TunnelModel::Pipe };
    apply(&mut f, [FwdOp::SetInterface { iface: IfIndex(5), interface }]);
    apply(&mut f, [FwdOp::SetMulticastVrf { vrf: other, multicast: MulticastVrf { punt_no_route: true } }]);
    apply(&mut f, [FwdOp::SetReplication { id: group, owner: VsiOrVrf::Vrf(other) }]);
    apply(&mut f, [FwdOp::SetLeg { group, leg: 0, target: LegTarget::Interface(IfIndex(5)) }]);
    apply(&mut f, [FwdOp::SetMroute { vrf: other, key, mroute }]);
    apply(&mut f, [FwdOp::ClearLeg { group: ReplicationId(3), leg: 3 }]);
    apply(&mut f, [FwdOp::SetReplication { id: tree, owner: VsiOrVrf::Vrf(VrfId::GLOBAL) }]);
    for (n, vrf) in [(1, VrfId(1)), (2, other)] {
        apply(&mut f, [FwdOp::SetMulticastTunnel { tunnel: TunnelId(n), vrf }]);
        let target = LegTarget::Multicast(TunnelId(n));
        apply(&mut f, [FwdOp::SetLeg { group: tree, leg: n as u16, target }]);
    }
    apply(&mut f, [FwdOp::SetIlm { label: label(20), ilm }]);
    let entry = LabelEntry::new(label(20), 5, true, 30).0;
    let inner = packet(SOURCE, [232, 1, 1, 1], 9);
    let arriving = [&Ethernet::new(OURS, NEXT, EtherType::MPLS).0[..], &entry, &inner].concat();
    assert_eq!(exits(&forward(&mut f, 9, &arriving)), [0, 1, 2, 5]);
    // From a site of VRF 1.
    let mut of_site = mroute;
    (of_site.rpf, of_site.replication) = (Rpf::From(Origin::Interface(IfIndex(0))), Some(ReplicationId(3)));
    apply(&mut f, [FwdOp::SetMroute { vrf: VrfId(1), key, mroute: of_site }]);
    let across = |n| FwdOp::SetLeg { group: ReplicationId(3), leg: 9, target: LegTarget::Multicast(TunnelId(n)) };
    apply(&mut f, [across(2)]);
    let Fate::Sent(sent) = forward(&mut f, 0, &multicast(SOURCE, 9)) else { panic!() };
    assert_eq!(sent.keys().map(|iface| iface.0).collect::<Vec<_>>(), [1, 2, 5]);
    assert!(sent.values().all(|frames| frames.len() == 1 && frames[0][14..] == packet(SOURCE, [232, 1, 1, 1], 8)));
    // What has crossed goes no further, by whatever legs: there is no loop.
    apply(&mut f, [FwdOp::SetLeg { group, leg: 1, target: LegTarget::Multicast(TunnelId(1)) }]);
    assert_eq!(exits(&forward(&mut f, 0, &multicast(SOURCE, 9))), [1, 2, 5]);
    assert_eq!(f.counters().lost(DropReason::LegUnfit), 1);
    // A tunnel of nobody's, and one that the other VRF does not expect the packet from.
    apply(&mut f, [across(7)]);
    assert_eq!(exits(&forward(&mut f, 0, &multicast(SOURCE, 9))), [1, 2]);
    apply(&mut f, [FwdOp::SetMulticastTunnel { tunnel: TunnelId(3), vrf: other }]);
    apply(&mut f, [across(3)]);
    assert_eq!(exits(&forward(&mut f, 0, &multicast(SOURCE, 9))), [1, 2]);
    assert_eq!((f.counters().lost(DropReason::UnknownTunnel), f.counters().lost(DropReason::RpfFailed)), (1, 1));
}

/// Two P2MP pseudowires on one P2MP LSP, at a bud node that is a leaf of one of them: labels that the root assigned mean what they
/// mean in its label space, and what is for other leaves is dropped (RFC 5331 §7).
///
/// Shows: P2MP-UND-7, L3VPN-8.7-6
#[test]
fn labels_below_a_tree_are_those_of_its_root() {
    let mut f = vpls();
    let (tree, space, other) = (ReplicationId(4), LabelSpaceId(1), LabelSpaceId(2));
    let port = |n| Ilm { action: IlmAction::Bridge(PortId(n)), model: TunnelModel::Pipe };
    let context = Ilm { action: IlmAction::Context(space), model: TunnelModel::Pipe };
    apply(&mut f, [FwdOp::SetIlm { label: label(40), ilm: context }]);
    // The same label of two roots, and as a label of this router: three things.
    apply(&mut f, [FwdOp::SetContextIlm { space, label: label(16), ilm: port(3) }]);
    apply(&mut f, [FwdOp::SetContextIlm { space: other, label: label(16), ilm: port(2) }]);
    assert_eq!(f.context_ilm(space, label(16)), Some(port(3)));
    let frame = ethernet(mac(2), mac(1), &DATA);
    let arriving = |outer: u32, inner: Option<u32>| {
        let front = Ethernet::new(OURS, NEXT, EtherType::MPLS).0;
        let outer = LabelEntry::new(label(outer), 5, inner.is_none(), 30).0;
        let inner = inner.map(|inner| LabelEntry::new(label(inner), 5, true, 64).0).unwrap_or_default();
        [&front[..], &outer, &inner, &[0; 4], &frame].concat()
    };
    let to_circuits = |fate| match fate {
        Fate::Sent(sent) => sent.keys().map(|iface| iface.0).collect::<Vec<_>>(),
        other => panic!("{other:?}"),
    };
    assert_eq!(to_circuits(forward(&mut f, 9, &arriving(40, Some(16)))), [6, 7]);
    for inner in [Some(17), None] {
        assert_eq!(forward(&mut f, 9, &arriving(40, inner)), Fate::Drop(DropReason::NoContextBinding));
    }
    // The same at a bud: copies go on whatever becomes of the packet here.
    apply(&mut f, [FwdOp::SetReplication { id: tree, owner: VsiOrVrf::Vrf(VrfId::GLOBAL) }]);
    apply(&mut f, [FwdOp::SetLeg { group: tree, leg: 0, target: LegTarget::Context(space) }]);
    apply(&mut f, [FwdOp::SetLeg { group: tree, leg: 1, target: LegTarget::Nhlfe(NhlfeId(7)) }]);
    let replicate = Ilm { action: IlmAction::Replicate(tree), model: TunnelModel::Pipe };
    apply(&mut f, [FwdOp::SetIlm { label: label(40), ilm: replicate }]);
    assert_eq!(to_circuits(forward(&mut f, 9, &arriving(40, Some(16)))), [6, 7, 9]);
    let Fate::Sent(sent) = forward(&mut f, 9, &arriving(40, Some(17))) else { panic!() };
    assert_eq!(
        sent[&CORE][0][14..22],
        [&LabelEntry::new(label(1007), 5, false, 29).0[..], &LabelEntry::new(label(17), 5, true, 64).0].concat()
    );
    assert_eq!(f.counters().lost(DropReason::NoContextBinding), 1);
    // A copy that ends here is not copied once more.
    apply(&mut f, [FwdOp::SetContextIlm { space, label: label(18), ilm: replicate }]);
    assert!(matches!(forward(&mut f, 9, &arriving(40, Some(18))), Fate::Sent(_)));
    assert_eq!(f.counters().lost(DropReason::LegUnfit), 1);
    let special = FwdOp::SetContextIlm { space, label: label(3), ilm: port(3) };
    assert_eq!(f.apply(&special), Err(ApplyError::SpecialPurposeLabel(label(3))));
    apply(&mut f, [FwdOp::ClearContextIlm { space, label: label(16) }]);
    assert_eq!((f.context_ilm(space, label(16)), f.context_ilm(other, label(16))), (None, Some(port(2))));
}

/// Two VPNs and two PEs of one of them on an MP2MP LSP, whose root assigned the labels below the tree's: that of the VPN, and below it that of
/// the PE that sends (RFC 6513 §12.2, §12.3.1; the same stack with the upstream PE of a partition, §12.3.2). The ingress pushes them in
/// this order; the egress takes what the last one says, and drops what is for others or in another order.
///
/// Shows: L3VPN-8.7-5
#[test]
fn a_tree_a_vpn_and_a_pe_are_told_apart_by_labels_in_this_order() {
    const TREE: u32 = 40;
    let from = |n| Origin::Tunnel(TunnelId(n));
    let mut f = mvpn(|mroute| Mroute { rpf: Rpf::From(from(1)), ..mroute });
    let entry = |n: u32, is_bottom, ttl| LabelEntry::new(label(n), 5, is_bottom, ttl).0;
    let ilm = |action| Ilm { action, model: TunnelModel::Pipe };
    let (tree, vpn) = (LabelSpaceId(1), LabelSpaceId(2));
    for (space, bound, action) in [
        (tree, 100, IlmAction::Context(vpn)),
        (vpn, 201, IlmAction::Multicast(TunnelId(1))),
        (vpn, 202, IlmAction::Multicast(TunnelId(2))),
        // What is deeper than two spaces leads nowhere.
        (vpn, 203, IlmAction::Context(vpn)),
    ] {
        apply(&mut f, [FwdOp::SetContextIlm { space, label: label(bound), ilm: ilm(action) }]);
    }
    for n in [1, 2] {
        apply(&mut f, [FwdOp::SetMulticastTunnel { tunnel: TunnelId(n), vrf: VrfId(1) }]);
    }
    apply(&mut f, [FwdOp::ClearLeg { group: ReplicationId(3), leg: 3 }]);
    apply(&mut f, [FwdOp::SetIlm { label: label(TREE), ilm: ilm(IlmAction::Context(tree)) }]);
    let inner = packet(SOURCE, [232, 1, 1, 1], 9);
    let arriving = |labels: &[u32]| {
        let stack = labels.iter().enumerate().flat_map(|(n, l)| entry(*l, n + 1 == labels.len(), 30));
        let front = Ethernet::new(OURS, NEXT, EtherType::MPLS).0;
        [&front[..], &stack.collect::<Vec<_>>(), &inner].concat()
    };
    // From the PE that the route expects it from: all labels are gone.
    let Fate::Sent(sent) = forward(&mut f, 9, &arriving(&[TREE, 100, 201])) else { panic!() };
    assert_eq!(sent[&IfIndex(1)][0][14..], packet(SOURCE, [232, 1, 1, 1], 8));
    // From the other PE, by the same tree and VPN label.
    assert_eq!(forward(&mut f, 9, &arriving(&[TREE, 100, 202])), Fate::Drop(DropReason::RpfFailed));
    // The PE's label above the VPN's; a VPN without sites here; no PE; one more space.
    let otherwise: [&[u32]; 5] =
        [&[TREE, 201, 100], &[TREE, 101, 201], &[TREE, 100], &[TREE, 100, 203, 201], &[TREE, 100, 204]];
    for labels in otherwise {
        assert_eq!(forward(&mut f, 9, &arriving(labels)), Fate::Drop(DropReason::NoContextBinding), "{labels:?}");
    }
    assert_eq!(forward(&mut f, 9, &arriving(&[TREE, 100, 201, 7000])), Fate::Drop(DropReason::LabelBelow));
    // The root as ingress: of the three labels, the tree's is on top.
    let push = LabelStack::new(&[label(TREE), label(100), label(201)]).unwrap();
    let next = NextHop::Neighbor { iface: CORE, mac: NEXT };
    apply(&mut f, [FwdOp::SetNhlfe { id: NhlfeId(15), nhlfe: Nhlfe { push, next, model: TunnelModel::Uniform } }]);
    let leg = FwdOp::SetLeg { group: ReplicationId(3), leg: 3, target: LegTarget::Nhlfe(NhlfeId(15)) };
    let key = MrouteKey::Source4 { source: SOURCE.into(), group: [232, 1, 1, 1].into() };
    let mroute = Mroute { rpf: Rpf::From(Origin::Interface(IfIndex(0))), ..f.mroute(VrfId(1), &key).unwrap() };
    apply(&mut f, [leg, FwdOp::SetMroute { vrf: VrfId(1), key, mroute }]);
    let Fate::Sent(sent) = forward(&mut f, 0, &multicast(SOURCE, 9)) else { panic!() };
    let labels = [entry(TREE, false, 8), entry(100, false, 8), entry(201, true, 8)].concat();
    assert_eq!(sent[&CORE][0][14..], [labels, packet(SOURCE, [232, 1, 1, 1], 8)].concat());
}

/// A copy of a labelled packet has a label on top that the next router assigned, and travels as any labelled packet, whoever assigned the
/// label below. A label on top that the sender assigned, which the other Ethertype says, means nothing in this router's label space
/// (RFC 5332 §3, §4).
///
/// Shows: L3VPN-8.7-1, L2VPN-5.2-1
#[test]
fn the_ethertype_says_who_assigned_the_label_on_top() {
    let mut f = vpls();
    let tree = ReplicationId(4);
    apply(&mut f, [FwdOp::SetReplication { id: tree, owner: VsiOrVrf::Vrf(VrfId::GLOBAL) }]);
    apply(&mut f, [FwdOp::SetLeg { group: tree, leg: 0, target: LegTarget::Nhlfe(NhlfeId(7)) }]);
    let replicate = Ilm { action: IlmAction::Replicate(tree), model: TunnelModel::Pipe };
    apply(&mut f, [FwdOp::SetIlm { label: label(40), ilm: replicate }]);
    let frame = ethernet(mac(2), mac(1), &DATA);
    let arriving = |ethertype: u16| {
        let front = Ethernet::new(OURS, NEXT, EtherType(ethertype)).0;
        let labels = [LabelEntry::new(label(40), 5, false, 30).0, LabelEntry::new(label(17), 5, true, 64).0].concat();
        [&front[..], &labels, &[0; 4], &frame].concat()
    };
    let Fate::Sent(sent) = forward(&mut f, 9, &arriving(0x8847)) else { panic!() };
    assert_eq!(sent[&CORE][0][12..14], [0x88, 0x47]);
    assert_eq!(forward(&mut f, 9, &arriving(0x8848)), Fate::Drop(DropReason::UnknownEthertype));
    assert_eq!((EtherType::MPLS, EtherType::MPLS_UPSTREAM), (EtherType(0x8847), EtherType(0x8848)));
}

/// An interface to another provider takes the labels that its neighbour was told, and no others (RFC 4364 §10 b, §13.1).
#[test]
fn an_interface_with_a_label_space_of_its_own_takes_no_other_labels() {
    let mut f = vpls();
    let (space, other) = (LabelSpaceId(1), LabelSpaceId(2));
    let core = IfIndex(9);
    let port = Ilm { action: IlmAction::Bridge(PortId(3)), model: TunnelModel::Pipe };
    let swap = Ilm { action: IlmAction::Forward(NhlfeId(7)), model: TunnelModel::Pipe };
    for (n, ilm) in [(40, port), (41, swap)] {
        apply(&mut f, [FwdOp::SetIlm { label: label(n), ilm }]);
        apply(&mut f, [FwdOp::SetContextIlm { space: other, label: label(n), ilm }]);
    }
    let frame = ethernet(mac(2), mac(1), &DATA);
    let arriving = |top: u32| {
        let front = Ethernet::new(OURS, NEXT, EtherType::MPLS).0;
        [&front[..], &LabelEntry::new(label(top), 5, true, 30).0, &[0; 4], &frame].concat()
    };
    // Behind an explicit null label, which means the same everywhere.
    let hidden = |below: u32| {
        let front = Ethernet::new(OURS, NEXT, EtherType::MPLS).0;
        let labels = [LabelEntry::new(label(0), 5, false, 30).0, LabelEntry::new(label(below), 5, true, 30).0].concat();
        [&front[..], &labels, &[0; 4], &frame].concat()
    };
    let sent = |fate| matches!(fate, Fate::Sent(_));
    assert!([40, 41].iter().all(|n| sent(forward(&mut f, 9, &arriving(*n)))));
    apply(&mut f, [FwdOp::SetLabelSpace { iface: core, space }]);
    assert_eq!(f.label_space(core), Some(space));
    for frame in [arriving(40), arriving(41), hidden(40), hidden(41)] {
        assert_eq!(forward(&mut f, 9, &frame), Fate::Drop(DropReason::UnknownLabel));
    }
    // The neighbour is told one of them.
    apply(&mut f, [FwdOp::SetContextIlm { space, label: label(41), ilm: swap }]);
    let Fate::Sent(out) = forward(&mut f, 9, &arriving(41)) else { panic!() };
    assert_eq!(out[&CORE][0][14..18], LabelEntry::new(label(1007), 5, true, 29).0);
    assert_eq!(forward(&mut f, 9, &arriving(40)), Fate::Drop(DropReason::UnknownLabel));
    // What else is said of the interface leaves its space as it is; an interface that goes takes it along.
    let interface = f.interface(core).unwrap();
    apply(&mut f, [FwdOp::SetInterface { iface: core, interface: Interface { mtu: 1400, ..interface } }]);
    assert_eq!(f.label_space(core), Some(space));
    apply(&mut f, [FwdOp::ClearInterface { iface: core }, FwdOp::SetInterface { iface: core, interface }]);
    assert_eq!(f.label_space(core), None);
    apply(&mut f, [FwdOp::SetLabelSpace { iface: core, space }, FwdOp::ClearLabelSpace { iface: core }]);
    assert!(sent(forward(&mut f, 9, &arriving(40))));
    let nowhere = FwdOp::SetLabelSpace { iface: IfIndex(77), space };
    assert_eq!(f.apply(&nowhere), Err(ApplyError::NoInterface(IfIndex(77))));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever groups, legs and ports are made, no frame of one VPN leaves unlabelled on another's interface.
    ///
    /// Shows: VPLS-CSEC-1
    #[test]
    fn nothing_of_a_vpn_leaves_by_anothers_port(
        changes in proptest::collection::vec((0..5_u8, 0..40_u32, 0..40_u32, 0..8_u16), 1..60),
        frames in proptest::collection::vec((0..9_u32, 0..4_u8, 0..5_u8), 1..40),
    ) {
        switching::leaks(&changes, &frames);
    }
}
