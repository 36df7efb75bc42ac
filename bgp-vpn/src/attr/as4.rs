//! AS4_PATH and AS4_AGGREGATOR: how 4-octet AS numbers cross a 2-octet AS speaker (RFC 6793 §3, §4.2.3, §6).

use fwd_core::codec::{self, BufMut, Fail, Take};
use fwd_core::{Fault, Malformed};

use super::as_path::hops_of;
use super::{Aggregator, AsPath, AsPathBuf, AsWidth, Segment};

/// The value of AS4_PATH: an AS_PATH with four octets per AS number. It is sent only to 2-octet AS peers.
///
/// Confederation segments do not belong there; received ones are left out by [`Self::segments`] (RFC 6793 §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct As4Path<'a>(AsPath<'a>);

impl<'a> As4Path<'a> {
    /// Takes the value of the attribute: all of the input.
    ///
    /// # Errors
    /// Fewer than six octets, or as [`Segment::take`] (RFC 6793 §6).
    pub fn take(i: &'a [u8]) -> Take<'a, Self> {
        if i.len() < 6 {
            return Err(Fail::new(i, "AS4_PATH", Fault::Length(i.len())));
        }
        AsPath::take(i, AsWidth::Four).map(|(rest, path)| (rest, Self(path)))
    }

    /// Parses the value of the attribute.
    ///
    /// # Errors
    /// Fewer than six octets, or as [`Segment::take`] (RFC 6793 §6).
    pub fn parse(octets: &'a [u8]) -> Result<Self, Malformed> {
        codec::all(octets, Self::take)
    }

    /// The path of a route as it goes to a 2-octet AS peer beside AS_PATH; `None` where AS_PATH says it all.
    #[must_use]
    pub fn of(path: AsPath<'a>) -> Option<Self> {
        (path.width() == AsWidth::Four && path.needs_as4() && !path.has_confed()).then_some(Self(path))
    }

    pub(super) const fn of_checked(octets: &'a [u8]) -> Self {
        Self(AsPath::of_checked(octets, AsWidth::Four))
    }

    /// Octets that [`Self::emit`] writes.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        self.0.octets().len()
    }

    /// Writes the path as it is.
    pub fn emit(&self, out: &mut impl BufMut) {
        self.0.emit(AsWidth::Four, out);
    }

    /// The segments, without those of confederations.
    pub fn segments(&self) -> impl Iterator<Item = Segment<'a>> + use<'a> {
        self.0.segments().filter(|segment| !segment.kind.is_confed())
    }

    /// The octets as received.
    #[must_use]
    pub const fn octets(&self) -> &'a [u8] {
        self.0.octets()
    }
}

/// The value of AS4_AGGREGATOR: an AGGREGATOR with a 4-octet AS number. It is sent only to 2-octet AS peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct As4Aggregator(pub Aggregator);

impl As4Aggregator {
    /// Takes eight octets.
    ///
    /// # Errors
    /// Truncated input.
    pub fn take(i: &[u8]) -> Take<'_, Self> {
        Aggregator::take(i, AsWidth::Four).map(|(rest, aggregator)| (rest, Self(aggregator)))
    }

    /// Parses the value of the attribute.
    ///
    /// # Errors
    /// A length other than 8 (RFC 6793 §6).
    pub fn parse(octets: &[u8]) -> Result<Self, Malformed> {
        codec::all(octets, Self::take)
    }

    /// Eight.
    #[must_use]
    pub const fn wire_len(&self) -> usize {
        8
    }

    /// Writes the eight octets.
    pub fn emit(&self, out: &mut impl BufMut) {
        self.0.emit(AsWidth::Four, out);
    }
}

/// The path information of a route from a 2-octet AS peer (RFC 6793 §4.2.3).
///
/// An AGGREGATOR whose AS number is not AS_TRANS, beside AS4_AGGREGATOR, makes AS4_PATH void. Otherwise the leading part of
/// AS_PATH goes in front of AS4_PATH, so that the result counts as many AS numbers as AS_PATH; an AS4_PATH that counts more
/// is void too.
#[must_use]
pub fn merged_as_path(
    as_path: AsPath<'_>,
    as4_path: Option<As4Path<'_>>,
    aggregator: Option<Aggregator>,
    as4_aggregator: Option<As4Aggregator>,
) -> AsPathBuf {
    let superseded = as4_aggregator.is_some() && aggregator.is_some_and(|a| !a.is_as_trans());
    let Some(as4_path) = as4_path.filter(|_| !superseded) else { return as_path.into() };
    let as4_hops = as4_path.segments().fold(0, |hops: u32, segment| hops.saturating_add(hops_of(&segment)));
    let Some(mut leading) = as_path.hop_count().checked_sub(as4_hops) else { return as_path.into() };
    let mut merged = AsPathBuf::new();
    for segment in as_path.segments() {
        // A confederation segment counts nothing; it is taken while it leads or follows one that was taken whole.
        let hops = hops_of(&segment);
        if hops > 0 && leading == 0 {
            break;
        }
        if segment.kind.is_set() || hops <= leading {
            merged.push(segment.kind, segment.asns());
            leading = leading.saturating_sub(hops);
        } else {
            merged.push(segment.kind, segment.asns().take(usize::try_from(leading).unwrap_or(usize::MAX)));
            break;
        }
    }
    for segment in as4_path.segments() {
        merged.push(segment.kind, segment.asns());
    }
    merged
}

/// The aggregator of a route from a 2-octet AS peer: AS4_AGGREGATOR where AGGREGATOR says AS_TRANS (RFC 6793 §4.2.3).
#[must_use]
pub fn merged_aggregator(aggregator: Option<Aggregator>, as4: Option<As4Aggregator>) -> Option<Aggregator> {
    match (aggregator, as4) {
        (Some(aggregator), Some(As4Aggregator(as4))) if aggregator.is_as_trans() => Some(as4),
        (aggregator, _) => aggregator,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attr::{AS_TRANS, SegmentType};
    use alloc::string::{String, ToString};
    use core::net::Ipv4Addr;

    fn merge(path: &AsPathBuf, as4: &AsPathBuf) -> String {
        let as4 = As4Path::parse(as4.as_path().octets()).unwrap();
        merged_as_path(path.as_path(), Some(as4), None, None).as_path().to_string()
    }

    /// Shows: L3VPN-8.2-7
    #[test]
    fn leading_part_of_as_path_precedes_as4_path() {
        let path = AsPathBuf::sequence([65001, AS_TRANS, AS_TRANS]);
        assert_eq!(merge(&path, &AsPathBuf::sequence([4_200_000_001, 4_200_000_002])), "65001 4200000001 4200000002");
        assert_eq!(merge(&path, &AsPathBuf::sequence([1, 2, 3, 4])), "65001 23456 23456", "a longer AS4_PATH is void");
        assert_eq!(merge(&path, &AsPathBuf::sequence([1, 2, 70000])), "1 2 70000");
    }

    #[test]
    fn sets_count_one_and_confederations_lead() {
        let mut path = AsPathBuf::new();
        path.push(SegmentType::AS_CONFED_SEQUENCE, [64512]);
        path.push(SegmentType::AS_SET, [1, 2]);
        path.push(SegmentType::AS_SEQUENCE, [AS_TRANS, AS_TRANS]);
        assert_eq!(merge(&path, &AsPathBuf::sequence([70000])), "(64512) {1,2} 23456 70000");
        let mut as4 = AsPathBuf::new();
        as4.push(SegmentType::AS_CONFED_SEQUENCE, [64999]);
        as4.push(SegmentType::AS_SEQUENCE, [70000, 70001]);
        assert_eq!(merge(&path, &as4), "(64512) {1,2} 70000 70001", "confederation segments of AS4_PATH are dropped");
    }

    #[test]
    fn an_aggregator_of_two_octets_voids_what_as4_says() {
        let address = Ipv4Addr::new(192, 0, 2, 1);
        let as4 = AsPathBuf::sequence([70000]);
        let as4 = As4Path::parse(as4.as_path().octets()).ok();
        let as4_aggregator = Some(As4Aggregator(Aggregator { asn: 70000, address }));
        let path = AsPathBuf::sequence([65001]);
        for (asn, want_path, want) in [(65001, "65001", 65001), (AS_TRANS, "70000", 70000)] {
            let aggregator = Some(Aggregator { asn, address });
            let merged = merged_as_path(path.as_path(), as4, aggregator, as4_aggregator);
            assert_eq!(merged.as_path().to_string(), want_path);
            assert_eq!(merged_aggregator(aggregator, as4_aggregator).map(|a| a.asn), Some(want));
        }
    }

    #[test]
    fn short_or_broken_as4_path_is_malformed() {
        for octets in [&[2, 1, 0, 0, 0][..], &[2, 0, 0, 0, 0, 1], &[9, 1, 0, 0, 0, 1], &[2, 2, 0, 0, 0, 1]] {
            assert!(As4Path::parse(octets).is_err(), "{octets:?}");
        }
    }
}
