//! Join/Prune (RFC 7761 §4.9.5); Graft and Graft-Ack have the same body (RFC 3973 §4.7.8, §4.7.9).

use core::iter::FusedIterator;
use core::net::IpAddr;

use alloc::vec::Vec;
use fwd_core::Malformed;
use fwd_core::codec::{self, BufMut, Take};

use super::encoded::{
    AddressFamily, EncodedGroup, EncodedSource, PLAIN_SOURCE, SourceFlags, emit_unicast, take_unicast, unicast_len,
};
use super::join_attribute::JoinAttributesBuf;

/// A received Join/Prune, Graft or Graft-Ack: a view, walked through once when it was taken.
///
/// ```text
/// +-------------------------------+--------------+------------+--------------+--------------------+
/// | Upstream Neighbor (Enc.-Uni.) | Reserved (1) | Groups (1) | Holdtime (2) | group sets ...     |
/// +-------------------------------+--------------+------------+--------------+--------------------+
/// group set: Encoded-Group, joined sources (2), pruned sources (2), Encoded-Source ...
/// ```
///
/// Octets after the last group set are no part of it. Addresses of both families may occur; whoever acts on the message takes
/// only those of the upstream neighbour's (RFC 7761 §4.9.5).
#[derive(Clone, Copy, Debug)]
pub struct JoinPrune<'a> {
    upstream_neighbor: IpAddr,
    holdtime: u16,
    count: u8,
    is_plain: bool,
    octets: &'a [u8],
}

/// Equal in what it says: reserved bits do not count.
impl PartialEq for JoinPrune<'_> {
    fn eq(&self, other: &Self) -> bool {
        let head = |m: &Self| (m.upstream_neighbor, m.holdtime, m.count);
        let same = |(a, b): (GroupSet<'_>, GroupSet<'_>)| {
            a.group == b.group && a.joins().eq(b.joins()) && a.prunes().eq(b.prunes())
        };
        head(self) == head(other) && self.groups().zip(other.groups()).all(same)
    }
}

impl Eq for JoinPrune<'_> {}

impl<'a> JoinPrune<'a> {
    /// A Holdtime that never runs out (RFC 7761 §4.9.5).
    pub const FOREVER: u16 = u16::MAX;

    /// Takes the body.
    ///
    /// # Errors
    /// Truncated input, or a fault in any address.
    #[inline]
    pub fn take(i: &'a [u8]) -> Take<'a, Self> {
        let (i, upstream_neighbor) = take_unicast(i, "upstream neighbor")?;
        let (i, [_reserved, count]) = codec::array::<2>(i, "number of groups")?;
        let (i, holdtime) = codec::be_u16(i, "holdtime")?;
        let (mut rest, mut is_plain) = (i, true);
        for _ in 0..count {
            rest = match GroupSet::plain(rest, false) {
                Some((_, rest)) => rest,
                None => {
                    is_plain = false;
                    GroupSet::take_any(rest)?.0
                }
            };
        }
        let (rest, octets) = codec::octets(i, i.len().saturating_sub(rest.len()), "group sets")?;
        Ok((rest, Self { upstream_neighbor, holdtime, count, is_plain, octets }))
    }

    /// Parses exactly one body.
    ///
    /// # Errors
    /// As [`Self::take`], or trailing octets.
    pub fn parse(octets: &'a [u8]) -> Result<Self, Malformed> {
        codec::all(octets, Self::take)
    }

    /// The router that the message is for.
    #[must_use]
    pub const fn upstream_neighbor(&self) -> IpAddr {
        self.upstream_neighbor
    }

    /// Seconds that the joins and prunes hold; [`Self::FOREVER`] until cancelled.
    #[must_use]
    pub const fn holdtime(&self) -> u16 {
        self.holdtime
    }

    /// The group sets.
    #[inline]
    #[must_use]
    pub const fn groups(&self) -> GroupSets<'a> {
        GroupSets { octets: self.octets, is_plain: self.is_plain }
    }

    /// Octets that [`Self::emit`] writes.
    #[must_use]
    pub const fn wire_len(&self) -> usize {
        unicast_len(self.upstream_neighbor).saturating_add(4).saturating_add(self.octets.len())
    }

    /// Writes the body; what was reserved becomes zero.
    pub fn emit(&self, out: &mut impl BufMut) {
        emit_unicast(self.upstream_neighbor, out);
        out.put_slice(&[0, self.count]);
        out.put_u16(self.holdtime);
        for set in self.groups() {
            set.group.emit(out);
            out.put_u16(set.joined);
            out.put_u16(set.pruned);
            set.joins().chain(set.prunes()).for_each(|s| s.emit(out));
        }
    }

    /// The message as values.
    #[must_use]
    pub fn to_buf(&self) -> JoinPruneBuf {
        let mut buf = JoinPruneBuf::new(self.upstream_neighbor, self.holdtime);
        for set in self.groups() {
            let mut group = GroupSetBuf::new(set.group);
            set.joins().for_each(|s| group.joins.push(s.into()));
            set.prunes().for_each(|s| group.prunes.push(s.into()));
            buf.push(group);
        }
        buf
    }
}

/// One group of a Join/Prune.
#[derive(Clone, Debug)]
pub struct GroupSet<'a> {
    /// The group.
    pub group: EncodedGroup,
    joined: u16,
    joins: Sources<'a>,
    pruned: u16,
    prunes: Sources<'a>,
}

impl<'a> GroupSet<'a> {
    /// Takes a set of IPv4 sources without attributes, as most are: eight octets each, which may be `proved` already.
    #[inline]
    fn plain(i: &'a [u8], proved: bool) -> Option<(Self, &'a [u8])> {
        let (group, i) = EncodedGroup::plain(i)?;
        let (numbers, i) = i.split_first_chunk::<4>()?;
        let [j1, j0, p1, p0] = *numbers;
        let (joined, pruned) = (u16::from_be_bytes([j1, j0]), u16::from_be_bytes([p1, p0]));
        let (joins, i) = Sources::plain(i, joined, proved)?;
        let (prunes, i) = Sources::plain(i, pruned, proved)?;
        Some((Self { group, joined, joins, pruned, prunes }, i))
    }

    /// Takes any set.
    #[inline(never)]
    fn take_any(i: &'a [u8]) -> Take<'a, Self> {
        let (i, group) = EncodedGroup::take(i)?;
        let (i, joined) = codec::be_u16(i, "joined sources")?;
        let (i, pruned) = codec::be_u16(i, "pruned sources")?;
        let (i, joins) = Sources::take(i, joined)?;
        let (i, prunes) = Sources::take(i, pruned)?;
        Ok((i, Self { group, joined, joins, pruned, prunes }))
    }

    /// The joined sources.
    #[inline]
    pub fn joins(&self) -> impl Iterator<Item = EncodedSource<'a>> + use<'a> {
        self.joins.clone()
    }

    /// The pruned sources.
    #[inline]
    pub fn prunes(&self) -> impl Iterator<Item = EncodedSource<'a>> + use<'a> {
        self.prunes.clone()
    }
}

/// Iterates over group sets.
#[derive(Clone, Debug)]
pub struct GroupSets<'a> {
    octets: &'a [u8],
    is_plain: bool,
}

impl<'a> GroupSets<'a> {
    #[cold]
    #[inline(never)]
    fn next_any(&mut self) -> Option<GroupSet<'a>> {
        let taken = if self.octets.is_empty() { None } else { GroupSet::take_any(self.octets).ok() };
        self.octets = &[];
        let (rest, set) = taken?;
        self.octets = rest;
        Some(set)
    }
}

impl<'a> Iterator for GroupSets<'a> {
    type Item = GroupSet<'a>;

    #[inline]
    fn next(&mut self) -> Option<GroupSet<'a>> {
        match GroupSet::plain(self.octets, self.is_plain) {
            Some((set, rest)) => {
                self.octets = rest;
                Some(set)
            }
            None => self.next_any(),
        }
    }
}

impl FusedIterator for GroupSets<'_> {}

#[derive(Clone, Debug)]
struct Sources<'a> {
    octets: &'a [u8],
}

impl<'a> Sources<'a> {
    /// Takes `n` plain sources, which may be `proved` already.
    #[inline]
    fn plain(i: &'a [u8], n: u16, proved: bool) -> Option<(Self, &'a [u8])> {
        let (octets, rest) = i.split_at_checked(usize::from(n).saturating_mul(PLAIN_SOURCE))?;
        let is_plain = proved || octets.chunks_exact(PLAIN_SOURCE).all(EncodedSource::is_plain);
        is_plain.then_some((Self { octets }, rest))
    }

    /// Takes `n` sources.
    fn take(i: &'a [u8], n: u16) -> Take<'a, Self> {
        let mut rest = i;
        for _ in 0..n {
            (rest, _) = EncodedSource::take(rest)?;
        }
        let (rest, octets) = codec::octets(i, i.len().saturating_sub(rest.len()), "sources")?;
        Ok((rest, Self { octets }))
    }

    #[cold]
    #[inline(never)]
    fn next_any(&mut self) -> Option<EncodedSource<'a>> {
        let taken = EncodedSource::take(self.octets);
        self.octets = &[];
        let (rest, source) = taken.ok()?;
        self.octets = rest;
        Some(source)
    }
}

impl<'a> Iterator for Sources<'a> {
    type Item = EncodedSource<'a>;

    #[inline]
    fn next(&mut self) -> Option<EncodedSource<'a>> {
        if self.octets.is_empty() {
            return None;
        }
        match EncodedSource::plain(self.octets) {
            Some((source, rest)) => {
                self.octets = rest;
                Some(source)
            }
            None => self.next_any(),
        }
    }
}

/// A source of a [`GroupSetBuf`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceBuf {
    addr: IpAddr,
    flags: SourceFlags,
    mask_len: u8,
    attributes: JoinAttributesBuf,
}

impl SourceBuf {
    /// A source without attributes; the S flag is added.
    #[must_use]
    pub fn new(addr: IpAddr, flags: SourceFlags) -> Self {
        EncodedSource::new(addr, flags).into()
    }

    /// A source of PIM-DM: no flag, not even S (RFC 3973 §4.7.4).
    #[must_use]
    pub fn dense(addr: IpAddr) -> Self {
        EncodedSource::with_mask(addr, SourceFlags::empty(), AddressFamily::of(addr).bits()).into()
    }

    /// The same with these attributes, which must be of the address's family.
    #[must_use]
    pub fn with_attributes(mut self, attributes: JoinAttributesBuf) -> Self {
        self.attributes = attributes;
        self
    }

    /// The source as it is written.
    #[must_use]
    pub fn as_source(&self) -> EncodedSource<'_> {
        EncodedSource::with_mask(self.addr, self.flags, self.mask_len).with_attributes(self.attributes.as_attributes())
    }
}

impl From<EncodedSource<'_>> for SourceBuf {
    fn from(s: EncodedSource<'_>) -> Self {
        Self { addr: s.addr(), flags: s.flags(), mask_len: s.mask_len(), attributes: s.attributes().into() }
    }
}

/// A group of a [`JoinPruneBuf`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupSetBuf {
    group: EncodedGroup,
    /// Joined sources; those beyond 65,535 are not written.
    pub joins: Vec<SourceBuf>,
    /// Pruned sources; those beyond 65,535 are not written.
    pub prunes: Vec<SourceBuf>,
}

impl GroupSetBuf {
    /// A group without sources.
    #[must_use]
    pub const fn new(group: EncodedGroup) -> Self {
        Self { group, joins: Vec::new(), prunes: Vec::new() }
    }

    /// The group.
    #[must_use]
    pub const fn group(&self) -> EncodedGroup {
        self.group
    }

    fn lists(&self) -> impl Iterator<Item = EncodedSource<'_>> {
        let most = usize::from(u16::MAX);
        self.joins.iter().take(most).chain(self.prunes.iter().take(most)).map(SourceBuf::as_source)
    }

    /// Octets of the set.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        self.lists().fold(self.group.wire_len().saturating_add(4), |n, s| n.saturating_add(s.wire_len()))
    }

    fn emit(&self, out: &mut impl BufMut) {
        self.group.emit(out);
        out.put_u16(u16::try_from(self.joins.len()).unwrap_or(u16::MAX));
        out.put_u16(u16::try_from(self.prunes.len()).unwrap_or(u16::MAX));
        self.lists().for_each(|s| s.emit(out));
    }
}

/// A Join/Prune, Graft or Graft-Ack to be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinPruneBuf {
    upstream_neighbor: IpAddr,
    holdtime: u16,
    groups: Vec<GroupSetBuf>,
}

impl JoinPruneBuf {
    /// The most group sets of a message.
    pub const MAX_GROUPS: usize = 255;

    /// A message without groups.
    #[must_use]
    pub const fn new(upstream_neighbor: IpAddr, holdtime: u16) -> Self {
        Self { upstream_neighbor, holdtime, groups: Vec::new() }
    }

    /// Adds a group set. Gives `false` and adds nothing when there are [`Self::MAX_GROUPS`].
    pub fn push(&mut self, group: GroupSetBuf) -> bool {
        let room = self.groups.len() < Self::MAX_GROUPS;
        if room {
            self.groups.push(group);
        }
        room
    }

    /// The group sets.
    #[must_use]
    pub fn groups(&self) -> &[GroupSetBuf] {
        &self.groups
    }

    /// The router that the message is for.
    #[must_use]
    pub const fn upstream_neighbor(&self) -> IpAddr {
        self.upstream_neighbor
    }

    /// Octets that [`Self::emit`] writes.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        self.groups
            .iter()
            .fold(unicast_len(self.upstream_neighbor).saturating_add(4), |n, g| n.saturating_add(g.wire_len()))
    }

    /// Writes the body.
    pub fn emit(&self, out: &mut impl BufMut) {
        emit_unicast(self.upstream_neighbor, out);
        out.put_slice(&[0, u8::try_from(self.groups.len()).unwrap_or(u8::MAX)]);
        out.put_u16(self.holdtime);
        self.groups.iter().for_each(|g| g.emit(out));
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for SourceBuf {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        use super::join_attribute::{JoinAttribute, JoinAttributeType, JoinAttributeValue};
        let addr: IpAddr = u.arbitrary()?;
        let family = AddressFamily::of(addr);
        let mut attributes = JoinAttributesBuf::new(family);
        for _ in 0..u.int_in_range(0..=3)? {
            let value = match u.int_in_range(0..=4)? {
                0 => JoinAttributeValue::RpfVector(u.arbitrary()?),
                1 => JoinAttributeValue::MvpnJoin { proxy: addr, rd: u.arbitrary()? },
                2 => JoinAttributeValue::MtId(u.int_in_range(1..=4095)?),
                3 => JoinAttributeValue::PopCount(u.bytes(6)?),
                _ => JoinAttributeValue::Other(JoinAttributeType(u.int_in_range(4..=63)?), u.bytes(3)?),
            };
            attributes.push(JoinAttribute { transitive: u.arbitrary()?, value });
        }
        let mask_len = u.int_in_range(0..=family.bits())?;
        Ok(Self { addr, flags: SourceFlags::from_bits_truncate(u.arbitrary()?), mask_len, attributes })
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for JoinPruneBuf {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let mut message = Self::new(u.arbitrary()?, u.arbitrary()?);
        for _ in 0..u.int_in_range(0..=4)? {
            message.push(GroupSetBuf { group: u.arbitrary()?, joins: u.arbitrary()?, prunes: u.arbitrary()? });
        }
        Ok(message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OCTETS: [u8; 46] = [
        1, 0, 10, 0, 0, 2, 0, 1, 0, 210, // upstream neighbour, one group, 210 s
        1, 0, 0, 32, 239, 1, 1, 1, 0, 2, 0, 1, // group, 2 joins, 1 prune
        1, 0, 7, 32, 10, 9, 9, 9, // (*,G), RP 10.9.9.9
        1, 0, 4, 32, 10, 1, 1, 1, // (S,G)
        1, 0, 5, 32, 10, 1, 1, 2, // (S,G,rpt)
    ];

    #[test]
    fn a_message_reads_in_the_order_of_the_wire() {
        let octets = &OCTETS[..];
        let message = JoinPrune::parse(octets).unwrap();
        assert_eq!((message.upstream_neighbor(), message.holdtime()), ([10, 0, 0, 2].into(), 210));
        let set = message.groups().next().unwrap();
        assert_eq!(set.group, EncodedGroup::new([239, 1, 1, 1].into()));
        let joins: Vec<_> = set.joins().map(|s| (s.addr(), s.flags())).collect();
        assert_eq!(joins, [([10, 9, 9, 9].into(), SourceFlags::all()), ([10, 1, 1, 1].into(), SourceFlags::SPARSE)]);
        let prunes: Vec<_> = set.prunes().map(|s| (s.addr(), s.flags())).collect();
        assert_eq!(prunes, [([10, 1, 1, 2].into(), SourceFlags::SPARSE | SourceFlags::RPT)]);
        let (buf, mut out) = (message.to_buf(), Vec::new());
        buf.emit(&mut out);
        assert_eq!((&out[..], buf.wire_len()), (octets, octets.len()));
        out.clear();
        message.emit(&mut out);
        assert_eq!((&out[..], message.wire_len()), (octets, octets.len()));
    }

    #[test]
    fn every_truncation_is_a_fault_and_counts_are_believed_only_as_far_as_octets_go() {
        for n in 0..OCTETS.len() {
            assert!(JoinPrune::parse(&OCTETS[..n]).is_err(), "{n}");
        }
        let mut octets = OCTETS;
        octets[18..20].copy_from_slice(&[0xff, 0xff]);
        assert!(JoinPrune::parse(&octets).is_err());
    }

    #[test]
    fn no_more_groups_than_the_count_can_say() {
        let mut message = JoinPruneBuf::new([10, 0, 0, 1].into(), 210);
        let group = || GroupSetBuf::new(EncodedGroup::new([239, 0, 0, 1].into()));
        assert_eq!((0..300).filter(|_| message.push(group())).count(), 255);
    }
}
