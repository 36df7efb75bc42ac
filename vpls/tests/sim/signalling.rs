//! How instances find each other: label blocks, auto-discovery, configured pseudowires, multi-homing, spokes.

use std::time::Duration;

use bgp_vpn::attr::RouteTarget;
use bgp_vpn::attr::ext_community::{L2vpnId, Layer2Info};
use bgp_vpn::nlri::RouteDistinguisher;
use fwd_core::net::*;
use fwd_core::op::Tags;
use vpls::{CircuitConfig, ConfigError, EventKind, Input, PwConfig, PwService, VeConfig, VplsPe, VsiConfig};

use crate::world::packets::{frame, mac};
use crate::world::{World, WorldIn, address};

pub const VSI: VsiId = VsiId(1);

pub fn plain(pe: usize, vsi: u16) -> VsiConfig {
    let number = u32::try_from(pe).unwrap() * 100 + u32::from(vsi);
    let target = RouteTarget::two_octet_as(65000, vsi.into());
    VsiConfig::new(VsiId(vsi), RouteDistinguisher::two_octet_as(65000, number)).with_target(target)
}

pub fn ve(pe: usize, vsi: u16) -> VsiConfig {
    VsiConfig { ve: Some(VeConfig::new(u16::try_from(pe).unwrap() + 1)), ..plain(pe, vsi) }
}

/// PEs with one instance and two circuits each, on interfaces 1 and 2.
pub fn network(pes: usize, config: impl Fn(usize) -> VsiConfig) -> World {
    let mut world = World::new(pes);
    furnish(&mut world, config);
    world
}

/// As [`network`], of PEs that are there.
pub fn furnish(world: &mut WorldIn<'_>, config: impl Fn(usize) -> VsiConfig) {
    for pe in 0..world.pes.len() {
        let config = config(pe);
        let vsi = config.vsi;
        world.with(pe, |machine, now| machine.add_vsi(now, config).unwrap());
        for iface in 1..=2 {
            circuit(world, pe, vsi, iface);
        }
    }
    world.pass(Duration::from_secs(3));
}

pub fn circuit(world: &mut WorldIn<'_>, pe: usize, vsi: VsiId, iface: u32) -> PortId {
    let config = CircuitConfig::new(IfIndex(iface), Tags::Any);
    world.with(pe, |machine, now| machine.add_circuit(now, vsi, config).unwrap())
}

/// Broadcast of PE 0, interface 1, reaches every other circuit once.
pub fn floods(world: &mut World, pes: usize) {
    let mut expected: Vec<(usize, u32)> = (0..pes).flat_map(|pe| [(pe, 1), (pe, 2)]).collect();
    expected.remove(0);
    assert_eq!(world.reached(0, 1, &frame(Mac::BROADCAST, mac(1))), expected);
}

/// Shows: VPLS-GEN-5, VPLS-GEN-0, L2VPN-5.3-2
#[test]
fn label_blocks_make_a_full_mesh_and_unknown_addresses_become_known() {
    let mut world = network(4, |pe| ve(pe, 1));
    for pe in 0..4 {
        let others: Vec<usize> = (0..4).filter(|other| *other != pe).collect();
        let up: Vec<usize> = world.up(pe, VSI).into_iter().map(|(to, _)| to).collect();
        assert_eq!(up, others);
    }
    floods(&mut world, 4);
    // The first frame to an address floods to three PEs; the answer is known, and so is what follows.
    let before = world.links.get(&(0, true)).map_or(0, |link| link.0);
    assert_eq!(world.reached(0, 1, &frame(mac(7), mac(1))).len(), 7);
    assert_eq!(world.links[&(0, true)].0 - before, 3);
    assert_eq!(world.reached(2, 2, &frame(mac(1), mac(7))), [(0, 1)]);
    let before = world.links[&(0, true)].0;
    assert_eq!(world.reached(0, 1, &frame(mac(7), mac(1))), [(2, 2)]);
    assert_eq!(world.links[&(0, true)].0 - before, 1);
}

/// A new PE needs its own configuration alone; one UPDATE of each PE at most is sent for it.
///
/// Shows: VPLS-DISC-1, VPLS-DISC-2
#[test]
fn a_pe_joins_with_a_route_target_and_an_identifier() {
    let mut world = network(5, |pe| if pe < 4 { ve(pe, 1) } else { plain(pe, 9) });
    let before = world.updates.clone();
    world.with(4, |pe, now| pe.add_vsi(now, ve(4, 1)).unwrap());
    circuit(&mut world, 4, VSI, 5);
    world.pass(Duration::from_secs(3));
    assert_eq!(world.updates[..4], before[..4], "blocks of eight labels had room for it");
    assert!(world.updates[4] - before[4] <= 2);
    assert!(world.reached(0, 1, &frame(Mac::BROADCAST, mac(1))).contains(&(4, 5)));
    // Beyond a block, each PE sends one more.
    let far = VsiConfig { ve: Some(VeConfig::new(100)), ..plain(4, 1) };
    world.with(4, |pe, now| {
        pe.remove_vsi(now, VSI).unwrap();
        pe.add_vsi(now, far).unwrap();
    });
    world.pass(Duration::from_secs(3));
    assert_eq!(world.up(0, VSI).len(), 4);
    assert!((0..4).all(|pe| world.updates[pe] - before[pe] == 1), "{:?} {before:?}", world.updates);
}

/// Shows: L2VPN-5.3-4, L2VPN-5.3-6
#[test]
fn discovered_pes_signal_by_ldp() {
    let id = L2vpnId::two_octet_as(65000, 1);
    let mut world = network(3, |pe| VsiConfig { discovery: Some(id), ..plain(pe, 1) });
    assert_eq!(world.up(0, VSI), [(1, PwService::Discovered), (2, PwService::Discovered)]);
    floods(&mut world, 3);
    // Another VPLS-id with the same target is another VPLS.
    let other = VsiConfig { discovery: Some(L2vpnId::two_octet_as(65000, 2)), ..plain(2, 1) };
    world.with(2, |pe, now| {
        pe.remove_vsi(now, VSI).unwrap();
        pe.add_vsi(now, other).unwrap();
    });
    assert_eq!(world.up(0, VSI), [(1, PwService::Discovered)]);
}

/// An instance with label blocks, auto-discovery and configured pseudowires: every PE is reached once.
///
/// Shows: VPLS-BC-1
#[test]
fn kinds_of_signalling_share_an_instance() {
    let id = L2vpnId::two_octet_as(65000, 1);
    let mut world = network(4, |pe| match pe {
        0 => VsiConfig { discovery: Some(id), ..ve(pe, 1) },
        1 => VsiConfig { discovery: Some(id), ..ve(pe, 1) },
        2 => VsiConfig { discovery: Some(id), ..plain(pe, 1) },
        _ => plain(pe, 1),
    });
    for (a, b) in [(0, 3), (1, 3), (2, 3)] {
        for (from, to) in [(a, b), (b, a)] {
            world.with(from, |pe, now| pe.add_pseudowire(now, VSI, PwConfig::mesh(address(to), 7)).unwrap());
        }
    }
    assert_eq!(world.up(0, VSI), [(1, PwService::Ve(2)), (2, PwService::Discovered), (3, PwService::PwId(7))]);
    floods(&mut world, 4);
    for pe in 1..4 {
        let to: Vec<_> = world.reached(pe, 1, &frame(Mac::BROADCAST, mac(9)));
        assert_eq!(to.len(), 7, "{pe}: {to:?}");
    }
}

/// Shows: VPLS-MTU-1, L2VPN-5.3-5
#[test]
fn ends_that_do_not_fit_get_no_pseudowire() {
    let mut world = network(3, |pe| VsiConfig { mtu: if pe == 2 { 9000 } else { 1500 }, ..ve(pe, 1) });
    assert_eq!(world.up(0, VSI), [(1, PwService::Ve(2))]);
    assert!(world.has_event(0, |kind| *kind == EventKind::MtuMismatch(address(2))));
    // A path that carries 1,600 octets carries frames of 1,574.
    let way = Input::Transport { peer: address(1), next: None, mtu: 0 };
    world.input(2, way);
    let next = Some(fwd_core::op::NextHop::Nhlfe(crate::world::node::transport(1)));
    world.input(2, Input::Transport { peer: address(1), next, mtu: 1600 });
    let refused = world.with(2, |pe: &mut VplsPe, now| pe.add_pseudowire(now, VSI, PwConfig::mesh(address(1), 9)));
    assert_eq!(refused, Err(ConfigError::PathMtu(1574)));
    // Another encapsulation.
    let bad =
        Layer2Info { encaps: 4, flags: bgp_vpn::attr::ext_community::Layer2Flags::empty(), mtu: 1500, reserved: 0 };
    let block = vpls::label_block::LabelBlock { offset: 1, size: 8, base: crate::world::label(70_000) };
    let nlri = vpls::bgp::Nlri::Block { rd: RouteDistinguisher::two_octet_as(65000, 77), ve_id: 7, block };
    let mut attributes =
        vpls::bgp::RouteAttributes::with_targets([192, 0, 2, 99].into(), &[RouteTarget::two_octet_as(65000, 1)]);
    attributes.layer2 = Some(bad);
    world.input(0, Input::Route { nlri, attributes: Some(attributes) });
    assert!(world.has_event(0, |kind| matches!(kind, EventKind::EncapsMismatch(_))));
}

/// RFC 4761 §3.5: the PE of the greater preference forwards for a site with two; the other takes over when it is gone.
///
/// Shows: VPLS-ACC-1
#[test]
fn one_pe_of_a_multi_homed_site_forwards() {
    let site = |preference| VeConfig { multi_homed: true, preference, ..VeConfig::new(1) };
    let mut world = network(3, |pe| match pe {
        0 => VsiConfig { ve: Some(site(200)), ..plain(pe, 1) },
        1 => VsiConfig { ve: Some(site(100)), ..plain(pe, 1) },
        _ => ve(pe, 1),
    });
    world.pass(Duration::from_secs(10));
    let forwards = |world: &World, pe: usize| world.pes[pe].pe.is_designated_forwarder(VSI) == Some(true);
    assert!(forwards(&world, 0) && !forwards(&world, 1));
    let from_afar = |world: &mut World| world.reached(2, 1, &frame(Mac::BROADCAST, mac(3)));
    assert_eq!(from_afar(&mut world), [(0, 1), (0, 2), (2, 2)]);
    assert_eq!(world.reached(1, 1, &frame(Mac::BROADCAST, mac(4))), [], "the backup's circuits are blocked");
    // PE 2 learned an address behind PE 0; when that PE is gone, so is the address.
    world.send(0, 1, &frame(Mac::BROADCAST, mac(8)));
    assert_eq!(world.reached(2, 1, &frame(mac(8), mac(3))), [(0, 1)]);
    world.cut_off(0);
    world.pass(Duration::from_secs(4));
    assert!(forwards(&world, 1));
    assert_eq!(world.reached(2, 1, &frame(mac(8), mac(3))), [(1, 1), (1, 2), (2, 2)]);
}

#[test]
fn a_site_without_circuits_lets_the_other_pe_forward() {
    let site = |preference| VeConfig { multi_homed: true, preference, ..VeConfig::new(1) };
    let mut world = network(3, |pe| match pe {
        0 => VsiConfig { ve: Some(site(200)), ..plain(pe, 1) },
        1 => VsiConfig { ve: Some(site(100)), ..plain(pe, 1) },
        _ => ve(pe, 1),
    });
    world.pass(Duration::from_secs(10));
    for port in [0, 1] {
        world.input(0, Input::Circuit { port: PortId(port), up: false });
    }
    world.pass(Duration::from_secs(4));
    assert_eq!(world.reached(2, 1, &frame(Mac::BROADCAST, mac(3))), [(1, 1), (1, 2), (2, 2)]);
    world.input(0, Input::Circuit { port: PortId(0), up: true });
    world.pass(Duration::from_secs(4));
    assert_eq!(world.reached(2, 1, &frame(Mac::BROADCAST, mac(3))), [(0, 1), (2, 2)]);
}

#[test]
fn the_same_identifier_without_multi_homing_is_a_conflict() {
    let world = network(2, |pe| VsiConfig { ve: Some(VeConfig::new(1)), ..plain(pe, 1) });
    assert!(world.has_event(0, |kind| *kind == EventKind::VeIdConflict(address(1))));
}

/// RFC 4762 §10.2: a U-PE (3) with two spokes to N-PEs 0 and 1; N-PE 2 is in the mesh.
pub fn hierarchy(change: impl Fn(&mut VsiConfig)) -> World {
    let discovery = Some(L2vpnId::two_octet_as(1, 1));
    let mut world = network(4, |pe| {
        let mut config = VsiConfig { discovery: discovery.filter(|_| pe != 3), ..plain(pe, 1) };
        change(&mut config);
        config
    });
    for (n, to) in [0, 1].into_iter().enumerate() {
        let preference = u8::try_from(n).unwrap();
        let id = u32::try_from(to).unwrap() + 50;
        world.with(3, |pe, now| {
            pe.add_pseudowire(now, VSI, PwConfig::spoke(address(to), id, Some(1), preference)).unwrap()
        });
        world.with(to, |pe, now| pe.add_pseudowire(now, VSI, PwConfig::spoke(address(3), id, None, 0)).unwrap());
    }
    world
}

#[test]
fn a_spoke_takes_over_and_addresses_are_learned_anew() {
    let mut world = hierarchy(|_| {});
    assert_eq!(world.up(3, VSI), [(0, PwService::PwId(50))]);
    floods_from_spoke(&mut world);
    world.send(3, 1, &frame(Mac::BROADCAST, mac(1)));
    assert_eq!(world.reached(2, 1, &frame(mac(1), mac(2))), [(3, 1)]);
    // The way to the primary is lost on the U-PE's side.
    world.reach(3, 0, false);
    world.input(3, Input::Pw { id: spoke(0), event: vpls::PwEvent::Withdrawn });
    assert_eq!(world.up(3, VSI), [(1, PwService::PwId(51))]);
    world.pass(Duration::from_millis(100));
    assert!(world.has_event(1, |kind| matches!(kind, EventKind::MacWithdrawn(_))));
    assert!(world.has_event(2, |kind| matches!(kind, EventKind::MacWithdrawn(_))), "passed on to the mesh");
    // PE 2 forgot the address: it floods, and the frame comes by the other spoke.
    assert!(world.reached(2, 1, &frame(mac(1), mac(2))).contains(&(3, 1)));
    floods_from_spoke(&mut world);
}

pub fn spoke(to: usize) -> vpls::PwId {
    vpls::PwId { vsi: VSI, peer: address(to), service: PwService::PwId(u32::try_from(to).unwrap() + 50) }
}

fn floods_from_spoke(world: &mut World) {
    let to = world.reached(3, 1, &frame(Mac::BROADCAST, mac(40)));
    assert_eq!(to, [(0, 1), (0, 2), (1, 1), (1, 2), (2, 1), (2, 2), (3, 2)]);
}

#[test]
fn a_better_spoke_is_taken_again_after_a_while() {
    let mut world = hierarchy(|_| {});
    world.input(3, Input::Pw { id: spoke(0), event: vpls::PwEvent::Status(p2mp_pw::ldp::PwStatus::NOT_FORWARDING) });
    assert_eq!(world.up(3, VSI), [(1, PwService::PwId(51))]);
    world.input(3, Input::Pw { id: spoke(0), event: vpls::PwEvent::Status(p2mp_pw::ldp::PwStatus::empty()) });
    world.pass(Duration::from_secs(29));
    assert_eq!(world.up(3, VSI), [(1, PwService::PwId(51))]);
    world.pass(Duration::from_secs(2));
    assert_eq!(world.up(3, VSI), [(0, PwService::PwId(50))]);
    floods_from_spoke(&mut world);
}
