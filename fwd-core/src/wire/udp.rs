//! UDP headers (RFC 768; over IPv6 RFC 8200 §8.1), and when a zero checksum is taken (RFC 6935 §5, RFC 7510 §3).

use core::borrow::{Borrow, BorrowMut};
use core::net::{Ipv4Addr, Ipv6Addr};

use super::checksum::Sum;
use super::ip_protocol::IpProtocol;

/// A UDP header.
///
/// ```text
/// +-------------------------------+-------------------------------+
/// |          source port          |       destination port        |
/// +-------------------------------+-------------------------------+
/// |            length             |           checksum            |
/// +-------------------------------+-------------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Udp<T>(pub T);

/// The addresses that a checksum covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Between {
    /// Source and destination.
    V4(Ipv4Addr, Ipv4Addr),
    /// Source and destination.
    V6(Ipv6Addr, Ipv6Addr),
}

/// What a checksum of zero means: that the sender computed none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ZeroChecksum {
    /// As IP says: taken over IPv4, refused over IPv6 (RFC 8200 §8.1).
    #[default]
    OverIpv4,
    /// Taken over IPv6 as well: the port is that of a tunnel whose payload protects itself (RFC 6936 §4, RFC 7510 §3.1).
    Always,
}

impl Udp<[u8; 8]> {
    /// Octets of the header.
    pub const LEN: usize = 8;
    /// The port of L2TP (RFC 3931 §4.1.2.2).
    pub const L2TP: u16 = 1701;
    /// The port of MPLS in UDP (RFC 7510 §3).
    pub const MPLS: u16 = 6635;

    /// A header without checksum; `len` counts header and payload.
    #[inline]
    #[must_use]
    pub const fn new(source: u16, destination: u16, len: u16) -> Self {
        let [s0, s1] = source.to_be_bytes();
        let [d0, d1] = destination.to_be_bytes();
        let [l0, l1] = len.to_be_bytes();
        Self([s0, s1, d0, d1, l0, l1, 0, 0])
    }
}

impl<'a> Udp<&'a [u8; 8]> {
    /// The header in front of `octets`, if they are long enough.
    #[inline]
    #[must_use]
    pub fn of(octets: &'a [u8]) -> Option<Self> {
        octets.first_chunk().map(Self)
    }
}

impl<T: Borrow<[u8; 8]>> Udp<T> {
    /// The source port.
    #[inline]
    #[must_use]
    pub fn source(&self) -> u16 {
        let [hi, lo, ..] = *self.0.borrow();
        u16::from_be_bytes([hi, lo])
    }

    /// The destination port.
    #[inline]
    #[must_use]
    pub fn destination(&self) -> u16 {
        let [_, _, hi, lo, ..] = *self.0.borrow();
        u16::from_be_bytes([hi, lo])
    }

    /// Octets of header and payload.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        let [_, _, _, _, hi, lo, ..] = *self.0.borrow();
        usize::from(u16::from_be_bytes([hi, lo]))
    }

    /// Whether the length field leaves no room for the header itself.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() < Udp::LEN
    }

    /// The checksum; 0 if the sender computed none.
    #[inline]
    #[must_use]
    pub fn checksum(&self) -> u16 {
        let [.., hi, lo] = *self.0.borrow();
        u16::from_be_bytes([hi, lo])
    }
}

impl<T: BorrowMut<[u8; 8]>> Udp<T> {
    /// Computes the checksum over `payload`, the octets after the header; a sum of zero is written as all ones.
    pub fn fill_checksum(&mut self, between: Between, payload: &[u8]) {
        let [_, _, _, _, _, _, hi, lo] = self.0.borrow_mut();
        (*hi, *lo) = (0, 0);
        let sum = match pseudo_header(between, self.len()).octets(self.0.borrow()).octets(payload).finish() {
            0 => u16::MAX,
            sum => sum,
        };
        let [_, _, _, _, _, _, hi, lo] = self.0.borrow_mut();
        [*hi, *lo] = sum.to_be_bytes();
    }
}

/// Whether the checksum of a datagram is right, or is zero and that is taken. `datagram` is header and payload, as long as
/// the length field says.
#[must_use]
pub fn checksum_holds(between: Between, datagram: &[u8], zero: ZeroChecksum) -> bool {
    let Some(header) = Udp::of(datagram) else { return false };
    match (header.checksum(), between, zero) {
        (0, Between::V6(..), ZeroChecksum::OverIpv4) => false,
        (0, _, _) => true,
        _ => pseudo_header(between, datagram.len()).octets(datagram).finish() == 0,
    }
}

fn pseudo_header(between: Between, len: usize) -> Sum {
    // A UDP length has 16 bits.
    let sum = Sum::new().word(u16::from(IpProtocol::UDP.0)).word(len as u16);
    match between {
        Between::V4(source, destination) => sum.octets(&source.octets()).octets(&destination.octets()),
        Between::V6(source, destination) => sum.octets(&source.octets()).octets(&destination.octets()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const V4: Between = Between::V4(Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 2));
    const V6: Between =
        Between::V6(Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 1), Ipv6Addr::new(0xfd00, 0, 0, 0, 0, 0, 0, 2));

    #[test]
    fn fields_stand_where_the_rfc_puts_them() {
        let header = Udp::new(0x0102, Udp::MPLS, 0x0304);
        assert_eq!(header.0, [1, 2, 0x19, 0xeb, 3, 4, 0, 0]);
        assert_eq!((header.source(), header.destination(), header.len(), header.checksum()), (0x0102, 6635, 0x0304, 0));
        assert!(Udp::of(&header.0[..7]).is_none());
        assert!(Udp::new(1, 2, 7).is_empty() && !Udp::new(1, 2, 8).is_empty());
    }

    #[test]
    fn checksums_cover_addresses_and_payload() {
        for between in [V4, V6] {
            let mut datagram = [0; 11];
            let mut header = Udp::new(1000, 2000, 11);
            header.fill_checksum(between, &[9, 8, 7]);
            datagram[..8].copy_from_slice(&header.0);
            datagram[8..].copy_from_slice(&[9, 8, 7]);
            assert!(checksum_holds(between, &datagram, ZeroChecksum::OverIpv4));
            for at in 0..11 {
                let mut wrong = datagram;
                wrong[at] ^= 0x40;
                assert!(!checksum_holds(between, &wrong, ZeroChecksum::OverIpv4), "octet {at}");
            }
        }
    }

    #[test]
    fn a_sum_of_zero_is_sent_as_ones() {
        // Choose the payload so that the sum of all else is cancelled.
        let mut header = Udp::new(1, 1, 10);
        header.fill_checksum(V4, &[0, 0]);
        let rest = header.checksum();
        header.fill_checksum(V4, &rest.to_be_bytes());
        assert_eq!(header.checksum(), 0xffff);
    }

    /// RFC 8200 §8.1, RFC 7510 §3.
    #[test]
    fn zero_is_taken_over_ipv4_and_where_a_tunnel_says_so() {
        let datagram = Udp::new(50000, Udp::MPLS, 8).0;
        assert!(checksum_holds(V4, &datagram, ZeroChecksum::OverIpv4));
        assert!(!checksum_holds(V6, &datagram, ZeroChecksum::OverIpv4));
        assert!(checksum_holds(V6, &datagram, ZeroChecksum::Always));
        assert!(!checksum_holds(V4, &datagram[..7], ZeroChecksum::Always));
    }
}
