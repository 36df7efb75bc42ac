//! Look-ups in a table of a million IPv4 and 160,000 IPv6 routes, changes of it, and the packet path.
#![allow(missing_docs)] // criterion's macros make undocumented functions

use std::hint::black_box;
use std::net::{Ipv4Addr, Ipv6Addr};

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use fwd_core::net::{IfIndex, Ipv4Prefix, Ipv6Prefix, Label, LabelStack, Mac, NhlfeId, VrfId};
use fwd_core::op::{FwdOp, Ilm, IlmAction, Interface, NextHop, Nhlfe, RouteAction, TunnelModel};
use fwd_core::table::{
    CounterMemory, IlmSlot, InterfaceSlot, Memory, NhlfeSlot, Rib4Node, Rib6Node, Sizes, VrfSlot, Word,
};
use fwd_core::wire::{EtherType, Ethernet, Ipv4, LabelEntry};
use fwd_core::{Forwarder, Frame, Verdict};

const SIZES: Sizes =
    Sizes { interfaces: 4, vrfs: 2, nhlfes: 1000, labels: 1000, routes4: 1_000_000, routes6: 160_000, ..Sizes::NONE };
const VRF: VrfId = VrfId(1);
const OURS: Mac = Mac([2, 0, 0, 0, 0, 1]);

/// splitmix64: the same table in every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

fn forwarder() -> Forwarder<'static> {
    Forwarder::new(
        Memory {
            interfaces: vec![InterfaceSlot::EMPTY; SIZES.interface_slots()].leak(),
            vrfs: vec![VrfSlot::EMPTY; SIZES.vrfs].leak(),
            nhlfes: vec![NhlfeSlot::EMPTY; SIZES.nhlfe_slots()].leak(),
            first_label: Label::FIRST_UNRESERVED,
            ilm: vec![IlmSlot::EMPTY; SIZES.labels].leak(),
            rib4: vec![Rib4Node::EMPTY; SIZES.rib4_nodes()].leak(),
            fib4: vec![Word::ZERO; SIZES.fib4_words()].leak(),
            direct4: vec![Word::ZERO; Sizes::direct_words(1)].leak(),
            direct6: vec![Word::ZERO; Sizes::direct_words(1)].leak(),
            rib6: vec![Rib6Node::EMPTY; SIZES.rib6_nodes()].leak(),
            fib6: vec![Word::ZERO; SIZES.fib6_words()].leak(),
            ..Memory::default()
        },
        CounterMemory::default(),
    )
    .unwrap()
}

/// Six of ten prefixes are /24, the rest shorter, as in the Internet's table; the first octets are those of unicast.
fn routes4(n: usize) -> Vec<FwdOp> {
    let mut r = Random(1);
    let route = |bits: u64, v: u64| {
        let len = [24, 24, 24, 24, 24, 24, 23, 22, 20, 16][v as usize % 10];
        let bits = (bits as u32 & 0x7fff_ffff) | 0x0100_0000;
        let prefix = Ipv4Prefix::from_bits(bits, len).unwrap();
        FwdOp::SetRoute4 { vrf: VRF, prefix, action: RouteAction::Forward(NhlfeId((v >> 8) as u32 % 1000)) }
    };
    (0..n).map(|_| route(r.next(), r.next())).collect()
}

fn routes6(n: usize) -> Vec<FwdOp> {
    let mut r = Random(2);
    let route = |bits: u64, v: u64| {
        let bits = 0x2 << 124 | u128::from(bits) << 60;
        let prefix = Ipv6Prefix::from_bits(bits, [48, 48, 48, 48, 48, 44, 40, 36, 32, 32][v as usize % 10]).unwrap();
        FwdOp::SetRoute6 { vrf: VRF, prefix, action: RouteAction::Forward(NhlfeId((v >> 8) as u32 % 1000)) }
    };
    (0..n).map(|_| route(r.next(), r.next())).collect()
}

fn tables(c: &mut Criterion) {
    let mut f = forwarder();
    let (v4, v6) = (routes4(SIZES.routes4), routes6(SIZES.routes6));
    for op in v4.iter().chain(&v6) {
        f.apply(op).unwrap();
    }
    let (held4, held6) = f.route_counts(VRF);
    let (words4, words6) = f.fib_words();
    let per = |words: usize, held: u32| (words * 4 + (1 << 20)) as f64 / f64::from(held);
    println!(
        "{held4} IPv4 routes of {:.1} octets, {held6} IPv6 routes of {:.1}",
        per(words4, held4),
        per(words6, held6)
    );

    let mut g = c.benchmark_group("table");
    g.throughput(Throughput::Elements(1));
    let mut r = Random(3);
    g.bench_function("lookup4", |b| {
        b.iter(|| f.lookup4(VRF, Ipv4Addr::from_bits(r.next() as u32 & 0x7fff_ffff)));
    });
    g.bench_function("lookup6", |b| {
        b.iter(|| f.lookup6(VRF, Ipv6Addr::from_bits(0x2 << 124 | u128::from(r.next()) << 60)));
    });
    g.bench_function("clear and set a route4", |b| {
        b.iter(|| {
            let op = &v4[r.next() as usize % v4.len()];
            let FwdOp::SetRoute4 { vrf, prefix, .. } = *op else { return };
            f.apply(&FwdOp::ClearRoute4 { vrf, prefix }).unwrap();
            f.apply(op).unwrap();
        });
    });
    g.finish();
}

fn packets(c: &mut Criterion) {
    let mut f = forwarder();
    let label = |l| Label::new(l).unwrap();
    let interface = |vrf, mpls| Interface { vrf: VrfId(vrf), mac: OURS, mtu: 1500, mpls };
    let next = NextHop::Neighbor { iface: IfIndex(0), mac: Mac([2, 0, 0, 0, 0, 2]) };
    let push = LabelStack::single(label(500));
    let transport = LabelStack::single(label(600));
    for op in [
        FwdOp::SetInterface { iface: IfIndex(0), interface: interface(0, true) },
        FwdOp::SetInterface { iface: IfIndex(1), interface: interface(1, false) },
        FwdOp::SetNhlfe { id: NhlfeId(0), nhlfe: Nhlfe { push: transport, next, model: TunnelModel::Pipe } },
        FwdOp::SetNhlfe {
            id: NhlfeId(1),
            nhlfe: Nhlfe { push, next: NextHop::Nhlfe(NhlfeId(0)), model: TunnelModel::Uniform },
        },
        FwdOp::SetIlm {
            label: label(100),
            ilm: Ilm { action: IlmAction::Forward(NhlfeId(0)), model: TunnelModel::Uniform },
        },
        FwdOp::SetRoute4 { vrf: VRF, prefix: Ipv4Prefix::DEFAULT, action: RouteAction::Forward(NhlfeId(1)) },
    ] {
        f.apply(&op).unwrap();
    }
    let mut ip = [0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 9, 10, 1, 2, 3].to_vec();
    Ipv4::of_mut(&mut ip).unwrap().fill_checksum();
    ip.resize(46, 0);
    let ethernet = |ethertype| Ethernet::new(OURS, Mac([2, 0, 0, 0, 0, 9]), ethertype).0;
    let plain = [&ethernet(EtherType::IPV4)[..], &ip].concat();
    let labelled = [&ethernet(EtherType::MPLS)[..], &LabelEntry::new(label(100), 0, true, 64).0, &ip].concat();

    let mut g = c.benchmark_group("packet");
    g.throughput(Throughput::Elements(1));
    let mut buffer = [0; Frame::HEADROOM + 128];
    for (name, octets, iface) in [("label swap", &labelled, 0), ("ip to two labels", &plain, 1)] {
        g.bench_function(name, |b| {
            b.iter(|| {
                buffer[Frame::HEADROOM..][..octets.len()].copy_from_slice(octets);
                let mut frame = Frame::new(&mut buffer, Frame::HEADROOM, octets.len()).unwrap();
                let verdict = f.forward(black_box(&mut frame), IfIndex(iface));
                assert!(matches!(verdict, Verdict::Transmit { .. }));
            });
        });
    }
    g.finish();
}

criterion_group!(benches, tables, packets);
criterion_main!(benches);
