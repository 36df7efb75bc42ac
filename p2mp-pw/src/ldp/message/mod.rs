//! LDP messages, one file per kind (RFC 5036 §3.5, §3.6).
//!
//! | Type | Message | File |
//! |---|---|---|
//! | 0x0001 | Notification | `notification.rs` |
//! | 0x0100 | Hello | `hello.rs` |
//! | 0x0200 | Initialization | `initialization.rs` |
//! | 0x0201 | KeepAlive | here: it has no parameters |
//! | 0x0202 | Capability | `capability.rs` |
//! | 0x0300, 0x0301 | Address, Address Withdraw | `address.rs` |
//! | 0x0400 | Label Mapping | `label_mapping.rs` |
//! | 0x0401, 0x0404 | Label Request, Label Abort Request | `label_request.rs` |
//! | 0x0402, 0x0403 | Label Withdraw, Label Release | `label_withdraw.rs` |
//! | 0x0700–0x0703 | RG Connect, Disconnect, Notification, Application Data | `iccp.rs` |

mod address;
mod capability;
mod hello;
mod iccp;
mod initialization;
mod label_mapping;
mod label_request;
mod label_withdraw;
mod notification;

use alloc::vec::Vec;

use fwd_core::codec::{self, BufMut, Fail, Malformed, Take};

pub use address::Address;
pub use capability::CapabilityMessage;
pub use hello::{Hello, HelloFlags};
pub use iccp::{IccTlv, IccTlvType, IccpStatus, RgKind, RgMessage};
pub use initialization::{Initialization, SessionFlags};
pub use label_mapping::{LabelMapping, LabelTlv};
pub use label_request::{LabelAbortRequest, LabelRequest};
pub use label_withdraw::LabelWithdraw;
pub use notification::Notification;

use super::octets::{Octets, len16, list};
use super::tlv::Tlv;

/// The type of a message with its U bit; unknown values survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct MessageType(pub u16);

impl MessageType {
    /// The U bit: who does not know the message ignores it silently (RFC 5036 §3.5).
    pub const UNKNOWN: u16 = 0x8000;
    /// Notification (RFC 5036 §3.5.1).
    pub const NOTIFICATION: Self = Self(0x0001);
    /// Hello (RFC 5036 §3.5.2).
    pub const HELLO: Self = Self(0x0100);
    /// Initialization (RFC 5036 §3.5.3).
    pub const INITIALIZATION: Self = Self(0x0200);
    /// KeepAlive (RFC 5036 §3.5.4).
    pub const KEEP_ALIVE: Self = Self(0x0201);
    /// Capability (RFC 5561 §4).
    pub const CAPABILITY: Self = Self(0x0202);
    /// Address (RFC 5036 §3.5.5).
    pub const ADDRESS: Self = Self(0x0300);
    /// Address Withdraw (RFC 5036 §3.5.6).
    pub const ADDRESS_WITHDRAW: Self = Self(0x0301);
    /// Label Mapping (RFC 5036 §3.5.7).
    pub const LABEL_MAPPING: Self = Self(0x0400);
    /// Label Request (RFC 5036 §3.5.8).
    pub const LABEL_REQUEST: Self = Self(0x0401);
    /// Label Withdraw (RFC 5036 §3.5.10).
    pub const LABEL_WITHDRAW: Self = Self(0x0402);
    /// Label Release (RFC 5036 §3.5.11).
    pub const LABEL_RELEASE: Self = Self(0x0403);
    /// Label Abort Request (RFC 5036 §3.5.9).
    pub const LABEL_ABORT_REQUEST: Self = Self(0x0404);
    /// RG Connect of the inter-chassis protocol (RFC 7275 §6.1).
    pub const RG_CONNECT: Self = Self(0x0700);
    /// RG Disconnect (RFC 7275 §6.2).
    pub const RG_DISCONNECT: Self = Self(0x0701);
    /// RG Notification (RFC 7275 §6.3).
    pub const RG_NOTIFICATION: Self = Self(0x0702);
    /// RG Application Data (RFC 7275 §6.4).
    pub const RG_APPLICATION_DATA: Self = Self(0x0703);
}

/// A message whose parameters are still octets.
///
/// ```text
/// +---+-----------+------------+----------------+----------------+
/// | U | Type (15) | Length (2) | Message id (4) | Parameters ... |
/// +---+-----------+------------+----------------+----------------+
/// ```
///
/// The length counts all octets after itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RawMessage<'a> {
    /// The type.
    pub kind: MessageType,
    /// Names the message among the sender's.
    pub id: u32,
    whole: &'a [u8],
    parameters: &'a [u8],
}

impl<'a> RawMessage<'a> {
    /// Takes a message.
    ///
    /// # Errors
    /// Truncated input, or a length without room for the message identifier.
    #[inline]
    pub fn take(i: &'a [u8]) -> Take<'a, Self> {
        let start = i;
        let (i, kind) = codec::be_u16(i, "message type")?;
        let (i, len) = codec::be_u16(i, "message length")?;
        let (rest, body) = codec::octets(i, len.into(), "message length")?;
        let (parameters, id) = codec::be_u32(body, "message id")?;
        let (_, whole) = codec::octets(start, usize::from(len).saturating_add(4), "message length")?;
        Ok((rest, Self { kind: MessageType(kind), id, whole, parameters }))
    }

    /// All octets of the message, for a Returned Message TLV.
    #[must_use]
    pub const fn octets(&self) -> &'a [u8] {
        self.whole
    }

    /// Reads the parameters.
    ///
    /// # Errors
    /// A malformed parameter, or a mandatory one that is missing; [`StatusCode::of_malformed`] says what it costs.
    ///
    /// [`StatusCode::of_malformed`]: super::StatusCode::of_malformed
    #[inline]
    pub fn parse(&self) -> Result<Message, Malformed> {
        if self.kind == MessageType::LABEL_MAPPING {
            if let Some(mapping) = LabelMapping::take_plain(self.parameters) {
                return Ok(Message { id: self.id, body: MessageBody::LabelMapping(mapping) });
            }
        }
        self.parse_any()
    }

    fn parse_any(&self) -> Result<Message, Malformed> {
        let failed = |error: nom::Err<Fail<'a>>| match error {
            nom::Err::Error(fail) | nom::Err::Failure(fail) => fail.within(self.whole),
            nom::Err::Incomplete(_) => {
                Malformed { offset: self.whole.len(), field: "parameters", fault: codec::Fault::Truncated }
            }
        };
        let (_, body) = MessageBody::take(self.kind, self.parameters).map_err(failed)?;
        Ok(Message { id: self.id, body })
    }
}

/// A message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Names the message among the sender's.
    pub id: u32,
    /// Type and parameters.
    pub body: MessageBody,
}

/// Type and parameters of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MessageBody {
    /// Something happened, fatal or not.
    Notification(Notification),
    /// The sender is there.
    Hello(Hello),
    /// Parameters of a session.
    Initialization(Initialization),
    /// The session lives.
    KeepAlive,
    /// Capabilities that change.
    Capability(CapabilityMessage),
    /// Addresses of the sender's interfaces.
    Address(Address),
    /// Such addresses, no more.
    AddressWithdraw(Address),
    /// A label for a FEC.
    LabelMapping(LabelMapping),
    /// Asks for a label for a FEC.
    LabelRequest(LabelRequest),
    /// The sender takes a label back.
    LabelWithdraw(LabelWithdraw),
    /// The sender needs a label no more.
    LabelRelease(LabelWithdraw),
    /// Takes a Label Request back.
    LabelAbortRequest(LabelAbortRequest),
    /// Between routers of a redundancy group (RFC 7275 §6).
    Rg(RgMessage),
    /// A type that is not known, its parameters as octets.
    Unknown(MessageType, Octets),
}

impl From<MessageBody> for Message {
    /// A message that the session numbers.
    fn from(body: MessageBody) -> Self {
        Self { id: 0, body }
    }
}

impl Message {
    /// Octets before the parameters.
    pub const HEADER_LEN: usize = 8;

    /// Octets of the message.
    #[must_use]
    #[inline]
    pub fn wire_len(&self) -> usize {
        if let MessageBody::LabelMapping(mapping) = &self.body {
            if let Some(plain) = mapping.plain() {
                return plain.wire_len();
            }
        }
        self.body.wire_len().saturating_add(Self::HEADER_LEN)
    }

    /// Writes the message.
    #[inline]
    pub fn emit(&self, out: &mut impl BufMut) {
        if let MessageBody::LabelMapping(mapping) = &self.body {
            if let Some(plain) = mapping.plain() {
                return plain.emit(self.id, out);
            }
        }
        self.emit_any(out);
    }

    fn emit_any(&self, out: &mut impl BufMut) {
        out.put_u16(self.body.kind().0);
        out.put_u16(len16(self.body.wire_len().saturating_add(4)));
        out.put_u32(self.id);
        self.body.emit(out);
    }
}

impl MessageBody {
    /// The type.
    #[must_use]
    pub const fn kind(&self) -> MessageType {
        match self {
            Self::Notification(_) => MessageType::NOTIFICATION,
            Self::Hello(_) => MessageType::HELLO,
            Self::Initialization(_) => MessageType::INITIALIZATION,
            Self::KeepAlive => MessageType::KEEP_ALIVE,
            Self::Capability(_) => MessageType::CAPABILITY,
            Self::Address(_) => MessageType::ADDRESS,
            Self::AddressWithdraw(_) => MessageType::ADDRESS_WITHDRAW,
            Self::LabelMapping(_) => MessageType::LABEL_MAPPING,
            Self::LabelRequest(_) => MessageType::LABEL_REQUEST,
            Self::LabelWithdraw(_) => MessageType::LABEL_WITHDRAW,
            Self::LabelRelease(_) => MessageType::LABEL_RELEASE,
            Self::LabelAbortRequest(_) => MessageType::LABEL_ABORT_REQUEST,
            Self::Rg(m) => m.kind.message_type(),
            Self::Unknown(kind, _) => *kind,
        }
    }

    fn take(kind: MessageType, i: &[u8]) -> Take<'_, Self> {
        Ok(match kind {
            MessageType::NOTIFICATION => Notification::take(i).map(|(i, m)| (i, Self::Notification(m)))?,
            MessageType::HELLO => Hello::take(i).map(|(i, m)| (i, Self::Hello(m)))?,
            MessageType::INITIALIZATION => Initialization::take(i).map(|(i, m)| (i, Self::Initialization(m)))?,
            // Optional parameters of a KeepAlive are not defined; what is there is passed over.
            MessageType::KEEP_ALIVE => take_optional(i).map(|(i, _)| (i, Self::KeepAlive))?,
            MessageType::CAPABILITY => CapabilityMessage::take(i).map(|(i, m)| (i, Self::Capability(m)))?,
            MessageType::ADDRESS => Address::take(i).map(|(i, m)| (i, Self::Address(m)))?,
            MessageType::ADDRESS_WITHDRAW => Address::take(i).map(|(i, m)| (i, Self::AddressWithdraw(m)))?,
            MessageType::LABEL_MAPPING => LabelMapping::take(i).map(|(i, m)| (i, Self::LabelMapping(m)))?,
            MessageType::LABEL_REQUEST => LabelRequest::take(i).map(|(i, m)| (i, Self::LabelRequest(m)))?,
            MessageType::LABEL_WITHDRAW => LabelWithdraw::take(i).map(|(i, m)| (i, Self::LabelWithdraw(m)))?,
            MessageType::LABEL_RELEASE => LabelWithdraw::take(i).map(|(i, m)| (i, Self::LabelRelease(m)))?,
            MessageType::LABEL_ABORT_REQUEST => {
                LabelAbortRequest::take(i).map(|(i, m)| (i, Self::LabelAbortRequest(m)))?
            }
            other => match RgKind::of(other) {
                Some(kind) => RgMessage::take(kind, i).map(|(i, m)| (i, Self::Rg(m)))?,
                None => codec::octets(i, i.len(), "parameters")
                    .map(|(i, o)| (i, Self::Unknown(other, Octets::from_slice(o))))?,
            },
        })
    }

    fn wire_len(&self) -> usize {
        match self {
            Self::Notification(m) => m.wire_len(),
            Self::Hello(m) => m.wire_len(),
            Self::Initialization(m) => m.wire_len(),
            Self::KeepAlive => 0,
            Self::Capability(m) => m.wire_len(),
            Self::Address(m) | Self::AddressWithdraw(m) => m.wire_len(),
            Self::LabelMapping(m) => m.wire_len(),
            Self::LabelRequest(m) => m.wire_len(),
            Self::LabelWithdraw(m) | Self::LabelRelease(m) => m.wire_len(),
            Self::LabelAbortRequest(m) => m.wire_len(),
            Self::Rg(m) => m.wire_len(),
            Self::Unknown(_, parameters) => parameters.len(),
        }
    }

    fn emit(&self, out: &mut impl BufMut) {
        match self {
            Self::Notification(m) => m.emit(out),
            Self::Hello(m) => m.emit(out),
            Self::Initialization(m) => m.emit(out),
            Self::KeepAlive => {}
            Self::Capability(m) => m.emit(out),
            Self::Address(m) | Self::AddressWithdraw(m) => m.emit(out),
            Self::LabelMapping(m) => m.emit(out),
            Self::LabelRequest(m) => m.emit(out),
            Self::LabelWithdraw(m) | Self::LabelRelease(m) => m.emit(out),
            Self::LabelAbortRequest(m) => m.emit(out),
            Self::Rg(m) => m.emit(out),
            Self::Unknown(_, parameters) => out.put_slice(parameters),
        }
    }

    /// The first TLV that nobody knows and that may not be ignored: the message is answered by
    /// [`StatusCode::UNKNOWN_TLV`](super::StatusCode::UNKNOWN_TLV) and has no other effect (RFC 5036 §3.5.1.2.2).
    #[must_use]
    pub fn refused_tlv(&self) -> Option<&Tlv> {
        let optional: &[Tlv] = match self {
            Self::Notification(m) => &m.optional,
            Self::Hello(m) => &m.optional,
            Self::Initialization(m) => &m.optional,
            Self::Capability(m) => &m.optional,
            Self::Address(m) | Self::AddressWithdraw(m) => &m.optional,
            Self::LabelMapping(m) => &m.optional,
            Self::LabelRequest(m) => &m.optional,
            Self::LabelWithdraw(m) | Self::LabelRelease(m) => &m.optional,
            Self::LabelAbortRequest(m) => &m.optional,
            Self::KeepAlive | Self::Rg(_) | Self::Unknown(..) => &[],
        };
        optional.iter().find(|tlv| tlv.is_refused())
    }
}

/// Takes the optional parameters: TLVs up to the end.
fn take_optional(i: &[u8]) -> Take<'_, Vec<Tlv>> {
    list(i, Tlv::take)
}

fn optional_len(optional: &[Tlv]) -> usize {
    optional.iter().map(Tlv::wire_len).fold(0, usize::saturating_add)
}

fn emit_optional(optional: &[Tlv], out: &mut impl BufMut) {
    optional.iter().for_each(|tlv| tlv.emit(out));
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for Message {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let body = match u.int_in_range(0..=13)? {
            0 => MessageBody::Notification(u.arbitrary()?),
            1 => MessageBody::Hello(u.arbitrary()?),
            2 => MessageBody::Initialization(u.arbitrary()?),
            3 => MessageBody::KeepAlive,
            4 => MessageBody::Capability(u.arbitrary()?),
            5 => MessageBody::Address(u.arbitrary()?),
            6 => MessageBody::AddressWithdraw(u.arbitrary()?),
            7 => MessageBody::LabelMapping(u.arbitrary()?),
            8 => MessageBody::LabelRequest(u.arbitrary()?),
            9 => MessageBody::LabelWithdraw(u.arbitrary()?),
            10 => MessageBody::LabelRelease(u.arbitrary()?),
            11 => MessageBody::LabelAbortRequest(u.arbitrary()?),
            12 => MessageBody::Rg(u.arbitrary()?),
            _ => {
                let kind = MessageType(u.int_in_range(0x0704..=0x0fff)?);
                MessageBody::Unknown(kind, super::octets::arbitrary_octets(u, 40)?)
            }
        };
        Ok(Self { id: u.arbitrary()?, body })
    }
}
