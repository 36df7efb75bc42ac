//! Register-Stop (RFC 7761 §4.9.4).

use core::net::IpAddr;

use fwd_core::Malformed;
use fwd_core::codec::{self, BufMut, Take};

use super::encoded::{EncodedGroup, emit_unicast, take_unicast, unicast_len};

/// A Register-Stop: Encoded-Group, then the source as Encoded-Unicast. A source of zeros is every source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct RegisterStop {
    /// The group of the Register.
    pub group: EncodedGroup,
    /// The source of the Register.
    pub source: IpAddr,
}

impl RegisterStop {
    /// Takes the body.
    ///
    /// # Errors
    /// Truncated input, or a fault in an address.
    pub fn take(i: &[u8]) -> Take<'_, Self> {
        let (i, group) = EncodedGroup::take(i)?;
        let (i, source) = take_unicast(i, "register-stop source")?;
        Ok((i, Self { group, source }))
    }

    /// Parses a body.
    ///
    /// # Errors
    /// As [`Self::take`], or trailing octets.
    pub fn parse(octets: &[u8]) -> Result<Self, Malformed> {
        codec::all(octets, Self::take)
    }

    /// Octets that [`Self::emit`] writes.
    #[must_use]
    pub const fn wire_len(&self) -> usize {
        self.group.wire_len().saturating_add(unicast_len(self.source))
    }

    /// Writes the body.
    pub fn emit(&self, out: &mut impl BufMut) {
        self.group.emit(out);
        emit_unicast(self.source, out);
    }
}
