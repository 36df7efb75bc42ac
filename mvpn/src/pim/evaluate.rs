//! What follows from a change: macros are computed anew and the machines are told what became true or false.

use alloc::vec::Vec;
use core::time::Duration;

use fwd_core::net::IfIndex;
use fwd_core::time::Instant;

use super::assert::{AssertEvent, AssertState};
use super::downstream::{JoinState, RptState};
use super::io::{Output, PimEvent};
use super::macros::{GroupView, SourceView};
use super::network::PimAddress;
use super::register::{RegisterAction, RegisterEvent, RegisterState, register_transition};
use super::router::PimRouter;
use super::state::{Rpf, Timer, assert_state};
use super::transmit::Entry;
use super::upstream::{
    RptUpstreamAction, RptUpstreamEvent, RptUpstreamState, UpstreamAction, UpstreamEvent, UpstreamState,
    rpt_upstream_transition, upstream_transition,
};
use super::wire::{Register, RegisterFlags};

/// How often a change may cause another within a group before the rest waits for the next input. The machines settle in two or three
/// rounds; the bound is against what nobody thought of.
const MAX_ROUNDS: usize = 8;

impl<A: PimAddress> PimRouter<A> {
    pub(super) fn view(&self, g: A) -> Option<GroupView<'_, A>> {
        self.groups.get(&g).map(|group| GroupView { net: &self.net, g, group })
    }

    pub(super) fn source_view(&self, g: A, s: A) -> Option<SourceView<'_, A>> {
        self.view(g).map(|view| view.source(s))
    }

    /// Evaluates a group, or one source of it, until nothing changes, and forgets what is idle.
    pub(super) fn evaluate(&mut self, now: Instant, g: A, source: Option<A>) {
        if source.is_none() {
            self.rp_may_change(now, g);
        }
        for _ in 0..MAX_ROUNDS {
            let mut changed = false;
            if source.is_none() {
                changed |= self.evaluate_group(now, g);
            }
            let sources: Vec<A> = match source {
                Some(s) => Vec::from([s]),
                None => self.groups.get(&g).map(|x| x.sources.keys().copied().collect()).unwrap_or_default(),
            };
            for s in sources {
                changed |= self.evaluate_source(now, g, s);
                if !self.collect_source(g, s) {
                    self.dirty.insert((g, Some(s)));
                }
            }
            if !changed {
                break;
            }
        }
        if self.groups.contains_key(&g) {
            self.dirty.insert((g, None));
            self.collect(g);
        }
    }

    /// Evaluates every group that has state on an interface.
    pub(super) fn evaluate_interface(&mut self, now: Instant, index: IfIndex) {
        let groups: Vec<A> =
            self.net.interfaces.get(&index).map(|i| i.groups.iter().copied().collect()).unwrap_or_default();
        for g in groups {
            self.evaluate(now, g, None);
            let here = self.groups.get(&g).is_some_and(|group| {
                group.interfaces.get(index).is_some()
                    || group.sources.values().any(|s| s.interfaces.get(index).is_some())
            });
            if !here {
                if let Some(interface) = self.net.interfaces.get_mut(&index) {
                    interface.groups.remove(&g);
                }
                if let Some(group) = self.groups.get_mut(&g) {
                    group.noted.retain(|i| *i != index);
                }
            }
        }
    }

    fn rp_may_change(&mut self, now: Instant, g: A) {
        let (new, bidir) = (self.net.rp(g), self.net.is_bidir(g));
        let Some(group) = self.groups.get_mut(&g) else { return };
        let old = core::mem::replace(&mut group.rp, new);
        if core::mem::replace(&mut group.bidir, bidir) != bidir {
            self.mode_changed(now, g);
        }
        if old == new {
            return;
        }
        if let Some(rp) = new {
            self.watch(rp, |w| &mut w.groups, g);
        }
        if let Some(rp) = old {
            self.unwatch(rp, |w| &mut w.groups, g);
        }
        let registering: Vec<A> = self
            .groups
            .get(&g)
            .map(|x| x.sources.iter().filter(|(_, s)| s.register != RegisterState::NoInfo).map(|(s, _)| *s).collect())
            .unwrap_or_default();
        for s in registering {
            self.fire_register(now, g, s, RegisterEvent::RpChanged);
        }
    }

    /// A group goes from PIM-SM to BIDIR-PIM or back: only what local members want stays.
    fn mode_changed(&mut self, now: Instant, g: A) {
        let Some(group) = self.groups.get_mut(&g) else { return };
        let interfaces: Vec<IfIndex> = group.noted.to_vec();
        let sources: Vec<A> = group.sources.keys().copied().collect();
        group.active = false;
        self.timers.clear(Timer::GroupActive(g));
        for s in &sources {
            for timer in [Timer::Keepalive(g, *s), Timer::RegisterStop(g, *s), Timer::RptOverride(g, *s)] {
                self.timers.clear(timer);
            }
            self.fire_register(now, g, *s, RegisterEvent::CouldNotRegister);
            if let Some(source) = self.source_mut(g, *s) {
                (source.keepalive, source.spt_bit) = (false, false);
            }
        }
        for i in interfaces {
            let joined = |join: JoinState| join != JoinState::NoInfo;
            let of_group = self.groups.get(&g).and_then(|x| x.interfaces.get(i)).is_some_and(|x| joined(x.join));
            let of_sources = self.groups.get(&g).into_iter().flat_map(|x| x.sources.values());
            let states: usize = of_sources
                .filter_map(|x| x.interfaces.get(i))
                .map(|x| usize::from(joined(x.join)).saturating_add(usize::from(x.rpt != RptState::NoInfo)))
                .sum();
            for _ in 0..states.saturating_add(usize::from(of_group)) {
                self.count_interface_state(i, g, true, false);
            }
            self.forget_joins(g, i);
        }
        self.forget_group_attributes(now, g, |_| true);
    }

    fn evaluate_group(&mut self, now: Instant, g: A) -> bool {
        let Some(view) = self.view(g) else { return false };
        let (desired, rpf, old) = (view.join_desired_g(), view.rpf_g(), view.group.upstream.rpf);
        let state = view.group.upstream.state;
        let mut changed = self.evaluate_group_asserts(now, g);
        match (state, desired) {
            (UpstreamState::NotJoined, true) => {
                self.set_group_rpf(g, rpf);
                changed |= self.fire_group(now, g, UpstreamEvent::JoinDesired, None, 0);
            }
            (UpstreamState::Joined, false) => {
                changed |= self.fire_group(now, g, UpstreamEvent::NoJoinDesired, None, 0);
                self.set_group_rpf(g, rpf);
            }
            (UpstreamState::Joined, true) if rpf != old => {
                self.set_group_rpf(g, rpf);
                let event = rpf_event(&old, &rpf);
                changed |= event.is_some_and(|e| self.fire_group(now, g, e, neighbor(&old), 0));
            }
            _ => self.set_group_rpf(g, rpf),
        }
        changed
    }

    fn set_group_rpf(&mut self, g: A, rpf: Rpf<A>) {
        if let Some(group) = self.groups.get_mut(&g) {
            group.upstream.rpf = rpf;
        }
    }

    fn evaluate_group_asserts(&mut self, now: Instant, g: A) -> bool {
        let Some(view) = self.view(g) else { return false };
        let mut events = Vec::new();
        for (i, state) in view.group.interfaces.iter() {
            let Some(info) = &state.assert else { continue };
            let event = match assert_state(Some(info)) {
                AssertState::Winner if !view.could_assert_g(i) => AssertEvent::CouldNotAssert,
                AssertState::Loser if info.upstream && view.rpf_interface_rp() != Some(i) => {
                    AssertEvent::RpfInterfaceChanges
                }
                AssertState::Loser if !view.assert_tracking_desired_g(i) => AssertEvent::NoTrackingDesired,
                AssertState::Loser if view.my_assert_metric_g(i).is_better(&info.winner) => AssertEvent::MyMetricBetter,
                _ => continue,
            };
            events.push((i, event));
        }
        let changed = !events.is_empty();
        for (i, event) in events {
            self.fire_group_assert(now, g, i, event, None);
        }
        changed
    }

    fn evaluate_source(&mut self, now: Instant, g: A, s: A) -> bool {
        let Some(view) = self.source_view(g, s) else { return false };
        let Some(source) = view.source else { return false };
        if view.group.group.bidir && source.upstream.state == UpstreamState::NotJoined {
            return false;
        }
        let (desired, rpf, old) = (view.join_desired_sg(), view.rpf_sg(), source.upstream.rpf);
        let (state, register, could) = (source.upstream.state, source.register, view.could_register());
        let mut changed = self.evaluate_source_asserts(now, g, s);
        let interface = old.interface;
        match (state, desired) {
            (UpstreamState::NotJoined, true) => {
                self.set_source_rpf(g, s, rpf);
                changed |= self.fire_source(now, g, s, UpstreamEvent::JoinDesired, None, 0);
            }
            (UpstreamState::Joined, false) => {
                changed |= self.fire_source(now, g, s, UpstreamEvent::NoJoinDesired, None, 0);
                self.set_source_rpf(g, s, rpf);
            }
            (UpstreamState::Joined, true) if rpf != old => {
                self.set_source_rpf(g, s, rpf);
                let event = rpf_event(&old, &rpf);
                changed |= event.is_some_and(|e| self.fire_source(now, g, s, e, neighbor(&old), 0));
            }
            _ => self.set_source_rpf(g, s, rpf),
        }
        self.evaluate_secondary(now, g, s, interface);
        if self.source_view(g, s).is_some_and(|v| !v.spt_bit() && v.spt_bit_at_once()) {
            if let Some(source) = self.source_mut(g, s) {
                source.spt_bit = true;
            }
            changed = true;
        }
        match (register, could) {
            (RegisterState::NoInfo, true) => changed |= self.fire_register(now, g, s, RegisterEvent::CouldRegister),
            (RegisterState::NoInfo, false) | (_, true) => {}
            (_, false) => changed |= self.fire_register(now, g, s, RegisterEvent::CouldNotRegister),
        }
        changed |= self.evaluate_rpt(now, g, s);
        self.tell_source(g, s);
        changed
    }

    /// The RP's sources are told: MSDP (RFC 3618 §5) and Source Active A-D routes (RFC 6514 §14.1) pass them on.
    fn tell_source(&mut self, g: A, s: A) {
        let Some(is_active) = self.source_view(g, s).map(|v| v.is_source_of_this_rp()) else { return };
        let Some(source) = self.source_mut(g, s) else { return };
        if core::mem::replace(&mut source.told, is_active) != is_active {
            self.outputs.push_back(Output::Event(PimEvent::SourceActive { group: g, source: s, is_active }));
        }
    }

    fn set_source_rpf(&mut self, g: A, s: A, rpf: Rpf<A>) {
        if let Some(source) = self.source_mut(g, s) {
            source.upstream.rpf = rpf;
        }
    }

    /// The (S,G,rpt) machine for triggered messages.
    fn evaluate_rpt(&mut self, now: Instant, g: A, s: A) -> bool {
        let Some(view) = self.source_view(g, s) else { return false };
        let Some(source) = view.source else { return false };
        if view.group.group.ssm {
            return false;
        }
        let (joined, pruned) = (view.group.rpt_join_desired(), view.prune_desired_sg_rpt());
        let event = match source.rpt {
            RptUpstreamState::RptNotJoined if pruned => Some(RptUpstreamEvent::PruneDesired),
            RptUpstreamState::RptNotJoined if joined => Some(RptUpstreamEvent::InheritedOlist),
            RptUpstreamState::RptNotJoined => None,
            _ if !joined => Some(RptUpstreamEvent::NoRptJoinDesired),
            RptUpstreamState::Pruned if !pruned => Some(RptUpstreamEvent::NoPruneDesired),
            RptUpstreamState::NotPruned if pruned => Some(RptUpstreamEvent::PruneDesired),
            _ => None,
        };
        let equal = view.rpf_sg_rpt() == view.group.rpf_g().neighbor;
        let becomes_equal = equal && !source.rpt_equal;
        if let Some(source) = self.source_mut(g, s) {
            source.rpt_equal = equal;
        }
        let mut changed = event.is_some_and(|e| self.fire_rpt_upstream(now, g, s, e));
        if becomes_equal {
            changed |= self.fire_rpt_upstream(now, g, s, RptUpstreamEvent::RpfBecomesEqual);
        }
        changed
    }

    fn evaluate_source_asserts(&mut self, now: Instant, g: A, s: A) -> bool {
        let Some(view) = self.source_view(g, s) else { return false };
        let mut events = Vec::new();
        for (i, state) in view.source.into_iter().flat_map(|x| x.interfaces.iter()) {
            let Some(info) = &state.assert else { continue };
            let event = match assert_state(Some(info)) {
                AssertState::Winner if !view.could_assert_sg(i) => AssertEvent::CouldNotAssert,
                AssertState::Loser if info.upstream && view.rpf_interface_s() != Some(i) => {
                    AssertEvent::RpfInterfaceChanges
                }
                AssertState::Loser if !view.assert_tracking_desired_sg(i) => AssertEvent::NoTrackingDesired,
                AssertState::Loser if view.my_assert_metric_sg(i).is_better(&info.winner) => {
                    AssertEvent::MyMetricBetter
                }
                _ => continue,
            };
            events.push((i, event));
        }
        let changed = !events.is_empty();
        for (i, event) in events {
            self.fire_source_assert(now, g, s, i, event, None);
        }
        changed
    }

    /// Fires the upstream (*,G) machine; `old` is what RPF' was, `holdtime` that of the message that was seen.
    pub(super) fn fire_group(
        &mut self,
        now: Instant,
        g: A,
        event: UpstreamEvent,
        old: Option<(IfIndex, A)>,
        holdtime: u16,
    ) -> bool {
        let Some(group) = self.groups.get_mut(&g) else { return false };
        let Ok((next, actions)) = upstream_transition(group.upstream.state, event) else { return false };
        let changed = next != group.upstream.state;
        group.upstream.state = next;
        let (to, interface) = (neighbor(&group.upstream.rpf), group.upstream.rpf.interface);
        // RFC 7761 §4.5.4: all zeros if RP(G) becomes unknown.
        let entry = Entry::Group(group.rp.unwrap_or(A::UNSPECIFIED));
        let timer = Timer::GroupJoin(g);
        for action in actions {
            match action {
                UpstreamAction::SendJoin => self.send_join_prune(to, g, entry, true),
                UpstreamAction::SendPrune => self.send_join_prune(to, g, entry, false),
                UpstreamAction::SendPruneToOld => self.send_join_prune(old.filter(|o| Some(*o) != to), g, entry, false),
                UpstreamAction::ClearSptBit => {}
                other => self.join_timer(now, timer, *other, interface, holdtime),
            }
        }
        changed
    }

    /// Fires the upstream (S,G) machine.
    pub(super) fn fire_source(
        &mut self,
        now: Instant,
        g: A,
        s: A,
        event: UpstreamEvent,
        old: Option<(IfIndex, A)>,
        holdtime: u16,
    ) -> bool {
        let Some(source) = self.source_mut(g, s) else { return false };
        let Ok((next, actions)) = upstream_transition(source.upstream.state, event) else { return false };
        let changed = next != source.upstream.state;
        source.upstream.state = next;
        let (to, interface) = (neighbor(&source.upstream.rpf), source.upstream.rpf.interface);
        let timer = Timer::SourceJoin(g, s);
        for action in actions {
            match action {
                UpstreamAction::SendJoin => self.send_join_prune(to, g, Entry::Source(s), true),
                UpstreamAction::SendPrune => self.send_join_prune(to, g, Entry::Source(s), false),
                UpstreamAction::SendPruneToOld => {
                    self.send_join_prune(old.filter(|o| Some(*o) != to), g, Entry::Source(s), false);
                }
                UpstreamAction::ClearSptBit => {
                    if let Some(source) = self.source_mut(g, s) {
                        source.spt_bit = false;
                    }
                }
                other => self.join_timer(now, timer, *other, interface, holdtime),
            }
        }
        changed
    }

    pub(super) fn join_timer(
        &mut self,
        now: Instant,
        timer: Timer<A>,
        action: UpstreamAction,
        interface: Option<IfIndex>,
        holdtime: u16,
    ) {
        let period = self.net.config.timers.join_prune_period;
        match action {
            UpstreamAction::SetJoinTimer => self.timers.set(timer, now + period),
            UpstreamAction::CancelJoinTimer => self.timers.clear(timer),
            UpstreamAction::IncreaseJoinTimer => {
                let i = interface.and_then(|i| self.net.interfaces.get(&i));
                if i.is_some_and(super::network::Interface::suppression_enabled) {
                    // t_suppressed: 1.1 to 1.4 × t_periodic.
                    let suppressed =
                        self.random.between(period.saturating_mul(11) / 10, period.saturating_mul(14) / 10);
                    let at = now + suppressed.min(Duration::from_secs(u64::from(holdtime)));
                    if self.timers.get(timer).is_none_or(|t| t < at) {
                        self.timers.set(timer, at);
                    }
                }
            }
            UpstreamAction::DecreaseJoinTimer => self.lower(now, timer, interface),
            _ => {}
        }
    }

    /// Lowers a timer to t_override; one that does not run is started.
    fn lower(&mut self, now: Instant, timer: Timer<A>, interface: Option<IfIndex>) {
        let i = interface.and_then(|i| self.net.interfaces.get(&i));
        let most = i.map_or(Duration::ZERO, super::network::Interface::effective_override_interval);
        let at = now + self.random.up_to(most);
        if self.timers.get(timer).is_none_or(|t| t > at) {
            self.timers.set(timer, at);
        }
    }

    /// Fires the (S,G,rpt) machine for triggered messages.
    pub(super) fn fire_rpt_upstream(&mut self, now: Instant, g: A, s: A, event: RptUpstreamEvent) -> bool {
        let Some(view) = self.source_view(g, s) else { return false };
        let Some(source) = view.source else { return false };
        let Ok((next, actions)) = rpt_upstream_transition(source.rpt, event) else { return false };
        let changed = next != source.rpt;
        let interface = view.group.rpf_interface_rp();
        let (rpt, star) = (view.rpf_sg_rpt(), view.group.rpf_g().neighbor);
        let to = interface.zip(rpt);
        if let Some(source) = self.source_mut(g, s) {
            source.rpt = next;
        }
        let timer = Timer::RptOverride(g, s);
        for action in actions {
            match action {
                // RFC 7761 §4.5.7: otherwise it might go to a router without (*,G) state.
                RptUpstreamAction::SendJoin if rpt == star => self.send_join_prune(to, g, Entry::Rpt(s), true),
                RptUpstreamAction::SendJoin => {}
                RptUpstreamAction::SendPrune => self.send_join_prune(to, g, Entry::Rpt(s), false),
                RptUpstreamAction::CancelOverrideTimer => self.timers.clear(timer),
                RptUpstreamAction::DecreaseOverrideTimer => self.lower(now, timer, interface),
            }
        }
        changed
    }

    /// Fires the Register machine.
    pub(super) fn fire_register(&mut self, now: Instant, g: A, s: A, event: RegisterEvent) -> bool {
        let rp = self.groups.get(&g).and_then(|group| group.rp);
        let Some(source) = self.source_mut(g, s) else { return false };
        let Ok((next, actions)) = register_transition(source.register, event) else { return false };
        let changed = next != source.register;
        source.register = next;
        source.register_rp = rp;
        let timer = Timer::RegisterStop(g, s);
        let t = self.net.config.timers;
        for action in actions {
            match action {
                RegisterAction::AddRegisterTunnel
                | RegisterAction::RemoveRegisterTunnel
                | RegisterAction::UpdateRegisterTunnel => {
                    self.dirty.insert((g, Some(s)));
                }
                RegisterAction::SetSuppressionTimer => {
                    let (least, most) = (t.register_suppression / 2, t.register_suppression.saturating_mul(3) / 2);
                    let delay = self.random.between(least, most).saturating_sub(t.register_probe);
                    self.timers.set(timer, now + delay);
                }
                RegisterAction::SetProbeTimer => self.timers.set(timer, now + t.register_probe),
                RegisterAction::CancelTimer => self.timers.clear(timer),
                RegisterAction::SendNullRegister => self.send_null_register(rp, g, s),
            }
        }
        changed
    }

    fn send_null_register(&mut self, rp: Option<A>, g: A, s: A) {
        let (Some(rp), Some(dummy)) = (rp, Register::null_packet(s.into(), g.into())) else { return };
        if self.net.is_local(rp) {
            let router = self.net.config.router_address;
            self.anycast(router, rp, &Register { flags: RegisterFlags::NULL, packet: &dummy });
        } else {
            let from = self.register_source(s);
            self.send_register(from, rp, RegisterFlags::NULL, &dummy);
        }
    }

    /// Where Registers of a source come from: the interface of the source, in IPv6 the router's address.
    pub(super) fn register_source(&self, s: A) -> A {
        let address = self.net.rpf_interface(s).map(|i| self.net.address(i));
        let global = |a: &A| A::LEN == 4 || !a.is_link_protocol_source();
        address.filter(global).unwrap_or(self.net.config.router_address)
    }

    pub(super) fn source_mut(&mut self, g: A, s: A) -> Option<&mut super::state::Source<A>> {
        self.groups.get_mut(&g)?.sources.get_mut(&s).map(|source| &mut **source)
    }

    /// The generation ID of a neighbour changed (RFC 7761 §4.5.4, §4.5.5, §4.6).
    pub(super) fn generation_changed(&mut self, now: Instant, index: IfIndex, neighbor: A) {
        self.winner_restarts(now, index, neighbor);
        let via: Vec<A> = self.net.via.get(&index).map(|s| s.iter().copied().collect()).unwrap_or_default();
        for address in via {
            let Some(watch) = self.net.watches.get(&address) else { continue };
            let (groups, source_of) = (watch.groups.clone(), watch.source_of.clone());
            for (g, s) in watch.vector_of.clone() {
                let rpf = match s {
                    None => self.groups.get(&g).and_then(|x| x.upstream.rpf.neighbor),
                    Some(s) => self.source_mut(g, s).and_then(|x| x.upstream.rpf.neighbor),
                };
                match s {
                    _ if rpf != Some(neighbor) => false,
                    None => self.fire_group(now, g, UpstreamEvent::RpfGenIdChanges, None, 0),
                    Some(s) => self.fire_source(now, g, s, UpstreamEvent::RpfGenIdChanges, None, 0),
                };
            }
            for g in groups {
                if self.groups.get(&g).is_some_and(|x| x.upstream.rpf.neighbor == Some(neighbor)) {
                    self.fire_group(now, g, UpstreamEvent::RpfGenIdChanges, None, 0);
                }
            }
            for g in source_of {
                let rpf = self.source_mut(g, address).and_then(|x| x.upstream.rpf.neighbor);
                if rpf == Some(neighbor) {
                    self.fire_source(now, g, address, UpstreamEvent::RpfGenIdChanges, None, 0);
                }
                if self.source_view(g, address).is_some_and(|v| v.secondary() == Some((index, neighbor))) {
                    self.fire_secondary(now, g, address, UpstreamEvent::RpfGenIdChanges, None, 0);
                }
            }
        }
    }
}

pub(super) fn neighbor<A: Copy>(rpf: &Rpf<A>) -> Option<(IfIndex, A)> {
    rpf.interface.zip(rpf.neighbor)
}

/// Why RPF' changed; `None` if it did not, although its parts did.
fn rpf_event<A: PartialEq>(old: &Rpf<A>, new: &Rpf<A>) -> Option<UpstreamEvent> {
    if old.interface == new.interface && old.neighbor == new.neighbor {
        None
    } else if old.interface == new.interface && old.next_hop == new.next_hop {
        Some(UpstreamEvent::RpfChangesByAssert)
    } else {
        Some(UpstreamEvent::RpfChanges)
    }
}
