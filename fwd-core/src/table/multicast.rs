//! Memory and ops of multicast routing and of replication groups.

use super::ApplyError;
use super::apply::{Table, refused};
use super::grace::Grace;
use super::mroute::{Exact6Slot, ExactSlot, GROUPS, MulticastVrfSlot, RouteWriter, Routes, pack};
use super::records::Refused;
use super::replication::{LegSlot, ReplicationSlot, ReplicationWriter, Replications};
use super::word::Word;
use crate::net::{ReplicationId, TunnelId, VrfId};
use crate::op::{CodePoint, FwdOp, LegTarget, Mroute, MrouteKey, VsiOrVrf};

/// Memory for multicast and replication. All may be empty, which is the default: every multicast packet then goes to software,
/// and nothing is replicated.
#[derive(Debug, Default)]
pub struct MulticastMemory<'m> {
    /// VRFs that may have multicast, numbered from 0.
    pub vrfs: &'m mut [MulticastVrfSlot],
    /// IPv4 multicast routes, group entries by IPv4 and MAC address, members of RPF sets, VLAN domains, circuits with tags, and
    /// labels of other routers' label spaces together: one slot more than there are.
    pub routes: &'m mut [ExactSlot],
    /// IPv6 multicast routes and group entries: one slot more than there are.
    pub routes6: &'m mut [Exact6Slot],
    /// Tunnels that multicast arrives by, numbered from 0.
    pub tunnels: &'m mut [Word],
    /// Replication groups, numbered from 0.
    pub groups: &'m mut [ReplicationSlot],
    /// Legs of all groups: one slot more than there are.
    pub legs: &'m mut [LegSlot],
}

/// The writer's hold of the tables.
#[derive(Debug)]
pub(crate) struct MulticastTables<'m> {
    vrfs: &'m [MulticastVrfSlot],
    tunnels: &'m [Word],
    pub(super) routes: RouteWriter<'m>,
    pub(super) groups: ReplicationWriter<'m>,
}

/// What readers see.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Multicast<'m> {
    vrfs: &'m [MulticastVrfSlot],
    tunnels: &'m [Word],
    pub(crate) routes: Routes<'m>,
    pub(crate) groups: Replications<'m>,
}

impl<'m> Multicast<'m> {
    #[inline]
    pub(crate) fn vrf(&self, vrf: VrfId) -> Option<&'m MulticastVrfSlot> {
        self.vrfs.get(usize::from(vrf.0))
    }

    /// The VRF that a tunnel is bound to.
    #[inline]
    pub(crate) fn tunnel_vrf(&self, tunnel: TunnelId) -> Option<VrfId> {
        let word = self.tunnels.get(usize::try_from(tunnel.0).ok()?)?.load();
        u16::try_from(word.checked_sub(1)?).ok().map(VrfId)
    }
}

impl<'m> MulticastTables<'m> {
    /// Empty tables, whatever the memory held.
    pub(super) fn new(memory: MulticastMemory<'m>, seed: u64) -> Self {
        memory.vrfs.fill(MulticastVrfSlot::EMPTY);
        memory.tunnels.fill(Word::ZERO);
        Self {
            vrfs: memory.vrfs,
            tunnels: memory.tunnels,
            routes: RouteWriter::new(memory.routes, memory.routes6, seed),
            groups: ReplicationWriter::new(memory.groups, memory.legs),
        }
    }

    /// What readers see.
    #[inline]
    pub(crate) const fn reader(&self) -> Multicast<'m> {
        Multicast { vrfs: self.vrfs, tunnels: self.tunnels, routes: self.routes.reader(), groups: self.groups.reader() }
    }

    fn vrf(&self, vrf: VrfId) -> Result<&'m MulticastVrfSlot, ApplyError> {
        self.reader().vrf(vrf).ok_or(ApplyError::TableFull(Table::Vrf))
    }

    fn tunnel(&self, tunnel: TunnelId) -> Result<&'m Word, ApplyError> {
        let word = usize::try_from(tunnel.0).ok().and_then(|at| self.tunnels.get(at));
        word.ok_or(ApplyError::TableFull(Table::Mroute))
    }

    /// Applies an op of multicast or replication; `None` if it is another's.
    pub(super) fn apply(&mut self, grace: &mut Grace<'_>, op: &FwdOp) -> Option<Result<(), ApplyError>> {
        Some(match *op {
            FwdOp::SetMroute { vrf, key, mroute } => self
                .vrf(vrf)
                .and_then(|slot| self.routes.set(grace, VsiOrVrf::Vrf(vrf), &slot.lengths, &key, pack(&mroute)?)),
            FwdOp::ClearMroute { vrf, key } => {
                if let Ok(slot) = self.vrf(vrf) {
                    self.routes.clear(grace, VsiOrVrf::Vrf(vrf), &slot.lengths, &key);
                }
                Ok(())
            }
            FwdOp::SetMulticastVrf { vrf, multicast } => self.vrf(vrf).map(|slot| {
                slot.settings.publish(1 | u32::from(multicast.punt_no_route) << 1);
            }),
            FwdOp::ClearMulticastVrf { vrf } => {
                if let Ok(slot) = self.vrf(vrf) {
                    slot.settings.publish(0);
                }
                Ok(())
            }
            FwdOp::SetRpfMember { set, from } => self.routes.set_member(grace, set, from),
            FwdOp::ClearRpfMember { set, from } => {
                self.routes.clear_member(grace, set, from);
                Ok(())
            }
            FwdOp::SetMulticastTunnel { tunnel, vrf } => self.vrf(vrf).and_then(|_| {
                self.tunnel(tunnel)?.publish(u32::from(vrf.0).saturating_add(1));
                Ok(())
            }),
            FwdOp::ClearMulticastTunnel { tunnel } => {
                if let Ok(word) = self.tunnel(tunnel) {
                    word.publish(0);
                }
                Ok(())
            }
            FwdOp::SetContextIlm { space, label, ilm } => self.routes.set_context(grace, space, label, &ilm),
            FwdOp::ClearContextIlm { space, label } => {
                self.routes.clear_context(grace, space, label);
                Ok(())
            }
            FwdOp::SetReplication { id, owner } => {
                let set = if id.0 < GROUPS { self.groups.set(id, owner) } else { Err(Refused::Full) };
                set.map_err(refused(Table::Replication))
            }
            FwdOp::ClearReplication { id } => {
                self.groups.clear(grace, id);
                Ok(())
            }
            FwdOp::SetLeg { group, leg, target } => self.set_leg(grace, group, leg, target),
            FwdOp::ClearLeg { group, leg } => {
                self.groups.clear_leg(grace, group, leg);
                Ok(())
            }
            _ => return None,
        })
    }

    fn set_leg(
        &mut self,
        grace: &mut Grace<'_>,
        group: ReplicationId,
        leg: u16,
        target: LegTarget,
    ) -> Result<(), ApplyError> {
        self.groups.set_leg(grace, group, leg, target).map_err(refused(Table::Replication))
    }

    /// VRFs that may have multicast, and tunnels.
    pub(super) const fn numbers(&self) -> (usize, usize) {
        (self.vrfs.len(), self.tunnels.len())
    }

    /// The routes of a VRF, in no order.
    pub(crate) fn iter(&self, vrf: VrfId) -> impl Iterator<Item = (MrouteKey, Mroute)> + '_ {
        self.routes.iter(VsiOrVrf::Vrf(vrf))
    }

    /// Puts a policer, from 1, to a group; 0 takes it away.
    pub(super) fn police_group(&self, id: ReplicationId, word: u32) -> Result<(), ApplyError> {
        self.groups.police(id, word).map_err(refused(Table::Replication))
    }

    /// Marks the packets of a group, or leaves them as they are.
    pub(super) fn mark(&self, id: ReplicationId, code: Option<CodePoint>) -> Result<(), ApplyError> {
        self.groups.mark(id, code).map_err(refused(Table::Replication))
    }

    /// Puts a policer, from 1, to the multicast of a VRF; 0 takes it away.
    pub(super) fn police(&self, vrf: VrfId, is_punt: bool, word: u32) -> Result<(), ApplyError> {
        let [forwarded, punted] = &self.vrf(vrf)?.police;
        if is_punt { punted } else { forwarded }.publish(word);
        Ok(())
    }
}
