//! ECMP Redirect (RFC 6754 §5.2).

use core::net::IpAddr;

use fwd_core::codec::{self, BufMut, Fail, Take};
use fwd_core::{Fault, Malformed};

use super::encoded::{
    AddressFamily, EncodedGroup, emit_address, emit_unicast, take_address, take_unicast, unicast_len,
};

/// An ECMP Redirect: Encoded-Group, source (Encoded-Unicast), neighbour (address), interface ID (8), preference (1), metric (8).
///
/// The neighbour has no encoding in front and is of the source's family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EcmpRedirect {
    group: EncodedGroup,
    source: IpAddr,
    neighbor: IpAddr,
    /// Interface ID of the neighbour (RFC 6395).
    pub interface_id: u64,
    /// Less is better; 15 says that the metric is an NTP timestamp.
    pub preference: u8,
    /// Less is better.
    pub metric: u64,
}

impl EcmpRedirect {
    /// A redirect of this source and group to `neighbor`. `None` if source and neighbour are of different families.
    #[must_use]
    pub fn new(group: EncodedGroup, source: IpAddr, neighbor: IpAddr) -> Option<Self> {
        let same = AddressFamily::of(source) == AddressFamily::of(neighbor);
        same.then_some(Self { group, source, neighbor, interface_id: 0, preference: 0, metric: 0 })
    }

    /// The group.
    #[must_use]
    pub const fn group(&self) -> EncodedGroup {
        self.group
    }

    /// The source, or the RP.
    #[must_use]
    pub const fn source(&self) -> IpAddr {
        self.source
    }

    /// Where to send Joins instead.
    #[must_use]
    pub const fn neighbor(&self) -> IpAddr {
        self.neighbor
    }

    /// Takes the body.
    ///
    /// # Errors
    /// Truncated input, or a fault in an address.
    pub fn take(i: &[u8]) -> Take<'_, Self> {
        let (i, group) = EncodedGroup::take(i)?;
        let (rest, source) = take_unicast(i, "source")?;
        if AddressFamily::of(group.addr()) != AddressFamily::of(source) {
            return Err(Fail::new(i, "source family", Fault::Value(1)));
        }
        let (i, neighbor) = take_address(rest, AddressFamily::of(source), "neighbor")?;
        let (i, interface_id) = codec::be_u64(i, "interface id")?;
        let (i, preference) = codec::be_u8(i, "preference")?;
        let (i, metric) = codec::be_u64(i, "metric")?;
        Ok((i, Self { group, source, neighbor, interface_id, preference, metric }))
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
            .saturating_add(AddressFamily::of(self.neighbor).octets())
            .saturating_add(17)
    }

    /// Writes the body.
    pub fn emit(&self, out: &mut impl BufMut) {
        self.group.emit(out);
        emit_unicast(self.source, out);
        emit_address(self.neighbor, out);
        out.put_u64(self.interface_id);
        out.put_u8(self.preference);
        out.put_u64(self.metric);
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for EcmpRedirect {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let group: EncodedGroup = u.arbitrary()?;
        let (source, neighbor) = match AddressFamily::of(group.addr()) {
            AddressFamily::V4 => (IpAddr::V4(u.arbitrary()?), IpAddr::V4(u.arbitrary()?)),
            AddressFamily::V6 => (IpAddr::V6(u.arbitrary()?), IpAddr::V6(u.arbitrary()?)),
        };
        let (interface_id, preference, metric) = (u.arbitrary()?, u.arbitrary()?, u.arbitrary()?);
        Ok(Self { group, source, neighbor, interface_id, preference, metric })
    }
}
