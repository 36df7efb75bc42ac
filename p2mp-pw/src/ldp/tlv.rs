//! TLVs (RFC 5036 §3.3, §3.4).

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};

use bitflags::bitflags;
use fwd_core::codec::{self, BufMut, Fail, Fault, Take};
use fwd_core::net::{Label, Mac};
use smallvec::SmallVec;

use super::address_family::{AddressFamily, emit_address, take_address};
use super::capability::{Capability, DualStack, FaultTolerance};
use super::fec::{Fec, InterfaceParameter};
use super::hello_auth::HelloAuth;
use super::interface_id::InterfaceId;
use super::mac_withdraw::MacFlush;
use super::mp_status::MpStatus;
use super::octets::{Octets, len16, list, whole};
use super::pw_status::PwStatus;
use super::status::{Status, StatusCode};

/// The type of a TLV, 14 bits; unknown values survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TlvType(u16);

impl TlvType {
    /// FEC (RFC 5036 §3.4.1).
    pub const FEC: Self = Self(0x0100);
    /// Address List (RFC 5036 §3.4.3).
    pub const ADDRESS_LIST: Self = Self(0x0101);
    /// Hop Count (RFC 5036 §3.4.4).
    pub const HOP_COUNT: Self = Self(0x0103);
    /// Path Vector (RFC 5036 §3.4.5).
    pub const PATH_VECTOR: Self = Self(0x0104);
    /// Generic Label (RFC 5036 §3.4.2.1).
    pub const GENERIC_LABEL: Self = Self(0x0200);
    /// Upstream-Assigned Label (RFC 6389 §4).
    pub const UPSTREAM_LABEL: Self = Self(0x0204);
    /// Upstream-Assigned Label Request (RFC 6389 §4).
    pub const UPSTREAM_LABEL_REQUEST: Self = Self(0x0205);
    /// Status (RFC 5036 §3.4.6).
    pub const STATUS: Self = Self(0x0300);
    /// Extended Status (RFC 5036 §3.5.1).
    pub const EXTENDED_STATUS: Self = Self(0x0301);
    /// Returned PDU (RFC 5036 §3.5.1).
    pub const RETURNED_PDU: Self = Self(0x0302);
    /// Returned Message (RFC 5036 §3.5.1).
    pub const RETURNED_MESSAGE: Self = Self(0x0303);
    /// Returned TLVs (RFC 5561 §8).
    pub const RETURNED_TLVS: Self = Self(0x0304);
    /// Common Hello Parameters (RFC 5036 §3.5.2).
    pub const COMMON_HELLO: Self = Self(0x0400);
    /// IPv4 Transport Address (RFC 5036 §3.5.2).
    pub const IPV4_TRANSPORT_ADDRESS: Self = Self(0x0401);
    /// Configuration Sequence Number (RFC 5036 §3.5.2).
    pub const CONFIGURATION_SEQUENCE: Self = Self(0x0402);
    /// IPv6 Transport Address (RFC 5036 §3.5.2).
    pub const IPV6_TRANSPORT_ADDRESS: Self = Self(0x0403);
    /// MAC List (RFC 4762 §6.2.1).
    pub const MAC_LIST: Self = Self(0x0404);
    /// Cryptographic Authentication of a Hello (RFC 7349 §2.3).
    pub const CRYPTOGRAPHIC_AUTHENTICATION: Self = Self(0x0405);
    /// MAC Flush Parameters (RFC 7361 §5.1.1).
    pub const MAC_FLUSH: Self = Self(0x0406);
    /// Common Session Parameters (RFC 5036 §3.5.3).
    pub const COMMON_SESSION: Self = Self(0x0500);
    /// FT Session (RFC 3479 §8.2).
    pub const FT_SESSION: Self = Self(0x0503);
    /// Dynamic Capability Announcement (RFC 5561 §9).
    pub const DYNAMIC_CAPABILITY: Self = Self(0x0506);
    /// Upstream Label Assignment capability (RFC 6389 §3).
    pub const UPSTREAM_LABEL_CAPABILITY: Self = Self(0x0507);
    /// P2MP capability (RFC 6388 §2.1).
    pub const P2MP_CAPABILITY: Self = Self(0x0508);
    /// MP2MP capability (RFC 6388 §3.1).
    pub const MP2MP_CAPABILITY: Self = Self(0x0509);
    /// Make-before-break capability (RFC 6388 §8.3).
    pub const MBB_CAPABILITY: Self = Self(0x050a);
    /// Typed Wildcard FEC capability (RFC 5918 §5).
    pub const TYPED_WILDCARD_CAPABILITY: Self = Self(0x050b);
    /// State Advertisement Control capability (RFC 7473 §4.1).
    pub const STATE_ADVERTISEMENT_CONTROL: Self = Self(0x050d);
    /// Label Request Message ID (RFC 5036 §3.5.7).
    pub const LABEL_REQUEST_MESSAGE_ID: Self = Self(0x0600);
    /// MTU (RFC 3988 §2.4).
    pub const MTU: Self = Self(0x0601);
    /// Unrecognized Notification capability (RFC 5919 §3).
    pub const UNRECOGNIZED_NOTIFICATION: Self = Self(0x0603);
    /// ICCP capability (RFC 7275 §8).
    pub const ICCP_CAPABILITY: Self = Self(0x0700);
    /// Dual-Stack capability (RFC 7552 §6.1.1).
    pub const DUAL_STACK: Self = Self(0x0701);
    /// P2MP PW capability (RFC 8338 §4).
    pub const P2MP_PW_CAPABILITY: Self = Self(0x0703);
    /// IPv4 Interface ID (RFC 3472 §8.1, RFC 6389 §5).
    pub const IPV4_INTERFACE_ID: Self = Self(0x082d);
    /// IPv6 Interface ID (RFC 3472 §8.1, RFC 6389 §5).
    pub const IPV6_INTERFACE_ID: Self = Self(0x082e);
    /// HSMP LSP capability (RFC 7140 §3.1).
    pub const HSMP_CAPABILITY: Self = Self(0x0902);
    /// PW Status (RFC 8077 §6.3.2).
    pub const PW_STATUS: Self = Self(0x096a);
    /// PW Interface Parameters (RFC 8077 §6.2.2.1).
    pub const PW_INTERFACE_PARAMETERS: Self = Self(0x096b);
    /// PW Group ID (RFC 8077 §6.2.2.2).
    pub const PW_GROUP_ID: Self = Self(0x096c);
    /// PW Switching Point (RFC 6073 §7.4).
    pub const PW_SWITCHING_POINT: Self = Self(0x096d);
    /// LDP MP Status (RFC 6388 §5).
    pub const LDP_MP_STATUS: Self = Self(0x096f);
    /// Egress Protection capability (RFC 8104 §6.1).
    pub const EGRESS_PROTECTION_CAPABILITY: Self = Self(0x0974);

    /// The low 14 bits of `value` as a type.
    #[must_use]
    pub const fn from_low_bits(value: u16) -> Self {
        Self(value & 0x3fff)
    }

    /// The value, 14 bits.
    #[must_use]
    pub const fn value(self) -> u16 {
        self.0
    }

    /// Whether the TLV is a capability parameter with an S bit (RFC 5561 §3).
    #[must_use]
    pub const fn is_capability(self) -> bool {
        matches!(
            self,
            Self::DYNAMIC_CAPABILITY
                | Self::UPSTREAM_LABEL_CAPABILITY
                | Self::P2MP_CAPABILITY
                | Self::MP2MP_CAPABILITY
                | Self::MBB_CAPABILITY
                | Self::TYPED_WILDCARD_CAPABILITY
                | Self::STATE_ADVERTISEMENT_CONTROL
                | Self::UNRECOGNIZED_NOTIFICATION
                | Self::ICCP_CAPABILITY
                | Self::P2MP_PW_CAPABILITY
                | Self::HSMP_CAPABILITY
                | Self::EGRESS_PROTECTION_CAPABILITY
        )
    }

    /// The flags that the RFC of this type demands of a sender.
    #[must_use]
    pub const fn flags(self) -> TlvFlags {
        match self {
            Self::MTU | Self::MAC_FLUSH => TlvFlags::all(),
            Self::MAC_LIST
            | Self::DUAL_STACK
            | Self::FT_SESSION
            | Self::PW_STATUS
            | Self::LDP_MP_STATUS
            | Self::PW_SWITCHING_POINT
            | Self::RETURNED_TLVS => TlvFlags::UNKNOWN,
            _ if self.is_capability() => TlvFlags::UNKNOWN,
            _ => TlvFlags::empty(),
        }
    }
}

bitflags! {
    /// What a receiver does that does not know a TLV (RFC 5036 §3.3).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct TlvFlags: u16 {
        /// U: it ignores the TLV; else it refuses the message.
        const UNKNOWN = 0x8000;
        /// F: it forwards the ignored TLV with the message.
        const FORWARD = 0x4000;
    }
}

/// A TLV.
///
/// ```text
/// +---+---+-----------+------------+-----------+
/// | U | F | Type (14) | Length (2) | Value ... |
/// +---+---+-----------+------------+-----------+
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tlv {
    /// The U and F bits, as received.
    pub flags: TlvFlags,
    /// Type and value.
    pub value: TlvValue,
}

/// A TLV's value, by type. The parameters that have a fixed place in a message are fields of the message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TlvValue {
    /// A FEC beside the message's own parameters, as in a Notification.
    Fec(Fec),
    /// Hops so far; 0: unknown (RFC 5036 §3.4.4).
    HopCount(u8),
    /// LSRs so far (RFC 5036 §3.4.5).
    PathVector(Vec<Ipv4Addr>),
    /// A label (RFC 5036 §3.4.2.1).
    GenericLabel(Label),
    /// A label that the sender assigned for what it sends (RFC 6389 §4).
    UpstreamLabel(Label),
    /// A request for such a label (RFC 6389 §4).
    UpstreamLabelRequest,
    /// A status (RFC 5036 §3.4.6).
    Status(Status),
    /// What supplements a status (RFC 5036 §3.5.1).
    ExtendedStatus(StatusCode),
    /// The start of a PDU of the peer's (RFC 5036 §3.5.1).
    ReturnedPdu(Octets),
    /// The start of a message of the peer's (RFC 5036 §3.5.1).
    ReturnedMessage(Octets),
    /// TLVs of the peer's (RFC 5561 §8).
    ReturnedTlvs(Octets),
    /// Where to open the session (RFC 5036 §3.5.2).
    TransportAddress(IpAddr),
    /// Changes with the sender's configuration (RFC 5036 §3.5.2).
    ConfigurationSequence(u32),
    /// Who sent a Hello (RFC 7349 §2.3).
    HelloAuth(Box<HelloAuth>),
    /// MAC addresses to forget (RFC 4762 §6.2.1).
    MacList(Vec<Mac>),
    /// How to forget them (RFC 7361 §5.1.1).
    MacFlush(Box<MacFlush>),
    /// Graceful restart (RFC 3478 §2).
    FtSession(FaultTolerance),
    /// A capability (RFC 5561 §3); the type is one for which [`TlvType::is_capability`] holds.
    Capability(TlvType, Capability),
    /// The message that a mapping answers (RFC 5036 §3.5.7).
    LabelRequestMessageId(u32),
    /// The LSP's MTU in octets (RFC 3988 §2.4).
    Mtu(u16),
    /// The family a dual-stack neighbour prefers (RFC 7552 §6.1.1).
    DualStack(DualStack),
    /// The tunnel below an upstream-assigned label (RFC 6389 §5).
    InterfaceId(Box<InterfaceId>),
    /// The state of a pseudowire (RFC 8077 §6.3.2).
    PwStatus(PwStatus),
    /// Parameters of attachment circuits (RFC 8077 §6.2.2.1).
    PwInterfaceParameters(Vec<InterfaceParameter>),
    /// A group of pseudowires (RFC 8077 §6.2.2.2).
    PwGroupId(u32),
    /// The switching points that a pseudowire passed, as octets (RFC 6073 §7.4).
    PwSwitchingPoint(Octets),
    /// Status of a multipoint LSP (RFC 6388 §5).
    MpStatus(SmallVec<[MpStatus; 1]>),
    /// Any other type.
    Unknown(TlvType, Octets),
}

impl Tlv {
    /// Octets before the value.
    pub const HEADER_LEN: usize = 4;

    /// The value with the flags of its type.
    #[must_use]
    pub fn new(value: TlvValue) -> Self {
        Self { flags: value.tlv_type().flags(), value }
    }

    /// Whether a receiver must refuse the message: nobody knows the TLV, and its U bit is clear.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        matches!(self.value, TlvValue::Unknown(..)) && !self.flags.contains(TlvFlags::UNKNOWN)
    }

    /// Takes a TLV.
    ///
    /// # Errors
    /// Truncated input, or a value that its type does not allow.
    pub fn take(i: &[u8]) -> Take<'_, Self> {
        let (i, (flags, tlv_type, body)) = take_header(i)?;
        Ok((i, Self { flags, value: TlvValue::take(tlv_type, body)? }))
    }

    /// Octets of the TLV.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        self.value.wire_len().saturating_add(Self::HEADER_LEN)
    }

    /// Writes the TLV.
    pub fn emit(&self, out: &mut impl BufMut) {
        emit_header(self.flags, self.value.tlv_type(), self.value.wire_len(), out);
        self.value.emit(out);
    }
}

/// Takes flags, type and value octets.
pub(super) fn take_header(i: &[u8]) -> Take<'_, (TlvFlags, TlvType, &[u8])> {
    let (i, word) = codec::be_u16(i, "tlv type")?;
    let (i, len) = codec::be_u16(i, "tlv length")?;
    let (i, body) = codec::octets(i, len.into(), "tlv length")?;
    Ok((i, (TlvFlags::from_bits_truncate(word), TlvType::from_low_bits(word), body)))
}

/// Takes the TLV of a mandatory parameter, whose place is fixed.
pub(super) fn take_mandatory<'a, T>(
    i: &'a [u8],
    tlv_type: TlvType,
    take: impl FnOnce(&'a [u8]) -> Take<'a, T>,
) -> Take<'a, T> {
    let missing = || Fail::new(i, "mandatory parameter", Fault::Value(tlv_type.0.into()));
    if i.is_empty() {
        return Err(missing());
    }
    let (rest, (_, found, body)) = take_header(i)?;
    if found != tlv_type {
        return Err(missing());
    }
    Ok((rest, whole(body, take)?))
}

/// Writes flags, type and length.
pub(super) fn emit_header(flags: TlvFlags, tlv_type: TlvType, len: usize, out: &mut impl BufMut) {
    out.put_u16(flags.bits() | tlv_type.0);
    out.put_u16(len16(len));
}

/// Takes a label in the low 20 bits of four octets. RFC 5036 §3.4.2.1 draws it at the top; RFC 3032 and every
/// implementation have it at the bottom.
pub(super) fn take_label(i: &[u8]) -> Take<'_, Label> {
    let (rest, word) = codec::be_u32(i, "label")?;
    match Label::new(word) {
        Some(label) => Ok((rest, label)),
        None => Err(Fail::new(i, "label", Fault::Value(word))),
    }
}

fn octets(i: &[u8]) -> Octets {
    Octets::from_slice(i)
}

impl TlvValue {
    /// The type.
    #[must_use]
    pub const fn tlv_type(&self) -> TlvType {
        match self {
            Self::Fec(_) => TlvType::FEC,
            Self::HopCount(_) => TlvType::HOP_COUNT,
            Self::PathVector(_) => TlvType::PATH_VECTOR,
            Self::GenericLabel(_) => TlvType::GENERIC_LABEL,
            Self::UpstreamLabel(_) => TlvType::UPSTREAM_LABEL,
            Self::UpstreamLabelRequest => TlvType::UPSTREAM_LABEL_REQUEST,
            Self::Status(_) => TlvType::STATUS,
            Self::ExtendedStatus(_) => TlvType::EXTENDED_STATUS,
            Self::ReturnedPdu(_) => TlvType::RETURNED_PDU,
            Self::ReturnedMessage(_) => TlvType::RETURNED_MESSAGE,
            Self::ReturnedTlvs(_) => TlvType::RETURNED_TLVS,
            Self::TransportAddress(IpAddr::V4(_)) => TlvType::IPV4_TRANSPORT_ADDRESS,
            Self::TransportAddress(IpAddr::V6(_)) => TlvType::IPV6_TRANSPORT_ADDRESS,
            Self::ConfigurationSequence(_) => TlvType::CONFIGURATION_SEQUENCE,
            Self::HelloAuth(_) => TlvType::CRYPTOGRAPHIC_AUTHENTICATION,
            Self::MacList(_) => TlvType::MAC_LIST,
            Self::MacFlush(_) => TlvType::MAC_FLUSH,
            Self::FtSession(_) => TlvType::FT_SESSION,
            Self::Capability(tlv_type, _) | Self::Unknown(tlv_type, _) => *tlv_type,
            Self::LabelRequestMessageId(_) => TlvType::LABEL_REQUEST_MESSAGE_ID,
            Self::Mtu(_) => TlvType::MTU,
            Self::DualStack(_) => TlvType::DUAL_STACK,
            Self::InterfaceId(id) if id.hop.is_ipv4() => TlvType::IPV4_INTERFACE_ID,
            Self::InterfaceId(_) => TlvType::IPV6_INTERFACE_ID,
            Self::PwStatus(_) => TlvType::PW_STATUS,
            Self::PwInterfaceParameters(_) => TlvType::PW_INTERFACE_PARAMETERS,
            Self::PwGroupId(_) => TlvType::PW_GROUP_ID,
            Self::PwSwitchingPoint(_) => TlvType::PW_SWITCHING_POINT,
            Self::MpStatus(_) => TlvType::LDP_MP_STATUS,
        }
    }

    fn take(tlv_type: TlvType, i: &[u8]) -> Result<Self, nom::Err<Fail<'_>>> {
        let number = |name| move |i| codec::be_u32(i, name);
        Ok(match tlv_type {
            TlvType::FEC => Self::Fec(whole(i, Fec::take)?),
            TlvType::HOP_COUNT => Self::HopCount(whole(i, |i| codec::be_u8(i, "hop count"))?),
            TlvType::PATH_VECTOR => Self::PathVector(whole(i, |i| list(i, take_lsr_id))?),
            TlvType::GENERIC_LABEL => Self::GenericLabel(whole(i, take_label)?),
            TlvType::UPSTREAM_LABEL => Self::UpstreamLabel(whole(i, take_upstream_label)?),
            TlvType::UPSTREAM_LABEL_REQUEST => whole(i, number("reserved")).map(|_| Self::UpstreamLabelRequest)?,
            TlvType::STATUS => Self::Status(whole(i, Status::take)?),
            TlvType::EXTENDED_STATUS => Self::ExtendedStatus(StatusCode(whole(i, number("extended status"))?)),
            TlvType::RETURNED_PDU => Self::ReturnedPdu(octets(i)),
            TlvType::RETURNED_MESSAGE => Self::ReturnedMessage(octets(i)),
            TlvType::RETURNED_TLVS => Self::ReturnedTlvs(octets(i)),
            TlvType::IPV4_TRANSPORT_ADDRESS => Self::TransportAddress(whole(i, |i| take_address(i, 4))?),
            TlvType::IPV6_TRANSPORT_ADDRESS => Self::TransportAddress(whole(i, |i| take_address(i, 16))?),
            TlvType::CONFIGURATION_SEQUENCE => {
                Self::ConfigurationSequence(whole(i, number("configuration sequence number"))?)
            }
            TlvType::CRYPTOGRAPHIC_AUTHENTICATION => Self::HelloAuth(Box::new(whole(i, HelloAuth::take)?)),
            TlvType::MAC_LIST => Self::MacList(whole(i, |i| list(i, take_mac))?),
            TlvType::MAC_FLUSH => Self::MacFlush(Box::new(whole(i, MacFlush::take)?)),
            TlvType::FT_SESSION => Self::FtSession(whole(i, FaultTolerance::take)?),
            TlvType::LABEL_REQUEST_MESSAGE_ID => {
                Self::LabelRequestMessageId(whole(i, number("label request message id"))?)
            }
            TlvType::MTU => Self::Mtu(whole(i, |i| codec::be_u16(i, "mtu"))?),
            TlvType::DUAL_STACK => Self::DualStack(whole(i, DualStack::take)?),
            TlvType::IPV4_INTERFACE_ID => Self::InterfaceId(Box::new(whole(i, |i| InterfaceId::take(i, 4))?)),
            TlvType::IPV6_INTERFACE_ID => Self::InterfaceId(Box::new(whole(i, |i| InterfaceId::take(i, 16))?)),
            TlvType::PW_STATUS => Self::PwStatus(PwStatus::from_bits_retain(whole(i, number("pw status"))?)),
            TlvType::PW_INTERFACE_PARAMETERS => {
                Self::PwInterfaceParameters(whole(i, |i| list(i, InterfaceParameter::take))?)
            }
            TlvType::PW_GROUP_ID => Self::PwGroupId(whole(i, number("pw group id"))?),
            TlvType::PW_SWITCHING_POINT => Self::PwSwitchingPoint(octets(i)),
            TlvType::LDP_MP_STATUS => Self::MpStatus(whole(i, |i| list(i, MpStatus::take))?),
            capability if capability.is_capability() => Self::Capability(capability, whole(i, Capability::take)?),
            unknown => Self::Unknown(unknown, octets(i)),
        })
    }

    /// Octets of the value.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        match self {
            Self::Fec(fec) => fec.wire_len(),
            Self::HopCount(_) => 1,
            Self::Mtu(_) => 2,
            Self::PathVector(path) => path.len().saturating_mul(4),
            Self::GenericLabel(_)
            | Self::UpstreamLabelRequest
            | Self::ExtendedStatus(_)
            | Self::ConfigurationSequence(_)
            | Self::LabelRequestMessageId(_)
            | Self::PwStatus(_)
            | Self::PwGroupId(_) => 4,
            Self::UpstreamLabel(_) => 8,
            Self::Status(_) => Status::LEN,
            Self::ReturnedPdu(o)
            | Self::ReturnedMessage(o)
            | Self::ReturnedTlvs(o)
            | Self::PwSwitchingPoint(o)
            | Self::Unknown(_, o) => o.len(),
            Self::TransportAddress(address) => super::address_family::address_len(*address),
            Self::HelloAuth(auth) => auth.wire_len(),
            Self::MacList(macs) => macs.len().saturating_mul(6),
            Self::MacFlush(flush) => flush.wire_len(),
            Self::FtSession(_) => FaultTolerance::LEN,
            Self::Capability(_, capability) => capability.wire_len(),
            Self::DualStack(_) => DualStack::LEN,
            Self::InterfaceId(id) => id.wire_len(),
            Self::PwInterfaceParameters(list) => {
                list.iter().map(InterfaceParameter::wire_len).fold(0, usize::saturating_add)
            }
            Self::MpStatus(list) => list.iter().map(MpStatus::wire_len).fold(0, usize::saturating_add),
        }
    }

    fn emit(&self, out: &mut impl BufMut) {
        match self {
            Self::Fec(fec) => fec.emit(out),
            Self::HopCount(hops) => out.put_u8(*hops),
            Self::Mtu(mtu) => out.put_u16(*mtu),
            Self::PathVector(path) => path.iter().for_each(|lsr| out.put_slice(&lsr.octets())),
            Self::GenericLabel(label) => out.put_u32(label.value()),
            Self::UpstreamLabel(label) => out.put_u64(label.value().into()),
            Self::UpstreamLabelRequest => out.put_u32(0),
            Self::Status(status) => status.emit(out),
            Self::ExtendedStatus(code) => out.put_u32(code.0),
            Self::ReturnedPdu(o)
            | Self::ReturnedMessage(o)
            | Self::ReturnedTlvs(o)
            | Self::PwSwitchingPoint(o)
            | Self::Unknown(_, o) => out.put_slice(o),
            Self::TransportAddress(address) => emit_address(*address, out),
            Self::ConfigurationSequence(n) | Self::LabelRequestMessageId(n) | Self::PwGroupId(n) => out.put_u32(*n),
            Self::HelloAuth(auth) => auth.emit(out),
            Self::MacList(macs) => macs.iter().for_each(|mac| out.put_slice(&mac.0)),
            Self::MacFlush(flush) => flush.emit(out),
            Self::FtSession(ft) => ft.emit(out),
            Self::Capability(_, capability) => capability.emit(out),
            Self::DualStack(preference) => preference.emit(out),
            Self::InterfaceId(id) => id.emit(out),
            Self::PwStatus(status) => out.put_u32(status.bits()),
            Self::PwInterfaceParameters(list) => list.iter().for_each(|p| p.emit(out)),
            Self::MpStatus(list) => list.iter().for_each(|s| s.emit(out)),
        }
    }
}

fn take_lsr_id(i: &[u8]) -> Take<'_, Ipv4Addr> {
    codec::array::<4>(i, "lsr id").map(|(i, lsr)| (i, Ipv4Addr::from(lsr)))
}

fn take_mac(i: &[u8]) -> Take<'_, Mac> {
    codec::array::<6>(i, "mac address").map(|(i, mac)| (i, Mac(mac)))
}

fn take_upstream_label(i: &[u8]) -> Take<'_, Label> {
    let (i, _reserved) = codec::be_u32(i, "reserved")?;
    take_label(i)
}

/// The value of the Address List TLV (RFC 5036 §3.4.3).
pub(super) fn take_addresses(i: &[u8]) -> Take<'_, (AddressFamily, Vec<IpAddr>, Octets)> {
    let (i, family) = codec::be_u16(i, "address family")?;
    let family = AddressFamily(family);
    let Some(len) = family.address_len() else {
        let (rest, unknown) = codec::octets(i, i.len(), "addresses")?;
        return Ok((rest, (family, Vec::new(), octets(unknown))));
    };
    let (i, addresses) = list(i, |i| take_address(i, len))?;
    Ok((i, (family, addresses, Octets::new())))
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for Tlv {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(Self { flags: TlvFlags::from_bits_truncate(u.arbitrary()?), value: u.arbitrary()? })
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for TlvValue {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        use super::octets::{arbitrary_list, arbitrary_octets};
        const CAPABILITIES: [TlvType; 3] =
            [TlvType::P2MP_CAPABILITY, TlvType::P2MP_PW_CAPABILITY, TlvType::STATE_ADVERTISEMENT_CONTROL];
        Ok(match u.int_in_range(0..=27)? {
            0 => Self::Fec(u.arbitrary()?),
            1 => Self::HopCount(u.arbitrary()?),
            2 => Self::PathVector(arbitrary_list(u, 4)?),
            3 => Self::GenericLabel(u.arbitrary()?),
            4 => Self::UpstreamLabel(u.arbitrary()?),
            5 => Self::UpstreamLabelRequest,
            6 => Self::Status(u.arbitrary()?),
            7 => Self::ExtendedStatus(u.arbitrary()?),
            8 => Self::ReturnedPdu(arbitrary_octets(u, 40)?),
            9 => Self::ReturnedMessage(arbitrary_octets(u, 40)?),
            10 => Self::ReturnedTlvs(arbitrary_octets(u, 40)?),
            11 => Self::TransportAddress(u.arbitrary()?),
            12 => Self::ConfigurationSequence(u.arbitrary()?),
            13 => Self::MacList(arbitrary_list(u, 4)?),
            14 => Self::MacFlush(u.arbitrary()?),
            15 => Self::FtSession(u.arbitrary()?),
            16 => Self::Capability(*u.choose(&CAPABILITIES)?, u.arbitrary()?),
            17 => Self::LabelRequestMessageId(u.arbitrary()?),
            18 => Self::Mtu(u.arbitrary()?),
            19 => Self::DualStack(u.arbitrary()?),
            20 => Self::InterfaceId(u.arbitrary()?),
            21 => Self::PwStatus(u.arbitrary()?),
            22 => Self::PwInterfaceParameters(arbitrary_list(u, 4)?),
            23 => Self::PwGroupId(u.arbitrary()?),
            24 => Self::PwSwitchingPoint(arbitrary_octets(u, 20)?),
            25 => Self::MpStatus(arbitrary_list(u, 2)?),
            26 => Self::HelloAuth(u.arbitrary()?),
            _ => Self::Unknown(TlvType(u.int_in_range(0x3e00..=0x3eff)?), arbitrary_octets(u, 20)?),
        })
    }
}
