//! The Path Attributes field of an UPDATE: one pass over its octets with the checks of RFC 7606.

use alloc::vec::Vec;
use core::net::Ipv4Addr;

use fwd_core::codec::Fail;
use fwd_core::{Fault, Malformed};
use nom::Offset;

use super::notification::subcode::update as subcode;
use super::update_action::{AttributeRule, RULES, Sessions, slot, value_subcode};
use super::{ErrorCode, FaultAction, Notification};
use crate::attr::{
    Aggregator, As4Path, AsPath, AsWidth, AttrFlags, AttrType, Attributes, BfdDiscriminator, MpReach, MpUnreach,
    NextHopAttribute, Origin, PeDistinguisherLabels, PmsiTunnel, PrefixSid, RawAttribute, TunnelEncapsulation,
};
use crate::nlri::Family;
use crate::session::{Negotiated, PeerKind};

/// A fault in an attribute of an UPDATE, and what RFC 7606 says to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AttributeFault<'a> {
    /// The attribute.
    pub attr_type: AttrType,
    /// The attribute as received, header included; empty where it is missing.
    pub octets: &'a [u8],
    /// What is wrong; the offset counts from the start of the message's body.
    pub malformed: Malformed,
    /// What to do, [`FaultAction::SessionReset`] where RFC 7606 §5.2 made it so.
    pub action: FaultAction,
    /// The family that [`FaultAction::DisableFamily`] disables.
    pub family: Option<Family>,
    /// The sub-code of the NOTIFICATION, should the session be reset.
    pub subcode: u8,
}

impl AttributeFault<'_> {
    /// The NOTIFICATION to send if the session is reset: UPDATE Message Error with the attribute as data, or the type code of
    /// the missing one (RFC 4271 §6.3).
    #[must_use]
    pub fn notification(&self) -> Notification {
        match self.subcode {
            subcode::MALFORMED_ATTRIBUTE_LIST => Notification::new(ErrorCode::UPDATE, self.subcode),
            subcode::MISSING_WELL_KNOWN_ATTRIBUTE => {
                Notification::with_data(ErrorCode::UPDATE, self.subcode, &[self.attr_type.0])
            }
            _ => Notification::with_data(ErrorCode::UPDATE, self.subcode, self.octets),
        }
    }
}

/// Faults of one UPDATE. A message may hold thousands; the first ones are kept, and the strongest action of all.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(super) struct Faults<'a> {
    pub(super) kept: Vec<AttributeFault<'a>>,
    pub(super) action: Option<FaultAction>,
}

/// Faults kept of one UPDATE.
pub(super) const FAULTS_KEPT: usize = 16;

impl<'a> Faults<'a> {
    /// Adds a fault. When the list is full, one that is stronger than all kept takes the last place.
    #[cold]
    pub(super) fn add(&mut self, fault: AttributeFault<'a>) {
        let stronger = self.action < Some(fault.action);
        self.action = self.action.max(Some(fault.action));
        if self.kept.len() < FAULTS_KEPT {
            self.kept.push(fault);
        } else if let Some(last) = self.kept.last_mut().filter(|_| stronger) {
            *last = fault;
        }
    }

    /// The first of the strongest faults.
    pub(super) fn strongest(&self) -> Option<&AttributeFault<'a>> {
        self.kept.iter().find(|fault| Some(fault.action) == self.action)
    }

    /// Makes every fault above attribute discard reset the session (RFC 7606 §5.2).
    #[cold]
    pub(super) fn escalate(&mut self) {
        self.action = Some(FaultAction::SessionReset);
        for fault in self.kept.iter_mut().filter(|fault| fault.action > FaultAction::AttributeDiscard) {
            fault.action = FaultAction::SessionReset;
        }
    }
}

/// What is wrong with one attribute. The offset counts from its value.
struct Objection {
    malformed: Malformed,
    action: FaultAction,
    subcode: u8,
}

impl Objection {
    #[cold]
    fn new(field: &'static str, fault: Fault, action: FaultAction, subcode: u8) -> Self {
        Self { malformed: Malformed { offset: 0, field, fault }, action, subcode }
    }

    /// The objection as a fault of the attribute `octets`, whose value stands at `value_at` in the message's body. A family that
    /// cannot be told cannot be disabled.
    #[cold]
    fn of<'a>(self, raw: &RawAttribute<'a>, octets: &'a [u8], value_at: usize) -> AttributeFault<'a> {
        let Self { malformed, action, subcode } = self;
        let family = match raw.attr_type {
            AttrType::MP_REACH_NLRI | AttrType::MP_UNREACH_NLRI => Family::take(raw.value).ok().map(|(_, f)| f),
            _ => None,
        };
        let action = match (action, family) {
            (FaultAction::DisableFamily, None) => FaultAction::SessionReset,
            (action, _) => action,
        };
        let malformed = Malformed { offset: malformed.offset.saturating_add(value_at), ..malformed };
        AttributeFault { attr_type: raw.attr_type, octets, malformed, action, family, subcode }
    }
}

/// Reads the Path Attributes field of `attributes` that stands `base` octets into the message's body.
#[inline]
pub(super) fn read<'a>(attributes: &mut Attributes<'a>, base: usize, negotiated: &Negotiated, faults: &mut Faults<'a>) {
    let octets = attributes.octets();
    let width = attributes.width();
    let session = Sessions::of(negotiated.peer_kind, width);
    let (mut seen_known, mut seen_unknown) = (0u32, [0u64; 4]);
    let mut rest = octets;
    while !rest.is_empty() {
        let at = rest;
        let raw = match RawAttribute::take(rest) {
            Ok((after, raw)) => {
                rest = after;
                raw
            }
            Err(fail) => return faults.add(overrun(octets, at, base, fail)),
        };
        let value_at = octets.offset(raw.value);
        let objection = match slot(raw.attr_type).and_then(|slot| Some((slot, RULES.get(usize::from(slot))?))) {
            Some((slot, rule)) => {
                let bit = 1u32.wrapping_shl(u32::from(slot));
                let again = seen_known & bit != 0;
                seen_known |= bit;
                if again {
                    Err(repeated(raw.attr_type))
                } else {
                    check(&raw, rule, session, width)
                        .and_then(|()| take_into(attributes, raw, negotiated))
                        .map(|()| attributes.note(slot, value_at, raw.value.len()))
                }
            }
            None => unknown(&raw, &mut seen_unknown),
        };
        if let Err(objection) = objection {
            let whole = at.get(..at.offset(rest)).unwrap_or(at);
            faults.add(objection.of(&raw, whole, base.saturating_add(value_at)));
        }
    }
}

/// Whether the type was not seen before; it is from now on.
#[inline]
fn first_time(seen: &mut [u64; 4], AttrType(attr_type): AttrType) -> bool {
    let Some(word) = seen.get_mut(usize::from(attr_type >> 6)) else { return false };
    let bit = 1u64 << (attr_type & 63);
    let first = *word & bit == 0;
    *word |= bit;
    first
}

/// RFC 7606 §4: what is left is no whole attribute.
#[cold]
fn overrun<'a>(octets: &'a [u8], at: &'a [u8], base: usize, fail: nom::Err<Fail<'_>>) -> AttributeFault<'a> {
    let malformed = within(fail, octets);
    AttributeFault {
        attr_type: AttrType(at.get(1).copied().unwrap_or_default()),
        octets: at,
        malformed: Malformed { offset: malformed.offset.saturating_add(base), ..malformed },
        action: FaultAction::TreatAsWithdraw,
        family: None,
        subcode: subcode::MALFORMED_ATTRIBUTE_LIST,
    }
}

/// RFC 7606 §3 g.
#[cold]
fn repeated(attr_type: AttrType) -> Objection {
    let action = match attr_type {
        AttrType::MP_REACH_NLRI | AttrType::MP_UNREACH_NLRI => FaultAction::SessionReset,
        _ => FaultAction::AttributeDiscard,
    };
    let fault = Fault::Value(u32::from(attr_type.0));
    Objection::new("repeated attribute", fault, action, subcode::MALFORMED_ATTRIBUTE_LIST)
}

/// Checks what the table of actions knows: sessions, flags, length; then the value, where it has a structure.
#[inline]
fn check(raw: &RawAttribute<'_>, rule: &AttributeRule, session: Sessions, width: AsWidth) -> Result<(), Objection> {
    let flags = raw.flags.bits() & AttrFlags::OPTIONAL_TRANSITIVE.bits();
    if !rule.sessions.include(session) || flags != rule.flags.bits() || !rule.length.allows(raw.value.len()) {
        return Err(frame_objection(raw, rule, session));
    }
    if !rule.structured {
        return Ok(());
    }
    value(raw, session, width).map_err(|malformed| Objection {
        malformed,
        action: rule.malformed,
        subcode: value_subcode(raw.attr_type, malformed.fault),
    })
}

/// An attribute that this crate does not know must be optional (RFC 4271 §6.3), and is kept.
#[inline(never)]
fn unknown(raw: &RawAttribute<'_>, seen: &mut [u64; 4]) -> Result<(), Objection> {
    if !first_time(seen, raw.attr_type) {
        return Err(repeated(raw.attr_type));
    }
    if raw.flags.contains(AttrFlags::OPTIONAL) {
        return Ok(());
    }
    let fault = Fault::Value(u32::from(raw.attr_type.0));
    let subcode = subcode::UNRECOGNIZED_WELL_KNOWN_ATTRIBUTE;
    Err(Objection::new("unknown well-known attribute", fault, FaultAction::SessionReset, subcode))
}

/// Which of sessions, flags and length is wrong.
#[cold]
fn frame_objection(raw: &RawAttribute<'_>, rule: &AttributeRule, session: Sessions) -> Objection {
    if !rule.sessions.include(session) {
        let fault = Fault::Value(u32::from(raw.attr_type.0));
        let subcode = subcode::OPTIONAL_ATTRIBUTE_ERROR;
        return Objection::new("attribute of other sessions", fault, FaultAction::AttributeDiscard, subcode);
    }
    let flags = raw.flags & AttrFlags::OPTIONAL_TRANSITIVE;
    if flags != rule.flags {
        let fault = Fault::Value(u32::from(raw.flags.bits()));
        return Objection::new("attribute flags", fault, rule.wrong_flags, subcode::ATTRIBUTE_FLAGS_ERROR);
    }
    let fault = Fault::Length(raw.value.len());
    Objection::new("attribute length", fault, rule.malformed, value_subcode(raw.attr_type, fault))
}

/// Checks the value of an attribute whose octets must follow a structure; those with NLRI are checked when they are taken.
#[inline]
fn value(raw: &RawAttribute<'_>, session: Sessions, width: AsWidth) -> Result<(), Malformed> {
    match raw.attr_type {
        AttrType::ORIGIN => Origin::parse(raw.value).map(|_| ()),
        AttrType::AS_PATH => {
            let path = AsPath::parse(raw.value, width)?;
            if !Sessions::INTERNAL.include(session) && path.has_confed() {
                return Err(Malformed { offset: 0, field: "path segment type", fault: Fault::Value(3) });
            }
            Ok(())
        }
        AttrType::MP_REACH_NLRI | AttrType::MP_UNREACH_NLRI => Ok(()),
        _ => rare_value(raw, width),
    }
}

/// As [`value`], for attributes that few routes have.
#[inline(never)]
fn rare_value(raw: &RawAttribute<'_>, width: AsWidth) -> Result<(), Malformed> {
    match raw.attr_type {
        AttrType::AGGREGATOR => Aggregator::parse(raw.value, width).map(|_| ()),
        AttrType::AS4_PATH => As4Path::parse(raw.value).map(|_| ()),
        AttrType::ATTR_SET => attr_set(raw.value),
        AttrType::PMSI_TUNNEL => PmsiTunnel::parse(raw.value).map(|_| ()),
        AttrType::BFD_DISCRIMINATOR => BfdDiscriminator::parse(raw.value).map(|_| ()),
        AttrType::PREFIX_SID => PrefixSid::parse(raw.value).map(|_| ()),
        AttrType::TUNNEL_ENCAPSULATION => TunnelEncapsulation::parse(raw.value).map(|_| ()),
        AttrType::PE_DISTINGUISHER_LABELS => PeDistinguisherLabels::parse(raw.value).map(|_| ()),
        _ => Ok(()),
    }
}

/// RFC 6368 §5: the customer's attributes must be sound, have 4-octet AS numbers, and hold no NLRI. A nested ATTR_SET is not
/// looked into.
fn attr_set(value: &[u8]) -> Result<(), Malformed> {
    let mut rest = value.get(4..).unwrap_or_default();
    while !rest.is_empty() {
        let fault = |fault| Err(Malformed { offset: value.offset(rest), field: "customer attribute", fault });
        let Ok((after, raw)) = RawAttribute::take(rest) else { return fault(Fault::Truncated) };
        let sound = match raw.attr_type {
            AttrType::MP_REACH_NLRI | AttrType::MP_UNREACH_NLRI => false,
            AttrType::ATTR_SET => raw.value.len() >= 4,
            // Of 2-octet AS speakers on the way to the customer's PE: they say nothing here, and do no harm.
            AttrType::AS4_PATH | AttrType::AS4_AGGREGATOR => true,
            attr_type => {
                let session = Sessions::of(PeerKind::Internal, AsWidth::Four);
                AttributeRule::of(attr_type).is_none_or(|rule| check(&raw, rule, session, AsWidth::Four).is_ok())
            }
        };
        if !sound {
            return fault(Fault::Value(u32::from(raw.attr_type.0)));
        }
        rest = after;
    }
    Ok(())
}

/// Where in `whole` a field failed.
#[cold]
fn within(fail: nom::Err<Fail<'_>>, whole: &[u8]) -> Malformed {
    match fail {
        nom::Err::Error(fail) | nom::Err::Failure(fail) => fail.within(whole),
        nom::Err::Incomplete(_) => Malformed { offset: whole.len(), field: "end", fault: Fault::Truncated },
    }
}

/// Takes a sound attribute into the set; those with NLRI are read as far as the NLRI.
#[inline]
fn take_into<'a>(
    attributes: &mut Attributes<'a>,
    raw: RawAttribute<'a>,
    negotiated: &Negotiated,
) -> Result<(), Objection> {
    let objection = |fail| Objection {
        malformed: within(fail, raw.value),
        action: FaultAction::DisableFamily,
        subcode: subcode::OPTIONAL_ATTRIBUTE_ERROR,
    };
    match raw.attr_type {
        AttrType::MP_REACH_NLRI => {
            attributes.set_mp_reach(MpReach::take(raw.value, negotiated).map_err(objection)?.1);
        }
        AttrType::MP_UNREACH_NLRI => {
            attributes.set_mp_unreach(MpUnreach::take(raw.value, negotiated).map_err(objection)?.1);
        }
        _ => {}
    }
    Ok(())
}

/// The faults of a set as a whole, beside reachable NLRI: well-known attributes that are missing (RFC 7606 §3 d, RFC 4760 §3),
/// and a NEXT_HOP that no host has (RFC 4271 §6.3), where the NLRI field needs one.
#[inline]
pub(super) fn check_well_known<'a>(
    attributes: &Attributes<'a>,
    base: usize,
    nlri_field: bool,
    peer_kind: PeerKind,
    faults: &mut Faults<'a>,
) {
    let required = [
        (AttrType::ORIGIN, true),
        (AttrType::AS_PATH, true),
        (AttrType::NEXT_HOP, nlri_field),
        (AttrType::LOCAL_PREF, peer_kind == PeerKind::Internal),
    ];
    for (attr_type, required) in required {
        if required && attributes.value(attr_type).is_none() {
            missing(attributes, base, attr_type, faults);
        }
    }
    if let Some(address) = attributes.next_hop().filter(|a| nlri_field && !NextHopAttribute(*a).is_host()) {
        no_host(attributes, base, address, faults);
    }
}

/// A well-known attribute that is not there; one that was there and malformed has its fault already.
#[cold]
fn missing<'a>(attributes: &Attributes<'a>, base: usize, attr_type: AttrType, faults: &mut Faults<'a>) {
    if attributes.raw().any(|raw| raw.attr_type == attr_type) {
        return;
    }
    let offset = base.saturating_add(attributes.octets().len());
    faults.add(AttributeFault {
        attr_type,
        octets: &[],
        malformed: Malformed { offset, field: "missing well-known attribute", fault: Fault::Truncated },
        action: FaultAction::TreatAsWithdraw,
        family: None,
        subcode: subcode::MISSING_WELL_KNOWN_ATTRIBUTE,
    });
}

#[cold]
fn no_host<'a>(attributes: &Attributes<'a>, base: usize, address: Ipv4Addr, faults: &mut Faults<'a>) {
    let value = attributes.value(AttrType::NEXT_HOP).unwrap_or_default();
    let offset = base.saturating_add(attributes.octets().offset(value));
    faults.add(AttributeFault {
        attr_type: AttrType::NEXT_HOP,
        octets: value,
        malformed: Malformed { offset, field: "NEXT_HOP", fault: Fault::Value(address.to_bits()) },
        action: FaultAction::TreatAsWithdraw,
        family: None,
        subcode: subcode::INVALID_NEXT_HOP_ATTRIBUTE,
    });
}
