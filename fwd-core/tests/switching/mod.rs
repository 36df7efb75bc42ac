//! A router with VRFs, instances and a core link, and what becomes of frames. Shared with the fuzz target `bridge_multicast`.
#![allow(dead_code)] // the fuzz target and the audit use a part

use std::collections::BTreeMap;

use fwd_core::net::*;
use fwd_core::op::*;
use fwd_core::table::*;
use fwd_core::wire::{EtherType, Ethernet, Ipv4};
use fwd_core::{BridgeCounters, DropReason, Forwarder, Frame, GroupCounters, PuntReason, Replica, Verdict};

pub const CORE: IfIndex = IfIndex(9);
pub const OURS: Mac = Mac([2, 0, 0, 0, 0, 1]);
pub const NEXT: Mac = Mac([2, 0, 0, 0, 0, 2]);
pub const VSI: VsiId = VsiId(1);
pub const FLOOD: ReplicationId = ReplicationId(1);

/// Ten interfaces: 0 to 2 of VRF 1, 3 to 5 of VRF 2, 6 to 9 of the core or of bridge ports.
pub fn forwarder() -> Forwarder<'static> {
    let multicast = MulticastMemory {
        vrfs: vec![MulticastVrfSlot::EMPTY; 3].leak(),
        routes: vec![ExactSlot::EMPTY; 64].leak(),
        routes6: vec![Exact6Slot::EMPTY; 64].leak(),
        tunnels: vec![Word::ZERO; 4].leak(),
        groups: vec![ReplicationSlot::EMPTY; 8].leak(),
        legs: vec![LegSlot::EMPTY; 128].leak(),
    };
    let bridge = BridgeMemory {
        vsis: vec![VsiSlot::EMPTY; 5].leak(),
        vsi_states: vec![VsiState::EMPTY; 4].leak(),
        ports: vec![PortSlot::EMPTY; 17].leak(),
        port_states: vec![PortState::EMPTY; 16].leak(),
        circuits: vec![CircuitSlot::EMPTY; 16].leak(),
        macs: vec![MacBucket::EMPTY; 64].leak(),
    };
    let memory = Memory {
        interfaces: vec![InterfaceSlot::EMPTY; 17].leak(),
        vrfs: vec![VrfSlot::EMPTY; 3].leak(),
        nhlfes: vec![NhlfeSlot::EMPTY; 17].leak(),
        ilm: vec![IlmSlot::EMPTY; 64].leak(),
        policers: vec![PolicerSlot::EMPTY; 5].leak(),
        rib4: vec![Rib4Node::EMPTY; 20].leak(),
        fib4: vec![Word::ZERO; 4000].leak(),
        multicast,
        bridge,
        seed: 7,
        ..Memory::default()
    };
    let counters = CounterMemory {
        groups: vec![GroupCounters::ZERO; 8].leak(),
        vsis: vec![BridgeCounters::ZERO; 4].leak(),
        ports: vec![BridgeCounters::ZERO; 16].leak(),
        buckets: vec![TokenBuckets::EMPTY; 4].leak(),
        ..CounterMemory::default()
    };
    let mut f = Forwarder::new(memory, counters).unwrap();
    for i in 0..10 {
        let vrf = VrfId([1, 1, 1, 2, 2, 2, 0, 0, 0, 0][i as usize]);
        let interface = Interface { vrf, mac: OURS, mtu: 1500, mpls: i == 9 };
        f.apply(&FwdOp::SetInterface { iface: IfIndex(i), interface }).unwrap();
    }
    // Entry n pushes label 1000 + n, towards the core.
    for n in 0..16 {
        let next = NextHop::Neighbor { iface: CORE, mac: NEXT };
        let push = LabelStack::single(label(1000 + n));
        let nhlfe = Nhlfe { push, next, model: TunnelModel::Pipe };
        f.apply(&FwdOp::SetNhlfe { id: NhlfeId(n), nhlfe }).unwrap();
    }
    f
}

pub fn label(n: u32) -> Label {
    Label::new(n).unwrap()
}

pub fn apply(f: &mut Forwarder<'_>, ops: impl IntoIterator<Item = FwdOp>) {
    for op in ops {
        f.apply(&op).unwrap_or_else(|error| panic!("{op:?}: {error}"));
    }
}

/// What became of a frame: where it went, or why not.
#[derive(Debug, PartialEq)]
pub enum Fate {
    Sent(BTreeMap<IfIndex, Vec<Vec<u8>>>),
    Punt(PuntReason),
    Drop(DropReason),
}

pub fn forward(f: &mut Forwarder<'_>, iface: u32, octets: &[u8]) -> Fate {
    let mut buffer = vec![0; Frame::HEADROOM];
    buffer.extend_from_slice(octets);
    let mut frame = Frame::new(&mut buffer, Frame::HEADROOM, octets.len()).unwrap();
    let mut sent: BTreeMap<IfIndex, Vec<Vec<u8>>> = BTreeMap::new();
    match f.forward(&mut frame, IfIndex(iface)) {
        Verdict::Transmit { iface, .. } => sent.entry(iface).or_default().push(frame.octets().to_vec()),
        Verdict::Replicate(replication) => {
            let mut copies = f.copies(&frame, replication);
            while let Some(replica) = copies.next() {
                if let Replica::Transmit { iface, front, payload, .. } = replica {
                    sent.entry(iface).or_default().push([front, &frame.octets()[payload]].concat());
                }
            }
            assert_eq!(frame.octets(), octets, "replication changed the frame");
        }
        Verdict::Punt { reason, .. } | Verdict::PuntFrame { reason, .. } => return Fate::Punt(reason),
        Verdict::Drop(reason) => return Fate::Drop(reason),
        Verdict::Protect { .. } => unreachable!("nothing is protected here"),
    }
    Fate::Sent(sent)
}

/// The interfaces that a frame left by.
pub fn exits(fate: &Fate) -> Vec<u32> {
    match fate {
        Fate::Sent(sent) => sent.iter().flat_map(|(iface, frames)| frames.iter().map(|_| iface.0)).collect(),
        other => panic!("{other:?}"),
    }
}

pub fn settings() -> Vsi {
    let all = Some(FLOOD);
    Vsi {
        unknown: all,
        broadcast: all,
        multicast: all,
        mac_limit: 100,
        age: 300,
        multicast_mtu: 0,
        snoop: false,
        link_local: LinkLocal::Flood,
        sequence: false,
        classes: ClassMap::IDENTITY,
    }
}

pub fn circuit(vsi: VsiId, iface: u32, tags: Tags) -> BridgePort {
    let attachment = Attachment::Circuit { iface: IfIndex(iface), tags };
    BridgePort {
        vsi,
        attachment,
        split_horizon: 0,
        mac_limit: 100,
        learn: true,
        control_word: false,
        flow_label: FlowLabels::NONE,
        class: None,
    }
}

pub fn pseudowire(vsi: VsiId, nhlfe: u32) -> BridgePort {
    let attachment = Attachment::Pseudowire { nhlfe: NhlfeId(nhlfe) };
    BridgePort { attachment, split_horizon: 1, control_word: true, ..circuit(vsi, 0, Tags::Any) }
}

pub fn mac(n: u8) -> Mac {
    Mac([2, 0, 0, 0, 1, n])
}

pub fn ethernet(to: Mac, from: Mac, rest: &[u8]) -> Vec<u8> {
    [&to.0[..], &from.0, rest].concat()
}

pub const DATA: [u8; 48] = [0x88; 48];

pub fn packet(source: [u8; 4], group: [u8; 4], ttl: u8) -> Vec<u8> {
    let mut ip = vec![0x45, 0xb8, 0, 60, 0, 1, 0x40, 0, ttl, 17, 0, 0];
    ip.extend(source);
    ip.extend(group);
    Ipv4::of_mut(&mut ip).unwrap().fill_checksum();
    ip.extend(0..40);
    ip
}

pub fn multicast(source: [u8; 4], ttl: u8) -> Vec<u8> {
    let front = Ethernet::new(Mac([1, 0, 0x5e, 1, 1, 1]), NEXT, EtherType::IPV4).0;
    [&front[..], &packet(source, [232, 1, 1, 1], ttl)].concat()
}

pub const SOURCE: [u8; 4] = [10, 0, 0, 1];

/// VRF 1 routes (10.0.0.1, 232.1.1.1) from interface 0 to interfaces 1 and 2 and into a P2MP LSP.
pub fn mvpn(mroute: impl FnOnce(Mroute) -> Mroute) -> Forwarder<'static> {
    let mut f = forwarder();
    let (vrf, group) = (VrfId(1), ReplicationId(3));
    let key = MrouteKey::Source4 { source: SOURCE.into(), group: [232, 1, 1, 1].into() };
    let route = mroute(Mroute {
        rpf: Rpf::From(Origin::Interface(IfIndex(0))),
        replication: Some(group),
        punt_wrong_interface: false,
        register: false,
        spt: None,
    });
    apply(&mut f, [FwdOp::SetMulticastVrf { vrf, multicast: MulticastVrf { punt_no_route: true } }]);
    apply(&mut f, [FwdOp::SetReplication { id: group, owner: VsiOrVrf::Vrf(vrf) }]);
    let legs = [0, 1, 2].map(|n| LegTarget::Interface(IfIndex(n)));
    for (leg, target) in (0..).zip(legs.into_iter().chain([LegTarget::Nhlfe(NhlfeId(5))])) {
        apply(&mut f, [FwdOp::SetLeg { group, leg, target }]);
    }
    apply(&mut f, [FwdOp::SetMroute { vrf, key, mroute: route }]);
    f
}

pub fn group_target(n: u32) -> LegTarget {
    match n % 6 {
        0 => LegTarget::Interface(IfIndex(n % 6)),
        1 => LegTarget::Port(PortId(n % 8)),
        2 => LegTarget::Group(ReplicationId(n % 8)),
        3 => LegTarget::Nhlfe(NhlfeId(n % 16)),
        4 => LegTarget::Context(LabelSpaceId(n % 4)),
        _ => LegTarget::Local,
    }
}

/// A change of groups, legs, routes and instances, by numbers.
pub type Change = (u8, u32, u32, u16);
/// A frame: the interface it arrives on, what it is, its source.
pub type Arriving = (u32, u8, u8);

/// Makes changes, then forwards frames, and checks that no frame of one VPN leaves unlabelled on another's interface.
pub fn leaks(changes: &[Change], frames: &[Arriving]) {
    let mut f = mvpn(|mroute| Mroute { rpf: Rpf::Any, ..mroute });
    for vsi in [1, 2] {
        apply(&mut f, [FwdOp::SetVsi { vsi: VsiId(vsi), settings: settings() }]);
    }
    apply(&mut f, [FwdOp::SetMulticastVrf { vrf: VrfId(2), multicast: MulticastVrf { punt_no_route: false } }]);
    // Interfaces 6 and 7 are those of instance 1, 8 that of instance 2: ports 6, 7 and 0.
    for (id, vsi, iface) in [(6, 1, 6), (7, 1, 7), (0, 2, 8)] {
        apply(&mut f, [FwdOp::SetPort { id: PortId(id), port: circuit(VsiId(vsi), iface, Tags::Any) }]);
    }
    for &change in changes {
        let op = change_op(change);
        assert_eq!(FwdOp::parse(&op.emit()), Ok(op));
        let first = f.apply(&op);
        assert_eq!(f.apply(&op).is_ok(), first.is_ok(), "{op:?}");
    }
    let vpn = |iface: u32| [1, 1, 1, 2, 2, 2, 3, 3, 4, 0][iface as usize % 10];
    for &(iface, to, from) in frames {
        let octets = match to % 4 {
            0 => multicast(SOURCE, 9),
            1 => multicast([10, 0, 0, from], 9),
            2 => ethernet(Mac::BROADCAST, mac(from), &DATA),
            _ => ethernet(mac(to / 4), mac(from), &DATA),
        };
        let iface = iface % 9;
        if let Fate::Sent(sent) = forward(&mut f, iface, &octets) {
            for (out, copies) in sent {
                let is_labelled = copies.iter().all(|copy| copy[12..14] == [0x88, 0x47]);
                assert!(vpn(out.0) == vpn(iface) || (out == CORE && is_labelled), "{iface} to {out}");
            }
        }
    }
}

pub fn change_op((change, a, b, c): Change) -> FwdOp {
    let (group, of) = (ReplicationId(a % 8), (b % 3) as u16);
    let owner = if a % 2 == 0 { VsiOrVrf::Vsi(VsiId(of)) } else { VsiOrVrf::Vrf(VrfId(of)) };
    match change % 6 {
        0 => FwdOp::SetReplication { id: group, owner },
        1 => {
            let key = MrouteKey::Group4 { group: Ipv4Prefix::host([232, 1, 1, 1].into()) };
            let mroute = Mroute {
                rpf: Rpf::Any,
                replication: Some(group),
                punt_wrong_interface: false,
                register: a % 3 == 0,
                spt: None,
            };
            FwdOp::SetMroute { vrf: VrfId(of), key, mroute }
        }
        2 => {
            let all = Some(group);
            let settings = Vsi { unknown: all, broadcast: all, multicast: all, ..settings() };
            FwdOp::SetVsi { vsi: VsiId(1 + of % 2), settings }
        }
        3 => FwdOp::SetMark { at: MarkPoint::Group(group), code: CodePoint::new(c as u8 & 63).unwrap() },
        _ => FwdOp::SetLeg { group, leg: c % 8, target: group_target(b) },
    }
}
