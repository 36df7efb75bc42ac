//! Fast failover of upstream PEs (RFC 9026): the status of tunnels counts in the selection, and a second PE is joined beforehand.
//!
//! The status comes from outside: from P2MP BFD sessions (RFC 8562) whose head is the PE and whose path is its I-PMSI, or from whatever else
//! tells that a tunnel works. The discriminators that heads announce come out as [`Output::Watch`].

use core::net::IpAddr;

use alloc::vec::Vec;
use bgp_vpn::nlri::RouteDistinguisher;
use fwd_core::time::Instant;

use super::attributes::{BfdSession, McastAttributes};
use super::forwarding::mroute_key;
use super::instance::{Joiner, Mvrf};
use super::io::{CTree, Output};
use super::shared::Shared;
use super::umh::Umh;

/// What an upstream PE does with the joins for which it is the second choice (RFC 9026 §4.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RootStandby {
    /// Nothing, until it is the first.
    #[default]
    Cold,
    /// It joins the customers' tree, and sends nothing until the first choice is gone.
    Warm,
    /// It joins the customers' tree and sends: receivers drop what comes from the second choice, and lose least.
    Hot,
}

impl Mvrf {
    /// The tunnels of another PE work, or not.
    pub(super) fn upstream_state(&mut self, shared: &mut Shared, now: Instant, pe: IpAddr, is_up: bool) {
        if !self.umh.set_down(pe, !is_up) {
            return;
        }
        self.all_rpas_changed(shared, now);
        self.lsp_roots_changed(shared, now, None);
        let trees: Vec<CTree> = self.trees.keys().copied().collect();
        trees.into_iter().for_each(|tree| self.update_tree(shared, now, tree));
        let waiting: Vec<CTree> = self.standby_joins.iter().copied().collect();
        waiting.into_iter().for_each(|tree| self.rebind_tree(shared, tree));
    }

    /// Brings the Standby C-multicast route of a tree up to date (RFC 9026 §4.1).
    pub(super) fn update_standby(&mut self, shared: &mut Shared, tree: CTree) {
        let vrf = self.config.vrf;
        let Some(known) = self.trees.get(&tree) else { return };
        // A partition has one upstream PE.
        let may = self.config.standby.is_some() && !self.is_bidir(tree.group());
        let first = known.umh.filter(|_| may).and_then(|umh| umh.pe());
        let second = first.and_then(|pe| self.umh.select_but(tree.root(), tree.group(), self.config.umh, pe));
        let made = second.filter(|umh| *umh != Umh::Local).and_then(|umh| self.c_multicast(shared, &tree, &umh));
        let old = known.standby;
        let current = known.route;
        // The first choice's route of the same NLRI stands.
        let made = made.filter(|(route, _)| Some(*route) != current);
        let route = made.as_ref().map(|(route, _)| *route);
        if let Some((route, attributes)) = made {
            shared.originate(vrf, route, McastAttributes { standby: true, ..attributes });
        }
        if let Some(known) = self.trees.get_mut(&tree) {
            known.standby = route;
        }
        if let Some(old) = old.filter(|old| Some(*old) != route && Some(*old) != current) {
            shared.withdraw(vrf, old);
        }
    }

    /// A C-multicast route came that has this PE as its second choice, or one that has not.
    pub(super) fn standby_changed(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        tree: CTree,
        rd: RouteDistinguisher,
        is_standby: bool,
    ) {
        let changed = match is_standby {
            true => self.standby_joins.insert(tree),
            false => self.standby_joins.remove(&tree),
        };
        let is_cold = self.config.standby.unwrap_or_default() == RootStandby::Cold;
        self.join_changed(shared, now, tree, Joiner::Route(rd), !(is_standby && is_cold));
        if changed {
            self.rebind_tree(shared, tree);
        }
    }

    /// The route is withdrawn.
    pub(super) fn standby_ended(&mut self, shared: &mut Shared, now: Instant, tree: CTree, rd: RouteDistinguisher) {
        self.standby_joins.remove(&tree);
        self.join_changed(shared, now, tree, Joiner::Route(rd), false);
    }

    /// Whether a flow of ours is kept back: this PE is the second choice, warm, and the first works (RFC 9026 §4.2, §4.3).
    pub(super) fn is_kept_back(&self, source: Option<IpAddr>, group: IpAddr) -> bool {
        if self.config.standby != Some(RootStandby::Warm) {
            return false;
        }
        let Some(source) = source else { return false };
        let tree = CTree::Source { group, source };
        self.standby_joins.contains(&tree) && self.umh.has_other(source)
    }

    pub(super) fn rebind_tree(&mut self, shared: &mut Shared, tree: CTree) {
        let (source, group) = tree.flow();
        let route = self.c_routes.get(&mroute_key(source, group));
        if let Some(id) = route.and_then(|route| route.mroute.replication) {
            self.bind_leg(shared, id);
        }
    }

    /// The discriminator that a PE announces for its I-PMSI changed.
    pub(super) fn watch_head(&mut self, shared: &mut Shared, pe: IpAddr, bfd: Option<&BfdSession>) {
        let old = match bfd {
            Some(bfd) => self.watched.insert(pe, *bfd),
            None => self.watched.remove(&pe),
        };
        if old.as_ref() != bfd {
            let vrf = self.config.vrf;
            shared.outputs.push_back(Output::Watch { vrf, pe, session: bfd.copied() });
        }
    }
}
