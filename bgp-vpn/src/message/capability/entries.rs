//! What the list-valued capabilities share: entries of one fixed length.

use core::ops::Deref;

use fwd_core::codec::{BufMut, Take};
use smallvec::SmallVec;

/// An entry of a list-valued capability.
pub trait Entry: Copy + Eq + core::fmt::Debug {
    /// Octets of an entry.
    const LEN: usize;
    /// Takes one entry.
    ///
    /// # Errors
    /// Truncated input.
    fn take(i: &[u8]) -> Take<'_, Self>;
    /// Writes one entry.
    fn emit(&self, out: &mut impl BufMut);
}

/// Entries of one kind, as many as a capability's one-octet length allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entries<T: Entry>(SmallVec<[T; 4]>);

impl<T: Entry> Entries<T> {
    /// The most entries: 253 octets of them, so that graceful restart's two octets fit before them.
    pub const MAX: usize = 253_usize.saturating_div(T::LEN);

    /// A list. `None` if there are more than [`Self::MAX`].
    #[must_use]
    pub fn new(entries: &[T]) -> Option<Self> {
        (entries.len() <= Self::MAX).then(|| Self(SmallVec::from_slice(entries)))
    }

    /// Takes entries up to the end of the input, which is a capability's value.
    ///
    /// # Errors
    /// A length that is no multiple of an entry's.
    pub(super) fn take(i: &[u8]) -> Take<'_, Self> {
        let (mut i, mut entries) = (i, SmallVec::new());
        while !i.is_empty() {
            let (rest, entry) = T::take(i)?;
            entries.push(entry);
            i = rest;
        }
        Ok((i, Self(entries)))
    }

    /// Octets of the list.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        self.0.len().saturating_mul(T::LEN)
    }

    /// Writes the list.
    pub fn emit(&self, out: &mut impl BufMut) {
        self.0.iter().for_each(|e| e.emit(out));
    }
}

impl<T: Entry> Deref for Entries<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        &self.0
    }
}

#[cfg(feature = "arbitrary")]
impl<'a, T: Entry + arbitrary::Arbitrary<'a>> arbitrary::Arbitrary<'a> for Entries<T> {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let entries = u.arbitrary_iter()?.take(Self::MAX).collect::<arbitrary::Result<_>>()?;
        Ok(Self(entries))
    }
}
