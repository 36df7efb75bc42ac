//! Communities of multicast VPNs.

use core::net::{IpAddr, Ipv4Addr};

use super::{AddressCommunity, ExtCommunity, TypedCommunity};

/// Source AS (RFC 6514 §6): the AS of the PE that a unicast route to a C-source came from. Attached to unicast VPN routes.
///
/// The AS number is the Global Administrator of code 0x0009 or 0x0209; the Local Administrator is written as zero and ignored on
/// receipt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct SourceAs(pub u32);

impl SourceAs {
    const SUBTYPE: u8 = 0x09;
}

impl TypedCommunity for SourceAs {
    fn from_community(community: ExtCommunity) -> Option<Self> {
        let [a, b, c, d, ..] = community.value();
        match community.code() {
            0x0009 => Some(Self(u32::from(u16::from_be_bytes([a, b])))),
            0x0209 => Some(Self(u32::from_be_bytes([a, b, c, d]))),
            _ => None,
        }
    }

    fn community(&self) -> ExtCommunity {
        match u16::try_from(self.0) {
            Ok(asn) => ExtCommunity::two_octet_as(Self::SUBTYPE, asn, 0),
            Err(_) => ExtCommunity::four_octet_as(Self::SUBTYPE, self.0, 0),
        }
    }
}

/// A transitive community that is an IP address with a local number; the sub-type is the same in both attributes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct AddressSpecific<const SUBTYPE: u8> {
    /// Global Administrator.
    pub address: IpAddr,
    /// Local Administrator.
    pub local: u16,
}

/// VRF Route Import (RFC 6514 §7, RFC 6515 §3): the PE that a unicast VPN route came from, and a number that names the VRF on it.
/// Codes 0x010B, and 0x000B for IPv6.
pub type VrfRouteImport = AddressSpecific<0x0b>;

/// Inter-Area P2MP Segmented Next-Hop (RFC 7524 §4): the router that a segmented tunnel's leaves report to. Codes 0x0112, and
/// 0x0012 for IPv6. The local number is 0.
pub type SegmentedNextHop = AddressSpecific<0x12>;

/// A route target that names a router: C-multicast Import (RFC 6514 §7), ASBR Import (RFC 6514 §9.2) and the targets of Leaf A-D
/// routes (RFC 6514 §9.2.3.2.1). Codes 0x0102, and 0x0002 for IPv6.
pub type AddressTarget = AddressSpecific<{ ExtCommunity::ROUTE_TARGET }>;

impl<const SUBTYPE: u8> AddressSpecific<SUBTYPE> {
    /// What the community says; `None` if it is of another kind.
    #[must_use]
    pub fn from_community(community: impl Into<AddressCommunity>) -> Option<Self> {
        community.into().parts(SUBTYPE).map(|(address, local)| Self { address, local })
    }

    /// The community, for the attribute that the address asks for.
    #[must_use]
    pub const fn community(self) -> AddressCommunity {
        AddressCommunity::new(SUBTYPE, self.address, self.local)
    }
}

impl VrfRouteImport {
    /// The C-multicast Import route target: what C-multicast routes towards that VRF carry (RFC 6514 §7, RFC 6515 §3).
    #[must_use]
    pub const fn c_multicast_import(self) -> AddressTarget {
        AddressTarget { address: self.address, local: self.local }
    }
}

impl AddressTarget {
    /// The route target that reaches the router of this address alone: ASBR Import, and that of Leaf A-D routes.
    #[must_use]
    pub const fn router(address: IpAddr) -> Self {
        Self { address, local: 0 }
    }
}

/// MVPN SA RP-address (RFC 9081 §3): the RP that knows a source. Attached to Source Active A-D routes; code 0x0120.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct MvpnSaRpAddress(pub Ipv4Addr);

impl TypedCommunity for MvpnSaRpAddress {
    fn from_community(community: ExtCommunity) -> Option<Self> {
        let [a, b, c, d, ..] = community.value();
        (community.code() == 0x0120).then(|| Self(Ipv4Addr::new(a, b, c, d)))
    }

    fn community(&self) -> ExtCommunity {
        ExtCommunity::ipv4_address(0x20, self.0, 0)
    }
}

/// Additional PMSI Tunnel Attribute Flags (RFC 7902 §2): 48 flags beside those of PMSI_TUNNEL, which has the Extension flag then.
/// Bit 0 is the most significant of the 48. Code 0x0307; of several the first counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct AdditionalPmsiFlags(pub [u8; 6]);

impl AdditionalPmsiFlags {
    /// Whether flag `bit`, 0 to 47, is set.
    #[must_use]
    pub fn is_set(self, bit: u8) -> bool {
        self.0.get(usize::from(bit >> 3)).is_some_and(|octet| (octet << (bit & 7)) & 0x80 != 0)
    }
}

impl TypedCommunity for AdditionalPmsiFlags {
    fn from_community(community: ExtCommunity) -> Option<Self> {
        (community.code() == 0x0307).then(|| Self(community.value()))
    }

    fn community(&self) -> ExtCommunity {
        ExtCommunity::opaque(0x07, self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn v6(text: &str) -> IpAddr {
        IpAddr::V6(text.parse().unwrap())
    }

    /// Shows: L3VPN-8.6-3
    #[test]
    fn source_as_of_two_and_four_octets() {
        assert_eq!(SourceAs(65001).community().0, [0, 9, 0xfd, 0xe9, 0, 0, 0, 0]);
        assert_eq!(SourceAs(4_200_000_000).community().0, [2, 9, 0xfa, 0x56, 0xea, 0, 0, 0]);
        // A 2-octet number in the 4-octet form, and a local part that is not zero.
        assert_eq!(SourceAs::from_community(ExtCommunity([2, 9, 0, 0, 0xfd, 0xe9, 0, 7])), Some(SourceAs(65001)));
        assert_eq!(SourceAs::from_community(ExtCommunity([1, 9, 0, 0, 0xfd, 0xe9, 0, 7])), None);
    }

    /// Shows: L3VPN-8.6-4, L3VPN-8.6-11
    #[test]
    fn vrf_route_import_and_the_target_derived_from_it() {
        let import = VrfRouteImport { address: Ipv4Addr::new(192, 0, 2, 1).into(), local: 7 };
        let AddressCommunity::V4(octets) = import.community() else { panic!("IPv4") };
        assert_eq!(octets.0, [1, 0x0b, 192, 0, 2, 1, 0, 7]);
        assert_eq!(VrfRouteImport::from_community(octets), Some(import));
        let AddressCommunity::V4(target) = import.c_multicast_import().community() else { panic!("IPv4") };
        assert_eq!(target.0, [1, 2, 192, 0, 2, 1, 0, 7]);
        assert!(target.is_route_target() && VrfRouteImport::from_community(target).is_none());

        let import = VrfRouteImport { address: v6("2001:db8::1"), local: 9 };
        let AddressCommunity::V6(octets) = import.community() else { panic!("IPv6") };
        assert_eq!((octets.0[..2].to_vec(), octets.0[18..].to_vec()), ([0, 0x0b].to_vec(), [0, 9].to_vec()));
        assert_eq!(VrfRouteImport::from_community(octets), Some(import));
        let AddressCommunity::V6(target) = import.c_multicast_import().community() else { panic!("IPv6") };
        assert!(target.is_route_target() && target.local() == 9);
        let router = AddressTarget::router(Ipv4Addr::new(192, 0, 2, 1).into()).community();
        assert_eq!(router, AddressCommunity::V4(ExtCommunity([1, 2, 192, 0, 2, 1, 0, 0])));
    }

    /// Shows: L3VPN-8.6-5, L3VPN-8.6-6, L3VPN-8.6-8
    #[test]
    fn segmented_next_hop_sa_rp_address_and_flags() {
        let hop = SegmentedNextHop { address: Ipv4Addr::new(192, 0, 2, 1).into(), local: 0 };
        assert_eq!(hop.community(), AddressCommunity::V4(ExtCommunity([1, 0x12, 192, 0, 2, 1, 0, 0])));
        let hop = SegmentedNextHop { address: v6("2001:db8::1"), local: 0 };
        let AddressCommunity::V6(community) = hop.community() else { panic!("IPv6") };
        assert_eq!((community.type_octet(), community.subtype()), (0, 0x12));
        assert_eq!(SegmentedNextHop::from_community(community), Some(hop));
        let rp = MvpnSaRpAddress(Ipv4Addr::new(10, 1, 2, 3));
        assert_eq!(rp.community().0, [1, 0x20, 10, 1, 2, 3, 0, 0]);
        assert_eq!(MvpnSaRpAddress::from_community(rp.community()), Some(rp));
        let flags = AdditionalPmsiFlags([0x80, 0, 0, 0, 0, 1]);
        assert_eq!(flags.community().0, [3, 7, 0x80, 0, 0, 0, 0, 1]);
        assert_eq!((0..64).filter(|bit| flags.is_set(*bit)).collect::<std::vec::Vec<u8>>(), [0, 47]);
    }
}
