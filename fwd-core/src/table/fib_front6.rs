//! What stands in front of the trie of VRFs with many IPv6 routes, where memory for it is lent: a hash table that leads to the
//! nodes at two depths, so that a look-up need not go through all above them.
//!
//! It knows nodes below 2000::/3, from which addresses are assigned, of VRFs with a direct root. A look-up that finds a node in
//! the direct root asks for that of its first 42 bits, where networks of 43 to 48 bits are, then for that of its first 30 bits; if
//! there is neither it goes on from the direct root, as without all this. So what finds no room is only looked up less quickly.
//!
//! A bucket has four tags, then the places of four nodes. The key, 44 bits, is mixed reversibly; what does not number the bucket
//! is the tag, so a tag that is equal is the key. A place is published before its tag; a tag goes with its node, and its slot is
//! taken by another only when no reader can still hold the old tag.

use super::fib_node::{ROUTE, is_node};
use super::grace::Grace;
use super::word::Word;

/// Depths of nodes that the table knows.
pub(super) const DEPTHS: [u8; 2] = [30, 42];
/// Words of a bucket.
const BUCKET: usize = 8;
/// Buckets at least: tags have 31 bits.
const BUCKETS_MIN: usize = 1 << (KEY_BITS - 31);
/// Bits of a key.
const KEY_BITS: u32 = 44;

/// Words for the nodes of so many routes: half as many nodes, twice the room.
pub(super) const fn front6_words(routes: usize) -> usize {
    if routes == 0 {
        return 0;
    }
    let buckets = (routes / 5).next_power_of_two();
    (if buckets < BUCKETS_MIN { BUCKETS_MIN } else { buckets }).saturating_mul(BUCKET)
}

/// The table.
#[derive(Clone, Copy, Debug)]
pub(super) struct Front6<'m> {
    words: &'m [Word],
    /// 64 without the bits of a bucket's number.
    shift: u32,
}

impl<'m> Front6<'m> {
    /// As much of the memory as is a power of two; none if it is too little.
    pub(super) fn new(words: &'m [Word]) -> Option<Self> {
        let bits = (words.len() / BUCKET).checked_ilog2()?.min(KEY_BITS - 1);
        let len = 1_usize.checked_shl(bits)?.checked_mul(BUCKET)?;
        let shift = 64_u32.saturating_sub(bits);
        Some(Self { words: words.get(..len)?, shift }).filter(|_| bits >= BUCKETS_MIN.ilog2())
    }

    /// The bucket and the tag of the node of the first `depth` bits, of `high`, in the VRF of direct root `number`.
    #[inline(always)]
    fn slot_of(self, number: u32, high: u64, depth: u8) -> Option<(&'m [Word; BUCKET], u32)> {
        // The three bits in front are known; the key stands in the upper 44.
        let (mask, is_deep) = if depth == 42 { (u64::MAX << 25, 1) } else { (u64::MAX << 37, 0) };
        let key = (high << 3 & mask) | u64::from(is_deep | number << 1) << (64 - KEY_BITS);
        // To multiply by an odd number is reversible, and what was zero below stays so.
        let mixed = key.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let bucket = mixed.wrapping_shr(self.shift) as usize;
        // Tags are odd; those of other addresses are none.
        let tag = (mixed.wrapping_shl(self.shift.wrapping_neg()) >> 32) as u32 | u32::from(high >> 61 == 1);
        Some((self.words.get(bucket.wrapping_mul(BUCKET)..)?.first_chunk()?, tag))
    }

    /// The node of these bits, or zero.
    #[inline(always)]
    pub(super) fn get(self, number: u32, high: u64, depth: u8) -> u32 {
        let Some((bucket, tag)) = self.slot_of(number, high, depth) else { return 0 };
        let [a, b, c, d, places @ ..] = bucket;
        let [a, b, c, d] = [a, b, c, d].map(|word| word.load() == tag);
        // One tag at most is equal.
        let at = usize::from(b | d) | (usize::from(c | d) << 1);
        let place = places.get(at & 3).map_or(0, Word::load);
        if (a | b | c | d) & is_node(place) { place } else { 0 }
    }

    /// Has these bits lead to this node, or to none.
    pub(super) fn set(self, grace: &Grace<'_>, number: u32, high: u64, depth: u8, node: u32) {
        let Some((bucket, tag)) = self.slot_of(number, high, depth).filter(|_| high >> 61 == 1) else { return };
        let (tags, places) = bucket.split_at(BUCKET / 2);
        let mut slots = tags.iter().zip(places);
        match slots.clone().find(|(word, _)| word.peek() == tag) {
            Some((_, place)) if is_node(node) => place.publish(node),
            Some((word, place)) => {
                place.publish(ROUTE | grace.stamp().0);
                word.publish(0);
            }
            None if is_node(node) => {
                // No look at the readers here: the nodes that this op took out were stamped, but the table may still lead to them.
                let is_over = |place: u32| place == 0 || grace.is_over(grace.recall(place & !ROUTE));
                if let Some((word, place)) = slots.find(|(word, place)| word.peek() == 0 && is_over(place.peek())) {
                    place.put(node);
                    word.publish(tag);
                }
            }
            None => {}
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::vec;

    #[test]
    fn memory_that_is_too_little_is_none() {
        assert!(Front6::new(&[]).is_none());
        let words = vec![Word::ZERO; front6_words(1)];
        assert!(Front6::new(&words).is_some() && Front6::new(&words[1..]).is_none());
        assert_eq!((front6_words(0), front6_words(160_000)), (0, 1 << 18));
    }

    /// Half as many nodes as slots: nearly all find room, none is taken for another, and all that go leave room.
    #[test]
    fn nodes_are_found_by_their_bits_alone() {
        let words = vec![Word::ZERO; front6_words(1)];
        let front = Front6::new(&words).unwrap();
        let grace = Grace::new(&[]);
        let net = |n: u32| 1 << 61 | u64::from(n) << 22;
        let nodes = 4 * BUCKETS_MIN as u32 / 2;
        for _ in 0..3 {
            (0..nodes).for_each(|n| front.set(&grace, n & 15, net(n), 42, n + 1));
            let found = (0..nodes).filter(|&n| front.get(n & 15, net(n) | 0x3f_ffff, 42) == n + 1).count();
            assert!(found > nodes as usize * 9 / 10, "{found} of {nodes}");
            for n in 0..nodes {
                assert!([0, n + 1].contains(&front.get(n & 15, net(n), 42)));
                assert_eq!((front.get(n & 15, net(n), 30), front.get(n & 15 ^ 1, net(n), 42)), (0, 0));
                assert_eq!(front.get(n & 15, net(n) ^ 1 << 63, 42), 0);
            }
            (0..nodes).for_each(|n| front.set(&grace, n & 15, net(n), 42, 0));
            assert!((0..nodes).all(|n| front.get(n & 15, net(n), 42) == 0));
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

    /// Five addresses of one bucket take turns in its four slots while a reader asks for the first one's node, which is 10.
    fn turns(readers: &'static [ReaderSlot]) {
        let words: &'static [Word] = vec![Word::ZERO; 2 * BUCKET].leak();
        awake(readers);
        awake(words);
        let front = Front6 { words, shift: 63 };
        let bucket = |high: u64| front.slot_of(0, high, 42).unwrap().0.as_ptr();
        let mut same = (0..).map(|n: u64| 1 << 61 | n << 22).filter(|&high| bucket(high) == bucket(1 << 61));
        let [first, others @ .., last] = core::array::from_fn::<u64, 5, _>(|_| same.next().unwrap());
        let mut grace = Grace::new(readers);
        front.set(&grace, 0, first, 42, 10);
        others.into_iter().for_each(|high| front.set(&grace, 0, high, 42, 11));
        let reader = thread::spawn(move || {
            for _ in 0..2 {
                let _pin = readers.first().map(ReaderSlot::pin);
                let node = front.get(0, first, 42);
                assert!(node == 0 || node == 10, "assertion: {node}");
            }
        });
        front.set(&grace, 0, first, 42, 0);
        let _ = grace.poll(grace.stamp());
        front.set(&grace, 0, last, 42, 20);
        assert!(matches!(front.get(0, last, 42), 0 | 20));
        reader.join().unwrap();
    }

    /// An address never finds the node of another, whoever has its slot.
    #[test]
    fn an_address_finds_its_own_node() {
        loom::model(|| turns(Box::leak(Box::new([ReaderSlot::EMPTY]))));
    }

    /// Without the reader's mark it does: the model sees what the marks are for.
    #[test]
    #[should_panic(expected = "assertion")]
    fn without_marks_an_address_finds_another_node() {
        loom::model(|| turns(&[]));
    }
}
