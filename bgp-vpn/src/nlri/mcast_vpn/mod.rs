//! MCAST-VPN NLRI, families 1/5 and 2/5 (RFC 6514 §4), one file per kind of route.
//!
//! | Type | Route | File |
//! |---|---|---|
//! | 1, 2 | Intra-AS, Inter-AS I-PMSI A-D | `i_pmsi_ad.rs` |
//! | 3, 0x43 | S-PMSI A-D | `s_pmsi_ad.rs` |
//! | 4, 0x44 | Leaf A-D | `leaf_ad.rs` |
//! | 5 | Source Active A-D | `source_active_ad.rs` |
//! | 6, 7, 0x47 | Shared Tree Join, Source Tree Join | `c_multicast.rs` |
//! | 7 | Source Tree Joins alone, in haste | `join.rs` |

mod address;
mod c_multicast;
mod i_pmsi_ad;
mod join;
mod leaf_ad;
mod s_pmsi_ad;
mod source_active_ad;

use fwd_core::codec::{self, BufMut, Take};

use super::nlris::{emit_path_id, take_path_id, trailing};
use super::{Nlri, NlriFormat, PathId};

pub use address::{CAddress, CGroup};
pub use c_multicast::{CMulticast, MldpSourceTreeJoin};
pub use i_pmsi_ad::{InterAsIPmsiAd, IntraAsIPmsiAd};
pub use join::{JoinNlri, Joins};
pub use leaf_ad::{GlobalTableKey, LeafAd};
pub use s_pmsi_ad::{MldpSPmsiAd, SPmsiAd};
pub use source_active_ad::SourceActiveAd;

/// Route Type of MCAST-VPN and MCAST-VPLS NLRI (RFC 6514 §4, RFC 7441 §5, RFC 7117 §9.2). Unknown values survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "arbitrary", derive(arbitrary::Arbitrary))]
pub struct McastRouteType(pub u8);

impl McastRouteType {
    /// Intra-AS I-PMSI A-D (RFC 6514 §4.1).
    pub const INTRA_AS_I_PMSI_AD: Self = Self(1);
    /// Inter-AS I-PMSI A-D (RFC 6514 §4.2).
    pub const INTER_AS_I_PMSI_AD: Self = Self(2);
    /// S-PMSI A-D (RFC 6514 §4.3; RFC 7117 §9.2.1).
    pub const S_PMSI_AD: Self = Self(3);
    /// Leaf A-D (RFC 6514 §4.4; RFC 7117 §9.2.2).
    pub const LEAF_AD: Self = Self(4);
    /// Source Active A-D (RFC 6514 §4.5).
    pub const SOURCE_ACTIVE_AD: Self = Self(5);
    /// Shared Tree Join (RFC 6514 §4.6).
    pub const SHARED_TREE_JOIN: Self = Self(6);
    /// Source Tree Join (RFC 6514 §4.6).
    pub const SOURCE_TREE_JOIN: Self = Self(7);
    /// S-PMSI A-D for C-multicast mLDP (RFC 7441 §3).
    pub const MLDP_S_PMSI_AD: Self = Self(0x43);
    /// Leaf A-D for C-multicast mLDP (RFC 7441 §3).
    pub const MLDP_LEAF_AD: Self = Self(0x44);
    /// Source Tree Join for C-multicast mLDP (RFC 7441 §3).
    pub const MLDP_SOURCE_TREE_JOIN: Self = Self(0x47);
}

/// A route of MCAST-VPN. `A` is the family of C-sources and C-groups (RFC 6514 §4); addresses of routers are of the family that
/// their length tells (RFC 6515 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum McastVpnRoute<'a, A> {
    /// Type 1.
    IntraAsIPmsiAd(IntraAsIPmsiAd),
    /// Type 2.
    InterAsIPmsiAd(InterAsIPmsiAd),
    /// Type 3.
    SPmsiAd(SPmsiAd<A>),
    /// Type 4.
    LeafAd(LeafAd<'a>),
    /// Type 5.
    SourceActiveAd(SourceActiveAd<A>),
    /// Type 6.
    SharedTreeJoin(CMulticast<A>),
    /// Type 7.
    SourceTreeJoin(CMulticast<A>),
    /// Type 0x43.
    MldpSPmsiAd(MldpSPmsiAd<'a>),
    /// Type 0x44.
    MldpLeafAd(LeafAd<'a>),
    /// Type 0x47.
    MldpSourceTreeJoin(MldpSourceTreeJoin<'a>),
    /// A type that this crate does not know: kept, so that it can be passed on; of no use otherwise (RFC 7606 §5.4).
    Other {
        /// The type.
        route_type: McastRouteType,
        /// The body, at most 255 octets.
        body: &'a [u8],
    },
}

impl<'a, A: CAddress> McastVpnRoute<'a, A> {
    /// Parses the body of a route: all of it.
    ///
    /// # Errors
    /// A body that does not follow its type.
    pub fn parse(route_type: McastRouteType, body: &'a [u8]) -> Result<Self, fwd_core::Malformed> {
        codec::all(body, |i| Self::take(route_type, i))
    }

    /// Takes the body of a route of this type.
    ///
    /// # Errors
    /// A body that does not follow its type.
    #[inline]
    pub fn take(route_type: McastRouteType, i: &'a [u8]) -> Take<'a, Self> {
        match route_type {
            McastRouteType::SOURCE_TREE_JOIN => CMulticast::take(i).map(|(i, r)| (i, Self::SourceTreeJoin(r))),
            McastRouteType::SHARED_TREE_JOIN => CMulticast::take(i).map(|(i, r)| (i, Self::SharedTreeJoin(r))),
            _ => Self::take_ad(route_type, i),
        }
    }

    /// As [`Self::take`], for all but C-multicast routes, of which there are most.
    #[inline(never)]
    fn take_ad(route_type: McastRouteType, i: &'a [u8]) -> Take<'a, Self> {
        match route_type {
            McastRouteType::INTRA_AS_I_PMSI_AD => IntraAsIPmsiAd::take(i).map(|(i, r)| (i, Self::IntraAsIPmsiAd(r))),
            McastRouteType::INTER_AS_I_PMSI_AD => InterAsIPmsiAd::take(i).map(|(i, r)| (i, Self::InterAsIPmsiAd(r))),
            McastRouteType::S_PMSI_AD => SPmsiAd::take(i).map(|(i, r)| (i, Self::SPmsiAd(r))),
            McastRouteType::LEAF_AD => LeafAd::take::<A>(i).map(|(i, r)| (i, Self::LeafAd(r))),
            McastRouteType::SOURCE_ACTIVE_AD => SourceActiveAd::take(i).map(|(i, r)| (i, Self::SourceActiveAd(r))),
            McastRouteType::MLDP_S_PMSI_AD => MldpSPmsiAd::take::<A>(i).map(|(i, r)| (i, Self::MldpSPmsiAd(r))),
            McastRouteType::MLDP_LEAF_AD => LeafAd::take::<A>(i).map(|(i, r)| (i, Self::MldpLeafAd(r))),
            McastRouteType::MLDP_SOURCE_TREE_JOIN => {
                MldpSourceTreeJoin::take::<A>(i).map(|(i, r)| (i, Self::MldpSourceTreeJoin(r)))
            }
            _ => Ok((&[], Self::Other { route_type, body: i })),
        }
    }

    /// The type.
    #[inline]
    #[must_use]
    pub const fn route_type(&self) -> McastRouteType {
        match self {
            Self::IntraAsIPmsiAd(_) => McastRouteType::INTRA_AS_I_PMSI_AD,
            Self::InterAsIPmsiAd(_) => McastRouteType::INTER_AS_I_PMSI_AD,
            Self::SPmsiAd(_) => McastRouteType::S_PMSI_AD,
            Self::LeafAd(_) => McastRouteType::LEAF_AD,
            Self::SourceActiveAd(_) => McastRouteType::SOURCE_ACTIVE_AD,
            Self::SharedTreeJoin(_) => McastRouteType::SHARED_TREE_JOIN,
            Self::SourceTreeJoin(_) => McastRouteType::SOURCE_TREE_JOIN,
            Self::MldpSPmsiAd(_) => McastRouteType::MLDP_S_PMSI_AD,
            Self::MldpLeafAd(_) => McastRouteType::MLDP_LEAF_AD,
            Self::MldpSourceTreeJoin(_) => McastRouteType::MLDP_SOURCE_TREE_JOIN,
            Self::Other { route_type, .. } => *route_type,
        }
    }

    /// Octets of the body: at most 255 in a route that can be sent.
    #[inline]
    #[must_use]
    pub fn wire_len(&self) -> usize {
        match self {
            Self::SharedTreeJoin(r) | Self::SourceTreeJoin(r) => r.wire_len(),
            Self::IntraAsIPmsiAd(r) => r.wire_len(),
            Self::InterAsIPmsiAd(r) => r.wire_len(),
            Self::SPmsiAd(r) => r.wire_len(),
            Self::LeafAd(r) | Self::MldpLeafAd(r) => r.wire_len(),
            Self::SourceActiveAd(r) => r.wire_len(),
            Self::MldpSPmsiAd(r) => r.wire_len(),
            Self::MldpSourceTreeJoin(r) => r.wire_len(),
            Self::Other { body, .. } => body.len(),
        }
    }

    /// Writes the body.
    #[inline]
    pub fn emit(&self, out: &mut impl BufMut) {
        match self {
            Self::SharedTreeJoin(r) | Self::SourceTreeJoin(r) => r.emit(out),
            Self::IntraAsIPmsiAd(r) => r.emit(out),
            Self::InterAsIPmsiAd(r) => r.emit(out),
            Self::SPmsiAd(r) => r.emit(out),
            Self::LeafAd(r) | Self::MldpLeafAd(r) => r.emit(out),
            Self::SourceActiveAd(r) => r.emit(out),
            Self::MldpSPmsiAd(r) => r.emit(out),
            Self::MldpSourceTreeJoin(r) => r.emit(out),
            Self::Other { body, .. } => out.put_slice(body),
        }
    }
}

/// An NLRI of family 1/5 (`A` is `Ipv4Addr`) or 2/5 (`Ipv6Addr`).
///
/// ```text
/// +---------------------------+
/// | Path identifier (4)       |  only with ADD-PATH
/// +---------------------------+
/// | Route Type (1)            |
/// +---------------------------+
/// | Length (1), in octets     |
/// +---------------------------+
/// | Route Type specific       |
/// +---------------------------+
/// ```
///
/// ```
/// use bgp_vpn::nlri::mcast_vpn::{CMulticast, McastVpnNlri, McastVpnRoute};
/// use bgp_vpn::nlri::{Nlri, NlriFormat};
/// use core::net::Ipv4Addr;
/// let join = CMulticast {
///     rd: "65001:7".parse().unwrap(),
///     source_as: 65001,
///     source: Ipv4Addr::new(10, 0, 0, 1),
///     group: Ipv4Addr::new(232, 1, 1, 1),
/// };
/// let mut octets = Vec::new();
/// McastVpnNlri::new(McastVpnRoute::SourceTreeJoin(join)).emit(NlriFormat::default(), &mut octets);
/// assert_eq!(octets[..2], [7, 22]);
/// let (_, nlri) = McastVpnNlri::<Ipv4Addr>::take(&octets, NlriFormat::default()).unwrap();
/// assert_eq!(nlri.route, McastVpnRoute::SourceTreeJoin(join));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct McastVpnNlri<'a, A> {
    /// Path identifier, where the session has them.
    pub path_id: Option<PathId>,
    /// The route.
    pub route: McastVpnRoute<'a, A>,
}

impl<'a, A> McastVpnNlri<'a, A> {
    /// A route without path identifier.
    #[must_use]
    pub const fn new(route: McastVpnRoute<'a, A>) -> Self {
        Self { path_id: None, route }
    }
}

impl<'a, A: CAddress> Nlri<'a> for McastVpnNlri<'a, A> {
    #[inline]
    fn take(i: &'a [u8], format: NlriFormat) -> Take<'a, Self> {
        if !format.add_path && A::is_join(i) {
            let (rest, nlri) = codec::octets(i, A::JOIN_LEN, "Source Tree Join")?;
            return Ok((rest, Self::new(McastVpnRoute::SourceTreeJoin(A::joined(nlri)))));
        }
        Self::take_any(i, format)
    }

    #[inline]
    fn wire_len(&self, format: NlriFormat) -> usize {
        self.route.wire_len().saturating_add(if format.add_path { 6 } else { 2 })
    }

    #[inline]
    fn emit(&self, format: NlriFormat, out: &mut impl BufMut) {
        emit_path_id(self.path_id, format, out);
        let route_type = self.route.route_type().0;
        if let McastVpnRoute::SourceTreeJoin(join) | McastVpnRoute::SharedTreeJoin(join) = &self.route {
            if A::emit_join(route_type, join, out) {
                return;
            }
        }
        let len = u8::try_from(self.route.wire_len()).unwrap_or(u8::MAX);
        out.put_slice(&[route_type, len]);
        self.route.emit(out);
    }
}

impl<'a, A: CAddress> McastVpnNlri<'a, A> {
    /// Takes an NLRI of any type, field by field.
    #[inline(never)]
    fn take_any(i: &'a [u8], format: NlriFormat) -> Take<'a, Self> {
        let (i, path_id) = take_path_id(i, format)?;
        let (i, route_type) = codec::be_u8(i, "route type")?;
        let (i, len) = codec::be_u8(i, "length")?;
        let (rest, body) = codec::octets(i, usize::from(len), "route")?;
        match McastVpnRoute::take(McastRouteType(route_type), body)? {
            ([], route) => Ok((rest, Self { path_id, route })),
            (surplus, _) => Err(trailing(surplus)),
        }
    }
}

#[cfg(feature = "arbitrary")]
impl<'a, A: CAddress + arbitrary::Arbitrary<'a>> arbitrary::Arbitrary<'a> for McastVpnNlri<'a, A> {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        let route = match u.int_in_range(0..=10)? {
            0 => McastVpnRoute::IntraAsIPmsiAd(u.arbitrary()?),
            1 => McastVpnRoute::InterAsIPmsiAd(u.arbitrary()?),
            2 => McastVpnRoute::SPmsiAd(u.arbitrary()?),
            3 => McastVpnRoute::LeafAd(u.arbitrary()?),
            4 => McastVpnRoute::SourceActiveAd(u.arbitrary()?),
            5 => McastVpnRoute::SharedTreeJoin(u.arbitrary()?),
            6 => McastVpnRoute::SourceTreeJoin(u.arbitrary()?),
            7 if A::has_fec_family(1) => McastVpnRoute::MldpSPmsiAd(u.arbitrary()?),
            8 => McastVpnRoute::MldpLeafAd(u.arbitrary()?),
            9 if A::has_fec_family(1) => McastVpnRoute::MldpSourceTreeJoin(u.arbitrary()?),
            _ => McastVpnRoute::Other {
                route_type: McastRouteType(u.int_in_range(8..=0x42)?),
                body: <&[u8]>::arbitrary(u).map(|body| body.get(..255).unwrap_or(body))?,
            },
        };
        Ok(Self { path_id: u.arbitrary()?, route })
    }
}

#[cfg(test)]
mod tests;
