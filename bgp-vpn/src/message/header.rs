//! The message header (RFC 4271 §4.1) and framing.

use core::fmt;

use fwd_core::codec::{self, BufMut, Fail, Take};
use fwd_core::{Fault, Malformed};

use super::notification::{ErrorCode, Notification, subcode};

/// The type of a message; unknown values survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct MessageType(pub u8);

impl MessageType {
    /// OPEN (RFC 4271 §4.2).
    pub const OPEN: Self = Self(1);
    /// UPDATE (RFC 4271 §4.3).
    pub const UPDATE: Self = Self(2);
    /// NOTIFICATION (RFC 4271 §4.5).
    pub const NOTIFICATION: Self = Self(3);
    /// KEEPALIVE (RFC 4271 §4.4).
    pub const KEEPALIVE: Self = Self(4);
    /// ROUTE-REFRESH (RFC 2918 §3).
    pub const ROUTE_REFRESH: Self = Self(5);
}

impl fmt::Display for MessageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match *self {
            Self::OPEN => "OPEN",
            Self::UPDATE => "UPDATE",
            Self::NOTIFICATION => "NOTIFICATION",
            Self::KEEPALIVE => "KEEPALIVE",
            Self::ROUTE_REFRESH => "ROUTE-REFRESH",
            Self(other) => return write!(f, "message type {other}"),
        })
    }
}

/// The header of every message.
///
/// ```text
/// +---------------------------------------------------------------+
/// | Marker (16 octets, all ones)                                  |
/// +-------------------------------+---------------+---------------+
/// | Length (2)                    | Type (1)      |
/// +-------------------------------+---------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Octets of the message, header included: 19 to 4,096, or to 65,535 where RFC 8654 allows.
    pub length: u16,
    /// What follows.
    pub message_type: MessageType,
}

impl Header {
    /// Octets of the header.
    pub const LEN: usize = 19;
    /// The marker.
    pub const MARKER: [u8; 16] = [0xff; 16];
    /// The longest message without RFC 8654, and the longest OPEN and KEEPALIVE with it.
    pub const MAX_MESSAGE_LEN: usize = 4096;
    /// The longest message with RFC 8654 §3.
    pub const MAX_EXTENDED_LEN: usize = 65_535;

    /// Takes a header. The marker and the length's lower bound are checked; [`frame_len`] checks the rest.
    ///
    /// # Errors
    /// Truncated input, a marker that is not all ones, a length below 19.
    pub fn take(i: &[u8]) -> Take<'_, Self> {
        let start = i;
        let (i, marker) = codec::array::<16>(i, "marker")?;
        if marker != Self::MARKER {
            let first = marker.iter().copied().find(|b| *b != 0xff).unwrap_or_default();
            return Err(Fail::new(start, "marker", Fault::Value(u32::from(first))));
        }
        let at = i;
        let (i, length) = codec::be_u16(i, "length")?;
        if usize::from(length) < Self::LEN {
            return Err(Fail::new(at, "length", Fault::Length(usize::from(length))));
        }
        let (i, message_type) = codec::be_u8(i, "type")?;
        Ok((i, Self { length, message_type: MessageType(message_type) }))
    }

    /// Parses exactly one header.
    ///
    /// # Errors
    /// As [`Self::take`], or trailing octets.
    pub fn parse(octets: &[u8]) -> Result<Self, Malformed> {
        codec::all(octets, Self::take)
    }

    /// Nineteen.
    #[must_use]
    pub const fn wire_len(&self) -> usize {
        Self::LEN
    }

    /// Writes the header.
    pub fn emit(&self, out: &mut impl BufMut) {
        out.put_slice(&Self::MARKER);
        out.put_u16(self.length);
        out.put_u8(self.message_type.0);
    }
}

/// The length of the message at the head of `octets`: `None` as long as the header is not there in full. The message
/// itself need not be there in full.
///
/// `max_len` is the longest message this session takes: [`Header::MAX_MESSAGE_LEN`], or [`Header::MAX_EXTENDED_LEN`]
/// after we advertised RFC 8654. A wrong marker or length is reported as soon as its octets are there.
///
/// # Errors
/// The NOTIFICATION that RFC 4271 §6.1 asks for: Connection Not Synchronized, Bad Message Length with the length field
/// as data, Bad Message Type with the type field as data.
pub fn frame_len(octets: &[u8], max_len: usize) -> Result<Option<usize>, Notification> {
    let header = |subcode, data: &[u8]| Notification::with_data(ErrorCode::MESSAGE_HEADER, subcode, data);
    let whole = octets.first_chunk() == Some(&Header::MARKER);
    if !whole && octets.iter().take(Header::MARKER.len()).any(|b| *b != 0xff) {
        return Err(header(subcode::header::CONNECTION_NOT_SYNCHRONIZED, &[]));
    }
    let Some((field, rest)) = octets.get(Header::MARKER.len()..).and_then(<[u8]>::split_first_chunk::<2>) else {
        return Ok(None);
    };
    let len = usize::from(u16::from_be_bytes(*field));
    if len < Header::LEN || len > max_len {
        return Err(header(subcode::header::BAD_MESSAGE_LENGTH, field));
    }
    let Some(message_type) = rest.first() else { return Ok(None) };
    let (min, max) = match MessageType(*message_type) {
        // Version, AS, hold time, identifier, length of no optional parameters. Never extended: RFC 8654 §4.
        MessageType::OPEN => (29, Header::MAX_MESSAGE_LEN),
        // Two length fields of zero.
        MessageType::UPDATE => (23, max_len),
        // Code and sub-code.
        MessageType::NOTIFICATION => (21, max_len),
        MessageType::KEEPALIVE => (Header::LEN, Header::LEN),
        // Lengths below 23 have an error code of their own (RFC 7313 §5).
        MessageType::ROUTE_REFRESH => (Header::LEN, max_len),
        _ => return Err(header(subcode::header::BAD_MESSAGE_TYPE, &[*message_type])),
    };
    if len < min || len > max {
        return Err(header(subcode::header::BAD_MESSAGE_LENGTH, field));
    }
    Ok(Some(len))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn header(length: u16, message_type: u8) -> Vec<u8> {
        let mut out = Vec::new();
        Header { length, message_type: MessageType(message_type) }.emit(&mut out);
        out
    }

    /// Shows: L3VPN-8.1-1
    #[test]
    fn lengths_are_bounded_per_type() {
        let bad = |len: u16| Err(Notification::with_data(ErrorCode::MESSAGE_HEADER, 2, &len.to_be_bytes()));
        for (message_type, min, max) in [(1, 29, 4096), (2, 23, 4096), (3, 21, 4096), (4, 19, 19), (5, 19, 4096)] {
            assert_eq!(frame_len(&header(min, message_type), 4096), Ok(Some(usize::from(min))));
            assert_eq!(frame_len(&header(max, message_type), 4096), Ok(Some(usize::from(max))));
            assert_eq!(frame_len(&header(min - 1, message_type), 4096), bad(min - 1), "type {message_type}");
            assert_eq!(frame_len(&header(max + 1, message_type), 4096), bad(max + 1), "type {message_type}");
        }
    }

    /// Shows: L3VPN-8.1-2
    #[test]
    fn open_and_keepalive_are_never_extended() {
        for (message_type, extended) in [(1, false), (2, true), (3, true), (4, false), (5, true)] {
            let got = frame_len(&header(65_535, message_type), Header::MAX_EXTENDED_LEN);
            assert_eq!(got.is_ok(), extended, "type {message_type}");
            assert!(frame_len(&header(4097, message_type), Header::MAX_MESSAGE_LEN).is_err());
        }
    }

    #[test]
    fn faults_are_seen_as_soon_as_their_octets_are_there() {
        let whole = header(19, 4);
        for n in 0..19 {
            assert_eq!(frame_len(&whole[..n], 4096), Ok(None), "{n} octets");
        }
        assert_eq!(frame_len(&[0xff, 0xfe], 4096).unwrap_err().subcode, 1);
        let mut short = header(18, 2);
        short.truncate(18);
        assert_eq!(frame_len(&short, 4096).unwrap_err().subcode, 2);
        let unknown = frame_len(&header(19, 6), 4096).unwrap_err();
        assert_eq!((unknown.subcode, &unknown.data[..]), (3, &[6u8][..]));
    }

    #[test]
    fn header_round_trips_and_refuses_another_marker() {
        let octets = header(23, 2);
        let parsed = Header::parse(&octets).unwrap();
        assert_eq!(parsed, Header { length: 23, message_type: MessageType::UPDATE });
        let mut wrong = octets.clone();
        wrong[3] = 0;
        assert_eq!(Header::parse(&wrong).unwrap_err().field, "marker");
        wrong = octets;
        wrong[17] = 18;
        assert_eq!(Header::parse(&wrong).unwrap_err().fault, Fault::Length(18));
    }
}
