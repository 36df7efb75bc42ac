//! Version 3 reports (MLD: version 2) and their group records (RFC 3376 §4.2, RFC 3810 §5.2).

use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;

use fwd_core::Malformed;
use fwd_core::codec::{self, BufMut, Take};

use super::{Addresses, addresses};
use crate::address::Address;

/// The type of a group record (RFC 3376 §4.2.12, RFC 3810 §5.2.12). Records of unknown types are ignored.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct RecordType(pub u8);

impl RecordType {
    /// IS_IN: the filter mode is INCLUDE.
    pub const IS_INCLUDE: Self = Self(1);
    /// IS_EX: the filter mode is EXCLUDE.
    pub const IS_EXCLUDE: Self = Self(2);
    /// TO_IN: the filter mode has changed to INCLUDE.
    pub const TO_INCLUDE: Self = Self(3);
    /// TO_EX: the filter mode has changed to EXCLUDE.
    pub const TO_EXCLUDE: Self = Self(4);
    /// ALLOW: sources that are wanted besides.
    pub const ALLOW: Self = Self(5);
    /// BLOCK: sources that are wanted no longer.
    pub const BLOCK: Self = Self(6);

    /// The abbreviation of the RFC, where the type is known.
    #[must_use]
    pub const fn name(self) -> Option<&'static str> {
        Some(match self {
            Self::IS_INCLUDE => "IS_IN",
            Self::IS_EXCLUDE => "IS_EX",
            Self::TO_INCLUDE => "TO_IN",
            Self::TO_EXCLUDE => "TO_EX",
            Self::ALLOW => "ALLOW",
            Self::BLOCK => "BLOCK",
            _ => return None,
        })
    }
}

impl fmt::Debug for RecordType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => f.write_str(name),
            None => write!(f, "record {}", self.0),
        }
    }
}

/// A group record.
///
/// ```text
/// +---------------+---------------+-------------------------------+
/// |  Record Type  |  Aux Data Len |     Number of Sources (N)     |
/// +---------------+---------------+-------------------------------+
/// |                       Multicast Address                       |
/// +---------------------------------------------------------------+
/// |                       Source Address [i]                      |
/// +---------------------------------------------------------------+
/// |                         Auxiliary Data                        |
/// +---------------------------------------------------------------+
/// ```
///
/// Addresses have 4 octets in IGMP and 16 in MLD; Aux Data Len counts words of four octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupRecord<'a, A: Address> {
    /// What the record says of the sources.
    pub kind: RecordType,
    /// The group.
    pub group: A,
    /// The sources.
    pub sources: Addresses<'a, A>,
    /// Auxiliary data, to be ignored (RFC 3376 §4.2.11).
    pub auxiliary: &'a [u8],
}

impl<'a, A: Address> GroupRecord<'a, A> {
    /// Takes a record.
    ///
    /// # Errors
    /// A record that ends before its sources or its auxiliary data do.
    #[inline]
    pub fn take(i: &'a [u8]) -> Take<'a, Self> {
        let (i, kind) = codec::be_u8(i, "Record Type")?;
        let (i, words) = codec::be_u8(i, "Aux Data Len")?;
        let (i, n) = codec::be_u16(i, "Number of Sources")?;
        let (i, group) = Addresses::<A>::take(i, 1, "Multicast Address")?;
        let group = group.iter().next().unwrap_or(A::UNSPECIFIED);
        let (i, sources) = Addresses::take(i, n, "Source Address")?;
        let (i, auxiliary) = codec::octets(i, usize::from(words).saturating_mul(4), "Auxiliary Data")?;
        Ok((i, Self { kind: RecordType(kind), group, sources, auxiliary }))
    }

    /// Octets that [`Self::emit`] writes.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        A::LEN
            .saturating_add(4)
            .saturating_add(self.sources.octets().len())
            .saturating_add(usize::from(self.words()).saturating_mul(4))
    }

    fn words(&self) -> u8 {
        u8::try_from(self.auxiliary.len() >> 2).unwrap_or(u8::MAX)
    }

    /// Writes the record.
    pub fn emit(&self, out: &mut impl BufMut) {
        out.put_u8(self.kind.0);
        out.put_u8(self.words());
        out.put_u16(self.sources.count());
        self.group.emit(out);
        addresses::emit(&self.sources, out);
        out.put_slice(self.auxiliary.get(..usize::from(self.words()).saturating_mul(4)).unwrap_or_default());
    }
}

#[cfg(feature = "arbitrary")]
impl<'a, A: Address + arbitrary::Arbitrary<'a>> arbitrary::Arbitrary<'a> for GroupRecord<'a, A> {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let (kind, group, sources) = u.arbitrary()?;
        let words = u.int_in_range(0..=3_usize)?;
        Ok(Self { kind, group, sources, auxiliary: u.bytes(words.saturating_mul(4))? })
    }
}

/// The group records of a report, unread: their lengths are proved.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Records<'a, A> {
    octets: &'a [u8],
    count: u16,
    family: PhantomData<fn() -> A>,
}

impl<'a, A: Address> Records<'a, A> {
    /// Takes `n` records.
    ///
    /// # Errors
    /// That of the first record that is malformed.
    #[inline]
    pub fn take(i: &'a [u8], n: u16) -> Take<'a, Self> {
        let (mut rest, mut stride) = (i, Stride::<A>::NEW);
        for _ in 0..n {
            rest = match stride.split(rest) {
                Some((_, rest)) => rest,
                None => GroupRecord::<A>::take(rest)?.0,
            };
        }
        let octets = i.get(..i.len().saturating_sub(rest.len())).unwrap_or_default();
        Ok((rest, Self { octets, count: n, family: PhantomData }))
    }

    /// The octets.
    #[must_use]
    pub const fn octets(&self) -> &'a [u8] {
        self.octets
    }

    /// How many records there are.
    #[must_use]
    pub const fn count(&self) -> u16 {
        self.count
    }

    /// The records in wire order.
    #[inline]
    #[must_use]
    pub const fn iter(&self) -> RecordsIter<'a, A> {
        RecordsIter { octets: self.octets, stride: Stride::NEW }
    }
}

impl<'a, A: Address> IntoIterator for Records<'a, A> {
    type Item = GroupRecord<'a, A>;
    type IntoIter = RecordsIter<'a, A>;

    #[inline]
    fn into_iter(self) -> RecordsIter<'a, A> {
        self.iter()
    }
}

impl<A: Address> fmt::Debug for Records<'_, A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

/// From record to record, without a look at what is in them.
///
/// The records of a report are mostly of one shape: the length of the last one is kept, and the processor goes on to the next record
/// before the numbers in this one have come from memory.
#[derive(Clone, Debug)]
struct Stride<A> {
    /// Aux Data Len and Number of Sources of the last record, as they lie in memory.
    shape: u32,
    /// Its octets.
    len: usize,
    /// Those of its sources.
    sources: usize,
    family: PhantomData<fn() -> A>,
}

impl<A: Address> Stride<A> {
    /// That of records without sources.
    const NEW: Self = Self { shape: 0, len: A::LEN.saturating_add(4), sources: 0, family: PhantomData };

    /// Cuts the first record off; `None` where it does not end.
    #[inline]
    fn split<'a>(&mut self, octets: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
        let shape = u32::from_ne_bytes(*octets.first_chunk()?) & u32::from_ne_bytes([0, 0xff, 0xff, 0xff]);
        if shape != self.shape {
            (self.shape, (self.len, self.sources)) = (shape, lengths::<A>(shape));
        }
        octets.split_at_checked(self.len)
    }

    /// The first record and what follows it.
    #[inline]
    fn record<'a>(&mut self, octets: &'a [u8]) -> Option<(GroupRecord<'a, A>, &'a [u8])> {
        let (record, rest) = self.split(octets)?;
        let (head, body) = record.split_at_checked(4)?;
        let (group, body) = A::split(body)?;
        let (sources, auxiliary) = body.split_at_checked(self.sources)?;
        let kind = RecordType(*head.first()?);
        Some((GroupRecord { kind, group, sources: Addresses::of(sources), auxiliary }, rest))
    }
}

/// The octets of a record of this shape, and those of its sources. A call of its own, so that it stays a branch.
#[cold]
#[inline(never)]
fn lengths<A: Address>(shape: u32) -> (usize, usize) {
    let [_, words, n @ ..] = shape.to_ne_bytes();
    let sources = usize::from(u16::from_be_bytes(n)).saturating_mul(A::LEN);
    let all = usize::from(words).saturating_mul(4).saturating_add(sources).saturating_add(A::LEN).saturating_add(4);
    (all, sources)
}

/// The records of a [`Records`].
#[derive(Clone, Debug)]
pub struct RecordsIter<'a, A> {
    octets: &'a [u8],
    stride: Stride<A>,
}

impl<'a, A: Address> Iterator for RecordsIter<'a, A> {
    type Item = GroupRecord<'a, A>;

    #[inline]
    fn next(&mut self) -> Option<GroupRecord<'a, A>> {
        let (record, rest) = self.stride.record(self.octets)?;
        self.octets = rest;
        Some(record)
    }
}

impl<A: Address> core::iter::FusedIterator for RecordsIter<'_, A> {}

/// A report of version 3 (MLD: version 2), without the header that the protocols do not share.
///
/// ```text
/// +-------------------------------+-------------------------------+
/// |       Reserved or flags       |  Number of Group Records (M)  |
/// +-------------------------------+-------------------------------+
/// |                        Group Record [i]                       |
/// +---------------------------------------------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report<'a, A: Address> {
    /// Reserved but for the highest bit: extensions follow the records (RFC 9279 §3.2).
    pub flags: u16,
    /// The records.
    pub records: Records<'a, A>,
    /// What follows the records: to be ignored, but for the extensions of RFC 9279.
    pub additional: &'a [u8],
}

impl<'a, A: Address> Report<'a, A> {
    /// Extensions follow the records (RFC 9279 §3.2).
    pub const EXTENSION: u16 = 0x8000;

    /// Takes a report: all of the input.
    ///
    /// # Errors
    /// That of the first record that is malformed.
    #[inline]
    pub fn take(i: &'a [u8]) -> Take<'a, Self> {
        let (i, flags) = codec::be_u16(i, "Reserved")?;
        let (i, n) = codec::be_u16(i, "Number of Group Records")?;
        let (additional, records) = Records::take(i, n)?;
        Ok((&[], Self { flags, records, additional }))
    }

    /// Parses a report.
    ///
    /// # Errors
    /// That of the first record that is malformed.
    pub fn parse(octets: &'a [u8]) -> Result<Self, Malformed> {
        codec::all(octets, Self::take)
    }

    /// Octets that [`Self::emit`] writes.
    #[must_use]
    pub const fn wire_len(&self) -> usize {
        self.records.octets.len().saturating_add(self.additional.len()).saturating_add(4)
    }

    /// Writes the report.
    pub fn emit(&self, out: &mut impl BufMut) {
        out.put_u16(self.flags);
        out.put_u16(self.records.count);
        out.put_slice(self.records.octets);
        out.put_slice(self.additional);
    }
}

/// A report to be built.
///
/// ```
/// use core::net::Ipv4Addr;
/// use mvpn::gmp::{RecordType, ReportBuf};
/// let mut report = ReportBuf::new();
/// report.push(RecordType::ALLOW, Ipv4Addr::new(232, 1, 1, 1), [Ipv4Addr::new(192, 0, 2, 1)]);
/// let record = report.as_report().records.iter().next().unwrap();
/// assert_eq!(record.sources.iter().next(), Some(Ipv4Addr::new(192, 0, 2, 1)));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReportBuf<A> {
    octets: Vec<u8>,
    count: u16,
    family: PhantomData<fn() -> A>,
}

impl<A: Address> ReportBuf<A> {
    /// A report without records.
    #[must_use]
    pub const fn new() -> Self {
        Self { octets: Vec::new(), count: 0, family: PhantomData }
    }

    /// Adds a record, unless the report has 65,535 already. Sources beyond 65,535 are left out.
    pub fn push(&mut self, kind: RecordType, group: A, sources: impl IntoIterator<Item = A>) {
        let sources: super::AddressesBuf<A> = sources.into_iter().collect();
        self.push_record(&GroupRecord { kind, group, sources: sources.as_addresses(), auxiliary: &[] });
    }

    /// Adds a record as it is, unless the report has 65,535 already.
    pub fn push_record(&mut self, record: &GroupRecord<'_, A>) {
        if let Some(count) = self.count.checked_add(1) {
            self.count = count;
            record.emit(&mut self.octets);
        }
    }

    /// Octets of the records so far.
    #[must_use]
    pub fn records_len(&self) -> usize {
        self.octets.len()
    }

    /// Whether there is no record.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The report.
    #[must_use]
    pub fn as_report(&self) -> Report<'_, A> {
        let records = Records { octets: &self.octets, count: self.count, family: PhantomData };
        Report { flags: 0, records, additional: &[] }
    }
}

impl<A: Address> Default for ReportBuf<A> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(feature = "arbitrary")]
impl<'a, A: Address + arbitrary::Arbitrary<'a>> arbitrary::Arbitrary<'a> for ReportBuf<A> {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let mut report = Self::new();
        for _ in 0..u.int_in_range(0..=8)? {
            report.push_record(&u.arbitrary()?);
        }
        Ok(report)
    }
}
