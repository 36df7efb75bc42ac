//! S-PMSI A-D routes (RFC 6514 §4.3, RFC 6625, RFC 7582 §2, RFC 7441 §3).

use core::net::IpAddr;

use fwd_core::Fault;
use fwd_core::codec::{BufMut, Fail, Take};

use super::address::{CAddress, CGroup, emit_source, source_len, take_group, take_router, take_source};
use crate::nlri::{MldpFec, RouteDistinguisher};

/// S-PMSI A-D route, type 3: a PE binds customer flows to a tunnel of their own.
///
/// ```text
/// +-----------------------------------------+
/// | RD (8)                                  |
/// +-----------------------------------------+
/// | Multicast Source Length (1), in bits    |
/// +-----------------------------------------+
/// | Multicast Source (0, 4, 16)             |
/// +-----------------------------------------+
/// | Multicast Group Length (1), in bits     |
/// +-----------------------------------------+
/// | Multicast Group (0, 1, 4, 16)           |
/// +-----------------------------------------+
/// | Originating Router's IP Address (4, 16) |
/// +-----------------------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct SPmsiAd<A> {
    /// The route distinguisher of the VRF.
    pub rd: RouteDistinguisher,
    /// C-S; `None` is the wildcard C-* (RFC 6625 §2).
    pub source: Option<A>,
    /// C-G or a wildcard.
    pub group: CGroup<A>,
    /// The PE.
    pub originator: IpAddr,
}

impl<A: CAddress> SPmsiAd<A> {
    /// Takes the whole body of the route.
    ///
    /// # Errors
    /// Truncated input, or a length of an address that the family does not have.
    pub fn take(i: &[u8]) -> Take<'_, Self> {
        let (i, rd) = RouteDistinguisher::take(i)?;
        let (i, source) = take_source(i)?;
        let (i, group) = take_group(i)?;
        let (i, originator) = take_router(i, "originating router")?;
        Ok((i, Self { rd, source, group, originator }))
    }

    /// Octets that [`Self::emit`] writes.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        let addresses = source_len(self.source).saturating_add(self.group.wire_len());
        addresses.saturating_add(self.originator.octet_len()).saturating_add(8)
    }

    /// Writes the body of the route.
    pub fn emit(&self, out: &mut impl BufMut) {
        self.rd.emit(out);
        emit_source(self.source, out);
        self.group.emit(out);
        self.originator.put(out);
    }
}

/// S-PMSI A-D route for C-multicast mLDP, type 0x43: as type 3, a customer's FEC in the place of source and group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct MldpSPmsiAd<'a> {
    /// The route distinguisher of the VRF.
    pub rd: RouteDistinguisher,
    /// The customer's multipoint LSP.
    pub fec: MldpFec<'a>,
    /// The PE.
    pub originator: IpAddr,
}

impl<'a> MldpSPmsiAd<'a> {
    /// Takes the whole body of the route.
    ///
    /// # Errors
    /// Truncated input, or a root of another address family than the NLRI's.
    pub fn take<A: CAddress>(i: &'a [u8]) -> Take<'a, Self> {
        let (i, rd) = RouteDistinguisher::take(i)?;
        let (i, fec) = take_fec::<A>(i)?;
        let (i, originator) = take_router(i, "originating router")?;
        Ok((i, Self { rd, fec, originator }))
    }

    /// Octets that [`Self::emit`] writes.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        self.fec.wire_len().saturating_add(self.originator.octet_len()).saturating_add(8)
    }

    /// Writes the body of the route.
    pub fn emit(&self, out: &mut impl BufMut) {
        self.rd.emit(out);
        self.fec.emit(out);
        self.originator.put(out);
    }
}

/// Takes a customer's FEC element, whose root must be of the NLRI's address family (RFC 7441 §3).
pub(super) fn take_fec<A: CAddress>(i: &[u8]) -> Take<'_, MldpFec<'_>> {
    let (rest, fec) = MldpFec::take(i)?;
    if fec.root().is_none() || !A::has_fec_family(fec.address_family) {
        return Err(Fail::new(i, "FEC address family", Fault::Value(u32::from(fec.address_family))));
    }
    Ok((rest, fec))
}
