//! PMSI_TUNNEL (RFC 6514 §5, RFC 7385, RFC 7902, RFC 8534).

use core::net::IpAddr;

use fwd_core::codec::{self, BufMut, Fail, Take};
use fwd_core::net::Label;
use fwd_core::{Fault, Malformed};

use super::pmsi_pair::{PimTree, TransportTunnel};
use crate::nlri::MldpFec;

bitflags::bitflags! {
    /// Flags of PMSI_TUNNEL; bit 0 of the registry is the most significant.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct PmsiFlags: u8 {
        /// L, bit 7: who receives announces itself by a Leaf A-D route (RFC 6514 §5).
        const LEAF_INFORMATION_REQUIRED = 0x01;
        /// LIR-pF, bit 2: as L, for each flow that a wildcard covers (RFC 8534 §2).
        const LEAF_INFORMATION_REQUIRED_PER_FLOW = 0x20;
        /// Bit 1: Additional PMSI Tunnel Attribute Flags go with the route (RFC 7902 §2).
        const EXTENSION = 0x40;
        const _ = !0;
    }
}

/// A tunnel type of the registry "PMSI Tunnel Types" (RFC 7385 §3, RFC 8317 §8.1). Unknown values survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct PmsiTunnelType(pub u8);

impl PmsiTunnelType {
    /// No tunnel information present (RFC 6514 §5).
    pub const NONE: Self = Self(0x00);
    /// RSVP-TE P2MP LSP (RFC 6514 §5).
    pub const RSVP_TE_P2MP: Self = Self(0x01);
    /// mLDP P2MP LSP (RFC 6514 §5).
    pub const MLDP_P2MP: Self = Self(0x02);
    /// PIM-SSM tree (RFC 6514 §5).
    pub const PIM_SSM: Self = Self(0x03);
    /// PIM-SM tree (RFC 6514 §5).
    pub const PIM_SM: Self = Self(0x04);
    /// BIDIR-PIM tree (RFC 6514 §5).
    pub const BIDIR_PIM: Self = Self(0x05);
    /// Ingress replication (RFC 6514 §5).
    pub const INGRESS_REPLICATION: Self = Self(0x06);
    /// mLDP MP2MP LSP (RFC 6514 §5).
    pub const MLDP_MP2MP: Self = Self(0x07);
    /// Transport tunnel (RFC 7524 §14.1).
    pub const TRANSPORT: Self = Self(0x08);
    /// BIER (RFC 8556 §2).
    pub const BIER: Self = Self(0x0b);
    /// Wildcard transport tunnel (RFC 8338 §7.5).
    pub const WILDCARD: Self = Self(0xff);
    /// The composite tunnel bit (RFC 8317 §6.2).
    pub const COMPOSITE: u8 = 0x80;

    /// Whether the type is for experiments (RFC 7385 §3, RFC 8317 §8.1).
    #[must_use]
    pub const fn is_experimental(self) -> bool {
        matches!(self.0, 0x7b..=0x7e | 0xfb..=0xfe)
    }

    /// Whether the type is composite: a tunnel to send by, and a label to receive ingress-replicated frames by (RFC 8317 §6.2).
    #[must_use]
    pub const fn is_composite(self) -> bool {
        matches!(self.0, 0x80..=0xfa)
    }
}

/// What names a tunnel, by its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PmsiTunnelId<'a> {
    /// Type 0: no tunnel, only leaves are asked for.
    None,
    /// Type 1: the session object of a P2MP LSP (RFC 4875 §19.1): extended tunnel ID (4, 16), reserved (2), tunnel ID (2),
    /// P2MP ID (4).
    RsvpTeP2mp {
        /// Extended Tunnel ID: the ingress router's address.
        extended_tunnel_id: IpAddr,
        /// Tunnel ID.
        tunnel_id: u16,
        /// P2MP ID.
        p2mp_id: u32,
    },
    /// Type 2: a P2MP FEC element, whose root may be of a family that only its users know.
    MldpP2mp(MldpFec<'a>),
    /// Type 3: root address and P-group.
    PimSsm(PimTree),
    /// Type 4: sender address and P-group.
    PimSm(PimTree),
    /// Type 5: sender address and P-group.
    BidirPim(PimTree),
    /// Type 6: where the PE receives unicast tunnels.
    IngressReplication(IpAddr),
    /// Type 7: an MP2MP FEC element.
    MldpMp2mp(MldpFec<'a>),
    /// Type 8: a PE and a number that is unique to it.
    Transport(TransportTunnel),
    /// Type 0x0B: sub-domain (1), BFR-id (2), BFR-prefix (4, 16).
    Bier {
        /// Sub-domain.
        sub_domain: u8,
        /// BFR-id of the router in the sub-domain.
        bfr_id: u16,
        /// BFR-prefix of the router.
        bfr_prefix: IpAddr,
    },
    /// Types 0x80 to 0xFA: a label to receive by (3), then the identifier of a tunnel to send by.
    Composite {
        /// The type, with the composite bit.
        tunnel_type: PmsiTunnelType,
        /// The three octets of the label for ingress replication towards this PE.
        receive_label: PmsiLabel,
        /// The identifier of the tunnel whose type the low seven bits are.
        identifier: &'a [u8],
    },
    /// Type 0xFF: any transport tunnel (RFC 8338 §7.5).
    Wildcard(&'a [u8]),
    /// Any other type, experimental ones included: kept as octets.
    Other {
        /// The type.
        tunnel_type: PmsiTunnelType,
        /// The identifier.
        identifier: &'a [u8],
    },
}

/// The MPLS Label field: three octets of which the high 20 bits are the label. All zero stands for no label.
///
/// EVPN puts a virtual network identifier of 24 bits there for some encapsulations (RFC 8365 §5.1.3).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct PmsiLabel(pub [u8; 3]);

impl PmsiLabel {
    /// No label.
    pub const NONE: Self = Self([0; 3]);

    /// The field for a label.
    #[must_use]
    pub const fn new(label: Label) -> Self {
        let [_, a, b, c] = (label.value() << 4).to_be_bytes();
        Self([a, b, c])
    }

    /// The label; `None` for a field of zeros.
    #[must_use]
    pub const fn label(self) -> Option<Label> {
        let [a, b, c] = self.0;
        let bits = u32::from_be_bytes([0, a, b, c]);
        if bits == 0 { None } else { Some(Label::from_low_bits(bits >> 4)) }
    }

    /// All 24 bits: a virtual network identifier.
    #[must_use]
    pub const fn vni(self) -> u32 {
        let [a, b, c] = self.0;
        u32::from_be_bytes([0, a, b, c])
    }
}

impl core::fmt::Debug for PmsiLabel {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{:?} (vni {})", self.label(), self.vni())
    }
}

/// The value of PMSI_TUNNEL: the tunnel that instantiates a PMSI.
///
/// ```text
/// +---------------------------------+
/// | Flags (1)                       |
/// +---------------------------------+
/// | Tunnel Type (1)                 |
/// +---------------------------------+
/// | MPLS Label (3)                  |
/// +---------------------------------+
/// | Tunnel Identifier (variable)    |
/// +---------------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PmsiTunnel<'a> {
    /// Flags.
    pub flags: PmsiFlags,
    /// Label.
    pub label: PmsiLabel,
    /// The tunnel.
    pub tunnel: PmsiTunnelId<'a>,
}

pub(super) const IDENTIFIER: &str = "tunnel identifier";

impl<'a> PmsiTunnel<'a> {
    /// Takes the value of the attribute: all of the input.
    ///
    /// # Errors
    /// Fewer than five octets, or an identifier that does not follow its type (RFC 6514 §5). Types that are not defined are no
    /// fault of the attribute: its reader cannot use the tunnel, but others behind us may.
    pub fn take(i: &'a [u8]) -> Take<'a, Self> {
        let (i, flags) = codec::be_u8(i, "PMSI flags")?;
        let (i, tunnel_type) = codec::be_u8(i, "tunnel type")?;
        let (i, label) = codec::array(i, "MPLS label")?;
        let (i, tunnel) = PmsiTunnelId::take(PmsiTunnelType(tunnel_type), i)?;
        Ok((i, Self { flags: PmsiFlags::from_bits_retain(flags), label: PmsiLabel(label), tunnel }))
    }

    /// Parses the value of the attribute.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub fn parse(octets: &'a [u8]) -> Result<Self, Malformed> {
        codec::all(octets, Self::take)
    }

    /// Octets that [`Self::emit`] writes.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        self.tunnel.wire_len().saturating_add(5)
    }

    /// Writes the value.
    pub fn emit(&self, out: &mut impl BufMut) {
        out.put_u8(self.flags.bits());
        out.put_u8(self.tunnel.tunnel_type().0);
        out.put_slice(&self.label.0);
        self.tunnel.emit(out);
    }
}

impl<'a> PmsiTunnelId<'a> {
    /// Takes an identifier of this type: all of the input.
    ///
    /// # Errors
    /// An identifier that does not follow its type; a composite of a type that has none (RFC 8317 §6.2).
    pub fn take(tunnel_type: PmsiTunnelType, i: &'a [u8]) -> Take<'a, Self> {
        match tunnel_type {
            PmsiTunnelType::NONE => Ok((i, Self::None)),
            PmsiTunnelType::RSVP_TE_P2MP => rsvp_te(i),
            PmsiTunnelType::MLDP_P2MP => MldpFec::take(i).map(|(i, f)| (i, Self::MldpP2mp(f))),
            PmsiTunnelType::PIM_SSM => PimTree::take(i).map(|(i, t)| (i, Self::PimSsm(t))),
            PmsiTunnelType::PIM_SM => PimTree::take(i).map(|(i, t)| (i, Self::PimSm(t))),
            PmsiTunnelType::BIDIR_PIM => PimTree::take(i).map(|(i, t)| (i, Self::BidirPim(t))),
            PmsiTunnelType::INGRESS_REPLICATION => address(i).map(|(i, a)| (i, Self::IngressReplication(a))),
            PmsiTunnelType::MLDP_MP2MP => MldpFec::take(i).map(|(i, f)| (i, Self::MldpMp2mp(f))),
            PmsiTunnelType::TRANSPORT => PimTree::take(i).map(|(i, t)| (i, Self::Transport(t.into()))),
            PmsiTunnelType::BIER => {
                let (i, sub_domain) = codec::be_u8(i, "BIER sub-domain")?;
                let (i, bfr_id) = codec::be_u16(i, "BFR-id")?;
                let (i, bfr_prefix) = address(i)?;
                Ok((i, Self::Bier { sub_domain, bfr_id, bfr_prefix }))
            }
            PmsiTunnelType::WILDCARD => Ok((&[], Self::Wildcard(i))),
            composite if composite.is_composite() => {
                let base = PmsiTunnelType(composite.0 & !PmsiTunnelType::COMPOSITE);
                if matches!(base, PmsiTunnelType::NONE | PmsiTunnelType::INGRESS_REPLICATION) {
                    return Err(Fail::new(i, "tunnel type", Fault::Value(u32::from(composite.0))));
                }
                let (identifier, label) = codec::array(i, "receive label")?;
                let receive_label = PmsiLabel(label);
                Ok((&[], Self::Composite { tunnel_type: composite, receive_label, identifier }))
            }
            _ => Ok((&[], Self::Other { tunnel_type, identifier: i })),
        }
    }

    /// The tunnel type.
    #[must_use]
    pub const fn tunnel_type(&self) -> PmsiTunnelType {
        match self {
            Self::None => PmsiTunnelType::NONE,
            Self::RsvpTeP2mp { .. } => PmsiTunnelType::RSVP_TE_P2MP,
            Self::MldpP2mp(_) => PmsiTunnelType::MLDP_P2MP,
            Self::PimSsm(_) => PmsiTunnelType::PIM_SSM,
            Self::PimSm(_) => PmsiTunnelType::PIM_SM,
            Self::BidirPim(_) => PmsiTunnelType::BIDIR_PIM,
            Self::IngressReplication(_) => PmsiTunnelType::INGRESS_REPLICATION,
            Self::MldpMp2mp(_) => PmsiTunnelType::MLDP_MP2MP,
            Self::Transport(_) => PmsiTunnelType::TRANSPORT,
            Self::Bier { .. } => PmsiTunnelType::BIER,
            Self::Wildcard(_) => PmsiTunnelType::WILDCARD,
            Self::Composite { tunnel_type, .. } | Self::Other { tunnel_type, .. } => *tunnel_type,
        }
    }

    /// The tunnel that a composite sends by (RFC 8317 §6.2).
    ///
    /// # Errors
    /// An identifier that does not follow the type in the low seven bits.
    pub fn transmit(&self) -> Result<Self, Malformed> {
        match *self {
            Self::Composite { tunnel_type, identifier, .. } => {
                let base = PmsiTunnelType(tunnel_type.0 & !PmsiTunnelType::COMPOSITE);
                codec::all(identifier, |i| Self::take(base, i))
            }
            other => Ok(other),
        }
    }

    /// Octets of the identifier.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        let pair = |address: IpAddr| if address.is_ipv4() { 8 } else { 32 };
        match self {
            Self::None => 0,
            Self::RsvpTeP2mp { extended_tunnel_id, .. } => address_len(*extended_tunnel_id).saturating_add(8),
            Self::MldpP2mp(fec) | Self::MldpMp2mp(fec) => fec.wire_len(),
            Self::PimSsm(tree) | Self::PimSm(tree) | Self::BidirPim(tree) => pair(tree.source()),
            Self::IngressReplication(address) => address_len(*address),
            Self::Transport(tunnel) => pair(PimTree::from(*tunnel).source()),
            Self::Bier { bfr_prefix, .. } => address_len(*bfr_prefix).saturating_add(3),
            Self::Composite { identifier, .. } => identifier.len().saturating_add(3),
            Self::Wildcard(identifier) | Self::Other { identifier, .. } => identifier.len(),
        }
    }

    /// Writes the identifier.
    pub fn emit(&self, out: &mut impl BufMut) {
        match *self {
            Self::None => {}
            Self::RsvpTeP2mp { extended_tunnel_id, tunnel_id, p2mp_id } => {
                emit_address(extended_tunnel_id, out);
                out.put_u16(0);
                out.put_u16(tunnel_id);
                out.put_u32(p2mp_id);
            }
            Self::MldpP2mp(fec) | Self::MldpMp2mp(fec) => fec.emit(out),
            Self::PimSsm(tree) | Self::PimSm(tree) | Self::BidirPim(tree) => tree.emit(out),
            Self::IngressReplication(address) => emit_address(address, out),
            Self::Transport(tunnel) => PimTree::from(tunnel).emit(out),
            Self::Bier { sub_domain, bfr_id, bfr_prefix } => {
                out.put_u8(sub_domain);
                out.put_u16(bfr_id);
                emit_address(bfr_prefix, out);
            }
            Self::Composite { receive_label, identifier, .. } => {
                out.put_slice(&receive_label.0);
                out.put_slice(identifier);
            }
            Self::Wildcard(identifier) | Self::Other { identifier, .. } => out.put_slice(identifier),
        }
    }
}

fn rsvp_te(i: &[u8]) -> Take<'_, PmsiTunnelId<'_>> {
    let Some(at) = i.len().checked_sub(8) else { return Err(Fail::new(i, IDENTIFIER, Fault::Length(i.len()))) };
    let (i, octets) = codec::octets(i, at, IDENTIFIER)?;
    let (_, extended_tunnel_id) = address(octets)?;
    let (i, _reserved) = codec::be_u16(i, "reserved")?;
    let (i, tunnel_id) = codec::be_u16(i, "tunnel ID")?;
    let (i, p2mp_id) = codec::be_u32(i, "P2MP ID")?;
    Ok((i, PmsiTunnelId::RsvpTeP2mp { extended_tunnel_id, tunnel_id, p2mp_id }))
}

/// All of the input as an address.
fn address(i: &[u8]) -> Take<'_, IpAddr> {
    match (<[u8; 4]>::try_from(i), <[u8; 16]>::try_from(i)) {
        (Ok(octets), _) => Ok((&[], octets.into())),
        (_, Ok(octets)) => Ok((&[], octets.into())),
        _ => Err(Fail::new(i, IDENTIFIER, Fault::Length(i.len()))),
    }
}

const fn address_len(address: IpAddr) -> usize {
    if address.is_ipv4() { 4 } else { 16 }
}

pub(super) fn emit_address(address: IpAddr, out: &mut impl BufMut) {
    match address {
        IpAddr::V4(address) => out.put_slice(&address.octets()),
        IpAddr::V6(address) => out.put_slice(&address.octets()),
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for PmsiTunnel<'a> {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let (flags, label) = (PmsiFlags::from_bits_retain(u.arbitrary()?), u.arbitrary()?);
        let tunnel = match u.int_in_range(0..=12)? {
            0 => PmsiTunnelId::None,
            1 => PmsiTunnelId::RsvpTeP2mp {
                extended_tunnel_id: u.arbitrary()?,
                tunnel_id: u.arbitrary()?,
                p2mp_id: u.arbitrary()?,
            },
            2 => PmsiTunnelId::MldpP2mp(u.arbitrary()?),
            3 => PmsiTunnelId::PimSsm(u.arbitrary()?),
            4 => PmsiTunnelId::PimSm(u.arbitrary()?),
            5 => PmsiTunnelId::BidirPim(u.arbitrary()?),
            6 => PmsiTunnelId::IngressReplication(u.arbitrary()?),
            7 => PmsiTunnelId::MldpMp2mp(u.arbitrary()?),
            8 => PmsiTunnelId::Transport(u.arbitrary()?),
            9 => PmsiTunnelId::Bier { sub_domain: u.arbitrary()?, bfr_id: u.arbitrary()?, bfr_prefix: u.arbitrary()? },
            10 => PmsiTunnelId::Composite {
                tunnel_type: PmsiTunnelType(u.int_in_range(0x81..=0x85)?),
                receive_label: u.arbitrary()?,
                identifier: u.arbitrary()?,
            },
            11 => PmsiTunnelId::Wildcard(u.arbitrary()?),
            _ => PmsiTunnelId::Other {
                tunnel_type: PmsiTunnelType(u.int_in_range(0x0c..=0x7e)?),
                identifier: u.arbitrary()?,
            },
        };
        Ok(Self { flags, label, tunnel })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use core::net::Ipv6Addr;

    const PE: [u8; 4] = [192, 0, 2, 1];
    const GROUP: [u8; 4] = [239, 1, 1, 1];

    fn v6(text: &str) -> Ipv6Addr {
        text.parse().unwrap()
    }

    fn same(tunnel: PmsiTunnelId<'_>, tunnel_type: u8, identifier: &[&[u8]]) {
        let octets = [&[0x01, tunnel_type, 0, 0x06, 0x40][..], &identifier.concat()].concat();
        let label = PmsiLabel::new(Label::new(100).unwrap());
        let attribute = PmsiTunnel { flags: PmsiFlags::LEAF_INFORMATION_REQUIRED, label, tunnel };
        assert_eq!(PmsiTunnel::parse(&octets), Ok(attribute));
        let mut out = Vec::new();
        attribute.emit(&mut out);
        assert_eq!((&out, out.len()), (&octets, attribute.wire_len()));
    }

    fn refused(tunnel_type: u8, identifier: &[u8]) -> bool {
        PmsiTunnel::parse(&[&[0, tunnel_type, 0, 0, 0][..], identifier].concat()).is_err()
    }

    /// Every tunnel type of RFC 6514 §5.
    ///
    /// Shows: L3VPN-8.2-8, L3VPN-8.5-1, L3VPN-8.5-2, L3VPN-8.5-3, L3VPN-8.5-4, L3VPN-8.5-5, L3VPN-8.5-6, L3VPN-8.5-7,
    /// L3VPN-8.5-8, L2VPN-5.3-9, L2VPN-5.3-11
    #[test]
    fn tunnels_of_rfc_6514() {
        same(PmsiTunnelId::None, 0, &[]);
        let extended_tunnel_id = IpAddr::from(PE);
        let rsvp = PmsiTunnelId::RsvpTeP2mp { extended_tunnel_id, tunnel_id: 0x1234, p2mp_id: 0x0102_0304 };
        same(rsvp, 1, &[&PE, &[0, 0, 0x12, 0x34, 1, 2, 3, 4]]);
        let root = v6("2001:db8::1");
        let rsvp = PmsiTunnelId::RsvpTeP2mp { extended_tunnel_id: root.into(), tunnel_id: 1, p2mp_id: 2 };
        same(rsvp, 1, &[&root.octets(), &[0, 0, 0, 1, 0, 0, 0, 2]]);
        let fec_octets = [6, 0, 1, 4, 192, 0, 2, 1, 0, 7, 1, 0, 4, 0, 0, 0, 1];
        let fec = MldpFec::parse(&fec_octets).unwrap();
        same(PmsiTunnelId::MldpP2mp(fec), 2, &[&fec_octets]);
        let fec = MldpFec { fec_type: MldpFec::MP2MP_DOWNSTREAM, ..fec };
        same(PmsiTunnelId::MldpMp2mp(fec), 7, &[&[8], &fec_octets[1..]]);
        let tree = PimTree::V4 { source: PE.into(), group: GROUP.into() };
        same(PmsiTunnelId::PimSsm(tree), 3, &[&PE, &GROUP]);
        same(PmsiTunnelId::PimSm(tree), 4, &[&PE, &GROUP]);
        same(PmsiTunnelId::BidirPim(tree), 5, &[&PE, &GROUP]);
        let tree = PimTree::V6 { source: root, group: v6("ff3e::1") };
        same(PmsiTunnelId::PimSsm(tree), 3, &[&root.octets(), &v6("ff3e::1").octets()]);
        same(PmsiTunnelId::IngressReplication(PE.into()), 6, &[&PE]);
        same(PmsiTunnelId::IngressReplication(root.into()), 6, &[&root.octets()]);
        for (tunnel_type, identifier) in [
            (0, &[1][..]),
            (1, &[0; 11]),
            (1, &[0; 7]),
            (2, &fec_octets[..16]),
            (3, &[0; 7]),
            (4, &[0; 20]),
            (5, &[]),
            (6, &[0; 8]),
            (7, &[8]),
        ] {
            assert!(refused(tunnel_type, identifier), "{tunnel_type} {identifier:?}");
        }
        assert!(PmsiTunnel::parse(&[0; 4]).is_err());
    }

    /// RFC 7524 §14.1, RFC 8556 §2, RFC 8317 §6.2, RFC 8338 §7.5; types that are not defined.
    ///
    /// Shows: L3VPN-8.5-9, L3VPN-8.5-10, L3VPN-8.5-11, L3VPN-8.5-12, L3VPN-8.5-13
    #[test]
    fn tunnels_of_later_rfcs() {
        same(PmsiTunnelId::Transport(TransportTunnel::V4 { source_pe: PE.into(), local: 7 }), 8, &[&PE, &[0, 0, 0, 7]]);
        let source_pe = v6("2001:db8::1");
        let transport = TransportTunnel::V6 { source_pe, local: 7 };
        same(PmsiTunnelId::Transport(transport), 8, &[&source_pe.octets(), &[0; 15], &[7]]);
        let bier = PmsiTunnelId::Bier { sub_domain: 1, bfr_id: 300, bfr_prefix: PE.into() };
        same(bier, 0x0b, &[&[1, 1, 44], &PE]);
        same(PmsiTunnelId::Wildcard(&[]), 0xff, &[]);
        for tunnel_type in [0x7b, 0x7e, 0xfb, 0xfe, 0x0c] {
            let tunnel_type = PmsiTunnelType(tunnel_type);
            same(PmsiTunnelId::Other { tunnel_type, identifier: &[1, 2] }, tunnel_type.0, &[&[1, 2]]);
            assert_eq!(tunnel_type.is_experimental(), tunnel_type.0 != 0x0c);
        }
        let identifier = [PE, GROUP].concat();
        let receive_label = PmsiLabel::new(Label::new(200).unwrap());
        let tunnel_type = PmsiTunnelType(0x83);
        let composite = PmsiTunnelId::Composite { tunnel_type, receive_label, identifier: &identifier };
        same(composite, 0x83, &[&[0, 0x0c, 0x80], &identifier]);
        let tree = PimTree::V4 { source: PE.into(), group: GROUP.into() };
        assert_eq!(composite.transmit(), Ok(PmsiTunnelId::PimSsm(tree)));
        for (tunnel_type, identifier) in
            [(0x80, &[0; 3][..]), (0x86, &[0; 7]), (0x83, &[0; 2]), (8, &[0; 7]), (0x0b, &[0; 6])]
        {
            assert!(refused(tunnel_type, identifier), "{tunnel_type:#x} {identifier:?}");
        }
    }

    /// Bits 7, 2 and 1 of the registry; the others survive.
    #[test]
    fn flags_and_label() {
        let attribute = PmsiTunnel::parse(&[0xe1, 0, 0, 0, 0]).unwrap();
        assert!(attribute.flags.contains(
            PmsiFlags::LEAF_INFORMATION_REQUIRED | PmsiFlags::LEAF_INFORMATION_REQUIRED_PER_FLOW | PmsiFlags::EXTENSION
        ));
        assert_eq!((attribute.flags.bits(), attribute.label.label()), (0xe1, None));
        assert_eq!(PmsiLabel([0, 0x06, 0x41]).label(), Label::new(100));
        assert_eq!(PmsiLabel([0, 0x27, 0x10]).vni(), 10_000);
    }
}
