//! L2TPv3 data headers over IP and UDP (RFC 3931 §4.1), cookies, and the default sublayer (RFC 3931 §4.6; for Ethernet RFC 4719 §2).

use core::fmt;

use crate::malformed::{Fault, Malformed};

/// A session's cookie: 0, 4 or 8 octets that a receiver chose at random, so that a packet with the wrong ones is not taken
/// (RFC 3931 §4.1, §8.2).
#[derive(Clone, Copy, Default, Eq, PartialEq, Hash)]
pub struct Cookie {
    octets: [u8; 8],
    len: u8,
}

impl Cookie {
    /// No cookie.
    pub const NONE: Self = Self { octets: [0; 8], len: 0 };

    /// A cookie of these octets; `None` unless they are 0, 4 or 8.
    #[must_use]
    pub fn new(octets: &[u8]) -> Option<Self> {
        if !matches!(octets.len(), 0 | 4 | 8) {
            return None;
        }
        let mut cookie = Self { octets: [0; 8], len: octets.len() as u8 };
        for (to, from) in cookie.octets.iter_mut().zip(octets) {
            *to = *from;
        }
        Some(cookie)
    }

    /// The octets.
    #[inline]
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        self.octets.get(..usize::from(self.len)).unwrap_or(&self.octets)
    }

    /// Whether this is the cookie in front of `octets`. The time it takes does not depend on where they differ.
    #[inline]
    #[must_use]
    pub fn is_in_front_of(&self, octets: &[u8]) -> bool {
        let Some(theirs) = octets.get(..usize::from(self.len)) else { return false };
        let differing = self.octets.iter().zip(theirs).fold(0, |bits, (a, b)| bits | (a ^ b));
        core::hint::black_box(differing) == 0
    }
}

/// Says how long it is, not what: a cookie is a secret of sorts.
impl fmt::Debug for Cookie {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Cookie({} octets)", self.len)
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for Cookie {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let len = *u.choose(&[0, 4, 8])?;
        Ok(Self::new(u.bytes(len)?).unwrap_or(Self::NONE))
    }
}

/// What precedes a session header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Carrier {
    /// Nothing: over IP, where session 0 is the control connection (RFC 3931 §4.1.1).
    Ip,
    /// Four octets that say "data message, version 3": over UDP (RFC 3931 §4.1.2.1).
    Udp,
}

/// What a received L2TP packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A control message, or one of another version: software's.
    Control,
    /// Data of this session; its cookie begins at this offset.
    Data {
        /// The session.
        session: u32,
        /// Octets in front of cookie, sublayer and payload.
        offset: usize,
    },
}

/// The first octets over UDP of a version 3 data message.
const UDP_DATA: [u8; 4] = [0, 3, 0, 0];

/// Octets in front of the cookie.
#[must_use]
pub const fn header_len(carrier: Carrier) -> usize {
    match carrier {
        Carrier::Ip => 4,
        Carrier::Udp => 8,
    }
}

/// What the packet is that begins with `octets`: the payload of IP or UDP.
///
/// # Errors
/// Too few octets.
pub fn kind(carrier: Carrier, octets: &[u8]) -> Result<Kind, Malformed> {
    const TRUNCATED: Malformed = Malformed { offset: 0, field: "L2TP header", fault: Fault::Truncated };
    let session = match carrier {
        Carrier::Ip => octets,
        Carrier::Udp => {
            let ([first, version, _, _], rest) = octets.split_first_chunk::<4>().ok_or(TRUNCATED)?;
            // The version first, then the T bit; the bits between mean something in version 2 only (RFC 3931 §4.1.2.1).
            if version & 0x0f != 3 || first & 0x80 != 0 {
                return Ok(Kind::Control);
            }
            rest
        }
    };
    match u32::from_be_bytes(*session.first_chunk().ok_or(TRUNCATED)?) {
        0 => Ok(Kind::Control),
        session => Ok(Kind::Data { session, offset: header_len(carrier) }),
    }
}

/// A data header: all that goes in front of the sublayer and payload. The first [`header_len`] plus cookie octets count.
#[must_use]
pub fn emit(carrier: Carrier, session: u32, cookie: &Cookie) -> [u8; 16] {
    let mut out = [0; 16];
    let prefix: &[u8] = match carrier {
        Carrier::Ip => &[],
        Carrier::Udp => &UDP_DATA,
    };
    let values = prefix.iter().copied().chain(session.to_be_bytes()).chain(cookie.octets);
    for (octet, value) in out.iter_mut().zip(values) {
        *octet = value;
    }
    out
}

/// The default sublayer: whether the packet is numbered, and its number (RFC 3931 §4.6).
///
/// ```text
/// +-+-+-----------+-----------------------------------------------+
/// |0|S| reserved  |                sequence number                |
/// +-+-+-----------+-----------------------------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Sublayer(pub [u8; 4]);

impl Sublayer {
    /// Octets of the sublayer.
    pub const LEN: usize = 4;

    /// The sublayer of a packet with this number, of which the low 24 bits count, or without one.
    #[inline]
    #[must_use]
    pub const fn new(sequence: Option<u32>) -> Self {
        match sequence {
            Some(sequence) => Self((0x4000_0000 | sequence & 0x00ff_ffff).to_be_bytes()),
            None => Self([0; 4]),
        }
    }

    /// The sublayer in front of `octets`, if they are long enough.
    #[inline]
    #[must_use]
    pub fn of(octets: &[u8]) -> Option<Self> {
        octets.first_chunk().copied().map(Self)
    }

    /// The number, if the packet has one.
    #[inline]
    #[must_use]
    pub const fn sequence(self) -> Option<u32> {
        let [flags, a, b, c] = self.0;
        if flags & 0x40 == 0 { None } else { Some(u32::from_be_bytes([0, a, b, c])) }
    }
}

/// Which numbered packets of a session are in order (RFC 3931 §4.6, appendix C).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct L2tpOrder {
    next: u32,
}

impl Default for L2tpOrder {
    fn default() -> Self {
        Self::NEW
    }
}

impl L2tpOrder {
    /// Nothing received yet: the first number is 0.
    pub const NEW: Self = Self { next: 0 };

    /// Whether a packet of this number is among the 2^23 that may come next; if so it is the newest from here on.
    #[inline]
    pub fn accept(&mut self, sequence: u32) -> bool {
        const MODULUS: u32 = 1 << 24;
        if sequence.wrapping_sub(self.next) % MODULUS >= MODULUS / 2 {
            return false;
        }
        self.next = sequence.wrapping_add(1) % MODULUS;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COOKIE: [u8; 8] = [1, 2, 3, 4, 5, 6, 7, 8];

    /// Shows: L2VPN-5.7-4
    #[test]
    fn headers_go_both_ways_with_every_cookie() {
        for (carrier, prefix) in [(Carrier::Ip, &[][..]), (Carrier::Udp, &[0, 3, 0, 0][..])] {
            for len in [0, 4, 8] {
                let cookie = Cookie::new(&COOKIE[..len]).unwrap();
                let out = emit(carrier, 0x0a0b_0c0d, &cookie);
                let total = header_len(carrier) + len;
                assert_eq!(out[..total], [prefix, &[10, 11, 12, 13], &COOKIE[..len]].concat());
                let Ok(Kind::Data { session, offset }) = kind(carrier, &out) else { panic!("data") };
                assert_eq!((session, offset), (0x0a0b_0c0d, prefix.len() + 4));
                assert!(cookie.is_in_front_of(&out[offset..]));
                assert_eq!(kind(carrier, &out[..offset - 1]).unwrap_err().fault, Fault::Truncated);
            }
        }
    }

    /// RFC 3931 §4.1.1.2, §4.1.2.1.
    #[test]
    fn control_messages_and_other_versions_are_softwares() {
        assert_eq!(kind(Carrier::Ip, &[0, 0, 0, 0, 0xc8, 3]), Ok(Kind::Control));
        assert_eq!(kind(Carrier::Udp, &[0xc8, 3, 0, 20, 0, 0, 0, 1]), Ok(Kind::Control));
        assert_eq!(kind(Carrier::Udp, &[0x40, 2, 0, 20, 0, 0, 0, 1]), Ok(Kind::Control), "version 2");
        // Reserved bits and fields are ignored.
        assert_eq!(kind(Carrier::Udp, &[0x7f, 0xf3, 9, 9, 0, 0, 0, 7]), Ok(Kind::Data { session: 7, offset: 8 }));
    }

    #[test]
    fn a_cookie_is_taken_whole_or_not_at_all() {
        assert!(Cookie::new(&COOKIE[..5]).is_none());
        let cookie = Cookie::new(&COOKIE).unwrap();
        for at in 0..8 {
            let mut other = COOKIE;
            other[at] ^= 1;
            assert!(!cookie.is_in_front_of(&other));
        }
        assert!(cookie.is_in_front_of(&COOKIE) && !cookie.is_in_front_of(&COOKIE[..7]));
        assert!(Cookie::NONE.is_in_front_of(&[]));
        assert_eq!(std::format!("{cookie:?}"), "Cookie(8 octets)");
    }

    #[test]
    fn the_sublayer_of_the_figure() {
        assert_eq!(Sublayer::new(Some(0xff12_3456)).0, [0x40, 0x12, 0x34, 0x56]);
        assert_eq!(Sublayer::new(Some(0x12_3456)).sequence(), Some(0x12_3456));
        assert_eq!((Sublayer::new(None).0, Sublayer::new(None).sequence()), ([0; 4], None));
        let mut order = L2tpOrder::NEW;
        assert!(order.accept(0) && order.accept(1) && !order.accept(1) && !order.accept(0xff_ffff));
        assert!(order.accept(2 + 0x7f_ffff) && order.accept(0xff_ffff) && order.accept(0) && !order.accept(0xff_ffff));
    }
}
