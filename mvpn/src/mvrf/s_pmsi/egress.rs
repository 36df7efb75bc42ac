//! S-PMSIs of other PEs: which of them this PE receives (RFC 6514 §12.3, RFC 6625 §3.2).

use core::net::IpAddr;

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use fwd_core::time::Instant;

use crate::mvrf::attributes::{McastAttributes, Target};
use crate::mvrf::config::AsmMode;
use crate::mvrf::event::MvpnLimit;
use crate::mvrf::instance::{FlowKey, Mvrf, PeKey, Receiving, SPmsiIn};
use crate::mvrf::io::CTree;
use crate::mvrf::route::{AdRoute, McastKind, McastRoute, SFlow};
use crate::mvrf::shared::{Shared, Timer};
use crate::mvrf::source_active::upstream_of;

impl Mvrf {
    /// An S-PMSI A-D route of another PE came, changed or went.
    pub(in crate::mvrf) fn s_pmsi_changed(
        &mut self,
        shared: &mut Shared,
        now: Instant,
        key: PeKey,
        flow: SFlow,
        attributes: Option<McastAttributes>,
    ) {
        let Some(attributes) = attributes else {
            let Some(known) = self.s_in.get_mut(&(key, flow)) else { return };
            // Its users look for another; the tunnel stays joined until the root has had time to leave it.
            let users: Vec<FlowKey> = known.users.iter().copied().collect();
            if known.joined.is_some() {
                known.is_withdrawn = true;
                let until = now + shared.config.timers.leave;
                shared.timers.set(Timer::Leave(self.config.vrf, key, flow), until);
            } else {
                self.s_in.remove(&(key, flow));
            }
            return users.into_iter().for_each(|user| self.rematch(shared, now, user));
        };
        if !self.config.sites.receivers {
            return;
        }
        if !self.s_in.contains_key(&(key, flow)) && self.s_in.len() >= self.config.limits.s_pmsis {
            return shared.limit(now, self.config.vrf, MvpnLimit::SPmsis);
        }
        shared.timers.clear(Timer::Leave(self.config.vrf, key, flow));
        let known = self.s_in.get(&(key, flow));
        if known.is_some_and(|known| known.attributes != attributes) {
            // RFC 6514 §12.1: bound to another tunnel.
            self.leave_s_pmsi(shared, key, flow);
        }
        let joined = self.s_in.get_mut(&(key, flow)).and_then(|s| s.joined.take());
        let users = self.s_in.remove(&(key, flow)).map(|s| s.users).unwrap_or_default();
        let is_used = !users.is_empty();
        self.s_in.insert((key, flow), SPmsiIn { attributes, is_withdrawn: false, users, joined });
        if is_used {
            self.join_s_pmsi(shared, now, key, flow);
        }
        let flows: Vec<FlowKey> = self.by_pe.get(&key).into_iter().flatten().copied().collect();
        for user in flows {
            let candidates = SFlow::candidates(user.0, user.1, self.is_ssm(user.1));
            if candidates.contains(&Some(flow)) {
                self.rematch(shared, now, user);
            }
        }
    }

    /// The PE's VRF that a flow has to come from.
    fn expected(&self, (source, group): FlowKey) -> Option<PeKey> {
        let Some(source) = source else {
            return match self.config.asm {
                AsmMode::RptSpt => self.shared_upstream(group),
                AsmMode::SptOnly => None,
            };
        };
        match self.trees.get(&CTree::Source { group, source }) {
            Some(tree) if tree.umh.is_some() => upstream_of(tree.umh),
            // RFC 6514 §13.2: the source is active elsewhere, and we are on the shared tree.
            _ if self.config.asm == AsmMode::RptSpt && self.shared_upstream(group).is_some() => {
                self.best_source(group, source)
            }
            _ => None,
        }
    }

    /// Where a flow comes from may have changed.
    pub(in crate::mvrf) fn update_receiving(&mut self, shared: &mut Shared, now: Instant, flow: FlowKey) {
        let old = self.receiving.get(&flow).copied();
        let expected = self.expected(flow);
        if old.map(|r| r.pe) != expected {
            let held = expected.filter(|pe| self.hold(shared, now, *pe).is_some());
            if let Some(old) = old {
                self.unmatch(shared, now, flow, old);
                self.receiving.remove(&flow);
                if let Some(flows) = self.by_pe.get_mut(&old.pe) {
                    flows.remove(&flow);
                    if flows.is_empty() {
                        self.by_pe.remove(&old.pe);
                    }
                }
                self.release(shared, old.pe);
            }
            if let Some(pe) = held {
                self.receiving.insert(flow, Receiving { pe, matched: None });
                self.by_pe.entry(pe).or_default().insert(flow);
            }
        }
        self.rematch(shared, now, flow);
        self.refresh_routes(shared, flow);
    }

    /// Finds the S-PMSI that a flow is matched to (RFC 6625 §3.2).
    fn rematch(&mut self, shared: &mut Shared, now: Instant, flow: FlowKey) {
        let Some(receiving) = self.receiving.get(&flow).copied() else { return };
        let candidates = SFlow::candidates(flow.0, flow.1, self.is_ssm(flow.1));
        let is_there = |f: &SFlow| {
            let known = self.s_in.get(&(receiving.pe, *f));
            known.is_some_and(|s| s.attributes.pmsi.is_some() && !s.is_withdrawn)
        };
        let matched = candidates.into_iter().flatten().find(is_there);
        if matched == receiving.matched {
            return;
        }
        self.unmatch(shared, now, flow, receiving);
        if let Some(known) = self.receiving.get_mut(&flow) {
            known.matched = matched;
        }
        let Some(matched) = matched else { return };
        let key = (receiving.pe, matched);
        if let Some(incoming) = self.s_in.get_mut(&key) {
            incoming.users.insert(flow);
            shared.timers.clear(Timer::Leave(self.config.vrf, receiving.pe, matched));
        }
        self.join_s_pmsi(shared, now, receiving.pe, matched);
        self.track_flow(shared, flow, receiving.pe, matched);
    }

    /// RFC 8534 §5: the flow announces itself under a wildcard that asks for it.
    fn track_flow(&mut self, shared: &mut Shared, flow: FlowKey, pe: PeKey, matched: SFlow) {
        let (Some(source), Some(incoming)) = (flow.0, self.s_in.get(&(pe, matched))) else { return };
        if !incoming.attributes.pmsi.as_ref().is_some_and(|p| p.per_flow) {
            return;
        }
        let targets = alloc::vec![Target::router(incoming.attributes.next_hop)];
        let exact = SFlow::source_group(source, flow.1);
        let key = AdRoute::SPmsi { rd: pe.rd, flow: exact, originator: pe.address };
        let kind = McastKind::Leaf { key, originator: shared.config.router };
        let leaf = McastRoute { family: exact.family, kind };
        shared.originate(self.config.vrf, leaf, McastAttributes::new(shared.config.router, targets));
        self.flow_leaves.insert(flow, leaf);
    }

    /// A flow is matched to nothing any more; the tunnel is left a while after its last flow.
    fn unmatch(&mut self, shared: &mut Shared, now: Instant, flow: FlowKey, receiving: Receiving) {
        if let Some(leaf) = self.flow_leaves.remove(&flow) {
            let is_answer = receiving.matched.and_then(|m| self.s_in.get(&(receiving.pe, m))?.joined.as_ref()?.leaf);
            if is_answer != Some(leaf) {
                shared.withdraw(self.config.vrf, leaf);
            }
        }
        let Some(matched) = receiving.matched else { return };
        let Some(incoming) = self.s_in.get_mut(&(receiving.pe, matched)) else { return };
        incoming.users.remove(&flow);
        if incoming.users.is_empty() && incoming.joined.is_some() {
            // A flow that nobody wants is left at once; one that moves, once its root has moved too.
            let still_wanted = self.expected(flow) == Some(receiving.pe);
            let delay = if still_wanted { shared.config.timers.leave } else { core::time::Duration::ZERO };
            shared.timers.set(Timer::Leave(self.config.vrf, receiving.pe, matched), now + delay);
        }
    }

    /// The delay after the last flow of an S-PMSI is over.
    pub(in crate::mvrf) fn leave_over(&mut self, shared: &mut Shared, key: PeKey, flow: SFlow) {
        let Some(incoming) = self.s_in.get(&(key, flow)) else { return };
        let (is_unused, is_gone) = (incoming.users.is_empty(), incoming.is_withdrawn);
        if is_unused {
            self.leave_s_pmsi(shared, key, flow);
        }
        if is_unused && is_gone {
            self.s_in.remove(&(key, flow));
        }
    }

    /// PEs that receive a flow of ours, where they announce themselves (RFC 8534).
    pub(in crate::mvrf) fn receivers_of(&self, source: IpAddr, group: IpAddr) -> BTreeSet<IpAddr> {
        let leaves = self.leaves.get(&SFlow::source_group(source, group));
        leaves.into_iter().flat_map(|leaves| leaves.keys().copied()).collect()
    }
}
