//! LDP identifiers (RFC 5036 §2.2.2).

use core::fmt;
use core::net::Ipv4Addr;

use fwd_core::codec::{self, BufMut, Take};

/// Names an LSR and one of its label spaces, as `192.0.2.1:0`.
///
/// ```text
/// +-------------------+---------------------+
/// | LSR identifier (4)| Label space (2)     |
/// +-------------------+---------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct LdpId {
    /// The LSR's identifier, unique in the network.
    pub lsr: Ipv4Addr,
    /// The label space; 0 is the platform-wide one.
    pub label_space: u16,
}

impl LdpId {
    /// Octets of every LDP identifier.
    pub const LEN: usize = 6;

    /// The platform-wide label space of an LSR.
    #[must_use]
    pub const fn platform(lsr: Ipv4Addr) -> Self {
        Self { lsr, label_space: 0 }
    }

    /// Takes an identifier.
    ///
    /// # Errors
    /// Truncated input.
    pub fn take(i: &[u8]) -> Take<'_, Self> {
        let (i, lsr) = codec::array::<4>(i, "lsr id")?;
        let (i, label_space) = codec::be_u16(i, "label space")?;
        Ok((i, Self { lsr: Ipv4Addr::from(lsr), label_space }))
    }

    /// Writes the identifier.
    pub fn emit(&self, out: &mut impl BufMut) {
        out.put_slice(&self.lsr.octets());
        out.put_u16(self.label_space);
    }
}

impl fmt::Display for LdpId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.lsr, self.label_space)
    }
}
