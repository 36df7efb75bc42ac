//! What PEs say of bidirectional groups: S-PMSI A-D routes of the upstream PEs, PE Distinguisher Labels, Leaf A-D routes.

use core::net::IpAddr;

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use bgp_vpn::nlri::RouteDistinguisher;
use bgp_vpn::nlri::mcast_vpn::CGroup;
use fwd_core::net::Label;
use fwd_core::time::Instant;

use super::BidirModel;
use crate::mvrf::attributes::McastAttributes;
use crate::mvrf::event::{MvpnLimit, MvpnReject};
use crate::mvrf::instance::{Mvrf, PeKey};
use crate::mvrf::io::CTree;
use crate::mvrf::p_tunnel::{PTunnel, PmsiTunnelValue};
use crate::mvrf::route::{AdRoute, McastKind, McastRoute, SFlow};
use crate::mvrf::shared::Shared;
use crate::mvrf::umh::holds;
use crate::pim::wire::AddressFamily;

/// Whether each PE and each label is there once (RFC 7582 §3.2.2.1).
fn is_sound(labels: &[(IpAddr, Label)]) -> bool {
    let (pes, values): (BTreeSet<IpAddr>, BTreeSet<Label>) = labels.iter().copied().unzip();
    pes.len() == labels.len() && values.len() == labels.len()
}

impl Mvrf {
    /// The S-PMSI A-D route of another PE for bidirectional groups.
    pub(super) fn offer(&self, key: PeKey, flow: &SFlow) -> Option<&McastAttributes> {
        match flow.group {
            CGroup::AnyBidir => self.bidir.offers.get(&(key, *flow)),
            _ => self.s_in.get(&(key, *flow)).filter(|s| !s.is_withdrawn).map(|s| &s.attributes),
        }
    }

    /// The groups that another PE has S-PMSIs for.
    pub(super) fn offered_groups(&self, key: PeKey) -> Vec<SFlow> {
        let of_pe = self.s_in.range((key, SFlow::all(AddressFamily::V4))..).take_while(|((of, _), _)| *of == key);
        of_pe.map(|((_, flow), _)| *flow).filter(|flow| self.is_bidir_flow(flow)).collect()
    }

    /// A (C-*,C-*-BIDIR) S-PMSI A-D route of another PE came, changed or went (RFC 7582 §2).
    pub(in crate::mvrf) fn bidir_offer_changed(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        (key, flow): (PeKey, SFlow),
        attributes: Option<McastAttributes>,
    ) {
        if self.config.bidir.is_none() {
            return;
        }
        let attributes = attributes.filter(|a| {
            let is_good = is_sound(&a.pe_labels);
            if !is_good {
                self.reject_offer(shared, now, key, flow);
            }
            is_good
        });
        match attributes {
            Some(attributes) => {
                let is_new = !self.bidir.offers.contains_key(&(key, flow));
                if is_new && self.s_pmsis_known() >= self.config.limits.s_pmsis {
                    return shared.limit(now, self.config.vrf, MvpnLimit::SPmsis);
                }
                self.bidir.offers.insert((key, flow), attributes);
            }
            None => {
                self.bidir.offers.remove(&(key, flow));
            }
        }
        self.update_distinguisher(shared, now, key.address);
        match self.config.bidir {
            // It may be the root's, with labels of other PEs.
            Some(BidirModel::Hierarchical { .. }) => self.update_all(shared, now, flow),
            _ => self.update_channel(shared, now, key, flow),
        }
    }

    fn update_all(&mut self, shared: &mut Shared, now: Instant, flow: SFlow) {
        let keys: Vec<PeKey> = self.bidir.partitions.keys().copied().collect();
        keys.into_iter().for_each(|key| self.update_channel(shared, now, key, flow));
    }

    /// A (C-*,C-G) S-PMSI A-D route of another PE came, changed or went.
    pub(in crate::mvrf) fn group_offer_changed(&mut self, shared: &mut Shared, now: Instant, key: PeKey, flow: SFlow) {
        if self.is_bidir_flow(&flow) {
            self.update_channel(shared, now, key, flow);
        }
    }

    pub(super) fn reject_offer(&self, shared: &mut Shared, now: Instant, key: PeKey, flow: SFlow) {
        let route = McastRoute::s_pmsi(key.rd, flow, key.address);
        shared.reject(now, self.config.vrf, MvpnReject::Bidir, route);
    }

    /// A Leaf A-D route came, changed or went. Which groups are bidirectional may have changed since it came.
    pub(in crate::mvrf) fn any_leaf_changed(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        (route, key, leaf): (McastRoute, AdRoute, IpAddr),
        attributes: Option<&McastAttributes>,
    ) {
        let AdRoute::SPmsi { rd, flow, originator } = key else { return };
        let is_bidir = self.is_bidir_flow(&flow) || originator != shared.config.router;
        if is_bidir || attributes.is_none() {
            self.bidir_leaf_changed(shared, now, (PeKey { address: originator, rd }, flow, leaf), attributes);
        }
        if !is_bidir || attributes.is_none() {
            self.leaf_changed(shared, now, (route, key, leaf), attributes);
        }
    }

    /// A Leaf A-D route that answers an S-PMSI of bidirectional groups, whoever's that is (RFC 7740 §2.1).
    fn bidir_leaf_changed(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        (key, flow, leaf): (PeKey, SFlow, IpAddr),
        attributes: Option<&McastAttributes>,
    ) {
        let known = self.bidir.leaves.get(&(key, flow)).is_some_and(|leaves| leaves.contains_key(&leaf));
        match attributes {
            Some(attributes) => {
                if !known && self.leaf_count >= self.config.limits.leaves {
                    return shared.limit(now, self.config.vrf, MvpnLimit::Leaves);
                }
                self.leaf_count = self.leaf_count.saturating_add(usize::from(!known));
                let label = attributes.pmsi.as_ref().and_then(|p| p.label);
                self.bidir.leaves.entry((key, flow)).or_default().insert(leaf, label);
            }
            None if known => {
                self.leaf_count = self.leaf_count.saturating_sub(1);
                if let Some(leaves) = self.bidir.leaves.get_mut(&(key, flow)) {
                    leaves.remove(&leaf);
                    if leaves.is_empty() {
                        self.bidir.leaves.remove(&(key, flow));
                    }
                }
            }
            None => return,
        }
        if self.config.bidir == Some(BidirModel::IngressReplication) {
            self.update_copies(shared, now, key, flow);
        }
    }

    /// The customers' PIM joined or pruned a bidirectional group on the PMSI, or other PEs did so here.
    pub(in crate::mvrf) fn bidir_join_changed(&mut self, shared: &mut Shared, now: Instant, tree: CTree) {
        let CTree::Shared { group, rp } = tree else { return };
        if !self.has_bidir() {
            return;
        }
        let is_joined = self.trees.get(&tree).is_some_and(|known| known.is_wanted()) && self.rpa_of(group) == Some(rp);
        let groups = self.bidir.joined.entry(rp).or_default();
        let changed = if is_joined { groups.insert(group) } else { groups.remove(&group) };
        if groups.is_empty() {
            self.bidir.joined.remove(&rp);
        }
        self.update_group_lsp(shared, now, group, rp);
        self.update_own_group(shared, now, group);
        if let Some(key) = self.bidir.upstream(rp).filter(|_| changed) {
            let flow = SFlow::any_source(group);
            self.update_channel(shared, now, key, flow);
            self.update_channel(shared, now, key, SFlow::all_bidir(flow.family));
        }
    }

    /// Whether a group has an S-PMSI of its own: this PE is the upstream PE, other PEs joined the group, and the operator wants it so.
    pub(super) fn update_own_group(&mut self, shared: &mut Shared, now: Instant, group: IpAddr) {
        let own = self.own_key(shared);
        let rpa = self.rpa_of(group).filter(|rpa| self.bidir.upstream(*rpa) == Some(own));
        let join = rpa.and_then(|rp| self.joins.get(&CTree::Shared { group, rp }));
        let is_flat = !matches!(self.config.bidir, Some(BidirModel::Hierarchical { .. }));
        let is_wanted = is_flat
            && self.config.bidir.is_some()
            && self.in_band_rpa(group).is_none()
            && join.is_some_and(|join| join.is_active)
            && self.config.s_pmsi.always.iter().any(|range| holds(range, group));
        let was = self.bidir.own_groups.contains(&group);
        if was == is_wanted {
            return;
        }
        if is_wanted {
            let used = self.s_out.len().saturating_add(self.bidir.own_groups.len());
            if used >= self.config.limits.own_s_pmsis {
                return shared.limit(now, self.config.vrf, MvpnLimit::OwnSPmsis);
            }
            self.bidir.own_groups.insert(group);
        } else {
            self.bidir.own_groups.remove(&group);
        }
        self.update_channel(shared, now, own, SFlow::any_source(group));
    }

    /// Brings the S-PMSI A-D routes of this PE that are for all bidirectional groups up to date.
    pub(in crate::mvrf) fn announce_all_bidir(&mut self, shared: &mut Shared) {
        for family in self.config.families.clone() {
            self.announce_bidir(shared, SFlow::all_bidir(family));
        }
    }

    /// Brings an S-PMSI A-D route of this PE for bidirectional groups up to date.
    pub(super) fn announce_bidir(&mut self, shared: &mut Shared, flow: SFlow) {
        let vrf = self.config.vrf;
        let route = McastRoute::s_pmsi(self.config.rd, flow, shared.config.router);
        match self.bidir_attributes(shared, flow) {
            Some(attributes) => shared.originate(vrf, route, attributes),
            None => shared.withdraw(vrf, route),
        }
    }

    fn bidir_attributes(&mut self, shared: &mut Shared, flow: SFlow) -> Option<McastAttributes> {
        let (own, now) = (self.own_key(shared), shared.clock);
        let is_upstream = match flow.group {
            CGroup::AnyBidir => self.bidir.serves(own, flow.family),
            _ => self.bidir.partitions.get(&own).is_some_and(|partition| partition.channels.contains_key(&flow)),
        };
        let is_root = matches!(self.config.bidir?, BidirModel::Hierarchical { root, .. } if root == own.address);
        if !self.config.sites.receivers || !(is_upstream || is_root && flow.group == CGroup::AnyBidir) {
            return None;
        }
        let mut attributes = self.attributes(&shared.config);
        let value = match self.config.bidir? {
            BidirModel::IngressReplication => {
                let mut value = PmsiTunnelValue::new(PTunnel::IngressReplication(own.address));
                value.leaf_information_required = true;
                value.label = Some(self.partition_label(shared, now, own)?);
                value
            }
            BidirModel::FlatMp2mp => {
                let channel = self.bidir.partitions.get(&own)?.channels.get(&flow)?;
                PmsiTunnelValue::new(channel.tunnel.0.clone())
            }
            BidirModel::Hierarchical { .. } => PmsiTunnelValue::new(self.config.bidir?.outer()?),
        };
        attributes.pmsi = Some(value);
        if is_root {
            attributes.pe_labels = self.bidir.labels.iter().map(|(pe, label)| (*pe, *label)).collect();
        }
        Some(attributes)
    }

    /// The label that members of a partition replicate to: it tells the partition (RFC 7740 §2.1).
    fn partition_label(&mut self, shared: &mut Shared, now: Instant, key: PeKey) -> Option<Label> {
        let partition = self.bidir.partitions.get_mut(&key)?;
        if partition.label.is_none() {
            partition.label = shared.new_label(now, self.config.vrf, partition.arrives_by);
        }
        partition.label
    }

    /// The Leaf A-D route that answers the upstream PE's S-PMSI A-D route, while the customers joined a group of it (RFC 7740 §2.1).
    pub(in crate::mvrf) fn update_bidir_leaf(&mut self, shared: &mut Shared, now: Instant, key: PeKey, flow: SFlow) {
        let is_joined = |groups: &BTreeSet<IpAddr>| match flow.group {
            CGroup::Group(group) => groups.contains(&group),
            _ => groups.iter().any(|group| AddressFamily::of(*group) == flow.family),
        };
        let mut of_partition = self.bidir.joined.iter().filter(|(rpa, _)| self.bidir.upstream(**rpa) == Some(key));
        let is_wanted = self.config.sites.receivers
            && key != self.own_key(shared)
            && of_partition.any(|(_, groups)| is_joined(groups));
        let Some(channel) = self.bidir.partitions.get(&key).and_then(|p| p.channels.get(&flow)) else { return };
        let old = channel.reception.leaf;
        if old.is_some() == is_wanted {
            return;
        }
        if let Some(old) = old {
            shared.withdraw(self.config.vrf, old);
        }
        let leaf = if is_wanted { self.originate_bidir_leaf(shared, now, key, flow) } else { None };
        let partition = self.bidir.partitions.get_mut(&key);
        if let Some(channel) = partition.and_then(|partition| partition.channels.get_mut(&flow)) {
            channel.reception.leaf = leaf;
        }
    }

    fn originate_bidir_leaf(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        key: PeKey,
        flow: SFlow,
    ) -> Option<McastRoute> {
        let ad = AdRoute::SPmsi { rd: key.rd, flow, originator: key.address };
        let kind = McastKind::Leaf { key: ad, originator: shared.config.router };
        let leaf = McastRoute { family: flow.family, kind };
        // The route has room for one label: that of the MVRF that came first.
        if shared.is_of_another(self.config.vrf, &leaf) {
            self.reject_offer(shared, now, key, flow);
            shared.wait_for(self.config.vrf, leaf);
            return None;
        }
        let targets = self.offer(key, &flow)?.targets.clone();
        let label = self.partition_label(shared, now, key)?;
        let mut value = PmsiTunnelValue::new(PTunnel::IngressReplication(shared.config.router));
        value.label = Some(label);
        let mut attributes = McastAttributes::new(shared.config.router, targets);
        attributes.pmsi = Some(value);
        shared.originate(self.config.vrf, leaf, attributes);
        Some(leaf)
    }

    /// The label that the root of an LSP assigned to a PE.
    pub(super) fn distinguisher(&self, shared: &Shared, flow: &SFlow, root: IpAddr, pe: IpAddr) -> Option<Label> {
        if root == shared.config.router {
            return self.bidir.labels.get(&pe).copied();
        }
        let of = |rd| (PeKey { address: root, rd }, *flow);
        let said = self.bidir.offers.range(of(RouteDistinguisher::ZERO)..=of(RouteDistinguisher::ALL_ONES));
        let labels = said.filter(|((_, of), _)| of == flow).flat_map(|(_, attributes)| &attributes.pe_labels);
        labels.into_iter().find(|(of, _)| *of == pe).map(|(_, label)| *label)
    }

    /// As root of the LSP, this PE assigns a label to each PE that may be an upstream PE: those that have an I-PMSI or S-PMSI A-D route
    /// (RFC 7582 §3.2.2.1), and itself.
    pub(in crate::mvrf) fn update_distinguisher(&mut self, shared: &mut Shared, now: Instant, pe: IpAddr) {
        let own = shared.config.router;
        if !matches!(self.config.bidir, Some(BidirModel::Hierarchical { root, .. }) if root == own) {
            return;
        }
        let of = |rd| PeKey { address: pe, rd };
        let (first, last) = (of(RouteDistinguisher::ZERO), of(RouteDistinguisher::ALL_ONES));
        let is_member = self.members.range(first..=last).next().is_some();
        let mut offers = self.bidir.offers.range((first, SFlow::all(AddressFamily::V4))..);
        let offers_some = offers.next().is_some_and(|((key, _), _)| key.address == pe);
        let is_wanted = pe == own || is_member || offers_some;
        let known = self.bidir.labels.get(&pe).copied();
        match (is_wanted, known) {
            (true, None) => {
                let Some(label) = shared.labels.take().and_then(Label::new) else {
                    return shared.limit(now, self.config.vrf, MvpnLimit::Numbers);
                };
                self.bidir.labels.insert(pe, label);
            }
            (false, Some(label)) => {
                self.bidir.labels.remove(&pe);
                shared.drop_upstream_label(label);
            }
            _ => return,
        }
        for family in self.config.families.clone() {
            self.update_all(shared, now, SFlow::all_bidir(family));
        }
        self.announce_all_bidir(shared);
    }
}
