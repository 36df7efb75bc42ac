//! The machine: peers, their IKE SAs and Child SAs, and what an operator does to them.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use core::net::{IpAddr, SocketAddr};

use fwd_core::time::Instant;
use fwd_core::timers::Timers;
use hashbrown::HashMap;

use super::super::child_sa::{ChildSaId, IkeSaId};
use super::super::config::{ChildConfig, ConfigError, PeerConfig, PeerId};
use super::super::counters::{Counters, Reject};
use super::super::crypto::{CryptoProvider, HashId};
use super::super::event::{Event, Input, Output};
use super::super::fresh;
use super::super::peer::{ByEnds, Peer};
use super::config::Config;
use super::cookie::Cookies;
use super::fsm::State;
use super::keys::IkeKeys;
use super::sa::{Child, IkeSa, Task};
use super::ticket::{Ticket, Tickets};

/// What runs out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    Retransmit(IkeSaId),
    HalfOpen(IkeSaId),
    Liveness(IkeSaId),
    Keepalive(IkeSaId),
    Replace(IkeSaId),
    ReplaceChild(ChildSaId),
    /// A request that the peer asked to wait with (RFC 7296 §2.25).
    Retry(IkeSaId),
}

/// A peer, with its SAs.
#[derive(Debug)]
pub(super) struct With {
    pub(super) peer: Peer,
    pub(super) sas: BTreeSet<IkeSaId>,
    /// What it gave to come back with (RFC 5723).
    pub(super) ticket: Option<Ticket>,
}

impl core::ops::Deref for With {
    type Target = Peer;
    fn deref(&self) -> &Peer {
        &self.peer
    }
}

/// IKEv2 with any number of peers (RFC 7296).
///
/// One machine serves both ports of one system. It initiates where it is asked to ([`Self::connect`]) and answers peers that are
/// configured. Child SAs leave as [`Output::Install`] with their keys; the machine forgets those. After [`Self::handle_input`],
/// [`Self::handle_timeout`] and each operation, drain [`Self::poll_output`].
///
/// ```
/// # #[cfg(feature = "rustcrypto")] {
/// use fwd_core::time::Instant;
/// use ipsec_vlink::ike::crypto::rustcrypto::RustCrypto;
/// use ipsec_vlink::ike::v2::{Config, Ike, Input, Output};
/// use ipsec_vlink::ike::{ChildConfig, PeerConfig};
///
/// let now = Instant::from_secs(1);
/// let addresses = ["192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap()];
/// let mut ends = [0, 1].map(|n: usize| {
///     let mut peer = PeerConfig::psk(addresses[n], addresses[1 - n], b"a key that both know");
///     peer.children = vec![ChildConfig::any_v4(1)];
///     let mut ike = Ike::new(now, Config::default(), RustCrypto::new(&[n as u8; 32])).unwrap();
///     let peer = ike.add_peer(peer).unwrap();
///     (ike, peer)
/// });
/// let (initiator, peer) = &mut ends[0];
/// initiator.connect(now, *peer, 1).unwrap();
/// let mut installed = 0;
/// for n in [0, 1, 0, 1, 0] {
///     while let Some(output) = ends[n].0.poll_output() {
///         match output {
///             Output::Datagram { from, to, octets } => {
///                 ends[1 - n].0.handle_input(now, Input::Datagram { from, to, octets: &octets });
///             }
///             Output::Install(_child_for_the_sad) => installed += 1,
///             _ => {}
///         }
///     }
/// }
/// assert_eq!(installed, 2);
/// # }
/// ```
#[derive(Debug)]
pub struct Ike<P> {
    pub(super) config: Config,
    pub(super) provider: P,
    pub(super) peers: BTreeMap<PeerId, With>,
    pub(super) by_ends: ByEnds,
    pub(super) sas: HashMap<IkeSaId, Box<IkeSa>>,
    pub(super) by_spi: HashMap<u64, IkeSaId>,
    /// Half-open SAs, and those that a repeated IKE_SA_INIT may be for: by the initiator's address and SPI.
    pub(super) by_initiator: HashMap<(SocketAddr, u64), IkeSaId>,
    pub(super) half_open: usize,
    pub(super) half_open_by_source: HashMap<IpAddr, usize>,
    pub(super) children: HashMap<ChildSaId, Child>,
    pub(super) by_spi_in: HashMap<u32, ChildSaId>,
    pub(super) cookies: Cookies,
    pub(super) tickets: Tickets,
    pub(super) timers: Timers<Timer>,
    pub(super) outputs: VecDeque<Output>,
    pub(super) counters: Counters,
    pub(super) quiet_until: [Instant; Reject::COUNT],
    pub(super) next_ike: u32,
    pub(super) next_child: u32,
    next_peer: u32,
}

impl<P: CryptoProvider> Ike<P> {
    /// A machine without peers.
    ///
    /// # Errors
    /// A field of the configuration is out of its range.
    pub fn new(now: Instant, config: Config, mut provider: P) -> Result<Self, ConfigError> {
        config.check(&provider)?;
        // NAT detection and cookies need it (RFC 7296 §2.23).
        if provider.hash(HashId::SHA1, &[]).is_err() {
            return Err(ConfigError::Zero("provider: SHA-1"));
        }
        let cookies = Cookies::new(now, &mut provider);
        let tickets = Tickets::new(config.tickets.clone(), &mut provider);
        Ok(Self {
            config,
            provider,
            peers: BTreeMap::new(),
            by_ends: ByEnds::default(),
            sas: HashMap::new(),
            by_spi: HashMap::new(),
            by_initiator: HashMap::new(),
            half_open: 0,
            half_open_by_source: HashMap::new(),
            children: HashMap::new(),
            by_spi_in: HashMap::new(),
            cookies,
            tickets,
            timers: Timers::new(),
            outputs: VecDeque::new(),
            counters: Counters::default(),
            quiet_until: [Instant::ZERO; Reject::COUNT],
            next_ike: 0,
            next_child: 0,
            next_peer: 0,
        })
    }

    /// Takes an input. It never fails: a peer's faults become counters and events.
    pub fn handle_input(&mut self, now: Instant, input: Input<'_>) {
        match input {
            Input::Datagram { from, to, octets } => self.on_datagram(now, from, to, octets),
            Input::Worn(child) => self.ask_child(now, child, Task::RekeyChild(child)),
            Input::Heard(child) => {
                let sa = self.children.get(&child).and_then(|c| self.sas.get_mut(&c.ike));
                if let Some(sa) = sa {
                    sa.heard = true;
                }
            }
        }
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(timer) = self.timers.expired(now) {
            match timer {
                Timer::Retransmit(id) => self.on_retransmit(now, id),
                Timer::HalfOpen(id) => self.on_half_open(now, id),
                Timer::Liveness(id) => self.on_liveness(now, id),
                Timer::Keepalive(id) => self.on_keepalive(now, id),
                Timer::Replace(id) => self.on_replace(now, id),
                Timer::ReplaceChild(child) => self.ask_child(now, child, Task::RekeyChild(child)),
                Timer::Retry(id) => self.with(id, |ike, sa| ike.next_request(now, sa)),
            }
        }
    }

    /// The next output, if there is one.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Self::handle_timeout`] is to be called. Inputs, timeouts and operations change it.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        self.timers.next_timeout()
    }

    /// Adds a peer.
    ///
    /// # Errors
    /// A field of the configuration is not possible, or a peer with the same identities and addresses is there.
    pub fn add_peer(&mut self, config: PeerConfig) -> Result<PeerId, ConfigError> {
        config.check(&self.provider)?;
        let same = |id: PeerId| {
            let there = self.peers.get(&id).map(|p| &p.config);
            there.is_some_and(|p| (&p.local_id, &p.remote_id) == (&config.local_id, &config.remote_id))
        };
        if self.by_ends.of(config.local, config.remote).any(same) {
            return Err(ConfigError::Duplicate);
        }
        let id = PeerId(self.next_peer);
        self.next_peer = self.next_peer.checked_add(1).ok_or(ConfigError::Limit("peers"))?;
        self.by_ends.add(&config, id);
        self.peers.insert(id, With { peer: Peer::new(config), sas: BTreeSet::new(), ticket: None });
        Ok(id)
    }

    /// Adds a child to a peer.
    ///
    /// # Errors
    /// A field of the configuration is not possible, or the tag is taken.
    pub fn add_child(&mut self, peer: PeerId, child: ChildConfig) -> Result<(), ConfigError> {
        let with = self.peers.get_mut(&peer).ok_or(ConfigError::NotThere)?;
        with.config.check_child(&child, &self.provider)?;
        with.peer.add(child)
    }

    /// Asks a peer for the child of this tag; an IKE SA is made first where there is none.
    ///
    /// # Errors
    /// There is no such peer or child, the peer has no address, or a limit is reached.
    pub fn connect(&mut self, now: Instant, peer: PeerId, tag: u32) -> Result<IkeSaId, ConfigError> {
        let with = self.peers.get(&peer).ok_or(ConfigError::NotThere)?;
        with.peer.child(tag).ok_or(ConfigError::NotThere)?;
        let ended = |s: State| matches!(s, State::Replaced | State::Deleting | State::Dead | State::InitReceived);
        let usable = |id: &IkeSaId| self.sas.get(id).is_some_and(|sa| !ended(sa.state));
        // The lowest, so that every run does the same.
        let there = with.sas.iter().copied().find(usable);
        if let Some(id) = there {
            self.with(id, |ike, sa| {
                if sa.handshake.as_ref().is_none_or(|h| h.tag != tag) {
                    sa.ask(Task::Create(tag));
                }
                ike.next_request(now, sa);
            });
            return Ok(id);
        }
        self.initiate(now, peer, tag, None)
    }

    /// Asks a peer for a child on a certain IKE SA.
    ///
    /// # Errors
    /// There is no such SA or child.
    pub fn connect_on(&mut self, now: Instant, ike: IkeSaId, tag: u32) -> Result<(), ConfigError> {
        let sa = self.sas.get(&ike).ok_or(ConfigError::NotThere)?;
        self.peers.get(&sa.peer).and_then(|p| p.child(tag)).ok_or(ConfigError::NotThere)?;
        self.ask(now, ike, Task::Create(tag));
        Ok(())
    }

    /// Replaces an IKE SA: by a rekeyed one, or by a new one with a new proof if its peer is configured so.
    ///
    /// # Errors
    /// There is no such SA.
    pub fn replace(&mut self, now: Instant, ike: IkeSaId) -> Result<(), ConfigError> {
        self.sas.get(&ike).ok_or(ConfigError::NotThere)?;
        self.on_replace(now, ike);
        Ok(())
    }

    /// Clones an IKE SA (RFC 7791): another one beside it, without a new proof, if the peer knows how.
    ///
    /// # Errors
    /// There is no such SA, or its peer cannot.
    pub fn clone_sa(&mut self, now: Instant, ike: IkeSaId) -> Result<(), ConfigError> {
        self.sas.get(&ike).filter(|sa| sa.clones).ok_or(ConfigError::NotThere)?;
        self.ask(now, ike, Task::CloneIke(None));
        Ok(())
    }

    /// Replaces a Child SA.
    ///
    /// # Errors
    /// There is no such SA.
    pub fn replace_child(&mut self, now: Instant, child: ChildSaId) -> Result<(), ConfigError> {
        self.children.get(&child).ok_or(ConfigError::NotThere)?;
        self.ask_child(now, child, Task::RekeyChild(child));
        Ok(())
    }

    /// Deletes a Child SA.
    ///
    /// # Errors
    /// There is no such SA.
    pub fn delete_child(&mut self, now: Instant, child: ChildSaId) -> Result<(), ConfigError> {
        self.children.get(&child).ok_or(ConfigError::NotThere)?;
        self.ask_child(now, child, Task::DeleteChild(child));
        Ok(())
    }

    /// Deletes an IKE SA with its children.
    ///
    /// # Errors
    /// There is no such SA.
    pub fn delete(&mut self, now: Instant, ike: IkeSaId) -> Result<(), ConfigError> {
        self.sas.get(&ike).ok_or(ConfigError::NotThere)?;
        self.ask(now, ike, Task::DeleteIke);
        Ok(())
    }

    /// What was counted.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// How many IKE SAs there are, and how many of them are half-open.
    #[must_use]
    pub fn sizes(&self) -> (usize, usize) {
        (self.sas.len(), self.half_open)
    }

    /// How many Child SAs there are.
    #[must_use]
    pub fn children(&self) -> usize {
        self.children.len()
    }

    /// The state of an IKE SA.
    #[must_use]
    pub fn state(&self, ike: IkeSaId) -> Option<State> {
        self.sas.get(&ike).map(|sa| sa.state)
    }

    /// SPIs of initiator and responder, algorithms and keys of an IKE SA, for a protocol analyser's key file.
    #[must_use]
    pub fn keys(&self, ike: IkeSaId) -> Option<(u64, u64, super::super::config::IkeSuite, &IkeKeys)> {
        let sa = self.sas.get(&ike)?;
        Some((sa.spi_i(), sa.spi_r(), sa.suite, sa.keys.as_ref()?))
    }

    /// Takes an SA out, does something with it, and puts it back unless it has ended.
    pub(super) fn with(&mut self, id: IkeSaId, f: impl FnOnce(&mut Self, &mut IkeSa)) {
        let Some(mut sa) = self.sas.remove(&id) else { return };
        f(self, &mut sa);
        if sa.state != State::Dead {
            self.sas.insert(id, sa);
        }
    }

    pub(super) fn ask(&mut self, now: Instant, ike: IkeSaId, task: Task) {
        self.with(ike, |this, sa| {
            sa.ask(task);
            this.next_request(now, sa);
        });
    }

    pub(super) fn ask_child(&mut self, now: Instant, child: ChildSaId, task: Task) {
        if let Some(ike) = self.children.get(&child).map(|c| c.ike) {
            self.ask(now, ike, task);
        }
    }

    pub(super) fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    /// Counts a datagram that is not taken, and says so once a second per cause.
    pub(super) fn reject(&mut self, now: Instant, from: SocketAddr, cause: Reject) {
        if self.counters.reject(now, &mut self.quiet_until, cause) {
            self.event(Event::Rejected(from, cause));
        }
    }

    /// A random number of 64 bits that is not 0.
    pub(super) fn random_spi(&mut self) -> u64 {
        fresh::ike_spi(&mut self.provider, |spi| self.by_spi.contains_key(spi))
    }

    /// A duration of 90 to 100 per cent of `d` (RFC 7296 §2.8: jitter).
    pub(super) fn jittered(&mut self, d: core::time::Duration) -> core::time::Duration {
        let mut octet = [0];
        self.provider.random(&mut octet);
        let [part] = octet;
        d - d / 2560 * u32::from(part)
    }
}
