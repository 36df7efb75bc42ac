//! Numbers that nobody has guessed or taken: SPIs, cookies, nonces.

use alloc::vec::Vec;

use super::crypto::CryptoProvider;

/// Octets of our nonces: at least half the key of any pseudorandom function here (RFC 7296 §2.10).
const NONCE_LEN: usize = 32;

/// A nonce.
pub(super) fn nonce(provider: &mut impl CryptoProvider) -> Vec<u8> {
    let mut nonce = alloc::vec![0; NONCE_LEN];
    provider.random(&mut nonce);
    nonce
}

/// The SPI of an IKE SA (RFC 7296 §2.6), or a cookie of ISAKMP: random, which is all that RFC 2408 §2.5.3 asks for where each is looked up.
pub(super) fn ike_spi(provider: &mut impl CryptoProvider, is_taken: impl Fn(&u64) -> bool) -> u64 {
    loop {
        let mut octets = [0; 8];
        provider.random(&mut octets);
        let spi = u64::from_be_bytes(octets);
        if spi != 0 && !is_taken(&spi) {
            return spi;
        }
    }
}

/// An SPI for packets received (RFC 4303 §2.1: above 255).
pub(super) fn esp_spi(provider: &mut impl CryptoProvider, is_taken: impl Fn(&u32) -> bool) -> u32 {
    loop {
        let mut octets = [0; 4];
        provider.random(&mut octets);
        let spi = u32::from_be_bytes(octets);
        if spi > 255 && !is_taken(&spi) {
            return spi;
        }
    }
}
