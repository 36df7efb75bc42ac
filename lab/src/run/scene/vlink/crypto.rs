//! The algorithms that the scene lends to the product crates.

use aes_gcm::aead::AeadInPlace;
use aes_gcm::{Aes128Gcm, KeyInit, Nonce, Tag};
use fwd_core::wire::esp::{Cipher, Context, Refused};
use ipsec_vlink::l2tp::digest::Hashes;
use md5::{Digest, Md5};
use sha1::Sha1;

/// MD5 and SHA-1.
pub struct RustCrypto;

impl Hashes for RustCrypto {
    fn md5(&self, parts: &[&[u8]]) -> [u8; 16] {
        parts.iter().fold(Md5::new(), |digest, part| digest.chain_update(part)).finalize().into()
    }

    fn sha1(&self, parts: &[&[u8]]) -> [u8; 20] {
        parts.iter().fold(Sha1::new(), |digest, part| digest.chain_update(part)).finalize().into()
    }
}

/// AES-128-GCM in ESP (RFC 4106): the initialization vector is the sequence number, which is never used twice.
pub struct AesGcm {
    cipher: Aes128Gcm,
    salt: [u8; 4],
}

impl AesGcm {
    /// Of a key and a salt.
    #[must_use]
    pub fn new(key: [u8; 16], salt: [u8; 4]) -> Self {
        Self { cipher: Aes128Gcm::new(&key.into()), salt }
    }

    fn nonce(&self, iv: &[u8]) -> [u8; 12] {
        let mut nonce = [0; 12];
        for (to, from) in nonce.iter_mut().zip(self.salt.iter().chain(iv)) {
            *to = *from;
        }
        nonce
    }
}

impl Cipher for AesGcm {
    fn iv_len(&self) -> usize {
        8
    }

    fn icv_len(&self) -> usize {
        16
    }

    fn block_len(&self) -> usize {
        4
    }

    fn seal(&mut self, context: &Context, iv: &mut [u8], text: &mut [u8], icv: &mut [u8]) -> Result<(), Refused> {
        iv.copy_from_slice(&context.sequence.to_be_bytes());
        let (data, len) = context.associated_data();
        let nonce = self.nonce(iv);
        let tag = self.cipher.encrypt_in_place_detached(Nonce::from_slice(&nonce), &data[..len], text);
        icv.copy_from_slice(&tag.map_err(|_| Refused)?);
        Ok(())
    }

    fn open(&mut self, context: &Context, iv: &[u8], text: &mut [u8], icv: &[u8]) -> Result<(), Refused> {
        let (data, len) = context.associated_data();
        let nonce = self.nonce(iv);
        let done =
            self.cipher.decrypt_in_place_detached(Nonce::from_slice(&nonce), &data[..len], text, Tag::from_slice(icv));
        done.map_err(|_| Refused)
    }
}
