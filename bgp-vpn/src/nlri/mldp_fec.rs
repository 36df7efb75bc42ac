//! The multipoint LDP FEC element that BGP carries (RFC 6388 §2.2, §3.3).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use fwd_core::Malformed;
use fwd_core::codec::{self, BufMut, Take};

/// A P2MP or MP2MP FEC element: it names a multipoint LSP by its root and an opaque value. In PMSI_TUNNEL (RFC 6514 §5) and in the
/// MCAST-VPN routes of RFC 7441.
///
/// ```text
/// +-----------+---------------------+--------------------+
/// | Type (1)  | Address Family (2)  | Address Length (1) |
/// +-----------+---------------------+--------------------+
/// | Root Node Address (variable)                         |
/// +------------------------+-----------------------------+
/// | Opaque Length (2)      | Opaque Value (variable)     |
/// +------------------------+-----------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct MldpFec<'a> {
    /// Type: [`Self::P2MP`], [`Self::MP2MP_UPSTREAM`], [`Self::MP2MP_DOWNSTREAM`].
    pub fec_type: u8,
    /// Address family of the root: 1, 2, or 29 and 30 with a topology (RFC 7307 §8).
    pub address_family: u16,
    /// The root's address, at most 255 octets; behind it the topology, where the family has one.
    pub root_octets: &'a [u8],
    /// Opaque value, at most 65,535 octets: one or more LDP MP opaque value elements.
    pub opaque: &'a [u8],
}

impl<'a> MldpFec<'a> {
    /// Point to multipoint (RFC 6388 §2.2).
    pub const P2MP: u8 = 6;
    /// Multipoint to multipoint, upstream (RFC 6388 §3.3).
    pub const MP2MP_UPSTREAM: u8 = 7;
    /// Multipoint to multipoint, downstream (RFC 6388 §3.3).
    pub const MP2MP_DOWNSTREAM: u8 = 8;

    /// Takes one FEC element.
    ///
    /// # Errors
    /// Truncated input.
    pub fn take(i: &'a [u8]) -> Take<'a, Self> {
        let (i, fec_type) = codec::be_u8(i, "FEC type")?;
        let (i, address_family) = codec::be_u16(i, "FEC address family")?;
        let (i, len) = codec::be_u8(i, "FEC address length")?;
        let (i, root_octets) = codec::octets(i, usize::from(len), "FEC root node address")?;
        let (i, len) = codec::be_u16(i, "FEC opaque length")?;
        let (i, opaque) = codec::octets(i, usize::from(len), "FEC opaque value")?;
        Ok((i, Self { fec_type, address_family, root_octets, opaque }))
    }

    /// Parses exactly one FEC element.
    ///
    /// # Errors
    /// Truncated or trailing octets.
    pub fn parse(octets: &'a [u8]) -> Result<Self, Malformed> {
        codec::all(octets, Self::take)
    }

    /// Octets that [`Self::emit`] writes.
    #[must_use]
    pub const fn wire_len(&self) -> usize {
        self.root_octets.len().saturating_add(self.opaque.len()).saturating_add(6)
    }

    /// Writes the FEC element.
    pub fn emit(&self, out: &mut impl BufMut) {
        out.put_u8(self.fec_type);
        out.put_u16(self.address_family);
        out.put_u8(u8::try_from(self.root_octets.len()).unwrap_or(u8::MAX));
        out.put_slice(self.root_octets);
        out.put_u16(u16::try_from(self.opaque.len()).unwrap_or(u16::MAX));
        out.put_slice(self.opaque);
    }

    /// The root; `None` for address families that this crate does not know, or a length that the family does not have
    /// (RFC 6388 §2.2).
    #[must_use]
    pub fn root(&self) -> Option<IpAddr> {
        let octets = self.root_octets;
        match (self.address_family, octets.len()) {
            (1, 4) | (29, 8) => octets.first_chunk().map(|o| Ipv4Addr::from(*o).into()),
            (2, 16) | (30, 20) => octets.first_chunk().map(|o| Ipv6Addr::from(*o).into()),
            _ => None,
        }
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for MldpFec<'a> {
    /// One whose octets fit into an MCAST-VPN route of IPv4.
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let root_octets = u.bytes(4)?;
        let len = u.int_in_range(0..=40)?;
        Ok(Self { fec_type: u.int_in_range(6..=8)?, address_family: 1, root_octets, opaque: u.bytes(len)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The figure of RFC 6388 §2.2 with the generic LSP identifier 1 as opaque value (RFC 6388 §2.3.1).
    #[test]
    fn octets_by_the_figure() {
        let octets = [6, 0, 1, 4, 192, 0, 2, 1, 0, 7, 1, 0, 4, 0, 0, 0, 1];
        let fec = MldpFec::parse(&octets).unwrap();
        assert_eq!((fec.fec_type, fec.root()), (MldpFec::P2MP, Some(Ipv4Addr::new(192, 0, 2, 1).into())));
        assert_eq!(fec.opaque, [1, 0, 4, 0, 0, 0, 1]);
        let mut out = alloc::vec::Vec::new();
        fec.emit(&mut out);
        assert_eq!((&out[..], out.len()), (&octets[..], fec.wire_len()));
        for len in 0..octets.len() {
            assert!(MldpFec::parse(&octets[..len]).is_err());
        }
        let wrong = MldpFec { root_octets: &[1, 2, 3], ..fec };
        assert_eq!(wrong.root(), None);
    }
}
