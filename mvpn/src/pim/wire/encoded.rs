//! Encoded addresses (RFC 7761 §4.9.1, RFC 5384 §3.1).

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use bitflags::bitflags;
use fwd_core::Fault;
use fwd_core::codec::{self, BufMut, Fail, Take};

use super::join_attribute::{JoinAttributes, take_attributes};

/// The family that an instance of PIM, or a message, is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum AddressFamily {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
}

impl AddressFamily {
    /// The family of an address.
    #[inline]
    #[must_use]
    pub const fn of(addr: IpAddr) -> Self {
        match addr {
            IpAddr::V4(_) => Self::V4,
            IpAddr::V6(_) => Self::V6,
        }
    }

    /// Bits of an address.
    #[inline]
    #[must_use]
    pub const fn bits(self) -> u8 {
        match self {
            Self::V4 => 32,
            Self::V6 => 128,
        }
    }

    /// Octets of an address.
    #[inline]
    #[must_use]
    pub const fn octets(self) -> usize {
        match self {
            Self::V4 => 4,
            Self::V6 => 16,
        }
    }

    /// The address of zeros.
    #[must_use]
    pub const fn unspecified(self) -> IpAddr {
        match self {
            Self::V4 => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            Self::V6 => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        }
    }

    /// ALL-PIM-ROUTERS: 224.0.0.13 or ff02::d (RFC 7761 §4.9).
    #[must_use]
    pub const fn all_pim_routers(self) -> IpAddr {
        match self {
            Self::V4 => IpAddr::V4(Ipv4Addr::new(224, 0, 0, 13)),
            Self::V6 => IpAddr::V6(Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xd)),
        }
    }

    /// The number in the address family field (IANA address family numbers).
    const fn number(self) -> u8 {
        match self {
            Self::V4 => 1,
            Self::V6 => 2,
        }
    }
}

impl fmt::Display for AddressFamily {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V4 => "IPv4",
            Self::V6 => "IPv6",
        })
    }
}

/// Takes an address without any encoding in front.
#[inline]
pub(super) fn take_address<'a>(i: &'a [u8], family: AddressFamily, field: &'static str) -> Take<'a, IpAddr> {
    match family {
        AddressFamily::V4 => codec::array::<4>(i, field).map(|(i, o)| (i, IpAddr::V4(o.into()))),
        AddressFamily::V6 => codec::array::<16>(i, field).map(|(i, o)| (i, IpAddr::V6(o.into()))),
    }
}

#[inline]
pub(super) fn emit_address(addr: IpAddr, out: &mut impl BufMut) {
    match addr {
        IpAddr::V4(a) => out.put_slice(&a.octets()),
        IpAddr::V6(a) => out.put_slice(&a.octets()),
    }
}

/// Takes address family and encoding type: the native encoding 0, and 1 where `attributes` may follow.
#[inline]
fn take_family<'a>(i: &'a [u8], attributes: bool, field: &'static str) -> Take<'a, (AddressFamily, bool)> {
    let (rest, [family, encoding]) = codec::array::<2>(i, field)?;
    let family = match family {
        1 => AddressFamily::V4,
        2 => AddressFamily::V6,
        other => return Err(Fail::new(i, "address family", Fault::Value(u32::from(other)))),
    };
    match encoding {
        0 => Ok((rest, (family, false))),
        1 if attributes => Ok((rest, (family, true))),
        other => Err(Fail::new(i, "encoding type", Fault::Value(u32::from(other)))),
    }
}

/// Takes an Encoded-Unicast address: family (1), encoding type 0 (1), address.
///
/// # Errors
/// Truncated input, an unknown family or encoding.
#[inline]
pub fn take_unicast<'a>(i: &'a [u8], field: &'static str) -> Take<'a, IpAddr> {
    let (i, (family, _)) = take_family(i, false, field)?;
    take_address(i, family, field)
}

/// Writes an Encoded-Unicast address.
pub fn emit_unicast(addr: IpAddr, out: &mut impl BufMut) {
    out.put_u8(AddressFamily::of(addr).number());
    out.put_u8(0);
    emit_address(addr, out);
}

/// Octets of an Encoded-Unicast address.
#[must_use]
pub const fn unicast_len(addr: IpAddr) -> usize {
    AddressFamily::of(addr).octets().saturating_add(2)
}

bitflags! {
    /// Flags of an Encoded-Group address.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct GroupFlags: u8 {
        /// B: the group range is bidirectional (RFC 5015 §3.7).
        const BIDIRECTIONAL = 0x80;
        /// Z: the group range is an administrative scope zone (RFC 5059 §4).
        const ADMIN_SCOPE_ZONE = 0x01;
    }
}

/// An Encoded-Group address: a group or a range of groups.
///
/// ```text
/// +--------------+--------------+---+----------+---+--------------+--------------+
/// | Addr Family  | Encoding (0) | B | reserved | Z | Mask Len (1) | Group (4/16) |
/// +--------------+--------------+---+----------+---+--------------+--------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EncodedGroup {
    flags: GroupFlags,
    mask_len: u8,
    addr: IpAddr,
}

impl EncodedGroup {
    /// One group.
    #[must_use]
    pub const fn new(addr: IpAddr) -> Self {
        Self { flags: GroupFlags::empty(), mask_len: AddressFamily::of(addr).bits(), addr }
    }

    /// A range of groups. `None` if the mask is longer than the address.
    #[must_use]
    pub fn range(addr: IpAddr, mask_len: u8, flags: GroupFlags) -> Option<Self> {
        (mask_len <= AddressFamily::of(addr).bits()).then_some(Self { flags, mask_len, addr })
    }

    /// The flags.
    #[must_use]
    pub const fn flags(&self) -> GroupFlags {
        self.flags
    }

    /// Bits of the address that count.
    #[must_use]
    pub const fn mask_len(&self) -> u8 {
        self.mask_len
    }

    /// The address, with whatever bits follow the mask.
    #[must_use]
    pub const fn addr(&self) -> IpAddr {
        self.addr
    }

    /// Whether it is one group rather than a range.
    #[must_use]
    pub const fn is_host(&self) -> bool {
        self.mask_len == AddressFamily::of(self.addr).bits()
    }

    /// Takes one.
    ///
    /// # Errors
    /// Truncated input, an unknown family or encoding, a mask longer than the address.
    #[inline]
    pub fn take(i: &[u8]) -> Take<'_, Self> {
        match Self::plain(i) {
            Some((group, rest)) => Ok((rest, group)),
            None => Self::take_any(i),
        }
    }

    /// IPv4, as most are: one comparison of eight octets.
    #[inline]
    pub(super) fn plain(i: &[u8]) -> Option<(Self, &[u8])> {
        let (octets, rest) = i.split_first_chunk::<8>()?;
        let [1, 0, flags, mask_len @ 0..=32, a, b, c, d] = *octets else { return None };
        let addr = IpAddr::V4(Ipv4Addr::new(a, b, c, d));
        Some((Self { flags: GroupFlags::from_bits_truncate(flags), mask_len, addr }, rest))
    }

    /// One of either family.
    #[inline(never)]
    fn take_any(i: &[u8]) -> Take<'_, Self> {
        let (i, (family, _)) = take_family(i, false, "encoded group")?;
        let (rest, [flags, mask_len]) = codec::array::<2>(i, "encoded group")?;
        if mask_len > family.bits() {
            return Err(Fail::new(i, "group mask length", Fault::Value(u32::from(mask_len))));
        }
        let (rest, addr) = take_address(rest, family, "group address")?;
        Ok((rest, Self { flags: GroupFlags::from_bits_truncate(flags), mask_len, addr }))
    }

    /// Eight or twenty.
    #[must_use]
    pub const fn wire_len(&self) -> usize {
        AddressFamily::of(self.addr).octets().saturating_add(4)
    }

    /// Writes it.
    pub fn emit(&self, out: &mut impl BufMut) {
        out.put_u8(AddressFamily::of(self.addr).number());
        out.put_u8(0);
        out.put_u8(self.flags.bits());
        out.put_u8(self.mask_len);
        emit_address(self.addr, out);
    }
}

bitflags! {
    /// Flags of an Encoded-Source address.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct SourceFlags: u8 {
        /// S: sparse mode; sent as 1, ignored on receipt.
        const SPARSE = 0x04;
        /// W: the wildcard of (*,G).
        const WILDCARD = 0x02;
        /// R: sent towards the RP.
        const RPT = 0x01;
    }
}

/// Octets of an IPv4 source without attributes.
pub(super) const PLAIN_SOURCE: usize = 8;

/// An Encoded-Source address, with Join attributes in the second encoding (RFC 5384 §3.1).
///
/// ```text
/// +-------------+---------------+----------+---+---+---+--------------+---------------+-----------------+
/// | Addr Family | Encoding (0/1)| reserved | S | W | R | Mask Len (1) | Source (4/16) | Attributes      |
/// +-------------+---------------+----------+---+---+---+--------------+---------------+-----------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncodedSource<'a> {
    flags: SourceFlags,
    mask_len: u8,
    addr: IpAddr,
    attributes: JoinAttributes<'a>,
}

impl<'a> EncodedSource<'a> {
    /// A source, or the RP where the flags say so, without attributes. The S flag is added.
    #[must_use]
    pub fn new(addr: IpAddr, flags: SourceFlags) -> Self {
        let attributes = JoinAttributes::default();
        Self { flags: flags | SourceFlags::SPARSE, mask_len: AddressFamily::of(addr).bits(), addr, attributes }
    }

    /// The same source with flags and a mask as they came.
    pub(super) const fn with_mask(addr: IpAddr, flags: SourceFlags, mask_len: u8) -> Self {
        Self { flags, mask_len, addr, attributes: JoinAttributes::NONE }
    }

    /// The same with these attributes.
    #[must_use]
    pub fn with_attributes(mut self, attributes: JoinAttributes<'a>) -> Self {
        self.attributes = attributes;
        self
    }

    /// The flags.
    #[must_use]
    pub const fn flags(&self) -> SourceFlags {
        self.flags
    }

    /// Bits of the address that count; RFC 7761 knows full length only.
    #[must_use]
    pub const fn mask_len(&self) -> u8 {
        self.mask_len
    }

    /// The address.
    #[must_use]
    pub const fn addr(&self) -> IpAddr {
        self.addr
    }

    /// The attributes, none in encoding 0.
    #[must_use]
    pub const fn attributes(&self) -> JoinAttributes<'a> {
        self.attributes
    }

    /// Takes one.
    ///
    /// # Errors
    /// Truncated input, an unknown family or encoding, a mask longer than the address, attributes that do not end.
    #[inline]
    pub fn take(i: &'a [u8]) -> Take<'a, Self> {
        match Self::plain(i) {
            Some((source, rest)) => Ok((rest, source)),
            None => Self::take_any(i),
        }
    }

    /// IPv4 without attributes, as most are: one comparison of eight octets.
    #[inline]
    pub(super) fn plain(i: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (octets, rest) = i.split_first_chunk::<PLAIN_SOURCE>()?;
        let [1, 0, flags, mask_len @ 0..=32, a, b, c, d] = *octets else { return None };
        let addr = IpAddr::V4(Ipv4Addr::new(a, b, c, d));
        Some((Self::with_mask(addr, SourceFlags::from_bits_truncate(flags), mask_len), rest))
    }

    /// Whether [`PLAIN_SOURCE`] octets are an IPv4 source without attributes.
    #[inline]
    pub(super) const fn is_plain(octets: &[u8]) -> bool {
        matches!(octets, [1, 0, _, 0..=32, ..])
    }

    /// One of either family, in either encoding.
    #[inline(never)]
    fn take_any(i: &'a [u8]) -> Take<'a, Self> {
        let (i, (family, attributes)) = take_family(i, true, "encoded source")?;
        let (rest, [flags, mask_len]) = codec::array::<2>(i, "encoded source")?;
        if mask_len > family.bits() {
            return Err(Fail::new(i, "source mask length", Fault::Value(u32::from(mask_len))));
        }
        let (rest, addr) = take_address(rest, family, "source address")?;
        let (rest, attributes) =
            if attributes { take_attributes(rest, family)? } else { (rest, JoinAttributes::default()) };
        Ok((rest, Self { flags: SourceFlags::from_bits_truncate(flags), mask_len, addr, attributes }))
    }

    /// Octets that [`Self::emit`] writes.
    #[must_use]
    pub const fn wire_len(&self) -> usize {
        AddressFamily::of(self.addr).octets().saturating_add(4).saturating_add(self.attributes.wire_len())
    }

    /// Writes it, in encoding 1 if it has attributes.
    pub fn emit(&self, out: &mut impl BufMut) {
        out.put_u8(AddressFamily::of(self.addr).number());
        out.put_u8(u8::from(!self.attributes.is_empty()));
        out.put_u8(self.flags.bits());
        out.put_u8(self.mask_len);
        emit_address(self.addr, out);
        self.attributes.emit(out);
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for EncodedGroup {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let addr: IpAddr = u.arbitrary()?;
        let mask_len = u.int_in_range(0..=AddressFamily::of(addr).bits())?;
        Ok(Self { flags: GroupFlags::from_bits_truncate(u.arbitrary()?), mask_len, addr })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    fn group(octets: &[u8]) -> Result<EncodedGroup, fwd_core::Malformed> {
        codec::all(octets, EncodedGroup::take)
    }

    /// Shows: L3VPN-8.8-6
    #[test]
    fn groups_and_sources_octet_for_octet() {
        let octets = [1, 0, 0x81, 16, 239, 1, 0, 0];
        let g = group(&octets).unwrap();
        assert_eq!((g.flags(), g.mask_len(), g.is_host()), (GroupFlags::all(), 16, false));
        let mut out = Vec::new();
        g.emit(&mut out);
        assert_eq!((&out[..], g.wire_len()), (&octets[..], 8));

        let octets = [1, 0, 7, 32, 10, 0, 0, 1];
        let s = codec::all(&octets, EncodedSource::take).unwrap();
        assert_eq!(s, EncodedSource::new([10, 0, 0, 1].into(), SourceFlags::WILDCARD | SourceFlags::RPT));
        let mut out = Vec::new();
        s.emit(&mut out);
        assert_eq!(out, octets);
    }

    #[test]
    fn faults_say_which_field() {
        assert_eq!(group(&[3, 0, 0, 32, 1, 2, 3, 4]).unwrap_err().field, "address family");
        assert_eq!(group(&[1, 1, 0, 32, 1, 2, 3, 4]).unwrap_err().field, "encoding type");
        assert_eq!(group(&[1, 0, 0, 33, 1, 2, 3, 4]).unwrap_err().fault, Fault::Value(33));
        assert!(codec::all(&[1, 2, 0, 32, 1, 2, 3, 4], EncodedSource::take).is_err());
        assert!(codec::all(&[2, 0, 0, 129], EncodedSource::take).is_err());
    }

    #[test]
    fn all_pim_routers_addresses() {
        assert_eq!(AddressFamily::V4.all_pim_routers().to_string(), "224.0.0.13");
        assert_eq!(AddressFamily::V6.all_pim_routers().to_string(), "ff02::d");
    }

    use std::string::ToString;
}
