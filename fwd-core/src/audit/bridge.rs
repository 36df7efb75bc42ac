//! Virtual switch instances, their ports, static addresses and group entries.

use super::Found::{self, Clear, Set};
use crate::net::{Mac, PortId, ReplicationId, VlanId, VsiId};
use crate::op::{FwdOp, MrouteKey, VsiGroupKey};
use crate::table::Writer;

/// What stands where this op writes; `None` of another file's. An address that was learned is none of an op's.
pub(super) fn found(tables: &Writer<'_>, op: &FwdOp) -> Option<Found> {
    Some(match *op {
        FwdOp::SetVsi { vsi, .. } => Set(instance(tables, vsi)),
        FwdOp::ClearVsi { vsi } => Clear(instance(tables, vsi)),
        FwdOp::SetPort { id, .. } => Set(port(tables, id)),
        FwdOp::ClearPort { id } => Clear(port(tables, id)),
        FwdOp::SetMac { vsi, mac, .. } => Set(address(tables, vsi, mac)),
        FwdOp::ClearMac { vsi, mac } => Clear(address(tables, vsi, mac)),
        FwdOp::SetVsiGroup { vsi, key, .. } => Set(group(tables, vsi, key)),
        FwdOp::ClearVsiGroup { vsi, key } => Clear(group(tables, vsi, key)),
        FwdOp::SetVlanDomain { vsi, vlan, .. } => Set(domain(tables, vsi, vlan)),
        FwdOp::ClearVlanDomain { vsi, vlan } => Clear(domain(tables, vsi, vlan)),
        _ => return None,
    })
}

fn instance(tables: &Writer<'_>, vsi: VsiId) -> Option<FwdOp> {
    tables.vsi(vsi).map(|settings| FwdOp::SetVsi { vsi, settings })
}

fn port(tables: &Writer<'_>, id: PortId) -> Option<FwdOp> {
    tables.port(id).map(|port| FwdOp::SetPort { id, port })
}

fn address(tables: &Writer<'_>, vsi: VsiId, mac: Mac) -> Option<FwdOp> {
    tables.static_mac(vsi, mac).map(|port| FwdOp::SetMac { vsi, mac, port })
}

fn group(tables: &Writer<'_>, vsi: VsiId, key: VsiGroupKey) -> Option<FwdOp> {
    tables.vsi_group(vsi, &key).map(|replication| FwdOp::SetVsiGroup { vsi, key, replication })
}

fn domain(tables: &Writer<'_>, vsi: VsiId, vlan: VlanId) -> Option<FwdOp> {
    tables.vlan_domain(vsi, vlan).map(|domain| FwdOp::SetVlanDomain { vsi, vlan, domain })
}

pub(super) const fn set_group(vsi: VsiId, key: MrouteKey, replication: Option<ReplicationId>) -> FwdOp {
    FwdOp::SetVsiGroup { vsi, key: VsiGroupKey::Ip(key), replication }
}

/// Instances, ports, static addresses.
pub(super) fn entries<'t>(tables: &'t Writer<'_>) -> impl Iterator<Item = FwdOp> + 't {
    let numbers = tables.numbers();
    let vsis = (0..numbers.vsis).filter_map(move |vsi| instance(tables, VsiId(vsi)));
    let ports = (0..numbers.ports).filter_map(move |id| port(tables, PortId(id)));
    let statics = tables.addresses().filter(|(.., is_static)| *is_static);
    vsis.chain(ports).chain(statics.map(|(vsi, mac, port, _)| FwdOp::SetMac { vsi, mac, port }))
}
