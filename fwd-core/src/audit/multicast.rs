//! Multicast routes, where their packets may come from, replication groups.

use super::Found::{self, Clear, Set};
use crate::net::{ReplicationId, TunnelId, VrfId};
use crate::op::{FwdOp, LegTarget, MrouteKey, VsiOrVrf};
use crate::table::Writer;

/// What stands where this op writes; `None` of another file's.
pub(super) fn found(tables: &Writer<'_>, op: &FwdOp) -> Option<Found> {
    Some(match *op {
        FwdOp::SetMroute { vrf, key, mroute: asked } => {
            let is_kept = tables.mroute(vrf, &key) == Some(asked.kept());
            Set(if is_kept { Some(*op) } else { mroute(tables, vrf, key) })
        }
        FwdOp::ClearMroute { vrf, key } => Clear(mroute(tables, vrf, key)),
        FwdOp::SetMulticastVrf { vrf, .. } => Set(multicast_vrf(tables, vrf)),
        FwdOp::ClearMulticastVrf { vrf } => Clear(multicast_vrf(tables, vrf)),
        FwdOp::SetRpfMember { set, from } | FwdOp::ClearRpfMember { set, from } => {
            let member = tables.is_rpf_member(set, from).then_some(FwdOp::SetRpfMember { set, from });
            if matches!(op, FwdOp::SetRpfMember { .. }) { Set(member) } else { Clear(member) }
        }
        FwdOp::SetMulticastTunnel { tunnel, .. } => Set(multicast_tunnel(tables, tunnel)),
        FwdOp::ClearMulticastTunnel { tunnel } => Clear(multicast_tunnel(tables, tunnel)),
        FwdOp::SetReplication { id, .. } => Set(replication(tables, id)),
        FwdOp::ClearReplication { id } => Clear(replication(tables, id)),
        FwdOp::SetLeg { group, leg, .. } => Set(leg_of(tables, group, leg)),
        FwdOp::ClearLeg { group, leg } => Clear(leg_of(tables, group, leg)),
        _ => return None,
    })
}

fn mroute(tables: &Writer<'_>, vrf: VrfId, key: MrouteKey) -> Option<FwdOp> {
    tables.mroute(vrf, &key).map(|mroute| FwdOp::SetMroute { vrf, key, mroute })
}

fn multicast_vrf(tables: &Writer<'_>, vrf: VrfId) -> Option<FwdOp> {
    tables.multicast_vrf(vrf).map(|multicast| FwdOp::SetMulticastVrf { vrf, multicast })
}

fn multicast_tunnel(tables: &Writer<'_>, tunnel: TunnelId) -> Option<FwdOp> {
    tables.tunnel_vrf(tunnel).map(|vrf| FwdOp::SetMulticastTunnel { tunnel, vrf })
}

fn replication(tables: &Writer<'_>, id: ReplicationId) -> Option<FwdOp> {
    tables.replication(id).map(|owner| FwdOp::SetReplication { id, owner })
}

fn leg_of(tables: &Writer<'_>, group: ReplicationId, leg: u16) -> Option<FwdOp> {
    tables.legs(group).find(|(n, _)| *n == leg).map(|(_, target)| set_leg(group, leg, target))
}

const fn set_leg(group: ReplicationId, leg: u16, target: LegTarget) -> FwdOp {
    FwdOp::SetLeg { group, leg, target }
}

/// Groups with their legs, VRFs and tunnels, then routes and members of sets; with them the labels of other label spaces and the group
/// entries of instances, which are in the same table.
pub(super) fn entries<'t>(tables: &'t Writer<'_>) -> impl Iterator<Item = FwdOp> + 't {
    let numbers = tables.numbers();
    let groups = (0..numbers.replications).map(ReplicationId).flat_map(move |id| {
        let legs = tables.legs(id).map(move |(leg, target)| set_leg(id, leg, target));
        replication(tables, id).into_iter().chain(legs)
    });
    let vrfs = (0..numbers.vrfs).filter_map(move |vrf| multicast_vrf(tables, VrfId(vrf)));
    let tunnels = (0..numbers.tunnels).filter_map(move |tunnel| multicast_tunnel(tables, TunnelId(tunnel)));
    let routes = tables.all_mroutes().map(|(owner, key, mroute)| match owner {
        VsiOrVrf::Vrf(vrf) => FwdOp::SetMroute { vrf, key, mroute },
        VsiOrVrf::Vsi(vsi) => super::bridge::set_group(vsi, key, mroute.replication),
    });
    groups.chain(vrfs).chain(tunnels).chain(routes).chain(tables.small_entries())
}
