//! `ietf-l3vpn-svc` (RFC 8299 §6.2 to §6.11).

use fwd_core::yang::{Node, Tree, text};

use super::{Access, is_any_to_any};
use crate::speaker::{LocalRoute, Speaker};
use crate::vrf::VrfConfig;

pub(super) fn write(speaker: &Speaker, (vrf, accesses): (&VrfConfig, &[Access]), tree: &mut Tree) {
    let mut root = tree.root("/ietf-l3vpn-svc:l3vpn-svc");
    let mut service = root.entry("vpn-services/vpn-service", &[("vpn-id", text(&vrf.name))]);
    // Of what is no full mesh one PE does not know whether it is the hub.
    let mesh = is_any_to_any(vrf);
    service.option("vpn-service-topology", mesh.then(|| text("any-to-any")));
    service.leaf("carrierscarrier", accesses.iter().any(|access| is_carrier(speaker, access)));
    for access in accesses {
        let mut site = root.entry("sites/site", &[("site-id", text(access.iface.0))]);
        site.leaf("site-vpn-flavor", text("site-vpn-flavor-single"));
        for (af, is_ipv6) in [("ipv4", false), ("ipv6", true)] {
            let has = access.circuits.iter().any(|circuit| circuit.address.is_ipv6() == is_ipv6);
            if let Some(limit) = vrf.limit.filter(|_| has) {
                site.entry("maximum-routes/address-family", &[("af", text(af))])
                    .leaf("maximum-routes", u64::from(limit.max));
            }
        }
        let id = [("site-network-access-id", text(access.iface.0))];
        let mut node = site.entry("site-network-accesses/site-network-access", &id);
        node.leaf("site-network-access-type", text("point-to-point"));
        for circuit in &access.circuits {
            let family = if circuit.address.is_ipv6() { "ipv6" } else { "ipv4" };
            let mut connection = node.at(&alloc::format!("ip-connection/{family}"));
            connection.leaf("address-allocation-type", text("static-address"));
            connection.leaf("addresses/customer-address", text(circuit.address));
        }
        node.leaf("vpn-attachment/vpn-id", text(&vrf.name));
        node.option("vpn-attachment/site-role", mesh.then(|| text("any-to-any-role")));
        routing(speaker, (vrf, access), &mut node);
    }
}

/// Whether a CE is told labels: it is a carrier (RFC 4364 §9).
fn is_carrier(speaker: &Speaker, access: &Access) -> bool {
    let labelled = [crate::nlri::Family::IPV4_LABELED_UNICAST, crate::nlri::Family::IPV6_LABELED_UNICAST];
    let configs = access.peers.iter().filter_map(|peer| speaker.peer_config(*peer));
    configs.flat_map(|config| &config.families).any(|family| labelled.contains(&family.family))
}

/// How the site says its routes (§6.11).
fn routing(speaker: &Speaker, (vrf, access): (&VrfConfig, &Access), node: &mut Node<'_>) {
    let list = "routing-protocols/routing-protocol";
    for config in access.peers.iter().filter_map(|peer| speaker.peer_config(*peer)) {
        let mut bgp = node.entry(list, &[("type", text("bgp"))]);
        bgp.leaf("bgp/autonomous-system", u64::from(config.remote_as));
        bgp.list("bgp/address-family", [text(if config.address.is_ipv6() { "ipv6" } else { "ipv4" })]);
    }
    let routes = speaker.local_routes(vrf.id).filter(|(_, route)| *route == LocalRoute::Via(access.iface));
    for (prefix, _) in routes {
        let is_ipv6 = prefix.addr().is_ipv6();
        let Some(circuit) = access.circuits.iter().find(|c| c.address.is_ipv6() == is_ipv6) else { continue };
        let mut protocol = node.entry(list, &[("type", text("static"))]);
        let family = if is_ipv6 { "ipv6" } else { "ipv4" };
        let keys = [("lan", text(prefix)), ("next-hop", text(circuit.address))];
        drop(protocol.entry(&alloc::format!("static/cascaded-lan-prefixes/{family}-lan-prefixes"), &keys));
    }
}
