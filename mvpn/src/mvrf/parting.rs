//! Changes of the upstream PE, or of the way to it: the new one is joined first, and the old one is left once the new one had time to send
//! (RFC 7988 §10, with the switch-over delay of RFC 6513 §7.1.1).
//!
//! Meanwhile both send, and what comes from the new one is dropped: the check of packets (RFC 6513 §9.1.1) moves in one step.

use alloc::vec::Vec;
use fwd_core::time::Instant;

use super::config::{CMulticastProtocol, InterAs};
use super::instance::{Mvrf, PeKey};
use super::io::CTree;
use super::route::{McastKind, McastRoute, SFlow};
use super::shared::{Shared, Timer};
use super::source_active::upstream_of;
use super::umh::Umh;

/// The upstream hop that a tree is still received from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parting {
    umh: Umh,
    link: Link,
    /// The S-PMSI of the selected upstream PE that is joined beforehand.
    prepared: Option<(PeKey, SFlow)>,
}

impl Parting {
    pub(super) const fn umh(&self) -> Umh {
        self.umh
    }
}

/// What joins a tree at an upstream hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Link {
    Route(McastRoute),
    /// An LSP that is named after the tree and that PE (RFC 7246 §2).
    Lsp(PeKey),
}

/// A selected upstream hop, and the route to it.
pub(super) type Way = (Option<Umh>, Option<McastRoute>);

impl Mvrf {
    fn link(&self, tree: &CTree, (umh, route): Way) -> Option<Link> {
        match (self.is_in_band(tree.group()), tree) {
            (true, CTree::Source { .. }) => upstream_of(umh).map(Link::Lsp),
            _ => route.map(Link::Route),
        }
    }

    fn unlink(&self, shared: &mut Shared, link: Link) {
        if let Link::Route(route) = link {
            shared.withdraw(self.config.vrf, route);
        }
    }

    /// The way of a tree changed. Whether the route of the old one stays for the delay.
    pub(super) fn part(&mut self, shared: &mut Shared, now: Instant, tree: CTree, old: Way, new: Way) -> bool {
        let timer = Timer::Parting(self.config.vrf, tree);
        let until = now + shared.config.timers.switch_over;
        let (old_link, new_link) = (self.link(&tree, old), self.link(&tree, new));
        if let Some(known) = self.partings.get(&tree).copied() {
            let is_back = new_link == Some(known.link);
            if new_link.is_some() && !is_back && self.leads_on(&tree, &known) {
                if old_link != new_link {
                    shared.timers.set(timer, until);
                }
            } else {
                self.partings.remove(&tree);
                shared.timers.clear(timer);
                self.forget_prepared(shared, now, tree, known.prepared);
                if !is_back {
                    self.unlink(shared, known.link);
                }
            }
            return false;
        }
        let (Some(umh), Some(link), Some(new)) = (old.0, old_link, new_link) else { return false };
        let parting = Parting { umh, link, prepared: None };
        if new == link || !self.leads_on(&tree, &parting) {
            return false;
        }
        self.partings.insert(tree, parting);
        shared.timers.set(timer, until);
        true
    }

    /// Whether a way still leads to the root of a tree. Joins by PIM move at once, and where a second PE is joined beforehand it sends, or is
    /// the sooner the better.
    fn leads_on(&self, tree: &CTree, parting: &Parting) -> bool {
        let by_route = self.config.protocol == CMulticastProtocol::Bgp && self.config.standby.is_none();
        let may = by_route || matches!(parting.link, Link::Lsp(_));
        if !may || self.is_bidir(tree.group()) || !self.umh.is_candidate(tree.root(), &parting.umh) {
            return false;
        }
        let Umh::Remote { source_as: Some(asn), .. } = parting.umh else { return true };
        let Link::Route(route) = parting.link else { return true };
        let (McastKind::SourceTreeJoin(join) | McastKind::SharedTreeJoin(join)) = route.kind else { return false };
        match self.ases.get(&asn) {
            Some(of) if self.config.inter_as == InterAs::Segmented => of.has_way(join.rd),
            _ => true,
        }
    }

    /// The VRF of the upstream PE that a tree is received from: the one before, until the selected one had time to send.
    pub(super) fn received_from(&self, tree: &CTree) -> Option<PeKey> {
        let parting = self.partings.get(tree).map(|parting| parting.umh);
        upstream_of(parting.or(self.trees.get(tree)?.umh))
    }

    /// The delay is over: packets of the new upstream PE count, and the old one is left.
    pub(super) fn parted(&mut self, shared: &mut Shared, now: Instant, tree: CTree) {
        let Some(parting) = self.partings.remove(&tree) else { return };
        self.forget_prepared(shared, now, tree, parting.prepared);
        self.update_tree(shared, now, tree);
        self.unlink(shared, parting.link);
    }

    /// The S-PMSI that a flow will come by is joined beforehand.
    pub(super) fn prepare(&mut self, shared: &mut Shared, now: Instant, tree: CTree) {
        let Some(parting) = self.partings.get(&tree) else { return };
        let (flow, old) = (tree.flow(), parting.prepared);
        let Some(pe) = self.trees.get(&tree).and_then(|known| upstream_of(known.umh)) else { return };
        let is_there = self.receiving.get(&flow).is_some_and(|receiving| receiving.pe == pe);
        let matched = self.best_s_pmsi(pe, flow).filter(|_| !is_there).map(|matched| (pe, matched));
        if matched == old {
            return;
        }
        if let Some(parting) = self.partings.get_mut(&tree) {
            parting.prepared = matched;
        }
        self.forget_prepared(shared, now, tree, old);
        let Some((pe, matched)) = matched else { return };
        if let Some(incoming) = self.s_in.get_mut(&(pe, matched)) {
            incoming.users.insert(flow);
            shared.timers.clear(Timer::Leave(self.config.vrf, pe, matched));
        }
        self.join_s_pmsi(shared, now, pe, matched);
    }

    /// S-PMSIs of a PE changed: flows that are to come from there may come by another.
    pub(super) fn prepare_from(&mut self, shared: &mut Shared, now: Instant, pe: PeKey) {
        let is_from = |tree: &&CTree| self.trees.get(tree).and_then(|known| upstream_of(known.umh)) == Some(pe);
        let trees: Vec<CTree> = self.partings.keys().filter(is_from).copied().collect();
        trees.into_iter().for_each(|tree| self.prepare(shared, now, tree));
    }

    /// An S-PMSI that was joined beforehand is not, unless a flow is matched to it by now; it is left a while after.
    fn forget_prepared(&mut self, shared: &mut Shared, now: Instant, tree: CTree, what: Option<(PeKey, SFlow)>) {
        let Some((pe, matched)) = what else { return };
        let flow = tree.flow();
        let receiving = self.receiving.get(&flow);
        if receiving.is_some_and(|receiving| receiving.pe == pe && receiving.matched == Some(matched)) {
            return;
        }
        let Some(incoming) = self.s_in.get_mut(&(pe, matched)) else { return };
        incoming.users.remove(&flow);
        if incoming.users.is_empty() && incoming.joined.is_some() {
            let until = now + shared.config.timers.leave;
            shared.timers.set(Timer::Leave(self.config.vrf, pe, matched), until);
        }
    }
}
