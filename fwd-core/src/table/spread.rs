//! Groups of entries that packets are spread over, and pairs of which one protects the other.

use super::interface::{Interfaces, Record};
use super::word::Word;
use crate::net::{EcmpId, IfIndex, NhlfeId, ProtectionId};
use crate::op::Bucket;

/// A group: in each bucket the number of an entry plus one, or zero. 256 octets.
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub struct EcmpSlot([Word; Bucket::COUNT]);

impl EcmpSlot {
    /// A group without entries, to fill the memory that is lent.
    #[allow(clippy::declare_interior_mutable_const)] // every use is a fresh slot
    pub const EMPTY: Self = Self([const { Word::ZERO }; Bucket::COUNT]);

    pub(super) fn reset(&self) {
        self.0.iter().for_each(|bucket| bucket.put(0));
    }
}

/// A pair. Readers look at `active`, and at `backup` while the interface that it watches is down.
#[derive(Clone, Debug, Default)]
pub struct ProtectionSlot {
    /// The number of the entry that packets take, plus one; zero: there is no such pair.
    active: Word,
    primary: Word,
    backup: Word,
    is_backup: Word,
    /// The number of the interface that the primary goes by, plus one; zero: none is watched.
    watch: Word,
}

impl ProtectionSlot {
    /// No pair, to fill the memory that is lent.
    #[allow(clippy::declare_interior_mutable_const)] // every use is a fresh slot
    pub const EMPTY: Self =
        Self { active: Word::ZERO, primary: Word::ZERO, backup: Word::ZERO, is_backup: Word::ZERO, watch: Word::ZERO };

    pub(super) fn clear(&self) {
        self.active.publish(0);
        self.is_backup.put(0);
        self.watch.put(0);
    }

    fn activate(&self) {
        let word = if self.is_backup.peek() == 1 { &self.backup } else { &self.primary };
        self.active.publish(word.peek());
    }
}

/// What was said of a pair.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pair {
    pub(crate) primary: NhlfeId,
    pub(crate) backup: NhlfeId,
    /// Whether it was switched over, whatever the watched interface.
    pub(crate) is_backup: bool,
    pub(crate) watch: Option<IfIndex>,
}

/// Groups numbered from 0.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Groups<'m>(pub(super) &'m [EcmpSlot]);

impl<'m> Groups<'m> {
    /// The entry of the bucket that a hash falls into, or of the next one that is not empty.
    #[inline]
    pub(crate) fn pick(self, group: EcmpId, hash: u32) -> Option<NhlfeId> {
        let EcmpSlot(buckets) = self.0.get(usize::try_from(group.0).ok()?)?;
        let first = hash as usize % Bucket::COUNT;
        let (before, after) = buckets.split_at_checked(first)?;
        let entry = after.iter().chain(before).map(Word::load).find(|&entry| entry != 0)?;
        Some(NhlfeId(entry.wrapping_sub(1)))
    }

    /// The word of a bucket.
    pub(super) fn bucket(self, group: EcmpId, bucket: Bucket) -> Option<&'m Word> {
        self.0.get(usize::try_from(group.0).ok()?)?.0.get(usize::from(bucket.value()))
    }
}

/// Pairs numbered from 0.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pairs<'m>(pub(super) &'m [ProtectionSlot]);

impl<'m> Pairs<'m> {
    /// The entry that packets take.
    #[inline]
    pub(crate) fn active(self, id: ProtectionId, interfaces: Interfaces<'_>) -> Option<NhlfeId> {
        let slot = self.slot(id)?;
        let active = slot.active.load().checked_sub(1)?;
        match slot.watch.load().checked_sub(1) {
            Some(iface) if interfaces.record(IfIndex(iface)).is_none_or(Record::is_down) => {
                slot.backup.load().checked_sub(1).map(NhlfeId)
            }
            _ => Some(NhlfeId(active)),
        }
    }

    pub(super) fn slot(self, id: ProtectionId) -> Option<&'m ProtectionSlot> {
        self.0.get(usize::try_from(id.0).ok()?)
    }

    /// A pair, as it was written. The writer's.
    pub(super) fn get(self, id: ProtectionId) -> Option<Pair> {
        let slot = self.slot(id).filter(|slot| slot.active.peek() != 0)?;
        Some(Pair {
            primary: NhlfeId(slot.primary.peek().checked_sub(1)?),
            backup: NhlfeId(slot.backup.peek().checked_sub(1)?),
            is_backup: slot.is_backup.peek() == 1,
            watch: slot.watch.peek().checked_sub(1).map(IfIndex),
        })
    }

    /// Writes a pair; `None` if there is no such number.
    pub(super) fn set(self, id: ProtectionId, primary: NhlfeId, backup: NhlfeId) -> Option<()> {
        let slot = self.slot(id)?;
        let (primary, backup) = (primary.0.checked_add(1)?, backup.0.checked_add(1)?);
        slot.primary.put(primary);
        slot.backup.put(backup);
        slot.activate();
        Some(())
    }

    /// Has a pair that there is watch an interface, or none; `None` if there is no such pair or number.
    pub(super) fn watch(self, id: ProtectionId, iface: Option<IfIndex>) -> Option<()> {
        let slot = self.slot(id).filter(|slot| slot.active.peek() != 0)?;
        slot.watch.publish(match iface {
            None => 0,
            Some(iface) => iface.0.checked_add(1)?,
        });
        Some(())
    }

    /// Switches a pair that there is.
    pub(super) fn switch_over(self, id: ProtectionId, backup: bool) {
        if let Some(slot) = self.slot(id).filter(|slot| slot.active.peek() != 0) {
            slot.is_backup.put(u32::from(backup));
            slot.activate();
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::table::records::Records;

    fn bucket(n: u8) -> Bucket {
        Bucket::new(n).unwrap()
    }

    /// The flows of a path that goes move, and no others.
    #[test]
    fn a_path_that_goes_moves_its_own_flows_alone() {
        let slots = [EcmpSlot::EMPTY];
        let (groups, group) = (Groups(&slots), EcmpId(0));
        assert_eq!(groups.pick(group, 5), None);
        for n in 0..64 {
            groups.bucket(group, bucket(n)).unwrap().publish(u32::from(n % 4) + 1);
        }
        let before: [_; 64] = core::array::from_fn(|hash| groups.pick(group, hash as u32).unwrap());
        for n in (2..64).step_by(4) {
            groups.bucket(group, bucket(n)).unwrap().publish(0);
        }
        for (hash, before) in (0..).zip(before) {
            let now = groups.pick(group, hash).unwrap();
            assert!(if before == NhlfeId(2) { now == NhlfeId(3) } else { now == before });
        }
        assert_eq!(groups.pick(group, 63 + 64), Some(NhlfeId(3)));
        assert!(groups.pick(EcmpId(1), 0).is_none());
    }

    #[test]
    fn a_pair_switches_over_and_back() {
        let slots = [ProtectionSlot::EMPTY; 2];
        let (pairs, id) = (Pairs(&slots), ProtectionId(1));
        let none = Interfaces(Records(&[]));
        pairs.switch_over(id, true);
        assert_eq!(pairs.active(id, none), None);
        pairs.set(id, NhlfeId(1), NhlfeId(2)).unwrap();
        assert_eq!(pairs.active(id, none), Some(NhlfeId(1)));
        pairs.switch_over(id, true);
        assert_eq!(pairs.active(id, none), Some(NhlfeId(2)));
        // Written again while switched over: the new backup is taken.
        pairs.set(id, NhlfeId(1), NhlfeId(5)).unwrap();
        assert_eq!(pairs.active(id, none), Some(NhlfeId(5)));
        pairs.switch_over(id, false);
        assert_eq!(pairs.active(id, none), Some(NhlfeId(1)));
        pairs.slot(id).unwrap().clear();
        assert_eq!(pairs.active(id, none), None);
        pairs.set(id, NhlfeId(3), NhlfeId(4)).unwrap();
        assert_eq!(pairs.active(id, none), Some(NhlfeId(3)));
        // An interface that is not there is down.
        pairs.watch(id, Some(IfIndex(0))).unwrap();
        assert_eq!(pairs.active(id, none), Some(NhlfeId(4)));
        pairs.watch(id, None).unwrap();
        assert_eq!(pairs.active(id, none), Some(NhlfeId(3)));
        assert!(pairs.watch(id, Some(IfIndex(u32::MAX))).is_none() && pairs.watch(ProtectionId(0), None).is_none());
        assert!(pairs.set(ProtectionId(2), NhlfeId(1), NhlfeId(2)).is_none());
        assert!(pairs.set(id, NhlfeId(u32::MAX), NhlfeId(2)).is_none());
        // What is refused leaves the pair as it was.
        assert!(pairs.set(id, NhlfeId(7), NhlfeId(u32::MAX)).is_none());
        let held = Pair { primary: NhlfeId(3), backup: NhlfeId(4), is_backup: false, watch: None };
        assert_eq!(pairs.get(id), Some(held));
    }
}
