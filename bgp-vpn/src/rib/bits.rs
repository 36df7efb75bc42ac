//! A set of small numbers that costs one bit each, and nothing where it is empty.

use alloc::boxed::Box;
use alloc::vec::Vec;

const WORDS: usize = 64;
const PAGE: u32 = 4096;

/// A set of destination numbers. Pages of 4,096 members exist only where there is, or was, a member.
#[derive(Clone, Debug, Default)]
pub(crate) struct BitSet {
    pages: Vec<Option<Box<[u64; WORDS]>>>,
    len: u32,
    /// No member is less: what need not be looked at.
    least: u32,
}

/// Page, word and bit of a member.
const fn place(i: u32) -> (usize, usize, u64) {
    ((i / PAGE) as usize, (i % PAGE / 64) as usize, 1 << (i % 64))
}

impl BitSet {
    /// Members.
    pub(crate) const fn len(&self) -> u32 {
        self.len
    }

    /// Whether there is no member.
    pub(crate) const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds a member; whether it is new.
    pub(crate) fn insert(&mut self, i: u32) -> bool {
        let (page, word, bit) = place(i);
        if page >= self.pages.len() {
            self.pages.resize(page + 1, None);
        }
        let word = &mut self.pages[page].get_or_insert_with(|| Box::new([0; WORDS]))[word];
        let new = *word & bit == 0;
        *word |= bit;
        self.len += u32::from(new);
        self.least = if self.len == 1 { i } else { self.least.min(i) };
        new
    }

    /// Removes a member; whether it was one.
    pub(crate) fn remove(&mut self, i: u32) -> bool {
        let (page, word, bit) = place(i);
        let Some(Some(page)) = self.pages.get_mut(page) else { return false };
        let was = page[word] & bit != 0;
        page[word] &= !bit;
        self.len -= u32::from(was);
        was
    }

    /// Whether it is a member.
    pub(crate) fn contains(&self, i: u32) -> bool {
        let (page, word, bit) = place(i);
        matches!(self.pages.get(page), Some(Some(page)) if page[word] & bit != 0)
    }

    /// The least member that is `from` or more.
    pub(crate) fn next(&self, from: u32) -> Option<u32> {
        if self.len == 0 {
            return None;
        }
        let (first, first_word, bit) = place(from.max(self.least));
        for (p, page) in self.pages.iter().enumerate().skip(first) {
            let Some(page) = page else { continue };
            let skip = if p == first { first_word } else { 0 };
            for (w, &word) in page.iter().enumerate().skip(skip) {
                let word = if p == first && w == first_word { word & !(bit - 1) } else { word };
                if word != 0 {
                    return Some(p as u32 * PAGE + w as u32 * 64 + word.trailing_zeros());
                }
            }
        }
        None
    }

    /// Removes the least member. Emptying a set this way looks at each page once, however large the set is.
    pub(crate) fn pop_first(&mut self) -> Option<u32> {
        let i = self.next(self.least)?;
        self.remove(i);
        self.least = i;
        Some(i)
    }

    /// The members in ascending order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        let mut at = Some(0);
        core::iter::from_fn(move || {
            let i = self.next(at?)?;
            at = i.checked_add(1);
            Some(i)
        })
    }

    /// Octets of memory.
    pub(crate) fn memory(&self) -> usize {
        self.pages.capacity() * size_of::<usize>() + self.pages.iter().flatten().count() * WORDS * 8
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeSet;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn behaves_as_a_set(ops in proptest::collection::vec((0u32..20_000, any::<bool>()), 0..300), from in 0u32..20_000) {
            let (mut bits, mut model) = (BitSet::default(), BTreeSet::new());
            for (i, add) in ops {
                if add {
                    prop_assert_eq!(bits.insert(i), model.insert(i));
                } else {
                    prop_assert_eq!(bits.remove(i), model.remove(&i));
                }
            }
            prop_assert_eq!(bits.len() as usize, model.len());
            prop_assert!(bits.iter().eq(model.iter().copied()));
            prop_assert_eq!(bits.next(from), model.range(from..).next().copied());
        }

        #[test]
        fn pops_in_order(ops in proptest::collection::vec((0u32..20_000, 0u8..3), 0..300)) {
            let (mut bits, mut model) = (BitSet::default(), BTreeSet::new());
            for (i, op) in ops {
                match op {
                    0 => prop_assert_eq!(bits.pop_first(), model.pop_first()),
                    1 => prop_assert_eq!(bits.remove(i), model.remove(&i)),
                    _ => prop_assert_eq!(bits.insert(i), model.insert(i)),
                }
            }
            prop_assert!(core::iter::from_fn(|| bits.pop_first()).eq(model));
        }
    }
}
