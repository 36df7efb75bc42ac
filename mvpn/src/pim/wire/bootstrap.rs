//! Bootstrap message fragments (RFC 5059 §4.1).

use core::net::IpAddr;

use alloc::vec::Vec;
use fwd_core::Malformed;
use fwd_core::codec::{self, BufMut, Take};

use super::encoded::{EncodedGroup, emit_unicast, take_unicast, unicast_len};

/// An RP of a group range.
///
/// ```text
/// +-----------------------+--------------+--------------+--------------+
/// | RP (Encoded-Unicast)  | Holdtime (2) | Priority (1) | Reserved (1) |
/// +-----------------------+--------------+--------------+--------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct BootstrapRp {
    /// The candidate.
    pub address: IpAddr,
    /// Seconds.
    pub holdtime: u16,
    /// Less is better.
    pub priority: u8,
}

/// A group range and its RPs in this fragment.
///
/// ```text
/// +---------------+--------------+------------------+--------------+------------------+
/// | Encoded-Group | RP Count (1) | Frag RP Cnt (1)  | Reserved (2) | BootstrapRp ...  |
/// +---------------+--------------+------------------+--------------+------------------+
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BootstrapGroup {
    /// The range.
    pub group: EncodedGroup,
    /// RPs of the range in all fragments; 0 removes the range.
    pub rp_count: u8,
    /// RPs in this fragment; those beyond 255 are not written.
    pub rps: Vec<BootstrapRp>,
}

/// A fragment of a Bootstrap message.
///
/// ```text
/// +------------------+-------------------+------------------+-----------------------+--------------------+
/// | Fragment Tag (2) | Hash Mask Len (1) | BSR Priority (1) | BSR (Encoded-Unicast) | BootstrapGroup ... |
/// +------------------+-------------------+------------------+-----------------------+--------------------+
/// ```
///
/// The No-Forward bit is the highest flag of the message header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bootstrap {
    /// N: not to be forwarded.
    pub no_forward: bool,
    /// The same in all fragments of a message.
    pub fragment_tag: u16,
    /// Bits of a group that the hash takes.
    pub hash_mask_len: u8,
    /// More is better.
    pub priority: u8,
    /// The bootstrap router.
    pub bsr: IpAddr,
    /// Group ranges.
    pub groups: Vec<BootstrapGroup>,
}

/// N among the flags of the message header.
pub(super) const NO_FORWARD: u8 = 0x80;

impl BootstrapRp {
    fn take(i: &[u8]) -> Take<'_, Self> {
        let (i, address) = take_unicast(i, "rp address")?;
        let (i, holdtime) = codec::be_u16(i, "rp holdtime")?;
        let (i, [priority, _]) = codec::array::<2>(i, "rp priority")?;
        Ok((i, Self { address, holdtime, priority }))
    }

    fn emit(&self, out: &mut impl BufMut) {
        emit_unicast(self.address, out);
        out.put_u16(self.holdtime);
        out.put_slice(&[self.priority, 0]);
    }
}

impl BootstrapGroup {
    fn take(i: &[u8]) -> Take<'_, Self> {
        let (i, group) = EncodedGroup::take(i)?;
        let (mut i, [rp_count, frag_rp_count, ..]) = codec::array::<4>(i, "rp count")?;
        let mut rps = Vec::new();
        for _ in 0..frag_rp_count {
            let (rest, rp) = BootstrapRp::take(i)?;
            rps.push(rp);
            i = rest;
        }
        Ok((i, Self { group, rp_count, rps }))
    }

    fn listed(&self) -> impl Iterator<Item = &BootstrapRp> {
        self.rps.iter().take(usize::from(u8::MAX))
    }

    /// Octets of the range.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        let rp_len = |rp: &BootstrapRp| unicast_len(rp.address).saturating_add(4);
        self.listed().fold(self.group.wire_len().saturating_add(4), |n, rp| n.saturating_add(rp_len(rp)))
    }

    fn emit(&self, out: &mut impl BufMut) {
        self.group.emit(out);
        out.put_slice(&[self.rp_count, u8::try_from(self.rps.len()).unwrap_or(u8::MAX), 0, 0]);
        self.listed().for_each(|rp| rp.emit(out));
    }
}

impl Bootstrap {
    /// Takes the body, up to the end of the input; `flags` are those of the message header.
    ///
    /// # Errors
    /// Truncated input, or a fault in an address.
    pub fn take(i: &[u8], flags: u8) -> Take<'_, Self> {
        let (i, fragment_tag) = codec::be_u16(i, "fragment tag")?;
        let (i, [hash_mask_len, priority]) = codec::array::<2>(i, "hash mask length")?;
        let (mut i, bsr) = take_unicast(i, "bsr address")?;
        let mut groups = Vec::new();
        while !i.is_empty() {
            let (rest, group) = BootstrapGroup::take(i)?;
            groups.push(group);
            i = rest;
        }
        Ok((i, Self { no_forward: flags & NO_FORWARD != 0, fragment_tag, hash_mask_len, priority, bsr, groups }))
    }

    /// Parses a body.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub fn parse(octets: &[u8], flags: u8) -> Result<Self, Malformed> {
        codec::all(octets, |i| Self::take(i, flags))
    }

    /// The flags of the message header.
    #[must_use]
    pub const fn flags(&self) -> u8 {
        if self.no_forward { NO_FORWARD } else { 0 }
    }

    /// Octets that [`Self::emit`] writes.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        self.groups.iter().fold(unicast_len(self.bsr).saturating_add(4), |n, g| n.saturating_add(g.wire_len()))
    }

    /// Writes the body.
    pub fn emit(&self, out: &mut impl BufMut) {
        out.put_u16(self.fragment_tag);
        out.put_slice(&[self.hash_mask_len, self.priority]);
        emit_unicast(self.bsr, out);
        self.groups.iter().for_each(|g| g.emit(out));
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for BootstrapGroup {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let rps = (0..u.int_in_range(0..=3)?).map(|_| u.arbitrary()).collect::<arbitrary::Result<_>>()?;
        Ok(Self { group: u.arbitrary()?, rp_count: u.arbitrary()?, rps })
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for Bootstrap {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let groups = (0..u.int_in_range(0..=3)?).map(|_| u.arbitrary()).collect::<arbitrary::Result<_>>()?;
        Ok(Self {
            no_forward: u.arbitrary()?,
            fragment_tag: u.arbitrary()?,
            hash_mask_len: u.arbitrary()?,
            priority: u.arbitrary()?,
            bsr: u.arbitrary()?,
            groups,
        })
    }
}
