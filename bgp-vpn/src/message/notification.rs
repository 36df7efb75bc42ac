//! NOTIFICATION (RFC 4271 §4.5).

use core::fmt;

use fwd_core::Malformed;
use fwd_core::codec::{self, BufMut, Take};
use smallvec::SmallVec;

use super::header::Header;

/// The error code of a NOTIFICATION; unknown values survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct ErrorCode(pub u8);

impl ErrorCode {
    /// Message header error (RFC 4271 §6.1).
    pub const MESSAGE_HEADER: Self = Self(1);
    /// OPEN message error (RFC 4271 §6.2).
    pub const OPEN: Self = Self(2);
    /// UPDATE message error (RFC 4271 §6.3).
    pub const UPDATE: Self = Self(3);
    /// Hold timer expired (RFC 4271 §6.5).
    pub const HOLD_TIMER_EXPIRED: Self = Self(4);
    /// Finite state machine error (RFC 4271 §6.6; sub-codes: RFC 6608).
    pub const FSM: Self = Self(5);
    /// Cease (RFC 4271 §6.7; sub-codes: RFC 4486).
    pub const CEASE: Self = Self(6);
    /// ROUTE-REFRESH message error (RFC 7313 §5).
    pub const ROUTE_REFRESH: Self = Self(7);
    /// Send hold timer expired (RFC 9687 §3).
    pub const SEND_HOLD_TIMER_EXPIRED: Self = Self(8);
}

/// Error sub-codes, by error code.
pub mod subcode {
    /// Where the code has no sub-code, or none fits (RFC 4271 §4.5).
    pub const UNSPECIFIC: u8 = 0;

    /// Sub-codes of [`MESSAGE_HEADER`](super::ErrorCode::MESSAGE_HEADER) (RFC 4271 §6.1).
    pub mod header {
        /// The marker is not all ones (RFC 4271 §6.1).
        pub const CONNECTION_NOT_SYNCHRONIZED: u8 = 1;
        /// A length out of bounds; data: the length field (RFC 4271 §6.1).
        pub const BAD_MESSAGE_LENGTH: u8 = 2;
        /// An unknown type; data: the type field (RFC 4271 §6.1).
        pub const BAD_MESSAGE_TYPE: u8 = 3;
    }

    /// Sub-codes of [`OPEN`](super::ErrorCode::OPEN) (RFC 4271 §6.2).
    pub mod open {
        /// Not version 4; data: the nearest version supported, two octets (RFC 4271 §6.2).
        pub const UNSUPPORTED_VERSION_NUMBER: u8 = 1;
        /// The AS number is not the one expected (RFC 4271 §6.2).
        pub const BAD_PEER_AS: u8 = 2;
        /// Zero, or ours on an internal session (RFC 6286 §2.2).
        pub const BAD_BGP_IDENTIFIER: u8 = 3;
        /// An optional parameter that is not known (RFC 4271 §6.2).
        pub const UNSUPPORTED_OPTIONAL_PARAMETER: u8 = 4;
        /// One or two seconds (RFC 4271 §6.2).
        pub const UNACCEPTABLE_HOLD_TIME: u8 = 6;
        /// A capability we require is missing; data: these capabilities (RFC 5492 §5).
        pub const UNSUPPORTED_CAPABILITY: u8 = 7;
        /// BGP roles do not correspond (RFC 9234 §4.2).
        pub const ROLE_MISMATCH: u8 = 11;
    }

    /// Sub-codes of [`UPDATE`](super::ErrorCode::UPDATE) (RFC 4271 §6.3).
    pub mod update {
        /// The attributes do not fit the message (RFC 4271 §6.3).
        pub const MALFORMED_ATTRIBUTE_LIST: u8 = 1;
        /// Data: the attribute (RFC 4271 §6.3).
        pub const UNRECOGNIZED_WELL_KNOWN_ATTRIBUTE: u8 = 2;
        /// Data: the attribute's type (RFC 4271 §6.3).
        pub const MISSING_WELL_KNOWN_ATTRIBUTE: u8 = 3;
        /// Data: the attribute (RFC 4271 §6.3).
        pub const ATTRIBUTE_FLAGS_ERROR: u8 = 4;
        /// Data: the attribute (RFC 4271 §6.3).
        pub const ATTRIBUTE_LENGTH_ERROR: u8 = 5;
        /// Data: the attribute (RFC 4271 §6.3).
        pub const INVALID_ORIGIN_ATTRIBUTE: u8 = 6;
        /// Data: the attribute (RFC 4271 §6.3).
        pub const INVALID_NEXT_HOP_ATTRIBUTE: u8 = 8;
        /// Data: the attribute (RFC 4271 §6.3).
        pub const OPTIONAL_ATTRIBUTE_ERROR: u8 = 9;
        /// The NLRI field is incorrect (RFC 4271 §6.3).
        pub const INVALID_NETWORK_FIELD: u8 = 10;
        /// The AS path is incorrect (RFC 4271 §6.3).
        pub const MALFORMED_AS_PATH: u8 = 11;
    }

    /// Sub-codes of [`FSM`](super::ErrorCode::FSM); data: the type of the unexpected message (RFC 6608 §3).
    pub mod fsm {
        /// Unexpected message in OpenSent (RFC 6608 §3).
        pub const UNEXPECTED_IN_OPEN_SENT: u8 = 1;
        /// Unexpected message in OpenConfirm (RFC 6608 §3).
        pub const UNEXPECTED_IN_OPEN_CONFIRM: u8 = 2;
        /// Unexpected message in Established (RFC 6608 §3).
        pub const UNEXPECTED_IN_ESTABLISHED: u8 = 3;
    }

    /// Sub-codes of [`CEASE`](super::ErrorCode::CEASE) (RFC 4486 §3).
    pub mod cease {
        /// Data: optionally family and bound (RFC 4486 §4).
        pub const MAXIMUM_NUMBER_OF_PREFIXES_REACHED: u8 = 1;
        /// Data: a shutdown communication (RFC 4486 §4, RFC 9003 §2).
        pub const ADMINISTRATIVE_SHUTDOWN: u8 = 2;
        /// The peer was removed from the configuration (RFC 4486 §4).
        pub const PEER_DECONFIGURED: u8 = 3;
        /// Data: a shutdown communication (RFC 4486 §4, RFC 9003 §2).
        pub const ADMINISTRATIVE_RESET: u8 = 4;
        /// The connection is not wanted (RFC 4486 §4).
        pub const CONNECTION_REJECTED: u8 = 5;
        /// The peer's configuration changed (RFC 4486 §4).
        pub const OTHER_CONFIGURATION_CHANGE: u8 = 6;
        /// The other connection survives (RFC 4486 §4, RFC 4271 §6.8).
        pub const CONNECTION_COLLISION_RESOLUTION: u8 = 7;
        /// Memory or the like ran out (RFC 4486 §4).
        pub const OUT_OF_RESOURCES: u8 = 8;
        /// End without graceful restart; data: another NOTIFICATION's code, sub-code and data (RFC 8538 §3).
        pub const HARD_RESET: u8 = 9;
        /// BFD found the path down (RFC 9384 §2).
        pub const BFD_DOWN: u8 = 10;
    }

    /// Sub-codes of [`ROUTE_REFRESH`](super::ErrorCode::ROUTE_REFRESH) (RFC 7313 §5).
    pub mod route_refresh {
        /// BoRR or EoRR is not four octets long; data: the whole message (RFC 7313 §5).
        pub const INVALID_MESSAGE_LENGTH: u8 = 1;
    }
}

/// A NOTIFICATION: why the sender closes the session.
///
/// ```text
/// +-----------------+-----------------+-----------------+
/// | Error code (1)  | Sub-code (1)    | Data (variable) |
/// +-----------------+-----------------+-----------------+
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notification {
    /// Error code.
    pub code: ErrorCode,
    /// Error sub-code; 0 where the code has none.
    pub subcode: u8,
    /// What the code says it holds.
    pub data: SmallVec<[u8; 32]>,
}

impl Notification {
    /// The most octets of data in a message of 4,096 octets, the only length every peer takes (RFC 8654 §5).
    pub const MAX_DATA: usize = Header::MAX_MESSAGE_LEN - Header::LEN - 2;
    /// The longest shutdown communication, in octets (RFC 9003 §2). Peers that know only RFC 8203 log one above 128.
    pub const MAX_COMMUNICATION: usize = 255;

    /// A NOTIFICATION without data.
    #[must_use]
    pub fn new(code: ErrorCode, subcode: u8) -> Self {
        Self { code, subcode, data: SmallVec::new() }
    }

    /// A NOTIFICATION with data; octets beyond [`Self::MAX_DATA`] are cut off.
    #[must_use]
    pub fn with_data(code: ErrorCode, subcode: u8, data: &[u8]) -> Self {
        Self { code, subcode, data: SmallVec::from_slice(data.get(..Self::MAX_DATA).unwrap_or(data)) }
    }

    /// Administrative Shutdown or Administrative Reset with a shutdown communication (RFC 9003 §2). Text beyond
    /// [`Self::MAX_COMMUNICATION`] octets is cut off between characters; empty text makes no communication.
    #[must_use]
    pub fn administrative(subcode: u8, communication: &str) -> Self {
        let mut len = communication.len().min(Self::MAX_COMMUNICATION);
        while !communication.is_char_boundary(len) {
            len = len.saturating_sub(1);
        }
        let mut data = SmallVec::new();
        if let (Some(text), Ok(octet @ 1..)) = (communication.get(..len), u8::try_from(len)) {
            data.push(octet);
            data.extend_from_slice(text.as_bytes());
        }
        Self { code: ErrorCode::CEASE, subcode, data }
    }

    /// The shutdown communication (RFC 9003 §2), from inside a Hard Reset too. `None` where there is none, or it is not
    /// UTF-8, or its length is wrong: it is then not to be interpreted (§4).
    #[must_use]
    pub fn communication(&self) -> Option<&str> {
        let (code, subcode, data) = self.reason();
        if code != ErrorCode::CEASE
            || !matches!(subcode, subcode::cease::ADMINISTRATIVE_SHUTDOWN | subcode::cease::ADMINISTRATIVE_RESET)
        {
            return None;
        }
        let (len, text) = data.split_first()?;
        core::str::from_utf8(text).ok().filter(|_| usize::from(*len) == text.len() && *len != 0)
    }

    /// This NOTIFICATION inside a Hard Reset: the peer is not to keep our routes (RFC 8538 §3.1).
    #[must_use]
    pub fn hard_reset(&self) -> Self {
        let mut data = SmallVec::<[u8; 32]>::from_slice(&[self.code.0, self.subcode]);
        data.extend_from_slice(&self.data);
        data.truncate(Self::MAX_DATA);
        Self { code: ErrorCode::CEASE, subcode: subcode::cease::HARD_RESET, data }
    }

    /// Whether this is a Hard Reset (RFC 8538 §3).
    #[must_use]
    pub fn is_hard_reset(&self) -> bool {
        self.code == ErrorCode::CEASE && self.subcode == subcode::cease::HARD_RESET
    }

    /// Code, sub-code and data of the reason: those inside a Hard Reset, else the message's own.
    #[must_use]
    pub fn reason(&self) -> (ErrorCode, u8, &[u8]) {
        match &*self.data {
            [code, subcode, data @ ..] if self.is_hard_reset() => (ErrorCode(*code), *subcode, data),
            data => (self.code, self.subcode, data),
        }
    }

    /// Takes the body of a NOTIFICATION: all of the input.
    ///
    /// # Errors
    /// Fewer than two octets.
    pub fn take(i: &[u8]) -> Take<'_, Self> {
        let (i, code) = codec::be_u8(i, "error code")?;
        let (data, subcode) = codec::be_u8(i, "error sub-code")?;
        Ok((&[], Self { code: ErrorCode(code), subcode, data: SmallVec::from_slice(data) }))
    }

    /// Parses the body of a NOTIFICATION.
    ///
    /// # Errors
    /// Fewer than two octets.
    pub fn parse(octets: &[u8]) -> Result<Self, Malformed> {
        codec::all(octets, Self::take)
    }

    /// Octets of the body.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        self.data.len().saturating_add(2)
    }

    /// Writes the body.
    pub fn emit(&self, out: &mut impl BufMut) {
        out.put_u8(self.code.0);
        out.put_u8(self.subcode);
        out.put_slice(&self.data);
    }
}

/// The registered name of a code and a sub-code.
fn names(code: ErrorCode, sub: u8) -> (Option<&'static str>, Option<&'static str>) {
    let pick = |list: &[(u8, &'static str)]| list.iter().find(|(n, _)| *n == sub).map(|(_, name)| *name);
    match code {
        ErrorCode::MESSAGE_HEADER => (
            Some("Message Header Error"),
            pick(&[(1, "Connection Not Synchronized"), (2, "Bad Message Length"), (3, "Bad Message Type")]),
        ),
        ErrorCode::OPEN => (
            Some("OPEN Message Error"),
            pick(&[
                (1, "Unsupported Version Number"),
                (2, "Bad Peer AS"),
                (3, "Bad BGP Identifier"),
                (4, "Unsupported Optional Parameter"),
                (6, "Unacceptable Hold Time"),
                (7, "Unsupported Capability"),
                (11, "Role Mismatch"),
            ]),
        ),
        ErrorCode::UPDATE => (
            Some("UPDATE Message Error"),
            pick(&[
                (1, "Malformed Attribute List"),
                (2, "Unrecognized Well-known Attribute"),
                (3, "Missing Well-known Attribute"),
                (4, "Attribute Flags Error"),
                (5, "Attribute Length Error"),
                (6, "Invalid ORIGIN Attribute"),
                (8, "Invalid NEXT_HOP Attribute"),
                (9, "Optional Attribute Error"),
                (10, "Invalid Network Field"),
                (11, "Malformed AS_PATH"),
            ]),
        ),
        ErrorCode::HOLD_TIMER_EXPIRED => (Some("Hold Timer Expired"), None),
        ErrorCode::FSM => (
            Some("Finite State Machine Error"),
            pick(&[
                (1, "Unexpected Message in OpenSent"),
                (2, "Unexpected Message in OpenConfirm"),
                (3, "Unexpected Message in Established"),
            ]),
        ),
        ErrorCode::CEASE => (
            Some("Cease"),
            pick(&[
                (1, "Maximum Number of Prefixes Reached"),
                (2, "Administrative Shutdown"),
                (3, "Peer De-configured"),
                (4, "Administrative Reset"),
                (5, "Connection Rejected"),
                (6, "Other Configuration Change"),
                (7, "Connection Collision Resolution"),
                (8, "Out of Resources"),
                (9, "Hard Reset"),
                (10, "BFD Down"),
            ]),
        ),
        ErrorCode::ROUTE_REFRESH => (Some("ROUTE-REFRESH Message Error"), pick(&[(1, "Invalid Message Length")])),
        ErrorCode::SEND_HOLD_TIMER_EXPIRED => (Some("Send Hold Timer Expired"), None),
        _ => (None, None),
    }
}

/// `Cease/Administrative Shutdown "maintenance"`, `OPEN Message Error/Bad Peer AS`, `error 9/1`.
impl fmt::Display for Notification {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = |f: &mut fmt::Formatter<'_>, code: ErrorCode, sub: u8| match names(code, sub) {
            (Some(code), Some(sub)) => write!(f, "{code}/{sub}"),
            (Some(code), None) if sub == subcode::UNSPECIFIC => f.write_str(code),
            (Some(code), None) => write!(f, "{code}/{sub}"),
            (None, _) => write!(f, "error {}/{sub}", code.0),
        };
        name(f, self.code, self.subcode)?;
        let (code, sub, _) = self.reason();
        if self.is_hard_reset() && (code, sub) != (self.code, self.subcode) {
            f.write_str(": ")?;
            name(f, code, sub)?;
        }
        // Text of the peer goes to logs and terminals: escape what is not printable.
        self.communication().map_or(Ok(()), |text| write!(f, " \"{}\"", text.escape_debug()))
    }
}

impl core::error::Error for Notification {}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for Notification {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let data: alloc::vec::Vec<u8> = u.arbitrary()?;
        Ok(Self::with_data(u.arbitrary()?, u.arbitrary()?, &data))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::{String, ToString};
    use alloc::vec::Vec;

    /// Shows: L3VPN-8.1-4
    #[test]
    fn every_code_and_subcode_has_its_name() {
        let text = |code, sub| Notification::new(ErrorCode(code), sub).to_string();
        assert_eq!(text(1, 3), "Message Header Error/Bad Message Type");
        assert_eq!(text(2, 6), "OPEN Message Error/Unacceptable Hold Time");
        assert_eq!(text(3, 11), "UPDATE Message Error/Malformed AS_PATH");
        assert_eq!(text(4, 0), "Hold Timer Expired");
        assert_eq!(text(5, 3), "Finite State Machine Error/Unexpected Message in Established");
        assert_eq!(text(6, 7), "Cease/Connection Collision Resolution");
        assert_eq!(text(7, 1), "ROUTE-REFRESH Message Error/Invalid Message Length");
        assert_eq!(text(9, 1), "error 9/1");
        assert_eq!(text(6, 99), "Cease/99");
    }

    #[test]
    fn communications_are_bounded_utf8() {
        let n = Notification::administrative(subcode::cease::ADMINISTRATIVE_SHUTDOWN, "back in 2 h");
        assert_eq!(n.communication(), Some("back in 2 h"));
        assert_eq!(n.to_string(), "Cease/Administrative Shutdown \"back in 2 h\"");
        let long: String = core::iter::repeat_n('é', 200).collect();
        let n = Notification::administrative(subcode::cease::ADMINISTRATIVE_RESET, &long);
        assert_eq!(n.communication().map(str::len), Some(254), "cut between characters");
        assert_eq!(Notification::administrative(2, "").data.len(), 0);
        let invalid = Notification::with_data(ErrorCode::CEASE, 2, &[2, 0xff, 0xfe]);
        assert_eq!(invalid.communication(), None);
        let overrun = Notification::with_data(ErrorCode::CEASE, 2, &[9, b'x']);
        assert_eq!(overrun.communication(), None);
        let elsewhere = Notification::with_data(ErrorCode::CEASE, 3, &[1, b'x']);
        assert_eq!(elsewhere.communication(), None);
        let escape = Notification::administrative(2, "\u{1b}[2J");
        assert_eq!(escape.to_string(), "Cease/Administrative Shutdown \"\\u{1b}[2J\"");
    }

    #[test]
    fn a_hard_reset_holds_the_reason() {
        let hard = Notification::administrative(2, "bye").hard_reset();
        assert!(hard.is_hard_reset());
        assert_eq!(hard.reason().0, ErrorCode::CEASE);
        assert_eq!(hard.communication(), Some("bye"));
        assert_eq!(hard.to_string(), "Cease/Hard Reset: Cease/Administrative Shutdown \"bye\"");
        let mut out = Vec::new();
        hard.emit(&mut out);
        assert_eq!(out, [6, 9, 6, 2, 3, b'b', b'y', b'e']);
        assert_eq!(Notification::parse(&out), Ok(hard));
    }

    #[test]
    fn data_is_bounded_and_a_lone_octet_refused() {
        let n = Notification::with_data(ErrorCode::OPEN, 7, &[0; 5000]);
        assert_eq!(n.wire_len() + Header::LEN, 4096);
        assert_eq!(Notification::parse(&[6]).unwrap_err().field, "error sub-code");
    }
}
