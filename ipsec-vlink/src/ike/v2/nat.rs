//! NAT traversal (RFC 7296 §2.23): is there a NAT, and on which side.

use core::net::{IpAddr, SocketAddr};

use smallvec::SmallVec;

use super::super::crypto::{CryptoProvider, Digest, HashId};
use super::super::payload::NotifyType;
use super::message::Message;

/// The hash of SPIs, address and port.
pub(super) fn hash(provider: &impl CryptoProvider, spis: (u64, u64), at: SocketAddr) -> Option<Digest> {
    let address: SmallVec<[u8; 16]> = match at.ip() {
        IpAddr::V4(a) => SmallVec::from_slice(&a.octets()),
        IpAddr::V6(a) => SmallVec::from_slice(&a.octets()),
    };
    let (i, r, port) = (spis.0.to_be_bytes(), spis.1.to_be_bytes(), at.port().to_be_bytes());
    provider.hash(HashId::SHA1, &[&i, &r, &address, &port]).ok()
}

/// What the hashes in a message of the peer say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Found {
    /// A NAT is before us.
    pub(super) ours: bool,
    /// A NAT is before the peer.
    pub(super) theirs: bool,
}

/// Looks for NATs: `from` is the peer's address as seen here, `to` ours.
pub(super) fn look(
    provider: &impl CryptoProvider,
    message: &Message<'_>,
    spis: (u64, u64),
    from: SocketAddr,
    to: SocketAddr,
) -> Found {
    let differs = |kind: NotifyType, at: SocketAddr| {
        let mut said = message.notifies.iter().filter(|n| n.kind == kind).peekable();
        let Some(hash) = hash(provider, spis, at) else { return false };
        // RFC 7296 §2.23: the source may be said several times, if the sender does not know which one it is.
        said.peek().is_some() && said.all(|n| *n.data != *hash)
    };
    Found {
        ours: differs(NotifyType::NAT_DETECTION_DESTINATION_IP, to),
        theirs: differs(NotifyType::NAT_DETECTION_SOURCE_IP, from),
    }
}
