//! Three routers and what is expected of them.
//!
//! ```text
//! CE A ─if1─┐                                      ┌─if1─ CE A
//!        ingress PE ─if0── if0─ P ─if1── if0─ egress PE
//! CE B ─if2─┘                                      └─if2─ CE B
//! ```
//!
//! Both customers reach 10.2.0.0/16 and fd00:2::/32 at the far end: A behind VPN label 500 (uniform), B behind 510 (pipe). The
//! transport label is 520 on the first link and 521 on the second, in the pipe model.

use fwd_core::net::{IfIndex, Label, LabelStack, Mac, NhlfeId, VlinkId, VrfId};
use fwd_core::net::{Ipv4Prefix, Ipv6Prefix};
use fwd_core::op::{
    Deliver, Encapsulation, Ends, FwdOp, Ilm, IlmAction, Interface, NextHop, Nhlfe, RouteAction, TunnelModel, Vlink,
    VlinkOutput,
};
use fwd_core::table::{
    CounterMemory, IlmSlot, InterfaceSlot, Memory, NhlfeSlot, Rib4Node, Rib6Node, VlinkSlot, VlinkState, VrfSlot, Word,
};
use fwd_core::wire::l2tpv3::Cookie;
use fwd_core::wire::{Ipv4, LabelEntry};
use fwd_core::{DropReason, Forwarder, Frame, PuntReason, Verdict, VrfCounters};

use crate::Tally;

const ROUTER: Mac = Mac([2, 0, 0, 0, 0, 1]);
const NEIGHBOR: Mac = Mac([2, 0, 0, 0, 0, 2]);
const PAYLOAD: usize = 16;
const ROOM: usize = Frame::HEADROOM + 14 + 28 + 40 + PAYLOAD;

/// Words for the look-up of four routes.
const WORDS: usize = 605;

/// A packet's way through one router, to be metered: the packet is made anew each time, which counts as well.
#[derive(Clone, Copy)]
pub enum Path {
    Label4,
    Label6,
    Swap,
    Pop4,
    Link,
}

/// Ways and what their figures are called.
pub const PATHS: [(&str, Path); 5] = [
    ("ipv4-two-labels", Path::Label4),
    ("ipv6-two-labels", Path::Label6),
    ("swap", Path::Swap),
    ("pop-ipv4", Path::Pop4),
    ("ipv4-gre", Path::Link),
];

/// The arrays of one router.
pub struct Arrays {
    interfaces: [InterfaceSlot; 5],
    vrfs: [VrfSlot; 4],
    nhlfes: [NhlfeSlot; 7],
    ilm: [IlmSlot; 32],
    rib4: [Rib4Node; 8],
    fib4: [Word; WORDS],
    rib6: [Rib6Node; 4],
    fib6: [Word; WORDS],
    counters: [VrfCounters; 4],
    vlinks: [VlinkSlot; 2],
    vlink_index: [Word; 2],
    vlink_states: [VlinkState; 1],
}

impl Arrays {
    pub const fn new() -> Self {
        Self {
            interfaces: [const { InterfaceSlot::EMPTY }; 5],
            vrfs: [const { VrfSlot::EMPTY }; 4],
            nhlfes: [const { NhlfeSlot::EMPTY }; 7],
            ilm: [const { IlmSlot::EMPTY }; 32],
            rib4: [Rib4Node::EMPTY; 8],
            fib4: [const { Word::ZERO }; WORDS],
            rib6: [Rib6Node::EMPTY; 4],
            fib6: [const { Word::ZERO }; WORDS],
            counters: [VrfCounters::ZERO; 4],
            vlinks: [const { VlinkSlot::EMPTY }; 2],
            vlink_index: [const { Word::ZERO }; 2],
            vlink_states: [VlinkState::EMPTY; 1],
        }
    }

    /// A router in these arrays, with all counters or with none.
    fn forwarder(&mut self, is_counting: bool) -> Forwarder<'_> {
        let memory = Memory {
            interfaces: &mut self.interfaces,
            vrfs: &mut self.vrfs,
            nhlfes: &mut self.nhlfes,
            first_label: label(500),
            ilm: &mut self.ilm,
            rib4: &mut self.rib4,
            fib4: &mut self.fib4,
            rib6: &mut self.rib6,
            fib6: &mut self.fib6,
            vlinks: &mut self.vlinks,
            vlink_index: &mut self.vlink_index,
            ..Memory::default()
        };
        let counters = if is_counting {
            CounterMemory { vrfs: &mut self.counters, vlinks: &mut self.vlink_states, ..CounterMemory::default() }
        } else {
            CounterMemory { without_verdicts: true, ..CounterMemory::default() }
        };
        Forwarder::new(memory, counters).expect("a global table and an ordinary first label")
    }
}

pub struct Network<'m> {
    ingress: Forwarder<'m>,
    core: Forwarder<'m>,
    egress: Forwarder<'m>,
}

const fn label(value: u32) -> Label {
    Label::from_low_bits(value)
}

/// Ops have the documented octets, whatever the byte order of the processor.
pub fn encoding(tally: &mut Tally) {
    let octets = route4(VrfId(0x0102), RouteAction::Forward(NhlfeId(0x0a0b_0c0d))).emit();
    let mut expected = [0; FwdOp::LEN];
    expected[..12].copy_from_slice(&[7, 2, 0, 16, 0, 0, 1, 2, 10, 11, 12, 13]);
    expected[24..26].copy_from_slice(&[10, 2]);
    tally.check("encoding of a route", octets == expected);
    expected[26] = 1;
    tally.check("host bits are refused", FwdOp::parse(&expected).is_err());
}

fn route4(vrf: VrfId, action: RouteAction) -> FwdOp {
    let prefix = Ipv4Prefix::from_bits(0x0a02_0000, 16).expect("at most 32");
    FwdOp::SetRoute4 { vrf, prefix, action }
}

fn route6(vrf: VrfId, action: RouteAction) -> FwdOp {
    let prefix = Ipv6Prefix::from_bits(0xfd00_0002 << 96, 32).expect("at most 128");
    FwdOp::SetRoute6 { vrf, prefix, action }
}

fn interface(iface: u32, vrf: u16) -> FwdOp {
    let interface = Interface { vrf: VrfId(vrf), mac: ROUTER, mtu: 1500, mpls: vrf == 0 };
    FwdOp::SetInterface { iface: IfIndex(iface), interface }
}

fn entry(id: u32, push: LabelStack, next: NextHop, model: TunnelModel) -> FwdOp {
    FwdOp::SetNhlfe { id: NhlfeId(id), nhlfe: Nhlfe { push, next, model } }
}

fn neighbor(iface: u32) -> NextHop {
    NextHop::Neighbor { iface: IfIndex(iface), mac: NEIGHBOR }
}

/// Applies ops through their octets, as from a mailbox, twice.
fn program(router: &mut Forwarder<'_>, ops: &[FwdOp], tally: &mut Tally) {
    for op in ops {
        let octets = core::hint::black_box(op.emit());
        let applied = FwdOp::parse(&octets).map(|op| (router.apply(&op), router.apply(&op)));
        tally.check("program", applied == Ok((Ok(()), Ok(()))));
    }
}

impl<'m> Network<'m> {
    pub fn new(arrays: &'m mut [Arrays; 3], is_counting: bool, tally: &mut Tally) -> Self {
        let [ingress, core, egress] = arrays.each_mut().map(|arrays| arrays.forwarder(is_counting));
        let mut network = Self { ingress, core, egress };
        let (uniform, pipe) = (TunnelModel::Uniform, TunnelModel::Pipe);
        let (a, b) = (VrfId(1), VrfId(2));
        let via = |id| RouteAction::Forward(NhlfeId(id));
        program(
            &mut network.ingress,
            &[
                interface(0, 0),
                interface(1, 1),
                interface(2, 2),
                entry(0, LabelStack::single(label(520)), neighbor(0), pipe),
                entry(1, LabelStack::single(label(500)), NextHop::Nhlfe(NhlfeId(0)), uniform),
                entry(2, LabelStack::single(label(510)), NextHop::Nhlfe(NhlfeId(0)), pipe),
                route4(a, via(1)),
                route6(a, via(1)),
                route4(b, via(2)),
                route6(b, via(2)),
            ],
            tally,
        );
        let swap = Ilm { action: IlmAction::Forward(NhlfeId(0)), model: pipe };
        program(
            &mut network.core,
            &[
                interface(0, 0),
                interface(1, 0),
                entry(0, LabelStack::single(label(521)), neighbor(1), pipe),
                FwdOp::SetIlm { label: label(520), ilm: swap },
            ],
            tally,
        );
        let pop = |vrf, model| Ilm { action: IlmAction::PopLookup(vrf), model };
        program(
            &mut network.egress,
            &[
                interface(0, 0),
                interface(1, 1),
                interface(2, 2),
                entry(1, LabelStack::EMPTY, neighbor(1), uniform),
                entry(2, LabelStack::EMPTY, neighbor(2), uniform),
                FwdOp::SetIlm { label: label(521), ilm: pop(VrfId::GLOBAL, pipe) },
                FwdOp::SetIlm { label: label(500), ilm: pop(a, uniform) },
                FwdOp::SetIlm { label: label(510), ilm: pop(b, pipe) },
                route4(a, via(1)),
                route6(a, via(1)),
                route4(b, via(2)),
                route6(b, via(2)),
            ],
            tally,
        );
        network
    }

    /// Each customer, each family: the frame on every link.
    pub fn customers(&mut self, tally: &mut Tally) {
        for (name, customer, vpn_label, vpn_ttl) in [("customer A", 1, 500, 63), ("customer B", 2, 510, 255)] {
            for ipv6 in [false, true] {
                let mut buffer = [0; ROOM];
                let sent = packet(ipv6, 64);
                let len = put(&mut buffer, ipv6, &sent);
                let mut frame = Frame::new(&mut buffer, Frame::HEADROOM, len).expect("room");

                let verdict = core::hint::black_box(&mut self.ingress).forward(&mut frame, IfIndex(customer));
                let vpn = LabelEntry::new(label(vpn_label), 0, true, vpn_ttl);
                let below = packet(ipv6, 63);
                let labels = [LabelEntry::new(label(520), 0, false, 255), vpn];
                tally.check(name, verdict == transmit(0) && holds(&frame, [0x88, 0x47], &labels, &below, ipv6));

                readdress(&mut frame);
                let verdict = core::hint::black_box(&mut self.core).forward(&mut frame, IfIndex(0));
                let labels = [LabelEntry::new(label(521), 0, false, 254), vpn];
                tally.check(name, verdict == transmit(1) && holds(&frame, [0x88, 0x47], &labels, &below, ipv6));

                readdress(&mut frame);
                let verdict = core::hint::black_box(&mut self.egress).forward(&mut frame, IfIndex(0));
                // The transport is a pipe: A's uniform label goes on with its own 63, B's pipe label leaves the packet's own 63.
                let (ethertype, below) =
                    if ipv6 { ([0x86, 0xdd], packet(true, 62)) } else { ([8, 0], packet(false, 62)) };
                tally.check(name, verdict == transmit(customer) && holds(&frame, ethertype, &[], &below, ipv6));
            }
        }
        for customer in [VrfId(1), VrfId(2)] {
            let (sent, got) = (self.ingress.vrf_counters(customer), self.egress.vrf_counters(customer));
            tally.check("packets per customer", (sent.in_packets, got.out_packets) == (2, 2));
            tally.check("octets per customer", sent.in_octets == got.out_octets && sent.in_octets == 92);
        }
    }

    /// A third customer, whose link between the PEs is a GRE tunnel through the core of plain IP.
    pub fn links(&mut self, tally: &mut Tally) {
        let (near, far) = ([192, 0, 2, 1], [192, 0, 2, 2]);
        for (router, local, remote) in [(&mut self.ingress, near, far), (&mut self.egress, far, near)] {
            let vlink = Vlink {
                ends: Ends::V4 { local: local.into(), remote: remote.into() },
                encapsulation: Encapsulation::GreKey(7),
                deliver: Deliver::Vrf(VrfId(3)),
                mpls: false,
                label_space: None,
                check_source: false,
                ordered: true,
                protection: None,
                model: TunnelModel::Pipe,
            };
            let output = VlinkOutput {
                next: NhlfeId(3),
                key: Some(7),
                cookie: Cookie::NONE,
                ports: (0, 0),
                numbered: true,
                mtu: 1500,
                ttl: 60,
                dscp: None,
                protection: None,
            };
            let own = Ipv4Prefix::from_bits(u32::from_be_bytes(local), 32).expect("at most 32");
            program(
                router,
                &[
                    interface(3, 3),
                    entry(3, LabelStack::EMPTY, neighbor(0), TunnelModel::Pipe),
                    entry(4, LabelStack::EMPTY, NextHop::Vlink(VlinkId(0)), TunnelModel::Pipe),
                    entry(5, LabelStack::EMPTY, neighbor(3), TunnelModel::Pipe),
                    FwdOp::SetVlink { id: VlinkId(0), vlink },
                    FwdOp::SetVlinkOutput { id: VlinkId(0), output },
                    FwdOp::SetRoute4 { vrf: VrfId::GLOBAL, prefix: own, action: RouteAction::Local },
                ],
                tally,
            );
        }
        program(&mut self.ingress, &[route4(VrfId(3), RouteAction::Forward(NhlfeId(4)))], tally);
        program(&mut self.egress, &[route4(VrfId(3), RouteAction::Forward(NhlfeId(5)))], tally);
    }

    /// By that link: the frame on it, and what arrives.
    pub fn third_customer(&mut self, tally: &mut Tally) {
        let mut buffer = [0; ROOM];
        let len = put(&mut buffer, false, &packet(false, 64));
        let mut frame = Frame::new(&mut buffer, Frame::HEADROOM, len).expect("room");
        let verdict = self.ingress.forward(&mut frame, IfIndex(3));
        let octets = frame.octets();
        let headers = [0x30, 0, 8, 0, 0, 0, 0, 7, 0, 0, 0, 0];
        tally.check("into the link", verdict == transmit(0) && octets.len() == len + 32);
        tally.check("outer header", octets[14..16] == [0x45, 0] && octets[22..24] == [60, 47]);
        tally.check("GRE header", octets[34..46] == headers && octets[46..] == packet(false, 63)[..36]);
        readdress(&mut frame);
        let verdict = self.egress.forward(&mut frame, IfIndex(0));
        tally.check("out of the link", verdict == transmit(3) && holds(&frame, [8, 0], &[], &packet(false, 62), false));
        tally.check("counters of the link", self.egress.vlink_counters(VlinkId(0)).in_octets == 36);
    }

    /// Makes one packet of a kind, and sends it if that is wanted, for the meter.
    pub fn packet(&mut self, path: Path, is_sent: bool) -> Option<Verdict> {
        let mut buffer = [0; ROOM];
        let (ipv6, iface, label_of) = match path {
            Path::Label4 => (false, 1, None),
            Path::Label6 => (true, 1, None),
            Path::Swap => (false, 0, Some(520)),
            Path::Pop4 => (false, 0, Some(510)),
            Path::Link => (false, 3, None),
        };
        let mut len = put(&mut buffer, ipv6, &packet(ipv6, 64));
        if let Some(value) = label_of {
            let frame = &mut buffer[Frame::HEADROOM..];
            frame.copy_within(14..len, 18);
            frame[12..14].copy_from_slice(&[0x88, 0x47]);
            frame[14..18].copy_from_slice(&LabelEntry::new(label(value), 0, true, 64).0);
            len += 4;
        }
        let mut frame = Frame::new(&mut buffer, Frame::HEADROOM, len).expect("room");
        let router = match path {
            Path::Label4 | Path::Label6 | Path::Link => &mut self.ingress,
            Path::Swap => &mut self.core,
            Path::Pop4 => &mut self.egress,
        };
        core::hint::black_box(&mut frame);
        is_sent.then(|| core::hint::black_box(router).forward(&mut frame, IfIndex(iface)))
    }

    /// What must not pass.
    pub fn refusals(&mut self, tally: &mut Tally) {
        let mut buffer = [0; ROOM];
        let mut forward = |router: &mut Forwarder<'m>, iface, ipv6, ttl, ethertype: Option<[u8; 2]>| {
            let len = put(&mut buffer, ipv6, &packet(ipv6, ttl));
            if let Some(ethertype) = ethertype {
                buffer[Frame::HEADROOM + 12..][..2].copy_from_slice(&ethertype);
            }
            let mut frame = Frame::new(&mut buffer, Frame::HEADROOM, len).expect("room");
            router.forward(&mut frame, IfIndex(iface))
        };
        let expired = |vrf| Verdict::Punt { reason: PuntReason::TtlExpired, vrf: VrfId(vrf), offset: 14 };
        tally.check("TTL", forward(&mut self.ingress, 1, false, 1, None) == expired(1));
        tally.check("hop limit", forward(&mut self.ingress, 2, true, 1, None) == expired(2));
        let labelled = forward(&mut self.ingress, 1, false, 64, Some([0x88, 0x47]));
        tally.check("labels from a customer", labelled == Verdict::Drop(DropReason::MplsDisabled));
        let unknown = forward(&mut self.core, 0, false, 64, Some([0x88, 0x47]));
        tally.check("unknown label", unknown == Verdict::Drop(DropReason::UnknownLabel));
        let core = forward(&mut self.core, 0, false, 64, None);
        tally.check("customer address in the core", core == Verdict::Drop(DropReason::NoRoute));
        tally.check("counters", self.core.counters().dropped(DropReason::NoRoute) == 1);
    }
}

const fn transmit(iface: u32) -> Verdict {
    Verdict::Transmit { iface: IfIndex(iface), class: 0 }
}

/// An IPv4 packet in the first 36 octets, or an IPv6 packet in all 56.
fn packet(ipv6: bool, ttl: u8) -> [u8; 40 + PAYLOAD] {
    let mut octets = [0; 40 + PAYLOAD];
    let header = if ipv6 {
        octets[0] = 0x60;
        octets[5] = PAYLOAD as u8;
        octets[6..8].copy_from_slice(&[17, ttl]);
        octets[8..12].copy_from_slice(&[0xfd, 0, 0, 1]);
        octets[24..28].copy_from_slice(&[0xfd, 0, 0, 2]);
        (octets[23], octets[39]) = (9, 9);
        40
    } else {
        octets[..10].copy_from_slice(&[0x45, 0, 0, 20 + PAYLOAD as u8, 0, 0, 0x40, 0, ttl, 17]);
        octets[12..20].copy_from_slice(&[10, 1, 0, 9, 10, 2, 0, 9]);
        Ipv4::of_mut(&mut octets).expect("20 octets").fill_checksum();
        20
    };
    for (i, octet) in octets[header..header + PAYLOAD].iter_mut().enumerate() {
        *octet = 0xa0 | i as u8;
    }
    octets
}

const fn len_of(ipv6: bool) -> usize {
    if ipv6 { 40 + PAYLOAD } else { 20 + PAYLOAD }
}

/// Puts a frame to the router into the buffer; returns its length.
fn put(buffer: &mut [u8; ROOM], ipv6: bool, packet: &[u8]) -> usize {
    let frame = &mut buffer[Frame::HEADROOM..];
    frame[..6].copy_from_slice(&ROUTER.0);
    frame[6..12].copy_from_slice(&NEIGHBOR.0);
    frame[12..14].copy_from_slice(if ipv6 { &[0x86, 0xdd] } else { &[8, 0] });
    let len = len_of(ipv6);
    frame[14..14 + len].copy_from_slice(&packet[..len]);
    14 + len
}

/// Sends a frame on: to the next router.
fn readdress(frame: &mut Frame<'_>) {
    frame.octets_mut()[..6].copy_from_slice(&ROUTER.0);
}

/// Whether the frame is one from the router to the neighbour with these labels and this packet.
fn holds(frame: &Frame<'_>, ethertype: [u8; 2], labels: &[LabelEntry], packet: &[u8], ipv6: bool) -> bool {
    let octets = frame.octets();
    let below = 14 + 4 * labels.len();
    octets.len() == below + len_of(ipv6)
        && octets[..6] == NEIGHBOR.0
        && octets[6..12] == ROUTER.0
        && octets[12..14] == ethertype
        && labels.iter().enumerate().all(|(i, entry)| octets[14 + 4 * i..18 + 4 * i] == entry.0)
        && octets[below..] == packet[..len_of(ipv6)]
}
