//! The machine: users, peers, routes, timers.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use core::net::IpAddr;
use core::time::Duration;

use fwd_core::net::{Label, LabelSpaceId, LabelStack, NhlfeId};
use fwd_core::op::{FwdOp, Ilm, IlmAction, NextHop, Nhlfe};
use fwd_core::time::Instant;
use fwd_core::timers::Timers;

use super::block::Block;
use super::config::MldpConfig;
use super::fec::{Deliver, TreeFec, TreeId, TreeKind};
use super::io::{Candidate, Counters, Event, Input, JoinError, Limit, Output, PeerCapabilities, Route, TreeView};
use super::tree::Tree;
use super::upstream::UpstreamEvent;
use crate::ldp::LdpId;
use crate::ldp::fec::{MultipointFec, RouteDistinguisher};
use crate::ldp::message::MessageBody;
use crate::ldp::neighbour::Pool;
use crate::ldp::session::ConfigError;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// The upstream LSR does not say that it is ready.
    Mbb(TreeId),
    /// Labels or a willing upstream LSR may be there again.
    Retry(TreeId),
    /// The peer does not come back.
    Stale(LdpId),
    /// The peer came back and named its branches.
    Recovery(LdpId),
}

/// A peer: its session, the way to it, and what it has to do with trees.
#[derive(Debug, Default)]
pub(super) struct Peer {
    pub(super) up: bool,
    /// Its session ended, and its labels are kept.
    pub(super) stale: bool,
    pub(super) capabilities: PeerCapabilities,
    next: Option<NextHop>,
    pub(super) mtu: u16,
    /// Where labels given to it are looked up, if not in the per-platform space.
    space: Option<LabelSpaceId>,
    /// The entry that leads to it, and pushes nothing.
    pub(super) nhlfe: Option<NhlfeId>,
    programmed: bool,
    /// Roots that it is on a best path to.
    pub(super) roots: BTreeSet<IpAddr>,
    pub(super) trees: BTreeSet<TreeId>,
    pub(super) branches: usize,
    /// Labels that were withdrawn from it and that it may still use.
    pub(super) withdrawn: BTreeMap<Label, MultipointFec>,
    /// All labels of the tables were not yet sent since the session came up.
    pub(super) end_of_lib_due: bool,
}

impl Peer {
    /// Whether it can be upstream in trees of a kind.
    pub(super) fn can(&self, kind: TreeKind) -> bool {
        self.capabilities.contains(match kind {
            TreeKind::P2mp => PeerCapabilities::P2MP,
            TreeKind::Mp2mp => PeerCapabilities::MP2MP,
            TreeKind::Hsmp => PeerCapabilities::HSMP,
        })
    }

    fn is_idle(&self) -> bool {
        let known = self.up || self.stale || self.next.is_some() || self.space.is_some() || !self.roots.is_empty();
        !known && self.trees.is_empty()
    }
}

/// What is not one tree's.
#[derive(Debug)]
pub(super) struct Core {
    pub(super) config: MldpConfig,
    pub(super) labels: Block,
    pub(super) nhlfes: Block,
    pub(super) groups: Block,
    pub(super) peers: BTreeMap<LdpId, Peer>,
    dirty_peers: BTreeSet<LdpId>,
    pub(super) dirty: VecDeque<TreeId>,
    pub(super) outputs: VecDeque<Output>,
    /// Peers that had to do with the tree that is looked at.
    pub(super) parted: alloc::vec::Vec<LdpId>,
    pub(super) timers: Timers<Timer>,
    pub(super) counters: Counters,
    /// When an event about a limit was last given, and what was refused since.
    limits: BTreeMap<(LdpId, Limit), (Option<Instant>, u64)>,
}

impl Core {
    pub(super) fn program(&mut self, op: FwdOp) {
        self.outputs.push_back(Output::Program(op));
    }

    pub(super) fn event(&mut self, event: Event) {
        self.outputs.push_back(Output::Event(event));
    }

    pub(super) fn send(&mut self, peer: LdpId, body: MessageBody) {
        self.outputs.push_back(Output::Message { peer, message: body.into() });
    }

    pub(super) fn is_up(&self, peer: LdpId) -> bool {
        self.peers.get(&peer).is_some_and(|p| p.up)
    }

    /// Where labels given to a peer are looked up.
    pub(super) fn space_of(&self, peer: LdpId) -> Option<LabelSpaceId> {
        self.peers.get(&peer)?.space
    }

    /// Binds a label of ours.
    pub(super) fn bind(&mut self, space: Option<LabelSpaceId>, label: Label, action: IlmAction) {
        let ilm = Ilm { action, model: self.config.model };
        self.program(match space {
            Some(space) => FwdOp::SetContextIlm { space, label, ilm },
            None => FwdOp::SetIlm { label, ilm },
        });
    }

    /// A label of ours means nothing any more.
    pub(super) fn unbind(&mut self, space: Option<LabelSpaceId>, label: Label) {
        self.program(match space {
            Some(space) => FwdOp::ClearContextIlm { space, label },
            None => FwdOp::ClearIlm { label },
        });
    }

    /// Makes sure that a tree is looked at before the next output.
    pub(super) fn queue(&mut self, id: TreeId, tree: &mut Tree) {
        if !core::mem::replace(&mut tree.queued, true) {
            self.dirty.push_back(id);
        }
    }

    /// The entry that leads to a peer; it is written before what points at it.
    pub(super) fn entry_of(&mut self, id: LdpId) -> Option<NhlfeId> {
        let peer = self.peers.entry(id).or_default();
        if peer.nhlfe.is_none() {
            peer.nhlfe = self.nhlfes.take().map(NhlfeId);
        }
        let nhlfe = peer.nhlfe?;
        if !peer.programmed {
            self.program_peer(id);
        }
        Some(nhlfe)
    }

    fn program_peer(&mut self, id: LdpId) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        let Some(nhlfe) = peer.nhlfe else { return };
        peer.programmed = true;
        let next = peer.next.unwrap_or(NextHop::Discard);
        let model = self.config.model;
        self.program(FwdOp::SetNhlfe { id: nhlfe, nhlfe: Nhlfe { push: LabelStack::EMPTY, next, model } });
    }

    /// Counts a refusal, and tells of it if the last word about it is old enough.
    pub(super) fn limited(&mut self, now: Instant, peer: LdpId, limit: Limit) {
        self.counters.limited = self.counters.limited.saturating_add(1);
        let (told, refused) = self.limits.entry((peer, limit)).or_default();
        *refused = refused.saturating_add(1);
        if told.is_none_or(|at| at + self.config.event_interval <= now) {
            *told = Some(now);
            let refused = core::mem::take(refused);
            self.event(Event::LimitReached { peer, limit, refused });
        }
    }
}

/// What is known of a root.
#[derive(Debug, Default)]
pub(super) struct Root {
    pub(super) route: Option<Route>,
    pub(super) trees: BTreeSet<TreeId>,
    /// Roots that are known through this one.
    pub(super) behind: BTreeSet<IpAddr>,
}

/// Multipoint LDP at one router (RFC 6388).
///
/// Users [`join`](Self::join) trees as leaves, and [`open`](Self::open) trees that this router is the root of; trees that only pass
/// through come and go by the messages of peers. [`Event::LegUp`] tells who sends by which entries packets leave.
///
/// ```
/// use core::time::Duration;
/// use fwd_core::net::{Label, NhlfeId, ReplicationId, TunnelId};
/// use fwd_core::time::Instant;
/// use p2mp_pw::ldp::neighbour::{LabelRange, NhlfeRange};
/// use p2mp_pw::ldp::session::{AdvertisementDiscipline, Negotiated};
/// use p2mp_pw::ldp::{LdpId, Pdu};
/// use p2mp_pw::mldp::{Candidate, Deliver, GroupRange, Input, Mldp, MldpConfig, Output, Route, TreeFec};
///
/// let labels = LabelRange { first: Label::new(1000).unwrap(), last: Label::new(1999).unwrap() };
/// let nhlfes = NhlfeRange { first: NhlfeId(100), last: NhlfeId(199) };
/// let groups = GroupRange { first: ReplicationId(1), last: ReplicationId(99) };
/// let config = MldpConfig::new(vec![[192, 0, 2, 3].into()], labels, nhlfes, groups);
/// // What the sessions have to advertise, and here the peer says the same.
/// let negotiated = Negotiated {
///     keepalive: Duration::from_secs(60),
///     max_pdu_length: Pdu::DEFAULT_MAX_LEN,
///     discipline: AdvertisementDiscipline::DownstreamUnsolicited,
///     path_vector_limit: None,
///     capabilities: config.capabilities(),
///     graceful_restart: None,
/// };
/// let now = Instant::from_secs(1);
/// let mut leaf = Mldp::new(now, config).unwrap();
///
/// let (root, upstream) = ([192, 0, 2, 1].into(), LdpId::platform([192, 0, 2, 2].into()));
/// leaf.handle_input(now, Input::PeerUp { peer: upstream, negotiated: &negotiated });
/// let candidates = vec![Candidate { address: [10, 0, 0, 2].into(), peer: upstream }];
/// leaf.handle_input(now, Input::Route { root, route: Some(Route::Paths { candidates, metric: 10 }) });
///
/// leaf.join(now, TreeFec::p2mp(root, 7), Deliver::Multicast(TunnelId(5))).unwrap();
/// // The label is in the forwarding table before the upstream LSR learns it.
/// assert!(matches!(leaf.poll_output(), Some(Output::Program(_))));
/// assert!(matches!(leaf.poll_output(), Some(Output::Message { peer, .. }) if peer == upstream));
/// ```
#[derive(Debug)]
pub struct Mldp {
    pub(super) core: Core,
    pub(super) trees: BTreeMap<TreeId, Tree>,
    by_fec: BTreeMap<TreeFec, TreeId>,
    pub(super) roots: BTreeMap<IpAddr, Root>,
    /// Next hops of Intra-AS I-PMSI A-D routes, by originator and RD.
    pub(super) vpn_routes: BTreeMap<(IpAddr, RouteDistinguisher), IpAddr>,
    /// Trees rooted here by a VPN-recursive opaque value, by the root inside.
    pub(super) vpn_rooted: BTreeSet<(IpAddr, TreeId)>,
    next_id: u64,
}

impl Mldp {
    /// How long until a tree that found no label, or no willing upstream LSR, tries again.
    pub(super) const RETRY: Duration = Duration::from_secs(30);

    /// A machine without peers and trees.
    ///
    /// # Errors
    /// A field of the configuration is out of its range.
    pub fn new(_now: Instant, config: MldpConfig) -> Result<Self, ConfigError> {
        config.validate()?;
        let core = Core {
            labels: Block::new(Pool::labels(config.labels)?),
            nhlfes: Block::new(Pool::nhlfes(config.nhlfes)?),
            groups: Block::new(Pool::new(config.groups.first.0, config.groups.last.0)),
            config,
            peers: BTreeMap::new(),
            dirty_peers: BTreeSet::new(),
            dirty: VecDeque::new(),
            outputs: VecDeque::new(),
            parted: alloc::vec::Vec::new(),
            timers: Timers::new(),
            counters: Counters::default(),
            limits: BTreeMap::new(),
        };
        Ok(Self {
            core,
            trees: BTreeMap::new(),
            by_fec: BTreeMap::new(),
            roots: BTreeMap::new(),
            vpn_routes: BTreeMap::new(),
            vpn_rooted: BTreeSet::new(),
            next_id: 1,
        })
    }

    /// Takes an input.
    pub fn handle_input(&mut self, now: Instant, input: Input<'_>) {
        match input {
            Input::PeerUp { peer, negotiated } => self.peer_up(now, peer, PeerCapabilities::of(negotiated)),
            Input::PeerDown { peer, retain } => self.peer_down(now, peer, retain),
            Input::Capabilities { peer, negotiated } => {
                if let Some(p) = self.core.peers.get_mut(&peer).filter(|p| p.up) {
                    p.capabilities = PeerCapabilities::of(negotiated);
                    self.reselect_through(now, peer);
                }
            }
            Input::Message { peer, message } => self.message(now, peer, &message.body),
            Input::Reach { peer, next, mtu } => self.reach(peer, next, mtu),
            Input::LabelSpace { peer, space } => self.label_space(peer, space),
            Input::Route { root, route } => self.route(now, root, route),
            Input::VpnRoute { root, rd, next_hop } => self.vpn_route(now, (root, rd), next_hop),
            Input::Refused(op) => self.refused(now, &op),
        }
    }

    /// Lets timers expire that are due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(timer) = self.core.timers.expired(now) {
            match timer {
                Timer::Mbb(id) => {
                    self.core.event(Event::MbbTimedOut { tree: id });
                    self.upstream_event(now, id, UpstreamEvent::TimedOut, None);
                }
                Timer::Retry(id) => {
                    if let Some(tree) = self.trees.get_mut(&id) {
                        if let Some(accept) = tree.active.as_mut().filter(|a| a.refused) {
                            (accept.refused, accept.sent) = (false, None);
                        }
                        tree.branches.values_mut().for_each(|b| b.up_refused = false);
                        tree.touch_all = true;
                        self.core.queue(id, tree);
                    }
                    self.reselect(now, id);
                }
                Timer::Stale(peer) => self.drop_peer(now, peer),
                Timer::Recovery(peer) => self.drop_stale(now, peer, |_| true),
            }
        }
    }

    /// What is to be done next, if anything. Messages and ops are made here, from what changed since.
    pub fn poll_output(&mut self) -> Option<Output> {
        loop {
            if let Some(output) = self.core.outputs.pop_front() {
                return Some(output);
            }
            if let Some(peer) = self.core.dirty_peers.pop_first() {
                self.core.program_peer(peer);
            } else if let Some(id) = self.core.dirty.pop_front() {
                self.reconcile(id);
            } else if !self.end_of_lib() {
                return None;
            }
        }
    }

    /// When [`Self::handle_timeout`] is due. Inputs, timeouts and what users do change it.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        self.core.timers.next_timeout()
    }

    /// Makes this router a leaf of a tree. Of MP2MP and HSMP LSPs it also sends: [`Event::LegUp`] says how.
    ///
    /// # Errors
    /// It is a leaf already, or the root of a P2MP LSP, or there are too many trees.
    pub fn join(&mut self, now: Instant, fec: TreeFec, deliver: Deliver) -> Result<TreeId, JoinError> {
        let is_root = self.core.config.addresses.contains(&fec.root);
        if is_root && fec.kind == TreeKind::P2mp {
            return Err(JoinError::RootOfP2mp);
        }
        let id = self.enter(&fec).ok_or(JoinError::Limit)?;
        if let Some(tree) = self.trees.get_mut(&id) {
            if tree.local.is_some() {
                return Err(JoinError::AlreadyLeaf);
            }
            tree.local = Some(deliver);
            tree.touch_all = true;
            self.core.queue(id, tree);
        }
        self.reselect(now, id);
        Ok(id)
    }

    /// Ends what [`Self::join`] began. Does nothing if this router is no leaf of the tree.
    pub fn leave(&mut self, now: Instant, id: TreeId) {
        if let Some(tree) = self.trees.get_mut(&id) {
            tree.local = None;
            tree.touch_all = true;
            self.core.queue(id, tree);
        }
        self.reselect(now, id);
    }

    /// Tells of the legs of a tree that this router is the root of, those that are there and those that come. Of MP2MP LSPs with another root
    /// it makes this router one that sends: what arrives is dropped, unless it is a leaf too ([`Self::join`]).
    ///
    /// # Errors
    /// The root's address is not ours and the tree is no MP2MP LSP, the tree is open, or there are too many.
    pub fn open(&mut self, now: Instant, fec: TreeFec) -> Result<TreeId, JoinError> {
        if fec.kind != TreeKind::Mp2mp && !self.core.config.addresses.contains(&fec.root) {
            return Err(JoinError::NotRoot);
        }
        let id = self.enter(&fec).ok_or(JoinError::Limit)?;
        if let Some(tree) = self.trees.get_mut(&id) {
            if tree.open {
                return Err(JoinError::AlreadyOpen);
            }
            tree.open = true;
            tree.touch_all = true;
            // A leaf of an MP2MP LSP was told before, and may not have listened.
            tree.branches.values_mut().for_each(|branch| branch.told = false);
            tree.plane.up_told = false;
            self.core.queue(id, tree);
        }
        self.reselect(now, id);
        Ok(id)
    }

    /// Ends what [`Self::open`] began: its legs are told down. Leaves stay in the tree until they leave. If some came of whom nothing was told, the
    /// tree is told of as one that was not opened.
    pub fn close(&mut self, now: Instant, id: TreeId) {
        let Some(tree) = self.trees.get_mut(&id) else { return };
        let was_open = core::mem::replace(&mut tree.open, false);
        tree.touch_all = true;
        self.core.queue(id, tree);
        if was_open && tree.is_unknown() && tree.branches.values().any(|branch| !branch.told) {
            let fec = tree.fec.clone();
            self.core.event(Event::Rooted { tree: id, fec });
        }
        self.reselect(now, id);
    }

    /// The tree of a name.
    #[must_use]
    pub fn find(&self, fec: &TreeFec) -> Option<TreeId> {
        self.by_fec.get(fec).copied()
    }

    /// A tree as it is.
    #[must_use]
    pub fn tree(&self, id: TreeId) -> Option<TreeView> {
        let tree = self.trees.get(&id)?;
        Some(TreeView {
            fec: tree.fec.clone(),
            role: tree.role(),
            upstream: tree.upstream(),
            label: tree.active.map(|a| a.label),
            next_upstream: tree.pending.map(|a| a.peer),
            branches: tree.branches.iter().filter(|(_, b)| b.pushed.is_some()).map(|(peer, _)| *peer).collect(),
            mtu: tree.mtu,
        })
    }

    /// All trees, in the order in which they came.
    pub fn trees(&self) -> impl Iterator<Item = TreeId> + '_ {
        self.trees.keys().copied()
    }

    /// Trees that others joined at this root and nobody here has opened: those that [`Event::Rooted`] told of.
    pub fn unopened(&self) -> impl Iterator<Item = TreeId> + '_ {
        let unknown = self.trees.iter().filter(|(_, tree)| tree.is_unknown() && !tree.branches.is_empty());
        unknown.map(|(id, _)| *id)
    }

    /// Whether a tree that is joined or opened carries packets.
    #[must_use]
    pub fn is_up(&self, id: TreeId) -> bool {
        self.trees.get(&id).is_some_and(|tree| tree.told_up)
    }

    /// The metric of the route to a root.
    #[must_use]
    pub fn metric(&self, root: IpAddr) -> Option<u32> {
        match self.roots.get(&root)?.route.as_ref()? {
            Route::Paths { metric, .. } => Some(*metric),
            Route::Via(via) if *via != root => self.metric_direct(*via),
            Route::Via(_) => None,
        }
    }

    fn metric_direct(&self, root: IpAddr) -> Option<u32> {
        match self.roots.get(&root)?.route.as_ref()? {
            Route::Paths { metric, .. } => Some(*metric),
            Route::Via(_) => None,
        }
    }

    /// What was counted.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.core.counters
    }

    /// Labels, entries and groups in use, of the blocks.
    #[must_use]
    pub const fn used(&self) -> (usize, usize, usize) {
        (self.core.labels.used(), self.core.nhlfes.used(), self.core.groups.used())
    }

    /// The tree of a name, entered if it is new; `None` if there are too many.
    pub(super) fn enter(&mut self, fec: &TreeFec) -> Option<TreeId> {
        if let Some(id) = self.by_fec.get(fec) {
            return Some(*id);
        }
        if self.trees.len() >= self.core.config.max_trees {
            return None;
        }
        let id = TreeId(self.next_id);
        self.next_id = self.next_id.saturating_add(1);
        let is_root = self.core.config.addresses.contains(&fec.root);
        self.trees.insert(id, Tree::new(fec.clone(), is_root));
        self.by_fec.insert(fec.clone(), id);
        self.roots.entry(fec.root).or_default().trees.insert(id);
        Some(id)
    }

    /// Forgets a tree of which nothing is left.
    pub(super) fn forget(&mut self, id: TreeId, tree: &Tree) {
        self.by_fec.remove(&tree.fec);
        if let Some(root) = self.roots.get_mut(&tree.fec.root) {
            root.trees.remove(&id);
            if root.trees.is_empty() && root.route.is_none() && root.behind.is_empty() {
                self.roots.remove(&tree.fec.root);
            }
        }
        if let Some((_, inner)) = tree.fec.vpn_inner() {
            self.vpn_rooted.remove(&(inner.root, id));
        }
        self.core.timers.clear(Timer::Mbb(id));
        self.core.timers.clear(Timer::Retry(id));
    }

    /// Drops a peer that nothing refers to.
    pub(super) fn tidy_peer(&mut self, id: LdpId) {
        if self.core.peers.get(&id).is_some_and(Peer::is_idle) {
            let nhlfe = self.core.peers.remove(&id).and_then(|peer| peer.nhlfe);
            self.core.dirty_peers.remove(&id);
            if let Some(nhlfe) = nhlfe {
                self.core.program(FwdOp::ClearNhlfe { id: nhlfe });
                self.core.nhlfes.give(nhlfe.0);
            }
        }
    }

    fn reach(&mut self, id: LdpId, next: Option<NextHop>, mtu: u16) {
        let peer = self.core.peers.entry(id).or_default();
        let new_mtu = core::mem::replace(&mut peer.mtu, mtu) != mtu;
        if core::mem::replace(&mut peer.next, next) != next && peer.nhlfe.is_some() {
            self.core.dirty_peers.insert(id);
        }
        if new_mtu {
            let trees = self.core.peers.get(&id).map(|p| p.trees.clone()).unwrap_or_default();
            for id in trees {
                if let Some(tree) = self.trees.get_mut(&id) {
                    self.core.queue(id, tree);
                }
            }
        }
        self.tidy_peer(id);
    }

    /// Labels that the peer has move from one space to the other.
    fn label_space(&mut self, id: LdpId, space: Option<LabelSpaceId>) {
        let peer = self.core.peers.entry(id).or_default();
        if core::mem::replace(&mut peer.space, space) != space {
            for tree_id in peer.trees.clone() {
                if let Some(tree) = self.trees.get_mut(&tree_id) {
                    tree.touch(id);
                    self.core.queue(tree_id, tree);
                }
            }
        }
        self.tidy_peer(id);
    }

    fn route(&mut self, now: Instant, address: IpAddr, route: Option<Route>) {
        let route = route.map(|route| match route {
            Route::Paths { mut candidates, metric } => {
                candidates.sort_unstable();
                candidates.dedup();
                Route::Paths { candidates, metric }
            }
            via @ Route::Via(_) => via,
        });
        let root = self.roots.entry(address).or_default();
        if root.route == route {
            return;
        }
        let old = core::mem::replace(&mut root.route, route.clone());
        let mut changed = root.trees.clone();
        for behind in root.behind.clone() {
            changed.extend(self.roots.get(&behind).into_iter().flat_map(|root| &root.trees));
        }
        match &old {
            Some(Route::Paths { candidates, .. }) => self.on_path(candidates, address, false),
            Some(Route::Via(via)) => drop(self.roots.entry(*via).or_default().behind.remove(&address)),
            None => {}
        }
        match &route {
            Some(Route::Paths { candidates, .. }) => self.on_path(candidates, address, true),
            Some(Route::Via(via)) => drop(self.roots.entry(*via).or_default().behind.insert(address)),
            None => {}
        }
        for id in changed {
            self.reselect(now, id);
        }
        if old.is_some() != route.is_some() {
            self.reroot(now, address);
        }
        let unused = |root: &Root| root.route.is_none() && root.trees.is_empty() && root.behind.is_empty();
        self.roots.retain(|a, root| !(unused(root) && (*a == address || old == Some(Route::Via(*a)))));
        if let Some(Route::Paths { candidates, .. }) = old {
            candidates.iter().for_each(|c| self.tidy_peer(c.peer));
        }
    }

    fn on_path(&mut self, candidates: &[Candidate], root: IpAddr, is: bool) {
        for candidate in candidates {
            let peer = self.core.peers.entry(candidate.peer).or_default();
            if is {
                peer.roots.insert(root)
            } else {
                peer.roots.remove(&root)
            };
        }
    }
}
