//! The SA cache: what is taken, from whom, and who is told (RFC 3618 §4, §10).

use alloc::vec::Vec;
use core::net::Ipv4Addr;
use core::time::Duration;

use fwd_core::time::Instant;

use super::config::MsdpTimers;
use super::speaker::{MsdpEvent, MsdpSpeaker, Output, Timer};
use super::tlv::SaEntry;
use crate::address::Address;
use crate::gmp::FilterLine;

/// What names an entry: RFC 3618 §5.3 counts (S,G); with the RP, what two RPs say of one source is kept apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key {
    pub(super) rp: Ipv4Addr,
    pub(super) entry: SaEntry,
}

/// An entry of the cache.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cached {
    /// The peer that it came from.
    pub(super) from: Ipv4Addr,
    /// When it came first.
    pub(super) since: Instant,
    /// When it was passed on last.
    pub(super) passed_on: Instant,
}

/// Source-Actives that wait until the RPF peer of their RP is known.
const WAITING: usize = 256;

/// Whether an access list permits a source.
fn permits(lines: &[FilterLine<Ipv4Addr>], entry: SaEntry) -> bool {
    let matches = |line: &&FilterLine<Ipv4Addr>| {
        entry.group.is_in(&line.groups) && line.sources.is_none_or(|sources| entry.source.is_in(&sources))
    };
    lines.iter().find(matches).is_none_or(|line| line.permit)
}

/// RFC 4611 §3.2.1: groups of the link and of the SSM range are never announced.
pub(super) fn may_announce(group: Ipv4Addr) -> bool {
    group.is_multicast() && !group.is_link_scope_group() && !group.is_ssm_group()
}

impl MsdpSpeaker {
    /// A Source-Active of a peer.
    pub(super) fn source_active(&mut self, from: Ipv4Addr, rp: Ipv4Addr, entries: Vec<SaEntry>, data: Vec<u8>) {
        // Our own, on its way around.
        if rp == self.config.originator || !rp.is_host() {
            return;
        }
        match self.is_rpf_peer(from, rp) {
            Some(true) => {}
            Some(false) => {
                if let Some(peer) = self.peers.get_mut(&from) {
                    peer.counts.rpf_failures = peer.counts.rpf_failures.saturating_add(1);
                }
                return self.push_event(MsdpEvent::RpfFailed { peer: from, rp });
            }
            None if self.waiting.len() < WAITING => {
                if !self.track(rp) {
                    return self.push_event(MsdpEvent::Limit { peer: from });
                }
                return self.waiting.push_back((from, rp, entries, data));
            }
            None => return,
        }
        let last = entries.len().saturating_sub(1);
        for (at, entry) in entries.into_iter().enumerate() {
            let data = if at == last { data.clone() } else { Vec::new() };
            self.learn(from, Key { rp, entry }, data);
        }
    }

    /// Asks for the RPF peer of an RP. The table is bounded: when it is full, RPs of which nothing is cached go.
    fn track(&mut self, rp: Ipv4Addr) -> bool {
        if self.rpf.contains_key(&rp) {
            return true;
        }
        if self.rpf.len() >= self.config.limits.rps {
            let Self { rpf, cache, outputs, .. } = self;
            rpf.retain(|&known, _| {
                let first = Key { rp: known, entry: SaEntry::FIRST };
                let used = cache.range(first..).next().is_some_and(|(key, _)| key.rp == known);
                if !used {
                    outputs.push_back(Output::Untrack(known));
                }
                used
            });
        }
        let room = self.rpf.len() < self.config.limits.rps;
        if room {
            self.rpf.insert(rp, None);
            self.outputs.push_back(Output::Track(rp));
        }
        room
    }

    /// Whether a peer is the RPF peer of an RP (RFC 3618 §10.1.3); `None` where the route to the RP must be asked for first.
    fn is_rpf_peer(&self, from: Ipv4Addr, rp: Ipv4Addr) -> Option<bool> {
        let peer = self.peers.get(&from)?;
        // §10.2 (i): from a member of a mesh group it is accepted.
        if peer.config.mesh_group.is_some() {
            return Some(true);
        }
        // (i)
        if self.is_established(rp) {
            return Some(from == rp);
        }
        // (ii) to (iv) are the embedder's, who knows the routes.
        match self.rpf.get(&rp) {
            Some(Some(Some(neighbor))) if self.is_established(*neighbor) => Some(from == *neighbor),
            // (v)
            Some(Some(_)) => Some(peer.config.static_rpf),
            _ => None,
        }
    }

    fn learn(&mut self, from: Ipv4Addr, key: Key, data: Vec<u8>) {
        let SaEntry { group, source } = key.entry;
        let limits = self.config.limits;
        let Some(peer) = self.peers.get_mut(&from) else { return };
        if !may_announce(group) || !source.is_host() {
            return;
        }
        if !permits(&peer.config.import, key.entry) {
            return;
        }
        let known = self.cache.get(&key).copied();
        if known.is_none() && (peer.entries >= limits.per_peer || self.cache.len() >= limits.cache) {
            return self.push_event(MsdpEvent::Limit { peer: from });
        }
        if known.is_none() {
            peer.entries = peer.entries.saturating_add(1);
        }
        self.timers.set(Timer::SaState(key), self.now + self.config.timers.sa_state);
        // RFC 3618 §4: no more than twice in an SA-Advertisement-Period.
        let half = MsdpTimers::SA_ADVERTISEMENT.checked_div(2).unwrap_or(Duration::ZERO);
        let pass_on = known.is_none_or(|known| self.now >= known.passed_on + half);
        let passed_on = if pass_on { self.now } else { known.map_or(self.now, |known| known.passed_on) };
        let since = known.map_or(self.now, |known| known.since);
        self.cache.insert(key, Cached { from: known.map_or(from, |known| known.from), since, passed_on });
        if pass_on {
            self.pass_on(from, key, &data);
        }
        if known.is_none() || !data.is_empty() {
            self.outputs.push_back(Output::SourceActive { source, group, rp: key.rp, active: true, data });
        }
    }

    /// To all peers but the one it came from and the other members of its mesh group (RFC 3618 §10.2).
    fn pass_on(&mut self, from: Ipv4Addr, key: Key, data: &[u8]) {
        let mesh = self.peers.get(&from).and_then(|p| p.config.mesh_group);
        let to: Vec<Ipv4Addr> = self
            .peers
            .iter()
            .filter(|(address, p)| **address != from && (mesh.is_none() || p.config.mesh_group != mesh))
            .map(|(address, _)| *address)
            .collect();
        for peer in to {
            self.tell(peer, key, data);
        }
    }

    /// Queues an entry for a peer.
    pub(super) fn tell(&mut self, to: Ipv4Addr, key: Key, data: &[u8]) {
        let Some(peer) = self.peers.get_mut(&to) else { return };
        if !peer.is_up() || to == key.rp || !permits(&peer.config.export, key.entry) {
            return;
        }
        if !data.is_empty() && peer.data.len() < super::speaker::DATA {
            peer.data.push_back((key, data.to_vec()));
        } else {
            peer.pending.insert(key);
        }
        self.dirty.insert(to);
    }

    /// SA-State timer expires.
    pub(super) fn forget(&mut self, key: Key) {
        let Some(cached) = self.cache.remove(&key) else { return };
        self.timers.clear(Timer::SaState(key));
        if let Some(peer) = self.peers.get_mut(&cached.from) {
            peer.entries = peer.entries.saturating_sub(1);
        }
        let SaEntry { group, source } = key.entry;
        self.outputs.push_back(Output::SourceActive { source, group, rp: key.rp, active: false, data: Vec::new() });
    }
}
