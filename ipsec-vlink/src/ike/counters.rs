//! What the machines of both versions refuse, and how they count.

use core::time::Duration;

use fwd_core::time::Instant;

/// Why a datagram was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reject {
    /// Its octets are malformed, or its payloads are not those of its exchange.
    Malformed,
    /// It is of another version.
    Version,
    /// No SA has its SPI.
    UnknownSpi,
    /// No peer is configured at its address.
    UnknownPeer,
    /// Its integrity check failed.
    Integrity,
    /// Its message ID is outside the window.
    MessageId,
    /// It has no cookie, and there are many half-open SAs.
    NoCookie,
    /// There are too many half-open SAs, of all or of its source.
    HalfOpen,
    /// No proposal in it was acceptable.
    Proposal,
    /// It proved no identity of ours.
    Authentication,
    /// Its fragment does not fit those before it.
    Fragment,
    /// It is an ESP packet.
    NotIke,
    /// IKEv1: it has the commit bit or another one that is not taken, or its exchange is one that is not spoken here.
    Exchange,
    /// IKEv1: its hash is wrong, or its exchange has been before.
    Hash,
    /// Its ticket is not one of ours, was used, or is too old (RFC 5723 §4.3.2).
    Ticket,
}

impl Reject {
    /// How many causes there are.
    pub const COUNT: usize = 15;
}

/// What a machine has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Datagrams that were not taken, by cause.
    pub rejected: [u64; Reject::COUNT],
    /// Requests sent again.
    pub retransmitted: u64,
    /// Requests of the peer that came again and were answered again.
    pub duplicates: u64,
    /// Cookies asked for.
    pub cookies: u64,
    /// IKE SAs that were established.
    pub established: u64,
    /// IKE SAs that were resumed, those that we gave the ticket of and those that the peer did (RFC 5723).
    pub resumed: u64,
    /// Child SAs that were installed.
    pub children: u64,
}

impl Counters {
    /// Counts a datagram that is not taken; whether it is to be said, which is so once a second per cause.
    #[allow(clippy::arithmetic_side_effects)] // the sum of an instant and a time saturates
    pub(super) fn reject(&mut self, now: Instant, quiet_until: &mut [Instant; Reject::COUNT], cause: Reject) -> bool {
        if let Some(count) = self.rejected.get_mut(cause as usize) {
            *count = count.saturating_add(1);
        }
        let until = quiet_until.get_mut(cause as usize).filter(|until| **until <= now);
        until.map(|until| *until = now + Duration::from_secs(1)).is_some()
    }

    /// How many datagrams were not taken for this cause.
    #[must_use]
    pub fn rejected(&self, cause: Reject) -> u64 {
        self.rejected.get(cause as usize).copied().unwrap_or(0)
    }
}
