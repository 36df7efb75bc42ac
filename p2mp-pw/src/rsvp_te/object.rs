//! Objects (RFC 2205 A, RFC 3209 §4, RFC 4875 §19, RFC 2961 §4, RFC 5420 §4).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use fwd_core::codec::{self, BufMut, Fail, Fault, Take};

use super::route::Route;
use super::tspec::{CONTROLLED_LOAD, SENDER_SERVICE, TokenBucket};
use crate::ldp::Octets;
use crate::ldp::octets::{len8, len16, whole};
use crate::wire_address::WireAddress;

/// A class of objects; unknown values survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Class(pub u8);

impl Class {
    /// SESSION.
    pub const SESSION: Self = Self(1);
    /// RSVP_HOP.
    pub const RSVP_HOP: Self = Self(3);
    /// TIME_VALUES.
    pub const TIME_VALUES: Self = Self(5);
    /// ERROR_SPEC.
    pub const ERROR_SPEC: Self = Self(6);
    /// STYLE.
    pub const STYLE: Self = Self(8);
    /// FLOWSPEC.
    pub const FLOWSPEC: Self = Self(9);
    /// FILTER_SPEC.
    pub const FILTER_SPEC: Self = Self(10);
    /// SENDER_TEMPLATE.
    pub const SENDER_TEMPLATE: Self = Self(11);
    /// SENDER_TSPEC.
    pub const SENDER_TSPEC: Self = Self(12);
    /// LABEL.
    pub const LABEL: Self = Self(16);
    /// LABEL_REQUEST.
    pub const LABEL_REQUEST: Self = Self(19);
    /// EXPLICIT_ROUTE.
    pub const EXPLICIT_ROUTE: Self = Self(20);
    /// RECORD_ROUTE.
    pub const RECORD_ROUTE: Self = Self(21);
    /// HELLO.
    pub const HELLO: Self = Self(22);
    /// MESSAGE_ID.
    pub const MESSAGE_ID: Self = Self(23);
    /// MESSAGE_ID_ACK.
    pub const MESSAGE_ID_ACK: Self = Self(24);
    /// S2L_SUB_LSP.
    pub const S2L_SUB_LSP: Self = Self(50);
    /// LSP_ATTRIBUTES.
    pub const LSP_ATTRIBUTES: Self = Self(197);
    /// SECONDARY_EXPLICIT_ROUTE.
    pub const SECONDARY_EXPLICIT_ROUTE: Self = Self(200);
    /// SECONDARY_RECORD_ROUTE.
    pub const SECONDARY_RECORD_ROUTE: Self = Self(201);
    /// SESSION_ATTRIBUTE.
    pub const SESSION_ATTRIBUTE: Self = Self(207);

    /// What a node that does not know the class does with it (RFC 2205 §3.10).
    #[must_use]
    pub const fn unknown_action(self) -> UnknownAction {
        match self.0 >> 6 {
            0 | 1 => UnknownAction::Reject,
            2 => UnknownAction::Ignore,
            _ => UnknownAction::Forward,
        }
    }
}

/// What is done with an object whose class is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnknownAction {
    /// The message is refused.
    Reject,
    /// The object is dropped.
    Ignore,
    /// The object goes on as it came.
    Forward,
}

/// A P2MP session (RFC 4875 §19.1): P2MP identifier first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct P2mpSession<A> {
    /// The P2MP identifier.
    pub p2mp_id: u32,
    /// The tunnel.
    pub tunnel_id: u16,
    /// The extended tunnel identifier, usually the ingress's address.
    pub extended_tunnel_id: A,
}

/// The sender of a P2MP LSP (RFC 4875 §19.2): SENDER_TEMPLATE, and FILTER_SPEC.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct P2mpSender<A> {
    /// The ingress.
    pub sender: A,
    /// The LSP of the tunnel.
    pub lsp_id: u16,
    /// Who split the LSP's Path state into messages.
    pub sub_group_originator: A,
    /// Which of its messages.
    pub sub_group_id: u16,
}

/// What is wrong (RFC 2205 A.5, B).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct ErrorCode(pub u8, pub u16);

impl ErrorCode {
    /// No more room: requested bandwidth unavailable.
    pub const ADMISSION: Self = Self(1, 2);
    /// Unknown object class; the value is class and C-Type.
    pub const fn unknown_class(class: Class, c_type: u8) -> Self {
        Self(13, u16::from_be_bytes([class.0, c_type]))
    }
    /// Routing problem: bad strict node.
    pub const BAD_STRICT_NODE: Self = Self(24, 2);
    /// Routing problem: bad initial subobject.
    pub const BAD_INITIAL_SUBOBJECT: Self = Self(24, 4);
    /// Routing problem: no route available toward destination.
    pub const NO_ROUTE: Self = Self(24, 5);
    /// Routing problem: unacceptable label value.
    pub const UNACCEPTABLE_LABEL: Self = Self(24, 6);
    /// Routing problem: MPLS label allocation failure.
    pub const LABEL_ALLOCATION: Self = Self(24, 9);
    /// Routing problem: unable to branch (RFC 4875 §20.3).
    pub const UNABLE_TO_BRANCH: Self = Self(24, 23);
    /// Routing problem: P2MP re-merge detected (RFC 4875 §18).
    pub const RE_MERGE: Self = Self(24, 25);
}

/// A SESSION, SENDER_TEMPLATE, or whatever else a message is made of.
///
/// ```text
/// +------------+-----------+------------+--------------------------------+
/// | Length (2) | Class (1) | C-Type (1) | contents, a multiple of four   |
/// +------------+-----------+------------+--------------------------------+
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Object {
    /// A P2MP session over IPv4 (C-Type 13).
    Session4(P2mpSession<Ipv4Addr>),
    /// A P2MP session over IPv6 (C-Type 14).
    Session6(P2mpSession<Ipv6Addr>),
    /// The neighbour that sends, and the interface as it numbers it.
    Hop {
        /// The neighbour.
        address: IpAddr,
        /// Logical interface handle.
        handle: u32,
    },
    /// The refresh period in milliseconds.
    TimeValues(u32),
    /// An error.
    ErrorSpec {
        /// Who found it.
        node: IpAddr,
        /// 1 in place, 2 not guilty, 4 path state removed (RFC 3473 §4.3).
        flags: u8,
        /// What.
        code: ErrorCode,
    },
    /// The reservation style: 10 fixed filter, 18 shared explicit, 17 wildcard.
    Style(u32),
    /// A controlled-load reservation.
    FlowSpec(TokenBucket),
    /// Which sender, over IPv4 (C-Type 12).
    FilterSpec4(P2mpSender<Ipv4Addr>),
    /// Which sender, over IPv6 (C-Type 13).
    FilterSpec6(P2mpSender<Ipv6Addr>),
    /// The sender, over IPv4 (C-Type 12).
    SenderTemplate4(P2mpSender<Ipv4Addr>),
    /// The sender, over IPv6 (C-Type 13).
    SenderTemplate6(P2mpSender<Ipv6Addr>),
    /// What the sender sends.
    SenderTspec(TokenBucket),
    /// A generalized or plain label (C-Type 1).
    Label(u32),
    /// A label is wanted for this protocol: an Ethertype (C-Type 1).
    LabelRequest(u16),
    /// The way of the first sub-LSP.
    ExplicitRoute(Route),
    /// The way that was taken.
    RecordRoute(Route),
    /// Hello request (C-Type 1) or acknowledgement (C-Type 2), RFC 3209 §5.
    Hello {
        /// An acknowledgement.
        ack: bool,
        /// The sender's instance.
        source: u32,
        /// The receiver's instance.
        destination: u32,
    },
    /// The identifier of a message (RFC 2961 §4.1).
    MessageId {
        /// 1: wants an acknowledgement.
        flags: u8,
        /// Changes when the sender restarts: 24 bits.
        epoch: u32,
        /// The identifier.
        id: u32,
    },
    /// A message was received (C-Type 1) or is not known (C-Type 2), RFC 2961 §4.2.
    MessageIdAck {
        /// Not known.
        nack: bool,
        /// 0.
        flags: u8,
        /// The epoch: 24 bits.
        epoch: u32,
        /// The identifier.
        id: u32,
    },
    /// A sub-LSP, by its egress (RFC 4875 §19.3).
    S2lSubLsp(IpAddr),
    /// Attributes of the LSP: flags, a bit each from the left (RFC 5420 §3). Bit 3 of the first octet: LSP integrity (RFC 4875 §20.4).
    LspAttributes(u32),
    /// The way of a sub-LSP that is not the first (C-Type 2).
    SecondaryExplicitRoute(Route),
    /// The way that a sub-LSP took (C-Type 2).
    SecondaryRecordRoute(Route),
    /// Priorities and the LSP's name (C-Type 7).
    SessionAttribute {
        /// Priority of setting up, 0 to 7, 0 the best.
        setup: u8,
        /// Priority of staying.
        hold: u8,
        /// 1 local protection, 2 label recording, 4 shared explicit.
        flags: u8,
        /// The name.
        name: Octets,
    },
    /// Any other, with its C-Type and contents.
    Unknown(Class, u8, Octets),
}

impl Object {
    const HEADER_LEN: usize = 4;
    /// Fixed filter.
    pub const FIXED_FILTER: Self = Self::Style(0x0a);
    /// Shared explicit.
    pub const SHARED_EXPLICIT: Self = Self::Style(0x12);

    /// Class and C-Type.
    #[must_use]
    pub const fn class(&self) -> (Class, u8) {
        match self {
            Self::Session4(_) => (Class::SESSION, 13),
            Self::Session6(_) => (Class::SESSION, 14),
            Self::Hop { address: IpAddr::V4(_), .. } => (Class::RSVP_HOP, 1),
            Self::Hop { .. } => (Class::RSVP_HOP, 2),
            Self::TimeValues(_) => (Class::TIME_VALUES, 1),
            Self::ErrorSpec { node: IpAddr::V4(_), .. } => (Class::ERROR_SPEC, 1),
            Self::ErrorSpec { .. } => (Class::ERROR_SPEC, 2),
            Self::Style(_) => (Class::STYLE, 1),
            Self::FlowSpec(_) => (Class::FLOWSPEC, 2),
            Self::FilterSpec4(_) => (Class::FILTER_SPEC, 12),
            Self::FilterSpec6(_) => (Class::FILTER_SPEC, 13),
            Self::SenderTemplate4(_) => (Class::SENDER_TEMPLATE, 12),
            Self::SenderTemplate6(_) => (Class::SENDER_TEMPLATE, 13),
            Self::SenderTspec(_) => (Class::SENDER_TSPEC, 2),
            Self::Label(_) => (Class::LABEL, 1),
            Self::LabelRequest(_) => (Class::LABEL_REQUEST, 1),
            Self::ExplicitRoute(_) => (Class::EXPLICIT_ROUTE, 1),
            Self::RecordRoute(_) => (Class::RECORD_ROUTE, 1),
            Self::Hello { ack: false, .. } => (Class::HELLO, 1),
            Self::Hello { .. } => (Class::HELLO, 2),
            Self::MessageId { .. } => (Class::MESSAGE_ID, 1),
            Self::MessageIdAck { nack: false, .. } => (Class::MESSAGE_ID_ACK, 1),
            Self::MessageIdAck { .. } => (Class::MESSAGE_ID_ACK, 2),
            Self::S2lSubLsp(IpAddr::V4(_)) => (Class::S2L_SUB_LSP, 1),
            Self::S2lSubLsp(_) => (Class::S2L_SUB_LSP, 2),
            Self::LspAttributes(_) => (Class::LSP_ATTRIBUTES, 1),
            Self::SecondaryExplicitRoute(_) => (Class::SECONDARY_EXPLICIT_ROUTE, 2),
            Self::SecondaryRecordRoute(_) => (Class::SECONDARY_RECORD_ROUTE, 2),
            Self::SessionAttribute { .. } => (Class::SESSION_ATTRIBUTE, 7),
            Self::Unknown(class, c_type, _) => (*class, *c_type),
        }
    }

    /// Takes an object.
    ///
    /// # Errors
    /// Truncated input, a length below 4 or not a multiple of four, contents that the class does not allow.
    pub fn take(i: &[u8]) -> Take<'_, Self> {
        let at = i;
        let (i, len) = codec::be_u16(i, "object length")?;
        let (i, class) = codec::be_u8(i, "class-num")?;
        let (i, c_type) = codec::be_u8(i, "c-type")?;
        let contents = usize::from(len).checked_sub(Self::HEADER_LEN).filter(|len| len % 4 == 0);
        let Some(contents) = contents else {
            return Err(Fail::new(at, "object length", Fault::Length(len.into())));
        };
        let (rest, contents) = codec::octets(i, contents, "object length")?;
        Ok((rest, whole(contents, |i| Self::take_contents(Class(class), c_type, i))?))
    }

    fn take_contents(class: Class, c_type: u8, i: &[u8]) -> Take<'_, Self> {
        let word = |field| codec::be_u32(i, field);
        Ok(match (class, c_type) {
            (Class::SESSION, 13) => map(P2mpSession::take(i), Self::Session4)?,
            (Class::SESSION, 14) => map(P2mpSession::take(i), Self::Session6)?,
            (Class::RSVP_HOP, 1 | 2) => {
                let (i, address) = take_address(i, c_type == 2, "hop address")?;
                map(codec::be_u32(i, "logical interface handle"), |handle| Self::Hop { address, handle })?
            }
            (Class::TIME_VALUES, 1) => map(word("refresh period"), Self::TimeValues)?,
            (Class::ERROR_SPEC, 1 | 2) => {
                let (i, node) = take_address(i, c_type == 2, "error node address")?;
                let (i, [flags, code]) = codec::array(i, "error code")?;
                let (i, value) = codec::be_u16(i, "error value")?;
                (i, Self::ErrorSpec { node, flags, code: ErrorCode(code, value) })
            }
            (Class::STYLE, 1) => map(word("style"), Self::Style)?,
            (Class::FLOWSPEC, 2) if i.get(4) == Some(&CONTROLLED_LOAD) => {
                map(TokenBucket::take(i, CONTROLLED_LOAD), Self::FlowSpec)?
            }
            (Class::FILTER_SPEC, 12) => map(P2mpSender::take(i), Self::FilterSpec4)?,
            (Class::FILTER_SPEC, 13) => map(P2mpSender::take(i), Self::FilterSpec6)?,
            (Class::SENDER_TEMPLATE, 12) => map(P2mpSender::take(i), Self::SenderTemplate4)?,
            (Class::SENDER_TEMPLATE, 13) => map(P2mpSender::take(i), Self::SenderTemplate6)?,
            (Class::SENDER_TSPEC, 2) => map(TokenBucket::take(i, SENDER_SERVICE), Self::SenderTspec)?,
            (Class::LABEL, 1) => map(word("label"), Self::Label)?,
            (Class::LABEL_REQUEST, 1) => {
                let (i, _reserved) = codec::be_u16(i, "label request reserved")?;
                map(codec::be_u16(i, "l3pid"), Self::LabelRequest)?
            }
            (Class::EXPLICIT_ROUTE, 1) => map(Route::take(i, false), Self::ExplicitRoute)?,
            (Class::RECORD_ROUTE, 1) => map(Route::take(i, true), Self::RecordRoute)?,
            (Class::SECONDARY_EXPLICIT_ROUTE, 2) => map(Route::take(i, false), Self::SecondaryExplicitRoute)?,
            (Class::SECONDARY_RECORD_ROUTE, 2) => map(Route::take(i, true), Self::SecondaryRecordRoute)?,
            (Class::HELLO, 1 | 2) => {
                let (i, source) = codec::be_u32(i, "source instance")?;
                let (i, destination) = codec::be_u32(i, "destination instance")?;
                (i, Self::Hello { ack: c_type == 2, source, destination })
            }
            (Class::MESSAGE_ID, 1) => {
                let (i, (flags, epoch, id)) = take_message_id(i)?;
                (i, Self::MessageId { flags, epoch, id })
            }
            (Class::MESSAGE_ID_ACK, 1 | 2) => {
                let (i, (flags, epoch, id)) = take_message_id(i)?;
                (i, Self::MessageIdAck { nack: c_type == 2, flags, epoch, id })
            }
            (Class::S2L_SUB_LSP, 1 | 2) => map(take_address(i, c_type == 2, "s2l sub-lsp"), Self::S2lSubLsp)?,
            // Attributes other than one word of flags are kept as they are.
            (Class::LSP_ATTRIBUTES, 1) if i.len() == 8 && i.starts_with(&[0, 1, 0, 8]) => {
                let (i, _header) = codec::be_u32(i, "attribute flags tlv")?;
                map(codec::be_u32(i, "attribute flags"), Self::LspAttributes)?
            }
            (Class::SESSION_ATTRIBUTE, 7) => {
                let (i, [setup, hold, flags, len]) = codec::array(i, "session attribute")?;
                let (padding, name) = codec::octets(i, len.into(), "name length")?;
                let name = Octets::from_slice(name);
                let (rest, _) = codec::octets(padding, padding.len().min(3), "name padding")?;
                (rest, Self::SessionAttribute { setup, hold, flags, name })
            }
            (class, c_type) => {
                (i.get(i.len()..).unwrap_or_default(), Self::Unknown(class, c_type, Octets::from_slice(i)))
            }
        })
    }

    fn contents_len(&self) -> usize {
        match self {
            Self::Session4(_) | Self::MessageId { .. } | Self::MessageIdAck { .. } | Self::Hello { .. } => {
                self.fixed_len()
            }
            Self::ExplicitRoute(route)
            | Self::RecordRoute(route)
            | Self::SecondaryExplicitRoute(route)
            | Self::SecondaryRecordRoute(route) => route.wire_len(),
            Self::SessionAttribute { name, .. } => name.len().saturating_add(7) & !3,
            Self::Unknown(_, _, contents) => contents.len(),
            _ => self.fixed_len(),
        }
    }

    const fn fixed_len(&self) -> usize {
        match self {
            Self::Session4(_) => 12,
            Self::Session6(_) => 24,
            Self::Hop { address, .. } | Self::ErrorSpec { node: address, .. } => match address {
                IpAddr::V4(_) => 8,
                IpAddr::V6(_) => 20,
            },
            Self::FlowSpec(_) | Self::SenderTspec(_) => 32,
            Self::FilterSpec4(_) | Self::SenderTemplate4(_) => 16,
            Self::FilterSpec6(_) | Self::SenderTemplate6(_) => 40,
            Self::Hello { .. } | Self::MessageId { .. } | Self::MessageIdAck { .. } | Self::LspAttributes(_) => 8,
            Self::S2lSubLsp(IpAddr::V6(_)) => 16,
            _ => 4,
        }
    }

    /// Octets of the object.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        self.contents_len().saturating_add(Self::HEADER_LEN)
    }

    /// Writes the object.
    pub fn emit(&self, out: &mut impl BufMut) {
        let (class, c_type) = self.class();
        out.put_u16(len16(self.wire_len()));
        out.put_slice(&[class.0, c_type]);
        match self {
            Self::Session4(session) => session.emit(out),
            Self::Session6(session) => session.emit(out),
            Self::Hop { address, handle } => {
                emit_address(*address, out);
                out.put_u32(*handle);
            }
            Self::TimeValues(word) | Self::Style(word) | Self::Label(word) => out.put_u32(*word),
            Self::ErrorSpec { node, flags, code: ErrorCode(code, value) } => {
                emit_address(*node, out);
                out.put_slice(&[*flags, *code]);
                out.put_u16(*value);
            }
            Self::FlowSpec(bucket) => bucket.emit(CONTROLLED_LOAD, out),
            Self::SenderTspec(bucket) => bucket.emit(SENDER_SERVICE, out),
            Self::FilterSpec4(sender) | Self::SenderTemplate4(sender) => sender.emit(out),
            Self::FilterSpec6(sender) | Self::SenderTemplate6(sender) => sender.emit(out),
            Self::LabelRequest(l3pid) => out.put_u32((*l3pid).into()),
            Self::ExplicitRoute(route)
            | Self::RecordRoute(route)
            | Self::SecondaryExplicitRoute(route)
            | Self::SecondaryRecordRoute(route) => route.emit(out),
            Self::Hello { source, destination, .. } => {
                out.put_u32(*source);
                out.put_u32(*destination);
            }
            Self::MessageId { flags, epoch, id } | Self::MessageIdAck { flags, epoch, id, .. } => {
                out.put_u32(u32::from(*flags) << 24 | (epoch & 0x00ff_ffff));
                out.put_u32(*id);
            }
            Self::S2lSubLsp(egress) => emit_address(*egress, out),
            Self::LspAttributes(flags) => {
                out.put_u32(0x0001_0008);
                out.put_u32(*flags);
            }
            Self::SessionAttribute { setup, hold, flags, name } => {
                out.put_slice(&[*setup, *hold, *flags, len8(name.len())]);
                out.put_slice(name);
                out.put_bytes(0, name.len().wrapping_neg() & 3);
            }
            Self::Unknown(_, _, contents) => out.put_slice(contents),
        }
    }
}

fn map<'a, T, U>(taken: Take<'a, T>, f: impl FnOnce(T) -> U) -> Take<'a, U> {
    taken.map(|(i, value)| (i, f(value)))
}

fn take_address<'a>(i: &'a [u8], v6: bool, field: &'static str) -> Take<'a, IpAddr> {
    if v6 { map(Ipv6Addr::take(i, field), IpAddr::V6) } else { map(Ipv4Addr::take(i, field), IpAddr::V4) }
}

fn emit_address(address: IpAddr, out: &mut impl BufMut) {
    match address {
        IpAddr::V4(address) => address.emit(out),
        IpAddr::V6(address) => address.emit(out),
    }
}

fn take_message_id(i: &[u8]) -> Take<'_, (u8, u32, u32)> {
    let (i, word) = codec::be_u32(i, "epoch")?;
    let [flags, ..] = word.to_be_bytes();
    map(codec::be_u32(i, "message identifier"), |id| (flags, word & 0x00ff_ffff, id))
}

impl<A: WireAddress> P2mpSession<A> {
    fn take(i: &[u8]) -> Take<'_, Self> {
        let (i, p2mp_id) = codec::be_u32(i, "p2mp id")?;
        let (i, _zero) = codec::be_u16(i, "must be zero")?;
        let (i, tunnel_id) = codec::be_u16(i, "tunnel id")?;
        map(A::take(i, "extended tunnel id"), |extended_tunnel_id| Self { p2mp_id, tunnel_id, extended_tunnel_id })
    }

    fn emit(&self, out: &mut impl BufMut) {
        out.put_u32(self.p2mp_id);
        out.put_u32(self.tunnel_id.into());
        self.extended_tunnel_id.emit(out);
    }
}

impl<A: WireAddress> P2mpSender<A> {
    fn take(i: &[u8]) -> Take<'_, Self> {
        let (i, sender) = A::take(i, "tunnel sender")?;
        let (i, _zero) = codec::be_u16(i, "must be zero")?;
        let (i, lsp_id) = codec::be_u16(i, "lsp id")?;
        let (i, sub_group_originator) = A::take(i, "sub-group originator id")?;
        let (i, _zero) = codec::be_u16(i, "must be zero")?;
        let (i, sub_group_id) = codec::be_u16(i, "sub-group id")?;
        Ok((i, Self { sender, lsp_id, sub_group_originator, sub_group_id }))
    }

    fn emit(&self, out: &mut impl BufMut) {
        self.sender.emit(out);
        out.put_u32(self.lsp_id.into());
        self.sub_group_originator.emit(out);
        out.put_u32(self.sub_group_id.into());
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for Object {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(match u.int_in_range(0..=23)? {
            0 => Self::Session4(u.arbitrary()?),
            1 => Self::Session6(u.arbitrary()?),
            2 => Self::Hop { address: u.arbitrary()?, handle: u.arbitrary()? },
            3 => Self::TimeValues(u.arbitrary()?),
            4 => Self::ErrorSpec { node: u.arbitrary()?, flags: u.arbitrary()?, code: u.arbitrary()? },
            5 => Self::Style(u.arbitrary()?),
            6 => Self::FlowSpec(u.arbitrary()?),
            7 => Self::FilterSpec4(u.arbitrary()?),
            8 => Self::FilterSpec6(u.arbitrary()?),
            9 => Self::SenderTemplate4(u.arbitrary()?),
            10 => Self::SenderTemplate6(u.arbitrary()?),
            11 => Self::SenderTspec(u.arbitrary()?),
            12 => Self::Label(u.arbitrary()?),
            13 => Self::LabelRequest(u.arbitrary()?),
            14 => Self::ExplicitRoute(u.arbitrary()?),
            15 => Self::RecordRoute(u.arbitrary()?),
            16 => Self::Hello { ack: u.arbitrary()?, source: u.arbitrary()?, destination: u.arbitrary()? },
            17 => {
                Self::MessageId { flags: u.arbitrary()?, epoch: u.int_in_range(0..=0x00ff_ffff)?, id: u.arbitrary()? }
            }
            18 => Self::MessageIdAck {
                nack: u.arbitrary()?,
                flags: u.arbitrary()?,
                epoch: u.int_in_range(0..=0x00ff_ffff)?,
                id: u.arbitrary()?,
            },
            19 => Self::S2lSubLsp(u.arbitrary()?),
            20 => Self::LspAttributes(u.arbitrary()?),
            21 => Self::SecondaryExplicitRoute(u.arbitrary()?),
            22 => Self::SessionAttribute {
                setup: u.arbitrary()?,
                hold: u.arbitrary()?,
                flags: u.arbitrary()?,
                name: crate::ldp::octets::arbitrary_octets(u, 20)?,
            },
            _ => {
                let word: u32 = u.arbitrary()?;
                let class = Class(u.int_in_range(230..=255)?);
                Self::Unknown(class, u.arbitrary()?, Octets::from_slice(&word.to_be_bytes()))
            }
        })
    }
}
