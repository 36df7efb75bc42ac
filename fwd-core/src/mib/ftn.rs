//! MPLS-FTN-STD-MIB (RFC 3814): which destinations lead into which LSPs, read-only, and [`MplsMib`], which has it beside the LSPs.
//!
//! A rule is a route of one VRF (or of the global table) whose entry pushes labels. The longer prefixes come first in mplsFTNMapTable, which is
//! how a router looks them up; routes that lead into no LSP are no rules. When tables changed last and what matched is not known here.

use alloc::string::ToString;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::lsr::{
    CrossConnect, InSegment, InSegmentMap, LsrScalars, MplsInterface, MplsInterfacePerf, OutSegment, Rows, StackedLabel,
};
use super::{Groups, Objects, Oid, Row, Table, Value, instance};
use crate::Counters;
use crate::net::{IpPrefix, Label, NhlfeId, VrfId};
use crate::op::RouteAction;
use crate::table::Writer;

/// mplsFTNIndexNext: nobody makes rules by SNMP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FtnScalars;

impl Row for FtnScalars {
    const ENTRY: &'static [u32] = &[1, 3, 6, 1, 2, 1, 10, 166, 8, 1];
    const COLUMNS: &'static [u32] = &[1];

    fn index(&self, out: &mut Oid) {
        out.push(0);
    }

    fn cell(&self, column: u32) -> Option<Value> {
        (column == 1).then_some(Value::Unsigned(0))
    }
}

/// A route into an LSP (mplsFTNEntry).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ftn {
    /// mplsFTNIndex: its place, from 1; the numbers are those of the picture.
    pub index: u32,
    /// The destinations.
    pub prefix: IpPrefix,
    /// mplsFTNActionPointer: the cross-connect of the LSP.
    pub action: Oid,
}

/// The first and the last address of a prefix.
fn range(prefix: IpPrefix) -> (IpAddr, IpAddr) {
    match prefix.addr() {
        IpAddr::V4(first) => {
            let host = u32::MAX.checked_shr(prefix.bit_len().into()).unwrap_or(0);
            (first.into(), Ipv4Addr::from_bits(first.to_bits() | host).into())
        }
        IpAddr::V6(first) => {
            let host = u128::MAX.checked_shr(prefix.bit_len().into()).unwrap_or(0);
            (first.into(), Ipv6Addr::from_bits(first.to_bits() | host).into())
        }
    }
}

impl Row for Ftn {
    const ENTRY: &'static [u32] = &[1, 3, 6, 1, 2, 1, 10, 166, 8, 1, 3, 1];
    const COLUMNS: &'static [u32] = &[2, 3, 4, 5, 8, 9, 16, 17, 18];

    fn index(&self, out: &mut Oid) {
        out.push(self.index);
    }

    fn cell(&self, column: u32) -> Option<Value> {
        let (first, last) = range(self.prefix);
        Some(match column {
            2 => Value::ACTIVE,
            3 => Value::Octets(self.prefix.to_string().into_bytes()),
            // destAddr(1).
            4 => Value::Octets(alloc::vec![0x40]),
            5 => Value::address_type(Some(first)),
            8 => Value::address(Some(first)),
            9 => Value::address(Some(last)),
            // redirectLsp(1).
            16 => Value::Integer(1),
            17 => Value::Oid(self.action.clone()),
            18 => Value::READ_ONLY,
            _ => return None,
        })
    }
}

/// The order of the rules, on all interfaces alike (mplsFTNMapEntry).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FtnMap {
    /// mplsFTNMapPrevIndex; 0 of the first.
    pub previous: u32,
    /// mplsFTNMapCurrIndex.
    pub current: u32,
}

impl Row for FtnMap {
    const ENTRY: &'static [u32] = &[1, 3, 6, 1, 2, 1, 10, 166, 8, 1, 5, 1];
    const COLUMNS: &'static [u32] = &[4, 5];

    fn index(&self, out: &mut Oid) {
        out.push(0);
        out.push(self.previous);
        out.push(self.current);
    }

    fn cell(&self, column: u32) -> Option<Value> {
        match column {
            4 => Some(Value::ACTIVE),
            5 => Some(Value::READ_ONLY),
            _ => None,
        }
    }
}

/// The LSPs of a router at one moment (RFC 3813), and the routes of one table into them (RFC 3814).
///
/// ```
/// # use fwd_core::Counters;
/// # use fwd_core::mib::{MplsMib, Objects, Oid, Value};
/// # use fwd_core::net::{IfIndex, Label, LabelStack, Mac, NhlfeId, VrfId};
/// # use fwd_core::op::{FwdOp, Ilm, IlmAction, NextHop, Nhlfe, TunnelModel};
/// # use fwd_core::table::{IlmSlot, Memory, NhlfeSlot, VrfSlot, Writer};
/// # let (mut ilm, mut nhlfes, mut vrfs) = ([IlmSlot::EMPTY; 10], vec![NhlfeSlot::EMPTY; 9], [VrfSlot::EMPTY; 1]);
/// # let memory = Memory { ilm: &mut ilm, nhlfes: &mut nhlfes, vrfs: &mut vrfs, first_label: Label::FIRST_UNRESERVED, ..Memory::default() };
/// # let mut writer = Writer::new(memory)?;
/// # let label = |value| Label::new(value).unwrap();
/// let next = NextHop::Neighbor { iface: IfIndex(3), mac: Mac([2, 0, 0, 0, 0, 1]) };
/// let nhlfe = Nhlfe { push: LabelStack::single(label(500)), next, model: TunnelModel::Pipe };
/// writer.apply(&FwdOp::SetNhlfe { id: NhlfeId(7), nhlfe })?;
/// let ilm = Ilm { action: IlmAction::Forward(NhlfeId(7)), model: TunnelModel::Pipe };
/// writer.apply(&FwdOp::SetIlm { label: label(16), ilm })?;
/// let mib = MplsMib::new(&writer, &Counters::new(), VrfId::GLOBAL, 1000);
/// // mplsOutSegmentTopLabel of entry 7.
/// let top = Oid::new(&[1, 3, 6, 1, 2, 1, 10, 166, 2, 1, 7, 1, 4, 4, 0, 0, 0, 7]);
/// assert_eq!(mib.get(&top), Some(Value::Unsigned(500)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct MplsMib {
    lsr: Table<LsrScalars>,
    /// mplsInterfaceTable.
    pub interfaces: Table<MplsInterface>,
    /// mplsInterfacePerfTable.
    pub interface_counts: Table<MplsInterfacePerf>,
    /// mplsInSegmentTable.
    pub incoming: Table<InSegment>,
    /// mplsOutSegmentTable.
    pub outgoing: Table<OutSegment>,
    /// mplsXCTable.
    pub cross_connects: Table<CrossConnect>,
    /// mplsLabelStackTable.
    pub stacks: Table<StackedLabel>,
    /// mplsInSegmentMapTable.
    pub labels: Table<InSegmentMap>,
    scalars: Table<FtnScalars>,
    /// mplsFTNTable.
    pub rules: Table<Ftn>,
    /// mplsFTNMapTable.
    pub order: Table<FtnMap>,
}

impl MplsMib {
    /// The objects of these tables, with at most `max_routes` routes of a VRF.
    #[must_use]
    pub fn new(tables: &Writer<'_>, counters: &Counters, vrf: VrfId, max_routes: usize) -> Self {
        let mut rows = Rows::of(tables, counters);
        let rules = rules(tables, &mut rows, vrf, max_routes);
        let order: Vec<FtnMap> =
            rules.iter().map(|rule| FtnMap { previous: rule.index.saturating_sub(1), current: rule.index }).collect();
        Self {
            lsr: Table::new([LsrScalars]),
            interface_counts: Table::new(rows.interfaces.iter().copied().map(MplsInterfacePerf)),
            interfaces: Table::new(rows.interfaces),
            incoming: Table::new(rows.incoming.iter().copied().map(InSegment)),
            labels: Table::new(rows.incoming.into_iter().map(InSegmentMap)),
            outgoing: Table::new(rows.outgoing.into_iter().map(OutSegment::connected)),
            cross_connects: Table::new(rows.cross_connects),
            stacks: Table::new(rows.stacks),
            scalars: Table::new([FtnScalars]),
            rules: Table::new(rules),
            order: Table::new(order),
        }
    }

    /// The pointer to the first cross-connect of a label: what mplsTunnelXCPointer (RFC 3812) of a tunnel with this label says.
    #[must_use]
    pub fn cross_connect(&self, label: Label) -> Option<Oid> {
        self.cross_connects.rows().find(|row| row.incoming == Some(label)).map(|row| instance(row, 4))
    }

    /// The pointer to the cross-connect of an LSP that begins with an entry.
    #[must_use]
    pub fn beginning(&self, entry: NhlfeId) -> Option<Oid> {
        let begins = |row: &&CrossConnect| row.incoming.is_none() && row.outgoing == Some(entry);
        self.cross_connects.rows().find(begins).map(|row| instance(row, 4))
    }

    fn tables(&self) -> [&dyn Objects; 11] {
        [
            &self.lsr,
            &self.interfaces,
            &self.interface_counts,
            &self.incoming,
            &self.outgoing,
            &self.cross_connects,
            &self.stacks,
            &self.labels,
            &self.scalars,
            &self.rules,
            &self.order,
        ]
    }
}

impl Objects for MplsMib {
    fn get(&self, oid: &Oid) -> Option<Value> {
        Groups(&self.tables()).get(oid)
    }

    fn next(&self, oid: &Oid) -> Option<(Oid, Value)> {
        Groups(&self.tables()).next(oid)
    }
}

/// The routes into LSPs, longer prefixes first, and the cross-connects of these.
fn rules(tables: &Writer<'_>, rows: &mut Rows, vrf: VrfId, max_routes: usize) -> Vec<Ftn> {
    let of4 = tables.routes4(vrf).map(|(prefix, action)| (IpPrefix::V4(prefix), action));
    let of6 = tables.routes6(vrf).map(|(prefix, action)| (IpPrefix::V6(prefix), action));
    let mut found: Vec<(IpPrefix, Oid)> = Vec::new();
    let mut begun: Vec<(NhlfeId, Option<Oid>)> = Vec::new();
    for (prefix, action) in of4.chain(of6) {
        let RouteAction::Forward(entry) = action else { continue };
        if found.len() >= max_routes {
            break;
        }
        let at = begun.binary_search_by_key(&entry, |(entry, _)| *entry);
        let pointer = match at {
            Ok(at) => begun.get(at).and_then(|(_, pointer)| pointer.clone()),
            Err(at) => {
                let pointer = rows.begin(entry).map(|row| instance(row, 4));
                begun.insert(at, (entry, pointer.clone()));
                pointer
            }
        };
        found.extend(pointer.map(|pointer| (prefix, pointer)));
    }
    found.sort_by_key(|(prefix, _)| core::cmp::Reverse(prefix.bit_len()));
    (1..).zip(found).map(|(index, (prefix, action))| Ftn { index, prefix, action }).collect()
}
