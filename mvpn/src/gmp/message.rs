//! A message of either protocol, as the machines see it.

use alloc::vec::Vec;

use fwd_core::Malformed;

use super::{Query, Report, ResponseCode};
use crate::address::Address;

/// A protocol version, counted as IGMP counts: MLDv1 is [`V2`](Self::V2), and MLDv2 is [`V3`](Self::V3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Version {
    /// IGMPv1 (RFC 1112).
    V1,
    /// IGMPv2 (RFC 2236) or MLDv1 (RFC 2710).
    V2,
    /// IGMPv3 (RFC 3376) or MLDv2 (RFC 3810).
    #[default]
    V3,
}

/// A message of IGMP or MLD.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a, A: Protocol> {
    /// A query of any version.
    Query(Query<'a, A>),
    /// An IGMPv1 report.
    ReportV1(A),
    /// An IGMPv2 report or an MLDv1 report.
    ReportV2(A),
    /// An IGMPv2 leave or an MLDv1 done.
    Leave(A),
    /// An IGMPv3 or MLDv2 report.
    ReportV3(Report<'a, A>),
    /// Another message of the same protocol number; its type.
    Unknown(u8),
}

/// What IGMP and MLD do not share: the family of a [`Message`] and its octets.
pub trait Protocol: Address {
    /// The Max Resp Code.
    type ResponseCode: ResponseCode;

    /// The lowest version there is.
    const LOWEST: Version;

    /// Reads the payload of an IP datagram. MLD's checksum covers the addresses, too.
    ///
    /// # Errors
    /// [`Malformed`], also where the checksum is wrong.
    fn parse_message(octets: &[u8], source: Self, destination: Self) -> Result<Message<'_, Self>, Malformed>;

    /// Writes the payload of an IP datagram. [`Message::Unknown`] has none.
    fn emit_message(message: &Message<'_, Self>, source: Self, destination: Self, out: &mut Vec<u8>);

    /// The version of a query (RFC 3376 §7.1, RFC 3810 §8.1).
    fn query_version(query: &Query<'_, Self>) -> Version;

    /// Whether a report may come from `source` (RFC 3376 §4.2.13, RFC 3810 §5.2.13).
    fn is_reporter(source: Self) -> bool;

    /// Whether a group is one that nobody reports: all systems, or an IPv6 group of scope 0 or 1 (RFC 3810 §6).
    fn is_never_reported(group: Self) -> bool;
}
