//! Hidden values (RFC 2661 §4.3, RFC 3931 §5.3): an exclusive or with a chain of hashes of the shared secret.

use alloc::vec::Vec;

use fwd_core::codec::{BufMut, Fault, Malformed};

use super::avp::{Attribute, AvpFlags, Avps, RawAvp};
use super::digest::{Hashes, Secret};

/// Encrypts `text` in place, or decrypts it: the hash of each block is made of the ciphertext of the one before.
fn chain(hashes: &impl Hashes, attribute: Attribute, secret: &Secret, vector: &[u8], text: &mut [u8], hide: bool) {
    let mut mask = hashes.md5(&[&attribute.0.to_be_bytes(), secret, vector]);
    for block in text.chunks_mut(16) {
        let mut cipher = [0; 16];
        if !hide {
            cipher.iter_mut().zip(block.iter()).for_each(|(c, b)| *c = *b);
        }
        block.iter_mut().zip(mask).for_each(|(octet, mask)| *octet ^= mask);
        if hide {
            cipher.iter_mut().zip(block.iter()).for_each(|(c, b)| *c = *b);
        }
        // Only the last block may be shorter, and nothing is made of it.
        mask = hashes.md5(&[secret, &cipher]);
    }
}

/// Writes an AVP with its value hidden, behind a Random Vector AVP that holds `vector`. `padding` is added behind the value so
/// that its length does not show; its octets are the caller's, at random. `None`, and nothing written, if the attribute must not
/// be hidden or all that is too long for an AVP.
pub fn hide(
    hashes: &impl Hashes,
    secret: &Secret,
    vector: &[u8],
    padding: &[u8],
    avp: &RawAvp<'_>,
    out: &mut impl BufMut,
) -> Option<()> {
    if avp.vendor == 0 && !avp.attribute.may_be_hidden() {
        return None;
    }
    let mut text = Vec::with_capacity(avp.value.len().saturating_add(padding.len()).saturating_add(2));
    text.extend_from_slice(&u16::try_from(avp.value.len()).ok()?.to_be_bytes());
    text.extend_from_slice(avp.value);
    text.extend_from_slice(padding);
    chain(hashes, avp.attribute, secret, vector, &mut text, true);
    if text.len() > RawAvp::MAX_VALUE {
        return None;
    }
    RawAvp { flags: avp.flags | AvpFlags::HIDDEN, value: &text, ..*avp }.emit(out);
    Some(())
}

/// The AVPs of a message with every value in clear: those that are hidden are revealed with the vector that precedes them most
/// closely.
///
/// # Errors
/// An AVP is malformed, hidden without a vector before it, or its length inside is more than there is: the secret is another.
pub fn reveal(hashes: &impl Hashes, secret: &Secret, body: &[u8]) -> Result<Vec<u8>, Malformed> {
    let mut out = Vec::with_capacity(body.len());
    let mut vector: Option<&[u8]> = None;
    let mut offset = 0_usize;
    for avp in Avps::new(body) {
        let avp = avp?;
        if avp.vendor == 0 && avp.attribute == Attribute::RANDOM_VECTOR {
            vector = Some(avp.value);
        }
        if !avp.is_hidden() {
            avp.emit(&mut out);
        } else {
            let fault = |field, fault| Malformed { offset, field, fault };
            let vector = vector.ok_or(fault("random vector", Fault::Truncated))?;
            let mut text = avp.value.to_vec();
            chain(hashes, avp.attribute, secret, vector, &mut text, false);
            let (len, rest) = text.split_first_chunk().ok_or(fault("hidden value", Fault::Length(text.len())))?;
            let len = usize::from(u16::from_be_bytes(*len));
            let value = rest.get(..len).ok_or(fault("hidden value", Fault::Length(len)))?;
            RawAvp { flags: avp.flags.difference(AvpFlags::HIDDEN), value, ..avp }.emit(&mut out);
        }
        offset = offset.saturating_add(avp.wire_len());
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_hashes::RustCrypto;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_hidden_is_revealed(
            value in proptest::collection::vec(any::<u8>(), 0..100),
            padding in proptest::collection::vec(any::<u8>(), 0..40),
            vector in proptest::collection::vec(any::<u8>(), 0..20),
        ) {
            let secret = Secret::copy(b"shared");
            let avp = RawAvp::new(Attribute::ASSIGNED_COOKIE, AvpFlags::MANDATORY, &value).unwrap();
            let mut body = Vec::new();
            RawAvp::new(Attribute::RANDOM_VECTOR, AvpFlags::MANDATORY, &vector).unwrap().emit(&mut body);
            let start = body.len();
            hide(&RustCrypto, &secret, &vector, &padding, &avp, &mut body).unwrap();
            prop_assert_eq!(body.len() - start, 6 + 2 + value.len() + padding.len());
            let clear = reveal(&RustCrypto, &secret, &body).unwrap();
            prop_assert_eq!(RawAvp::parse(&clear[start..]).unwrap(), avp);
            // With another secret the length inside is most often too long; never is it the value.
            if let Ok(other) = reveal(&RustCrypto, &Secret::copy(b"other"), &body) {
                prop_assert!(value.is_empty() || other != clear);
            }
        }
    }

    #[test]
    fn what_must_not_be_hidden_is_not() {
        let avp = RawAvp::new(Attribute::HOST_NAME, AvpFlags::MANDATORY, b"a").unwrap();
        assert!(hide(&RustCrypto, &Secret::copy(b"s"), b"v", &[], &avp, &mut Vec::new()).is_none());
        let long = RawAvp::new(Attribute::CALLED_NUMBER, AvpFlags::MANDATORY, &[0; 1016]).unwrap();
        assert!(hide(&RustCrypto, &Secret::copy(b"s"), b"v", &[], &long, &mut Vec::new()).is_none());
        let hidden = [0xc0, 10, 0, 0, 0, 14, 1, 2, 3, 4];
        assert_eq!(reveal(&RustCrypto, &Secret::copy(b"s"), &hidden).unwrap_err().field, "random vector");
    }
}
