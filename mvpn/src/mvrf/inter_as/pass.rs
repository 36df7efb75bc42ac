//! C-multicast and Source Active A-D routes that pass a border router (RFC 6514 §11.2, §13).

use core::net::Ipv4Addr;

use alloc::vec::Vec;

use super::adverts::Own;
use super::asbr::MvpnAsbr;
use super::io::{Advert, AsbrPath, Peer, Side};
use super::leaf::tree_of;
use super::tree::Source;
use crate::mvrf::attributes::{McastAttributes, Target};
use crate::mvrf::p_tunnel::PTunnel;
use crate::mvrf::route::{AdRoute, McastKind, McastRoute};

impl MvpnAsbr {
    /// A C-multicast or Source Active A-D route came, changed or went, or what it leads along did.
    pub(super) fn pass(&mut self, route: McastRoute) {
        let is_there = self.paths.contains_key(&route);
        if let Some(ad) = tree_of(&route) {
            let joins = self.joins.entry(ad).or_default();
            match is_there {
                true => drop(joins.insert(route)),
                false => drop(joins.remove(&route)),
            }
            if joins.is_empty() {
                self.joins.remove(&ad);
            }
        }
        let wants = match route.kind {
            // RFC 7524 §5.1.3: an ABR reflects them.
            McastKind::SharedTreeJoin(_) | McastKind::SourceTreeJoin(_) if self.config.backbone.is_some() => {
                self.flood(route, true)
            }
            McastKind::SourceActive(_) => self.flood(route, true),
            McastKind::Ad(_) => self.flood(route, false),
            McastKind::Leaf { key, .. } => self.whole_leaf(route, key),
            _ => self.join(route).or_else(|| self.whole_join(route)).into_iter().collect(),
        };
        let mut had = self.passing.remove(&route).unwrap_or_default();
        let is_kept =
            is_there && (!wants.is_empty() || !matches!(route.kind, McastKind::Ad(_) | McastKind::Leaf { .. }));
        self.adverts.change(&mut had, wants);
        if is_kept {
            self.passing.insert(route, had);
        }
    }

    /// A route of an MVPN whose P-tunnels are not segmented, as it came (RFC 6514 §11.1.3, RFC 4364 §10).
    fn as_it_is(&self, path: &AsbrPath) -> Advert {
        let mut attributes = path.attributes.clone();
        if self.config.next_hop_self {
            attributes.next_hop = self.config.router.router;
        }
        Advert { attributes, as_path: path.as_path.clone(), no_advertise: false }
    }

    /// Whether the P-tunnel of an A-D route crosses the border as it is: by configuration, or as it is not said that it is to be segmented
    /// (RFC 7524 §5.1.3). Ingress replication of I-PMSI A-D routes is between PEs: their labels are for those who know them.
    pub(super) fn passes_whole(&self, ad: &AdRoute, path: &AsbrPath) -> bool {
        let attributes = &path.attributes;
        let pmsi = attributes.pmsi.as_ref();
        let is_replicated = matches!(ad, AdRoute::IntraAsIPmsi(_))
            && pmsi.is_none_or(|pmsi| matches!(pmsi.tunnel, PTunnel::IngressReplication(_)));
        let is_reflected = self.config.backbone.is_some() && (attributes.segmented_next_hop.is_none() || is_replicated);
        self.is_whole(attributes) || is_reflected
    }

    /// A Leaf A-D route back to where the A-D route came from that it answers.
    fn whole_leaf(&self, route: McastRoute, key: AdRoute) -> Own {
        let answered = McastRoute { kind: McastKind::Ad(key), ..route };
        let found = self.best_path(&answered).filter(|(_, path)| self.passes_whole(&key, path));
        let leaf = self.best_path(&route);
        let (Some((peer, _)), Some((from, path))) = (found, leaf) else { return Own::new() };
        let is_out = matches!(peer.side, Side::External(_));
        let is_passed = from.side != peer.side && !(is_out && path.attributes.no_export);
        is_passed.then(|| ((peer.side, route), self.as_it_is(path))).into_iter().collect()
    }

    /// A C-multicast route to a PE whose I-PMSI A-D route passed as it was.
    fn whole_join(&self, route: McastRoute) -> Option<((Side, McastRoute), Advert)> {
        let AdRoute::InterAsIPmsi(along) = tree_of(&route)? else { return None };
        let originator = Ipv4Addr::from(along.source_as).into();
        let ad = McastRoute::i_pmsi(route.family, along.rd, originator);
        let (peer, _) = self.best_path(&ad).filter(|(_, path)| self.is_whole(&path.attributes))?;
        let (from, path) = self.best_path(&route)?;
        (from.side != peer.side).then(|| ((peer.side, route), self.as_it_is(path)))
    }

    /// The C-multicast route goes on along the tree, once for all paths that came (RFC 6514 §11.2, §11.4).
    fn join(&self, route: McastRoute) -> Option<((Side, McastRoute), Advert)> {
        let ours = self.import_target();
        let paths = self.paths.get(&route)?;
        let (from, path) = paths.iter().find(|(_, path)| path.attributes.targets.contains(&ours))?;
        let tree = self.trees.get(&tree_of(&route)?)?;
        let others = path.attributes.targets.iter().copied().filter(|target| *target != ours);
        let mut targets: Vec<Target> = others.collect();
        let to = match tree.source {
            Source::Own => Side::Internal,
            Source::Path { peer, next_hop } => {
                targets.push(Target::router(next_hop));
                peer.side
            }
        };
        // What came from there is not sent back.
        if from.side == to {
            return None;
        }
        Some(((to, route), self.passed(path, targets)))
    }

    fn passed(&self, path: &AsbrPath, targets: Vec<Target>) -> Advert {
        let attributes = McastAttributes { next_hop: self.config.router.router, targets, ..path.attributes.clone() };
        Advert { attributes, as_path: path.as_path.clone(), no_advertise: false }
    }

    /// A route to all other sides: a Source Active A-D route, or an A-D route of an MVPN whose P-tunnels are not segmented.
    fn flood(&self, route: McastRoute, is_any: bool) -> Own {
        let mut wants = Own::new();
        let Some((from, path)) = self.best_path(&route) else { return wants };
        let is_whole = match route.kind {
            McastKind::Ad(ad) => self.passes_whole(&ad, path),
            _ => self.is_whole(&path.attributes) || self.config.backbone.is_some(),
        };
        let is_ours = self.config.backbone.is_some() || self.is_imported(&path.attributes);
        if !is_ours || !(is_any || is_whole) {
            return wants;
        }
        for to in self.sides(from.side) {
            if !(path.attributes.no_export && matches!(to, Side::External(_))) {
                let targets = path.attributes.targets.clone();
                let advert = if is_whole { self.as_it_is(path) } else { self.passed(path, targets) };
                wants.insert((to, route), advert);
            }
        }
        wants
    }

    /// Where a route goes that came from a side.
    pub(super) fn sides(&self, from: Side) -> Vec<Side> {
        let mut sides: Vec<Side> = self.neighbors.iter().map(|n| Side::External(*n)).collect();
        sides.retain(|side| *side != from);
        if from != Side::Internal {
            sides.push(Side::Internal);
        }
        if self.config.backbone.is_some() && from != Side::Backbone {
            sides.push(Side::Backbone);
        }
        sides
    }

    /// The best path of a route: the shortest AS_PATH, from without before from within, the lowest next hop (RFC 4271 §9.1.2.2).
    pub(super) fn best_path(&self, route: &McastRoute) -> Option<(&Peer, &AsbrPath)> {
        let is_within = |peer: &Peer| !matches!(peer.side, Side::External(_));
        let paths = self.paths.get(route)?.iter();
        paths.min_by_key(|(peer, path)| (path.as_path.len(), is_within(peer), path.attributes.next_hop, **peer))
    }
}
