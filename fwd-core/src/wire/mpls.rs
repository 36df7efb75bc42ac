//! MPLS label stack entries (RFC 3032 §2.1; the traffic class: RFC 5462).

use crate::net::Label;

/// A label stack entry.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +---------------------------------------+-----+-+---------------+
/// |                 label                 |  TC |S|      TTL      |
/// +---------------------------------------+-----+-+---------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LabelEntry(pub [u8; 4]);

impl LabelEntry {
    /// Octets of an entry.
    pub const LEN: usize = 4;

    /// An entry; of `class` the low three bits count.
    #[inline]
    #[must_use]
    pub const fn new(label: Label, class: u8, bottom: bool, ttl: u8) -> Self {
        let bits = (label.value() << 12) | (((class & 7) as u32) << 9) | ((bottom as u32) << 8) | ttl as u32;
        Self(bits.to_be_bytes())
    }

    /// The entry in front of `octets`, if they are long enough.
    #[inline]
    #[must_use]
    pub fn of(octets: &[u8]) -> Option<Self> {
        octets.first_chunk().copied().map(Self)
    }

    /// The label.
    #[inline]
    #[must_use]
    pub const fn label(self) -> Label {
        Label::from_low_bits(u32::from_be_bytes(self.0) >> 12)
    }

    /// The traffic class, 0 to 7.
    #[inline]
    #[must_use]
    pub const fn class(self) -> u8 {
        let [_, _, third, _] = self.0;
        (third >> 1) & 7
    }

    /// Whether this is the bottom of the stack.
    #[inline]
    #[must_use]
    pub const fn is_bottom(self) -> bool {
        let [_, _, third, _] = self.0;
        third & 1 != 0
    }

    /// The time to live.
    #[inline]
    #[must_use]
    pub const fn ttl(self) -> u8 {
        let [.., ttl] = self.0;
        ttl
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shows: L3VPN-8.7-4
    #[test]
    fn entries_have_the_bits_of_the_figure() {
        let e = LabelEntry::new(Label::new(0x12345).unwrap(), 5, true, 64);
        assert_eq!(e.0, [0x12, 0x34, 0x5b, 0x40]);
        assert_eq!((e.label().value(), e.class(), e.is_bottom(), e.ttl()), (0x12345, 5, true, 64));
        assert_eq!(LabelEntry::new(Label::MAX, 0, false, 0).0, [0xff, 0xff, 0xf0, 0]);
        assert_eq!(LabelEntry::new(Label::IPV6_EXPLICIT_NULL, 0, true, 1).0, [0, 0, 0x21, 1]);
        assert_eq!(LabelEntry::of(&[0, 0, 1]), None);
    }
}
