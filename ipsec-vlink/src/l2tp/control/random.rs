//! Numbers that a peer cannot guess: tie breakers, nonces, challenges, session IDs, cookies (RFC 3931 §8.2).

use crate::l2tp::digest::Hashes;

/// Blocks of the embedder's hash over a seed and a counter: without the seed one block says nothing about another.
#[derive(Clone)]
pub(crate) struct Random {
    seed: [u8; 32],
    drawn: u64,
}

impl core::fmt::Debug for Random {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Random({} drawn)", self.drawn)
    }
}

impl Random {
    pub(crate) const fn new(seed: [u8; 32]) -> Self {
        Self { seed, drawn: 0 }
    }

    pub(crate) fn block(&mut self, hashes: &impl Hashes) -> [u8; 16] {
        self.drawn = self.drawn.wrapping_add(1);
        hashes.md5(&[&self.seed, &self.drawn.to_be_bytes(), &self.seed])
    }

    pub(crate) fn number(&mut self, hashes: &impl Hashes) -> u64 {
        let [a, b, c, d, e, f, g, h, ..] = self.block(hashes);
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }

    /// A number of up to `bits` bits, 16 or 32, that is not zero and that `free` takes. As it is random, few are asked for.
    pub(crate) fn id(&mut self, hashes: &impl Hashes, bits: u32, free: impl Fn(u32) -> bool) -> Option<u32> {
        let mask = if bits == 16 { 0xffff } else { u32::MAX };
        (0..64).map(|_| self.number(hashes) as u32 & mask).find(|&id| id != 0 && free(id))
    }
}
