//! Replication groups and their legs.
//!
//! A group's legs are records in a chain in the order of their numbers: to change one, the writer fills another record and
//! stores its number where the old one's stood (`keyed.rs`).

use super::QOS;
use super::grace::Grace;
use super::records::{RecordWriter, Records, Refused, Slot};
use super::word::Word;
use crate::net::{IfIndex, LabelSpaceId, NhlfeId, PortId, ReplicationId, TunnelId, VrfId, VsiId};
use crate::op::{CodePoint, LegTarget, VsiOrVrf};

/// ```text
/// word 0: leg (16) | target (16)      1: what the target names      2: the next leg's record
/// ```
const WORDS: usize = 3;
const NEXT: usize = 2;

/// One leg of some group.
pub type LegSlot = Slot<WORDS>;

/// One replication group, or none.
///
/// ```text
/// owner: 0, or 1 (15) | 0 for a VRF, 1 for a VSI (1) | its number (16)      first: its first leg's record, from 1
/// policer: from 1      mark: 0, or 64 + code point
/// ```
#[derive(Clone, Debug, Default)]
pub struct ReplicationSlot {
    owner: Word,
    first: Word,
    policer: Word,
    mark: Word,
}

impl ReplicationSlot {
    /// No group, to fill the memory that is lent.
    #[allow(clippy::declare_interior_mutable_const)] // every use is a fresh slot
    pub const EMPTY: Self = Self { owner: Word::ZERO, first: Word::ZERO, policer: Word::ZERO, mark: Word::ZERO };
}

const IN_USE: u32 = 1 << 17;
const OF_VSI: u32 = 1 << 16;

const fn owner_word(owner: VsiOrVrf) -> u32 {
    match owner {
        VsiOrVrf::Vrf(vrf) => IN_USE | vrf.0 as u32,
        VsiOrVrf::Vsi(vsi) => IN_USE | OF_VSI | vsi.0 as u32,
    }
}

const fn word_owner(word: u32) -> Option<VsiOrVrf> {
    if word & IN_USE == 0 {
        return None;
    }
    let number = word as u16;
    Some(if word & OF_VSI != 0 { VsiOrVrf::Vsi(VsiId(number)) } else { VsiOrVrf::Vrf(VrfId(number)) })
}

/// A mark in a word: 0, or 64 + code point.
pub(super) const fn pack_mark(code: Option<CodePoint>) -> u32 {
    match code {
        Some(code) => 64 | code.value() as u32,
        None => 0,
    }
}

/// The reverse of [`pack_mark`].
#[inline]
pub(super) const fn unpack_mark(word: u32) -> Option<u8> {
    if !QOS || word & 64 == 0 { None } else { Some(word as u8 & 63) }
}

/// Where a reader stands in a group: the next leg's record, from 1; 0 at the end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Cursor(u32);

impl Cursor {
    /// Behind the last leg.
    pub(crate) const END: Self = Self(0);
}

/// What readers see.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Replications<'m> {
    groups: &'m [ReplicationSlot],
    legs: Records<'m, WORDS>,
}

impl<'m> Replications<'m> {
    fn group(&self, id: ReplicationId) -> Option<&'m ReplicationSlot> {
        self.groups.get(usize::try_from(id.0).ok()?)
    }

    /// Whose packets a group copies, and its first leg.
    #[inline]
    pub(crate) fn get(&self, id: ReplicationId) -> Option<(VsiOrVrf, Cursor)> {
        let group = self.group(id)?;
        Some((word_owner(group.owner.load())?, Cursor(group.first.load())))
    }

    /// The policer of a group, from 1, and its mark.
    #[inline]
    pub(crate) fn treatment(&self, id: ReplicationId) -> (u32, Option<u8>) {
        self.group(id).map_or((0, None), |group| (group.policer.load(), unpack_mark(group.mark.load())))
    }

    /// The leg at a cursor, which goes on to the next.
    #[inline]
    pub(crate) fn next(&self, cursor: &mut Cursor) -> Option<(u16, LegTarget)> {
        let slot = self.legs.0.get(usize::try_from(cursor.0.checked_sub(1)?).ok()?)?;
        let [head, value, next] = &slot.record;
        *cursor = Cursor(next.load());
        let (head, value) = (head.peek(), value.peek());
        let target = match head & 0xffff {
            1 => LegTarget::Interface(IfIndex(value)),
            2 => LegTarget::Nhlfe(NhlfeId(value)),
            3 => LegTarget::Port(PortId(value)),
            4 => LegTarget::Group(ReplicationId(value)),
            5 => LegTarget::Multicast(TunnelId(value)),
            6 => LegTarget::Arrive(PortId(value)),
            8 => LegTarget::Context(LabelSpaceId(value)),
            9 => LegTarget::Decapsulate(TunnelId(value)),
            _ => LegTarget::Local,
        };
        Some(((head >> 16) as u16, target))
    }

    /// The legs of a group, by number.
    pub(crate) fn legs(self, id: ReplicationId) -> impl Iterator<Item = (u16, LegTarget)> + 'm {
        let mut cursor = self.get(id).map_or(Cursor::END, |(_, first)| first);
        core::iter::from_fn(move || self.next(&mut cursor))
    }
}

/// The writer's hold of the groups.
#[derive(Debug)]
pub(crate) struct ReplicationWriter<'m> {
    groups: &'m [ReplicationSlot],
    legs: RecordWriter<'m, WORDS>,
    len: usize,
}

impl<'m> ReplicationWriter<'m> {
    /// No groups, whatever the memory held.
    pub(crate) fn new(groups: &'m mut [ReplicationSlot], legs: &'m mut [LegSlot]) -> Self {
        groups.fill(ReplicationSlot::EMPTY);
        Self { groups, legs: RecordWriter::new(legs), len: 0 }
    }

    /// What readers see.
    #[inline]
    pub(crate) const fn reader(&self) -> Replications<'m> {
        Replications { groups: self.groups, legs: self.legs.reader() }
    }

    /// Groups that there may be.
    pub(super) const fn capacity(&self) -> usize {
        self.groups.len()
    }

    /// Creates a group or changes its owner.
    pub(crate) fn set(&mut self, id: ReplicationId, owner: VsiOrVrf) -> Result<(), Refused> {
        self.reader().group(id).ok_or(Refused::Full)?.owner.publish(owner_word(owner));
        Ok(())
    }

    /// Removes a group with its legs.
    pub(crate) fn clear(&mut self, grace: &Grace<'_>, id: ReplicationId) {
        let Some(group) = self.reader().group(id) else { return };
        group.owner.publish(0);
        group.policer.publish(0);
        group.mark.publish(0);
        let mut number = group.first.peek();
        group.first.publish(0);
        while let Some(record) = self.legs.record(number) {
            self.legs.retire(grace, number);
            self.len = self.len.saturating_sub(1);
            number = record.get(NEXT).map_or(0, Word::peek);
        }
    }

    /// Puts a policer, from 1, to a group that is there; 0 takes it away.
    pub(crate) fn police(&self, id: ReplicationId, word: u32) -> Result<(), Refused> {
        let group = self.reader().group(id).filter(|group| group.owner.peek() != 0).ok_or(Refused::Full)?;
        group.policer.publish(word);
        Ok(())
    }

    /// Marks the packets of a group that is there, or leaves them as they are.
    pub(crate) fn mark(&self, id: ReplicationId, code: Option<CodePoint>) -> Result<(), Refused> {
        let group = self.reader().group(id).filter(|group| group.owner.peek() != 0).ok_or(Refused::Full)?;
        group.mark.publish(pack_mark(code));
        Ok(())
    }

    /// The link that leads to a leg, or to where it belongs.
    fn find(&self, group: &'m ReplicationSlot, leg: u16) -> &'m Word {
        let mut link = &group.first;
        while let Some([head, _, next]) = self.legs.record(link.peek()) {
            if head.peek() >> 16 >= u32::from(leg) {
                break;
            }
            link = next;
        }
        link
    }

    /// The leg's record behind a link, if it is there.
    fn at(&self, link: &Word, leg: u16) -> Option<&'m [Word; WORDS]> {
        self.legs.record(link.peek()).filter(|[head, ..]| head.peek() >> 16 == u32::from(leg))
    }

    /// Writes a leg of a group that is there.
    pub(crate) fn set_leg(
        &mut self,
        grace: &mut Grace<'_>,
        group: ReplicationId,
        leg: u16,
        target: LegTarget,
    ) -> Result<(), Refused> {
        let group = self.reader().group(group).filter(|group| group.owner.peek() != 0).ok_or(Refused::Full)?;
        let (kind, value) = match target {
            LegTarget::Interface(iface) => (1, iface.0),
            LegTarget::Nhlfe(id) => (2, id.0),
            LegTarget::Port(port) => (3, port.0),
            LegTarget::Group(id) => (4, id.0),
            LegTarget::Multicast(tunnel) => (5, tunnel.0),
            LegTarget::Arrive(port) => (6, port.0),
            LegTarget::Local => (7, 0),
            LegTarget::Context(space) => (8, space.0),
            LegTarget::Decapsulate(tunnel) => (9, tunnel.0),
        };
        let head = u32::from(leg) << 16 | kind;
        let link = self.find(group, leg);
        let (at, old) = (link.peek(), self.at(link, leg));
        match old {
            Some([old_head, old_value, _]) if (old_head.peek(), old_value.peek()) == (head, value) => return Ok(()),
            None if self.len >= self.legs.capacity() => return Err(Refused::Full),
            _ => {}
        }
        let new = self.legs.allocate(grace)?;
        let next = old.map_or(at, |[_, _, next]| next.peek());
        for (word, value) in self.legs.record(new).into_iter().flatten().zip([head, value, next]) {
            word.put(value);
        }
        link.publish(new);
        match old {
            Some(_) => self.legs.retire(grace, at),
            None => self.len = self.len.saturating_add(1),
        }
        Ok(())
    }

    /// Removes a leg.
    pub(crate) fn clear_leg(&mut self, grace: &Grace<'_>, group: ReplicationId, leg: u16) {
        let Some(group) = self.reader().group(group) else { return };
        let link = self.find(group, leg);
        let Some([_, _, next]) = self.at(link, leg) else { return };
        let old = link.peek();
        link.publish(next.peek());
        self.legs.retire(grace, old);
        self.len = self.len.saturating_sub(1);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::table::ReaderSlot;
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use std::{vec, vec::Vec};

    #[test]
    fn targets_and_owners_survive_their_words() {
        let (mut groups, mut legs) = (vec![ReplicationSlot::EMPTY; 2], vec![LegSlot::EMPTY; 10]);
        let grace = &mut Grace::new(&[]);
        let mut table = ReplicationWriter::new(&mut groups, &mut legs);
        for owner in [VsiOrVrf::Vrf(VrfId(u16::MAX)), VsiOrVrf::Vsi(VsiId(0)), VsiOrVrf::Vsi(VsiId(u16::MAX))] {
            table.set(ReplicationId(1), owner).unwrap();
            assert_eq!(table.reader().get(ReplicationId(1)).unwrap().0, owner);
        }
        let all = [
            LegTarget::Interface(IfIndex(u32::MAX)),
            LegTarget::Nhlfe(NhlfeId(u32::MAX)),
            LegTarget::Port(PortId(1)),
            LegTarget::Group(ReplicationId(2)),
            LegTarget::Multicast(TunnelId(3)),
            LegTarget::Arrive(PortId(4)),
            LegTarget::Context(LabelSpaceId(5)),
            LegTarget::Decapsulate(TunnelId(6)),
            LegTarget::Local,
        ];
        for (leg, target) in all.into_iter().enumerate().rev() {
            table.set_leg(grace, ReplicationId(1), u16::MAX - leg as u16, target).unwrap();
        }
        let found: Vec<_> = table.reader().legs(ReplicationId(1)).map(|(_, target)| target).collect();
        assert!(found.into_iter().eq(all.into_iter().rev()));
        assert_eq!(table.set_leg(grace, ReplicationId(0), 1, LegTarget::Local), Err(Refused::Full));
    }

    proptest! {
        #[test]
        fn the_groups_are_the_naive_ones(
            changes in proptest::collection::vec((0..5_u8, 0..4_u32, 0..6_u16, 0..3_u32, any::<bool>()), 0..300),
        ) {
            let (mut groups, mut legs) = (vec![ReplicationSlot::EMPTY; 3], vec![LegSlot::EMPTY; 9]);
            let readers = [ReaderSlot::EMPTY];
            let mut grace = Grace::new(&readers);
            let mut table = ReplicationWriter::new(&mut groups, &mut legs);
            let mut model: BTreeMap<u32, (VsiOrVrf, BTreeMap<u16, LegTarget>)> = BTreeMap::new();
            for (change, id, leg, n, inside) in changes {
                let group = ReplicationId(id);
                let held = (inside).then(|| {
                    let before: Vec<_> = table.reader().legs(group).collect();
                    (readers[0].pin(), table.reader().get(group), before)
                });
                match change {
                    0 => {
                        table.clear(&grace, group);
                        model.remove(&id);
                    }
                    1 => {
                        let owner = VsiOrVrf::Vsi(VsiId(n as u16));
                        if table.set(group, owner).is_ok() {
                            model.entry(id).or_insert((owner, BTreeMap::new())).0 = owner;
                        }
                    }
                    2 => {
                        table.clear_leg(&grace, group, leg);
                        model.get_mut(&id).and_then(|(_, legs)| legs.remove(&leg));
                    }
                    _ => {
                        let target = LegTarget::Port(PortId(n));
                        let all: usize = model.values().map(|(_, legs)| legs.len()).sum();
                        match table.set_leg(&mut grace, group, leg, target) {
                            Ok(()) => drop(model.get_mut(&id).unwrap().1.insert(leg, target)),
                            Err(Refused::Full) => assert!(all == 8 || !model.contains_key(&id)),
                            Err(Refused::Busy) => assert!(inside),
                        }
                    }
                }
                for id in 0..3 {
                    let found: BTreeMap<_, _> = table.reader().legs(ReplicationId(id)).collect();
                    let owner = table.reader().get(ReplicationId(id)).map(|(owner, _)| owner);
                    assert_eq!(owner, model.get(&id).map(|(owner, _)| *owner));
                    assert_eq!(found, model.get(&id).map(|(_, legs)| legs.clone()).unwrap_or_default());
                }
                // A reader that began before the change comes to the end: of the old legs, all but the changed one are there.
                if let Some((_pin, Some((_, mut cursor)), before)) = held {
                    let seen: Vec<_> = core::iter::from_fn(|| table.reader().next(&mut cursor)).collect();
                    assert!(before.iter().filter(|(n, _)| *n != leg || change == 0).all(|leg| seen.contains(leg)));
                }
            }
        }
    }
}
