//! Status codes and the Status TLV (RFC 5036 §3.4.6, §3.9).

use fwd_core::codec::{self, BufMut, Malformed, Take};

use super::message::MessageType;

/// What a Notification, or a Label Release, says: a fatal bit, a forward bit and 30 bits of status data. Unknown values
/// survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct StatusCode(pub u32);

impl StatusCode {
    /// The E bit: the session ends (RFC 5036 §3.4.6).
    pub const FATAL: u32 = 0x8000_0000;
    /// The F bit: to be forwarded along the LSP (RFC 5036 §3.4.6).
    pub const FORWARD: u32 = 0x4000_0000;

    const fn fatal(data: u32) -> Self {
        Self(Self::FATAL | data)
    }

    /// Success (RFC 5036 §3.9).
    pub const SUCCESS: Self = Self(0);
    /// The PDU's LDP identifier is not the session's (RFC 5036 §3.5.1.2.1).
    pub const BAD_LDP_IDENTIFIER: Self = Self::fatal(0x01);
    /// Another version of the protocol (RFC 5036 §3.5.1.2.1).
    pub const BAD_PROTOCOL_VERSION: Self = Self::fatal(0x02);
    /// A PDU length out of bounds (RFC 5036 §3.5.1.2.1).
    pub const BAD_PDU_LENGTH: Self = Self::fatal(0x03);
    /// An unknown message type without the U bit (RFC 5036 §3.5.1.2.1).
    pub const UNKNOWN_MESSAGE_TYPE: Self = Self(0x04);
    /// A message that overruns its PDU, or is too short (RFC 5036 §3.5.1.2.1).
    pub const BAD_MESSAGE_LENGTH: Self = Self::fatal(0x05);
    /// An unknown TLV without the U bit (RFC 5036 §3.5.1.2.2).
    pub const UNKNOWN_TLV: Self = Self(0x06);
    /// A TLV that overruns its message (RFC 5036 §3.5.1.2.2).
    pub const BAD_TLV_LENGTH: Self = Self::fatal(0x07);
    /// A TLV whose value makes no sense (RFC 5036 §3.5.1.2.2).
    pub const MALFORMED_TLV_VALUE: Self = Self::fatal(0x08);
    /// No Hello for the hold time (RFC 5036 §2.5.5).
    pub const HOLD_TIMER_EXPIRED: Self = Self::fatal(0x09);
    /// The sender ends the session (RFC 5036 §3.5.1.2.4).
    pub const SHUTDOWN: Self = Self::fatal(0x0a);
    /// A hop count or path vector shows a loop (RFC 5036 §2.8).
    pub const LOOP_DETECTED: Self = Self(0x0b);
    /// A FEC element of a type that is not known (RFC 5036 §3.4.1.1).
    pub const UNKNOWN_FEC: Self = Self(0x0c);
    /// No route for a requested FEC (RFC 5036 §3.5.8.1).
    pub const NO_ROUTE: Self = Self(0x0d);
    /// No label left for a request (RFC 5036 §3.5.8.1).
    pub const NO_LABEL_RESOURCES: Self = Self(0x0e);
    /// Labels are there again (RFC 5036 §3.5.8.1).
    pub const LABEL_RESOURCES_AVAILABLE: Self = Self(0x0f);
    /// No Hello adjacency for the session (RFC 5036 §3.5.3).
    pub const SESSION_REJECTED_NO_HELLO: Self = Self::fatal(0x10);
    /// The label advertisement discipline is not acceptable (RFC 5036 §3.5.3).
    pub const SESSION_REJECTED_ADVERTISEMENT_MODE: Self = Self::fatal(0x11);
    /// The maximum PDU length is not acceptable (RFC 5036 §3.5.3).
    pub const SESSION_REJECTED_MAX_PDU_LENGTH: Self = Self::fatal(0x12);
    /// The label range is not acceptable (RFC 5036 §3.5.3).
    pub const SESSION_REJECTED_LABEL_RANGE: Self = Self::fatal(0x13);
    /// No PDU for the KeepAlive time (RFC 5036 §3.5.1.2.3).
    pub const KEEPALIVE_TIMER_EXPIRED: Self = Self::fatal(0x14);
    /// A Label Request was aborted (RFC 5036 §3.5.9.1).
    pub const LABEL_REQUEST_ABORTED: Self = Self(0x15);
    /// A mandatory parameter is missing (RFC 5036 §3.5.1.2.1).
    pub const MISSING_MESSAGE_PARAMETERS: Self = Self(0x16);
    /// An address family that is not supported (RFC 5036 §3.4.1.1, §3.5.5.1).
    pub const UNSUPPORTED_ADDRESS_FAMILY: Self = Self(0x17);
    /// A KeepAlive time of zero (RFC 5036 §3.5.3).
    pub const SESSION_REJECTED_BAD_KEEPALIVE_TIME: Self = Self::fatal(0x18);
    /// The sender has a problem of its own (RFC 5036 §3.5.1.2.7).
    pub const INTERNAL_ERROR: Self = Self::fatal(0x19);
    /// A C bit that the type of pseudowire does not allow (RFC 8077 §7.2).
    pub const ILLEGAL_C_BIT: Self = Self(0x24);
    /// The C bit changed while being negotiated (RFC 8077 §7.2).
    pub const WRONG_C_BIT: Self = Self(0x25);
    /// Bit rates do not match (RFC 8077 §8.2).
    pub const INCOMPATIBLE_BIT_RATE: Self = Self(0x26);
    /// CEP or TDM parameters do not match (RFC 8077 §8.2).
    pub const CEP_TDM_MISCONFIGURATION: Self = Self(0x27);
    /// A PW Status TLV follows (RFC 8077 §6.3.2).
    pub const PW_STATUS: Self = Self(0x28);
    /// The target attachment identifier is not known (RFC 8077 §6.2.3).
    pub const UNASSIGNED_TAI: Self = Self(0x29);
    /// Configurations do not match (RFC 8077 §8.2).
    pub const GENERIC_MISCONFIGURATION: Self = Self(0x2a);
    /// Status by label withdrawal is not supported (RFC 8077 §6.3.1).
    pub const LABEL_WITHDRAW_PW_STATUS: Self = Self(0x2b);
    /// The attachment circuit is bound to another remote one (RFC 6074 §6).
    pub const AC_BOUND_TO_DIFFERENT_PE: Self = Self(0x2d);
    /// A capability that is not supported (RFC 5561 §8).
    pub const UNSUPPORTED_CAPABILITY: Self = Self(0x2e);
    /// All labels of the FEC type were sent (RFC 5919 §4).
    pub const END_OF_LIB: Self = Self(0x2f);
    /// The attachment circuit is bound already (RFC 6074 §6).
    pub const AC_BOUND: Self = Self(0x30);
    /// Transport preferences of dual-stack neighbours do not match (RFC 7552 §6.1.1).
    pub const TRANSPORT_CONNECTION_MISMATCH: Self = Self::fatal(0x32);
    /// The dual-stack capability is missing or contradicts (RFC 7552 §6.1.1).
    pub const DUAL_STACK_NONCOMPLIANCE: Self = Self::fatal(0x33);
    /// A pseudowire came back to a switching point it passed (RFC 6073 §7.4.1).
    pub const PW_LOOP_DETECTED: Self = Self(0x3a);
    /// An LDP MP Status TLV follows (RFC 6388 §5.2.1).
    pub const LDP_MP_STATUS: Self = Self(0x40);

    /// Whether the session ends.
    #[must_use]
    pub const fn is_fatal(self) -> bool {
        self.0 & Self::FATAL != 0
    }

    /// The status without the F bit, which is the sender's choice.
    #[must_use]
    pub const fn without_forward(self) -> Self {
        Self(self.0 & !Self::FORWARD)
    }

    /// What a message that does not parse costs (RFC 5036 §3.5.1.2): the one table of faults and answers.
    ///
    /// | Fault | Status | Session |
    /// |---|---|---|
    /// | a message that overruns its PDU or has no room for its identifier | Bad Message Length | ends |
    /// | a TLV that overruns its message | Bad TLV Length | ends |
    /// | a mandatory parameter that is missing | Missing Message Parameters | goes on without the message |
    /// | anything else in a TLV's value | Malformed TLV Value | ends |
    #[must_use]
    pub fn of_malformed(malformed: &Malformed) -> Self {
        match malformed.field {
            "message length" | "message type" | "message id" => Self::BAD_MESSAGE_LENGTH,
            "tlv length" | "tlv type" => Self::BAD_TLV_LENGTH,
            "mandatory parameter" => Self::MISSING_MESSAGE_PARAMETERS,
            _ => Self::MALFORMED_TLV_VALUE,
        }
    }
}

/// The value of the Status TLV.
///
/// ```text
/// +-----------------+----------------+------------------+
/// | Status code (4) | Message id (4) | Message type (2) |
/// +-----------------+----------------+------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Status {
    /// The status.
    pub code: StatusCode,
    /// The peer's message that is meant; 0: none.
    pub message_id: u32,
    /// The type of that message; 0: none.
    pub message_type: MessageType,
}

impl Status {
    /// Octets of the value.
    pub const LEN: usize = 10;

    /// A status that refers to no message.
    #[must_use]
    pub const fn new(code: StatusCode) -> Self {
        Self { code, message_id: 0, message_type: MessageType(0) }
    }

    /// Takes the value.
    ///
    /// # Errors
    /// Truncated input.
    pub fn take(i: &[u8]) -> Take<'_, Self> {
        let (i, code) = codec::be_u32(i, "status code")?;
        let (i, message_id) = codec::be_u32(i, "status message id")?;
        let (i, message_type) = codec::be_u16(i, "status message type")?;
        Ok((i, Self { code: StatusCode(code), message_id, message_type: MessageType(message_type) }))
    }

    /// Writes the value.
    pub fn emit(&self, out: &mut impl BufMut) {
        out.put_u32(self.code.0);
        out.put_u32(self.message_id);
        out.put_u16(self.message_type.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fatal_codes_are_those_of_the_table() {
        let fatal = [1, 2, 3, 5, 7, 8, 9, 0xa, 0x10, 0x11, 0x12, 0x13, 0x14, 0x18, 0x19, 0x32, 0x33];
        let all = [
            StatusCode::SUCCESS,
            StatusCode::BAD_LDP_IDENTIFIER,
            StatusCode::BAD_PROTOCOL_VERSION,
            StatusCode::BAD_PDU_LENGTH,
            StatusCode::UNKNOWN_MESSAGE_TYPE,
            StatusCode::BAD_MESSAGE_LENGTH,
            StatusCode::UNKNOWN_TLV,
            StatusCode::BAD_TLV_LENGTH,
            StatusCode::MALFORMED_TLV_VALUE,
            StatusCode::HOLD_TIMER_EXPIRED,
            StatusCode::SHUTDOWN,
            StatusCode::LOOP_DETECTED,
            StatusCode::UNKNOWN_FEC,
            StatusCode::NO_ROUTE,
            StatusCode::NO_LABEL_RESOURCES,
            StatusCode::LABEL_RESOURCES_AVAILABLE,
            StatusCode::SESSION_REJECTED_NO_HELLO,
            StatusCode::SESSION_REJECTED_ADVERTISEMENT_MODE,
            StatusCode::SESSION_REJECTED_MAX_PDU_LENGTH,
            StatusCode::SESSION_REJECTED_LABEL_RANGE,
            StatusCode::KEEPALIVE_TIMER_EXPIRED,
            StatusCode::LABEL_REQUEST_ABORTED,
            StatusCode::MISSING_MESSAGE_PARAMETERS,
            StatusCode::UNSUPPORTED_ADDRESS_FAMILY,
            StatusCode::SESSION_REJECTED_BAD_KEEPALIVE_TIME,
            StatusCode::INTERNAL_ERROR,
            StatusCode::UNSUPPORTED_CAPABILITY,
            StatusCode::END_OF_LIB,
            StatusCode::TRANSPORT_CONNECTION_MISMATCH,
            StatusCode::DUAL_STACK_NONCOMPLIANCE,
            StatusCode::LDP_MP_STATUS,
        ];
        for code in all {
            assert_eq!(code.is_fatal(), fatal.contains(&(code.0 & 0xffff)), "{code:?}");
        }
    }
}
