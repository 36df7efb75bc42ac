//! VLAN tags (IEEE 802.1Q §9.6).

use core::borrow::Borrow;

use super::EtherType;
use crate::net::VlanId;

/// What follows the tag protocol identifier.
///
/// ```text
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5
/// +-----+-+-----------------------+-------------------------------+
/// | PCP |D|          VID          |           ethertype           |
/// +-----+-+-----------------------+-------------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Vlan<T>(pub T);

impl<'a> Vlan<&'a [u8; 4]> {
    /// The tag in front of `octets`, if they are long enough.
    #[must_use]
    pub fn of(octets: &'a [u8]) -> Option<Self> {
        octets.first_chunk().map(Self)
    }
}

impl<T: Borrow<[u8; 4]>> Vlan<T> {
    /// The priority code point, 0 to 7.
    #[must_use]
    pub fn priority(&self) -> u8 {
        let [first, ..] = *self.0.borrow();
        first >> 5
    }

    /// Whether the frame may be dropped first (DEI).
    #[must_use]
    pub fn drop_eligible(&self) -> bool {
        let [first, ..] = *self.0.borrow();
        first & 0x10 != 0
    }

    /// The VLAN; `None` for a priority tag (0) and the reserved value 4095.
    #[must_use]
    pub fn vlan(&self) -> Option<VlanId> {
        let [hi, lo, ..] = *self.0.borrow();
        VlanId::new(u16::from_be_bytes([hi & 0x0f, lo]))
    }

    /// What follows the tag.
    #[must_use]
    pub fn ethertype(&self) -> EtherType {
        let [.., hi, lo] = *self.0.borrow();
        EtherType(u16::from_be_bytes([hi, lo]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_is_read() {
        let tag = Vlan::of(&[0xb0, 0x64, 0x08, 0x00]).unwrap();
        assert_eq!((tag.priority(), tag.drop_eligible(), tag.vlan()), (5, true, VlanId::new(100)));
        assert_eq!(tag.ethertype(), EtherType::IPV4);
        assert_eq!(Vlan([0xe0, 0, 0, 0]).vlan(), None);
    }
}
