//! A hash of what packets of one flow have in common, and no others should.

use crate::net::Label;
use crate::wire::{IpProtocol, Ipv4, Ipv6, LabelEntry};

/// Labels that are looked at.
const LABELS: usize = 8;

const fn mix(hash: u64, value: u64) -> u64 {
    let mixed = (hash ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    mixed ^ mixed >> 32
}

/// Both halves of a hash in one.
const fn fold(hash: u64) -> u32 {
    let hash = mix(hash, 0);
    (hash ^ hash >> 32) as u32
}

/// Of an IP packet: addresses, protocol, and of TCP, UDP, SCTP and DCCP the ports; of IPv6 also the flow label (RFC 6438 §3). Of a
/// fragment the ports are left out, since only the first one has them.
pub(crate) fn of_ip(octets: &[u8]) -> u32 {
    match octets.first().map(|first| first >> 4) {
        Some(4) => of_ipv4(octets),
        Some(6) => of_ipv6(octets),
        _ => 0,
    }
}

fn of_ipv4(octets: &[u8]) -> u32 {
    let Some(header) = Ipv4::of(octets) else { return 0 };
    let addresses = u64::from(header.source().to_bits()) << 32 | u64::from(header.destination().to_bits());
    // More fragments, or an offset: octets 6 and 7 (RFC 791 §3.1).
    let fragment = matches!(octets, [_, _, _, _, _, _, a, b, ..] if a & 0x3f != 0 || *b != 0);
    let payload = if fragment { &[] } else { octets.get(header.header_len()..).unwrap_or_default() };
    let protocol = octets.get(9).copied().unwrap_or_default();
    fold(mix(mix(0, addresses), ports(protocol, payload)))
}

fn of_ipv6(octets: &[u8]) -> u32 {
    let Some(header) = Ipv6::of(octets) else { return 0 };
    let (source, destination) = (header.source().to_bits(), header.destination().to_bits());
    let words = [source >> 64, source, destination >> 64, destination].map(|half| half as u64);
    let hash = words.into_iter().fold(0, mix);
    let flow = match octets {
        [_, a, b, c, ..] => u32::from_be_bytes([0, a & 0xf, *b, *c]),
        _ => 0,
    };
    let next_header = octets.get(6).copied().unwrap_or_default();
    let ports = ports(next_header, octets.get(Ipv6::LEN..).unwrap_or_default());
    fold(mix(hash, ports ^ u64::from(flow) << 40))
}

/// Protocol and ports.
fn ports(protocol: u8, payload: &[u8]) -> u64 {
    const DCCP: u8 = 33;
    const SCTP: u8 = 132;
    let has_ports = matches!(protocol, 6 | DCCP | SCTP) || IpProtocol(protocol) == IpProtocol::UDP;
    let ports = payload.first_chunk().filter(|_| has_ports).map_or(0, |ports| u32::from_be_bytes(*ports));
    u64::from(protocol) << 32 | u64::from(ports)
}

/// Of a labelled packet: the entropy label, if there is one (RFC 6790 §4.3); else the labels that are not special-purpose, and below
/// the last of them the IP packet, if its first four bits say that it is one.
pub(crate) fn of_labels(octets: &[u8]) -> u32 {
    let mut entries = octets.chunks_exact(LabelEntry::LEN).filter_map(LabelEntry::of);
    let mut hash = 0;
    for depth in 1..=LABELS {
        let Some(entry) = entries.next() else { return fold(hash) };
        if entry.label() == Label::ENTROPY_INDICATOR && !entry.is_bottom() {
            return entries.next().map_or(0, |entropy| fold(mix(0, entropy.label().value().into())));
        }
        if !entry.label().is_special_purpose() {
            hash = mix(hash, entry.label().value().into());
        }
        if entry.is_bottom() {
            let below = octets.get(depth.saturating_mul(LabelEntry::LEN)..).unwrap_or_default();
            return fold(mix(hash, of_ip(below).into()));
        }
    }
    fold(hash)
}

/// The entropy label of a flow: not a special-purpose one (RFC 6790 §4.2).
pub(crate) const fn entropy_label(flow: u32) -> Label {
    let label = Label::from_low_bits(flow >> 8);
    if label.is_special_purpose() { Label::from_low_bits(flow >> 8 | 0x8_0000) } else { label }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn udp(ports: [u8; 4]) -> [u8; 24] {
        let mut packet = [0; 24];
        packet[..20].copy_from_slice(&[0x45, 0, 0, 24, 0, 1, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
        packet[20..].copy_from_slice(&ports);
        packet
    }

    #[test]
    fn a_flow_keeps_its_hash_and_others_have_others() {
        let (a, b) = (udp([1, 2, 3, 4]), udp([1, 2, 3, 5]));
        assert_ne!(of_ip(&a), of_ip(&b));
        let mut later = a;
        (later[5], later[8]) = (9, 3);
        assert_eq!(of_ip(&later), of_ip(&a));
        // A fragment has no ports.
        let (mut first, mut second) = (a, b);
        (first[6], second[7]) = (0x20, 1);
        assert_eq!(of_ip(&first), of_ip(&second));
        let mut v6 = [0_u8; 44];
        v6[0] = 0x60;
        let plain = of_ip(&v6);
        v6[3] = 1;
        assert_ne!(of_ip(&v6), plain);
        assert_eq!((of_ip(&[]), of_ip(&[0x45]), of_ip(&[0x60; 39])), (0, 0, 0));
    }

    #[test]
    fn flows_are_spread_evenly() {
        let mut buckets = [0_u32; 64];
        for n in 0..6400_u16 {
            let [a, b] = n.to_be_bytes();
            buckets[of_ip(&udp([a, b, 0, 80])) as usize % 64] += 1;
        }
        assert!(buckets.iter().all(|&n| (60..=140).contains(&n)), "{buckets:?}");
    }

    #[test]
    fn the_entropy_label_alone_decides() {
        let label = |l, bottom| LabelEntry::new(Label::from_low_bits(l), 0, bottom, 9).0;
        let with = |top, entropy| [label(top, false), label(7, false), label(entropy, false), label(99, true)].concat();
        assert_eq!(of_labels(&with(100, 5000)), of_labels(&with(200, 5000)));
        assert_ne!(of_labels(&with(100, 5000)), of_labels(&with(100, 5001)));
        let plain = |top, ports| [&label(top, true)[..], &udp(ports)].concat();
        assert_ne!(of_labels(&plain(100, [0; 4])), of_labels(&plain(101, [0; 4])));
        assert_ne!(of_labels(&plain(100, [0; 4])), of_labels(&plain(100, [1; 4])));
        for flow in [0, 0xff, 0xfff, u32::MAX] {
            assert!(!entropy_label(flow).is_special_purpose());
        }
    }
}
