//! Assert (RFC 7761 §4.9.6).

use core::net::IpAddr;

use fwd_core::Malformed;
use fwd_core::codec::{self, BufMut, Take};

use super::encoded::{EncodedGroup, emit_unicast, take_unicast, unicast_len};

/// An Assert.
///
/// ```text
/// +---------------+----------------+---+---------------------+------------+
/// | Encoded-Group | Encoded-Unicast| R | Metric Pref. (31b)  | Metric (4) |
/// +---------------+----------------+---+---------------------+------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Assert {
    /// The group.
    pub group: EncodedGroup,
    /// The source; zeros in a (*,G) Assert that a packet did not cause.
    pub source: IpAddr,
    /// R: the metric is that of the RP, the Assert is (*,G).
    pub rpt: bool,
    /// Preference of the protocol that gave the route, 31 bits.
    pub metric_preference: u32,
    /// Metric of the route.
    pub metric: u32,
}

const RPT: u32 = 1 << 31;

impl Assert {
    /// Takes the body.
    ///
    /// # Errors
    /// Truncated input, or a fault in an address.
    pub fn take(i: &[u8]) -> Take<'_, Self> {
        let (i, group) = EncodedGroup::take(i)?;
        let (i, source) = take_unicast(i, "assert source")?;
        let (i, preference) = codec::be_u32(i, "metric preference")?;
        let (i, metric) = codec::be_u32(i, "metric")?;
        Ok((i, Self { group, source, rpt: preference & RPT != 0, metric_preference: preference & !RPT, metric }))
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
        self.group.wire_len().saturating_add(unicast_len(self.source)).saturating_add(8)
    }

    /// Writes the body.
    pub fn emit(&self, out: &mut impl BufMut) {
        self.group.emit(out);
        emit_unicast(self.source, out);
        out.put_u32(self.metric_preference & !RPT | if self.rpt { RPT } else { 0 });
        out.put_u32(self.metric);
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for Assert {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        Ok(Self {
            group: u.arbitrary()?,
            source: u.arbitrary()?,
            rpt: u.arbitrary()?,
            metric_preference: u.int_in_range(0..=!RPT)?,
            metric: u.arbitrary()?,
        })
    }
}
