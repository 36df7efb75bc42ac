//! What a malformed UPDATE costs: the one table of RFC 7606 actions.
//!
//! [`RULES`] has a row for every attribute this crate knows; what is not in a row is in this list:
//!
//! | Fault | Action | Section |
//! |---|---|---|
//! | Withdrawn Routes or Total Path Attribute Length beyond the message | session reset | RFC 7606 §3 b |
//! | an attribute's length beyond the attributes, or a part of a header left over | treat-as-withdraw | RFC 7606 §4 |
//! | ORIGIN or AS_PATH missing beside reachable NLRI, NEXT_HOP beside the NLRI field, LOCAL_PREF from an internal peer | treat-as-withdraw | RFC 7606 §3 d, RFC 4760 §3 |
//! | an unknown well-known attribute | session reset | RFC 4271 §6.3, which RFC 7606 leaves |
//! | MP_REACH_NLRI or MP_UNREACH_NLRI twice | session reset | RFC 7606 §3 g |
//! | another attribute twice | attribute discard, of all but the first | RFC 7606 §3 g |
//! | any fault above attribute discard in an UPDATE with attributes and no reachable NLRI | session reset | RFC 7606 §5.2 |
//! | the Withdrawn Routes or NLRI field is malformed | session reset | RFC 7606 §3 j, §5.3 |
//! | the NLRI of MP_REACH_NLRI or MP_UNREACH_NLRI are malformed | AFI/SAFI disable | RFC 7606 §3 j, RFC 4760 §7 |
//!
//! Where RFC 7606 lets us choose between session reset and AFI/SAFI disable, the family is disabled, so that the others live.

use fwd_core::Fault;

use super::notification::subcode::update as subcode;
use crate::attr::{AsWidth, AttrFlags, AttrType};
use crate::session::PeerKind;

/// What to do about a fault in an UPDATE, mildest first (RFC 7606 §2). Each includes the milder ones for the other faults of
/// the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum FaultAction {
    /// Drop the attribute and go on.
    AttributeDiscard,
    /// Treat every route of the UPDATE as withdrawn.
    TreatAsWithdraw,
    /// Stop using this address family on the session (RFC 4760 §7).
    DisableFamily,
    /// Send a NOTIFICATION and close the session.
    SessionReset,
}

/// The length that an attribute's value must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LengthRule {
    /// So many octets.
    Exactly(usize),
    /// Four octets and an AS number, as wide as the session has them (RFC 7606 §7.7).
    AsNumberAnd4,
    /// A multiple of four, but not zero.
    MultipleOf4,
    /// A multiple of eight, but not zero.
    MultipleOf8,
    /// A multiple of twelve, but not zero.
    MultipleOf12,
    /// A multiple of twenty, but not zero.
    MultipleOf20,
    /// Entries of 7 octets, or of 19, but not none (RFC 6514 §8).
    MultipleOf7Or19,
    /// At least so many octets; 0 for any.
    AtLeast(usize),
}

impl LengthRule {
    /// Whether a value may have `len` octets.
    #[inline]
    #[must_use]
    pub const fn allows(self, len: usize, width: AsWidth) -> bool {
        match self {
            Self::Exactly(n) => len == n,
            Self::AsNumberAnd4 => match width {
                AsWidth::Two => len == 6,
                AsWidth::Four => len == 8,
            },
            Self::MultipleOf4 => len != 0 && len % 4 == 0,
            Self::MultipleOf8 => len != 0 && len % 8 == 0,
            Self::MultipleOf12 => len != 0 && len % 12 == 0,
            Self::MultipleOf20 => len != 0 && len % 20 == 0,
            Self::MultipleOf7Or19 => len != 0 && (len % 7 == 0 || len % 19 == 0),
            Self::AtLeast(n) => len >= n,
        }
    }
}

/// On which sessions an attribute means something; on others it is discarded unread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sessions {
    /// On all.
    Any,
    /// With internal peers.
    Internal,
    /// With peers that lack 4-octet AS numbers (RFC 6793 §6).
    TwoOctetAs,
}

impl Sessions {
    /// Whether the session is one of them.
    #[inline]
    #[must_use]
    pub const fn includes(self, peer_kind: PeerKind, width: AsWidth) -> bool {
        match self {
            Self::Any => true,
            Self::Internal => matches!(peer_kind, PeerKind::Internal),
            Self::TwoOctetAs => matches!(width, AsWidth::Two),
        }
    }
}

/// One row of the table: how an attribute must look, and what happens when it does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttributeRule {
    /// The attribute.
    pub attr_type: AttrType,
    /// What the Optional and Transitive bits must be.
    pub flags: AttrFlags,
    /// What the length must be.
    pub length: LengthRule,
    /// Where the attribute means something.
    pub sessions: Sessions,
    /// What wrong flags cost.
    pub wrong_flags: FaultAction,
    /// What a wrong length or value costs.
    pub malformed: FaultAction,
}

const DISCARD: FaultAction = FaultAction::AttributeDiscard;
const WITHDRAW: FaultAction = FaultAction::TreatAsWithdraw;
const DISABLE: FaultAction = FaultAction::DisableFamily;

const fn rule(attr_type: AttrType, flags: AttrFlags, length: LengthRule, malformed: FaultAction) -> AttributeRule {
    AttributeRule { attr_type, flags, length, sessions: Sessions::Any, wrong_flags: WITHDRAW, malformed }
}

const fn only(sessions: Sessions, rule: AttributeRule) -> AttributeRule {
    AttributeRule { sessions, ..rule }
}

const WELL_KNOWN: AttrFlags = AttrFlags::WELL_KNOWN;
const TRANSITIVE: AttrFlags = AttrFlags::OPTIONAL_TRANSITIVE;
const NON_TRANSITIVE: AttrFlags = AttrFlags::OPTIONAL_NON_TRANSITIVE;

/// The table, ordered by type. Wrong flags are treat-as-withdraw for all but the two attributes that hold NLRI
/// (RFC 7606 §3 c, §5.3). RFC 7606 §3 f does not change that for ATOMIC_AGGREGATE and AGGREGATOR: with §3 c their flags no
/// longer are a case that resets the session.
pub const RULES: [AttributeRule; 23] = [
    // RFC 7606 §7.1: also an undefined value.
    rule(AttrType::ORIGIN, WELL_KNOWN, LengthRule::Exactly(1), WITHDRAW),
    // RFC 7606 §7.2: segments; also confederation segments from an external peer (RFC 5065 §5, RFC 7606 §3 e).
    rule(AttrType::AS_PATH, WELL_KNOWN, LengthRule::AtLeast(0), WITHDRAW),
    // RFC 7606 §7.3; an address that no host has: RFC 4271 §6.3, RFC 7606 §3 e.
    rule(AttrType::NEXT_HOP, WELL_KNOWN, LengthRule::Exactly(4), WITHDRAW),
    // RFC 7606 §7.4.
    rule(AttrType::MULTI_EXIT_DISC, NON_TRANSITIVE, LengthRule::Exactly(4), WITHDRAW),
    // RFC 7606 §7.5.
    only(Sessions::Internal, rule(AttrType::LOCAL_PREF, WELL_KNOWN, LengthRule::Exactly(4), WITHDRAW)),
    // RFC 7606 §7.6.
    rule(AttrType::ATOMIC_AGGREGATE, WELL_KNOWN, LengthRule::Exactly(0), DISCARD),
    // RFC 7606 §7.7.
    rule(AttrType::AGGREGATOR, TRANSITIVE, LengthRule::AsNumberAnd4, DISCARD),
    // RFC 7606 §7.8.
    rule(AttrType::COMMUNITIES, TRANSITIVE, LengthRule::MultipleOf4, WITHDRAW),
    // RFC 7606 §7.9.
    only(Sessions::Internal, rule(AttrType::ORIGINATOR_ID, NON_TRANSITIVE, LengthRule::Exactly(4), WITHDRAW)),
    // RFC 7606 §7.10.
    only(Sessions::Internal, rule(AttrType::CLUSTER_LIST, NON_TRANSITIVE, LengthRule::MultipleOf4, WITHDRAW)),
    // RFC 7606 §5.3, §7.11; the next hop's length is checked with the value.
    AttributeRule {
        wrong_flags: DISABLE,
        ..rule(AttrType::MP_REACH_NLRI, NON_TRANSITIVE, LengthRule::AtLeast(5), DISABLE)
    },
    // RFC 7606 §5.3, §7.12.
    AttributeRule {
        wrong_flags: DISABLE,
        ..rule(AttrType::MP_UNREACH_NLRI, NON_TRANSITIVE, LengthRule::AtLeast(3), DISABLE)
    },
    // RFC 7606 §7.14.
    rule(AttrType::EXTENDED_COMMUNITIES, TRANSITIVE, LengthRule::MultipleOf8, WITHDRAW),
    // RFC 6793 §6.
    only(Sessions::TwoOctetAs, rule(AttrType::AS4_PATH, TRANSITIVE, LengthRule::AtLeast(6), DISCARD)),
    only(Sessions::TwoOctetAs, rule(AttrType::AS4_AGGREGATOR, TRANSITIVE, LengthRule::Exactly(8), DISCARD)),
    // RFC 6514 §5. Its text covers UPDATEs with the Partial bit only; the others are handled alike.
    rule(AttrType::PMSI_TUNNEL, TRANSITIVE, LengthRule::AtLeast(5), WITHDRAW),
    // RFC 9012 §13: also a TLV that ends beyond the attribute.
    rule(AttrType::TUNNEL_ENCAPSULATION, TRANSITIVE, LengthRule::AtLeast(4), WITHDRAW),
    // RFC 7606 §7.15.
    rule(AttrType::IPV6_EXTENDED_COMMUNITIES, TRANSITIVE, LengthRule::MultipleOf20, WITHDRAW),
    // RFC 6514 §8. Its text covers UPDATEs with the Partial bit only; the others are handled alike.
    rule(AttrType::PE_DISTINGUISHER_LABELS, TRANSITIVE, LengthRule::MultipleOf7Or19, WITHDRAW),
    // RFC 8092 §6.
    rule(AttrType::LARGE_COMMUNITY, TRANSITIVE, LengthRule::MultipleOf12, WITHDRAW),
    // RFC 9026 §3.1.6.
    rule(AttrType::BFD_DISCRIMINATOR, TRANSITIVE, LengthRule::AtLeast(11), DISCARD),
    // RFC 8669 §4, §6: also a TLV that ends beyond the attribute; from an external peer it is discarded.
    only(Sessions::Internal, rule(AttrType::PREFIX_SID, TRANSITIVE, LengthRule::AtLeast(3), DISCARD)),
    // RFC 7606 §7.16, RFC 6368 §5: also attributes inside that are malformed.
    rule(AttrType::ATTR_SET, TRANSITIVE, LengthRule::AtLeast(4), WITHDRAW),
];

impl AttributeRule {
    /// The row of an attribute; `None` if this crate does not know it.
    #[must_use]
    pub fn of(attr_type: AttrType) -> Option<&'static Self> {
        RULES.get(usize::from(slot(attr_type)?))
    }
}

/// Where an attribute stands in [`RULES`].
#[inline]
pub(crate) const fn slot(attr_type: AttrType) -> Option<u8> {
    Some(match attr_type {
        AttrType::ORIGIN => 0,
        AttrType::AS_PATH => 1,
        AttrType::NEXT_HOP => 2,
        AttrType::MULTI_EXIT_DISC => 3,
        AttrType::LOCAL_PREF => 4,
        AttrType::ATOMIC_AGGREGATE => 5,
        AttrType::AGGREGATOR => 6,
        AttrType::COMMUNITIES => 7,
        AttrType::ORIGINATOR_ID => 8,
        AttrType::CLUSTER_LIST => 9,
        AttrType::MP_REACH_NLRI => 10,
        AttrType::MP_UNREACH_NLRI => 11,
        AttrType::EXTENDED_COMMUNITIES => 12,
        AttrType::AS4_PATH => 13,
        AttrType::AS4_AGGREGATOR => 14,
        AttrType::PMSI_TUNNEL => 15,
        AttrType::TUNNEL_ENCAPSULATION => 16,
        AttrType::IPV6_EXTENDED_COMMUNITIES => 17,
        AttrType::PE_DISTINGUISHER_LABELS => 18,
        AttrType::LARGE_COMMUNITY => 19,
        AttrType::BFD_DISCRIMINATOR => 20,
        AttrType::PREFIX_SID => 21,
        AttrType::ATTR_SET => 22,
        _ => return None,
    })
}

/// The sub-code that names a fault in the value of an attribute, should it reset the session (RFC 4271 §6.3).
pub(crate) const fn value_subcode(attr_type: AttrType, fault: Fault) -> u8 {
    match (attr_type, fault) {
        (AttrType::AS_PATH, _) => subcode::MALFORMED_AS_PATH,
        (AttrType::ORIGIN, Fault::Value(_)) => subcode::INVALID_ORIGIN_ATTRIBUTE,
        (AttrType::NEXT_HOP, Fault::Value(_)) => subcode::INVALID_NEXT_HOP_ATTRIBUTE,
        (
            AttrType::ORIGIN
            | AttrType::NEXT_HOP
            | AttrType::LOCAL_PREF
            | AttrType::ATOMIC_AGGREGATE
            | AttrType::MULTI_EXIT_DISC,
            _,
        ) => subcode::ATTRIBUTE_LENGTH_ERROR,
        _ => subcode::OPTIONAL_ATTRIBUTE_ERROR,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_ordered_and_every_row_is_found() {
        assert!(RULES.windows(2).all(|w| w[0].attr_type < w[1].attr_type));
        for rule in &RULES {
            assert_eq!(AttributeRule::of(rule.attr_type), Some(rule));
            assert!(rule.attr_type.name().is_some());
        }
        assert_eq!((0..=255).filter(|t| AttributeRule::of(AttrType(*t)).is_some()).count(), RULES.len());
    }
}
