//! The Encrypted and Authenticated payload: one direction's cipher of an IKE SA (RFC 7296 §3.14, RFC 5282), in fragments where a message
//! is long (RFC 7383).

use alloc::vec::Vec;

use super::super::config::IkeSuite;
use super::super::crypto::{CryptoError, CryptoProvider, Secret, equal};
use super::super::header::Header;
use super::super::payload::{EncryptedFragment, Payload, PayloadType, Writer, set_length};

/// The cipher of what one end sends.
#[derive(Debug)]
pub(super) struct Channel {
    encryption: Secret,
    integrity: Secret,
    suite: IkeSuite,
    /// Counts initialization vectors of counter modes.
    sealed: u64,
}

/// Where the parts of a sealed message are.
struct Parts<'a> {
    iv: &'a [u8],
    text: &'a [u8],
    tag: &'a [u8],
}

impl Channel {
    pub(super) const fn new(suite: IkeSuite, encryption: Secret, integrity: Secret) -> Self {
        Self { encryption, integrity, suite, sealed: 0 }
    }

    fn tag_len(&self) -> usize {
        if self.suite.encryption.is_aead() { self.suite.encryption.tag_len() } else { self.suite.integrity.icv_len() }
    }

    /// What sealing adds to the payloads inside, at most.
    fn overhead(&self) -> usize {
        let encryption = self.suite.encryption;
        let fixed = Header::LEN.saturating_add(Payload::HEADER_LEN).saturating_add(EncryptedFragment::HEADER_LEN);
        fixed.saturating_add(encryption.iv_len()).saturating_add(encryption.block_len()).saturating_add(self.tag_len())
    }

    /// Seals payloads as one message, or as several where they would be longer than `limit`.
    pub(super) fn seal(
        &mut self,
        provider: &mut impl CryptoProvider,
        header: &Header,
        inner: &Writer,
        limit: Option<usize>,
    ) -> Result<Vec<Vec<u8>>, CryptoError> {
        let text = inner.octets();
        let room = limit.map_or(usize::MAX, |limit| limit.saturating_sub(self.overhead()).max(1));
        if text.len() <= room {
            return Ok(alloc::vec![self.seal_one(provider, header, PayloadType::SK, inner.first(), &[], text)?]);
        }
        let total = u16::try_from(text.len().div_ceil(room)).map_err(|_| CryptoError::Length)?;
        let mut messages = Vec::with_capacity(total.into());
        for (number, piece) in (1_u16..).zip(text.chunks(room)) {
            // RFC 7383 §2.5: the first fragment says what the first payload is.
            let first = if number == 1 { inner.first() } else { PayloadType::NONE };
            let [n0, n1] = number.to_be_bytes();
            let [t0, t1] = total.to_be_bytes();
            messages.push(self.seal_one(provider, header, PayloadType::SKF, first, &[n0, n1, t0, t1], piece)?);
        }
        Ok(messages)
    }

    fn seal_one(
        &mut self,
        provider: &mut impl CryptoProvider,
        header: &Header,
        kind: PayloadType,
        first: PayloadType,
        front: &[u8],
        text: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        let encryption = self.suite.encryption;
        let mut out = Vec::with_capacity(text.len().saturating_add(self.overhead()));
        Header { next_payload: kind, ..*header }.emit(&mut out);
        let block = encryption.block_len();
        let padded = text.len().saturating_add(1).next_multiple_of(block);
        let len = [4, front.len(), encryption.iv_len(), padded, self.tag_len()];
        let len = u16::try_from(len.iter().sum::<usize>()).map_err(|_| CryptoError::Length)?;
        let [l0, l1] = len.to_be_bytes();
        out.extend_from_slice(&[first.0, 0, l0, l1]);
        out.extend_from_slice(front);
        let associated = out.len();
        self.sealed = self.sealed.checked_add(1).ok_or(CryptoError::Engine)?;
        let mut iv = [0; 16];
        if encryption.is_aead() {
            // RFC 5282 §3.1: it must never repeat under one key.
            iv = u128::from(self.sealed).wrapping_shl(64).to_be_bytes();
        } else {
            provider.random(&mut iv);
        }
        let iv = iv.get(..encryption.iv_len()).ok_or(CryptoError::Length)?;
        out.extend_from_slice(iv);
        let start = out.len();
        out.extend_from_slice(text);
        let padding = padded.saturating_sub(text.len()).saturating_sub(1);
        out.resize(start.saturating_add(padded).saturating_sub(1), 0);
        out.push(u8::try_from(padding).map_err(|_| CryptoError::Length)?);
        // The length of the whole is authenticated.
        out.resize(out.len().saturating_add(self.tag_len()), 0);
        set_length(&mut out);
        out.truncate(start.saturating_add(padded));
        let (head, text) = out.split_at_mut_checked(start).ok_or(CryptoError::Length)?;
        let aad = head.get(..associated).ok_or(CryptoError::Length)?;
        if encryption.is_aead() {
            let mut tag = [0; 16];
            provider.encrypt(encryption, &self.encryption, iv, aad, text, &mut tag)?;
            out.extend_from_slice(&tag);
        } else {
            provider.encrypt(encryption, &self.encryption, iv, &[], text, &mut [])?;
            let icv = provider.icv(self.suite.integrity, &self.integrity, &[&out])?;
            out.extend_from_slice(&icv);
        }
        Ok(out)
    }

    fn parts<'a>(&self, sealed: &'a [u8]) -> Option<Parts<'a>> {
        let (iv, rest) = sealed.split_at_checked(self.suite.encryption.iv_len())?;
        let (text, tag) = rest.split_at_checked(rest.len().checked_sub(self.tag_len())?)?;
        Some(Parts { iv, text, tag })
    }

    /// Checks and decrypts what is sealed in `message`, of which `sealed` is the end. The padding is taken off.
    pub(super) fn open(
        &self,
        provider: &mut impl CryptoProvider,
        message: &[u8],
        sealed: &[u8],
    ) -> Result<Vec<u8>, CryptoError> {
        let encryption = self.suite.encryption;
        let Parts { iv, text, tag } = self.parts(sealed).ok_or(CryptoError::Length)?;
        let mut text = text.to_vec();
        if encryption.is_aead() {
            let associated = message.len().checked_sub(sealed.len()).and_then(|at| message.get(..at));
            let associated = associated.ok_or(CryptoError::Length)?;
            provider.decrypt(encryption, &self.encryption, iv, associated, &mut text, tag)?;
        } else {
            let covered = message.len().checked_sub(tag.len()).and_then(|at| message.get(..at));
            let icv = provider.icv(self.suite.integrity, &self.integrity, &[covered.ok_or(CryptoError::Length)?])?;
            if !equal(&icv, tag) {
                return Err(CryptoError::Integrity);
            }
            provider.decrypt(encryption, &self.encryption, iv, &[], &mut text, &[])?;
        }
        let padding = usize::from(text.pop().ok_or(CryptoError::Length)?);
        let len = text.len().checked_sub(padding).ok_or(CryptoError::Length)?;
        text.truncate(len);
        Ok(text)
    }
}

/// Fragments of one message on their way to be whole (RFC 7383 §2.6).
#[derive(Debug, Default)]
pub(super) struct Reassembly {
    /// The message and in how many pieces it comes.
    of: Option<(u32, u16)>,
    pieces: Vec<Option<Vec<u8>>>,
    missing: u16,
    octets: usize,
    first: Option<PayloadType>,
}

/// What a fragment led to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fragments {
    /// There are more to come.
    Waiting,
    /// It does not fit those before it.
    Refused,
    /// The payloads, and what the first is.
    Whole(PayloadType, Vec<u8>),
}

impl Reassembly {
    /// The most pieces that a message may come in.
    const PIECES: u16 = 128;
    /// The most octets that a message may have.
    const OCTETS: usize = 65_535;

    /// Takes a fragment whose integrity is proven.
    pub(super) fn take(&mut self, id: u32, next: PayloadType, f: &EncryptedFragment<'_>, text: Vec<u8>) -> Fragments {
        if f.total > Self::PIECES {
            return Fragments::Refused;
        }
        match self.of {
            // RFC 7383 §2.6: a larger total replaces a smaller one, which the peer has given up.
            Some((known, total)) if known == id && f.total < total => return Fragments::Refused,
            Some((known, total)) if known == id && f.total == total => {}
            _ => {
                *self = Self { of: Some((id, f.total)), missing: f.total, ..Self::default() };
                self.pieces.resize(f.total.into(), None);
            }
        }
        let at = usize::from(f.number).saturating_sub(1);
        let Some(place) = self.pieces.get_mut(at) else { return Fragments::Refused };
        if place.is_some() {
            return Fragments::Waiting;
        }
        self.octets = self.octets.saturating_add(text.len());
        if self.octets > Self::OCTETS {
            *self = Self::default();
            return Fragments::Refused;
        }
        *place = Some(text);
        if f.number == 1 {
            self.first = Some(next);
        }
        self.missing = self.missing.saturating_sub(1);
        if self.missing > 0 {
            return Fragments::Waiting;
        }
        let whole = core::mem::take(self);
        let text = whole.pieces.into_iter().flatten().collect::<Vec<_>>().concat();
        Fragments::Whole(whole.first.unwrap_or(PayloadType::NONE), text)
    }
}

#[cfg(all(test, feature = "rustcrypto"))]
mod tests {
    use super::*;
    use crate::ike::crypto::rustcrypto::RustCrypto;
    use crate::ike::header::{ExchangeType, HeaderFlags};
    use crate::ike::payload::Payloads;

    fn header() -> Header {
        Header {
            initiator_spi: 1,
            responder_spi: 2,
            next_payload: PayloadType::NONE,
            version: Header::VERSION_2,
            exchange: ExchangeType::INFORMATIONAL,
            flags: HeaderFlags::INITIATOR,
            message_id: 7,
            length: 0,
        }
    }

    fn channel(suite: IkeSuite) -> Channel {
        let key = |len: Option<usize>| Secret::new(alloc::vec![3; len.unwrap()]);
        Channel::new(suite, key(suite.encryption.key_len()), key(suite.integrity.key_len()))
    }

    #[test]
    fn messages_are_sealed_whole_and_in_fragments() {
        let mut provider = RustCrypto::new(b"x");
        for suite in [IkeSuite::AES_GCM_128_X25519, IkeSuite::AES_CBC_256_MODP_2048] {
            let mut c = channel(suite);
            for len in [0, 1, 15, 16, 700, 3000] {
                let mut inner = Writer::new();
                inner.raw(PayloadType::VENDOR_ID, &alloc::vec![9; len]);
                let messages = c.seal(&mut provider, &header(), &inner, Some(600)).unwrap();
                assert_eq!(messages.len() > 1, len >= 700, "{len}");
                let mut all = Reassembly::default();
                let mut whole = None;
                // Out of order, one of them twice.
                for message in messages.iter().rev().chain(messages.last()) {
                    assert!(message.len() <= 600);
                    let (_, mut payloads) = Payloads::of(message).unwrap();
                    let p = payloads.next().unwrap().unwrap();
                    if p.kind == PayloadType::SK {
                        whole.get_or_insert((p.next, c.open(&mut provider, message, p.body).unwrap()));
                        continue;
                    }
                    let (at, total) =
                        (u16::from_be_bytes([p.body[0], p.body[1]]), u16::from_be_bytes([p.body[2], p.body[3]]));
                    let f = EncryptedFragment { number: at, total, sealed: &p.body[4..] };
                    let text = c.open(&mut provider, message, f.sealed).unwrap();
                    if let Fragments::Whole(first, text) = all.take(7, p.next, &f, text) {
                        whole.get_or_insert((first, text));
                    }
                }
                assert_eq!(whole, Some((PayloadType::VENDOR_ID, inner.chain())), "{suite:?} {len}");
            }
        }
    }

    #[test]
    fn a_changed_octet_is_found_anywhere() {
        let mut provider = RustCrypto::new(b"x");
        for suite in [IkeSuite::AES_GCM_128_X25519, IkeSuite::AES_CBC_256_MODP_2048] {
            let mut c = channel(suite);
            let mut inner = Writer::new();
            inner.raw(PayloadType::VENDOR_ID, b"abc");
            let message = c.seal(&mut provider, &header(), &inner, None).unwrap().remove(0);
            for at in 0..message.len() {
                let mut forged = message.clone();
                forged[at] ^= 0x40;
                let opened = c.open(&mut provider, &forged, &forged[32..]);
                assert!(opened.is_err(), "{suite:?} octet {at}");
            }
            for len in 0..message.len() {
                assert!(c.open(&mut provider, &message[..len], message.get(32..len).unwrap_or(&[])).is_err());
            }
        }
    }

    #[test]
    fn fragments_are_bounded() {
        let mut all = Reassembly::default();
        let f = |number, total| EncryptedFragment { number, total, sealed: &[] };
        let next = PayloadType::NONE;
        assert_eq!(all.take(1, next, &f(1, 129), Vec::new()), Fragments::Refused);
        assert_eq!(all.take(1, next, &f(1, 3), alloc::vec![0; 40_000]), Fragments::Waiting);
        assert_eq!(all.take(1, next, &f(2, 2), Vec::new()), Fragments::Refused);
        assert_eq!(all.take(1, next, &f(2, 3), alloc::vec![0; 40_000]), Fragments::Refused);
        assert_eq!(all.take(1, next, &f(1, 2), Vec::new()), Fragments::Waiting);
        assert_eq!(all.take(2, next, &f(2, 2), Vec::new()), Fragments::Waiting, "another message");
        assert_eq!(
            all.take(2, PayloadType::SA, &f(1, 2), alloc::vec![1]),
            Fragments::Whole(PayloadType::SA, alloc::vec![1])
        );
    }
}
