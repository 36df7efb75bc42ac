//! VPNs with the same addresses, side by side (RFC 4364 §1, §4).

use std::time::Duration;

use bgp_vpn::nlri::Family;
use bgp_vpn::session::PeerRole;
use bgp_vpn::speaker::{Input, LocalRoute};
use bgp_vpn::vrf::{LabelMode, VrfConfig};
use fwd_core::net::{IfIndex, VrfId};
use proptest::prelude::*;

use crate::world::{Delivery, World, v4};

pub const AS: u32 = 65001;
pub const VPN: [Family; 2] = [Family::VPN_IPV4, Family::VPN_IPV6];

/// PEs with a reflector each of which they are clients.
pub fn core(pes: usize, reflectors: usize) -> (World, Vec<usize>, Vec<usize>) {
    let mut world = World::default();
    let pes: Vec<usize> = (0..pes).map(|i| world.node(AS, i as u8 + 1, v4(i as u8 + 1))).collect();
    let rrs: Vec<usize> = (0..reflectors).map(|i| world.node(AS, 200 + i as u8, v4(200 + i as u8))).collect();
    for &pe in &pes {
        attach(&mut world, pe, &rrs);
    }
    (world, pes, rrs)
}

pub fn attach(world: &mut World, pe: usize, rrs: &[usize]) {
    for &rr in rrs {
        world.link(pe, rr, |node, peer| {
            peer.families = VPN.map(bgp_vpn::session::FamilyConfig::new).to_vec();
            if node == rr {
                peer.role = PeerRole::ReflectorClient;
            }
        });
    }
}

/// A VRF with a circuit of number `100 * vrf + pe` to a CE, and routes to `prefixes` through it.
pub fn site(world: &mut World, pe: usize, vrf: u16, targets: (&[&str], &[&str]), mode: LabelMode, prefixes: &[&str]) {
    let rd = format!("65001:{}", 100 * u32::from(vrf) + pe as u32);
    let name = format!("vpn{vrf}-{pe}");
    let mut config = VrfConfig::new(VrfId(vrf), &name, rd.parse().unwrap(), "65001:1".parse().unwrap());
    config.import = targets.0.iter().map(|t| t.parse().unwrap()).collect();
    config.export = targets.1.iter().map(|t| t.parse().unwrap()).collect();
    config.label_mode = mode;
    world.nodes[pe].speaker.add_vrf(world.now, config).unwrap();
    let number = circuit_of(vrf, pe);
    world.circuit(pe, vrf, number, v4(99));
    for prefix in prefixes {
        let prefix = prefix.parse().unwrap();
        let route = Some(LocalRoute::Via(IfIndex(number)));
        world.input(pe, Input::Local { vrf: VrfId(vrf), prefix, route });
    }
}

pub fn circuit_of(vrf: u16, pe: usize) -> u32 {
    100 * u32::from(vrf) + pe as u32
}

/// Three PEs, one reflector; VPN A (VRF 1) at all three, VPN B (VRF 2) at the first and third, the same addresses in both.
fn two_vpns(mode: LabelMode) -> (World, Vec<usize>, usize) {
    let (mut world, pes, rrs) = core(3, 1);
    let (a, b): (&[&str], &[&str]) = (&["65001:1"], &["65001:2"]);
    let per_pe = [["10.0.0.0/8", "fd00::/8"], ["10.1.0.0/16", "fd01::/16"], ["10.2.0.0/16", "fd02::/16"]];
    for (pe, prefixes) in pes.iter().zip(per_pe) {
        site(&mut world, *pe, 1, (a, a), mode, &prefixes);
    }
    site(&mut world, pes[0], 2, (b, b), mode, &["10.0.0.0/8", "fd00::/8", "10.3.0.0/16"]);
    site(&mut world, pes[2], 2, (b, b), mode, &["10.1.0.0/16", "fd01::/16"]);
    world.reach_all();
    world.run(Duration::from_secs(5));
    (world, pes, rrs[0])
}

/// Where a packet to each of some addresses goes, from every VRF.
fn reachability(world: &World, pes: &[usize]) -> Vec<(usize, u16, &'static str, Delivery)> {
    let mut all = Vec::new();
    for &pe in pes {
        for vrf in [1, 2] {
            for to in ["10.9.9.9", "10.1.0.1", "10.2.0.1", "10.3.0.1", "fdff::1", "fd01::1", "fd02::1", "11.0.0.1"] {
                all.push((pe, vrf, to, world.send(pe, vrf, to.parse().unwrap())));
            }
        }
    }
    all
}

/// Shows: L3VPN-SOL-1
#[test]
fn each_customer_reaches_its_own_sites_only_in_every_label_mode() {
    let mut seen = Vec::new();
    for mode in [LabelMode::PerVrf, LabelMode::PerAttachmentCircuit, LabelMode::PerPrefix] {
        let (world, pes, rr) = two_vpns(mode);
        let reached = reachability(&world, &pes);
        for &(pe, vrf, to, delivery) in &reached {
            // A site of A stands behind every PE; B has none at the second.
            let expected = match (vrf, to) {
                (1, "10.9.9.9" | "fdff::1" | "10.3.0.1") => Delivery::Circuit(pes[0], circuit_of(1, pes[0])),
                (1, "10.1.0.1" | "fd01::1") => Delivery::Circuit(pes[1], circuit_of(1, pes[1])),
                (1, "10.2.0.1" | "fd02::1") => Delivery::Circuit(pes[2], circuit_of(1, pes[2])),
                (2, _) if pe == pes[1] => Delivery::Dropped,
                (2, "10.9.9.9" | "fdff::1" | "10.2.0.1" | "10.3.0.1" | "fd02::1") => {
                    Delivery::Circuit(pes[0], circuit_of(2, pes[0]))
                }
                (2, "10.1.0.1" | "fd01::1") => Delivery::Circuit(pes[2], circuit_of(2, pes[2])),
                _ => Delivery::Dropped,
            };
            assert_eq!(delivery, expected, "{mode:?}: {to} from VRF {vrf} of PE {pe}");
        }
        seen.push(reached);
        // The reflector holds the prefix of both customers, told apart by their route distinguishers.
        let held = world.nodes[rr].speaker.vpn_routes();
        let rds: Vec<_> =
            held.iter().filter(|r| r.prefix == "10.0.0.0/8".parse().unwrap()).map(|r| r.rd.unwrap()).collect();
        assert_eq!(rds.len(), 2);
        assert_ne!(rds[0], rds[1]);
    }
    assert!(seen.windows(2).all(|pair| pair[0] == pair[1]));
}

#[test]
fn label_modes_hand_out_as_many_labels_as_they_say() {
    for (mode, labels) in [(LabelMode::PerVrf, 2), (LabelMode::PerAttachmentCircuit, 2), (LabelMode::PerPrefix, 5)] {
        let (world, pes, _) = two_vpns(mode);
        assert_eq!(world.nodes[pes[0]].fib.ilm.len(), labels, "{mode:?}");
    }
}

/// Shows: L3VPN-SOL-1
#[test]
fn a_route_that_nobody_imports_is_in_no_vrf() {
    let (mut world, pes, rrs) = core(2, 1);
    site(&mut world, pes[0], 1, (&["65001:1"], &["65001:77"]), LabelMode::PerVrf, &["10.0.0.0/8"]);
    site(&mut world, pes[1], 1, (&["65001:1"], &["65001:1"]), LabelMode::PerVrf, &[]);
    world.reach_all();
    world.run(Duration::from_secs(5));
    assert_eq!(world.nodes[rrs[0]].speaker.stats().vpn_routes, 1);
    assert_eq!(world.nodes[pes[1]].speaker.stats().vpn_routes, 1);
    assert!(world.nodes[pes[1]].speaker.vrf_routes(VrfId(1)).is_empty());
    assert!(world.nodes[pes[1]].fib.routes.is_empty());
    // A target taken up at run time needs no help from peers.
    let targets = vec!["65001:77".parse().unwrap()];
    let now = world.now;
    let export = vec!["65001:1".parse().unwrap()];
    world.nodes[pes[1]].speaker.set_vrf_targets(now, VrfId(1), targets, export.clone()).unwrap();
    world.settle();
    assert_eq!(world.send(pes[1], 1, "10.0.0.1".parse().unwrap()), Delivery::Circuit(pes[0], 100 + pes[0] as u32));
    world.nodes[pes[1]].speaker.set_vrf_targets(now, VrfId(1), vec!["65001:3".parse().unwrap()], export).unwrap();
    world.settle();
    assert!(world.nodes[pes[1]].fib.routes.is_empty() && world.nodes[pes[1]].fib.nhlfes.is_empty());
}

#[test]
fn a_new_pe_needs_no_change_elsewhere() {
    let (mut world, pes, rrs) = core(3, 2);
    let t: &[&str] = &["65001:1"];
    site(&mut world, pes[0], 1, (t, t), LabelMode::PerVrf, &["10.0.0.0/16"]);
    site(&mut world, pes[1], 1, (t, t), LabelMode::PerVrf, &["10.1.0.0/16"]);
    world.reach_all();
    world.run(Duration::from_secs(5));
    // The reflectors' side of the new sessions is the only other configuration.
    let new = world.node(AS, 9, v4(9));
    attach(&mut world, new, &rrs);
    site(&mut world, new, 1, (t, t), LabelMode::PerVrf, &["10.9.0.0/16"]);
    world.reach_all();
    world.run(Duration::from_secs(5));
    let to_new = Delivery::Circuit(new, circuit_of(1, new));
    assert_eq!(world.send(pes[0], 1, "10.9.0.1".parse().unwrap()), to_new);
    assert_eq!(world.send(pes[1], 1, "10.9.0.1".parse().unwrap()), to_new);
    assert_eq!(world.send(new, 1, "10.0.0.1".parse().unwrap()), Delivery::Circuit(pes[0], circuit_of(1, pes[0])));
    // The third has no site of the VPN.
    assert!(world.nodes[pes[2]].fib.routes.is_empty());
}

#[test]
fn losing_one_of_two_reflectors_loses_no_route() {
    let (mut world, pes, rrs) = core(4, 2);
    let t: &[&str] = &["65001:1"];
    for &pe in &pes {
        let prefix = format!("10.{pe}.0.0/16");
        site(&mut world, pe, 1, (t, t), LabelMode::PerVrf, &[&prefix]);
    }
    world.reach_all();
    world.run(Duration::from_secs(5));
    let before: Vec<_> = pes.iter().map(|pe| world.nodes[*pe].fib.clone()).collect();
    let ops: Vec<usize> = pes.iter().map(|pe| world.nodes[*pe].ops.len()).collect();
    for peer in world.nodes[rrs[0]].speaker.peers() {
        world.set_cut(rrs[0], peer, true);
    }
    world.run(Duration::from_secs(200));
    assert_eq!(world.established(rrs[0]), 0);
    for ((pe, fib), ops) in pes.iter().zip(before).zip(ops) {
        assert_eq!(world.nodes[*pe].fib, fib);
        assert_eq!(world.nodes[*pe].ops.len(), ops, "the forwarding plane was not even touched");
    }
}

/// One VRF of the random graphs: which PE, what it imports and exports, as bit sets of four targets.
fn vrf() -> impl Strategy<Value = (usize, u8, u8)> {
    (0usize..3, 1u8..16, 1u8..16)
}

fn targets(bits: u8) -> Vec<String> {
    (0..4).filter(|i| bits & (1 << i) != 0).map(|i| format!("65001:{i}")).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    /// Shows: L3VPN-REF-1
    #[test]
    fn reachability_is_what_the_route_targets_say(vrfs in proptest::collection::vec(vrf(), 1..8)) {
        let (mut world, pes, _) = core(3, 1);
        for (i, (pe, import, export)) in vrfs.iter().enumerate() {
            let (import, export) = (targets(*import), targets(*export));
            let import: Vec<&str> = import.iter().map(String::as_str).collect();
            let export: Vec<&str> = export.iter().map(String::as_str).collect();
            let prefix = format!("10.{i}.0.0/16");
            let modes = [LabelMode::PerVrf, LabelMode::PerAttachmentCircuit, LabelMode::PerPrefix];
            site(&mut world, pes[*pe], i as u16 + 1, (&import, &export), modes[i % 3], &[&prefix]);
        }
        world.reach_all();
        world.run(Duration::from_secs(5));
        for (i, (from, import, _)) in vrfs.iter().enumerate() {
            for (j, (to, _, export)) in vrfs.iter().enumerate() {
                let address = format!("10.{j}.0.1").parse().unwrap();
                let expected = if i == j || import & export != 0 {
                    Delivery::Circuit(pes[*to], circuit_of(j as u16 + 1, pes[*to]))
                } else {
                    Delivery::Dropped
                };
                prop_assert_eq!(world.send(pes[*from], i as u16 + 1, address), expected, "{} to {}", i, j);
            }
        }
    }
}
