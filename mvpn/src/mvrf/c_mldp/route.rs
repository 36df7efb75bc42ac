//! MCAST-VPN routes of customers' multipoint LSPs as values that a machine keeps (RFC 7441 §3).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use alloc::vec::Vec;
use bgp_vpn::nlri::mcast_vpn::{CAddress, LeafAd, McastVpnNlri, McastVpnRoute, MldpSPmsiAd, MldpSourceTreeJoin};
use bgp_vpn::nlri::{MldpFec, Nlri, NlriFormat, RouteDistinguisher};
use fwd_core::codec::{self, BufMut};
use fwd_core::{Fault, Malformed};
use p2mp_pw::ldp::fec::{FecType, MultipointFec, MultipointKind, OpaqueValue};
use smallvec::SmallVec;

use crate::pim::wire::AddressFamily;

/// An S-PMSI A-D route for C-multicast mLDP: the S-PMSI of one LSP.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CMldpSPmsi {
    /// RD of the originator's VRF.
    pub rd: RouteDistinguisher,
    /// The customer's LSP.
    pub fec: MultipointFec,
    /// The originator.
    pub originator: IpAddr,
}

/// A route of MCAST-VPN whose NLRI holds a customer's FEC element. Roots of a topology of their own (RFC 7307) are not known here.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CMldpRoute {
    /// Type 0x43.
    SPmsi(CMldpSPmsi),
    /// Type 0x44, of an S-PMSI A-D route.
    Leaf {
        /// The route that is answered.
        key: CMldpSPmsi,
        /// The leaf.
        originator: IpAddr,
    },
    /// Type 0x47.
    SourceTreeJoin {
        /// RD of the upstream PE's VRF.
        rd: RouteDistinguisher,
        /// The AS of the upstream PE.
        source_as: u32,
        /// The customer's LSP.
        fec: MultipointFec,
    },
}

impl CMldpRoute {
    /// The longest body of an NLRI, in octets.
    const LONGEST: usize = 255;

    /// The customer's LSP.
    #[must_use]
    pub const fn fec(&self) -> &MultipointFec {
        match self {
            Self::SPmsi(key) | Self::Leaf { key, .. } => &key.fec,
            Self::SourceTreeJoin { fec, .. } => fec,
        }
    }

    /// AFI 1 or 2 with SAFI 5: the family of the LSP's root (RFC 7441 §3).
    #[must_use]
    pub const fn family(&self) -> AddressFamily {
        AddressFamily::of(self.fec().root)
    }

    /// Whether the NLRI has room for the FEC element, and a Leaf A-D route for the NLRI.
    pub(super) fn fits(fec: &MultipointFec) -> bool {
        const ROUTER: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
        let key = CMldpSPmsi { rd: RouteDistinguisher::ZERO, fec: fec.clone(), originator: ROUTER };
        Self::Leaf { key, originator: ROUTER }.wire_len() <= Self::LONGEST.saturating_add(2)
    }

    /// Octets of the NLRI, type and length included, without a path identifier.
    #[must_use]
    pub fn wire_len(&self) -> usize {
        self.with_nlri(|nlri| nlri.wire_len(NlriFormat::default()))
    }

    /// Writes the NLRI without a path identifier.
    pub fn emit(&self, out: &mut impl BufMut) {
        self.with_nlri(|nlri| nlri.emit(NlriFormat::default(), out));
    }

    fn with_nlri<R>(&self, then: impl FnOnce(McastVpnNlri<'_, IpAddr>) -> R) -> R {
        let mut root = SmallVec::new();
        let fec = wire_fec(self.fec(), &mut root);
        let s_pmsi = |key: &CMldpSPmsi| {
            McastVpnNlri::new(McastVpnRoute::MldpSPmsiAd(MldpSPmsiAd { rd: key.rd, fec, originator: key.originator }))
        };
        match self {
            Self::SPmsi(key) => then(s_pmsi(key)),
            Self::Leaf { key, originator } => {
                let mut route_key = Vec::with_capacity(64);
                s_pmsi(key).emit(NlriFormat::default(), &mut route_key);
                let leaf = LeafAd { route_key: &route_key, originator: *originator };
                then(McastVpnNlri::new(McastVpnRoute::MldpLeafAd(leaf)))
            }
            Self::SourceTreeJoin { rd, source_as, .. } => {
                let join = MldpSourceTreeJoin { rd: *rd, source_as: *source_as, fec };
                then(McastVpnNlri::new(McastVpnRoute::MldpSourceTreeJoin(join)))
            }
        }
    }

    /// Parses an NLRI of family 1/5 or 2/5 without a path identifier. `None`: a route of another type, or with a FEC element that the machine
    /// has no use for.
    ///
    /// # Errors
    /// An NLRI that does not follow its type.
    pub fn parse(family: AddressFamily, octets: &[u8]) -> Result<Option<Self>, Malformed> {
        match family {
            AddressFamily::V4 => Self::parse_of::<Ipv4Addr>(octets),
            AddressFamily::V6 => Self::parse_of::<Ipv6Addr>(octets),
        }
    }

    fn parse_of<A: CAddress>(octets: &[u8]) -> Result<Option<Self>, Malformed> {
        let take = |octets| codec::all(octets, |i| McastVpnNlri::<A>::take(i, NlriFormat::default()));
        Ok(match take(octets)?.route {
            McastVpnRoute::MldpSPmsiAd(ad) => s_pmsi(&ad)?.map(Self::SPmsi),
            McastVpnRoute::MldpLeafAd(LeafAd { route_key, originator }) => {
                // RFC 7441 §3: keys of the global table begin with no route type.
                if matches!(route_key.first(), Some(0 | 0xff)) {
                    return Ok(None);
                }
                let McastVpnRoute::MldpSPmsiAd(ad) = take(route_key)?.route else {
                    return Err(Malformed { offset: 2, field: "route key", fault: Fault::Value(0) });
                };
                s_pmsi(&ad)?.map(|key| Self::Leaf { key, originator })
            }
            McastVpnRoute::MldpSourceTreeJoin(MldpSourceTreeJoin { rd, source_as, fec }) => {
                own_fec(&fec)?.map(|fec| Self::SourceTreeJoin { rd, source_as, fec })
            }
            _ => None,
        })
    }
}

fn s_pmsi(ad: &MldpSPmsiAd<'_>) -> Result<Option<CMldpSPmsi>, Malformed> {
    Ok(own_fec(&ad.fec)?.map(|fec| CMldpSPmsi { rd: ad.rd, fec, originator: ad.originator }))
}

/// The FEC element as a value.
fn own_fec(fec: &MldpFec<'_>) -> Result<Option<MultipointFec>, Malformed> {
    let (Some(kind), Some(root), 1 | 2) = (MultipointKind::of(FecType(fec.fec_type)), fec.root(), fec.address_family)
    else {
        return Ok(None);
    };
    Ok(Some(MultipointFec { kind, root, opaque: OpaqueValue::parse(fec.opaque)? }))
}

fn wire_fec<'a>(fec: &'a MultipointFec, root: &'a mut SmallVec<[u8; 16]>) -> MldpFec<'a> {
    let address_family = match fec.root {
        IpAddr::V4(address) => {
            root.extend_from_slice(&address.octets());
            1
        }
        IpAddr::V6(address) => {
            root.extend_from_slice(&address.octets());
            2
        }
    };
    MldpFec { fec_type: fec.kind.fec_type().0, address_family, root_octets: root, opaque: fec.opaque.octets() }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for CMldpRoute {
    /// With FEC elements that a Leaf A-D route has room for.
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let fec: MultipointFec = u.arbitrary()?;
        if !Self::fits(&fec) {
            return Err(arbitrary::Error::IncorrectFormat);
        }
        let rd = u.arbitrary()?;
        Ok(match u.int_in_range(0..=2)? {
            0 => Self::SPmsi(CMldpSPmsi { rd, fec, originator: u.arbitrary()? }),
            1 => {
                let key = CMldpSPmsi { rd, fec, originator: u.arbitrary()? };
                Self::Leaf { key, originator: u.arbitrary()? }
            }
            _ => Self::SourceTreeJoin { rd, source_as: u.arbitrary()?, fec },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use p2mp_pw::mldp::TreeFec;

    const RD: [u8; 8] = [0, 0, 0xfd, 0xe9, 0, 0, 0, 7];

    /// The octets are the route's, both ways.
    fn same(route: &CMldpRoute, octets: &[&[u8]]) {
        let octets = octets.concat();
        let mut out = Vec::new();
        route.emit(&mut out);
        assert_eq!((&out, out.len()), (&octets, route.wire_len()));
        assert_eq!(CMldpRoute::parse(route.family(), &octets), Ok(Some(route.clone())));
        for len in 0..octets.len() {
            assert!(CMldpRoute::parse(route.family(), &octets[..len]).is_err(), "{len}");
        }
    }

    /// The three types with FEC elements of P2MP and MP2MP LSPs (RFC 7441 §3).
    ///
    /// Shows: MVPN-CSC-2
    #[test]
    fn routes_of_customers_lsps() {
        let (root, pe) = (IpAddr::from([10, 0, 0, 1]), IpAddr::from([192, 0, 2, 1]));
        let rd = RouteDistinguisher::two_octet_as(65001, 7);
        let opaque = [0, 7, 1, 0, 4, 0, 0, 0, 9];
        for (fec, fec_type) in [
            (TreeFec::p2mp(root, 9).down(), 6),
            (TreeFec::mp2mp(root, 9).up().unwrap(), 7),
            (TreeFec::mp2mp(root, 9).down(), 8),
        ] {
            let octets = [&[fec_type, 0, 1, 4, 10, 0, 0, 1][..], &opaque].concat();
            let key = CMldpSPmsi { rd, fec: fec.clone(), originator: pe };
            let ad = [&[0x43, 29][..], &RD, &octets, &[192, 0, 2, 1]];
            same(&CMldpRoute::SPmsi(key.clone()), &ad);
            let leaf = CMldpRoute::Leaf { key, originator: [192, 0, 2, 9].into() };
            same(&leaf, &[&[0x44, 35], &ad.concat(), &[192, 0, 2, 9]]);
            let join = CMldpRoute::SourceTreeJoin { rd, source_as: 65001, fec };
            same(&join, &[&[0x47, 29], &RD, &[0, 0, 0xfd, 0xe9], &octets]);
        }
        let root: IpAddr = "2001:db8::5".parse().unwrap();
        let join = CMldpRoute::SourceTreeJoin { rd, source_as: 1, fec: TreeFec::p2mp(root, 9).down() };
        let IpAddr::V6(address) = root else { unreachable!() };
        same(&join, &[&[0x47, 41], &RD, &[0, 0, 0, 1, 6, 0, 2, 16], &address.octets(), &opaque]);
    }

    #[test]
    fn what_there_is_no_use_for_is_none() {
        let with = |fec: &[u8]| [&[0x47, u8::try_from(12 + fec.len()).unwrap()][..], &RD, &[0; 4], fec].concat();
        // A topology of its own; a type that is no multipoint one.
        for fec in
            [&[6, 0, 29, 8, 10, 0, 0, 1, 0, 0, 0, 2, 0, 3, 1, 0, 0][..], &[2, 0, 1, 4, 10, 0, 0, 1, 0, 3, 1, 0, 0]]
        {
            assert_eq!(CMldpRoute::parse(AddressFamily::V4, &with(fec)), Ok(None));
        }
        // An opaque value that is no list of elements.
        assert!(CMldpRoute::parse(AddressFamily::V4, &with(&[6, 0, 1, 4, 10, 0, 0, 1, 0, 3, 1, 0, 9])).is_err());
        // A Leaf A-D route of another kind of route, and a route of PIM's.
        let key = [&[1, 12][..], &RD, &[192, 0, 2, 1]].concat();
        let leaf = [&[0x44, 18][..], &key, &[192, 0, 2, 9]].concat();
        assert!(CMldpRoute::parse(AddressFamily::V4, &leaf).is_err());
        assert_eq!(CMldpRoute::parse(AddressFamily::V4, &key), Ok(None));
        let long = OpaqueValue::parse(&[&[9, 0, 230][..], &[0; 230]].concat()).unwrap();
        let fec = MultipointFec { opaque: long, ..TreeFec::p2mp([10, 0, 0, 1].into(), 9).down() };
        assert!(!CMldpRoute::fits(&fec) && CMldpRoute::fits(&TreeFec::p2mp([10, 0, 0, 1].into(), 9).down()));
    }
}
