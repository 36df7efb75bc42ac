//! Which MVRFs an MCAST-VPN route is for, and what it changes there (RFC 6514 §9.1.2, §11.3, §12.3, §13.2).

use core::net::{IpAddr, Ipv4Addr};

use alloc::collections::BTreeSet;
use bgp_vpn::nlri::RouteDistinguisher;
use bgp_vpn::nlri::mcast_vpn::CGroup;
use fwd_core::net::VrfId;
use fwd_core::time::Instant;
use smallvec::SmallVec;

use super::attributes::{McastAttributes, Target};
use super::config::{AsmMode, InterAs, Model};
use super::event::MvpnReject;
use super::instance::{Mvrf, PeKey};
use super::io::CTree;
use super::machine::{Holder, MvpnPe};
use super::route::{AdRoute, McastKind, McastRoute, SFlow};
use super::shared::Shared;

impl MvpnPe {
    /// The MVRFs that import a route target.
    pub(super) fn importers_of(&self, target: &Target) -> impl Iterator<Item = VrfId> + '_ {
        self.importers.get(target).into_iter().flatten().copied()
    }

    /// The MVRFs that a route is for (RFC 6514 §9.1.2, §11.3, §12.3, §13.2).
    fn importers(&self, route: &McastRoute, attributes: &McastAttributes) -> SmallVec<[VrfId; 1]> {
        match route.kind {
            McastKind::SharedTreeJoin(_) | McastKind::SourceTreeJoin(_) => {
                attributes.targets.iter().filter_map(|t| self.joinable.get(t).copied()).collect()
            }
            McastKind::Leaf { key, .. } => {
                let ours = Target::router(self.shared.config.router);
                let is_ours = attributes.targets.contains(&ours)
                    && matches!(key, AdRoute::SPmsi { originator, .. } if originator == self.shared.config.router);
                let of_rd = self.by_rd.get(&key.rd()).filter(|_| is_ours).copied();
                // RFC 7740 §2.1: all PEs of a partition look at what answers its S-PMSI.
                let importing = attributes.targets.iter().filter_map(|t| self.importers.get(t)).flatten().copied();
                let has_bidir = |vrf: &VrfId| self.mvrfs.get(vrf).is_some_and(|m| m.config.bidir.is_some());
                let of_groups = importing.filter(|vrf| may_be_bidir(&key) && has_bidir(vrf));
                of_rd.into_iter().chain(of_groups).collect::<BTreeSet<VrfId>>().into_iter().collect()
            }
            McastKind::Ad(_) | McastKind::SourceActive(_) => {
                let all = attributes.targets.iter().filter_map(|t| self.importers.get(t)).flatten();
                let unique: BTreeSet<VrfId> = all.copied().collect();
                unique.into_iter().collect()
            }
        }
    }

    /// A route of another PE came, changed or went.
    pub(super) fn route_changed(&mut self, now: Instant, route: McastRoute, attributes: Option<McastAttributes>) {
        let new = attributes.as_ref().map(|a| self.importers(&route, a)).unwrap_or_default();
        let known = self.holders.remove(&route);
        if !new.is_empty() {
            let since = known.as_ref().map(|holder| holder.since).unwrap_or_else(|| self.shared.next_age());
            self.holders.insert(route, Holder { vrfs: new.clone(), since });
        }
        for vrf in known.map(|holder| holder.vrfs).unwrap_or_default() {
            if let Some(m) = self.mvrfs.get_mut(&vrf).filter(|_| !new.contains(&vrf)) {
                m.route_changed(&mut self.shared, now, route, None);
                m.watch(&mut self.shared, now);
            }
        }
        for vrf in new {
            if let Some(m) = self.mvrfs.get_mut(&vrf) {
                let before = self.shared.refusals;
                m.route_changed(&mut self.shared, now, route, attributes.as_ref());
                if let Some(attributes) = &attributes {
                    let refusals = self.shared.refusals.saturating_sub(before);
                    m.count_advert(now, &route, attributes.next_hop, refusals);
                }
                m.watch(&mut self.shared, now);
            }
        }
    }
}

/// Whether an A-D route may be one of bidirectional groups.
const fn may_be_bidir(key: &AdRoute) -> bool {
    matches!(key, AdRoute::SPmsi { flow: SFlow { source: None, group: CGroup::AnyBidir | CGroup::Group(_), .. }, .. })
}

impl Mvrf {
    /// A route that the MVRF imports came, changed or went.
    pub(super) fn route_changed(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        route: McastRoute,
        attributes: Option<&McastAttributes>,
    ) {
        if !self.config.families.contains(&route.family) || self.config.model == Model::InBand {
            return;
        }
        let is_known = attributes.is_none_or(|attributes| shared.knows_tunnel(attributes));
        if !is_known {
            shared.reject(now, self.config.vrf, MvpnReject::TunnelType, route);
        }
        let attributes = attributes.filter(|_| is_known);
        match route.kind {
            McastKind::Ad(AdRoute::IntraAsIPmsi(ad)) if ad.originator != shared.config.router => {
                self.i_pmsi_changed(shared, now, (route.family, ad), attributes);
            }
            McastKind::Ad(AdRoute::SPmsi { rd, flow, originator }) if originator != shared.config.router => {
                let key = PeKey { address: originator, rd };
                if flow.group == CGroup::AnyBidir {
                    return self.bidir_offer_changed(shared, now, (key, flow), attributes.cloned());
                }
                self.s_pmsi_changed(shared, now, key, flow, attributes.cloned());
                self.group_offer_changed(shared, now, key, flow);
            }
            McastKind::Ad(AdRoute::InterAsIPmsi(ad)) => {
                self.as_changed(shared, now, route.family, ad, attributes);
            }
            McastKind::Leaf { key, originator } => {
                self.any_leaf_changed(shared, now, (route, key, originator), attributes)
            }
            McastKind::SourceActive(sa) => {
                let said = attributes.map(|a| (a.next_hop, a.rp));
                self.source_active(shared, now, (sa.group, sa.source), sa.rd, said);
            }
            McastKind::SharedTreeJoin(join) | McastKind::SourceTreeJoin(join) => {
                // RFC 6514 §11.1.3: from another AS it has the RD of an Inter-AS I-PMSI A-D route.
                let is_far = self.config.inter_as == InterAs::Segmented && join.source_as == shared.config.asn;
                if join.rd != self.config.rd && !is_far {
                    return shared.reject(now, self.config.vrf, MvpnReject::Rd, route);
                }
                let tree = match route.kind {
                    McastKind::SharedTreeJoin(_)
                        if self.config.asm == AsmMode::SptOnly && !self.is_bidir(join.group) =>
                    {
                        return shared.reject(now, self.config.vrf, MvpnReject::SharedTree, route);
                    }
                    McastKind::SharedTreeJoin(_) => CTree::Shared { group: join.group, rp: join.source },
                    _ => CTree::Source { group: join.group, source: join.source },
                };
                match attributes {
                    Some(attributes) => {
                        self.standby_changed(shared, now, tree, join.rd, attributes.standby);
                    }
                    None => self.standby_ended(shared, now, tree, join.rd),
                }
            }
            McastKind::Ad(_) => {}
        }
    }

    /// A Source Active A-D route: whose it is says its next hop (RFC 6514 §13.1).
    fn source_active(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        flow: (IpAddr, IpAddr),
        rd: RouteDistinguisher,
        said: Option<(IpAddr, Option<Ipv4Addr>)>,
    ) {
        let next_hop = said.map(|(next_hop, _)| next_hop);
        let says = self.sources.get(&flow).into_iter().flatten();
        let old: Option<PeKey> = says.copied().find(|key| key.rd == rd);
        if let Some(old) = old.filter(|old| Some(old.address) != next_hop) {
            self.source_changed(shared, now, flow, old, false);
        }
        if let Some(address) = next_hop.filter(|address| *address != shared.config.router) {
            let key = PeKey { address, rd };
            self.set_source_rp(flow, key, said.and_then(|(_, rp)| rp));
            self.source_changed(shared, now, flow, key, true);
        }
    }
}
