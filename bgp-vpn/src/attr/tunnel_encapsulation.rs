//! Tunnel Encapsulation (RFC 9012 §2, §3).

use core::net::IpAddr;

use fwd_core::Malformed;
use fwd_core::codec::{self, BufMut, Take};

use super::ext_community::{Color, ExtCommunity, TypedCommunity};

/// A tunnel type of the registry "BGP Tunnel Encapsulation Attribute Tunnel Types". Unknown values survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct TunnelType(pub u16);

impl TunnelType {
    /// L2TPv3 over IP (RFC 9012 §3.2.3).
    pub const L2TPV3: Self = Self(1);
    /// GRE (RFC 9012 §3.2.4).
    pub const GRE: Self = Self(2);
    /// IP in IP (RFC 9012 §5).
    pub const IP_IN_IP: Self = Self(7);
    /// VXLAN (RFC 9012 §3.2.1).
    pub const VXLAN: Self = Self(8);
    /// NVGRE (RFC 9012 §3.2.2).
    pub const NVGRE: Self = Self(9);
    /// MPLS (RFC 9012 §14.2 keeps it registered).
    pub const MPLS: Self = Self(10);
    /// MPLS in GRE (RFC 9012 §3.2.5).
    pub const MPLS_IN_GRE: Self = Self(11);
    /// MPLS in UDP (RFC 7510 §7).
    pub const MPLS_IN_UDP: Self = Self(13);
}

/// The type of a sub-TLV. Unknown values survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct SubTlvType(pub u8);

impl SubTlvType {
    /// Encapsulation (RFC 9012 §3.2).
    pub const ENCAPSULATION: Self = Self(1);
    /// Protocol Type (RFC 9012 §3.4.1).
    pub const PROTOCOL_TYPE: Self = Self(2);
    /// Color (RFC 9012 §3.4.2).
    pub const COLOR: Self = Self(4);
    /// Tunnel Egress Endpoint (RFC 9012 §3.1).
    pub const EGRESS_ENDPOINT: Self = Self(6);
    /// DS Field (RFC 9012 §3.3.1).
    pub const DS_FIELD: Self = Self(7);
    /// UDP Destination Port (RFC 9012 §3.3.2).
    pub const UDP_DESTINATION_PORT: Self = Self(8);
    /// Embedded Label Handling (RFC 9012 §3.5).
    pub const EMBEDDED_LABEL_HANDLING: Self = Self(9);
    /// MPLS Label Stack (RFC 9012 §3.6).
    pub const MPLS_LABEL_STACK: Self = Self(10);
    /// Prefix-SID (RFC 9012 §3.7).
    pub const PREFIX_SID: Self = Self(11);

    /// Whether the length field has two octets: types from 128 on (RFC 9012 §2).
    #[must_use]
    pub const fn has_long_length(self) -> bool {
        self.0 >= 128
    }
}

/// A sub-TLV as octets.
///
/// ```text
/// +-----------------+--------------------+------------------+
/// | Type (1)        | Length (1 or 2)    | Value            |
/// +-----------------+--------------------+------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RawSubTlv<'a> {
    /// Type.
    pub sub_type: SubTlvType,
    /// Value.
    pub value: &'a [u8],
}

impl<'a> RawSubTlv<'a> {
    /// Takes one sub-TLV.
    ///
    /// # Errors
    /// Truncated input.
    pub fn take(i: &'a [u8]) -> Take<'a, Self> {
        let (i, sub_type) = codec::be_u8(i, "sub-TLV type")?;
        let sub_type = SubTlvType(sub_type);
        let (i, len) = if sub_type.has_long_length() {
            codec::be_u16(i, "sub-TLV length")?
        } else {
            let (i, len) = codec::be_u8(i, "sub-TLV length")?;
            (i, u16::from(len))
        };
        let (i, value) = codec::octets(i, usize::from(len), "sub-TLV value")?;
        Ok((i, Self { sub_type, value }))
    }
}

/// What a sub-TLV of a known type says. What does not fit its type is [`Self::Other`], which RFC 9012 §13 has ignored or, for an
/// egress endpoint, makes the tunnel unusable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SubTlv<'a> {
    /// Parameters of an L2TPv3 session, of tunnel type 1: session ID, not zero, and a cookie of 0 to 8 octets.
    L2tpv3 {
        /// Session ID.
        session: u32,
        /// Cookie.
        cookie: &'a [u8],
    },
    /// The key of a GRE tunnel, of tunnel types 2 and 11.
    GreKey(u32),
    /// The Ethertype of the payload.
    ProtocolType(u16),
    /// A color.
    Color(Color),
    /// Where the tunnel ends; `None`: at the next hop.
    EgressEndpoint(Option<IpAddr>),
    /// The DS field of the outer header.
    DsField(u8),
    /// The UDP destination port of the outer header.
    UdpDestinationPort(u16),
    /// Where the label of the NLRI goes: 1 the payload's label stack, 2 the virtual network identifier.
    EmbeddedLabelHandling(u8),
    /// Labels to push in front of others: four octets each, topmost first.
    MplsLabelStack(&'a [u8]),
    /// The value of a BGP Prefix-SID attribute.
    PrefixSid(&'a [u8]),
    /// Any other.
    Other(RawSubTlv<'a>),
}

impl<'a> SubTlv<'a> {
    /// What a sub-TLV says within a tunnel of this type.
    #[must_use]
    pub fn of(raw: RawSubTlv<'a>, tunnel_type: TunnelType) -> Self {
        let known = match (raw.sub_type, raw.value) {
            (SubTlvType::ENCAPSULATION, value) => encapsulation(value, tunnel_type),
            (SubTlvType::PROTOCOL_TYPE, &[a, b]) if [a, b] != [0xff; 2] => {
                Some(Self::ProtocolType(u16::from_be_bytes([a, b])))
            }
            (SubTlvType::COLOR, value) => value
                .first_chunk()
                .filter(|_| value.len() == ExtCommunity::LEN)
                .and_then(|octets| Color::from_community(ExtCommunity(*octets)))
                .map(Self::Color),
            (SubTlvType::EGRESS_ENDPOINT, value) => endpoint(value).map(Self::EgressEndpoint),
            (SubTlvType::DS_FIELD, &[ds]) => Some(Self::DsField(ds)),
            (SubTlvType::UDP_DESTINATION_PORT, &[a, b]) if [a, b] != [0; 2] => {
                Some(Self::UdpDestinationPort(u16::from_be_bytes([a, b])))
            }
            (SubTlvType::EMBEDDED_LABEL_HANDLING, &[how @ (1 | 2)]) => Some(Self::EmbeddedLabelHandling(how)),
            (SubTlvType::MPLS_LABEL_STACK, value) if value.len() % 4 == 0 => Some(Self::MplsLabelStack(value)),
            (SubTlvType::PREFIX_SID, value) => Some(Self::PrefixSid(value)),
            _ => None,
        };
        known.unwrap_or(Self::Other(raw))
    }

    /// Type and value; short values are written into `room`.
    fn raw<'r>(&'r self, room: &'r mut [u8; 24]) -> (SubTlvType, &'r [u8]) {
        let mut free = &mut room[..];
        let sub_type = match *self {
            Self::L2tpv3 { session, cookie } => {
                free.put_u32(session);
                free.put_slice(cookie.get(..cookie.len().min(8)).unwrap_or_default());
                SubTlvType::ENCAPSULATION
            }
            Self::GreKey(key) => {
                free.put_u32(key);
                SubTlvType::ENCAPSULATION
            }
            Self::ProtocolType(ethertype) => {
                free.put_u16(ethertype);
                SubTlvType::PROTOCOL_TYPE
            }
            Self::Color(color) => {
                free.put_slice(&color.community().0);
                SubTlvType::COLOR
            }
            Self::EgressEndpoint(address) => {
                free.put_u32(0);
                match address {
                    None => free.put_u16(0),
                    Some(IpAddr::V4(address)) => {
                        free.put_u16(1);
                        free.put_slice(&address.octets());
                    }
                    Some(IpAddr::V6(address)) => {
                        free.put_u16(2);
                        free.put_slice(&address.octets());
                    }
                }
                SubTlvType::EGRESS_ENDPOINT
            }
            Self::DsField(ds) => {
                free.put_u8(ds);
                SubTlvType::DS_FIELD
            }
            Self::UdpDestinationPort(port) => {
                free.put_u16(port);
                SubTlvType::UDP_DESTINATION_PORT
            }
            Self::EmbeddedLabelHandling(how) => {
                free.put_u8(how);
                SubTlvType::EMBEDDED_LABEL_HANDLING
            }
            Self::MplsLabelStack(value) => return (SubTlvType::MPLS_LABEL_STACK, value),
            Self::PrefixSid(value) => return (SubTlvType::PREFIX_SID, value),
            Self::Other(RawSubTlv { sub_type, value }) => return (sub_type, value),
        };
        let unused = free.len();
        (sub_type, room.get(..room.len().saturating_sub(unused)).unwrap_or_default())
    }

    /// Octets that [`Self::emit`] writes.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        let mut room = [0; 24];
        let (sub_type, value) = self.raw(&mut room);
        value.len().min(max_len(sub_type)).saturating_add(if sub_type.has_long_length() { 3 } else { 2 })
    }

    /// Writes type, length and value; a value longer than its length field can say is cut there.
    pub fn emit(&self, out: &mut impl BufMut) {
        let mut room = [0; 24];
        let (sub_type, value) = self.raw(&mut room);
        let value = value.get(..max_len(sub_type)).unwrap_or(value);
        out.put_u8(sub_type.0);
        let [high, low] = u16::try_from(value.len()).unwrap_or(u16::MAX).to_be_bytes();
        if sub_type.has_long_length() {
            out.put_u8(high);
        }
        out.put_u8(low);
        out.put_slice(value);
    }
}

/// Octets of the longest value.
const fn max_len(sub_type: SubTlvType) -> usize {
    if sub_type.has_long_length() { 65_535 } else { 255 }
}

fn encapsulation(value: &[u8], tunnel_type: TunnelType) -> Option<SubTlv<'_>> {
    let (number, rest) = value.split_first_chunk::<4>()?;
    let number = u32::from_be_bytes(*number);
    match tunnel_type {
        TunnelType::L2TPV3 if number != 0 && rest.len() <= 8 => Some(SubTlv::L2tpv3 { session: number, cookie: rest }),
        TunnelType::GRE | TunnelType::MPLS_IN_GRE if rest.is_empty() => Some(SubTlv::GreKey(number)),
        _ => None,
    }
}

/// RFC 9012 §3.1: reserved (4), address family (2), address.
fn endpoint(value: &[u8]) -> Option<Option<IpAddr>> {
    let (_, rest) = value.split_first_chunk::<4>()?;
    let (family, address) = rest.split_first_chunk::<2>()?;
    match (u16::from_be_bytes(*family), address.len()) {
        (0, 0) => Some(None),
        (1, 4) => Some(Some(IpAddr::from(*address.first_chunk::<4>()?))),
        (2, 16) => Some(Some(IpAddr::from(*address.first_chunk::<16>()?))),
        _ => None,
    }
}

/// One tunnel: its type and sub-TLVs.
///
/// ```text
/// +-------------------+--------------------+
/// | Tunnel Type (2)   | Length (2)         |
/// +-------------------+--------------------+
/// | sub-TLVs (variable)                    |
/// +----------------------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tunnel<'a> {
    /// Tunnel Type.
    pub tunnel_type: TunnelType,
    /// The sub-TLVs as octets.
    pub octets: &'a [u8],
}

impl<'a> Tunnel<'a> {
    /// Takes one TLV.
    ///
    /// # Errors
    /// Truncated input. Sub-TLVs are not looked at: a fault in them concerns this tunnel alone.
    pub fn take(i: &'a [u8]) -> Take<'a, Self> {
        let (i, tunnel_type) = codec::be_u16(i, "Tunnel Type")?;
        let (i, len) = codec::be_u16(i, "Tunnel TLV length")?;
        let (i, octets) = codec::octets(i, usize::from(len), "Tunnel TLV value")?;
        Ok((i, Self { tunnel_type: TunnelType(tunnel_type), octets }))
    }

    /// Octets that [`Self::emit`] writes.
    #[must_use]
    pub const fn wire_len(&self) -> usize {
        self.octets.len().saturating_add(4)
    }

    /// Writes the TLV.
    pub fn emit(&self, out: &mut impl BufMut) {
        out.put_u16(self.tunnel_type.0);
        out.put_u16(u16::try_from(self.octets.len()).unwrap_or(u16::MAX));
        out.put_slice(self.octets);
    }

    /// The sub-TLVs, up to one that overruns the TLV.
    pub fn sub_tlvs(&self) -> impl Iterator<Item = SubTlv<'a>> + use<'a> {
        let (mut rest, tunnel_type) = (self.octets, self.tunnel_type);
        core::iter::from_fn(move || {
            let (after, raw) = RawSubTlv::take(rest).ok()?;
            rest = after;
            Some(SubTlv::of(raw, tunnel_type))
        })
    }

    /// Where the tunnel ends: `Some(None)` at the next hop. `None` if not exactly one sub-TLV says so, or a sub-TLV overruns
    /// the TLV: the tunnel must not be used (RFC 9012 §3.1, §13).
    #[must_use]
    pub fn egress_endpoint(&self) -> Option<Option<IpAddr>> {
        let mut rest = self.octets;
        let mut found = None;
        while !rest.is_empty() {
            let (after, raw) = RawSubTlv::take(rest).ok()?;
            if raw.sub_type == SubTlvType::EGRESS_ENDPOINT {
                if found.is_some() {
                    return None;
                }
                found = Some(endpoint(raw.value)?);
            }
            rest = after;
        }
        found
    }
}

/// The value of Tunnel Encapsulation: tunnels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TunnelEncapsulation<'a> {
    octets: &'a [u8],
}

impl<'a> TunnelEncapsulation<'a> {
    /// Takes the value of the attribute: all of the input.
    ///
    /// # Errors
    /// No TLV, or one that ends beyond the attribute (RFC 9012 §13).
    pub fn take(i: &'a [u8]) -> Take<'a, Self> {
        let (mut rest, _) = Tunnel::take(i)?;
        while !rest.is_empty() {
            (rest, _) = Tunnel::take(rest)?;
        }
        Ok((rest, Self { octets: i }))
    }

    /// Parses the value of the attribute.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub fn parse(octets: &'a [u8]) -> Result<Self, Malformed> {
        codec::all(octets, Self::take)
    }

    /// A value whose TLVs were checked when it was received.
    pub(super) const fn of_checked(octets: &'a [u8]) -> Self {
        Self { octets }
    }

    /// Octets that [`Self::emit`] writes.
    #[must_use]
    pub const fn wire_len(&self) -> usize {
        self.octets.len()
    }

    /// Writes the value as it is.
    pub fn emit(&self, out: &mut impl BufMut) {
        out.put_slice(self.octets);
    }

    /// The value as octets.
    #[must_use]
    pub const fn octets(&self) -> &'a [u8] {
        self.octets
    }

    /// The tunnels in wire order.
    pub fn tunnels(&self) -> impl Iterator<Item = Tunnel<'a>> + use<'a> {
        let mut rest = self.octets;
        core::iter::from_fn(move || {
            let (after, tunnel) = Tunnel::take(rest).ok()?;
            rest = after;
            Some(tunnel)
        })
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for TunnelEncapsulation<'a> {
    /// Octets cut down to the last whole TLV.
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let octets: &[u8] = u.arbitrary()?;
        let len = Self { octets }.tunnels().fold(0usize, |len, tunnel| len.saturating_add(tunnel.wire_len()));
        match octets.get(..len) {
            Some(octets) if len > 0 => Ok(Self { octets }),
            _ => Ok(Self { octets: &[0, 2, 0, 0] }),
        }
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for SubTlv<'a> {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let raw = RawSubTlv { sub_type: u.arbitrary()?, value: u.arbitrary()? };
        let value = raw.value.get(..max_len(raw.sub_type)).unwrap_or(raw.value);
        let tunnel_type = *u.choose(&[TunnelType::L2TPV3, TunnelType::GRE])?;
        Ok(match u.int_in_range(0..=8)? {
            0 => Self::GreKey(u.arbitrary()?),
            1 => Self::ProtocolType(u.arbitrary::<u16>()?.min(0xfffe)),
            2 => Self::Color(u.arbitrary()?),
            3 => Self::EgressEndpoint(u.arbitrary()?),
            4 => Self::DsField(u.arbitrary()?),
            5 => Self::UdpDestinationPort(u.arbitrary::<u16>()?.max(1)),
            6 => Self::EmbeddedLabelHandling(u.int_in_range(1..=2)?),
            _ => Self::of(RawSubTlv { value, ..raw }, tunnel_type),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    /// A GRE tunnel with key, protocol, color, endpoint, DS field; an L2TPv3 tunnel; MPLS in GRE; IP in IP to the next hop.
    ///
    /// Shows: L3VPN-8.2-9, L2VPN-5.3-10
    #[test]
    fn tunnels_and_sub_tlvs_octet_for_octet() {
        let endpoint = Some(IpAddr::from([192, 0, 2, 1]));
        let gre = [
            SubTlv::GreKey(7),
            SubTlv::ProtocolType(0x8847),
            SubTlv::Color(Color { flags: 0, value: 5 }),
            SubTlv::EgressEndpoint(endpoint),
            SubTlv::DsField(0xb8),
        ];
        let l2tp = [SubTlv::L2tpv3 { session: 0x0102_0304, cookie: &[9; 8] }, SubTlv::EgressEndpoint(None)];
        let mpls = [
            SubTlv::EgressEndpoint(Some("2001:db8::1".parse().unwrap())),
            SubTlv::UdpDestinationPort(6635),
            SubTlv::EmbeddedLabelHandling(1),
            SubTlv::MplsLabelStack(&[0, 0x06, 0x40, 0xff]),
            SubTlv::PrefixSid(&[1, 0, 7, 0, 0, 0, 0, 0, 0, 9]),
            SubTlv::Other(RawSubTlv { sub_type: SubTlvType(200), value: &[1, 2] }),
        ];
        let mut octets = Vec::new();
        let tunnels: [(TunnelType, &[SubTlv<'_>]); 4] = [
            (TunnelType::GRE, &gre),
            (TunnelType::L2TPV3, &l2tp),
            (TunnelType::MPLS_IN_GRE, &mpls),
            (TunnelType::IP_IN_IP, &[SubTlv::EgressEndpoint(None)]),
        ];
        for (tunnel_type, sub_tlvs) in tunnels {
            let mut value = Vec::new();
            sub_tlvs.iter().for_each(|sub_tlv| sub_tlv.emit(&mut value));
            assert_eq!(value.len(), sub_tlvs.iter().map(SubTlv::wire_len).sum::<usize>());
            Tunnel { tunnel_type, octets: &value }.emit(&mut octets);
        }
        assert_eq!(octets[..10], [0, 2, 0, 35, 1, 4, 0, 0, 0, 7]);
        assert_eq!(octets[10..24], [2, 2, 0x88, 0x47, 4, 8, 3, 0x0b, 0, 0, 0, 0, 0, 5]);
        assert_eq!(octets[24..39], [6, 10, 0, 0, 0, 0, 0, 1, 192, 0, 2, 1, 7, 1, 0xb8]);
        assert_eq!(octets[39..65], {
            let mut l2tp = Vec::from([0, 1, 0, 22, 1, 12, 1, 2, 3, 4]);
            l2tp.extend([9; 8]);
            l2tp.extend([6, 6, 0, 0, 0, 0, 0, 0]);
            l2tp
        });
        let attribute = TunnelEncapsulation::parse(&octets).unwrap();
        for (tunnel, (tunnel_type, sub_tlvs)) in attribute.tunnels().zip(tunnels) {
            assert_eq!((tunnel.tunnel_type, tunnel.sub_tlvs().collect::<Vec<_>>()), (tunnel_type, sub_tlvs.to_vec()));
            assert!(tunnel.egress_endpoint().is_some());
        }
        assert_eq!(attribute.tunnels().count(), 4);
        assert_eq!(attribute.tunnels().next().unwrap().egress_endpoint(), Some(endpoint));
    }

    /// RFC 9012 §3.1, §13: a tunnel without one sound endpoint is not used; other sub-TLVs that do not fit are skipped.
    #[test]
    fn what_does_not_fit() {
        for value in [
            &[][..],
            &[6, 6, 0, 0, 0, 0, 0, 0, 6, 6, 0, 0, 0, 0, 0, 0],
            &[6, 9, 0, 0, 0, 0, 0, 1, 192, 0, 2],
            &[6, 6, 0, 0, 0, 0, 0, 9],
            &[6, 6, 0, 0, 0, 0, 0, 0, 7],
        ] {
            assert_eq!(Tunnel { tunnel_type: TunnelType::GRE, octets: value }.egress_endpoint(), None, "{value:?}");
        }
        let value = [2, 2, 0xff, 0xff, 8, 2, 0, 0, 9, 1, 3, 10, 3, 0, 0, 0, 1, 5, 0, 0, 0, 0, 0];
        let tunnel = Tunnel { tunnel_type: TunnelType::GRE, octets: &value };
        assert!(tunnel.sub_tlvs().all(|sub_tlv| matches!(sub_tlv, SubTlv::Other(_))));
        assert_eq!(tunnel.sub_tlvs().count(), 5);
        assert!(TunnelEncapsulation::parse(&[]).is_err());
        assert!(TunnelEncapsulation::parse(&[0, 2, 0, 1]).is_err());
    }
}
