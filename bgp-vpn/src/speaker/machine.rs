//! The machine: inputs, time, outputs.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use fwd_core::time::Instant;
use fwd_core::timers::Timers;

use super::io::{Event, Input, Output, PeerId, Side, SpeakerConfig};
use super::peer::PeerState;
use super::routing::Routing;
use super::tables::{GLOBAL, TableKind};
use super::target::Target;
use super::update_out::{Sent, Writing, write};
use crate::message::{RefreshSubtype, RouteRefresh};
use crate::nlri::{Afi, Family};
use crate::session::{ConfigError, Input as SessionInput, Output as SessionOutput, Session};
use crate::vrf::RETRY;

/// Timers of a speaker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Timer {
    /// The earliest of a session.
    Session(PeerId),
    /// The end of a peer's stale routes.
    Stale(PeerId),
    /// The next round of UPDATEs to a peer.
    Round(PeerId),
    /// A VRF has room again.
    Retry(u16),
    /// A peer's family has room again.
    Ask(PeerId),
    /// The longest time that a peer is waited for to say which route targets it wants.
    Membership(PeerId),
    /// The longest time that routes are chosen for nobody after a restart.
    Deferral,
}

/// One router: its sessions, its tables, its VRFs.
///
/// The shape is that of every machine here: inputs carry the time, outputs are taken until there is none, nothing blocks
/// and nothing reads a clock. UPDATEs and forwarding ops are made while outputs are taken, so that what waits is bounded by
/// the tables, not by what happened.
///
/// ```
/// use bgp_vpn::nlri::Family;
/// use bgp_vpn::session::{LocalIdentity, PeerConfig};
/// use bgp_vpn::speaker::{Input, LocalRoute, Output, Speaker, SpeakerConfig};
/// use bgp_vpn::vrf::VrfConfig;
/// use fwd_core::net::{Label, NhlfeId, VrfId};
/// use fwd_core::op::FwdOp;
/// use fwd_core::time::Instant;
///
/// let now = Instant::ZERO;
/// let mut pe = Speaker::new(now, SpeakerConfig {
///     local: LocalIdentity { asn: 65001, router_id: [192, 0, 2, 1].into() },
///     cluster_id: None,
///     labels: (Label::new(1000).unwrap(), Label::new(1999).unwrap()),
///     nhlfes: (NhlfeId(1000), NhlfeId(1999)),
///     seed: 1,
/// }).unwrap();
/// let blue = VrfConfig::new(VrfId(1), "blue", "65001:1".parse().unwrap(), "65001:1".parse().unwrap());
/// pe.add_vrf(now, blue).unwrap();
/// let reflector = [192, 0, 2, 9].into();
/// pe.add_peer(now, PeerConfig::new(reflector, [192, 0, 2, 1].into(), 65001, &[Family::VPN_IPV4])).unwrap();
/// let prefix = "10.0.0.0/8".parse().unwrap();
/// pe.handle_input(now, Input::Local { vrf: VrfId(1), prefix, route: Some(LocalRoute::Local) });
/// let outputs: Vec<Output> = core::iter::from_fn(|| pe.poll_output()).collect();
/// assert!(outputs.iter().any(|o| matches!(o, Output::Connect { .. })));
/// assert!(outputs.iter().any(|o| matches!(o, Output::Program(FwdOp::SetIlm { .. }))));
/// assert!(outputs.iter().any(|o| matches!(o, Output::Program(FwdOp::SetRoute4 { .. }))));
/// ```
#[derive(Debug)]
pub struct Speaker {
    pub(super) config: SpeakerConfig,
    pub(super) routing: Routing,
    pub(super) sessions: Vec<Option<Session>>,
    timers: Timers<Timer>,
    pub(super) outputs: VecDeque<Output>,
    /// The peer whose turn it is to be written to.
    turn: u32,
    /// Until when, at the latest, routes are chosen for nobody: this router has restarted.
    deferral: Option<Instant>,
}

impl Speaker {
    /// The most octets of UPDATEs in one output.
    const CHUNK: usize = 65_536;

    /// A speaker without peers and VRFs.
    ///
    /// # Errors
    /// An AS number or identifier of 0; a range of labels or entries that is empty or holds special-purpose labels.
    pub fn new(now: Instant, config: SpeakerConfig) -> Result<Self, ConfigError> {
        config.validate()?;
        let mut routing = Routing::new(&config);
        routing.shared.now = now;
        Ok(Self {
            config,
            routing,
            sessions: Vec::new(),
            timers: Timers::new(),
            outputs: VecDeque::new(),
            turn: 0,
            deferral: None,
        })
    }

    /// Something happened.
    pub fn handle_input(&mut self, now: Instant, input: Input<'_>) {
        self.begin(now);
        if !matches!(input, Input::NextHop { .. }) {
            self.routing.decide_moved();
        }
        match input {
            Input::Connected { peer, side } => self.connected(peer, side),
            Input::Stream { peer, side, octets } => {
                let before = self.work_of(peer);
                self.session_input(peer, SessionInput::Stream { side, octets });
                let units = self.work_of(peer).saturating_sub(before);
                if let Some(state) = self.routing.shared.peer_mut(peer) {
                    if let Some(rate) = state.config.update_rate {
                        state.pace.spend(now, rate, units);
                    }
                }
            }
            Input::Writable { peer, side, room } => {
                self.set_room(peer, side, room);
                self.session_input(peer, SessionInput::Writable { side, room });
            }
            Input::Closed { peer, side } => {
                self.set_room(peer, side, 0);
                self.session_input(peer, SessionInput::Closed { side });
            }
            Input::NextHop { address, reach } => self.routing.next_hop(address, reach),
            Input::Circuit { iface, circuit } => self.routing.circuit(iface, circuit),
            Input::Local { vrf, prefix, route } => self.routing.local(vrf, prefix, route.map(|route| (route, None))),
            Input::Igp { vrf, prefix, route } => {
                self.routing.local(vrf, prefix, route.map(|(route, from)| (route, Some(from))));
            }
            Input::Labeled { prefix, route } => self.routing.originate_labeled(prefix, route),
            Input::Refused(op) => self.routing.refused(op),
        }
        self.schedule();
    }

    /// Does what is due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.begin(now);
        self.routing.decide_moved();
        while let Some(timer) = self.timers.expired(now) {
            match timer {
                Timer::Session(peer) => {
                    if let Some(session) = self.session(peer) {
                        session.handle_timeout(now);
                    }
                    self.drain(peer);
                }
                Timer::Stale(peer) => {
                    self.routing.stale_expired(peer);
                    let stale = self.routing.shared.peer(peer).and_then(PeerState::next_stale);
                    self.set_timer(Timer::Stale(peer), stale);
                }
                Timer::Round(peer) => drop(self.routing.wake.insert(peer.0)),
                Timer::Deferral => self.end_deferral(false),
                Timer::Membership(peer) => self.routing.membership_complete(peer),
                Timer::Ask(peer) => {
                    for family in self.routing.ask(peer) {
                        let refresh = RouteRefresh::new(family, RefreshSubtype::REQUEST);
                        self.session_input(peer, SessionInput::Refresh(refresh));
                    }
                }
                Timer::Retry(slot) => {
                    for (peer, family) in self.routing.retry(slot) {
                        let refresh = RouteRefresh::new(family, RefreshSubtype::REQUEST);
                        self.session_input(peer, SessionInput::Refresh(refresh));
                    }
                }
            }
        }
        self.schedule();
    }

    /// The next thing to be done outside.
    ///
    /// First what sessions send and events, then forwarding ops, and only when there is none left UPDATEs: what is announced
    /// is programmed.
    pub fn poll_output(&mut self) -> Option<Output> {
        if let Some(output) = self.outputs.pop_front() {
            return Some(output);
        }
        if let Some(event) = self.routing.shared.events.pop_front() {
            return Some(Output::Event(event));
        }
        self.routing.decide_moved();
        self.schedule();
        if self.defers() {
            return self.poll_updates();
        }
        if let Some(op) = self.routing.poll_op() {
            return Some(Output::Program(op));
        }
        if let Some(event) = self.routing.shared.events.pop_front() {
            return Some(Output::Event(event));
        }
        if let Some((vrf, prefix, route)) = self.routing.poll_igp() {
            return Some(Output::Igp { vrf, prefix, route });
        }
        if let Some(output) = self.poll_updates() {
            return Some(output);
        }
        // Writing may have freed labels and destinations.
        if let Some(output) = self.outputs.pop_front() {
            return Some(output);
        }
        self.routing.poll_op().map(Output::Program)
    }

    /// UPDATEs for the peer whose turn it is.
    fn poll_updates(&mut self) -> Option<Output> {
        while let Some(peer) = self.routing.wake.next(self.turn).or_else(|| self.routing.wake.next(0)) {
            // A peer stays awake as long as it has something to be told and takes it.
            self.turn = peer;
            if let Some(output) = self.updates(PeerId(peer)) {
                return Some(output);
            }
            self.routing.wake.remove(peer);
            self.turn = peer.wrapping_add(1);
        }
        None
    }

    /// Whether routes are chosen for nobody yet: this router has restarted.
    pub(super) const fn defers(&self) -> bool {
        self.deferral.is_some()
    }

    pub(super) fn defer_until(&mut self, at: Instant) {
        self.deferral = Some(at);
        self.set_timer(Timer::Deferral, self.deferral);
    }

    pub(super) fn stop_deferral(&mut self) {
        self.deferral = None;
        self.set_timer(Timer::Deferral, None);
    }

    /// When [`Self::handle_timeout`] is to be called next. Inputs, time-outs, operators' calls and the taking of outputs may
    /// change it.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        self.timers.next_timeout()
    }

    pub(super) fn begin(&mut self, now: Instant) {
        self.routing.shared.now = self.routing.shared.now.max(now);
    }

    /// Takes the decisions that were put off, and sets the timers that changes of the tables asked for.
    pub(super) fn schedule(&mut self) {
        self.routing.decide_pending();
        self.routing.filter_changed();
        let now = self.routing.shared.now;
        for peer in core::mem::take(&mut self.routing.asks) {
            let last = self.routing.shared.peer(peer).and_then(|p| p.asked);
            let at = last.map_or(now, |last| (last + RETRY).max(now));
            self.set_timer(Timer::Ask(peer), Some(at));
        }
        for (slot, at) in core::mem::take(&mut self.routing.retries) {
            self.timers.set(Timer::Retry(slot), at.max(now));
        }
    }

    pub(super) fn session(&mut self, peer: PeerId) -> Option<&mut Session> {
        self.sessions.get_mut(peer.0 as usize)?.as_mut()
    }

    fn set_room(&mut self, peer: PeerId, side: Side, room: usize) {
        if let Some(state) = self.routing.shared.peer_mut(peer) {
            let [outgoing, incoming] = &mut state.room;
            *(if side == Side::Outgoing { outgoing } else { incoming }) = room;
            self.routing.wake.insert(peer.0);
        }
    }

    fn connected(&mut self, peer: PeerId, side: Side) {
        let Some(session) = self.session(peer) else { return };
        if side == Side::Incoming && !session.admits_incoming() {
            self.outputs.push_back(Output::Close { peer, side });
            return;
        }
        self.set_room(peer, side, 0);
        self.session_input(peer, SessionInput::Connected { side });
    }

    /// What a peer has made us do: routes and UPDATEs, the malformed ones too.
    fn work_of(&self, peer: PeerId) -> u64 {
        let routes = self.peer_counters(peer).map_or(0, |c| c.announced + c.withdrawn);
        routes + self.session_counters(peer).map_or(0, |c| c.received.updates)
    }

    pub(super) fn session_input(&mut self, peer: PeerId, input: SessionInput<'_>) {
        let now = self.routing.shared.now;
        let Some(session) = self.session(peer) else { return };
        session.handle_input(now, input);
        self.drain(peer);
    }

    /// Takes what a session has to say.
    fn drain(&mut self, peer: PeerId) {
        let now = self.routing.shared.now;
        while let Some(output) = self.session(peer).and_then(Session::poll_output) {
            match output {
                SessionOutput::Connect => self.outputs.push_back(Output::Connect { peer }),
                SessionOutput::Close { side } => {
                    self.set_room(peer, side, 0);
                    self.outputs.push_back(Output::Close { peer, side });
                }
                SessionOutput::Send { side, octets } => {
                    if let Some(state) = self.routing.shared.peer_mut(peer) {
                        let [outgoing, incoming] = &mut state.room;
                        let room = if side == Side::Outgoing { outgoing } else { incoming };
                        *room = room.saturating_sub(octets.len());
                    }
                    self.outputs.push_back(Output::Stream { peer, side, octets });
                }
                SessionOutput::Established { side, negotiated } => {
                    self.routing.peer_up(peer, side, *negotiated);
                    self.routing.shared.event(Event::Established { peer });
                }
                SessionOutput::Update(body) => {
                    if let Some(notification) = self.routing.update(peer, &body) {
                        if let Some(session) = self.session(peer) {
                            session.handle_input(now, SessionInput::UpdateError(notification));
                        }
                    }
                }
                SessionOutput::Refresh(refresh) => self.routing.refresh(peer, &refresh),
                SessionOutput::Down(down) => {
                    self.routing.peer_down(peer, down.retain_routes);
                    let (sent, received) = (down.sent, down.received);
                    self.routing.shared.event(Event::Down { peer, sent, received });
                }
            }
        }
        self.set_timer(Timer::Session(peer), self.session_timeout(peer));
        let stale = self.routing.shared.peer(peer).and_then(PeerState::next_stale);
        let wait = self.routing.shared.peer(peer).and_then(|p| p.membership.as_ref()?.wait);
        self.set_timer(Timer::Membership(peer), wait);
        self.set_timer(Timer::Stale(peer), stale);
        self.check_deferral();
    }

    fn session_timeout(&self, peer: PeerId) -> Option<Instant> {
        self.sessions.get(peer.0 as usize)?.as_ref()?.next_timeout()
    }

    pub(super) fn forget_timers(&mut self, peer: PeerId) {
        for timer in
            [Timer::Session(peer), Timer::Stale(peer), Timer::Round(peer), Timer::Ask(peer), Timer::Membership(peer)]
        {
            self.timers.clear(timer);
        }
    }

    fn set_timer(&mut self, timer: Timer, at: Option<Instant>) {
        match at {
            Some(at) => {
                if self.timers.get(timer) != Some(at) {
                    self.timers.set(timer, at);
                }
            }
            None => self.timers.clear(timer),
        }
    }

    /// UPDATEs for a peer, as far as its connection takes them; its families take turns.
    fn updates(&mut self, peer: PeerId) -> Option<Output> {
        let state = self.routing.shared.peer_mut(peer)?;
        let room = (*state.session_room()?).min(Self::CHUNK);
        let (side, negotiated) = state.session.take()?;
        let families = state.families.clone();
        let turn = state.turn;
        let mut octets = Vec::new();
        let mut updates = 0;
        let (mut first, mut then) = (Vec::new(), Vec::new());
        for i in 0..families.len() {
            let n = (turn + i) % families.len();
            let Some(family) = families.get(n) else { continue };
            if self.defers() && family.table != TableKind::Memberships {
                continue;
            }
            let sent =
                self.write_family(peer, family.table, family.family, family.slot, &negotiated, room, &mut octets);
            if let Some(state) = self.routing.shared.peer_mut(peer) {
                state.counters.sent += sent.routes;
                state.counters.withdrawals_sent += sent.withdrawals;
                state.counters.updates_sent += sent.updates;
                state.counters.considered += sent.considered;
                state.counters.rewrites += sent.rewrites;
                state.turn = n + 1;
            }
            updates += sent.updates;
            let space = self.routing.shared.peer(peer).and_then(|p| p.config.label_space);
            for (old, new) in sent.labels {
                let labels = &mut self.routing.labels;
                first.extend(space.zip(new).and_then(|(space, new)| labels.tell(space, new)));
                then.extend(space.zip(old).and_then(|(space, old)| labels.untell(space, old)));
            }
            for dest in sent.told.into_iter().flatten() {
                self.routing.told_label(family.table, family.family.afi == Afi::IPV6, dest, family.slot);
            }
        }
        let state = self.routing.shared.peer_mut(peer)?;
        state.session = Some((side, negotiated));
        if let Some(room) = state.session_room() {
            *room = room.saturating_sub(octets.len());
        }
        let hold = families.iter().filter_map(|f| self.next_round(f.table, f.family, f.slot)).min();
        self.set_timer(Timer::Round(peer), hold);
        if octets.is_empty() {
            return None;
        }
        let now = self.routing.shared.now;
        if let Some(session) = self.session(peer) {
            for _ in 0..updates {
                session.handle_input(now, SessionInput::UpdateSent);
            }
        }
        self.set_timer(Timer::Session(peer), self.session_timeout(peer));
        let stream = Output::Stream { peer, side, octets };
        if first.is_empty() && then.is_empty() {
            return Some(stream);
        }
        // A label works before the peer is told of it, and until it was told that it does not.
        self.outputs.extend(first.into_iter().map(Output::Program));
        self.outputs.push_back(stream);
        self.outputs.extend(then.into_iter().map(Output::Program));
        self.outputs.pop_front()
    }

    #[allow(clippy::too_many_arguments)]
    fn write_family(
        &mut self,
        id: PeerId,
        table: TableKind,
        family: Family,
        slot: u32,
        negotiated: &crate::session::Negotiated,
        room: usize,
        out: &mut Vec<u8>,
    ) -> Sent {
        let Routing { tables, shared, retiring, .. } = &mut self.routing;
        let Some(peer) = shared.peer(id).filter(|p| !p.awaits_memberships(family)) else { return Sent::default() };
        let vrf = if peer.vrf == GLOBAL { None } else { tables.vrf(peer.vrf) };
        let site = vrf.and_then(|vrf| vrf.config.as_ref()?.site_of_origin);
        let config = peer.config.families.iter().find(|f| f.family == family);
        let rule = config.map(|f| f.next_hop).unwrap_or_default();
        let default_target = config.is_some_and(|f| f.default_target);
        let max_paths = config.map_or(1, |f| usize::from(f.max_paths));
        let best_external = config.is_some_and(|f| f.best_external);
        let vrf = peer.config.vrf;
        let target = Target { id, peer, negotiated, site, rule, default_target, family, vrf, max_paths, best_external };
        let track = retiring.get(&(table, family.afi == Afi::IPV6)).is_some_and(|r| !r.is_empty());
        let to = Writing { slot, shared, target: &target, room };
        match (table, family.afi) {
            (TableKind::Vpn, Afi::IPV4) => write(&mut tables.vpn4, to, out, track),
            (TableKind::Vpn, _) => write(&mut tables.vpn6, to, out, track),
            (TableKind::Labeled, Afi::IPV4) => write(&mut tables.labeled4, to, out, track),
            (TableKind::Labeled, _) => write(&mut tables.labeled6, to, out, track),
            (TableKind::Memberships, _) => write(&mut tables.memberships, to, out, track),
            (TableKind::Opaque(table), _) => match tables.opaque.get_mut(usize::from(table)) {
                Some(table) => write(&mut table.rib, to, out, track),
                None => Sent::default(),
            },
            (TableKind::Unicast(vrf), afi) => match tables.vrf_mut(vrf) {
                Some(vrf) if afi == Afi::IPV4 => write(&mut vrf.v4, to, out, track),
                Some(vrf) => write(&mut vrf.v6, to, out, track),
                None => Sent::default(),
            },
        }
    }

    fn next_round(&self, table: TableKind, family: Family, slot: u32) -> Option<Instant> {
        let adj = self.routing.tables.peers(table, family.afi).and_then(|peers| peers.adj(slot));
        let at = adj?.out.next_round()?;
        (at > self.routing.shared.now).then_some(at)
    }
}
