//! Multicast sessions (RFC 4045): what goes to many sessions of a tunnel crosses it once.
//!
//! The LNS asks for a multicast session with MSRQ and says by MSI which sessions its packets go on to; the LAC copies them. Version
//! 2 only: the extension has 16-bit sessions.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use fwd_core::time::Instant;

use super::config::{ConfigError, Event, Output, PeerId, SessionId};
use super::connection::Job;
use super::endpoint::Endpoint;
use super::fields::Fields;
use super::fsm::{ConnectionState, SessionState};
use super::write::body;
use crate::l2tp::digest::Hashes;
use crate::l2tp::message_type::MessageType;
use crate::l2tp::result_code::ResultCode;
use crate::l2tp::v2;
use crate::l2tp::{Numbers, Value};

/// A multicast session, by its number here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MulticastId(pub u16);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// MSRQ is sent.
    WaitResponse,
    /// MSRP is sent or received.
    WaitEstablishment,
    Established,
}

/// One side of a multicast session.
#[derive(Debug)]
pub(super) struct Multicast {
    connection: u32,
    is_lns: bool,
    remote: u16,
    state: State,
    /// The outgoing sessions list, in numbers of the LAC; whether the LAC acknowledged.
    outgoing: BTreeMap<u16, bool>,
}

/// What an MSI says about sessions.
#[derive(Clone, Copy)]
enum Change {
    New,
    Acknowledge,
    Withdraw,
}

impl Change {
    const fn value(self, sessions: Numbers<'_>) -> Value<'_> {
        match self {
            Self::New => Value::NewOutgoingSessions(sessions),
            Self::Acknowledge => Value::NewOutgoingSessionsAck(sessions),
            Self::Withdraw => Value::WithdrawOutgoingSessions(sessions),
        }
    }
}

/// "No more receivers" (RFC 4045 §7.3).
const NO_RECEIVERS: u16 = 3;

impl<H: Hashes> Endpoint<H> {
    /// Asks a peer, which must have said that it can, for a multicast session.
    ///
    /// # Errors
    /// There is no such peer, no control connection with it, or it does not copy multicast.
    pub fn add_multicast(&mut self, now: Instant, peer: PeerId) -> Result<MulticastId, ConfigError> {
        let peer = self.peer(peer).ok_or(ConfigError::Peer)?;
        let connection = peer.connection.ok_or(ConfigError::Peer)?;
        let c = self.connections.get(&connection).ok_or(ConfigError::Peer)?;
        if !peer.cfg.multicast || !c.remote_multicast || c.state != ConnectionState::Established {
            return Err(ConfigError::Multicast);
        }
        let local = self.multicast_number().ok_or(ConfigError::Sessions)?;
        let multicast =
            Multicast { connection, is_lns: true, remote: 0, state: State::WaitResponse, outgoing: BTreeMap::new() };
        self.multicasts.insert(local, multicast);
        self.say(connection, 0, MessageType::MSRQ, &[Value::AssignedSessionId(local)]);
        self.flush(now, connection);
        Ok(MulticastId(local))
    }

    fn multicast_number(&mut self) -> Option<u16> {
        let (taken, multicasts) = (&self.by_local, &self.multicasts);
        let free = |id: u32| !taken.contains_key(&id) && !multicasts.contains_key(&(id as u16));
        self.random.id(&self.hashes, 16, free).map(|id| id as u16)
    }

    fn say(&mut self, connection: u32, session: u16, kind: MessageType, values: &[Value<'_>]) {
        let body = body::<H>(kind, None, values, None);
        self.queue(connection, Job::Built { session, body });
    }

    /// Says to which sessions a multicast session's packets go: the LAC is told the difference.
    pub fn set_outgoing(&mut self, now: Instant, id: MulticastId, sessions: &[SessionId]) {
        let wanted: BTreeSet<u16> = sessions
            .iter()
            .filter_map(|id| self.session(*id))
            .filter(|s| s.state == SessionState::Established)
            .map(|s| s.remote as u16)
            .collect();
        let Some(multicast) = self.multicasts.get_mut(&id.0).filter(|m| m.is_lns) else { return };
        let added: Vec<u16> = wanted.iter().filter(|n| !multicast.outgoing.contains_key(n)).copied().collect();
        let gone: Vec<u16> = multicast.outgoing.keys().filter(|n| !wanted.contains(n)).copied().collect();
        added.iter().for_each(|n| {
            multicast.outgoing.insert(*n, false);
        });
        gone.iter().for_each(|n| {
            multicast.outgoing.remove(n);
        });
        let (connection, remote, state) = (multicast.connection, multicast.remote, multicast.state);
        if state == State::Established {
            self.tell_outgoing(connection, remote, &added, Change::New);
            self.tell_outgoing(connection, remote, &gone, Change::Withdraw);
            self.flush(now, connection);
        }
    }

    fn tell_outgoing(&mut self, connection: u32, remote: u16, list: &[u16], change: Change) {
        for part in list.chunks(400) {
            let octets: Vec<u8> = part.iter().flat_map(|n| n.to_be_bytes()).collect();
            if let Some(numbers) = Numbers::new(&octets) {
                self.say(connection, remote, MessageType::MSI, &[change.value(numbers)]);
            }
        }
    }

    /// Sends a PPP frame by a multicast session, once: the LAC copies it to the sessions that it acknowledged (RFC 4045 §4). Nothing
    /// is sent while it acknowledged none.
    pub fn send_multicast(&mut self, id: MulticastId, payload: &[u8]) {
        let is_ready =
            |m: &&Multicast| m.is_lns && m.state == State::Established && m.outgoing.values().any(|acked| *acked);
        let Some(multicast) = self.multicasts.get(&id.0).filter(is_ready) else { return };
        let Some(connection) = self.connections.get(&multicast.connection) else { return };
        let (to, tunnel) = (connection.remote, connection.remote_id as u16);
        let mut octets = Vec::new();
        v2::Data::new(tunnel, multicast.remote, payload).emit(&mut octets);
        self.outputs.push_back(Output::Datagram { to, octets });
    }

    /// Copies a frame of a multicast session to its sessions, at the LAC; `false`: there is no such session.
    pub(super) fn copy_multicast(&mut self, data: &v2::Data<'_>) -> bool {
        let is_of =
            |m: &&Multicast| !m.is_lns && m.state == State::Established && m.connection == u32::from(data.tunnel);
        let Some(multicast) = self.multicasts.get(&data.session).filter(is_of) else { return false };
        let ids = multicast.outgoing.keys().filter_map(|number| self.by_local.get(&u32::from(*number)).copied());
        let ids: Vec<SessionId> = ids.collect();
        let copies = ids.into_iter().map(|session| Output::Payload { session, octets: data.payload.to_vec() });
        self.outputs.extend(copies);
        true
    }

    /// Ends a multicast session: its receivers get their own copies again.
    pub fn remove_multicast(&mut self, now: Instant, id: MulticastId) {
        let Some(multicast) = self.multicasts.remove(&id.0) else { return };
        let values = [Value::ResultCode(ResultCode::new(NO_RECEIVERS)), Value::AssignedSessionId(id.0)];
        self.say(multicast.connection, multicast.remote, MessageType::MSEN, &values);
        self.flush(now, multicast.connection);
    }

    pub(super) fn multicast_connection_closed(&mut self, connection: u32) {
        let gone: Vec<u16> =
            self.multicasts.iter().filter(|(_, m)| m.connection == connection).map(|(id, _)| *id).collect();
        for id in gone {
            self.multicasts.remove(&id);
            self.event(Event::MulticastDown { multicast: MulticastId(id) });
        }
    }

    pub(super) fn multicast_message(&mut self, connection: u32, session: u16, kind: MessageType, fields: &Fields<'_>) {
        let Some(c) = self.connections.get(&connection) else { return };
        let Some(peer) = self.peer(c.peer).filter(|peer| peer.cfg.multicast) else { return };
        let sessions_of_peer = peer.sessions.len();
        if kind == MessageType::MSRQ {
            // RFC 4045 §5.1: ignored from who did not say that it can. One per session would be too many.
            let open = self.multicasts.values().filter(|m| m.connection == connection).count();
            let remote = fields.local_session.filter(|n| *n != 0 && c.remote_multicast && open <= sessions_of_peer);
            let Some((remote, local)) = remote.zip(self.multicast_number()) else { return };
            let multicast = Multicast {
                connection,
                is_lns: false,
                remote: remote as u16,
                state: State::Established,
                outgoing: BTreeMap::new(),
            };
            self.multicasts.insert(local, multicast);
            self.say(connection, remote as u16, MessageType::MSRP, &[Value::AssignedSessionId(local)]);
            return self.say(connection, remote as u16, MessageType::MSE, &[]);
        }
        let Some(multicast) = self.multicasts.get_mut(&session).filter(|m| m.connection == connection) else { return };
        match (kind, multicast.is_lns, multicast.state) {
            (MessageType::MSRP, true, State::WaitResponse) => {
                multicast.remote = fields.local_session.unwrap_or(0) as u16;
                multicast.state = State::WaitEstablishment;
            }
            (MessageType::MSE, true, State::WaitEstablishment) => {
                multicast.state = State::Established;
                let (remote, waiting): (u16, Vec<u16>) =
                    (multicast.remote, multicast.outgoing.keys().copied().collect());
                self.tell_outgoing(connection, remote, &waiting, Change::New);
            }
            (MessageType::MSI, true, State::Established) => {
                for n in fields.acknowledged_sessions.into_iter().flat_map(Numbers::iter) {
                    if let Some(acknowledged) = multicast.outgoing.get_mut(&n) {
                        *acknowledged = true;
                    }
                }
                let ready: Vec<u16> =
                    multicast.outgoing.iter().filter(|(_, acknowledged)| **acknowledged).map(|(n, _)| *n).collect();
                let sessions = self.sessions_of(connection, &ready, true);
                self.event(Event::MulticastReady { multicast: MulticastId(session), sessions });
            }
            (MessageType::MSI, false, State::Established) => self.copy_to(connection, session, fields),
            (MessageType::MSEN, ..) => {
                self.multicasts.remove(&session);
                self.event(Event::MulticastDown { multicast: MulticastId(session) });
            }
            _ => {}
        }
    }

    /// The LAC's side of MSI: the list changes, and new sessions are acknowledged.
    fn copy_to(&mut self, connection: u32, session: u16, fields: &Fields<'_>) {
        let added: Vec<u16> = fields.new_sessions.into_iter().flat_map(Numbers::iter).collect();
        let known = self.sessions_of(connection, &added, false);
        let known: Vec<u16> = known.iter().filter_map(|id| self.session(*id)).map(|s| s.local as u16).collect();
        let Some(multicast) = self.multicasts.get_mut(&session) else { return };
        for n in &known {
            multicast.outgoing.insert(*n, true);
        }
        for n in fields.withdrawn_sessions.into_iter().flat_map(Numbers::iter) {
            multicast.outgoing.remove(&n);
        }
        let (remote, all): (u16, Vec<u16>) = (multicast.remote, multicast.outgoing.keys().copied().collect());
        self.tell_outgoing(connection, remote, &known, Change::Acknowledge);
        let sessions = self.sessions_of(connection, &all, false);
        self.event(Event::MulticastOutgoing { multicast: MulticastId(session), local_id: session, sessions });
    }

    /// The sessions of a connection with these numbers: the peer's, or ours.
    fn sessions_of(&self, connection: u32, numbers: &[u16], theirs: bool) -> Vec<SessionId> {
        let of_number = |id: &SessionId, n: u16| {
            self.session(*id).is_some_and(|s| s.connection == Some(connection) && s.remote == u32::from(n))
        };
        let Some(peer) = self.connections.get(&connection).and_then(|c| self.peer(c.peer)) else { return Vec::new() };
        let find = |n: u16| match theirs {
            true => peer.sessions.iter().find(|id| of_number(id, n)).copied(),
            false => self
                .by_local
                .get(&u32::from(n))
                .copied()
                .filter(|id| self.session(*id).is_some_and(|s| s.connection == Some(connection))),
        };
        numbers.iter().filter_map(|n| find(*n)).collect()
    }
}
