//! Messages of a session (RFC 2661 §6.6–§6.14, RFC 3931 §6.6–§6.14).

use alloc::vec::Vec;

use fwd_core::time::Instant;
use fwd_core::wire::l2tpv3::Cookie;

use super::config::{Cause, Event, SessionConfig, SessionId, SessionStart, SessionUp, Version};
use super::connection::Job;
use super::endpoint::{Endpoint, Timer};
use super::fields::{Fields, Invalid};
use super::fsm::{self, SessionAction, SessionEvent, SessionRole, SessionState};
use super::write::{Hiding, body};
use crate::l2tp::avp::Avps;
use crate::l2tp::digest::Hashes;
use crate::l2tp::message_type::MessageType;
use crate::l2tp::result_code::{ErrorCode, ResultCode, cdn};
use crate::l2tp::{CircuitStatus, Octets, PseudowireType, Value};

/// A session.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) cfg: SessionConfig,
    pub(super) role: SessionRole,
    pub(super) state: SessionState,
    pub(super) connection: Option<u32>,
    /// Its number here and there; 0 is none yet.
    pub(super) local: u32,
    pub(super) remote: u32,
    pub(super) circuit: CircuitStatus,
    cookie: Cookie,
    remote_cookie: Cookie,
    remote_sublayer: bool,
    remote_sequencing: bool,
    tie_breaker: u64,
    serial: u32,
}

impl Session {
    pub(super) fn new(cfg: SessionConfig) -> Self {
        let role = match cfg.start {
            SessionStart::Incoming => SessionRole::IncomingSender,
            SessionStart::Outgoing => SessionRole::OutgoingSender,
            SessionStart::Await => SessionRole::IncomingRecipient,
        };
        Self {
            cfg,
            role,
            state: SessionState::Idle,
            connection: None,
            local: 0,
            remote: 0,
            circuit: CircuitStatus::ACTIVE,
            cookie: Cookie::NONE,
            remote_cookie: Cookie::NONE,
            remote_sublayer: false,
            remote_sequencing: false,
            tie_breaker: 0,
            serial: 0,
        }
    }

    /// Whether a message that was queued is still the one to send: a tie may have turned the roles meanwhile.
    const fn may_say(&self, kind: MessageType) -> bool {
        match kind {
            MessageType::ICRQ | MessageType::OCRQ => matches!(self.state, SessionState::WaitReply),
            MessageType::ICRP => matches!(self.state, SessionState::WaitConnect),
            MessageType::OCRP => matches!(self.state, SessionState::WaitCsAnswer | SessionState::Established),
            _ => matches!(self.state, SessionState::Established),
        }
    }

    /// Takes what the peer says about its end.
    fn take_terms(&mut self, fields: &Fields<'_>) {
        if let Some(cookie) = fields.cookie {
            self.remote_cookie = cookie;
        }
        if let Some(sublayer) = fields.sublayer {
            self.remote_sublayer = sublayer == 1;
        }
        if let Some(level) = fields.sequencing {
            self.remote_sequencing = level != 0;
        }
    }

    /// Whether its terms can be met; the result of CDN otherwise.
    fn refusal(&self, version: Version, fields: &Fields<'_>) -> Option<u16> {
        let asked = |field: Option<PseudowireType>| field.is_some_and(|kind| kind != self.cfg.pseudowire);
        if version == Version::V3 {
            if asked(fields.pseudowire) || fields.sublayer.is_some_and(|kind| kind > 1) {
                return Some(cdn::PSEUDOWIRE_TYPE);
            }
            if fields.sequencing.is_some_and(|level| level != 0) && fields.sublayer != Some(1) {
                return Some(cdn::SEQUENCING);
            }
        }
        match (self.cfg.mtu, fields.mtu) {
            (Some(ours), Some(theirs)) if ours != theirs => Some(cdn::MTU_MISMATCH),
            _ => None,
        }
    }
}

impl<H: Hashes> Endpoint<H> {
    /// Runs the state machine of a session.
    pub(super) fn session_event(&mut self, now: Instant, id: SessionId, event: SessionEvent, cause: Cause) {
        let Some(session) = self.session_mut(id) else { return };
        let before = session.state;
        let Ok((next, actions)) = fsm::session(session.role, before, event) else { return };
        session.state = next;
        for action in actions {
            let Some(session) = self.session(id) else { return };
            match action {
                SessionAction::OpenControlConn => self.want_connection(now, id),
                SessionAction::SendRequest => self.send_request(now, id),
                SessionAction::SendReply => {
                    let kind = reply_of(session.role);
                    self.queue_session(id, kind);
                }
                SessionAction::SendConnected => {
                    let kind = connected_of(session.role);
                    self.queue_session(id, kind);
                }
                SessionAction::SendCdn => {
                    let (local, remote, connection) = (session.local, session.remote, session.connection);
                    let (result, error) = match cause {
                        Cause::Refused { result, error: 0 } => (result, None),
                        Cause::Refused { result, error } => (result, Some((ErrorCode(error), ""))),
                        _ => (cdn::ADMINISTRATIVE, None),
                    };
                    if let Some(connection) = connection {
                        self.queue(connection, Job::Cdn { local, remote, result, error });
                    }
                }
                SessionAction::PlaceCall => self.event(Event::PlaceCall { session: id }),
                SessionAction::PrepareForData => self.session_is_up(id),
                SessionAction::CleanUp => self.clean_up_session(now, id, before, cause),
                // The caller refuses it: it has no session.
                SessionAction::RefuseOther => {}
            }
        }
    }

    /// A session wants its control connection.
    fn want_connection(&mut self, now: Instant, id: SessionId) {
        let Some(peer_id) = self.session(id).map(|s| s.cfg.peer) else { return };
        let Some(peer) = self.peer(peer_id) else { return };
        match peer.connection {
            None if peer.cfg.initiate => self.open_connection(now, peer_id),
            None => {}
            Some(c) => {
                let state = self.connections.get(&c).map(|c| c.state);
                if state == Some(fsm::ConnectionState::Established) {
                    self.session_event(now, id, SessionEvent::ControlConnOpen, Cause::Closed);
                }
            }
        }
    }

    /// Gives a session its numbers and asks for it.
    fn send_request(&mut self, now: Instant, id: SessionId) {
        let Some(session) = self.session(id) else { return };
        let (peer, kind, role) = (session.cfg.peer, session.cfg.pseudowire, session.role);
        let Some(connection) = self.peer(peer).and_then(|peer| peer.connection) else { return };
        let offered = self.connections.get(&connection).is_none_or(|c| {
            c.version == Version::V2 || c.remote_pseudowires.is_empty() || c.remote_pseudowires.contains(&kind)
        });
        if !offered || !self.number_session(id, connection, 0) {
            // RFC 3931 §5.4.4: what the peer did not offer is not asked for.
            let cause = Cause::Refused { result: cdn::PSEUDOWIRE_TYPE, error: 0 };
            if let Some(session) = self.session_mut(id) {
                session.state = SessionState::Idle;
            }
            return self.clean_up_session(now, id, SessionState::WaitControlConn, cause);
        }
        let kind = if role == SessionRole::OutgoingSender { MessageType::OCRQ } else { MessageType::ICRQ };
        self.queue_session(id, kind);
    }

    /// Numbers, cookie and tie breaker of a new attempt; `false` if there is no number left.
    fn number_session(&mut self, id: SessionId, connection: u32, remote: u32) -> bool {
        let version = self.connections.get(&connection).map_or(Version::V3, |c| c.version);
        let bits = if version == Version::V2 { 16 } else { 32 };
        let (tie_breaker, cookie) = (self.random.number(&self.hashes), self.random.number(&self.hashes).to_be_bytes());
        let (taken, multicasts) = (&self.by_local, &self.multicasts);
        let free = |id: u32| {
            !taken.contains_key(&id) && u16::try_from(id).is_ok_and(|id| !multicasts.contains_key(&id)) | (bits == 32)
        };
        let Some(local) = self.random.id(&self.hashes, bits, free) else { return false };
        let Some(session) = self.session_mut(id) else { return false };
        let old = core::mem::replace(&mut session.local, local);
        session.remote = remote;
        session.connection = Some(connection);
        session.tie_breaker = tie_breaker;
        session.serial = id.0;
        let len = if version == Version::V2 { 0 } else { session.cfg.cookie_len };
        session.cookie = cookie.get(..len).and_then(Cookie::new).unwrap_or(Cookie::NONE);
        session.remote_cookie = Cookie::NONE;
        (session.remote_sublayer, session.remote_sequencing) = (false, false);
        self.by_local.remove(&old);
        self.by_local.insert(local, id);
        true
    }

    pub(super) fn queue_session(&mut self, id: SessionId, kind: MessageType) {
        if let Some(connection) = self.session(id).and_then(|s| s.connection) {
            self.queue(connection, Job::Session { id, kind });
        }
    }

    pub(super) fn queue(&mut self, connection: u32, job: Job) {
        let limit = self.cfg.limits.queued;
        if let Some(c) = self.connections.get_mut(&connection).filter(|c| c.jobs.len() < limit) {
            c.jobs.push_back(job);
        }
    }

    fn session_is_up(&mut self, id: SessionId) {
        let Some(session) = self.session(id) else { return };
        let Some(connection) = session.connection.and_then(|c| self.connections.get(&c)) else { return };
        let up = SessionUp {
            remote: connection.remote,
            local_id: session.local,
            remote_id: session.remote,
            local_cookie: session.cookie,
            remote_cookie: session.remote_cookie,
            local_sublayer: session.cfg.sublayer,
            remote_sublayer: session.remote_sublayer,
            remote_sequencing: session.remote_sequencing,
            pseudowire: session.cfg.pseudowire,
        };
        self.event(Event::SessionUp { session: id, up });
    }

    fn clean_up_session(&mut self, now: Instant, id: SessionId, before: SessionState, cause: Cause) {
        let retry = self.cfg.retry;
        let Some(session) = self.session_mut(id) else { return };
        let local = core::mem::take(&mut session.local);
        session.connection = None;
        session.remote = 0;
        let starts = session.cfg.start != SessionStart::Await;
        // What lost a tie follows its own table again.
        session.role = Session::new(session.cfg.clone()).role;
        let peer = session.cfg.peer;
        self.by_local.remove(&local);
        if before != SessionState::Idle && cause != Cause::Replaced {
            self.event(Event::SessionDown { session: id, cause });
        }
        match cause {
            Cause::Closed | Cause::Replaced => {}
            // It waits for the next control connection.
            Cause::ControlConnection | Cause::Timeout if starts => {
                if let Some(session) = self.session_mut(id) {
                    session.state = SessionState::WaitControlConn;
                }
                if self.peer(peer).is_some_and(|p| p.connection.is_none() && p.cfg.initiate) {
                    self.timers.set(Timer::RetryPeer(peer), now + retry);
                }
            }
            _ if starts => self.timers.set(Timer::RetrySession(id), now + retry),
            _ => {}
        }
    }

    /// A message about a session.
    pub(super) fn session_message(
        &mut self,
        now: Instant,
        connection: u32,
        header_session: u16,
        kind: MessageType,
        fields: &Fields<'_>,
    ) {
        match kind {
            MessageType::ICRQ | MessageType::OCRQ => return self.request(now, connection, kind, fields),
            MessageType::WEN | MessageType::CSUN | MessageType::CSURQ => return,
            _ => {}
        }
        let Some(c) = self.connections.get(&connection) else { return };
        let number = match c.version {
            Version::V2 => u32::from(header_session),
            Version::V3 => fields.remote_session.unwrap_or(0),
        };
        let version = c.version;
        let id = self.by_local.get(&number).copied().filter(|_| number != 0);
        let id = id.filter(|id| self.session(*id).is_some_and(|s| s.connection == Some(connection)));
        let Some(id) = id.or_else(|| self.session_of_remote(connection, kind, fields)) else {
            // Nobody's: what is not a CDN is answered with one.
            if kind != MessageType::CDN {
                let remote = fields.local_session.unwrap_or(0);
                let error = Some((ErrorCode::SESSION_ID, "no such session"));
                self.queue(connection, Job::Cdn { local: number, remote, result: cdn::ERROR, error });
            }
            return;
        };
        let Some(session) = self.session_mut(id) else { return };
        let refusal = session.refusal(version, fields);
        let refused = |result| Cause::Refused { result, error: 0 };
        let fsm_error = refused(if version == Version::V2 { cdn::ADMINISTRATIVE } else { cdn::FSM_OR_TIMEOUT });
        match kind {
            MessageType::ICRP | MessageType::OCRP => {
                let remote = fields.local_session.filter(|remote| *remote != 0);
                session.remote = remote.unwrap_or(session.remote);
                session.take_terms(fields);
                match refusal.or(remote.is_none().then_some(cdn::ERROR)) {
                    Some(result) => self.refuse(now, id, SessionEvent::RecvReplyRefused, refused(result)),
                    None => self.session_event(now, id, SessionEvent::RecvReply, fsm_error),
                }
            }
            MessageType::ICCN | MessageType::OCCN => {
                session.take_terms(fields);
                // The group of version 2 comes as late as here. A session of a group is never another's.
                let is_ours = session.role == SessionRole::OutgoingSender
                    || version == Version::V3
                    || session.cfg.group.is_empty()
                    || fields.group == Some(&session.cfg.group[..]);
                match refusal.or((!is_ours).then_some(cdn::NO_SUCH_FORWARDER)) {
                    Some(result) => self.refuse(now, id, SessionEvent::RecvConnectedRefused, refused(result)),
                    None => self.session_event(now, id, SessionEvent::RecvConnected, fsm_error),
                }
            }
            MessageType::CDN => {
                let code = fields.result.unwrap_or(ResultCode::new(0));
                let cause = Cause::Peer { result: code.result, error: code.error.map_or(0, |(e, _)| e.0) };
                self.session_event(now, id, SessionEvent::RecvCdn, cause);
            }
            MessageType::SLI => {
                if let Some(status) = fields.circuit {
                    self.event(Event::Circuit { session: id, status });
                }
            }
            _ => {}
        }
    }

    /// The session of a CDN that does not know our number: it answers a request of ours.
    fn session_of_remote(&self, connection: u32, kind: MessageType, fields: &Fields<'_>) -> Option<SessionId> {
        let remote = fields.local_session.filter(|remote| *remote != 0 && kind == MessageType::CDN)?;
        let peer = self.peer(self.connections.get(&connection)?.peer)?;
        let of_it = |id: &&SessionId| {
            self.session(**id).is_some_and(|s| s.connection == Some(connection) && s.remote == remote)
        };
        peer.sessions.iter().find(of_it).copied()
    }

    fn refuse(&mut self, now: Instant, id: SessionId, event: SessionEvent, cause: Cause) {
        self.counters.refused = self.counters.refused.saturating_add(1);
        self.session_event(now, id, event, cause);
    }

    /// ICRQ or OCRQ: a peer asks for a session.
    fn request(&mut self, now: Instant, connection: u32, kind: MessageType, fields: &Fields<'_>) {
        let Some(c) = self.connections.get(&connection) else { return };
        let (peer, version) = (c.peer, c.version);
        let remote = fields.local_session.unwrap_or(0);
        let refuse = |this: &mut Self, result, error| {
            this.counters.refused = this.counters.refused.saturating_add(1);
            this.queue(connection, Job::Cdn { local: 0, remote, result, error });
        };
        if remote == 0 {
            return refuse(self, cdn::ERROR, Some((ErrorCode::VENDOR, "no session ID")));
        }
        let (group, end) = (fields.group.unwrap_or_default(), fields.remote_end.unwrap_or_default());
        let found = self.session_of_end(peer, group, end).or_else(|| self.anonymous(peer, version, fields));
        let Some(id) = found else {
            let result = if version == Version::V2 { cdn::NO_FACILITIES } else { cdn::NO_SUCH_FORWARDER };
            return refuse(self, result, None);
        };
        let Some(session) = self.session(id) else { return };
        if let Some(result) = session.refusal(version, fields) {
            return refuse(self, result, None);
        }
        // RFC 4667 §5.1: the end there must be the one that may connect with this end.
        let from = fields.local_end.unwrap_or(end);
        if version == Version::V3 && from != session.cfg.remote_end {
            return refuse(self, cdn::FORWARDER_NOT_AUTHORIZED, None);
        }
        match session.state {
            SessionState::Idle | SessionState::WaitControlConn => {}
            SessionState::WaitReply => match (version, self.settle_tie(now, id, fields.tie_breaker)) {
                (Version::V3, Some(true)) => {}
                (Version::V3, Some(false)) => return refuse(self, cdn::TIE_LOST, None),
                // Neither says a tie breaker, or both the same: both end (RFC 3931 §5.4.4).
                _ => return refuse(self, cdn::TIE_LOST, None),
            },
            // It is in use, and the peer has forgotten that: ours ends as well (RFC 4951 §3.3).
            _ => {
                let cause = Cause::Refused { result: cdn::CIRCUIT_BOUND, error: 0 };
                self.session_event(now, id, SessionEvent::LocalClose, cause);
                return refuse(self, cdn::CIRCUIT_BOUND, None);
            }
        }
        if !self.number_session(id, connection, remote) {
            return refuse(self, cdn::NO_FACILITIES_NOW, None);
        }
        self.timers.clear(Timer::RetrySession(id));
        let Some(session) = self.session_mut(id) else { return };
        session.role = match kind {
            MessageType::OCRQ => SessionRole::OutgoingRecipient,
            _ => SessionRole::IncomingRecipient,
        };
        session.state = SessionState::Idle;
        session.take_terms(fields);
        self.session_event(now, id, SessionEvent::RecvRequest, Cause::Closed);
    }

    /// Version 2 may say nothing about whom it wants: then it is a session that waits for anybody.
    fn anonymous(&self, id: super::PeerId, version: Version, fields: &Fields<'_>) -> Option<SessionId> {
        if version != Version::V2 || fields.remote_end.is_some() {
            return None;
        }
        let waits = |id: &&SessionId| {
            self.session(**id).is_some_and(|s| s.state == SessionState::Idle && s.cfg.start == SessionStart::Await)
        };
        self.peer(id)?.sessions.iter().find(waits).copied()
    }

    /// Two requests crossed: whether the peer's goes on; none if neither does.
    fn settle_tie(&mut self, now: Instant, id: SessionId, theirs: Option<u64>) -> Option<bool> {
        let ours = self.session(id)?.tie_breaker;
        let theirs = theirs.unwrap_or(u64::MAX);
        if ours < theirs {
            self.session_event(now, id, SessionEvent::WinTie, Cause::Replaced);
            return Some(false);
        }
        if ours == theirs {
            let cause = Cause::Refused { result: cdn::TIE_LOST, error: 0 };
            self.session_event(now, id, SessionEvent::LoseTie, cause);
            return None;
        }
        self.session_event(now, id, SessionEvent::LoseTie, Cause::Replaced);
        Some(true)
    }

    /// A message about a session that cannot be used: the session ends, others do not notice (RFC 3931 §5.2).
    pub(super) fn session_invalid(
        &mut self,
        now: Instant,
        connection: u32,
        header_session: u16,
        octets: &[u8],
        invalid: Invalid,
    ) {
        let (error, text) = invalid.error();
        let (mut local, mut remote) = (u32::from(header_session), 0);
        for value in Avps::new(octets).flatten().filter_map(|avp| Value::of(&avp).ok()) {
            match value {
                Value::RemoteSessionId(n) => local = n,
                Value::LocalSessionId(n) => remote = n,
                Value::AssignedSessionId(n) => remote = n.into(),
                _ => {}
            }
        }
        let id = self.by_local.get(&local).copied().filter(|_| local != 0);
        let id = id.filter(|id| self.session(*id).is_some_and(|s| s.connection == Some(connection)));
        self.counters.refused = self.counters.refused.saturating_add(1);
        match id {
            Some(id) => {
                let cause = Cause::Refused { result: cdn::ERROR, error: error.0 };
                self.session_event(now, id, SessionEvent::LocalClose, cause);
            }
            None => {
                let error = Some((error, text));
                self.queue(connection, Job::Cdn { local: 0, remote, result: cdn::ERROR, error });
            }
        }
    }

    pub(super) fn build_cdn(
        &mut self,
        connection: u32,
        local: u32,
        remote: u32,
        result: u16,
        error: Option<(ErrorCode, &'static str)>,
    ) -> Option<(u16, Vec<u8>)> {
        let c = self.connections.get(&connection)?;
        let code = error.map_or(ResultCode::new(result), |(e, text)| ResultCode::with(result, e, text));
        let values = match c.version {
            Version::V2 => alloc::vec![Value::ResultCode(code), Value::AssignedSessionId(local as u16)],
            Version::V3 => {
                let ids = [Value::LocalSessionId(local), Value::RemoteSessionId(remote)];
                [Value::ResultCode(code)].into_iter().chain(ids).collect()
            }
        };
        let session = if c.version == Version::V2 { remote as u16 } else { 0 };
        Some((session, body::<H>(MessageType::CDN, c.digest, &values, None)))
    }

    /// A message of a session, of its state now; none if the session went meanwhile.
    pub(super) fn build_session(
        &mut self,
        connection: u32,
        id: SessionId,
        kind: MessageType,
    ) -> Option<(u16, Vec<u8>)> {
        let vector = self.random.block(&self.hashes);
        let c = self.connections.get(&connection)?;
        let session = self.session(id).filter(|s| s.connection == Some(connection) && s.may_say(kind))?;
        let peer = &self.peer(c.peer)?.cfg;
        let secret = peer.secret.as_ref().filter(|_| peer.hide);
        let hiding = secret.map(|secret| Hiding { hashes: &self.hashes, secret, vector });
        let mut values = Vec::new();
        match c.version {
            Version::V2 => session.values_v2(kind, &mut values),
            Version::V3 => session.values_v3(kind, &mut values),
        }
        let header = if c.version == Version::V2 { session.remote as u16 } else { 0 };
        Some((header, body(kind, c.digest, &values, hiding.as_ref())))
    }
}

impl Session {
    /// RFC 3931 §6.6–§6.14.
    fn values_v3<'a>(&'a self, kind: MessageType, values: &mut Vec<Value<'a>>) {
        values.extend([Value::LocalSessionId(self.local), Value::RemoteSessionId(self.remote)]);
        let is_request = matches!(kind, MessageType::ICRQ | MessageType::OCRQ);
        if is_request {
            values.push(Value::CallSerialNumber(self.serial));
            values.push(Value::PseudowireType(self.cfg.pseudowire));
            if !self.cfg.group.is_empty() {
                values.push(Value::AttachmentGroupIdentifier(Octets::cut(&self.cfg.group)));
            }
            values.push(Value::RemoteEndId(Octets::cut(&self.cfg.remote_end)));
            if self.cfg.local_end != self.cfg.remote_end {
                values.push(Value::LocalEndId(Octets::cut(&self.cfg.local_end)));
            }
            values.push(Value::TieBreaker(self.tie_breaker));
        }
        if is_request || matches!(kind, MessageType::ICRP | MessageType::OCRP) {
            if !self.cookie.as_slice().is_empty() {
                values.push(Value::AssignedCookie(self.cookie));
            }
            if self.cfg.sublayer {
                values.push(Value::L2SpecificSublayer(1));
            }
            if self.cfg.sequencing {
                values.push(Value::DataSequencing(2));
            }
            values.extend(self.cfg.mtu.map(Value::InterfaceMtu));
            values.push(Value::CircuitStatus(self.circuit));
        }
        if kind == MessageType::SLI {
            values.push(Value::CircuitStatus(self.circuit));
        }
    }

    /// RFC 2661 §6.6–§6.14.
    fn values_v2<'a>(&'a self, kind: MessageType, values: &mut Vec<Value<'a>>) {
        /// What there is between two virtual routers: nothing that has a speed. 1 Gbit/s is as good a number as any.
        const SPEED: u32 = 1_000_000_000;
        const SYNCHRONOUS: u32 = 1;
        let called = Some(Octets::cut(&self.cfg.remote_end)).filter(|end| !end.get().is_empty());
        match kind {
            MessageType::ICRQ => {
                values.extend([Value::AssignedSessionId(self.local as u16), Value::CallSerialNumber(self.serial)]);
                values.extend(called.map(Value::CalledNumber));
            }
            MessageType::OCRQ => {
                values.extend([Value::AssignedSessionId(self.local as u16), Value::CallSerialNumber(self.serial)]);
                values.extend([Value::MinimumBps(0), Value::MaximumBps(SPEED)]);
                values.extend([Value::BearerType(0), Value::FramingType(SYNCHRONOUS)]);
                values.push(Value::CalledNumber(called.unwrap_or_default()));
            }
            MessageType::ICRP | MessageType::OCRP => values.push(Value::AssignedSessionId(self.local as u16)),
            MessageType::ICCN | MessageType::OCCN => {
                values.extend([Value::TxConnectSpeed(SPEED), Value::FramingType(SYNCHRONOUS)]);
                if kind == MessageType::ICCN && !self.cfg.group.is_empty() {
                    values.push(Value::PrivateGroupId(Octets::cut(&self.cfg.group)));
                }
                if self.cfg.sequencing {
                    values.push(Value::SequencingRequired);
                }
            }
            _ => {}
        }
    }
}

const fn reply_of(role: SessionRole) -> MessageType {
    match role {
        SessionRole::OutgoingSender | SessionRole::OutgoingRecipient => MessageType::OCRP,
        _ => MessageType::ICRP,
    }
}

const fn connected_of(role: SessionRole) -> MessageType {
    match role {
        SessionRole::OutgoingSender | SessionRole::OutgoingRecipient => MessageType::OCCN,
        _ => MessageType::ICCN,
    }
}
