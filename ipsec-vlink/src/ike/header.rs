//! The header of ISAKMP and of IKEv2 messages (RFC 2408 §3.1, RFC 7296 §3.1).

use bitflags::bitflags;
use fwd_core::codec::{self, BufMut, Fail, Fault, Malformed, Take};

use super::payload::PayloadType;

/// Exchange type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct ExchangeType(pub u8);

impl ExchangeType {
    /// IKEv1 Identity Protection, Main Mode (RFC 2408 §4.5).
    pub const IDENTITY_PROTECTION: Self = Self(2);
    /// IKEv1 Aggressive (RFC 2408 §4.7).
    pub const AGGRESSIVE: Self = Self(4);
    /// IKEv1 Informational (RFC 2408 §4.8).
    pub const ISAKMP_INFORMATIONAL: Self = Self(5);
    /// IKEv1 Quick Mode (RFC 2409 §5.5).
    pub const QUICK_MODE: Self = Self(32);
    /// IKEv1 New Group Mode (RFC 2409 §5.6).
    pub const NEW_GROUP_MODE: Self = Self(33);
    /// IKE_SA_INIT (RFC 7296 §1.2).
    pub const IKE_SA_INIT: Self = Self(34);
    /// IKE_AUTH (RFC 7296 §1.2).
    pub const IKE_AUTH: Self = Self(35);
    /// CREATE_CHILD_SA (RFC 7296 §1.3).
    pub const CREATE_CHILD_SA: Self = Self(36);
    /// INFORMATIONAL (RFC 7296 §1.4).
    pub const INFORMATIONAL: Self = Self(37);
    /// IKE_SESSION_RESUME (RFC 5723 §4.3.2).
    pub const IKE_SESSION_RESUME: Self = Self(38);
}

bitflags! {
    /// Flags of the header. Unknown bits survive.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct HeaderFlags: u8 {
        /// IKEv1: what follows the header is encrypted (RFC 2408 §3.1).
        const ENCRYPTION = 0x01;
        /// IKEv1: the commit bit (RFC 2408 §3.1).
        const COMMIT = 0x02;
        /// IKEv1: authenticated, not encrypted (RFC 2408 §3.1).
        const AUTHENTICATION = 0x04;
        /// IKEv2 I: from the original initiator of the IKE SA (RFC 7296 §3.1).
        const INITIATOR = 0x08;
        /// IKEv2 V: the sender speaks a higher version.
        const VERSION = 0x10;
        /// IKEv2 R: answers a request.
        const RESPONSE = 0x20;
        const _ = !0;
    }
}

/// The header.
///
/// ```text
/// +---------------------------------------------------------------+
/// |                 IKE SA initiator's SPI (8)                    |
/// +---------------------------------------------------------------+
/// |                 IKE SA responder's SPI (8)                    |
/// +---------------+-------+-------+---------------+---------------+
/// |  next payload | major | minor | exchange type |     flags     |
/// +---------------+-------+-------+---------------+---------------+
/// |                          message ID                           |
/// +---------------------------------------------------------------+
/// |                     length, of header and payloads            |
/// +---------------------------------------------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// The initiator's SPI; in IKEv1 the initiator cookie.
    pub initiator_spi: u64,
    /// The responder's SPI; 0 in the first message.
    pub responder_spi: u64,
    /// What the first payload is.
    pub next_payload: PayloadType,
    /// Major version in the upper half, minor version in the lower.
    pub version: u8,
    /// The exchange.
    pub exchange: ExchangeType,
    /// The flags.
    pub flags: HeaderFlags,
    /// The message ID.
    pub message_id: u32,
    /// Octets of the message, header included.
    pub length: u32,
}

impl Header {
    /// Octets of the header.
    pub const LEN: usize = 28;
    /// IKEv1.
    pub const VERSION_1: u8 = 0x10;
    /// IKEv2.
    pub const VERSION_2: u8 = 0x20;

    /// Takes a header.
    ///
    /// # Errors
    /// Truncated, or a length below that of the header.
    pub fn take(i: &[u8]) -> Take<'_, Self> {
        let (i, initiator_spi) = codec::be_u64(i, "initiator SPI")?;
        let (i, responder_spi) = codec::be_u64(i, "responder SPI")?;
        let (i, [next, version, exchange, flags]) = codec::array::<4>(i, "next payload")?;
        let (i, message_id) = codec::be_u32(i, "message ID")?;
        let length_at = i;
        let (i, length) = codec::be_u32(i, "length")?;
        if length < Self::LEN as u32 {
            return Err(Fail::new(length_at, "length", Fault::Length(length as usize)));
        }
        let header = Self {
            initiator_spi,
            responder_spi,
            next_payload: PayloadType(next),
            version,
            exchange: ExchangeType(exchange),
            flags: HeaderFlags::from_bits_retain(flags),
            message_id,
            length,
        };
        Ok((i, header))
    }

    /// Parses a header, and nothing behind it.
    ///
    /// # Errors
    /// As [`Self::take`], or octets behind it.
    pub fn parse(octets: &[u8]) -> Result<Self, Malformed> {
        codec::all(octets, Self::take)
    }

    /// Octets on the wire.
    #[must_use]
    pub const fn wire_len(&self) -> usize {
        Self::LEN
    }

    /// Writes the header.
    pub fn emit(&self, out: &mut impl BufMut) {
        out.put_u64(self.initiator_spi);
        out.put_u64(self.responder_spi);
        out.put_slice(&[self.next_payload.0, self.version, self.exchange.0, self.flags.bits()]);
        out.put_u32(self.message_id);
        out.put_u32(self.length);
    }

    /// The major version.
    #[must_use]
    pub const fn major(&self) -> u8 {
        self.version >> 4
    }

    /// Whether it is of the original initiator of an IKEv2 SA.
    #[must_use]
    pub const fn from_initiator(&self) -> bool {
        self.flags.contains(HeaderFlags::INITIATOR)
    }

    /// Whether it answers a request of IKEv2.
    #[must_use]
    pub const fn is_response(&self) -> bool {
        self.flags.contains(HeaderFlags::RESPONSE)
    }
}

/// The major version of a message, without the marker of port 4500; `None` if it is too short to say.
#[must_use]
pub fn major_version(message: &[u8]) -> Option<u8> {
    message.get(17).map(|version| version >> 4)
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for Header {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(Self {
            initiator_spi: u.arbitrary()?,
            responder_spi: u.arbitrary()?,
            next_payload: u.arbitrary()?,
            version: u.arbitrary()?,
            exchange: u.arbitrary()?,
            flags: HeaderFlags::from_bits_retain(u.arbitrary()?),
            message_id: u.arbitrary()?,
            length: u.int_in_range(Self::LEN as u32..=u32::MAX)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn a_length_below_the_header_is_refused() {
        let header = Header {
            initiator_spi: 1,
            responder_spi: 2,
            next_payload: PayloadType::SA,
            version: Header::VERSION_2,
            exchange: ExchangeType::IKE_SA_INIT,
            flags: HeaderFlags::INITIATOR,
            message_id: 0,
            length: 28,
        };
        let mut out = Vec::new();
        header.emit(&mut out);
        assert_eq!((out.len(), major_version(&out), Header::parse(&out)), (Header::LEN, Some(2), Ok(header)));
        out[27] = 27;
        let m = Header::parse(&out).unwrap_err();
        assert_eq!((m.offset, m.fault), (24, Fault::Length(27)));
        assert_eq!(Header::parse(&out[..20]).unwrap_err().fault, Fault::Truncated);
    }
}
