//! The encapsulating security payload: framing, sequence numbers and anti-replay (RFC 4303). The cipher is the embedder's.

use crate::malformed::{Fault, Malformed};
use crate::wire::ip_protocol::IpProtocol;

/// The header of an ESP packet (RFC 4303 §2).
///
/// ```text
/// +---------------------------------------------------------------+
/// |               security parameters index (SPI)                 |
/// +---------------------------------------------------------------+
/// |                       sequence number                         |
/// +---------------------------------------------------------------+
/// | initialization vector, payload, padding | pad len | next hdr  |  ICV |
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Esp<T>(pub T);

impl Esp<[u8; 8]> {
    /// Octets of the header.
    pub const LEN: usize = 8;

    /// A header with the low half of a sequence number.
    #[inline]
    #[must_use]
    pub const fn new(spi: u32, sequence: u32) -> Self {
        let [a, b, c, d] = spi.to_be_bytes();
        let [e, f, g, h] = sequence.to_be_bytes();
        Self([a, b, c, d, e, f, g, h])
    }
}

impl<'a> Esp<&'a [u8; 8]> {
    /// The header in front of `octets`, if they are long enough.
    #[inline]
    #[must_use]
    pub fn of(octets: &'a [u8]) -> Option<Self> {
        octets.first_chunk().map(Self)
    }
}

impl<T: core::borrow::Borrow<[u8; 8]>> Esp<T> {
    /// The security parameters index.
    #[inline]
    #[must_use]
    pub fn spi(&self) -> u32 {
        let [a, b, c, d, ..] = *self.0.borrow();
        u32::from_be_bytes([a, b, c, d])
    }

    /// The sequence number, its low half where it has 64 bits.
    #[inline]
    #[must_use]
    pub fn sequence(&self) -> u32 {
        let [.., a, b, c, d] = *self.0.borrow();
        u32::from_be_bytes([a, b, c, d])
    }
}

/// What a cipher is told of a packet beside its octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Context {
    /// The security parameters index.
    pub spi: u32,
    /// The sequence number, whole.
    pub sequence: u64,
    /// Whether sequence numbers have 64 bits: then the high half is authenticated though it is not sent (RFC 4303 §2.2.1).
    pub extended: bool,
}

impl Context {
    /// Additional authenticated data of a combined mode algorithm, of which the first 8 or 12 octets count (RFC 4106 §5).
    #[must_use]
    pub const fn associated_data(&self) -> ([u8; 12], usize) {
        let [a, b, c, d] = self.spi.to_be_bytes();
        let [h0, h1, h2, h3, l0, l1, l2, l3] = self.sequence.to_be_bytes();
        match self.extended {
            true => ([a, b, c, d, h0, h1, h2, h3, l0, l1, l2, l3], 12),
            false => ([a, b, c, d, l0, l1, l2, l3, 0, 0, 0, 0], 8),
        }
    }
}

/// The cipher of one security association, with its key: software of the embedder's, or its crypto engine.
pub trait Cipher {
    /// Octets of the initialization vector that is sent in front of the ciphertext.
    fn iv_len(&self) -> usize;
    /// Octets of the integrity check value at the end.
    fn icv_len(&self) -> usize;
    /// What the length of the plaintext, trailer included, must be a multiple of: a power of two; below 4 it counts as 4
    /// (RFC 4303 §2.4).
    fn block_len(&self) -> usize;
    /// Writes the initialization vector, encrypts `text` in place, and writes the check value.
    ///
    /// # Errors
    /// The cipher cannot: the key is used up, or the engine is at fault.
    fn seal(&mut self, context: &Context, iv: &mut [u8], text: &mut [u8], icv: &mut [u8]) -> Result<(), Refused>;
    /// Checks the check value, then decrypts `text` in place.
    ///
    /// # Errors
    /// The check value is wrong. `text` may then hold anything.
    fn open(&mut self, context: &Context, iv: &[u8], text: &mut [u8], icv: &[u8]) -> Result<(), Refused>;
}

/// A cipher's refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused;

/// Octets that sealing adds to a payload: in front of it, and behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overhead {
    /// Header and initialization vector.
    pub front: usize,
    /// Padding, its length, the next header and the check value.
    pub back: usize,
}

/// What sealing a payload of `len` octets adds.
#[must_use]
pub fn overhead(cipher: &impl Cipher, len: usize) -> Overhead {
    let back = padding(cipher, len).saturating_add(TRAILER).saturating_add(cipher.icv_len());
    Overhead { front: Esp::LEN.saturating_add(cipher.iv_len()), back }
}

/// The octets after the padding: its length, the next header.
const TRAILER: usize = 2;

/// Octets of padding that bring payload and trailer to whole blocks (RFC 4303 §2.4).
fn padding(cipher: &impl Cipher, len: usize) -> usize {
    // At most 128: the padding's length is one octet.
    let mask = cipher.block_len().clamp(4, 128).next_power_of_two().wrapping_sub(1);
    len.wrapping_add(TRAILER).wrapping_neg() & mask
}

/// Why a packet was not sealed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SealError {
    /// The packet is shorter than what is added to it.
    Room,
    /// The cipher refused.
    Cipher,
}

/// Makes an ESP packet in place. `packet` has room for [`overhead`]`.front` octets, then the payload of `len` octets, then room
/// for `.back`; `next` is the protocol of the payload.
///
/// # Errors
/// `packet` is not so long as that, or the cipher refuses.
pub fn seal(
    cipher: &mut impl Cipher,
    context: &Context,
    packet: &mut [u8],
    len: usize,
    next: IpProtocol,
) -> Result<(), SealError> {
    let (pad, iv_len, icv_len) = (padding(cipher, len), cipher.iv_len(), cipher.icv_len());
    let text_len = len.saturating_add(pad).saturating_add(TRAILER);
    let (header, rest) = packet.split_first_chunk_mut::<{ Esp::LEN }>().ok_or(SealError::Room)?;
    let (iv, rest) = rest.split_at_mut_checked(iv_len).ok_or(SealError::Room)?;
    let (text, icv) = rest.split_at_mut_checked(text_len).ok_or(SealError::Room)?;
    if icv.len() != icv_len {
        return Err(SealError::Room);
    }
    *header = Esp::new(context.spi, context.sequence as u32).0;
    let (_, trailer) = text.split_at_mut_checked(len).ok_or(SealError::Room)?;
    let (fill, end) = trailer.split_at_mut_checked(pad).ok_or(SealError::Room)?;
    for (octet, value) in fill.iter_mut().zip(1..) {
        *octet = value;
    }
    for (octet, value) in end.iter_mut().zip([pad as u8, next.0]) {
        *octet = value;
    }
    cipher.seal(context, iv, text, icv).map_err(|Refused| SealError::Cipher)
}

/// Why a packet was not opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenError {
    /// The packet is too short, or its padding is not as it must be.
    Malformed(Malformed),
    /// Its integrity check failed (RFC 4303 §3.4.4).
    Integrity,
}

/// The payload of an ESP packet: where it lies in it, and what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Octets in front of the payload.
    pub offset: usize,
    /// Octets of the payload.
    pub len: usize,
    /// The protocol of the payload; [`IpProtocol::NONE`] is a dummy packet, to be thrown away (RFC 4303 §2.6).
    pub next: IpProtocol,
}

/// Checks and decrypts an ESP packet in place. Whether its number may be taken is asked before ([`ReplayWindow::check`]), and it
/// is marked after ([`ReplayWindow::mark`]).
///
/// # Errors
/// The packet is too short, fails the integrity check, or is wrongly padded.
pub fn open(cipher: &mut impl Cipher, context: &Context, packet: &mut [u8]) -> Result<Opened, OpenError> {
    const TRUNCATED: OpenError =
        OpenError::Malformed(Malformed { offset: 0, field: "ESP packet", fault: Fault::Truncated });
    let (iv_len, icv_len) = (cipher.iv_len(), cipher.icv_len());
    let offset = Esp::LEN.saturating_add(iv_len);
    let (front, rest) = packet.split_at_mut_checked(offset).ok_or(TRUNCATED)?;
    let (_, iv) = front.split_at_mut_checked(Esp::LEN).ok_or(TRUNCATED)?;
    let text_len = rest.len().checked_sub(icv_len).ok_or(TRUNCATED)?;
    let (text, icv) = rest.split_at_mut_checked(text_len).ok_or(TRUNCATED)?;
    cipher.open(context, iv, text, icv).map_err(|Refused| OpenError::Integrity)?;
    let wrong = |field, value| {
        OpenError::Malformed(Malformed { offset: offset.saturating_add(text_len), field, fault: Fault::Value(value) })
    };
    let Some((padded, [pad, next])) = text.split_last_chunk::<TRAILER>() else { return Err(TRUNCATED) };
    let len = padded.len().checked_sub(usize::from(*pad)).ok_or(wrong("pad length", u32::from(*pad)))?;
    // RFC 4303 §2.4: the receiver looks at the padding, which counts from 1.
    let fill = padded.get(len..).unwrap_or_default();
    if let Some((octet, _)) = fill.iter().zip(1..).find(|(octet, expected)| *octet != expected) {
        return Err(wrong("padding", u32::from(*octet)));
    }
    Ok(Opened { offset, len, next: IpProtocol(*next) })
}

/// Sequence numbers that a security association sends with (RFC 4303 §2.2, §3.3.3): 1 and on, never around.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EspNumbering {
    last: u64,
}

impl EspNumbering {
    /// Nothing sent yet.
    pub const NEW: Self = Self { last: 0 };

    /// The number of the next packet; `None` when the numbers are used up and the association must be replaced.
    #[inline]
    pub fn number(&mut self, extended: bool) -> Option<u64> {
        let last = if extended { u64::MAX } else { u64::from(u32::MAX) };
        let next = self.last.checked_add(1).filter(|&next| next <= last)?;
        self.last = next;
        Some(next)
    }
}

/// Why a sequence number may not be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replayed {
    /// It was taken already.
    Duplicate,
    /// It is older than the window reaches.
    Old,
    /// Zero is never sent (RFC 4303 §3.3.3).
    Zero,
}

/// The anti-replay window of a security association (RFC 4303 §3.4.3, appendix A; as a ring of words: RFC 6479).
///
/// `WORDS` 32-bit words, a power of two and at least 2, remember at least `(WORDS - 1) * 32` numbers: 4 words 64, 64 words 1024
/// and more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReplayWindow<const WORDS: usize> {
    top: u64,
    size: u32,
    seen: [u32; WORDS],
}

impl<const WORDS: usize> ReplayWindow<WORDS> {
    const MASK: u32 = {
        assert!(WORDS.is_power_of_two() && WORDS >= 2 && WORDS <= 1 << 16);
        WORDS as u32 - 1
    };
    /// The largest window.
    pub const MAX_SIZE: u32 = Self::MASK << 5;

    /// A window of `size` numbers, at least 32 and at most [`Self::MAX_SIZE`], of which none was taken; a size outside of that
    /// is brought inside.
    #[must_use]
    pub const fn new(size: u32) -> Self {
        let size = if size < 32 { 32 } else { size };
        let size = if size > Self::MAX_SIZE { Self::MAX_SIZE } else { size };
        Self { top: 0, size, seen: [0; WORDS] }
    }

    /// The largest number taken.
    #[must_use]
    pub const fn top(&self) -> u64 {
        self.top
    }

    /// The whole number of a packet, of which `low` was received (RFC 4303 appendix A2.2): the one that is nearest above the
    /// lower end of the window.
    #[must_use]
    pub const fn whole(&self, low: u32, extended: bool) -> u64 {
        if !extended {
            return low as u64;
        }
        // The window's lowest number; below zero in the first subspace, where nothing is older than the window.
        let bottom = self.top.saturating_sub(self.size.saturating_sub(1) as u64);
        let ahead = low.wrapping_sub(bottom as u32);
        bottom.saturating_add(ahead as u64)
    }

    /// Whether this number may be taken.
    ///
    /// # Errors
    /// It was, it is too old, or it is zero.
    #[inline]
    pub fn check(&self, sequence: u64) -> Result<(), Replayed> {
        if sequence == 0 {
            return Err(Replayed::Zero);
        }
        match self.top.checked_sub(sequence) {
            None => Ok(()),
            Some(behind) if behind >= u64::from(self.size) => Err(Replayed::Old),
            Some(_) => {
                let (word, bit) = Self::place(sequence);
                let seen = self.seen.get(word).is_some_and(|seen| seen & bit != 0);
                if seen { Err(Replayed::Duplicate) } else { Ok(()) }
            }
        }
    }

    /// Takes this number: its packet passed the integrity check. Returns whether it could be taken.
    #[inline]
    pub fn mark(&mut self, sequence: u64) -> bool {
        if self.check(sequence).is_err() {
            return false;
        }
        if sequence > self.top {
            // Words that the window moves into are cleared: at most all of them.
            let (from, to) = (self.top >> 5, sequence >> 5);
            let moved = to.saturating_sub(from).min(WORDS as u64);
            for step in 1..=moved {
                let word = (from.wrapping_add(step) as u32 & Self::MASK) as usize;
                if let Some(word) = self.seen.get_mut(word) {
                    *word = 0;
                }
            }
            self.top = sequence;
        }
        let (word, bit) = Self::place(sequence);
        if let Some(word) = self.seen.get_mut(word) {
            *word |= bit;
        }
        true
    }

    #[inline]
    const fn place(sequence: u64) -> (usize, u32) {
        (((sequence >> 5) as u32 & Self::MASK) as usize, 1 << (sequence as u32 & 31))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::vec::Vec;

    /// No cipher at all: exclusive or with the sequence number, and a sum as check value. It shows that framing hands every
    /// octet to the cipher once.
    struct Xor {
        iv: usize,
        icv: usize,
        block: usize,
    }

    impl Xor {
        fn sum(context: &Context, iv: &[u8], text: &[u8], icv: usize) -> Vec<u8> {
            let (data, len) = context.associated_data();
            let all = data[..len].iter().chain(iv).chain(text);
            let sum = all.fold(7_u32, |sum, octet| sum.wrapping_mul(31).wrapping_add(u32::from(*octet)));
            sum.to_be_bytes().into_iter().cycle().take(icv).collect()
        }
    }

    impl Cipher for Xor {
        fn iv_len(&self) -> usize {
            self.iv
        }
        fn icv_len(&self) -> usize {
            self.icv
        }
        fn block_len(&self) -> usize {
            self.block
        }
        fn seal(&mut self, context: &Context, iv: &mut [u8], text: &mut [u8], icv: &mut [u8]) -> Result<(), Refused> {
            iv.fill(0x55);
            text.iter_mut().for_each(|octet| *octet ^= 0xa5 ^ context.sequence as u8);
            icv.copy_from_slice(&Self::sum(context, iv, text, icv.len()));
            Ok(())
        }
        fn open(&mut self, context: &Context, iv: &[u8], text: &mut [u8], icv: &[u8]) -> Result<(), Refused> {
            if icv != Self::sum(context, iv, text, icv.len()) {
                return Err(Refused);
            }
            text.iter_mut().for_each(|octet| *octet ^= 0xa5 ^ context.sequence as u8);
            Ok(())
        }
    }

    /// Null encryption without integrity (RFC 2410): what is sealed can be read.
    struct Null;

    impl Cipher for Null {
        fn iv_len(&self) -> usize {
            0
        }
        fn icv_len(&self) -> usize {
            0
        }
        fn block_len(&self) -> usize {
            1
        }
        fn seal(&mut self, _: &Context, _: &mut [u8], _: &mut [u8], _: &mut [u8]) -> Result<(), Refused> {
            Ok(())
        }
        fn open(&mut self, _: &Context, _: &[u8], _: &mut [u8], _: &[u8]) -> Result<(), Refused> {
            Ok(())
        }
    }

    const CONTEXT: Context = Context { spi: 0x0102_0304, sequence: 9, extended: false };

    #[test]
    fn the_octets_of_the_figure() {
        let mut packet = [0; 8 + 5 + 1 + 2];
        packet[8..13].copy_from_slice(&[0xaa; 5]);
        assert_eq!(overhead(&Null, 5), Overhead { front: 8, back: 3 });
        seal(&mut Null, &CONTEXT, &mut packet, 5, IpProtocol::GRE).unwrap();
        assert_eq!(packet, [1, 2, 3, 4, 0, 0, 0, 9, 0xaa, 0xaa, 0xaa, 0xaa, 0xaa, 1, 1, 47]);
        let header = Esp::of(&packet).unwrap();
        assert_eq!((header.spi(), header.sequence()), (0x0102_0304, 9));
        assert_eq!(open(&mut Null, &CONTEXT, &mut packet), Ok(Opened { offset: 8, len: 5, next: IpProtocol::GRE }));
        packet[13] = 2;
        assert!(matches!(open(&mut Null, &CONTEXT, &mut packet), Err(OpenError::Malformed(m)) if m.field == "padding"));
        packet[14] = 7;
        assert!(
            matches!(open(&mut Null, &CONTEXT, &mut packet), Err(OpenError::Malformed(m)) if m.field == "pad length")
        );
        assert_eq!(seal(&mut Null, &CONTEXT, &mut packet[..15], 5, IpProtocol::GRE), Err(SealError::Room));
    }

    /// RFC 4106 §5, figures 2 and 3.
    #[test]
    fn the_high_half_is_authenticated() {
        let context = Context { spi: 1, sequence: 0x0a0b_0c0d_0102_0304, extended: true };
        assert_eq!(context.associated_data(), ([0, 0, 0, 1, 10, 11, 12, 13, 1, 2, 3, 4], 12));
        let context = Context { extended: false, ..context };
        assert_eq!(context.associated_data(), ([0, 0, 0, 1, 1, 2, 3, 4, 0, 0, 0, 0], 8));
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens_and_what_was_touched_does_not(
            payload in proptest::collection::vec(any::<u8>(), 0..100),
            iv in 0..17_usize, icv in 4..17_usize, block in 0..5_u32, sequence: u64, extended: bool,
            at: proptest::sample::Index, bit in 0..8_u32,
        ) {
            let mut cipher = Xor { iv, icv, block: 1 << block };
            let context = Context { spi: 5, sequence, extended };
            let Overhead { front, back } = overhead(&cipher, payload.len());
            let mut packet = std::vec![0; front + payload.len() + back];
            packet[front..front + payload.len()].copy_from_slice(&payload);
            seal(&mut cipher, &context, &mut packet, payload.len(), IpProtocol::IPV4).unwrap();
            prop_assert_eq!((packet.len() - 8 - iv - icv) % (1 << block.max(2)), 0);
            let mut opened = packet.clone();
            let found = open(&mut cipher, &context, &mut opened).unwrap();
            prop_assert_eq!(&opened[found.offset..][..found.len], &payload[..]);
            prop_assert_eq!(found.next, IpProtocol::IPV4);

            let at = 8 + at.index(packet.len() - 8);
            packet[at] ^= 1 << bit;
            prop_assert_eq!(open(&mut cipher, &context, &mut packet), Err(OpenError::Integrity));
        }

        /// Against a window that remembers everything.
        #[test]
        fn the_window_takes_each_number_once(
            size in 0..1200_u32, start in 1..1_u64 << 40,
            steps in proptest::collection::vec((any::<bool>(), 0..3000_u64, any::<bool>()), 1..200),
        ) {
            let mut window = ReplayWindow::<64>::new(size);
            let size = u64::from(size.clamp(32, 2016));
            let mut taken = std::collections::BTreeSet::new();
            let mut top = 0;
            for (i, (ahead, by, genuine)) in steps.into_iter().enumerate() {
                let number = if i == 0 { start } else if ahead { top + by } else { top.saturating_sub(by) };
                let allowed = number != 0 && !taken.contains(&number) && number + size > top;
                prop_assert_eq!(window.check(number).is_ok(), allowed, "{} of top {}", number, top);
                if i > 0 {
                    prop_assert_eq!(window.whole(number as u32, true) == number, number + size > top, "inferred");
                }
                // A forged packet that passes the check but not the integrity check leaves no trace.
                if genuine {
                    prop_assert_eq!(window.mark(number), allowed);
                    if allowed {
                        taken.insert(number);
                        top = top.max(number);
                    }
                }
            }
        }
    }

    #[test]
    fn numbers_run_out() {
        let mut numbering = EspNumbering { last: u64::from(u32::MAX) - 1 };
        assert_eq!((numbering.number(false), numbering.number(false)), (Some(u64::from(u32::MAX)), None));
        assert_eq!(numbering.number(true), Some(1 << 32));
        numbering.last = u64::MAX;
        assert_eq!(numbering.number(true), None);
    }

    #[test]
    fn the_high_half_is_inferred_around_the_wrap() {
        let mut window = ReplayWindow::<4>::new(64);
        assert!(window.mark(0x1_0000_0010));
        assert_eq!(window.whole(0x20, true), 0x1_0000_0020);
        assert_eq!(window.whole(0xffff_fff0, true), 0xffff_fff0, "case B: still of the subspace before");
        assert_eq!(window.whole(0xffff_ff00, true), 0x1_ffff_ff00);
        assert_eq!(window.whole(7, false), 7);
        assert_eq!(window.check(0), Err(Replayed::Zero));
        assert_eq!(window.check(0x1_0000_0010), Err(Replayed::Duplicate));
        assert_eq!(window.check(5), Err(Replayed::Old));
    }
}
