//! Membership of virtual routers, families 1/140 and 2/140: which VPN a virtual router belongs to, and its address.

use core::net::IpAddr;

use fwd_core::Fault;
use fwd_core::codec::{self, BufMut, Fail, Take};
use fwd_core::net::VpnId;

use super::nlris::{emit_path_id, take_path_id};
use super::{Afi, Family, Nlri, NlriFormat, PathId, Safi};

/// A virtual router (RFC 4110 §4.4.2) by the VPN-ID of its VPN (RFC 2685 §4) and the address at which its tunnels end.
///
/// The registry names SAFI 140 for the auto-discovery of VPNs, and no RFC says how its NLRI look. This is the general form of RFC 4760 §5, a
/// length in bits and as many octets, with the VPN-ID behind an octet of padding as in RFC 2684 §8. It is an experiment between speakers of
/// this crate; NLRI of another form are malformed to who reads them, and pass a reflector as octets
/// ([`Framing`](super::Framing)).
///
/// ```text
/// +-----------------------------------+
/// | Path identifier (4)               |  only with ADD-PATH
/// +-----------------------------------+
/// | Length in bits (1): 96 or 192     |
/// +-----------------------------------+
/// | 0 (1)                             |
/// +-----------------------------------+
/// | VPN-ID (7)                        |
/// +-----------------------------------+
/// | Address of the router (4 or 16)   |
/// +-----------------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct VrMembershipNlri {
    /// Path identifier, where the session has them.
    pub path_id: Option<PathId>,
    /// The VPN.
    pub vpn_id: VpnId,
    /// The address of the virtual router in the provider's network.
    pub address: IpAddr,
}

impl VrMembershipNlri {
    const V4_BITS: u8 = 96;
    const V6_BITS: u8 = 192;

    /// A membership without path identifier.
    #[must_use]
    pub const fn new(vpn_id: VpnId, address: IpAddr) -> Self {
        Self { path_id: None, vpn_id, address }
    }

    /// The family that the membership is told in: that of the router's address.
    #[must_use]
    pub const fn family(&self) -> Family {
        Family::new(if self.address.is_ipv6() { Afi::IPV6 } else { Afi::IPV4 }, Safi::VPN_AUTO_DISCOVERY)
    }
}

impl<'a> Nlri<'a> for VrMembershipNlri {
    fn take(i: &'a [u8], format: NlriFormat) -> Take<'a, Self> {
        let (i, path_id) = take_path_id(i, format)?;
        let at = i;
        let (i, bits) = codec::be_u8(i, "length")?;
        if bits != Self::V4_BITS && bits != Self::V6_BITS {
            return Err(Fail::new(at, "length", Fault::Length(usize::from(bits))));
        }
        let at = i;
        let (i, padding) = codec::be_u8(i, "padding")?;
        if padding != 0 {
            return Err(Fail::new(at, "padding", Fault::Value(u32::from(padding))));
        }
        let (i, vpn_id) = codec::array(i, "VPN-ID")?;
        let vpn_id = VpnId::from_octets(vpn_id);
        let (i, address) = if bits == Self::V4_BITS {
            let (i, octets) = codec::array::<4>(i, "router address")?;
            (i, IpAddr::from(octets))
        } else {
            let (i, octets) = codec::array::<16>(i, "router address")?;
            (i, IpAddr::from(octets))
        };
        Ok((i, Self { path_id, vpn_id, address }))
    }

    fn wire_len(&self, format: NlriFormat) -> usize {
        let address = if self.address.is_ipv6() { 16usize } else { 4 };
        address.saturating_add(if format.add_path { 13 } else { 9 })
    }

    fn emit(&self, format: NlriFormat, out: &mut impl BufMut) {
        emit_path_id(self.path_id, format, out);
        out.put_slice(&[if self.address.is_ipv6() { Self::V6_BITS } else { Self::V4_BITS }, 0]);
        out.put_slice(&self.vpn_id.octets());
        match self.address {
            IpAddr::V4(address) => out.put_slice(&address.octets()),
            IpAddr::V6(address) => out.put_slice(&address.octets()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORMAT: NlriFormat = NlriFormat { add_path: false, multiple_labels: false };

    /// Shows: L3VPN-8.3-10
    #[test]
    fn octets_of_a_membership() {
        let vpn_id = "5e:2a".parse().unwrap();
        let v4 = VrMembershipNlri::new(vpn_id, [192, 0, 2, 1].into());
        let octets = [96, 0, 0, 0, 0x5e, 0, 0, 0, 0x2a, 192, 0, 2, 1];
        let mut out = alloc::vec::Vec::new();
        v4.emit(FORMAT, &mut out);
        assert_eq!((&out[..], out.len()), (&octets[..], v4.wire_len(FORMAT)));
        assert_eq!(VrMembershipNlri::take(&octets, FORMAT).unwrap(), (&[][..], v4));
        let v6 = VrMembershipNlri::new(vpn_id, IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1]));
        out.clear();
        v6.emit(FORMAT, &mut out);
        assert_eq!((out.len(), out[0], v6.wire_len(FORMAT)), (25, 192, 25));
        assert_eq!(VrMembershipNlri::take(&out, FORMAT).unwrap().1, v6);
        assert_eq!([v4.family(), v6.family()], [Family::new(Afi(1), Safi(140)), Family::new(Afi(2), Safi(140))]);
        for (at, octet) in [(0, 88), (0, 128), (1, 1)] {
            let mut wrong = octets;
            wrong[at] = octet;
            assert!(VrMembershipNlri::take(&wrong, FORMAT).is_err());
        }
        assert!((0..octets.len()).all(|n| VrMembershipNlri::take(&octets[..n], FORMAT).is_err()));
    }
}
