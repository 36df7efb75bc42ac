//! The frame of every path attribute: flags, type, length, value (RFC 4271 §4.3).

use core::fmt;

use fwd_core::Malformed;
use fwd_core::codec::{self, BufMut, Take};

bitflags::bitflags! {
    /// Attribute flags (RFC 4271 §4.3). The low four bits are sent as zero and ignored on receipt.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct AttrFlags: u8 {
        /// Not well-known.
        const OPTIONAL = 0x80;
        /// Passed on by those who do not know it, too. Well-known attributes have it.
        const TRANSITIVE = 0x40;
        /// Someone on the way did not know it.
        const PARTIAL = 0x20;
        /// The length field has two octets.
        const EXTENDED_LENGTH = 0x10;
        const _ = !0;
    }
}

impl AttrFlags {
    /// Flags of a well-known attribute.
    pub const WELL_KNOWN: Self = Self::TRANSITIVE;
    /// Flags of an optional transitive attribute.
    pub const OPTIONAL_TRANSITIVE: Self = Self::OPTIONAL.union(Self::TRANSITIVE);
    /// Flags of an optional non-transitive attribute.
    pub const OPTIONAL_NON_TRANSITIVE: Self = Self::OPTIONAL;
}

/// An attribute type code. Unknown values survive.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct AttrType(pub u8);

impl AttrType {
    /// ORIGIN (RFC 4271 §5.1.1).
    pub const ORIGIN: Self = Self(1);
    /// AS_PATH (RFC 4271 §5.1.2).
    pub const AS_PATH: Self = Self(2);
    /// NEXT_HOP (RFC 4271 §5.1.3).
    pub const NEXT_HOP: Self = Self(3);
    /// MULTI_EXIT_DISC (RFC 4271 §5.1.4).
    pub const MULTI_EXIT_DISC: Self = Self(4);
    /// LOCAL_PREF (RFC 4271 §5.1.5).
    pub const LOCAL_PREF: Self = Self(5);
    /// ATOMIC_AGGREGATE (RFC 4271 §5.1.6).
    pub const ATOMIC_AGGREGATE: Self = Self(6);
    /// AGGREGATOR (RFC 4271 §5.1.7).
    pub const AGGREGATOR: Self = Self(7);
    /// COMMUNITIES (RFC 1997).
    pub const COMMUNITIES: Self = Self(8);
    /// ORIGINATOR_ID (RFC 4456 §8).
    pub const ORIGINATOR_ID: Self = Self(9);
    /// CLUSTER_LIST (RFC 4456 §8).
    pub const CLUSTER_LIST: Self = Self(10);
    /// MP_REACH_NLRI (RFC 4760 §3).
    pub const MP_REACH_NLRI: Self = Self(14);
    /// MP_UNREACH_NLRI (RFC 4760 §4).
    pub const MP_UNREACH_NLRI: Self = Self(15);
    /// EXTENDED COMMUNITIES (RFC 4360 §2).
    pub const EXTENDED_COMMUNITIES: Self = Self(16);
    /// AS4_PATH (RFC 6793 §3).
    pub const AS4_PATH: Self = Self(17);
    /// AS4_AGGREGATOR (RFC 6793 §3).
    pub const AS4_AGGREGATOR: Self = Self(18);
    /// PMSI_TUNNEL (RFC 6514 §5).
    pub const PMSI_TUNNEL: Self = Self(22);
    /// Tunnel Encapsulation (RFC 9012 §2).
    pub const TUNNEL_ENCAPSULATION: Self = Self(23);
    /// IPv6 Address Specific EXTENDED COMMUNITIES (RFC 5701 §2).
    pub const IPV6_EXTENDED_COMMUNITIES: Self = Self(25);
    /// PE Distinguisher Labels (RFC 6514 §8).
    pub const PE_DISTINGUISHER_LABELS: Self = Self(27);
    /// LARGE_COMMUNITY (RFC 8092 §3).
    pub const LARGE_COMMUNITY: Self = Self(32);
    /// BFD Discriminator (RFC 9026 §3.1.6).
    pub const BFD_DISCRIMINATOR: Self = Self(38);
    /// BGP Prefix-SID (RFC 8669 §3).
    pub const PREFIX_SID: Self = Self(40);
    /// ATTR_SET (RFC 6368 §5).
    pub const ATTR_SET: Self = Self(128);

    /// The name in the IANA registry, where this crate knows the attribute.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::ORIGIN => "ORIGIN",
            Self::AS_PATH => "AS_PATH",
            Self::NEXT_HOP => "NEXT_HOP",
            Self::MULTI_EXIT_DISC => "MULTI_EXIT_DISC",
            Self::LOCAL_PREF => "LOCAL_PREF",
            Self::ATOMIC_AGGREGATE => "ATOMIC_AGGREGATE",
            Self::AGGREGATOR => "AGGREGATOR",
            Self::COMMUNITIES => "COMMUNITIES",
            Self::ORIGINATOR_ID => "ORIGINATOR_ID",
            Self::CLUSTER_LIST => "CLUSTER_LIST",
            Self::MP_REACH_NLRI => "MP_REACH_NLRI",
            Self::MP_UNREACH_NLRI => "MP_UNREACH_NLRI",
            Self::EXTENDED_COMMUNITIES => "EXTENDED COMMUNITIES",
            Self::AS4_PATH => "AS4_PATH",
            Self::AS4_AGGREGATOR => "AS4_AGGREGATOR",
            Self::PMSI_TUNNEL => "PMSI_TUNNEL",
            Self::TUNNEL_ENCAPSULATION => "Tunnel Encapsulation",
            Self::IPV6_EXTENDED_COMMUNITIES => "IPv6 Address Specific EXTENDED COMMUNITIES",
            Self::PE_DISTINGUISHER_LABELS => "PE Distinguisher Labels",
            Self::LARGE_COMMUNITY => "LARGE_COMMUNITY",
            Self::BFD_DISCRIMINATOR => "BFD Discriminator",
            Self::PREFIX_SID => "BGP Prefix-SID",
            Self::ATTR_SET => "ATTR_SET",
            _ => return None,
        })
    }
}

impl fmt::Display for AttrType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "attribute {}", self.0),
        }
    }
}

impl fmt::Debug for AttrType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One path attribute, its value unread.
///
/// ```text
/// +---------------+---------------+----------------+----------------+
/// | Flags (1)     | Type code (1) | Length (1, 2)  | Value          |
/// +---------------+---------------+----------------+----------------+
/// ```
///
/// The length has two octets where the flags say so; lengths above 255 need them, and [`Self::emit`] sets the flag for
/// these. A received attribute keeps its flag, so that a short length in two octets is written back as it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RawAttribute<'a> {
    /// Flags.
    pub flags: AttrFlags,
    /// Type code.
    pub attr_type: AttrType,
    /// Value, at most 65,535 octets; [`Self::emit`] writes no more than that.
    pub value: &'a [u8],
}

impl<'a> RawAttribute<'a> {
    /// Takes one attribute.
    ///
    /// # Errors
    /// Fewer octets than a header, or than the length says (RFC 7606 §4).
    #[inline]
    pub fn take(i: &'a [u8]) -> Take<'a, Self> {
        let (rest, [flags, attr_type]) = codec::array(i, "attribute flags and type")?;
        let flags = AttrFlags::from_bits_retain(flags);
        let (rest, len) = if flags.contains(AttrFlags::EXTENDED_LENGTH) {
            codec::be_u16(rest, "attribute length")?
        } else {
            let (rest, len) = codec::be_u8(rest, "attribute length")?;
            (rest, u16::from(len))
        };
        let (rest, value) = codec::octets(rest, usize::from(len), "attribute value")?;
        Ok((rest, Self { flags, attr_type: AttrType(attr_type), value }))
    }

    /// Parses exactly one attribute.
    ///
    /// # Errors
    /// Truncated or trailing octets.
    pub fn parse(octets: &'a [u8]) -> Result<Self, Malformed> {
        codec::all(octets, Self::take)
    }

    /// The value, as far as it can be written.
    fn bounded(&self) -> (u16, &'a [u8]) {
        match u16::try_from(self.value.len()) {
            Ok(len) => (len, self.value),
            Err(_) => (u16::MAX, self.value.get(..usize::from(u16::MAX)).unwrap_or_default()),
        }
    }

    /// Octets that [`Self::emit`] writes.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        let (len, value) = self.bounded();
        header_len(self.flags, len).saturating_add(value.len())
    }

    /// Writes header and value.
    pub fn emit(&self, out: &mut impl BufMut) {
        let (len, value) = self.bounded();
        emit_header(self.flags, self.attr_type, len, out);
        out.put_slice(value);
    }
}

/// Octets of the header of an attribute whose value has `len` octets.
#[inline]
pub(super) const fn header_len(flags: AttrFlags, len: u16) -> usize {
    if len > 255 || flags.contains(AttrFlags::EXTENDED_LENGTH) { 4 } else { 3 }
}

/// Writes the header of an attribute whose value has `len` octets.
#[inline]
pub(crate) fn emit_header(flags: AttrFlags, attr_type: AttrType, len: u16, out: &mut impl BufMut) {
    let [high, low] = len.to_be_bytes();
    if high != 0 || flags.contains(AttrFlags::EXTENDED_LENGTH) {
        out.put_slice(&[(flags | AttrFlags::EXTENDED_LENGTH).bits(), attr_type.0, high, low]);
    } else {
        out.put_slice(&[flags.bits(), attr_type.0, low]);
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for AttrFlags {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(Self::from_bits_retain(u.arbitrary()?))
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for RawAttribute<'a> {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let attribute = Self { flags: u.arbitrary()?, attr_type: u.arbitrary()?, value: u.arbitrary()? };
        // The flag belongs to long values whatever was drawn: that is what `take` sees after `emit`.
        let flags = if attribute.value.len() > 255 { AttrFlags::EXTENDED_LENGTH } else { AttrFlags::empty() };
        Ok(Self { flags: attribute.flags | flags, ..attribute })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use fwd_core::Fault;

    #[test]
    fn the_length_field_widens_above_255_octets_and_a_received_flag_is_kept() {
        let long = [7; 256];
        let attribute =
            RawAttribute { flags: AttrFlags::OPTIONAL_TRANSITIVE, attr_type: AttrType(99), value: &long[..255] };
        let mut out = Vec::new();
        attribute.emit(&mut out);
        assert_eq!((&out[..3], out.len()), (&[0xc0, 99, 255][..], attribute.wire_len()));
        out.clear();
        let attribute = RawAttribute { value: &long, ..attribute };
        attribute.emit(&mut out);
        assert_eq!((&out[..4], out.len()), (&[0xd0, 99, 1, 0][..], attribute.wire_len()));
        let short = [0x50, 1, 0, 1, 0];
        out.clear();
        RawAttribute::parse(&short).unwrap().emit(&mut out);
        assert_eq!(out, short);
    }

    #[test]
    fn a_value_shorter_than_its_length_is_truncated() {
        for octets in [&[0x40][..], &[0x40, 1], &[0x50, 1, 0], &[0x40, 1, 2, 0], &[0x50, 1, 0, 2, 0]] {
            assert_eq!(RawAttribute::parse(octets).unwrap_err().fault, Fault::Truncated, "{octets:?}");
        }
    }
}
