//! Address families and addresses as LDP writes them (RFC 5036 §3.4.1, §3.4.3).

use core::net::IpAddr;

use fwd_core::codec::{self, BufMut, Take};

/// An address family number; unknown values survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct AddressFamily(pub u16);

impl AddressFamily {
    /// IPv4 (RFC 5036 §3.4.3).
    pub const IPV4: Self = Self(1);
    /// IPv6 (RFC 5036 §3.4.3).
    pub const IPV6: Self = Self(2);
    /// MAC addresses (RFC 7042 §3).
    pub const MAC: Self = Self(6);

    /// The family of an address.
    #[must_use]
    pub const fn of(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(_) => Self::IPV4,
            IpAddr::V6(_) => Self::IPV6,
        }
    }

    /// Octets of an address of the family; `None` if the family is not IP.
    #[must_use]
    pub const fn address_len(self) -> Option<usize> {
        match self {
            Self::IPV4 => Some(4),
            Self::IPV6 => Some(16),
            _ => None,
        }
    }
}

/// Takes an IP address of `len` octets: 4 or 16.
pub(super) fn take_address(i: &[u8], len: usize) -> Take<'_, IpAddr> {
    if len == 4 {
        codec::array::<4>(i, "address").map(|(i, a)| (i, IpAddr::from(a)))
    } else {
        codec::array::<16>(i, "address").map(|(i, a)| (i, IpAddr::from(a)))
    }
}

/// Octets of an address.
pub(super) const fn address_len(address: IpAddr) -> usize {
    match address {
        IpAddr::V4(_) => 4,
        IpAddr::V6(_) => 16,
    }
}

/// Writes the octets of an address.
pub(super) fn emit_address(address: IpAddr, out: &mut impl BufMut) {
    match address {
        IpAddr::V4(a) => out.put_slice(&a.octets()),
        IpAddr::V6(a) => out.put_slice(&a.octets()),
    }
}
