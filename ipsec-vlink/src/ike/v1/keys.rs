//! Keys of ISAKMP SAs and IPsec SAs, and the proofs of identity (RFC 2409 §5, §5.5, Appendix B).

use super::super::child_sa::{EspKeys, EspSuite};
use super::super::config::IkeSuite;
use super::super::crypto::{CryptoError, CryptoProvider, Digest, PrfId, Secret};
use super::super::payload::ProtocolId;

/// The keys of an ISAKMP SA (RFC 2409 §5). The embedder may write [`Self::cipher`] to a file for a protocol analyser; nothing else leaves
/// the machine with them.
#[derive(Clone, Debug)]
pub struct IkeKeys {
    /// SKEYID: the proofs of phase 1.
    pub id: Secret,
    /// SKEYID_d: derives the keys of IPsec SAs.
    pub d: Secret,
    /// SKEYID_a: the hashes of phase 2.
    pub a: Secret,
    /// The key of the cipher, made of SKEYID_e.
    pub cipher: Secret,
}

/// `len` octets, each block made of the one before and of `seed` (RFC 2409 §5.5); with `first` in the place of the seed of the first
/// block, and none after it (RFC 2409 Appendix B).
fn expand(
    provider: &impl CryptoProvider,
    prf: PrfId,
    key: &[u8],
    seed: &[&[u8]],
    first: &[u8],
    len: usize,
) -> Result<Secret, CryptoError> {
    let mut out = Secret::zeros(len);
    let mut last: Option<Digest> = None;
    let step = prf.output_len().ok_or(CryptoError::Unsupported)?;
    for chunk in out.octets_mut().chunks_mut(step) {
        let mut parts: smallvec::SmallVec<[&[u8]; 8]> = smallvec::SmallVec::new();
        parts.push(last.as_deref().unwrap_or(first));
        parts.extend_from_slice(seed);
        let digest = provider.prf(prf, key, &parts)?;
        drop(parts);
        chunk.copy_from_slice(digest.truncated(chunk.len()));
        last = Some(digest);
    }
    Ok(out)
}

impl IkeKeys {
    /// The keys of an ISAKMP SA with a shared key (RFC 2409 §5).
    pub(super) fn derive(
        provider: &impl CryptoProvider,
        suite: &IkeSuite,
        psk: &Secret,
        shared: &Secret,
        (ni, nr): (&[u8], &[u8]),
        (cookie_i, cookie_r): (u64, u64),
    ) -> Result<Self, CryptoError> {
        let prf = suite.prf;
        let (ci, cr) = (cookie_i.to_be_bytes(), cookie_r.to_be_bytes());
        let id = provider.prf(prf, psk, &[ni, nr])?;
        let d = provider.prf(prf, &id, &[shared, &ci, &cr, &[0]])?;
        let a = provider.prf(prf, &id, &[&d, shared, &ci, &cr, &[1]])?;
        let e = provider.prf(prf, &id, &[&a, shared, &ci, &cr, &[2]])?;
        let len = suite.encryption.key_len().ok_or(CryptoError::Unsupported)?;
        // Appendix B: the first octets, or, where they do not suffice, what they expand to.
        let cipher = match e.get(..len) {
            Some(key) => Secret::copy(key),
            None => expand(provider, prf, &e, &[], &[0], len)?,
        };
        Ok(Self { id: Secret::copy(&id), d: Secret::copy(&d), a: Secret::copy(&a), cipher })
    }
}

/// What a proof of phase 1 is over, from the view of the end that proves (RFC 2409 §5).
pub(super) struct Proved<'a> {
    /// The public values, that of the end that proves first.
    pub(super) publics: (&'a [u8], &'a [u8]),
    /// The cookies, that of the end that proves first.
    pub(super) cookies: (u64, u64),
    /// The body of the initiator's SA payload.
    pub(super) sa_i: &'a [u8],
    /// The body of the identity of the end that proves.
    pub(super) id: &'a [u8],
}

impl Proved<'_> {
    /// HASH_I or HASH_R.
    pub(super) fn hash(
        &self,
        provider: &impl CryptoProvider,
        prf: PrfId,
        keys: &IkeKeys,
    ) -> Result<Digest, CryptoError> {
        let (ours, theirs) = (self.cookies.0.to_be_bytes(), self.cookies.1.to_be_bytes());
        let parts = [self.publics.0, self.publics.1, &ours, &theirs, self.sa_i, self.id];
        provider.prf(prf, &keys.id, &parts)
    }
}

/// The keys of packets to the end that chose `spi` (RFC 2409 §5.5).
pub(super) fn keymat(
    provider: &impl CryptoProvider,
    prf: PrfId,
    d: &Secret,
    suite: &EspSuite,
    spi: u32,
    shared: Option<&Secret>,
    (ni, nr): (&[u8], &[u8]),
) -> Result<EspKeys, CryptoError> {
    let encryption = suite.encryption.key_len().ok_or(CryptoError::Unsupported)?;
    let integrity = suite.integrity.key_len().ok_or(CryptoError::Unsupported)?;
    let shared = shared.map_or(&[][..], |shared| shared);
    let (protocol, spi) = ([ProtocolId::ESP.0], spi.to_be_bytes());
    let seed = [shared, &protocol, &spi, ni, nr];
    let material = expand(provider, prf, d, &seed, &[], encryption.saturating_add(integrity))?;
    let (e, i) = material.split_at_checked(encryption).ok_or(CryptoError::Length)?;
    Ok(EspKeys { encryption: Secret::copy(e), integrity: Secret::copy(i) })
}

#[cfg(all(test, feature = "rustcrypto"))]
mod tests {
    use super::*;
    use crate::ike::crypto::rustcrypto::RustCrypto;
    use crate::ike::crypto::{DhGroup, Encryption, IntegrityId};

    /// RFC 2409 §5 and Appendix B, step by step.
    #[test]
    fn a_cipher_key_longer_than_its_hash_is_expanded() {
        let p = RustCrypto::new(b"x");
        let suite = |prf, encryption| IkeSuite {
            encryption,
            integrity: IntegrityId::HMAC_SHA1_96,
            prf,
            group: DhGroup::MODP_2048,
        };
        let (psk, shared) = (Secret::copy(b"key"), Secret::copy(&[7; 256]));
        let derive = |s: &IkeSuite| IkeKeys::derive(&p, s, &psk, &shared, (&[1; 16], &[2; 16]), (3, 4)).unwrap();
        let prf = PrfId::HMAC_SHA1;
        let long = derive(&suite(prf, Encryption::AES_CBC_256));
        let id = p.prf(prf, b"key", &[&[1; 16], &[2; 16]]).unwrap();
        assert_eq!(long.id[..], id[..]);
        let e = p.prf(prf, &id, &[&long.a, &shared, &3_u64.to_be_bytes(), &4_u64.to_be_bytes(), &[2]]).unwrap();
        let k1 = p.prf(prf, &e, &[&[0]]).unwrap();
        let k2 = p.prf(prf, &e, &[&k1]).unwrap();
        assert_eq!(long.cipher[..], [&k1[..], &k2[..12]].concat());
        assert_eq!(derive(&suite(prf, Encryption::AES_CBC_128)).cipher[..], e[..16]);
        let esp =
            EspSuite { encryption: Encryption::AES_CBC_256, integrity: IntegrityId::HMAC_SHA1_96, extended: false };
        let keys = keymat(&p, prf, &long.d, &esp, 0x1234, None, (b"i", b"r")).unwrap();
        let seed: [&[u8]; 3] = [&[3, 0, 0, 0x12, 0x34], b"i", b"r"];
        let k1 = p.prf(prf, &long.d, &seed).unwrap();
        let k2 = p.prf(prf, &long.d, &[&k1, seed[0], b"i", b"r"]).unwrap();
        let k3 = p.prf(prf, &long.d, &[&k2, seed[0], b"i", b"r"]).unwrap();
        let all = [&k1[..], &k2, &k3].concat();
        assert_eq!((&keys.encryption[..], &keys.integrity[..]), (&all[..32], &all[32..52]));
    }
}
