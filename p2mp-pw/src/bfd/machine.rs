//! All sessions of a node: what the operator does, timers, packets that are sent.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::net::IpAddr;
use core::num::NonZeroU32;
use core::time::Duration;

use fwd_core::net::IfIndex;
use fwd_core::random::Random;
use fwd_core::time::Instant;
use fwd_core::timers::Timers;

use super::client::Client;
use super::config::{BfdConfig, ConfigError, LspId, Path, PwRef, Reflector, SessionConfig, SessionId, TreeId};
use super::fsm::{SessionEvent, SessionType};
use super::io::{BfdCounters, Discard, Event, Input, MULTIHOP_PORT, Output, PORT, SBFD_PORT, Via};
use super::packet::{ControlFlags, ControlPacket, Diag, State};
use super::session::Session;

/// How a session is found by a packet that does not know our discriminator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Key {
    SingleHop(IfIndex, IpAddr),
    MultiHop { local: IpAddr, remote: IpAddr },
    Lsp(LspId),
    Pw(PwRef),
    Tail(TreeId, IpAddr, NonZeroU32),
    Head(TreeId),
}

impl Key {
    /// A session's key; those that start an LSP, and initiators, have none.
    pub(super) const fn of(path: &Path) -> Option<Self> {
        Some(match *path {
            Path::SingleHop { iface, remote, .. } => Self::SingleHop(iface, remote),
            Path::MultiHop { local, remote, .. } => Self::MultiHop { local, remote },
            Path::LspEgress { lsp, .. } => Self::Lsp(lsp),
            Path::Pw { pw, .. } => Self::Pw(pw),
            Path::Head { tree, .. } => Self::Head(tree),
            Path::Tail { tree, head, discriminator, .. } => Self::Tail(tree, head, discriminator),
            Path::LspIngress { .. } | Path::Reflector { .. } => return None,
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// The next periodic packet.
    Transmit(SessionId),
    /// The Detection Time.
    Detect(SessionId),
    /// Twice the Detection Time.
    Sequence(SessionId),
    /// A head was down, or a session was disabled, for long enough; a dynamic tail is down for too long.
    Phase(SessionId),
    /// A tail's answer to a multipoint Poll.
    Reply(SessionId),
    /// A tail that is to answer.
    Client(SessionId, IpAddr),
    /// The next packet of a Poll Sequence to a tail.
    ClientPoll(SessionId, IpAddr),
}

/// A packet to build when it is polled for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Due {
    Periodic(SessionId),
    Final(SessionId),
    ClientPoll(SessionId, IpAddr),
    ClientFinal(SessionId, IpAddr),
}

#[derive(Clone, Debug)]
enum Queued {
    Packet(Due),
    Ready(Output),
}

/// The BFD sessions of a node (RFC 5880, 5881, 5883, 5884, 5885, 7880, 8562, 8563).
///
/// ```
/// use core::time::Duration;
/// use fwd_core::net::IfIndex;
/// use fwd_core::time::Instant;
/// use p2mp_pw::bfd::{Arrival, Bfd, BfdConfig, Event, Input, Output, Path, SessionConfig, State, Via};
///
/// let mut now = Instant::from_secs(1);
/// let (a, b) = ("192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap());
/// let mut nodes = [(a, b), (b, a)].map(|(local, remote)| {
///     let mut node = Bfd::new(now, BfdConfig { seed: 7, ..BfdConfig::default() }).unwrap();
///     let path = Path::SingleHop { iface: IfIndex(3), local, remote };
///     node.add_session(now, SessionConfig::new(path)).unwrap();
///     node
/// });
/// let mut up = 0;
/// while up < 2 {
///     for n in 0..2 {
///         nodes[n].handle_timeout(now);
///         while let Some(output) = nodes[n].poll_output() {
///             match output {
///                 Output::Packet { via: Via::Udp { from, to, source_port, port, .. }, octets } => {
///                     let arrival = Arrival::Udp { iface: IfIndex(3), from, to, ttl: 255, source_port, port };
///                     nodes[1 - n].handle_input(now, Input::Packet { arrival, octets: &octets });
///                 }
///                 Output::Event(Event::State { state: State::Up, .. }) => up += 1,
///                 _ => {}
///             }
///         }
///     }
///     now = now + Duration::from_millis(10);
/// }
/// assert!(now < Instant::from_secs(4));
/// ```
#[derive(Clone, Debug)]
pub struct Bfd {
    pub(super) config: BfdConfig,
    pub(super) sessions: BTreeMap<SessionId, Session>,
    pub(super) keys: BTreeMap<Key, SessionId>,
    /// Trees on which heads may be discovered, with our address.
    pub(super) trees: BTreeMap<TreeId, (IpAddr, bool)>,
    pub(super) reflectors: BTreeMap<NonZeroU32, Reflector>,
    pub(super) dynamic_tails: usize,
    pub(super) reflected: usize,
    pub(super) timers: Timers<Timer>,
    pub(super) random: Random,
    pub(super) counters: BfdCounters,
    queue: VecDeque<Queued>,
    queued: BTreeSet<Due>,
    now: Instant,
    complained: Option<Instant>,
}

impl Bfd {
    /// A node without sessions.
    ///
    /// # Errors
    /// A configuration that no session could live with.
    pub fn new(now: Instant, config: BfdConfig) -> Result<Self, ConfigError> {
        if config.dynamic_tail_hold.is_zero() {
            let (field, value) = ("dynamic_tail_hold", config.dynamic_tail_hold);
            return Err(ConfigError::Time { field, value, rule: "more than zero" });
        }
        Ok(Self {
            random: Random::new(config.seed),
            config,
            sessions: BTreeMap::new(),
            keys: BTreeMap::new(),
            trees: BTreeMap::new(),
            reflectors: BTreeMap::new(),
            dynamic_tails: 0,
            reflected: 0,
            timers: Timers::new(),
            counters: BfdCounters::default(),
            queue: VecDeque::new(),
            queued: BTreeSet::new(),
            now,
            complained: None,
        })
    }

    /// Starts a session. Its number is its discriminator.
    ///
    /// # Errors
    /// A field out of its range, a path that another session watches, too many sessions.
    pub fn add_session(&mut self, now: Instant, config: SessionConfig) -> Result<SessionId, ConfigError> {
        self.add_session_as(now, None, config)
    }

    /// Starts a session whose discriminator others were told already: in an echo request (RFC 5884 §6), or in a BFD
    /// Discriminator attribute (RFC 9026 §3.1.6).
    ///
    /// # Errors
    /// As [`Self::add_session`], or another session has the discriminator.
    pub fn add_session_as(
        &mut self,
        now: Instant,
        discriminator: Option<NonZeroU32>,
        config: SessionConfig,
    ) -> Result<SessionId, ConfigError> {
        self.now = now;
        config.validate()?;
        if self.sessions.len() >= self.config.max_sessions {
            return Err(ConfigError::TooMany(self.sessions.len()));
        }
        let key = Key::of(&config.path);
        if key.is_some_and(|key| self.keys.contains_key(&key)) {
            return Err(ConfigError::InUse { field: "path" });
        }
        let id = SessionId(discriminator.unwrap_or_else(|| self.unused()));
        if self.sessions.contains_key(&id) || self.reflectors.contains_key(&id.0) {
            return Err(ConfigError::InUse { field: "discriminator" });
        }
        let session = Session::new(config, &mut self.random);
        if session.kind == SessionType::MultipointHead && session.state == State::Down {
            // Tails of before a restart learn that the head was away (RFC 8562 §5.9).
            self.timers.set(Timer::Phase(id), now + session.announcement());
        }
        self.sessions.insert(id, session);
        if let Some(key) = key {
            self.keys.insert(key, id);
        }
        self.transmit(now, id);
        Ok(id)
    }

    /// A discriminator that nobody has.
    fn unused(&mut self) -> NonZeroU32 {
        loop {
            let number = u32::try_from(self.random.next() >> 32).unwrap_or(0);
            if let Some(number) = NonZeroU32::new(number) {
                let used = self.sessions.contains_key(&SessionId(number)) || self.reflectors.contains_key(&number);
                if !used {
                    return number;
                }
            }
        }
    }

    /// Ends a session, after telling the peer that it is disabled. [`Event::Removed`] says when it has ended.
    ///
    /// # Errors
    /// No such session.
    pub fn remove_session(&mut self, now: Instant, id: SessionId) -> Result<(), ConfigError> {
        let session = self.sessions.get_mut(&id).ok_or(ConfigError::Unknown(id))?;
        let untold = session.kind == SessionType::MultipointHead || session.remote.heard;
        if session.kind == SessionType::MultipointTail || !untold || session.silent {
            self.now = now;
            self.end(id);
            return Ok(());
        }
        session.leaving = true;
        self.disable(now, id, Diag::ADMINISTRATIVELY_DOWN)
    }

    /// Takes a session down until it is enabled (RFC 5880 §6.8.16); the peer is told for a Detection Time.
    ///
    /// # Errors
    /// No such session.
    pub fn disable(&mut self, now: Instant, id: SessionId, diag: Diag) -> Result<(), ConfigError> {
        self.administrate(now, id, SessionEvent::Disable(diag))?;
        let session = self.sessions.get(&id).ok_or(ConfigError::Unknown(id))?;
        self.timers.set(Timer::Phase(id), now + session.announcement());
        Ok(())
    }

    /// Lets a session that was disabled try again.
    ///
    /// # Errors
    /// No such session.
    pub fn enable(&mut self, now: Instant, id: SessionId) -> Result<(), ConfigError> {
        let session = self.sessions.get_mut(&id).ok_or(ConfigError::Unknown(id))?;
        if session.state != State::AdminDown {
            return Ok(());
        }
        (session.silent, session.leaving) = (false, false);
        self.timers.clear(Timer::Phase(id));
        self.administrate(now, id, SessionEvent::Enable)?;
        if let Some(head) = self.sessions.get(&id).filter(|session| session.kind == SessionType::MultipointHead) {
            self.timers.set(Timer::Phase(id), now + head.announcement());
        }
        Ok(())
    }

    /// The forwarding plane lost its state: every session says so (RFC 5880 §6.8.15).
    pub fn forwarding_plane_reset(&mut self, now: Instant) {
        let ids: Vec<SessionId> = self.sessions.keys().copied().collect();
        for id in ids {
            // A disabled session and a head stay as they are.
            let _ = self.administrate(now, id, SessionEvent::ForwardingPlaneReset);
        }
    }

    fn administrate(&mut self, now: Instant, id: SessionId, event: SessionEvent) -> Result<(), ConfigError> {
        self.now = now;
        let session = self.sessions.get_mut(&id).ok_or(ConfigError::Unknown(id))?;
        if let Some(Some(_)) = session.happen(event) {
            self.changed(now, id);
        }
        Ok(())
    }

    /// Other intervals, by a Poll Sequence (RFC 5880 §6.8.3).
    ///
    /// # Errors
    /// No such session, or times out of range.
    pub fn set_intervals(
        &mut self,
        now: Instant,
        id: SessionId,
        tx: Duration,
        rx: Duration,
    ) -> Result<(), ConfigError> {
        self.now = now;
        let session = self.sessions.get_mut(&id).ok_or(ConfigError::Unknown(id))?;
        session.set_intervals(tx, rx)?;
        self.transmit(now, id);
        Ok(())
    }

    /// Verifies a session by a Poll Sequence: the way to find failures in demand mode (RFC 5880 §6.6).
    ///
    /// # Errors
    /// No such session of two ends.
    pub fn poll(&mut self, now: Instant, id: SessionId) -> Result<(), ConfigError> {
        self.now = now;
        let session = self.sessions.get_mut(&id).filter(|session| session.kind == SessionType::PointToPoint);
        let session = session.ok_or(ConfigError::Unknown(id))?;
        session.polls = 1;
        if let (true, Some(time)) = (session.demand_active(), session.detection_time()) {
            self.timers.set(Timer::Detect(id), now + time);
        }
        self.transmit(now, id);
        Ok(())
    }

    /// Tells the peer of a path behind this node, or that it is well again with [`Diag::NONE`] (RFC 5880 §6.8.17).
    ///
    /// # Errors
    /// No such session.
    pub fn concatenated_path(&mut self, now: Instant, id: SessionId, diag: Diag) -> Result<(), ConfigError> {
        self.now = now;
        let session = self.sessions.get_mut(&id).ok_or(ConfigError::Unknown(id))?;
        if session.state == State::Up && session.diag != diag {
            session.diag = diag;
            if !session.is_periodic() && session.kind == SessionType::PointToPoint {
                session.polls = 1;
            }
            self.transmit(now, id);
        }
        Ok(())
    }

    /// Lets heads on a tree be discovered (RFC 8562 §5.6), or no more. `local` is our address there, and `silent` as in
    /// [`Path::Tail`]. Sessions that are there stay.
    pub fn set_tree(&mut self, tree: TreeId, tail: Option<(IpAddr, bool)>) {
        match tail {
            Some(tail) => self.trees.insert(tree, tail),
            None => self.trees.remove(&tree),
        };
    }

    /// Answers for a discriminator, or no more.
    ///
    /// # Errors
    /// A session has the discriminator, or the interval is out of range.
    pub fn set_reflector(
        &mut self,
        discriminator: NonZeroU32,
        reflector: Option<Reflector>,
    ) -> Result<(), ConfigError> {
        if self.sessions.contains_key(&SessionId(discriminator)) {
            return Err(ConfigError::InUse { field: "discriminator" });
        }
        let Some(reflector) = reflector else {
            self.reflectors.remove(&discriminator);
            return Ok(());
        };
        let value = reflector.required_min_rx;
        if value.as_micros() > u128::from(u32::MAX) {
            return Err(ConfigError::Time { field: "required_min_rx", value, rule: "at most 2^32 - 1 µs" });
        }
        self.reflectors.insert(discriminator, reflector);
        Ok(())
    }

    /// A session's state and why it has it.
    #[must_use]
    pub fn state(&self, id: SessionId) -> Option<(State, Diag)> {
        self.sessions.get(&id).map(|session| (session.state, session.diag))
    }

    /// The sessions with their states.
    pub fn sessions(&self) -> impl Iterator<Item = (SessionId, State)> + '_ {
        self.sessions.iter().map(|(id, session)| (*id, session.state))
    }

    /// The Detection Time of a session as it is negotiated; `None`: there is none.
    #[must_use]
    pub fn detection_time(&self, id: SessionId) -> Option<Duration> {
        self.sessions.get(&id)?.detection_time()
    }

    /// What became of packets.
    #[must_use]
    pub const fn counters(&self) -> &BfdCounters {
        &self.counters
    }

    /// Takes a packet. What is wrong with it is counted.
    pub fn handle_input(&mut self, now: Instant, input: Input<'_>) {
        self.now = now;
        let Input::Packet { arrival, octets } = input;
        match self.receive(now, arrival, octets) {
            Ok(()) => self.counters.received = self.counters.received.saturating_add(1),
            Err(discard) => {
                let at = match discard {
                    Discard::Malformed => 0,
                    Discard::Session => 1,
                    Discard::Path => 2,
                    Discard::Authentication => 3,
                    Discard::State => 4,
                    Discard::Limit => 5,
                };
                if let Some(counter) = self.counters.discarded.get_mut(at) {
                    *counter = counter.saturating_add(1);
                }
            }
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        while let Some(timer) = self.timers.expired(now) {
            match timer {
                Timer::Transmit(id) => self.transmit(now, id),
                Timer::Detect(id) => {
                    let left = self.sessions.get_mut(&id).and_then(Session::expire);
                    if left.is_some() {
                        self.changed(now, id);
                    }
                }
                Timer::Sequence(id) => {
                    if let Some(session) = self.sessions.get_mut(&id) {
                        session.forget_sequence();
                    }
                }
                Timer::Phase(id) => self.phase(now, id),
                Timer::Reply(id) => self.queue_packet(Due::Final(id)),
                Timer::Client(id, tail) => self.client_expired(id, tail),
                Timer::ClientPoll(id, tail) => self.client_poll_again(now, id, tail),
            }
        }
    }

    /// When [`Self::handle_timeout`] is to be called next. Every method that takes `now` may change it.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        self.timers.next_timeout()
    }

    /// The next packet or event, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        loop {
            match self.queue.pop_front()? {
                Queued::Ready(output) => {
                    if let Output::Packet { .. } = output {
                        self.reflected = self.reflected.saturating_sub(1);
                        self.counters.sent = self.counters.sent.saturating_add(1);
                    }
                    return Some(output);
                }
                Queued::Packet(due) => {
                    self.queued.remove(&due);
                    if let Some((via, packet)) = self.build(due) {
                        let mut octets = Vec::with_capacity(packet.wire_len());
                        packet.emit(&mut octets);
                        self.counters.sent = self.counters.sent.saturating_add(1);
                        return Some(Output::Packet { via, octets });
                    }
                }
            }
        }
    }

    fn build(&mut self, due: Due) -> Option<(Via, ControlPacket)> {
        let (Due::Periodic(id) | Due::Final(id) | Due::ClientPoll(id, _) | Due::ClientFinal(id, _)) = due;
        let session = self.sessions.get_mut(&id)?;
        let (via, now) = (via(&session.config.path, id), self.now);
        let mut to_client = |tail: IpAddr, flag| {
            let client: Client = session.clients.get(&tail).copied()?;
            let Path::Head { local, .. } = session.config.path else { return None };
            let packet = session.client_packet(id, &client, flag);
            Some((udp(None, local, tail, id, MULTIHOP_PORT), packet))
        };
        match due {
            Due::ClientPoll(_, tail) => to_client(tail, ControlFlags::POLL),
            Due::ClientFinal(_, tail) => to_client(tail, ControlFlags::FINAL),
            Due::Final(_) => Some((via, session.packet(now, id, true))),
            Due::Periodic(_) => session.is_periodic().then(|| (via, session.packet(now, id, false))),
        }
    }

    pub(super) fn queue_event(&mut self, event: Event) {
        self.queue.push_back(Queued::Ready(Output::Event(event)));
    }

    pub(super) fn queue_ready(&mut self, output: Output) {
        self.queue.push_back(Queued::Ready(output));
    }

    /// Packets are built when they are polled for, and each waits once.
    pub(super) fn queue_packet(&mut self, due: Due) {
        if self.queued.insert(due) {
            self.queue.push_back(Queued::Packet(due));
        }
    }

    /// Says that a limit was reached, once a second.
    pub(super) fn too_many(&mut self, now: Instant, limit: &'static str) {
        if self.complained.is_none_or(|last| now - last >= Duration::from_secs(1)) {
            self.complained = Some(now);
            self.queue_event(Event::TooMany(limit));
        }
    }
}

/// The source port of a session: the same for all its packets, and its own where there are not too many (RFC 5881 §4).
pub(super) fn source_port(id: SessionId) -> u16 {
    let low = u16::try_from(id.0.get() & 0x3fff).unwrap_or(0);
    0xc000 | low
}

fn udp(iface: Option<IfIndex>, from: IpAddr, to: IpAddr, id: SessionId, port: u16) -> Via {
    Via::Udp { iface, from, to, source_port: source_port(id), port }
}

/// How a session's packets are sent.
fn via(path: &Path, id: SessionId) -> Via {
    let source_port = source_port(id);
    match *path {
        Path::SingleHop { iface, local, remote } => udp(Some(iface), local, remote, id, PORT),
        Path::MultiHop { local, remote, .. } | Path::LspEgress { local, remote, .. } => {
            udp(None, local, remote, id, MULTIHOP_PORT)
        }
        Path::Tail { local, head, .. } => udp(None, local, head, id, MULTIHOP_PORT),
        Path::Reflector { local, remote, .. } => udp(None, local, remote, id, SBFD_PORT),
        Path::LspIngress { lsp, local, .. } => Via::Lsp { lsp, from: local, source_port },
        Path::Pw { pw, ip } => Via::Pw { pw, ip: ip.map(|ip| (ip, source_port)) },
        Path::Head { tree, local, .. } => Via::Tree { tree, from: local, source_port },
    }
}
