//! ORIGINATOR_ID (RFC 4456 §8).

use core::net::Ipv4Addr;

use fwd_core::Malformed;
use fwd_core::codec::{self, BufMut, Take};

/// The BGP identifier of the router that brought the route into our AS; a reflector adds it. A router drops a route that
/// bears its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct OriginatorId(pub Ipv4Addr);

impl OriginatorId {
    /// Takes four octets.
    ///
    /// # Errors
    /// Truncated input.
    #[inline]
    pub fn take(i: &[u8]) -> Take<'_, Self> {
        codec::be_u32(i, "ORIGINATOR_ID").map(|(rest, value)| (rest, Self(Ipv4Addr::from_bits(value))))
    }

    /// Parses the value of the attribute.
    ///
    /// # Errors
    /// A length other than 4 (RFC 7606 §7.9).
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
        out.put_slice(&self.0.octets());
    }
}
