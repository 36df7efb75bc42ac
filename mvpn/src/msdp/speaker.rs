//! The machine: peers, timers, outputs.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::net::Ipv4Addr;
use core::time::Duration;

use fwd_core::time::Instant;
use fwd_core::timers::Timers;

use super::cache::{Cached, Key, may_announce};
use super::config::{MsdpConfig, MsdpConfigError, MsdpPeerConfig, MsdpTimers};
use super::fsm::{PeerAction, PeerEvent, PeerState, transition};
use super::tlv::{MAX_LEN, SaEntry, Tlv, emit_source_active, frame_len};
use crate::address::Address;

/// Packets with data that wait for a peer.
pub(super) const DATA: usize = 16;
/// Entries of one Source-Active: what fits into an Ethernet packet.
const BATCH: usize = 118;

/// What comes in.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// The connection to or from a peer is up.
    Connected {
        /// The peer.
        peer: Ipv4Addr,
    },
    /// The connection, or the attempt to connect, has ended.
    Closed {
        /// The peer.
        peer: Ipv4Addr,
    },
    /// Octets of a peer.
    Stream {
        /// The peer.
        peer: Ipv4Addr,
        /// The octets: any part of the stream.
        octets: &'a [u8],
    },
    /// Whether the connection takes octets. It does when it comes up.
    Writable {
        /// The peer.
        peer: Ipv4Addr,
        /// Whether it takes any.
        writable: bool,
    },
    /// An answer to [`Output::Track`], and every change of it after: the peer that rules (ii) to (iv) of RFC 3618 §10.1.3 name.
    Rpf {
        /// The RP.
        rp: Ipv4Addr,
        /// The address that the rules give, whether or not it is a peer.
        neighbor: Option<Ipv4Addr>,
    },
    /// A source in the domain of this RP sends, or has ceased to.
    Source {
        /// The source.
        source: Ipv4Addr,
        /// The group.
        group: Ipv4Addr,
        /// Whether it sends.
        active: bool,
        /// A packet of it, or nothing.
        data: &'a [u8],
    },
    /// Another PE of the VPN says by a Source Active A-D route that a source sends, or has ceased to: as a Source-Active from within the mesh
    /// group of the PEs (RFC 9081 §3). It is passed on to the peers, and lasts until it is said to have ceased; PIM and the other PEs know it.
    Mesh {
        /// The source.
        source: Ipv4Addr,
        /// The group.
        group: Ipv4Addr,
        /// The RP that knows it; `None`: the route does not say, and it is this one.
        rp: Option<Ipv4Addr>,
        /// Whether it sends.
        active: bool,
    },
}

/// What goes out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Output {
    /// Connect to port 639 of the peer.
    Connect {
        /// The peer.
        peer: Ipv4Addr,
        /// Our address.
        local: Ipv4Addr,
    },
    /// Take a connection of the peer at port 639.
    Listen {
        /// The peer.
        peer: Ipv4Addr,
        /// Our address.
        local: Ipv4Addr,
    },
    /// Close the connection, end the attempt, listen no more.
    Close {
        /// The peer.
        peer: Ipv4Addr,
    },
    /// Octets for a peer.
    Stream {
        /// The peer.
        peer: Ipv4Addr,
        /// Whole messages.
        octets: Vec<u8>,
    },
    /// The RPF peer of this RP is needed: answer with [`Input::Rpf`] now and at every change.
    Track(Ipv4Addr),
    /// The RPF peer of this RP is needed no more.
    Untrack(Ipv4Addr),
    /// A source elsewhere sends, or has ceased to. PIM joins it, if it has members (RFC 3618 §3).
    SourceActive {
        /// The source.
        source: Ipv4Addr,
        /// The group.
        group: Ipv4Addr,
        /// Its RP.
        rp: Ipv4Addr,
        /// Whether it sends.
        active: bool,
        /// A packet of it, or nothing.
        data: Vec<u8>,
    },
    /// Something happened.
    Event(MsdpEvent),
}

/// Something an operator may want to know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum MsdpEvent {
    /// A session came up.
    Up {
        /// The peer.
        peer: Ipv4Addr,
    },
    /// A session ended.
    Down {
        /// The peer.
        peer: Ipv4Addr,
        /// Why.
        reason: PeerEvent,
    },
    /// A Source-Active did not come from the RPF peer of its RP. At most one event a second.
    RpfFailed {
        /// The peer.
        peer: Ipv4Addr,
        /// The RP.
        rp: Ipv4Addr,
    },
    /// The cache, the peer's share of it, or the table of RPs is full. At most one event a second.
    Limit {
        /// The peer.
        peer: Ipv4Addr,
    },
}

/// The derived order is that in which timers of one instant expire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    SaState(Key),
    Hold(Ipv4Addr),
    KeepAlive(Ipv4Addr),
    ConnectRetry(Ipv4Addr),
    /// After a session ended, before peering is enabled again.
    Enable(Ipv4Addr),
    SaAdvertisement,
}

#[derive(Clone, Debug)]
pub(super) struct Peer {
    pub(super) config: MsdpPeerConfig,
    pub(super) state: PeerState,
    writable: bool,
    /// The beginning of a message that is not whole yet.
    received: Vec<u8>,
    /// Entries that it is to be told.
    pub(super) pending: BTreeSet<Key>,
    pub(super) data: VecDeque<(Key, Vec<u8>)>,
    keepalive_due: bool,
    /// Entries of the cache that came from it.
    pub(super) entries: usize,
    pub(super) counts: PeerCounts,
}

/// What was counted of a peer.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct PeerCounts {
    /// When the session came up, or ended if that was later, or the peer was added.
    pub(super) changed: Instant,
    /// Sessions that ended.
    pub(super) resets: u64,
    /// Source-Actives that did not come from the RPF peer.
    pub(super) rpf_failures: u64,
    pub(super) received: TlvCounts,
    pub(super) sent: TlvCounts,
}

/// Messages by type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct TlvCounts {
    pub(super) keepalives: u64,
    pub(super) source_actives: u64,
    pub(super) requests: u64,
    pub(super) responses: u64,
    /// Those of other types, too.
    pub(super) total: u64,
}

impl TlvCounts {
    pub(super) fn count(&mut self, tlv: &Tlv<'_>) {
        let field = match tlv {
            Tlv::KeepAlive => Some(&mut self.keepalives),
            Tlv::SourceActive { .. } => Some(&mut self.source_actives),
            Tlv::Request(_) => Some(&mut self.requests),
            Tlv::Response { .. } => Some(&mut self.responses),
            Tlv::Unknown { .. } => None,
        };
        if let Some(field) = field {
            *field = field.saturating_add(1);
        }
        self.total = self.total.saturating_add(1);
    }
}

impl Peer {
    pub(super) fn is_up(&self) -> bool {
        self.state == PeerState::Established
    }
}

/// The MSDP speaker of a VRF.
#[derive(Clone, Debug)]
pub struct MsdpSpeaker {
    pub(super) config: MsdpConfig,
    pub(super) now: Instant,
    pub(super) peers: BTreeMap<Ipv4Addr, Peer>,
    pub(super) cache: BTreeMap<Key, Cached>,
    /// Sources of this domain, and those that other PEs of the VPN have.
    pub(super) own: BTreeSet<Key>,
    /// Where the next batch of them begins.
    cursor: Option<Key>,
    pub(super) rpf: BTreeMap<Ipv4Addr, Option<Option<Ipv4Addr>>>,
    pub(super) waiting: VecDeque<(Ipv4Addr, Ipv4Addr, Vec<SaEntry>, Vec<u8>)>,
    pub(super) timers: Timers<Timer>,
    pub(super) outputs: VecDeque<Output>,
    /// Peers with something to be sent.
    pub(super) dirty: BTreeSet<Ipv4Addr>,
    /// Before this no event that peers cause is told.
    quiet_until: Instant,
}

impl MsdpSpeaker {
    /// A speaker without peers.
    ///
    /// # Errors
    /// A value out of its range.
    pub fn new(now: Instant, config: MsdpConfig) -> Result<Self, MsdpConfigError> {
        config.check()?;
        let mut timers = Timers::new();
        timers.set(Timer::SaAdvertisement, now + MsdpTimers::SA_ADVERTISEMENT);
        Ok(Self {
            config,
            now,
            peers: BTreeMap::new(),
            cache: BTreeMap::new(),
            own: BTreeSet::new(),
            cursor: None,
            rpf: BTreeMap::new(),
            waiting: VecDeque::new(),
            timers,
            outputs: VecDeque::new(),
            dirty: BTreeSet::new(),
            quiet_until: Instant::ZERO,
        })
    }

    /// Adds a peer and enables peering with it.
    ///
    /// # Errors
    /// Addresses that cannot be, or a peer that is there.
    pub fn add_peer(&mut self, now: Instant, config: MsdpPeerConfig) -> Result<(), MsdpConfigError> {
        config.check()?;
        if self.peers.contains_key(&config.address) {
            return Err(MsdpConfigError::PeerExists);
        }
        self.now = now;
        let address = config.address;
        let peer = Peer {
            config,
            state: PeerState::Disabled,
            writable: false,
            received: Vec::new(),
            pending: BTreeSet::new(),
            data: VecDeque::new(),
            keepalive_due: false,
            entries: 0,
            counts: PeerCounts { changed: now, ..PeerCounts::default() },
        };
        self.peers.insert(address, peer);
        self.event(address, PeerEvent::Enable);
        Ok(())
    }

    /// Disables peering and forgets the peer. What it said stays until its timers expire.
    pub fn remove_peer(&mut self, now: Instant, address: Ipv4Addr) {
        self.now = now;
        self.event(address, PeerEvent::Disable);
        self.timers.clear(Timer::Enable(address));
        self.peers.remove(&address);
        self.dirty.remove(&address);
    }

    /// The state of a peer.
    #[must_use]
    pub fn state(&self, peer: Ipv4Addr) -> Option<PeerState> {
        self.peers.get(&peer).map(|p| p.state)
    }

    /// The sources in the cache: RP, group, source.
    pub fn cached(&self) -> impl Iterator<Item = (Ipv4Addr, Ipv4Addr, Ipv4Addr)> {
        self.cache.keys().map(|k| (k.rp, k.entry.group, k.entry.source))
    }

    pub(super) fn is_established(&self, peer: Ipv4Addr) -> bool {
        self.peers.get(&peer).is_some_and(Peer::is_up)
    }

    /// When [`Self::handle_timeout`] is due. Inputs, timeouts and the operator's methods change it.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        self.timers.next_timeout()
    }

    /// Takes an input. It never fails.
    pub fn handle_input(&mut self, now: Instant, input: Input<'_>) {
        self.now = now;
        match input {
            Input::Connected { peer } => {
                let Some(p) = self.peers.get(&peer) else { return };
                let active = p.config.local < p.config.address;
                self.event(peer, if active { PeerEvent::TcpActive } else { PeerEvent::TcpPassive });
            }
            Input::Closed { peer } => {
                // An attempt that failed waits for the ConnectRetry timer; a session ends.
                if self.is_established(peer) {
                    self.event(peer, PeerEvent::HoldTimer);
                }
            }
            Input::Stream { peer, octets } => self.stream(peer, octets),
            Input::Writable { peer, writable } => {
                if let Some(p) = self.peers.get_mut(&peer) {
                    p.writable = writable;
                    self.dirty.insert(peer);
                }
            }
            Input::Rpf { rp, neighbor } => {
                // An answer for an RP that was given up meanwhile.
                let Some(answer) = self.rpf.get_mut(&rp) else { return };
                *answer = Some(neighbor);
                for (from, rp, entries, data) in core::mem::take(&mut self.waiting) {
                    self.source_active(from, rp, entries, data);
                }
            }
            Input::Source { source, group, active, data } => {
                let key = Key { rp: self.config.originator, entry: SaEntry { group, source } };
                self.own_source(key, active, data);
            }
            Input::Mesh { source, group, rp, active } => {
                let rp = rp.unwrap_or(self.config.originator);
                if rp.is_host() && may_announce(group) {
                    self.own_source(Key { rp, entry: SaEntry { group, source } }, active, &[]);
                }
            }
        }
    }

    /// Handles every timer that is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        while let Some(timer) = self.timers.expired(now) {
            match timer {
                Timer::SaState(key) => self.forget(key),
                Timer::Hold(peer) => self.event(peer, PeerEvent::HoldTimer),
                Timer::KeepAlive(peer) => self.owe_keepalive(peer),
                Timer::ConnectRetry(peer) => self.event(peer, PeerEvent::ConnectRetryTimer),
                Timer::Enable(peer) => self.event(peer, PeerEvent::Enable),
                Timer::SaAdvertisement => self.advertise(),
            }
        }
    }

    /// The next output; `None` when there is none. Messages are made for peers that take octets.
    pub fn poll_output(&mut self) -> Option<Output> {
        if let Some(output) = self.outputs.pop_front() {
            return Some(output);
        }
        while let Some(&peer) = self.dirty.first() {
            if let Some(octets) = self.message(peer) {
                self.timers.set(Timer::KeepAlive(peer), self.now + self.config.timers.keepalive);
                return Some(Output::Stream { peer, octets });
            }
            self.dirty.remove(&peer);
        }
        None
    }

    /// The next message for a peer.
    fn message(&mut self, address: Ipv4Addr) -> Option<Vec<u8>> {
        let peer = self.peers.get_mut(&address).filter(|p| p.is_up() && p.writable)?;
        let mut out = Vec::new();
        if let Some((key, data)) = peer.data.pop_front() {
            emit_source_active(key.rp, &[key.entry], &data, &mut out);
        } else if let Some(rp) = peer.pending.first().map(|key| key.rp) {
            let batch: Vec<Key> = peer.pending.iter().take_while(|k| k.rp == rp).take(BATCH).copied().collect();
            for key in &batch {
                peer.pending.remove(key);
            }
            let entries: Vec<SaEntry> = batch.iter().map(|key| key.entry).collect();
            emit_source_active(rp, &entries, &[], &mut out);
        } else if peer.keepalive_due {
            Tlv::KeepAlive.emit(&mut out);
        } else {
            return None;
        }
        peer.keepalive_due = false;
        if let Ok(tlv) = Tlv::parse(&out) {
            peer.counts.sent.count(&tlv);
        }
        Some(out)
    }

    fn owe_keepalive(&mut self, peer: Ipv4Addr) {
        if let Some(p) = self.peers.get_mut(&peer) {
            p.keepalive_due = true;
            self.dirty.insert(peer);
        }
    }

    /// An event of a peer's machine, and what follows.
    fn event(&mut self, address: Ipv4Addr, event: PeerEvent) {
        let Some(peer) = self.peers.get_mut(&address) else { return };
        let Ok((next, actions)) = transition(peer.state, event) else { return };
        let was_up = peer.is_up();
        peer.state = next;
        if peer.is_up() != was_up {
            peer.counts.changed = self.now;
            peer.counts.resets = peer.counts.resets.saturating_add(u64::from(was_up));
        }
        for action in actions {
            self.act(address, *action);
        }
        let up = self.is_established(address);
        if up && !was_up {
            self.outputs.push_back(Output::Event(MsdpEvent::Up { peer: address }));
            self.tell_everything(address);
        }
        if was_up && !up {
            self.outputs.push_back(Output::Event(MsdpEvent::Down { peer: address, reason: event }));
            if event != PeerEvent::Disable {
                self.timers.set(Timer::Enable(address), self.now + Duration::from_secs(1));
            }
        }
    }

    fn act(&mut self, address: Ipv4Addr, action: PeerAction) {
        let timers = self.config.timers;
        let Some(peer) = self.peers.get_mut(&address) else { return };
        let local = peer.config.local;
        match action {
            PeerAction::CompareAddresses => {
                let event = if local < address { PeerEvent::OwnLower } else { PeerEvent::OwnHigher };
                self.event(address, event);
            }
            PeerAction::Connect => self.outputs.push_back(Output::Connect { peer: address, local }),
            PeerAction::Listen => self.outputs.push_back(Output::Listen { peer: address, local }),
            PeerAction::StartConnectRetryTimer => {
                self.timers.set(Timer::ConnectRetry(address), self.now + timers.connect_retry);
            }
            PeerAction::StopConnectRetryTimer => self.timers.clear(Timer::ConnectRetry(address)),
            PeerAction::SendKeepAlive => {
                peer.writable = true;
                self.owe_keepalive(address);
            }
            PeerAction::StartHoldTimer => self.timers.set(Timer::Hold(address), self.now + timers.hold),
            PeerAction::Close => self.outputs.push_back(Output::Close { peer: address }),
            PeerAction::Release => {
                peer.received.clear();
                peer.pending.clear();
                peer.data.clear();
                peer.keepalive_due = false;
                self.timers.clear(Timer::Hold(address));
                self.timers.clear(Timer::KeepAlive(address));
            }
            PeerAction::DropMessage => {}
        }
    }

    /// Octets of a peer: whole messages are handled, the rest is kept.
    fn stream(&mut self, address: Ipv4Addr, octets: &[u8]) {
        let Some(peer) = self.peers.get_mut(&address).filter(|p| p.is_up()) else { return };
        let mut received = core::mem::take(&mut peer.received);
        received.extend_from_slice(octets);
        let mut rest = &received[..];
        loop {
            let len = match frame_len(rest) {
                Ok(Some(len)) => len,
                Ok(None) => break,
                Err(_) => return self.event(address, PeerEvent::FormatError),
            };
            let Some((message, after)) = rest.split_at_checked(len) else { break };
            rest = after;
            self.timers.set(Timer::Hold(address), self.now + self.config.timers.hold);
            // RFC 3618 §12: one that is too long is stepped over.
            if len > usize::from(MAX_LEN) {
                continue;
            }
            let Ok(tlv) = Tlv::parse(message) else { return self.event(address, PeerEvent::FormatError) };
            if let Some(peer) = self.peers.get_mut(&address) {
                peer.counts.received.count(&tlv);
            }
            match tlv {
                Tlv::SourceActive { rp, entries, data } => {
                    self.source_active(address, rp, entries.iter().collect(), data.to_vec());
                }
                Tlv::Response { rp, entries } => {
                    self.source_active(address, rp, entries.iter().collect(), Vec::new());
                }
                // RFC 3618 §13: what is not understood is dropped, and the session goes on.
                Tlv::Request(_) | Tlv::Unknown { .. } => self.event(address, PeerEvent::OtherError),
                Tlv::KeepAlive => {}
            }
        }
        let rest = rest.to_vec();
        if let Some(peer) = self.peers.get_mut(&address) {
            peer.received = rest;
        }
    }

    /// A source of our own domain, or of the VPN (RFC 3618 §5.1: at once when it is new).
    fn own_source(&mut self, key: Key, active: bool, data: &[u8]) {
        if !active {
            self.own.remove(&key);
            return;
        }
        if self.own.insert(key) {
            let peers: Vec<Ipv4Addr> = self.peers.keys().copied().collect();
            for peer in peers {
                self.tell(peer, key, data);
            }
        }
    }

    /// The next batch of what this speaker brings in, so that all are told once in a period (RFC 3618 §5.2).
    fn advertise(&mut self) {
        let after = self.cursor.take();
        let later = |key: &&Key| after.is_none_or(|after| **key > after);
        let batch: Vec<Key> = self.own.iter().filter(later).take(BATCH).copied().collect();
        self.cursor = batch.last().copied().filter(|last| self.own.last() != Some(last));
        let peers: Vec<Ipv4Addr> = self.peers.keys().copied().collect();
        for peer in peers {
            for &key in &batch {
                self.tell(peer, key, &[]);
            }
        }
        let batches = u32::try_from(self.own.len().div_ceil(BATCH)).unwrap_or(u32::MAX).max(1);
        let wait = MsdpTimers::SA_ADVERTISEMENT.checked_div(batches).unwrap_or(MsdpTimers::SA_ADVERTISEMENT);
        self.timers.set(Timer::SaAdvertisement, self.now + wait);
    }

    /// A session came up: everything in the cache (RFC 3618 §5.2), but what a mesh group keeps to itself.
    fn tell_everything(&mut self, address: Ipv4Addr) {
        let mesh = self.peers.get(&address).and_then(|p| p.config.mesh_group);
        let of_mesh =
            |from: &Ipv4Addr| mesh.is_some() && self.peers.get(from).is_some_and(|p| p.config.mesh_group == mesh);
        let cached = self.cache.iter().filter(|(_, c)| c.from != address && !of_mesh(&c.from)).map(|(key, _)| *key);
        let keys: Vec<Key> = cached.chain(self.own.iter().copied()).collect();
        for key in keys {
            self.tell(address, key, &[]);
        }
    }

    pub(super) fn push_event(&mut self, event: MsdpEvent) {
        if self.now >= self.quiet_until {
            self.quiet_until = self.now + Duration::from_secs(1);
            self.outputs.push_back(Output::Event(event));
        }
    }
}
