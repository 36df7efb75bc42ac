//! MP_UNREACH_NLRI (RFC 4760 §4).

use fwd_core::Malformed;
use fwd_core::codec::{self, BufMut, Take};

use crate::nlri::{Family, Nlri, NlriFormat, Nlris};
use crate::session::Negotiated;

/// The value of MP_UNREACH_NLRI, its NLRI unread. Without any it is the End-of-RIB marker of the family, if nothing else is in
/// the UPDATE (RFC 4724 §2).
///
/// ```text
/// +---------------------------------------------+
/// | Address Family Identifier (2)               |
/// +---------------------------------------------+
/// | Subsequent Address Family Identifier (1)    |
/// +---------------------------------------------+
/// | Withdrawn Routes (variable)                 |
/// +---------------------------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MpUnreach<'a> {
    /// The family.
    pub family: Family,
    /// The Withdrawn Routes field.
    pub nlri: &'a [u8],
    /// How the NLRI are to be read.
    pub format: NlriFormat,
}

impl<'a> MpUnreach<'a> {
    /// Takes the value of the attribute: all of the input.
    ///
    /// Where several labels were negotiated, a withdrawal still has one field of three octets in their place, of any value
    /// (RFC 8277 §2.4).
    ///
    /// # Errors
    /// Fewer than three octets (RFC 7606 §5.3).
    #[inline]
    pub fn take(i: &'a [u8], negotiated: &Negotiated) -> Take<'a, Self> {
        let (nlri, family) = Family::take(i)?;
        let format = NlriFormat { multiple_labels: false, ..negotiated.receive_format(family) };
        Ok((&[], Self { family, nlri, format }))
    }

    /// Parses the value of the attribute.
    ///
    /// # Errors
    /// Fewer than three octets (RFC 7606 §5.3).
    pub fn parse(octets: &'a [u8], negotiated: &Negotiated) -> Result<Self, Malformed> {
        codec::all(octets, |i| Self::take(i, negotiated))
    }

    /// Octets that [`Self::emit`] writes.
    #[must_use]
    pub const fn wire_len(&self) -> usize {
        self.nlri.len().saturating_add(3)
    }

    /// Writes the value of the attribute, NLRI as they are.
    pub fn emit(&self, out: &mut impl BufMut) {
        self.family.emit(out);
        out.put_slice(self.nlri);
    }

    /// The NLRI, read as form `N`, one at a time.
    #[inline]
    #[must_use]
    pub fn nlris<N: Nlri<'a>>(&self) -> Nlris<'a, N> {
        Nlris::new(self.nlri, self.format)
    }
}
