//! Communities of layer 2 VPNs.

use super::{ExtCommunity, TypedCommunity};
use crate::administrator::Administrator;

bitflags::bitflags! {
    /// Control Flags of [`Layer2Info`] (RFC 4761 §3.2.4, RFC 8395 §2).
    #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
    pub struct Layer2Flags: u8 {
        /// T: the PE can send flow labels.
        const SEND_FLOW_LABEL = 0x08;
        /// R: the PE can receive flow labels.
        const RECEIVE_FLOW_LABEL = 0x04;
        /// C: frames to this PE have a control word.
        const CONTROL_WORD = 0x02;
        /// S: frames to this PE must be in sequence.
        const SEQUENCED = 0x01;
        const _ = !0;
    }
}

/// Layer2 Info (RFC 4761 §3.2.4): how pseudowires to the PE are to be set up. Code 0x800A.
///
/// ```text
/// +--------+--------+--------------+----------------+--------------+---------------+
/// | 0x80   | 0x0a   | Encaps (1)   | Flags (1)      | MTU (2)      | Reserved (2)  |
/// +--------+--------+--------------+----------------+--------------+---------------+
/// ```
///
/// The last two octets are kept: multi-homing writes a preference there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Layer2Info {
    /// Encaps Type.
    pub encaps: u8,
    /// Control Flags.
    pub flags: Layer2Flags,
    /// Layer-2 MTU in octets.
    pub mtu: u16,
    /// Reserved: zero, but kept as received.
    pub reserved: u16,
}

impl Layer2Info {
    /// Encaps Type of a VPLS.
    pub const VPLS: u8 = 19;
}

impl TypedCommunity for Layer2Info {
    fn from_community(community: ExtCommunity) -> Option<Self> {
        let [encaps, flags, a, b, c, d] = community.value();
        (community.code() == 0x800a).then(|| Self {
            encaps,
            flags: Layer2Flags::from_bits_retain(flags),
            mtu: u16::from_be_bytes([a, b]),
            reserved: u16::from_be_bytes([c, d]),
        })
    }

    fn community(&self) -> ExtCommunity {
        let ([a, b], [c, d]) = (self.mtu.to_be_bytes(), self.reserved.to_be_bytes());
        ExtCommunity::from_parts(0x800a, [self.encaps, self.flags.bits(), a, b, c, d])
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for Layer2Info {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let flags = Layer2Flags::from_bits_retain(u.arbitrary()?);
        Ok(Self { encaps: u.arbitrary()?, flags, mtu: u.arbitrary()?, reserved: u.arbitrary()? })
    }
}

/// L2VPN Identifier (RFC 6074 §6), also VPLS-id: which layer 2 VPN an auto-discovery route belongs to. Codes 0x000A (of a 2-octet
/// AS) and 0x010A (of an IPv4 address). The six octets go into the AGI of LDP FEC 129 behind two octets of type.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct L2vpnId {
    high: u8,
    value: [u8; 6],
}

impl L2vpnId {
    /// The identifier of a 2-octet AS.
    #[must_use]
    pub const fn two_octet_as(asn: u16, number: u32) -> Self {
        Self { high: 0, value: Administrator::TwoOctetAs(asn, number).octets() }
    }

    /// The identifier of an IPv4 address.
    #[must_use]
    pub const fn ipv4_address(address: core::net::Ipv4Addr, number: u16) -> Self {
        Self { high: 1, value: Administrator::Ipv4(address, number).octets() }
    }

    /// The eight octets of the community, which are the AGI's value too (RFC 6074 §3.2.2.1).
    #[must_use]
    pub const fn octets(self) -> [u8; 8] {
        let [a, b, c, d, e, f] = self.value;
        [self.high, 0x0a, a, b, c, d, e, f]
    }
}

impl TypedCommunity for L2vpnId {
    fn from_community(community: ExtCommunity) -> Option<Self> {
        let [high, ..] = community.0;
        matches!(community.code(), 0x000a | 0x010a).then(|| Self { high, value: community.value() })
    }

    fn community(&self) -> ExtCommunity {
        ExtCommunity(self.octets())
    }
}

impl core::fmt::Display for L2vpnId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match Administrator::from_octets(u16::from(self.high), self.value) {
            Some(administrator) => administrator.fmt(f),
            None => write!(f, "{:?}", self.octets()),
        }
    }
}

impl core::fmt::Debug for L2vpnId {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        core::fmt::Display::fmt(self, f)
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for L2vpnId {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(Self { high: u.int_in_range(0..=1)?, value: u.arbitrary()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;
    use core::net::Ipv4Addr;

    /// Shows: L2VPN-5.3-5
    #[test]
    fn layer2_info_has_the_flags_of_rfc_8395() {
        let flags = Layer2Flags::SEND_FLOW_LABEL | Layer2Flags::RECEIVE_FLOW_LABEL | Layer2Flags::SEQUENCED;
        let info = Layer2Info { encaps: Layer2Info::VPLS, flags, mtu: 1500, reserved: 0 };
        assert_eq!(info.community().0, [0x80, 0x0a, 19, 0x0d, 0x05, 0xdc, 0, 0]);
        assert_eq!(Layer2Info::from_community(info.community()), Some(info));
        // Preference of RFC 8614 multi-homing in the last octets, and unknown flags: kept.
        let octets = ExtCommunity([0x80, 0x0a, 19, 0xf2, 0x05, 0xdc, 0, 100]);
        let info = Layer2Info::from_community(octets).unwrap();
        assert!(info.flags.contains(Layer2Flags::CONTROL_WORD) && info.reserved == 100);
        assert_eq!(info.community(), octets);
    }

    /// Shows: L2VPN-5.3-6
    #[test]
    fn l2vpn_identifier_in_both_forms() {
        let id = L2vpnId::two_octet_as(65001, 7);
        assert_eq!(id.community().0, [0, 0x0a, 0xfd, 0xe9, 0, 0, 0, 7]);
        assert_eq!(L2vpnId::from_community(id.community()), Some(id));
        let id = L2vpnId::ipv4_address(Ipv4Addr::new(192, 0, 2, 1), 7);
        assert_eq!(id.community().0, [1, 0x0a, 192, 0, 2, 1, 0, 7]);
        assert_eq!(id.to_string(), "192.0.2.1:7");
        assert_eq!(L2vpnId::from_community(ExtCommunity([2, 0x0a, 0, 0, 0, 0, 0, 0])), None);
    }
}
