//! OSPF and other IGPs between PE and CE.

use std::net::Ipv4Addr;
use std::time::Duration;

use bgp_vpn::attr::Attributes;
use bgp_vpn::attr::ext_community::{
    ExtCommunity, OspfDomainId, OspfRouteOptions, OspfRouteType, OspfRouterId, TypedCommunity,
};
use bgp_vpn::pe_ce::{IgpConfig, IgpRoute, OspfConfig, OspfLsa, OspfRoute, RemoteRoute};
use bgp_vpn::speaker::{Input, LocalRoute};
use bgp_vpn::vrf::VrfConfig;
use fwd_core::net::{IfIndex, IpPrefix, VrfId};

use crate::overlap::{circuit_of, core};
use crate::world::{Delivery, World, v4};

const TAG: u32 = OspfConfig::automatic_tag(65001);

fn ospf(domain: u8) -> OspfConfig {
    OspfConfig {
        domains: vec![OspfDomainId::new([domain; 6])],
        router_id: Some(Ipv4Addr::new(192, 0, 2, domain)),
        tag: Some(TAG),
        ..OspfConfig::default()
    }
}

/// Three PEs with one VPN; the IGP of each VRF is what the array says.
fn network(igps: [IgpConfig; 3]) -> (World, Vec<usize>) {
    let (mut world, pes, _) = core(3, 1);
    for ((i, pe), igp) in pes.iter().enumerate().zip(igps) {
        let rd = format!("65001:{i}").parse().unwrap();
        let mut vrf = VrfConfig::new(VrfId(1), "blue", rd, "65001:1".parse().unwrap());
        vrf.igp = Some(igp);
        world.nodes[*pe].speaker.add_vrf(world.now, vrf).unwrap();
        world.circuit(*pe, 1, circuit_of(1, *pe), v4(50 + u8::try_from(i).unwrap()));
    }
    world.reach_all();
    world.run(Duration::from_secs(5));
    (world, pes)
}

fn route(route_type: u8, options: OspfRouteOptions, metric: u32) -> OspfRoute {
    OspfRoute { route_type: OspfRouteType { area: 1, route_type, options }, metric, down: false, tag: 0 }
}

fn bring(world: &mut World, pe: usize, prefix: &str, route: Option<IgpRoute>) {
    let via = LocalRoute::Via(IfIndex(circuit_of(1, pe)));
    let prefix = prefix.parse().unwrap();
    world.input(pe, Input::Igp { vrf: VrfId(1), prefix, route: route.map(|route| (via, route)) });
    world.settle();
}

fn told(world: &World, pe: usize, prefix: &str) -> Option<RemoteRoute> {
    let prefix: IpPrefix = prefix.parse().unwrap();
    let mut told = world.nodes[pe].igp.iter().filter(|(_, p, _)| *p == prefix);
    told.next().map(|(_, _, route)| *route)
}

/// RFC 4577 §4.2.6, §4.2.8: the same domain sees an inter-area route, another one and a VRF with another IGP an external route; what comes
/// back from a PE goes no further.
///
/// Shows: L3VPN-REF-3
#[test]
fn ospf_routes_cross_the_backbone_as_their_domain_says() {
    let (mut world, pes) = network([IgpConfig::Ospf(ospf(1)), IgpConfig::Ospf(ospf(1)), IgpConfig::Ospf(ospf(2))]);
    let intra = route(OspfRouteType::INTRA_AREA_NETWORK, OspfRouteOptions::empty(), 10);
    bring(&mut world, pes[0], "10.1.0.0/16", Some(IgpRoute::Ospf(intra)));
    let external = route(OspfRouteType::EXTERNAL, OspfRouteOptions::TYPE_2_METRIC, 20);
    bring(&mut world, pes[0], "10.2.0.0/16", Some(IgpRoute::Ospf(external)));
    bring(&mut world, pes[0], "10.3.0.0/16", Some(IgpRoute::Other { metric: 3 }));

    let vpn = world.nodes[pes[0]].speaker.vpn_routes();
    let vpn = vpn.iter().find(|r| r.prefix == "10.1.0.0/16".parse().unwrap()).unwrap();
    let attributes = Attributes::of_canonical(&vpn.attributes);
    let has = |code: &dyn Fn(_) -> bool| attributes.ext_communities().unwrap().iter().any(code);
    assert!(has(&|c| OspfDomainId::from_community(c) == Some(OspfDomainId::new([1; 6]))));
    assert!(has(&|c| OspfRouteType::from_community(c) == Some(intra.route_type)));
    assert!(has(&|c| OspfRouterId::from_community(c) == Some(OspfRouterId(Ipv4Addr::new(192, 0, 2, 1)))));
    assert_eq!(attributes.med(), Some(11));

    let lsa = |world: &World, pe: usize, prefix| told(world, pe, prefix).and_then(|r| r.lsa);
    let outside = |metric, type_2| Some(OspfLsa::External { metric, type_2, tag: Some(TAG) });
    assert_eq!(lsa(&world, pes[1], "10.1.0.0/16"), Some(OspfLsa::Summary { metric: 11 }));
    assert_eq!(lsa(&world, pes[2], "10.1.0.0/16"), outside(11, true));
    assert_eq!(lsa(&world, pes[1], "10.2.0.0/16"), outside(21, true));
    assert_eq!(lsa(&world, pes[1], "10.3.0.0/16"), outside(3, true));
    assert!(world.nodes[pes[0]].igp.is_empty(), "its own routes are not told to an IGP");

    // The LSAs that the PEs originate reach each other's PE through the sites: they carry the DN bit, or at least the tag.
    let back = OspfRoute { down: true, ..route(OspfRouteType::INTER_AREA, OspfRouteOptions::empty(), 12) };
    bring(&mut world, pes[1], "10.1.0.0/16", Some(IgpRoute::Ospf(back)));
    let back = OspfRoute { tag: TAG, ..external };
    bring(&mut world, pes[1], "10.2.0.0/16", Some(IgpRoute::Ospf(back)));
    assert_eq!(world.nodes[pes[1]].speaker.local_routes(VrfId(1)).count(), 0);
    assert_eq!(world.nodes[pes[2]].speaker.stats().vpn_routes, 3);

    bring(&mut world, pes[0], "10.1.0.0/16", None);
    assert_eq!([told(&world, pes[1], "10.1.0.0/16"), told(&world, pes[2], "10.1.0.0/16")], [None; 2]);
}

/// RFC 4577 §4.2.7: what OSPF reaches over a sham link is forwarded as BGP says, and neither announced by BGP nor told to OSPF.
#[test]
fn a_sham_link_leaves_forwarding_to_bgp() {
    let endpoints =
        |own: [u8; 4]| OspfConfig { sham_link_endpoints: vec![own.into(), [10, 9, 9, 1].into()], ..ospf(1) };
    let igps = [[10, 9, 9, 1], [10, 9, 9, 2], [10, 9, 9, 3]].map(|own| IgpConfig::Ospf(endpoints(own)));
    let (mut world, pes) = network(igps);
    let endpoint = "10.9.9.1/32".parse().unwrap();
    world.input(pes[0], Input::Local { vrf: VrfId(1), prefix: endpoint, route: Some(LocalRoute::Local) });
    let intra = route(OspfRouteType::INTRA_AREA_ROUTER, OspfRouteOptions::empty(), 10);
    bring(&mut world, pes[0], "10.1.0.0/16", Some(IgpRoute::Ospf(intra)));
    assert!(told(&world, pes[1], "10.1.0.0/16").is_some());
    assert_eq!(told(&world, pes[1], "10.9.9.1/32"), None, "an endpoint is not advertised by OSPF");
    assert!(world.nodes[pes[1]].speaker.vrf_routes(VrfId(1)).iter().any(|r| r.prefix == endpoint));

    bring(&mut world, pes[1], "10.1.0.0/16", Some(IgpRoute::OspfShamLink));
    assert_eq!(told(&world, pes[1], "10.1.0.0/16"), None);
    let behind = Delivery::Circuit(pes[0], circuit_of(1, pes[0]));
    assert_eq!(world.send(pes[1], 1, "10.1.0.1".parse().unwrap()), behind);
    assert_eq!(world.nodes[pes[2]].speaker.stats().vpn_routes, 2);
    // The sham link is gone: OSPF hears of the route again.
    bring(&mut world, pes[1], "10.1.0.0/16", None);
    assert!(told(&world, pes[1], "10.1.0.0/16").is_some());
}

/// A site with an IGP that has no mark for routes from a PE: its site of origin keeps them out.
#[test]
fn routes_do_not_return_to_their_site_of_origin() {
    let (mut world, pes, _) = core(2, 1);
    for (i, pe) in pes.iter().enumerate() {
        let rd = format!("65001:{i}").parse().unwrap();
        let mut vrf = VrfConfig::new(VrfId(1), "blue", rd, "65001:1".parse().unwrap());
        vrf.igp = Some(IgpConfig::Other);
        vrf.site_of_origin = Some(ExtCommunity::two_octet_as(ExtCommunity::ROUTE_ORIGIN, 65001, 9));
        world.nodes[*pe].speaker.add_vrf(world.now, vrf).unwrap();
        world.circuit(*pe, 1, circuit_of(1, *pe), v4(50 + u8::try_from(i).unwrap()));
    }
    world.reach_all();
    world.run(Duration::from_secs(5));
    bring(&mut world, pes[0], "10.1.0.0/16", Some(IgpRoute::Other { metric: 2 }));
    assert_eq!(world.nodes[pes[1]].speaker.vrf_routes(VrfId(1)).len(), 1);
    assert!(world.nodes[pes[1]].igp.is_empty());
}
