//! Virtual links: records by number, and an index by what their packets carry.
//!
//! The index is a circle of words, each the number of a link, at the place that the hash of its key says or behind it. What
//! is removed leaves a mark behind, so that a search goes on past it, until nothing follows the mark. A reader compares the
//! record that the index names, so a link that is being replaced is found as it was, as it is, or not at all.

use core::net::IpAddr;

use super::grace::Grace;
use super::records::{RecordWriter, Records, Refused, Slot};
use super::word::Word;
use crate::counters::VlinkCounters;
use crate::net::{NhlfeId, SaId, VlinkId};
use crate::op::vlink::{Packed, cookie_of, cookie_words};
use crate::op::{Dscp, Encapsulation, Ends, Protection, Session, TunnelModel, Vlink, VlinkOutput};
use crate::wire::gre::GreOrder;
use crate::wire::l2tpv3::L2tpOrder;

/// ```text
/// word 0: encapsulation (8) | flags (8) | association (16)     1: VRF or port     2: key or session     3, 4: cookie
/// 5: model (8) | output flags (8) | TTL (8) | DSCP (8)         6 to 13: both ends
/// 14: entry     15: key or session     16, 17: cookie     18: MTU (16) | association (16)     19: ports (32)
/// 20: octets of the association (8) | units of the cookie (8)     21: generation     22: label space     23: what is checked
/// ```
const WORDS: usize = 29;

/// One link, or none. Two cache lines.
pub type VlinkSlot = Slot<WORDS>;

const OUTPUT: u32 = 1;
const KEY: u32 = 2;
const NUMBERED: u32 = 4;
const DSCP: u32 = 8;
const PROTECT: u32 = 16;

/// What changes with every packet of a link: its counters, and the numbers of its packets. One worker's.
#[derive(Clone, Copy, Debug, Default)]
pub struct VlinkState {
    /// Of which link under its number this is.
    pub(crate) generation: u32,
    pub(crate) counters: VlinkCounters,
    /// The number that the next packet is sent with.
    pub(crate) next: u32,
    pub(crate) gre: GreOrder,
    pub(crate) l2tp: L2tpOrder,
}

impl VlinkState {
    /// Of a link without packets, to fill the memory that is lent.
    pub const EMPTY: Self =
        Self { generation: 0, counters: VlinkCounters::ZERO, next: 0, gre: GreOrder::NEW, l2tp: L2tpOrder::NEW };
}

/// A link, read where it stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Link<'m>(&'m [Word; WORDS]);

impl Link<'_> {
    #[inline]
    fn word(self, at: usize) -> u32 {
        self.0.get(at).map_or(0, Word::peek)
    }

    /// Tells one link from another that had its number before.
    pub(crate) fn generation(self) -> u32 {
        self.word(21)
    }

    fn words<const N: usize>(self, at: usize) -> [u32; N] {
        core::array::from_fn(|i| self.word(at.saturating_add(i)))
    }

    /// The link, and how its packets are known.
    pub(crate) fn vlink(self) -> Option<Vlink> {
        let [kind, flags, s0, s1] = self.word(0).to_be_bytes();
        let packed = Packed {
            kind,
            flags,
            deliver: self.word(1),
            selector: self.word(2),
            sa: u16::from_be_bytes([s0, s1]),
            cookie: self.words(3),
            space: self.word(22),
            checks: self.word(23) as u8,
        };
        let [model, ..] = self.word(5).to_be_bytes();
        let model = match model {
            0 => TunnelModel::Uniform,
            1 => TunnelModel::Pipe,
            _ => TunnelModel::ShortPipe,
        };
        Vlink::unpack(&packed, self.words(6), model).ok()
    }

    /// How packets leave by it, if that is said.
    pub(crate) fn output(self) -> Option<VlinkOutput> {
        let [_, flags, ttl, dscp] = self.word(5).to_be_bytes();
        let flags = u32::from(flags);
        if flags & OUTPUT == 0 {
            return None;
        }
        let (sizes, ports) = (self.word(18), self.word(19));
        let [overhead, units, ..] = self.word(20).to_be_bytes();
        Some(VlinkOutput {
            next: NhlfeId(self.word(14)),
            key: (flags & KEY != 0).then_some(self.word(15)),
            cookie: cookie_of(self.words(16), units)?,
            ports: ((ports >> 16) as u16, ports as u16),
            numbered: flags & NUMBERED != 0,
            mtu: (sizes >> 16) as u16,
            ttl,
            dscp: if flags & DSCP == 0 { None } else { Dscp::new(dscp) },
            protection: (flags & PROTECT != 0).then_some(Protection { sa: SaId(sizes as u16), overhead }),
        })
    }
}

/// What says the link of a packet that arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Selector {
    /// The encapsulation, as [`Packed::kind`].
    kind: u8,
    /// The key or session.
    value: u32,
    /// Ours, then theirs; zero where the session alone says the link.
    ends: [u32; 8],
}

impl Selector {
    /// That of packets of this encapsulation between these ends, which came through this association. A session is unique to its
    /// receiver, whoever sends. IP in IP has nothing of its own that says the link: there the association does, so that links of
    /// several VPNs share one pair of addresses (RFC 3884 §3).
    pub(crate) fn new(encapsulation: &Encapsulation, ends: &Ends, through: Option<SaId>) -> Self {
        let (kind, value, is_session) = match *encapsulation {
            Encapsulation::IpInIp => (1, through.map_or(0, |sa| u32::from(sa.0).wrapping_add(1)), false),
            Encapsulation::Gre => (2, 0, false),
            Encapsulation::GreKey(key) => (3, key, false),
            Encapsulation::MplsInIp => (4, 0, false),
            Encapsulation::MplsInUdp => (5, 0, false),
            Encapsulation::L2tp(Session { id, .. }) => (6, id, true),
            Encapsulation::L2tpUdp(Session { id, .. }) => (7, id, true),
        };
        Self { kind, value, ends: if is_session { [0; 8] } else { ends.words() } }
    }

    /// That of the packets of a link.
    pub(crate) fn of(vlink: &Vlink) -> Self {
        Self::new(&vlink.encapsulation, &vlink.ends, vlink.protection)
    }

    fn hash(&self) -> u32 {
        let step = |hash: u32, word: u32| (hash ^ word).wrapping_mul(0x9e37_79b1).rotate_left(15);
        let hash = self.ends.into_iter().fold(step(u32::from(self.kind), self.value), step);
        (hash ^ hash >> 16).wrapping_mul(0x85eb_ca6b)
    }
}

/// Removed, but something may stand behind it.
const MARK: u32 = u32::MAX;

/// Places that a search looks at, at most.
const REACH: usize = 64;

/// What readers see of the links.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Vlinks<'m> {
    records: Records<'m, WORDS>,
    index: &'m [Word],
}

impl<'m> Vlinks<'m> {
    #[inline]
    pub(crate) fn get(self, id: VlinkId) -> Option<Link<'m>> {
        self.records.get(id.0).map(Link)
    }

    /// Whether there can be links at all.
    #[inline]
    pub(crate) const fn is_empty(self) -> bool {
        self.index.is_empty()
    }

    /// The link that packets of this selector belong to.
    pub(crate) fn find(self, selector: &Selector) -> Option<(VlinkId, Vlink)> {
        for at in places(self.index.len(), selector.hash()) {
            let id = match self.index.get(at)?.load() {
                0 => return None,
                MARK => continue,
                id => VlinkId(id.wrapping_sub(1)),
            };
            if let Some(vlink) = self.get(id).and_then(Link::vlink) {
                if Selector::of(&vlink) == *selector {
                    return Some((id, vlink));
                }
            }
        }
        None
    }
}

/// The places of an index of `len` words where a key of this hash may stand, in order.
fn places(len: usize, hash: u32) -> impl Iterator<Item = usize> {
    // The hash says a part of the index: no division.
    let start = (u64::from(hash).wrapping_mul(len as u64) >> 32) as usize;
    (start..len).chain(0..start).take(REACH)
}

/// The writer of the links.
#[derive(Debug)]
pub(crate) struct VlinkWriter<'m> {
    records: RecordWriter<'m, WORDS>,
    index: &'m [Word],
    generation: u32,
}

impl<'m> VlinkWriter<'m> {
    pub(super) fn new(slots: &'m mut [VlinkSlot], index: &'m mut [Word]) -> Self {
        for word in index.iter() {
            word.put(0);
        }
        Self { records: RecordWriter::new(slots), index, generation: 0 }
    }

    /// Numbers of the table.
    pub(super) const fn capacity(&self) -> usize {
        self.records.capacity()
    }

    #[inline]
    pub(crate) const fn reader(&self) -> Vlinks<'m> {
        Vlinks { records: self.records.reader(), index: self.index }
    }

    /// Creates a link or changes it; its output stays. Another link with the same selector is left without packets: the last
    /// one wins.
    pub(super) fn set(&mut self, grace: &mut Grace<'_>, id: VlinkId, vlink: &Vlink) -> Result<(), Refused> {
        let old = self.reader().get(id);
        let mut record: [u32; WORDS] = old.map_or([0; WORDS], |link| link.words(0));
        let packed = vlink.pack();
        let model = match vlink.model {
            TunnelModel::Uniform => 0,
            TunnelModel::Pipe => 1,
            TunnelModel::ShortPipe => 2,
        };
        let [s0, s1] = packed.sa.to_be_bytes();
        let [head, deliver, selector, c0, c1, model_word, rest @ ..] = &mut record;
        *head = u32::from_be_bytes([packed.kind, packed.flags, s0, s1]);
        (*deliver, *selector, [*c0, *c1]) = (packed.deliver, packed.selector, packed.cookie);
        *model_word = *model_word & 0x00ff_ffff | model << 24;
        for (word, value) in rest.iter_mut().zip(vlink.ends.words()) {
            *word = value;
        }
        for (word, value) in record.iter_mut().skip(22).zip([packed.space, packed.checks.into()]) {
            *word = value;
        }
        if old.is_none() {
            self.generation = self.generation.wrapping_add(1);
            if let Some(word) = record.get_mut(21) {
                *word = self.generation;
            }
        }
        let selector = Selector::of(vlink);
        let before = old.and_then(Link::vlink).map(|old| Selector::of(&old));
        // Is there a place at all? If not, nothing was changed.
        self.place_for(&selector).ok_or(Refused::Full)?;
        self.records.set(grace, id.0, record)?;
        let number = id.0.wrapping_add(1);
        // The old place first: it may be the one to be taken, or stand in front of it.
        if let Some(before) = before.filter(|before| *before != selector) {
            self.forget(&before, number);
        }
        if let Some(word) = self.place_for(&selector).and_then(|place| self.index.get(place)) {
            word.publish(number);
        }
        Ok(())
    }

    /// Writes how packets leave by a link.
    pub(super) fn set_output(
        &mut self,
        grace: &mut Grace<'_>,
        id: VlinkId,
        output: &VlinkOutput,
    ) -> Result<(), Refused> {
        let mut record: [u32; WORDS] = self.reader().get(id).ok_or(Refused::Full)?.words(0);
        let (cookie, units) = cookie_words(&output.cookie);
        let flag = |set: bool, flag| if set { flag } else { 0 };
        let flags = OUTPUT
            | flag(output.key.is_some(), KEY)
            | flag(output.numbered, NUMBERED)
            | flag(output.dscp.is_some(), DSCP)
            | flag(output.protection.is_some(), PROTECT);
        let dscp = output.dscp.map_or(0, Dscp::value);
        let (sa, overhead) = output.protection.map_or((0, 0), |p| (p.sa.0, p.overhead));
        let values = [
            output.next.0,
            output.key.unwrap_or(0),
            cookie[0],
            cookie[1],
            u32::from(output.mtu) << 16 | u32::from(sa),
            u32::from(output.ports.0) << 16 | u32::from(output.ports.1),
            u32::from_be_bytes([overhead, units, 0, 0]),
        ];
        let [_, _, _, _, _, model, _, _, _, _, _, _, _, _, rest @ ..] = &mut record;
        *model = *model & 0xff00_0000 | flags << 16 | u32::from(output.ttl) << 8 | u32::from(dscp);
        for (word, value) in rest.iter_mut().zip(values) {
            *word = value;
        }
        self.records.set(grace, id.0, record)
    }

    /// Removes a link.
    pub(super) fn clear(&mut self, grace: &Grace<'_>, id: VlinkId) {
        let old = self.reader().get(id).and_then(Link::vlink);
        if let Some(old) = old {
            self.forget(&Selector::of(&old), id.0.wrapping_add(1));
        }
        self.records.clear(grace, id.0);
    }

    /// Where a link of this selector stands or may stand.
    fn place_for(&self, selector: &Selector) -> Option<usize> {
        let held = self.reader().find(selector).and_then(|(id, _)| self.place(selector, id.0.wrapping_add(1)));
        held.or_else(|| self.free_place(selector))
    }

    /// Where this number stands among the places of a selector.
    fn place(&self, selector: &Selector, number: u32) -> Option<usize> {
        let mut places = places(self.index.len(), selector.hash());
        places.find(|&at| self.index.get(at).is_some_and(|word| word.peek() == number))
    }

    fn free_place(&self, selector: &Selector) -> Option<usize> {
        let mut places = places(self.index.len(), selector.hash());
        places.find(|&at| self.index.get(at).is_some_and(|word| matches!(word.peek(), 0 | MARK)))
    }

    /// Takes a number from the places of a selector, and marks that nothing stands behind from there backwards.
    fn forget(&self, selector: &Selector, number: u32) {
        let Some(mut at) = self.place(selector, number) else { return };
        if let Some(word) = self.index.get(at) {
            word.publish(MARK);
        }
        let len = self.index.len();
        let after = at.saturating_add(1);
        let behind = self.index.get(if after >= len { 0 } else { after });
        if behind.is_none_or(|word| word.peek() != 0) {
            return;
        }
        // The search would end at the next place: it may as well end here, and at the marks before.
        for _ in 0..len {
            match self.index.get(at) {
                Some(word) if word.peek() == MARK => word.publish(0),
                _ => return,
            }
            at = at.checked_sub(1).unwrap_or(len.saturating_sub(1));
        }
    }
}

/// The outer addresses of a packet that arrived.
pub(crate) const fn ends_of(destination: IpAddr, source: IpAddr) -> Option<Ends> {
    match (destination, source) {
        (IpAddr::V4(local), IpAddr::V4(remote)) => Some(Ends::V4 { local, remote }),
        (IpAddr::V6(local), IpAddr::V6(remote)) => Some(Ends::V6 { local, remote }),
        _ => None,
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::net::VrfId;
    use crate::op::Deliver;
    use crate::wire::l2tpv3::Cookie;
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use std::vec::Vec;

    fn ends(peer: u8) -> Ends {
        Ends::V4 { local: [10, 0, 0, 1].into(), remote: [10, 0, 0, peer].into() }
    }

    fn link(encapsulation: Encapsulation, peer: u8) -> Vlink {
        Vlink {
            ends: ends(peer),
            encapsulation,
            deliver: Deliver::Vrf(VrfId(7)),
            mpls: true,
            label_space: Some(crate::net::LabelSpaceId(9)),
            check_source: true,
            ordered: false,
            protection: Some(SaId(0x1234)),
            model: TunnelModel::ShortPipe,
        }
    }

    fn output(mtu: u16) -> VlinkOutput {
        VlinkOutput {
            next: NhlfeId(0x0102_0304),
            key: Some(u32::MAX),
            cookie: Cookie::new(&[9; 8]).unwrap(),
            ports: (0x8001, 0x8002),
            numbered: true,
            mtu,
            ttl: 255,
            dscp: Dscp::new(63),
            protection: Some(Protection { sa: SaId(u16::MAX), overhead: 255 }),
        }
    }

    #[test]
    fn a_link_survives_its_record() {
        let mut slots = [const { VlinkSlot::EMPTY }; 3];
        let mut index = [const { Word::ZERO }; 4];
        let mut grace = Grace::new(&[]);
        let mut table = VlinkWriter::new(&mut slots, &mut index);
        let session = Session { id: 5, cookie: Cookie::new(&[1, 2, 3, 4]).unwrap(), sublayer: true };
        let v6 = Ends::V6 { local: 1_u128.to_be_bytes().into(), remote: u128::MAX.to_be_bytes().into() };
        for vlink in [
            link(Encapsulation::GreKey(u32::MAX), 2),
            Vlink { ends: v6, ..link(Encapsulation::L2tpUdp(session), 2) },
            Vlink { protection: None, model: TunnelModel::Uniform, ..link(Encapsulation::MplsInUdp, 3) },
        ] {
            assert_eq!(table.set_output(&mut grace, VlinkId(1), &output(1)), Err(Refused::Full), "no link yet");
            table.set(&mut grace, VlinkId(1), &vlink).unwrap();
            assert!(table.reader().get(VlinkId(1)).unwrap().output().is_none());
            table.set_output(&mut grace, VlinkId(1), &output(1400)).unwrap();
            table.set(&mut grace, VlinkId(1), &vlink).unwrap();
            let found = table.reader().get(VlinkId(1)).unwrap();
            assert_eq!((found.vlink(), found.output()), (Some(vlink), Some(output(1400))));
            let selector = Selector::of(&vlink);
            assert_eq!(table.reader().find(&selector), Some((VlinkId(1), vlink)));
            table.clear(&grace, VlinkId(1));
            assert_eq!(table.reader().find(&selector), None);
        }
        assert!(index.iter().all(|word| word.peek() == 0), "no marks are left behind");
        assert_eq!(size_of::<VlinkSlot>(), 128);
    }

    proptest! {
        /// Shows: VLINK-4-2
        #[test]
        fn every_selector_leads_to_one_link_or_none(
            changes in proptest::collection::vec((0..12_u32, 0..4_u8, 0..3_u8, 0..4_u32), 0..200),
        ) {
            let mut slots = [const { VlinkSlot::EMPTY }; 12];
            let mut index: Vec<Word> = (0..12).map(|_| Word::ZERO).collect();
            let mut grace = Grace::new(&[]);
            let mut table = VlinkWriter::new(&mut slots, &mut index);
            let mut links: BTreeMap<u32, Vlink> = BTreeMap::new();
            let mut owners: BTreeMap<(u8, u8, u32), u32> = BTreeMap::new();
            let of = |kind: u8, peer: u8, value: u32| match kind {
                0 => (link(Encapsulation::IpInIp, peer), (0, peer, 0)),
                1 => (link(Encapsulation::GreKey(value), peer), (1, peer, value)),
                _ => {
                    let session = Session { id: value, cookie: Cookie::NONE, sublayer: false };
                    (link(Encapsulation::L2tp(session), peer), (2, 0, value))
                }
            };
            let mut keys: BTreeMap<u32, (u8, u8, u32)> = BTreeMap::new();
            for (id, peer, kind, value) in changes {
                if peer == 0 {
                    table.clear(&grace, VlinkId(id));
                    links.remove(&id);
                    if let Some(key) = keys.remove(&id) {
                        if owners.get(&key) == Some(&id) {
                            owners.remove(&key);
                        }
                    }
                } else {
                    let (vlink, key) = of(kind, peer, value);
                    match table.set(&mut grace, VlinkId(id), &vlink) {
                        Ok(()) => {
                            assert!(id < 11);
                            links.insert(id, vlink);
                            if let Some(old) = keys.insert(id, key) {
                                if old != key && owners.get(&old) == Some(&id) {
                                    owners.remove(&old);
                                }
                            }
                            owners.insert(key, id);
                        }
                        Err(refused) => assert!(id == 11 && refused == Refused::Full),
                    }
                }
                for peer in 1..4 {
                    for kind in 0..3 {
                        for value in 0..4 {
                            let (vlink, key) = of(kind, peer, value);
                            let selector = Selector::of(&vlink);
                            let found = table.reader().find(&selector).map(|(id, vlink)| (id.0, vlink));
                            let expected = owners.get(&key).map(|id| (*id, links[id]));
                            prop_assert_eq!(found, expected);
                        }
                    }
                }
            }
        }
    }
}
