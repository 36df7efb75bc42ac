//! Writing UPDATEs: many NLRI behind one set of attributes (RFC 4271 §4.3, RFC 4760, RFC 8950).
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

use alloc::vec::Vec;

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
    Mp { header_at: usize, tail: &'a [u8] },
}

/// Octets from the start of a message to its Withdrawn Routes field, and to its attributes where nothing is withdrawn.
const WITHDRAWN_AT: usize = Header::LEN + 2;
const ATTRIBUTES_AT: usize = WITHDRAWN_AT + 2;

impl<'o, 'a> UpdateWriter<'o, 'a> {
    /// Begins an UPDATE that announces routes of `family`.
    ///
    /// `attributes` are octets as the session takes them (AS numbers of its width), in ascending order of types, without
    /// NEXT_HOP, MP_REACH_NLRI and MP_UNREACH_NLRI: what [`Attribute::emit_all`] and
    /// [`Attributes::emit_canonical`](crate::attr::Attributes::emit_canonical) write. IPv4 unicast with an IPv4 next hop goes into
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
        attributes: &'a [u8],
        position: MpPosition,
    ) -> Result<Self, AttributesTooLong> {
        let start = out.len();
        let max = negotiated.max_message_len.min(Header::MAX_EXTENDED_LEN);
        let shape = match (family, next_hop.in_family(family)) {
            (Family::IPV4_UNICAST, NextHop::Ipv4(address)) => {
                let (head, tail) = split_at_type(attributes, AttrType::NEXT_HOP);
                begin(out, max, &[]);
                out.extend_from_slice(head);
                Attribute::NextHop(address).emit(AsWidth::Four, out);
                out.extend_from_slice(tail);
                Shape::Nlri
            }
            (family, next_hop) => {
                let (head, tail) = match position {
                    MpPosition::First => (&[][..], attributes),
                    MpPosition::ByType => split_at_type(attributes, AttrType::MP_REACH_NLRI),
                };
                begin(out, max, head);
                let header_at = out.len();
                out.extend_from_slice(&mp_header(AttrType::MP_REACH_NLRI));
                family.emit(out);
                out.push(u8::try_from(next_hop.wire_len(family)).unwrap_or(u8::MAX));
                next_hop.emit(family, out);
                out.push(0);
                Shape::Mp { header_at, tail }
            }
        };
        let nlri_at = out.len();
        let tail_len = if let Shape::Mp { tail, .. } = shape { tail.len() } else { 0 };
        let len = nlri_at.saturating_sub(start).saturating_add(tail_len);
        if len >= max {
            out.truncate(start);
            return Err(AttributesTooLong { len, max });
        }
        let limit = start.saturating_add(max).saturating_sub(tail_len);
        Ok(Self { out, start, nlri_at, limit, format: negotiated.send_format(family), shape })
    }

    /// Begins an UPDATE that withdraws routes of `family`: IPv4 unicast in the Withdrawn Routes field, everything else in
    /// MP_UNREACH_NLRI. Labels of withdrawn routes are [`Labels::WITHDRAW`](crate::nlri::Labels::WITHDRAW) (RFC 8277 §2.4).
    pub fn withdraw(out: &'o mut Vec<u8>, negotiated: &Negotiated, family: Family) -> Self {
        let start = out.len();
        let max = negotiated.max_message_len.min(Header::MAX_EXTENDED_LEN);
        let (shape, room_behind) = if family == Family::IPV4_UNICAST {
            begin(out, max, &[]);
            // Withdrawn Routes Length stays; Total Path Attribute Length follows the routes.
            out.truncate(start.saturating_add(WITHDRAWN_AT));
            (Shape::Withdrawn, 2)
        } else {
            begin(out, max, &[]);
            let header_at = out.len();
            out.extend_from_slice(&mp_header(AttrType::MP_UNREACH_NLRI));
            family.emit(out);
            (Shape::Mp { header_at, tail: &[] }, 0)
        };
        let limit = start.saturating_add(max).saturating_sub(room_behind);
        let nlri_at = out.len();
        Self { out, start, nlri_at, limit, format: negotiated.send_format(family), shape }
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
        let Self { out, start, nlri_at, shape, .. } = self;
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
                out.extend_from_slice(tail);
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
    begin(out, ATTRIBUTES_AT, &[]);
    if family != Family::IPV4_UNICAST {
        out.extend_from_slice(&[AttrFlags::OPTIONAL.bits(), AttrType::MP_UNREACH_NLRI.0, 3]);
        family.emit(out);
        put_u16(out, start.saturating_add(WITHDRAWN_AT), 6);
    }
    let len = out.len().saturating_sub(start);
    put_u16(out, start.saturating_add(Header::MARKER.len()), len);
}

/// Header with a length to be filled in, no withdrawn routes, Total Path Attribute Length to be filled in, first attributes.
fn begin(out: &mut Vec<u8>, max: usize, head: &[u8]) {
    out.reserve(max.max(ATTRIBUTES_AT.saturating_add(head.len())));
    let mut fixed = [0u8; ATTRIBUTES_AT];
    let mut room = &mut fixed[..];
    Header { length: 0, message_type: MessageType::UPDATE }.emit(&mut room);
    out.extend_from_slice(&fixed);
    out.extend_from_slice(head);
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
