//! Inter-AS trees as a PE receives them: one for each AS of the MVPN (RFC 6514 §9.2.3.4).

use core::net::IpAddr;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use bgp_vpn::nlri::RouteDistinguisher;
use bgp_vpn::nlri::mcast_vpn::InterAsIPmsiAd;
use fwd_core::net::{Label, TunnelId};
use fwd_core::op::{FwdOp, Origin};
use fwd_core::time::Instant;

use super::attributes::{McastAttributes, Target};
use super::config::InterAs;
use super::event::MvpnReject;
use super::i_pmsi::is_tree;
use super::instance::Mvrf;
use super::io::CTree;
use super::p_tunnel::{PTunnel, PmsiTunnelValue};
use super::route::{AdRoute, McastKind, McastRoute};
use super::shared::{Shared, Timer};
use super::umh::Umh;
use crate::pim::wire::AddressFamily;

/// What an Inter-AS I-PMSI A-D route says.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Said {
    /// The ASBR or ABR that the way to the AS goes by.
    by: IpAddr,
    pmsi: Option<PmsiTunnelValue>,
}

/// Another AS of the MVPN.
#[derive(Clone, Debug, Default)]
pub(super) struct AsTree {
    /// Its ASBRs may have RDs of their own: the lowest is taken (RFC 6514 §9.2, option 2).
    routes: BTreeMap<RouteDistinguisher, BTreeMap<AddressFamily, Said>>,
    /// What its packets arrive by, and how many PEs of the AS need it, the tree itself included.
    tunnel: Option<(TunnelId, usize)>,
    reception: Reception,
    /// The way that it is still received by, and what its packets arrive by: the ASBR of the other has to send first (RFC 7988 §10).
    old: Option<(TunnelId, Reception)>,
}

/// What is done to receive a tree by one of its routes.
#[derive(Clone, Debug, Default)]
struct Reception {
    by: Option<RouteDistinguisher>,
    joined: BTreeMap<PTunnel, Option<Label>>,
    label: Option<Label>,
    leaves: BTreeSet<McastRoute>,
}

impl Reception {
    fn is_idle(&self) -> bool {
        self.label.is_none() && self.joined.is_empty() && self.leaves.is_empty()
    }
}

impl AsTree {
    /// Whether an RD is that of one of its routes.
    pub(super) fn has_way(&self, rd: RouteDistinguisher) -> bool {
        self.routes.contains_key(&rd)
    }

    /// What its packets are expected by.
    fn expected_by(&self) -> Option<TunnelId> {
        let old = self.old.as_ref().map(|(tunnel, _)| *tunnel);
        old.or(self.tunnel.map(|(tunnel, _)| tunnel))
    }

    /// The RD of C-multicast routes to the AS, and the router that they are for.
    fn way(&self) -> Option<(RouteDistinguisher, IpAddr)> {
        let (rd, said) = self.routes.first_key_value()?;
        Some((*rd, said.values().next()?.by))
    }

    fn is_over(&self) -> bool {
        self.routes.is_empty() && self.tunnel.is_none()
    }
}

impl Mvrf {
    /// The RD of C-multicast routes to an AS, and the router that they are for (RFC 6514 §11.1.3).
    pub(super) fn way_to_as(&self, asn: u32) -> Option<(RouteDistinguisher, IpAddr)> {
        self.ases.get(&asn)?.way()
    }

    /// What the inter-AS tree of an AS arrives by. `None`: there are no numbers left.
    pub(super) fn hold_as(&mut self, shared: &mut Shared, now: Instant, asn: u32) -> Option<TunnelId> {
        let tree = self.ases.entry(asn).or_default();
        match &mut tree.tunnel {
            Some((_, uses)) => {
                *uses = uses.saturating_add(1);
                tree.expected_by()
            }
            None => {
                let tunnel = shared.new_tunnel(now, self.config.vrf);
                tree.tunnel = tunnel.map(|tunnel| (tunnel, 1));
                if tree.is_over() {
                    self.ases.remove(&asn);
                }
                tunnel
            }
        }
    }

    /// One less needs it.
    pub(super) fn release_as(&mut self, shared: &mut Shared, asn: u32) {
        let Some(tree) = self.ases.get_mut(&asn) else { return };
        if let Some((tunnel, uses)) = &mut tree.tunnel {
            *uses = uses.saturating_sub(1);
            if *uses == 0 {
                shared.drop_tunnel(*tunnel);
                tree.tunnel = None;
            }
        }
        let is_over = tree.is_over();
        if let Some((tunnel, old)) = tree.old.take_if(|_| tree.tunnel.is_none()) {
            shared.timers.clear(Timer::AsParting(self.config.vrf, asn));
            self.end_reception(shared, tunnel, old);
            shared.drop_tunnel(tunnel);
        }
        if is_over {
            self.ases.remove(&asn);
        }
    }

    /// The tunnel of the inter-AS tree of an AS.
    pub(super) fn tunnel_of_as(&self, asn: u32, family: AddressFamily) -> Option<PTunnel> {
        let (_, said) = self.ases.get(&asn)?.routes.first_key_value()?;
        Some(said.get(&family)?.pmsi.as_ref()?.tunnel.clone())
    }

    /// An Inter-AS I-PMSI A-D route came, changed or went.
    pub(super) fn as_changed(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        family: AddressFamily,
        ad: InterAsIPmsiAd,
        attributes: Option<&McastAttributes>,
    ) {
        if self.config.inter_as != InterAs::Segmented || ad.source_as == shared.config.asn {
            return;
        }
        let asn = ad.source_as;
        match attributes {
            Some(attributes) => {
                let said = Said { by: attributes.leaves_report_to(), pmsi: attributes.pmsi.clone() };
                self.ases.entry(asn).or_default().routes.entry(ad.rd).or_default().insert(family, said);
            }
            None => {
                let Some(tree) = self.ases.get_mut(&asn) else { return };
                if let Some(families) = tree.routes.get_mut(&ad.rd) {
                    families.remove(&family);
                    if families.is_empty() {
                        tree.routes.remove(&ad.rd);
                    }
                }
            }
        }
        self.receive_as(shared, now, asn);
        let is_there = |umh: Option<Umh>| matches!(umh, Some(Umh::Remote { source_as: Some(of), .. }) if of == asn);
        // Trees without a way to their AS have no route, but know where they lead.
        let trees: Vec<CTree> = self.trees.iter().filter(|(_, t)| is_there(t.umh)).map(|(tree, _)| *tree).collect();
        trees.into_iter().for_each(|tree| self.update_tree(shared, now, tree));
    }

    /// Receives the tree of an AS as its routes say: joins its tunnel, is a leaf of it.
    fn receive_as(&mut self, shared: &mut Shared, now: Instant, asn: u32) {
        let Some(tree) = self.ases.get(&asn) else { return };
        let receives = self.config.sites.receivers;
        let first = tree.routes.first_key_value().filter(|_| receives);
        let by = first.map(|(rd, _)| *rd);
        let said: Vec<(RouteDistinguisher, AddressFamily, Said)> = first
            .into_iter()
            .flat_map(|(rd, families)| families.iter().map(|(family, said)| (*rd, *family, said.clone())))
            .filter(|(.., said)| said.pmsi.is_some())
            .collect();
        let was = !tree.reception.is_idle();
        let old_is_over = tree.old.as_ref().is_some_and(|(_, old)| !old.by.is_some_and(|rd| tree.has_way(rd)));
        let moves = was && tree.reception.by != by && tree.reception.by.is_some_and(|rd| tree.has_way(rd));
        if old_is_over || tree.old.is_some() && (moves || said.is_empty()) {
            self.as_parted(shared, asn);
        }
        if said.is_empty() {
            self.forget_as(shared, asn, was);
            return;
        }
        if !was && self.hold_as(shared, now, asn).is_none() {
            return;
        }
        if moves {
            self.part_as(shared, now, asn);
        }
        let Some(mut tree) = self.ases.remove(&asn) else { return };
        if let Some((arrives_by, _)) = tree.tunnel {
            let mut reception = core::mem::take(&mut tree.reception);
            reception.by = by;
            self.join_as(shared, now, &mut reception, &said, arrives_by);
            self.announce_as(shared, now, &mut reception, (asn, &said), arrives_by);
            tree.reception = reception;
        }
        let is_idle = tree.reception.is_idle();
        self.ases.insert(asn, tree);
        if is_idle {
            self.release_as(shared, asn);
        }
    }

    /// A better way to an AS: the tree is received by both for a while, and what comes by the new one does not count yet.
    fn part_as(&mut self, shared: &mut Shared, now: Instant, asn: u32) {
        let Some(tree) = self.ases.get_mut(&asn) else { return };
        let Some((old, uses)) = tree.tunnel else { return };
        let Some(new) = shared.new_tunnel(now, self.config.vrf) else { return };
        tree.tunnel = Some((new, uses));
        tree.old = Some((old, core::mem::take(&mut tree.reception)));
        let until = now + shared.config.timers.switch_over;
        shared.timers.set(Timer::AsParting(self.config.vrf, asn), until);
    }

    /// Now it does, and the old one is left.
    pub(super) fn as_parted(&mut self, shared: &mut Shared, asn: u32) {
        shared.timers.clear(Timer::AsParting(self.config.vrf, asn));
        let Some(tree) = self.ases.get_mut(&asn) else { return };
        let Some((old, reception)) = tree.old.take() else { return };
        let Some((new, _)) = tree.tunnel else { return };
        for upstream in self.upstreams.values_mut().filter(|upstream| upstream.asn == Some(asn)) {
            if let Some((set, other)) = upstream.set.as_mut().filter(|(_, other)| *other == old) {
                shared.op(FwdOp::SetRpfMember { set: *set, from: Origin::Tunnel(new) });
                shared.op(FwdOp::ClearRpfMember { set: *set, from: Origin::Tunnel(old) });
                *other = new;
            }
        }
        self.end_reception(shared, old, reception);
        shared.drop_tunnel(old);
    }

    fn join_as(
        &self,
        shared: &mut Shared,
        now: Instant,
        tree: &mut Reception,
        said: &[(RouteDistinguisher, AddressFamily, Said)],
        arrives_by: TunnelId,
    ) {
        let tunnels = said.iter().filter_map(|(.., said)| said.pmsi.as_ref()).filter(|value| is_tree(&value.tunnel));
        let wanted: BTreeMap<PTunnel, Option<Label>> = tunnels.map(|v| (v.tunnel.clone(), v.label)).collect();
        let gone = tree.joined.iter().filter(|(tunnel, label)| wanted.get(*tunnel) != Some(*label));
        let gone: Vec<(PTunnel, Option<Label>)> = gone.map(|(tunnel, label)| (tunnel.clone(), *label)).collect();
        for (tunnel, label) in gone {
            shared.leave(&tunnel, label, arrives_by);
            tree.joined.remove(&tunnel);
        }
        for (tunnel, label) in wanted {
            if tree.joined.contains_key(&tunnel) {
                continue;
            }
            if shared.join(&tunnel, label, arrives_by, None) {
                tree.joined.insert(tunnel, label);
            } else if let Some((rd, family, _)) = said.first() {
                let ad = InterAsIPmsiAd { rd: *rd, source_as: 0 };
                let route = McastRoute { family: *family, kind: McastKind::Ad(AdRoute::InterAsIPmsi(ad)) };
                shared.reject(now, self.config.vrf, MvpnReject::TunnelInUse, route);
            }
        }
    }

    // RFC 6514 §9.2.3.4.1
    fn announce_as(
        &self,
        shared: &mut Shared,
        now: Instant,
        tree: &mut Reception,
        (asn, said): (u32, &[(RouteDistinguisher, AddressFamily, Said)]),
        arrives_by: TunnelId,
    ) {
        let replicates = |value: &PmsiTunnelValue| matches!(value.tunnel, PTunnel::IngressReplication(_));
        let needs_label = said.iter().any(|(.., said)| said.pmsi.as_ref().is_some_and(replicates));
        if needs_label && tree.label.is_none() {
            tree.label = shared.new_label(now, self.config.vrf, arrives_by);
        }
        let mut leaves = BTreeSet::new();
        let ours = shared.config.router;
        for (rd, family, Said { by, pmsi }) in said {
            let Some(pmsi) = pmsi.as_ref().filter(|p| p.leaf_information_required || replicates(p)) else { continue };
            let mut attributes = McastAttributes::new(ours, alloc::vec![Target::router(*by)]);
            attributes.no_export = true;
            if replicates(pmsi) {
                let Some(label) = tree.label else { continue };
                let value = PmsiTunnelValue::new(PTunnel::IngressReplication(ours));
                attributes.pmsi = Some(PmsiTunnelValue { label: Some(label), ..value });
            }
            let key = AdRoute::InterAsIPmsi(InterAsIPmsiAd { rd: *rd, source_as: asn });
            let leaf = McastRoute { family: *family, kind: McastKind::Leaf { key, originator: ours } };
            shared.originate(self.config.vrf, leaf, attributes);
            leaves.insert(leaf);
        }
        for gone in tree.leaves.difference(&leaves) {
            shared.withdraw(self.config.vrf, *gone);
        }
        tree.leaves = leaves;
        if !needs_label {
            if let Some(label) = tree.label.take() {
                shared.drop_label(label);
            }
        }
    }

    /// Receives the tree of an AS no more.
    fn forget_as(&mut self, shared: &mut Shared, asn: u32, was_received: bool) {
        let Some(tree) = self.ases.get_mut(&asn) else { return };
        let reception = core::mem::take(&mut tree.reception);
        if let Some((tunnel, _)) = tree.tunnel {
            self.end_reception(shared, tunnel, reception);
        }
        if was_received {
            self.release_as(shared, asn);
        } else if self.ases.get(&asn).is_some_and(AsTree::is_over) {
            self.ases.remove(&asn);
        }
    }

    fn end_reception(&self, shared: &mut Shared, tunnel: TunnelId, reception: Reception) {
        for leaf in reception.leaves {
            shared.withdraw(self.config.vrf, leaf);
        }
        for (joined, label) in reception.joined {
            shared.leave(&joined, label, tunnel);
        }
        if let Some(label) = reception.label {
            shared.drop_label(label);
        }
    }

    /// Ends what the MVRF has with other ASes.
    pub(super) fn stop_ases(&mut self, shared: &mut Shared, now: Instant) {
        let ases: Vec<u32> = self.ases.keys().copied().collect();
        for asn in ases {
            if let Some(tree) = self.ases.get_mut(&asn) {
                tree.routes.clear();
            }
            self.receive_as(shared, now, asn);
        }
    }
}
