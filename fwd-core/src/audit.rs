//! Is the forwarding plane what the control plane believes it is? Every entry as the op that made it, ops compared with the
//! tables, and the way of one packet for a human to read.
//!
//! Interfaces, forwarding entries, incoming labels, unicast routes and virtual links are looked at.

use core::fmt;
use core::net::IpAddr;

use crate::net::{IfIndex, Label, LabelSpaceId, LabelStack, Mac, NhlfeId, VlinkId, VrfId};
use crate::op::{FwdOp, IlmAction, NextHop, RouteAction};
use crate::table::Writer;

/// How the tables differ from an op that was applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finding {
    /// There is nothing of what the op set.
    Missing,
    /// There is something else: this op would make it.
    Different(FwdOp),
    /// What the op cleared is there: this op would make it.
    Present(FwdOp),
}

/// Compares the tables with what one op left behind; `Ok` also of an op whose table is not looked at.
///
/// ```
/// # use fwd_core::audit::{Finding, compare};
/// # use fwd_core::net::VrfId;
/// # use fwd_core::op::{FwdOp, RouteAction};
/// # use fwd_core::table::{Memory, Rib4Node, VrfSlot, Word, Writer};
/// # let (mut vrfs, mut rib4, mut fib4) = ([VrfSlot::EMPTY; 1], [Rib4Node::EMPTY; 8], vec![Word::ZERO; 2000]);
/// # let memory = Memory { vrfs: &mut vrfs, rib4: &mut rib4, fib4: &mut fib4, ..Memory::default() };
/// # let mut writer = Writer::new(memory)?;
/// let op = FwdOp::SetRoute4 { vrf: VrfId(0), prefix: "10.0.0.0/8".parse()?, action: RouteAction::Local };
/// assert_eq!(compare(&writer, &op), Err(Finding::Missing));
/// writer.apply(&op)?;
/// assert_eq!(compare(&writer, &op), Ok(()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// The tables hold nothing of it, or something else.
pub fn compare(tables: &Writer<'_>, op: &FwdOp) -> Result<(), Finding> {
    let expected = match *op {
        // Implicit null labels are not kept: to push one is to push none (RFC 3032 §2.1).
        FwdOp::SetNhlfe { id, mut nhlfe } => {
            nhlfe.push = without_implicit_null(&nhlfe.push);
            FwdOp::SetNhlfe { id, nhlfe }
        }
        op => op,
    };
    let Some((found, is_clear)) = found(tables, op) else { return Ok(()) };
    match (found, is_clear) {
        (None, true) => Ok(()),
        (Some(op), true) => Err(Finding::Present(op)),
        (None, false) => Err(Finding::Missing),
        (Some(op), false) if op == expected => Ok(()),
        (Some(op), false) => Err(Finding::Different(op)),
    }
}

fn without_implicit_null(push: &LabelStack) -> LabelStack {
    let mut labels = [Label::IMPLICIT_NULL; LabelStack::CAPACITY];
    let mut len = 0_usize;
    let real = push.as_slice().iter().filter(|&&label| label != Label::IMPLICIT_NULL);
    for (slot, label) in labels.iter_mut().zip(real) {
        *slot = *label;
        len = len.saturating_add(1);
    }
    labels.get(..len).and_then(LabelStack::new).unwrap_or(*push)
}

/// The op that would make what stands where this op writes, and whether this op clears; `None` of a table that is not looked
/// at.
fn found(tables: &Writer<'_>, op: &FwdOp) -> Option<(Option<FwdOp>, bool)> {
    Some(match *op {
        FwdOp::SetInterface { iface, .. } => (set_interface(tables, iface), false),
        FwdOp::ClearInterface { iface } => (set_interface(tables, iface), true),
        FwdOp::SetNhlfe { id, .. } => (set_nhlfe(tables, id), false),
        FwdOp::ClearNhlfe { id } => (set_nhlfe(tables, id), true),
        // Explicit null labels have a model always.
        FwdOp::SetIlm { label, .. } | FwdOp::ClearIlm { label } if label.is_special_purpose() => return None,
        FwdOp::SetIlm { label, .. } => (set_ilm(tables, label), false),
        FwdOp::ClearIlm { label } => (set_ilm(tables, label), true),
        FwdOp::SetLabelSpace { iface, .. } => (set_label_space(tables, iface), false),
        FwdOp::ClearLabelSpace { iface } => (set_label_space(tables, iface), true),
        FwdOp::SetUpstreamSpace { iface, .. } => (set_upstream_space(tables, iface), false),
        FwdOp::ClearUpstreamSpace { iface } => (set_upstream_space(tables, iface), true),
        FwdOp::SetInterfaceState { iface, .. } => {
            let set = |_| FwdOp::SetInterfaceState { iface, down: tables.is_down(iface) };
            (tables.interface(iface).map(set), false)
        }
        FwdOp::SetContextIlm { space, label, .. } => (set_context(tables, space, label), false),
        FwdOp::ClearContextIlm { space, label } => (set_context(tables, space, label), true),
        FwdOp::SetRoute4 { vrf, prefix, .. } | FwdOp::ClearRoute4 { vrf, prefix } => {
            let set = |action| FwdOp::SetRoute4 { vrf, prefix, action };
            (tables.route4(vrf, prefix).map(set), matches!(op, FwdOp::ClearRoute4 { .. }))
        }
        FwdOp::SetRoute6 { vrf, prefix, .. } | FwdOp::ClearRoute6 { vrf, prefix } => {
            let set = |action| FwdOp::SetRoute6 { vrf, prefix, action };
            (tables.route6(vrf, prefix).map(set), matches!(op, FwdOp::ClearRoute6 { .. }))
        }
        FwdOp::SetVlink { id, .. } => (set_vlink(tables, id), false),
        FwdOp::ClearVlink { id } => (set_vlink(tables, id), true),
        FwdOp::SetVlinkOutput { id, .. } => (set_vlink_output(tables, id), false),
        _ => return None,
    })
}

fn set_interface(tables: &Writer<'_>, iface: IfIndex) -> Option<FwdOp> {
    tables.interface(iface).map(|interface| FwdOp::SetInterface { iface, interface })
}

fn set_label_space(tables: &Writer<'_>, iface: IfIndex) -> Option<FwdOp> {
    tables.label_space(iface).map(|space| FwdOp::SetLabelSpace { iface, space })
}

fn set_upstream_space(tables: &Writer<'_>, iface: IfIndex) -> Option<FwdOp> {
    tables.upstream_space(iface).map(|space| FwdOp::SetUpstreamSpace { iface, space })
}

fn set_nhlfe(tables: &Writer<'_>, id: NhlfeId) -> Option<FwdOp> {
    tables.nhlfe(id).map(|nhlfe| FwdOp::SetNhlfe { id, nhlfe })
}

fn set_ilm(tables: &Writer<'_>, label: Label) -> Option<FwdOp> {
    tables.ilm(label).map(|ilm| FwdOp::SetIlm { label, ilm })
}

fn set_context(tables: &Writer<'_>, space: LabelSpaceId, label: Label) -> Option<FwdOp> {
    tables.context_ilm(space, label).map(|ilm| FwdOp::SetContextIlm { space, label, ilm })
}

fn set_vlink(tables: &Writer<'_>, id: VlinkId) -> Option<FwdOp> {
    tables.vlink(id).map(|(vlink, _)| FwdOp::SetVlink { id, vlink })
}

fn set_vlink_output(tables: &Writer<'_>, id: VlinkId) -> Option<FwdOp> {
    let (_, output) = tables.vlink(id)?;
    output.map(|output| FwdOp::SetVlinkOutput { id, output })
}

/// Every entry of the tables that are looked at, as the op that would make it: what a control plane compares with its own list
/// to find what should not be there, and what makes the same tables elsewhere.
pub fn entries<'t>(tables: &'t Writer<'_>) -> impl Iterator<Item = FwdOp> + 't {
    let numbers = tables.numbers();
    let interfaces = (0..numbers.interfaces).filter_map(move |i| set_interface(tables, IfIndex(i)));
    let nhlfes = (0..numbers.nhlfes).filter_map(move |i| set_nhlfe(tables, NhlfeId(i)));
    let last = numbers.first_label.saturating_add(numbers.labels);
    let labels = (numbers.first_label..last).filter_map(Label::new).filter_map(move |label| set_ilm(tables, label));
    let vlinks = (0..numbers.vlinks).map(VlinkId);
    let vlinks = vlinks.flat_map(move |id| [set_vlink(tables, id), set_vlink_output(tables, id)]).flatten();
    let vrfs = move || (0..numbers.vrfs).map(VrfId);
    let routes4 = vrfs()
        .flat_map(move |vrf| tables.routes4(vrf).map(move |(prefix, action)| FwdOp::SetRoute4 { vrf, prefix, action }));
    let routes6 = vrfs()
        .flat_map(move |vrf| tables.routes6(vrf).map(move |(prefix, action)| FwdOp::SetRoute6 { vrf, prefix, action }));
    interfaces.chain(nhlfes).chain(labels).chain(vlinks).chain(routes4).chain(routes6)
}

/// One step of a packet's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The longest matching route of a VRF.
    Route(VrfId, RouteAction),
    /// An incoming label.
    Label(Label, IlmAction),
    /// An entry, and the labels it pushes.
    Nhlfe(NhlfeId, LabelStack),
    /// A virtual link.
    Vlink(VlinkId),
    /// An interface, and the neighbour on it.
    Interface(IfIndex, Mac),
    /// To this router's software.
    Software,
    /// Nowhere, as an entry or route says.
    Discard,
    /// There is no route, label, entry, link or interface where the step before leads.
    Nothing,
    /// The entries form a chain that is too long.
    TooDeep,
}

/// The way of a packet through the tables.
#[derive(Clone, Copy, Debug)]
pub struct Path {
    steps: [Step; Self::CAPACITY],
    len: usize,
}

impl Path {
    /// The most steps.
    const CAPACITY: usize = 12;

    const EMPTY: Self = Self { steps: [Step::Nothing; Self::CAPACITY], len: 0 };

    /// The way of a packet to an address in a VRF.
    #[must_use]
    pub fn to(tables: &Writer<'_>, vrf: VrfId, address: IpAddr) -> Self {
        let action = match address {
            IpAddr::V4(address) => tables.lookup4(vrf, address),
            IpAddr::V6(address) => tables.lookup6(vrf, address),
        };
        let mut path = Self::EMPTY;
        let Some(action) = action else { return path.and(Step::Nothing) };
        path = path.and(Step::Route(vrf, action));
        match action {
            RouteAction::Forward(id) => path.through(tables, id),
            RouteAction::Local => path.and(Step::Software),
            RouteAction::Discard => path.and(Step::Discard),
        }
    }

    /// The way of a packet with this label on top. It ends where the label does, if what is below it is looked up.
    #[must_use]
    pub fn of_label(tables: &Writer<'_>, label: Label) -> Self {
        let Some(ilm) = tables.ilm(label) else { return Self::EMPTY.and(Step::Nothing) };
        let path = Self::EMPTY.and(Step::Label(label, ilm.action));
        match ilm.action {
            IlmAction::Forward(id) => path.through(tables, id),
            _ => path,
        }
    }

    /// The way of a packet that this entry sends.
    #[must_use]
    pub fn by(tables: &Writer<'_>, id: NhlfeId) -> Self {
        Self::EMPTY.through(tables, id)
    }

    /// The steps, in order.
    #[must_use]
    pub fn steps(&self) -> &[Step] {
        self.steps.get(..self.len).unwrap_or(&self.steps)
    }

    fn and(mut self, step: Step) -> Self {
        if let Some(slot) = self.steps.get_mut(self.len) {
            *slot = step;
            self.len = self.len.saturating_add(1);
        }
        self
    }

    fn through(mut self, tables: &Writer<'_>, id: NhlfeId) -> Self {
        let mut at = id;
        for _ in 0..NextHop::MAX_DEPTH {
            let Some(nhlfe) = tables.nhlfe(at) else { return self.and(Step::Nothing) };
            self = self.and(Step::Nhlfe(at, nhlfe.push));
            at = match nhlfe.next {
                NextHop::Nhlfe(next) => next,
                NextHop::Ecmp(group) => match tables.tables().groups.pick(group, 0) {
                    Some(next) => next,
                    None => return self.and(Step::Nothing),
                },
                NextHop::Protected(pair) => match tables.tables().pairs.active(pair, tables.tables().interfaces) {
                    Some(next) => next,
                    None => return self.and(Step::Nothing),
                },
                NextHop::Vlink(link) => {
                    self = self.and(Step::Vlink(link));
                    match tables.vlink(link) {
                        Some((_, Some(output))) => output.next,
                        _ => return self.and(Step::Nothing),
                    }
                }
                NextHop::Neighbor { iface, mac } => {
                    self = self.and(Step::Interface(iface, mac));
                    return if tables.interface(iface).is_some() { self } else { self.and(Step::Nothing) };
                }
                NextHop::Lan { iface, .. } => {
                    self = self.and(Step::Interface(iface, Mac::MPLS_MULTICAST));
                    return if tables.interface(iface).is_some() { self } else { self.and(Step::Nothing) };
                }
                NextHop::Local => return self.and(Step::Software),
                NextHop::Discard => return self.and(Step::Discard),
            };
        }
        self.and(Step::TooDeep)
    }
}

/// One line: the steps with arrows between them.
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, step) in self.steps().iter().enumerate() {
            if i > 0 {
                f.write_str(" -> ")?;
            }
            match step {
                Step::Route(vrf, _) => write!(f, "route of {vrf}")?,
                Step::Label(label, IlmAction::PopLookup(vrf)) => write!(f, "label {label}, look up in {vrf}")?,
                Step::Label(label, IlmAction::Context(space)) => write!(f, "label {label}, look up in {space}")?,
                Step::Label(label, _) => write!(f, "label {label}")?,
                Step::Nhlfe(id, push) if push.as_slice().is_empty() => write!(f, "{id}")?,
                Step::Nhlfe(id, push) => write!(f, "{id} push {push:?}")?,
                Step::Vlink(link) => write!(f, "{link}")?,
                Step::Interface(iface, mac) => write!(f, "{iface} to {mac}")?,
                Step::Software => f.write_str("software")?,
                Step::Discard => f.write_str("discard")?,
                Step::Nothing => f.write_str("nothing")?,
                Step::TooDeep => f.write_str("too many entries")?,
            }
        }
        Ok(())
    }
}
