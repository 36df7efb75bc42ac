//! NEXT_HOP (RFC 4271 §4.3 c, §5.1.3).

use core::net::Ipv4Addr;

use fwd_core::Malformed;
use fwd_core::codec::{self, BufMut, Take};

/// The next hop of the NLRI field of the UPDATE; MP_REACH_NLRI has its own ([`NextHop`](super::NextHop)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct NextHopAttribute(pub Ipv4Addr);

impl NextHopAttribute {
    /// Whether the address can be that of a host: not in 0/8 or 127/8 (RFC 1122 §3.2.1.3), no multicast group, not the
    /// limited broadcast (RFC 4271 §6.3). An UPDATE with another is treated as a withdrawal (RFC 7606 §3 e).
    #[inline]
    #[must_use]
    pub const fn is_host(&self) -> bool {
        let [first, ..] = self.0.octets();
        first != 0 && first != 127 && !self.0.is_multicast() && !self.0.is_broadcast()
    }

    /// Takes four octets.
    ///
    /// # Errors
    /// Truncated input.
    #[inline]
    pub fn take(i: &[u8]) -> Take<'_, Self> {
        codec::be_u32(i, "NEXT_HOP").map(|(rest, value)| (rest, Self(Ipv4Addr::from_bits(value))))
    }

    /// Parses the value of the attribute.
    ///
    /// # Errors
    /// A length other than 4 (RFC 7606 §7.3).
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
