//! Memory and ops of bridging; learning and aging of MAC addresses.

use super::apply::{Table, refused};
use super::grace::Grace;
use super::mac::{Aging, MacBucket, MacWriter, Macs, PORTS, Removed};
use super::mroute::{GROUPS, RouteWriter, circuit_key, pack};
use super::records::{RecordWriter, Refused};
use super::vsi::{
    Bridges, CircuitSlot, PORT_WORDS, PortSlot, PortState, VSI_WORDS, VsiSlot, VsiState, pack_port, pack_vsi,
};
use super::word::Word;
use super::{ApplyError, QOS};
use crate::net::{IfIndex, Mac, PortId, ReplicationId, VsiId};
use crate::op::{
    Attachment, BridgePort, ClassMap, Flush, FwdOp, Mroute, Rpf, Tags, TrafficType, Vsi, VsiGroupKey, VsiOrVrf,
};
use crate::time::Instant;

/// Memory for bridging. All may be empty, which is the default.
#[derive(Debug, Default)]
pub struct BridgeMemory<'m> {
    /// Virtual switch instances, numbered from 0: one slot more than there are.
    pub vsis: &'m mut [VsiSlot],
    /// What instances have beside settings; as many as there are.
    pub vsi_states: &'m mut [VsiState],
    /// Ports, numbered from 0: one slot more than there are.
    pub ports: &'m mut [PortSlot],
    /// What ports have beside settings; as many as there are.
    pub port_states: &'m mut [PortState],
    /// The circuits of each interface that may have some, numbered from 0.
    pub circuits: &'m mut [CircuitSlot],
    /// MAC addresses of all instances: [`MacBucket::count`] says how many buckets.
    pub macs: &'m mut [MacBucket],
}

/// What a frame taught: an address is at a port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Learn {
    /// The instance.
    pub vsi: VsiId,
    /// The source address of the frame.
    pub mac: Mac,
    /// The port that the frame arrived at.
    pub port: PortId,
}

/// What became of a [`Learn`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Learned {
    /// The address is new.
    New,
    /// The address was at another port.
    Moved(PortId),
    /// It was there already, or is static.
    Known,
    /// The port or the instance has as many as it may have (RFC 4762 §14), or the port or instance is no more.
    Limit,
    /// The table has no room for it.
    Full,
}

/// The sweep comes to each bucket once in this time.
const ROUND_MICROS: u64 = 4_000_000;
/// Idle counts go up to this.
const MAX_IDLE: u32 = 60;

/// The writer's hold of the tables.
#[derive(Debug)]
pub(crate) struct BridgeTables<'m> {
    vsis: RecordWriter<'m, VSI_WORDS>,
    ports: RecordWriter<'m, PORT_WORDS>,
    vsi_states: &'m [VsiState],
    port_states: &'m [PortState],
    circuits: &'m [CircuitSlot],
    macs: MacWriter<'m>,
    /// Until when addresses were aged.
    aged: Instant,
}

impl<'m> BridgeTables<'m> {
    /// Empty tables, whatever the memory held.
    pub(super) fn new(memory: BridgeMemory<'m>, seed: u64) -> Self {
        memory.vsi_states.fill(VsiState::EMPTY);
        memory.port_states.fill(PortState::EMPTY);
        memory.circuits.fill(CircuitSlot::EMPTY);
        Self {
            vsis: RecordWriter::new(memory.vsis),
            ports: RecordWriter::new(memory.ports),
            vsi_states: memory.vsi_states,
            port_states: memory.port_states,
            circuits: memory.circuits,
            macs: MacWriter::new(memory.macs, seed),
            aged: Instant::ZERO,
        }
    }

    /// What readers see.
    #[inline]
    pub(crate) const fn reader(&self) -> Bridges<'m> {
        Bridges {
            vsis: self.vsis.reader(),
            vsi_states: self.vsi_states,
            ports: self.ports.reader(),
            port_states: self.port_states,
            circuits: self.circuits,
        }
    }

    /// The addresses, as readers see them.
    #[inline]
    pub(crate) const fn macs(&self) -> Macs<'m> {
        self.macs.reader()
    }

    /// Instances and ports that there may be.
    pub(super) const fn numbers(&self) -> (usize, usize) {
        (self.vsi_states.len(), self.port_states.len())
    }

    /// Every address, in no order.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = (VsiId, Mac, PortId, bool)> + '_ {
        self.macs.iter()
    }

    /// Applies an op of bridging; `None` if it is another's. Keys other than numbers are in `routes`.
    pub(super) fn apply(
        &mut self,
        grace: &mut Grace<'_>,
        routes: &mut RouteWriter<'m>,
        op: &FwdOp,
    ) -> Option<Result<(), ApplyError>> {
        Some(match *op {
            FwdOp::SetVsi { vsi, settings } => self.set_vsi(grace, vsi, &settings),
            FwdOp::ClearVsi { vsi } => {
                self.vsis.clear(grace, u32::from(vsi.0));
                self.flush(grace, |address| address.vsi == vsi);
                Ok(())
            }
            FwdOp::SetPort { id, port } => self.set_port(grace, routes, id, &port),
            FwdOp::ClearPort { id } => {
                self.clear_port(grace, routes, id);
                Ok(())
            }
            FwdOp::SetMac { vsi, mac, port } => self.set_mac(grace, vsi, mac, port),
            FwdOp::ClearMac { vsi, mac } => {
                self.clear_mac(grace, vsi, mac);
                Ok(())
            }
            FwdOp::Flush { what } => {
                self.flush_some(grace, what);
                Ok(())
            }
            FwdOp::SetVsiGroup { vsi, key, replication } => self.set_group(grace, routes, vsi, &key, replication),
            FwdOp::ClearVsiGroup { vsi, key } => {
                if let Some(state) = self.reader().vsi_state(vsi) {
                    routes.clear_group(grace, vsi, &state.lengths, &key);
                }
                Ok(())
            }
            FwdOp::SetVlanDomain { vsi, vlan, domain } => self
                .vsi_state(vsi)
                .and_then(|_| self.vsi_state(domain))
                .and_then(|_| routes.set_vlan(grace, vsi, vlan, domain)),
            FwdOp::ClearVlanDomain { vsi, vlan } => {
                routes.clear_vlan(grace, vsi, vlan);
                Ok(())
            }
            _ => return None,
        })
    }

    /// An instance's state: it says that there may be such an instance.
    fn vsi_state(&self, vsi: VsiId) -> Result<&'m VsiState, ApplyError> {
        self.reader().vsi_state(vsi).ok_or(ApplyError::TableFull(Table::Vsi))
    }

    fn port_state(&self, port: PortId) -> Result<&'m PortState, ApplyError> {
        let state = self.reader().port_state(port).filter(|_| port.0 < PORTS);
        state.ok_or(ApplyError::TableFull(Table::Port))
    }

    fn set_vsi(&mut self, grace: &mut Grace<'_>, vsi: VsiId, settings: &Vsi) -> Result<(), ApplyError> {
        self.vsi_state(vsi)?;
        if !QOS && settings.classes != ClassMap::IDENTITY {
            return Err(ApplyError::WithoutQos);
        }
        if [settings.unknown, settings.broadcast, settings.multicast].into_iter().flatten().any(|id| id.0 >= GROUPS) {
            return Err(ApplyError::TableFull(Table::Replication));
        }
        self.vsis.set(grace, u32::from(vsi.0), pack_vsi(settings)).map_err(refused(Table::Vsi))
    }

    fn set_port(
        &mut self,
        grace: &mut Grace<'_>,
        routes: &mut RouteWriter<'m>,
        id: PortId,
        port: &BridgePort,
    ) -> Result<(), ApplyError> {
        let generation = &self.port_state(id)?.generation;
        self.vsi_state(port.vsi)?;
        let old = self.reader().port(id);
        if old.is_none_or(|old| (old.vsi, old.attachment) != (port.vsi, port.attachment)) {
            generation.publish(generation.peek().wrapping_add(1));
        }
        if let Attachment::Circuit { iface, tags } = port.attachment {
            self.attach(grace, routes, id, iface, tags)?;
        }
        if let Err(error) = self.ports.set(grace, id.0, pack_port(port)).map_err(refused(Table::Port)) {
            if old.is_none_or(|old| old.attachment != port.attachment) {
                self.detach(grace, routes, id, port.attachment);
            }
            return Err(error);
        }
        if let Some(old) = old.filter(|old| (old.vsi, old.attachment) != (port.vsi, port.attachment)) {
            if old.attachment != port.attachment {
                self.detach(grace, routes, id, old.attachment);
            }
            self.flush(grace, |address| address.port == id);
        }
        Ok(())
    }

    fn clear_port(&mut self, grace: &mut Grace<'_>, routes: &mut RouteWriter<'m>, id: PortId) {
        let Some(old) = self.reader().port(id) else { return };
        self.detach(grace, routes, id, old.attachment);
        self.ports.clear(grace, id.0);
        self.flush(grace, |address| address.port == id);
    }

    /// Puts a port's number where frames of the circuit look for it.
    fn attach(
        &self,
        grace: &mut Grace<'_>,
        routes: &mut RouteWriter<'m>,
        id: PortId,
        iface: IfIndex,
        tags: Tags,
    ) -> Result<(), ApplyError> {
        let slot = self.reader().circuits(iface).ok_or(ApplyError::TableFull(Table::Interface))?;
        let word = match tags {
            Tags::Any => &slot.any,
            Tags::Untagged => &slot.untagged,
            _ => {
                return match routes.reader().circuit(iface, tags) {
                    Some(port) if port == id.0 => Ok(()),
                    Some(port) => Err(ApplyError::InUse(PortId(port))),
                    None => {
                        routes.set_circuit(grace, circuit_key(iface, tags), id.0)?;
                        slot.tagged.publish(slot.tagged.peek().saturating_add(1));
                        Ok(())
                    }
                };
            }
        };
        match word.peek().checked_sub(1) {
            Some(port) if port != id.0 => Err(ApplyError::InUse(PortId(port))),
            _ => {
                word.publish(id.0.saturating_add(1));
                Ok(())
            }
        }
    }

    fn detach(&self, grace: &Grace<'_>, routes: &mut RouteWriter<'m>, id: PortId, attachment: Attachment) {
        let Attachment::Circuit { iface, tags } = attachment else { return };
        let Some(slot) = self.reader().circuits(iface) else { return };
        match tags {
            Tags::Any => slot.any.publish(0),
            Tags::Untagged => slot.untagged.publish(0),
            _ if routes.reader().circuit(iface, tags) == Some(id.0) => {
                routes.clear_circuit(grace, circuit_key(iface, tags));
                slot.tagged.publish(slot.tagged.peek().saturating_sub(1));
            }
            _ => {}
        }
    }

    fn set_mac(&mut self, grace: &mut Grace<'_>, vsi: VsiId, mac: Mac, port: PortId) -> Result<(), ApplyError> {
        if mac.is_group() {
            return Err(ApplyError::GroupMac(mac));
        }
        self.vsi_state(vsi)?;
        self.port_state(port)?;
        let learned = self.macs().get(vsi, mac).filter(|found| !found.is_static()).map(|found| found.port());
        self.macs.set(grace, vsi, mac, port, true).map_err(refused(Table::Mac))?;
        if let Some(port) = learned {
            self.uncount(Removed { vsi, port, is_static: false });
        }
        Ok(())
    }

    fn clear_mac(&mut self, grace: &Grace<'_>, vsi: VsiId, mac: Mac) {
        if let Some(removed) = self.macs.clear(grace, vsi, mac) {
            self.uncount(removed);
        }
    }

    fn set_group(
        &self,
        grace: &mut Grace<'_>,
        routes: &mut RouteWriter<'m>,
        vsi: VsiId,
        key: &VsiGroupKey,
        replication: Option<ReplicationId>,
    ) -> Result<(), ApplyError> {
        let state = self.vsi_state(vsi)?;
        let value =
            pack(&Mroute { rpf: Rpf::Any, replication, punt_wrong_interface: false, register: false, spt: None })?;
        match key {
            VsiGroupKey::Ip(route) => routes.set(grace, VsiOrVrf::Vsi(vsi), &state.lengths, route, value),
            VsiGroupKey::Mac(mac) => routes.set_mac(grace, vsi, *mac, value),
        }
    }

    fn flush_some(&mut self, grace: &Grace<'_>, what: Flush) {
        match what {
            Flush::Mac { vsi, mac } => {
                if self.macs().get(vsi, mac).is_some_and(|found| !found.is_static()) {
                    self.clear_mac(grace, vsi, mac);
                }
            }
            Flush::Port(port) => self.flush(grace, |a| a.port == port && !a.is_static),
            Flush::AllBut { vsi, port } => self.flush(grace, |a| a.vsi == vsi && a.port != port && !a.is_static),
            Flush::Vsi(vsi) => self.flush(grace, |a| a.vsi == vsi && !a.is_static),
        }
    }

    fn flush(&mut self, grace: &Grace<'_>, is_flushed: impl Fn(&Removed) -> bool) {
        let bridges = self.reader();
        self.macs.flush(grace, is_flushed, |removed| uncount(&bridges, removed));
    }

    fn uncount(&self, removed: Removed) {
        uncount(&self.reader(), removed);
    }

    /// Learns an address, if the limits of its port and instance let it.
    pub(crate) fn learn(&mut self, grace: &mut Grace<'_>, learn: Learn) -> Learned {
        let Learn { vsi, mac, port } = learn;
        let bridges = self.reader();
        let (Some(settings), Some((instance, vsi_state)), Some(port_state)) =
            (bridges.port(port), bridges.vsi(vsi), bridges.port_state(port))
        else {
            return Learned::Limit;
        };
        let known = self.macs().get(vsi, mac);
        if known.is_some_and(|found| found.is_static() || found.port() == port) {
            return Learned::Known;
        }
        // A move costs the instance nothing.
        let is_full = known.is_none() && vsi_state.macs() >= instance.mac_limit;
        if !settings.learn || is_full || port_state.macs() >= settings.mac_limit {
            return Learned::Limit;
        }
        let from = known.map(|found| found.port());
        match self.macs.set(grace, vsi, mac, port, false) {
            Ok(()) => {}
            Err(Refused::Full | Refused::Busy) => return Learned::Full,
        }
        if let Some(port) = from {
            self.uncount(Removed { vsi, port, is_static: false });
        }
        vsi_state.macs.put(vsi_state.macs().saturating_add(1));
        port_state.macs.put(port_state.macs().saturating_add(1));
        from.map_or(Learned::New, Learned::Moved)
    }

    /// Ages addresses up to `now`, in at most `buckets` buckets; whether that was all.
    pub(crate) fn age(
        &mut self,
        grace: &Grace<'_>,
        (now, buckets): (Instant, usize),
        mut on_aged: impl FnMut(Learn),
    ) -> bool {
        let all = self.macs.buckets() as u64;
        let elapsed = now.as_micros().saturating_sub(self.aged.as_micros()).min(ROUND_MICROS);
        // What is due since the last call; the part of a bucket that is left stays due.
        let due = elapsed.saturating_mul(all).checked_div(ROUND_MICROS).unwrap_or(0);
        let done = due.min(buckets as u64);
        let bridges = self.reader();
        let aging = |vsi| bridges.vsi(vsi).and_then(|(settings, _)| aging(settings.age));
        self.macs.sweep(grace, done as usize, aging, |removed, mac| {
            uncount(&bridges, removed);
            on_aged(Learn { vsi: removed.vsi, mac, port: removed.port });
        });
        let time = done.saturating_mul(ROUND_MICROS).checked_div(all).unwrap_or(elapsed);
        let behind = now.as_micros().saturating_sub(elapsed);
        self.aged = Instant::from_micros(behind.saturating_add(time));
        done == due
    }

    /// Puts a policer, from 1, to a type of traffic of a port; 0 takes it away.
    pub(super) fn police_port(&self, port: PortId, traffic: TrafficType, word: u32) -> Result<(), ApplyError> {
        self.port_state(port)?.police.get(traffic as usize).map_or(Ok(()), |at| {
            at.publish(word);
            Ok(())
        })
    }

    /// As [`Self::police_port`], of an instance.
    pub(super) fn police_vsi(&self, vsi: VsiId, traffic: TrafficType, word: u32) -> Result<(), ApplyError> {
        self.vsi_state(vsi)?.police.get(traffic as usize).map_or(Ok(()), |at| {
            at.publish(word);
            Ok(())
        })
    }
}

/// An address less, if it was counted.
fn uncount(bridges: &Bridges<'_>, removed: Removed) {
    if removed.is_static {
        return;
    }
    let words: [Option<&Word>; 2] =
        [bridges.vsi_state(removed.vsi).map(|s| &s.macs), bridges.port_state(removed.port).map(|s| &s.macs)];
    for word in words.into_iter().flatten() {
        word.put(word.peek().saturating_sub(1));
    }
}

/// Rounds for an age in seconds: at most [`MAX_IDLE`] counts, so a long age has a long step.
fn aging(seconds: u16) -> Option<Aging> {
    let rounds = u64::from(seconds).saturating_mul(1_000_000).div_ceil(ROUND_MICROS);
    let rounds = u32::try_from(rounds).ok().filter(|&rounds| rounds > 0)?;
    let step = rounds.div_ceil(MAX_IDLE).max(1);
    Some(Aging { step, limit: rounds.div_ceil(step) })
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn ages_become_rounds() {
        assert_eq!(aging(0), None);
        assert_eq!(aging(1), Some(Aging { step: 1, limit: 1 }));
        assert_eq!(aging(10), Some(Aging { step: 1, limit: 3 }));
        // 75 rounds of four seconds: 38 counts of two rounds.
        assert_eq!(aging(300), Some(Aging { step: 2, limit: 38 }));
        assert!(aging(u16::MAX).unwrap().limit <= 63);
    }
}
