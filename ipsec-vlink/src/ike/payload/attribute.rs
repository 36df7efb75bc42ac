//! Data attributes (RFC 2408 §3.3), which IKEv2's transforms (RFC 7296 §3.3.5) and configuration (§3.15.1) have too.

use fwd_core::codec::{self, BufMut, Malformed, Take};
use nom::Err;

/// One attribute.
///
/// ```text
/// +-+-----------------------------+-------------------------------+
/// |F|       attribute type (15)   | F=1: value; F=0: its length   |
/// +-+-----------------------------+-------------------------------+
/// | F=0: value                                                    ~
/// +---------------------------------------------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attribute<'a> {
    /// F=1: a type of 15 bits and a 2-octet value.
    Short(u16, u16),
    /// F=0: a type of 15 bits and at most 65,535 octets.
    Long(u16, &'a [u8]),
}

impl<'a> Attribute<'a> {
    const FORMAT: u16 = 0x8000;

    /// Takes an attribute.
    ///
    /// # Errors
    /// Truncated.
    #[inline]
    pub fn take(i: &'a [u8]) -> Take<'a, Self> {
        let (i, kind) = codec::be_u16(i, "attribute type")?;
        let (i, value) = codec::be_u16(i, "attribute value")?;
        if kind & Self::FORMAT != 0 {
            return Ok((i, Self::Short(kind & !Self::FORMAT, value)));
        }
        let (i, octets) = codec::octets(i, value.into(), "attribute value")?;
        Ok((i, Self::Long(kind, octets)))
    }

    /// Parses an attribute.
    ///
    /// # Errors
    /// Truncated, or octets behind it.
    pub fn parse(octets: &'a [u8]) -> Result<Self, Malformed> {
        codec::all(octets, Self::take)
    }

    /// Octets on the wire.
    #[must_use]
    pub const fn wire_len(&self) -> usize {
        match self {
            Self::Short(..) => 4,
            Self::Long(_, octets) => octets.len().saturating_add(4),
        }
    }

    /// Writes the attribute.
    pub fn emit(&self, out: &mut impl BufMut) {
        match *self {
            Self::Short(kind, value) => {
                out.put_u16(kind | Self::FORMAT);
                out.put_u16(value);
            }
            Self::Long(kind, octets) => {
                out.put_u16(kind & !Self::FORMAT);
                out.put_u16(u16::try_from(octets.len()).unwrap_or(u16::MAX));
                out.put_slice(octets);
            }
        }
    }

    /// The type.
    #[must_use]
    pub const fn kind(&self) -> u16 {
        match *self {
            Self::Short(kind, _) | Self::Long(kind, _) => kind,
        }
    }

    /// The value as a number, if it is one of at most 4 octets: a lifetime may have either form.
    #[must_use]
    pub fn number(&self) -> Option<u32> {
        match *self {
            Self::Short(_, value) => Some(value.into()),
            Self::Long(_, octets) if octets.len() <= 4 => {
                Some(octets.iter().fold(0_u32, |n, octet| n << 8 | u32::from(*octet)))
            }
            Self::Long(..) => None,
        }
    }
}

/// Attributes one after the other; a list that was checked when it was taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attributes<'a> {
    octets: &'a [u8],
}

impl<'a> Attributes<'a> {
    /// Checks the octets of a list.
    #[inline]
    pub(super) fn check(octets: &'a [u8]) -> Result<Self, Err<codec::Fail<'a>>> {
        let mut i = octets;
        while !i.is_empty() {
            (i, _) = Attribute::take(i)?;
        }
        Ok(Self { octets })
    }

    /// The list as octets.
    #[must_use]
    pub const fn octets(&self) -> &'a [u8] {
        self.octets
    }

    /// The first attribute of a type.
    #[must_use]
    pub fn get(mut self, kind: u16) -> Option<Attribute<'a>> {
        self.find(|a| a.kind() == kind)
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = Attribute<'a>;

    #[inline]
    fn next(&mut self) -> Option<Attribute<'a>> {
        let (rest, attribute) = Attribute::take(self.octets).ok()?;
        self.octets = rest;
        Some(attribute)
    }
}
