//! The machine of the virtual links of one system.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::net::IpAddr;

use fwd_core::net::{NhlfeId, SaId, VlinkId, VpnId};
use fwd_core::op::{Ends, FwdOp};
use fwd_core::time::Instant;
use fwd_core::timers::Timers;
use hashbrown::HashMap;

use super::association::Association;
use super::config::{
    Config, ConfigError, Event, Input, LinkConfig, LinkId, LinkStatus, Output, PeerConfig, PeerId, Security,
};
use super::fsm::{LinkAction, LinkEvent, LinkState, transition};
use crate::arch::{self, Architecture, TunnelManager, addresses};
use crate::l2tp::control::SessionUp;
use crate::spd::{Audit, Spds};

#[derive(Debug)]
pub(super) struct Peer {
    pub(super) cfg: PeerConfig,
    pub(super) path_mtu: u16,
    pub(super) links: BTreeSet<LinkId>,
    /// It deletes associations whose selectors another one has.
    pub(super) deletes_duplicates: bool,
}

/// What goes between two addresses by one architecture.
#[derive(Debug, Default)]
pub(super) struct Pair {
    /// Links that are clear, have integrity, are encrypted.
    counts: [usize; 3],
    pub(super) links: BTreeSet<LinkId>,
}

impl Pair {
    /// Links of this policy; none discards in the way of others.
    pub(super) const fn of(&self, policy: Security) -> usize {
        let [clear, integrity, esp] = self.counts;
        match policy {
            Security::Clear => clear,
            Security::Integrity => integrity,
            Security::Esp => esp,
            Security::Discard => 0,
        }
    }

    /// Counts a link of this policy; `by` is 1 or -1.
    pub(super) const fn count(&mut self, policy: Security, by: isize) {
        let [clear, integrity, esp] = &mut self.counts;
        let count = match policy {
            Security::Clear => clear,
            Security::Integrity => integrity,
            Security::Esp => esp,
            Security::Discard => return,
        };
        *count = count.saturating_add_signed(by);
    }
}

#[derive(Debug)]
pub(super) struct Link {
    pub(super) cfg: LinkConfig,
    pub(super) ends: Ends,
    pub(super) vlink: VlinkId,
    pub(super) entry: NhlfeId,
    pub(super) sa: Option<SaId>,
    pub(super) session: Option<SessionUp>,
    pub(super) local_key: Option<u32>,
    pub(super) remote_key: Option<u32>,
    pub(super) state: LinkState,
    /// Its policy has changed: until then it goes on, without an association for a while.
    pub(super) grace: Option<Instant>,
    /// What watches it says.
    alive: Option<bool>,
    pub(super) spd_changed: Instant,
    pub(super) changed: Instant,
    pub(super) status: LinkStatus,
}

/// What links share: the tunnel of one architecture between two addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Tunnel {
    peer: PeerId,
    architecture: Architecture,
    ends: (IpAddr, IpAddr),
}

impl Tunnel {
    pub(super) const fn of(link: &Link) -> Self {
        Self::between(&link.cfg, &link.ends)
    }

    pub(super) const fn between(cfg: &LinkConfig, ends: &Ends) -> Self {
        Self { peer: cfg.peer, architecture: cfg.architecture, ends: addresses(ends) }
    }
}

/// Timers of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Timer(pub(super) LinkId);

/// The virtual links of one system. See [`super`].
#[derive(Debug)]
pub struct VirtualLinks {
    pub(super) cfg: Config,
    pub(super) peers: Vec<Peer>,
    pub(super) links: Vec<Option<Link>>,
    pub(super) count: usize,
    /// The link of each name.
    pub(super) names: HashMap<(PeerId, VpnId, u32), LinkId>,
    /// Links by architecture and addresses.
    pub(super) pairs: BTreeMap<(Architecture, IpAddr, IpAddr), Pair>,
    /// The policies of each link.
    pub(super) spds: Spds<LinkId>,
    pub(super) told: BTreeMap<Audit, Instant>,
    /// The association that came up last, of those by SPI between two addresses.
    pub(super) last_up: BTreeMap<(Architecture, (IpAddr, IpAddr)), SaId>,
    /// The link of the forwarding plane that the labels of a tunnel are in, and how many links use it.
    pub(super) tunnels: BTreeMap<Tunnel, (VlinkId, usize)>,
    pub(super) associations: HashMap<SaId, Association>,
    /// Those that IKE needs no extension for, by the addresses that they are between.
    pub(super) plain: BTreeMap<(IpAddr, IpAddr), BTreeSet<SaId>>,
    /// The association that the links of a tunnel share.
    pub(super) shared: BTreeMap<Tunnel, SaId>,
    pub(super) next_sa: u32,
    pub(super) free_sas: Vec<SaId>,
    /// Keys and labels in use: whose.
    pub(super) keys: BTreeMap<(Architecture, u32), LinkId>,
    pub(super) next_key: [u32; 2],
    next_vlink: u32,
    /// A link of each virtual link of the forwarding plane.
    pub(super) by_vlink: HashMap<VlinkId, LinkId>,
    pub(super) timers: Timers<Timer>,
    pub(super) outputs: VecDeque<Output>,
}

impl VirtualLinks {
    /// A system without peers.
    ///
    /// # Errors
    /// A range of keys or labels is empty, or has labels that are none.
    pub fn new(_now: Instant, cfg: Config) -> Result<Self, ConfigError> {
        if cfg.keys.is_empty() {
            return Err(ConfigError::Key);
        }
        if cfg.labels.is_empty() || cfg.labels.start < 16 || cfg.labels.end > 1 << 20 {
            return Err(ConfigError::Label);
        }
        Ok(Self {
            next_key: [cfg.keys.start, cfg.labels.start],
            next_sa: cfg.first_sa.0.into(),
            next_vlink: cfg.first_vlink.0,
            cfg,
            peers: Vec::new(),
            links: Vec::new(),
            count: 0,
            names: HashMap::new(),
            pairs: BTreeMap::new(),
            spds: Spds::new(),
            told: BTreeMap::new(),
            last_up: BTreeMap::new(),
            tunnels: BTreeMap::new(),
            associations: HashMap::new(),
            plain: BTreeMap::new(),
            shared: BTreeMap::new(),
            by_vlink: HashMap::new(),
            free_sas: Vec::new(),
            keys: BTreeMap::new(),
            timers: Timers::new(),
            outputs: VecDeque::new(),
        })
    }

    /// Adds a peer.
    pub fn add_peer(&mut self, cfg: PeerConfig) -> PeerId {
        let id = PeerId(self.peers.len() as u32);
        self.peers.push(Peer { path_mtu: cfg.path_mtu, cfg, links: BTreeSet::new(), deletes_duplicates: false });
        id
    }

    /// Adds a link, and asks for what it needs.
    ///
    /// # Errors
    /// What is wrong with the configuration.
    pub fn add_link(&mut self, now: Instant, cfg: LinkConfig) -> Result<LinkId, ConfigError> {
        let ends = self.check(&cfg)?;
        if self.count >= self.cfg.links {
            return Err(ConfigError::Full);
        }
        let id = LinkId(u32::try_from(self.links.len()).map_err(|_| ConfigError::Full)?);
        let local_key = self.choose_key(id, &cfg)?;
        let sa = self.choose_sa(id, &cfg, &ends)?;
        let is_mpls = cfg.architecture == Architecture::Mpls;
        let vlink = match self.tunnels.get_mut(&Tunnel::between(&cfg, &ends)).filter(|_| is_mpls) {
            Some((vlink, users)) => {
                *users += 1;
                *vlink
            }
            None => {
                let vlink = VlinkId(self.next_vlink);
                self.next_vlink += 1;
                if is_mpls {
                    self.tunnels.insert(Tunnel::between(&cfg, &ends), (vlink, 1));
                }
                vlink
            }
        };
        let (local, remote) = addresses(&ends);
        let pair = self.pairs.entry((cfg.architecture, local, remote)).or_default();
        pair.count(cfg.security, 1);
        pair.links.insert(id);
        self.names.insert((cfg.peer, cfg.vpn, cfg.index), id);
        self.by_vlink.entry(vlink).or_insert(id);
        if let Some(peer) = self.peers.get_mut(cfg.peer.0 as usize) {
            peer.links.insert(id);
        }
        let link = Link {
            ends,
            vlink,
            entry: NhlfeId(self.cfg.first_nhlfe.0.saturating_add(id.0)),
            sa,
            session: None,
            local_key,
            remote_key: cfg.remote_key,
            state: LinkState::Absent,
            grace: None,
            alive: None,
            spd_changed: now,
            changed: now,
            status: LinkStatus::default(),
            cfg,
        };
        self.links.push(Some(link));
        self.count += 1;
        self.set_spd(now, id);
        self.link_event(now, id, LinkEvent::Add);
        self.consider(now, id);
        Ok(id)
    }

    /// Removes a link: the forwarding plane forgets it, and what it asked for is given back.
    pub fn remove_link(&mut self, now: Instant, id: LinkId) {
        self.link_event(now, id, LinkEvent::Remove);
        let Some(link) = self.links.get_mut(id.0 as usize).and_then(Option::take) else { return };
        self.count -= 1;
        self.timers.clear(Timer(id));
        self.names.remove(&(link.cfg.peer, link.cfg.vpn, link.cfg.index));
        if let Some(peer) = self.peers.get_mut(link.cfg.peer.0 as usize) {
            peer.links.remove(&id);
        }
        let (local, remote) = addresses(&link.ends);
        let key = (link.cfg.architecture, local, remote);
        if let Some(pair) = self.pairs.get_mut(&key) {
            pair.count(link.cfg.security, -1);
            pair.links.remove(&id);
            if pair.links.is_empty() {
                self.pairs.remove(&key);
            }
        }
        self.spds.remove(&id);
        if let Some(key) = link.local_key {
            self.keys.remove(&(link.cfg.architecture, key));
        }
        self.give_up_vlink(id, &link);
    }

    /// The virtual link of a link that goes: another one of its tunnel has it from now on, or it goes too.
    fn give_up_vlink(&mut self, id: LinkId, link: &Link) {
        let tunnel = Tunnel::of(link);
        let others = self.tunnels.get_mut(&tunnel).map_or(0, |(_, users)| {
            *users = users.saturating_sub(1);
            *users
        });
        if others == 0 {
            self.by_vlink.remove(&link.vlink);
            if let Some((id, _)) = self.tunnels.remove(&tunnel) {
                self.outputs.push_back(Output::Program(FwdOp::ClearVlink { id }));
            }
        } else if self.by_vlink.get(&link.vlink) == Some(&id) {
            let (local, remote) = addresses(&link.ends);
            let pair = self.pairs.get(&(link.cfg.architecture, local, remote));
            let next = pair.into_iter().flat_map(|pair| &pair.links);
            let has_it = |id: &&LinkId| self.link(**id).is_some_and(|other| other.vlink == link.vlink);
            if let Some(next) = next.copied().find(|id| has_it(&id)) {
                self.by_vlink.insert(link.vlink, next);
            }
        }
    }

    /// Takes what arrived.
    pub fn handle_input(&mut self, now: Instant, input: Input<'_>) {
        match input {
            Input::SaUp { sa, context } => self.sa_up(now, sa, context),
            Input::SaDown { sa } => {
                self.suspect_duplicates(now, sa);
                let Some(association) = self.associations.get_mut(&sa) else { return };
                association.up = None;
                let links: Vec<LinkId> = association.links.iter().copied().collect();
                links.into_iter().for_each(|id| self.consider(now, id));
            }
            Input::SessionUp { link, up } => self.change(now, link, |l| l.session = Some(*up)),
            Input::SessionDown { link } => self.change(now, link, |l| l.session = None),
            Input::RemoteKey { link, key } => self.change(now, link, |l| l.remote_key = key),
            Input::Alive { link, alive } => self.change(now, link, |l| l.alive = Some(alive)),
            Input::PathMtu { peer, mtu } => {
                let Some(peer) = self.peers.get_mut(peer.0 as usize) else { return };
                peer.path_mtu = mtu;
                let links: Vec<LinkId> = peer.links.iter().copied().collect();
                links.into_iter().for_each(|id| self.announce(id));
            }
            Input::Refused(op) => self.refused(now, &op),
        }
    }

    /// Changes what is known of a link; one that carries packets by what is not so any more ceases to before it begins anew.
    fn change(&mut self, now: Instant, id: LinkId, change: impl FnOnce(&mut Link)) {
        let Some(link) = self.links.get_mut(id.0 as usize).and_then(Option::as_mut) else { return };
        let before = (link.session, link.remote_key);
        change(link);
        let is_other = before != (link.session, link.remote_key);
        if is_other && link.state.carries() {
            self.link_event(now, id, LinkEvent::Lost);
        }
        self.consider(now, id);
    }

    /// Looks at what a link has, and what it needs.
    pub(super) fn consider(&mut self, now: Instant, id: LinkId) {
        let Some(link) = self.link(id) else { return };
        // What its SPD says: nothing goes that it discards, and nothing that is to be protected by what is not there.
        let protected = match self.decided(id) {
            Err(_) => false,
            Ok(None) => true,
            Ok(Some(sa)) => {
                let is_up = self.associations.get(&sa).is_some_and(|a| a.up.is_some());
                is_up || link.grace.is_some_and(|until| now < until)
            }
        };
        let keyed = match link.cfg.architecture {
            Architecture::Gre => link.local_key.is_none() || link.remote_key.is_some(),
            Architecture::Mpls => link.remote_key.is_some(),
            Architecture::L2tp => link.session.is_some(),
            _ => true,
        };
        let is_alive = link.alive != Some(false);
        let manager = match (link.cfg.architecture.properties().manager, link.sa) {
            // Without IKE nobody manages; a shared association says nothing about one link.
            (TunnelManager::Ike, None) | (TunnelManager::None, _) => false,
            (TunnelManager::LabelDistribution, _) => link.cfg.remote_key.is_none(),
            (TunnelManager::Ike, Some(_)) | (TunnelManager::L2tp, _) => true,
        };
        let watched = link.cfg.watched && link.alive == Some(true);
        let event = match protected && keyed && is_alive {
            false => LinkEvent::Lost,
            true if manager || watched => LinkEvent::Ready,
            true => LinkEvent::ReadyUnmanaged,
        };
        self.link_event(now, id, event);
    }

    pub(super) fn link_event(&mut self, now: Instant, id: LinkId, event: LinkEvent) {
        let Some(link) = self.links.get_mut(id.0 as usize).and_then(Option::as_mut) else { return };
        let Ok((next, actions)) = transition(link.state, event) else { return };
        let passed = now - link.changed;
        let (was_up, is_up) = (link.state.carries(), next.carries());
        *(if was_up { &mut link.status.up_for } else { &mut link.status.down_for }) += passed;
        link.changed = now;
        link.status.transitions = link.status.transitions.saturating_add(u32::from(was_up != is_up));
        (link.state, link.status.state) = (next, next);
        for action in actions {
            match action {
                LinkAction::Request => self.request(now, id),
                LinkAction::Install => {
                    self.timers.clear(Timer(id));
                    self.outputs.extend(self.install_ops(id).into_iter().map(Output::Program));
                    self.announce(id);
                }
                LinkAction::Withdraw => {
                    self.outputs.push_back(Output::Event(Event::LinkDown { link: id }));
                    self.outputs.extend(self.withdraw_ops(id).into_iter().map(Output::Program));
                }
                LinkAction::Release => self.release(id),
                LinkAction::Retry => {
                    if event == LinkEvent::Timeout {
                        self.outputs.push_back(Output::Event(Event::BindTimeout { link: id }));
                    }
                    if self.is_retried(id) {
                        self.timers.set(Timer(id), now + self.cfg.retry);
                    }
                }
            }
        }
    }

    /// Says what the link is, to whoever routes over it.
    pub(super) fn announce(&mut self, id: LinkId) {
        let Some(link) = self.link(id).filter(|link| link.state.carries()) else { return };
        let (entry, state) = (link.entry, link.state);
        if let (Some(mtu), Some(overhead)) = (self.mtu(id), self.overhead(id)) {
            let event = Event::LinkUp { link: id, entry, mtu, overhead, state };
            self.outputs.push_back(Output::Event(event));
        }
    }

    /// Asks for what a link needs and does not have.
    pub(super) fn request(&mut self, now: Instant, id: LinkId) {
        if !self.is_retried(id) {
            return;
        }
        self.timers.set(Timer(id), now + self.cfg.bind_timeout);
        let Some(link) = self.link(id) else { return };
        let mut outputs = Vec::new();
        if let Some(association) = link.sa.and_then(|sa| self.associations.get(&sa)).filter(|a| a.up.is_none()) {
            // What is shared is asked for by the first.
            if association.links.first() == Some(&id) {
                outputs.push(Output::RequestSa(association.request.clone()));
            }
        }
        if let Some(key) = link.local_key {
            outputs.push(Output::Advertise { link: id, vpn: link.cfg.vpn, key });
        }
        let is_clear = link.cfg.security == Security::Clear;
        let peer = self.peer(link.cfg.peer).map(|peer| &peer.cfg);
        let peer = peer.and_then(|cfg| if is_clear { cfg.l2tp_clear.or(cfg.l2tp) } else { cfg.l2tp });
        if let Some(peer) = peer.filter(|_| link.cfg.architecture == Architecture::L2tp && link.session.is_none()) {
            let LinkConfig { vpn, index, initiate, mtu, .. } = link.cfg;
            let session = arch::l2tp::session(peer, vpn, index, initiate, mtu);
            outputs.push(Output::OpenSession { link: id, session });
        }
        self.outputs.extend(outputs);
    }

    /// Gives back what a link asked for.
    fn release(&mut self, id: LinkId) {
        let Some(link) = self.link(id) else { return };
        let key = link.local_key;
        let is_l2tp = link.cfg.architecture == Architecture::L2tp;
        if let Some(key) = key {
            self.outputs.push_back(Output::Withdraw { link: id, key });
        }
        if is_l2tp {
            self.outputs.push_back(Output::CloseSession { link: id });
        }
        self.release_sa(id);
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(Timer(id)) = self.timers.expired(now) {
            self.link_event(now, id, LinkEvent::Timeout);
            self.consider(now, id);
        }
    }

    /// The next thing to be done, in order.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Self::handle_timeout`] is to be called. Every other call may change it.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        self.timers.next_timeout()
    }

    pub(super) fn peer(&self, id: PeerId) -> Option<&Peer> {
        self.peers.get(id.0 as usize)
    }

    pub(super) fn link(&self, id: LinkId) -> Option<&Link> {
        self.links.get(id.0 as usize)?.as_ref()
    }
}
