//! The machine: peers, their ISAKMP SAs and IPsec SAs, and what an operator does to them.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use core::net::{IpAddr, SocketAddr};

use fwd_core::time::Instant;
use fwd_core::timers::Timers;
use hashbrown::HashMap;

use super::super::child_sa::{ChildSaId, IkeSaId};
use super::super::config::{ChildConfig, ConfigError, IkeSuite, PeerConfig, PeerId};
use super::super::counters::{Counters, Reject};
use super::super::crypto::{CryptoProvider, HashId};
use super::super::event::{Ended, Event, Input, Output};
use super::super::fresh;
use super::super::peer::{ByEnds, Peer};
use super::config::{Config, Phase1, check_child, check_peer};
use super::fsm::State;
use super::keys::IkeKeys;
use super::sa::{Child, IkeSa, Task};

/// What runs out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    Retransmit(IkeSaId),
    HalfOpen(IkeSaId),
    Quick(IkeSaId, u32),
    Liveness(IkeSaId),
    Keepalive(IkeSaId),
    Replace(IkeSaId),
    Expire(IkeSaId),
    ReplaceChild(ChildSaId),
    ExpireChild(ChildSaId),
}

/// A peer, and what there is with it.
#[derive(Debug)]
pub(super) struct With {
    pub(super) peer: Peer,
    pub(super) mode: Phase1,
    /// ISAKMP SAs that are established; the newest is the last.
    pub(super) sas: BTreeSet<IkeSaId>,
    pub(super) children: BTreeSet<ChildSaId>,
}

/// IKEv1 with any number of peers (RFC 2409).
///
/// One machine serves both ports of one system, beside that of IKEv2: [`major_version`](super::super::major_version) says which of them a
/// message is for. After [`Self::handle_input`], [`Self::handle_timeout`] and each operation, drain [`Self::poll_output`].
///
/// ```
/// # #[cfg(feature = "rustcrypto")] {
/// use fwd_core::time::Instant;
/// use ipsec_vlink::ike::crypto::rustcrypto::RustCrypto;
/// use ipsec_vlink::ike::v1::{Config, Ike, Input, Output, Phase1};
/// use ipsec_vlink::ike::{ChildConfig, IkeSuite, PeerConfig};
///
/// let now = Instant::from_secs(1);
/// let addresses = ["192.0.2.1".parse().unwrap(), "192.0.2.2".parse().unwrap()];
/// let mut ends = [0, 1].map(|n: usize| {
///     let mut peer = PeerConfig::psk(addresses[n], addresses[1 - n], b"a key that both know");
///     peer.suites = vec![IkeSuite::AES_CBC_256_MODP_2048];
///     peer.children = vec![ChildConfig::any_v4(1)];
///     let mut ike = Ike::new(now, Config::default(), RustCrypto::new(&[n as u8; 32])).unwrap();
///     let peer = ike.add_peer(peer, Phase1::Main).unwrap();
///     (ike, peer)
/// });
/// let (initiator, peer) = &mut ends[0];
/// initiator.connect(now, *peer, 1).unwrap();
/// let mut installed = 0;
/// for n in [0, 1, 0, 1, 0, 1, 0, 1, 0, 1] {
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
    /// By the cookie of ours.
    pub(super) by_cookie: HashMap<u64, IkeSaId>,
    /// Those that a repeated first message may be for: by the initiator's address and cookie.
    pub(super) by_initiator: HashMap<(SocketAddr, u64), IkeSaId>,
    /// Oldest first.
    pub(super) half_open: BTreeSet<IkeSaId>,
    pub(super) half_open_by_source: HashMap<IpAddr, BTreeSet<IkeSaId>>,
    pub(super) children: HashMap<ChildSaId, Child>,
    pub(super) by_spi_in: HashMap<u32, ChildSaId>,
    pub(super) by_spi_out: HashMap<(PeerId, u32), ChildSaId>,
    pub(super) timers: Timers<Timer>,
    pub(super) outputs: VecDeque<Output>,
    pub(super) counters: Counters,
    quiet_until: [Instant; Reject::COUNT],
    pub(super) next_ike: u32,
    pub(super) next_child: u32,
    next_peer: u32,
}

impl<P: CryptoProvider> Ike<P> {
    /// A machine without peers.
    ///
    /// # Errors
    /// A field of the configuration is out of its range.
    pub fn new(_now: Instant, config: Config, provider: P) -> Result<Self, ConfigError> {
        config.check()?;
        // Repetitions are known by it.
        if provider.hash(HashId::SHA1, &[]).is_err() {
            return Err(ConfigError::Zero("provider: SHA-1"));
        }
        Ok(Self {
            config,
            provider,
            peers: BTreeMap::new(),
            by_ends: ByEnds::default(),
            sas: HashMap::new(),
            by_cookie: HashMap::new(),
            by_initiator: HashMap::new(),
            half_open: BTreeSet::new(),
            half_open_by_source: HashMap::new(),
            children: HashMap::new(),
            by_spi_in: HashMap::new(),
            by_spi_out: HashMap::new(),
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
            Input::Worn(child) => self.replace_child_now(now, child),
            Input::Heard(child) => {
                let peer = self.children.get(&child).map(|c| c.peer);
                if let Some(sa) = peer.and_then(|p| self.newest(p)).and_then(|id| self.sas.get_mut(&id)) {
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
                Timer::HalfOpen(id) => self.with(id, |this, sa| this.end(now, sa, Ended::Timeout)),
                Timer::Quick(id, message_id) => self.on_quick_timer(now, id, message_id),
                Timer::Liveness(id) => self.on_liveness(now, id),
                Timer::Keepalive(id) => self.on_keepalive(now, id),
                Timer::Replace(id) => self.on_replace(now, id),
                Timer::Expire(id) => self.with(id, |this, sa| this.delete_sa(now, sa)),
                Timer::ReplaceChild(child) => self.replace_child_now(now, child),
                Timer::ExpireChild(child) => self.delete_child_now(child),
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

    /// Adds a peer, with the mode of phase 1 that we begin with. Of `config`, `reauthenticate` says nothing here: phase 1 always proves
    /// anew; nor does the `integrity` of a suite, for it is that of `prf`.
    ///
    /// # Errors
    /// A field of the configuration is not possible in IKEv1, or a peer with the same identities and addresses is there.
    pub fn add_peer(&mut self, config: PeerConfig, mode: Phase1) -> Result<PeerId, ConfigError> {
        check_peer(&config, &self.provider)?;
        let same = |id: PeerId| {
            let there = self.peers.get(&id).map(|with| &with.peer.config);
            there.is_some_and(|p| (&p.local_id, &p.remote_id) == (&config.local_id, &config.remote_id))
        };
        if self.by_ends.of(config.local, config.remote).any(same) {
            return Err(ConfigError::Duplicate);
        }
        let id = PeerId(self.next_peer);
        self.next_peer = self.next_peer.checked_add(1).ok_or(ConfigError::Limit("peers"))?;
        self.by_ends.add(&config, id);
        let peer = Peer::new(config);
        self.peers.insert(id, With { peer, mode, sas: BTreeSet::new(), children: BTreeSet::new() });
        Ok(id)
    }

    /// Adds a child to a peer.
    ///
    /// # Errors
    /// A field of the configuration is not possible in IKEv1, or the tag is taken.
    pub fn add_child(&mut self, peer: PeerId, child: ChildConfig) -> Result<(), ConfigError> {
        let with = self.peers.get_mut(&peer).ok_or(ConfigError::NotThere)?;
        with.peer.config.check_child(&child, &self.provider)?;
        check_child(&child)?;
        with.peer.add(child)
    }

    /// Asks a peer for the child of this tag; an ISAKMP SA is made first where there is none.
    ///
    /// # Errors
    /// There is no such peer or child, the peer has no address, or a limit is reached.
    pub fn connect(&mut self, now: Instant, peer: PeerId, tag: u32) -> Result<IkeSaId, ConfigError> {
        let with = self.peers.get(&peer).ok_or(ConfigError::NotThere)?;
        with.peer.child(tag).ok_or(ConfigError::NotThere)?;
        let begun = || self.sas.values().filter(|sa| sa.peer == peer && sa.initiator).map(|sa| sa.id).min();
        let id = match self.newest(peer).or_else(begun) {
            Some(id) => id,
            None => self.initiate(now, peer, None)?,
        };
        self.ask(now, id, Task::Create(tag, None));
        Ok(id)
    }

    /// Replaces an ISAKMP SA: phase 1 is gone through again.
    ///
    /// # Errors
    /// There is no such SA, or it is not established.
    pub fn replace(&mut self, now: Instant, ike: IkeSaId) -> Result<(), ConfigError> {
        let sa = self.sas.get(&ike).filter(|sa| sa.is_established()).ok_or(ConfigError::NotThere)?;
        self.initiate(now, sa.peer, Some(ike)).map(drop)
    }

    /// Replaces an IPsec SA.
    ///
    /// # Errors
    /// There is no such SA.
    pub fn replace_child(&mut self, now: Instant, child: ChildSaId) -> Result<(), ConfigError> {
        self.children.get(&child).ok_or(ConfigError::NotThere)?;
        self.replace_child_now(now, child);
        Ok(())
    }

    /// Deletes an IPsec SA.
    ///
    /// # Errors
    /// There is no such SA.
    pub fn delete_child(&mut self, _now: Instant, child: ChildSaId) -> Result<(), ConfigError> {
        self.children.get(&child).ok_or(ConfigError::NotThere)?;
        self.delete_child_now(child);
        Ok(())
    }

    /// Deletes an ISAKMP SA, and the IPsec SAs with its peer if there is no other ISAKMP SA.
    ///
    /// # Errors
    /// There is no such SA.
    pub fn delete(&mut self, now: Instant, ike: IkeSaId) -> Result<(), ConfigError> {
        self.sas.get(&ike).ok_or(ConfigError::NotThere)?;
        self.with(ike, |this, sa| this.delete_sa(now, sa));
        Ok(())
    }

    /// What was counted.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// How many ISAKMP SAs there are, and how many of them are half-open.
    #[must_use]
    pub fn sizes(&self) -> (usize, usize) {
        (self.sas.len(), self.half_open.len())
    }

    /// How many IPsec SAs there are.
    #[must_use]
    pub fn children(&self) -> usize {
        self.children.len()
    }

    /// The state of an ISAKMP SA.
    #[must_use]
    pub fn state(&self, ike: IkeSaId) -> Option<State> {
        self.sas.get(&ike).map(|sa| sa.state)
    }

    /// Cookies of initiator and responder, algorithms and keys of an ISAKMP SA, for a protocol analyser's key file.
    #[must_use]
    pub fn keys(&self, ike: IkeSaId) -> Option<(u64, u64, IkeSuite, &IkeKeys)> {
        let sa = self.sas.get(&ike)?;
        Some((sa.cookie_i, sa.cookie_r, sa.suite, sa.keys.as_ref()?))
    }

    /// The ISAKMP SA with a peer that is in use: the newest.
    pub(super) fn newest(&self, peer: PeerId) -> Option<IkeSaId> {
        self.peers.get(&peer)?.sas.last().copied()
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
            this.next_exchange(now, sa);
        });
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

    /// A cookie of ours: random, which is all that RFC 2408 §2.5.3 asks for here, where each is looked up.
    pub(super) fn new_cookie(&mut self) -> u64 {
        fresh::ike_spi(&mut self.provider, |spi| self.by_cookie.contains_key(spi))
    }

    /// A duration of 80 to 90 per cent of `d`: what is replaced, is replaced before it runs out at either end.
    pub(super) fn jittered(&mut self, d: core::time::Duration) -> core::time::Duration {
        let mut octet = [0];
        self.provider.random(&mut octet);
        let [part] = octet;
        d / 10 * 9 - d / 2560 * u32::from(part)
    }
}
