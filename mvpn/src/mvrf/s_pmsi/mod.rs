//! S-PMSIs: flows on tunnels of their own (RFC 6513 §7, RFC 6514 §12, RFC 6625).

mod aggregate;
mod egress;
mod exchange;
mod failure;
mod figures;
mod fsm;
mod policy;
mod schedule;
mod track;

use core::net::IpAddr;

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use fwd_core::time::Instant;

use super::config::TunnelKind;
use super::event::{MvpnEvent, MvpnLimit};
use super::forwarding::{flow_of, mroute_key};
use super::instance::{Mvrf, SPmsiOut};
use super::p_tunnel::PmsiTunnelValue;
use super::root::TreeId;
use super::route::{McastRoute, SFlow};
use super::shared::{Shared, Timer};
use super::umh::holds;

pub use figures::{SPmsiFigures, TradeOff};
pub use fsm::{Action, Event, State, transition};
pub use policy::{Audience, Move, Period, Reason, SPmsiPolicy, Seen, Threshold, decide};

impl Mvrf {
    /// The rate of a flow of ours.
    pub(super) fn rate(&mut self, shared: &mut Shared, now: Instant, source: IpAddr, group: IpAddr, rate: u64) {
        if let Some(route) = self.c_routes.get_mut(&mroute_key(Some(source), group)) {
            route.rate = rate;
            self.update_s_pmsi(shared, now, source, group);
        }
    }

    /// Whether a flow of ours should have an S-PMSI, by what is known of it now.
    pub(super) fn update_s_pmsi(&mut self, shared: &mut Shared, now: Instant, source: IpAddr, group: IpAddr) {
        self.reconsider(shared, now, SFlow::source_group(source, group));
    }

    /// Whether an S-PMSI should be there, by what is known now.
    fn reconsider(&mut self, shared: &mut Shared, now: Instant, flow: SFlow) {
        let known = self.s_out.get(&flow).map(|out| out.is_wanted);
        let reason = self.reason(shared, flow);
        if known.unwrap_or(false) != reason.is_some() {
            self.set_wanted(shared, now, flow, reason);
        } else if let (Some(out), Some(reason)) = (self.s_out.get_mut(&flow), reason) {
            out.reason = reason;
        }
    }

    fn is_wanted(&self, shared: &Shared, flow: SFlow) -> bool {
        self.reason(shared, flow).is_some()
    }

    /// Why an S-PMSI should be there.
    fn reason(&self, shared: &Shared, flow: SFlow) -> Option<Reason> {
        if flow.group.address().is_some_and(|group| self.is_in_band(group) || self.in_band_rpa(group).is_some()) {
            return None;
        }
        if self.failed.contains(&flow) && self.config.fallback.is_none() {
            return None;
        }
        if let Some(is_selective) = self.placed.get(&flow) {
            return is_selective.then_some(Reason::Placed);
        }
        let policy = &self.config.s_pmsi;
        if policy.fixed.contains(&flow) {
            return Some(Reason::Placed);
        }
        if policy.is_pinned(&flow) {
            return None;
        }
        if self.scheduled.contains(&flow) {
            return Some(Reason::Scheduled);
        }
        let (source, group) = (flow.source?, flow.group.address()?);
        if !self.sends(source, group) {
            return None;
        }
        if shared.timers.get(Timer::Settle(self.config.vrf, flow)).is_some() {
            return None;
        }
        if policy.always.iter().any(|range| holds(range, group)) {
            return Some(Reason::Placed);
        }
        let is_held = shared.timers.get(Timer::HoldDown(self.config.vrf, flow)).is_some();
        let is_selective = self.s_out.get(&flow).is_some_and(|out| out.is_wanted);
        decide(policy, &self.seen(source, group), is_selective, is_held)
    }

    /// A flow of ours has its first receivers, or its last are gone: who they are is known a little later.
    pub(super) fn settle(&self, shared: &mut Shared, now: Instant, source: IpAddr, group: IpAddr) {
        let flow = SFlow::source_group(source, group);
        let timer = Timer::Settle(self.config.vrf, flow);
        if !self.sends(source, group) {
            shared.timers.clear(timer);
        } else if self.config.s_pmsi.needs_receivers() && !self.s_out.contains_key(&flow) {
            shared.timers.set(timer, now + shared.config.timers.settle);
        }
    }

    /// An operator places a flow, or leaves it to the rules again.
    pub(super) fn place(&mut self, shared: &mut Shared, now: Instant, flow: SFlow, is_selective: Option<bool>) {
        match is_selective {
            Some(is_selective) => self.placed.insert(flow, is_selective),
            None => self.placed.remove(&flow),
        };
        self.reconsider(shared, now, flow);
    }

    /// There may be more S-PMSIs than before: what is fixed, placed, scheduled or sent is judged again.
    pub(super) fn restore_s_pmsis(&mut self, shared: &mut Shared, now: Instant) {
        let known = self.config.s_pmsi.fixed.iter().chain(self.placed.keys()).chain(&self.scheduled).copied();
        let sent = self.flows_sent().map(|(source, group)| SFlow::source_group(source, group));
        let flows: BTreeSet<SFlow> = known.chain(sent).filter(|f| self.config.families.contains(&f.family)).collect();
        for flow in flows.into_iter().filter(|flow| !self.s_out.contains_key(flow)).collect::<Vec<_>>() {
            self.reconsider(shared, now, flow);
        }
    }

    /// Flows of ours that other PEs joined.
    fn flows_sent(&self) -> impl Iterator<Item = (IpAddr, IpAddr)> + '_ {
        let sent = self.c_groups.values().filter(|group| group.pmsi.is_some());
        sent.filter_map(|group| flow_of(group.key?)).filter_map(|(source, group)| Some((source?, group)))
    }

    /// Whether other PEs joined a flow of ours.
    fn sends(&self, source: IpAddr, group: IpAddr) -> bool {
        let route = self.c_routes.get(&mroute_key(Some(source), group));
        let id = route.and_then(|route| route.mroute.replication);
        id.and_then(|id| self.c_groups.get(&id)).is_some_and(|group| group.pmsi.is_some())
    }

    /// An S-PMSI is wanted, or not.
    pub(super) fn set_wanted(&mut self, shared: &mut Shared, now: Instant, flow: SFlow, reason: Option<Reason>) {
        let is_wanted = reason.is_some();
        // Those of bidirectional groups are their RPA's upstream PE's, and come by themselves.
        if is_wanted && self.is_bidir_flow(&flow) {
            return;
        }
        if is_wanted && !self.s_out.contains_key(&flow) {
            if !self.config.sites.senders {
                return;
            }
            if self.s_out.len() >= self.config.limits.own_s_pmsis {
                return shared.limit(now, self.config.vrf, MvpnLimit::OwnSPmsis);
            }
        }
        if let Some(out) = self.s_out.get_mut(&flow) {
            out.is_wanted = is_wanted;
            out.reason = reason.unwrap_or(out.reason);
        }
        match reason {
            Some(reason) => self.drive(shared, now, flow, Event::Wanted, reason),
            None => {
                self.waiting.remove(&flow);
                self.drive(shared, now, flow, Event::Unwanted, Reason::Placed);
            }
        }
    }

    /// The switch-over delay is over.
    pub(super) fn switch_over(&mut self, shared: &mut Shared, now: Instant, flow: SFlow) {
        if self.s_out.get(&flow).is_some_and(|out| out.state == State::Selective) {
            return self.exchanged(shared, now, flow);
        }
        let is_new = self.s_out.get(&flow).is_some_and(|out| out.state == State::Announced);
        if is_new && self.is_too_small(shared, flow) {
            return self.fail_small(shared, now, flow);
        }
        if is_new && self.has_no_branch(shared, flow) {
            return self.fail_unborn(shared, now, flow);
        }
        self.drive(shared, now, flow, Event::SwitchOver, Reason::Placed);
    }

    fn drive(&mut self, shared: &mut Shared, now: Instant, flow: SFlow, event: Event, reason: Reason) {
        let old = self.s_out.get(&flow).map(|out| out.state);
        let (has_default, from) = (self.has_default(flow), self.taken_by(flow));
        let (state, actions) = transition(old, event, has_default);
        if let (None, Some(state)) = (old, state) {
            let Some(tree) = self.choose_tree(shared, now, flow) else { return };
            let since = shared.next_age();
            self.s_out.insert(flow, SPmsiOut { state, tree, before: None, is_wanted: true, since, reason });
            self.s_pmsi_changed_at = Some(now);
            self.attach_known_leaves(shared, now, flow);
        }
        if let (Some(out), Some(state)) = (self.s_out.get_mut(&flow), state) {
            out.state = state;
        }
        let goes_on = self.s_out.get(&flow).is_some_and(|out| out.before.is_some() && state == Some(State::Selective));
        let ended = if state.is_none() { self.s_out.remove(&flow) } else { None };
        for action in actions {
            self.act(shared, now, flow, *action, ended.as_ref());
            if *action == Action::Bind {
                let why = self.s_out.get(&flow).map_or(Move::Unwanted, |out| Move::Wanted(out.reason));
                self.count_move(flow);
                self.moved(shared, flow, from, why);
            }
        }
        if goes_on {
            // It was on its way to another tunnel.
            self.act(shared, now, flow, Action::StartDelay, None);
        }
    }

    /// The tree that the flows of an S-PMSI take, whether that is the S-PMSI's or not.
    fn taken_by(&self, flow: SFlow) -> Option<TreeId> {
        let carrying = |flow: &SFlow| self.s_out.get(flow).filter(|out| out.state.carries()).map(SPmsiOut::carrier);
        [flow, SFlow::all(flow.family)].iter().find_map(carrying).or(self.inclusive)
    }

    /// Says that flows changed their tunnel.
    pub(super) fn moved(&self, shared: &mut Shared, flow: SFlow, from: Option<TreeId>, why: Move) {
        let tunnel = |tree: Option<TreeId>| tree.and_then(|tree| shared.roots.get(&tree)).map(|r| r.tunnel.clone());
        let (from, to) = (tunnel(from), tunnel(self.taken_by(flow)));
        shared.event(MvpnEvent::Moved { vrf: self.config.vrf, flow, from, to, why });
    }

    /// Whether a flow has a tunnel without this S-PMSI.
    fn has_default(&self, flow: SFlow) -> bool {
        let wild = SFlow::all(flow.family);
        self.inclusive.is_some() || (flow != wild && self.s_out.contains_key(&wild))
    }

    fn act(&mut self, shared: &mut Shared, now: Instant, flow: SFlow, action: Action, ended: Option<&SPmsiOut>) {
        let vrf = self.config.vrf;
        let timers = shared.config.timers;
        match action {
            Action::Announce => {
                self.announce_s_pmsi(shared, flow);
                self.send_join(shared, now, flow);
            }
            Action::Withdraw => self.withdraw_s_pmsi(shared, flow),
            Action::StartDelay => shared.timers.set(Timer::SwitchOver(vrf, flow), now + timers.switch_over),
            Action::StopDelay => shared.timers.clear(Timer::SwitchOver(vrf, flow)),
            Action::StartHoldDown => shared.timers.set(Timer::HoldDown(vrf, flow), now + timers.hold_down),
            Action::Bind => self.rebind(shared, flow),
            Action::Release => {
                self.s_pmsi_changed_at = Some(now);
                shared.timers.clear(Timer::HoldDown(vrf, flow));
                if let Some(out) = ended {
                    self.release_trees(shared, now, flow, out);
                }
            }
        }
    }

    fn count_move(&mut self, flow: SFlow) {
        let figures = &mut self.figures;
        let Some(out) = self.s_out.get(&flow) else {
            figures.returned = figures.returned.saturating_add(1);
            return;
        };
        let moved = figures.moved.entry(out.reason).or_insert(0);
        *moved = moved.saturating_add(1);
        if self.tree_users.get(&out.tree).is_some_and(|users| users.len() > 1) {
            figures.shared = figures.shared.saturating_add(1);
        }
    }

    // RFC 6514 §12.1
    pub(super) fn announce_s_pmsi(&self, shared: &mut Shared, flow: SFlow) {
        if !self.config.model.has_mcast() {
            return;
        }
        let Some(root) = self.s_out.get(&flow).and_then(|out| shared.roots.get(&out.tree)) else { return };
        let mut value = PmsiTunnelValue { label: root.label, ..PmsiTunnelValue::new(root.tunnel.clone()) };
        let is_wildcard = flow.source.is_none() || flow.group.address().is_none();
        value.per_flow = self.config.s_pmsi.explicit_tracking && is_wildcard;
        let tracked = self.config.s_pmsi.explicit_tracking && !is_wildcard;
        value.leaf_information_required =
            matches!(root.kind, TunnelKind::IngressReplication | TunnelKind::RsvpTeP2mp) || tracked;
        let mut attributes = self.attributes(&shared.config);
        attributes.pmsi = Some(value);
        attributes.segmented_next_hop = self.config.inter_area.then_some(shared.config.router);
        let route = McastRoute::s_pmsi(self.config.rd, flow, shared.config.router);
        shared.originate(self.config.vrf, route, attributes);
    }

    /// The route is withdrawn, or asks for receivers only.
    fn withdraw_s_pmsi(&self, shared: &mut Shared, flow: SFlow) {
        match self.tracks_without_tunnel(&flow) {
            true => self.track_default(shared),
            false => shared.withdraw(self.config.vrf, McastRoute::s_pmsi(self.config.rd, flow, shared.config.router)),
        }
    }

    /// The hold-down time is over: a slow flow returns.
    pub(super) fn hold_down_over(&mut self, shared: &mut Shared, now: Instant, flow: SFlow) {
        self.reconsider(shared, now, flow);
    }

    /// Ends an S-PMSI at once; says why, if it is to be said.
    pub(super) fn end_s_pmsi(&mut self, shared: &mut Shared, now: Instant, flow: SFlow, why: Option<Move>) {
        let Some(out) = self.s_out.remove(&flow) else { return };
        if let Some(why) = why.filter(|_| out.state.carries()) {
            self.moved(shared, flow, Some(out.carrier()), why);
        }
        let vrf = self.config.vrf;
        self.s_pmsi_changed_at = Some(shared.clock);
        shared.timers.clear(Timer::SwitchOver(vrf, flow));
        shared.timers.clear(Timer::HoldDown(vrf, flow));
        self.withdraw_s_pmsi(shared, flow);
        self.rebind(shared, flow);
        self.release_trees(shared, now, flow, &out);
    }

    /// Legs out of the PMSI follow what their flows are matched to.
    pub(super) fn rebind(&mut self, shared: &mut Shared, flow: SFlow) {
        let groups: Vec<_> = match (flow.source, flow.group.address()) {
            (Some(source), Some(group)) => {
                let route = self.c_routes.get(&mroute_key(Some(source), group));
                route.and_then(|route| route.mroute.replication).into_iter().collect()
            }
            _ => self.c_groups.iter().filter(|(_, g)| g.pmsi.is_some()).map(|(id, _)| *id).collect(),
        };
        for id in groups {
            self.bind_leg(shared, id);
        }
    }
}
