//! Writing UPDATEs: many NLRI behind one set of attributes (RFC 4271 §4.3, RFC 4760, RFC 8950).

use alloc::vec::Vec;

use bytes::BufMut;

use super::{Header, MessageType};
use crate::attr::{AsWidth, AttrFlags, AttrType, Attribute, NextHop, RawAttributes};
use crate::nlri::{Family, Nlri, NlriFormat};
use crate::session::Negotiated;

/// Where MP_REACH_NLRI stands among the attributes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum MpPosition {
    /// In front, so that a receiver finds the NLRI whatever is wrong with the others (RFC 7606 §5.1).
    #[default]
    First,
    /// By its type code, as RFC 4271 §5 orders attributes and most speakers send them.
    ByType,
}

/// The attributes that routes are announced with, in ascending order of types and without NEXT_HOP, MP_REACH_NLRI and
/// MP_UNREACH_NLRI: octets as the session takes them (AS numbers of its width), as [`Attribute::emit_all`] and
/// [`Attributes::emit_canonical`](crate::attr::Attributes::emit_canonical) write them; or values.
#[derive(Clone, Copy, Debug)]
pub enum PathAttributes<'a> {
    /// Octets.
    Octets(&'a [u8]),
    /// Values.
    Values(&'a [Attribute<'a>]),
}

impl<'a> PathAttributes<'a> {
    /// Those of types up to `attr_type`, and those above.
    #[inline]
    fn split(self, attr_type: AttrType) -> (Self, Self) {
        match self {
            Self::Octets(octets) => {
                let (head, tail) = split_at_type(octets, attr_type);
                (Self::Octets(head), Self::Octets(tail))
            }
            Self::Values(values) => {
                let at = values.iter().position(|value| value.attr_type() > attr_type).unwrap_or(values.len());
                let (head, tail) = values.split_at_checked(at).unwrap_or((values, &[]));
                (Self::Values(head), Self::Values(tail))
            }
        }
    }

    #[inline]
    fn wire_len(self, width: AsWidth) -> usize {
        match self {
            Self::Octets(octets) => octets.len(),
            Self::Values(values) => values.iter().fold(0, |len, value| len.saturating_add(value.wire_len(width))),
        }
    }

    #[inline]
    fn emit(self, width: AsWidth, out: &mut Vec<u8>) {
        match self {
            Self::Octets(octets) => out.extend_from_slice(octets),
            Self::Values(values) => values.iter().for_each(|value| value.emit(width, out)),
        }
    }
}

impl<'a> From<&'a [u8]> for PathAttributes<'a> {
    fn from(octets: &'a [u8]) -> Self {
        Self::Octets(octets)
    }
}

impl<'a> From<&'a Vec<u8>> for PathAttributes<'a> {
    fn from(octets: &'a Vec<u8>) -> Self {
        Self::Octets(octets)
    }
}

impl<'a> From<&'a [Attribute<'a>]> for PathAttributes<'a> {
    fn from(values: &'a [Attribute<'a>]) -> Self {
        Self::Values(values)
    }
}

/// The attributes alone fill a message: the routes cannot be announced on this session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{len} octets of attributes leave no room in a message of {max}")]
pub struct AttributesTooLong {
    /// Octets of the message without any NLRI.
    pub len: usize,
    /// Octets of the longest message.
    pub max: usize,
}

/// Writes one UPDATE behind what a buffer holds already.
///
/// NLRI are pushed until one does not fit; that one begins the next message. [`Self::finish`] completes the message, and leaves
/// the buffer as it was if there was no NLRI.
///
/// ```
/// use bgp_vpn::attr::{AsPathBuf, AsWidth, Attribute, NextHop, Origin};
/// use bgp_vpn::message::{MpPosition, UpdateWriter};
/// use bgp_vpn::nlri::{Family, UnicastNlri};
/// use bgp_vpn::session::{Negotiated, PeerKind};
/// let negotiated = Negotiated { four_octet_as: true, ..Negotiated::baseline(PeerKind::External) };
/// let path = AsPathBuf::sequence([65001]);
/// let mut attributes = Vec::new();
/// Attribute::emit_all(&[Attribute::Origin(Origin::Igp), Attribute::AsPath(path.as_path())], AsWidth::Four, &mut attributes);
/// # use fwd_core::net::Ipv4Prefix;
/// let (mut out, next_hop) = (Vec::new(), NextHop::Ipv4("192.0.2.1".parse().unwrap()));
/// let route = |n: u32| UnicastNlri { path_id: None, prefix: Ipv4Prefix::from_bits(0x0a00_0000 | (n << 8), 24).unwrap() };
/// let mut routes = (0..2000u32).map(route).peekable();
/// while routes.peek().is_some() {
///     let family = Family::IPV4_UNICAST;
///     let mut writer =
///         UpdateWriter::announce(&mut out, &negotiated, family, next_hop, &attributes, MpPosition::First).unwrap();
///     while let Some(_route) = routes.next_if(|route| writer.push(route)) {}
///     writer.finish();
/// }
/// assert_eq!(out.len(), 2 * (23 + 20) + 2000 * 4);
/// ```
#[derive(Debug)]
#[must_use = "a message is complete when `finish` was called"]
pub struct UpdateWriter<'o, 'a> {
    out: &'o mut Vec<u8>,
    /// Where the message begins in `out`.
    start: usize,
    /// Where the NLRI begin.
    nlri_at: usize,
    /// Where the NLRI end at the latest.
    limit: usize,
    format: NlriFormat,
    width: AsWidth,
    shape: Shape<'a>,
}

/// What has to be filled in once the length of the NLRI is known.
#[derive(Clone, Copy, Debug)]
enum Shape<'a> {
    /// NLRI in the Withdrawn Routes field.
    Withdrawn,
    /// NLRI in the field of their own.
    Nlri,
    /// NLRI in an attribute whose header stands here, and the attributes behind it.
    Mp { header_at: usize, tail: PathAttributes<'a> },
}

/// Octets from the start of a message to its Withdrawn Routes field, and to its attributes where nothing is withdrawn.
const WITHDRAWN_AT: usize = Header::LEN + 2;
const ATTRIBUTES_AT: usize = WITHDRAWN_AT + 2;

impl<'o, 'a> UpdateWriter<'o, 'a> {
    /// Begins an UPDATE that announces routes of `family`.
    ///
    /// IPv4 unicast with an IPv4 next hop goes into
    /// NEXT_HOP and the NLRI field, everything else into MP_REACH_NLRI. An IPv6 next hop of an IPv4 family is for sessions that
    /// agreed on it (RFC 8950 §4).
    ///
    /// # Errors
    /// The message is full before the first NLRI.
    pub fn announce(
        out: &'o mut Vec<u8>,
        negotiated: &Negotiated,
        family: Family,
        next_hop: NextHop,
        attributes: impl Into<PathAttributes<'a>>,
        position: MpPosition,
    ) -> Result<Self, AttributesTooLong> {
        Self::announce_within(
            negotiated.max_message_len,
            out,
            negotiated,
            family,
            (next_hop, attributes.into()),
            position,
        )
    }

    /// As [`Self::announce`], in a message of at most `max` octets.
    pub(crate) fn announce_within(
        max: usize,
        out: &'o mut Vec<u8>,
        negotiated: &Negotiated,
        family: Family,
        (next_hop, attributes): (NextHop, PathAttributes<'a>),
        position: MpPosition,
    ) -> Result<Self, AttributesTooLong> {
        let width = AsWidth::of(negotiated);
        let start = out.len();
        let max = max.min(negotiated.max_message_len).min(Header::MAX_EXTENDED_LEN);
        out.reserve(max);
        out.extend_from_slice(&FRAME);
        let shape = match (family, next_hop.in_family(family)) {
            (Family::IPV4_UNICAST, NextHop::Ipv4(address)) => {
                let (head, tail) = attributes.split(AttrType::NEXT_HOP);
                head.emit(width, out);
                Attribute::NextHop(address).emit(width, out);
                tail.emit(width, out);
                Shape::Nlri
            }
            (family, next_hop) => {
                let (head, tail) = match position {
                    MpPosition::First => (PathAttributes::Octets(&[]), attributes),
                    MpPosition::ByType => attributes.split(AttrType::MP_REACH_NLRI),
                };
                head.emit(width, out);
                let header_at = out.len();
                emit_mp_reach(family, next_hop, out);
                Shape::Mp { header_at, tail }
            }
        };
        let nlri_at = out.len();
        let tail_len = if let Shape::Mp { tail, .. } = shape { tail.wire_len(width) } else { 0 };
        let len = nlri_at.saturating_sub(start).saturating_add(tail_len);
        if len >= max {
            out.truncate(start);
            return Err(AttributesTooLong { len, max });
        }
        let limit = start.saturating_add(max).saturating_sub(tail_len);
        Ok(Self { out, start, nlri_at, limit, format: negotiated.send_format(family), width, shape })
    }

    /// Begins an UPDATE that withdraws routes of `family`: IPv4 unicast in the Withdrawn Routes field, everything else in
    /// MP_UNREACH_NLRI. Labels of withdrawn routes are [`Labels::WITHDRAW`](crate::nlri::Labels::WITHDRAW) (RFC 8277 §2.4).
    pub fn withdraw(out: &'o mut Vec<u8>, negotiated: &Negotiated, family: Family) -> Self {
        Self::withdraw_within(negotiated.max_message_len, out, negotiated, family)
    }

    /// As [`Self::withdraw`], in a message of at most `max` octets.
    pub(crate) fn withdraw_within(max: usize, out: &'o mut Vec<u8>, negotiated: &Negotiated, family: Family) -> Self {
        let start = out.len();
        let max = max.min(negotiated.max_message_len).min(Header::MAX_EXTENDED_LEN);
        out.reserve(max);
        out.extend_from_slice(&FRAME);
        let (shape, room_behind) = if family == Family::IPV4_UNICAST {
            // Withdrawn Routes Length stays; Total Path Attribute Length follows the routes.
            out.truncate(start.saturating_add(WITHDRAWN_AT));
            (Shape::Withdrawn, 2)
        } else {
            let header_at = out.len();
            out.extend_from_slice(&mp_header(AttrType::MP_UNREACH_NLRI));
            family.emit(out);
            (Shape::Mp { header_at, tail: PathAttributes::Octets(&[]) }, 0)
        };
        let limit = start.saturating_add(max).saturating_sub(room_behind);
        let nlri_at = out.len();
        Self { out, start, nlri_at, limit, format: negotiated.send_format(family), width: AsWidth::Four, shape }
    }

    /// Adds a route. `false`: it does not fit, and the message is as it was.
    #[inline]
    #[must_use]
    pub fn push<'n, N: Nlri<'n>>(&mut self, nlri: &N) -> bool {
        if self.out.len().saturating_add(nlri.wire_len(self.format)) > self.limit {
            return false;
        }
        nlri.emit(self.format, self.out);
        true
    }

    /// Whether no route was pushed yet.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.out.len() == self.nlri_at
    }

    /// Completes the message and says how many octets it has; none, and nothing is written, if there was no route.
    pub fn finish(self) -> usize {
        let Self { out, start, nlri_at, width, shape, .. } = self;
        if out.len() == nlri_at {
            out.truncate(start);
            return 0;
        }
        let nlri_len = out.len().saturating_sub(nlri_at);
        match shape {
            Shape::Withdrawn => {
                put_u16(out, start.saturating_add(Header::LEN), nlri_len);
                out.extend_from_slice(&[0, 0]);
            }
            Shape::Nlri => {
                let attributes = nlri_at.saturating_sub(start).saturating_sub(ATTRIBUTES_AT);
                put_u16(out, start.saturating_add(WITHDRAWN_AT), attributes);
            }
            Shape::Mp { header_at, tail } => {
                finish_mp(out, header_at);
                tail.emit(width, out);
                let attributes = out.len().saturating_sub(start).saturating_sub(ATTRIBUTES_AT);
                put_u16(out, start.saturating_add(WITHDRAWN_AT), attributes);
            }
        }
        let len = out.len().saturating_sub(start);
        put_u16(out, start.saturating_add(Header::MARKER.len()), len);
        len
    }
}

/// Writes the End-of-RIB marker of a family (RFC 4724 §2).
pub fn emit_end_of_rib(family: Family, out: &mut Vec<u8>) {
    let start = out.len();
    out.extend_from_slice(&FRAME);
    if family != Family::IPV4_UNICAST {
        out.extend_from_slice(&[AttrFlags::OPTIONAL.bits(), AttrType::MP_UNREACH_NLRI.0, 3]);
        family.emit(out);
        put_u16(out, start.saturating_add(WITHDRAWN_AT), 6);
    }
    let len = out.len().saturating_sub(start);
    put_u16(out, start.saturating_add(Header::MARKER.len()), len);
}

/// A header and the two lengths of the body, all lengths to be filled in.
const FRAME: [u8; ATTRIBUTES_AT] = [
    0xff,
    0xff,
    0xff,
    0xff,
    0xff,
    0xff,
    0xff,
    0xff,
    0xff,
    0xff,
    0xff,
    0xff,
    0xff,
    0xff,
    0xff,
    0xff, // marker
    0,
    0,
    MessageType::UPDATE.0,
    0,
    0,
    0,
    0,
];

/// Writes MP_REACH_NLRI up to its NLRI, the length to be filled in.
#[inline]
fn emit_mp_reach(family: Family, next_hop: NextHop, out: &mut Vec<u8>) {
    // Header, AFI, SAFI and next hop length in four octets each, at most 48 of next hop, one reserved.
    let mut fixed = [0u8; 57];
    let mut room = &mut fixed[..];
    room.put_slice(&mp_header(AttrType::MP_REACH_NLRI));
    family.emit(&mut room);
    room.put_u8(u8::try_from(next_hop.wire_len(family)).unwrap_or(u8::MAX));
    next_hop.emit(family, &mut room);
    room.put_u8(0);
    let unused = room.len();
    out.extend_from_slice(fixed.get(..fixed.len().saturating_sub(unused)).unwrap_or(&fixed));
}

/// The header of an attribute with NLRI, in its long form.
const fn mp_header(AttrType(attr_type): AttrType) -> [u8; 4] {
    [AttrFlags::OPTIONAL.union(AttrFlags::EXTENDED_LENGTH).bits(), attr_type, 0, 0]
}

/// Fills in the length of the attribute that goes from `header_at` to the end; a short one gets the short header.
fn finish_mp(out: &mut Vec<u8>, header_at: usize) {
    let value_at = header_at.saturating_add(4);
    let len = out.len().saturating_sub(value_at);
    let length_at = header_at.saturating_add(2);
    match u8::try_from(len) {
        Ok(short) => {
            out.copy_within(value_at.., value_at.saturating_sub(1));
            out.truncate(out.len().saturating_sub(1));
            if let Some([flags, _, length]) = out.get_mut(header_at..).and_then(<[u8]>::first_chunk_mut) {
                *flags = AttrFlags::OPTIONAL.bits();
                *length = short;
            }
        }
        Err(_) => put_u16(out, length_at, len),
    }
}

/// Overwrites two octets. Lengths are bounded by the message's.
fn put_u16(out: &mut [u8], at: usize, value: usize) {
    if let Some(field) = out.get_mut(at..).and_then(<[u8]>::first_chunk_mut::<2>) {
        *field = u16::try_from(value).unwrap_or(u16::MAX).to_be_bytes();
    }
}

/// The attributes of types up to `attr_type`, and those above.
fn split_at_type(attributes: &[u8], attr_type: AttrType) -> (&[u8], &[u8]) {
    let above = RawAttributes::new(attributes).find(|raw| raw.attr_type > attr_type);
    let at = above.map_or(attributes.len(), |raw| {
        let header = if raw.flags.contains(AttrFlags::EXTENDED_LENGTH) { 4 } else { 3 };
        nom::Offset::offset(attributes, raw.value).saturating_sub(header)
    });
    attributes.split_at_checked(at).unwrap_or((attributes, &[]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attr::AsPathBuf;
    use crate::message::Update;
    use crate::nlri::{Labels, RouteDistinguisher, UnicastNlri, VpnNlri};
    use crate::session::PeerKind;
    use fwd_core::net::Ipv4Prefix;

    fn negotiated() -> Negotiated {
        Negotiated { four_octet_as: true, ..Negotiated::baseline(PeerKind::External) }
    }

    fn route(n: u32) -> UnicastNlri<Ipv4Prefix> {
        UnicastNlri { path_id: None, prefix: Ipv4Prefix::from_bits(n << 8, 24).unwrap() }
    }

    const V4: NextHop = NextHop::Ipv4(core::net::Ipv4Addr::new(192, 0, 2, 1));

    /// RFC 8277 §2.4: label 0x800000; RFC 4760 §4.
    ///
    /// Shows: L3VPN-8.2-5, L3VPN-8.3-4
    #[test]
    fn a_withdrawal_octet_for_octet() {
        let (negotiated, mut out) = (negotiated(), Vec::new());
        let mut writer = UpdateWriter::withdraw(&mut out, &negotiated, Family::VPN_IPV4);
        let rd = RouteDistinguisher::two_octet_as(65001, 7);
        let prefix = "10.0.0.0/8".parse::<Ipv4Prefix>().unwrap();
        assert!(writer.is_empty() && writer.push(&VpnNlri { path_id: None, labels: Labels::WITHDRAW, rd, prefix }));
        assert_eq!(writer.finish(), 42);
        assert_eq!(out[16..23], [0, 42, 2, 0, 0, 0, 19]);
        assert_eq!(out[23..29], [0x80, 15, 16, 0, 1, 128]);
        assert_eq!(out[29..], [96, 0x80, 0, 0, 0, 0, 0xfd, 0xe9, 0, 0, 0, 7, 10]);
        out.clear();
        let mut writer = UpdateWriter::withdraw(&mut out, &negotiated, Family::IPV4_UNICAST);
        assert!(writer.push(&route(0x0a_0000)));
        writer.finish();
        assert_eq!(out[16..], [0, 27, 2, 0, 4, 24, 10, 0, 0, 0, 0]);
    }

    /// The message is never longer than agreed, whatever the family, and every route that was taken is in it.
    #[test]
    fn messages_fill_up_to_the_limit() {
        for (max, family, next_hop) in [
            (4096, Family::IPV4_UNICAST, V4),
            (4096, Family::IPV4_MULTICAST, V4),
            (65_535, Family::IPV4_UNICAST, V4),
            (65_535, Family::IPV4_MULTICAST, V4),
        ] {
            let negotiated = Negotiated { max_message_len: max, ..negotiated() };
            let path = AsPathBuf::sequence([1]);
            let all = [Attribute::Origin(crate::attr::Origin::Igp), Attribute::AsPath(path.as_path())];
            let mut octets = Vec::new();
            Attribute::emit_all(&all, AsWidth::Four, &mut octets);
            for attributes in [PathAttributes::Octets(&octets), PathAttributes::Values(&all)] {
                let (mut out, position) = (Vec::new(), MpPosition::ByType);
                let mut writer =
                    UpdateWriter::announce(&mut out, &negotiated, family, next_hop, attributes, position).unwrap();
                let taken = (0..).take_while(|n| writer.push(&route(*n))).count();
                let len = writer.finish();
                assert!(len <= max && len > max - 4 && out.len() == len, "{len}");
                let update = Update::parse(&out[Header::LEN..], &negotiated).unwrap();
                let field = update.mp_reach().map_or(update.nlri_octets().1, |reach| reach.nlri);
                assert_eq!(field.len(), taken * 4);
                assert!(update.faults().is_empty());
            }
            let mut out = Vec::new();
            let mut writer = UpdateWriter::withdraw(&mut out, &negotiated, family);
            while writer.push(&route(1)) {}
            let len = writer.finish();
            assert!(len <= max && len > max - 4, "{len}");
        }
    }

    #[test]
    fn attributes_that_fill_a_message_are_refused_and_nothing_is_written() {
        let path = AsPathBuf::sequence(0..2000);
        let all = [Attribute::AsPath(path.as_path())];
        let mut out = alloc::vec![7];
        for family in [Family::IPV4_UNICAST, Family::VPN_IPV4] {
            let written =
                UpdateWriter::announce(&mut out, &negotiated(), family, V4, &all[..], MpPosition::First).map(|_| ());
            assert!(written.unwrap_err().len > 8000);
            assert_eq!(out, [7]);
        }
        let negotiated = negotiated();
        let writer = UpdateWriter::withdraw(&mut out, &negotiated, Family::VPN_IPV4);
        assert_eq!(writer.finish(), 0);
        assert_eq!(out, [7]);
    }

    /// RFC 7606 §5.1, or the order of types.
    #[test]
    fn mp_reach_first_or_in_its_place() {
        let path = AsPathBuf::new();
        let communities = [0xff, 0xff, 0xff, 1, 0, 2, 0xfd, 0xe9];
        let communities = crate::attr::ExtCommunities::parse(&communities).unwrap();
        let all = [Attribute::AsPath(path.as_path()), Attribute::ExtCommunities(communities)];
        for (position, want) in [(MpPosition::First, [14, 2, 16]), (MpPosition::ByType, [2, 14, 16])] {
            let (negotiated, mut out) = (negotiated(), Vec::new());
            let family = Family::IPV4_MULTICAST;
            let mut writer = UpdateWriter::announce(&mut out, &negotiated, family, V4, &all[..], position).unwrap();
            assert!(writer.push(&route(1)));
            writer.finish();
            let update = Update::parse(&out[Header::LEN..], &negotiated).unwrap();
            assert_eq!(update.attributes().raw().map(|raw| raw.attr_type.0).collect::<Vec<_>>(), want);
        }
    }
}
