//! ATTR_SET (RFC 6368 §5).

use fwd_core::Malformed;
use fwd_core::codec::{self, BufMut, Take};

use super::Attributes;

/// The value of ATTR_SET: the attributes of a customer's route, carried through the provider untouched.
///
/// ```text
/// +------------------------------+
/// | Origin AS (4)                |
/// +------------------------------+
/// | Path Attributes (variable)   |
/// +------------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct AttrSet<'a> {
    /// The customer's AS.
    pub origin_as: u32,
    /// The customer's attributes, AS numbers in four octets.
    pub octets: &'a [u8],
}

impl<'a> AttrSet<'a> {
    /// Takes the value of the attribute: all of the input. The attributes inside are judged when an UPDATE is read.
    ///
    /// # Errors
    /// Fewer than four octets.
    pub fn take(i: &'a [u8]) -> Take<'a, Self> {
        let (octets, origin_as) = codec::be_u32(i, "ATTR_SET origin AS")?;
        Ok((&[], Self { origin_as, octets }))
    }

    /// Parses the value of the attribute.
    ///
    /// # Errors
    /// Fewer than four octets.
    pub fn parse(octets: &'a [u8]) -> Result<Self, Malformed> {
        codec::all(octets, Self::take)
    }

    /// Octets that [`Self::emit`] writes.
    #[must_use]
    pub const fn wire_len(&self) -> usize {
        self.octets.len().saturating_add(4)
    }

    /// Writes the value.
    pub fn emit(&self, out: &mut impl BufMut) {
        out.put_u32(self.origin_as);
        out.put_slice(self.octets);
    }

    /// The customer's attributes.
    #[must_use]
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes::of_canonical(self.octets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    /// Shows: L3VPN-8.2-14
    #[test]
    fn customer_attributes_behind_the_customers_as() {
        let octets = [0, 0, 0xfd, 0xe9, 0x40, 1, 1, 0, 0x40, 5, 4, 0, 0, 0, 200];
        let set = AttrSet::parse(&octets).unwrap();
        assert_eq!((set.origin_as, set.attributes().local_pref()), (65001, Some(200)));
        let mut out = Vec::new();
        set.emit(&mut out);
        assert_eq!((&out[..], out.len()), (&octets[..], set.wire_len()));
        assert!(AttrSet::parse(&octets[..3]).is_err());
    }
}
