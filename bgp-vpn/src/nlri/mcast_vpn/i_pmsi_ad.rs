//! I-PMSI A-D routes (RFC 6514 §4.1, §4.2).

use core::net::IpAddr;

use fwd_core::codec::{self, BufMut, Take};

use super::address::{CAddress, take_router};
use crate::nlri::RouteDistinguisher;

/// Intra-AS I-PMSI A-D route, type 1: a PE has sites of the MVPN.
///
/// ```text
/// +-----------------------------------------+
/// | RD (8)                                  |
/// +-----------------------------------------+
/// | Originating Router's IP Address (4, 16) |
/// +-----------------------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct IntraAsIPmsiAd {
    /// The route distinguisher of the VRF; zero for the global table (RFC 7716 §2.1).
    pub rd: RouteDistinguisher,
    /// The PE.
    pub originator: IpAddr,
}

impl IntraAsIPmsiAd {
    /// Takes the whole body of the route.
    ///
    /// # Errors
    /// A length other than 12 or 24.
    pub fn take(i: &[u8]) -> Take<'_, Self> {
        let (i, rd) = RouteDistinguisher::take(i)?;
        let (i, originator) = take_router(i, "originating router")?;
        Ok((i, Self { rd, originator }))
    }

    /// Octets that [`Self::emit`] writes.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        self.originator.octet_len().saturating_add(8)
    }

    /// Writes the body of the route.
    pub fn emit(&self, out: &mut impl BufMut) {
        self.rd.emit(out);
        self.originator.put(out);
    }
}

/// Inter-AS I-PMSI A-D route, type 2: an AS has sites of the MVPN.
///
/// ```text
/// +-----------------------------------------+
/// | RD (8)                                  |
/// +-----------------------------------------+
/// | Source AS (4)                           |
/// +-----------------------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct InterAsIPmsiAd {
    /// The route distinguisher that the AS has for the MVPN.
    pub rd: RouteDistinguisher,
    /// The AS.
    pub source_as: u32,
}

impl InterAsIPmsiAd {
    /// Takes the body of the route.
    ///
    /// # Errors
    /// Truncated input.
    pub fn take(i: &[u8]) -> Take<'_, Self> {
        let (i, rd) = RouteDistinguisher::take(i)?;
        let (i, source_as) = codec::be_u32(i, "source AS")?;
        Ok((i, Self { rd, source_as }))
    }

    /// Twelve.
    #[must_use]
    pub const fn wire_len(&self) -> usize {
        12
    }

    /// Writes the body of the route.
    pub fn emit(&self, out: &mut impl BufMut) {
        self.rd.emit(out);
        out.put_u32(self.source_as);
    }
}
