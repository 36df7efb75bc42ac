//! Tunnel identifiers of two parts: trees of PIM's (RFC 6514 §5), transport tunnels (RFC 8534 §7).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use fwd_core::Fault;
use fwd_core::codec::{self, BufMut, Fail, Take};

use super::pmsi_tunnel::{IDENTIFIER, emit_address};

/// A PIM tree of the provider: both addresses are of one family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PimTree {
    /// Over IPv4.
    V4 {
        /// Root or sender.
        source: Ipv4Addr,
        /// P-group.
        group: Ipv4Addr,
    },
    /// Over IPv6.
    V6 {
        /// Root or sender.
        source: Ipv6Addr,
        /// P-group.
        group: Ipv6Addr,
    },
}

impl PimTree {
    /// Root or sender.
    #[must_use]
    pub const fn source(self) -> IpAddr {
        match self {
            Self::V4 { source, .. } => IpAddr::V4(source),
            Self::V6 { source, .. } => IpAddr::V6(source),
        }
    }

    /// P-group.
    #[must_use]
    pub const fn group(self) -> IpAddr {
        match self {
            Self::V4 { group, .. } => IpAddr::V4(group),
            Self::V6 { group, .. } => IpAddr::V6(group),
        }
    }

    pub(super) fn take(i: &[u8]) -> Take<'_, Self> {
        match i.len() {
            8 => {
                let (i, source) = codec::be_u32(i, "P-root address")?;
                let (i, group) = codec::be_u32(i, "P-multicast group")?;
                Ok((i, Self::V4 { source: Ipv4Addr::from_bits(source), group: Ipv4Addr::from_bits(group) }))
            }
            32 => {
                let (i, source) = codec::array::<16>(i, "P-root address")?;
                let (i, group) = codec::array::<16>(i, "P-multicast group")?;
                Ok((i, Self::V6 { source: source.into(), group: group.into() }))
            }
            len => Err(Fail::new(i, IDENTIFIER, Fault::Length(len))),
        }
    }

    pub(super) fn emit(self, out: &mut impl BufMut) {
        emit_address(self.source(), out);
        emit_address(self.group(), out);
    }
}

/// A transport tunnel: the local number has as many octets as the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum TransportTunnel {
    /// Of a PE with an IPv4 address.
    V4 {
        /// Source PE Address.
        source_pe: Ipv4Addr,
        /// Local Number.
        local: u32,
    },
    /// Of a PE with an IPv6 address.
    V6 {
        /// Source PE Address.
        source_pe: Ipv6Addr,
        /// Local Number.
        local: u128,
    },
}

/// The same octets: an address and a second one, or a number.
impl From<PimTree> for TransportTunnel {
    fn from(pair: PimTree) -> Self {
        match pair {
            PimTree::V4 { source, group } => Self::V4 { source_pe: source, local: group.to_bits() },
            PimTree::V6 { source, group } => Self::V6 { source_pe: source, local: group.to_bits() },
        }
    }
}

impl From<TransportTunnel> for PimTree {
    fn from(tunnel: TransportTunnel) -> Self {
        match tunnel {
            TransportTunnel::V4 { source_pe, local } => {
                Self::V4 { source: source_pe, group: Ipv4Addr::from_bits(local) }
            }
            TransportTunnel::V6 { source_pe, local } => {
                Self::V6 { source: source_pe, group: Ipv6Addr::from_bits(local) }
            }
        }
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for PimTree {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        u.arbitrary().map(TransportTunnel::into)
    }
}
