//! What becomes of what the machines say: routes to the reflector, trees to the simulated LDP, messages to whom they are for.

use std::collections::BTreeSet;
use std::time::Duration;

use fwd_core::net::{IfIndex, Label, NhlfeId, VrfId};
use fwd_core::op::IlmAction;
use fwd_core::wire::Ipv4;
use mvpn::mvrf::{Input, McastAttributes, McastRoute, MdtRoute, Output, PTunnel, TreeId, TreeRequest};
use mvpn::pim::wire::MessageType;
use mvpn::pim::{self, MribRoute, PimEvent};

use super::node::{SimAddress, data, read, site};
use super::world::{Lsp, What, World};

impl<A: SimAddress> World<A> {
    pub(super) fn provider_output(&mut self, pe: usize, output: Output) {
        match output {
            Output::Program(op) => {
                self.pes[pe].ops += 1;
                self.pes[pe].forwarder.apply(&op).unwrap_or_else(|e| panic!("PE {pe}: {op:?}: {e}"));
            }
            Output::Advertise { route, attributes } => {
                self.rib.entry(route).or_default().insert(pe, attributes);
                self.reflect(route, pe);
            }
            Output::Withdraw(route) => self.withdraw(pe, route),
            Output::Tree(request) if self.ldp.is_some() => self.ldp_tree(pe, request),
            Output::Tree(request) => self.tree(pe, request),
            // The simulation has PIM for one family.
            Output::Downstream { tree, joined, .. } if A::from_ip(tree.flow().1).is_none() => {
                self.other_family.push((pe, tree, joined));
            }
            Output::Downstream { vrf, tree, joined } => {
                let (link, now) = (self.pes[pe].sites[&vrf].by_bgp.expect("a neighbour"), self.now);
                let octets = link.join_prune(&tree, joined);
                self.pes[pe].sites.get_mut(&vrf).unwrap().pim.handle_input(now, link.input(&octets));
            }
            Output::AdvertiseMdt { route, attributes } => self.tell_mdt(pe, route, Some(&attributes)),
            Output::WithdrawMdt(route) => self.tell_mdt(pe, route, None),
            output @ (Output::AdvertiseCMldp { .. } | Output::WithdrawCMldp(_) | Output::CMldp { .. }) => {
                self.of_lsps.push((pe, output));
            }
            Output::SPmsiJoin { vrf, octets } => {
                self.s_pmsi_joins += 1;
                let (at, from) = (self.now + Duration::from_millis(5), self.routers[pe]);
                for to in self.members(pe, vrf) {
                    self.push(at, What::Joins { to, vrf, pe: from, octets: octets.clone() });
                }
            }
            Output::SourceActive { source, group, rp, is_active, .. } => {
                self.for_msdp.push((pe, (source, group, rp, is_active)));
            }
            Output::Watch { pe: head, session, .. } => {
                self.pes[pe].watched.insert(head, session);
            }
            Output::Event(event) => self.pes[pe].events.push(event),
        }
    }

    pub(super) fn withdraw(&mut self, pe: usize, route: McastRoute) {
        let Some(paths) = self.rib.get_mut(&route) else { return };
        paths.remove(&pe);
        if paths.is_empty() {
            self.rib.remove(&route);
        }
        self.reflect(route, pe);
    }

    pub(super) fn tree(&mut self, pe: usize, request: TreeRequest) {
        match request {
            TreeRequest::Root { tree, tunnel: tunnel @ PTunnel::MldpMp2mp(_) } => {
                self.lsps.entry(tunnel).or_default().senders.insert(pe, tree);
                self.push(self.now + Duration::from_millis(20), What::Branches { root: pe, tree });
            }
            TreeRequest::Root { tree, tunnel } => {
                if self.is_pim(&tunnel) {
                    self.pes[pe].pim_root(&tunnel);
                }
                self.lsps.entry(tunnel).or_default().root = Some((pe, tree));
                self.push(self.now + Duration::from_millis(20), What::Branches { root: pe, tree });
            }
            TreeRequest::Remove { tree } => {
                if let Some(tunnel) = self.lsps.iter().find(|(_, l)| l.root == Some((pe, tree))).map(|(t, _)| t.clone())
                {
                    self.pes[pe].pim_end(&tunnel);
                }
                let lsps = self.lsps.values_mut();
                for lsp in lsps {
                    lsp.root = lsp.root.filter(|root| *root != (pe, tree));
                    lsp.senders.retain(|sender, of| (*sender, *of) != (pe, tree));
                }
                self.lsps.retain(|_, l| l.root.is_some() || !l.leaves.is_empty() || !l.senders.is_empty());
            }
            TreeRequest::Join { tunnel, arrives_by } if self.is_pim(&tunnel) => {
                self.joins += 1;
                self.pes[pe].pim_join(&tunnel, arrives_by);
                self.leaf_joins(pe, tunnel, Label::IMPLICIT_NULL);
            }
            TreeRequest::Join { tunnel, arrives_by } => {
                self.joins += 1;
                let label = self.pes[pe].leaf(IlmAction::Multicast(arrives_by));
                self.leaf_joins(pe, tunnel, label);
            }
            TreeRequest::Stitch { tunnel, group } => {
                self.joins += 1;
                let label = self.pes[pe].leaf(IlmAction::Replicate(group));
                self.leaf_joins(pe, tunnel, label);
            }
            TreeRequest::JoinSpace { tunnel, space } => {
                self.joins += 1;
                let label = self.pes[pe].leaf(IlmAction::Context(space));
                self.leaf_joins(pe, tunnel, label);
            }
            TreeRequest::Leave { tunnel } => {
                self.pes[pe].pim_leave(&tunnel);
                if let Some(lsp) = self.lsps.get_mut(&tunnel) {
                    lsp.leaves.remove(&pe);
                    lsp.branches.remove(&pe);
                    lsp.between.retain(|(_, to), _| *to != pe);
                    let roots = lsp.roots();
                    roots.into_iter().for_each(|root| self.tell_root(Some(root)));
                }
            }
            TreeRequest::Leaf { .. } => {}
        }
    }

    fn is_pim(&self, tunnel: &PTunnel) -> bool {
        self.has_pim && matches!(tunnel, PTunnel::PimSsm { .. })
    }

    /// The entry into a tree of PIM's.
    pub(super) fn entry_of_pim(&self, root: usize, tree: TreeId) -> Option<NhlfeId> {
        let (tunnel, _) = self.lsps.iter().find(|(_, lsp)| lsp.root == Some((root, tree)))?;
        self.pes[root].pim_entry(tunnel)
    }

    /// A packet goes by a tree of PIM's to all its leaves.
    pub(super) fn enter_tree(&mut self, pe: usize, octets: &[u8]) {
        let header = Ipv4::of(&octets[14..]).unwrap();
        let (root, group) = (header.source().into(), header.destination().into());
        self.crossed += 1;
        self.sent_by[pe] += 1;
        *self.into_trees.entry(pe).or_default() += 1;
        let leaves = self.lsps.get(&PTunnel::PimSsm { root, group }).into_iter().flat_map(|lsp| lsp.leaves.keys());
        let leaves: Vec<usize> = leaves.copied().collect();
        for to in leaves {
            self.push(self.now + Duration::from_millis(5), What::Frame { to, octets: octets.to_vec() });
        }
    }

    fn leaf_joins(&mut self, pe: usize, tunnel: PTunnel, label: Label) {
        let lsp = self.lsps.entry(tunnel).or_default();
        lsp.leaves.insert(pe, label);
        lsp.branches.remove(&pe);
        lsp.between.retain(|(_, to), _| *to != pe);
        let roots = lsp.roots();
        roots.into_iter().for_each(|root| self.tell_root(Some(root)));
    }

    /// The root of an LSP hears of its branches a little later.
    pub(super) fn tell_root(&mut self, root: Option<(usize, TreeId)>) {
        if let Some((root, tree)) = root {
            self.push(self.now + Duration::from_millis(30), What::Branches { root, tree });
        }
    }

    pub(super) fn tell_roots(&mut self) {
        let roots: Vec<_> = self.lsps.values().flat_map(Lsp::roots).collect();
        roots.into_iter().for_each(|root| self.tell_root(Some(root)));
    }

    pub(super) fn customer_output(&mut self, pe: usize, vrf: VrfId, output: pim::Output<A>) {
        let now = self.now;
        match output {
            pim::Output::Program(op) => self.pes[pe].mvpn.handle_input(now, Input::Program { vrf, op }),
            pim::Output::Track(address) => {
                self.pes[pe].sites.get_mut(&vrf).unwrap().tracked.insert(address);
                self.tell_route(pe, vrf, address);
            }
            pim::Output::Untrack(address) => {
                self.pes[pe].sites.get_mut(&vrf).unwrap().tracked.remove(&address);
            }
            pim::Output::Datagram { interface: Some(interface), from, to, octets } => {
                let link = self.pes[pe].sites[&vrf].link;
                if interface == link.interface {
                    for input in link.read(from, to, &octets) {
                        self.pes[pe].mvpn.handle_input(now, input);
                    }
                    if link.neighbor.is_none() {
                        self.between_pes(pe, vrf, from, to, &octets);
                    }
                    return;
                }
                self.on_lans.push(((pe, vrf), from, to, octets.clone()));
                if let Some(other) = self.lans.get(&(pe, vrf)).copied() {
                    let at = now + Duration::from_millis(5);
                    self.push(at, What::Lan { to: other, from, dst: to, octets: octets.clone() });
                }
                if let Some(ce) = self.pes[pe].sites.get_mut(&vrf).and_then(|s| s.ce.as_mut()) {
                    let interface = IfIndex(1);
                    ce.pim.handle_input(
                        now,
                        pim::Input::Datagram { interface, from, to, octets: &octets, authenticated: false },
                    );
                }
            }
            pim::Output::Datagram { interface: None, from, to, octets } => {
                let kind = octets.first().map(|first| MessageType(first & 15));
                let is_register = [MessageType::REGISTER, MessageType::REGISTER_STOP].map(Some).contains(&kind);
                self.registers += u64::from(is_register);
                self.unicast(vrf, from, to, octets);
            }
            // The PE is the RP: what it knows of sources goes to other PEs.
            pim::Output::Event(PimEvent::SourceActive { group, source, is_active }) => {
                let (source, group) = (source.into(), group.into());
                self.pes[pe].mvpn.handle_input(now, Input::Active { vrf, source, group, rp: None, is_active });
            }
            pim::Output::Forward { .. } | pim::Output::Event(_) => {}
        }
    }

    fn tell_mdt(&mut self, pe: usize, route: MdtRoute, attributes: Option<&McastAttributes>) {
        for to in (0..self.pes.len()).filter(|to| *to != pe) {
            self.bgp(to, What::Mdt { to, route, attributes: attributes.cloned() });
        }
    }

    /// The other PEs of a VPN.
    fn members(&self, pe: usize, vrf: VrfId) -> BTreeSet<usize> {
        let members = self.pes[pe].mvpn.members(vrf).map(|(address, ..)| address);
        members.filter_map(|address| self.routers.iter().position(|r| *r == address)).collect()
    }

    /// A PIM message over the I-PMSI: to all PEs of the VPN.
    fn between_pes(&mut self, pe: usize, vrf: VrfId, from: A, dst: A, octets: &[u8]) {
        let at = self.now + Duration::from_millis(5);
        let others = self.members(pe, vrf);
        self.pim_messages += others.len() as u64;
        for to in others {
            self.push(at, What::Pmsi { to, vrf, from, dst, octets: octets.to_vec() });
        }
    }

    pub(super) fn ce_output(&mut self, pe: usize, vrf: VrfId, output: pim::Output<A>) {
        let now = self.now;
        match output {
            pim::Output::Track(address) => {
                let next_hop = (!address.is_in(&A::subnet(pe))).then(|| A::site(pe, 1));
                let route = MribRoute { interface: IfIndex(1), next_hop, preference: 1, metric: 1 };
                let ce = self.pes[pe].sites.get_mut(&vrf).and_then(|s| s.ce.as_mut()).unwrap();
                ce.pim.handle_input(now, pim::Input::Route { address, route: Some(route) });
            }
            pim::Output::Datagram { interface: Some(_), from, to, octets } => {
                self.on_lans.push(((pe, vrf), from, to, octets.clone()));
                let interface = site(vrf);
                let input = pim::Input::Datagram { interface, from, to, octets: &octets, authenticated: false };
                self.pes[pe].sites.get_mut(&vrf).unwrap().pim.handle_input(now, input);
            }
            pim::Output::Datagram { interface: None, from, to, octets } => self.unicast(vrf, from, to, octets),
            // The RP sends a source's packet down the shared tree: into the LAN, where the PE is.
            pim::Output::Forward { packet, .. } => {
                let (source, group, number) = read::<A>(&packet);
                self.rp_link += packet.len() as u64;
                self.frame(pe, site(vrf), &data(source, group, number));
            }
            _ => {}
        }
    }

    fn unicast(&mut self, vrf: VrfId, from: A, dst: A, octets: Vec<u8>) {
        let at = self.now + Duration::from_millis(10);
        let to_ce = dst == A::rp();
        if to_ce && octets.first().is_some_and(|first| MessageType(first & 15) == MessageType::REGISTER) {
            self.rp_link += octets.len() as u64 + if A::LEN == 4 { 20 } else { 40 };
        }
        for (to, other) in self.pes.iter().enumerate() {
            let Some(there) = other.sites.get(&vrf) else { continue };
            let is_there =
                if to_ce { there.ce.is_some() } else { dst == A::loopback(to, vrf.0) || dst == A::site(to, 1) };
            if is_there && other.alive {
                return self.push(at, What::Unicast { to, ce: to_ce, vrf, from, dst, octets });
            }
        }
    }
}
