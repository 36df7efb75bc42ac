//! The forwarding plane on real interfaces: frames from ports through [`Forwarder`] to ports, with what an IP router does beside
//! forwarding: neighbours are resolved, its own addresses answer to ping.
//!
//! An interface of a VRF belongs to this process alone. A core interface is shared with the kernel, which has its addresses and the TCP
//! sessions on them: here only labelled packets count, and what ARP and neighbour discovery say.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use fwd_core::net::{IfIndex, IpPrefix, LabelStack, Mac, NhlfeId, PortId, VrfId};
use fwd_core::op::{FwdOp, Interface, NextHop, Nhlfe, RouteAction, TunnelModel};
use fwd_core::time::Instant;
use fwd_core::{DropReason, Forwarder, Frame, PuntReason, Replica, Replication, Verdict, VrfCounters};

use super::neighbour::{self, Heard, PROTOCOL_ICMPV6};
use super::port::{Heard as PortHeard, Port, Reception};
use crate::sim::packet::{
    ETHERTYPE_IPV6, ETHERTYPE_MPLS, IpView, checksum, ethernet, ethertype_of, ip_packet, pseudo_header,
};

/// The longest frame that a port hands over.
const LONGEST: usize = 9216;
/// Frames taken from a port before the others have their turn.
const BURST: usize = 64;
/// Packets that wait for one neighbour's address; more are lost (RFC 1122 §2.3.2.2).
const WAITING: usize = 4;
/// Between two questions for a neighbour.
const ASK: Duration = Duration::from_secs(1);
/// How long an address is believed without being confirmed.
const BELIEVED: Duration = Duration::from_secs(30);
/// Questions without an answer after which a neighbour is gone.
const TRIES: u8 = 3;
/// Packets that wait for software; more are lost.
const PUNTED: usize = 4096;
/// IP protocol number of ICMP.
const PROTOCOL_ICMP: u8 = 1;
/// IPv6's hop-by-hop options header (RFC 8200 §4.3).
const HOP_BY_HOP: u8 = 0;

/// An interface as configured.
#[derive(Clone, Debug)]
pub struct Attachment {
    /// The system's name of the interface.
    pub name: String,
    /// Its VRF; [`VrfId::GLOBAL`]: a core interface.
    pub vrf: VrfId,
    /// Our addresses on it with the lengths of their subnets.
    pub addresses: Vec<(IpAddr, u8)>,
}

/// A packet that the forwarding plane handed to software.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Punted {
    /// Where it arrived.
    pub iface: IfIndex,
    /// Why.
    pub reason: PuntReason,
    /// The packet from its IP header on.
    pub packet: Vec<u8>,
}

/// An interface that is open.
struct Attached {
    port: Port,
    vrf: VrfId,
    addresses: Vec<(IpAddr, u8)>,
    /// Its frames are customers' and bridged, whatever is in them.
    bridged: bool,
    /// Labelled packets that were refused on it.
    illegal_labels: u64,
}

/// Somebody on a link.
struct Neighbour {
    iface: IfIndex,
    address: IpAddr,
    /// The entry that sends to it.
    nhlfe: NhlfeId,
    mac: Option<Mac>,
    /// It is a next hop or a CE by configuration, and asked for without traffic.
    wanted: bool,
    waiting: Vec<Vec<u8>>,
    due: Instant,
    tries: u8,
}

/// Ports, neighbours and counters.
pub struct Plane {
    attached: Vec<Attached>,
    neighbours: Vec<Neighbour>,
    by_address: HashMap<(IfIndex, IpAddr), usize>,
    entries: std::ops::Range<u32>,
    buffer: Vec<u8>,
    /// What the forwarder counted as received and was ours.
    own: HashMap<VrfId, VrfCounters>,
    /// What software is to look at; `None` where there is none but ping.
    punted: Option<VecDeque<Punted>>,
    /// Bridged frames that software is to look at, with the bridge ports that they arrived at.
    punted_frames: VecDeque<(PuntReason, PortId, Vec<u8>)>,
    /// Addresses of ours that are on no interface.
    loopbacks: Vec<IpAddr>,
    /// Frames taken from ports.
    pub received: u64,
    /// Frames that ports refused.
    pub failed: u64,
}

impl Plane {
    /// No interfaces. Entries for neighbours are numbered from `entries`.
    #[must_use]
    pub fn new(entries: std::ops::Range<u32>) -> Self {
        Self {
            attached: Vec::new(),
            neighbours: Vec::new(),
            by_address: HashMap::new(),
            entries,
            buffer: vec![0; Frame::HEADROOM + LONGEST],
            own: HashMap::new(),
            punted: None,
            punted_frames: VecDeque::new(),
            loopbacks: Vec::new(),
            received: 0,
            failed: 0,
        }
    }

    /// Opens an interface and makes it one of the forwarder's; they are numbered from 1.
    ///
    /// # Errors
    /// The interface cannot be opened, or the forwarder has no room.
    pub fn attach(&mut self, attachment: &Attachment, forwarder: &mut Forwarder<'_>) -> anyhow::Result<IfIndex> {
        let core = attachment.vrf == VrfId::GLOBAL;
        let port = Port::open(&attachment.name, PortHeard::All, Reception::Groups)?;
        let iface = IfIndex(u32::try_from(self.attached.len() + 1)?);
        let interface = Interface { vrf: attachment.vrf, mac: port.mac(), mtu: port.mtu()?, mpls: core };
        forwarder
            .apply(&FwdOp::SetInterface { iface, interface })
            .map_err(|e| anyhow::anyhow!("interface {}: {e}", attachment.name))?;
        self.attached.push(Attached {
            port,
            vrf: attachment.vrf,
            addresses: attachment.addresses.clone(),
            bridged: false,
            illegal_labels: 0,
        });
        Ok(iface)
    }

    /// Opens an interface of a customer whose frames are bridged: the forwarder gets every frame as it arrived.
    ///
    /// # Errors
    /// The interface cannot be opened, or the forwarder has no room.
    pub fn attach_bridged(&mut self, name: &str, forwarder: &mut Forwarder<'_>) -> anyhow::Result<IfIndex> {
        let port = Port::open(name, PortHeard::All, Reception::Everything)?;
        let iface = number(self.attached.len());
        let interface = Interface { vrf: VrfId::GLOBAL, mac: port.mac(), mtu: port.mtu()?, mpls: false };
        let applied = forwarder.apply(&FwdOp::SetInterface { iface, interface });
        applied.map_err(|e| anyhow::anyhow!("interface {name}: {e}"))?;
        self.attached.push(Attached {
            port,
            vrf: VrfId::GLOBAL,
            addresses: Vec::new(),
            bridged: true,
            illegal_labels: 0,
        });
        Ok(iface)
    }

    /// The next bridged frame for software, and why it is.
    pub fn punted_frame(&mut self) -> Option<(PuntReason, PortId, Vec<u8>)> {
        self.punted_frames.pop_front()
    }

    /// The interface and the address of the neighbour that an entry sends to; `None` while the address is not known.
    #[must_use]
    pub fn way(&self, nhlfe: NhlfeId) -> Option<(IfIndex, Mac)> {
        let neighbour = self.neighbours.iter().find(|n| n.nhlfe == nhlfe)?;
        Some((neighbour.iface, neighbour.mac?))
    }

    /// Turns on that packets for software wait for [`Self::punted`], and makes these addresses ours beside those of interfaces.
    pub fn serve(&mut self, loopbacks: Vec<IpAddr>) {
        self.punted = Some(VecDeque::new());
        self.loopbacks = loopbacks;
    }

    /// The next packet for software.
    pub fn punted(&mut self) -> Option<Punted> {
        self.punted.as_mut()?.pop_front()
    }

    fn hand_up(&mut self, iface: IfIndex, reason: PuntReason, packet: &[u8]) {
        if let Some(punted) = self.punted.as_mut().filter(|p| p.len() < PUNTED) {
            punted.push_back(Punted { iface, reason, packet: packet.to_vec() });
        }
    }

    /// The Ethernet address of an interface.
    #[must_use]
    pub fn mac(&self, iface: IfIndex) -> Option<Mac> {
        self.attached.get(place(iface)).map(|a| a.port.mac())
    }

    /// Sends a frame as it is.
    pub fn send(&mut self, iface: IfIndex, frame: &[u8]) {
        if let Some(attached) = self.attached.get_mut(place(iface)) {
            self.failed += u64::from(attached.port.send(frame).is_err());
        }
    }

    /// Sends a packet of this router's own by the routes of a VRF.
    pub fn route(&mut self, now: Instant, vrf: VrfId, packet: &[u8], forwarder: &mut Forwarder<'_>) {
        if let Some(at) = self.attached.iter().position(|a| a.vrf == vrf) {
            self.originate(now, number(at), packet, forwarder);
        }
    }

    /// Whether there are no interfaces.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.attached.is_empty()
    }

    /// What becomes readable when a frame arrives.
    pub fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.attached.iter().map(|a| a.port.as_fd())
    }

    /// Whether an address is one of ours on an interface of the VRF.
    fn is_address(&self, vrf: VrfId, address: IpAddr) -> bool {
        let mut all = self.attached.iter().filter(|a| a.vrf == vrf).flat_map(|a| &a.addresses);
        all.any(|(own, _)| *own == address)
    }

    /// The interface whose subnet an address of a VRF lies in.
    #[must_use]
    pub fn interface_of(&self, vrf: VrfId, address: IpAddr) -> Option<IfIndex> {
        let at = self.attached.iter().position(|a| a.vrf == vrf && a.subnets().any(|s| contains(&s, address)))?;
        Some(number(at))
    }

    /// The entry that sends to a neighbour; it discards until the neighbour's address is known. `None` if there are too many.
    pub fn neighbour(
        &mut self,
        now: Instant,
        iface: IfIndex,
        address: IpAddr,
        forwarder: &mut Forwarder<'_>,
    ) -> Option<NhlfeId> {
        let at = self.remember(now, iface, address, forwarder)?;
        self.neighbours[at].wanted = true;
        Some(self.neighbours[at].nhlfe)
    }

    fn remember(
        &mut self,
        now: Instant,
        iface: IfIndex,
        address: IpAddr,
        forwarder: &mut Forwarder<'_>,
    ) -> Option<usize> {
        if let Some(at) = self.by_address.get(&(iface, address)) {
            return Some(*at);
        }
        // Once all entries are given out, one is taken from somebody who never answered.
        let idle = |n: &Neighbour| !n.wanted && n.mac.is_none() && n.waiting.is_empty();
        let (at, nhlfe) = match self.entries.next() {
            Some(entry) => (self.neighbours.len(), NhlfeId(entry)),
            None => {
                let at = self.neighbours.iter().position(idle)?;
                self.by_address.remove(&(self.neighbours[at].iface, self.neighbours[at].address));
                (at, self.neighbours[at].nhlfe)
            }
        };
        program(forwarder, &sends_to(nhlfe, NextHop::Discard));
        self.by_address.insert((iface, address), at);
        let (mac, wanted, waiting, due, tries) = (None, false, Vec::new(), now, 0);
        let neighbour = Neighbour { iface, address, nhlfe, mac, wanted, waiting, due, tries };
        match self.neighbours.get_mut(at) {
            Some(place) => *place = neighbour,
            None => self.neighbours.push(neighbour),
        }
        Some(at)
    }

    /// When [`Self::handle_timeout`] is to be called; changed by every call.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        self.neighbours.iter().filter(|n| n.wanted || n.mac.is_some() || !n.waiting.is_empty()).map(|n| n.due).min()
    }

    /// Asks for neighbours and forgets those that are gone.
    pub fn handle_timeout(&mut self, now: Instant, forwarder: &mut Forwarder<'_>) {
        for at in 0..self.neighbours.len() {
            let neighbour = &mut self.neighbours[at];
            if neighbour.due > now || (!neighbour.wanted && neighbour.mac.is_none() && neighbour.waiting.is_empty()) {
                continue;
            }
            neighbour.due = now + ASK;
            neighbour.tries = neighbour.tries.saturating_add(1);
            if neighbour.tries > TRIES {
                neighbour.waiting.clear();
                let gone = neighbour.mac.take().is_some();
                if gone {
                    self.lost(at, forwarder);
                }
                if !self.neighbours[at].wanted {
                    self.neighbours[at].tries = 0;
                    continue;
                }
            }
            self.ask(at);
        }
    }

    fn ask(&mut self, at: usize) {
        let Neighbour { iface, address, mac, .. } = self.neighbours[at];
        let attached = &mut self.attached[place(iface)];
        let Some(own) = attached.address_towards(address) else { return };
        if let Some(frame) = neighbour::ask(address, mac, own, attached.port.mac()) {
            self.failed += u64::from(attached.port.send(&frame).is_err());
        }
    }

    /// The neighbour's entry discards again, and its host route goes.
    fn lost(&mut self, at: usize, forwarder: &mut Forwarder<'_>) {
        let Neighbour { iface, address, nhlfe, .. } = self.neighbours[at];
        program(forwarder, &sends_to(nhlfe, NextHop::Discard));
        let vrf = self.attached[place(iface)].vrf;
        if vrf != VrfId::GLOBAL && host_route(forwarder, vrf, address) == Some(RouteAction::Forward(nhlfe)) {
            program(
                forwarder,
                &match host(address) {
                    IpPrefix::V4(prefix) => FwdOp::ClearRoute4 { vrf, prefix },
                    IpPrefix::V6(prefix) => FwdOp::ClearRoute6 { vrf, prefix },
                },
            );
        }
    }

    /// A neighbour was heard: its entry leads to it, in a VRF a host route does too, and what waited goes.
    fn learn(&mut self, now: Instant, iface: IfIndex, address: IpAddr, mac: Mac, forwarder: &mut Forwarder<'_>) {
        let Some(at) = self.by_address.get(&(iface, address)).copied() else { return };
        let vrf = self.attached[place(iface)].vrf;
        let neighbour = &mut self.neighbours[at];
        (neighbour.due, neighbour.tries) = (now + BELIEVED, 0);
        let nhlfe = neighbour.nhlfe;
        if neighbour.mac.replace(mac) != Some(mac) {
            program(forwarder, &sends_to(nhlfe, NextHop::Neighbor { iface, mac }));
        }
        // A host route that BGP or an operator gave stays.
        if vrf != VrfId::GLOBAL && host_route(forwarder, vrf, address).is_none() {
            let action = RouteAction::Forward(nhlfe);
            program(
                forwarder,
                &match host(address) {
                    IpPrefix::V4(prefix) => FwdOp::SetRoute4 { vrf, prefix, action },
                    IpPrefix::V6(prefix) => FwdOp::SetRoute6 { vrf, prefix, action },
                },
            );
        }
        for packet in std::mem::take(&mut self.neighbours[at].waiting) {
            self.originate(now, iface, &packet, forwarder);
        }
    }

    /// Takes what arrived. Returns whether ports may hold more.
    ///
    /// # Errors
    /// An interface is gone.
    pub fn receive(&mut self, now: Instant, forwarder: &mut Forwarder<'_>) -> io::Result<bool> {
        let mut buffer = std::mem::take(&mut self.buffer);
        let mut more = false;
        for at in 0..self.attached.len() {
            for n in 0..BURST {
                let Some(len) = self.attached[at].port.receive(&mut buffer[Frame::HEADROOM..])? else { break };
                self.received += 1;
                self.frame(now, number(at), &mut buffer, len, forwarder);
                more |= n + 1 == BURST;
            }
        }
        self.buffer = buffer;
        Ok(more)
    }

    /// One frame in `buffer` behind the headroom.
    fn frame(&mut self, now: Instant, iface: IfIndex, buffer: &mut [u8], len: usize, forwarder: &mut Forwarder<'_>) {
        if self.attached[place(iface)].bridged {
            return self.forward(now, iface, buffer, len, forwarder);
        }
        let octets = &buffer[Frame::HEADROOM..Frame::HEADROOM + len];
        let core = self.attached[place(iface)].vrf == VrfId::GLOBAL;
        match neighbour::parse(octets) {
            Some(Heard::Is { address, mac }) => return self.learn(now, iface, address, mac, forwarder),
            Some(Heard::Who { target, from, mac }) => {
                self.learn(now, iface, from, mac, forwarder);
                let attached = &mut self.attached[place(iface)];
                if !core && attached.addresses.iter().any(|(own, _)| *own == target) {
                    if let Some(reply) = neighbour::answer(target, attached.port.mac(), (from, mac)) {
                        self.failed += u64::from(attached.port.send(&reply).is_err());
                    }
                }
                return;
            }
            None if core && octets.get(12..14) != Some(&ETHERTYPE_MPLS.to_be_bytes()) => return,
            None => {}
        }
        // MLD comes with Router Alert, be it to a group that is routed (RFC 2711, RFC 3810 §5).
        let alert = octets.get(14).is_some_and(|v| v >> 4 == 6) && octets.get(20) == Some(&HOP_BY_HOP);
        if alert && self.punted.is_some() && octets.get(12..14) == Some(&ETHERTYPE_IPV6.to_be_bytes()) {
            let packet = octets[14..].to_vec();
            return self.hand_up(iface, PuntReason::RouterAlert, &packet);
        }
        self.forward(now, iface, buffer, len, forwarder);
    }

    fn forward(&mut self, now: Instant, iface: IfIndex, buffer: &mut [u8], len: usize, forwarder: &mut Forwarder<'_>) {
        let Some(mut frame) = Frame::new(buffer, Frame::HEADROOM, len) else { return };
        match forwarder.forward(&mut frame, iface) {
            Verdict::Transmit { iface, .. } => {
                if let Some(attached) = self.attached.get_mut(place(iface)) {
                    self.failed += u64::from(attached.port.send(frame.octets()).is_err());
                }
            }
            Verdict::Punt { reason: PuntReason::Local, vrf, offset } => {
                let packet = frame.octets().get(offset..).unwrap_or_default().to_vec();
                self.local(now, vrf, iface, packet, forwarder);
            }
            Verdict::Drop(DropReason::MplsDisabled | DropReason::UnknownLabel) => {
                if let Some(attached) = self.attached.get_mut(place(iface)) {
                    attached.illegal_labels += 1;
                }
            }
            Verdict::Replicate(replication) => {
                self.replicate(iface, &frame, replication, forwarder);
            }
            Verdict::Punt { reason, offset, .. } => {
                self.hand_up(iface, reason, frame.octets().get(offset..).unwrap_or_default());
            }
            Verdict::PuntFrame { reason, port, offset } if self.punted_frames.len() < PUNTED => {
                let octets = frame.octets().get(offset..).unwrap_or_default().to_vec();
                self.punted_frames.push_back((reason, port, octets));
            }
            Verdict::Protect { .. } | Verdict::PuntFrame { .. } | Verdict::Drop(_) => {}
        }
    }

    /// The copies of a packet that arrived on `iface`, to interfaces and to software.
    fn replicate(
        &mut self,
        iface: IfIndex,
        frame: &Frame<'_>,
        replication: Replication,
        forwarder: &mut Forwarder<'_>,
    ) {
        let mut copies = forwarder.copies(frame, replication);
        while let Some(replica) = copies.next() {
            match replica {
                Replica::Transmit { iface, front, payload, protection: None, .. } => {
                    let payload = frame.octets().get(payload).unwrap_or_default();
                    self.send(iface, &[front, payload].concat());
                }
                Replica::Punt(Verdict::Punt { reason, offset, .. }) => {
                    self.hand_up(iface, reason, frame.octets().get(offset..).unwrap_or_default());
                }
                Replica::Transmit { .. } | Replica::Punt(_) => {}
            }
        }
    }

    /// Packets and octets of a VRF's interfaces, without what this router itself sent by way of them.
    #[must_use]
    pub fn vrf_counters(&self, vrf: VrfId, forwarder: &Forwarder<'_>) -> VrfCounters {
        let all = forwarder.vrf_counters(vrf);
        let own = self.own.get(&vrf).copied().unwrap_or_default();
        VrfCounters {
            in_packets: all.in_packets.wrapping_sub(own.in_packets),
            in_octets: all.in_octets.wrapping_sub(own.in_octets),
            ..all
        }
    }

    /// Whether an interface has a carrier; one that is not ours always has.
    #[must_use]
    pub fn is_up(&self, iface: IfIndex) -> bool {
        self.attached.get(place(iface)).is_none_or(|a| a.port.has_carrier())
    }

    /// Labelled packets that were refused on the interfaces of a VRF.
    #[must_use]
    pub fn illegal_labels(&self, vrf: VrfId) -> u64 {
        self.attached.iter().filter(|a| a.vrf == vrf).map(|a| a.illegal_labels).sum()
    }

    /// A packet to an address of ours, or to one on a subnet of ours that is not resolved.
    fn local(&mut self, now: Instant, vrf: VrfId, arrived: IfIndex, packet: Vec<u8>, forwarder: &mut Forwarder<'_>) {
        let Some(view) = IpView::parse(&packet) else { return };
        let own = self.loopbacks.contains(&view.dst) || self.is_address(vrf, view.dst);
        if own {
            match echo_reply(&view) {
                Some(reply) => self.route(now, vrf, &reply, forwarder),
                None => self.hand_up(arrived, PuntReason::Local, &packet),
            }
            return;
        }
        let Some(iface) = self.interface_of(vrf, view.dst) else { return };
        let dst = view.dst;
        let Some(at) = self.remember(now, iface, dst, forwarder) else { return };
        let neighbour = &mut self.neighbours[at];
        let first = neighbour.waiting.is_empty();
        if neighbour.waiting.len() < WAITING {
            neighbour.waiting.push(packet);
        }
        if first {
            neighbour.due = now + ASK;
            self.ask(at);
        }
    }

    /// A packet enters the forwarding plane as if it had arrived on an interface.
    fn originate(&mut self, now: Instant, iface: IfIndex, packet: &[u8], forwarder: &mut Forwarder<'_>) {
        let Some(ethertype) = ethertype_of(packet) else { return };
        let mac = self.attached[place(iface)].port.mac();
        let frame = ethernet(mac, mac, ethertype, packet);
        let mut buffer = vec![0; Frame::HEADROOM];
        buffer.extend(&frame);
        let own = self.own.entry(self.attached[place(iface)].vrf).or_default();
        own.in_packets += 1;
        own.in_octets += packet.len() as u64;
        self.forward(now, iface, &mut buffer, frame.len(), forwarder);
    }
}

impl Attached {
    fn subnets(&self) -> impl Iterator<Item = IpPrefix> + '_ {
        self.addresses.iter().filter_map(|(address, len)| prefix(*address, *len))
    }

    /// Our address on the subnet of a neighbour, else one of its family.
    fn address_towards(&self, neighbour: IpAddr) -> Option<IpAddr> {
        let family = self.addresses.iter().filter(|(own, _)| own.is_ipv4() == neighbour.is_ipv4());
        let near = family.clone().find(|(own, len)| prefix(*own, *len).is_some_and(|s| contains(&s, neighbour)));
        near.or_else(|| family.clone().next()).map(|(own, _)| *own)
    }
}

/// A subnet from an address on it.
#[must_use]
pub fn prefix(address: IpAddr, len: u8) -> Option<IpPrefix> {
    match address {
        IpAddr::V4(a) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(len.min(32))).unwrap_or(0);
            fwd_core::net::Ipv4Prefix::from_bits(a.to_bits() & mask, len).map(IpPrefix::V4)
        }
        IpAddr::V6(a) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(len.min(128))).unwrap_or(0);
            fwd_core::net::Ipv6Prefix::from_bits(a.to_bits() & mask, len).map(IpPrefix::V6)
        }
    }
}

fn contains(prefix: &IpPrefix, address: IpAddr) -> bool {
    match (prefix, address) {
        (IpPrefix::V4(p), IpAddr::V4(a)) => p.contains(a),
        (IpPrefix::V6(p), IpAddr::V6(a)) => p.contains(a),
        _ => false,
    }
}

fn host(address: IpAddr) -> IpPrefix {
    match address {
        IpAddr::V4(a) => IpPrefix::V4(fwd_core::net::Ipv4Prefix::host(a)),
        IpAddr::V6(a) => IpPrefix::V6(fwd_core::net::Ipv6Prefix::host(a)),
    }
}

fn host_route(forwarder: &Forwarder<'_>, vrf: VrfId, address: IpAddr) -> Option<RouteAction> {
    match host(address) {
        IpPrefix::V4(p) => forwarder.route4(vrf, p),
        IpPrefix::V6(p) => forwarder.route6(vrf, p),
    }
}

/// An op for which room was set aside: a refusal means that the entry is not used, and packets to it are counted as dropped.
fn program(forwarder: &mut Forwarder<'_>, op: &FwdOp) {
    let _ = forwarder.apply(op);
}

fn sends_to(id: NhlfeId, next: NextHop) -> FwdOp {
    FwdOp::SetNhlfe { id, nhlfe: Nhlfe { push: LabelStack::EMPTY, next, model: TunnelModel::default() } }
}

fn number(place: usize) -> IfIndex {
    IfIndex(u32::try_from(place + 1).unwrap_or(u32::MAX))
}

fn place(iface: IfIndex) -> usize {
    (iface.0 as usize).wrapping_sub(1)
}

/// The answer to an echo request (RFC 792, RFC 4443 §4.1).
fn echo_reply(request: &IpView<'_>) -> Option<Vec<u8>> {
    let kind = match (request.protocol, request.payload.first()?) {
        (PROTOCOL_ICMP, 8) => 0,
        (PROTOCOL_ICMPV6, 128) => 129,
        _ => return None,
    };
    if request.fragment {
        return None;
    }
    let mut body = request.payload.to_vec();
    body[0] = kind;
    body.get_mut(2..4)?.fill(0);
    let start = match request.protocol {
        PROTOCOL_ICMP => 0,
        _ => pseudo_header(request.dst, request.src, PROTOCOL_ICMPV6, body.len()),
    };
    let sum = checksum(start, &body);
    body[2..4].copy_from_slice(&sum.to_be_bytes());
    ip_packet(request.dst, request.src, request.protocol, 64, &body)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subnets_are_cut_out_of_addresses() {
        let text = |a: &str, len| prefix(a.parse().unwrap(), len).unwrap().to_string();
        assert_eq!(text("10.1.2.3", 24), "10.1.2.0/24");
        assert_eq!(text("10.1.2.3", 0), "0.0.0.0/0");
        assert_eq!(text("fd00::1", 64), "fd00::/64");
        assert_eq!(prefix("10.1.2.3".parse().unwrap(), 33), None);
    }

    #[test]
    fn echo_requests_are_answered_and_nothing_else() {
        let (a, b): (IpAddr, IpAddr) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        let mut body = vec![8, 0, 0, 0, 1, 2, 3, 4, 5];
        let sum = checksum(0, &body);
        body[2..4].copy_from_slice(&sum.to_be_bytes());
        let request = ip_packet(a, b, PROTOCOL_ICMP, 7, &body).unwrap();
        let reply = echo_reply(&IpView::parse(&request).unwrap()).unwrap();
        let view = IpView::parse(&reply).unwrap();
        assert_eq!((view.src, view.dst, view.ttl, view.payload[0]), (b, a, 64, 0));
        assert_eq!((checksum(0, view.payload), &view.payload[4..]), (0, &[1, 2, 3, 4, 5][..]));
        assert_eq!(echo_reply(&view), None, "a reply is not answered");
    }
}
