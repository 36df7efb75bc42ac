//! The Internet checksum (RFC 1071) and its incremental update (RFC 1624).

/// The checksum of `octets`, in which the checksum field is zero. Over octets that hold a right checksum it is 0.
#[must_use]
pub fn of(octets: &[u8]) -> u16 {
    let mut sum = 0_u32;
    let mut pairs = octets.chunks_exact(2);
    for pair in &mut pairs {
        let pair = pair.first_chunk().copied().unwrap_or_default();
        sum = add(sum, u16::from_be_bytes(pair));
    }
    if let [last] = pairs.remainder() {
        sum = add(sum, u16::from_be_bytes([*last, 0]));
    }
    !fold(sum)
}

/// The checksum after a 16-bit field changed from `old` to `new` (RFC 1624 §3, equation 3).
#[inline]
#[must_use]
pub const fn update(checksum: u16, old: u16, new: u16) -> u16 {
    !fold(add(add(!checksum as u32, !old), new))
}

/// Adds with the carry brought around, so that a sum of any length stays within 17 bits.
#[inline]
const fn add(sum: u32, value: u16) -> u32 {
    let sum = sum.wrapping_add(value as u32);
    (sum & 0xffff).wrapping_add(sum >> 16)
}

#[inline]
const fn fold(sum: u32) -> u16 {
    let folded = (sum & 0xffff).wrapping_add(sum >> 16);
    (folded & 0xffff) as u16
}

#[cfg(test)]
mod tests {
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

    proptest! {
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
