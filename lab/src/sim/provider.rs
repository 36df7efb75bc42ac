//! A provider network: core routers with loopbacks and label switched paths, and customer sites attached to them.

use std::net::IpAddr;

use bumpalo::Bump;
use fwd_core::net::{IfIndex, Ipv4Prefix, Ipv6Prefix, LabelStack, NhlfeId, VrfId};
use fwd_core::op::{FwdOp, NextHop, Nhlfe, RouteAction, TunnelModel};
use fwd_core::table::Sizes;

use super::core::{Attachment, Core, Loopbacks, Program};
use super::link::LinkConfig;
use super::network::{Network, Transport};
use super::node::{Control, LinkId, NodeId};

/// A router of the core, by its place in [`Core::loopbacks`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RouterId(pub usize);

/// An attachment circuit between a PE and a CE.
#[derive(Clone, Copy, Debug)]
pub struct Site {
    /// The PE.
    pub pe: NodeId,
    /// The PE's interface.
    pub pe_iface: IfIndex,
    /// The VRF that interface is in.
    pub vrf: VrfId,
    /// The PE's entry that sends to the CE.
    pub to_ce: NhlfeId,
    /// The CE.
    pub ce: NodeId,
    /// The CE's entry that sends to the PE.
    pub to_pe: NhlfeId,
    /// The link.
    pub link: LinkId,
}

/// A network of core routers and customer routers.
pub struct Provider<'m, C> {
    /// Machines and links.
    pub net: Network<'m, C>,
    /// Loopbacks, metrics, labels.
    pub core: Core,
    /// The machine of each core router.
    pub routers: Vec<NodeId>,
    /// The link of each edge of the core.
    pub core_links: Vec<LinkId>,
    /// The first free interface, machine by machine.
    interfaces: Vec<u32>,
    /// The first free entry for attachment circuits, machine by machine.
    entries: Vec<u32>,
}

impl<'m, C: Control> Provider<'m, C> {
    /// The interface by which a machine's own packets of the global table enter its forwarding plane.
    pub const INSIDE: IfIndex = IfIndex(0);
    /// The first entry for attachment circuits; the core's are below, a speaker's from [`Core::FIRST_FREE_NHLFE`] on.
    const FIRST_CIRCUIT: u32 = 500;

    /// An empty network whose core pops labels at the penultimate hop, in the uniform model.
    #[must_use]
    pub fn new(arena: &'m Bump, seed: u64, transport: Transport) -> Self {
        Self {
            net: Network::new(arena, seed, transport),
            core: Core::new(true, TunnelModel::Uniform),
            routers: Vec::new(),
            core_links: Vec::new(),
            interfaces: Vec::new(),
            entries: Vec::new(),
        }
    }

    fn add_node(&mut self, name: &str, sizes: &Sizes, control: C) -> NodeId {
        let node = self.net.add_node(name, sizes, control);
        self.net.add_inside(node, VrfId::GLOBAL, Self::INSIDE);
        self.interfaces.push(Self::INSIDE.0 + 1);
        self.entries.push(Self::FIRST_CIRCUIT);
        node
    }

    fn next_interface(&mut self, node: NodeId) -> IfIndex {
        let next = &mut self.interfaces[node.0];
        *next += 1;
        IfIndex(*next - 1)
    }

    fn next_entry(&mut self, node: NodeId) -> NhlfeId {
        let next = &mut self.entries[node.0];
        *next += 1;
        NhlfeId(*next - 1)
    }

    /// Adds a core router: PE, P or route reflector.
    pub fn add_router(&mut self, name: &str, sizes: &Sizes, loopbacks: Loopbacks, control: C) -> RouterId {
        let node = self.add_node(name, sizes, control);
        self.routers.push(node);
        RouterId(self.core.add_router(loopbacks))
    }

    /// The machine of a core router.
    #[must_use]
    pub fn node_of(&self, router: RouterId) -> NodeId {
        self.routers[router.0]
    }

    /// Joins two core routers; [`Provider::converge`] puts the link to use.
    pub fn add_core_link(&mut self, a: RouterId, b: RouterId, metric: u32, config: LinkConfig) -> LinkId {
        let ends = [a, b].map(|router| (self.node_of(router), self.next_interface(self.node_of(router))));
        let (link, macs) = self.net.add_link(config, ends.map(|(node, iface)| (node, iface, VrfId::GLOBAL, true)));
        let end = |n: usize, router: RouterId| Attachment { router: router.0, iface: ends[n].1, mac: macs[n] };
        self.core.add_link(end(0, a), end(1, b), metric);
        self.core_links.push(link);
        link
    }

    /// Adds a customer router.
    pub fn add_customer(&mut self, name: &str, sizes: &Sizes, control: C) -> NodeId {
        self.add_node(name, sizes, control)
    }

    /// Joins a CE to a VRF of a PE. The CE gets default routes of both families to the PE. The PE's own packets of the VRF
    /// get an inside interface.
    pub fn attach(&mut self, pe: RouterId, vrf: VrfId, ce: NodeId, config: LinkConfig) -> Site {
        let pe = self.node_of(pe);
        let (pe_iface, ce_iface) = (self.next_interface(pe), self.next_interface(ce));
        let ends = [(pe, pe_iface, vrf, false), (ce, ce_iface, VrfId::GLOBAL, false)];
        let (link, [pe_mac, ce_mac]) = self.net.add_link(config, ends);
        let (to_ce, to_pe) = (self.next_entry(pe), self.next_entry(ce));
        let entry = |iface, mac| Nhlfe {
            push: LabelStack::EMPTY,
            next: NextHop::Neighbor { iface, mac },
            model: TunnelModel::Uniform,
        };
        self.apply(pe, &FwdOp::SetNhlfe { id: to_ce, nhlfe: entry(pe_iface, ce_mac) });
        self.apply(ce, &FwdOp::SetNhlfe { id: to_pe, nhlfe: entry(ce_iface, pe_mac) });
        let (vrf0, action) = (VrfId::GLOBAL, RouteAction::Forward(to_pe));
        self.apply(ce, &FwdOp::SetRoute4 { vrf: vrf0, prefix: Ipv4Prefix::DEFAULT, action });
        self.apply(ce, &FwdOp::SetRoute6 { vrf: vrf0, prefix: Ipv6Prefix::DEFAULT, action });
        if !self.net.node(pe).inside.contains_key(&vrf) {
            let inside = self.next_interface(pe);
            self.net.add_inside(pe, vrf, inside);
        }
        Site { pe, pe_iface, vrf, to_ce, ce, to_pe, link }
    }

    /// Says that both ends of a circuit own these addresses, for [`Transport::Direct`].
    pub fn own_circuit(&mut self, site: &Site, pe_address: IpAddr, ce_address: IpAddr) {
        self.net.set_owner((site.pe, site.vrf), ce_address, (site.ce, VrfId::GLOBAL));
        self.net.set_owner((site.ce, VrfId::GLOBAL), pe_address, (site.pe, site.vrf));
    }

    /// Applies an op to a machine's forwarding plane.
    ///
    /// # Panics
    /// If it is refused: the simulation gave the machine too small tables.
    pub fn apply(&mut self, node: NodeId, op: &FwdOp) {
        let machine = self.net.node_mut(node);
        assert!(machine.host.apply(op), "{}: refused {op:?}", machine.name);
    }

    /// Programs all core routers for the links as they are, and tells their controls the ways to each other.
    pub fn converge(&mut self) {
        for router in 0..self.routers.len() {
            let node = self.routers[router];
            let Program { ops, next_hops } = self.core.program(router);
            ops.iter().for_each(|op| self.apply(node, op));
            let now = self.net.now();
            for (address, reach) in next_hops {
                let owner = self
                    .core
                    .loopbacks
                    .iter()
                    .position(|l| l.v4.map(IpAddr::V4) == Some(address) || l.v6.map(IpAddr::V6) == Some(address));
                if let Some(owner) = owner {
                    let owner = (self.routers[owner], VrfId::GLOBAL);
                    self.net.set_owner((node, VrfId::GLOBAL), address, owner);
                }
                self.net.node_mut(node).control.next_hop(now, address, reach);
            }
            self.net.wake(node);
        }
    }

    /// Takes an edge of the core down or up, as its routers notice, and converges.
    pub fn set_edge(&mut self, edge: usize, up: bool) {
        self.core.edges[edge].up = up;
        self.converge();
    }
}

#[cfg(test)]
mod tests;
