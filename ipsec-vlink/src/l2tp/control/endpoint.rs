//! The machine of one endpoint: its peers, one control connection with each, and the sessions of these.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::net::IpAddr;

use fwd_core::time::Instant;
use fwd_core::timers::Timers;
use hashbrown::HashMap;

use super::channel::Arrival;
use super::config::{
    Address, Cause, Config, ConfigError, Counters, Event, Input, Output, PeerConfig, PeerId, SessionConfig, SessionId,
    SessionStart, Version,
};
use super::connection::{Connection, Job};
use super::fsm::{ConnectionEvent, ConnectionState, SessionEvent, SessionState};
use super::multicast::Multicast;
use super::random::Random;
use super::session::Session;
use super::write::{Envelope, datagram};
use crate::l2tp::digest::Hashes;
use crate::l2tp::message_type::MessageType;
use crate::l2tp::{Avps, Value, v2, v3};
use crate::l2tp::{CircuitStatus, Octets};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    Retransmit(u32),
    Hello(u32),
    Linger(u32),
    RetryPeer(PeerId),
    RetrySession(SessionId),
}

/// A peer, and what there is with it.
#[derive(Debug)]
pub(super) struct Peer {
    pub(super) cfg: PeerConfig,
    pub(super) connection: Option<u32>,
    pub(super) sessions: BTreeSet<SessionId>,
}

/// The machine of one L2TP endpoint. See [`super`].
///
/// `H` is the embedder's hash functions. Whoever calls it drains [`Self::poll_output`] after each call and sleeps until
/// [`Self::next_timeout`].
#[derive(Debug)]
pub struct Endpoint<H> {
    pub(super) cfg: Config,
    pub(super) hashes: H,
    pub(super) random: Random,
    pub(super) peers: Vec<Option<Peer>>,
    by_address: BTreeMap<(IpAddr, Version), PeerId>,
    pub(super) connections: BTreeMap<u32, Connection>,
    /// Control connections that the peer opened, by its address and number, so that a repeated SCCRQ is known.
    pub(super) by_remote: BTreeMap<(Address, u32), u32>,
    pub(super) sessions: Vec<Option<Session>>,
    pub(super) by_local: HashMap<u32, SessionId>,
    by_end: HashMap<(PeerId, Vec<u8>), SessionId>,
    pub(super) multicasts: BTreeMap<u16, Multicast>,
    pub(super) timers: Timers<Timer>,
    pub(super) outputs: VecDeque<Output>,
    pub(super) counters: Counters,
    pub(super) half_open: usize,
    tokens: u32,
    refilled: Instant,
    said_dropped: Option<Instant>,
}

impl<H: Hashes> Endpoint<H> {
    /// An endpoint without peers.
    ///
    /// # Errors
    /// The host's name is empty or too long, or the vendor's is.
    pub fn new(now: Instant, cfg: Config, hashes: H) -> Result<Self, ConfigError> {
        if cfg.host_name.is_empty() || cfg.host_name.len() > Octets::MAX {
            return Err(ConfigError::Length("host_name"));
        }
        if cfg.vendor_name.len() > Octets::MAX {
            return Err(ConfigError::Length("vendor_name"));
        }
        Ok(Self {
            random: Random::new(cfg.seed),
            tokens: cfg.limits.sccrq_per_second,
            cfg,
            hashes,
            peers: Vec::new(),
            by_address: BTreeMap::new(),
            connections: BTreeMap::new(),
            by_remote: BTreeMap::new(),
            sessions: Vec::new(),
            by_local: HashMap::new(),
            by_end: HashMap::new(),
            multicasts: BTreeMap::new(),
            timers: Timers::new(),
            outputs: VecDeque::new(),
            counters: Counters::default(),
            half_open: 0,
            refilled: now,
            said_dropped: None,
        })
    }

    /// Adds a peer. Its control connection is opened when a session wants it, or by the peer.
    ///
    /// # Errors
    /// What is wrong with the configuration.
    pub fn add_peer(&mut self, cfg: PeerConfig) -> Result<PeerId, ConfigError> {
        if cfg.version == Version::V2 && cfg.remote.port.is_none() {
            return Err(ConfigError::Carrier);
        }
        if cfg.hide && cfg.secret.is_none() {
            return Err(ConfigError::Hide);
        }
        if cfg.multicast && cfg.version != Version::V2 {
            return Err(ConfigError::Multicast);
        }
        let delivery = cfg.delivery;
        if delivery.window == 0 || delivery.tries == 0 || delivery.first.is_zero() || delivery.most.is_zero() {
            return Err(ConfigError::Delivery);
        }
        let key = (cfg.remote.ip, cfg.version);
        if self.by_address.contains_key(&key) {
            return Err(ConfigError::Remote);
        }
        let id = PeerId(u32::try_from(self.peers.len()).map_err(|_| ConfigError::Peer)?);
        self.peers.push(Some(Peer { cfg, connection: None, sessions: BTreeSet::new() }));
        self.by_address.insert(key, id);
        Ok(id)
    }

    /// Removes a peer: its control connection is closed, its sessions are forgotten.
    pub fn remove_peer(&mut self, now: Instant, id: PeerId) {
        let Some(peer) = self.peer(id) else { return };
        let (key, connection, sessions) =
            ((peer.cfg.remote.ip, peer.cfg.version), peer.connection, peer.sessions.clone());
        if let Some(connection) = connection {
            self.connection_event(now, connection, ConnectionEvent::AdminClose, Cause::Closed);
        }
        for session in sessions {
            self.forget_session(session);
        }
        self.by_address.remove(&key);
        self.timers.clear(Timer::RetryPeer(id));
        if let Some(slot) = self.peers.get_mut(id.0 as usize) {
            *slot = None;
        }
    }

    /// Adds a session: asks for it, or takes it when it is asked for.
    ///
    /// # Errors
    /// What is wrong with the configuration.
    pub fn add_session(&mut self, now: Instant, cfg: SessionConfig) -> Result<SessionId, ConfigError> {
        let peer = self.peer(cfg.peer).ok_or(ConfigError::Peer)?;
        for (name, octets) in [("group", &cfg.group), ("local_end", &cfg.local_end), ("remote_end", &cfg.remote_end)] {
            if octets.len() > Octets::MAX {
                return Err(ConfigError::Length(name));
            }
        }
        if !matches!(cfg.cookie_len, 0 | 4 | 8) {
            return Err(ConfigError::Cookie);
        }
        if cfg.sequencing && !cfg.sublayer && peer.cfg.version == Version::V3 {
            return Err(ConfigError::Sequencing);
        }
        if !peer.cfg.pseudowires.contains(&cfg.pseudowire) {
            return Err(ConfigError::Pseudowire);
        }
        let key = (cfg.peer, end_key(peer.cfg.version, &cfg.group, &cfg.local_end));
        if self.by_end.contains_key(&key) {
            return Err(ConfigError::End);
        }
        let id = SessionId(u32::try_from(self.sessions.len()).map_err(|_| ConfigError::Sessions)?);
        self.by_end.insert(key, id);
        let (peer_id, start) = (cfg.peer, cfg.start);
        self.sessions.push(Some(Session::new(cfg)));
        if let Some(peer) = self.peer_mut(peer_id) {
            peer.sessions.insert(id);
        }
        if start != SessionStart::Await {
            self.session_event(now, id, SessionEvent::LocalOpen, Cause::Closed);
        }
        self.flush_peer(now, peer_id);
        Ok(id)
    }

    /// Removes a session; the peer is told.
    pub fn remove_session(&mut self, now: Instant, id: SessionId) {
        let Some(session) = self.session(id) else { return };
        let peer = session.cfg.peer;
        if session.state != SessionState::Idle {
            self.session_event(now, id, SessionEvent::LocalClose, Cause::Closed);
        }
        self.forget_session(id);
        self.flush_peer(now, peer);
    }

    /// Says that the circuit of a session changed: the peer is told by SLI.
    pub fn set_circuit(&mut self, now: Instant, id: SessionId, status: CircuitStatus) {
        let Some(session) = self.session_mut(id) else { return };
        session.circuit = status;
        let (peer, is_up) = (session.cfg.peer, session.state == SessionState::Established);
        if is_up {
            self.queue_session(id, MessageType::SLI);
            self.flush_peer(now, peer);
        }
    }

    /// Says whether an outgoing call was placed ([`Event::PlaceCall`]).
    pub fn call_placed(&mut self, now: Instant, id: SessionId, placed: bool) {
        let Some(peer) = self.session(id).map(|session| session.cfg.peer) else { return };
        let event = if placed { SessionEvent::CallPlaced } else { SessionEvent::CallFailed };
        let cause = Cause::Refused { result: crate::l2tp::result_code::cdn::LOST_CARRIER, error: 0 };
        self.session_event(now, id, event, cause);
        self.flush_peer(now, peer);
    }

    /// Sends a PPP frame by a session of version 2 that is up.
    pub fn send_payload(&mut self, id: SessionId, payload: &[u8]) {
        let Some(session) = self.session(id).filter(|session| session.state == SessionState::Established) else {
            return;
        };
        let Some(connection) = session.connection.and_then(|c| self.connections.get(&c)) else { return };
        if connection.version != Version::V2 {
            return;
        }
        let (to, tunnel) = (connection.remote, connection.remote_id as u16);
        let mut octets = Vec::new();
        v2::Data::new(tunnel, session.remote as u16, payload).emit(&mut octets);
        self.outputs.push_back(Output::Datagram { to, octets });
    }

    /// Takes what arrived.
    pub fn handle_input(&mut self, now: Instant, input: Input<'_>) {
        let Input::Datagram { from, octets } = input;
        let message = match (from.port, octets) {
            (Some(_), octets) => octets,
            (None, [0, 0, 0, 0, message @ ..]) => message,
            // Data over IP is the forwarder's.
            (None, _) => return,
        };
        match message {
            [first, second, ..] if first & 0x80 != 0 && second & 0x0f == 2 => match v2::Control::take(message) {
                Ok((_, m)) if from.port.is_some() => {
                    let numbers = (m.ns, m.nr);
                    self.control(now, from, Version::V2, (m.tunnel.into(), m.session), numbers, m.body, message);
                }
                _ => self.dropped(now, from, "header"),
            },
            [first, second, ..] if first & 0x80 != 0 && second & 0x0f == 3 => match v3::Control::take(message) {
                Ok((rest, m)) => {
                    let whole = message.get(..message.len().saturating_sub(rest.len())).unwrap_or(message);
                    self.control(now, from, Version::V3, (m.connection, 0), (m.ns, m.nr), m.body, whole);
                }
                Err(_) => self.dropped(now, from, "header"),
            },
            [_, second, ..] if second & 0x0f == 2 => match v2::Data::take(message) {
                Ok((_, data)) => self.payload(now, from, &data),
                Err(_) => self.dropped(now, from, "header"),
            },
            // Data of version 3 over UDP is the forwarder's.
            [_, second, ..] if second & 0x0f == 3 => {}
            _ => self.dropped(now, from, "version"),
        }
    }

    /// Data of a session of version 2.
    fn payload(&mut self, now: Instant, from: Address, data: &v2::Data<'_>) {
        let id = self.by_local.get(&u32::from(data.session)).copied();
        let of_its_tunnel = id.and_then(|id| self.session(id)).is_some_and(|session| {
            session.state == SessionState::Established && session.connection == Some(u32::from(data.tunnel))
        });
        let from_its_peer = self.connections.get(&u32::from(data.tunnel)).is_some_and(|c| c.remote == from);
        match id.filter(|_| of_its_tunnel && from_its_peer) {
            Some(session) => self.outputs.push_back(Output::Payload { session, octets: data.payload.to_vec() }),
            None if from_its_peer && self.copy_multicast(data) => {}
            None => self.dropped(now, from, "session"),
        }
    }

    /// A control message.
    #[allow(clippy::too_many_arguments)] // Both versions' headers, taken apart.
    fn control(
        &mut self,
        now: Instant,
        from: Address,
        version: Version,
        (connection, session): (u32, u16),
        (ns, nr): (u16, u16),
        body: &[u8],
        whole: &[u8],
    ) {
        if connection == 0 {
            if kind_of(body) == Some(MessageType::SCCRQ) {
                self.sccrq(now, from, version, (ns, nr), body, whole);
            } else {
                self.dropped(now, from, "control connection");
            }
            return;
        }
        let found = self.connections.get_mut(&connection).filter(|c| c.version == version && c.remote.ip == from.ip);
        let Some(c) = found else {
            self.dropped(now, from, "control connection");
            return;
        };
        // RFC 2661 §8.1: the peer may answer from another port.
        if c.state == ConnectionState::WaitCtlReply {
            c.remote = from;
        } else if c.remote != from {
            self.dropped(now, from, "port");
            return;
        }
        let (peer, is_v3) = (c.peer, version == Version::V3);
        if is_v3 && !self.is_authentic(connection, body, whole) {
            self.unauthenticated(now, from);
            return;
        }
        let Some(c) = self.connections.get_mut(&connection) else { return };
        let Some(any) = c.channel.acknowledge(nr) else {
            self.dropped(now, from, "acknowledgement");
            return;
        };
        if any {
            match c.channel.again_at(now) {
                Some(at) => self.timers.set(Timer::Retransmit(connection), at),
                None => self.timers.clear(Timer::Retransmit(connection)),
            }
        }
        if c.state != ConnectionState::Idle {
            self.timers.set(Timer::Hello(connection), now + self.cfg.hello);
        }
        self.counters.received = self.counters.received.saturating_add(1);
        if !body.is_empty() && kind_of(body) != Some(MessageType::ACK) {
            c.must_acknowledge = true;
            if c.channel.arrive(ns, session, body) == Arrival::Next {
                self.message(now, connection, session, body);
                while let Some((session, body)) = self.connections.get_mut(&connection).and_then(|c| c.channel.held()) {
                    self.message(now, connection, session, &body);
                }
            }
        }
        self.flush(now, connection);
        self.flush_peer(now, peer);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(timer) = self.timers.expired(now) {
            match timer {
                Timer::Retransmit(id) => self.retransmit(now, id),
                Timer::Hello(id) => {
                    if let Some(c) = self.connections.get_mut(&id).filter(|c| c.state == ConnectionState::Established) {
                        // One that is not acknowledged yet says enough.
                        if c.channel.is_clear() && c.jobs.is_empty() {
                            c.jobs.push_back(Job::Hello);
                        }
                        self.timers.set(Timer::Hello(id), now + self.cfg.hello);
                        self.flush(now, id);
                    }
                }
                Timer::Linger(id) => self.forget_connection(id),
                Timer::RetryPeer(id) => {
                    if self.peer(id).is_some_and(|p| p.connection.is_none()) && self.is_wanted(id) {
                        self.open_connection(now, id);
                    }
                }
                Timer::RetrySession(id) => {
                    if let Some(session) = self.session(id).filter(|s| s.state == SessionState::Idle) {
                        let peer = session.cfg.peer;
                        self.session_event(now, id, SessionEvent::LocalOpen, Cause::Closed);
                        self.flush_peer(now, peer);
                    }
                }
            }
        }
    }

    fn retransmit(&mut self, now: Instant, id: u32) {
        let Some(c) = self.connections.get_mut(&id) else { return };
        if c.channel.is_clear() {
            return;
        }
        let (retransmitted, nr) = (c.channel.retransmitted(), c.channel.nr());
        let Some(transmit) = c.channel.expire() else {
            // Nobody is there: nothing is sent any more.
            if c.state == ConnectionState::Idle {
                self.forget_connection(id);
            } else {
                self.connection_event(now, id, ConnectionEvent::DeliveryFails, Cause::Timeout);
                self.forget_connection(id);
            }
            return;
        };
        let (ns, session, body) = (transmit.ns, transmit.session, transmit.body.to_vec());
        debug_assert!(c.channel.retransmitted() > retransmitted);
        c.must_acknowledge = false;
        let at = c.channel.again_at(now);
        self.counters.retransmitted = self.counters.retransmitted.saturating_add(1);
        self.transmit(id, (ns, nr), session, &body);
        if let Some(at) = at {
            self.timers.set(Timer::Retransmit(id), at);
        }
    }

    /// The next thing to be done, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Self::handle_timeout`] is to be called next. Every other call may change it.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        self.timers.next_timeout()
    }

    /// What was counted.
    #[must_use]
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    /// The state of a peer's control connection.
    #[must_use]
    pub fn connection_state(&self, id: PeerId) -> ConnectionState {
        let connection = self.peer(id).and_then(|peer| peer.connection).and_then(|c| self.connections.get(&c));
        connection.map_or(ConnectionState::Idle, |c| c.state)
    }

    /// The state of a session.
    #[must_use]
    pub fn session_state(&self, id: SessionId) -> Option<SessionState> {
        self.session(id).map(|session| session.state)
    }

    /// Control connections that there are, those that are being closed among them.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.connections.len()
    }

    pub(super) fn peer(&self, id: PeerId) -> Option<&Peer> {
        self.peers.get(id.0 as usize)?.as_ref()
    }

    pub(super) fn peer_mut(&mut self, id: PeerId) -> Option<&mut Peer> {
        self.peers.get_mut(id.0 as usize)?.as_mut()
    }

    pub(super) fn session(&self, id: SessionId) -> Option<&Session> {
        self.sessions.get(id.0 as usize)?.as_ref()
    }

    pub(super) fn session_mut(&mut self, id: SessionId) -> Option<&mut Session> {
        self.sessions.get_mut(id.0 as usize)?.as_mut()
    }

    pub(super) fn peer_of_address(&self, ip: IpAddr, version: Version) -> Option<PeerId> {
        self.by_address.get(&(ip, version)).copied()
    }

    /// The session that a request of a peer's asks for.
    pub(super) fn session_of_end(&self, peer: PeerId, group: &[u8], end: &[u8]) -> Option<SessionId> {
        let version = self.peer(peer)?.cfg.version;
        self.by_end.get(&(peer, end_key(version, group, end))).copied()
    }

    /// Whether a session waits for the peer.
    pub(super) fn is_wanted(&self, id: PeerId) -> bool {
        let Some(peer) = self.peer(id).filter(|peer| peer.cfg.initiate) else { return false };
        let waits = |id: &SessionId| self.session(*id).is_some_and(|s| s.state == SessionState::WaitControlConn);
        peer.sessions.iter().any(waits)
    }

    fn forget_session(&mut self, id: SessionId) {
        let Some(session) = self.sessions.get_mut(id.0 as usize).and_then(Option::take) else { return };
        self.timers.clear(Timer::RetrySession(id));
        self.by_local.remove(&session.local);
        let Some(peer) = self.peer_mut(session.cfg.peer) else { return };
        peer.sessions.remove(&id);
        let key = end_key(peer.cfg.version, &session.cfg.group, &session.cfg.local_end);
        self.by_end.remove(&(session.cfg.peer, key));
    }

    pub(super) fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    /// Counts what is dropped, and says so once a second at most.
    pub(super) fn dropped(&mut self, now: Instant, from: Address, why: &'static str) {
        self.counters.invalid = self.counters.invalid.saturating_add(1);
        self.say_dropped(now, from, why);
    }

    pub(super) fn say_dropped(&mut self, now: Instant, from: Address, why: &'static str) {
        if self.said_dropped.is_none_or(|at| at + core::time::Duration::from_secs(1) <= now) {
            self.said_dropped = Some(now);
            self.event(Event::Dropped { from, why });
        }
    }

    pub(super) fn unauthenticated(&mut self, now: Instant, from: Address) {
        self.counters.unauthenticated = self.counters.unauthenticated.saturating_add(1);
        if self.said_dropped.is_none_or(|at| at + core::time::Duration::from_secs(1) <= now) {
            self.said_dropped = Some(now);
            self.event(Event::AuthenticationFailed { from });
        }
    }

    /// Whether another SCCRQ may be looked at.
    pub(super) fn take_token(&mut self, now: Instant) -> bool {
        let per_second = self.cfg.limits.sccrq_per_second;
        if self.refilled + core::time::Duration::from_secs(1) <= now {
            (self.tokens, self.refilled) = (per_second, now);
        }
        match self.tokens.checked_sub(1) {
            Some(left) => self.tokens = left,
            None => return false,
        }
        true
    }

    pub(super) fn flush_peer(&mut self, now: Instant, id: PeerId) {
        if let Some(connection) = self.peer(id).and_then(|peer| peer.connection) {
            self.flush(now, connection);
        }
    }

    /// Sends what waits, as far as the window goes, and an acknowledgement if nothing else carries it.
    pub(super) fn flush(&mut self, now: Instant, id: u32) {
        while self.connections.get(&id).is_some_and(|c| c.channel.has_room()) {
            let Some(job) = self.connections.get_mut(&id).and_then(|c| c.jobs.pop_front()) else { break };
            let Some((session, body)) = self.build(id, job) else { continue };
            let Some(c) = self.connections.get_mut(&id) else { break };
            let nr = c.channel.nr();
            let Some(ns) = c.channel.send(session, body.clone()).map(|t| t.ns) else { break };
            c.must_acknowledge = false;
            let at = c.channel.again_at(now);
            self.transmit(id, (ns, nr), session, &body);
            if let (None, Some(at)) = (self.timers.get(Timer::Retransmit(id)), at) {
                self.timers.set(Timer::Retransmit(id), at);
            }
        }
        let Some(c) = self.connections.get_mut(&id) else { return };
        if core::mem::take(&mut c.must_acknowledge) {
            let (numbers, version, digest) = ((c.channel.ns(), c.channel.nr()), c.version, c.digest);
            let body = match version {
                Version::V2 => Vec::new(),
                Version::V3 => super::write::body::<H>(MessageType::ACK, digest, &[], None),
            };
            self.transmit(id, numbers, 0, &body);
        }
        let Some(c) = self.connections.get(&id) else { return };
        if c.state == ConnectionState::Idle && c.channel.is_clear() && c.jobs.is_empty() {
            self.timers.clear(Timer::Hello(id));
        }
    }

    /// Puts a message on the wire.
    fn transmit(&mut self, id: u32, (ns, nr): (u16, u16), session: u16, body: &[u8]) {
        let Some(c) = self.connections.get(&id) else { return };
        let envelope = Envelope {
            version: c.version,
            is_over_ip: c.remote.port.is_none(),
            connection: c.remote_id,
            session,
            ns,
            nr,
        };
        // An SCCRQ is authenticated by its own nonce (RFC 3931 §5.4.1).
        let nonces = match kind_of(body) {
            Some(MessageType::SCCRQ) => (&[][..], &[][..]),
            _ => (&c.nonce[..], &c.remote_nonce[..]),
        };
        let secret = self.peer(c.peer).and_then(|peer| peer.cfg.secret.as_ref());
        let digest = c.digest.filter(|_| !body.is_empty()).map(|kind| (kind, secret, nonces));
        let octets = datagram(&envelope, body, digest, &self.hashes);
        let to = c.remote;
        self.counters.sent = self.counters.sent.saturating_add(1);
        self.outputs.push_back(Output::Datagram { to, octets });
    }
}

/// The kind of a message: its first AVP.
pub(super) fn kind_of(body: &[u8]) -> Option<MessageType> {
    match Value::of(&Avps::new(body).next()?.ok()?) {
        Ok(Value::MessageType(kind)) => Some(kind),
        _ => None,
    }
}

/// What says a session's end here. Version 2 says the group only when the session is set up already.
fn end_key(version: Version, group: &[u8], end: &[u8]) -> Vec<u8> {
    let group = if version == Version::V3 { group } else { &[] };
    let len = (group.len() as u16).to_be_bytes();
    len.iter().chain(group).chain(end).copied().collect()
}
