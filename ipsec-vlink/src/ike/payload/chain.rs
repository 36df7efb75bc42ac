//! The chain of payloads: each says what the next one is.

use alloc::vec::Vec;

use fwd_core::codec::{self, BufMut, Fail, Fault, Malformed, Take};
use nom::{Err, Offset};

use super::super::header::Header;

/// What a payload is. Numbers below 33 are IKEv1's, those from 33 on IKEv2's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct PayloadType(pub u8);

impl PayloadType {
    /// No payload follows.
    pub const NONE: Self = Self(0);
    /// IKEv1 Security Association (RFC 2408 §3.4).
    pub const SA_V1: Self = Self(1);
    /// IKEv1 Proposal (RFC 2408 §3.5).
    pub const PROPOSAL: Self = Self(2);
    /// IKEv1 Transform (RFC 2408 §3.6).
    pub const TRANSFORM: Self = Self(3);
    /// IKEv1 Key Exchange (RFC 2408 §3.7).
    pub const KE_V1: Self = Self(4);
    /// IKEv1 Identification (RFC 2408 §3.8).
    pub const ID_V1: Self = Self(5);
    /// IKEv1 Certificate (RFC 2408 §3.9).
    pub const CERT_V1: Self = Self(6);
    /// IKEv1 Certificate Request (RFC 2408 §3.10).
    pub const CERTREQ_V1: Self = Self(7);
    /// IKEv1 Hash (RFC 2408 §3.11).
    pub const HASH: Self = Self(8);
    /// IKEv1 Signature (RFC 2408 §3.12).
    pub const SIGNATURE: Self = Self(9);
    /// IKEv1 Nonce (RFC 2408 §3.13).
    pub const NONCE_V1: Self = Self(10);
    /// IKEv1 Notification (RFC 2408 §3.14).
    pub const NOTIFY_V1: Self = Self(11);
    /// IKEv1 Delete (RFC 2408 §3.15).
    pub const DELETE_V1: Self = Self(12);
    /// IKEv1 Vendor ID (RFC 2408 §3.16).
    pub const VENDOR_ID_V1: Self = Self(13);
    /// IKEv1 NAT-D (RFC 3947 §3.2).
    pub const NAT_D: Self = Self(20);
    /// IKEv1 NAT-OA (RFC 3947 §5.2).
    pub const NAT_OA: Self = Self(21);
    /// IKEv2 Security Association (RFC 7296 §3.3).
    pub const SA: Self = Self(33);
    /// IKEv2 Key Exchange (RFC 7296 §3.4).
    pub const KE: Self = Self(34);
    /// IKEv2 Identification of the initiator (RFC 7296 §3.5).
    pub const ID_I: Self = Self(35);
    /// IKEv2 Identification of the responder (RFC 7296 §3.5).
    pub const ID_R: Self = Self(36);
    /// IKEv2 Certificate (RFC 7296 §3.6).
    pub const CERT: Self = Self(37);
    /// IKEv2 Certificate Request (RFC 7296 §3.7).
    pub const CERTREQ: Self = Self(38);
    /// IKEv2 Authentication (RFC 7296 §3.8).
    pub const AUTH: Self = Self(39);
    /// IKEv2 Nonce (RFC 7296 §3.9).
    pub const NONCE: Self = Self(40);
    /// IKEv2 Notify (RFC 7296 §3.10).
    pub const NOTIFY: Self = Self(41);
    /// IKEv2 Delete (RFC 7296 §3.11).
    pub const DELETE: Self = Self(42);
    /// IKEv2 Vendor ID (RFC 7296 §3.12).
    pub const VENDOR_ID: Self = Self(43);
    /// IKEv2 Traffic Selectors of the initiator (RFC 7296 §3.13).
    pub const TS_I: Self = Self(44);
    /// IKEv2 Traffic Selectors of the responder (RFC 7296 §3.13).
    pub const TS_R: Self = Self(45);
    /// IKEv2 Encrypted and Authenticated (RFC 7296 §3.14).
    pub const SK: Self = Self(46);
    /// IKEv2 Configuration (RFC 7296 §3.15).
    pub const CP: Self = Self(47);
    /// IKEv2 EAP (RFC 7296 §3.16).
    pub const EAP: Self = Self(48);
    /// IKEv2 Encrypted and Authenticated Fragment (RFC 7383 §2.5).
    pub const SKF: Self = Self(53);
    /// The VPN context of ours in IKEv1, in the private range (catalogue L2VPN-5.6-1).
    pub const VPN_CONTEXT_V1: Self = Self(0xc3);
}

/// Payloads that one message may have: more are refused, so that what a message costs is bounded. Ours have at most a dozen.
pub const MAX_PAYLOADS: usize = 64;

/// One payload of a chain, its body not yet looked at.
///
/// ```text
/// +---------------+-+-------------+-------------------------------+
/// |  next payload |C|  reserved   |  length, with these 4 octets  |
/// +---------------+-+-------------+-------------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Payload<'a> {
    /// What it is.
    pub kind: PayloadType,
    /// What the next one is: for SK and SKF, the first one inside.
    pub next: PayloadType,
    /// The octet with the critical bit (RFC 7296 §2.5); reserved in IKEv1.
    pub flags: u8,
    /// What follows the generic header.
    pub body: &'a [u8],
}

impl<'a> Payload<'a> {
    /// Octets of the generic header.
    pub const HEADER_LEN: usize = 4;
    const CRITICAL: u8 = 0x80;

    /// Whether a receiver that does not know the type must refuse the message (RFC 7296 §2.5).
    #[must_use]
    pub const fn is_critical(&self) -> bool {
        self.flags & Self::CRITICAL != 0
    }

    #[inline]
    fn take(i: &'a [u8], kind: PayloadType) -> Take<'a, Self> {
        let start = i;
        let (i, [next, flags, l0, l1]) = codec::array::<4>(i, "payload header")?;
        let length = usize::from(u16::from_be_bytes([l0, l1]));
        let Some(len) = length.checked_sub(Self::HEADER_LEN) else {
            return Err(Fail::new(start.get(2..).unwrap_or_default(), "payload length", Fault::Length(length)));
        };
        let (i, body) = codec::octets(i, len, "payload")?;
        Ok((i, Self { kind, next: PayloadType(next), flags, body }))
    }
}

/// The payloads of a chain, one after the other; it ends after the first error. SK and SKF end the chain: what they name as next is
/// inside.
#[derive(Clone, Debug)]
pub struct Payloads<'a> {
    whole: &'a [u8],
    rest: &'a [u8],
    next: PayloadType,
    left: usize,
    /// What must not follow the last payload: IKEv1 pads what it encrypts.
    padded: bool,
}

impl<'a> Payloads<'a> {
    /// The chain in `octets`, of which `first` is the first. Offsets in errors count from the start of `octets`.
    #[must_use]
    pub const fn new(first: PayloadType, octets: &'a [u8]) -> Self {
        Self { whole: octets, rest: octets, next: first, left: MAX_PAYLOADS, padded: false }
    }

    /// As [`Self::new`], with padding allowed behind the last one (RFC 2409 Appendix B).
    #[must_use]
    pub const fn padded(first: PayloadType, octets: &'a [u8]) -> Self {
        Self { whole: octets, rest: octets, next: first, left: MAX_PAYLOADS, padded: true }
    }

    /// The header and the payloads of a whole message. Offsets in errors count from the start of the message.
    ///
    /// # Errors
    /// The header is malformed, or its length is not that of `message`.
    pub fn of(message: &'a [u8]) -> Result<(Header, Self), Malformed> {
        let fail = |e| match e {
            Err::Error(fail) | Err::Failure(fail) => codec::Fail::within(&fail, message),
            Err::Incomplete(_) => Malformed { offset: message.len(), field: "end", fault: Fault::Truncated },
        };
        let (rest, header) = Header::take(message).map_err(fail)?;
        if header.length as usize != message.len() {
            return Err(Malformed { offset: 24, field: "length", fault: Fault::Length(header.length as usize) });
        }
        Ok((header, Self { whole: message, rest, next: header.next_payload, left: MAX_PAYLOADS, padded: false }))
    }

    /// What follows the payloads read so far.
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The octets from `body`, a part of a payload, as an offset in what the chain was made of.
    #[must_use]
    pub fn offset_of(&self, part: &[u8]) -> usize {
        self.whole.offset(part)
    }

    fn end(&mut self) -> Option<Result<Payload<'a>, Malformed>> {
        let rest = core::mem::take(&mut self.rest);
        if rest.is_empty() || self.padded {
            return None;
        }
        Some(Err(Malformed { offset: self.whole.offset(rest), field: "end", fault: Fault::Trailing(rest.len()) }))
    }

    fn stop(&mut self, m: Malformed) -> Option<Result<Payload<'a>, Malformed>> {
        self.next = PayloadType::NONE;
        self.rest = &[];
        Some(Err(m))
    }
}

impl<'a> Iterator for Payloads<'a> {
    type Item = Result<Payload<'a>, Malformed>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.next == PayloadType::NONE {
            return self.end();
        }
        let Some(left) = self.left.checked_sub(1) else {
            let offset = self.whole.offset(self.rest);
            return self.stop(Malformed { offset, field: "payloads", fault: Fault::Length(MAX_PAYLOADS) });
        };
        self.left = left;
        match Payload::take(self.rest, self.next) {
            Ok((rest, payload)) => {
                self.rest = rest;
                self.next = match payload.kind {
                    PayloadType::SK | PayloadType::SKF => PayloadType::NONE,
                    _ => payload.next,
                };
                Some(Ok(payload))
            }
            Err(Err::Error(fail) | Err::Failure(fail)) => {
                let m = fail.within(self.whole);
                self.stop(m)
            }
            Err(Err::Incomplete(_)) => {
                let m = Malformed { offset: self.whole.len(), field: "payload", fault: Fault::Truncated };
                self.stop(m)
            }
        }
    }
}

/// Writes a chain of payloads, with or without a message header in front.
#[derive(Debug, Default)]
pub struct Writer {
    octets: Vec<u8>,
    first: Option<PayloadType>,
    /// Where the type of the next payload goes, once there is one.
    link: Option<usize>,
}

impl Writer {
    /// A chain alone, to be encrypted.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A message; next payload and length of the header are filled in.
    #[must_use]
    pub fn message(header: &Header) -> Self {
        let mut octets = Vec::with_capacity(512);
        Header { next_payload: PayloadType::NONE, ..*header }.emit(&mut octets);
        Self { octets, first: None, link: Some(16) }
    }

    /// What the first payload is.
    #[must_use]
    pub fn first(&self) -> PayloadType {
        self.first.unwrap_or(PayloadType::NONE)
    }

    /// Appends a payload whose body `write` writes. A body has at most 65,531 octets: whoever builds it sees to that.
    pub fn put(&mut self, kind: PayloadType, critical: bool, write: impl FnOnce(&mut Vec<u8>)) -> &mut Self {
        if let Some(link) = self.link.and_then(|at| self.octets.get_mut(at)) {
            *link = kind.0;
        }
        self.first.get_or_insert(kind);
        let start = self.octets.len();
        self.link = Some(start);
        self.octets.put_slice(&[0, if critical { Payload::CRITICAL } else { 0 }, 0, 0]);
        write(&mut self.octets);
        let len = u16::try_from(self.octets.len().saturating_sub(start)).unwrap_or(u16::MAX);
        let at = start.saturating_add(2);
        if let Some(field) = self.octets.get_mut(at..).and_then(|o| o.first_chunk_mut::<2>()) {
            *field = len.to_be_bytes();
        }
        self
    }

    /// Appends a payload with a body of these octets.
    pub fn raw(&mut self, kind: PayloadType, body: &[u8]) -> &mut Self {
        self.put(kind, false, |out| out.put_slice(body))
    }

    /// The chain.
    #[must_use]
    pub fn chain(self) -> Vec<u8> {
        self.octets
    }

    /// The chain so far.
    #[must_use]
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// The message, its length filled in.
    #[must_use]
    pub fn finish(mut self) -> Vec<u8> {
        set_length(&mut self.octets);
        self.octets
    }
}

/// Fills the length of a message into its header.
pub(in super::super) fn set_length(message: &mut [u8]) {
    let len = u32::try_from(message.len()).unwrap_or(u32::MAX);
    if let Some(field) = message.get_mut(24..).and_then(|o| o.first_chunk_mut::<4>()) {
        *field = len.to_be_bytes();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_is_linked_and_read_back() {
        let mut w = Writer::new();
        w.raw(PayloadType::NONCE, b"abcd").raw(PayloadType::VENDOR_ID, b"").raw(PayloadType::SK, b"x");
        assert_eq!(w.first(), PayloadType::NONCE);
        let chain = w.chain();
        assert_eq!(chain, *b"\x2b\0\0\x08abcd\x2e\0\0\x04\x00\0\0\x05x");
        let kinds: Vec<_> = Payloads::new(PayloadType::NONCE, &chain).map(|p| p.unwrap().kind).collect();
        assert_eq!(kinds, [PayloadType::NONCE, PayloadType::VENDOR_ID, PayloadType::SK]);
    }

    #[test]
    fn a_chain_ends_at_its_first_fault() {
        let faults = |octets: &[u8]| {
            let all: Vec<_> = Payloads::new(PayloadType::NONCE, octets).collect();
            let m = all.last().copied().unwrap().unwrap_err();
            (all.len(), m.offset, m.fault)
        };
        assert_eq!(faults(b"\x28\0\0\x05x\x28\0\0\x03"), (2, 7, Fault::Length(3)));
        assert_eq!(faults(b"\x28\0\0\x05x"), (2, 5, Fault::Truncated));
        assert_eq!(faults(b"\x00\0\0\x04\x00\0"), (2, 4, Fault::Trailing(2)));
        let endless = b"\x28\0\0\x04".repeat(MAX_PAYLOADS + 1);
        assert_eq!(faults(&endless), (MAX_PAYLOADS + 1, MAX_PAYLOADS * 4, Fault::Length(MAX_PAYLOADS)));
        assert_eq!(Payloads::padded(PayloadType::NONCE, b"\x00\0\0\x04\x00\0").count(), 1);
    }
}
