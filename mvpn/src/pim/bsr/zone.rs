//! A scope zone: who is its BSR, what the BSR says, and what candidates told us if it is us.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use fwd_core::time::Instant;

use super::config::CandidateBsr;
use super::fsm::BsrState;
use crate::address::Address;
use crate::pim::rp_set::{CandidateRp, RpAddress, RpMode};
use crate::pim::wire::Bootstrap;

/// A scope zone (RFC 5059 §1.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Zone<A: Address> {
    /// That of non-scoped Bootstrap messages.
    Global,
    /// An administrative scope zone: an IPv4 range of groups, or an IPv6 scope as `ffxS::/16` with x zero.
    Scoped(A::Prefix),
}

/// The RPs that the BSR gives a range.
#[derive(Clone, Debug)]
pub(super) struct Mapping<A> {
    pub(super) mode: RpMode,
    pub(super) rps: Vec<CandidateRp<A>>,
}

/// RPs of a range, of which fragments are still awaited (RFC 5059 §4.1.1).
#[derive(Clone, Debug)]
pub(super) struct Partial<A> {
    pub(super) tag: u16,
    pub(super) rps: Vec<(CandidateRp<A>, u16)>,
}

/// A mapping of the C-RP-Set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Advertised {
    pub(super) priority: u8,
    pub(super) holdtime: u16,
    pub(super) mode: RpMode,
}

#[derive(Clone, Debug)]
pub(super) struct ZoneState<A: RpAddress> {
    pub(super) state: BsrState,
    /// Whether an operator configured it, or it is the global one: then it does not expire.
    pub(super) configured: bool,
    pub(super) candidate: Option<CandidateBsr<A>>,
    /// The current BSR and its priority.
    pub(super) bsr: Option<(u8, A)>,
    pub(super) hash_mask_len: u8,
    /// Whether a BSM was ever accepted.
    pub(super) accepted: bool,
    /// Fragments of the last BSM.
    pub(super) last: Vec<Bootstrap>,
    pub(super) mappings: BTreeMap<A::Prefix, Mapping<A>>,
    pub(super) partial: BTreeMap<A::Prefix, Partial<A>>,
    /// C-RP-Set, at the elected BSR.
    pub(super) candidates: BTreeMap<A::Prefix, BTreeMap<A, Advertised>>,
    /// Ranges that the elected BSR withdraws, and until when (RFC 5059 §4.1.1).
    pub(super) withdrawn: BTreeMap<A::Prefix, Instant>,
    /// When the elected BSR sent last.
    pub(super) sent: Option<Instant>,
    pub(super) tag: u16,
}

impl<A: RpAddress> ZoneState<A> {
    pub(super) const fn new(configured: bool) -> Self {
        Self {
            state: if configured { BsrState::AcceptAny } else { BsrState::NoInfo },
            configured,
            candidate: None,
            bsr: None,
            hash_mask_len: A::HASH_MASK_LEN,
            accepted: false,
            last: Vec::new(),
            mappings: BTreeMap::new(),
            partial: BTreeMap::new(),
            candidates: BTreeMap::new(),
            withdrawn: BTreeMap::new(),
            sent: None,
            tag: 0,
        }
    }

    /// This candidate's weight.
    pub(super) fn own_weight(&self) -> Option<(u8, A)> {
        self.candidate.map(|c| (c.priority, c.address))
    }
}

/// Zones of a family.
pub trait ZoneAddress: RpAddress {
    /// The zone that a range of groups with the Admin Scope Zone bit names; `None` where it names none: IPv6 ranges shorter than
    /// 16 bits (RFC 5059 §3.1).
    fn zone(range: &Self::Prefix) -> Option<Self::Prefix>;

    /// Whether a range lies in a zone, or is all of it.
    fn zone_contains(zone: &Self::Prefix, range: &Self::Prefix) -> bool;

    /// Whether a zone lies in a range that is longer than it (RFC 5059 §3.2).
    fn zone_within(zone: &Self::Prefix, range: &Self::Prefix) -> bool;

    /// Whether messages of a zone may not cross the border of another: it is that zone or one within (RFC 5059 §3.4).
    fn is_confined(zone: &Self::Prefix, border: &Self::Prefix) -> bool;
}

impl ZoneAddress for core::net::Ipv4Addr {
    fn zone(range: &Self::Prefix) -> Option<Self::Prefix> {
        Some(*range)
    }

    fn zone_contains(zone: &Self::Prefix, range: &Self::Prefix) -> bool {
        zone.covers(range)
    }

    fn zone_within(zone: &Self::Prefix, range: &Self::Prefix) -> bool {
        range.covers(zone) && range != zone
    }

    fn is_confined(zone: &Self::Prefix, border: &Self::Prefix) -> bool {
        border.covers(zone)
    }
}

/// The scope of an IPv6 group.
const fn scope(address: core::net::Ipv6Addr) -> u8 {
    let [_, flags_and_scope, ..] = address.octets();
    flags_and_scope & 0x0f
}

impl ZoneAddress for core::net::Ipv6Addr {
    fn zone(range: &Self::Prefix) -> Option<Self::Prefix> {
        if range.bit_len() < 16 {
            return None;
        }
        Self::new(0xff00 | u16::from(scope(range.addr())), 0, 0, 0, 0, 0, 0, 0).prefix(16)
    }

    fn zone_contains(zone: &Self::Prefix, range: &Self::Prefix) -> bool {
        range.bit_len() >= 16 && scope(range.addr()) == scope(zone.addr())
    }

    fn zone_within(_zone: &Self::Prefix, range: &Self::Prefix) -> bool {
        range.bit_len() < 16
    }

    fn is_confined(zone: &Self::Prefix, border: &Self::Prefix) -> bool {
        scope(zone.addr()) <= scope(border.addr())
    }
}
