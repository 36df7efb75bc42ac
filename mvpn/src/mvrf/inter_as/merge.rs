//! S-PMSIs that are merged into the inter-AS tree of their AS (RFC 6514 §12.2.1).
//!
//! Providers behind this router are told of the I-PMSI alone. A flow has a route of its own in the VRF of the inter-AS tree
//! ([`super::lookup`]): it is expected by the tunnel of the S-PMSI, and what else comes of it is discarded.

use core::net::{IpAddr, Ipv4Addr};

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;
use bgp_vpn::attr::ext_community::ExtCommunity;
use bgp_vpn::nlri::mcast_vpn::CMulticast;
use fwd_core::net::{ReplicationId, TunnelId, VrfId};
use fwd_core::op::{FwdOp, MrouteKey, Origin, Rpf};
use fwd_core::time::Instant;

use super::adverts::Own;
use super::asbr::{Ending, MvpnAsbr};
use super::io::AsbrPath;
use super::leaf::tree_of;
use super::lookup::Onto;
use super::tree::{Inflow, Source, Tail};
use crate::mvrf::attributes::{McastAttributes, Target};
use crate::mvrf::event::MvpnLimit;
use crate::mvrf::forwarding::mroute_key;
use crate::mvrf::route::{AdRoute, McastKind, McastRoute, SFlow};
use crate::mvrf::shared::Timer;
use crate::pim::wire::AddressFamily;

/// An MVPN of another AS: the AS, and its route targets.
pub(super) type Place = (u32, Vec<Target>);

/// The A-D routes of an MVPN of another AS.
#[derive(Clone, Debug, Default)]
pub(super) struct Merger {
    inclusive: BTreeSet<AdRoute>,
    /// By C-G and C-S.
    selective: BTreeMap<(IpAddr, IpAddr), BTreeSet<AdRoute>>,
}

impl Merger {
    fn forget(&mut self, ad: &AdRoute, of_flow: Option<(IpAddr, IpAddr)>) {
        let Some(flow) = of_flow else {
            self.inclusive.remove(ad);
            return;
        };
        if let Some(ads) = self.selective.get_mut(&flow) {
            ads.remove(ad);
            if ads.is_empty() {
                self.selective.remove(&flow);
            }
        }
    }
}

/// The lowest address.
const FIRST: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// An S-PMSI that is merged.
#[derive(Clone, Debug)]
pub(super) struct Merged {
    into: AdRoute,
    vrf: VrfId,
    flow: SFlow,
    key: MrouteKey,
    /// What its packets arrive by.
    tunnel: TunnelId,
    /// The group that the flow goes by, and whether it is expected by the tunnel alone.
    routed: Option<(ReplicationId, bool)>,
    tail: Tail,
    adverts: Own,
}

/// C-G and C-S of an S-PMSI for a single flow.
fn flow_of(ad: &AdRoute) -> Option<(SFlow, IpAddr, IpAddr)> {
    let AdRoute::SPmsi { flow, .. } = ad else { return None };
    Some((*flow, flow.group.address()?, flow.source?))
}

impl MvpnAsbr {
    /// Whether S-PMSIs of an MVPN are merged.
    pub(super) fn is_merging(&self, attributes: &McastAttributes) -> bool {
        attributes.targets.iter().any(|target| self.config.merged.contains(target))
    }

    /// The MVPN and AS of an A-D route: S-PMSI and I-PMSI are of the same AS, which is in the AS_PATH of both, and have the same route targets.
    fn place_of(&self, ad: &AdRoute, path: &AsbrPath) -> Option<Place> {
        let asn = *path.as_path.last().filter(|_| self.is_merging(&path.attributes))?;
        let is_one = match ad {
            AdRoute::InterAsIPmsi(ad) => ad.source_as == asn,
            AdRoute::SPmsi { .. } => flow_of(ad).is_some(),
            AdRoute::IntraAsIPmsi(_) => false,
        };
        let mut targets = path.attributes.targets.clone();
        targets.sort_unstable();
        is_one.then_some((asn, targets))
    }

    /// Notes where an A-D route belongs. Where it did, if that is another MVPN or none any more.
    pub(super) fn place(
        &mut self,
        ad: AdRoute,
        found: Option<&(Source, Vec<(AddressFamily, AsbrPath)>)>,
    ) -> Option<Place> {
        let place = found.and_then(|(_, paths)| self.place_of(&ad, &paths.first()?.1));
        let before = self.places.get(&ad).cloned();
        if before == place {
            return None;
        }
        let of_flow = flow_of(&ad).map(|(_, group, source)| (group, source));
        if let Some(before) = &before {
            self.places.remove(&ad);
            if let Some(merger) = self.mergers.get_mut(before) {
                merger.forget(&ad, of_flow);
                if merger.inclusive.is_empty() && merger.selective.is_empty() {
                    self.mergers.remove(before);
                }
            }
        }
        if let Some(place) = place {
            let merger = self.mergers.entry(place.clone()).or_default();
            match of_flow {
                Some(flow) => merger.selective.entry(flow).or_default().insert(ad),
                None => merger.inclusive.insert(ad),
            };
            self.places.insert(ad, place);
        }
        before
    }

    /// The inter-AS tree that an S-PMSI is merged into, if it may be.
    pub(super) fn merges_into(&self, ad: &AdRoute, from: Source) -> Option<AdRoute> {
        let (flow, group, source) = flow_of(ad)?;
        let AdRoute::SPmsi { originator, .. } = *ad else { return None };
        let merger = self.mergers.get(self.places.get(ad)?)?;
        let is_fit = |into: &&AdRoute| {
            let tree = self.trees.get(*into);
            tree.is_some_and(|tree| tree.lookup.is_some() && tree.source.side() == from.side())
        };
        let into = *merger.inclusive.iter().find(is_fit)?;
        let lookup = self.trees.get(&into)?.lookup?;
        // Its flow is not merged already, from another PE.
        let taken = self.taken.get(&(lookup.vrf, mroute_key(Some(source), group)));
        if taken.is_some_and(|by| by != ad) {
            return None;
        }
        // Who joined the flow joined it from the PE that has the S-PMSI.
        let ours = self.import_target();
        let named = |target: &Target| target.community().parts(ExtCommunity::ROUTE_TARGET).map(|(address, _)| address);
        let is_there = |path: &AsbrPath| path.attributes.targets.iter().any(|target| named(target) == Some(originator));
        let joins = self.paths.get(&join_of(&into, flow.family, source, group)?);
        let mut joins = joins.into_iter().flatten().filter(|(_, path)| path.attributes.targets.contains(&ours));
        joins.all(|(_, path)| is_there(path)).then_some(into)
    }

    /// Whether somebody behind this router joined a flow along an inter-AS tree (RFC 6514 §9.2.3.6).
    fn is_joined(&self, into: &AdRoute, flow: SFlow, (group, source): (IpAddr, IpAddr)) -> bool {
        let (Some(joins), Some(join)) = (self.joins.get(into), join_of(into, flow.family, source, group)) else {
            return false;
        };
        let shared = |route: &McastRoute| match route.kind {
            McastKind::SharedTreeJoin(join) => Some(join.group),
            _ => None,
        };
        joins.contains(&join) || joins.iter().filter_map(shared).any(|of| of == group)
    }

    /// Brings a merged S-PMSI in line with what is known of it.
    pub(super) fn merge(
        &mut self,
        now: Instant,
        ad: AdRoute,
        into: AdRoute,
        (source, paths): (Source, &[(AddressFamily, AsbrPath)]),
    ) {
        let tree = self.trees.get(&into);
        let found = tree.and_then(|tree| Some((tree.lookup?.vrf, self.group_of(tree.root)?)));
        let (Some((vrf, group)), Some((flow, c_group, c_source))) = (found, flow_of(&ad)) else { return };
        if self.merged.get(&ad).is_some_and(|merged| (merged.into, merged.vrf) != (into, vrf)) {
            self.close(&ad);
        }
        let mut merged = match self.merged.remove(&ad) {
            Some(merged) => merged,
            None => match self.open(now, (ad, flow), (into, vrf), mroute_key(Some(c_source), c_group)) {
                Some(merged) => merged,
                None => return,
            },
        };
        self.route_flow(&mut merged, group);
        let is_needed = self.is_joined(&into, flow, (c_group, c_source));
        let onto = Onto::Tunnel(merged.tunnel);
        let mut wants = Own::new();
        self.feed(now, &ad, &mut merged.tail, &Inflow { source, paths, onto, is_needed }, &mut wants);
        self.adverts.change(&mut merged.adverts, wants);
        self.merged.insert(ad, merged);
    }

    fn open(
        &mut self,
        now: Instant,
        (ad, flow): (AdRoute, SFlow),
        (into, vrf): (AdRoute, VrfId),
        key: MrouteKey,
    ) -> Option<Merged> {
        if self.segments() >= self.config.limits.segments {
            self.limit(now, MvpnLimit::Segments);
            return None;
        }
        let tunnel = self.shared.new_tunnel(now, vrf)?;
        // The flow comes by the I-PMSI until its PE changes over.
        self.shared.timers.set(Timer::SwitchOver(vrf, flow), now + self.config.merge_delay);
        self.taken.insert((vrf, key), ad);
        if let Some(tree) = self.trees.get_mut(&into) {
            tree.merged.insert(ad);
        }
        let (tail, adverts) = (Tail::default(), Own::new());
        Some(Merged { into, vrf, flow, key, tunnel, routed: None, tail, adverts })
    }

    fn route_flow(&mut self, merged: &mut Merged, group: ReplicationId) {
        let is_strict = self.shared.timers.get(Timer::SwitchOver(merged.vrf, merged.flow)).is_none();
        if merged.routed.replace((group, is_strict)) == Some((group, is_strict)) {
            return;
        }
        let rpf = if is_strict { Rpf::From(Origin::Tunnel(merged.tunnel)) } else { Rpf::Any };
        self.route(merged.vrf, merged.key, rpf, group);
    }

    /// A flow is expected by its S-PMSI alone from now on.
    pub(super) fn merge_delay_over(&mut self, vrf: VrfId, flow: SFlow) {
        let Some(group) = flow.group.address() else { return };
        let ad = self.taken.get(&(vrf, mroute_key(flow.source, group))).copied();
        let Some((ad, mut merged)) = ad.and_then(|ad| Some((ad, self.merged.remove(&ad)?))) else { return };
        let group = self.trees.get(&merged.into).and_then(|tree| self.group_of(tree.root));
        if let Some(group) = group {
            self.route_flow(&mut merged, group);
        }
        self.merged.insert(ad, merged);
    }

    /// Merges an S-PMSI no more. One of the same flow from another PE may take its place.
    pub(super) fn end_merged(&mut self, now: Instant, ad: &AdRoute) {
        let place = self.merged.get(ad).and_then(|merged| self.trees.get(&merged.into).map(|_| merged.into));
        let place = place.and_then(|into| self.places.get(&into)).cloned();
        if !self.close(ad) {
            return;
        }
        let (Some(place), Some((_, group, source))) = (place, flow_of(ad)) else { return };
        let others = self.flows(&place, group, Some(source));
        others.into_iter().filter(|other| other != ad).for_each(|other| self.reconcile(now, other));
    }

    fn close(&mut self, ad: &AdRoute) -> bool {
        let Some(mut merged) = self.merged.remove(ad) else { return false };
        self.shared.timers.clear(Timer::SwitchOver(merged.vrf, merged.flow));
        self.taken.remove(&(merged.vrf, merged.key));
        if let Some(tree) = self.trees.get_mut(&merged.into) {
            tree.merged.remove(ad);
        }
        self.shared.op(FwdOp::ClearMroute { vrf: merged.vrf, key: merged.key });
        self.unstitch(merged.tail.stitched);
        self.adverts.change(&mut merged.adverts, Own::new());
        self.end(Ending { label: merged.tail.label, tunnel: Some(merged.tunnel), ..Ending::default() });
        true
    }

    /// The S-PMSIs of a group, or of a flow.
    fn flows(&self, place: &Place, group: IpAddr, source: Option<IpAddr>) -> Vec<AdRoute> {
        let Some(merger) = self.mergers.get(place) else { return Vec::new() };
        let first = (group, source.unwrap_or(FIRST));
        let of = merger.selective.range(first..);
        let of = of.take_while(|((g, s), _)| *g == group && source.is_none_or(|source| source == *s));
        of.flat_map(|(_, ads)| ads).copied().collect()
    }

    /// A C-multicast route came, changed or went: so may who wants the flows of merged S-PMSIs, and which may be merged.
    pub(super) fn joins_changed(&mut self, now: Instant, route: &McastRoute) {
        let Some(place) = tree_of(route).and_then(|into| self.places.get(&into)).cloned() else { return };
        let ads = match route.kind {
            McastKind::SourceTreeJoin(join) => self.flows(&place, join.group, Some(join.source)),
            McastKind::SharedTreeJoin(join) => self.flows(&place, join.group, None),
            _ => return,
        };
        ads.into_iter().for_each(|ad| self.reconcile(now, ad));
    }

    /// An inter-AS tree changed that S-PMSIs may be merged into.
    pub(super) fn merge_all(&mut self, now: Instant, ad: &AdRoute) {
        if let (AdRoute::InterAsIPmsi(_), Some(place)) = (ad, self.places.get(ad).cloned()) {
            self.merge_again(now, &place);
        }
    }

    /// The S-PMSIs of an MVPN may be merged, or not any more.
    pub(super) fn merge_again(&mut self, now: Instant, place: &Place) {
        let of = self.mergers.get(place).into_iter().flat_map(|merger| merger.selective.values());
        let ads: Vec<AdRoute> = of.flatten().copied().collect();
        ads.into_iter().for_each(|ad| self.reconcile(now, ad));
    }
}

/// The Source Tree Join of a flow along an inter-AS tree.
const fn join_of(into: &AdRoute, family: AddressFamily, source: IpAddr, group: IpAddr) -> Option<McastRoute> {
    let AdRoute::InterAsIPmsi(ad) = *into else { return None };
    let join = CMulticast { rd: ad.rd, source_as: ad.source_as, source, group };
    Some(McastRoute { family, kind: McastKind::SourceTreeJoin(join) })
}
