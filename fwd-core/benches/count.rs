//! Packets through all stages and changes of routes, so many of them, for a tool that counts instructions: `benches/count.sh`.
//! Without arguments each goes a few times, unmeasured.

use std::hint::black_box;

use fwd_core::net::{IfIndex, Ipv4Prefix, Label, LabelStack, Mac, NhlfeId, VrfId};
use fwd_core::op::{FwdOp, Ilm, IlmAction, Interface, NextHop, Nhlfe, RouteAction, TunnelModel};
use fwd_core::table::{CounterMemory, IlmSlot, InterfaceSlot, Memory, NhlfeSlot, Rib4Node, Sizes, VrfSlot, Word};
use fwd_core::wire::{EtherType, Ethernet, Ipv4, LabelEntry};
use fwd_core::{Forwarder, Frame, Packet, Verdict, VrfCounters};

const SIZES: Sizes = Sizes { interfaces: 2, vrfs: 2, nhlfes: 3, labels: 1000, routes4: 200_000, ..Sizes::NONE };
const VRF: VrfId = VrfId(1);
const OURS: Mac = Mac([2, 0, 0, 0, 0, 1]);
const ROOM: usize = Frame::HEADROOM + 128;
/// Packets of a batch.
const BATCH: usize = 32;
/// What there is to count.
const WHAT: [&str; 4] = ["swap", "push", "pop", "update"];

fn label(value: u32) -> Label {
    Label::from_low_bits(value)
}

/// Interface 0 leads to the core, 1 to a customer: 10/8 is behind two labels, 20/8 is the customer's own. Label 100 is swapped,
/// 200 popped.
fn pe() -> Forwarder<'static> {
    let memory = Memory {
        interfaces: vec![InterfaceSlot::EMPTY; SIZES.interface_slots()].leak(),
        vrfs: vec![VrfSlot::EMPTY; SIZES.vrfs].leak(),
        nhlfes: vec![NhlfeSlot::EMPTY; SIZES.nhlfe_slots()].leak(),
        ilm: vec![IlmSlot::EMPTY; SIZES.labels].leak(),
        rib4: vec![Rib4Node::EMPTY; SIZES.rib4_nodes()].leak(),
        fib4: vec![Word::ZERO; SIZES.fib4_words()].leak(),
        direct4: vec![Word::ZERO; Sizes::direct_words(1)].leak(),
        ..Memory::default()
    };
    let counters = CounterMemory { vrfs: vec![VrfCounters::ZERO; SIZES.vrfs].leak(), ..CounterMemory::default() };
    let mut f = Forwarder::new(memory, counters).expect("memory");
    let interface = |vrf, mpls| Interface { vrf: VrfId(vrf), mac: OURS, mtu: 1500, mpls };
    let to = |iface| NextHop::Neighbor { iface: IfIndex(iface), mac: Mac([2, 0, 0, 0, 0, 2]) };
    let entry = |id, push, next, model| FwdOp::SetNhlfe { id: NhlfeId(id), nhlfe: Nhlfe { push, next, model } };
    let ilm = |l, action| FwdOp::SetIlm { label: label(l), ilm: Ilm { action, model: TunnelModel::Uniform } };
    let route = |prefix: &str, id| FwdOp::SetRoute4 {
        vrf: VRF,
        prefix: prefix.parse().expect("a prefix"),
        action: RouteAction::Forward(NhlfeId(id)),
    };
    for op in [
        FwdOp::SetInterface { iface: IfIndex(0), interface: interface(0, true) },
        FwdOp::SetInterface { iface: IfIndex(1), interface: interface(1, false) },
        entry(0, LabelStack::single(label(600)), to(0), TunnelModel::Pipe),
        entry(1, LabelStack::single(label(500)), NextHop::Nhlfe(NhlfeId(0)), TunnelModel::Uniform),
        entry(2, LabelStack::EMPTY, to(1), TunnelModel::Uniform),
        ilm(100, IlmAction::Forward(NhlfeId(0))),
        ilm(200, IlmAction::PopLookup(VRF)),
        route("10.0.0.0/8", 1),
        route("20.0.0.0/8", 2),
    ] {
        f.apply(&op).expect("room");
    }
    f
}

/// Where a frame arrives, and its octets.
fn frame(what: &str) -> (IfIndex, Vec<u8>) {
    let ip = |first: u8| {
        let mut ip = vec![0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17, 0, 0, 30, 0, 0, 9, first, 1, 2, 3];
        Ipv4::of_mut(&mut ip).expect("a header").fill_checksum();
        ip.resize(46, 0);
        ip
    };
    let ethernet = |ethertype| Ethernet::new(OURS, Mac([2, 0, 0, 0, 0, 9]), ethertype).0;
    let labelled =
        |l, ip: Vec<u8>| [&ethernet(EtherType::MPLS)[..], &LabelEntry::new(label(l), 0, true, 64).0, &ip].concat();
    match what {
        "swap" => (IfIndex(0), labelled(100, ip(10))),
        "pop" => (IfIndex(0), labelled(200, ip(20))),
        _ => (IfIndex(1), [&ethernet(EtherType::IPV4)[..], &ip(10)].concat()),
    }
}

/// So many packets, one by one or in batches.
fn packets(what: &str, count: usize, together: bool) {
    let mut f = pe();
    let (ingress, octets) = frame(what);
    let mut buffers = vec![0_u8; BATCH * ROOM];
    for _ in 0..count / BATCH {
        for buffer in buffers.chunks_exact_mut(ROOM) {
            buffer[Frame::HEADROOM..][..octets.len()].copy_from_slice(&octets);
        }
        let frames = buffers.chunks_exact_mut(ROOM).map(|b| Frame::new(b, Frame::HEADROOM, octets.len()));
        let mut packets: Vec<_> = frames.map(|frame| Packet::new(frame.expect("room"), ingress)).collect();
        if together {
            f.forward_batch(&mut packets);
            assert!(packets.iter().all(|p| matches!(p.verdict, Some(Verdict::Transmit { .. }))));
            continue;
        }
        for packet in &mut packets {
            let verdict = f.forward(black_box(&mut packet.frame), ingress);
            assert!(matches!(verdict, Verdict::Transmit { .. }));
        }
    }
}

/// So many changes of one VRF's 100,000 routes, each of which goes and comes back; six of ten are /24.
fn updates(count: usize) {
    let mut f = pe();
    let mut state = 1_u64;
    let mut random = move || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let routes: Vec<_> = (0..100_000)
        .map(|_| {
            let (bits, v) = (random(), random());
            let len = [24, 24, 24, 24, 24, 24, 23, 22, 20, 16][v as usize % 10];
            let prefix = Ipv4Prefix::from_bits((bits as u32 & 0x0fff_ffff) | 0x4000_0000, len).expect("at most 32");
            (prefix, RouteAction::Forward(NhlfeId((v >> 8) as u32 % 1000)))
        })
        .collect();
    let set = |(prefix, action)| FwdOp::SetRoute4 { vrf: VRF, prefix, action };
    for route in &routes {
        f.apply(&set(*route)).expect("room");
    }
    for _ in 0..count / 2 {
        let (prefix, action) = routes[random() as usize % routes.len()];
        f.apply(&FwdOp::ClearRoute4 { vrf: VRF, prefix }).expect("it goes");
        f.apply(&set((prefix, action))).expect("room");
    }
}

fn run(what: &str, count: usize) {
    match what.strip_suffix("-batch") {
        _ if what == "update" => updates(count),
        Some(what) => packets(what, count, true),
        None => packets(what, count, false),
    }
}

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).filter(|a| !a.starts_with("--")).collect();
    match &arguments[..] {
        [what, count] => run(what, count.parse().expect("a number")),
        _ => WHAT.iter().for_each(|what| run(what, 320)),
    }
}
