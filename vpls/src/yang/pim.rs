//! `ietf-pim-base` (RFC 9128 §3.1): what a snooper hears of PIM routers. Of its own it has no interface addresses, timers of Hellos, RPs
//! or Register state.

use alloc::collections::BTreeMap;
use core::net::IpAddr;

use fwd_core::net::PortId;
use fwd_core::time::Instant;

use super::{Node, PROTOCOL, Tree, left, text, ticks};
use crate::pe::VplsPe;
use crate::snoop::{Neighbor, PimRoute, Snooper};
use crate::vsi::Instance;

/// The identity of an address family, and what its nodes begin with.
const FAMILIES: [(bool, &str, &str); 2] = [(false, "ipv4", "ipv4"), (true, "ipv6", "ipv6")];

pub(super) fn write(pe: &VplsPe, now: Instant, tree: &mut Tree) {
    for (domain, vsi) in &pe.domains {
        let Some((snooper, instance)) = pe.snooping(*domain).zip(pe.vsis.get(vsi)) else { continue };
        if !snooper.config().pim {
            continue;
        }
        let mut protocols = tree.root(PROTOCOL);
        protocols.key(domain.0);
        let mut node = protocols.at("ietf-pim-base:pim");
        for (is_ipv6, family, prefix) in FAMILIES {
            routes(
                snooper,
                now,
                (is_ipv6, prefix),
                &mut node.entry("address-family", &[("address-family", text(family))]),
            );
        }
        for port in snooper.ports() {
            interface(snooper, instance, (port, now), &mut node.entry("interfaces/interface", &[("name", text(port))]));
        }
    }
}

/// Joins and Prunes, by flow (§3.1.3).
fn routes(snooper: &Snooper, now: Instant, (is_ipv6, prefix): (bool, &str), node: &mut Node<'_>) {
    let list = alloc::format!("topology-tree-info/{prefix}-route");
    for PimRoute { source, group, is_rpt, upstream, port, since, expires, is_pending } in snooper.pim_routes() {
        if group.is_ipv6() != is_ipv6 {
            continue;
        }
        let source = source.map_or_else(|| text("*"), text);
        let keys = [("group", text(group)), ("source-address", source), ("is-rpt", is_rpt.into())];
        let mut route = node.entry(&list, &keys);
        route.option("incoming-interface", snooper.pim.port_of(upstream).map(text));
        route.leaf("rpf-neighbor", text(upstream));
        let mut leg = route.entry("outgoing-interface", &[("name", text(port))]);
        leg.leaf("expiration", left(now, expires));
        leg.leaf("up-time", ticks(now, since));
        leg.leaf("jp-state", text(if is_pending { "prune-pending" } else { "join" }));
    }
}

/// A port and the routers behind it (§3.1.4, §3.1.5).
fn interface(snooper: &Snooper, instance: &Instance, (port, now): (PortId, Instant), node: &mut Node<'_>) {
    for (is_ipv6, family, prefix) in FAMILIES {
        let mut of_family = node.entry("address-family", &[("address-family", text(family))]);
        of_family.leaf("oper-status", text(if instance.passes(port) { "up" } else { "down" }));
        of_family.option(&alloc::format!("{prefix}/dr-address"), snooper.pim.dr(is_ipv6).map(|(dr, _)| text(dr)));
        let here = |(address, n): &(&IpAddr, &Neighbor)| address.is_ipv6() == is_ipv6 && n.port == port;
        let neighbors: BTreeMap<&IpAddr, &Neighbor> = snooper.neighbors().filter(here).collect();
        for (address, n) in neighbors {
            let list = alloc::format!("neighbors/{prefix}-neighbor");
            let mut neighbor = of_family.entry(&list, &[("address", text(address))]);
            neighbor.leaf("expiration", left(now, n.expires));
            neighbor.option("dr-priority", n.dr_priority.map(|p| u64::from(p).into()));
            neighbor.option("gen-id", n.generation.map(|id| u64::from(id).into()));
            neighbor.leaf("up-time", ticks(now, n.since));
            let mut delay = neighbor.at("lan-prune-delay");
            delay.leaf("present", n.propagation_delay.is_some());
            delay.leaf("override-interval", n.override_interval.as_millis() as u64);
            delay.option("propagation-delay", n.propagation_delay.map(|d| (d.as_millis() as u64).into()));
            delay.leaf("t-bit", n.tracking);
        }
    }
}
