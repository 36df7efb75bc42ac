//! Signatures by raw public keys: Ed25519 (RFC 8420), ECDSA with SHA-256 on the 256-bit curve (RFC 7427 Appendix A.3).

use alloc::vec::Vec;

use ed25519_dalek::Signer;
use p256::ecdsa;

use super::super::{CryptoError, Secret, SignatureScheme, SigningKey};

fn ed25519(private: &[u8]) -> Result<ed25519_dalek::SigningKey, CryptoError> {
    let private: &[u8; 32] = private.try_into().map_err(|_| CryptoError::Length)?;
    Ok(ed25519_dalek::SigningKey::from_bytes(private))
}

fn ecdsa_key(private: &[u8]) -> Result<ecdsa::SigningKey, CryptoError> {
    if private.len() != 32 {
        return Err(CryptoError::Length);
    }
    ecdsa::SigningKey::from_slice(private).map_err(|_| CryptoError::PublicValue)
}

pub(super) fn signing_key(scheme: SignatureScheme, private: &[u8]) -> Result<SigningKey, CryptoError> {
    let mut public = scheme.public_key_prefix().to_vec();
    match scheme {
        SignatureScheme::Ed25519 => public.extend_from_slice(ed25519(private)?.verifying_key().as_bytes()),
        SignatureScheme::EcdsaP256Sha256 => {
            public.extend_from_slice(ecdsa_key(private)?.verifying_key().to_encoded_point(false).as_bytes());
        }
    }
    Ok(SigningKey { scheme, secret: Secret::copy(private), public })
}

pub(super) fn sign(key: &SigningKey, message: &[u8]) -> Result<Vec<u8>, CryptoError> {
    match key.scheme {
        SignatureScheme::Ed25519 => Ok(ed25519(&key.secret)?.sign(message).to_bytes().to_vec()),
        SignatureScheme::EcdsaP256Sha256 => {
            let signature: ecdsa::Signature = ecdsa_key(&key.secret)?.sign(message);
            Ok(signature.to_der().as_bytes().to_vec())
        }
    }
}

pub(super) fn verify(
    scheme: SignatureScheme,
    public: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<(), CryptoError> {
    let key = public.strip_prefix(scheme.public_key_prefix()).ok_or(CryptoError::PublicValue)?;
    match scheme {
        SignatureScheme::Ed25519 => {
            let key = key.try_into().map_err(|_| CryptoError::Length)?;
            let key = ed25519_dalek::VerifyingKey::from_bytes(key).map_err(|_| CryptoError::PublicValue)?;
            let signature = ed25519_dalek::Signature::from_slice(signature).map_err(|_| CryptoError::Length)?;
            key.verify_strict(message, &signature).map_err(|_| CryptoError::Integrity)
        }
        SignatureScheme::EcdsaP256Sha256 => {
            use ecdsa::signature::Verifier;
            let key = ecdsa::VerifyingKey::from_sec1_bytes(key).map_err(|_| CryptoError::PublicValue)?;
            let signature = ecdsa::Signature::from_der(signature).map_err(|_| CryptoError::Length)?;
            key.verify(message, &signature).map_err(|_| CryptoError::Integrity)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_of_one_key_and_one_message() {
        for scheme in [SignatureScheme::Ed25519, SignatureScheme::EcdsaP256Sha256] {
            let (ours, other) = (signing_key(scheme, &[5; 32]).unwrap(), signing_key(scheme, &[6; 32]).unwrap());
            let signature = sign(&ours, b"message").unwrap();
            assert_eq!(verify(scheme, &ours.public, b"message", &signature), Ok(()));
            assert_eq!(verify(scheme, &other.public, b"message", &signature), Err(CryptoError::Integrity));
            assert_eq!(verify(scheme, &ours.public, b"messagE", &signature), Err(CryptoError::Integrity));
            assert_eq!(verify(scheme, &ours.public[1..], b"message", &signature), Err(CryptoError::PublicValue));
            assert_eq!(signing_key(scheme, b"short").unwrap_err(), CryptoError::Length);
        }
    }
}
