//! Downstream Detailed Mapping (RFC 8029 §3.4) and its deprecated predecessor (RFC 8029 A.2).

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use fwd_core::codec::{self, BufMut, Fail, Fault, Take};
use fwd_core::net::Label;

use super::fec::TargetFec;
use super::return_code::ReturnCode;
use super::tlv::{emit_tlv, padded_len, take_tlv};
use crate::ldp::Octets;
use crate::ldp::octets::{len8, len16, list, whole};
use crate::wire_address::WireAddress;

/// An interface of a node: by its address, or by its number at the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum InterfaceAddress {
    /// Type 1.
    V4 {
        /// The node, or its address on the interface.
        address: Ipv4Addr,
        /// The interface's address.
        interface: Ipv4Addr,
    },
    /// Type 2.
    V4Unnumbered {
        /// The node.
        address: Ipv4Addr,
        /// The interface's number.
        index: u32,
    },
    /// Type 3.
    V6 {
        /// The node, or its address on the interface.
        address: Ipv6Addr,
        /// The interface's address.
        interface: Ipv6Addr,
    },
    /// Type 4. The number has 4 octets, as the length of 24 in RFC 8029 §3.7 says.
    V6Unnumbered {
        /// The node.
        address: Ipv6Addr,
        /// The interface's number.
        index: u32,
    },
}

impl InterfaceAddress {
    /// The sender does not know its neighbour: the receiver checks labels only.
    pub const UNKNOWN_V4: Self = Self::V4Unnumbered { address: Ipv4Addr::LOCALHOST, index: 0 };
    /// The sender does not know the labels: the receiver checks nothing and maps downstream.
    pub const ALL_ROUTERS_V4: Self = Self::V4Unnumbered { address: Ipv4Addr::new(224, 0, 0, 2), index: 0 };
    /// As [`Self::ALL_ROUTERS_V4`], over IPv6.
    pub const ALL_ROUTERS_V6: Self =
        Self::V6Unnumbered { address: Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2), index: 0 };

    /// The node's address.
    #[must_use]
    pub const fn address(&self) -> IpAddr {
        match *self {
            Self::V4 { address, .. } | Self::V4Unnumbered { address, .. } => IpAddr::V4(address),
            Self::V6 { address, .. } | Self::V6Unnumbered { address, .. } => IpAddr::V6(address),
        }
    }

    /// Whether the sender does not know its neighbour.
    #[must_use]
    pub fn is_unknown(&self) -> bool {
        self.address() == IpAddr::V4(Ipv4Addr::LOCALHOST) || self.address() == IpAddr::V6(Ipv6Addr::LOCALHOST)
    }

    /// Whether the sender knows nothing of the labels.
    #[must_use]
    pub fn is_all_routers(&self) -> bool {
        [Self::ALL_ROUTERS_V4, Self::ALL_ROUTERS_V6].iter().any(|all| all.address() == self.address())
    }

    pub(super) const fn address_type(&self) -> u8 {
        match self {
            Self::V4 { .. } => 1,
            Self::V4Unnumbered { .. } => 2,
            Self::V6 { .. } => 3,
            Self::V6Unnumbered { .. } => 4,
        }
    }

    pub(super) fn take(i: &[u8], address_type: u8) -> Take<'_, Self> {
        match address_type {
            1 => {
                let (i, address) = Ipv4Addr::take(i, "downstream address")?;
                let (i, interface) = Ipv4Addr::take(i, "downstream interface address")?;
                Ok((i, Self::V4 { address, interface }))
            }
            2 => {
                let (i, address) = Ipv4Addr::take(i, "downstream address")?;
                let (i, index) = codec::be_u32(i, "downstream interface index")?;
                Ok((i, Self::V4Unnumbered { address, index }))
            }
            3 => {
                let (i, address) = Ipv6Addr::take(i, "downstream address")?;
                let (i, interface) = Ipv6Addr::take(i, "downstream interface address")?;
                Ok((i, Self::V6 { address, interface }))
            }
            4 => {
                let (i, address) = Ipv6Addr::take(i, "downstream address")?;
                let (i, index) = codec::be_u32(i, "downstream interface index")?;
                Ok((i, Self::V6Unnumbered { address, index }))
            }
            other => Err(Fail::new(i, "address type", Fault::Value(other.into()))),
        }
    }

    pub(super) const fn wire_len(&self) -> usize {
        match self {
            Self::V4 { .. } | Self::V4Unnumbered { .. } => 8,
            Self::V6 { .. } => 32,
            Self::V6Unnumbered { .. } => 20,
        }
    }

    pub(super) fn emit(&self, out: &mut impl BufMut) {
        match *self {
            Self::V4 { address, interface } => {
                address.emit(out);
                interface.emit(out);
            }
            Self::V4Unnumbered { address, index } => {
                address.emit(out);
                out.put_u32(index);
            }
            Self::V6 { address, interface } => {
                address.emit(out);
                interface.emit(out);
            }
            Self::V6Unnumbered { address, index } => {
                address.emit(out);
                out.put_u32(index);
            }
        }
    }
}

bitflags::bitflags! {
    /// DS flags.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
    pub struct DsFlags: u8 {
        /// I: answer with an Interface and Label Stack.
        const INTERFACE_AND_LABEL_STACK = 2;
        /// N: balance as a packet that is not IP.
        const NON_IP = 1;
    }
}

/// The protocol that distributed a label.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct LabelProtocol(pub u8);

impl LabelProtocol {
    /// Not known.
    pub const UNKNOWN: Self = Self(0);
    /// Configured.
    pub const STATIC: Self = Self(1);
    /// BGP.
    pub const BGP: Self = Self(2);
    /// LDP.
    pub const LDP: Self = Self(3);
    /// RSVP-TE.
    pub const RSVP_TE: Self = Self(4);
}

/// A label of a stack as the next node will see it, with its traffic class and bottom bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DownstreamLabel {
    /// The label.
    pub label: Label,
    /// Traffic class in the upper three of four bits, and bottom of stack.
    pub tc_s: u8,
    /// Who distributed it.
    pub protocol: LabelProtocol,
}

impl DownstreamLabel {
    /// A label of class 0 that is not the last.
    #[must_use]
    pub const fn new(label: Label, protocol: LabelProtocol) -> Self {
        Self { label, tc_s: 0, protocol }
    }

    fn take(i: &[u8]) -> Take<'_, Self> {
        let (i, word) = codec::be_u32(i, "downstream label")?;
        let [.., protocol] = word.to_be_bytes();
        let tc_s = u8::try_from(word >> 8 & 0xf).unwrap_or(0);
        Ok((i, Self { label: Label::from_low_bits(word >> 12), tc_s, protocol: LabelProtocol(protocol) }))
    }

    fn emit(&self, out: &mut impl BufMut) {
        out.put_u32(self.label.value() << 12 | u32::from(self.tc_s & 0xf) << 8 | u32::from(self.protocol.0));
    }
}

/// Which addresses or labels take a path, of several of equal cost (RFC 8029 §3.4.1.1). The information is kept as octets.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Multipath {
    /// 0 none, 2 addresses, 4 address ranges, 8 and 9 bit masks of addresses and labels.
    pub kind: u8,
    /// The encoded addresses or labels.
    pub information: Octets,
}

/// A FEC that is pushed or popped at a node (RFC 8029 §3.4.1.3).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FecStackChange {
    /// Pushed; else popped.
    pub push: bool,
    /// The next peer of the FEC that is traced.
    pub remote_peer: Option<IpAddr>,
    /// The FEC; there is one in a push.
    pub fec: Option<TargetFec>,
}

impl FecStackChange {
    fn take(i: &[u8]) -> Take<'_, Self> {
        let at = i;
        let (i, operation) = codec::be_u8(i, "operation type")?;
        if !(1..=2).contains(&operation) {
            return Err(Fail::new(at, "operation type", Fault::Value(operation.into())));
        }
        let (i, address_type) = codec::be_u8(i, "address type")?;
        let (i, fec_len) = codec::be_u8(i, "fec tlv length")?;
        let (i, _reserved) = codec::be_u8(i, "reserved")?;
        let (i, remote_peer) = match address_type {
            0 => (i, None),
            1 => Ipv4Addr::take(i, "remote peer").map(|(i, a)| (i, Some(IpAddr::V4(a))))?,
            2 => Ipv6Addr::take(i, "remote peer").map(|(i, a)| (i, Some(IpAddr::V6(a))))?,
            other => return Err(Fail::new(i, "address type", Fault::Value(other.into()))),
        };
        let (i, fec) = codec::octets(i, fec_len.into(), "fec tlv length")?;
        let fec = if fec.is_empty() { None } else { Some(whole(fec, TargetFec::take)?) };
        let push = operation == 1;
        if push && fec.is_none() {
            return Err(Fail::new(at, "fec tlv length", Fault::Length(0)));
        }
        Ok((i, Self { push, remote_peer, fec }))
    }

    fn wire_len(&self) -> usize {
        let peer = match self.remote_peer {
            None => 0,
            Some(IpAddr::V4(_)) => 4,
            Some(IpAddr::V6(_)) => 16,
        };
        self.fec.as_ref().map_or(0, TargetFec::wire_len).saturating_add(peer).saturating_add(4)
    }

    fn emit(&self, out: &mut impl BufMut) {
        let address_type = match self.remote_peer {
            None => 0,
            Some(IpAddr::V4(_)) => 1,
            Some(IpAddr::V6(_)) => 2,
        };
        let fec_len = len8(self.fec.as_ref().map_or(0, TargetFec::wire_len));
        out.put_slice(&[if self.push { 1 } else { 2 }, address_type, fec_len, 0]);
        match self.remote_peer {
            None => {}
            Some(IpAddr::V4(address)) => address.emit(out),
            Some(IpAddr::V6(address)) => address.emit(out),
        }
        self.fec.iter().for_each(|fec| fec.emit(out));
    }
}

/// A part of a Downstream Detailed Mapping.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DownstreamSubTlv {
    /// Type 1.
    Multipath(Multipath),
    /// Type 2: the labels that the next node will see, top first.
    LabelStack(Vec<DownstreamLabel>),
    /// Type 3.
    FecStackChange(FecStackChange),
    /// Any other.
    Unknown(u16, Octets),
}

impl DownstreamSubTlv {
    fn take(i: &[u8]) -> Take<'_, Self> {
        let (rest, (kind, value)) = take_tlv(i, "downstream sub-tlv")?;
        let sub_tlv = match kind {
            1 => Self::Multipath(whole(value, take_multipath)?),
            2 => Self::LabelStack(whole(value, |i| list(i, DownstreamLabel::take))?),
            3 => Self::FecStackChange(whole(value, FecStackChange::take)?),
            other => Self::Unknown(other, Octets::from_slice(value)),
        };
        Ok((rest, sub_tlv))
    }

    const fn kind(&self) -> u16 {
        match self {
            Self::Multipath(_) => 1,
            Self::LabelStack(_) => 2,
            Self::FecStackChange(_) => 3,
            Self::Unknown(kind, _) => *kind,
        }
    }

    fn value_len(&self) -> usize {
        match self {
            Self::Multipath(multipath) => multipath.information.len().saturating_add(4),
            Self::LabelStack(labels) => labels.len().saturating_mul(4),
            Self::FecStackChange(change) => change.wire_len(),
            Self::Unknown(_, value) => value.len(),
        }
    }

    fn emit(&self, out: &mut impl BufMut) {
        emit_tlv(self.kind(), self.value_len(), out, |out| match self {
            Self::Multipath(multipath) => {
                out.put_u8(multipath.kind);
                out.put_u16(len16(multipath.information.len()));
                out.put_u8(0);
                out.put_slice(&multipath.information);
            }
            Self::LabelStack(labels) => labels.iter().for_each(|label| label.emit(out)),
            Self::FecStackChange(change) => change.emit(out),
            Self::Unknown(_, value) => out.put_slice(value),
        });
    }
}

fn take_multipath(i: &[u8]) -> Take<'_, Multipath> {
    let (i, kind) = codec::be_u8(i, "multipath type")?;
    let (i, len) = codec::be_u16(i, "multipath length")?;
    let (i, _zero) = codec::be_u8(i, "reserved")?;
    let (i, information) = codec::octets(i, len.into(), "multipath length")?;
    Ok((i, Multipath { kind, information: Octets::from_slice(information) }))
}

/// Where a packet goes next: in a request what the sender expects the receiver to see, in a reply what the next node will see.
///
/// ```text
/// +---------+------------------+--------------+--------------------------+-----------------------------------+
/// | MTU (2) | Address type (1) | DS flags (1) | Downstream address (4, 16) | Downstream interface (4, 16)    |
/// +---------+------------------+--------------+--------------------------+-----------------------------------+
/// | Return code (1) | Return subcode (1) | Sub-TLV length (2) | Sub-TLVs ...                               |
/// +-----------------+--------------------+--------------------+--------------------------------------------+
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DownstreamDetailed {
    /// The largest labelled packet that fits the interface, in octets.
    pub mtu: u16,
    /// I and N.
    pub flags: DsFlags,
    /// The next node and its interface.
    pub address: InterfaceAddress,
    /// What became of the packet on this path; in a reply.
    pub return_code: ReturnCode,
    /// The stack depth of the code.
    pub return_subcode: u8,
    /// The rest.
    pub sub_tlvs: Vec<DownstreamSubTlv>,
}

impl DownstreamDetailed {
    /// A mapping to a node, with the labels that it will see.
    #[must_use]
    pub fn new(mtu: u16, address: InterfaceAddress, labels: Vec<DownstreamLabel>) -> Self {
        Self {
            mtu,
            flags: DsFlags::empty(),
            address,
            return_code: ReturnCode::NONE,
            return_subcode: 0,
            sub_tlvs: alloc::vec![DownstreamSubTlv::LabelStack(labels)],
        }
    }

    /// The labels that the next node will see, top first.
    #[must_use]
    pub fn labels(&self) -> &[DownstreamLabel] {
        let labels = self.sub_tlvs.iter().find_map(|sub_tlv| match sub_tlv {
            DownstreamSubTlv::LabelStack(labels) => Some(labels.as_slice()),
            _ => None,
        });
        labels.unwrap_or_default()
    }

    /// FECs that are pushed and popped, in order.
    pub fn changes(&self) -> impl Iterator<Item = &FecStackChange> + '_ {
        self.sub_tlvs.iter().filter_map(|sub_tlv| match sub_tlv {
            DownstreamSubTlv::FecStackChange(change) => Some(change),
            _ => None,
        })
    }

    pub(super) fn take(i: &[u8]) -> Take<'_, Self> {
        let (i, mtu) = codec::be_u16(i, "mtu")?;
        let (i, address_type) = codec::be_u8(i, "address type")?;
        let (i, flags) = codec::be_u8(i, "ds flags")?;
        let (i, address) = InterfaceAddress::take(i, address_type)?;
        let (i, return_code) = codec::be_u8(i, "return code")?;
        let (i, return_subcode) = codec::be_u8(i, "return subcode")?;
        let (i, len) = codec::be_u16(i, "sub-tlv length")?;
        let (i, sub_tlvs) = codec::octets(i, len.into(), "sub-tlv length")?;
        let sub_tlvs = whole(sub_tlvs, |i| list(i, DownstreamSubTlv::take))?;
        let (flags, return_code) = (DsFlags::from_bits_truncate(flags), ReturnCode(return_code));
        Ok((i, Self { mtu, flags, address, return_code, return_subcode, sub_tlvs }))
    }

    fn sub_len(&self) -> usize {
        self.sub_tlvs.iter().map(|sub_tlv| padded_len(sub_tlv.value_len())).fold(0, usize::saturating_add)
    }

    pub(super) fn wire_len(&self) -> usize {
        self.sub_len().saturating_add(self.address.wire_len()).saturating_add(8)
    }

    pub(super) fn emit(&self, out: &mut impl BufMut) {
        out.put_u16(self.mtu);
        out.put_slice(&[self.address.address_type(), self.flags.bits()]);
        self.address.emit(out);
        out.put_slice(&[self.return_code.0, self.return_subcode]);
        out.put_u16(len16(self.sub_len()));
        self.sub_tlvs.iter().for_each(|sub_tlv| sub_tlv.emit(out));
    }
}

/// The mapping of RFC 8029 A.2, deprecated: read, and ignored for trees (RFC 6425 §3.5).
///
/// ```text
/// +---------+------------------+--------------+----------------------------+---------------------------------+
/// | MTU (2) | Address type (1) | DS flags (1) | Downstream address (4, 16) | Downstream interface (4, 16)    |
/// +---------+------------------+--------------+----------------------------+---------------------------------+
/// | Multipath type (1) | Depth limit (1) | Multipath length (2) | Multipath information ... | Labels ...     |
/// +--------------------+-----------------+----------------------+---------------------------+----------------+
/// ```
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DownstreamMapping {
    /// The largest labelled packet that fits the interface, in octets.
    pub mtu: u16,
    /// I and N.
    pub flags: DsFlags,
    /// The next node and its interface.
    pub address: InterfaceAddress,
    /// How many labels balance the load, at most.
    pub depth_limit: u8,
    /// Which addresses take the path.
    pub multipath: Multipath,
    /// The labels that the next node will see, top first.
    pub labels: Vec<DownstreamLabel>,
}

impl DownstreamMapping {
    pub(super) fn take(i: &[u8]) -> Take<'_, Self> {
        let (i, mtu) = codec::be_u16(i, "mtu")?;
        let (i, address_type) = codec::be_u8(i, "address type")?;
        let (i, flags) = codec::be_u8(i, "ds flags")?;
        let (i, address) = InterfaceAddress::take(i, address_type)?;
        let (i, kind) = codec::be_u8(i, "multipath type")?;
        let (i, depth_limit) = codec::be_u8(i, "depth limit")?;
        let (i, len) = codec::be_u16(i, "multipath length")?;
        let (i, information) = codec::octets(i, len.into(), "multipath length")?;
        let (i, labels) = list(i, DownstreamLabel::take)?;
        let multipath = Multipath { kind, information: Octets::from_slice(information) };
        let flags = DsFlags::from_bits_truncate(flags);
        Ok((i, Self { mtu, flags, address, depth_limit, multipath, labels }))
    }

    pub(super) fn wire_len(&self) -> usize {
        let lists = self.multipath.information.len().saturating_add(self.labels.len().saturating_mul(4));
        lists.saturating_add(self.address.wire_len()).saturating_add(8)
    }

    pub(super) fn emit(&self, out: &mut impl BufMut) {
        out.put_u16(self.mtu);
        out.put_slice(&[self.address.address_type(), self.flags.bits()]);
        self.address.emit(out);
        out.put_slice(&[self.multipath.kind, self.depth_limit]);
        out.put_u16(len16(self.multipath.information.len()));
        out.put_slice(&self.multipath.information);
        self.labels.iter().for_each(|label| label.emit(out));
    }
}

#[cfg(feature = "arbitrary")]
mod generate {
    use arbitrary::{Arbitrary, Result, Unstructured};

    use super::{
        DownstreamDetailed, DownstreamLabel, DownstreamMapping, DownstreamSubTlv, DsFlags, FecStackChange, Multipath,
    };
    use crate::ldp::octets::{arbitrary_list, arbitrary_octets};
    use crate::lsp_ping::fec::TargetFec;

    impl<'a> Arbitrary<'a> for DownstreamLabel {
        fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
            Ok(Self { label: u.arbitrary()?, tc_s: u.int_in_range(0..=15)?, protocol: u.arbitrary()? })
        }
    }

    impl<'a> Arbitrary<'a> for Multipath {
        fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
            Ok(Self { kind: u.arbitrary()?, information: arbitrary_octets(u, 40)? })
        }
    }

    impl<'a> Arbitrary<'a> for FecStackChange {
        fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
            let fec: TargetFec = u.arbitrary()?;
            let push = u.arbitrary()?;
            let fits = fec.wire_len() <= 255;
            let fec = if push || u.arbitrary()? { Some(fec).filter(|_| fits) } else { None };
            Ok(Self { push: push && fec.is_some(), remote_peer: u.arbitrary()?, fec })
        }
    }

    impl<'a> Arbitrary<'a> for DownstreamSubTlv {
        fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
            Ok(match u.int_in_range(0..=3)? {
                0 => Self::Multipath(u.arbitrary()?),
                1 => Self::LabelStack(arbitrary_list(u, 6)?),
                2 => Self::FecStackChange(u.arbitrary()?),
                _ => Self::Unknown(u.int_in_range(4..=0xffff)?, arbitrary_octets(u, 20)?),
            })
        }
    }

    impl<'a> Arbitrary<'a> for DownstreamDetailed {
        fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
            Ok(Self {
                mtu: u.arbitrary()?,
                flags: DsFlags::from_bits_truncate(u.arbitrary()?),
                address: u.arbitrary()?,
                return_code: u.arbitrary()?,
                return_subcode: u.arbitrary()?,
                sub_tlvs: arbitrary_list(u, 4)?,
            })
        }
    }

    impl<'a> Arbitrary<'a> for DownstreamMapping {
        fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
            Ok(Self {
                mtu: u.arbitrary()?,
                flags: DsFlags::from_bits_truncate(u.arbitrary()?),
                address: u.arbitrary()?,
                depth_limit: u.arbitrary()?,
                multipath: u.arbitrary()?,
                labels: arbitrary_list(u, 6)?,
            })
        }
    }
}
