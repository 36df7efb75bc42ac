//! Address families: AFI and SAFI (RFC 4760 §3).

use core::fmt;

use fwd_core::codec::{self, BufMut, Take};

/// Address Family Identifier (RFC 4760 §3). Unknown values survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Afi(pub u16);

impl Afi {
    /// IPv4.
    pub const IPV4: Self = Self(1);
    /// IPv6.
    pub const IPV6: Self = Self(2);
    /// L2VPN (RFC 4761 §3.2.2).
    pub const L2VPN: Self = Self(25);
}

/// Subsequent Address Family Identifier. Unknown values survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Safi(pub u8);

impl Safi {
    /// Unicast forwarding (RFC 4760 §6).
    pub const UNICAST: Self = Self(1);
    /// Multicast RPF routes (RFC 4760 §6).
    pub const MULTICAST: Self = Self(2);
    /// Labelled unicast (RFC 8277 §2).
    pub const LABELED_UNICAST: Self = Self(4);
    /// MCAST-VPN (RFC 6514 §4).
    pub const MCAST_VPN: Self = Self(5);
    /// MCAST-VPLS (RFC 7117).
    pub const MCAST_VPLS: Self = Self(8);
    /// VPLS (RFC 4761 §3.2.2).
    pub const VPLS: Self = Self(65);
    /// MDT (RFC 6037).
    pub const MDT: Self = Self(66);
    /// EVPN (RFC 7432 §7).
    pub const EVPN: Self = Self(70);
    /// VPN unicast: MPLS-labelled, RD-qualified (RFC 4364 §4.3.4).
    pub const VPN_UNICAST: Self = Self(128);
    /// VPN multicast RPF routes (RFC 6514 §10).
    pub const VPN_MULTICAST: Self = Self(129);
    /// Route Target membership (RFC 4684 §4).
    pub const RT_CONSTRAINT: Self = Self(132);
    /// VPN auto-discovery: membership of virtual routers. The registry of RFC 4760 §9 has the number; no RFC says what its routes are.
    pub const VPN_AUTO_DISCOVERY: Self = Self(140);
}

/// An AFI and a SAFI.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Family {
    /// Address Family Identifier.
    pub afi: Afi,
    /// Subsequent Address Family Identifier.
    pub safi: Safi,
}

impl Family {
    /// 1/1.
    pub const IPV4_UNICAST: Self = Self::new(Afi::IPV4, Safi::UNICAST);
    /// 2/1.
    pub const IPV6_UNICAST: Self = Self::new(Afi::IPV6, Safi::UNICAST);
    /// 1/2.
    pub const IPV4_MULTICAST: Self = Self::new(Afi::IPV4, Safi::MULTICAST);
    /// 2/2.
    pub const IPV6_MULTICAST: Self = Self::new(Afi::IPV6, Safi::MULTICAST);
    /// 1/4.
    pub const IPV4_LABELED_UNICAST: Self = Self::new(Afi::IPV4, Safi::LABELED_UNICAST);
    /// 2/4.
    pub const IPV6_LABELED_UNICAST: Self = Self::new(Afi::IPV6, Safi::LABELED_UNICAST);
    /// 1/128.
    pub const VPN_IPV4: Self = Self::new(Afi::IPV4, Safi::VPN_UNICAST);
    /// 2/128.
    pub const VPN_IPV6: Self = Self::new(Afi::IPV6, Safi::VPN_UNICAST);
    /// 1/129.
    pub const VPN_IPV4_MULTICAST: Self = Self::new(Afi::IPV4, Safi::VPN_MULTICAST);
    /// 2/129.
    pub const VPN_IPV6_MULTICAST: Self = Self::new(Afi::IPV6, Safi::VPN_MULTICAST);
    /// 1/5.
    pub const MCAST_VPN_IPV4: Self = Self::new(Afi::IPV4, Safi::MCAST_VPN);
    /// 2/5.
    pub const MCAST_VPN_IPV6: Self = Self::new(Afi::IPV6, Safi::MCAST_VPN);
    /// 1/66.
    pub const MDT: Self = Self::new(Afi::IPV4, Safi::MDT);
    /// 1/132.
    pub const RT_CONSTRAINT: Self = Self::new(Afi::IPV4, Safi::RT_CONSTRAINT);
    /// 1/140.
    pub const VR_MEMBERSHIP_IPV4: Self = Self::new(Afi::IPV4, Safi::VPN_AUTO_DISCOVERY);
    /// 2/140.
    pub const VR_MEMBERSHIP_IPV6: Self = Self::new(Afi::IPV6, Safi::VPN_AUTO_DISCOVERY);
    /// 25/65.
    pub const VPLS: Self = Self::new(Afi::L2VPN, Safi::VPLS);
    /// 25/8.
    pub const MCAST_VPLS: Self = Self::new(Afi::L2VPN, Safi::MCAST_VPLS);
    /// 25/70.
    pub const EVPN: Self = Self::new(Afi::L2VPN, Safi::EVPN);

    /// The family of an AFI and a SAFI.
    #[must_use]
    pub const fn new(afi: Afi, safi: Safi) -> Self {
        Self { afi, safi }
    }

    /// Takes three octets: AFI and SAFI as MP_REACH_NLRI and MP_UNREACH_NLRI have them (RFC 4760 §3, §4).
    ///
    /// # Errors
    /// Truncated input.
    #[inline]
    pub fn take(i: &[u8]) -> Take<'_, Self> {
        let (i, afi) = codec::be_u16(i, "AFI")?;
        let (i, safi) = codec::be_u8(i, "SAFI")?;
        Ok((i, Self { afi: Afi(afi), safi: Safi(safi) }))
    }

    /// Writes AFI and SAFI in three octets.
    #[inline]
    pub fn emit(&self, out: &mut impl BufMut) {
        let [high, low] = self.afi.0.to_be_bytes();
        out.put_slice(&[high, low, self.safi.0]);
    }

    /// Whether next hops of the family have a route distinguisher in front (RFC 4364 §4.3.2, RFC 4659 §3.2.1); those of
    /// MCAST-VPN have none (RFC 6515 §2).
    #[inline]
    #[must_use]
    pub const fn has_next_hop_rd(self) -> bool {
        matches!(self.safi, Safi::VPN_UNICAST | Safi::VPN_MULTICAST)
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::IPV4_UNICAST => f.write_str("ipv4-unicast"),
            Self::IPV6_UNICAST => f.write_str("ipv6-unicast"),
            Self::IPV4_MULTICAST => f.write_str("ipv4-multicast"),
            Self::IPV6_MULTICAST => f.write_str("ipv6-multicast"),
            Self::IPV4_LABELED_UNICAST => f.write_str("ipv4-labeled-unicast"),
            Self::IPV6_LABELED_UNICAST => f.write_str("ipv6-labeled-unicast"),
            Self::VPN_IPV4 => f.write_str("vpn-ipv4"),
            Self::VPN_IPV6 => f.write_str("vpn-ipv6"),
            Self::VPN_IPV4_MULTICAST => f.write_str("vpn-ipv4-multicast"),
            Self::VPN_IPV6_MULTICAST => f.write_str("vpn-ipv6-multicast"),
            Self::MCAST_VPN_IPV4 => f.write_str("mcast-vpn-ipv4"),
            Self::MCAST_VPN_IPV6 => f.write_str("mcast-vpn-ipv6"),
            Self::MDT => f.write_str("mdt"),
            Self::RT_CONSTRAINT => f.write_str("rt-constraint"),
            Self::VR_MEMBERSHIP_IPV4 => f.write_str("vr-membership-ipv4"),
            Self::VR_MEMBERSHIP_IPV6 => f.write_str("vr-membership-ipv6"),
            Self::VPLS => f.write_str("vpls"),
            Self::MCAST_VPLS => f.write_str("mcast-vpls"),
            Self::EVPN => f.write_str("evpn"),
            Self { afi, safi } => write!(f, "afi {} safi {}", afi.0, safi.0),
        }
    }
}
