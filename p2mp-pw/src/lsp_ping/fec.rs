//! FECs of the Target FEC Stack (RFC 8029 §3.2, RFC 6425 §3.1, RFC 8339 §3.1).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use fwd_core::codec::{self, BufMut, Fail, Fault, Malformed, Take};
use fwd_core::net::{IpPrefix, Ipv4Prefix, Ipv6Prefix, Label};

use super::fec_rsvp::{RsvpLsp, RsvpP2mpLsp};
use super::tlv::{emit_tlv, padded_len, take_tlv};
use crate::ldp::Octets;
use crate::ldp::fec::{Attachment, MultipointFec, MultipointKind, PwType};
use crate::ldp::octets::whole;
use crate::wire_address::WireAddress;

/// The type of a FEC; unknown values survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TargetFecType(pub u16);

impl TargetFecType {
    /// LDP IPv4 prefix.
    pub const LDP_IPV4: Self = Self(1);
    /// LDP IPv6 prefix.
    pub const LDP_IPV6: Self = Self(2);
    /// RSVP IPv4 LSP.
    pub const RSVP_IPV4: Self = Self(3);
    /// RSVP IPv6 LSP.
    pub const RSVP_IPV6: Self = Self(4);
    /// VPN IPv4 prefix.
    pub const VPN_IPV4: Self = Self(6);
    /// VPN IPv6 prefix.
    pub const VPN_IPV6: Self = Self(7);
    /// L2 VPN endpoint.
    pub const L2VPN_ENDPOINT: Self = Self(8);
    /// FEC 128 pseudowire, without the sender's address (deprecated).
    pub const PW_ID_DEPRECATED: Self = Self(9);
    /// FEC 128 pseudowire, IPv4.
    pub const PW_ID_IPV4: Self = Self(10);
    /// FEC 129 pseudowire, IPv4.
    pub const GENERALIZED_PW_IPV4: Self = Self(11);
    /// BGP labeled IPv4 prefix.
    pub const BGP_IPV4: Self = Self(12);
    /// BGP labeled IPv6 prefix.
    pub const BGP_IPV6: Self = Self(13);
    /// Generic IPv4 prefix.
    pub const GENERIC_IPV4: Self = Self(14);
    /// Generic IPv6 prefix.
    pub const GENERIC_IPV6: Self = Self(15);
    /// Nil.
    pub const NIL: Self = Self(16);
    /// RSVP P2MP IPv4 session (RFC 6425 §3.1.1.1).
    pub const RSVP_P2MP_IPV4: Self = Self(17);
    /// RSVP P2MP IPv6 session (RFC 6425 §3.1.1.2).
    pub const RSVP_P2MP_IPV6: Self = Self(18);
    /// Multicast P2MP LDP FEC (RFC 6425 §3.1.2).
    pub const MLDP_P2MP: Self = Self(19);
    /// Multicast MP2MP LDP FEC (RFC 6425 §3.1.2).
    pub const MLDP_MP2MP: Self = Self(20);
    /// FEC 128 pseudowire, IPv6.
    pub const PW_ID_IPV6: Self = Self(24);
    /// FEC 129 pseudowire, IPv6.
    pub const GENERALIZED_PW_IPV6: Self = Self(25);
    /// P2MP pseudowire (RFC 8339 §3.1).
    pub const P2MP_PW: Self = Self(37);
}

/// A FEC 128 pseudowire (RFC 8029 §3.2.9, §3.2.11).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct PwIdFec<A> {
    /// The pinging end of the targeted session.
    pub sender: A,
    /// The other end.
    pub remote: A,
    /// The pseudowire.
    pub pw_id: u32,
    /// Its type.
    pub pw_type: PwType,
}

/// A FEC 129 pseudowire (RFC 8029 §3.2.10, §3.2.12).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct GeneralizedPwFec<A> {
    /// The pinging end of the targeted session.
    pub sender: A,
    /// The other end.
    pub remote: A,
    /// Its type.
    pub pw_type: PwType,
    /// The attachment group.
    pub agi: Attachment,
    /// The pinging end's attachment.
    pub saii: Attachment,
    /// The other end's attachment.
    pub taii: Attachment,
}

/// A FEC of the stack.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TargetFec {
    /// An LDP prefix.
    Ldp(IpPrefix),
    /// An RSVP-TE LSP over IPv4.
    Rsvp4(RsvpLsp<Ipv4Addr>),
    /// An RSVP-TE LSP over IPv6.
    Rsvp6(RsvpLsp<Ipv6Addr>),
    /// A prefix of a VPN.
    Vpn {
        /// The route distinguisher.
        rd: [u8; 8],
        /// The prefix.
        prefix: IpPrefix,
    },
    /// An end of a BGP VPLS.
    L2vpnEndpoint {
        /// The route distinguisher.
        rd: [u8; 8],
        /// The pinging edge.
        sender_ve: u16,
        /// The other edge.
        receiver_ve: u16,
        /// The type of the pseudowire between them.
        pw_type: PwType,
    },
    /// A FEC 128 pseudowire without the sender's address (RFC 8029 A.1.1, deprecated).
    PwIdDeprecated {
        /// The other end.
        remote: Ipv4Addr,
        /// The pseudowire.
        pw_id: u32,
        /// Its type.
        pw_type: PwType,
    },
    /// A FEC 128 pseudowire over IPv4.
    PwId4(PwIdFec<Ipv4Addr>),
    /// A FEC 128 pseudowire over IPv6.
    PwId6(PwIdFec<Ipv6Addr>),
    /// A FEC 129 pseudowire over IPv4.
    GeneralizedPw4(GeneralizedPwFec<Ipv4Addr>),
    /// A FEC 129 pseudowire over IPv6.
    GeneralizedPw6(GeneralizedPwFec<Ipv6Addr>),
    /// A labeled BGP prefix.
    Bgp(IpPrefix),
    /// A prefix, whatever protocol labels it.
    Generic(IpPrefix),
    /// A label without a FEC.
    Nil(Label),
    /// An RSVP-TE P2MP LSP over IPv4.
    RsvpP2mp4(RsvpP2mpLsp<Ipv4Addr>),
    /// An RSVP-TE P2MP LSP over IPv6.
    RsvpP2mp6(RsvpP2mpLsp<Ipv6Addr>),
    /// An mLDP P2MP or MP2MP LSP; the direction of the latter is not told, and is always down.
    Mldp(MultipointFec),
    /// A P2MP pseudowire, as a VPLS with multicast trees has it.
    P2mpPw {
        /// The attachment group: the VPLS.
        agi: Attachment,
        /// The root.
        originator: IpAddr,
    },
    /// Any other.
    Unknown(TargetFecType, Octets),
}

impl TargetFec {
    /// The type.
    #[must_use]
    pub const fn fec_type(&self) -> TargetFecType {
        match self {
            Self::Ldp(IpPrefix::V4(_)) => TargetFecType::LDP_IPV4,
            Self::Ldp(IpPrefix::V6(_)) => TargetFecType::LDP_IPV6,
            Self::Rsvp4(_) => TargetFecType::RSVP_IPV4,
            Self::Rsvp6(_) => TargetFecType::RSVP_IPV6,
            Self::Vpn { prefix: IpPrefix::V4(_), .. } => TargetFecType::VPN_IPV4,
            Self::Vpn { prefix: IpPrefix::V6(_), .. } => TargetFecType::VPN_IPV6,
            Self::L2vpnEndpoint { .. } => TargetFecType::L2VPN_ENDPOINT,
            Self::PwIdDeprecated { .. } => TargetFecType::PW_ID_DEPRECATED,
            Self::PwId4(_) => TargetFecType::PW_ID_IPV4,
            Self::PwId6(_) => TargetFecType::PW_ID_IPV6,
            Self::GeneralizedPw4(_) => TargetFecType::GENERALIZED_PW_IPV4,
            Self::GeneralizedPw6(_) => TargetFecType::GENERALIZED_PW_IPV6,
            Self::Bgp(IpPrefix::V4(_)) => TargetFecType::BGP_IPV4,
            Self::Bgp(IpPrefix::V6(_)) => TargetFecType::BGP_IPV6,
            Self::Generic(IpPrefix::V4(_)) => TargetFecType::GENERIC_IPV4,
            Self::Generic(IpPrefix::V6(_)) => TargetFecType::GENERIC_IPV6,
            Self::Nil(_) => TargetFecType::NIL,
            Self::RsvpP2mp4(_) => TargetFecType::RSVP_P2MP_IPV4,
            Self::RsvpP2mp6(_) => TargetFecType::RSVP_P2MP_IPV6,
            Self::Mldp(MultipointFec { kind: MultipointKind::P2mp, .. }) => TargetFecType::MLDP_P2MP,
            Self::Mldp(_) => TargetFecType::MLDP_MP2MP,
            Self::P2mpPw { .. } => TargetFecType::P2MP_PW,
            Self::Unknown(kind, _) => *kind,
        }
    }

    /// Whether it stands for a tree, so that several nodes answer (RFC 6425 §4).
    #[must_use]
    pub const fn is_multipoint(&self) -> bool {
        matches!(self, Self::RsvpP2mp4(_) | Self::RsvpP2mp6(_) | Self::Mldp(_) | Self::P2mpPw { .. })
    }

    /// Takes a FEC with its type and length.
    ///
    /// # Errors
    /// Truncated input, a length that the type does not have, a prefix that is too long.
    pub fn take(i: &[u8]) -> Take<'_, Self> {
        let (rest, (kind, value)) = take_tlv(i, "target fec")?;
        Ok((rest, whole(value, |value| Self::take_value(TargetFecType(kind), value))?))
    }

    /// Reads a FEC that is all of `octets`.
    ///
    /// # Errors
    /// As [`Self::take`], and octets behind it.
    pub fn parse(octets: &[u8]) -> Result<Self, Malformed> {
        codec::all(octets, Self::take)
    }

    fn take_value(kind: TargetFecType, i: &[u8]) -> Take<'_, Self> {
        Ok(match kind {
            TargetFecType::LDP_IPV4 => map(take_prefix4(i), Self::Ldp)?,
            TargetFecType::LDP_IPV6 => map(take_prefix6(i), Self::Ldp)?,
            TargetFecType::BGP_IPV4 => map(take_prefix4(i), Self::Bgp)?,
            TargetFecType::BGP_IPV6 => map(take_prefix6(i), Self::Bgp)?,
            TargetFecType::GENERIC_IPV4 => map(take_prefix4(i), Self::Generic)?,
            TargetFecType::GENERIC_IPV6 => map(take_prefix6(i), Self::Generic)?,
            TargetFecType::VPN_IPV4 | TargetFecType::VPN_IPV6 => {
                let (i, rd) = codec::array(i, "route distinguisher")?;
                let take = if kind == TargetFecType::VPN_IPV4 { take_prefix4 } else { take_prefix6 };
                map(take(i), |prefix| Self::Vpn { rd, prefix })?
            }
            TargetFecType::RSVP_IPV4 => map(RsvpLsp::take(i), Self::Rsvp4)?,
            TargetFecType::RSVP_IPV6 => map(RsvpLsp::take(i), Self::Rsvp6)?,
            TargetFecType::RSVP_P2MP_IPV4 => map(RsvpP2mpLsp::take(i), Self::RsvpP2mp4)?,
            TargetFecType::RSVP_P2MP_IPV6 => map(RsvpP2mpLsp::take(i), Self::RsvpP2mp6)?,
            TargetFecType::L2VPN_ENDPOINT => {
                let (i, rd) = codec::array(i, "route distinguisher")?;
                let (i, sender_ve) = codec::be_u16(i, "sender's ve id")?;
                let (i, receiver_ve) = codec::be_u16(i, "receiver's ve id")?;
                let (i, pw_type) = take_pw_type(i)?;
                (i, Self::L2vpnEndpoint { rd, sender_ve, receiver_ve, pw_type })
            }
            TargetFecType::PW_ID_DEPRECATED => {
                let (i, remote) = Ipv4Addr::take(i, "remote pe address")?;
                let (i, pw_id) = codec::be_u32(i, "pw id")?;
                let (i, pw_type) = take_pw_type(i)?;
                (i, Self::PwIdDeprecated { remote, pw_id, pw_type })
            }
            TargetFecType::PW_ID_IPV4 => map(PwIdFec::take(i), Self::PwId4)?,
            TargetFecType::PW_ID_IPV6 => map(PwIdFec::take(i), Self::PwId6)?,
            TargetFecType::GENERALIZED_PW_IPV4 => map(GeneralizedPwFec::take(i), Self::GeneralizedPw4)?,
            TargetFecType::GENERALIZED_PW_IPV6 => map(GeneralizedPwFec::take(i), Self::GeneralizedPw6)?,
            TargetFecType::NIL => {
                let (i, word) = codec::be_u32(i, "label")?;
                (i, Self::Nil(Label::from_low_bits(word >> 12)))
            }
            TargetFecType::MLDP_P2MP => take_mldp(i, MultipointKind::P2mp)?,
            TargetFecType::MLDP_MP2MP => take_mldp(i, MultipointKind::Mp2mpDown)?,
            TargetFecType::P2MP_PW => {
                let (i, agi) = Attachment::take(i, "agi")?;
                let (i, len) = codec::be_u8(i, "ip addr len")?;
                let (i, originator) = match len {
                    4 => map(Ipv4Addr::take(i, "originating router"), IpAddr::V4)?,
                    16 => map(Ipv6Addr::take(i, "originating router"), IpAddr::V6)?,
                    other => return Err(Fail::new(i, "ip addr len", Fault::Length(other.into()))),
                };
                (i, Self::P2mpPw { agi, originator })
            }
            other => (i.get(i.len()..).unwrap_or_default(), Self::Unknown(other, Octets::from_slice(i))),
        })
    }

    fn value_len(&self) -> usize {
        match self {
            Self::Ldp(prefix) | Self::Bgp(prefix) | Self::Generic(prefix) => prefix_len(prefix),
            Self::Vpn { prefix, .. } => prefix_len(prefix).saturating_add(8),
            Self::Rsvp4(_) | Self::RsvpP2mp4(_) => 20,
            Self::Rsvp6(_) => 56,
            Self::RsvpP2mp6(_) => 44,
            Self::L2vpnEndpoint { .. } | Self::PwId4(_) => 14,
            Self::PwIdDeprecated { .. } => 10,
            Self::PwId6(_) => 38,
            Self::GeneralizedPw4(fec) => fec.wire_len(),
            Self::GeneralizedPw6(fec) => fec.wire_len(),
            Self::Nil(_) => 4,
            Self::Mldp(fec) => fec.wire_len(),
            Self::P2mpPw { agi, originator } => {
                agi.wire_len().saturating_add(if originator.is_ipv4() { 5 } else { 17 })
            }
            Self::Unknown(_, value) => value.len(),
        }
    }

    /// Octets with type, length and padding.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        padded_len(self.value_len())
    }

    /// Writes the FEC with type, length and padding.
    pub fn emit(&self, out: &mut impl BufMut) {
        emit_tlv(self.fec_type().0, self.value_len(), out, |out| self.emit_value(out));
    }

    fn emit_value(&self, out: &mut impl BufMut) {
        match self {
            Self::Ldp(prefix) | Self::Bgp(prefix) | Self::Generic(prefix) => emit_prefix(prefix, out),
            Self::Vpn { rd, prefix } => {
                out.put_slice(rd);
                emit_prefix(prefix, out);
            }
            Self::Rsvp4(lsp) => lsp.emit(out),
            Self::Rsvp6(lsp) => lsp.emit(out),
            Self::RsvpP2mp4(lsp) => lsp.emit(out),
            Self::RsvpP2mp6(lsp) => lsp.emit(out),
            Self::L2vpnEndpoint { rd, sender_ve, receiver_ve, pw_type } => {
                out.put_slice(rd);
                out.put_u16(*sender_ve);
                out.put_u16(*receiver_ve);
                out.put_u16(pw_type.value());
            }
            Self::PwIdDeprecated { remote, pw_id, pw_type } => {
                remote.emit(out);
                out.put_u32(*pw_id);
                out.put_u16(pw_type.value());
            }
            Self::PwId4(fec) => fec.emit(out),
            Self::PwId6(fec) => fec.emit(out),
            Self::GeneralizedPw4(fec) => fec.emit(out),
            Self::GeneralizedPw6(fec) => fec.emit(out),
            Self::Nil(label) => out.put_u32(label.value() << 12),
            Self::Mldp(fec) => fec.emit(out),
            Self::P2mpPw { agi, originator } => {
                agi.emit(out);
                match originator {
                    IpAddr::V4(address) => {
                        out.put_u8(4);
                        address.emit(out);
                    }
                    IpAddr::V6(address) => {
                        out.put_u8(16);
                        address.emit(out);
                    }
                }
            }
            Self::Unknown(_, value) => out.put_slice(value),
        }
    }
}

fn map<'a, T, U>(taken: Take<'a, T>, f: impl FnOnce(T) -> U) -> Take<'a, U> {
    taken.map(|(i, value)| (i, f(value)))
}

fn take_pw_type(i: &[u8]) -> Take<'_, PwType> {
    map(codec::be_u16(i, "pw type"), PwType::from_low_bits)
}

/// A whole address and its length in bits; bits behind it are cleared (RFC 8029 §3.2.1).
fn take_prefix4(i: &[u8]) -> Take<'_, IpPrefix> {
    let (i, address) = Ipv4Addr::take(i, "prefix")?;
    let at = i;
    let (i, len) = codec::be_u8(i, "prefix length")?;
    let prefix =
        Ipv4Prefix::new(address, len).ok_or_else(|| Fail::new(at, "prefix length", Fault::Value(len.into())))?;
    Ok((i, IpPrefix::V4(prefix)))
}

fn take_prefix6(i: &[u8]) -> Take<'_, IpPrefix> {
    let (i, address) = Ipv6Addr::take(i, "prefix")?;
    let at = i;
    let (i, len) = codec::be_u8(i, "prefix length")?;
    let prefix =
        Ipv6Prefix::new(address, len).ok_or_else(|| Fail::new(at, "prefix length", Fault::Value(len.into())))?;
    Ok((i, IpPrefix::V6(prefix)))
}

const fn prefix_len(prefix: &IpPrefix) -> usize {
    match prefix {
        IpPrefix::V4(_) => 5,
        IpPrefix::V6(_) => 17,
    }
}

fn emit_prefix(prefix: &IpPrefix, out: &mut impl BufMut) {
    match prefix.addr() {
        IpAddr::V4(address) => address.emit(out),
        IpAddr::V6(address) => address.emit(out),
    }
    out.put_u8(prefix.bit_len());
}

fn take_mldp(i: &[u8], kind: MultipointKind) -> Take<'_, TargetFec> {
    let (rest, fec) = MultipointFec::take(i, kind)?;
    match fec {
        Some(fec) => Ok((rest, TargetFec::Mldp(fec))),
        None => Err(Fail::new(i, "root address family", Fault::Length(i.len()))),
    }
}

impl<A: WireAddress> PwIdFec<A> {
    fn take(i: &[u8]) -> Take<'_, Self> {
        let (i, sender) = A::take(i, "sender's pe address")?;
        let (i, remote) = A::take(i, "remote pe address")?;
        let (i, pw_id) = codec::be_u32(i, "pw id")?;
        let (i, pw_type) = take_pw_type(i)?;
        Ok((i, Self { sender, remote, pw_id, pw_type }))
    }

    fn emit(&self, out: &mut impl BufMut) {
        self.sender.emit(out);
        self.remote.emit(out);
        out.put_u32(self.pw_id);
        out.put_u16(self.pw_type.value());
    }
}

impl<A: WireAddress> GeneralizedPwFec<A> {
    fn take(i: &[u8]) -> Take<'_, Self> {
        let (i, sender) = A::take(i, "sender's pe address")?;
        let (i, remote) = A::take(i, "remote pe address")?;
        let (i, pw_type) = take_pw_type(i)?;
        let (i, agi) = Attachment::take(i, "agi")?;
        let (i, saii) = Attachment::take(i, "saii")?;
        let (i, taii) = Attachment::take(i, "taii")?;
        Ok((i, Self { sender, remote, pw_type, agi, saii, taii }))
    }

    fn wire_len(&self) -> usize {
        [&self.agi, &self.saii, &self.taii]
            .iter()
            .map(|attachment| attachment.wire_len())
            .fold(A::LEN.saturating_mul(2).saturating_add(2), usize::saturating_add)
    }

    fn emit(&self, out: &mut impl BufMut) {
        self.sender.emit(out);
        self.remote.emit(out);
        out.put_u16(self.pw_type.value());
        [&self.agi, &self.saii, &self.taii].into_iter().for_each(|attachment| attachment.emit(out));
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for TargetFec {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(match u.int_in_range(0..=17)? {
            0 => Self::Ldp(u.arbitrary()?),
            1 => Self::Rsvp4(u.arbitrary()?),
            2 => Self::Rsvp6(u.arbitrary()?),
            3 => Self::Vpn { rd: u.arbitrary()?, prefix: u.arbitrary()? },
            4 => Self::L2vpnEndpoint {
                rd: u.arbitrary()?,
                sender_ve: u.arbitrary()?,
                receiver_ve: u.arbitrary()?,
                pw_type: u.arbitrary()?,
            },
            5 => Self::PwIdDeprecated { remote: u.arbitrary()?, pw_id: u.arbitrary()?, pw_type: u.arbitrary()? },
            6 => Self::PwId4(u.arbitrary()?),
            7 => Self::PwId6(u.arbitrary()?),
            8 => Self::GeneralizedPw4(u.arbitrary()?),
            9 => Self::GeneralizedPw6(u.arbitrary()?),
            10 => Self::Bgp(u.arbitrary()?),
            11 => Self::Generic(u.arbitrary()?),
            12 => Self::Nil(u.arbitrary()?),
            13 => Self::RsvpP2mp4(u.arbitrary()?),
            14 => Self::RsvpP2mp6(u.arbitrary()?),
            15 => {
                let kind = if u.arbitrary()? { MultipointKind::P2mp } else { MultipointKind::Mp2mpDown };
                Self::Mldp(MultipointFec { kind, ..u.arbitrary()? })
            }
            16 => Self::P2mpPw { agi: u.arbitrary()?, originator: u.arbitrary()? },
            _ => {
                let kind = TargetFecType(u.int_in_range(38..=0xffff)?);
                Self::Unknown(kind, crate::ldp::octets::arbitrary_octets(u, 30)?)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;
    use crate::ldp::fec::{OpaqueElement, OpaqueValue};

    fn check(fec: &TargetFec, octets: &[u8]) {
        let mut out = Vec::new();
        fec.emit(&mut out);
        assert_eq!(out, octets, "{fec:?}");
        assert_eq!(TargetFec::parse(octets).as_ref(), Ok(fec));
    }

    /// The example of RFC 8029 §3: lengths leave the padding out.
    #[test]
    fn figures_of_prefixes() {
        let prefix = IpPrefix::V4("192.0.2.0/24".parse().unwrap());
        check(&TargetFec::Ldp(prefix), &[0, 1, 0, 5, 192, 0, 2, 0, 24, 0, 0, 0]);
        let rd = [0, 0, 0xfd, 0xe9, 0, 0, 0, 7];
        let octets = [0, 6, 0, 13, 0, 0, 0xfd, 0xe9, 0, 0, 0, 7, 192, 0, 2, 0, 24, 0, 0, 0];
        check(&TargetFec::Vpn { rd, prefix }, &octets);
        let fault = TargetFec::parse(&[0, 1, 0, 5, 192, 0, 2, 0, 33, 0, 0, 0]).unwrap_err();
        assert_eq!((fault.field, fault.fault), ("prefix length", Fault::Value(33)));
        assert!(TargetFec::parse(&[0, 1, 0, 6, 192, 0, 2, 0, 24, 0, 0, 0]).is_err());
        check(&TargetFec::Nil(Label::ROUTER_ALERT), &[0, 16, 0, 4, 0, 0, 0x10, 0]);
    }

    /// Shows: L2VPN-5.2-6, L3VPN-8.10-12
    #[test]
    fn figures_of_pseudowires_and_trees() {
        let (sender, remote) = (Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2));
        let pw_type = PwType::ETHERNET;
        let fec = TargetFec::PwId4(PwIdFec { sender, remote, pw_id: 7, pw_type });
        check(&fec, &[0, 10, 0, 14, 192, 0, 2, 1, 192, 0, 2, 2, 0, 0, 0, 7, 0, 5, 0, 0]);
        let (saii, taii) = (Attachment::individual(1), Attachment::individual(2));
        let agi = Attachment::group([0, 0, 0xfd, 0xe9, 0, 0, 0, 7]);
        let fec = GeneralizedPwFec { sender, remote, pw_type, agi: agi.clone(), saii, taii };
        let ends = [1, 8, 0, 0, 0xfd, 0xe9, 0, 0, 0, 7, 1, 4, 0, 0, 0, 1, 1, 4, 0, 0, 0, 2];
        // The length is 16 and those of the three identifiers.
        let octets = [&[0, 11, 0, 32, 192, 0, 2, 1, 192, 0, 2, 2, 0, 5][..], &ends].concat();
        check(&TargetFec::GeneralizedPw4(fec), &octets);
        let pw = TargetFec::P2mpPw { agi, originator: sender.into() };
        let octets = [0, 37, 0, 15, 1, 8, 0, 0, 0xfd, 0xe9, 0, 0, 0, 7, 4, 192, 0, 2, 1, 0];
        check(&pw, &octets);
        let opaque = OpaqueValue::single(&OpaqueElement::GenericLspId(9));
        let root = IpAddr::V4(sender);
        for (kind, code) in [(MultipointKind::P2mp, 19), (MultipointKind::Mp2mpDown, 20)] {
            let fec = TargetFec::Mldp(MultipointFec { kind, root, opaque: opaque.clone() });
            let octets = [0, code, 0, 16, 0, 1, 4, 192, 0, 2, 1, 0, 7, 1, 0, 4, 0, 0, 0, 9];
            check(&fec, &octets);
            assert!(fec.is_multipoint());
        }
        let lsp = RsvpP2mpLsp { p2mp_id: 5, tunnel_id: 6, extended_tunnel_id: sender, sender, lsp_id: 8 };
        let octets = [0, 17, 0, 20, 0, 0, 0, 5, 0, 0, 0, 6, 192, 0, 2, 1, 192, 0, 2, 1, 0, 0, 0, 8];
        check(&TargetFec::RsvpP2mp4(lsp), &octets);
        let address = Ipv6Addr::LOCALHOST;
        let lsp = RsvpP2mpLsp { p2mp_id: 5, tunnel_id: 6, extended_tunnel_id: address, sender: address, lsp_id: 8 };
        let mut out = Vec::new();
        TargetFec::RsvpP2mp6(lsp).emit(&mut out);
        assert_eq!((out.len(), &out[..4]), (48, &[0, 18, 0, 44][..]));
        let fec = PwIdFec { sender: address, remote: address, pw_id: 7, pw_type };
        TargetFec::PwId6(fec).emit(&mut out);
        assert_eq!(out[48..52], [0, 24, 0, 38]);
    }
}
