//! A machine of the simulation: a forwarding plane, a TCP, and what controls them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use bgp_vpn::speaker::Reach;
use bumpalo::Bump;
use fwd_core::VrfCounters;
use fwd_core::net::{IfIndex, Mac, VrfId};
use fwd_core::op::{FwdOp, Interface};
use fwd_core::table::{
    CounterMemory, ExactSlot, IlmSlot, InterfaceSlot, LegSlot, Memory, MulticastMemory, MulticastVrfSlot, NhlfeSlot,
    ReplicationSlot, Rib4Node, Rib6Node, Sizes, VrfSlot, Word,
};
use fwd_core::time::Instant;
use fwd_core::{Forwarder, Frame};

use super::tcp::Stack;

/// A machine of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub usize);

/// A link of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkId(pub usize);

/// What runs on a machine above TCP and programs its forwarding plane.
pub trait Control {
    /// Takes the events of `host.tcp` and whatever is due, and acts, until there is nothing left to do.
    fn drive(&mut self, now: Instant, host: &mut Host<'_>);
    /// The way to a BGP next hop changed; [`Control::drive`] follows.
    fn next_hop(&mut self, now: Instant, address: IpAddr, reach: Option<Reach>);
    /// When it wants to be driven at the latest.
    fn next_timeout(&self) -> Option<Instant>;
}

/// A machine without control: a router that is programmed from outside.
impl Control for () {
    fn drive(&mut self, _: Instant, host: &mut Host<'_>) {
        while host.tcp.poll_event().is_some() {}
    }

    fn next_hop(&mut self, _: Instant, _: IpAddr, _: Option<Reach>) {}

    fn next_timeout(&self) -> Option<Instant> {
        None
    }
}

/// The part of a machine that its control acts on.
pub struct Host<'m> {
    /// Its TCP.
    pub tcp: Stack,
    /// Its forwarding plane.
    pub forwarder: Forwarder<'m>,
    /// Ops applied so far.
    pub applied: u64,
    /// Ops refused so far.
    pub refused: u64,
}

impl Host<'_> {
    /// Applies an op; `false` if the forwarding plane refuses it.
    pub fn apply(&mut self, op: &FwdOp) -> bool {
        let done = self.forwarder.apply(op).is_ok();
        *(if done { &mut self.applied } else { &mut self.refused }) += 1;
        done
    }
}

/// Where an interface is plugged in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Port {
    pub link: LinkId,
    /// 0 or 1: which end of the link.
    pub side: usize,
}

/// A packet that reached its destination's software.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// When.
    pub at: Instant,
    /// The VRF it was in.
    pub vrf: VrfId,
    /// The IP packet.
    pub packet: Vec<u8>,
}

/// A machine.
pub struct Node<'m, C> {
    /// Its name.
    pub name: String,
    /// TCP and forwarding plane.
    pub host: Host<'m>,
    /// What controls it.
    pub control: C,
    /// Packets that arrived for its software, other than TCP to or from its own connections.
    pub delivered: Vec<Delivered>,
    pub(super) ports: BTreeMap<IfIndex, Port>,
    /// Interfaces through which its own packets enter the forwarding plane, by VRF.
    pub(super) inside: BTreeMap<VrfId, (IfIndex, Mac)>,
    /// The wake-up that is scheduled.
    pub(super) wake_at: Option<Instant>,
}

/// A forwarding plane in memory of the arena. Labels are counted from 16.
///
/// # Panics
/// On sizes without a VRF.
pub fn forwarder<'m>(arena: &'m Bump, sizes: &Sizes) -> Forwarder<'m> {
    let memory = Memory { multicast: multicast(arena, sizes), ..memory(arena, sizes) };
    let counters =
        CounterMemory { vrfs: arena.alloc_slice_fill_copy(sizes.vrfs, VrfCounters::ZERO), ..CounterMemory::default() };
    Forwarder::new(memory, counters).expect("a VRF, and labels from 16")
}

/// Memory for a few trees and flows of multicast in IPv4.
fn multicast<'m>(arena: &'m Bump, sizes: &Sizes) -> MulticastMemory<'m> {
    const FEW: usize = 32;
    MulticastMemory {
        vrfs: arena.alloc_slice_fill_with(sizes.vrfs, |_| MulticastVrfSlot::EMPTY),
        routes: arena.alloc_slice_fill_with(FEW, |_| ExactSlot::EMPTY),
        tunnels: arena.alloc_slice_fill_with(FEW, |_| Word::ZERO),
        groups: arena.alloc_slice_fill_with(FEW, |_| ReplicationSlot::EMPTY),
        legs: arena.alloc_slice_fill_with(2 * FEW, |_| LegSlot::EMPTY),
        ..MulticastMemory::default()
    }
}

/// Memory of a forwarding plane of these sizes: unicast and labels.
pub fn memory<'m>(arena: &'m Bump, sizes: &Sizes) -> Memory<'m> {
    Memory {
        interfaces: arena.alloc_slice_fill_with(sizes.interface_slots(), |_| InterfaceSlot::EMPTY),
        vrfs: arena.alloc_slice_fill_with(sizes.vrfs, |_| VrfSlot::EMPTY),
        nhlfes: arena.alloc_slice_fill_with(sizes.nhlfe_slots(), |_| NhlfeSlot::EMPTY),
        ilm: arena.alloc_slice_fill_with(sizes.labels, |_| IlmSlot::EMPTY),
        rib4: arena.alloc_slice_fill_with(sizes.rib4_nodes(), |_| Rib4Node::EMPTY),
        fib4: arena.alloc_slice_fill_with(sizes.fib4_words(), |_| Word::ZERO),
        direct4: arena.alloc_slice_fill_with(Sizes::direct_words(sizes.direct4), |_| Word::ZERO),
        front4: arena.alloc_slice_fill_with(sizes.front4_words(), |_| Word::ZERO),
        rib6: arena.alloc_slice_fill_with(sizes.rib6_nodes(), |_| Rib6Node::EMPTY),
        fib6: arena.alloc_slice_fill_with(sizes.fib6_words(), |_| Word::ZERO),
        direct6: arena.alloc_slice_fill_with(Sizes::direct_words(sizes.direct6), |_| Word::ZERO),
        front6: arena.alloc_slice_fill_with(sizes.front6_words(), |_| Word::ZERO),
        ..Memory::default()
    }
}

impl<'m, C> Node<'m, C> {
    pub(super) fn new(name: &str, tcp: Stack, forwarder: Forwarder<'m>, control: C) -> Self {
        Self {
            name: name.to_owned(),
            host: Host { tcp, forwarder, applied: 0, refused: 0 },
            control,
            delivered: Vec::new(),
            ports: BTreeMap::new(),
            inside: BTreeMap::new(),
            wake_at: None,
        }
    }

    /// Creates an interface of the forwarding plane.
    ///
    /// # Panics
    /// If the table of interfaces is full.
    pub(super) fn set_interface(&mut self, iface: IfIndex, interface: Interface) {
        let done = self.host.apply(&FwdOp::SetInterface { iface, interface });
        assert!(done, "{}: no room for {iface}", self.name);
    }
}

/// A frame in a buffer with headroom.
pub(super) fn in_buffer<'b>(buffer: &'b mut Vec<u8>, octets: &[u8]) -> Option<Frame<'b>> {
    buffer.clear();
    buffer.resize(Frame::HEADROOM, 0);
    buffer.extend(octets);
    Frame::new(buffer, Frame::HEADROOM, octets.len())
}
