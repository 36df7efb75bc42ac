//! What stands in front of the trie of a VRF with very many IPv6 routes, where memory for it is lent: tables without compression, so
//! that nearly every look-up is four loads at most, and few instructions.
//!
//! A root has a place for each of the first 24 bits below 2000::/3, from which addresses are assigned; where those do not decide, a
//! table has a place for each value of the next eight bits, as far as bit 48. A place holds a route, zero if there is none, [`TABLE`]
//! and the place of a table, the trie's node at depth 48, or [`ASK`]: the look-up begins in the direct root, as without all this. So
//! what finds no room is only looked up less quickly.
//!
//! Roots are taken from the beginning of the memory, tables from its end. Each change is made in the trie, and the places that its
//! prefix covers are then copied from there. A table is filled before its place is published, and is free again when no reader can
//! still look at it.

use super::fib::Fib;
use super::fib_node::{Head, is_node, read, step};
use super::word::Word;

/// Words of a root.
pub(super) const FRONT6_LEN: usize = 1 << 21;
/// Places of a root.
pub(super) const PLACES: u32 = 1 << 21;
/// Routes with which a VRF gets one.
pub(super) const FRONT6_FROM: u32 = 1 << 14;
/// Places that a change fills besides its own.
pub(super) const FILL: u32 = 1 << 9;
/// Bits of a root.
pub(super) const ROOT_BITS: u8 = 24;
/// Bits of a table; under the model checker fewer, and as many tables on top of each other.
pub(super) const TABLE_BITS: u8 = if cfg!(all(test, loom)) { 2 } else { 8 };
/// Words of a table.
pub(super) const TABLE_LEN: usize = 1 << TABLE_BITS;
/// The bits of an address that number a place of a table.
const LOW: u32 = TABLE_LEN as u32 - 1;
/// The depth of what the last tables lead to.
pub(super) const LAST: u8 = ROOT_BITS + 3 * TABLE_BITS;
/// Set in an entry that is the place of a table.
pub(super) const TABLE: u32 = 1 << 30;
/// The trie knows. Not the place of a table: there is no memory.
pub(super) const ASK: u32 = TABLE | (TABLE - 1);
/// Words that are used at most.
pub(super) const MOST: usize = (TABLE - 1) as usize & !(TABLE_LEN - 1);

/// Words for so many VRFs with so many routes: a table for three. The Internet's take one for four.
pub(super) const fn front6_words(vrfs: usize, routes: usize) -> usize {
    if vrfs == 0 {
        return 0;
    }
    vrfs.saturating_mul(FRONT6_LEN).saturating_add(routes.div_ceil(3).saturating_mul(TABLE_LEN))
}

/// Whether an entry is the place of a table.
pub(super) const fn is_table(entry: u32) -> bool {
    entry & !(TABLE - 1) == TABLE && entry != ASK
}

/// What a root says about an address of which these are the first 64 bits, if it is below 2000::/3.
#[inline(always)]
pub(super) fn begin(root: &[Word; FRONT6_LEN], high: u64) -> u32 {
    root.get((high >> 40) as usize & (FRONT6_LEN - 1)).map_or(ASK, Word::load)
}

/// That, if it is; or else [`ASK`].
#[inline(always)]
pub(super) const fn if_below(high: u64, place: u32) -> u32 {
    if high >> 61 == 1 { place } else { ASK }
}

/// By which bits of the first 64 of an address the tables on top of each other are gone through.
pub(super) const SHIFTS: [u32; 3] = [shift(1), shift(2), shift(3)];

const fn shift(tables: u8) -> u32 {
    64_u8.saturating_sub(ROOT_BITS).saturating_sub(tables.saturating_mul(TABLE_BITS)) as u32
}

/// Where the next entry stands, by the lowest bits of `bits`, of an entry that is the place of a table; of another, some place.
#[inline(always)]
pub(super) const fn next(entry: u32, bits: u64) -> u32 {
    let place = (entry & (TABLE - 1)) | (bits as u32 & LOW);
    if entry & TABLE == 0 { 0 } else { place }
}

/// The entry there. [`ASK`] leads to nothing but itself.
#[inline(always)]
pub(super) fn read_next(memory: &[Word], place: u32) -> u32 {
    memory.get(place as usize).map_or(ASK, Word::load)
}

/// The entry that one leads to whose [`next`] is known: itself, if it is no place of a table.
#[inline(always)]
pub(super) const fn after(entry: u32, next: u32) -> u32 {
    if entry & TABLE == 0 { entry } else { next }
}

/// The entry that this one leads to, by the lowest bits of `bits`, if it is the place of a table; or else itself.
#[inline(always)]
pub(super) fn go_on(memory: &[Word], entry: u32, bits: u64) -> u32 {
    after(entry, read_next(memory, next(entry, bits)))
}

/// An entry of the trie on the way to an address of which these are the first 64 bits.
#[derive(Clone, Copy)]
pub(super) struct Cursor {
    pub(super) entry: u32,
    pub(super) depth: u8,
}

impl Cursor {
    /// Further down, to `depth` or just above it.
    pub(super) fn down(mut self, fib: Fib<'_>, high: u64, depth: u8) -> Self {
        while is_node(self.entry) && self.depth.saturating_add(6) <= depth {
            self.entry = step(fib.words, self.entry, six(high, self.depth)).unwrap_or(0);
            self.depth = self.depth.saturating_add(6);
        }
        self
    }

    /// What holds for all addresses with the first `depth` bits, to which it was taken down; none if there is more to say.
    pub(super) fn whole(self, fib: Fib<'_>, high: u64, depth: u8) -> Option<u32> {
        if !is_node(self.entry) || depth == LAST {
            return Some(self.entry);
        }
        let below = depth.checked_sub(self.depth).filter(|&below| below > 0)?;
        let head = Head::at(fib.words, self.entry)?;
        let rest = u32::MAX.wrapping_shr(26_u32.saturating_add(below.into()));
        let first = six(high, self.depth) & !rest;
        let run = head.run_of(first);
        if run != head.run_of(first | rest) {
            return None;
        }
        match read(fib.words, self.entry, head, run) {
            0 => Some(head.inherited()),
            entry => Some(entry).filter(|&entry| !is_node(entry)),
        }
    }
}

/// The six bits from `at` on, which is 58 at most.
const fn six(high: u64, at: u8) -> u32 {
    (high.wrapping_shl(at as u32) >> 58) as u32
}
