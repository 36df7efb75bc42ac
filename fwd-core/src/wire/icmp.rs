//! ICMP and ICMPv6 errors about packets that cannot go on: too big (RFC 1191 §4, RFC 4443 §3.2) and time exceeded (RFC 792,
//! RFC 4443 §3.3).
//!
//! The forwarder punts such a packet; what software answers is made here, so that every embedder answers by the same rules.
//! Answers are to be limited in rate (RFC 1812 §4.3.2.8, RFC 4443 §2.4(f)); that is the caller's.

use core::net::{Ipv4Addr, Ipv6Addr};

use super::checksum::{self, Sum};
use super::ip_protocol::IpProtocol;
use super::{Ipv4, Ipv6};

/// What is to be said about a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It is larger than this, the most that can go on, in octets of IP packet.
    TooBig {
        /// Octets.
        mtu: u32,
    },
    /// Its TTL or hop limit ran out on the way.
    TimeExceeded,
}

/// Octets of the largest ICMP error (RFC 1812 §4.3.2.3).
pub const MAX_LEN4: usize = 576;
/// Octets of the largest ICMPv6 error: the least MTU of IPv6 (RFC 4443 §2.4(c)).
pub const MAX_LEN6: usize = 1280;

const ICMP_HEADER: usize = 8;
/// Internetwork control (RFC 1812 §4.3.2.5).
const DSCP: u8 = 48;
const TTL: u8 = 64;

/// Writes an ICMP packet, IP header included, from `source` about `packet`, an IPv4 packet without its link header; returns its
/// length. `None` where no answer may be given (RFC 1812 §4.3.2.7): the packet is an ICMP error, a fragment other than the
/// first, to a multicast or broadcast address, or from an address that is not one host's; or where `packet` or `out` is too
/// short.
pub fn error4(trouble: Trouble, source: Ipv4Addr, packet: &[u8], out: &mut [u8]) -> Option<usize> {
    let about = Ipv4::of(packet)?;
    let (from, to) = (about.source(), about.destination());
    let is_one_host = !(from.is_unspecified() || from.is_multicast() || from.is_broadcast() || from.is_loopback());
    let is_error = about.protocol() == IpProtocol::ICMP.0
        && packet.get(about.header_len()).is_none_or(|kind| matches!(kind, 3 | 4 | 5 | 11 | 12));
    if !is_one_host || to.is_multicast() || to.is_broadcast() || about.fragment_offset() != 0 || is_error {
        return None;
    }
    let (kind, code, mtu) = match trouble {
        // RFC 1191 §4: the next hop's MTU in the low half of what was unused. Whatever is larger than 16 bits is no limit.
        Trouble::TooBig { mtu } => (3, 4, mtu.min(u32::from(u16::MAX))),
        Trouble::TimeExceeded => (11, 0, 0),
    };
    let quoted = packet.get(..about.total_len()).unwrap_or(packet);
    let quoted = quoted.get(..MAX_LEN4 - Ipv4::LEN - ICMP_HEADER).unwrap_or(quoted);
    let total = quoted.len().checked_add(Ipv4::LEN + ICMP_HEADER)?;
    let (header, body) = out.get_mut(..total)?.split_first_chunk_mut::<{ Ipv4::LEN }>()?;
    *header = Ipv4::outer(source, from, IpProtocol::ICMP, total as u16, TTL, DSCP).0;
    Ipv4(header).clear_dont_fragment();
    let (icmp, rest) = body.split_first_chunk_mut::<ICMP_HEADER>()?;
    *icmp = message(kind, code, mtu);
    rest.copy_from_slice(quoted);
    let sum = checksum::of(body);
    write_checksum(body, sum)?;
    Some(total)
}

/// Writes an ICMPv6 packet, IPv6 header included, from `source` about `packet`, an IPv6 packet without its link header; returns
/// its length. `None` where no answer may be given (RFC 4443 §2.4(e)): the packet is an ICMPv6 error or redirect, or from an address that
/// is not one host's, or to a multicast address, save that "too big" is said of multicast; or where `packet` or `out` is too
/// short.
pub fn error6(trouble: Trouble, source: Ipv6Addr, packet: &[u8], out: &mut [u8]) -> Option<usize> {
    let about = Ipv6::of(packet)?;
    let (from, to) = (about.source(), about.destination());
    let is_one_host = !(from.is_unspecified() || from.is_multicast() || from.is_loopback());
    // Informational messages have the high bit set; of them a redirect counts as an error.
    let is_error = about.next_header() == IpProtocol::ICMPV6.0
        && packet.get(Ipv6::LEN).is_none_or(|kind| *kind < 128 || *kind == 137);
    let to_group = to.is_multicast() && !matches!(trouble, Trouble::TooBig { .. });
    if !is_one_host || to_group || is_error {
        return None;
    }
    let (kind, code, mtu) = match trouble {
        Trouble::TooBig { mtu } => (2, 0, mtu),
        Trouble::TimeExceeded => (3, 0, 0),
    };
    let quoted = packet.get(..about.payload_len().saturating_add(Ipv6::LEN)).unwrap_or(packet);
    let quoted = quoted.get(..MAX_LEN6 - Ipv6::LEN - ICMP_HEADER).unwrap_or(quoted);
    let len = quoted.len().checked_add(ICMP_HEADER)?;
    let total = len.checked_add(Ipv6::LEN)?;
    let (header, body) = out.get_mut(..total)?.split_first_chunk_mut::<{ Ipv6::LEN }>()?;
    *header = Ipv6::outer(source, from, IpProtocol::ICMPV6, len as u16, TTL, DSCP).0;
    let (icmp, rest) = body.split_first_chunk_mut::<ICMP_HEADER>()?;
    *icmp = message(kind, code, mtu);
    rest.copy_from_slice(quoted);
    let pseudo = Sum::new().octets(&source.octets()).octets(&from.octets()).word(len as u16);
    let sum = pseudo.word(u16::from(IpProtocol::ICMPV6.0)).octets(body).finish();
    write_checksum(body, sum)?;
    Some(total)
}

const fn message(kind: u8, code: u8, word: u32) -> [u8; ICMP_HEADER] {
    let [a, b, c, d] = word.to_be_bytes();
    [kind, code, 0, 0, a, b, c, d]
}

fn write_checksum(body: &mut [u8], sum: u16) -> Option<()> {
    body.get_mut(2..4)?.copy_from_slice(&sum.to_be_bytes());
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    const US4: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
    const THEM4: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
    const US6: Ipv6Addr = Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1);
    const THEM6: Ipv6Addr = Ipv6Addr::new(0xfd00, 1, 0, 0, 0, 0, 0, 1);

    fn packet4(to: Ipv4Addr, protocol: IpProtocol, payload: usize) -> Vec<u8> {
        let mut packet = Ipv4::outer(THEM4, to, protocol, 20 + payload as u16, 9, 0).0.to_vec();
        packet.extend((0..payload).map(|i| i as u8));
        packet
    }

    fn packet6(to: Ipv6Addr, protocol: IpProtocol, payload: usize) -> Vec<u8> {
        let mut packet = Ipv6::outer(THEM6, to, protocol, payload as u16, 9, 0).0.to_vec();
        packet.extend((0..payload).map(|i| 128 | i as u8));
        packet
    }

    /// RFC 1191 §4.
    #[test]
    fn too_big_says_the_mtu() {
        let packet = packet4(Ipv4Addr::new(10, 9, 9, 9), IpProtocol::UDP, 1000);
        let mut out = [0; 600];
        let len = error4(Trouble::TooBig { mtu: 1400 }, US4, &packet, &mut out).unwrap();
        assert_eq!(len, 576);
        let header = Ipv4::of(&out).unwrap();
        assert_eq!((header.source(), header.destination(), header.total_len()), (US4, THEM4, 576));
        assert_eq!((header.protocol(), header.dscp(), header.dont_fragment()), (1, 48, false));
        assert_eq!((out[20], out[21], &out[24..28]), (3, 4, &[0, 0, 5, 0x78][..]));
        assert_eq!((checksum::of(&out[..20]), checksum::of(&out[20..len])), (0, 0));
        assert_eq!(out[28..len], packet[..548]);
        assert_eq!(error4(Trouble::TooBig { mtu: 1400 }, US4, &packet, &mut [0; 575]), None);

        let packet = packet6(US6, IpProtocol::TCP, 1400);
        let mut out = [0; 1400];
        let len = error6(Trouble::TooBig { mtu: 1380 }, US6, &packet, &mut out).unwrap();
        assert_eq!(len, 1280);
        let header = Ipv6::of(&out).unwrap();
        assert_eq!((header.source(), header.destination(), header.payload_len()), (US6, THEM6, 1240));
        assert_eq!((out[40], out[41], &out[44..48]), (2, 0, &[0, 0, 5, 0x64][..]));
        assert_eq!(out[48..len], packet[..1232]);
        let pseudo = Sum::new().octets(&US6.octets()).octets(&THEM6.octets()).word(1240).word(58);
        assert_eq!(pseudo.octets(&out[40..len]).finish(), 0);
    }

    #[test]
    fn time_exceeded_quotes_the_packet_and_not_its_padding() {
        let mut packet = packet4(US4, IpProtocol::UDP, 8);
        packet.extend([0; 18]);
        let mut out = [0; 600];
        assert_eq!(error4(Trouble::TimeExceeded, US4, &packet, &mut out), Some(28 + 28));
        assert_eq!((out[20], out[21], &out[24..28]), (11, 0, &[0; 4][..]));
        let mut out = [0; 1280];
        assert_eq!(error6(Trouble::TimeExceeded, US6, &packet6(US6, IpProtocol::UDP, 8), &mut out), Some(40 + 8 + 48));
        assert_eq!((out[40], out[41]), (3, 0));
    }

    /// RFC 1812 §4.3.2.7, RFC 4443 §2.4(e). IPv4 multicast gets no answer whatever its size; IPv6 multicast that is too big
    /// does.
    #[test]
    fn what_must_not_be_answered_is_not() {
        let mut out = [0; 1280];
        let big = Trouble::TooBig { mtu: 1300 };
        let mut answer4 = |packet: &[u8]| error4(big, US4, packet, &mut out);
        assert!(answer4(&packet4(Ipv4Addr::new(232, 1, 1, 1), IpProtocol::UDP, 8)).is_none());
        assert!(answer4(&packet4(Ipv4Addr::BROADCAST, IpProtocol::UDP, 8)).is_none());
        let mut icmp = packet4(US4, IpProtocol::ICMP, 8);
        for (kind, answered) in [(0, true), (3, false), (5, false), (8, true), (11, false), (12, false)] {
            icmp[20] = kind;
            assert_eq!(answer4(&icmp).is_some(), answered, "type {kind}");
        }
        let mut fragment = packet4(US4, IpProtocol::UDP, 8);
        fragment[7] = 1;
        assert!(answer4(&fragment).is_none());
        for source in [Ipv4Addr::UNSPECIFIED, Ipv4Addr::LOCALHOST, Ipv4Addr::new(224, 0, 0, 5)] {
            let mut packet = packet4(US4, IpProtocol::UDP, 8);
            packet[12..16].copy_from_slice(&source.octets());
            assert!(answer4(&packet).is_none());
        }

        let group = packet6(Ipv6Addr::new(0xff3e, 0, 0, 0, 0, 0, 0, 1), IpProtocol::UDP, 8);
        assert!(error6(big, US6, &group, &mut out).is_some());
        assert!(error6(Trouble::TimeExceeded, US6, &group, &mut out).is_none());
        let mut icmp = packet6(US6, IpProtocol::ICMPV6, 8);
        assert!(error6(big, US6, &icmp, &mut out).is_some(), "an echo request");
        for kind in [2, 137] {
            icmp[40] = kind;
            assert!(error6(big, US6, &icmp, &mut out).is_none(), "an error or a redirect");
        }
    }
}
