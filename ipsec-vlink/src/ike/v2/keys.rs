//! Keys of IKE SAs and Child SAs, and the proofs of identity (RFC 7296 §2.13–§2.17).

use super::super::child_sa::{EspKeys, EspSuite};
use super::super::config::IkeSuite;
use super::super::crypto::{CryptoError, CryptoProvider, Digest, PrfId, Secret};

/// The keys of an IKE SA (RFC 7296 §2.14). The embedder may write them to a file for a protocol analyser; nothing else leaves the
/// machine with them.
#[derive(Clone, Debug)]
pub struct IkeKeys {
    /// Derives the keys of Child SAs.
    pub d: Secret,
    /// Integrity of what the initiator sends.
    pub ai: Secret,
    /// Integrity of what the responder sends.
    pub ar: Secret,
    /// Encryption of what the initiator sends.
    pub ei: Secret,
    /// Encryption of what the responder sends.
    pub er: Secret,
    /// Proof of the initiator.
    pub pi: Secret,
    /// Proof of the responder.
    pub pr: Secret,
}

/// prf+ (RFC 7296 §2.13): `len` octets of keying material.
pub(super) fn prf_plus(
    provider: &impl CryptoProvider,
    prf: PrfId,
    key: &[u8],
    seed: &[&[u8]],
    len: usize,
) -> Result<Secret, CryptoError> {
    let mut out = Secret::zeros(len);
    let mut last: Option<Digest> = None;
    let step = prf.output_len().ok_or(CryptoError::Unsupported)?;
    for (n, chunk) in out.octets_mut().chunks_mut(step).enumerate() {
        let n = [u8::try_from(n.saturating_add(1)).map_err(|_| CryptoError::Length)?];
        let mut parts: smallvec::SmallVec<[&[u8]; 8]> = smallvec::SmallVec::new();
        parts.extend(last.as_deref());
        parts.extend_from_slice(seed);
        parts.push(&n);
        let digest = provider.prf(prf, key, &parts)?;
        drop(parts);
        chunk.copy_from_slice(digest.truncated(chunk.len()));
        last = Some(digest);
    }
    Ok(out)
}

/// Cuts keying material into keys, in order.
struct Cut<'a>(&'a [u8]);

impl Cut<'_> {
    fn next(&mut self, len: usize) -> Result<Secret, CryptoError> {
        let (head, rest) = self.0.split_at_checked(len).ok_or(CryptoError::Length)?;
        self.0 = rest;
        Ok(Secret::copy(head))
    }
}

/// What the keys of a new IKE SA are made of, besides nonces and SPIs.
#[derive(Clone, Copy)]
pub(super) enum Seed<'a> {
    /// What both ends share by a group (RFC 7296 §2.14).
    Shared(&'a Secret),
    /// The same, and SK_d of the SA that it takes over from, with its function (RFC 7296 §2.18).
    Successor(&'a Secret, &'a Secret, PrfId),
    /// SK_d of the SA that is resumed (RFC 5723 §5.1).
    Resumed(&'a Secret),
}

impl IkeKeys {
    /// The keys of a new IKE SA.
    ///
    /// # Errors
    /// The provider lacks the function.
    pub(super) fn derive(
        provider: &impl CryptoProvider,
        suite: &IkeSuite,
        seed: Seed<'_>,
        (ni, nr): (&[u8], &[u8]),
        (spi_i, spi_r): (u64, u64),
    ) -> Result<Self, CryptoError> {
        let nonces = [ni, nr].concat();
        let seed = match seed {
            Seed::Shared(shared) => provider.prf(suite.prf, &nonces, &[shared])?,
            Seed::Successor(shared, d, prf) => provider.prf(prf, d, &[shared, &nonces])?,
            Seed::Resumed(d) => provider.prf(suite.prf, d, &[b"Resumption", &nonces])?,
        };
        let prf_len = suite.prf.output_len().ok_or(CryptoError::Unsupported)?;
        let integrity = suite.integrity.key_len().ok_or(CryptoError::Unsupported)?;
        let encryption = suite.encryption.key_len().ok_or(CryptoError::Unsupported)?;
        let len = [prf_len, prf_len, prf_len, integrity, integrity, encryption, encryption];
        let total = len.iter().fold(0_usize, |sum, n| sum.saturating_add(*n));
        let spis = [spi_i.to_be_bytes(), spi_r.to_be_bytes()].concat();
        let material = prf_plus(provider, suite.prf, &seed, &[&nonces, &spis], total)?;
        let mut cut = Cut(&material);
        Ok(Self {
            d: cut.next(prf_len)?,
            ai: cut.next(integrity)?,
            ar: cut.next(integrity)?,
            ei: cut.next(encryption)?,
            er: cut.next(encryption)?,
            pi: cut.next(prf_len)?,
            pr: cut.next(prf_len)?,
        })
    }
}

/// The keys of a Child SA (RFC 7296 §2.17): those of the initiator's direction, then those of the responder's.
pub(super) fn child_keys(
    provider: &impl CryptoProvider,
    prf: PrfId,
    d: &Secret,
    suite: &EspSuite,
    shared: Option<&Secret>,
    (ni, nr): (&[u8], &[u8]),
) -> Result<(EspKeys, EspKeys), CryptoError> {
    let encryption = suite.encryption.key_len().ok_or(CryptoError::Unsupported)?;
    let integrity = suite.integrity.key_len().ok_or(CryptoError::Unsupported)?;
    let total = encryption.saturating_add(integrity).saturating_mul(2);
    let shared = shared.map_or(&[][..], |shared| shared);
    let material = prf_plus(provider, prf, d, &[shared, ni, nr], total)?;
    let mut cut = Cut(&material);
    let mut keys = || Ok(EspKeys { encryption: cut.next(encryption)?, integrity: cut.next(integrity)? });
    Ok((keys()?, keys()?))
}

/// The octets that a proof is over, but for the message that comes first (RFC 7296 §2.15): the peer's nonce, and the identity hashed.
pub(super) fn signed_octets(
    provider: &impl CryptoProvider,
    prf: PrfId,
    key: &Secret,
    message: &[u8],
    nonce: &[u8],
    id_body: &[u8],
) -> Result<Secret, CryptoError> {
    let id = provider.prf(prf, key, &[id_body])?;
    Ok(Secret::new([message, nonce, &id].concat()))
}

/// The proof by a shared key (RFC 7296 §2.15).
pub(super) fn psk_proof(
    provider: &impl CryptoProvider,
    prf: PrfId,
    psk: &Secret,
    octets: &[u8],
) -> Result<Digest, CryptoError> {
    let key = provider.prf(prf, psk, &[b"Key Pad for IKEv2"])?;
    provider.prf(prf, &key, &[octets])
}

#[cfg(all(test, feature = "rustcrypto"))]
mod tests {
    use super::*;
    use crate::ike::crypto::rustcrypto::RustCrypto;
    use alloc::vec::Vec;

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
    }

    /// The keys that strongSwan logged of `strongswan5__ikev2-transport-gre` (tests/golden/ORIGIN.md): SKEYSEED is known there, the shared
    /// secret is not, so that prf+ is what this shows.
    #[test]
    fn keying_material_is_what_another_implementation_derived() {
        let recording = include_str!("../../../tests/golden/ikev2.txt");
        let message = |name: &str| hex(recording.lines().find_map(|l| l.strip_prefix(name)).unwrap().trim());
        let (init, answer) = (message("init-request "), message("init-response "));
        let body = |octets: &[u8], kind| {
            let (_, mut payloads) = crate::ike::payload::Payloads::of(octets).unwrap();
            payloads.find_map(|p| p.ok().filter(|p| p.kind == kind).map(|p| p.body.to_vec())).unwrap()
        };
        let nonce = crate::ike::payload::PayloadType::NONCE;
        let nonces = [body(&init, nonce), body(&answer, nonce)].concat();
        let seed = hex("88e23cab1dfb5bfcdefedc6e89f3cbcfb8cec4c9139faa7f677a95b7c4145b97");
        let provider = RustCrypto::new(b"");
        let prf = PrfId::HMAC_SHA2_256;
        let material = prf_plus(&provider, prf, &seed, &[&nonces, &answer[..16]], 224).unwrap();
        let logged = [
            "cd00cfe140a3c8ea3e9a9ba4f5379cfca233b35d92ebf402030a4635d15ebdc4",
            "2def6b6c5582624c51e890f8f60afa471aaef16e542c6ba2ae77ee40f52a3ae2",
            "3c14b7e736b9e6ef72817cad2cedf2759a85efbc633f9d551f12502dedf00226",
            "2e5e60736ba2ab62c7697ad49ca567ea421dc453b4fd1214f0464fc6b41bf712",
            "b14125d6086bf6431c77980d884cae85cf8f28fd058dd318cf1c8c902e4d4ea3",
            "b5f2d00bb8d357323d8b1558315226ef9bee8b983e818895d728b2fd99732804",
            "97f2fc2f77df6d12ccfad0bd01508b81ad5f8d8c139a47f64c2ea9a5788eab3f",
        ];
        assert_eq!(material.to_vec(), hex(&logged.concat()));
        let d = Secret::copy(&material[..32]);
        let suite = EspSuite::AES_CBC_256_SHA2_256;
        let n = nonces.split_at(32);
        let (i, r) = child_keys(&provider, prf, &d, &suite, None, n).unwrap();
        assert_eq!(i.encryption.to_vec(), hex("5d0ecd4f84841efc29e56d3f045821cdf9d695356628c7c3847cfdef73be28d8"));
        assert_eq!(i.integrity.to_vec(), hex("5c0e747bb4cf838f67caca89abe200ad792ed2a0c1274d672e19875faf29e8dd"));
        assert_eq!(r.encryption.to_vec(), hex("9853f0db514077ec09a9801bfc9d30158cb543282521930e44cd53b2a86d0f93"));
        assert_eq!(r.integrity.to_vec(), hex("d6d7e42f89acfd45888d92d269f53154322af29fb0e2ce155b48819e0eec9312"));
    }
}
