//! The Prefix FEC element (RFC 5036 §3.4.1).

use core::net::{Ipv4Addr, Ipv6Addr};

use fwd_core::codec::{self, BufMut, Fail, Fault, Take};
use fwd_core::net::{IpPrefix, Ipv4Prefix, Ipv6Prefix};

use super::super::address_family::AddressFamily;
use super::super::octets::Octets;

/// An address prefix.
///
/// ```text
/// +--------------------+------------+------------+
/// | Address family (2) | PreLen (1) | Prefix ... |
/// +--------------------+------------+------------+
/// ```
///
/// As many octets of the prefix follow as hold its length in bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PrefixFec {
    /// An IPv4 or IPv6 prefix.
    Ip(IpPrefix),
    /// A prefix of another family.
    Unknown {
        /// The family.
        family: AddressFamily,
        /// The length in bits.
        bit_len: u8,
        /// The octets that hold it.
        prefix: Octets,
    },
}

impl PrefixFec {
    /// Takes the value after the element's type. Bits beyond the prefix's length are cleared.
    pub(super) fn take(i: &[u8]) -> Take<'_, Self> {
        let (i, family) = codec::be_u16(i, "fec address family")?;
        let at = i;
        let (i, bit_len) = codec::be_u8(i, "prefix length")?;
        let (rest, octets) = codec::octets(i, usize::from(bit_len).div_ceil(8), "prefix")?;
        let too_long = || Fail::new(at, "prefix length", Fault::Value(bit_len.into()));
        let ip = match AddressFamily(family) {
            AddressFamily::IPV4 => {
                let addr = padded(octets).map(|a: [u8; 4]| Ipv4Addr::from(a));
                IpPrefix::V4(addr.and_then(|a| Ipv4Prefix::new(a, bit_len)).ok_or_else(too_long)?)
            }
            AddressFamily::IPV6 => {
                let addr = padded(octets).map(|a: [u8; 16]| Ipv6Addr::from(a));
                IpPrefix::V6(addr.and_then(|a| Ipv6Prefix::new(a, bit_len)).ok_or_else(too_long)?)
            }
            family => return Ok((rest, Self::Unknown { family, bit_len, prefix: Octets::from_slice(octets) })),
        };
        Ok((rest, Self::Ip(ip)))
    }

    pub(super) fn wire_len(&self) -> usize {
        let prefix = match self {
            Self::Ip(IpPrefix::V4(p)) => p.wire_octets().len(),
            Self::Ip(IpPrefix::V6(p)) => p.wire_octets().len(),
            Self::Unknown { prefix, .. } => prefix.len(),
        };
        prefix.saturating_add(3)
    }

    pub(super) fn emit(&self, out: &mut impl BufMut) {
        let (family, bit_len, octets) = match self {
            Self::Ip(IpPrefix::V4(p)) => (AddressFamily::IPV4, p.bit_len(), p.wire_octets()),
            Self::Ip(IpPrefix::V6(p)) => (AddressFamily::IPV6, p.bit_len(), p.wire_octets()),
            Self::Unknown { family, bit_len, prefix } => (*family, *bit_len, prefix.as_slice()),
        };
        out.put_u16(family.0);
        out.put_u8(bit_len);
        out.put_slice(octets);
    }
}

/// The octets with zeros behind; `None` if they are more than `N`.
fn padded<const N: usize>(octets: &[u8]) -> Option<[u8; N]> {
    let mut address = [0; N];
    address.get_mut(..octets.len())?.copy_from_slice(octets);
    Some(address)
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for PrefixFec {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(match u.int_in_range(0..=3)? {
            0 | 1 => Self::Ip(IpPrefix::V4(u.arbitrary()?)),
            2 => Self::Ip(IpPrefix::V6(u.arbitrary()?)),
            _ => {
                let bit_len: u8 = u.arbitrary()?;
                let octets = (0..usize::from(bit_len).div_ceil(8)).map(|_| u.arbitrary());
                let prefix = octets.collect::<arbitrary::Result<_>>()?;
                Self::Unknown { family: AddressFamily(u.int_in_range(3..=u16::MAX)?), bit_len, prefix }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Fec, FecElement};
    use super::*;

    #[test]
    fn lengths_count_bits_and_host_bits_are_cleared() {
        let fec = Fec::parse(&[2, 0, 1, 20, 10, 1, 0xff, 2, 0, 2, 0, 2, 0, 1, 0]).unwrap();
        let prefix = |p: &str| FecElement::Prefix(PrefixFec::Ip(IpPrefix::V4(p.parse().unwrap())));
        assert_eq!(fec.0[0], prefix("10.1.240.0/20"));
        assert_eq!(fec.0[1], FecElement::Prefix(PrefixFec::Ip(IpPrefix::V6(Ipv6Prefix::DEFAULT))));
        assert_eq!(fec.0[2], prefix("0.0.0.0/0"));
        assert_eq!(Fec::parse(&[2, 0, 1, 33, 1, 2, 3, 4, 5]).unwrap_err().field, "prefix length");
    }
}
