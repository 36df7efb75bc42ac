//! The Encrypted Fragment payload (RFC 7383 §2.5).

use fwd_core::codec::{self, BufMut, Fail, Fault, Take};

/// One piece of an encrypted message.
///
/// ```text
/// +-------------------------------+-------------------------------+
/// |        fragment number        |        total fragments        |
/// +-------------------------------+-------------------------------+
/// |  initialization vector, encrypted content, check value        ~
/// +---------------------------------------------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EncryptedFragment<'a> {
    /// Which one it is, from 1.
    pub number: u16,
    /// How many there are.
    pub total: u16,
    /// What is encrypted.
    pub sealed: &'a [u8],
}

impl<'a> EncryptedFragment<'a> {
    /// Octets in front of what is encrypted.
    pub const HEADER_LEN: usize = 4;

    #[inline]
    pub(super) fn take(i: &'a [u8]) -> Take<'a, Self> {
        let start = i;
        let (i, number) = codec::be_u16(i, "fragment number")?;
        let (sealed, total) = codec::be_u16(i, "total fragments")?;
        if number == 0 || number > total {
            return Err(Fail::new(start, "fragment number", Fault::Value(number.into())));
        }
        Ok((&[], Self { number, total, sealed }))
    }

    pub(super) const fn wire_len(&self) -> usize {
        self.sealed.len().saturating_add(Self::HEADER_LEN)
    }

    pub(super) fn emit(&self, out: &mut impl BufMut) {
        out.put_u16(self.number);
        out.put_u16(self.total);
        out.put_slice(self.sealed);
    }
}
