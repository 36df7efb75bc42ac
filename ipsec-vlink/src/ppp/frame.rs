//! Frames (RFC 1661 §2, RFC 1662 §3.1): what L2TP carries, without flags and without a check sequence (RFC 2661 §4.5).

use fwd_core::codec::{BufMut, Fail, Fault, Malformed, Take, all, array, be_u8};

/// A protocol of PPP (RFC 1661 §2): of two octets, the first even and the second odd.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Protocol(pub u16);

impl Protocol {
    /// IPv4 packets (RFC 1332 §4).
    pub const IPV4: Self = Self(0x0021);
    /// IPv6 packets (RFC 5072 §3).
    pub const IPV6: Self = Self(0x0057);
    /// MPLS unicast (RFC 3032 §4.3).
    pub const MPLS: Self = Self(0x0281);
    /// IPCP (RFC 1332 §2).
    pub const IPCP: Self = Self(0x8021);
    /// IPv6CP (RFC 5072 §2.1).
    pub const IPV6CP: Self = Self(0x8057);
    /// LCP (RFC 1661 §2).
    pub const LCP: Self = Self(0xc021);
    /// PAP (RFC 1334 §2).
    pub const PAP: Self = Self(0xc023);
    /// CHAP (RFC 1994 §3).
    pub const CHAP: Self = Self(0xc223);
}

/// A frame.
///
/// ```text
/// +----------+----------+------------------+-------------+
/// |   0xff   |   0x03   | protocol (1 or 2)| information ~
/// +----------+----------+------------------+-------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame<'a> {
    /// The protocol.
    pub protocol: Protocol,
    /// What it carries.
    pub information: &'a [u8],
}

impl<'a> Frame<'a> {
    /// All stations, unnumbered information (RFC 1662 §3.1).
    const ADDRESS_CONTROL: [u8; 2] = [0xff, 0x03];

    /// Takes a frame: all that is there. Address and control may be left out, and the first octet of the protocol where it is 0
    /// (RFC 1661 §6.5, §6.6): whoever may be sent a frame can read it either way.
    ///
    /// # Errors
    /// It has no protocol, or one that is none.
    pub fn take(i: &'a [u8]) -> Take<'a, Self> {
        let at = i.strip_prefix(&Self::ADDRESS_CONTROL).unwrap_or(i);
        let (rest, first) = be_u8(at, "protocol")?;
        let (information, number) = match first & 1 {
            1 => (rest, u16::from(first)),
            _ => array(at, "protocol").map(|(rest, octets)| (rest, u16::from_be_bytes(octets)))?,
        };
        if number & 1 == 0 {
            return Err(Fail::new(at, "protocol", Fault::Value(number.into())));
        }
        Ok((&[], Self { protocol: Protocol(number), information }))
    }

    /// Parses a frame.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub fn parse(octets: &'a [u8]) -> Result<Self, Malformed> {
        all(octets, Self::take)
    }

    /// Octets on the wire.
    #[must_use]
    pub const fn wire_len(&self) -> usize {
        self.information.len().saturating_add(4)
    }

    /// Writes it, with everything that could be left out.
    pub fn emit(&self, out: &mut impl BufMut) {
        out.put_slice(&Self::ADDRESS_CONTROL);
        out.put_u16(self.protocol.0);
        out.put_slice(self.information);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    #[test]
    fn frames_are_read_whole_and_compressed() {
        let frame = Frame { protocol: Protocol::IPV4, information: &[0x45, 0] };
        let mut octets = Vec::new();
        frame.emit(&mut octets);
        assert_eq!((octets.len(), &octets[..]), (frame.wire_len(), &[0xff, 3, 0, 0x21, 0x45, 0][..]));
        for wire in [&octets[..], &octets[2..], &[0xff, 3, 0x21, 0x45, 0], &[0x21, 0x45, 0]] {
            assert_eq!(Frame::parse(wire), Ok(frame));
        }
        for bad in [&[][..], &[0xff, 3], &[0xc0], &[0xff, 3, 0xc0, 0x20]] {
            assert!(Frame::parse(bad).is_err());
        }
    }
}
