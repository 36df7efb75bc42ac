//! Sequence number extensions (RFC 5925 §6.2, RFC 9187).

/// Numbers of one direction in 64 bits: the upper half is the extension of the lower.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sne {
    highest: u64,
}

impl Sne {
    /// A direction whose first number is this; its extension is 0.
    #[must_use]
    pub const fn new(isn: u32) -> Self {
        Self { highest: isn as u64 }
    }

    /// The number of 64 bits whose lower half this is: the one nearest to the highest that was [advanced](Self::advance) to. A number from before
    /// the first has extension 0.
    #[must_use]
    pub const fn extended(self, sequence: u32) -> u64 {
        let distance = sequence.wrapping_sub(self.highest as u32) as i32;
        match self.highest.checked_add_signed(distance as i64) {
            Some(number) => number,
            None => sequence as u64,
        }
    }

    /// A segment of this number was sent, or was received and its MAC was right.
    pub const fn advance(&mut self, number: u64) {
        if number > self.highest {
            self.highest = number;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// RFC 9187 §6.
    #[test]
    fn the_validation_suite_of_rfc_9187() {
        const NUMBERS: [u64; 29] = [
            0x0_0000_0000,
            0x0_3000_0000,
            0x0_9000_0000,
            0x0_7000_0000,
            0x0_a000_0000,
            0x1_0000_0001,
            0x0_e000_0000,
            0x1_0000_0000,
            0x1_7fff_ffff,
            0x1_0000_0000,
            0x1_5000_0000,
            0x1_8000_0000,
            0x1_0000_0001,
            0x1_4000_0000,
            0x1_9000_0000,
            0x1_b000_0000,
            0x2_0fff_ffff,
            0x2_2000_0000,
            0x2_9000_0000,
            0x2_7000_0000,
            0x2_a000_0000,
            0x3_0000_4000,
            0x2_d000_0000,
            0x3_2000_0000,
            0x3_9000_0000,
            0x3_7000_0000,
            0x3_a000_0000,
            0x4_0000_4000,
            0x3_d000_0000,
        ];
        let mut sne = Sne::new(0);
        for number in NUMBERS {
            assert_eq!(sne.extended(number as u32), number, "{number:#x}");
            sne.advance(number);
        }
    }

    proptest! {
        /// Beside numbers of 64 bits that never fall back by half the space from the highest.
        #[test]
        fn numbers_are_those_of_64_bits(isn: u32, steps in proptest::collection::vec((any::<bool>(), 0u64..0x8000_0000), 1..200)) {
            let mut sne = Sne::new(isn);
            let mut highest = u64::from(isn);
            for (forward, step) in steps {
                let number = if forward { highest + step } else { highest.saturating_sub(step).max(isn.into()) };
                prop_assert_eq!(sne.extended(number as u32), number);
                sne.advance(number);
                highest = highest.max(number);
            }
        }
    }

    #[test]
    fn what_was_before_the_first_number_has_no_extension() {
        assert_eq!(Sne::new(5).extended(u32::MAX), u64::from(u32::MAX));
    }
}
