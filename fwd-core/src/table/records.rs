//! Records by number, each replaced as a whole: interfaces, forwarding entries, and whatever else has a number.
//!
//! A slot's `current` word names the slot that holds the record of its number. To change a record, the writer fills a free
//! slot's record and stores its number in `current`: a reader finds the old record or the new one, and keeps what it found
//! until its batch ends. The old record joins the end of the queue of free ones and is taken from its head when its grace
//! period is over. The queue stands in the `free` words of the slots, so it holds as many as there are.

use super::grace::{Grace, Stamp};
use super::word::Word;

/// Records, or nodes, that wait for readers before the readers are looked at.
pub(super) const PATIENCE: usize = 64;

/// One number and one record of `W` words.
///
/// A table of `n` slots holds `n - 1` records: one is spare, to be filled while readers look at the one it replaces. With
/// readers beside the writer, more spare slots let more records change within one grace period.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub struct Slot<const W: usize> {
    /// The record of this number, counted from 1; 0 is none.
    pub(super) current: Word,
    /// A place in the queue of free records, and the stamp of the record in it. The writer's.
    free: Word,
    stamp: Word,
    pub(super) record: [Word; W],
}

impl<const W: usize> Slot<W> {
    /// No record, to fill the memory that is lent.
    #[allow(clippy::declare_interior_mutable_const)] // every use is a fresh slot
    pub const EMPTY: Self =
        Self { current: Word::ZERO, free: Word::ZERO, stamp: Word::ZERO, record: [const { Word::ZERO }; W] };
}

impl<const W: usize> Default for Slot<W> {
    fn default() -> Self {
        Self::EMPTY
    }
}

/// Why a change was refused. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refused {
    /// There is no such number, or no room.
    Full,
    /// What would make room may still be in a reader's hands.
    Busy,
}

/// What readers see of a table.
#[derive(Debug)]
pub(crate) struct Records<'m, const W: usize>(pub(super) &'m [Slot<W>]);

impl<const W: usize> Clone for Records<'_, W> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<const W: usize> Copy for Records<'_, W> {}

impl<'m, const W: usize> Records<'m, W> {
    /// The record of a number. It stays as it is until the batch ends.
    #[inline]
    pub(crate) fn get(self, id: u32) -> Option<&'m [Word; W]> {
        let current = self.0.get(usize::try_from(id).ok()?)?.current.load();
        Some(&self.0.get(usize::try_from(current.checked_sub(1)?).ok()?)?.record)
    }
}

/// The writer's hold of a table.
#[derive(Debug)]
pub(crate) struct RecordWriter<'m, const W: usize> {
    slots: &'m [Slot<W>],
    /// Records from here on were never used.
    fresh: usize,
    /// The queue of free records: where it begins, and how many there are.
    head: usize,
    queued: usize,
}

impl<'m, const W: usize> RecordWriter<'m, W> {
    /// An empty table, whatever the slots held.
    pub(crate) fn new(slots: &'m mut [Slot<W>]) -> Self {
        for slot in slots.iter() {
            slot.current.put(0);
        }
        Self { slots, fresh: 0, head: 0, queued: 0 }
    }

    /// What readers see.
    #[inline]
    pub(crate) const fn reader(&self) -> Records<'m, W> {
        Records(self.slots)
    }

    /// Numbers of the table.
    pub(crate) const fn capacity(&self) -> usize {
        self.slots.len().saturating_sub(1)
    }

    /// Writes the record of a number.
    pub(crate) fn set(&mut self, grace: &mut Grace<'_>, id: u32, record: [u32; W]) -> Result<(), Refused> {
        let id = usize::try_from(id).ok().filter(|&id| id < self.capacity()).ok_or(Refused::Full)?;
        let slot = self.slots.get(id).ok_or(Refused::Full)?;
        let old = slot.current.peek();
        if let Some(held) = self.record(old) {
            if held.iter().zip(record).all(|(word, value)| word.peek() == value) {
                return Ok(());
            }
        }
        let new = self.allocate(grace)?;
        for (word, value) in self.record(new).into_iter().flatten().zip(record) {
            word.put(value);
        }
        slot.current.publish(new);
        self.retire(grace, old);
        Ok(())
    }

    /// Removes the record of a number.
    pub(crate) fn clear(&mut self, grace: &Grace<'_>, id: u32) {
        let Some(slot) = usize::try_from(id).ok().and_then(|id| self.slots.get(id)) else { return };
        let old = slot.current.peek();
        slot.current.publish(0);
        self.retire(grace, old);
    }

    pub(super) fn record(&self, number: u32) -> Option<&'m [Word; W]> {
        Some(&self.slots.get(usize::try_from(number.checked_sub(1)?).ok()?)?.record)
    }

    /// A record that no reader looks at, counted from 1.
    pub(super) fn allocate(&mut self, grace: &mut Grace<'_>) -> Result<u32, Refused> {
        let head = self.slots.get(self.head).filter(|_| self.queued > 0);
        // A look at the readers delays them, and frees all that wait: it is due when many do, or no record is left that was never used.
        let is_fresh = self.fresh < self.slots.len();
        let is_due = !is_fresh || self.queued >= PATIENCE;
        let free = head.filter(|slot| {
            let stamp = Stamp(slot.stamp.peek());
            grace.is_over(stamp) || (is_due && grace.poll(stamp))
        });
        if let Some(slot) = free {
            self.head = self.after(self.head, 1);
            self.queued = self.queued.saturating_sub(1);
            return Ok(slot.free.peek());
        }
        if !is_fresh {
            return Err(if self.queued > 0 { Refused::Busy } else { Refused::Full });
        }
        self.fresh = self.fresh.saturating_add(1);
        u32::try_from(self.fresh).map_err(|_| Refused::Full)
    }

    pub(super) fn retire(&mut self, grace: &Grace<'_>, number: u32) {
        if number == 0 {
            return;
        }
        if let Some(slot) = self.slots.get(self.after(self.head, self.queued)) {
            slot.free.put(number);
            slot.stamp.put(grace.stamp().0);
            self.queued = self.queued.saturating_add(1);
        }
    }

    /// The place `steps` after `at` in the circle of slots; both are below their number.
    const fn after(&self, at: usize, steps: usize) -> usize {
        let sum = at.saturating_add(steps);
        if sum >= self.slots.len() { sum.saturating_sub(self.slots.len()) } else { sum }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::table::ReaderSlot;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    fn values<const W: usize>(record: &[Word; W]) -> [u32; W] {
        core::array::from_fn(|i| record[i].peek())
    }

    #[test]
    fn a_full_table_still_replaces_and_refuses_other_numbers() {
        let mut slots = [const { Slot::<2>::EMPTY }; 3];
        let mut grace = Grace::new(&[]);
        let mut table = RecordWriter::new(&mut slots);
        for round in 0..9 {
            for id in 0..2 {
                assert_eq!(table.set(&mut grace, id, [id, round]), Ok(()));
                assert_eq!(table.reader().get(id).map(values), Some([id, round]));
            }
        }
        assert_eq!(table.set(&mut grace, 2, [0; 2]), Err(Refused::Full));
        table.clear(&grace, 0);
        table.clear(&grace, 7);
        assert!(table.reader().get(0).is_none() && table.reader().get(1).is_some());
    }

    #[test]
    fn a_record_is_not_reused_while_a_reader_may_hold_it() {
        let mut slots = [const { Slot::<1>::EMPTY }; 2];
        let readers = [ReaderSlot::EMPTY];
        let mut grace = Grace::new(&readers);
        let mut table = RecordWriter::new(&mut slots);
        table.set(&mut grace, 0, [1]).unwrap();
        let pin = readers[0].pin();
        let held = table.reader().get(0).unwrap();
        table.set(&mut grace, 0, [2]).unwrap();
        assert_eq!(table.set(&mut grace, 0, [3]), Err(Refused::Busy));
        // What is there already is no change.
        assert_eq!(table.set(&mut grace, 0, [2]), Ok(()));
        assert_eq!((values(held), table.reader().get(0).map(values)), ([1], Some([2])));
        drop(pin);
        assert_eq!(table.set(&mut grace, 0, [3]), Ok(()));
    }

    /// One look serves many changes, and leaves many records for the time in which a reader stays in its batch.
    #[test]
    fn readers_are_looked_at_now_and_then() {
        let mut slots = [const { Slot::<1>::EMPTY }; 200];
        let readers = [ReaderSlot::EMPTY];
        let mut grace = Grace::new(&readers);
        let mut table = RecordWriter::new(&mut slots);
        (1..1000).for_each(|value| table.set(&mut grace, 0, [value]).unwrap());
        // Two periods a look.
        let looks = grace.stamp().0 / 2;
        assert!((5..30).contains(&looks), "{looks}");
        let _pin = readers[0].pin();
        (1..100).for_each(|value| table.set(&mut grace, 0, [value]).unwrap());
    }

    proptest! {
        #[test]
        fn the_table_is_the_naive_one(changes in proptest::collection::vec((0..6_u32, 0..4_u32, any::<bool>()), 0..300)) {
            let mut slots = [const { Slot::<3>::EMPTY }; 6];
            let readers = [ReaderSlot::EMPTY];
            let mut grace = Grace::new(&readers);
            let mut table = RecordWriter::new(&mut slots);
            let mut model = BTreeMap::new();
            let mut inside = None;
            for (id, value, enter) in changes {
                drop(inside.take());
                inside = enter.then(|| (readers[0].pin(), model.clone(), table.reader().get(0)));
                if value == 0 {
                    table.clear(&grace, id);
                    model.remove(&id);
                } else {
                    match table.set(&mut grace, id, [value, id, !value]) {
                        Ok(()) => drop(model.insert(id, [value, id, !value])),
                        Err(Refused::Full) => assert_eq!(id, 5),
                        Err(Refused::Busy) => assert!(inside.is_some()),
                    }
                }
                for id in 0..6 {
                    assert_eq!(table.reader().get(id).map(values), model.get(&id).copied());
                }
                if let Some((_, old, held)) = &inside {
                    assert_eq!(held.map(values), old.get(&0).copied());
                }
            }
            drop(inside);
        }
    }
}

#[cfg(all(test, loom))]
mod model {
    use super::*;
    use crate::table::ReaderSlot;
    use crate::table::word::awake;
    use loom::thread;
    use std::boxed::Box;

    /// A reader finds both words of one record, whatever the writer does at the same time.
    #[test]
    fn a_reader_sees_a_whole_record() {
        loom::model(|| {
            let slots: &'static mut [Slot<2>] = Box::leak(Box::new([const { Slot::EMPTY }; 2]));
            let readers: &'static [ReaderSlot] = Box::leak(Box::new([ReaderSlot::EMPTY]));
            awake(readers);
            awake(slots);
            let mut grace = Grace::new(readers);
            let mut table = RecordWriter::new(slots);
            table.set(&mut grace, 0, [1, 1]).unwrap();
            let records = table.reader();
            let reader = thread::spawn(move || {
                for _ in 0..2 {
                    let _pin = readers[0].pin();
                    let [a, b] = records.get(0).unwrap();
                    let (a, b) = (a.peek(), b.peek());
                    assert_eq!(a, b);
                }
            });
            for value in 2..5 {
                // Busy as long as the reader may hold the only spare record.
                let _ = table.set(&mut grace, 0, [value, value]);
            }
            reader.join().unwrap();
        });
    }

    /// Without the reader's mark the same test fails: the model sees what the marks are for.
    #[test]
    #[should_panic(expected = "assertion")]
    fn without_marks_a_record_is_torn() {
        loom::model(|| {
            let slots: &'static mut [Slot<2>] = Box::leak(Box::new([const { Slot::EMPTY }; 2]));
            awake(slots);
            let mut grace = Grace::new(&[]);
            let mut table = RecordWriter::new(slots);
            table.set(&mut grace, 0, [1, 1]).unwrap();
            let records = table.reader();
            let reader = thread::spawn(move || {
                let [a, b] = records.get(0).unwrap();
                let (a, b) = (a.peek(), b.peek());
                assert_eq!(a, b, "assertion");
            });
            for value in 2..4 {
                let _ = table.set(&mut grace, 0, [value, value]);
            }
            reader.join().unwrap();
        });
    }
}
