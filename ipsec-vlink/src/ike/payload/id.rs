//! Identification payloads (RFC 2407 §4.6.2, RFC 7296 §3.5).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use fwd_core::codec::{self, BufMut, Take};

/// Type of an identification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct IdType(pub u8);

impl IdType {
    /// An IPv4 address.
    pub const IPV4: Self = Self(1);
    /// A fully qualified domain name.
    pub const FQDN: Self = Self(2);
    /// A mail address: IKEv1's USER_FQDN, IKEv2's RFC822_ADDR.
    pub const RFC822: Self = Self(3);
    /// IKEv1: an IPv4 address and a mask.
    pub const IPV4_SUBNET: Self = Self(4);
    /// An IPv6 address.
    pub const IPV6: Self = Self(5);
    /// IKEv1: an IPv6 address and a mask.
    pub const IPV6_SUBNET: Self = Self(6);
    /// IKEv1: first and last IPv4 address.
    pub const IPV4_RANGE: Self = Self(7);
    /// IKEv1: first and last IPv6 address.
    pub const IPV6_RANGE: Self = Self(8);
    /// A distinguished name in DER.
    pub const DER_DN: Self = Self(9);
    /// A general name in DER.
    pub const DER_GN: Self = Self(10);
    /// Octets that the vendor knows the meaning of.
    pub const KEY_ID: Self = Self(11);
}

/// An identification. In IKEv2 the three octets behind the type are reserved; in IKEv1 they are a protocol and a port.
///
/// ```text
/// +---------------+---------------+-------------------------------+
/// |    ID type    |  v1: protocol |  v1: port; v2: reserved       |
/// +---------------+---------------+-------------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identification<'a> {
    /// The type.
    pub kind: IdType,
    /// IKEv1: the protocol, 0: any. 0 in IKEv2.
    pub protocol: u8,
    /// IKEv1: the port, 0: any. 0 in IKEv2.
    pub port: u16,
    /// The identification.
    pub data: &'a [u8],
}

impl<'a> Identification<'a> {
    /// One without protocol and port.
    #[must_use]
    pub const fn new(kind: IdType, data: &'a [u8]) -> Self {
        Self { kind, protocol: 0, port: 0, data }
    }

    #[inline]
    pub(super) fn take(i: &'a [u8]) -> Take<'a, Self> {
        let (i, [kind, protocol]) = codec::array::<2>(i, "ID type")?;
        let (data, port) = codec::be_u16(i, "ID port")?;
        Ok((&[], Self { kind: IdType(kind), protocol, port, data }))
    }

    pub(super) const fn wire_len(&self) -> usize {
        self.data.len().saturating_add(4)
    }

    /// Writes the body.
    pub fn emit(&self, out: &mut impl BufMut) {
        out.put_slice(&[self.kind.0, self.protocol]);
        out.put_u16(self.port);
        out.put_slice(self.data);
    }

    /// First and last address, where it names addresses that are a host, a subnet or a range (RFC 2407 §4.6.2).
    #[must_use]
    pub fn addresses(&self) -> Option<(IpAddr, IpAddr)> {
        let v4 = |octets: &[u8]| octets.try_into().ok().map(u32::from_be_bytes);
        let v6 = |octets: &[u8]| octets.try_into().ok().map(u128::from_be_bytes);
        let pair4 = |a: u32, b: u32| (Ipv4Addr::from_bits(a).into(), Ipv4Addr::from_bits(b).into());
        let pair6 = |a: u128, b: u128| (Ipv6Addr::from_bits(a).into(), Ipv6Addr::from_bits(b).into());
        let halves = |half: usize| self.data.split_at_checked(half);
        Some(match self.kind {
            IdType::IPV4 => v4(self.data).map(|a| pair4(a, a))?,
            IdType::IPV6 => v6(self.data).map(|a| pair6(a, a))?,
            IdType::IPV4_SUBNET => {
                let (a, mask) = halves(4)?;
                let (a, mask) = (v4(a)?, v4(mask)?);
                pair4(a & mask, a | !mask)
            }
            IdType::IPV6_SUBNET => {
                let (a, mask) = halves(16)?;
                let (a, mask) = (v6(a)?, v6(mask)?);
                pair6(a & mask, a | !mask)
            }
            IdType::IPV4_RANGE => {
                let (a, b) = halves(4)?;
                pair4(v4(a)?, v4(b)?)
            }
            IdType::IPV6_RANGE => {
                let (a, b) = halves(16)?;
                pair6(v6(a)?, v6(b)?)
            }
            _ => return None,
        })
    }
}
