//! `ietf-l2vpn-ntw` (RFC 9291 §7): each instance as a service of one node, this PE. What only whoever ordered the service knows (names of
//! customers and profiles, bearers), and what is of EVPN or VPWS, has no leaf.

use fwd_core::op::Tags;

use super::{Node, Tree, count, seconds, text};
use crate::config::PwRole;
use crate::io::PwService;
use crate::mib::signalling;
use crate::oam::{FREEZE, MOVE_WINDOW, MOVES};
use crate::pe::VplsPe;
use crate::vsi::{Circuit, Instance};

const fn status(is_up: bool) -> &'static str {
    if is_up { "ietf-vpn-common:op-up" } else { "ietf-vpn-common:op-down" }
}

pub(super) fn write(pe: &VplsPe, tree: &mut Tree) {
    let mut services = tree.root("/ietf-l2vpn-ntw:l2vpn-ntw/vpn-services");
    for (vsi, instance) in &pe.vsis {
        let is_up = instance.circuits.values().any(|circuit| instance.forwards(circuit));
        let mut service = services.entry("vpn-service", &[("vpn-id", text(vsi.0))]);
        service.leaf("vpn-type", text("vpls"));
        service.leaf("bgp-ad-enabled", instance.config.discovery.is_some() || instance.config.ve.is_some());
        let kind = match signalling(instance) {
            1 => Some("ldp-signaling"),
            2 => Some("bgp-signaling"),
            _ => None,
        };
        service.option("signaling-type", kind.map(text));
        service.leaf("status/oper-status/status", text(status(is_up)));
        let router = pe.config.router_id;
        let mut node = service.entry("vpn-nodes/vpn-node", &[("vpn-node-id", text(router))]);
        node.leaf("router-id", text(router));
        node.leaf("status/oper-status/status", text(status(is_up)));
        profile(instance, &mut node);
        discovery(instance, &mut node.at("bgp-auto-discovery"));
        let mut option = node.at("signaling-option");
        option.leaf("advertise-mtu", true);
        option.leaf("mtu-allow-mismatch", false);
        option.option("signaling-type", kind.map(text));
        pseudowires(pe, instance, &mut option);
        for (port, circuit) in &instance.circuits {
            let mut access = node.entry("vpn-network-accesses/vpn-network-access", &[("id", text(port.0))]);
            network_access(instance, circuit, &mut access);
        }
    }
}

/// Settings of the instance (§7.4, §7.5).
fn profile(instance: &Instance, node: &mut Node<'_>) {
    let config = &instance.config;
    let mut profile = node
        .entry("active-global-parameters-profiles/global-parameters-profile", &[("profile-id", text(config.vsi.0))]);
    profile.leaf("svc-mtu", u64::from(config.mtu));
    profile.leaf("control-word-negotiation", config.control_word);
    profile.leaf("mac-policies/mac-addr-limit/limit-number", u64::from(config.limits.macs));
    profile.leaf("mac-policies/mac-loop-prevention/window", seconds(MOVE_WINDOW));
    profile.leaf("mac-policies/mac-loop-prevention/frequency", u64::from(MOVES));
    profile.leaf("mac-policies/mac-loop-prevention/retry-timer", seconds(FREEZE));
    profile.leaf("multicast/enabled", config.snoop.is_some() || config.trees.is_some());
}

/// Route distinguisher and targets (§7.5.1).
fn discovery(instance: &Instance, node: &mut Node<'_>) {
    let config = &instance.config;
    node.option("vpn-id", config.discovery.map(text));
    node.leaf("rd", text(config.rd));
    for (kind, targets) in [("import", &config.import), ("export", &config.export)] {
        if targets.is_empty() {
            continue;
        }
        let id = if kind == "import" { 1 } else { 2 };
        let mut target = node.entry("vpn-target", &[("id", count(id))]);
        target.leaf("route-target-type", text(kind));
        for one in targets {
            drop(target.entry("route-targets", &[("route-target", text(one))]));
        }
    }
}

/// How pseudowires are signalled (§7.5.2).
fn pseudowires(pe: &VplsPe, instance: &Instance, option: &mut Node<'_>) {
    if let Some(ve) = instance.config.ve {
        option.leaf("vpls-instance/vpls-edge-id", u64::from(ve.ve_id));
        option.leaf("vpls-instance/vpls-edge-id-range", u64::from(ve.block_size));
    }
    let mut ldp = option.at("ldp-or-l2tp");
    if let Some(agi) = instance.config.discovery {
        ldp.leaf("agi", text(agi));
        ldp.leaf("saii", u64::from(pe.config.router_id.to_bits()));
    }
    for ((peer, service), pw) in instance.pws.iter() {
        match (service, peer) {
            (PwService::Discovered, core::net::IpAddr::V4(taii)) => {
                let keys = [("taii", u64::from(taii.to_bits()).into()), ("peer-addr", text(peer))];
                drop(ldp.entry("remote-targets", &keys));
            }
            (PwService::PwId(id), _) => {
                let mut entry = ldp.entry("pw-peer-list", &[("peer-addr", text(peer)), ("vc-id", text(id))]);
                if let PwRole::Spoke { preference, .. } = pw.role {
                    entry.leaf("pw-priority", u64::from(preference));
                }
            }
            _ => continue,
        }
        ldp.leaf("mac-addr-withdraw", true);
    }
}

/// A circuit (§7.6).
fn network_access(instance: &Instance, circuit: &Circuit, node: &mut Node<'_>) {
    let config = &circuit.config;
    node.leaf("interface-id", text(config.iface.0));
    node.leaf("status/oper-status/status", text(status(instance.forwards(circuit))));
    if let Some(ve) = instance.config.ve {
        node.leaf("vpls-instance/vpls-edge-id", u64::from(ve.ve_id));
    }
    let mut encapsulation = node.at("connection/encapsulation");
    let kind = match config.tags {
        Tags::Any => "ethernet-type",
        Tags::Untagged => "untagged-int",
        Tags::Vlan(vlan) => {
            encapsulation.leaf("dot1q/tag-type", text("c-vlan"));
            encapsulation.leaf("dot1q/cvlan-id", u64::from(vlan.value()));
            "dot1q"
        }
        Tags::Service(vlan) => {
            encapsulation.leaf("dot1q/tag-type", text("s-vlan"));
            encapsulation.leaf("dot1q/cvlan-id", u64::from(vlan.value()));
            "dot1q"
        }
        Tags::Stacked { outer, inner } => {
            encapsulation.leaf("qinq/tag-type", text("c-s-vlan"));
            encapsulation.leaf("qinq/svlan-id", u64::from(outer.value()));
            encapsulation.leaf("qinq/cvlan-id", u64::from(inner.value()));
            "qinq"
        }
    };
    encapsulation.leaf("encap-type", text(kind));
    let limits = &instance.config.limits;
    node.leaf("service/mtu", u64::from(instance.config.mtu));
    let macs = config.mac_limit.unwrap_or(limits.macs_per_circuit);
    node.leaf("service/mac-policies/mac-addr-limit/limit-number", u64::from(macs));
    let site = match (config.snoop.receives, config.snoop.emits) {
        (true, true) => "source-receiver",
        (true, false) => "receiver",
        (false, true) => "source",
        (false, false) => return,
    };
    node.leaf("service/broadcast-unknown-unicast-multicast/multicast-site-type", text(site));
}
