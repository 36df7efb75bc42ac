//! What a customer is promised: classes, sizes, transparency to its own protocols, two providers, and a provider as a customer.

use std::net::Ipv4Addr;
use std::time::Duration;

use fwd_core::DropReason;
use fwd_core::net::*;
use fwd_core::op::{Class, Tags};
use vpls::snoop::SnoopConfig;
use vpls::snoop::bpdu::BRIDGES;
use vpls::snoop::mmrp::{Attribute, Mmrpdu, MrpEvent, Vector};
use vpls::{CircuitConfig, EventKind, VsiConfig};

use super::signalling::{VSI, network, ve};
use super::snoop::{G, snooped, snooping};
use crate::world::World;
use crate::world::packets::{data, frame, join, mac};

/// A frame with a tag of this priority.
fn tagged(octets: &[u8], tpid: u16, priority: u16, vlan: u16) -> Vec<u8> {
    let tag = [tpid.to_be_bytes(), (priority << 13 | vlan).to_be_bytes()].concat();
    [&octets[..12], &tag, &octets[12..]].concat()
}

/// Traffic classes of the two labels of frames on the core.
fn classes(world: &mut World, pe: usize, octets: &[u8]) -> Vec<(u8, u8)> {
    world.capture = Some(Vec::new());
    world.send(pe, 1, octets);
    let of = |entry: &[u8]| entry[2] >> 1 & 7;
    world.capture.take().unwrap().iter().map(|(_, sent)| (of(&sent[14..18]), of(&sent[18..22]))).collect()
}

/// The priority of a customer's tag is the class of the pseudowire's and the tunnel's label, unless the instance says another.
///
/// Shows: VPLS-QOS-4
#[test]
fn priorities_become_classes() {
    let mut world = network(2, |pe| ve(pe, 1));
    let known = frame(Mac::BROADCAST, mac(1));
    assert_eq!(classes(&mut world, 0, &tagged(&known, 0x8100, 5, 7)), [(5, 5)]);
    assert_eq!(classes(&mut world, 0, &tagged(&data(1, G), 0x8100, 3, 7)), [(3, 3)]);
    assert_eq!(classes(&mut world, 0, &known), [(0, 0)]);
    let mut world = network(2, |pe| VsiConfig { class: Class::new(4), ..ve(pe, 1) });
    assert_eq!(classes(&mut world, 0, &tagged(&known, 0x8100, 5, 7)), [(4, 4)]);
    let of_circuit = CircuitConfig { class: Class::new(6), ..CircuitConfig::new(IfIndex(5), Tags::Any) };
    world.with(0, |pe, now| pe.add_circuit(now, VSI, of_circuit).unwrap());
    world.capture = Some(Vec::new());
    world.send(0, 5, &known);
    assert_eq!(world.capture.take().unwrap()[0].1[16] >> 1 & 7, 6, "a circuit's own class comes first");
}

/// A link at 95 per cent of its rate that serves classes strictly: unicast and multicast of one class wait and are lost alike, because
/// copies have the class of what they are copies of.
///
/// Shows: VPLS-QOS-1
#[test]
fn multicast_is_served_as_unicast_of_its_class() {
    let mut world = snooped(2, |_| {});
    world.send(1, 1, &join(7, G));
    world.send(1, 1, &frame(Mac::BROADCAST, mac(9)));
    let unicast = tagged(&frame(mac(9), mac(1)), 0x8100, 3, 7);
    let multicast = tagged(&data(1, G), 0x8100, 3, 7);
    let low = tagged(&frame(mac(9), mac(2)), 0x8100, 0, 7);
    // Class by class what the PE put on the wire, in the order of arrival: kind, class.
    let mut random = 12345_u32;
    let mut next = || {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        random >> 16
    };
    let mut arrivals = Vec::new();
    for slot in 0..6000_u32 {
        // 95 frames for every 100 that the link takes.
        if next() % 100 < 95 {
            let kind = next() % 4;
            let octets = [&unicast, &multicast, &low, &low][kind as usize];
            let seen = classes(&mut world, 0, octets);
            assert_eq!(seen.len(), 1);
            arrivals.push((slot, kind, seen[0].1));
        }
    }
    // Each slot takes one frame, the highest class first; 20 wait at most in a class. Bursts of 20 come at once.
    let (mut queues, mut waits, mut lost) = (vec![std::collections::VecDeque::new(); 8], vec![Vec::new(); 2], [0; 2]);
    let mut at = 0;
    for slot in 0..6400_u32 {
        while at < arrivals.len() && arrivals[at].0 / 20 * 20 <= slot {
            let (_, kind, class): (u32, u32, u8) = arrivals[at];
            let queue = &mut queues[usize::from(class)];
            if queue.len() < 20 {
                queue.push_back((arrivals[at].0 / 20 * 20, kind));
            } else if kind < 2 {
                lost[kind as usize] += 1;
            }
            at += 1;
        }
        if let Some((since, kind)) = queues.iter_mut().rev().find_map(std::collections::VecDeque::pop_front) {
            if kind < 2 {
                waits[kind as usize].push(slot - since);
            }
        }
    }
    let p99 = |waits: &mut Vec<u32>| {
        waits.sort_unstable();
        waits[waits.len() * 99 / 100]
    };
    let (a, b) = (p99(&mut waits[0]), p99(&mut waits[1]));
    assert!(a.abs_diff(b) * 100 <= a.max(b) * 5, "p99 of waiting: {a} and {b}");
    assert!(lost[0].max(lost[1]) == 0 && waits[0].len() > 1200 && waits[1].len() > 1200, "{lost:?}");
}

/// A frame whose payload has this many octets.
fn sized(mut octets: Vec<u8>, payload: usize) -> Vec<u8> {
    octets.resize(14 + payload, 0);
    octets
}

/// Multicast may be promised less than unicast. The smaller is what is signalled, so that ends agree.
///
/// Shows: VPLS-MTU-2
#[test]
fn multicast_has_an_mtu_of_its_own() {
    let config = |pe| VsiConfig { mtu: 9000, multicast_mtu: Some(1500), snoop: Some(snooping()), ..ve(pe, 1) };
    let mut world = network(2, config);
    world.send(1, 1, &join(7, G));
    world.send(1, 1, &frame(Mac::BROADCAST, mac(9)));
    assert_eq!(world.reached(0, 1, &sized(data(1, G), 1500)), [(1, 1)]);
    assert_eq!(world.reached(0, 1, &tagged(&sized(data(1, G), 1500), 0x8100, 0, 9)), [(1, 1)], "a tag does not count");
    assert_eq!(world.reached(0, 1, &sized(data(1, G), 1501)), []);
    assert_eq!(world.pes[0].drops[&DropReason::CopyTooBig], 1);
    assert_eq!(world.reached(0, 1, &sized(frame(mac(9), mac(1)), 9000)), [(1, 1)]);
    // Whoever has 1,500 for everything is told 1,500, and finds nothing amiss.
    let mut world = network(2, |pe| if pe == 0 { config(0) } else { ve(1, 1) });
    assert_eq!(world.up(0, VSI).len(), 1);
    assert_eq!(world.reached(1, 1, &frame(Mac::BROADCAST, mac(1))).len(), 3);
}

/// Loopback messages of CFM and IGMP's mtrace cross between customers as they are.
///
/// Shows: VPLS-TEST-8
#[test]
fn customers_test_their_own_paths() {
    let mut world = snooped(3, |_| {});
    let body = [&[0x89, 0x02, 0xa0, 3, 0, 4][..], &[0; 40]].concat();
    let loopback = [&[0x01, 0x80, 0xc2, 0, 0, 0x33][..], &mac(1).0, &body].concat();
    let got = world.send(0, 1, &loopback);
    assert_eq!(got.len(), 5);
    assert!(got.iter().all(|(.., octets)| *octets == loopback));
    // mtrace (type 0x1f): a message that no snooper knows.
    let query = vpls::snoop::build(
        mac(1),
        &[],
        vpls::snoop::Protocol::Igmp,
        [10, 0, 0, 1].into(),
        Ipv4Addr::new(224, 0, 0, 2).into(),
        &{
            let mut message = vec![0x1f, 32, 0, 0];
            message.extend([225, 1, 1, 1, 10, 0, 0, 9, 10, 0, 0, 7, 0, 0, 0, 0, 64, 0, 0, 1]);
            let sum = fwd_core::wire::checksum::of(&message).to_be_bytes();
            message[2..4].copy_from_slice(&sum);
            message
        },
    );
    world.control.clear();
    world.send(0, 1, &query);
    assert_eq!(world.control.len(), 5);
    assert!(world.control.iter().all(|(.., octets)| *octets == query));
}

/// A BPDU of RSTP with these flags.
fn bpdu(flags: u8) -> Vec<u8> {
    let mut body = [0; 36];
    (body[2], body[3], body[4]) = (2, 2, flags);
    let mut octets = [&BRIDGES.0[..], &mac(66).0, &[0, 39], &[0x42, 0x42, 3], &body].concat();
    octets.resize(60, 0);
    octets
}

/// BPDUs pass untouched; one that says that the topology changed makes PEs learn anew, and members are asked again.
#[test]
fn a_change_of_topology_is_learned_anew() {
    let watched = |topology| snooped(3, |config| config.topology = topology);
    let mut world = watched(false);
    let got = world.send(0, 1, &bpdu(1));
    assert!(got.len() == 5 && got.iter().all(|(.., octets)| *octets == bpdu(1)));
    let mut world = watched(true);
    world.send(1, 1, &join(7, G));
    world.send(1, 1, &frame(Mac::BROADCAST, mac(9)));
    assert_eq!(world.reached(0, 1, &frame(mac(9), mac(1))), [(1, 1)]);
    world.control.clear();
    world.send(0, 1, &bpdu(0));
    assert_eq!(world.control.len(), 5, "software passes it on to every other port");
    assert_eq!(world.reached(0, 1, &data(1, G)), [(1, 1)], "no change, nothing forgotten");
    // The member has moved behind another CE, whose bridges say so.
    world.control.clear();
    world.send(2, 2, &bpdu(1));
    assert!(world.has_event(0, |kind| matches!(kind, EventKind::TopologyChange(_))));
    let passed: Vec<_> = world.control.iter().filter(|(.., octets)| octets[..6] == BRIDGES.0).collect();
    assert!(passed.len() == 5 && passed.iter().all(|(.., octets)| *octets == bpdu(1)));
    let asked = world.control.iter().filter(|(.., octets)| octets[..6] == [1, 0, 0x5e, 0, 0, 1]).count();
    assert_eq!(asked, 6, "every circuit is asked at once");
    assert_eq!(world.reached(0, 1, &frame(mac(9), mac(1))).len(), 5, "flooded: the address is forgotten");
    assert_eq!(world.reached(0, 1, &data(1, G)).len(), 5, "nothing is lost meanwhile");
    world.send(2, 2, &join(7, G));
    world.pass(Duration::from_secs(25));
    assert_eq!(world.reached(0, 1, &data(1, G)), [(2, 2)], "within a query interval the state is what it should be");
}

/// A customer's bridge registers a group.
pub fn mmrp_join(group: Mac) -> Vec<u8> {
    Mmrpdu(vec![Vector { leave_all: false, first: Attribute::Mac(group), events: vec![MrpEvent::JoinIn] }])
        .frame(mac(5))
}

fn mmrp(event: MrpEvent, leave_all: bool) -> Vec<u8> {
    let first = Attribute::Mac(Mac([0x01, 0, 0x5e, 1, 1, 1]));
    Mmrpdu(vec![Vector { leave_all, first, events: vec![event] }]).frame(mac(5))
}

/// Groups that a customer's bridges register by MAC address, where that is looked at: in what is sent to the address of MMRP, and in nothing
/// else.
///
/// Shows: VPLS-L2-2, L2VPN-5.4-4
#[test]
fn registrations_by_address_draw_groups() {
    let group = [&[0x01, 0, 0x5e, 1, 1, 1][..], &data(1, G)[6..]].concat();
    for enabled in [false, true] {
        let mut world = snooped(3, |config| config.mmrp = enabled);
        let before = world.reached(0, 1, &group);
        let mut of_mvrp = mmrp(MrpEvent::JoinIn, false);
        assert_eq!(of_mvrp[..6], [0x01, 0x80, 0xc2, 0, 0, 0x20]);
        of_mvrp[5] = 0x21;
        world.send(1, 2, &of_mvrp);
        assert_eq!(world.reached(0, 1, &group), before);
        world.control.clear();
        let passed = world.send(1, 2, &mmrp(MrpEvent::JoinIn, false)).len() + world.control.len();
        assert_eq!(passed, 5, "it goes on to everybody, looked at or not");
        let expected = if enabled { vec![(1, 2)] } else { before.clone() };
        assert_eq!(world.reached(0, 1, &group), expected, "{enabled}");
        world.send(1, 2, &mmrp(MrpEvent::Leave, false));
        world.pass(Duration::from_secs(2));
        assert_eq!(world.reached(0, 1, &group), before);
        assert_eq!(world.pes[0].pe.usage(VSI).unwrap().groups, 0);
    }
}

/// Bridging control that is cut short or too long: passed on unread where nobody reads it, else dropped and counted. Nothing of it
/// becomes state, and too much of it is not read any more.
///
/// Shows: VPLS-SEC-5
#[test]
fn malformed_bridging_control_leaves_nothing() {
    let good = [bpdu(1), mmrp(MrpEvent::JoinIn, false)];
    let mut bad: Vec<Vec<u8>> = good.iter().flat_map(|f| (17..f.len().min(50)).map(|n| f[..n].to_vec())).collect();
    for octets in &good {
        let mut long = octets.clone();
        long[13] = long[13].wrapping_add(200);
        bad.push(long);
    }
    bad.retain(|octets| {
        vpls::snoop::bpdu::Bpdu::parse(octets).is_err() && Mmrpdu::parse_frame(octets).is_err() && octets.len() > 18
    });
    assert!(bad.len() > 20);
    let mut world = snooped(2, |_| {});
    for octets in &bad {
        assert_eq!(world.reached(0, 1, octets).len(), 3, "transparent: {octets:x?}");
    }
    let mut world = snooped(2, |config| (config.topology, config.mmrp) = (true, true));
    for octets in &bad {
        world.control.clear();
        assert!(world.reached(0, 1, octets).is_empty() && world.control.is_empty(), "{octets:x?}");
    }
    let snooper = world.pes[0].pe.snooping(VSI).unwrap();
    assert!(snooper.flows().is_empty());
    let dropped = world.pes[0].pe.usage(VSI).unwrap().dropped[0];
    let quarantined = world.pes[0].pe.snooping(VSI).unwrap().is_quarantined(PortId(0));
    assert_eq!((dropped, quarantined), (bad.len().min(51) as u64, bad.len() > 50));
    assert!(!world.has_event(0, |kind| matches!(kind, EventKind::TopologyChange(_))));
}

/// Frames whose MAC addresses cannot be (catalogue §8.2): each is dropped, and counted by its cause.
///
/// Shows: VPLS-SEC-3
#[test]
fn each_check_of_addresses_counts() {
    let mut world = snooped(2, |_| {});
    let with = |to: [u8; 6], from: [u8; 6], rest: &[u8]| [&to[..], &from, rest].concat();
    let (host, other) = (mac(1).0, [&[0x88, 0xb5][..], &[0; 46]].concat());
    let ip = data(1, G)[12..].to_vec();
    for (check, octets, reason) in [
        ("M1", with([0xff; 6], [0x01, 0, 0x5e, 1, 1, 1], &other), DropReason::SourceMac),
        ("M1", with([0xff; 6], [0; 6], &other), DropReason::SourceMac),
        ("M2", with([0x01, 0, 0x5e, 0x80, 0, 1], host, &other), DropReason::GroupMac),
        ("M3", with([0x01, 0, 0x5e, 1, 1, 1], host, &other), DropReason::GroupMac),
        ("M3", with([0x33, 0x33, 0, 1, 1, 1], host, &other), DropReason::GroupMac),
        ("M4", with([0x01, 0, 0x5e, 1, 1, 2], host, &ip), DropReason::GroupMac),
        ("M5", with([0x01, 0x80, 0xc2, 0, 0, 1], host, &other), DropReason::Pause),
    ] {
        let before = world.pes[0].drops.get(&reason).copied().unwrap_or(0);
        assert_eq!(world.reached(0, 1, &octets), [], "{check}");
        assert_eq!(world.pes[0].drops[&reason], before + 1, "{check}");
    }
}

/// A CE at two providers, of which one snoops and the other bridges plainly. The customer's spanning tree uses one at a time: when the
/// first fails its traffic goes by the other, and comes back, each frame once.
///
/// Shows: VPLS-MH-1
#[test]
fn a_customer_has_two_providers() {
    let mut first = snooped(2, |config| config.topology = true);
    let mut second = network(2, |pe| ve(pe, 1));
    first.send(1, 1, &join(7, G));
    let copies = |first: &mut World, second: &mut World, uses_first: bool| {
        let world = if uses_first { first } else { second };
        world.reached(0, 1, &data(1, G)).into_iter().filter(|to| *to == (1, 1)).count()
    };
    assert_eq!(copies(&mut first, &mut second, true), 1);
    // The snooping provider fails at the customer's site: the customer's bridges turn to the other, which knows nothing of groups.
    let circuit = |up| vpls::Input::Circuit { port: PortId(0), up };
    first.input(1, circuit(false));
    assert_eq!(copies(&mut first, &mut second, true), 0);
    assert_eq!(copies(&mut first, &mut second, false), 1, "through the plain provider");
    // Meanwhile its membership runs out; it comes back with a change of topology, before the host reports again.
    first.pass(Duration::from_secs(300));
    first.input(1, circuit(true));
    first.send(1, 1, &bpdu(1));
    assert_eq!(copies(&mut first, &mut second, true), 1, "at once, and once");
    first.send(1, 1, &join(7, G));
    first.pass(Duration::from_secs(25));
    assert_eq!(copies(&mut first, &mut second, true), 1);
    assert_eq!(first.reached(0, 1, &data(1, G)), [(1, 1)], "pruned as before");
}

/// A provider that is a customer of another: all of its frames, its own pseudowires and control among them, cross as they are, and the
/// outer one prunes in those of its VLANs that it was told to.
///
/// Shows: VPLS-WS-1
#[test]
fn a_provider_is_the_customer_of_another() {
    let vlan = |n| VlanId::new(n).unwrap();
    let build = |snoop: Option<SnoopConfig>| {
        let mut world =
            network(2, |pe| VsiConfig { snoop: snoop.clone(), qualified: vec![(vlan(30), VsiId(9))], ..ve(pe, 1) });
        // Service-tagged ports of the inner provider.
        for pe in 0..2 {
            let outer = CircuitConfig::new(IfIndex(5), Tags::Service(vlan(100)));
            world.with(pe, |machine, now| machine.add_circuit(now, VSI, outer).unwrap());
        }
        world
    };
    let service = |octets: &[u8]| tagged(octets, 0x88a8, 0, 100);
    let crosses = |world: &mut World, inner: &[u8]| {
        world.control.clear();
        let mut got = world.send(0, 5, &service(inner));
        got.append(&mut world.control);
        let far: Vec<_> = got.into_iter().filter(|(pe, iface, _)| (*pe, *iface) == (1, 5)).collect();
        assert!(far.iter().all(|(.., octets)| *octets == service(inner)), "{far:x?}");
        far.len()
    };
    let inner_pw = [&mac(70).0[..], &mac(80).0, &[0x88, 0x47, 0, 6, 0x41, 255], &frame(mac(1), mac(2))].concat();
    let in_vlan = |octets: &[u8], n| tagged(octets, 0x8100, 0, n);
    let mut world = build(None);
    for inner in
        [&bpdu(0), &bpdu(1), &join(7, G), &data(1, G), &inner_pw, &in_vlan(&join(7, G), 30), &in_vlan(&inner_pw, 31)]
    {
        assert_eq!(crosses(&mut world, inner), 1);
    }
    // The inner provider asks for pruning in its VLAN 30 alone.
    let mut world = build(Some(SnoopConfig { vlans: vec![vlan(30)], ..snooping() }));
    assert_eq!(crosses(&mut world, &in_vlan(&data(1, G), 30)), 0, "nobody joined");
    assert_eq!(crosses(&mut world, &in_vlan(&data(1, G), 31)), 1, "not looked at");
    assert_eq!(crosses(&mut world, &data(1, G)), 1);
    world.send(1, 5, &service(&in_vlan(&join(7, G), 30)));
    assert_eq!(crosses(&mut world, &in_vlan(&data(1, G), 30)), 1);
    assert_eq!(crosses(&mut world, &inner_pw), 1);
}
