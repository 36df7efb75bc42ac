//! NLRI as octets: what a reflector needs to know of a family, which is where one NLRI ends and which octets name it.

use fwd_core::Fault;
use fwd_core::codec::{self, BufMut, Fail, Take};
use smallvec::SmallVec;

use super::evpn::EvpnRouteType;
use super::nlris::{emit_path_id, take_path_id};
use super::vpls::VeBlock;
use super::{Afi, Family, Nlri, NlriFormat, PathId, Safi};

/// How NLRI of a family are told apart. Flow specifications (RFC 8955) are not among them: they have no next hop, without which no
/// route is chosen here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub enum Framing {
    /// One octet of length in bits, then as many octets as hold them: prefixes, RT membership, MDT, virtual routers, SR policy.
    Bits,
    /// One octet of type, one of length in octets: MCAST-VPN, MCAST-VPLS, EVPN.
    TypeLength,
    /// Two octets of length in octets: VPLS.
    Length16,
    /// Two octets of type, two of length in octets: BGP-LS.
    Type16Length16,
}

impl Framing {
    /// The framing of a family that this crate knows of; an operator may say that of others.
    #[must_use]
    pub const fn of(family: Family) -> Option<Self> {
        match (family.afi, family.safi) {
            (Afi::IPV4 | Afi::IPV6, Safi::MCAST_VPN) | (Afi::L2VPN, Safi::MCAST_VPLS | Safi::EVPN) => {
                Some(Self::TypeLength)
            }
            (Afi::IPV4 | Afi::IPV6, Safi::VPN_MULTICAST) | (Afi::IPV4, Safi::MDT | Safi::RT_CONSTRAINT) => {
                Some(Self::Bits)
            }
            // Without an RFC of its own: as RFC 4760 §5 has NLRI.
            (Afi::IPV4 | Afi::IPV6, Safi::VPN_AUTO_DISCOVERY) => Some(Self::Bits),
            (Afi::L2VPN, Safi::VPLS) => Some(Self::Length16),
            // BGP-LS and BGP-LS-VPN (RFC 9552 §5.1).
            (Afi(16388), Safi(71 | 72)) => Some(Self::Type16Length16),
            // SR policies (RFC 9830 §2.1).
            (Afi::IPV4 | Afi::IPV6, Safi(73)) => Some(Self::Bits),
            _ => None,
        }
    }

    /// Takes one NLRI without path identifier: its octets, length field and all.
    ///
    /// # Errors
    /// Truncated input.
    #[inline]
    pub fn take(self, i: &[u8]) -> Take<'_, &[u8]> {
        let (rest, len) = match self {
            Self::Bits => codec::be_u8(i, "length").map(|(rest, bits)| (rest, usize::from(bits.div_ceil(8))))?,
            Self::TypeLength => {
                let (rest, [_, len]) = codec::array(i, "type and length")?;
                (rest, usize::from(len))
            }
            Self::Length16 => codec::be_u16(i, "length").map(|(rest, len)| (rest, usize::from(len)))?,
            Self::Type16Length16 => {
                let (rest, [_, _, a, b]) = codec::array(i, "type and length")?;
                (rest, usize::from(u16::from_be_bytes([a, b])))
            }
        };
        let (rest, body) = codec::octets(rest, len, "NLRI")?;
        let header = i.len().saturating_sub(rest.len()).saturating_sub(body.len());
        codec::octets(i, header.saturating_add(body.len()), "NLRI")
    }
}

/// One NLRI as octets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct OpaqueNlri<'a> {
    /// Path identifier, where the session has them.
    pub path_id: Option<PathId>,
    /// The NLRI, its length field included.
    pub octets: &'a [u8],
}

/// The octets that name a route: equal for two announcements of which the later replaces the earlier.
pub type OpaqueKey = SmallVec<[u8; 64]>;

impl<'a> OpaqueNlri<'a> {
    /// Takes one NLRI of a framing.
    ///
    /// # Errors
    /// Truncated input.
    pub fn take(i: &'a [u8], framing: Framing, format: NlriFormat) -> Take<'a, Self> {
        let (i, path_id) = take_path_id(i, format)?;
        let (i, octets) = framing.take(i)?;
        Ok((i, Self { path_id, octets }))
    }

    /// The octets that name the route: the NLRI with what counts as an attribute of the route set to zero. That is
    ///
    /// * of EVPN (RFC 7432 §7, RFC 9136 §3.1): labels; the segment of types 2 and 5; the gateway of type 5; the second label of type
    ///   2 is left out;
    /// * of a VPLS label block (RFC 4761 §3.2.2): block size and label base; TLVs are left out;
    /// * bits beyond the length of a prefix.
    #[must_use]
    pub fn key(&self, family: Family) -> OpaqueKey {
        let mut key = OpaqueKey::from_slice(self.octets);
        match (family.afi, family.safi) {
            (Afi::L2VPN, Safi::EVPN) => evpn_key(&mut key),
            (Afi::L2VPN, Safi::VPLS) => vpls_key(&mut key),
            _ if Framing::of(family) == Some(Framing::Bits) => {
                if let Some((bits, octets)) = key.split_first_mut() {
                    let surplus = octets.len().saturating_mul(8).saturating_sub(usize::from(*bits));
                    if let Some(last) = octets.last_mut() {
                        *last &= u8::MAX.wrapping_shl(u32::try_from(surplus.min(7)).unwrap_or(0));
                    }
                }
            }
            _ => {}
        }
        key
    }
}

/// Sets `len` octets from `at` on to zero.
fn blank(key: &mut OpaqueKey, at: usize, len: usize) {
    if let Some(octets) = key.get_mut(at..).and_then(|tail| tail.get_mut(..len)) {
        octets.fill(0);
    }
}

fn evpn_key(key: &mut OpaqueKey) {
    // Type (1), length (1), RD (8), then, in types 1, 2 and 5, the segment (10) and the Ethernet Tag (4).
    const ESI_AT: usize = 10;
    const AFTER_TAG: usize = 24;
    match key.first().copied().map(EvpnRouteType) {
        Some(EvpnRouteType::ETHERNET_AD) => blank(key, AFTER_TAG, 3),
        Some(EvpnRouteType::MAC_IP) => {
            blank(key, ESI_AT, 10);
            // MAC length (1), MAC (6), IP length (1), IP, label (3), label (0, 3).
            let ip_bits = key.get(AFTER_TAG.saturating_add(7)).copied().unwrap_or(0);
            let label_at = AFTER_TAG.saturating_add(8).saturating_add(usize::from(ip_bits.div_ceil(8)));
            blank(key, label_at, 3);
            key.truncate(label_at.saturating_add(3));
            let len = u8::try_from(key.len().saturating_sub(2)).unwrap_or(u8::MAX);
            if let Some(field) = key.get_mut(1) {
                *field = len;
            }
        }
        Some(EvpnRouteType::IP_PREFIX) => {
            blank(key, ESI_AT, 10);
            // Prefix length (1), prefix (4, 16), gateway (4, 16), label (3).
            let address = if key.len() == 36 { 4 } else { 16 };
            let gateway_at = AFTER_TAG.saturating_add(1).saturating_add(address);
            blank(key, gateway_at, address.saturating_add(3));
        }
        _ => {}
    }
}

fn vpls_key(key: &mut OpaqueKey) {
    // Length (2), RD (8), VE ID (2), block offset (2), block size (2), label base (3), TLVs.
    let len = VeBlock::LEN.saturating_add(2);
    if !key.get(2..).is_some_and(VeBlock::is_block) {
        return;
    }
    blank(key, 14, 5);
    key.truncate(len);
    if let Some(field) = key.get_mut(..2) {
        field.copy_from_slice(&[0, 17]);
    }
}

/// An NLRI to be written; it has its own length field, so that no family needs to be known.
impl<'a> Nlri<'a> for OpaqueNlri<'a> {
    /// What follows the path identifier, all of it: only a [`Framing`] tells where an NLRI ends.
    fn take(i: &'a [u8], format: NlriFormat) -> Take<'a, Self> {
        let (octets, path_id) = take_path_id(i, format)?;
        if octets.is_empty() {
            return Err(Fail::new(i, "NLRI", Fault::Truncated));
        }
        Ok((&[], Self { path_id, octets }))
    }

    fn wire_len(&self, format: NlriFormat) -> usize {
        self.octets.len().saturating_add(if format.add_path { 4 } else { 0 })
    }

    fn emit(&self, format: NlriFormat, out: &mut impl BufMut) {
        emit_path_id(self.path_id, format, out);
        out.put_slice(self.octets);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    const FORMAT: NlriFormat = NlriFormat { add_path: false, multiple_labels: false };
    const RD: [u8; 8] = [0, 0, 0xfd, 0xe9, 0, 0, 0, 7];

    fn split(framing: Framing, mut field: &[u8]) -> Vec<usize> {
        let mut lengths = Vec::new();
        while let Ok((rest, nlri)) = framing.take(field) {
            lengths.push(nlri.len());
            field = rest;
        }
        lengths
    }

    fn key(family: Family, octets: &[u8]) -> OpaqueKey {
        let (rest, nlri) = OpaqueNlri::take(octets, Framing::of(family).unwrap(), FORMAT).unwrap();
        assert!(rest.is_empty() && nlri.octets == octets);
        let key = nlri.key(family);
        // A key is an NLRI itself, and its own key.
        let (rest, again) = OpaqueNlri::take(&key, Framing::of(family).unwrap(), FORMAT).unwrap();
        assert!(rest.is_empty() && again.key(family) == key);
        key
    }

    #[test]
    fn framings_find_the_end_of_every_nlri() {
        assert_eq!(split(Framing::Bits, &[0, 9, 1, 2, 32, 1, 2, 3, 4]), [1, 3, 5]);
        assert_eq!(split(Framing::TypeLength, &[1, 0, 9, 2, 1, 2, 3]), [2, 4]);
        assert_eq!(split(Framing::Length16, &[0, 1, 7, 0, 0]), [3, 2]);
        assert_eq!(split(Framing::Type16Length16, &[0, 1, 0, 1, 7, 0, 2, 0, 0]), [5, 4]);
        for framing in [Framing::Bits, Framing::TypeLength, Framing::Length16, Framing::Type16Length16] {
            assert!(framing.take(&[200, 200, 9]).is_err(), "{framing:?}");
        }
    }

    /// RFC 7432 §7: labels are attributes, and so is the segment of a MAC address.
    #[test]
    fn labels_do_not_name_an_evpn_route() {
        let ad = |label: u8| [&[1, 25][..], &RD, &[1; 10], &[0; 4], &[0, label, 1]].concat();
        assert_eq!(key(Family::EVPN, &ad(1)), key(Family::EVPN, &ad(2)));
        let mac = |esi: u8, label: u8, two: &[u8], mac: u8| {
            let len = u8::try_from(37 + two.len()).unwrap();
            let ip = [48, 2, 0, 0, 0, 0, mac, 32, 10, 0, 0, 1];
            [&[2, len][..], &RD, &[esi; 10], &[0; 4], &ip, &[0, label, 1], two].concat()
        };
        assert_eq!(key(Family::EVPN, &mac(1, 1, &[], 1)), key(Family::EVPN, &mac(2, 2, &[0, 9, 1], 1)));
        assert_ne!(key(Family::EVPN, &mac(1, 1, &[], 1)), key(Family::EVPN, &mac(1, 1, &[], 2)));
        let prefix = |esi: u8, gateway: u8, label: u8| {
            [&[5, 34][..], &RD, &[esi; 10], &[0; 4], &[8, 10, 0, 0, 0], &[gateway; 4], &[0, label, 1]].concat()
        };
        assert_eq!(key(Family::EVPN, &prefix(1, 1, 1)), key(Family::EVPN, &prefix(2, 2, 2)));
        let segment = |esi: u8| [&[4, 23][..], &RD, &[esi; 10], &[32, 192, 0, 2, 1]].concat();
        assert_ne!(key(Family::EVPN, &segment(1)), key(Family::EVPN, &segment(2)));
    }

    /// RFC 4761 §3.2.1: a PE's blocks are told apart by VE ID and offset.
    #[test]
    fn labels_do_not_name_a_vpls_route() {
        let block = |offset: u8, size: u8, label: u8, tlvs: &[u8]| {
            let len = u8::try_from(17 + tlvs.len()).unwrap();
            [&[0, len][..], &RD, &[0, 5, 0, offset, 0, size, 0, label, 0], tlvs].concat()
        };
        assert_eq!(key(Family::VPLS, &block(1, 8, 1, &[])), key(Family::VPLS, &block(1, 9, 2, &[1, 0, 1, 0])));
        assert_ne!(key(Family::VPLS, &block(1, 8, 1, &[])), key(Family::VPLS, &block(9, 8, 1, &[])));
        let discovery = [&[0, 12][..], &RD, &[192, 0, 2, 1]].concat();
        assert_eq!(key(Family::VPLS, &discovery).as_slice(), discovery);
        let of_v6 = [&[0, 24][..], &RD, &[0x43, 0x21], &[0; 13], &[2]].concat();
        assert_eq!(key(Family::VPLS, &of_v6).as_slice(), of_v6);
    }

    #[test]
    fn surplus_bits_do_not_name_a_prefix() {
        assert_eq!(key(Family::RT_CONSTRAINT, &[33, 0, 0, 0, 1, 0xff]).as_slice(), [33, 0, 0, 0, 1, 0x80]);
        assert_eq!(key(Family::RT_CONSTRAINT, &[0]).as_slice(), [0]);
        assert_eq!(key(Family::RT_CONSTRAINT, &[32, 0, 0, 0, 1]).as_slice(), [32, 0, 0, 0, 1]);
    }
}
