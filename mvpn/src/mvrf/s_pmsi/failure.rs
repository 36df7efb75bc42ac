//! Tunnels that fail or are too small: what becomes of their flows.

use alloc::vec::Vec;
use fwd_core::net::ReplicationId;
use fwd_core::time::Instant;

use super::policy::Move;
use crate::mvrf::event::MvpnEvent;
use crate::mvrf::instance::Mvrf;
use crate::mvrf::root::TreeId;
use crate::mvrf::route::SFlow;
use crate::mvrf::shared::{Shared, Timer};

impl Mvrf {
    /// The forwarder or the provider of tunnels has no room for a tunnel: its flows take the default one at once, and an S-PMSI with
    /// another kind of tunnel where there is one to fall back to. After a while the first choice is tried again.
    pub(in crate::mvrf) fn tree_failed(&mut self, shared: &mut Shared, now: Instant, tree: TreeId) {
        if self.lsp_tree_failed(shared, now, tree) {
            return;
        }
        let Some(users) = self.tree_users.get(&tree) else { return };
        let flows: Vec<SFlow> = users.iter().copied().collect();
        self.figures.failed = self.figures.failed.saturating_add(1);
        flows.into_iter().for_each(|flow| self.give_up(shared, now, flow, Move::Failed));
    }

    fn give_up(&mut self, shared: &mut Shared, now: Instant, flow: SFlow, why: Move) {
        let is_second = self.failed.contains(&flow);
        self.failed.insert(flow);
        shared.timers.set(Timer::Retry(self.config.vrf, flow), now + shared.config.timers.retry);
        self.end_s_pmsi(shared, now, flow, Some(why));
        // Where the second choice failed too, there is nothing to do but wait.
        if !is_second {
            self.reconsider(shared, now, flow);
        }
    }

    /// What failed is tried again.
    pub(in crate::mvrf) fn retry(&mut self, shared: &mut Shared, now: Instant, flow: SFlow) {
        self.failed.remove(&flow);
        self.reconsider(shared, now, flow);
    }

    /// The forwarder had no room for a leg of the customers' PIM: it is made again when the flow changes its tunnel.
    pub(in crate::mvrf) fn leg_refused(&mut self, id: ReplicationId, leg: u16) {
        if let Some(group) = self.c_groups.get_mut(&id).filter(|group| group.pmsi == Some(leg)) {
            group.bound = None;
        }
    }

    /// Whether the tunnel of an S-PMSI cannot carry what is promised.
    pub(super) fn is_too_small(&self, shared: &Shared, flow: SFlow) -> bool {
        let root = self.s_out.get(&flow).and_then(|out| shared.roots.get(&out.tree));
        matches!((self.config.mtu, root.and_then(|root| root.mtu)), (Some(promised), Some(mtu)) if mtu < promised)
    }

    /// Whether nobody joined the tunnel of a flow that is known to have receivers: a router on the way refused it.
    pub(super) fn has_no_branch(&self, shared: &Shared, flow: SFlow) -> bool {
        let root = self.s_out.get(&flow).and_then(|out| shared.roots.get(&out.tree));
        root.is_some_and(|root| !root.has_legs()) && !self.leaves_of(flow).is_empty()
    }

    pub(super) fn fail_unborn(&mut self, shared: &mut Shared, now: Instant, flow: SFlow) {
        let Some(tree) = self.s_out.get(&flow).map(|out| out.tree) else { return };
        if let Some(tunnel) = shared.roots.get(&tree).map(|root| root.tunnel.clone()) {
            shared.event(MvpnEvent::Failed { vrf: self.config.vrf, tunnel });
        }
        self.tree_failed(shared, now, tree);
    }

    /// A tunnel is not taken: it cannot carry what is promised.
    pub(super) fn fail_small(&mut self, shared: &mut Shared, now: Instant, flow: SFlow) {
        if let Some(tree) = self.s_out.get(&flow).map(|out| out.tree) {
            self.mtu_changed(shared, now, tree);
        }
    }

    /// The size of a tunnel is known, or changed.
    pub(in crate::mvrf) fn mtu_changed(&mut self, shared: &mut Shared, now: Instant, tree: TreeId) {
        let Some(root) = shared.roots.get(&tree) else { return };
        let (Some(promised), Some(mtu)) = (self.config.mtu, root.mtu) else { return };
        if mtu >= promised {
            return;
        }
        let (vrf, tunnel) = (self.config.vrf, root.tunnel.clone());
        shared.event(MvpnEvent::TooSmall { vrf, tunnel, mtu, promised });
        self.figures.too_small = self.figures.too_small.saturating_add(1);
        let flows: Vec<SFlow> = self.tree_users.get(&tree).into_iter().flatten().copied().collect();
        flows.into_iter().for_each(|flow| self.give_up(shared, now, flow, Move::TooSmall));
    }
}
