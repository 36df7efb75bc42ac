//! VRFs as the network model (RFC 9182) and the service model (RFC 8299) have them, beside what happens to them.

use std::time::Duration;

use bgp_vpn::mib::View;
use bgp_vpn::speaker::{Input, LocalRoute};
use bgp_vpn::vrf::{LabelMode, RouteLimit, VrfConfig};
use bgp_vpn::yang::{Outside, Tree, Value, tree};
use fwd_core::net::{IfIndex, VrfId};

use crate::ce::ce;
use crate::overlap::{circuit_of, core, site};
use crate::world::World;

const NETWORK: &str = "/ietf-l3vpn-ntw:l3vpn-ntw/vpn-services/vpn-service";
const SERVICE: &str = "/ietf-l3vpn-svc:l3vpn-svc";

fn picture(world: &World, pe: usize, view: View<'_>) -> Tree {
    tree(&world.nodes[pe].speaker, Outside { interface_up: &|iface| iface != IfIndex(999), view })
}

fn text(value: impl ToString) -> Value {
    Value::Text(value.to_string())
}

/// The last keys of a list's entries.
fn keys(tree: &Tree, path: &str) -> Vec<String> {
    tree.instances(path).map(|(keys, _)| keys.last().unwrap().clone()).collect()
}

/// Shows: L3VPN-8.11-8
#[test]
fn services_nodes_and_accesses_are_those_of_the_pe() {
    let (mut world, pes, _) = core(2, 1);
    let t: &[&str] = &["65001:1"];
    pes.iter().for_each(|pe| site(&mut world, *pe, 1, (t, t), LabelMode::PerVrf, &["10.5.0.0/16"]));
    let pe = pes[0];
    let mut hub = VrfConfig::new(VrfId(2), "hub", "65001:20".parse().unwrap(), "65001:21".parse().unwrap());
    hub.export = vec!["65001:22".parse().unwrap()];
    hub.limit = Some(RouteLimit { mid: 5, high: 8, max: 10 });
    world.nodes[pe].speaker.add_vrf(world.now, hub).unwrap();
    world.circuit(pe, 2, 999, crate::world::v4(77));
    world.circuit(pe, 2, 999, crate::world::v6(77));
    let (ce, peer, _) = ce(&mut world, pe, 1, 65010, &["10.0.0.0/16"]);
    world.reach_all();
    let before = picture(&world, pe, View::Provider);
    let vpn = format!("vpn1-{pe}");
    let (node, by_bgp) = (world.nodes[pe].speaker.identity().router_id.to_string(), circuit_of(1, pe) + 50);
    let access = format!("{NETWORK}/vpn-nodes/vpn-node/vpn-network-accesses/vpn-network-access");
    let bgp = |leaf: &str| format!("{access}/routing-protocols/routing-protocol/bgp/{leaf}");
    let (of, id) = (by_bgp.to_string(), format!("bgp-{}", peer.0));
    let session = [vpn.as_str(), &node, &of, &id];
    let status = bgp("status/oper-status/status");
    assert_eq!(before.get(&status, &session), Some(&text("ietf-vpn-common:op-down")), "no session yet");
    world.run(Duration::from_secs(5));
    let tree = picture(&world, pe, View::Provider);
    assert_eq!(tree.get(&status, &session), Some(&text("ietf-vpn-common:op-up")));
    assert_eq!(tree.get(&bgp("peer-as"), &session), Some(&Value::Unsigned(65010)));
    assert_eq!(tree.get(&bgp("bgp-timers/hold-time"), &session), Some(&Value::Unsigned(90)));
    let neighbor = world.nodes[ce].address.to_string();
    assert_eq!(keys(&tree, &bgp("neighbor")), [neighbor.as_str()]);
    // Services, with what each imports and exports.
    assert_eq!(keys(&tree, &format!("{NETWORK}/vpn-type")), ["hub", &vpn]);
    let topology = format!("{NETWORK}/vpn-service-topology");
    assert_eq!(tree.get(&topology, &["hub"]), Some(&text("ietf-vpn-common:custom")));
    assert_eq!(tree.get(&topology, &[&vpn]), Some(&text("ietf-vpn-common:any-to-any")));
    let family = format!("{NETWORK}/vpn-instance-profiles/vpn-instance-profile/address-family");
    let kind = format!("{family}/vpn-targets/vpn-target/route-target-type");
    let kinds: Vec<(String, String, Value)> = tree
        .instances(&kind)
        .filter(|(keys, _)| keys[2] == "ietf-vpn-common:ipv4")
        .map(|(keys, kind)| (keys[0].clone(), keys[3].clone(), kind.clone()))
        .collect();
    let kinds: Vec<(&str, &str, String)> =
        kinds.iter().map(|(a, b, c)| (a.as_str(), b.as_str(), c.to_string())).collect();
    assert_eq!(
        kinds,
        [("hub", "2", "import".into()), ("hub", "3", "export".into()), (vpn.as_str(), "1", "both".to_owned())]
    );
    let target = format!("{family}/vpn-targets/vpn-target/route-targets/route-target");
    let wanted = ["hub", "hub", "ietf-vpn-common:ipv4", "3", "65001:22"];
    assert_eq!(tree.get(&target, &wanted), Some(&text("65001:22")));
    let bound = format!("{family}/maximum-routes/maximum-routes");
    let wanted = ["hub", "hub", "ietf-vpn-common:ipv6", "ietf-vpn-common:any-routing"];
    assert_eq!(tree.get(&bound, &wanted), Some(&Value::Unsigned(10)));
    let rd = format!("{NETWORK}/vpn-instance-profiles/vpn-instance-profile/rd");
    assert_eq!(tree.get(&rd, &["hub", "hub"]), Some(&text("65001:20")));
    // Accesses: up and down as their interfaces are; static routes by next hop.
    let oper = format!("{access}/status/oper-status/status");
    assert_eq!(tree.get(&oper, &["hub", &node, "999"]), Some(&text("ietf-vpn-common:op-down")));
    assert_eq!(
        tree.get(&format!("{NETWORK}/status/oper-status/status"), &["hub"]),
        Some(&text("ietf-vpn-common:op-down"))
    );
    let lan = format!("{access}/routing-protocols/routing-protocol/static/cascaded-lan-prefixes/ipv4-lan-prefixes/lan");
    assert_eq!(keys(&tree, &lan), ["192.0.2.99"]);
    // The service model has a site for each, of the same service.
    let site = format!("{SERVICE}/sites/site");
    let attached = format!("{site}/site-network-accesses/site-network-access/vpn-attachment/vpn-id");
    assert_eq!(tree.get(&attached, &["999", "999"]), Some(&text("hub")));
    assert_eq!(tree.get(&attached, &[&of, &of]), Some(&text(&vpn)));
    let customer =
        format!("{site}/site-network-accesses/site-network-access/ip-connection/ipv6/addresses/customer-address");
    assert_eq!(keys(&tree, &customer), ["999"]);
    let asn = format!(
        "{site}/site-network-accesses/site-network-access/routing-protocols/routing-protocol/bgp/autonomous-system"
    );
    assert_eq!(tree.get(&asn, &[&of, &of, "bgp"]), Some(&Value::Unsigned(65010)));
    let service = format!("{SERVICE}/vpn-services/vpn-service/vpn-service-topology");
    assert_eq!((tree.get(&service, &[&vpn]), tree.get(&service, &["hub"])), (Some(&text("any-to-any")), None));
    // A customer's view has its own service alone, in both models.
    let own = [VrfId(2)];
    let view = picture(&world, pe, View::Customer(&own));
    assert_eq!(keys(&view, &format!("{NETWORK}/vpn-id")), ["hub"]);
    assert_eq!(keys(&view, &format!("{site}/site-id")), ["999"]);
    assert!(view.paths().all(|path| view.instances(path).all(|(keys, _)| !keys.contains(&vpn))));
}

/// What changes is seen: routes and circuits that come and go, targets, VRFs.
#[test]
fn what_changes_is_seen() {
    let (mut world, pes, _) = core(1, 1);
    let t: &[&str] = &["65001:1"];
    site(&mut world, pes[0], 1, (t, t), LabelMode::PerVrf, &[]);
    let lan = format!(
        "{SERVICE}/sites/site/site-network-accesses/site-network-access/routing-protocols/routing-protocol/\
         static/cascaded-lan-prefixes/ipv4-lan-prefixes/lan"
    );
    let via = IfIndex(circuit_of(1, pes[0]));
    for route in [Some(LocalRoute::Via(via)), None] {
        let prefix = "10.8.0.0/16".parse().unwrap();
        world.input(pes[0], Input::Local { vrf: VrfId(1), prefix, route });
        let seen = picture(&world, pes[0], View::Provider).instances(&lan).count();
        assert_eq!(seen, usize::from(route.is_some()));
    }
    let hub = vec!["65001:9".parse().unwrap()];
    world.nodes[pes[0]].speaker.set_vrf_targets(world.now, VrfId(1), hub, vec!["65001:1".parse().unwrap()]).unwrap();
    let topology = format!("{NETWORK}/vpn-service-topology");
    let values = |world: &World| {
        picture(world, pes[0], View::Provider).instances(&topology).map(|(_, v)| v.clone()).collect::<Vec<_>>()
    };
    assert_eq!(values(&world), [text("ietf-vpn-common:custom")]);
    world.input(pes[0], Input::Circuit { iface: via, circuit: None });
    assert_eq!(picture(&world, pes[0], View::Provider).instances(&format!("{SERVICE}/sites/site/site-id")).count(), 0);
    world.nodes[pes[0]].speaker.remove_vrf(world.now, VrfId(1)).unwrap();
    assert_eq!(picture(&world, pes[0], View::Provider).paths().count(), 0);
}
