//! MAC addresses of all virtual switch instances, in buckets of a cache line.
//!
//! An address has two buckets by its hash, and stands in the first that had room. What does not fit there finds room by
//! sending an address that is in its first bucket to its second: never back, so that a reader, which looks into the first
//! bucket before the second, finds an address that moves. Readers write one word of a bucket: that they saw its addresses.

use super::grace::{Grace, Stamp};
use super::hash::{Hash, place};
use super::records::Refused;
use super::word::Word;
use crate::net::{Mac, PortId, VsiId};

/// Addresses in a bucket.
pub(super) const WAYS: usize = 5;

/// Five addresses: 64 octets.
///
/// ```text
/// seen: one bit for each address, set by readers
/// low:  the last four octets of the addresses      high: VSI (16) | the first two octets
/// entry: 1 (1) | static (1) | idle (6) | port (24), or 0 (1) | stamp (31): free when readers have left
/// ```
#[derive(Clone, Debug)]
#[repr(C, align(64))]
pub struct MacBucket {
    pub(super) seen: Word,
    pub(super) low: [Word; WAYS],
    pub(super) high: [Word; WAYS],
    pub(super) entry: [Word; WAYS],
}

impl MacBucket {
    /// Addresses that a bucket holds.
    pub const ADDRESSES: usize = WAYS;
    /// No address, to fill the memory that is lent.
    #[allow(clippy::declare_interior_mutable_const)] // every use is a fresh bucket
    pub const EMPTY: Self = Self {
        seen: Word::ZERO,
        low: [const { Word::ZERO }; WAYS],
        high: [const { Word::ZERO }; WAYS],
        entry: [const { Word::ZERO }; WAYS],
    };

    /// Buckets for so many addresses: at four fifths, one of a million finds no room.
    #[must_use]
    pub const fn count(addresses: usize) -> usize {
        addresses.div_ceil(WAYS.saturating_sub(1))
    }
}

impl Default for MacBucket {
    fn default() -> Self {
        Self::EMPTY
    }
}

pub(super) const IN_USE: u32 = 1 << 31;
const STATIC: u32 = 1 << 30;
const IDLE_SHIFT: u32 = 24;
const IDLE: u32 = 0x3f << IDLE_SHIFT;
/// Port numbers are below this.
pub(super) const PORTS: u32 = 1 << 24;

/// An address of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Key {
    pub(super) low: u32,
    pub(super) high: u32,
}

impl Key {
    #[inline]
    pub(super) const fn new(vsi: VsiId, mac: Mac) -> Self {
        let [a, b, c, d, e, f] = mac.0;
        let high = (vsi.0 as u32) << 16 | (a as u32) << 8 | b as u32;
        Self { low: u32::from_be_bytes([c, d, e, f]), high }
    }

    const fn vsi(self) -> VsiId {
        VsiId((self.high >> 16) as u16)
    }

    const fn mac(self) -> Mac {
        let ([_, _, a, b], [c, d, e, f]) = (self.high.to_be_bytes(), self.low.to_be_bytes());
        Mac([a, b, c, d, e, f])
    }
}

/// Where an address was found.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Found<'m> {
    bucket: &'m MacBucket,
    way: usize,
    entry: u32,
}

impl Found<'_> {
    /// The port that the address is at.
    #[inline]
    pub(crate) const fn port(&self) -> PortId {
        PortId(self.entry & (PORTS - 1))
    }

    #[inline]
    pub(crate) const fn is_static(&self) -> bool {
        self.entry & STATIC != 0
    }

    /// Notes that a frame came from the address. Readers that do so at the same time may undo each other's notes; an address
    /// that is in use is noted again before it is too late.
    #[inline]
    pub(crate) fn see(&self) {
        let (seen, bit) = (self.bucket.seen.peek(), 1 << self.way);
        if seen & bit == 0 {
            self.bucket.seen.put(seen | bit);
        }
    }
}

/// What readers see.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Macs<'m> {
    pub(super) buckets: &'m [MacBucket],
    hash: Hash,
}

impl<'m> Macs<'m> {
    #[inline]
    pub(super) fn places(&self, key: Key) -> (usize, usize) {
        let (a, b) = self.hash.of(&[key.low, key.high]);
        (place(a, self.buckets.len()), place(b, self.buckets.len()))
    }

    /// Where an address is.
    #[inline]
    pub(crate) fn get(&self, vsi: VsiId, mac: Mac) -> Option<Found<'m>> {
        let key = Key::new(vsi, mac);
        let (first, second) = self.places(key);
        find(self.buckets.get(first)?, key).or_else(|| find(self.buckets.get(second)?, key))
    }
}

/// Looks for a key without a branch for each way: the last octets decide, the rest is checked.
#[inline]
fn find(bucket: &MacBucket, key: Key) -> Option<Found<'_>> {
    let mut candidates = 0_u32;
    for (way, low) in bucket.low.iter().enumerate() {
        candidates |= u32::from(low.peek() == key.low) << way;
    }
    while candidates != 0 {
        let way = candidates.trailing_zeros() as usize;
        let entry = bucket.entry.get(way)?.load();
        if entry & IN_USE != 0 && bucket.high.get(way)?.peek() == key.high && bucket.low.get(way)?.peek() == key.low {
            return Some(Found { bucket, way, entry });
        }
        candidates &= candidates.wrapping_sub(1);
    }
    None
}

/// A bucket, and a way of it that no reader looks at.
type Vacancy<'m> = (&'m MacBucket, usize);

/// The writer's hold of the table.
#[derive(Debug)]
pub(crate) struct MacWriter<'m> {
    buckets: &'m [MacBucket],
    hash: Hash,
    len: usize,
    /// The bucket that aging comes to next, and how often it came to the first.
    hand: usize,
    round: u32,
}

/// Whether and when an instance's addresses age: in rounds of the sweep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Aging {
    /// Rounds in which an address's idle count rises by one.
    pub(crate) step: u32,
    /// The idle count at which it is forgotten, at most 63.
    pub(crate) limit: u32,
}

/// An address that was removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Removed {
    pub(crate) vsi: VsiId,
    pub(crate) port: PortId,
    pub(crate) is_static: bool,
}

impl<'m> MacWriter<'m> {
    /// An empty table, whatever the buckets held.
    pub(crate) fn new(buckets: &'m mut [MacBucket], seed: u64) -> Self {
        buckets.fill(MacBucket::EMPTY);
        Self { buckets, hash: Hash::new(seed), len: 0, hand: 0, round: 0 }
    }

    /// What readers see.
    #[inline]
    pub(crate) const fn reader(&self) -> Macs<'m> {
        Macs { buckets: self.buckets, hash: self.hash }
    }

    /// Addresses in the table.
    #[cfg(test)]
    pub(crate) const fn len(&self) -> usize {
        self.len
    }

    /// Buckets of the table.
    pub(crate) const fn buckets(&self) -> usize {
        self.buckets.len()
    }

    /// Puts an address at a port; `port` is below [`PORTS`].
    pub(crate) fn set(
        &mut self,
        grace: &mut Grace<'_>,
        vsi: VsiId,
        mac: Mac,
        port: PortId,
        is_static: bool,
    ) -> Result<(), Refused> {
        let key = Key::new(vsi, mac);
        let entry = IN_USE | if is_static { STATIC } else { 0 } | port.0;
        if let Some(found) = self.reader().get(vsi, mac) {
            found.see();
            if found.entry & !IDLE != entry {
                found.bucket.entry.get(found.way).ok_or(Refused::Full)?.publish(entry);
            }
            return Ok(());
        }
        let (first, second) = self.reader().places(key);
        let full = |_: &mut Grace<'_>, _| Err(Refused::Full);
        let once = |grace: &mut Grace<'_>, at| self.displace(grace, at, full);
        let vacancy = self.vacancy(grace, first).or_else(|_| self.vacancy(grace, second));
        let vacancy = vacancy.or_else(|_| self.displace(grace, first, once));
        let vacancy = vacancy.or_else(|_| self.displace(grace, second, once));
        let waits = |at: usize| self.buckets.get(at).is_some_and(MacBucket::waits);
        let (bucket, way) = vacancy.map_err(|r| if waits(first) || waits(second) { Refused::Busy } else { r })?;
        bucket.fill(way, key, entry);
        self.len = self.len.saturating_add(1);
        Ok(())
    }

    /// A way of a bucket that no reader looks at.
    fn vacancy(&self, grace: &mut Grace<'_>, bucket: usize) -> Result<Vacancy<'m>, Refused> {
        let bucket = self.buckets.get(bucket).ok_or(Refused::Full)?;
        let mut refused = Refused::Full;
        for (way, entry) in bucket.entry.iter().enumerate() {
            let entry = entry.peek();
            if entry & IN_USE == 0 {
                if entry == 0 || grace.poll(unstamp(grace, entry)) {
                    return Ok((bucket, way));
                }
                refused = Refused::Busy;
            }
        }
        Err(refused)
    }

    /// Makes room in a bucket: an address that is in its first bucket here moves to its second, where there is room or where
    /// `make_room` makes some.
    fn displace(
        &self,
        grace: &mut Grace<'_>,
        from: usize,
        make_room: impl Fn(&mut Grace<'_>, usize) -> Result<Vacancy<'m>, Refused>,
    ) -> Result<Vacancy<'m>, Refused> {
        let bucket = self.buckets.get(from).ok_or(Refused::Full)?;
        let mut refused = Refused::Full;
        for way in 0..WAYS {
            let Some((key, entry)) = bucket.read(way) else { continue };
            let (first, second) = self.reader().places(key);
            if first != from || second == from {
                continue;
            }
            match self.vacancy(grace, second).or_else(|_| make_room(grace, second)) {
                Ok((to, to_way)) => {
                    to.fill(to_way, key, entry);
                    bucket.vacate(grace, way);
                    return self.vacancy(grace, from);
                }
                Err(Refused::Busy) => refused = Refused::Busy,
                Err(Refused::Full) => {}
            }
        }
        Err(refused)
    }

    /// Removes an address.
    pub(crate) fn clear(&mut self, grace: &Grace<'_>, vsi: VsiId, mac: Mac) -> Option<Removed> {
        let found = self.reader().get(vsi, mac)?;
        found.bucket.vacate(grace, found.way);
        self.len = self.len.saturating_sub(1);
        Some(Removed { vsi, port: found.port(), is_static: found.is_static() })
    }

    /// Removes the addresses that `is_flushed` says. The work is proportional to the table.
    pub(crate) fn flush(
        &mut self,
        grace: &Grace<'_>,
        is_flushed: impl Fn(&Removed) -> bool,
        mut removed: impl FnMut(Removed),
    ) {
        for bucket in self.buckets {
            for way in 0..WAYS {
                let Some((key, entry)) = bucket.read(way) else { continue };
                let port = PortId(entry & (PORTS - 1));
                let address = Removed { vsi: key.vsi(), port, is_static: entry & STATIC != 0 };
                if is_flushed(&address) {
                    bucket.vacate(grace, way);
                    self.len = self.len.saturating_sub(1);
                    removed(address);
                }
            }
        }
    }

    /// Ages the addresses of the next `buckets` buckets. `aging` says how an instance's age, if they do.
    pub(crate) fn sweep(
        &mut self,
        grace: &Grace<'_>,
        buckets: usize,
        aging: impl Fn(VsiId) -> Option<Aging>,
        mut removed: impl FnMut(Removed, Mac),
    ) {
        for _ in 0..buckets {
            let Some(bucket) = self.buckets.get(self.hand) else { return };
            let seen = bucket.seen.peek();
            bucket.seen.put(0);
            for way in 0..WAYS {
                let Some((key, entry)) = bucket.read(way).filter(|(_, entry)| entry & STATIC == 0) else { continue };
                let Some(aging) = aging(key.vsi()) else { continue };
                let idle = (entry & IDLE) >> IDLE_SHIFT;
                let new = if seen & (1 << way) != 0 {
                    0
                } else if self.round.checked_rem(aging.step) == Some(0) {
                    idle.saturating_add(1)
                } else {
                    continue;
                };
                if new >= aging.limit && new != 0 {
                    bucket.vacate(grace, way);
                    self.len = self.len.saturating_sub(1);
                    let port = PortId(entry & (PORTS - 1));
                    removed(Removed { vsi: key.vsi(), port, is_static: false }, key.mac());
                } else if let Some(word) = bucket.entry.get(way).filter(|_| new != idle) {
                    word.publish(entry & !IDLE | new << IDLE_SHIFT);
                }
            }
            self.hand = self.hand.saturating_add(1);
            if self.hand >= self.buckets.len() {
                (self.hand, self.round) = (0, self.round.wrapping_add(1));
            }
        }
    }

    /// Every address, in no order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (VsiId, Mac, PortId, bool)> + '_ {
        let ways = self.buckets.iter().flat_map(|bucket| (0..WAYS).filter_map(|way| bucket.read(way)));
        ways.map(|(key, entry)| (key.vsi(), key.mac(), PortId(entry & (PORTS - 1)), entry & STATIC != 0))
    }
}

impl MacBucket {
    /// The address of a way, if it is in use.
    fn read(&self, way: usize) -> Option<(Key, u32)> {
        let entry = self.entry.get(way)?.peek();
        let key = Key { low: self.low.get(way)?.peek(), high: self.high.get(way)?.peek() };
        (entry & IN_USE != 0).then_some((key, entry))
    }

    /// Whether a way is free but for readers that may still look at it.
    fn waits(&self) -> bool {
        self.entry.iter().any(|entry| entry.peek() & IN_USE == 0)
    }

    /// Writes a way that no reader looks at, its entry last.
    fn fill(&self, way: usize, key: Key, entry: u32) {
        let (Some(low), Some(high), Some(word)) = (self.low.get(way), self.high.get(way), self.entry.get(way)) else {
            return;
        };
        low.put(key.low);
        high.put(key.high);
        word.publish(entry);
        self.seen.put(self.seen.peek() | 1 << way);
    }

    fn vacate(&self, grace: &Grace<'_>, way: usize) {
        let stamp = if grace.has_readers() { (grace.stamp().0 & !IN_USE).max(1) } else { 0 };
        if let Some(entry) = self.entry.get(way) {
            entry.publish(stamp);
        }
    }
}

/// The stamp of which an entry holds the low 31 bits: the one that is nearest to that of this moment.
const fn unstamp(grace: &Grace<'_>, entry: u32) -> Stamp {
    let now = grace.stamp().0;
    // The distance back, modulo 2^31.
    let behind = now.wrapping_sub(entry) & !IN_USE;
    Stamp(now.wrapping_sub(behind))
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use crate::table::ReaderSlot;
    use proptest::prelude::*;
    use std::collections::BTreeMap;
    use std::{vec, vec::Vec};

    fn mac(n: u32) -> Mac {
        let [a, b, c, d] = n.to_be_bytes();
        Mac([2, 0, a, b, c, d])
    }

    #[test]
    fn a_bucket_is_a_cache_line() {
        assert_eq!((size_of::<MacBucket>(), align_of::<MacBucket>()), (64, 64));
        let key = Key::new(VsiId(0xfedc), Mac([2, 3, 4, 5, 6, 7]));
        assert_eq!((key.vsi(), key.mac()), (VsiId(0xfedc), Mac([2, 3, 4, 5, 6, 7])));
    }

    #[test]
    fn at_four_fifths_every_address_finds_room() {
        let addresses = 65_536;
        for seed in 0..3 {
            let mut buckets = vec![MacBucket::EMPTY; MacBucket::count(addresses)];
            let mut grace = Grace::new(&[]);
            let mut table = MacWriter::new(&mut buckets, seed);
            for n in 0..addresses as u32 {
                assert_eq!(table.set(&mut grace, VsiId((n % 7) as u16), mac(n), PortId(n), false), Ok(()), "{n}");
            }
            assert_eq!((table.len(), table.iter().count()), (addresses, addresses));
            let keys: Vec<_> = (0..addresses as u32).map(|n| (VsiId((n % 7) as u16), mac(n))).collect();
            let mut ports = vec![None; addresses];
            table.reader().get_batch(&keys, &mut ports);
            assert!(ports.iter().enumerate().all(|(n, port)| *port == Some(PortId(n as u32))));
        }
    }

    #[test]
    fn an_address_that_is_not_seen_is_forgotten_and_a_static_one_is_not() {
        let mut buckets = vec![MacBucket::EMPTY; 3];
        let grace = &mut Grace::new(&[]);
        let mut table = MacWriter::new(&mut buckets, 1);
        for (n, is_static) in [(1, false), (2, false), (3, true)] {
            table.set(grace, VsiId(1), mac(n), PortId(n), is_static).unwrap();
        }
        table.set(grace, VsiId(2), mac(1), PortId(9), false).unwrap();
        let aging = |vsi: VsiId| (vsi.0 == 1).then_some(Aging { step: 2, limit: 3 });
        let mut gone = vec![];
        // The first round only unmarks them; then every other one counts.
        for round in 0..6 {
            assert!(gone.is_empty(), "{round}");
            table.reader().get(VsiId(1), mac(2)).unwrap().see();
            table.sweep(grace, 3, aging, |removed, address| gone.push((removed.port, address)));
        }
        assert_eq!(gone, []);
        table.sweep(grace, 3, aging, |removed, address| gone.push((removed.port, address)));
        assert_eq!(gone, [(PortId(1), mac(1))]);
        assert_eq!(table.len(), 3);
        assert!(table.reader().get(VsiId(2), mac(1)).is_some());
    }

    #[test]
    fn stamps_survive_31_bits() {
        let readers = [ReaderSlot::EMPTY];
        let mut grace = Grace::new(&readers);
        let bucket = MacBucket::EMPTY;
        for _ in 0..3 {
            let stamp = grace.stamp();
            bucket.vacate(&grace, 0);
            assert_eq!(unstamp(&grace, bucket.entry[0].peek()), stamp);
            assert!(grace.poll(stamp));
            assert_eq!(unstamp(&grace, bucket.entry[0].peek()), stamp);
        }
    }

    proptest! {
        #[test]
        fn the_table_is_the_naive_one(
            changes in proptest::collection::vec((0..3_u8, 0..30_u32, 0..4_u32, any::<bool>()), 0..400),
            seed: u64,
        ) {
            let mut buckets = vec![MacBucket::EMPTY; 5];
            let readers = [ReaderSlot::EMPTY];
            let mut grace = Grace::new(&readers);
            let mut table = MacWriter::new(&mut buckets, seed);
            let mut model = BTreeMap::new();
            for (change, n, port, inside) in changes {
                let (vsi, address, port) = (VsiId((n & 1) as u16), mac(n >> 1), PortId(port));
                let _pin = inside.then(|| readers[0].pin());
                match change {
                    0 => {
                        let removed = table.clear(&grace, vsi, address).map(|r| (r.port, r.is_static));
                        assert_eq!(removed, model.remove(&(vsi, address)));
                    }
                    1 => {
                        let is_flushed = |a: &Removed| a.port == port && !a.is_static;
                        let mut gone = 0;
                        table.flush(&grace, is_flushed, |_| gone += 1);
                        let before = model.len();
                        model.retain(|_, (at, is_static)| *at != port || *is_static);
                        assert_eq!(gone, before - model.len());
                    }
                    _ => match table.set(&mut grace, vsi, address, port, n % 5 == 0) {
                        Ok(()) => drop(model.insert((vsi, address), (port, n % 5 == 0))),
                        // Its bucket is full at least, and none of those in it has a second with room.
                        Err(Refused::Full) => assert!(model.len() >= WAYS, "{} of 25", model.len()),
                        Err(Refused::Busy) => {}
                    },
                }
                assert_eq!(table.len(), model.len());
                for n in 0..30 {
                    let (vsi, address) = (VsiId((n & 1) as u16), mac(n >> 1));
                    let found = table.reader().get(vsi, address).map(|f| (f.port(), f.is_static()));
                    assert_eq!(found, model.get(&(vsi, address)).copied());
                }
            }
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
    use std::vec;

    /// A way that changes hands is never taken for the wrong address, whatever the writer does at the same time.
    #[test]
    fn a_reader_sees_an_address_at_its_own_port() {
        loom::model(|| {
            let buckets = vec![MacBucket::EMPTY; 1].leak();
            let readers: &'static [ReaderSlot] = Box::leak(Box::new([ReaderSlot::EMPTY]));
            awake(readers);
            awake(buckets);
            let mut grace = Grace::new(readers);
            let mut table = MacWriter::new(buckets, 1);
            let address = |n| Mac([2, 0, 0, 0, 0, n]);
            for n in 0..5 {
                table.set(&mut grace, VsiId(0), address(n), PortId(n.into()), false).unwrap();
            }
            let macs = table.reader();
            let reader = thread::spawn(move || {
                let _pin = readers[0].pin();
                for n in [0, 5] {
                    if let Some(found) = macs.get(VsiId(0), address(n)) {
                        assert_eq!(found.port(), PortId(n.into()));
                    }
                }
            });
            table.clear(&grace, VsiId(0), address(0)).unwrap();
            // Busy as long as the reader may have found the address that was there.
            let _ = table.set(&mut grace, VsiId(0), address(5), PortId(5), false);
            reader.join().unwrap();
        });
    }

    /// An address that is sent to its second bucket, so that its first has room for another, is found throughout.
    #[test]
    fn a_reader_finds_an_address_that_moves() {
        loom::model(|| {
            let buckets: &'static mut [MacBucket] = vec![MacBucket::EMPTY; 2].leak();
            let readers: &'static [ReaderSlot] = Box::leak(Box::new([ReaderSlot::EMPTY]));
            awake(readers);
            awake(buckets);
            let mut grace = Grace::new(readers);
            let mut table = MacWriter::new(buckets, 1);
            let macs = table.reader();
            let with = |places| {
                let all = (0..=255).map(|n| Mac([2, 0, 0, 0, 0, n]));
                all.filter(move |mac| macs.places(Key::new(VsiId(0), *mac)) == places)
            };
            let five: [Mac; 5] = core::array::from_fn(|n| with((0, 1)).nth(n).unwrap());
            for (mac, port) in five.into_iter().zip(0..) {
                table.set(&mut grace, VsiId(0), mac, PortId(port), false).unwrap();
            }
            let reader = thread::spawn(move || {
                let _pin = readers[0].pin();
                let found = macs.get(VsiId(0), five[0]).map(|found| found.port());
                assert_eq!(found, Some(PortId(0)));
            });
            // It has no second bucket. Busy as long as the reader may look at the way that was left.
            let alone = with((0, 0)).next().unwrap();
            let _ = table.set(&mut grace, VsiId(0), alone, PortId(9), false);
            assert!(table.reader().get(VsiId(0), five[0]).is_some_and(|found| found.port() == PortId(0)));
            reader.join().unwrap();
        });
    }
}
