//! What the routing side of a speaker knows of a peer.

use core::net::{IpAddr, Ipv4Addr};
use core::time::Duration;

use fwd_core::time::Instant;
use smallvec::SmallVec;

use super::io::Side;
use super::tables::TableKind;
use crate::nlri::Family;
use crate::rib::Listener;
use crate::rt_constraint::PeerMembership;
use crate::session::{Negotiated, PeerConfig, PeerKind, PeerRole};

/// What a speaker counts of one peer's routes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RouteCounters {
    /// Routes announced by the peer, repeated ones included.
    pub announced: u64,
    /// Routes withdrawn by the peer.
    pub withdrawn: u64,
    /// Announcements that were taken as withdrawals because they had been here before: our AS number in AS_PATH, our
    /// identifier in ORIGINATOR_ID, our cluster in CLUSTER_LIST, our address as next hop.
    pub looped: u64,
    /// Announcements of an external peer that were taken as withdrawals because AS_PATH does not begin with its AS number
    /// (RFC 4271 §6.3, RFC 7606 §7.2).
    pub not_first_as: u64,
    /// UPDATEs whose routes were taken as withdrawn for a fault (RFC 7606 §2).
    pub treated_as_withdrawn: u64,
    /// Announcements sent.
    pub sent: u64,
    /// Withdrawals sent.
    pub withdrawals_sent: u64,
    /// UPDATEs sent.
    pub updates_sent: u64,
    /// Destinations that were looked at for what the peer is to be told of them.
    pub considered: u64,
    /// Attribute sets that were written for the peer; it is told others as they were written for a peer that is like it.
    pub rewrites: u64,
}

/// A family of a peer, with its table.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PeerFamily {
    pub(crate) family: Family,
    pub(crate) table: TableKind,
    pub(crate) slot: u32,
    /// No routes of the peer are taken in this family until the session ends (RFC 7606 §2, "AFI/SAFI disable"; RFC 4760 §7).
    pub(crate) disabled: bool,
    /// How long the peer said its routes are worth keeping beyond its restart time (RFC 9494), when its session ended last.
    pub(crate) long_lived: Option<Duration>,
    /// Until when they are, where its restart time is over and it has not sent them all again.
    pub(crate) long_lived_until: Option<Instant>,
}

/// A peer.
#[derive(Debug)]
pub(crate) struct PeerState {
    pub(crate) config: PeerConfig,
    /// The slot of its VRF.
    pub(crate) vrf: u16,
    pub(crate) kind: PeerKind,
    pub(crate) families: SmallVec<[PeerFamily; 4]>,
    /// While the session is up: over which connection, and what was agreed on.
    pub(crate) session: Option<(Side, Negotiated)>,
    /// The peer's BGP identifier, of this session or the last.
    pub(crate) identifier: Ipv4Addr,
    /// Octets that the connection of each side takes, outgoing first.
    pub(crate) room: [usize; 2],
    /// Until when stale routes of the peer are kept.
    pub(crate) stale_until: Option<Instant>,
    pub(crate) counters: RouteCounters,
    /// Which route targets it wants, where the session says so (RFC 4684).
    pub(crate) membership: Option<PeerMembership>,
    /// How fast its UPDATEs come.
    pub(crate) pace: super::pace::Pace,
    /// When it was asked last for what its limit had refused.
    pub(crate) asked: Option<Instant>,
    /// The family that is to send next: all take turns.
    pub(crate) turn: usize,
}

impl PeerState {
    /// Whether the session runs in a VRF: the peer is a CE.
    pub(crate) const fn is_ce(&self) -> bool {
        self.vrf != super::tables::GLOBAL
    }

    /// Whether the peer is a reflector client.
    pub(crate) fn is_client(&self) -> bool {
        self.config.role == PeerRole::ReflectorClient
    }

    /// Whether routes of a family wait for the peer to say which route targets it wants (RFC 4684 §6).
    pub(crate) fn awaits_memberships(&self, family: Family) -> bool {
        PeerMembership::filters(family) && self.membership.as_ref().is_some_and(|m| m.wait.is_some())
    }

    /// Which changes of a family's routes the peer is to hear of.
    pub(crate) fn listener(&self, family: Family) -> Listener {
        match &self.membership {
            Some(membership) if PeerMembership::filters(family) => membership.listener(),
            // RFC 4456 §6: what one of them brought, the others are not told; but for memberships (RFC 4684 §3.2).
            _ if self.kind == PeerKind::Internal && !self.is_client() && family != Family::RT_CONSTRAINT => {
                Listener::Ordinary
            }
            _ => Listener::Best,
        }
    }

    /// A number that orders peers by identifier.
    pub(crate) const fn router_id(&self) -> u32 {
        self.identifier.to_bits()
    }

    pub(crate) const fn address(&self) -> IpAddr {
        self.config.address
    }

    /// The room of the connection of the session.
    pub(crate) fn session_room(&mut self) -> Option<&mut usize> {
        let (side, _) = self.session.as_ref()?;
        let [outgoing, incoming] = &mut self.room;
        Some(match side {
            Side::Outgoing => outgoing,
            Side::Incoming => incoming,
        })
    }
}
