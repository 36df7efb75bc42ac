//! What attribute value pairs say, attribute by attribute.
//!
//! | Attributes | RFC |
//! |---|---|
//! | 0 to 39 | RFC 2661 §4.4; those that version 3 keeps RFC 3931 §5.4 |
//! | 58 to 75 | RFC 3931 §5.1, §5.4 |
//! | 76 to 79 | RFC 4951 §5 |
//! | 80 to 84 | RFC 4045 §3.2, §6 |
//! | 89 to 91 | RFC 4667 §4.3 |
//! | 96 | RFC 5085 §6.3.1 |

use fwd_core::codec::{BufMut, Fault, Malformed, Take, all, array, be_u8, be_u16, be_u32, be_u64};
use fwd_core::wire::l2tpv3::Cookie;

use super::avp::{Attribute, AvpFlags, RawAvp};
use super::field::{CircuitStatus, FailoverCapability, MessageDigest, Numbers, Octets, PseudowireType};
use super::message_type::MessageType;
use super::result_code::ResultCode;

/// An AVP's attribute and value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
#[allow(missing_docs)] // The names are the RFCs'.
pub enum Value<'a> {
    MessageType(MessageType),
    ResultCode(ResultCode<'a>),
    ProtocolVersion {
        version: u8,
        revision: u8,
    },
    FramingCapabilities(u32),
    BearerCapabilities(u32),
    TieBreaker(u64),
    FirmwareRevision(u16),
    HostName(Octets<'a>),
    VendorName(Octets<'a>),
    AssignedTunnelId(u16),
    ReceiveWindowSize(u16),
    Challenge(Octets<'a>),
    Q931Cause {
        code: u16,
        message: u8,
        advisory: Octets<'a>,
    },
    ChallengeResponse([u8; 16]),
    AssignedSessionId(u16),
    CallSerialNumber(u32),
    MinimumBps(u32),
    MaximumBps(u32),
    BearerType(u32),
    FramingType(u32),
    CalledNumber(Octets<'a>),
    CallingNumber(Octets<'a>),
    SubAddress(Octets<'a>),
    TxConnectSpeed(u32),
    PhysicalChannelId(u32),
    InitialReceivedLcp(Octets<'a>),
    LastSentLcp(Octets<'a>),
    LastReceivedLcp(Octets<'a>),
    ProxyAuthenType(u16),
    ProxyAuthenName(Octets<'a>),
    ProxyAuthenChallenge(Octets<'a>),
    /// The first octet is reserved.
    ProxyAuthenId(u8),
    ProxyAuthenResponse(Octets<'a>),
    /// Two reserved octets, then CRC errors, framing errors, hardware overruns, buffer overruns, time-outs, alignment errors; in
    /// version 3 the Circuit Errors.
    CallErrors([u32; 6]),
    /// Two reserved octets, then what is to be escaped on the way out and in.
    Accm {
        send: u32,
        receive: u32,
    },
    RandomVector(Octets<'a>),
    PrivateGroupId(Octets<'a>),
    RxConnectSpeed(u32),
    SequencingRequired,
    ExtendedVendorId {
        vendor: u32,
        attribute: u16,
        value: Octets<'a>,
    },
    MessageDigest(MessageDigest),
    RouterId(u32),
    AssignedControlConnectionId(u32),
    PseudowireCapabilities(Numbers<'a>),
    LocalSessionId(u32),
    RemoteSessionId(u32),
    AssignedCookie(Cookie),
    RemoteEndId(Octets<'a>),
    PseudowireType(PseudowireType),
    /// 0 none, 1 the default sublayer; RFC 3931 §5.4.4.
    L2SpecificSublayer(u16),
    /// 0 none, 1 what is not IP, 2 all; RFC 3931 §5.4.4.
    DataSequencing(u16),
    CircuitStatus(CircuitStatus),
    PreferredLanguage(Octets<'a>),
    AuthenticationNonce(Octets<'a>),
    TxConnectSpeed64(u64),
    RxConnectSpeed64(u64),
    FailoverCapability(FailoverCapability),
    /// Two reserved octets, then the tunnel in its owner's numbering, and in its peer's.
    TunnelRecovery {
        recover: u32,
        remote: u32,
    },
    /// Two reserved octets, then both numbers.
    SuggestedControlSequence {
        ns: u16,
        nr: u16,
    },
    /// Two reserved octets, then the session in its owner's numbering, and in its peer's.
    FailoverSessionState {
        session: u32,
        remote: u32,
    },
    MulticastCapability,
    NewOutgoingSessions(Numbers<'a>),
    NewOutgoingSessionsAck(Numbers<'a>),
    WithdrawOutgoingSessions(Numbers<'a>),
    MulticastPriority(u16),
    AttachmentGroupIdentifier(Octets<'a>),
    LocalEndId(Octets<'a>),
    InterfaceMtu(u16),
    VccvCapability {
        control_channels: u8,
        verifications: u8,
    },
    /// An attribute of another vendor, or one that is not known here.
    Unknown {
        vendor: u16,
        attribute: Attribute,
        value: Octets<'a>,
    },
}

/// Takes two octets that mean nothing.
fn reserved(i: &[u8]) -> Take<'_, ()> {
    be_u16(i, "reserved").map(|(rest, _)| (rest, ()))
}

fn errors(i: &[u8]) -> Take<'_, [u32; 6]> {
    let (mut i, ()) = reserved(i)?;
    let mut counts = [0; 6];
    for count in &mut counts {
        (i, *count) = be_u32(i, "call errors")?;
    }
    Ok((i, counts))
}

fn two(i: &[u8]) -> Take<'_, (u32, u32)> {
    let (i, ()) = reserved(i)?;
    let (i, a) = be_u32(i, "first number")?;
    be_u32(i, "second number").map(|(i, b)| (i, (a, b)))
}

fn digest(i: &[u8]) -> Take<'_, MessageDigest> {
    let (rest, kind) = be_u8(i, "digest type")?;
    match kind {
        0 => array(rest, "digest").map(|(i, d)| (i, MessageDigest::HmacMd5(d))),
        1 => array(rest, "digest").map(|(i, d)| (i, MessageDigest::HmacSha1(d))),
        other => Err(fwd_core::codec::Fail::new(i, "digest type", Fault::Value(other.into()))),
    }
}

impl<'a> Value<'a> {
    /// What an AVP says. It must not be hidden any more ([`super::hidden::reveal`]).
    ///
    /// # Errors
    /// The value has not the attribute's form.
    pub fn of(avp: &RawAvp<'a>) -> Result<Self, Malformed> {
        let unknown =
            Self::Unknown { vendor: avp.vendor, attribute: avp.attribute, value: Octets::received(avp.value) };
        if avp.vendor != 0 || avp.flags.intersects(AvpFlags::RESERVED) {
            return Ok(unknown);
        }
        let read = match avp.attribute.0 {
            0..=39 => Self::of_version_2(avp),
            _ => Self::of_version_3(avp),
        };
        read.unwrap_or(Ok(unknown))
    }

    fn of_version_2(avp: &RawAvp<'a>) -> Option<Result<Self, Malformed>> {
        let v = avp.value;
        let octets = Octets::received(v);
        let n16 = |make: fn(u16) -> Self| all(v, |i| be_u16(i, "value")).map(make);
        let n32 = |make: fn(u32) -> Self| all(v, |i| be_u32(i, "value")).map(make);
        Some(match avp.attribute {
            Attribute::MESSAGE_TYPE => n16(|n| Self::MessageType(MessageType(n))),
            Attribute::RESULT_CODE => ResultCode::parse(v).map(Self::ResultCode),
            Attribute::PROTOCOL_VERSION => all(v, |i| array(i, "protocol version"))
                .map(|[version, revision]| Self::ProtocolVersion { version, revision }),
            Attribute::FRAMING_CAPABILITIES => n32(Self::FramingCapabilities),
            Attribute::BEARER_CAPABILITIES => n32(Self::BearerCapabilities),
            Attribute::TIE_BREAKER => all(v, |i| be_u64(i, "tie breaker")).map(Self::TieBreaker),
            Attribute::FIRMWARE_REVISION => n16(Self::FirmwareRevision),
            Attribute::HOST_NAME => Ok(Self::HostName(octets)),
            Attribute::VENDOR_NAME => Ok(Self::VendorName(octets)),
            Attribute::ASSIGNED_TUNNEL_ID => n16(Self::AssignedTunnelId),
            Attribute::RECEIVE_WINDOW_SIZE => n16(Self::ReceiveWindowSize),
            Attribute::CHALLENGE => Ok(Self::Challenge(octets)),
            Attribute::Q931_CAUSE_CODE => all(v, |i| {
                let (i, code) = be_u16(i, "cause code")?;
                let (advisory, message) = be_u8(i, "cause message")?;
                Ok((&[][..], Self::Q931Cause { code, message, advisory: Octets::received(advisory) }))
            }),
            Attribute::CHALLENGE_RESPONSE => all(v, |i| array(i, "response")).map(Self::ChallengeResponse),
            Attribute::ASSIGNED_SESSION_ID => n16(Self::AssignedSessionId),
            Attribute::CALL_SERIAL_NUMBER => n32(Self::CallSerialNumber),
            Attribute::MINIMUM_BPS => n32(Self::MinimumBps),
            Attribute::MAXIMUM_BPS => n32(Self::MaximumBps),
            Attribute::BEARER_TYPE => n32(Self::BearerType),
            Attribute::FRAMING_TYPE => n32(Self::FramingType),
            Attribute::CALLED_NUMBER => Ok(Self::CalledNumber(octets)),
            Attribute::CALLING_NUMBER => Ok(Self::CallingNumber(octets)),
            Attribute::SUB_ADDRESS => Ok(Self::SubAddress(octets)),
            Attribute::TX_CONNECT_SPEED => n32(Self::TxConnectSpeed),
            Attribute::PHYSICAL_CHANNEL_ID => n32(Self::PhysicalChannelId),
            Attribute::INITIAL_RECEIVED_LCP => Ok(Self::InitialReceivedLcp(octets)),
            Attribute::LAST_SENT_LCP => Ok(Self::LastSentLcp(octets)),
            Attribute::LAST_RECEIVED_LCP => Ok(Self::LastReceivedLcp(octets)),
            Attribute::PROXY_AUTHEN_TYPE => n16(Self::ProxyAuthenType),
            Attribute::PROXY_AUTHEN_NAME => Ok(Self::ProxyAuthenName(octets)),
            Attribute::PROXY_AUTHEN_CHALLENGE => Ok(Self::ProxyAuthenChallenge(octets)),
            Attribute::PROXY_AUTHEN_ID => {
                all(v, |i| array(i, "proxy authen ID")).map(|[_, id]: [u8; 2]| Self::ProxyAuthenId(id))
            }
            Attribute::PROXY_AUTHEN_RESPONSE => Ok(Self::ProxyAuthenResponse(octets)),
            Attribute::CALL_ERRORS => all(v, errors).map(Self::CallErrors),
            Attribute::ACCM => all(v, two).map(|(send, receive)| Self::Accm { send, receive }),
            Attribute::RANDOM_VECTOR => Ok(Self::RandomVector(octets)),
            Attribute::PRIVATE_GROUP_ID => Ok(Self::PrivateGroupId(octets)),
            Attribute::RX_CONNECT_SPEED => n32(Self::RxConnectSpeed),
            Attribute::SEQUENCING_REQUIRED => all(v, |i| Ok((i, Self::SequencingRequired))),
            _ => return None,
        })
    }

    fn of_version_3(avp: &RawAvp<'a>) -> Option<Result<Self, Malformed>> {
        let v = avp.value;
        let octets = Octets::received(v);
        let n16 = |make: fn(u16) -> Self| all(v, |i| be_u16(i, "value")).map(make);
        let n32 = |make: fn(u32) -> Self| all(v, |i| be_u32(i, "value")).map(make);
        let n64 = |make: fn(u64) -> Self| all(v, |i| be_u64(i, "value")).map(make);
        let length = |field| Malformed { offset: 0, field, fault: Fault::Length(v.len()) };
        let list = |make: fn(Numbers<'a>) -> Self| match v.len() & 1 {
            0 => Ok(make(Numbers(octets))),
            _ => Err(length("list of numbers")),
        };
        Some(match avp.attribute {
            Attribute::EXTENDED_VENDOR_ID => all(v, |i| {
                let (i, vendor) = be_u32(i, "vendor ID")?;
                let (value, attribute) = be_u16(i, "attribute type")?;
                Ok((&[][..], Self::ExtendedVendorId { vendor, attribute, value: Octets::received(value) }))
            }),
            Attribute::MESSAGE_DIGEST => all(v, digest).map(Self::MessageDigest),
            Attribute::ROUTER_ID => n32(Self::RouterId),
            Attribute::ASSIGNED_CONTROL_CONNECTION_ID => n32(Self::AssignedControlConnectionId),
            Attribute::PSEUDOWIRE_CAPABILITIES => list(Self::PseudowireCapabilities),
            Attribute::LOCAL_SESSION_ID => n32(Self::LocalSessionId),
            Attribute::REMOTE_SESSION_ID => n32(Self::RemoteSessionId),
            // RFC 3931 §5.4.4: 4 or 8 octets; without a cookie there is no AVP.
            Attribute::ASSIGNED_COOKIE => Cookie::new(v)
                .filter(|cookie| !cookie.as_slice().is_empty())
                .map(Self::AssignedCookie)
                .ok_or(length("cookie")),
            Attribute::REMOTE_END_ID => Ok(Self::RemoteEndId(octets)),
            Attribute::PSEUDOWIRE_TYPE => n16(|n| Self::PseudowireType(PseudowireType(n))),
            Attribute::L2_SPECIFIC_SUBLAYER => n16(Self::L2SpecificSublayer),
            Attribute::DATA_SEQUENCING => n16(Self::DataSequencing),
            Attribute::CIRCUIT_STATUS => n16(|n| Self::CircuitStatus(CircuitStatus::from_bits_retain(n))),
            Attribute::PREFERRED_LANGUAGE => Ok(Self::PreferredLanguage(octets)),
            Attribute::AUTHENTICATION_NONCE => Ok(Self::AuthenticationNonce(octets)),
            Attribute::TX_CONNECT_SPEED_64 => n64(Self::TxConnectSpeed64),
            Attribute::RX_CONNECT_SPEED_64 => n64(Self::RxConnectSpeed64),
            Attribute::FAILOVER_CAPABILITY => all(v, |i| {
                let (i, bits) = be_u16(i, "capability")?;
                let (i, recovery_time) = be_u32(i, "recovery time")?;
                Ok((i, Self::FailoverCapability(FailoverCapability { bits, recovery_time })))
            }),
            Attribute::TUNNEL_RECOVERY => all(v, two).map(|(recover, remote)| Self::TunnelRecovery { recover, remote }),
            Attribute::SUGGESTED_CONTROL_SEQUENCE => all(v, |i| {
                let (i, ()) = reserved(i)?;
                let (i, ns) = be_u16(i, "suggested Ns")?;
                be_u16(i, "suggested Nr").map(|(i, nr)| (i, Self::SuggestedControlSequence { ns, nr }))
            }),
            Attribute::FAILOVER_SESSION_STATE => {
                all(v, two).map(|(session, remote)| Self::FailoverSessionState { session, remote })
            }
            Attribute::MULTICAST_CAPABILITY => all(v, |i| Ok((i, Self::MulticastCapability))),
            Attribute::NEW_OUTGOING_SESSIONS => list(Self::NewOutgoingSessions),
            Attribute::NEW_OUTGOING_SESSIONS_ACK => list(Self::NewOutgoingSessionsAck),
            Attribute::WITHDRAW_OUTGOING_SESSIONS => list(Self::WithdrawOutgoingSessions),
            Attribute::MULTICAST_PRIORITY => n16(Self::MulticastPriority),
            Attribute::ATTACHMENT_GROUP_IDENTIFIER => Ok(Self::AttachmentGroupIdentifier(octets)),
            Attribute::LOCAL_END_ID => Ok(Self::LocalEndId(octets)),
            Attribute::INTERFACE_MTU => n16(Self::InterfaceMtu),
            Attribute::VCCV_CAPABILITY => all(v, |i| array(i, "VCCV capability"))
                .map(|[control_channels, verifications]| Self::VccvCapability { control_channels, verifications }),
            _ => return None,
        })
    }

    /// The attribute.
    #[must_use]
    pub const fn attribute(&self) -> Attribute {
        match *self {
            Self::MessageType(_) => Attribute::MESSAGE_TYPE,
            Self::ResultCode(_) => Attribute::RESULT_CODE,
            Self::ProtocolVersion { .. } => Attribute::PROTOCOL_VERSION,
            Self::FramingCapabilities(_) => Attribute::FRAMING_CAPABILITIES,
            Self::BearerCapabilities(_) => Attribute::BEARER_CAPABILITIES,
            Self::TieBreaker(_) => Attribute::TIE_BREAKER,
            Self::FirmwareRevision(_) => Attribute::FIRMWARE_REVISION,
            Self::HostName(_) => Attribute::HOST_NAME,
            Self::VendorName(_) => Attribute::VENDOR_NAME,
            Self::AssignedTunnelId(_) => Attribute::ASSIGNED_TUNNEL_ID,
            Self::ReceiveWindowSize(_) => Attribute::RECEIVE_WINDOW_SIZE,
            Self::Challenge(_) => Attribute::CHALLENGE,
            Self::Q931Cause { .. } => Attribute::Q931_CAUSE_CODE,
            Self::ChallengeResponse(_) => Attribute::CHALLENGE_RESPONSE,
            Self::AssignedSessionId(_) => Attribute::ASSIGNED_SESSION_ID,
            Self::CallSerialNumber(_) => Attribute::CALL_SERIAL_NUMBER,
            Self::MinimumBps(_) => Attribute::MINIMUM_BPS,
            Self::MaximumBps(_) => Attribute::MAXIMUM_BPS,
            Self::BearerType(_) => Attribute::BEARER_TYPE,
            Self::FramingType(_) => Attribute::FRAMING_TYPE,
            Self::CalledNumber(_) => Attribute::CALLED_NUMBER,
            Self::CallingNumber(_) => Attribute::CALLING_NUMBER,
            Self::SubAddress(_) => Attribute::SUB_ADDRESS,
            Self::TxConnectSpeed(_) => Attribute::TX_CONNECT_SPEED,
            Self::PhysicalChannelId(_) => Attribute::PHYSICAL_CHANNEL_ID,
            Self::InitialReceivedLcp(_) => Attribute::INITIAL_RECEIVED_LCP,
            Self::LastSentLcp(_) => Attribute::LAST_SENT_LCP,
            Self::LastReceivedLcp(_) => Attribute::LAST_RECEIVED_LCP,
            Self::ProxyAuthenType(_) => Attribute::PROXY_AUTHEN_TYPE,
            Self::ProxyAuthenName(_) => Attribute::PROXY_AUTHEN_NAME,
            Self::ProxyAuthenChallenge(_) => Attribute::PROXY_AUTHEN_CHALLENGE,
            Self::ProxyAuthenId(_) => Attribute::PROXY_AUTHEN_ID,
            Self::ProxyAuthenResponse(_) => Attribute::PROXY_AUTHEN_RESPONSE,
            Self::CallErrors(_) => Attribute::CALL_ERRORS,
            Self::Accm { .. } => Attribute::ACCM,
            Self::RandomVector(_) => Attribute::RANDOM_VECTOR,
            Self::PrivateGroupId(_) => Attribute::PRIVATE_GROUP_ID,
            Self::RxConnectSpeed(_) => Attribute::RX_CONNECT_SPEED,
            Self::SequencingRequired => Attribute::SEQUENCING_REQUIRED,
            Self::ExtendedVendorId { .. } => Attribute::EXTENDED_VENDOR_ID,
            Self::MessageDigest(_) => Attribute::MESSAGE_DIGEST,
            Self::RouterId(_) => Attribute::ROUTER_ID,
            Self::AssignedControlConnectionId(_) => Attribute::ASSIGNED_CONTROL_CONNECTION_ID,
            Self::PseudowireCapabilities(_) => Attribute::PSEUDOWIRE_CAPABILITIES,
            Self::LocalSessionId(_) => Attribute::LOCAL_SESSION_ID,
            Self::RemoteSessionId(_) => Attribute::REMOTE_SESSION_ID,
            Self::AssignedCookie(_) => Attribute::ASSIGNED_COOKIE,
            Self::RemoteEndId(_) => Attribute::REMOTE_END_ID,
            Self::PseudowireType(_) => Attribute::PSEUDOWIRE_TYPE,
            Self::L2SpecificSublayer(_) => Attribute::L2_SPECIFIC_SUBLAYER,
            Self::DataSequencing(_) => Attribute::DATA_SEQUENCING,
            Self::CircuitStatus(_) => Attribute::CIRCUIT_STATUS,
            Self::PreferredLanguage(_) => Attribute::PREFERRED_LANGUAGE,
            Self::AuthenticationNonce(_) => Attribute::AUTHENTICATION_NONCE,
            Self::TxConnectSpeed64(_) => Attribute::TX_CONNECT_SPEED_64,
            Self::RxConnectSpeed64(_) => Attribute::RX_CONNECT_SPEED_64,
            Self::FailoverCapability(_) => Attribute::FAILOVER_CAPABILITY,
            Self::TunnelRecovery { .. } => Attribute::TUNNEL_RECOVERY,
            Self::SuggestedControlSequence { .. } => Attribute::SUGGESTED_CONTROL_SEQUENCE,
            Self::FailoverSessionState { .. } => Attribute::FAILOVER_SESSION_STATE,
            Self::MulticastCapability => Attribute::MULTICAST_CAPABILITY,
            Self::NewOutgoingSessions(_) => Attribute::NEW_OUTGOING_SESSIONS,
            Self::NewOutgoingSessionsAck(_) => Attribute::NEW_OUTGOING_SESSIONS_ACK,
            Self::WithdrawOutgoingSessions(_) => Attribute::WITHDRAW_OUTGOING_SESSIONS,
            Self::MulticastPriority(_) => Attribute::MULTICAST_PRIORITY,
            Self::AttachmentGroupIdentifier(_) => Attribute::ATTACHMENT_GROUP_IDENTIFIER,
            Self::LocalEndId(_) => Attribute::LOCAL_END_ID,
            Self::InterfaceMtu(_) => Attribute::INTERFACE_MTU,
            Self::VccvCapability { .. } => Attribute::VCCV_CAPABILITY,
            Self::Unknown { attribute, .. } => attribute,
        }
    }

    /// Octets of the value.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        let mut count = Counted(0);
        self.put(&mut count);
        count.0
    }

    /// Writes the value, without the AVP's header.
    pub fn emit(&self, out: &mut impl BufMut) {
        self.put(&mut Buffer(out));
    }

    fn put(&self, out: &mut impl Sink) {
        match *self {
            Self::MessageType(MessageType(n))
            | Self::FirmwareRevision(n)
            | Self::AssignedTunnelId(n)
            | Self::ReceiveWindowSize(n)
            | Self::AssignedSessionId(n)
            | Self::ProxyAuthenType(n)
            | Self::PseudowireType(PseudowireType(n))
            | Self::L2SpecificSublayer(n)
            | Self::DataSequencing(n)
            | Self::MulticastPriority(n)
            | Self::InterfaceMtu(n) => out.put(&n.to_be_bytes()),
            Self::ProxyAuthenId(id) => out.put(&[0, id]),
            Self::CircuitStatus(status) => out.put(&status.bits().to_be_bytes()),
            Self::ProtocolVersion { version: a, revision: b }
            | Self::VccvCapability { control_channels: a, verifications: b } => out.put(&[a, b]),
            Self::FramingCapabilities(n)
            | Self::BearerCapabilities(n)
            | Self::CallSerialNumber(n)
            | Self::MinimumBps(n)
            | Self::MaximumBps(n)
            | Self::BearerType(n)
            | Self::FramingType(n)
            | Self::TxConnectSpeed(n)
            | Self::PhysicalChannelId(n)
            | Self::RxConnectSpeed(n)
            | Self::RouterId(n)
            | Self::AssignedControlConnectionId(n)
            | Self::LocalSessionId(n)
            | Self::RemoteSessionId(n) => out.put(&n.to_be_bytes()),
            Self::TieBreaker(n) | Self::TxConnectSpeed64(n) | Self::RxConnectSpeed64(n) => out.put(&n.to_be_bytes()),
            Self::SequencingRequired | Self::MulticastCapability => {}
            Self::HostName(o)
            | Self::VendorName(o)
            | Self::Challenge(o)
            | Self::CalledNumber(o)
            | Self::CallingNumber(o)
            | Self::SubAddress(o)
            | Self::InitialReceivedLcp(o)
            | Self::LastSentLcp(o)
            | Self::LastReceivedLcp(o)
            | Self::ProxyAuthenName(o)
            | Self::ProxyAuthenChallenge(o)
            | Self::ProxyAuthenResponse(o)
            | Self::RandomVector(o)
            | Self::PrivateGroupId(o)
            | Self::RemoteEndId(o)
            | Self::PreferredLanguage(o)
            | Self::AuthenticationNonce(o)
            | Self::AttachmentGroupIdentifier(o)
            | Self::LocalEndId(o)
            | Self::Unknown { value: o, .. } => out.put(o.get()),
            Self::PseudowireCapabilities(n)
            | Self::NewOutgoingSessions(n)
            | Self::NewOutgoingSessionsAck(n)
            | Self::WithdrawOutgoingSessions(n) => out.put(n.0.get()),
            Self::ChallengeResponse(response) => out.put(&response),
            Self::AssignedCookie(cookie) => out.put(cookie.as_slice()),
            ref other => other.put_composed(out),
        }
    }

    /// The values of several fields.
    fn put_composed(&self, out: &mut impl Sink) {
        match *self {
            Self::ResultCode(code) => code.put(out),
            Self::Q931Cause { code, message, advisory } => {
                out.put(&code.to_be_bytes());
                out.put(&[message]);
                out.put(advisory.get());
            }
            Self::CallErrors(counts) => {
                out.put(&[0, 0]);
                counts.iter().for_each(|count| out.put(&count.to_be_bytes()));
            }
            Self::Accm { send: a, receive: b }
            | Self::TunnelRecovery { recover: a, remote: b }
            | Self::FailoverSessionState { session: a, remote: b } => {
                out.put(&[0, 0]);
                out.put(&a.to_be_bytes());
                out.put(&b.to_be_bytes());
            }
            Self::ExtendedVendorId { vendor, attribute, value } => {
                out.put(&vendor.to_be_bytes());
                out.put(&attribute.to_be_bytes());
                out.put(value.get());
            }
            Self::MessageDigest(MessageDigest::HmacMd5(digest)) => {
                out.put(&[0]);
                out.put(&digest);
            }
            Self::MessageDigest(MessageDigest::HmacSha1(digest)) => {
                out.put(&[1]);
                out.put(&digest);
            }
            Self::FailoverCapability(FailoverCapability { bits, recovery_time }) => {
                out.put(&bits.to_be_bytes());
                out.put(&recovery_time.to_be_bytes());
            }
            Self::SuggestedControlSequence { ns, nr } => {
                out.put(&[0, 0]);
                out.put(&ns.to_be_bytes());
                out.put(&nr.to_be_bytes());
            }
            _ => {}
        }
    }

    /// Writes the whole AVP with the M bit that the RFCs ask for, not hidden.
    pub fn emit_avp(&self, out: &mut impl BufMut) {
        let vendor = if let Self::Unknown { vendor, .. } = *self { vendor } else { 0 };
        let is_known = !matches!(self, Self::Unknown { .. });
        let flags = match is_known && self.attribute().is_mandatory() {
            true => AvpFlags::MANDATORY,
            false => AvpFlags::empty(),
        };
        let len = self.wire_len().saturating_add(RawAvp::HEADER) as u16 & 0x3ff;
        out.put_u16(u16::from(flags.bits()) << 8 | len);
        out.put_u16(vendor);
        out.put_u16(self.attribute().0);
        self.emit(out);
    }
}

/// Where the octets of a value go, or how many they are.
pub(super) trait Sink {
    fn put(&mut self, octets: &[u8]);
}

struct Counted(usize);

impl Sink for Counted {
    fn put(&mut self, octets: &[u8]) {
        self.0 = self.0.saturating_add(octets.len());
    }
}

struct Buffer<'b, B>(&'b mut B);

impl<B: BufMut> Sink for Buffer<'_, B> {
    fn put(&mut self, octets: &[u8]) {
        self.0.put_slice(octets);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    /// A value that has not the attribute's length is named, and an unknown attribute is kept.
    #[test]
    fn wrong_lengths_are_faults() {
        let value = |attribute, value| Value::of(&RawAvp::new(attribute, AvpFlags::empty(), value).unwrap());
        for attribute in (0..100).map(Attribute) {
            let known = !matches!(value(attribute, &[1; 7]), Ok(Value::Unknown { .. }));
            if known {
                let ok = value(attribute, &[1; 7]);
                let text = matches!(attribute.0, 1 | 7 | 8 | 11 | 12 | 21..=23 | 26..=28 | 30 | 31 | 33 | 36 | 37 | 58 | 66
                    | 72 | 73 | 89 | 90);
                assert_eq!(ok.is_ok(), text, "{attribute:?}: {ok:?}");
            }
        }
        assert!(value(Attribute::ASSIGNED_COOKIE, &[]).is_err());
        assert!(value(Attribute::MESSAGE_DIGEST, &[2; 17]).is_err());
        let other = RawAvp { flags: AvpFlags::empty(), vendor: 9, attribute: Attribute(1), value: &[] };
        assert!(matches!(Value::of(&other), Ok(Value::Unknown { vendor: 9, .. })));
        let reserved = AvpFlags::from_bits_retain(4);
        let odd = RawAvp { flags: reserved, vendor: 0, attribute: Attribute(7), value: &[1] };
        assert!(matches!(Value::of(&odd), Ok(Value::Unknown { .. })), "a reserved bit");
    }

    #[test]
    fn the_m_bit_is_the_rfcs() {
        for (value, first) in [
            (Value::FirmwareRevision(1), 0),
            (Value::AssignedTunnelId(1), 0x80),
            (Value::PrivateGroupId(Octets::cut(b"a")), 0),
            (Value::RemoteEndId(Octets::cut(b"a")), 0x80),
            (Value::AttachmentGroupIdentifier(Octets::cut(b"a")), 0),
            (Value::TunnelRecovery { recover: 1, remote: 2 }, 0x80),
        ] {
            let mut out = Vec::new();
            value.emit_avp(&mut out);
            assert_eq!(out[0] & 0x80, first, "{value:?}");
            assert_eq!(Value::of(&RawAvp::parse(&out).unwrap()), Ok(value));
        }
    }
}
