//! Messages as they come: who may send what, and Join/Prunes (RFC 7761 §4.5).

mod seen;

use alloc::vec::Vec;
use core::time::Duration;

use fwd_core::net::IfIndex;
use fwd_core::time::Instant;

use super::assert::AssertEvent;
use super::downstream::{DownstreamAction, JoinEvent, JoinState, RptEvent, RptState, join_transition, rpt_transition};
use super::io::{PimLimit, PimReject};
use super::network::PimAddress;
use super::router::{Fault, PimRouter};
use super::state::Timer;
use super::transmit::Entry;
use super::upstream::{RptUpstreamEvent, UpstreamEvent};
use super::wire::{EncodedSource, GroupSet, JoinPrune, Message, MessageType, SourceFlags};

/// Where and how long a Join/Prune holds.
#[derive(Clone, Copy, Debug)]
struct Context<A> {
    now: Instant,
    interface: IfIndex,
    from: A,
    holdtime: u16,
}

/// Timers of a downstream machine.
struct Clocks<A> {
    expiry: Timer<A>,
    prune_pending: Timer<A>,
}

impl<A: PimAddress> PimRouter<A> {
    /// A PIM message came in.
    pub(super) fn receive(&mut self, now: Instant, i: IfIndex, from: A, to: A, octets: &[u8], authenticated: bool) {
        let mut fault = Fault { interface: Some(i), from, message_type: None, malformed: None };
        fault.message_type = octets.first().map(|o| MessageType(o & 0x0f));
        let unicast = matches!(
            fault.message_type,
            Some(MessageType::REGISTER | MessageType::REGISTER_STOP | MessageType::CANDIDATE_RP_ADVERTISEMENT)
        );
        if unicast {
            // Registers come by unicast routing: by interfaces without PIM, and by tunnels.
            if !self.net.is_local(to) {
                return self.reject(now, PimReject::NotRp, fault);
            }
        } else if let Err(reason) = self.may_send(now, i, from, to, authenticated, fault.message_type) {
            return reason.map_or((), |reason| self.reject(now, reason, fault));
        }
        match Message::parse(octets, from.into(), to.into()) {
            Ok(Message::Hello(hello)) => self.receive_hello(now, i, from, &hello),
            Ok(Message::JoinPrune(message)) => self.receive_join_prune(now, i, from, &message),
            Ok(Message::EcmpRedirect(redirect)) => self.receive_redirect(now, i, from, &redirect),
            Ok(Message::Assert(assert)) => self.receive_assert(now, i, from, &assert),
            Ok(Message::Graft(message)) => self.receive_graft(now, i, from, &message),
            Ok(Message::GraftAck(message)) => self.receive_graft_ack(now, i, from, &message),
            Ok(Message::StateRefresh(message)) => self.receive_state_refresh(now, i, from, &message),
            Ok(Message::DfElection(message)) => self.receive_df_election(now, i, from, &message),
            Ok(Message::Register(register)) => self.receive_register(now, i, from, to, &register),
            Ok(Message::RegisterStop(stop)) => self.receive_register_stop(now, from, &stop),
            Ok(_) => {}
            Err(malformed) => {
                fault.malformed = Some(malformed);
                self.reject(now, PimReject::Malformed, fault);
            }
        }
    }

    /// Whether a link-local message is taken; `Err(None)` where that is counted already.
    fn may_send(
        &mut self,
        now: Instant,
        i: IfIndex,
        from: A,
        to: A,
        authenticated: bool,
        message_type: Option<MessageType>,
    ) -> Result<(), Option<PimReject>> {
        let Some(interface) = self.net.interfaces.get_mut(&i).filter(|x| !x.config.passive) else {
            return Err(Some(PimReject::Interface));
        };
        let config = &interface.config;
        if from == config.address || to != A::ALL_PIM_ROUTERS && to != config.address {
            return Err(Some(PimReject::NotNeighbor));
        }
        if !from.is_link_protocol_source() {
            return Err(Some(PimReject::NotNeighbor));
        }
        if !config.neighbor_filter.permits(from) {
            return Err(Some(PimReject::Filtered));
        }
        if config.authenticated && !authenticated {
            return Err(Some(PimReject::Authentication));
        }
        match interface.neighbors.get_mut(&from).map(|n| n.messages.take(now)) {
            Some(true) => {}
            Some(false) => {
                self.limit(now, PimLimit::Messages, Some(i));
                return Err(None);
            }
            // RFC 7761 §4.3.1: nothing but a Hello from whoever is no neighbour.
            None if message_type != Some(MessageType::HELLO) => return Err(Some(PimReject::NotNeighbor)),
            None => {}
        }
        Ok(())
    }

    /// A Join/Prune of a neighbour: for this router, or for another whose Joins ours depend on.
    fn receive_join_prune(&mut self, now: Instant, i: IfIndex, from: A, message: &JoinPrune<'_>) {
        let Some(upstream) = A::from_ip(message.upstream_neighbor()) else { return };
        let Some(interface) = self.net.interfaces.get(&i) else { return };
        let config = &interface.config;
        let for_me = upstream == config.address || config.point_to_point && upstream == A::UNSPECIFIED;
        let cx = Context { now, interface: i, from, holdtime: message.holdtime() };
        if for_me && !config.receivers {
            let fault = Fault {
                interface: Some(i),
                from: upstream,
                message_type: Some(MessageType::JOIN_PRUNE),
                malformed: None,
            };
            return self.reject(now, PimReject::Role, fault);
        }
        for set in message.groups() {
            let Some(g) = A::from_ip(set.group.addr()).filter(|g| set.group.is_host() && g.is_multicast()) else {
                continue;
            };
            if self.net.is_dense(g) {
                if for_me {
                    self.receive_dense_set(now, i, g, &set, cx.holdtime);
                } else {
                    self.see_dense_set(now, i, upstream, g, &set);
                }
            } else if for_me {
                self.receive_group_set(cx, g, &set);
            } else {
                self.see_group_set(cx, upstream, g, &set);
            }
        }
    }

    /// A group set for this router, from top to bottom.
    fn receive_group_set(&mut self, cx: Context<A>, g: A, set: &GroupSet<'_>) {
        if self.net.is_bidir(g) {
            return self.receive_bidir_set(cx, g, set);
        }
        let mut star = false;
        for source in set.joins() {
            if let Some(Entry::Group(rp)) = entry::<A>(&source) {
                star |= self.receive_join_with(cx, (g, None), &source, |pim| pim.receive_join_g(cx, g, rp));
            }
        }
        let mut touched = Vec::new();
        for source in set.joins() {
            match entry::<A>(&source) {
                Some(Entry::Source(s)) => {
                    self.receive_join_with(cx, (g, Some(s)), &source, |pim| pim.receive_join_sg(cx, g, s));
                    touched.push(s);
                }
                Some(Entry::Rpt(s)) => {
                    self.fire_rpt(cx, g, s, RptEvent::ReceiveJoin);
                    touched.push(s);
                }
                _ => {}
            }
        }
        for source in set.prunes() {
            match entry::<A>(&source) {
                // RFC 7761 §4.5.1: Prunes are taken even if the RP is another.
                Some(Entry::Group(_)) => {
                    self.fire_join_g(cx, g, JoinEvent::ReceivePrune);
                    self.forget_attributes(cx.now, g, None, |n| n == (cx.from, cx.interface));
                    star = true;
                }
                Some(Entry::Source(s)) => {
                    self.fire_join_sg(cx, g, s, JoinEvent::ReceivePrune);
                    self.forget_attributes(cx.now, g, Some(s), |n| n == (cx.from, cx.interface));
                    touched.push(s);
                }
                Some(Entry::Rpt(s)) => {
                    self.receive_prune_rpt(cx, g, s);
                    touched.push(s);
                }
                None => {}
            }
        }
        if star {
            self.end_of_message(cx, g);
            self.evaluate(cx.now, g, None);
        } else {
            touched.sort_unstable();
            touched.dedup();
            for s in touched {
                self.evaluate(cx.now, g, Some(s));
            }
        }
    }

    /// A Join with whatever attributes it has: these are of the tree, once it is there.
    fn receive_join_with(
        &mut self,
        cx: Context<A>,
        (g, s): (A, Option<A>),
        source: &EncodedSource<'_>,
        take: impl FnOnce(&mut Self) -> bool,
    ) -> bool {
        let Ok(received) = self.read_attributes(cx.now, cx.interface, cx.from, source) else { return false };
        let held = |pim: &Self| match s {
            None => pim.view(g).is_some_and(|v| v.joins_g(cx.interface)),
            Some(s) => pim.source_view(g, s).is_some_and(|v| v.joins_sg(cx.interface)),
        };
        let known = held(self);
        if !take(self) {
            return false;
        }
        self.attributes_received(cx.now, (g, s), (cx.from, cx.interface), received);
        if held(self) {
            self.redirect_join(cx.now, (g, s), (cx.from, cx.interface), !known);
        }
        true
    }

    /// The same of a group of BIDIR-PIM, of which only (*,G) is known (RFC 5015 §3.4.1).
    fn receive_bidir_set(&mut self, cx: Context<A>, g: A, set: &GroupSet<'_>) {
        for source in set.joins() {
            if let Some(Entry::Group(rp)) = entry::<A>(&source) {
                self.receive_join_g(cx, g, rp);
            }
        }
        for source in set.prunes() {
            if entry::<A>(&source).is_some_and(|e| e == Entry::Group(self.net.rp(g).unwrap_or(A::UNSPECIFIED))) {
                self.fire_join_g(cx, g, JoinEvent::ReceivePrune);
            }
        }
        self.evaluate(cx.now, g, None);
    }

    /// Something other than a message or a timer happens to the downstream (*,G) machine.
    pub(super) fn fire_join_of(&mut self, now: Instant, g: A, interface: IfIndex, event: JoinEvent) {
        self.fire_join_g(Context { now, interface, from: A::UNSPECIFIED, holdtime: 0 }, g, event);
    }

    fn receive_join_g(&mut self, cx: Context<A>, g: A, rp: A) -> bool {
        if self.net.is_ssm(g) || !self.may_join(cx.now, cx.interface, g, None) {
            return false;
        }
        // RFC 7761 §4.5.1: a Join whose RP is not RP(G) is dropped.
        if self.net.rp(g) != Some(rp) {
            let fault = Fault {
                interface: Some(cx.interface),
                from: rp,
                message_type: Some(MessageType::JOIN_PRUNE),
                malformed: None,
            };
            self.reject(cx.now, PimReject::WrongRp, fault);
            return false;
        }
        let known = self.view(g).is_some_and(|v| v.joins_g(cx.interface));
        if !known && !self.interface_room(cx.now, cx.interface) {
            return false;
        }
        let Some(group) = self.group_entry(cx.now, g, cx.interface) else { return false };
        group.refused = false;
        self.fire_join_g(cx, g, JoinEvent::ReceiveJoin);
        self.fire_group_assert(cx.now, g, cx.interface, AssertEvent::ReceiveJoin, None);
        let pruned: Vec<A> = self
            .groups
            .get(&g)
            .map(|x| {
                let has = |s: &super::state::Source<A>| {
                    s.interfaces.get(cx.interface).is_some_and(|x| x.rpt != RptState::NoInfo)
                };
                x.sources.iter().filter(|(_, s)| has(s)).map(|(s, _)| *s).collect()
            })
            .unwrap_or_default();
        for s in pruned {
            self.fire_rpt(cx, g, s, RptEvent::ReceiveStarJoin);
        }
        true
    }

    fn end_of_message(&mut self, cx: Context<A>, g: A) {
        let sources: Vec<A> = self.groups.get(&g).map(|x| x.sources.keys().copied().collect()).unwrap_or_default();
        for s in sources {
            self.fire_rpt(cx, g, s, RptEvent::EndOfMessage);
        }
    }

    fn receive_join_sg(&mut self, cx: Context<A>, g: A, s: A) -> bool {
        if !self.may_join(cx.now, cx.interface, g, Some(s)) {
            return false;
        }
        let known = self.source_view(g, s).is_some_and(|v| v.joins_sg(cx.interface));
        if !known && !self.interface_room(cx.now, cx.interface) {
            return false;
        }
        let Some(source) = self.source_entry(cx.now, g, s, cx.interface) else { return false };
        source.refused = false;
        self.fire_join_sg(cx, g, s, JoinEvent::ReceiveJoin);
        self.fire_source_assert(cx.now, g, s, cx.interface, AssertEvent::ReceiveJoin, None);
        true
    }

    fn receive_prune_rpt(&mut self, cx: Context<A>, g: A, s: A) {
        if self.net.is_ssm(g) || !self.may_join(cx.now, cx.interface, g, Some(s)) {
            return;
        }
        let known = self
            .source_view(g, s)
            .and_then(|v| v.source?.interfaces.get(cx.interface).map(|x| x.rpt != RptState::NoInfo))
            .unwrap_or(false);
        if !known && !self.interface_room(cx.now, cx.interface) {
            return;
        }
        if self.source_entry(cx.now, g, s, cx.interface).is_some() {
            self.fire_rpt(cx, g, s, RptEvent::ReceivePrune);
        }
    }

    /// Fires the downstream (*,G) machine.
    fn fire_join_g(&mut self, cx: Context<A>, g: A, event: JoinEvent) {
        let i = cx.interface;
        let Some(group) = self.groups.get_mut(&g) else { return };
        let state = group.interfaces.get(i).map_or(JoinState::NoInfo, |x| x.join);
        let Ok((next, actions)) = join_transition(state, event) else { return };
        group.interfaces.update(i, |x| x.join = next);
        self.count_interface_state(i, g, state != JoinState::NoInfo, next != JoinState::NoInfo);
        if next == JoinState::NoInfo {
            self.forget_attributes(cx.now, g, None, |(_, from)| from == i);
        }
        let rp = self.groups.get(&g).and_then(|x| x.rp).unwrap_or(A::UNSPECIFIED);
        let clocks = Clocks { expiry: Timer::GroupExpiry(g, i), prune_pending: Timer::GroupPrunePending(g, i) };
        self.downstream_actions(cx, g, Entry::Group(rp), &clocks, actions);
    }

    /// Fires the downstream (S,G) machine.
    fn fire_join_sg(&mut self, cx: Context<A>, g: A, s: A, event: JoinEvent) {
        let i = cx.interface;
        let Some(source) = self.source_mut(g, s) else { return };
        let state = source.interfaces.get(i).map_or(JoinState::NoInfo, |x| x.join);
        let Ok((next, actions)) = join_transition(state, event) else { return };
        source.interfaces.update(i, |x| x.join = next);
        self.count_interface_state(i, g, state != JoinState::NoInfo, next != JoinState::NoInfo);
        if next == JoinState::NoInfo {
            self.forget_attributes(cx.now, g, Some(s), |(_, from)| from == i);
        }
        let clocks = Clocks { expiry: Timer::SourceExpiry(g, s, i), prune_pending: Timer::SourcePrunePending(g, s, i) };
        self.downstream_actions(cx, g, Entry::Source(s), &clocks, actions);
    }

    /// Fires the downstream (S,G,rpt) machine.
    fn fire_rpt(&mut self, cx: Context<A>, g: A, s: A, event: RptEvent) {
        let i = cx.interface;
        let Some(source) = self.source_mut(g, s) else { return };
        let state = source.interfaces.get(i).map_or(RptState::NoInfo, |x| x.rpt);
        let Ok((next, actions)) = rpt_transition(state, event) else { return };
        source.interfaces.update(i, |x| x.rpt = next);
        self.count_interface_state(i, g, state != RptState::NoInfo, next != RptState::NoInfo);
        let clocks = Clocks { expiry: Timer::RptExpiry(g, s, i), prune_pending: Timer::RptPrunePending(g, s, i) };
        self.downstream_actions(cx, g, Entry::Rpt(s), &clocks, actions);
    }

    fn downstream_actions(
        &mut self,
        cx: Context<A>,
        g: A,
        entry: Entry<A>,
        clocks: &Clocks<A>,
        actions: &[DownstreamAction],
    ) {
        let Some(interface) = self.net.interfaces.get(&cx.interface) else { return };
        let (neighbors, address) = (interface.neighbors.len(), interface.config.address);
        let override_interval = if neighbors > 1 { interface.override_interval() } else { Duration::ZERO };
        for action in actions {
            match action {
                DownstreamAction::StartExpiryTimer | DownstreamAction::RestartExpiryTimer => {
                    self.hold(cx, clocks.expiry, *action == DownstreamAction::StartExpiryTimer);
                }
                DownstreamAction::CancelExpiryTimer => self.timers.clear(clocks.expiry),
                DownstreamAction::StartPrunePendingTimer => {
                    self.timers.set(clocks.prune_pending, cx.now + override_interval);
                }
                DownstreamAction::CancelPrunePendingTimer => self.timers.clear(clocks.prune_pending),
                DownstreamAction::SendPruneEcho if neighbors > 1 => {
                    self.send_join_prune(Some((cx.interface, address)), g, entry, false);
                }
                DownstreamAction::SendPruneEcho => {}
            }
        }
    }

    /// Sets an Expiry Timer to the message's holdtime; a running one is never lowered.
    fn hold(&mut self, cx: Context<A>, timer: Timer<A>, start: bool) {
        if cx.holdtime == JoinPrune::FOREVER {
            return self.timers.clear(timer);
        }
        let at = cx.now + Duration::from_secs(u64::from(cx.holdtime));
        let running = self.timers.get(timer);
        // One that holds for ever has no timer, and is not lowered either.
        if start || running.is_some_and(|t| t < at) {
            self.timers.set(timer, at);
        }
    }

    /// A timer of the machine expired.
    pub(super) fn timer_expires(&mut self, now: Instant, timer: Timer<A>) {
        let cx = |interface| Context { now, interface, from: A::UNSPECIFIED, holdtime: 0 };
        let (g, source) = match timer {
            Timer::Hello(i) => return self.hello_timer(now, i, false),
            Timer::TriggeredHello(i) => return self.hello_timer(now, i, true),
            Timer::NeighborLiveness(i, n) => return self.neighbor_gone(now, i, n),
            Timer::GroupExpiry(g, i) => {
                self.fire_join_g(cx(i), g, JoinEvent::ExpiryTimerExpires);
                (g, None)
            }
            Timer::GroupPrunePending(g, i) => {
                self.fire_join_g(cx(i), g, JoinEvent::PrunePendingTimerExpires);
                (g, None)
            }
            Timer::GroupAssert(g, i) => {
                self.fire_group_assert(now, g, i, AssertEvent::AssertTimerExpires, None);
                (g, None)
            }
            Timer::GroupJoin(g) => {
                self.fire_group(now, g, UpstreamEvent::JoinTimerExpires, None, 0);
                return;
            }
            Timer::SourceExpiry(g, s, i) => {
                self.fire_join_sg(cx(i), g, s, JoinEvent::ExpiryTimerExpires);
                (g, Some(s))
            }
            Timer::SourcePrunePending(g, s, i) => {
                self.fire_join_sg(cx(i), g, s, JoinEvent::PrunePendingTimerExpires);
                (g, Some(s))
            }
            Timer::RptExpiry(g, s, i) => {
                self.fire_rpt(cx(i), g, s, RptEvent::ExpiryTimerExpires);
                (g, Some(s))
            }
            Timer::RptPrunePending(g, s, i) => {
                self.fire_rpt(cx(i), g, s, RptEvent::PrunePendingTimerExpires);
                (g, Some(s))
            }
            Timer::SourceAssert(g, s, i) => {
                self.fire_source_assert(now, g, s, i, AssertEvent::AssertTimerExpires, None);
                (g, Some(s))
            }
            Timer::SourceJoin(g, s) => {
                self.fire_source(now, g, s, UpstreamEvent::JoinTimerExpires, None, 0);
                return;
            }
            Timer::SecondaryJoin(g, s) => {
                self.fire_secondary(now, g, s, UpstreamEvent::JoinTimerExpires, None, 0);
                return;
            }
            Timer::Keepalive(g, s) => {
                if let Some(source) = self.source_mut(g, s) {
                    (source.keepalive, source.registered) = (false, false);
                }
                (g, Some(s))
            }
            Timer::Arrived(g, s) => {
                if let Some(source) = self.source_mut(g, s) {
                    source.arrived = None;
                }
                (g, Some(s))
            }
            Timer::RptOverride(g, s) => {
                self.fire_rpt_upstream(now, g, s, RptUpstreamEvent::OverrideTimerExpires);
                (g, Some(s))
            }
            Timer::Dense(timer) => return self.dense_timer(now, timer),
            Timer::DfElection(rpa, i) => return self.df_timer(now, rpa, i),
            Timer::GroupActive(g) => {
                if let Some(group) = self.groups.get_mut(&g) {
                    group.active = false;
                }
                (g, None)
            }
            Timer::RegisterStop(g, s) => {
                self.fire_register(now, g, s, super::register::RegisterEvent::RegisterStopTimerExpires);
                (g, Some(s))
            }
        };
        self.evaluate(now, g, source);
        if source.is_some() {
            self.collect(g);
        }
    }

    /// Forgets what a group has on an interface that is gone.
    pub(super) fn forget_interface_state(&mut self, g: A, i: IfIndex) {
        self.forget_joins(g, i);
        let Some(group) = self.groups.get_mut(&g) else { return };
        group.interfaces.update(i, |x| x.include = false);
        for source in group.sources.values_mut() {
            source.interfaces.update(i, |x| (x.include, x.exclude) = (false, false));
        }
    }

    /// Forgets what PIM knows of a group on an interface: all but what local members want.
    pub(super) fn forget_joins(&mut self, g: A, i: IfIndex) {
        let Some(group) = self.groups.get_mut(&g) else { return };
        group.interfaces.update(i, |x| *x = super::state::GroupInterface { include: x.include, ..Default::default() });
        for timer in [Timer::GroupExpiry(g, i), Timer::GroupPrunePending(g, i), Timer::GroupAssert(g, i)] {
            self.timers.clear(timer);
        }
        for (s, source) in &mut group.sources {
            source.interfaces.update(i, |x| {
                let (include, exclude) = (x.include, x.exclude);
                *x = super::state::SourceInterface { include, exclude, ..Default::default() };
            });
            for timer in [
                Timer::SourceExpiry(g, *s, i),
                Timer::SourcePrunePending(g, *s, i),
                Timer::RptExpiry(g, *s, i),
                Timer::RptPrunePending(g, *s, i),
                Timer::SourceAssert(g, *s, i),
            ] {
                self.timers.clear(timer);
            }
        }
    }
}

/// What an Encoded-Source says (RFC 7761 §4.9.5.1); `None` for another family, a partial mask or a source that is none.
fn entry<A: PimAddress>(source: &EncodedSource<'_>) -> Option<Entry<A>> {
    let address = A::from_ip(source.addr())?;
    if source.mask_len() != A::BITS {
        return None;
    }
    let flags = source.flags();
    if flags.contains(SourceFlags::WILDCARD | SourceFlags::RPT) {
        return Some(Entry::Group(address));
    }
    if flags.contains(SourceFlags::WILDCARD) || !address.is_host() {
        return None;
    }
    Some(if flags.contains(SourceFlags::RPT) { Entry::Rpt(address) } else { Entry::Source(address) })
}
