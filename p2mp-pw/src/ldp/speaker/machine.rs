//! The machine: what moves between discovery, sessions, label distribution and the outside.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::net::IpAddr;

use fwd_core::net::{Authentication, IfIndex};
use fwd_core::time::Instant;
use fwd_core::timers::Timers;

use super::super::discovery::{self, AdjacencyId, Discovery, HelloTarget, InterfaceAddresses};
use super::super::lde::{self, Lde};
use super::super::session::{self, ConfigError, Session, State};
use super::super::{LdpId, StatusCode};
use super::io::{Event, Input, Output, SpeakerConfig};

/// Messages of label distribution that a session packs at once.
const BATCH: usize = 256;

/// The timers of a speaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// Something of a session is due.
    Session(LdpId),
    /// A peer's preferred family did not show up.
    Family(AdjacencyId),
}

/// An LDP speaker with any number of interfaces, targets and peers.
///
/// ```
/// use fwd_core::net::{EcmpId, IfIndex, Label, NhlfeId};
/// use fwd_core::time::Instant;
/// use p2mp_pw::ldp::LdpId;
/// use p2mp_pw::ldp::discovery::{DiscoveryConfig, InterfaceAddresses};
/// use p2mp_pw::ldp::lde::LdeConfig;
/// use p2mp_pw::ldp::neighbour::{EcmpRange, LabelRange, NhlfeRange};
/// use p2mp_pw::ldp::speaker::{LdpSpeaker, Output, SpeakerConfig};
///
/// let now = Instant::ZERO;
/// let mut discovery = DiscoveryConfig::new(LdpId::platform([192, 0, 2, 1].into()));
/// discovery.transport_v4 = Some([192, 0, 2, 1].into());
/// let labels = LabelRange { first: Label::new(16).unwrap(), last: Label::new(9999).unwrap() };
/// let nhlfes = NhlfeRange { first: NhlfeId(1), last: NhlfeId(9999) };
/// let groups = EcmpRange { first: EcmpId(1), last: EcmpId(99) };
/// let lde = LdeConfig::new([192, 0, 2, 1].into(), labels, nhlfes, groups);
/// let mut speaker = LdpSpeaker::new(now, SpeakerConfig::new(discovery, lde)).unwrap();
/// let addresses = InterfaceAddresses { v4: Some([198, 51, 100, 1].into()), v6: None };
/// speaker.set_interface(now, IfIndex(1), Some(addresses));
/// assert!(matches!(speaker.poll_output(), Some(Output::Datagram { .. }))); // a Hello
/// ```
#[derive(Clone, Debug)]
pub struct LdpSpeaker {
    pub(super) config: SpeakerConfig,
    pub(super) discovery: Discovery,
    pub(super) sessions: BTreeMap<LdpId, Session>,
    pub(super) adjacencies: BTreeMap<LdpId, BTreeMap<AdjacencyId, discovery::Adjacency>>,
    pub(super) lde: Lde,
    pub(super) timers: Timers<Timer>,
    /// Sessions that may have outputs.
    pub(super) touched: BTreeSet<LdpId>,
    pub(super) outputs: VecDeque<Output>,
    /// By the peer's end of the session.
    pub(super) authentication: BTreeMap<IpAddr, Authentication>,
    /// The time of the last input or timeout.
    pub(super) now: Instant,
}

impl LdpSpeaker {
    /// A speaker without interfaces, targets and routes.
    ///
    /// # Errors
    /// A field of the configuration is out of its range.
    pub fn new(now: Instant, config: SpeakerConfig) -> Result<Self, ConfigError> {
        Ok(Self {
            discovery: Discovery::new(now, config.discovery.clone())?,
            lde: Lde::new(now, config.lde.clone())?,
            config,
            sessions: BTreeMap::new(),
            adjacencies: BTreeMap::new(),
            timers: Timers::new(),
            touched: BTreeSet::new(),
            outputs: VecDeque::new(),
            authentication: BTreeMap::new(),
            now,
        })
    }

    /// Runs LDP on an interface, with other addresses, or no more.
    pub fn set_interface(&mut self, now: Instant, iface: IfIndex, addresses: Option<InterfaceAddresses>) {
        self.now = now;
        self.discovery.set_interface(now, iface, addresses);
        self.pump();
    }

    /// Sends Targeted Hellos to an address, or no more.
    ///
    /// # Errors
    /// See [`Discovery::set_target`].
    pub fn set_target(&mut self, now: Instant, address: IpAddr, wanted: bool) -> Result<(), ConfigError> {
        self.now = now;
        let result = self.discovery.set_target(now, address, wanted);
        self.pump();
        result
    }

    /// The peer that a connection from this address to one of ours is of, if it is taken; close it otherwise.
    #[must_use]
    pub fn admits(&self, from: IpAddr) -> Option<LdpId> {
        let of = |peer: &LdpId| {
            let adjacencies = self.adjacencies.get(peer).into_iter().flat_map(BTreeMap::values);
            adjacencies.into_iter().any(|adjacency| adjacency.transport == from)
        };
        self.sessions.iter().find(|(peer, session)| session.admits_connection() && of(peer)).map(|(peer, _)| *peer)
    }

    /// Authenticates the connections with a peer's transport address, or no more. A session that is not authenticated so begins anew.
    ///
    /// The embedder carries it out: as [`Output::Connect`] says, and before it takes a connection from that address by
    /// [`Self::authentication`].
    ///
    /// # Errors
    /// A key without octets or with too many.
    pub fn set_authentication(
        &mut self,
        now: Instant,
        remote: IpAddr,
        how: Option<Authentication>,
    ) -> Result<(), ConfigError> {
        self.now = now;
        if let Some(how) = how.as_ref().filter(|how| !how.is_valid()) {
            let value = u32::try_from(how.key().len()).unwrap_or(u32::MAX);
            return Err(ConfigError::Number { field: "authentication", value, rule: "a key of 1 to 80 octets" });
        }
        let before = match how.clone() {
            Some(how) => self.authentication.insert(remote, how),
            None => self.authentication.remove(&remote),
        };
        if before != how {
            let of =
                |peer: &LdpId| self.adjacencies.get(peer).is_some_and(|of| of.values().any(|a| a.transport == remote));
            let peers: Vec<LdpId> = self.sessions.keys().copied().filter(of).collect();
            for peer in peers {
                self.session(peer, session::Input::Stop(StatusCode::SHUTDOWN));
                self.session(peer, session::Input::Start);
            }
            self.pump();
        }
        Ok(())
    }

    /// How connections with a peer's transport address are authenticated; `None`: not at all.
    #[must_use]
    pub fn authentication(&self, remote: IpAddr) -> Option<&Authentication> {
        self.authentication.get(&remote)
    }

    /// Forgets what number the last authenticated Hello from an address had; see [`Discovery::forget_hello_sequence`].
    pub fn forget_hello_sequence(&mut self, from: IpAddr) {
        self.discovery.forget_hello_sequence(from);
    }

    /// Whether a peer's segments must come over one hop (RFC 6720 §3): both sides said so in the Hellos of a link. For a connection
    /// that the peer opened; of the other kind [`Output::Connect`] says it.
    #[must_use]
    pub fn uses_gtsm(&self, peer: LdpId) -> bool {
        let mut of_peer = self.adjacencies.get(&peer).into_iter().flat_map(BTreeMap::values);
        let on_link = |a: &discovery::Adjacency| matches!(a.id.target, HelloTarget::Link { .. }) && a.gtsm;
        self.config.discovery.gtsm && of_peer.any(on_link)
    }

    /// Whether that holds of every peer there is: an embedder may then drop what comes to its listeners over more than one hop.
    #[must_use]
    pub fn all_use_gtsm(&self) -> bool {
        self.adjacencies.keys().all(|peer| self.uses_gtsm(*peer))
    }

    /// Takes an input.
    pub fn handle_input(&mut self, now: Instant, input: Input<'_>) {
        self.now = now;
        match input {
            Input::Datagram { from, iface, to_all_routers, ttl, octets } => {
                let input = discovery::Input::Datagram { from, iface, to_all_routers, ttl, octets };
                self.discovery.handle_input(now, input);
            }
            Input::Connected { peer } => self.session(peer, session::Input::Connected),
            Input::Stream { peer, octets } => self.session(peer, session::Input::Stream { octets }),
            Input::Closed { peer } => self.session(peer, session::Input::Closed),
            Input::Writable { peer, writable } => {
                self.lde.handle_input(now, lde::Input::Writable { peer, writable });
            }
            Input::Send { peer, message } => self.session(peer, session::Input::Send(message)),
            Input::LocalAddress { address, up } => {
                self.lde.handle_input(now, lde::Input::LocalAddress { address, up });
            }
            Input::Route { prefix, route } => self.lde.handle_input(now, lde::Input::Route { prefix, route }),
            Input::Refused(op) => self.lde.handle_input(now, lde::Input::Refused(op)),
        }
        self.pump();
    }

    /// Lets timers expire that are due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        self.discovery.handle_timeout(now);
        self.lde.handle_timeout(now);
        while let Some(timer) = self.timers.expired(now) {
            match timer {
                Timer::Session(peer) => {
                    if let Some(session) = self.sessions.get_mut(&peer) {
                        session.handle_timeout(now);
                    }
                    self.touched.insert(peer);
                }
                Timer::Family(id) => self.family_waited(id),
            }
            self.pump();
        }
        self.pump();
    }

    /// What is to be done next, if anything. Labels become messages here, as long as their peers are writable.
    pub fn poll_output(&mut self) -> Option<Output> {
        loop {
            if let Some(output) = self.outputs.pop_front() {
                return Some(output);
            }
            let mut moved = false;
            for _ in 0..BATCH {
                let Some(output) = self.lde.poll_output() else { break };
                moved = true;
                self.of_lde(output);
            }
            if !moved && self.touched.is_empty() {
                return None;
            }
            self.pump();
        }
    }

    /// When [`Self::handle_timeout`] is due. Inputs, timeouts and what an operator does change it.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        let all = [self.discovery.next_timeout(), self.lde.next_timeout(), self.timers.next_timeout()];
        all.into_iter().flatten().min()
    }

    /// The state of the session with a peer.
    #[must_use]
    pub fn session_state(&self, peer: LdpId) -> Option<State> {
        self.sessions.get(&peer).map(Session::state)
    }

    /// Label distribution, to look at.
    #[must_use]
    pub const fn lde(&self) -> &Lde {
        &self.lde
    }

    /// Discovery, to look at.
    #[must_use]
    pub const fn discovery(&self) -> &Discovery {
        &self.discovery
    }

    pub(super) fn session(&mut self, peer: LdpId, input: session::Input<'_>) {
        if let Some(session) = self.sessions.get_mut(&peer) {
            session.handle_input(self.now, input);
            self.touched.insert(peer);
        }
    }

    /// What label distribution wants done.
    fn of_lde(&mut self, output: lde::Output) {
        match output {
            lde::Output::Message { peer, message } => self.session(peer, session::Input::Send(message)),
            lde::Output::Program(op) => self.outputs.push_back(Output::Program(op)),
            lde::Output::Lsp { prefix, nhlfe } => self.outputs.push_back(Output::Lsp { prefix, nhlfe }),
            lde::Output::Event(event) => {
                self.outputs.push_back(Output::Event(Event::Lde(event)));
                if let lde::Event::Overrun { peer } = event {
                    // It comes back when it reads.
                    self.session(peer, session::Input::Stop(StatusCode::SHUTDOWN));
                    self.session(peer, session::Input::Start);
                }
            }
        }
    }
}
