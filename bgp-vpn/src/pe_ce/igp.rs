//! A VRF beside an IGP: routes that the IGP brought, and routes from elsewhere that it is told (RFC 4364 §7; RFC 4577).

use alloc::vec::Vec;

use fwd_core::net::{IpPrefix, Ipv4Prefix, Ipv6Prefix, VrfId};

use super::ospf::{OspfConfig, OspfLsa, OspfRoute};
use crate::attr::{AttrFlags, AttrType, Attributes};
use crate::rib::{AttrId, Edits, PlainKey, Source};
use crate::speaker::{AddressFamily, Routing};

/// The IGP between a PE and the sites of a VRF.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IgpConfig {
    /// OSPF.
    Ospf(OspfConfig),
    /// RIP, IS-IS or another without extended communities of its own; its loops are prevented by the site of origin.
    Other,
}

/// What an IGP says of a route that it brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IgpRoute {
    /// OSPF brought it.
    Ospf(OspfRoute),
    /// OSPF brought it, over a sham link: packets follow the BGP route, and OSPF is not told of that one (RFC 4577 §4.2.7.4).
    OspfShamLink,
    /// Another IGP brought it.
    Other {
        /// Its metric, which becomes MULTI_EXIT_DISC.
        metric: u32,
    },
}

impl IgpRoute {
    /// Whether it is no route to be announced: it came from a PE.
    pub(crate) fn is_looped(&self, igp: Option<&IgpConfig>) -> bool {
        match (self, igp) {
            (Self::Ospf(route), Some(IgpConfig::Ospf(config))) => config.is_looped(route),
            (Self::Ospf(route), _) => route.down,
            _ => false,
        }
    }
}

/// A route from elsewhere, as the IGP of a VRF is to announce it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemoteRoute {
    /// MULTI_EXIT_DISC, if it has any.
    pub med: Option<u32>,
    /// The LSA, where the IGP is OSPF.
    pub lsa: Option<OspfLsa>,
}

impl Routing {
    /// The attribute set of a route that BGP did not bring, counted once.
    pub(crate) fn igp_attributes(&mut self, slot: u16, from: Option<IgpRoute>) -> AttrId {
        let config = self.tables.vrf(slot).and_then(|vrf| vrf.config.as_ref()).and_then(|c| c.igp.as_ref());
        let mut edits = Edits::default();
        match (from, config) {
            (Some(IgpRoute::Ospf(route)), Some(IgpConfig::Ospf(config))) => config.export(&route, &mut edits),
            (Some(IgpRoute::Ospf(OspfRoute { metric, .. }) | IgpRoute::Other { metric }), _) => {
                edits.set(AttrType::MULTI_EXIT_DISC, AttrFlags::OPTIONAL_NON_TRANSITIVE, &metric.to_be_bytes());
            }
            (Some(IgpRoute::OspfShamLink) | None, _) => {}
        }
        let shared = &mut self.shared;
        let mut octets = Vec::new();
        let set = shared.attributes.get(AttrId::EMPTY);
        edits.apply(set.octets(), &mut octets);
        let next_hop = set.next_hop;
        shared.attributes.intern(&octets, next_hop, &mut shared.next_hops)
    }

    /// What the forwarding plane holds of a destination changed: its IGP, if it has one, may have to be told.
    pub(crate) fn tell_igp(&mut self, slot: u16, prefix: IpPrefix) {
        let has = |vrf: &crate::vrf::Vrf| vrf.config.as_ref().is_some_and(|c| c.igp.is_some());
        if self.tables.vrf(slot).is_some_and(has) {
            self.igp_untold.insert((slot, prefix));
        }
    }

    /// The next thing that an IGP is told.
    pub(crate) fn poll_igp(&mut self) -> Option<(VrfId, IpPrefix, Option<RemoteRoute>)> {
        while let Some((slot, prefix)) = self.igp_untold.pop_first() {
            let route = match prefix {
                IpPrefix::V4(p) => self.remote_route::<Ipv4Prefix>(slot, p),
                IpPrefix::V6(p) => self.remote_route::<Ipv6Prefix>(slot, p),
            };
            let Some(vrf) = self.tables.vrf_mut(slot) else { continue };
            let known = match route {
                Some(_) => !vrf.redistributed.insert(prefix),
                None => vrf.redistributed.remove(&prefix),
            };
            if route.is_some() || known {
                return Some((vrf.id, prefix, route));
            }
        }
        None
    }

    /// The route of a VRF that its IGP is to announce, if it is one that the IGP did not bring itself.
    fn remote_route<P: AddressFamily>(&self, slot: u16, prefix: P) -> Option<RemoteRoute> {
        let vrf = self.tables.vrf(slot)?;
        let config = vrf.config.as_ref()?;
        let whole: IpPrefix = prefix.into();
        let rib = P::unicast(vrf);
        let best = rib.best(rib.table.find(&PlainKey(prefix))?).filter(|best| best.source != Source::LOCAL)?;
        let set = self.shared.attributes.get(best.attr);
        if config.site_of_origin.is_some_and(|site| set.ext_communities().any(|c| c == site)) {
            return None;
        }
        let attributes = Attributes::of_canonical(set.octets());
        let lsa = match config.igp.as_ref()? {
            IgpConfig::Ospf(ospf) => {
                let host = whole.bit_len() == if P::V6 { 128 } else { 32 };
                if host && ospf.sham_link_endpoints.contains(&whole.addr()) || vrf.over_sham_link.contains(&whole) {
                    return None;
                }
                Some(ospf.lsa(&attributes))
            }
            IgpConfig::Other => None,
        };
        Some(RemoteRoute { med: attributes.med(), lsa })
    }
}
