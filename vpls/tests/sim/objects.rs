//! Managed objects: every one of the list that is checked in has a value, and the values are those of the state.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use fwd_core::mib::{Objects, Oid, Value as Mib};
use fwd_core::net::*;
use fwd_core::op::Tags;
use mvpn::gmp::{Message, Protocol as _, RecordType, ReportBuf};
use mvpn::pim::wire::{HelloOption, LanPruneDelay};
use vpls::mib::{MembershipMib, VplsMib};
use vpls::snoop::{Protocol, build};
use vpls::yang::{Tree, Value, tree as picture};
use vpls::{CircuitConfig, PwConfig, VsiConfig};

use super::signalling::{VSI, network, plain, ve};
use super::snoop::{G, snooping};
use crate::world::packets::{Jp, hello_with, host, join, join_prune, join6, leave, mac, query, report};
use crate::world::{World, address};

const LIST: &str = include_str!("../data/managed-objects.txt");
const SNOOPING: &str = "/ietf-routing:routing/control-plane-protocols/control-plane-protocol/ietf-igmp-mld-snooping";
const PIM: &str = "/ietf-routing:routing/control-plane-protocols/control-plane-protocol/ietf-pim-base:pim";
const SERVICE: &str = "/ietf-l2vpn-ntw:l2vpn-ntw/vpn-services/vpn-service";

const SOURCE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const G2: Ipv4Addr = Ipv4Addr::new(232, 1, 1, 2);
const G3: Ipv4Addr = Ipv4Addr::new(225, 1, 1, 3);
const G4: Ipv4Addr = Ipv4Addr::new(225, 1, 1, 4);

/// An MLDv2 report that joins a source.
fn report6(from: u8, source: Ipv6Addr, group: Ipv6Addr, wanted: Ipv6Addr) -> Vec<u8> {
    let mut report = ReportBuf::<Ipv6Addr>::new();
    report.push(RecordType::ALLOW, group, [wanted]);
    let (to, mut octets) = (Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x16), Vec::new());
    Ipv6Addr::emit_message(&Message::ReportV3(report.as_report()), source, to, &mut octets);
    build(mac(from), &[], Protocol::Mld, source.into(), to.into(), &octets)
}

fn router(from: u8, priority: u32, generation: u32) -> Vec<u8> {
    let delay = LanPruneDelay { tracking_support: true, propagation_delay: 400, override_interval: 2600 };
    let options = vec![
        HelloOption::Holdtime(105),
        HelloOption::LanPruneDelay(delay),
        HelloOption::DrPriority(priority),
        HelloOption::GenerationId(generation),
    ];
    hello_with(from, options)
}

/// A PE with circuits of each kind, pseudowires that BGP and LDP signal, groups of IGMP and MLD, static ones, and PIM routers.
fn busy() -> World {
    let discovery = Some(bgp_vpn::attr::ext_community::L2vpnId::two_octet_as(65000, 1));
    let mut world = network(3, |pe| VsiConfig { discovery, snoop: Some(snooping()), ..ve(pe, 1) });
    let vlan = |id| VlanId::new(id).unwrap();
    for (iface, tags) in [(3, Tags::Vlan(vlan(10))), (4, Tags::Stacked { outer: vlan(20), inner: vlan(30) })] {
        let mut config = CircuitConfig::new(IfIndex(iface), tags);
        config.snoop.router = iface == 4;
        world.with(0, |pe, now| pe.add_circuit(now, VSI, config).unwrap());
    }
    world.with(0, |pe, now| pe.add_vsi(now, plain(0, 2)).unwrap());
    world.with(0, |pe, now| pe.add_pseudowire(now, VsiId(2), PwConfig::spoke(address(1), 7, None, 4)).unwrap());
    let static6: Ipv6Addr = "ff1e::3".parse().unwrap();
    world.with(0, |pe, now| {
        pe.set_static_group(now, PortId(1), Some(SOURCE.into()), G3.into(), true).unwrap();
        pe.set_static_group(now, PortId(1), None, static6.into(), true).unwrap();
    });
    world.send(0, 1, &join(7, G));
    world.send(0, 2, &report(8, &[(RecordType::ALLOW, G2, &[SOURCE])]));
    world.send(0, 2, &join6(9, "fe80::9".parse().unwrap(), "ff1e::1".parse().unwrap()));
    let wanted = "2001:db8::1".parse().unwrap();
    world.send(0, 1, &report6(9, "fe80::9".parse().unwrap(), "ff3e::2".parse().unwrap(), wanted));
    world.send(0, 2, &router(20, 5, 0xabcd));
    world.send(0, 1, &router(21, 1, 0xef01));
    world.pass(Duration::from_secs(10));
    // Another host of the group reports it; one leaves another group; a router joins one.
    world.send(0, 1, &join(6, G));
    world.send(0, 1, &leave(6, G4));
    world.send(0, 1, &query(250));
    world.send(0, 1, &join_prune(21, 20, G4, &Jp { joins: &[Some(SOURCE)], prunes: &[] }));
    world.pass(Duration::from_secs(2));
    world
}

/// Whether a MIB has an instance of an object.
fn has(objects: &impl Objects, object: &str) -> bool {
    let ids: Vec<u32> = object.split('.').map(|id| id.parse().unwrap()).collect();
    objects.next(&Oid::new(&ids)).is_some_and(|(oid, _)| oid.ids().starts_with(&ids))
}

/// Every object of the list has a value on a PE with something of everything.
///
/// Shows: VPLS-SLA-3, VPLS-PM-8
#[test]
fn every_object_of_the_list_has_a_getter() {
    let world = busy();
    let pe = &world.pes[0].pe;
    let (vpls, tree) = (VplsMib::new(pe), picture(pe, world.now));
    let membership = MembershipMib::new(pe, VSI, world.now).unwrap();
    let mut missing = Vec::new();
    let mut models: std::collections::BTreeMap<&str, usize> = Default::default();
    let mut listed = std::collections::BTreeSet::new();
    for line in LIST.lines().filter(|line| !line.starts_with(['#', '-'])) {
        let words: Vec<&str> = line.split(' ').collect();
        let (model, is_there) = match words[..] {
            [model, _, _, oid] => (model, has(&vpls, oid) || has(&membership, oid)),
            [model, _, path] => {
                listed.insert(path);
                (model, tree.instances(path).next().is_some())
            }
            _ => panic!("{line}"),
        };
        *models.entry(model).or_default() += 1;
        if !is_there {
            missing.push(line);
        }
    }
    assert!(missing.is_empty(), "{missing:#?}");
    assert_eq!(models.into_keys().collect::<Vec<_>>(), ["5519", "7257", "9128", "9166", "9291"]);
    // And the tree has nothing that the list does not know, but for what it has of IPv6 as of IPv4.
    let of_ipv6 = |path: &&str| path.contains("/ipv6");
    let unlisted: Vec<&str> = tree.paths().filter(|path| !listed.contains(path) && !of_ipv6(path)).collect();
    assert!(unlisted.is_empty(), "{unlisted:#?}");
}

/// Up-times, last reporters, outgoing ports and messages of a port are those of what happened.
#[test]
fn snooping_objects_say_what_happened() {
    let mut world = busy();
    let tree = picture(&world.pes[0].pe, world.now);
    let text = |value: &str| Some(Value::Text(value.into()));
    let get = |tree: &Tree, path: &str, keys: &[&str]| tree.get(path, keys).cloned();
    let igmp = |leaf: &str| format!("{SNOOPING}:igmp-snooping-instance/{leaf}");
    let g = G.to_string();
    assert_eq!(get(&tree, &igmp("group/up-time"), &["1", &g]), Some(Value::Unsigned(12)));
    assert_eq!(get(&tree, &igmp("group/last-reporter"), &["1", &g]), text(&host(6).to_string()));
    assert_eq!(get(&tree, &igmp("group/mac-address"), &["1", &g]), text("01:00:5e:01:01:01"));
    // The membership interval is 260 s; the last report came 2 s ago.
    assert_eq!(get(&tree, &igmp("group/expire"), &["1", &g]), Some(Value::Unsigned(258)));
    let (g2, source) = (G2.to_string(), SOURCE.to_string());
    assert_eq!(get(&tree, &igmp("group/source/last-reporter"), &["1", &g2, &source]), text(&host(8).to_string()));
    let ports: Vec<&str> = tree
        .instances(&igmp("group/source/bridge-outgoing-interface"))
        .filter(|(keys, _)| keys[1] == g2)
        .map(|(keys, _)| keys[3].as_str())
        .collect();
    assert_eq!(ports, ["port1"]);
    assert_eq!(get(&tree, &igmp("querier-source"), &["1"]), text("10.0.0.200"));
    let routers: Vec<&str> =
        tree.instances(&igmp("static-bridge-mrouter-interface")).map(|(keys, _)| keys[1].as_str()).collect();
    assert_eq!(routers.len(), 1);
    let counted = |tree: &Tree, leaf: &str, port: &str| {
        let Some(Value::Unsigned(n)) =
            get(tree, &igmp(&format!("interfaces/interface/statistics/{leaf}")), &["1", port])
        else {
            panic!("{leaf}")
        };
        n
    };
    let received = |tree: &Tree, leaf: &str| counted(tree, &format!("received/{leaf}"), "port0");
    assert_eq!(received(&tree, "membership-report-v2-count"), 2);
    assert_eq!(received(&tree, "leave-count"), 1);
    assert_eq!(received(&tree, "query-count"), 1);
    assert_eq!(received(&tree, "pim-hello-count"), 1);
    assert_eq!(received(&tree, "membership-report-v3-count"), 0);
    assert_eq!(counted(&tree, "received/membership-report-v3-count", "port1"), 1);
    // The Hello of each router went to the other; queries are ours.
    assert_eq!(counted(&tree, "sent/pim-hello-count", "port1"), 1);
    assert!(counted(&tree, "sent/query-count", "port1") >= 1);
    let mld = format!("{SNOOPING}:mld-snooping-instance/interfaces/interface/statistics/received/report-v1-count");
    assert_eq!(get(&tree, &mld, &["1", "port1"]), Some(Value::Unsigned(1)));
    // As the MIB has them.
    let membership = MembershipMib::new(&world.pes[0].pe, VSI, world.now).unwrap();
    let cache = |column: u32, group: IpAddr, port: u32| {
        let mut oid = Oid::new(&[1, 3, 6, 1, 2, 1, 185, 1, 4, 1, column]);
        oid.push_address(Some(group));
        oid.push(port);
        membership.get(&oid)
    };
    assert_eq!(cache(4, G.into(), 0), Some(Mib::Octets(host(6).octets().to_vec())));
    assert_eq!(cache(5, G.into(), 0), Some(Mib::Ticks(1200)));
    assert_eq!(cache(4, G.into(), 1), None);
    let joins = Oid::new(&[1, 3, 6, 1, 2, 1, 185, 1, 2, 1, 11, 0, 1]);
    assert_eq!(membership.get(&joins), Some(Mib::Counter(1)));
    // What is left is gone, and begins anew.
    world.send(0, 1, &leave(6, G));
    world.pass(Duration::from_secs(5));
    assert_eq!(get(&picture(&world.pes[0].pe, world.now), &igmp("group/up-time"), &["1", &g]), None);
    world.send(0, 1, &join(5, G));
    world.pass(Duration::from_secs(1));
    let tree = picture(&world.pes[0].pe, world.now);
    assert_eq!(get(&tree, &igmp("group/up-time"), &["1", &g]), Some(Value::Unsigned(1)));
    assert_eq!(get(&tree, &igmp("group/last-reporter"), &["1", &g]), text(&host(5).to_string()));
}

/// Routers and their Joins, and the service as its model has it.
#[test]
fn routers_and_services_are_as_they_are() {
    let world = busy();
    let tree = picture(&world.pes[0].pe, world.now);
    let is = |path: String, keys: &[&str], value: Value| assert_eq!(tree.get(&path, keys), Some(&value), "{path}");
    let text = |value: &str| Value::Text(value.into());
    let (dr, other) = (host(20).to_string(), host(21).to_string());
    let family = format!("{PIM}/interfaces/interface/address-family");
    is(format!("{family}/ipv4/dr-address"), &["1", "port0", "ipv4"], text(&dr));
    is(format!("{family}/oper-status"), &["1", "port0", "ipv4"], text("up"));
    let neighbor = format!("{family}/neighbors/ipv4-neighbor");
    let keys = ["1", "port0", "ipv4", &other];
    is(format!("{neighbor}/gen-id"), &keys, Value::Unsigned(0xef01));
    is(format!("{neighbor}/dr-priority"), &keys, Value::Unsigned(1));
    is(format!("{neighbor}/expiration"), &keys, Value::Unsigned(93));
    is(format!("{neighbor}/up-time"), &keys, Value::Unsigned(1200));
    is(format!("{neighbor}/lan-prune-delay/propagation-delay"), &keys, Value::Unsigned(400));
    is(format!("{neighbor}/lan-prune-delay/override-interval"), &keys, Value::Unsigned(2600));
    is(format!("{neighbor}/lan-prune-delay/t-bit"), &keys, Value::Boolean(true));
    let route = format!("{PIM}/address-family/topology-tree-info/ipv4-route");
    let (group, source) = (G4.to_string(), SOURCE.to_string());
    let flow = ["1", "ipv4", &group, &source, "false"];
    is(format!("{route}/incoming-interface"), &flow, text("port1"));
    let leg = [&flow[..], &["port0"]].concat();
    is(format!("{route}/outgoing-interface/jp-state"), &leg, text("join"));
    is(format!("{route}/outgoing-interface/up-time"), &leg, Value::Unsigned(200));
    is(format!("{route}/outgoing-interface/expiration"), &leg, Value::Unsigned(208));

    is(format!("{SERVICE}/signaling-type"), &["1"], text("bgp-signaling"));
    is(format!("{SERVICE}/signaling-type"), &["2"], text("ldp-signaling"));
    let IpAddr::V4(id) = address(0) else { panic!() };
    let (own, node) = (id.to_string(), format!("{SERVICE}/vpn-nodes/vpn-node"));
    let profile = format!("{node}/active-global-parameters-profiles/global-parameters-profile");
    is(format!("{profile}/svc-mtu"), &["1", &own, "1"], Value::Unsigned(1500));
    is(format!("{profile}/multicast/enabled"), &["2", &own, "2"], Value::Boolean(false));
    is(format!("{node}/signaling-option/vpls-instance/vpls-edge-id"), &["1", &own], Value::Unsigned(1));
    let peer = format!("{node}/signaling-option/ldp-or-l2tp/pw-peer-list/pw-priority");
    is(peer, &["2", &own, &address(1).to_string(), "7"], Value::Unsigned(4));
    let access = format!("{node}/vpn-network-accesses/vpn-network-access");
    let kinds: Vec<String> = tree
        .instances(&format!("{access}/connection/encapsulation/encap-type"))
        .map(|(_, value)| value.to_string())
        .collect();
    assert_eq!(kinds, ["ethernet-type", "ethernet-type", "dot1q", "qinq"].map(String::from), "by port: {kinds:?}");
}
