//! The Typed Wildcard FEC element (RFC 5918 §3) with the forms of pseudowires (RFC 6667 §2, RFC 8338 §3.3) and of multipoint
//! LSPs (RFC 6388 §9).

use fwd_core::codec::{self, BufMut, Take};

use super::super::address_family::AddressFamily;
use super::super::octets::{Octets, len8, whole};
use super::p2mp_pw::PmsiTunnelType;
use super::pw_id::PwType;
use super::{FecType, MultipointKind};

/// Everything of a type.
///
/// ```text
/// +----------------------+------------+--------------------------+
/// | FEC element type (1) | Length (1) | Additional FEC info ...  |
/// +----------------------+------------+--------------------------+
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypedWildcard {
    /// The type that is meant.
    pub fec_type: FecType,
    /// What of the type is meant.
    pub scope: WildcardScope,
}

/// What of a type a wildcard means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WildcardScope {
    /// Prefixes or multipoint LSPs of an address family, 2 octets.
    Family(AddressFamily),
    /// Pseudowires of a type ([`PwType::WILDCARD`]: of all), 2 octets.
    PwType(PwType),
    /// P2MP pseudowires of a type on tunnels of a type, 3 octets.
    P2mpPw(PwType, PmsiTunnelType),
    /// What another type defines.
    Unknown(Octets),
}

impl TypedWildcard {
    /// Takes the value after the element's type.
    pub(super) fn take(i: &[u8]) -> Take<'_, Self> {
        let (i, fec_type) = codec::be_u8(i, "typed wildcard type")?;
        let (i, len) = codec::be_u8(i, "typed wildcard length")?;
        let (i, info) = codec::octets(i, len.into(), "typed wildcard length")?;
        let fec_type = FecType(fec_type);
        let family = |i| codec::be_u16(i, "typed wildcard family");
        let pw_type = |i| codec::be_u16(i, "typed wildcard pw type");
        let scope = match fec_type {
            FecType::PREFIX => WildcardScope::Family(AddressFamily(whole(info, family)?)),
            FecType::PW_ID | FecType::GENERALIZED_PW_ID => {
                WildcardScope::PwType(PwType::from_low_bits(whole(info, pw_type)?))
            }
            FecType::P2MP_PW_UPSTREAM | FecType::P2P_PW_DOWNSTREAM => {
                let (info, kind) = pw_type(info)?;
                let tunnel = whole(info, |i| codec::be_u8(i, "typed wildcard tunnel type"))?;
                WildcardScope::P2mpPw(PwType::from_low_bits(kind), PmsiTunnelType(tunnel))
            }
            other if MultipointKind::of(other).is_some() => WildcardScope::Family(AddressFamily(whole(info, family)?)),
            _ => WildcardScope::Unknown(Octets::from_slice(info)),
        };
        Ok((i, Self { fec_type, scope }))
    }

    fn scope_len(&self) -> usize {
        match &self.scope {
            WildcardScope::Family(_) | WildcardScope::PwType(_) => 2,
            WildcardScope::P2mpPw(..) => 3,
            WildcardScope::Unknown(info) => info.len(),
        }
    }

    pub(super) fn wire_len(&self) -> usize {
        self.scope_len().saturating_add(2)
    }

    pub(super) fn emit(&self, out: &mut impl BufMut) {
        out.put_slice(&[self.fec_type.0, len8(self.scope_len())]);
        match &self.scope {
            WildcardScope::Family(family) => out.put_u16(family.0),
            WildcardScope::PwType(kind) => out.put_u16(kind.value()),
            WildcardScope::P2mpPw(kind, tunnel) => {
                out.put_u16(kind.value());
                out.put_u8(tunnel.0);
            }
            WildcardScope::Unknown(info) => out.put_slice(info),
        }
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for TypedWildcard {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let fec_type: FecType = u.arbitrary()?;
        let scope = match fec_type {
            FecType::PREFIX => WildcardScope::Family(u.arbitrary()?),
            FecType::PW_ID | FecType::GENERALIZED_PW_ID => WildcardScope::PwType(u.arbitrary()?),
            FecType::P2MP_PW_UPSTREAM | FecType::P2P_PW_DOWNSTREAM => {
                WildcardScope::P2mpPw(u.arbitrary()?, u.arbitrary()?)
            }
            other if MultipointKind::of(other).is_some() => WildcardScope::Family(u.arbitrary()?),
            _ => WildcardScope::Unknown(super::super::octets::arbitrary_octets(u, 8)?),
        };
        Ok(Self { fec_type, scope })
    }
}
