//! Numbered storage in pages: it grows without moving what it holds.

use alloc::vec::Vec;

const PAGE: usize = 1024;

/// Values numbered from 0. Freed numbers are used again, the latest first.
#[derive(Debug)]
pub(crate) struct Slab<T> {
    pages: Vec<Vec<T>>,
    free: Vec<u32>,
    len: u32,
}

impl<T> Default for Slab<T> {
    fn default() -> Self {
        Self { pages: Vec::new(), free: Vec::new(), len: 0 }
    }
}

impl<T: Default> Slab<T> {
    /// Stores a value and numbers it.
    pub(crate) fn insert(&mut self, value: T) -> u32 {
        if let Some(id) = self.free.pop() {
            *self.get_mut(id) = value;
            return id;
        }
        let id = self.len;
        if id as usize % PAGE == 0 {
            // The first page grows as it fills, so that a small table stays small.
            self.pages.push(if id == 0 { Vec::new() } else { Vec::with_capacity(PAGE) });
        }
        if let Some(page) = self.pages.last_mut() {
            page.push(value);
        }
        self.len += 1;
        id
    }

    /// Frees a number; the default value takes the place of what it held, which is returned.
    pub(crate) fn remove(&mut self, id: u32) -> T {
        self.free.push(id);
        core::mem::take(self.get_mut(id))
    }

    /// The value of a number that [`Self::insert`] returned.
    #[inline]
    pub(crate) fn get(&self, id: u32) -> &T {
        &self.pages[id as usize / PAGE][id as usize % PAGE]
    }

    /// The value of a number that [`Self::insert`] returned.
    #[inline]
    pub(crate) fn get_mut(&mut self, id: u32) -> &mut T {
        &mut self.pages[id as usize / PAGE][id as usize % PAGE]
    }

    /// Numbers ever handed out: every number is below.
    pub(crate) const fn bound(&self) -> u32 {
        self.len
    }

    /// Numbers in use.
    pub(crate) fn live(&self) -> usize {
        self.len as usize - self.free.len()
    }

    /// Every value, freed ones (which are default) included.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (u32, &T)> {
        (0..).zip(self.pages.iter().flatten())
    }

    /// Octets of memory, without what values point to.
    pub(crate) fn memory(&self) -> usize {
        self.pages.iter().map(|p| p.capacity() * size_of::<T>()).sum::<usize>()
            + self.pages.capacity() * size_of::<Vec<T>>()
            + self.free.capacity() * 4
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_stable_and_used_again() {
        let mut slab = Slab::default();
        let ids: Vec<u32> = (0..3000u64).map(|v| slab.insert(v)).collect();
        assert_eq!(slab.remove(ids[1500]), 1500);
        assert_eq!((slab.live(), slab.bound()), (2999, 3000));
        assert_eq!(slab.insert(7), ids[1500]);
        assert_eq!((*slab.get(ids[1500]), *slab.get(ids[2999])), (7, 2999));
    }
}
