//! fwd-core.

use std::hint::black_box;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use fwd_core::net::{IfIndex, Ipv4Prefix, Label, LabelStack, Mac, NhlfeId, VrfId};
use fwd_core::op::{FwdOp, Ilm, IlmAction, Interface, NextHop, Nhlfe, RouteAction, TunnelModel};
use fwd_core::table::{
    ApplyError, CounterMemory, InterfaceSlot, Memory, NhlfeSlot, ReaderSlot, Retired, Rib4Node, Rib6Node, Sizes,
    VrfSlot, Word, Writer,
};
use fwd_core::wire::{EtherType, Ethernet, Ipv4, LabelEntry};
use fwd_core::{Frame, Packet, Verdict, VrfCounters, Worker};

use crate::data::{Data, HOPS, Random};
use crate::{least, row};

const SIZES: Sizes = Sizes {
    interfaces: 4,
    vrfs: 2,
    nhlfes: 1001,
    labels: 1 << 20,
    routes4: 1 << 20,
    routes6: 1 << 18,
    direct4: 1,
    direct6: 1,
    readers: 2,
    ..Sizes::NONE
};
/// The same with tables in front of the direct roots.
const FRONT: Sizes = Sizes { front4: 1, front6: 1, ..SIZES };
const VRF: VrfId = VrfId(1);
const OURS: Mac = Mac([2, 0, 0, 0, 0, 1]);
const BATCH: usize = 64;

fn memory(sizes: Sizes) -> Memory<'static> {
    Memory {
        readers: vec![ReaderSlot::EMPTY; sizes.readers].leak(),
        interfaces: vec![InterfaceSlot::EMPTY; sizes.interface_slots()].leak(),
        vrfs: vec![VrfSlot::EMPTY; sizes.vrfs].leak(),
        nhlfes: vec![NhlfeSlot::EMPTY; sizes.nhlfe_slots()].leak(),
        ilm: vec![Word::ZERO; sizes.labels].leak(),
        rib4: vec![Rib4Node::EMPTY; sizes.rib4_nodes()].leak(),
        fib4: vec![Word::ZERO; sizes.fib4_words()].leak(),
        direct4: vec![Word::ZERO; Sizes::direct_words(1)].leak(),
        front4: vec![Word::ZERO; sizes.front4_words()].leak(),
        front6: vec![Word::ZERO; sizes.front6_words()].leak(),
        rib6: vec![Rib6Node::EMPTY; sizes.rib6_nodes()].leak(),
        fib6: vec![Word::ZERO; sizes.fib6_words()].leak(),
        direct6: vec![Word::ZERO; Sizes::direct_words(1)].leak(),
        retired: vec![Retired::EMPTY; sizes.retired()].leak(),
        ..Memory::default()
    }
}

/// Tables with the routes of the data in one VRF.
pub struct Plane {
    name: &'static str,
    writer: Writer<'static>,
    worker: Worker<'static>,
}

/// What a trace comes to: the numbers of next hops added up, 0 for none.
pub type Digests = [[u64; 3]; 2];

const fn hop(action: Option<RouteAction>) -> u64 {
    match action {
        Some(RouteAction::Forward(id)) => id.0 as u64,
        _ => 0,
    }
}

fn set4(&(prefix, hop): &(fwd_core::net::Ipv4Prefix, u32)) -> FwdOp {
    FwdOp::SetRoute4 { vrf: VRF, prefix, action: RouteAction::Forward(NhlfeId(hop)) }
}

fn set6(&(prefix, hop): &(fwd_core::net::Ipv6Prefix, u32)) -> FwdOp {
    FwdOp::SetRoute6 { vrf: VRF, prefix, action: RouteAction::Forward(NhlfeId(hop)) }
}

/// Look-ups in batches and what they come to; a function by itself, in which instructions can be counted.
#[inline(never)]
fn batch4(worker: &Worker<'_>, addrs: &[Ipv4Addr]) -> u64 {
    let mut actions = [None; BATCH];
    let mut digest = 0;
    for addrs in addrs.chunks(BATCH) {
        worker.lookup4_batch(VRF, addrs, &mut actions);
        digest += actions.iter().map(|&action| hop(action)).sum::<u64>();
    }
    digest
}

/// As [`batch4`].
#[inline(never)]
fn batch6(worker: &Worker<'_>, addrs: &[Ipv6Addr]) -> u64 {
    let mut actions = [None; BATCH];
    let mut digest = 0;
    for addrs in addrs.chunks(BATCH) {
        worker.lookup6_batch(VRF, addrs, &mut actions);
        digest += actions.iter().map(|&action| hop(action)).sum::<u64>();
    }
    digest
}

impl Plane {
    /// With tables in front of the direct roots, or without.
    pub fn new(data: &Data, is_front: bool) -> Self {
        let (name, sizes) = if is_front { ("fwd-core, front", FRONT) } else { ("fwd-core", SIZES) };
        let mut writer = Writer::new(memory(sizes)).expect("memory");
        let worker = writer.worker(CounterMemory::default()).expect("a reader");
        let start = Instant::now();
        data.v4.iter().map(set4).chain(data.v6.iter().map(set6)).for_each(|op| writer.apply(&op).expect("room"));
        let seconds = start.elapsed().as_secs_f64();
        println!(
            "{name}: filled in {seconds:.2} s, {:.2} M routes/s",
            (data.v4.len() + data.v6.len()) as f64 / seconds / 1e6
        );
        Self { name, writer, worker }
    }

    /// Octets per route of what look-ups touch, and of what the writer keeps besides.
    pub fn sizes(&self, data: &Data) {
        let (fib4, fib6) = self.writer.fib_words();
        let (front4, front6) = self.writer.front_words();
        let (rib4, rib6) = self.writer.rib_nodes();
        let direct = Sizes::direct_words(1);
        let per = |octets: usize, routes: usize| octets as f64 / routes as f64;
        for (name, fib, rib, routes) in [
            ("IPv4", fib4 + front4, rib4 * size_of::<Rib4Node>(), data.v4.len()),
            ("IPv6", fib6 + front6, rib6 * size_of::<Rib6Node>(), data.v6.len()),
        ] {
            let touched = (fib + direct) * size_of::<Word>();
            println!(
                "{name}   {}: {:.2} octets per route ({:.2} MiB with 1 MiB of direct root); writer's routes {:.1} more",
                self.name,
                per(touched, routes),
                touched as f64 / f64::from(1 << 20),
                per(rib, routes)
            );
        }
    }

    pub fn lookups(&self, data: &Data) -> Digests {
        let mut digests = [[0; 3]; 2];
        for ((name, trace), digest) in data.traces4.iter().zip(&mut digests[0]) {
            let addrs: Vec<Ipv4Addr> = trace.iter().map(|&bits| Ipv4Addr::from_bits(bits)).collect();
            let one = least(&addrs, |addrs| addrs.iter().map(|&a| hop(self.worker.lookup4(VRF, a))).sum());
            let batch = least(&addrs, |addrs| batch4(&self.worker, addrs));
            assert_eq!(one.1, batch.1);
            *digest = one.1;
            row("IPv4", &format!("{}, one by one", self.name), name, one);
            row("IPv4", &format!("{}, batches of 64", self.name), name, batch);
        }
        for ((name, trace), digest) in data.traces6.iter().zip(&mut digests[1]) {
            let addrs: Vec<Ipv6Addr> = trace.iter().map(|&bits| Ipv6Addr::from_bits(bits)).collect();
            let one = least(&addrs, |addrs| addrs.iter().map(|&a| hop(self.worker.lookup6(VRF, a))).sum());
            let batch = least(&addrs, |addrs| batch6(&self.worker, addrs));
            assert_eq!(one.1, batch.1);
            *digest = one.1;
            row("IPv6", &format!("{}, one by one", self.name), name, one);
            row("IPv6", &format!("{}, batches of 64", self.name), name, batch);
        }
        digests
    }

    /// Routes replaced by others of the same prefix, and removed and set again, each picked at random, while a worker looks
    /// addresses up.
    pub fn updates(&mut self, data: &Data) {
        let addrs: Vec<Ipv4Addr> = data.traces4[1].1.iter().map(|&bits| Ipv4Addr::from_bits(bits)).collect();
        let reader = self.writer.worker(CounterMemory::default()).expect("a second reader");
        let (stop, looked_up) = (AtomicBool::new(false), AtomicU64::new(0));
        let mut r = Random(9);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut actions = [None; BATCH];
                for addrs in addrs.chunks(BATCH).cycle() {
                    reader.lookup4_batch(VRF, addrs, &mut actions);
                    black_box(&actions);
                    looked_up.fetch_add(BATCH as u64, Ordering::Relaxed);
                    if stop.load(Ordering::Relaxed) {
                        break;
                    }
                }
            });
            let start = Instant::now();
            self.rounds("replaced", data, &mut r, |prefix, hop| {
                [1, 0].map(|more| set4(&(prefix, hop % HOPS as u32 + more)))
            });
            self.rounds("removed and set again", data, &mut r, |prefix, hop| {
                [FwdOp::ClearRoute4 { vrf: VRF, prefix }, set4(&(prefix, hop))]
            });
            stop.store(true, Ordering::Relaxed);
            let seconds = start.elapsed().as_secs_f64();
            let looked_up = looked_up.load(Ordering::Relaxed) as f64;
            println!("IPv4   {}: meanwhile a reader looked up {:.0} M/s", self.name, looked_up / seconds / 1e6);
        });
    }

    /// Two ops for each of many routes, in sections of which the quickest was interrupted least.
    fn rounds(&mut self, what: &str, data: &Data, r: &mut Random, ops: impl Fn(Ipv4Prefix, u32) -> [FwdOp; 2]) {
        const SECTIONS: usize = 400;
        const ROUNDS: usize = 500;
        let (mut rates, mut busy) = (Vec::new(), 0_u64);
        for _ in 0..SECTIONS {
            let picked: Vec<_> = (0..ROUNDS).map(|_| data.v4[r.below(data.v4.len())]).collect();
            let start = Instant::now();
            for (prefix, hop) in picked {
                for op in ops(prefix, hop) {
                    while let Err(error) = self.writer.apply(&op) {
                        assert!(matches!(error, ApplyError::Busy(_)), "{error}");
                        busy += 1;
                        std::thread::yield_now();
                    }
                }
            }
            rates.push(2.0 * ROUNDS as f64 / start.elapsed().as_secs_f64() / 1e6);
        }
        rates.sort_by(f64::total_cmp);
        println!(
            "IPv4   {}: routes {what} while a reader looks up: {:.2} M ops/s in the quickest section, {:.2} in the median; {busy} waits",
            self.name,
            rates[SECTIONS - 1],
            rates[SECTIONS / 2]
        );
    }
}

const fn label(value: u32) -> Label {
    Label::from_low_bits(value)
}

fn interface(vrf: u16, mpls: bool) -> Interface {
    Interface { vrf: VrfId(vrf), mac: OURS, mtu: 1500, mpls }
}

/// A PE: interface 0 to the core, 1 to a customer. 10.0.0.0/8 of the customer is behind two labels; label 200 ends here.
fn pe() -> (Writer<'static>, Worker<'static>) {
    let mut writer = Writer::new(memory(SIZES)).expect("memory");
    let counters = CounterMemory { vrfs: vec![VrfCounters::ZERO; SIZES.vrfs].leak(), ..CounterMemory::default() };
    let worker = writer.worker(counters).expect("a reader");
    let to = |iface| NextHop::Neighbor { iface: IfIndex(iface), mac: Mac([2, 0, 0, 0, 0, 2]) };
    let entry =
        |id, push, next| FwdOp::SetNhlfe { id: NhlfeId(id), nhlfe: Nhlfe { push, next, model: TunnelModel::Uniform } };
    let ilm = |l, action| FwdOp::SetIlm { label: label(l), ilm: Ilm { action, model: TunnelModel::Uniform } };
    let route = |vrf, prefix: &str, id| FwdOp::SetRoute4 {
        vrf,
        prefix: prefix.parse().expect("a prefix"),
        action: RouteAction::Forward(NhlfeId(id)),
    };
    for op in [
        FwdOp::SetInterface { iface: IfIndex(0), interface: interface(0, true) },
        FwdOp::SetInterface { iface: IfIndex(1), interface: interface(1, false) },
        entry(0, LabelStack::single(label(600)), to(0)),
        entry(1, LabelStack::single(label(500)), NextHop::Nhlfe(NhlfeId(0))),
        entry(2, LabelStack::EMPTY, to(1)),
        route(VRF, "10.0.0.0/8", 1),
        route(VRF, "20.0.0.0/8", 2),
        ilm(100, IlmAction::Forward(NhlfeId(0))),
        ilm(200, IlmAction::PopLookup(VRF)),
    ] {
        writer.apply(&op).expect("room");
    }
    (writer, worker)
}

/// Packets of 64 octets through all stages, hot, beside merely touching the octets that must be read and written.
pub fn packets() {
    let (_writer, mut worker) = pe();
    let ip = |destination: [u8; 4]| {
        let [a, b, c, d] = destination;
        let mut ip = vec![0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17, 0, 0, 30, 0, 0, 9, a, b, c, d];
        Ipv4::of_mut(&mut ip).expect("a header").fill_checksum();
        ip.resize(46, 0);
        ip
    };
    let ethernet = |ethertype| Ethernet::new(OURS, Mac([2, 0, 0, 0, 0, 9]), ethertype).0;
    let entry = |l| LabelEntry::new(label(l), 0, true, 64).0;
    let mpls = ethernet(EtherType::MPLS);
    for (name, octets, ingress, touched) in [
        ("CE to PE: IPv4, two labels pushed", [&ethernet(EtherType::IPV4)[..], &ip([10, 1, 2, 3])].concat(), 1, true),
        ("PE to CE: label popped, IPv4", [&mpls[..], &entry(200), &ip([20, 1, 2, 3])].concat(), 0, true),
        ("P: label swapped", [&mpls[..], &entry(100), &ip([10, 1, 2, 3])].concat(), 0, false),
    ] {
        const ROOM: usize = Frame::HEADROOM + 128;
        let mut buffers = vec![0_u8; BATCH * ROOM];
        let fill = |buffers: &mut [u8]| {
            for buffer in buffers.chunks_exact_mut(ROOM) {
                buffer[Frame::HEADROOM..][..octets.len()].copy_from_slice(&octets);
            }
        };
        let frames = |buffers: &mut Vec<u8>, work: &mut dyn FnMut(&mut [Packet<'_>])| {
            fill(buffers);
            let frame = |buffer| Frame::new(buffer, Frame::HEADROOM, octets.len()).expect("room");
            let mut packets: Vec<_> =
                buffers.chunks_exact_mut(ROOM).map(|b| Packet::new(frame(b), IfIndex(ingress))).collect();
            let start = Instant::now();
            work(&mut packets);
            start.elapsed().as_nanos() as f64 / BATCH as f64
        };
        let timed = |buffers: &mut Vec<u8>, work: &mut dyn FnMut(&mut [Packet<'_>])| {
            (0..20_000).map(|_| frames(buffers, work)).fold(f64::MAX, f64::min)
        };
        let one = timed(&mut buffers, &mut |packets| {
            for packet in packets {
                let verdict = worker.forward(&mut packet.frame, packet.ingress);
                assert!(matches!(verdict, Verdict::Transmit { .. }));
            }
        });
        let batch = timed(&mut buffers, &mut |packets| {
            worker.forward_batch(packets);
            assert!(packets.iter().all(|p| matches!(p.verdict, Some(Verdict::Transmit { .. }))));
        });
        let touch = timed(&mut buffers, &mut |packets| packets.iter_mut().for_each(|p| touch(&mut p.frame, touched)));
        row("packet", name, "single", (one, 0));
        row("packet", name, "batch", (batch, 0));
        row("packet", "  the octets read and written alone", "", (touch, 0));
    }
}

/// Reads what decides and writes what changes: 22 octets of link header and labels, and of IPv4 the TTL and checksum.
fn touch(frame: &mut Frame<'_>, ip: bool) {
    let octets = frame.octets_mut();
    let mut sum = 0_u32;
    for pair in octets[..34].chunks_exact(2) {
        sum = sum.wrapping_add(u32::from(u16::from_be_bytes([pair[0], pair[1]])));
    }
    let value = sum.to_be_bytes();
    octets[..14].copy_from_slice(&[value[3]; 14]);
    octets[14..18].copy_from_slice(&value);
    if ip {
        octets[18..22].copy_from_slice(&value);
        octets[26] = value[3];
        octets[28..30].copy_from_slice(&value[2..]);
    }
    black_box(octets);
}
