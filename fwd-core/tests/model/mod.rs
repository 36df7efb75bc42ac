//! Arbitrary ops and frames against the forwarder and a naive model of it. Shared with the fuzz target `bridge_forward`.

pub mod naive;

use arbitrary::{Result, Unstructured};
use fwd_core::net::{
    IfIndex, Ipv4Prefix, Ipv6Prefix, Label, LabelSpaceId, LabelStack, Mac, NhlfeId, PortId, ReplicationId, SaId,
    TunnelId, VrfId,
};
use fwd_core::op::{Assigned, FwdOp, Ilm, IlmAction, Interface, MarkPoint, NextHop, Nhlfe, RouteAction, TunnelModel};
use fwd_core::table::{
    ApplyError, CounterMemory, IlmSlot, InterfaceSlot, Memory, NhlfeSlot, Rib4Node, Rib6Node, Sizes, Table, Thresholds,
    VrfSlot, Word,
};
use fwd_core::wire::Ipv4;
use fwd_core::{Counters, Forwarder, Frame, Packet, Verdict, VrfCounters};
use naive::Naive;

const INTERFACES: u32 = 4;
const VRFS: u16 = 3;
const NHLFES: u32 = 6;
const LABELS: u32 = 8;
const NODES: usize = 12;
/// Words that look-ups of as many routes never use up.
const WORDS: usize = 135 * 20;
/// VRFs get direct roots and what stands in front of them, if there are any, with so few routes, and have it looked into at once.
const FEW: Thresholds = Thresholds { direct: 2, front4: 2, front6: 2, fill4: 1 << 24, fill6: 1 << 21 };

/// Direct roots, and what stands in front of them.
#[derive(Clone, Copy, PartialEq)]
enum Roots {
    None,
    Direct,
    Front,
}

/// Tables so small that everything meets everything and some things do not fit.
#[derive(Clone)]
pub struct Arrays {
    interfaces: [InterfaceSlot; INTERFACES as usize + 1],
    vrfs: [VrfSlot; VRFS as usize],
    nhlfes: [NhlfeSlot; NHLFES as usize + 1],
    ilm: [IlmSlot; LABELS as usize],
    rib4: [Rib4Node; NODES],
    fib4: [Word; WORDS],
    rib6: [Rib6Node; NODES],
    fib6: [Word; WORDS],
    direct: [Vec<Word>; 2],
    front: [Vec<Word>; 2],
    counters: [VrfCounters; VRFS as usize],
}

impl Arrays {
    fn new(roots: Roots) -> Self {
        let words = |is_there: bool, words: usize| vec![Word::ZERO; if is_there { words } else { 0 }];
        let direct = words(roots != Roots::None, Sizes::direct_words(1));
        let front = Sizes { front4: 1, front6: 1, routes6: 20, ..Sizes::NONE };
        let front = [front.front4_words(), front.front6_words()].map(|len| words(roots == Roots::Front, len));
        Self {
            direct: [direct.clone(), direct],
            front,
            interfaces: [const { InterfaceSlot::EMPTY }; INTERFACES as usize + 1],
            vrfs: [const { VrfSlot::EMPTY }; VRFS as usize],
            nhlfes: [const { NhlfeSlot::EMPTY }; NHLFES as usize + 1],
            ilm: [const { IlmSlot::EMPTY }; LABELS as usize],
            rib4: [Rib4Node::EMPTY; NODES],
            fib4: [const { Word::ZERO }; WORDS],
            rib6: [Rib6Node::EMPTY; NODES],
            fib6: [const { Word::ZERO }; WORDS],
            counters: [VrfCounters::ZERO; VRFS as usize],
        }
    }

    pub fn forwarder(&mut self) -> Forwarder<'_> {
        let ([direct4, direct6], [front4, front6]) = (&mut self.direct, &mut self.front);
        Forwarder::new(
            Memory {
                interfaces: &mut self.interfaces,
                vrfs: &mut self.vrfs,
                nhlfes: &mut self.nhlfes,
                first_label: Label::FIRST_UNRESERVED,
                ilm: &mut self.ilm,
                rib4: &mut self.rib4,
                fib4: &mut self.fib4,
                rib6: &mut self.rib6,
                fib6: &mut self.fib6,
                direct4,
                direct6,
                front4,
                front6,
                thresholds: FEW,
                ..Memory::default()
            },
            CounterMemory { vrfs: &mut self.counters, ..CounterMemory::default() },
        )
        .unwrap()
    }
}

/// Reads ops and frames from `data`, until it ends, and runs both forwarders on them.
pub fn run(data: &[u8]) -> Counters {
    let mut u = Unstructured::new(data);
    // To fill and clear these takes long: not often.
    let roots = match u.int_in_range(0..=255_u8).unwrap_or(0) {
        255 => Roots::Front,
        224.. => Roots::Direct,
        _ => Roots::None,
    };
    let mut arrays = Arrays::new(roots);
    let mut forwarder = arrays.forwarder();
    let mut model = Naive::default();
    let mut frames = 0;
    // Frames since the last op.
    let mut seen = Vec::new();
    if u.ratio(3, 4).unwrap_or(false) {
        furnish(&mut forwarder, &mut model);
    }
    while !u.is_empty() {
        let step = if u.ratio(2, 3).unwrap_or(false) {
            frames += together(&mut forwarder, &mut seen);
            op(&mut u).map(|op| apply(&mut forwarder, &mut model, &op))
        } else {
            frame(&mut u).map(|(ingress, headroom, octets)| {
                frames += forward(&mut forwarder, &model, ingress, headroom, &octets);
                seen.push((ingress, headroom, octets));
            })
        };
        if step.is_err() {
            break;
        }
    }
    frames += together(&mut forwarder, &mut seen);
    assert_eq!(forwarder.counters().total(), frames);
    same_tables(&forwarder, &model);
    forwarder.counters().clone()
}

/// Makes an LSR and PE of it, so that few octets of input reach far.
fn furnish(forwarder: &mut Forwarder<'_>, model: &mut Naive) {
    let interfaces = (0..INTERFACES).map(|i| {
        let vrf = VrfId([0, 0, 1, 2][i as usize % 4]);
        let interface = Interface { vrf, mac: Mac([2, 0, 0, 0, 0, 0]), mtu: 1500, mpls: i < 2 };
        FwdOp::SetInterface { iface: IfIndex(i), interface }
    });
    let nhlfes = (0..NHLFES).map(|i| {
        let push: Vec<Label> = (0..i % 3).filter_map(|j| Label::new(100 + 10 * i + j)).collect();
        let next = match i {
            5 => NextHop::Nhlfe(NhlfeId(1)),
            4 => NextHop::Lan { iface: IfIndex(1), top: Assigned::Upstream },
            _ => NextHop::Neighbor { iface: IfIndex(i % INTERFACES), mac: Mac([2, 0, 0, 0, 0, 8]) },
        };
        let nhlfe = Nhlfe { push: LabelStack::new(&push).unwrap(), next, model: MODELS[i as usize % 3] };
        FwdOp::SetNhlfe { id: NhlfeId(i), nhlfe }
    });
    let ilms = (0..LABELS).filter_map(|i| {
        let action = match i % 4 {
            3 => IlmAction::PopLookup(VrfId((i % 3) as u16)),
            _ => IlmAction::Forward(NhlfeId(i % NHLFES)),
        };
        let label = Label::new(16 + i)?;
        Some(FwdOp::SetIlm { label, ilm: Ilm { action, model: MODELS[i as usize / 2 % 3] } })
    });
    let routes = (0..VRFS).flat_map(|v| {
        let (vrf, action) = (VrfId(v), RouteAction::Forward(NhlfeId(u32::from(v) + 1)));
        let v4 = FwdOp::SetRoute4 { vrf, prefix: prefix4(Ipv4Prefix::DEFAULT), action };
        [v4, FwdOp::SetRoute6 { vrf, prefix: Ipv6Prefix::DEFAULT, action }]
    });
    for op in interfaces.chain(nhlfes).chain(ilms).chain(routes) {
        forwarder.apply(&op).unwrap();
        model.apply(&op);
    }
}

const MODELS: [TunnelModel; 3] = [TunnelModel::Uniform, TunnelModel::Pipe, TunnelModel::ShortPipe];

/// Applies an op to both, twice to the forwarder; a refused one changes nothing.
fn apply(forwarder: &mut Forwarder<'_>, model: &mut Naive, op: &FwdOp) {
    assert_eq!(FwdOp::parse(&op.emit()).as_ref(), Ok(op));
    match forwarder.apply(op) {
        Ok(()) => model.apply(op),
        Err(ApplyError::TableFull(Table::Fib4 | Table::Fib6)) => {
            let routes = model.routes.len();
            assert!(routes > NODES / 2, "{routes} routes do not fill {NODES} nodes");
        }
        Err(ApplyError::WithoutQos) => {}
        Err(error) => assert!(!fits(op), "{op:?}: {error}"),
    }
    let _ = forwarder.apply(op);
    same_tables(forwarder, model);
}

/// Whether an op's numbers are within the tables.
fn fits(op: &FwdOp) -> bool {
    match *op {
        FwdOp::SetInterface { iface, interface } => iface.0 < INTERFACES && interface.vrf.0 < VRFS,
        FwdOp::SetNhlfe { id, .. } => id.0 < NHLFES,
        FwdOp::SetIlm { label, ilm } => match (label.value(), ilm.action) {
            (0 | 2, action) => action == IlmAction::PopLookup(VrfId::GLOBAL),
            (1..=15, _) => false,
            (label, IlmAction::PopLookup(vrf)) => label < 16 + LABELS && vrf.0 < VRFS,
            (label, IlmAction::Forward(_)) => label < 16 + LABELS,
            (
                label,
                IlmAction::Replicate(ReplicationId(n))
                | IlmAction::Multicast(TunnelId(n))
                | IlmAction::Bridge(PortId(n))
                | IlmAction::Context(LabelSpaceId(n)),
            ) => label < 16 + LABELS && n < 1 << 26,
        },
        FwdOp::SetRoute4 { vrf, .. } | FwdOp::SetRoute6 { vrf, .. } => vrf.0 < VRFS,
        // The tables of these have no memory here.
        FwdOp::SetBucket { .. } | FwdOp::SetProtection { .. } | FwdOp::SetWatch { .. } => false,
        FwdOp::SetInterfaceState { .. } => false,
        FwdOp::SetMroute { .. } | FwdOp::SetMulticastVrf { .. } | FwdOp::SetRpfMember { .. } => false,
        FwdOp::SetContextIlm { .. } | FwdOp::SetLabelSpace { .. } | FwdOp::SetUpstreamSpace { .. } => false,
        FwdOp::SetReplication { .. } | FwdOp::SetLeg { .. } | FwdOp::SetMulticastTunnel { .. } => false,
        FwdOp::SetVsi { .. } | FwdOp::SetVsiGroup { .. } | FwdOp::SetVlanDomain { .. } => false,
        FwdOp::SetPort { .. } | FwdOp::SetMac { .. } => false,
        FwdOp::SetPolicer { .. } | FwdOp::SetPolicePoint { .. } => false,
        FwdOp::SetMark { at: MarkPoint::Vrf(vrf), .. } => vrf.0 < VRFS,
        FwdOp::SetMark { at: MarkPoint::Group(_), .. } => false,
        FwdOp::SetVlink { .. } | FwdOp::SetVlinkOutput { .. } => false,
        _ => true,
    }
}

fn same_tables(forwarder: &Forwarder<'_>, model: &Naive) {
    for iface in (0..INTERFACES).map(IfIndex) {
        assert_eq!(forwarder.interface(iface).as_ref(), model.interfaces.get(&iface));
        assert_eq!(forwarder.label_space(iface).is_some(), model.spaces.contains(&iface));
        assert_eq!(forwarder.upstream_space(iface).is_some(), model.upstream.contains(&iface));
    }
    for id in (0..NHLFES).map(NhlfeId) {
        assert_eq!(forwarder.nhlfe(id).map(|n| n.next), model.nhlfes.get(&id).map(|n| n.next));
    }
    for label in (16..16 + LABELS).filter_map(Label::new) {
        assert_eq!(forwarder.ilm(label).as_ref(), model.ilms.get(&label));
    }
    for vrf in (0..VRFS).map(VrfId) {
        let counts = (forwarder.routes4(vrf).count() as u32, forwarder.routes6(vrf).count() as u32);
        assert_eq!(forwarder.route_counts(vrf), counts);
    }
    let routes = (0..VRFS).map(VrfId).flat_map(|vrf| {
        let v4 = forwarder.routes4(vrf).map(move |(p, action)| ((vrf, p.into()), action));
        v4.chain(forwarder.routes6(vrf).map(move |(p, action)| ((vrf, p.into()), action)))
    });
    let routes: Vec<_> = routes.collect();
    assert!(routes.iter().copied().eq(model.routes.iter().map(|(k, v)| (*k, *v))), "{routes:?}\n{model:?}");
}

/// Compares one frame, forwarded; returns how often it was.
fn forward(forwarder: &mut Forwarder<'_>, model: &Naive, ingress: IfIndex, headroom: usize, octets: &[u8]) -> u64 {
    let before = forwarder.counters().clone();
    let mut buffer = vec![0xa5; headroom];
    buffer.extend_from_slice(octets);
    let mut frame = Frame::new(&mut buffer, headroom, octets.len()).unwrap();
    let verdict = forwarder.forward(&mut frame, ingress);
    let (expected, sent) = model.forward(octets, ingress);
    if verdict == Verdict::Drop(fwd_core::DropReason::NoHeadroom) {
        assert_eq!(frame.octets(), octets);
    } else {
        assert_eq!(verdict, expected, "{octets:02x?} on {ingress}\n{model:?}");
        assert_eq!(frame.octets(), sent, "{octets:02x?} on {ingress}\n{model:?}");
    }
    let changed: u64 = forwarder.counters().iter().zip(before.iter()).map(|((_, a), (_, b))| a - b).sum();
    assert_eq!(changed, 1);
    if verdict != Verdict::Drop(fwd_core::DropReason::NoHeadroom) {
        return 1;
    }
    // With all the headroom it goes out, and takes more of it than there was; padding that is cut at the end makes no room.
    let mut buffer = vec![0xa5; Frame::HEADROOM];
    buffer.extend_from_slice(octets);
    let mut frame = Frame::new(&mut buffer, Frame::HEADROOM, octets.len()).unwrap();
    assert_eq!(forwarder.forward(&mut frame, ingress), expected);
    assert_eq!(frame.octets(), sent);
    assert!(frame.headroom() + headroom < Frame::HEADROOM, "headroom {headroom} was enough");
    2
}

/// Forwards frames again, in a batch, one by one, and one by one through all stages: verdicts, octets and counters of VRFs are the same.
/// Returns how many were forwarded.
fn together(forwarder: &mut Forwarder<'_>, seen: &mut Vec<(IfIndex, usize, Vec<u8>)>) -> u64 {
    let buffers: Vec<Vec<u8>> =
        seen.iter().map(|(_, headroom, octets)| [&vec![0xa5; *headroom][..], octets].concat()).collect();
    let [mut batched, mut single, mut staged] = [(); 3].map(|()| buffers.clone());
    let packet = |((ingress, headroom, octets), buffer): (&(IfIndex, usize, Vec<u8>), _)| {
        Packet::new(Frame::new(buffer, *headroom, octets.len()).unwrap(), *ingress)
    };
    let [mut batched, mut single, mut staged] = [&mut batched, &mut single, &mut staged]
        .map(|buffers| seen.iter().zip(buffers.iter_mut().map(Vec::as_mut_slice)).map(packet).collect::<Vec<_>>());
    let first = vrf_counters(forwarder);
    forwarder.forward_batch(&mut batched);
    let second = vrf_counters(forwarder);
    for packet in &mut single {
        packet.verdict = Some(forwarder.forward(&mut packet.frame, packet.ingress));
    }
    let third = vrf_counters(forwarder);
    // The association matters for packets out of virtual links alone, and there are none here.
    for packet in &mut staged {
        packet.verdict = Some(forwarder.forward_unprotected(&mut packet.frame, packet.ingress, SaId(0)));
    }
    let added = |before: &[u64], after: &[u64]| before.iter().zip(after).map(|(a, b)| b - a).collect::<Vec<_>>();
    assert_eq!(added(&first, &second), added(&second, &third));
    assert_eq!(added(&second, &third), added(&third, &vrf_counters(forwarder)));
    for ((batched, single), staged) in batched.iter().zip(&single).zip(&staged) {
        assert_eq!((batched.verdict, batched.frame.octets()), (single.verdict, single.frame.octets()));
        assert_eq!((staged.verdict, staged.frame.octets()), (single.verdict, single.frame.octets()));
    }
    3 * std::mem::take(seen).len() as u64
}

/// All counters of all VRFs.
fn vrf_counters(forwarder: &Forwarder<'_>) -> Vec<u64> {
    let counters = (0..VRFS).map(|vrf| forwarder.vrf_counters(VrfId(vrf)));
    counters.flat_map(|c| [c.in_packets, c.in_octets, c.out_packets, c.out_octets]).collect()
}

/// An op whose numbers mostly fall into the small tables.
pub fn op(u: &mut Unstructured<'_>) -> Result<FwdOp> {
    Ok(match u.arbitrary()? {
        FwdOp::SetInterface { iface, interface: i } => {
            let mtu = if u.ratio(1, 4)? { i.mtu % 100 } else { 1500 };
            let interface = Interface { vrf: vrf(i.vrf), mac: mac(u)?, mtu, mpls: i.mpls };
            FwdOp::SetInterface { iface: interface_of(iface), interface }
        }
        FwdOp::SetLabelSpace { iface, space } if u.ratio(1, 4)? => {
            FwdOp::SetLabelSpace { iface: interface_of(iface), space }
        }
        FwdOp::SetLabelSpace { iface, .. } | FwdOp::ClearLabelSpace { iface } => {
            FwdOp::ClearLabelSpace { iface: interface_of(iface) }
        }
        FwdOp::SetUpstreamSpace { iface, space } => FwdOp::SetUpstreamSpace { iface: interface_of(iface), space },
        FwdOp::ClearUpstreamSpace { iface } => FwdOp::ClearUpstreamSpace { iface: interface_of(iface) },
        FwdOp::ClearInterface { iface } if u.ratio(1, 8)? => FwdOp::ClearInterface { iface: interface_of(iface) },
        FwdOp::ClearInterface { iface } => FwdOp::ClearNhlfe { id: entry(NhlfeId(iface.0)) },
        FwdOp::SetNhlfe { id, nhlfe } => {
            // What is pushed for an entropy label indicator is a hash, which the model does not know.
            let known = |l: &Label| *l != Label::ENTROPY_INDICATOR;
            let labels: Vec<Label> = nhlfe.push.as_slice().iter().map(|&l| label(l)).filter(known).collect();
            let next = match nhlfe.next {
                NextHop::Neighbor { iface, mac } => NextHop::Neighbor { iface: interface_of(iface), mac },
                NextHop::Lan { iface, top } => NextHop::Lan { iface: interface_of(iface), top },
                NextHop::Nhlfe(id) => NextHop::Nhlfe(entry(id)),
                other => other,
            };
            let nhlfe = Nhlfe { push: LabelStack::new(&labels).unwrap(), next, model: nhlfe.model };
            FwdOp::SetNhlfe { id: entry(id), nhlfe }
        }
        FwdOp::ClearNhlfe { id } => FwdOp::ClearNhlfe { id: entry(id) },
        FwdOp::SetIlm { label: l, ilm } => {
            let action = match ilm.action {
                IlmAction::Forward(id) => IlmAction::Forward(entry(id)),
                IlmAction::PopLookup(v) => IlmAction::PopLookup(vrf(v)),
                IlmAction::Replicate(id) => IlmAction::Replicate(ReplicationId(id.0 >> 5)),
                IlmAction::Multicast(id) => IlmAction::Multicast(TunnelId(id.0 >> 5)),
                IlmAction::Bridge(id) => IlmAction::Bridge(PortId(id.0 >> 5)),
                IlmAction::Context(id) => IlmAction::Context(LabelSpaceId(id.0 >> 5)),
            };
            FwdOp::SetIlm { label: label(l), ilm: Ilm { action, model: ilm.model } }
        }
        FwdOp::ClearIlm { label: l } => FwdOp::ClearIlm { label: label(l) },
        FwdOp::SetRoute4 { vrf: v, prefix, action } => {
            FwdOp::SetRoute4 { vrf: vrf(v), prefix: prefix4(prefix), action: route_action(action) }
        }
        FwdOp::ClearRoute4 { vrf: v, prefix } => FwdOp::ClearRoute4 { vrf: vrf(v), prefix: prefix4(prefix) },
        FwdOp::SetRoute6 { vrf: v, prefix, action } => {
            FwdOp::SetRoute6 { vrf: vrf(v), prefix: prefix6(prefix), action: route_action(action) }
        }
        FwdOp::ClearRoute6 { vrf: v, prefix } => FwdOp::ClearRoute6 { vrf: vrf(v), prefix: prefix6(prefix) },
        FwdOp::SetMark { at: MarkPoint::Vrf(v), code } => FwdOp::SetMark { at: MarkPoint::Vrf(vrf(v)), code },
        FwdOp::ClearMark { at: MarkPoint::Vrf(v) } => FwdOp::ClearMark { at: MarkPoint::Vrf(vrf(v)) },
        other => other,
    })
}

// One number more than fits, so that refusals happen.
fn interface_of(iface: IfIndex) -> IfIndex {
    IfIndex(iface.0 % (INTERFACES + 1))
}
fn vrf(vrf: VrfId) -> VrfId {
    VrfId(vrf.0 % (VRFS + 1))
}
fn entry(id: NhlfeId) -> NhlfeId {
    NhlfeId(id.0 % (NHLFES + 1))
}
fn label(label: Label) -> Label {
    let value = label.value();
    // Mostly labels that may be mapped, some of the special ones.
    Label::new(if value & 0x300 == 0 { value % 16 } else { 16 + value % (LABELS + 1) }).unwrap()
}
fn route_action(action: RouteAction) -> RouteAction {
    match action {
        RouteAction::Forward(id) => RouteAction::Forward(entry(id)),
        other => other,
    }
}
fn mac(u: &mut Unstructured<'_>) -> Result<Mac> {
    Ok(Mac([2, 0, 0, 0, 0, u.ratio(1, 8)?.into()]))
}

/// Few prefixes, so that they nest; around the addresses of [`address4`].
fn prefix4(prefix: Ipv4Prefix) -> Ipv4Prefix {
    let bits = prefix.bits();
    Ipv4Prefix::from_bits(address4((bits >> 24) as u8), prefix.bit_len()).unwrap()
}
fn prefix6(prefix: Ipv6Prefix) -> Ipv6Prefix {
    Ipv6Prefix::from_bits(address6((prefix.bits() >> 120) as u8), prefix.bit_len()).unwrap()
}

fn address4(seed: u8) -> u32 {
    const ADDRESSES: [u32; 12] = [
        0x0a00_0001,
        0x0a00_0002,
        0x0a01_0001,
        0x0aff_0001,
        0xc0a8_0001,
        0x8000_0001,
        0x0000_0000,
        0x7f00_0001,
        0xe000_0005,
        0xffff_ffff,
        0xa9fe_0001,
        0x0100_0001,
    ];
    ADDRESSES[usize::from(seed) % ADDRESSES.len()]
}

fn address6(seed: u8) -> u128 {
    const ADDRESSES: [u128; 8] = [
        0xfd00 << 112 | 1,
        0xfd00 << 112 | 2,
        0xfd01 << 112,
        0x2001_0db8 << 96,
        0xfe80 << 112 | 1,
        0xff02 << 112 | 5,
        1,
        0,
    ];
    ADDRESSES[usize::from(seed) % ADDRESSES.len()]
}

/// A frame that is mostly well formed, the interface it arrives on, and its headroom.
pub fn frame(u: &mut Unstructured<'_>) -> Result<(IfIndex, usize, Vec<u8>)> {
    let ingress = IfIndex(if u.ratio(1, 32)? { INTERFACES } else { u.int_in_range(0..=INTERFACES - 1)? });
    let headroom = if u.ratio(1, 8)? { u.int_in_range(0..=32)? } else { Frame::HEADROOM };
    let mut octets = Vec::new();
    octets.extend(match u.int_in_range(0..=15)? {
        0 => [0xff; 6],
        1 => [1, 0, 0x5e, 0x80 | u.int_in_range(0..=15)?, 0, 7],
        _ => mac(u)?.0,
    });
    octets.extend([2, 0, 0, 0, 0, 9]);
    let ip = if u.arbitrary()? { packet4(u)? } else { packet6(u)? };
    let depth = if u.arbitrary()? { u.int_in_range(0..=10)? } else { 0 };
    // Now and then a stack of one label, so that many are popped.
    let repeated = if u.ratio(1, 8)? { Some(label(u.arbitrary()?)) } else { None };
    let ethertype: u16 = match (depth, ip[0] >> 4) {
        _ if u.ratio(1, 16)? => *u.choose(&[0x0806, 0x8100, 0x88a8, 0x0026, 0x0800, 0x86dd, 0x8848])?,
        (1.., _) => 0x8847,
        (_, 6) => 0x86dd,
        _ => 0x0800,
    };
    octets.extend(ethertype.to_be_bytes());
    for i in 0..depth {
        let ttl = if u.ratio(1, 4)? { u.int_in_range(0..=2)? } else { u.arbitrary::<u8>()? };
        let class = u.int_in_range(0..=7_u32)?;
        let label = repeated.unwrap_or(label(u.arbitrary()?));
        let entry = label.value() << 12 | class << 9 | u32::from(i + 1 == depth) << 8;
        octets.extend((entry | u32::from(ttl)).to_be_bytes());
    }
    octets.extend(ip);
    octets.extend(vec![0; u.int_in_range(0..=3)?]);
    if u.ratio(1, 8)? {
        octets.truncate(u.int_in_range(0..=octets.len())?);
    }
    if u.ratio(1, 4)? && !octets.is_empty() {
        let at = u.choose_index(octets.len())?;
        octets[at] ^= u.arbitrary::<u8>()?;
    }
    Ok((ingress, headroom, octets))
}

fn packet4(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let payload = u.int_in_range(0..=60_u8)?;
    let mut ip = vec![0x45, u.arbitrary()?, 0, 20 + payload, 0, 1, u.arbitrary::<u8>()? & 0x40, 0];
    ip.extend([u.int_in_range(0..=64)?, 17, 0, 0]);
    ip.extend(address4(u.arbitrary()?).to_be_bytes());
    ip.extend(address4(u.arbitrary()?).to_be_bytes());
    if u.ratio(1, 16)? {
        // A wrong header or total length under a right checksum.
        (ip[0], ip[3]) = (0x40 | u.int_in_range(0..=6)?, u.int_in_range(0..=100)?);
    }
    Ipv4::of_mut(&mut ip).unwrap().fill_checksum();
    if u.ratio(1, 16)? {
        // No-operation options.
        ip[0] = 0x46;
        ip[3] = ip[3].saturating_add(4);
        (ip[10], ip[11]) = (0, 0);
        ip.extend([1; 4]);
        let sum = fwd_core::wire::checksum::of(&ip).to_be_bytes();
        ip[10..12].copy_from_slice(&sum);
    }
    ip.extend((0..payload).map(|i| i ^ 0x5a));
    Ok(ip)
}

fn packet6(u: &mut Unstructured<'_>) -> Result<Vec<u8>> {
    let payload = u.int_in_range(0..=60_u8)?;
    let mut ip = vec![0x60 | u.int_in_range(0..=15)?, u.arbitrary()?, 0x12, 0x34, 0, payload, 17];
    ip.push(u.int_in_range(0..=64)?);
    ip.extend(address6(u.arbitrary()?).to_be_bytes());
    ip.extend(address6(u.arbitrary()?).to_be_bytes());
    ip.extend((0..payload).map(|i| i ^ 0x5a));
    Ok(ip)
}
