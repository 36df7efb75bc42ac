//! Extended next hop encoding (RFC 8950 §4).

use fwd_core::codec::{self, BufMut, Take};

use super::Entry;
use crate::nlri::{Afi, Family, Safi};

/// NLRI of one family may be announced with a next hop of another.
///
/// ```text
/// +--------------+---------------+------------------+
/// | NLRI AFI (2) | NLRI SAFI (2) | Next hop AFI (2) |
/// +--------------+---------------+------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct ExtendedNextHop {
    /// The AFI of the NLRI.
    pub nlri_afi: Afi,
    /// The SAFI of the NLRI, in two octets here; above 255 it is none.
    pub nlri_safi: u16,
    /// The AFI of the next hop.
    pub next_hop_afi: Afi,
}

impl ExtendedNextHop {
    /// IPv6 next hops for `family`.
    #[must_use]
    pub fn ipv6(family: Family) -> Self {
        Self { nlri_afi: family.afi, nlri_safi: u16::from(family.safi.0), next_hop_afi: Afi::IPV6 }
    }

    /// The family that may have IPv6 next hops by this entry; `None` for the combinations that RFC 8950 §4 does not
    /// allow: it allows IPv4 with SAFI 1, 2, 4, 128, 129 and IPv6 next hops.
    #[must_use]
    pub fn family(&self) -> Option<Family> {
        let safi = Safi(u8::try_from(self.nlri_safi).ok()?);
        let allowed = matches!(
            safi,
            Safi::UNICAST | Safi::MULTICAST | Safi::LABELED_UNICAST | Safi::VPN_UNICAST | Safi::VPN_MULTICAST
        );
        (self.nlri_afi == Afi::IPV4 && self.next_hop_afi == Afi::IPV6 && allowed)
            .then_some(Family::new(self.nlri_afi, safi))
    }
}

impl Entry for ExtendedNextHop {
    const LEN: usize = 6;

    fn take(i: &[u8]) -> Take<'_, Self> {
        let (i, nlri_afi) = codec::be_u16(i, "nlri afi")?;
        let (i, nlri_safi) = codec::be_u16(i, "nlri safi")?;
        let (i, next_hop_afi) = codec::be_u16(i, "nexthop afi")?;
        Ok((i, Self { nlri_afi: Afi(nlri_afi), nlri_safi, next_hop_afi: Afi(next_hop_afi) }))
    }

    fn emit(&self, out: &mut impl BufMut) {
        out.put_u16(self.nlri_afi.0);
        out.put_u16(self.nlri_safi);
        out.put_u16(self.next_hop_afi.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::capability::{Capability, Entries};

    /// Shows: L3VPN-8.1-8
    #[test]
    fn the_safi_takes_two_octets() {
        let octets = [5, 12, 0, 1, 0, 128, 0, 2, 0, 1, 0, 1, 0, 2];
        let Ok(Capability::ExtendedNextHop(entries)) = Capability::parse(&octets) else { panic!("not code 5") };
        assert_eq!(*entries, [ExtendedNextHop::ipv6(Family::VPN_IPV4), ExtendedNextHop::ipv6(Family::IPV4_UNICAST)]);
        let mut out = alloc::vec::Vec::new();
        Capability::ExtendedNextHop(Entries::new(&entries).unwrap()).emit(&mut out);
        assert_eq!(out, octets);
    }

    #[test]
    fn other_combinations_name_no_family() {
        assert_eq!(ExtendedNextHop::ipv6(Family::VPN_IPV4).family(), Some(Family::VPN_IPV4));
        assert_eq!(ExtendedNextHop::ipv6(Family::VPN_IPV6).family(), None);
        let rt = Family::new(Afi::IPV4, Safi::RT_CONSTRAINT);
        assert_eq!(ExtendedNextHop::ipv6(rt).family(), None);
        let wide = ExtendedNextHop { nlri_safi: 0x0180, ..ExtendedNextHop::ipv6(Family::VPN_IPV4) };
        assert_eq!(wide.family(), None);
    }
}
