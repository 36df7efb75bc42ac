//! ARP (RFC 826) and neighbour discovery (RFC 4861): frames of both, as a router on an Ethernet needs them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use fwd_core::net::Mac;

use crate::sim::packet::{ETHERTYPE_IPV6, IpView, checksum, ethernet, ip_packet, pseudo_header};

/// Ethertype of ARP.
pub const ETHERTYPE_ARP: u16 = 0x0806;
/// IP protocol number of ICMPv6.
pub const PROTOCOL_ICMPV6: u8 = 58;
/// ICMPv6 type of a neighbour solicitation (RFC 4861 §4.3).
const SOLICITATION: u8 = 135;
/// ICMPv6 type of a neighbour advertisement (RFC 4861 §4.4).
const ADVERTISEMENT: u8 = 136;
/// Hop limit of neighbour discovery: 255 shows that the sender is on the link (RFC 4861 §7.1).
const HOP_LIMIT: u8 = 255;

/// What a frame says about neighbours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// Somebody asks who has an address, and says who asks.
    Who {
        /// The address asked for.
        target: IpAddr,
        /// Who asks.
        from: IpAddr,
        /// The asker's link-layer address.
        mac: Mac,
    },
    /// Somebody has an address.
    Is {
        /// The address.
        address: IpAddr,
        /// Its link-layer address.
        mac: Mac,
    },
}

/// Reads a frame of either protocol; `None` if it is neither, malformed, or a probe that names no sender.
#[must_use]
pub fn parse(frame: &[u8]) -> Option<Heard> {
    let payload = frame.get(14..)?;
    match u16::from_be_bytes(*frame.get(12..)?.first_chunk()?) {
        ETHERTYPE_ARP => parse_arp(payload),
        ETHERTYPE_IPV6 => parse_discovery(payload),
        _ => None,
    }
}

fn parse_arp(payload: &[u8]) -> Option<Heard> {
    let arp = payload.first_chunk::<28>()?;
    if arp[..6] != [0, 1, 8, 0, 6, 4] {
        return None;
    }
    let mac = Mac(*arp[8..].first_chunk()?);
    let address = |at: usize| arp[at..].first_chunk::<4>().map(|a| IpAddr::V4(Ipv4Addr::from(*a)));
    let (from, target) = (address(14)?, address(24)?);
    match (from.is_unspecified(), arp[7]) {
        (true, _) => None,
        (false, 1) => Some(Heard::Who { target, from, mac }),
        (false, 2) => Some(Heard::Is { address: from, mac }),
        _ => None,
    }
}

fn parse_discovery(payload: &[u8]) -> Option<Heard> {
    let view = IpView::parse(payload)?;
    let sum = pseudo_header(view.src, view.dst, PROTOCOL_ICMPV6, view.payload.len());
    if view.protocol != PROTOCOL_ICMPV6 || view.ttl != HOP_LIMIT || checksum(sum, view.payload) != 0 {
        return None;
    }
    let body = view.payload;
    let target = IpAddr::V6(Ipv6Addr::from(*body.get(8..)?.first_chunk::<16>()?));
    match *body.get(..2)? {
        [SOLICITATION, 0] if !view.src.is_unspecified() => {
            Some(Heard::Who { target, from: view.src, mac: link_layer_option(body.get(24..)?, 1)? })
        }
        [ADVERTISEMENT, 0] => Some(Heard::Is { address: target, mac: link_layer_option(body.get(24..)?, 2)? }),
        _ => None,
    }
}

/// The source (1) or target (2) link-layer address option of an Ethernet (RFC 4861 §4.6.1, RFC 2464 §6).
fn link_layer_option(mut options: &[u8], kind: u8) -> Option<Mac> {
    while let [this, units, ..] = *options {
        let len = usize::from(units) * 8;
        let option = options.get(..len).filter(|_| units > 0)?;
        if this == kind && units == 1 {
            return option[2..].first_chunk().copied().map(Mac);
        }
        options = &options[len..];
    }
    None
}

/// The question who has `target`, to all or, if `to` says whom, to confirm what is known. `None` if both addresses are not of one
/// family.
#[must_use]
pub fn ask(target: IpAddr, to: Option<Mac>, own: IpAddr, mac: Mac) -> Option<Vec<u8>> {
    match (target, own) {
        (IpAddr::V4(target), IpAddr::V4(own)) => {
            Some(arp(1, to.unwrap_or(Mac::BROADCAST), (own, mac), (target, Mac([0; 6]))))
        }
        (IpAddr::V6(target), IpAddr::V6(own)) => {
            let [.., x, y, z] = target.octets();
            // The solicited-node group (RFC 4291 §2.7.1) and its Ethernet address (RFC 2464 §7).
            let group = Ipv6Addr::from([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0xff, x, y, z]);
            let (link, dst) = to.map_or((Mac([0x33, 0x33, 0xff, x, y, z]), group), |mac| (mac, target));
            discovery([SOLICITATION, 0], target, 1, (own, mac), (dst, link))
        }
        _ => None,
    }
}

/// The answer that `target` is ours, to who asked.
#[must_use]
pub fn answer(target: IpAddr, mac: Mac, to: (IpAddr, Mac)) -> Option<Vec<u8>> {
    match (target, to.0) {
        (IpAddr::V4(target), IpAddr::V4(asker)) => Some(arp(2, to.1, (target, mac), (asker, to.1))),
        (IpAddr::V6(target), IpAddr::V6(asker)) => {
            // Router, solicited, override (RFC 4861 §4.4).
            discovery([ADVERTISEMENT, 0xe0], target, 2, (target, mac), (asker, to.1))
        }
        _ => None,
    }
}

fn arp(operation: u8, link: Mac, (own, mac): (Ipv4Addr, Mac), (target, target_mac): (Ipv4Addr, Mac)) -> Vec<u8> {
    let mut body = vec![0, 1, 8, 0, 6, 4, 0, operation];
    body.extend(mac.0);
    body.extend(own.octets());
    body.extend(target_mac.0);
    body.extend(target.octets());
    ethernet(link, mac, ETHERTYPE_ARP, &body)
}

fn discovery(
    [kind, flags]: [u8; 2],
    target: Ipv6Addr,
    option: u8,
    (src, mac): (Ipv6Addr, Mac),
    (dst, link): (Ipv6Addr, Mac),
) -> Option<Vec<u8>> {
    let mut body = vec![kind, 0, 0, 0, flags, 0, 0, 0];
    body.extend(target.octets());
    body.extend([option, 1]);
    body.extend(mac.0);
    let (src, dst) = (IpAddr::V6(src), IpAddr::V6(dst));
    let sum = checksum(pseudo_header(src, dst, PROTOCOL_ICMPV6, body.len()), &body);
    body[2..4].copy_from_slice(&sum.to_be_bytes());
    Some(ethernet(link, mac, ETHERTYPE_IPV6, &ip_packet(src, dst, PROTOCOL_ICMPV6, HOP_LIMIT, &body)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    const US: Mac = Mac([2, 0, 0, 0, 0, 1]);
    const THEM: Mac = Mac([2, 0, 0, 0, 0, 2]);

    #[test]
    fn questions_and_answers_round_trip_in_both_families() {
        for (own, target) in [("10.0.0.1", "10.0.0.2"), ("fd00::1", "fd00::abc:def2")] {
            let (own, target): (IpAddr, IpAddr) = (own.parse().unwrap(), target.parse().unwrap());
            let question = ask(target, None, own, US).unwrap();
            assert!(question[0] & 1 == 1, "to a group");
            assert_eq!(parse(&question), Some(Heard::Who { target, from: own, mac: US }));
            let direct = ask(target, Some(THEM), own, US).unwrap();
            assert_eq!(direct[..6], THEM.0);
            let reply = answer(target, THEM, (own, US)).unwrap();
            assert_eq!(reply[..6], US.0);
            assert_eq!(parse(&reply), Some(Heard::Is { address: target, mac: THEM }));
            for frame in [question, reply] {
                for len in 0..frame.len() {
                    assert_eq!(parse(&frame[..len]), None);
                }
            }
        }
        assert_eq!(ask("10.0.0.2".parse().unwrap(), None, "fd00::1".parse().unwrap(), US), None);
    }

    #[test]
    fn a_router_does_not_believe_what_came_from_beyond_the_link() {
        let (own, target): (IpAddr, IpAddr) = ("fd00::1".parse().unwrap(), "fd00::2".parse().unwrap());
        let mut reply = answer(target, THEM, (own, US)).unwrap();
        reply[14 + 7] = 254;
        assert_eq!(parse(&reply), None);
    }

    #[test]
    fn a_probe_without_a_sender_is_no_neighbour() {
        let any: IpAddr = "0.0.0.0".parse().unwrap();
        assert_eq!(parse(&ask("10.0.0.2".parse().unwrap(), None, any, US).unwrap()), None);
    }
}
