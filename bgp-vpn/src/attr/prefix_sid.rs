//! BGP Prefix-SID (RFC 8669 §3).

use fwd_core::Malformed;
use fwd_core::codec::{self, BufMut, Take};

/// What a TLV of BGP Prefix-SID says. What does not fit its type is [`Self::Other`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum PrefixSidTlv<'a> {
    /// Type 1 (RFC 8669 §3.1): reserved (1), flags (2), label index (4).
    LabelIndex {
        /// Flags.
        flags: u16,
        /// The index into the SRGB.
        index: u32,
    },
    /// Type 3 (RFC 8669 §3.2): flags (2), then blocks of six octets: base (3), range (3).
    OriginatorSrgb {
        /// Flags.
        flags: u16,
        /// The blocks.
        blocks: &'a [u8],
    },
    /// Any other, SRv6 services (RFC 9252 §2) among them.
    Other {
        /// Type.
        kind: u8,
        /// Value.
        value: &'a [u8],
    },
}

impl<'a> PrefixSidTlv<'a> {
    /// Takes one TLV: type (1), length (2), value.
    ///
    /// # Errors
    /// Truncated input.
    pub fn take(i: &'a [u8]) -> Take<'a, Self> {
        let (i, kind) = codec::be_u8(i, "TLV type")?;
        let (i, len) = codec::be_u16(i, "TLV length")?;
        let (i, value) = codec::octets(i, usize::from(len), "TLV value")?;
        let tlv = match (kind, value) {
            (1, &[0, a, b, c, d, e, f]) => {
                Self::LabelIndex { flags: u16::from_be_bytes([a, b]), index: u32::from_be_bytes([c, d, e, f]) }
            }
            (3, &[a, b, ref blocks @ ..]) if !blocks.is_empty() && blocks.len() % 6 == 0 => {
                Self::OriginatorSrgb { flags: u16::from_be_bytes([a, b]), blocks }
            }
            _ => Self::Other { kind, value },
        };
        Ok((i, tlv))
    }

    /// Octets that [`Self::emit`] writes.
    #[must_use]
    pub const fn wire_len(&self) -> usize {
        match self {
            Self::LabelIndex { .. } => 10,
            Self::OriginatorSrgb { blocks, .. } => blocks.len().saturating_add(5),
            Self::Other { value, .. } => value.len().saturating_add(3),
        }
    }

    /// Writes the TLV.
    pub fn emit(&self, out: &mut impl BufMut) {
        let len = u16::try_from(self.wire_len().saturating_sub(3)).unwrap_or(u16::MAX);
        match *self {
            Self::LabelIndex { flags, index } => {
                out.put_u8(1);
                out.put_u16(len);
                out.put_u8(0);
                out.put_u16(flags);
                out.put_u32(index);
            }
            Self::OriginatorSrgb { flags, blocks } => {
                out.put_u8(3);
                out.put_u16(len);
                out.put_u16(flags);
                out.put_slice(blocks);
            }
            Self::Other { kind, value } => {
                out.put_u8(kind);
                out.put_u16(len);
                out.put_slice(value);
            }
        }
    }
}

/// The value of BGP Prefix-SID: TLVs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PrefixSid<'a> {
    octets: &'a [u8],
}

impl<'a> PrefixSid<'a> {
    /// Takes the value of the attribute: all of the input.
    ///
    /// # Errors
    /// No TLV, or one that ends beyond the attribute (RFC 8669 §6).
    pub fn take(i: &'a [u8]) -> Take<'a, Self> {
        let (mut rest, _) = PrefixSidTlv::take(i)?;
        while !rest.is_empty() {
            (rest, _) = PrefixSidTlv::take(rest)?;
        }
        Ok((rest, Self { octets: i }))
    }

    /// Parses the value of the attribute.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub fn parse(octets: &'a [u8]) -> Result<Self, Malformed> {
        codec::all(octets, Self::take)
    }

    /// A value that was checked when it was received.
    pub(super) const fn of_checked(octets: &'a [u8]) -> Self {
        Self { octets }
    }

    /// Octets that [`Self::emit`] writes.
    #[must_use]
    pub const fn wire_len(&self) -> usize {
        self.octets.len()
    }

    /// Writes the value as it is: TLVs that are not known go on unmodified (RFC 8669 §3).
    pub fn emit(&self, out: &mut impl BufMut) {
        out.put_slice(self.octets);
    }

    /// The value as octets.
    #[must_use]
    pub const fn octets(&self) -> &'a [u8] {
        self.octets
    }

    /// The TLVs.
    pub fn tlvs(&self) -> impl Iterator<Item = PrefixSidTlv<'a>> + use<'a> {
        let mut rest = self.octets;
        core::iter::from_fn(move || {
            let (after, tlv) = PrefixSidTlv::take(rest).ok()?;
            rest = after;
            Some(tlv)
        })
    }

    /// The label index: of the first TLV of type 1.
    #[must_use]
    pub fn label_index(&self) -> Option<u32> {
        self.tlvs().find_map(|tlv| if let PrefixSidTlv::LabelIndex { index, .. } = tlv { Some(index) } else { None })
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for PrefixSid<'a> {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let octets: &[u8] = u.arbitrary()?;
        let len = Self { octets }.tlvs().fold(0usize, |len, tlv| len.saturating_add(tlv.wire_len()));
        match octets.get(..len) {
            Some(octets) if len > 0 => Ok(Self { octets }),
            _ => Ok(Self { octets: &[9, 0, 0] }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn tlvs_of_rfc_8669_and_others() {
        let octets = [
            &[1, 0, 7, 0, 0, 0, 0, 0, 0, 9][..],
            &[3, 0, 8, 0, 0, 0, 0x3e, 0x80, 0, 0x1f, 0x40],
            &[5, 0, 2, 1, 2],
            &[1, 0, 1, 0],
        ]
        .concat();
        let value = PrefixSid::parse(&octets).unwrap();
        let tlvs: Vec<_> = value.tlvs().collect();
        assert_eq!(tlvs[0], PrefixSidTlv::LabelIndex { flags: 0, index: 9 });
        assert_eq!(tlvs[1], PrefixSidTlv::OriginatorSrgb { flags: 0, blocks: &[0, 0x3e, 0x80, 0, 0x1f, 0x40] });
        assert!(matches!(tlvs[2..], [PrefixSidTlv::Other { kind: 5, .. }, PrefixSidTlv::Other { kind: 1, .. }]));
        assert_eq!(value.label_index(), Some(9));
        let mut out = Vec::new();
        tlvs.iter().for_each(|tlv| tlv.emit(&mut out));
        assert_eq!(out, octets);
        assert!(PrefixSid::parse(&[1, 0]).is_err() && PrefixSid::parse(&[]).is_err());
    }
}
