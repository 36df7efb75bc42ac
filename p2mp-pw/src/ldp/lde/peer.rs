//! Peers that come and go: addresses, all labels at once, End-of-LIB, graceful restart (RFC 3478).

use alloc::vec;
use alloc::vec::Vec;
use core::net::IpAddr;
use core::time::Duration;

use fwd_core::net::{IfIndex, IpPrefix, Label, NhlfeId};
use fwd_core::time::Instant;

use super::super::fec::{FecElement, FecType, TypedWildcard, WildcardScope};
use super::super::message::{Address, MessageBody, Notification};
use super::super::session::Negotiated;
use super::super::{AddressFamily, LdpId};
use super::fec::{Entry, FecId};
use super::io::{Event, Output};
use super::machine::{Lde, Peer, Timer};

/// Addresses in one message, well within the smallest PDU.
const ADDRESSES_PER_MESSAGE: usize = 14;

impl Lde {
    pub(super) fn peer_up(&mut self, now: Instant, peer: LdpId, negotiated: &Negotiated) {
        let mut state = Peer::new(negotiated);
        if let Some(before) = self.peers.remove(&peer) {
            if before.up {
                self.peers.insert(peer, before);
                self.peer_down(now, peer, None);
            } else {
                state.received = before.received;
            }
        }
        let has_stale = !state.received.is_empty();
        self.peers.insert(peer, state);
        if has_stale {
            // RFC 3478 §3.3: the peer says whether it kept its forwarding state, and for how long.
            let recovery = negotiated.graceful_restart.map_or(Duration::ZERO, |ft| ft.recovery_time());
            if recovery.is_zero() {
                self.drop_stale(now, peer);
            } else {
                self.timers.set(Timer::Stale(peer), now + recovery.min(self.config.max_recovery));
            }
        }
        self.timers.set(Timer::Synchronized(peer), now + self.config.end_of_lib_wait);
        // Addresses before labels: a label without its address has no next hop (RFC 5036 §3.5.5.1).
        let addresses: Vec<IpAddr> = self.local_addresses.iter().copied().collect();
        self.send_addresses(peer, &addresses, true);
        let fecs: Vec<FecId> = self.fecs.ids().collect();
        for fec in fecs {
            self.advertise(now, peer, fec);
            // A peer that kept its addresses over a restart is a next hop already.
            if self.next_hops(fec).contains(&peer) {
                self.request_downstream(fec, None);
            }
        }
        self.send_end_of_lib(peer);
    }

    /// RFC 5919 §4: after the last label of the table.
    fn send_end_of_lib(&mut self, peer: LdpId) {
        if !self.peers.get(&peer).is_some_and(|p| p.end_of_lib && p.typed_wildcard) {
            return;
        }
        for family in [AddressFamily::IPV4, AddressFamily::IPV6] {
            let wildcard = TypedWildcard { fec_type: FecType::PREFIX, scope: WildcardScope::Family(family) };
            let notification = Notification::end_of_lib(FecElement::TypedWildcard(wildcard));
            self.send(peer, MessageBody::Notification(notification));
        }
    }

    pub(super) fn peer_down(&mut self, now: Instant, peer: LdpId, retain: Option<Duration>) {
        let Some(state) = self.peers.get_mut(&peer) else { return };
        state.up = false;
        state.queue.clear();
        let sent = core::mem::take(&mut state.sent);
        let withdrawn = core::mem::take(&mut state.withdrawn);
        let requested = core::mem::take(&mut state.requested);
        let pending = core::mem::take(&mut state.pending);
        let wanted = core::mem::take(&mut state.wanted);
        let unserved = core::mem::take(&mut state.unserved);
        state.request_ids.clear();
        self.timers.clear(Timer::Synchronized(peer));
        self.timers.retain(|timer| !matches!(timer, Timer::Deferred(of, _) if of == peer));
        for (fec, sent) in &sent {
            let held = if sent.released { 0 } else { 1 };
            let Some(state) = self.fecs.get_mut(*fec) else { continue };
            state.holders = state.holders.saturating_sub(held);
            // Our label stays bound as long as there is a route: the peer, or another, gets the same when it comes.
            if state.route == super::fec::Known::Nowhere {
                self.unbind_if_unheld(*fec);
            }
        }
        for (_, label) in &withdrawn {
            self.retired(*label);
        }
        if let Some(time) = retain {
            if let Some(state) = self.peers.get_mut(&peer) {
                state.received.values_mut().for_each(|received| received.stale = true);
            }
            self.timers.set(Timer::Stale(peer), now + time);
        } else {
            self.drop_stale(now, peer);
        }
        let fecs = sent.keys().copied().chain(withdrawn.iter().map(|(fec, _)| *fec));
        let others = requested.keys().copied().chain(pending.keys().copied()).chain(wanted).chain(unserved);
        for fec in fecs.chain(others) {
            self.forget_if_unknown(fec);
        }
        self.resources_available(now);
    }

    /// Drops labels of a peer that it did not say again: all, if its session did not come back.
    pub(super) fn drop_stale(&mut self, now: Instant, peer: LdpId) {
        self.timers.clear(Timer::Stale(peer));
        let Some(state) = self.peers.get_mut(&peer) else { return };
        let up = state.up;
        let stale: Vec<FecId> = state.received.iter().filter(|(_, r)| r.stale || !up).map(|(fec, _)| *fec).collect();
        if !stale.is_empty() && stale.iter().any(|fec| state.received.get(fec).is_some_and(|r| r.stale)) {
            let event = Event::StaleDropped { peer, labels: stale.len() };
            self.outputs.push_back(Output::Event(event));
        }
        for fec in &stale {
            if let Some(state) = self.peers.get_mut(&peer) {
                state.received.remove(fec);
            }
            self.mark_dirty(*fec);
            self.lost_label(now, peer, *fec);
        }
        if !up {
            self.book.forget_peer(peer);
            self.peers.remove(&peer);
        }
        for fec in stale {
            self.forget_if_unknown(fec);
        }
    }

    /// An address of ours.
    pub(super) fn local_address(&mut self, address: IpAddr, up: bool) {
        let changed = if up { self.local_addresses.insert(address) } else { self.local_addresses.remove(&address) };
        // Link-local addresses are not advertised (RFC 7552 §7).
        if changed && !matches!(address, IpAddr::V6(a) if a.is_unicast_link_local()) {
            for peer in self.up_peers() {
                self.send_addresses(peer, &[address], up);
            }
        }
    }

    fn send_addresses(&mut self, peer: LdpId, addresses: &[IpAddr], up: bool) {
        for family in [AddressFamily::IPV4, AddressFamily::IPV6] {
            let local = |a: &IpAddr| matches!(a, IpAddr::V6(a) if a.is_unicast_link_local());
            let of_family = addresses.iter().copied().filter(|a| AddressFamily::of(*a) == family && !local(a));
            let of_family: Vec<IpAddr> = of_family.collect();
            for some in of_family.chunks(ADDRESSES_PER_MESSAGE) {
                let Some(message) = Address::new(family, some.to_vec()) else { continue };
                let body = if up { MessageBody::Address(message) } else { MessageBody::AddressWithdraw(message) };
                self.send(peer, body);
            }
        }
    }

    /// The source of a neighbour's Hellos.
    pub(super) fn adjacent(&mut self, now: Instant, peer: LdpId, source: IpAddr, iface: IfIndex, up: bool) {
        if self.peers.contains_key(&peer) {
            self.learn(now, peer, source, Some(iface), up);
        }
    }

    /// A peer has an address, or has it no more: next hops by it change.
    pub(super) fn learn(&mut self, now: Instant, peer: LdpId, address: IpAddr, iface: Option<IfIndex>, up: bool) {
        let at = iface.unwrap_or(IfIndex(0));
        let local = matches!(address, IpAddr::V6(a) if a.is_unicast_link_local());
        let through = self.through(address, iface.filter(|_| local));
        let changed = if up {
            let taken = self.book.learn(peer, address, at, self.config.max_addresses);
            if !taken {
                self.peer_event(now, peer, Event::TooManyAddresses { peer });
            }
            taken
        } else {
            self.book.forget(peer, address, at)
        };
        if !changed {
            return;
        }
        for (fec, before) in through {
            if self.next_hops(fec) != before {
                self.rerouted(now, fec, &before);
            }
        }
    }

    /// Takes back a label, and the entry behind it, that outlived a restart of this machine (RFC 3478 §3.2): both stay as they
    /// are until a peer says where the prefix leads, or the recovery time is over. Call it before any peer comes. Whether the
    /// numbers are of our blocks and free.
    pub fn restore(&mut self, now: Instant, prefix: IpPrefix, label: Label, nhlfe: NhlfeId) -> bool {
        let fec = self.fecs.ensure(prefix);
        if self.fecs.get(fec).is_none_or(|state| state.local.is_some()) || !self.labels.reserve(label.value()) {
            self.forget_if_unknown(fec);
            return false;
        }
        if !self.nhlfes.reserve(nhlfe.0) {
            self.labels.release(label.value());
            self.forget_if_unknown(fec);
            return false;
        }
        if let Some(state) = self.fecs.get_mut(fec) {
            state.local = Some(label);
            state.preserved = true;
            state.ilm = Some((label, nhlfe));
            // What it says is not known; it is written anew when it is.
            let entry = Entry { id: nhlfe, label: Label::ROUTER_ALERT, next: fwd_core::op::NextHop::Discard };
            state.entries.push(entry);
        }
        self.label_owner.insert(label, fec);
        self.nhlfe_owner.insert(nhlfe, fec);
        self.timers.set(Timer::Recovery, now + self.config.recovery);
        true
    }

    /// The time for restored labels is over: those without a use go.
    pub(super) fn recovery_over(&mut self, now: Instant) {
        let fecs: Vec<FecId> = self.fecs.ids().collect();
        for fec in fecs {
            let Some(state) = self.fecs.get_mut(fec).filter(|state| state.preserved) else { continue };
            state.preserved = false;
            self.mark_dirty(fec);
            self.unbind_if_unheld(fec);
        }
        self.resources_available(now);
    }

    /// A FEC TLV's typed wildcard for prefixes of a family: the FECs that it means.
    pub(super) fn of_family(&self, family: AddressFamily) -> Vec<FecId> {
        let is_v6 = family == AddressFamily::IPV6;
        let known = |fec: &FecId| self.fecs.get(*fec).is_some_and(|s| matches!(s.prefix, IpPrefix::V6(_)) == is_v6);
        if family != AddressFamily::IPV4 && !is_v6 {
            return vec![];
        }
        self.fecs.ids().filter(known).collect()
    }
}
