//! Route distinguishers (RFC 4364 §4.2).

use core::cmp::Ordering;
use core::fmt;
use core::net::Ipv4Addr;
use core::str::FromStr;

use fwd_core::Malformed;
use fwd_core::codec::{self, BufMut, Take};

use crate::administrator::{Administrator, AdministratorError};

/// A route distinguisher: eight octets that make equal customer prefixes distinct.
///
/// ```text
/// +---------------+---------------------------------+--------------------+
/// | type (2)      | administrator (2 or 4)          | assigned (4 or 2)  |
/// +---------------+---------------------------------+--------------------+
/// ```
///
/// Type 0: 2-octet AS number, 4-octet number. Type 1: IPv4 address, 2-octet number. Type 2: 4-octet AS number, 2-octet
/// number. Other types survive as octets. A RD has no meaning beyond being equal or not.
///
/// The text forms are `65001:7`, `192.0.2.1:7` and `4200000000:7`; a number above 65535 makes type 2, and so does a
/// trailing `L` (`65001L:7`). Other types are written as 16 hexadecimal digits after `0x`.
///
/// ```
/// use bgp_vpn::nlri::RouteDistinguisher;
/// let rd: RouteDistinguisher = "65001:7".parse()?;
/// assert_eq!(rd.octets(), [0, 0, 0xfd, 0xe9, 0, 0, 0, 7]);
/// assert_eq!(rd.to_string(), "65001:7");
/// # Ok::<(), bgp_vpn::nlri::RdError>(())
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct RouteDistinguisher {
    octets: [u8; 8],
}

/// Text that is no route distinguisher.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a route distinguisher is written ASN:number or IPv4:number")]
pub struct RdError;

impl RouteDistinguisher {
    /// Octets on the wire.
    pub const LEN: usize = 8;
    /// All zeros: the global table in MCAST-VPN routes (RFC 7716 §2.1, RFC 7524 §6.2.2).
    pub const ZERO: Self = Self { octets: [0; 8] };
    /// All ones: (*,G) state of the global table in Leaf A-D routes (RFC 7524 §6.2.2).
    pub const ALL_ONES: Self = Self { octets: [0xff; 8] };

    /// Type 0.
    #[must_use]
    pub const fn two_octet_as(asn: u16, number: u32) -> Self {
        Self::new(Administrator::TwoOctetAs(asn, number))
    }

    /// Type 1.
    #[must_use]
    pub const fn ipv4(addr: Ipv4Addr, number: u16) -> Self {
        Self::new(Administrator::Ipv4(addr, number))
    }

    /// Type 2.
    #[must_use]
    pub const fn four_octet_as(asn: u32, number: u16) -> Self {
        Self::new(Administrator::FourOctetAs(asn, number))
    }

    const fn new(administrator: Administrator) -> Self {
        let [a, b, c, d, e, g] = administrator.octets();
        Self { octets: [0, administrator.kind(), a, b, c, d, e, g] }
    }

    /// The RD of these wire octets, of any type.
    #[inline]
    #[must_use]
    pub const fn from_octets(octets: [u8; Self::LEN]) -> Self {
        Self { octets }
    }

    /// The wire octets.
    #[inline]
    #[must_use]
    pub const fn octets(self) -> [u8; Self::LEN] {
        self.octets
    }

    /// The type field.
    #[must_use]
    pub const fn rd_type(self) -> u16 {
        let [a, b, ..] = self.octets;
        u16::from_be_bytes([a, b])
    }

    /// Takes eight octets.
    ///
    /// # Errors
    /// Truncated input.
    #[inline]
    pub fn take(i: &[u8]) -> Take<'_, Self> {
        codec::array(i, "route distinguisher").map(|(rest, octets)| (rest, Self { octets }))
    }

    /// Parses exactly eight octets.
    ///
    /// # Errors
    /// Truncated or trailing octets.
    pub fn parse(octets: &[u8]) -> Result<Self, Malformed> {
        codec::all(octets, Self::take)
    }

    /// Eight.
    #[must_use]
    pub const fn wire_len(&self) -> usize {
        Self::LEN
    }

    /// Writes the eight octets.
    #[inline]
    pub fn emit(&self, out: &mut impl BufMut) {
        out.put_slice(&self.octets);
    }
}

/// The order of the octets, as one number: keys of tables begin with a route distinguisher.
impl Ord for RouteDistinguisher {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        u64::from_be_bytes(self.octets).cmp(&u64::from_be_bytes(other.octets))
    }
}

impl PartialOrd for RouteDistinguisher {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for RouteDistinguisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [_, _, value @ ..] = self.octets;
        match Administrator::from_octets(self.rd_type(), value) {
            Some(administrator) => administrator.fmt(f),
            None => write!(f, "{:#018x}", u64::from_be_bytes(self.octets)),
        }
    }
}

impl fmt::Debug for RouteDistinguisher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for RouteDistinguisher {
    type Err = RdError;

    fn from_str(s: &str) -> Result<Self, RdError> {
        if let Some(hex) = s.strip_prefix("0x") {
            let bits = u64::from_str_radix(hex, 16).map_err(|_| RdError)?;
            return Ok(Self { octets: bits.to_be_bytes() });
        }
        s.parse().map(Self::new).map_err(|AdministratorError| RdError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn every_type_round_trips_in_text_and_octets() {
        for text in ["65001:4294967295", "192.0.2.1:65535", "4200000000:7", "65001L:7", "0xffffffffffffffff"] {
            let rd: RouteDistinguisher = text.parse().unwrap();
            assert_eq!(rd.to_string(), text);
            assert_eq!(RouteDistinguisher::parse(&rd.octets()), Ok(rd));
        }
    }

    #[test]
    fn text_out_of_range_is_refused() {
        for text in ["65001", "192.0.2.1:65536", "4200000000:65536", "x:1", "4294967296:1", "0xg"] {
            assert_eq!(text.parse::<RouteDistinguisher>(), Err(RdError), "{text}");
        }
    }
}
