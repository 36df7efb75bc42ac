//! Numbers that the embedder gave to this machine alone.

use core::ops::RangeInclusive;

use alloc::collections::BTreeSet;

/// A range of numbers, each in use or not. The lowest free number is taken first.
#[derive(Clone, Debug)]
pub(super) struct Numbers {
    range: RangeInclusive<u32>,
    /// The first number that was never taken.
    next: Option<u32>,
    free: BTreeSet<u32>,
}

impl Numbers {
    pub(super) fn new(range: RangeInclusive<u32>) -> Self {
        Self { next: Some(*range.start()).filter(|_| !range.is_empty()), range, free: BTreeSet::new() }
    }

    pub(super) fn take(&mut self) -> Option<u32> {
        self.free.pop_first().or_else(|| {
            let number = self.next.filter(|n| self.range.contains(n))?;
            self.next = number.checked_add(1);
            Some(number)
        })
    }

    pub(super) fn give_back(&mut self, number: u32) {
        if self.range.contains(&number) {
            self.free.insert(number);
        }
    }

    /// How many are in use.
    pub(super) fn used(&self) -> usize {
        // Beyond the last number of all there is no next.
        let next = self.next.map_or(1 << 32, u64::from);
        let taken = if self.range.is_empty() { 0 } else { next.saturating_sub(u64::from(*self.range.start())) };
        usize::try_from(taken).unwrap_or(usize::MAX).saturating_sub(self.free.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_and_end() {
        let mut numbers = Numbers::new(5..=7);
        let taken: std::vec::Vec<_> = core::iter::from_fn(|| numbers.take()).collect();
        assert_eq!((taken, numbers.used()), (std::vec![5, 6, 7], 3));
        numbers.give_back(6);
        numbers.give_back(99);
        assert_eq!((numbers.used(), numbers.take(), numbers.take()), (2, Some(6), None));
        let mut last = Numbers::new(u32::MAX..=u32::MAX);
        assert_eq!((last.take(), last.take(), last.used()), (Some(u32::MAX), None, 1));
    }
}
