//! The actions of the state machines, and timers (RFC 5059 §3.1.5, §3.3, §5).

use alloc::vec::Vec;
use core::time::Duration;

use fwd_core::net::IfIndex;
use fwd_core::time::Instant;

use super::fsm::{BsrAction, BsrEvent, BsrState, transition};
use super::message::fragments;
use super::receive::{mode_of, range_of};
use super::zone::{Mapping, Partial, Zone, ZoneAddress};
use super::{BsrReject, BsrRouter, BsrRouterEvent, Output, Timer};
use crate::pim::rp_set::CandidateRp;
use crate::pim::wire::{Bootstrap, BootstrapGroup};

/// A received message that passed the checks: the weight of its BSR, itself, and whether it may be forwarded.
pub(super) type Received<A> = ((u8, A), Bootstrap, bool);

impl<A: ZoneAddress> BsrRouter<A> {
    /// Handles every timer that is due. The work is that of the timers that expire.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        while let Some(timer) = self.timers.expired(now) {
            match timer {
                Timer::Bootstrap(zone) => self.run(zone, BsrEvent::BootstrapTimer, None),
                Timer::ScopeZone(zone) => self.run(zone, BsrEvent::ScopeZoneTimer, None),
                Timer::Mapping(zone, range, rp) => self.mapping_gone(zone, range, rp),
                Timer::Candidate(zone, range, rp) => self.candidate_gone(zone, range, rp),
                Timer::Advertisement => self.advertisement_due(),
                Timer::Prime(interface) => self.prime(interface),
            }
        }
        self.settle_tracking();
    }

    /// An event of a zone, and what follows.
    pub(super) fn run(&mut self, zone: Zone<A>, event: BsrEvent, received: Option<Received<A>>) {
        let before = self.bsr(zone);
        let Some(state) = self.zones.get_mut(&zone) else { return };
        let Ok((next, actions)) = transition(state.state, event) else { return };
        if next == BsrState::Candidate || next == BsrState::AcceptPreferred {
            if let (Some((weight, ..)), true) = (&received, actions.contains(&BsrAction::StoreRpSet)) {
                state.bsr = Some(*weight);
            }
        } else if next == BsrState::Elected {
            state.bsr = None;
        }
        if state.state == BsrState::Elected && next != BsrState::Elected {
            self.forget_candidates(zone);
        }
        if let Some(state) = self.zones.get_mut(&zone) {
            state.state = next;
        }
        for action in actions {
            self.act(zone, *action, received.as_ref());
        }
        let after = self.bsr(zone);
        if before != after {
            self.outputs.push_back(Output::Event(BsrRouterEvent::Elected { zone, bsr: after }));
            if after.is_some() {
                self.advertise_soon();
            }
        }
    }

    fn act(&mut self, zone: Zone<A>, action: BsrAction, received: Option<&Received<A>>) {
        let timers = self.config.timers;
        match action {
            BsrAction::ForwardBsm => {
                if let Some((_, message, true)) = received {
                    self.send_everywhere(zone, message);
                }
            }
            BsrAction::StoreRpSet => {
                if let Some((_, message, _)) = received {
                    self.keep(zone, message);
                    self.store(zone, message);
                }
            }
            BsrAction::OriginateBsm => self.originate(zone, None),
            BsrAction::RefreshRpSet => {
                let last = self.zones.get_mut(&zone).map(|z| z.last.clone()).unwrap_or_default();
                for message in &last {
                    self.store(zone, message);
                }
            }
            BsrAction::RemoveBsrState => {
                if let Some(state) = self.zones.get_mut(&zone) {
                    state.bsr = None;
                    state.last.clear();
                }
            }
            BsrAction::RemoveScopeZone => self.remove_zone(zone),
            BsrAction::SetTimeout => self.timers.set(Timer::Bootstrap(zone), self.now + timers.timeout),
            BsrAction::SetRandOverride => self.set_rand_override(zone),
            BsrAction::SetPeriod => self.timers.set(Timer::Bootstrap(zone), self.now + timers.period),
            BsrAction::SetScopeZoneTimer => {
                if self.zones.get(&zone).is_some_and(|z| !z.configured) {
                    self.timers.set(Timer::ScopeZone(zone), self.now + timers.zone_timeout);
                }
            }
        }
    }

    fn remove_zone(&mut self, zone: Zone<A>) {
        let Some(state) = self.zones.remove(&zone) else { return };
        for (range, mapping) in &state.mappings {
            for rp in &mapping.rps {
                self.timers.clear(Timer::Mapping(zone, *range, rp.address));
            }
            self.changed.insert(*range);
        }
        self.timers.clear(Timer::Bootstrap(zone));
    }

    /// BS_Rand_Override (RFC 5059 §5): 5 to 23 s, the less the higher our weight. Logarithms are linear between powers of two.
    pub(super) fn set_rand_override(&mut self, zone: Zone<A>) {
        let Some(state) = self.zones.get(&zone) else { return };
        let Some((my_priority, my_address)) = state.own_weight() else { return };
        let (best_priority, best_address) = match state.bsr {
            Some((priority, address)) => (priority.max(my_priority), address.max(my_address)),
            None => (my_priority, my_address),
        };
        let number = |address: A| {
            let mut octets = Vec::with_capacity(A::LEN);
            address.emit(&mut octets);
            octets.iter().fold(0_u128, |n, o| (n << 8) | u128::from(*o))
        };
        let priority_ms = log2_ms(1 + u128::from(best_priority - my_priority)).saturating_mul(2);
        let address_ms = if best_priority == my_priority {
            let distance = number(best_address).saturating_sub(number(my_address)).saturating_add(1);
            log2_ms(distance) / if A::BITS == 32 { 16 } else { 64 }
        } else {
            // 2 - my_address / 2^31 (or 2^127), in milliseconds: the address's first 16 bits are precise enough.
            let high = u64::try_from(number(my_address) >> (A::BITS - 16)).unwrap_or(0);
            2000_u64.saturating_sub(high.saturating_mul(2000) >> 16)
        };
        let delay = Duration::from_millis(5000_u64.saturating_add(priority_ms).saturating_add(address_ms));
        self.timers.set(Timer::Bootstrap(zone), self.now + delay);
    }

    /// Keeps the message for new neighbours and for the time when the BSR is lost: all fragments of the last one.
    fn keep(&mut self, zone: Zone<A>, message: &Bootstrap) {
        let limit = self.config.limits.ranges;
        let Some(state) = self.zones.get_mut(&zone) else { return };
        let same = |m: &Bootstrap| m.fragment_tag == message.fragment_tag && m.bsr == message.bsr;
        if !state.last.iter().all(same) {
            state.last.clear();
        }
        let held: usize = state.last.iter().map(|m| m.groups.len().max(1)).sum();
        if !state.last.contains(message) && held.saturating_add(message.groups.len()) <= limit {
            state.last.push(message.clone());
        }
    }

    /// Store RP-Set.
    fn store(&mut self, zone: Zone<A>, message: &Bootstrap) {
        let Some(state) = self.zones.get_mut(&zone) else { return };
        let hash_mask_len = message.hash_mask_len.min(A::BITS);
        if state.hash_mask_len != hash_mask_len {
            state.hash_mask_len = hash_mask_len;
            self.changed.extend(state.mappings.keys().copied());
        }
        // An empty scoped message names its zone and nothing else.
        let empty = matches!((zone, &message.groups[..]), (Zone::Scoped(_), [only]) if only.rp_count == 0);
        if empty {
            return;
        }
        for group in &message.groups {
            self.store_range(zone, message.fragment_tag, group);
        }
    }

    fn store_range(&mut self, zone: Zone<A>, tag: u16, group: &BootstrapGroup) {
        let Some(range) = range_of::<A>(&group.group) else { return };
        let limits = self.config.limits;
        let Some(state) = self.zones.get_mut(&zone) else { return };
        if group.rp_count == 0 {
            state.partial.remove(&range);
            return self.install(zone, range, Mapping { mode: mode_of(&group.group), rps: Vec::new() }, &[]);
        }
        let known = state.mappings.contains_key(&range) || state.partial.contains_key(&range);
        if !known && state.mappings.len().saturating_add(state.partial.len()) >= limits.ranges {
            return self.reject(BsrReject::Limit, A::UNSPECIFIED);
        }
        let partial = state.partial.entry(range).or_insert(Partial { tag, rps: Vec::new() });
        if partial.tag != tag {
            *partial = Partial { tag, rps: Vec::new() };
        }
        let mut seen = 0_usize;
        for rp in &group.rps {
            let Some(address) = A::from_ip(rp.address).filter(A::is_host) else { continue };
            seen = seen.saturating_add(1);
            partial.rps.retain(|(known, _)| known.address != address);
            if partial.rps.len() < usize::from(group.rp_count) {
                partial.rps.push((CandidateRp { address, priority: rp.priority }, rp.holdtime));
            }
        }
        // RFC 5059 §4.1.1: only when all RPs of the range are there is the mapping in use replaced.
        if seen < group.rps.len() || partial.rps.len() < usize::from(group.rp_count) {
            return;
        }
        let mut rps = state.partial.remove(&range).map(|p| p.rps).unwrap_or_default();
        if rps.len() > limits.rps {
            rps.truncate(limits.rps);
            self.reject(BsrReject::Limit, A::UNSPECIFIED);
        }
        rps.retain(|(_, holdtime)| *holdtime != 0);
        rps.sort_unstable();
        let mapping = Mapping { mode: mode_of(&group.group), rps: rps.iter().map(|(rp, _)| *rp).collect() };
        self.install(zone, range, mapping, &rps);
    }

    fn install(&mut self, zone: Zone<A>, range: A::Prefix, mapping: Mapping<A>, rps: &[(CandidateRp<A>, u16)]) {
        let Some(state) = self.zones.get_mut(&zone) else { return };
        let old = state.mappings.remove(&range);
        for rp in old.iter().flat_map(|m| &m.rps) {
            self.timers.clear(Timer::Mapping(zone, range, rp.address));
        }
        for (rp, holdtime) in rps {
            let at = self.now + Duration::from_secs(u64::from(*holdtime));
            self.timers.set(Timer::Mapping(zone, range, rp.address), at);
        }
        let same = match &old {
            Some(old) => old.rps == mapping.rps && old.mode == mapping.mode,
            None => mapping.rps.is_empty(),
        };
        if !mapping.rps.is_empty() {
            state.mappings.insert(range, mapping);
        }
        if !same {
            self.changed.insert(range);
        }
    }

    /// GET expires.
    fn mapping_gone(&mut self, zone: Zone<A>, range: A::Prefix, rp: A) {
        let Some(state) = self.zones.get_mut(&zone) else { return };
        let Some(mapping) = state.mappings.get_mut(&range) else { return };
        mapping.rps.retain(|known| known.address != rp);
        if mapping.rps.is_empty() {
            state.mappings.remove(&range);
        }
        self.changed.insert(range);
    }

    /// CGET expires, or the candidate withdrew.
    pub(super) fn candidate_gone(&mut self, zone: Zone<A>, range: A::Prefix, rp: A) {
        let until = self.now + self.config.timers.timeout;
        let Some(state) = self.zones.get_mut(&zone) else { return };
        let Some(candidates) = state.candidates.get_mut(&range) else { return };
        if candidates.remove(&rp).is_none() {
            return;
        }
        if candidates.is_empty() {
            state.candidates.remove(&range);
            state.withdrawn.insert(range, until);
        }
        self.originate_soon(zone);
    }

    /// A BSR that is not elected any more keeps no C-RP-Set.
    fn forget_candidates(&mut self, zone: Zone<A>) {
        let Some(state) = self.zones.get_mut(&zone) else { return };
        for (range, candidates) in core::mem::take(&mut state.candidates) {
            for rp in candidates.into_keys() {
                self.timers.clear(Timer::Candidate(zone, range, rp));
            }
        }
        state.withdrawn.clear();
        state.sent = None;
    }

    /// The RP-Set has changed: the next message goes BS_Min_Interval after the last one, or as it was due if that is sooner.
    pub(super) fn originate_soon(&mut self, zone: Zone<A>) {
        let Some(state) = self.zones.get(&zone).filter(|z| z.state == BsrState::Elected) else { return };
        let soon = state.sent.map_or(self.now, |sent| sent + self.config.timers.min_interval).max(self.now);
        if self.timers.get(Timer::Bootstrap(zone)).is_none_or(|due| due > soon) {
            self.timers.set(Timer::Bootstrap(zone), soon);
        }
    }

    /// Originate BSM; `priority` other than ours is that of a BSR that goes.
    fn originate(&mut self, zone: Zone<A>, priority: Option<u8>) {
        let least = self.config.timers.period.as_secs().saturating_mul(5).div_ceil(2);
        let least = u16::try_from(least).unwrap_or(u16::MAX);
        let headers = if A::BITS == 32 { 24 } else { 44 };
        let mtu = self.interfaces.values().map(|i| usize::from(i.config.mtu)).min().unwrap_or(1280);
        let Some(state) = self.zones.get_mut(&zone) else { return };
        let Some(candidate) = state.candidate else { return };
        state.withdrawn.retain(|_, until| *until > self.now);
        state.tag = state.tag.wrapping_add(1);
        state.sent = Some(self.now);
        let priority = priority.unwrap_or(candidate.priority);
        let messages = fragments(zone, state, priority, least, mtu.saturating_sub(headers));
        state.last.clear();
        for message in &messages {
            self.send_everywhere(zone, message);
            self.keep(zone, message);
            self.store(zone, message);
        }
    }

    /// An elected BSR that stops says so with the lowest priority (RFC 5059 §3.3).
    pub(super) fn abdicate(&mut self, zone: Zone<A>) {
        if self.zones.get(&zone).is_some_and(|z| z.state == BsrState::Elected) {
            self.originate(zone, Some(0));
            self.forget_candidates(zone);
        }
        self.timers.clear(Timer::Bootstrap(zone));
    }

    /// A new neighbour is told what this router knows (RFC 5059 §3.5.1).
    fn prime(&mut self, interface: IfIndex) {
        let messages: Vec<(Zone<A>, Bootstrap)> = self
            .zones
            .iter()
            .flat_map(|(zone, state)| state.last.iter().map(|m| (*zone, Bootstrap { no_forward: true, ..m.clone() })))
            .collect();
        for (zone, message) in messages {
            self.send_zone(zone, interface, &message);
        }
    }
}

/// The binary logarithm in milliseconds of as many seconds, linear between powers of two.
fn log2_ms(value: u128) -> u64 {
    let whole = value.max(1).ilog2();
    let rest = value.max(1) - (1 << whole);
    // At most 10 bits of the fraction count.
    let fraction = if whole > 10 { ((rest >> (whole - 10)) * 1000) >> 10 } else { (rest * 1000) >> whole };
    u64::from(whole) * 1000 + u64::try_from(fraction).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logarithms() {
        assert_eq!((log2_ms(1), log2_ms(2), log2_ms(256)), (0, 1000, 8000));
        assert_eq!(log2_ms(3), 1500);
        assert_eq!(log2_ms(u128::MAX) / 1000, 127);
    }
}
