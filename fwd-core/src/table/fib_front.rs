//! Keeping what stands in front of the look-up tries as the tries are, one change at a time.

use super::fib::{DIRECT, DIRECT_BITS, FRONT, FRONT_SHIFT};
use super::fib_front4;
use super::fib_front6::{self, ASK, Cursor, FRONT6_LEN, LAST, ROOT_BITS, TABLE, TABLE_BITS, TABLE_LEN, is_table};
use super::fib_node::{Head, is_node};
use super::fib_writer::{FibRoot, FibWriter};
use super::grace::Grace;
use super::key::Key;
use super::word::Word;

/// Where the number begins in [`FibRoot::front`].
const SHIFT: u32 = 25;

/// The places that a prefix covers, of which there are `1 << bits` in all: the first, and how many.
fn covered(high: u64, len: u8, bits: u8) -> (u32, u32) {
    let len = len.min(bits);
    let first = high.wrapping_shr(64_u32.saturating_sub(bits.into())) as u32;
    let places = 1_u32.wrapping_shl(bits.saturating_sub(len).into());
    (first & !places.wrapping_sub(1), places)
}

impl<'m, K: Key> FibWriter<'m, K> {
    /// Places of what stands in front of a VRF's routes.
    const PLACES: u32 = if K::WIDTH == 32 { fib_front4::PLACES } else { fib_front6::PLACES };
    /// Words of it.
    const FRONT_LEN: usize = if K::WIDTH == 32 { fib_front4::FRONT4_LEN } else { FRONT6_LEN };

    /// After the trie has changed for a prefix: what stands in front of it says the same.
    pub(super) fn follow(&mut self, grace: &Grace<'_>, vrf: &FibRoot, key: K, len: u8) {
        let (root, front) = (vrf.root.peek(), vrf.front.peek());
        let Some(number) = (front >> SHIFT).checked_sub(1) else { return };
        let (first, places) = covered(key.high(), len, ROOT_BITS);
        if K::WIDTH == 32 {
            self.copy(grace, root, number, (key, len), (first, first.saturating_add(places)));
        } else {
            // Those below 2000::/3, of which the first three bits are known.
            let (base, all) = (Self::PLACES, Self::PLACES);
            let begin = first.max(base);
            let end = first.saturating_add(places).min(base.saturating_add(all));
            let places = (begin.wrapping_sub(base), end.saturating_sub(base));
            if begin < end {
                self.copy(grace, root, number, (key, len), places);
            }
        }
        let filled = front & ((1 << SHIFT) - 1);
        if filled < Self::PLACES {
            let end = filled.saturating_add(self.front_fill).min(Self::PLACES);
            self.copy(grace, root, number, (K::default(), 0), (filled, end));
            vrf.front.put(front.saturating_add(end.saturating_sub(filled)));
            if end == Self::PLACES {
                vrf.root.publish(root | FRONT | number << FRONT_SHIFT);
            }
        }
    }

    /// Looks at what a change of a VRF with a direct root begins with, so that it comes nearer while the routes are gone through:
    /// neither waits for the other.
    pub(super) fn look_ahead(&self, vrf: &FibRoot, key: K) {
        let fib = self.reader();
        let Some(direct) = fib.direct_root(vrf.root.peek()) else { return };
        let entry = direct.get(key.eighteen() as usize).map_or(0, Word::peek);
        // Place 0 is none, and can be read.
        Head::at(fib.words, if is_node(entry) { entry } else { 0 });
        let Some(number) = (vrf.front.peek() >> SHIFT).checked_sub(1) else { return };
        let places = self.front.get((number as usize).wrapping_mul(Self::FRONT_LEN)..).unwrap_or_default();
        let place =
            if K::WIDTH == 32 { key.twenty_four() >> 1 } else { key.twenty_four() & Self::PLACES.wrapping_sub(1) };
        places.get(place as usize).map(Word::peek);
    }

    /// Copies from the trie the places from the first to before the second, and of IPv6 what a prefix covers below them.
    fn copy(&mut self, grace: &Grace<'_>, root: u32, number: u32, (key, len): (K, u8), (from, to): (u32, u32)) {
        let fib = self.reader();
        let Some(direct) = fib.direct_root(root) else { return };
        if K::WIDTH == 32 {
            if let Some(table) = fib.front4(number) {
                fib_front4::copy(table, direct, fib.words, from, to);
            }
            return;
        }
        let Some(front) = fib.front6(number) else { return };
        for (place, word) in (from..).zip(front.get(from as usize..to as usize).unwrap_or_default()) {
            let above = u64::from(place | Self::PLACES).wrapping_shl(40);
            let high = if len > ROOT_BITS { key.high() } else { above };
            let entry = direct.get((above >> 46) as usize).map_or(0, Word::peek);
            self.copy_below(grace, word, Cursor { entry, depth: DIRECT_BITS }, (high, len, ROOT_BITS));
        }
    }

    /// Copies what the trie says about the first `depth` bits of `high` into their place, and into the places of tables below it
    /// that a prefix of `len` bits covers. There are three tables on top of each other at most.
    pub(super) fn copy_below(
        &mut self,
        grace: &Grace<'_>,
        place: &Word,
        above: Cursor,
        (high, len, depth): (u64, u8, u8),
    ) {
        let fib = self.reader();
        let cursor = above.down(fib, high, depth);
        let whole = cursor.whole(fib, high, depth);
        let old = place.peek();
        if let Some(entry) = whole.filter(|_| !is_table(old)) {
            if old != entry {
                place.publish(entry);
            }
            return;
        }
        let is_new = !is_table(old);
        let Some(table) = (if is_new { self.new_table() } else { Some(old) }) else { return place.publish(ASK) };
        let words = fib.front.get((table ^ TABLE) as usize..).and_then(|words| words.first_chunk::<TABLE_LEN>());
        let Some(words) = words else { return };
        let below = depth.saturating_add(TABLE_BITS);
        let len = if is_new { 0 } else { len };
        let (first, places) = covered(high.wrapping_shl(depth.into()), len.saturating_sub(depth), TABLE_BITS);
        let before = high & !u64::MAX.wrapping_shr(depth.into());
        let mut slots = (first..).zip(words.iter().skip(first as usize).take(places as usize));
        while let Some((slot, word)) = slots.next() {
            let here = before | u64::from(slot).wrapping_shl(64_u8.saturating_sub(below).into());
            let high = if len > below { high } else { here };
            let next = cursor.down(fib, high, below);
            if below == LAST {
                word.publish(next.entry);
            } else {
                self.copy_below(grace, word, cursor, (high, len, below));
            }
            let same = below.saturating_sub(next.depth);
            if is_new && same > 0 && !is_node(next.entry) {
                // One entry of the trie for all of these.
                let more = 1_usize.wrapping_shl(same.into()).saturating_sub(1);
                slots.by_ref().take(more).for_each(|(_, word)| word.publish(next.entry));
            }
        }
        if is_new {
            place.publish(table);
        } else if let Some(entry) = whole.filter(|_| self.may_retire(grace)) {
            if !words.iter().any(|word| is_table(word.peek())) {
                place.publish(entry);
                self.retire(grace, table, 0);
            }
        }
    }

    /// An empty table.
    fn new_table(&mut self) -> Option<u32> {
        let place = if self.front_freed == ASK {
            let fresh = self.front_tables.checked_sub(TABLE_LEN).filter(|&fresh| fresh >= self.front_roots)?;
            self.front_tables = fresh;
            fresh
        } else {
            (self.front_freed ^ TABLE) as usize
        };
        let words: &[Word; TABLE_LEN] = self.front.get(place..)?.first_chunk()?;
        if let Some(next) = words.first().map(Word::peek).filter(|_| self.front_freed != ASK) {
            self.front_freed = next;
        }
        words.iter().for_each(|word| word.put(0));
        Some(TABLE | place as u32)
    }

    /// Gives a table back that no reader looks at any more: its first word leads to the next one.
    pub(super) fn release_table(&mut self, table: u32) {
        if let Some(word) = self.front.get((table ^ TABLE) as usize) {
            word.put(self.front_freed);
            self.front_freed = table;
        }
    }

    /// Whether tables are asked for that readers may still look at.
    pub(super) fn lacks_tables(&self) -> bool {
        let is_used_up = self.front_freed == ASK && self.front_tables < self.front_roots.saturating_add(TABLE_LEN);
        K::WIDTH != 32 && self.front_roots != 0 && is_used_up
    }

    /// Words of what stands in front, as far as it is used.
    pub(super) fn front_used(&self) -> usize {
        self.front_roots.saturating_add(self.front.len().saturating_sub(self.front_tables))
    }

    /// Gives a VRF with very many routes what stands in front of them, if there is some; it is to be filled.
    pub(super) fn put_in_front(&mut self, grace: &mut Grace<'_>, vrf: &FibRoot) {
        if vrf.routes() < self.front_from || vrf.root.peek() & DIRECT == 0 || vrf.front.peek() != 0 {
            return;
        }
        let mut end = 0_usize;
        for (number, free) in (0..).zip(&mut self.front_free) {
            end = end.saturating_add(Self::FRONT_LEN);
            if end > self.front_tables {
                return;
            }
            if free.is_some_and(|stamp| grace.poll(stamp)) {
                *free = None;
                self.front_roots = self.front_roots.max(end);
                vrf.front.put(u32::saturating_add(number, 1) << SHIFT);
                return;
            }
        }
    }

    /// Takes it from a VRF that has no routes. All its places are zero, or those of tables of which that is true.
    pub(super) fn take_from_front(&mut self, grace: &Grace<'_>, vrf: &FibRoot) {
        let number = (vrf.front.peek() >> SHIFT).checked_sub(1);
        if let Some(free) = number.and_then(|number| self.front_free.get_mut(number as usize)) {
            *free = Some(grace.stamp());
        }
        vrf.front.put(0);
    }
}
