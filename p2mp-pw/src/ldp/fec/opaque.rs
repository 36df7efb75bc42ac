//! Opaque values of multipoint LSPs (RFC 6388 §2.3, RFC 6512, RFC 6826 §3, RFC 7246 §3, RFC 7442 §3.1, RFC 8338 §7.3).

use core::net::IpAddr;
#[cfg(any(test, feature = "arbitrary"))]
use core::net::{Ipv4Addr, Ipv6Addr};

use fwd_core::Malformed;
use fwd_core::codec::{self, BufMut, Fail, Fault, Take};
use smallvec::SmallVec;

use super::super::address_family::{address_len, emit_address, take_address};
use super::super::octets::{Octets, len16, whole};

/// The type of an opaque value element; unknown values survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct OpaqueType(pub u8);

impl OpaqueType {
    /// A number of the root's (RFC 6388 §2.3.1).
    pub const GENERIC_LSP_ID: Self = Self(1);
    /// In-band: an IPv4 (S,G) (RFC 6826 §3.1).
    pub const TRANSIT_IPV4_SOURCE: Self = Self(3);
    /// In-band: an IPv6 (S,G) (RFC 6826 §3.2).
    pub const TRANSIT_IPV6_SOURCE: Self = Self(4);
    /// In-band: a bidirectional IPv4 group (RFC 6826 §3.3).
    pub const TRANSIT_IPV4_BIDIR: Self = Self(5);
    /// In-band: a bidirectional IPv6 group (RFC 6826 §3.4).
    pub const TRANSIT_IPV6_BIDIR: Self = Self(6);
    /// Another FEC element, for the root to go on with (RFC 6512 §2).
    pub const RECURSIVE: Self = Self(7);
    /// A route distinguisher and another FEC element (RFC 6512 §3).
    pub const VPN_RECURSIVE: Self = Self(8);
    /// In-band in a VPN: a bidirectional IPv4 group (RFC 7246 §3.2).
    pub const TRANSIT_VPNV4_BIDIR: Self = Self(9);
    /// In-band in a VPN: a bidirectional IPv6 group (RFC 7246 §3.2).
    pub const TRANSIT_VPNV6_BIDIR: Self = Self(10);
    /// In-band: an IPv4 RP and group (RFC 7442 §3.1).
    pub const TRANSIT_IPV4_SHARED: Self = Self(11);
    /// In-band: an IPv6 RP and group (RFC 7442 §3.1).
    pub const TRANSIT_IPV6_SHARED: Self = Self(12);
    /// A number of the root's for P2MP pseudowires and VPLS (RFC 8338 §7.3).
    pub const L2VPN_MCAST: Self = Self(13);
    /// In-band in a VPN: an IPv4 (S,G) (RFC 7246 §3.1).
    pub const TRANSIT_VPNV4_SOURCE: Self = Self(250);
    /// In-band in a VPN: an IPv6 (S,G) (RFC 7246 §3.1).
    pub const TRANSIT_VPNV6_SOURCE: Self = Self(251);
    /// A type of 16 bits follows (RFC 6388 §2.3).
    pub const EXTENDED: Self = Self(255);
}

/// The eight octets of a route distinguisher, as BGP writes them (RFC 4364 §4.2).
pub type RouteDistinguisher = [u8; 8];

/// One element of an opaque value.
///
/// ```text
/// +----------+------------+-----------+        +-----+-------------------+------------+-----------+
/// | Type (1) | Length (2) | Value ... |   or   | 255 | Extended type (2) | Length (2) | Value ... |
/// +----------+------------+-----------+        +-----+-------------------+------------+-----------+
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OpaqueElement {
    /// A number of the root's.
    GenericLspId(u32),
    /// A number of the root's for P2MP pseudowires and VPLS.
    L2vpnMcast(u32),
    /// In-band: a source and a group of one family; in a VPN with its route distinguisher.
    TransitSource {
        /// The source.
        source: IpAddr,
        /// The group.
        group: IpAddr,
        /// The VPN's distinguisher; `None`: the global table.
        rd: Option<RouteDistinguisher>,
    },
    /// In-band: the shared tree of a group, by its RP of the same family.
    TransitShared {
        /// The RP.
        rp: IpAddr,
        /// The group.
        group: IpAddr,
    },
    /// In-band: a bidirectional group range and its RP, of one family; in a VPN with its route distinguisher.
    TransitBidir {
        /// Leading bits of the group that count.
        mask_len: u8,
        /// The RP.
        rp: IpAddr,
        /// The group.
        group: IpAddr,
        /// The VPN's distinguisher; `None`: the global table.
        rd: Option<RouteDistinguisher>,
    },
    /// Another multipoint FEC element, as octets from its type on: [`super::Fec::parse`] reads it. With a route distinguisher
    /// the VPN recursive form.
    Recursive {
        /// The VPN's distinguisher.
        rd: Option<RouteDistinguisher>,
        /// The FEC element.
        fec: Octets,
    },
    /// Any other type.
    Unknown(OpaqueType, Octets),
    /// An extended type.
    Extended(u16, Octets),
}

impl OpaqueElement {
    /// Takes an element.
    ///
    /// # Errors
    /// Truncated input, or a value whose length its type does not allow.
    pub fn take(i: &[u8]) -> Take<'_, Self> {
        let (i, kind) = codec::be_u8(i, "opaque type")?;
        let kind = OpaqueType(kind);
        if kind == OpaqueType::EXTENDED {
            let (i, extended) = codec::be_u16(i, "opaque extended type")?;
            let (i, value) = take_value(i)?;
            return Ok((i, Self::Extended(extended, Octets::from_slice(value))));
        }
        let (i, value) = take_value(i)?;
        let number = |i| codec::be_u32(i, "lsp identifier");
        let element = match kind {
            OpaqueType::GENERIC_LSP_ID => Self::GenericLspId(whole(value, number)?),
            OpaqueType::L2VPN_MCAST => Self::L2vpnMcast(whole(value, number)?),
            OpaqueType::TRANSIT_IPV4_SOURCE => whole(value, |v| take_source(v, 4, false))?,
            OpaqueType::TRANSIT_IPV6_SOURCE => whole(value, |v| take_source(v, 16, false))?,
            OpaqueType::TRANSIT_VPNV4_SOURCE => whole(value, |v| take_source(v, 4, true))?,
            OpaqueType::TRANSIT_VPNV6_SOURCE => whole(value, |v| take_source(v, 16, true))?,
            OpaqueType::TRANSIT_IPV4_SHARED => whole(value, |v| take_shared(v, 4))?,
            OpaqueType::TRANSIT_IPV6_SHARED => whole(value, |v| take_shared(v, 16))?,
            OpaqueType::TRANSIT_IPV4_BIDIR => whole(value, |v| take_bidir(v, 4, false))?,
            OpaqueType::TRANSIT_IPV6_BIDIR => whole(value, |v| take_bidir(v, 16, false))?,
            OpaqueType::TRANSIT_VPNV4_BIDIR => whole(value, |v| take_bidir(v, 4, true))?,
            OpaqueType::TRANSIT_VPNV6_BIDIR => whole(value, |v| take_bidir(v, 16, true))?,
            OpaqueType::RECURSIVE => Self::Recursive { rd: None, fec: Octets::from_slice(value) },
            OpaqueType::VPN_RECURSIVE => {
                let (fec, rd) = codec::array::<8>(value, "route distinguisher")?;
                Self::Recursive { rd: Some(rd), fec: Octets::from_slice(fec) }
            }
            other => Self::Unknown(other, Octets::from_slice(value)),
        };
        Ok((i, element))
    }

    /// The type.
    #[must_use]
    pub const fn opaque_type(&self) -> OpaqueType {
        match self {
            Self::GenericLspId(_) => OpaqueType::GENERIC_LSP_ID,
            Self::L2vpnMcast(_) => OpaqueType::L2VPN_MCAST,
            Self::TransitSource { group: IpAddr::V4(_), rd: None, .. } => OpaqueType::TRANSIT_IPV4_SOURCE,
            Self::TransitSource { rd: None, .. } => OpaqueType::TRANSIT_IPV6_SOURCE,
            Self::TransitSource { group: IpAddr::V4(_), .. } => OpaqueType::TRANSIT_VPNV4_SOURCE,
            Self::TransitSource { .. } => OpaqueType::TRANSIT_VPNV6_SOURCE,
            Self::TransitShared { group: IpAddr::V4(_), .. } => OpaqueType::TRANSIT_IPV4_SHARED,
            Self::TransitShared { .. } => OpaqueType::TRANSIT_IPV6_SHARED,
            Self::TransitBidir { group: IpAddr::V4(_), rd: None, .. } => OpaqueType::TRANSIT_IPV4_BIDIR,
            Self::TransitBidir { rd: None, .. } => OpaqueType::TRANSIT_IPV6_BIDIR,
            Self::TransitBidir { group: IpAddr::V4(_), .. } => OpaqueType::TRANSIT_VPNV4_BIDIR,
            Self::TransitBidir { .. } => OpaqueType::TRANSIT_VPNV6_BIDIR,
            Self::Recursive { rd: None, .. } => OpaqueType::RECURSIVE,
            Self::Recursive { .. } => OpaqueType::VPN_RECURSIVE,
            Self::Unknown(kind, _) => *kind,
            Self::Extended(..) => OpaqueType::EXTENDED,
        }
    }

    fn value_len(&self) -> usize {
        let rd_len = |rd: &Option<_>| if rd.is_some() { 8 } else { 0_usize };
        match self {
            Self::GenericLspId(_) | Self::L2vpnMcast(_) => 4,
            Self::TransitSource { group, rd, .. } => address_len(*group).saturating_mul(2).saturating_add(rd_len(rd)),
            Self::TransitShared { group, .. } => address_len(*group).saturating_mul(2),
            Self::TransitBidir { group, rd, .. } => {
                address_len(*group).saturating_mul(2).saturating_add(rd_len(rd)).saturating_add(1)
            }
            Self::Recursive { rd, fec } => fec.len().saturating_add(rd_len(rd)),
            Self::Unknown(_, value) | Self::Extended(_, value) => value.len(),
        }
    }

    /// Octets of the element.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        self.value_len().saturating_add(if matches!(self, Self::Extended(..)) { 5 } else { 3 })
    }

    /// Writes the element.
    pub fn emit(&self, out: &mut impl BufMut) {
        out.put_u8(self.opaque_type().0);
        if let Self::Extended(extended, _) = self {
            out.put_u16(*extended);
        }
        out.put_u16(len16(self.value_len()));
        match self {
            Self::GenericLspId(id) | Self::L2vpnMcast(id) => out.put_u32(*id),
            Self::TransitSource { source, group, rd } => {
                emit_address(*source, out);
                emit_address(*group, out);
                rd.iter().for_each(|rd| out.put_slice(rd));
            }
            Self::TransitShared { rp, group } => {
                emit_address(*rp, out);
                emit_address(*group, out);
            }
            Self::TransitBidir { mask_len, rp, group, rd } => {
                out.put_u8(*mask_len);
                emit_address(*rp, out);
                emit_address(*group, out);
                rd.iter().for_each(|rd| out.put_slice(rd));
            }
            Self::Recursive { rd, fec } => {
                rd.iter().for_each(|rd| out.put_slice(rd));
                out.put_slice(fec);
            }
            Self::Unknown(_, value) | Self::Extended(_, value) => out.put_slice(value),
        }
    }
}

fn take_value(i: &[u8]) -> Take<'_, &[u8]> {
    let (i, len) = codec::be_u16(i, "opaque element length")?;
    codec::octets(i, len.into(), "opaque element length")
}

fn take_rd(i: &[u8], in_vpn: bool) -> Take<'_, Option<RouteDistinguisher>> {
    if in_vpn { codec::array::<8>(i, "route distinguisher").map(|(i, rd)| (i, Some(rd))) } else { Ok((i, None)) }
}

fn take_source(i: &[u8], len: usize, in_vpn: bool) -> Take<'_, OpaqueElement> {
    let (i, source) = take_address(i, len)?;
    let (i, group) = take_address(i, len)?;
    let (i, rd) = take_rd(i, in_vpn)?;
    Ok((i, OpaqueElement::TransitSource { source, group, rd }))
}

fn take_shared(i: &[u8], len: usize) -> Take<'_, OpaqueElement> {
    let (i, rp) = take_address(i, len)?;
    let (i, group) = take_address(i, len)?;
    Ok((i, OpaqueElement::TransitShared { rp, group }))
}

fn take_bidir(i: &[u8], len: usize, in_vpn: bool) -> Take<'_, OpaqueElement> {
    let at = i;
    let (i, mask_len) = codec::be_u8(i, "mask length")?;
    if usize::from(mask_len) > len.saturating_mul(8) {
        return Err(Fail::new(at, "mask length", Fault::Value(mask_len.into())));
    }
    let (i, rp) = take_address(i, len)?;
    let (i, group) = take_address(i, len)?;
    let (i, rd) = take_rd(i, in_vpn)?;
    Ok((i, OpaqueElement::TransitBidir { mask_len, rp, group, rd }))
}

/// One or more elements, kept as octets: nodes between root and leaves compare them and do not read them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OpaqueValue(SmallVec<[u8; 16]>);

impl OpaqueValue {
    /// The value of one element. Of a recursive one the FEC element inside must be short enough for 16 bits.
    #[must_use]
    pub fn single(element: &OpaqueElement) -> Self {
        let mut octets = alloc::vec::Vec::with_capacity(element.wire_len());
        element.emit(&mut octets);
        Self(SmallVec::from_vec(octets))
    }

    /// The value's octets as they are.
    ///
    /// # Errors
    /// They are not a list of type, length and value.
    pub fn parse(octets: &[u8]) -> Result<Self, Malformed> {
        codec::all(octets, |i| Ok((i.get(i.len()..).unwrap_or_default(), Self::take_all(i)?)))
    }

    /// Elements need to have a type and a length, and not more: who is neither root nor leaf must not refuse them for their
    /// values (RFC 6388 §2.3).
    pub(super) fn take_all(octets: &[u8]) -> Result<Self, nom::Err<Fail<'_>>> {
        let mut rest = octets;
        loop {
            let (i, kind) = codec::be_u8(rest, "opaque type")?;
            let extended = OpaqueType(kind) == OpaqueType::EXTENDED;
            let i = if extended { codec::be_u16(i, "opaque extended type")?.0 } else { i };
            (rest, _) = take_value(i)?;
            if rest.is_empty() {
                return Ok(Self(SmallVec::from_slice(octets)));
            }
        }
    }

    /// The octets.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        &self.0
    }

    /// The elements. Ends after the first whose value is malformed.
    pub fn elements(&self) -> impl Iterator<Item = Result<OpaqueElement, Malformed>> + '_ {
        let mut rest = self.0.as_slice();
        core::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let at = core::mem::take(&mut rest);
            match OpaqueElement::take(at) {
                Ok((after, element)) => {
                    rest = after;
                    Some(Ok(element))
                }
                Err(nom::Err::Error(fail) | nom::Err::Failure(fail)) => Some(Err(fail.within(&self.0))),
                Err(nom::Err::Incomplete(_)) => None,
            }
        })
    }

    /// Octets of the value.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        self.0.len()
    }

    /// Writes the value.
    pub fn emit(&self, out: &mut impl BufMut) {
        out.put_slice(&self.0);
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for OpaqueElement {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let address = |u: &mut arbitrary::Unstructured<'a>, v6: bool| -> arbitrary::Result<IpAddr> {
            Ok(if v6 { IpAddr::V6(Ipv6Addr::arbitrary(u)?) } else { IpAddr::V4(Ipv4Addr::arbitrary(u)?) })
        };
        let v6 = u.arbitrary()?;
        Ok(match u.int_in_range(0..=7)? {
            0 => Self::GenericLspId(u.arbitrary()?),
            1 => Self::L2vpnMcast(u.arbitrary()?),
            2 => Self::TransitSource { source: address(u, v6)?, group: address(u, v6)?, rd: u.arbitrary()? },
            3 => {
                let mask_len = u.int_in_range(0..=if v6 { 128 } else { 32 })?;
                Self::TransitBidir { mask_len, rp: address(u, v6)?, group: address(u, v6)?, rd: u.arbitrary()? }
            }
            4 => Self::Recursive { rd: u.arbitrary()?, fec: super::super::octets::arbitrary_octets(u, 30)? },
            6 => Self::TransitShared { rp: address(u, v6)?, group: address(u, v6)? },
            5 => Self::Unknown(OpaqueType(u.int_in_range(14..=249)?), super::super::octets::arbitrary_octets(u, 12)?),
            _ => Self::Extended(u.arbitrary()?, super::super::octets::arbitrary_octets(u, 12)?),
        })
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for OpaqueValue {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let mut octets = alloc::vec::Vec::new();
        for _ in 0..u.int_in_range(1..=2)? {
            OpaqueElement::arbitrary(u)?.emit(&mut octets);
        }
        Ok(Self(SmallVec::from_vec(octets)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transit_nodes_take_values_that_they_could_not_read() {
        let bad_mask = [5, 0, 9, 33, 192, 0, 2, 1, 239, 0, 0, 0];
        let value = OpaqueValue::parse(&bad_mask).unwrap();
        assert_eq!(value.elements().next().unwrap().unwrap_err().field, "mask length");
        assert!(OpaqueValue::parse(&bad_mask[..11]).is_err());
        assert!(OpaqueValue::parse(&[]).is_err());
    }

    #[test]
    fn types_follow_family_and_vpn() {
        let source = |group: IpAddr, rd| OpaqueElement::TransitSource { source: group, group, rd }.opaque_type().0;
        let (v4, v6) = (IpAddr::from([239, 1, 1, 1]), IpAddr::from(Ipv6Addr::LOCALHOST));
        assert_eq!(
            [source(v4, None), source(v6, None), source(v4, Some([0; 8])), source(v6, Some([0; 8]))],
            [3, 4, 250, 251]
        );
    }
}
