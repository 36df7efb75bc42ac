//! The machine: its state, its inputs and outputs.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use core::net::IpAddr;
use core::time::Duration;

use fwd_core::net::{IfIndex, IpPrefix, Label, NhlfeId};
use fwd_core::op::FwdOp;
use fwd_core::time::Instant;
use fwd_core::timers::Timers;
use smallvec::SmallVec;

use super::super::LdpId;
use super::super::message::Message;
use super::super::neighbour::{AddressBook, OWN_MESSAGE_ID, Pool};
use super::super::session::{AdvertisementDiscipline, ConfigError, Negotiated};
use super::attributes::Attributes;
use super::config::LdeConfig;
use super::fec::{FecId, Fecs};
use super::io::{Event, Input, LdeCounters, Output};

/// The timers of label distribution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// A label that was refused may be asked for again (A.1.15).
    Deferred(LdpId, FecId),
    /// A restarting peer's labels are kept until then.
    Stale(LdpId),
    /// The peer's labels count as complete.
    Synchronized(LdpId),
    /// Our own labels that outlived a restart are kept until then.
    Recovery,
}

/// A label of a peer's.
#[derive(Clone, Debug)]
pub(super) struct Received {
    pub(super) label: Label,
    /// From before the session was lost.
    pub(super) stale: bool,
    pub(super) attributes: Option<Box<Attributes>>,
}

/// A label that a peer holds of us.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) label: Label,
    /// It waits to be sent.
    pub(super) pending: bool,
    /// The peer gave it back, and is not told again until it asks.
    pub(super) released: bool,
    /// It came back because of a loop: it is said again once its attributes are others.
    pub(super) looped: bool,
    /// It was sent more than once: a release may be about an earlier time.
    pub(super) repeated: bool,
    /// The request that it answers.
    pub(super) request: Option<u32>,
    pub(super) attributes: Option<Box<Attributes>>,
}

/// A request of ours.
#[derive(Clone, Copy, Debug)]
pub(super) struct Requested {
    pub(super) id: u32,
    /// We asked to forget it.
    pub(super) aborted: bool,
}

/// What waits to be sent to a peer.
#[derive(Clone, Debug)]
pub(super) enum Job {
    /// The label of a FEC, as it is when it is sent.
    Mapping(FecId),
    /// A message as it is.
    Message(Box<Message>),
}

/// What is known of a peer.
#[derive(Clone, Debug)]
pub(super) struct Peer {
    /// The session is operational; else only stale labels are there.
    pub(super) up: bool,
    pub(super) writable: bool,
    pub(super) discipline: AdvertisementDiscipline,
    /// It takes End-of-LIB notifications and typed wildcards (RFC 5919 §3, RFC 5918 §5).
    pub(super) end_of_lib: bool,
    pub(super) typed_wildcard: bool,
    pub(super) received: BTreeMap<FecId, Received>,
    pub(super) sent: BTreeMap<FecId, Sent>,
    /// Labels that were withdrawn and not yet released.
    pub(super) withdrawn: BTreeSet<(FecId, Label)>,
    /// Requests of ours, and their FECs by message identifier.
    pub(super) requested: BTreeMap<FecId, Requested>,
    pub(super) request_ids: BTreeMap<u32, FecId>,
    /// Requests of the peer's that have no answer yet, by message identifier.
    pub(super) pending: BTreeMap<FecId, u32>,
    /// Requests of ours that wait for the peer to have labels (A.1.9).
    pub(super) wanted: BTreeSet<FecId>,
    pub(super) no_resources: bool,
    /// Labels of the peer's that were given back for a loop: they are asked for when they are needed.
    pub(super) looped: BTreeSet<FecId>,
    /// Labels that the peer would have got if there had been any (SL.13).
    pub(super) unserved: BTreeSet<FecId>,
    pub(super) told_no_resources: bool,
    pub(super) queue: VecDeque<Job>,
    pub(super) queued: bool,
    last_event: Option<Instant>,
}

impl Peer {
    pub(super) fn new(negotiated: &Negotiated) -> Self {
        use super::super::TlvType;
        Self {
            up: true,
            writable: true,
            discipline: negotiated.discipline,
            end_of_lib: negotiated.has(TlvType::UNRECOGNIZED_NOTIFICATION),
            typed_wildcard: negotiated.has(TlvType::TYPED_WILDCARD_CAPABILITY),
            received: BTreeMap::new(),
            sent: BTreeMap::new(),
            withdrawn: BTreeSet::new(),
            requested: BTreeMap::new(),
            request_ids: BTreeMap::new(),
            pending: BTreeMap::new(),
            wanted: BTreeSet::new(),
            no_resources: false,
            looped: BTreeSet::new(),
            unserved: BTreeSet::new(),
            told_no_resources: false,
            queue: VecDeque::new(),
            queued: false,
            last_event: None,
        }
    }

    pub(super) fn on_demand(&self) -> bool {
        self.discipline == AdvertisementDiscipline::DownstreamOnDemand
    }

    /// Whether the peer holds a label of ours for the FEC.
    pub(super) fn holds(&self, fec: FecId) -> bool {
        self.sent.get(&fec).is_some_and(|sent| !sent.released)
    }

    /// Whether anything here is about the FEC.
    pub(super) fn knows(&self, fec: FecId) -> bool {
        self.received.contains_key(&fec)
            || self.sent.contains_key(&fec)
            || self.requested.contains_key(&fec)
            || self.pending.contains_key(&fec)
            || self.wanted.contains(&fec)
            || self.unserved.contains(&fec)
            || self.withdrawn.range((fec, Label::from_low_bits(0))..=(fec, Label::MAX)).next().is_some()
    }
}

/// A few peers.
pub(super) type LdpIds = SmallVec<[LdpId; 8]>;

/// Label distribution for prefixes: takes routes and what peers say, gives labels and forwarding entries.
///
/// ```
/// use core::net::IpAddr;
/// use fwd_core::net::{EcmpId, IfIndex, IpPrefix, Label, Mac, NhlfeId};
/// use fwd_core::op::NextHop;
/// use fwd_core::time::Instant;
/// use p2mp_pw::ldp::lde::{Hop, Input, Lde, LdeConfig, Output, Route};
/// use p2mp_pw::ldp::neighbour::{EcmpRange, LabelRange, NhlfeRange};
///
/// let label = |n| Label::new(n).unwrap();
/// let labels = LabelRange { first: label(16), last: label(999) };
/// let nhlfes = NhlfeRange { first: NhlfeId(1), last: NhlfeId(999) };
/// let groups = EcmpRange { first: EcmpId(1), last: EcmpId(9) };
/// let now = Instant::ZERO;
/// let mut lde = Lde::new(now, LdeConfig::new([192, 0, 2, 1].into(), labels, nhlfes, groups)).unwrap();
/// let next = NextHop::Neighbor { iface: IfIndex(1), mac: Mac([2, 0, 0, 0, 0, 2]) };
/// let hop = Hop { gateway: IpAddr::from([198, 51, 100, 2]), iface: IfIndex(1), next };
/// let prefix = IpPrefix::V4("203.0.113.0/24".parse().unwrap());
/// lde.handle_input(now, Input::Route { prefix, route: Some(Route::Via(&[hop])) });
/// assert_eq!(lde.poll_output(), None); // no peer, no label
/// ```
#[derive(Clone, Debug)]
pub struct Lde {
    pub(super) config: LdeConfig,
    pub(super) fecs: Fecs,
    pub(super) peers: BTreeMap<LdpId, Peer>,
    pub(super) book: AddressBook,
    /// FECs by the gateways of their routes.
    pub(super) gateways: BTreeMap<(IpAddr, IfIndex), BTreeSet<FecId>>,
    pub(super) local_addresses: BTreeSet<IpAddr>,
    pub(super) labels: Pool,
    pub(super) nhlfes: Pool,
    pub(super) groups: Pool,
    /// FECs by our label and by our entry, for refusals.
    pub(super) label_owner: BTreeMap<Label, FecId>,
    pub(super) nhlfe_owner: BTreeMap<NhlfeId, FecId>,
    /// Labels that are withdrawn, and how many peers did not release them yet.
    pub(super) retiring: BTreeMap<Label, u32>,
    pub(super) next_request: u32,
    pub(super) timers: Timers<Timer>,
    pub(super) outputs: VecDeque<Output>,
    pub(super) dirty: VecDeque<FecId>,
    pub(super) ready: VecDeque<LdpId>,
    pub(super) counters: LdeCounters,
    last_event: Option<Instant>,
}

impl Lde {
    /// Label distribution without routes and peers.
    ///
    /// # Errors
    /// A field of the configuration is out of its range.
    pub fn new(_now: Instant, config: LdeConfig) -> Result<Self, ConfigError> {
        config.validate()?;
        Ok(Self {
            labels: Pool::labels(config.labels)?,
            nhlfes: Pool::nhlfes(config.nhlfes)?,
            groups: Pool::groups(config.groups)?,
            config,
            fecs: Fecs::default(),
            peers: BTreeMap::new(),
            book: AddressBook::new(),
            gateways: BTreeMap::new(),
            local_addresses: BTreeSet::new(),
            label_owner: BTreeMap::new(),
            nhlfe_owner: BTreeMap::new(),
            retiring: BTreeMap::new(),
            next_request: OWN_MESSAGE_ID,
            timers: Timers::new(),
            outputs: VecDeque::new(),
            dirty: VecDeque::new(),
            ready: VecDeque::new(),
            counters: LdeCounters::default(),
            last_event: None,
        })
    }

    /// Takes an input.
    pub fn handle_input(&mut self, now: Instant, input: Input<'_>) {
        match input {
            Input::PeerUp { peer, negotiated } => self.peer_up(now, peer, negotiated),
            Input::PeerDown { peer, retain } => self.peer_down(now, peer, retain),
            Input::Message { peer, message } => self.receive(now, peer, message),
            Input::Writable { peer, writable } => {
                if let Some(state) = self.peers.get_mut(&peer) {
                    state.writable = writable;
                }
                self.mark_ready(peer);
            }
            Input::Adjacent { peer, source, iface, up } => self.adjacent(now, peer, source, iface, up),
            Input::LocalAddress { address, up } => self.local_address(address, up),
            Input::Route { prefix, route } => self.route(now, prefix, route),
            Input::Refused(op) => self.refused(now, op),
        }
    }

    /// Lets timers expire that are due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(timer) = self.timers.expired(now) {
            match timer {
                Timer::Deferred(peer, fec) => self.deferred(peer, fec),
                Timer::Stale(peer) => self.drop_stale(now, peer),
                Timer::Synchronized(peer) => {
                    let event = Event::Synchronized { peer, end_of_lib: false };
                    self.outputs.push_back(Output::Event(event));
                }
                Timer::Recovery => self.recovery_over(now),
            }
        }
    }

    /// What is to be done next, if anything. Entries of a FEC come before its label; messages of peers that are not writable wait.
    pub fn poll_output(&mut self) -> Option<Output> {
        loop {
            if let Some(output) = self.outputs.pop_front() {
                return Some(output);
            }
            if let Some(fec) = self.dirty.pop_front() {
                self.program(fec);
                continue;
            }
            let peer = *self.ready.front()?;
            if let Some(message) = self.next_message(peer) {
                return Some(Output::Message { peer, message });
            }
            self.ready.pop_front();
            if let Some(state) = self.peers.get_mut(&peer) {
                state.queued = false;
            }
        }
    }

    /// When [`Self::handle_timeout`] is due. Inputs and timeouts change it.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        self.timers.next_timeout()
    }

    /// What was counted.
    #[must_use]
    pub const fn counters(&self) -> &LdeCounters {
        &self.counters
    }

    /// Our label for a prefix, if one was handed out.
    #[must_use]
    pub fn local_label(&self, prefix: IpPrefix) -> Option<Label> {
        self.fecs.get(self.fecs.find(prefix)?)?.local
    }

    /// A peer's label for a prefix, if it is kept.
    #[must_use]
    pub fn remote_label(&self, peer: LdpId, prefix: IpPrefix) -> Option<Label> {
        let fec = self.fecs.find(prefix)?;
        self.peers.get(&peer)?.received.get(&fec).map(|received| received.label)
    }

    /// The entry that leads to a prefix, if there is one.
    #[must_use]
    pub fn lsp(&self, prefix: IpPrefix) -> Option<NhlfeId> {
        self.fecs.get(self.fecs.find(prefix)?)?.lsp
    }

    /// Whether a peer holds our label for a prefix.
    #[must_use]
    pub fn is_advertised(&self, peer: LdpId, prefix: IpPrefix) -> bool {
        let fec = self.fecs.find(prefix);
        fec.is_some_and(|fec| self.peers.get(&peer).is_some_and(|p| p.holds(fec)))
    }

    /// FECs that are known, by us or by peers.
    #[must_use]
    pub fn fecs(&self) -> usize {
        self.fecs.len()
    }

    /// Labels kept of a peer.
    #[must_use]
    pub fn labels_of(&self, peer: LdpId) -> usize {
        self.peers.get(&peer).map_or(0, |p| p.received.len())
    }

    pub(super) fn is_up(&self, peer: LdpId) -> bool {
        self.peers.get(&peer).is_some_and(|p| p.up)
    }

    /// The peers whose sessions are operational.
    pub(super) fn up_peers(&self) -> LdpIds {
        self.peers.iter().filter(|(_, p)| p.up).map(|(id, _)| *id).collect()
    }

    /// The peers that are next hops of a FEC.
    pub(super) fn next_hops(&self, fec: FecId) -> LdpIds {
        let Some(state) = self.fecs.get(fec) else { return LdpIds::new() };
        let mut peers = LdpIds::new();
        for hop in state.route.hops() {
            if let Some(peer) = self.book.peer_of(hop.gateway, hop.iface).filter(|p| self.peers.contains_key(p)) {
                if !peers.contains(&peer) {
                    peers.push(peer);
                }
            }
        }
        peers
    }

    /// The attributes of a next hop's label; `None`: no next hop gave one.
    pub(super) fn downstream(&self, fec: FecId) -> Option<Option<Attributes>> {
        let peers = self.next_hops(fec);
        let received = peers.iter().find_map(|peer| self.peers.get(peer)?.received.get(&fec))?;
        Some(received.attributes.as_deref().cloned())
    }

    /// An event that a peer causes: at most once a second and peer.
    pub(super) fn peer_event(&mut self, now: Instant, peer: LdpId, event: Event) {
        let Some(state) = self.peers.get_mut(&peer) else { return };
        if state.last_event.is_none_or(|at| at + Duration::from_secs(1) <= now) {
            state.last_event = Some(now);
            self.outputs.push_back(Output::Event(event));
        }
    }

    /// An event of our own shortage: at most once a second.
    pub(super) fn own_event(&mut self, now: Instant, event: Event) {
        if self.last_event.is_none_or(|at| at + Duration::from_secs(1) <= now) {
            self.last_event = Some(now);
            self.outputs.push_back(Output::Event(event));
        }
    }

    /// Forgets a FEC that has no route, and that no peer knows.
    pub(super) fn forget_if_unknown(&mut self, fec: FecId) {
        let Some(state) = self.fecs.get(fec) else { return };
        let used = state.route != super::fec::Known::Nowhere
            || state.local.is_some()
            || state.dirty
            || state.ilm.is_some()
            || !state.entries.is_empty();
        if !used && !self.peers.values().any(|p| p.knows(fec)) {
            self.fecs.remove(fec);
            for peer in self.peers.values_mut() {
                peer.looped.remove(&fec);
            }
        }
    }

    pub(super) fn op(&mut self, op: FwdOp) {
        self.outputs.push_back(Output::Program(op));
    }
}
