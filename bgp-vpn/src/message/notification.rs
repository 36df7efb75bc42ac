//! NOTIFICATION (RFC 4271 §4.5).

use fwd_core::Malformed;
use fwd_core::codec::{self, BufMut, Take};
use smallvec::SmallVec;

/// The error code of a NOTIFICATION; unknown values survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct ErrorCode(pub u8);

impl ErrorCode {
    /// Message header error.
    pub const MESSAGE_HEADER: Self = Self(1);
    /// OPEN message error.
    pub const OPEN: Self = Self(2);
    /// UPDATE message error.
    pub const UPDATE: Self = Self(3);
    /// Hold timer expired.
    pub const HOLD_TIMER_EXPIRED: Self = Self(4);
    /// Finite state machine error (sub-codes: RFC 6608).
    pub const FSM: Self = Self(5);
    /// Cease (sub-codes: RFC 4486).
    pub const CEASE: Self = Self(6);
    /// ROUTE-REFRESH message error (RFC 7313 §5).
    pub const ROUTE_REFRESH: Self = Self(7);
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
    /// A NOTIFICATION without data.
    #[must_use]
    pub fn new(code: ErrorCode, subcode: u8) -> Self {
        Self { code, subcode, data: SmallVec::new() }
    }

    /// A NOTIFICATION with data.
    #[must_use]
    pub fn with_data(code: ErrorCode, subcode: u8, data: &[u8]) -> Self {
        Self { code, subcode, data: SmallVec::from_slice(data) }
    }

    /// Takes the body of a NOTIFICATION: all of the input.
    ///
    /// # Errors
    /// Fewer than two octets.
    pub fn take(i: &[u8]) -> Take<'_, Self> {
        let (i, code) = codec::be_u8(i, "error code")?;
        let (data, subcode) = codec::be_u8(i, "error sub-code")?;
        Ok((&[], Self::with_data(ErrorCode(code), subcode, data)))
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
        2 + self.data.len()
    }

    /// Writes the body.
    pub fn emit(&self, out: &mut impl BufMut) {
        out.put_u8(self.code.0);
        out.put_u8(self.subcode);
        out.put_slice(&self.data);
    }
}
