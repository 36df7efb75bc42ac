//! What counting costs (MVPN-OAM-16): packets a second with all counters, beside none.
//!
//! Two routers with the same tables, one with memory for all counters and one without any, forward in turns of some microseconds, so
//! that what else the machine does falls on both alike; of each, the least counts.

use std::hint::black_box;
use std::time::Instant;

use fwd_core::net::{IfIndex, Label, LabelStack, Mac, NhlfeId, PortId, ReplicationId, VrfId, VsiId};
use fwd_core::op::{
    Attachment, BridgePort, ClassMap, FlowLabels, FwdOp, Ilm, IlmAction, Interface, LegTarget, LinkLocal, Mroute,
    MrouteKey, MulticastVrf, NextHop, Nhlfe, Origin, RouteAction, Rpf, Tags, TunnelModel, Vsi, VsiOrVrf,
};
use fwd_core::table::{
    BridgeMemory, CircuitSlot, CounterMemory, Exact6Slot, ExactSlot, InterfaceSlot, LegSlot, MacBucket, Memory,
    MulticastMemory, MulticastVrfSlot, NhlfeSlot, PortSlot, PortState, ReplicationSlot, Rib4Node, VrfSlot, VsiSlot,
    VsiState, Word,
};
use fwd_core::wire::{EtherType, Ethernet, Ipv4, LabelEntry};
use fwd_core::{BridgeCounters, Forwarder, Frame, GroupCounters, Replica, TooBigCounters, Verdict, VrfCounters};

const VRF: VrfId = VrfId(1);
const VSI: VsiId = VsiId(1);
const OURS: Mac = Mac([2, 0, 0, 0, 0, 1]);
const THEIRS: Mac = Mac([2, 0, 0, 0, 0, 9]);
/// Packets of a sample, and samples of each router.
const PACKETS: usize = 64;
const SAMPLES: usize = 20_000;
/// The least share of the rate without counters that the rate with them is, in per cent.
const MARK: f64 = 95.0;

fn label(value: u32) -> Label {
    Label::new(value).expect("20 bits")
}

fn counters(is_on: bool) -> CounterMemory<'static> {
    if !is_on {
        return CounterMemory { without_verdicts: true, ..CounterMemory::default() };
    }
    CounterMemory {
        vrfs: vec![VrfCounters::ZERO; 2].leak(),
        too_big: vec![TooBigCounters::ZERO; 2].leak(),
        groups: vec![GroupCounters::ZERO; 4].leak(),
        vsis: vec![BridgeCounters::ZERO; 4].leak(),
        ports: vec![BridgeCounters::ZERO; 4].leak(),
        ..CounterMemory::default()
    }
}

/// Interface 0 to the core, 1 to 3 of a customer, 4 and 5 circuits of an instance.
fn router(is_on: bool) -> Forwarder<'static> {
    let multicast = MulticastMemory {
        vrfs: vec![MulticastVrfSlot::EMPTY; 2].leak(),
        routes: vec![ExactSlot::EMPTY; 64].leak(),
        routes6: vec![Exact6Slot::EMPTY; 64].leak(),
        tunnels: vec![Word::ZERO; 4].leak(),
        groups: vec![ReplicationSlot::EMPTY; 4].leak(),
        legs: vec![LegSlot::EMPTY; 64].leak(),
    };
    let bridge = BridgeMemory {
        vsis: vec![VsiSlot::EMPTY; 5].leak(),
        vsi_states: vec![VsiState::EMPTY; 4].leak(),
        ports: vec![PortSlot::EMPTY; 5].leak(),
        port_states: vec![PortState::EMPTY; 4].leak(),
        circuits: vec![CircuitSlot::EMPTY; 8].leak(),
        macs: vec![MacBucket::EMPTY; 64].leak(),
    };
    let memory = Memory {
        interfaces: vec![InterfaceSlot::EMPTY; 9].leak(),
        vrfs: vec![VrfSlot::EMPTY; 2].leak(),
        nhlfes: vec![NhlfeSlot::EMPTY; 9].leak(),
        ilm: vec![Word::ZERO; 1000].leak(),
        rib4: vec![Rib4Node::EMPTY; 20].leak(),
        fib4: vec![Word::ZERO; 2000].leak(),
        multicast,
        bridge,
        seed: 7,
        ..Memory::default()
    };
    let mut f = Forwarder::new(memory, counters(is_on)).expect("memory of these sizes");
    ops().into_iter().for_each(|op| f.apply(&op).unwrap_or_else(|error| panic!("{op:?}: {error}")));
    f
}

fn ops() -> Vec<FwdOp> {
    let interface = |iface, vrf, mpls| FwdOp::SetInterface {
        iface: IfIndex(iface),
        interface: Interface { vrf, mac: OURS, mtu: 1500, mpls },
    };
    let to = |iface| NextHop::Neighbor { iface: IfIndex(iface), mac: THEIRS };
    let entry =
        |id, push, next| FwdOp::SetNhlfe { id: NhlfeId(id), nhlfe: Nhlfe { push, next, model: TunnelModel::Pipe } };
    let ilm = |l, action| FwdOp::SetIlm { label: label(l), ilm: Ilm { action, model: TunnelModel::Pipe } };
    let route = |prefix: &str, id| FwdOp::SetRoute4 {
        vrf: VRF,
        prefix: prefix.parse().expect("a prefix"),
        action: RouteAction::Forward(NhlfeId(id)),
    };
    let port = |n: u32| {
        let port = BridgePort {
            vsi: VSI,
            attachment: Attachment::Circuit { iface: IfIndex(n + 4), tags: Tags::Any },
            split_horizon: 0,
            mac_limit: 10,
            learn: true,
            control_word: false,
            flow_label: FlowLabels::NONE,
            class: None,
        };
        FwdOp::SetPort { id: PortId(n), port }
    };
    let settings = Vsi {
        unknown: None,
        broadcast: None,
        multicast: None,
        mac_limit: 10,
        age: 300,
        multicast_mtu: 0,
        snoop: false,
        link_local: LinkLocal::Flood,
        sequence: false,
        classes: ClassMap::IDENTITY,
    };
    let group = ReplicationId(1);
    let leg = |n: u16, target| FwdOp::SetLeg { group, leg: n, target };
    let rpf = Rpf::From(Origin::Interface(IfIndex(1)));
    let mroute = Mroute { rpf, replication: Some(group), punt_wrong_interface: false, register: false, spt: None };
    let key = MrouteKey::Source4 { source: [20, 0, 0, 9].into(), group: [232, 1, 1, 1].into() };
    vec![
        interface(0, VrfId::GLOBAL, true),
        interface(1, VRF, false),
        interface(2, VRF, false),
        interface(3, VRF, false),
        interface(4, VrfId::GLOBAL, false),
        interface(5, VrfId::GLOBAL, false),
        entry(0, LabelStack::single(label(600)), to(0)),
        entry(1, LabelStack::single(label(500)), NextHop::Nhlfe(NhlfeId(0))),
        entry(2, LabelStack::EMPTY, to(1)),
        route("10.0.0.0/8", 1),
        route("20.0.0.0/8", 2),
        ilm(100, IlmAction::Forward(NhlfeId(0))),
        ilm(200, IlmAction::PopLookup(VRF)),
        FwdOp::SetMulticastVrf { vrf: VRF, multicast: MulticastVrf { punt_no_route: false } },
        FwdOp::SetReplication { id: group, owner: VsiOrVrf::Vrf(VRF) },
        leg(0, LegTarget::Interface(IfIndex(2))),
        leg(1, LegTarget::Interface(IfIndex(3))),
        leg(2, LegTarget::Nhlfe(NhlfeId(1))),
        FwdOp::SetMroute { vrf: VRF, key, mroute },
        FwdOp::SetVsi { vsi: VSI, settings },
        port(0),
        port(1),
        FwdOp::SetMac { vsi: VSI, mac: THEIRS, port: PortId(1) },
    ]
}

fn ip(to: [u8; 4]) -> Vec<u8> {
    let mut ip = vec![0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17, 0, 0, 20, 0, 0, 9];
    ip.extend(to);
    Ipv4::of_mut(&mut ip).expect("a header").fill_checksum();
    ip.resize(46, 0);
    ip
}

/// The time that a sample of packets takes, in nanoseconds for each.
fn sample(f: &mut Forwarder<'_>, buffers: &mut [u8], octets: &[u8], ingress: IfIndex, exits: usize) -> f64 {
    let room = Frame::HEADROOM + octets.len();
    for buffer in buffers.chunks_exact_mut(room) {
        buffer[Frame::HEADROOM..].copy_from_slice(octets);
    }
    let mut sent = 0;
    let begin = Instant::now();
    for buffer in buffers.chunks_exact_mut(room) {
        let mut frame = Frame::new(buffer, Frame::HEADROOM, octets.len()).expect("room");
        match f.forward(&mut frame, ingress) {
            Verdict::Transmit { .. } => sent += 1,
            Verdict::Replicate(replication) => {
                let mut copies = f.copies(&frame, replication);
                while let Some(copy) = copies.next() {
                    sent += usize::from(matches!(black_box(copy), Replica::Transmit { .. }));
                }
            }
            verdict => panic!("{verdict:?}"),
        }
    }
    let nanos = begin.elapsed().as_nanos() as f64;
    assert_eq!(sent, exits * PACKETS);
    nanos / PACKETS as f64
}

/// Shows: MVPN-OAM-16
fn main() {
    let (mut on, mut off) = (router(true), router(false));
    let ethernet = |to, ethertype| Ethernet::new(to, Mac([2, 0, 0, 0, 0, 7]), ethertype).0;
    let unicast = |to| [&ethernet(OURS, EtherType::IPV4)[..], &ip(to)].concat();
    let labelled = |l| {
        let entry = LabelEntry::new(label(l), 0, true, 64).0;
        [&ethernet(OURS, EtherType::MPLS)[..], &entry, &ip([20, 1, 2, 3])].concat()
    };
    let group = [&ethernet(Mac([1, 0, 0x5e, 1, 1, 1]), EtherType::IPV4)[..], &ip([232, 1, 1, 1])].concat();
    let bridged = [&ethernet(THEIRS, EtherType::IPV4)[..], &ip([1, 2, 3, 4])].concat();
    let mut failed = false;
    for (name, octets, ingress, exits) in [
        ("IPv4 to two labels", unicast([10, 1, 2, 3]), 1, 1),
        ("label to IPv4", labelled(200), 0, 1),
        ("label swapped", labelled(100), 0, 1),
        ("multicast to three legs", group, 1, 3),
        ("bridged", bridged, 4, 1),
    ] {
        let mut buffers = vec![0; PACKETS * (Frame::HEADROOM + octets.len())];
        let mut least = [f64::MAX; 2];
        for n in 0..2 * SAMPLES {
            let (f, least) = if n % 2 == 0 { (&mut on, &mut least[0]) } else { (&mut off, &mut least[1]) };
            *least = least.min(sample(f, &mut buffers, &octets, IfIndex(ingress), exits));
        }
        let [with, without] = least;
        let share = without / with * 100.0;
        println!("{name:<24} {with:>7.1} ns with counters, {without:>7.1} without: {share:.1} per cent of the rate");
        failed |= share < MARK;
    }
    assert!(on.counters().total() > 0 && off.counters().total() == 0);
    assert!(!failed, "with counters, less than {MARK} per cent of the rate without");
}
