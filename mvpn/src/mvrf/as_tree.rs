//! Inter-AS trees as a PE receives them: one for each AS of the MVPN (RFC 6514 §9.2.3.4).

use core::net::IpAddr;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use bgp_vpn::nlri::RouteDistinguisher;
use bgp_vpn::nlri::mcast_vpn::InterAsIPmsiAd;
use fwd_core::net::{Label, TunnelId};
use fwd_core::time::Instant;

use super::attributes::{McastAttributes, Target};
use super::config::InterAs;
use super::event::MvpnReject;
use super::i_pmsi::is_tree;
use super::instance::Mvrf;
use super::io::CTree;
use super::p_tunnel::{PTunnel, PmsiTunnelValue};
use super::route::{AdRoute, McastKind, McastRoute};
use super::shared::Shared;
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
    joined: BTreeMap<PTunnel, Option<Label>>,
    label: Option<Label>,
    leaves: BTreeSet<McastRoute>,
}

impl AsTree {
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
            Some((tunnel, uses)) => {
                *uses = uses.saturating_add(1);
                Some(*tunnel)
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
        if tree.is_over() {
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
        let said: Vec<(RouteDistinguisher, AddressFamily, Said)> = first
            .into_iter()
            .flat_map(|(rd, families)| families.iter().map(|(family, said)| (*rd, *family, said.clone())))
            .filter(|(.., said)| said.pmsi.is_some())
            .collect();
        let was = tree.label.is_some() || !tree.joined.is_empty() || !tree.leaves.is_empty();
        if said.is_empty() {
            self.forget_as(shared, asn, was);
            return;
        }
        if !was && self.hold_as(shared, now, asn).is_none() {
            return;
        }
        let Some(mut tree) = self.ases.remove(&asn) else { return };
        let Some((arrives_by, _)) = tree.tunnel else { return };
        self.join_as(shared, now, &mut tree, &said, arrives_by);
        self.announce_as(shared, now, &mut tree, (asn, &said), arrives_by);
        let is_idle = tree.label.is_none() && tree.joined.is_empty() && tree.leaves.is_empty();
        self.ases.insert(asn, tree);
        if is_idle {
            self.release_as(shared, asn);
        }
    }

    fn join_as(
        &self,
        shared: &mut Shared,
        now: Instant,
        tree: &mut AsTree,
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
        tree: &mut AsTree,
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
        for leaf in core::mem::take(&mut tree.leaves) {
            shared.withdraw(self.config.vrf, leaf);
        }
        if let Some((tunnel, _)) = tree.tunnel {
            for (joined, label) in core::mem::take(&mut tree.joined) {
                shared.leave(&joined, label, tunnel);
            }
        }
        if let Some(label) = tree.label.take() {
            shared.drop_label(label);
        }
        if was_received {
            self.release_as(shared, asn);
        } else if tree.is_over() {
            self.ases.remove(&asn);
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
