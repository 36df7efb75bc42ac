//! What Main Mode and Aggressive Mode share: the first message, vendor IDs, NATs, keys, proofs (RFC 2408 §4, RFC 2409 §5, RFC 3947 §3).

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;
use core::net::SocketAddr;
use core::time::Duration;

use fwd_core::time::Instant;

use super::super::arrival::Arrival;
use super::super::child_sa::IkeSaId;
use super::super::config::{AuthConfig, ConfigError, IkeSuite, PeerConfig, PeerId};
use super::super::counters::Reject;
use super::super::crypto::{CryptoProvider, Secret, equal};
use super::super::event::{Ended, Event};
use super::super::fresh;
use super::super::header::{ExchangeType, Header};
use super::super::payload::v1::{Body, DOI_IPSEC, ProposalOffer, Sa};
use super::super::payload::{Delete, Notify, NotifyType, PayloadType, Payloads, ProtocolId, Writer};
use super::super::v2::VENDOR_ID;
use super::config::Phase1;
use super::exchange::{AGAIN, unfinished};
use super::fsm::{SaEvent, State, transition};
use super::keys::{IkeKeys, Proved};
use super::machine::{Ike, Timer};
use super::message::Message;
use super::packet::{Iv, phase1_iv};
use super::proposal::Chosen;
use super::sa::{Flight, Handshake, IkeSa};
use super::{VENDOR_ID_DPD, VENDOR_ID_NAT_T, nat};

/// The longest first message that is read: what it holds must be kept until the proof.
const MAX_FIRST: usize = 4096;

impl<P: CryptoProvider> Ike<P> {
    pub(super) fn nonce(&mut self) -> Vec<u8> {
        fresh::nonce(&mut self.provider)
    }

    pub(super) fn peer(&self, sa: &IkeSa) -> Option<&PeerConfig> {
        self.peers.get(&sa.peer).map(|with| &with.peer.config)
    }

    /// An SA of which nothing is known but who it is with.
    pub(super) fn blank(
        &mut self,
        (peer, mode): (PeerId, Phase1),
        cookie_i: Option<u64>,
        (local, remote): (SocketAddr, SocketAddr),
        suite: IkeSuite,
    ) -> Result<IkeSa, ConfigError> {
        if self.sas.len() >= self.config.ike_sa_limit {
            return Err(ConfigError::Limit("ike_sa_limit"));
        }
        let id = IkeSaId(self.next_ike);
        self.next_ike = self.next_ike.checked_add(1).ok_or(ConfigError::Limit("ike_sa_limit"))?;
        let ours = self.new_cookie();
        self.by_cookie.insert(ours, id);
        let initiator = cookie_i.is_none();
        let state = match (mode, initiator) {
            (Phase1::Main, true) => State::MainSaSent,
            (Phase1::Main, false) => State::MainSaReceived,
            (Phase1::Aggressive, true) => State::AggressiveSent,
            (Phase1::Aggressive, false) => State::AggressiveReceived,
        };
        let handshake = Handshake {
            dh: None,
            nonce_ours: self.nonce(),
            nonce_theirs: Vec::new(),
            public_ours: Vec::new(),
            public_theirs: Vec::new(),
            sa_i: Vec::new(),
            id_theirs: Vec::new(),
            replaces: None,
            source: remote,
        };
        let mut first_probe = [0; 4];
        self.provider.random(&mut first_probe);
        Ok(IkeSa {
            id,
            peer,
            state,
            mode,
            initiator,
            cookie_i: cookie_i.unwrap_or(ours),
            cookie_r: if initiator { 0 } else { ours },
            local,
            remote,
            suite,
            keys: None,
            iv: Iv::new(),
            flight: Flight::default(),
            handshake: Some(Box::new(handshake)),
            quick: BTreeMap::new(),
            done: BTreeMap::new(),
            queue: VecDeque::new(),
            lifetime: Duration::ZERO,
            expires: Instant::ZERO,
            nat_t: false,
            encapsulate: false,
            behind_nat: false,
            peer_behind_nat: false,
            vpn_context: false,
            dpd: false,
            heard: true,
            probe: None,
            // RFC 3706 §6.2: at first without its highest bit.
            next_probe: u32::from_be_bytes(first_probe) >> 1,
            peer_probe: None,
            replaced: false,
        })
    }

    /// Begins with a peer, or anew with one behind whatever address it has.
    pub(super) fn initiate(
        &mut self,
        now: Instant,
        peer: PeerId,
        replaces: Option<IkeSaId>,
    ) -> Result<IkeSaId, ConfigError> {
        let with = self.peers.get(&peer).ok_or(ConfigError::NotThere)?;
        let (config, mode) = (&with.peer.config, with.mode);
        let suite = *config.suites.first().ok_or(ConfigError::Suites)?;
        let ends = match replaces.and_then(|old| self.sas.get(&old)) {
            Some(old) => (old.local, old.remote),
            None => {
                let (remote, port) = (config.remote.ok_or(ConfigError::NoAddress)?, self.config.ports.0);
                (SocketAddr::new(config.local, port), SocketAddr::new(remote, port))
            }
        };
        let mut sa = self.blank((peer, mode), None, ends, suite)?;
        if let Some(handshake) = sa.handshake.as_mut() {
            handshake.replaces = replaces;
        }
        let sent = match mode {
            Phase1::Main => self.send_main_1(now, &mut sa),
            Phase1::Aggressive => self.send_aggressive_1(now, &mut sa),
        };
        if sent.is_none() {
            self.by_cookie.remove(&sa.cookie_i);
            return Err(ConfigError::Suite(suite));
        }
        let id = sa.id;
        if replaces.is_some() {
            // The responder waits no longer: what is lost then is begun anew, while the old one is still there.
            self.timers.set(Timer::HalfOpen(id), now + self.config.half_open_lifetime);
        }
        self.sas.insert(id, Box::new(sa));
        Ok(id)
    }

    /// Takes the first message of a peer.
    pub(super) fn on_first(
        &mut self,
        now: Instant,
        arrival: &Arrival<'_>,
        payloads: Payloads<'_>,
    ) -> Result<(), Reject> {
        let (from, header) = (arrival.from, &arrival.header);
        let clear = header.flags.is_empty() && header.message_id == 0 && header.initiator_spi != 0;
        if !clear || arrival.octets.len() > MAX_FIRST {
            return Err(Reject::Malformed);
        }
        let digest = self.digest(arrival.octets).ok_or(Reject::Malformed)?;
        if let Some(sa) = self.by_initiator.get(&(from, header.initiator_spi)).and_then(|id| self.sas.get(id)) {
            if !sa.flight.answered(&digest) {
                return Err(Reject::MessageId);
            }
            self.counters.duplicates += 1;
            let (local, remote, packet) = (sa.local, sa.remote, sa.flight.packet.clone());
            self.send(local, remote, &packet);
            return Ok(());
        }
        let rest = arrival.octets.get(Header::LEN..).unwrap_or_default();
        let message = Message::read(payloads, rest).map_err(|_| Reject::Malformed)?;
        if header.exchange == ExchangeType::AGGRESSIVE {
            self.on_aggressive_1(now, arrival, &message, digest)
        } else {
            self.on_main_1(now, arrival, &message, digest)
        }
    }

    /// The peer that is configured at this pair of addresses, and that `fits`: the one at the address itself before one at any.
    pub(super) fn peer_at(&self, arrival: &Arrival<'_>, fits: impl Fn(&PeerConfig, Phase1) -> bool) -> Option<PeerId> {
        let fits = |id: &PeerId| self.peers.get(id).is_some_and(|with| fits(&with.peer.config, with.mode));
        self.by_ends.at(arrival.to.ip(), arrival.from.ip()).find(fits)
    }

    /// Makes room for another half-open SA: the oldest of its source goes, or the oldest of all. One that a peer means is gone through in
    /// a moment; those of a flood stay.
    fn make_room(&mut self, now: Instant, source: SocketAddr) {
        let of_source = self.half_open_by_source.get(&source.ip());
        let oldest = match of_source.filter(|ids| ids.len() >= self.config.half_open_per_source) {
            Some(ids) => ids.first().copied(),
            None if self.half_open.len() >= self.config.half_open_limit => self.half_open.first().copied(),
            None => None,
        };
        if let Some(oldest) = oldest {
            self.reject(now, source, Reject::HalfOpen);
            self.with(oldest, |this, sa| this.end(now, sa, Ended::Failed(Reject::HalfOpen)));
        }
    }

    /// Keeps the SA of a first message until its proof, or until it is given up.
    pub(super) fn keep_half_open(&mut self, now: Instant, sa: IkeSa, arrival: &Arrival<'_>) {
        self.make_room(now, arrival.from);
        let id = sa.id;
        self.half_open.insert(id);
        self.half_open_by_source.entry(arrival.from.ip()).or_default().insert(id);
        self.by_initiator.insert((arrival.from, sa.cookie_i), id);
        self.timers.set(Timer::HalfOpen(id), now + self.config.half_open_lifetime);
        self.sas.insert(id, Box::new(sa));
    }

    /// Refuses a first message in the clear, as a hint that its sender need not believe.
    pub(super) fn refuse_first(&mut self, arrival: &Arrival<'_>, why: NotifyType) {
        let header = Header { exchange: ExchangeType::ISAKMP_INFORMATIONAL, ..arrival.header };
        let mut w = Writer::message(&header);
        let notify = Notify { protocol: ProtocolId::IKE, ..Notify::new(why, &[]) };
        put(&mut w, &Body::Notify(DOI_IPSEC, notify));
        let message = w.finish();
        self.send(arrival.to, arrival.from, &message);
    }

    /// Appends the vendor IDs of what we know.
    pub(super) fn put_vendor_ids(&self, w: &mut Writer, sa: &IkeSa) {
        put(w, &Body::VendorId(&VENDOR_ID_NAT_T));
        put(w, &Body::VendorId(&VENDOR_ID_DPD));
        if self.peer(sa).is_some_and(|p| p.vpn_context) {
            put(w, &Body::VendorId(&VENDOR_ID));
        }
    }

    /// What the peer knows.
    pub(super) fn note_vendor_ids(&self, sa: &mut IkeSa, message: &Message<'_>) {
        let said = |id: &[u8]| message.vendor_ids.contains(&id);
        sa.nat_t = said(&VENDOR_ID_NAT_T);
        sa.dpd = said(&VENDOR_ID_DPD);
        sa.vpn_context = said(&VENDOR_ID) && self.peer(sa).is_some_and(|p| p.vpn_context);
    }

    /// Appends the hashes of both addresses, the peer's first, to a peer that knows them (RFC 3947 §3.2).
    pub(super) fn put_nat_d(&self, w: &mut Writer, sa: &IkeSa) {
        if !sa.nat_t {
            return;
        }
        // A source that is none makes the peer believe in a NAT, so that ESP goes in UDP.
        let forced = self.peer(sa).is_some_and(|p| p.force_encapsulation);
        let source = if forced { SocketAddr::new(sa.local.ip(), 0) } else { sa.local };
        for at in [sa.remote, source] {
            if let Some(hash) = nat::hash(&self.provider, &sa.suite, sa.cookies(), at) {
                put(w, &Body::NatD(&hash));
            }
        }
    }

    /// Looks for NATs, and goes to the second port where there is one (RFC 3947 §4).
    pub(super) fn look_for_nat(&mut self, sa: &mut IkeSa, message: &Message<'_>, arrival: &Arrival<'_>) {
        let ends = (arrival.from, arrival.to);
        let found = nat::look(&self.provider, &sa.suite, &message.nat_d, sa.cookies(), ends);
        let forced = self.peer(sa).is_some_and(|p| p.force_encapsulation);
        sa.encapsulate = sa.nat_t && found.knows && (found.ours || found.theirs || forced);
        (sa.behind_nat, sa.peer_behind_nat) = (found.ours, found.theirs);
        let (first, second) = self.config.ports;
        if sa.encapsulate && sa.initiator && sa.local.port() == first {
            sa.local.set_port(second);
            sa.remote.set_port(second);
        }
    }

    /// Begins our half of the exchange of public values.
    pub(super) fn begin_exchange(&mut self, sa: &mut IkeSa) -> Option<()> {
        let dh = self.provider.dh_begin(sa.suite.group).ok()?;
        let handshake = sa.handshake.as_mut()?;
        handshake.public_ours.clone_from(&dh.public);
        handshake.dh = Some(dh);
        Some(())
    }

    /// Appends our public value and nonce.
    pub(super) fn put_exchange(w: &mut Writer, sa: &IkeSa) {
        if let Some(handshake) = &sa.handshake {
            put(w, &Body::Ke(&handshake.public_ours));
            put(w, &Body::Nonce(&handshake.nonce_ours));
        }
    }

    /// Ends the exchange of public values: the keys.
    pub(super) fn agree(&mut self, sa: &mut IkeSa, message: &Message<'_>) -> Result<(), Reject> {
        let (Some(public), Some(nonce)) = (message.ke, message.good_nonce()) else { return Err(Reject::Malformed) };
        let Some(AuthConfig::Psk(psk)) = self.peer(sa).map(|p| p.auth.clone()) else { return Err(Reject::UnknownPeer) };
        let cookies = sa.cookies();
        let handshake = sa.handshake.as_mut().ok_or(Reject::MessageId)?;
        let dh = handshake.dh.take().ok_or(Reject::MessageId)?;
        let shared: Secret = match self.provider.dh_agree(&dh, public) {
            Ok(shared) => shared,
            Err(_) => {
                handshake.dh = Some(dh);
                return Err(Reject::Malformed);
            }
        };
        handshake.public_theirs = public.to_vec();
        handshake.nonce_theirs = nonce.to_vec();
        let (ours, theirs) = (&handshake.nonce_ours[..], nonce);
        let nonces = if sa.initiator { (ours, theirs) } else { (theirs, ours) };
        let (ours, theirs) = (&handshake.public_ours[..], public);
        let publics = if sa.initiator { (ours, theirs) } else { (theirs, ours) };
        let keys = IkeKeys::derive(&self.provider, &sa.suite, &psk, &shared, nonces, cookies);
        sa.keys = Some(keys.map_err(|_| Reject::Proposal)?);
        sa.iv = phase1_iv(&self.provider, &sa.suite, publics).map_err(|_| Reject::Proposal)?;
        Ok(())
    }

    /// The body of our identity.
    pub(super) fn our_id(&self, sa: &IkeSa) -> Vec<u8> {
        let mut out = Vec::new();
        if let Some(peer) = self.peer(sa) {
            Body::Id(peer.local_id.payload()).emit(&mut out);
        }
        out
    }

    /// The proof of this end, or of the other, over an identity's body.
    pub(super) fn proof(&self, sa: &IkeSa, ours: bool, id: &[u8]) -> Option<super::super::crypto::Digest> {
        let (handshake, keys) = (sa.handshake.as_ref()?, sa.keys.as_ref()?);
        let (a, b) = (&handshake.public_ours[..], &handshake.public_theirs[..]);
        let publics = if ours { (a, b) } else { (b, a) };
        let of_initiator = ours == sa.initiator;
        let cookies = if of_initiator { sa.cookies() } else { (sa.cookie_r, sa.cookie_i) };
        Proved { publics, cookies, sa_i: &handshake.sa_i, id }.hash(&self.provider, sa.suite.prf, keys).ok()
    }

    /// Checks the peer's proof, over its identity's body, and that this is the identity.
    pub(super) fn check_proof(&self, sa: &IkeSa, message: &Message<'_>, id: &[u8]) -> Result<(), Reject> {
        let (Some(hash), Some(wanted)) = (message.hash, self.proof(sa, false, id)) else {
            return Err(Reject::Authentication);
        };
        if equal(hash, &wanted) { Ok(()) } else { Err(Reject::Authentication) }
    }

    /// Whether the peer is who it must be.
    pub(super) fn is_peer(&self, sa: &IkeSa, message: &Message<'_>) -> bool {
        let id = message.ids.first().map(|(id, _)| id);
        self.peer(sa).zip(id).is_some_and(|(peer, id)| peer.remote_id.is(id))
    }

    /// Says that this is the only SA between the two, if it is, and if it is to be said (RFC 2407 §4.6.3.3).
    pub(super) fn put_initial_contact(&self, w: &mut Writer, sa: &IkeSa) {
        let Some(with) = self.peers.get(&sa.peer) else { return };
        if !with.peer.config.initial_contact || !with.sas.is_empty() || !with.children.is_empty() {
            return;
        }
        let spi = [sa.cookie_i.to_be_bytes(), sa.cookie_r.to_be_bytes()].concat();
        let kind = NotifyType::INITIAL_CONTACT_V1;
        put(w, &Body::Notify(DOI_IPSEC, Notify { protocol: ProtocolId::IKE, spi: &spi, kind, data: &[] }));
    }

    /// Both ends are who they say.
    pub(super) fn establish(&mut self, now: Instant, sa: &mut IkeSa, message: &Message<'_>) {
        let Ok(state) = transition(sa.state, SaEvent::Authenticated) else { return };
        self.close_half(sa);
        self.timers.clear(Timer::HalfOpen(sa.id));
        sa.state = state;
        let replaces = sa.handshake.take().and_then(|h| h.replaces);
        let alone = message.notifies.iter().any(|n| n.kind == NotifyType::INITIAL_CONTACT_V1);
        if alone && self.peer(sa).is_some_and(|p| p.initial_contact) {
            self.forget_peer(now, sa.peer);
        }
        self.counters.established += 1;
        self.event(Event::Established(sa.id, sa.peer));
        if let Some(with) = self.peers.get_mut(&sa.peer) {
            with.sas.insert(sa.id);
        }
        let soft = self.jittered(sa.lifetime);
        self.timers.set(Timer::Replace(sa.id), now + soft);
        sa.expires = now + sa.lifetime;
        self.timers.set(Timer::Expire(sa.id), sa.expires);
        if !self.config.liveness.is_zero() {
            self.timers.set(Timer::Liveness(sa.id), now + self.config.liveness);
        }
        if sa.behind_nat {
            self.timers.set(Timer::Keepalive(sa.id), now + self.config.keepalive);
        }
        if let Some(old) = replaces.filter(|old| self.sas.contains_key(old)) {
            self.event(Event::Rekeyed { new: sa.id, old });
            self.take_over(now, sa, old);
        }
    }

    /// A new SA takes over from an old one, which is deleted when the peer has had the time to hand the IPsec SAs over.
    fn take_over(&mut self, now: Instant, sa: &mut IkeSa, old: IkeSaId) {
        let mut tasks = Vec::new();
        self.with(old, |this, old| {
            old.replaced = true;
            this.timers.clear(Timer::Replace(old.id));
            for message_id in old.quick.keys() {
                this.timers.clear(Timer::Quick(old.id, *message_id));
            }
            tasks = unfinished(old);
            // After Aggressive Mode the peer may not yet have our proof.
            let wait = if sa.mode == Phase1::Main { AGAIN / 3 } else { AGAIN * 4 };
            old.expires = old.expires.min(now + wait);
            this.timers.set(Timer::Expire(old.id), old.expires);
        });
        for task in tasks {
            sa.ask(task);
        }
    }

    /// All that was with a peer is no more.
    fn forget_peer(&mut self, now: Instant, peer: PeerId) {
        let Some(with) = self.peers.get(&peer) else { return };
        for child in with.children.clone() {
            self.forget_child(child);
        }
        let sas = self.peers.get(&peer).map(|with| with.sas.clone()).unwrap_or_default();
        for id in sas {
            self.with(id, |this, sa| this.end(now, sa, Ended::InitialContact));
        }
    }

    /// Goes through phase 1 again, if it is this SA that is in use.
    pub(super) fn on_replace(&mut self, now: Instant, id: IkeSaId) {
        let Some(peer) = self.sas.get(&id).map(|sa| sa.peer) else { return };
        if self.newest(peer) == Some(id) && self.initiate(now, peer, Some(id)).is_err() {
            self.timers.set(Timer::Replace(id), now + AGAIN);
        }
    }

    /// Deletes an SA; the peer is told.
    pub(super) fn delete_sa(&mut self, now: Instant, sa: &mut IkeSa) {
        if sa.is_established() {
            let last = self.peers.get(&sa.peer).is_some_and(|with| with.sas.len() <= 1);
            if last {
                self.tell_children(sa);
            }
            let spi = [sa.cookie_i.to_be_bytes(), sa.cookie_r.to_be_bytes()].concat();
            if let Some(delete) = Delete::new(ProtocolId::IKE, 16, &spi) {
                self.inform(sa, &Body::Delete(DOI_IPSEC, delete));
            }
        }
        let replaced = sa.replaced || self.newest(sa.peer).is_some_and(|newest| newest > sa.id);
        self.end(now, sa, if replaced { Ended::Replaced } else { Ended::Ours });
    }

    /// Takes what was chosen: suite and the shorter lifetime.
    pub(super) fn take_choice(&self, sa: &mut IkeSa, chosen: &Chosen<IkeSuite>) {
        let ours = self.peer(sa).map_or(Duration::ZERO, |p| p.lifetime);
        sa.suite = chosen.suite;
        sa.lifetime = chosen.lifetime.map_or(ours, |theirs| ours.min(theirs)).max(Duration::from_secs(2));
    }
}

/// The body of an SA payload.
pub(super) fn sa_body(offer: &ProposalOffer) -> Vec<u8> {
    let mut out = Vec::new();
    Sa::write(offer, &mut out);
    out
}

/// Appends a payload.
pub(super) fn put(w: &mut Writer, body: &Body<'_>) {
    w.put(body.kind(), false, |out| body.emit(out));
}

/// Appends an SA payload with this body.
pub(super) fn put_sa(w: &mut Writer, body: &[u8]) {
    w.raw(PayloadType::SA_V1, body);
}
