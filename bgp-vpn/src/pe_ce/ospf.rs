//! OSPF between PE and CE (RFC 4577, RFC 4576; RFC 6565 for IPv6): what an OSPF route says when it becomes a VPN route, and which
//! LSA a VPN route becomes at the far side. The OSPF engine itself is outside: it hands routes in as values and originates what it
//! is told to.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};

use crate::attr::ext_community::{
    ExtCommunity, OspfDomainId, OspfRouteOptions, OspfRouteType, OspfRouterId, TypedCommunity,
};
use crate::attr::{AttrFlags, AttrType, Attributes};
use crate::rib::Edits;

/// The OSPF instance of a VRF.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OspfConfig {
    /// Its domain identifiers, the primary one first (RFC 4577 §4.2.4). Default none: the NULL identifier. With several, none is NULL.
    pub domains: Vec<OspfDomainId>,
    /// Its router identifier, carried with its routes. Default none: it is not.
    pub router_id: Option<Ipv4Addr>,
    /// The VPN Route Tag of its external LSAs (RFC 4577 §4.2.5.2): [`Self::automatic_tag`], or with a 4-octet AS number one that is
    /// used nowhere else in the domain. Default none: no tag is put in nor looked for, and the DN bit alone prevents loops.
    pub tag: Option<u32>,
    /// The ends of sham links, ours and remote ones: announced by BGP, never by OSPF (RFC 4577 §4.2.7.1). Default none.
    pub sham_link_endpoints: Vec<IpAddr>,
    /// The metric of routes that come without MULTI_EXIT_DISC (RFC 4577 §4.2.8.1). Default 0.
    pub default_metric: u32,
}

/// A route that OSPF brought into a VRF.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OspfRoute {
    /// Area, LSA type and kind of metric.
    pub route_type: OspfRouteType,
    /// Distance.
    pub metric: u32,
    /// The DN bit of the LSA (RFC 4576 §3).
    pub down: bool,
    /// The route tag of an external LSA; 0 otherwise.
    pub tag: u32,
}

/// The LSA that OSPF is to originate for a VPN route. Its DN bit is set, its forwarding address is 0 (RFC 4577 §4.2.5.1, §4.2.8).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OspfLsa {
    /// Type 3: the route is of the same OSPF domain (RFC 4577 §4.2.8.2).
    Summary {
        /// Metric.
        metric: u32,
    },
    /// Type 5, or type 7 into a not-so-stubby area (RFC 4577 §4.2.8.1, §4.2.8.3).
    External {
        /// Metric.
        metric: u32,
        /// Whether the metric is of type 2.
        type_2: bool,
        /// The VPN Route Tag, unless its use is turned off.
        tag: Option<u32>,
    },
}

impl OspfConfig {
    /// The VPN Route Tag computed from a 2-octet AS number of the provider (RFC 4577 §4.2.5.2).
    #[must_use]
    pub const fn automatic_tag(asn: u16) -> u32 {
        0xd000_0000 | asn as u32
    }

    /// Whether a route came from a PE and must not become a VPN route again (RFC 4577 §4.2.6).
    #[must_use]
    pub fn is_looped(&self, route: &OspfRoute) -> bool {
        let external = matches!(route.route_type.route_type, OspfRouteType::EXTERNAL | OspfRouteType::NSSA);
        route.down || external && self.tag.is_some_and(|tag| tag == route.tag)
    }

    /// Puts in what an OSPF route carries as a VPN route (RFC 4577 §4.2.6).
    pub(crate) fn export(&self, route: &OspfRoute, edits: &mut Edits) {
        let mut communities: Vec<u8> = Vec::new();
        if let Some(domain) = self.domains.first().filter(|domain| !domain.is_null()) {
            communities.extend(domain.community().0);
        }
        let mut route_type = route.route_type;
        if !matches!(route_type.route_type, OspfRouteType::EXTERNAL | OspfRouteType::NSSA) {
            route_type.options.remove(OspfRouteOptions::TYPE_2_METRIC);
        } else if route_type.route_type == OspfRouteType::EXTERNAL {
            route_type.area = 0;
        }
        communities.extend(route_type.community().0);
        if let Some(router_id) = self.router_id {
            communities.extend(OspfRouterId(router_id).community().0);
        }
        edits.set(AttrType::EXTENDED_COMMUNITIES, AttrFlags::OPTIONAL_TRANSITIVE, &communities);
        let med = route.metric.saturating_add(1).to_be_bytes();
        edits.set(AttrType::MULTI_EXIT_DISC, AttrFlags::OPTIONAL_NON_TRANSITIVE, &med);
    }

    /// Which LSA a VPN route becomes (RFC 4577 §4.2.8).
    #[must_use]
    pub fn lsa(&self, attributes: &Attributes<'_>) -> OspfLsa {
        let communities = || attributes.ext_communities().into_iter().flatten();
        let metric = attributes.med().unwrap_or(self.default_metric);
        let route_type = communities().find_map(OspfRouteType::from_community);
        let internal = route_type.filter(|t| !matches!(t.route_type, OspfRouteType::EXTERNAL | OspfRouteType::NSSA));
        if internal.is_some() && self.is_of_domain(communities()) {
            return OspfLsa::Summary { metric };
        }
        // A route that OSPF did not bring is external too, with the default kind of metric.
        let external = route_type.filter(|_| internal.is_none());
        let type_2 = external.is_none_or(|t| t.options.contains(OspfRouteOptions::TYPE_2_METRIC));
        OspfLsa::External { metric, type_2, tag: self.tag }
    }

    /// Whether a route is of a domain of this instance (RFC 4577 §4.2.8.1); one without an identifier is of the NULL domain.
    fn is_of_domain(&self, mut communities: impl Iterator<Item = ExtCommunity>) -> bool {
        let domain = communities.find_map(OspfDomainId::from_community).unwrap_or(OspfDomainId::NULL);
        if self.domains.is_empty() { domain.is_null() } else { self.domains.contains(&domain) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attr::ext_community::RouteTarget;

    fn attributes(med: Option<u32>, communities: &[ExtCommunity]) -> Vec<u8> {
        let mut edits = Edits::default();
        if let Some(med) = med {
            edits.set(AttrType::MULTI_EXIT_DISC, AttrFlags::OPTIONAL_NON_TRANSITIVE, &med.to_be_bytes());
        }
        let octets: Vec<u8> = communities.iter().flat_map(|c| c.0).collect();
        edits.set(AttrType::EXTENDED_COMMUNITIES, AttrFlags::OPTIONAL_TRANSITIVE, &octets);
        let mut out = Vec::new();
        edits.apply(&[0x40, 1, 1, 0, 0x40, 2, 0], &mut out);
        out
    }

    fn route_type(area: u32, route_type: u8, type_2: bool) -> OspfRouteType {
        let options = if type_2 { OspfRouteOptions::TYPE_2_METRIC } else { OspfRouteOptions::empty() };
        OspfRouteType { area, route_type, options }
    }

    #[test]
    fn the_lsa_follows_from_domain_and_route_type() {
        let (ours, theirs) = (OspfDomainId::new([1; 6]), OspfDomainId::new([2; 6]));
        let target: RouteTarget = "65001:1".parse().unwrap();
        let config = OspfConfig { domains: alloc::vec![ours], tag: Some(7), default_metric: 20, ..Default::default() };
        let null = OspfConfig::default();
        let lsa = |config: &OspfConfig, med, communities: &[ExtCommunity]| {
            config.lsa(&Attributes::of_canonical(&attributes(med, communities)))
        };
        let intra = route_type(1, OspfRouteType::INTRA_AREA_NETWORK, false).community();
        let external = |metric, type_2, tag| OspfLsa::External { metric, type_2, tag };
        let own = [target.community(), ours.community(), intra];
        assert_eq!(lsa(&config, Some(11), &own), OspfLsa::Summary { metric: 11 });
        assert_eq!(lsa(&config, Some(11), &[theirs.community(), intra]), external(11, true, Some(7)));
        assert_eq!(lsa(&config, None, &[intra]), external(20, true, Some(7)), "a NULL domain is another");
        assert_eq!(lsa(&null, Some(11), &[intra]), OspfLsa::Summary { metric: 11 });
        assert_eq!(lsa(&null, Some(11), &own), external(11, true, None));
        for (kind, type_2) in [(OspfRouteType::EXTERNAL, false), (OspfRouteType::NSSA, true)] {
            let route_type = route_type(0, kind, type_2).community();
            assert_eq!(lsa(&config, Some(5), &[ours.community(), route_type]), external(5, type_2, Some(7)));
        }
        assert_eq!(lsa(&config, None, &[target.community()]), external(20, true, Some(7)), "not of OSPF");
    }

    #[test]
    fn what_came_from_a_pe_does_not_come_back() {
        let config = OspfConfig { tag: Some(OspfConfig::automatic_tag(65001)), ..OspfConfig::default() };
        let route = |kind, down, tag| OspfRoute { route_type: route_type(0, kind, true), metric: 1, down, tag };
        assert!(config.is_looped(&route(OspfRouteType::INTER_AREA, true, 0)));
        assert!(config.is_looped(&route(OspfRouteType::EXTERNAL, false, 0xd000_fde9)));
        assert!(!config.is_looped(&route(OspfRouteType::INTER_AREA, false, 0xd000_fde9)));
        assert!(!config.is_looped(&route(OspfRouteType::EXTERNAL, false, 1)));
        assert!(!OspfConfig::default().is_looped(&route(OspfRouteType::EXTERNAL, false, 0)));
    }
}
