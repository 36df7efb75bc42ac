//! IPv4 routes: the nodes of [`super::lpm`] for 32-bit addresses.

use super::lpm::{Key, Node};

/// A node of the IPv4 routes of all VRFs.
pub type Fib4Node = Node<u32>;

impl Node<u32> {
    /// A node not in use, to fill the memory that is lent.
    pub const EMPTY: Self = Self::unused(0);
}

impl Key for u32 {
    const WIDTH: u8 = 32;

    #[inline]
    fn bit(self, at: u8) -> bool {
        self.wrapping_shl(u32::from(at)) >> 31 != 0
    }

    #[inline]
    fn common(self, other: Self) -> u8 {
        (self ^ other).leading_zeros() as u8
    }

    #[inline]
    fn truncate(self, len: u8) -> Self {
        self & u32::MAX.checked_shl(u32::from(Self::WIDTH.saturating_sub(len))).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_count_from_the_most_significant() {
        let key = 0x8000_0001_u32;
        assert!(key.bit(0) && !key.bit(1) && key.bit(31));
        assert_eq!((key.common(0x8000_0000), key.common(0), key.common(key)), (31, 0, 32));
        assert_eq!((u32::MAX.truncate(0), u32::MAX.truncate(8), u32::MAX.truncate(32)), (0, 0xff00_0000, u32::MAX));
        assert_eq!(size_of::<Fib4Node>(), 20);
    }
}
