//! TLVs of echo messages (RFC 8029 §3, RFC 6425 §3.2, §3.3, RFC 5884 §6.1).

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use fwd_core::codec::{self, BufMut, Fail, Fault, Take};
use fwd_core::net::Label;

use super::downstream::{DownstreamDetailed, DownstreamMapping, InterfaceAddress};
use super::fec::TargetFec;
use crate::ldp::Octets;
use crate::ldp::octets::{len16, list, whole};
use crate::wire_address::WireAddress;

/// The type of a TLV; unknown values survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TlvType(pub u16);

impl TlvType {
    /// Target FEC Stack.
    pub const TARGET_FEC_STACK: Self = Self(1);
    /// Downstream Mapping (deprecated).
    pub const DOWNSTREAM_MAPPING: Self = Self(2);
    /// Pad.
    pub const PAD: Self = Self(3);
    /// Vendor Enterprise Number.
    pub const VENDOR_ENTERPRISE: Self = Self(5);
    /// Interface and Label Stack.
    pub const INTERFACE_AND_LABEL_STACK: Self = Self(7);
    /// Errored TLVs.
    pub const ERRORED_TLVS: Self = Self(9);
    /// Reply TOS Byte.
    pub const REPLY_TOS: Self = Self(10);
    /// P2MP Responder Identifier (RFC 6425 §3.2).
    pub const P2MP_RESPONDER: Self = Self(11);
    /// Echo Jitter (RFC 6425 §3.3).
    pub const ECHO_JITTER: Self = Self(12);
    /// BFD Discriminator (RFC 5884 §6.1).
    pub const BFD_DISCRIMINATOR: Self = Self(15);
    /// Downstream Detailed Mapping.
    pub const DOWNSTREAM_DETAILED: Self = Self(20);

    /// Whether whoever does not know the type must say so.
    #[must_use]
    pub const fn is_mandatory(self) -> bool {
        self.0 < 0x8000
    }
}

/// Who is to answer (RFC 6425 §3.2); more than the first are ignored.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum P2mpResponder {
    /// Nodes on the path to this egress.
    Egress(IpAddr),
    /// This node alone.
    Node(IpAddr),
    /// Any other sub-type.
    Unknown(u16, Octets),
}

impl P2mpResponder {
    fn take(i: &[u8]) -> Take<'_, Self> {
        let (rest, (kind, value)) = take_tlv(i, "p2mp responder")?;
        let v4 = |i| Ipv4Addr::take(i, "responder address").map(|(i, a)| (i, IpAddr::V4(a)));
        let v6 = |i| Ipv6Addr::take(i, "responder address").map(|(i, a)| (i, IpAddr::V6(a)));
        let responder = match kind {
            1 => Self::Egress(whole(value, v4)?),
            2 => Self::Egress(whole(value, v6)?),
            3 => Self::Node(whole(value, v4)?),
            4 => Self::Node(whole(value, v6)?),
            other => Self::Unknown(other, Octets::from_slice(value)),
        };
        Ok((rest, responder))
    }

    fn value_len(&self) -> usize {
        match self {
            Self::Egress(IpAddr::V4(_)) | Self::Node(IpAddr::V4(_)) => 4,
            Self::Egress(IpAddr::V6(_)) | Self::Node(IpAddr::V6(_)) => 16,
            Self::Unknown(_, value) => value.len(),
        }
    }

    fn emit(&self, out: &mut impl BufMut) {
        let kind = match self {
            Self::Egress(IpAddr::V4(_)) => 1,
            Self::Egress(IpAddr::V6(_)) => 2,
            Self::Node(IpAddr::V4(_)) => 3,
            Self::Node(IpAddr::V6(_)) => 4,
            Self::Unknown(kind, _) => *kind,
        };
        emit_tlv(kind, self.value_len(), out, |out| match self {
            Self::Egress(IpAddr::V4(address)) | Self::Node(IpAddr::V4(address)) => address.emit(out),
            Self::Egress(IpAddr::V6(address)) | Self::Node(IpAddr::V6(address)) => address.emit(out),
            Self::Unknown(_, value) => out.put_slice(value),
        });
    }
}

/// A label as it came, with class, bottom bit and TTL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ReceivedLabel {
    /// The label.
    pub label: Label,
    /// Traffic class in the upper three of four bits, and bottom of stack.
    pub tc_s: u8,
    /// The TTL.
    pub ttl: u8,
}

impl ReceivedLabel {
    fn take(i: &[u8]) -> Take<'_, Self> {
        let (i, word) = codec::be_u32(i, "label")?;
        let [.., ttl] = word.to_be_bytes();
        let tc_s = u8::try_from(word >> 8 & 0xf).unwrap_or(0);
        Ok((i, Self { label: Label::from_low_bits(word >> 12), tc_s, ttl }))
    }

    fn emit(&self, out: &mut impl BufMut) {
        out.put_u32(self.label.value() << 12 | u32::from(self.tc_s & 0xf) << 8 | u32::from(self.ttl));
    }
}

/// The interface that a request came by, and its labels (RFC 8029 §3.7).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct InterfaceAndLabelStack {
    /// The interface.
    pub interface: InterfaceAddress,
    /// The labels, top first.
    pub labels: Vec<ReceivedLabel>,
}

/// A TLV.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Tlv {
    /// The FECs under test, that of the top label first.
    TargetFecStack(Vec<TargetFec>),
    /// Deprecated.
    DownstreamMapping(Box<DownstreamMapping>),
    /// Octets to make a message longer: the first says whether they are to come back (2) or not (1).
    Pad {
        /// 1 or 2.
        first: u8,
        /// How many octets follow.
        len: u16,
    },
    /// Who gave private code points their meaning.
    VendorEnterprise(u32),
    /// What the replying router saw.
    InterfaceAndLabelStack(Box<InterfaceAndLabelStack>),
    /// TLVs that were not understood, as they came.
    ErroredTlvs(Octets),
    /// The class that the reply is to have.
    ReplyTos(u8),
    /// Who is to answer.
    P2mpResponder(Vec<P2mpResponder>),
    /// Replies are to be delayed by a random time of up to so many milliseconds.
    EchoJitter(u32),
    /// The sender's discriminator of a BFD session for the LSP.
    BfdDiscriminator(u32),
    /// Where the packet goes next.
    DownstreamDetailed(Box<DownstreamDetailed>),
    /// Any other.
    Unknown(TlvType, Octets),
}

impl Tlv {
    /// The type.
    #[must_use]
    pub const fn tlv_type(&self) -> TlvType {
        match self {
            Self::TargetFecStack(_) => TlvType::TARGET_FEC_STACK,
            Self::DownstreamMapping(_) => TlvType::DOWNSTREAM_MAPPING,
            Self::Pad { .. } => TlvType::PAD,
            Self::VendorEnterprise(_) => TlvType::VENDOR_ENTERPRISE,
            Self::InterfaceAndLabelStack(_) => TlvType::INTERFACE_AND_LABEL_STACK,
            Self::ErroredTlvs(_) => TlvType::ERRORED_TLVS,
            Self::ReplyTos(_) => TlvType::REPLY_TOS,
            Self::P2mpResponder(_) => TlvType::P2MP_RESPONDER,
            Self::EchoJitter(_) => TlvType::ECHO_JITTER,
            Self::BfdDiscriminator(_) => TlvType::BFD_DISCRIMINATOR,
            Self::DownstreamDetailed(_) => TlvType::DOWNSTREAM_DETAILED,
            Self::Unknown(kind, _) => *kind,
        }
    }

    /// Takes a TLV with type, length and padding.
    ///
    /// # Errors
    /// Truncated input, or a value that the type does not allow.
    pub fn take(i: &[u8]) -> Take<'_, Self> {
        let (rest, (kind, value)) = take_tlv(i, "tlv")?;
        let number = |field| move |i| codec::be_u32(i, field);
        let tlv = match TlvType(kind) {
            TlvType::TARGET_FEC_STACK => Self::TargetFecStack(whole(value, |i| list(i, TargetFec::take))?),
            TlvType::DOWNSTREAM_MAPPING => Self::DownstreamMapping(Box::new(whole(value, DownstreamMapping::take)?)),
            TlvType::PAD => {
                let (pad, first) = codec::be_u8(value, "pad")?;
                Self::Pad { first, len: len16(pad.len()) }
            }
            TlvType::VENDOR_ENTERPRISE => Self::VendorEnterprise(whole(value, number("enterprise number"))?),
            TlvType::INTERFACE_AND_LABEL_STACK => {
                Self::InterfaceAndLabelStack(Box::new(whole(value, take_interface_and_label_stack)?))
            }
            TlvType::ERRORED_TLVS => Self::ErroredTlvs(Octets::from_slice(value)),
            TlvType::REPLY_TOS => {
                let [tos, ..] = whole(value, number("reply tos"))?.to_be_bytes();
                Self::ReplyTos(tos)
            }
            TlvType::P2MP_RESPONDER => Self::P2mpResponder(whole(value, |i| list(i, P2mpResponder::take))?),
            TlvType::ECHO_JITTER => Self::EchoJitter(whole(value, number("jitter time"))?),
            TlvType::BFD_DISCRIMINATOR => Self::BfdDiscriminator(whole(value, number("bfd discriminator"))?),
            TlvType::DOWNSTREAM_DETAILED => Self::DownstreamDetailed(Box::new(whole(value, DownstreamDetailed::take)?)),
            other => Self::Unknown(other, Octets::from_slice(value)),
        };
        Ok((rest, tlv))
    }

    fn value_len(&self) -> usize {
        let sum = |lens: &mut dyn Iterator<Item = usize>| lens.fold(0, usize::saturating_add);
        match self {
            Self::TargetFecStack(fecs) => sum(&mut fecs.iter().map(TargetFec::wire_len)),
            Self::DownstreamMapping(mapping) => mapping.wire_len(),
            Self::Pad { len, .. } => usize::from(*len).saturating_add(1),
            Self::InterfaceAndLabelStack(value) => {
                value.labels.len().saturating_mul(4).saturating_add(value.interface.wire_len()).saturating_add(4)
            }
            Self::ErroredTlvs(octets) | Self::Unknown(_, octets) => octets.len(),
            Self::P2mpResponder(list) => sum(&mut list.iter().map(|responder| padded_len(responder.value_len()))),
            Self::VendorEnterprise(_) | Self::ReplyTos(_) | Self::EchoJitter(_) | Self::BfdDiscriminator(_) => 4,
            Self::DownstreamDetailed(mapping) => mapping.wire_len(),
        }
    }

    /// Octets with type, length and padding.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        padded_len(self.value_len())
    }

    /// Writes the TLV with type, length and padding.
    pub fn emit(&self, out: &mut impl BufMut) {
        emit_tlv(self.tlv_type().0, self.value_len(), out, |out| match self {
            Self::TargetFecStack(fecs) => fecs.iter().for_each(|fec| fec.emit(out)),
            Self::DownstreamMapping(mapping) => mapping.emit(out),
            Self::Pad { first, len } => {
                out.put_u8(*first);
                out.put_bytes(0, (*len).into());
            }
            Self::InterfaceAndLabelStack(value) => {
                out.put_u32(u32::from(value.interface.address_type()) << 24);
                value.interface.emit(out);
                value.labels.iter().for_each(|label| label.emit(out));
            }
            Self::ErroredTlvs(octets) | Self::Unknown(_, octets) => out.put_slice(octets),
            Self::P2mpResponder(list) => list.iter().for_each(|responder| responder.emit(out)),
            Self::VendorEnterprise(n) | Self::EchoJitter(n) | Self::BfdDiscriminator(n) => out.put_u32(*n),
            Self::ReplyTos(tos) => out.put_u32(u32::from(*tos) << 24),
            Self::DownstreamDetailed(mapping) => mapping.emit(out),
        });
    }
}

fn take_interface_and_label_stack(i: &[u8]) -> Take<'_, InterfaceAndLabelStack> {
    let (i, [address_type, ..]) = codec::array::<4>(i, "address type")?;
    let (i, interface) = InterfaceAddress::take(i, address_type)?;
    let (i, labels) = list(i, ReceivedLabel::take)?;
    Ok((i, InterfaceAndLabelStack { interface, labels }))
}

/// Takes type, length and value, and the padding behind it. A padding that is missing at the end is no fault.
pub(super) fn take_tlv<'a>(i: &'a [u8], field: &'static str) -> Take<'a, (u16, &'a [u8])> {
    let (i, kind) = codec::be_u16(i, field)?;
    let at = i;
    let (i, len) = codec::be_u16(i, field)?;
    let (rest, value) =
        codec::octets(i, len.into(), field).map_err(|_| Fail::new(at, field, Fault::Length(len.into())))?;
    Ok((rest.get(padding(value.len())..).unwrap_or_default(), (kind, value)))
}

const fn padding(len: usize) -> usize {
    len.wrapping_neg() & 3
}

/// Octets of type, length, value and padding.
pub(super) const fn padded_len(len: usize) -> usize {
    len.saturating_add(padding(len)).saturating_add(4)
}

/// Writes type, length, what `value` writes, and padding.
pub(super) fn emit_tlv<B: BufMut>(kind: u16, len: usize, out: &mut B, value: impl FnOnce(&mut B)) {
    out.put_u16(kind);
    out.put_u16(len16(len));
    value(out);
    out.put_bytes(0, padding(len));
}

#[cfg(feature = "arbitrary")]
mod generate {
    use alloc::boxed::Box;

    use arbitrary::{Arbitrary, Result, Unstructured};

    use super::{InterfaceAndLabelStack, P2mpResponder, ReceivedLabel, Tlv, TlvType};
    use crate::ldp::octets::{arbitrary_list, arbitrary_octets};

    impl<'a> Arbitrary<'a> for P2mpResponder {
        fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
            Ok(match u.int_in_range(0..=2)? {
                0 => Self::Egress(u.arbitrary()?),
                1 => Self::Node(u.arbitrary()?),
                _ => Self::Unknown(u.int_in_range(5..=0xffff)?, arbitrary_octets(u, 20)?),
            })
        }
    }

    impl<'a> Arbitrary<'a> for ReceivedLabel {
        fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
            Ok(Self { label: u.arbitrary()?, tc_s: u.int_in_range(0..=15)?, ttl: u.arbitrary()? })
        }
    }

    impl<'a> Arbitrary<'a> for Tlv {
        fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
            Ok(match u.int_in_range(0..=11)? {
                0 => Self::TargetFecStack(arbitrary_list(u, 4)?),
                1 => Self::DownstreamMapping(Box::new(u.arbitrary()?)),
                2 => Self::Pad { first: u.arbitrary()?, len: u.int_in_range(0..=60)? },
                3 => Self::VendorEnterprise(u.arbitrary()?),
                4 => {
                    let (interface, labels) = (u.arbitrary()?, arbitrary_list(u, 5)?);
                    Self::InterfaceAndLabelStack(Box::new(InterfaceAndLabelStack { interface, labels }))
                }
                5 => Self::ErroredTlvs(arbitrary_octets(u, 40)?),
                6 => Self::ReplyTos(u.arbitrary()?),
                7 => Self::P2mpResponder(arbitrary_list(u, 3)?),
                8 => Self::EchoJitter(u.arbitrary()?),
                9 => Self::BfdDiscriminator(u.arbitrary()?),
                10 => Self::DownstreamDetailed(Box::new(u.arbitrary()?)),
                _ => Self::Unknown(TlvType(u.int_in_range(21..=0xffff)?), arbitrary_octets(u, 40)?),
            })
        }
    }
}
