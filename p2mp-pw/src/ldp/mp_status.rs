//! The LDP MP Status TLV (RFC 6388 §5, §8.2).

use fwd_core::codec::{self, BufMut, Take};

use super::octets::{Octets, len16, whole};

/// The type of a status element; unknown values survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct MpStatusType(pub u8);

impl MpStatusType {
    /// Make-before-break (RFC 6388 §8.2).
    pub const MBB: Self = Self(1);
}

/// The code of a make-before-break status; unknown values survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct MbbStatus(pub u8);

impl MbbStatus {
    /// The sender wants to know when the new path is ready (RFC 6388 §8.2).
    pub const REQUEST: Self = Self(1);
    /// The new path is ready (RFC 6388 §8.2).
    pub const ACK: Self = Self(2);
}

/// One status element.
///
/// ```text
/// +----------+------------+-----------+
/// | Type (1) | Length (2) | Value ... |
/// +----------+------------+-----------+
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MpStatus {
    /// Make-before-break (RFC 6388 §8.2).
    Mbb(MbbStatus),
    /// Any other.
    Unknown(MpStatusType, Octets),
}

impl MpStatus {
    /// Takes an element.
    ///
    /// # Errors
    /// Truncated input, or a make-before-break status that is not one octet long.
    pub fn take(i: &[u8]) -> Take<'_, Self> {
        let (i, kind) = codec::be_u8(i, "mp status type")?;
        let (i, len) = codec::be_u16(i, "mp status length")?;
        let (i, value) = codec::octets(i, len.into(), "mp status length")?;
        let element = match MpStatusType(kind) {
            MpStatusType::MBB => Self::Mbb(MbbStatus(whole(value, |v| codec::be_u8(v, "mbb status code"))?)),
            other => Self::Unknown(other, Octets::from_slice(value)),
        };
        Ok((i, element))
    }

    /// Octets of the element.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        match self {
            Self::Mbb(_) => 4,
            Self::Unknown(_, value) => value.len().saturating_add(3),
        }
    }

    /// Writes the element.
    pub fn emit(&self, out: &mut impl BufMut) {
        match self {
            Self::Mbb(status) => out.put_slice(&[MpStatusType::MBB.0, 0, 1, status.0]),
            Self::Unknown(kind, value) => {
                out.put_u8(kind.0);
                out.put_u16(len16(value.len()));
                out.put_slice(value);
            }
        }
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for MpStatus {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(match MpStatusType(u.arbitrary()?) {
            MpStatusType::MBB => Self::Mbb(u.arbitrary()?),
            other => Self::Unknown(other, super::octets::arbitrary_octets(u, 20)?),
        })
    }
}
