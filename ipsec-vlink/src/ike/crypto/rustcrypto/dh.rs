//! Diffie-Hellman: MODP groups, the 256-bit curve of NIST, Curve25519.

use alloc::vec::Vec;

use crypto_bigint::modular::runtime_mod::{DynResidue, DynResidueParams};
use crypto_bigint::{Encoding, U2048, U3072, U4096, Uint};
use p256::elliptic_curve::sec1::{FromEncodedPoint, ToEncodedPoint};
use p256::{AffinePoint, EncodedPoint, NonZeroScalar, PublicKey};
use x25519_dalek::StaticSecret;

use super::super::{CryptoError, DhGroup, DhKey, Secret};
use super::modp::{MODP_2048, MODP_3072, MODP_4096};
use super::random::Random;

/// Octets of a MODP private value: twice the strength of the largest group, and more (RFC 3526 §8).
const EXPONENT_LEN: usize = 48;

pub(super) fn begin(group: DhGroup, random: &mut Random) -> Result<DhKey, CryptoError> {
    let (secret, public) = match group {
        DhGroup::MODP_2048 => modp_begin::<{ U2048::LIMBS }, 256>(MODP_2048, random)?,
        DhGroup::MODP_3072 => modp_begin::<{ U3072::LIMBS }, 384>(MODP_3072, random)?,
        DhGroup::MODP_4096 => modp_begin::<{ U4096::LIMBS }, 512>(MODP_4096, random)?,
        DhGroup::ECP_256 => ecp_begin(random)?,
        DhGroup::CURVE25519 => {
            let mut secret = Secret::zeros(32);
            random.fill(secret.octets_mut());
            let public = x25519_dalek::PublicKey::from(&x25519(&secret)?);
            (secret, public.as_bytes().to_vec())
        }
        _ => return Err(CryptoError::Unsupported),
    };
    Ok(DhKey { group, secret, public })
}

pub(super) fn agree(key: &DhKey, peer: &[u8]) -> Result<Secret, CryptoError> {
    if Some(peer.len()) != key.group.public_len() {
        return Err(CryptoError::Length);
    }
    match key.group {
        DhGroup::MODP_2048 => modp_agree::<{ U2048::LIMBS }, 256>(MODP_2048, &key.secret, peer),
        DhGroup::MODP_3072 => modp_agree::<{ U3072::LIMBS }, 384>(MODP_3072, &key.secret, peer),
        DhGroup::MODP_4096 => modp_agree::<{ U4096::LIMBS }, 512>(MODP_4096, &key.secret, peer),
        DhGroup::ECP_256 => ecp_agree(&key.secret, peer),
        DhGroup::CURVE25519 => {
            let peer: [u8; 32] = peer.try_into().map_err(|_| CryptoError::Length)?;
            let shared = x25519(&key.secret)?.diffie_hellman(&x25519_dalek::PublicKey::from(peer));
            // RFC 8031 §2: all zero is refused.
            if !shared.was_contributory() {
                return Err(CryptoError::PublicValue);
            }
            Ok(Secret::copy(shared.as_bytes()))
        }
        _ => Err(CryptoError::Unsupported),
    }
}

fn x25519(secret: &Secret) -> Result<StaticSecret, CryptoError> {
    let octets: [u8; 32] = secret.as_ref().try_into().map_err(|_| CryptoError::Length)?;
    Ok(StaticSecret::from(octets))
}

/// Numbers of a fixed size, to and from octets in network order.
trait Octets<const OCTETS: usize>: Sized {
    fn of(octets: [u8; OCTETS]) -> Self;
    fn octets(&self) -> [u8; OCTETS];
}

macro_rules! octets {
    ($($number:ty, $octets:literal);+) => {
        $(impl Octets<$octets> for $number {
            fn of(octets: [u8; $octets]) -> Self {
                Self::from_be_bytes(octets)
            }
            fn octets(&self) -> [u8; $octets] {
                self.to_be_bytes()
            }
        })+
    };
}

octets!(U2048, 256; U3072, 384; U4096, 512);

fn modp_begin<const LIMBS: usize, const OCTETS: usize>(
    prime: &str,
    random: &mut Random,
) -> Result<(Secret, Vec<u8>), CryptoError>
where
    Uint<LIMBS>: Octets<OCTETS>,
{
    let mut secret = Secret::zeros(EXPONENT_LEN);
    random.fill(secret.octets_mut());
    let public = power::<LIMBS, OCTETS>(&Uint::from_u8(2), &secret, &Uint::from_be_hex(prime))?;
    let public = public.to_vec();
    Ok((secret, public))
}

fn modp_agree<const LIMBS: usize, const OCTETS: usize>(
    prime: &str,
    secret: &Secret,
    peer: &[u8],
) -> Result<Secret, CryptoError>
where
    Uint<LIMBS>: Octets<OCTETS>,
{
    let prime = Uint::<LIMBS>::from_be_hex(prime);
    let peer = Uint::<LIMBS>::of(peer.try_into().map_err(|_| CryptoError::Length)?);
    // RFC 6989 §2.1: for a safe prime it suffices that the value is above 1 and below the prime less 1.
    if peer <= Uint::ONE || peer >= prime.wrapping_sub(&Uint::ONE) {
        return Err(CryptoError::PublicValue);
    }
    power::<LIMBS, OCTETS>(&peer, secret, &prime)
}

fn power<const LIMBS: usize, const OCTETS: usize>(
    base: &Uint<LIMBS>,
    exponent: &Secret,
    prime: &Uint<LIMBS>,
) -> Result<Secret, CryptoError>
where
    Uint<LIMBS>: Octets<OCTETS>,
{
    let mut padded = [0_u8; OCTETS];
    let at = OCTETS.checked_sub(exponent.len()).ok_or(CryptoError::Length)?;
    padded.get_mut(at..).ok_or(CryptoError::Length)?.copy_from_slice(exponent);
    let number = Uint::<LIMBS>::of(padded);
    super::super::wipe(&mut padded);
    let base = DynResidue::new(base, DynResidueParams::new(prime));
    let bits = exponent.len().saturating_mul(8);
    Ok(Secret::copy(&base.pow_bounded_exp(&number, bits).retrieve().octets()))
}

fn ecp_begin(random: &mut Random) -> Result<(Secret, Vec<u8>), CryptoError> {
    // All but one octet string in 2^32 is a scalar.
    for _ in 0..8 {
        let mut secret = Secret::zeros(32);
        random.fill(secret.octets_mut());
        if let Ok(scalar) = NonZeroScalar::try_from(secret.as_ref()) {
            let point = PublicKey::from_secret_scalar(&scalar).to_encoded_point(false);
            // RFC 5903 §7: x and y, without the octet in front.
            return Ok((secret, point.as_bytes().get(1..).unwrap_or_default().to_vec()));
        }
    }
    Err(CryptoError::Engine)
}

fn ecp_agree(secret: &Secret, peer: &[u8]) -> Result<Secret, CryptoError> {
    let scalar = NonZeroScalar::try_from(secret.as_ref()).map_err(|_| CryptoError::Length)?;
    let (x, y) = peer.split_at_checked(32).ok_or(CryptoError::Length)?;
    let point = EncodedPoint::from_affine_coordinates(x.into(), y.into(), false);
    let point = Option::<AffinePoint>::from(AffinePoint::from_encoded_point(&point)).ok_or(CryptoError::PublicValue)?;
    let shared = p256::ecdh::diffie_hellman(scalar, point);
    // RFC 5903 §9: the x coordinate alone.
    Ok(Secret::copy(shared.raw_secret_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(group: DhGroup, secret: &[u8]) -> DhKey {
        DhKey { group, secret: Secret::copy(secret), public: Vec::new() }
    }

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
    }

    /// RFC 5903 §8.1.
    #[test]
    fn the_exchange_of_rfc_5903() {
        let secret = hex("c88f01f510d9ac3f70a292daa2316de544e9aab8afe84049c62a9c57862d1433");
        let peer = hex("d12dfb5289c8d4f81208b70270398c342296970a0bccb74c736fc7554494bf63\
             56fbf3ca366cc23e8157854c13c58d6aac23f046ada30f8353e74f33039872ab");
        let shared = agree(&key(DhGroup::ECP_256, &secret), &peer).unwrap();
        assert_eq!(shared.to_vec(), hex("d6840f6b42f6edafd13116e0e12565202fef8e9ece7dce03812464d04b9442de"));
    }

    /// RFC 7748 §6.1.
    #[test]
    fn the_exchange_of_rfc_7748() {
        let secret = hex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a");
        let peer = hex("de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
        let ours = key(DhGroup::CURVE25519, &secret);
        let shared = agree(&ours, &peer).unwrap();
        assert_eq!(shared.to_vec(), hex("4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"));
        assert_eq!(agree(&ours, &[0; 32]).unwrap_err(), CryptoError::PublicValue);
    }

    #[test]
    fn values_that_are_none_are_refused() {
        let ours = key(DhGroup::MODP_2048, &[3; 48]);
        let mut value = [0_u8; 256];
        for small in [0, 1] {
            value[255] = small;
            assert_eq!(agree(&ours, &value).unwrap_err(), CryptoError::PublicValue);
        }
        assert_eq!(agree(&ours, &[0xff; 256]).unwrap_err(), CryptoError::PublicValue);
        assert_eq!(agree(&key(DhGroup::ECP_256, &[3; 32]), &[1; 64]).unwrap_err(), CryptoError::PublicValue);
        assert_eq!(agree(&key(DhGroup(2), &[3; 32]), &[1; 64]).unwrap_err(), CryptoError::Length);
    }
}
