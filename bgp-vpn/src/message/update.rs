//! UPDATE (RFC 4271 §4.3), read with the error handling of RFC 7606.

use fwd_core::codec::{self, BufMut, Fail};
use fwd_core::net::Ipv4Prefix;
use fwd_core::{Fault, Malformed};
use nom::Offset;

use super::notification::subcode::update as subcode;
use super::update_attributes::{self, AttributeFault, Faults};
use super::{ErrorCode, FaultAction, Notification};
use crate::attr::{AsWidth, AttrType, Attributes, MpReach, MpUnreach, RawAttribute, emit_header};
use crate::nlri::{Family, NlriFormat, Nlris, UnicastNlri, check_field, emit_field};
use crate::session::Negotiated;

/// An UPDATE whose fields cannot be told apart (RFC 7606 §3 b). The session is reset.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("UPDATE: {malformed:?}")]
pub struct UpdateError {
    /// Which field, counted from the start of the body.
    pub malformed: Malformed,
    /// What to send before the session is closed.
    pub notification: Notification,
}

/// An UPDATE: views on the octets of its body.
///
/// ```text
/// +-----------------------------------------------------+
/// | Withdrawn Routes Length (2)                         |
/// +-----------------------------------------------------+
/// | Withdrawn Routes (variable)                         |
/// +-----------------------------------------------------+
/// | Total Path Attribute Length (2)                     |
/// +-----------------------------------------------------+
/// | Path Attributes (variable)                          |
/// +-----------------------------------------------------+
/// | Network Layer Reachability Information (variable)   |
/// +-----------------------------------------------------+
/// ```
///
/// Attributes are checked when it is parsed; their faults stand beside the routes ([`Self::faults`]). NLRI are read when they
/// are iterated over, once: an iterator that yields an error has found a malformed field, and [`Self::nlri_fault`] says what
/// that costs. [`Self::check_nlri`] does the same up front for those who want to know before they use a route.
///
/// With a fault of [`FaultAction::TreatAsWithdraw`] or more, none of the routes may be installed; those of the message are
/// withdrawn.
///
/// ```
/// use bgp_vpn::message::Update;
/// use bgp_vpn::session::{Negotiated, PeerKind};
/// let negotiated = Negotiated::baseline(PeerKind::External);
/// // 10.0.0.0/8 through AS 65010 with next hop 192.0.2.1.
/// let body = [0, 0, 0, 18, 0x40, 1, 1, 0, 0x40, 2, 4, 2, 1, 0xfd, 0xf2, 0x40, 3, 4, 192, 0, 2, 1, 8, 10];
/// let update = Update::parse(&body, &negotiated).unwrap();
/// assert!(update.faults().is_empty());
/// assert_eq!(update.attributes().as_path().unwrap().first_as(), Some(65010));
/// assert_eq!(update.nlri().next().unwrap().unwrap().prefix, "10.0.0.0/8".parse().unwrap());
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update<'a> {
    withdrawn: &'a [u8],
    nlri: &'a [u8],
    format: NlriFormat,
    attributes: Attributes<'a>,
    faults: Faults<'a>,
}

/// One of the four places of an UPDATE where NLRI stand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NlriField {
    /// Withdrawn Routes.
    Withdrawn,
    /// Network Layer Reachability Information.
    Nlri,
    /// MP_REACH_NLRI.
    MpReach,
    /// MP_UNREACH_NLRI.
    MpUnreach,
}

/// A malformed field of NLRI (RFC 7606 §5.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NlriFault {
    /// Which field.
    pub field: NlriField,
    /// Its family.
    pub family: Family,
    /// What is wrong; the offset counts from the start of the field.
    pub malformed: Malformed,
    /// [`FaultAction::DisableFamily`] for the fields in attributes (RFC 4760 §7), [`FaultAction::SessionReset`] for the
    /// others (RFC 7606 §3 j).
    pub action: FaultAction,
}

impl NlriFault {
    /// The NOTIFICATION to send if the session is reset: Invalid Network Field, or Optional Attribute Error for a field in an
    /// attribute (RFC 4271 §6.3, RFC 4760 §7).
    #[must_use]
    pub fn notification(&self) -> Notification {
        let subcode = match self.field {
            NlriField::Withdrawn | NlriField::Nlri => subcode::INVALID_NETWORK_FIELD,
            NlriField::MpReach | NlriField::MpUnreach => subcode::OPTIONAL_ATTRIBUTE_ERROR,
        };
        Notification::new(ErrorCode::UPDATE, subcode)
    }
}

impl<'a> Update<'a> {
    /// Parses the body of an UPDATE: what follows the header.
    ///
    /// # Errors
    /// A length field that exceeds the message. Every other fault stands beside the routes.
    #[inline]
    pub fn parse(body: &'a [u8], negotiated: &Negotiated) -> Result<Self, UpdateError> {
        let (withdrawn, attributes, nlri) = fields(body).map_err(|fail| cannot_frame(body, fail))?;
        let mut update = Self {
            withdrawn,
            nlri,
            format: negotiated.receive_format(Family::IPV4_UNICAST),
            attributes: Attributes::unread(attributes, AsWidth::of(negotiated)),
            faults: Faults::default(),
        };
        let base = body.offset(attributes);
        update_attributes::read(&mut update.attributes, base, negotiated, &mut update.faults);
        update.check_whole(base, negotiated);
        Ok(update)
    }

    /// Adds the faults that show only with the whole message in view.
    #[inline]
    fn check_whole(&mut self, base: usize, negotiated: &Negotiated) {
        let reachable = !self.nlri.is_empty() || self.mp_reach().is_some_and(|reach| !reach.nlri.is_empty());
        if reachable {
            let nlri_field = !self.nlri.is_empty();
            let (attributes, faults) = (&self.attributes, &mut self.faults);
            update_attributes::check_well_known(attributes, base, nlri_field, negotiated.peer_kind, faults);
        } else if self.faults.action > Some(FaultAction::AttributeDiscard) {
            self.escalate_unless_reachable();
        }
    }

    /// RFC 7606 §5.2: attributes, a fault, and no NLRI that could be withdrawn. MP_REACH_NLRI that itself is malformed disables
    /// its family instead (RFC 7606 §7.11), and MP_UNREACH_NLRI alone is no such case.
    #[cold]
    fn escalate_unless_reachable(&mut self) {
        let others = self.attributes.raw().any(|raw| raw.attr_type != AttrType::MP_UNREACH_NLRI);
        let mp_reach =
            self.attributes.raw().any(|raw| raw.attr_type == AttrType::MP_REACH_NLRI && raw.value.len() >= 3);
        let disables = mp_reach && self.mp_reach().is_none();
        let overrun = self.faults.kept.iter().any(|fault| {
            fault.subcode == subcode::MALFORMED_ATTRIBUTE_LIST && fault.action == FaultAction::TreatAsWithdraw
        });
        if (others || overrun) && !disables {
            self.faults.escalate();
        }
    }

    /// Octets of the body.
    #[must_use]
    pub const fn wire_len(&self) -> usize {
        self.nlri_offset().saturating_add(self.nlri.len())
    }

    /// Writes the body again, every attribute and NLRI from what was read of it; what is malformed or unknown as it is. A body
    /// whose reserved octets and surplus bits are zero comes out as it came in.
    pub fn emit(&self, out: &mut impl BufMut) {
        out.put_u16(u16::try_from(self.withdrawn.len()).unwrap_or(u16::MAX));
        emit_field(Family::IPV4_UNICAST, self.withdrawn, self.format, out);
        let attributes = self.attributes.octets();
        out.put_u16(u16::try_from(attributes.len()).unwrap_or(u16::MAX));
        let mut rest = attributes;
        let mut values = self.attributes.values().peekable();
        for raw in self.attributes.raw() {
            let value = values.next_if(|value| {
                // The next value is this attribute, or belongs to a later one.
                value.attr_type() == raw.attr_type && self.attributes.is_used(&raw)
            });
            match (value, raw.attr_type) {
                (Some(_), AttrType::MP_REACH_NLRI | AttrType::MP_UNREACH_NLRI) => self.emit_mp(&raw, out),
                (Some(value), _) => value.emit(self.attributes.width(), out),
                (None, _) => raw.emit(out),
            }
            rest = rest.get(raw.wire_len()..).unwrap_or_default();
        }
        out.put_slice(rest);
        emit_field(Family::IPV4_UNICAST, self.nlri, self.format, out);
    }

    /// An attribute with NLRI, which are written again.
    fn emit_mp(&self, raw: &RawAttribute<'a>, out: &mut impl BufMut) {
        emit_header(raw.flags, raw.attr_type, u16::try_from(raw.value.len()).unwrap_or(u16::MAX), out);
        if let (AttrType::MP_REACH_NLRI, Some(reach)) = (raw.attr_type, self.mp_reach()) {
            MpReach { nlri: &[], ..*reach }.emit(out);
            emit_field(reach.family, reach.nlri, reach.format, out);
        } else if let Some(unreach) = self.mp_unreach() {
            MpUnreach { nlri: &[], ..*unreach }.emit(out);
            emit_field(unreach.family, unreach.nlri, unreach.format, out);
        }
    }

    /// The path attributes.
    #[inline]
    #[must_use]
    pub const fn attributes(&self) -> &Attributes<'a> {
        &self.attributes
    }

    /// The IPv4 unicast routes of the Withdrawn Routes field.
    #[inline]
    #[must_use]
    pub const fn withdrawn(&self) -> Nlris<'a, UnicastNlri<Ipv4Prefix>> {
        Nlris::new(self.withdrawn, self.format)
    }

    /// The IPv4 unicast routes of the Network Layer Reachability Information field.
    #[inline]
    #[must_use]
    pub const fn nlri(&self) -> Nlris<'a, UnicastNlri<Ipv4Prefix>> {
        Nlris::new(self.nlri, self.format)
    }

    /// The Withdrawn Routes field and the Network Layer Reachability Information field as octets.
    #[must_use]
    pub const fn nlri_octets(&self) -> (&'a [u8], &'a [u8]) {
        (self.withdrawn, self.nlri)
    }

    /// MP_REACH_NLRI.
    #[inline]
    #[must_use]
    pub const fn mp_reach(&self) -> Option<&MpReach<'a>> {
        self.attributes.mp_reach()
    }

    /// MP_UNREACH_NLRI.
    #[inline]
    #[must_use]
    pub const fn mp_unreach(&self) -> Option<&MpUnreach<'a>> {
        self.attributes.mp_unreach()
    }

    /// The faults of the attributes, in wire order: the first sixteen, or the first fifteen and a stronger one.
    #[inline]
    #[must_use]
    pub fn faults(&self) -> &[AttributeFault<'a>] {
        &self.faults.kept
    }

    /// The strongest action that the faults of the attributes ask for (RFC 7606 §3 h).
    #[inline]
    #[must_use]
    pub const fn action(&self) -> Option<FaultAction> {
        self.faults.action
    }

    /// What to send before the session is closed, where the action is [`FaultAction::SessionReset`].
    #[must_use]
    pub fn notification(&self) -> Option<Notification> {
        self.faults
            .strongest()
            .filter(|fault| fault.action == FaultAction::SessionReset)
            .map(AttributeFault::notification)
    }

    /// The families that faults of attributes disable, where the action is [`FaultAction::DisableFamily`] or more.
    pub fn disabled_families(&self) -> impl Iterator<Item = Family> + '_ {
        self.faults.kept.iter().filter(|f| f.action == FaultAction::DisableFamily).filter_map(|f| f.family)
    }

    /// The family whose routes the peer has sent all: an UPDATE without anything, or with an empty MP_UNREACH_NLRI alone
    /// (RFC 4724 §2).
    #[must_use]
    pub fn end_of_rib(&self) -> Option<Family> {
        if !self.withdrawn.is_empty() || !self.nlri.is_empty() {
            return None;
        }
        if self.attributes.octets().is_empty() {
            return Some(Family::IPV4_UNICAST);
        }
        let unreach = self.mp_unreach().filter(|unreach| unreach.nlri.is_empty())?;
        (self.attributes.raw().count() == 1 && self.faults.action.is_none()).then_some(unreach.family)
    }

    /// What a malformed field of NLRI costs, for who met an error while iterating.
    #[must_use]
    pub fn nlri_fault(&self, field: NlriField, malformed: Malformed) -> NlriFault {
        let (family, action) = match field {
            NlriField::Withdrawn | NlriField::Nlri => (Some(Family::IPV4_UNICAST), FaultAction::SessionReset),
            NlriField::MpReach => (self.mp_reach().map(|mp| mp.family), FaultAction::DisableFamily),
            NlriField::MpUnreach => (self.mp_unreach().map(|mp| mp.family), FaultAction::DisableFamily),
        };
        NlriFault { field, family: family.unwrap_or(Family::IPV4_UNICAST), malformed, action }
    }

    /// Walks all NLRI of the message. Those of families that this crate does not know are not looked at.
    ///
    /// # Errors
    /// The first malformed field.
    pub fn check_nlri(&self) -> Result<(), NlriFault> {
        let fields = [
            (NlriField::Withdrawn, Some((Family::IPV4_UNICAST, self.withdrawn, self.format))),
            (NlriField::MpUnreach, self.mp_unreach().map(|mp| (mp.family, mp.nlri, mp.format))),
            (NlriField::MpReach, self.mp_reach().map(|mp| (mp.family, mp.nlri, mp.format))),
            (NlriField::Nlri, Some((Family::IPV4_UNICAST, self.nlri, self.format))),
        ];
        for (field, nlri) in fields {
            if let Some((family, octets, format)) = nlri {
                check_field(family, octets, format).map_err(|malformed| self.nlri_fault(field, malformed))?;
            }
        }
        Ok(())
    }

    /// Where the Network Layer Reachability Information field begins in the body.
    #[must_use]
    pub const fn nlri_offset(&self) -> usize {
        self.withdrawn.len().saturating_add(self.attributes.octets().len()).saturating_add(4)
    }
}

/// Withdrawn Routes, Path Attributes, Network Layer Reachability Information.
type Fields<'a> = (&'a [u8], &'a [u8], &'a [u8]);

#[inline]
fn fields(body: &[u8]) -> Result<Fields<'_>, nom::Err<Fail<'_>>> {
    let (rest, len) = codec::be_u16(body, "Withdrawn Routes Length")?;
    let (rest, withdrawn) = codec::octets(rest, usize::from(len), "Withdrawn Routes")?;
    let (rest, len) = codec::be_u16(rest, "Total Path Attribute Length")?;
    let (nlri, attributes) = codec::octets(rest, usize::from(len), "Path Attributes")?;
    Ok((withdrawn, attributes, nlri))
}

#[cold]
fn cannot_frame(body: &[u8], fail: nom::Err<Fail<'_>>) -> UpdateError {
    let malformed = match fail {
        nom::Err::Error(fail) | nom::Err::Failure(fail) => fail.within(body),
        nom::Err::Incomplete(_) => Malformed { offset: body.len(), field: "end", fault: Fault::Truncated },
    };
    UpdateError { malformed, notification: Notification::new(ErrorCode::UPDATE, subcode::MALFORMED_ATTRIBUTE_LIST) }
}
