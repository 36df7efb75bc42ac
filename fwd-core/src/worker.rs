//! A reader of the tables that forwards frames.

use core::net::{Ipv4Addr, Ipv6Addr};

use crate::counters::{Counters, VlinkCounters, VrfCounters};
use crate::frame::Frame;
use crate::net::{IfIndex, SaId, VlinkId, VrfId};
use crate::op::RouteAction;
use crate::stage::classify::{Arrival, Payload};
use crate::stage::egress::Hop;
use crate::stage::label::{Labelled, Version};
use crate::stage::route::Routed;
use crate::stage::vlink::{Inner, Number, Received};
use crate::stage::{Rewrite, Step, classify, egress, label, route, vlink};
use crate::table::grace::Pin;
use crate::table::vlink::Link;
use crate::table::{CounterMemory, ReaderSlot, Tables, VlinkState, vrf};
use crate::verdict::{DropReason, PuntReason, Verdict};
use crate::wire::Ethernet;

/// Addresses and frames that are worked on together.
const BATCH: usize = 32;

/// Forwards frames by tables that a [`crate::table::Writer`] changes at the same time.
///
/// A worker belongs to one context (a thread, a core, an interrupt handler) and counts for itself. Between calls it holds
/// nothing of the tables: a worker that rests does not hold up the writer.
#[derive(Debug)]
pub struct Worker<'m> {
    tables: Tables<'m>,
    /// None: the writer and this worker take turns.
    slot: Option<&'m ReaderSlot>,
    counters: Counters,
    memory: CounterMemory<'m>,
}

impl<'m> Worker<'m> {
    pub(crate) fn new(tables: Tables<'m>, slot: Option<&'m ReaderSlot>, memory: CounterMemory<'m>) -> Self {
        memory.vrfs.fill(VrfCounters::ZERO);
        memory.vlinks.fill(VlinkState::EMPTY);
        Self { tables, slot, counters: Counters::new(), memory }
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
        let verdict = match self.process(frame, ingress, through) {
            Ok(verdict) | Err(verdict) => verdict,
        };
        self.counters.count(&verdict);
        verdict
    }

    fn process(&mut self, frame: &mut Frame<'_>, ingress: IfIndex, through: Option<SaId>) -> Step<Verdict> {
        let arrival = classify::classify(&self.tables, frame, ingress)?;
        let received = frame.octets().len().saturating_sub(Ethernet::LEN);
        if let Some(counters) = self.memory.vrfs.get_mut(usize::from(arrival.vrf.0)) {
            counters.count_in(received);
        }
        match self.look_up(frame, arrival) {
            Ok((hop, rewrite)) => self.send(frame, &hop, &rewrite),
            Err(local @ Verdict::Punt { reason: PuntReason::Local, vrf: VrfId::GLOBAL, offset }) => {
                let received = vlink::receive(self.tables.vlinks, frame, offset, through)?.ok_or(local)?;
                self.take_out(frame, &received)
            }
            Err(verdict) => Err(verdict),
        }
    }

    /// Where a packet goes that did not come by a virtual link.
    fn look_up(&self, frame: &Frame<'_>, arrival: Arrival) -> Step<(Hop<'m>, Rewrite)> {
        let unlabelled = Routed { vrf: arrival.vrf, offset: Ethernet::LEN, tunnel: None, group: arrival.group };
        match arrival.payload {
            Payload::Ipv4 => route::ipv4(&self.tables, frame, unlabelled),
            Payload::Ipv6 => route::ipv6(&self.tables, frame, unlabelled),
            Payload::Mpls => self.look_up_label(frame, arrival.vrf, Ethernet::LEN),
        }
    }

    fn look_up_label(&self, frame: &Frame<'_>, vrf: VrfId, offset: usize) -> Step<(Hop<'m>, Rewrite)> {
        match label::process(&self.tables, frame, vrf, offset)? {
            Labelled::Forward(hop, rewrite) => Ok((hop, rewrite)),
            Labelled::Route { vrf, offset, tunnel, version } => {
                let packet = Routed { vrf, offset, tunnel: Some(tunnel), group: false };
                self.route_unlabelled(frame, packet, version)
            }
        }
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
                return Err(Verdict::Drop(DropReason::VlinkOrder));
            }
            state.counters.count_in(received.end.saturating_sub(received.offset));
        }
        match received.inner {
            Inner::Labels => {
                let (hop, rewrite) = self.look_up_label(frame, VrfId::GLOBAL, received.offset)?;
                self.send(frame, &hop, &rewrite)
            }
            Inner::Ethernet => Err(Verdict::Drop(DropReason::VlinkPayload)),
            Inner::Ip { vrf, tunnel, mark } => {
                let before = mark.map(|mark| vlink::remark(frame, received.offset, mark));
                let packet = Routed { vrf, offset: received.offset, tunnel: Some(tunnel), group: false };
                let way = self.route_unlabelled(frame, packet, None);
                let sent = way.and_then(|(hop, rewrite)| self.send(frame, &hop, &rewrite));
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
        let size = rewrite.end.saturating_sub(rewrite.strip);
        let link = hop.link.map(|link| link.id);
        let number = link.and_then(|id| self.link_state(id)).map_or(0, |state| state.next);
        let sent = egress::send(&self.tables, frame, hop, rewrite, number);
        if let Some(state) = link.and_then(|id| self.link_state(id)) {
            match &sent {
                Ok(_) => {
                    state.next = state.next.wrapping_add(1);
                    state.counters.count_out(size);
                }
                Err(Verdict::Punt { reason: PuntReason::TooBig | PuntReason::FragmentationNeeded, .. }) => {
                    state.counters.count_too_big(size, hop.room());
                }
                Err(_) => {}
            }
        }
        let sent = sent?;
        if let Some(counters) = self.memory.vrfs.get_mut(usize::from(hop.interface.vrf.0)) {
            counters.count_out(sent.octets);
        }
        let (iface, class) = (hop.iface, rewrite.phb);
        Ok(match sent.protection {
            None => Verdict::Transmit { iface, class },
            Some((sa, offset)) => Verdict::Protect { iface, class, sa, offset },
        })
    }

    /// How large the packet may be to go where it was to go: where in the frame it begins, labels that stay included, and
    /// its most octets. For a frame that was punted as too big, to be told to its sender ([`crate::wire::icmp`]); `None` for
    /// one that goes nowhere, and for one that came by a virtual link.
    #[must_use]
    pub fn room_for(&self, frame: &Frame<'_>, ingress: IfIndex) -> Option<(usize, usize)> {
        let _pin = self.pin();
        let arrival = classify::classify(&self.tables, frame, ingress).ok()?;
        let (hop, rewrite) = self.look_up(frame, arrival).ok()?;
        Some((rewrite.strip, hop.room()))
    }

    /// Routes the packet below the last label, whose version its first four bits say (RFC 3032 §2.2).
    fn route_unlabelled(
        &self,
        frame: &Frame<'_>,
        packet: Routed,
        version: Option<Version>,
    ) -> Step<(Hop<'m>, Rewrite)> {
        let is_v6 = frame.after(packet.offset).first().is_some_and(|first| first >> 4 == 6);
        match (is_v6, version) {
            (true, Some(Version::V4)) | (false, Some(Version::V6)) => Err(Verdict::Drop(DropReason::IpVersion)),
            (true, _) => route::ipv6(&self.tables, frame, packet),
            (false, _) => route::ipv4(&self.tables, frame, packet),
        }
    }

    /// What this worker keeps of a virtual link: begun anew where the link is another than before under its number.
    fn link_state(&mut self, id: VlinkId) -> Option<&mut VlinkState> {
        let generation = self.tables.vlinks.get(id)?.generation();
        let state = self.memory.vlinks.get_mut(usize::try_from(id.0).ok()?)?;
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
        let state = usize::try_from(id.0).ok().and_then(|at| self.memory.vlinks.get(at));
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
        let roots = [self.tables.root4(vrf); BATCH];
        for (addrs, actions) in addrs.chunks(BATCH).zip(actions.chunks_mut(BATCH)) {
            let mut keys = [0; BATCH];
            keys.iter_mut().zip(addrs).for_each(|(key, addr)| *key = addr.to_bits());
            let mut routes = [0; BATCH];
            self.tables.fib4.lookup_batch(&roots, &keys, &mut routes);
            actions.iter_mut().zip(routes).for_each(|(action, route)| *action = vrf::unpack(route));
        }
    }

    /// [`Self::lookup6`] of many addresses in one VRF.
    pub fn lookup6_batch(&self, vrf: VrfId, addrs: &[Ipv6Addr], actions: &mut [Option<RouteAction>]) {
        let _pin = self.pin();
        let roots = [self.tables.root6(vrf); BATCH];
        for (addrs, actions) in addrs.chunks(BATCH).zip(actions.chunks_mut(BATCH)) {
            let mut keys = [0; BATCH];
            keys.iter_mut().zip(addrs).for_each(|(key, addr)| *key = addr.to_bits());
            let mut routes = [0; BATCH];
            self.tables.fib6.lookup_batch(&roots, &keys, &mut routes);
            actions.iter_mut().zip(routes).for_each(|(action, route)| *action = vrf::unpack(route));
        }
    }

    /// Packets by what became of them.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Packets and octets of a VRF's interfaces; of [`VrfId::GLOBAL`], those of the core links.
    #[must_use]
    pub fn vrf_counters(&self, vrf: VrfId) -> VrfCounters {
        self.memory.vrfs.get(usize::from(vrf.0)).copied().unwrap_or(VrfCounters::ZERO)
    }
}
