//! S-PMSIs of other PEs: which of them this PE receives (RFC 6514 §12.3, RFC 6625 §3.2).

use alloc::vec::Vec;
use fwd_core::time::Instant;

use crate::mvrf::attributes::McastAttributes;
use crate::mvrf::config::AsmMode;
use crate::mvrf::event::MvpnLimit;
use crate::mvrf::instance::{FlowKey, Mvrf, PeKey, Receiving, SPmsiIn};
use crate::mvrf::io::CTree;
use crate::mvrf::p_tunnel::PTunnel;
use crate::mvrf::route::SFlow;
use crate::mvrf::shared::{Shared, Timer};
use crate::pim::wire::AddressFamily;

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
            if known.joined.is_some() || known.old.is_some() {
                known.is_withdrawn = true;
                let until = now + shared.config.timers.leave;
                shared.timers.set(Timer::Leave(self.config.vrf, key, flow), until);
            } else {
                self.s_in.remove(&(key, flow));
            }
            let users = self.flows_of(key, flow);
            users.into_iter().for_each(|user| self.rematch(shared, now, user));
            self.prepare_from(shared, now, key);
            return self.bootstrap_changed(shared, now, key, flow);
        };
        if !self.config.sites.receivers {
            return;
        }
        if !attributes.targets.is_empty() {
            shared.timers.clear(Timer::SPmsiTimeout(self.config.vrf, key, flow));
        }
        if !self.s_in.contains_key(&(key, flow)) && self.s_pmsis_known() >= self.config.limits.s_pmsis {
            return shared.limit(now, self.config.vrf, MvpnLimit::SPmsis);
        }
        shared.timers.clear(Timer::Leave(self.config.vrf, key, flow));
        let known = self.s_in.get(&(key, flow));
        let is_other = |known: &SPmsiIn| {
            (&known.attributes.pmsi, known.attributes.next_hop) != (&attributes.pmsi, attributes.next_hop)
        };
        // Of two roots both would send.
        let is_of_root = |s: &SPmsiIn| s.attributes.leaves_report_to() == attributes.leaves_report_to();
        let (is_other, stays) = known.map_or((false, false), |s| (is_other(s), is_of_root(s) && !s.users.is_empty()));
        if is_other {
            // RFC 6514 §12.1: bound to another tunnel.
            self.end_old(shared, key, flow);
            match stays {
                true => self.keep_old(shared, now, key, flow),
                false => self.leave_s_pmsi(shared, key, flow),
            }
        }
        let known = self.s_in.remove(&(key, flow));
        let (users, joined, old) = known.map(|s| (s.users, s.joined, s.old)).unwrap_or_default();
        let is_used = !users.is_empty();
        self.s_in.insert((key, flow), SPmsiIn { attributes, is_withdrawn: false, users, joined, old });
        if is_used {
            self.join_s_pmsi(shared, now, key, flow);
        }
        for user in self.flows_of(key, flow) {
            self.rematch(shared, now, user);
        }
        self.prepare_from(shared, now, key);
        self.bootstrap_changed(shared, now, key, flow);
    }

    /// The root moves the S-PMSI to another tunnel: packets come by the old one until it has (RFC 6513 §7.1.1).
    fn keep_old(&mut self, shared: &mut Shared, now: Instant, key: PeKey, flow: SFlow) {
        let Some(known) = self.s_in.get_mut(&(key, flow)).filter(|s| s.joined.is_some()) else { return };
        known.old = known.joined.take();
        let until = now + shared.config.timers.leave;
        shared.timers.set(Timer::LeaveOld(self.config.vrf, key, flow), until);
    }

    /// S-PMSI A-D routes of other PEs.
    pub(in crate::mvrf) fn s_pmsis_known(&self) -> usize {
        self.s_in.len().saturating_add(self.bidir.offer_count())
    }

    /// The S-PMSI of another PE's Bootstrap messages came or went (RFC 6513 §5.3.4).
    pub(in crate::mvrf) fn bootstrap_changed(&mut self, shared: &mut Shared, now: Instant, key: PeKey, flow: SFlow) {
        if let (true, Some(group)) = (self.carries_bootstrap(key, flow), flow.group.address()) {
            self.update_receiving(shared, now, (flow.source, group));
        }
    }

    /// The flows from another PE that an S-PMSI may be matched to.
    fn flows_of(&self, key: PeKey, flow: SFlow) -> Vec<FlowKey> {
        let Some(flows) = self.by_pe.get(&key) else { return Vec::new() };
        if let (Some(source), Some(group)) = (flow.source, flow.group.address()) {
            return flows.get(&(Some(source), group)).copied().into_iter().collect();
        }
        let may = |user: &&FlowKey| SFlow::candidates(user.0, user.1, self.is_ssm(user.1)).contains(&Some(flow));
        flows.iter().filter(may).copied().collect()
    }

    /// The PE's VRF that a flow has to come from.
    fn expected(&self, (source, group): FlowKey) -> Option<PeKey> {
        if self.is_bidir(group) {
            return None;
        }
        let Some(source) = source else {
            return match self.config.asm {
                AsmMode::RptSpt => self.shared_upstream(group),
                AsmMode::SptOnly => None,
            };
        };
        match self.trees.get(&CTree::Source { group, source }) {
            Some(tree) if tree.umh.is_some() => self.received_from(&CTree::Source { group, source }),
            // RFC 6514 §13.2: the source is active elsewhere, and we are on the shared tree.
            _ if self.config.asm == AsmMode::RptSpt && self.shared_upstream(group).is_some() => {
                self.best_source(group, source)
            }
            _ if group == AddressFamily::of(group).all_pim_routers() => self.bootstrap_from(source, group),
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
                self.move_tap(shared, flow, old.pe, false);
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
                self.receiving.insert(flow, Receiving { pe, matched: None, has_arrived: false });
                self.move_tap(shared, flow, pe, true);
                self.by_pe.entry(pe).or_default().insert(flow);
            }
        }
        self.rematch(shared, now, flow);
        self.refresh_routes(shared, flow);
    }

    /// The S-PMSI of a PE that a flow from there comes by (RFC 6625 §3.2).
    pub(in crate::mvrf) fn best_s_pmsi(&self, pe: PeKey, flow: FlowKey) -> Option<SFlow> {
        let is_there = |of: &SFlow| {
            let known = self.s_in.get(&(pe, *of)).filter(|s| !s.is_withdrawn);
            known.and_then(|s| s.attributes.pmsi.as_ref()).is_some_and(|pmsi| pmsi.tunnel != PTunnel::None)
        };
        SFlow::candidates(flow.0, flow.1, self.is_ssm(flow.1)).into_iter().flatten().find(is_there)
    }

    /// Finds the S-PMSI that a flow is matched to.
    fn rematch(&mut self, shared: &mut Shared, now: Instant, flow: FlowKey) {
        self.rematch_reception(shared, now, flow);
        self.track_flow(shared, flow);
    }

    fn rematch_reception(&mut self, shared: &mut Shared, now: Instant, flow: FlowKey) {
        let Some(receiving) = self.receiving.get(&flow).copied() else { return };
        let matched = self.best_s_pmsi(receiving.pe, flow);
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
    }

    /// A flow is matched to nothing any more; the tunnel is left a while after its last flow.
    fn unmatch(&mut self, shared: &mut Shared, now: Instant, flow: FlowKey, receiving: Receiving) {
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
}
