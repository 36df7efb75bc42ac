//! IPv6 headers (RFC 8200 §3).

use core::borrow::{Borrow, BorrowMut};
use core::net::Ipv6Addr;

use super::ip_protocol::IpProtocol;

/// An IPv6 header.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-------+-----------+---+---------------------------------------+
/// |version|    DSCP   |ECN|              flow label               |
/// +-------+-----------+---+-------+---------------+---------------+
/// |        payload length         |  next header  |   hop limit   |
/// +-------------------------------+---------------+---------------+
/// |                         source (16)                           |
/// +---------------------------------------------------------------+
/// |                       destination (16)                        |
/// +---------------------------------------------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv6<T>(pub T);

impl Ipv6<[u8; 40]> {
    /// Octets of the header.
    pub const LEN: usize = 40;

    /// The header of a packet of ours, without flow label; of `dscp` the low six bits count.
    #[must_use]
    pub fn outer(
        source: Ipv6Addr,
        destination: Ipv6Addr,
        protocol: IpProtocol,
        payload_len: u16,
        hop_limit: u8,
        dscp: u8,
    ) -> Self {
        let [l0, l1] = payload_len.to_be_bytes();
        let mut octets = [0; 40];
        let fixed = [0x60 | dscp >> 2 & 0x0f, dscp << 6, 0, 0, l0, l1, protocol.0, hop_limit];
        let values = fixed.into_iter().chain(source.octets()).chain(destination.octets());
        for (octet, value) in octets.iter_mut().zip(values) {
            *octet = value;
        }
        Self(octets)
    }
}

impl<'a> Ipv6<&'a [u8; 40]> {
    /// The header in front of `octets`, if they are long enough.
    #[inline]
    #[must_use]
    pub fn of(octets: &'a [u8]) -> Option<Self> {
        octets.first_chunk().map(Self)
    }
}

impl<'a> Ipv6<&'a mut [u8; 40]> {
    /// The header in front of `octets`, to be written, if they are long enough.
    #[inline]
    #[must_use]
    pub fn of_mut(octets: &'a mut [u8]) -> Option<Self> {
        octets.first_chunk_mut().map(Self)
    }
}

impl<T: Borrow<[u8; 40]>> Ipv6<T> {
    /// The version; 6 if this is IPv6.
    #[inline]
    #[must_use]
    pub fn version(&self) -> u8 {
        self.0.borrow()[0] >> 4
    }

    /// The differentiated services code point, 0 to 63.
    #[inline]
    #[must_use]
    pub fn dscp(&self) -> u8 {
        let octets = self.0.borrow();
        ((octets[0] & 0x0f) << 2) | (octets[1] >> 6)
    }

    /// The congestion notification bits (RFC 3168 §5), 0 to 3.
    #[inline]
    #[must_use]
    pub fn ecn(&self) -> u8 {
        (self.0.borrow()[1] >> 4) & 3
    }

    /// Octets after the header.
    #[inline]
    #[must_use]
    pub fn payload_len(&self) -> usize {
        let octets = self.0.borrow();
        usize::from(u16::from_be_bytes([octets[4], octets[5]]))
    }

    /// What follows the header.
    #[inline]
    #[must_use]
    pub fn next_header(&self) -> u8 {
        self.0.borrow()[6]
    }

    /// The hop limit.
    #[inline]
    #[must_use]
    pub fn hop_limit(&self) -> u8 {
        self.0.borrow()[7]
    }

    /// The source.
    #[inline]
    #[must_use]
    pub fn source(&self) -> Ipv6Addr {
        let octets: Option<&[u8; 16]> = self.0.borrow()[8..24].first_chunk();
        octets.copied().unwrap_or_default().into()
    }

    /// The destination.
    #[inline]
    #[must_use]
    pub fn destination(&self) -> Ipv6Addr {
        let octets: Option<&[u8; 16]> = self.0.borrow()[24..40].first_chunk();
        octets.copied().unwrap_or_default().into()
    }
}

impl<T: BorrowMut<[u8; 40]>> Ipv6<T> {
    /// Sets the hop limit.
    #[inline]
    pub fn set_hop_limit(&mut self, hop_limit: u8) {
        self.0.borrow_mut()[7] = hop_limit;
    }

    /// Sets the congestion notification bits, of which the low two count.
    #[inline]
    pub fn set_ecn(&mut self, ecn: u8) {
        let octets = self.0.borrow_mut();
        octets[1] = octets[1] & 0xcf | (ecn & 3) << 4;
    }

    /// Sets the differentiated services code point, of which the low six bits count; the ECN bits stay.
    #[inline]
    pub fn set_dscp(&mut self, dscp: u8) {
        let octets = self.0.borrow_mut();
        octets[0] = (octets[0] & 0xf0) | ((dscp >> 2) & 0x0f);
        octets[1] = (octets[1] & 0x3f) | (dscp << 6);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_stand_where_the_rfc_puts_them() {
        let mut octets = [0; 41];
        octets[..8].copy_from_slice(&[0x6b, 0xbf, 0xff, 0xff, 0, 1, 58, 64]);
        octets[8] = 0xfd;
        octets[23] = 1;
        octets[24] = 0xfd;
        octets[39] = 2;
        let mut h = Ipv6::of_mut(&mut octets).unwrap();
        assert_eq!((h.version(), h.dscp(), h.payload_len()), (6, 46, 1));
        assert_eq!((h.next_header(), h.hop_limit()), (58, 64));
        assert_eq!((h.source(), h.destination()), ("fd00::1".parse().unwrap(), "fd00::2".parse().unwrap()));
        h.set_dscp(0b10_1001);
        h.set_hop_limit(7);
        assert_eq!((h.dscp(), h.hop_limit(), h.version()), (0b10_1001, 7, 6));
        assert_eq!(octets[..4], [0x6a, 0x7f, 0xff, 0xff]);
        let mut h = Ipv6::of_mut(&mut octets).unwrap();
        h.set_ecn(1);
        assert_eq!((h.ecn(), h.dscp()), (1, 0b10_1001));
        assert_eq!(octets[..4], [0x6a, 0x5f, 0xff, 0xff]);
        assert!(Ipv6::of(&octets[..39]).is_none());
    }

    #[test]
    fn the_header_of_our_own_packet() {
        let (us, them) = ("fd00::1".parse().unwrap(), "fd00::2".parse().unwrap());
        let h = Ipv6::outer(us, them, IpProtocol::MPLS, 1460, 64, 46);
        assert_eq!((h.version(), h.dscp(), h.ecn(), h.payload_len()), (6, 46, 0, 1460));
        assert_eq!((h.next_header(), h.hop_limit(), h.source(), h.destination()), (137, 64, us, them));
        assert_eq!(h.0[1..4], [0x80, 0, 0]);
    }
}
