//! Candidate-RP-Advertisement (RFC 5059 §4.2).

use core::net::IpAddr;

use alloc::vec::Vec;
use fwd_core::Malformed;
use fwd_core::codec::{self, BufMut, Take};

use super::encoded::{EncodedGroup, emit_unicast, take_unicast, unicast_len};

/// What a candidate RP tells the bootstrap router.
///
/// ```text
/// +------------------+--------------+--------------+----------------------+-------------------+
/// | Prefix Count (1) | Priority (1) | Holdtime (2) | RP (Encoded-Unicast) | Encoded-Group ... |
/// +------------------+--------------+--------------+----------------------+-------------------+
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CandidateRpAdvertisement {
    /// Less is better.
    pub priority: u8,
    /// Seconds; 0 withdraws.
    pub holdtime: u16,
    /// The candidate.
    pub rp: IpAddr,
    /// Its group ranges; those beyond 255 are not written. None stands for all groups (RFC 5059 §3.2 forbids sending it).
    pub groups: Vec<EncodedGroup>,
}

impl CandidateRpAdvertisement {
    /// Takes the body.
    ///
    /// # Errors
    /// Truncated input, or a fault in an address.
    pub fn take(i: &[u8]) -> Take<'_, Self> {
        let (i, [count, priority]) = codec::array::<2>(i, "prefix count")?;
        let (i, holdtime) = codec::be_u16(i, "holdtime")?;
        let (mut i, rp) = take_unicast(i, "rp address")?;
        let mut groups = Vec::new();
        for _ in 0..count {
            let (rest, group) = EncodedGroup::take(i)?;
            groups.push(group);
            i = rest;
        }
        Ok((i, Self { priority, holdtime, rp, groups }))
    }

    /// Parses a body.
    ///
    /// # Errors
    /// As [`Self::take`], or trailing octets.
    pub fn parse(octets: &[u8]) -> Result<Self, Malformed> {
        codec::all(octets, Self::take)
    }

    fn listed(&self) -> impl Iterator<Item = &EncodedGroup> {
        self.groups.iter().take(usize::from(u8::MAX))
    }

    /// Octets that [`Self::emit`] writes.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        self.listed().fold(unicast_len(self.rp).saturating_add(4), |n, g| n.saturating_add(g.wire_len()))
    }

    /// Writes the body.
    pub fn emit(&self, out: &mut impl BufMut) {
        out.put_slice(&[u8::try_from(self.groups.len()).unwrap_or(u8::MAX), self.priority]);
        out.put_u16(self.holdtime);
        emit_unicast(self.rp, out);
        self.listed().for_each(|g| g.emit(out));
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for CandidateRpAdvertisement {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let groups = (0..u.int_in_range(0..=4)?).map(|_| u.arbitrary()).collect::<arbitrary::Result<_>>()?;
        Ok(Self { priority: u.arbitrary()?, holdtime: u.arbitrary()?, rp: u.arbitrary()?, groups })
    }
}
