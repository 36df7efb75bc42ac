//! Policers, where they stand, and marks.

use super::Found::{self, Clear, Set};
use crate::net::{PolicerId, PortId, ReplicationId, VrfId, VsiId};
use crate::op::{FwdOp, MarkPoint, PolicePoint, TrafficType};
use crate::table::Writer;

/// What stands where this op writes; `None` of another file's.
pub(super) fn found(tables: &Writer<'_>, op: &FwdOp) -> Option<Found> {
    Some(match *op {
        FwdOp::SetPolicer { id, .. } => Set(policer(tables, id)),
        FwdOp::ClearPolicer { id } => Clear(policer(tables, id)),
        FwdOp::SetPolicePoint { at, .. } => Set(point(tables, at)),
        FwdOp::ClearPolicePoint { at } => Clear(point(tables, at)),
        FwdOp::SetMark { at, .. } => Set(mark(tables, at)),
        FwdOp::ClearMark { at } => Clear(mark(tables, at)),
        _ => return None,
    })
}

fn policer(tables: &Writer<'_>, id: PolicerId) -> Option<FwdOp> {
    tables.policer(id).map(|policer| FwdOp::SetPolicer { id, policer })
}

fn point(tables: &Writer<'_>, at: PolicePoint) -> Option<FwdOp> {
    tables.police_point(at).map(|policer| FwdOp::SetPolicePoint { at, policer })
}

fn mark(tables: &Writer<'_>, at: MarkPoint) -> Option<FwdOp> {
    tables.mark_point(at).map(|code| FwdOp::SetMark { at, code })
}

/// Policers.
pub(super) fn policers<'t>(tables: &'t Writer<'_>) -> impl Iterator<Item = FwdOp> + 't {
    (0..tables.numbers().policers).filter_map(move |id| policer(tables, PolicerId(id)))
}

/// Where they stand, and marks.
pub(super) fn points<'t>(tables: &'t Writer<'_>) -> impl Iterator<Item = FwdOp> + 't {
    let numbers = tables.numbers();
    let types = || TrafficType::ALL.into_iter();
    let ports = (0..numbers.ports).map(PortId);
    let ports = ports.flat_map(move |port| types().map(move |traffic| PolicePoint::Port(port, traffic)));
    let vsis = (0..numbers.vsis).map(VsiId);
    let vsis = vsis.flat_map(move |vsi| types().map(move |traffic| PolicePoint::Vsi(vsi, traffic)));
    let vrfs = move || (0..numbers.vrfs).map(VrfId);
    let of_vrfs = vrfs().flat_map(|vrf| [PolicePoint::Multicast(vrf), PolicePoint::Punt(vrf)]);
    let groups = move || (0..numbers.replications).map(ReplicationId);
    let points = ports.chain(vsis).chain(of_vrfs).chain(groups().map(PolicePoint::Group));
    let marks = vrfs().map(MarkPoint::Vrf).chain(groups().map(MarkPoint::Group));
    points.filter_map(move |at| point(tables, at)).chain(marks.filter_map(move |at| mark(tables, at)))
}
