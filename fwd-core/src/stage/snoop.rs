//! What an instance that snoops looks at in a multicast frame: IP addresses, and whether it is IGMP, MLD or PIM. Nothing else of
//! layer 3 is looked at (RFC 4541 §2, RFC 8220 §2.3).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::multicast::group_mac;
use crate::net::Mac;
use crate::verdict::DropReason;
use crate::wire::{Ipv4, Ipv6};

const IGMP: u8 = 2;
const HOP_BY_HOP: u8 = 0;
const ICMPV6: u8 = 58;
const PIM: u8 = 103;
const ALL_PIM_ROUTERS4: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 13);
const ALL_PIM_ROUTERS6: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0xd);

/// What a multicast frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// IGMP, MLD, or a PIM Hello or Join/Prune.
    Membership,
    /// To a group that everybody has to hear: 224.0.0.0/24, ff02::/16, or not IP.
    ToAll,
    /// From a source to a group.
    Data(IpAddr, IpAddr),
}

/// Looks at a frame from its ethertype on, below at most one tag.
pub(super) fn look(octets: &[u8], destination: Mac) -> Result<Kind, DropReason> {
    match octets {
        [0x81, 0x00, _, _, rest @ ..] | [0x88, 0xa8, _, _, rest @ ..] => ip(rest, destination),
        _ => ip(octets, destination),
    }
}

fn ip(octets: &[u8], destination: Mac) -> Result<Kind, DropReason> {
    match octets {
        [0x08, 0x00, packet @ ..] => v4(packet, destination),
        [0x86, 0xdd, packet @ ..] => v6(packet, destination),
        // Below another tag there may be IP that is not looked at.
        [0x81, 0x00, ..] | [0x88, 0xa8, ..] => Ok(Kind::ToAll),
        _ if is_of_ip(destination) => Err(DropReason::GroupMac),
        _ => Ok(Kind::ToAll),
    }
}

/// An address that groups of IPv4 or IPv6 are mapped to (RFC 1112 §6.4, RFC 2464 §7).
const fn is_of_ip(destination: Mac) -> bool {
    matches!(destination.0, [0x01, 0x00, 0x5e, 0..=0x7f, ..] | [0x33, 0x33, ..])
}

fn v4(packet: &[u8], destination: Mac) -> Result<Kind, DropReason> {
    let header = Ipv4::of(packet).ok_or(DropReason::Truncated)?;
    if header.version() != 4 || header.header_len() < Ipv4::LEN {
        return Err(DropReason::HeaderLength);
    }
    let (source, group) = (header.source(), header.destination());
    if !group.is_multicast() || group_mac(group.into()) != destination {
        return Err(DropReason::GroupMac);
    }
    let payload = packet.get(header.header_len()..).unwrap_or_default();
    let is_pim = header.protocol() == PIM && group == ALL_PIM_ROUTERS4 && is_pim_of_neighbors(payload);
    let [a, b, c, _] = group.octets();
    Ok(match header.protocol() {
        IGMP => Kind::Membership,
        _ if is_pim => Kind::Membership,
        _ if [a, b, c] == [224, 0, 0] => Kind::ToAll,
        _ => Kind::Data(source.into(), group.into()),
    })
}

fn v6(packet: &[u8], destination: Mac) -> Result<Kind, DropReason> {
    let header = Ipv6::of(packet).ok_or(DropReason::Truncated)?;
    if header.version() != 6 {
        return Err(DropReason::IpVersion);
    }
    let (source, group) = (header.source(), header.destination());
    if !group.is_multicast() || group_mac(group.into()) != destination {
        return Err(DropReason::GroupMac);
    }
    let payload = packet.get(Ipv6::LEN..).unwrap_or_default();
    // MLD stands behind a hop-by-hop header with the router alert option (RFC 2710 §3).
    let is_mld = match (header.next_header(), payload) {
        (ICMPV6, [kind, ..]) => is_mld_type(*kind),
        (HOP_BY_HOP, [ICMPV6, len, ..]) => {
            let len = usize::from(*len).saturating_add(1).saturating_mul(8);
            payload.get(len).is_some_and(|kind| is_mld_type(*kind))
        }
        _ => false,
    };
    let is_pim = header.next_header() == PIM && group == ALL_PIM_ROUTERS6 && is_pim_of_neighbors(payload);
    let [_, second, ..] = group.octets();
    Ok(if is_mld || is_pim {
        Kind::Membership
    } else if second & 0xf == 2 {
        Kind::ToAll
    } else {
        Kind::Data(source.into(), group.into())
    })
}

/// Query, report, done, version 2 report (RFC 2710 §3, RFC 3810 §5).
const fn is_mld_type(kind: u8) -> bool {
    matches!(kind, 130 | 131 | 132 | 143)
}

/// Version 2, Hello or Join/Prune (RFC 7761 §4.9): what RFC 8220 §2.3 snoops.
const fn is_pim_of_neighbors(payload: &[u8]) -> bool {
    matches!(payload, [0x20 | 0x23, ..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn v4_frame(protocol: u8, group: [u8; 4], payload: &[u8]) -> (Vec<u8>, Mac) {
        let mut octets = std::vec![0x08, 0, 0x45, 0, 0, 0, 0, 0, 0, 0, 1, protocol, 0, 0, 10, 0, 0, 1];
        octets.extend(group);
        octets.extend(payload);
        (octets, group_mac(IpAddr::from(group)))
    }

    fn v6_frame(next: u8, group: &str, payload: &[u8]) -> (Vec<u8>, Mac) {
        let group: Ipv6Addr = group.parse().unwrap();
        let mut octets = std::vec![0x86, 0xdd, 0x60, 0, 0, 0, 0, 0, next, 1];
        octets.extend(Ipv6Addr::LOCALHOST.octets());
        octets.extend(group.octets());
        octets.extend(payload);
        (octets, group_mac(IpAddr::from(group)))
    }

    /// Every protocol number, and every type of ICMPv6 and PIM: the set of what goes to software is closed.
    ///
    /// Shows: VPLS-PKT-2
    #[test]
    fn only_igmp_mld_and_pim_of_neighbors_are_membership() {
        let is_membership = |(octets, mac): (Vec<u8>, Mac)| look(&octets, mac) == Ok(Kind::Membership);
        for n in 0..=255_u8 {
            assert_eq!(is_membership(v4_frame(n, [225, 1, 1, 1], &[n])), n == IGMP);
            assert_eq!(is_membership(v4_frame(PIM, [224, 0, 0, 13], &[n])), n == 0x20 || n == 0x23);
            let is_mld = [130, 131, 132, 143].contains(&n);
            assert_eq!(is_membership(v6_frame(ICMPV6, "ff02::16", &[n])), is_mld);
            let behind = [ICMPV6, 0, 5, 2, 0, 0, 1, 0, n];
            assert_eq!(is_membership(v6_frame(HOP_BY_HOP, "ff02::16", &behind)), is_mld);
            assert_eq!(is_membership(v6_frame(PIM, "ff02::d", &[n])), n == 0x20 || n == 0x23);
        }
    }

    #[test]
    fn what_all_have_to_hear_is_told_from_data() {
        let (octets, mac) = v4_frame(89, [224, 0, 0, 5], &[]);
        assert_eq!(look(&octets, mac), Ok(Kind::ToAll));
        let (octets, mac) = v6_frame(89, "ff02::5", &[]);
        assert_eq!(look(&octets, mac), Ok(Kind::ToAll));
        let (mut octets, mac) = v4_frame(17, [232, 1, 1, 1], &[]);
        let data = Kind::Data(IpAddr::from([10, 0, 0, 1]), IpAddr::from([232, 1, 1, 1]));
        assert_eq!(look(&octets, mac), Ok(data));
        octets.splice(0..0, [0x81, 0, 0, 100]);
        assert_eq!(look(&octets, mac), Ok(data));
        // IS-IS is LLC.
        assert_eq!(look(&[0, 40, 0xfe, 0xfe, 3], Mac([1, 0x80, 0xc2, 0, 0, 0x14])), Ok(Kind::ToAll));
    }

    #[test]
    fn a_group_under_another_groups_address_is_refused() {
        let (octets, _) = v4_frame(17, [225, 1, 1, 1], &[]);
        assert_eq!(look(&octets, Mac([1, 0, 0x5e, 1, 1, 2])), Err(DropReason::GroupMac));
        let (octets, mac) = v6_frame(17, "ff3e::1", &[]);
        assert_eq!(look(&octets[..41], mac), Err(DropReason::Truncated));
    }
}
