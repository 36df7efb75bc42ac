//! The path attributes of an UPDATE as views on its octets.

use core::net::Ipv4Addr;

use bytes::BufMut;
use smallvec::SmallVec;

use super::{
    Aggregator, As4Aggregator, As4Path, AsPath, AsPathBuf, AsWidth, AttrFlags, AttrSet, AttrType, Attribute,
    BfdDiscriminator, ClusterList, Communities, ExtCommunities, Ipv6ExtCommunities, LargeCommunities, List, ListItem,
    MpReach, MpUnreach, Origin, PeDistinguisherLabels, PmsiTunnel, PrefixSid, RawAttribute, TunnelEncapsulation,
    merged_aggregator, merged_as_path,
};
use crate::message::slot;

/// Rows of the attribute table: one span for each attribute this crate knows.
const SLOTS: usize = crate::message::RULES.len();

/// Where a value stands in the octets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Span {
    start: u16,
    len: u16,
}

/// The path attributes of an UPDATE: their octets, and where each known one stands.
///
/// Accessors answer `None` for an attribute that is absent, and for one that was malformed or not meant for this session: what
/// they return is sound. The octets stay as received; nothing is copied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attributes<'a> {
    octets: &'a [u8],
    width: AsWidth,
    /// A bit for each slot whose attribute may be used.
    usable: u32,
    spans: [Span; SLOTS],
    mp_reach: Option<MpReach<'a>>,
    mp_unreach: Option<MpUnreach<'a>>,
}

impl<'a> Attributes<'a> {
    /// No attributes yet, of these octets.
    #[inline]
    pub(crate) fn unread(octets: &'a [u8], width: AsWidth) -> Self {
        Self { octets, width, usable: 0, spans: [Span::default(); SLOTS], mp_reach: None, mp_unreach: None }
    }

    /// Reads attributes that this crate wrote: [`Self::emit_canonical`] or [`Attribute`](super::Attribute) values with 4-octet
    /// AS numbers, free of faults. Octets that are not are ignored from the first that does not fit on.
    #[must_use]
    pub fn of_canonical(octets: &'a [u8]) -> Self {
        let mut attributes = Self::unread(octets, AsWidth::Four);
        for (at, raw) in RawAttributes::new(octets).with_offsets() {
            if let (Some(slot), Ok(_)) = (slot(raw.attr_type), u16::try_from(at.saturating_add(raw.value.len()))) {
                attributes.note(slot, at, raw.value.len());
            }
        }
        attributes
    }

    /// Remembers where a usable attribute stands: its value at `at` octets from the start.
    #[inline]
    pub(crate) fn note(&mut self, slot: u8, at: usize, len: usize) {
        // The field has at most 65,535 octets.
        let span = Span { start: at as u16, len: len as u16 };
        if let Some(place) = self.spans.get_mut(usize::from(slot)) {
            *place = span;
            self.usable |= 1u32.wrapping_shl(u32::from(slot));
        }
    }

    #[inline]
    pub(crate) fn set_mp_reach(&mut self, mp_reach: MpReach<'a>) {
        self.mp_reach = Some(mp_reach);
    }

    #[inline]
    pub(crate) fn set_mp_unreach(&mut self, mp_unreach: MpUnreach<'a>) {
        self.mp_unreach = Some(mp_unreach);
    }

    /// The octets of the whole Path Attributes field.
    #[inline]
    #[must_use]
    pub const fn octets(&self) -> &'a [u8] {
        self.octets
    }

    /// Octets of the AS numbers in AS_PATH and AGGREGATOR.
    #[must_use]
    pub const fn width(&self) -> AsWidth {
        self.width
    }

    /// The value of a known attribute.
    #[inline]
    #[must_use]
    pub fn value(&self, attr_type: AttrType) -> Option<&'a [u8]> {
        let slot = slot(attr_type)?;
        if self.usable & 1u32.wrapping_shl(u32::from(slot)) == 0 {
            return None;
        }
        let Span { start, len } = *self.spans.get(usize::from(slot))?;
        self.octets.get(usize::from(start)..)?.get(..usize::from(len))
    }

    #[inline]
    fn be_u32(&self, attr_type: AttrType) -> Option<u32> {
        self.value(attr_type)?.first_chunk().map(|v| u32::from_be_bytes(*v))
    }

    #[inline]
    fn list<T: ListItem>(&self, attr_type: AttrType) -> Option<List<'a, T>> {
        self.value(attr_type).map(List::of_checked)
    }

    /// ORIGIN.
    #[inline]
    #[must_use]
    pub fn origin(&self) -> Option<Origin> {
        self.value(AttrType::ORIGIN)?.first().and_then(|v| Origin::from_value(*v))
    }

    /// AS_PATH as received. [`Self::merged_as_path`] is the one to use for routes of 2-octet AS peers.
    #[inline]
    #[must_use]
    pub fn as_path(&self) -> Option<AsPath<'a>> {
        self.value(AttrType::AS_PATH).map(|v| AsPath::of_checked(v, self.width))
    }

    /// AS4_PATH.
    #[must_use]
    pub fn as4_path(&self) -> Option<As4Path<'a>> {
        self.value(AttrType::AS4_PATH).map(As4Path::of_checked)
    }

    /// The path in 4-octet AS numbers, with what AS4_PATH adds (RFC 6793 §4.2.3).
    #[must_use]
    pub fn merged_as_path(&self) -> Option<AsPathBuf> {
        let path = self.as_path()?;
        let aggregator = self.value(AttrType::AGGREGATOR).and_then(|v| Aggregator::parse(v, self.width).ok());
        Some(merged_as_path(path, self.as4_path(), aggregator, self.as4_aggregator()))
    }

    /// NEXT_HOP: of the NLRI field. Next hops of other families are in [`Self::mp_reach`].
    #[inline]
    #[must_use]
    pub fn next_hop(&self) -> Option<Ipv4Addr> {
        self.be_u32(AttrType::NEXT_HOP).map(Ipv4Addr::from_bits)
    }

    /// MULTI_EXIT_DISC.
    #[inline]
    #[must_use]
    pub fn med(&self) -> Option<u32> {
        self.be_u32(AttrType::MULTI_EXIT_DISC)
    }

    /// LOCAL_PREF: of internal peers only.
    #[inline]
    #[must_use]
    pub fn local_pref(&self) -> Option<u32> {
        self.be_u32(AttrType::LOCAL_PREF)
    }

    /// Whether ATOMIC_AGGREGATE is there.
    #[inline]
    #[must_use]
    pub fn atomic_aggregate(&self) -> bool {
        self.value(AttrType::ATOMIC_AGGREGATE).is_some()
    }

    /// AGGREGATOR, in the words of AS4_AGGREGATOR where it says AS_TRANS (RFC 6793 §4.2.3).
    #[must_use]
    pub fn aggregator(&self) -> Option<Aggregator> {
        let aggregator = self.value(AttrType::AGGREGATOR).and_then(|v| Aggregator::parse(v, self.width).ok());
        merged_aggregator(aggregator, self.as4_aggregator())
    }

    /// AS4_AGGREGATOR.
    #[must_use]
    pub fn as4_aggregator(&self) -> Option<As4Aggregator> {
        self.value(AttrType::AS4_AGGREGATOR).and_then(|v| As4Aggregator::parse(v).ok())
    }

    /// COMMUNITIES.
    #[inline]
    #[must_use]
    pub fn communities(&self) -> Option<Communities<'a>> {
        self.list(AttrType::COMMUNITIES)
    }

    /// ORIGINATOR_ID: of internal peers only.
    #[inline]
    #[must_use]
    pub fn originator_id(&self) -> Option<Ipv4Addr> {
        self.be_u32(AttrType::ORIGINATOR_ID).map(Ipv4Addr::from_bits)
    }

    /// CLUSTER_LIST: of internal peers only.
    #[inline]
    #[must_use]
    pub fn cluster_list(&self) -> Option<ClusterList<'a>> {
        self.list(AttrType::CLUSTER_LIST)
    }

    /// MP_REACH_NLRI.
    #[inline]
    #[must_use]
    pub const fn mp_reach(&self) -> Option<&MpReach<'a>> {
        self.mp_reach.as_ref()
    }

    /// MP_UNREACH_NLRI.
    #[inline]
    #[must_use]
    pub const fn mp_unreach(&self) -> Option<&MpUnreach<'a>> {
        self.mp_unreach.as_ref()
    }

    /// EXTENDED COMMUNITIES.
    #[inline]
    #[must_use]
    pub fn ext_communities(&self) -> Option<ExtCommunities<'a>> {
        self.list(AttrType::EXTENDED_COMMUNITIES)
    }

    /// IPv6 Address Specific EXTENDED COMMUNITIES.
    #[inline]
    #[must_use]
    pub fn ipv6_ext_communities(&self) -> Option<Ipv6ExtCommunities<'a>> {
        self.list(AttrType::IPV6_EXTENDED_COMMUNITIES)
    }

    /// LARGE_COMMUNITY.
    #[inline]
    #[must_use]
    pub fn large_communities(&self) -> Option<LargeCommunities<'a>> {
        self.list(AttrType::LARGE_COMMUNITY)
    }

    /// PMSI_TUNNEL.
    #[must_use]
    pub fn pmsi_tunnel(&self) -> Option<PmsiTunnel<'a>> {
        self.value(AttrType::PMSI_TUNNEL).and_then(|v| PmsiTunnel::parse(v).ok())
    }

    /// Tunnel Encapsulation.
    #[must_use]
    pub fn tunnel_encapsulation(&self) -> Option<TunnelEncapsulation<'a>> {
        self.value(AttrType::TUNNEL_ENCAPSULATION).map(TunnelEncapsulation::of_checked)
    }

    /// PE Distinguisher Labels.
    #[must_use]
    pub fn pe_distinguisher_labels(&self) -> Option<PeDistinguisherLabels<'a>> {
        self.value(AttrType::PE_DISTINGUISHER_LABELS).map(PeDistinguisherLabels::of_checked)
    }

    /// BFD Discriminator.
    #[must_use]
    pub fn bfd_discriminator(&self) -> Option<BfdDiscriminator<'a>> {
        self.value(AttrType::BFD_DISCRIMINATOR).and_then(|v| BfdDiscriminator::parse(v).ok())
    }

    /// BGP Prefix-SID: of internal peers only.
    #[must_use]
    pub fn prefix_sid(&self) -> Option<PrefixSid<'a>> {
        self.value(AttrType::PREFIX_SID).map(PrefixSid::of_checked)
    }

    /// ATTR_SET.
    #[must_use]
    pub fn attr_set(&self) -> Option<AttrSet<'a>> {
        self.value(AttrType::ATTR_SET).and_then(|v| AttrSet::parse(v).ok())
    }

    /// All attributes in wire order as they came, malformed and repeated ones too, up to one that overruns the field.
    #[must_use]
    pub const fn raw(&self) -> RawAttributes<'a> {
        RawAttributes::new(self.octets)
    }

    /// The attributes in wire order without those that RFC 7606 discards: malformed ones, ones not meant for the session, and
    /// all but the first of a type.
    pub fn iter(&self) -> impl Iterator<Item = RawAttribute<'a>> + use<'a> {
        let (octets, usable) = (self.octets, self.usable);
        let mut seen = [false; 256];
        RawAttributes::new(octets).filter(move |raw| {
            let first = seen.get_mut(usize::from(raw.attr_type.0)).is_some_and(|seen| !core::mem::replace(seen, true));
            first && slot(raw.attr_type).is_none_or(|slot| usable & 1u32.wrapping_shl(u32::from(slot)) != 0)
        })
    }

    /// Whether the attribute is the one of its type that [`Self::iter`] gives.
    pub(crate) fn is_used(&self, raw: &RawAttribute<'_>) -> bool {
        let first = self.raw().find(|first| first.attr_type == raw.attr_type);
        first.is_some_and(|first| core::ptr::eq(first.value, raw.value))
    }

    /// The attributes of [`Self::iter`] as values, to be changed and written again. Those without a type of their own, with the
    /// Partial bit, or with a longer header than needed stay octets.
    pub fn values(&self) -> impl Iterator<Item = Attribute<'a>> + use<'a> {
        let this = self.clone();
        self.iter()
            .map(move |raw| this.as_value(&raw).filter(|v| v.flags() == raw.flags).unwrap_or(Attribute::Raw(raw)))
    }

    fn as_value(&self, raw: &RawAttribute<'a>) -> Option<Attribute<'a>> {
        Some(match raw.attr_type {
            AttrType::ORIGIN => Attribute::Origin(self.origin()?),
            AttrType::AS_PATH => Attribute::AsPath(self.as_path()?),
            AttrType::NEXT_HOP => Attribute::NextHop(self.next_hop()?),
            AttrType::MULTI_EXIT_DISC => Attribute::MultiExitDisc(self.med()?),
            AttrType::LOCAL_PREF => Attribute::LocalPref(self.local_pref()?),
            AttrType::ATOMIC_AGGREGATE => Attribute::AtomicAggregate,
            AttrType::AGGREGATOR => Attribute::Aggregator(Aggregator::parse(raw.value, self.width).ok()?),
            AttrType::COMMUNITIES => Attribute::Communities(self.communities()?),
            AttrType::ORIGINATOR_ID => Attribute::OriginatorId(self.originator_id()?),
            AttrType::CLUSTER_LIST => Attribute::ClusterList(self.cluster_list()?),
            AttrType::EXTENDED_COMMUNITIES => Attribute::ExtCommunities(self.ext_communities()?),
            AttrType::AS4_PATH => Attribute::As4Path(self.as4_path()?),
            AttrType::AS4_AGGREGATOR => Attribute::As4Aggregator(self.as4_aggregator()?),
            AttrType::PMSI_TUNNEL => Attribute::PmsiTunnel(self.pmsi_tunnel()?),
            AttrType::PE_DISTINGUISHER_LABELS => Attribute::PeDistinguisherLabels(self.pe_distinguisher_labels()?),
            AttrType::BFD_DISCRIMINATOR => Attribute::BfdDiscriminator(self.bfd_discriminator()?),
            AttrType::PREFIX_SID => Attribute::PrefixSid(self.prefix_sid()?),
            AttrType::ATTR_SET => Attribute::AttrSet(self.attr_set()?),
            AttrType::TUNNEL_ENCAPSULATION => Attribute::TunnelEncapsulation(self.tunnel_encapsulation()?),
            AttrType::IPV6_EXTENDED_COMMUNITIES => Attribute::Ipv6ExtCommunities(self.ipv6_ext_communities()?),
            AttrType::LARGE_COMMUNITY => Attribute::LargeCommunities(self.large_communities()?),
            _ => return None,
        })
    }

    /// The attributes that this crate does not know and that go on with the route, Partial bit set (RFC 4271 §5). Unknown
    /// non-transitive ones end here.
    pub fn unknown_transitive(&self) -> impl Iterator<Item = RawAttribute<'a>> + use<'a> {
        self.iter().filter(|raw| slot(raw.attr_type).is_none() && raw.flags.contains(AttrFlags::TRANSITIVE)).map(
            |raw| {
                let flags = AttrFlags::OPTIONAL_TRANSITIVE | AttrFlags::PARTIAL;
                RawAttribute { flags, ..raw }
            },
        )
    }

    /// Writes the attributes in one form that equal sets share: ascending types; the fewest octets for lengths; AS numbers of
    /// four octets with AS4_PATH and AS4_AGGREGATOR merged; unknown ones as [`Self::unknown_transitive`]. NEXT_HOP,
    /// MP_REACH_NLRI and MP_UNREACH_NLRI are left out: they belong to the routes.
    pub fn emit_canonical(&self, out: &mut impl BufMut) {
        const PER_ROUTE: [AttrType; 5] = [
            AttrType::NEXT_HOP,
            AttrType::MP_REACH_NLRI,
            AttrType::MP_UNREACH_NLRI,
            AttrType::AS4_PATH,
            AttrType::AS4_AGGREGATOR,
        ];
        let path = if self.width == AsWidth::Two { self.merged_as_path() } else { None };
        let mut aggregator: SmallVec<[u8; 8]> = SmallVec::new();
        if let Some(value) = self.aggregator().filter(|_| self.width == AsWidth::Two) {
            aggregator.extend_from_slice(&value.asn.to_be_bytes());
            aggregator.extend_from_slice(&value.address.octets());
        }
        let mut sorted: SmallVec<[RawAttribute<'_>; 24]> = self
            .iter()
            .filter(|raw| slot(raw.attr_type).is_some() && !PER_ROUTE.contains(&raw.attr_type))
            .chain(self.unknown_transitive())
            .collect();
        sorted.sort_unstable_by_key(|raw| raw.attr_type);
        for raw in sorted {
            let value = match (raw.attr_type, self.width, &path) {
                (AttrType::AS_PATH, _, Some(path)) => path.as_path().octets(),
                (AttrType::AGGREGATOR, AsWidth::Two, _) => &aggregator,
                _ => raw.value,
            };
            let flags = raw.flags & (AttrFlags::OPTIONAL_TRANSITIVE | AttrFlags::PARTIAL);
            RawAttribute { flags, attr_type: raw.attr_type, value }.emit(out);
        }
    }
}

/// The attributes of a Path Attributes field in wire order, up to one that overruns it.
#[derive(Clone, Debug)]
pub struct RawAttributes<'a> {
    whole: &'a [u8],
    rest: &'a [u8],
}

impl<'a> RawAttributes<'a> {
    /// Iterates over the attributes in `octets`.
    #[must_use]
    pub const fn new(octets: &'a [u8]) -> Self {
        Self { whole: octets, rest: octets }
    }

    /// With each attribute, where its value begins.
    fn with_offsets(self) -> impl Iterator<Item = (usize, RawAttribute<'a>)> + use<'a> {
        let whole = self.whole;
        self.map(move |raw| (nom::Offset::offset(whole, raw.value), raw))
    }
}

impl<'a> Iterator for RawAttributes<'a> {
    type Item = RawAttribute<'a>;

    #[inline]
    fn next(&mut self) -> Option<RawAttribute<'a>> {
        let (rest, raw) = RawAttribute::take(self.rest).ok()?;
        self.rest = rest;
        Some(raw)
    }
}

impl core::iter::FusedIterator for RawAttributes<'_> {}
