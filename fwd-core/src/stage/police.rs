//! What a worker keeps for multicast, bridging and policing, and the policers' stage.

use crate::counters::{BridgeCounters, GroupCounters};
use crate::net::{PortId, ReplicationId, VsiId};
use crate::op::TrafficType;
use crate::table::mroute::MulticastVrfSlot;
use crate::table::vsi::{PortState, VsiState};
use crate::table::{Learn, Tables, TokenBuckets};
use crate::time::Instant;
use crate::verdict::DropReason;

use super::{Halt, Step};

/// What changes from packet to packet, beside the counters of verdicts.
#[derive(Debug)]
pub(crate) struct State<'m> {
    groups: &'m mut [GroupCounters],
    vsis: &'m mut [BridgeCounters],
    ports: &'m mut [BridgeCounters],
    buckets: &'m mut [TokenBuckets],
    /// What time it is, as the embedder said.
    pub(crate) now: Instant,
    /// What frames taught: the first in a place of its own, so that a forwarder learns without memory for more.
    taught: Option<Learn>,
    queue: &'m mut [Learn],
    queued: usize,
}

impl<'m> State<'m> {
    /// Nothing counted, nothing taught, whatever the memory held.
    pub(crate) fn new(
        groups: &'m mut [GroupCounters],
        vsis: &'m mut [BridgeCounters],
        ports: &'m mut [BridgeCounters],
        buckets: &'m mut [TokenBuckets],
        queue: &'m mut [Learn],
    ) -> Self {
        groups.fill(GroupCounters::ZERO);
        vsis.fill(BridgeCounters::ZERO);
        ports.fill(BridgeCounters::ZERO);
        buckets.fill(TokenBuckets::EMPTY);
        Self { groups, vsis, ports, buckets, now: Instant::ZERO, taught: None, queue, queued: 0 }
    }

    /// Notes that an address is at a port. What finds no room is lost: a later frame says it again.
    pub(super) fn teach(&mut self, learn: Learn) {
        if self.taught.is_none() {
            self.taught = Some(learn);
        } else if let Some(place) = self.queue.get_mut(self.queued) {
            *place = learn;
            self.queued = self.queued.saturating_add(1);
        }
    }

    /// Takes what a frame taught.
    pub(crate) fn learned(&mut self) -> Option<Learn> {
        if let Some(learn) = self.taught.take() {
            return Some(learn);
        }
        self.queued = self.queued.checked_sub(1)?;
        self.queue.get(self.queued).copied()
    }

    #[inline]
    pub(crate) fn group(&mut self, id: ReplicationId) -> Option<&mut GroupCounters> {
        self.groups.get_mut(usize::try_from(id.0).ok()?)
    }

    #[inline]
    pub(crate) fn vsi(&mut self, vsi: VsiId) -> Option<&mut BridgeCounters> {
        self.vsis.get_mut(usize::from(vsi.0))
    }

    #[inline]
    pub(crate) fn port(&mut self, port: PortId) -> Option<&mut BridgeCounters> {
        self.ports.get_mut(usize::try_from(port.0).ok()?)
    }

    /// Counters of a group, read.
    pub(crate) fn group_counters(&self, id: ReplicationId) -> Option<GroupCounters> {
        self.groups.get(usize::try_from(id.0).ok()?).copied()
    }

    /// Counters of an instance, read.
    pub(crate) fn vsi_counters(&self, vsi: VsiId) -> Option<BridgeCounters> {
        self.vsis.get(usize::from(vsi.0)).copied()
    }

    /// Counters of a port, read.
    pub(crate) fn port_counters(&self, port: PortId) -> Option<BridgeCounters> {
        self.ports.get(usize::try_from(port.0).ok()?).copied()
    }

    /// A source that was not learned.
    pub(crate) fn count_unlearned(&mut self, learn: &Learn) {
        if let Some(counters) = self.port(learn.port) {
            counters.unlearned = counters.unlearned.wrapping_add(1);
        }
        if let Some(counters) = self.vsi(learn.vsi) {
            counters.unlearned = counters.unlearned.wrapping_add(1);
        }
    }

    #[inline]
    fn passes(&mut self, tables: &Tables<'_>, word: u32, octets: usize) -> bool {
        word == 0 || tables.policers.passes(self.buckets, word, self.now, octets)
    }
}

/// Polices a multicast packet of a VRF.
#[inline]
pub(super) fn multicast(tables: &Tables<'_>, state: &mut State<'_>, vrf: &MulticastVrfSlot, octets: usize) -> Step<()> {
    if state.passes(tables, vrf.policer(), octets) { Ok(()) } else { Err(Halt::Drop(DropReason::Policed)) }
}

/// Whether a multicast packet of a VRF may go to software.
#[inline]
pub(super) fn punt(tables: &Tables<'_>, state: &mut State<'_>, vrf: &MulticastVrfSlot, octets: usize) -> bool {
    state.passes(tables, vrf.punt_policer(), octets)
}

/// Polices what a replication group copies; what its packets are marked with.
#[inline]
pub(super) fn group(
    tables: &Tables<'_>,
    state: &mut State<'_>,
    id: ReplicationId,
    octets: usize,
) -> Result<Option<u8>, DropReason> {
    let (policer, mark) = tables.multicast.groups.treatment(id);
    if state.passes(tables, policer, octets) { Ok(mark) } else { Err(DropReason::Policed) }
}

/// Polices a frame: first at the port that it came from, so that one customer's excess takes nothing of its instance's rate.
#[inline]
pub(super) fn frame(
    tables: &Tables<'_>,
    state: &mut State<'_>,
    port: (PortId, &PortState),
    vsi: (VsiId, &VsiState),
    traffic: TrafficType,
    octets: usize,
) -> Step<()> {
    if state.passes(tables, port.1.policer(traffic), octets) && state.passes(tables, vsi.1.policer(traffic), octets) {
        return Ok(());
    }
    if let Some(counters) = state.port(port.0) {
        counters.policed = counters.policed.wrapping_add(1);
    }
    if let Some(counters) = state.vsi(vsi.0) {
        counters.policed = counters.policed.wrapping_add(1);
    }
    Err(Halt::Drop(DropReason::Policed))
}
