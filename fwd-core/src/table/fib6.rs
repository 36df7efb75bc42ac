//! IPv6 routes: the nodes of [`super::lpm`] for 128-bit addresses.

use super::lpm::{Key, Node};

/// A node of the IPv6 routes of all VRFs.
pub type Fib6Node = Node<u128>;

impl Node<u128> {
    /// A node not in use, to fill the memory that is lent.
    pub const EMPTY: Self = Self::unused(0);
}

impl Key for u128 {
    const WIDTH: u8 = 128;

    #[inline]
    fn bit(self, at: u8) -> bool {
        self.wrapping_shl(u32::from(at)) >> 127 != 0
    }

    #[inline]
    fn common(self, other: Self) -> u8 {
        (self ^ other).leading_zeros() as u8
    }

    #[inline]
    fn truncate(self, len: u8) -> Self {
        self & u128::MAX.checked_shl(u32::from(Self::WIDTH.saturating_sub(len))).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_count_from_the_most_significant() {
        let key = 1 << 127 | 1_u128;
        assert!(key.bit(0) && !key.bit(1) && key.bit(127));
        assert_eq!((key.common(1 << 127), key.common(0), key.common(key)), (127, 0, 128));
        assert_eq!((u128::MAX.truncate(0), u128::MAX.truncate(8)), (0, 0xff << 120));
        assert_eq!(u128::MAX.truncate(128), u128::MAX);
        assert_eq!(size_of::<Fib6Node>(), 32);
    }
}
