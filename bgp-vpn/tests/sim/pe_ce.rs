//! Between PE and CE: internal CEs, sites with two PEs, sites that move.

use std::time::Duration;

use bgp_vpn::attr::{AttrType, Attributes, Community};
use bgp_vpn::nlri::Family;
use bgp_vpn::policy::{Policy, Set, Statement, Then};
use bgp_vpn::session::FamilyConfig;
use bgp_vpn::speaker::{Input, LocalRoute};
use bgp_vpn::vrf::{LabelMode, VrfConfig};
use fwd_core::net::{IfIndex, VrfId};

use crate::overlap::{circuit_of, core, site};
use crate::world::{Delivery, World, v4};

const CUSTOMER: u32 = 65010;

/// A CE at VRF 1 of a PE; `local_as`: the PE's AS number on the session.
fn ce(world: &mut World, pe: usize, id: u8, asn: u32, local_as: Option<u32>, export: &Policy) -> usize {
    // The CE knows the PE by the AS number that the session has.
    let ce = world.node(asn, id, v4(id));
    world.circuit(pe, 1, circuit_of(1, pe) + 50, v4(id));
    world.link(pe, ce, |node, peer| {
        peer.families = vec![FamilyConfig::new(Family::IPV4_UNICAST)];
        if node == pe {
            (peer.vrf, peer.local_as) = (VrfId(1), local_as);
        } else {
            peer.remote_as = local_as.unwrap_or(peer.remote_as);
            peer.export = export.clone();
        }
    });
    world.reach(ce, pe);
    ce
}

/// Shows: L3VPN-8.2-14
#[test]
fn attributes_of_an_internal_customer_pass_the_provider_untouched() {
    let (mut world, pes, _) = core(3, 1);
    for (i, pe) in pes.iter().enumerate() {
        let rd = format!("65001:{i}").parse().unwrap();
        let mut vrf = VrfConfig::new(VrfId(1), "blue", rd, "65001:1".parse().unwrap());
        vrf.customer_as = (i < 2).then_some(CUSTOMER);
        world.nodes[*pe].speaker.add_vrf(world.now, vrf).unwrap();
    }
    let sets = vec![
        Set::LocalPref(300),
        Set::Med(Some(9)),
        Set::AddCommunity(Community(77)),
        Set::Prepend { asn: Some(65099), times: 1 },
    ];
    let export =
        Policy { statements: vec![Statement { matches: vec![], sets, then: Then::Accept }], otherwise: Then::Accept };
    let a = ce(&mut world, pes[0], 50, CUSTOMER, Some(CUSTOMER), &export);
    let b = ce(&mut world, pes[1], 51, CUSTOMER, Some(CUSTOMER), &Policy::default());
    let c = ce(&mut world, pes[2], 52, 65020, None, &Policy::default());
    let prefix = "10.1.0.0/16".parse().unwrap();
    world.input(a, Input::Local { vrf: VrfId::GLOBAL, prefix, route: Some(LocalRoute::Local) });
    world.reach_all();
    world.run(Duration::from_secs(5));
    assert_eq!([a, b, c].map(|n| world.established(n)), [1, 1, 1]);
    let route = |world: &World, node: usize| {
        world.nodes[node].speaker.vrf_routes(VrfId::GLOBAL).into_iter().find(|r| r.prefix == prefix).unwrap()
    };
    // The far CE of the same AS: all as it was sent, but for the next hop.
    let far = route(&world, b);
    let attributes = Attributes::of_canonical(&far.attributes);
    assert_eq!((attributes.local_pref(), attributes.med()), (Some(300), Some(9)));
    assert!(attributes.communities().unwrap().iter().any(|c| c == Community(77)));
    let path: Vec<u32> = attributes.as_path().unwrap().segments().flat_map(|s| s.asns().collect::<Vec<_>>()).collect();
    assert_eq!(path, [65099], "the provider is not in it");
    assert_eq!(far.next_hop, Some(world.nodes[pes[1]].address));
    assert!(attributes.value(AttrType::ATTR_SET).is_none());
    // In the provider's core the customer's preference means nothing.
    let core = world.nodes[pes[1]].speaker.vpn_routes();
    let core = Attributes::of_canonical(&core[0].attributes);
    assert_eq!((core.local_pref(), core.med(), core.as_path().unwrap().hop_count()), (Some(100), None, 0));
    assert_eq!(core.attr_set().unwrap().origin_as, CUSTOMER);
    // A CE of another AS gets it as of an external peer: through the provider and the customer's AS.
    let other = route(&world, c);
    let attributes = Attributes::of_canonical(&other.attributes);
    let path: Vec<u32> = attributes.as_path().unwrap().segments().flat_map(|s| s.asns().collect::<Vec<_>>()).collect();
    assert_eq!(path, [65001, CUSTOMER, 65099]);
    assert_eq!((attributes.local_pref(), attributes.med()), (None, None));
    let to_a = Delivery::Circuit(pes[0], circuit_of(1, pes[0]) + 50);
    assert_eq!(world.send(pes[1], 1, "10.1.0.1".parse().unwrap()), to_a);
    // It goes as it came.
    world.input(a, Input::Local { vrf: VrfId::GLOBAL, prefix, route: None });
    world.settle();
    assert!(world.nodes[b].speaker.vrf_routes(VrfId::GLOBAL).is_empty());
    assert_eq!(world.nodes[pes[1]].speaker.stats().vpn_routes, 0);
}

/// A site at two PEs, each with a route distinguisher of its own: the remote PE holds both paths, and changes over when the first PE is
/// lost without a word from the reflector.
///
/// Shows: L3VPN-REF-5
#[test]
fn a_site_with_two_pes_survives_the_loss_of_one() {
    let (mut world, pes, rrs) = core(3, 1);
    let t: &[&str] = &["65001:1"];
    for pe in &pes[..2] {
        site(&mut world, *pe, 1, (t, t), LabelMode::PerVrf, &["10.1.0.0/16"]);
    }
    site(&mut world, pes[2], 1, (t, t), LabelMode::PerVrf, &["10.3.0.0/16"]);
    world.reach_all();
    world.run(Duration::from_secs(5));
    let goes = |world: &World| world.send(pes[2], 1, "10.1.0.1".parse().unwrap());
    let behind = |pe: usize| Delivery::Circuit(pe, circuit_of(1, pe));
    assert_eq!(goes(&world), behind(pes[0]));
    assert_eq!(world.nodes[pes[2]].speaker.vrf_routes(VrfId(1)).len(), 3, "both are held");
    // The reflector says nothing any more; the IGP says that the first PE is gone.
    for peer in world.nodes[rrs[0]].speaker.peers() {
        world.set_cut(rrs[0], peer, true);
    }
    let address = world.nodes[pes[0]].address;
    world.input(pes[2], Input::NextHop { address, reach: None });
    world.drain(pes[2]);
    assert_eq!(goes(&world), behind(pes[1]));
    world.reach(pes[2], pes[0]);
    world.drain(pes[2]);
    for peer in world.nodes[rrs[0]].speaker.peers() {
        world.set_cut(rrs[0], peer, false);
    }
    world.run(Duration::from_secs(200));
    // The link to the CE goes: the first PE withdraws, and there is no time without a path.
    let iface = IfIndex(circuit_of(1, pes[0]));
    world.input(pes[0], Input::Circuit { iface, circuit: None });
    world.settle();
    assert_eq!(goes(&world), behind(pes[1]));
    assert_eq!(world.send(pes[0], 1, "10.1.0.1".parse().unwrap()), behind(pes[1]), "the PE itself goes round, too");
}

/// Shows: L3VPN-REF-13
#[test]
fn a_site_moves_from_pe_to_pe_without_loss() {
    let (mut world, pes, _) = core(3, 1);
    let t: &[&str] = &["65001:1"];
    site(&mut world, pes[0], 1, (t, t), LabelMode::PerVrf, &["10.1.0.0/16"]);
    site(&mut world, pes[1], 1, (t, t), LabelMode::PerVrf, &[]);
    site(&mut world, pes[2], 1, (t, t), LabelMode::PerVrf, &["10.3.0.0/16"]);
    world.reach_all();
    world.run(Duration::from_secs(5));
    let arrives = |world: &World| {
        let delivery = world.send(pes[2], 1, "10.1.0.1".parse().unwrap());
        assert!(matches!(delivery, Delivery::Circuit(..)), "lost");
        delivery
    };
    arrives(&world);
    // The site is attached to the new PE, then detached from the old.
    let prefix = "10.1.0.0/16".parse().unwrap();
    let via = |pe: usize| Some(LocalRoute::Via(IfIndex(circuit_of(1, pe))));
    world.input(pes[1], Input::Local { vrf: VrfId(1), prefix, route: via(pes[1]) });
    for node in 0..world.nodes.len() {
        world.drain(node);
        arrives(&world);
    }
    world.settle();
    arrives(&world);
    world.input(pes[0], Input::Local { vrf: VrfId(1), prefix, route: None });
    world.settle();
    assert_eq!(arrives(&world), Delivery::Circuit(pes[1], circuit_of(1, pes[1])));
    assert_eq!(world.send(pes[0], 1, "10.1.0.1".parse().unwrap()), Delivery::Circuit(pes[1], circuit_of(1, pes[1])));
}

/// A site's Internet access is an arrangement of routes (RFC 4364 §11): none is there by itself; by a default route of the VRF to a
/// gateway and a route of the global table to the site; by an Internet VRF as an extranet; through another site.
///
/// Shows: L3VPN-REF-15
#[test]
fn internet_access_is_what_routes_say() {
    let (mut world, pes, _) = core(2, 1);
    let t: &[&str] = &["65001:1"];
    site(&mut world, pes[0], 1, (t, t), LabelMode::PerVrf, &["10.1.0.0/16", "198.51.100.0/24"]);
    site(&mut world, pes[1], 1, (t, t), LabelMode::PerVrf, &["10.2.0.0/16"]);
    // The global table of the first PE knows the Internet behind its neighbour, by entry 400.
    let local = |world: &mut World, vrf: VrfId, prefix: &str, route| {
        world.input(pes[0], Input::Local { vrf, prefix: prefix.parse().unwrap(), route });
        world.settle();
    };
    let entry = |n| Some(LocalRoute::Entry(fwd_core::net::NhlfeId(n)));
    local(&mut world, VrfId::GLOBAL, "203.0.113.0/24", entry(400));
    world.reach_all();
    world.run(Duration::from_secs(5));
    let to = |world: &World, pe: usize, vrf: u16, address: &str| world.send(pe, vrf, address.parse().unwrap());
    // By default nothing is exchanged.
    assert_eq!(to(&world, pes[0], 1, "203.0.113.1"), Delivery::Dropped);
    assert_eq!(to(&world, pes[0], 0, "198.51.100.1"), Delivery::Dropped);
    // A default route to the gateway, for the VRF and so for its other sites; and back to the site's public addresses.
    local(&mut world, VrfId(1), "0.0.0.0/0", entry(400));
    local(&mut world, VrfId::GLOBAL, "198.51.100.0/24", entry(circuit_of(1, pes[0])));
    let gateway = Delivery::Circuit(pes[0], 400);
    assert_eq!(to(&world, pes[0], 1, "203.0.113.1"), gateway);
    assert_eq!(to(&world, pes[1], 1, "203.0.113.1"), gateway, "the other site goes through the first PE");
    assert_eq!(to(&world, pes[0], 0, "198.51.100.1"), Delivery::Circuit(pes[0], circuit_of(1, pes[0])));
    assert_eq!(to(&world, pes[0], 0, "10.1.0.1"), Delivery::Dropped, "the VPN's own addresses stay inside");
    local(&mut world, VrfId(1), "0.0.0.0/0", None);
    assert_eq!(to(&world, pes[1], 1, "203.0.113.1"), Delivery::Dropped);
    // An Internet VRF as an extranet: its routes for those who import them.
    site(&mut world, pes[1], 7, (&["65001:70"], &["65001:71"]), LabelMode::PerVrf, &["203.0.113.0/24"]);
    let now = world.now;
    let targets = |list: &[&str]| list.iter().map(|t| t.parse().unwrap()).collect::<Vec<_>>();
    world.nodes[pes[0]].speaker.set_vrf_targets(now, VrfId(1), targets(&["65001:1", "65001:71"]), targets(t)).unwrap();
    world.settle();
    assert_eq!(to(&world, pes[0], 1, "203.0.113.1"), Delivery::Circuit(pes[1], circuit_of(7, pes[1])));
    assert_eq!(to(&world, pes[1], 1, "203.0.113.1"), Delivery::Dropped, "not for a VRF that does not import them");
    world.nodes[pes[0]].speaker.set_vrf_targets(now, VrfId(1), targets(t), targets(t)).unwrap();
    // Through another site of the VPN, which announces a default route.
    let prefix = "0.0.0.0/0".parse().unwrap();
    let via = Some(LocalRoute::Via(IfIndex(circuit_of(1, pes[1]))));
    world.input(pes[1], Input::Local { vrf: VrfId(1), prefix, route: via });
    world.settle();
    assert_eq!(to(&world, pes[0], 1, "203.0.113.1"), Delivery::Circuit(pes[1], circuit_of(1, pes[1])));
}
