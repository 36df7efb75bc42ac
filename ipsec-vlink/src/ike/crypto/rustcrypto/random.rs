//! Random octets from a seed: HMAC_DRBG with SHA-256 (NIST SP 800-90A §10.1.2).

use super::super::{Digest, PrfId, Secret};
use super::keyed_hash;

/// The generator.
#[derive(Debug)]
pub(super) struct Random {
    key: Secret,
    value: Secret,
}

impl Random {
    pub(super) fn new(seed: &[u8]) -> Self {
        let mut random = Self { key: Secret::zeros(32), value: Secret::new(alloc::vec![1; 32]) };
        random.update(seed);
        random
    }

    fn mac(&self, parts: &[&[u8]]) -> Digest {
        // A HMAC takes keys of any length.
        keyed_hash(PrfId::HMAC_SHA2_256, &self.key, parts).unwrap_or_else(|_| Digest::of(&[0; 32]))
    }

    fn update(&mut self, more: &[u8]) {
        self.key = Secret::copy(&self.mac(&[&self.value, &[0], more]));
        self.value = Secret::copy(&self.mac(&[&self.value]));
        if !more.is_empty() {
            self.key = Secret::copy(&self.mac(&[&self.value, &[1], more]));
            self.value = Secret::copy(&self.mac(&[&self.value]));
        }
    }

    pub(super) fn fill(&mut self, out: &mut [u8]) {
        for chunk in out.chunks_mut(32) {
            self.value = Secret::copy(&self.mac(&[&self.value]));
            for (to, from) in chunk.iter_mut().zip(self.value.iter()) {
                *to = *from;
            }
        }
        self.update(&[]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_seed_one_sequence() {
        let draw = |seed: &[u8]| {
            let mut random = Random::new(seed);
            let mut out = [[0_u8; 40]; 2];
            out.iter_mut().for_each(|o| random.fill(o));
            out
        };
        assert_eq!(draw(b"a"), draw(b"a"));
        assert_ne!(draw(b"a"), draw(b"b"));
        let [first, second] = draw(b"a");
        assert!(first != second && first[..8] != first[32..]);
    }
}
