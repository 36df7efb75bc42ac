//! The same network over every kind of tunnel between PEs (RFC 5501 §6.2.1).

use std::time::Duration;

use fwd_core::net::*;
use vpls::multicast::{TreeConfig, TunnelKind};
use vpls::{PwConfig, VsiConfig};

use super::signalling::{VSI, circuit, floods, network, plain, ve};
use super::snoop::{G, snooping};
use crate::world::packets::{data, frame, join, leave, mac};
use crate::world::{Core, World, address};

/// Four PEs with configured pseudowires in a full mesh.
fn mesh(core: Core) -> World {
    let mut world = World::with_core(4, core);
    for pe in 0..4 {
        let config = VsiConfig { snoop: Some(snooping()), ..plain(pe, 1) };
        world.with(pe, |machine, now| machine.add_vsi(now, config).unwrap());
        for iface in 1..=2 {
            circuit(&mut world, pe, VSI, iface);
        }
        for to in (0..4).filter(|to| *to != pe) {
            let pw = PwConfig::mesh(address(to), 10);
            world.with(pe, |machine, now| machine.add_pseudowire(now, VSI, pw).unwrap());
        }
    }
    world.pass(Duration::from_secs(3));
    world
}

/// Broadcast, unicast and groups go where they should; returns the octets that PE 0 sent for one unicast frame of 60.
fn carries(world: &mut World) -> u64 {
    floods(world, 4);
    assert_eq!(world.reached(3, 2, &frame(mac(1), mac(9))), [(0, 1)]);
    let before = world.links[&(0, true)].1;
    assert_eq!(world.reached(0, 1, &frame(mac(9), mac(1))), [(3, 2)]);
    let octets = world.links[&(0, true)].1 - before;
    world.send(2, 1, &join(7, G));
    assert_eq!(world.reached(0, 1, &data(1, G)), [(2, 1)]);
    assert_eq!(world.reached(0, 1, &data(1, [225, 9, 9, 9].into())), []);
    world.send(2, 1, &leave(7, G));
    world.pass(Duration::from_secs(3));
    assert_eq!(world.reached(0, 1, &data(1, G)), []);
    octets
}

/// What stands in front of a frame differs, and nothing else does.
///
/// Shows: VPLS-TUN-1
#[test]
fn instances_span_every_kind_of_tunnel() {
    let ethernet = 14;
    for (core, front) in [
        // A label for the tunnel, one for the pseudowire.
        (Core::Lsp, 8),
        // The same, by labels that LDP gave and programmed.
        (Core::Ldp, 8),
        // IPv4, GRE, the label of the pseudowire (RFC 4023 §3).
        (Core::Gre, 20 + 4 + 4),
        // IPv4, the session, a cookie of four octets (RFC 3931 §4.1.1).
        (Core::L2tpv3, 20 + 4 + 4),
    ] {
        assert_eq!(carries(&mut mesh(core)), 60 + ethernet + front, "{core:?}");
    }
    // Label blocks over GRE: the tunnel is nobody's business.
    let mut world = World::with_core(4, Core::Gre);
    for pe in 0..4 {
        let config = VsiConfig { snoop: Some(snooping()), ..ve(pe, 1) };
        world.with(pe, |machine, now| machine.add_vsi(now, config).unwrap());
        for iface in 1..=2 {
            circuit(&mut world, pe, VSI, iface);
        }
    }
    world.pass(Duration::from_secs(3));
    carries(&mut world);
    // Trees: mLDP, and a stub that signals RSVP-TE.
    for kind in [TunnelKind::Mldp, TunnelKind::RsvpTe] {
        let trees = TreeConfig { inclusive: Some(kind), selective: Some(kind), ..TreeConfig::default() };
        let config = |pe| VsiConfig { trees: Some(trees), snoop: Some(snooping()), ..ve(pe, 1) };
        let mut world = network(4, config);
        world.pass(Duration::from_secs(4));
        let before = world.links.get(&(0, true)).map_or(0, |link| link.0);
        floods(&mut world, 4);
        assert_eq!(world.links[&(0, true)].0 - before, 1, "{kind:?}: one copy for three PEs");
    }
}

/// Pseudowires by the LDP of `p2mp-pw`: configured and discovered ones, addresses that are withdrawn, and an end that goes.
#[test]
fn ldp_signals_and_programs_pseudowires() {
    let id = bgp_vpn::attr::ext_community::L2vpnId::two_octet_as(65000, 1);
    let mut world = World::with_core(3, Core::Ldp);
    let mut port = PortId(0);
    for pe in 0..3 {
        let config = VsiConfig { discovery: Some(id), control_word: true, ..plain(pe, 1) };
        world.with(pe, |machine, now| machine.add_vsi(now, config).unwrap());
        port = circuit(&mut world, pe, VSI, 1);
        circuit(&mut world, pe, VSI, 2);
    }
    world.pass(Duration::from_secs(3));
    floods(&mut world, 3);
    assert_eq!(world.reached(2, 1, &frame(mac(1), mac(9))), [(0, 1)]);
    assert_eq!(world.reached(0, 1, &frame(mac(9), mac(1))), [(2, 1)]);
    // A circuit fails: what was learned from that PE is forgotten by the others.
    world.input(2, vpls::Input::Circuit { port, up: false });
    world.pass(Duration::from_secs(1));
    let flooded = world.reached(0, 1, &frame(mac(9), mac(1)));
    assert_eq!(flooded, [(0, 2), (1, 1), (1, 2), (2, 2)], "an Address Withdraw made it unknown");
    // The instance goes at one PE: its labels are withdrawn, and nothing is sent there.
    world.with(2, |pe, now| pe.remove_vsi(now, VSI).unwrap());
    assert_eq!(world.up(0, VSI).len(), 1);
    assert_eq!(world.reached(0, 1, &frame(Mac::BROADCAST, mac(1))), [(0, 2), (1, 1), (1, 2)]);
}
