//! Unlabelled prefixes (RFC 4271 §4.3, RFC 4760 §5).

use fwd_core::codec::{self, BufMut, Take};

use super::nlris::{emit_path_id, take_path_id, take_prefix, wire_len_of};
use super::{Nlri, NlriFormat, PathId, WirePrefix};

/// A prefix of family 1/1, 2/1, 1/2 or 2/2.
///
/// ```text
/// +---------------------------+
/// | Path identifier (4)       |  only with ADD-PATH
/// +---------------------------+
/// | Length in bits (1)        |
/// +---------------------------+
/// | Prefix (0 to 4, 0 to 16)  |
/// +---------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct UnicastNlri<P> {
    /// Path identifier, where the session has them.
    pub path_id: Option<PathId>,
    /// The destination.
    pub prefix: P,
}

impl<'a, P: WirePrefix> Nlri<'a> for UnicastNlri<P> {
    #[inline]
    fn take(i: &'a [u8], format: NlriFormat) -> Take<'a, Self> {
        let (i, path_id) = take_path_id(i, format)?;
        let (i, bits) = codec::be_u8(i, "length")?;
        let (i, prefix) = take_prefix(i, bits)?;
        Ok((i, Self { path_id, prefix }))
    }

    #[inline]
    fn wire_len(&self, format: NlriFormat) -> usize {
        wire_len_of(format, 0, self.prefix.wire())
    }

    #[inline]
    fn emit(&self, format: NlriFormat, out: &mut impl BufMut) {
        emit_path_id(self.path_id, format, out);
        out.put_u8(self.prefix.bits());
        out.put_slice(self.prefix.wire());
    }
}
