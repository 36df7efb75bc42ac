//! Hello (RFC 7761 §4.9.2).

use alloc::vec::Vec;

use fwd_core::Malformed;
use fwd_core::codec::{self, BufMut, Take};

use super::encoded::AddressFamily;
use super::hello_option::HelloOption;

/// A Hello: options in the order of the wire.
///
/// Of an option that stands twice the last counts (RFC 7761 does not say).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hello {
    /// The options.
    pub options: Vec<HelloOption>,
}

impl Hello {
    /// Takes options up to the end of the input. `family` is that of the packet: some options hold addresses of its length.
    ///
    /// # Errors
    /// Truncated input, or a known option of impossible length.
    pub fn take(i: &[u8], family: AddressFamily) -> Take<'_, Self> {
        let (mut i, mut options) = (i, Vec::new());
        while !i.is_empty() {
            let (rest, option) = HelloOption::take(i, family)?;
            options.push(option);
            i = rest;
        }
        Ok((i, Self { options }))
    }

    /// Parses a body.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub fn parse(octets: &[u8], family: AddressFamily) -> Result<Self, Malformed> {
        codec::all(octets, |i| Self::take(i, family))
    }

    /// Octets that [`Self::emit`] writes.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        self.options.iter().fold(0, |n, o| n.saturating_add(o.wire_len()))
    }

    /// Writes the options.
    pub fn emit(&self, out: &mut impl BufMut) {
        self.options.iter().for_each(|o| o.emit(out));
    }
}
