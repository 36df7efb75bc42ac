//! What all NLRI forms share: path identifiers, prefix fields, the lazy iterator.

use core::fmt;
use core::hash::Hash;
use core::marker::PhantomData;

use fwd_core::codec::{self, BufMut, Fail, Take};
use fwd_core::net::{Ipv4Prefix, Ipv6Prefix};
use fwd_core::{Fault, Malformed};

/// ADD-PATH path identifier (RFC 7911 §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct PathId(pub u32);

/// How NLRI octets of one family are to be read or written, as the session negotiated it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct NlriFormat {
    /// A path identifier precedes every NLRI (RFC 7911 §3).
    pub add_path: bool,
    /// More than one label may stand in an NLRI (RFC 8277 §2.1); otherwise the first is the only one, whatever its
    /// bottom-of-stack bit says (RFC 8277 §2.2).
    pub multiple_labels: bool,
}

/// One NLRI of some form.
pub trait Nlri<'a>: Sized {
    /// Takes one NLRI.
    ///
    /// # Errors
    /// A truncated field, or an impossible prefix length.
    fn take(i: &'a [u8], format: NlriFormat) -> Take<'a, Self>;
    /// Octets that [`Nlri::emit`] writes.
    fn wire_len(&self, format: NlriFormat) -> usize;
    /// Writes one NLRI.
    fn emit(&self, format: NlriFormat, out: &mut impl BufMut);
}

/// A prefix as NLRI carry it: its length in bits, then as many octets as hold these bits (RFC 4271 §4.3).
pub trait WirePrefix: Copy + Eq + Ord + Hash + fmt::Debug + fmt::Display + Sized {
    /// The longest prefix length.
    const MAX_LEN: u8;
    /// The prefix of `bits` bits in `octets`; bits beyond the length are ignored (RFC 4271 §4.3). `None` if the length
    /// exceeds [`Self::MAX_LEN`] or the octets are not as many as hold the bits.
    fn from_wire(bits: u8, octets: &[u8]) -> Option<Self>;
    /// The length in bits.
    fn bits(&self) -> u8;
    /// As many octets as hold the bits.
    fn wire(&self) -> &[u8];
    /// All octets of the address; those beyond the bits are zero.
    fn all_octets(&self) -> &[u8];
    /// The first `bits` bits of `i`, where more than an address's octets follow: no octet is looked at alone. `None` where fewer
    /// follow, or the length exceeds [`Self::MAX_LEN`].
    fn from_window(bits: u8, i: &[u8]) -> Option<Self>;
}

impl WirePrefix for Ipv4Prefix {
    const MAX_LEN: u8 = Self::MAX_LEN;

    #[inline]
    fn from_wire(bits: u8, octets: &[u8]) -> Option<Self> {
        if octets.len() > 4 {
            return None;
        }
        let addr = (high_bits(octets)? >> 32) as u32;
        Self::from_bits(addr, bits)
    }

    #[inline]
    fn bits(&self) -> u8 {
        self.bit_len()
    }

    #[inline]
    fn wire(&self) -> &[u8] {
        self.wire_octets()
    }

    #[inline]
    fn all_octets(&self) -> &[u8] {
        self.octets()
    }

    #[inline]
    fn from_window(bits: u8, i: &[u8]) -> Option<Self> {
        Self::from_bits(u32::from_be_bytes(*i.first_chunk()?), bits)
    }
}

impl WirePrefix for Ipv6Prefix {
    const MAX_LEN: u8 = Self::MAX_LEN;

    #[inline]
    fn from_wire(bits: u8, octets: &[u8]) -> Option<Self> {
        let (high, low) = octets.split_at(octets.len().min(8));
        let addr = u128::from(high_bits(high)?) << 64 | u128::from(high_bits(low)?);
        Self::from_bits(addr, bits)
    }

    #[inline]
    fn bits(&self) -> u8 {
        self.bit_len()
    }

    #[inline]
    fn wire(&self) -> &[u8] {
        self.wire_octets()
    }

    #[inline]
    fn all_octets(&self) -> &[u8] {
        self.octets()
    }

    #[inline]
    fn from_window(bits: u8, i: &[u8]) -> Option<Self> {
        Self::from_bits(u128::from_be_bytes(*i.first_chunk()?), bits)
    }
}

/// Up to eight octets as the high bits of a number. Two reads that may overlap take the place of a loop.
#[inline]
fn high_bits(octets: &[u8]) -> Option<u64> {
    let shift = 64u32.checked_sub(u32::try_from(octets.len()).ok()?.checked_mul(8)?)?;
    if let (Some(first), Some(last)) = (octets.first_chunk(), octets.last_chunk()) {
        let (first, last) = (u32::from_be_bytes(*first), u32::from_be_bytes(*last));
        return Some(u64::from(first) << 32 | u64::from(last) << shift);
    }
    if let (Some(first), Some(last)) = (octets.first_chunk(), octets.last_chunk()) {
        let (first, last) = (u16::from_be_bytes(*first), u16::from_be_bytes(*last));
        return Some(u64::from(first) << 48 | u64::from(last) << shift);
    }
    Some(octets.first().map_or(0, |octet| u64::from(*octet) << 56))
}

/// Takes the path identifier, where the session has them.
#[inline]
pub(super) fn take_path_id(i: &[u8], format: NlriFormat) -> Take<'_, Option<PathId>> {
    if !format.add_path {
        return Ok((i, None));
    }
    codec::be_u32(i, "path identifier").map(|(i, id)| (i, Some(PathId(id))))
}

/// Writes the path identifier, where the session has them; 0 where the route has none.
#[inline]
pub(super) fn emit_path_id(id: Option<PathId>, format: NlriFormat, out: &mut impl BufMut) {
    if format.add_path {
        out.put_u32(id.map_or(0, |id| id.0));
    }
}

/// Octets of an NLRI: path identifier, length, `before` octets of labels and RD, prefix.
#[inline]
pub(super) fn wire_len_of(format: NlriFormat, before: usize, prefix: &[u8]) -> usize {
    path_id_len(format).saturating_add(1).saturating_add(before).saturating_add(prefix.len())
}

/// Octets of the path identifier field.
#[inline]
const fn path_id_len(format: NlriFormat) -> usize {
    if format.add_path { 4 } else { 0 }
}

/// The prefix in the last octets of an NLRI whose length field says that `bits` bits of prefix are left.
#[inline]
pub(super) fn take_prefix<P: WirePrefix>(i: &[u8], bits: u8) -> Take<'_, P> {
    let len = usize::from(bits.div_ceil(8));
    if let Some(prefix) = P::from_window(bits, i) {
        let (rest, _) = codec::octets(i, len, "prefix")?;
        return Ok((rest, prefix));
    }
    if bits > P::MAX_LEN {
        return Err(Fail::new(i, "prefix", Fault::Length(usize::from(bits))));
    }
    let (rest, octets) = codec::octets(i, len, "prefix")?;
    match P::from_wire(bits, octets) {
        Some(prefix) => Ok((rest, prefix)),
        None => Err(Fail::new(i, "prefix", Fault::Length(usize::from(bits)))),
    }
}

/// The fault of a route that is shorter than its length field says.
#[cold]
pub(super) fn trailing(surplus: &[u8]) -> nom::Err<Fail<'_>> {
    Fail::new(surplus, "end", Fault::Trailing(surplus.len()))
}

/// A field of NLRI, read one at a time.
///
/// The iterator yields an error at the first NLRI that does not parse, with its offset from the start of the field, and
/// nothing after it.
#[derive(Clone, Debug)]
pub struct Nlris<'a, N> {
    whole: &'a [u8],
    rest: &'a [u8],
    format: NlriFormat,
    form: PhantomData<fn() -> N>,
}

impl<'a, N: Nlri<'a>> Nlris<'a, N> {
    /// Iterates over the NLRI in `field`.
    #[inline]
    #[must_use]
    pub const fn new(field: &'a [u8], format: NlriFormat) -> Self {
        Self { whole: field, rest: field, format, form: PhantomData }
    }
}

impl<'a, N: Nlri<'a>> Iterator for Nlris<'a, N> {
    type Item = Result<N, Malformed>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        match N::take(self.rest, self.format) {
            Ok((rest, nlri)) => {
                self.rest = rest;
                Some(Ok(nlri))
            }
            Err(nom::Err::Error(fail) | nom::Err::Failure(fail)) => {
                self.rest = &[];
                Some(Err(fail.within(self.whole)))
            }
            Err(nom::Err::Incomplete(_)) => {
                self.rest = &[];
                None
            }
        }
    }
}

impl<'a, N: Nlri<'a>> core::iter::FusedIterator for Nlris<'a, N> {}
