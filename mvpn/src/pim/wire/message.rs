//! A whole PIM message.

use core::net::IpAddr;

use alloc::vec::Vec;
use fwd_core::codec::{self, Fail, Take};
use fwd_core::{Fault, Malformed};

use super::assert::Assert;
use super::bootstrap::Bootstrap;
use super::candidate_rp::CandidateRpAdvertisement;
use super::checksum;
use super::df_election::DfElection;
use super::ecmp_redirect::EcmpRedirect;
use super::encoded::AddressFamily;
use super::flooding::Flooding;
use super::header::{Header, MessageType, packet};
use super::hello::Hello;
use super::join_prune::JoinPrune;
use super::packed_register::{self, PackedRegister};
use super::register::Register;
use super::register_stop::RegisterStop;
use super::state_refresh::StateRefresh;

/// A PIM message, from the octet after the IP header to the end of the packet.
///
/// ```
/// use mvpn::pim::wire::{Assert, EncodedGroup, Message};
/// let assert = Assert {
///     group: EncodedGroup::new([239, 1, 1, 1].into()),
///     source: [10, 0, 0, 9].into(),
///     rpt: false,
///     metric_preference: 110,
///     metric: 20,
/// };
/// let (source, destination) = ([10, 0, 0, 1].into(), [224, 0, 0, 13].into());
/// let octets = Message::Assert(assert).to_packet(source, destination);
/// assert_eq!(Message::parse(&octets, source, destination), Ok(Message::Assert(assert)));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Message<'a> {
    /// 0
    Hello(Hello),
    /// 1
    Register(Register<'a>),
    /// 2
    RegisterStop(RegisterStop),
    /// 3
    JoinPrune(JoinPrune<'a>),
    /// 4
    Bootstrap(Bootstrap),
    /// 5
    Assert(Assert),
    /// 6
    Graft(JoinPrune<'a>),
    /// 7
    GraftAck(JoinPrune<'a>),
    /// 8
    CandidateRpAdvertisement(CandidateRpAdvertisement),
    /// 9
    StateRefresh(StateRefresh),
    /// 10
    DfElection(DfElection),
    /// 11
    EcmpRedirect(EcmpRedirect),
    /// 12
    Flooding(Flooding),
    /// 13.0
    PackedNullRegister(PackedRegister),
    /// 13.1
    PackedRegisterStop(PackedRegister),
    /// Another type's flags and body.
    Other {
        /// The type.
        message_type: MessageType,
        /// The flags, with a subtype in types from 13 on.
        flags: u8,
        /// The rest.
        body: &'a [u8],
    },
}

impl<'a> Message<'a> {
    /// Parses a message of a packet between these addresses: version, checksum, body. Octets after the body are a
    /// fault.
    ///
    /// # Errors
    /// A wrong version or checksum, or a fault in the body.
    #[inline]
    pub fn parse(octets: &'a [u8], source: IpAddr, destination: IpAddr) -> Result<Self, Malformed> {
        let message_type = MessageType(octets.first().map_or(0, |o| o & 0x0f));
        if octets.len() >= Header::LEN && !checksum::verify(message_type, octets, source, destination) {
            let [_, _, hi, lo] = octets.first_chunk::<4>().copied().unwrap_or_default();
            let field = Fault::Value(u32::from(u16::from_be_bytes([hi, lo])));
            return Err(Malformed { offset: 2, field: "pim checksum", fault: field });
        }
        Self::parse_body(octets, AddressFamily::of(source))
    }

    /// Parses a message without looking at its checksum, which a reliable transport makes needless (RFC 6559 §5.3).
    ///
    /// # Errors
    /// As [`Self::parse`] but for the checksum.
    #[inline]
    pub fn parse_body(octets: &'a [u8], family: AddressFamily) -> Result<Self, Malformed> {
        codec::all(octets, |i| {
            let (body, header) = Header::take(i)?;
            Self::take_body(body, header, family)
        })
    }

    fn take_body(i: &'a [u8], header: Header, family: AddressFamily) -> Take<'a, Self> {
        let flags = header.flags;
        Ok(match header.message_type {
            MessageType::HELLO => map(Hello::take(i, family)?, Self::Hello),
            MessageType::REGISTER => map(Register::take(i)?, Self::Register),
            MessageType::REGISTER_STOP => map(RegisterStop::take(i)?, Self::RegisterStop),
            MessageType::JOIN_PRUNE => map(JoinPrune::take(i)?, Self::JoinPrune),
            MessageType::BOOTSTRAP => map(Bootstrap::take(i, flags)?, Self::Bootstrap),
            MessageType::ASSERT => map(Assert::take(i)?, Self::Assert),
            MessageType::GRAFT => map(JoinPrune::take(i)?, Self::Graft),
            MessageType::GRAFT_ACK => map(JoinPrune::take(i)?, Self::GraftAck),
            MessageType::CANDIDATE_RP_ADVERTISEMENT => {
                map(CandidateRpAdvertisement::take(i)?, Self::CandidateRpAdvertisement)
            }
            MessageType::STATE_REFRESH => map(StateRefresh::take(i)?, Self::StateRefresh),
            MessageType::DF_ELECTION => map(DfElection::take(i, flags)?, Self::DfElection),
            MessageType::ECMP_REDIRECT => map(EcmpRedirect::take(i)?, Self::EcmpRedirect),
            MessageType::FLOODING => map(Flooding::take(i, flags)?, Self::Flooding),
            MessageType::EXTENDED if flags & 0xf0 == packed_register::NULL_REGISTER => {
                map(PackedRegister::take(i)?, Self::PackedNullRegister)
            }
            MessageType::EXTENDED if flags & 0xf0 == packed_register::REGISTER_STOP => {
                map(PackedRegister::take(i)?, Self::PackedRegisterStop)
            }
            message_type if i.len() <= usize::from(u16::MAX) => (&[], Self::Other { message_type, flags, body: i }),
            _ => return Err(Fail::new(i, "pim message", Fault::Length(i.len()))),
        })
    }

    /// The type.
    #[must_use]
    pub const fn message_type(&self) -> MessageType {
        match self {
            Self::Hello(_) => MessageType::HELLO,
            Self::Register(_) => MessageType::REGISTER,
            Self::RegisterStop(_) => MessageType::REGISTER_STOP,
            Self::JoinPrune(_) => MessageType::JOIN_PRUNE,
            Self::Bootstrap(_) => MessageType::BOOTSTRAP,
            Self::Assert(_) => MessageType::ASSERT,
            Self::Graft(_) => MessageType::GRAFT,
            Self::GraftAck(_) => MessageType::GRAFT_ACK,
            Self::CandidateRpAdvertisement(_) => MessageType::CANDIDATE_RP_ADVERTISEMENT,
            Self::StateRefresh(_) => MessageType::STATE_REFRESH,
            Self::DfElection(_) => MessageType::DF_ELECTION,
            Self::EcmpRedirect(_) => MessageType::ECMP_REDIRECT,
            Self::Flooding(_) => MessageType::FLOODING,
            Self::PackedNullRegister(_) | Self::PackedRegisterStop(_) => MessageType::EXTENDED,
            Self::Other { message_type, .. } => *message_type,
        }
    }

    /// The flags of the header.
    #[must_use]
    pub const fn flags(&self) -> u8 {
        match self {
            Self::Bootstrap(m) => m.flags(),
            Self::DfElection(m) => m.flags(),
            Self::Flooding(m) => m.flags(),
            Self::PackedRegisterStop(_) => packed_register::REGISTER_STOP,
            Self::Other { flags, .. } => *flags,
            _ => 0,
        }
    }

    /// Octets of the message with its header.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        let body = match self {
            Self::Hello(m) => m.wire_len(),
            Self::Register(m) => m.wire_len(),
            Self::RegisterStop(m) => m.wire_len(),
            Self::JoinPrune(m) | Self::Graft(m) | Self::GraftAck(m) => m.wire_len(),
            Self::Bootstrap(m) => m.wire_len(),
            Self::Assert(m) => m.wire_len(),
            Self::CandidateRpAdvertisement(m) => m.wire_len(),
            Self::StateRefresh(m) => m.wire_len(),
            Self::DfElection(m) => m.wire_len(),
            Self::EcmpRedirect(m) => m.wire_len(),
            Self::Flooding(m) => m.wire_len(),
            Self::PackedNullRegister(m) | Self::PackedRegisterStop(m) => m.wire_len(),
            Self::Other { body, .. } => body.len(),
        };
        body.saturating_add(Header::LEN)
    }

    /// The message as a packet between these addresses carries it.
    #[must_use]
    pub fn to_packet(&self, source: IpAddr, destination: IpAddr) -> Vec<u8> {
        packet(self.message_type(), self.flags(), source, destination, |out| match self {
            Self::Hello(m) => m.emit(out),
            Self::Register(m) => m.emit(out),
            Self::RegisterStop(m) => m.emit(out),
            Self::JoinPrune(m) | Self::Graft(m) | Self::GraftAck(m) => m.emit(out),
            Self::Bootstrap(m) => m.emit(out),
            Self::Assert(m) => m.emit(out),
            Self::CandidateRpAdvertisement(m) => m.emit(out),
            Self::StateRefresh(m) => m.emit(out),
            Self::DfElection(m) => m.emit(out),
            Self::EcmpRedirect(m) => m.emit(out),
            Self::Flooding(m) => m.emit(out),
            Self::PackedNullRegister(m) | Self::PackedRegisterStop(m) => m.emit(out),
            Self::Other { body, .. } => out.extend_from_slice(body),
        })
    }
}

/// Names what was taken.
fn map<T, U>((rest, value): (&[u8], T), name: impl FnOnce(T) -> U) -> (&[u8], U) {
    (rest, name(value))
}
