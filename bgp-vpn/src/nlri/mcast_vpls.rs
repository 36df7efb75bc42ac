//! MCAST-VPLS NLRI, family 25/8 (RFC 7117 §9.2).

use core::net::IpAddr;

use fwd_core::codec::{self, BufMut, Take};

use super::mcast_vpn::{LeafAd, McastRouteType, SPmsiAd};
use super::nlris::{emit_path_id, take_path_id, trailing};
use super::{Nlri, NlriFormat, PathId};

/// A route of MCAST-VPLS. Sources and groups are of the families that their lengths tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum McastVplsRoute<'a> {
    /// Type 3: a PE binds flows to a selective tree.
    SPmsiAd(SPmsiAd<IpAddr>),
    /// Type 4: a leaf answers; the route key is the NLRI of an S-PMSI A-D route.
    LeafAd(LeafAd<'a>),
    /// A type that this crate does not know, kept so that it can be passed on.
    Other {
        /// The type.
        route_type: McastRouteType,
        /// The body, at most 255 octets.
        body: &'a [u8],
    },
}

impl McastVplsRoute<'_> {
    /// The type.
    #[must_use]
    pub const fn route_type(&self) -> McastRouteType {
        match self {
            Self::SPmsiAd(_) => McastRouteType::S_PMSI_AD,
            Self::LeafAd(_) => McastRouteType::LEAF_AD,
            Self::Other { route_type, .. } => *route_type,
        }
    }

    fn wire_len(&self) -> usize {
        match self {
            Self::SPmsiAd(route) => route.wire_len(),
            Self::LeafAd(route) => route.wire_len(),
            Self::Other { body, .. } => body.len(),
        }
    }
}

/// An NLRI of family 25/8: route type (1), length (1), route.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct McastVplsNlri<'a> {
    /// Path identifier, where the session has them.
    pub path_id: Option<PathId>,
    /// The route.
    pub route: McastVplsRoute<'a>,
}

impl<'a> Nlri<'a> for McastVplsNlri<'a> {
    fn take(i: &'a [u8], format: NlriFormat) -> Take<'a, Self> {
        let (i, path_id) = take_path_id(i, format)?;
        let (i, route_type) = codec::be_u8(i, "route type")?;
        let (i, len) = codec::be_u8(i, "length")?;
        let (rest, body) = codec::octets(i, usize::from(len), "route")?;
        let (surplus, route) = match McastRouteType(route_type) {
            McastRouteType::S_PMSI_AD => SPmsiAd::take(body).map(|(i, r)| (i, McastVplsRoute::SPmsiAd(r)))?,
            McastRouteType::LEAF_AD => LeafAd::take::<IpAddr>(body).map(|(i, r)| (i, McastVplsRoute::LeafAd(r)))?,
            route_type => (&[][..], McastVplsRoute::Other { route_type, body }),
        };
        if surplus.is_empty() { Ok((rest, Self { path_id, route })) } else { Err(trailing(surplus)) }
    }

    fn wire_len(&self, format: NlriFormat) -> usize {
        self.route.wire_len().saturating_add(if format.add_path { 6 } else { 2 })
    }

    fn emit(&self, format: NlriFormat, out: &mut impl BufMut) {
        emit_path_id(self.path_id, format, out);
        out.put_slice(&[self.route.route_type().0, u8::try_from(self.route.wire_len()).unwrap_or(u8::MAX)]);
        match self.route {
            McastVplsRoute::SPmsiAd(route) => route.emit(out),
            McastVplsRoute::LeafAd(route) => route.emit(out),
            McastVplsRoute::Other { body, .. } => out.put_slice(body),
        }
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for McastVplsNlri<'a> {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let path_id = u.arbitrary()?;
        let route = match u.int_in_range(0..=2)? {
            0 => McastVplsRoute::SPmsiAd(u.arbitrary()?),
            1 => McastVplsRoute::LeafAd(u.arbitrary()?),
            _ => McastVplsRoute::Other {
                route_type: McastRouteType(u.int_in_range(5..=255)?),
                body: <&[u8]>::arbitrary(u).map(|body| body.get(..255).unwrap_or(body))?,
            },
        };
        Ok(Self { path_id, route })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nlri::RouteDistinguisher;
    use crate::nlri::mcast_vpn::CGroup;
    use alloc::vec::Vec;

    const FORMAT: NlriFormat = NlriFormat { add_path: false, multiple_labels: false };
    const RD: [u8; 8] = [0, 0, 0xfd, 0xe9, 0, 0, 0, 7];

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn put(address: IpAddr, out: &mut Vec<u8>) {
        match address {
            IpAddr::V4(address) => out.extend(address.octets()),
            IpAddr::V6(address) => out.extend(address.octets()),
        }
    }

    /// The table of RFC 7117 §9.2.1 and the wildcards; Leaf A-D routes that answer them.
    ///
    /// Shows: L3VPN-8.3-11, L2VPN-5.3-1, L2VPN-5.3-8
    #[test]
    fn lengths_of_the_table() {
        let (s4, g4, s6, g6) = (ip("10.0.0.1"), ip("232.1.1.1"), ip("2001:db8::5"), ip("ff3e::1"));
        let (pe4, pe6) = (ip("192.0.2.1"), ip("2001:db8::1"));
        for (source, group, originator, len) in [
            (Some(s4), Some(g4), pe4, 22),
            (Some(s4), Some(g4), pe6, 34),
            (Some(s6), Some(g6), pe4, 46),
            (Some(s6), Some(g6), pe6, 58),
            (None, Some(g4), pe4, 18),
            (None, None, pe4, 14),
        ] {
            let mut octets = Vec::from([3, len]);
            octets.extend(RD);
            for address in [source, group] {
                octets.push(address.map_or(0, |a| if a.is_ipv4() { 32 } else { 128 }));
                address.into_iter().for_each(|a| put(a, &mut octets));
            }
            put(originator, &mut octets);
            let rd = RouteDistinguisher::from_octets(RD);
            let group = group.map_or(CGroup::Any, CGroup::Group);
            let route = McastVplsRoute::SPmsiAd(SPmsiAd { rd, source, group, originator });
            let leaf = LeafAd { route_key: &octets, originator: pe4 };
            let key_len = u8::try_from(octets.len() + 4).unwrap();
            let answer = [&[4, key_len][..], &octets, &[192, 0, 2, 1]].concat();
            for (route, octets) in [(route, &octets), (McastVplsRoute::LeafAd(leaf), &answer)] {
                let nlri = McastVplsNlri { path_id: None, route };
                assert_eq!(McastVplsNlri::take(octets, FORMAT), Ok((&[][..], nlri)));
                let mut out = Vec::new();
                nlri.emit(FORMAT, &mut out);
                assert_eq!((&out, out.len()), (octets, nlri.wire_len(FORMAT)));
                assert!((0..octets.len()).all(|len| McastVplsNlri::take(&octets[..len], FORMAT).is_err()));
            }
        }
    }
}
