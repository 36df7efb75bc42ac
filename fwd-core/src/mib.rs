//! Managed objects: typed tables read by object identifier, in the order in which SNMP walks them (RFC 3416 §4.2.2).
//!
//! A crate that owns state describes a table as a type of rows ([`Row`]) and fills a [`Table`] with them; whoever speaks SNMP, AgentX or
//! anything else asks [`Objects`]. A table is a picture of one moment, so that a walk sees one state. Scalars are a table with
//! one row whose index is 0.
//!
//! ```
//! use fwd_core::mib::{Objects, Oid, Row, Table, Value};
//!
//! struct Vrf { name: &'static str, routes: u32 }
//!
//! impl Row for Vrf {
//!     const ENTRY: &'static [u32] = &[1, 3, 6, 1, 4, 1, 99999, 1, 1];
//!     const COLUMNS: &'static [u32] = &[2];
//!     fn index(&self, out: &mut Oid) {
//!         out.push_octets(self.name.as_bytes());
//!     }
//!     fn cell(&self, _column: u32) -> Option<Value> {
//!         Some(Value::Unsigned(self.routes))
//!     }
//! }
//!
//! let table = Table::new([Vrf { name: "b", routes: 2 }, Vrf { name: "a", routes: 1 }]);
//! let (first, value) = table.next(&Oid::new(Vrf::ENTRY)).unwrap();
//! assert_eq!((first.to_string().as_str(), value), ("1.3.6.1.4.1.99999.1.1.2.1.97", Value::Unsigned(1)));
//! assert_eq!(table.next(&first).unwrap().1, Value::Unsigned(2));
//! ```

mod ftn;
mod lsr;

use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, Ipv4Addr};

use crate::time::Instant;

pub use ftn::{Ftn, FtnMap, FtnScalars, MplsMib};
pub use lsr::{
    CrossConnect, InSegment, InSegmentMap, LSR, LsrScalars, MplsInterface, MplsInterfacePerf, OutSegment, StackedLabel,
};

/// An object identifier. Its order is that of a walk: lexicographic by sub-identifier.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Oid(Vec<u32>);

impl Oid {
    /// The most sub-identifiers (RFC 2578 §3.5).
    pub const MAX_LEN: usize = 128;

    /// The identifier with these sub-identifiers.
    #[must_use]
    pub fn new(ids: &[u32]) -> Self {
        Self(ids.to_vec())
    }

    /// The sub-identifiers.
    #[must_use]
    pub fn ids(&self) -> &[u32] {
        &self.0
    }

    /// Appends one sub-identifier: an index of type integer (RFC 2578 §7.7).
    pub fn push(&mut self, id: u32) {
        self.0.push(id);
    }

    /// Appends octets with their number in front: an index of a string of variable length (RFC 2578 §7.7).
    pub fn push_octets(&mut self, octets: &[u8]) {
        self.0.push(u32::try_from(octets.len()).unwrap_or(u32::MAX));
        self.0.extend(octets.iter().copied().map(u32::from));
    }

    /// Appends an identifier with its length in front: an index of type OBJECT IDENTIFIER (RFC 2578 §7.7).
    pub fn push_oid(&mut self, oid: &[u32]) {
        self.0.push(u32::try_from(oid.len()).unwrap_or(u32::MAX));
        self.0.extend(oid);
    }

    /// Appends an index of type IpAddress: one sub-identifier for each octet (RFC 2578 §7.7).
    pub fn push_ip_address(&mut self, address: Ipv4Addr) {
        self.0.extend(address.octets().map(u32::from));
    }

    /// Appends `InetAddressType` and `InetAddress` (RFC 4001 §3); `None` is unknown(0) with no octets.
    pub fn push_address(&mut self, address: Option<IpAddr>) {
        match address {
            None => self.0.extend([0, 0]),
            Some(address) => {
                self.push(if address.is_ipv4() { 1 } else { 2 });
                self.push_inet_address(address);
            }
        }
    }

    /// Appends an `InetAddress` whose type the index has already.
    pub fn push_inet_address(&mut self, address: IpAddr) {
        match address {
            IpAddr::V4(a) => self.push_octets(&a.octets()),
            IpAddr::V6(a) => self.push_octets(&a.octets()),
        }
    }
}

impl fmt::Display for Oid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, id) in self.0.iter().enumerate() {
            write!(f, "{}{id}", if n == 0 { "" } else { "." })?;
        }
        Ok(())
    }
}

/// The value of an object instance, by its type on the wire (RFC 2578 §7.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// INTEGER, Integer32, and enumerations.
    Integer(i32),
    /// Unsigned32 and Gauge32, which are one type on the wire.
    Unsigned(u32),
    /// Counter32; it wraps.
    Counter(u32),
    /// Counter64; it wraps.
    Counter64(u64),
    /// TimeTicks: hundredths of a second.
    Ticks(u32),
    /// IpAddress: IPv4 alone.
    IpAddress(Ipv4Addr),
    /// OCTET STRING, DisplayString, BITS.
    Octets(Vec<u8>),
    /// OBJECT IDENTIFIER.
    Oid(Oid),
}

impl Value {
    /// A counter of 64 bits as an object of 32 shows it.
    #[must_use]
    pub const fn counter(count: u64) -> Self {
        Self::Counter(count as u32)
    }

    /// A number as a gauge shows it: it stays at the largest value (RFC 2578 §7.1.7).
    #[must_use]
    pub fn gauge(number: usize) -> Self {
        Self::Unsigned(u32::try_from(number).unwrap_or(u32::MAX))
    }

    /// TruthValue (RFC 2579 §2): true(1), false(2).
    #[must_use]
    pub const fn truth(is: bool) -> Self {
        Self::Integer(if is { 1 } else { 2 })
    }

    /// InetAddressType (RFC 4001 §3): ipv4(1), ipv6(2); unknown(0) of none.
    #[must_use]
    pub const fn address_type(address: Option<IpAddr>) -> Self {
        Self::Integer(match address {
            None => 0,
            Some(IpAddr::V4(_)) => 1,
            Some(IpAddr::V6(_)) => 2,
        })
    }

    /// InetAddress (RFC 4001 §3): its octets; none of none.
    #[must_use]
    pub fn address(address: Option<IpAddr>) -> Self {
        Self::Octets(match address {
            None => Vec::new(),
            Some(IpAddr::V4(a)) => a.octets().to_vec(),
            Some(IpAddr::V6(a)) => a.octets().to_vec(),
        })
    }

    /// RowStatus active(1) (RFC 2579 §2), of every row that nobody makes by SNMP.
    pub const ACTIVE: Self = Self::Integer(1);

    /// StorageType readOnly(5) (RFC 2579 §2): what configures the router is not SNMP.
    pub const READ_ONLY: Self = Self::Integer(5);

    /// TimeStamp (RFC 2579 §2): hundredths of a second since the embedder's epoch, which should be that of its `sysUpTime`.
    #[must_use]
    pub const fn time_stamp(at: Instant) -> Self {
        Self::Ticks((at.as_micros() / 10_000) as u32)
    }
}

/// A conceptual row (RFC 2578 §7.1.12).
pub trait Row {
    /// The identifier of the row object, under which the columns are.
    const ENTRY: &'static [u32];
    /// The columns that can be read, in ascending order.
    const COLUMNS: &'static [u32];
    /// Appends what tells the row from the others.
    fn index(&self, out: &mut Oid);
    /// The value of a column of [`Self::COLUMNS`]; `None` if the row has none.
    fn cell(&self, column: u32) -> Option<Value>;
}

/// The identifier of a cell of a row; with the first column that can be read, the pointer to the row (RFC 2579 §2, RowPointer).
#[must_use]
pub fn instance<R: Row>(row: &R, column: u32) -> Oid {
    let mut oid = Oid::new(R::ENTRY);
    oid.push(column);
    row.index(&mut oid);
    oid
}

/// Something with instances that can be read by identifier.
pub trait Objects {
    /// The value of exactly this instance.
    fn get(&self, oid: &Oid) -> Option<Value>;
    /// The first instance behind this identifier, which need not be that of an instance.
    fn next(&self, oid: &Oid) -> Option<(Oid, Value)>;
}

/// The rows of a table at one moment, in the order of their indices.
#[derive(Clone, Debug, Default)]
pub struct Table<R> {
    rows: Vec<(Oid, R)>,
}

impl<R: Row> Table<R> {
    /// Rows in any order. Of rows with one index the first stays; a row whose instances would have identifiers longer than
    /// [`Oid::MAX_LEN`] is left out, because SNMP cannot name it.
    pub fn new(rows: impl IntoIterator<Item = R>) -> Self {
        let with_index = rows.into_iter().map(|row| {
            let mut index = Oid::default();
            row.index(&mut index);
            (index, row)
        });
        let room = Oid::MAX_LEN.saturating_sub(R::ENTRY.len()).saturating_sub(1);
        let mut rows: Vec<(Oid, R)> = with_index.filter(|(index, _)| index.0.len() <= room).collect();
        rows.sort_by(|a, b| a.0.cmp(&b.0));
        rows.dedup_by(|later, earlier| later.0 == earlier.0);
        Self { rows }
    }

    /// The rows, in the order of their indices.
    pub fn rows(&self) -> impl ExactSizeIterator<Item = &R> {
        self.rows.iter().map(|(_, row)| row)
    }

    /// The first cell of a column in a row from `at` on.
    fn first_from(&self, column: u32, at: usize) -> Option<(Oid, Value)> {
        let mut rows = self.rows.get(at..).unwrap_or_default().iter();
        rows.find_map(|(index, row)| {
            let value = row.cell(column)?;
            let mut oid = Oid::new(R::ENTRY);
            oid.push(column);
            oid.0.extend(&index.0);
            Some((oid, value))
        })
    }
}

impl<R: Row> Objects for Table<R> {
    fn get(&self, oid: &Oid) -> Option<Value> {
        let (column, index) = oid.0.strip_prefix(R::ENTRY)?.split_first()?;
        let at = self.rows.binary_search_by(|(i, _)| i.0.as_slice().cmp(index)).ok()?;
        R::COLUMNS.contains(column).then_some(())?;
        self.rows.get(at)?.1.cell(*column)
    }

    fn next(&self, oid: &Oid) -> Option<(Oid, Value)> {
        let Some(rest) = oid.0.strip_prefix(R::ENTRY) else {
            // Before all of the table, or behind all of it.
            return if oid.0.as_slice() < R::ENTRY {
                R::COLUMNS.iter().find_map(|c| self.first_from(*c, 0))
            } else {
                None
            };
        };
        let Some((column, index)) = rest.split_first() else {
            return R::COLUMNS.iter().find_map(|c| self.first_from(*c, 0));
        };
        let at = self.rows.partition_point(|(i, _)| i.0.as_slice() <= index);
        let here = R::COLUMNS.contains(column).then(|| self.first_from(*column, at)).flatten();
        // An index of no sub-identifiers is no row's: the column's own identifier comes before its first row.
        here.or_else(|| R::COLUMNS.iter().filter(|c| *c > column).find_map(|c| self.first_from(*c, 0)))
    }
}

/// Several groups of objects as one, in any order.
#[derive(Clone, Copy)]
pub struct Groups<'a>(pub &'a [&'a dyn Objects]);

impl Objects for Groups<'_> {
    fn get(&self, oid: &Oid) -> Option<Value> {
        self.0.iter().find_map(|o| o.get(oid))
    }

    fn next(&self, oid: &Oid) -> Option<(Oid, Value)> {
        self.0.iter().filter_map(|o| o.next(oid)).min_by(|a, b| a.0.cmp(&b.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use alloc::vec;

    struct Cell(Vec<u32>, u32);

    impl Row for Cell {
        const ENTRY: &'static [u32] = &[1, 3, 9, 1];
        const COLUMNS: &'static [u32] = &[2, 4];
        fn index(&self, out: &mut Oid) {
            self.0.iter().for_each(|id| out.push(*id));
        }
        fn cell(&self, column: u32) -> Option<Value> {
            // A hole in column 4 at odd rows.
            (column == 2 || self.1 % 2 == 0).then_some(Value::Unsigned(column * 100 + self.1))
        }
    }

    fn table() -> Table<Cell> {
        let rows = [(vec![2], 2), (vec![1, 5], 1), (vec![1], 0), (vec![10], 3)];
        Table::new(rows.map(|(index, n)| Cell(index, n)))
    }

    fn walk(objects: &impl Objects, from: &[u32]) -> Vec<(alloc::string::String, Value)> {
        let mut at = Oid::new(from);
        let mut seen = Vec::new();
        while let Some((oid, value)) = objects.next(&at) {
            assert!(oid > at, "{oid} after {at}");
            assert_eq!(objects.get(&oid), Some(value.clone()), "{oid}");
            seen.push((oid.to_string(), value));
            at = oid;
        }
        seen
    }

    /// Shows: L3VPN-TSK-3
    #[test]
    fn a_walk_visits_every_cell_once_in_order() {
        let table = table();
        let seen = walk(&table, &[1]);
        let oids: Vec<&str> = seen.iter().map(|(oid, _)| oid.as_str()).collect();
        assert_eq!(oids, ["1.3.9.1.2.1", "1.3.9.1.2.1.5", "1.3.9.1.2.2", "1.3.9.1.2.10", "1.3.9.1.4.1", "1.3.9.1.4.2"]);
        assert_eq!(seen[1].1, Value::Unsigned(201));
        assert_eq!(walk(&table, &[1, 3, 9, 1]), seen);
        assert_eq!(walk(&table, &[1, 3, 9, 1, 2]), seen);
        assert_eq!(walk(&table, &[1, 3, 9, 1, 3]), seen[4..], "a column that is not there");
        assert_eq!(walk(&table, &[1, 3, 9, 1, 2, 1, 4, 4]), seen[1..], "an index that is not there");
        assert_eq!(walk(&table, &[1, 3, 9, 2]), []);
        assert_eq!(walk(&table, &[1, 4]), []);
    }

    #[test]
    fn what_is_no_instance_has_no_value() {
        let table = table();
        for oid in [&[1, 3, 9, 1][..], &[1, 3, 9, 1, 2], &[1, 3, 9, 1, 2, 3], &[1, 3, 9, 1, 3, 1], &[1, 3, 9, 1, 4, 10]]
        {
            assert_eq!(table.get(&Oid::new(oid)), None);
        }
    }

    struct Other;

    impl Row for Other {
        const ENTRY: &'static [u32] = &[1, 3, 8];
        const COLUMNS: &'static [u32] = &[1];
        fn index(&self, out: &mut Oid) {
            out.push(0);
        }
        fn cell(&self, _: u32) -> Option<Value> {
            Some(Value::Integer(-1))
        }
    }

    #[test]
    fn groups_are_walked_as_one() {
        let (a, b) = (table(), Table::new([Other]));
        let seen = walk(&Groups(&[&a, &b]), &[]);
        assert_eq!((seen.len(), seen[0].0.as_str()), (7, "1.3.8.1.0"));
    }

    #[test]
    fn rows_that_cannot_be_named_are_left_out() {
        let long = |n: u32| Cell((0..n).collect(), 0);
        assert_eq!(Table::new([long(123)]).rows().len(), 1);
        assert_eq!(Table::new([long(124)]).rows().len(), 0);
        assert_eq!(Table::new([long(1), Cell(vec![0], 2)]).rows().next().unwrap().1, 0);
    }

    #[test]
    fn indices_as_rfc_2578_and_rfc_4001_write_them() {
        let mut oid = Oid::new(&[7]);
        oid.push_octets(b"ab");
        oid.push_oid(&[0, 0]);
        oid.push_address(Some([192, 0, 2, 1].into()));
        oid.push_address(None);
        oid.push_ip_address([203, 0, 113, 255].into());
        assert_eq!(oid.to_string(), "7.2.97.98.2.0.0.1.4.192.0.2.1.0.0.203.0.113.255");
        assert_eq!(Value::counter(u64::from(u32::MAX) + 2), Value::Counter(1));
        assert_eq!(Value::gauge(usize::MAX), Value::Unsigned(u32::MAX));
    }
}
