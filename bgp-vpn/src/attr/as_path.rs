//! AS_PATH (RFC 4271 §4.3 b, §5.1.2; four octets per AS number: RFC 6793; confederations: RFC 5065).

use core::fmt;

use fwd_core::codec::{self, BufMut, Fail, Take};
use fwd_core::{Fault, Malformed};
use smallvec::SmallVec;

use crate::session::Negotiated;

/// The AS number that stands for one of four octets where only two fit (RFC 6793 §9).
pub const AS_TRANS: u32 = 23456;

/// Octets of an AS number in AS_PATH and AGGREGATOR, as the session negotiated (RFC 6793 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum AsWidth {
    /// Two: one of the speakers knows no other.
    Two,
    /// Four.
    Four,
}

impl AsWidth {
    /// What a session negotiated (RFC 6793 §4).
    #[inline]
    #[must_use]
    pub const fn of(negotiated: &Negotiated) -> Self {
        if negotiated.four_octet_as { Self::Four } else { Self::Two }
    }

    /// The number of octets.
    #[inline]
    #[must_use]
    pub const fn octets(self) -> usize {
        match self {
            Self::Two => 2,
            Self::Four => 4,
        }
    }

    /// Takes one AS number.
    ///
    /// # Errors
    /// Truncated input.
    #[inline]
    pub fn take<'a>(self, i: &'a [u8], field: &'static str) -> Take<'a, u32> {
        match self {
            Self::Two => codec::be_u16(i, field).map(|(rest, asn)| (rest, u32::from(asn))),
            Self::Four => codec::be_u32(i, field),
        }
    }

    /// Writes one AS number: [`AS_TRANS`] where it does not fit.
    #[inline]
    pub fn emit(self, asn: u32, out: &mut impl BufMut) {
        match self {
            Self::Two => out.put_u16(u16::try_from(asn).unwrap_or(23456)),
            Self::Four => out.put_u32(asn),
        }
    }
}

/// The kind of a path segment.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentType(pub u8);

impl SegmentType {
    /// Unordered set of ASes (RFC 4271 §4.3).
    pub const AS_SET: Self = Self(1);
    /// Ordered ASes (RFC 4271 §4.3).
    pub const AS_SEQUENCE: Self = Self(2);
    /// Ordered member ASes of a confederation (RFC 5065 §3).
    pub const AS_CONFED_SEQUENCE: Self = Self(3);
    /// Unordered set of member ASes of a confederation (RFC 5065 §3).
    pub const AS_CONFED_SET: Self = Self(4);

    /// Whether it is one of the two that stay inside a confederation.
    #[inline]
    #[must_use]
    pub const fn is_confed(self) -> bool {
        matches!(self, Self::AS_CONFED_SEQUENCE | Self::AS_CONFED_SET)
    }

    /// Whether it is one of the two sets.
    #[inline]
    #[must_use]
    pub const fn is_set(self) -> bool {
        matches!(self, Self::AS_SET | Self::AS_CONFED_SET)
    }
}

impl fmt::Debug for SegmentType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::AS_SET => f.write_str("AS_SET"),
            Self::AS_SEQUENCE => f.write_str("AS_SEQUENCE"),
            Self::AS_CONFED_SEQUENCE => f.write_str("AS_CONFED_SEQUENCE"),
            Self::AS_CONFED_SET => f.write_str("AS_CONFED_SET"),
            Self(other) => write!(f, "segment type {other}"),
        }
    }
}

/// One path segment.
///
/// ```text
/// +-----------+-----------------+----------------------------+
/// | Type (1)  | AS numbers (1)  | AS numbers (2 or 4 each)   |
/// +-----------+-----------------+----------------------------+
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Segment<'a> {
    /// Its kind.
    pub kind: SegmentType,
    octets: &'a [u8],
    width: AsWidth,
}

impl<'a> Segment<'a> {
    /// Takes one segment.
    ///
    /// # Errors
    /// An unknown type, a count of zero, or more AS numbers than there is room for (RFC 7606 §7.2).
    #[inline]
    pub fn take(i: &'a [u8], width: AsWidth) -> Take<'a, Self> {
        let (rest, [kind, count]) = codec::array(i, "path segment")?;
        if !matches!(kind, 1..=4) {
            return Err(Fail::new(i, "path segment type", Fault::Value(u32::from(kind))));
        }
        if count == 0 {
            return Err(Fail::new(i, "path segment length", Fault::Length(0)));
        }
        let (rest, octets) =
            codec::octets(rest, usize::from(count).saturating_mul(width.octets()), "path segment value")?;
        Ok((rest, Self { kind: SegmentType(kind), octets, width }))
    }

    /// The AS numbers in wire order.
    #[inline]
    #[must_use]
    pub const fn asns(&self) -> Asns<'a> {
        Asns { octets: self.octets, width: self.width }
    }
}

impl fmt::Debug for Segment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.kind)?;
        f.debug_list().entries(self.asns()).finish()
    }
}

/// AS numbers, read one at a time.
#[derive(Clone, Debug)]
pub struct Asns<'a> {
    octets: &'a [u8],
    width: AsWidth,
}

impl Iterator for Asns<'_> {
    type Item = u32;

    #[inline]
    fn next(&mut self) -> Option<u32> {
        match self.width {
            AsWidth::Four => {
                let (asn, rest) = self.octets.split_first_chunk()?;
                self.octets = rest;
                Some(u32::from_be_bytes(*asn))
            }
            AsWidth::Two => {
                let (asn, rest) = self.octets.split_first_chunk()?;
                self.octets = rest;
                Some(u32::from(u16::from_be_bytes(*asn)))
            }
        }
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        let n = self.octets.len().checked_div(self.width.octets()).unwrap_or(0);
        (n, Some(n))
    }
}

impl ExactSizeIterator for Asns<'_> {}
impl core::iter::FusedIterator for Asns<'_> {}

/// The ASes a route passed, the nearest first: checked octets. It may be empty.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct AsPath<'a> {
    octets: &'a [u8],
    width: AsWidth,
}

impl<'a> AsPath<'a> {
    /// A path through no AS, as it is sent to internal peers by the originator.
    pub const EMPTY: AsPath<'static> = AsPath { octets: &[], width: AsWidth::Four };

    /// Takes the value of the attribute: all of the input.
    ///
    /// # Errors
    /// As [`Segment::take`].
    #[inline]
    pub fn take(i: &'a [u8], width: AsWidth) -> Take<'a, Self> {
        let mut rest = i;
        while !rest.is_empty() {
            (rest, _) = Segment::take(rest, width)?;
        }
        Ok((rest, Self { octets: i, width }))
    }

    /// Parses the value of the attribute.
    ///
    /// # Errors
    /// As [`Segment::take`].
    #[inline]
    pub fn parse(octets: &'a [u8], width: AsWidth) -> Result<Self, Malformed> {
        codec::all(octets, |i| Self::take(i, width))
    }

    /// A path of octets that were checked before.
    #[inline]
    pub(super) const fn of_checked(octets: &'a [u8], width: AsWidth) -> Self {
        Self { octets, width }
    }

    /// The octets as received.
    #[inline]
    #[must_use]
    pub const fn octets(&self) -> &'a [u8] {
        self.octets
    }

    /// Octets of an AS number in them.
    #[inline]
    #[must_use]
    pub const fn width(&self) -> AsWidth {
        self.width
    }

    /// Octets that [`Self::emit`] writes.
    #[must_use]
    pub fn wire_len(&self, width: AsWidth) -> usize {
        self.segments()
            .fold(0, |len, s| len.saturating_add(2).saturating_add(s.asns().len().saturating_mul(width.octets())))
    }

    /// Writes the path with AS numbers of this width; [`AS_TRANS`] where one does not fit (RFC 6793 §4.2.2).
    #[inline]
    pub fn emit(&self, width: AsWidth, out: &mut impl BufMut) {
        if width == self.width {
            out.put_slice(self.octets);
            return;
        }
        for segment in self.segments() {
            let asns = segment.asns();
            out.put_u8(segment.kind.0);
            out.put_u8(u8::try_from(asns.len()).unwrap_or(u8::MAX));
            asns.for_each(|asn| width.emit(asn, out));
        }
    }

    /// The segments in wire order.
    #[inline]
    #[must_use]
    pub const fn segments(&self) -> Segments<'a> {
        Segments { octets: self.octets, width: self.width }
    }

    /// Whether it has no segment.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.octets.is_empty()
    }

    /// The length that route selection compares: a set counts one (RFC 4271 §9.1.2.2 a), a confederation segment nothing
    /// (RFC 5065 §5.3).
    #[must_use]
    pub fn hop_count(&self) -> u32 {
        self.segments().fold(0, |hops: u32, segment| hops.saturating_add(hops_of(&segment)))
    }

    /// Whether the AS is in it: for an external peer's route, a loop (RFC 4271 §9.1.2).
    #[must_use]
    pub fn contains(&self, asn: u32) -> bool {
        self.segments().any(|segment| segment.asns().any(|a| a == asn))
    }

    /// The leftmost AS, if the path begins with an AS_SEQUENCE: the neighbour that sent it (RFC 4271 §6.3), and the AS whose
    /// MULTI_EXIT_DISC values may be compared (RFC 4271 §9.1.2.2 c).
    #[inline]
    #[must_use]
    pub fn first_as(&self) -> Option<u32> {
        let segment = self.segments().find(|segment| !segment.kind.is_confed())?;
        if segment.kind == SegmentType::AS_SEQUENCE { segment.asns().next() } else { None }
    }

    /// The rightmost AS, if the path ends in an AS_SEQUENCE: the one that originated the route.
    #[must_use]
    pub fn origin_as(&self) -> Option<u32> {
        let segment = self.segments().last()?;
        if segment.kind == SegmentType::AS_SEQUENCE { segment.asns().last() } else { None }
    }

    /// Whether it holds confederation segments, which an external peer must not send (RFC 5065 §5).
    #[must_use]
    pub fn has_confed(&self) -> bool {
        self.segments().any(|segment| segment.kind.is_confed())
    }

    /// Whether a 2-octet AS peer needs AS4_PATH beside it (RFC 6793 §4.2.2).
    #[must_use]
    pub fn needs_as4(&self) -> bool {
        self.segments().any(|segment| segment.asns().any(|asn| asn > u32::from(u16::MAX)))
    }
}

/// What a segment counts in route selection.
pub(super) fn hops_of(segment: &Segment<'_>) -> u32 {
    match segment.kind {
        SegmentType::AS_SEQUENCE => u32::try_from(segment.asns().len()).unwrap_or(u32::MAX),
        SegmentType::AS_SET => 1,
        _ => 0,
    }
}

impl fmt::Debug for AsPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for AsPath<'_> {
    /// Sequences as `1 2 3`, sets as `{1,2}`, confederation segments as `(1 2)` and `[1,2]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, segment) in self.segments().enumerate() {
            if n > 0 {
                f.write_str(" ")?;
            }
            let (open, comma, close) = match segment.kind {
                SegmentType::AS_SET => ("{", ",", "}"),
                SegmentType::AS_CONFED_SEQUENCE => ("(", " ", ")"),
                SegmentType::AS_CONFED_SET => ("[", ",", "]"),
                _ => ("", " ", ""),
            };
            f.write_str(open)?;
            for (n, asn) in segment.asns().enumerate() {
                write!(f, "{}{asn}", if n > 0 { comma } else { "" })?;
            }
            f.write_str(close)?;
        }
        Ok(())
    }
}

/// The segments of a path.
#[derive(Clone, Debug)]
pub struct Segments<'a> {
    octets: &'a [u8],
    width: AsWidth,
}

impl<'a> Iterator for Segments<'a> {
    type Item = Segment<'a>;

    #[inline]
    fn next(&mut self) -> Option<Segment<'a>> {
        let (rest, segment) = Segment::take(self.octets, self.width).ok()?;
        self.octets = rest;
        Some(segment)
    }
}

impl core::iter::FusedIterator for Segments<'_> {}

/// A path to be built, with AS numbers of four octets. It allocates above 64 octets.
///
/// ```
/// use bgp_vpn::attr::{AsPath, AsPathBuf};
/// let mut path = AsPathBuf::sequence([65010, 4_200_000_020]);
/// path.prepend(65001, 2);
/// assert_eq!(path.as_path().to_string(), "65001 65001 65010 4200000020");
/// assert_eq!(path.as_path().hop_count(), 4);
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct AsPathBuf {
    octets: SmallVec<[u8; 64]>,
}

impl AsPathBuf {
    /// An empty path.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A path of one AS_SEQUENCE; empty if there are no AS numbers.
    #[must_use]
    pub fn sequence(asns: impl IntoIterator<Item = u32>) -> Self {
        let mut path = Self::new();
        path.push(SegmentType::AS_SEQUENCE, asns);
        path
    }

    /// Adds AS numbers at the far end: to the last segment where that is a sequence of the same kind with room, else in
    /// segments of their own.
    pub fn push(&mut self, kind: SegmentType, asns: impl IntoIterator<Item = u32>) {
        // The last segment may grow only if it is a sequence; a second set is a set of its own.
        let mut last = if kind.is_set() { None } else { self.last_of(kind) };
        for asn in asns {
            let at = match last {
                Some(at) if self.count(at) < u8::MAX => at,
                _ => {
                    let at = self.octets.len();
                    self.octets.extend_from_slice(&[kind.0, 0]);
                    at
                }
            };
            if let Some(count) = self.octets.get_mut(at.saturating_add(1)) {
                *count = count.saturating_add(1);
            }
            self.octets.extend_from_slice(&asn.to_be_bytes());
            last = Some(at);
        }
    }

    /// Where the last segment begins, if it is of this kind.
    fn last_of(&self, kind: SegmentType) -> Option<usize> {
        let last = self.as_path().segments().last().filter(|last| last.kind == kind)?;
        self.octets.len().checked_sub(last.octets.len().saturating_add(2))
    }

    fn count(&self, at: usize) -> u8 {
        self.octets.get(at.saturating_add(1)).copied().unwrap_or(u8::MAX)
    }

    /// Puts an AS number in front, `times` times (RFC 4271 §5.1.2 b): into the leading AS_SEQUENCE while it has room, else
    /// into a new one.
    pub fn prepend(&mut self, asn: u32, times: u8) {
        for _ in 0..times {
            let grows = self.octets.first() == Some(&SegmentType::AS_SEQUENCE.0) && self.count(0) < u8::MAX;
            if !grows {
                self.octets.insert_from_slice(0, &[SegmentType::AS_SEQUENCE.0, 0]);
            }
            if let Some(count) = self.octets.get_mut(1) {
                *count = count.saturating_add(1);
            }
            self.octets.insert_from_slice(2, &asn.to_be_bytes());
        }
    }

    /// The path so far.
    #[must_use]
    pub fn as_path(&self) -> AsPath<'_> {
        AsPath { octets: &self.octets, width: AsWidth::Four }
    }
}

impl From<AsPath<'_>> for AsPathBuf {
    fn from(path: AsPath<'_>) -> Self {
        let mut buf = Self::new();
        if path.width == AsWidth::Four {
            buf.octets.extend_from_slice(path.octets);
            return buf;
        }
        for segment in path.segments() {
            let asns = segment.asns();
            buf.octets.extend_from_slice(&[segment.kind.0, u8::try_from(asns.len()).unwrap_or(u8::MAX)]);
            asns.for_each(|asn| buf.octets.extend_from_slice(&asn.to_be_bytes()));
        }
        buf
    }
}

impl fmt::Debug for AsPathBuf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.as_path(), f)
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for AsPathBuf {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let mut path = Self::new();
        for _ in 0..u.int_in_range(0..=3u8)? {
            let kind = SegmentType(u.int_in_range(1..=4)?);
            let asns: std::vec::Vec<u32> = u.arbitrary_iter()?.take(300).collect::<arbitrary::Result<_>>()?;
            path.push(kind, asns);
        }
        Ok(path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use alloc::vec::Vec;

    fn faults(octets: &[u8]) -> (usize, &'static str, Fault) {
        let m = AsPath::parse(octets, AsWidth::Two).unwrap_err();
        (m.offset, m.field, m.fault)
    }

    #[test]
    fn malformed_segments_of_rfc7606_7_2() {
        assert_eq!(faults(&[5, 1, 0, 1]), (0, "path segment type", Fault::Value(5)));
        assert_eq!(faults(&[2, 1, 0, 1, 2, 0]), (4, "path segment length", Fault::Length(0)));
        assert_eq!(faults(&[2, 2, 0, 1, 0]), (2, "path segment value", Fault::Truncated));
        assert_eq!(faults(&[2, 1, 0, 1, 2]), (4, "path segment", Fault::Truncated));
        assert!(AsPath::parse(&[], AsWidth::Two).unwrap().is_empty());
    }

    #[test]
    fn both_widths_say_the_same() {
        let two = [2, 2, 0xfd, 0xe9, 0xfd, 0xea, 1, 1, 0, 7];
        let path = AsPath::parse(&two, AsWidth::Two).unwrap();
        assert_eq!(path.to_string(), "65001 65002 {7}");
        assert_eq!((path.hop_count(), path.first_as(), path.origin_as()), (3, Some(65001), None));
        let mut four = Vec::new();
        path.emit(AsWidth::Four, &mut four);
        assert_eq!(four.len(), path.wire_len(AsWidth::Four));
        let wide = AsPath::parse(&four, AsWidth::Four).unwrap();
        assert_eq!(wide, AsPathBuf::from(path).as_path());
        let mut back = Vec::new();
        wide.emit(AsWidth::Two, &mut back);
        assert_eq!(back, two);
    }

    #[test]
    fn prepending_opens_a_segment_when_the_first_is_full_or_no_sequence() {
        let mut path = AsPathBuf::sequence(1..=255);
        path.prepend(9, 1);
        assert_eq!(path.as_path().segments().map(|s| s.asns().len()).collect::<Vec<_>>(), [1, 255]);
        let mut path = AsPathBuf::new();
        path.push(SegmentType::AS_SET, [1, 2]);
        path.prepend(9, 2);
        assert_eq!(path.as_path().to_string(), "9 9 {1,2}");
        assert_eq!(path.as_path().hop_count(), 3);
        assert!(path.as_path().contains(2) && !path.as_path().contains(3));
    }

    #[test]
    fn confederation_segments_count_nothing() {
        let mut path = AsPathBuf::new();
        path.push(SegmentType::AS_CONFED_SEQUENCE, [64512, 64513]);
        path.push(SegmentType::AS_SEQUENCE, [65001]);
        let path = path.as_path();
        assert_eq!((path.hop_count(), path.first_as(), path.has_confed()), (1, Some(65001), true));
        assert_eq!(path.to_string(), "(64512 64513) 65001");
    }

    #[test]
    fn long_sequences_split_at_255() {
        let path = AsPathBuf::sequence(0..300);
        assert_eq!(path.as_path().segments().map(|s| s.asns().len()).collect::<Vec<_>>(), [255, 45]);
        assert!(AsPath::parse(path.as_path().octets(), AsWidth::Four).is_ok());
    }
}
