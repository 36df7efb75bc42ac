//! Sets and maps in one run of memory, for what mostly is few: an entry takes its own size, where a node of a tree takes that of eleven.
//! Adding at the end costs nothing more; adding elsewhere moves what is behind.

use alloc::vec::{self, Vec};
use core::slice;

/// A map in the order of its keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VecMap<K, V>(Vec<(K, V)>);

impl<K, V> Default for VecMap<K, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: Ord, V> VecMap<K, V> {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    fn find(&self, key: &K) -> Result<usize, usize> {
        match self.0.last() {
            None => Err(0),
            Some((last, _)) if last < key => Err(self.0.len()),
            Some(_) => self.0.binary_search_by(|(k, _)| k.cmp(key)),
        }
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.find(key).ok().and_then(|at| self.0.get(at)).map(|(_, v)| v)
    }

    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.find(key).ok().and_then(|at| self.0.get_mut(at)).map(|(_, v)| v)
    }

    pub(crate) fn contains_key(&self, key: &K) -> bool {
        self.find(key).is_ok()
    }

    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.find(&key) {
            Ok(at) => self.0.get_mut(at).map(|(_, held)| core::mem::replace(held, value)),
            Err(at) => {
                self.add(at, key, value);
                None
            }
        }
    }

    /// The value of a key, made if there is none.
    pub(crate) fn or_default(&mut self, key: K) -> Option<&mut V>
    where
        V: Default,
    {
        let at = self.find(&key).unwrap_or_else(|at| {
            self.add(at, key, V::default());
            at
        });
        self.0.get_mut(at).map(|(_, v)| v)
    }

    fn add(&mut self, at: usize, key: K, value: V) {
        if self.0.capacity() == 0 {
            // The first often is the only one.
            self.0.reserve_exact(1);
        }
        self.0.insert(at, (key, value));
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        self.find(key).ok().map(|at| self.0.remove(at).1)
    }

    pub(crate) fn iter(&self) -> impl DoubleEndedIterator<Item = (&K, &V)> + Clone {
        self.0.iter().map(|(k, v)| (k, v))
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &K> + Clone {
        self.0.iter().map(|(k, _)| k)
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &V> + Clone {
        self.0.iter().map(|(_, v)| v)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Of entries with one key the last stays.
impl<K: Ord, V> FromIterator<(K, V)> for VecMap<K, V> {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(of: I) -> Self {
        let mut all: Vec<(K, V)> = of.into_iter().collect();
        if !all.is_sorted_by(|(a, _), (b, _)| a < b) {
            all.sort_by(|(a, _), (b, _)| a.cmp(b));
            all.dedup_by(|later, kept| {
                let is_same = later.0 == kept.0;
                if is_same {
                    core::mem::swap(later, kept);
                }
                is_same
            });
        }
        Self(all)
    }
}

impl<K: Ord, V, const N: usize> From<[(K, V); N]> for VecMap<K, V> {
    fn from(of: [(K, V); N]) -> Self {
        of.into_iter().collect()
    }
}

impl<K, V> IntoIterator for VecMap<K, V> {
    type Item = (K, V);
    type IntoIter = vec::IntoIter<(K, V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a, K, V> IntoIterator for &'a VecMap<K, V> {
    type Item = (&'a K, &'a V);
    type IntoIter = core::iter::Map<slice::Iter<'a, (K, V)>, fn(&'a (K, V)) -> (&'a K, &'a V)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter().map(|(k, v)| (k, v))
    }
}

/// A set in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct VecSet<T>(Vec<T>);

impl<T> Default for VecSet<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Ord> VecSet<T> {
    pub(crate) const fn new() -> Self {
        Self(Vec::new())
    }

    fn find(&self, of: &T) -> Result<usize, usize> {
        match self.0.last() {
            None => Err(0),
            Some(last) if last < of => Err(self.0.len()),
            Some(_) => self.0.binary_search(of),
        }
    }

    pub(crate) fn contains(&self, of: &T) -> bool {
        self.find(of).is_ok()
    }

    pub(crate) fn insert(&mut self, new: T) -> bool {
        let Err(at) = self.find(&new) else { return false };
        if self.0.capacity() == 0 {
            self.0.reserve_exact(1);
        }
        self.0.insert(at, new);
        true
    }

    pub(crate) fn remove(&mut self, of: &T) -> bool {
        self.find(of).map(|at| self.0.remove(at)).is_ok()
    }

    pub(crate) fn retain(&mut self, keep: impl FnMut(&T) -> bool) {
        self.0.retain(keep);
    }

    pub(crate) fn iter(&self) -> slice::Iter<'_, T> {
        self.0.iter()
    }

    pub(crate) fn first(&self) -> Option<&T> {
        self.0.first()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

fn sorted<T: Ord>(mut all: Vec<T>) -> Vec<T> {
    if !all.is_sorted_by(|a, b| a < b) {
        all.sort_unstable();
        all.dedup();
    }
    all
}

impl<T: Ord> FromIterator<T> for VecSet<T> {
    fn from_iter<I: IntoIterator<Item = T>>(of: I) -> Self {
        Self(sorted(of.into_iter().collect()))
    }
}

impl<T: Ord> Extend<T> for VecSet<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, of: I) {
        self.0.extend(of);
        self.0 = sorted(core::mem::take(&mut self.0));
    }
}

impl<'a, T: Ord + Copy + 'a> Extend<&'a T> for VecSet<T> {
    fn extend<I: IntoIterator<Item = &'a T>>(&mut self, of: I) {
        self.extend(of.into_iter().copied());
    }
}

impl<T: Ord, const N: usize> From<[T; N]> for VecSet<T> {
    fn from(of: [T; N]) -> Self {
        of.into_iter().collect()
    }
}

impl<T> IntoIterator for VecSet<T> {
    type Item = T;
    type IntoIter = vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a, T> IntoIterator for &'a VecSet<T> {
    type Item = &'a T;
    type IntoIter = slice::Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::{BTreeMap, BTreeSet};

    proptest::proptest! {
        /// They do what the maps and sets of the standard library do.
        #[test]
        fn as_those_of_the_library(changes: Vec<(u8, u8, bool)>) {
            let (mut map, mut like) = (VecMap::new(), BTreeMap::new());
            let (mut set, mut like_set) = (VecSet::new(), BTreeSet::new());
            for &(key, value, is_new) in &changes {
                if is_new {
                    assert_eq!(map.insert(key, value), like.insert(key, value));
                    assert_eq!(set.insert(key), like_set.insert(key));
                } else {
                    assert_eq!(map.remove(&key), like.remove(&key));
                    assert_eq!(set.remove(&key), like_set.remove(&key));
                }
                assert_eq!((map.get(&value), set.contains(&value)), (like.get(&value), like_set.contains(&value)));
            }
            assert!(map.iter().eq(like.iter()) && set.iter().eq(like_set.iter()));
            assert_eq!((map.len(), set.is_empty()), (like.len(), like_set.is_empty()));
            let pairs = || changes.iter().map(|(key, value, _)| (*key, *value));
            let (all, like): (VecMap<_, _>, BTreeMap<_, _>) = (pairs().collect(), pairs().collect());
            assert!(all.into_iter().eq(like));
            set.extend(pairs().map(|(key, _)| key));
            like_set.extend(pairs().map(|(key, _)| key));
            assert!(set.into_iter().eq(like_set));
        }
    }
}
