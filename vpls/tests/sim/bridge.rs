//! Random scripts of instances against a reference bridge: a frame goes where a LAN would carry it, and never to another instance.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use fwd_core::net::*;
use fwd_core::op::Tags;
use proptest::prelude::*;
use vpls::{CircuitConfig, Input, PwService, VsiConfig};

use super::signalling::{floods, furnish, network, plain, ve};
use crate::world::memory::NodeMemory;
use crate::world::packets::{frame, mac};
use crate::world::{World, WorldIn};

/// A step of a script: what happens, where, and to whom.
type Step = (u8, usize, u32, u8, u8);

/// The bridge of one instance as a customer sees it: every circuit that is up is a port, and addresses are where they were last seen.
/// A PE knows of a move only by a frame that came to it: all PEs know it after a broadcast.
#[derive(Default)]
struct Reference {
    ports: BTreeSet<(usize, u32)>,
    macs: BTreeMap<Mac, ((usize, u32), bool)>,
}

/// Circuits: PE and interface.
type Circuits = BTreeSet<(usize, u32)>;

impl Reference {
    /// Which circuits a frame must reach, and which it may.
    fn forward(&mut self, at: (usize, u32), to: Mac, from: Mac) -> (Circuits, Circuits) {
        if !self.ports.contains(&at) {
            return Default::default();
        }
        let was = self.macs.get(&from).is_some_and(|(port, sure)| *port == at && *sure);
        self.macs.insert(from, (at, was || to.is_group()));
        let all: Circuits = self.ports.iter().filter(|port| **port != at).copied().collect();
        match self.macs.get(&to) {
            _ if to.is_group() => (all.clone(), all),
            Some((port, true)) if *port != at && self.ports.contains(port) => ([*port].into(), all),
            // Behind this very circuit, or where not every PE looks for it: it may be dropped, or flooded.
            Some(_) => (Circuits::new(), all),
            None => (all.clone(), all),
        }
    }
}

fn run(steps: &[Step]) {
    let mut memory: Vec<NodeMemory> = (0..4).map(|_| NodeMemory::default()).collect();
    let mut world = WorldIn::in_memory(&mut memory);
    furnish(&mut world, |pe| ve(pe, 1));
    let mut ports: BTreeMap<(usize, u32), PortId> = BTreeMap::new();
    let mut instance: BTreeMap<(usize, u32), u16> = BTreeMap::new();
    let mut references: BTreeMap<u16, Reference> =
        BTreeMap::from([(1, Reference::default()), (2, Reference::default())]);
    for pe in 0..3 {
        world.with(pe, |machine, now| machine.add_vsi(now, ve(pe, 2)).unwrap());
        for iface in 1..=4 {
            let vsi = if iface <= 2 { 1 } else { 2 };
            let port = match iface {
                1 | 2 => PortId(iface - 1),
                _ => {
                    let config = CircuitConfig::new(IfIndex(iface), Tags::Any);
                    world.with(pe, |machine, now| machine.add_circuit(now, VsiId(2), config).unwrap())
                }
            };
            ports.insert((pe, iface), port);
            instance.insert((pe, iface), vsi);
            references.get_mut(&vsi).unwrap().ports.insert((pe, iface));
        }
    }
    world.pass(Duration::from_secs(3));
    for &(what, pe, iface, to, from) in steps {
        let (pe, iface) = (pe % 3, iface % 4 + 1);
        let reference = references.get_mut(&instance[&(pe, iface)]).unwrap();
        match what % 8 {
            0 => {
                world.input(pe, Input::Circuit { port: ports[&(pe, iface)], up: false });
                reference.ports.remove(&(pe, iface));
            }
            1 => {
                world.input(pe, Input::Circuit { port: ports[&(pe, iface)], up: true });
                reference.ports.insert((pe, iface));
            }
            2 => world.pass(Duration::from_secs(u64::from(to))),
            _ => {
                let to = if to % 4 == 0 { Mac::BROADCAST } else { mac(to % 6) };
                let (at_least, at_most) = reference.forward((pe, iface), to, mac(from % 6));
                let got = world.reached(pe, iface, &frame(to, mac(from % 6)));
                let set: BTreeSet<_> = got.iter().copied().collect();
                assert_eq!(set.len(), got.len(), "twice: {got:?}");
                assert!(at_least.is_subset(&set) && set.is_subset(&at_most), "{got:?} {at_least:?} {at_most:?}");
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Shows: VPLS-DOM-1, VPLS-CSEC-1, VPLS-GEN-1
    #[test]
    fn frames_go_where_a_lan_would_carry_them(steps in prop::collection::vec(any::<Step>(), 1..60)) {
        run(&steps);
    }
}

/// VLAN 10 at one PE is VLAN 20 at another; VLAN 30 is another customer.
///
/// Shows: VPLS-DOM-6
#[test]
fn tags_that_delimit_a_service_are_translated() {
    let vlan = |id| VlanId::new(id).unwrap();
    let mut world = World::new(2);
    for pe in 0..2 {
        for vsi in [1, 2] {
            world.with(pe, |machine, now| machine.add_vsi(now, ve(pe, vsi)).unwrap());
        }
    }
    let tags = [(0, 1, Tags::Vlan(vlan(10))), (1, 1, Tags::Vlan(vlan(20))), (1, 2, Tags::Vlan(vlan(30)))];
    for (pe, vsi, tags) in tags {
        let config = CircuitConfig::new(IfIndex(1), tags);
        world.with(pe, |machine, now| machine.add_circuit(now, VsiId(vsi), config).unwrap());
    }
    let stacked = Tags::Stacked { outer: vlan(7), inner: vlan(8) };
    world.with(0, |machine, now| machine.add_circuit(now, VsiId(1), CircuitConfig::new(IfIndex(2), stacked)).unwrap());
    world.pass(Duration::from_secs(3));
    let inner = frame(Mac::BROADCAST, mac(1));
    let tagged = |tags: &[u8]| [&inner[..12], tags, &inner[12..]].concat();
    let got = world.send(0, 1, &tagged(&[0x81, 0, 0, 10]));
    let mut expected = vec![(0, 2, tagged(&[0x88, 0xa8, 0, 7, 0x81, 0, 0, 8])), (1, 1, tagged(&[0x81, 0, 0, 20]))];
    expected.sort();
    let mut got = got;
    got.sort();
    assert_eq!(got, expected);
    assert_eq!(world.reached(0, 1, &tagged(&[0x81, 0, 0, 30])), []);
}

/// What a customer's VLAN learns is no other's, and a frame of it is a frame as it was.
///
/// Shows: VPLS-L2-4
#[test]
fn vlans_that_do_not_delimit_may_be_domains_of_their_own() {
    let vlan = |id| VlanId::new(id).unwrap();
    let qualified = vec![(vlan(10), VsiId(10)), (vlan(20), VsiId(20))];
    let mut world = network(2, |pe| VsiConfig { qualified: qualified.clone(), ..ve(pe, 1) });
    let with_tag = |id: u8, to, from| {
        let plain = frame(to, from);
        [&plain[..12], &[0x81, 0, 0, id], &plain[12..]].concat()
    };
    let all = [(0, 2), (1, 1), (1, 2)];
    let sent = with_tag(10, Mac::BROADCAST, mac(1));
    let got = world.send(0, 1, &sent);
    assert!(got.iter().all(|(.., octets)| *octets == sent) && got.len() == 3);
    // Known in VLAN 10, unknown in VLAN 20 and without a tag.
    assert_eq!(world.reached(1, 1, &with_tag(10, mac(1), mac(2))), [(0, 1)]);
    assert_eq!(world.reached(1, 1, &with_tag(20, mac(1), mac(2))), [(0, 1), (0, 2), (1, 2)]);
    assert_eq!(world.reached(0, 1, &frame(mac(2), mac(1))), all);
}

/// Shows: VPLS-ROB-1
#[test]
fn a_pe_that_is_gone_takes_its_share_and_no_more() {
    let mut world = network(4, |pe| ve(pe, 1));
    floods(&mut world, 4);
    world.cut_off(3);
    floods(&mut world, 3);
    assert!(world.up(0, VsiId(1)).iter().all(|(_, service)| *service != PwService::Ve(4)));
    assert!(world.with(0, |pe, now| pe.add_vsi(now, plain(0, 1))).is_err());
}
