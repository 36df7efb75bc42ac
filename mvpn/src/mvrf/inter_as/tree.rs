//! I-PMSI and S-PMSI A-D routes that pass a border router, and the segments that they bind (RFC 6514 §9.2.3, §12.2, RFC 7524 §5 to §7).

use core::net::IpAddr;

use alloc::collections::BTreeSet;
use fwd_core::net::{Label, ReplicationId, VrfId};
use fwd_core::op::{FwdOp, Ilm, TunnelModel};
use fwd_core::time::Instant;

use super::adverts::Own;
use super::asbr::{Ending, MvpnAsbr};
use super::io::{Advert, AsPath, AsbrPath, Peer, Side};
use super::lookup::{Lookup, Onto, is_of_pim};
use crate::mvrf::attributes::{McastAttributes, Target};
use crate::mvrf::config::TunnelKind;
use crate::mvrf::event::{MvpnLimit, MvpnReject};
use crate::mvrf::i_pmsi::is_tree;
use crate::mvrf::io::{Output, TreeRequest};
use crate::mvrf::p_tunnel::{PTunnel, PmsiTunnelValue};
use crate::mvrf::root::TreeId;
use crate::mvrf::route::{AdRoute, McastKind, McastRoute};
use crate::pim::wire::AddressFamily;

/// Where the packets of a tree come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// From the PEs of this AS: the route is ours (RFC 6514 §9.2.1).
    Own,
    /// From a neighbour, or from whom it tells of.
    Path {
        peer: Peer,
        /// Whom Leaf A-D and C-multicast routes are for.
        next_hop: IpAddr,
    },
}

impl Source {
    pub(super) const fn side(self) -> Option<Side> {
        match self {
            Self::Own => None,
            Self::Path { peer, .. } => Some(peer.side),
        }
    }
}

/// The segment that ends here, of a tree or of an S-PMSI that is merged into one.
#[derive(Clone, Debug, Default)]
pub(super) struct Tail {
    /// The label of ours that packets come with.
    pub(super) label: Option<Label>,
    /// Tunnels that this router is a leaf of.
    pub(super) stitched: BTreeSet<PTunnel>,
}

/// What the segment that ends here is made of.
pub(super) struct Inflow<'a> {
    pub(super) source: Source,
    /// What the A-D routes say, by family.
    pub(super) paths: &'a [(AddressFamily, AsbrPath)],
    pub(super) onto: Onto,
    /// Whether packets are wanted.
    pub(super) is_needed: bool,
}

/// A tree: the segment that ends here, and those that begin here.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    pub(super) source: Source,
    /// The technology of the segment that begins here.
    pub(super) kind: TunnelKind,
    pub(super) root: TreeId,
    /// Where its packets are looked at below their labels.
    pub(super) lookup: Option<Lookup>,
    tail: Tail,
    pub(super) leaves: BTreeSet<IpAddr>,
    adverts: Own,
    /// S-PMSIs that are merged into it.
    pub(super) merged: BTreeSet<AdRoute>,
}

/// I-PMSI A-D routes come for each.
pub(super) const FAMILIES: [AddressFamily; 2] = [AddressFamily::V4, AddressFamily::V6];

/// The route of a family for a tree. Both families' I-PMSI routes share a tree: their packets come by the same tunnels.
const fn route(family: AddressFamily, ad: AdRoute) -> McastRoute {
    McastRoute { family, kind: McastKind::Ad(ad) }
}

impl MvpnAsbr {
    /// Brings a tree in line with what is known of it.
    pub(super) fn reconcile(&mut self, now: Instant, ad: AdRoute) {
        let found =
            self.source_of(&ad).filter(|(_, paths)| !paths.iter().any(|(_, path)| self.passes_whole(&ad, path)));
        let moved = self.place(ad, found.as_ref());
        match found {
            None => {
                self.end_merged(now, &ad);
                self.end_tree(now, &ad);
            }
            Some((source, paths)) => match self.merges_into(&ad, source) {
                Some(into) => {
                    self.end_tree(now, &ad);
                    self.merge(now, ad, into, (source, &paths));
                }
                None => {
                    self.end_merged(now, &ad);
                    self.grow(now, ad, source, &paths);
                }
            },
        }
        if let (Some(before), AdRoute::InterAsIPmsi(_)) = (moved, ad) {
            self.merge_again(now, &before);
        }
    }

    /// The tree of an A-D route that passes.
    fn grow(&mut self, now: Instant, ad: AdRoute, source: Source, paths: &[(AddressFamily, AsbrPath)]) {
        let (kind, looks) = (self.kind_of(&ad, source), self.looks_below(&ad, paths));
        let known = self.trees.remove(&ad);
        let had = known.as_ref().map(|tree| (tree.root, tree.source.side()));
        let mut tree = match known {
            Some(tree) => tree,
            None => {
                if self.segments() >= self.config.limits.segments {
                    return self.limit(now, MvpnLimit::Segments);
                }
                let Some((root, lookup)) = self.new_head(now, kind, looks) else { return };
                let (tail, leaves, adverts, merged) = (Tail::default(), BTreeSet::new(), Own::new(), BTreeSet::new());
                Tree { source, kind, root, lookup, tail, leaves, adverts, merged }
            }
        };
        tree.source = source;
        if (tree.kind, tree.lookup.is_some()) != (kind, looks) && !self.replace_head(now, &mut tree, kind, looks) {
            self.trees.insert(ad, tree);
            return self.end_tree(now, &ad);
        }
        self.update_leaves(now, &ad, &mut tree);
        let mut wants = Own::new();
        for (family, path) in paths {
            self.propagate(route(*family, ad), &tree, path, &mut wants);
        }
        if let Some(onto) = self.onto(&tree) {
            let is_needed = self.is_needed(&ad, &tree);
            let mut tail = core::mem::take(&mut tree.tail);
            self.feed(now, &ad, &mut tail, &Inflow { source, paths, onto, is_needed }, &mut wants);
            tree.tail = tail;
        }
        self.adverts.change(&mut tree.adverts, wants);
        let has = (tree.root, tree.source.side());
        self.trees.insert(ad, tree);
        if had != Some(has) {
            self.merge_all(now, &ad);
        }
        self.pass_joins(&ad);
    }

    /// C-multicast routes along a tree that changed.
    pub(super) fn pass_joins(&mut self, ad: &AdRoute) {
        let joins = self.joins.get(ad).cloned().unwrap_or_default();
        joins.into_iter().for_each(|join| self.pass(join));
    }

    /// The segment that begins here, and the VRF of the tree if its packets are looked at below their labels.
    fn new_head(&mut self, now: Instant, kind: TunnelKind, looks: bool) -> Option<(TreeId, Option<Lookup>)> {
        let lookup = if looks { Some(self.new_lookup(now)?) } else { None };
        let vrf = lookup.map_or(VrfId::GLOBAL, |lookup| lookup.vrf);
        let Some(root) = self.shared.new_root(now, vrf, kind, false) else {
            if let Some(lookup) = lookup {
                self.end_lookup(lookup);
            }
            return None;
        };
        if let (Some(lookup), Some(group)) = (lookup, self.group_of(root)) {
            self.route_everything(lookup, group);
        }
        Some((root, lookup))
    }

    /// The group of a segment that begins here.
    pub(super) fn group_of(&self, root: TreeId) -> Option<ReplicationId> {
        self.shared.roots.get(&root).map(|root| root.group)
    }

    fn onto(&self, tree: &Tree) -> Option<Onto> {
        let group = Onto::Group(self.group_of(tree.root)?);
        Some(tree.lookup.map_or(group, |lookup| Onto::Tunnel(lookup.tunnel)))
    }

    /// Another segment begins here: packets go by it from here on, and whoever sends them is told nothing (RFC 6514 §9.2.3.2).
    fn replace_head(&mut self, now: Instant, tree: &mut Tree, kind: TunnelKind, looks: bool) -> bool {
        let mut ending = Ending { tree: Some(tree.root), ..Ending::default() };
        if let Some(lookup) = tree.lookup.filter(|_| looks) {
            let Some(root) = self.shared.new_root(now, lookup.vrf, kind, false) else { return false };
            tree.root = root;
            if let Some(group) = self.group_of(root) {
                self.route_everything(lookup, group);
            }
        } else {
            let Some((root, lookup)) = self.new_head(now, kind, looks) else { return false };
            // What is merged into the tree is so in the VRF that goes.
            core::mem::take(&mut tree.merged).into_iter().for_each(|merged| self.reconcile(now, merged));
            tree.root = root;
            ending.lookup = core::mem::replace(&mut tree.lookup, lookup);
            if let (Some(label), Some(onto)) = (tree.tail.label, self.onto(tree)) {
                let ilm = Ilm { action: onto.action(), model: TunnelModel::Uniform };
                self.shared.op(FwdOp::SetIlm { label, ilm });
            }
            self.unstitch(core::mem::take(&mut tree.tail.stitched));
        }
        self.end(ending);
        tree.kind = kind;
        tree.leaves.clear();
        true
    }

    /// Ends a tree: routes are withdrawn, then what they promised goes.
    pub(super) fn end_tree(&mut self, now: Instant, ad: &AdRoute) {
        let Some(mut tree) = self.trees.remove(ad) else { return };
        // S-PMSIs that are merged into it go first.
        core::mem::take(&mut tree.merged).into_iter().for_each(|merged| self.reconcile(now, merged));
        self.unstitch(core::mem::take(&mut tree.tail.stitched));
        self.adverts.change(&mut tree.adverts, Own::new());
        let (label, root) = (tree.tail.label, Some(tree.root));
        self.end(Ending { label, tree: root, lookup: tree.lookup, tunnel: None });
        self.pass_joins(ad);
    }

    /// Whether packets of a tree are looked at below their labels: they have none, or S-PMSIs may be merged into it.
    fn looks_below(&self, ad: &AdRoute, paths: &[(AddressFamily, AsbrPath)]) -> bool {
        let is_pim = |pmsi: &Option<PmsiTunnelValue>| pmsi.as_ref().is_some_and(|value| is_of_pim(&value.tunnel));
        match self.own_mvpn(ad) {
            Some((_, mvpn)) => mvpn.members.values().any(is_pim),
            None => {
                paths.iter().any(|(_, path)| is_pim(&path.attributes.pmsi))
                    || matches!(ad, AdRoute::InterAsIPmsi(_))
                        && paths.iter().any(|(_, path)| self.is_merging(&path.attributes))
            }
        }
    }

    /// Whether packets of a tree are wanted.
    fn is_needed(&self, ad: &AdRoute, tree: &Tree) -> bool {
        // RFC 6514 §9.2.3.2.1: of an I-PMSI from another AS this router is a leaf whatever is behind it.
        let is_inclusive = !matches!(ad, AdRoute::SPmsi { .. });
        let is_far = matches!(tree.source.side(), Some(Side::External(_)));
        // Leaves of a tree that nobody asks do not say that they are there.
        let is_silent = matches!(tree.kind, TunnelKind::MldpP2mp | TunnelKind::PimSsm);
        !tree.leaves.is_empty() || (is_inclusive && (is_far || is_silent))
    }

    /// Where a tree comes from, and what its routes say, by family.
    fn source_of(&self, ad: &AdRoute) -> Option<(Source, alloc::vec::Vec<(AddressFamily, AsbrPath)>)> {
        if let Some((targets, mvpn)) = self.own_mvpn(ad) {
            let found = FAMILIES.iter().filter_map(|family| {
                let mut of = mvpn.members.iter().filter(|(route, _)| route.family == *family).peekable();
                of.peek()?;
                let mut attributes = McastAttributes::new(self.config.router.router, targets.clone());
                if of.any(|(_, pmsi)| pmsi.is_some()) {
                    attributes.pmsi = Some(PmsiTunnelValue::new(PTunnel::IngressReplication(attributes.next_hop)));
                }
                Some((*family, AsbrPath { attributes, as_path: AsPath::new() }))
            });
            return Some((Source::Own, found.collect()));
        }
        // RFC 6514 §9.2.1: an AS that is ours, from elsewhere, is no source.
        if matches!(ad, AdRoute::InterAsIPmsi(ad) if ad.source_as == self.config.router.asn) {
            return None;
        }
        let mut found = FAMILIES.iter().filter_map(|family| {
            let (peer, path) = self.best_path(&route(*family, *ad))?;
            self.is_imported(&path.attributes).then_some((*family, *peer, path))
        });
        let (family, peer, path) = found.next()?;
        let next_hop = path.attributes.leaves_report_to();
        let mut paths = alloc::vec![(family, path.clone())];
        // The other family's routes are the same tree's if they are of the same neighbour.
        paths.extend(
            found
                .filter(|(_, p, other)| *p == peer && other.attributes.leaves_report_to() == next_hop)
                .map(|(family, _, path)| (family, path.clone())),
        );
        Some((Source::Path { peer, next_hop }, paths))
    }

    /// The technology of the segment that begins here.
    fn kind_of(&self, ad: &AdRoute, source: Source) -> TunnelKind {
        let is_selective = matches!(ad, AdRoute::SPmsi { .. });
        if self.config.backbone.is_some() && !is_selective {
            return TunnelKind::MldpP2mp;
        }
        let within = if is_selective { self.config.selective } else { self.config.inclusive };
        match (source.side(), self.config.backbone) {
            (Some(Side::External(_) | Side::Backbone), _) => within,
            (Some(Side::Internal), Some(backbone)) => backbone,
            // Beyond the border copies go to single routers.
            (None | Some(Side::Internal), _) => TunnelKind::IngressReplication,
        }
    }

    /// The route goes to the other sides, with the segment that begins here (RFC 6514 §9.2.3.2, §9.2.3.4).
    fn propagate(&self, route: McastRoute, tree: &Tree, path: &AsbrPath, wants: &mut Own) {
        let from = tree.source.side();
        let ours = self.config.router.router;
        for to in self.sides(from.unwrap_or(Side::Internal)) {
            let is_out = matches!(to, Side::External(_));
            if is_out && path.attributes.no_export {
                continue;
            }
            // RFC 7524 §5.1.3: an ABR leaves the next hop, which C-multicast routes go by.
            let next_hop = if self.config.backbone.is_some() { path.attributes.next_hop } else { ours };
            let mut attributes = McastAttributes { next_hop, ..path.attributes.clone() };
            if path.attributes.pmsi.is_some() {
                attributes.pmsi = match is_out {
                    true => {
                        let mut value = PmsiTunnelValue::new(PTunnel::IngressReplication(ours));
                        value.leaf_information_required = true;
                        Some(value)
                    }
                    false => self.segment(route, tree),
                };
            }
            attributes.segmented_next_hop = (!is_out && self.config.backbone.is_some()).then_some(ours);
            let advert = Advert { attributes, as_path: path.as_path.clone(), no_advertise: false };
            wants.insert((to, route), advert);
        }
    }

    /// The tunnel of the segment that begins here.
    fn segment(&self, route: McastRoute, tree: &Tree) -> Option<PmsiTunnelValue> {
        let root = self.shared.roots.get(&tree.root)?;
        let mut value = PmsiTunnelValue::new(root.tunnel.clone());
        // The root of an S-PMSI's segment asks who its leaves are: without any, it is none itself.
        value.leaf_information_required = matches!(root.kind, TunnelKind::IngressReplication | TunnelKind::RsvpTeP2mp)
            || matches!(route.kind, McastKind::Ad(AdRoute::SPmsi { .. }));
        Some(value)
    }

    /// The segment that ends here: labels and tunnels that lead on, and the routes that say so.
    pub(super) fn feed(&mut self, now: Instant, ad: &AdRoute, tail: &mut Tail, inflow: &Inflow<'_>, wants: &mut Own) {
        let (paths, is_needed) = (inflow.paths, inflow.is_needed);
        let mut joins = BTreeSet::new();
        let mut needs_label = false;
        let own = self.own_mvpn(ad).map(|(targets, mvpn)| (targets.clone(), mvpn.clone()));
        if let (true, Some((_, mvpn))) = (is_needed, &own) {
            for (member, pmsi) in &mvpn.members {
                match pmsi {
                    Some(value) if is_tree(&value.tunnel) => {
                        self.joinable(now, (*member, tail), value, &mut joins);
                    }
                    Some(_) => needs_label = true,
                    None => {}
                }
            }
        } else if is_needed {
            for (family, path) in paths {
                match &path.attributes.pmsi {
                    Some(value) if is_tree(&value.tunnel) => {
                        self.joinable(now, (route(*family, *ad), tail), value, &mut joins);
                    }
                    Some(PmsiTunnelValue { tunnel: PTunnel::IngressReplication(_), .. }) => needs_label = true,
                    _ => {}
                }
            }
        }
        let label = self.hold_label(now, tail, inflow.onto, needs_label);
        match (inflow.source, own) {
            _ if !is_needed => {}
            (Source::Path { peer, next_hop }, _) => {
                for (family, path) in paths {
                    self.leaf((*family, *ad), path, (peer, next_hop), label, wants);
                }
            }
            (Source::Own, Some((targets, mvpn))) => {
                self.member(&mvpn.members, mvpn.rd, targets, label, wants);
            }
            (Source::Own, None) => {}
        }
        self.stitch(tail, inflow.onto, joins);
    }

    /// A tunnel to be joined, unless its packets carry a label that only its root knows the meaning of, or it feeds another tree.
    fn joinable(
        &mut self,
        now: Instant,
        (of, tail): (McastRoute, &Tail),
        value: &PmsiTunnelValue,
        joins: &mut BTreeSet<PTunnel>,
    ) {
        match value.label {
            None if self.stitched.contains(&value.tunnel) && !tail.stitched.contains(&value.tunnel) => {
                self.shared.reject(now, VrfId::GLOBAL, MvpnReject::TunnelInUse, of);
            }
            None => drop(joins.insert(value.tunnel.clone())),
            Some(_) => self.shared.reject(now, VrfId::GLOBAL, MvpnReject::UpstreamLabel, of),
        }
    }

    /// The label of a segment that ends here, while it needs one.
    fn hold_label(&mut self, now: Instant, tail: &mut Tail, onto: Onto, needs: bool) -> Option<Label> {
        match (tail.label, needs) {
            (None, true) => tail.label = self.shared.new_ilm(now, VrfId::GLOBAL, onto.action()),
            (Some(label), false) => {
                tail.label = None;
                self.end(Ending { label: Some(label), ..Ending::default() });
            }
            _ => {}
        }
        tail.label
    }

    fn stitch(&mut self, tail: &mut Tail, onto: Onto, joins: BTreeSet<PTunnel>) {
        self.unstitch(tail.stitched.difference(&joins).cloned().collect());
        tail.stitched.retain(|tunnel| joins.contains(tunnel));
        for tunnel in joins {
            if tail.stitched.insert(tunnel.clone()) {
                self.stitched.insert(tunnel.clone());
                self.shared.outputs.push_back(Output::Tree(onto.request(tunnel)));
            }
        }
    }

    pub(super) fn unstitch(&mut self, tunnels: BTreeSet<PTunnel>) {
        for tunnel in tunnels {
            self.stitched.remove(&tunnel);
            self.shared.outputs.push_back(Output::Tree(TreeRequest::Leave { tunnel }));
        }
    }

    /// The Leaf A-D route towards the root of the segment that ends here (RFC 6514 §9.2.3.2.1, §9.2.3.4.1).
    fn leaf(
        &self,
        (family, ad): (AddressFamily, AdRoute),
        path: &AsbrPath,
        (peer, next_hop): (Peer, IpAddr),
        label: Option<Label>,
        wants: &mut Own,
    ) {
        let ours = self.config.router.router;
        let Some(pmsi) = &path.attributes.pmsi else { return };
        let replicates = matches!(pmsi.tunnel, PTunnel::IngressReplication(_));
        if !replicates && !pmsi.leaf_information_required {
            return;
        }
        let mut attributes = McastAttributes::new(ours, alloc::vec![Target::router(next_hop)]);
        if replicates {
            let Some(label) = label else { return };
            let mut value = PmsiTunnelValue::new(PTunnel::IngressReplication(ours));
            value.label = Some(label);
            attributes.pmsi = Some(value);
        }
        let is_out = matches!(peer.side, Side::External(_));
        attributes.no_export = !is_out;
        let route = McastRoute { family, kind: McastKind::Leaf { key: ad, originator: ours } };
        let advert = Advert { attributes, as_path: AsPath::new(), no_advertise: is_out };
        wants.insert((peer.side, route), advert);
    }

    /// Where the PEs of the AS have to know their leaves, the ASBR is one by an I-PMSI A-D route of its own (RFC 6514 §9.2).
    fn member(
        &self,
        members: &alloc::collections::BTreeMap<McastRoute, Option<PmsiTunnelValue>>,
        rd: bgp_vpn::nlri::RouteDistinguisher,
        targets: alloc::vec::Vec<Target>,
        label: Option<Label>,
        wants: &mut Own,
    ) {
        let ours = self.config.router.router;
        for family in FAMILIES {
            let mut of =
                members.iter().filter(|(route, _)| route.family == family).filter_map(|(_, pmsi)| pmsi.as_ref());
            let asks = |value: &PmsiTunnelValue| {
                matches!(value.tunnel, PTunnel::IngressReplication(_) | PTunnel::RsvpTeP2mp { .. })
            };
            if !of.any(asks) {
                continue;
            }
            let mut attributes = McastAttributes::new(ours, targets.clone());
            attributes.no_export = true;
            attributes.pmsi = label.map(|label| {
                let value = PmsiTunnelValue::new(PTunnel::IngressReplication(ours));
                PmsiTunnelValue { label: Some(label), ..value }
            });
            let advert = Advert { attributes, as_path: AsPath::new(), no_advertise: false };
            wants.insert((Side::Internal, McastRoute::i_pmsi(family, rd, ours)), advert);
        }
    }
}
