//! Source Active A-D routes (RFC 6514 §4.5).

use fwd_core::codec::{BufMut, Take};

use super::address::{CAddress, emit_address, take_address};
use crate::nlri::RouteDistinguisher;

/// Source Active A-D route, type 5: a source of an ASM group is active.
///
/// ```text
/// +-----------------------------------------+
/// | RD (8)                                  |
/// +-----------------------------------------+
/// | Multicast Source Length (1), in bits    |
/// +-----------------------------------------+
/// | Multicast Source (4, 16)                |
/// +-----------------------------------------+
/// | Multicast Group Length (1), in bits     |
/// +-----------------------------------------+
/// | Multicast Group (4, 16)                 |
/// +-----------------------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct SourceActiveAd<A> {
    /// The route distinguisher of the VRF.
    pub rd: RouteDistinguisher,
    /// C-S.
    pub source: A,
    /// C-G.
    pub group: A,
}

impl<A: CAddress> SourceActiveAd<A> {
    /// Takes the body of the route.
    ///
    /// # Errors
    /// Truncated input, or a length of an address that the family does not have.
    pub fn take(i: &[u8]) -> Take<'_, Self> {
        let (i, rd) = RouteDistinguisher::take(i)?;
        let (i, source) = take_address(i, "multicast source")?;
        let (i, group) = take_address(i, "multicast group")?;
        Ok((i, Self { rd, source, group }))
    }

    /// Octets that [`Self::emit`] writes.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        self.source.octet_len().saturating_add(self.group.octet_len()).saturating_add(10)
    }

    /// Writes the body of the route.
    pub fn emit(&self, out: &mut impl BufMut) {
        self.rd.emit(out);
        emit_address(self.source, out);
        emit_address(self.group, out);
    }
}
