//! [`CryptoProvider`] in software, by the crates of the RustCrypto and dalek projects.

mod cipher;
mod dh;
mod esp;
mod modp;
mod random;
mod sign;

use alloc::vec::Vec;

use hmac::{Hmac, Mac};
use sha1::Sha1;
use sha2::{Sha256, Sha384, Sha512};

pub use esp::EspCipher;

use super::{
    CryptoError, CryptoProvider, DhGroup, DhKey, Digest, Encryption, EncryptionId, HashId, PrfId, Secret,
    SignatureScheme, SigningKey,
};
use random::Random;

/// The provider.
///
/// ```
/// use ipsec_vlink::ike::crypto::{CryptoProvider, DhGroup, rustcrypto::RustCrypto};
/// let mut ours = RustCrypto::new(&[7; 32]);
/// let (a, b) = (ours.dh_begin(DhGroup::CURVE25519)?, ours.dh_begin(DhGroup::CURVE25519)?);
/// assert!(ours.dh_agree(&a, &b.public)? == ours.dh_agree(&b, &a.public)?);
/// # Ok::<(), ipsec_vlink::ike::crypto::CryptoError>(())
/// ```
#[derive(Debug)]
pub struct RustCrypto {
    random: Random,
}

impl RustCrypto {
    /// A provider whose random octets come from this seed: 32 or more octets from the operating system, or known ones to make a run
    /// repeatable.
    #[must_use]
    pub fn new(seed: &[u8]) -> Self {
        Self { random: Random::new(seed) }
    }

    /// The signing key of an Ed25519 or ECDSA private key of 32 octets, with its public key.
    ///
    /// # Errors
    /// The octets are no private key.
    pub fn signing_key(scheme: SignatureScheme, private: &[u8]) -> Result<SigningKey, CryptoError> {
        sign::signing_key(scheme, private)
    }
}

fn hmac<M: Mac + hmac::digest::KeyInit>(key: &[u8], parts: &[&[u8]]) -> Result<Digest, CryptoError> {
    let mut mac = <M as Mac>::new_from_slice(key).map_err(|_| CryptoError::Length)?;
    parts.iter().for_each(|part| mac.update(part));
    Ok(Digest::of(&mac.finalize().into_bytes()))
}

fn keyed_hash(prf: PrfId, key: &[u8], parts: &[&[u8]]) -> Result<Digest, CryptoError> {
    match prf {
        PrfId::HMAC_SHA1 => hmac::<Hmac<Sha1>>(key, parts),
        PrfId::HMAC_SHA2_256 => hmac::<Hmac<Sha256>>(key, parts),
        PrfId::HMAC_SHA2_384 => hmac::<Hmac<Sha384>>(key, parts),
        PrfId::HMAC_SHA2_512 => hmac::<Hmac<Sha512>>(key, parts),
        _ => Err(CryptoError::Unsupported),
    }
}

fn hash<D: sha2::Digest>(parts: &[&[u8]]) -> Digest {
    let mut hash = D::new();
    parts.iter().for_each(|part| hash.update(part));
    Digest::of(&hash.finalize())
}

impl CryptoProvider for RustCrypto {
    fn random(&mut self, out: &mut [u8]) {
        self.random.fill(out);
    }

    fn has_encryption(&self, encryption: Encryption) -> bool {
        encryption.key_len().is_some() && encryption.id != EncryptionId::NULL
    }

    fn has_prf(&self, prf: PrfId) -> bool {
        prf.hash().is_some()
    }

    fn has_group(&self, group: DhGroup) -> bool {
        group.public_len().is_some()
    }

    fn hash(&self, hash_id: HashId, parts: &[&[u8]]) -> Result<Digest, CryptoError> {
        Ok(match hash_id {
            HashId::SHA1 => hash::<Sha1>(parts),
            HashId::SHA2_256 => hash::<Sha256>(parts),
            HashId::SHA2_384 => hash::<Sha384>(parts),
            HashId::SHA2_512 => hash::<Sha512>(parts),
            _ => return Err(CryptoError::Unsupported),
        })
    }

    fn prf(&self, prf: PrfId, key: &[u8], parts: &[&[u8]]) -> Result<Digest, CryptoError> {
        keyed_hash(prf, key, parts)
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
        cipher::encrypt(encryption, key, iv, associated, text, tag)
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
        cipher::decrypt(encryption, key, iv, associated, text, tag)
    }

    fn dh_begin(&mut self, group: DhGroup) -> Result<DhKey, CryptoError> {
        dh::begin(group, &mut self.random)
    }

    fn dh_agree(&mut self, key: &DhKey, peer: &[u8]) -> Result<Secret, CryptoError> {
        dh::agree(key, peer)
    }

    fn sign(&mut self, key: &SigningKey, message: &[u8]) -> Result<Vec<u8>, CryptoError> {
        sign::sign(key, message)
    }

    fn verify(
        &mut self,
        scheme: SignatureScheme,
        public: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), CryptoError> {
        sign::verify(scheme, public, message, signature)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
    }

    /// RFC 4231 §4.3, RFC 2202 §3 case 2.
    #[test]
    fn keyed_hashes_are_those_of_the_rfcs() {
        let p = RustCrypto::new(b"x");
        let prf = |id| p.prf(id, b"Jefe", &[b"what do ya want ", b"for nothing?"]).unwrap().to_vec();
        assert_eq!(prf(PrfId::HMAC_SHA1), hex("effcdf6ae5eb2fa2d27416d5f184df9c259a7c79"));
        let sha256 = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(prf(PrfId::HMAC_SHA2_256), hex(sha256));
        assert_eq!(
            p.icv(super::super::IntegrityId::HMAC_SHA2_256_128, b"Jefe", &[b"what do ya want for nothing?"])
                .unwrap()
                .len(),
            16
        );
        assert_eq!(p.prf(PrfId(1), b"", &[]).unwrap_err(), CryptoError::Unsupported);
        assert_eq!(prf(PrfId::HMAC_SHA2_384).len() + prf(PrfId::HMAC_SHA2_512).len(), 112);
    }

    #[test]
    fn every_algorithm_measures_what_it_says() {
        let mut p = RustCrypto::new(b"seed");
        for id in 0..64 {
            let (prf, group) = (PrfId(id), DhGroup(id));
            assert_eq!(p.has_prf(prf), prf.output_len().is_some(), "{prf:?}");
            if let Some(len) = prf.output_len() {
                assert_eq!(p.prf(prf, b"k", &[b"x"]).unwrap().len(), len, "{prf:?}");
            }
            if let Some(len) = group.public_len() {
                let (a, b) = (p.dh_begin(group).unwrap(), p.dh_begin(group).unwrap());
                assert_eq!((a.public.len(), a.public == b.public), (len, false), "{group:?}");
                let shared = p.dh_agree(&a, &b.public).unwrap();
                assert!(shared == p.dh_agree(&b, &a.public).unwrap(), "{group:?}");
                assert_eq!(p.dh_agree(&a, &b.public[1..]).unwrap_err(), CryptoError::Length, "{group:?}");
            }
        }
    }
}
