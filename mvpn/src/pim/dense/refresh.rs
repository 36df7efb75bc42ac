//! State Refresh (RFC 3973 §4.5): prunes and Asserts that are kept alive from the source on, in place of the next flood.

use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use fwd_core::net::IfIndex;
use fwd_core::time::Instant;

use super::DenseTimer;
use super::fsm::{DenseAssertEvent, PruneEvent, PruneState, UpstreamEvent, UpstreamState};
use crate::pim::assert::{AssertMetric, AssertState};
use crate::pim::io::Output;
use crate::pim::network::PimAddress;
use crate::pim::router::PimRouter;
use crate::pim::state::Timer;
use crate::pim::wire::{EncodedGroup, Message, StateRefresh, StateRefreshFlags};

impl<A: PimAddress> PimRouter<A> {
    /// A State Refresh of a neighbour.
    pub(in crate::pim) fn receive_state_refresh(&mut self, now: Instant, i: IfIndex, from: A, message: &StateRefresh) {
        let (Some(g), Some(s)) = (A::from_ip(message.group.addr()), A::from_ip(message.source)) else { return };
        let config = self.dense_config();
        let usable = message.group.is_host() && self.net.is_dense(g) && s.is_host() && config.state_refresh.is_some();
        if !usable || !self.may_join(now, i, g, Some(s)) || self.dense_entry(now, g, s, i).is_none() {
            return;
        }
        let theirs =
            AssertMetric { rpt: false, preference: message.metric_preference, metric: message.metric, address: from };
        let time = Duration::from_secs(u64::from(message.interval).saturating_mul(3));
        self.judge_dense_assert(now, g, s, i, theirs, Some(time));
        self.dense_evaluate(now, g, s);
        let rpf = self.dense_rpf(g, s);
        if rpf.interface != Some(i) || rpf.neighbor != Some(from) {
            return;
        }
        let pruned = message.flags.contains(StateRefreshFlags::PRUNE_INDICATOR);
        let limited = self.timers.get(Timer::Dense(DenseTimer::PruneLimit(g, s))).is_some();
        let state = self.dense(g, s).map(|x| x.upstream);
        if pruned {
            self.fire_dense_upstream(now, g, s, UpstreamEvent::StateRefreshPruned);
        } else if state != Some(UpstreamState::Pruned) || !limited {
            self.fire_dense_upstream(now, g, s, UpstreamEvent::StateRefreshForwarding);
        }
        let last = self.dense(g, s).and_then(|x| x.refreshed);
        let hops = message.ttl.checked_sub(1).filter(|ttl| *ttl > 0);
        if let Some(ttl) = hops.filter(|_| last.is_none_or(|last| now - last >= config.refresh_limit)) {
            if let Some(source) = self.dense_mut(g, s) {
                source.refreshed = Some(now);
            }
            self.forward_state_refresh(now, g, s, &StateRefresh { ttl, ..*message });
        }
        self.dense_evaluate(now, g, s);
    }

    /// SRT expired at the router of the source.
    pub(super) fn originate_state_refresh(&mut self, now: Instant, g: A, s: A) {
        let config = self.dense_config();
        let (Some(interval), Some(i)) = (config.state_refresh, self.net.rpf_interface(s)) else { return };
        let Some(source) = self.dense_mut(g, s) else { return };
        source.refreshes = source.refreshes.wrapping_add(1);
        // RFC 3973 §4.7.10: Prune Now in every third one.
        let now_bit = source.refreshes % 3 == 0;
        let subnets = self.net.interfaces.get(&i).map(|x| x.config.subnets.as_slice()).unwrap_or_default();
        let mask_len = subnets.iter().find(|p| s.is_in(p)).map_or(A::BITS, A::prefix_len);
        let message = StateRefresh {
            group: EncodedGroup::new(g.into()),
            source: s.into(),
            originator: self.net.config.router_address.into(),
            metric_preference: 0,
            metric: 0,
            mask_len,
            ttl: config.refresh_ttl,
            flags: if now_bit { StateRefreshFlags::PRUNE_NOW } else { StateRefreshFlags::empty() },
            interval: u8::try_from(interval.as_secs()).unwrap_or(u8::MAX),
        };
        self.forward_state_refresh(now, g, s, &message);
    }

    /// The loop of RFC 3973 §4.5.1. The mask is left as it came: the route's is not known here.
    fn forward_state_refresh(&mut self, now: Instant, g: A, s: A, message: &StateRefresh) {
        let rpf = self.net.rpf_interface(s);
        let to: Vec<IfIndex> = self
            .net
            .interfaces
            .iter()
            .filter(|(i, x)| rpf != Some(**i) && !x.config.passive && !x.neighbors.is_empty())
            .filter(|(i, x)| x.config.group_filter.permits(g) && !self.dense_lost_assert(g, s, **i))
            .map(|(i, _)| *i)
            .collect();
        let (preference, metric) = self.net.metric(s).unwrap_or_default();
        let time = Duration::from_secs(u64::from(message.interval).saturating_mul(3));
        for i in to {
            let pruned = self.dense_interface(g, s, i).is_some_and(|x| x.prune == PruneState::Pruned);
            let mut flags = message.flags & StateRefreshFlags::PRUNE_NOW;
            flags.set(StateRefreshFlags::PRUNE_INDICATOR, pruned);
            flags.set(StateRefreshFlags::ASSERT_OVERRIDE, self.dense_assert_state(g, s, i) == AssertState::NoInfo);
            let copy = StateRefresh { flags, metric_preference: preference, metric, ..*message };
            self.send_state_refresh(i, copy);
            let capable = self.net.interfaces.get(&i).is_some_and(|x| x.neighbors.values().all(|n| n.state_refresh));
            if capable {
                self.fire_prune(now, g, s, i, PruneEvent::SendStateRefresh, None);
            }
            self.fire_dense_assert(now, g, s, i, DenseAssertEvent::SendStateRefresh, None, Some(time));
        }
    }

    fn send_state_refresh(&mut self, i: IfIndex, message: StateRefresh) {
        self.ensure_hello(i);
        let (from, to) = (self.net.address(i), A::ALL_PIM_ROUTERS);
        let ends: (IpAddr, IpAddr) = (from.into(), to.into());
        let octets = Message::StateRefresh(message).to_packet(ends.0, ends.1);
        self.outputs.push_back(Output::Datagram { interface: Some(i), from, to, octets });
    }
}
