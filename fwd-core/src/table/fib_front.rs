//! Keeping what stands in front of the look-up tries as the tries are, one change at a time.

use super::fib::{DIRECT, DIRECT_BITS, FRONT, FRONT_SHIFT, NUMBER};
use super::fib_front4::{PLACES, copy};
use super::fib_front6::DEPTHS;
use super::fib_node::{STRIDE, is_node, step};
use super::fib_writer::{FibRoot, FibWriter};
use super::grace::Grace;
use super::key::Key;
use super::word::Word;

/// Where the number begins in [`FibRoot::front`].
const SHIFT: u32 = 25;

impl<'m, K: Key> FibWriter<'m, K> {
    /// After the trie has changed for a prefix: what stands in front of it says the same.
    pub(super) fn follow(&self, grace: &Grace<'_>, vrf: &FibRoot, key: K, len: u8) {
        if K::WIDTH == 32 {
            self.follow4(vrf, key, len);
        } else {
            self.follow6(grace, vrf, key, len);
        }
    }

    fn follow4(&self, vrf: &FibRoot, key: K, len: u8) {
        let (fib, root, front) = (self.reader(), vrf.root.peek(), vrf.front.peek());
        let Some(number) = (front >> SHIFT).checked_sub(1) else { return };
        let (Some(table), Some(direct)) = (fib.front4_table(number), fib.direct_root(root)) else { return };
        let first = key.truncate(len).twenty_four();
        let places = 1_u32.wrapping_shl(24_u32.saturating_sub(len.into()));
        copy(table, direct, fib.words, first, first.saturating_add(places));
        let filled = front & ((1 << SHIFT) - 1);
        if filled < PLACES {
            let end = filled.saturating_add(self.front4_fill).min(PLACES);
            copy(table, direct, fib.words, filled, end);
            vrf.front.put(front.saturating_add(end.saturating_sub(filled)));
            if end == PLACES {
                vrf.root.publish(root | FRONT | number << FRONT_SHIFT);
            }
        }
    }

    fn follow6(&self, grace: &Grace<'_>, vrf: &FibRoot, key: K, len: u8) {
        let (fib, root) = (self.reader(), vrf.root.peek());
        let (Some(front), Some(direct)) = (self.front6, fib.direct_root(root)) else { return };
        let mut entry = direct.get(key.eighteen() as usize).map_or(0, Word::peek);
        let mut depth = DIRECT_BITS;
        // The nodes above the prefix, as far as the table has them. One that is gone is gone with those below.
        while len > depth && DEPTHS.iter().any(|&last| depth <= last) {
            if DEPTHS.contains(&depth) {
                front.set(grace, root & NUMBER, key.high(), depth, entry);
            }
            entry = if is_node(entry) { step(fib.words, entry, key.six(depth)).unwrap_or(0) } else { 0 };
            depth = depth.saturating_add(STRIDE);
        }
    }

    /// After a VRF has got its direct root.
    pub(super) fn follow_all(&self, grace: &Grace<'_>, vrf: &FibRoot) {
        if self.front6.is_some() {
            for (key, len, _) in self.rib.iter(vrf.rib().at) {
                self.follow6(grace, vrf, key, len);
            }
        }
    }

    /// Gives a VRF with many IPv4 routes a table in front of them, if there is one; it is to be filled.
    pub(super) fn put_in_front(&mut self, grace: &mut Grace<'_>, vrf: &FibRoot) {
        let is_due = vrf.routes() >= self.front4_from && vrf.root.peek() & DIRECT != 0 && vrf.front.peek() == 0;
        if K::WIDTH != 32 || !is_due {
            return;
        }
        let fib = self.reader();
        for (number, free) in (0..).zip(&mut self.front4_free) {
            if fib.front4_table(number).is_some() && free.is_some_and(|stamp| grace.poll(stamp)) {
                *free = None;
                vrf.front.put(number.saturating_add(1) << SHIFT);
                return;
            }
        }
    }

    /// Takes it from a VRF that has no routes. All its places are zero.
    pub(super) fn take_from_front(&mut self, grace: &Grace<'_>, vrf: &FibRoot) {
        let number = (vrf.front.peek() >> SHIFT).checked_sub(1);
        if let Some(free) = number.and_then(|number| self.front4_free.get_mut(number as usize)) {
            *free = Some(grace.stamp());
        }
        vrf.front.put(0);
    }
}
