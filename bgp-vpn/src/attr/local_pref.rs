//! LOCAL_PREF (RFC 4271 §4.3 e, §5.1.5).

use fwd_core::Malformed;
use fwd_core::codec::{self, BufMut, Take};

/// How much our AS prefers the route; the higher is preferred. Sent to internal peers only, and discarded when an external
/// peer sends it (RFC 7606 §7.5). Default where policy sets none: 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct LocalPref(pub u32);

impl LocalPref {
    /// The customary preference of a route that no policy touched.
    pub const DEFAULT: Self = Self(100);

    /// Takes four octets.
    ///
    /// # Errors
    /// Truncated input.
    #[inline]
    pub fn take(i: &[u8]) -> Take<'_, Self> {
        codec::be_u32(i, "LOCAL_PREF").map(|(rest, value)| (rest, Self(value)))
    }

    /// Parses the value of the attribute.
    ///
    /// # Errors
    /// A length other than 4 (RFC 7606 §7.5).
    pub fn parse(octets: &[u8]) -> Result<Self, Malformed> {
        codec::all(octets, Self::take)
    }

    /// Four.
    #[must_use]
    pub const fn wire_len(&self) -> usize {
        4
    }

    /// Writes the four octets.
    #[inline]
    pub fn emit(&self, out: &mut impl BufMut) {
        out.put_u32(self.0);
    }
}
