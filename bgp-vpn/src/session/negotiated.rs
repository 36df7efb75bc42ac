//! What two speakers agreed on: the one context every message is read and written in.

use smallvec::SmallVec;

use crate::nlri::{Family, NlriFormat};

/// Whether the peer belongs to our AS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PeerKind {
    /// Same AS: IBGP.
    Internal,
    /// Another AS: EBGP.
    External,
}

/// The outcome of capability negotiation (RFC 5492) on one session.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Negotiated {
    /// Whether the peer belongs to our AS.
    pub peer_kind: PeerKind,
    /// Both speakers have 4-octet AS numbers (RFC 6793): AS_PATH and AGGREGATOR carry four octets each.
    pub four_octet_as: bool,
    /// The longest message we may send, 4,096 octets, or 65,535 where RFC 8654 was agreed. The longest we accept is
    /// the same.
    pub max_message_len: usize,
    /// Families that both speakers support.
    pub families: SmallVec<[Family; 8]>,
    /// Families in which the peer sends path identifiers (RFC 7911).
    pub add_path_receive: SmallVec<[Family; 2]>,
    /// Families in which we send path identifiers.
    pub add_path_send: SmallVec<[Family; 2]>,
    /// Families in which NLRI may carry several labels, both ways (RFC 8277 §2.1).
    pub multiple_labels: SmallVec<[Family; 2]>,
    /// IPv4 families that accept IPv6 next hops (RFC 8950).
    pub extended_next_hop: SmallVec<[Family; 2]>,
    /// The peer takes ROUTE-REFRESH (RFC 2918).
    pub route_refresh: bool,
    /// Both mark begin and end of a refresh (RFC 7313).
    pub enhanced_route_refresh: bool,
}

impl Negotiated {
    /// A session that agreed on nothing: IPv4 unicast between 2-octet AS speakers.
    #[must_use]
    pub fn baseline(peer_kind: PeerKind) -> Self {
        Self {
            peer_kind,
            four_octet_as: false,
            max_message_len: 4096,
            families: SmallVec::from_slice(&[Family::IPV4_UNICAST]),
            add_path_receive: SmallVec::new(),
            add_path_send: SmallVec::new(),
            multiple_labels: SmallVec::new(),
            extended_next_hop: SmallVec::new(),
            route_refresh: false,
            enhanced_route_refresh: false,
        }
    }

    /// How to read NLRI of this family.
    #[inline]
    #[must_use]
    pub fn receive_format(&self, family: Family) -> NlriFormat {
        NlriFormat {
            add_path: self.add_path_receive.contains(&family),
            multiple_labels: self.multiple_labels.contains(&family),
        }
    }

    /// How to write NLRI of this family.
    #[inline]
    #[must_use]
    pub fn send_format(&self, family: Family) -> NlriFormat {
        NlriFormat {
            add_path: self.add_path_send.contains(&family),
            multiple_labels: self.multiple_labels.contains(&family),
        }
    }
}
