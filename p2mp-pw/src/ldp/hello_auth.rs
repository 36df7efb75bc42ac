//! The Cryptographic Authentication TLV of a Hello (RFC 7349 §2.3).

use fwd_core::codec::{self, BufMut, Take};

use super::octets::Octets;

/// Who sent a Hello, and when: the value of the Cryptographic Authentication TLV.
///
/// ```text
/// +------------------------------+
/// | Security Association ID (4)  |
/// +------------------------------+
/// | Sequence number (8)          |
/// +------------------------------+
/// | Authentication data ...      |
/// +------------------------------+
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HelloAuth {
    /// Names the key and its algorithm.
    pub sa: u32,
    /// Greater in every Hello of a router than in the one before.
    pub sequence: u64,
    /// The digest; its length is the algorithm's.
    pub data: Octets,
}

impl HelloAuth {
    /// Octets in front of the digest.
    pub const FIXED_LEN: usize = 12;

    /// Takes the value.
    ///
    /// # Errors
    /// Truncated input.
    pub fn take(i: &[u8]) -> Take<'_, Self> {
        let (i, sa) = codec::be_u32(i, "security association id")?;
        let (i, sequence) = codec::be_u64(i, "cryptographic sequence number")?;
        let (i, data) = codec::octets(i, i.len(), "authentication data")?;
        Ok((i, Self { sa, sequence, data: Octets::from_slice(data) }))
    }

    /// Octets of the value.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        self.data.len().saturating_add(Self::FIXED_LEN)
    }

    /// Writes the value.
    pub fn emit(&self, out: &mut impl BufMut) {
        out.put_u32(self.sa);
        out.put_u64(self.sequence);
        out.put_slice(&self.data);
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for HelloAuth {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(Self { sa: u.arbitrary()?, sequence: u.arbitrary()?, data: super::octets::arbitrary_octets(u, 64)? })
    }
}
