//! IPv4 headers (RFC 791 §3.1; the traffic class octet: RFC 2474, RFC 3168).

use core::borrow::{Borrow, BorrowMut};
use core::net::Ipv4Addr;

use super::checksum;
use super::ip_protocol::IpProtocol;

/// The fixed part of an IPv4 header.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-------+-------+-----------+---+-------------------------------+
/// |version|  IHL  |    DSCP   |ECN|          total length         |
/// +-------+-------+-----------+---+-----+-------------------------+
/// |         identification        |flags|     fragment offset     |
/// +---------------+---------------+-----+-------------------------+
/// |      TTL      |    protocol   |        header checksum        |
/// +---------------+---------------+-------------------------------+
/// |                            source                             |
/// +---------------------------------------------------------------+
/// |                          destination                          |
/// +---------------------------------------------------------------+
/// ```
///
/// Setters keep the checksum right if it was right (RFC 1624).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv4<T>(pub T);

impl Ipv4<[u8; 20]> {
    /// Octets of the fixed part.
    pub const LEN: usize = 20;

    /// The header of a packet of ours, not to be fragmented, with its checksum; of `dscp` the low six bits count. Packets that
    /// are not fragmented need no identification (RFC 6864 §4.1).
    #[must_use]
    pub fn outer(
        source: Ipv4Addr,
        destination: Ipv4Addr,
        protocol: IpProtocol,
        total_len: u16,
        ttl: u8,
        dscp: u8,
    ) -> Self {
        let [l0, l1] = total_len.to_be_bytes();
        let [s0, s1, s2, s3] = source.octets();
        let [d0, d1, d2, d3] = destination.octets();
        let octets = [0x45, dscp << 2, l0, l1, 0, 0, 0x40, 0, ttl, protocol.0, 0, 0, s0, s1, s2, s3, d0, d1, d2, d3];
        let mut header = Self(octets);
        header.fill_checksum();
        header
    }
}

impl<'a> Ipv4<&'a [u8; 20]> {
    /// The header in front of `octets`, if they are long enough.
    #[inline]
    #[must_use]
    pub fn of(octets: &'a [u8]) -> Option<Self> {
        octets.first_chunk().map(Self)
    }
}

impl<'a> Ipv4<&'a mut [u8; 20]> {
    /// The header in front of `octets`, to be written, if they are long enough.
    #[inline]
    #[must_use]
    pub fn of_mut(octets: &'a mut [u8]) -> Option<Self> {
        octets.first_chunk_mut().map(Self)
    }
}

impl<T: Borrow<[u8; 20]>> Ipv4<T> {
    /// The version; 4 if this is IPv4.
    #[inline]
    #[must_use]
    pub fn version(&self) -> u8 {
        self.0.borrow()[0] >> 4
    }

    /// Octets of the header, options included: four times the IHL field, 0 to 60.
    #[inline]
    #[must_use]
    pub fn header_len(&self) -> usize {
        usize::from(self.0.borrow()[0] & 0x0f) << 2
    }

    /// The differentiated services code point, 0 to 63.
    #[inline]
    #[must_use]
    pub fn dscp(&self) -> u8 {
        self.0.borrow()[1] >> 2
    }

    /// Octets of the packet.
    #[inline]
    #[must_use]
    pub fn total_len(&self) -> usize {
        let octets = self.0.borrow();
        usize::from(u16::from_be_bytes([octets[2], octets[3]]))
    }

    /// Whether the packet must not be fragmented.
    #[inline]
    #[must_use]
    pub fn dont_fragment(&self) -> bool {
        self.0.borrow()[6] & 0x40 != 0
    }

    /// Whether fragments follow this one.
    #[inline]
    #[must_use]
    pub fn more_fragments(&self) -> bool {
        self.0.borrow()[6] & 0x20 != 0
    }

    /// Where in the whole packet this fragment belongs, in units of eight octets.
    #[inline]
    #[must_use]
    pub fn fragment_offset(&self) -> u16 {
        let octets = self.0.borrow();
        u16::from_be_bytes([octets[6] & 0x1f, octets[7]])
    }

    /// The congestion notification bits (RFC 3168 §5), 0 to 3.
    #[inline]
    #[must_use]
    pub fn ecn(&self) -> u8 {
        self.0.borrow()[1] & 3
    }

    /// The time to live.
    #[inline]
    #[must_use]
    pub fn ttl(&self) -> u8 {
        self.0.borrow()[8]
    }

    /// The protocol above.
    #[inline]
    #[must_use]
    pub fn protocol(&self) -> u8 {
        self.0.borrow()[9]
    }

    /// The header checksum.
    #[inline]
    #[must_use]
    pub fn checksum(&self) -> u16 {
        let octets = self.0.borrow();
        u16::from_be_bytes([octets[10], octets[11]])
    }

    /// Whether the checksum of a header without options is right.
    #[inline]
    #[must_use]
    pub fn is_right(&self) -> bool {
        checksum::is_right(self.0.borrow())
    }

    /// The source.
    #[inline]
    #[must_use]
    pub fn source(&self) -> Ipv4Addr {
        let [.., a, b, c, d, _, _, _, _] = *self.0.borrow();
        Ipv4Addr::new(a, b, c, d)
    }

    /// The destination.
    #[inline]
    #[must_use]
    pub fn destination(&self) -> Ipv4Addr {
        let [.., a, b, c, d] = *self.0.borrow();
        Ipv4Addr::new(a, b, c, d)
    }
}

impl<T: BorrowMut<[u8; 20]>> Ipv4<T> {
    /// Sets the time to live.
    #[inline]
    pub fn set_ttl(&mut self, ttl: u8) {
        let (old, protocol) = (self.ttl(), self.protocol());
        self.0.borrow_mut()[8] = ttl;
        self.update_checksum([old, protocol], [ttl, protocol]);
    }

    /// Sets the differentiated services code point, of which the low six bits count; the ECN bits stay.
    #[inline]
    pub fn set_dscp(&mut self, dscp: u8) {
        let octets = self.0.borrow_mut();
        let (version, old) = (octets[0], octets[1]);
        let new = (dscp << 2) | (old & 3);
        octets[1] = new;
        self.update_checksum([version, old], [version, new]);
    }

    /// Sets the congestion notification bits, of which the low two count.
    #[inline]
    pub fn set_ecn(&mut self, ecn: u8) {
        let octets = self.0.borrow_mut();
        let (version, old) = (octets[0], octets[1]);
        let new = old & 0xfc | ecn & 3;
        octets[1] = new;
        self.update_checksum([version, old], [version, new]);
    }

    /// Allows the packet to be fragmented.
    #[inline]
    pub fn clear_dont_fragment(&mut self) {
        let octets = self.0.borrow_mut();
        let (old, low) = (octets[6], octets[7]);
        octets[6] = old & !0x40;
        self.update_checksum([old, low], [old & !0x40, low]);
    }

    /// Computes the checksum of a header without options.
    pub fn fill_checksum(&mut self) {
        let octets = self.0.borrow_mut();
        (octets[10], octets[11]) = (0, 0);
        let [hi, lo] = checksum::of(octets).to_be_bytes();
        (octets[10], octets[11]) = (hi, lo);
    }

    #[inline]
    fn update_checksum(&mut self, old: [u8; 2], new: [u8; 2]) {
        let octets = self.0.borrow_mut();
        let sum = u16::from_ne_bytes([octets[10], octets[11]]);
        let sum = checksum::update(sum, u16::from_ne_bytes(old), u16::from_ne_bytes(new));
        [octets[10], octets[11]] = sum.to_ne_bytes();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn fields_stand_where_the_rfc_puts_them() {
        let mut octets = [0x45, 0xb9, 0, 84, 0x12, 0x34, 0x40, 0, 64, 1, 0, 0, 10, 1, 2, 3, 10, 4, 5, 6];
        let mut h = Ipv4::of_mut(&mut octets).unwrap();
        h.fill_checksum();
        assert_eq!((h.version(), h.header_len(), h.dscp(), h.total_len()), (4, 20, 46, 84));
        assert_eq!((h.dont_fragment(), h.ttl(), h.protocol()), (true, 64, 1));
        assert_eq!((h.source(), h.destination()), (Ipv4Addr::new(10, 1, 2, 3), Ipv4Addr::new(10, 4, 5, 6)));
        assert_eq!(checksum::of(&octets), 0);
        assert!(Ipv4::of(&octets[..19]).is_none());
        let fragment = Ipv4([0x45, 0, 0, 20, 0, 0, 0x21, 0x23, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!((fragment.more_fragments(), fragment.fragment_offset()), (true, 0x123));
    }

    #[test]
    fn the_header_of_our_own_packet() {
        let (us, them) = (Ipv4Addr::new(192, 0, 2, 1), Ipv4Addr::new(192, 0, 2, 9));
        let h = Ipv4::outer(us, them, IpProtocol::GRE, 1500, 64, 46);
        assert_eq!((h.version(), h.header_len(), h.total_len(), h.dscp(), h.ecn()), (4, 20, 1500, 46, 0));
        assert_eq!((h.ttl(), h.protocol(), h.dont_fragment(), h.fragment_offset()), (64, 47, true, 0));
        assert_eq!((h.source(), h.destination(), checksum::of(&h.0)), (us, them, 0));
    }

    proptest! {
        #[test]
        fn setters_keep_the_checksum_right_and_the_rest_untouched(mut octets: [u8; 20], ttl: u8, dscp in 0..64_u8) {
            octets[0] = 0x45;
            Ipv4(&mut octets).fill_checksum();
            let mut h = Ipv4(octets);
            h.set_ttl(ttl);
            h.set_dscp(dscp);
            prop_assert_eq!((h.ttl(), h.dscp(), h.ecn()), (ttl, dscp, octets[1] & 3));
            prop_assert_eq!(checksum::of(&h.0), 0);
            h.set_ecn(ttl);
            h.clear_dont_fragment();
            prop_assert_eq!((h.ttl(), h.dscp(), h.ecn(), h.dont_fragment()), (ttl, dscp, ttl & 3, false));
            prop_assert_eq!(checksum::of(&h.0), 0);
            prop_assert_eq!(h.0[6] & 0xbf, octets[6] & 0xbf);
            for i in [0, 2, 3, 4, 5, 7, 9, 12, 13, 14, 15, 16, 17, 18, 19] {
                prop_assert_eq!(h.0[i], octets[i]);
            }
        }
    }
}
