//! Echo requests and replies (RFC 8029 §3).

use alloc::vec::Vec;

use fwd_core::codec::{self, BufMut, Fail, Fault, Malformed, Take};

use super::downstream::DownstreamDetailed;
use super::fec::TargetFec;
use super::return_code::ReturnCode;
use super::tlv::Tlv;
use crate::ldp::Octets;
use crate::ldp::octets::list;

/// The type of a message; unknown values survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct MessageType(pub u8);

impl MessageType {
    /// Echo request.
    pub const ECHO_REQUEST: Self = Self(1);
    /// Echo reply.
    pub const ECHO_REPLY: Self = Self(2);
}

/// How the reply is to come; unknown values survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct ReplyMode(pub u8);

impl ReplyMode {
    /// Not at all.
    pub const DO_NOT_REPLY: Self = Self(1);
    /// In a UDP datagram.
    pub const UDP: Self = Self(2);
    /// In a UDP datagram with Router Alert.
    pub const UDP_ROUTER_ALERT: Self = Self(3);
    /// By the application's control channel, as VCCV has one.
    pub const CONTROL_CHANNEL: Self = Self(4);
}

bitflags::bitflags! {
    /// Global flags.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct GlobalFlags: u16 {
        /// R: answer with the FEC of the way back (RFC 6426).
        const VALIDATE_REVERSE_PATH = 4;
        /// T: answer only if the TTL expired (RFC 6425 §3.4).
        const RESPOND_ONLY_IF_TTL_EXPIRED = 2;
        /// V: check the FEC stack.
        const VALIDATE_FEC_STACK = 1;
    }
}

/// An echo request or reply.
///
/// ```text
/// +-------------+------------------+------------------+----------------+-----------------+--------------------+
/// | Version (2) | Global flags (2) | Message type (1) | Reply mode (1) | Return code (1) | Return subcode (1) |
/// +-------------+------------------+------------------+----------------+-----------------+--------------------+
/// | Sender's handle (4) | Sequence number (4) | TimeStamp Sent (8) | TimeStamp Received (8) | TLVs ...         |
/// +---------------------+---------------------+--------------------+------------------------+------------------+
/// ```
///
/// Time stamps are NTP's: seconds since 1900 and their fraction, 32 bits each.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct EchoMessage {
    /// V, T and R.
    pub flags: GlobalFlags,
    /// Request or reply.
    pub kind: MessageType,
    /// How the reply is to come.
    pub reply_mode: ReplyMode,
    /// What became of the request.
    pub return_code: ReturnCode,
    /// The stack depth of the code; the bottom is 1.
    pub return_subcode: u8,
    /// The sender's, returned as it came.
    pub handle: u32,
    /// The sender's, returned as it came.
    pub sequence: u32,
    /// When the request was sent.
    pub sent: u64,
    /// When the request was received; in a reply.
    pub received: u64,
    /// TLVs.
    pub tlvs: Vec<Tlv>,
}

impl EchoMessage {
    /// The UDP port of requests.
    pub const PORT: u16 = 3503;
    /// The version.
    pub const VERSION: u16 = 1;
    /// Octets without TLVs.
    pub const HEADER_LEN: usize = 32;

    /// Takes a message: all of `i`.
    ///
    /// # Errors
    /// Truncated input, another version, a malformed TLV.
    pub fn take(i: &[u8]) -> Take<'_, Self> {
        let (i, message) = Self::take_header(i)?;
        let (i, tlvs) = list(i, Tlv::take)?;
        Ok((i, Self { tlvs, ..message }))
    }

    /// Takes the fixed part, which a reply to a malformed request returns (RFC 8029 §4.4).
    ///
    /// # Errors
    /// Truncated input, or another version.
    pub fn take_header(i: &[u8]) -> Take<'_, Self> {
        let at = i;
        let (i, version) = codec::be_u16(i, "version")?;
        if version != Self::VERSION {
            return Err(Fail::new(at, "version", Fault::Value(version.into())));
        }
        let (i, flags) = codec::be_u16(i, "global flags")?;
        let (i, [kind, reply_mode, return_code, return_subcode]) = codec::array(i, "message type")?;
        let (i, handle) = codec::be_u32(i, "sender's handle")?;
        let (i, sequence) = codec::be_u32(i, "sequence number")?;
        let (i, sent) = codec::be_u64(i, "timestamp sent")?;
        let (i, received) = codec::be_u64(i, "timestamp received")?;
        let message = Self {
            flags: GlobalFlags::from_bits_truncate(flags),
            kind: MessageType(kind),
            reply_mode: ReplyMode(reply_mode),
            return_code: ReturnCode(return_code),
            return_subcode,
            handle,
            sequence,
            sent,
            received,
            tlvs: Vec::new(),
        };
        Ok((i, message))
    }

    /// Reads a message that is all of `octets`.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub fn parse(octets: &[u8]) -> Result<Self, Malformed> {
        codec::all(octets, Self::take)
    }

    /// Octets of the message.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        self.tlvs.iter().map(Tlv::wire_len).fold(Self::HEADER_LEN, usize::saturating_add)
    }

    /// Writes the message.
    pub fn emit(&self, out: &mut impl BufMut) {
        out.put_u16(Self::VERSION);
        out.put_u16(self.flags.bits());
        out.put_slice(&[self.kind.0, self.reply_mode.0, self.return_code.0, self.return_subcode]);
        out.put_u32(self.handle);
        out.put_u32(self.sequence);
        out.put_u64(self.sent);
        out.put_u64(self.received);
        self.tlvs.iter().for_each(|tlv| tlv.emit(out));
    }

    /// The FECs under test, that of the top label first.
    #[must_use]
    pub fn fecs(&self) -> &[TargetFec] {
        let fecs = self.tlvs.iter().find_map(|tlv| match tlv {
            Tlv::TargetFecStack(fecs) => Some(fecs.as_slice()),
            _ => None,
        });
        fecs.unwrap_or_default()
    }

    /// The Downstream Detailed Mappings.
    pub fn downstreams(&self) -> impl Iterator<Item = &DownstreamDetailed> + '_ {
        self.tlvs.iter().filter_map(|tlv| match tlv {
            Tlv::DownstreamDetailed(mapping) => Some(&**mapping),
            _ => None,
        })
    }

    /// Mandatory TLVs that this crate does not know, as octets; none: all are understood.
    #[must_use]
    pub fn not_understood(&self) -> Octets {
        let mut octets = Octets::new();
        for tlv in &self.tlvs {
            if matches!(tlv, Tlv::Unknown(kind, _) if kind.is_mandatory()) {
                let mut out = Vec::with_capacity(tlv.wire_len());
                tlv.emit(&mut out);
                octets.extend_from_slice(&out);
            }
        }
        octets
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for EchoMessage {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(Self {
            flags: GlobalFlags::from_bits_truncate(u.arbitrary()?),
            kind: u.arbitrary()?,
            reply_mode: u.arbitrary()?,
            return_code: u.arbitrary()?,
            return_subcode: u.arbitrary()?,
            handle: u.arbitrary()?,
            sequence: u.arbitrary()?,
            sent: u.arbitrary()?,
            received: u.arbitrary()?,
            tlvs: crate::ldp::octets::arbitrary_list(u, 5)?,
        })
    }
}
