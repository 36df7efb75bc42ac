//! IGMP messages of all versions (RFC 1112 Appendix I, RFC 2236 §2, RFC 3376 §4).
//!
//! | Type | Message | Version |
//! |---|---|---|
//! | 0x11 | Membership Query | 1, 2, 3: by its length and Max Resp Code (RFC 3376 §7.1) |
//! | 0x12 | Membership Report | 1 |
//! | 0x16 | Membership Report | 2 |
//! | 0x17 | Leave Group | 2 |
//! | 0x22 | Membership Report | 3 |
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
use core::net::Ipv4Addr;
use core::time::Duration;

use fwd_core::codec::{self, BufMut, Fail, Take};
use fwd_core::wire::checksum::Sum;
use fwd_core::{Fault, Malformed};

use crate::address::Address;
use crate::gmp::{
    Addresses, IntervalCode, Message, Protocol, Query, QueryBits, QueryV3, Report, ResponseCode, Version, decode_octet,
    encode_octet,
};

/// The type of an IGMP message. Unknown values survive.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct IgmpType(pub u8);

impl IgmpType {
    /// Membership Query of any version.
    pub const QUERY: Self = Self(0x11);
    /// Version 1 Membership Report.
    pub const REPORT_V1: Self = Self(0x12);
    /// Version 2 Membership Report.
    pub const REPORT_V2: Self = Self(0x16);
    /// Version 2 Leave Group.
    pub const LEAVE: Self = Self(0x17);
    /// Version 3 Membership Report.
    pub const REPORT_V3: Self = Self(0x22);
}

impl fmt::Debug for IgmpType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "IGMP type {:#04x}", self.0)
    }
}

/// The Max Resp Code of IGMP, in tenths of a second (RFC 3376 §4.1.1). At most 3,174.4 s.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct MaxRespCode(pub u8);

impl ResponseCode for MaxRespCode {
    const ZERO: Self = Self(0);

    fn duration(self) -> Duration {
        Duration::from_millis(u64::from(decode_octet(self.0)).saturating_mul(100))
    }

    fn of(time: Duration) -> Self {
        let tenths = time.as_millis().checked_div(100).unwrap_or(0);
        Self(encode_octet(u32::try_from(tenths).unwrap_or(u32::MAX).max(1)))
    }
}

/// An IGMP message.
///
/// ```text
/// +---------------+---------------+-------------------------------+
/// |     Type      | Max Resp Code |           Checksum            |
/// +---------------+---------------+-------------------------------+
/// |                         Group Address                         |
/// +-------+-+-----+---------------+-------------------------------+
/// | Resv  |S| QRV |     QQIC      |     Number of Sources (N)     |   version 3 queries
/// +-------+-+-----+---------------+-------------------------------+
/// |                       Source Address [i]                      |
/// +---------------------------------------------------------------+
/// ```
///
/// The checksum is over the whole message (RFC 3376 §4.1.2): a wrong one is malformed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IgmpMessage<'a> {
    /// A query of any version.
    Query(Query<'a, Ipv4Addr>),
    /// A version 1 report of a group.
    ReportV1(Ipv4Addr),
    /// A version 2 report of a group.
    ReportV2(Ipv4Addr),
    /// A version 2 leave.
    Leave(Ipv4Addr),
    /// A version 3 report.
    ReportV3(Report<'a, Ipv4Addr>),
    /// Another type: DVMRP, PIMv1, mtrace.
    Unknown {
        /// Its type.
        kind: IgmpType,
        /// Its second octet.
        code: u8,
        /// What follows the checksum.
        body: &'a [u8],
    },
}

impl<'a> IgmpMessage<'a> {
    /// Takes a message: all of the input.
    ///
    /// # Errors
    /// A wrong checksum, a message that is too short, and a query of 9 to 11 octets (RFC 3376 §7.1).
    #[inline]
    pub fn take(i: &'a [u8]) -> Take<'a, Self> {
        let whole = i;
        let (i, kind) = codec::be_u8(i, "Type")?;
        let (i, code) = codec::be_u8(i, "Max Resp Code")?;
        let (body, checksum) = codec::be_u16(i, "Checksum")?;
        if Sum::new().bulk(whole).finish() != 0 {
            return Err(Fail::new(i, "Checksum", Fault::Value(u32::from(checksum))));
        }
        let message = match IgmpType(kind) {
            IgmpType::QUERY => Self::Query(take_query(MaxRespCode(code), body)?.1),
            // RFC 2236 §2.5: octets beyond the eight are ignored.
            IgmpType::REPORT_V1 => Self::ReportV1(take_group(body)?.1),
            IgmpType::REPORT_V2 => Self::ReportV2(take_group(body)?.1),
            IgmpType::LEAVE => Self::Leave(take_group(body)?.1),
            IgmpType::REPORT_V3 => Self::ReportV3(Report::take(body)?.1),
            kind => Self::Unknown { kind, code, body },
        };
        Ok((&[], message))
    }

    /// Parses the payload of an IP datagram of protocol 2.
    ///
    /// # Errors
    /// As [`Self::take`].
    #[inline]
    pub fn parse(octets: &'a [u8]) -> Result<Self, Malformed> {
        codec::all(octets, Self::take)
    }

    /// Octets that [`Self::emit`] writes.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        match self {
            Self::Query(Query { v3: Some(v3), .. }) => {
                v3.sources.octets().len().saturating_add(v3.additional.len()).saturating_add(12)
            }
            Self::ReportV3(report) => report.wire_len().saturating_add(4),
            Self::Unknown { body, .. } => body.len().saturating_add(4),
            _ => 8,
        }
    }

    /// Writes the message with its checksum.
    pub fn emit(&self, out: &mut impl BufMut) {
        match self {
            Self::Query(query) => emit_query(query, out),
            Self::ReportV1(group) => emit_group(IgmpType::REPORT_V1, *group, out),
            Self::ReportV2(group) => emit_group(IgmpType::REPORT_V2, *group, out),
            Self::Leave(group) => emit_group(IgmpType::LEAVE, *group, out),
            Self::ReportV3(Report { flags, records, additional }) => {
                let sum = Sum::new().word(*flags).word(records.count()).bulk(records.octets()).octets(additional);
                put_head(IgmpType::REPORT_V3, 0, sum, out);
                out.put_u16(*flags);
                out.put_u16(records.count());
                out.put_slice(records.octets());
                out.put_slice(additional);
            }
            Self::Unknown { kind, code, body } => {
                put_head(*kind, *code, Sum::new().octets(body), out);
                out.put_slice(body);
            }
        }
    }
}

fn take_group(body: &[u8]) -> Take<'_, Ipv4Addr> {
    codec::array::<4>(body, "Group Address").map(|(rest, group)| (rest, Ipv4Addr::from(group)))
}

fn take_query(response: MaxRespCode, body: &[u8]) -> Take<'_, Query<'_, Ipv4Addr>> {
    let (i, group) = take_group(body)?;
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

/// The first four octets. `sum` is that of all others.
fn put_head(kind: IgmpType, code: u8, sum: Sum, out: &mut impl BufMut) {
    out.put_u8(kind.0);
    out.put_u8(code);
    out.put_u16(sum.word(u16::from_be_bytes([kind.0, code])).finish());
}

fn emit_group(kind: IgmpType, group: Ipv4Addr, out: &mut impl BufMut) {
    put_head(kind, 0, Sum::new().octets(&group.octets()), out);
    group.emit(out);
}

fn emit_query(query: &Query<'_, Ipv4Addr>, out: &mut impl BufMut) {
    let sum = Sum::new().octets(&query.group.octets());
    let Some(QueryV3 { bits, interval, sources, additional }) = query.v3 else {
        put_head(IgmpType::QUERY, query.response.0, sum, out);
        return query.group.emit(out);
    };
    let sum = sum.word(u16::from_be_bytes([bits.0, interval.0])).word(sources.count());
    put_head(IgmpType::QUERY, query.response.0, sum.octets(sources.octets()).octets(additional), out);
    query.group.emit(out);
    out.put_u8(bits.0);
    out.put_u8(interval.0);
    out.put_u16(sources.count());
    out.put_slice(sources.octets());
    out.put_slice(additional);
}

impl<'a> From<IgmpMessage<'a>> for Message<'a, Ipv4Addr> {
    fn from(message: IgmpMessage<'a>) -> Self {
        match message {
            IgmpMessage::Query(query) => Self::Query(query),
            IgmpMessage::ReportV1(group) => Self::ReportV1(group),
            IgmpMessage::ReportV2(group) => Self::ReportV2(group),
            IgmpMessage::Leave(group) => Self::Leave(group),
            IgmpMessage::ReportV3(report) => Self::ReportV3(report),
            IgmpMessage::Unknown { kind, .. } => Self::Unknown(kind.0),
        }
    }
}

impl Protocol for Ipv4Addr {
    type ResponseCode = MaxRespCode;

    const LOWEST: Version = Version::V1;

    fn parse_message(octets: &[u8], _source: Self, _destination: Self) -> Result<Message<'_, Self>, Malformed> {
        IgmpMessage::parse(octets).map(Message::from)
    }

    fn emit_message(message: &Message<'_, Self>, _source: Self, _destination: Self, out: &mut Vec<u8>) {
        let message = match *message {
            Message::Query(query) => IgmpMessage::Query(query),
            Message::ReportV1(group) => IgmpMessage::ReportV1(group),
            Message::ReportV2(group) => IgmpMessage::ReportV2(group),
            Message::Leave(group) => IgmpMessage::Leave(group),
            Message::ReportV3(report) => IgmpMessage::ReportV3(report),
            Message::Unknown(_) => return,
        };
        message.emit(out);
    }

    fn query_version(query: &Query<'_, Self>) -> Version {
        match query {
            Query { v3: Some(_), .. } => Version::V3,
            Query { response: MaxRespCode(0), .. } => Version::V1,
            _ => Version::V2,
        }
    }

    fn is_reporter(source: Self) -> bool {
        // RFC 3376 §4.2.13: a system without an address yet reports from 0.0.0.0.
        source.is_unspecified() || source.is_host()
    }

    fn is_never_reported(group: Self) -> bool {
        group == Self::ALL_SYSTEMS
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for IgmpMessage<'a> {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(match u.int_in_range(0..=4)? {
            0 => Self::Query(u.arbitrary()?),
            1 => Self::ReportV1(u.arbitrary()?),
            2 => Self::ReportV2(u.arbitrary()?),
            3 => Self::Leave(u.arbitrary()?),
            _ => {
                let n = u.int_in_range(0..=40)?;
                // Types of other protocols, DVMRP and above.
                Self::Unknown { kind: IgmpType(u.int_in_range(0x30..=0xff)?), code: u.arbitrary()?, body: u.bytes(n)? }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_a_query_is_in_its_length_and_code() {
        let of = |octets: &[u8]| match IgmpMessage::parse(octets).unwrap() {
            IgmpMessage::Query(q) => Ipv4Addr::query_version(&q),
            other => panic!("{other:?}"),
        };
        assert_eq!(of(&[0x11, 0, 0xee, 0xff, 0, 0, 0, 0]), Version::V1);
        assert_eq!(of(&[0x11, 100, 0xee, 0x9b, 0, 0, 0, 0]), Version::V2);
        assert_eq!(of(&[0x11, 100, 0xec, 0x1e, 0, 0, 0, 0, 2, 125, 0, 0]), Version::V3);
        // RFC 3376 §7.1: a query of 9 to 11 octets is none.
        let m = IgmpMessage::parse(&[0x11, 100, 0xec, 0x9b, 0, 0, 0, 0, 2]).unwrap_err();
        assert_eq!((m.offset, m.fault), (9, Fault::Truncated));
    }

    #[test]
    fn a_wrong_checksum_is_malformed() {
        let m = IgmpMessage::parse(&[0x16, 0, 0, 0, 239, 1, 1, 1]).unwrap_err();
        assert_eq!((m.offset, m.field, m.fault), (2, "Checksum", Fault::Value(0)));
    }

    #[test]
    fn response_codes() {
        assert_eq!(MaxRespCode(100).duration(), Duration::from_secs(10));
        assert_eq!(MaxRespCode::of(Duration::from_secs(1)), MaxRespCode(10));
        assert_eq!(MaxRespCode::of(Duration::from_millis(1)), MaxRespCode(1));
        assert_eq!(MaxRespCode(0xff).duration(), Duration::from_millis(3_174_400));
    }
}
