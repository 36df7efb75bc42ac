//! C-multicast routes (RFC 6514 §4.6, RFC 7441 §3).

use fwd_core::codec::{self, BufMut, Take};

use super::address::{CAddress, emit_address, take_address};
use super::s_pmsi_ad::take_fec;
use crate::nlri::{MldpFec, RouteDistinguisher};

/// C-multicast route: Shared Tree Join, type 6, and Source Tree Join, type 7. A PE joins a customer's tree at the upstream PE.
///
/// ```text
/// +-----------------------------------------+
/// | RD (8), of the upstream PE's VRF        |
/// +-----------------------------------------+
/// | Source AS (4)                           |
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
pub struct CMulticast<A> {
    /// The route distinguisher of the upstream PE's VRF.
    pub rd: RouteDistinguisher,
    /// The AS of the upstream PE.
    pub source_as: u32,
    /// C-RP of a shared tree, C-S of a source tree.
    pub source: A,
    /// C-G.
    pub group: A,
}

impl<A: CAddress> CMulticast<A> {
    /// Takes the body of the route.
    ///
    /// # Errors
    /// Truncated input, or a length of an address that the family does not have.
    #[inline]
    pub fn take(i: &[u8]) -> Take<'_, Self> {
        let (i, rd) = RouteDistinguisher::take(i)?;
        let (i, source_as) = codec::be_u32(i, "source AS")?;
        let (i, source) = take_address(i, "multicast source")?;
        let (i, group) = take_address(i, "multicast group")?;
        Ok((i, Self { rd, source_as, source, group }))
    }

    /// Octets that [`Self::emit`] writes.
    #[inline]
    #[must_use]
    pub fn wire_len(&self) -> usize {
        self.source.octet_len().saturating_add(self.group.octet_len()).saturating_add(14)
    }

    /// Writes the body of the route.
    #[inline]
    pub fn emit(&self, out: &mut impl BufMut) {
        self.rd.emit(out);
        out.put_u32(self.source_as);
        emit_address(self.source, out);
        emit_address(self.group, out);
    }
}

/// Source Tree Join route for C-multicast mLDP, type 0x47: a customer's FEC in the place of source and group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct MldpSourceTreeJoin<'a> {
    /// The route distinguisher of the upstream PE's VRF.
    pub rd: RouteDistinguisher,
    /// The AS of the upstream PE.
    pub source_as: u32,
    /// The customer's multipoint LSP.
    pub fec: MldpFec<'a>,
}

impl<'a> MldpSourceTreeJoin<'a> {
    /// Takes the body of the route.
    ///
    /// # Errors
    /// Truncated input, or a root of another address family than the NLRI's.
    pub fn take<A: CAddress>(i: &'a [u8]) -> Take<'a, Self> {
        let (i, rd) = RouteDistinguisher::take(i)?;
        let (i, source_as) = codec::be_u32(i, "source AS")?;
        let (i, fec) = take_fec::<A>(i)?;
        Ok((i, Self { rd, source_as, fec }))
    }

    /// Octets that [`Self::emit`] writes.
    #[must_use]
    pub const fn wire_len(&self) -> usize {
        self.fec.wire_len().saturating_add(12)
    }

    /// Writes the body of the route.
    pub fn emit(&self, out: &mut impl BufMut) {
        self.rd.emit(out);
        out.put_u32(self.source_as);
        self.fec.emit(out);
    }
}
