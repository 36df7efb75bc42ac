//! A provider that remembers what it was asked for: what went into encryption, and how much work there was.

use std::cell::RefCell;
use std::rc::Rc;

use ipsec_vlink::ike::crypto::rustcrypto::RustCrypto;
use ipsec_vlink::ike::crypto::{
    CryptoError, CryptoProvider, DhGroup, DhKey, Digest, Encryption, HashId, PrfId, Secret, SignatureScheme, SigningKey,
};

/// What was asked for.
#[derive(Debug, Default)]
pub struct Log {
    /// Payloads in the clear, before they were encrypted.
    pub payloads: Vec<Vec<u8>>,
    /// Halves of key exchanges.
    pub exchanges: usize,
}

pub struct Spy {
    inner: RustCrypto,
    pub log: Rc<RefCell<Log>>,
}

impl Spy {
    pub fn new(seed: &[u8]) -> Self {
        Self { inner: RustCrypto::new(seed), log: Rc::default() }
    }
}

impl CryptoProvider for Spy {
    fn random(&mut self, out: &mut [u8]) {
        self.inner.random(out);
    }

    fn has_encryption(&self, encryption: Encryption) -> bool {
        self.inner.has_encryption(encryption)
    }

    fn has_prf(&self, prf: PrfId) -> bool {
        self.inner.has_prf(prf)
    }

    fn has_group(&self, group: DhGroup) -> bool {
        self.inner.has_group(group)
    }

    fn hash(&self, hash: HashId, parts: &[&[u8]]) -> Result<Digest, CryptoError> {
        self.inner.hash(hash, parts)
    }

    fn prf(&self, prf: PrfId, key: &[u8], parts: &[&[u8]]) -> Result<Digest, CryptoError> {
        self.inner.prf(prf, key, parts)
    }

    fn encrypt(
        &mut self,
        encryption: Encryption,
        key: &[u8],
        iv: &[u8],
        associated: &[u8],
        text: &mut [u8],
        tag: &mut [u8],
    ) -> Result<(), CryptoError> {
        // The payload that the chain begins with is said by the header.
        let next = associated.get(28).copied().unwrap_or(0);
        self.log.borrow_mut().payloads.push([&[next], &*text].concat());
        self.inner.encrypt(encryption, key, iv, associated, text, tag)
    }

    fn decrypt(
        &mut self,
        encryption: Encryption,
        key: &[u8],
        iv: &[u8],
        associated: &[u8],
        text: &mut [u8],
        tag: &[u8],
    ) -> Result<(), CryptoError> {
        self.inner.decrypt(encryption, key, iv, associated, text, tag)
    }

    fn dh_begin(&mut self, group: DhGroup) -> Result<DhKey, CryptoError> {
        self.log.borrow_mut().exchanges += 1;
        self.inner.dh_begin(group)
    }

    fn dh_agree(&mut self, key: &DhKey, peer: &[u8]) -> Result<Secret, CryptoError> {
        self.log.borrow_mut().exchanges += 1;
        self.inner.dh_agree(key, peer)
    }

    fn sign(&mut self, key: &SigningKey, message: &[u8]) -> Result<Vec<u8>, CryptoError> {
        self.inner.sign(key, message)
    }

    fn verify(
        &mut self,
        scheme: SignatureScheme,
        public: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), CryptoError> {
        self.inner.verify(scheme, public, message, signature)
    }
}
