//! The Protection FEC element (RFC 8104 §6.4).

use core::net::{Ipv4Addr, Ipv6Addr};

use fwd_core::codec::{self, BufMut, Take};

use super::super::octets::{Octets, len8, whole};
use super::generalized_pw_id::PwEnds;
use super::pw_id::PwType;
use crate::wire_address::WireAddress;

/// Names a pseudowire to the router that protects its egress. No machine here acts on it.
///
/// ```text
/// +--------------+-------------------+------------+-------------+
/// | Reserved (1) | Encoding type (1) | Length (1) | PW info ... |
/// +--------------+-------------------+------------+-------------+
/// ```
///
/// Encoding types 1 and 3 are PWid with IPv4 and IPv6 addresses, 2 and 4 Generalized PWid.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProtectionFec {
    /// Between IPv4 addresses.
    Ipv4(ProtectedPw<Ipv4Addr>),
    /// Between IPv6 addresses.
    Ipv6(ProtectedPw<Ipv6Addr>),
    /// Another encoding, as octets.
    Unknown(ProtectionEncoding, Octets),
}

/// How the pseudowire is written; unknown values survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProtectionEncoding(pub u8);

impl ProtectionEncoding {
    /// PWid, IPv4 (RFC 8104 §6.4.1).
    pub const PW_ID_IPV4: Self = Self(1);
    /// Generalized PWid, IPv4 (RFC 8104 §6.4.2).
    pub const GENERALIZED_IPV4: Self = Self(2);
    /// PWid, IPv6 (RFC 8104 §6.4.3).
    pub const PW_ID_IPV6: Self = Self(3);
    /// Generalized PWid, IPv6 (RFC 8104 §6.4.4).
    pub const GENERALIZED_IPV6: Self = Self(4);
}

/// The pseudowire that is protected.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct ProtectedPw<A> {
    /// The PE at which packets enter.
    pub ingress: A,
    /// The PE at which they leave.
    pub egress: A,
    /// C: with the control word.
    pub control_word: bool,
    /// The type.
    pub pw_type: PwType,
    /// Its name.
    pub name: ProtectedName,
}

/// A pseudowire's name.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum ProtectedName {
    /// A number.
    Id {
        /// The group.
        group_id: u32,
        /// The number.
        pw_id: u32,
    },
    /// The ends. With the addresses at most 255 octets.
    Ends(PwEnds),
}

impl<A: WireAddress> ProtectedPw<A> {
    /// PWid: addresses, group, number, then C, type and two reserved octets.
    fn take_pw_id(i: &[u8]) -> Take<'_, Self> {
        let (i, ingress) = A::take(i, "ingress pe")?;
        let (i, egress) = A::take(i, "egress pe")?;
        let (i, group_id) = codec::be_u32(i, "group id")?;
        let (i, pw_id) = codec::be_u32(i, "pw id")?;
        let (i, (control_word, pw_type)) = PwType::take_with_c(i)?;
        let (i, _reserved) = codec::be_u16(i, "reserved")?;
        Ok((i, Self { ingress, egress, control_word, pw_type, name: ProtectedName::Id { group_id, pw_id } }))
    }

    /// Generalized PWid: addresses, C, type and two reserved octets, then the ends.
    fn take_generalized(i: &[u8]) -> Take<'_, Self> {
        let (i, ingress) = A::take(i, "ingress pe")?;
        let (i, egress) = A::take(i, "egress pe")?;
        let (i, (control_word, pw_type)) = PwType::take_with_c(i)?;
        let (i, _reserved) = codec::be_u16(i, "reserved")?;
        let (i, ends) = PwEnds::take(i)?;
        Ok((i, Self { ingress, egress, control_word, pw_type, name: ProtectedName::Ends(ends) }))
    }

    fn info_len(&self) -> usize {
        let name = match &self.name {
            ProtectedName::Id { .. } => 8,
            ProtectedName::Ends(ends) => ends.wire_len(),
        };
        A::LEN.saturating_mul(2).saturating_add(4).saturating_add(name)
    }

    fn emit(&self, out: &mut impl BufMut) {
        self.ingress.emit(out);
        self.egress.emit(out);
        if let ProtectedName::Id { group_id, pw_id } = &self.name {
            out.put_u32(*group_id);
            out.put_u32(*pw_id);
        }
        self.pw_type.emit_with_c(self.control_word, out);
        out.put_u16(0);
        if let ProtectedName::Ends(ends) = &self.name {
            ends.emit(out);
        }
    }

    const fn is_generalized(&self) -> bool {
        matches!(self.name, ProtectedName::Ends(_))
    }
}

impl ProtectionFec {
    /// The encoding.
    #[must_use]
    pub const fn encoding(&self) -> ProtectionEncoding {
        match self {
            Self::Ipv4(pw) if pw.is_generalized() => ProtectionEncoding::GENERALIZED_IPV4,
            Self::Ipv4(_) => ProtectionEncoding::PW_ID_IPV4,
            Self::Ipv6(pw) if pw.is_generalized() => ProtectionEncoding::GENERALIZED_IPV6,
            Self::Ipv6(_) => ProtectionEncoding::PW_ID_IPV6,
            Self::Unknown(encoding, _) => *encoding,
        }
    }

    pub(super) fn take(i: &[u8]) -> Take<'_, Self> {
        let (i, _reserved) = codec::be_u8(i, "protection reserved")?;
        let (i, encoding) = codec::be_u8(i, "protection encoding type")?;
        let (rest, len) = codec::be_u8(i, "protection length")?;
        let (rest, info) = codec::octets(rest, len.into(), "protection length")?;
        let fec = match ProtectionEncoding(encoding) {
            ProtectionEncoding::PW_ID_IPV4 => Self::Ipv4(whole(info, ProtectedPw::take_pw_id)?),
            ProtectionEncoding::GENERALIZED_IPV4 => Self::Ipv4(whole(info, ProtectedPw::take_generalized)?),
            ProtectionEncoding::PW_ID_IPV6 => Self::Ipv6(whole(info, ProtectedPw::take_pw_id)?),
            ProtectionEncoding::GENERALIZED_IPV6 => Self::Ipv6(whole(info, ProtectedPw::take_generalized)?),
            other => Self::Unknown(other, Octets::from_slice(info)),
        };
        Ok((rest, fec))
    }

    fn info_len(&self) -> usize {
        match self {
            Self::Ipv4(pw) => pw.info_len(),
            Self::Ipv6(pw) => pw.info_len(),
            Self::Unknown(_, info) => info.len(),
        }
    }

    pub(super) fn wire_len(&self) -> usize {
        self.info_len().saturating_add(3)
    }

    pub(super) fn emit(&self, out: &mut impl BufMut) {
        out.put_slice(&[0, self.encoding().0, len8(self.info_len())]);
        match self {
            Self::Ipv4(pw) => pw.emit(out),
            Self::Ipv6(pw) => pw.emit(out),
            Self::Unknown(_, info) => out.put_slice(info),
        }
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for ProtectionFec {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(match u.int_in_range(0..=2)? {
            0 => Self::Ipv4(u.arbitrary()?),
            1 => Self::Ipv6(u.arbitrary()?),
            _ => {
                let encoding = ProtectionEncoding(u.int_in_range(5..=255)?);
                Self::Unknown(encoding, super::super::octets::arbitrary_octets(u, 30)?)
            }
        })
    }
}
