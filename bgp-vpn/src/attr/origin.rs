//! ORIGIN (RFC 4271 §4.3 a, §5.1.1).

use fwd_core::codec::{self, BufMut, Fail, Take};
use fwd_core::{Fault, Malformed};

/// Where the route came from; one octet. A lower value is preferred (RFC 4271 §9.1.2.2 b).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[repr(u8)]
pub enum Origin {
    /// 0: interior to the originating AS.
    Igp = 0,
    /// 1: learnt via the EGP protocol (RFC 904).
    Egp = 1,
    /// 2: by other means.
    Incomplete = 2,
}

impl Origin {
    /// The origin of this value; `None` above 2.
    #[inline]
    #[must_use]
    pub const fn from_value(value: u8) -> Option<Self> {
        match value {
            0 => Some(Self::Igp),
            1 => Some(Self::Egp),
            2 => Some(Self::Incomplete),
            _ => None,
        }
    }

    /// Takes one octet.
    ///
    /// # Errors
    /// Truncated input, or an undefined value (RFC 7606 §7.1).
    #[inline]
    pub fn take(i: &[u8]) -> Take<'_, Self> {
        let (rest, value) = codec::be_u8(i, "ORIGIN")?;
        match Self::from_value(value) {
            Some(origin) => Ok((rest, origin)),
            None => Err(Fail::new(i, "ORIGIN", Fault::Value(u32::from(value)))),
        }
    }

    /// Parses the value of the attribute.
    ///
    /// # Errors
    /// A length other than 1, or an undefined value (RFC 7606 §7.1).
    pub fn parse(octets: &[u8]) -> Result<Self, Malformed> {
        codec::all(octets, Self::take)
    }

    /// One.
    #[must_use]
    pub const fn wire_len(&self) -> usize {
        1
    }

    /// Writes the octet.
    #[inline]
    pub fn emit(&self, out: &mut impl BufMut) {
        out.put_u8(*self as u8);
    }
}
