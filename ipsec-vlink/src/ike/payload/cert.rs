//! Certificate and Certificate Request payloads (RFC 2408 §3.9, §3.10; RFC 7296 §3.6, §3.7).

use fwd_core::codec::{self, BufMut, Take};

/// Encoding of a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct CertEncoding(pub u8);

impl CertEncoding {
    /// X.509 certificate, for signatures.
    pub const X509_SIGNATURE: Self = Self(4);
    /// A raw public key as a SubjectPublicKeyInfo (RFC 7670 §3).
    pub const RAW_PUBLIC_KEY: Self = Self(15);
}

/// A certificate, or whose certificates are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cert<'a> {
    /// The encoding.
    pub encoding: CertEncoding,
    /// The certificate, or the authorities.
    pub data: &'a [u8],
}

impl<'a> Cert<'a> {
    #[inline]
    pub(super) fn take(i: &'a [u8]) -> Take<'a, Self> {
        let (data, encoding) = codec::be_u8(i, "certificate encoding")?;
        Ok((&[], Self { encoding: CertEncoding(encoding), data }))
    }

    pub(super) const fn wire_len(&self) -> usize {
        self.data.len().saturating_add(1)
    }

    pub(super) fn emit(&self, out: &mut impl BufMut) {
        out.put_u8(self.encoding.0);
        out.put_slice(self.data);
    }
}
