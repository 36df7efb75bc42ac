//! Numbers that the machine hands out: labels in blocks, ports, entries, groups, policers.

use alloc::collections::BTreeMap;
use core::ops::RangeInclusive;

/// Runs of free numbers. First fit; a run given back joins its neighbours.
#[derive(Clone, Debug)]
pub(crate) struct Pool {
    /// First number of each free run, and how many follow it.
    free: BTreeMap<u32, u32>,
}

impl Pool {
    pub(crate) fn new(range: &RangeInclusive<u32>) -> Self {
        let mut free = BTreeMap::new();
        if let Some(len) = range.end().checked_sub(*range.start()).and_then(|n| n.checked_add(1)) {
            free.insert(*range.start(), len);
        }
        Self { free }
    }

    /// A run of `n` numbers, by its first; `None` when none is that long.
    pub(crate) fn take(&mut self, n: u32) -> Option<u32> {
        let (&first, &len) = self.free.iter().find(|(_, len)| **len >= n)?;
        self.free.remove(&first);
        if let Some(left) = len.checked_sub(n).filter(|left| *left > 0) {
            self.free.insert(first.saturating_add(n), left);
        }
        Some(first)
    }

    pub(crate) fn one(&mut self) -> Option<u32> {
        self.take(1)
    }

    /// Gives a run back.
    pub(crate) fn give(&mut self, first: u32, n: u32) {
        let (mut first, mut len) = (first, n);
        if let Some((&before, &n)) = self.free.range(..first).next_back() {
            if before.saturating_add(n) == first {
                self.free.remove(&before);
                (first, len) = (before, len.saturating_add(n));
            }
        }
        if let Some(n) = self.free.remove(&first.saturating_add(len)) {
            len = len.saturating_add(n);
        }
        self.free.insert(first, len);
    }

    /// How many are free.
    pub(crate) fn free(&self) -> u64 {
        self.free.values().map(|len| u64::from(*len)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_lent_and_joined_again() {
        let mut pool = Pool::new(&(16..=35));
        let (a, b, c) = (pool.take(8).unwrap(), pool.take(8).unwrap(), pool.one().unwrap());
        assert_eq!((a, b, c, pool.take(8), pool.free()), (16, 24, 32, None, 3));
        pool.give(a, 8);
        pool.give(c, 1);
        assert_eq!(pool.take(9), None);
        pool.give(b, 8);
        assert_eq!((pool.take(20), pool.one()), (Some(16), None));
    }
}
