//! Join attributes (RFC 5384 §3.1): 0 RPF Vector, 1 MVPN Join, 2 MT-ID, 3 Pop-Count.

use core::iter::FusedIterator;
use core::net::IpAddr;

use alloc::vec::Vec;
use bgp_vpn::nlri::RouteDistinguisher;
use fwd_core::Fault;
use fwd_core::codec::{self, BufMut, Fail, Take};

use super::encoded::{AddressFamily, emit_address, emit_unicast, take_address, take_unicast};

/// The type of an attribute, six bits; unknown values survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct JoinAttributeType(pub u8);

impl JoinAttributeType {
    /// RPF Vector (RFC 5496 §5).
    pub const RPF_VECTOR: Self = Self(0);
    /// MVPN Join (RFC 6513 §8.1.3.2).
    pub const MVPN_JOIN: Self = Self(1);
    /// MT-ID (RFC 6420 §5.2).
    pub const MT_ID: Self = Self(2);
    /// Pop-Count (RFC 6807 §3).
    pub const POP_COUNT: Self = Self(3);
}

const FORWARD: u8 = 0x80;
const END: u8 = 0x40;

/// The value of an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum JoinAttributeValue<'a> {
    /// The router to resolve the RPF neighbour towards (RFC 5496 §3).
    RpfVector(IpAddr),
    /// The router towards which the Join goes, and the RD of the tunnel's A-D route (RFC 6513 §8.1.3.2).
    MvpnJoin {
        /// The exit from the AS, or the upstream PE.
        proxy: IpAddr,
        /// From the NLRI of the A-D route.
        rd: RouteDistinguisher,
    },
    /// PIM MT-ID, at most 4095: the topology in which the RPF lookup is done; 0 is ignored (RFC 6420 §4.2.3).
    MtId(u16),
    /// Population count, six octets or more (RFC 6807 §3), as received.
    PopCount(&'a [u8]),
    /// Another type's.
    Other(JoinAttributeType, &'a [u8]),
}

/// A Join attribute.
///
/// ```text
/// +---+---+-----------+------------+-------+
/// | F | E | Type (6b) | Length (1) | Value |
/// +---+---+-----------+------------+-------+
/// ```
///
/// F: a router that does not know the type forwards it. E marks the last one of a source; [`JoinAttributes`] keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JoinAttribute<'a> {
    /// F.
    pub transitive: bool,
    /// Type and value.
    pub value: JoinAttributeValue<'a>,
}

impl<'a> JoinAttribute<'a> {
    fn take(i: &'a [u8], family: AddressFamily) -> Take<'a, (Self, bool)> {
        let (rest, [head, len]) = codec::array::<2>(i, "join attribute")?;
        let (rest, v) = codec::octets(rest, usize::from(len), "join attribute value")?;
        let value = match JoinAttributeType(head & 0x3f) {
            JoinAttributeType::RPF_VECTOR => {
                // An Encoded-Unicast address (RFC 5496 §4); some routers leave family and encoding out.
                let bare = match v.len() {
                    4 => Some(AddressFamily::V4),
                    16 => Some(AddressFamily::V6),
                    _ => None,
                };
                JoinAttributeValue::RpfVector(exactly(v, |i| match bare {
                    Some(family) => take_address(i, family, "rpf vector"),
                    None => take_unicast(i, "rpf vector"),
                })?)
            }
            JoinAttributeType::MVPN_JOIN => exactly(v, |i| {
                let (i, proxy) = take_address(i, family, "mvpn join proxy")?;
                let (i, rd) = RouteDistinguisher::take(i)?;
                Ok((i, JoinAttributeValue::MvpnJoin { proxy, rd }))
            })?,
            JoinAttributeType::MT_ID => JoinAttributeValue::MtId(exactly(v, |i| codec::be_u16(i, "mt-id"))? & 0x0fff),
            JoinAttributeType::POP_COUNT if v.len() < 6 => {
                return Err(Fail::new(v, "pop-count", Fault::Length(v.len())));
            }
            JoinAttributeType::POP_COUNT => JoinAttributeValue::PopCount(v),
            other => JoinAttributeValue::Other(other, v),
        };
        Ok((rest, (Self { transitive: head & FORWARD != 0, value }, head & END != 0)))
    }
}

/// Runs `take` over all of an attribute's value.
fn exactly<'a, T>(v: &'a [u8], take: impl FnOnce(&'a [u8]) -> Take<'a, T>) -> Result<T, nom::Err<Fail<'a>>> {
    match take(v)? {
        ([], value) => Ok(value),
        (rest, _) => Err(Fail::new(rest, "join attribute length", Fault::Trailing(rest.len()))),
    }
}

/// The attributes of one source, as octets that were checked when they were taken or written.
#[derive(Clone, Copy, Debug, Default)]
pub struct JoinAttributes<'a> {
    octets: &'a [u8],
    v6: bool,
}

/// Equal in what they say: reserved bits do not count.
impl PartialEq for JoinAttributes<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for JoinAttributes<'_> {}

/// Takes attributes up to the one marked as the last.
pub(super) fn take_attributes(i: &[u8], family: AddressFamily) -> Take<'_, JoinAttributes<'_>> {
    let mut rest = i;
    loop {
        let (after, (_, end)) = JoinAttribute::take(rest, family)?;
        rest = after;
        if end {
            break;
        }
    }
    let (rest, octets) = codec::octets(i, i.len().saturating_sub(rest.len()), "join attributes")?;
    Ok((rest, JoinAttributes { octets, v6: family == AddressFamily::V6 }))
}

impl<'a> JoinAttributes<'a> {
    /// No attributes.
    pub const NONE: Self = Self { octets: &[], v6: false };

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.octets.is_empty()
    }

    /// The attributes in order.
    #[must_use]
    pub const fn iter(&self) -> JoinAttributeIter<'a> {
        JoinAttributeIter { octets: self.octets, family: if self.v6 { AddressFamily::V6 } else { AddressFamily::V4 } }
    }

    /// Octets of all attributes.
    #[must_use]
    pub const fn wire_len(&self) -> usize {
        self.octets.len()
    }

    /// Writes them.
    pub fn emit(&self, out: &mut impl BufMut) {
        out.put_slice(self.octets);
    }
}

impl<'a> IntoIterator for JoinAttributes<'a> {
    type Item = JoinAttribute<'a>;
    type IntoIter = JoinAttributeIter<'a>;

    fn into_iter(self) -> JoinAttributeIter<'a> {
        self.iter()
    }
}

/// Iterates over the attributes of one source.
#[derive(Clone, Debug)]
pub struct JoinAttributeIter<'a> {
    octets: &'a [u8],
    family: AddressFamily,
}

impl<'a> Iterator for JoinAttributeIter<'a> {
    type Item = JoinAttribute<'a>;

    fn next(&mut self) -> Option<JoinAttribute<'a>> {
        let taken = JoinAttribute::take(self.octets, self.family);
        self.octets = &[];
        let (rest, (attribute, end)) = taken.ok()?;
        if !end {
            self.octets = rest;
        }
        Some(attribute)
    }
}

impl FusedIterator for JoinAttributeIter<'_> {}

/// Attributes to be written: the octets of a list, with E on the last one.
#[derive(Clone, Debug, Default)]
pub struct JoinAttributesBuf {
    octets: Vec<u8>,
    last: usize,
    v6: bool,
}

/// Equal in their octets: an empty list is of no family.
impl PartialEq for JoinAttributesBuf {
    fn eq(&self, other: &Self) -> bool {
        self.octets == other.octets
    }
}

impl Eq for JoinAttributesBuf {}

impl JoinAttributesBuf {
    /// No attributes, for a source of this family.
    #[must_use]
    pub const fn new(family: AddressFamily) -> Self {
        Self { octets: Vec::new(), last: 0, v6: matches!(family, AddressFamily::V6) }
    }

    /// Adds an attribute at the end. Gives `false` and adds nothing if the value exceeds 255 octets, is a Pop-Count below
    /// six, an MT-ID above 4095, a proxy of the other family, or an `Other` of a known type.
    pub fn push(&mut self, attribute: JoinAttribute<'_>) -> bool {
        let mut value = Vec::new();
        let kind = match attribute.value {
            JoinAttributeValue::RpfVector(addr) => {
                emit_unicast(addr, &mut value);
                JoinAttributeType::RPF_VECTOR
            }
            JoinAttributeValue::MvpnJoin { proxy, rd } => {
                if proxy.is_ipv6() != self.v6 {
                    return false;
                }
                emit_address(proxy, &mut value);
                rd.emit(&mut value);
                JoinAttributeType::MVPN_JOIN
            }
            JoinAttributeValue::MtId(id @ 0..=0x0fff) => {
                value.put_u16(id);
                JoinAttributeType::MT_ID
            }
            JoinAttributeValue::PopCount(v) if v.len() >= 6 => {
                value.put_slice(v);
                JoinAttributeType::POP_COUNT
            }
            JoinAttributeValue::Other(kind, v) if (4..0x40).contains(&kind.0) => {
                value.put_slice(v);
                kind
            }
            JoinAttributeValue::MtId(_) | JoinAttributeValue::PopCount(_) | JoinAttributeValue::Other(..) => {
                return false;
            }
        };
        let Ok(len) = u8::try_from(value.len()) else { return false };
        if let Some(head) = self.octets.get_mut(self.last) {
            *head &= !END;
        }
        self.last = self.octets.len();
        self.octets.put_u8(END | kind.0 | if attribute.transitive { FORWARD } else { 0 });
        self.octets.put_u8(len);
        self.octets.put_slice(&value);
        true
    }

    /// The view that a source carries.
    #[must_use]
    pub fn as_attributes(&self) -> JoinAttributes<'_> {
        JoinAttributes { octets: &self.octets, v6: self.v6 }
    }
}

impl From<JoinAttributes<'_>> for JoinAttributesBuf {
    fn from(attributes: JoinAttributes<'_>) -> Self {
        let mut buf = Self { octets: Vec::new(), last: 0, v6: attributes.v6 };
        for attribute in attributes {
            buf.push(attribute);
        }
        buf
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(octets: &[u8]) -> Result<JoinAttributes<'_>, fwd_core::Malformed> {
        codec::all(octets, |i| take_attributes(i, AddressFamily::V4))
    }

    /// Shows: L3VPN-8.8-10
    #[test]
    fn the_four_attributes_both_ways() {
        let octets = [
            0x80, 6, 1, 0, 192, 0, 2, 1, // RPF Vector, transitive
            0x01, 12, 192, 0, 2, 2, 0, 0, 0xfd, 0xe8, 0, 0, 0, 9, // MVPN Join
            0x02, 2, 0, 5, // MT-ID
            0x03, 6, 5, 220, 0, 3, 0, 0, // Pop-Count
            0x49, 1, 0xff, // type 9, the last
        ];
        let attributes = all(&octets).unwrap();
        let got: Vec<_> = attributes.iter().collect();
        assert_eq!(got.len(), 5);
        assert_eq!(got[0].value, JoinAttributeValue::RpfVector([192, 0, 2, 1].into()));
        assert!(got[0].transitive && !got[1].transitive);
        let JoinAttributeValue::MvpnJoin { proxy, rd } = got[1].value else { panic!("{:?}", got[1]) };
        assert_eq!((proxy, rd), ([192, 0, 2, 2].into(), "65000:9".parse().unwrap()));
        assert_eq!(got[2].value, JoinAttributeValue::MtId(5));
        let buf = JoinAttributesBuf::from(attributes);
        assert_eq!(buf.as_attributes().octets, octets);
    }

    #[test]
    fn a_list_without_an_end_and_values_of_wrong_length_are_faults() {
        assert!(all(&[0, 4, 1, 2, 3, 4]).is_err());
        assert!(all(&[0x40, 5, 1, 2, 3, 4, 5]).is_err());
        assert!(all(&[0x42, 3, 0, 0, 0]).is_err());
        assert!(all(&[0x43, 5, 0, 0, 0, 0, 0]).is_err());
        assert!(all(&[0x41, 4, 0, 0, 0, 0]).is_err());
    }

    /// RFC 5496 §4 and what some send: both are read, the former is written.
    #[test]
    fn a_vector_with_and_without_family() {
        let (encoded, bare) = ([0x40, 6, 1, 0, 192, 0, 2, 1], [0x40, 4, 192, 0, 2, 1]);
        assert_eq!(all(&encoded).unwrap(), all(&bare).unwrap());
        assert_eq!(JoinAttributesBuf::from(all(&bare).unwrap()).octets, encoded);
        assert!(all(&[0x40, 6, 1, 1, 192, 0, 2, 1]).is_err() && all(&[0x40, 6, 2, 0, 192, 0, 2, 1]).is_err());
    }

    #[test]
    fn what_the_wire_cannot_hold_is_not_pushed() {
        let mut buf = JoinAttributesBuf::new(AddressFamily::V4);
        let mut push = |value| buf.push(JoinAttribute { transitive: false, value });
        assert!(!push(JoinAttributeValue::MtId(0x1000)));
        assert!(!push(JoinAttributeValue::PopCount(&[0; 5])));
        assert!(!push(JoinAttributeValue::Other(JoinAttributeType(1), &[])));
        assert!(!push(JoinAttributeValue::Other(JoinAttributeType(64), &[])));
        assert!(!push(JoinAttributeValue::Other(JoinAttributeType(9), &[0; 256])));
        assert!(push(JoinAttributeValue::Other(JoinAttributeType(9), &[0; 255])));
    }
}
