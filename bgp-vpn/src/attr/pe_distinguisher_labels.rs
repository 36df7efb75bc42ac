//! PE Distinguisher Labels (RFC 6514 §8).

use core::net::IpAddr;

use fwd_core::codec::{self, BufMut, Fail, Take};
use fwd_core::net::Label;
use fwd_core::{Fault, Malformed};

use super::PmsiLabel;

/// The value of PE Distinguisher Labels: on a tunnel of the sender, which label names which PE.
///
/// ```text
/// +---------------------------------+
/// | PE Address (4, 16)              |
/// +---------------------------------+
/// | Label (3)                       |
/// +---------------------------------+
/// | ...                             |
/// +---------------------------------+
/// ```
///
/// Whether addresses have 4 octets or 16 is told by the route that carries the attribute: they are of the family of its originating
/// router. A length that is a multiple of 7 and of 19 fits both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PeDistinguisherLabels<'a> {
    octets: &'a [u8],
}

impl<'a> PeDistinguisherLabels<'a> {
    /// Takes the value of the attribute: all of the input.
    ///
    /// # Errors
    /// A length that no whole entries have, or an address that is not a unicast one in either reading.
    pub fn take(i: &'a [u8]) -> Take<'a, Self> {
        let value = Self { octets: i };
        let fits = |ipv6: bool| {
            let entry = if ipv6 { 19 } else { 7 };
            !i.is_empty() && i.len().checked_rem(entry) == Some(0) && value.entries(ipv6).all(|(pe, _)| is_unicast(pe))
        };
        if !fits(false) && !fits(true) {
            return Err(Fail::new(i, "PE Distinguisher Labels", Fault::Length(i.len())));
        }
        Ok((&[], value))
    }

    /// Parses the value of the attribute.
    ///
    /// # Errors
    /// As [`Self::take`].
    pub fn parse(octets: &'a [u8]) -> Result<Self, Malformed> {
        codec::all(octets, Self::take)
    }

    /// A value that was checked when it was received.
    pub(super) const fn of_checked(octets: &'a [u8]) -> Self {
        Self { octets }
    }

    /// Octets that [`Self::emit`] writes.
    #[must_use]
    pub const fn wire_len(&self) -> usize {
        self.octets.len()
    }

    /// Writes the value as it is.
    pub fn emit(&self, out: &mut impl BufMut) {
        out.put_slice(self.octets);
    }

    /// The value as octets.
    #[must_use]
    pub const fn octets(&self) -> &'a [u8] {
        self.octets
    }

    /// The entries, if the originating router of the route has an address of this family.
    pub fn entries(&self, ipv6: bool) -> impl Iterator<Item = (IpAddr, PmsiLabel)> + use<'a> {
        let mut rest = self.octets;
        core::iter::from_fn(move || {
            let (address, after) = if ipv6 {
                rest.split_first_chunk::<16>().map(|(address, after)| (IpAddr::from(*address), after))?
            } else {
                rest.split_first_chunk::<4>().map(|(address, after)| (IpAddr::from(*address), after))?
            };
            let (label, after) = after.split_first_chunk::<3>()?;
            rest = after;
            Some((address, PmsiLabel(*label)))
        })
    }

    /// Writes one entry of a value.
    pub fn emit_entry(pe: IpAddr, label: Label, out: &mut impl BufMut) {
        match pe {
            IpAddr::V4(address) => out.put_slice(&address.octets()),
            IpAddr::V6(address) => out.put_slice(&address.octets()),
        }
        out.put_slice(&PmsiLabel::new(label).0);
    }
}

fn is_unicast(address: IpAddr) -> bool {
    !address.is_multicast() && !address.is_unspecified() && address != IpAddr::from([255; 4])
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for PeDistinguisherLabels<'a> {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let (n, entry) = (u.int_in_range(1..=6usize)?, *u.choose(&[7usize, 19])?);
        Self::parse(u.bytes(n.saturating_mul(entry))?).or(Ok(Self { octets: &[192, 0, 2, 1, 0, 6, 0x40] }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    /// Shows: L3VPN-8.2-11
    #[test]
    fn entries_of_7_or_19_octets() {
        let label = |n| Label::new(n).unwrap();
        let (a, b): (IpAddr, IpAddr) = ([192, 0, 2, 1].into(), [192, 0, 2, 2].into());
        let mut octets = Vec::new();
        PeDistinguisherLabels::emit_entry(a, label(100), &mut octets);
        PeDistinguisherLabels::emit_entry(b, label(200), &mut octets);
        assert_eq!(octets, [192, 0, 2, 1, 0, 0x06, 0x40, 192, 0, 2, 2, 0, 0x0c, 0x80]);
        let value = PeDistinguisherLabels::parse(&octets).unwrap();
        let entries: Vec<_> = value.entries(false).map(|(pe, l)| (pe, l.label())).collect();
        assert_eq!(entries, [(a, Some(label(100))), (b, Some(label(200)))]);

        let pe: IpAddr = "2001:db8::1".parse().unwrap();
        let mut octets = Vec::new();
        PeDistinguisherLabels::emit_entry(pe, label(100), &mut octets);
        assert_eq!(octets.len(), 19);
        let value = PeDistinguisherLabels::parse(&octets).unwrap();
        assert_eq!(value.entries(true).map(|(pe, _)| pe).collect::<Vec<_>>(), [pe]);
        for octets in [&[][..], &[192, 0, 2, 1, 0, 0], &[224, 0, 0, 1, 0, 6, 0x40], &[0, 0, 0, 0, 0, 6, 0x40]] {
            assert!(PeDistinguisherLabels::parse(octets).is_err(), "{octets:?}");
        }
    }
}
