//! The Address and Address Withdraw messages (RFC 5036 §3.5.5, §3.5.6); the second also withdraws MAC addresses of a VPLS
//! (RFC 4762 §6.2.1).

use alloc::vec::Vec;
use core::net::IpAddr;

use fwd_core::codec::{BufMut, Fail, Fault, Take};

use super::super::address_family::{AddressFamily, emit_address};
use super::super::octets::Octets;
use super::super::tlv::{Tlv, TlvFlags, TlvType, emit_header, take_addresses, take_mandatory};
use super::{emit_optional, optional_len, take_optional};

/// Addresses of the sender's interfaces, or of a VPLS's hosts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    /// The addresses' family.
    pub family: AddressFamily,
    /// The addresses, all of that family.
    pub addresses: Vec<IpAddr>,
    /// The addresses of a family that is not IP, as octets.
    pub unknown: Octets,
    /// Optional parameters: the FEC, MAC list and flush parameters of a MAC withdrawal.
    pub optional: Vec<Tlv>,
}

impl Address {
    /// IPv4 or IPv6 addresses. `None` if they are not of one family.
    #[must_use]
    pub fn new(family: AddressFamily, addresses: Vec<IpAddr>) -> Option<Self> {
        let of_family = |a: &IpAddr| AddressFamily::of(*a) == family;
        let uniform = family.address_len().is_some() && addresses.iter().all(of_family);
        uniform.then_some(Self { family, addresses, unknown: Octets::new(), optional: Vec::new() })
    }

    /// A MAC withdrawal: an empty list of IPv4 addresses, a FEC TLV, a MAC List TLV, and what else belongs to it.
    #[must_use]
    pub const fn mac_withdraw(optional: Vec<Tlv>) -> Self {
        Self { family: AddressFamily::IPV4, addresses: Vec::new(), unknown: Octets::new_const(), optional }
    }

    pub(super) fn take(i: &[u8]) -> Take<'_, Self> {
        let (rest, (family, addresses, unknown)) = take_mandatory(i, TlvType::ADDRESS_LIST, take_addresses)?;
        let (rest, optional) = take_optional(rest)?;
        if optional.iter().any(|tlv| tlv.value.tlv_type() == TlvType::ADDRESS_LIST) {
            return Err(Fail::new(i, "second address list", Fault::Value(TlvType::ADDRESS_LIST.value().into())));
        }
        Ok((rest, Self { family, addresses, unknown, optional }))
    }

    fn list_len(&self) -> usize {
        let each = self.family.address_len().unwrap_or(0);
        self.addresses.len().saturating_mul(each).saturating_add(self.unknown.len()).saturating_add(2)
    }

    pub(super) fn wire_len(&self) -> usize {
        optional_len(&self.optional).saturating_add(Tlv::HEADER_LEN).saturating_add(self.list_len())
    }

    pub(super) fn emit(&self, out: &mut impl BufMut) {
        emit_header(TlvFlags::empty(), TlvType::ADDRESS_LIST, self.list_len(), out);
        out.put_u16(self.family.0);
        self.addresses.iter().for_each(|address| emit_address(*address, out));
        out.put_slice(&self.unknown);
        emit_optional(&self.optional, out);
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for Address {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let v6: bool = u.arbitrary()?;
        let addresses = (0..u.int_in_range(0..=4)?)
            .map(|_| Ok(if v6 { IpAddr::V6(u.arbitrary()?) } else { IpAddr::V4(u.arbitrary()?) }));
        let addresses = addresses.collect::<arbitrary::Result<_>>()?;
        let family = if v6 { AddressFamily::IPV6 } else { AddressFamily::IPV4 };
        let (family, addresses, unknown) = if u.ratio(1, 8)? {
            (AddressFamily::MAC, Vec::new(), super::super::octets::arbitrary_octets(u, 12)?)
        } else {
            (family, addresses, Octets::new())
        };
        Ok(Self { family, addresses, unknown, optional: super::super::octets::arbitrary_list(u, 3)? })
    }
}
