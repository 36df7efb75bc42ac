//! MPLS-LSR-STD-MIB (RFC 3813): interfaces, segments and cross-connects, as the tables of the forwarding plane are, read-only. The textual
//! conventions are those of RFC 3811.
//!
//! | Row | Entry |
//! |---|---|
//! | mplsInSegmentTable, its index the label in four octets | an incoming label of the platform's space |
//! | mplsOutSegmentTable, its index the entry's number in four octets | an [`Nhlfe`](crate::op::Nhlfe), with those that it leads through |
//! | mplsXCTable, of a label: its index that of the in-segment | where the label leads: one row for each entry, one without out-segment if packets end here |
//! | mplsXCTable, of an LSP that begins here: its index 1 and the entry's | an entry that a route leads to |
//! | mplsLabelStackTable | labels beneath the one on top |
//!
//! An entry that picks one of several, or a backup, is shown as it forwards at the moment. Next hops are MAC addresses here, which the module
//! does not know; nor are there owners, bandwidths, counters of segments, or rows of labels in other routers' spaces.

use alloc::vec::Vec;

use super::{Oid, Row, Value};
use crate::Counters;
use crate::audit::{Path, Step};
use crate::net::{IfIndex, Label, LabelStack, NhlfeId, ReplicationId};
use crate::op::{IlmAction, LegTarget};
use crate::table::Writer;
use crate::verdict::DropReason;

/// mplsLsrObjects: { mplsLsrStdMIB 1 } (10.166.2.1 of transmission).
pub const LSR: &[u32] = &[1, 3, 6, 1, 2, 1, 10, 166, 2, 1];

/// MplsIndexType: octets; a single zero is no index.
pub(super) const NO_INDEX: [u8; 1] = [0];
/// MplsOwner other(2): who made an entry is not kept.
const OTHER: Value = Value::Integer(2);
/// Replication groups within one another that are followed.
const DEPTH: usize = 2;

fn pointer_to_nothing() -> Value {
    Value::Oid(Oid::new(&[0, 0]))
}

/// mplsInSegmentIndexNext and the others of its kind, mplsMaxLabelStackDepth, mplsXCNotificationsEnable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LsrScalars;

impl Row for LsrScalars {
    const ENTRY: &'static [u32] = LSR;
    const COLUMNS: &'static [u32] = &[3, 6, 9, 11, 12, 15];

    fn index(&self, out: &mut Oid) {
        out.push(0);
    }

    fn cell(&self, column: u32) -> Option<Value> {
        Some(match column {
            // Nobody makes rows by SNMP.
            3 | 6 | 9 | 12 => Value::Octets(NO_INDEX.to_vec()),
            11 => Value::gauge(LabelStack::CAPACITY),
            15 => Value::truth(false),
            _ => return None,
        })
    }
}

/// An interface that takes labels (mplsInterfaceEntry); 0 stands for the platform's label space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MplsInterface {
    /// mplsInterfaceIndex.
    pub iface: u32,
    /// mplsInterfaceLabelMinIn and mplsInterfaceLabelMaxIn.
    pub labels: (u32, u32),
    /// mplsInterfaceLabelParticipationType is perInterface(1): it has a label space of its own.
    pub own_space: bool,
    /// mplsInterfacePerfInLabelsInUse and mplsInterfacePerfOutLabelsInUse.
    pub in_use: (usize, usize),
    /// mplsInterfacePerfInLabelLookupFailures.
    pub unknown: u64,
}

impl Row for MplsInterface {
    const ENTRY: &'static [u32] = &[1, 3, 6, 1, 2, 1, 10, 166, 2, 1, 1, 1];
    const COLUMNS: &'static [u32] = &[2, 3, 4, 5, 8];

    fn index(&self, out: &mut Oid) {
        out.push(self.iface);
    }

    fn cell(&self, column: u32) -> Option<Value> {
        Some(match column {
            2 => Value::Unsigned(self.labels.0),
            3 => Value::Unsigned(self.labels.1),
            // What is sent is the other's to choose.
            4 => Value::Unsigned(0),
            5 => Value::Unsigned(Label::MAX.value()),
            8 => Value::Octets(alloc::vec![if self.own_space { 0x40 } else { 0x80 }]),
            _ => return None,
        })
    }
}

/// mplsInterfacePerfEntry, which augments it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MplsInterfacePerf(pub MplsInterface);

impl Row for MplsInterfacePerf {
    const ENTRY: &'static [u32] = &[1, 3, 6, 1, 2, 1, 10, 166, 2, 1, 2, 1];
    const COLUMNS: &'static [u32] = &[1, 2, 3, 4];

    fn index(&self, out: &mut Oid) {
        self.0.index(out);
    }

    fn cell(&self, column: u32) -> Option<Value> {
        Some(match column {
            1 => Value::gauge(self.0.in_use.0),
            // Lookups are counted for the platform.
            2 if self.0.iface == 0 => Value::counter(self.0.unknown),
            3 => Value::gauge(self.0.in_use.1),
            // Nothing is fragmented here.
            4 => Value::Counter(0),
            _ => return None,
        })
    }
}

/// An incoming label (mplsInSegmentEntry).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InSegment(pub Label);

impl InSegment {
    fn octets(self) -> [u8; 4] {
        self.0.value().to_be_bytes()
    }
}

impl Row for InSegment {
    const ENTRY: &'static [u32] = &[1, 3, 6, 1, 2, 1, 10, 166, 2, 1, 4, 1];
    const COLUMNS: &'static [u32] = &[2, 3, 4, 5, 6, 7, 8, 9, 10, 11];

    fn index(&self, out: &mut Oid) {
        out.push_octets(&self.octets());
    }

    fn cell(&self, column: u32) -> Option<Value> {
        Some(match column {
            // The platform's label space.
            2 => Value::Integer(0),
            3 => Value::Unsigned(self.0.value()),
            4 | 9 => pointer_to_nothing(),
            5 => Value::Integer(1),
            // other(0): what is below says it by itself.
            6 => Value::Integer(0),
            7 => Value::Octets(self.octets().to_vec()),
            8 => OTHER,
            10 => Value::ACTIVE,
            11 => Value::READ_ONLY,
            _ => return None,
        })
    }
}

/// The in-segment of a label (mplsInSegmentMapEntry).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InSegmentMap(pub Label);

impl Row for InSegmentMap {
    const ENTRY: &'static [u32] = &[1, 3, 6, 1, 2, 1, 10, 166, 2, 1, 14, 1];
    const COLUMNS: &'static [u32] = &[4];

    fn index(&self, out: &mut Oid) {
        out.push(0);
        out.push(self.0.value());
        out.push_oid(&[0, 0]);
    }

    fn cell(&self, column: u32) -> Option<Value> {
        (column == 4).then(|| Value::Octets(InSegment(self.0).octets().to_vec()))
    }
}

/// An entry with those that it leads through (mplsOutSegmentEntry).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutSegment {
    /// Which.
    pub entry: NhlfeId,
    /// All that is pushed, top of stack first.
    pub push: Vec<Label>,
    /// mplsOutSegmentInterface; `None` of what leads into a virtual link or nowhere.
    pub iface: Option<IfIndex>,
    /// mplsXCOperStatus of the cross-connects to it.
    pub status: i32,
    /// mplsOutSegmentXCIndex: of the first that leads to it.
    pub(super) cross_connect: Vec<u8>,
}

/// mplsXCOperStatus.
mod status {
    pub(super) const UP: i32 = 1;
    pub(super) const DOWN: i32 = 2;
    pub(super) const NOT_PRESENT: i32 = 6;
    pub(super) const LOWER_LAYER_DOWN: i32 = 7;
}

impl OutSegment {
    /// The entry as it forwards at this moment.
    fn of(tables: &Writer<'_>, entry: NhlfeId) -> Self {
        let mut found = Self { entry, push: Vec::new(), iface: None, status: status::UP, cross_connect: Vec::new() };
        let mut is_inside = true;
        for step in Path::by(tables, entry).steps() {
            match *step {
                // Each entry's labels go above those of the one before; what a virtual link adds is outside.
                Step::Nhlfe(_, labels) if is_inside => {
                    found.push.splice(0..0, labels.as_slice().iter().copied());
                }
                Step::Vlink(_) => is_inside = false,
                Step::Interface(iface, _) => {
                    found.iface = is_inside.then_some(iface);
                    if tables.is_down(iface) {
                        found.status = status::LOWER_LAYER_DOWN;
                    }
                }
                Step::Discard => found.status = status::DOWN,
                Step::Nothing | Step::TooDeep => found.status = status::NOT_PRESENT,
                _ => {}
            }
        }
        found
    }

    fn octets(&self) -> [u8; 4] {
        self.entry.0.to_be_bytes()
    }

    /// Where nothing leads to it, that is what it says.
    pub(super) fn connected(mut self) -> Self {
        if self.cross_connect.is_empty() {
            self.cross_connect = NO_INDEX.to_vec();
        }
        self
    }

    /// The index of its rows in mplsLabelStackTable.
    fn stack_index(&self) -> Vec<u8> {
        if self.push.len() > 1 { self.octets().to_vec() } else { NO_INDEX.to_vec() }
    }

    /// The index of the cross-connect of an LSP that begins here.
    fn begin(&self) -> Vec<u8> {
        [&[1][..], &self.octets()].concat()
    }
}

impl Row for OutSegment {
    const ENTRY: &'static [u32] = &[1, 3, 6, 1, 2, 1, 10, 166, 2, 1, 7, 1];
    const COLUMNS: &'static [u32] = &[2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12];

    fn index(&self, out: &mut Oid) {
        out.push_octets(&self.octets());
    }

    fn cell(&self, column: u32) -> Option<Value> {
        let top = self.push.first();
        Some(match column {
            2 => Value::Integer(self.iface.map_or(0, |iface| i32::try_from(iface.0).unwrap_or(i32::MAX))),
            3 => Value::truth(top.is_some()),
            4 => Value::Unsigned(top.map_or(0, |label| label.value())),
            5 | 10 => pointer_to_nothing(),
            6 => Value::address_type(None),
            7 => Value::address(None),
            8 => Value::Octets(self.cross_connect.clone()),
            9 => OTHER,
            11 => Value::ACTIVE,
            12 => Value::READ_ONLY,
            _ => return None,
        })
    }
}

/// A cross-connect (mplsXCEntry).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrossConnect {
    /// mplsXCIndex.
    index: Vec<u8>,
    /// mplsXCInSegmentIndex; `None` of an LSP that begins here.
    pub incoming: Option<Label>,
    /// mplsXCOutSegmentIndex; `None` where packets end here.
    pub outgoing: Option<NhlfeId>,
    /// mplsXCLabelStackIndex.
    stack: Vec<u8>,
    /// mplsXCOperStatus.
    pub status: i32,
}

impl CrossConnect {
    fn of(index: Vec<u8>, incoming: Option<Label>, segment: Option<&OutSegment>) -> Self {
        Self {
            index,
            incoming,
            outgoing: segment.map(|segment| segment.entry),
            stack: segment.map_or_else(|| NO_INDEX.to_vec(), OutSegment::stack_index),
            status: segment.map_or(status::UP, |segment| segment.status),
        }
    }
}

impl Row for CrossConnect {
    const ENTRY: &'static [u32] = &[1, 3, 6, 1, 2, 1, 10, 166, 2, 1, 10, 1];
    const COLUMNS: &'static [u32] = &[4, 5, 6, 7, 8, 9, 10];

    fn index(&self, out: &mut Oid) {
        out.push_octets(&self.index);
        match self.incoming {
            Some(label) => out.push_octets(&InSegment(label).octets()),
            None => out.push_octets(&NO_INDEX),
        }
        match self.outgoing {
            Some(entry) => out.push_octets(&entry.0.to_be_bytes()),
            None => out.push_octets(&NO_INDEX),
        }
    }

    fn cell(&self, column: u32) -> Option<Value> {
        Some(match column {
            // Whose LSP it is, the plane is not told.
            4 => Value::Octets(Vec::new()),
            5 => Value::Octets(self.stack.clone()),
            6 => OTHER,
            7 => Value::ACTIVE,
            8 => Value::READ_ONLY,
            9 => Value::Integer(status::UP),
            10 => Value::Integer(self.status),
            _ => return None,
        })
    }
}

/// A label beneath the one on top (mplsLabelStackEntry), numbered from 1 downwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StackedLabel {
    entry: NhlfeId,
    number: u32,
    label: Label,
}

impl Row for StackedLabel {
    const ENTRY: &'static [u32] = &[1, 3, 6, 1, 2, 1, 10, 166, 2, 1, 13, 1];
    const COLUMNS: &'static [u32] = &[3, 4, 5, 6];

    fn index(&self, out: &mut Oid) {
        out.push_octets(&self.entry.0.to_be_bytes());
        out.push(self.number);
    }

    fn cell(&self, column: u32) -> Option<Value> {
        Some(match column {
            3 => Value::Unsigned(self.label.value()),
            4 => pointer_to_nothing(),
            5 => Value::ACTIVE,
            6 => Value::READ_ONLY,
            _ => return None,
        })
    }
}

/// The rows of the module.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) interfaces: Vec<MplsInterface>,
    pub(super) incoming: Vec<Label>,
    pub(super) outgoing: Vec<OutSegment>,
    pub(super) cross_connects: Vec<CrossConnect>,
    pub(super) stacks: Vec<StackedLabel>,
}

impl Rows {
    /// Segments, and the cross-connects of labels.
    pub(super) fn of(tables: &Writer<'_>, counters: &Counters) -> Self {
        let mut rows = Self::default();
        let numbers = tables.numbers();
        let entries = (0..numbers.nhlfes).map(NhlfeId).filter(|id| tables.nhlfe(*id).is_some());
        rows.outgoing = entries.map(|id| OutSegment::of(tables, id)).collect();
        let last = numbers.first_label.saturating_add(numbers.labels);
        for label in (numbers.first_label..last).filter_map(Label::new) {
            let Some(ilm) = tables.ilm(label) else { continue };
            rows.incoming.push(label);
            rows.label(tables, label, ilm.action);
        }
        for segment in &rows.outgoing {
            let beneath = (1..).zip(segment.push.iter().skip(1));
            rows.stacks.extend(beneath.map(|(number, label)| StackedLabel {
                entry: segment.entry,
                number,
                label: *label,
            }));
        }
        rows.interfaces(tables, counters);
        rows
    }

    fn label(&mut self, tables: &Writer<'_>, label: Label, action: IlmAction) {
        let mut to = Vec::new();
        let ends_here = match action {
            IlmAction::Forward(entry) => {
                to.push(entry);
                false
            }
            IlmAction::Replicate(group) => copies(tables, group, &mut to, DEPTH),
            _ => true,
        };
        let index = InSegment(label).octets().to_vec();
        for entry in to {
            self.connect(index.clone(), Some(label), entry);
        }
        if ends_here {
            self.cross_connects.push(CrossConnect::of(index, Some(label), None));
        }
    }

    fn connect(&mut self, index: Vec<u8>, incoming: Option<Label>, entry: NhlfeId) -> Option<&CrossConnect> {
        // Of an entry that is not there, there is no segment, and packets go nowhere.
        let at = self.outgoing.binary_search_by_key(&entry, |segment| segment.entry).ok()?;
        let segment = self.outgoing.get_mut(at)?;
        if segment.cross_connect.is_empty() {
            segment.cross_connect.clone_from(&index);
        }
        self.cross_connects.push(CrossConnect::of(index, incoming, Some(segment)));
        self.cross_connects.last()
    }

    /// The cross-connect of an LSP that begins with an entry; none of an entry that pushes no label.
    pub(super) fn begin(&mut self, entry: NhlfeId) -> Option<&CrossConnect> {
        let at = self.outgoing.binary_search_by_key(&entry, |segment| segment.entry).ok()?;
        let segment = self.outgoing.get(at).filter(|segment| !segment.push.is_empty())?;
        let index = segment.begin();
        self.connect(index, None, entry)
    }

    fn interfaces(&mut self, tables: &Writer<'_>, counters: &Counters) {
        let numbers = tables.numbers();
        let last = numbers.first_label.saturating_add(numbers.labels).saturating_sub(1);
        let labels = (numbers.first_label, last.min(Label::MAX.value()));
        let unknown = counters.dropped(DropReason::UnknownLabel);
        let incoming = self.incoming.len();
        let outgoing = |iface: Option<IfIndex>| {
            let here = self.outgoing.iter().filter(|s| iface.is_none() || s.iface == iface);
            let mut tops: Vec<Label> = here.filter_map(|segment| segment.push.first().copied()).collect();
            tops.sort_unstable();
            tops.dedup();
            tops.len()
        };
        let platform =
            MplsInterface { iface: 0, labels, own_space: false, in_use: (incoming, outgoing(None)), unknown };
        let mut rows = alloc::vec![platform];
        // Number 0, which RFC 2863 gives to no interface, is the platform's here.
        for iface in (1..numbers.interfaces).map(IfIndex) {
            if !tables.interface(iface).is_some_and(|interface| interface.mpls) {
                continue;
            }
            let own_space = tables.label_space(iface).is_some();
            let in_use = (if own_space { 0 } else { incoming }, outgoing(Some(iface)));
            rows.push(MplsInterface { iface: iface.0, labels, own_space, in_use, unknown });
        }
        self.interfaces = rows;
    }
}

/// The entries that a group's copies go through; whether copies end here, too.
fn copies(tables: &Writer<'_>, group: ReplicationId, to: &mut Vec<NhlfeId>, depth: usize) -> bool {
    let Some(depth) = depth.checked_sub(1) else { return false };
    let mut ends_here = false;
    for (_, leg) in tables.legs(group) {
        match leg {
            LegTarget::Nhlfe(entry) => {
                if !to.contains(&entry) {
                    to.push(entry);
                }
            }
            LegTarget::Group(below) => ends_here |= copies(tables, below, to, depth),
            // Of packets without a label.
            LegTarget::Interface(_) | LegTarget::Port(_) => {}
            _ => ends_here = true,
        }
    }
    ends_here
}
