//! The machine: what operators do, offers of roots, tunnels, groups.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;

use fwd_core::net::{Label, LabelSpaceId, NhlfeId, PortId, ReplicationId};
use fwd_core::op::NextHop;
use fwd_core::time::Instant;
use fwd_core::timers::Timers;

use super::super::accept::{Mismatch, accept};
use super::super::config::{PwId, Sai};
use super::super::fsm::{PwEvent, PwState, pw_transition};
use super::io::{Counters, Event, Input, LeafConfig, LeafError, LeafPwConfig, Output, PwView};
use super::template::{Template, TemplateId};
use crate::ldp::fec::{P2mpPw, PmsiTunnel};
use crate::ldp::neighbour::Pool;
use crate::ldp::session::ConfigError;
use crate::ldp::{LdpId, PwStatus};
use crate::redundancy::Redundancy;

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// The tunnel of a member does not come.
    Transport(PwId, usize),
    /// A group.
    Group(PwId),
}

/// What a root offers.
#[derive(Clone, Debug)]
pub(super) struct Offer {
    pub(super) label: Label,
    pub(super) pw: P2mpPw,
    /// The label for what we send.
    pub(super) back: Option<Label>,
    /// The root's own status.
    pub(super) status: PwStatus,
}

/// One pseudowire of those that may feed the circuits.
#[derive(Clone, Debug)]
pub(super) struct Member {
    pub(super) sai: Sai,
    pub(super) state: PwState,
    /// The root whose offer is taken.
    pub(super) root: Option<LdpId>,
    pub(super) tunnel: Option<PmsiTunnel>,
    pub(super) oam_down: bool,
    /// What the root was told.
    pub(super) told: Option<PwStatus>,
    pub(super) port: PortId,
    pub(super) nhlfe: NhlfeId,
    /// Port and entry are in the tables.
    pub(super) programmed: bool,
    /// The entry of the way back.
    pub(super) back: Option<(Option<Label>, NextHop)>,
    /// The label that leads to the port, in its space.
    pub(super) bound: Option<(LabelSpaceId, Label)>,
    pub(super) sends: bool,
}

#[derive(Debug)]
pub(super) struct Pw {
    pub(super) config: LeafPwConfig,
    pub(super) members: Vec<Member>,
    pub(super) group: ReplicationId,
    pub(super) circuits: Vec<PortId>,
    pub(super) programmed: bool,
    /// The forwarding plane had no room.
    pub(super) refused: bool,
    pub(super) ac_status: PwStatus,
    /// Of several members.
    pub(super) selector: Option<Redundancy>,
    pub(super) selected: Option<usize>,
    /// What made it, if not the operator.
    pub(super) template: Option<TemplateId>,
}

#[derive(Debug, Default)]
pub(super) struct Peer {
    pub(super) up: bool,
    pub(super) offers: BTreeMap<Sai, Offer>,
    /// Which offer a label is of.
    pub(super) labels: BTreeMap<Label, Sai>,
    pub(super) next: Option<NextHop>,
    pub(super) space: Option<LabelSpaceId>,
    pub(super) limit_told: bool,
}

/// A tunnel that members wait for or use.
#[derive(Debug)]
struct Tunnel {
    up: bool,
    root: LdpId,
    users: BTreeSet<(PwId, usize)>,
}

/// The leaf side of P2MP pseudowires at one router (RFC 8338).
#[derive(Debug)]
pub struct Leaf {
    config: LeafConfig,
    nhlfes: Pool,
    ports: Pool,
    groups: Pool,
    spaces: Pool,
    pub(super) pws: BTreeMap<PwId, Pw>,
    pub(super) by_sai: BTreeMap<Sai, (PwId, usize)>,
    pub(super) peers: BTreeMap<LdpId, Peer>,
    tunnels: BTreeMap<PmsiTunnel, Tunnel>,
    pub(super) templates: BTreeMap<TemplateId, Template>,
    pub(super) next_template: u32,
    pub(super) dirty: BTreeSet<PwId>,
    pub(super) outputs: VecDeque<Output>,
    timers: Timers<Timer>,
    pub(super) counters: Counters,
    next_id: u32,
}

impl Leaf {
    /// A machine without pseudowires.
    ///
    /// # Errors
    /// A block is empty.
    pub fn new(_now: Instant, config: LeafConfig) -> Result<Self, ConfigError> {
        let block = |field, first: u32, last: u32| match first > last {
            true => Err(ConfigError::Number { field, value: first, rule: "the first not above the last" }),
            false => Ok(Pool::new(first, last)),
        };
        Ok(Self {
            nhlfes: Pool::nhlfes(config.nhlfes)?,
            ports: block("ports", config.ports.first.0, config.ports.last.0)?,
            groups: block("groups", config.groups.first.0, config.groups.last.0)?,
            spaces: block("spaces", config.spaces.first.0, config.spaces.last.0)?,
            config,
            pws: BTreeMap::new(),
            by_sai: BTreeMap::new(),
            peers: BTreeMap::new(),
            tunnels: BTreeMap::new(),
            templates: BTreeMap::new(),
            next_template: 1,
            dirty: BTreeSet::new(),
            outputs: VecDeque::new(),
            timers: Timers::new(),
            counters: Counters::default(),
            next_id: 1,
        })
    }

    /// Takes an input.
    pub fn handle_input(&mut self, now: Instant, input: Input<'_>) {
        match input {
            Input::PeerUp { peer, .. } => self.peers.entry(peer).or_default().up = true,
            Input::PeerDown { peer } => self.peer_down(now, peer),
            Input::Message { peer, message } => self.message(now, peer, &message.body),
            Input::Tunnel { tunnel, up } => {
                let Some(entry) = self.tunnels.get_mut(tunnel) else { return };
                entry.up = up;
                for (pw, member) in entry.users.clone() {
                    self.transport(now, pw, member);
                }
            }
            Input::Reach { peer, next } => {
                self.peers.entry(peer).or_default().next = next;
                let of_root = |pw: &Pw| pw.members.iter().any(|m| m.root == Some(peer));
                self.dirty.extend(self.pws.iter().filter(|(_, pw)| of_root(pw)).map(|(id, _)| *id));
            }
            Input::Refused(op) => self.refused(&op),
        }
    }

    /// Lets timers expire that are due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(timer) = self.timers.expired(now) {
            match timer {
                Timer::Transport(pw, member) => self.member_event(now, pw, member, PwEvent::TransportTimeout),
                Timer::Group(pw) => {
                    if let Some(selector) = self.pws.get_mut(&pw).and_then(|p| p.selector.as_mut()) {
                        selector.handle_timeout(now);
                    }
                    self.select(now, pw);
                }
            }
        }
    }

    /// What is to be done next, if anything. Messages and ops are made here, from what changed since.
    pub fn poll_output(&mut self) -> Option<Output> {
        loop {
            if let Some(output) = self.outputs.pop_front() {
                return Some(output);
            }
            let pw = self.dirty.pop_first()?;
            self.program(pw);
        }
    }

    /// When [`Self::handle_timeout`] is due. Inputs, timeouts and what operators do change it.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        self.timers.next_timeout()
    }

    /// What was counted.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Adds circuits with the pseudowires that may feed them. What roots offered already is taken at once.
    ///
    /// # Errors
    /// A field that is not as it must be, a name that is taken, or no room in a block.
    pub fn add_pw(&mut self, now: Instant, config: LeafPwConfig) -> Result<PwId, LeafError> {
        self.add(now, config, None)
    }

    pub(super) fn add(
        &mut self,
        now: Instant,
        mut config: LeafPwConfig,
        template: Option<TemplateId>,
    ) -> Result<PwId, LeafError> {
        if config.sais.is_empty() {
            return Err(LeafError::NoName);
        }
        if !(1..=255).contains(&config.circuits.len()) {
            return Err(LeafError::Circuits);
        }
        config.sais.sort_unstable();
        let names: BTreeSet<&Sai> = config.sais.iter().collect();
        if names.len() != config.sais.len() || config.sais.iter().any(|sai| self.by_sai.contains_key(sai)) {
            return Err(LeafError::Duplicate);
        }
        let selector = match config.sais.len() {
            1 => None,
            n => Some(Redundancy::new(now, n, config.redundancy).map_err(|_| LeafError::Redundancy)?),
        };
        let mut members = Vec::new();
        let mut circuits = Vec::new();
        let group = self.groups.allocate().map(ReplicationId);
        for _ in &config.circuits {
            circuits.extend(self.ports.allocate().map(PortId));
        }
        for sai in &config.sais {
            let (port, nhlfe) = (self.ports.allocate(), self.nhlfes.allocate());
            if let (Some(port), Some(nhlfe)) = (port, nhlfe) {
                members.push(member(sai.clone(), PortId(port), NhlfeId(nhlfe)));
            } else {
                port.iter().for_each(|p| self.ports.release(*p));
                nhlfe.iter().for_each(|n| self.nhlfes.release(*n));
            }
        }
        let complete = members.len() == config.sais.len() && circuits.len() == config.circuits.len();
        let Some(group) = group.filter(|_| complete) else {
            members.iter().for_each(|m| self.ports.release(m.port.0));
            members.iter().for_each(|m| self.nhlfes.release(m.nhlfe.0));
            circuits.iter().for_each(|p| self.ports.release(p.0));
            group.iter().for_each(|g| self.groups.release(g.0));
            return Err(LeafError::Exhausted("nhlfes, ports or groups"));
        };
        let id = PwId(self.next_id);
        self.next_id = self.next_id.saturating_add(1);
        let names = config.sais.clone();
        let (programmed, refused, ac_status, selected) = (false, false, PwStatus::empty(), None);
        let pw = Pw { config, members, group, circuits, programmed, refused, ac_status, selector, selected, template };
        self.pws.insert(id, pw);
        for (index, sai) in names.into_iter().enumerate() {
            let root = self.peers.iter().find(|(_, peer)| peer.offers.contains_key(&sai)).map(|(peer, _)| *peer);
            self.by_sai.insert(sai, (id, index));
            if let Some(root) = root {
                self.offered(now, id, index, root);
            }
        }
        self.dirty.insert(id);
        Ok(id)
    }

    /// Removes circuits and their pseudowires; offers of roots are kept.
    pub fn remove_pw(&mut self, now: Instant, id: PwId) {
        let members = self.pws.get(&id).map_or(0, |pw| pw.members.len());
        for index in 0..members {
            self.member_event(now, id, index, PwEvent::Withdrawn);
        }
        self.program(id);
        let Some(mut pw) = self.pws.remove(&id) else { return };
        self.dirty.remove(&id);
        self.timers.clear(Timer::Group(id));
        self.take_out(&mut pw);
        for m in &pw.members {
            self.by_sai.remove(&m.sai);
            self.ports.release(m.port.0);
            self.nhlfes.release(m.nhlfe.0);
        }
        pw.circuits.iter().for_each(|p| self.ports.release(p.0));
        self.groups.release(pw.group.0);
        if let Some(template) = pw.template {
            self.give_back(template, pw.config.vsi);
        }
    }

    /// The state of the leaf's circuits, which the root is told of (RFC 8338 §5).
    pub fn set_ac_status(&mut self, id: PwId, status: PwStatus) {
        if let Some(pw) = self.pws.get_mut(&id) {
            pw.ac_status = status;
            self.dirty.insert(id);
        }
    }

    /// What in-band verification (BFD, VCCV) says of the way from the root of a pseudowire. One that is down keeps its entries, so that
    /// verification goes on; of several that protect each other only the one that is selected has entries.
    pub fn set_oam(&mut self, now: Instant, sai: &Sai, up: bool) {
        let Some(&(id, index)) = self.by_sai.get(sai) else { return };
        let Some(pw) = self.pws.get_mut(&id).filter(|pw| pw.config.monitor.vccv()) else { return };
        if let Some(m) = pw.members.get_mut(index) {
            m.oam_down = !up;
        }
        self.transport(now, id, index);
    }

    /// Makes this one of several feed the circuits while it is well; `None`: whichever is best.
    pub fn switch_to(&mut self, now: Instant, id: PwId, sai: Option<&Sai>) {
        let Some(pw) = self.pws.get_mut(&id) else { return };
        let index = sai.and_then(|sai| pw.members.iter().position(|m| m.sai == *sai));
        if let Some(selector) = &mut pw.selector {
            selector.set_manual(now, index);
        }
        self.select(now, id);
    }

    /// A pseudowire as it is.
    #[must_use]
    pub fn pw(&self, id: PwId) -> Option<PwView> {
        let pw = self.pws.get(&id)?;
        let members = pw.members.iter().map(|m| (m.sai.clone(), m.state)).collect();
        let selected = pw.selected.and_then(|i| pw.members.get(i)).map(|m| m.sai.clone());
        Some(PwView { members, selected })
    }

    /// Offers that no pseudowire takes, by root.
    pub fn retained(&self) -> impl Iterator<Item = (LdpId, &Sai)> {
        let offers = self.peers.iter().flat_map(|(peer, p)| p.offers.keys().map(|sai| (*peer, sai)));
        offers.filter(|(_, sai)| !self.by_sai.contains_key(*sai))
    }

    pub(super) fn max_offers(&self) -> usize {
        self.config.max_offers
    }

    /// The label space of a root.
    pub(super) fn space(&mut self, peer: LdpId) -> Option<LabelSpaceId> {
        let p = self.peers.entry(peer).or_default();
        if p.space.is_none() {
            p.space = self.spaces.allocate().map(LabelSpaceId);
        }
        p.space
    }

    /// A root offers a member, or offers it anew.
    pub(super) fn offered(&mut self, now: Instant, id: PwId, index: usize, root: LdpId) {
        let Some(pw) = self.pws.get_mut(&id) else { return };
        let Some(m) = pw.members.get_mut(index) else { return };
        let Some(offer) = self.peers.get(&root).and_then(|p| p.offers.get(&m.sai)) else { return };
        // What had no room is tried again.
        (m.root, pw.refused) = (Some(root), false);
        let sai = m.sai.clone();
        let tunnel = offer.pw.tunnel().cloned().filter(|tunnel| *tunnel != PmsiTunnel::None);
        let verdict = accept(&pw.config.service, &offer.pw, pw.config.strict_mtu);
        // A tunnel is one root's: another that names it would have its labels looked up in a space that is not its own.
        let foreign = tunnel.as_ref().and_then(|t| self.tunnels.get(t)).is_some_and(|t| t.root != root);
        let verdict = if foreign { Err(Mismatch::ForeignTunnel) } else { verdict };
        match (verdict, tunnel) {
            (Ok(accepted), Some(tunnel)) => {
                if let Some((root, leaf)) = accepted.small_mtu {
                    self.outputs.push_back(Output::Event(Event::SmallMtu { pw: id, root, leaf }));
                }
                self.member_event(now, id, index, PwEvent::Accepted);
                self.join(id, index, tunnel, root);
                self.transport(now, id, index);
            }
            (Ok(_), None) => self.member_event(now, id, index, PwEvent::Accepted),
            (Err(what), _) => {
                self.outputs.push_back(Output::Event(Event::Mismatch { pw: id, sai, what }));
                self.member_event(now, id, index, PwEvent::Mismatch);
            }
        }
    }

    fn join(&mut self, id: PwId, index: usize, tunnel: PmsiTunnel, root: LdpId) {
        let Some(m) = self.pws.get_mut(&id).and_then(|pw| pw.members.get_mut(index)) else { return };
        m.tunnel = Some(tunnel.clone());
        let is_new = !self.tunnels.contains_key(&tunnel);
        let entry = self.tunnels.entry(tunnel.clone());
        entry.or_insert(Tunnel { up: false, root, users: BTreeSet::new() }).users.insert((id, index));
        if let Some(space) = self.space(root).filter(|_| is_new) {
            self.outputs.push_back(Output::Join { tunnel, space });
        }
    }

    fn part(&mut self, id: PwId, index: usize) {
        let member = self.pws.get_mut(&id).and_then(|pw| pw.members.get_mut(index));
        let Some(tunnel) = member.and_then(|m| m.tunnel.take()) else { return };
        if let Some(entry) = self.tunnels.get_mut(&tunnel) {
            entry.users.remove(&(id, index));
            if entry.users.is_empty() {
                self.tunnels.remove(&tunnel);
                self.outputs.push_back(Output::Leave { tunnel });
            }
        }
    }

    /// What the tunnel of a member, or what verifies it, means for the member.
    pub(super) fn transport(&mut self, now: Instant, id: PwId, index: usize) {
        let Some(m) = self.pws.get(&id).and_then(|pw| pw.members.get(index)) else { return };
        let up = m.tunnel.as_ref().and_then(|t| self.tunnels.get(t)).is_some_and(|t| t.up) && !m.oam_down;
        let event = match (up, m.state) {
            (true, PwState::Standby) => PwEvent::TransportUpStandby,
            (true, PwState::Up) => PwEvent::TransportUp,
            (true, _) if self.pws.get(&id).is_some_and(|pw| pw.selector.is_some()) => PwEvent::TransportUpStandby,
            (true, _) => PwEvent::TransportUp,
            (false, _) => PwEvent::TransportDown,
        };
        self.member_event(now, id, index, event);
    }

    /// Runs the state machine of a member. What cannot be is ignored.
    pub(super) fn member_event(&mut self, now: Instant, id: PwId, index: usize, event: PwEvent) {
        let Some(m) = self.pws.get_mut(&id).and_then(|pw| pw.members.get_mut(index)) else { return };
        let Ok(state) = pw_transition(m.state, event) else { return };
        let sai = m.sai.clone();
        let before = core::mem::replace(&mut m.state, state);
        if matches!(state, PwState::Idle | PwState::Rejected) {
            self.part(id, index);
        }
        if state == PwState::WaitTransport && before != state {
            self.timers.set(Timer::Transport(id, index), now + self.config.transport);
        } else if state != PwState::WaitTransport {
            self.timers.clear(Timer::Transport(id, index));
        }
        if before != state {
            self.outputs.push_back(Output::Event(Event::State { pw: id, sai, state }));
        }
        self.dirty.insert(id);
        self.weigh(now, id, index);
    }

    /// Tells the group how a member fares.
    pub(super) fn weigh(&mut self, now: Instant, id: PwId, index: usize) {
        let Some(pw) = self.pws.get_mut(&id) else { return };
        let Some(m) = pw.members.get(index) else { return };
        let offer = m.root.and_then(|root| self.peers.get(&root)?.offers.get(&m.sai));
        let status = offer.map_or(PwStatus::empty(), |o| o.status);
        let well = matches!(m.state, PwState::Up | PwState::Standby);
        let root_well = status.is_up() || !pw.config.monitor.ldp();
        if let Some(selector) = &mut pw.selector {
            selector.set_standby(now, index, status.contains(PwStatus::STANDBY));
            selector.set_up(now, index, well && root_well);
            self.select(now, id);
        } else {
            pw.selected = well.then_some(index);
        }
    }

    /// Lets the selected member feed the circuits.
    fn select(&mut self, now: Instant, id: PwId) {
        let Some(pw) = self.pws.get_mut(&id) else { return };
        let Some(selector) = &mut pw.selector else { return };
        match selector.next_timeout() {
            Some(at) => self.timers.set(Timer::Group(id), at),
            None => self.timers.clear(Timer::Group(id)),
        }
        if !selector.poll_changed() {
            return;
        }
        pw.selected = selector.selected();
        let selected = pw.selected;
        self.dirty.insert(id);
        if let Some(sai) = selected.and_then(|i| pw.members.get(i)).map(|m| m.sai.clone()) {
            self.outputs.push_back(Output::Event(Event::Switched { pw: id, sai }));
        }
        let members = self.pws.get(&id).map_or(0, |pw| pw.members.len());
        for index in 0..members {
            let state = self.pws.get(&id).and_then(|pw| pw.members.get(index)).map(|m| m.state);
            let event = match (state, selected == Some(index)) {
                (Some(PwState::Standby), true) => PwEvent::TransportUp,
                (Some(PwState::Up), false) => PwEvent::TransportUpStandby,
                _ => continue,
            };
            self.member_event(now, id, index, event);
        }
    }

    fn peer_down(&mut self, now: Instant, id: LdpId) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        (peer.up, peer.limit_told) = (false, false);
        let offers = core::mem::take(&mut peer.offers);
        peer.labels.clear();
        for sai in offers.keys() {
            self.lost(now, id, sai);
        }
        // Entries go before labels of the next session come.
        self.program_all();
    }

    /// A root offers a pseudowire no more; another may.
    pub(super) fn lost(&mut self, now: Instant, root: LdpId, sai: &Sai) {
        let Some(&(id, index)) = self.by_sai.get(sai) else { return };
        let member = self.pws.get_mut(&id).and_then(|pw| pw.members.get_mut(index));
        let Some(m) = member.filter(|m| m.root == Some(root)) else { return };
        (m.root, m.told, m.oam_down) = (None, None, false);
        self.member_event(now, id, index, PwEvent::Withdrawn);
        let other = self.peers.iter().find(|(_, peer)| peer.offers.contains_key(sai)).map(|(peer, _)| *peer);
        match other {
            Some(other) => self.offered(now, id, index, other),
            None => self.expire(now, id),
        }
    }
}

fn member(sai: Sai, port: PortId, nhlfe: NhlfeId) -> Member {
    Member {
        sai,
        state: PwState::Idle,
        root: None,
        tunnel: None,
        oam_down: false,
        told: None,
        port,
        nhlfe,
        programmed: false,
        back: None,
        bound: None,
        sends: false,
    }
}
