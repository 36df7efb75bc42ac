//! OPEN (RFC 4271 §4.2, optional parameters: RFC 5492 §4, RFC 9072 §2).

use alloc::vec::Vec;
use core::net::Ipv4Addr;

use fwd_core::codec::{self, BufMut, Fail, Take};
use fwd_core::{Fault, Malformed};

use super::Header;
use super::capability::Capability;

/// The type of an optional parameter; unknown values survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct ParameterType(pub u8);

impl ParameterType {
    /// Capabilities (RFC 5492 §4).
    pub const CAPABILITIES: Self = Self(2);
    /// In first place: lengths are extended (RFC 9072 §2).
    pub const EXTENDED_LENGTH: Self = Self(255);
}

/// An optional parameter of an OPEN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Parameter {
    /// Type 2. An OPEN may have several of these.
    Capabilities(Vec<Capability>),
    /// Another type; RFC 4271 §6.2 refuses the OPEN.
    Other {
        /// The type.
        parameter_type: ParameterType,
        /// The value.
        value: Vec<u8>,
    },
}

impl Parameter {
    const fn parameter_type(&self) -> ParameterType {
        match self {
            Self::Capabilities(_) => ParameterType::CAPABILITIES,
            Self::Other { parameter_type, .. } => *parameter_type,
        }
    }

    fn value_len(&self) -> usize {
        match self {
            Self::Capabilities(list) => list.iter().map(Capability::wire_len).sum(),
            Self::Other { value, .. } => value.len(),
        }
    }

    fn take(i: &[u8], extended: bool) -> Take<'_, Self> {
        let (i, parameter_type) = codec::be_u8(i, "parameter type")?;
        let (i, len) = take_len(i, extended, "parameter length")?;
        let (rest, mut value) = codec::octets(i, len, "parameter value")?;
        if ParameterType(parameter_type) != ParameterType::CAPABILITIES {
            return Ok((rest, Self::Other { parameter_type: ParameterType(parameter_type), value: value.to_vec() }));
        }
        let mut list = Vec::new();
        while !value.is_empty() {
            let (after, capability) = Capability::take(value)?;
            list.push(capability);
            value = after;
        }
        Ok((rest, Self::Capabilities(list)))
    }
}

/// A length of one octet, or of two in the extended format.
fn take_len<'a>(i: &'a [u8], extended: bool, field: &'static str) -> Take<'a, usize> {
    if extended {
        codec::be_u16(i, field).map(|(i, len)| (i, usize::from(len)))
    } else {
        codec::be_u8(i, field).map(|(i, len)| (i, usize::from(len)))
    }
}

/// An OPEN.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +---------------+-------------------------------+
/// | Version       | My Autonomous System          |
/// +---------------+---------------+---------------+
/// | Hold Time                     |
/// +-------------------------------+-------------------------------+
/// | BGP Identifier                                                |
/// +---------------+-----------------------------------------------+
/// | Opt Parm Len  | Optional Parameters (variable)
/// +---------------+--
/// ```
///
/// With more than 255 octets of parameters, the length is 255, then stand an octet 255 and a length of two octets, and
/// the length of every parameter has two octets (RFC 9072 §2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Open {
    /// Version, 4.
    pub version: u8,
    /// The AS number, or [`Self::AS_TRANS`] if it needs four octets (RFC 6793 §9).
    pub my_as: u16,
    /// Offered hold time in seconds: 0, or 3 and more.
    pub hold_time: u16,
    /// BGP identifier.
    pub identifier: Ipv4Addr,
    parameters: Vec<Parameter>,
}

impl Open {
    /// The version of this protocol.
    pub const VERSION: u8 = 4;
    /// What stands for a 4-octet AS number in a field of two octets (RFC 6793 §9).
    pub const AS_TRANS: u16 = 23456;
    /// Octets up to and with the length of the optional parameters.
    const FIXED_LEN: usize = 10;
    /// Octets of the longest body: an OPEN is never extended (RFC 8654 §4).
    const MAX_LEN: usize = Header::MAX_MESSAGE_LEN - Header::LEN;

    /// An OPEN with all capabilities in one parameter, or without a parameter if there are none. `None` if it exceeds
    /// 4,096 octets.
    #[must_use]
    pub fn new(asn: u32, hold_time: u16, identifier: Ipv4Addr, capabilities: Vec<Capability>) -> Option<Self> {
        let parameters =
            if capabilities.is_empty() { Vec::new() } else { alloc::vec![Parameter::Capabilities(capabilities)] };
        let my_as = u16::try_from(asn).unwrap_or(Self::AS_TRANS);
        let open = Self { version: Self::VERSION, my_as, hold_time, identifier, parameters };
        (open.wire_len() <= Self::MAX_LEN).then_some(open)
    }

    /// The optional parameters.
    #[must_use]
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// The capabilities of all parameters (RFC 5492 §4), in order.
    pub fn capabilities(&self) -> impl Iterator<Item = &Capability> {
        self.parameters.iter().flat_map(|p| match p {
            Parameter::Capabilities(list) => list.as_slice(),
            Parameter::Other { .. } => &[],
        })
    }

    /// The AS number: that of the capability where there is one, which RFC 6793 §4.1 prefers.
    #[must_use]
    pub fn asn(&self) -> u32 {
        let capability = self.capabilities().find_map(|c| match c {
            Capability::FourOctetAs(asn) => Some(*asn),
            _ => None,
        });
        capability.unwrap_or(u32::from(self.my_as))
    }

    /// Whether the sender has 4-octet AS numbers (RFC 6793 §3).
    #[must_use]
    pub fn four_octet_as(&self) -> bool {
        self.capabilities().any(|c| matches!(c, Capability::FourOctetAs(_)))
    }

    /// Takes the body of an OPEN: all of the input. The version is not looked at.
    ///
    /// # Errors
    /// Truncated input, lengths that do not add up, a malformed capability, more octets than an OPEN may have.
    pub fn take(i: &[u8]) -> Take<'_, Self> {
        if i.len() > Self::MAX_LEN {
            return Err(Fail::new(i, "length", Fault::Length(i.len())));
        }
        let (i, version) = codec::be_u8(i, "version")?;
        let (i, my_as) = codec::be_u16(i, "my autonomous system")?;
        let (i, hold_time) = codec::be_u16(i, "hold time")?;
        let (i, identifier) = codec::array::<4>(i, "bgp identifier")?;
        let (i, len) = codec::be_u8(i, "opt parm len")?;
        // RFC 9072 §2: the octet after a length that is not zero decides; the length itself is then without meaning.
        let extended = len != 0 && i.first() == Some(&ParameterType::EXTENDED_LENGTH.0);
        let (i, len) = if extended {
            let (i, _) = codec::be_u8(i, "non-ext op type")?;
            take_len(i, true, "extended opt parm length")?
        } else {
            (i, usize::from(len))
        };
        let (rest, mut field) = codec::octets(i, len, "optional parameters")?;
        let mut parameters = Vec::new();
        while !field.is_empty() {
            let (after, parameter) = Parameter::take(field, extended)?;
            parameters.push(parameter);
            field = after;
        }
        Ok((rest, Self { version, my_as, hold_time, identifier: Ipv4Addr::from(identifier), parameters }))
    }

    /// Parses the body of an OPEN.
    ///
    /// # Errors
    /// As [`Self::take`], or trailing octets.
    pub fn parse(octets: &[u8]) -> Result<Self, Malformed> {
        codec::all(octets, Self::take)
    }

    fn parameters_len(&self, per_parameter: usize) -> usize {
        self.parameters.iter().map(|p| p.value_len().saturating_add(per_parameter)).sum()
    }

    /// Whether the extended format is needed: for its length, or because a parameter's type reads like its mark.
    fn is_extended(&self) -> bool {
        self.parameters_len(2) > 255
            || self.parameters.first().is_some_and(|p| p.parameter_type() == ParameterType::EXTENDED_LENGTH)
    }

    /// Octets of the body.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        if self.is_extended() {
            Self::FIXED_LEN.saturating_add(3).saturating_add(self.parameters_len(3))
        } else {
            Self::FIXED_LEN.saturating_add(self.parameters_len(2))
        }
    }

    /// Writes the body.
    pub fn emit(&self, out: &mut impl BufMut) {
        // No length exceeds its field: the body has at most 4,077 octets.
        let octet = |len: usize| u8::try_from(len).unwrap_or(u8::MAX);
        let two = |len: usize| u16::try_from(len).unwrap_or(u16::MAX);
        out.put_u8(self.version);
        out.put_u16(self.my_as);
        out.put_u16(self.hold_time);
        out.put_slice(&self.identifier.octets());
        let extended = self.is_extended();
        if extended {
            out.put_slice(&[255, ParameterType::EXTENDED_LENGTH.0]);
            out.put_u16(two(self.parameters_len(3)));
        } else {
            out.put_u8(octet(self.parameters_len(2)));
        }
        for parameter in &self.parameters {
            out.put_u8(parameter.parameter_type().0);
            if extended {
                out.put_u16(two(parameter.value_len()));
            } else {
                out.put_u8(octet(parameter.value_len()));
            }
            match parameter {
                Parameter::Capabilities(list) => list.iter().for_each(|c| c.emit(out)),
                Parameter::Other { value, .. } => out.put_slice(value),
            }
        }
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for Parameter {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let parameter_type = ParameterType(u.arbitrary()?);
        if u.ratio(7, 8)? || parameter_type == ParameterType::CAPABILITIES {
            return Ok(Self::Capabilities(u.arbitrary()?));
        }
        let mut value: Vec<u8> = u.arbitrary()?;
        value.truncate(600);
        Ok(Self::Other { parameter_type, value })
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for Open {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let identifier = Ipv4Addr::from(u.arbitrary::<u32>()?);
        let mut open = Self {
            version: u.arbitrary()?,
            my_as: u.arbitrary()?,
            hold_time: u.arbitrary()?,
            identifier,
            parameters: u.arbitrary()?,
        };
        while open.wire_len() > Self::MAX_LEN {
            open.parameters.pop();
        }
        Ok(open)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::capability::{CapabilityCode, OtherCapability};
    use crate::nlri::Family;

    fn emit(open: &Open) -> Vec<u8> {
        let mut out = Vec::new();
        open.emit(&mut out);
        assert_eq!(out.len(), open.wire_len());
        out
    }

    fn identifier() -> Ipv4Addr {
        Ipv4Addr::new(192, 0, 2, 1)
    }

    /// Shows: L3VPN-8.1-1, L3VPN-8.1-11
    #[test]
    fn as_trans_stands_for_a_long_as_number() {
        let open = Open::new(4_200_000_001, 90, identifier(), alloc::vec![Capability::FourOctetAs(4_200_000_001)]);
        let open = open.unwrap();
        assert_eq!(
            emit(&open),
            [4, 0x5b, 0xa0, 0, 90, 192, 0, 2, 1, 8, 2, 6, 65, 4, 0xfa, 0x56, 0xea, 0x01],
            "one parameter with one capability"
        );
        assert_eq!((open.my_as, open.asn()), (Open::AS_TRANS, 4_200_000_001));
        assert_eq!(Open::parse(&emit(&open)), Ok(open));
    }

    #[test]
    fn capabilities_may_be_split_over_parameters() {
        let octets = [4, 0, 1, 0, 90, 192, 0, 2, 1, 14, 2, 2, 2, 0, 2, 2, 70, 0, 2, 4, 6, 0, 128, 0];
        let open = Open::parse(&octets).unwrap();
        let codes: Vec<_> = open.capabilities().map(|c| c.code().0).collect();
        assert_eq!(codes, [2, 70, 6, 128]);
        assert_eq!(emit(&open), octets);
        let without = Open::new(1, 90, identifier(), Vec::new()).unwrap();
        assert_eq!(emit(&without).len(), 10);
    }

    #[test]
    fn more_than_255_octets_take_the_extended_format() {
        let big = |n| {
            let other = OtherCapability::new(CapabilityCode(200), &[7; 100]).unwrap();
            Open::new(1, 90, identifier(), alloc::vec![Capability::Other(other); n])
        };
        let small = big(2).unwrap();
        assert_eq!(emit(&small)[9], 206);
        let large = big(3).unwrap();
        assert_eq!(emit(&large)[9..16], [255, 255, 1, 53, 2, 1, 50]);
        assert_eq!(Open::parse(&emit(&large)), Ok(large));
        assert_eq!(big(40), None, "beyond 4,096 octets");
    }

    #[test]
    fn the_extended_format_is_taken_at_any_length() {
        // RFC 9072 §2: an extended length of 255 or less is no error, and the first length is ignored once not zero.
        let octets = [4, 0, 1, 0, 90, 192, 0, 2, 1, 1, 255, 0, 5, 2, 0, 2, 2, 0];
        let open = Open::parse(&octets).unwrap();
        assert_eq!(open.capabilities().collect::<Vec<_>>(), [&Capability::RouteRefresh]);
        assert_eq!(emit(&open).len(), 14, "written in the short format");
        let none = [4, 0, 1, 0, 90, 192, 0, 2, 1, 255, 255, 0, 0];
        assert_eq!(Open::parse(&none).unwrap().parameters(), []);
    }

    #[test]
    fn type_255_elsewhere_is_an_unknown_parameter() {
        let octets = [4, 0, 1, 0, 90, 192, 0, 2, 1, 6, 2, 2, 2, 0, 255, 0];
        let open = Open::parse(&octets).unwrap();
        assert!(matches!(open.parameters()[1], Parameter::Other { parameter_type: ParameterType(255), .. }));
        assert_eq!(emit(&open), octets);
    }

    #[test]
    fn lengths_that_do_not_add_up_are_faults() {
        let good =
            emit(&Open::new(1, 90, identifier(), alloc::vec![Capability::Multiprotocol(Family::VPN_IPV4)]).unwrap());
        for n in 0..good.len() {
            assert!(Open::parse(&good[..n]).is_err(), "{n} octets");
        }
        for (at, value) in [(9, 7), (9, 9), (11, 5), (11, 7), (13, 3), (13, 5)] {
            let mut wrong = good.clone();
            wrong[at] = value;
            assert!(Open::parse(&wrong).is_err(), "octet {at} = {value}");
        }
    }
}
