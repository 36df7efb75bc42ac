//! The machine of the virtual links of one system.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::net::IpAddr;

use fwd_core::net::{NhlfeId, SaId, VlinkId, VpnId};
use fwd_core::op::{Ends, FwdOp};
use fwd_core::time::Instant;
use fwd_core::timers::Timers;
use hashbrown::HashMap;

use super::config::{
    Config, ConfigError, Declined, Event, Input, LinkConfig, LinkId, LinkStatus, Output, PeerConfig, PeerId, PeerKind,
    SaRequest, Security,
};
use super::fsm::{LinkAction, LinkEvent, LinkState, transition};
use crate::arch::{self, Architecture, Count, TunnelManager, addresses};
use crate::correlate::{Implied, Offer, context_of};
use crate::ike::VpnContext;
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

#[derive(Debug)]
pub(super) struct Association {
    pub(super) request: SaRequest,
    /// Since when it is there.
    pub(super) up: Option<Instant>,
    pub(super) links: BTreeSet<LinkId>,
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
    /// The association that the links of a tunnel share.
    pub(super) shared: BTreeMap<Tunnel, SaId>,
    next_sa: u32,
    free_sas: Vec<SaId>,
    /// Keys and labels in use: whose.
    keys: BTreeMap<(Architecture, u32), LinkId>,
    next_key: [u32; 2],
    next_vlink: u32,
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
            shared: BTreeMap::new(),
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
            changed: now,
            status: LinkStatus::default(),
            cfg,
        };
        self.links.push(Some(link));
        self.count += 1;
        self.set_spd(id);
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
        let tunnel = Tunnel::of(&link);
        if let Some((vlink, users)) = self.tunnels.get_mut(&tunnel) {
            *users = users.saturating_sub(1);
            if *users == 0 {
                let id = *vlink;
                self.tunnels.remove(&tunnel);
                self.outputs.push_back(Output::Program(FwdOp::ClearVlink { id }));
            }
        }
    }

    /// Our key or label of a link: what is configured, or one that is free.
    fn choose_key(&mut self, id: LinkId, cfg: &LinkConfig) -> Result<Option<u32>, ConfigError> {
        let (range, which) = match cfg.architecture {
            Architecture::Gre => (self.cfg.keys.clone(), 0),
            Architecture::Mpls => (self.cfg.labels.clone(), 1),
            _ => return Ok(None),
        };
        let is_ce = self.peer(cfg.peer).is_some_and(|peer| peer.cfg.kind == PeerKind::Ce);
        if cfg.architecture == Architecture::Gre && is_ce {
            return Ok(None);
        }
        let free = |key: u32| !self.keys.contains_key(&(cfg.architecture, key));
        let next = self.next_key.get(which).copied().unwrap_or(range.start);
        // One that was given up is used again only when all others were: the peer may still send with it.
        let key = match cfg.local_key {
            Some(key) => Some(key).filter(|key| free(*key)).ok_or(ConfigError::Key)?,
            None => (next..range.end).chain(range.start..next).find(|key| free(*key)).ok_or(ConfigError::Full)?,
        };
        if cfg.local_key.is_none() {
            if let Some(slot) = self.next_key.get_mut(which) {
                *slot = if key + 1 < range.end { key + 1 } else { range.start };
            }
        }
        self.keys.insert((cfg.architecture, key), id);
        Ok(Some(key))
    }

    /// The association of a link: its own, or the one that its tunnel shares.
    pub(super) fn choose_sa(&mut self, id: LinkId, cfg: &LinkConfig, ends: &Ends) -> Result<Option<SaId>, ConfigError> {
        if !cfg.security.protects() {
            return Ok(None);
        }
        let properties = cfg.architecture.properties();
        let tunnel = Tunnel::between(cfg, ends);
        let is_shared = properties.child_sas == Count::One;
        if let Some(sa) = self.shared.get(&tunnel).copied().filter(|_| is_shared) {
            if let Some(association) = self.associations.get_mut(&sa) {
                association.links.insert(id);
            }
            return Ok(Some(sa));
        }
        let says_context = self.peer(cfg.peer).is_some_and(|peer| peer.cfg.says_context);
        let sa = match self.free_sas.pop() {
            Some(sa) => sa,
            None => {
                let sa = SaId(u16::try_from(self.next_sa).map_err(|_| ConfigError::Full)?);
                self.next_sa += 1;
                sa
            }
        };
        let request = SaRequest {
            sa,
            ends: addresses(ends),
            mode: properties.mode,
            selectors: cfg.architecture.selectors(ends),
            context: (properties.ike_extension && says_context).then(|| VpnContext::link(cfg.vpn, cfg.index)),
            integrity_only: cfg.security == Security::Integrity,
            initiate: cfg.initiate,
        };
        self.associations.insert(sa, Association { request, up: None, links: BTreeSet::from([id]) });
        if is_shared {
            self.shared.insert(tunnel, sa);
        }
        Ok(Some(sa))
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

    fn sa_up(&mut self, now: Instant, sa: SaId, said: Option<&VpnContext>) {
        let Some(association) = self.associations.get_mut(&sa) else {
            return self.outputs.push_back(Output::ReleaseSa { sa });
        };
        // What was asked for is what must have been said; never a guess (VLINK-6.1-C2).
        if association.request.context.as_ref() != said {
            let links: Vec<LinkId> = association.links.iter().copied().collect();
            self.outputs.push_back(Output::ReleaseSa { sa });
            association.up = None;
            for link in links {
                self.outputs.push_back(Output::Event(Event::ContextMismatch { link }));
                self.consider(now, link);
            }
            return;
        }
        association.up = Some(now);
        let ends = association.request.ends;
        let links: Vec<LinkId> = association.links.iter().copied().collect();
        for id in links {
            let Some(link) = self.links.get_mut(id.0 as usize).and_then(Option::as_mut) else { continue };
            link.grace = None;
            if link.cfg.architecture.properties().ike_extension {
                self.last_up.insert((link.cfg.architecture, ends), sa);
            }
            self.consider(now, id);
        }
    }

    /// Which association of ours a peer's request is for, so that IKE answers it with that one's number.
    ///
    /// # Errors
    /// None: IKE answers TS_UNACCEPTABLE.
    pub fn accept(&self, peer: PeerId, offer: &Offer<'_>) -> Result<SaId, Declined> {
        let peer_cfg = &self.peer(peer).ok_or(Declined::NoLink)?.cfg;
        // A tunnel of many links is asked for by its protocol, and says no context.
        let by_tunnel = self.associations.values().find(|a| {
            a.request.ends == offer.ends
                && a.request.context.is_none()
                && a.request.mode == offer.mode
                && a.request.selectors == (*offer.selectors.0, *offer.selectors.1)
        });
        let is_link_of_ipip =
            |id: &LinkId| self.link(*id).is_some_and(|l| l.cfg.architecture.properties().ike_extension);
        let shared = by_tunnel.filter(|a| offer.context.is_none() && !a.links.iter().any(is_link_of_ipip));
        if let Some(association) = shared {
            return Ok(association.request.sa);
        }
        let implied = Implied { address: None, convention: peer_cfg.convention, default: peer_cfg.default_vpn };
        let found = context_of(offer, &implied, |vpn, index| self.names.contains_key(&(peer, vpn, index)));
        let (vpn, index, _) = found.map_err(Declined::Context)?;
        let link = self.names.get(&(peer, vpn, index)).and_then(|id| self.link(*id)).ok_or(Declined::NoLink)?;
        let association = link.sa.and_then(|sa| self.associations.get(&sa)).ok_or(Declined::NoLink)?;
        let request = &association.request;
        if request.mode != offer.mode || request.ends != offer.ends {
            return Err(Declined::NoLink);
        }
        if request.selectors != (*offer.selectors.0, *offer.selectors.1) {
            return Err(Declined::Narrowed);
        }
        Ok(request.sa)
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

    /// Gives a link's association back; one that others have, too, stays.
    pub(super) fn release_sa(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(id.0 as usize).and_then(Option::as_mut) else { return };
        let tunnel = Tunnel::of(link);
        let Some(sa) = link.sa.take() else { return };
        let Some(association) = self.associations.get_mut(&sa) else { return };
        association.links.remove(&id);
        if association.links.is_empty() {
            self.associations.remove(&sa);
            if self.shared.get(&tunnel) == Some(&sa) {
                self.shared.remove(&tunnel);
            }
            self.free_sas.push(sa);
            self.outputs.push_back(Output::ReleaseSa { sa });
        }
    }

    /// The forwarding plane has no room: the link of the op is withdrawn.
    fn refused(&mut self, now: Instant, op: &FwdOp) {
        let is_of = |link: &Link| match op {
            FwdOp::SetVlink { id, .. } | FwdOp::SetVlinkOutput { id, .. } => link.vlink == *id,
            FwdOp::SetNhlfe { id, .. } => link.entry == *id,
            FwdOp::SetIlm { label, .. } | FwdOp::SetContextIlm { label, .. } => {
                link.cfg.architecture == Architecture::Mpls && link.local_key == Some(label.value())
            }
            _ => false,
        };
        let of_op = |(id, link): (usize, &Option<Link>)| link.as_ref().filter(|l| is_of(l)).map(|_| LinkId(id as u32));
        let links: Vec<LinkId> = self.links.iter().enumerate().filter_map(of_op).collect();
        for link in links {
            self.outputs.push_back(Output::Event(Event::Refused { link }));
            self.link_event(now, link, LinkEvent::Lost);
        }
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
