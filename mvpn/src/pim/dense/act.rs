//! What happens to (S,G): packets, members, timers, changes of the network; and the actions of the machines.

use alloc::vec::Vec;
use core::time::Duration;

use fwd_core::net::IfIndex;
use fwd_core::time::Instant;

use super::fsm::{
    DenseAssertAction, DenseAssertEvent, OriginationAction, OriginationEvent, PruneAction, PruneEvent, PruneState,
    UpstreamAction, UpstreamEvent, UpstreamState, dense_assert_transition, origination_transition, prune_transition,
    upstream_transition,
};
use super::{DenseInterface, DenseSource, DenseTimer};
use crate::pim::assert::{AssertMetric, AssertState};
use crate::pim::config::DenseConfig;
use crate::pim::io::{Membership, Output, PimLimit};
use crate::pim::network::PimAddress;
use crate::pim::router::PimRouter;
use crate::pim::state::Timer;
use crate::pim::wire::{EncodedGroup, GroupSetBuf, JoinPruneBuf, MessageType, SourceBuf, packet};

/// A change may cause another; the machines settle in two or three rounds.
const MAX_ROUNDS: usize = 6;

impl<A: PimAddress> PimRouter<A> {
    pub(super) fn dense_config(&self) -> DenseConfig<A> {
        self.net.config.dense.clone().unwrap_or_default()
    }

    fn dense_set(&mut self, timer: DenseTimer<A>, at: Instant) {
        self.timers.set(Timer::Dense(timer), at);
    }

    pub(super) fn dense_clear(&mut self, timer: DenseTimer<A>) {
        self.timers.clear(Timer::Dense(timer));
    }

    /// The state of (S,G), which comes into being if limits allow.
    pub(super) fn dense_entry(&mut self, now: Instant, g: A, s: A, i: IfIndex) -> Option<&mut DenseSource<A>> {
        if !self.dense.sources.contains_key(&(g, s)) {
            if self.states >= self.net.config.limits.states {
                self.limit(now, PimLimit::States, Some(i));
                return None;
            }
            self.states = self.states.saturating_add(1);
            self.dense.sources.insert((g, s), DenseSource::default());
            self.watch(s, |w| &mut w.dense, g);
            let (rpf, connected) = (self.dense_rpf(g, s), self.net.is_connected(s));
            if let Some(source) = self.dense_mut(g, s) {
                (source.rpf, source.connected) = (rpf, connected);
            }
        }
        self.dense_alive(now, g, s);
        self.dense_mut(g, s)
    }

    fn dense_alive(&mut self, now: Instant, g: A, s: A) {
        let lifetime = self.dense_config().source_lifetime;
        self.dense_set(DenseTimer::Idle(g, s), now + lifetime);
    }

    /// A packet that the forwarder handed up (RFC 3973 §4.2).
    pub(in crate::pim) fn dense_data(&mut self, now: Instant, iif: IfIndex, g: A, s: A) {
        if self.dense_entry(now, g, s, iif).is_none() {
            return;
        }
        let rpf = self.net.rpf_interface(s);
        if rpf != Some(iif) {
            if rpf.is_some() && self.dense_olist(g, s).contains(&iif) {
                self.fire_dense_assert(now, g, s, iif, DenseAssertEvent::DataArrives, None, None);
            }
            return self.dense_evaluate(now, g, s);
        }
        if self.dense(g, s).is_some_and(|x| x.connected) {
            self.fire_origination(now, g, s, OriginationEvent::ReceiveData);
        } else {
            let limited = self.timers.get(Timer::Dense(DenseTimer::PruneLimit(g, s))).is_some();
            if self.dense_olist(g, s).is_empty() && !limited {
                self.fire_dense_upstream(now, g, s, UpstreamEvent::DataArrives);
            }
        }
        self.dense_evaluate(now, g, s);
    }

    /// The forwarder's counters say that (S,G) is active.
    pub(in crate::pim) fn dense_active(&mut self, now: Instant, g: A, s: A) {
        self.dense_alive(now, g, s);
        if self.dense(g, s).is_some_and(|x| x.connected) {
            self.fire_origination(now, g, s, OriginationEvent::ReceiveData);
        }
    }

    /// What local members want.
    pub(in crate::pim) fn dense_membership(
        &mut self,
        now: Instant,
        i: IfIndex,
        g: A,
        source: Option<A>,
        membership: Membership,
    ) {
        let (key, wanted) = ((g, source, i), membership != Membership::None);
        let known = self.dense.members.contains_key(&key);
        if !known && (!wanted || !self.interface_room(now, i)) {
            return;
        }
        if wanted {
            self.dense.members.insert(key, membership);
        } else {
            self.dense.members.remove(&key);
        }
        self.count_interface_state(i, g, known, wanted);
        self.dense_evaluate_group(now, g);
    }

    fn dense_evaluate_group(&mut self, now: Instant, g: A) {
        let sources = self.dense.sources.range((g, A::UNSPECIFIED)..).take_while(|((x, _), _)| *x == g);
        let sources: Vec<A> = sources.map(|((_, s), _)| *s).collect();
        for s in sources {
            self.dense_evaluate(now, g, s);
        }
    }

    /// Neighbours of an interface came or went, or interfaces did.
    pub(in crate::pim) fn dense_interfaces_changed(&mut self, now: Instant) {
        let all: Vec<(A, A)> = self.dense.sources.keys().copied().collect();
        for (g, s) in all {
            self.dense_evaluate(now, g, s);
        }
    }

    /// A neighbour is silent: Asserts that it won are void.
    pub(in crate::pim) fn dense_neighbor_gone(&mut self, now: Instant, i: IfIndex, neighbor: A) {
        let won = |x: &DenseInterface<A>| x.winner.is_some_and(|w| w.address == neighbor);
        let all: Vec<(A, A)> = self
            .dense
            .sources
            .iter()
            .filter(|(_, x)| x.interfaces.get(&i).is_some_and(won))
            .map(|(key, _)| *key)
            .collect();
        for (g, s) in all {
            self.fire_dense_assert(now, g, s, i, DenseAssertEvent::WinnerGone, None, None);
        }
        self.dense_interfaces_changed(now);
    }

    /// A neighbour restarted: it floods what it was asked to prune (RFC 3973 §4.3.4).
    pub(in crate::pim) fn dense_neighbor_restarted(&mut self, i: IfIndex, neighbor: A) {
        let to = |x: &DenseSource<A>| x.rpf.interface == Some(i) && x.rpf.neighbor == Some(neighbor);
        let all: Vec<(A, A)> = self.dense.sources.iter().filter(|(_, x)| to(x)).map(|(key, _)| *key).collect();
        for (g, s) in all {
            self.dense_clear(DenseTimer::PruneLimit(g, s));
            self.dirty.insert((g, Some(s)));
        }
    }

    /// An interface is gone, with all that is on it.
    pub(in crate::pim) fn dense_forget_interface(&mut self, i: IfIndex) {
        self.dense.members.retain(|(_, _, on), _| *on != i);
        for ((g, s), source) in &mut self.dense.sources {
            source.interfaces.remove(&i);
            for timer in
                [DenseTimer::PrunePending(*g, *s, i), DenseTimer::Prune(*g, *s, i), DenseTimer::Assert(*g, *s, i)]
            {
                self.timers.clear(Timer::Dense(timer));
            }
        }
    }

    /// Macros are computed anew and the machines told what became true.
    pub(in crate::pim) fn dense_evaluate(&mut self, now: Instant, g: A, s: A) {
        for _ in 0..MAX_ROUNDS {
            if !self.dense_round(now, g, s) {
                break;
            }
        }
        self.dirty.insert((g, Some(s)));
        self.dense_collect(g, s);
    }

    fn dense_round(&mut self, now: Instant, g: A, s: A) -> bool {
        let (rpf, connected) = (self.dense_rpf(g, s), self.net.is_connected(s));
        let Some(source) = self.dense_mut(g, s) else { return false };
        let (old, was_connected) = (source.rpf, source.connected);
        (source.rpf, source.connected) = (rpf, connected);
        let mut changed = false;
        if old.interface != rpf.interface {
            changed |= self.dense_rpf_interface_changed(now, g, s, old.interface, rpf.interface);
        }
        if was_connected && !connected {
            self.fire_origination(now, g, s, OriginationEvent::NotConnected);
        }
        let wanted = !self.dense_olist(g, s).is_empty();
        let Some(state) = self.dense(g, s).map(|x| x.upstream) else { return false };
        let event = if connected {
            match (was_connected, state) {
                (_, UpstreamState::Pruned) if wanted => Some(UpstreamEvent::ConnectedOlistNotEmpty),
                (false, _) => Some(UpstreamEvent::Connected),
                _ => None,
            }
        } else if (old.interface, old.neighbor) != (rpf.interface, rpf.neighbor) {
            Some(if wanted { UpstreamEvent::RpfChangesWithOlist } else { UpstreamEvent::RpfChangesWithoutOlist })
        } else {
            match (state, wanted) {
                (UpstreamState::Pruned, true) => Some(UpstreamEvent::OlistNotEmpty),
                (UpstreamState::AckPending | UpstreamState::Forwarding, false) => Some(UpstreamEvent::OlistEmpty),
                _ => None,
            }
        };
        event.is_some_and(|e| self.fire_dense_upstream(now, g, s, e)) | changed
    }

    fn dense_rpf_interface_changed(
        &mut self,
        now: Instant,
        g: A,
        s: A,
        old: Option<IfIndex>,
        new: Option<IfIndex>,
    ) -> bool {
        if let Some(i) = old {
            self.fire_dense_assert(now, g, s, i, DenseAssertEvent::CouldAssert, None, None);
        }
        if let Some(i) = new {
            self.fire_dense_assert(now, g, s, i, DenseAssertEvent::CouldNotAssert, None, None);
            self.fire_prune(now, g, s, i, PruneEvent::BecomesRpfInterface, None);
        }
        true
    }

    /// Forgets (S,G) when nothing is known of it.
    fn dense_collect(&mut self, g: A, s: A) {
        let idle = |x: &DenseSource<A>| x.interfaces.values().all(DenseInterface::is_idle);
        let upstream = [
            DenseTimer::Idle(g, s),
            DenseTimer::GraftRetry(g, s),
            DenseTimer::Override(g, s),
            DenseTimer::PruneLimit(g, s),
            DenseTimer::SourceActive(g, s),
            DenseTimer::StateRefresh(g, s),
        ];
        let running = upstream.iter().any(|t| self.timers.get(Timer::Dense(*t)).is_some());
        if running || !self.dense(g, s).is_some_and(idle) {
            return;
        }
        self.withdraw(g, Some(s));
        self.dense.sources.remove(&(g, s));
        self.states = self.states.saturating_sub(1);
        self.unwatch(s, |w| &mut w.dense, g);
    }

    /// Fires the Upstream(S,G) machine.
    pub(super) fn fire_dense_upstream(&mut self, now: Instant, g: A, s: A, event: UpstreamEvent) -> bool {
        let Some(source) = self.dense_mut(g, s) else { return false };
        let Ok((next, actions)) = upstream_transition(source.upstream, event) else { return false };
        let changed = next != source.upstream;
        source.upstream = next;
        let (rpf, config) = (source.rpf, self.dense_config());
        let to = rpf.interface.zip(rpf.neighbor);
        for action in actions {
            match action {
                UpstreamAction::SendPrune => self.dense_send(to, g, s, false, config.prune_limit),
                UpstreamAction::SendJoin => self.dense_send(to, g, s, true, config.prune_limit),
                UpstreamAction::SendGraft => self.send_graft(to, g, s),
                UpstreamAction::SetPruneLimit => {
                    self.dense_set(DenseTimer::PruneLimit(g, s), now + config.prune_limit);
                }
                UpstreamAction::CancelPruneLimit => self.dense_clear(DenseTimer::PruneLimit(g, s)),
                UpstreamAction::SetOverride => {
                    let i = rpf.interface.and_then(|i| self.net.interfaces.get(&i));
                    let most = i.map_or(Duration::ZERO, |i| i.effective_override_interval());
                    if self.timers.get(Timer::Dense(DenseTimer::Override(g, s))).is_none() {
                        let delay = self.random.up_to(most);
                        self.dense_set(DenseTimer::Override(g, s), now + delay);
                    }
                }
                UpstreamAction::CancelOverride => self.dense_clear(DenseTimer::Override(g, s)),
                UpstreamAction::SetGraftRetry => {
                    self.dense_set(DenseTimer::GraftRetry(g, s), now + config.graft_retry);
                }
                UpstreamAction::CancelGraftRetry => self.dense_clear(DenseTimer::GraftRetry(g, s)),
            }
        }
        changed
    }

    /// Fires the Prune(S,G) Downstream machine. Whether a Graft-Ack is due.
    pub(super) fn fire_prune(
        &mut self,
        now: Instant,
        g: A,
        s: A,
        i: IfIndex,
        event: PruneEvent,
        holdtime: Option<Duration>,
    ) -> bool {
        let Some(interface) = self.net.interfaces.get(&i) else { return false };
        let pending = if interface.neighbors.len() > 1 { interface.override_interval() } else { Duration::ZERO };
        let Some(source) = self.dense_mut(g, s) else { return false };
        let state = source.interfaces.entry(i).or_default();
        let old = state.prune;
        let Ok((next, actions)) = prune_transition(old, event) else { return false };
        state.prune = next;
        if let Some(holdtime) = holdtime {
            state.holdtime = if old == PruneState::NoInfo { holdtime } else { state.holdtime.max(holdtime) };
        }
        let (hold, idle, mut ack) = (state.holdtime, state.is_idle(), false);
        if idle {
            source.interfaces.remove(&i);
        }
        self.count_interface_state(i, g, old != PruneState::NoInfo, next != PruneState::NoInfo);
        for action in actions {
            match action {
                PruneAction::SetPrunePending => self.dense_set(DenseTimer::PrunePending(g, s, i), now + pending),
                PruneAction::CancelPrunePending => self.dense_clear(DenseTimer::PrunePending(g, s, i)),
                // One whose Prunes hold for ever has no timer.
                PruneAction::SetPrune if hold == Duration::MAX => self.dense_clear(DenseTimer::Prune(g, s, i)),
                PruneAction::SetPrune => {
                    let (timer, at) = (DenseTimer::Prune(g, s, i), now + hold);
                    if self.timers.get(Timer::Dense(timer)).is_none_or(|t| t < at) {
                        self.dense_set(timer, at);
                    }
                }
                PruneAction::CancelPrune => self.dense_clear(DenseTimer::Prune(g, s, i)),
                PruneAction::SendGraftAck => ack = true,
            }
        }
        ack
    }

    /// Fires the Assert machine of an interface; `time` is how long a State Refresh holds, else it is Assert_Time.
    #[allow(clippy::too_many_arguments)]
    pub(super) fn fire_dense_assert(
        &mut self,
        now: Instant,
        g: A,
        s: A,
        i: IfIndex,
        event: DenseAssertEvent,
        theirs: Option<AssertMetric<A>>,
        time: Option<Duration>,
    ) {
        let mine = self.dense_spt_metric(s, i);
        let could = self.dense_could_assert(s, i);
        let time = time.unwrap_or(self.net.config.timers.assert);
        let Some(source) = self.dense_mut(g, s) else { return };
        let state = source.interfaces.entry(i).or_default();
        let Ok((next, actions)) = dense_assert_transition(state.assert, event) else {
            if state.is_idle() {
                source.interfaces.remove(&i);
            }
            return;
        };
        state.assert = next;
        for action in actions {
            match action {
                DenseAssertAction::StoreMe => state.winner = Some(mine),
                DenseAssertAction::StoreWinner => state.winner = theirs,
                DenseAssertAction::ForgetWinner => state.winner = None,
                _ => {}
            }
        }
        let winner = state.winner;
        if state.is_idle() {
            source.interfaces.remove(&i);
        }
        let timer = DenseTimer::Assert(g, s, i);
        for action in actions {
            match action {
                DenseAssertAction::SendAssert => {
                    let metric = self.dense_metric(s, i);
                    self.send_assert(i, g, s, metric);
                }
                DenseAssertAction::SendCancel => self.send_assert(i, g, s, AssertMetric::infinite(mine.address)),
                DenseAssertAction::SendPrune if could => {
                    self.dense_send(winner.map(|w| (i, w.address)), g, s, false, time);
                }
                DenseAssertAction::SetTimer => self.dense_set(timer, now + time),
                DenseAssertAction::CancelTimer => self.dense_clear(timer),
                _ => {}
            }
        }
    }

    /// Fires the Origination(S,G) machine, if State Refreshes are on.
    fn fire_origination(&mut self, now: Instant, g: A, s: A, event: OriginationEvent) {
        let config = self.dense_config();
        let Some(interval) = config.state_refresh else { return };
        let Some(source) = self.dense_mut(g, s) else { return };
        let Ok((next, actions)) = origination_transition(source.origination, event) else { return };
        source.origination = next;
        for action in actions {
            match action {
                OriginationAction::SetRefresh => self.dense_set(DenseTimer::StateRefresh(g, s), now + interval),
                OriginationAction::CancelRefresh => self.dense_clear(DenseTimer::StateRefresh(g, s)),
                OriginationAction::SetSourceActive => {
                    self.dense_set(DenseTimer::SourceActive(g, s), now + config.source_lifetime);
                }
                OriginationAction::CancelSourceActive => self.dense_clear(DenseTimer::SourceActive(g, s)),
                OriginationAction::SendStateRefresh => self.originate_state_refresh(now, g, s),
            }
        }
    }

    /// A timer of PIM-DM expired.
    pub(in crate::pim) fn dense_timer(&mut self, now: Instant, timer: DenseTimer<A>) {
        use DenseTimer as T;
        let (g, s) = match timer {
            T::PrunePending(g, s, i) => {
                self.fire_prune(now, g, s, i, PruneEvent::PrunePendingTimerExpires, None);
                // RFC 7761 §4.5.1's PruneEcho is not of PIM-DM: a State Refresh or the next flood repairs a lost Join.
                (g, s)
            }
            T::Prune(g, s, i) => {
                self.fire_prune(now, g, s, i, PruneEvent::PruneTimerExpires, None);
                (g, s)
            }
            T::Assert(g, s, i) => {
                self.fire_dense_assert(now, g, s, i, DenseAssertEvent::AssertTimerExpires, None, None);
                (g, s)
            }
            T::GraftRetry(g, s) => {
                self.fire_dense_upstream(now, g, s, UpstreamEvent::GraftRetryTimerExpires);
                (g, s)
            }
            T::Override(g, s) => {
                if !self.dense(g, s).is_some_and(|x| x.connected) {
                    self.fire_dense_upstream(now, g, s, UpstreamEvent::OverrideTimerExpires);
                }
                (g, s)
            }
            T::SourceActive(g, s) => {
                self.fire_origination(now, g, s, OriginationEvent::SourceActiveTimerExpires);
                (g, s)
            }
            T::StateRefresh(g, s) => {
                self.fire_origination(now, g, s, OriginationEvent::RefreshTimerExpires);
                (g, s)
            }
            T::PruneLimit(g, s) | T::Idle(g, s) => (g, s),
        };
        self.dense_evaluate(now, g, s);
    }

    /// Sends a Join or a Prune of (S,G).
    fn dense_send(&mut self, to: Option<(IfIndex, A)>, g: A, s: A, join: bool, holdtime: Duration) {
        let Some((i, neighbor)) = to else { return };
        let message = dense_message(neighbor, g, s, join, holdtime);
        self.dense_transmit(i, A::ALL_PIM_ROUTERS, MessageType::JOIN_PRUNE, &message);
    }

    /// Sends a Graft to the router that it is for (RFC 3973 §4.7).
    fn send_graft(&mut self, to: Option<(IfIndex, A)>, g: A, s: A) {
        let Some((i, neighbor)) = to else { return };
        let message = dense_message(neighbor, g, s, true, Duration::ZERO);
        self.dense_transmit(i, neighbor, MessageType::GRAFT, &message);
    }

    pub(super) fn dense_transmit(&mut self, i: IfIndex, to: A, message_type: MessageType, message: &JoinPruneBuf) {
        if self.net.interfaces.get(&i).is_none_or(|x| x.config.passive) {
            return;
        }
        self.ensure_hello(i);
        let from = self.net.address(i);
        let octets = packet(message_type, 0, from.into(), to.into(), |out| message.emit(out));
        self.outputs.push_back(Output::Datagram { interface: Some(i), from, to, octets });
    }

    /// The forwarder had no room for (S,G): it is dropped here, and pruned above.
    pub(in crate::pim) fn dense_refused(&mut self, now: Instant, g: A, s: A) {
        if let Some(source) = self.dense_mut(g, s) {
            source.refused = true;
        }
        self.withdraw(g, Some(s));
        self.fire_dense_upstream(now, g, s, UpstreamEvent::OlistEmpty);
    }

    /// Whether this router lost or won nothing on an interface: the O bit of a State Refresh.
    pub(super) fn dense_assert_state(&self, g: A, s: A, i: IfIndex) -> AssertState {
        self.dense_interface(g, s, i).map_or(AssertState::NoInfo, |x| x.assert)
    }
}

fn dense_message<A: PimAddress>(neighbor: A, g: A, s: A, join: bool, holdtime: Duration) -> JoinPruneBuf {
    let holdtime = u16::try_from(holdtime.as_secs()).unwrap_or(u16::MAX);
    let mut message = JoinPruneBuf::new(neighbor.into(), holdtime);
    let mut set = GroupSetBuf::new(EncodedGroup::new(g.into()));
    let source = SourceBuf::dense(s.into());
    if join {
        set.joins.push(source)
    } else {
        set.prunes.push(source)
    }
    message.push(set);
    message
}
