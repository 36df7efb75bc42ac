//! What TCP-AO needs of cryptography, behind one trait: software, or the crypto engine of the embedder.
//!
//! The optional feature `rustcrypto` has [`CryptoProvider`] in software.

#[cfg(feature = "rustcrypto")]
pub mod rustcrypto;

use core::fmt;

/// Why a cryptographic operation gave nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CryptoError {
    /// The provider does not have this algorithm.
    Unsupported,
    /// The engine is at fault.
    Engine,
}

impl fmt::Display for CryptoError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unsupported => "algorithm not supported",
            Self::Engine => "crypto engine failed",
        })
    }
}

impl core::error::Error for CryptoError {}

/// Where the algorithms of RFC 5926 come from.
pub trait CryptoProvider {
    /// HMAC with SHA-1 of the parts, one after the other (RFC 2104).
    ///
    /// # Errors
    /// It cannot.
    fn hmac_sha1(&self, key: &[u8], parts: &[&[u8]]) -> Result<[u8; 20], CryptoError>;

    /// CMAC with AES-128 of the parts, one after the other (RFC 4493).
    ///
    /// # Errors
    /// It cannot.
    fn aes_128_cmac(&self, key: &[u8; 16], parts: &[&[u8]]) -> Result<[u8; 16], CryptoError>;
}
