//! Ethernet II (IEEE 802.3 §3.1.1).

use core::borrow::{Borrow, BorrowMut};

use crate::net::{Mac, MacWords};

/// What an Ethernet frame carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct EtherType(pub u16);

impl EtherType {
    /// IPv4 (RFC 894).
    pub const IPV4: Self = Self(0x0800);
    /// ARP (RFC 826).
    pub const ARP: Self = Self(0x0806);
    /// IPv6 (RFC 2464).
    pub const IPV6: Self = Self(0x86dd);
    /// MPLS with a downstream-assigned top label, unicast or multicast (RFC 3032 §5, RFC 5332 §4).
    pub const MPLS: Self = Self(0x8847);
    /// MPLS with an upstream-assigned top label, in multicast frames only (RFC 5332 §4).
    pub const MPLS_UPSTREAM: Self = Self(0x8848);
    /// A whole Ethernet frame, in GRE (RFC 1701, RFC 7637 §3.2).
    pub const BRIDGED_ETHERNET: Self = Self(0x6558);
    /// A customer VLAN tag (IEEE 802.1Q).
    pub const C_VLAN: Self = Self(0x8100);
    /// A service VLAN tag (IEEE 802.1ad).
    pub const S_VLAN: Self = Self(0x88a8);
}

/// An Ethernet header.
///
/// ```text
/// | destination (6) | source (6) | ethertype (2) |
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ethernet<T>(pub T);

impl Ethernet<[u8; 14]> {
    /// Octets of the header.
    pub const LEN: usize = 14;

    /// A header.
    #[must_use]
    pub const fn new(destination: Mac, source: Mac, ethertype: EtherType) -> Self {
        let [d0, d1, d2, d3, d4, d5] = destination.0;
        let [s0, s1, s2, s3, s4, s5] = source.0;
        let [t0, t1] = ethertype.0.to_be_bytes();
        Self([d0, d1, d2, d3, d4, d5, s0, s1, s2, s3, s4, s5, t0, t1])
    }
}

impl<'a> Ethernet<&'a [u8; 14]> {
    /// The header in front of `octets`, if they are long enough.
    #[inline]
    #[must_use]
    pub fn of(octets: &'a [u8]) -> Option<Self> {
        octets.first_chunk().map(Self)
    }
}

impl<T: Borrow<[u8; 14]>> Ethernet<T> {
    /// The destination.
    #[inline]
    #[must_use]
    pub fn destination(&self) -> Mac {
        let [a, b, c, d, e, f, ..] = *self.0.borrow();
        Mac([a, b, c, d, e, f])
    }

    /// The source.
    #[inline]
    #[must_use]
    pub fn source(&self) -> Mac {
        let [_, _, _, _, _, _, a, b, c, d, e, f, ..] = *self.0.borrow();
        Mac([a, b, c, d, e, f])
    }

    /// The ethertype; below 0x0600 it is a length.
    #[inline]
    #[must_use]
    pub fn ethertype(&self) -> EtherType {
        let [.., hi, lo] = *self.0.borrow();
        EtherType(u16::from_be_bytes([hi, lo]))
    }
}

impl<T: BorrowMut<[u8; 14]>> Ethernet<T> {
    /// Sets the whole header.
    #[inline]
    pub fn set(&mut self, destination: Mac, source: Mac, ethertype: EtherType) {
        self.set_words(destination.words(), source.words(), ethertype);
    }

    /// As [`Self::set`], with addresses as tables hold them.
    #[inline]
    pub(crate) fn set_words(&mut self, [d0, d4]: MacWords, [s0, s4]: MacWords, ethertype: EtherType) {
        let first = u64::from(d0) << 32 | u64::from(d4 & 0xffff_0000) | u64::from(s0 >> 16);
        let [o0, o1, o2, o3, o4, o5, o6, o7] = first.to_be_bytes();
        let [o8, o9, o10, o11] = (s0 << 16 | s4 >> 16).to_be_bytes();
        let [o12, o13] = ethertype.0.to_be_bytes();
        *self.0.borrow_mut() = [o0, o1, o2, o3, o4, o5, o6, o7, o8, o9, o10, o11, o12, o13];
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_stand_where_the_standard_puts_them() {
        let octets = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0x88, 0x47, 99];
        let e = Ethernet::of(&octets).unwrap();
        assert_eq!((e.destination(), e.source()), (Mac([1, 2, 3, 4, 5, 6]), Mac([7, 8, 9, 10, 11, 12])));
        assert_eq!(e.ethertype(), EtherType::MPLS);
        let mut out = Ethernet([0; 14]);
        out.set(e.destination(), e.source(), e.ethertype());
        assert_eq!(out.0, octets[..14]);
        assert!(Ethernet::of(&octets[..13]).is_none());
    }
}
