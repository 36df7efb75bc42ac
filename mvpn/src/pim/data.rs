//! Data-triggered events (RFC 7761 §4.2), Registers at the DR and at the RP (§4.4), Anycast-RP (RFC 4610).

use alloc::vec::Vec;
use core::time::Duration;

use fwd_core::net::IfIndex;
use fwd_core::time::Instant;

use super::assert::AssertEvent;
use super::config::SptThreshold;
use super::io::{Output, PimLimit, PimReject};
use super::network::PimAddress;
use super::register::{RegisterEvent, RegisterState};
use super::router::{Fault, PimRouter};
use super::state::Timer;
use super::wire::{MessageType, Register, RegisterFlags, RegisterStop};

/// How long data that arrived waits for the route to its source.
const ROUTE_WAIT: Duration = Duration::from_secs(5);

impl<A: PimAddress> PimRouter<A> {
    /// On receipt of data from S to G on interface iif (RFC 7761 §4.2), as far as software sees it.
    pub(super) fn data_arrives(&mut self, now: Instant, iif: IfIndex, s: A, g: A) {
        if !self.data.take(now) {
            return self.limit(now, PimLimit::Data, Some(iif));
        }
        if !g.is_multicast() || g.is_link_scope_group() || !s.is_host() {
            return;
        }
        let Some(interface) = self.net.interfaces.get(&iif) else { return };
        let fault = Fault { interface: Some(iif), from: s, message_type: None, malformed: None };
        if !self.net.config.source_filter.permits(s) || !self.net.config.group_filter.permits(g) {
            return self.reject(now, PimReject::Filtered, fault);
        }
        let here = self.net.link_of(s) == Some(iif);
        if here && !interface.config.senders {
            return self.reject(now, PimReject::Role, fault);
        }
        if self.net.is_bidir(g) {
            return self.bidir_data(now, iif, g);
        }
        if self.net.is_dense(g) {
            return self.dense_data(now, iif, g, s);
        }
        let known = self.source_view(g, s).is_some_and(|v| v.source.is_some());
        let wanted = self.view(g).is_some_and(|v| v.join_desired_g());
        if !known && !here && !wanted || self.source_entry(now, g, s, iif).is_none() {
            return;
        }
        if self.net.watches.get(&s).is_some_and(|w| w.tracked && w.ways.is_empty()) {
            if let Some(source) = self.source_mut(g, s) {
                source.arrived = Some(iif);
                self.timers.set(Timer::Arrived(g, s), now + ROUTE_WAIT);
            }
        }
        self.data_rules(now, iif, s, g);
        self.evaluate(now, g, Some(s));
        // What the evaluation joined may be on the right tree already.
        if self.source_view(g, s).is_some_and(|v| !v.spt_bit() && v.update_spt_bit(iif)) {
            self.set_spt_bit(now, g, s);
        }
    }

    fn data_rules(&mut self, now: Instant, iif: IfIndex, s: A, g: A) {
        let period = self.net.config.timers.keepalive;
        let Some(view) = self.source_view(g, s) else { return };
        let on_rpf = view.rpf_interface_s() == Some(iif);
        let keep = on_rpf && (view.directly_connected() || view.is_joined() && !view.inherited_olist_sg().is_empty());
        if keep {
            self.set_keepalive(now, g, s, period);
        }
        if self.source_view(g, s).is_some_and(|v| !v.spt_bit() && v.update_spt_bit(iif)) {
            self.set_spt_bit(now, g, s);
        }
        let Some(view) = self.source_view(g, s) else { return };
        let spt = view.spt_bit();
        if on_rpf && spt {
            return;
        }
        if view.group.rpf_interface_rp() == Some(iif) && !spt {
            if self.net.config.spt_threshold == SptThreshold::Immediate {
                self.check_switch_to_spt(now, g, s);
            }
            return;
        }
        if view.is_secondary(iif) {
            return;
        }
        // The RPF check failed: the Assert machines decide, or a redirect to another link of the bundle.
        if self.redirect_data(now, iif, g, s) {
            return;
        }
        let Some(view) = self.source_view(g, s) else { return };
        if spt && view.could_assert_sg(iif) {
            self.fire_source_assert(now, g, s, iif, AssertEvent::DataArrives, None);
        } else if !spt && view.in_inherited_olist_sg_rpt(iif) && view.group.could_assert_g(iif) {
            self.fire_group_assert(now, g, iif, AssertEvent::DataArrives, None);
        }
    }

    fn set_spt_bit(&mut self, now: Instant, g: A, s: A) {
        if let Some(source) = self.source_mut(g, s) {
            source.spt_bit = true;
        }
        self.evaluate(now, g, Some(s));
    }

    /// Another RP has a source, or has it no more: an RP with receivers joins it (RFC 3446 §3, RFC 3618 §5).
    pub(super) fn remote_source(&mut self, now: Instant, g: A, s: A, is_active: bool) {
        let rp = self.net.rp(g).filter(|rp| self.net.is_local(*rp) && !self.net.is_bidir(g));
        if is_active && (rp.is_none() || !self.net.config.source_filter.permits(s) || !s.is_host()) {
            return;
        }
        let known = self.source_view(g, s).is_some_and(|v| v.source.is_some());
        if !known && (!is_active || self.source_entry(now, g, s, IfIndex(0)).is_none()) {
            return;
        }
        if let Some(source) = self.source_mut(g, s) {
            source.remote = is_active;
        }
        self.evaluate(now, g, Some(s));
    }

    /// Starts KeepaliveTimer(S,G), or restarts it if that is later.
    pub(super) fn set_keepalive(&mut self, now: Instant, g: A, s: A, period: Duration) {
        let Some(source) = self.source_mut(g, s) else { return };
        source.keepalive = true;
        let (timer, at) = (Timer::Keepalive(g, s), now + period);
        if self.timers.get(timer).is_none_or(|t| t < at) {
            self.timers.set(timer, at);
        }
    }

    // RFC 7761 §4.2.1
    fn check_switch_to_spt(&mut self, now: Instant, g: A, s: A) {
        let period = self.net.config.timers.keepalive;
        if self.source_view(g, s).is_some_and(|v| v.has_local_receivers()) {
            self.set_keepalive(now, g, s, period);
        }
    }

    /// The forwarder's counters say that (S,G) is active.
    pub(super) fn active(&mut self, now: Instant, s: A, g: A, octets_per_second: u64) {
        let period = self.net.config.timers.keepalive;
        if self.groups.get(&g).is_some_and(|group| group.active) {
            return self.bidir_active(now, g);
        }
        if self.dense.sources.contains_key(&(g, s)) {
            return self.dense_active(now, g, s);
        }
        let Some(view) = self.source_view(g, s).filter(|v| v.source.is_some()) else { return };
        let keep = view.directly_connected() || view.is_joined() && !view.inherited_olist_sg().is_empty();
        if keep {
            self.set_keepalive(now, g, s, period);
        }
        if let SptThreshold::OctetsPerSecond(most) = self.net.config.spt_threshold {
            if octets_per_second > most {
                self.check_switch_to_spt(now, g, s);
            }
        }
        self.evaluate(now, g, Some(s));
    }

    /// A packet for a Register, if the Register machine is in Join.
    pub(super) fn whole_packet(&mut self, now: Instant, packet: &[u8]) {
        let register = Register { flags: RegisterFlags::empty(), packet };
        let Some((s, g)) = register.source_group() else { return };
        let (Some(s), Some(g)) = (A::from_ip(s), A::from_ip(g)) else { return };
        let period = self.net.config.timers.keepalive;
        let Some(source) = self.source_mut(g, s) else { return };
        let (state, rp) = (source.register, source.register_rp);
        if state != RegisterState::Join {
            return;
        }
        self.set_keepalive(now, g, s, period);
        let Some(rp) = rp else { return };
        if self.net.is_local(rp) {
            // The DR is the RP: it tells the other members of its Anycast-RP set, which then join by themselves.
            self.anycast(self.net.config.router_address, rp, &register);
            self.fire_register(now, g, s, RegisterEvent::RegisterStop);
            self.evaluate(now, g, Some(s));
        } else {
            let from = self.register_source(s);
            self.send_register(from, rp, RegisterFlags::empty(), packet);
        }
    }

    /// packet_arrives_on_rp_tunnel (RFC 7761 §4.4.2).
    pub(super) fn receive_register(&mut self, now: Instant, i: IfIndex, from: A, to: A, register: &Register<'_>) {
        if !self.registers.take(now) {
            return self.limit(now, PimLimit::Registers, Some(i));
        }
        let fault = Fault { interface: Some(i), from, message_type: Some(MessageType::REGISTER), malformed: None };
        let inner = register.source_group();
        let inner = inner.and_then(|(s, g)| A::from_ip(s).zip(A::from_ip(g)));
        let Some((s, g)) = inner.filter(|(s, g)| s.is_host() && g.is_multicast() && !g.is_link_scope_group()) else {
            return self.reject(now, PimReject::Malformed, fault);
        };
        if !self.net.config.source_filter.permits(s) || !self.net.config.group_filter.permits(g) {
            self.send_register_stop(to, from, g, s);
            return self.reject(now, PimReject::Filtered, fault);
        }
        // RFC 7761 §4.8.1 for groups of the SSM range, which have no RP. A member of the Anycast-RP set sends to an address of its own
        // choice (RFC 4610 §3).
        let rp = self.net.rp(g).filter(|rp| self.net.is_local(*rp) && !self.net.is_bidir(g));
        let member = |rp: A| self.net.config.anycast_rp.iter().any(|(a, m)| *a == rp && m.contains(&from));
        let Some(rp) = rp.filter(|rp| *rp == to || member(*rp)) else {
            self.send_register_stop(to, from, g, s);
            return self.reject(now, PimReject::NotRp, fault);
        };
        self.anycast(from, rp, register);
        self.at_rp(now, from, to, register, s, g);
    }

    /// A Register of a DR goes to the other members of the Anycast-RP set (RFC 4610 §3); one of a member goes no further.
    pub(super) fn anycast(&mut self, from: A, rp: A, register: &Register<'_>) {
        let set = self.net.config.anycast_rp.iter().find(|(address, _)| *address == rp);
        let Some(members) = set.map(|(_, members)| members).filter(|m| !m.contains(&from)) else { return };
        let router = self.net.config.router_address;
        for member in members.iter().copied().filter(|m| *m != router).collect::<Vec<_>>() {
            self.send_register(router, member, register.flags, register.packet);
        }
    }

    /// `to` is the address that the Register came to.
    fn at_rp(&mut self, now: Instant, from: A, to: A, register: &Register<'_>, s: A, g: A) {
        let t = self.net.config.timers;
        let null = register.flags.contains(RegisterFlags::NULL);
        // The limit that holds is the router's: the Register came by unicast.
        let interface = self.net.rpf_interface(s).unwrap_or(IfIndex(0));
        if self.source_entry(now, g, s, interface).is_none() {
            return;
        }
        // What a member of the Anycast-RP set passes on is its own source.
        let of_member = self.net.config.anycast_rp.iter().any(|(_, members)| members.contains(&from));
        if let Some(source) = self.source_mut(g, s) {
            source.registered |= !of_member;
        }
        let Some(view) = self.source_view(g, s) else { return };
        let (spt, desired) = (view.spt_bit(), self.net.config.spt_threshold != SptThreshold::Infinity);
        let stop = spt || desired && view.inherited_olist_sg().is_empty();
        if stop {
            self.send_register_stop(to, from, g, s);
        }
        if spt || desired {
            // RP_Keepalive_Period.
            let at_rp = t.register_suppression.saturating_mul(3).saturating_add(t.register_probe);
            self.set_keepalive(now, g, s, if stop { at_rp } else { t.keepalive });
        }
        if !spt && !null {
            let interfaces = self.source_view(g, s).map(|v| v.inherited_olist_sg_rpt()).unwrap_or_default();
            if !interfaces.is_empty() {
                let packet = register.packet.to_vec();
                self.outputs.push_back(Output::Forward { interfaces: interfaces.to_vec(), packet });
            }
        }
        self.evaluate(now, g, Some(s));
        self.collect(g);
    }

    /// A Register-Stop, of the RP; of every source if the source is zero.
    pub(super) fn receive_register_stop(&mut self, now: Instant, from: A, stop: &RegisterStop) {
        let (Some(g), Some(s)) = (A::from_ip(stop.group.addr()), A::from_ip(stop.source)) else { return };
        let Some(group) = self.groups.get(&g).filter(|_| stop.group.is_host()) else { return };
        let fault = Fault { interface: None, from, message_type: Some(MessageType::REGISTER_STOP), malformed: None };
        let sources: Vec<A> = group
            .sources
            .iter()
            .filter(|(x, state)| (s == A::UNSPECIFIED || **x == s) && state.register_rp == Some(from))
            .map(|(x, _)| *x)
            .collect();
        if sources.is_empty() {
            return self.reject(now, PimReject::NotRp, fault);
        }
        for s in sources {
            self.fire_register(now, g, s, RegisterEvent::RegisterStop);
            self.evaluate(now, g, Some(s));
        }
    }
}
