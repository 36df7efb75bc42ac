//! The Assert machines at work (RFC 7761 §4.6): judging Asserts, and carrying out the actions.

use alloc::vec::Vec;

use fwd_core::net::IfIndex;
use fwd_core::time::Instant;

use super::assert::{AssertAction, AssertEvent, AssertMetric, AssertState, assert_transition};
use super::network::PimAddress;
use super::router::PimRouter;
use super::state::{AssertInfo, Timer, assert_state};
use super::upstream::UpstreamState;
use super::wire::Assert;

impl<A: PimAddress> PimRouter<A> {
    /// An Assert of a neighbour.
    pub(super) fn receive_assert(&mut self, now: Instant, i: IfIndex, from: A, assert: &Assert) {
        let (Some(g), Some(s)) = (A::from_ip(assert.group.addr()), A::from_ip(assert.source)) else { return };
        if !assert.group.is_host() || !g.is_multicast() || g.is_link_scope_group() || self.net.is_bidir(g) {
            return;
        }
        if self.net.is_dense(g) {
            return self.receive_dense_assert(now, i, from, g, assert);
        }
        let metric = AssertMetric {
            rpt: assert.rpt,
            preference: assert.metric_preference,
            metric: assert.metric,
            address: from,
        };
        // RFC 7761 §4.6.2: the (*,G) machine sees it only if the (S,G) machine is in NoInfo and stayed there.
        if s != A::UNSPECIFIED && self.receive_source_assert(now, i, g, s, metric) {
            return self.evaluate(now, g, Some(s));
        }
        let Some(view) = self.view(g) else { return };
        let info = view.assert_g(i);
        let my = view.my_assert_metric_g(i);
        let could = view.could_assert_g(i);
        let tracking = view.assert_tracking_desired_g(i);
        let state = assert_state(info);
        let judged = judge(state, info, &metric, &my);
        let event = match (state, judged) {
            (AssertState::NoInfo, Some(AssertEvent::ReceiveInferior)) if metric.rpt && could => judged,
            (AssertState::NoInfo, Some(AssertEvent::ReceiveAcceptable)) if metric.rpt && tracking => judged,
            (AssertState::NoInfo, _) => None,
            (AssertState::Loser, Some(AssertEvent::ReceivePreferred | AssertEvent::ReceiveAcceptableFromWinner))
                if !metric.rpt =>
            {
                None
            }
            _ => judged,
        };
        if let Some(event) = event {
            self.fire_group_assert(now, g, i, event, Some(metric));
            self.evaluate(now, g, None);
        }
    }

    /// Whether the (S,G) machine did something, or is not in NoInfo.
    fn receive_source_assert(&mut self, now: Instant, i: IfIndex, g: A, s: A, metric: AssertMetric<A>) -> bool {
        let Some(view) = self.source_view(g, s) else { return false };
        let info = view.assert_sg(i);
        let my = view.my_assert_metric_sg(i);
        let state = assert_state(info);
        let judged = judge(state, info, &metric, &my);
        let event = match (state, judged) {
            (AssertState::NoInfo, _) if metric.rpt => view.could_assert_sg(i).then_some(AssertEvent::ReceiveInferior),
            (AssertState::NoInfo, Some(AssertEvent::ReceiveAcceptable)) => {
                judged.filter(|_| view.assert_tracking_desired_sg(i))
            }
            (AssertState::Loser, Some(AssertEvent::ReceiveAcceptableFromWinner)) if metric.rpt => None,
            _ => judged,
        };
        let Some(event) = event else { return state != AssertState::NoInfo };
        if self.source_entry(now, g, s, i).is_none() {
            return false;
        }
        self.fire_source_assert(now, g, s, i, event, Some(metric));
        true
    }

    /// Fires the (*,G) machine of an interface.
    pub(super) fn fire_group_assert(
        &mut self,
        now: Instant,
        g: A,
        i: IfIndex,
        event: AssertEvent,
        winner: Option<AssertMetric<A>>,
    ) {
        let Some(view) = self.view(g) else { return };
        let Ok((_, action)) = assert_transition(assert_state(view.assert_g(i)), event) else { return };
        let (mine, upstream) = (view.rpt_assert_metric(i), view.rpf_interface_rp() == Some(i));
        let info = self.assert_action(now, (g, A::UNSPECIFIED), i, action, mine, winner, upstream);
        if let (Some(info), Some(group)) = (info, self.groups.get_mut(&g)) {
            group.interfaces.update(i, |x| x.assert = info);
        }
        self.note_group(i, g);
    }

    /// Fires the (S,G) machine of an interface.
    pub(super) fn fire_source_assert(
        &mut self,
        now: Instant,
        g: A,
        s: A,
        i: IfIndex,
        event: AssertEvent,
        winner: Option<AssertMetric<A>>,
    ) {
        let Some(view) = self.source_view(g, s) else { return };
        let Ok((_, action)) = assert_transition(assert_state(view.assert_sg(i)), event) else { return };
        let (mine, upstream) = (view.spt_assert_metric(i), view.rpf_interface_s() == Some(i));
        let info = self.assert_action(now, (g, s), i, action, mine, winner, upstream);
        if let (Some(info), Some(source)) = (info, self.source_mut(g, s)) {
            source.interfaces.update(i, |x| x.assert = info);
            if action == AssertAction::A6 && upstream && source.upstream.state == UpstreamState::Joined {
                source.spt_bit = true;
            }
        }
        self.note_group(i, g);
    }

    /// What an action stores as the winner; `None` leaves it as it is.
    #[allow(clippy::too_many_arguments)]
    fn assert_action(
        &mut self,
        now: Instant,
        (g, s): (A, A),
        i: IfIndex,
        action: AssertAction,
        mine: AssertMetric<A>,
        winner: Option<AssertMetric<A>>,
        upstream: bool,
    ) -> Option<Option<AssertInfo<A>>> {
        let t = self.net.config.timers;
        let timer = if s == A::UNSPECIFIED { Timer::GroupAssert(g, i) } else { Timer::SourceAssert(g, s, i) };
        match action {
            AssertAction::A1 | AssertAction::A3 => {
                self.send_assert(i, g, s, mine);
                self.timers.set(timer, now + t.assert.saturating_sub(t.assert_override));
                Some(Some(AssertInfo { winner: mine, me: true, upstream }))
            }
            AssertAction::A2 | AssertAction::A6 => {
                self.timers.set(timer, now + t.assert);
                winner.map(|winner| Some(AssertInfo { winner, me: false, upstream }))
            }
            AssertAction::A4 => {
                self.send_assert(i, g, s, AssertMetric::infinite(mine.address));
                self.timers.clear(timer);
                Some(None)
            }
            AssertAction::A5 => {
                self.timers.clear(timer);
                Some(None)
            }
        }
    }

    /// AssertWinner of every flow of an interface that has one: group, source (`None` is (*,G)), and the winner's address, which is the
    /// router's own where it won.
    pub fn assert_winners(&self, interface: IfIndex) -> impl Iterator<Item = (A, Option<A>, A)> + '_ {
        let groups = self.net.interfaces.get(&interface).into_iter().flat_map(|x| x.groups.iter().copied());
        groups.filter_map(|g| self.view(g)).flat_map(move |view| {
            let (g, star) = (view.g, view.assert_g(interface).map(|a| (view.g, None, a.winner.address)));
            let of_sources = view.group.sources.iter().filter_map(move |(s, x)| {
                let assert = x.interfaces.get(interface)?.assert.as_ref()?;
                Some((g, Some(*s), assert.winner.address))
            });
            star.into_iter().chain(of_sources)
        })
    }

    /// The winner of Asserts on an interface restarted or is gone.
    pub(super) fn winner_restarts(&mut self, now: Instant, i: IfIndex, winner: A) {
        let groups: Vec<A> =
            self.net.interfaces.get(&i).map(|x| x.groups.iter().copied().collect()).unwrap_or_default();
        for g in groups {
            let Some(view) = self.view(g) else { continue };
            let lost = |a: Option<&AssertInfo<A>>| a.is_some_and(|a| !a.me && a.winner.address == winner);
            let star = lost(view.assert_g(i));
            let sources: Vec<A> =
                view.group.sources.keys().copied().filter(|s| lost(view.source(*s).assert_sg(i))).collect();
            if !star && sources.is_empty() {
                continue;
            }
            if star {
                self.fire_group_assert(now, g, i, AssertEvent::WinnerRestarts, None);
            }
            for s in sources {
                self.fire_source_assert(now, g, s, i, AssertEvent::WinnerRestarts, None);
            }
            self.evaluate(now, g, None);
        }
    }
}

/// What an Assert is to a machine in this state: preferred to the winner, acceptable or inferior to this router's metric.
fn judge<A: Copy + Ord>(
    state: AssertState,
    info: Option<&AssertInfo<A>>,
    theirs: &AssertMetric<A>,
    my: &AssertMetric<A>,
) -> Option<AssertEvent> {
    let acceptable = theirs.is_better(my) && !theirs.is_infinite();
    let inferior = my.is_better(theirs) && !my.is_infinite();
    let preferred = info.is_some_and(|a| theirs.is_better(&a.winner));
    let from_winner = info.is_some_and(|a| a.winner.address == theirs.address);
    match state {
        AssertState::NoInfo if inferior => Some(AssertEvent::ReceiveInferior),
        AssertState::NoInfo if acceptable => Some(AssertEvent::ReceiveAcceptable),
        AssertState::Winner if preferred => Some(AssertEvent::ReceivePreferred),
        AssertState::Winner if inferior => Some(AssertEvent::ReceiveInferior),
        AssertState::Loser if preferred => Some(AssertEvent::ReceivePreferred),
        AssertState::Loser if from_winner && (inferior || theirs.is_infinite()) => {
            Some(AssertEvent::ReceiveInferiorFromWinner)
        }
        AssertState::Loser if from_winner && acceptable => Some(AssertEvent::ReceiveAcceptableFromWinner),
        _ => None,
    }
}
