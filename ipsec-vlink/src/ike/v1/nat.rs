//! NAT traversal (RFC 3947): is there a NAT, and on which side.

use core::net::SocketAddr;

use super::super::config::IkeSuite;
use super::super::crypto::{CryptoProvider, Digest};
use super::super::payload::v1::address_id;

/// The hash of cookies, address and port, by the hash of the SA (RFC 3947 §3.2).
pub(super) fn hash(
    provider: &impl CryptoProvider,
    suite: &IkeSuite,
    cookies: (u64, u64),
    at: SocketAddr,
) -> Option<Digest> {
    let (_, address) = address_id(at.ip());
    let (i, r, port) = (cookies.0.to_be_bytes(), cookies.1.to_be_bytes(), at.port().to_be_bytes());
    provider.hash(suite.prf.hash()?, &[&i, &r, &address, &port]).ok()
}

/// What the hashes in a message of the peer say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// The peer speaks of NATs at all.
    pub(super) knows: bool,
    /// A NAT is before us.
    pub(super) ours: bool,
    /// A NAT is before the peer.
    pub(super) theirs: bool,
}

/// Looks for NATs: `from` is the peer's address as seen here, `to` ours. The first hash is of the receiver, the others of the sender, which
/// may not know which of its addresses it is (RFC 3947 §3.2).
pub(super) fn look(
    provider: &impl CryptoProvider,
    suite: &IkeSuite,
    hashes: &[&[u8]],
    cookies: (u64, u64),
    (from, to): (SocketAddr, SocketAddr),
) -> Found {
    let [first, others @ ..] = hashes else { return Found::default() };
    let (Some(of_us), Some(of_peer)) = (hash(provider, suite, cookies, to), hash(provider, suite, cookies, from))
    else {
        return Found::default();
    };
    Found { knows: true, ours: **first != *of_us, theirs: !others.iter().any(|h| **h == *of_peer) }
}
