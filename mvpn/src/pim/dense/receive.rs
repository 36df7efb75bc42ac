//! Join/Prunes, Grafts, Graft-Acks and Asserts of groups of PIM-DM (RFC 3973 §4.4, §4.6).

use core::time::Duration;

use fwd_core::net::IfIndex;
use fwd_core::time::Instant;

use super::DenseInterface;
use super::fsm::{DenseAssertEvent, PruneEvent, UpstreamEvent};
use crate::pim::assert::{AssertMetric, AssertState};
use crate::pim::network::PimAddress;
use crate::pim::router::PimRouter;
use crate::pim::wire::{Assert, EncodedSource, GroupSet, GroupSetBuf, JoinPrune, JoinPruneBuf, MessageType};

/// The source of an entry: its S, W and R bits say nothing here (RFC 3973 §4.7.4).
fn source<A: PimAddress>(entry: &EncodedSource<'_>) -> Option<A> {
    let address = A::from_ip(entry.addr()).filter(|a| a.is_host());
    address.filter(|_| entry.mask_len() == A::BITS)
}

fn duration(holdtime: u16) -> Duration {
    match holdtime {
        JoinPrune::FOREVER => Duration::MAX,
        seconds => Duration::from_secs(u64::from(seconds)),
    }
}

impl<A: PimAddress> PimRouter<A> {
    /// A group set of a Join/Prune to this router.
    pub(in crate::pim) fn receive_dense_set(
        &mut self,
        now: Instant,
        i: IfIndex,
        g: A,
        set: &GroupSet<'_>,
        holdtime: u16,
    ) {
        for s in set.joins().filter_map(|e| source::<A>(&e)) {
            if self.dense(g, s).is_some() {
                self.fire_prune(now, g, s, i, PruneEvent::ReceiveJoin, None);
                self.dense_asked(now, g, s, i);
            }
        }
        for s in set.prunes().filter_map(|e| source::<A>(&e)) {
            if !self.may_join(now, i, g, Some(s)) {
                continue;
            }
            let known = self.dense_interface(g, s, i).is_some();
            if !known && !self.interface_room(now, i) || self.dense_entry(now, g, s, i).is_none() {
                continue;
            }
            self.fire_prune(now, g, s, i, PruneEvent::ReceivePrune, Some(duration(holdtime)));
            self.dense_asked(now, g, s, i);
        }
    }

    /// A Join, Prune or Graft is an occasion for an Assert of whoever lost one.
    fn dense_asked(&mut self, now: Instant, g: A, s: A, i: IfIndex) {
        self.fire_dense_assert(now, g, s, i, DenseAssertEvent::ReceiveJoinPruneGraft, None, None);
        self.dense_evaluate(now, g, s);
    }

    /// A group set of a Join/Prune to another router on the link.
    pub(in crate::pim) fn see_dense_set(&mut self, now: Instant, i: IfIndex, upstream: A, g: A, set: &GroupSet<'_>) {
        for s in set.joins().filter_map(|e| source::<A>(&e)) {
            let to_rpf =
                self.dense(g, s).is_some_and(|x| x.rpf.interface == Some(i) && x.rpf.neighbor == Some(upstream));
            if to_rpf {
                self.fire_dense_upstream(now, g, s, UpstreamEvent::SeeJoin);
            }
        }
        for s in set.prunes().filter_map(|e| source::<A>(&e)) {
            if self.dense(g, s).is_some_and(|x| x.rpf.interface == Some(i) && !x.connected) {
                self.fire_dense_upstream(now, g, s, UpstreamEvent::SeePrune);
            }
        }
    }

    /// A Graft: every source of it is forwarded again, and one Graft-Ack says so.
    pub(in crate::pim) fn receive_graft(&mut self, now: Instant, i: IfIndex, from: A, message: &JoinPrune<'_>) {
        if A::from_ip(message.upstream_neighbor()) != Some(self.net.address(i)) {
            return;
        }
        let mut ack = JoinPruneBuf::new(from.into(), 0);
        for set in message.groups() {
            let Some(g) = A::from_ip(set.group.addr()).filter(|g| set.group.is_host() && self.net.is_dense(*g)) else {
                continue;
            };
            let mut acked = GroupSetBuf::new(set.group);
            for entry in set.joins() {
                let Some(s) = source::<A>(&entry) else { continue };
                // Where nothing is known nothing is pruned.
                let due = self.dense(g, s).is_none() || self.fire_prune(now, g, s, i, PruneEvent::ReceiveGraft, None);
                if due {
                    acked.joins.push(entry.into());
                }
                if self.dense(g, s).is_some() {
                    self.dense_asked(now, g, s, i);
                }
            }
            if !acked.joins.is_empty() {
                ack.push(acked);
            }
        }
        if !ack.groups().is_empty() {
            self.dense_transmit(i, from, MessageType::GRAFT_ACK, &ack);
        }
    }

    /// A Graft-Ack.
    pub(in crate::pim) fn receive_graft_ack(&mut self, now: Instant, i: IfIndex, from: A, message: &JoinPrune<'_>) {
        for set in message.groups() {
            let Some(g) = A::from_ip(set.group.addr()) else { continue };
            for s in set.joins().filter_map(|e| source::<A>(&e)) {
                if self.dense(g, s).is_some_and(|x| x.rpf.interface == Some(i) && x.rpf.neighbor == Some(from)) {
                    self.fire_dense_upstream(now, g, s, UpstreamEvent::ReceiveGraftAck);
                    self.dense_evaluate(now, g, s);
                }
            }
        }
    }

    /// An Assert.
    pub(in crate::pim) fn receive_dense_assert(&mut self, now: Instant, i: IfIndex, from: A, g: A, assert: &Assert) {
        let Some(s) = A::from_ip(assert.source).filter(|s| s.is_host()) else { return };
        let theirs = AssertMetric {
            rpt: assert.rpt,
            preference: assert.metric_preference,
            metric: assert.metric,
            address: from,
        };
        if self.dense(g, s).is_some() {
            self.judge_dense_assert(now, g, s, i, theirs, None);
            self.dense_evaluate(now, g, s);
        }
    }

    /// What an Assert or a State Refresh says of the link (RFC 3973 §4.6.4).
    pub(super) fn judge_dense_assert(
        &mut self,
        now: Instant,
        g: A,
        s: A,
        i: IfIndex,
        theirs: AssertMetric<A>,
        time: Option<Duration>,
    ) {
        let mine = self.dense_metric(s, i);
        let none = DenseInterface::default();
        let state = self.dense_interface(g, s, i).unwrap_or(&none);
        let winner = state.winner.filter(|_| state.assert == AssertState::Loser);
        let from_winner = winner.is_some_and(|w| w.address == theirs.address);
        let best = winner.unwrap_or(mine);
        let inferior = theirs.is_infinite() || mine.is_better(&theirs);
        let event = if from_winner && inferior {
            DenseAssertEvent::ReceiveInferiorFromWinner
        } else if inferior {
            if !self.dense_could_assert(s, i) {
                return;
            }
            DenseAssertEvent::ReceiveInferior
        } else if from_winner {
            DenseAssertEvent::ReceiveAcceptableFromWinner
        } else if theirs.is_better(&best) {
            DenseAssertEvent::ReceivePreferred
        } else {
            return;
        };
        self.fire_dense_assert(now, g, s, i, event, Some(theirs), time);
    }
}
