//! Which class frames of each priority have in an instance (RFC 4761 §4.2.7, RFC 4448 §4.7).

use super::Class;

/// The class of each priority of IEEE 802.1Q: three bits each, that of priority 0 lowest.
///
/// ```
/// use fwd_core::op::{Class, ClassMap};
/// assert_eq!(ClassMap::IDENTITY.class(5), 5);
/// let best_effort = ClassMap::new([Class::default(); 8]);
/// assert_eq!(best_effort.class(5), 0);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClassMap(u32);

impl ClassMap {
    /// Every priority is its own class.
    pub const IDENTITY: Self = Self(0o76_543_210);
    const BITS: u32 = 3;

    /// The classes of priorities 0 to 7.
    #[must_use]
    pub fn new(classes: [Class; 8]) -> Self {
        let packed = classes.iter().rev().fold(0, |map, class| map << Self::BITS | u32::from(class.value()));
        Self(packed)
    }

    /// The class of a priority, of which three bits count.
    #[inline]
    #[must_use]
    pub const fn class(self, priority: u8) -> u8 {
        let shift = Self::BITS.wrapping_mul(priority as u32 & 7);
        (self.0 >> shift) as u8 & 7
    }

    /// In what it is other than [`Self::IDENTITY`], as tables and octets have it.
    #[must_use]
    pub(crate) const fn bits(self) -> u32 {
        self.0 ^ Self::IDENTITY.0
    }

    /// The reverse of [`Self::bits`]; `None` where more than 24 are set.
    #[must_use]
    pub(crate) const fn from_bits(bits: u32) -> Option<Self> {
        if bits >> 24 == 0 { Some(Self(bits ^ Self::IDENTITY.0)) } else { None }
    }
}

impl Default for ClassMap {
    fn default() -> Self {
        Self::IDENTITY
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for ClassMap {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(Self::new(u.arbitrary()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_are_packed_and_read_again() {
        assert!((0..8).all(|priority| ClassMap::IDENTITY.class(priority) == priority));
        let classes = [7, 0, 3, 3, 1, 6, 2, 5].map(|class| Class::new(class).unwrap());
        let map = ClassMap::new(classes);
        assert_eq!([0, 1, 2, 3, 4, 5, 6, 7].map(|priority| map.class(priority)), classes.map(Class::value));
        assert_eq!(ClassMap::from_bits(map.bits()), Some(map));
        assert_eq!((ClassMap::IDENTITY.bits(), ClassMap::from_bits(1 << 24)), (0, None));
    }
}
