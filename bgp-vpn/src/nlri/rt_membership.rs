//! Route target membership (RFC 4684 §4).

use core::fmt;

use fwd_core::Fault;
use fwd_core::codec::{self, BufMut, Fail, Take};

use super::nlris::{emit_path_id, take_path_id};
use super::{Nlri, NlriFormat, PathId};
use crate::attr::{ExtCommunity, RouteTarget};

/// Which route targets a router wants routes of, and on behalf of which AS: a prefix over an AS number and a route target.
///
/// | Bits | Means |
/// |---|---|
/// | 0 | all route targets: the default route target |
/// | 32 | all route targets, wanted in this AS |
/// | 33 to 95 | the route targets that begin with these bits |
/// | 96 | one route target |
///
/// Lengths 1 to 31 are none: the AS number is not a prefix.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RtMembership {
    bits: u8,
    octets: [u8; 12],
}

impl RtMembership {
    /// The default route target: routes of all route targets are wanted.
    pub const DEFAULT: Self = Self { bits: 0, octets: [0; 12] };
    /// Bits of a whole AS number and route target.
    pub const MAX_LEN: u8 = 96;
    /// Bits of the AS number.
    pub const AS_LEN: u8 = 32;

    /// One route target, wanted in AS `origin_as`.
    #[must_use]
    pub const fn new(origin_as: u32, target: RouteTarget) -> Self {
        let [a, b, c, d] = origin_as.to_be_bytes();
        let [e, f, g, h, i, j, k, l] = target.community().0;
        Self { bits: Self::MAX_LEN, octets: [a, b, c, d, e, f, g, h, i, j, k, l] }
    }

    /// The first `bits` bits of AS number and route target. `None` unless the length is one that the table above has.
    #[must_use]
    pub fn from_bits(bits: u8, octets: [u8; 12]) -> Option<Self> {
        if !matches!(bits, 0 | Self::AS_LEN..=Self::MAX_LEN) {
            return None;
        }
        let mask = u128::MAX.checked_shl(u32::from(128u8.saturating_sub(bits))).unwrap_or(0);
        let masked = (widen(octets) & mask).to_be_bytes();
        let octets = *masked.first_chunk()?;
        Some(Self { bits, octets })
    }

    /// The length in bits.
    #[must_use]
    pub const fn bits(&self) -> u8 {
        self.bits
    }

    /// The octets that hold the bits.
    #[must_use]
    pub fn wire_octets(&self) -> &[u8] {
        self.octets.get(..usize::from(self.bits.div_ceil(8))).unwrap_or(&self.octets)
    }

    /// Whether it is the default route target.
    #[must_use]
    pub const fn is_default(&self) -> bool {
        self.bits == 0
    }

    /// The AS on whose behalf routes are wanted; `None` for the default route target.
    #[must_use]
    pub const fn origin_as(&self) -> Option<u32> {
        let [a, b, c, d, ..] = self.octets;
        if self.bits == 0 { None } else { Some(u32::from_be_bytes([a, b, c, d])) }
    }

    /// The route target, where the prefix is a whole one.
    #[must_use]
    pub const fn route_target(&self) -> Option<RouteTarget> {
        let [_, _, _, _, a, b, c, d, e, f, g, h] = self.octets;
        if self.bits == Self::MAX_LEN {
            RouteTarget::from_community(ExtCommunity([a, b, c, d, e, f, g, h]))
        } else {
            None
        }
    }

    /// Whether routes with this route target are wanted.
    #[must_use]
    pub fn covers(&self, target: RouteTarget) -> bool {
        let Some(target_bits) = self.bits.checked_sub(Self::AS_LEN) else { return true };
        let [_, _, _, _, a, b, c, d, e, f, g, h] = self.octets;
        let differ = u64::from_be_bytes([a, b, c, d, e, f, g, h]) ^ u64::from_be_bytes(target.community().0);
        differ.leading_zeros() >= u32::from(target_bits)
    }
}

/// The octets as the high bits of a number.
fn widen([a, b, c, d, e, f, g, h, i, j, k, l]: [u8; 12]) -> u128 {
    u128::from_be_bytes([a, b, c, d, e, f, g, h, i, j, k, l, 0, 0, 0, 0])
}

impl fmt::Display for RtMembership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.origin_as(), self.route_target()) {
            (None, _) => f.write_str("default"),
            (Some(asn), Some(target)) => write!(f, "{asn}:{target}"),
            (Some(asn), None) => {
                let [_, _, _, _, a, b, c, d, e, g, h, i] = self.octets;
                write!(f, "{asn}:{:#018x}/{}", u64::from_be_bytes([a, b, c, d, e, g, h, i]), self.bits)
            }
        }
    }
}

impl fmt::Debug for RtMembership {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// An NLRI of family 1/132.
///
/// ```text
/// +---------------------------+
/// | Path identifier (4)       |  only with ADD-PATH
/// +---------------------------+
/// | Length in bits (1)        |  0, or 32 to 96
/// +---------------------------+
/// | Origin AS (4)             |  none of both for length 0
/// +---------------------------+
/// | Route target (0 to 8)     |
/// +---------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct RtMembershipNlri {
    /// Path identifier, where the session has them.
    pub path_id: Option<PathId>,
    /// What is wanted.
    pub membership: RtMembership,
}

impl<'a> Nlri<'a> for RtMembershipNlri {
    #[inline]
    fn take(i: &'a [u8], format: NlriFormat) -> Take<'a, Self> {
        let (i, path_id) = take_path_id(i, format)?;
        let at = i;
        let (i, bits) = codec::be_u8(i, "length")?;
        let (rest, octets) = codec::octets(i, usize::from(bits.div_ceil(8)), "route target membership")?;
        let mut whole = [0; 12];
        if let Some(room) = whole.get_mut(..octets.len()) {
            room.copy_from_slice(octets);
        }
        match RtMembership::from_bits(bits, whole) {
            Some(membership) => Ok((rest, Self { path_id, membership })),
            None => Err(Fail::new(at, "length", Fault::Length(usize::from(bits)))),
        }
    }

    #[inline]
    fn wire_len(&self, format: NlriFormat) -> usize {
        self.membership.wire_octets().len().saturating_add(if format.add_path { 5 } else { 1 })
    }

    #[inline]
    fn emit(&self, format: NlriFormat, out: &mut impl BufMut) {
        emit_path_id(self.path_id, format, out);
        out.put_u8(self.membership.bits);
        out.put_slice(self.membership.wire_octets());
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for RtMembership {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let bits = if u.ratio(1, 8)? { 0 } else { u.int_in_range(Self::AS_LEN..=Self::MAX_LEN)? };
        Self::from_bits(bits, u.arbitrary()?).ok_or(arbitrary::Error::IncorrectFormat)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    const FORMAT: NlriFormat = NlriFormat { add_path: false, multiple_labels: false };

    fn parse(octets: &[u8]) -> Result<RtMembership, fwd_core::Malformed> {
        codec::all(octets, |i| RtMembershipNlri::take(i, FORMAT)).map(|nlri| nlri.membership)
    }

    /// The figure of RFC 4684 §4 with lengths 0, 32, 48 (a Global Administrator's route targets) and 96.
    ///
    /// Shows: L3VPN-8.3-8
    #[test]
    fn prefixes_octet_for_octet() {
        let target: RouteTarget = "65001:7".parse().unwrap();
        let whole = RtMembership::new(65010, target);
        for (octets, membership, text) in [
            (&[0][..], RtMembership::DEFAULT, "default"),
            (
                &[32, 0, 0, 0xfd, 0xf2],
                RtMembership::from_bits(32, whole.octets).unwrap(),
                "65010:0x0000000000000000/32",
            ),
            (
                &[64, 0, 0, 0xfd, 0xf2, 0, 2, 0xfd, 0xe9],
                RtMembership::from_bits(64, whole.octets).unwrap(),
                "65010:0x0002fde900000000/64",
            ),
            (&[96, 0, 0, 0xfd, 0xf2, 0, 2, 0xfd, 0xe9, 0, 0, 0, 7], whole, "65010:target:65001:7"),
        ] {
            assert_eq!(parse(octets), Ok(membership), "{text}");
            let (mut out, nlri) = (Vec::new(), RtMembershipNlri { path_id: None, membership });
            nlri.emit(FORMAT, &mut out);
            assert_eq!((&out[..], out.len()), (octets, nlri.wire_len(FORMAT)));
            assert!(membership.covers(target), "{text}");
            assert_eq!(std::format!("{membership}"), text);
        }
        assert_eq!((whole.origin_as(), whole.route_target()), (Some(65010), Some(target)));
        assert_eq!(RtMembership::DEFAULT.origin_as(), None);
    }

    #[test]
    fn other_lengths_are_faults() {
        for bits in (1..32).chain(97..=255) {
            let octets: Vec<u8> = [bits].into_iter().chain([0; 32]).collect();
            let fault = parse(&octets[..1 + usize::from(bits.div_ceil(8))]).unwrap_err();
            assert_eq!((fault.offset, fault.fault), (0, Fault::Length(usize::from(bits))), "{bits}");
        }
        assert_eq!(parse(&[33, 0, 0, 0, 1]).unwrap_err().fault, Fault::Truncated);
    }

    /// Bits beyond the length mean nothing.
    #[test]
    fn targets_are_compared_up_to_the_length() {
        let membership = parse(&[63, 0, 0, 0xfd, 0xf2, 0, 2, 0xfd, 0xe9]).unwrap();
        assert_eq!(membership, parse(&[63, 0, 0, 0xfd, 0xf2, 0, 2, 0xfd, 0xe8]).unwrap());
        for (text, covered) in [("65001:7", true), ("65000:9", true), ("65002:7", false), ("192.0.2.1:7", false)] {
            assert_eq!(membership.covers(text.parse().unwrap()), covered, "{text}");
        }
    }
}
