//! Classes and rates of multicast: marks on every copy, policers of streams, VRFs, interfaces, tunnels and branches.

use fwd_core::net::*;
use fwd_core::op::*;
use fwd_core::time::Instant;
use fwd_core::wire::{EtherType, Ethernet, Ipv4, LabelEntry};
use fwd_core::{DropReason, Forwarder};

use super::switching::*;

/// Expedited forwarding; assured forwarding, class 1, low drop precedence; class selector 1.
const EF: CodePoint = code(46);
const AF11: CodePoint = code(10);
const CS1: CodePoint = code(8);

const fn code(value: u8) -> CodePoint {
    match CodePoint::new(value) {
        Some(code) => code,
        None => panic!("six bits"),
    }
}

/// The stream's group, and that of a tunnel.
const STREAM: ReplicationId = ReplicationId(3);
const TUNNEL: ReplicationId = ReplicationId(5);

fn policer(f: &mut Forwarder<'_>, id: u32, octets_per_second: u64) -> PolicerId {
    let rates = Rates::Single { cir: octets_per_second, cbs: 600, ebs: 0 };
    let policer = Policer { rates, unit: Unit::Octets, drop_yellow: true };
    apply(f, [FwdOp::SetPolicer { id: PolicerId(id), policer }]);
    PolicerId(id)
}

/// Code points of IP copies and traffic classes of labelled ones.
fn classes(fate: &Fate) -> (Vec<u8>, Vec<u8>) {
    let Fate::Sent(sent) = fate else { panic!("{fate:?}") };
    let (mut ip, mut labels) = (Vec::new(), Vec::new());
    for (iface, copies) in sent {
        for copy in copies {
            if *iface == CORE {
                labels.push(LabelEntry::of(&copy[14..]).unwrap().class());
                continue;
            }
            let header = Ipv4::of(&copy[14..]).unwrap();
            let sum = fwd_core::wire::checksum::of(&copy[14..34]);
            assert_eq!(sum, 0, "the checksum of a marked header");
            ip.push(header.dscp());
        }
    }
    (ip, labels)
}

/// Unicast in VRF 1: 10.9/16 is on interface 1.
fn unicast(f: &mut Forwarder<'_>) -> Fate {
    let next = NextHop::Neighbor { iface: IfIndex(1), mac: NEXT };
    let nhlfe = Nhlfe { push: LabelStack::EMPTY, next, model: TunnelModel::Uniform };
    apply(f, [FwdOp::SetNhlfe { id: NhlfeId(15), nhlfe }]);
    let action = RouteAction::Forward(NhlfeId(15));
    apply(f, [FwdOp::SetRoute4 { vrf: VrfId(1), prefix: "10.9.0.0/16".parse().unwrap(), action }]);
    let front = Ethernet::new(OURS, NEXT, EtherType::IPV4).0;
    forward(f, 0, &[&front[..], &packet(SOURCE, [10, 9, 0, 1], 9)].concat())
}

/// One mark on a VRF is on its unicast and its multicast packets alike, and on the labels of both.
///
/// Shows: MVPN-QOS-3
#[test]
fn a_vrf_marks_unicast_and_multicast_alike() {
    let mut f = mvpn(|mroute| mroute);
    // Packets come with code point 46.
    assert_eq!(classes(&forward(&mut f, 0, &multicast(SOURCE, 9))), (vec![46; 2], vec![5]));
    for mark in [AF11, CS1, EF] {
        apply(&mut f, [FwdOp::SetMark { at: MarkPoint::Vrf(VrfId(1)), code: mark }]);
        let class = mark.value() >> 3;
        assert_eq!(classes(&forward(&mut f, 0, &multicast(SOURCE, 9))), (vec![mark.value(); 2], vec![class]));
        assert_eq!(classes(&unicast(&mut f)), (vec![mark.value()], vec![]));
        let action = RouteAction::Forward(NhlfeId(4));
        apply(&mut f, [FwdOp::SetRoute4 { vrf: VrfId(1), prefix: "10.8.0.0/16".parse().unwrap(), action }]);
        let front = Ethernet::new(OURS, NEXT, EtherType::IPV4).0;
        let labelled = forward(&mut f, 0, &[&front[..], &packet(SOURCE, [10, 8, 0, 1], 9)].concat());
        assert_eq!(classes(&labelled), (vec![], vec![class]));
    }
    apply(&mut f, [FwdOp::ClearMark { at: MarkPoint::Vrf(VrfId(1)) }]);
    assert_eq!(classes(&unicast(&mut f)), (vec![46], vec![]));
}

/// The stream's mark wins over the VRF's, a range of groups has its own; every copy has it. Another VRF is not marked.
///
/// Shows: MVPN-QOS-4
#[test]
fn streams_ranges_and_vrfs_are_marked_on_every_copy() {
    let mut f = mvpn(|mroute| mroute);
    let (vrf, range) = (VrfId(1), ReplicationId(6));
    let key = MrouteKey::Group4 { group: "232.0.0.0/8".parse().unwrap() };
    let mroute =
        Mroute { rpf: Rpf::Any, replication: Some(range), punt_wrong_interface: false, register: false, spt: None };
    apply(&mut f, [FwdOp::SetReplication { id: range, owner: VsiOrVrf::Vrf(vrf) }]);
    for leg in 1..3 {
        let target = LegTarget::Interface(IfIndex(u32::from(leg)));
        apply(&mut f, [FwdOp::SetLeg { group: range, leg, target }]);
    }
    apply(&mut f, [FwdOp::SetMroute { vrf, key, mroute }]);
    apply(&mut f, [FwdOp::SetMark { at: MarkPoint::Vrf(vrf), code: CS1 }]);
    apply(&mut f, [FwdOp::SetMark { at: MarkPoint::Group(STREAM), code: EF }]);
    let of_stream = |f: &mut Forwarder<'_>| classes(&forward(f, 0, &multicast(SOURCE, 9)));
    let of_range = |f: &mut Forwarder<'_>| classes(&forward(f, 0, &multicast([10, 0, 0, 7], 9)));
    assert_eq!(of_stream(&mut f), (vec![46; 2], vec![5]));
    assert_eq!(of_range(&mut f), (vec![8; 2], vec![]), "the VRF's");
    apply(&mut f, [FwdOp::SetMark { at: MarkPoint::Group(range), code: AF11 }]);
    assert_eq!(of_range(&mut f), (vec![10; 2], vec![]));
    apply(&mut f, [FwdOp::ClearMark { at: MarkPoint::Group(STREAM) }]);
    assert_eq!(of_stream(&mut f), (vec![8; 2], vec![1]));
    // A group that is made anew has no mark.
    apply(
        &mut f,
        [FwdOp::ClearReplication { id: range }, FwdOp::SetReplication { id: range, owner: VsiOrVrf::Vrf(vrf) }],
    );
    apply(&mut f, [FwdOp::SetLeg { group: range, leg: 0, target: LegTarget::Interface(IfIndex(1)) }]);
    assert_eq!(of_range(&mut f), (vec![8], vec![]));
    let nowhere = FwdOp::SetMark { at: MarkPoint::Group(ReplicationId(7)), code: EF };
    assert!(f.apply(&nowhere).is_err(), "a group that is not there");
}

/// Two seconds of packets, each 60 octets, `each` of them in a millisecond; how many copies left by an interface.
fn offered(f: &mut Forwarder<'_>, from: u64, each: u32, send: impl Fn(&mut Forwarder<'_>) -> Fate) -> [usize; 3] {
    let mut left = [0; 3];
    for ms in 0..2000 {
        f.set_now(Instant::from_micros((from * 1000 + ms) * 1000));
        for _ in 0..each {
            if let Fate::Sent(sent) = send(f) {
                for (n, iface) in [IfIndex(1), IfIndex(2), CORE].into_iter().enumerate() {
                    left[n] += sent.get(&iface).map_or(0, Vec::len);
                }
            }
        }
    }
    left
}

/// A stream, a VRF, an interface and a tunnel each have a rate: of twice the rate half passes, to the hundredth; what goes elsewhere, and
/// what conforms, loses nothing.
///
/// Shows: MVPN-QOS-5
#[test]
fn twice_the_rate_is_cut_to_it_where_the_policer_stands() {
    // 1,000 packets a second of 60 octets may pass; 2,000 are offered.
    let (rate, near) = (60_000, |n: usize| (1980..=2020).contains(&n));
    let stream = |f: &mut Forwarder<'_>| forward(f, 0, &multicast(SOURCE, 9));
    for at in [PolicePoint::Group(STREAM), PolicePoint::Multicast(VrfId(1))] {
        let mut f = mvpn(|mroute| mroute);
        let policer = policer(&mut f, 1, rate);
        apply(&mut f, [FwdOp::SetPolicePoint { at, policer }]);
        let left = offered(&mut f, 1000, 2, stream);
        assert!(left.iter().all(|n| near(*n)), "{at:?} {left:?}");
        assert!(near(f.counters().dropped(DropReason::Policed) as usize));
        let conforming = offered(&mut f, 10_000, 1, stream);
        assert_eq!(conforming, [2000; 3], "{at:?}");
        apply(&mut f, [FwdOp::ClearPolicePoint { at }]);
        assert_eq!(offered(&mut f, 20_000, 2, stream), [4000; 3]);
    }
    // One interface, and the tunnel: groups that the stream's group has legs to. The other interface loses nothing.
    for target in [LegTarget::Interface(IfIndex(1)), LegTarget::Nhlfe(NhlfeId(5))] {
        let mut f = mvpn(|mroute| mroute);
        let (leg, n) = if target == LegTarget::Nhlfe(NhlfeId(5)) { (3, 2) } else { (1, 0) };
        apply(&mut f, [FwdOp::SetReplication { id: TUNNEL, owner: VsiOrVrf::Vrf(VrfId(1)) }]);
        apply(&mut f, [FwdOp::SetLeg { group: TUNNEL, leg: 0, target }]);
        apply(&mut f, [FwdOp::SetLeg { group: STREAM, leg, target: LegTarget::Group(TUNNEL) }]);
        let policer = policer(&mut f, 1, rate);
        apply(&mut f, [FwdOp::SetPolicePoint { at: PolicePoint::Group(TUNNEL), policer }]);
        let left = offered(&mut f, 1000, 2, stream);
        for (at, copies) in left.into_iter().enumerate() {
            assert!(if at == n { near(copies) } else { copies == 4000 }, "{target:?} {left:?}");
        }
        assert!(near(f.counters().lost(DropReason::Policed) as usize));
        assert_eq!(offered(&mut f, 10_000, 1, stream), [2000; 3]);
    }
}

/// At the ingress PE, at a router where an mLDP tree branches, and where trees are stitched by a label, the same policer and mark do the
/// same.
///
/// Shows: MVPN-QOS-6
#[test]
fn policers_and_marks_stand_at_branches_too() {
    let mut f = forwarder();
    let tree = ReplicationId(4);
    let ilm = Ilm { action: IlmAction::Replicate(tree), model: TunnelModel::Pipe };
    apply(&mut f, [FwdOp::SetReplication { id: tree, owner: VsiOrVrf::Vrf(VrfId::GLOBAL) }]);
    for (leg, n) in [(0, 7), (1, 8)] {
        apply(&mut f, [FwdOp::SetLeg { group: tree, leg, target: LegTarget::Nhlfe(NhlfeId(n)) }]);
    }
    apply(&mut f, [FwdOp::SetIlm { label: label(16), ilm }]);
    let front = Ethernet::new(OURS, NEXT, EtherType::MPLS).0;
    let entry = LabelEntry::new(label(16), 1, true, 64).0;
    let octets = [&front[..], &entry, &packet(SOURCE, [232, 1, 1, 1], 9)].concat();
    let branch = |f: &mut Forwarder<'_>| forward(f, CORE.0, &octets);
    assert_eq!(classes(&branch(&mut f)), (vec![], vec![1; 2]));
    apply(&mut f, [FwdOp::SetMark { at: MarkPoint::Group(tree), code: EF }]);
    assert_eq!(classes(&branch(&mut f)), (vec![], vec![5; 2]));
    // 64 octets with the label: 1,000 packets a second.
    let policer = policer(&mut f, 1, 64_000);
    apply(&mut f, [FwdOp::SetPolicePoint { at: PolicePoint::Group(tree), policer }]);
    let [_, _, left] = offered(&mut f, 1000, 2, branch);
    assert!((3960..=4040).contains(&left), "{left} copies for two branches");
    assert_eq!(offered(&mut f, 10_000, 1, branch)[2], 4000);
}

/// Bulk data on a link that is full: it is marked with a low class and kept to the rate that is left, so that the class above loses nothing,
/// by a scheduler that serves classes in order.
///
/// Shows: MVPN-USE-4
#[test]
fn bulk_data_takes_nothing_from_a_class_above() {
    let mut f = mvpn(|mroute| mroute);
    let (vrf, bulk) = (VrfId(1), ReplicationId(6));
    let key = MrouteKey::Source4 { source: [10, 0, 0, 7].into(), group: [232, 1, 1, 1].into() };
    let mroute =
        Mroute { rpf: Rpf::Any, replication: Some(bulk), punt_wrong_interface: false, register: false, spt: None };
    apply(&mut f, [FwdOp::SetReplication { id: bulk, owner: VsiOrVrf::Vrf(vrf) }]);
    apply(&mut f, [FwdOp::SetLeg { group: bulk, leg: 0, target: LegTarget::Nhlfe(NhlfeId(6)) }]);
    apply(&mut f, [FwdOp::SetMroute { vrf, key, mroute }]);
    apply(&mut f, [FwdOp::SetMark { at: MarkPoint::Group(bulk), code: CS1 }]);
    let policer = policer(&mut f, 1, 60 * 1500);
    apply(&mut f, [FwdOp::SetPolicePoint { at: PolicePoint::Group(bulk), policer }]);
    // The link takes three packets a millisecond; the stream sends two, bulk data five. Classes are served from the highest down.
    let (mut queues, mut lost, mut served) = ([0_u32; 8], [0_u32; 8], [0_u32; 8]);
    for ms in 0..2000_u64 {
        f.set_now(Instant::from_micros(1_000_000 + ms * 1000));
        for n in 0..7 {
            let source = if n < 2 { SOURCE } else { [10, 0, 0, 7] };
            let fate = forward(&mut f, 0, &multicast(source, 9));
            if fate == Fate::Drop(DropReason::Policed) {
                continue;
            }
            let Fate::Sent(sent) = fate else { panic!("{fate:?}") };
            for copy in sent.get(&CORE).into_iter().flatten() {
                let class = usize::from(LabelEntry::of(&copy[14..]).unwrap().class());
                match queues[class] < 10 {
                    true => queues[class] += 1,
                    false => lost[class] += 1,
                }
            }
        }
        let mut room = 3;
        for class in (0..8).rev() {
            let now = queues[class].min(room);
            (queues[class], served[class], room) = (queues[class] - now, served[class] + now, room - now);
        }
    }
    assert_eq!((lost[5], served[5]), (0, 4000), "the class above");
    assert!(served[1] >= 1900 && lost[1] > 0, "{served:?} {lost:?}");
}

/// The classes of a customer's priorities are the instance's: in the labels of pseudowires and in tags of other circuits, octet for octet.
/// A port that has a class keeps it, another instance has its own map, and what comes by a pseudowire has the class of its label.
#[test]
fn an_instance_maps_priorities_to_classes() {
    let (mut f, vlan) = (super::vpls(), |id| VlanId::new(id).unwrap());
    let classes = [1, 0, 2, 2, 5, 6, 7, 7].map(|class| Class::new(class).unwrap());
    let other = ReplicationId(4);
    apply(&mut f, [FwdOp::SetVsi { vsi: VSI, settings: Vsi { classes: ClassMap::new(classes), ..settings() } }]);
    let of_other = Vsi { broadcast: Some(other), ..settings() };
    apply(&mut f, [FwdOp::SetVsi { vsi: VsiId(2), settings: of_other }]);
    apply(&mut f, [FwdOp::SetReplication { id: other, owner: VsiOrVrf::Vsi(VsiId(2)) }]);
    for (n, vsi, iface, id) in [(0, VSI, 6, 100), (1, VSI, 7, 200), (8, VsiId(2), 8, 100), (9, VsiId(2), 8, 300)] {
        let port = circuit(vsi, iface, Tags::Vlan(vlan(id)));
        apply(&mut f, [FwdOp::SetPort { id: PortId(n), port }]);
        if vsi != VSI {
            apply(&mut f, [FwdOp::SetLeg { group: other, leg: n as u16, target: LegTarget::Port(PortId(n)) }]);
        }
    }
    let tagged = |priority: u8, id: u8| [0x81, 0x00, priority << 5, id];
    let frame = |tag: &[u8]| ethernet(Mac::BROADCAST, mac(1), &[tag, &DATA].concat());
    let front = Ethernet::new(NEXT, OURS, EtherType::MPLS).0;
    for priority in 0..8 {
        let class = classes[usize::from(priority)].value();
        let Fate::Sent(sent) = forward(&mut f, 6, &frame(&tagged(priority, 100))) else { panic!() };
        assert_eq!(sent[&IfIndex(7)], [frame(&tagged(class, 200))], "priority {priority}");
        let labelled = |n: u32| {
            let entry = LabelEntry::new(label(1000 + n), class, true, 255).0;
            [&front[..], &entry, &[0; 4], &frame(&[])].concat()
        };
        assert_eq!(sent[&CORE], [labelled(2), labelled(3)], "priority {priority}");
        let Fate::Sent(sent) = forward(&mut f, 8, &frame(&tagged(priority, 100))) else { panic!() };
        let expected = frame(&[0x81, 0x00, priority << 5 | 1, 44]);
        assert_eq!(sent[&IfIndex(8)], [expected], "another instance");
    }
    // From the core: class 5 of the label, whatever the map says.
    let Fate::Sent(sent) = forward(&mut f, 9, &super::from_core(16, &frame(&[]))) else { panic!() };
    assert_eq!(sent[&IfIndex(7)], [frame(&tagged(5, 200))]);
    let port = BridgePort { class: Class::new(3), ..circuit(VSI, 6, Tags::Vlan(vlan(100))) };
    apply(&mut f, [FwdOp::SetPort { id: PortId(0), port }]);
    let Fate::Sent(sent) = forward(&mut f, 6, &frame(&tagged(0, 100))) else { panic!() };
    assert_eq!(sent[&IfIndex(7)], [frame(&tagged(3, 200))], "the port's own class");
}
