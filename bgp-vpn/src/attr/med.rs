//! MULTI_EXIT_DISC (RFC 4271 §4.3 d, §5.1.4).

use fwd_core::Malformed;
use fwd_core::codec::{self, BufMut, Take};

/// The metric by which a neighbouring AS asks us to choose among its entries; the lower is preferred. A route without one
/// counts as 0 (RFC 4271 §9.1.2.2 c).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct MultiExitDisc(pub u32);

impl MultiExitDisc {
    /// Takes four octets.
    ///
    /// # Errors
    /// Truncated input.
    #[inline]
    pub fn take(i: &[u8]) -> Take<'_, Self> {
        codec::be_u32(i, "MULTI_EXIT_DISC").map(|(rest, value)| (rest, Self(value)))
    }

    /// Parses the value of the attribute.
    ///
    /// # Errors
    /// A length other than 4 (RFC 7606 §7.4).
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
