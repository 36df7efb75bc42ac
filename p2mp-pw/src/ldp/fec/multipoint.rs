//! FEC elements of multipoint LSPs: P2MP, MP2MP (RFC 6388 §2.2, §3.2) and HSMP (RFC 7140 §3.2).

use core::net::IpAddr;

use fwd_core::codec::{self, BufMut, Take};

use super::super::address_family::{AddressFamily, address_len, emit_address, take_address};
use super::super::octets::len16;
use super::FecType;
use super::opaque::OpaqueValue;

/// Which kind of multipoint LSP, and which direction of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum MultipointKind {
    /// From the root to the leaves.
    P2mp,
    /// MP2MP, towards the root.
    Mp2mpUp,
    /// MP2MP, from the root.
    Mp2mpDown,
    /// Hub and spoke, towards the root.
    HsmpUp,
    /// Hub and spoke, from the root.
    HsmpDown,
}

impl MultipointKind {
    /// The type of the FEC element.
    #[must_use]
    pub const fn fec_type(self) -> FecType {
        match self {
            Self::P2mp => FecType::P2MP,
            Self::Mp2mpUp => FecType::MP2MP_UP,
            Self::Mp2mpDown => FecType::MP2MP_DOWN,
            Self::HsmpUp => FecType::HSMP_UP,
            Self::HsmpDown => FecType::HSMP_DOWN,
        }
    }

    /// The kind that a type of FEC element stands for.
    #[must_use]
    pub const fn of(fec_type: FecType) -> Option<Self> {
        Some(match fec_type {
            FecType::P2MP => Self::P2mp,
            FecType::MP2MP_UP => Self::Mp2mpUp,
            FecType::MP2MP_DOWN => Self::Mp2mpDown,
            FecType::HSMP_UP => Self::HsmpUp,
            FecType::HSMP_DOWN => Self::HsmpDown,
            _ => return None,
        })
    }
}

/// A multipoint LSP: its root and an opaque value, which is unique at the root.
///
/// ```text
/// +--------------------+--------------------+------------------+-------------------+------------------+
/// | Address family (2) | Address length (1) | Root address ... | Opaque length (2) | Opaque value ... |
/// +--------------------+--------------------+------------------+-------------------+------------------+
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MultipointFec {
    /// The kind.
    pub kind: MultipointKind,
    /// The root's address.
    pub root: IpAddr,
    /// The opaque value.
    pub opaque: OpaqueValue,
}

impl MultipointFec {
    /// Takes the value after the element's type; `None` if family and length of the root's address do not match, which
    /// makes the FEC unknown (RFC 6388 §2.2).
    pub(crate) fn take(i: &[u8], kind: MultipointKind) -> Take<'_, Option<Self>> {
        let (i, family) = codec::be_u16(i, "root address family")?;
        let (i, len) = codec::be_u8(i, "root address length")?;
        if AddressFamily(family).address_len() != Some(len.into()) {
            return Ok((i, None));
        }
        let (i, root) = take_address(i, len.into())?;
        let (i, len) = codec::be_u16(i, "opaque length")?;
        let (i, opaque) = codec::octets(i, len.into(), "opaque length")?;
        let opaque = OpaqueValue::take_all(opaque)?;
        Ok((i, Some(Self { kind, root, opaque })))
    }

    /// Octets of the value after the element's type.
    pub(crate) fn wire_len(&self) -> usize {
        address_len(self.root).saturating_add(self.opaque.wire_len()).saturating_add(5)
    }

    /// Writes the value after the element's type.
    pub(crate) fn emit(&self, out: &mut impl BufMut) {
        out.put_u16(AddressFamily::of(self.root).0);
        out.put_u8(if self.root.is_ipv4() { 4 } else { 16 });
        emit_address(self.root, out);
        out.put_u16(len16(self.opaque.wire_len()));
        self.opaque.emit(out);
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for MultipointFec {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(Self { kind: u.arbitrary()?, root: u.arbitrary()?, opaque: u.arbitrary()? })
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::status::StatusCode;
    use super::super::{Fec, FecElement, OpaqueElement};
    use super::*;

    #[test]
    fn figure_of_the_p2mp_element() {
        let octets = [6, 0, 1, 4, 192, 0, 2, 1, 0, 7, 1, 0, 4, 0, 0, 0, 9];
        let fec = Fec::parse(&octets).unwrap();
        let Some(FecElement::Multipoint(mp)) = fec.only() else { panic!("{fec:?}") };
        assert_eq!((mp.kind, mp.root), (MultipointKind::P2mp, [192, 0, 2, 1].into()));
        assert_eq!(mp.opaque.elements().next(), Some(Ok(OpaqueElement::GenericLspId(9))));
        let mut out = alloc::vec::Vec::new();
        fec.emit(&mut out);
        assert_eq!(out, octets);
    }

    #[test]
    fn an_address_length_that_is_not_the_familys_makes_the_fec_unknown() {
        let fec = Fec::parse(&[6, 0, 2, 4, 192, 0, 2, 1, 0, 7, 1, 0, 4, 0, 0, 0, 9]).unwrap();
        assert_eq!(fec.0[0].refused(), Some(StatusCode::UNKNOWN_FEC));
    }
}
