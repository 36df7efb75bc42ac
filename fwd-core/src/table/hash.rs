//! A hash of a few words that nobody can aim at without the seed.

/// The most words of a key, rounded up to an even number.
const WORDS: usize = 10;

/// Odd, without structure: the fractional part of the golden ratio.
const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;

/// A function of the NH family: each pair of words, offset by secret ones, is multiplied and the products are added. Two keys
/// collide for one seed of 2^32. One multiplication of 32 bits for two words, which a Cortex-M3 does as well as a server.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hash {
    secret: [u32; WORDS],
}

impl Hash {
    /// The function of this seed.
    pub(super) fn new(seed: u64) -> Self {
        let mut state = seed;
        let secret = core::array::from_fn(|_| {
            // splitmix64
            state = state.wrapping_add(MULTIPLIER);
            let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            (z ^ (z >> 31)) as u32
        });
        Self { secret }
    }

    /// Two hashes of a key.
    #[inline]
    pub(super) fn of<const K: usize>(&self, key: &[u32; K]) -> (u32, u32) {
        let mut sum = 0_u64;
        for (pair, secret) in key.chunks(2).zip(self.secret.chunks(2)) {
            let word = |i: usize| {
                let secret = secret.get(i).copied().unwrap_or(0);
                u64::from(pair.get(i).copied().unwrap_or(0).wrapping_add(secret))
            };
            sum = sum.wrapping_add(word(0).wrapping_mul(word(1)));
        }
        let mixed = (sum ^ (sum >> 32)).wrapping_mul(MULTIPLIER);
        ((mixed >> 32) as u32, (mixed ^ (mixed >> 29)) as u32)
    }
}

/// A place below `len` for a hash, each as likely.
#[inline]
pub(super) const fn place(hash: u32, len: usize) -> usize {
    ((hash as u64).wrapping_mul(len as u64) >> 32) as usize
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    /// Keys that differ in one place spread like balls thrown at random.
    #[test]
    fn counting_keys_fill_places_evenly() {
        for seed in 0..4 {
            let hash = Hash::new(seed);
            let mut places = [[0_u32; 1024]; 2];
            for n in 0..4096_u32 {
                let (a, b) = hash.of(&[7, n & 63, n >> 6]);
                places[0][place(a, 1024)] += 1;
                places[1][place(b, 1024)] += 1;
            }
            for counts in places {
                let (most, none) = (counts.iter().max().unwrap(), counts.iter().filter(|n| **n == 0).count());
                // Of a thousand places with four keys each, a random function leaves 19 empty and puts 13 at most in one.
                assert!(*most < 20 && none < 60, "{most} {none}");
            }
        }
    }

    #[test]
    fn places_are_below_the_length() {
        assert_eq!((place(0, 7), place(u32::MAX, 7), place(u32::MAX, 0)), (0, 6, 0));
    }
}
