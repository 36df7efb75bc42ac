//! The nodes of the look-up trie; `fib.rs` has their layout.

use super::word::Word;

/// Set in an entry that is a route.
pub(super) const ROUTE: u32 = 1 << 31;
/// In word 2 of a node: entries have 16 bits.
pub(super) const NARROW: u32 = 1 << 31;
/// In word 2 of a node: the inherited route is one of the level above, not of one further up.
pub(super) const OWN: u32 = 1 << 30;
/// The bits of a route.
pub(super) const VALUE: u32 = OWN - 1;
/// Routes are below this.
pub(super) const VALUES: u32 = OWN;
/// Words in front of a node's entries.
pub(super) const HEAD: u32 = 3;
/// Bits of a node.
pub(super) const STRIDE: u8 = 6;
/// Nodes on top of each other at most.
const LEVELS: usize = super::fib::LEVELS;

/// Whether an entry is the place of a node.
pub(super) const fn is_node(entry: u32) -> bool {
    entry != 0 && entry & ROUTE == 0
}

/// A node's word 0 to 2.
#[derive(Clone, Copy)]
pub(super) struct Head {
    pub(super) runs: u64,
    pub(super) rest: u32,
}

impl Head {
    #[inline(always)]
    pub(super) fn at(words: &[Word], place: u32) -> Option<Self> {
        let [low, high, rest]: &[Word; 3] = words.get(place as usize..)?.first_chunk()?;
        Some(Self { runs: u64::from(low.peek()) | u64::from(high.peek()) << 32, rest: rest.peek() })
    }

    pub(super) const fn is_narrow(self) -> bool {
        self.rest & NARROW != 0
    }

    /// The number of the run that a place belongs to.
    #[inline(always)]
    pub(super) const fn run_of(self, slot: u32) -> u32 {
        (self.runs << 63_u32.wrapping_sub(slot)).count_ones().wrapping_sub(1)
    }

    /// Words of the node.
    pub(super) const fn len(self) -> u32 {
        let entries = self.runs.count_ones();
        HEAD.saturating_add(if self.is_narrow() { entries.div_ceil(2) } else { entries })
    }

    /// The number and the places of each run from the first to the last that has some of `mask`.
    pub(super) fn touched(self, mask: u64) -> impl Iterator<Item = (u32, u64)> {
        let (first, mut left) = from_run_of(self.runs, mask);
        let runs = core::iter::from_fn(move || {
            let from = left & left.wrapping_neg();
            left ^= from;
            // Up to where the next one begins, or to the end.
            (from != 0 && from <= mask).then(|| (left & left.wrapping_neg()).wrapping_sub(from))
        });
        (first..).zip(runs)
    }

    /// The inherited route as an entry.
    #[inline(always)]
    pub(super) const fn inherited(self) -> u32 {
        match self.rest & VALUE {
            0 => 0,
            route => ROUTE | route,
        }
    }
}

/// The number of the run that has the first place of `mask`, and where it and those after it begin.
#[inline(always)]
const fn from_run_of(begins: u64, mask: u64) -> (u32, u64) {
    let ahead = begins & (mask ^ mask.wrapping_sub(1));
    // The last that begins up to there.
    let behind = u64::MAX.wrapping_shl(63_u32.wrapping_sub(ahead.leading_zeros()));
    (ahead.count_ones().wrapping_sub(1), begins & behind)
}

#[inline(always)]
pub(super) fn word(words: &[Word], place: u32, index: u32) -> Option<&Word> {
    words.get(place.wrapping_add(HEAD).wrapping_add(index) as usize)
}

/// The entry of a run in a word of two.
#[inline(always)]
const fn half(pair: u32, run: u32) -> u32 {
    pair.wrapping_shr((run & 1) << 4) & 0xffff
}

/// What the entry of `slot` says: a route, a node, or zero for no route.
#[inline(always)]
pub(super) fn step(words: &[Word], place: u32, slot: u32) -> Option<u32> {
    let node: &[Word] = words.get(place as usize..)?;
    let [low, high, third]: &[Word; 3] = node.first_chunk()?;
    let head = Head { runs: u64::from(low.peek()) | u64::from(high.peek()) << 32, rest: third.peek() };
    let run = head.run_of(slot);
    let narrow = head.rest >> 31;
    let word = node.get((run >> narrow).wrapping_add(HEAD) as usize)?.load();
    // Without branches, which could not be foreseen.
    let entry = word.wrapping_shr((run & narrow) << 4) & u32::MAX.wrapping_shr(narrow << 4);
    // The inherited route is read after the entry: it is right for as long as the entry is zero.
    let inherited = Head { rest: third.peek(), ..head }.inherited();
    Some(if entry == 0 { inherited } else { entry | narrow << 31 })
}

/// Writes an entry into whole runs of a node in place, if they are whole and no reader could be misled.
pub(super) fn in_place(words: &[Word], node: u32, head: Head, mask: u64, entry: u32) -> bool {
    let fits = !head.is_narrow() || entry & VALUE <= 0xffff;
    let mut writes = 0_u64;
    for (run, places) in head.touched(mask) {
        if places & mask == 0 {
            continue;
        }
        let old = read(words, node, head, run);
        if is_node(old) {
            continue;
        }
        if old == 0 || places & !mask != 0 || !fits {
            return false;
        }
        writes |= 1_u64.wrapping_shl(run);
    }
    while writes != 0 {
        let run = writes.trailing_zeros();
        writes &= writes.wrapping_sub(1);
        if head.is_narrow() {
            if let Some(pair) = word(words, node, run >> 1) {
                let [low, high] = [half(pair.peek(), 0), half(pair.peek(), 1)];
                let value = entry & 0xffff;
                pair.publish(if run & 1 == 0 { value | high << 16 } else { low | value << 16 });
            }
        } else if let Some(word) = word(words, node, run) {
            word.publish(entry);
        }
    }
    true
}

/// The entry of a run.
pub(super) fn read(words: &[Word], node: u32, head: Head, run: u32) -> u32 {
    if !head.is_narrow() {
        return word(words, node, run).map_or(0, Word::peek);
    }
    let pair = word(words, node, run >> 1).map_or(0, Word::peek);
    match half(pair, run) {
        0 => 0,
        half => ROUTE | half,
    }
}

/// The runs of a node, read or to be written. A change costs what the runs are, not the places.
#[derive(Clone, Copy)]
pub(super) struct Runs {
    /// A bit for each place where a run begins.
    begins: u64,
    /// The entry of each run; zero behind the last.
    entries: [u32; 64],
}

impl Runs {
    /// No route anywhere.
    pub(super) const NONE: Self = Self { begins: 1, entries: [0; 64] };

    pub(super) fn read(words: &[Word], node: u32, head: Head) -> Self {
        let mut runs = Self { begins: head.runs, ..Self::NONE };
        let behind = words.get(node.wrapping_add(HEAD) as usize..).unwrap_or_default();
        let len = head.len().saturating_sub(HEAD) as usize;
        if !head.is_narrow() {
            behind.iter().zip(runs.entries.iter_mut().take(len)).for_each(|(word, entry)| *entry = word.peek());
            return runs;
        }
        // The upper half of the last word is zero where there is an odd number of runs.
        for (word, pair) in behind.iter().zip(runs.entries.chunks_exact_mut(2).take(len)) {
            let halves = word.peek();
            for (entry, half) in pair.iter_mut().zip([halves & 0xffff, halves >> 16]) {
                *entry = if half == 0 { 0 } else { ROUTE | half };
            }
        }
        runs
    }

    /// The nodes that these places lead to.
    pub(super) fn nodes(self) -> impl Iterator<Item = u32> {
        self.entries.into_iter().filter(|&entry| is_node(entry))
    }

    /// Writes into `new`, which has no route anywhere, these runs with an entry in those places of `mask` that lead to no node. Whether
    /// that changes anything. Runs without places of the mask are copied as they are.
    pub(super) fn paint(&self, mask: u64, entry: u32, new: &mut Self) -> bool {
        let (first, behind) = from_run_of(self.begins, mask);
        let (before, rest) = self.entries.split_at_checked(first as usize).unwrap_or_default();
        let (kept, room) = new.entries.split_at_mut_checked(first as usize).unwrap_or_default();
        kept.iter_mut().zip(before).for_each(|(slot, entry)| *slot = *entry);
        new.begins = self.begins ^ behind;
        let (mut slots, mut old) = (room.iter_mut(), rest.iter());
        let (mut last, mut current, mut differs) = (before.last().copied(), 0, false);
        // A run begins where one began, and at the edges of the mask; behind the mask nothing changes.
        let mut left = behind | (mask ^ mask << 1);
        while left != 0 {
            let place = left & left.wrapping_neg();
            let begins = self.begins & place != 0;
            if begins && place > mask {
                break;
            }
            left ^= place;
            if begins {
                current = old.next().copied().unwrap_or(0);
            }
            let is_painted = mask & place != 0 && !is_node(current) && current != entry;
            differs |= is_painted;
            let value = if is_painted { entry } else { current };
            if last != Some(value) {
                last = Some(value);
                new.begins |= place;
                slots.next().into_iter().for_each(|slot| *slot = value);
            }
        }
        // The run behind is one with the last of these if they are equal.
        if left != 0 && old.clone().next().copied() == last {
            left &= left.wrapping_sub(1);
            old.next();
        }
        new.begins |= left;
        slots.zip(old).for_each(|(slot, entry)| *slot = *entry);
        differs
    }

    /// The head of a node of these runs, with this word 2.
    pub(super) fn head(&self, rest: u32) -> Head {
        // What is zero or a route of 16 bits fits half a word; the entries behind the last are zero.
        let used = self.entries.iter().take(self.begins.count_ones() as usize);
        let is_wide = used.fold(false, |wide, &entry| wide | (entry != 0 && entry ^ ROUTE > 0xffff));
        Head { runs: self.begins, rest: if is_wide { rest & !NARROW } else { rest | NARROW } }
    }

    /// Writes the words behind a head of these runs.
    pub(super) fn write(&self, head: Head, words: &[Word]) {
        if !head.is_narrow() {
            words.iter().zip(&self.entries).for_each(|(word, entry)| word.put(*entry));
            return;
        }
        for (word, pair) in words.iter().zip(self.entries.chunks_exact(2)) {
            if let [first, second] = pair {
                word.put((first & 0xffff) | second << 16);
            }
        }
    }
}

/// Hands a route down to a node, and on to those below that have none of their own from it.
pub(super) fn hand_down(words: &[Word], node: u32, entry: u32, own: u32) {
    let own = if entry == 0 { 0 } else { own };
    let mut way = [(0_u32, 0_u32); LEVELS];
    let (mut len, mut node, mut own) = (0_usize, node, own);
    let mut run = 0_u32;
    loop {
        let Some(head) = Head::at(words, node) else { return };
        if run == 0 {
            let third = words.get(node.wrapping_add(2) as usize);
            third.into_iter().for_each(|word| word.publish((head.rest & NARROW) | own | (entry & VALUE)));
            own = 0;
        }
        let runs = if head.is_narrow() { 0 } else { head.runs.count_ones() };
        let mut below = None;
        while run < runs && below.is_none() {
            let place = read(words, node, head, run);
            below = Some(place).filter(|&p| is_node(p) && Head::at(words, p).is_some_and(|head| head.rest & OWN == 0));
            run = run.wrapping_add(1);
        }
        if let (Some(below), Some(slot)) = (below, way.get_mut(len)) {
            *slot = (node, run);
            len = len.saturating_add(1);
            (node, run) = (below, 0);
            continue;
        }
        let Some((above, at)) = len.checked_sub(1).and_then(|l| way.get(l)).copied() else { return };
        len = len.saturating_sub(1);
        // Not zero: the run of the node that is done is behind.
        (node, run) = (above, at);
    }
}
