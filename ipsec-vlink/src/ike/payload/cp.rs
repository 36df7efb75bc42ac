//! The Configuration payload (RFC 7296 §3.15).

use fwd_core::codec::{self, BufMut, Take};

use super::attribute::Attributes;

/// What a Configuration payload is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct CfgType(pub u8);

impl CfgType {
    /// Asks.
    pub const REQUEST: Self = Self(1);
    /// Answers.
    pub const REPLY: Self = Self(2);
    /// Offers.
    pub const SET: Self = Self(3);
    /// Takes what was offered.
    pub const ACK: Self = Self(4);
}

/// Configuration attributes: addresses, name servers.
///
/// ```text
/// +---------------+-----------------------------------------------+
/// |   CFG type    |                  reserved                     |
/// +---------------+-----------------------------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Configuration<'a> {
    /// What it is for.
    pub kind: CfgType,
    /// The attributes, all in the long form.
    pub attributes: Attributes<'a>,
}

impl<'a> Configuration<'a> {
    #[inline]
    pub(super) fn take(i: &'a [u8]) -> Take<'a, Self> {
        let (i, [kind, ..]) = codec::array::<4>(i, "CFG type")?;
        Ok((&[], Self { kind: CfgType(kind), attributes: Attributes::check(i)? }))
    }

    pub(super) const fn wire_len(&self) -> usize {
        self.attributes.octets().len().saturating_add(4)
    }

    pub(super) fn emit(&self, out: &mut impl BufMut) {
        out.put_slice(&[self.kind.0, 0, 0, 0]);
        out.put_slice(self.attributes.octets());
    }
}
