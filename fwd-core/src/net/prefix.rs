//! IPv4 and IPv6 address prefixes.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use core::str::FromStr;

/// Why text is not a prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PrefixError {
    /// The text is not `address/length`.
    Form,
    /// The address does not parse.
    Address,
    /// The length is not a number, or exceeds that of the address.
    Length,
}

impl fmt::Display for PrefixError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Form => "a prefix is written address/length",
            Self::Address => "prefix address: not an IP address",
            Self::Length => "prefix length: not a number within the address's length",
        })
    }
}

impl core::error::Error for PrefixError {}

macro_rules! prefix {
    ($(#[$doc:meta])* $name:ident, $addr:ident, $bits:ident, $octets:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name {
            octets: [u8; $octets],
            len: u8,
        }

        impl $name {
            /// The longest prefix length.
            pub const MAX_LEN: u8 = $octets * 8;
            /// The default route, of length 0.
            pub const DEFAULT: Self = Self { octets: [0; $octets], len: 0 };

            /// The prefix of `len` bits that holds `addr`; host bits are cleared. `None` if `len` exceeds
            /// [`Self::MAX_LEN`].
            #[inline]
            #[must_use]
            pub const fn new(addr: $addr, len: u8) -> Option<Self> {
                Self::from_bits($bits::from_be_bytes(addr.octets()), len)
            }

            /// The prefix of the leading `len` bits of `bits` (most significant bit first).
            #[inline]
            #[must_use]
            pub const fn from_bits(bits: $bits, len: u8) -> Option<Self> {
                if len > Self::MAX_LEN {
                    return None;
                }
                Some(Self { octets: (bits & Self::mask(len)).to_be_bytes(), len })
            }

            /// The host prefix of `addr`.
            #[must_use]
            pub const fn host(addr: $addr) -> Self {
                Self { octets: addr.octets(), len: Self::MAX_LEN }
            }

            const fn mask(len: u8) -> $bits {
                match Self::MAX_LEN.saturating_sub(len) as u32 {
                    $bits::BITS => 0,
                    n => $bits::MAX << n,
                }
            }

            /// The first address of the prefix.
            #[must_use]
            pub const fn addr(&self) -> $addr {
                $addr::from_bits(self.bits())
            }

            /// The address bits, most significant first; bits beyond the length are zero.
            #[inline]
            #[must_use]
            pub const fn bits(&self) -> $bits {
                $bits::from_be_bytes(self.octets)
            }

            /// The address octets.
            #[inline]
            #[must_use]
            pub const fn octets(&self) -> &[u8; $octets] {
                &self.octets
            }

            /// The octets that an NLRI carries: as many as hold [`Self::bit_len`] bits.
            #[inline]
            #[must_use]
            pub fn wire_octets(&self) -> &[u8] {
                self.octets.get(..usize::from(self.len).div_ceil(8)).unwrap_or(&self.octets)
            }

            /// The length in bits.
            #[inline]
            #[must_use]
            pub const fn bit_len(&self) -> u8 {
                self.len
            }

            /// Whether `addr` lies in the prefix.
            #[inline]
            #[must_use]
            pub const fn contains(&self, addr: $addr) -> bool {
                ($bits::from_be_bytes(addr.octets()) ^ self.bits()) & Self::mask(self.len) == 0
            }

            /// Whether every address of `other` lies in this prefix.
            #[must_use]
            pub const fn covers(&self, other: &Self) -> bool {
                self.len <= other.len && (other.bits() ^ self.bits()) & Self::mask(self.len) == 0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}/{}", self.addr(), self.len)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = PrefixError;

            fn from_str(s: &str) -> Result<Self, PrefixError> {
                let (addr, len) = s.split_once('/').ok_or(PrefixError::Form)?;
                let addr: $addr = addr.parse().map_err(|_| PrefixError::Address)?;
                let len = len.parse().map_err(|_| PrefixError::Length)?;
                Self::new(addr, len).ok_or(PrefixError::Length)
            }
        }

        #[cfg(feature = "arbitrary")]
        impl<'a> arbitrary::Arbitrary<'a> for $name {
            fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
                let len = u.int_in_range(0..=Self::MAX_LEN)?;
                Self::from_bits(u.arbitrary()?, len).ok_or(arbitrary::Error::IncorrectFormat)
            }
        }
    };
}

prefix! {
    /// An IPv4 prefix without host bits. Five octets in memory.
    ///
    /// ```
    /// use fwd_core::net::Ipv4Prefix;
    /// let p: Ipv4Prefix = "10.1.2.3/8".parse()?;
    /// assert_eq!(p.to_string(), "10.0.0.0/8");
    /// assert_eq!(p.wire_octets(), [10]);
    /// assert!(p.contains("10.255.0.1".parse().unwrap()));
    /// # Ok::<(), fwd_core::net::PrefixError>(())
    /// ```
    Ipv4Prefix, Ipv4Addr, u32, 4
}
prefix! {
    /// An IPv6 prefix without host bits. Seventeen octets in memory.
    Ipv6Prefix, Ipv6Addr, u128, 16
}

/// A prefix of either family.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum IpPrefix {
    /// IPv4.
    V4(Ipv4Prefix),
    /// IPv6.
    V6(Ipv6Prefix),
}

impl IpPrefix {
    /// The first address of the prefix.
    #[must_use]
    pub const fn addr(&self) -> IpAddr {
        match self {
            Self::V4(p) => IpAddr::V4(p.addr()),
            Self::V6(p) => IpAddr::V6(p.addr()),
        }
    }

    /// The length in bits.
    #[must_use]
    pub const fn bit_len(&self) -> u8 {
        match self {
            Self::V4(p) => p.bit_len(),
            Self::V6(p) => p.bit_len(),
        }
    }
}

impl From<Ipv4Prefix> for IpPrefix {
    fn from(p: Ipv4Prefix) -> Self {
        Self::V4(p)
    }
}

impl From<Ipv6Prefix> for IpPrefix {
    fn from(p: Ipv6Prefix) -> Self {
        Self::V6(p)
    }
}

impl fmt::Display for IpPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::V4(p) => p.fmt(f),
            Self::V6(p) => p.fmt(f),
        }
    }
}

impl fmt::Debug for IpPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for IpPrefix {
    type Err = PrefixError;

    fn from_str(s: &str) -> Result<Self, PrefixError> {
        if s.contains(':') { s.parse().map(Self::V6) } else { s.parse().map(Self::V4) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_bits_are_cleared_and_lengths_checked() {
        assert_eq!("10.1.2.3/0".parse(), Ok(Ipv4Prefix::DEFAULT));
        assert_eq!("10.1.2.3/33".parse::<Ipv4Prefix>(), Err(PrefixError::Length));
        assert_eq!("10.1.2.3".parse::<Ipv4Prefix>(), Err(PrefixError::Form));
        assert_eq!("fd00::1/129".parse::<IpPrefix>(), Err(PrefixError::Length));
        let p: Ipv6Prefix = "fd00:1::ffff/33".parse().unwrap();
        assert_eq!(p.wire_octets(), [0xfd, 0, 0, 1, 0]);
    }

    #[test]
    fn cover_is_reflexive_and_ordered() {
        let wide: Ipv4Prefix = "10.0.0.0/8".parse().unwrap();
        let narrow: Ipv4Prefix = "10.1.0.0/16".parse().unwrap();
        assert!(wide.covers(&wide) && wide.covers(&narrow) && !narrow.covers(&wide));
        assert!(Ipv4Prefix::DEFAULT.covers(&wide));
    }

    #[test]
    fn prefixes_are_packed() {
        assert_eq!(size_of::<Ipv4Prefix>(), 5);
        assert_eq!(size_of::<Ipv6Prefix>(), 17);
    }
}
