//! FEC elements, one file per kind (RFC 5036 §3.4.1).
//!
//! | Type | Element | File |
//! |---|---|---|
//! | 0x01 | Wildcard | here: it has no value |
//! | 0x02 | Prefix | `prefix.rs` |
//! | 0x05 | Typed Wildcard | `typed_wildcard.rs` |
//! | 0x06–0x0a | P2MP, MP2MP, HSMP | `multipoint.rs`, `opaque.rs` |
//! | 0x80 | PWid | `pw_id.rs` |
//! | 0x81 | Generalized PWid | `generalized_pw_id.rs`, `attachment.rs` |
//! | 0x83 | Protection | `protection.rs` |
//! | 0x82, 0x84 | P2MP PW Upstream, P2P PW Downstream | `p2mp_pw.rs` |
//!
//! Interface parameters of pseudowires are in `interface_parameter.rs`.

mod attachment;
mod generalized_pw_id;
mod interface_parameter;
mod multipoint;
mod opaque;
mod p2mp_pw;
mod prefix;
mod protection;
mod pw_id;
mod typed_wildcard;

use alloc::boxed::Box;

use fwd_core::Malformed;
use fwd_core::codec::{self, BufMut, Take};
use smallvec::SmallVec;

pub use attachment::{Attachment, AttachmentType};
pub use generalized_pw_id::{GeneralizedPwId, PwEnds};
pub use interface_parameter::{FlowLabel, InterfaceParameter, InterfaceParameterType, SelectiveTree, Vccv};
pub use multipoint::{MultipointFec, MultipointKind};
pub use opaque::{OpaqueElement, OpaqueType, OpaqueValue, RouteDistinguisher};
pub use p2mp_pw::{P2mpPw, P2mpPwError, PmsiTunnel, PmsiTunnelType};
pub use prefix::PrefixFec;
pub use protection::{ProtectedName, ProtectedPw, ProtectionEncoding, ProtectionFec};
pub use pw_id::{PwId, PwIdScope, PwType};
pub use typed_wildcard::{TypedWildcard, WildcardScope};

use super::octets::{Octets, list};
use super::status::StatusCode;
use super::tlv::{Tlv, TlvFlags, TlvType, emit_header};

/// The type of a FEC element; unknown values survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct FecType(pub u8);

impl FecType {
    /// Everything (RFC 5036 §3.4.1).
    pub const WILDCARD: Self = Self(0x01);
    /// An address prefix (RFC 5036 §3.4.1).
    pub const PREFIX: Self = Self(0x02);
    /// Everything of a type (RFC 5918 §3).
    pub const TYPED_WILDCARD: Self = Self(0x05);
    /// A P2MP LSP (RFC 6388 §2.2).
    pub const P2MP: Self = Self(0x06);
    /// An MP2MP LSP, towards its root (RFC 6388 §3.2).
    pub const MP2MP_UP: Self = Self(0x07);
    /// An MP2MP LSP, from its root (RFC 6388 §3.2).
    pub const MP2MP_DOWN: Self = Self(0x08);
    /// A hub-and-spoke multipoint LSP, towards its root (RFC 7140 §3.2).
    pub const HSMP_UP: Self = Self(0x09);
    /// A hub-and-spoke multipoint LSP, from its root (RFC 7140 §3.2).
    pub const HSMP_DOWN: Self = Self(0x0a);
    /// A pseudowire by number (RFC 8077 §6.1).
    pub const PW_ID: Self = Self(0x80);
    /// A pseudowire by its attachment identifiers (RFC 8077 §6.2).
    pub const GENERALIZED_PW_ID: Self = Self(0x81);
    /// A P2MP pseudowire (RFC 8338 §3.2.1).
    pub const P2MP_PW_UPSTREAM: Self = Self(0x82);
    /// A pseudowire whose egress is protected (RFC 8104 §6.4).
    pub const PROTECTION: Self = Self(0x83);
    /// The way back to the root of a P2MP pseudowire (RFC 8338 §3.2.2).
    pub const P2P_PW_DOWNSTREAM: Self = Self(0x84);
}

/// A FEC element.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FecElement {
    /// Everything: in Label Withdraw and Label Release alone.
    Wildcard,
    /// An address prefix.
    Prefix(PrefixFec),
    /// Everything of a type.
    TypedWildcard(TypedWildcard),
    /// A multipoint LSP.
    Multipoint(Box<MultipointFec>),
    /// A pseudowire by number.
    PwId(Box<PwId>),
    /// A pseudowire by its attachment identifiers.
    GeneralizedPwId(Box<GeneralizedPwId>),
    /// A P2MP pseudowire.
    P2mpPwUpstream(Box<P2mpPw>),
    /// A pseudowire whose egress is protected.
    Protection(Box<ProtectionFec>),
    /// The way back to the root of a P2MP pseudowire; it names no tunnel.
    P2pPwDownstream(Box<P2mpPw>),
    /// A type that is not known, with all that follows: its length is not known either.
    Unknown(FecType, Octets),
}

impl FecElement {
    /// The type.
    #[must_use]
    pub fn fec_type(&self) -> FecType {
        match self {
            Self::Wildcard => FecType::WILDCARD,
            Self::Prefix(_) => FecType::PREFIX,
            Self::TypedWildcard(_) => FecType::TYPED_WILDCARD,
            Self::Multipoint(fec) => fec.kind.fec_type(),
            Self::PwId(_) => FecType::PW_ID,
            Self::GeneralizedPwId(_) => FecType::GENERALIZED_PW_ID,
            Self::P2mpPwUpstream(_) => FecType::P2MP_PW_UPSTREAM,
            Self::Protection(_) => FecType::PROTECTION,
            Self::P2pPwDownstream(_) => FecType::P2P_PW_DOWNSTREAM,
            Self::Unknown(fec_type, _) => *fec_type,
        }
    }

    /// What an element costs that cannot be used: the message is answered by this status and has no other effect
    /// (RFC 5036 §3.4.1.1).
    #[must_use]
    pub const fn refused(&self) -> Option<StatusCode> {
        match self {
            // Nobody here protects an egress.
            Self::Unknown(..) | Self::Protection(_) => Some(StatusCode::UNKNOWN_FEC),
            Self::Prefix(PrefixFec::Unknown { .. }) => Some(StatusCode::UNSUPPORTED_ADDRESS_FAMILY),
            _ => None,
        }
    }

    /// Takes an element.
    ///
    /// # Errors
    /// Truncated input, or a value that its type does not allow.
    #[inline]
    pub fn take(i: &[u8]) -> Take<'_, Self> {
        let (i, kind) = codec::be_u8(i, "fec element type")?;
        Ok(match FecType(kind) {
            FecType::WILDCARD => (i, Self::Wildcard),
            FecType::PREFIX => PrefixFec::take(i).map(|(i, fec)| (i, Self::Prefix(fec)))?,
            FecType::TYPED_WILDCARD => TypedWildcard::take(i).map(|(i, fec)| (i, Self::TypedWildcard(fec)))?,
            FecType::PW_ID => PwId::take(i).map(|(i, fec)| (i, Self::PwId(Box::new(fec))))?,
            FecType::GENERALIZED_PW_ID => {
                GeneralizedPwId::take(i).map(|(i, fec)| (i, Self::GeneralizedPwId(Box::new(fec))))?
            }
            FecType::P2MP_PW_UPSTREAM => {
                P2mpPw::take(i, true).map(|(i, fec)| (i, Self::P2mpPwUpstream(Box::new(fec))))?
            }
            FecType::P2P_PW_DOWNSTREAM => {
                P2mpPw::take(i, false).map(|(i, fec)| (i, Self::P2pPwDownstream(Box::new(fec))))?
            }
            FecType::PROTECTION => ProtectionFec::take(i).map(|(i, fec)| (i, Self::Protection(Box::new(fec))))?,
            other => match MultipointKind::of(other) {
                Some(kind) => match MultipointFec::take(i, kind)? {
                    (i, Some(fec)) => (i, Self::Multipoint(Box::new(fec))),
                    (_, None) => unknown(other, i)?,
                },
                None => unknown(other, i)?,
            },
        })
    }

    /// Octets of the element.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        let value = match self {
            Self::Wildcard => 0,
            Self::Prefix(fec) => fec.wire_len(),
            Self::TypedWildcard(fec) => fec.wire_len(),
            Self::Multipoint(fec) => fec.wire_len(),
            Self::PwId(fec) => fec.wire_len(),
            Self::GeneralizedPwId(fec) => fec.wire_len(),
            Self::Protection(fec) => fec.wire_len(),
            Self::P2mpPwUpstream(fec) | Self::P2pPwDownstream(fec) => fec.wire_len(),
            Self::Unknown(_, octets) => octets.len(),
        };
        value.saturating_add(1)
    }

    /// Writes the element.
    pub fn emit(&self, out: &mut impl BufMut) {
        out.put_u8(self.fec_type().0);
        match self {
            Self::Wildcard => {}
            Self::Prefix(fec) => fec.emit(out),
            Self::TypedWildcard(fec) => fec.emit(out),
            Self::Multipoint(fec) => fec.emit(out),
            Self::PwId(fec) => fec.emit(out),
            Self::GeneralizedPwId(fec) => fec.emit(out),
            Self::Protection(fec) => fec.emit(out),
            Self::P2mpPwUpstream(fec) | Self::P2pPwDownstream(fec) => fec.emit(out),
            Self::Unknown(_, octets) => out.put_slice(octets),
        }
    }
}

fn unknown(fec_type: FecType, i: &[u8]) -> Take<'_, FecElement> {
    codec::octets(i, i.len(), "fec element").map(|(i, o)| (i, FecElement::Unknown(fec_type, Octets::from_slice(o))))
}

/// The value of a FEC TLV: elements, of which all messages but a Label Mapping have exactly one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fec(pub SmallVec<[FecElement; 1]>);

impl Fec {
    /// A FEC of one element.
    #[must_use]
    pub fn single(element: FecElement) -> Self {
        Self(smallvec::smallvec![element])
    }

    /// The element of a FEC that has one.
    #[must_use]
    pub fn only(&self) -> Option<&FecElement> {
        match self.0.as_slice() {
            [element] => Some(element),
            _ => None,
        }
    }

    /// Takes elements up to the end of `i`.
    ///
    /// # Errors
    /// No element, or one that is malformed.
    pub fn take(i: &[u8]) -> Take<'_, Self> {
        let (i, first) = FecElement::take(i)?;
        if i.is_empty() {
            return Ok((i, Self::single(first)));
        }
        let (i, rest) = list::<_, SmallVec<[FecElement; 1]>>(i, FecElement::take)?;
        Ok((i, Self(core::iter::once(first).chain(rest).collect())))
    }

    /// Reads the value of a whole FEC TLV.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub fn parse(octets: &[u8]) -> Result<Self, Malformed> {
        codec::all(octets, Self::take)
    }

    /// Octets of the elements.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        self.0.iter().map(FecElement::wire_len).fold(0, usize::saturating_add)
    }

    /// Writes the elements.
    pub fn emit(&self, out: &mut impl BufMut) {
        self.0.iter().for_each(|element| element.emit(out));
    }

    /// Octets of the whole TLV.
    pub(super) fn tlv_len(&self) -> usize {
        self.wire_len().saturating_add(Tlv::HEADER_LEN)
    }

    /// Writes the whole TLV.
    pub(super) fn emit_tlv(&self, out: &mut impl BufMut) {
        emit_header(TlvFlags::empty(), TlvType::FEC, self.wire_len(), out);
        self.emit(out);
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for FecElement {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(match u.int_in_range(0..=9)? {
            0 => Self::Wildcard,
            1 | 2 => Self::Prefix(u.arbitrary()?),
            3 => Self::TypedWildcard(u.arbitrary()?),
            4 => Self::Multipoint(u.arbitrary()?),
            5 => Self::PwId(u.arbitrary()?),
            6 => Self::GeneralizedPwId(u.arbitrary()?),
            7 => Self::Protection(u.arbitrary()?),
            8 => Self::P2mpPwUpstream(Box::new(P2mpPw::arbitrary(u, true)?)),
            _ => Self::P2pPwDownstream(Box::new(P2mpPw::arbitrary(u, false)?)),
        })
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for Fec {
    /// An unknown element can only be the last.
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let mut elements = SmallVec::new();
        for _ in 0..u.int_in_range(1..=3)? {
            elements.push(u.arbitrary()?);
        }
        if u.ratio(1, 8)? {
            let fec_type = FecType(u.int_in_range(0x85..=0xff)?);
            elements.push(FecElement::Unknown(fec_type, super::octets::arbitrary_octets(u, 20)?));
        }
        Ok(Self(elements))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_element_ends_the_list_and_is_refused() {
        let fec = Fec::parse(&[1, 0x7f, 2, 0, 1]).unwrap();
        assert_eq!(fec.0[0], FecElement::Wildcard);
        assert_eq!(fec.0[1].refused(), Some(StatusCode::UNKNOWN_FEC));
        assert_eq!(fec.only(), None);
        assert!(Fec::parse(&[]).is_err());
    }
}
