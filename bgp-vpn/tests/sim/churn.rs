//! Anything an operator and customers can do, in any order: what is left is what a fresh network would have, and nothing leaks.

use std::time::Duration;

use bgp_vpn::nlri::Family;
use bgp_vpn::session::FamilyConfig;
use bgp_vpn::speaker::{Input, LocalRoute, Side};
use bgp_vpn::vrf::{LabelMode, VrfConfig};
use fwd_core::net::{IfIndex, VrfId};
use proptest::prelude::*;

use crate::overlap::{AS, circuit_of};
use crate::world::{Delivery, World, v4};

const PES: usize = 2;
const PREFIXES: [&str; 3] = ["10.1.0.0/16", "10.2.0.0/16", "fd01::/16"];

#[derive(Clone, Copy, Debug)]
enum Step {
    /// A VRF comes or goes, with its circuit and without routes.
    Vrf(usize, u16),
    /// A route through the circuit comes or goes.
    Route(usize, u16, usize),
    /// The circuit goes down or comes up.
    Circuit(usize, u16),
    /// The VRF imports and exports its own target, or the one that all share.
    Targets(usize, u16),
    /// The next hop of the other PE is lost or found.
    NextHop(usize),
    /// The PEs' TCP connection breaks.
    Reset,
    /// A PE stops or begins to write.
    Room(usize),
    /// Time passes.
    Run(u64),
}

/// What the steps came to.
#[derive(Clone, Copy, Debug, Default)]
struct Site {
    up: bool,
    circuit: bool,
    shared: bool,
    routes: [bool; PREFIXES.len()],
}

struct Model {
    world: World,
    mode: LabelMode,
    sites: [[Site; 2]; PES],
    hops: [bool; PES],
    rooms: [bool; PES],
}

impl Model {
    fn new(mode: LabelMode) -> Self {
        let mut world = World::default();
        for n in 0..PES {
            world.node(AS, n as u8 + 1, v4(n as u8 + 1));
        }
        world.link(0, 1, |_, peer| {
            peer.families = [Family::VPN_IPV4, Family::VPN_IPV6].map(FamilyConfig::new).to_vec();
            peer.timers.min_route_advertisement = Duration::from_secs(2);
        });
        world.reach_all();
        world.run(Duration::from_secs(10));
        Self { world, mode, sites: Default::default(), hops: [true; PES], rooms: [true; PES] }
    }

    fn targets(vrf: u16, shared: bool) -> Vec<bgp_vpn::attr::ext_community::RouteTarget> {
        vec![format!("65001:{}", if shared { 9 } else { vrf }).parse().unwrap()]
    }

    fn apply(&mut self, step: Step) {
        let now = self.world.now;
        match step {
            Step::Vrf(pe, vrf) => {
                let site = &mut self.sites[pe][usize::from(vrf) - 1];
                let was = std::mem::take(site);
                if was.up {
                    self.set_circuit(pe, vrf, false);
                    self.world.nodes[pe].speaker.remove_vrf(now, VrfId(vrf)).unwrap();
                } else {
                    site.up = true;
                    let rd = format!("65001:{}", circuit_of(vrf, pe)).parse().unwrap();
                    let target = Self::targets(vrf, false)[0];
                    let mut config = VrfConfig::new(VrfId(vrf), &format!("vpn{vrf}"), rd, target);
                    config.label_mode = self.mode;
                    self.world.nodes[pe].speaker.add_vrf(now, config).unwrap();
                }
            }
            Step::Route(pe, vrf, n) => {
                let site = &mut self.sites[pe][usize::from(vrf) - 1];
                if site.up {
                    site.routes[n] = !site.routes[n];
                    let route = site.routes[n].then_some(LocalRoute::Via(IfIndex(circuit_of(vrf, pe))));
                    let prefix = PREFIXES[n].parse().unwrap();
                    self.world.input(pe, Input::Local { vrf: VrfId(vrf), prefix, route });
                }
            }
            Step::Circuit(pe, vrf) => {
                let site = &mut self.sites[pe][usize::from(vrf) - 1];
                if site.up {
                    site.circuit = !site.circuit;
                    let up = site.circuit;
                    self.set_circuit(pe, vrf, up);
                }
            }
            Step::Targets(pe, vrf) => {
                let site = &mut self.sites[pe][usize::from(vrf) - 1];
                if site.up {
                    site.shared = !site.shared;
                    let targets = Self::targets(vrf, site.shared);
                    let speaker = &mut self.world.nodes[pe].speaker;
                    speaker.set_vrf_targets(now, VrfId(vrf), targets.clone(), targets).unwrap();
                }
            }
            Step::NextHop(pe) => {
                self.hops[pe] = !self.hops[pe];
                self.set_hop(pe);
            }
            Step::Reset => {
                let peer = self.world.nodes[0].speaker.peers()[0];
                self.world.reset_connection(0, peer);
            }
            Step::Room(pe) => {
                self.rooms[pe] = !self.rooms[pe];
                self.set_room(pe);
            }
            Step::Run(seconds) => self.world.run(Duration::from_secs(seconds)),
        }
    }

    fn set_circuit(&mut self, pe: usize, vrf: u16, up: bool) {
        let number = circuit_of(vrf, pe);
        if up {
            self.world.circuit(pe, vrf, number, v4(99));
        } else {
            self.world.input(pe, Input::Circuit { iface: IfIndex(number), circuit: None });
        }
    }

    fn set_hop(&mut self, pe: usize) {
        let nhlfe = fwd_core::net::NhlfeId(2 - pe as u32);
        let reach = self.hops[pe].then_some(bgp_vpn::speaker::Reach { metric: 10, nhlfe });
        self.world.input(pe, Input::NextHop { address: v4(2 - pe as u8), reach });
    }

    fn set_room(&mut self, pe: usize) {
        let room = if self.rooms[pe] { 1 << 20 } else { 0 };
        self.world.nodes[pe].room = room;
        let peer = self.world.nodes[pe].speaker.peers()[0];
        for side in [Side::Outgoing, Side::Incoming] {
            self.world.input(pe, Input::Writable { peer, side, room });
        }
    }

    /// Everything that was held back goes on.
    fn rest(&mut self) {
        (self.hops, self.rooms) = ([true; PES], [true; PES]);
        for pe in 0..PES {
            self.set_hop(pe);
            self.set_room(pe);
        }
        self.world.run(Duration::from_secs(300));
        for pe in 0..PES {
            self.set_room(pe);
        }
        self.world.run(Duration::from_secs(10));
        assert_eq!(self.world.established(0), 1);
    }

    /// A network that never had another configuration.
    fn fresh(&self) -> Self {
        let mut fresh = Self::new(self.mode);
        for (pe, vrf) in (0..PES).flat_map(|pe| [(pe, 1), (pe, 2)]) {
            let site = self.sites[pe][usize::from(vrf) - 1];
            let routes = (0..PREFIXES.len()).filter(|n| site.routes[*n]).map(|n| Step::Route(pe, vrf, n));
            let others = [(site.circuit, Step::Circuit(pe, vrf)), (site.shared, Step::Targets(pe, vrf))];
            let steps = others.into_iter().filter(|(on, _)| *on).map(|(_, step)| step).chain(routes);
            if site.up {
                fresh.apply(Step::Vrf(pe, vrf));
                steps.for_each(|step| fresh.apply(step));
            }
        }
        fresh.rest();
        fresh
    }

    /// Where packets go, and what the tables hold.
    fn outcome(&self) -> Vec<(Delivery, [usize; 4])> {
        let mut all = Vec::new();
        for (pe, node) in self.world.nodes.iter().enumerate() {
            let stats = node.speaker.stats();
            // A VRF's or a circuit's label stays with it when it has no route left.
            let labels = if self.mode == LabelMode::PerPrefix { stats.labels } else { 0 };
            let totals = [stats.vpn_paths as usize, stats.vrf_paths as usize, labels, stats.nhlfes];
            for vrf in [1, 2] {
                for to in ["10.1.0.1", "10.2.0.1", "fd01::1"] {
                    all.push((self.world.send(pe, vrf, to.parse().unwrap()), totals));
                }
            }
        }
        all
    }
}

fn step() -> impl Strategy<Value = Step> {
    let site = || (0..PES, 1u16..3);
    prop_oneof![
        2 => site().prop_map(|(pe, vrf)| Step::Vrf(pe, vrf)),
        6 => (site(), 0..PREFIXES.len()).prop_map(|((pe, vrf), n)| Step::Route(pe, vrf, n)),
        3 => site().prop_map(|(pe, vrf)| Step::Circuit(pe, vrf)),
        2 => site().prop_map(|(pe, vrf)| Step::Targets(pe, vrf)),
        1 => (0..PES).prop_map(Step::NextHop),
        1 => Just(Step::Reset),
        1 => (0..PES).prop_map(Step::Room),
        3 => (0u64..4).prop_map(Step::Run),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn any_history_ends_as_a_fresh_network_and_leaks_nothing(
        mode in prop_oneof![
            Just(LabelMode::PerVrf),
            Just(LabelMode::PerAttachmentCircuit),
            Just(LabelMode::PerPrefix),
        ],
        steps in proptest::collection::vec(step(), 1..40),
    ) {
        let mut model = Model::new(mode);
        for pe in 0..PES {
            // Most histories begin with something.
            model.apply(Step::Vrf(pe, 1));
            model.apply(Step::Circuit(pe, 1));
        }
        steps.into_iter().for_each(|step| model.apply(step));
        model.rest();
        prop_assert_eq!(model.outcome(), model.fresh().outcome());
        for (pe, vrf) in (0..PES).flat_map(|pe| [(pe, 1), (pe, 2)]) {
            if model.sites[pe][usize::from(vrf) - 1].up {
                model.apply(Step::Vrf(pe, vrf));
            }
        }
        model.rest();
        for node in &model.world.nodes {
            let stats = node.speaker.stats();
            prop_assert_eq!((stats.vpn_paths, stats.vrf_paths, stats.labels, stats.nhlfes), (0, 0, 0, 0));
            prop_assert_eq!(stats.attribute_sets, 1);
            prop_assert!(node.fib.routes.is_empty() && node.fib.ilm.is_empty() && node.fib.nhlfes.is_empty());
        }
    }
}

/// Two routes to one prefix that differ in the route distinguisher only: the same is chosen whichever came first.
#[test]
fn the_choice_among_imported_routes_does_not_depend_on_their_order() {
    let chosen = |order: [u16; 2]| {
        let mut model = Model::new(LabelMode::PerVrf);
        model.apply(Step::Vrf(0, 1));
        model.apply(Step::Targets(0, 1));
        for vrf in order {
            for step in [Step::Vrf(1, vrf), Step::Circuit(1, vrf), Step::Targets(1, vrf), Step::Route(1, vrf, 0)] {
                model.apply(step);
            }
            model.world.run(Duration::from_secs(5));
        }
        model.world.send(0, 1, "10.1.0.1".parse().unwrap())
    };
    assert_eq!(chosen([1, 2]), Delivery::Circuit(1, circuit_of(1, 1)));
    assert_eq!(chosen([2, 1]), chosen([1, 2]));
}
