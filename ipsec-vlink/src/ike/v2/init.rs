//! IKE_SA_INIT (RFC 7296 §1.2), with cookies (§2.6) and another group where the first guess was wrong (§1.2, §2.7).

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::net::SocketAddr;

use fwd_core::time::Instant;
use smallvec::SmallVec;

use super::super::arrival::Arrival;
use super::super::child_sa::IkeSaId;
use super::super::config::{ConfigError, IkeSuite, PeerId};
use super::super::counters::Reject;
use super::super::crypto::{CryptoProvider, DhGroup, HashId};
use super::super::event::Ended;
use super::super::fresh;
use super::super::header::{ExchangeType, Header, HeaderFlags};
use super::super::payload::v2::{Body, Sa};
use super::super::payload::{KeyExchange, Notify, NotifyType, PayloadType, Payloads, Writer};
use super::channel::Reassembly;
use super::exchange::{notify, put};
use super::fsm::{SaEvent, State, transition};
use super::keys::{IkeKeys, Seed};
use super::machine::{Ike, Timer};
use super::message::Message;
use super::nat;
use super::proposal::{choose_ike, chosen_ike, ike_offer, ike_offers};
use super::sa::{Handshake, IkeSa, Outstanding, Presented, Request, Tasks};
use super::{VENDOR_ID, sa};

/// How often a first message may be made anew.
const RESTARTS: u8 = 3;

impl<P: CryptoProvider> Ike<P> {
    pub(super) fn nonce(&mut self) -> Vec<u8> {
        fresh::nonce(&mut self.provider)
    }

    fn new_id(&mut self) -> Result<IkeSaId, ConfigError> {
        if self.sas.len() >= self.config.ike_sa_limit {
            return Err(ConfigError::Limit("ike_sa_limit"));
        }
        let id = IkeSaId(self.next_ike);
        self.next_ike = self.next_ike.checked_add(1).ok_or(ConfigError::Limit("ike_sa_limit"))?;
        Ok(id)
    }

    /// An SA of which nothing is known but who it is with.
    pub(super) fn blank(
        &mut self,
        peer: PeerId,
        initiator: bool,
        (local, remote): (SocketAddr, SocketAddr),
        suite: IkeSuite,
    ) -> Result<IkeSa, ConfigError> {
        let id = self.new_id()?;
        let spi_ours = self.random_spi();
        self.by_spi.insert(spi_ours, id);
        if let Some(with) = self.peers.get_mut(&peer) {
            with.sas.insert(id);
        }
        Ok(IkeSa {
            id,
            peer,
            state: if initiator { State::InitSent } else { State::InitReceived },
            initiator,
            spi_ours,
            spi_theirs: 0,
            local,
            remote,
            suite,
            keys: None,
            send: None,
            receive: None,
            next_id: 0,
            expected_id: 0,
            outstanding: None,
            queue: Tasks::default(),
            response: Vec::new(),
            reassembly: Reassembly::default(),
            handshake: None,
            children: BTreeMap::new(),
            collision: None,
            successor_of: None,
            encapsulate: false,
            behind_nat: false,
            peer_behind_nat: false,
            fragments: false,
            vpn_context: false,
            clones: false,
            moves: false,
            ticket: None,
            hashes: Vec::new(),
            heard: true,
            replaced: false,
        })
    }

    /// Begins with a peer.
    pub(super) fn initiate(
        &mut self,
        now: Instant,
        peer: PeerId,
        tag: u32,
        replaces: Option<IkeSaId>,
    ) -> Result<IkeSaId, ConfigError> {
        // A new proof is not one by a ticket.
        let ticket = if replaces.is_none() { self.good_ticket(now, peer) } else { None };
        let config = &self.peers.get(&peer).ok_or(ConfigError::NotThere)?.config;
        let remote = config.remote.ok_or(ConfigError::NoAddress)?;
        let first = *config.suites.first().ok_or(ConfigError::Suites)?;
        let suite = ticket.as_ref().map_or(first, |ticket| ticket.suite);
        let port = self.config.ports.0;
        let ends = (SocketAddr::new(config.local, port), SocketAddr::new(remote, port));
        let dh = match ticket {
            Some(_) => None,
            None => Some(self.provider.dh_begin(suite.group).map_err(|_| ConfigError::Suite(suite))?),
        };
        let mut sa = self.blank(peer, true, ends, suite)?;
        let mut handshake = Handshake::new(self.nonce(), ends.1);
        (handshake.dh, handshake.tag, handshake.replaces) = (dh, tag, replaces);
        handshake.ticket = ticket.map(Presented::Ours);
        sa.handshake = Some(Box::new(handshake));
        let id = sa.id;
        self.send_init(now, &mut sa);
        self.sas.insert(id, Box::new(sa));
        Ok(id)
    }

    pub(super) fn send_init(&mut self, now: Instant, sa: &mut IkeSa) {
        let Some(peer) = self.peers.get(&sa.peer) else { return };
        let suites = peer.config.suites.clone();
        let Some(mut handshake) = sa.handshake.take() else { return };
        let shown = match &handshake.ticket {
            Some(Presented::Ours(ticket)) => Some(&ticket.octets),
            _ => None,
        };
        let exchange = if shown.is_some() { ExchangeType::IKE_SESSION_RESUME } else { ExchangeType::IKE_SA_INIT };
        let mut w = Writer::message(&sa.header(exchange, 0, false));
        if let Some(cookie) = &handshake.cookie {
            notify(&mut w, &Notify::new(NotifyType::COOKIE, cookie));
        }
        if shown.is_none() {
            w.put(PayloadType::SA, false, |out| Sa::write(&ike_offers(&suites, None), out));
        }
        self.put_rest(&mut w, sa, &handshake);
        if let Some(ticket) = shown {
            notify(&mut w, &Notify::new(NotifyType::TICKET_OPAQUE, ticket));
        }
        let message = w.finish();
        handshake.message_ours.clone_from(&message);
        sa.handshake = Some(handshake);
        let packets = alloc::vec![message];
        self.transmit(sa, &packets);
        sa.next_id = 1;
        sa.outstanding = Some(Outstanding { id: 0, packets, tries: 1, what: Request::Init });
        self.timers.set(Timer::Retransmit(sa.id), now + self.config.retransmit);
    }

    /// What follows the SA payload in both first messages.
    fn put_rest(&self, w: &mut Writer, sa: &IkeSa, handshake: &Handshake) {
        if let Some(dh) = &handshake.dh {
            put(w, &Body::Ke(KeyExchange { group: dh.group, data: &dh.public }));
        }
        put(w, &Body::Nonce(&handshake.nonce_ours));
        let Some(peer) = self.peers.get(&sa.peer) else { return };
        let spis = (sa.spi_i(), sa.spi_r());
        // A source that is none makes the peer believe in a NAT, so that ESP goes in UDP.
        let source = if peer.config.force_encapsulation { SocketAddr::new(sa.local.ip(), 0) } else { sa.local };
        for (kind, at) in
            [(NotifyType::NAT_DETECTION_SOURCE_IP, source), (NotifyType::NAT_DETECTION_DESTINATION_IP, sa.remote)]
        {
            if let Some(hash) = nat::hash(&self.provider, spis, at) {
                notify(w, &Notify::new(kind, &hash));
            }
        }
        notify(w, &Notify::new(NotifyType::IKEV2_FRAGMENTATION_SUPPORTED, &[]));
        let hashes: SmallVec<[u8; 8]> =
            [HashId::SHA2_256, HashId::IDENTITY].iter().flat_map(|hash| hash.0.to_be_bytes()).collect();
        notify(w, &Notify::new(NotifyType::SIGNATURE_HASH_ALGORITHMS, &hashes));
        if peer.config.vpn_context {
            put(w, &Body::VendorId(&VENDOR_ID));
        }
    }

    /// What the first message of the peer says of what it knows, and of NATs.
    pub(super) fn note(&self, sa: &mut IkeSa, message: &Message<'_>, arrival: &Arrival<'_>, spis: (u64, u64)) {
        let config = self.peers.get(&sa.peer).map(|p| &p.config);
        sa.fragments = message.notify(NotifyType::IKEV2_FRAGMENTATION_SUPPORTED).is_some();
        let ours = config.is_some_and(|c| c.vpn_context);
        sa.vpn_context = ours && message.vendor_ids.contains(&&VENDOR_ID[..]);
        if let Some(n) = message.notify(NotifyType::SIGNATURE_HASH_ALGORITHMS) {
            sa.hashes = n
                .data
                .chunks_exact(2)
                .take(16)
                .filter_map(|id| Some(HashId(u16::from_be_bytes(id.try_into().ok()?))))
                .collect();
        }
        let found = nat::look(&self.provider, message, spis, arrival.from, arrival.to);
        let forced = config.is_some_and(|c| c.force_encapsulation);
        let knows = message.notify(NotifyType::NAT_DETECTION_SOURCE_IP).is_some();
        sa.encapsulate = knows && (found.ours || found.theirs || forced);
        sa.behind_nat = found.ours;
        sa.peer_behind_nat = found.theirs;
    }

    pub(super) fn on_init_request(&mut self, now: Instant, arrival: &Arrival<'_>, payloads: Payloads<'_>) {
        if let Err(cause) = self.try_init_request(now, arrival, payloads) {
            self.reject(now, arrival.from, cause);
        }
    }

    fn try_init_request(&mut self, now: Instant, arrival: &Arrival<'_>, payloads: Payloads<'_>) -> Result<(), Reject> {
        let Some(message) = self.first_message(arrival, payloads)? else { return Ok(()) };
        let from = arrival.from;
        let (Some(offer), Some(ke), Some(nonce)) = (message.sa, message.ke, message.good_nonce()) else {
            return Err(Reject::Malformed);
        };
        self.admit(now, arrival, &message, nonce)?;
        let peer = self.by_ends.at(arrival.to.ip(), from.ip()).next().ok_or(Reject::UnknownPeer)?;
        let suites = self.peers.get(&peer).map(|p| p.config.suites.clone()).unwrap_or_default();
        let Some((suite, number, _)) = choose_ike(&offer, &suites) else {
            self.refuse_first(arrival, NotifyType::NO_PROPOSAL_CHOSEN, &[]);
            return Err(Reject::Proposal);
        };
        if ke.group != suite.group {
            self.refuse_first(arrival, NotifyType::INVALID_KE_PAYLOAD, &suite.group.0.to_be_bytes());
            return Ok(());
        }
        self.answer_init(now, arrival, &message, peer, (suite, number), (ke.data, nonce))
    }

    /// Reads the first message of an exchange that makes an SA. None: it came before, and was answered again.
    pub(super) fn first_message<'a>(
        &mut self,
        arrival: &Arrival<'_>,
        payloads: Payloads<'a>,
    ) -> Result<Option<Message<'a>>, Reject> {
        let (from, header) = (arrival.from, &arrival.header);
        if header.responder_spi != 0 || header.message_id != 0 || !header.from_initiator() || header.initiator_spi == 0
        {
            return Err(Reject::Malformed);
        }
        if let Some(id) = self.by_initiator.get(&(from, header.initiator_spi)).copied() {
            self.with(id, |this, sa| {
                if sa.handshake.as_ref().is_some_and(|h| h.message_theirs == arrival.octets) {
                    this.counters.duplicates += 1;
                    let packets = core::mem::take(&mut sa.response);
                    this.transmit(sa, &packets);
                    sa.response = packets;
                }
            });
            return Ok(None);
        }
        let message = Message::read(payloads).map_err(|_| Reject::Malformed)?;
        if let Some(kind) = message.critical {
            self.refuse_first(arrival, NotifyType::UNSUPPORTED_CRITICAL_PAYLOAD, &[kind.0]);
            return Err(Reject::Malformed);
        }
        Ok(Some(message))
    }

    /// Whether another half-open SA is to be made; asks for a cookie where there are many (RFC 7296 §2.6).
    pub(super) fn admit(
        &mut self,
        now: Instant,
        arrival: &Arrival<'_>,
        message: &Message<'_>,
        nonce: &[u8],
    ) -> Result<(), Reject> {
        let (from, spi) = (arrival.from, arrival.header.initiator_spi);
        if self.half_open >= self.config.cookie_threshold {
            let shown = message.notify(NotifyType::COOKIE).map(|n| n.data);
            let good = shown.is_some_and(|c| self.cookies.check(&self.provider, from, spi, nonce, c));
            if !good {
                let cookie = self.cookies.make(now, &mut self.provider, from, spi, nonce);
                self.counters.cookies += 1;
                self.refuse_first(arrival, NotifyType::COOKIE, &cookie);
                return Err(Reject::NoCookie);
            }
        }
        let of_source = self.half_open_by_source.get(&from.ip()).copied().unwrap_or(0);
        if self.half_open >= self.config.half_open_limit || of_source >= self.config.half_open_per_source {
            return Err(Reject::HalfOpen);
        }
        Ok(())
    }

    /// Answers a first message without making an SA.
    pub(super) fn refuse_first(&mut self, arrival: &Arrival<'_>, why: NotifyType, data: &[u8]) {
        let header = Header { flags: HeaderFlags::RESPONSE, version: Header::VERSION_2, ..arrival.header };
        let mut w = Writer::message(&header);
        notify(&mut w, &Notify::new(why, data));
        let message = w.finish();
        self.send(arrival.to, arrival.from, &message);
    }

    fn answer_init(
        &mut self,
        now: Instant,
        arrival: &Arrival<'_>,
        message: &Message<'_>,
        peer: PeerId,
        (suite, number): (IkeSuite, u8),
        (public, nonce): (&[u8], &[u8]),
    ) -> Result<(), Reject> {
        let dh = self.provider.dh_begin(suite.group).map_err(|_| Reject::Proposal)?;
        let shared = self.provider.dh_agree(&dh, public).map_err(|_| Reject::Malformed)?;
        let ends = (arrival.to, arrival.from);
        let mut sa = self.blank(peer, false, ends, suite).map_err(|_| Reject::HalfOpen)?;
        sa.spi_theirs = arrival.header.initiator_spi;
        self.note(&mut sa, message, arrival, (arrival.header.initiator_spi, 0));
        let nonce_ours = self.nonce();
        let keys = IkeKeys::derive(
            &self.provider,
            &suite,
            Seed::Shared(&shared),
            (nonce, &nonce_ours),
            (sa.spi_i(), sa.spi_r()),
        );
        let Ok(keys) = keys else {
            self.forget(&sa);
            return Err(Reject::Proposal);
        };
        sa.set_keys(keys);
        let mut handshake = Handshake::new(nonce_ours, arrival.from);
        handshake.dh = Some(dh);
        handshake.nonce_theirs = nonce.to_vec();
        handshake.message_theirs = arrival.octets.to_vec();
        let mut w = Writer::message(&sa.header(ExchangeType::IKE_SA_INIT, 0, true));
        w.put(PayloadType::SA, false, |out| Sa::write(&[ike_offer(&suite, number, None)], out));
        self.keep_half_open(now, sa, Box::new(handshake), w, arrival);
        Ok(())
    }

    /// Answers a first message, and waits for the proof.
    pub(super) fn keep_half_open(
        &mut self,
        now: Instant,
        mut sa: IkeSa,
        mut handshake: Box<Handshake>,
        mut w: Writer,
        arrival: &Arrival<'_>,
    ) {
        self.put_rest(&mut w, &sa, &handshake);
        handshake.dh = None;
        handshake.message_ours = w.finish();
        let packets = alloc::vec![handshake.message_ours.clone()];
        sa.handshake = Some(handshake);
        self.transmit(&sa, &packets);
        sa.response = packets;
        sa.expected_id = 1;
        let id = sa.id;
        self.half_open += 1;
        *self.half_open_by_source.entry(arrival.from.ip()).or_insert(0) += 1;
        self.by_initiator.insert((arrival.from, sa.spi_theirs), id);
        self.timers.set(Timer::HalfOpen(id), now + self.config.half_open_lifetime);
        self.sas.insert(id, Box::new(sa));
    }

    pub(super) fn on_init_response(
        &mut self,
        now: Instant,
        sa: &mut IkeSa,
        arrival: &Arrival<'_>,
        message: &Message<'_>,
    ) -> Result<(), Reject> {
        let resumes = sa.handshake.as_ref().is_some_and(|h| h.ticket.is_some());
        if self.is_asked_again(now, sa, arrival, message, !resumes)? {
            return Ok(());
        }
        if let Some(error) = message.error() {
            let group = error.data.try_into().ok().map(|g| DhGroup(u16::from_be_bytes(g)));
            if let (NotifyType::INVALID_KE_PAYLOAD, Some(group)) = (error.kind, group) {
                return self.restart(now, sa, None, Some(group));
            }
            self.end(sa, Ended::Refused(error.kind));
            return Ok(());
        }
        let (Some(answer), Some(ke), Some(nonce)) = (message.sa, message.ke, message.good_nonce()) else {
            return Err(Reject::Malformed);
        };
        let suites = self.peers.get(&sa.peer).map(|p| p.config.suites.clone()).unwrap_or_default();
        let (suite, _) = chosen_ike(&answer, &suites).ok_or(Reject::Proposal)?;
        let handshake = sa.handshake.take().ok_or(Reject::MessageId)?;
        let keys = match &handshake.dh {
            Some(dh) if ke.group == dh.group && suite.group == dh.group && arrival.header.responder_spi != 0 => {
                self.provider.dh_agree(dh, ke.data).and_then(|shared| {
                    let spis = (sa.spi_ours, arrival.header.responder_spi);
                    let nonces = (&handshake.nonce_ours[..], nonce);
                    IkeKeys::derive(&self.provider, &suite, Seed::Shared(&shared), nonces, spis)
                })
            }
            _ => Err(super::super::crypto::CryptoError::PublicValue),
        };
        self.answered(now, sa, arrival, message, (handshake, keys.ok().map(|keys| (suite, keys)), nonce))
    }

    /// What responses of both exchanges that begin an SA have in common: it is one to what was `asked`, and if it only asks for a cookie
    /// (RFC 7296 §2.6, RFC 5723 §4.3.2), the request goes again.
    pub(super) fn is_asked_again(
        &mut self,
        now: Instant,
        sa: &mut IkeSa,
        arrival: &Arrival<'_>,
        message: &Message<'_>,
        asked: bool,
    ) -> Result<bool, Reject> {
        let fits = arrival.header.is_response() && arrival.header.message_id == 0 && arrival.from == sa.remote;
        if sa.state != State::InitSent || !fits || !asked {
            return Err(Reject::MessageId);
        }
        if message.critical.is_some() {
            return Err(Reject::Malformed);
        }
        let Some(cookie) = message.notify(NotifyType::COOKIE) else { return Ok(false) };
        self.restart(now, sa, Some(cookie.data), None)?;
        Ok(true)
    }

    /// The first message is answered, and the keys are made: the proof goes.
    pub(super) fn answered(
        &mut self,
        now: Instant,
        sa: &mut IkeSa,
        arrival: &Arrival<'_>,
        message: &Message<'_>,
        (mut handshake, keys, nonce): (Box<Handshake>, Option<(IkeSuite, IkeKeys)>, &[u8]),
    ) -> Result<(), Reject> {
        let Some((suite, keys)) = keys else {
            sa.handshake = Some(handshake);
            return Err(Reject::Malformed);
        };
        handshake.nonce_theirs = nonce.to_vec();
        handshake.message_theirs = arrival.octets.to_vec();
        handshake.dh = None;
        sa.handshake = Some(handshake);
        sa.spi_theirs = arrival.header.responder_spi;
        sa.suite = suite;
        sa.set_keys(keys);
        self.note(sa, message, arrival, (sa.spi_i(), sa.spi_r()));
        sa.outstanding = None;
        if sa.encapsulate {
            // RFC 7296 §2.23: to the other port as soon as there is a NAT.
            sa.local.set_port(self.config.ports.1);
            sa.remote.set_port(self.config.ports.1);
        }
        sa.state = transition(sa.state, SaEvent::InitAnswered).map_err(|_| Reject::MessageId)?;
        self.send_auth(now, sa);
        Ok(())
    }

    /// Makes the first message anew, with a cookie or with another group.
    pub(super) fn restart(
        &mut self,
        now: Instant,
        sa: &mut sa::IkeSa,
        cookie: Option<&[u8]>,
        group: Option<DhGroup>,
    ) -> Result<(), Reject> {
        let offered = self
            .peers
            .get(&sa.peer)
            .is_some_and(|p| group.is_none_or(|group| p.config.suites.iter().any(|suite| suite.group == group)));
        let handshake = sa.handshake.as_mut().ok_or(Reject::MessageId)?;
        handshake.restarts += 1;
        let sound = cookie.is_none_or(|c| (1..=64).contains(&c.len()));
        if !offered || !sound || handshake.restarts > RESTARTS {
            self.end(sa, Ended::Failed(Reject::Malformed));
            return Ok(());
        }
        if let Some(cookie) = cookie {
            handshake.cookie = Some(cookie.to_vec());
        }
        if let Some(group) = group {
            handshake.dh = Some(self.provider.dh_begin(group).map_err(|_| Reject::Proposal)?);
        }
        self.send_init(now, sa);
        Ok(())
    }
}
