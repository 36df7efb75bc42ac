//! IKEv2's Authentication payload (RFC 7296 §3.8).

use fwd_core::codec::{self, BufMut, Take};

/// How a peer proves who it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct AuthMethod(pub u8);

impl AuthMethod {
    /// RSA signature (RFC 7296 §2.15).
    pub const RSA_SIGNATURE: Self = Self(1);
    /// Shared key (RFC 7296 §2.15).
    pub const SHARED_KEY: Self = Self(2);
    /// ECDSA with SHA-256 on the 256-bit curve (RFC 4754 §7).
    pub const ECDSA_256: Self = Self(9);
    /// NULL (RFC 7619 §2.1).
    pub const NULL: Self = Self(13);
    /// Digital signature, its algorithm named in the payload (RFC 7427 §3).
    pub const DIGITAL_SIGNATURE: Self = Self(14);
}

/// A proof of identity.
///
/// ```text
/// +---------------+-----------------------------------------------+
/// |  auth method  |                  reserved                     |
/// +---------------+-----------------------------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Auth<'a> {
    /// The method.
    pub method: AuthMethod,
    /// The proof. With [`AuthMethod::DIGITAL_SIGNATURE`]: an octet with the length of the AlgorithmIdentifier, it, and the signature.
    pub data: &'a [u8],
}

impl<'a> Auth<'a> {
    #[inline]
    pub(super) fn take(i: &'a [u8]) -> Take<'a, Self> {
        let (data, [method, ..]) = codec::array::<4>(i, "auth method")?;
        Ok((&[], Self { method: AuthMethod(method), data }))
    }

    pub(super) const fn wire_len(&self) -> usize {
        self.data.len().saturating_add(4)
    }

    pub(super) fn emit(&self, out: &mut impl BufMut) {
        out.put_slice(&[self.method.0, 0, 0, 0]);
        out.put_slice(self.data);
    }

    /// AlgorithmIdentifier and signature of a digital signature (RFC 7427 §3).
    #[must_use]
    pub fn digital_signature(&self) -> Option<(&'a [u8], &'a [u8])> {
        let (len, rest) = self.data.split_first()?;
        rest.split_at_checked(usize::from(*len))
    }
}
