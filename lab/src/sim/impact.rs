//! Whom the loss of a link hits (RFC 4031 §7.2; RFC 4176 §3.2.1): the VRFs with routes, and the customers' multicast flows, whose packets
//! cross it. The forwarding planes themselves are asked, machine by machine, so that the answer is what packets do and not what a
//! configuration means.

use std::collections::{BTreeMap, BTreeSet};

use fwd_core::audit::{Path, Step, entries};
use fwd_core::net::{IfIndex, IpPrefix, Label, NhlfeId, ReplicationId, VrfId};
use fwd_core::op::{FwdOp, IlmAction, LegTarget, MrouteKey, RouteAction};

use super::network::Network;
use super::node::{Control, LinkId, NodeId};

/// Who is hit.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Impact {
    /// By machine and VRF: the destinations whose packets cross the link.
    pub routes: BTreeMap<(NodeId, VrfId), BTreeSet<IpPrefix>>,
    /// Multicast flows that enter the core at a machine, in one of its VRFs, and of which copies cross the link.
    pub flows: BTreeSet<(NodeId, VrfId, MrouteKey)>,
}

/// Who is hit when a link is cut. The global table's own routes are not looked at.
#[must_use]
pub fn of_link<C: Control>(net: &Network<'_, C>, link: LinkId) -> Impact {
    let mut impact = Impact::default();
    let search = Search { net, link };
    for (node, machine) in net.nodes() {
        let tables = &machine.host.forwarder;
        let mut vrfs = BTreeSet::new();
        for op in entries(tables) {
            let (vrf, prefix, action) = match op {
                FwdOp::SetInterface { interface, .. } => {
                    vrfs.insert(interface.vrf);
                    continue;
                }
                FwdOp::SetRoute4 { vrf, prefix, action } => (vrf, IpPrefix::V4(prefix), action),
                FwdOp::SetRoute6 { vrf, prefix, action } => (vrf, IpPrefix::V6(prefix), action),
                _ => continue,
            };
            let RouteAction::Forward(id) = action else { continue };
            if vrf != VrfId::GLOBAL && search.by(node, id, Vec::new(), HOPS) {
                impact.routes.entry((node, vrf)).or_default().insert(prefix);
            }
        }
        for vrf in vrfs.into_iter().filter(|vrf| *vrf != VrfId::GLOBAL) {
            for (key, mroute) in tables.mroutes(vrf) {
                if mroute.replication.is_some_and(|group| search.copies(node, group, &[], HOPS)) {
                    impact.flows.insert((node, vrf, key));
                }
            }
        }
    }
    impact
}

/// Machines that a packet passes at most.
const HOPS: usize = 64;

struct Search<'n, 'm, C> {
    net: &'n Network<'m, C>,
    link: LinkId,
}

impl<C: Control> Search<'_, '_, C> {
    /// Whether what an entry of a machine sends crosses the link, with these labels on it, the top one last.
    fn by(&self, node: NodeId, id: NhlfeId, labels: Vec<Label>, hops: usize) -> bool {
        self.along(node, &Path::by(&self.net.node(node).host.forwarder, id), labels, hops)
    }

    fn along(&self, node: NodeId, path: &Path, mut labels: Vec<Label>, hops: usize) -> bool {
        for step in path.steps() {
            match *step {
                Step::Nhlfe(_, push) => labels.extend(push.as_slice().iter().rev()),
                Step::Interface(iface, _) => return self.leaves(node, iface, labels, hops),
                _ => {}
            }
        }
        false
    }

    fn leaves(&self, node: NodeId, iface: IfIndex, labels: Vec<Label>, hops: usize) -> bool {
        if self.net.link_of(node, iface) == Some(self.link) {
            return true;
        }
        let next = self.net.neighbor(node, iface).zip(hops.checked_sub(1));
        next.is_some_and(|(next, hops)| self.arrives(next, labels, hops))
    }

    /// Whether a packet that comes to a machine crosses the link from there. Without a label it has come out of the core.
    fn arrives(&self, node: NodeId, mut labels: Vec<Label>, hops: usize) -> bool {
        let tables = &self.net.node(node).host.forwarder;
        let Some(top) = labels.pop() else { return false };
        match tables.ilm(top).map(|ilm| ilm.action) {
            Some(IlmAction::Forward(_)) => self.along(node, &Path::of_label(tables, top), labels, hops),
            Some(IlmAction::Replicate(group)) => self.copies(node, group, &labels, hops),
            // A label of this router's own above that of a VPN.
            Some(IlmAction::PopLookup(_)) => self.arrives(node, labels, hops),
            _ => false,
        }
    }

    /// Whether a copy that a group makes crosses the link.
    fn copies(&self, node: NodeId, group: ReplicationId, labels: &[Label], hops: usize) -> bool {
        self.net.node(node).host.forwarder.legs(group).any(|(_, target)| match target {
            LegTarget::Nhlfe(id) => self.by(node, id, labels.to_vec(), hops),
            LegTarget::Group(other) => self.copies(node, other, labels, hops),
            LegTarget::Interface(iface) => self.leaves(node, iface, Vec::new(), hops),
            _ => false,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::time::Duration;

    use bumpalo::Bump;
    use fwd_core::net::{LabelStack, Mac, TunnelId};
    use fwd_core::op::{Ilm, Mroute, MulticastVrf, NextHop, Nhlfe, Origin, Rpf, TunnelModel, VsiOrVrf};
    use fwd_core::table::Sizes;

    use super::*;
    use crate::sim::core::{Core, Loopbacks, set_route_in};
    use crate::sim::link::LinkConfig;
    use crate::sim::network::Transport;
    use crate::sim::packet::{ethernet, ip_packet};
    use crate::sim::provider::{Provider, RouterId, Site};

    const SIZES: Sizes =
        Sizes { interfaces: 16, vrfs: 4, nhlfes: 1100, labels: 20_100, routes4: 64, routes6: 64, ..Sizes::NONE };
    const A: VrfId = VrfId(1);
    const B: VrfId = VrfId(2);
    const MODEL: TunnelModel = TunnelModel::Uniform;

    /// ```text
    /// PE0 --- P3 --- P4 --- PE1        VPN A at all PEs, VPN B at the first two
    ///          |
    ///         PE2
    /// ```
    struct Lab<'m> {
        provider: Provider<'m, ()>,
        routers: Vec<RouterId>,
        /// By VPN and PE.
        sites: BTreeMap<(VrfId, usize), Site>,
    }

    fn host(pe: usize) -> IpAddr {
        IpAddr::from([10, 0, pe as u8, 1])
    }

    fn label(n: u32) -> Label {
        Label::from_low_bits(n)
    }

    fn vpn_label(vrf: VrfId, pe: usize) -> Label {
        label(10_000 + 100 * u32::from(vrf.0) + pe as u32)
    }

    fn to_pe(vrf: VrfId, pe: usize) -> NhlfeId {
        NhlfeId(1000 + 10 * u32::from(vrf.0) + pe as u32)
    }

    fn lab(arena: &Bump) -> Lab<'_> {
        let mut provider: Provider<'_, ()> = Provider::new(arena, 1, Transport::Links);
        let loopback = |n| Loopbacks { v4: Some([192, 0, 2, n].into()), v6: None };
        let names = (0..).zip(["PE0", "PE1", "PE2", "P3", "P4"]);
        let routers: Vec<RouterId> =
            names.map(|(n, name)| provider.add_router(name, &SIZES, loopback(n), ())).collect();
        for (a, b) in [(0, 3), (3, 4), (4, 1), (3, 2)] {
            provider.add_core_link(routers[a], routers[b], 10, LinkConfig::default());
        }
        let mut sites = BTreeMap::new();
        for (vrf, pes) in [(A, 0..3), (B, 0..2)] {
            for pe in pes.clone() {
                let ce = provider.add_customer(&format!("CE-{}-{pe}", vrf.0), &SIZES, ());
                let site = provider.attach(routers[pe], vrf, ce, LinkConfig::default());
                provider.apply(ce, &set_route_in(VrfId::GLOBAL, host(pe), RouteAction::Local));
                let ilm = Ilm { action: IlmAction::PopLookup(vrf), model: MODEL };
                provider.apply(site.pe, &FwdOp::SetIlm { label: vpn_label(vrf, pe), ilm });
                provider.apply(site.pe, &set_route_in(vrf, host(pe), RouteAction::Forward(site.to_ce)));
                for other in pes.clone().filter(|other| *other != pe) {
                    let (push, id) = (LabelStack::single(vpn_label(vrf, other)), to_pe(vrf, other));
                    let nhlfe = Nhlfe { push, next: NextHop::Nhlfe(Core::transport(other, 0)), model: MODEL };
                    provider.apply(site.pe, &FwdOp::SetNhlfe { id, nhlfe });
                    provider.apply(site.pe, &set_route_in(vrf, host(other), RouteAction::Forward(id)));
                }
                sites.insert((vrf, pe), site);
            }
        }
        provider.converge();
        Lab { provider, routers, sites }
    }

    impl Lab<'_> {
        /// A branch of a tree: an entry of a router that sends to its neighbour by a core link with this label.
        fn branch(&mut self, router: usize, link: usize, id: u32, push: u32) -> LegTarget {
            let node = self.provider.node_of(self.routers[router]);
            let (iface, mac) = self.provider.net.far_end(self.provider.core_links[link], node);
            let push = LabelStack::single(label(push));
            let nhlfe = Nhlfe { push, next: NextHop::Neighbor { iface, mac }, model: MODEL };
            self.provider.apply(node, &FwdOp::SetNhlfe { id: NhlfeId(id), nhlfe });
            LegTarget::Nhlfe(NhlfeId(id))
        }

        fn group(&mut self, node: NodeId, owner: VrfId, id: u32, legs: &[LegTarget]) -> ReplicationId {
            let group = ReplicationId(id);
            self.provider.apply(node, &FwdOp::SetReplication { id: group, owner: VsiOrVrf::Vrf(owner) });
            for (leg, target) in (0..).zip(legs) {
                self.provider.apply(node, &FwdOp::SetLeg { group, leg, target: *target });
            }
            group
        }

        fn flow(&mut self, vrf: VrfId, pe: usize, flow: u8, rpf: Origin, legs: &[LegTarget]) {
            let node = self.sites[&(vrf, pe)].pe;
            let group = self.group(node, vrf, 10 * u32::from(vrf.0) + u32::from(flow), legs);
            let multicast = MulticastVrf { punt_no_route: false };
            self.provider.apply(node, &FwdOp::SetMulticastVrf { vrf, multicast });
            let (rpf, replication) = (Rpf::From(rpf), Some(group));
            let mroute = Mroute { rpf, replication, punt_wrong_interface: false, register: false, spt: None };
            self.provider.apply(node, &FwdOp::SetMroute { vrf, key: key(flow), mroute });
        }

        /// What ends at a PE with this label is a flow of a VPN that its CE gets.
        fn leaf(&mut self, vrf: VrfId, pe: usize, flow: u8, incoming: u32) {
            let tunnel = TunnelId(10 * u32::from(vrf.0) + u32::from(flow));
            let site = self.sites[&(vrf, pe)];
            let ilm = Ilm { action: IlmAction::Multicast(tunnel), model: MODEL };
            self.provider.apply(site.pe, &FwdOp::SetMulticastTunnel { tunnel, vrf });
            self.provider.apply(site.pe, &FwdOp::SetIlm { label: label(incoming), ilm });
            self.flow(vrf, pe, flow, Origin::Tunnel(tunnel), &[LegTarget::Interface(site.pe_iface)]);
        }

        fn root(&mut self, vrf: VrfId, flow: u8, leg: LegTarget) {
            let iface = self.sites[&(vrf, 0)].pe_iface;
            self.flow(vrf, 0, flow, Origin::Interface(iface), &[leg]);
        }

        /// A tree of VPN A to both other PEs; one to the near PE only; and VPN B by a copy to its other PE.
        fn trees(&mut self) {
            let leg = self.branch(0, 0, 1040, 15_000);
            self.root(A, 1, leg);
            let legs = [self.branch(3, 1, 1041, 15_001), self.branch(3, 3, 1042, 15_002)];
            let p3 = self.provider.node_of(self.routers[3]);
            let group = self.group(p3, VrfId::GLOBAL, 1, &legs);
            let ilm = Ilm { action: IlmAction::Replicate(group), model: MODEL };
            self.provider.apply(p3, &FwdOp::SetIlm { label: label(15_000), ilm });
            let p4 = self.provider.node_of(self.routers[4]);
            let legs = [self.branch(4, 2, 1041, 15_003)];
            let group = self.group(p4, VrfId::GLOBAL, 1, &legs);
            let ilm = Ilm { action: IlmAction::Replicate(group), model: MODEL };
            self.provider.apply(p4, &FwdOp::SetIlm { label: label(15_001), ilm });
            self.leaf(A, 1, 1, 15_003);
            self.leaf(A, 2, 1, 15_002);
            let leg = self.branch(0, 0, 1043, 15_010);
            self.root(A, 2, leg);
            let LegTarget::Nhlfe(id) = self.branch(3, 3, 1044, 15_011) else { unreachable!() };
            let ilm = Ilm { action: IlmAction::Forward(id), model: MODEL };
            self.provider.apply(p3, &FwdOp::SetIlm { label: label(15_010), ilm });
            self.leaf(A, 2, 2, 15_011);
            let push = LabelStack::single(label(15_020));
            let nhlfe = Nhlfe { push, next: NextHop::Nhlfe(Core::transport(1, 0)), model: MODEL };
            let pe = self.sites[&(B, 0)].pe;
            self.provider.apply(pe, &FwdOp::SetNhlfe { id: NhlfeId(1050), nhlfe });
            self.root(B, 1, LegTarget::Nhlfe(NhlfeId(1050)));
            self.leaf(B, 1, 1, 15_020);
        }

        fn sent_to_ce(&self, vrf: VrfId, pe: usize) -> u64 {
            self.provider.net.link_counters(self.sites[&(vrf, pe)].link)[0].delivered
        }

        /// What packets find, each sent once: destinations that are not reached, and flows that miss a receiver.
        fn lost(&mut self) -> Impact {
            let mut lost = Impact::default();
            let sites = self.sites.clone();
            for (&(vrf, from), site) in &sites {
                for &(_, to) in sites.keys().filter(|(v, pe)| *v == vrf && *pe != from) {
                    let before = self.sent_to_ce(vrf, to);
                    let packet = ip_packet(host(from), host(to), 17, 64, b"unicast").unwrap();
                    self.provider.net.send_packet(site.ce, VrfId::GLOBAL, &packet);
                    self.provider.net.run_for(Duration::from_secs(1));
                    if self.sent_to_ce(vrf, to) == before {
                        lost.routes.entry((site.pe, vrf)).or_default().insert(prefix(to));
                    }
                }
            }
            for (vrf, flow, receivers) in [(A, 1, &[1, 2][..]), (A, 2, &[2]), (B, 1, &[1])] {
                let before: Vec<u64> = receivers.iter().map(|pe| self.sent_to_ce(vrf, *pe)).collect();
                let site = sites[&(vrf, 0)];
                let packet = ip_packet(host(0), group(flow).into(), 17, 64, b"multicast").unwrap();
                let frame = ethernet(Mac([1, 0, 0x5e, 1, 1, flow]), Mac([2, 0, 0, 0, 0, 9]), 0x0800, &packet);
                let (iface, _) = self.provider.net.far_end(site.link, site.ce);
                self.provider.net.send_frame(site.ce, iface, &frame);
                self.provider.net.run_for(Duration::from_secs(1));
                if receivers.iter().zip(before).any(|(pe, before)| self.sent_to_ce(vrf, *pe) == before) {
                    lost.flows.insert((site.pe, vrf, key(flow)));
                }
            }
            lost
        }
    }

    fn group(flow: u8) -> Ipv4Addr {
        Ipv4Addr::new(232, 1, 1, flow)
    }

    fn key(flow: u8) -> MrouteKey {
        MrouteKey::Source4 { source: Ipv4Addr::new(10, 0, 0, 1), group: group(flow) }
    }

    fn prefix(pe: usize) -> IpPrefix {
        IpPrefix::V4(fwd_core::net::Ipv4Prefix::host(Ipv4Addr::new(10, 0, pe as u8, 1)))
    }

    /// Every link of the core is cut in turn: what is said beforehand is what packets then find, no more and no less.
    ///
    /// Shows: L3VPN-REF-14
    #[test]
    fn a_cut_link_hits_whom_the_forwarding_planes_say() {
        let arena = Bump::new();
        let mut lab = lab(&arena);
        lab.trees();
        assert_eq!(lab.lost(), Impact::default());
        let mut seen = Vec::new();
        for link in lab.provider.core_links.clone() {
            let impact = of_link(&lab.provider.net, link);
            lab.provider.net.partition(link, Duration::ZERO, Duration::from_secs(60));
            lab.provider.net.run_for(Duration::from_millis(1));
            assert_eq!(lab.lost(), impact);
            lab.provider.net.run_for(Duration::from_secs(60));
            seen.push(impact);
        }
        assert_eq!(lab.lost(), Impact::default());
        // Between the P routers: VPN B whole, of VPN A what goes to the far PE; the flow to the near one is left alone.
        let pes = [0, 1, 2].map(|pe| lab.sites[&(A, pe)].pe);
        assert_eq!(seen[1].flows.iter().copied().collect::<Vec<_>>(), [(pes[0], A, key(1)), (pes[0], B, key(1))]);
        let vrfs: Vec<_> = seen[1].routes.keys().copied().collect();
        assert_eq!(vrfs, [(pes[0], A), (pes[0], B), (pes[1], A), (pes[1], B), (pes[2], A)]);
        assert_eq!(seen[1].routes[&(pes[0], A)], BTreeSet::from([prefix(1)]));
        // To the near PE: nothing of VPN B.
        assert!(seen[3].routes.keys().all(|(_, vrf)| *vrf == A) && seen[3].flows.iter().all(|(_, vrf, _)| *vrf == A));
        assert_eq!(seen[3].flows.len(), 2);
    }
}
