//! Blocks of 1 to 67 words in lent memory.
//!
//! The memory is cut into chunks of 128 words. A bitmap says which words of a chunk are free, so blocks that are given back
//! join their neighbours without a search. Chunks hang in lists by the longest run of free words, and a block comes from the
//! chunk with the shortest one that is long enough. Bitmaps and links stand in front of the chunks; readers do not look at them.

use super::word::Word;

/// Words of a chunk.
const CHUNK: usize = 128;
/// Words of what is noted about a chunk: its bitmap (4; a bit is set while its word is free), next and previous chunk in its
/// list, counted from 1, and the list.
const NOTE: usize = 7;
/// The shortest run of free words of the chunks in each list.
const RUNS: [u32; 17] = [1, 2, 3, 4, 5, 6, 8, 10, 12, 16, 20, 24, 32, 40, 48, 56, 67];
/// Chunks of a list with somewhat shorter runs that are looked through before a block is refused.
const LAST_RESORT: usize = 64;
/// No list.
const NOWHERE: u32 = u32::MAX;

/// A store of blocks.
#[derive(Debug)]
pub(super) struct Pool<'m> {
    notes: &'m [Word],
    words: &'m [Word],
    /// Chunks, and those from which no block was taken yet.
    chunks: u32,
    fresh: u32,
    /// First chunks of the lists, counted from 1.
    heads: [u32; RUNS.len()],
    used: usize,
}

/// Words to lend for `words` words of blocks.
pub(super) const fn words_for(words: usize) -> usize {
    words.div_ceil(CHUNK).saturating_mul(CHUNK + NOTE)
}

/// Where runs of at least `len` ones begin; `len` is 1 to 128.
fn runs(ones: u128, len: u32) -> u128 {
    let (mut begins, mut have) = (ones, 1_u32);
    while have < len {
        let more = have.min(len.saturating_sub(have));
        begins &= begins.wrapping_shr(more);
        have = have.saturating_add(more);
    }
    begins
}

/// The longest run of ones.
fn longest_run(ones: u128) -> u32 {
    // by_power[j]: where runs of 2^j begin.
    let mut by_power = [0_u128; 7];
    let (mut at, mut len, mut powers) = (ones, 1_u32, 0_usize);
    for slot in &mut by_power {
        if at == 0 {
            break;
        }
        (*slot, powers) = (at, powers.saturating_add(1));
        at &= at.wrapping_shr(len);
        len = len.wrapping_shl(1);
    }
    if at != 0 {
        return u128::BITS;
    }
    let (mut longest, mut begins) = (0_u32, u128::MAX);
    for run in by_power.iter().take(powers).rev() {
        len = len.wrapping_shr(1);
        let longer = begins & run.wrapping_shr(longest);
        if longer != 0 {
            begins = longer;
            longest = longest.saturating_add(len);
        }
    }
    longest
}

/// The list of chunks whose longest run is this; none without a free word.
fn list_of(longest: u32) -> u32 {
    let shorter = RUNS.iter().take_while(|&&run| run <= longest).count();
    u32::try_from(shorter).unwrap_or(0).checked_sub(1).unwrap_or(NOWHERE)
}

impl<'m> Pool<'m> {
    /// All words free, whatever they held, but for word 0: its place means nothing.
    pub(super) fn new(memory: &'m [Word]) -> Self {
        let chunks = memory.len().checked_div(CHUNK.saturating_add(NOTE)).unwrap_or(0);
        let (notes, words) = memory.split_at_checked(chunks.saturating_mul(NOTE)).unwrap_or((&[], &[]));
        let chunks = u32::try_from(chunks).unwrap_or(u32::MAX).min(u32::MAX >> 9);
        Self { notes, words, chunks, fresh: 0, heads: [0; RUNS.len()], used: 0 }
    }

    /// The words, by place.
    #[inline]
    pub(super) const fn words(&self) -> &'m [Word] {
        self.words
    }

    /// Words in blocks.
    pub(super) const fn used(&self) -> usize {
        self.used
    }

    /// Whether so many words can be had in any blocks, without those that are kept: of chunks that were never used.
    pub(super) fn has_room(&self, words: usize) -> bool {
        let fresh = self.chunks.saturating_sub(self.kept()).saturating_sub(self.fresh) as usize;
        // The longest block may leave the rest of a chunk unused.
        fresh > words / (CHUNK / 2)
    }

    /// Chunks that are kept for those who are urgent.
    fn kept(&self) -> u32 {
        (self.chunks / 64).max(2).min(self.chunks / 2)
    }

    /// The place of a block of `len` words, 1 to 67. The last chunks are kept for those who are `urgent`.
    pub(super) fn allocate(&mut self, len: u32, urgent: bool) -> Option<u32> {
        let (chunk, begins) = self.chunk_with(len, urgent)?;
        let bit = begins.trailing_zeros();
        let block = (u128::MAX >> u128::BITS.saturating_sub(len)).wrapping_shl(bit);
        let free = self.free(chunk) & !block;
        // The longest run is not longer than before.
        let stays = self.list(chunk).is_some_and(|(from, _)| runs(free, from) != 0);
        self.set_free(chunk, free, stays);
        self.used = self.used.saturating_add(len as usize);
        Some(chunk.wrapping_mul(CHUNK as u32).wrapping_add(bit))
    }

    /// Gives a block back.
    pub(super) fn release(&mut self, place: u32, len: u32) {
        let (chunk, bit) = (place >> 7, place & 127);
        let block = (u128::MAX >> u128::BITS.saturating_sub(len)).wrapping_shl(bit);
        let free = self.free(chunk) | block;
        // The longest run is not shorter than before.
        let stays = self.list(chunk).is_some_and(|(_, next)| next.is_none_or(|next| runs(free, next) == 0));
        self.set_free(chunk, free, stays);
        self.used = self.used.saturating_sub(len as usize);
    }

    /// A chunk with a run of `len` free words, and where such runs begin.
    fn chunk_with(&mut self, len: u32, urgent: bool) -> Option<(u32, u128)> {
        let first = RUNS.iter().position(|&run| run >= len)?;
        let head = self.heads.iter().skip(first).find(|&&head| head != 0);
        if let Some(chunk) = head.and_then(|head| head.checked_sub(1)) {
            return Some((chunk, runs(self.free(chunk), len)));
        }
        let kept = if urgent { 0 } else { self.kept() };
        if self.fresh < self.chunks.saturating_sub(kept) {
            let chunk = self.fresh;
            self.fresh = chunk.saturating_add(1);
            self.note(chunk, |[.., list]| list.put(NOWHERE));
            self.set_free(chunk, if chunk == 0 { u128::MAX << 1 } else { u128::MAX }, false);
            return Some((chunk, runs(self.free(chunk), len)));
        }
        let mut at = self.heads.get(first.checked_sub(1)?).copied()?;
        for _ in 0..LAST_RESORT {
            let chunk = at.checked_sub(1)?;
            let begins = runs(self.free(chunk), len);
            if begins != 0 {
                return Some((chunk, begins));
            }
            self.note(chunk, |[_, _, _, _, next, ..]| at = next.peek());
        }
        None
    }

    /// What is noted about a chunk.
    fn note(&self, chunk: u32, f: impl FnOnce(&[Word; NOTE])) {
        let at = (chunk as usize).saturating_mul(NOTE);
        if let Some(note) = self.notes.get(at..).and_then(|notes| notes.first_chunk()) {
            f(note);
        }
    }

    fn free(&self, chunk: u32) -> u128 {
        let mut free = 0;
        self.note(chunk, |[a, b, c, d, ..]| {
            let [a, b, c, d] = [a, b, c, d].map(|word| u128::from(word.peek()));
            free = a | b << 32 | c << 64 | d << 96;
        });
        free
    }

    /// The shortest run of the list that a chunk is in, and that of the list after it; none if it is in no list.
    fn list(&self, chunk: u32) -> Option<(u32, Option<u32>)> {
        let mut list = NOWHERE;
        self.note(chunk, |[.., l]| list = l.peek());
        let mut shortest = RUNS.iter().skip(list as usize).copied();
        Some((shortest.next()?, shortest.next()))
    }

    /// Writes a chunk's bitmap and, unless it is known to stay in its list, hangs it into the one where it belongs.
    fn set_free(&mut self, chunk: u32, free: u128, stays: bool) {
        self.note(chunk, |[a, b, c, d, ..]| {
            for (word, shift) in [a, b, c, d].into_iter().zip([0, 32, 64, 96]) {
                word.put((free >> shift) as u32);
            }
        });
        if stays {
            return;
        }
        let list = list_of(longest_run(free));
        let (mut old, mut next, mut previous) = (NOWHERE, 0, 0);
        self.note(chunk, |[.., n, p, l]| {
            (old, next, previous) = (l.peek(), n.peek(), p.peek());
            l.put(list);
        });
        if old == list {
            return;
        }
        if let Some(head) = self.heads.get_mut(old as usize) {
            match previous.checked_sub(1) {
                None => *head = next,
                Some(before) => self.note(before, |[_, _, _, _, n, ..]| n.put(next)),
            }
            if let Some(after) = next.checked_sub(1) {
                self.note(after, |[.., p, _]| p.put(previous));
            }
        }
        if let Some(head) = self.heads.get_mut(list as usize) {
            let second = core::mem::replace(head, chunk.saturating_add(1));
            self.note(chunk, |[_, _, _, _, n, p, _]| {
                n.put(second);
                p.put(0);
            });
            if let Some(second) = second.checked_sub(1) {
                self.note(second, |[.., p, _]| p.put(chunk.saturating_add(1)));
            }
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec;
    use std::vec::Vec;

    const LONGEST: u32 = 67;

    #[test]
    fn runs_are_found() {
        for (ones, longest) in [(0, 0), (1, 1), (0b1011, 2), (u128::MAX, 128), (u128::MAX >> 1, 127), (0b111 << 125, 3)]
        {
            assert_eq!(longest_run(ones), longest);
            assert_eq!(runs(ones, longest.max(1)) != 0, longest > 0);
            assert!(longest == 128 || runs(ones, longest + 1) == 0);
        }
        assert_eq!((list_of(0), list_of(1), list_of(7), list_of(128)), (NOWHERE, 0, 5, 16));
    }

    proptest! {
        #[test]
        fn the_longest_run_is_the_naive_one(a: u128, b: u128) {
            for ones in [a, a | b, a & b] {
                let naive = (1..=128).take_while(|&len| runs(ones, len) != 0).last().unwrap_or(0);
                assert_eq!(longest_run(ones), naive);
            }
        }

        /// No two blocks overlap, and what is given back can be had again.
        #[test]
        fn blocks_are_apart(steps in proptest::collection::vec((any::<bool>(), 1..=LONGEST, any::<prop::sample::Index>()), 0..400)) {
            let memory = vec![Word::ZERO; words_for(1000)];
            let mut pool = Pool::new(&memory);
            let mut blocks: Vec<(u32, u32)> = Vec::new();
            for (take, len, which) in steps {
                if take || blocks.is_empty() {
                    let Some(place) = pool.allocate(len, true) else {
                        assert!(pool.used() > 100);
                        continue;
                    };
                    assert!(place > 0 && (place + len) as usize <= pool.words().len());
                    assert!(blocks.iter().all(|&(p, l)| place + len <= p || p + l <= place));
                    blocks.push((place, len));
                } else {
                    let (place, len) = blocks.swap_remove(which.index(blocks.len()));
                    pool.release(place, len);
                }
                assert_eq!(pool.used(), blocks.iter().map(|b| b.1 as usize).sum::<usize>());
            }
            for (place, len) in blocks {
                pool.release(place, len);
            }
            assert!((0..7).all(|_| pool.allocate(LONGEST, true).is_some()));
        }
    }
}
