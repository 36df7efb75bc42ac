//! Payload and transport of both address families (RFC 4659 §3.2.1, RFC 8950 §3, §4).

use std::net::IpAddr;
use std::time::Duration;

use bgp_vpn::nlri::Family;
use bgp_vpn::session::FamilyConfig;
use bgp_vpn::vrf::LabelMode;

use crate::overlap::{AS, circuit_of, site};
use crate::world::{Delivery, World, v4, v6};

/// Two PEs with a direct session between these addresses, one VPN of both families.
fn pair(addresses: [IpAddr; 2], extended_next_hop: bool) -> World {
    let mut world = World::default();
    for (i, address) in addresses.into_iter().enumerate() {
        world.node(AS, i as u8 + 1, address);
    }
    world.link(0, 1, |_, peer| {
        peer.families = [Family::VPN_IPV4, Family::VPN_IPV6].map(FamilyConfig::new).to_vec();
        peer.families[0].extended_next_hop = extended_next_hop;
    });
    let t: &[&str] = &["65001:1"];
    site(&mut world, 0, 1, (t, t), LabelMode::PerVrf, &["10.0.0.0/16", "fd00::/16"]);
    site(&mut world, 1, 1, (t, t), LabelMode::PerVrf, &["10.1.0.0/16", "fd01::/16"]);
    world.reach_all();
    world.run(Duration::from_secs(5));
    world
}

/// The octets of MP_REACH_NLRI's next hop in what a node sent for a family.
fn next_hops(world: &World, node: usize, afi: u8) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    for (_, octets) in &world.nodes[node].sent {
        // AFI, SAFI 128, length of the next hop.
        for (i, w) in octets.windows(4).enumerate() {
            if w[..3] == [0, afi, 128] && matches!(w[3], 12 | 24 | 48) && octets.len() > i + 4 + usize::from(w[3]) {
                found.push(octets[i + 4..i + 4 + usize::from(w[3])].to_vec());
            }
        }
    }
    found
}

/// Shows: L3VPN-FEA-4
#[test]
fn vpn_ipv4_over_an_ipv6_core_needs_the_capability() {
    let world = pair([v6(1), v6(2)], true);
    let to = |node: usize, address: &str| world.send(node, 1, address.parse().unwrap());
    assert_eq!(to(0, "10.1.0.1"), Delivery::Circuit(1, circuit_of(1, 1)));
    assert_eq!(to(1, "10.0.0.1"), Delivery::Circuit(0, circuit_of(1, 0)));
    assert_eq!(to(0, "fd01::1"), Delivery::Circuit(1, circuit_of(1, 1)));
    let IpAddr::V6(address) = v6(1) else { unreachable!() };
    let with_rd = [&[0; 8][..], &address.octets()].concat();
    assert_eq!(next_hops(&world, 0, 1), core::slice::from_ref(&with_rd));
    assert_eq!(next_hops(&world, 0, 2), [with_rd]);

    let without = pair([v6(1), v6(2)], false);
    assert_eq!(without.send(0, 1, "10.1.0.1".parse().unwrap()), Delivery::Dropped);
    assert_eq!(without.send(0, 1, "fd01::1".parse().unwrap()), Delivery::Circuit(1, circuit_of(1, 1)));
    assert!(next_hops(&without, 0, 1).is_empty(), "no 24-octet next hop without capability 5");
}

/// Shows: L3VPN-FEA-4
#[test]
fn vpn_ipv6_over_an_ipv4_core_has_a_mapped_next_hop() {
    let world = pair([v4(1), v4(2)], false);
    let to = |node: usize, address: &str| world.send(node, 1, address.parse().unwrap());
    assert_eq!(to(0, "fd01::1"), Delivery::Circuit(1, circuit_of(1, 1)));
    assert_eq!(to(1, "fd00::1"), Delivery::Circuit(0, circuit_of(1, 0)));
    assert_eq!(to(0, "10.1.0.1"), Delivery::Circuit(1, circuit_of(1, 1)));
    let mapped = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 1];
    assert_eq!(next_hops(&world, 0, 2), [mapped]);
}

/// Shows: L3VPN-FEA-2
#[test]
fn a_peer_without_the_family_gets_none_of_it() {
    let mut world = World::default();
    for i in 0..2 {
        world.node(AS, i + 1, v4(i + 1));
    }
    world.link(0, 1, |node, peer| {
        peer.families = vec![FamilyConfig::new(Family::VPN_IPV4)];
        if node == 0 {
            peer.families.push(FamilyConfig::new(Family::VPN_IPV6));
        }
    });
    let t: &[&str] = &["65001:1"];
    site(&mut world, 0, 1, (t, t), LabelMode::PerVrf, &["10.0.0.0/16", "fd00::/16"]);
    world.run(Duration::from_secs(5));
    assert_eq!(world.nodes[1].speaker.stats().vpn_routes, 1);
    assert!(next_hops(&world, 0, 2).is_empty());
    assert_eq!(next_hops(&world, 0, 1).len(), 1);
}
