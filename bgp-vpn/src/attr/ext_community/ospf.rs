//! Communities of OSPF between PE and CE (RFC 4577 §4.2.6).

use core::net::Ipv4Addr;

use super::{ExtCommunity, TypedCommunity};

/// OSPF Domain Identifier: which routes came from one OSPF domain. Codes 0x0005, 0x0105 and 0x0205; 0x8005 is taken as 0x0005.
///
/// Two identifiers are equal if their values are and their codes are, 0x8005 counting as 0x0005; all zero is the NULL identifier,
/// whatever the code (RFC 4577 §4.2.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OspfDomainId {
    high: u8,
    value: [u8; 6],
}

impl OspfDomainId {
    /// The NULL identifier.
    pub const NULL: Self = Self { high: 0, value: [0; 6] };

    /// The identifier with this value, of code 0x0005.
    #[must_use]
    pub const fn new(value: [u8; 6]) -> Self {
        Self { high: 0, value }
    }

    /// The value.
    #[must_use]
    pub const fn value(self) -> [u8; 6] {
        self.value
    }

    /// Whether it is the NULL identifier.
    #[must_use]
    pub fn is_null(self) -> bool {
        self.value == [0; 6]
    }
}

impl TypedCommunity for OspfDomainId {
    fn from_community(community: ExtCommunity) -> Option<Self> {
        let ([high, sub, ..], value) = (community.0, community.value());
        match (high, sub) {
            (0..=2 | 0x80, 0x05) if value == [0; 6] => Some(Self::NULL),
            (0 | 0x80, 0x05) => Some(Self { high: 0, value }),
            (1 | 2, 0x05) => Some(Self { high, value }),
            _ => None,
        }
    }

    fn community(&self) -> ExtCommunity {
        ExtCommunity::from_parts(u16::from_be_bytes([self.high, 0x05]), self.value)
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for OspfDomainId {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let value = u.arbitrary()?;
        let high = if value == [0; 6] { 0 } else { u.int_in_range(0..=2)? };
        Ok(Self { high, value })
    }
}

bitflags::bitflags! {
    /// Options of an OSPF route.
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct OspfRouteOptions: u8 {
        /// The metric of an external route is of type 2.
        const TYPE_2_METRIC = 0x01;
        const _ = !0;
    }
}

/// OSPF Route Type: which kind of OSPF route a VPN route was. Code 0x0306; 0x8000 is taken for the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OspfRouteType {
    /// Area; 0 for AS-external routes.
    pub area: u32,
    /// 1 or 2: intra-area, 3: inter-area, 5: external, 7: NSSA.
    pub route_type: u8,
    /// Options.
    pub options: OspfRouteOptions,
}

impl OspfRouteType {
    /// An intra-area route of a router LSA.
    pub const INTRA_AREA_ROUTER: u8 = 1;
    /// An intra-area route of a network LSA.
    pub const INTRA_AREA_NETWORK: u8 = 2;
    /// An inter-area route.
    pub const INTER_AREA: u8 = 3;
    /// An AS-external route.
    pub const EXTERNAL: u8 = 5;
    /// A route of a not-so-stubby area.
    pub const NSSA: u8 = 7;
}

impl TypedCommunity for OspfRouteType {
    fn from_community(community: ExtCommunity) -> Option<Self> {
        let [a, b, c, d, route_type, options] = community.value();
        matches!(community.code(), 0x0306 | 0x8000).then(|| Self {
            area: u32::from_be_bytes([a, b, c, d]),
            route_type,
            options: OspfRouteOptions::from_bits_retain(options),
        })
    }

    fn community(&self) -> ExtCommunity {
        let [a, b, c, d] = self.area.to_be_bytes();
        ExtCommunity::opaque(0x06, [a, b, c, d, self.route_type, self.options.bits()])
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for OspfRouteType {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let options = OspfRouteOptions::from_bits_retain(u.arbitrary()?);
        Ok(Self { area: u.arbitrary()?, route_type: u.arbitrary()?, options })
    }
}

/// OSPF Router ID: the router identifier of the PE's OSPF instance. Code 0x0107; 0x8001 is taken for the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct OspfRouterId(pub Ipv4Addr);

impl TypedCommunity for OspfRouterId {
    fn from_community(community: ExtCommunity) -> Option<Self> {
        let [a, b, c, d, ..] = community.value();
        matches!(community.code(), 0x0107 | 0x8001).then(|| Self(Ipv4Addr::new(a, b, c, d)))
    }

    fn community(&self) -> ExtCommunity {
        ExtCommunity::ipv4_address(0x07, self.0, 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shows: L3VPN-8.6-9
    #[test]
    fn codes_of_rfc_4577() {
        let value = [10, 0, 0, 1, 2, 0];
        let id = OspfDomainId::new(value);
        assert_eq!(id.community().0, [0, 5, 10, 0, 0, 1, 2, 0]);
        for high in [0, 0x80] {
            assert_eq!(OspfDomainId::from_community(ExtCommunity([high, 5, 10, 0, 0, 1, 2, 0])), Some(id));
        }
        let other = OspfDomainId::from_community(ExtCommunity([1, 5, 10, 0, 0, 1, 2, 0])).unwrap();
        assert_ne!(other, id);
        assert_eq!(other.community().0[0], 1);
        for high in [0, 1, 2, 0x80] {
            let null = OspfDomainId::from_community(ExtCommunity([high, 5, 0, 0, 0, 0, 0, 0])).unwrap();
            assert!(null.is_null() && null == OspfDomainId::NULL);
        }
        assert_eq!(OspfDomainId::from_community(ExtCommunity([3, 5, 10, 0, 0, 1, 2, 0])), None);
        // 0x0305 is Extranet Separation, with a value of zero.
        assert_eq!(OspfDomainId::from_community(ExtCommunity([3, 5, 0, 0, 0, 0, 0, 0])), None);

        let route =
            OspfRouteType { area: 51, route_type: OspfRouteType::EXTERNAL, options: OspfRouteOptions::TYPE_2_METRIC };
        assert_eq!(route.community().0, [3, 6, 0, 0, 0, 51, 5, 1]);
        for code in [0x0306, 0x8000] {
            let community = ExtCommunity::from_parts(code, [0, 0, 0, 51, 5, 1]);
            assert_eq!(OspfRouteType::from_community(community), Some(route));
        }
        let router = OspfRouterId(Ipv4Addr::new(192, 0, 2, 1));
        assert_eq!(router.community().0, [1, 7, 192, 0, 2, 1, 0, 0]);
        assert_eq!(OspfRouterId::from_community(ExtCommunity([0x80, 1, 192, 0, 2, 1, 0, 0])), Some(router));
    }
}
