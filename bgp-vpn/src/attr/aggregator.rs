//! AGGREGATOR (RFC 4271 §4.3 g, §5.1.7).

use core::net::Ipv4Addr;

use fwd_core::Malformed;
use fwd_core::codec::{self, BufMut, Take};

use super::{AS_TRANS, AsWidth};

/// The AS and router that formed an aggregate.
///
/// ```text
/// +-------------------+----------------+
/// | AS (2 or 4)       | Address (4)    |
/// +-------------------+----------------+
/// ```
///
/// The AS number has as many octets as those in AS_PATH (RFC 6793 §4.1, §4.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Aggregator {
    /// AS number.
    pub asn: u32,
    /// The router.
    pub address: Ipv4Addr,
}

impl Aggregator {
    /// Takes six or eight octets.
    ///
    /// # Errors
    /// Truncated input.
    #[inline]
    pub fn take(i: &[u8], width: AsWidth) -> Take<'_, Self> {
        let (i, asn) = width.take(i, "AGGREGATOR AS")?;
        let (i, address) = codec::be_u32(i, "AGGREGATOR address")?;
        Ok((i, Self { asn, address: Ipv4Addr::from_bits(address) }))
    }

    /// Parses the value of the attribute.
    ///
    /// # Errors
    /// A length other than 6 or 8 as the width asks (RFC 7606 §7.7).
    pub fn parse(octets: &[u8], width: AsWidth) -> Result<Self, Malformed> {
        codec::all(octets, |i| Self::take(i, width))
    }

    /// Six or eight.
    #[must_use]
    pub const fn wire_len(&self, width: AsWidth) -> usize {
        match width {
            AsWidth::Two => 6,
            AsWidth::Four => 8,
        }
    }

    /// Writes it; with two octets, a larger AS number becomes AS_TRANS (RFC 6793 §4.2.2).
    pub fn emit(&self, width: AsWidth, out: &mut impl BufMut) {
        width.emit(self.asn, out);
        out.put_slice(&self.address.octets());
    }

    /// Whether a 2-octet AS peer needs AS4_AGGREGATOR beside it (RFC 6793 §4.2.2).
    #[must_use]
    pub const fn needs_as4(&self) -> bool {
        self.asn > u16::MAX as u32
    }

    /// Whether the AS number stands for one of four octets (RFC 6793 §4.2.3).
    #[must_use]
    pub const fn is_as_trans(&self) -> bool {
        self.asn == AS_TRANS
    }
}
