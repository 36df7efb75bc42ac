//! State Refresh of PIM-DM (RFC 3973 §4.7.10).

use core::net::IpAddr;

use bitflags::bitflags;
use fwd_core::Malformed;
use fwd_core::codec::{self, BufMut, Take};

use super::encoded::{EncodedGroup, emit_unicast, take_unicast, unicast_len};

bitflags! {
    /// Flags of a State Refresh.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct StateRefreshFlags: u8 {
        /// P: the interface that it is sent on is pruned.
        const PRUNE_INDICATOR = 0x80;
        /// N: every third one of an originator.
        const PRUNE_NOW = 0x40;
        /// O: no Assert timer runs at the sender.
        const ASSERT_OVERRIDE = 0x20;
    }
}

/// A State Refresh.
///
/// ```text
/// +---------------+-----------------+---------------------+---+--------------------+------------+
/// | Encoded-Group | Source (Enc-Uni)| Originator (Enc-Uni)| R | Metric Pref. (31b) | Metric (4) |
/// +-------------+-+-------+---------+--------+------------+---+--------------------+------------+
/// | Masklen (1) | TTL (1) | P N O (1)        | Interval (1)|
/// +-------------+---------+------------------+-------------+
/// ```
///
/// R is sent as zero and ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StateRefresh {
    /// The group.
    pub group: EncodedGroup,
    /// The source.
    pub source: IpAddr,
    /// The first-hop router.
    pub originator: IpAddr,
    /// Preference of the sender's route to the source, 31 bits.
    pub metric_preference: u32,
    /// Its metric.
    pub metric: u32,
    /// Length of the route to the source.
    pub mask_len: u8,
    /// Hops left; not that of the IP header.
    pub ttl: u8,
    /// The flags.
    pub flags: StateRefreshFlags,
    /// Seconds between State Refreshes of this source and group.
    pub interval: u8,
}

impl StateRefresh {
    /// Takes the body.
    ///
    /// # Errors
    /// Truncated input, or a fault in an address.
    pub fn take(i: &[u8]) -> Take<'_, Self> {
        let (i, group) = EncodedGroup::take(i)?;
        let (i, source) = take_unicast(i, "source")?;
        let (i, originator) = take_unicast(i, "originator")?;
        let (i, preference) = codec::be_u32(i, "metric preference")?;
        let (i, metric) = codec::be_u32(i, "metric")?;
        let (i, [mask_len, ttl, flags, interval]) = codec::array::<4>(i, "masklen")?;
        let flags = StateRefreshFlags::from_bits_truncate(flags);
        let metric_preference = preference & 0x7fff_ffff;
        Ok((i, Self { group, source, originator, metric_preference, metric, mask_len, ttl, flags, interval }))
    }

    /// Parses a body.
    ///
    /// # Errors
    /// As [`Self::take`], or trailing octets.
    pub fn parse(octets: &[u8]) -> Result<Self, Malformed> {
        codec::all(octets, Self::take)
    }

    /// Octets that [`Self::emit`] writes.
    #[must_use]
    pub const fn wire_len(&self) -> usize {
        self.group
            .wire_len()
            .saturating_add(unicast_len(self.source))
            .saturating_add(unicast_len(self.originator))
            .saturating_add(12)
    }

    /// Writes the body.
    pub fn emit(&self, out: &mut impl BufMut) {
        self.group.emit(out);
        emit_unicast(self.source, out);
        emit_unicast(self.originator, out);
        out.put_u32(self.metric_preference & 0x7fff_ffff);
        out.put_u32(self.metric);
        out.put_slice(&[self.mask_len, self.ttl, self.flags.bits(), self.interval]);
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for StateRefresh {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(Self {
            group: u.arbitrary()?,
            source: u.arbitrary()?,
            originator: u.arbitrary()?,
            metric_preference: u.int_in_range(0..=0x7fff_ffff)?,
            metric: u.arbitrary()?,
            mask_len: u.arbitrary()?,
            ttl: u.arbitrary()?,
            flags: StateRefreshFlags::from_bits_truncate(u.arbitrary()?),
            interval: u.arbitrary()?,
        })
    }
}
