//! The machine: its state, and what an operator does.

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::vec::Vec;
use core::time::Duration;

use fwd_core::net::{Label, Mac, NhlfeId, VsiId};
use fwd_core::op::FwdOp;
use fwd_core::time::Instant;
use fwd_core::timers::Timers;

use super::c_bit::CBit;
use super::config::{PwAttachment, PwConfig, PwConfigError, PwName, PwsConfig};
use super::io::{Event, Input, Mismatch, Output, PwCounters, PwForwarding, PwIndex};
use crate::ldp::fec::{FlowLabel, InterfaceParameter};
use crate::ldp::message::LabelMapping;
use crate::ldp::neighbour::Pool;
use crate::ldp::session::ConfigError;
use crate::ldp::{LdpId, MacFlush, Octets, PwStatus, Tlv};

/// The timers of pseudowires.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// A lost peer's labels are kept until then.
    Stale(LdpId),
    /// The peer should have followed a switch-over.
    Switchover(PwIndex),
    /// The set reverts to its primary.
    Revert(u32),
}

/// Where our Label Mapping is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Ours {
    /// Not sent, or given back.
    #[default]
    None,
    /// Sent.
    Sent,
    /// Withdrawn; the peer's release is awaited, so that it is not taken for one of the next mapping.
    Withdrawing,
}

/// How status is signalled (RFC 8077 §6.3.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum StatusMethod {
    /// The peer's label is not there yet.
    #[default]
    Undecided,
    /// By the PW Status TLV.
    Tlv,
    /// By withdrawing labels.
    LabelWithdraw,
}

/// What a peer's Label Mapping says.
#[derive(Clone, Debug)]
pub(super) struct Remote {
    pub(super) label: Label,
    pub(super) control_word: bool,
    pub(super) mtu: Option<u16>,
    pub(super) group_id: u32,
    pub(super) status: PwStatus,
    pub(super) flow_label: FlowLabel,
    pub(super) parameters: Vec<InterfaceParameter>,
    /// Switching points that it passed.
    pub(super) points: Vec<Octets>,
    /// From before the session was lost.
    pub(super) stale: bool,
}

/// A pseudowire.
#[derive(Clone, Debug)]
pub(super) struct Pw {
    pub(super) config: PwConfig,
    pub(super) label: Label,
    pub(super) nhlfe: NhlfeId,
    pub(super) c_bit: CBit,
    pub(super) ours: Ours,
    /// The peer gave our label back: it is not said again before the peer speaks of the pseudowire.
    pub(super) released: bool,
    pub(super) method: StatusMethod,
    pub(super) remote: Option<Remote>,
    pub(super) mismatch: Option<Mismatch>,
    /// Faults of the circuit.
    pub(super) faults: PwStatus,
    /// The status that the peer was told last.
    pub(super) told: PwStatus,
    /// We ask the peer to switch to this one.
    pub(super) requesting: bool,
    /// Of its set, the one to use; a pseudowire of no set is.
    pub(super) active: bool,
    /// The forwarding plane has no room for it.
    pub(super) refused: bool,
    /// What is programmed: how, over which tunnel, with which label of the peer's.
    pub(super) programmed: Option<(PwForwarding, NhlfeId, Label)>,
}

/// Pseudowires with any number of peers: takes what peers say and what tunnels there are, gives labels and forwarding entries.
///
/// ```
/// use fwd_core::net::{Label, NhlfeId, PortId};
/// use fwd_core::time::Instant;
/// use p2mp_pw::ldp::LdpId;
/// use p2mp_pw::ldp::neighbour::{LabelRange, NhlfeRange};
/// use p2mp_pw::pw::{PwAttachment, PwConfig, PwName, Pws, PwsConfig};
///
/// let labels = LabelRange { first: Label::new(5000).unwrap(), last: Label::new(5999).unwrap() };
/// let nhlfes = NhlfeRange { first: NhlfeId(5000), last: NhlfeId(5999) };
/// let mut pws = Pws::new(Instant::ZERO, PwsConfig::new([192, 0, 2, 1].into(), labels, nhlfes))?;
/// let peer = LdpId::platform([192, 0, 2, 2].into());
/// let pw = pws.add(Instant::ZERO, PwConfig::new(peer, PwName::Id(100), PwAttachment::Port(PortId(7))))?;
/// assert!(!pws.is_up(pw)); // until the peer and a tunnel to it come: Input::PeerUp, Input::Transport
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Pws {
    pub(super) config: PwsConfig,
    pub(super) pws: BTreeMap<PwIndex, Pw>,
    next: u32,
    pub(super) names: BTreeMap<(LdpId, PwName), PwIndex>,
    /// Labels for pseudowires that are not configured.
    pub(super) retained: BTreeMap<LdpId, BTreeMap<PwName, LabelMapping>>,
    pub(super) peers: BTreeMap<LdpId, bool>,
    pub(super) transports: BTreeMap<LdpId, NhlfeId>,
    pub(super) labels: Pool,
    pub(super) nhlfes: Pool,
    /// Labels of pseudowires that were removed, until the peer gives them back.
    pub(super) leaving: BTreeMap<(LdpId, PwName), Label>,
    /// Which pseudowire's entry an instance uses.
    pub(super) joined: BTreeMap<VsiId, PwIndex>,
    /// The chosen one of each set.
    pub(super) chosen: BTreeMap<u32, Option<PwIndex>>,
    /// Sets whose wait before reverting runs, or has just expired.
    pub(super) reverting: BTreeSet<u32>,
    pub(super) timers: Timers<Timer>,
    pub(super) outputs: VecDeque<Output>,
    pub(super) counters: PwCounters,
    last_event: BTreeMap<LdpId, Instant>,
}

impl Pws {
    /// No pseudowires.
    ///
    /// # Errors
    /// A field of the configuration is out of its range.
    pub fn new(_now: Instant, config: PwsConfig) -> Result<Self, ConfigError> {
        for (field, value) in [("switchover_response", config.switchover_response), ("revert", config.revert)] {
            if value > Duration::from_secs(86_400) {
                return Err(ConfigError::Time { field, value, rule: "a day or less" });
            }
        }
        Ok(Self {
            labels: Pool::labels(config.labels)?,
            nhlfes: Pool::nhlfes(config.nhlfes)?,
            config,
            pws: BTreeMap::new(),
            next: 1,
            names: BTreeMap::new(),
            retained: BTreeMap::new(),
            peers: BTreeMap::new(),
            transports: BTreeMap::new(),
            leaving: BTreeMap::new(),
            joined: BTreeMap::new(),
            chosen: BTreeMap::new(),
            reverting: BTreeSet::new(),
            timers: Timers::new(),
            outputs: VecDeque::new(),
            counters: PwCounters::default(),
            last_event: BTreeMap::new(),
        })
    }

    /// Adds a pseudowire. Of two segments that are joined, the second names the first, and the first is told by [`Self::join`].
    ///
    /// # Errors
    /// See [`PwConfigError`].
    pub fn add(&mut self, now: Instant, config: PwConfig) -> Result<PwIndex, PwConfigError> {
        if config.name == PwName::Id(0) {
            return Err(PwConfigError::ZeroId);
        }
        if !config.control_word && super::send::requires_control_word(config.pw_type) {
            return Err(PwConfigError::ControlWordRequired);
        }
        let octets = super::send::parameters_len(&config);
        if octets > 251 {
            return Err(PwConfigError::ParametersTooLong(octets));
        }
        let key = (config.peer, config.name.clone());
        if self.names.contains_key(&key) {
            return Err(PwConfigError::Duplicate);
        }
        if self.pws.len() >= self.config.max_pws {
            return Err(PwConfigError::TooMany(self.pws.len()));
        }
        let label = Label::from_low_bits(self.labels.allocate().ok_or(PwConfigError::NoLabel)?);
        let Some(nhlfe) = self.nhlfes.allocate().map(NhlfeId) else {
            self.labels.release(label.value());
            return Err(PwConfigError::NoNhlfe);
        };
        let pw = PwIndex(self.next);
        self.next = self.next.saturating_add(1);
        let (peer, name, member) = (config.peer, config.name.clone(), config.redundancy);
        let state = Pw {
            config,
            label,
            nhlfe,
            c_bit: CBit::NoneSent,
            ours: Ours::None,
            released: false,
            method: StatusMethod::Undecided,
            remote: None,
            mismatch: None,
            faults: PwStatus::empty(),
            told: PwStatus::empty(),
            requesting: false,
            active: member.is_none(),
            refused: false,
            programmed: None,
        };
        self.pws.insert(pw, state);
        self.names.insert(key, pw);
        if let Some(member) = member {
            self.chosen.entry(member.set).or_default();
        }
        // What the peer said before it was configured here.
        let retained = self.retained.get_mut(&peer).and_then(|kept| kept.remove(&name));
        if let Some(mapping) = retained {
            self.mapping(now, peer, &mapping);
        }
        self.refresh(now, pw);
        Ok(pw)
    }

    /// Joins two segments (RFC 6073): packets of one go on by the other. The second names the first already.
    ///
    /// # Errors
    /// One of them is not there, or the second does not name the first.
    pub fn join(&mut self, now: Instant, first: PwIndex, second: PwIndex) -> Result<(), PwConfigError> {
        let other = self.pws.get(&second).ok_or(PwConfigError::Unknown)?;
        if other.config.attachment != PwAttachment::Segment(first) || first == second {
            return Err(PwConfigError::NotASegment);
        }
        let state = self.pws.get_mut(&first).ok_or(PwConfigError::Unknown)?;
        if !matches!(state.config.attachment, PwAttachment::Segment(_)) {
            return Err(PwConfigError::NotASegment);
        }
        state.config.attachment = PwAttachment::Segment(second);
        self.refresh(now, first);
        self.refresh(now, second);
        Ok(())
    }

    /// Removes a pseudowire.
    ///
    /// # Errors
    /// There is none of that number.
    pub fn remove(&mut self, now: Instant, pw: PwIndex) -> Result<(), PwConfigError> {
        if !self.pws.contains_key(&pw) {
            return Err(PwConfigError::Unknown);
        }
        self.unprogram(pw);
        let sent = self.pws.get(&pw).is_some_and(|p| p.ours == Ours::Sent);
        if sent {
            self.send_withdraw(pw, None);
        }
        let remote = self.pws.get_mut(&pw).and_then(|p| p.remote.take());
        if let Some(remote) = remote {
            // The peer's label is of no use here any more (RFC 5036 §3.5.11).
            self.send_release(pw, Some(remote.label), None);
        }
        let Some(state) = self.pws.remove(&pw) else { return Ok(()) };
        let key = (state.config.peer, state.config.name.clone());
        self.names.remove(&key);
        self.nhlfes.release(state.nhlfe.0);
        if state.ours == Ours::None {
            self.labels.release(state.label.value());
        } else {
            self.leaving.insert(key, state.label);
        }
        self.timers.clear(Timer::Switchover(pw));
        if let Some(member) = state.config.redundancy {
            self.select(now, member.set);
            if !self.pws.values().any(|p| p.config.redundancy.is_some_and(|m| m.set == member.set)) {
                self.chosen.remove(&member.set);
                self.timers.clear(Timer::Revert(member.set));
            }
        }
        if let PwAttachment::Segment(other) = state.config.attachment {
            self.refresh(now, other);
        }
        Ok(())
    }

    /// Changes the preference for the control word of a pseudowire: both ends negotiate anew (RFC 8077 §7.3).
    ///
    /// # Errors
    /// There is none of that number, or its type needs the control word.
    pub fn prefer_control_word(&mut self, now: Instant, pw: PwIndex, preferred: bool) -> Result<(), PwConfigError> {
        let state = self.pws.get_mut(&pw).ok_or(PwConfigError::Unknown)?;
        if !preferred && super::send::requires_control_word(state.config.pw_type) {
            return Err(PwConfigError::ControlWordRequired);
        }
        if state.config.control_word != preferred {
            state.config.control_word = preferred;
            self.renegotiate(now, pw);
        }
        Ok(())
    }

    /// Tells the other end of a pseudowire to forget MAC addresses of a VPLS (RFC 4762 §6.2); no address: all.
    ///
    /// # Errors
    /// There is none of that number.
    pub fn withdraw_macs(&mut self, pw: PwIndex, macs: Vec<Mac>, flush: Option<MacFlush>) -> Result<(), PwConfigError> {
        if !self.pws.contains_key(&pw) {
            return Err(PwConfigError::Unknown);
        }
        self.send_mac_withdraw(pw, macs, flush);
        Ok(())
    }

    /// Takes an input.
    pub fn handle_input(&mut self, now: Instant, input: Input<'_>) {
        match input {
            Input::PeerUp { peer, .. } => self.peer_up(now, peer),
            Input::PeerDown { peer, retain } => self.peer_down(now, peer, retain),
            Input::Message { peer, message } => {
                if self.peers.get(&peer) == Some(&true) {
                    self.receive(now, peer, message);
                }
            }
            Input::Transport { peer, nhlfe } => {
                match nhlfe {
                    Some(nhlfe) => self.transports.insert(peer, nhlfe),
                    None => self.transports.remove(&peer),
                };
                for pw in self.of_peer(peer) {
                    self.refresh(now, pw);
                    self.refresh_other(now, pw);
                }
            }
            Input::Circuit { pw, faults } => {
                let circuit = PwStatus::AC_RECEIVE_FAULT | PwStatus::AC_TRANSMIT_FAULT;
                if let Some(state) = self.pws.get_mut(&pw) {
                    state.faults = faults & circuit;
                }
                self.refresh(now, pw);
            }
            Input::Refused(op) => self.refused(now, op),
        }
    }

    /// Lets timers expire that are due.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(timer) = self.timers.expired(now) {
            match timer {
                Timer::Stale(peer) => self.drop_stale(now, peer),
                Timer::Switchover(pw) => self.switchover_over(now, pw),
                Timer::Revert(set) => self.select(now, set),
            }
        }
    }

    /// What is to be done next, if anything.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When [`Self::handle_timeout`] is due. Inputs, timeouts and what an operator does change it.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        self.timers.next_timeout()
    }

    /// Whether a pseudowire forwards.
    #[must_use]
    pub fn is_up(&self, pw: PwIndex) -> bool {
        self.pws.get(&pw).is_some_and(|p| p.programmed.is_some())
    }

    /// How a pseudowire forwards, if it does.
    #[must_use]
    pub fn forwarding(&self, pw: PwIndex) -> Option<PwForwarding> {
        self.pws.get(&pw)?.programmed.map(|(forwarding, ..)| forwarding)
    }

    /// Our label of a pseudowire.
    #[must_use]
    pub fn local_label(&self, pw: PwIndex) -> Option<Label> {
        self.pws.get(&pw).map(|p| p.label)
    }

    /// What the peer reports of a pseudowire, if its label is there.
    #[must_use]
    pub fn remote_status(&self, pw: PwIndex) -> Option<PwStatus> {
        self.pws.get(&pw)?.remote.as_ref().map(|remote| remote.status)
    }

    /// How far the negotiation of the control word is.
    #[must_use]
    pub fn c_bit(&self, pw: PwIndex) -> Option<CBit> {
        self.pws.get(&pw).map(|p| p.c_bit)
    }

    /// Why the peer's label for a pseudowire is of no use, if so.
    #[must_use]
    pub fn mismatch(&self, pw: PwIndex) -> Option<Mismatch> {
        self.pws.get(&pw)?.mismatch
    }

    /// What was counted.
    #[must_use]
    pub const fn counters(&self) -> &PwCounters {
        &self.counters
    }

    pub(super) fn of_peer(&self, peer: LdpId) -> Vec<PwIndex> {
        let first = (peer, PwName::Id(0));
        let names = self.names.range(first..).take_while(|((of, _), _)| *of == peer);
        names.map(|(_, pw)| *pw).collect()
    }

    fn peer_up(&mut self, now: Instant, peer: LdpId) {
        if self.peers.insert(peer, true) == Some(true) {
            self.peer_down(now, peer, None);
            self.peers.insert(peer, true);
        }
        for pw in self.of_peer(peer) {
            if let Some(state) = self.pws.get_mut(&pw) {
                state.ours = Ours::None;
                state.released = false;
                state.method = StatusMethod::Undecided;
                state.c_bit = CBit::NoneSent;
            }
            self.refresh(now, pw);
        }
    }

    fn peer_down(&mut self, now: Instant, peer: LdpId, retain: Option<Duration>) {
        self.peers.insert(peer, false);
        self.retained.remove(&peer);
        let gone: Vec<(LdpId, PwName)> = self.leaving.keys().filter(|(of, _)| *of == peer).cloned().collect();
        for key in gone {
            if let Some(label) = self.leaving.remove(&key) {
                self.labels.release(label.value());
            }
        }
        for pw in self.of_peer(peer) {
            let Some(state) = self.pws.get_mut(&pw) else { continue };
            state.ours = Ours::None;
            if let Some(remote) = &mut state.remote {
                remote.stale = true;
            }
        }
        match retain {
            Some(time) => self.timers.set(Timer::Stale(peer), now + time),
            None => self.drop_stale(now, peer),
        }
    }

    /// Drops the labels of a peer that it did not say again.
    fn drop_stale(&mut self, now: Instant, peer: LdpId) {
        self.timers.clear(Timer::Stale(peer));
        for pw in self.of_peer(peer) {
            let Some(state) = self.pws.get_mut(&pw) else { continue };
            if state.remote.as_ref().is_some_and(|remote| remote.stale) {
                state.remote = None;
                state.mismatch = None;
            }
            self.refresh(now, pw);
            self.refresh_other(now, pw);
        }
        if self.peers.get(&peer) == Some(&false) {
            self.peers.remove(&peer);
        }
    }

    /// An event that a peer causes: at most once a second and peer.
    pub(super) fn peer_event(&mut self, now: Instant, peer: LdpId, event: Event) {
        if self.last_event.get(&peer).is_none_or(|at| *at + Duration::from_secs(1) <= now) {
            self.last_event.insert(peer, now);
            self.outputs.push_back(Output::Event(event));
        }
    }

    pub(super) fn op(&mut self, op: FwdOp) {
        self.outputs.push_back(Output::Program(op));
    }

    /// The pseudowires of a peer that belong to a group of the peer's.
    pub(super) fn of_group(&self, peer: LdpId, group_id: u32) -> BTreeSet<PwIndex> {
        let of_group = |pw: &PwIndex| {
            self.pws.get(pw).and_then(|p| p.remote.as_ref()).is_some_and(|remote| remote.group_id == group_id)
        };
        self.of_peer(peer).into_iter().filter(of_group).collect()
    }

    /// The switching points of a mapping, as TLVs.
    pub(super) fn points(optional: &[Tlv]) -> Vec<Octets> {
        let points = optional.iter().filter_map(|tlv| match &tlv.value {
            crate::ldp::TlvValue::PwSwitchingPoint(octets) => Some(octets.clone()),
            _ => None,
        });
        // A pseudowire passes few of them; what is more is a loop.
        points.take(16).collect()
    }
}
