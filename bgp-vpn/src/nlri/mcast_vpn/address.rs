//! Customer addresses in multicast NLRI: sources and groups behind a length in bits.

use core::fmt::{Debug, Display};
use core::hash::Hash;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use fwd_core::Fault;
use fwd_core::codec::{self, BufMut, Fail, Take};

use super::CMulticast;
use crate::nlri::RouteDistinguisher;

/// A C-source, C-RP or C-group: `Ipv4Addr` in AFI 1, `Ipv6Addr` in AFI 2, and `IpAddr` where the length alone tells (RFC 7117 §9.2.1).
pub trait CAddress: Copy + Eq + Ord + Hash + Debug + Display + Sized {
    /// The address in these octets; `None` if it is of another family.
    fn from_wire(octets: &[u8]) -> Option<Self>;
    /// Octets of the address.
    fn octet_len(&self) -> usize;
    /// Writes the octets.
    fn put(&self, out: &mut impl BufMut);
    /// Whether a FEC element's address family belongs to the NLRI's (RFC 7441 §3).
    fn has_fec_family(address_family: u16) -> bool;
    /// Octets of a Source Tree Join NLRI whose lengths are all as they are in this family. Most NLRI of the family are such, and are taken
    /// in a single step.
    const JOIN_LEN: usize;
    /// Whether the octets begin with one; if not, it is to be read field by field.
    fn is_join(i: &[u8]) -> bool;
    /// The route in the [`Self::JOIN_LEN`] octets of such an NLRI; what is missing of them is zero.
    fn joined(nlri: &[u8]) -> CMulticast<Self>;
    /// Writes the NLRI of a C-multicast route in a single step. `false`: nothing was written, the fields are to be written one by one.
    fn emit_join(route_type: u8, join: &CMulticast<Self>, out: &mut impl BufMut) -> bool;
}

impl CAddress for Ipv4Addr {
    #[inline]
    fn from_wire(octets: &[u8]) -> Option<Self> {
        <[u8; 4]>::try_from(octets).ok().map(Self::from)
    }

    #[inline]
    fn octet_len(&self) -> usize {
        4
    }

    #[inline]
    fn put(&self, out: &mut impl BufMut) {
        out.put_slice(&self.octets());
    }

    fn has_fec_family(address_family: u16) -> bool {
        matches!(address_family, 1 | 29)
    }

    const JOIN_LEN: usize = 24;

    #[inline(always)]
    fn is_join(i: &[u8]) -> bool {
        matches!(i.first_chunk(), Some([7, 22, _, _, _, _, _, _, _, _, _, _, _, _, 32, _, _, _, _, 32, _, _, _, _]))
    }

    #[inline(always)]
    fn joined(nlri: &[u8]) -> CMulticast<Self> {
        let [_, _, r0, r1, r2, r3, r4, r5, r6, r7, a0, a1, a2, a3, _, s0, s1, s2, s3, _, g0, g1, g2, g3] =
            *nlri.first_chunk().unwrap_or(&[0; 24]);
        CMulticast {
            rd: RouteDistinguisher::from_octets([r0, r1, r2, r3, r4, r5, r6, r7]),
            source_as: u32::from_be_bytes([a0, a1, a2, a3]),
            source: Self::new(s0, s1, s2, s3),
            group: Self::new(g0, g1, g2, g3),
        }
    }

    #[inline(always)]
    fn emit_join(route_type: u8, join: &CMulticast<Self>, out: &mut impl BufMut) -> bool {
        let [r0, r1, r2, r3, r4, r5, r6, r7] = join.rd.octets();
        let [a0, a1, a2, a3] = join.source_as.to_be_bytes();
        let ([s0, s1, s2, s3], [g0, g1, g2, g3]) = (join.source.octets(), join.group.octets());
        out.put_slice(&[
            route_type, 22, r0, r1, r2, r3, r4, r5, r6, r7, a0, a1, a2, a3, 32, s0, s1, s2, s3, 32, g0, g1, g2, g3,
        ]);
        true
    }
}

impl CAddress for Ipv6Addr {
    #[inline]
    fn from_wire(octets: &[u8]) -> Option<Self> {
        <[u8; 16]>::try_from(octets).ok().map(Self::from)
    }

    #[inline]
    fn octet_len(&self) -> usize {
        16
    }

    #[inline]
    fn put(&self, out: &mut impl BufMut) {
        out.put_slice(&self.octets());
    }

    fn has_fec_family(address_family: u16) -> bool {
        matches!(address_family, 2 | 30)
    }

    const JOIN_LEN: usize = 48;

    #[inline(always)]
    fn is_join(i: &[u8]) -> bool {
        let Some([7, 46, _, _, _, _, _, _, _, _, _, _, _, _, 128, addresses @ ..]) = i.first_chunk::<48>() else {
            return false;
        };
        addresses.get(16) == Some(&128)
    }

    #[inline(always)]
    fn joined(nlri: &[u8]) -> CMulticast<Self> {
        let [_, _, r0, r1, r2, r3, r4, r5, r6, r7, a0, a1, a2, a3, _, addresses @ ..] =
            nlri.first_chunk().unwrap_or(&[0; 48]);
        let ([source @ .., _], group) = addresses.split_first_chunk::<17>().unwrap_or((&[0; 17], &[]));
        CMulticast {
            rd: RouteDistinguisher::from_octets([*r0, *r1, *r2, *r3, *r4, *r5, *r6, *r7]),
            source_as: u32::from_be_bytes([*a0, *a1, *a2, *a3]),
            source: Self::from(*source),
            group: Self::from(*group.first_chunk::<16>().unwrap_or(&[0; 16])),
        }
    }

    #[inline]
    fn emit_join(_: u8, _: &CMulticast<Self>, _: &mut impl BufMut) -> bool {
        false
    }
}

impl CAddress for IpAddr {
    fn from_wire(octets: &[u8]) -> Option<Self> {
        Ipv4Addr::from_wire(octets).map(Self::V4).or_else(|| Ipv6Addr::from_wire(octets).map(Self::V6))
    }

    fn octet_len(&self) -> usize {
        match self {
            Self::V4(_) => 4,
            Self::V6(_) => 16,
        }
    }

    fn put(&self, out: &mut impl BufMut) {
        match self {
            Self::V4(address) => out.put_slice(&address.octets()),
            Self::V6(address) => out.put_slice(&address.octets()),
        }
    }

    fn has_fec_family(address_family: u16) -> bool {
        Ipv4Addr::has_fec_family(address_family) || Ipv6Addr::has_fec_family(address_family)
    }

    const JOIN_LEN: usize = 0;

    fn is_join(_: &[u8]) -> bool {
        false
    }

    fn joined(_: &[u8]) -> CMulticast<Self> {
        let none = Self::V4(Ipv4Addr::UNSPECIFIED);
        CMulticast { rd: RouteDistinguisher::ZERO, source_as: 0, source: none, group: none }
    }

    fn emit_join(_: u8, _: &CMulticast<Self>, _: &mut impl BufMut) -> bool {
        false
    }
}

/// A group of an S-PMSI A-D route: an address, or one of the wildcards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum CGroup<A> {
    /// C-*: any group (RFC 6625 §2), length 0.
    Any,
    /// C-*-BIDIR: any group of BIDIR-PIM (RFC 7582 §2), length 8 and an octet of zero.
    AnyBidir,
    /// A group.
    Group(A),
}

/// Takes a length in bits and as many octets.
#[inline]
pub(super) fn take_field<'a>(i: &'a [u8], field: &'static str) -> Take<'a, &'a [u8]> {
    let at = i;
    let (i, bits) = codec::be_u8(i, field)?;
    if bits % 8 != 0 {
        return Err(Fail::new(at, field, Fault::Length(usize::from(bits))));
    }
    codec::octets(i, usize::from(bits >> 3), field)
}

#[cold]
pub(super) fn wrong_length<'a>(at: &'a [u8], field: &'static str) -> nom::Err<Fail<'a>> {
    Fail::new(at, field, Fault::Length(at.first().map_or(0, |bits| usize::from(*bits))))
}

/// Takes a length and an address.
#[inline]
pub(super) fn take_address<'a, A: CAddress>(i: &'a [u8], field: &'static str) -> Take<'a, A> {
    let (rest, octets) = take_field(i, field)?;
    A::from_wire(octets).map(|address| (rest, address)).ok_or_else(|| wrong_length(i, field))
}

/// Takes a source, which may be the wildcard.
pub(super) fn take_source<A: CAddress>(i: &[u8]) -> Take<'_, Option<A>> {
    const FIELD: &str = "multicast source";
    match take_field(i, FIELD)? {
        (rest, []) => Ok((rest, None)),
        (rest, octets) => {
            A::from_wire(octets).map(|address| (rest, Some(address))).ok_or_else(|| wrong_length(i, FIELD))
        }
    }
}

/// Takes a group, which may be a wildcard.
pub(super) fn take_group<A: CAddress>(i: &[u8]) -> Take<'_, CGroup<A>> {
    const FIELD: &str = "multicast group";
    match take_field(i, FIELD)? {
        (rest, []) => Ok((rest, CGroup::Any)),
        (rest, [0]) => Ok((rest, CGroup::AnyBidir)),
        (rest, octets) => {
            A::from_wire(octets).map(|address| (rest, CGroup::Group(address))).ok_or_else(|| wrong_length(i, FIELD))
        }
    }
}

/// Writes a length in bits and the address.
#[inline]
pub(super) fn emit_address<A: CAddress>(address: A, out: &mut impl BufMut) {
    out.put_u8(if address.octet_len() == 4 { 32 } else { 128 });
    address.put(out);
}

/// Writes a source or the wildcard.
pub(super) fn emit_source<A: CAddress>(source: Option<A>, out: &mut impl BufMut) {
    match source {
        Some(address) => emit_address(address, out),
        None => out.put_u8(0),
    }
}

/// Octets of a length and a source, or of the wildcard.
pub(super) fn source_len<A: CAddress>(source: Option<A>) -> usize {
    source.map_or(0, |address| address.octet_len()).saturating_add(1)
}

impl<A: CAddress> CGroup<A> {
    pub(super) fn emit(self, out: &mut impl BufMut) {
        match self {
            Self::Any => out.put_u8(0),
            Self::AnyBidir => out.put_slice(&[8, 0]),
            Self::Group(address) => emit_address(address, out),
        }
    }

    pub(super) fn wire_len(self) -> usize {
        match self {
            Self::Any => 1,
            Self::AnyBidir => 2,
            Self::Group(address) => address.octet_len().saturating_add(1),
        }
    }

    /// The group, unless it is a wildcard.
    pub fn address(self) -> Option<A> {
        if let Self::Group(address) = self { Some(address) } else { None }
    }
}

/// Takes a router's address: all of the input, of either family (RFC 6515 §2).
#[inline]
pub(super) fn take_router<'a>(i: &'a [u8], field: &'static str) -> Take<'a, IpAddr> {
    match IpAddr::from_wire(i) {
        Some(address) => Ok((&[], address)),
        None => Err(Fail::new(i, field, Fault::Length(i.len()))),
    }
}
