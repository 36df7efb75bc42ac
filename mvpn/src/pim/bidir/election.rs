//! The election at work (RFC 5015 §3.5): messages, timers, metrics.

use alloc::vec::Vec;
use core::time::Duration;

use fwd_core::net::IfIndex;
use fwd_core::time::Instant;

use super::fsm::{DfAction, DfEvent, DfState, df_transition};
use super::{Election, Offer, is_better, is_path};
use crate::pim::io::{Output, PimEvent};
use crate::pim::network::PimAddress;
use crate::pim::router::PimRouter;
use crate::pim::state::Timer;
use crate::pim::wire::{DfElection, DfSubtype, Message};

/// Which election, and what a message says of sender and target.
#[derive(Clone, Copy, Debug)]
struct Said<A> {
    rpa: A,
    interface: IfIndex,
    sender: Option<Offer<A>>,
    target: Option<Offer<A>>,
    /// Interval of a Backoff.
    interval: Duration,
}

impl<A> Said<A> {
    const fn nothing(rpa: A, interface: IfIndex) -> Self {
        Self { rpa, interface, sender: None, target: None, interval: Duration::ZERO }
    }
}

impl<A: PimAddress> PimRouter<A> {
    fn election(&self, rpa: A, i: IfIndex) -> Option<&Election<A>> {
        self.net.rpas.get(&rpa)?.elections.get(&i)
    }

    fn election_mut(&mut self, rpa: A, i: IfIndex) -> Option<&mut Election<A>> {
        self.net.rpas.get_mut(&rpa)?.elections.get_mut(&i)
    }

    /// An election begins.
    pub(super) fn start_election(&mut self, now: Instant, rpa: A, i: IfIndex) {
        let metric = self.net.df_metric(rpa, i);
        let Some(of) = self.net.rpas.get_mut(&rpa) else { return };
        of.elections.insert(i, Election { state: DfState::Offer, df: None, best: None, count: 0, metric });
        let delay = self.offer_low();
        self.timers.set(Timer::DfElection(rpa, i), now + delay);
    }

    /// OPlow.
    fn offer_low(&mut self) -> Duration {
        let period = self.net.config.bidir.as_ref().map_or(Duration::ZERO, |b| b.offer_period);
        self.random.between(period / 2, period)
    }

    /// A DF Election message of a neighbour.
    pub(in crate::pim) fn receive_df_election(&mut self, now: Instant, i: IfIndex, from: A, message: &DfElection) {
        let Some(rpa) = A::from_ip(message.rpa) else { return };
        let sender = (from, message.sender_metric);
        let Some(election) = self.election(rpa, i) else { return };
        let me = (self.net.address(i), election.metric);
        let mut said = Said { sender: Some(sender), ..Said::nothing(rpa, i) };
        let judge =
            |offer: &Offer<A>, better: DfEvent, worse: DfEvent| if is_better(offer, &me) { better } else { worse };
        let worse = DfEvent::ReceiveWorsePassWinnerOrBackoff;
        let event = match message.subtype {
            DfSubtype::Offer => judge(&sender, DfEvent::ReceiveBetterOffer, DfEvent::ReceiveWorseOffer),
            DfSubtype::Winner => {
                said.target = Some(sender);
                judge(&sender, DfEvent::ReceiveBetterPassOrWinner, worse)
            }
            DfSubtype::Backoff { offering, offering_metric, interval } => {
                let Some(offering) = A::from_ip(offering) else { return };
                // RFC 5015 §3.5.3.4: a Backoff makes its originator the DF.
                said.target = Some(sender);
                said.interval = Duration::from_millis(u64::from(interval));
                if offering == me.0 {
                    DfEvent::ReceiveBackoffForUs
                } else {
                    judge(&(offering, offering_metric), DfEvent::ReceiveBetterBackoff, worse)
                }
            }
            DfSubtype::Pass { new_winner, new_winner_metric } => {
                let Some(winner) = A::from_ip(new_winner) else { return };
                said.target = Some((winner, new_winner_metric));
                if winner == me.0 {
                    DfEvent::ReceivePassForUs
                } else {
                    judge(&(winner, new_winner_metric), DfEvent::ReceiveBetterPassOrWinner, worse)
                }
            }
        };
        self.fire_df(now, said, event);
    }

    /// The timer of an election.
    pub(in crate::pim) fn df_timer(&mut self, now: Instant, rpa: A, i: IfIndex) {
        let robustness = self.net.config.bidir.as_ref().map_or(0, |b| b.robustness);
        let Some(election) = self.election(rpa, i) else { return };
        let more = election.count < robustness;
        let event = match election.state {
            DfState::Offer if more => DfEvent::TimerExpires,
            DfState::Offer if is_path(election.metric) => DfEvent::TimerExpiresWithPath,
            DfState::Offer => DfEvent::TimerExpiresWithoutPath,
            DfState::Win if !more => {
                self.send_df(rpa, i, DfSubtype::Winner);
                return self.announce(now, rpa, i);
            }
            _ => DfEvent::TimerExpires,
        };
        self.fire_df(now, Said::nothing(rpa, i), event);
    }

    fn fire_df(&mut self, now: Instant, said: Said<A>, event: DfEvent) {
        let Said { rpa, interface: i, .. } = said;
        let me = self.net.address(i);
        let Some(election) = self.election_mut(rpa, i) else { return };
        let Ok((next, actions)) = df_transition(election.state, event) else { return };
        let was = (election.state.is_acting(), election.df);
        election.state = next;
        for action in actions {
            self.df_action(now, &said, me, *action);
        }
        self.announce(now, rpa, i);
        let Some(election) = self.election(rpa, i) else { return };
        let is = (election.state.is_acting(), election.df);
        if was != is {
            let address = |df: Option<Offer<A>>| df.map(|(address, _)| address);
            if address(was.1) != address(is.1) {
                let event = PimEvent::DfChanged { interface: i, rpa, df: address(is.1) };
                self.outputs.push_back(Output::Event(event));
            }
            self.df_changed(now, rpa, i, was.0 && !is.0);
        }
    }

    /// A DF whose timer has nothing else to do says so once in a while (RFC 5015 §3.5.6).
    fn announce(&mut self, now: Instant, rpa: A, i: IfIndex) {
        let timer = Timer::DfElection(rpa, i);
        let Some(period) = self.net.config.bidir.as_ref().map(|b| b.winner_period) else { return };
        let won = self.election(rpa, i).is_some_and(|e| e.state == DfState::Win);
        if won && self.timers.get(timer).is_none() {
            let robustness = self.net.config.bidir.as_ref().map_or(0, |b| b.robustness);
            if let Some(election) = self.election_mut(rpa, i) {
                election.count = robustness;
            }
            self.timers.set(timer, now + period);
        }
    }

    fn df_action(&mut self, now: Instant, said: &Said<A>, me: A, action: DfAction) {
        let Said { rpa, interface: i, .. } = *said;
        let timer = Timer::DfElection(rpa, i);
        let (low, bidir) = (self.offer_low(), self.net.config.bidir.clone());
        let Some(bidir) = bidir else { return };
        let Some(election) = self.election_mut(rpa, i) else { return };
        match action {
            DfAction::SetDfToSenderOrTarget => election.df = said.target,
            DfAction::SetDfToSender => election.df = said.sender,
            DfAction::SetDfToMe => election.df = Some((me, election.metric)),
            DfAction::SetDfToBest => election.df = election.best.take(),
            DfAction::SetDfToNone => election.df = None,
            DfAction::SetBest => election.best = said.sender,
            DfAction::ClearCount => election.count = 0,
            DfAction::IncrementCount => election.count = election.count.saturating_add(1),
            DfAction::StopTimer => self.timers.clear(timer),
            DfAction::SetTimerLow => self.timers.set(timer, now + low),
            DfAction::LowerTimer => {
                if self.timers.get(timer).is_none_or(|at| at > now + low) {
                    self.timers.set(timer, now + low);
                }
            }
            DfAction::SetTimerHigh => {
                self.timers.set(timer, now + bidir.offer_period.saturating_mul(u32::from(bidir.robustness)));
            }
            DfAction::SetTimerBackoffLow => self.timers.set(timer, now + said.interval + low),
            DfAction::SetTimerBackoff => self.timers.set(timer, now + bidir.backoff_period),
            DfAction::SendOffer => self.send_df(rpa, i, DfSubtype::Offer),
            DfAction::SendWinner => self.send_df(rpa, i, DfSubtype::Winner),
            DfAction::SendBackoff => {
                let Some((offering, offering_metric)) = election.best else { return };
                let interval = u16::try_from(bidir.backoff_period.as_millis()).unwrap_or(u16::MAX);
                self.send_df(rpa, i, DfSubtype::Backoff { offering: offering.into(), offering_metric, interval });
            }
            DfAction::SendPass => {
                let Some((winner, new_winner_metric)) = election.best else { return };
                self.send_df(rpa, i, DfSubtype::Pass { new_winner: winner.into(), new_winner_metric });
            }
        }
    }

    fn send_df(&mut self, rpa: A, i: IfIndex, subtype: DfSubtype) {
        let Some(sender_metric) = self.election(rpa, i).map(|e| e.metric) else { return };
        self.ensure_hello(i);
        let (from, to) = (self.net.address(i), A::ALL_PIM_ROUTERS);
        let message = DfElection { rpa: rpa.into(), sender_metric, subtype };
        let octets = Message::DfElection(message).to_packet(from.into(), to.into());
        self.outputs.push_back(Output::Datagram { interface: Some(i), from, to, octets });
    }

    /// A neighbour is gone: where it was the DF there is none.
    pub(in crate::pim) fn df_neighbor_gone(&mut self, now: Instant, i: IfIndex, neighbor: A) {
        let lost: Vec<A> = self.net.rpas.keys().copied().filter(|rpa| self.net.df(*rpa, i) == Some(neighbor)).collect();
        for rpa in lost {
            self.fire_df(now, Said::nothing(rpa, i), DfEvent::DfFailure);
        }
    }

    /// The route to an RPA may have changed: metrics are compared anew.
    pub(super) fn df_metrics_may_change(&mut self, now: Instant, rpa: A) {
        let Some(of) = self.net.rpas.get(&rpa) else { return };
        let interfaces: Vec<IfIndex> = of.elections.keys().copied().collect();
        let next_hop = self.net.rpa_interface(rpa).and_then(|_| self.net.rpf(rpa).next_hop);
        let old_hop = of.next_hop;
        if let Some(of) = self.net.rpas.get_mut(&rpa) {
            of.next_hop = next_hop;
        }
        for i in interfaces {
            let (new, me) = (self.net.df_metric(rpa, i), self.net.address(i));
            let Some(election) = self.election_mut(rpa, i) else { continue };
            let old = core::mem::replace(&mut election.metric, new);
            let better = |than: Option<Offer<A>>| match than {
                Some(than) => is_better(&(me, new), &than),
                None => is_path(new),
            };
            let event = match election.state {
                DfState::Win | DfState::Backoff if !is_path(new) => Some(DfEvent::PathLost),
                DfState::Backoff if old != new && better(election.best) => Some(DfEvent::MetricBetter),
                DfState::Win | DfState::Offer if is_better(&(me, old), &(me, new)) => Some(DfEvent::MetricWorse),
                DfState::Lose if old != new && better(election.df) => Some(DfEvent::MetricBetter),
                // RFC 5015 §3.5.2.6: a downstream router's route leaves the DF.
                DfState::Lose if old_hop.is_some() && old_hop != next_hop && election.df.map(|d| d.0) == old_hop => {
                    Some(DfEvent::DfFailure)
                }
                _ => None,
            };
            if let Some(event) = event {
                self.fire_df(now, Said::nothing(rpa, i), event);
            }
        }
    }
}
