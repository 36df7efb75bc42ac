//! Authentication of Hellos (RFC 7349): keys, digests, sequence numbers.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::fmt;
use core::net::IpAddr;
use core::ops::Range;

use fwd_core::secret::equal;
use fwd_core::time::Instant;

use super::super::Pdu;
use super::super::hello_auth::HelloAuth;
use super::super::message::{Hello, Message};
use super::super::octets::Octets;
use super::super::session::ConfigError;
use super::super::tlv::{Tlv, TlvType, TlvValue};
use super::io::Refusal;

/// What LDP appends to its keys, so that no other protocol's digests are taken for its own (RFC 7349 §4).
const PROTOCOL_ID: [u8; 2] = [0, 2];
/// What follows the source address where the digest is to be (RFC 7349 §5).
const PAD: [u8; 4] = [0x87, 0x8f, 0xe1, 0xf3];

/// A hash function of the embedder's, of which HMAC is made (RFC 2104).
#[derive(Clone, Copy, Debug)]
pub enum HelloHash {
    /// SHA-1.
    Sha1(fn(&[u8]) -> [u8; 20]),
    /// SHA-256, which every router has.
    Sha256(fn(&[u8]) -> [u8; 32]),
    /// SHA-384.
    Sha384(fn(&[u8]) -> [u8; 48]),
    /// SHA-512.
    Sha512(fn(&[u8]) -> [u8; 64]),
}

impl HelloHash {
    /// Octets of a digest.
    #[must_use]
    pub const fn digest_len(self) -> usize {
        match self {
            Self::Sha1(_) => 20,
            Self::Sha256(_) => 32,
            Self::Sha384(_) => 48,
            Self::Sha512(_) => 64,
        }
    }

    const fn block_len(self) -> usize {
        match self {
            Self::Sha1(_) | Self::Sha256(_) => 64,
            Self::Sha384(_) | Self::Sha512(_) => 128,
        }
    }

    fn digest(self, octets: &[u8]) -> Octets {
        match self {
            Self::Sha1(hash) => Octets::from_slice(&hash(octets)),
            Self::Sha256(hash) => Octets::from_slice(&hash(octets)),
            Self::Sha384(hash) => Octets::from_slice(&hash(octets)),
            Self::Sha512(hash) => Octets::from_slice(&hash(octets)),
        }
    }

    /// HMAC (RFC 2104 §2) with the key that LDP makes of a configured one (RFC 7349 §5.1).
    fn mac(self, key: &[u8], octets: &[u8]) -> Octets {
        let mut own = [key, &PROTOCOL_ID].concat();
        if own.len() > self.digest_len() {
            own = self.digest(&own).to_vec();
        }
        // Zeros up to the digest's length, and from there to the block's.
        own.resize(self.block_len(), 0);
        let padded = |pad: u8| own.iter().map(move |octet| octet ^ pad);
        let inner: Vec<u8> = padded(0x36).chain(octets.iter().copied()).collect();
        let outer: Vec<u8> = padded(0x5c).chain(self.digest(&inner)).collect();
        self.digest(&outer)
    }

    /// What stands where the digest is to be while the digest is made (RFC 7349 §5).
    fn tag(self, source: IpAddr) -> Octets {
        let pad = PAD.iter().copied().cycle();
        match source {
            IpAddr::V4(a) => a.octets().into_iter().chain(pad).take(self.digest_len()).collect(),
            IpAddr::V6(a) => a.octets().into_iter().chain(pad).take(self.digest_len()).collect(),
        }
    }
}

/// A span of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetime {
    /// Its first moment.
    pub from: Instant,
    /// The first moment after it; `None`: it has no end.
    pub until: Option<Instant>,
}

impl Lifetime {
    /// All time.
    pub const ALWAYS: Self = Self { from: Instant::ZERO, until: None };

    fn contains(self, now: Instant) -> bool {
        self.from <= now && self.until.is_none_or(|end| now < end)
    }

    fn is_over(self, now: Instant) -> bool {
        self.until.is_some_and(|end| end <= now)
    }
}

/// A key and what it is for: an LDP Security Association (RFC 7349 §2.2).
#[derive(Clone)]
pub struct HelloKey {
    /// Its number, the same at both ends.
    pub id: u32,
    /// The algorithm.
    pub hash: HelloHash,
    /// The key, one octet or more.
    pub key: Vec<u8>,
    /// When Hellos are taken that were made with it.
    pub accept: Lifetime,
    /// When Hellos are made with it.
    pub generate: Lifetime,
}

/// Keys are not printed.
impl fmt::Debug for HelloKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut out = f.debug_struct("HelloKey");
        out.field("id", &self.id).field("accept", &self.accept).field("generate", &self.generate).finish()
    }
}

impl HelloKey {
    /// A key without end.
    #[must_use]
    pub const fn new(id: u32, hash: HelloHash, key: Vec<u8>) -> Self {
        Self { id, hash, key, accept: Lifetime::ALWAYS, generate: Lifetime::ALWAYS }
    }
}

/// Authentication of Hellos (RFC 7349).
#[derive(Clone, Debug)]
pub struct HelloAuthConfig {
    /// The keys: one at least. Of those that may make Hellos the first does; the last one whose time is over goes on being used, in both
    /// directions (RFC 7349 §2.2).
    pub keys: Vec<HelloKey>,
    /// Take Hellos of nobody who does not authenticate them. Without it those are taken of addresses from which no authenticated one came.
    /// Default on.
    pub required: bool,
    /// The number of our first Hello: greater than any that this router ever used, restarts included (RFC 7349 §2.3); for example a count
    /// of starts in the upper 32 bits.
    pub first_sequence: u64,
}

impl HelloAuthConfig {
    /// Authentication that is required of everybody.
    #[must_use]
    pub const fn new(keys: Vec<HelloKey>, first_sequence: u64) -> Self {
        Self { keys, required: true, first_sequence }
    }

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        let refuse = |field, value, rule| Err(ConfigError::Number { field, value, rule });
        if self.keys.is_empty() {
            return refuse("authentication.keys", 0, "one key or more");
        }
        for (n, key) in self.keys.iter().enumerate() {
            if key.key.is_empty() {
                return refuse("authentication.keys", key.id, "the key of this association has no octets");
            }
            if self.keys.iter().take(n).any(|other| other.id == key.id) {
                return refuse("authentication.keys", key.id, "two keys of one association");
            }
        }
        Ok(())
    }

    /// The one of these keys whose time was over last, if all of their times are over.
    fn last(&self, now: Instant, time: impl Fn(&HelloKey) -> Lifetime) -> Option<&HelloKey> {
        let over = self.keys.iter().all(|key| time(key).is_over(now));
        if over { self.keys.iter().max_by_key(|key| time(key).until) } else { None }
    }

    /// The key that makes a Hello, and whether its time is over.
    fn sending(&self, now: Instant) -> Option<(&HelloKey, bool)> {
        let current = self.keys.iter().find(|key| key.generate.contains(now)).map(|key| (key, false));
        current.or_else(|| self.last(now, |key| key.generate).map(|key| (key, true)))
    }

    /// The key of a Hello that came.
    fn accepting(&self, id: u32, now: Instant) -> Option<&HelloKey> {
        let named = self.keys.iter().find(|key| key.id == id)?;
        let last = self.last(now, |key| key.accept).is_some_and(|last| last.id == id);
        (last || named.accept.contains(now)).then_some(named)
    }
}

/// A Hello cannot be made: the numbers are used up, or no key's time has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Unsignable;

/// A Hello's TLV while the digest is made.
pub(super) struct Unsigned {
    pub(super) tlv: Tlv,
    /// Its key's place among the keys.
    pub(super) key: usize,
    /// The key's time is over.
    pub(super) expired: bool,
}

/// Our next sequence number, and those that were heard.
#[derive(Clone, Debug)]
pub(super) struct Authenticator {
    config: HelloAuthConfig,
    next: Option<u64>,
    heard: BTreeMap<IpAddr, u64>,
}

impl Authenticator {
    pub(super) fn new(config: HelloAuthConfig) -> Self {
        Self { next: Some(config.first_sequence), config, heard: BTreeMap::new() }
    }

    /// The TLV of our next Hello.
    pub(super) fn prepare(&mut self, now: Instant, source: IpAddr) -> Result<Unsigned, Unsignable> {
        let (key, expired) = self.config.sending(now).ok_or(Unsignable)?;
        let sequence = self.next.ok_or(Unsignable)?;
        // RFC 7349 §2.4: numbers that ran out come back with other keys, which is a new configuration.
        self.next = sequence.checked_add(1);
        let auth = HelloAuth { sa: key.id, sequence, data: key.hash.tag(source) };
        let at = self.config.keys.iter().position(|k| k.id == key.id).unwrap_or_default();
        Ok(Unsigned { tlv: Tlv::new(TlvValue::HelloAuth(auth.into())), key: at, expired })
    }

    /// Puts the digest into a Hello whose last TLV is the prepared one.
    pub(super) fn sign(&self, key: usize, octets: &mut [u8]) {
        let Some(key) = self.config.keys.get(key) else { return };
        let mac = key.hash.mac(&key.key, octets);
        let at = octets.len().saturating_sub(mac.len());
        if let Some(place) = octets.get_mut(at..) {
            place.copy_from_slice(&mac);
        }
    }

    /// Whether a Hello may be taken (RFC 7349 §6.2); `most`: so many addresses are remembered.
    pub(super) fn verify(
        &mut self,
        now: Instant,
        from: IpAddr,
        (octets, hello): (&[u8], &Hello),
        most: usize,
    ) -> Result<(), Refusal> {
        let heard = self.heard.get(&from).copied();
        let Some(auth) = of(hello) else {
            let open = heard.is_none() && !self.config.required;
            return if open { Ok(()) } else { Err(Refusal::Unauthenticated) };
        };
        let key = self.config.accepting(auth.sa, now).ok_or(Refusal::Unauthenticated)?;
        if heard.is_some_and(|last| auth.sequence <= last) {
            return Err(Refusal::Replayed);
        }
        let place = digest_place(octets).filter(|place| place.len() == key.hash.digest_len());
        let mut plain = octets.to_vec();
        let place = place.and_then(|place| plain.get_mut(place)).ok_or(Refusal::Unauthenticated)?;
        place.copy_from_slice(&key.hash.tag(from));
        if !equal(&key.hash.mac(&key.key, &plain), &auth.data) {
            return Err(Refusal::Unauthenticated);
        }
        if heard.is_none() && self.heard.len() >= most {
            return Err(Refusal::TooMany);
        }
        self.heard.insert(from, auth.sequence);
        Ok(())
    }

    pub(super) fn heard(&self, from: IpAddr) -> Option<u64> {
        self.heard.get(&from).copied()
    }

    pub(super) fn forget(&mut self, from: IpAddr) {
        self.heard.remove(&from);
    }
}

/// The first Cryptographic Authentication TLV of a Hello.
pub(super) fn of(hello: &Hello) -> Option<&HelloAuth> {
    hello.optional.iter().find_map(|tlv| match &tlv.value {
        TlvValue::HelloAuth(auth) => Some(&**auth),
        _ => None,
    })
}

/// Where the digest of the first message's first Cryptographic Authentication TLV stands in a datagram.
fn digest_place(octets: &[u8]) -> Option<Range<usize>> {
    let mut at = Pdu::HEADER_LEN + Message::HEADER_LEN;
    loop {
        let [kind_hi, kind_lo, len_hi, len_lo] = *octets.get(at..)?.first_chunk()?;
        let value = at + Tlv::HEADER_LEN;
        let end = value + usize::from(u16::from_be_bytes([len_hi, len_lo]));
        let kind = TlvType::from_low_bits(u16::from_be_bytes([kind_hi, kind_lo]));
        if kind == TlvType::CRYPTOGRAPHIC_AUTHENTICATION {
            return Some(value + HelloAuth::FIXED_LEN..end);
        }
        at = end;
    }
}
