//! `ietf-l3vpn-ntw` (RFC 9182 §7.2 to §7.6).

use alloc::string::ToString;
use core::net::IpAddr;

use fwd_core::yang::{Node, Tree, count, seconds, text};

use super::{Access, Outside, is_any_to_any};
use crate::session::State;
use crate::speaker::{LocalRoute, PeerId, Speaker};
use crate::vrf::VrfConfig;

const fn status(is_up: bool) -> &'static str {
    if is_up { "ietf-vpn-common:op-up" } else { "ietf-vpn-common:op-down" }
}

const fn family(address: IpAddr) -> &'static str {
    if address.is_ipv6() { "ietf-vpn-common:ipv6" } else { "ietf-vpn-common:ipv4" }
}

pub(super) fn write(
    speaker: &Speaker,
    outside: Outside<'_>,
    (vrf, accesses): (&VrfConfig, &[Access]),
    tree: &mut Tree,
) {
    let is_up = accesses.iter().any(|access| (outside.interface_up)(access.iface));
    let mut services = tree.root("/ietf-l3vpn-ntw:l3vpn-ntw/vpn-services");
    let mut service = services.entry("vpn-service", &[("vpn-id", text(&vrf.name))]);
    service.option("vpn-name", vrf.vpn_id.map(text));
    service.leaf("vpn-type", text("ietf-vpn-common:l3vpn"));
    let topology = if is_any_to_any(vrf) { "ietf-vpn-common:any-to-any" } else { "ietf-vpn-common:custom" };
    service.leaf("vpn-service-topology", text(topology));
    service.leaf("status/oper-status/status", text(status(is_up)));
    let profile = [("profile-id", text(&vrf.name))];
    instance(speaker, vrf, &mut service.entry("vpn-instance-profiles/vpn-instance-profile", &profile));
    let identity = speaker.identity();
    let mut node = service.entry("vpn-nodes/vpn-node", &[("vpn-node-id", text(identity.router_id))]);
    node.leaf("router-id", text(identity.router_id));
    node.leaf("local-as", u64::from(identity.asn));
    node.leaf("status/oper-status/status", text(status(is_up)));
    drop(node.entry("active-vpn-instance-profiles/vpn-instance-profile", &profile));
    for access in accesses {
        let mut entry = node.entry("vpn-network-accesses/vpn-network-access", &[("id", text(access.iface.0))]);
        entry.leaf("interface-id", text(access.iface.0));
        entry.leaf("vpn-instance-profile", text(&vrf.name));
        entry.leaf("status/oper-status/status", text(status((outside.interface_up)(access.iface))));
        entry.leaf("ip-connection/l3-termination-point", text(access.iface.0));
        for peer in &access.peers {
            session(speaker, vrf, *peer, &mut entry);
        }
        statics(speaker, (vrf, access), &mut entry);
    }
}

/// Route distinguisher, targets and bounds (§7.4). Each family has the same.
fn instance(speaker: &Speaker, vrf: &VrfConfig, profile: &mut Node<'_>) {
    profile.leaf("local-as", u64::from(speaker.identity().asn));
    profile.leaf("rd", text(vrf.rd));
    for family in ["ietf-vpn-common:ipv4", "ietf-vpn-common:ipv6"] {
        let mut node = profile.entry("address-family", &[("address-family", text(family))]);
        let both = vrf.import.iter().filter(|target| vrf.export.contains(target));
        let imported = vrf.import.iter().filter(|target| !vrf.export.contains(target));
        let exported = vrf.export.iter().filter(|target| !vrf.import.contains(target));
        let kinds = [
            ("both", both.collect::<alloc::vec::Vec<_>>()),
            ("import", imported.collect()),
            ("export", exported.collect()),
        ];
        for (id, (kind, targets)) in (1..).zip(kinds) {
            if targets.is_empty() {
                continue;
            }
            let mut entry = node.entry("vpn-targets/vpn-target", &[("id", count(id))]);
            entry.leaf("route-target-type", text(kind));
            for target in targets {
                // As RFC 8294 writes it, without the word that says what it is.
                let target = target.to_string();
                let target = target.trim_start_matches("target:");
                drop(entry.entry("route-targets", &[("route-target", text(target))]));
            }
        }
        if let Some(limit) = vrf.limit {
            let mut bound = node.entry("maximum-routes", &[("protocol", text("ietf-vpn-common:any-routing"))]);
            bound.leaf("maximum-routes", u64::from(limit.max));
        }
    }
}

/// BGP with a CE (§7.6.3.2).
fn session(speaker: &Speaker, vrf: &VrfConfig, peer: PeerId, access: &mut Node<'_>) {
    let Some(config) = speaker.peer_config(peer) else { return };
    let id = [("id", text(alloc::format!("bgp-{}", peer.0)))];
    let mut protocol = access.entry("routing-protocols/routing-protocol", &id);
    protocol.leaf("type", text("ietf-vpn-common:bgp-routing"));
    let mut bgp = protocol.at("bgp");
    bgp.leaf("local-as", u64::from(config.local_as.unwrap_or(speaker.identity().asn)));
    bgp.leaf("peer-as", u64::from(config.remote_as));
    bgp.leaf("address-family", text(family(config.address)));
    bgp.leaf("local-address", text(config.local_address));
    bgp.list("neighbor", [text(config.address)]);
    bgp.leaf("as-override", config.as_override);
    bgp.leaf("allow-own-as", u64::from(config.allow_own_as));
    bgp.option("site-of-origin", vrf.site_of_origin.map(text));
    let most = config.families.iter().filter_map(|family| family.max_routes).max();
    bgp.option("bgp-max-prefix/max-prefix", most.map(|most| u64::from(most).into()));
    bgp.leaf("authentication/enable", config.protection.authentication.is_some());
    let hold = speaker.peer_negotiated(peer).map_or(config.timers.hold, |n| n.hold_time);
    bgp.leaf("bgp-timers/keepalive", seconds(hold / 3));
    bgp.leaf("bgp-timers/hold-time", seconds(hold));
    let is_up = speaker.peer_state(peer) == Some(State::Established);
    bgp.leaf("status/oper-status/status", text(status(is_up)));
}

/// Static routes over the access (§7.6.3.1).
fn statics(speaker: &Speaker, (vrf, access): (&VrfConfig, &Access), node: &mut Node<'_>) {
    let routes = speaker.local_routes(vrf.id).filter(|(_, route)| *route == LocalRoute::Via(access.iface));
    let mut any = false;
    for (prefix, _) in routes {
        let of_family = |circuit: &&crate::speaker::Circuit| circuit.address.is_ipv6() == prefix.addr().is_ipv6();
        let Some(circuit) = access.circuits.iter().find(of_family) else { continue };
        let mut protocol = node.entry("routing-protocols/routing-protocol", &[("id", text("static"))]);
        if !any {
            protocol.leaf("type", text("ietf-vpn-common:static-routing"));
            any = true;
        }
        let list = if prefix.addr().is_ipv6() { "ipv6-lan-prefixes" } else { "ipv4-lan-prefixes" };
        let keys = [("lan", text(prefix)), ("next-hop", text(circuit.address))];
        drop(protocol.entry(&alloc::format!("static/cascaded-lan-prefixes/{list}"), &keys));
    }
}
