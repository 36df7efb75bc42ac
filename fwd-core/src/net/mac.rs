//! IEEE 802 MAC addresses.

use core::fmt;

/// A 48-bit MAC address in transmission order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// ff:ff:ff:ff:ff:ff.
    pub const BROADCAST: Self = Self([0xff; 6]);

    /// 01-00-5e-80-00-00: of multicast frames that carry labelled packets. The lower 20 bits may be a label (RFC 5332 §8).
    pub const MPLS_MULTICAST: Self = Self([0x01, 0x00, 0x5e, 0x80, 0, 0]);

    /// Whether multicast frames with labelled packets have such an address (RFC 5332 §8, §9).
    #[must_use]
    pub const fn is_mpls_multicast(self) -> bool {
        matches!(self.0, [0x01, 0x00, 0x5e, 0x80..=0x8f, _, _])
    }

    /// Whether the group bit (the lowest bit of the first octet) is set; broadcast is a group address.
    #[must_use]
    pub const fn is_group(self) -> bool {
        let [first, ..] = self.0;
        first & 1 != 0
    }
}

/// A MAC address as tables hold it: four octets, then two in the high half of a word. So it is compared and copied by the word.
pub(crate) type MacWords = [u32; 2];

impl Mac {
    #[inline]
    pub(crate) const fn words(self) -> MacWords {
        let [a, b, c, d, e, f] = self.0;
        [u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, 0, 0])]
    }

    /// The reverse of [`Self::words`]; the low half of the second word does not matter.
    #[inline]
    pub(crate) const fn from_words([high, low]: MacWords) -> Self {
        let ([a, b, c, d], [e, f, ..]) = (high.to_be_bytes(), low.to_be_bytes());
        Self([a, b, c, d, e, f])
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}
