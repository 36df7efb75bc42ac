//! Hellos, neighbours and the DR (RFC 7761 §4.3).

use alloc::vec::Vec;
use core::time::Duration;

use fwd_core::net::IfIndex;
use fwd_core::time::Instant;

use super::config::PimConfig;
use super::io::{Output, PimEvent, PimLimit, PimReject};
use super::network::{Interface, Neighbor, PimAddress, Rate};
use super::router::{Fault, PimRouter};
use super::state::Timer;
use super::wire::{DrlbList, Hello, HelloOption, LanPruneDelay, Message, MessageType};

/// Default_Hello_Holdtime, of a Hello without the option.
const DEFAULT_HOLDTIME: u16 = 105;
/// A Holdtime that never runs out.
const FOREVER: u16 = u16::MAX;
/// Secondary addresses of a neighbour that are remembered.
const MAX_SECONDARY: usize = 64;

fn millis(d: Duration) -> u16 {
    u16::try_from(d.as_millis()).unwrap_or(u16::MAX)
}

/// 3.5 periods, in seconds.
fn holdtime(period: Duration) -> u16 {
    let half_seconds = period.as_millis().saturating_mul(7) / 2000;
    u16::try_from(half_seconds).unwrap_or(FOREVER).min(FOREVER.saturating_sub(1))
}

impl<A: PimAddress> Interface<A> {
    /// The Hello of this router; `goodbye` has Holdtime 0.
    fn hello(&self, config: &PimConfig<A>, goodbye: bool) -> Hello {
        let c = &self.config;
        let refresh = config.dense.as_ref().and_then(|d| d.state_refresh);
        let mut options = Vec::from([
            HelloOption::Holdtime(if goodbye { 0 } else { holdtime(c.hello_period) }),
            HelloOption::LanPruneDelay(LanPruneDelay {
                tracking_support: c.tracking_support,
                propagation_delay: millis(c.propagation_delay),
                override_interval: millis(c.override_interval),
            }),
            HelloOption::DrPriority(c.dr_priority),
            HelloOption::GenerationId(self.generation_id),
        ]);
        if config.bidir.is_some() {
            options.push(HelloOption::BidirectionalCapable);
        }
        if let Some(interval) = refresh {
            options.push(HelloOption::StateRefreshCapable(u8::try_from(interval.as_secs()).unwrap_or(u8::MAX)));
        }
        if !c.secondary.is_empty() {
            options.push(HelloOption::AddressList(c.secondary.iter().map(|a| (*a).into()).collect()));
        }
        if c.join_attributes {
            options.extend([HelloOption::JoinAttribute, HelloOption::MtId]);
        }
        if config.router_id != 0 {
            options.push(HelloOption::InterfaceId { local: c.interface.0, router: config.router_id });
        }
        if c.ecmp.is_some() {
            options.push(HelloOption::EcmpRedirect);
        }
        if let Some(masks) = &c.dr_load_balancing {
            options.push(HelloOption::DrlbCapability(0));
            if self.dr == c.address {
                options.push(HelloOption::DrlbList(DrlbList {
                    group_mask: masks.group_mask.into(),
                    source_mask: masks.source_mask.into(),
                    rp_mask: masks.rp_mask.into(),
                    candidates: self.gdr_candidates().into_iter().map(Into::into).collect(),
                }));
            }
        }
        Hello { options }
    }
}

/// What a Hello says.
struct Said<A> {
    neighbor: Neighbor<A>,
    holdtime: u16,
}

impl<A: PimAddress> Said<A> {
    fn of(hello: &Hello, messages: Rate) -> Self {
        let mut neighbor = Neighbor {
            dr_priority: None,
            generation_id: None,
            lan_prune_delay: None,
            secondary: Vec::new(),
            drlb_capability: None,
            drlb_list: None,
            router_id: 0,
            local_id: 0,
            join_attribute: false,
            mt_id: false,
            ecmp_redirect: false,
            bidirectional: false,
            state_refresh: false,
            messages,
        };
        let mut holdtime = DEFAULT_HOLDTIME;
        let ms = |v| Duration::from_millis(u64::from(v));
        for option in &hello.options {
            match option {
                HelloOption::Holdtime(v) => holdtime = *v,
                HelloOption::LanPruneDelay(d) => {
                    let delays = (d.tracking_support, ms(d.propagation_delay), ms(d.override_interval));
                    neighbor.lan_prune_delay = Some(delays);
                }
                HelloOption::DrPriority(v) => neighbor.dr_priority = Some(*v),
                HelloOption::GenerationId(v) => neighbor.generation_id = Some(*v),
                HelloOption::AddressList(list) => {
                    neighbor.secondary = list.iter().filter_map(|a| A::from_ip(*a)).take(MAX_SECONDARY).collect();
                }
                HelloOption::DrlbCapability(v) => neighbor.drlb_capability = Some(*v),
                HelloOption::DrlbList(list) => neighbor.drlb_list = Some(list.clone()),
                HelloOption::InterfaceId { local, router } => {
                    (neighbor.local_id, neighbor.router_id) = (*local, *router);
                }
                HelloOption::JoinAttribute => neighbor.join_attribute = true,
                HelloOption::MtId => neighbor.mt_id = true,
                HelloOption::EcmpRedirect => neighbor.ecmp_redirect = true,
                HelloOption::StateRefreshCapable(_) => neighbor.state_refresh = true,
                HelloOption::BidirectionalCapable => neighbor.bidirectional = true,
                _ => {}
            }
        }
        Self { neighbor, holdtime }
    }
}

impl<A: PimAddress> PimRouter<A> {
    /// Sends a Hello out of an interface.
    pub(super) fn send_hello(&mut self, index: IfIndex, goodbye: bool) {
        let Some(interface) = self.net.interfaces.get_mut(&index) else { return };
        if interface.config.passive {
            return;
        }
        interface.hello_sent = !goodbye;
        let (from, to) = (interface.config.address, A::ALL_PIM_ROUTERS);
        let octets = Message::Hello(interface.hello(&self.net.config, goodbye)).to_packet(from.into(), to.into());
        self.outputs.push_back(Output::Datagram { interface: Some(index), from, to, octets });
    }

    /// A Hello must have gone out before a Join/Prune or an Assert (RFC 7761 §4.3.1).
    pub(super) fn ensure_hello(&mut self, index: IfIndex) {
        if self.net.interfaces.get(&index).is_some_and(|i| !i.hello_sent) {
            self.send_hello(index, false);
        }
    }

    pub(super) fn hello_timer(&mut self, now: Instant, index: IfIndex, triggered: bool) {
        let Some(interface) = self.net.interfaces.get(&index) else { return };
        let period = interface.config.hello_period;
        if !triggered {
            self.timers.set(Timer::Hello(index), now + period);
        }
        self.send_hello(index, false);
    }

    /// A Hello came.
    pub(super) fn receive_hello(&mut self, now: Instant, index: IfIndex, from: A, hello: &Hello) {
        let limits = self.net.config.limits;
        let Some(interface) = self.net.interfaces.get_mut(&index) else { return };
        let known = interface.neighbors.get(&from);
        if known.is_none() && interface.neighbors.len() >= limits.neighbors_per_interface {
            return self.limit(now, PimLimit::Neighbors, Some(index));
        }
        let rate = known.map_or_else(|| Rate::new(limits.messages_per_neighbor, now), |n| n.messages);
        let Said { neighbor, holdtime } = Said::of(hello, rate);
        let unfit = self.net.config.bidir.is_some() && !neighbor.bidirectional;
        if holdtime == 0 {
            if known.is_some() && interface.news.take(now) {
                self.neighbor_gone(now, index, from);
            }
            return;
        }
        let known = interface.neighbors.get(&from);
        if !known.is_some_and(|n| n.says_as(&neighbor)) && !interface.news.take(now) {
            return self.limit(now, PimLimit::HelloChanges, Some(index));
        }
        let restarted = known.is_some_and(|n| n.generation_id != neighbor.generation_id);
        let new = known.is_none();
        let moved = known.is_none_or(|n| n.secondary != neighbor.secondary);
        let balance = |n: Option<&Neighbor<A>>| n.map(|n| (n.drlb_capability, n.drlb_list.clone(), n.router_id));
        let rebalanced = interface.config.dr_load_balancing.is_some() && balance(known) != balance(Some(&neighbor));
        interface.neighbors.insert(from, neighbor);
        let timer = Timer::NeighborLiveness(index, from);
        if holdtime == FOREVER {
            self.timers.clear(timer);
        } else {
            self.timers.set(timer, now + Duration::from_secs(u64::from(holdtime)));
        }
        if new || restarted {
            self.greet(now, index, from, new);
        }
        if unfit {
            let message_type = Some(MessageType::HELLO);
            let fault = Fault { interface: Some(index), from, message_type, malformed: None };
            self.reject(now, PimReject::NotBidirectional, fault);
        }
        self.dr_may_change(now, index, rebalanced);
        if new || moved {
            self.neighbor_changes_rpf(now, index);
        }
        if new {
            self.dense_interfaces_changed(now);
        }
        if restarted {
            self.generation_changed(now, index, from);
            self.dense_neighbor_restarted(index, from);
        }
    }

    /// A new or restarted neighbour gets a Hello soon.
    fn greet(&mut self, now: Instant, index: IfIndex, neighbor: A, new: bool) {
        let Some(interface) = self.net.interfaces.get_mut(&index) else { return };
        interface.hello_sent = false;
        let delay = interface.config.triggered_hello_delay;
        let event = if new {
            PimEvent::NeighborUp { interface: index, neighbor }
        } else {
            PimEvent::NeighborRestarted { interface: index, neighbor }
        };
        self.outputs.push_back(Output::Event(event));
        if self.timers.get(Timer::TriggeredHello(index)).is_none() {
            let delay = self.random.up_to(delay);
            self.timers.set(Timer::TriggeredHello(index), now + delay);
        }
    }

    /// A neighbour says goodbye, or its Neighbor Liveness Timer expired.
    pub(super) fn neighbor_gone(&mut self, now: Instant, index: IfIndex, neighbor: A) {
        self.timers.clear(Timer::NeighborLiveness(index, neighbor));
        let gone = self.net.interfaces.get_mut(&index).and_then(|i| i.neighbors.remove(&neighbor));
        if gone.is_none() {
            return;
        }
        self.outputs.push_back(Output::Event(PimEvent::NeighborDown { interface: index, neighbor }));
        self.pending.forget_neighbor(index, neighbor);
        self.winner_restarts(now, index, neighbor);
        self.df_neighbor_gone(now, index, neighbor);
        self.dense_neighbor_gone(now, index, neighbor);
        self.attributes_of_neighbor_gone(now, index, neighbor);
        self.dr_may_change(now, index, gone.is_some_and(|n| n.drlb_capability.is_some()));
        self.neighbor_changes_rpf(now, index);
    }

    /// The election is held anew; what depends on the DR follows.
    fn dr_may_change(&mut self, now: Instant, index: IfIndex, rebalanced: bool) {
        let Some(interface) = self.net.interfaces.get_mut(&index) else { return };
        let dr = interface.elect_dr();
        let changed = core::mem::replace(&mut interface.dr, dr) != dr;
        if changed {
            self.outputs.push_back(Output::Event(PimEvent::DrChanged { interface: index, dr }));
        }
        if !changed && !rebalanced {
            return;
        }
        if rebalanced && self.net.is_dr(index) {
            // RFC 8775 §5.4: a list without a candidate that is gone goes out at once.
            self.send_hello(index, false);
        }
        self.evaluate_interface(now, index);
        // CouldRegister of sources on the link.
        let here: Vec<A> = self.net.via.get(&index).map(|s| s.iter().copied().collect()).unwrap_or_default();
        for address in here.into_iter().filter(|a| self.net.is_connected(*a)).collect::<Vec<_>>() {
            self.address_changed(now, address);
        }
    }

    /// NBR(I, next hop) may be another for all that is routed out of the interface.
    fn neighbor_changes_rpf(&mut self, now: Instant, index: IfIndex) {
        let via: Vec<A> = self.net.via.get(&index).map(|s| s.iter().copied().collect()).unwrap_or_default();
        for address in via {
            self.address_changed(now, address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn holdtime_is_three_and_a_half_periods() {
        assert_eq!(holdtime(Duration::from_secs(30)), 105);
        assert_eq!(holdtime(Duration::from_secs(1)), 3);
        assert_eq!(holdtime(Duration::from_secs(3600)), 12_600);
    }
}
