//! Octets that are kept as they are, and values that must fill their length.

use fwd_core::codec::{Fail, Fault, Take};
use smallvec::SmallVec;

/// Octets kept as received, a few of them in place.
pub type Octets = SmallVec<[u8; 16]>;

/// Runs `take` over all of `body`, the value of a TLV: octets left over are a fault of the value.
pub(crate) fn whole<'a, T>(
    body: &'a [u8],
    take: impl FnOnce(&'a [u8]) -> Take<'a, T>,
) -> Result<T, nom::Err<Fail<'a>>> {
    match take(body)? {
        ([], value) => Ok(value),
        (rest, _) => Err(Fail::new(rest, "value", Fault::Trailing(rest.len()))),
    }
}

/// Takes values up to the end of `i`.
pub(crate) fn list<'a, T, L: Default + Extend<T>>(
    mut i: &'a [u8],
    take: impl Fn(&'a [u8]) -> Take<'a, T>,
) -> Take<'a, L> {
    let mut values = L::default();
    while !i.is_empty() {
        let (rest, value) = take(i)?;
        values.extend([value]);
        i = rest;
    }
    Ok((i, values))
}

/// A length of at most 16 bits: what does not fit is not constructed.
pub(crate) fn len16(len: usize) -> u16 {
    u16::try_from(len).unwrap_or(u16::MAX)
}

/// A length of at most 8 bits: what does not fit is not constructed.
pub(crate) fn len8(len: usize) -> u8 {
    u8::try_from(len).unwrap_or(u8::MAX)
}

/// Up to `max` arbitrary octets.
#[cfg(feature = "arbitrary")]
pub(crate) fn arbitrary_octets(u: &mut arbitrary::Unstructured<'_>, max: usize) -> arbitrary::Result<Octets> {
    let len = u.int_in_range(0..=max.min(u.len()))?;
    Ok(Octets::from_slice(u.bytes(len)?))
}

/// Up to `max` arbitrary values.
#[cfg(feature = "arbitrary")]
pub(crate) fn arbitrary_list<'a, T: arbitrary::Arbitrary<'a>, L: FromIterator<T>>(
    u: &mut arbitrary::Unstructured<'a>,
    max: usize,
) -> arbitrary::Result<L> {
    let n = u.int_in_range(0..=max)?;
    (0..n).map(|_| u.arbitrary()).collect()
}
