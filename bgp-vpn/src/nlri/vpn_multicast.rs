//! VPN routes for RPF only, families 1/129 and 2/129 (RFC 6514 §10).

use fwd_core::codec::{self, BufMut, Take};

use super::labeled::{bits_after, bits_with};
use super::nlris::{emit_path_id, take_path_id, take_prefix, wire_len_of};
use super::{Nlri, NlriFormat, PathId, RouteDistinguisher, WirePrefix};

/// A VPN prefix without label: it says where the source of multicast is, and is not forwarded by.
///
/// ```text
/// +---------------------------+
/// | Path identifier (4)       |  only with ADD-PATH
/// +---------------------------+
/// | Length in bits (1)        |  of RD and prefix
/// +---------------------------+
/// | Route distinguisher (8)   |
/// +---------------------------+
/// | Prefix (0 to 4, 0 to 16)  |
/// +---------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct VpnMulticastNlri<P> {
    /// Path identifier, where the session has them.
    pub path_id: Option<PathId>,
    /// The route distinguisher.
    pub rd: RouteDistinguisher,
    /// The customer's prefix.
    pub prefix: P,
}

impl<'a, P: WirePrefix> Nlri<'a> for VpnMulticastNlri<P> {
    fn take(i: &'a [u8], format: NlriFormat) -> Take<'a, Self> {
        let (i, path_id) = take_path_id(i, format)?;
        let at = i;
        let (i, bits) = codec::be_u8(i, "length")?;
        let (i, rd) = RouteDistinguisher::take(i)?;
        let (i, prefix) = take_prefix(i, bits_after(at, bits, RouteDistinguisher::LEN)?)?;
        Ok((i, Self { path_id, rd, prefix }))
    }

    fn wire_len(&self, format: NlriFormat) -> usize {
        wire_len_of(format, RouteDistinguisher::LEN, self.prefix.wire())
    }

    fn emit(&self, format: NlriFormat, out: &mut impl BufMut) {
        emit_path_id(self.path_id, format, out);
        out.put_u8(bits_with(self.prefix.bits(), RouteDistinguisher::LEN));
        self.rd.emit(out);
        out.put_slice(self.prefix.wire());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attr::NextHop;
    use crate::nlri::Family;
    use fwd_core::net::{Ipv4Prefix, Ipv6Prefix};

    const FORMAT: NlriFormat = NlriFormat { add_path: false, multiple_labels: false };
    const RD: [u8; 8] = [0, 0, 0xfd, 0xe9, 0, 0, 0, 7];

    fn same<P: WirePrefix + core::str::FromStr<Err: core::fmt::Debug>>(octets: &[u8], text: &str) {
        let (rest, nlri) = VpnMulticastNlri::<P>::take(octets, FORMAT).unwrap();
        assert_eq!((rest.len(), nlri.rd.octets(), nlri.prefix), (0, RD, text.parse().unwrap()));
        let mut out = alloc::vec::Vec::new();
        nlri.emit(FORMAT, &mut out);
        assert_eq!((&out[..], out.len()), (octets, nlri.wire_len(FORMAT)));
    }

    /// No label; next hops as those of SAFI 128 (RFC 8950 §3).
    ///
    /// Shows: L3VPN-8.3-6
    #[test]
    fn prefixes_without_labels() {
        same::<Ipv4Prefix>(&[&[72][..], &RD, &[10]].concat(), "10.0.0.0/8");
        same::<Ipv6Prefix>(&[&[96][..], &RD, &[0x20, 1, 0x0d, 0xb8]].concat(), "2001:db8::/32");
        for octets in [&[&[63][..], &RD].concat()[..], &[&[97][..], &RD, &[0; 5]].concat(), &RD] {
            assert!(VpnMulticastNlri::<Ipv4Prefix>::take(octets, FORMAT).is_err(), "{octets:?}");
        }
        for (family, len) in
            [(Family::VPN_IPV4_MULTICAST, 12), (Family::VPN_IPV6_MULTICAST, 24), (Family::VPN_IPV6_MULTICAST, 48)]
        {
            assert!(NextHop::is_expected(family, len, false) && family.has_next_hop_rd());
            assert!(NextHop::parse(&[0; 48][..len], family).is_ok());
        }
        assert!(!NextHop::is_expected(Family::VPN_IPV4_MULTICAST, 24, false));
        assert!(NextHop::is_expected(Family::VPN_IPV4_MULTICAST, 24, true));
    }
}
