//! S-PMSIs: flows on tunnels of their own (RFC 6513 §7, RFC 6514 §12, RFC 6625).

mod egress;
mod fsm;

use core::net::IpAddr;

use alloc::vec::Vec;
use fwd_core::time::Instant;

use super::config::TunnelKind;
use super::event::{MvpnEvent, MvpnLimit};
use super::forwarding::mroute_key;
use super::instance::{Mvrf, SPmsiOut};
use super::p_tunnel::PmsiTunnelValue;
use super::route::{McastRoute, SFlow};
use super::shared::{Shared, Timer};
use super::umh::holds;

pub use fsm::{Action, Event, State, transition};

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
        let flow = SFlow::source_group(source, group);
        if self.config.s_pmsi.fixed.contains(&flow) {
            return;
        }
        let known = self.s_out.get(&flow).map(|out| out.is_wanted);
        let key = mroute_key(Some(source), group);
        let rate = self.c_routes.get(&key).map_or(0, |route| route.rate);
        let policy = &self.config.s_pmsi;
        let is_placed = policy.always.iter().any(|range| holds(range, group));
        let is_held = shared.timers.get(Timer::HoldDown(self.config.vrf, flow)).is_some();
        let is_fast = policy.threshold.is_some_and(|t| match known {
            Some(true) => rate >= t.down || is_held,
            _ => rate >= t.up,
        });
        let is_wanted = self.sends(source, group) && (is_placed || is_fast);
        if known.unwrap_or(false) != is_wanted {
            self.set_wanted(shared, now, flow, is_wanted);
        }
    }

    /// Whether other PEs joined a flow of ours.
    fn sends(&self, source: IpAddr, group: IpAddr) -> bool {
        let route = self.c_routes.get(&mroute_key(Some(source), group));
        let id = route.and_then(|route| route.mroute.replication);
        id.and_then(|id| self.c_groups.get(&id)).is_some_and(|group| group.pmsi.is_some())
    }

    /// An S-PMSI is wanted, or not.
    pub(super) fn set_wanted(&mut self, shared: &mut Shared, now: Instant, flow: SFlow, is_wanted: bool) {
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
        }
        self.drive(shared, now, flow, if is_wanted { Event::Wanted } else { Event::Unwanted });
    }

    /// The switch-over delay is over.
    pub(super) fn switch_over(&mut self, shared: &mut Shared, now: Instant, flow: SFlow) {
        self.drive(shared, now, flow, Event::SwitchOver);
    }

    fn drive(&mut self, shared: &mut Shared, now: Instant, flow: SFlow, event: Event) {
        let old = self.s_out.get(&flow).map(|out| out.state);
        let has_default = self.has_default(flow);
        let (state, actions) = transition(old, event, has_default);
        if let (None, Some(state)) = (old, state) {
            let Some(tree) = shared.new_root(now, self.config.vrf, self.config.selective, self.config.aggregated)
            else {
                return;
            };
            let since = shared.next_age();
            self.s_out.insert(flow, SPmsiOut { state, tree, is_wanted: true, since });
            self.s_pmsi_changed_at = Some(now);
        }
        if let (Some(out), Some(state)) = (self.s_out.get_mut(&flow), state) {
            out.state = state;
        }
        let ended = if state.is_none() { self.s_out.remove(&flow) } else { None };
        for action in actions {
            self.act(shared, now, flow, *action, ended.as_ref());
        }
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
            Action::Announce => self.announce_s_pmsi(shared, flow),
            Action::Withdraw => {
                let route = McastRoute::s_pmsi(self.config.rd, flow, shared.config.router);
                shared.withdraw(vrf, route);
            }
            Action::StartDelay => shared.timers.set(Timer::SwitchOver(vrf, flow), now + timers.switch_over),
            Action::StopDelay => shared.timers.clear(Timer::SwitchOver(vrf, flow)),
            Action::StartHoldDown => shared.timers.set(Timer::HoldDown(vrf, flow), now + timers.hold_down),
            Action::Bind => {
                self.rebind(shared, flow);
                let tree = self.s_out.get(&flow).and_then(|out| shared.roots.get(&out.tree));
                let to = tree.map(|root| root.tunnel.clone());
                shared.event(MvpnEvent::Moved { vrf, flow, to });
            }
            Action::Release => {
                self.s_pmsi_changed_at = Some(now);
                shared.timers.clear(Timer::HoldDown(vrf, flow));
                if let Some(out) = ended {
                    shared.drop_root(out.tree);
                }
            }
        }
    }

    // RFC 6514 §12.1
    fn announce_s_pmsi(&self, shared: &mut Shared, flow: SFlow) {
        let Some(root) = self.s_out.get(&flow).and_then(|out| shared.roots.get(&out.tree)) else { return };
        let mut value = PmsiTunnelValue { label: root.label, ..PmsiTunnelValue::new(root.tunnel.clone()) };
        let is_wildcard = flow.source.is_none() || flow.group.address().is_none();
        value.per_flow = self.config.s_pmsi.explicit_tracking && is_wildcard;
        let tracked = self.config.s_pmsi.explicit_tracking && !is_wildcard;
        value.leaf_information_required =
            matches!(root.kind, TunnelKind::IngressReplication | TunnelKind::RsvpTeP2mp) || tracked;
        let mut attributes = self.attributes(&shared.config);
        attributes.pmsi = Some(value);
        let route = McastRoute::s_pmsi(self.config.rd, flow, shared.config.router);
        shared.originate(self.config.vrf, route, attributes);
    }

    /// The hold-down time is over: a slow flow returns.
    pub(super) fn hold_down_over(&mut self, shared: &mut Shared, now: Instant, flow: SFlow) {
        if let (Some(source), Some(group)) = (flow.source, flow.group.address()) {
            self.update_s_pmsi(shared, now, source, group);
        }
    }

    /// Ends an S-PMSI at once.
    pub(super) fn end_s_pmsi(&mut self, shared: &mut Shared, flow: SFlow) {
        let Some(out) = self.s_out.remove(&flow) else { return };
        let vrf = self.config.vrf;
        self.s_pmsi_changed_at = Some(shared.clock);
        shared.timers.clear(Timer::SwitchOver(vrf, flow));
        shared.timers.clear(Timer::HoldDown(vrf, flow));
        shared.withdraw(vrf, McastRoute::s_pmsi(self.config.rd, flow, shared.config.router));
        self.rebind(shared, flow);
        shared.drop_root(out.tree);
    }

    /// Legs out of the PMSI follow what their flows are matched to.
    fn rebind(&mut self, shared: &mut Shared, flow: SFlow) {
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
