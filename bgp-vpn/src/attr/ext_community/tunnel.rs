//! Communities that choose tunnels (RFC 9012 §4).

use super::{ExtCommunity, TypedCommunity};
use crate::attr::TunnelType;

/// Encapsulation (RFC 9012 §4.1): a tunnel type without parameters, to the next hop. Code 0x030C.
///
/// ```text
/// +--------+--------+------------------------+------------------+
/// | 0x03   | 0x0c   | Reserved (4)           | Tunnel Type (2)  |
/// +--------+--------+------------------------+------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Encapsulation(pub TunnelType);

/// Color (RFC 9012 §4.3): which tunnels the route may use. Code 0x030B.
///
/// ```text
/// +--------+--------+---------------+----------------------------+
/// | 0x03   | 0x0b   | Flags (2)     | Color Value (4)            |
/// +--------+--------+---------------+----------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Color {
    /// Flags. RFC 9012 defines none; a router that originates the community writes zero.
    pub flags: u16,
    /// The color.
    pub value: u32,
}

impl TypedCommunity for Encapsulation {
    fn from_community(community: ExtCommunity) -> Option<Self> {
        let [.., a, b] = community.value();
        (community.code() == 0x030c).then(|| Self(TunnelType(u16::from_be_bytes([a, b]))))
    }

    fn community(&self) -> ExtCommunity {
        let [a, b] = self.0.0.to_be_bytes();
        ExtCommunity::opaque(0x0c, [0, 0, 0, 0, a, b])
    }
}

impl TypedCommunity for Color {
    fn from_community(community: ExtCommunity) -> Option<Self> {
        let [a, b, c, d, e, f] = community.value();
        (community.code() == 0x030b)
            .then(|| Self { flags: u16::from_be_bytes([a, b]), value: u32::from_be_bytes([c, d, e, f]) })
    }

    fn community(&self) -> ExtCommunity {
        let ([a, b], [c, d, e, f]) = (self.flags.to_be_bytes(), self.value.to_be_bytes());
        ExtCommunity::opaque(0x0b, [a, b, c, d, e, f])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Shows: L3VPN-8.6-10
    #[test]
    fn octets_of_figures_14_and_15() {
        let gre = Encapsulation(TunnelType::GRE);
        assert_eq!(gre.community().0, [3, 0x0c, 0, 0, 0, 0, 0, 2]);
        // Reserved octets are not looked at.
        assert_eq!(Encapsulation::from_community(ExtCommunity([3, 0x0c, 9, 9, 9, 9, 0, 2])), Some(gre));
        let color = Color { flags: 0, value: 100 };
        assert_eq!(color.community().0, [3, 0x0b, 0, 0, 0, 0, 0, 100]);
        assert_eq!(Color::from_community(color.community()), Some(color));
        assert_eq!(Color::from_community(gre.community()), None);
    }
}
