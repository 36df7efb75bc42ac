//! IKE_AUTH (RFC 7296 §1.2, §2.15): shared keys, and raw public keys with digital signatures (RFC 7427, RFC 7670).

use alloc::vec::Vec;

use fwd_core::time::Instant;

use super::super::arrival::Arrival;
use super::super::child_sa::IkeSaId;
use super::super::config::{AuthConfig, PeerId};
use super::super::counters::Reject;
use super::super::crypto::{CryptoError, CryptoProvider, Secret, SignatureScheme, equal};
use super::super::event::{Ended, Event};
use super::super::header::ExchangeType;
use super::super::payload::v2::Body;
use super::super::payload::{Auth, AuthMethod, Cert, CertEncoding, Identification, Notify, NotifyType, Writer};
use super::child::Given;
use super::exchange::{notify, put};
use super::fsm::{SaEvent, State, transition};
use super::keys::{psk_proof, signed_octets};
use super::machine::{Ike, Timer};
use super::message::Message;
use super::sa::{IkeSa, Larval, Request, Task};

/// Whether the proof is that both have the keys of a ticket (RFC 5723 §4.3.3).
fn is_resumed(sa: &IkeSa) -> bool {
    sa.handshake.as_ref().is_some_and(|handshake| handshake.ticket.is_some())
}

/// The key of our proof, or of the peer's.
fn proof_key(sa: &IkeSa, ours: bool) -> Result<&Secret, CryptoError> {
    let keys = sa.keys.as_ref().ok_or(CryptoError::Length)?;
    Ok(if ours == sa.initiator { &keys.pi } else { &keys.pr })
}

impl<P: CryptoProvider> Ike<P> {
    /// What a proof of ours, or of the peer's, is over.
    fn proof_octets(&self, sa: &IkeSa, ours: bool, id: &Identification<'_>) -> Result<Secret, CryptoError> {
        let (handshake, key) = (sa.handshake.as_ref().ok_or(CryptoError::Length)?, proof_key(sa, ours)?);
        let mut body = Vec::new();
        id.emit(&mut body);
        let (message, nonce) = if ours {
            (&handshake.message_ours, &handshake.nonce_theirs)
        } else {
            (&handshake.message_theirs, &handshake.nonce_ours)
        };
        signed_octets(&self.provider, sa.suite.prf, key, message, nonce, &body)
    }

    /// Appends our proof, and our key where it is a raw one.
    fn put_proof(&mut self, w: &mut Writer, sa: &IkeSa) -> Result<(), CryptoError> {
        let config = &self.peers.get(&sa.peer).ok_or(CryptoError::Length)?.config;
        let octets = self.proof_octets(sa, true, &config.local_id.payload())?;
        if is_resumed(sa) {
            let proof = self.provider.prf(sa.suite.prf, proof_key(sa, true)?, &[&octets])?;
            put(w, &Body::Auth(Auth { method: AuthMethod::SHARED_KEY, data: &proof }));
            return Ok(());
        }
        match &config.auth {
            AuthConfig::Psk(psk) => {
                let proof = psk_proof(&self.provider, sa.suite.prf, psk, &octets)?;
                put(w, &Body::Auth(Auth { method: AuthMethod::SHARED_KEY, data: &proof }));
            }
            AuthConfig::PublicKey { ours, .. } => {
                put(w, &Body::Cert(Cert { encoding: CertEncoding::RAW_PUBLIC_KEY, data: &ours.public }));
                let algorithm = ours.scheme.algorithm_identifier();
                let signature = self.provider.sign(ours, &octets)?;
                let len = u8::try_from(algorithm.len()).map_err(|_| CryptoError::Length)?;
                let data = [&[len], algorithm, &signature].concat();
                put(w, &Body::Auth(Auth { method: AuthMethod::DIGITAL_SIGNATURE, data: &data }));
            }
        }
        Ok(())
    }

    /// Checks the peer's proof.
    fn check_proof(
        &mut self,
        sa: &IkeSa,
        peer: PeerId,
        id: &Identification<'_>,
        message: &Message<'_>,
    ) -> Result<(), CryptoError> {
        let octets = self.proof_octets(sa, false, id)?;
        let auth = message.auth.ok_or(CryptoError::Integrity)?;
        let good = |proof: &[u8]| auth.method == AuthMethod::SHARED_KEY && equal(proof, auth.data);
        if is_resumed(sa) {
            let proof = self.provider.prf(sa.suite.prf, proof_key(sa, false)?, &[&octets])?;
            return good(&proof).then_some(()).ok_or(CryptoError::Integrity);
        }
        let config = &self.peers.get(&peer).ok_or(CryptoError::Length)?.config;
        match &config.auth {
            AuthConfig::Psk(psk) => {
                let proof = psk_proof(&self.provider, sa.suite.prf, psk, &octets)?;
                good(&proof).then_some(()).ok_or(CryptoError::Integrity)
            }
            AuthConfig::PublicKey { theirs, .. } => {
                if auth.method != AuthMethod::DIGITAL_SIGNATURE || message.raw_key.is_some_and(|key| key != theirs) {
                    return Err(CryptoError::Integrity);
                }
                let (algorithm, signature) = auth.digital_signature().ok_or(CryptoError::Integrity)?;
                let schemes = [SignatureScheme::Ed25519, SignatureScheme::EcdsaP256Sha256];
                let scheme = schemes.into_iter().find(|s| s.algorithm_identifier() == algorithm);
                self.provider.verify(scheme.ok_or(CryptoError::Unsupported)?, theirs, &octets, signature)
            }
        }
    }

    pub(super) fn send_auth(&mut self, now: Instant, sa: &mut IkeSa) {
        let tag = sa.handshake.as_ref().map_or(0, |h| h.tag);
        let replaces = sa.handshake.as_ref().and_then(|h| h.replaces);
        let Some(larval) = self.larval(sa, tag, None, false) else {
            return self.end(sa, Ended::Failed(Reject::Proposal));
        };
        let Some(config) = self.peers.get(&sa.peer).map(|p| &p.config) else { return };
        let (local_id, remote_id) = (config.local_id.clone(), config.remote_id.clone());
        let first = config.initial_contact && self.usable_sas(sa.peer).next().is_none() && replaces.is_none();
        let mut w = Writer::new();
        put(&mut w, &Body::IdI(local_id.payload()));
        put(&mut w, &Body::IdR(remote_id.payload()));
        if self.put_proof(&mut w, sa).is_err() {
            return self.end(sa, Ended::Failed(Reject::Authentication));
        }
        if first {
            notify(&mut w, &Notify::new(NotifyType::INITIAL_CONTACT, &[]));
        }
        self.put_abilities(&mut w, sa);
        if self.peers.get(&sa.peer).is_some_and(|p| p.config.resumption) {
            notify(&mut w, &Notify::new(NotifyType::TICKET_REQUEST, &[]));
        }
        self.put_child_request(&mut w, sa, &larval);
        self.request(now, sa, ExchangeType::IKE_AUTH, &w, Request::Auth(larval));
    }

    /// The peer whose identities a request names, at the same addresses.
    fn peer_named(&self, sa: &IkeSa, message: &Message<'_>) -> Option<PeerId> {
        let id = message.id_i?;
        let known = &self.peers.get(&sa.peer)?.config;
        let fits = |p: &super::super::config::PeerConfig| {
            p.remote_id.is(&id) && message.id_r.is_none_or(|id_r| p.local_id.is(&id_r))
        };
        if fits(known) {
            return Some(sa.peer);
        }
        if is_resumed(sa) {
            // RFC 5723 §4.3.3: the identities are those of the ticket.
            return None;
        }
        let mut others = self.by_ends.of(known.local, known.remote);
        others.find(|id| self.peers.get(id).is_some_and(|p| fits(&p.config)))
    }

    /// The SAs with a peer that are in use, but for one that is being looked at.
    fn usable_sas(&self, peer: PeerId) -> impl Iterator<Item = IkeSaId> + '_ {
        let sas = self.peers.get(&peer).into_iter().flat_map(|with| &with.sas).copied();
        sas.filter(|id| self.sas.get(id).is_some_and(|sa| sa.is_usable()))
    }

    pub(super) fn on_auth_request(
        &mut self,
        now: Instant,
        sa: &mut IkeSa,
        arrival: &Arrival<'_>,
        message: &Message<'_>,
    ) {
        let named = self.peer_named(sa, message).zip(message.id_i);
        let proven = named.filter(|(peer, id)| self.check_proof(sa, *peer, id, message).is_ok());
        let Some((peer, _)) = proven else {
            self.refuse(sa, &arrival.header, NotifyType::AUTHENTICATION_FAILED, &[]);
            self.reject(now, arrival.from, Reject::Authentication);
            return self.end(sa, Ended::Failed(Reject::Authentication));
        };
        self.is_of(sa, peer);
        let mut w = Writer::new();
        let Some(local_id) = self.peers.get(&peer).map(|p| p.config.local_id.clone()) else { return };
        put(&mut w, &Body::IdR(local_id.payload()));
        if self.put_proof(&mut w, sa).is_err() {
            self.refuse(sa, &arrival.header, NotifyType::AUTHENTICATION_FAILED, &[]);
            return self.end(sa, Ended::Failed(Reject::Authentication));
        }
        self.close_half(sa);
        let Some(handshake) = sa.handshake.take() else { return };
        self.established(now, sa, message);
        if message.notify(NotifyType::INITIAL_CONTACT).is_some() {
            self.only(sa.id, peer);
        }
        if let Some(presented) = &handshake.ticket {
            self.resumed(sa, presented);
        }
        self.put_abilities(&mut w, sa);
        self.put_ticket(now, &mut w, sa, message);
        let given = Given { ni: &handshake.nonce_theirs, nr: &handshake.nonce_ours, first: true };
        match self.answer_child(now, sa, message, &mut w, &given) {
            Ok(()) => {}
            Err(why) => {
                notify(&mut w, &Notify::new(why, &[]));
                self.event(Event::ChildRefused { ike: sa.id, tag: None, why });
            }
        }
        self.respond(sa, &arrival.header, &w);
    }

    pub(super) fn on_auth_response(
        &mut self,
        now: Instant,
        sa: &mut IkeSa,
        arrival: &Arrival<'_>,
        message: &Message<'_>,
        larval: &Larval,
    ) {
        let id = message.id_r.filter(|id| self.peers.get(&sa.peer).is_some_and(|p| p.config.remote_id.is(id)));
        let (Some(id), Some(_)) = (id, message.auth) else {
            let why = message.error().map_or(Ended::Failed(Reject::Authentication), |n| Ended::Refused(n.kind));
            return self.end(sa, why);
        };
        if self.check_proof(sa, sa.peer, &id, message).is_err() {
            self.reject(now, arrival.from, Reject::Authentication);
            // RFC 7296 §2.21.2: the peer believes that the SA is up, and is told once.
            let mut w = Writer::new();
            notify(&mut w, &Notify::new(NotifyType::AUTHENTICATION_FAILED, &[]));
            self.request(now, sa, ExchangeType::INFORMATIONAL, &w, Request::Liveness);
            return self.end(sa, Ended::Failed(Reject::Authentication));
        }
        let Some(handshake) = sa.handshake.take() else { return };
        self.established(now, sa, message);
        if let Some(presented) = &handshake.ticket {
            self.resumed(sa, presented);
        }
        self.keep_ticket(now, sa, message);
        let given = Given { ni: &handshake.nonce_ours, nr: &handshake.nonce_theirs, first: true };
        self.finish_child(now, sa, message, larval, &given);
        if let Some(old) = handshake.replaces {
            self.take_over(now, sa, old, larval.tag);
        }
    }

    /// Appends what we can besides.
    fn put_abilities(&self, w: &mut Writer, sa: &IkeSa) {
        notify(w, &Notify::new(NotifyType::CLONE_IKE_SA_SUPPORTED, &[]));
        if self.peers.get(&sa.peer).is_some_and(|p| p.config.mobility) {
            notify(w, &Notify::new(NotifyType::MOBIKE_SUPPORTED, &[]));
        }
    }

    /// Both ends are who they say.
    fn established(&mut self, now: Instant, sa: &mut IkeSa, message: &Message<'_>) {
        if let Ok(state) = transition(sa.state, SaEvent::Authenticated) {
            sa.state = state;
        }
        sa.clones = message.notify(NotifyType::CLONE_IKE_SA_SUPPORTED).is_some();
        let moves = self.peers.get(&sa.peer).is_some_and(|p| p.config.mobility);
        sa.moves = moves && message.notify(NotifyType::MOBIKE_SUPPORTED).is_some();
        self.counters.established += 1;
        self.watch(now, sa);
        self.event(Event::Established(sa.id, sa.peer));
    }

    /// Sets the timers of an established SA.
    pub(super) fn watch(&mut self, now: Instant, sa: &IkeSa) {
        if !self.config.liveness.is_zero() {
            self.timers.set(Timer::Liveness(sa.id), now + self.config.liveness);
        }
        if sa.behind_nat {
            self.timers.set(Timer::Keepalive(sa.id), now + self.config.keepalive);
        }
        let lifetime = self.peers.get(&sa.peer).map(|p| p.config.lifetime);
        if let Some(lifetime) = lifetime {
            let after = self.jittered(lifetime);
            self.timers.set(Timer::Replace(sa.id), now + after);
        }
    }

    /// Ends the other SAs with a peer: it says that it knows of none (RFC 7296 §2.4).
    fn only(&mut self, this: IkeSaId, peer: PeerId) {
        let others: Vec<IkeSaId> = self.usable_sas(peer).filter(|id| *id != this).collect();
        for id in others {
            self.with(id, |ike, sa| ike.end(sa, Ended::InitialContact));
        }
    }

    /// A new SA with a new proof makes the children of the old one, which then goes (RFC 7296 §2.8.3).
    fn take_over(&mut self, now: Instant, sa: &mut IkeSa, old: IkeSaId, made: u32) {
        let Some(there) = self.sas.get_mut(&old) else { return };
        there.replaced = true;
        if let Ok(state) = transition(there.state, SaEvent::ReplacementUp) {
            there.state = state;
        }
        let mut tags: Vec<u32> = there
            .children
            .values()
            .filter_map(|id| self.children.get(id))
            .map(|c| c.tag)
            .filter(|t| *t != made)
            .collect();
        tags.sort_unstable();
        tags.dedup();
        tags.into_iter().for_each(|tag| sa.ask(Task::Create(tag)));
        self.event(Event::Rekeyed { new: sa.id, old });
        self.ask(now, old, Task::DeleteIke);
    }

    pub(super) fn on_replace(&mut self, now: Instant, id: IkeSaId) {
        let Some(sa) = self.sas.get(&id).filter(|sa| sa.state == State::Established) else { return };
        let tag = sa.children.values().filter_map(|c| self.children.get(c)).map(|c| c.tag).min();
        let peer = sa.peer;
        let anew = self.peers.get(&peer).is_some_and(|p| p.config.reauthenticate && p.config.remote.is_some());
        if let Some(tag) = tag.filter(|_| anew) {
            if self.initiate(now, peer, tag, Some(id)).is_ok() {
                return;
            }
        }
        self.ask(now, id, Task::RekeyIke);
    }
}
