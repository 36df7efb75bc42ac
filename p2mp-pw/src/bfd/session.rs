//! The variables of a session (RFC 5880 §6.8.1) and what follows from them: intervals, Detection Time, contents of packets.

use alloc::collections::BTreeMap;
use core::net::IpAddr;
use core::num::NonZeroU32;
use core::time::Duration;

use fwd_core::random::Random;
use fwd_core::time::Instant;

use super::auth::AuthState;
use super::client::Client;
use super::config::{ConfigError, Path, SessionConfig, SessionId};
use super::fsm::{SessionEvent, SessionType, transition};
use super::io::Discard;
use super::packet::{ControlFlags, ControlPacket, Diag, State};

/// The least interval while a session is not up, in microseconds (RFC 5880 §6.8.3).
const SLOW: u32 = 1_000_000;

/// What the peer said last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Remote {
    /// `bfd.RemoteDiscr`; 0: unknown.
    pub(super) discriminator: u32,
    /// `bfd.RemoteSessionState`.
    pub(super) state: State,
    pub(super) diag: Diag,
    /// `bfd.RemoteMinRxInterval`.
    pub(super) min_rx: u32,
    desired_tx: u32,
    detect_mult: u8,
    /// `bfd.RemoteDemandMode`.
    demand: bool,
    /// A packet came within the Detection Time.
    pub(super) heard: bool,
}

/// What a packet changed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Received {
    /// The state before, if it is another.
    pub(super) left: Option<State>,
    /// It asks for a Final.
    pub(super) poll: bool,
    /// It is the Final of our Poll.
    pub(super) poll_ended: bool,
    /// The peer's diagnostic is another, and both are up.
    pub(super) remote_diag: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Session {
    pub(super) config: SessionConfig,
    pub(super) kind: SessionType,
    /// `bfd.SessionState`.
    pub(super) state: State,
    /// `bfd.LocalDiag`.
    pub(super) diag: Diag,
    pub(super) remote: Remote,
    /// The intervals in use, which lag behind the configuration until a Poll Sequence ends (RFC 5880 §6.8.3).
    tx: u32,
    rx: u32,
    /// A Poll Sequence runs; of a head: so many packets more have the Poll bit.
    pub(super) polls: u8,
    auth: Option<AuthState>,
    /// `bfd.UnicastRcvd` (RFC 8563 §6.3.1).
    pub(super) unicast_received: bool,
    /// The failure of this tail is reported without delay: the head asked it alone while it was up (RFC 8563 §6.10).
    pub(super) hurried: bool,
    /// The last packet but for its Poll and Final bits, to know a change.
    last: Option<ControlPacket>,
    pub(super) last_sent: Option<Instant>,
    /// The peer had the time to learn that the session is disabled: nothing more is sent.
    pub(super) silent: bool,
    /// It ends when the peer had the time to learn of it.
    pub(super) leaving: bool,
    /// A head was heard: nobody configured it.
    pub(super) dynamic: bool,
    /// The tails of a head.
    pub(super) clients: BTreeMap<IpAddr, Client>,
}

impl Session {
    pub(super) fn new(config: SessionConfig, random: &mut Random) -> Self {
        let kind = config.path.session_type();
        let remote = Remote {
            discriminator: config.path.remote_discriminator(),
            state: State::Down,
            diag: Diag::NONE,
            min_rx: u32::from(kind != SessionType::MultipointHead),
            desired_tx: 0,
            detect_mult: 0,
            demand: false,
            heard: false,
        };
        let auth = config.auth.as_ref().map(|_| AuthState::new(u32::try_from(random.next() >> 32).unwrap_or(0)));
        let disabled = config.disabled;
        let mut session = Self {
            config,
            kind,
            state: if disabled { State::AdminDown } else { State::Down },
            diag: if disabled { Diag::ADMINISTRATIVELY_DOWN } else { Diag::NONE },
            remote,
            tx: SLOW,
            rx: 0,
            polls: 0,
            auth,
            unicast_received: false,
            hurried: false,
            last: None,
            last_sent: None,
            silent: disabled,
            leaving: false,
            dynamic: false,
            clients: BTreeMap::new(),
        };
        (session.tx, session.rx) = (session.desired_min_tx(), session.required_min_rx());
        session
    }

    /// `bfd.DesiredMinTxInterval`: slow unless the session is up.
    pub(super) fn desired_min_tx(&self) -> u32 {
        let configured = micros(self.config.desired_min_tx);
        if self.state == State::Up { configured } else { configured.max(SLOW) }
    }

    /// `bfd.RequiredMinRxInterval`. A head that is not up wants to hear nothing (RFC 8562 §5.9), an initiator asks for no
    /// periodic packets (RFC 7880 §7.3.2), tails cannot slow the head.
    fn required_min_rx(&self) -> u32 {
        match self.config.path {
            Path::Head { report: Some(report), .. } if self.state == State::Up => micros(report),
            Path::Head { .. } | Path::Reflector { .. } => 0,
            _ => micros(self.config.required_min_rx),
        }
    }

    /// The local system wants silence and has it (RFC 5880 §6.8).
    pub(super) fn demand_active(&self) -> bool {
        self.config.demand && self.state == State::Up && self.remote.state == State::Up
    }

    fn remote_demand_active(&self) -> bool {
        self.remote.demand && self.state == State::Up && self.remote.state == State::Up
    }

    /// The negotiated interval of what is sent.
    pub(super) fn interval(&self) -> Duration {
        Duration::from_micros(self.tx.max(self.remote.min_rx).into())
    }

    /// The interval less the jitter of RFC 5880 §6.8.7.
    pub(super) fn jittered(&self, random: &mut Random) -> Duration {
        let interval = self.interval();
        let least = interval.saturating_mul(3) / 4;
        let most = if self.config.detect_mult.get() == 1 { interval.saturating_mul(9) / 10 } else { interval };
        random.between(least, most)
    }

    /// The interval times our Detect Mult: how long a peer needs at most to know what we say.
    pub(super) fn announcement(&self) -> Duration {
        self.interval().saturating_mul(self.config.detect_mult.get().into())
    }

    /// The Detection Time (RFC 5880 §6.8.4, RFC 8562 §5.11); `None`: silence is no failure.
    pub(super) fn detection_time(&self) -> Option<Duration> {
        let remote = |interval: u32| {
            let time = u64::from(interval).saturating_mul(self.remote.detect_mult.into());
            self.remote.heard.then_some(Duration::from_micros(time))
        };
        match self.kind {
            SessionType::MultipointHead | SessionType::MultipointClient => None,
            SessionType::MultipointTail => remote(self.remote.desired_tx),
            SessionType::SbfdInitiator => self.remote.heard.then(|| self.announcement()),
            SessionType::PointToPoint if self.demand_active() => (self.polls > 0).then(|| self.announcement()),
            // Whoever wants no periodic packets misses none.
            SessionType::PointToPoint if self.rx == 0 => None,
            SessionType::PointToPoint => remote(self.rx.max(self.remote.desired_tx)),
        }
    }

    /// Whether packets are sent at the interval (RFC 8562 §5.13.3, RFC 8563 §6.13.3).
    pub(super) fn is_periodic(&self) -> bool {
        if self.silent {
            return false;
        }
        match self.config.path {
            Path::Head { .. } => true,
            Path::Tail { silent, .. } => !silent && self.remote.min_rx != 0 && !self.remote_demand_active(),
            Path::LspIngress { .. } if self.remote.discriminator == 0 => false,
            _ if self.config.passive && self.remote.discriminator == 0 => false,
            _ => self.remote.min_rx != 0 && (!self.remote_demand_active() || self.polls > 0),
        }
    }

    /// Changes the state; `None` if the event is for nothing.
    pub(super) fn happen(&mut self, event: SessionEvent) -> Option<Option<State>> {
        let (state, diag) = transition(self.kind, self.state, event).ok()?;
        let left = (state != self.state).then_some(self.state);
        if let Some(diag) = diag {
            self.diag = diag;
        }
        if left.is_some() {
            self.state = state;
            self.hurried = core::mem::take(&mut self.unicast_received);
            self.adjust();
        }
        Some(left)
    }

    /// Takes up intervals after they or the state changed (RFC 5880 §6.8.3, RFC 8562 §5.10).
    fn adjust(&mut self) {
        let (tx, rx) = (self.desired_min_tx(), self.required_min_rx());
        let changed = (tx, rx) != (self.tx, self.rx);
        let up = self.state == State::Up;
        match self.kind {
            SessionType::MultipointHead if changed => self.polls = self.config.detect_mult.get(),
            SessionType::PointToPoint if changed && up => self.polls = 1,
            _ if !up => self.polls = 0,
            _ => {}
        }
        if !up || tx <= self.tx || self.kind == SessionType::SbfdInitiator {
            self.tx = tx;
        }
        if !up || rx >= self.rx || self.kind != SessionType::PointToPoint {
            self.rx = rx;
        }
    }

    /// Our Poll Sequence ended.
    fn poll_ended(&mut self) {
        self.polls = 0;
        (self.tx, self.rx) = (self.desired_min_tx(), self.required_min_rx());
    }

    /// Other intervals.
    pub(super) fn set_intervals(&mut self, tx: Duration, rx: Duration) -> Result<(), ConfigError> {
        let config = SessionConfig { desired_min_tx: tx, required_min_rx: rx, ..self.config.clone() };
        config.validate()?;
        self.config = config;
        self.adjust();
        Ok(())
    }

    /// Takes a packet that is for this session (RFC 8562 §5.13.1 from its authentication on, RFC 8563 §6.13.1).
    pub(super) fn receive(&mut self, packet: &ControlPacket) -> Result<Received, Discard> {
        let is_authentic = match (&self.config.auth, &mut self.auth) {
            (Some(config), Some(state)) => state.verify(config, packet),
            _ => packet.auth.is_none(),
        };
        if !is_authentic {
            return Err(Discard::Authentication);
        }
        // Nothing of a packet that the machine does not take is kept.
        if transition(self.kind, self.state, SessionEvent::Received(packet.state)).is_err() {
            return Err(Discard::State);
        }
        let was_up = self.state == State::Up && self.remote.state == State::Up;
        let remote_diag = was_up && packet.state == State::Up && self.remote.diag != packet.diag;
        let unicast = !packet.flags.contains(ControlFlags::MULTIPOINT);
        let is_tail = self.kind == SessionType::MultipointTail;
        self.remote = Remote {
            discriminator: packet.my_discriminator.get(),
            state: packet.state,
            diag: packet.diag,
            // What a head said to this tail alone holds on (RFC 8563 §6.8).
            min_rx: if is_tail && !unicast && self.unicast_received {
                self.remote.min_rx
            } else {
                packet.required_min_rx
            },
            desired_tx: packet.desired_min_tx,
            detect_mult: packet.detect_mult.get(),
            demand: packet.flags.contains(ControlFlags::DEMAND),
            heard: true,
        };
        let poll_ended = self.polls > 0 && packet.flags.contains(ControlFlags::FINAL);
        if poll_ended {
            self.poll_ended();
        }
        let left = self.happen(SessionEvent::Received(packet.state)).ok_or(Discard::State)?;
        if is_tail && unicast && self.state == State::Up {
            self.unicast_received = true;
        }
        Ok(Received { left, poll: packet.flags.contains(ControlFlags::POLL), poll_ended, remote_diag })
    }

    /// No packet came for the Detection Time. The old state, if it is another.
    pub(super) fn expire(&mut self) -> Option<State> {
        self.remote.heard = false;
        let left = self.happen(SessionEvent::DetectionTimeExpired).flatten();
        if self.kind == SessionType::PointToPoint {
            (self.remote.discriminator, self.remote.min_rx) = (self.config.path.remote_discriminator(), 1);
        }
        left
    }

    /// Sequence numbers start anew after twice the Detection Time (RFC 5880 §6.8.1).
    pub(super) const fn forget_sequence(&mut self) {
        if let Some(auth) = &mut self.auth {
            auth.forget();
        }
    }

    /// The next packet to send; a Final has no Poll bit.
    pub(super) fn packet(&mut self, now: Instant, id: SessionId, is_final: bool) -> ControlPacket {
        let is_head = self.kind == SessionType::MultipointHead;
        let mut flags = ControlFlags::empty();
        let initiator = self.kind == SessionType::SbfdInitiator;
        flags.set(ControlFlags::DEMAND, is_head || initiator || self.demand_active());
        flags.set(ControlFlags::MULTIPOINT, is_head);
        let mut packet = ControlPacket {
            diag: self.diag,
            state: self.state,
            flags,
            detect_mult: self.config.detect_mult,
            my_discriminator: id.0,
            your_discriminator: self.remote.discriminator,
            desired_min_tx: self.desired_min_tx(),
            required_min_rx: self.required_min_rx(),
            required_min_echo_rx: 0,
            auth: None,
        };
        let changed = self.last.as_ref() != Some(&packet);
        if changed {
            self.last = Some(packet.clone());
        }
        packet.flags.set(ControlFlags::FINAL, is_final);
        packet.flags.set(ControlFlags::POLL, self.polls > 0 && !is_final);
        if let (Some(config), Some(auth)) = (&self.config.auth, &mut self.auth) {
            auth.sign(config, &mut packet, changed);
        }
        if is_head && self.polls > 0 {
            self.polls = self.polls.saturating_sub(1);
            if self.polls == 0 {
                self.poll_ended();
            }
        }
        self.last_sent = Some(now);
        packet
    }

    /// A Poll to one tail (RFC 8563 §6.10), or the Final that a tail asked for. It tells the state of the head, not of what the head knows
    /// of the tail: the tail would take it for its own.
    pub(super) fn client_packet(&mut self, id: SessionId, client: &Client, flag: ControlFlags) -> ControlPacket {
        let mut packet = ControlPacket {
            diag: self.diag,
            state: self.state,
            flags: flag | ControlFlags::DEMAND,
            detect_mult: self.config.detect_mult,
            my_discriminator: id.0,
            your_discriminator: client.discriminator.map_or(0, NonZeroU32::get),
            desired_min_tx: self.desired_min_tx(),
            required_min_rx: self.required_min_rx(),
            required_min_echo_rx: 0,
            auth: None,
        };
        if let (Some(config), Some(auth)) = (&self.config.auth, &mut self.auth) {
            auth.sign(config, &mut packet, true);
        }
        packet
    }

    /// Whether a tail's packet is authentic. Tails share the key and not the sequence: each client has its own window.
    pub(super) fn verify(&self, auth: &mut AuthState, packet: &ControlPacket) -> bool {
        match &self.config.auth {
            Some(config) => auth.verify(config, packet),
            None => packet.auth.is_none(),
        }
    }
}

/// A configured time in microseconds; its range was checked.
pub(super) fn micros(time: Duration) -> u32 {
    u32::try_from(time.as_micros()).unwrap_or(u32::MAX)
}
