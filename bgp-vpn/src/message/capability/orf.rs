//! Outbound route filtering (RFC 5291 §5).

use alloc::vec::Vec;

use fwd_core::Malformed;
use fwd_core::codec::{self, BufMut, Take};

use super::{SendReceive, take_family};
use crate::nlri::Family;

/// The type of an outbound route filter; unknown values survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct OrfType(pub u8);

impl OrfType {
    /// Address prefix (RFC 5292 §3).
    pub const ADDRESS_PREFIX: Self = Self(64);
    /// Covering prefixes (RFC 7543 §3).
    pub const COVERING_PREFIX: Self = Self(65);
}

/// The value of capability 3, kept as octets.
///
/// ```text
/// +---------+--------------+----------+--------------------+
/// | AFI (2) | Reserved (1) | SAFI (1) | Number of ORFs (1) |
/// +---------+----+---------+----------+--------------------+
/// | ORF type (1) | Send/Receive (1) |  as often as the number says
/// +--------------+------------------+
/// ```
///
/// and so on for further families.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrfCapability {
    octets: Vec<u8>,
}

type OrfEntry = (Family, OrfType, SendReceive);

impl OrfCapability {
    /// The filters of these families. `None` if they do not fit 255 octets.
    #[must_use]
    pub fn new(families: &[(Family, &[(OrfType, SendReceive)])]) -> Option<Self> {
        let mut octets = Vec::new();
        for (family, types) in families {
            octets.extend_from_slice(&family.afi.0.to_be_bytes());
            octets.extend_from_slice(&[0, family.safi.0, u8::try_from(types.len()).ok()?]);
            octets.extend(types.iter().flat_map(|(orf_type, mode)| [orf_type.0, mode.0]));
        }
        (octets.len() <= 255).then_some(Self { octets })
    }

    fn take_entries(i: &[u8]) -> Take<'_, Vec<OrfEntry>> {
        let (mut i, mut entries) = (i, Vec::new());
        while !i.is_empty() {
            let (rest, family) = take_family(i)?;
            let (rest, number) = codec::be_u8(rest, "number of orfs")?;
            let (rest, types) = codec::octets(rest, usize::from(number).saturating_mul(2), "orf types")?;
            entries.extend(types.chunks_exact(2).filter_map(|pair| match pair {
                [orf_type, mode] => Some((family, OrfType(*orf_type), SendReceive(*mode))),
                _ => None,
            }));
            i = rest;
        }
        Ok((i, entries))
    }

    /// Takes the value up to its end.
    ///
    /// # Errors
    /// A number of filters that exceeds the value.
    pub fn take(i: &[u8]) -> Take<'_, Self> {
        let (rest, _) = Self::take_entries(i)?;
        Ok((rest, Self { octets: i.to_vec() }))
    }

    /// Parses a value.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub fn parse(octets: &[u8]) -> Result<Self, Malformed> {
        codec::all(octets, Self::take)
    }

    /// Octets of the value.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        self.octets.len()
    }

    /// Writes the value.
    pub fn emit(&self, out: &mut impl BufMut) {
        out.put_slice(&self.octets);
    }

    /// Family, filter type and direction of every filter.
    #[must_use]
    pub fn entries(&self) -> Vec<OrfEntry> {
        Self::take_entries(&self.octets).map(|(_, entries)| entries).unwrap_or_default()
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for OrfCapability {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let families: Vec<(Family, Vec<(OrfType, SendReceive)>)> = u.arbitrary()?;
        let families: Vec<_> = families.iter().map(|(family, types)| (*family, types.as_slice())).collect();
        Self::new(&families).ok_or(arbitrary::Error::IncorrectFormat)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::capability::Capability;

    /// Shows: L3VPN-8.1-7
    #[test]
    fn filters_are_listed_per_family() {
        let octets = [3, 14, 0, 1, 0, 1, 2, 64, 3, 65, 1, 0, 2, 0, 1, 0];
        let Ok(Capability::OutboundRouteFiltering(orf)) = Capability::parse(&octets) else { panic!("not code 3") };
        assert_eq!(
            orf.entries(),
            [
                (Family::IPV4_UNICAST, OrfType::ADDRESS_PREFIX, SendReceive::BOTH),
                (Family::IPV4_UNICAST, OrfType::COVERING_PREFIX, SendReceive::RECEIVE),
            ]
        );
        let mut out = Vec::new();
        Capability::OutboundRouteFiltering(orf).emit(&mut out);
        assert_eq!(out, octets);
    }

    #[test]
    fn a_number_beyond_the_value_is_a_fault() {
        assert_eq!(OrfCapability::parse(&[0, 1, 0, 1, 2, 64, 3]).unwrap_err().field, "orf types");
        let many = [(OrfType::ADDRESS_PREFIX, SendReceive::BOTH); 126];
        assert_eq!(OrfCapability::new(&[(Family::IPV4_UNICAST, &many)]), None);
    }
}
