//! What IKE needs of cryptography, behind one trait: software, or the crypto engine of the embedder.
//!
//! The optional feature `rustcrypto` has [`CryptoProvider`] in software.

mod algorithm;
#[cfg(feature = "rustcrypto")]
pub mod rustcrypto;

use alloc::vec::Vec;

pub use algorithm::{DhGroup, Encryption, EncryptionId, HashId, IntegrityId, PrfId, SignatureScheme};
pub use fwd_core::secret::{Digest, Secret, equal, wipe};

/// Why a cryptographic operation gave nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CryptoError {
    /// The provider does not have this algorithm.
    #[error("algorithm not supported")]
    Unsupported,
    /// A key, a public value or a text has a length that the algorithm does not take.
    #[error("length not allowed")]
    Length,
    /// A public value is none (RFC 6989 §2).
    #[error("public value not valid")]
    PublicValue,
    /// A check value or a signature is wrong.
    #[error("integrity check failed")]
    Integrity,
    /// The engine is at fault.
    #[error("crypto engine failed")]
    Engine,
}

/// One side's half of a Diffie-Hellman exchange.
#[derive(Clone, Debug)]
pub struct DhKey {
    /// The group.
    pub group: DhGroup,
    /// The private value, or what the provider knows it by.
    pub secret: Secret,
    /// The public value, as it is sent.
    pub public: Vec<u8>,
}

/// A key that signs.
#[derive(Clone, Debug)]
pub struct SigningKey {
    /// How it signs.
    pub scheme: SignatureScheme,
    /// The private key (32 octets in both schemes), or what the provider knows it by.
    pub secret: Secret,
    /// Its SubjectPublicKeyInfo.
    pub public: Vec<u8>,
}

/// Where the algorithms come from. Every length that the octets have was checked against [`Encryption`], [`PrfId`] and the others'
/// before; an implementation answers [`CryptoError::Length`] all the same.
pub trait CryptoProvider {
    /// Fills with octets nobody can guess.
    fn random(&mut self, out: &mut [u8]);
    /// Whether it has this encryption with this length of key.
    fn has_encryption(&self, encryption: Encryption) -> bool;
    /// Whether it has this pseudorandom function.
    fn has_prf(&self, prf: PrfId) -> bool;
    /// Whether it has this group.
    fn has_group(&self, group: DhGroup) -> bool;

    /// Hashes the parts, one after the other.
    ///
    /// # Errors
    /// It does not have the hash.
    fn hash(&self, hash: HashId, parts: &[&[u8]]) -> Result<Digest, CryptoError>;

    /// A keyed hash of the parts, one after the other.
    ///
    /// # Errors
    /// It does not have the function.
    fn prf(&self, prf: PrfId, key: &[u8], parts: &[&[u8]]) -> Result<Digest, CryptoError>;

    /// Encrypts in place. `key` has the salt at its end where there is one; `tag` has [`Encryption::tag_len`] octets.
    ///
    /// # Errors
    /// It cannot.
    fn encrypt(
        &mut self,
        encryption: Encryption,
        key: &[u8],
        iv: &[u8],
        associated: &[u8],
        text: &mut [u8],
        tag: &mut [u8],
    ) -> Result<(), CryptoError>;

    /// Checks the check value where there is one, and decrypts in place.
    ///
    /// # Errors
    /// It cannot, or the check value is wrong: `text` may then hold anything.
    fn decrypt(
        &mut self,
        encryption: Encryption,
        key: &[u8],
        iv: &[u8],
        associated: &[u8],
        text: &mut [u8],
        tag: &[u8],
    ) -> Result<(), CryptoError>;

    /// Begins an exchange.
    ///
    /// # Errors
    /// It does not have the group.
    fn dh_begin(&mut self, group: DhGroup) -> Result<DhKey, CryptoError>;

    /// Ends an exchange: the shared secret, padded as the group says (RFC 7296 §2.14).
    ///
    /// # Errors
    /// The peer's value is none.
    fn dh_agree(&mut self, key: &DhKey, peer: &[u8]) -> Result<Secret, CryptoError>;

    /// Signs.
    ///
    /// # Errors
    /// It does not have the scheme, or the key is none.
    fn sign(&mut self, key: &SigningKey, message: &[u8]) -> Result<Vec<u8>, CryptoError>;

    /// Checks a signature by the key of this SubjectPublicKeyInfo.
    ///
    /// # Errors
    /// The signature is not the key's.
    fn verify(
        &mut self,
        scheme: SignatureScheme,
        public: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), CryptoError>;

    /// The check value of an integrity algorithm, as it is sent.
    ///
    /// # Errors
    /// It does not have the algorithm.
    fn icv(&self, integrity: IntegrityId, key: &[u8], parts: &[&[u8]]) -> Result<Digest, CryptoError> {
        let prf = integrity.prf().ok_or(CryptoError::Unsupported)?;
        self.prf(prf, key, parts).map(|digest| Digest::of(digest.truncated(integrity.icv_len())))
    }
}
