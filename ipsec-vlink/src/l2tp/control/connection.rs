//! Messages of a control connection (RFC 2661 §6.1–§6.5, RFC 3931 §6.1–§6.5).

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use fwd_core::time::Instant;

use super::channel::{Arrival, Channel};
use super::config::{Address, Cause, Event, Output, PeerId, SessionId, Version};
use super::endpoint::{Endpoint, Timer};
use super::fields::{Fields, Invalid};
use super::fsm::{self, ConnectionAction, ConnectionEvent, ConnectionState, SessionEvent, SessionState};
use super::write::{Envelope, body, datagram};
use crate::ike::crypto::equal;
use crate::l2tp::avp::{Attribute, Avps};
use crate::l2tp::digest::{DigestType, Hashes, Secret, challenge_response, message_digest};
use crate::l2tp::hidden;
use crate::l2tp::message_type::MessageType;
use crate::l2tp::result_code::{ErrorCode, ResultCode, stop_ccn};
use crate::l2tp::{MessageDigest, Numbers, Octets, PseudowireType, Value};

/// A message that waits: what it says is made of the state when it is sent.
#[derive(Clone, Debug)]
pub(super) enum Job {
    Sccrq,
    Sccrp,
    Scccn,
    StopCcn { result: u16, error: Option<(ErrorCode, &'static str)> },
    Hello,
    Session { id: SessionId, kind: MessageType },
    Cdn { local: u32, remote: u32, result: u16, error: Option<(ErrorCode, &'static str)> },
    Built { session: u16, body: Vec<u8> },
}

/// A control connection.
#[derive(Debug)]
pub(super) struct Connection {
    pub(super) peer: PeerId,
    pub(super) version: Version,
    pub(super) remote: Address,
    /// Its number here and there; 0 is not known yet.
    pub(super) local_id: u32,
    pub(super) remote_id: u32,
    pub(super) state: ConnectionState,
    pub(super) channel: Channel,
    pub(super) jobs: VecDeque<Job>,
    pub(super) must_acknowledge: bool,
    /// The digest that our messages carry.
    pub(super) digest: Option<DigestType>,
    pub(super) nonce: [u8; 16],
    pub(super) remote_nonce: Vec<u8>,
    /// What the peer is to prove, and we (RFC 2661 §5.1.1).
    challenge: Option<[u8; 16]>,
    remote_challenge: Option<Vec<u8>>,
    tie_breaker: Option<u64>,
    pub(super) remote_pseudowires: Vec<PseudowireType>,
    pub(super) remote_multicast: bool,
}

/// What StopCCN says where the state machine is at fault.
const FSM_ERROR: Cause = Cause::Refused { result: stop_ccn::FSM_OR_TIMEOUT, error: 0 };

impl<H: Hashes> Endpoint<H> {
    /// A control connection with a peer, in state idle.
    fn new_connection(&mut self, id: PeerId, remote: Address) -> Option<u32> {
        let (nonce, challenge) = (self.random.block(&self.hashes), self.random.block(&self.hashes));
        let tie_breaker = self.random.number(&self.hashes);
        let cfg = &self.peers.get(id.0 as usize)?.as_ref()?.cfg;
        let bits = if cfg.version == Version::V2 { 16 } else { 32 };
        let connections = &self.connections;
        let local_id = self.random.id(&self.hashes, bits, |id| !connections.contains_key(&id))?;
        let has_secret = cfg.secret.is_some();
        let connection = Connection {
            peer: id,
            version: cfg.version,
            remote,
            local_id,
            remote_id: 0,
            state: ConnectionState::Idle,
            channel: Channel::new(cfg.delivery),
            jobs: VecDeque::new(),
            must_acknowledge: false,
            digest: (has_secret && cfg.version == Version::V3).then_some(cfg.digest),
            nonce: if has_secret { nonce } else { [0; 16] },
            remote_nonce: Vec::new(),
            challenge: (has_secret && cfg.version == Version::V2).then_some(challenge),
            remote_challenge: None,
            tie_breaker: Some(tie_breaker),
            remote_pseudowires: Vec::new(),
            remote_multicast: false,
        };
        self.connections.insert(local_id, connection);
        Some(local_id)
    }

    /// Opens the control connection with a peer.
    pub(super) fn open_connection(&mut self, now: Instant, id: PeerId) {
        let Some(remote) = self.peer(id).map(|peer| peer.cfg.remote) else { return };
        let Some(connection) = self.new_connection(id, remote) else { return };
        if let Some(peer) = self.peer_mut(id) {
            peer.connection = Some(connection);
        }
        self.timers.clear(Timer::RetryPeer(id));
        self.connection_event(now, connection, ConnectionEvent::LocalOpen, Cause::Closed);
        self.flush(now, connection);
    }

    /// Runs the state machine of a control connection.
    pub(super) fn connection_event(&mut self, now: Instant, id: u32, event: ConnectionEvent, cause: Cause) {
        let Some(c) = self.connections.get_mut(&id) else { return };
        let before = c.state;
        let Ok((next, actions)) = fsm::connection(before, event) else { return };
        c.state = next;
        if before == ConnectionState::WaitCtlConn && next != before {
            self.half_open = self.half_open.saturating_sub(1);
        } else if next == ConnectionState::WaitCtlConn && next != before {
            self.half_open = self.half_open.saturating_add(1);
        }
        for action in actions {
            let Some(c) = self.connections.get_mut(&id) else { return };
            match action {
                ConnectionAction::SendSccrq => c.jobs.push_back(Job::Sccrq),
                ConnectionAction::SendSccrp => c.jobs.push_back(Job::Sccrp),
                ConnectionAction::SendScccn => c.jobs.push_back(Job::Scccn),
                ConnectionAction::SendStopCcn => {
                    let (result, error) = match cause {
                        Cause::Refused { result, error: 0 } => (result, None),
                        Cause::Refused { result, error } => (result, Some((ErrorCode(error), ""))),
                        _ => (stop_ccn::CLEARED, None),
                    };
                    // Nothing else matters any more.
                    c.jobs.clear();
                    c.jobs.push_back(Job::StopCcn { result, error });
                }
                ConnectionAction::OpenSessions => self.connection_is_open(now, id),
                ConnectionAction::CleanUp => self.clean_up_connection(now, id, before, cause),
                // The caller refuses it: it has no connection yet.
                ConnectionAction::RefuseOther => {}
            }
        }
        self.flush(now, id);
    }

    fn connection_is_open(&mut self, now: Instant, id: u32) {
        let Some(peer_id) = self.connections.get(&id).map(|c| c.peer) else { return };
        let replaced = self.peer(peer_id).and_then(|peer| peer.connection).filter(|old| *old != id);
        if let Some(old) = replaced {
            self.connection_event(now, old, ConnectionEvent::AdminClose, Cause::Replaced);
        }
        let Some(peer) = self.peer_mut(peer_id) else { return };
        peer.connection = Some(id);
        let waiting = peer.sessions.clone();
        self.timers.clear(Timer::RetryPeer(peer_id));
        self.timers.set(Timer::Hello(id), now + self.cfg.hello);
        self.event(Event::PeerUp { peer: peer_id });
        for session in waiting {
            if self.session(session).is_some_and(|s| s.state == SessionState::WaitControlConn) {
                self.session_event(now, session, SessionEvent::ControlConnOpen, Cause::Closed);
            }
        }
    }

    /// Clears the sessions, and keeps what answers the peer for as long as it may repeat itself.
    fn clean_up_connection(&mut self, now: Instant, id: u32, before: ConnectionState, cause: Cause) {
        let Some(c) = self.connections.get(&id) else { return };
        let peer_id = c.peer;
        let cycle = self.peer(peer_id).map_or(core::time::Duration::from_secs(31), |peer| peer.cfg.delivery.cycle());
        let keep = cycle.max(core::time::Duration::from_secs(31));
        self.timers.set(Timer::Linger(id), now + keep);
        self.timers.clear(Timer::Hello(id));
        let Some(peer) = self.peer_mut(peer_id) else { return };
        if peer.connection == Some(id) {
            peer.connection = None;
        }
        let sessions: Vec<SessionId> = peer.sessions.iter().copied().collect();
        for session in sessions {
            if self.session(session).is_some_and(|s| s.connection == Some(id)) {
                self.session_event(now, session, SessionEvent::ControlConnClose, Cause::ControlConnection);
            }
        }
        self.multicast_connection_closed(id);
        if before != ConnectionState::Idle {
            self.event(Event::PeerDown { peer: peer_id, cause });
        }
        if self.peer(peer_id).is_some_and(|p| p.connection.is_none()) && self.is_wanted(peer_id) {
            self.timers.set(Timer::RetryPeer(peer_id), now + self.cfg.retry);
        }
    }

    pub(super) fn forget_connection(&mut self, id: u32) {
        let Some(c) = self.connections.remove(&id) else { return };
        self.by_remote.remove(&(c.remote, c.remote_id));
        for timer in [Timer::Retransmit(id), Timer::Hello(id), Timer::Linger(id)] {
            self.timers.clear(timer);
        }
    }

    /// SCCRQ: a peer asks for a control connection.
    pub(super) fn sccrq(
        &mut self,
        now: Instant,
        from: Address,
        version: Version,
        (ns, nr): (u16, u16),
        body: &[u8],
        whole: &[u8],
    ) {
        let fields = match Fields::read(body) {
            Ok(fields) => fields,
            Err(_) => return self.dropped(now, from, "SCCRQ"),
        };
        let Some(remote_id) = fields.assigned_connection.filter(|id| *id != 0) else {
            return self.dropped(now, from, "SCCRQ without a connection ID");
        };
        if let Some(&known) = self.by_remote.get(&(from, remote_id)) {
            // The same again: our answer was lost.
            if let Some(c) = self.connections.get_mut(&known) {
                c.must_acknowledge = true;
            }
            return self.flush(now, known);
        }
        if !self.take_token(now) || self.half_open >= self.cfg.limits.half_open {
            self.counters.limited = self.counters.limited.saturating_add(1);
            return self.say_dropped(now, from, "limit of SCCRQ");
        }
        let Some(peer_id) = self.peer_of_address(from.ip, version) else {
            self.counters.unknown_peer = self.counters.unknown_peer.saturating_add(1);
            self.refuse_stateless(from, version, remote_id, ns, stop_ccn::NOT_AUTHORIZED);
            return self.say_dropped(now, from, "unknown peer");
        };
        if !self.sccrq_is_authentic(peer_id, version, &fields, whole) {
            self.refuse_stateless(from, version, remote_id, ns, stop_ccn::NOT_AUTHORIZED);
            return self.unauthenticated(now, from);
        }
        if !self.win_or_lose(now, peer_id, fields.tie_breaker) {
            return self.refuse_stateless(from, version, remote_id, ns, stop_ccn::EXISTS);
        }
        let Some(id) = self.new_connection(peer_id, from) else { return };
        self.by_remote.insert((from, remote_id), id);
        let Some(c) = self.connections.get_mut(&id) else { return };
        c.remote_id = remote_id;
        c.take_offer(&fields);
        let _ = c.channel.acknowledge(nr);
        if c.channel.arrive(ns, 0, body) != Arrival::Next {
            self.forget_connection(id);
            return self.dropped(now, from, "SCCRQ with a number");
        }
        c.must_acknowledge = true;
        self.counters.received = self.counters.received.saturating_add(1);
        self.connection_event(now, id, ConnectionEvent::RecvSccrq, Cause::Closed);
    }

    /// Whether the sender of an SCCRQ may have the peer's secret: in version 3 it must show it now.
    fn sccrq_is_authentic(&self, id: PeerId, version: Version, fields: &Fields<'_>, whole: &[u8]) -> bool {
        let Some(peer) = self.peer(id) else { return false };
        match (version, &peer.cfg.secret) {
            (Version::V2, Some(_)) => true,
            // RFC 2661 §5.1.1: who is challenged must answer.
            (Version::V2, None) => fields.challenge.is_none(),
            (Version::V3, secret) => {
                // RFC 3931 §4.3: either both take part in authentication, or neither does.
                if secret.is_some() != fields.nonce.is_some() {
                    return false;
                }
                let secrets = [secret.as_ref(), peer.cfg.other_secret.as_ref()];
                self.digest_holds(secrets, (&[], &[]), secret.is_some(), whole)
            }
        }
    }

    /// Whether a message of a control connection of version 3 is the peer's (RFC 3931 §4.3).
    pub(super) fn is_authentic(&self, id: u32, body: &[u8], whole: &[u8]) -> bool {
        let Some(c) = self.connections.get(&id) else { return false };
        let Some(peer) = self.peer(c.peer) else { return true };
        // SCCRP brings the nonce that it is authenticated with.
        let fields = if c.remote_nonce.is_empty() { Fields::read(body).ok() } else { None };
        let brought = fields.and_then(|f| f.nonce).unwrap_or_default();
        let theirs = if c.remote_nonce.is_empty() { brought } else { &c.remote_nonce };
        let secrets = [peer.cfg.secret.as_ref(), peer.cfg.other_secret.as_ref()];
        let nonces = if peer.cfg.secret.is_some() { (theirs, &c.nonce[..]) } else { (&[][..], &[][..]) };
        self.digest_holds(secrets, nonces, peer.cfg.secret.is_some(), whole)
    }

    /// Whether one of the message's digests is right under one of the secrets. A message without a digest passes only where none
    /// is needed.
    fn digest_holds(&self, secrets: [Option<&Secret>; 2], nonces: (&[u8], &[u8]), needed: bool, whole: &[u8]) -> bool {
        let Some(mut at) = whole.get(crate::l2tp::v3::Control::HEADER..).map(|_| crate::l2tp::v3::Control::HEADER)
        else {
            return false;
        };
        let mut zeroed = whole.to_vec();
        let mut digests: [Option<MessageDigest>; 2] = [None; 2];
        let mut slots = digests.iter_mut();
        for avp in Avps::new(whole.get(at..).unwrap_or_default()).map_while(Result::ok) {
            let end = at.saturating_add(avp.wire_len());
            if avp.vendor == 0 && avp.attribute == Attribute::MESSAGE_DIGEST {
                if let (Ok(Value::MessageDigest(digest)), Some(slot)) = (Value::of(&avp), slots.next()) {
                    *slot = Some(digest);
                    // Header and digest type stay.
                    zeroed.get_mut(at.saturating_add(7)..end).unwrap_or_default().fill(0);
                }
            } else if avp.attribute != Attribute::MESSAGE_TYPE {
                // Behind the message's type, and nowhere else.
                break;
            }
            at = end;
        }
        if digests.iter().all(Option::is_none) {
            return !needed;
        }
        let keys = if needed { secrets } else { [None, None] };
        digests.into_iter().flatten().any(|theirs| {
            keys.into_iter().enumerate().filter(|(i, key)| key.is_some() || *i == 0 && !needed).any(|(_, key)| {
                let kind = match theirs {
                    MessageDigest::HmacMd5(_) => DigestType::HmacMd5,
                    MessageDigest::HmacSha1(_) => DigestType::HmacSha1,
                };
                match (theirs, message_digest(&self.hashes, kind, key, nonces, &zeroed)) {
                    (MessageDigest::HmacMd5(a), MessageDigest::HmacMd5(b)) => equal(&a, &b),
                    (MessageDigest::HmacSha1(a), MessageDigest::HmacSha1(b)) => equal(&a, &b),
                    _ => false,
                }
            })
        })
    }

    /// Settles a tie with our own SCCRQ, if there is one; whether the peer's goes on (RFC 3931 §5.4.3).
    fn win_or_lose(&mut self, now: Instant, id: PeerId, theirs: Option<u64>) -> bool {
        let Some(ours) = self.peer(id).and_then(|peer| peer.connection) else { return true };
        let Some(c) = self.connections.get(&ours).filter(|c| c.state == ConnectionState::WaitCtlReply) else {
            return true;
        };
        let (event, goes_on) = match (c.tie_breaker, theirs) {
            (Some(ours), Some(theirs)) if ours < theirs => (ConnectionEvent::WinTie, false),
            // Equal: both are discarded, and both start anew.
            (Some(ours), Some(theirs)) if ours == theirs => (ConnectionEvent::LoseTie, false),
            (Some(_), None) => (ConnectionEvent::WinTie, false),
            _ => (ConnectionEvent::LoseTie, true),
        };
        self.connection_event(now, ours, event, Cause::Replaced);
        if event == ConnectionEvent::LoseTie {
            self.forget_connection(ours);
        }
        goes_on
    }

    /// StopCCN to somebody with whom there is no control connection; nothing is kept of it.
    fn refuse_stateless(&mut self, to: Address, version: Version, remote_id: u32, ns: u16, result: u16) {
        let id = match version {
            Version::V2 => Value::AssignedTunnelId(0),
            Version::V3 => Value::AssignedControlConnectionId(0),
        };
        let values = [id, Value::ResultCode(ResultCode::new(result))];
        let body = body::<H>(MessageType::STOP_CCN, None, &values, None);
        let envelope = Envelope {
            version,
            is_over_ip: to.port.is_none(),
            connection: remote_id,
            session: 0,
            ns: 0,
            nr: ns.wrapping_add(1),
        };
        let octets = datagram(&envelope, &body, None, &self.hashes);
        self.counters.sent = self.counters.sent.saturating_add(1);
        self.outputs.push_back(Output::Datagram { to, octets });
    }

    /// A message of a control connection, in its turn.
    pub(super) fn message(&mut self, now: Instant, id: u32, session: u16, octets: &[u8]) {
        let Some(c) = self.connections.get(&id) else { return };
        let state = c.state;
        let secret = self.peer(c.peer).and_then(|peer| peer.cfg.secret.as_ref());
        let revealed = match secret {
            Some(secret) if Avps::new(octets).flatten().any(|avp| avp.is_hidden()) => {
                hidden::reveal(&self.hashes, secret, octets).map_err(Invalid::Malformed)
            }
            _ => Ok(octets.to_vec()),
        };
        // Hidden from us: as unknown as can be.
        let is_hidden = |octets: &[u8]| {
            let mut avps = Avps::new(octets).flatten();
            avps.find(|avp| avp.is_hidden() && avp.is_mandatory()).map(|avp| avp.attribute)
        };
        let revealed = revealed.and_then(|octets| match is_hidden(&octets) {
            Some(attribute) => Err(Invalid::UnknownMandatory(attribute)),
            None => Ok(octets),
        });
        let kind = super::endpoint::kind_of(octets);
        if state == ConnectionState::Idle {
            // Being closed: only delivery goes on.
            return;
        }
        let fields = match &revealed {
            Ok(octets) => Fields::read(octets),
            Err(invalid) => Err(*invalid),
        };
        match (kind, fields) {
            (Some(kind), Err(invalid)) if is_of_session(kind) => {
                self.session_invalid(now, id, session, octets, invalid)
            }
            (_, Err(invalid)) => self.close_invalid(now, id, invalid),
            (Some(kind), Ok(fields)) => self.valid_message(now, id, session, kind, &fields, &revealed),
            (None, Ok(_)) => self.close_invalid(now, id, Invalid::Missing("message type")),
        }
    }

    fn valid_message(
        &mut self,
        now: Instant,
        id: u32,
        session: u16,
        kind: MessageType,
        fields: &Fields<'_>,
        revealed: &Result<Vec<u8>, Invalid>,
    ) {
        let Some(state) = self.connections.get(&id).map(|c| c.state) else { return };
        let is_open = state == ConnectionState::Established;
        match kind {
            MessageType::SCCRQ => self.connection_event(now, id, ConnectionEvent::RecvSccrq, FSM_ERROR),
            MessageType::SCCRP => self.sccrp(now, id, fields),
            MessageType::SCCCN => self.scccn(now, id, fields),
            MessageType::STOP_CCN => {
                let code = fields.result.unwrap_or(ResultCode::new(0));
                let cause = Cause::Peer { result: code.result, error: code.error.map_or(0, |(e, _)| e.0) };
                // Its own number may come with it: then our acknowledgement finds it.
                if let Some(c) = self.connections.get_mut(&id).filter(|c| c.remote_id == 0) {
                    c.remote_id = fields.assigned_connection.unwrap_or(0);
                }
                self.connection_event(now, id, ConnectionEvent::RecvStopCcn, cause);
            }
            MessageType::HELLO => {}
            kind if is_of_session(kind) && is_open => self.session_message(now, id, session, kind, fields),
            MessageType::FSQ | MessageType::FSR if is_open => {
                self.failover_message(now, id, kind, revealed.as_deref().unwrap_or_default());
            }
            MessageType::MSRQ | MessageType::MSRP | MessageType::MSE | MessageType::MSI | MessageType::MSEN
                if is_open =>
            {
                self.multicast_message(id, session, kind, fields);
            }
            kind if kind.name().is_some() && !is_open && kind.is_mandatory() => {
                self.connection_event(now, id, ConnectionEvent::RecvInvalid, FSM_ERROR);
            }
            kind if kind.name().is_none() && fields.is_mandatory => {
                self.close_invalid(now, id, Invalid::UnknownMessage(kind.0));
            }
            // WEN, CSUN, CSURQ, and what may be ignored.
            _ => {}
        }
    }

    fn close_invalid(&mut self, now: Instant, id: u32, invalid: Invalid) {
        let (error, _) = invalid.error();
        let cause = Cause::Refused { result: stop_ccn::ERROR, error: error.0 };
        self.connection_event(now, id, ConnectionEvent::RecvInvalid, cause);
    }

    fn sccrp(&mut self, now: Instant, id: u32, fields: &Fields<'_>) {
        let Some(c) = self.connections.get(&id) else { return };
        if c.state != ConnectionState::WaitCtlReply {
            return self.connection_event(now, id, ConnectionEvent::RecvSccrp, FSM_ERROR);
        }
        let secret = self.peer(c.peer).and_then(|peer| peer.cfg.secret.clone());
        let proven = self.is_proven(c, 2, secret.as_ref(), fields);
        let from = c.remote;
        let Some(remote_id) = fields.assigned_connection.filter(|id| *id != 0) else {
            return self.close_invalid(now, id, Invalid::Missing("control connection ID"));
        };
        if let Some(c) = self.connections.get_mut(&id) {
            c.remote_id = remote_id;
            c.take_offer(fields);
        }
        // RFC 2661 §5.1.1: who challenges us must find an answer here.
        if !proven || fields.challenge.is_some() && secret.is_none() {
            self.unauthenticated(now, from);
            let cause = Cause::Refused { result: stop_ccn::NOT_AUTHORIZED, error: 0 };
            return self.connection_event(now, id, ConnectionEvent::RecvSccrpRefused, cause);
        }
        self.connection_event(now, id, ConnectionEvent::RecvSccrp, Cause::Closed);
    }

    fn scccn(&mut self, now: Instant, id: u32, fields: &Fields<'_>) {
        let Some(c) = self.connections.get(&id) else { return };
        let secret = self.peer(c.peer).and_then(|peer| peer.cfg.secret.clone());
        if self.is_proven(c, 3, secret.as_ref(), fields) || c.state != ConnectionState::WaitCtlConn {
            return self.connection_event(now, id, ConnectionEvent::RecvScccn, FSM_ERROR);
        }
        let from = c.remote;
        self.unauthenticated(now, from);
        let cause = Cause::Refused { result: stop_ccn::NOT_AUTHORIZED, error: 0 };
        self.connection_event(now, id, ConnectionEvent::RecvScccnRefused, cause);
    }

    /// Whether the peer's response is right, where one is due (RFC 2661 §5.1.1). In version 3 the digest said so already.
    fn is_proven(&self, c: &Connection, kind: u8, secret: Option<&Secret>, fields: &Fields<'_>) -> bool {
        match (c.challenge, secret, fields.response) {
            (Some(challenge), Some(secret), Some(response)) => {
                equal(&challenge_response(&self.hashes, kind, secret, &challenge), &response)
            }
            (Some(_), ..) => false,
            (None, ..) => true,
        }
    }

    /// Makes a message of a job; none if what it was about is gone.
    pub(super) fn build(&mut self, id: u32, job: Job) -> Option<(u16, Vec<u8>)> {
        let (kind, values) = match job {
            Job::Built { session, body } => return Some((session, body)),
            Job::Session { id: session, kind } => return self.build_session(id, session, kind),
            Job::Cdn { local, remote, result, error } => return self.build_cdn(id, local, remote, result, error),
            Job::Hello => (MessageType::HELLO, Vec::new()),
            Job::StopCcn { result, error } => {
                let c = self.connections.get(&id)?;
                let own = match c.version {
                    Version::V2 => Value::AssignedTunnelId(c.local_id as u16),
                    Version::V3 => Value::AssignedControlConnectionId(c.local_id),
                };
                let code = error.map_or(ResultCode::new(result), |(e, text)| ResultCode::with(result, e, text));
                let values = alloc::vec![own, Value::ResultCode(code)];
                return Some((0, body::<H>(MessageType::STOP_CCN, c.digest, &values, None)));
            }
            Job::Sccrq | Job::Sccrp => return self.build_offer(id, matches!(job, Job::Sccrq)),
            Job::Scccn => (MessageType::SCCCN, self.response(id, 3).into_iter().collect()),
        };
        let digest = self.connections.get(&id)?.digest;
        Some((0, body::<H>(kind, digest, &values, None)))
    }

    /// The response to the peer's challenge, if there is one.
    fn response(&self, id: u32, kind: u8) -> Option<Value<'static>> {
        let c = self.connections.get(&id)?;
        let secret = self.peer(c.peer)?.cfg.secret.as_ref()?;
        let challenge = c.remote_challenge.as_deref()?;
        Some(Value::ChallengeResponse(challenge_response(&self.hashes, kind, secret, challenge)))
    }

    /// SCCRQ or SCCRP.
    fn build_offer(&mut self, id: u32, is_request: bool) -> Option<(u16, Vec<u8>)> {
        let c = self.connections.get(&id)?;
        let cfg = &self.peer(c.peer)?.cfg;
        let (host, vendor) = (Octets::cut(&self.cfg.host_name), Octets::cut(&self.cfg.vendor_name));
        let list: Vec<u8> = cfg.pseudowires.iter().take(400).flat_map(|kind| kind.0.to_be_bytes()).collect();
        let mut values = Vec::new();
        match c.version {
            Version::V2 => {
                values.push(Value::ProtocolVersion { version: 1, revision: 0 });
                // Both framings, no bearers: the calls are virtual links.
                values.extend([Value::FramingCapabilities(3), Value::BearerCapabilities(0)]);
                values.push(Value::HostName(host));
                values.push(Value::AssignedTunnelId(c.local_id as u16));
            }
            Version::V3 => {
                values.extend([Value::HostName(host), Value::RouterId(self.cfg.router_id)]);
                values.push(Value::AssignedControlConnectionId(c.local_id));
                values.extend(Numbers::new(&list).map(Value::PseudowireCapabilities));
                if c.digest.is_some() {
                    values.push(Value::AuthenticationNonce(Octets::cut(&c.nonce)));
                }
            }
        }
        values.push(Value::ReceiveWindowSize(cfg.delivery.window));
        if !self.cfg.vendor_name.is_empty() {
            values.push(Value::VendorName(vendor));
        }
        if cfg.multicast {
            values.push(Value::MulticastCapability);
        }
        if let Some(challenge) = &c.challenge {
            values.push(Value::Challenge(Octets::cut(challenge)));
        }
        let kind = if is_request { MessageType::SCCRQ } else { MessageType::SCCRP };
        values.extend(c.tie_breaker.filter(|_| is_request).map(Value::TieBreaker));
        values.extend(self.response(id, 2).filter(|_| !is_request));
        Some((0, body::<H>(kind, c.digest, &values, None)))
    }
}

impl Connection {
    /// What SCCRQ or SCCRP says about the peer.
    fn take_offer(&mut self, fields: &Fields<'_>) {
        if let Some(window) = fields.window {
            self.channel.set_peer_window(window);
        }
        self.remote_nonce = fields.nonce.unwrap_or_default().to_vec();
        self.remote_challenge = fields.challenge.map(<[u8]>::to_vec);
        self.remote_multicast = fields.multicast;
        self.remote_pseudowires = fields.pseudowires.into_iter().flat_map(Numbers::iter).map(PseudowireType).collect();
    }
}

/// Whether a message is about one session.
const fn is_of_session(kind: MessageType) -> bool {
    matches!(kind.0, 7..=12 | 14 | 15 | 16 | 28 | 29)
}
