//! Sessions compared after a failure (RFC 4951 §3.3): FSQ asks what the peer knows of them, FSR answers.

use alloc::vec::Vec;

use fwd_core::time::Instant;

use super::config::{Cause, PeerId, SessionId};
use super::connection::Job;
use super::endpoint::Endpoint;
use super::fsm::{ConnectionState, SessionEvent, SessionState};
use super::write::body;
use crate::l2tp::Value;
use crate::l2tp::avp::Avps;
use crate::l2tp::digest::Hashes;
use crate::l2tp::message_type::MessageType;

/// Sessions that one message asks about.
const PER_MESSAGE: usize = 64;

impl<H: Hashes> Endpoint<H> {
    /// Asks a peer about every session that is up: those that it has lost go down without a CDN.
    pub fn query_sessions(&mut self, now: Instant, id: PeerId) {
        let Some(peer) = self.peer(id) else { return };
        let Some(connection) = peer.connection else { return };
        let Some(c) = self.connections.get(&connection).filter(|c| c.state == ConnectionState::Established) else {
            return;
        };
        let states: Vec<Value<'_>> = peer
            .sessions
            .iter()
            .filter_map(|id| self.session(*id))
            .filter(|s| s.state == SessionState::Established && s.connection == Some(connection))
            .map(|s| Value::FailoverSessionState { session: s.local, remote: s.remote })
            .collect();
        let bodies: Vec<Vec<u8>> =
            states.chunks(PER_MESSAGE).map(|values| body::<H>(MessageType::FSQ, c.digest, values, None)).collect();
        for body in bodies {
            self.queue(connection, Job::Built { session: 0, body });
        }
        self.flush(now, connection);
    }

    pub(super) fn failover_message(&mut self, now: Instant, connection: u32, kind: MessageType, octets: &[u8]) {
        let states = Avps::new(octets).flatten().filter_map(|avp| match Value::of(&avp) {
            Ok(Value::FailoverSessionState { session, remote }) => Some((session, remote)),
            _ => None,
        });
        let states: Vec<(u32, u32)> = states.collect();
        let up = |this: &Self, local: u32| -> Option<SessionId> {
            let id = *this.by_local.get(&local)?;
            let session = this.session(id)?;
            (session.connection == Some(connection) && session.state == SessionState::Established).then_some(id)
        };
        if kind == MessageType::FSQ {
            let answers: Vec<Value<'_>> = states
                .into_iter()
                .map(|(theirs, ours)| {
                    let pairs = up(self, ours).and_then(|id| self.session(id)).is_some_and(|s| s.remote == theirs);
                    Value::FailoverSessionState { session: if pairs { ours } else { 0 }, remote: theirs }
                })
                .collect();
            let digest = self.connections.get(&connection).and_then(|c| c.digest);
            let body = body::<H>(MessageType::FSR, digest, &answers, None);
            return self.queue(connection, Job::Built { session: 0, body });
        }
        for (theirs, ours) in states {
            if let (0, Some(id)) = (theirs, up(self, ours)) {
                // Silently: the peer has nothing that a CDN would find.
                self.session_event(now, id, SessionEvent::RecvCdn, Cause::Stale);
            }
        }
    }
}
