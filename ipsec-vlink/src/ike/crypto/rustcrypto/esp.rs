//! Ciphers of ESP with their key schedules made once, for [`fwd_core::sa`].

use aes::cipher::generic_array::GenericArray;
use aes::{Aes128, Aes192, Aes256};
use aes_gcm::aead::KeyInit;
use aes_gcm::{AeadInPlace, AesGcm};
use chacha20poly1305::ChaCha20Poly1305;
use chacha20poly1305::consts::U12;
use fwd_core::wire::esp::{Cipher, Context, Refused};

use super::super::super::child_sa::{EspKeys, EspSuite};
use super::super::{CryptoError, Encryption, EncryptionId, IntegrityId, PrfId, Secret, equal};
use super::{cipher, keyed_hash};

#[derive(Clone)]
enum Aead {
    Gcm128(AesGcm<Aes128, U12>),
    Gcm192(AesGcm<Aes192, U12>),
    Gcm256(AesGcm<Aes256, U12>),
    ChaCha(ChaCha20Poly1305),
}

// The large one is the one in use: a cipher is not to be behind another pointer.
#[allow(clippy::large_enum_variant)]
#[derive(Clone)]
enum Kind {
    /// Encryption and integrity in one, with its salt (RFC 4106, RFC 7634).
    Aead(Aead, [u8; 4]),
    /// CBC, or nothing, and a HMAC over all of it (RFC 3602, RFC 4868).
    Separate { encryption: Encryption, integrity: IntegrityId, keys: EspKeys, seed: Secret },
}

/// The cipher of one direction of an ESP SA.
#[derive(Clone)]
pub struct EspCipher {
    kind: Kind,
}

impl core::fmt::Debug for EspCipher {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("EspCipher")
    }
}

impl EspCipher {
    /// The cipher of these algorithms with these keys.
    ///
    /// # Errors
    /// The algorithms are none of this provider's, or the keys have other lengths.
    pub fn new(suite: &EspSuite, keys: &EspKeys) -> Result<Self, CryptoError> {
        let key_len = suite.encryption.key_len().ok_or(CryptoError::Unsupported)?;
        if keys.encryption.len() != key_len || Some(keys.integrity.len()) != suite.integrity.key_len() {
            return Err(CryptoError::Length);
        }
        if !suite.encryption.is_aead() {
            if suite.integrity == IntegrityId::NONE {
                return Err(CryptoError::Unsupported);
            }
            // Initialization vectors are encrypted numbers, unpredictable without this key.
            let seed = keyed_hash(PrfId::HMAC_SHA2_256, &keys.integrity, &[&keys.encryption, b"IV"])?;
            let (encryption, integrity) = (suite.encryption, suite.integrity);
            let seed = Secret::copy(&seed);
            return Ok(Self { kind: Kind::Separate { encryption, integrity, keys: keys.clone(), seed } });
        }
        let (key, salt) = keys.encryption.split_last_chunk::<4>().ok_or(CryptoError::Length)?;
        let aead = match (suite.encryption.id, key.len()) {
            (EncryptionId::AES_GCM_16, 16) => Aead::Gcm128(AesGcm::new(GenericArray::from_slice(key))),
            (EncryptionId::AES_GCM_16, 24) => Aead::Gcm192(AesGcm::new(GenericArray::from_slice(key))),
            (EncryptionId::AES_GCM_16, 32) => Aead::Gcm256(AesGcm::new(GenericArray::from_slice(key))),
            (EncryptionId::CHACHA20_POLY1305, 32) => Aead::ChaCha(ChaCha20Poly1305::new(GenericArray::from_slice(key))),
            _ => return Err(CryptoError::Unsupported),
        };
        Ok(Self { kind: Kind::Aead(aead, *salt) })
    }
}

fn nonce(salt: [u8; 4], iv: &[u8]) -> Result<[u8; 12], Refused> {
    let iv: &[u8; 8] = iv.try_into().map_err(|_| Refused)?;
    let mut nonce = [0; 12];
    for (to, from) in nonce.iter_mut().zip(salt.iter().chain(iv)) {
        *to = *from;
    }
    Ok(nonce)
}

impl Aead {
    fn seal(&self, nonce: [u8; 12], associated: &[u8], text: &mut [u8], icv: &mut [u8]) -> Result<(), Refused> {
        let nonce = GenericArray::from_slice(&nonce);
        let tag = match self {
            Self::Gcm128(c) => c.encrypt_in_place_detached(nonce, associated, text),
            Self::Gcm192(c) => c.encrypt_in_place_detached(nonce, associated, text),
            Self::Gcm256(c) => c.encrypt_in_place_detached(nonce, associated, text),
            Self::ChaCha(c) => c.encrypt_in_place_detached(nonce, associated, text),
        };
        let tag = tag.map_err(|_| Refused)?;
        if icv.len() != tag.len() {
            return Err(Refused);
        }
        icv.copy_from_slice(&tag);
        Ok(())
    }

    fn open(&self, nonce: [u8; 12], associated: &[u8], text: &mut [u8], icv: &[u8]) -> Result<(), Refused> {
        if icv.len() != 16 {
            return Err(Refused);
        }
        let (nonce, tag) = (GenericArray::from_slice(&nonce), GenericArray::from_slice(icv));
        match self {
            Self::Gcm128(c) => c.decrypt_in_place_detached(nonce, associated, text, tag),
            Self::Gcm192(c) => c.decrypt_in_place_detached(nonce, associated, text, tag),
            Self::Gcm256(c) => c.decrypt_in_place_detached(nonce, associated, text, tag),
            Self::ChaCha(c) => c.decrypt_in_place_detached(nonce, associated, text, tag),
        }
        .map_err(|_| Refused)
    }
}

/// The check value of a packet whose integrity is a HMAC's: header, initialization vector, ciphertext, and the high half of an extended
/// sequence number (RFC 4303 §2.2.1).
fn icv(
    integrity: IntegrityId,
    key: &[u8],
    context: &Context,
    iv: &[u8],
    text: &[u8],
) -> Result<super::Digest, Refused> {
    let [h0, h1, h2, h3, low @ ..] = context.sequence.to_be_bytes();
    let high = [h0, h1, h2, h3];
    let high: &[u8] = if context.extended { &high } else { &[] };
    let parts = [&context.spi.to_be_bytes()[..], &low, iv, text, high];
    let prf = integrity.prf().ok_or(Refused)?;
    let digest = keyed_hash(prf, key, &parts).map_err(|_| Refused)?;
    Ok(super::Digest::of(digest.truncated(integrity.icv_len())))
}

impl Cipher for EspCipher {
    fn iv_len(&self) -> usize {
        match &self.kind {
            Kind::Aead(..) => 8,
            Kind::Separate { encryption, .. } => encryption.iv_len(),
        }
    }

    fn icv_len(&self) -> usize {
        match &self.kind {
            Kind::Aead(..) => 16,
            Kind::Separate { integrity, .. } => integrity.icv_len(),
        }
    }

    fn block_len(&self) -> usize {
        match &self.kind {
            Kind::Aead(..) => 4,
            Kind::Separate { encryption, .. } => encryption.block_len(),
        }
    }

    fn seal(&mut self, context: &Context, iv: &mut [u8], text: &mut [u8], check: &mut [u8]) -> Result<(), Refused> {
        match &self.kind {
            Kind::Aead(aead, salt) => {
                // The sequence number never repeats under one key (RFC 4106 §3.1).
                iv.copy_from_slice(&context.sequence.to_be_bytes());
                let (associated, len) = context.associated_data();
                aead.seal(nonce(*salt, iv)?, associated.get(..len).ok_or(Refused)?, text, check)
            }
            Kind::Separate { encryption, integrity, keys, seed } => {
                let number = context.sequence.to_be_bytes();
                let made = keyed_hash(PrfId::HMAC_SHA2_256, seed, &[&number]).map_err(|_| Refused)?;
                iv.copy_from_slice(made.truncated(iv.len()));
                if encryption.id != EncryptionId::NULL {
                    cipher::encrypt(*encryption, &keys.encryption, iv, &[], text, &mut []).map_err(|_| Refused)?;
                }
                check.copy_from_slice(&icv(*integrity, &keys.integrity, context, iv, text)?);
                Ok(())
            }
        }
    }

    fn open(&mut self, context: &Context, iv: &[u8], text: &mut [u8], check: &[u8]) -> Result<(), Refused> {
        match &self.kind {
            Kind::Aead(aead, salt) => {
                let (associated, len) = context.associated_data();
                aead.open(nonce(*salt, iv)?, associated.get(..len).ok_or(Refused)?, text, check)
            }
            Kind::Separate { encryption, integrity, keys, .. } => {
                if !equal(check, &icv(*integrity, &keys.integrity, context, iv, text)?) {
                    return Err(Refused);
                }
                if encryption.id == EncryptionId::NULL {
                    return Ok(());
                }
                cipher::decrypt(*encryption, &keys.encryption, iv, &[], text, &[]).map_err(|_| Refused)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fwd_core::wire::IpProtocol;
    use fwd_core::wire::esp;

    fn cipher(encryption: Encryption, integrity: IntegrityId) -> EspCipher {
        let keys = EspKeys {
            encryption: Secret::zeros(encryption.key_len().unwrap()),
            integrity: Secret::zeros(integrity.key_len().unwrap()),
        };
        EspCipher::new(&EspSuite { encryption, integrity, extended: false }, &keys).unwrap()
    }

    #[test]
    fn packets_are_sealed_and_opened_by_every_suite() {
        for (encryption, integrity) in [
            (Encryption::AES_GCM_128, IntegrityId::NONE),
            (Encryption::AES_GCM_256, IntegrityId::NONE),
            (Encryption::CHACHA20_POLY1305, IntegrityId::NONE),
            (Encryption::AES_CBC_256, IntegrityId::HMAC_SHA2_256_128),
            (Encryption::AES_CBC_128, IntegrityId::HMAC_SHA1_96),
            (Encryption::NULL, IntegrityId::HMAC_SHA2_512_256),
        ] {
            for extended in [false, true] {
                let mut c = cipher(encryption, integrity);
                let context = Context { spi: 0x1234, sequence: 0x1_0000_0007, extended };
                let over = esp::overhead(&c, 61);
                let mut packet = alloc::vec![0x55; over.front + 61 + over.back];
                esp::seal(&mut c, &context, &mut packet, 61, IpProtocol::GRE).unwrap();
                let is_clear = packet[over.front..].starts_with(&[0x55; 61]);
                assert_eq!(is_clear, encryption == Encryption::NULL);
                let mut copy = packet.clone();
                let opened = esp::open(&mut c, &context, &mut copy).unwrap();
                assert_eq!((opened.next, opened.len), (IpProtocol::GRE, 61));
                assert_eq!(copy[opened.offset..][..61], [0x55; 61]);
                for at in [0, over.front, packet.len() - 1] {
                    let mut forged = packet.clone();
                    forged[at] ^= 1;
                    let forged_context = Context { spi: if at == 0 { 0x0100_1234 } else { context.spi }, ..context };
                    assert!(esp::open(&mut c, &forged_context, &mut forged).is_err(), "{encryption:?} {at}");
                }
            }
        }
    }

    #[test]
    fn encryption_without_integrity_is_refused() {
        let keys = EspKeys { encryption: Secret::zeros(16), integrity: Secret::zeros(0) };
        let suite = EspSuite { encryption: Encryption::AES_CBC_128, integrity: IntegrityId::NONE, extended: false };
        assert_eq!(EspCipher::new(&suite, &keys).unwrap_err(), CryptoError::Unsupported);
        let suite = EspSuite { encryption: Encryption::AES_GCM_128, ..suite };
        assert_eq!(EspCipher::new(&suite, &keys).unwrap_err(), CryptoError::Length);
    }
}
