//! The Internet checksum (RFC 1071) and its incremental update (RFC 1624).

/// A sum in progress, over octets that lie in several places.
///
/// Every part but the last must have an even number of octets. A packet's worth of parts cannot overflow it.
///
/// ```
/// use fwd_core::wire::checksum::{self, Sum};
/// assert_eq!(Sum::new().octets(&[1, 2]).word(0x0304).octets(&[5]).finish(), checksum::of(&[1, 2, 3, 4, 5]));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sum(u64);

impl Sum {
    /// The sum of nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self(0)
    }

    /// With these octets.
    #[inline]
    #[must_use]
    pub fn octets(self, octets: &[u8]) -> Self {
        let mut sum = self.0;
        let mut quads = octets.chunks_exact(4);
        for quad in &mut quads {
            let quad = quad.first_chunk().copied().unwrap_or_default();
            sum = sum.wrapping_add(u64::from(u32::from_be_bytes(quad)));
        }
        let rest = match *quads.remainder() {
            [a] => [a, 0, 0, 0],
            [a, b] => [a, b, 0, 0],
            [a, b, c] => [a, b, c, 0],
            _ => [0; 4],
        };
        Self(sum.wrapping_add(u64::from(u32::from_be_bytes(rest))))
    }

    /// With these octets, of which there are many: the same as [`Self::octets`], faster from about 64 octets on.
    ///
    /// They are added as the processor's own words in its own order (RFC 1071 §2 (B), (C)); the carries are counted apart.
    #[inline]
    #[must_use]
    pub fn bulk(self, octets: &[u8]) -> Self {
        const WORD: usize = size_of::<usize>();
        let (mut sum, mut carries) = (0_usize, 0_usize);
        let mut words = octets.chunks_exact(WORD);
        for word in &mut words {
            let word = usize::from_ne_bytes(word.first_chunk().copied().unwrap_or_default());
            let (added, carry) = sum.overflowing_add(word);
            sum = added;
            carries = carries.wrapping_add(usize::from(carry));
        }
        let own = Self((sum as u64 & 0xffff_ffff).wrapping_add(sum as u64 >> 32).wrapping_add(carries as u64));
        self.word((!own.finish()).to_be()).octets(words.remainder())
    }

    /// With a 16-bit field.
    #[inline]
    #[must_use]
    pub const fn word(self, word: u16) -> Self {
        Self(self.0.wrapping_add(word as u64))
    }

    /// With a 32-bit field.
    #[inline]
    #[must_use]
    pub const fn long(self, long: u32) -> Self {
        Self(self.0.wrapping_add(long as u64))
    }

    /// The checksum: the complement of the sum. Where the octets hold a right checksum it is 0.
    #[inline]
    #[must_use]
    pub const fn finish(self) -> u16 {
        let sum = (self.0 & 0xffff_ffff).wrapping_add(self.0 >> 32);
        let sum = (sum & 0xffff_ffff).wrapping_add(sum >> 32);
        let sum = (sum & 0xffff).wrapping_add(sum >> 16);
        !fold(((sum & 0xffff).wrapping_add(sum >> 16)) as u32)
    }
}

/// The checksum of `octets`, in which the checksum field is zero. Over octets that hold a right checksum it is 0.
#[must_use]
pub fn of(octets: &[u8]) -> u16 {
    Sum::new().octets(octets).finish()
}

/// Whether `octets`, a checksum among them, have a right one: their sum is all ones. The order of octets does not matter for that
/// (RFC 1071 §2 (B)).
#[inline(always)]
#[must_use]
pub fn is_right(octets: &[u8; 20]) -> bool {
    let quads = octets.chunks_exact(4).map(|quad| u32::from_ne_bytes(quad.first_chunk().copied().unwrap_or_default()));
    let sum = quads.fold(0_u64, |sum, quad| sum.wrapping_add(quad.into()));
    // Of 32 bits, with the carry brought around. A multiple of all ones has the sum all ones; only zeros have the sum zero.
    let (sum, carry) = (sum as u32).overflowing_add((sum >> 32) as u32);
    let sum = sum.wrapping_add(carry.into());
    sum != 0 && sum % 0xffff == 0
}

/// The checksum after a 16-bit field changed from `old` to `new` (RFC 1624 §3, equation 3). All three may have their octets in the
/// processor's order, as the result then has.
#[inline]
#[must_use]
pub const fn update(checksum: u16, old: u16, new: u16) -> u16 {
    let sum = (!checksum as u32).wrapping_add(!old as u32).wrapping_add(new as u32);
    !fold((sum & 0xffff).wrapping_add(sum >> 16))
}

#[inline]
const fn fold(sum: u32) -> u16 {
    let folded = (sum & 0xffff).wrapping_add(sum >> 16);
    (folded & 0xffff) as u16
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_example_of_rfc_1624() {
        assert_eq!(update(0xdd2f, 0x5555, 0x3285), 0x0000);
    }

    #[test]
    fn an_odd_octet_counts_as_the_high_one() {
        assert_eq!(of(&[0x12]), of(&[0x12, 0]));
        assert_eq!(of(&[]), 0xffff);
    }

    /// Adds with the carry brought around, so that a sum of any length stays within 17 bits.
    const fn add(sum: u32, value: u16) -> u32 {
        let sum = sum.wrapping_add(value as u32);
        (sum & 0xffff).wrapping_add(sum >> 16)
    }

    /// Word by word with the carry brought around at each, as RFC 1071 §4.1 has it.
    fn naive(octets: &[u8]) -> u16 {
        let sum = octets
            .chunks(2)
            .fold(0, |sum, pair| add(sum, u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)])));
        !fold(sum)
    }

    #[test]
    fn a_header_of_zeros_is_not_right_one_of_ones_is() {
        assert!(!is_right(&[0; 20]));
        assert!(is_right(&[0xff; 20]));
    }

    #[test]
    fn ones_do_not_overflow() {
        for n in 0..64 {
            assert_eq!(of(&[0xff; 64][..n]), naive(&[0xff; 64][..n]));
            assert_eq!(Sum::new().bulk(&[0xff; 64][..n]).finish(), naive(&[0xff; 64][..n]));
        }
    }

    proptest! {
        #[test]
        fn parts_sum_like_the_whole(octets: Vec<u8>, at: usize) {
            let at = (at % (octets.len() + 1)) & !1;
            let (head, tail) = octets.split_at(at);
            prop_assert_eq!(of(&octets), naive(&octets));
            prop_assert_eq!(Sum::new().octets(head).octets(tail).finish(), naive(&octets));
            prop_assert_eq!(Sum::new().bulk(head).bulk(tail).finish(), naive(&octets));
        }

        #[test]
        fn a_header_is_right_whose_sum_is_all_ones(mut octets: [u8; 20], at in 0..10_usize, is_spoiled: bool, bits: u16) {
            octets[2 * at..2 * at + 2].fill(0);
            let sum = of(&octets).to_be_bytes();
            octets[2 * at..2 * at + 2].copy_from_slice(&sum);
            prop_assert!(is_right(&octets));
            octets[0] ^= u8::from(is_spoiled) * (bits as u8);
            octets[19] ^= u8::from(is_spoiled) * (bits >> 8) as u8;
            prop_assert_eq!(is_right(&octets), naive(&octets) == 0);
        }

        #[test]
        fn an_updated_checksum_is_that_of_the_new_octets(mut octets: [u8; 20], at in 0..9_usize, new: u16) {
            octets[18..].fill(0);
            octets[0] |= 0x40; // no IP header is all zero
            let before = of(&octets);
            let old = u16::from_be_bytes([octets[2 * at], octets[2 * at + 1]]);
            let new = if at == 0 { new | 0x4000 } else { new };
            octets[2 * at..2 * at + 2].copy_from_slice(&new.to_be_bytes());
            prop_assert_eq!(update(before, old, new), of(&octets));
            let sum = of(&octets);
            octets[18..].copy_from_slice(&sum.to_be_bytes());
            prop_assert_eq!(of(&octets), 0);
        }
    }
}
