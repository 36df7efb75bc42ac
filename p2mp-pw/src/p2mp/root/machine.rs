//! The machine: what operators do, sessions, tunnels, timers.

mod protect;

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;

use fwd_core::net::{Label, NhlfeId, PortId, ReplicationId};
use fwd_core::time::Instant;
use fwd_core::timers::Timers;

use super::super::config::{PwId, Sai};
use super::super::fsm::{LeafEvent, LeafState, leaf_transition};
use super::io::{
    Counters, Event, FaultPolicy, Input, Output, PwView, RootConfig, RootError, RootPwConfig, RootState, TunnelRef,
};
use crate::ldp::fec::{Attachment, AttachmentType, PmsiTunnel};
use crate::ldp::neighbour::Pool;
use crate::ldp::session::{ConfigError, Negotiated};
use crate::ldp::{LdpId, PwStatus, TlvType};
use crate::redundancy::{Criterion, Redundancy};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// A leaf says nothing.
    Confirm(PwId, LdpId),
    /// The time is over in which a leaf may not speak again.
    Status(PwId, LdpId),
    /// Two pseudowires of which one protects the other.
    Group(PwId),
}

/// A leaf of a pseudowire.
#[derive(Clone, Debug, Default)]
pub(super) struct Leaf {
    /// The operator or discovery wants it.
    pub(super) wanted: bool,
    /// The operator named it; else discovery alone did.
    pub(super) named: bool,
    pub(super) state: LeafState,
    /// It has the label, by a mapping with this tunnel.
    pub(super) sent: Option<PmsiTunnel>,
    /// The label was withdrawn, and it did not give it back.
    pub(super) withdrawing: bool,
    pub(super) status_sent: PwStatus,
    /// Our label for what it sends, and whether it has it.
    pub(super) back: Option<(Label, bool)>,
    /// A status that came too fast.
    pub(super) held: Option<PwStatus>,
    pub(super) oam_down: bool,
    /// It is to get its mapping again.
    pub(super) again: bool,
}

impl Leaf {
    /// Whether it holds the label.
    pub(super) const fn has_label(&self) -> bool {
        self.sent.is_some() || self.withdrawing
    }
}

/// A leg of the tunnel, with what this pseudowire has on it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leg {
    pub(super) via: NhlfeId,
    pub(super) nhlfe: NhlfeId,
    pub(super) port: PortId,
}

#[derive(Clone, Debug)]
pub(super) struct Pw {
    pub(super) config: RootPwConfig,
    pub(super) state: RootState,
    pub(super) label: Label,
    pub(super) group: ReplicationId,
    pub(super) circuits: Vec<PortId>,
    /// Port and entry of the ways back.
    pub(super) back: Option<(PortId, NhlfeId)>,
    pub(super) legs: BTreeMap<u16, Leg>,
    pub(super) leaves: BTreeMap<LdpId, Leaf>,
    pub(super) tunnel: Option<(TunnelRef, PmsiTunnel)>,
    pub(super) ac_status: PwStatus,
    /// It sends, of two.
    pub(super) active: bool,
    /// The one that protects it.
    pub(super) backup: Option<PwId>,
    pub(super) programmed: bool,
    /// The forwarding plane had no room.
    pub(super) refused: bool,
    pub(super) removing: bool,
    pub(super) all_faulty: bool,
}

impl Pw {
    /// What its leaves are told of it (RFC 8338 §5; RFC 6870 §5 for the one of two that does not send).
    pub(super) fn status(&self) -> PwStatus {
        if self.active { self.ac_status } else { self.ac_status | PwStatus::STANDBY }
    }
}

#[derive(Debug, Default)]
pub(super) struct Peer {
    pub(super) up: bool,
    pub(super) capable: bool,
    pub(super) pws: BTreeSet<PwId>,
}

#[derive(Debug, Default)]
pub(super) struct Tunnel {
    pub(super) legs: BTreeMap<u16, NhlfeId>,
    pws: BTreeSet<PwId>,
}

/// Two pseudowires, the first of which is protected by the second.
#[derive(Debug)]
struct Group {
    members: [PwId; 2],
    criterion: Criterion,
    selector: Redundancy,
}

/// The root side of P2MP pseudowires at one router (RFC 8338).
///
/// The operator adds pseudowires and their leaves and says which tunnel each takes; leaves get a Label Mapping each, whose size does not
/// depend on how many there are (RFC 7338 §3.4.7). What leaves report comes out as [`Event::Leaf`].
#[derive(Debug)]
pub struct Root {
    pub(super) config: RootConfig,
    pub(super) labels: Pool,
    pub(super) nhlfes: Pool,
    pub(super) ports: Pool,
    pub(super) groups: Pool,
    pub(super) pws: BTreeMap<PwId, Pw>,
    by_sai: BTreeMap<Sai, PwId>,
    pub(super) peers: BTreeMap<LdpId, Peer>,
    pub(super) tunnels: BTreeMap<TunnelRef, Tunnel>,
    protections: BTreeMap<PwId, Group>,
    /// Leaves that discovery found.
    pub(super) members: BTreeSet<(Attachment, LdpId)>,
    pub(super) dirty: BTreeSet<(PwId, Option<LdpId>)>,
    /// Pseudowires whose leaves or tunnel changed.
    pub(super) unsettled: BTreeSet<PwId>,
    pub(super) outputs: VecDeque<Output>,
    pub(super) timers: Timers<Timer>,
    pub(super) counters: Counters,
    next_id: u32,
    /// The time of the last input.
    pub(super) now: Instant,
}

impl Root {
    /// A machine without pseudowires.
    ///
    /// # Errors
    /// A block is empty.
    pub fn new(now: Instant, config: RootConfig) -> Result<Self, ConfigError> {
        let block = |field, first: u32, last: u32| match first > last {
            true => Err(ConfigError::Number { field, value: first, rule: "the first not above the last" }),
            false => Ok(Pool::new(first, last)),
        };
        Ok(Self {
            labels: Pool::labels(config.labels)?,
            nhlfes: Pool::nhlfes(config.nhlfes)?,
            ports: block("ports", config.ports.first.0, config.ports.last.0)?,
            groups: block("groups", config.groups.first.0, config.groups.last.0)?,
            config,
            pws: BTreeMap::new(),
            by_sai: BTreeMap::new(),
            peers: BTreeMap::new(),
            tunnels: BTreeMap::new(),
            protections: BTreeMap::new(),
            members: BTreeSet::new(),
            dirty: BTreeSet::new(),
            unsettled: BTreeSet::new(),
            outputs: VecDeque::new(),
            timers: Timers::new(),
            counters: Counters::default(),
            next_id: 1,
            now,
        })
    }

    /// Takes an input.
    pub fn handle_input(&mut self, now: Instant, input: Input<'_>) {
        self.now = now;
        match input {
            Input::PeerUp { peer, negotiated } => {
                self.peers.entry(peer).or_default().up = true;
                self.capabilities(now, peer, negotiated);
            }
            Input::PeerDown { peer } => self.peer_down(now, peer),
            Input::Capabilities { peer, negotiated } => self.capabilities(now, peer, negotiated),
            Input::Message { peer, message } => self.message(now, peer, &message.body),
            Input::LegUp { tunnel, leg, nhlfe } => {
                let entry = self.tunnels.entry(tunnel).or_default();
                entry.legs.insert(leg, nhlfe);
                self.touch_tunnel(tunnel);
            }
            Input::LegDown { tunnel, leg } => {
                if let Some(entry) = self.tunnels.get_mut(&tunnel) {
                    entry.legs.remove(&leg);
                }
                self.touch_tunnel(tunnel);
            }
            Input::Member { agi, leaf, present } => self.member(now, agi, leaf, present),
            Input::Refused(op) => self.refused(&op),
        }
    }

    /// Lets timers expire that are due.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.now = now;
        while let Some(timer) = self.timers.expired(now) {
            match timer {
                Timer::Confirm(pw, leaf) => self.leaf_event(now, pw, leaf, LeafEvent::ConfirmTimeout),
                Timer::Status(pw, leaf) => {
                    let held = self.pws.get_mut(&pw).and_then(|p| p.leaves.get_mut(&leaf)?.held.take());
                    if let Some(status) = held {
                        self.status(now, pw, leaf, status);
                    }
                }
                Timer::Group(primary) => {
                    if let Some(group) = self.protections.get_mut(&primary) {
                        group.selector.handle_timeout(now);
                    }
                    self.select(primary);
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
            match self.dirty.pop_first() {
                Some((pw, None)) => self.program(pw),
                Some((pw, Some(leaf))) => self.tell(pw, leaf),
                None => {
                    let pw = self.unsettled.pop_first()?;
                    self.settle(pw);
                }
            }
        }
    }

    /// When [`Self::handle_timeout`] is due. Inputs, timeouts, outputs and what operators do change it.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        self.timers.next_timeout()
    }

    /// What was counted.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Adds a pseudowire.
    ///
    /// # Errors
    /// A field that is not as it must be, a name that is taken, or no room in a block.
    pub fn add_pw(&mut self, now: Instant, config: RootPwConfig) -> Result<PwId, RootError> {
        self.now = now;
        let saii = &config.sai.saii;
        if saii.kind() != AttachmentType::TYPE_2 || saii.value().len() != 12 {
            return Err(RootError::Saii);
        }
        if self.by_sai.contains_key(&config.sai) {
            return Err(RootError::Duplicate);
        }
        if config.protects.is_none() && !(1..=255).contains(&config.circuits.len()) {
            return Err(RootError::Circuits);
        }
        config.service.offer(&config.sai, PmsiTunnel::None)?;
        let selector = match config.protects {
            Some(protects) => {
                let primary = self.pws.get(&protects.primary).ok_or(RootError::Unknown)?;
                if primary.backup.is_some() || primary.config.protects.is_some() {
                    return Err(RootError::Group);
                }
                Some((protects, Redundancy::new(now, 2, protects.config).map_err(|_| RootError::Group)?))
            }
            None => None,
        };
        let label = self.labels.allocate().and_then(Label::new).ok_or(RootError::Exhausted("labels"))?;
        let Some(group) = self.groups.allocate().map(ReplicationId) else {
            self.labels.release(label.value());
            return Err(RootError::Exhausted("groups"));
        };
        let id = PwId(self.next_id);
        self.next_id = self.next_id.saturating_add(1);
        self.by_sai.insert(config.sai.clone(), id);
        let active = config.protects.is_none();
        let (legs, leaves) = (BTreeMap::new(), BTreeMap::new());
        let pw = Pw {
            config,
            state: RootState::Idle,
            label,
            group,
            circuits: Vec::new(),
            back: None,
            legs,
            leaves,
            tunnel: None,
            ac_status: PwStatus::empty(),
            active,
            backup: None,
            programmed: false,
            refused: false,
            removing: false,
            all_faulty: false,
        };
        self.pws.insert(id, pw);
        if let Some((protects, selector)) = selector {
            if let Some(primary) = self.pws.get_mut(&protects.primary) {
                primary.backup = Some(id);
            }
            let members = [protects.primary, id];
            self.protections.insert(protects.primary, Group { members, criterion: protects.criterion, selector });
            self.unsettled.insert(protects.primary);
        }
        self.dirty.insert((id, None));
        self.add_members(now, id);
        Ok(id)
    }

    /// Removes a pseudowire: leaves are told, and its label is free when all gave it back. One that protects it goes too.
    pub fn remove_pw(&mut self, now: Instant, id: PwId) {
        let backup = self.pws.get(&id).and_then(|pw| pw.backup);
        if let Some(backup) = backup {
            self.remove_pw(now, backup);
        }
        let Some(pw) = self.pws.get_mut(&id) else { return };
        pw.removing = true;
        let leaves: Vec<LdpId> = pw.leaves.keys().copied().collect();
        let protects = pw.config.protects.map(|p| p.primary);
        for leaf in leaves {
            self.remove_leaf(now, id, leaf);
        }
        self.untunnel(id);
        self.dirty.insert((id, None));
        if let Some(primary) = protects {
            self.strip(id);
            self.protections.remove(&primary);
            self.timers.clear(Timer::Group(primary));
            if let Some(pw) = self.pws.get_mut(&primary) {
                (pw.backup, pw.active) = (None, true);
            }
            self.touch_all(primary);
        }
    }

    /// Adds a leaf: it is sent the label once there is a tunnel, and a session with a router that knows P2MP pseudowires.
    ///
    /// # Errors
    /// There is no such pseudowire.
    pub fn add_leaf(&mut self, now: Instant, id: PwId, leaf: LdpId) -> Result<(), RootError> {
        self.now = now;
        let pw = self.pws.get_mut(&id).filter(|pw| !pw.removing).ok_or(RootError::Unknown)?;
        pw.leaves.entry(leaf).or_default().named = true;
        self.want_leaf(now, id, leaf);
        Ok(())
    }

    pub(super) fn want_leaf(&mut self, now: Instant, id: PwId, leaf: LdpId) {
        let Some(pw) = self.pws.get_mut(&id) else { return };
        pw.leaves.entry(leaf).or_default().wanted = true;
        let peer = self.peers.entry(leaf).or_default();
        peer.pws.insert(id);
        if peer.up {
            let event = if peer.capable { LeafEvent::Capable } else { LeafEvent::Incapable };
            self.leaf_event(now, id, leaf, event);
        }
        self.dirty.insert((id, Some(leaf)));
    }

    /// Takes a leaf out: its label is withdrawn. Others hear nothing of it (RFC 7338 §3.4.4).
    pub fn remove_leaf(&mut self, now: Instant, id: PwId, leaf: LdpId) {
        self.now = now;
        if let Some(l) = self.pws.get_mut(&id).and_then(|pw| pw.leaves.get_mut(&leaf)) {
            (l.wanted, l.named) = (false, false);
            self.dirty.insert((id, Some(leaf)));
        }
        self.unsettled.insert(id);
    }

    /// Chooses the tunnel of a pseudowire; none may have two (RFC 7338 §3.2). Leaves that have the label with another tunnel have to give
    /// it back first, then they get it anew.
    ///
    /// # Errors
    /// There is no such pseudowire, or the element with this tunnel would be too long.
    pub fn set_tunnel(
        &mut self,
        now: Instant,
        id: PwId,
        tunnel: Option<(TunnelRef, PmsiTunnel)>,
    ) -> Result<(), RootError> {
        self.now = now;
        let pw = self.pws.get(&id).filter(|pw| !pw.removing).ok_or(RootError::Unknown)?;
        if let Some((_, tunnel)) = &tunnel {
            pw.config.service.offer(&pw.config.sai, tunnel.clone())?;
        }
        let replicates =
            |tunnel: &Option<(TunnelRef, PmsiTunnel)>| matches!(tunnel, Some((_, PmsiTunnel::IngressReplication(_))));
        if replicates(&tunnel) && !replicates(&pw.tunnel) {
            self.outputs.push_back(Output::Event(Event::IngressReplication { pw: id }));
        }
        self.untunnel(id);
        if let Some((tunnel, _)) = &tunnel {
            self.tunnels.entry(*tunnel).or_default().pws.insert(id);
        }
        if let Some(pw) = self.pws.get_mut(&id) {
            (pw.tunnel, pw.refused) = (tunnel, false);
        }
        self.touch_all(id);
        self.unsettled.insert(id);
        Ok(())
    }

    /// The state of the source's circuit, which leaves are told of (RFC 8338 §5).
    pub fn set_ac_status(&mut self, id: PwId, status: PwStatus) {
        if let Some(pw) = self.pws.get_mut(&id) {
            pw.ac_status = status;
            self.touch_all(id);
        }
    }

    /// What in-band verification (VCCV) says of a leaf.
    pub fn set_oam(&mut self, now: Instant, id: PwId, leaf: LdpId, up: bool) {
        self.now = now;
        let found = self.pws.get_mut(&id).filter(|pw| pw.config.monitor.vccv());
        if let Some(l) = found.and_then(|pw| pw.leaves.get_mut(&leaf)) {
            l.oam_down = !up;
            let state = match (l.oam_down, l.state) {
                (true, _) => LeafState::Fault(PwStatus::PSN_RECEIVE_FAULT),
                (false, state) => state,
            };
            self.outputs.push_back(Output::Event(Event::Leaf { pw: id, leaf, state }));
            self.after_leaf(id, leaf);
        }
    }

    /// A pseudowire as it is.
    #[must_use]
    pub fn pw(&self, id: PwId) -> Option<PwView> {
        let pw = self.pws.get(&id)?;
        Some(PwView {
            state: pw.state,
            tunnel: pw.tunnel.as_ref().map(|(_, tunnel)| tunnel.clone()),
            leaves: pw.leaves.iter().map(|(leaf, l)| (*leaf, l.state)).collect(),
            active: pw.active,
        })
    }

    /// The pseudowire of a name.
    #[must_use]
    pub fn find(&self, sai: &Sai) -> Option<PwId> {
        self.by_sai.get(sai).copied()
    }

    pub(super) fn forget_name(&mut self, sai: &Sai) {
        self.by_sai.remove(sai);
    }

    fn untunnel(&mut self, id: PwId) {
        let Some((tunnel, _)) = self.pws.get_mut(&id).and_then(|pw| pw.tunnel.take()) else { return };
        if let Some(t) = self.tunnels.get_mut(&tunnel) {
            t.pws.remove(&id);
            if t.pws.is_empty() && t.legs.is_empty() {
                self.tunnels.remove(&tunnel);
            }
        }
    }

    /// Everything of a pseudowire is to be looked at.
    pub(super) fn touch_all(&mut self, id: PwId) {
        let Some(pw) = self.pws.get(&id) else { return };
        self.dirty.insert((id, None));
        self.dirty.extend(pw.leaves.keys().map(|leaf| (id, Some(*leaf))));
    }

    fn touch_tunnel(&mut self, tunnel: TunnelRef) {
        let pws = self.tunnels.get(&tunnel).map(|t| t.pws.clone()).unwrap_or_default();
        for pw in pws {
            self.dirty.insert((pw, None));
            self.unsettled.insert(pw);
        }
        if self.tunnels.get(&tunnel).is_some_and(|t| t.pws.is_empty() && t.legs.is_empty()) {
            self.tunnels.remove(&tunnel);
        }
    }

    fn capabilities(&mut self, now: Instant, id: LdpId, negotiated: &Negotiated) {
        let Some(peer) = self.peers.get_mut(&id).filter(|p| p.up) else { return };
        peer.capable = negotiated.has(TlvType::P2MP_PW_CAPABILITY);
        let event = if peer.capable { LeafEvent::Capable } else { LeafEvent::Incapable };
        for pw in peer.pws.clone() {
            self.leaf_event(now, pw, id, event);
            self.dirty.insert((pw, Some(id)));
        }
    }

    fn peer_down(&mut self, now: Instant, id: LdpId) {
        let Some(peer) = self.peers.get_mut(&id) else { return };
        (peer.up, peer.capable) = (false, false);
        for pw in peer.pws.clone() {
            let Some(leaf) = self.pws.get_mut(&pw).and_then(|pw| pw.leaves.get_mut(&id)) else { continue };
            (leaf.sent, leaf.withdrawing, leaf.held, leaf.status_sent) = (None, false, None, PwStatus::empty());
            if let Some((_, sent)) = &mut leaf.back {
                *sent = false;
            }
            self.timers.clear(Timer::Confirm(pw, id));
            self.timers.clear(Timer::Status(pw, id));
            self.leaf_event(now, pw, id, LeafEvent::Down);
            self.dirty.insert((pw, Some(id)));
        }
    }

    /// Runs the state machine of a leaf. What cannot be is ignored.
    pub(super) fn leaf_event(&mut self, now: Instant, id: PwId, leaf: LdpId, event: LeafEvent) {
        let Some(l) = self.pws.get_mut(&id).and_then(|pw| pw.leaves.get_mut(&leaf)) else { return };
        let Ok(state) = leaf_transition(l.state, event) else { return };
        if l.state != LeafState::Offered && state == LeafState::Offered {
            self.timers.set(Timer::Confirm(id, leaf), now + self.config.confirm);
        } else if state != LeafState::Offered {
            self.timers.clear(Timer::Confirm(id, leaf));
        }
        if core::mem::replace(&mut l.state, state) == state {
            return;
        }
        self.outputs.push_back(Output::Event(match state {
            LeafState::Incapable => Event::PeerLacksP2mpPw { pw: id, leaf },
            state => Event::Leaf { pw: id, leaf, state },
        }));
        self.after_leaf(id, leaf);
    }

    fn after_leaf(&mut self, id: PwId, leaf: LdpId) {
        let Some(pw) = self.pws.get_mut(&id) else { return };
        let prune = pw.config.policy == FaultPolicy::Prune;
        if let Some(l) = pw.leaves.get_mut(&leaf).filter(|l| prune && is_faulty(l) && l.wanted) {
            l.wanted = false;
            self.dirty.insert((id, Some(leaf)));
            self.outputs.push_back(Output::Event(Event::LeafPruned { pw: id, leaf }));
        }
        self.unsettled.insert(id);
    }

    /// What a change of a leaf or of the tunnel means for the whole.
    fn settle(&mut self, id: PwId) {
        let now = self.now;
        let Some(pw) = self.pws.get_mut(&id) else { return };
        let has_leg = pw.tunnel.as_ref().and_then(|(t, _)| self.tunnels.get(t)).is_some_and(|t| !t.legs.is_empty());
        let wanted = pw.leaves.values().filter(|l| l.wanted);
        let leaves = u32::try_from(wanted.clone().count()).unwrap_or(u32::MAX);
        let faulty = u32::try_from(wanted.clone().filter(|l| is_faulty(l)).count()).unwrap_or(u32::MAX);
        let attached = wanted.clone().any(|l| l.state.is_attached());
        let state = match (pw.removing, &pw.tunnel, pw.leaves.values().any(|l| l.sent.is_some())) {
            (true, ..) => RootState::Withdrawing,
            (false, None, _) => RootState::Idle,
            (false, Some(_), false) => RootState::TunnelSelected,
            (false, Some(_), true) if has_leg && attached => RootState::Up,
            (false, Some(_), true) => RootState::Signalling,
        };
        if core::mem::replace(&mut pw.state, state) != state {
            self.outputs.push_back(Output::Event(Event::State { pw: id, state }));
        }
        let all_faulty = leaves > 0 && faulty == leaves;
        if core::mem::replace(&mut pw.all_faulty, all_faulty) != all_faulty {
            self.outputs.push_back(Output::Event(Event::ReverseDefect { pw: id, present: all_faulty }));
        }
        let primary = pw.config.protects.map_or(id, |p| p.primary);
        if let Some(group) = self.protections.get_mut(&primary) {
            if let Some(member) = group.members.iter().position(|m| *m == id) {
                group.selector.set_up(now, member, has_leg && !group.criterion.is_met(faulty, leaves));
            }
            self.select(primary);
        }
    }
}

fn is_faulty(leaf: &Leaf) -> bool {
    leaf.oam_down || matches!(leaf.state, LeafState::Fault(_))
}
