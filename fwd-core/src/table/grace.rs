//! Grace periods: when memory that readers may still look at can be written again.
//!
//! A reader marks the beginning and the end of each batch by adding one to a word of its own: odd inside, even outside. The
//! writer takes something out of a table by one store; from then on no reader can come to it, but one that is inside a batch
//! may already have. A grace period begins with a look at every reader's mark and is over when each reader was outside of a
//! batch then, or has changed its mark since. What was taken out before a period began is nobody's when it is over.
//!
//! The two full fences make the argument: a reader changes its mark, then a fence, then loads; the writer takes out, then a
//! fence, then looks at the marks. Either the writer sees the reader inside, or the reader's loads see what the writer did.
//! A reader never waits. The writer does not wait either: an op for which there is no free memory yet is refused as busy.
//! A look at a mark takes its line from the reader, so the tables look when memory is short, not at each op.

use super::word::{Word, full_fence};

/// What one reader says to the writer, in lent memory. The reader's word is on a cache line of its own: the writer only looks at it.
#[derive(Clone, Debug, Default)]
#[repr(C)]
pub struct ReaderSlot {
    /// Written by the reader: odd inside a batch.
    mark: Line,
    /// The mark when the grace period began. The writer's.
    noted: Line,
}

/// A word alone on its cache line.
#[derive(Clone, Debug, Default)]
#[repr(C, align(64))]
struct Line(Word);

impl ReaderSlot {
    /// A reader outside of a batch, to fill the memory that is lent.
    #[allow(clippy::declare_interior_mutable_const)] // every use is a fresh slot
    pub const EMPTY: Self = Self { mark: Line(Word::ZERO), noted: Line(Word::ZERO) };

    /// Enters a batch; it ends when the result is dropped.
    pub(crate) fn pin(&self) -> Pin<'_> {
        let Line(mark) = &self.mark;
        mark.put(mark.peek().wrapping_add(1));
        full_fence();
        Pin(mark)
    }
}

/// A reader inside a batch.
#[derive(Debug)]
pub(crate) struct Pin<'r>(&'r Word);

impl Drop for Pin<'_> {
    fn drop(&mut self) {
        self.0.publish(self.0.peek().wrapping_add(1));
    }
}

/// When something may be written again: the grace period that must be over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp(pub(super) u32);

/// The writer's view of its readers.
#[derive(Debug)]
pub(crate) struct Grace<'m> {
    readers: &'m [ReaderSlot],
    /// The number of the period that runs.
    current: u32,
}

impl<'m> Grace<'m> {
    /// Without readers, everything is free at once: the writer and its only reader take turns.
    pub(crate) fn new(readers: &'m [ReaderSlot]) -> Self {
        Self { readers, current: 0 }
    }

    /// Whether there are readers beside the writer.
    #[inline]
    pub(crate) const fn has_readers(&self) -> bool {
        !self.readers.is_empty()
    }

    /// The stamp of what was taken out just before. The period that runs may have begun earlier, so it is the next one.
    #[inline]
    pub(crate) const fn stamp(&self) -> Stamp {
        Stamp(self.current.wrapping_add(2))
    }

    /// Whether no reader can look at what has this stamp.
    #[inline]
    pub(crate) const fn is_over(&self, stamp: Stamp) -> bool {
        // A stamp is two ahead at most. One that is very old looks like that once in 2^32 periods, and waits for two more.
        self.readers.is_empty() || !matches!(stamp.0.wrapping_sub(self.current), 1 | 2)
    }

    /// As [`Self::is_over`], after a look at the readers.
    pub(crate) fn poll(&mut self, stamp: Stamp) -> bool {
        // Two periods at most separate anything from being free.
        for _ in 0..2 {
            if self.is_over(stamp) {
                return true;
            }
            let is_inside = |r: &ReaderSlot| r.noted.0.peek() & 1 == 1 && r.mark.0.load() == r.noted.0.peek();
            if self.readers.iter().any(is_inside) {
                return false;
            }
            self.current = self.current.wrapping_add(1);
            full_fence();
            for reader in self.readers {
                reader.noted.0.put(reader.mark.0.load());
            }
        }
        self.is_over(stamp)
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_reader_inside_a_batch_holds_up_what_it_may_have_seen() {
        let readers = [ReaderSlot::EMPTY, ReaderSlot::EMPTY];
        let mut grace = Grace::new(&readers);
        let inside = readers[1].pin();
        let before = grace.stamp();
        assert!(!grace.poll(before) && !grace.poll(before));
        drop(inside);
        // A batch that began later does not hold up what was taken out before it.
        let _later = readers[1].pin();
        assert!(grace.poll(before));
        let after = grace.stamp();
        assert!(!grace.poll(after));
    }

    #[test]
    fn without_readers_nothing_is_held_up() {
        let grace = Grace::new(&[]);
        assert!(!grace.has_readers() && grace.is_over(grace.stamp()));
    }

    #[test]
    fn period_numbers_wrap() {
        let readers = [ReaderSlot::EMPTY];
        let mut grace = Grace { readers: &readers, current: u32::MAX };
        let stamp = grace.stamp();
        assert!(!grace.is_over(stamp) && grace.poll(stamp) && grace.is_over(stamp));
    }
}
