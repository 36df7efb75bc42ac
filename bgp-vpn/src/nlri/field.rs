//! Fields of NLRI whose family is known only at run time.

use core::net::{Ipv4Addr, Ipv6Addr};

use fwd_core::Malformed;
use fwd_core::codec::BufMut;
use fwd_core::net::{Ipv4Prefix, Ipv6Prefix};

use super::{
    Afi, EvpnNlri, Family, LabeledNlri, McastVplsNlri, McastVpnNlri, MdtNlri, Nlri, NlriFormat, Nlris,
    RtMembershipNlri, Safi, UnicastNlri, VplsNlri, VpnMulticastNlri, VpnNlri, VrMembershipNlri,
};

/// Walks a field of NLRI of a family and says how many there are. Families that this crate does not know count nothing, and their
/// octets are not looked at.
///
/// # Errors
/// The first NLRI that does not parse (RFC 7606 §5.3).
pub fn check_field(family: Family, field: &[u8], format: NlriFormat) -> Result<usize, Malformed> {
    match (family.afi, family.safi) {
        (Afi::IPV4, Safi::UNICAST | Safi::MULTICAST) => count::<UnicastNlri<Ipv4Prefix>>(field, format),
        (Afi::IPV6, Safi::UNICAST | Safi::MULTICAST) => count::<UnicastNlri<Ipv6Prefix>>(field, format),
        (Afi::IPV4, Safi::LABELED_UNICAST) => count::<LabeledNlri<'_, Ipv4Prefix>>(field, format),
        (Afi::IPV6, Safi::LABELED_UNICAST) => count::<LabeledNlri<'_, Ipv6Prefix>>(field, format),
        (Afi::IPV4, Safi::VPN_UNICAST) => count::<VpnNlri<'_, Ipv4Prefix>>(field, format),
        (Afi::IPV6, Safi::VPN_UNICAST) => count::<VpnNlri<'_, Ipv6Prefix>>(field, format),
        (Afi::IPV4, Safi::MCAST_VPN) => count::<McastVpnNlri<'_, Ipv4Addr>>(field, format),
        (Afi::IPV6, Safi::MCAST_VPN) => count::<McastVpnNlri<'_, Ipv6Addr>>(field, format),
        (Afi::IPV4, Safi::VPN_MULTICAST) => count::<VpnMulticastNlri<Ipv4Prefix>>(field, format),
        (Afi::IPV6, Safi::VPN_MULTICAST) => count::<VpnMulticastNlri<Ipv6Prefix>>(field, format),
        (Afi::IPV4, Safi::MDT) => count::<MdtNlri>(field, format),
        (Afi::L2VPN, Safi::EVPN) => count::<EvpnNlri<'_>>(field, format),
        (Afi::L2VPN, Safi::VPLS) => count::<VplsNlri<'_>>(field, format),
        (Afi::L2VPN, Safi::MCAST_VPLS) => count::<McastVplsNlri<'_>>(field, format),
        (Afi::IPV4, Safi::RT_CONSTRAINT) => count::<RtMembershipNlri>(field, format),
        (Afi::IPV4 | Afi::IPV6, Safi::VPN_AUTO_DISCOVERY) => count::<VrMembershipNlri>(field, format),
        _ => Ok(0),
    }
}

fn count<'a, N: Nlri<'a>>(field: &'a [u8], format: NlriFormat) -> Result<usize, Malformed> {
    Nlris::<N>::new(field, format).try_fold(0usize, |n, nlri| nlri.map(|_| n.saturating_add(1)))
}

/// Writes a field of NLRI of a family again, each from what was read of it: bits beyond a prefix's length become zero. What does not
/// parse, and families that this crate does not know, are written as they are. The length does not change.
pub fn emit_field(family: Family, field: &[u8], format: NlriFormat, out: &mut impl BufMut) {
    match (family.afi, family.safi) {
        (Afi::IPV4, Safi::UNICAST | Safi::MULTICAST) => again::<UnicastNlri<Ipv4Prefix>>(field, format, out),
        (Afi::IPV6, Safi::UNICAST | Safi::MULTICAST) => again::<UnicastNlri<Ipv6Prefix>>(field, format, out),
        (Afi::IPV4, Safi::LABELED_UNICAST) => again::<LabeledNlri<'_, Ipv4Prefix>>(field, format, out),
        (Afi::IPV6, Safi::LABELED_UNICAST) => again::<LabeledNlri<'_, Ipv6Prefix>>(field, format, out),
        (Afi::IPV4, Safi::VPN_UNICAST) => again::<VpnNlri<'_, Ipv4Prefix>>(field, format, out),
        (Afi::IPV6, Safi::VPN_UNICAST) => again::<VpnNlri<'_, Ipv6Prefix>>(field, format, out),
        (Afi::IPV4, Safi::MCAST_VPN) => again::<McastVpnNlri<'_, Ipv4Addr>>(field, format, out),
        (Afi::IPV6, Safi::MCAST_VPN) => again::<McastVpnNlri<'_, Ipv6Addr>>(field, format, out),
        (Afi::IPV4, Safi::VPN_MULTICAST) => again::<VpnMulticastNlri<Ipv4Prefix>>(field, format, out),
        (Afi::IPV6, Safi::VPN_MULTICAST) => again::<VpnMulticastNlri<Ipv6Prefix>>(field, format, out),
        (Afi::IPV4, Safi::MDT) => again::<MdtNlri>(field, format, out),
        (Afi::L2VPN, Safi::EVPN) => again::<EvpnNlri<'_>>(field, format, out),
        (Afi::L2VPN, Safi::VPLS) => again::<VplsNlri<'_>>(field, format, out),
        (Afi::L2VPN, Safi::MCAST_VPLS) => again::<McastVplsNlri<'_>>(field, format, out),
        (Afi::IPV4, Safi::RT_CONSTRAINT) => again::<RtMembershipNlri>(field, format, out),
        (Afi::IPV4 | Afi::IPV6, Safi::VPN_AUTO_DISCOVERY) => again::<VrMembershipNlri>(field, format, out),
        _ => out.put_slice(field),
    }
}

fn again<'a, N: Nlri<'a>>(field: &'a [u8], format: NlriFormat, out: &mut impl BufMut) {
    let mut rest = field;
    for nlri in Nlris::<N>::new(field, format).map_while(Result::ok) {
        nlri.emit(format, out);
        rest = rest.get(nlri.wire_len(format)..).unwrap_or_default();
    }
    out.put_slice(rest);
}
