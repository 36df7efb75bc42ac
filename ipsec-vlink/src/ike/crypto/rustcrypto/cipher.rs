//! Encryption: AES-GCM, ChaCha20-Poly1305, AES-CBC, Triple DES-CBC.

use aes::cipher::{BlockDecryptMut, BlockEncryptMut, KeyIvInit, generic_array::GenericArray};
use aes::{Aes128, Aes192, Aes256};
use aes_gcm::aead::KeyInit;
use aes_gcm::{AeadInPlace, AesGcm};
use chacha20poly1305::ChaCha20Poly1305;
use chacha20poly1305::consts::U12;
use des::TdesEde3;

use super::super::{CryptoError, Encryption, EncryptionId};

/// Key and nonce of a combined mode algorithm: the salt at the end of the key, and the initialization vector (RFC 4106 §4).
fn nonce<'a>(key: &'a [u8], iv: &[u8]) -> Result<(&'a [u8], [u8; 12]), CryptoError> {
    let (key, salt) = key.split_last_chunk::<4>().ok_or(CryptoError::Length)?;
    let iv: &[u8; 8] = iv.try_into().map_err(|_| CryptoError::Length)?;
    let mut nonce = [0; 12];
    for (to, from) in nonce.iter_mut().zip(salt.iter().chain(iv)) {
        *to = *from;
    }
    Ok((key, nonce))
}

fn seal<A: AeadInPlace<NonceSize = U12> + KeyInit>(
    (key, nonce): (&[u8], [u8; 12]),
    associated: &[u8],
    text: &mut [u8],
    tag: &mut [u8],
) -> Result<(), CryptoError> {
    let cipher = A::new_from_slice(key).map_err(|_| CryptoError::Length)?;
    let made = cipher.encrypt_in_place_detached(&nonce.into(), associated, text).map_err(|_| CryptoError::Length)?;
    if tag.len() != made.len() {
        return Err(CryptoError::Length);
    }
    tag.copy_from_slice(&made);
    Ok(())
}

fn open<A: AeadInPlace<NonceSize = U12> + KeyInit>(
    (key, nonce): (&[u8], [u8; 12]),
    associated: &[u8],
    text: &mut [u8],
    tag: &[u8],
) -> Result<(), CryptoError> {
    let cipher = A::new_from_slice(key).map_err(|_| CryptoError::Length)?;
    if tag.len() != 16 {
        return Err(CryptoError::Length);
    }
    let tag = GenericArray::from_slice(tag);
    cipher.decrypt_in_place_detached(&nonce.into(), associated, text, tag).map_err(|_| CryptoError::Integrity)
}

fn cbc_encrypt<C: BlockEncryptMut + KeyIvInit>(key: &[u8], iv: &[u8], text: &mut [u8]) -> Result<(), CryptoError> {
    let mut cipher = C::new_from_slices(key, iv).map_err(|_| CryptoError::Length)?;
    let mut blocks = text.chunks_exact_mut(C::block_size());
    for block in &mut blocks {
        cipher.encrypt_block_mut(GenericArray::from_mut_slice(block));
    }
    blocks.into_remainder().is_empty().then_some(()).ok_or(CryptoError::Length)
}

fn cbc_decrypt<C: BlockDecryptMut + KeyIvInit>(key: &[u8], iv: &[u8], text: &mut [u8]) -> Result<(), CryptoError> {
    let mut cipher = C::new_from_slices(key, iv).map_err(|_| CryptoError::Length)?;
    let mut blocks = text.chunks_exact_mut(C::block_size());
    for block in &mut blocks {
        cipher.decrypt_block_mut(GenericArray::from_mut_slice(block));
    }
    blocks.into_remainder().is_empty().then_some(()).ok_or(CryptoError::Length)
}

pub(super) fn encrypt(
    encryption: Encryption,
    key: &[u8],
    iv: &[u8],
    associated: &[u8],
    text: &mut [u8],
    tag: &mut [u8],
) -> Result<(), CryptoError> {
    match (encryption.id, encryption.key_bits) {
        (EncryptionId::AES_GCM_16, 128) => seal::<AesGcm<Aes128, U12>>(nonce(key, iv)?, associated, text, tag),
        (EncryptionId::AES_GCM_16, 192) => seal::<AesGcm<Aes192, U12>>(nonce(key, iv)?, associated, text, tag),
        (EncryptionId::AES_GCM_16, 256) => seal::<AesGcm<Aes256, U12>>(nonce(key, iv)?, associated, text, tag),
        (EncryptionId::CHACHA20_POLY1305, _) => seal::<ChaCha20Poly1305>(nonce(key, iv)?, associated, text, tag),
        (EncryptionId::AES_CBC, 128) => cbc_encrypt::<cbc::Encryptor<Aes128>>(key, iv, text),
        (EncryptionId::AES_CBC, 192) => cbc_encrypt::<cbc::Encryptor<Aes192>>(key, iv, text),
        (EncryptionId::AES_CBC, 256) => cbc_encrypt::<cbc::Encryptor<Aes256>>(key, iv, text),
        (EncryptionId::TRIPLE_DES, _) => cbc_encrypt::<cbc::Encryptor<TdesEde3>>(key, iv, text),
        _ => Err(CryptoError::Unsupported),
    }
}

pub(super) fn decrypt(
    encryption: Encryption,
    key: &[u8],
    iv: &[u8],
    associated: &[u8],
    text: &mut [u8],
    tag: &[u8],
) -> Result<(), CryptoError> {
    match (encryption.id, encryption.key_bits) {
        (EncryptionId::AES_GCM_16, 128) => open::<AesGcm<Aes128, U12>>(nonce(key, iv)?, associated, text, tag),
        (EncryptionId::AES_GCM_16, 192) => open::<AesGcm<Aes192, U12>>(nonce(key, iv)?, associated, text, tag),
        (EncryptionId::AES_GCM_16, 256) => open::<AesGcm<Aes256, U12>>(nonce(key, iv)?, associated, text, tag),
        (EncryptionId::CHACHA20_POLY1305, _) => open::<ChaCha20Poly1305>(nonce(key, iv)?, associated, text, tag),
        (EncryptionId::AES_CBC, 128) => cbc_decrypt::<cbc::Decryptor<Aes128>>(key, iv, text),
        (EncryptionId::AES_CBC, 192) => cbc_decrypt::<cbc::Decryptor<Aes192>>(key, iv, text),
        (EncryptionId::AES_CBC, 256) => cbc_decrypt::<cbc::Decryptor<Aes256>>(key, iv, text),
        (EncryptionId::TRIPLE_DES, _) => cbc_decrypt::<cbc::Decryptor<TdesEde3>>(key, iv, text),
        _ => Err(CryptoError::Unsupported),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_encrypted_is_decrypted_and_what_was_changed_is_not() {
        for encryption in [
            Encryption::AES_GCM_128,
            Encryption::AES_GCM_256,
            Encryption::CHACHA20_POLY1305,
            Encryption::AES_CBC_128,
            Encryption::AES_CBC_256,
            Encryption::TRIPLE_DES,
        ] {
            let iv_len = if encryption == Encryption::TRIPLE_DES { 8 } else { encryption.iv_len() };
            let (key, iv) = ([7; 64], [9; 16]);
            let (key, iv) = (&key[..encryption.key_len().unwrap()], &iv[..iv_len]);
            let (mut text, mut tag) = ([5_u8; 48], [0; 16]);
            let tag = &mut tag[..encryption.tag_len()];
            encrypt(encryption, key, iv, b"aad", &mut text, tag).unwrap();
            assert_ne!(text, [5; 48]);
            let mut copy = text;
            decrypt(encryption, key, iv, b"aad", &mut copy, tag).unwrap();
            assert_eq!(copy, [5; 48]);
            if encryption.is_aead() {
                let mut copy = text;
                let refused = decrypt(encryption, key, iv, b"aaD", &mut copy, tag);
                assert_eq!(refused, Err(CryptoError::Integrity), "{encryption:?}");
            } else {
                assert_eq!(decrypt(encryption, key, iv, b"", &mut text[1..], tag), Err(CryptoError::Length));
            }
            assert_eq!(encrypt(encryption, &key[1..], iv, b"", &mut text, tag), Err(CryptoError::Length));
        }
    }
}
