//! Frames that others sent, both ways through our header views. Captures: `gre` and `gre-options` from faucetsdn/ryu
//! (ryu/tests/packet_data/pcap, Apache-2.0); `mpls-udp` from the-tcpdump-group/tcpdump (tests/mpls-over-udp.pcap,
//! BSD-3-Clause); `4in6` and `6in6` from zeek/zeek (testing/btest/Traces/tunnels, BSD-3-Clause); `l2tpv3` and `pw` recorded for this
//! project between two freeRtr v26.8.22.

use std::net::{Ipv4Addr, Ipv6Addr};

use fwd_core::Fault;
use fwd_core::wire::l2tpv3::{Carrier, Cookie, Kind};
use fwd_core::wire::udp::{Between, ZeroChecksum, checksum_holds};
use fwd_core::wire::{
    AssociatedChannel, ControlWord, EtherType, Ethernet, Gre, IpProtocol, Ipv4, Ipv6, LabelEntry, Udp, checksum, gre,
    l2tpv3,
};

/// Octets of hexadecimal digits; white space does not count.
fn hex(digits: &str) -> Vec<u8> {
    let digits: Vec<u32> = digits.chars().filter_map(|c| c.to_digit(16)).collect();
    digits.chunks(2).map(|pair| (pair[0] << 4 | pair[1]) as u8).collect()
}

/// From the outer IPv4 header on; the ICMP payload repeats abcd.
fn gre_options() -> Vec<u8> {
    let mut packet = hex("45000088 001e0000 ff2f3b04 ac101902 ac100f02 b0000800 440d0000 000003e8 0000000a
         45000064 001f0000 ff013a23 c0a80002 c0a80004 08000383 00060001 00000000 00187aa8");
    packet.extend([0xab, 0xcd].repeat(32));
    packet
}

/// Shows: MVPN-MTU-1
#[test]
fn gre_with_every_option() {
    let packet = gre_options();
    let outer = Ipv4::of(&packet).unwrap();
    assert_eq!((outer.total_len(), IpProtocol(outer.protocol())), (packet.len(), IpProtocol::GRE));
    assert_eq!(checksum::of(&packet[..20]), 0);
    let (header, len) = Gre::take(&packet[20..]).unwrap();
    let expected = Gre { protocol: EtherType::IPV4, checksum: Some(0x440d), key: Some(1000), sequence: Some(10) };
    assert_eq!((header, len), (expected, 16));
    assert_eq!(header.emit(), packet[20..36]);
    assert!(gre::checksum_holds(&packet[20..]));
    let mut damaged = packet.clone();
    damaged[60] ^= 1;
    assert!(!gre::checksum_holds(&damaged[20..]));
    assert_eq!(Ipv4::of(&packet[36..]).unwrap().destination(), Ipv4Addr::new(192, 168, 0, 4));

    // Without options four octets are left: 24 with the outer header (catalogue: overhead of GRE over IPv4).
    let plain = hex("00000800 45000064");
    let (header, len) = Gre::take(&plain).unwrap();
    assert_eq!((header, Ipv4::LEN + len), (Gre::new(EtherType::IPV4), 24));
    assert_eq!(header.emit()[..4], plain[..4]);
}

/// Each octet of a header wrong in each bit: no panic, and what parses is written as it was read.
#[test]
fn damaged_gre_headers_do_no_harm() {
    let packet = gre_options();
    for at in 0..16 * 8 {
        let mut header = packet[20..36].to_vec();
        header[at / 8] ^= 1 << (at % 8);
        match Gre::take(&header) {
            Ok((gre, len)) => {
                // But for what a receiver ignores: reserved bits, and the octets after the checksum.
                let again = gre.emit();
                assert_eq!(Gre::take(&again[..len]), Ok((gre, len)));
            }
            Err(malformed) => assert!(matches!(malformed.fault, Fault::Value(_)), "{malformed}"),
        }
    }
}

const MPLS_UDP: &str = "45000074 676f0000 4011e3fb 0a640caa 0a640d9d e54b19eb 00600000 0001513f
     45000054 676f4000 3f01c022 0a03000a 0a01000a 08007643 a6eb0010 9407 3f5e 00000000 45880300
     00000000 10111213 14151617 18191a1b 1c1d1e1f 20212223 24252627 28292a2b 2c2d2e2f 30313233 34353637";

/// RFC 7510: the Linux that sent it computed no checksum over IPv4.
#[test]
fn mpls_in_udp() {
    let packet = hex(MPLS_UDP);
    let outer = Ipv4::of(&packet).unwrap();
    assert_eq!((outer.total_len(), outer.protocol(), outer.dont_fragment()), (packet.len(), 17, false));
    let header = Udp::of(&packet[20..]).unwrap();
    assert_eq!((header.source(), header.destination(), header.len(), header.checksum()), (58699, Udp::MPLS, 96, 0));
    assert_eq!(Udp::new(58699, Udp::MPLS, 96).0, packet[20..28]);
    let between = Between::V4(outer.source(), outer.destination());
    assert!(checksum_holds(between, &packet[20..], ZeroChecksum::OverIpv4));
    let label = LabelEntry::of(&packet[28..]).unwrap();
    assert_eq!((label.label().value(), label.is_bottom(), label.ttl()), (21, true, 63));
    assert_eq!(LabelEntry::new(label.label(), 0, true, 63).0, packet[28..32]);
    assert_eq!(Ipv4::of(&packet[32..]).unwrap().destination(), Ipv4Addr::new(10, 1, 0, 10));
}

/// Shows: L2VPN-5.7-1
#[test]
fn ip_in_ip_of_both_families() {
    let packet = hex("60000000 00280440 20024637d5d3000000000000 4637d5d3 20014860000020010000000000000068
         45000028 00010000 40063b6b 4637d5d3 c0586301");
    let outer = Ipv6::of(&packet).unwrap();
    assert_eq!((outer.payload_len(), IpProtocol(outer.next_header())), (40, IpProtocol::IPV4));
    let ours = Ipv6::outer(outer.source(), outer.destination(), IpProtocol::IPV4, 40, 64, 0);
    assert_eq!(ours.0, packet[..40]);
    assert_eq!(Ipv4::of(&packet[40..]).unwrap().source(), Ipv4Addr::new(70, 55, 213, 211));

    let packet = hex("60000000 00342940 200104f80004000702e081fffe52ffff 200104f80004000702e081fffe529a6b
         60000000 000c1140 dead000000000000000000000000beef cafe000000000000000000000000babe
         753032c8 000c83d2 58585858");
    let outer = Ipv6::of(&packet).unwrap();
    assert_eq!(IpProtocol(outer.next_header()), IpProtocol::IPV6);
    let inner = Ipv6::of(&packet[40..]).unwrap();
    assert_eq!(inner.source(), "dead::beef".parse::<Ipv6Addr>().unwrap());
    let between = Between::V6(inner.source(), inner.destination());
    assert!(checksum_holds(between, &packet[80..], ZeroChecksum::OverIpv4));
    let mut udp = Udp::new(30000, 13000, 12);
    udp.fill_checksum(between, b"XXXX");
    assert_eq!(udp.0, packet[80..88]);
}

/// An ICMP echo request over Ethernet over L2TPv3 over IP, no cookie, no sublayer.
#[test]
fn ethernet_in_l2tpv3() {
    let packet = hex("45000066 00010000 ff73b71f 01010102 01010101 06c84bd2
         00741e79204c 000000002222 0800 45000040 00000000 ff01b3b5 02020203 02020201 0800b1ee 3a160bfb");
    assert_eq!(IpProtocol(Ipv4::of(&packet).unwrap().protocol()), IpProtocol::L2TP);
    assert_eq!(l2tpv3::kind(Carrier::Ip, &packet[20..]), Ok(Kind::Data { session: 0x06c8_4bd2, offset: 4 }));
    assert_eq!(l2tpv3::emit(Carrier::Ip, 0x06c8_4bd2, &Cookie::NONE)[..4], packet[20..24]);
    let inner = Ethernet::of(&packet[24..]).unwrap();
    assert_eq!((inner.ethertype(), inner.source().0[4..].to_vec()), (EtherType::IPV4, vec![0x22, 0x22]));
    assert_eq!(Ipv4::of(&packet[38..]).unwrap().destination(), Ipv4Addr::new(2, 2, 2, 1));
}

/// RFC 4385 §3, §5: the first nibble tells a pseudowire's data, its associated channel and IP apart.
#[test]
fn the_first_nibble_below_a_pseudowire_label() {
    let data = hex("547591ff 00000001 ffffffffffff 004e496a1c54 0806");
    let channel = hex("547591ff 10000021 45000020");
    assert_eq!(ControlWord::of(&data[4..]), Some(ControlWord::ethernet(1)));
    assert_eq!((AssociatedChannel::of(&data[4..]), ControlWord::of(&channel[4..])), (None, None));
    assert_eq!(AssociatedChannel::of(&channel[4..]).map(AssociatedChannel::channel), Some(0x21));
}
