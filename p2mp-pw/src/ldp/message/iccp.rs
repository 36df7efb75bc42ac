//! The messages of the Inter-Chassis Communication Protocol (RFC 7275 §6): RG Connect, RG Disconnect, RG Notification, RG Application Data.

use alloc::vec::Vec;

use fwd_core::codec::{self, BufMut, Fail, Fault, Malformed, Take};

use super::super::octets::{Octets, len16, list, whole};
use super::super::tlv::TlvFlags;
use super::MessageType;

/// A message between routers of a redundancy group. No machine here acts on it.
///
/// ```text
/// +-----------------+------------+-----------+----------------+
/// | Type 0x0005 (2) | Length (2) | RG ID (4) | Parameters ... |
/// +-----------------+------------+-----------+----------------+
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RgMessage {
    /// Which of the four.
    pub kind: RgKind,
    /// The redundancy group; 0 is reserved.
    pub rg_id: u32,
    /// The parameters, in their order: an RG Connect begins with the sender's name, an RG Disconnect with its reason.
    pub parameters: Vec<IccTlv>,
}

/// Which message of the protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum RgKind {
    /// The sender is of the group, or has an application in it (RFC 7275 §6.2).
    Connect,
    /// The sender, or its application, leaves (RFC 7275 §6.3).
    Disconnect,
    /// Something is rejected (RFC 7275 §6.4).
    Notification,
    /// Data of an application (RFC 7275 §6.5).
    ApplicationData,
}

impl RgKind {
    pub(crate) const fn of(kind: MessageType) -> Option<Self> {
        Some(match kind {
            MessageType::RG_CONNECT => Self::Connect,
            MessageType::RG_DISCONNECT => Self::Disconnect,
            MessageType::RG_NOTIFICATION => Self::Notification,
            MessageType::RG_APPLICATION_DATA => Self::ApplicationData,
            _ => return None,
        })
    }

    pub(super) const fn message_type(self) -> MessageType {
        match self {
            Self::Connect => MessageType::RG_CONNECT,
            Self::Disconnect => MessageType::RG_DISCONNECT,
            Self::Notification => MessageType::RG_NOTIFICATION,
            Self::ApplicationData => MessageType::RG_APPLICATION_DATA,
        }
    }
}

/// The type of a parameter, 14 bits of a name space of its own; unknown values survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IccTlvType(u16);

impl IccTlvType {
    /// ICC Sender Name (RFC 7275 §6.2.1).
    pub const SENDER_NAME: Self = Self(0x0001);
    /// NAK (RFC 7275 §6.4.1).
    pub const NAK: Self = Self(0x0002);
    /// Requested Protocol Version (RFC 7275 §6.4.1).
    pub const REQUESTED_VERSION: Self = Self(0x0003);
    /// Disconnect Code (RFC 7275 §6.3).
    pub const DISCONNECT_CODE: Self = Self(0x0004);
    /// ICC RG ID (RFC 7275 §6.1.1).
    pub const RG_ID: Self = Self(0x0005);

    /// The low 14 bits of `value` as a type.
    #[must_use]
    pub const fn from_low_bits(value: u16) -> Self {
        Self(value & 0x3fff)
    }
}

/// A status code of the protocol (RFC 7275 §6.4.1, §12); unknown values survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct IccpStatus(pub u32);

impl IccpStatus {
    /// The group is not configured.
    pub const UNKNOWN_RG: Self = Self(0x0001_0001);
    /// Too many connections.
    pub const CONNECTION_COUNT_EXCEEDED: Self = Self(0x0001_0002);
    /// Too many connections of applications.
    pub const APPLICATION_COUNT_EXCEEDED: Self = Self(0x0001_0003);
    /// The application is not in the group.
    pub const APPLICATION_NOT_IN_RG: Self = Self(0x0001_0004);
    /// Another version of the application.
    pub const INCOMPATIBLE_VERSION: Self = Self(0x0001_0005);
    /// An RG Application Data message, or parameters of it.
    pub const REJECTED_MESSAGE: Self = Self(0x0001_0006);
    /// By local policy.
    pub const ADMINISTRATIVELY_DISABLED: Self = Self(0x0001_0007);
    /// The sender leaves the group.
    pub const RG_REMOVED: Self = Self(0x0001_0010);
    /// An application leaves the group.
    pub const APPLICATION_REMOVED: Self = Self(0x0001_0011);
}

/// A parameter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IccTlv {
    /// The sender's host name in UTF-8, at most 80 octets.
    SenderName(Octets),
    /// What is rejected, and why.
    Nak {
        /// Why.
        status: IccpStatus,
        /// The peer's message; 0: none in particular.
        message_id: u32,
        /// What is rejected of it, and the version wanted instead: [`IccTlv::parse_all`] reads them.
        tlvs: Octets,
    },
    /// The version that the sender knows of the application whose connect parameter has this type.
    RequestedVersion {
        /// The type.
        connection: u16,
        /// The version.
        version: u16,
    },
    /// Why the sender leaves.
    DisconnectCode(IccpStatus),
    /// A parameter of an application (RFC 7275 §7), or one that is not known.
    Other(TlvFlags, IccTlvType, Octets),
}

impl IccTlv {
    const MAX_NAME: usize = 80;

    const fn header(&self) -> (TlvFlags, IccTlvType) {
        let of = match self {
            Self::SenderName(_) => IccTlvType::SENDER_NAME,
            Self::Nak { .. } => IccTlvType::NAK,
            Self::RequestedVersion { .. } => IccTlvType::REQUESTED_VERSION,
            Self::DisconnectCode(_) => IccTlvType::DISCONNECT_CODE,
            Self::Other(flags, kind, _) => return (*flags, *kind),
        };
        (TlvFlags::empty(), of)
    }

    /// Reads parameters up to the end, as those inside a NAK.
    ///
    /// # Errors
    /// A malformed parameter.
    pub fn parse_all(octets: &[u8]) -> Result<Vec<Self>, Malformed> {
        codec::all(octets, |i| list(i, Self::take))
    }

    fn take(i: &[u8]) -> Take<'_, Self> {
        let (i, (flags, kind, body)) = take_header(i)?;
        let tlv = match kind {
            IccTlvType::SENDER_NAME if body.len() > Self::MAX_NAME => {
                return Err(Fail::new(body, "icc sender name", Fault::Length(body.len())));
            }
            IccTlvType::SENDER_NAME => Self::SenderName(Octets::from_slice(body)),
            IccTlvType::NAK => {
                let (rest, status) = codec::be_u32(body, "iccp status code")?;
                let (rest, message_id) = codec::be_u32(rest, "rejected message id")?;
                Self::Nak { status: IccpStatus(status), message_id, tlvs: Octets::from_slice(rest) }
            }
            IccTlvType::REQUESTED_VERSION => whole(body, take_version)?,
            IccTlvType::DISCONNECT_CODE => {
                Self::DisconnectCode(IccpStatus(whole(body, |i| codec::be_u32(i, "iccp status code"))?))
            }
            other => Self::Other(flags, other, Octets::from_slice(body)),
        };
        Ok((i, tlv))
    }

    fn value_len(&self) -> usize {
        match self {
            Self::SenderName(octets) | Self::Other(_, _, octets) => octets.len(),
            Self::Nak { tlvs, .. } => tlvs.len().saturating_add(8),
            Self::RequestedVersion { .. } | Self::DisconnectCode(_) => 4,
        }
    }

    fn wire_len(&self) -> usize {
        self.value_len().saturating_add(4)
    }

    fn emit(&self, out: &mut impl BufMut) {
        let (flags, kind) = self.header();
        out.put_u16(flags.bits() | kind.0);
        out.put_u16(len16(self.value_len()));
        match self {
            Self::SenderName(octets) | Self::Other(_, _, octets) => out.put_slice(octets),
            Self::Nak { status, message_id, tlvs } => {
                out.put_u32(status.0);
                out.put_u32(*message_id);
                out.put_slice(tlvs);
            }
            Self::RequestedVersion { connection, version } => {
                out.put_u16(*connection);
                out.put_u16(*version);
            }
            Self::DisconnectCode(status) => out.put_u32(status.0),
        }
    }
}

fn take_version(i: &[u8]) -> Take<'_, IccTlv> {
    let (i, connection) = codec::be_u16(i, "connection reference")?;
    let (i, version) = codec::be_u16(i, "requested version")?;
    Ok((i, IccTlv::RequestedVersion { connection, version }))
}

/// Takes flags, type and value octets.
fn take_header(i: &[u8]) -> Take<'_, (TlvFlags, IccTlvType, &[u8])> {
    let (i, word) = codec::be_u16(i, "icc parameter type")?;
    let (i, len) = codec::be_u16(i, "icc parameter length")?;
    let (i, body) = codec::octets(i, len.into(), "icc parameter length")?;
    Ok((i, (TlvFlags::from_bits_truncate(word), IccTlvType::from_low_bits(word), body)))
}

impl RgMessage {
    pub(super) fn take(kind: RgKind, i: &[u8]) -> Take<'_, Self> {
        let (rest, (_, found, body)) = take_header(i)?;
        if found != IccTlvType::RG_ID {
            return Err(Fail::new(i, "mandatory parameter", Fault::Value(found.0.into())));
        }
        let rg_id = whole(body, |i| codec::be_u32(i, "icc rg id"))?;
        let (end, parameters) = list::<_, Vec<IccTlv>>(rest, IccTlv::take)?;
        let mandatory = match (kind, parameters.first()) {
            (RgKind::Connect, first) => matches!(first, Some(IccTlv::SenderName(_))),
            (RgKind::Disconnect, first) => matches!(first, Some(IccTlv::DisconnectCode(_))),
            _ => true,
        };
        if !mandatory {
            return Err(Fail::new(rest, "mandatory parameter", Fault::Value(kind.message_type().0.into())));
        }
        Ok((end, Self { kind, rg_id, parameters }))
    }

    pub(super) fn wire_len(&self) -> usize {
        self.parameters.iter().map(IccTlv::wire_len).fold(8, usize::saturating_add)
    }

    pub(super) fn emit(&self, out: &mut impl BufMut) {
        out.put_u16(IccTlvType::RG_ID.0);
        out.put_u16(4);
        out.put_u32(self.rg_id);
        self.parameters.iter().for_each(|tlv| tlv.emit(out));
    }
}

#[cfg(feature = "arbitrary")]
mod generators {
    use arbitrary::{Arbitrary, Result, Unstructured};

    use super::super::super::octets::{arbitrary_list, arbitrary_octets};
    use super::*;

    impl<'a> Arbitrary<'a> for IccTlv {
        fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
            Ok(match u.int_in_range(0..=4)? {
                0 => Self::SenderName(arbitrary_octets(u, Self::MAX_NAME)?),
                1 => Self::Nak { status: u.arbitrary()?, message_id: u.arbitrary()?, tlvs: arbitrary_octets(u, 40)? },
                2 => Self::RequestedVersion { connection: u.arbitrary()?, version: u.arbitrary()? },
                3 => Self::DisconnectCode(u.arbitrary()?),
                _ => {
                    let kind = IccTlvType(u.int_in_range(0x0010..=0x3fff)?);
                    Self::Other(TlvFlags::from_bits_truncate(u.arbitrary()?), kind, arbitrary_octets(u, 40)?)
                }
            })
        }
    }

    impl<'a> Arbitrary<'a> for RgMessage {
        /// With the mandatory parameter in front.
        fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
            let (kind, rg_id) = (u.arbitrary()?, u.arbitrary()?);
            let first = match kind {
                RgKind::Connect => Some(IccTlv::SenderName(arbitrary_octets(u, IccTlv::MAX_NAME)?)),
                RgKind::Disconnect => Some(IccTlv::DisconnectCode(u.arbitrary()?)),
                _ => None,
            };
            let rest: Vec<IccTlv> = arbitrary_list(u, 3)?;
            Ok(Self { kind, rg_id, parameters: first.into_iter().chain(rest).collect() })
        }
    }
}
