//! Octets that nobody else is to see.

use alloc::vec::Vec;
use core::fmt;
use core::hint::black_box;
use core::ops::Deref;
use core::sync::atomic::{Ordering, compiler_fence};

/// Overwrites octets with zeros, so that the compiler does not leave it out because nobody reads them afterwards.
pub fn wipe(octets: &mut [u8]) {
    octets.fill(0);
    compiler_fence(Ordering::SeqCst);
    black_box(octets);
}

/// Key material of any length. It is overwritten with zeros when it is dropped, and `Debug` shows its length only.
///
/// It never grows in place: a vector that grows leaves its old octets behind.
#[derive(Clone, Default)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Takes octets over.
    #[must_use]
    pub const fn new(octets: Vec<u8>) -> Self {
        Self(octets)
    }

    /// Copies octets.
    #[must_use]
    pub fn copy(octets: &[u8]) -> Self {
        Self(octets.to_vec())
    }

    /// So many zeros, to be filled.
    #[must_use]
    pub fn zeros(len: usize) -> Self {
        Self(alloc::vec![0; len])
    }

    /// The octets, to be filled.
    pub fn octets_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl Deref for Secret {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Secret {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({} octets)", self.0.len())
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        equal(&self.0, &other.0)
    }
}

impl Eq for Secret {}

/// The result of a hash or of a keyed hash: at most 64 octets. Treated as [`Secret`] is, for keys are made of it.
#[derive(Clone)]
pub struct Digest {
    octets: [u8; Self::MAX],
    len: usize,
}

impl Digest {
    /// Octets of the longest, SHA-512's.
    pub const MAX: usize = 64;

    /// A digest of these octets, of which the first 64 count.
    #[must_use]
    pub fn of(octets: &[u8]) -> Self {
        let mut digest = Self { octets: [0; Self::MAX], len: octets.len().min(Self::MAX) };
        for (to, from) in digest.octets.iter_mut().zip(octets) {
            *to = *from;
        }
        digest
    }

    /// The first `len` octets.
    #[must_use]
    pub fn truncated(&self, len: usize) -> &[u8] {
        self.octets.get(..len.min(self.len)).unwrap_or_default()
    }
}

impl Deref for Digest {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        self.truncated(self.len)
    }
}

impl Drop for Digest {
    fn drop(&mut self) {
        wipe(&mut self.octets);
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({} octets)", self.len)
    }
}

/// Compares in a time that depends on the lengths only.
#[must_use]
pub fn equal(a: &[u8], b: &[u8]) -> bool {
    let differences = a.iter().zip(b).fold(0, |all, (a, b)| all | (a ^ b));
    a.len() == b.len() && black_box(differences) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_are_wiped_and_not_shown() {
        let mut octets = [7_u8; 16];
        wipe(&mut octets);
        assert_eq!(octets, [0; 16]);
        let secret = Secret::copy(b"sharedsecret");
        assert_eq!(std::format!("{secret:?} {:?}", Digest::of(&secret)), "Secret(12 octets) Digest(12 octets)");
    }

    #[test]
    fn comparison_sees_every_octet() {
        assert!(equal(b"abc", b"abc") && Secret::copy(b"x") == Secret::copy(b"x"));
        assert!(!equal(b"abc", b"abd") && !equal(b"abc", b"bbc") && !equal(b"abc", b"ab") && !equal(b"", b"a"));
    }
}
