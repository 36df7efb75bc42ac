//! Trees whose roots are known by A-D routes alone: non-segmented inter-AS P-tunnels (RFC 6512 §3.2.1).
//!
//! A PE joins a tree of another AS under the next hop of the root's A-D route ([`TreeFec::vpn_recursive`]). The LSRs of its AS see that next
//! hop as the root. The ASBR of this address goes on with the tree itself, where it has a route to its root, or with the same value under the
//! next hop of its own A-D route.

use alloc::vec::Vec;
use core::net::IpAddr;

use fwd_core::time::Instant;

use super::fec::{TreeFec, TreeId, TreeKind};
use super::io::Event;
use super::machine::Mldp;
use crate::ldp::fec::RouteDistinguisher;

impl Mldp {
    /// An Intra-AS I-PMSI A-D route came, changed or went.
    pub(super) fn vpn_route(
        &mut self,
        now: Instant,
        (root, rd): (IpAddr, RouteDistinguisher),
        next_hop: Option<IpAddr>,
    ) {
        let old = match next_hop {
            Some(next) => self.vpn_routes.insert((root, rd), next),
            None => self.vpn_routes.remove(&(root, rd)),
        };
        if old != next_hop {
            self.reroot(now, root);
        }
    }

    /// What goes on in place of a tree that is rooted here, if its opaque value is recursive: the tree inside (RFC 6512 §2.2), or the same
    /// value under the next router that knows the way to it (§3.2.1).
    fn onward(&self, fec: &TreeFec) -> Option<TreeFec> {
        let ours = |address: &IpAddr| self.core.config.addresses.contains(address);
        // One turn only: the forwarding plane nests one group in another, not deeper.
        let is_fit = |inner: &TreeFec| inner.kind == TreeKind::P2mp && !ours(&inner.root) && inner.inner().is_none();
        let Some((rd, inner)) = fec.vpn_inner() else { return fec.inner().filter(is_fit) };
        let inner = Some(inner).filter(|inner| is_fit(inner) && inner.vpn_inner().is_none())?;
        if self.roots.get(&inner.root).is_some_and(|root| root.route.is_some()) {
            return Some(inner);
        }
        let next = self.vpn_routes.get(&(inner.root, rd)).filter(|next| !ours(next))?;
        Some(inner.vpn_recursive(*next, rd))
    }

    /// Somebody joined a tree that is rooted here: of a recursive opaque value this router goes on with the tree inside, of any other it asks
    /// whoever may know.
    pub(super) fn rooted(&mut self, now: Instant, id: TreeId, fec: &TreeFec) {
        if let Some((_, inner)) = fec.vpn_inner() {
            self.vpn_rooted.insert((inner.root, id));
        }
        match self.onward(fec) {
            Some(onward) => self.feed(now, id, &onward),
            None => self.core.event(Event::Rooted { tree: id, fec: fec.clone() }),
        }
    }

    /// The branches of a tree that is rooted here get the packets of another one.
    fn feed(&mut self, now: Instant, id: TreeId, onward: &TreeFec) {
        let Some(inner) = self.enter(onward) else { return };
        if let Some(tree) = self.trees.get_mut(&inner) {
            tree.feeds = Some(id);
            tree.touch_all = true;
            self.core.queue(inner, tree);
        }
        if let Some(tree) = self.trees.get_mut(&id) {
            tree.fed_by = Some(inner);
            tree.touch_all = true;
            self.core.queue(id, tree);
        }
        self.reselect(now, inner);
    }

    /// The tree that feeds another lets go of it.
    pub(super) fn starve(&mut self, now: Instant, inner: TreeId) {
        if let Some(tree) = self.trees.get_mut(&inner) {
            tree.feeds = None;
            self.core.queue(inner, tree);
        }
        self.reselect(now, inner);
    }

    /// The way to a root changed: trees of VPNs that come through this router go on another way.
    pub(super) fn reroot(&mut self, now: Instant, root: IpAddr) {
        let range = (root, TreeId(0))..=(root, TreeId(u64::MAX));
        let ids: Vec<TreeId> = self.vpn_rooted.range(range).map(|(_, id)| *id).collect();
        for id in ids {
            let Some(tree) = self.trees.get(&id).filter(|tree| !tree.branches.is_empty()) else { continue };
            let fed_by = tree.fed_by;
            let onward = self.onward(&tree.fec);
            let known = fed_by.and_then(|inner| self.trees.get(&inner)).map(|inner| &inner.fec);
            if known == onward.as_ref() {
                continue;
            }
            if let Some(tree) = self.trees.get_mut(&id) {
                tree.fed_by = None;
                tree.touch_all = true;
                self.core.queue(id, tree);
            }
            if let Some(inner) = fed_by {
                self.starve(now, inner);
            }
            if let Some(onward) = onward {
                self.feed(now, id, &onward);
            }
        }
    }
}
