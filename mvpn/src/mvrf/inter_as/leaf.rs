//! Leaf A-D routes that a border router receives (RFC 6514 §9.2.3.3, §9.2.3.5).

use core::net::IpAddr;

use alloc::collections::BTreeSet;
use bgp_vpn::nlri::mcast_vpn::{InterAsIPmsiAd, IntraAsIPmsiAd};
use fwd_core::net::{Label, VrfId};
use fwd_core::time::Instant;

use super::asbr::MvpnAsbr;
use super::io::Side;
use super::tree::{FAMILIES, Tree};
use crate::mvrf::config::TunnelKind;
use crate::mvrf::event::MvpnReject;
use crate::mvrf::p_tunnel::PTunnel;
use crate::mvrf::route::{AdRoute, McastKind, McastRoute};

/// A leaf of a segment that begins here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Leaf {
    pub(super) side: Side,
    /// The label that it wants copies with.
    pub(super) label: Option<Label>,
}

impl MvpnAsbr {
    /// A Leaf A-D route came, changed or went.
    pub(super) fn leaf_changed(&mut self, now: Instant, route: McastRoute, key: AdRoute, originator: IpAddr) {
        let ours = self.import_target();
        // The I-PMSI routes of both families lead to the same tree, and a leaf of it has but one label.
        let found = FAMILIES.into_iter().find_map(|family| self.leaf_of(&McastRoute { family, ..route }, ours));
        let old = match found {
            Some(leaf) => self.leaves.entry(key).or_default().insert(originator, leaf),
            None => self.leaves.get_mut(&key).and_then(|leaves| leaves.remove(&originator)),
        };
        if self.leaves.get(&key).is_some_and(alloc::collections::BTreeMap::is_empty) {
            self.leaves.remove(&key);
        }
        if old == found {
            return;
        }
        if found.is_some_and(|leaf| matches!(leaf.side, Side::External(_)) && leaf.label.is_none()) {
            self.shared.reject(now, VrfId::GLOBAL, MvpnReject::NoLabel, route);
        }
        self.reconcile(now, key);
    }

    fn leaf_of(&self, route: &McastRoute, ours: crate::mvrf::attributes::Target) -> Option<Leaf> {
        let paths = self.paths.get(route)?;
        let (peer, path) = paths.iter().find(|(_, path)| path.attributes.targets.contains(&ours))?;
        let pmsi = path.attributes.pmsi.as_ref();
        let label = pmsi.filter(|p| matches!(p.tunnel, PTunnel::IngressReplication(_))).and_then(|p| p.label);
        Some(Leaf { side: peer.side, label })
    }

    /// Brings the legs of a tree in line with its leaves.
    pub(super) fn update_leaves(&mut self, now: Instant, ad: &AdRoute, tree: &mut Tree) {
        let from = tree.source.side();
        let wanted = self.leaves.get(ad).into_iter().flatten();
        let wanted: alloc::vec::Vec<(IpAddr, Leaf)> =
            wanted.filter(|(_, leaf)| Some(leaf.side) != from).map(|(address, leaf)| (*address, *leaf)).collect();
        let stay: BTreeSet<IpAddr> = wanted.iter().map(|(address, _)| *address).collect();
        for gone in tree.leaves.iter().filter(|address| !stay.contains(address)) {
            self.shared.clear_leaf(tree.root, *gone);
        }
        for (address, leaf) in wanted {
            match (leaf.side, tree.kind, leaf.label) {
                (Side::External(_), _, Some(label)) | (_, TunnelKind::IngressReplication, Some(label)) => {
                    self.shared.set_copy(now, tree.root, address, label);
                }
                (Side::Internal | Side::Backbone, TunnelKind::RsvpTeP2mp, _) => {
                    self.shared.set_leaf(now, tree.root, address, None);
                }
                _ => {}
            }
        }
        tree.leaves = stay;
    }
}

/// What C-multicast routes along P-tunnels of a PE in another AS name, where these are not segmented: the Source AS field holds its address
/// (RFC 6514 §11.1.3).
pub(super) const fn whole_tree(ad: &IntraAsIPmsiAd) -> Option<AdRoute> {
    match ad.originator {
        IpAddr::V4(pe) => Some(AdRoute::InterAsIPmsi(InterAsIPmsiAd { rd: ad.rd, source_as: pe.to_bits() })),
        IpAddr::V6(_) => None,
    }
}

/// The tree that a C-multicast route leads along (RFC 6514 §11.2).
pub(super) fn tree_of(route: &McastRoute) -> Option<AdRoute> {
    match route.kind {
        McastKind::SharedTreeJoin(join) | McastKind::SourceTreeJoin(join) => {
            Some(AdRoute::InterAsIPmsi(InterAsIPmsiAd { rd: join.rd, source_as: join.source_as }))
        }
        _ => None,
    }
}
