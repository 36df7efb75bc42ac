//! Interfaces, forwarding entries, labels, unicast routes and virtual links.

use super::Found::{self, Clear, Set};
use crate::net::{IfIndex, Label, LabelSpaceId, LabelStack, NhlfeId, VlinkId, VrfId};
use crate::op::FwdOp;
use crate::table::Writer;

/// The labels that are kept of those to be pushed.
pub(super) fn without_implicit_null(push: &LabelStack) -> LabelStack {
    let mut labels = [Label::IMPLICIT_NULL; LabelStack::CAPACITY];
    let mut len = 0_usize;
    let real = push.as_slice().iter().filter(|&&label| label != Label::IMPLICIT_NULL);
    for (slot, label) in labels.iter_mut().zip(real) {
        *slot = *label;
        len = len.saturating_add(1);
    }
    labels.get(..len).and_then(LabelStack::new).unwrap_or(*push)
}

/// What stands where this op writes; `None` of another file's.
pub(super) fn found(tables: &Writer<'_>, op: &FwdOp) -> Option<Found> {
    Some(match *op {
        FwdOp::SetInterface { iface, .. } => Set(interface(tables, iface)),
        FwdOp::ClearInterface { iface } => Clear(interface(tables, iface)),
        FwdOp::SetNhlfe { id, .. } => Set(nhlfe(tables, id)),
        FwdOp::ClearNhlfe { id } => Clear(nhlfe(tables, id)),
        // Explicit null labels have a model always.
        FwdOp::SetIlm { label, .. } | FwdOp::ClearIlm { label } if label.is_special_purpose() => return None,
        FwdOp::SetIlm { label, .. } => Set(ilm(tables, label)),
        FwdOp::ClearIlm { label } => Clear(ilm(tables, label)),
        FwdOp::SetLabelSpace { iface, .. } => Set(label_space(tables, iface)),
        FwdOp::ClearLabelSpace { iface } => Clear(label_space(tables, iface)),
        FwdOp::SetUpstreamSpace { iface, .. } => Set(upstream_space(tables, iface)),
        FwdOp::ClearUpstreamSpace { iface } => Clear(upstream_space(tables, iface)),
        FwdOp::SetInterfaceState { iface, .. } => {
            let set = |_| FwdOp::SetInterfaceState { iface, down: tables.is_down(iface) };
            Set(tables.interface(iface).map(set))
        }
        FwdOp::SetContextIlm { space, label, .. } => Set(context(tables, space, label)),
        FwdOp::ClearContextIlm { space, label } => Clear(context(tables, space, label)),
        FwdOp::SetRoute4 { vrf, prefix, .. } | FwdOp::ClearRoute4 { vrf, prefix } => {
            let set = |action| FwdOp::SetRoute4 { vrf, prefix, action };
            of(matches!(op, FwdOp::ClearRoute4 { .. }), tables.route4(vrf, prefix).map(set))
        }
        FwdOp::SetRoute6 { vrf, prefix, .. } | FwdOp::ClearRoute6 { vrf, prefix } => {
            let set = |action| FwdOp::SetRoute6 { vrf, prefix, action };
            of(matches!(op, FwdOp::ClearRoute6 { .. }), tables.route6(vrf, prefix).map(set))
        }
        FwdOp::SetVlink { id, .. } => Set(vlink(tables, id)),
        FwdOp::ClearVlink { id } => Clear(vlink(tables, id)),
        FwdOp::SetVlinkOutput { id, .. } => Set(vlink_output(tables, id)),
        _ => return None,
    })
}

const fn of(is_clear: bool, op: Option<FwdOp>) -> Found {
    if is_clear { Clear(op) } else { Set(op) }
}

fn interface(tables: &Writer<'_>, iface: IfIndex) -> Option<FwdOp> {
    tables.interface(iface).map(|interface| FwdOp::SetInterface { iface, interface })
}

fn label_space(tables: &Writer<'_>, iface: IfIndex) -> Option<FwdOp> {
    tables.label_space(iface).map(|space| FwdOp::SetLabelSpace { iface, space })
}

fn upstream_space(tables: &Writer<'_>, iface: IfIndex) -> Option<FwdOp> {
    tables.upstream_space(iface).map(|space| FwdOp::SetUpstreamSpace { iface, space })
}

fn nhlfe(tables: &Writer<'_>, id: NhlfeId) -> Option<FwdOp> {
    tables.nhlfe(id).map(|nhlfe| FwdOp::SetNhlfe { id, nhlfe })
}

fn ilm(tables: &Writer<'_>, label: Label) -> Option<FwdOp> {
    tables.ilm(label).map(|ilm| FwdOp::SetIlm { label, ilm })
}

fn context(tables: &Writer<'_>, space: LabelSpaceId, label: Label) -> Option<FwdOp> {
    tables.context_ilm(space, label).map(|ilm| FwdOp::SetContextIlm { space, label, ilm })
}

fn vlink(tables: &Writer<'_>, id: VlinkId) -> Option<FwdOp> {
    tables.vlink(id).map(|(vlink, _)| FwdOp::SetVlink { id, vlink })
}

fn vlink_output(tables: &Writer<'_>, id: VlinkId) -> Option<FwdOp> {
    let (_, output) = tables.vlink(id)?;
    output.map(|output| FwdOp::SetVlinkOutput { id, output })
}

/// Interfaces, their label spaces, those that are down; then forwarding entries.
pub(super) fn interfaces<'t>(tables: &'t Writer<'_>) -> impl Iterator<Item = FwdOp> + 't {
    let numbers = tables.numbers();
    let interfaces = (0..numbers.interfaces).map(IfIndex).flat_map(move |iface| {
        let down = tables.is_down(iface).then_some(FwdOp::SetInterfaceState { iface, down: true });
        [interface(tables, iface), label_space(tables, iface), upstream_space(tables, iface), down]
    });
    let nhlfes = (0..numbers.nhlfes).filter_map(move |i| nhlfe(tables, NhlfeId(i)));
    interfaces.flatten().chain(nhlfes)
}

/// Labels of the platform's space.
pub(super) fn labels<'t>(tables: &'t Writer<'_>) -> impl Iterator<Item = FwdOp> + 't {
    let numbers = tables.numbers();
    let last = numbers.first_label.saturating_add(numbers.labels);
    (numbers.first_label..last).filter_map(Label::new).filter_map(move |label| ilm(tables, label))
}

/// Virtual links, and how packets leave by them.
pub(super) fn vlinks<'t>(tables: &'t Writer<'_>) -> impl Iterator<Item = FwdOp> + 't {
    let links = (0..tables.numbers().vlinks).map(VlinkId);
    links.flat_map(move |id| [vlink(tables, id), vlink_output(tables, id)]).flatten()
}

/// Unicast routes.
pub(super) fn routes<'t>(tables: &'t Writer<'_>) -> impl Iterator<Item = FwdOp> + 't {
    let vrfs = move || (0..tables.numbers().vrfs).map(VrfId);
    let routes4 = vrfs()
        .flat_map(move |vrf| tables.routes4(vrf).map(move |(prefix, action)| FwdOp::SetRoute4 { vrf, prefix, action }));
    let routes6 = vrfs()
        .flat_map(move |vrf| tables.routes6(vrf).map(move |(prefix, action)| FwdOp::SetRoute6 { vrf, prefix, action }));
    routes4.chain(routes6)
}
