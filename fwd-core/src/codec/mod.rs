//! The codec idiom every control-plane message follows (feature `control`).
//!
//! Each wire type has the same four verbs, all in one file so that asymmetry is visible:
//!
//! ```text
//! pub fn take(i: &[u8]) -> Take<'_, Self>;                 // a prefix of the input
//! pub fn parse(octets: &[u8]) -> Result<Self, Malformed>;  // all of the input
//! pub fn wire_len(&self) -> usize;
//! pub fn emit(&self, out: &mut impl BufMut);               // cannot fail
//! ```
//!
//! `take` works on plain slices; a failure remembers the slice at which it happened, and [`all`] turns that into an
//! offset from the start of the input. Lengths are bounded by taking a sub-slice ([`octets`]), never by subtraction.

use nom::{Err, IResult, Offset};

pub use bytes::BufMut;

pub use crate::malformed::{Fault, Malformed};

/// What `take` returns: the rest of the input and the value, or where and why it failed.
pub type Take<'a, T> = IResult<&'a [u8], T, Fail<'a>>;

/// A parse failure that still knows the slice it happened at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fail<'a> {
    /// The input from the failing field on.
    pub at: &'a [u8],
    /// The field's name, as in the RFC's figure.
    pub field: &'static str,
    /// What is wrong with it.
    pub fault: Fault,
}

impl<'a> Fail<'a> {
    /// The failure as an unrecoverable nom error.
    #[must_use]
    pub fn new(at: &'a [u8], field: &'static str, fault: Fault) -> Err<Self> {
        Err::Error(Self { at, field, fault })
    }

    /// The failure with its distance from the start of `whole`, of which `at` must be a sub-slice.
    #[must_use]
    pub fn within(&self, whole: &[u8]) -> Malformed {
        Malformed { offset: whole.offset(self.at), field: self.field, fault: self.fault }
    }
}

/// Runs `take` over all of `octets`: octets left over are a [`Fault::Trailing`].
///
/// # Errors
/// The first failure of `take`, or trailing octets.
#[inline]
pub fn all<'a, T>(octets: &'a [u8], take: impl FnOnce(&'a [u8]) -> Take<'a, T>) -> Result<T, Malformed> {
    match take(octets) {
        Ok(([], value)) => Ok(value),
        Ok((rest, _)) => {
            Err(Malformed { offset: octets.offset(rest), field: "end", fault: Fault::Trailing(rest.len()) })
        }
        Err(Err::Error(fail) | Err::Failure(fail)) => Err(fail.within(octets)),
        Err(Err::Incomplete(_)) => Err(Malformed { offset: octets.len(), field: "end", fault: Fault::Truncated }),
    }
}

/// Takes `n` octets.
#[inline]
pub fn octets<'a>(i: &'a [u8], n: usize, field: &'static str) -> Take<'a, &'a [u8]> {
    match i.split_at_checked(n) {
        Some((head, rest)) => Ok((rest, head)),
        None => Err(Fail::new(i, field, Fault::Truncated)),
    }
}

/// Takes `N` octets as an array.
#[inline]
pub fn array<'a, const N: usize>(i: &'a [u8], field: &'static str) -> Take<'a, [u8; N]> {
    match i.split_first_chunk::<N>() {
        Some((head, rest)) => Ok((rest, *head)),
        None => Err(Fail::new(i, field, Fault::Truncated)),
    }
}

/// Takes one octet.
#[inline]
pub fn be_u8<'a>(i: &'a [u8], field: &'static str) -> Take<'a, u8> {
    array::<1>(i, field).map(|(rest, [b])| (rest, b))
}

/// Takes a 16-bit number in network order.
#[inline]
pub fn be_u16<'a>(i: &'a [u8], field: &'static str) -> Take<'a, u16> {
    array(i, field).map(|(rest, b)| (rest, u16::from_be_bytes(b)))
}

/// Takes a 32-bit number in network order.
#[inline]
pub fn be_u32<'a>(i: &'a [u8], field: &'static str) -> Take<'a, u32> {
    array(i, field).map(|(rest, b)| (rest, u32::from_be_bytes(b)))
}

/// Takes a 64-bit number in network order.
#[inline]
pub fn be_u64<'a>(i: &'a [u8], field: &'static str) -> Take<'a, u64> {
    array(i, field).map(|(rest, b)| (rest, u64::from_be_bytes(b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take_pair(i: &[u8]) -> Take<'_, (u8, u16)> {
        let (i, a) = be_u8(i, "a")?;
        let (i, body) = octets(i, 2, "body")?;
        let (_, b) = be_u16(body, "b")?;
        Ok((i, (a, b)))
    }

    #[test]
    fn offsets_count_from_the_start_of_the_whole_input() {
        assert_eq!(all(&[1, 0, 2], take_pair), Ok((1, 2)));
        let m = all(&[1, 0], take_pair).unwrap_err();
        assert_eq!((m.offset, m.field, m.fault), (1, "body", Fault::Truncated));
        let m = all(&[1, 0, 2, 9], take_pair).unwrap_err();
        assert_eq!((m.offset, m.fault), (3, Fault::Trailing(1)));
    }
}
