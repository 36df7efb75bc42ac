//! Security associations: ESP in transport mode around a packet that is ready to be sent, and off one that arrived.
//!
//! The forwarder holds no keys. It says [`crate::Verdict::Protect`] for a packet that leaves by a protected virtual link, and
//! punts ESP packets to an address of this router as [`crate::PuntReason::Esp`]; the embedder, or its crypto engine, then does
//! what these types do. Transport mode around an IP-in-IP packet is tunnel mode on the wire (RFC 3884 §3).

use crate::frame::Frame;
use crate::malformed::Malformed;
use crate::wire::esp::{self, Cipher, Context, EspNumbering, OpenError, Overhead, ReplayWindow, Replayed, SealError};
use crate::wire::{Esp, IpProtocol, Ipv4, Ipv6};

/// The sending half of a security association.
#[derive(Clone, Debug)]
pub struct OutboundSa<C> {
    spi: u32,
    extended: bool,
    numbering: EspNumbering,
    cipher: C,
}

/// Why a packet was not protected. It must not be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProtectError {
    /// There is no IP packet at that place.
    NotIp,
    /// The frame's buffer has no room in front or behind.
    Room,
    /// The packet would be longer than an IP packet can be.
    TooLong,
    /// Sequence numbers are used up: the association must be replaced (RFC 4303 §3.3.3).
    NumbersUsedUp,
    /// The cipher refused.
    Cipher,
}

/// The IP header in front of what is protected.
#[derive(Clone, Copy)]
struct Header {
    /// Octets of the frame in front of what follows it.
    head: usize,
    is_v6: bool,
    protocol: IpProtocol,
    /// Octets that follow it.
    len: usize,
}

impl Header {
    fn read(frame: &Frame<'_>, offset: usize) -> Option<Self> {
        let octets = frame.after(offset);
        let (header_len, is_v6, protocol, len) = match octets.first()? >> 4 {
            4 => {
                let h = Ipv4::of(octets).filter(|h| h.header_len() == Ipv4::LEN)?;
                (Ipv4::LEN, false, h.protocol(), h.total_len().checked_sub(Ipv4::LEN)?)
            }
            6 => {
                let h = Ipv6::of(octets)?;
                (Ipv6::LEN, true, h.next_header(), h.payload_len())
            }
            _ => return None,
        };
        let head = offset.checked_add(header_len)?;
        let end = head.checked_add(len)?;
        (end <= frame.octets().len()).then_some(Self { head, is_v6, protocol: IpProtocol(protocol), len })
    }

    /// Writes protocol and length of the header at `offset`.
    fn write(&self, frame: &mut Frame<'_>, offset: usize, protocol: IpProtocol, len: u16) -> Option<()> {
        let octets = frame.octets_mut().get_mut(offset..)?;
        if self.is_v6 {
            let header = octets.first_chunk_mut::<{ Ipv6::LEN }>()?;
            [header[4], header[5]] = len.to_be_bytes();
            header[6] = protocol.0;
        } else {
            let header = octets.first_chunk_mut::<{ Ipv4::LEN }>()?;
            [header[2], header[3]] = len.checked_add(Ipv4::LEN as u16)?.to_be_bytes();
            header[9] = protocol.0;
            Ipv4(header).fill_checksum();
        }
        Some(())
    }
}

impl<C: Cipher> OutboundSa<C> {
    /// An association that has sent nothing.
    #[must_use]
    pub const fn new(spi: u32, extended: bool, cipher: C) -> Self {
        Self { spi, extended, numbering: EspNumbering::NEW, cipher }
    }

    /// Octets that it adds to a packet of `len` octets behind the outer IP header.
    #[must_use]
    pub fn overhead(&self, len: usize) -> Overhead {
        esp::overhead(&self.cipher, len)
    }

    /// Puts ESP behind the IP header at `offset` of the frame; link header, labels and IP header move into the headroom.
    ///
    /// # Errors
    /// The packet is not as it must be, or the association cannot. The packet must then be dropped.
    pub fn protect(&mut self, frame: &mut Frame<'_>, offset: usize) -> Result<(), ProtectError> {
        let header = Header::read(frame, offset).ok_or(ProtectError::NotIp)?;
        let Overhead { front, back } = self.overhead(header.len);
        let total = header.len.saturating_add(front).saturating_add(back);
        let total = u16::try_from(total).map_err(|_| ProtectError::TooLong)?;
        total.checked_add(Ipv4::LEN as u16).ok_or(ProtectError::TooLong)?;
        frame.truncate(header.head.saturating_add(header.len));
        if frame.headroom() < front || !frame.extend(back) {
            return Err(ProtectError::Room);
        }
        let sequence = self.numbering.number(self.extended).ok_or(ProtectError::NumbersUsedUp)?;
        frame.reframe(0, front).ok_or(ProtectError::Room)?;
        shift_down(frame.octets_mut(), header.head, front);
        header.write(frame, offset, IpProtocol::ESP, total).ok_or(ProtectError::NotIp)?;
        let context = Context { spi: self.spi, sequence, extended: self.extended };
        let packet = frame.octets_mut().get_mut(header.head..).ok_or(ProtectError::Room)?;
        esp::seal(&mut self.cipher, &context, packet, header.len, header.protocol).map_err(|error| match error {
            SealError::Room => ProtectError::Room,
            SealError::Cipher => ProtectError::Cipher,
        })
    }
}

/// The receiving half of a security association, with an anti-replay window of `WORDS` words ([`ReplayWindow`]).
#[derive(Clone, Debug)]
pub struct InboundSa<C, const WORDS: usize> {
    spi: u32,
    extended: bool,
    window: ReplayWindow<WORDS>,
    cipher: C,
}

/// Why an ESP packet was not taken. It must be dropped, and counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UnprotectError {
    /// There is no ESP packet at that place, or one of another association.
    NotEsp,
    /// Its number was taken, or is too old (RFC 4303 §3.4.3).
    Replayed(Replayed),
    /// Its integrity check failed (RFC 4303 §3.4.4).
    Integrity,
    /// What was encrypted is not as it must be.
    Malformed(Malformed),
    /// It is a dummy, sent to hide that nothing is sent (RFC 4303 §2.6).
    Dummy,
}

impl<C: Cipher, const WORDS: usize> InboundSa<C, WORDS> {
    /// An association that has received nothing, with a window of `size` numbers.
    #[must_use]
    pub const fn new(spi: u32, extended: bool, size: u32, cipher: C) -> Self {
        Self { spi, extended, window: ReplayWindow::new(size), cipher }
    }

    /// Takes ESP off the packet whose IP header is at `offset` of the frame; what stood in front of it moves up.
    ///
    /// # Errors
    /// The packet is not taken; what it holds then is not to be used.
    pub fn unprotect(&mut self, frame: &mut Frame<'_>, offset: usize) -> Result<(), UnprotectError> {
        let header = Header::read(frame, offset).filter(|h| h.protocol == IpProtocol::ESP);
        let header = header.ok_or(UnprotectError::NotEsp)?;
        frame.truncate(header.head.saturating_add(header.len));
        let packet = frame.octets_mut().get_mut(header.head..).ok_or(UnprotectError::NotEsp)?;
        let esp = Esp::of(packet).filter(|esp| esp.spi() == self.spi).ok_or(UnprotectError::NotEsp)?;
        let sequence = self.window.whole(esp.sequence(), self.extended);
        self.window.check(sequence).map_err(UnprotectError::Replayed)?;
        let context = Context { spi: self.spi, sequence, extended: self.extended };
        let opened = esp::open(&mut self.cipher, &context, packet);
        if !matches!(opened, Err(OpenError::Integrity)) {
            self.window.mark(sequence);
        }
        let opened = opened.map_err(|error| match error {
            OpenError::Malformed(malformed) => UnprotectError::Malformed(malformed),
            OpenError::Integrity => UnprotectError::Integrity,
        })?;
        if opened.next == IpProtocol::NONE {
            return Err(UnprotectError::Dummy);
        }
        frame.truncate(header.head.saturating_add(opened.offset).saturating_add(opened.len));
        shift_up(frame.octets_mut(), header.head, opened.offset);
        frame.reframe(opened.offset, 0).ok_or(UnprotectError::NotEsp)?;
        // It was shorter than what it was taken from.
        header.write(frame, offset, opened.next, opened.len as u16).ok_or(UnprotectError::NotEsp)
    }
}

/// Moves `len` octets from `by` to the front.
fn shift_down(octets: &mut [u8], len: usize, by: usize) {
    for at in 0..len {
        let from = octets.get(at.saturating_add(by)).copied();
        if let (Some(to), Some(from)) = (octets.get_mut(at), from) {
            *to = from;
        }
    }
}

/// Moves the first `len` octets up by `by`.
fn shift_up(octets: &mut [u8], len: usize, by: usize) {
    for at in (0..len).rev() {
        let from = octets.get(at).copied();
        if let (Some(to), Some(from)) = (octets.get_mut(at.saturating_add(by)), from) {
            *to = from;
        }
    }
}
