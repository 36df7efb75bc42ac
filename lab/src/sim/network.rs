//! Nodes, links and the queue of events.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use bumpalo::Bump;
use fwd_core::net::{IfIndex, Mac, VrfId};
use fwd_core::op::Interface;
use fwd_core::table::Sizes;
use fwd_core::time::Instant;
use fwd_core::{Forwarder, Frame, PuntReason, Replica, Replication, Verdict};

use super::link::{Direction, LinkConfig, LinkCounters};
use super::node::{Control, Delivered, LinkId, Node, NodeId, Port, forwarder, in_buffer};
use super::packet::{self, IpView};
use super::rng::Rng;
use super::tcp::{Stack, TcpConfig};
use crate::pcap::Tap;

/// How the octets of sessions travel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// As packets through forwarding planes and links.
    Links,
    /// Straight to the machine that owns the destination address, after this delay, whatever the links do.
    Direct(Duration),
}

/// One step of a packet through a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hop {
    /// When.
    pub at: Instant,
    /// The machine.
    pub node: NodeId,
    /// The interface it came in by.
    pub ingress: IfIndex,
    /// The frame that came in.
    pub received: Vec<u8>,
    /// What the forwarding plane made of it.
    pub verdict: Verdict,
    /// The frame afterwards.
    pub result: Vec<u8>,
}

struct Link {
    config: LinkConfig,
    ends: [(NodeId, IfIndex); 2],
    directions: [Direction; 2],
    /// Partitions in force.
    cuts: u32,
    tap: Option<Tap>,
}

enum Event {
    Frame { link: LinkId, to: usize, octets: Vec<u8> },
    Packet { node: NodeId, vrf: VrfId, packet: Vec<u8> },
    Wake { node: NodeId },
    Cut { link: LinkId },
    Mend { link: LinkId },
}

/// A network of machines in virtual time.
///
/// The same construction, seed and calls give the same outputs, event by event.
pub struct Network<'m, C> {
    arena: &'m Bump,
    now: Instant,
    rng: Rng,
    transport: Transport,
    tcp: TcpConfig,
    nodes: Vec<Node<'m, C>>,
    links: Vec<Link>,
    /// Events by time, and by the order in which they were scheduled.
    events: BTreeMap<(Instant, u64), Event>,
    scheduled: u64,
    /// With direct transport: who owns an address, as seen from a machine and VRF.
    owners: BTreeMap<(NodeId, VrfId, IpAddr), (NodeId, VrfId)>,
    trace: Option<Vec<Hop>>,
    buffer: Vec<u8>,
}

impl<'m, C: Control> Network<'m, C> {
    /// A network without machines, at the epoch.
    #[must_use]
    pub fn new(arena: &'m Bump, seed: u64, transport: Transport) -> Self {
        Self {
            arena,
            now: Instant::ZERO,
            rng: Rng::new(seed),
            transport,
            tcp: TcpConfig::default(),
            nodes: Vec::new(),
            links: Vec::new(),
            events: BTreeMap::new(),
            scheduled: 0,
            owners: BTreeMap::new(),
            trace: None,
            buffer: Vec::new(),
        }
    }

    /// The time.
    #[must_use]
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// Adds a machine.
    pub fn add_node(&mut self, name: &str, sizes: &Sizes, control: C) -> NodeId {
        let forwarder = forwarder(self.arena, sizes);
        self.nodes.push(Node::new(name, Stack::new(self.tcp), forwarder, control));
        NodeId(self.nodes.len() - 1)
    }

    /// A machine.
    #[must_use]
    pub fn node(&self, node: NodeId) -> &Node<'m, C> {
        &self.nodes[node.0]
    }

    /// A machine. Call [`Network::wake`] after giving its control something to do.
    pub fn node_mut(&mut self, node: NodeId) -> &mut Node<'m, C> {
        &mut self.nodes[node.0]
    }

    /// Machines, in the order they were added.
    pub fn nodes(&self) -> impl Iterator<Item = (NodeId, &Node<'m, C>)> {
        self.nodes.iter().enumerate().map(|(n, node)| (NodeId(n), node))
    }

    /// Lets a machine's own packets into its forwarding plane in this VRF: an interface without a link.
    pub fn add_inside(&mut self, node: NodeId, vrf: VrfId, iface: IfIndex) {
        let mac = mac(node, iface);
        let machine = &mut self.nodes[node.0];
        machine.set_interface(iface, Interface { vrf, mac, mtu: u16::MAX, mpls: false });
        machine.inside.insert(vrf, (iface, mac));
    }

    /// Joins two machines. Each end is a machine, its interface, the interface's VRF, and whether it takes labels. Returns
    /// the link, and the MAC addresses of the ends.
    pub fn add_link(&mut self, config: LinkConfig, ends: [(NodeId, IfIndex, VrfId, bool); 2]) -> (LinkId, [Mac; 2]) {
        let link = LinkId(self.links.len());
        for (side, (node, iface, vrf, mpls)) in ends.into_iter().enumerate() {
            let mac = mac(node, iface);
            let machine = &mut self.nodes[node.0];
            machine.set_interface(iface, Interface { vrf, mac, mtu: config.mtu, mpls });
            machine.ports.insert(iface, Port { link, side });
        }
        let [a, b] = ends.map(|(node, iface, ..)| (node, iface));
        let directions = [Direction::default(), Direction::default()];
        self.links.push(Link { config, ends: [a, b], directions, cuts: 0, tap: None });
        (link, [mac(a.0, a.1), mac(b.0, b.1)])
    }

    /// Names the machine and VRF that own an address, as seen from a machine and VRF; for [`Transport::Direct`].
    pub fn set_owner(&mut self, from: (NodeId, VrfId), address: IpAddr, owner: (NodeId, VrfId)) {
        self.owners.insert((from.0, from.1, address), owner);
    }

    /// Records every frame of a link.
    pub fn tap(&mut self, link: LinkId, tap: Tap) {
        self.links[link.0].tap = Some(tap);
    }

    /// Takes the tap off a link.
    pub fn take_tap(&mut self, link: LinkId) -> Option<Tap> {
        self.links[link.0].tap.take()
    }

    /// The counters of both directions of a link, that of the first end first.
    #[must_use]
    pub fn link_counters(&self, link: LinkId) -> [LinkCounters; 2] {
        let [a, b] = &self.links[link.0].directions;
        [a.counters, b.counters]
    }

    /// The machines and interfaces at the ends of a link.
    #[must_use]
    pub fn link_ends(&self, link: LinkId) -> [(NodeId, IfIndex); 2] {
        self.links[link.0].ends
    }

    /// Changes what a link does to frames.
    pub fn set_link(&mut self, link: LinkId, config: LinkConfig) {
        self.links[link.0].config = config;
    }

    /// Drops every frame of a link from `after` now on, for `lasting`.
    pub fn partition(&mut self, link: LinkId, after: Duration, lasting: Duration) {
        self.schedule(self.now + after, Event::Cut { link });
        self.schedule(self.now + after + lasting, Event::Mend { link });
    }

    /// Starts to record the steps of packets that are not BGP, or stops and hands out what was recorded.
    pub fn trace(&mut self, on: bool) -> Vec<Hop> {
        std::mem::replace(&mut self.trace, on.then(Vec::new)).unwrap_or_default()
    }

    /// Sends an IP packet of a machine's own software into a VRF, which must have an inside interface.
    pub fn send_packet(&mut self, node: NodeId, vrf: VrfId, packet: &[u8]) {
        let machine = &self.nodes[node.0];
        let (Some(&(iface, mac)), Some(ethertype)) = (machine.inside.get(&vrf), packet::ethertype_of(packet)) else {
            return;
        };
        let source = Mac([2, 0xff, 0, 0, 0, 0]);
        let frame = packet::ethernet(mac, source, ethertype, packet);
        self.receive(node, iface, &frame);
    }

    /// Puts a frame on a machine's interface as it is.
    pub fn send_frame(&mut self, node: NodeId, iface: IfIndex, octets: &[u8]) {
        self.transmit(node, iface, octets.to_vec());
    }

    /// The machine at the other end of an interface's link; `None` for an interface without link.
    #[must_use]
    pub fn neighbor(&self, node: NodeId, iface: IfIndex) -> Option<NodeId> {
        let port = self.nodes[node.0].ports.get(&iface)?;
        Some(self.links[port.link.0].ends[1 - port.side].0)
    }

    /// The link that an interface is on.
    #[must_use]
    pub fn link_of(&self, node: NodeId, iface: IfIndex) -> Option<LinkId> {
        self.nodes[node.0].ports.get(&iface).map(|port| port.link)
    }

    /// The interface by which a machine is on a link, and the MAC address at the other end.
    #[must_use]
    pub fn far_end(&self, link: LinkId, node: NodeId) -> (IfIndex, Mac) {
        let [a, b] = self.links[link.0].ends;
        let (near, far) = if a.0 == node { (a, b) } else { (b, a) };
        (near.1, mac(far.0, far.1))
    }

    /// Drives a machine's control now.
    pub fn wake(&mut self, node: NodeId) {
        let machine = &mut self.nodes[node.0];
        machine.host.tcp.handle_timeout(self.now);
        machine.control.drive(self.now, &mut machine.host);
        while let Some((vrf, packet)) = self.nodes[node.0].host.tcp.poll_packet() {
            match self.transport {
                Transport::Links => self.send_packet(node, vrf, &packet),
                Transport::Direct(delay) => self.send_directly(node, vrf, packet, delay),
            }
        }
        self.schedule_wake(node);
    }

    fn send_directly(&mut self, node: NodeId, vrf: VrfId, packet: Vec<u8>, delay: Duration) {
        let owner = IpView::parse(&packet).and_then(|view| self.owners.get(&(node, vrf, view.dst)));
        if let Some(&(to, vrf)) = owner {
            self.schedule(self.now + delay, Event::Packet { node: to, vrf, packet });
        }
    }

    fn schedule_wake(&mut self, node: NodeId) {
        let machine = &mut self.nodes[node.0];
        let due = [machine.host.tcp.next_timeout(), machine.control.next_timeout()].into_iter().flatten().min();
        if let Some(at) = due {
            let at = at.max(self.now);
            if machine.wake_at.is_none_or(|w| w <= self.now || at < w) {
                machine.wake_at = Some(at);
                self.schedule(at, Event::Wake { node });
            }
        }
    }

    fn schedule(&mut self, at: Instant, event: Event) {
        self.scheduled += 1;
        self.events.insert((at.max(self.now), self.scheduled), event);
    }

    /// Lets time pass up to and including `until`.
    pub fn run_until(&mut self, until: Instant) {
        while let Some(entry) = self.events.first_entry().filter(|e| e.key().0 <= until) {
            let ((at, _), event) = entry.remove_entry();
            self.now = at;
            self.handle(event);
        }
        self.now = self.now.max(until);
    }

    /// Lets so much time pass.
    pub fn run_for(&mut self, span: Duration) {
        self.run_until(self.now + span);
    }

    /// Handles the next event, if it is due by `until`; `false` if there is none.
    pub fn step(&mut self, until: Instant) -> bool {
        let Some(entry) = self.events.first_entry().filter(|e| e.key().0 <= until) else { return false };
        let ((at, _), event) = entry.remove_entry();
        self.now = at;
        self.handle(event);
        true
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Frame { link, to, octets } => {
                let (node, iface) = self.links[link.0].ends[to];
                self.receive(node, iface, &octets);
            }
            Event::Packet { node, vrf, packet } => self.deliver(node, vrf, packet),
            Event::Wake { node } => {
                let machine = &mut self.nodes[node.0];
                if machine.wake_at.is_some_and(|at| at <= self.now) {
                    machine.wake_at = None;
                    self.wake(node);
                }
            }
            Event::Cut { link } => self.links[link.0].cuts += 1,
            Event::Mend { link } => self.links[link.0].cuts -= 1,
        }
    }

    /// A frame arrives at a machine's interface: through the forwarding plane, and on.
    fn receive(&mut self, node: NodeId, iface: IfIndex, octets: &[u8]) {
        let mut buffer = std::mem::take(&mut self.buffer);
        let Some(mut frame) = in_buffer(&mut buffer, octets) else { return };
        let machine = &mut self.nodes[node.0];
        let verdict = machine.host.forwarder.forward(&mut frame, iface);
        let result = frame.octets().to_vec();
        let copies = match verdict {
            Verdict::Replicate(replication) => copies(&mut machine.host.forwarder, &frame, replication),
            _ => Vec::new(),
        };
        self.buffer = buffer;
        if let Some(trace) = self.trace.as_mut().filter(|_| !is_bgp(octets)) {
            let (received, result) = (octets.to_vec(), result.clone());
            trace.push(Hop { at: self.now, node, ingress: iface, received, verdict, result });
        }
        match verdict {
            Verdict::Transmit { iface, .. } => self.transmit(node, iface, result),
            Verdict::Punt { reason: PuntReason::Local, vrf, offset } => {
                self.deliver(node, vrf, result.get(offset..).unwrap_or_default().to_vec());
            }
            Verdict::Replicate(_) => {
                for (iface, octets) in copies {
                    self.transmit(node, iface, octets);
                }
            }
            Verdict::Protect { .. } | Verdict::Punt { .. } | Verdict::PuntFrame { .. } | Verdict::Drop(_) => {}
        }
    }

    fn transmit(&mut self, node: NodeId, iface: IfIndex, octets: Vec<u8>) {
        let Some(port) = self.nodes[node.0].ports.get(&iface) else { return };
        let (link_id, side) = (port.link, port.side);
        let link = &mut self.links[link_id.0];
        if let Some(tap) = &mut link.tap {
            tap.record(self.now, &octets);
        }
        let cut = link.cuts > 0;
        let arrivals = link.directions[side].send(self.now, &link.config, cut, octets.len(), &mut self.rng);
        if let [Some(first), Some(second)] = arrivals {
            self.schedule(second, Event::Frame { link: link_id, to: 1 - side, octets: octets.clone() });
            self.schedule(first, Event::Frame { link: link_id, to: 1 - side, octets });
        } else if let [Some(at), None] = arrivals {
            self.schedule(at, Event::Frame { link: link_id, to: 1 - side, octets });
        }
    }

    /// A packet reached its destination's software.
    fn deliver(&mut self, node: NodeId, vrf: VrfId, packet: Vec<u8>) {
        let Some(view) = IpView::parse(&packet) else { return };
        let machine = &mut self.nodes[node.0];
        if view.protocol == packet::PROTOCOL_TCP && port_of(view.payload).contains(&BGP_PORT) {
            machine.host.tcp.handle_packet(self.now, vrf, &view);
            self.wake(node);
        } else {
            machine.delivered.push(Delivered { at: self.now, vrf, packet });
        }
    }
}

/// The TCP port of BGP (RFC 4271 §4.2).
pub const BGP_PORT: u16 = 179;

fn port_of(tcp: &[u8]) -> [u16; 2] {
    match *tcp {
        [a, b, c, d, ..] => [u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])],
        _ => [0; 2],
    }
}

/// Whether a frame carries BGP of the provider's or a customer's routers, labelled or not.
#[must_use]
pub fn is_bgp(frame: &[u8]) -> bool {
    let packet = below_labels(frame);
    IpView::parse(packet)
        .is_some_and(|view| view.protocol == packet::PROTOCOL_TCP && port_of(view.payload).contains(&BGP_PORT))
}

/// The IP packet in a frame, below its labels.
#[must_use]
pub fn below_labels(frame: &[u8]) -> &[u8] {
    let rest = frame.get(14..).unwrap_or_default();
    if frame.get(12..14) != Some(&packet::ETHERTYPE_MPLS.to_be_bytes()) {
        return rest;
    }
    let labels = rest.chunks_exact(4).position(|entry| entry[2] & 1 == 1).map_or(0, |last| last + 1);
    rest.get(labels * 4..).unwrap_or_default()
}

/// The MAC address of a machine's interface: locally administered, with both numbers in it.
#[must_use]
pub fn mac(node: NodeId, iface: IfIndex) -> Mac {
    let ([.., a, b], [.., c, d]) = ((node.0 as u32).to_be_bytes(), iface.0.to_be_bytes());
    Mac([2, 0, a, b, c, d])
}

/// The copies of a frame, each with the interface that it leaves by; those that have to go through a security association first
/// are left out.
pub(crate) fn copies(
    forwarder: &mut Forwarder<'_>,
    frame: &Frame<'_>,
    replication: Replication,
) -> Vec<(IfIndex, Vec<u8>)> {
    let mut made = Vec::new();
    let mut copies = forwarder.copies(frame, replication);
    while let Some(replica) = copies.next() {
        if let Replica::Transmit { iface, front, payload, protection: None, .. } = replica {
            let payload = frame.octets().get(payload).unwrap_or_default();
            made.push((iface, [front, payload].concat()));
        }
    }
    made
}
