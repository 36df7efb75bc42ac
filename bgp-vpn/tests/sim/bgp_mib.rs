//! BGP4-MIB (RFC 4273) of a PE beside its sessions, as they come, carry routes, fail and come back.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use bgp_vpn::mib::bgp4::{Bgp4Mib, MODULE, Outside, PeerNotification};
use bgp_vpn::nlri::Family;
use bgp_vpn::session::{FamilyConfig, State};
use bgp_vpn::speaker::{Event, Input, LocalRoute, PeerId};
use bgp_vpn::vrf::LabelMode;
use fwd_core::mib::{Objects, Oid, Value};
use fwd_core::net::VrfId;

use crate::ce::ce;
use crate::overlap::{circuit_of, core, site};
use crate::world::World;

const PORTS: (u16, u16) = (179, 40_000);
const VRF: VrfId = VrfId(1);

fn picture(world: &World, node: usize, vrf: VrfId) -> Bgp4Mib {
    let outside = Outside { ports: &|peer| (peer.0 < 100).then_some(PORTS), max_routes: 1000 };
    Bgp4Mib::new(&world.nodes[node].speaker, world.now, vrf, outside)
}

fn get(mib: &Bgp4Mib, column: &[u32], index: &[u32]) -> Option<Value> {
    mib.get(&Oid::new(&[MODULE, column, index].concat()))
}

fn ids(address: IpAddr) -> [u32; 4] {
    let IpAddr::V4(address) = address else { panic!() };
    address.octets().map(u32::from)
}

fn number(value: Option<Value>) -> i64 {
    match value {
        Some(Value::Integer(n)) => n.into(),
        Some(Value::Unsigned(n) | Value::Counter(n)) => n.into(),
        other => panic!("{other:?}"),
    }
}

/// A PE with a CE in a VRF and a reflector in the core.
struct Pe {
    world: World,
    node: usize,
    ce: usize,
    peer: PeerId,
    address: IpAddr,
}

impl Pe {
    fn new() -> Self {
        let (mut world, pes, _) = core(2, 1);
        let t: &[&str] = &["65001:1"];
        pes.iter().for_each(|pe| site(&mut world, *pe, 1, (t, t), LabelMode::PerVrf, &[]));
        let (ce, peer, _) = ce(&mut world, pes[0], 1, 65010, &["10.0.0.0/16"]);
        world.reach_all();
        let address = world.nodes[ce].address;
        Self { world, node: pes[0], ce, peer, address }
    }

    fn column(&self, column: u32) -> Option<Value> {
        get(&picture(&self.world, self.node, VRF), &[3, 1, column], &ids(self.address))
    }

    /// The objects of the session and its routes are what the speaker says of them.
    fn agrees(&self) {
        let mib = picture(&self.world, self.node, VRF);
        let speaker = &self.world.nodes[self.node].speaker;
        let of = |column: u32| number(get(&mib, &[3, 1, column], &ids(self.address)));
        let state = speaker.peer_state(self.peer).unwrap();
        assert_eq!(of(2), state as i64 + 1);
        let counters = speaker.session_counters(self.peer).unwrap();
        assert_eq!([of(10), of(11)], [counters.received.updates, counters.sent.updates].map(|n| n as i64));
        assert_eq!(of(15), counters.established as i64);
        let negotiated = speaker.peer_negotiated(self.peer);
        assert_eq!(of(18), negotiated.map_or(0, |n| n.hold_time.as_secs() as i64));
        assert_eq!(of(4), if state >= State::OpenConfirm { 4 } else { 0 });
        let paths =
            speaker.peer_families(self.peer).iter().find(|f| f.family == Family::IPV4_UNICAST).unwrap().received;
        assert_eq!(mib.routes.rows().len(), paths as usize);
        let (mut at, mut seen) = (Oid::new(MODULE), 0);
        while let Some((oid, value)) = mib.next(&at) {
            assert!(oid > at && oid.ids().starts_with(MODULE), "{oid} after {at}");
            assert_eq!(mib.get(&oid), Some(value), "{oid}");
            (at, seen) = (oid, seen + 1);
        }
        // Three scalars, 23 of a session, 14 of a path, all paths being of IPv4 next hops.
        assert_eq!(seen, 3 + 23 * mib.peers.rows().len() + 14 * mib.routes.rows().len());
    }

    fn originate(&mut self, prefix: &str, up: bool) {
        let route = up.then_some(LocalRoute::Local);
        let input = Input::Local { vrf: VrfId::GLOBAL, prefix: prefix.parse().unwrap(), route };
        self.world.input(self.ce, input);
        self.world.settle();
    }
}

/// Shows: L3VPN-8.11-7
#[test]
fn sessions_and_their_routes_are_as_they_are_after_each_event() {
    let mut pe = Pe::new();
    pe.agrees();
    assert_eq!(pe.column(16), Some(Value::Unsigned(0)), "it never was up");
    pe.world.run(Duration::from_secs(5));
    pe.agrees();
    assert_eq!(number(pe.column(2)), 6);
    let Some(Value::IpAddress(identifier)) = pe.column(1) else { panic!() };
    assert_eq!(identifier, pe.world.nodes[pe.ce].speaker.identity().router_id);
    assert_eq!([6, 8, 9].map(|column| number(pe.column(column))), [179, 40_000, 65010]);
    assert_eq!([17, 19, 20, 21, 23].map(|column| number(pe.column(column))), [120, 30, 90, 30, 0]);
    assert_eq!(pe.column(22), None, "there is no such timer");
    // More routes, and one less.
    pe.originate("10.7.0.0/16", true);
    pe.agrees();
    pe.originate("10.0.0.0/16", false);
    pe.agrees();
    pe.world.run(Duration::from_secs(20));
    assert_eq!(number(pe.column(24)), 20, "the last UPDATE came before");
    assert!(number(pe.column(16)) >= 20);
    let index = [&[10, 7, 0, 0, 16][..], &ids(pe.address)].concat();
    let mib = picture(&pe.world, pe.node, VRF);
    let path = |column: u32| get(&mib, &[6, 1, column], &index);
    assert_eq!([2, 4, 9, 10, 13].map(|column| number(path(column))), [16, 1, 2, 0, 2]);
    assert_eq!([7, 8, 12].map(|column| number(path(column))), [-1, -1, 100]);
    // AS_SEQUENCE of one AS of two octets.
    assert_eq!(path(5), Some(Value::Octets(vec![2, 1, 0xfd, 0xf2])));
    let IpAddr::V4(address) = pe.address else { panic!() };
    assert_eq!([path(1), path(6)], [(); 2].map(|()| Some(Value::IpAddress(address))));
    assert_eq!(path(3), Some(Value::IpAddress(Ipv4Addr::new(10, 7, 0, 0))));
    // Sessions of the core are in the picture of the global table, and this one is not.
    let global = picture(&pe.world, pe.node, VrfId::GLOBAL);
    assert!(global.peers.rows().len() > 0 && global.peers.rows().all(|row| row.peer != pe.peer));
    assert_eq!(number(get(&global, &[2], &[0])), 65001);
    // The session ends: no routes, and the error that it ended with.
    pe.world.set_cut(pe.node, pe.peer, true);
    pe.world.run(Duration::from_secs(100));
    pe.agrees();
    assert!(number(pe.column(2)) < 6);
    assert_eq!(pe.column(14), Some(Value::Octets(vec![4, 0])), "the hold timer expired");
    let since = number(pe.column(16));
    assert!(since < 60, "{since} s since it went down");
    assert_eq!(number(get(&picture(&pe.world, pe.node, VRF), &[3, 1, 19], &ids(pe.address))), 0);
    pe.world.set_cut(pe.node, pe.peer, false);
    pe.world.run(Duration::from_secs(300));
    pe.agrees();
    assert_eq!([2, 15].map(|column| number(pe.column(column))), [6, 2]);
    assert!(number(pe.column(16)) < 300, "since it came back");
}

/// The two notifications, with the state and the error of their moment.
#[test]
fn each_session_that_comes_or_goes_is_notified() {
    let mut pe = Pe::new();
    let mut notified = Vec::new();
    let mut look = |pe: &mut Pe, seconds: u64| {
        pe.world.run(Duration::from_secs(seconds));
        let events: Vec<Event> = std::mem::take(&mut pe.world.nodes[pe.node].events);
        let mib = picture(&pe.world, pe.node, VRF);
        for PeerNotification { oid, objects } in events.iter().filter_map(|event| mib.notification(event)) {
            assert_eq!(objects.len(), 3);
            assert!(objects.iter().all(|(oid, value)| mib.get(oid).as_ref() == Some(value)));
            let Value::Integer(state) = objects[2].1 else { panic!() };
            notified.push((oid.to_string(), objects[1].1.clone(), state));
        }
    };
    look(&mut pe, 5);
    pe.world.nodes[pe.node].speaker.reset_peer(pe.world.now, pe.peer).unwrap();
    look(&mut pe, 0);
    let error = |code, subcode| Value::Octets(vec![code, subcode]);
    assert_eq!(notified[0], ("1.3.6.1.2.1.15.0.1".to_owned(), error(0, 0), 6));
    // Cease, Administrative Reset.
    let (oid, last, state) = &notified[1];
    assert_eq!((oid.as_str(), last, notified.len()), ("1.3.6.1.2.1.15.0.2", &error(6, 4), 2));
    assert!(*state < 6);
}

/// Two CEs tell one prefix: two rows, one of them the best; no more rows than were asked for.
#[test]
fn every_path_of_a_prefix_is_a_row() {
    let mut pe = Pe::new();
    let world = &mut pe.world;
    let id = world.nodes.len() as u8 + 100;
    let other = world.node(65010, id, crate::world::v4(id));
    world.circuit(pe.node, 1, circuit_of(1, pe.node) + 60, crate::world::v4(id));
    world.link(pe.node, other, |node, peer| {
        peer.families = vec![FamilyConfig::new(Family::IPV4_UNICAST)];
        if node == pe.node {
            peer.vrf = VRF;
        }
    });
    let route = Some(LocalRoute::Local);
    world.input(other, Input::Local { vrf: VrfId::GLOBAL, prefix: "10.0.0.0/16".parse().unwrap(), route });
    world.run(Duration::from_secs(5));
    let mib = picture(world, pe.node, VRF);
    let best: Vec<i64> = (mib.routes.rows())
        .map(|row| number(get(&mib, &[6, 1, 13], &[&[10, 0, 0, 0, 16][..], &ids(row.peer.into())].concat())))
        .collect();
    assert_eq!(best.len(), 2);
    assert_eq!(best.iter().filter(|best| **best == 2).count(), 1);
    let outside = Outside { ports: &|_| None, max_routes: 1 };
    let bounded = Bgp4Mib::new(&world.nodes[pe.node].speaker, world.now, VRF, outside);
    assert_eq!(bounded.routes.rows().len(), 1);
    assert_eq!(number(get(&bounded, &[3, 1, 6], &ids(pe.address))), 0, "no port is known");
}
