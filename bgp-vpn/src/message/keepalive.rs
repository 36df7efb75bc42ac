//! KEEPALIVE (RFC 4271 §4.4).

use fwd_core::Malformed;
use fwd_core::codec::{self, BufMut, Take};

/// A KEEPALIVE: a header and nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Keepalive;

impl Keepalive {
    /// Takes the empty body.
    ///
    /// # Errors
    /// None; the signature is that of every message.
    pub fn take(i: &[u8]) -> Take<'_, Self> {
        Ok((i, Self))
    }

    /// Parses the empty body.
    ///
    /// # Errors
    /// Octets where there must be none.
    pub fn parse(octets: &[u8]) -> Result<Self, Malformed> {
        codec::all(octets, Self::take)
    }

    /// Octets of the body: none.
    #[must_use]
    pub const fn wire_len(&self) -> usize {
        0
    }

    /// Writes the empty body.
    pub fn emit(&self, _out: &mut impl BufMut) {}
}
