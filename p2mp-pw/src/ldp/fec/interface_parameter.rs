//! Interface parameters of pseudowires (RFC 8077 §6.4, RFC 4446 §3.3).

use core::net::IpAddr;

use bitflags::bitflags;
use fwd_core::codec::{self, BufMut, Fail, Fault, Take};

use super::super::address_family::{address_len, emit_address, take_address};
use super::super::octets::{Octets, len8, whole};

/// The type of an interface parameter; unknown values survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct InterfaceParameterType(pub u8);

impl InterfaceParameterType {
    /// Interface MTU in octets (RFC 4446 §3.3).
    pub const MTU: Self = Self(0x01);
    /// Interface description, text (RFC 4446 §3.3).
    pub const DESCRIPTION: Self = Self(0x03);
    /// Requested VLAN identifier (RFC 4446 §3.3).
    pub const REQUESTED_VLAN: Self = Self(0x06);
    /// Fragmentation indicator (RFC 4446 §3.3).
    pub const FRAGMENTATION: Self = Self(0x09);
    /// FCS retention indicator (RFC 4446 §3.3).
    pub const FCS_RETENTION: Self = Self(0x0a);
    /// VCCV parameter (RFC 5085 §6.1).
    pub const VCCV: Self = Self(0x0c);
    /// Flow label indicator (RFC 6391 §4.1).
    pub const FLOW_LABEL: Self = Self(0x17);
    /// PW generic protocol interface parameter (RFC 6478 §5.5.1).
    pub const PW_GENERIC: Self = Self(0x18);
    /// VCCV extended connectivity verification (RFC 7189 §2.1).
    pub const VCCV_EXTENDED_CV: Self = Self(0x19);
    /// E-Tree attachment (RFC 7796 §5.2).
    pub const E_TREE: Self = Self(0x1a);
    /// Selective tree (RFC 8338 §3.2.1).
    pub const SELECTIVE_TREE: Self = Self(0x1b);
}

bitflags! {
    /// The flow label indicator. Unknown bits survive.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct FlowLabel: u16 {
        /// T: the sender can push a flow label (RFC 6391 §4.1).
        const TRANSMIT = 0x8000;
        /// R: the sender can take a flow label off (RFC 6391 §4.1).
        const RECEIVE = 0x4000;
        const _ = !0;
    }
}

/// Control channels and connectivity verification that the sender takes (RFC 5085 §6.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Vccv {
    /// Control channel types, a bit each.
    pub cc_types: u8,
    /// Connectivity verification types, a bit each.
    pub cv_types: u8,
}

/// The source and group that a P2MP pseudowire carries (RFC 8338 §3.2.1).
///
/// ```text
/// +-------------------+------------+------------------+-----------+
/// | Source length (1) | Source ... | Group length (1) | Group ... |
/// +-------------------+------------+------------------+-----------+
/// ```
///
/// The lengths are octets; 32 and 128 are taken as bits. Length 0 is a wildcard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct SelectiveTree {
    /// The source; `None`: any.
    pub source: Option<IpAddr>,
    /// The group; `None`: any.
    pub group: Option<IpAddr>,
}

impl SelectiveTree {
    fn take(i: &[u8]) -> Take<'_, Self> {
        let (i, source) = take_tree_address(i, "multicast source length")?;
        let (i, group) = take_tree_address(i, "multicast group length")?;
        Ok((i, Self { source, group }))
    }

    fn wire_len(&self) -> usize {
        self.source.map_or(0, address_len).saturating_add(self.group.map_or(0, address_len)).saturating_add(2)
    }

    fn emit(&self, out: &mut impl BufMut) {
        for address in [self.source, self.group] {
            out.put_u8(len8(address.map_or(0, address_len)));
            if let Some(address) = address {
                emit_address(address, out);
            }
        }
    }
}

fn take_tree_address<'a>(i: &'a [u8], field: &'static str) -> Take<'a, Option<IpAddr>> {
    let (rest, len) = codec::be_u8(i, field)?;
    let octets = match len {
        0 => return Ok((rest, None)),
        4 | 32 => 4,
        16 | 128 => 16,
        _ => return Err(Fail::new(i, field, Fault::Length(len.into()))),
    };
    take_address(rest, octets).map(|(rest, address)| (rest, Some(address)))
}

/// An interface parameter.
///
/// ```text
/// +----------+------------+-----------+
/// | Type (1) | Length (1) | Value ... |
/// +----------+------------+-----------+
/// ```
///
/// The length counts type and length too.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum InterfaceParameter {
    /// Of the attachment circuit, in octets; must be the same at both ends of a point-to-point pseudowire.
    Mtu(u16),
    /// The VLAN that the sender wants to see in tagged mode.
    RequestedVlan(u16),
    /// The sender reassembles fragments.
    Fragmentation,
    /// Octets of the FCS that are retained.
    FcsRetention(u16),
    /// Control channels and connectivity verification.
    Vccv(Vccv),
    /// Flow labels.
    FlowLabel(FlowLabel),
    /// A selective tree of a P2MP pseudowire.
    SelectiveTree(SelectiveTree),
    /// Any other, at most 253 octets.
    Unknown(InterfaceParameterType, Octets),
}

impl InterfaceParameter {
    const HEADER_LEN: usize = 2;

    /// Takes a parameter.
    ///
    /// # Errors
    /// Truncated input, or a length that its type does not allow.
    pub fn take(i: &[u8]) -> Take<'_, Self> {
        let at = i;
        let (i, kind) = codec::be_u8(i, "interface parameter type")?;
        let (i, len) = codec::be_u8(i, "interface parameter length")?;
        let Some(len) = usize::from(len).checked_sub(Self::HEADER_LEN) else {
            return Err(Fail::new(at, "interface parameter length", Fault::Length(len.into())));
        };
        let (i, value) = codec::octets(i, len, "interface parameter length")?;
        let number = |name| move |i| codec::be_u16(i, name);
        let take_vccv = |i| {
            let (i, [cc_types, cv_types]) = codec::array::<2>(i, "vccv")?;
            Ok((i, Vccv { cc_types, cv_types }))
        };
        let parameter = match InterfaceParameterType(kind) {
            InterfaceParameterType::MTU => Self::Mtu(whole(value, number("interface mtu"))?),
            InterfaceParameterType::REQUESTED_VLAN => Self::RequestedVlan(whole(value, number("requested vlan"))?),
            InterfaceParameterType::FRAGMENTATION if value.is_empty() => Self::Fragmentation,
            InterfaceParameterType::FCS_RETENTION => Self::FcsRetention(whole(value, number("fcs retention"))?),
            InterfaceParameterType::VCCV => Self::Vccv(whole(value, take_vccv)?),
            InterfaceParameterType::FLOW_LABEL => {
                Self::FlowLabel(FlowLabel::from_bits_retain(whole(value, number("flow label"))?))
            }
            InterfaceParameterType::SELECTIVE_TREE => Self::SelectiveTree(whole(value, SelectiveTree::take)?),
            other => Self::Unknown(other, Octets::from_slice(value)),
        };
        Ok((i, parameter))
    }

    /// The type.
    #[must_use]
    pub const fn parameter_type(&self) -> InterfaceParameterType {
        match self {
            Self::Mtu(_) => InterfaceParameterType::MTU,
            Self::RequestedVlan(_) => InterfaceParameterType::REQUESTED_VLAN,
            Self::Fragmentation => InterfaceParameterType::FRAGMENTATION,
            Self::FcsRetention(_) => InterfaceParameterType::FCS_RETENTION,
            Self::Vccv(_) => InterfaceParameterType::VCCV,
            Self::FlowLabel(_) => InterfaceParameterType::FLOW_LABEL,
            Self::SelectiveTree(_) => InterfaceParameterType::SELECTIVE_TREE,
            Self::Unknown(kind, _) => *kind,
        }
    }

    /// Octets of the parameter.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        let value = match self {
            Self::Fragmentation => 0,
            Self::Mtu(_) | Self::RequestedVlan(_) | Self::FcsRetention(_) | Self::Vccv(_) | Self::FlowLabel(_) => 2,
            Self::SelectiveTree(tree) => tree.wire_len(),
            Self::Unknown(_, value) => value.len(),
        };
        value.saturating_add(Self::HEADER_LEN)
    }

    /// Writes the parameter.
    pub fn emit(&self, out: &mut impl BufMut) {
        out.put_slice(&[self.parameter_type().0, len8(self.wire_len())]);
        match self {
            Self::Fragmentation => {}
            Self::Mtu(n) | Self::RequestedVlan(n) | Self::FcsRetention(n) => out.put_u16(*n),
            Self::Vccv(vccv) => out.put_slice(&[vccv.cc_types, vccv.cv_types]),
            Self::FlowLabel(flow_label) => out.put_u16(flow_label.bits()),
            Self::SelectiveTree(tree) => tree.emit(out),
            Self::Unknown(_, value) => out.put_slice(value),
        }
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for InterfaceParameter {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(match u.int_in_range(0..=7)? {
            0 => Self::Mtu(u.arbitrary()?),
            1 => Self::RequestedVlan(u.arbitrary()?),
            2 => Self::Fragmentation,
            3 => Self::FcsRetention(u.arbitrary()?),
            4 => Self::Vccv(u.arbitrary()?),
            5 => Self::FlowLabel(FlowLabel::from_bits_retain(u.arbitrary()?)),
            6 => Self::SelectiveTree(u.arbitrary()?),
            _ => {
                let kind = InterfaceParameterType(u.int_in_range(0x1c..=0xff)?);
                Self::Unknown(kind, super::super::octets::arbitrary_octets(u, 20)?)
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(octets: &[u8]) -> InterfaceParameter {
        let (rest, parameter) = InterfaceParameter::take(octets).unwrap();
        assert!(rest.is_empty());
        parameter
    }

    #[test]
    fn lengths_count_type_and_length() {
        assert_eq!(parse(&[1, 4, 0x05, 0xdc]), InterfaceParameter::Mtu(1500));
        assert!(InterfaceParameter::take(&[1, 1]).is_err());
        assert!(InterfaceParameter::take(&[1, 3, 5]).is_err());
        assert!(InterfaceParameter::take(&[1, 5, 1, 2, 3]).is_err());
    }

    /// Lengths of source and group are octets, and are taken as bits too.
    #[test]
    fn a_selective_tree_takes_lengths_in_octets_or_bits() {
        let tree = SelectiveTree { source: Some([10, 0, 0, 1].into()), group: Some([232, 1, 1, 1].into()) };
        let octets = [0x1b, 12, 4, 10, 0, 0, 1, 4, 232, 1, 1, 1];
        assert_eq!(parse(&octets), InterfaceParameter::SelectiveTree(tree));
        assert_eq!(parse(&[0x1b, 12, 32, 10, 0, 0, 1, 32, 232, 1, 1, 1]), InterfaceParameter::SelectiveTree(tree));
        let mut out = alloc::vec::Vec::new();
        InterfaceParameter::SelectiveTree(tree).emit(&mut out);
        assert_eq!(out, octets);
        let any = SelectiveTree { source: None, group: None };
        assert_eq!(parse(&[0x1b, 4, 0, 0]), InterfaceParameter::SelectiveTree(any));
    }
}
