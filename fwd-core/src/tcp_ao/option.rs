//! The option (RFC 5925 §2.2).

use bytes::BufMut;

use crate::codec::{Fail, Fault, Malformed, Take, all, be_u8, octets};

/// TCP-AO.
///
/// ```text
/// +------------+------------+------------+------------+
/// |  Kind=29   |   Length   |   KeyID    | RNextKeyID |
/// +------------+------------+------------+------------+
/// |                     MAC           ...
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AoOption<'a> {
    /// The key of this segment, by the number that its sender sends.
    pub key_id: u8,
    /// The key that the sender would rather receive, by the number that it receives.
    pub rnext_key_id: u8,
    mac: &'a [u8],
}

impl<'a> AoOption<'a> {
    /// The kind.
    pub const KIND: u8 = 29;
    /// The kind of TCP MD5 (RFC 2385), which never stands beside it.
    pub const MD5_KIND: u8 = 19;
    /// Octets in front of the MAC.
    pub const HEADER_LEN: usize = 4;
    /// The longest: a TCP header has room for so many octets of options.
    pub const MAX_LEN: usize = 40;

    /// One without a MAC, of no key.
    pub(super) const NONE: Self = Self { key_id: 0, rnext_key_id: 0, mac: &[] };

    /// An option; `None` if the MAC is longer than a header has room for.
    #[must_use]
    pub const fn new(key_id: u8, rnext_key_id: u8, mac: &'a [u8]) -> Option<Self> {
        if mac.len() > Self::MAX_LEN.saturating_sub(Self::HEADER_LEN) {
            return None;
        }
        Some(Self { key_id, rnext_key_id, mac })
    }

    /// The MAC.
    #[must_use]
    pub const fn mac(&self) -> &'a [u8] {
        self.mac
    }

    /// Takes an option.
    ///
    /// # Errors
    /// Another kind, a length that is none.
    pub fn take(i: &'a [u8]) -> Take<'a, Self> {
        let (rest, kind) = be_u8(i, "Kind")?;
        if kind != Self::KIND {
            return Err(Fail::new(i, "Kind", Fault::Value(kind.into())));
        }
        let at = rest;
        let (rest, len) = be_u8(rest, "Length")?;
        let len = usize::from(len);
        if !(Self::HEADER_LEN..=Self::MAX_LEN).contains(&len) {
            return Err(Fail::new(at, "Length", Fault::Length(len)));
        }
        let (rest, key_id) = be_u8(rest, "KeyID")?;
        let (rest, rnext_key_id) = be_u8(rest, "RNextKeyID")?;
        let (rest, mac) = octets(rest, len.saturating_sub(Self::HEADER_LEN), "MAC")?;
        Ok((rest, Self { key_id, rnext_key_id, mac }))
    }

    /// Parses an option.
    ///
    /// # Errors
    /// As [`AoOption::take`], or octets left over.
    pub fn parse(octets: &'a [u8]) -> Result<Self, Malformed> {
        all(octets, Self::take)
    }

    /// Octets on the wire.
    #[must_use]
    pub const fn wire_len(&self) -> usize {
        Self::HEADER_LEN.saturating_add(self.mac.len())
    }

    /// Writes it.
    pub fn emit(&self, out: &mut impl BufMut) {
        out.put_slice(&[Self::KIND, self.wire_len() as u8, self.key_id, self.rnext_key_id]);
        out.put_slice(self.mac);
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for AoOption<'a> {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let [key_id, rnext_key_id] = u.arbitrary()?;
        let len = u.int_in_range(0..=Self::MAX_LEN.saturating_sub(Self::HEADER_LEN))?;
        Ok(Self { key_id, rnext_key_id, mac: u.bytes(len)? })
    }
}
