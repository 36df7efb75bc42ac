//! Queries, and the codes of times in them (RFC 3376 §4.1, RFC 3810 §5.1).

use core::fmt;
use core::time::Duration;

use super::{Addresses, Protocol};

/// The value of an eight-bit code: itself below 128, else a floating-point number of which the mantissa's first bit is implied.
///
/// ```text
///  0 1 2 3 4 5 6 7
/// +-+-+-+-+-+-+-+-+
/// |1| exp | mant  |   (mant | 0x10) << (exp + 3)
/// +-+-+-+-+-+-+-+-+
/// ```
///
/// RFC 3376 §4.1.1, §4.1.7; RFC 3810 §5.1.9. The largest value is 31,744.
#[must_use]
pub const fn decode_octet(code: u8) -> u16 {
    if code < 128 {
        return code as u16;
    }
    let exp = ((code >> 4) & 7).wrapping_add(3);
    ((code & 0x0f) as u16 | 0x10) << exp
}

/// The code of the largest value that does not exceed `value`.
#[must_use]
pub const fn encode_octet(value: u32) -> u8 {
    if value < 128 {
        return value as u8;
    }
    if value >= 31_744 {
        return 0xff;
    }
    // The position of the highest bit is 7 to 14.
    let exp = 31_u32.wrapping_sub(value.leading_zeros()).wrapping_sub(7);
    let mant = (value >> exp.wrapping_add(3)) & 0x0f;
    0x80 | (exp << 4) as u8 | mant as u8
}

/// How a protocol writes the longest time that may pass until a response: the Max Resp Code.
pub trait ResponseCode: Copy + Eq + fmt::Debug {
    /// The code in an IGMPv1 query.
    const ZERO: Self;

    /// The time.
    fn duration(self) -> Duration;
    /// The code of the longest time that does not exceed `time`, and of at least one unit.
    fn of(time: Duration) -> Self;
}

/// The Querier's Query Interval Code, in seconds (RFC 3376 §4.1.7, RFC 3810 §5.1.9). Zero means that none is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct IntervalCode(pub u8);

impl IntervalCode {
    /// The interval.
    #[must_use]
    pub fn duration(self) -> Duration {
        Duration::from_secs(u64::from(decode_octet(self.0)))
    }

    /// The code of the longest interval of whole seconds that does not exceed `interval`.
    #[must_use]
    pub fn of(interval: Duration) -> Self {
        Self(encode_octet(u32::try_from(interval.as_secs()).unwrap_or(u32::MAX)))
    }
}

/// The octet of flags in a version 3 query.
///
/// ```text
///  0 1 2 3 4 5 6 7
/// +-+-+-+-+-+-+-+-+
/// |E| Resv|S| QRV |
/// +-+-+-+-+-+-+-+-+
/// ```
///
/// RFC 3376 §4.1.5, §4.1.6; RFC 3810 §5.1.7, §5.1.8; E: RFC 9279 §3.1. Reserved bits are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct QueryBits(pub u8);

impl QueryBits {
    /// Extensions follow the sources (RFC 9279 §3.1).
    pub const EXTENSION: u8 = 0x80;
    /// Suppress Router-Side Processing.
    pub const SUPPRESS: u8 = 0x08;

    /// The flags of a querier. A robustness above 7 is said as 0.
    #[must_use]
    pub const fn new(suppress: bool, robustness: u8) -> Self {
        let qrv = if robustness > 7 { 0 } else { robustness };
        Self(if suppress { Self::SUPPRESS | qrv } else { qrv })
    }

    /// Whether routers shall not lower their timers.
    #[must_use]
    pub const fn suppress(self) -> bool {
        self.0 & Self::SUPPRESS != 0
    }

    /// The Querier's Robustness Variable. Zero means that none is said.
    #[must_use]
    pub const fn robustness(self) -> u8 {
        self.0 & 7
    }
}

/// What only version 3 (MLD: version 2) has in a query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueryV3<'a, A: Protocol> {
    /// Flags and robustness.
    pub bits: QueryBits,
    /// The querier's interval.
    pub interval: IntervalCode,
    /// The sources asked about; none in a general and in a group-specific query.
    pub sources: Addresses<'a, A>,
    /// What follows the sources: to be ignored, but for the extensions of RFC 9279.
    pub additional: &'a [u8],
}

/// A query of any version.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Query<'a, A: Protocol> {
    /// The group asked about; [`Address::UNSPECIFIED`](crate::address::Address::UNSPECIFIED) in a general query.
    pub group: A,
    /// The longest time until a response. Zero in an IGMPv1 query.
    pub response: A::ResponseCode,
    /// What only version 3 has.
    pub v3: Option<QueryV3<'a, A>>,
}

impl<'a, A: Protocol> Query<'a, A> {
    /// Whether all groups are asked about.
    #[must_use]
    pub fn is_general(&self) -> bool {
        self.group == A::UNSPECIFIED
    }

    /// The sources asked about.
    #[must_use]
    pub fn sources(&self) -> Addresses<'a, A> {
        self.v3.map_or(Addresses::NONE, |v3| v3.sources)
    }
}

#[cfg(feature = "arbitrary")]
impl<'a, A: Protocol + arbitrary::Arbitrary<'a>> arbitrary::Arbitrary<'a> for QueryV3<'a, A> {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let (bits, interval, sources) = u.arbitrary()?;
        let n = u.int_in_range(0..=9)?;
        Ok(Self { bits, interval, sources, additional: u.bytes(n)? })
    }
}

#[cfg(feature = "arbitrary")]
impl<'a, A> arbitrary::Arbitrary<'a> for Query<'a, A>
where
    A: Protocol<ResponseCode: arbitrary::Arbitrary<'a>> + arbitrary::Arbitrary<'a>,
{
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(Self { group: u.arbitrary()?, response: u.arbitrary()?, v3: u.arbitrary()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_the_code_of_its_value() {
        for code in 0..=255 {
            assert_eq!(encode_octet(u32::from(decode_octet(code))), code);
        }
        // RFC 3376 §4.1.1: the first floating-point value, and the last.
        assert_eq!((decode_octet(0x80), decode_octet(0xff)), (128, 31_744));
        // A value between two codes is rounded down.
        assert_eq!(decode_octet(encode_octet(135)), 128);
        assert_eq!((encode_octet(31_743), encode_octet(u32::MAX)), (0xfe, 0xff));
    }

    #[test]
    fn flags_of_a_query() {
        let bits = QueryBits::new(true, 2);
        assert_eq!((bits.0, bits.suppress(), bits.robustness()), (0x0a, true, 2));
        assert_eq!(QueryBits::new(false, 8).robustness(), 0);
    }
}
