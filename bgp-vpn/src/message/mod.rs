//! BGP messages, one file per message.
//!
//! Framing ([`frame_len`]) is apart from parsing: it says how many octets the next message has, or with which
//! NOTIFICATION the session ends. [`Message`] parses one framed message; the body of an UPDATE stays octets, because it
//! is read in the context of what the session negotiated.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

pub mod capability;
mod header;
mod keepalive;
mod notification;
mod open;
mod route_refresh;
mod update;
mod update_action;
mod update_attributes;
mod update_writer;

pub use header::{Header, MessageType, frame_len};
pub use keepalive::Keepalive;
pub use notification::{ErrorCode, Notification, subcode};
pub use open::{Open, Parameter, ParameterType};
pub use route_refresh::{OrfEntries, RefreshSubtype, RouteRefresh, WhenToRefresh};
pub use update::{NlriFault, NlriField, Update, UpdateError};
pub use update_action::{AttributeRule, FaultAction, LengthRule, RULES, Sessions};
pub use update_attributes::AttributeFault;
pub use update_writer::{AttributesTooLong, MpPosition, PathAttributes, UpdateWriter, emit_end_of_rib};

pub(crate) use update_action::slot;

use fwd_core::codec::{self, BufMut, Fail, Take};
use fwd_core::{Fault, Malformed};

/// One message.
///
/// ```
/// use bgp_vpn::message::{Message, Notification, ErrorCode};
/// let mut octets = Vec::new();
/// Message::Notification(Notification::new(ErrorCode::HOLD_TIMER_EXPIRED, 0)).emit(&mut octets);
/// assert_eq!(octets[16..], [0, 21, 3, 4, 0]);
/// assert!(matches!(Message::parse(&octets), Ok(Message::Notification(n)) if n.to_string() == "Hold Timer Expired"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// OPEN.
    Open(Open),
    /// UPDATE: its body, at most 65,516 octets.
    Update(&'a [u8]),
    /// NOTIFICATION.
    Notification(Notification),
    /// KEEPALIVE.
    Keepalive,
    /// ROUTE-REFRESH.
    RouteRefresh(RouteRefresh),
}

impl<'a> Message<'a> {
    /// Takes one message, header included, of up to 65,535 octets; [`frame_len`] knows the session's own bounds.
    ///
    /// # Errors
    /// A malformed header, an unknown type, a malformed body. The offset counts from the header.
    pub fn take(i: &'a [u8]) -> Take<'a, Self> {
        let (body, header) = Header::take(i)?;
        let (rest, body) = codec::octets(body, usize::from(header.length).saturating_sub(Header::LEN), "body")?;
        let (after, message) = match header.message_type {
            MessageType::OPEN => Open::take(body).map(|(i, open)| (i, Self::Open(open)))?,
            MessageType::UPDATE => (&[][..], Self::Update(body)),
            MessageType::NOTIFICATION => Notification::take(body).map(|(i, n)| (i, Self::Notification(n)))?,
            MessageType::KEEPALIVE => Keepalive::take(body).map(|(i, Keepalive)| (i, Self::Keepalive))?,
            MessageType::ROUTE_REFRESH => RouteRefresh::take(body).map(|(i, r)| (i, Self::RouteRefresh(r)))?,
            MessageType(other) => return Err(Fail::new(i, "type", Fault::Value(u32::from(other)))),
        };
        if after.is_empty() { Ok((rest, message)) } else { Err(Fail::new(after, "end", Fault::Trailing(after.len()))) }
    }

    /// Parses exactly one message.
    ///
    /// # Errors
    /// As [`Self::take`], or trailing octets.
    pub fn parse(octets: &'a [u8]) -> Result<Self, Malformed> {
        codec::all(octets, Self::take)
    }

    /// The message's type.
    #[must_use]
    pub const fn message_type(&self) -> MessageType {
        match self {
            Self::Open(_) => MessageType::OPEN,
            Self::Update(_) => MessageType::UPDATE,
            Self::Notification(_) => MessageType::NOTIFICATION,
            Self::Keepalive => MessageType::KEEPALIVE,
            Self::RouteRefresh(_) => MessageType::ROUTE_REFRESH,
        }
    }

    /// Octets of the message, header included.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        let body = match self {
            Self::Open(open) => open.wire_len(),
            Self::Update(body) => body.len(),
            Self::Notification(notification) => notification.wire_len(),
            Self::Keepalive => 0,
            Self::RouteRefresh(refresh) => refresh.wire_len(),
        };
        body.saturating_add(Header::LEN)
    }

    /// Writes header and body.
    pub fn emit(&self, out: &mut impl BufMut) {
        let length = u16::try_from(self.wire_len()).unwrap_or(u16::MAX);
        Header { length, message_type: self.message_type() }.emit(out);
        match self {
            Self::Open(open) => open.emit(out),
            Self::Update(body) => out.put_slice(body),
            Self::Notification(notification) => notification.emit(out),
            Self::Keepalive => Keepalive.emit(out),
            Self::RouteRefresh(refresh) => refresh.emit(out),
        }
    }
}
