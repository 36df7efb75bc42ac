//! Packed Null-Register (type 13.0) and Packed Register-Stop (type 13.1) of RFC 9465: many sources and groups in one message.

use alloc::vec::Vec;

use fwd_core::Malformed;
use fwd_core::codec::{self, BufMut, Take};

use super::register_stop::RegisterStop;

/// The records of a packed message, each a group (Encoded-Group) and a source (Encoded-Unicast), as in a Register-Stop.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct PackedRegister {
    /// Groups and sources.
    pub records: Vec<RegisterStop>,
}

/// The subtype of a Packed Null-Register among the flags of the message header.
pub(super) const NULL_REGISTER: u8 = 0;
/// The subtype of a Packed Register-Stop among the flags of the message header.
pub(super) const REGISTER_STOP: u8 = 1 << 4;

impl PackedRegister {
    /// Takes records up to the end of the input.
    ///
    /// # Errors
    /// Truncated input, or a fault in an address.
    pub fn take(i: &[u8]) -> Take<'_, Self> {
        let (mut i, mut records) = (i, Vec::new());
        while !i.is_empty() {
            let (rest, record) = RegisterStop::take(i)?;
            records.push(record);
            i = rest;
        }
        Ok((i, Self { records }))
    }

    /// Parses a body.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub fn parse(octets: &[u8]) -> Result<Self, Malformed> {
        codec::all(octets, Self::take)
    }

    /// Octets that [`Self::emit`] writes.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        self.records.iter().fold(0, |n, r| n.saturating_add(r.wire_len()))
    }

    /// Writes the records.
    pub fn emit(&self, out: &mut impl BufMut) {
        self.records.iter().for_each(|r| r.emit(out));
    }
}
