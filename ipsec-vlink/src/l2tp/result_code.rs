//! Why a session or control connection ended (RFC 2661 §4.4.2, RFC 3931 §5.4.2).

use fwd_core::codec::{BufMut, Malformed, all, be_u16};

use super::field::Octets;
use super::value::Sink;

/// A Result Code AVP: what StopCCN, CDN and MSEN say. The same number means other things in each.
///
/// ```text
/// +-------------------------------+-------------------------------+
/// |          result code          |      error code (optional)    |
/// +-------------------------------+-------------------------------+
/// | error message (optional) ...
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ResultCode<'a> {
    /// The result.
    pub result: u16,
    /// The error, and text about it.
    pub error: Option<(ErrorCode, Octets<'a>)>,
}

/// What a general error was (RFC 3931 §5.4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct ErrorCode(pub u16);

impl ErrorCode {
    /// There is no control connection yet.
    pub const NO_CONTROL_CONNECTION: Self = Self(1);
    /// A length is wrong.
    pub const LENGTH: Self = Self(2);
    /// A value is out of range.
    pub const VALUE: Self = Self(3);
    /// Not enough resources.
    pub const RESOURCES: Self = Self(4);
    /// An unknown session.
    pub const SESSION_ID: Self = Self(5);
    /// Another error, said in text.
    pub const VENDOR: Self = Self(6);
    /// Try another.
    pub const TRY_ANOTHER: Self = Self(7);
    /// An unknown AVP with the M bit.
    pub const UNKNOWN_MANDATORY_AVP: Self = Self(8);
}

/// Results of StopCCN.
pub mod stop_ccn {
    #![allow(missing_docs)]
    pub const CLEARED: u16 = 1;
    pub const ERROR: u16 = 2;
    pub const EXISTS: u16 = 3;
    pub const NOT_AUTHORIZED: u16 = 4;
    pub const VERSION: u16 = 5;
    pub const SHUT_DOWN: u16 = 6;
    pub const FSM_OR_TIMEOUT: u16 = 7;
}

/// Results of CDN.
pub mod cdn {
    #![allow(missing_docs)]
    pub const LOST_CARRIER: u16 = 1;
    pub const ERROR: u16 = 2;
    pub const ADMINISTRATIVE: u16 = 3;
    pub const NO_FACILITIES_NOW: u16 = 4;
    pub const NO_FACILITIES: u16 = 5;
    pub const TIE_LOST: u16 = 13;
    pub const PSEUDOWIRE_TYPE: u16 = 14;
    /// Sequencing without a sublayer.
    pub const SEQUENCING: u16 = 15;
    pub const FSM_OR_TIMEOUT: u16 = 16;
    /// RFC 4667 §6.
    pub const MTU_MISMATCH: u16 = 23;
    pub const NO_SUCH_FORWARDER: u16 = 24;
    pub const FORWARDER_NOT_AUTHORIZED: u16 = 25;
    /// RFC 6074 §6: the attachment circuit is bound to another pseudowire, or to another peer.
    pub const CIRCUIT_BOUND: u16 = 27;
    pub const CIRCUIT_BOUND_ELSEWHERE: u16 = 28;
}

impl<'a> ResultCode<'a> {
    /// A result without an error.
    #[must_use]
    pub const fn new(result: u16) -> Self {
        Self { result, error: None }
    }

    /// A result with an error and a text.
    #[must_use]
    pub fn with(result: u16, error: ErrorCode, text: &'a str) -> Self {
        Self { result, error: Some((error, Octets::cut(text.as_bytes()))) }
    }

    /// The value of an AVP.
    ///
    /// # Errors
    /// It is shorter than a result, or an octet is left where an error would be.
    pub fn parse(octets: &'a [u8]) -> Result<Self, Malformed> {
        all(octets, |i| {
            let (i, result) = be_u16(i, "result code")?;
            if i.is_empty() {
                return Ok((i, Self { result, error: None }));
            }
            let (text, error) = be_u16(i, "error code")?;
            Ok((&[][..], Self { result, error: Some((ErrorCode(error), Octets::received(text))) }))
        })
    }

    /// Octets of the value.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        self.error.map_or(2, |(_, text)| text.get().len().saturating_add(4))
    }

    /// Writes the value.
    pub fn emit(&self, out: &mut impl BufMut) {
        out.put_u16(self.result);
        if let Some((error, text)) = self.error {
            out.put_u16(error.0);
            out.put_slice(text.get());
        }
    }

    pub(super) fn put(&self, out: &mut impl Sink) {
        out.put(&self.result.to_be_bytes());
        if let Some((error, text)) = self.error {
            out.put(&error.0.to_be_bytes());
            out.put(text.get());
        }
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for ResultCode<'a> {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(Self { result: u.arbitrary()?, error: u.arbitrary()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    #[test]
    fn three_lengths() {
        for (octets, code) in [
            (&[0, 1][..], ResultCode::new(1)),
            (&[0, 2, 0, 8][..], ResultCode::with(2, ErrorCode::UNKNOWN_MANDATORY_AVP, "")),
            (&[0, 2, 0, 3, b'n', b'o'][..], ResultCode::with(2, ErrorCode::VALUE, "no")),
        ] {
            assert_eq!(ResultCode::parse(octets), Ok(code));
            let mut out = Vec::new();
            code.emit(&mut out);
            assert_eq!((&out[..], out.len()), (octets, code.wire_len()));
        }
        assert!(ResultCode::parse(&[0]).is_err() && ResultCode::parse(&[0, 1, 0]).is_err());
    }
}
