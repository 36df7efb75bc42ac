//! Attributes that are a list of items of one size: communities, clusters.

use core::fmt;
use core::marker::PhantomData;

use fwd_core::codec::{self, BufMut, Fail, Take};
use fwd_core::{Fault, Malformed};
use smallvec::SmallVec;

/// An item of a list attribute.
pub trait ListItem: Copy + PartialEq + fmt::Debug {
    /// Octets of one item.
    const LEN: usize;
    /// The attribute's name, for faults.
    const NAME: &'static str;
    /// The first item of `octets` and the rest; `None` where fewer than [`Self::LEN`] are left.
    fn split(octets: &[u8]) -> Option<(Self, &[u8])>;
    /// Writes the item.
    fn emit(&self, out: &mut impl BufMut);
}

/// A list of items as octets: at least one, and no part of one (RFC 7606 §7.8 and its likes).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct List<'a, T> {
    octets: &'a [u8],
    item: PhantomData<fn() -> T>,
}

impl<'a, T: ListItem> List<'a, T> {
    /// Takes the value of the attribute: all of the input.
    ///
    /// # Errors
    /// [`Fault::Length`] unless the length is a non-zero multiple of the item's.
    #[inline]
    pub fn take(i: &'a [u8]) -> Take<'a, Self> {
        if i.is_empty() || i.len().checked_rem(T::LEN) != Some(0) {
            return Err(Fail::new(i, T::NAME, Fault::Length(i.len())));
        }
        Ok((&[], Self::of_checked(i)))
    }

    /// Parses the value of the attribute.
    ///
    /// # Errors
    /// [`Fault::Length`] unless the length is a non-zero multiple of the item's.
    pub fn parse(octets: &'a [u8]) -> Result<Self, Malformed> {
        codec::all(octets, Self::take)
    }

    /// A list of octets whose length was checked, or that were written by a [`ListBuf`].
    #[inline]
    pub(super) const fn of_checked(octets: &'a [u8]) -> Self {
        Self { octets, item: PhantomData }
    }

    /// Octets that [`Self::emit`] writes.
    #[inline]
    #[must_use]
    pub const fn wire_len(&self) -> usize {
        self.octets.len()
    }

    /// Writes the items as they are.
    #[inline]
    pub fn emit(&self, out: &mut impl BufMut) {
        out.put_slice(self.octets);
    }

    /// The octets.
    #[inline]
    #[must_use]
    pub const fn octets(&self) -> &'a [u8] {
        self.octets
    }

    /// How many items there are.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.octets.len().checked_div(T::LEN).unwrap_or(0)
    }

    /// Whether there is none: never so for a received list.
    #[inline]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.octets.is_empty()
    }

    /// The items in wire order.
    #[inline]
    #[must_use]
    pub const fn iter(&self) -> Items<'a, T> {
        Items { octets: self.octets, item: PhantomData }
    }

    /// Whether `item` is among them.
    #[must_use]
    pub fn contains(&self, item: T) -> bool {
        self.iter().any(|i| i == item)
    }
}

impl<'a, T: ListItem> IntoIterator for List<'a, T> {
    type Item = T;
    type IntoIter = Items<'a, T>;

    #[inline]
    fn into_iter(self) -> Items<'a, T> {
        self.iter()
    }
}

impl<T: ListItem> fmt::Debug for List<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(*self).finish()
    }
}

/// The items of a [`List`].
#[derive(Clone, Debug)]
pub struct Items<'a, T> {
    octets: &'a [u8],
    item: PhantomData<fn() -> T>,
}

impl<T: ListItem> Iterator for Items<'_, T> {
    type Item = T;

    #[inline]
    fn next(&mut self) -> Option<T> {
        let (item, rest) = T::split(self.octets)?;
        self.octets = rest;
        Some(item)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let n = self.octets.len().checked_div(T::LEN).unwrap_or(0);
        (n, Some(n))
    }
}

impl<T: ListItem> ExactSizeIterator for Items<'_, T> {}
impl<T: ListItem> core::iter::FusedIterator for Items<'_, T> {}

/// A list to be built. It allocates above 64 octets.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct ListBuf<T> {
    octets: SmallVec<[u8; 64]>,
    item: PhantomData<fn() -> T>,
}

impl<T: ListItem> ListBuf<T> {
    /// A list without items. It makes no attribute until one is pushed.
    #[must_use]
    pub fn new() -> Self {
        Self { octets: SmallVec::new(), item: PhantomData }
    }

    /// Adds an item at the end.
    pub fn push(&mut self, item: T) {
        let mut octets = [0; 24];
        let mut room = &mut octets[..];
        item.emit(&mut room);
        self.octets.extend_from_slice(octets.get(..T::LEN).unwrap_or_default());
    }

    /// The list so far.
    #[must_use]
    pub fn as_list(&self) -> List<'_, T> {
        List::of_checked(&self.octets)
    }
}

impl<T: ListItem> Default for ListBuf<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: ListItem> Extend<T> for ListBuf<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, items: I) {
        for item in items {
            self.push(item);
        }
    }
}

impl<T: ListItem> FromIterator<T> for ListBuf<T> {
    fn from_iter<I: IntoIterator<Item = T>>(items: I) -> Self {
        let mut list = Self::new();
        list.extend(items);
        list
    }
}

impl<T: ListItem> fmt::Debug for ListBuf<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.as_list(), f)
    }
}

#[cfg(feature = "arbitrary")]
impl<'a, T: ListItem> arbitrary::Arbitrary<'a> for List<'a, T> {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let n = u.int_in_range(1..=40usize)?;
        Ok(Self::of_checked(u.bytes(n.saturating_mul(T::LEN))?))
    }
}
