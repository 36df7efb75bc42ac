//! [`CryptoProvider`] in software, by the crates of the RustCrypto project.

use aes::Aes128;
use cmac::{Cmac, Mac};
use hmac::Hmac;
use sha1::Sha1;

use super::{CryptoError, CryptoProvider};

/// The provider.
///
/// ```
/// use fwd_core::tcp_ao::crypto::{CryptoProvider, rustcrypto::RustCrypto};
/// // RFC 4493 §4, example 1: no octets.
/// let key = 0x2b7e1516_28aed2a6_abf71588_09cf4f3c_u128.to_be_bytes();
/// assert_eq!(RustCrypto.aes_128_cmac(&key, &[])?, 0xbb1d6929_e9593728_7fa37d12_9b756746_u128.to_be_bytes());
/// # Ok::<(), fwd_core::tcp_ao::crypto::CryptoError>(())
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct RustCrypto;

fn keyed<M: Mac + hmac::digest::KeyInit>(key: &[u8], parts: &[&[u8]]) -> Result<M, CryptoError> {
    let mut mac = <M as Mac>::new_from_slice(key).map_err(|_| CryptoError::Engine)?;
    parts.iter().for_each(|part| mac.update(part));
    Ok(mac)
}

impl CryptoProvider for RustCrypto {
    fn hmac_sha1(&self, key: &[u8], parts: &[&[u8]]) -> Result<[u8; 20], CryptoError> {
        Ok(keyed::<Hmac<Sha1>>(key, parts)?.finalize().into_bytes().into())
    }

    fn aes_128_cmac(&self, key: &[u8; 16], parts: &[&[u8]]) -> Result<[u8; 16], CryptoError> {
        Ok(keyed::<Cmac<Aes128>>(key, parts)?.finalize().into_bytes().into())
    }
}
