//! Attributes to be written.

use core::net::Ipv4Addr;

use bytes::BufMut;
use smallvec::SmallVec;

use super::raw::{emit_header, header_len};
use super::{
    Aggregator, As4Aggregator, As4Path, AsPath, AsWidth, AttrFlags, AttrSet, AttrType, Attributes, BfdDiscriminator,
    ClusterList, Communities, ExtCommunities, Ipv6ExtCommunities, LargeCommunities, Origin, PeDistinguisherLabels,
    PmsiTunnel, PrefixSid, RawAttribute, TunnelEncapsulation,
};

/// An attribute as a value, to be written. MP_REACH_NLRI and MP_UNREACH_NLRI are written by
/// [`UpdateWriter`](crate::message::UpdateWriter).
///
/// ```
/// use bgp_vpn::attr::{AsPathBuf, AsWidth, Attribute, Attributes, Origin};
/// let path = AsPathBuf::sequence([65010]);
/// let mut octets = Vec::new();
/// Attribute::Origin(Origin::Igp).emit(AsWidth::Four, &mut octets);
/// Attribute::AsPath(path.as_path()).emit(AsWidth::Four, &mut octets);
/// assert_eq!(octets, [0x40, 1, 1, 0, 0x40, 2, 6, 2, 1, 0, 0, 0xfd, 0xf2]);
/// assert_eq!(Attributes::of_canonical(&octets).as_path().unwrap().first_as(), Some(65010));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attribute<'a> {
    /// ORIGIN.
    Origin(Origin),
    /// AS_PATH.
    AsPath(AsPath<'a>),
    /// NEXT_HOP.
    NextHop(Ipv4Addr),
    /// MULTI_EXIT_DISC.
    MultiExitDisc(u32),
    /// LOCAL_PREF.
    LocalPref(u32),
    /// ATOMIC_AGGREGATE.
    AtomicAggregate,
    /// AGGREGATOR.
    Aggregator(Aggregator),
    /// COMMUNITIES.
    Communities(Communities<'a>),
    /// ORIGINATOR_ID.
    OriginatorId(Ipv4Addr),
    /// CLUSTER_LIST.
    ClusterList(ClusterList<'a>),
    /// EXTENDED COMMUNITIES.
    ExtCommunities(ExtCommunities<'a>),
    /// AS4_PATH.
    As4Path(As4Path<'a>),
    /// AS4_AGGREGATOR.
    As4Aggregator(As4Aggregator),
    /// PMSI_TUNNEL.
    PmsiTunnel(PmsiTunnel<'a>),
    /// PE Distinguisher Labels.
    PeDistinguisherLabels(PeDistinguisherLabels<'a>),
    /// BFD Discriminator.
    BfdDiscriminator(BfdDiscriminator<'a>),
    /// BGP Prefix-SID.
    PrefixSid(PrefixSid<'a>),
    /// ATTR_SET.
    AttrSet(AttrSet<'a>),
    /// Tunnel Encapsulation.
    TunnelEncapsulation(TunnelEncapsulation<'a>),
    /// IPv6 Address Specific EXTENDED COMMUNITIES.
    Ipv6ExtCommunities(Ipv6ExtCommunities<'a>),
    /// LARGE_COMMUNITY.
    LargeCommunities(LargeCommunities<'a>),
    /// Any other, as octets.
    Raw(RawAttribute<'a>),
}

impl Attribute<'_> {
    /// The type code.
    #[must_use]
    pub const fn attr_type(&self) -> AttrType {
        match self {
            Self::Origin(_) => AttrType::ORIGIN,
            Self::AsPath(_) => AttrType::AS_PATH,
            Self::NextHop(_) => AttrType::NEXT_HOP,
            Self::MultiExitDisc(_) => AttrType::MULTI_EXIT_DISC,
            Self::LocalPref(_) => AttrType::LOCAL_PREF,
            Self::AtomicAggregate => AttrType::ATOMIC_AGGREGATE,
            Self::Aggregator(_) => AttrType::AGGREGATOR,
            Self::Communities(_) => AttrType::COMMUNITIES,
            Self::OriginatorId(_) => AttrType::ORIGINATOR_ID,
            Self::ClusterList(_) => AttrType::CLUSTER_LIST,
            Self::ExtCommunities(_) => AttrType::EXTENDED_COMMUNITIES,
            Self::As4Path(_) => AttrType::AS4_PATH,
            Self::As4Aggregator(_) => AttrType::AS4_AGGREGATOR,
            Self::PmsiTunnel(_) => AttrType::PMSI_TUNNEL,
            Self::PeDistinguisherLabels(_) => AttrType::PE_DISTINGUISHER_LABELS,
            Self::BfdDiscriminator(_) => AttrType::BFD_DISCRIMINATOR,
            Self::PrefixSid(_) => AttrType::PREFIX_SID,
            Self::AttrSet(_) => AttrType::ATTR_SET,
            Self::TunnelEncapsulation(_) => AttrType::TUNNEL_ENCAPSULATION,
            Self::Ipv6ExtCommunities(_) => AttrType::IPV6_EXTENDED_COMMUNITIES,
            Self::LargeCommunities(_) => AttrType::LARGE_COMMUNITY,
            Self::Raw(raw) => raw.attr_type,
        }
    }

    /// The flags it is written with, but for the Extended Length bit.
    #[must_use]
    pub const fn flags(&self) -> AttrFlags {
        match self {
            Self::Origin(_) | Self::AsPath(_) | Self::NextHop(_) | Self::LocalPref(_) | Self::AtomicAggregate => {
                AttrFlags::WELL_KNOWN
            }
            Self::MultiExitDisc(_) | Self::OriginatorId(_) | Self::ClusterList(_) => AttrFlags::OPTIONAL_NON_TRANSITIVE,
            Self::Raw(raw) => raw.flags,
            _ => AttrFlags::OPTIONAL_TRANSITIVE,
        }
    }

    /// Octets of the value.
    fn value_len(&self, width: AsWidth) -> usize {
        match self {
            Self::Origin(v) => v.wire_len(),
            Self::AsPath(v) => v.wire_len(width),
            Self::NextHop(_) | Self::MultiExitDisc(_) | Self::LocalPref(_) | Self::OriginatorId(_) => 4,
            Self::AtomicAggregate => 0,
            Self::Aggregator(v) => v.wire_len(width),
            Self::Communities(v) => v.wire_len(),
            Self::ClusterList(v) => v.wire_len(),
            Self::ExtCommunities(v) => v.wire_len(),
            Self::As4Path(v) => v.wire_len(),
            Self::As4Aggregator(v) => v.wire_len(),
            Self::PmsiTunnel(v) => v.wire_len(),
            Self::PeDistinguisherLabels(v) => v.wire_len(),
            Self::BfdDiscriminator(v) => v.wire_len(),
            Self::PrefixSid(v) => v.wire_len(),
            Self::AttrSet(v) => v.wire_len(),
            Self::TunnelEncapsulation(v) => v.wire_len(),
            Self::Ipv6ExtCommunities(v) => v.wire_len(),
            Self::LargeCommunities(v) => v.wire_len(),
            Self::Raw(v) => v.value.len(),
        }
    }

    /// A list without items is no attribute (RFC 7606 §4), and none has more octets than a length field can say.
    fn is_written(&self, len: usize) -> bool {
        let list = matches!(
            self,
            Self::Communities(_)
                | Self::ClusterList(_)
                | Self::ExtCommunities(_)
                | Self::As4Path(_)
                | Self::Ipv6ExtCommunities(_)
                | Self::LargeCommunities(_)
        );
        !(list && len == 0) && len <= usize::from(u16::MAX)
    }

    /// Octets that [`Self::emit`] writes, header included.
    #[must_use]
    pub fn wire_len(&self, width: AsWidth) -> usize {
        let len = self.value_len(width);
        match u16::try_from(len) {
            Ok(short) if self.is_written(len) => header_len(self.flags(), short).saturating_add(len),
            _ => 0,
        }
    }

    /// Writes attributes in ascending order of their types (RFC 4271 §5), whatever their order here.
    pub fn emit_all(attributes: &[Self], width: AsWidth, out: &mut impl BufMut) {
        if attributes.is_sorted_by_key(Self::attr_type) {
            attributes.iter().for_each(|attribute| attribute.emit(width, out));
            return;
        }
        let mut sorted: SmallVec<[&Self; 24]> = attributes.iter().collect();
        sorted.sort_by_key(|attribute| attribute.attr_type());
        sorted.iter().for_each(|attribute| attribute.emit(width, out));
    }

    /// Writes attributes with 4-octet AS numbers, as [`Attributes::emit_canonical`](super::Attributes::emit_canonical) leaves them,
    /// for a 2-octet AS peer: AS_PATH and AGGREGATOR with AS_TRANS where a number does not fit, and AS4_PATH and
    /// AS4_AGGREGATOR that tell it (RFC 6793 §4.2.2).
    pub fn emit_two_octet(canonical: &[u8], out: &mut impl BufMut) {
        let attributes = Attributes::of_canonical(canonical);
        let path = attributes.as_path();
        let aggregator = attributes.aggregator();
        let mut all: SmallVec<[Attribute<'_>; 24]> = attributes
            .raw()
            .map(|raw| match (raw.attr_type, path, aggregator) {
                (AttrType::AS_PATH, Some(path), _) => Attribute::AsPath(path),
                (AttrType::AGGREGATOR, _, Some(aggregator)) => Attribute::Aggregator(aggregator),
                _ => Attribute::Raw(raw),
            })
            .collect();
        all.extend(path.and_then(As4Path::of).map(Attribute::As4Path));
        let as4 = aggregator.filter(Aggregator::needs_as4);
        all.extend(as4.map(|aggregator| Attribute::As4Aggregator(As4Aggregator(aggregator))));
        Attribute::emit_all(&all, AsWidth::Two, out);
    }

    /// Writes header and value, AS numbers with this width. An empty list writes nothing.
    #[inline]
    pub fn emit(&self, width: AsWidth, out: &mut impl BufMut) {
        match self {
            Self::Origin(v) => out.put_slice(&[AttrFlags::WELL_KNOWN.bits(), AttrType::ORIGIN.0, 1, *v as u8]),
            Self::NextHop(v) => self.emit_u32(v.to_bits(), out),
            Self::MultiExitDisc(v) | Self::LocalPref(v) => self.emit_u32(*v, out),
            Self::OriginatorId(v) => self.emit_u32(v.to_bits(), out),
            Self::AtomicAggregate => out.put_slice(&[AttrFlags::WELL_KNOWN.bits(), AttrType::ATOMIC_AGGREGATE.0, 0]),
            Self::AsPath(v) if v.width() == width => self.emit_octets(v.octets(), false, out),
            Self::Communities(v) => self.emit_octets(v.octets(), true, out),
            Self::ClusterList(v) => self.emit_octets(v.octets(), true, out),
            Self::ExtCommunities(v) => self.emit_octets(v.octets(), true, out),
            Self::As4Path(v) => self.emit_octets(v.octets(), true, out),
            Self::TunnelEncapsulation(v) => self.emit_octets(v.octets(), false, out),
            Self::PeDistinguisherLabels(v) => self.emit_octets(v.octets(), false, out),
            Self::PrefixSid(v) => self.emit_octets(v.octets(), false, out),
            Self::Ipv6ExtCommunities(v) => self.emit_octets(v.octets(), true, out),
            Self::LargeCommunities(v) => self.emit_octets(v.octets(), true, out),
            Self::Raw(v) => self.emit_octets(v.value, false, out),
            Self::AsPath(_)
            | Self::Aggregator(_)
            | Self::As4Aggregator(_)
            | Self::PmsiTunnel(_)
            | Self::BfdDiscriminator(_)
            | Self::AttrSet(_) => self.emit_fields(width, out),
        }
    }

    #[inline]
    fn emit_u32(&self, value: u32, out: &mut impl BufMut) {
        let [a, b, c, d] = value.to_be_bytes();
        out.put_slice(&[self.flags().bits(), self.attr_type().0, 4, a, b, c, d]);
    }

    /// A value that is octets already; a list without any is no attribute, and none is longer than a length field can say.
    #[inline]
    fn emit_octets(&self, value: &[u8], list: bool, out: &mut impl BufMut) {
        let Ok(len) = u16::try_from(value.len()) else { return };
        if len != 0 || !list {
            emit_header(self.flags(), self.attr_type(), len, out);
            out.put_slice(value);
        }
    }

    /// The attributes that are written field by field.
    fn emit_fields(&self, width: AsWidth, out: &mut impl BufMut) {
        let Ok(len) = u16::try_from(self.value_len(width)) else { return };
        emit_header(self.flags(), self.attr_type(), len, out);
        match self {
            Self::AsPath(v) => v.emit(width, out),
            Self::Aggregator(v) => v.emit(width, out),
            Self::As4Aggregator(v) => v.emit(out),
            Self::PmsiTunnel(v) => v.emit(out),
            Self::BfdDiscriminator(v) => v.emit(out),
            Self::AttrSet(v) => v.emit(out),
            _ => {}
        }
    }
}
