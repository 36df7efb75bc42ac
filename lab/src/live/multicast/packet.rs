//! IP packets of PIM, IGMP and MLD.

use std::net::IpAddr;

use crate::live::neighbour::PROTOCOL_ICMPV6;
use crate::sim::packet::{IpView, checksum, ip_packet};
use fwd_core::net::Mac;

/// IP protocol number of IGMP.
pub(super) const IGMP: u8 = 2;
/// IP protocol number of PIM.
pub(super) const PIM: u8 = 103;
/// Internetwork control (RFC 3376 §4).
const CONTROL: u8 = 0xc0;
/// The Router Alert option of IPv4 (RFC 2113).
const ROUTER_ALERT4: [u8; 4] = [0x94, 4, 0, 0];
/// A hop-by-hop header of ICMPv6 with the Router Alert option of MLD and padding (RFC 2711, RFC 3810 §5).
const ROUTER_ALERT6: [u8; 8] = [PROTOCOL_ICMPV6, 0, 5, 2, 0, 0, 1, 0];

/// What a packet of group management says in its headers.
pub(super) struct Membership<'a> {
    /// The source.
    pub(super) source: IpAddr,
    /// The destination.
    pub(super) destination: IpAddr,
    /// TTL or hop limit.
    pub(super) hop_limit: u8,
    /// Whether it has the Router Alert option.
    pub(super) router_alert: bool,
    /// The message.
    pub(super) octets: &'a [u8],
}

/// Reads a packet of IGMP or of ICMPv6 behind a hop-by-hop header.
pub(super) fn membership(packet: &[u8]) -> Option<Membership<'_>> {
    let view = IpView::parse(packet)?;
    let (router_alert, octets) = match view.protocol {
        IGMP => (packet.get(20..view.header_len)?.windows(4).any(|o| o[..2] == ROUTER_ALERT4[..2]), view.payload),
        0 => {
            let len = usize::from(*view.payload.get(1)?) * 8 + 8;
            let header = view.payload.get(..len)?;
            if header[0] != PROTOCOL_ICMPV6 {
                return None;
            }
            (header[2..].windows(4).any(|o| o == [5, 2, 0, 0]), &view.payload[len..])
        }
        _ => return None,
    };
    Some(Membership { source: view.src, destination: view.dst, hop_limit: view.ttl, router_alert, octets })
}

/// A packet of group management, with Router Alert.
pub(super) fn of_membership(source: IpAddr, destination: IpAddr, octets: &[u8]) -> Option<Vec<u8>> {
    if source.is_ipv6() {
        let body = [&ROUTER_ALERT6[..], octets].concat();
        return ip_packet(source, destination, 0, 1, &body);
    }
    let body = [&ROUTER_ALERT4[..], octets].concat();
    let mut packet = ip_packet(source, destination, IGMP, 1, &body)?;
    // The header is one word longer than it was made.
    (packet[0], packet[1]) = (0x46, CONTROL);
    Some(summed(packet, 24))
}

/// Writes the checksum of an IPv4 header anew.
fn summed(mut packet: Vec<u8>, header: usize) -> Vec<u8> {
    packet[10..12].fill(0);
    let sum = checksum(0, &packet[..header]);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet
}

/// The packet with a TTL or hop limit that is one less; `None` where it runs out.
pub(super) fn aged(packet: &[u8]) -> Option<Vec<u8>> {
    let mut packet = packet.to_vec();
    let at = if packet.first()? >> 4 == 6 { 7 } else { 8 };
    let ttl = packet.get_mut(at)?;
    *ttl = ttl.checked_sub(1).filter(|t| *t > 0)?;
    let header = usize::from(packet[0] & 15) * 4;
    if at == 8 && packet.len() >= header.max(20) {
        return Some(summed(packet, header));
    }
    Some(packet)
}

/// The Ethernet address of a group (RFC 1112 §6.4, RFC 2464 §7).
pub(super) fn group_mac(group: IpAddr) -> Mac {
    match group {
        IpAddr::V4(group) => {
            let [_, b, c, d] = group.octets();
            Mac([1, 0, 0x5e, b & 0x7f, c, d])
        }
        IpAddr::V6(group) => {
            let [.., a, b, c, d] = group.octets();
            Mac([0x33, 0x33, a, b, c, d])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn membership_packets_round_trip_with_router_alert() {
        for (source, group) in [("10.0.0.1", "224.0.0.1"), ("fe80::1", "ff02::1")] {
            let (source, group): (IpAddr, IpAddr) = (source.parse().unwrap(), group.parse().unwrap());
            let packet = of_membership(source, group, &[0x11, 0, 1, 2, 3, 4]).unwrap();
            let read = membership(&packet).unwrap();
            assert_eq!((read.source, read.destination, read.hop_limit), (source, group, 1));
            assert!(read.router_alert);
            assert_eq!(read.octets, [0x11, 0, 1, 2, 3, 4]);
            if source.is_ipv4() {
                assert_eq!(checksum(0, &packet[..24]), 0);
            }
            for len in 0..packet.len() {
                let _ = membership(&packet[..len]);
            }
        }
    }

    #[test]
    fn a_packet_ages_with_its_checksum_and_dies_at_one() {
        let packet = ip_packet("10.0.0.1".parse().unwrap(), "239.1.1.1".parse().unwrap(), 17, 2, &[1; 12]).unwrap();
        let older = aged(&packet).unwrap();
        assert_eq!((older[8], checksum(0, &older[..20])), (1, 0));
        assert_eq!(aged(&older), None);
        let packet = ip_packet("fd00::1".parse().unwrap(), "ff1e::1".parse().unwrap(), 17, 9, &[1; 12]).unwrap();
        assert_eq!(aged(&packet).unwrap()[7], 8);
    }
}
