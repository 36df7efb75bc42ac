//! The header of every PIM message (RFC 7761 §4.9, RFC 8736).

use core::fmt;
use core::net::IpAddr;

use alloc::vec::Vec;
use fwd_core::Fault;
use fwd_core::codec::{self, BufMut, Fail, Take};

use super::checksum;

/// The type of a message; unknown values survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct MessageType(pub u8);

impl MessageType {
    /// Hello (RFC 7761 §4.9.2).
    pub const HELLO: Self = Self(0);
    /// Register (RFC 7761 §4.9.3).
    pub const REGISTER: Self = Self(1);
    /// Register-Stop (RFC 7761 §4.9.4).
    pub const REGISTER_STOP: Self = Self(2);
    /// Join/Prune (RFC 7761 §4.9.5).
    pub const JOIN_PRUNE: Self = Self(3);
    /// Bootstrap (RFC 5059 §4.1).
    pub const BOOTSTRAP: Self = Self(4);
    /// Assert (RFC 7761 §4.9.6).
    pub const ASSERT: Self = Self(5);
    /// Graft (RFC 3973 §4.7.8).
    pub const GRAFT: Self = Self(6);
    /// Graft-Ack (RFC 3973 §4.7.9).
    pub const GRAFT_ACK: Self = Self(7);
    /// Candidate-RP-Advertisement (RFC 5059 §4.2).
    pub const CANDIDATE_RP_ADVERTISEMENT: Self = Self(8);
    /// State Refresh (RFC 3973 §4.7.10).
    pub const STATE_REFRESH: Self = Self(9);
    /// DF Election (RFC 5015 §3.7.1).
    pub const DF_ELECTION: Self = Self(10);
    /// ECMP Redirect (RFC 6754 §5.2).
    pub const ECMP_REDIRECT: Self = Self(11);
    /// PIM Flooding Mechanism (RFC 8364 §3.1).
    pub const FLOODING: Self = Self(12);
    /// The first type whose four high flag bits are a subtype (RFC 8736 §5).
    pub const EXTENDED: Self = Self(13);
}

impl fmt::Display for MessageType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match *self {
            Self::HELLO => "Hello",
            Self::REGISTER => "Register",
            Self::REGISTER_STOP => "Register-Stop",
            Self::JOIN_PRUNE => "Join/Prune",
            Self::BOOTSTRAP => "Bootstrap",
            Self::ASSERT => "Assert",
            Self::GRAFT => "Graft",
            Self::GRAFT_ACK => "Graft-Ack",
            Self::CANDIDATE_RP_ADVERTISEMENT => "Candidate-RP-Advertisement",
            Self::STATE_REFRESH => "State Refresh",
            Self::DF_ELECTION => "DF Election",
            Self::ECMP_REDIRECT => "ECMP Redirect",
            Self::FLOODING => "PIM Flooding Mechanism",
            Self(other) => return write!(f, "type {other}"),
        })
    }
}

/// The four octets in front of every message.
///
/// ```text
/// +-------------+----------+-----------+--------------+
/// | Version (4b)| Type (4b)| Flags (1) | Checksum (2) |
/// +-------------+----------+-----------+--------------+
/// ```
///
/// The version is 2. The flags are those of the type; reserved ones are sent as zero and ignored (RFC 8736 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What follows.
    pub message_type: MessageType,
    /// Flag bits of the type.
    pub flags: u8,
    /// The checksum as received.
    pub checksum: u16,
}

/// The protocol version.
pub const VERSION: u8 = 2;

impl Header {
    /// Octets of a header.
    pub const LEN: usize = 4;

    /// Takes a header.
    ///
    /// # Errors
    /// Truncated input, or a version other than 2.
    #[inline]
    pub fn take(i: &[u8]) -> Take<'_, Self> {
        let (rest, version_type) = codec::be_u8(i, "pim version and type")?;
        if version_type >> 4 != VERSION {
            return Err(Fail::new(i, "pim version", Fault::Value(u32::from(version_type >> 4))));
        }
        let (rest, flags) = codec::be_u8(rest, "pim flags")?;
        let (rest, checksum) = codec::be_u16(rest, "pim checksum")?;
        Ok((rest, Self { message_type: MessageType(version_type & 0x0f), flags, checksum }))
    }
}

/// A whole message: header, body as `emit` writes it, and the checksum over what the type asks for, with the pseudo-header
/// of the IPv6 addresses.
pub fn packet(
    message_type: MessageType,
    flags: u8,
    source: IpAddr,
    destination: IpAddr,
    emit: impl FnOnce(&mut Vec<u8>),
) -> Vec<u8> {
    let mut out = Vec::with_capacity(64);
    out.put_u8(VERSION << 4 | message_type.0 & 0x0f);
    out.put_u8(flags);
    out.put_u16(0);
    emit(&mut out);
    let sum = checksum::of(message_type, &out, source, destination);
    if let Some(field) = out.get_mut(2..4) {
        field.copy_from_slice(&sum.to_be_bytes());
    }
    out
}
