//! What a received message says: its AVPs by attribute.

use fwd_core::codec::Malformed;
use fwd_core::wire::l2tpv3::Cookie;

use crate::l2tp::avp::{Attribute, Avps};
use crate::l2tp::message_type::MessageType;
use crate::l2tp::result_code::{ErrorCode, ResultCode};
use crate::l2tp::{CircuitStatus, Numbers, Octets, PseudowireType, Value};

/// Why a message cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Invalid {
    /// It is malformed where that cannot be ignored.
    Malformed(Malformed),
    /// An AVP with the M bit is unknown (RFC 3931 §5.2).
    UnknownMandatory(Attribute),
    /// A message type with the M bit is unknown (RFC 3931 §5.4.1).
    UnknownMessage(u16),
    /// What must be there is not.
    Missing(&'static str),
}

impl Invalid {
    /// The error that StopCCN or CDN says.
    pub(super) fn error(self) -> (ErrorCode, &'static str) {
        match self {
            Self::Malformed(malformed) => match malformed.fault {
                fwd_core::codec::Fault::Value(_) => (ErrorCode::VALUE, malformed.field),
                _ => (ErrorCode::LENGTH, malformed.field),
            },
            Self::UnknownMandatory(_) => (ErrorCode::UNKNOWN_MANDATORY_AVP, "unknown mandatory AVP"),
            Self::UnknownMessage(_) => (ErrorCode::VENDOR, "unknown mandatory message type"),
            Self::Missing(what) => (ErrorCode::VENDOR, what),
        }
    }
}

/// The AVPs of a message that the machine uses.
#[derive(Clone, Debug, Default)]
pub(super) struct Fields<'a> {
    pub(super) kind: Option<MessageType>,
    /// Whether the message's type had the M bit.
    pub(super) is_mandatory: bool,
    pub(super) result: Option<ResultCode<'a>>,
    pub(super) tie_breaker: Option<u64>,
    pub(super) assigned_connection: Option<u32>,
    pub(super) window: Option<u16>,
    pub(super) challenge: Option<&'a [u8]>,
    pub(super) response: Option<[u8; 16]>,
    pub(super) nonce: Option<&'a [u8]>,
    pub(super) pseudowires: Option<Numbers<'a>>,
    pub(super) multicast: bool,
    pub(super) local_session: Option<u32>,
    pub(super) remote_session: Option<u32>,
    pub(super) cookie: Option<Cookie>,
    pub(super) remote_end: Option<&'a [u8]>,
    pub(super) local_end: Option<&'a [u8]>,
    pub(super) group: Option<&'a [u8]>,
    pub(super) pseudowire: Option<PseudowireType>,
    pub(super) sublayer: Option<u16>,
    pub(super) sequencing: Option<u16>,
    pub(super) mtu: Option<u16>,
    pub(super) circuit: Option<CircuitStatus>,
    pub(super) new_sessions: Option<Numbers<'a>>,
    pub(super) acknowledged_sessions: Option<Numbers<'a>>,
    pub(super) withdrawn_sessions: Option<Numbers<'a>>,
}

impl<'a> Fields<'a> {
    /// Reads the AVPs of a message; nothing is hidden any more.
    pub(super) fn read(body: &'a [u8]) -> Result<Self, Invalid> {
        let mut fields = Self::default();
        for avp in Avps::new(body) {
            let avp = avp.map_err(Invalid::Malformed)?;
            match Value::of(&avp) {
                Ok(Value::Unknown { attribute, .. }) if avp.is_mandatory() => {
                    return Err(Invalid::UnknownMandatory(attribute));
                }
                Ok(value) => {
                    if let (None, Value::MessageType(_)) = (fields.kind, value) {
                        fields.is_mandatory = avp.is_mandatory();
                    }
                    fields.put(value);
                }
                // RFC 3931 §7.1: as if it were unknown.
                Err(malformed) if avp.is_mandatory() => return Err(Invalid::Malformed(malformed)),
                Err(_) => {}
            }
            // RFC 3931 §5.4.1: the message's type comes first.
            if fields.kind.is_none() {
                return Err(Invalid::Missing("message type"));
            }
        }
        Ok(fields)
    }

    /// Takes a value; the first of its attribute counts.
    fn put(&mut self, value: Value<'a>) {
        fn first<T>(slot: &mut Option<T>, value: T) {
            slot.get_or_insert(value);
        }
        let octets = Octets::get;
        match value {
            Value::MessageType(kind) => first(&mut self.kind, kind),
            Value::ResultCode(code) => first(&mut self.result, code),
            Value::TieBreaker(tie) => first(&mut self.tie_breaker, tie),
            Value::AssignedTunnelId(id) => first(&mut self.assigned_connection, id.into()),
            Value::AssignedControlConnectionId(id) => first(&mut self.assigned_connection, id),
            Value::ReceiveWindowSize(window) => first(&mut self.window, window),
            Value::Challenge(challenge) => first(&mut self.challenge, octets(challenge)),
            Value::ChallengeResponse(response) => first(&mut self.response, response),
            Value::AuthenticationNonce(nonce) => first(&mut self.nonce, octets(nonce)),
            Value::PseudowireCapabilities(list) => first(&mut self.pseudowires, list),
            Value::MulticastCapability => self.multicast = true,
            Value::AssignedSessionId(id) => first(&mut self.local_session, id.into()),
            Value::LocalSessionId(id) => first(&mut self.local_session, id),
            Value::RemoteSessionId(id) => first(&mut self.remote_session, id),
            Value::AssignedCookie(cookie) => first(&mut self.cookie, cookie),
            Value::RemoteEndId(end) | Value::CalledNumber(end) => first(&mut self.remote_end, octets(end)),
            Value::LocalEndId(end) | Value::CallingNumber(end) => first(&mut self.local_end, octets(end)),
            Value::AttachmentGroupIdentifier(group) | Value::PrivateGroupId(group) => {
                first(&mut self.group, octets(group));
            }
            Value::PseudowireType(kind) => first(&mut self.pseudowire, kind),
            Value::L2SpecificSublayer(kind) => first(&mut self.sublayer, kind),
            Value::DataSequencing(level) => first(&mut self.sequencing, level),
            Value::SequencingRequired => first(&mut self.sequencing, 2),
            Value::InterfaceMtu(mtu) => first(&mut self.mtu, mtu),
            Value::CircuitStatus(status) => first(&mut self.circuit, status),
            Value::NewOutgoingSessions(list) => first(&mut self.new_sessions, list),
            Value::NewOutgoingSessionsAck(list) => first(&mut self.acknowledged_sessions, list),
            Value::WithdrawOutgoingSessions(list) => first(&mut self.withdrawn_sessions, list),
            _ => {}
        }
    }
}
