//! Encryption of what follows the header, and its initialization vectors (RFC 2409 §5, Appendix B).

use alloc::vec::Vec;

use smallvec::SmallVec;

use super::super::config::IkeSuite;
use super::super::crypto::{CryptoError, CryptoProvider};
use super::super::header::{Header, HeaderFlags};
use super::super::payload::{PayloadType, set_length};
use super::keys::IkeKeys;

/// An initialization vector: the last block of the message before.
pub(super) type Iv = SmallVec<[u8; 16]>;

/// The first vector: the hash of the parts, cut to a block.
fn hashed(provider: &impl CryptoProvider, suite: &IkeSuite, parts: &[&[u8]]) -> Result<Iv, CryptoError> {
    let hash = provider.hash(suite.prf.hash().ok_or(CryptoError::Unsupported)?, parts)?;
    hash.get(..suite.encryption.block_len()).map(Iv::from_slice).ok_or(CryptoError::Length)
}

/// The first vector of phase 1: of both public values.
pub(super) fn phase1_iv(
    provider: &impl CryptoProvider,
    suite: &IkeSuite,
    publics: (&[u8], &[u8]),
) -> Result<Iv, CryptoError> {
    hashed(provider, suite, &[publics.0, publics.1])
}

/// The first vector of an exchange of phase 2: of the last block of phase 1 and the message ID.
pub(super) fn phase2_iv(
    provider: &impl CryptoProvider,
    suite: &IkeSuite,
    last: &[u8],
    message_id: u32,
) -> Result<Iv, CryptoError> {
    hashed(provider, suite, &[last, &message_id.to_be_bytes()])
}

/// Encrypts payloads, of which `first` is the first; `iv` becomes the vector of the next message.
pub(super) fn seal(
    provider: &mut impl CryptoProvider,
    (suite, keys): (&IkeSuite, &IkeKeys),
    iv: &mut Iv,
    header: &Header,
    (first, chain): (PayloadType, &[u8]),
) -> Result<Vec<u8>, CryptoError> {
    let block = suite.encryption.block_len();
    let mut text = chain.to_vec();
    text.resize(chain.len().max(1).next_multiple_of(block), 0);
    provider.encrypt(suite.encryption, &keys.cipher, iv, &[], &mut text, &mut [])?;
    *iv = last_block(&text, block).ok_or(CryptoError::Length)?;
    let mut out = Vec::with_capacity(Header::LEN.saturating_add(text.len()));
    Header { next_payload: first, flags: header.flags | HeaderFlags::ENCRYPTION, ..*header }.emit(&mut out);
    out.extend_from_slice(&text);
    set_length(&mut out);
    Ok(out)
}

/// Decrypts what follows the header of `message`: the payloads with their padding, and the vector of the next message. That the octets
/// are the peer's is for a hash among them to prove.
pub(super) fn open(
    provider: &mut impl CryptoProvider,
    (suite, keys): (&IkeSuite, &IkeKeys),
    iv: &Iv,
    message: &[u8],
) -> Result<(Vec<u8>, Iv), CryptoError> {
    let text = message.get(Header::LEN..).filter(|text| !text.is_empty()).ok_or(CryptoError::Length)?;
    let next = last_block(text, suite.encryption.block_len()).ok_or(CryptoError::Length)?;
    let mut text = text.to_vec();
    provider.decrypt(suite.encryption, &keys.cipher, iv, &[], &mut text, &[])?;
    Ok((text, next))
}

fn last_block(text: &[u8], block: usize) -> Option<Iv> {
    text.len().checked_sub(block).and_then(|at| text.get(at..)).map(Iv::from_slice)
}
