//! MP_REACH_NLRI (RFC 4760 §3) and the forms of its next hop.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use fwd_core::codec::{self, BufMut, Fail, Take};
use fwd_core::{Fault, Malformed};

use crate::nlri::{Afi, Family, Nlri, NlriFormat, Nlris, Safi};
use crate::session::Negotiated;

/// The next hop of MP_REACH_NLRI.
///
/// | Octets | Form | Families |
/// |---|---|---|
/// | 4 | IPv4 | 1/1, 1/2, 1/4 (RFC 4760); 1/5, 2/5 (RFC 6515 §2); 1/132 (RFC 4684); 25/65 (RFC 4761) |
/// | 16, 32 | IPv6, without or with a link-local address | 2/1, 2/2, 2/4 (RFC 2545 §3); 1/1, 1/2, 1/4 where agreed (RFC 8950 §3) |
/// | 12 | RD 0, IPv4 | 1/128, 1/129 (RFC 4364 §4.3.2) |
/// | 24, 48 | RD 0, IPv6, without or with RD 0 and a link-local address | 2/128 (RFC 4659 §3.2.1); 2/129, not spelled out and handled as 2/128; 1/128, 1/129 where agreed (RFC 8950 §3) |
///
/// A VPN-IPv6 route that asks for IPv4 transport has an IPv4-mapped address (RFC 4659 §3.2.1.2). Route distinguishers in next
/// hops are written as zero and ignored on receipt.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum NextHop {
    /// An IPv4 address.
    Ipv4(Ipv4Addr),
    /// An IPv6 address; the unspecified address where there is none but the link-local one (RFC 4659 §3.2.1.1).
    Ipv6 {
        /// The global address.
        global: Ipv6Addr,
        /// The link-local address, given to a peer on the same subnet.
        link_local: Option<Ipv6Addr>,
    },
}

impl NextHop {
    /// The next hop of this address, without a link-local one.
    #[must_use]
    pub const fn new(address: IpAddr) -> Self {
        match address {
            IpAddr::V4(address) => Self::Ipv4(address),
            IpAddr::V6(global) => Self::Ipv6 { global, link_local: None },
        }
    }

    /// How the family carries this next hop: an IPv4 address in an IPv6 family becomes IPv4-mapped (RFC 4659 §3.2.1.2,
    /// RFC 4798 §2).
    #[must_use]
    pub const fn in_family(self, family: Family) -> Self {
        match (self, family.afi, family.safi) {
            (Self::Ipv4(address), Afi::IPV6, safi) if !matches!(safi, Safi::MCAST_VPN) => {
                Self::Ipv6 { global: address.to_ipv6_mapped(), link_local: None }
            }
            _ => self,
        }
    }

    /// The address to resolve: an IPv4-mapped one as IPv4; the link-local one where the global one is unspecified.
    #[must_use]
    pub const fn address(self) -> IpAddr {
        match self {
            Self::Ipv4(address) => IpAddr::V4(address),
            Self::Ipv6 { global, link_local } => match (global.to_ipv4_mapped(), link_local) {
                (Some(address), _) => IpAddr::V4(address),
                (None, Some(link_local)) if global.is_unspecified() => IpAddr::V6(link_local),
                _ => IpAddr::V6(global),
            },
        }
    }

    /// Whether a next hop of this many octets belongs to the family (RFC 7606 §7.11). Families that this crate does not
    /// know may have any.
    #[inline]
    #[must_use]
    pub const fn is_expected(family: Family, len: usize, extended: bool) -> bool {
        match (family.afi, family.safi) {
            (Afi::IPV4, Safi::VPN_UNICAST | Safi::VPN_MULTICAST) => len == 12 || extended && (len == 24 || len == 48),
            (Afi::IPV6, Safi::VPN_UNICAST | Safi::VPN_MULTICAST) => len == 24 || len == 48,
            (Afi::IPV4, Safi::UNICAST | Safi::MULTICAST | Safi::LABELED_UNICAST) => {
                len == 4 || extended && (len == 16 || len == 32)
            }
            (Afi::IPV6, Safi::UNICAST | Safi::MULTICAST | Safi::LABELED_UNICAST) => len == 16 || len == 32,
            (Afi::IPV4 | Afi::IPV6, Safi::MCAST_VPN)
            | (Afi::IPV4, Safi::RT_CONSTRAINT)
            | (Afi::L2VPN, Safi::VPLS | Safi::MCAST_VPLS | Safi::EVPN) => len == 4 || len == 16,
            _ => true,
        }
    }

    /// Takes all of the Network Address of Next Hop field of a family.
    ///
    /// # Errors
    /// [`Fault::Length`] where the octets are no form that the family has.
    #[inline]
    pub fn take(i: &[u8], family: Family) -> Take<'_, Self> {
        let next_hop = match (i.len(), family.has_next_hop_rd()) {
            (4, false) => {
                codec::array(i, FIELD).map(|(_, a)| Self::Ipv4(Ipv4Addr::from_bits(u32::from_be_bytes(a))))?
            }
            (16, false) => Self::Ipv6 { global: v6(i)?.1, link_local: None },
            (32, false) => {
                let (rest, global) = v6(i)?;
                Self::Ipv6 { global, link_local: Some(v6(rest)?.1) }
            }
            (12, true) => {
                let (rest, _) = codec::array::<8>(i, FIELD)?;
                codec::array(rest, FIELD).map(|(_, a)| Self::Ipv4(Ipv4Addr::from_bits(u32::from_be_bytes(a))))?
            }
            (24, true) => Self::Ipv6 { global: rd_v6(i)?.1, link_local: None },
            (48, true) => {
                let (rest, global) = rd_v6(i)?;
                Self::Ipv6 { global, link_local: Some(rd_v6(rest)?.1) }
            }
            (len, _) => return Err(Fail::new(i, FIELD, Fault::Length(len))),
        };
        Ok((&[], next_hop))
    }

    /// Parses the Network Address of Next Hop field of a family.
    ///
    /// # Errors
    /// [`Fault::Length`] where the octets are no form that the family has.
    pub fn parse(octets: &[u8], family: Family) -> Result<Self, Malformed> {
        codec::all(octets, |i| Self::take(i, family))
    }

    /// Octets that [`Self::emit`] writes for the family.
    #[inline]
    #[must_use]
    pub const fn wire_len(&self, family: Family) -> usize {
        match (self, family.has_next_hop_rd()) {
            (Self::Ipv4(_), false) => 4,
            (Self::Ipv4(_), true) => 12,
            (Self::Ipv6 { link_local: None, .. }, false) => 16,
            (Self::Ipv6 { link_local: None, .. }, true) => 24,
            (Self::Ipv6 { link_local: Some(_), .. }, false) => 32,
            (Self::Ipv6 { link_local: Some(_), .. }, true) => 48,
        }
    }

    /// Writes the Network Address of Next Hop field for the family.
    #[inline]
    pub fn emit(&self, family: Family, out: &mut impl BufMut) {
        let rd: &[u8] = if family.has_next_hop_rd() { &[0; 8] } else { &[] };
        out.put_slice(rd);
        match self {
            Self::Ipv4(address) => out.put_slice(&address.octets()),
            Self::Ipv6 { global, link_local } => {
                out.put_slice(&global.octets());
                if let Some(link_local) = link_local {
                    out.put_slice(rd);
                    out.put_slice(&link_local.octets());
                }
            }
        }
    }
}

const FIELD: &str = "next hop";

fn v6(i: &[u8]) -> Take<'_, Ipv6Addr> {
    codec::array(i, FIELD).map(|(rest, a)| (rest, Ipv6Addr::from_bits(u128::from_be_bytes(a))))
}

fn rd_v6(i: &[u8]) -> Take<'_, Ipv6Addr> {
    let (i, _) = codec::array::<8>(i, FIELD)?;
    v6(i)
}

impl fmt::Display for NextHop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ipv4(address) => address.fmt(f),
            Self::Ipv6 { global, link_local: None } => global.fmt(f),
            Self::Ipv6 { global, link_local: Some(link_local) } => write!(f, "{global} ({link_local})"),
        }
    }
}

impl fmt::Debug for NextHop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The value of MP_REACH_NLRI, its NLRI unread.
///
/// ```text
/// +---------------------------------------------+
/// | Address Family Identifier (2)               |
/// +---------------------------------------------+
/// | Subsequent Address Family Identifier (1)    |
/// +---------------------------------------------+
/// | Length of Next Hop Network Address (1)      |
/// +---------------------------------------------+
/// | Network Address of Next Hop (variable)      |
/// +---------------------------------------------+
/// | Reserved (1)                                |
/// +---------------------------------------------+
/// | NLRI (variable)                             |
/// +---------------------------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MpReach<'a> {
    /// The family.
    pub family: Family,
    /// Network Address of Next Hop, as many octets as the family has.
    pub next_hop_octets: &'a [u8],
    /// The NLRI field.
    pub nlri: &'a [u8],
    /// How the NLRI are to be read.
    pub format: NlriFormat,
}

impl<'a> MpReach<'a> {
    /// Takes the value of the attribute: all of the input.
    ///
    /// # Errors
    /// Fewer than five octets, or a next hop that is longer than the attribute or that the family does not have on this
    /// session (RFC 7606 §5.3, §7.11).
    #[inline]
    pub fn take(i: &'a [u8], negotiated: &Negotiated) -> Take<'a, Self> {
        let (rest, family) = Family::take(i)?;
        let at = rest;
        let (rest, len) = codec::be_u8(rest, "next hop length")?;
        let (rest, next_hop_octets) = codec::octets(rest, usize::from(len), FIELD)?;
        let (nlri, _reserved) = codec::be_u8(rest, "reserved")?;
        if !NextHop::is_expected(family, next_hop_octets.len(), negotiated.extended_next_hop.contains(&family)) {
            return Err(Fail::new(at, "next hop length", Fault::Length(usize::from(len))));
        }
        Ok((&[], Self { family, next_hop_octets, nlri, format: negotiated.receive_format(family) }))
    }

    /// Parses the value of the attribute.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub fn parse(octets: &'a [u8], negotiated: &Negotiated) -> Result<Self, Malformed> {
        codec::all(octets, |i| Self::take(i, negotiated))
    }

    /// Octets that [`Self::emit`] writes.
    #[must_use]
    pub const fn wire_len(&self) -> usize {
        self.next_hop_octets.len().saturating_add(self.nlri.len()).saturating_add(5)
    }

    /// Writes the value of the attribute, next hop and NLRI as they are.
    pub fn emit(&self, out: &mut impl BufMut) {
        self.family.emit(out);
        out.put_u8(u8::try_from(self.next_hop_octets.len()).unwrap_or(u8::MAX));
        out.put_slice(self.next_hop_octets);
        out.put_u8(0);
        out.put_slice(self.nlri);
    }

    /// The next hop; `None` for a family whose next hops this crate does not know.
    #[inline]
    #[must_use]
    pub fn next_hop(&self) -> Option<NextHop> {
        NextHop::take(self.next_hop_octets, self.family).ok().map(|(_, next_hop)| next_hop)
    }

    /// The NLRI, read as form `N`, one at a time.
    #[inline]
    #[must_use]
    pub fn nlris<N: Nlri<'a>>(&self) -> Nlris<'a, N> {
        Nlris::new(self.nlri, self.format)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::session::PeerKind;
    use alloc::vec::Vec;

    /// Every form, octet for octet: RFC 4364 §4.3.2, RFC 4659 §3.2.1.1 and §3.2.1.2, RFC 2545 §3, RFC 8950 §3.
    ///
    /// Shows: L3VPN-FEA-2, L3VPN-8.3-1, L3VPN-8.3-4, L3VPN-8.3-5
    #[test]
    fn forms_of_the_next_hop() {
        let v4 = NextHop::Ipv4(Ipv4Addr::new(192, 0, 2, 1));
        let global: Ipv6Addr = "2001:db8::1".parse().unwrap();
        let link_local: Ipv6Addr = "fe80::1".parse().unwrap();
        let (one, pair) =
            (NextHop::Ipv6 { global, link_local: None }, NextHop::Ipv6 { global, link_local: Some(link_local) });
        let (rd, g, l) = (&[0u8; 8][..], &global.octets()[..], &link_local.octets()[..]);
        let a = &[192, 0, 2, 1][..];
        let mapped = &[&[0; 10][..], &[0xff, 0xff], a].concat()[..];
        for (family, next_hop, octets) in [
            (Family::VPN_IPV4, v4, &[rd, a][..]),
            (Family::VPN_IPV4, one, &[rd, g]),
            (Family::VPN_IPV4, pair, &[rd, g, rd, l]),
            (Family::VPN_IPV6, one, &[rd, g]),
            (Family::VPN_IPV6, pair, &[rd, g, rd, l]),
            (Family::VPN_IPV6, v4.in_family(Family::VPN_IPV6), &[rd, mapped]),
            (Family::IPV6_UNICAST, one, &[g]),
            (Family::IPV6_LABELED_UNICAST, pair, &[g, l]),
            (Family::IPV6_LABELED_UNICAST, v4.in_family(Family::IPV6_LABELED_UNICAST), &[mapped]),
            (Family::IPV4_LABELED_UNICAST, v4, &[a]),
            (Family::IPV4_UNICAST, one, &[g]),
        ] {
            let (octets, mut out) = (octets.concat(), Vec::new());
            next_hop.emit(family, &mut out);
            assert_eq!((&out, out.len()), (&octets, next_hop.wire_len(family)), "{family} {next_hop}");
            assert_eq!(NextHop::parse(&octets, family), Ok(next_hop));
            let extended = family.afi == Afi::IPV4 && octets.len() > 12;
            assert!(NextHop::is_expected(family, octets.len(), true));
            assert_eq!(NextHop::is_expected(family, octets.len(), false), !extended, "{family} {next_hop}");
        }
        assert_eq!(v4.in_family(Family::VPN_IPV6).address(), IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)));
        let only_link_local = NextHop::Ipv6 { global: Ipv6Addr::UNSPECIFIED, link_local: Some(link_local) };
        assert_eq!(only_link_local.address(), IpAddr::V6(link_local));
    }

    /// A route distinguisher that is not zero is ignored, and so is the reserved octet.
    #[test]
    fn what_is_ignored_on_receipt() {
        let octets = [0, 1, 128, 12, 1, 2, 3, 4, 5, 6, 7, 8, 192, 0, 2, 1, 0xff];
        let negotiated = Negotiated::baseline(PeerKind::Internal);
        let reach = MpReach::parse(&octets, &negotiated).unwrap();
        assert_eq!(reach.next_hop(), Some(NextHop::Ipv4(Ipv4Addr::new(192, 0, 2, 1))));
        assert!(reach.nlri.is_empty());
    }

    #[test]
    fn other_lengths_belong_to_no_vpn_family() {
        for len in (0..=60).filter(|len| ![12, 24, 48].contains(len)) {
            assert!(NextHop::parse(&[0; 60][..len], Family::VPN_IPV4).is_err(), "{len}");
            assert!(!NextHop::is_expected(Family::VPN_IPV6, len, true), "{len}");
        }
    }
}
