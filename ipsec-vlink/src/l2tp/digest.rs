//! Hashes: the embedder's MD5 and SHA-1, and what L2TP makes of them.

use super::field::MessageDigest;
pub use crate::ike::crypto::Secret;

/// The hash functions of the embedder, over the concatenation of several parts. Apart from [`crate::ike::crypto::CryptoProvider`],
/// which has no MD5: an embedder without L2TP needs none.
///
/// MD5 is what RFC 2661 and RFC 3931 §5.3 ask for: it keeps honest peers apart and does not stop an attacker. Where that
/// matters, IPsec goes below (RFC 3193).
pub trait Hashes {
    /// MD5 (RFC 1321).
    fn md5(&self, parts: &[&[u8]]) -> [u8; 16];
    /// SHA-1 (RFC 3174).
    fn sha1(&self, parts: &[&[u8]]) -> [u8; 20];
}

/// Which hash a message digest uses (RFC 3931 §5.4.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DigestType {
    /// 0, which everybody knows.
    #[default]
    HmacMd5,
    /// 1.
    HmacSha1,
}

/// The most parts that are hashed together, the key's block included.
const PARTS: usize = 6;

/// HMAC (RFC 2104 §2) of at most five parts, with a key of at most 64 octets.
fn hmac<const N: usize>(key: &[u8], parts: &[&[u8]], hash: impl Fn(&[&[u8]]) -> [u8; N]) -> [u8; N] {
    let shortened;
    let key = if key.len() > 64 {
        shortened = hash(&[key]);
        &shortened[..]
    } else {
        key
    };
    let pad = |with: u8| {
        let mut block = [with; 64];
        block.iter_mut().zip(key).for_each(|(octet, k)| *octet ^= k);
        block
    };
    let (inner, outer) = (pad(0x36), pad(0x5c));
    let mut all: [&[u8]; PARTS] = [&inner, &[], &[], &[], &[], &[]];
    for (to, from) in all.iter_mut().skip(1).zip(parts) {
        *to = from;
    }
    hash(&[&outer, &hash(&all)])
}

/// The response to a challenge (RFC 2661 §4.4.3): the hash of the message's type, the secret and the challenge.
#[must_use]
pub fn challenge_response(hashes: &impl Hashes, message_type: u8, secret: &Secret, challenge: &[u8]) -> [u8; 16] {
    hashes.md5(&[&[message_type], secret, challenge])
}

/// The digest of a message whose digest AVPs hold zeros (RFC 3931 §5.4.1). `nonces` are the sender's and the receiver's; both
/// empty in an SCCRQ.
#[must_use]
pub fn message_digest(
    hashes: &impl Hashes,
    kind: DigestType,
    secret: Option<&Secret>,
    nonces: (&[u8], &[u8]),
    message: &[u8],
) -> MessageDigest {
    let md5 = |parts: &[&[u8]]| hashes.md5(parts);
    let shared_key = hmac(secret.map_or(&[], |secret| secret), &[&[2]], md5);
    let parts = [nonces.0, nonces.1, message];
    match kind {
        DigestType::HmacMd5 => MessageDigest::HmacMd5(hmac(&shared_key, &parts, md5)),
        DigestType::HmacSha1 => MessageDigest::HmacSha1(hmac(&shared_key, &parts, |p: &[&[u8]]| hashes.sha1(p))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_hashes::RustCrypto;

    /// RFC 2202 §2 and §3, test cases 1, 2 and 6.
    #[test]
    fn hmac_of_rfc_2202() {
        let md5 = |parts: &[&[u8]]| RustCrypto.md5(parts);
        let sha1 = |parts: &[&[u8]]| RustCrypto.sha1(parts);
        let hex = |octets: &[u8]| octets.iter().map(|o| std::format!("{o:02x}")).collect::<std::string::String>();
        assert_eq!(hex(&hmac(&[0x0b; 16], &[b"Hi There"], md5)), "9294727a3638bb1c13f48ef8158bfc9d");
        assert_eq!(
            hex(&hmac(b"Jefe", &[b"what do ya want ", b"for nothing?"], md5)),
            "750c783e6ab0b503eaa86e310a5db738"
        );
        assert_eq!(hex(&hmac(&[0x0b; 20], &[b"Hi There"], sha1)), "b617318655057264e28bc0b6fb378c8ef146be00");
        let text = b"Test Using Larger Than Block-Size Key - Hash Key First";
        assert_eq!(hex(&hmac(&[0xaa; 80], &[text], sha1)), "aa4ae5e15272d00e95705637ce8a3b55ed402112");
        assert_eq!(hex(&hmac(&[0xaa; 80], &[text], md5)), "6b1ab7fe4bd7bf8f0b62e6ce61b9d0cd");
    }
}
