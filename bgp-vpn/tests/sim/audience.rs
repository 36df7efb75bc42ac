//! What a change of a route costs at the peers that it does not concern: nothing. And that none is left out that it does concern.

use std::time::Duration;

use bgp_vpn::nlri::Family;
use bgp_vpn::session::{FamilyConfig, PeerRole};
use bgp_vpn::speaker::{Input, LocalRoute, PeerId, RouteCounters};
use bgp_vpn::vrf::VrfConfig;
use fwd_core::net::VrfId;
use proptest::prelude::*;

use crate::overlap::AS;
use crate::reflect::{route, star};
use crate::rt_constraint::{client, held, target};
use crate::world::{World, v4};

/// What the first node counts of its peers.
fn counters(world: &World, peers: &[PeerId]) -> Vec<RouteCounters> {
    peers.iter().map(|p| world.nodes[0].speaker.peer_counters(*p).unwrap()).collect()
}

/// How many destinations were looked at for each peer since.
fn considered(world: &World, peers: &[PeerId], before: &[RouteCounters]) -> Vec<u64> {
    counters(world, peers).iter().zip(before).map(|(now, before)| now.considered - before.considered).collect()
}

#[test]
fn a_route_is_looked_at_for_those_who_want_its_route_target() {
    const IDLE: usize = 40;
    let mut world = World::default();
    let rr = world.node(AS, 200, v4(200));
    let mut peers = Vec::new();
    for n in 0..IDLE + 2 {
        let pe = world.node(AS, n as u8 + 1, v4(n as u8 + 1));
        peers.push(client(&mut world, pe, rr).1);
        let rd = format!("65001:{}", 100 + n).parse().unwrap();
        let vpn = target(if n < 2 { 1 } else { 2 }).parse().unwrap();
        world.nodes[pe].speaker.add_vrf(world.now, VrfConfig::new(VrfId(1), "vpn", rd, vpn)).unwrap();
    }
    world.run(Duration::from_secs(5));
    assert_eq!(world.established(rr), IDLE + 2);
    let prefix = "10.1.0.0/16".parse().unwrap();
    for route in [Some(LocalRoute::Local), None] {
        let before = counters(&world, &peers);
        world.input(1, Input::Local { vrf: VrfId(1), prefix, route });
        world.settle();
        assert_eq!(held(&world, 2).len(), usize::from(route.is_some()));
        // The first is who told us, and wants such routes too.
        let looked = considered(&world, &peers, &before);
        assert_eq!((looked[1], looked[2..].iter().sum::<u64>()), (1, 0), "{looked:?}");
    }
}

#[test]
fn a_route_of_an_ordinary_peer_is_looked_at_for_clients_and_other_ases() {
    let (mut world, peers) = star(2, 10, |_| ());
    let before = counters(&world, &peers);
    world.inject(0, peers[5], &route(10, &[0x40, 5, 4, 0, 0, 0, 100]));
    world.settle();
    assert_eq!(considered(&world, &peers, &before), [1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    // A better path of a client takes its place: the ordinary peers are told it, and lose it again.
    let before = counters(&world, &peers);
    world.inject(0, peers[0], &route(10, &[0x40, 5, 4, 0, 0, 0, 200]));
    world.settle();
    assert!(considered(&world, &peers, &before).iter().all(|n| *n == 1));
    assert_eq!(world.nodes[9].speaker.stats().vpn_routes, 1);
    world.reset_connection(0, peers[0]);
    assert_eq!((world.nodes[9].speaker.stats().vpn_routes, world.nodes[2].speaker.stats().vpn_routes), (0, 1));
}

#[test]
fn attributes_are_written_once_for_peers_that_are_alike() {
    let (mut world, peers) = star(12, 8, |_| ());
    let rewrites = |world: &World, before: &[RouteCounters]| {
        let now = counters(world, &peers);
        let sum = |count: fn(&RouteCounters) -> u64| now.iter().map(count).sum::<u64>();
        let old = |count: fn(&RouteCounters) -> u64| before.iter().map(count).sum::<u64>();
        (sum(|c| c.sent) - old(|c| c.sent), sum(|c| c.rewrites) - old(|c| c.rewrites))
    };
    let before = counters(&world, &peers);
    world.inject(0, peers[0], &route(10, &[0x40, 5, 4, 0, 0, 0, 100]));
    world.settle();
    // Clients and others.
    assert_eq!(rewrites(&world, &before), (19, 2));
    // The same attributes from another peer, which is the originator then: nothing of the first is taken for it.
    let (before, from) = (counters(&world, &peers), world.nodes[0].sent.len());
    world.inject(0, peers[1], &route(11, &[0x40, 5, 4, 0, 0, 0, 100]));
    world.settle();
    assert_eq!(rewrites(&world, &before), (19, 2));
    let originator = [0x80, 9, 4, 192, 0, 2, 2];
    let told = crate::reflect::sent(&world, 0, peers[3], from);
    assert!(told.iter().all(|m| m.windows(7).any(|w| w == originator)) && told.len() == 1);
}

const PES: usize = 3;
const VPNS: usize = 3;

#[derive(Clone, Copy, Debug)]
enum Step {
    /// A route of a VPN comes or goes at a PE.
    Route(usize, usize),
    /// A route of the same destination is of another VPN.
    Moves(usize),
    /// A PE wants the routes of a VPN, or no longer.
    Wants(usize, usize),
    /// The connection of a PE breaks.
    Reset(usize),
    /// The reflector's peers stop or begin to read.
    Room,
    /// Time passes.
    Run(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..PES, 0..VPNS).prop_map(|(pe, vpn)| Step::Route(pe, vpn)),
        (0..PES).prop_map(Step::Moves),
        (0..PES, 0..VPNS).prop_map(|(pe, vpn)| Step::Wants(pe, vpn)),
        (0..PES).prop_map(Step::Reset),
        Just(Step::Room),
        (0u64..8).prop_map(Step::Run),
    ]
}

/// Clients of one reflector. Each has a VRF, which imports the route targets of the VPNs that it wants and exports that of one.
struct Model {
    world: World,
    peers: Vec<PeerId>,
    wants: [[bool; VPNS]; PES],
    exports: [usize; PES],
    routes: [[bool; VPNS]; PES],
    room: bool,
}

impl Model {
    fn new() -> Self {
        let mut world = World::default();
        let rr = world.node(AS, 200, v4(200));
        let mut peers = Vec::new();
        for n in 0..PES {
            let pe = world.node(AS, n as u8 + 1, v4(n as u8 + 1));
            let (_, peer) = world.link(pe, rr, |node, peer| {
                peer.families = [Family::RT_CONSTRAINT, Family::VPN_IPV4].map(FamilyConfig::new).to_vec();
                peer.timers.min_route_advertisement = Duration::from_secs(2);
                if node == rr {
                    peer.role = PeerRole::ReflectorClient;
                }
            });
            peers.push(peer);
            let rd = format!("65001:{}", 100 + n).parse().unwrap();
            let vrf = VrfConfig::new(VrfId(1), "vpn", rd, target(9).parse().unwrap());
            world.nodes[pe].speaker.add_vrf(world.now, vrf).unwrap();
        }
        world.run(Duration::from_secs(10));
        let mut model =
            Self { world, peers, wants: Default::default(), exports: [0; PES], routes: Default::default(), room: true };
        (0..PES).for_each(|pe| model.set_targets(pe));
        model
    }

    fn set_targets(&mut self, pe: usize) {
        let import = (0..VPNS).filter(|vpn| self.wants[pe][*vpn]).map(|vpn| vpn as u32 + 1);
        // A target that nobody exports, as the list may not be empty.
        let import = import.chain([9]).map(|n| target(n).parse().unwrap()).collect();
        let export = vec![target(self.exports[pe] as u32 + 1).parse().unwrap()];
        let now = self.world.now;
        self.world.nodes[pe + 1].speaker.set_vrf_targets(now, VrfId(1), import, export).unwrap();
    }

    fn apply(&mut self, step: Step) {
        match step {
            Step::Route(pe, n) => {
                self.routes[pe][n] = !self.routes[pe][n];
                let route = self.routes[pe][n].then_some(LocalRoute::Local);
                let prefix = format!("10.{pe}.{n}.0/24").parse().unwrap();
                self.world.input(pe + 1, Input::Local { vrf: VrfId(1), prefix, route });
            }
            Step::Moves(pe) => {
                self.exports[pe] = (self.exports[pe] + 1) % VPNS;
                self.set_targets(pe);
            }
            Step::Wants(pe, vpn) => {
                self.wants[pe][vpn] = !self.wants[pe][vpn];
                self.set_targets(pe);
            }
            Step::Reset(pe) => self.world.reset_connection(0, self.peers[pe]),
            Step::Room => self.set_room(!self.room),
            Step::Run(seconds) => self.world.run(Duration::from_secs(seconds)),
        }
        self.world.settle();
    }

    fn set_room(&mut self, open: bool) {
        self.room = open;
        let room = if open { 1 << 20 } else { 0 };
        self.world.nodes[0].room = room;
        for peer in self.peers.clone() {
            for side in [bgp_vpn::speaker::Side::Outgoing, bgp_vpn::speaker::Side::Incoming] {
                self.world.input(0, Input::Writable { peer, side, room });
            }
        }
    }

    /// What a PE is to hold of the others.
    fn expected(&self, pe: usize) -> Vec<String> {
        let others = (0..PES).filter(|other| *other != pe && self.wants[pe][self.exports[*other]]);
        let of = |other: usize| (0..VPNS).filter(move |n| self.routes[other][*n]).map(move |n| (other, n));
        others.flat_map(of).map(|(other, n)| format!("10.{other}.{n}.0/24")).collect()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// Routes, what they are for and who wants them change in any order, sessions break and peers do not read: in the end every PE
    /// holds what it wants and nothing else.
    #[test]
    fn nobody_is_left_out_and_nobody_keeps_what_he_does_not_want(steps in proptest::collection::vec(step(), 0..40)) {
        let mut model = Model::new();
        steps.into_iter().for_each(|step| model.apply(step));
        model.set_room(true);
        model.world.run(Duration::from_secs(400));
        for pe in 0..PES {
            prop_assert_eq!(held(&model.world, pe + 1), model.expected(pe), "PE {}", pe);
        }
        // Nothing leaks: without routes no destination is left anywhere.
        for pe in 0..PES {
            for n in 0..VPNS {
                if model.routes[pe][n] {
                    model.apply(Step::Route(pe, n));
                }
            }
        }
        model.world.run(Duration::from_secs(10));
        prop_assert_eq!(model.world.nodes[0].speaker.stats().vpn_paths, 0);
        let advertised = |peer: &PeerId| {
            let families = model.world.nodes[0].speaker.peer_families(*peer);
            families.iter().filter(|f| f.family == Family::VPN_IPV4).map(|f| f.advertised).sum::<u32>()
        };
        prop_assert_eq!(model.peers.iter().map(advertised).sum::<u32>(), 0);
    }
}
