//! A reader of the tables that forwards frames.

use core::net::{Ipv4Addr, Ipv6Addr};

use crate::counters::{Counters, VrfCounters};
use crate::frame::Frame;
use crate::net::{IfIndex, VrfId};
use crate::op::RouteAction;
use crate::stage::label::{Labelled, Version};
use crate::stage::route::Routed;
use crate::stage::{Rewrite, Step, classify, classify::Payload, egress, label, route};
use crate::table::grace::Pin;
use crate::table::{CounterMemory, ReaderSlot, Tables, vrf};
use crate::verdict::{DropReason, Verdict};
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
        Self { tables, slot, counters: Counters::new(), memory }
    }

    fn pin(&self) -> Option<Pin<'m>> {
        self.slot.map(ReaderSlot::pin)
    }

    /// Forwards a frame that arrived on `ingress`: rewrites it and says where to send it, or leaves it and says why not.
    ///
    /// The work is bounded: labels popped, entries followed and nodes visited each have a limit.
    pub fn forward(&mut self, frame: &mut Frame<'_>, ingress: IfIndex) -> Verdict {
        let _pin = self.pin();
        let verdict = match self.process(frame, ingress) {
            Ok(verdict) | Err(verdict) => verdict,
        };
        self.counters.count(&verdict);
        verdict
    }

    fn process(&mut self, frame: &mut Frame<'_>, ingress: IfIndex) -> Step<Verdict> {
        let arrival = classify::classify(&self.tables, frame, ingress)?;
        let received = frame.octets().len().saturating_sub(Ethernet::LEN);
        if let Some(counters) = self.memory.vrfs.get_mut(usize::from(arrival.vrf.0)) {
            counters.count_in(received);
        }
        let unlabelled = Routed { vrf: arrival.vrf, offset: Ethernet::LEN, tunnel: None, group: arrival.group };
        let (hop, rewrite) = match arrival.payload {
            Payload::Ipv4 => route::ipv4(&self.tables, frame, unlabelled)?,
            Payload::Ipv6 => route::ipv6(&self.tables, frame, unlabelled)?,
            Payload::Mpls => match label::process(&self.tables, frame, arrival.vrf)? {
                Labelled::Forward(hop, rewrite) => (hop, rewrite),
                Labelled::Route { vrf, offset, tunnel, version } => {
                    let packet = Routed { vrf, offset, tunnel: Some(tunnel), group: false };
                    self.route_unlabelled(frame, packet, version)?
                }
            },
        };
        let sent = egress::send(&self.tables, frame, &hop, &rewrite)?;
        if let Some(counters) = self.memory.vrfs.get_mut(usize::from(hop.interface.vrf.0)) {
            counters.count_out(sent);
        }
        Ok(Verdict::Transmit { iface: hop.iface, class: rewrite.phb })
    }

    /// Routes the packet below the last label, whose version its first four bits say (RFC 3032 §2.2).
    fn route_unlabelled(
        &self,
        frame: &Frame<'_>,
        packet: Routed,
        version: Option<Version>,
    ) -> Step<(egress::Hop, Rewrite)> {
        let is_v6 = frame.after(packet.offset).first().is_some_and(|first| first >> 4 == 6);
        match (is_v6, version) {
            (true, Some(Version::V4)) | (false, Some(Version::V6)) => Err(Verdict::Drop(DropReason::IpVersion)),
            (true, _) => route::ipv6(&self.tables, frame, packet),
            (false, _) => route::ipv4(&self.tables, frame, packet),
        }
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
