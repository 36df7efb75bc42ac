//! A router for tests: a forwarder in leaked memory, short ways to write its tables, and packets in and out.
#![allow(dead_code)] // each test binary uses its part

use std::net::{Ipv4Addr, Ipv6Addr};

use fwd_core::net::{IfIndex, Label, LabelStack, Mac, NhlfeId, VrfId};
use fwd_core::op::{FwdOp, Ilm, IlmAction, Interface, NextHop, Nhlfe, RouteAction, TunnelModel};
use fwd_core::table::{
    CounterMemory, EcmpSlot, Exact6Slot, ExactSlot, IlmSlot, InterfaceSlot, LegSlot, Memory, MulticastMemory,
    MulticastVrfSlot, NhlfeSlot, PolicerSlot, ProtectionSlot, ReplicationSlot, Rib4Node, Rib6Node, TokenBuckets,
    VlinkSlot, VlinkState, VrfSlot, Word,
};
use fwd_core::wire::{EtherType, Ethernet, Ipv4, Ipv6, LabelEntry};
use fwd_core::{Forwarder, Frame, GroupCounters, TooBigCounters, Verdict, VrfCounters};

pub const MODELS: [TunnelModel; 3] = [TunnelModel::Uniform, TunnelModel::Pipe, TunnelModel::ShortPipe];

/// Our address on every interface, and the neighbour's.
pub const OURS: Mac = Mac([2, 0, 0, 0, 0, 1]);
pub const THEIRS: Mac = Mac([2, 0, 0, 0, 0, 2]);

/// Interfaces 0 and 1 are core links, 2 belongs to VRF 1 and 3 to VRF 2. MTU 1500.
pub struct Router(pub Forwarder<'static>);

/// A label as it is sent: value, class, bottom of stack, TTL.
pub type Entry = (u32, u8, bool, u8);

/// What was sent.
#[derive(Debug, PartialEq)]
pub struct Sent {
    pub iface: u32,
    pub class: u8,
    pub labels: Vec<Entry>,
    pub ttl: u8,
    pub dscp: u8,
}

impl Router {
    pub fn new() -> Self {
        let forwarder = Forwarder::new(
            Memory {
                interfaces: vec![InterfaceSlot::EMPTY; 9].leak(),
                vrfs: vec![VrfSlot::EMPTY; 4].leak(),
                nhlfes: vec![NhlfeSlot::EMPTY; 65].leak(),
                groups: vec![EcmpSlot::EMPTY; 2].leak(),
                pairs: vec![ProtectionSlot::EMPTY; 2].leak(),
                first_label: Label::FIRST_UNRESERVED,
                ilm: vec![IlmSlot::EMPTY; 1000].leak(),
                rib4: vec![Rib4Node::EMPTY; 100].leak(),
                fib4: vec![Word::ZERO; 4000].leak(),
                rib6: vec![Rib6Node::EMPTY; 100].leak(),
                fib6: vec![Word::ZERO; 14000].leak(),
                vlinks: vec![VlinkSlot::EMPTY; 1201].leak(),
                vlink_index: vec![Word::ZERO; 2400].leak(),
                multicast: MulticastMemory {
                    vrfs: vec![MulticastVrfSlot::EMPTY; 4].leak(),
                    routes: vec![ExactSlot::EMPTY; 16].leak(),
                    routes6: vec![Exact6Slot::EMPTY; 16].leak(),
                    tunnels: vec![Word::ZERO; 6].leak(),
                    groups: vec![ReplicationSlot::EMPTY; 4].leak(),
                    legs: vec![LegSlot::EMPTY; 16].leak(),
                },
                policers: vec![PolicerSlot::EMPTY; 2].leak(),
                ..Memory::default()
            },
            CounterMemory {
                vrfs: vec![VrfCounters::ZERO; 4].leak(),
                too_big: vec![TooBigCounters::ZERO; 4].leak(),
                vlinks: vec![VlinkState::EMPTY; 1200].leak(),
                groups: vec![GroupCounters::ZERO; 4].leak(),
                buckets: vec![TokenBuckets::EMPTY; 1].leak(),
                ..CounterMemory::default()
            },
        );
        let mut router = Self(forwarder.unwrap());
        for (iface, vrf, mpls) in [(0, 0, true), (1, 0, true), (2, 1, false), (3, 2, false)] {
            router.interface(iface, vrf, mpls, 1500);
        }
        router
    }

    pub fn apply(&mut self, op: FwdOp) {
        self.0.apply(&op).unwrap();
    }

    pub fn interface(&mut self, iface: u32, vrf: u16, mpls: bool, mtu: u16) {
        let interface = Interface { vrf: VrfId(vrf), mac: OURS, mtu, mpls };
        self.apply(FwdOp::SetInterface { iface: IfIndex(iface), interface });
    }

    /// An entry that leads to the neighbour on an interface.
    pub fn entry(&mut self, id: u32, labels: &[u32], iface: u32, model: TunnelModel) {
        self.nhlfe(id, labels, NextHop::Neighbor { iface: IfIndex(iface), mac: THEIRS }, model);
    }

    pub fn nhlfe(&mut self, id: u32, labels: &[u32], next: NextHop, model: TunnelModel) {
        let labels: Vec<Label> = labels.iter().map(|&l| label(l)).collect();
        let nhlfe = Nhlfe { push: LabelStack::new(&labels).unwrap(), next, model };
        self.apply(FwdOp::SetNhlfe { id: NhlfeId(id), nhlfe });
    }

    pub fn forward_label(&mut self, incoming: u32, id: u32, model: TunnelModel) {
        let ilm = Ilm { action: IlmAction::Forward(NhlfeId(id)), model };
        self.apply(FwdOp::SetIlm { label: label(incoming), ilm });
    }

    pub fn pop_lookup(&mut self, incoming: u32, vrf: u16, model: TunnelModel) {
        let ilm = Ilm { action: IlmAction::PopLookup(VrfId(vrf)), model };
        self.apply(FwdOp::SetIlm { label: label(incoming), ilm });
    }

    /// An IPv4 or IPv6 route.
    pub fn route(&mut self, vrf: u16, prefix: &str, action: RouteAction) {
        let vrf = VrfId(vrf);
        self.apply(match prefix.contains(':') {
            true => FwdOp::SetRoute6 { vrf, prefix: prefix.parse().unwrap(), action },
            false => FwdOp::SetRoute4 { vrf, prefix: prefix.parse().unwrap(), action },
        });
    }

    pub fn route_to(&mut self, vrf: u16, prefix: &str, id: u32) {
        self.route(vrf, prefix, RouteAction::Forward(NhlfeId(id)));
    }

    /// Forwards a frame; a frame that is not sent must come back as it was.
    pub fn forward(&mut self, iface: u32, octets: &[u8]) -> Result<(u32, u8, Vec<u8>), Verdict> {
        let mut buffer = vec![0; Frame::HEADROOM];
        buffer.extend_from_slice(octets);
        let mut frame = Frame::new(&mut buffer, Frame::HEADROOM, octets.len()).unwrap();
        match self.0.forward(&mut frame, IfIndex(iface)) {
            Verdict::Transmit { iface, class } => Ok((iface.0, class, frame.octets().to_vec())),
            verdict => {
                assert_eq!(frame.octets(), octets);
                Err(verdict)
            }
        }
    }

    /// Forwards a frame and reads what was sent. The payload of the IP packet must be the one of [`ip`].
    pub fn send(&mut self, iface: u32, octets: &[u8]) -> Result<Sent, Verdict> {
        let (iface, class, octets) = self.forward(iface, octets)?;
        Ok(read(iface, class, &octets))
    }
}

pub fn label(value: u32) -> Label {
    Label::new(value).unwrap()
}

/// Reads a frame that was sent.
pub fn read(iface: u32, class: u8, octets: &[u8]) -> Sent {
    let header = Ethernet::of(octets).unwrap();
    assert_eq!((header.destination(), header.source()), (THEIRS, OURS));
    let mut rest = &octets[14..];
    let mut labels: Vec<Entry> = Vec::new();
    while header.ethertype() == EtherType::MPLS && labels.last().is_none_or(|&(_, _, bottom, _)| !bottom) {
        let e = LabelEntry::of(rest).unwrap();
        labels.push((e.label().value(), e.class(), e.is_bottom(), e.ttl()));
        rest = &rest[4..];
    }
    let version = rest[0] >> 4;
    if labels.is_empty() {
        assert_eq!(header.ethertype(), if version == 4 { EtherType::IPV4 } else { EtherType::IPV6 });
    }
    let (ttl, dscp, len) = if version == 4 {
        assert_eq!(fwd_core::wire::checksum::of(&rest[..20]), 0);
        let h = Ipv4::of(rest).unwrap();
        (h.ttl(), h.dscp(), 20)
    } else {
        let h = Ipv6::of(rest).unwrap();
        (h.hop_limit(), h.dscp(), 40)
    };
    assert!(rest[len..].iter().enumerate().all(|(i, &octet)| octet == i as u8), "payload changed");
    Sent { iface, class, labels, ttl, dscp }
}

/// An IP packet with 32 octets of payload, from 10.0.0.9 or fd00::9.
pub fn ip(destination: &str, ttl: u8, dscp: u8) -> Vec<u8> {
    ip_of(destination, ttl, dscp, 32)
}

pub fn ip_of(destination: &str, ttl: u8, dscp: u8, payload: u16) -> Vec<u8> {
    let source = if destination.contains(':') { "fd00::9" } else { "10.0.0.9" };
    ip_from(source, destination, ttl, dscp, payload)
}

pub fn ip_from(source: &str, destination: &str, ttl: u8, dscp: u8, payload: u16) -> Vec<u8> {
    let mut octets = if destination.contains(':') {
        let mut h = vec![0x60, 0, 0, 0];
        h.extend(payload.to_be_bytes());
        h.extend([17, ttl]);
        h.extend(source.parse::<Ipv6Addr>().unwrap().octets());
        h.extend(destination.parse::<Ipv6Addr>().unwrap().octets());
        Ipv6::of_mut(&mut h).unwrap().set_dscp(dscp);
        h
    } else {
        // Not to be fragmented.
        let mut h = vec![0x45, dscp << 2];
        h.extend((20 + payload).to_be_bytes());
        h.extend([0, 7, 0x40, 0, ttl, 17, 0, 0]);
        h.extend(source.parse::<Ipv4Addr>().unwrap().octets());
        h.extend(destination.parse::<Ipv4Addr>().unwrap().octets());
        Ipv4::of_mut(&mut h).unwrap().fill_checksum();
        h
    };
    octets.extend((0..payload).map(|i| i as u8));
    octets
}

/// A frame from the neighbour to us with an IP packet.
pub fn plain(packet: &[u8]) -> Vec<u8> {
    let ethertype = if packet[0] >> 4 == 6 { EtherType::IPV6 } else { EtherType::IPV4 };
    [&Ethernet::new(OURS, THEIRS, ethertype).0[..], packet].concat()
}

/// A frame from the neighbour to us with labels (value, class, TTL), top first, above a packet.
pub fn labelled(labels: &[(u32, u8, u8)], packet: &[u8]) -> Vec<u8> {
    let mut octets = Ethernet::new(OURS, THEIRS, EtherType::MPLS).0.to_vec();
    for (i, &(value, class, ttl)) in labels.iter().enumerate() {
        octets.extend(LabelEntry::new(label(value), class, i + 1 == labels.len(), ttl).0);
    }
    octets.extend(packet);
    octets
}
