//! What a connection keeps (RFC 5925 §4), and what it does to its segments (§7.4, §7.5).

use alloc::vec::Vec;
use core::fmt;
use core::net::{IpAddr, SocketAddr};

use super::AoOption;
use super::crypto::{CryptoError, CryptoProvider};
use super::mkt::{ConfigError, Mkt, SocketPair};
use super::segment::Segment;
use super::sne::Sne;
use crate::malformed::Malformed;
use crate::secret::{Digest, equal};

/// Why a received segment must be dropped without an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dropped {
    /// It is no segment, has two of these options, or TCP MD5 beside one.
    Malformed(Malformed),
    /// It has no option.
    Missing,
    /// No tuple of the connection has its KeyID.
    UnknownKey,
    /// Its MAC has another length than the tuple's algorithm makes.
    Length,
    /// It came before the peer's initial sequence number is known, and is neither SYN nor SYN and ACK.
    TooEarly,
    /// Its MAC is wrong: forged, changed, or of another time.
    Mac,
    /// The MAC could not be made.
    Crypto(CryptoError),
}

impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(malformed) => fmt::Display::fmt(malformed, f),
            Self::Missing => f.write_str("no TCP-AO"),
            Self::UnknownKey => f.write_str("KeyID of no key"),
            Self::Length => f.write_str("MAC of another length"),
            Self::TooEarly => f.write_str("no SYN before it"),
            Self::Mac => f.write_str("MAC wrong"),
            Self::Crypto(error) => fmt::Display::fmt(error, f),
        }
    }
}

impl core::error::Error for Dropped {}

/// Why a segment was not signed. It must not be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignError {
    /// It is no segment.
    Malformed(Malformed),
    /// Its ports are another connection's.
    Ports,
    /// It has no option, or one of another length than the current key's ([`Connection::blank`]).
    Option,
    /// The peer's initial sequence number is not known, and it is no SYN.
    TooEarly,
    /// The MAC could not be made.
    Crypto(CryptoError),
}

impl fmt::Display for SignError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(malformed) => fmt::Display::fmt(malformed, f),
            Self::Ports => f.write_str("ports of another connection"),
            Self::Option => f.write_str("no room for TCP-AO"),
            Self::TooEarly => f.write_str("no SYN of the peer's before it"),
            Self::Crypto(error) => fmt::Display::fmt(error, f),
        }
    }
}

impl core::error::Error for SignError {}

/// A segment whose MAC is right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Verified {
    /// Its sequence number with the extension.
    pub sequence: u64,
    /// The peer asked for another key, and the current key is that one from now on; its number as we send it.
    pub current: Option<u8>,
}

/// What became of the segments that came. All saturate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Their MAC was right.
    pub verified: u64,
    /// [`Dropped::Malformed`].
    pub malformed: u64,
    /// [`Dropped::Missing`].
    pub missing: u64,
    /// [`Dropped::UnknownKey`].
    pub unknown_key: u64,
    /// [`Dropped::Length`].
    pub length: u64,
    /// [`Dropped::TooEarly`].
    pub too_early: u64,
    /// [`Dropped::Mac`].
    pub mac: u64,
    /// [`Dropped::Crypto`].
    pub crypto: u64,
    /// ICMP errors that were ignored.
    pub icmp_ignored: u64,
}

impl Counters {
    fn count(&mut self, outcome: &Result<Verified, Dropped>) {
        let counter = match outcome {
            Ok(_) => &mut self.verified,
            Err(Dropped::Malformed(_)) => &mut self.malformed,
            Err(Dropped::Missing) => &mut self.missing,
            Err(Dropped::UnknownKey) => &mut self.unknown_key,
            Err(Dropped::Length) => &mut self.length,
            Err(Dropped::TooEarly) => &mut self.too_early,
            Err(Dropped::Mac) => &mut self.mac,
            Err(Dropped::Crypto(_)) => &mut self.crypto,
        };
        *counter = counter.saturating_add(1);
    }

    /// All that were dropped.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        let all = [self.malformed, self.missing, self.unknown_key, self.length, self.too_early, self.mac, self.crypto];
        all.into_iter().fold(0, u64::saturating_add)
    }
}

/// A tuple of the connection, and the keys of established segments, made when they are first needed. Those of SYNs are made each time.
#[derive(Clone, Debug)]
struct Key {
    mkt: Mkt,
    send: Option<Digest>,
    receive: Option<Digest>,
}

impl Key {
    const fn new(mkt: Mkt) -> Self {
        Self { mkt, send: None, receive: None }
    }

    /// The key of a direction (RFC 5925 §5.2).
    fn derive(
        &self,
        provider: &impl CryptoProvider,
        (source, source_isn): (SocketAddr, u32),
        (destination, destination_isn): (SocketAddr, u32),
    ) -> Result<Digest, CryptoError> {
        fn octets(address: &IpAddr) -> ([u8; 16], usize) {
            match address {
                IpAddr::V4(a) => {
                    let [a, b, c, d] = a.octets();
                    ([a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], 4)
                }
                IpAddr::V6(a) => (a.octets(), 16),
            }
        }
        let ((from, from_len), (to, to_len)) = (octets(&source.ip()), octets(&destination.ip()));
        let ports = (u32::from(source.port()) << 16 | u32::from(destination.port())).to_be_bytes();
        let context: [&[u8]; 5] = [
            from.get(..from_len).unwrap_or_default(),
            to.get(..to_len).unwrap_or_default(),
            &ports,
            &source_isn.to_be_bytes(),
            &destination_isn.to_be_bytes(),
        ];
        self.mkt.algorithm.traffic_key(provider, &self.mkt.key, &context)
    }
}

/// A connection that is authenticated.
#[derive(Clone, Debug)]
pub struct Connection {
    pair: SocketPair,
    isn: u32,
    peer_isn: Option<u32>,
    keys: Vec<Key>,
    /// Current_key, by its SendID.
    current: u8,
    /// Rnext_key, by its RecvID.
    rnext: u8,
    send: Sne,
    receive: Sne,
    heard: Option<(u8, u8)>,
    counters: Counters,
    /// Whether ICMP's hard errors break the connection. Default not (RFC 5925 §7.8).
    pub icmp: bool,
}

impl Connection {
    /// A connection that begins with the tuple `first` in both directions.
    pub(super) fn new<'k>(pair: SocketPair, isn: u32, all: impl Iterator<Item = &'k Mkt>, first: &Mkt) -> Self {
        Self {
            pair,
            isn,
            peer_isn: None,
            keys: all.cloned().map(Key::new).collect(),
            current: first.send_id,
            rnext: first.recv_id,
            send: Sne::new(isn),
            receive: Sne::default(),
            heard: None,
            counters: Counters::default(),
            icmp: false,
        }
    }

    fn received(&mut self, recv_id: u8) -> Option<&mut Key> {
        self.keys.iter_mut().find(|key| key.mkt.recv_id == recv_id)
    }

    fn sent(&mut self, send_id: u8) -> Option<&mut Key> {
        self.keys.iter_mut().find(|key| key.mkt.send_id == send_id)
    }

    /// The tuples (RFC 5925 §7.1).
    pub fn mkts(&self) -> impl Iterator<Item = &Mkt> {
        self.keys.iter().map(|key| &key.mkt)
    }

    /// The number of Current_key as we send it: the key of the next segment out.
    #[must_use]
    pub const fn current(&self) -> u8 {
        self.current
    }

    /// The number of Rnext_key as the peer sends it: the key that we ask for.
    #[must_use]
    pub const fn rnext(&self) -> u8 {
        self.rnext
    }

    /// KeyID and RNextKeyID of the last segment whose MAC was right (RFC 5925 §7.1).
    #[must_use]
    pub const fn heard(&self) -> Option<(u8, u8)> {
        self.heard
    }

    /// What became of the segments that came.
    #[must_use]
    pub const fn counters(&self) -> Counters {
        self.counters
    }

    /// Adds a tuple. Nothing uses it until the peer asks for it, or [`Connection::prefer`] or [`Connection::set_current`] names it.
    ///
    /// # Errors
    /// A value that cannot be; another connection's; a number that there is.
    pub fn add(&mut self, mkt: Mkt) -> Result<(), ConfigError> {
        mkt.validate()?;
        if !mkt.peers.matches(&self.pair) {
            return Err(ConfigError::Peers);
        }
        self.mkts().try_for_each(|other| mkt.beside(other))?;
        self.keys.push(Key::new(mkt));
        Ok(())
    }

    /// Asks the peer for a tuple from the next segment on, by the number that it sends (RFC 5925 §6.1).
    ///
    /// # Errors
    /// There is none.
    pub fn prefer(&mut self, recv_id: u8) -> Result<(), ConfigError> {
        self.received(recv_id).ok_or(ConfigError::Unknown { field: "recv_id", id: recv_id })?;
        self.rnext = recv_id;
        Ok(())
    }

    /// Sends with a tuple from the next segment on, by the number that we send, whether the peer asked for it or not (RFC 5925 §7.1).
    ///
    /// # Errors
    /// There is none.
    pub fn set_current(&mut self, send_id: u8) -> Result<(), ConfigError> {
        self.sent(send_id).ok_or(ConfigError::Unknown { field: "send_id", id: send_id })?;
        self.current = send_id;
        Ok(())
    }

    /// Removes a tuple, by the number that the peer sends. What the peer still sends with it is dropped.
    ///
    /// # Errors
    /// There is none, or it is Current_key or Rnext_key.
    pub fn remove(&mut self, recv_id: u8) -> Result<(), ConfigError> {
        let (current, rnext) = (self.current, self.rnext);
        let key = self.received(recv_id).ok_or(ConfigError::Unknown { field: "recv_id", id: recv_id })?;
        if key.mkt.send_id == current {
            return Err(ConfigError::InUse { field: "current_key", id: current });
        }
        if recv_id == rnext {
            return Err(ConfigError::InUse { field: "rnext_key", id: rnext });
        }
        self.keys.retain(|key| key.mkt.recv_id != recv_id);
        Ok(())
    }

    /// The option that [`Connection::sign`] fills: the same length, zeros. It goes behind the other options.
    #[must_use]
    pub fn blank(&self) -> AoOption<'static> {
        const ZEROS: [u8; AoOption::MAX_LEN] = [0; AoOption::MAX_LEN];
        let len = self.mkts().find(|mkt| mkt.send_id == self.current).map_or(0, |mkt| mkt.algorithm.mac_len());
        let blank = AoOption::new(self.current, self.rnext, ZEROS.get(..len).unwrap_or_default());
        blank.unwrap_or(AoOption::NONE)
    }

    /// Fills the option of a segment that is ready but for it and the checksum (RFC 5925 §7.4). What the checksum field holds does not matter.
    ///
    /// # Errors
    /// The segment must not be sent.
    pub fn sign(&mut self, segment: &mut [u8], provider: &impl CryptoProvider) -> Result<(), SignError> {
        let parsed = Segment::parse(segment).map_err(SignError::Malformed)?;
        let SocketPair { local, remote } = self.pair;
        if parsed.ports() != (local.port(), remote.port()) {
            return Err(SignError::Ports);
        }
        let (isn, peer_isn) = (self.isn, self.peer_isn);
        let (ids, number) = ([self.current, self.rnext], self.send.extended(parsed.sequence()));
        let key = self.sent(ids[0]).ok_or(SignError::Option)?;
        let (algorithm, options) = (key.mkt.algorithm, key.mkt.options);
        let place = parsed.place().filter(|place| place.len() == ids.len().saturating_add(algorithm.mac_len()));
        let place = place.ok_or(SignError::Option)?;
        let traffic = if parsed.is_first() {
            key.derive(provider, (local, isn), (remote, 0)).map_err(SignError::Crypto)?
        } else if let Some(made) = &key.send {
            made.clone()
        } else {
            let peer_isn = peer_isn.ok_or(SignError::TooEarly)?;
            let made = key.derive(provider, (local, isn), (remote, peer_isn)).map_err(SignError::Crypto)?;
            key.send.insert(made).clone()
        };
        let mac = parsed.covered((local.ip(), remote.ip()), (number >> 32) as u32, ids, options, |message| {
            algorithm.mac(provider, &traffic, message)
        });
        let mac = mac.map_err(SignError::Crypto)?;
        for (to, from) in segment.get_mut(place).into_iter().flatten().zip(ids.iter().chain(mac.iter())) {
            *to = *from;
        }
        self.send.advance(number);
        Ok(())
    }

    /// Checks a segment that came (RFC 5925 §7.5).
    ///
    /// # Errors
    /// The segment must be dropped without an answer.
    pub fn verify(&mut self, segment: &[u8], provider: &impl CryptoProvider) -> Result<Verified, Dropped> {
        let outcome = self.check(segment, provider);
        self.counters.count(&outcome);
        outcome
    }

    fn check(&mut self, segment: &[u8], provider: &impl CryptoProvider) -> Result<Verified, Dropped> {
        let parsed = Segment::parse(segment).map_err(Dropped::Malformed)?;
        let option = parsed.option().ok_or(Dropped::Missing)?;
        let SocketPair { local, remote } = self.pair;
        let sequence = parsed.sequence();
        let (isn, known) = (self.isn, self.peer_isn);
        let receive = if known.is_some() { self.receive } else { Sne::new(sequence) };
        let number = receive.extended(sequence);
        let key = self.received(option.key_id).ok_or(Dropped::UnknownKey)?;
        let (algorithm, options) = (key.mkt.algorithm, key.mkt.options);
        if option.mac().len() != algorithm.mac_len() {
            return Err(Dropped::Length);
        }
        let opening = parsed.is_first() || parsed.is_second();
        let peer_isn = known.or(opening.then_some(sequence)).ok_or(Dropped::TooEarly)?;
        let to_isn = if parsed.is_first() { 0 } else { isn };
        let kept = key.receive.as_ref().filter(|_| !parsed.is_first());
        let traffic = match kept {
            Some(made) => made.clone(),
            None => key.derive(provider, (remote, peer_isn), (local, to_isn)).map_err(Dropped::Crypto)?,
        };
        let ids = [option.key_id, option.rnext_key_id];
        let mac = parsed.covered((remote.ip(), local.ip()), (number >> 32) as u32, ids, options, |message| {
            algorithm.mac(provider, &traffic, message)
        });
        if !equal(&mac.map_err(Dropped::Crypto)?, option.mac()) {
            return Err(Dropped::Mac);
        }
        if !parsed.is_first() {
            key.receive = Some(traffic);
        }
        self.peer_isn = Some(peer_isn);
        self.receive = receive;
        self.receive.advance(number);
        self.heard = Some((option.key_id, option.rnext_key_id));
        // RFC 5925 §7.5, step 2e.
        let asked = option.rnext_key_id;
        let other = asked != self.current && self.sent(asked).is_some();
        if other {
            self.current = asked;
        }
        Ok(Verified { sequence: number, current: other.then_some(asked) })
    }

    /// Whether TCP may act on an ICMP error about the connection, by type and code (RFC 5925 §7.8); `synchronized`: it is in ESTABLISHED or a
    /// later state. IPv6's report of a packet that is too big is none of those that are ignored.
    pub fn heeds_icmp(&mut self, kind: u8, code: u8, synchronized: bool) -> bool {
        let hard = match self.pair.local {
            SocketAddr::V4(_) => kind == 3 && (2..=4).contains(&code),
            SocketAddr::V6(_) => kind == 1 && matches!(code, 1 | 4),
        };
        let ignored = hard && synchronized && !self.icmp;
        self.counters.icmp_ignored = self.counters.icmp_ignored.saturating_add(ignored.into());
        !ignored
    }
}
