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
pub struct LengthRule {
    min: u16,
    max: u16,
    multiple: u16,
}

impl LengthRule {
    /// So many octets.
    #[must_use]
    pub const fn exactly(n: u16) -> Self {
        Self { min: n, max: n, multiple: 1 }
    }

    /// A multiple of `n` octets, but not zero.
    #[must_use]
    pub const fn multiple_of(n: u16) -> Self {
        Self { min: n, max: u16::MAX, multiple: n }
    }

    /// At least so many octets; 0 for any.
    #[must_use]
    pub const fn at_least(n: u16) -> Self {
        Self { min: n, max: u16::MAX, multiple: 1 }
    }

    /// Whether a value may have `len` octets.
    #[inline]
    #[must_use]
    pub const fn allows(self, len: usize) -> bool {
        let (min, max) = (self.min as usize, self.max as usize);
        // The least length is the usual one: most attributes cost no division.
        len == min || len > min && len <= max && matches!(len.checked_rem(self.multiple as usize), Some(0))
    }
}

/// On which sessions an attribute means something; on others it is discarded unread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sessions(u8);

impl Sessions {
    /// On all.
    pub const ANY: Self = Self(0b1111);
    /// With internal peers.
    pub const INTERNAL: Self = Self(0b0011);
    /// With peers that lack 4-octet AS numbers (RFC 6793 §6).
    pub const TWO_OCTET_AS: Self = Self(0b0101);

    /// The session of this kind.
    #[inline]
    #[must_use]
    pub const fn of(peer_kind: PeerKind, width: AsWidth) -> Self {
        match (peer_kind, width) {
            (PeerKind::Internal, AsWidth::Two) => Self(0b0001),
            (PeerKind::Internal, AsWidth::Four) => Self(0b0010),
            (PeerKind::External, AsWidth::Two) => Self(0b0100),
            (PeerKind::External, AsWidth::Four) => Self(0b1000),
        }
    }

    /// Whether the session is one of these.
    #[inline]
    #[must_use]
    pub const fn include(self, session: Self) -> bool {
        self.0 & session.0 != 0
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
    /// Whether the value has a structure that is checked beyond its length.
    pub structured: bool,
}

const DISCARD: FaultAction = FaultAction::AttributeDiscard;
const WITHDRAW: FaultAction = FaultAction::TreatAsWithdraw;
const DISABLE: FaultAction = FaultAction::DisableFamily;

const fn rule(attr_type: AttrType, flags: AttrFlags, length: LengthRule, malformed: FaultAction) -> AttributeRule {
    let (sessions, wrong_flags) = (Sessions::ANY, WITHDRAW);
    AttributeRule { attr_type, flags, length, sessions, wrong_flags, malformed, structured: false }
}

/// A row of an attribute whose value is checked too.
const fn structured(rule: AttributeRule) -> AttributeRule {
    AttributeRule { structured: true, ..rule }
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
    structured(rule(AttrType::ORIGIN, WELL_KNOWN, LengthRule::exactly(1), WITHDRAW)),
    // RFC 7606 §7.2: segments; also confederation segments from an external peer (RFC 5065 §5, RFC 7606 §3 e).
    structured(rule(AttrType::AS_PATH, WELL_KNOWN, LengthRule::at_least(0), WITHDRAW)),
    // RFC 7606 §7.3; an address that no host has: RFC 4271 §6.3, RFC 7606 §3 e.
    rule(AttrType::NEXT_HOP, WELL_KNOWN, LengthRule::exactly(4), WITHDRAW),
    // RFC 7606 §7.4.
    rule(AttrType::MULTI_EXIT_DISC, NON_TRANSITIVE, LengthRule::exactly(4), WITHDRAW),
    // RFC 7606 §7.5.
    only(Sessions::INTERNAL, rule(AttrType::LOCAL_PREF, WELL_KNOWN, LengthRule::exactly(4), WITHDRAW)),
    // RFC 7606 §7.6.
    rule(AttrType::ATOMIC_AGGREGATE, WELL_KNOWN, LengthRule::exactly(0), DISCARD),
    // RFC 7606 §7.7: six octets, or eight with 4-octet AS numbers.
    structured(rule(AttrType::AGGREGATOR, TRANSITIVE, LengthRule::at_least(6), DISCARD)),
    // RFC 7606 §7.8.
    rule(AttrType::COMMUNITIES, TRANSITIVE, LengthRule::multiple_of(4), WITHDRAW),
    // RFC 7606 §7.9.
    only(Sessions::INTERNAL, rule(AttrType::ORIGINATOR_ID, NON_TRANSITIVE, LengthRule::exactly(4), WITHDRAW)),
    // RFC 7606 §7.10.
    only(Sessions::INTERNAL, rule(AttrType::CLUSTER_LIST, NON_TRANSITIVE, LengthRule::multiple_of(4), WITHDRAW)),
    // RFC 7606 §5.3; §7.11: also a next hop that the family does not have on the session.
    AttributeRule {
        wrong_flags: DISABLE,
        ..structured(rule(AttrType::MP_REACH_NLRI, NON_TRANSITIVE, LengthRule::at_least(5), DISABLE))
    },
    // RFC 7606 §5.3, §7.12.
    AttributeRule {
        wrong_flags: DISABLE,
        ..structured(rule(AttrType::MP_UNREACH_NLRI, NON_TRANSITIVE, LengthRule::at_least(3), DISABLE))
    },
    // RFC 7606 §7.14.
    rule(AttrType::EXTENDED_COMMUNITIES, TRANSITIVE, LengthRule::multiple_of(8), WITHDRAW),
    // RFC 6793 §6: also segments as in AS_PATH.
    structured(only(Sessions::TWO_OCTET_AS, rule(AttrType::AS4_PATH, TRANSITIVE, LengthRule::at_least(6), DISCARD))),
    only(Sessions::TWO_OCTET_AS, rule(AttrType::AS4_AGGREGATOR, TRANSITIVE, LengthRule::exactly(8), DISCARD)),
    // RFC 6514 §5: also an identifier that does not follow its tunnel type, or a composite that none is (RFC 8317 §6.2). Its text
    // covers UPDATEs with the Partial bit only; the others are handled alike. A tunnel type that is not defined costs nothing here:
    // a reflector passes it on, and who would join the tunnel finds that it cannot.
    structured(rule(AttrType::PMSI_TUNNEL, TRANSITIVE, LengthRule::at_least(5), WITHDRAW)),
    // RFC 9012 §13: also a TLV that ends beyond the attribute.
    structured(rule(AttrType::TUNNEL_ENCAPSULATION, TRANSITIVE, LengthRule::at_least(4), WITHDRAW)),
    // RFC 7606 §7.15.
    rule(AttrType::IPV6_EXTENDED_COMMUNITIES, TRANSITIVE, LengthRule::multiple_of(20), WITHDRAW),
    // RFC 6514 §8: entries of 7 octets, or of 19, with unicast addresses. Its text covers UPDATEs with the Partial bit only; the others are handled
    // alike.
    structured(rule(AttrType::PE_DISTINGUISHER_LABELS, TRANSITIVE, LengthRule::at_least(7), WITHDRAW)),
    // RFC 8092 §6.
    rule(AttrType::LARGE_COMMUNITY, TRANSITIVE, LengthRule::multiple_of(12), WITHDRAW),
    // RFC 9026 §3.1.6: also a TLV that ends beyond the attribute.
    structured(rule(AttrType::BFD_DISCRIMINATOR, TRANSITIVE, LengthRule::at_least(11), DISCARD)),
    // RFC 8669 §4, §6: also a TLV that ends beyond the attribute; from an external peer it is discarded.
    structured(only(Sessions::INTERNAL, rule(AttrType::PREFIX_SID, TRANSITIVE, LengthRule::at_least(3), DISCARD))),
    // RFC 7606 §7.16, RFC 6368 §5: also attributes inside that are malformed.
    structured(rule(AttrType::ATTR_SET, TRANSITIVE, LengthRule::at_least(4), WITHDRAW)),
];

impl AttributeRule {
    /// The row of an attribute; `None` if this crate does not know it.
    #[must_use]
    pub fn of(attr_type: AttrType) -> Option<&'static Self> {
        RULES.get(usize::from(slot(attr_type)?))
    }
}

/// Where an attribute stands in [`RULES`]; [`NO_SLOT`] for those that this crate does not know.
static SLOTS: [u8; 256] = {
    let mut slots = [NO_SLOT; 256];
    let mut slot = 0;
    // Evaluated at compile time: an index beyond the table would not compile.
    #[allow(clippy::indexing_slicing, clippy::arithmetic_side_effects)]
    while slot < RULES.len() {
        slots[RULES[slot].attr_type.0 as usize] = slot as u8;
        slot += 1;
    }
    slots
};

const NO_SLOT: u8 = u8::MAX;

/// Where an attribute stands in [`RULES`].
#[inline]
pub(crate) fn slot(attr_type: AttrType) -> Option<u8> {
    SLOTS.get(usize::from(attr_type.0)).copied().filter(|slot| *slot != NO_SLOT)
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
