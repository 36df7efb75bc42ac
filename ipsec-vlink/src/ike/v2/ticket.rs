//! Tickets of session resumption (RFC 5723): what a responder gives out, by value or by reference, and what an initiator keeps.

use alloc::collections::VecDeque;
use alloc::vec::Vec;
use core::fmt;
use core::time::Duration;

use fwd_core::codec::{self, BufMut, Take};
use fwd_core::time::Instant;
use hashbrown::{HashMap, HashSet};

use super::super::child_sa::IkeSaId;
use super::super::config::{ConfigError, Identity, IkeSuite};
use super::super::crypto::{CryptoProvider, DhGroup, Encryption, EncryptionId, IntegrityId, PrfId, Secret};
use super::super::payload::IdType;
use super::keys::prf_plus;

/// What a responder's tickets are (RFC 5723 §6.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TicketKind {
    /// The state itself, sealed: the responder keeps nothing. The key of at least 16 octets is any; a responder that comes back with the
    /// same key, and whose clock went on, takes the tickets of before. With another one it does not.
    Value(Secret),
    /// A random number: the responder keeps the state.
    Reference,
}

/// How tickets are given out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TicketConfig {
    /// What they are.
    pub kind: TicketKind,
    /// How long they are good. Default 4 h, the lifetime of an IKE SA.
    pub lifetime: Duration,
    /// By reference: how many are kept; by value: of how many it is remembered that they were used. The oldest go first.
    /// Default 10,000.
    pub limit: usize,
}

impl TicketConfig {
    /// Tickets of this kind, with the defaults.
    #[must_use]
    pub const fn new(kind: TicketKind) -> Self {
        Self { kind, lifetime: Duration::from_secs(14_400), limit: 10_000 }
    }

    pub(super) fn check(&self, provider: &impl CryptoProvider) -> Result<(), ConfigError> {
        if self.lifetime.as_secs() == 0 {
            return Err(ConfigError::Zero("tickets.lifetime"));
        }
        if self.limit == 0 {
            return Err(ConfigError::Zero("tickets.limit"));
        }
        let TicketKind::Value(key) = &self.kind else { return Ok(()) };
        let sealed = aead(provider).is_some() && provider.has_prf(PrfId::HMAC_SHA2_256);
        if key.len() < 16 || !sealed { Err(ConfigError::TicketKey) } else { Ok(()) }
    }
}

/// A ticket that an initiator holds, with what it must remember besides (RFC 5723 §4.2). `Debug` shows no key.
#[derive(Clone)]
pub struct Ticket {
    pub(super) octets: Vec<u8>,
    pub(super) expires: Instant,
    pub(super) suite: IkeSuite,
    pub(super) d: Secret,
    /// The SA that it is of.
    pub(super) of: IkeSaId,
}

impl Ticket {
    /// The longest that is kept.
    pub(super) const MAX_LEN: usize = 4096;

    /// Until when it is good.
    #[must_use]
    pub const fn expires(&self) -> Instant {
        self.expires
    }

    /// Octets of the ticket itself, as the responder made it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.octets.len()
    }

    /// Whether it is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.octets.is_empty()
    }
}

impl fmt::Debug for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Ticket({} octets, expires {:?})", self.octets.len(), self.expires)
    }
}

/// Tells tickets apart: each is used once.
pub(super) type TicketId = [u8; 16];

/// What is resumed, as the responder sees it (RFC 5723 §5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Resumable {
    pub(super) expires: Instant,
    /// Our SPI of the SA that the ticket is of.
    pub(super) spi: u64,
    pub(super) suite: IkeSuite,
    pub(super) local_id: Identity,
    pub(super) remote_id: Identity,
    pub(super) d: Secret,
}

fn put_identity(id: &Identity, out: &mut Vec<u8>) {
    out.put_u8(id.kind.0);
    out.put_u16(u16::try_from(id.data.len()).unwrap_or(u16::MAX));
    out.put_slice(id.data.get(..usize::from(u16::MAX)).unwrap_or(&id.data));
}

fn take_identity(i: &[u8]) -> Take<'_, Identity> {
    let (i, kind) = codec::be_u8(i, "ID type")?;
    let (i, len) = codec::be_u16(i, "ID length")?;
    let (i, data) = codec::octets(i, len.into(), "ID")?;
    Ok((i, Identity { kind: IdType(kind), data: data.to_vec() }))
}

impl Resumable {
    /// What is sealed in a ticket by value, as in RFC 5723 A.1:
    ///
    /// ```text
    /// ticket's number (16), expiration (8), SPI (8),
    /// encryption (2), its key bits (2), integrity (2), PRF (2), group (2),
    /// our identity and the peer's: type (1), length (2), data
    /// SK_d: the rest
    /// ```
    fn emit(&self, id: &TicketId, out: &mut Vec<u8>) {
        out.put_slice(id);
        out.put_u64(self.expires.as_micros());
        out.put_u64(self.spi);
        let IkeSuite { encryption, integrity, prf, group } = self.suite;
        for number in [encryption.id.0, encryption.key_bits, integrity.0, prf.0, group.0] {
            out.put_u16(number);
        }
        put_identity(&self.local_id, out);
        put_identity(&self.remote_id, out);
        out.put_slice(&self.d);
    }

    fn take(i: &[u8]) -> Take<'_, (TicketId, Self)> {
        let (i, id) = codec::array::<16>(i, "ticket")?;
        let (i, expires) = codec::be_u64(i, "expiration")?;
        let (i, spi) = codec::be_u64(i, "SPI")?;
        let (i, encryption) = codec::be_u16(i, "encryption")?;
        let (i, key_bits) = codec::be_u16(i, "key bits")?;
        let (i, integrity) = codec::be_u16(i, "integrity")?;
        let (i, prf) = codec::be_u16(i, "PRF")?;
        let (i, group) = codec::be_u16(i, "group")?;
        let suite = IkeSuite {
            encryption: Encryption { id: EncryptionId(encryption), key_bits },
            integrity: IntegrityId(integrity),
            prf: PrfId(prf),
            group: DhGroup(group),
        };
        let (i, local_id) = take_identity(i)?;
        let (i, remote_id) = take_identity(i)?;
        let expires = Instant::from_micros(expires);
        Ok((&[], (id, Self { expires, spi, suite, local_id, remote_id, d: Secret::copy(i) })))
    }
}

/// The cipher of tickets by value: the strongest that the provider has.
fn aead(provider: &impl CryptoProvider) -> Option<Encryption> {
    let known = [Encryption::AES_GCM_256, Encryption::CHACHA20_POLY1305, Encryption::AES_GCM_128];
    known.into_iter().find(|e| provider.has_encryption(*e))
}

/// The tickets of a responder.
#[derive(Debug)]
pub(super) struct Tickets {
    config: Option<TicketConfig>,
    /// Which key seals: one for each run of the machine, so that the counter of initialization vectors may begin anew.
    key_id: [u8; 8],
    sealed: u64,
    held: HashMap<TicketId, Resumable>,
    used: HashSet<TicketId>,
    order: VecDeque<(Instant, TicketId)>,
}

/// Octets in front of what is sealed: version, reserved, key (RFC 5723 A.1).
const HEADER_LEN: usize = 12;
const VERSION: u8 = 1;

impl Tickets {
    pub(super) fn new(config: Option<TicketConfig>, provider: &mut impl CryptoProvider) -> Self {
        let mut key_id = [0; 8];
        provider.random(&mut key_id);
        Self { config, key_id, sealed: 0, held: HashMap::new(), used: HashSet::new(), order: VecDeque::new() }
    }

    /// Whether any are given out, and for how long.
    pub(super) fn lifetime(&self) -> Option<Duration> {
        self.config.as_ref().map(|config| config.lifetime)
    }

    /// How many are kept, or remembered as used.
    pub(super) fn len(&self) -> usize {
        self.order.len()
    }

    /// A ticket for this state, and its number.
    pub(super) fn issue(
        &mut self,
        now: Instant,
        provider: &mut impl CryptoProvider,
        state: Resumable,
    ) -> Option<(TicketId, Vec<u8>)> {
        let config = self.config.as_ref()?;
        let mut id = TicketId::default();
        provider.random(&mut id);
        let mut out = alloc::vec![VERSION, 0, 0, 0];
        if let TicketKind::Value(key) = &config.kind {
            // It never grows: it has a key in it.
            let ids = state.local_id.data.len().saturating_add(state.remote_id.data.len());
            let mut text = Vec::with_capacity(ids.saturating_add(state.d.len()).saturating_add(64));
            state.emit(&id, &mut text);
            out.extend_from_slice(&self.key_id);
            self.sealed = self.sealed.checked_add(1)?;
            seal(provider, key, self.sealed, &mut out, &mut text)?;
        } else {
            out.extend_from_slice(&id);
            let expires = state.expires;
            self.held.insert(id, state);
            self.order.push_back((expires, id));
        }
        self.purge(Some(now));
        Some((id, out))
    }

    /// What a ticket stands for; none where it is not one of ours, or was used, or is too old.
    pub(super) fn open(
        &self,
        now: Instant,
        provider: &mut impl CryptoProvider,
        ticket: &[u8],
    ) -> Option<(TicketId, Resumable)> {
        let config = self.config.as_ref()?;
        let rest = ticket.strip_prefix(&[VERSION, 0, 0, 0])?;
        let (id, state) = if let TicketKind::Value(key) = &config.kind {
            let text = unseal(provider, key, ticket)?;
            let opened = codec::all(&text, Resumable::take).ok()?;
            (!self.used.contains(&opened.0)).then_some(opened)?
        } else {
            let id = rest.try_into().ok()?;
            (id, self.held.get(&id)?.clone())
        };
        (now < state.expires).then_some((id, state))
    }

    /// A ticket is good no longer: it was used, or its SA was deleted (RFC 5723 §6.2, §9.8).
    pub(super) fn revoke(&mut self, id: TicketId, expires: Instant) {
        if self.held.remove(&id).is_none() && matches!(&self.config, Some(c) if c.kind != TicketKind::Reference) {
            self.used.insert(id);
            self.order.push_back((expires, id));
        }
        self.purge(None);
    }

    /// Forgets what is too old, and what is too much.
    fn purge(&mut self, now: Option<Instant>) {
        let limit = self.config.as_ref().map_or(0, |config| config.limit);
        while let Some((expires, id)) = self.order.front().copied() {
            if self.order.len() <= limit && now.is_none_or(|now| now < expires) {
                return;
            }
            self.order.pop_front();
            self.held.remove(&id);
            self.used.remove(&id);
        }
    }
}

fn key_of(provider: &impl CryptoProvider, key: &Secret, id: &[u8]) -> Option<(Encryption, Secret)> {
    let encryption = aead(provider)?;
    let key = prf_plus(provider, PrfId::HMAC_SHA2_256, key, &[id], encryption.key_len()?).ok()?;
    Some((encryption, key))
}

/// Seals `text` behind the header in `out`.
fn seal(
    provider: &mut impl CryptoProvider,
    key: &Secret,
    counter: u64,
    out: &mut Vec<u8>,
    text: &mut [u8],
) -> Option<()> {
    let (encryption, key) = key_of(provider, key, out.get(4..HEADER_LEN)?)?;
    let iv = counter.to_be_bytes();
    let mut tag = [0; 16];
    provider.encrypt(encryption, &key, &iv, out, text, &mut tag).ok()?;
    out.extend_from_slice(&iv);
    out.extend_from_slice(text);
    out.extend_from_slice(&tag);
    Some(())
}

fn unseal(provider: &mut impl CryptoProvider, key: &Secret, ticket: &[u8]) -> Option<Secret> {
    let (header, rest) = ticket.split_at_checked(HEADER_LEN)?;
    let (iv, rest) = rest.split_at_checked(8)?;
    let (text, tag) = rest.split_at_checked(rest.len().checked_sub(16)?)?;
    let (encryption, key) = key_of(provider, key, header.get(4..)?)?;
    let mut text = Secret::copy(text);
    provider.decrypt(encryption, &key, iv, header, text.octets_mut(), tag).ok()?;
    Some(text)
}

#[cfg(all(test, feature = "rustcrypto"))]
mod tests {
    use super::*;
    use crate::ike::crypto::rustcrypto::RustCrypto;

    fn state(expires: u64) -> Resumable {
        Resumable {
            expires: Instant::from_secs(expires),
            spi: 7,
            suite: IkeSuite::AES_GCM_128_X25519,
            local_id: Identity::fqdn("pe.example"),
            remote_id: Identity::address("192.0.2.9".parse().unwrap()),
            d: Secret::copy(&[5; 32]),
        }
    }

    fn kinds() -> [TicketKind; 2] {
        [TicketKind::Value(Secret::copy(&[3; 16])), TicketKind::Reference]
    }

    /// RFC 5723 §4.3.1, §6.1, §9.8: good until it is used, revoked or too old, and no octet of it can be changed.
    #[test]
    fn a_ticket_is_good_once_and_for_its_time() {
        for kind in kinds() {
            let mut p = RustCrypto::new(b"x");
            let mut tickets = Tickets::new(Some(TicketConfig::new(kind.clone())), &mut p);
            let now = Instant::from_secs(1);
            let (id, ticket) = tickets.issue(now, &mut p, state(100)).unwrap();
            assert_eq!(tickets.open(now, &mut p, &ticket), Some((id, state(100))));
            assert!(!ticket.windows(32).any(|w| w == [5; 32]), "no key is to be read in it");
            for at in 0..ticket.len() {
                let mut forged = ticket.clone();
                forged[at] ^= 1;
                assert_eq!(tickets.open(now, &mut p, &forged), None, "octet {at}");
                assert_eq!(tickets.open(now, &mut p, &ticket[..at]), None);
            }
            assert_eq!(tickets.open(Instant::from_secs(100), &mut p, &ticket), None, "too old");
            tickets.revoke(id, Instant::from_secs(100));
            assert_eq!(tickets.open(now, &mut p, &ticket), None, "used");
            // A machine that comes back with the same key takes those by value.
            let (_, ticket) = tickets.issue(now, &mut p, state(100)).unwrap();
            let again = Tickets::new(Some(TicketConfig::new(kind.clone())), &mut p);
            assert_eq!(again.open(now, &mut p, &ticket).is_some(), kind != TicketKind::Reference);
            assert!(again.key_id != tickets.key_id);
        }
    }

    #[test]
    fn what_is_kept_is_bounded() {
        for kind in kinds() {
            let mut p = RustCrypto::new(b"x");
            let config = TicketConfig { limit: 3, ..TicketConfig::new(kind.clone()) };
            let mut tickets = Tickets::new(Some(config), &mut p);
            for n in 0..9 {
                let (id, _) = tickets.issue(Instant::from_secs(n), &mut p, state(100)).unwrap();
                if kind != TicketKind::Reference {
                    tickets.revoke(id, Instant::from_secs(100));
                }
            }
            assert_eq!((tickets.len(), tickets.held.len() + tickets.used.len()), (3, 3));
            tickets.issue(Instant::from_secs(100), &mut p, state(200)).unwrap();
            assert!(tickets.len() <= 1, "those that are too old are forgotten");
        }
    }
}
