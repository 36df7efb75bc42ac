//! LARGE_COMMUNITY (RFC 8092 §3).

use core::fmt;

use fwd_core::codec::BufMut;

use super::{List, ListItem};

/// A large community.
///
/// ```text
/// +--------------------------+
/// | Global Administrator (4) |
/// +--------------------------+
/// | Local Data Part 1 (4)    |
/// +--------------------------+
/// | Local Data Part 2 (4)    |
/// +--------------------------+
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct LargeCommunity {
    /// The AS that defines the rest; any value is valid (RFC 8092 §6).
    pub global: u32,
    /// Local Data Part 1.
    pub local1: u32,
    /// Local Data Part 2.
    pub local2: u32,
}

/// The value of LARGE_COMMUNITY.
pub type LargeCommunities<'a> = List<'a, LargeCommunity>;

impl ListItem for LargeCommunity {
    const LEN: usize = 12;
    const NAME: &'static str = "LARGE_COMMUNITY";

    #[inline]
    fn split(octets: &[u8]) -> Option<(Self, &[u8])> {
        let (global, rest) = octets.split_first_chunk()?;
        let (local1, rest) = rest.split_first_chunk()?;
        let (local2, rest) = rest.split_first_chunk()?;
        let [global, local1, local2] = [*global, *local1, *local2].map(u32::from_be_bytes);
        Some((Self { global, local1, local2 }, rest))
    }

    #[inline]
    fn emit(&self, out: &mut impl BufMut) {
        out.put_u32(self.global);
        out.put_u32(self.local1);
        out.put_u32(self.local2);
    }
}

impl fmt::Display for LargeCommunity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.global, self.local1, self.local2)
    }
}

impl fmt::Debug for LargeCommunity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
