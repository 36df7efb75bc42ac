//! A reader of the tables that forwards frames.

use core::net::{Ipv4Addr, Ipv6Addr};

use crate::counters::{BridgeCounters, Counters, GroupCounters, TooBigCounters, VlinkCounters, VrfCounters};
use crate::frame::Frame;
use crate::net::{IfIndex, LabelSpaceId, Mac, PortId, ReplicationId, SaId, VlinkId, VrfId, VsiId};
use crate::op::{Mroute, Origin, RouteAction, VsiOrVrf};
use crate::stage::bridge::Circuit;
use crate::stage::classify::{Arrival, Payload};
use crate::stage::egress::{Hop, Sent};
use crate::stage::express::{Kind, Ready};
use crate::stage::label::{Ended, Forwarded, Labelled, Version};
use crate::stage::police::State;
use crate::stage::replicate::{Copies, Replication};
use crate::stage::route::{Checked, Routed};
use crate::stage::vlink::{Inner, Number, Received};
use crate::stage::{Halt, Rewrite, Step, bridge, classify, egress, label, multicast, port, route, vlink};
use crate::table::grace::Pin;
use crate::table::vlink::Link;
use crate::table::{CounterMemory, Learn, ReaderSlot, Tables, VlinkState, vrf};
use crate::time::Instant;
use crate::verdict::{DropReason, PuntReason, Verdict};
use crate::wire::Ethernet;

/// A frame to be forwarded with others.
#[derive(Debug)]
pub struct Packet<'b> {
    /// The frame.
    pub frame: Frame<'b>,
    /// The interface it arrived on.
    pub ingress: IfIndex,
    /// What became of it; none before.
    pub verdict: Option<Verdict>,
}

impl<'b> Packet<'b> {
    /// A frame that arrived on `ingress`.
    #[must_use]
    pub const fn new(frame: Frame<'b>, ingress: IfIndex) -> Self {
        Self { frame, ingress, verdict: None }
    }
}

/// How far a packet came without looking a route up.
enum Begun {
    /// To where its label leads.
    Labelled(Forwarded),
    /// To a look-up.
    Routed(Checked),
    /// To the end of its labels, from where another stage goes on.
    Ended(Ended),
    /// Nowhere yet: it is bridged.
    Bridged(Circuit),
}

/// Checks the packet below the last label, whose version its first four bits say (RFC 3032 §2.2).
fn check_unlabelled(frame: &Frame<'_>, packet: Routed, version: Option<Version>) -> Step<Checked> {
    let is_v6 = frame.after(packet.offset).first().is_some_and(|first| first >> 4 == 6);
    match (is_v6, version) {
        (true, Some(Version::V4)) | (false, Some(Version::V6)) => Err(Halt::Drop(DropReason::IpVersion)),
        (true, _) => route::check6(frame, packet),
        (false, _) => route::check4(frame, packet),
    }
}

/// Addresses and frames that are worked on together.
const BATCH: usize = 32;

/// Forwards frames by tables that a [`crate::table::Writer`] changes at the same time.
///
/// A worker belongs to one context (a thread, a core, an interrupt handler) and counts for itself. Between calls it holds
/// nothing of the tables: a worker that rests does not hold up the writer.
#[derive(Debug)]
pub struct Worker<'m> {
    pub(crate) tables: Tables<'m>,
    /// None: the writer and this worker take turns.
    slot: Option<&'m ReaderSlot>,
    pub(crate) counters: Counters,
    vrfs: &'m mut [VrfCounters],
    too_big: &'m mut [TooBigCounters],
    vlinks: &'m mut [VlinkState],
    pub(crate) state: State<'m>,
}

impl<'m> Worker<'m> {
    pub(crate) fn new(tables: Tables<'m>, slot: Option<&'m ReaderSlot>, memory: CounterMemory<'m>) -> Self {
        memory.vrfs.fill(VrfCounters::ZERO);
        memory.too_big.fill(TooBigCounters::ZERO);
        memory.vlinks.fill(VlinkState::EMPTY);
        let state = State::new(memory.groups, memory.vsis, memory.ports, memory.buckets, memory.learned);
        let (vrfs, too_big, vlinks) = (memory.vrfs, memory.too_big, memory.vlinks);
        let counters = Counters::switched(memory.without_verdicts);
        Self { tables, slot, counters, vrfs, too_big, vlinks, state }
    }

    fn pin(&self) -> Option<Pin<'m>> {
        self.slot.map(ReaderSlot::pin)
    }

    /// Forwards a frame that arrived on `ingress`: rewrites it and says where to send it, or leaves it and says why not.
    ///
    /// The work is bounded: labels popped, entries followed and nodes visited each have a limit.
    pub fn forward(&mut self, frame: &mut Frame<'_>, ingress: IfIndex) -> Verdict {
        self.forward_through(frame, ingress, None)
    }

    /// As [`Self::forward`], for a packet that arrived as ESP ([`crate::PuntReason::Esp`]) and was taken out of it
    /// ([`crate::sa::InboundSa::unprotect`]): only now it may go into a virtual link that this association protects.
    pub fn forward_unprotected(&mut self, frame: &mut Frame<'_>, ingress: IfIndex, sa: SaId) -> Verdict {
        self.forward_through(frame, ingress, Some(sa))
    }

    fn forward_through(&mut self, frame: &mut Frame<'_>, ingress: IfIndex, through: Option<SaId>) -> Verdict {
        let _pin = self.pin();
        if through.is_none() {
            if let Some((iface, class)) = self.express(frame, ingress) {
                return Verdict::Transmit { iface, class };
            }
        }
        self.process_counted(frame, ingress, through)
    }

    /// Sends a packet that nothing is out of the ordinary about.
    #[inline]
    fn express(&mut self, frame: &mut Frame<'_>, ingress: IfIndex) -> Option<(IfIndex, u8)> {
        let ready = Ready::take(&self.tables, frame, ingress)?;
        let route = match ready.kind {
            Kind::V4 => self.tables.fib4.lookup(self.tables.root4(ready.vrf), ready.to),
            Kind::V6 => self.tables.fib6.lookup(self.tables.root6(ready.vrf), ready.destination6(frame)),
            Kind::Swap => 0,
        };
        self.send_express(frame, &ready, route)
    }

    /// Sends it by its route, and counts it; the interface and the class it leaves by.
    #[inline(always)]
    fn send_express(&mut self, frame: &mut Frame<'_>, ready: &Ready, route: u32) -> Option<(IfIndex, u8)> {
        let received = frame.len().saturating_sub(Ethernet::LEN);
        let sent = ready.send(&self.tables, frame, route)?;
        if let Some(counters) = self.vrfs.get_mut(usize::from(ready.arrived.0)) {
            counters.count_in(received);
        }
        if let Some(counters) = self.vrfs.get_mut(usize::from(sent.vrf.0)) {
            counters.count_out(sent.octets);
        }
        self.counters.count_transmitted();
        Some((sent.iface, sent.class))
    }

    #[inline(never)]
    fn process_counted(&mut self, frame: &mut Frame<'_>, ingress: IfIndex, through: Option<SaId>) -> Verdict {
        let verdict = self.process(frame, ingress, through).unwrap_or_else(Verdict::from);
        self.counters.count(&verdict);
        verdict
    }

    fn process(&mut self, frame: &mut Frame<'_>, ingress: IfIndex, through: Option<SaId>) -> Step<Verdict> {
        let begun = self.begin_frame(frame, ingress);
        self.complete(frame, begun, (ingress, through))
    }

    /// The stages before a route is looked up.
    #[inline]
    fn begin_frame(&mut self, frame: &Frame<'_>, ingress: IfIndex) -> Step<Begun> {
        match bridge::circuit(&self.tables, frame, ingress) {
            Some(circuit) => Ok(Begun::Bridged(circuit)),
            None => {
                let arrival = self.arrive(frame, ingress)?;
                self.begin(frame, arrival)
            }
        }
    }

    /// The stages after.
    fn complete(
        &mut self,
        frame: &mut Frame<'_>,
        begun: Step<Begun>,
        arrived: (IfIndex, Option<SaId>),
    ) -> Step<Verdict> {
        let mut hop = Hop::NONE;
        let found = match begun {
            Ok(Begun::Bridged(circuit)) => return self.bridge(frame, circuit),
            Ok(Begun::Ended(ended)) => return self.end_tunnel(frame, ended),
            Ok(begun) => self.find(frame, &begun, &mut hop),
            Err(halt) => Err(halt),
        };
        match found {
            Ok(rewrite) => self.send(frame, &hop, &rewrite),
            Err(halt) => self.end(frame, halt, arrived),
        }
    }

    /// Where a packet goes that is forwarded or routed.
    fn find(&self, frame: &Frame<'_>, begun: &Begun, hop: &mut Hop<'m>) -> Step<Rewrite> {
        match begun {
            Begun::Labelled(forwarded) => label::forward(&self.tables, frame, *forwarded, hop),
            Begun::Routed(checked) => {
                let action = route::look_up(&self.tables, checked);
                route::finish(&self.tables, frame, checked, action, hop)
            }
            // It has no next hop of its own.
            Begun::Ended(_) | Begun::Bridged(_) => Err(Halt::Drop(DropReason::NoRoute)),
        }
    }

    /// Bridges a frame of a circuit.
    fn bridge(&mut self, frame: &mut Frame<'_>, circuit: Circuit) -> Step<Verdict> {
        let way = bridge::from_circuit(&self.tables, &mut self.state, frame, circuit)?;
        Ok(self.take_way(frame, way))
    }

    /// Goes on with a labelled packet that is neither forwarded by its label nor routed.
    fn end_tunnel(&mut self, frame: &mut Frame<'_>, ended: Ended) -> Step<Verdict> {
        let (tables, state) = (&self.tables, &mut self.state);
        match ended {
            Ended::Replicate(group, at, entry, tunnel) => {
                Replication::labelled(tables, state, frame, group, (at, entry, tunnel)).map(Verdict::Replicate)
            }
            Ended::Multicast { origin, vrf, offset, tunnel } => {
                let origin = Origin::Tunnel(origin);
                let at = multicast::Arrival { vrf, offset, tunnel: Some(tunnel), origin };
                multicast::process(tables, state, frame, at).map(Verdict::Replicate)
            }
            Ended::Bridge { port, offset, is_bottom, tunnel } => {
                let way = bridge::from_pseudowire(tables, state, frame, port, (offset, is_bottom), tunnel.phb)?;
                Ok(self.take_way(frame, way))
            }
        }
    }

    /// Sends a frame that is bridged.
    fn take_way(&mut self, frame: &mut Frame<'_>, way: bridge::Way) -> Verdict {
        match way {
            bridge::Way::Port(bridged, id) => port::send(self, frame, &bridged, id),
            bridge::Way::Replicate(replication) => Verdict::Replicate(replication),
        }
    }

    /// The copies of a frame that [`Self::forward`] is to replicate, one after the other.
    pub fn copies<'w>(&'w mut self, frame: &'w Frame<'w>, replication: Replication) -> Copies<'w, 'm> {
        let pin = self.pin();
        Copies::new(self, frame, replication, pin)
    }

    /// Says what time it is: policers go by it. It does not go back.
    pub const fn set_now(&mut self, now: Instant) {
        self.state.now = now;
    }

    /// Takes what a frame taught: for [`crate::table::Writer::learn`].
    pub fn learned(&mut self) -> Option<Learn> {
        self.state.learned()
    }

    /// Counts an address that was not learned.
    pub(crate) fn count_unlearned(&mut self, learn: &Learn) {
        self.state.count_unlearned(learn);
    }

    /// Ends the way of a packet that is not sent, or takes it out of the virtual link that ends here.
    #[inline(never)]
    fn end(&mut self, frame: &mut Frame<'_>, halt: Halt, (ingress, through): (IfIndex, Option<SaId>)) -> Step<Verdict> {
        match halt {
            Halt::Punt { reason: PuntReason::Local, vrf: VrfId::GLOBAL, offset } => {
                let received = vlink::receive(self.tables.vlinks, frame, offset as usize, through)?.ok_or(halt)?;
                self.take_out(frame, &received)
            }
            // Where multicast routing is on, it knows better.
            Halt::Punt { reason: PuntReason::Multicast, vrf, offset } => {
                let origin = Origin::Interface(ingress);
                let at = multicast::Arrival { vrf, offset: offset as usize, tunnel: None, origin };
                multicast::process(&self.tables, &mut self.state, frame, at).map(Verdict::Replicate)
            }
            halt => Err(halt),
        }
    }

    fn begin(&self, frame: &Frame<'_>, arrival: Arrival) -> Step<Begun> {
        let unlabelled = Routed { vrf: arrival.vrf, offset: Ethernet::LEN, tunnel: None, group: arrival.group };
        match arrival.payload {
            Payload::Ipv4 => route::check4(frame, unlabelled).map(Begun::Routed),
            Payload::Ipv6 => route::check6(frame, unlabelled).map(Begun::Routed),
            Payload::Mpls => self.begin_labelled(frame, arrival.vrf, (arrival.space, arrival.group), Ethernet::LEN),
        }
    }

    fn begin_labelled(
        &self,
        frame: &Frame<'_>,
        vrf: VrfId,
        (space, group): (Option<LabelSpaceId>, bool),
        offset: usize,
    ) -> Step<Begun> {
        match label::process(&self.tables, frame, vrf, space, offset)? {
            // Others on the link have the same frame: what is for one router is for none of them.
            Labelled::Forward(_) if group => Err(Halt::Drop(DropReason::LinkBroadcast)),
            Labelled::Forward(forwarded) => Ok(Begun::Labelled(forwarded)),
            Labelled::Route { vrf, offset, tunnel, version } => {
                let packet = Routed { vrf, offset, tunnel: Some(tunnel), group };
                check_unlabelled(frame, packet, version).map(Begun::Routed)
            }
            Labelled::Ended(ended) => Ok(Begun::Ended(ended)),
        }
    }

    /// Forwards frames, 32 at a time, each step for all of them before the next, so that their look-ups overlap. What becomes
    /// of each is what [`Self::forward`] makes of it.
    pub fn forward_batch(&mut self, packets: &mut [Packet<'_>]) {
        for packets in packets.chunks_mut(BATCH) {
            let _pin = self.pin();
            self.forward_together(packets);
        }
    }

    fn forward_together(&mut self, packets: &mut [Packet<'_>]) {
        let mut ready = [None; BATCH];
        let (mut roots, mut keys, mut routes) = ([0_u32; BATCH], [0_u32; BATCH], [0_u32; BATCH]);
        let (mut any4, mut any6) = (false, false);
        for ((packet, slot), (root, key)) in packets.iter().zip(&mut ready).zip(roots.iter_mut().zip(&mut keys)) {
            let Some(ready) = Ready::take(&self.tables, &packet.frame, packet.ingress) else { continue };
            match ready.kind {
                Kind::V4 => (*root, *key, any4) = (self.tables.root4(ready.vrf), ready.to, true),
                Kind::V6 => any6 = true,
                Kind::Swap => {}
            }
            *slot = Some(ready);
        }
        if any4 {
            self.tables.fib4.lookup_batch(&roots, &keys, &mut routes);
        }
        if any6 {
            self.look_up6(packets, &ready, &mut routes);
        }
        for ((packet, ready), route) in packets.iter_mut().zip(&ready).zip(routes) {
            let sent = ready.as_ref().and_then(|ready| self.send_express(&mut packet.frame, ready, route));
            // Where it is kept, it is made: to hand a verdict on costs more than to make it.
            if let Some((iface, class)) = sent {
                packet.verdict = Some(Verdict::Transmit { iface, class });
            } else {
                packet.verdict = Some(self.process_counted(&mut packet.frame, packet.ingress, None));
            }
        }
    }

    /// The routes of IPv6 packets among others.
    #[inline(never)]
    fn look_up6(&self, packets: &[Packet<'_>], ready: &[Option<Ready>; BATCH], routes: &mut [u32; BATCH]) {
        let (mut roots, mut keys, mut found) = ([0_u32; BATCH], [0_u128; BATCH], [0_u32; BATCH]);
        for ((packet, ready), (root, key)) in packets.iter().zip(ready).zip(roots.iter_mut().zip(&mut keys)) {
            if let Some(ready) = ready.as_ref().filter(|ready| ready.kind == Kind::V6) {
                (*root, *key) = (self.tables.root6(ready.vrf), ready.destination6(&packet.frame));
            }
        }
        self.tables.fib6.lookup_batch(&roots, &keys, &mut found);
        for ((ready, route), found) in ready.iter().zip(routes).zip(found) {
            if ready.as_ref().is_some_and(|ready| ready.kind == Kind::V6) {
                *route = found;
            }
        }
    }

    /// Takes a frame in.
    fn arrive(&mut self, frame: &Frame<'_>, ingress: IfIndex) -> Step<Arrival> {
        let arrival = classify::classify(&self.tables, frame, ingress)?;
        let received = frame.len().saturating_sub(Ethernet::LEN);
        if let Some(counters) = self.vrfs.get_mut(usize::from(arrival.vrf.0)) {
            counters.count_in(received);
        }
        Ok(arrival)
    }

    /// Sends on what came by a virtual link, without the link's headers.
    fn take_out(&mut self, frame: &mut Frame<'_>, received: &Received) -> Step<Verdict> {
        if let Some(state) = self.link_state(received.id) {
            let in_order = match received.number {
                None => true,
                Some(Number::Gre(number)) => state.gre.accept(number),
                Some(Number::L2tp(number)) => state.l2tp.accept(number),
            };
            if !in_order {
                state.counters.disordered = state.counters.disordered.wrapping_add(1);
                return Err(Halt::Drop(DropReason::VlinkOrder));
            }
            state.counters.count_in(received.end.saturating_sub(received.offset));
        }
        match received.inner {
            Inner::Labels(space) => {
                let begun = self.begin_labelled(frame, VrfId::GLOBAL, (space, false), received.offset)?;
                if let Begun::Ended(ended) = begun {
                    return self.end_tunnel(frame, ended);
                }
                let mut hop = Hop::NONE;
                let rewrite = self.find(frame, &begun, &mut hop)?;
                self.send(frame, &hop, &rewrite)
            }
            Inner::Ethernet { port, class } => {
                frame.truncate(received.end);
                let at = (received.offset, true);
                let way = bridge::from_pseudowire(&self.tables, &mut self.state, frame, port, at, class)?;
                Ok(self.take_way(frame, way))
            }
            Inner::Ip { vrf, tunnel, mark, check_source } => {
                if check_source && !route::is_source_by(&self.tables, frame, (vrf, received.offset), received.id) {
                    return Err(Halt::Drop(DropReason::VlinkSource));
                }
                let before = mark.map(|mark| vlink::remark(frame, received.offset, mark));
                let packet = Routed { vrf, offset: received.offset, tunnel: Some(tunnel), group: false };
                let mut hop = Hop::NONE;
                let checked = check_unlabelled(frame, packet, None).map(Begun::Routed);
                let found = checked.and_then(|checked| self.find(frame, &checked, &mut hop));
                let sent = found.and_then(|rewrite| self.send(frame, &hop, &rewrite));
                if let (Err(_), Some(before)) = (&sent, before) {
                    // What is not sent stays as it arrived.
                    vlink::remark(frame, received.offset, before);
                }
                sent
            }
        }
    }

    /// Rewrites the frame for a hop, and counts it.
    fn send(&mut self, frame: &mut Frame<'_>, hop: &Hop<'m>, rewrite: &Rewrite) -> Step<Verdict> {
        let sent = match &hop.link {
            None => egress::send(frame, hop, rewrite, 0),
            Some(link) => self.send_by(link.id, frame, hop, rewrite),
        };
        let sent = match sent {
            Ok(sent) => sent,
            Err(halt) => {
                let size = rewrite.end.saturating_sub(rewrite.strip);
                if size > hop.room() {
                    self.count_too_big(rewrite.punt.0, size, hop.room());
                }
                return Err(halt);
            }
        };
        if let Some(counters) = self.vrfs.get_mut(usize::from(hop.vrf.0)) {
            counters.count_out(sent.octets);
        }
        let (iface, class) = (hop.iface, rewrite.phb);
        Ok(match sent.protection {
            None => Verdict::Transmit { iface, class },
            Some((sa, offset)) => Verdict::Protect { iface, class, sa, offset },
        })
    }

    /// Rewrites the frame for a hop behind a virtual link, and counts it there.
    #[inline(never)]
    fn send_by(&mut self, id: VlinkId, frame: &mut Frame<'_>, hop: &Hop<'m>, rewrite: &Rewrite) -> Step<Sent> {
        let size = rewrite.end.saturating_sub(rewrite.strip);
        let number = self.link_state(id).map_or(0, |state| state.next);
        let sent = egress::send(frame, hop, rewrite, number);
        if let Some(state) = self.link_state(id) {
            match &sent {
                Ok(_) => {
                    state.next = state.next.wrapping_add(1);
                    state.counters.count_out(size);
                }
                Err(Halt::Punt { reason: PuntReason::TooBig | PuntReason::FragmentationNeeded, .. }) => {
                    state.counters.count_too_big(size, hop.room());
                }
                Err(_) => {}
            }
        }
        sent
    }

    /// How large the packet may be to go where it was to go: where in the frame it begins, labels that stay included, and
    /// its most octets. For a frame that was punted as too big, to be told to its sender ([`crate::wire::icmp`]); `None` for
    /// one that goes nowhere, and for one that came by a virtual link.
    #[must_use]
    pub fn room_for(&self, frame: &Frame<'_>, ingress: IfIndex) -> Option<(usize, usize)> {
        let _pin = self.pin();
        let arrival = classify::classify(&self.tables, frame, ingress).ok()?;
        let begun = self.begin(frame, arrival).ok()?;
        let mut hop = Hop::NONE;
        let rewrite = self.find(frame, &begun, &mut hop).ok()?;
        Some((rewrite.strip, hop.room()))
    }

    /// Counts a packet of a VRF, or a copy of it, that is too big.
    pub(crate) fn count_too_big(&mut self, vrf: VrfId, size: usize, room: usize) {
        if let Some(counters) = self.too_big.get_mut(usize::from(vrf.0)) {
            counters.count(size, room);
        }
    }

    /// Packets of a VRF that were too big; none if the memory for counters does not reach so far.
    #[must_use]
    pub fn too_big(&self, vrf: VrfId) -> Option<TooBigCounters> {
        self.too_big.get(usize::from(vrf.0)).copied()
    }

    /// What this worker keeps of a virtual link: begun anew where the link is another than before under its number.
    pub(crate) fn link_state(&mut self, id: VlinkId) -> Option<&mut VlinkState> {
        let generation = self.tables.vlinks.get(id)?.generation();
        let state = self.vlinks.get_mut(usize::try_from(id.0).ok()?)?;
        if state.generation != generation {
            *state = VlinkState { generation, ..VlinkState::EMPTY };
        }
        Some(state)
    }

    /// Packets and octets of a virtual link.
    #[must_use]
    pub fn vlink_counters(&self, id: VlinkId) -> VlinkCounters {
        let _pin = self.pin();
        let generation = self.tables.vlinks.get(id).map(Link::generation);
        let state = usize::try_from(id.0).ok().and_then(|at| self.vlinks.get(at));
        let state = state.filter(|state| Some(state.generation) == generation);
        state.map_or(VlinkCounters::ZERO, |state| state.counters)
    }

    /// The action of the longest matching route.
    #[must_use]
    pub fn lookup4(&self, vrf: VrfId, addr: Ipv4Addr) -> Option<RouteAction> {
        let _pin = self.pin();
        self.tables.lookup4(vrf, addr)
    }

    /// The action of the longest matching route.
    #[must_use]
    pub fn lookup6(&self, vrf: VrfId, addr: Ipv6Addr) -> Option<RouteAction> {
        let _pin = self.pin();
        self.tables.lookup6(vrf, addr)
    }

    /// [`Self::lookup4`] of many addresses in one VRF; as many as the shorter of the two holds. Their loads overlap.
    pub fn lookup4_batch(&self, vrf: VrfId, addrs: &[Ipv4Addr], actions: &mut [Option<RouteAction>]) {
        let _pin = self.pin();
        let root = self.tables.root4(vrf);
        self.tables.fib4.lookup_all(root, (addrs, Ipv4Addr::to_bits), (actions, vrf::unpack));
    }

    /// [`Self::lookup6`] of many addresses in one VRF.
    pub fn lookup6_batch(&self, vrf: VrfId, addrs: &[Ipv6Addr], actions: &mut [Option<RouteAction>]) {
        let _pin = self.pin();
        let root = self.tables.root6(vrf);
        self.tables.fib6.lookup_all(root, (addrs, Ipv6Addr::to_bits), (actions, vrf::unpack));
    }

    /// The ports that MAC addresses are at, many at once; as many as the shorter of the two holds. Their loads overlap.
    pub fn macs_batch(&self, keys: &[(VsiId, Mac)], ports: &mut [Option<PortId>]) {
        let _pin = self.pin();
        self.tables.macs.get_batch(keys, ports);
    }

    /// The multicast routes of IPv4 packets of one VRF by source and group, many at once: (S,G), or else what wins among those of
    /// the group; as many as the shorter of the two holds. Their loads overlap.
    pub fn mroutes4_batch(&self, vrf: VrfId, packets: &[(Ipv4Addr, Ipv4Addr)], routes: &mut [Option<Mroute>]) {
        let _pin = self.pin();
        match self.tables.multicast.vrf(vrf) {
            Some(slot) => self.tables.multicast.routes.batch4(VsiOrVrf::Vrf(vrf), slot.lengths(), packets, routes),
            None => routes.iter_mut().zip(packets).for_each(|(route, _)| *route = None),
        }
    }

    /// [`Self::mroutes4_batch`] of IPv6 packets.
    pub fn mroutes6_batch(&self, vrf: VrfId, packets: &[(Ipv6Addr, Ipv6Addr)], routes: &mut [Option<Mroute>]) {
        let _pin = self.pin();
        match self.tables.multicast.vrf(vrf) {
            Some(slot) => self.tables.multicast.routes.batch6(VsiOrVrf::Vrf(vrf), slot.lengths(), packets, routes),
            None => routes.iter_mut().zip(packets).for_each(|(route, _)| *route = None),
        }
    }

    /// Packets of a replication group; none if the memory for counters does not reach so far.
    #[must_use]
    pub fn group_counters(&self, id: ReplicationId) -> Option<GroupCounters> {
        self.state.group_counters(id)
    }

    /// Frames of a virtual switch instance; none if the memory for counters does not reach so far.
    #[must_use]
    pub fn vsi_counters(&self, vsi: VsiId) -> Option<BridgeCounters> {
        self.state.vsi_counters(vsi)
    }

    /// Frames of a bridge port; none if the memory for counters does not reach so far.
    #[must_use]
    pub fn port_counters(&self, port: PortId) -> Option<BridgeCounters> {
        self.state.port_counters(port)
    }

    /// Packets by what became of them.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Packets and octets of a VRF's interfaces; of [`VrfId::GLOBAL`], those of the core links.
    #[must_use]
    pub fn vrf_counters(&self, vrf: VrfId) -> VrfCounters {
        self.vrfs.get(usize::from(vrf.0)).copied().unwrap_or(VrfCounters::ZERO)
    }
}
