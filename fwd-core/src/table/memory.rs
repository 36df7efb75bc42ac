//! The memory that an embedder lends to the tables.

use core::fmt;

use super::bridge::BridgeTables;
use super::fib::DIRECT_LEN;
use super::fib_front4::{self, FRONT4_FROM, FRONT4_LEN};
use super::fib_front6::{self, FRONT6_FROM, front6_words};
use super::fib_writer::{FibWriter, HINTS, HINTS_FROM};
use super::grace::Grace;
use super::ilm::IlmTable;
use super::multicast::MulticastTables;
use super::policer::PolicerWriter;
use super::pool;
use super::records::RecordWriter;
use super::rib::Rib;
use super::spread::{Groups, Pairs};
use super::vlink::VlinkWriter;
use super::vrf::Vrfs;
use super::{
    BridgeMemory, EcmpSlot, IlmSlot, InterfaceSlot, Learn, MulticastMemory, NhlfeSlot, PolicerSlot, ProtectionSlot,
    ReaderSlot, Retired, Rib4Node, Rib6Node, TokenBuckets, VlinkSlot, VlinkState, VrfSlot, Word, Writer,
};
use crate::counters::{BridgeCounters, GroupCounters, TooBigCounters, VrfCounters};
use crate::net::Label;

/// Routes with which a VRF gets a direct root.
const DIRECT_FROM: u32 = 1024;

/// How much the tables are to hold.
///
/// ```
/// use fwd_core::table::Sizes;
/// const SIZES: Sizes = Sizes { interfaces: 8, vrfs: 4, nhlfes: 64, labels: 256, routes4: 1000, routes6: 100, ..Sizes::NONE };
/// assert_eq!(SIZES.rib4_nodes(), 2000);
/// assert!(SIZES.octets() < 300_000);
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
    /// VRFs that look IPv4 addresses up in a direct root, 1 MiB each: those with 1,024 routes or more, while there are any.
    pub direct4: usize,
    /// VRFs that look IPv6 addresses up in a direct root.
    pub direct6: usize,
    /// VRFs with a direct root and 65,536 IPv4 routes or more that have a table in front of it, 32 MiB each: nearly every
    /// look-up is one load then.
    pub front4: usize,
    /// VRFs with a direct root and 16,384 IPv6 routes or more that have tables in front of it: 8 MiB each, and 342 octets for each
    /// of `routes6`. Nearly every look-up is four loads at most then, and few instructions.
    pub front6: usize,
    /// Readers beside the writer.
    pub readers: usize,
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
    pub const fn rib4_nodes(&self) -> usize {
        self.routes4.saturating_mul(2)
    }

    /// Nodes that hold the IPv6 routes whatever they are: two each. A full table of the Internet takes 1.9.
    #[must_use]
    pub const fn rib6_nodes(&self) -> usize {
        self.routes6.saturating_mul(2)
    }

    /// Words for the look-up of IPv4 routes: of the first 1,000 routes whatever they are (36 words each: a host alone in a
    /// network of its own), beyond that three for each: the Internet's take 1.2, and 2 with more than 65,532 next hops.
    #[must_use]
    pub const fn fib4_words(&self) -> usize {
        words(self.routes4, 36, 3)
    }

    /// Words for the look-up of IPv6 routes: of the first 1,000 routes whatever they are (132 words each), beyond that eight
    /// for each, as in the Internet, where it takes 4.
    #[must_use]
    pub const fn fib6_words(&self) -> usize {
        words(self.routes6, 132, 8)
    }

    /// Words in front of the IPv4 routes.
    #[must_use]
    pub const fn front4_words(&self) -> usize {
        self.front4.saturating_mul(FRONT4_LEN)
    }

    /// Words in front of the IPv6 routes.
    #[must_use]
    pub const fn front6_words(&self) -> usize {
        front6_words(self.front6, self.routes6)
    }

    /// Notes of what readers may still look at, for some milliseconds of changes while a reader is kept from ending its batch; none
    /// without readers.
    #[must_use]
    pub const fn retired(&self) -> usize {
        if self.readers == 0 { 0 } else { 16_384 }
    }

    /// Octets of all tables.
    #[must_use]
    pub const fn octets(&self) -> usize {
        let sum = self.interface_slots().saturating_mul(size_of::<InterfaceSlot>());
        let sum = sum.saturating_add(self.vrfs.saturating_mul(size_of::<VrfSlot>()));
        let sum = sum.saturating_add(self.nhlfe_slots().saturating_mul(size_of::<NhlfeSlot>()));
        let sum = sum.saturating_add(self.labels.saturating_mul(size_of::<IlmSlot>()));
        let sum = sum.saturating_add(self.rib4_nodes().saturating_mul(size_of::<Rib4Node>()));
        let sum = sum.saturating_add(self.rib6_nodes().saturating_mul(size_of::<Rib6Node>()));
        let direct = self.direct4.saturating_add(self.direct6).saturating_mul(DIRECT_LEN);
        let words = self.fib4_words().saturating_add(self.fib6_words()).saturating_add(direct);
        let words = words.saturating_add(self.front4_words()).saturating_add(self.front6_words());
        let sum = sum.saturating_add(words.saturating_mul(size_of::<Word>()));
        let sum = sum.saturating_add(self.retired().saturating_mul(size_of::<Retired>()));
        sum.saturating_add(self.readers.saturating_mul(size_of::<ReaderSlot>()))
    }

    /// Words of `n` direct roots.
    #[must_use]
    pub const fn direct_words(n: usize) -> usize {
        n.saturating_mul(DIRECT_LEN)
    }

    /// Nothing at all.
    pub const NONE: Self = Self {
        interfaces: 0,
        vrfs: 0,
        nhlfes: 0,
        labels: 0,
        routes4: 0,
        routes6: 0,
        direct4: 0,
        direct6: 0,
        front4: 0,
        front6: 0,
        readers: 0,
    };
}

/// Words for `routes` of which the first 1,000 may take `most`, the others `each`.
const fn words(routes: usize, most: usize, each: usize) -> usize {
    let few = if routes < 1000 { routes } else { 1000 };
    let others = routes.saturating_sub(few).saturating_mul(each);
    // A chunk is lost to where blocks do not fit, and two are kept for removals.
    let words = pool::words_for(few.saturating_mul(most).saturating_add(others)).saturating_add(pool::words_for(400));
    if words < HINTS_FROM { words } else { words.saturating_add(HINTS) }
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
    /// Groups of entries that packets are spread over.
    pub groups: &'m mut [EcmpSlot],
    /// Pairs of an entry and the one that protects it.
    pub pairs: &'m mut [ProtectionSlot],
    /// The label that the first of `ilm` stands for; not special-purpose.
    pub first_label: Label,
    /// Incoming labels, from `first_label` on.
    pub ilm: &'m mut [IlmSlot],
    /// IPv4 routes of all VRFs.
    pub rib4: &'m mut [Rib4Node],
    /// Words for their look-up.
    pub fib4: &'m mut [Word],
    /// Direct roots for VRFs with many IPv4 routes, [`Sizes::direct_words`] for each; 16 are used at most.
    pub direct4: &'m mut [Word],
    /// What stands in front of the direct roots of VRFs with very many IPv4 routes, [`Sizes::front4_words`]; 16 are used at most.
    pub front4: &'m mut [Word],
    /// IPv6 routes of all VRFs.
    pub rib6: &'m mut [Rib6Node],
    /// Words for their look-up.
    pub fib6: &'m mut [Word],
    /// Direct roots for VRFs with many IPv6 routes.
    pub direct6: &'m mut [Word],
    /// What stands in front of the direct roots of VRFs with very many IPv6 routes, [`Sizes::front6_words`]: roots for 16 at most, and
    /// tables.
    pub front6: &'m mut [Word],
    /// When VRFs get these.
    pub thresholds: Thresholds,
    /// Notes of parts of route tables that readers may still look at. None without readers; with readers, at least
    /// [`Memory::RETIRED_MIN`]: the more, the more routes change while a reader is inside a batch.
    pub retired: &'m mut [Retired],
    /// Virtual links: one slot more than there are.
    pub vlinks: &'m mut [VlinkSlot],
    /// The index of the virtual links: twice as long as there are, it finds most at the first place.
    pub vlink_index: &'m mut [Word],
    /// Multicast routes and replication groups.
    pub multicast: MulticastMemory<'m>,
    /// Virtual switch instances.
    pub bridge: BridgeMemory<'m>,
    /// Policers, numbered from 0: one slot more than there are.
    pub policers: &'m mut [PolicerSlot],
    /// A secret that nobody can guess: hash tables are laid out by it. Customers choose what is in them.
    pub seed: u64,
}

/// With how many routes of a family a VRF gets a direct root and what stands in front of it, while there are any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Thresholds {
    /// Routes for a direct root.
    pub direct: u32,
    /// IPv4 routes for a table in front of the direct root.
    pub front4: u32,
    /// IPv6 routes for tables in front of the direct root.
    pub front6: u32,
    /// Places of 2^24 that each change copies into a new table in front of IPv4 routes, besides its own. It is looked into when it is
    /// full.
    pub fill4: u32,
    /// Places of 2^21 that each change copies into a new root in front of IPv6 routes.
    pub fill6: u32,
}

impl Thresholds {
    /// 1,024 routes; 65,536 and 16,384 routes; 8,192 and 512 places.
    pub const DEFAULT: Self = Self {
        direct: DIRECT_FROM,
        front4: FRONT4_FROM,
        front6: FRONT6_FROM,
        fill4: fib_front4::FILL,
        fill6: fib_front6::FILL,
    };
}

impl Default for Thresholds {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl Memory<'_> {
    /// Notes that are lent at least where there are readers.
    pub const RETIRED_MIN: usize = 64;
}

/// Memory of one worker, which no one else looks at while it works: counters, and what it keeps from packet to packet. What is not
/// lent is not counted; without any of it, and [`Self::without_verdicts`], nothing is.
#[derive(Debug, Default)]
pub struct CounterMemory<'m> {
    /// One for each VRF; what is beyond the last is not counted.
    pub vrfs: &'m mut [VrfCounters],
    /// One for each VRF; what is beyond the last is not counted.
    pub too_big: &'m mut [TooBigCounters],
    /// One for each virtual link: counters and packet numbers. A link beyond the last is not counted and its packets are all
    /// number 0, each in order.
    pub vlinks: &'m mut [VlinkState],
    /// One for each replication group.
    pub groups: &'m mut [GroupCounters],
    /// One for each virtual switch instance.
    pub vsis: &'m mut [BridgeCounters],
    /// One for each bridge port.
    pub ports: &'m mut [BridgeCounters],
    /// One for each policer; those beyond the last let everything pass.
    pub buckets: &'m mut [TokenBuckets],
    /// What frames taught, until [`crate::Worker::learned`] takes it; what finds no room is taught again by a later frame.
    pub learned: &'m mut [Learn],
    /// Whether verdicts, copies and reasons are not counted: [`crate::Worker::counters`] stays zero.
    pub without_verdicts: bool,
}

impl Default for Memory<'_> {
    fn default() -> Self {
        Self {
            readers: &mut [],
            interfaces: &mut [],
            vrfs: &mut [],
            nhlfes: &mut [],
            groups: &mut [],
            pairs: &mut [],
            first_label: Label::FIRST_UNRESERVED,
            ilm: &mut [],
            rib4: &mut [],
            fib4: &mut [],
            direct4: &mut [],
            front4: &mut [],
            rib6: &mut [],
            fib6: &mut [],
            direct6: &mut [],
            front6: &mut [],
            thresholds: Thresholds::DEFAULT,
            retired: &mut [],
            vlinks: &mut [],
            vlink_index: &mut [],
            multicast: MulticastMemory::default(),
            bridge: BridgeMemory::default(),
            policers: &mut [],
            seed: 0,
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
    /// Readers, but fewer notes of retired nodes than [`Memory::RETIRED_MIN`].
    Retired(usize),
}

impl fmt::Display for MemoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoGlobalTable => f.write_str("memory for VRFs: the global table needs one"),
            Self::SpecialPurposeLabel(label) => write!(f, "first label {label} is special-purpose"),
            Self::Retired(n) => write!(f, "{n} notes of retired nodes: with readers, {} at least", Memory::RETIRED_MIN),
        }
    }
}

impl core::error::Error for MemoryError {}

impl<'m> Writer<'m> {
    /// Empty tables in the lent memory.
    ///
    /// # Errors
    /// Memory without room for the global table, that begins with a special-purpose label, or with readers and too few notes.
    pub fn new(memory: Memory<'m>) -> Result<Self, MemoryError> {
        if memory.vrfs.is_empty() {
            return Err(MemoryError::NoGlobalTable);
        }
        if memory.first_label.is_special_purpose() {
            return Err(MemoryError::SpecialPurposeLabel(memory.first_label));
        }
        if !memory.readers.is_empty() && memory.retired.len() < Memory::RETIRED_MIN {
            return Err(MemoryError::Retired(memory.retired.len()));
        }
        // Whatever the arrays held is gone: tables start empty.
        memory.vrfs.iter().enumerate().for_each(|(number, slot)| slot.reset(number));
        memory.ilm.iter().for_each(|slot| slot.put(0));
        memory.groups.iter().for_each(EcmpSlot::reset);
        memory.pairs.iter().for_each(ProtectionSlot::clear);
        let half = memory.retired.len() / 2;
        let Thresholds { direct, front4, front6, fill4, fill6 } = memory.thresholds;
        let (from4, from6) = ([direct, front4, fill4], [direct, front6, fill6]);
        let (retired4, retired6) = memory.retired.split_at_mut_checked(half).unwrap_or_default();
        Ok(Self {
            grace: Grace::new(memory.readers),
            readers: memory.readers,
            interfaces: RecordWriter::new(memory.interfaces),
            vrfs: Vrfs(memory.vrfs),
            nhlfes: RecordWriter::new(memory.nhlfes),
            groups: Groups(memory.groups),
            pairs: Pairs(memory.pairs),
            ilm: IlmTable { first: memory.first_label, slots: memory.ilm },
            fib4: FibWriter::new(Rib::new(memory.rib4), memory.fib4, [memory.direct4, memory.front4], retired4, from4),
            fib6: FibWriter::new(Rib::new(memory.rib6), memory.fib6, [memory.direct6, memory.front6], retired6, from6),
            multicast: MulticastTables::new(memory.multicast, memory.seed),
            bridge: BridgeTables::new(memory.bridge, memory.seed),
            policers: PolicerWriter::new(memory.policers),
            vlinks: VlinkWriter::new(memory.vlinks, memory.vlink_index),
        })
    }
}
