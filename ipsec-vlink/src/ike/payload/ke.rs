//! IKEv2's Key Exchange payload (RFC 7296 §3.4).

use fwd_core::codec::{self, BufMut, Take};

use super::super::crypto::DhGroup;

/// A public Diffie-Hellman value with its group. IKEv1's has no group: it is that of the SA.
///
/// ```text
/// +-------------------------------+-------------------------------+
/// |  Diffie-Hellman group number  |           reserved            |
/// +-------------------------------+-------------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyExchange<'a> {
    /// The group.
    pub group: DhGroup,
    /// The public value.
    pub data: &'a [u8],
}

impl<'a> KeyExchange<'a> {
    #[inline]
    pub(super) fn take(i: &'a [u8]) -> Take<'a, Self> {
        let (i, group) = codec::be_u16(i, "DH group")?;
        let (data, _reserved) = codec::be_u16(i, "KE reserved")?;
        Ok((&[], Self { group: DhGroup(group), data }))
    }

    pub(super) const fn wire_len(&self) -> usize {
        self.data.len().saturating_add(4)
    }

    pub(super) fn emit(&self, out: &mut impl BufMut) {
        out.put_u16(self.group.0);
        out.put_u16(0);
        out.put_slice(self.data);
    }
}
