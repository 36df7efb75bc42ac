//! MLD messages of both versions (RFC 2710 §3, RFC 3810 §5): ICMPv6.
//!
//! | ICMPv6 type | Message | Version |
//! |---|---|---|
//! | 130 | Multicast Listener Query | 1, 2: by its length (RFC 3810 §8.1) |
//! | 131 | Multicast Listener Report | 1 |
//! | 132 | Multicast Listener Done | 1 |
//! | 143 | Multicast Listener Report | 2 |
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

use alloc::vec::Vec;
use core::fmt;
use core::net::Ipv6Addr;
use core::time::Duration;

use fwd_core::codec::{self, BufMut, Fail, Take};
use fwd_core::wire::checksum::Sum;
use fwd_core::{Fault, Malformed};

use crate::address::Address;
use crate::gmp::{
    Addresses, IntervalCode, Message, Protocol, Query, QueryBits, QueryV3, Report, ResponseCode, Version,
};

/// The ICMPv6 type of an MLD message. Other values are other ICMPv6 messages.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct MldType(pub u8);

impl MldType {
    /// Multicast Listener Query of either version.
    pub const QUERY: Self = Self(130);
    /// Version 1 Multicast Listener Report.
    pub const REPORT_V1: Self = Self(131);
    /// Version 1 Multicast Listener Done.
    pub const DONE: Self = Self(132);
    /// Version 2 Multicast Listener Report.
    pub const REPORT_V2: Self = Self(143);
}

impl fmt::Debug for MldType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ICMPv6 type {}", self.0)
    }
}

/// The Maximum Response Code of MLD, in milliseconds (RFC 3810 §5.1.3). At most 8,387,584 ms.
///
/// ```text
///  0                   1
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// |1| exp |          mant         |   from 32,768 on: (mant | 0x1000) << (exp + 3)
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct MaximumResponseCode(pub u16);

impl ResponseCode for MaximumResponseCode {
    const ZERO: Self = Self(0);

    fn duration(self) -> Duration {
        if self.0 < 0x8000 {
            return Duration::from_millis(u64::from(self.0));
        }
        let exp = ((self.0 >> 12) & 7).wrapping_add(3);
        Duration::from_millis(u64::from(self.0 & 0x0fff | 0x1000) << exp)
    }

    fn of(time: Duration) -> Self {
        let ms = u32::try_from(time.as_millis()).unwrap_or(u32::MAX).clamp(1, 8_387_584);
        if ms < 0x8000 {
            return Self(ms as u16);
        }
        // The position of the highest bit is 15 to 22.
        let exp = 31_u32.wrapping_sub(ms.leading_zeros()).wrapping_sub(15);
        let mant = (ms >> exp.wrapping_add(3)) & 0x0fff;
        Self(0x8000 | (exp << 12) as u16 | mant as u16)
    }
}

/// The addresses of the IPv6 header, which the checksum covers (RFC 8200 §8.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Endpoints {
    /// The source address.
    pub source: Ipv6Addr,
    /// The destination address.
    pub destination: Ipv6Addr,
}

impl Endpoints {
    /// The pseudo-header of an ICMPv6 message of `len` octets.
    fn sum(&self, len: usize) -> Sum {
        const ICMPV6: u16 = 58;
        let len = u32::try_from(len).unwrap_or(u32::MAX);
        Sum::new().octets(&self.source.octets()).octets(&self.destination.octets()).long(len).word(ICMPV6)
    }
}

/// An MLD message.
///
/// ```text
/// +---------------+---------------+-------------------------------+
/// |     Type      |     Code      |           Checksum            |
/// +---------------+---------------+-------------------------------+
/// |     Maximum Response Code     |           Reserved            |
/// +-------------------------------+-------------------------------+
/// |                     Multicast Address (16)                    |
/// +-------+-+-----+---------------+-------------------------------+
/// | Resv  |S| QRV |     QQIC      |     Number of Sources (N)     |   version 2 queries
/// +-------+-+-----+---------------+-------------------------------+
/// |                    Source Address [i] (16)                    |
/// +---------------------------------------------------------------+
/// ```
///
/// Code and reserved octets are sent as zero and ignored. A wrong checksum is malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MldMessage<'a> {
    /// A query of either version.
    Query(Query<'a, Ipv6Addr>),
    /// A version 1 report of a group.
    ReportV1(Ipv6Addr),
    /// A version 1 done.
    Done(Ipv6Addr),
    /// A version 2 report.
    ReportV2(Report<'a, Ipv6Addr>),
    /// Another ICMPv6 message: its type.
    Unknown(MldType),
}

impl<'a> MldMessage<'a> {
    /// Takes a message: all of the input.
    ///
    /// # Errors
    /// A wrong checksum, a message that is too short, and a query of 25 to 27 octets (RFC 3810 §8.1).
    #[inline]
    pub fn take(i: &'a [u8], endpoints: &Endpoints) -> Take<'a, Self> {
        let whole = i;
        let (i, kind) = codec::be_u8(i, "Type")?;
        let (i, _code) = codec::be_u8(i, "Code")?;
        let (body, checksum) = codec::be_u16(i, "Checksum")?;
        if endpoints.sum(whole.len()).bulk(whole).finish() != 0 {
            return Err(Fail::new(i, "Checksum", Fault::Value(u32::from(checksum))));
        }
        let message = match MldType(kind) {
            MldType::QUERY => Self::Query(take_query(body)?.1),
            // RFC 2710 §3.7: octets beyond the 24 are ignored.
            MldType::REPORT_V1 => Self::ReportV1(take_head(body)?.1.1),
            MldType::DONE => Self::Done(take_head(body)?.1.1),
            MldType::REPORT_V2 => Self::ReportV2(Report::take(body)?.1),
            kind => Self::Unknown(kind),
        };
        Ok((&[], message))
    }

    /// Parses the payload of an IPv6 datagram of next header 58.
    ///
    /// # Errors
    /// As [`Self::take`].
    #[inline]
    pub fn parse(octets: &'a [u8], endpoints: &Endpoints) -> Result<Self, Malformed> {
        codec::all(octets, |i| Self::take(i, endpoints))
    }

    /// Octets that [`Self::emit`] writes: none for [`MldMessage::Unknown`], which is not ours to write.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        match self {
            Self::Query(Query { v3: Some(v3), .. }) => {
                v3.sources.octets().len().saturating_add(v3.additional.len()).saturating_add(28)
            }
            Self::ReportV2(report) => report.wire_len().saturating_add(4),
            Self::Unknown(_) => 0,
            _ => 24,
        }
    }

    /// Writes the message with its checksum.
    pub fn emit(&self, endpoints: &Endpoints, out: &mut impl BufMut) {
        let sum = endpoints.sum(self.wire_len());
        match self {
            Self::Query(query) => emit_query(query, sum, out),
            Self::ReportV1(group) => emit_group(MldType::REPORT_V1, *group, sum, out),
            Self::Done(group) => emit_group(MldType::DONE, *group, sum, out),
            Self::ReportV2(report) => {
                let Report { flags, records, additional } = report;
                let sum = sum.word(*flags).word(records.count()).bulk(records.octets()).octets(additional);
                put_head(MldType::REPORT_V2, sum, out);
                report.emit(out);
            }
            Self::Unknown(_) => {}
        }
    }
}

/// Maximum Response Code, reserved octets and Multicast Address.
fn take_head(i: &[u8]) -> Take<'_, (MaximumResponseCode, Ipv6Addr)> {
    let (i, response) = codec::be_u16(i, "Maximum Response Code")?;
    let (i, _reserved) = codec::be_u16(i, "Reserved")?;
    let (i, group) = codec::array::<16>(i, "Multicast Address")?;
    Ok((i, (MaximumResponseCode(response), Ipv6Addr::from(group))))
}

fn take_query(body: &[u8]) -> Take<'_, Query<'_, Ipv6Addr>> {
    let (i, (response, group)) = take_head(body)?;
    if i.is_empty() {
        return Ok((i, Query { group, response, v3: None }));
    }
    let (i, bits) = codec::be_u8(i, "QRV")?;
    let (i, interval) = codec::be_u8(i, "QQIC")?;
    let (i, n) = codec::be_u16(i, "Number of Sources")?;
    let (additional, sources) = Addresses::take(i, n, "Source Address")?;
    let v3 = QueryV3 { bits: QueryBits(bits), interval: IntervalCode(interval), sources, additional };
    Ok((&[], Query { group, response, v3: Some(v3) }))
}

/// The first four octets. `sum` is that of all others and of the pseudo-header.
fn put_head(kind: MldType, sum: Sum, out: &mut impl BufMut) {
    out.put_u8(kind.0);
    out.put_u8(0);
    out.put_u16(sum.word(u16::from_be_bytes([kind.0, 0])).finish());
}

fn emit_group(kind: MldType, group: Ipv6Addr, sum: Sum, out: &mut impl BufMut) {
    put_head(kind, sum.octets(&group.octets()), out);
    out.put_u32(0);
    group.emit(out);
}

fn emit_query(query: &Query<'_, Ipv6Addr>, sum: Sum, out: &mut impl BufMut) {
    let sum = sum.word(query.response.0).octets(&query.group.octets());
    let sum = match query.v3 {
        None => sum,
        Some(QueryV3 { bits, interval, sources, additional }) => sum
            .word(u16::from_be_bytes([bits.0, interval.0]))
            .word(sources.count())
            .octets(sources.octets())
            .octets(additional),
    };
    put_head(MldType::QUERY, sum, out);
    out.put_u16(query.response.0);
    out.put_u16(0);
    query.group.emit(out);
    if let Some(QueryV3 { bits, interval, sources, additional }) = query.v3 {
        out.put_u8(bits.0);
        out.put_u8(interval.0);
        out.put_u16(sources.count());
        out.put_slice(sources.octets());
        out.put_slice(additional);
    }
}

impl<'a> From<MldMessage<'a>> for Message<'a, Ipv6Addr> {
    fn from(message: MldMessage<'a>) -> Self {
        match message {
            MldMessage::Query(query) => Self::Query(query),
            MldMessage::ReportV1(group) => Self::ReportV2(group),
            MldMessage::Done(group) => Self::Leave(group),
            MldMessage::ReportV2(report) => Self::ReportV3(report),
            MldMessage::Unknown(kind) => Self::Unknown(kind.0),
        }
    }
}

impl Protocol for Ipv6Addr {
    type ResponseCode = MaximumResponseCode;

    const LOWEST: Version = Version::V2;

    fn parse_message(octets: &[u8], source: Self, destination: Self) -> Result<Message<'_, Self>, Malformed> {
        MldMessage::parse(octets, &Endpoints { source, destination }).map(Message::from)
    }

    fn emit_message(message: &Message<'_, Self>, source: Self, destination: Self, out: &mut Vec<u8>) {
        let message = match *message {
            Message::Query(query) => MldMessage::Query(query),
            Message::ReportV1(group) | Message::ReportV2(group) => MldMessage::ReportV1(group),
            Message::Leave(group) => MldMessage::Done(group),
            Message::ReportV3(report) => MldMessage::ReportV2(report),
            Message::Unknown(_) => return,
        };
        message.emit(&Endpoints { source, destination }, out);
    }

    fn query_version(query: &Query<'_, Self>) -> Version {
        if query.v3.is_some() { Version::V3 } else { Version::V2 }
    }

    fn is_reporter(source: Self) -> bool {
        // RFC 3810 §5.2.13: link-local, or unspecified where the host has no address yet.
        source.is_unspecified() || source.is_unicast_link_local()
    }

    fn is_never_reported(group: Self) -> bool {
        group == Self::ALL_SYSTEMS || matches!(group.octets(), [0xff, scope, ..] if scope & 0x0f <= 1)
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for MldMessage<'a> {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(match u.int_in_range(0..=2)? {
            0 => Self::Query(u.arbitrary()?),
            1 => Self::ReportV1(u.arbitrary()?),
            _ => Self::Done(u.arbitrary()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn response_codes() {
        for code in (0..=u16::MAX).filter(|&c| c != 0) {
            let code = MaximumResponseCode(code);
            assert_eq!(MaximumResponseCode::of(code.duration()), code);
        }
        assert_eq!(MaximumResponseCode(10_000).duration(), Duration::from_secs(10));
        assert_eq!(MaximumResponseCode(0x8000).duration(), Duration::from_millis(32_768));
        assert_eq!(MaximumResponseCode::of(Duration::MAX).duration(), Duration::from_millis(8_387_584));
    }

    #[test]
    fn the_checksum_covers_the_addresses() {
        let endpoints = Endpoints { source: "fe80::1".parse().unwrap(), destination: Ipv6Addr::ALL_SYSTEMS };
        let mut out = Vec::new();
        MldMessage::ReportV1("ff1e::1".parse().unwrap()).emit(&endpoints, &mut out);
        assert!(MldMessage::parse(&out, &endpoints).is_ok());
        let other = Endpoints { source: "fe80::2".parse().unwrap(), ..endpoints };
        assert_eq!(MldMessage::parse(&out, &other).unwrap_err().field, "Checksum");
    }

    #[test]
    fn a_query_of_25_to_27_octets_is_none() {
        let endpoints = Endpoints { source: "fe80::1".parse().unwrap(), destination: Ipv6Addr::ALL_SYSTEMS };
        let mut octets = std::vec![130, 0, 0, 0, 39, 16, 0, 0];
        octets.extend([0; 16]);
        for extra in 1..=3_usize {
            let mut octets = octets.clone();
            octets.resize(24 + extra, 0);
            let sum = endpoints.sum(octets.len()).octets(&octets).finish();
            octets[2..4].copy_from_slice(&sum.to_be_bytes());
            assert_eq!(MldMessage::parse(&octets, &endpoints).unwrap_err().fault, Fault::Truncated);
        }
    }
}
