//! The memory that an embedder lends to the tables.

use core::fmt;

use super::grace::Grace;
use super::ilm::IlmTable;
use super::lpm::Lpm;
use super::records::RecordWriter;
use super::vrf::Vrfs;
use super::{Fib4Node, Fib6Node, IlmSlot, InterfaceSlot, NhlfeSlot, ReaderSlot, Tables, VrfSlot};
use crate::net::Label;
use crate::op::TunnelModel;

/// How much the tables are to hold.
///
/// ```
/// use fwd_core::table::Sizes;
/// const SIZES: Sizes = Sizes { interfaces: 8, vrfs: 4, nhlfes: 64, labels: 256, routes4: 1000, routes6: 100 };
/// assert_eq!(SIZES.fib4_nodes(), 2000);
/// assert!(SIZES.octets() < 60_000);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sizes {
    /// Interfaces, numbered from 0.
    pub interfaces: usize,
    /// VRFs, numbered from 0, which is the global table and always there.
    pub vrfs: usize,
    /// Next hop label forwarding entries, numbered from 0.
    pub nhlfes: usize,
    /// Incoming labels, counted from [`Memory::first_label`].
    pub labels: usize,
    /// IPv4 routes of all VRFs together.
    pub routes4: usize,
    /// IPv6 routes of all VRFs together.
    pub routes6: usize,
}

impl Sizes {
    /// Slots for the interfaces: one is spare.
    #[must_use]
    pub const fn interface_slots(&self) -> usize {
        self.interfaces.saturating_add(1)
    }

    /// Slots for the next hop label forwarding entries: one is spare.
    #[must_use]
    pub const fn nhlfe_slots(&self) -> usize {
        self.nhlfes.saturating_add(1)
    }

    /// Nodes that hold the IPv4 routes whatever they are: two each. A full table of the
    /// Internet takes 1.8.
    #[must_use]
    pub const fn fib4_nodes(&self) -> usize {
        self.routes4.saturating_mul(2)
    }

    /// Nodes that hold the IPv6 routes whatever they are: two each. A full table of the Internet takes 1.9.
    #[must_use]
    pub const fn fib6_nodes(&self) -> usize {
        self.routes6.saturating_mul(2)
    }

    /// Octets of all tables.
    #[must_use]
    pub const fn octets(&self) -> usize {
        let sum = self.interface_slots().saturating_mul(size_of::<InterfaceSlot>());
        let sum = sum.saturating_add(self.vrfs.saturating_mul(size_of::<VrfSlot>()));
        let sum = sum.saturating_add(self.nhlfe_slots().saturating_mul(size_of::<NhlfeSlot>()));
        let sum = sum.saturating_add(self.labels.saturating_mul(size_of::<IlmSlot>()));
        let sum = sum.saturating_add(self.fib4_nodes().saturating_mul(size_of::<Fib4Node>()));
        sum.saturating_add(self.fib6_nodes().saturating_mul(size_of::<Fib6Node>()))
    }
}

/// Arrays lent to a [`crate::Forwarder`], each filled with the `EMPTY` of its element type.
///
/// The length of an array is the size of its table: an interface, VRF or entry whose number is not below it, or a label
/// outside of `first_label` and on, is refused with [`super::ApplyError::TableFull`]. [`Sizes`] says how long arrays are to be.
/// Any but `vrfs` may be empty, which is the default: `Memory { vrfs: &mut vrfs, ..Memory::default() }`.
#[derive(Debug)]
pub struct Memory<'m> {
    /// One for each reader that forwards while the writer applies ops; none if they take turns.
    pub readers: &'m mut [ReaderSlot],
    /// Interfaces: one slot more than there are.
    pub interfaces: &'m mut [InterfaceSlot],
    /// VRFs; at least one, the global table.
    pub vrfs: &'m mut [VrfSlot],
    /// Next hop label forwarding entries: one slot more than there are.
    pub nhlfes: &'m mut [NhlfeSlot],
    /// The label that the first of `ilm` stands for; not special-purpose.
    pub first_label: Label,
    /// Incoming labels, from `first_label` on.
    pub ilm: &'m mut [IlmSlot],
    /// IPv4 routes of all VRFs.
    pub fib4: &'m mut [Fib4Node],
    /// IPv6 routes of all VRFs.
    pub fib6: &'m mut [Fib6Node],
}

impl Default for Memory<'_> {
    fn default() -> Self {
        Self {
            readers: &mut [],
            interfaces: &mut [],
            vrfs: &mut [],
            nhlfes: &mut [],
            first_label: Label::FIRST_UNRESERVED,
            ilm: &mut [],
            fib4: &mut [],
            fib6: &mut [],
        }
    }
}

/// Why memory does not make tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryError {
    /// No VRF: not even room for the global table.
    NoGlobalTable,
    /// The first label is special-purpose (RFC 7274).
    SpecialPurposeLabel(Label),
}

impl fmt::Display for MemoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoGlobalTable => f.write_str("memory for VRFs: the global table needs one"),
            Self::SpecialPurposeLabel(label) => write!(f, "first label {label} is special-purpose"),
        }
    }
}

impl core::error::Error for MemoryError {}

impl<'m> Tables<'m> {
    pub(crate) fn new(memory: Memory<'m>) -> Result<Self, MemoryError> {
        if memory.vrfs.is_empty() {
            return Err(MemoryError::NoGlobalTable);
        }
        if memory.first_label.is_special_purpose() {
            return Err(MemoryError::SpecialPurposeLabel(memory.first_label));
        }
        // Whatever the arrays held is gone: a forwarder starts empty.
        memory.vrfs.fill(VrfSlot::EMPTY);
        memory.ilm.fill(IlmSlot::EMPTY);
        Ok(Self {
            grace: Grace::new(memory.readers),
            interfaces: RecordWriter::new(memory.interfaces),
            vrfs: Vrfs(memory.vrfs),
            nhlfes: RecordWriter::new(memory.nhlfes),
            ilm: IlmTable { first: memory.first_label, slots: memory.ilm },
            fib4: Lpm::new(memory.fib4),
            fib6: Lpm::new(memory.fib6),
            explicit_null: [TunnelModel::Uniform; 2],
        })
    }
}
