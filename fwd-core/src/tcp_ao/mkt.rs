//! Master Key Tuples (RFC 5925 §3.1), and the traffic keys that are made of them (§5.2, RFC 5926 §3).

use core::fmt;
use core::net::{IpAddr, SocketAddr};
use core::ops::RangeInclusive;

use super::AoOption;
use super::crypto::{CryptoError, CryptoProvider};
use crate::net::{IpPrefix, Ipv4Prefix, Ipv6Prefix};
use crate::secret::{Digest, Secret};

/// Why keys are not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigError {
    /// A field has a value that it cannot have.
    Value {
        /// The field.
        field: &'static str,
        /// Its value, or its length.
        value: usize,
        /// What it can have.
        rule: &'static str,
    },
    /// Two tuples for one connection have this number (RFC 5925 §3.1).
    Overlap {
        /// `send_id` or `recv_id`.
        field: &'static str,
        /// The number.
        id: u8,
    },
    /// The connection has no tuple of this number.
    Unknown {
        /// `send_id` or `recv_id`.
        field: &'static str,
        /// The number.
        id: u8,
    },
    /// The tuple is the connection's current key, or the one that it asks its peer for.
    InUse {
        /// `current_key` or `rnext_key`.
        field: &'static str,
        /// The tuple's number there.
        id: u8,
    },
    /// The tuple is for other connections.
    Peers,
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value { field, value, rule } => write!(f, "{field}: {value} is not {rule}"),
            Self::Overlap { field, id } => write!(f, "{field}: two keys of one connection have number {id}"),
            Self::Unknown { field, id } => write!(f, "{field}: no key has number {id}"),
            Self::InUse { field, id } => write!(f, "{field}: key {id} is in use"),
            Self::Peers => f.write_str("peers: the key is for other connections"),
        }
    }
}

impl core::error::Error for ConfigError {}

/// The ends of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SocketPair {
    /// Ours.
    pub local: SocketAddr,
    /// The other.
    pub remote: SocketAddr,
}

/// Which connections a tuple is for: a TCP connection identifier (RFC 5925 §3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Peers {
    /// Our addresses.
    pub local: IpPrefix,
    /// The others'.
    pub remote: IpPrefix,
    /// Our ports. Default all.
    pub local_ports: RangeInclusive<u16>,
    /// The others'. Default all.
    pub remote_ports: RangeInclusive<u16>,
}

fn meet(a: IpPrefix, b: IpPrefix) -> bool {
    match (a, b) {
        (IpPrefix::V4(a), IpPrefix::V4(b)) => a.covers(&b) || b.covers(&a),
        (IpPrefix::V6(a), IpPrefix::V6(b)) => a.covers(&b) || b.covers(&a),
        _ => false,
    }
}

fn ports_meet(a: &RangeInclusive<u16>, b: &RangeInclusive<u16>) -> bool {
    a.start().max(b.start()) <= a.end().min(b.end())
}

fn host(address: IpAddr) -> IpPrefix {
    match address {
        IpAddr::V4(a) => Ipv4Prefix::host(a).into(),
        IpAddr::V6(a) => Ipv6Prefix::host(a).into(),
    }
}

impl Peers {
    /// All connections between two addresses.
    #[must_use]
    pub fn between(local: IpAddr, remote: IpAddr) -> Self {
        const ALL: RangeInclusive<u16> = 0..=u16::MAX;
        Self { local: host(local), remote: host(remote), local_ports: ALL, remote_ports: ALL }
    }

    /// Whether a connection is one of them.
    #[must_use]
    pub fn matches(&self, pair: &SocketPair) -> bool {
        meet(self.local, host(pair.local.ip()))
            && meet(self.remote, host(pair.remote.ip()))
            && self.local_ports.contains(&pair.local.port())
            && self.remote_ports.contains(&pair.remote.port())
    }

    /// Whether a connection may be one of both.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        meet(self.local, other.local)
            && meet(self.remote, other.remote)
            && ports_meet(&self.local_ports, &other.local_ports)
            && ports_meet(&self.remote_ports, &other.remote_ports)
    }
}

/// A MAC algorithm with the key derivation function that belongs to it (RFC 5926 §3.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[non_exhaustive]
pub enum Algorithm {
    /// HMAC-SHA-1-96 with KDF_HMAC_SHA1.
    HmacSha1,
    /// AES-128-CMAC-96 with KDF_AES_128_CMAC.
    Aes128Cmac,
}

impl Algorithm {
    /// Octets of its MAC.
    #[must_use]
    pub const fn mac_len(self) -> usize {
        12
    }

    /// Octets that its option takes in a header.
    #[must_use]
    pub const fn option_len(self) -> usize {
        AoOption::HEADER_LEN.saturating_add(self.mac_len())
    }

    const fn key_bits(self) -> u16 {
        match self {
            Self::HmacSha1 => 160,
            Self::Aes128Cmac => 128,
        }
    }

    /// Makes a traffic key of a master key; one step of the counter mode gives all of it (RFC 5926 §3.1.1).
    pub(super) fn traffic_key(
        self,
        provider: &impl CryptoProvider,
        master: &[u8],
        context: &[&[u8]; 5],
    ) -> Result<Digest, CryptoError> {
        let bits = self.key_bits().to_be_bytes();
        let [sources, destinations, ports, source_isn, destination_isn] = *context;
        let input: [&[u8]; 8] = [&[1], b"TCP-AO", sources, destinations, ports, source_isn, destination_isn, &bits];
        match self {
            Self::HmacSha1 => Ok(Digest::of(&provider.hmac_sha1(master, &input)?)),
            Self::Aes128Cmac => {
                // RFC 5926 §3.1.1.2, step 1: a master key of another length becomes one of 128 bits.
                let key = match master.len() {
                    16 => Digest::of(master),
                    _ => Digest::of(&provider.aes_128_cmac(&[0; 16], &[master])?),
                };
                Ok(Digest::of(&provider.aes_128_cmac(key.first_chunk().ok_or(CryptoError::Engine)?, &input)?))
            }
        }
    }

    /// The MAC of a message.
    pub(super) fn mac(
        self,
        provider: &impl CryptoProvider,
        key: &[u8],
        message: &[&[u8]],
    ) -> Result<Digest, CryptoError> {
        let full = match self {
            Self::HmacSha1 => Digest::of(&provider.hmac_sha1(key, message)?),
            Self::Aes128Cmac => {
                Digest::of(&provider.aes_128_cmac(key.first_chunk().ok_or(CryptoError::Engine)?, message)?)
            }
        };
        Ok(Digest::of(full.truncated(self.mac_len())))
    }
}

/// A Master Key Tuple: a key, its numbers, and for which connections it is. The other end has the same with the numbers exchanged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mkt {
    /// For which connections.
    pub peers: Peers,
    /// What we send as KeyID.
    pub send_id: u8,
    /// What the peer sends as KeyID.
    pub recv_id: u8,
    /// Whether other options are authenticated too. Default yes; no where something on the way changes them.
    pub options: bool,
    /// MAC and key derivation function.
    pub algorithm: Algorithm,
    /// The master key, 1 to 80 octets.
    pub key: Secret,
}

impl Mkt {
    /// The longest master key, in octets.
    pub const LONGEST_KEY: usize = 80;

    /// HMAC-SHA-1-96 with one number for both directions.
    #[must_use]
    pub fn new(peers: Peers, id: u8, key: &[u8]) -> Self {
        Self { peers, send_id: id, recv_id: id, options: true, algorithm: Algorithm::HmacSha1, key: Secret::copy(key) }
    }

    pub(super) fn validate(&self) -> Result<(), ConfigError> {
        let value = self.key.len();
        if !(1..=Self::LONGEST_KEY).contains(&value) {
            return Err(ConfigError::Value { field: "key", value, rule: "1 to 80 octets" });
        }
        for (field, ports) in [("local_ports", &self.peers.local_ports), ("remote_ports", &self.peers.remote_ports)] {
            if ports.is_empty() {
                let value = usize::from(*ports.start());
                return Err(ConfigError::Value { field, value, rule: "the first of a range of ports" });
            }
        }
        let (local, remote) = (self.peers.local.addr(), self.peers.remote.addr());
        if local.is_ipv4() != remote.is_ipv4() {
            return Err(ConfigError::Value { field: "remote", value: 0, rule: "of the local addresses' family" });
        }
        Ok(())
    }

    /// Whether both can be there (RFC 5925 §3.1).
    pub(super) fn beside(&self, other: &Self) -> Result<(), ConfigError> {
        if !self.peers.overlaps(&other.peers) {
            Ok(())
        } else if self.send_id == other.send_id {
            Err(ConfigError::Overlap { field: "send_id", id: self.send_id })
        } else if self.recv_id == other.recv_id {
            Err(ConfigError::Overlap { field: "recv_id", id: self.recv_id })
        } else {
            Ok(())
        }
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for Mkt {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let len = u.int_in_range(1..=Self::LONGEST_KEY)?;
        Ok(Self {
            peers: u.arbitrary()?,
            send_id: u.arbitrary()?,
            recv_id: u.arbitrary()?,
            options: u.arbitrary()?,
            algorithm: u.arbitrary()?,
            key: Secret::copy(u.bytes(len)?),
        })
    }
}
