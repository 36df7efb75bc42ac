//! ATOMIC_AGGREGATE (RFC 4271 §4.3 f, §5.1.6).

use fwd_core::Malformed;
use fwd_core::codec::{self, BufMut, Take};

/// Some router on the way announced a less specific route and left out AS numbers. The attribute has no value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct AtomicAggregate;

impl AtomicAggregate {
    /// Takes nothing.
    ///
    /// # Errors
    /// Never.
    pub fn take(i: &[u8]) -> Take<'_, Self> {
        Ok((i, Self))
    }

    /// Parses the value of the attribute.
    ///
    /// # Errors
    /// A length other than 0 (RFC 7606 §7.6).
    pub fn parse(octets: &[u8]) -> Result<Self, Malformed> {
        codec::all(octets, Self::take)
    }

    /// Zero.
    #[must_use]
    pub const fn wire_len(&self) -> usize {
        0
    }

    /// Writes nothing.
    pub fn emit(&self, _out: &mut impl BufMut) {}
}
