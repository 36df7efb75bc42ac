//! Records by key: exact match, for what has no number of its own.
//!
//! A slot is the head of a chain and a record (`records.rs`), so one array is the whole table and takes as many keys as it has
//! slots but one, whatever they are. A record holds its key, the number of the next record of its chain, and its value. To
//! change a value the writer fills another record and stores its number where the old one's stood; a reader inside the chain
//! goes on from the old one, which leads to the same rest.

use super::grace::Grace;
use super::hash::{Hash, place};
use super::records::{RecordWriter, Refused, Slot};
use super::word::Word;

/// Records of one chain at most: a bound on the work for one packet. With a secret seed and no more keys than heads, the
/// longest of a million chains has ten.
const MAX_CHAIN: usize = 32;

/// Keys that are looked up together.
pub(super) const CHUNK: usize = 64;

/// What readers see: keys of `K` words, in records of `W`, of which the first `K` are the key and the next leads on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Keyed<'m, const K: usize, const W: usize> {
    slots: &'m [Slot<W>],
    hash: Hash,
}

impl<'m, const K: usize, const W: usize> Keyed<'m, K, W> {
    #[inline]
    fn head(&self, key: &[u32; K]) -> Option<&'m Word> {
        let (hash, _) = self.hash.of(key);
        Some(&self.slots.get(place(hash, self.slots.len()))?.current)
    }

    /// The record of a key.
    #[inline]
    pub(crate) fn get(&self, key: &[u32; K]) -> Option<&'m [Word; W]> {
        let mut link = self.head(key)?;
        for _ in 0..MAX_CHAIN {
            let at = usize::try_from(link.load().checked_sub(1)?).ok()?;
            let record = &self.slots.get(at)?.record;
            if is_of(record, key) {
                return Some(record);
            }
            link = record.get(K)?;
        }
        None
    }

    /// The numbers of the records of many keys, [`CHUNK`] at most, 0 for those that are not there. All chains are followed at the same
    /// pace: what a step needs of all of them is on its way from memory before it is looked at, and nothing is guessed.
    #[inline]
    pub(crate) fn find_batch<T>(&self, items: &[T], key: impl Fn(&T) -> [u32; K]) -> [u32; CHUNK] {
        let mut places = [0_u32; CHUNK];
        for (at, item) in places.iter_mut().zip(items) {
            *at = place(self.hash.of(&key(item)).0, self.slots.len()) as u32;
        }
        // The item in the high half, the link in the low one.
        let mut left = [0_u64; CHUNK];
        for ((n, left), at) in (0_u64..).zip(&mut left).zip(places) {
            *left = n << 32 | u64::from(self.slots.get(at as usize).map_or(0, |slot| slot.current.load()));
        }
        let mut found = [0; CHUNK];
        let mut count = items.len().min(CHUNK);
        for _ in 0..MAX_CHAIN {
            for link in left.iter().take(count) {
                self.touch(*link as u32);
            }
            let mut more = 0_usize;
            for n in 0..count {
                let this = left.get(n % CHUNK).copied().unwrap_or(0);
                let (at, link) = ((this >> 32) as usize, this as u32);
                let (Some(record), Some(item)) = (self.record(link), items.get(at)) else { continue };
                let differs = differences(record, &key(item)) != 0;
                if let Some(found) = found.get_mut(at % CHUNK) {
                    *found = link & u32::from(differs).wrapping_sub(1);
                }
                if let Some(left) = left.get_mut(more % CHUNK) {
                    *left = this & !u64::from(u32::MAX) | u64::from(record.get(K).map_or(0, Word::load));
                }
                more = more.wrapping_add(usize::from(differs));
            }
            if more == 0 {
                break;
            }
            count = more;
        }
        found
    }

    /// Has a record on its way from memory.
    #[inline]
    fn touch(&self, number: u32) {
        if let Some(word) = self.record(number).and_then(|record| record.first()) {
            word.peek();
        }
    }

    /// The record of a number.
    #[inline]
    pub(crate) fn record(&self, number: u32) -> Option<&'m [Word; W]> {
        Some(&self.slots.get((number as usize).wrapping_sub(1))?.record)
    }

    /// The value of a key, as readers take it: the words after the link.
    #[inline]
    pub(crate) fn value<const V: usize>(&self, key: &[u32; K]) -> Option<[u32; V]> {
        Some(value_of::<K, W, V>(self.get(key)?))
    }
}

#[inline]
fn is_of<const K: usize, const W: usize>(record: &[Word; W], key: &[u32; K]) -> bool {
    differences(record, key) == 0
}

/// The bits in which a record is not of a key.
#[inline]
fn differences<const K: usize, const W: usize>(record: &[Word; W], key: &[u32; K]) -> u32 {
    record.iter().zip(key).fold(0, |differences, (word, key)| differences | (word.peek() ^ key))
}

/// The value in a record.
#[inline]
pub(crate) fn value_of<const K: usize, const W: usize, const V: usize>(record: &[Word; W]) -> [u32; V] {
    let mut value = [0; V];
    for (to, word) in value.iter_mut().zip(record.iter().skip(K).skip(1)) {
        *to = word.peek();
    }
    value
}

/// The writer's hold of a table.
#[derive(Debug)]
pub(crate) struct KeyedWriter<'m, const K: usize, const W: usize> {
    records: RecordWriter<'m, W>,
    hash: Hash,
    len: usize,
}

impl<'m, const K: usize, const W: usize> KeyedWriter<'m, K, W> {
    /// An empty table, whatever the slots held.
    pub(crate) fn new(slots: &'m mut [Slot<W>], seed: u64) -> Self {
        Self { records: RecordWriter::new(slots), hash: Hash::new(seed), len: 0 }
    }

    /// What readers see.
    #[inline]
    pub(crate) const fn reader(&self) -> Keyed<'m, K, W> {
        Keyed { slots: self.records.reader().0, hash: self.hash }
    }

    /// Keys in the table.
    #[cfg(test)]
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// The link that leads to the record of a key, or to the end of its chain, and the length of the chain up to it.
    fn find(&self, key: &[u32; K]) -> Option<(&'m Word, usize)> {
        let mut link = self.reader().head(key)?;
        for steps in 0..=MAX_CHAIN {
            match self.records.record(link.peek()) {
                None => return Some((link, steps)),
                Some(record) if is_of(record, key) => return Some((link, steps)),
                Some(record) => link = record.get(K)?,
            }
        }
        None
    }

    /// Writes the value of a key.
    pub(crate) fn set(&mut self, grace: &mut Grace<'_>, key: [u32; K], value: &[u32]) -> Result<(), Refused> {
        let (link, steps) = self.find(&key).ok_or(Refused::Full)?;
        let old = link.peek();
        let held = self.records.record(old);
        if let Some(held) = held {
            if held.iter().skip(K).skip(1).zip(value).all(|(word, value)| word.peek() == *value) {
                return Ok(());
            }
        } else if self.len >= self.records.capacity() || steps >= MAX_CHAIN {
            return Err(Refused::Full);
        }
        let new = self.records.allocate(grace)?;
        let next = held.and_then(|record| record.get(K)).map_or(0, Word::peek);
        let content = key.iter().chain(core::iter::once(&next)).chain(value);
        for (word, value) in self.records.record(new).into_iter().flatten().zip(content) {
            word.put(*value);
        }
        link.publish(new);
        match held {
            Some(_) => self.records.retire(grace, old),
            None => self.len = self.len.saturating_add(1),
        }
        Ok(())
    }

    /// Removes a key; whether it was there.
    pub(crate) fn clear(&mut self, grace: &Grace<'_>, key: &[u32; K]) -> bool {
        let Some((link, _)) = self.find(key) else { return false };
        let old = link.peek();
        let Some(record) = self.records.record(old) else { return false };
        link.publish(record.get(K).map_or(0, Word::peek));
        self.records.retire(grace, old);
        self.len = self.len.saturating_sub(1);
        true
    }

    /// Every record, in no order. For the writer: the work is proportional to the table.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &'m [Word; W]> + '_ {
        self.reader().slots.iter().flat_map(|slot| {
            let first = self.records.record(slot.current.peek());
            core::iter::successors(first, |record| self.records.record(record.get(K)?.peek())).take(MAX_CHAIN)
        })
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::table::ReaderSlot;
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use std::vec;

    #[test]
    fn a_table_takes_as_many_keys_as_slots_but_one() {
        let mut slots = vec![Slot::<4>::EMPTY; 1001];
        let mut grace = Grace::new(&[]);
        let mut table = KeyedWriter::<2, 4>::new(&mut slots, 1);
        for n in 0..1000 {
            assert_eq!(table.set(&mut grace, [n, 0], &[n + 1]), Ok(()));
        }
        assert_eq!(table.set(&mut grace, [1000, 0], &[1]), Err(Refused::Full));
        // A full table still takes new values for its keys.
        assert_eq!(table.set(&mut grace, [7, 0], &[70]), Ok(()));
        assert_eq!((table.reader().value([7, 0].as_ref().try_into().unwrap()), table.len()), (Some([70]), 1000));
        assert!(table.clear(&grace, &[7, 0]) && !table.clear(&grace, &[7, 0]));
        assert_eq!(table.set(&mut grace, [1000, 0], &[1]), Ok(()));
        assert_eq!(table.iter().count(), 1000);
    }

    #[test]
    fn no_slots_no_keys() {
        let mut grace = Grace::new(&[]);
        let mut table = KeyedWriter::<1, 3>::new(&mut [], 1);
        assert_eq!(table.set(&mut grace, [1], &[1]), Err(Refused::Full));
        assert!(table.reader().get(&[1]).is_none() && !table.clear(&grace, &[1]));
    }

    proptest! {
        #[test]
        fn the_table_is_the_naive_one(
            changes in proptest::collection::vec((0..12_u32, 0..4_u32, any::<bool>()), 0..300),
            seed: u64,
        ) {
            let mut slots = vec![Slot::<5>::EMPTY; 9];
            let readers = [ReaderSlot::EMPTY];
            let mut grace = Grace::new(&readers);
            let mut table = KeyedWriter::<3, 5>::new(&mut slots, seed);
            let mut model = BTreeMap::new();
            let mut inside = None;
            for (id, value, enter) in changes {
                drop(inside.take());
                let key = [id & 1, id >> 1, 9];
                inside = enter.then(|| (readers[0].pin(), model.get(&key).copied(), key, table.reader().get(&key)));
                if value == 0 {
                    assert_eq!(table.clear(&grace, &key), model.remove(&key).is_some());
                } else {
                    match table.set(&mut grace, key, &[value]) {
                        Ok(()) => drop(model.insert(key, value)),
                        Err(Refused::Full) => assert!(model.len() == 8 && !model.contains_key(&key)),
                        Err(Refused::Busy) => assert!(inside.is_some()),
                    }
                }
                for id in 0..12 {
                    let key = [id & 1, id >> 1, 9];
                    assert_eq!(table.reader().value(&key), model.get(&key).map(|v| [*v]));
                }
                assert_eq!(table.iter().count(), model.len());
                if let Some((_, old, key, held)) = &inside {
                    assert_eq!(held.map(|r| (is_of(r, key), value_of::<3, 5, 1>(r))), old.map(|v| (true, [v])));
                }
            }
        }
    }
}
