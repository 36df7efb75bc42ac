//! EVPN NLRI, family 25/70 (RFC 7432 §7, RFC 9136 §3.1).
//!
//! Types 1 to 5 are typed; others are octets. Which octets name a route and which are its attributes (labels, the segment of a MAC
//! address) is in [`super::OpaqueNlri`], for reflectors.

use core::net::IpAddr;

use fwd_core::Fault;
use fwd_core::codec::{self, BufMut, Fail, Take};
use fwd_core::net::Mac;

use super::mcast_vpn::CAddress;
use super::nlris::{emit_path_id, take_path_id, trailing};
use super::{Nlri, NlriFormat, PathId, RouteDistinguisher};
use crate::attr::PmsiLabel;

/// Route Type (RFC 7432 §20.1 and its registry). Unknown values survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct EvpnRouteType(pub u8);

impl EvpnRouteType {
    /// Ethernet Auto-Discovery (RFC 7432 §7.1).
    pub const ETHERNET_AD: Self = Self(1);
    /// MAC/IP Advertisement (RFC 7432 §7.2).
    pub const MAC_IP: Self = Self(2);
    /// Inclusive Multicast Ethernet Tag (RFC 7432 §7.3).
    pub const INCLUSIVE_MULTICAST: Self = Self(3);
    /// Ethernet Segment (RFC 7432 §7.4).
    pub const ETHERNET_SEGMENT: Self = Self(4);
    /// IP Prefix (RFC 9136 §3.1).
    pub const IP_PREFIX: Self = Self(5);
}

/// Ethernet Segment Identifier (RFC 7432 §5): ten octets, the first of which is the type.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Esi(pub [u8; 10]);

impl Esi {
    /// No segment: a single-homed site.
    pub const ZERO: Self = Self([0; 10]);
    /// All ones: reserved (RFC 7432 §5).
    pub const MAX: Self = Self([0xff; 10]);

    fn take(i: &[u8]) -> Take<'_, Self> {
        codec::array(i, "Ethernet segment identifier").map(|(i, octets)| (i, Self(octets)))
    }
}

impl core::fmt::Debug for Esi {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        for (n, octet) in self.0.iter().enumerate() {
            write!(f, "{}{octet:02x}", if n == 0 { "" } else { ":" })?;
        }
        Ok(())
    }
}

/// A label field: an MPLS label in the high 20 bits, or a virtual network identifier in all 24 (RFC 8365 §5.1.3).
pub type EvpnLabel = PmsiLabel;

/// A route of EVPN.
///
/// ```text
/// type 1: RD (8), ESI (10), Ethernet Tag (4), label (3)
/// type 2: RD (8), ESI (10), Ethernet Tag (4), 48 (1), MAC (6), IP length in bits (1), IP (0, 4, 16), label (3), label (0, 3)
/// type 3: RD (8), Ethernet Tag (4), IP length in bits (1), originating router (4, 16)
/// type 4: RD (8), ESI (10), IP length in bits (1), originating router (4, 16)
/// type 5: RD (8), ESI (10), Ethernet Tag (4), prefix length in bits (1), prefix (4, 16), gateway (4, 16), label (3)
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EvpnRoute<'a> {
    /// Type 1: an Ethernet segment, or one of its tags, is reachable.
    EthernetAd {
        /// Route distinguisher.
        rd: RouteDistinguisher,
        /// Segment.
        esi: Esi,
        /// Ethernet Tag ID; all ones for the segment as a whole.
        tag: u32,
        /// Label.
        label: EvpnLabel,
    },
    /// Type 2: a MAC address, and an IP address that goes with it.
    MacIp {
        /// Route distinguisher.
        rd: RouteDistinguisher,
        /// Segment.
        esi: Esi,
        /// Ethernet Tag ID.
        tag: u32,
        /// MAC address.
        mac: Mac,
        /// IP address.
        ip: Option<IpAddr>,
        /// Label of the bridge domain.
        label: EvpnLabel,
        /// Label of the VRF.
        label2: Option<EvpnLabel>,
    },
    /// Type 3: a PE takes part in flooding.
    InclusiveMulticast {
        /// Route distinguisher.
        rd: RouteDistinguisher,
        /// Ethernet Tag ID.
        tag: u32,
        /// The PE.
        originator: IpAddr,
    },
    /// Type 4: a PE is on a segment.
    EthernetSegment {
        /// Route distinguisher.
        rd: RouteDistinguisher,
        /// Segment.
        esi: Esi,
        /// The PE.
        originator: IpAddr,
    },
    /// Type 5: an IP prefix.
    IpPrefix {
        /// Route distinguisher.
        rd: RouteDistinguisher,
        /// Segment, as overlay index.
        esi: Esi,
        /// Ethernet Tag ID.
        tag: u32,
        /// Prefix length in bits.
        bits: u8,
        /// The prefix; bits beyond its length are kept.
        prefix: IpAddr,
        /// Gateway, of the prefix's family; unspecified if there is none.
        gateway: IpAddr,
        /// Label.
        label: EvpnLabel,
    },
    /// Any other type: octets.
    Other {
        /// The type.
        route_type: EvpnRouteType,
        /// The body, at most 255 octets.
        body: &'a [u8],
    },
}

/// An NLRI of family 25/70: route type (1), length (1), route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct EvpnNlri<'a> {
    /// Path identifier, where the session has them.
    pub path_id: Option<PathId>,
    /// The route.
    pub route: EvpnRoute<'a>,
}

/// Takes a length in bits and an address of 0, 4 or 16 octets.
fn take_ip<'a>(i: &'a [u8], field: &'static str) -> Take<'a, Option<IpAddr>> {
    let at = i;
    let (i, bits) = codec::be_u8(i, field)?;
    match bits {
        0 => Ok((i, None)),
        32 => codec::array::<4>(i, field).map(|(i, octets)| (i, Some(octets.into()))),
        128 => codec::array::<16>(i, field).map(|(i, octets)| (i, Some(octets.into()))),
        _ => Err(Fail::new(at, field, Fault::Length(usize::from(bits)))),
    }
}

fn take_originator(i: &[u8]) -> Take<'_, IpAddr> {
    match take_ip(i, "originating router")? {
        (rest, Some(address)) => Ok((rest, address)),
        (_, None) => Err(Fail::new(i, "originating router", Fault::Length(0))),
    }
}

fn take_label(i: &[u8]) -> Take<'_, EvpnLabel> {
    codec::array(i, "label").map(|(i, octets)| (i, PmsiLabel(octets)))
}

fn emit_ip(address: Option<IpAddr>, out: &mut impl BufMut) {
    match address {
        None => out.put_u8(0),
        Some(address) => {
            out.put_u8(if address.is_ipv4() { 32 } else { 128 });
            address.put(out);
        }
    }
}

impl<'a> EvpnRoute<'a> {
    /// Takes the body of a route of this type.
    ///
    /// # Errors
    /// A body that does not follow its type.
    pub fn take(route_type: EvpnRouteType, i: &'a [u8]) -> Take<'a, Self> {
        match route_type {
            EvpnRouteType::ETHERNET_AD => {
                let (i, rd) = RouteDistinguisher::take(i)?;
                let (i, esi) = Esi::take(i)?;
                let (i, tag) = codec::be_u32(i, "Ethernet Tag ID")?;
                let (i, label) = take_label(i)?;
                Ok((i, Self::EthernetAd { rd, esi, tag, label }))
            }
            EvpnRouteType::MAC_IP => take_mac_ip(i),
            EvpnRouteType::INCLUSIVE_MULTICAST => {
                let (i, rd) = RouteDistinguisher::take(i)?;
                let (i, tag) = codec::be_u32(i, "Ethernet Tag ID")?;
                let (i, originator) = take_originator(i)?;
                Ok((i, Self::InclusiveMulticast { rd, tag, originator }))
            }
            EvpnRouteType::ETHERNET_SEGMENT => {
                let (i, rd) = RouteDistinguisher::take(i)?;
                let (i, esi) = Esi::take(i)?;
                let (i, originator) = take_originator(i)?;
                Ok((i, Self::EthernetSegment { rd, esi, originator }))
            }
            EvpnRouteType::IP_PREFIX => take_ip_prefix(i),
            _ => Ok((&[], Self::Other { route_type, body: i })),
        }
    }

    /// The type.
    #[must_use]
    pub const fn route_type(&self) -> EvpnRouteType {
        match self {
            Self::EthernetAd { .. } => EvpnRouteType::ETHERNET_AD,
            Self::MacIp { .. } => EvpnRouteType::MAC_IP,
            Self::InclusiveMulticast { .. } => EvpnRouteType::INCLUSIVE_MULTICAST,
            Self::EthernetSegment { .. } => EvpnRouteType::ETHERNET_SEGMENT,
            Self::IpPrefix { .. } => EvpnRouteType::IP_PREFIX,
            Self::Other { route_type, .. } => *route_type,
        }
    }

    /// Octets of the body.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        let ip = |address: &IpAddr| address.octet_len();
        match self {
            Self::EthernetAd { .. } => 25,
            Self::MacIp { ip: address, label2, .. } => {
                let address = address.as_ref().map_or(0, ip);
                address.saturating_add(if label2.is_some() { 36 } else { 33 })
            }
            Self::InclusiveMulticast { originator, .. } => ip(originator).saturating_add(13),
            Self::EthernetSegment { originator, .. } => ip(originator).saturating_add(19),
            Self::IpPrefix { prefix, .. } => ip(prefix).saturating_mul(2).saturating_add(26),
            Self::Other { body, .. } => body.len(),
        }
    }

    /// Writes the body.
    pub fn emit(&self, out: &mut impl BufMut) {
        match *self {
            Self::EthernetAd { rd, esi, tag, label } => {
                rd.emit(out);
                out.put_slice(&esi.0);
                out.put_u32(tag);
                out.put_slice(&label.0);
            }
            Self::MacIp { rd, esi, tag, mac, ip, label, label2 } => {
                rd.emit(out);
                out.put_slice(&esi.0);
                out.put_u32(tag);
                out.put_u8(48);
                out.put_slice(&mac.0);
                emit_ip(ip, out);
                out.put_slice(&label.0);
                out.put_slice(label2.as_ref().map_or(&[], |label| &label.0[..]));
            }
            Self::InclusiveMulticast { rd, tag, originator } => {
                rd.emit(out);
                out.put_u32(tag);
                emit_ip(Some(originator), out);
            }
            Self::EthernetSegment { rd, esi, originator } => {
                rd.emit(out);
                out.put_slice(&esi.0);
                emit_ip(Some(originator), out);
            }
            Self::IpPrefix { rd, esi, tag, bits, prefix, gateway, label } => {
                rd.emit(out);
                out.put_slice(&esi.0);
                out.put_u32(tag);
                out.put_u8(bits);
                prefix.put(out);
                gateway.put(out);
                out.put_slice(&label.0);
            }
            Self::Other { body, .. } => out.put_slice(body),
        }
    }
}

fn take_mac_ip(i: &[u8]) -> Take<'_, EvpnRoute<'_>> {
    let (i, rd) = RouteDistinguisher::take(i)?;
    let (i, esi) = Esi::take(i)?;
    let (i, tag) = codec::be_u32(i, "Ethernet Tag ID")?;
    let at = i;
    let (i, bits) = codec::be_u8(i, "MAC address length")?;
    if bits != 48 {
        return Err(Fail::new(at, "MAC address length", Fault::Length(usize::from(bits))));
    }
    let (i, mac) = codec::array(i, "MAC address")?;
    let (i, ip) = take_ip(i, "IP address")?;
    let (i, label) = take_label(i)?;
    let (i, label2) = match i {
        [] => (i, None),
        _ => take_label(i).map(|(i, label)| (i, Some(label)))?,
    };
    Ok((i, EvpnRoute::MacIp { rd, esi, tag, mac: Mac(mac), ip, label, label2 }))
}

fn take_ip_prefix(i: &[u8]) -> Take<'_, EvpnRoute<'_>> {
    // RFC 9136 §3.1: the length of the route tells the family.
    let (at, octets) = match i.len() {
        34 => (i, 4),
        58 => (i, 16),
        len => return Err(Fail::new(i, "IP prefix route", Fault::Length(len))),
    };
    let (i, rd) = RouteDistinguisher::take(at)?;
    let (i, esi) = Esi::take(i)?;
    let (i, tag) = codec::be_u32(i, "Ethernet Tag ID")?;
    let at = i;
    let (i, bits) = codec::be_u8(i, "IP prefix length")?;
    let (i, prefix) = codec::octets(i, octets, "IP prefix")?;
    let (i, gateway) = codec::octets(i, octets, "gateway")?;
    let (i, label) = take_label(i)?;
    match (IpAddr::from_wire(prefix), IpAddr::from_wire(gateway)) {
        (Some(prefix), Some(gateway)) if usize::from(bits) <= octets.saturating_mul(8) => {
            Ok((i, EvpnRoute::IpPrefix { rd, esi, tag, bits, prefix, gateway, label }))
        }
        _ => Err(Fail::new(at, "IP prefix length", Fault::Length(usize::from(bits)))),
    }
}

impl<'a> Nlri<'a> for EvpnNlri<'a> {
    fn take(i: &'a [u8], format: NlriFormat) -> Take<'a, Self> {
        let (i, path_id) = take_path_id(i, format)?;
        let (i, route_type) = codec::be_u8(i, "route type")?;
        let (i, len) = codec::be_u8(i, "length")?;
        let (rest, body) = codec::octets(i, usize::from(len), "route")?;
        match EvpnRoute::take(EvpnRouteType(route_type), body)? {
            ([], route) => Ok((rest, Self { path_id, route })),
            (surplus, _) => Err(trailing(surplus)),
        }
    }

    fn wire_len(&self, format: NlriFormat) -> usize {
        self.route.wire_len().saturating_add(if format.add_path { 6 } else { 2 })
    }

    fn emit(&self, format: NlriFormat, out: &mut impl BufMut) {
        emit_path_id(self.path_id, format, out);
        out.put_slice(&[self.route.route_type().0, u8::try_from(self.route.wire_len()).unwrap_or(u8::MAX)]);
        self.route.emit(out);
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for EvpnNlri<'a> {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let (path_id, rd, tag, label) = (u.arbitrary()?, u.arbitrary()?, u.arbitrary()?, u.arbitrary()?);
        let esi = u.arbitrary()?;
        let route = match u.int_in_range(0..=5)? {
            0 => EvpnRoute::EthernetAd { rd, esi, tag, label },
            1 => {
                let (mac, ip, label2) = (Mac(u.arbitrary()?), u.arbitrary()?, u.arbitrary()?);
                EvpnRoute::MacIp { rd, esi, tag, mac, ip, label, label2 }
            }
            2 => EvpnRoute::InclusiveMulticast { rd, tag, originator: u.arbitrary()? },
            3 => EvpnRoute::EthernetSegment { rd, esi, originator: u.arbitrary()? },
            4 => {
                let bits = u.int_in_range(0..=32)?;
                let (prefix, gateway) = if u.arbitrary()? {
                    (IpAddr::V4(u.arbitrary()?), IpAddr::V4(u.arbitrary()?))
                } else {
                    (IpAddr::V6(u.arbitrary()?), IpAddr::V6(u.arbitrary()?))
                };
                EvpnRoute::IpPrefix { rd, esi, tag, bits, prefix, gateway, label }
            }
            _ => EvpnRoute::Other {
                route_type: EvpnRouteType(u.int_in_range(6..=255)?),
                body: <&[u8]>::arbitrary(u).map(|body| body.get(..255).unwrap_or(body))?,
            },
        };
        Ok(Self { path_id, route })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    const FORMAT: NlriFormat = NlriFormat { add_path: false, multiple_labels: false };
    const RD: [u8; 8] = [0, 1, 192, 0, 2, 1, 0, 7];

    fn same(route: EvpnRoute<'_>, route_type: u8, body: &[&[u8]]) {
        let body = body.concat();
        let octets = [&[route_type, u8::try_from(body.len()).unwrap()], &body[..]].concat();
        let nlri = EvpnNlri { path_id: None, route };
        assert_eq!(EvpnNlri::take(&octets, FORMAT), Ok((&[][..], nlri)));
        let mut out = Vec::new();
        nlri.emit(FORMAT, &mut out);
        assert_eq!((&out, out.len()), (&octets, nlri.wire_len(FORMAT)));
        assert!((0..octets.len()).all(|len| EvpnNlri::take(&octets[..len], FORMAT).is_err()));
    }

    #[test]
    fn the_five_types_octet_for_octet() {
        let rd = RouteDistinguisher::from_octets(RD);
        let esi = Esi([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
        let (label, label2) = (PmsiLabel([0, 0x06, 0x41]), Some(PmsiLabel([0, 0x0c, 0x81])));
        let (mac, pe): (_, IpAddr) = (Mac([2, 0, 0, 0, 0, 1]), [192, 0, 2, 1].into());
        let pe6: IpAddr = "2001:db8::1".parse().unwrap();
        let six = "2001:db8::1".parse::<core::net::Ipv6Addr>().unwrap().octets();
        let tag = 7;
        same(EvpnRoute::EthernetAd { rd, esi, tag, label }, 1, &[&RD, &esi.0, &[0, 0, 0, 7], &label.0]);
        let start = [&RD[..], &esi.0, &[0, 0, 0, 7, 48, 2, 0, 0, 0, 0, 1]].concat();
        for (ip, octets) in
            [(None, &[0][..]), (Some(pe), &[32, 192, 0, 2, 1]), (Some(pe6), &[&[128], &six[..]].concat())]
        {
            let route = EvpnRoute::MacIp { rd, esi, tag, mac, ip, label, label2: None };
            same(route, 2, &[&start, octets, &label.0]);
            let route = EvpnRoute::MacIp { rd, esi, tag, mac, ip, label, label2 };
            same(route, 2, &[&start, octets, &label.0, &[0, 0x0c, 0x81]]);
        }
        let route = EvpnRoute::InclusiveMulticast { rd, tag, originator: pe };
        same(route, 3, &[&RD, &[0, 0, 0, 7, 32, 192, 0, 2, 1]]);
        let route = EvpnRoute::EthernetSegment { rd, esi, originator: pe6 };
        same(route, 4, &[&RD, &esi.0, &[128], &six]);
        let (prefix, gateway): (IpAddr, IpAddr) = ([10, 0, 0, 0].into(), [0; 4].into());
        let route = EvpnRoute::IpPrefix { rd, esi: Esi::ZERO, tag, bits: 8, prefix, gateway, label };
        same(route, 5, &[&RD, &[0; 10], &[0, 0, 0, 7, 8, 10, 0, 0, 0, 0, 0, 0, 0], &label.0]);
        let route = EvpnRoute::Other { route_type: EvpnRouteType(6), body: &[1, 2] };
        same(route, 6, &[&[1, 2]]);
    }

    #[test]
    fn lengths_that_are_none() {
        let body = [&RD[..], &[0; 14], &[47], &[0; 11]].concat();
        assert!(EvpnRoute::take(EvpnRouteType::MAC_IP, &body).is_err());
        let prefix = [&RD[..], &[0; 14], &[33], &[0; 11]].concat();
        assert!(EvpnRoute::take(EvpnRouteType::IP_PREFIX, &prefix).is_err());
        let originator = [&RD[..], &[0; 4], &[0]].concat();
        assert!(EvpnRoute::take(EvpnRouteType::INCLUSIVE_MULTICAST, &originator).is_err());
    }
}
