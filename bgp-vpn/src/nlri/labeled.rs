//! Labelled prefixes (RFC 8277 §2).

use fwd_core::Fault;
use fwd_core::codec::{self, BufMut, Fail, Take};

use super::nlris::{emit_path_id, take_path_id, take_prefix, wire_len_of};
use super::{Labels, Nlri, NlriFormat, PathId, WirePrefix};

/// A labelled prefix of family 1/4 or 2/4.
///
/// ```text
/// +---------------------------+
/// | Path identifier (4)       |  only with ADD-PATH
/// +---------------------------+
/// | Length in bits (1)        |  of labels and prefix
/// +---------------------------+
/// | Labels (3 each)           |  several only where negotiated
/// +---------------------------+
/// | Prefix (0 to 4, 0 to 16)  |
/// +---------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct LabeledNlri<'a, P> {
    /// Path identifier, where the session has them.
    pub path_id: Option<PathId>,
    /// The labels, or [`Labels::WITHDRAW`].
    pub labels: Labels<'a>,
    /// The destination.
    pub prefix: P,
}

impl<'a, P: WirePrefix> Nlri<'a> for LabeledNlri<'a, P> {
    #[inline]
    fn take(i: &'a [u8], format: NlriFormat) -> Take<'a, Self> {
        let (i, path_id) = take_path_id(i, format)?;
        let at = i;
        let (i, bits) = codec::be_u8(i, "length")?;
        let (i, labels) = Labels::take(i, format.multiple_labels)?;
        let (i, prefix) = take_prefix(i, bits_after(at, bits, labels.wire_len())?)?;
        Ok((i, Self { path_id, labels, prefix }))
    }

    #[inline]
    fn wire_len(&self, format: NlriFormat) -> usize {
        wire_len_of(format, self.labels.wire_len(), self.prefix.wire())
    }

    #[inline]
    fn emit(&self, format: NlriFormat, out: &mut impl BufMut) {
        emit_path_id(self.path_id, format, out);
        out.put_u8(bits_with(self.prefix.bits(), self.labels.wire_len()));
        self.labels.emit(out);
        out.put_slice(self.prefix.wire());
    }
}

/// The bits left for the prefix once `taken` octets of a length field's `bits` are read.
#[inline]
pub(super) fn bits_after(at: &[u8], bits: u8, taken: usize) -> Result<u8, nom::Err<Fail<'_>>> {
    u8::try_from(taken.saturating_mul(8))
        .ok()
        .and_then(|taken| bits.checked_sub(taken))
        .ok_or_else(|| Fail::new(at, "length", Fault::Length(usize::from(bits))))
}

/// The length field of a prefix of `prefix` bits behind `octets` octets of labels and RD. Both are bounded
/// ([`Labels::MAX`]), but eight labels, a RD and an IPv6 prefix exceed one octet: such an NLRI cannot be sent, and
/// saturates here so that no receiver takes it for another.
#[inline]
pub(super) fn bits_with(prefix: u8, octets: usize) -> u8 {
    u8::try_from(octets.saturating_mul(8).saturating_add(usize::from(prefix))).unwrap_or(u8::MAX)
}

#[cfg(feature = "arbitrary")]
impl<'a, P: WirePrefix + arbitrary::Arbitrary<'a>> arbitrary::Arbitrary<'a> for LabeledNlri<'a, P> {
    /// One whose length field holds its bits; for sessions that negotiated several labels.
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let (labels, prefix): (Labels<'a>, P) = (u.arbitrary()?, u.arbitrary()?);
        let bits = labels.wire_len().saturating_mul(8).saturating_add(usize::from(prefix.bits()));
        if bits > usize::from(u8::MAX) {
            return Err(arbitrary::Error::IncorrectFormat);
        }
        Ok(Self { path_id: u.arbitrary()?, labels, prefix })
    }
}
