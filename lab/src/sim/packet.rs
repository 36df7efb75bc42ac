//! Ethernet, IP and TCP octets as hosts write and read them; apart from the forwarding plane's own views, so that each
//! checks the other.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use fwd_core::net::Mac;

/// Ethertype of IPv4.
pub const ETHERTYPE_IPV4: u16 = 0x0800;
/// Ethertype of IPv6.
pub const ETHERTYPE_IPV6: u16 = 0x86dd;
/// Ethertype of MPLS unicast (RFC 3032 §5).
pub const ETHERTYPE_MPLS: u16 = 0x8847;
/// IP protocol number of TCP.
pub const PROTOCOL_TCP: u8 = 6;
/// IP protocol number of UDP.
pub const PROTOCOL_UDP: u8 = 17;

/// An Ethernet frame around a payload.
#[must_use]
pub fn ethernet(dst: Mac, src: Mac, ethertype: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(14 + payload.len());
    frame.extend(dst.0);
    frame.extend(src.0);
    frame.extend(ethertype.to_be_bytes());
    frame.extend(payload);
    frame
}

/// The Ethertype that an IP packet travels under; `None` if its version is neither 4 nor 6.
#[must_use]
pub fn ethertype_of(packet: &[u8]) -> Option<u16> {
    match packet.first()? >> 4 {
        4 => Some(ETHERTYPE_IPV4),
        6 => Some(ETHERTYPE_IPV6),
        _ => None,
    }
}

/// The parts of an IP packet that hosts look at. IPv4 options and IPv6 extension headers stay in the payload's place:
/// `protocol` is then that of the first extension header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpView<'a> {
    /// Source address.
    pub src: IpAddr,
    /// Destination address.
    pub dst: IpAddr,
    /// Protocol or next header.
    pub protocol: u8,
    /// TTL or hop limit.
    pub ttl: u8,
    /// Octets of the IP header.
    pub header_len: usize,
    /// What follows the IP header, without link-layer padding; shorter than the header says where a capture was cut.
    pub payload: &'a [u8],
    /// Whether this is a fragment, the first one included.
    pub fragment: bool,
    /// Whether octets of the payload lie in earlier fragments.
    pub headless: bool,
}

impl<'a> IpView<'a> {
    /// Reads an IPv4 or IPv6 header; `None` if it is none.
    #[must_use]
    pub fn parse(packet: &'a [u8]) -> Option<Self> {
        match packet.first()? >> 4 {
            4 => Self::parse4(packet),
            6 => Self::parse6(packet),
            _ => None,
        }
    }

    fn parse4(packet: &'a [u8]) -> Option<Self> {
        let header = packet.first_chunk::<20>()?;
        let header_len = usize::from(header[0] & 15) * 4;
        let total = usize::from(u16::from_be_bytes([header[2], header[3]]));
        // Captures taken above segmentation offload carry 0 here.
        let end = if total == 0 { packet.len() } else { total.min(packet.len()) };
        let fragment = u16::from_be_bytes([header[6], header[7]]);
        Some(Self {
            src: IpAddr::V4(Ipv4Addr::new(header[12], header[13], header[14], header[15])),
            dst: IpAddr::V4(Ipv4Addr::new(header[16], header[17], header[18], header[19])),
            protocol: header[9],
            ttl: header[8],
            header_len,
            payload: packet.get(header_len..end)?,
            fragment: fragment & 0x3fff != 0,
            headless: fragment & 0x1fff != 0,
        })
    }

    fn parse6(packet: &'a [u8]) -> Option<Self> {
        let header = packet.first_chunk::<40>()?;
        let len = usize::from(u16::from_be_bytes([header[4], header[5]]));
        let end = if len == 0 { packet.len() } else { (40 + len).min(packet.len()) };
        let address = |at: usize| header.get(at..at + 16)?.first_chunk::<16>().map(|a| Ipv6Addr::from(*a));
        Some(Self {
            src: IpAddr::V6(address(8)?),
            dst: IpAddr::V6(address(24)?),
            protocol: header[6],
            ttl: header[7],
            header_len: 40,
            payload: packet.get(40..end)?,
            fragment: header[6] == 44,
            headless: header[6] == 44,
        })
    }
}

/// An IP packet. Both addresses must be of one family, or there is none.
#[must_use]
pub fn ip_packet(src: IpAddr, dst: IpAddr, protocol: u8, ttl: u8, payload: &[u8]) -> Option<Vec<u8>> {
    match (src, dst) {
        (IpAddr::V4(src), IpAddr::V4(dst)) => {
            let total = u16::try_from(20 + payload.len()).ok()?;
            let mut packet = vec![0x45, 0];
            packet.extend(total.to_be_bytes());
            packet.extend([0, 0, 0x40, 0, ttl, protocol, 0, 0]);
            packet.extend(src.octets());
            packet.extend(dst.octets());
            let sum = checksum(0, &packet);
            packet[10..12].copy_from_slice(&sum.to_be_bytes());
            packet.extend(payload);
            Some(packet)
        }
        (IpAddr::V6(src), IpAddr::V6(dst)) => {
            let len = u16::try_from(payload.len()).ok()?;
            let mut packet = vec![0x60, 0, 0, 0];
            packet.extend(len.to_be_bytes());
            packet.extend([protocol, ttl]);
            packet.extend(src.octets());
            packet.extend(dst.octets());
            packet.extend(payload);
            Some(packet)
        }
        _ => None,
    }
}

/// The Internet checksum (RFC 1071) of octets, on top of a sum that is not folded yet.
#[must_use]
pub fn checksum(start: u32, octets: &[u8]) -> u16 {
    !fold(start + raw_sum(octets))
}

fn raw_sum(octets: &[u8]) -> u32 {
    octets.chunks(2).map(|pair| (u32::from(pair[0]) << 8) | pair.get(1).map_or(0, |b| u32::from(*b))).sum()
}

fn fold(mut sum: u32) -> u16 {
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

/// The unfolded sum of the pseudo-header of an upper-layer checksum (RFC 9293 §3.1, RFC 8200 §8.1).
#[must_use]
pub fn pseudo_header(src: IpAddr, dst: IpAddr, protocol: u8, len: usize) -> u32 {
    let addresses = match (src, dst) {
        (IpAddr::V4(a), IpAddr::V4(b)) => raw_sum(&a.octets()) + raw_sum(&b.octets()),
        (IpAddr::V6(a), IpAddr::V6(b)) => raw_sum(&a.octets()) + raw_sum(&b.octets()),
        _ => 0,
    };
    addresses + u32::from(protocol) + len as u32
}

/// TCP flags (RFC 9293 §3.1).
pub mod tcp_flags {
    /// No more data from the sender.
    pub const FIN: u8 = 1;
    /// Synchronise sequence numbers.
    pub const SYN: u8 = 2;
    /// Reset.
    pub const RST: u8 = 4;
    /// Push.
    pub const PSH: u8 = 8;
    /// The acknowledgement number counts.
    pub const ACK: u8 = 16;
}

/// A TCP segment (RFC 9293 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpSegment<'a> {
    /// Source port.
    pub src_port: u16,
    /// Destination port.
    pub dst_port: u16,
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number.
    pub ack: u32,
    /// Flags of [`tcp_flags`].
    pub flags: u8,
    /// Window, as it stands in the header.
    pub window: u16,
    /// Options, padded to four octets.
    pub options: &'a [u8],
    /// Data.
    pub payload: &'a [u8],
}

impl<'a> TcpSegment<'a> {
    /// Reads a segment; `None` if it is truncated.
    #[must_use]
    pub fn parse(octets: &'a [u8]) -> Option<Self> {
        let h = octets.first_chunk::<20>()?;
        let header_len = usize::from(h[12] >> 4) * 4;
        Some(Self {
            src_port: u16::from_be_bytes([h[0], h[1]]),
            dst_port: u16::from_be_bytes([h[2], h[3]]),
            seq: u32::from_be_bytes([h[4], h[5], h[6], h[7]]),
            ack: u32::from_be_bytes([h[8], h[9], h[10], h[11]]),
            flags: h[13],
            window: u16::from_be_bytes([h[14], h[15]]),
            options: octets.get(20..header_len)?,
            payload: octets.get(header_len..)?,
        })
    }

    /// Whether all of these flags are set.
    #[must_use]
    pub const fn has(&self, flags: u8) -> bool {
        self.flags & flags == flags
    }

    /// The octets, without a checksum.
    #[must_use]
    pub fn octets(&self) -> Option<Vec<u8>> {
        let mut tcp = Vec::with_capacity(20 + self.options.len() + self.payload.len());
        tcp.extend(self.src_port.to_be_bytes());
        tcp.extend(self.dst_port.to_be_bytes());
        tcp.extend(self.seq.to_be_bytes());
        tcp.extend(self.ack.to_be_bytes());
        tcp.push(u8::try_from((20 + self.options.len()) / 4).ok()? << 4);
        tcp.push(self.flags);
        tcp.extend(self.window.to_be_bytes());
        tcp.extend([0; 4]);
        tcp.extend(self.options);
        tcp.extend(self.payload);
        Some(tcp)
    }

    /// The segment inside an IP packet.
    #[must_use]
    pub fn to_packet(&self, src: SocketAddr, dst: SocketAddr) -> Option<Vec<u8>> {
        tcp_packet(src.ip(), dst.ip(), 64, self.octets()?)
    }
}

/// An IP packet of a segment's octets, which get their checksum.
#[must_use]
pub fn tcp_packet(src: IpAddr, dst: IpAddr, ttl: u8, mut tcp: Vec<u8>) -> Option<Vec<u8>> {
    tcp.get_mut(16..18)?.fill(0);
    let sum = checksum(pseudo_header(src, dst, PROTOCOL_TCP, tcp.len()), &tcp);
    tcp[16..18].copy_from_slice(&sum.to_be_bytes());
    ip_packet(src, dst, PROTOCOL_TCP, ttl, &tcp)
}

/// Gives a packet new addresses of its own family and mends its checksums: IPv4 header, TCP, UDP, ICMPv6. `None` if it is
/// a fragment, is cut short, or is of another family.
#[must_use]
pub fn readdress(packet: &[u8], src: IpAddr, dst: IpAddr) -> Option<Vec<u8>> {
    let view = IpView::parse(packet)?;
    if view.fragment || view.src.is_ipv4() != src.is_ipv4() {
        return None;
    }
    let mut out = packet.get(..view.header_len + view.payload.len())?.to_vec();
    match (src, dst) {
        (IpAddr::V4(s), IpAddr::V4(d)) => {
            let total = u16::try_from(out.len()).ok()?;
            out[2..4].copy_from_slice(&total.to_be_bytes());
            out[10..12].fill(0);
            out[12..16].copy_from_slice(&s.octets());
            out[16..20].copy_from_slice(&d.octets());
            let sum = checksum(0, &out[..view.header_len]);
            out[10..12].copy_from_slice(&sum.to_be_bytes());
        }
        (IpAddr::V6(s), IpAddr::V6(d)) => {
            out[8..24].copy_from_slice(&s.octets());
            out[24..40].copy_from_slice(&d.octets());
        }
        _ => return None,
    }
    let at = match view.protocol {
        PROTOCOL_TCP => 16,
        PROTOCOL_UDP => 6,
        58 => 2,
        _ => return Some(out),
    };
    let (_, upper) = out.split_at_mut(view.header_len);
    if view.protocol == PROTOCOL_UDP && upper.get(6..8)? == [0, 0] {
        return Some(out);
    }
    upper.get_mut(at..at + 2)?.fill(0);
    let sum = checksum(pseudo_header(src, dst, view.protocol, upper.len()), upper);
    upper[at..at + 2].copy_from_slice(&if sum == 0 { 0xffff } else { sum }.to_be_bytes());
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of RFC 1071 §3.
    #[test]
    fn checksum_example() {
        assert_eq!(checksum(0, &[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2);
    }

    #[test]
    fn a_segment_round_trips_in_both_families() {
        for (a, b) in [("10.0.0.1:179", "10.0.0.2:40000"), ("[fd00::1]:179", "[fd00::2]:40000")] {
            let (a, b): (SocketAddr, SocketAddr) = (a.parse().unwrap(), b.parse().unwrap());
            let segment = TcpSegment {
                src_port: 179,
                dst_port: 40000,
                seq: 7,
                ack: 9,
                flags: tcp_flags::ACK | tcp_flags::PSH,
                window: 100,
                options: &[2, 4, 5, 0xb4],
                payload: b"data!",
            };
            let packet = segment.to_packet(a, b).unwrap();
            let view = IpView::parse(&packet).unwrap();
            assert_eq!((view.src, view.dst, view.protocol), (a.ip(), b.ip(), PROTOCOL_TCP));
            assert_eq!(TcpSegment::parse(view.payload), Some(segment));
            // A right checksum makes the whole sum zero.
            let pseudo = pseudo_header(view.src, view.dst, PROTOCOL_TCP, view.payload.len());
            assert_eq!(checksum(pseudo, view.payload), 0);
        }
    }

    #[test]
    fn new_addresses_keep_the_payload_and_mend_the_sums() {
        let udp = [0x30, 0x39, 0, 53, 0, 12, 0xff, 0xff, b'a', b'b', b'c', b'd'];
        let packet = ip_packet("1.2.3.4".parse().unwrap(), "5.6.7.8".parse().unwrap(), 17, 9, &udp).unwrap();
        let (src, dst): (IpAddr, IpAddr) = ("10.0.0.1".parse().unwrap(), "10.0.0.2".parse().unwrap());
        let new = readdress(&packet, src, dst).unwrap();
        let view = IpView::parse(&new).unwrap();
        assert_eq!((view.src, view.dst, &view.payload[8..]), (src, dst, &b"abcd"[..]));
        assert_eq!(checksum(0, &new[..20]), 0);
        assert_eq!(checksum(pseudo_header(src, dst, 17, udp.len()), view.payload), 0);
        assert_eq!(readdress(&packet, "fd00::1".parse().unwrap(), "fd00::2".parse().unwrap()), None);
    }

    #[test]
    fn cut_packets_are_refused_or_bounded() {
        let packet = ip_packet("1.2.3.4".parse().unwrap(), "5.6.7.8".parse().unwrap(), 6, 9, &[0; 30]).unwrap();
        for len in 0..packet.len() {
            if let Some(view) = IpView::parse(&packet[..len]) {
                assert!(view.payload.len() <= len);
                let _ = TcpSegment::parse(view.payload);
            }
        }
    }
}
