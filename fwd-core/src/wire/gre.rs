//! GRE headers (RFC 2784 §2; key and sequence number: RFC 2890 §2).

use super::EtherType;
use super::checksum::Sum;
use crate::malformed::{Fault, Malformed};

/// A GRE header.
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-+-+-+-----------------+-----+-------------------------------+
/// |C|0|K|S|    reserved     | ver |         protocol type         |
/// +-+-+-+-+-----------------+-----+-------------------------------+
/// |     checksum (if C)           |        reserved (if C)        |
/// +-------------------------------+-------------------------------+
/// |                           key (if K)                          |
/// +---------------------------------------------------------------+
/// |                     sequence number (if S)                    |
/// +---------------------------------------------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct Gre {
    /// What the payload is.
    pub protocol: EtherType,
    /// The Internet checksum of header and payload, if there is one.
    pub checksum: Option<u16>,
    /// Which of several tunnels between two addresses this is.
    pub key: Option<u32>,
    /// The number of the packet.
    pub sequence: Option<u32>,
}

const CHECKSUM: u8 = 0x80;
const KEY: u8 = 0x20;
const SEQUENCE: u8 = 0x10;
/// Bits 1, 4 and 5, which a receiver that knows key and sequence number must find zero (RFC 2784 §2.3).
const MUST_BE_ZERO: u8 = 0x4c;
const VERSION: u8 = 0x07;

impl Gre {
    /// Octets of the longest header.
    pub const MAX_LEN: usize = 16;

    /// A header with nothing optional.
    #[must_use]
    pub const fn new(protocol: EtherType) -> Self {
        Self { protocol, checksum: None, key: None, sequence: None }
    }

    /// The header in front of `octets`, and its length.
    ///
    /// # Errors
    /// Too few octets; a version other than 0; bits set that a receiver must find zero.
    pub fn take(octets: &[u8]) -> Result<(Self, usize), Malformed> {
        let [flags, version, p0, p1] = word(octets, 0, "flags")?;
        if flags & MUST_BE_ZERO != 0 {
            return Err(Malformed { offset: 0, field: "flags", fault: Fault::Value(u32::from(flags)) });
        }
        if version & VERSION != 0 {
            return Err(Malformed { offset: 1, field: "version", fault: Fault::Value(u32::from(version & VERSION)) });
        }
        let mut at = 4_usize;
        let mut next = |present: bool, field| {
            if !present {
                return Ok(None);
            }
            let value = word(octets, at, field)?;
            at = at.saturating_add(4);
            Ok(Some(value))
        };
        let checksum = next(flags & CHECKSUM != 0, "checksum")?.map(|[hi, lo, _, _]| u16::from_be_bytes([hi, lo]));
        let key = next(flags & KEY != 0, "key")?.map(u32::from_be_bytes);
        let sequence = next(flags & SEQUENCE != 0, "sequence number")?.map(u32::from_be_bytes);
        Ok((Self { protocol: EtherType(u16::from_be_bytes([p0, p1])), checksum, key, sequence }, at))
    }

    /// Octets of this header: 4 to 16.
    #[must_use]
    pub const fn wire_len(&self) -> usize {
        let [sum, key, number] = [self.checksum.is_some(), self.key.is_some(), self.sequence.is_some()];
        let words = 1_usize.saturating_add(sum as usize).saturating_add(key as usize).saturating_add(number as usize);
        words << 2
    }

    /// The header's octets, of which the first [`Self::wire_len`] count.
    #[must_use]
    pub fn emit(&self) -> [u8; Self::MAX_LEN] {
        let bit = |present, bit| if present { bit } else { 0 };
        let flags = bit(self.checksum.is_some(), CHECKSUM)
            | bit(self.key.is_some(), KEY)
            | bit(self.sequence.is_some(), SEQUENCE);
        let [p0, p1] = self.protocol.0.to_be_bytes();
        let checksum = self.checksum.map(|sum| u32::from(sum) << 16);
        let words = [Some(u32::from_be_bytes([flags, 0, p0, p1])), checksum, self.key, self.sequence];
        let mut out = [0; Self::MAX_LEN];
        for (octet, value) in out.iter_mut().zip(words.into_iter().flatten().flat_map(u32::to_be_bytes)) {
            *octet = value;
        }
        out
    }
}

fn word(octets: &[u8], at: usize, field: &'static str) -> Result<[u8; 4], Malformed> {
    let word = octets.get(at..).and_then(|rest| rest.first_chunk().copied());
    word.ok_or(Malformed { offset: at, field, fault: Fault::Truncated })
}

/// Whether the checksum of a GRE packet, header and payload, is right (RFC 2784 §2.5). Only of packets that have one.
#[must_use]
pub fn checksum_holds(packet: &[u8]) -> bool {
    Sum::new().octets(packet).finish() == 0
}

/// Which numbered packets of a tunnel are in order (RFC 2890 §2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GreOrder {
    last: u32,
}

impl Default for GreOrder {
    fn default() -> Self {
        Self::NEW
    }
}

impl GreOrder {
    /// Nothing received yet: the first number is 0.
    pub const NEW: Self = Self { last: u32::MAX };

    /// Whether a packet of this number is newer than the last one taken; if so it is the last from here on. The last and the
    /// 2^31 - 1 numbers before it are old.
    #[inline]
    pub fn accept(&mut self, sequence: u32) -> bool {
        if self.last.wrapping_sub(sequence) < 1 << 31 {
            return false;
        }
        self.last = sequence;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(header: &Gre) -> std::vec::Vec<u8> {
        header.emit()[..header.wire_len()].to_vec()
    }

    /// Shows: L2VPN-5.7-2, L3VPN-8.7-2
    #[test]
    fn every_combination_of_fields_goes_both_ways() {
        for protocol in [EtherType::IPV4, EtherType::IPV6, EtherType::MPLS, EtherType::MPLS_UPSTREAM] {
            for bits in 0..8_u32 {
                let some = |bit: u32, value: u32| (bits & bit != 0).then_some(value);
                let header = Gre {
                    protocol,
                    checksum: some(1, 0xabcd).map(|sum| sum as u16),
                    key: some(2, 0x0102_0304),
                    sequence: some(4, 0x0506_0708),
                };
                let octets = bytes(&header);
                assert_eq!(octets.len(), 4 + 4 * bits.count_ones() as usize);
                assert_eq!(Gre::take(&octets), Ok((header, octets.len())));
                for short in 0..octets.len() {
                    assert_eq!(Gre::take(&octets[..short]).unwrap_err().fault, Fault::Truncated);
                }
            }
        }
        let plain = Gre::new(EtherType::MPLS_UPSTREAM);
        assert_eq!(bytes(&plain), [0, 0, 0x88, 0x48]);
        let keyed = Gre { key: Some(0x0a0b_0c0d), sequence: Some(1), ..Gre::new(EtherType::IPV4) };
        assert_eq!(bytes(&keyed), [0x30, 0, 8, 0, 10, 11, 12, 13, 0, 0, 0, 1]);
    }

    /// RFC 2784 §2.3: bits 1 to 5 (but for those that RFC 2890 gives a meaning) must be zero, bits 6 to 12 are ignored.
    #[test]
    fn reserved_bits_are_judged_by_the_rfc() {
        for (first, second) in [(0x40, 0), (0x08, 0), (0x04, 0), (0, 1), (0, 7)] {
            assert!(Gre::take(&[first, second, 8, 0]).is_err(), "{first:#x} {second:#x}");
        }
        assert_eq!(Gre::take(&[0x03, 0xf8, 8, 0]), Ok((Gre::new(EtherType::IPV4), 4)));
    }

    #[test]
    fn order_is_modulo_two_to_the_32() {
        let mut order = GreOrder::NEW;
        assert!(order.accept(0) && order.accept(1) && !order.accept(1) && !order.accept(0));
        assert!(order.accept(1 << 31) && !order.accept(1));
        assert!(order.accept(u32::MAX) && order.accept(3) && !order.accept(u32::MAX));
    }
}
