//! Addresses as keys of the route tables: IPv4 in 32 bits, IPv6 in 128.

/// Address bits.
pub trait Key: Copy + Eq + Default + core::fmt::Debug {
    /// The bits of an address.
    const WIDTH: u8;
    /// Bit `at`, the most significant being 0; `at` is below [`Self::WIDTH`].
    fn bit(self, at: u8) -> bool;
    /// How many leading bits are equal.
    fn common(self, other: Self) -> u8;
    /// The leading `len` bits, the rest zero.
    #[must_use]
    fn truncate(self, len: u8) -> Self;
    /// The six bits from `at` on; beyond the end they are zero.
    fn six(self, at: u8) -> u32;
    /// The first 18 bits.
    fn eighteen(self) -> u32;
    /// The first 24 bits.
    fn twenty_four(self) -> u32;
    /// The first 64 bits; those that it does not have are zero.
    fn high(self) -> u64;
}

macro_rules! key {
    ($bits:ident, $high:expr) => {
        impl Key for $bits {
            const WIDTH: u8 = $bits::BITS as u8;

            #[inline]
            fn bit(self, at: u8) -> bool {
                self.wrapping_shl(u32::from(at)) >> ($bits::BITS - 1) != 0
            }

            #[inline]
            fn common(self, other: Self) -> u8 {
                (self ^ other).leading_zeros() as u8
            }

            #[inline]
            fn truncate(self, len: u8) -> Self {
                self & $bits::MAX.checked_shl(u32::from(Self::WIDTH.saturating_sub(len))).unwrap_or(0)
            }

            #[inline]
            fn six(self, at: u8) -> u32 {
                // Wide shifts are slow, and seldom needed.
                if at <= 58 {
                    return (self.high().wrapping_shl(u32::from(at)) >> 58) as u32;
                }
                (self.wrapping_shl(u32::from(at)) >> ($bits::BITS - 6)) as u32
            }

            #[inline]
            fn eighteen(self) -> u32 {
                (self >> ($bits::BITS - 18)) as u32
            }

            #[inline]
            fn twenty_four(self) -> u32 {
                (self >> ($bits::BITS - 24)) as u32
            }

            #[inline]
            fn high(self) -> u64 {
                $high(self)
            }
        }
    };
}

key!(u32, |key: u32| u64::from(key) << 32);
key!(u128, |key: u128| (key >> 64) as u64);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_count_from_the_most_significant() {
        let key = 0x8000_0001_u32;
        assert!(key.bit(0) && !key.bit(1) && key.bit(31));
        assert_eq!((key.common(0x8000_0000), key.common(0), key.common(key)), (31, 0, 32));
        assert_eq!((u32::MAX.truncate(0), u32::MAX.truncate(8), u32::MAX.truncate(32)), (0, 0xff00_0000, u32::MAX));
        assert_eq!((key.six(0), key.six(26), key.six(30), key.eighteen()), (32, 1, 16, 1 << 17));

        assert_eq!((key.twenty_four(), key.high()), (1 << 23, 0x8000_0001 << 32));

        let key = 1 << 127 | 1_u128;
        assert!(key.bit(0) && !key.bit(1) && key.bit(127));
        assert_eq!((key.common(1 << 127), key.common(0), key.common(key)), (127, 0, 128));
        assert_eq!((u128::MAX.truncate(0), u128::MAX.truncate(8)), (0, 0xff << 120));
        assert_eq!((u128::MAX.truncate(128), key.six(0), key.six(126), key.eighteen()), (u128::MAX, 32, 16, 1 << 17));
        assert_eq!((key.twenty_four(), key.high(), u128::MAX.high()), (1 << 23, 1 << 63, u64::MAX));
    }
}
