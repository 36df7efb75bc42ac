//! ROUTE-REFRESH (RFC 2918 §3, RFC 7313 §3.2) with outbound route filters (RFC 5291 §4).

use alloc::vec::Vec;

use fwd_core::Malformed;
use fwd_core::codec::{self, BufMut, Take};

use super::capability::OrfType;
use crate::nlri::{Afi, Family, Safi};

/// Message subtype of a ROUTE-REFRESH; the Reserved field of RFC 2918. Unknown values survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct RefreshSubtype(pub u8);

impl RefreshSubtype {
    /// A request, with or without filters (RFC 2918, RFC 5291).
    pub const REQUEST: Self = Self(0);
    /// Begin of route refresh, BoRR (RFC 7313 §3.2).
    pub const BEGIN: Self = Self(1);
    /// End of route refresh, EoRR (RFC 7313 §3.2).
    pub const END: Self = Self(2);
}

/// When the routes are to be sent again after filters changed (RFC 5291 §4). Unknown values survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct WhenToRefresh(pub u8);

impl WhenToRefresh {
    /// At once (RFC 5291 §4).
    pub const IMMEDIATE: Self = Self(1);
    /// With a later ROUTE-REFRESH (RFC 5291 §4).
    pub const DEFER: Self = Self(2);
}

/// A ROUTE-REFRESH.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-------------------------------+---------------+---------------+
/// | AFI (2)                       | Subtype (1)   | SAFI (1)      |
/// +---------------+---------------+---------------+---------------+
/// | When (1)      | ORF type (1)  | Length of entries (2)         |  optional, RFC 5291
/// +---------------+---------------+-------------------------------+
/// | ORF entries …, further ORF types …                            |
/// +---------------------------------------------------------------+
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteRefresh {
    /// The family to be refreshed.
    pub family: Family,
    /// Request, begin or end.
    pub subtype: RefreshSubtype,
    /// What follows: outbound route filters as octets, empty without. At most 65,512 octets; [`Self::filters`] reads them.
    orf: Vec<u8>,
}

/// The outbound route filters of one type in a ROUTE-REFRESH.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrfEntries<'a> {
    /// Their type.
    pub orf_type: OrfType,
    /// The entries: each an octet of action and match, then what the type says.
    pub octets: &'a [u8],
}

impl RouteRefresh {
    /// Octets of the body without filters.
    pub const LEN: usize = 4;

    /// A ROUTE-REFRESH without filters.
    #[must_use]
    pub const fn new(family: Family, subtype: RefreshSubtype) -> Self {
        Self { family, subtype, orf: Vec::new() }
    }

    /// A request that carries one filter list. `None` if it does not fit a message of 4,096 octets.
    #[must_use]
    pub fn with_filters(family: Family, when: WhenToRefresh, filters: &[OrfEntries<'_>]) -> Option<Self> {
        let mut orf = alloc::vec![when.0];
        for f in filters {
            orf.push(f.orf_type.0);
            orf.extend_from_slice(&u16::try_from(f.octets.len()).ok()?.to_be_bytes());
            orf.extend_from_slice(f.octets);
        }
        const ROOM: usize = super::Header::MAX_MESSAGE_LEN - super::Header::LEN - RouteRefresh::LEN;
        (orf.len() <= ROOM).then_some(Self { family, subtype: RefreshSubtype::REQUEST, orf })
    }

    /// Takes the body of a ROUTE-REFRESH: all of the input.
    ///
    /// # Errors
    /// Fewer than four octets.
    pub fn take(i: &[u8]) -> Take<'_, Self> {
        let (i, afi) = codec::be_u16(i, "afi")?;
        let (i, subtype) = codec::be_u8(i, "message subtype")?;
        let (orf, safi) = codec::be_u8(i, "safi")?;
        let family = Family::new(Afi(afi), Safi(safi));
        Ok((&[], Self { family, subtype: RefreshSubtype(subtype), orf: orf.to_vec() }))
    }

    /// Parses the body of a ROUTE-REFRESH.
    ///
    /// # Errors
    /// Fewer than four octets.
    pub fn parse(octets: &[u8]) -> Result<Self, Malformed> {
        codec::all(octets, Self::take)
    }

    /// Octets of the body.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        Self::LEN.saturating_add(self.orf.len())
    }

    /// Writes the body.
    pub fn emit(&self, out: &mut impl BufMut) {
        out.put_u16(self.family.afi.0);
        out.put_u8(self.subtype.0);
        out.put_u8(self.family.safi.0);
        out.put_slice(&self.orf);
    }

    /// The octets after the SAFI.
    #[must_use]
    pub fn filter_octets(&self) -> &[u8] {
        &self.orf
    }

    /// Whether the routes are to be sent only with a later request (RFC 5291 §6).
    #[must_use]
    pub fn is_deferred(&self) -> bool {
        self.subtype == RefreshSubtype::REQUEST && self.orf.first() == Some(&WhenToRefresh::DEFER.0)
    }

    /// When to refresh, and the filters by type, as far as they parse; `None` without filters.
    ///
    /// # Errors
    /// A list of entries longer than the message.
    pub fn filters(&self) -> Result<Option<(WhenToRefresh, Vec<OrfEntries<'_>>)>, Malformed> {
        if self.orf.is_empty() {
            return Ok(None);
        }
        codec::all(&self.orf, |i| {
            let (mut i, when) = codec::be_u8(i, "when-to-refresh")?;
            let mut filters = Vec::new();
            while !i.is_empty() {
                let (rest, orf_type) = codec::be_u8(i, "orf type")?;
                let (rest, len) = codec::be_u16(rest, "length of orf entries")?;
                let (rest, octets) = codec::octets(rest, usize::from(len), "orf entries")?;
                filters.push(OrfEntries { orf_type: OrfType(orf_type), octets });
                i = rest;
            }
            Ok((i, Some((WhenToRefresh(when), filters))))
        })
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for RouteRefresh {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let mut orf: Vec<u8> = u.arbitrary()?;
        orf.truncate(4073);
        Ok(Self { family: u.arbitrary()?, subtype: u.arbitrary()?, orf })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shows: L3VPN-8.1-3
    #[test]
    fn the_three_subtypes_stand_between_afi_and_safi() {
        for (subtype, octet) in [(RefreshSubtype::REQUEST, 0), (RefreshSubtype::BEGIN, 1), (RefreshSubtype::END, 2)] {
            let refresh = RouteRefresh::new(Family::VPN_IPV4, subtype);
            let mut out = Vec::new();
            refresh.emit(&mut out);
            assert_eq!(out, [0, 1, octet, 128]);
            assert_eq!(RouteRefresh::parse(&out), Ok(refresh));
        }
        assert_eq!(RouteRefresh::parse(&[0, 1, 0]).unwrap_err().field, "safi");
    }

    /// Shows: L3VPN-8.1-7
    #[test]
    fn filters_are_read_by_type_and_kept() {
        let entries = OrfEntries { orf_type: OrfType::ADDRESS_PREFIX, octets: &[0x80] };
        let refresh =
            RouteRefresh::with_filters(Family::IPV4_UNICAST, WhenToRefresh::IMMEDIATE, &[entries, entries]).unwrap();
        let mut out = Vec::new();
        refresh.emit(&mut out);
        assert_eq!(out, [0, 1, 0, 1, 1, 64, 0, 1, 0x80, 64, 0, 1, 0x80]);
        let parsed = RouteRefresh::parse(&out).unwrap();
        assert_eq!(parsed.filters(), Ok(Some((WhenToRefresh::IMMEDIATE, alloc::vec![entries, entries]))));
        let cut = RouteRefresh::parse(&out[..12]).unwrap();
        assert_eq!(cut.filters().unwrap_err().field, "orf entries");
        let huge = alloc::vec![0; 4096];
        let huge = OrfEntries { orf_type: OrfType::ADDRESS_PREFIX, octets: &huge };
        assert_eq!(RouteRefresh::with_filters(Family::IPV4_UNICAST, WhenToRefresh::DEFER, &[huge]), None);
    }
}
