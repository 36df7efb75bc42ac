//! Several ASes, or areas, of the simulated network: each with its own reflector, and border routers between them.

use std::collections::BTreeMap;
use std::net::IpAddr;

use fwd_core::net::NhlfeId;
use fwd_core::time::Instant;
use mvpn::mvrf::inter_as::{Advert, AsPath, AsbrConfig, AsbrInput, AsbrOutput, AsbrPath, MvpnAsbr, Peer, Side};
use mvpn::mvrf::{Input, McastRoute, MvpnConfig, TreeId};

use super::node::SimAddress;
use super::world::{What, World};

/// The ASes of a network: who is in which, which routers are at the borders, and the links between them.
#[derive(Clone, Debug, Default)]
pub struct Ases {
    /// The AS of each router.
    pub asn: Vec<u32>,
    /// Links between ASBRs.
    pub links: Vec<(usize, usize)>,
    /// Area border routers, where `asn` numbers the areas of one AS: 0 is the backbone.
    pub abrs: Vec<usize>,
}

impl<A: SimAddress> World<A> {
    /// A network of several ASes. `tune` and `border` change the configurations of PEs and of ASBRs.
    pub fn of_ases(
        routers: Vec<IpAddr>,
        ases: &Ases,
        seed: u64,
        tune: impl Fn(usize, &mut MvpnConfig),
        border: impl Fn(usize, &mut AsbrConfig),
    ) -> Self {
        let mut world = Self::build(
            routers,
            ases.asn.clone(),
            seed,
            super::node::Room::for_vpns(super::node::FEW),
            |pe, config| {
                config.asn = if ases.abrs.is_empty() { ases.asn[pe] } else { 65001 };
                tune(pe, config);
            },
        );
        let mut ends: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (a, b) in &ases.links {
            ends.entry(*a).or_default().push(*b);
            ends.entry(*b).or_default().push(*a);
        }
        for abr in &ases.abrs {
            ends.entry(*abr).or_default();
        }
        world.abrs = ases.abrs.iter().copied().collect();
        for node in ends.keys() {
            let octet = u8::try_from(*node + 1).unwrap();
            let asn = if ases.abrs.is_empty() { ases.asn[*node] } else { 65001 };
            let mut config = AsbrConfig::new(world.routers[*node], asn, [192, 0, 2, octet].into());
            let numbers = &mut config.router;
            (numbers.labels, numbers.nhlfes, numbers.groups) = (1000..=2999, 200..=999, 1000..=1999);
            let others = ends.keys().filter(|other| *other != node && ases.asn[**other] == ases.asn[*node]);
            config.vrfs = 1..=32;
            config.asbrs = others.map(|other| world.routers[*other]).collect();
            border(*node, &mut config);
            world.pes[*node].border = Some(MvpnAsbr::new(Instant::ZERO, config).unwrap());
        }
        for node in 0..world.pes.len() {
            for to in (0..world.pes.len()).filter(|to| *to != node) {
                if world.areas(to).any(|area| world.areas(node).any(|other| other == area)) {
                    world.connect(node, to);
                }
            }
        }
        for (a, b) in &ases.links {
            for (node, other) in [(*a, *b), (*b, *a)] {
                world.connect(node, other);
                let address = world.routers[other];
                world.border_input(node, AsbrInput::Neighbor { address, up: true });
            }
        }
        world.links.clone_from(&ases.links);
        world
    }

    /// The AS of a router, or its areas.
    pub(super) fn areas(&self, node: usize) -> impl Iterator<Item = u32> + use<A> {
        let backbone = self.abrs.contains(&node).then_some(0);
        [self.asn[node]].into_iter().chain(backbone)
    }

    /// Where a router tells a route.
    pub(super) fn area_of(&self, route: &McastRoute, node: usize) -> u32 {
        if self.to_backbone.contains(&(*route, node)) { 0 } else { self.asn[node] }
    }

    /// A router learns the way to another.
    pub(super) fn connect(&mut self, node: usize, to: usize) {
        let entry = Some(self.pes[node].transport(to));
        let router = self.routers[to];
        if self.pes[node].border.is_some() {
            self.border_input(node, AsbrInput::Transport { router, entry });
        }
        self.input(node, Input::Transport { router, entry });
    }

    pub fn border_input(&mut self, node: usize, input: AsbrInput) {
        let now = self.now;
        if let Some(border) = &mut self.pes[node].border {
            border.handle_input(now, input);
        }
        self.drain(node);
    }

    /// The branches of a tree, for whichever machine of the router is its root.
    pub(super) fn branches(&mut self, node: usize, tree: TreeId, branches: Vec<NhlfeId>) {
        match self.pes[node].border.is_some() {
            true => self.border_input(node, AsbrInput::Branches { tree, branches }),
            false => self.input(node, Input::Branches { tree, branches }),
        }
    }

    pub(super) fn border_output(&mut self, node: usize, output: AsbrOutput) {
        match output {
            AsbrOutput::Program(op) => {
                self.pes[node].ops += 1;
                self.pes[node].forwarder.apply(&op).unwrap_or_else(|e| panic!("ASBR {node}: {op:?}: {e}"));
            }
            AsbrOutput::Advertise { to, route, advert } => match to {
                Side::External(neighbor) => self.tell_neighbor(node, neighbor, route, Some(advert)),
                Side::Internal | Side::Backbone => {
                    let key = (route, node);
                    if self.to_backbone.contains(&key) != (to == Side::Backbone) {
                        self.withdraw(node, route);
                        match to {
                            Side::Backbone => self.to_backbone.insert(key),
                            _ => self.to_backbone.remove(&key),
                        };
                    }
                    self.as_paths.insert((route, node), advert.as_path);
                    self.rib.entry(route).or_default().insert(node, advert.attributes);
                    self.reflect(route, node);
                }
            },
            AsbrOutput::Withdraw { to, route } => match to {
                Side::External(neighbor) => self.tell_neighbor(node, neighbor, route, None),
                Side::Internal | Side::Backbone => {
                    // Unless it goes to the other side by now.
                    if self.to_backbone.contains(&(route, node)) == (to == Side::Backbone) {
                        self.as_paths.remove(&(route, node));
                        self.withdraw(node, route);
                        self.to_backbone.remove(&(route, node));
                    }
                }
            },
            AsbrOutput::Tree(request) if self.ldp.is_some() => self.ldp_tree(node, request),
            AsbrOutput::Tree(request) => self.tree(node, request),
            AsbrOutput::Event(event) => self.pes[node].events.push(event),
        }
    }

    fn tell_neighbor(&mut self, node: usize, neighbor: IpAddr, route: McastRoute, advert: Option<Advert>) {
        let to = self.routers.iter().position(|r| *r == neighbor).unwrap();
        let path = advert.map(|Advert { attributes, as_path, .. }| {
            let ours = self.pes[node].asn;
            let as_path: AsPath = [ours].into_iter().chain(as_path).collect();
            AsbrPath { attributes, as_path }
        });
        let from = Peer::external(self.routers[node]);
        *self.routes_between.entry((node, to)).or_default() += 1;
        self.bgp(to, What::Path { to, from, route, path });
    }

    /// What a border router hears of a route of its own AS.
    pub(super) fn tell_borders(&mut self, route: McastRoute, changed: usize) {
        let area = self.area_of(&route, changed);
        let borders: Vec<usize> = (0..self.pes.len())
            .filter(|to| *to != changed && self.pes[*to].alive && self.pes[*to].border.is_some())
            .filter(|to| self.areas(*to).any(|of| of == area))
            .collect();
        for to in borders {
            let attributes = self.rib.get(&route).and_then(|paths| paths.get(&changed)).cloned();
            let as_path = self.as_paths.get(&(route, changed)).cloned().unwrap_or_default();
            let path = attributes.map(|attributes| AsbrPath { attributes, as_path });
            let address = self.routers[changed];
            let from = if self.asn[to] == area { Peer::internal(address) } else { Peer::backbone(address) };
            self.bgp(to, What::Path { to, from, route, path });
        }
    }

    /// A link between ASBRs fails or is repaired.
    pub fn set_link(&mut self, (a, b): (usize, usize), up: bool) {
        for (node, other) in [(a, b), (b, a)] {
            let address = self.routers[other];
            self.border_input(node, AsbrInput::Neighbor { address, up });
        }
    }
}
