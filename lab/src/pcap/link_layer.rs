//! From a captured frame to the IP packet and the TCP segment in it.

use std::net::SocketAddr;

use crate::sim::packet::{IpView, PROTOCOL_TCP, TcpSegment};

/// What the octets of a captured frame begin with (the LINKTYPE_ registry of tcpdump.org).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LinkType(pub u32);

impl LinkType {
    /// BSD loopback: the address family in four octets, in the order of the machine that captured.
    pub const NULL: Self = Self(0);
    /// Ethernet.
    pub const ETHERNET: Self = Self(1);
    /// PPP (RFC 1661), with or without address and control octets.
    pub const PPP: Self = Self(9);
    /// Raw IP, as some BSDs number it.
    pub const RAW_BSD: Self = Self(12);
    /// Raw IP, as OpenBSD numbers it.
    pub const RAW_OPENBSD: Self = Self(14);
    /// Raw IP.
    pub const RAW: Self = Self(101);
    /// Cisco HDLC (RFC 1547 §4.3.1).
    pub const CHDLC: Self = Self(104);
    /// OpenBSD loopback: the address family in four octets, network order.
    pub const LOOP: Self = Self(108);
    /// Linux cooked capture.
    pub const LINUX_SLL: Self = Self(113);
    /// Raw IPv4.
    pub const IPV4: Self = Self(228);
    /// Raw IPv6.
    pub const IPV6: Self = Self(229);
    /// Linux cooked capture, second version.
    pub const LINUX_SLL2: Self = Self(276);
}

/// How many tags, labels and inner headers are looked through.
const MAX_DEPTH: usize = 16;

/// The IP packet in a frame, below VLAN tags, PPPoE, MPLS labels and Ethernet pseudowires; `None` if there is none.
#[must_use]
pub fn ip_packet(link_type: LinkType, octets: &[u8]) -> Option<&[u8]> {
    let ethertype_at = |at: usize, rest: usize| Some((be_u16(octets, at)?, octets.get(rest..)?));
    let (ethertype, rest) = match link_type {
        LinkType::ETHERNET => ethertype_at(12, 14)?,
        LinkType::LINUX_SLL => ethertype_at(14, 16)?,
        LinkType::LINUX_SLL2 => ethertype_at(0, 20)?,
        LinkType::CHDLC => ethertype_at(2, 4)?,
        LinkType::NULL | LinkType::LOOP => return ip_version(octets.get(4..)?),
        LinkType::PPP => return ppp(if octets.starts_with(&[0xff, 3]) { octets.get(2..)? } else { octets }),
        LinkType::RAW_BSD | LinkType::RAW_OPENBSD | LinkType::RAW | LinkType::IPV4 | LinkType::IPV6 => {
            return ip_version(octets);
        }
        _ => return None,
    };
    below_ethertype(ethertype, rest)
}

fn below_ethertype(mut ethertype: u16, mut rest: &[u8]) -> Option<&[u8]> {
    for _ in 0..MAX_DEPTH {
        match ethertype {
            0x0800 | 0x86dd => return ip_version(rest),
            // Customer tag, service tag, and the number used before there was one for it.
            0x8100 | 0x88a8 | 0x9100 => {
                ethertype = be_u16(rest, 2)?;
                rest = rest.get(4..)?;
            }
            0x8847 | 0x8848 => {
                rest = below_labels(rest)?;
                if let Some(packet) = ip_version(rest) {
                    return Some(packet);
                }
                // An Ethernet pseudowire, with a control word if the first nibble is 0 (RFC 4448 §4.6).
                let inner = if rest.first()? >> 4 == 0 { rest.get(4..)? } else { rest };
                ethertype = be_u16(inner, 12)?;
                rest = inner.get(14..)?;
            }
            // PPPoE session (RFC 2516 §4).
            0x8864 => return ppp(rest.get(6..)?),
            _ => return None,
        }
    }
    None
}

fn below_labels(mut rest: &[u8]) -> Option<&[u8]> {
    for _ in 0..MAX_DEPTH {
        let (entry, below) = rest.split_first_chunk::<4>()?;
        rest = below;
        if entry[2] & 1 == 1 {
            return Some(rest);
        }
    }
    None
}

fn ppp(octets: &[u8]) -> Option<&[u8]> {
    match be_u16(octets, 0)? {
        0x0021 | 0x0057 => ip_version(octets.get(2..)?),
        0x0281 => below_ethertype(0x8847, octets.get(2..)?),
        _ => None,
    }
}

fn ip_version(octets: &[u8]) -> Option<&[u8]> {
    matches!(octets.first()? >> 4, 4 | 6).then_some(octets)
}

fn be_u16(octets: &[u8], at: usize) -> Option<u16> {
    octets.get(at..)?.first_chunk().map(|o| u16::from_be_bytes(*o))
}

/// A TCP segment and its ends.
#[derive(Clone, Copy, Debug)]
pub struct TcpFrame<'a> {
    /// The sender.
    pub src: SocketAddr,
    /// The receiver.
    pub dst: SocketAddr,
    /// The segment.
    pub segment: TcpSegment<'a>,
}

impl<'a> TcpFrame<'a> {
    /// The TCP segment in an IP packet, behind IPv6 extension headers (RFC 8200 §4.1); `None` if there is none, or if it
    /// is a fragment other than the first. Of a first fragment, what it holds.
    #[must_use]
    pub fn parse(packet: &'a [u8]) -> Option<Self> {
        let view = IpView::parse(packet)?;
        if view.headless {
            return None;
        }
        let (mut next, mut payload) = (view.protocol, view.payload);
        for _ in 0..MAX_DEPTH {
            match next {
                // Hop-by-hop, routing, destination options: units of eight octets beyond the first.
                0 | 43 | 60 if view.src.is_ipv6() => {
                    let len = (usize::from(*payload.get(1)?) + 1) * 8;
                    next = *payload.first()?;
                    payload = payload.get(len..)?;
                }
                PROTOCOL_TCP => {
                    let segment = TcpSegment::parse(payload)?;
                    let (src, dst) = (view.src, view.dst);
                    let ends = (SocketAddr::new(src, segment.src_port), SocketAddr::new(dst, segment.dst_port));
                    return Some(Self { src: ends.0, dst: ends.1, segment });
                }
                _ => return None,
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::packet::{ip_packet as build, tcp_flags};

    fn segment() -> Vec<u8> {
        let segment = TcpSegment {
            src_port: 1,
            dst_port: 179,
            seq: 0,
            ack: 0,
            flags: tcp_flags::ACK,
            window: 0,
            options: &[],
            payload: b"x",
        };
        segment.to_packet("10.0.0.1:1".parse().unwrap(), "10.0.0.2:179".parse().unwrap()).unwrap()
    }

    #[test]
    fn every_link_layer_leads_to_the_packet() {
        let packet = segment();
        let ether = [&[0; 12][..], &[8, 0], &packet].concat();
        let cases = [
            (LinkType::ETHERNET, [&[0; 12][..], &[8, 0], &packet].concat()),
            (LinkType::ETHERNET, [&[0; 12][..], &[0x88, 0xa8, 0, 1, 0x81, 0, 0, 2, 8, 0], &packet].concat()),
            (LinkType::ETHERNET, [&[0; 12][..], &[0x88, 0x47, 0, 1, 0, 9, 0, 1, 1, 9], &packet].concat()),
            (LinkType::ETHERNET, [&[0; 12][..], &[0x88, 0x47, 0, 1, 1, 9, 0, 0, 0, 0], &ether].concat()),
            (LinkType::ETHERNET, [&[0; 12][..], &[0x88, 0x64, 0x11, 0, 0, 1, 0, 0, 0, 0x21], &packet].concat()),
            (LinkType::LINUX_SLL, [&[0; 14][..], &[8, 0], &packet].concat()),
            (LinkType::LINUX_SLL2, [&[8, 0][..], &[0; 18], &packet].concat()),
            (LinkType::NULL, [&[2, 0, 0, 0][..], &packet].concat()),
            (LinkType::LOOP, [&[0, 0, 0, 2][..], &packet].concat()),
            (LinkType::PPP, [&[0xff, 3, 0, 0x21][..], &packet].concat()),
            (LinkType::CHDLC, [&[0x0f, 0, 8, 0][..], &packet].concat()),
            (LinkType::RAW, packet.clone()),
        ];
        for (link_type, frame) in cases {
            assert_eq!(ip_packet(link_type, &frame), Some(&packet[..]), "{link_type:?} {frame:x?}");
            for len in 0..frame.len() {
                let _ = ip_packet(link_type, &frame[..len]).map(TcpFrame::parse);
            }
        }
    }

    #[test]
    fn extension_headers_are_looked_through() {
        let tcp = segment()[20..].to_vec();
        let payload = [&[60, 0, 0, 0, 0, 0, 0, 0, 6, 1][..], &[0; 14], &tcp].concat();
        let packet = build("fd00::1".parse().unwrap(), "fd00::2".parse().unwrap(), 0, 9, &payload).unwrap();
        assert_eq!(TcpFrame::parse(&packet).unwrap().segment.payload, b"x");
    }
}
