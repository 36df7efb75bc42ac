//! MCAST-VPN routes as values that a machine keeps (RFC 6514 §4).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use alloc::vec::Vec;
use bgp_vpn::nlri::mcast_vpn::{
    CAddress, CGroup, CMulticast, InterAsIPmsiAd, IntraAsIPmsiAd, LeafAd, McastVpnNlri, McastVpnRoute, SPmsiAd,
    SourceActiveAd,
};
use bgp_vpn::nlri::{Nlri, NlriFormat, RouteDistinguisher};
use fwd_core::codec::{self, BufMut};
use fwd_core::{Fault, Malformed};

use crate::pim::wire::AddressFamily;

/// The flows of an S-PMSI (RFC 6514 §4.3, RFC 6625 §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SFlow {
    /// Family of the customer's addresses.
    pub family: AddressFamily,
    /// C-S; `None` is the wildcard.
    pub source: Option<IpAddr>,
    /// C-G or a wildcard.
    pub group: CGroup<IpAddr>,
}

impl SFlow {
    /// (C-S,C-G).
    #[must_use]
    pub fn source_group(source: IpAddr, group: IpAddr) -> Self {
        Self { family: AddressFamily::of(group), source: Some(source), group: CGroup::Group(group) }
    }

    /// (C-*,C-G).
    #[must_use]
    pub fn any_source(group: IpAddr) -> Self {
        Self { family: AddressFamily::of(group), source: None, group: CGroup::Group(group) }
    }

    /// (C-*,C-*): everything that matches no other S-PMSI.
    #[must_use]
    pub const fn all(family: AddressFamily) -> Self {
        Self { family, source: None, group: CGroup::Any }
    }

    /// (C-*,C-*-BIDIR): all bidirectional groups that match no other S-PMSI (RFC 7582 §2).
    #[must_use]
    pub const fn all_bidir(family: AddressFamily) -> Self {
        Self { family, source: None, group: CGroup::AnyBidir }
    }

    /// The S-PMSIs that (C-S,C-G), or (C-*,C-G) without a source, may be matched to, the best first (RFC 6625 §3.1, §3.2.1).
    #[must_use]
    pub fn candidates(source: Option<IpAddr>, group: IpAddr, is_ssm: bool) -> [Option<Self>; 3] {
        let family = AddressFamily::of(group);
        let exact = source.map(|s| Self::source_group(s, group));
        let wild = match (is_ssm, source) {
            (true, Some(_)) => Some(Self { family, source, group: CGroup::Any }),
            (true, None) => None,
            (false, _) => Some(Self::any_source(group)),
        };
        [exact, wild, Some(Self::all(family))]
    }
}

/// An A-D route that names a PMSI: what a Leaf A-D route answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AdRoute {
    /// Type 1.
    IntraAsIPmsi(IntraAsIPmsiAd),
    /// Type 2.
    InterAsIPmsi(InterAsIPmsiAd),
    /// Type 3.
    SPmsi {
        /// RD of the originator's VRF.
        rd: RouteDistinguisher,
        /// The flows.
        flow: SFlow,
        /// The originator.
        originator: IpAddr,
    },
}

/// A route of MCAST-VPN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct McastRoute {
    /// Family of the customer's addresses: AFI 1 or 2 with SAFI 5.
    pub family: AddressFamily,
    /// The rest.
    pub kind: McastKind,
}

/// The kinds of routes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum McastKind {
    /// Types 1, 2 and 3.
    Ad(AdRoute),
    /// Type 4.
    Leaf {
        /// The route that is answered.
        key: AdRoute,
        /// The leaf.
        originator: IpAddr,
    },
    /// Type 5.
    SourceActive(SourceActiveAd<IpAddr>),
    /// Type 6.
    SharedTreeJoin(CMulticast<IpAddr>),
    /// Type 7.
    SourceTreeJoin(CMulticast<IpAddr>),
}

impl McastRoute {
    /// Type 1 of a VRF.
    #[must_use]
    pub const fn i_pmsi(family: AddressFamily, rd: RouteDistinguisher, originator: IpAddr) -> Self {
        Self { family, kind: McastKind::Ad(AdRoute::IntraAsIPmsi(IntraAsIPmsiAd { rd, originator })) }
    }

    /// Type 3 of a VRF.
    #[must_use]
    pub const fn s_pmsi(rd: RouteDistinguisher, flow: SFlow, originator: IpAddr) -> Self {
        Self { family: flow.family, kind: McastKind::Ad(AdRoute::SPmsi { rd, flow, originator }) }
    }

    /// Type 5.
    #[must_use]
    pub fn source_active(rd: RouteDistinguisher, source: IpAddr, group: IpAddr) -> Self {
        let kind = McastKind::SourceActive(SourceActiveAd { rd, source, group });
        Self { family: AddressFamily::of(group), kind }
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
        let route = match self.kind {
            McastKind::Ad(ad) => ad.nlri(),
            McastKind::Leaf { key, originator } => {
                let mut route_key = Vec::with_capacity(64);
                McastVpnNlri::new(key.nlri()).emit(NlriFormat::default(), &mut route_key);
                return then(McastVpnNlri::new(McastVpnRoute::LeafAd(LeafAd { route_key: &route_key, originator })));
            }
            McastKind::SourceActive(sa) => McastVpnRoute::SourceActiveAd(sa),
            McastKind::SharedTreeJoin(join) => McastVpnRoute::SharedTreeJoin(join),
            McastKind::SourceTreeJoin(join) => McastVpnRoute::SourceTreeJoin(join),
        };
        then(McastVpnNlri::new(route))
    }

    /// Parses an NLRI of family 1/5 or 2/5 without a path identifier. `None`: a route of a type that the machine has no use for.
    ///
    /// # Errors
    /// An NLRI that does not follow its type.
    pub fn parse(family: AddressFamily, octets: &[u8]) -> Result<Option<Self>, Malformed> {
        match family {
            AddressFamily::V4 => Self::parse_of::<Ipv4Addr>(family, octets),
            AddressFamily::V6 => Self::parse_of::<Ipv6Addr>(family, octets),
        }
    }

    fn parse_of<A: CAddress + Into<IpAddr>>(family: AddressFamily, octets: &[u8]) -> Result<Option<Self>, Malformed> {
        let nlri = codec::all(octets, |i| McastVpnNlri::<A>::take(i, NlriFormat::default()))?;
        let kind = match nlri.route {
            McastVpnRoute::LeafAd(LeafAd { route_key, originator }) => {
                // RFC 7524 §6.2.2: keys of the global table begin with no route type.
                if matches!(route_key.first(), Some(0 | 0xff)) {
                    return Ok(None);
                }
                let key = codec::all(route_key, |i| McastVpnNlri::<A>::take(i, NlriFormat::default()))?;
                let key = AdRoute::of(family, key.route);
                let fault = Malformed { offset: 2, field: "route key", fault: Fault::Value(0) };
                McastKind::Leaf { key: key.ok_or(fault)?, originator }
            }
            McastVpnRoute::SourceActiveAd(SourceActiveAd { rd, source, group }) => {
                McastKind::SourceActive(SourceActiveAd { rd, source: source.into(), group: group.into() })
            }
            McastVpnRoute::SharedTreeJoin(join) => McastKind::SharedTreeJoin(widen(join)),
            McastVpnRoute::SourceTreeJoin(join) => McastKind::SourceTreeJoin(widen(join)),
            route => match AdRoute::of(family, route) {
                Some(ad) => McastKind::Ad(ad),
                None => return Ok(None),
            },
        };
        Ok(Some(Self { family, kind }))
    }
}

fn widen<A: Into<IpAddr>>(join: CMulticast<A>) -> CMulticast<IpAddr> {
    CMulticast { rd: join.rd, source_as: join.source_as, source: join.source.into(), group: join.group.into() }
}

impl AdRoute {
    /// The route's RD.
    #[must_use]
    pub const fn rd(&self) -> RouteDistinguisher {
        match self {
            Self::IntraAsIPmsi(ad) => ad.rd,
            Self::InterAsIPmsi(ad) => ad.rd,
            Self::SPmsi { rd, .. } => *rd,
        }
    }

    fn of<A: CAddress + Into<IpAddr>>(family: AddressFamily, route: McastVpnRoute<'_, A>) -> Option<Self> {
        Some(match route {
            McastVpnRoute::IntraAsIPmsiAd(ad) => Self::IntraAsIPmsi(ad),
            McastVpnRoute::InterAsIPmsiAd(ad) => Self::InterAsIPmsi(ad),
            McastVpnRoute::SPmsiAd(SPmsiAd { rd, source, group, originator }) => {
                let group = match group {
                    CGroup::Any => CGroup::Any,
                    CGroup::AnyBidir => CGroup::AnyBidir,
                    CGroup::Group(group) => CGroup::Group(group.into()),
                };
                Self::SPmsi { rd, flow: SFlow { family, source: source.map(Into::into), group }, originator }
            }
            _ => return None,
        })
    }

    fn nlri(&self) -> McastVpnRoute<'static, IpAddr> {
        match *self {
            Self::IntraAsIPmsi(ad) => McastVpnRoute::IntraAsIPmsiAd(ad),
            Self::InterAsIPmsi(ad) => McastVpnRoute::InterAsIPmsiAd(ad),
            Self::SPmsi { rd, flow: SFlow { source, group, .. }, originator } => {
                McastVpnRoute::SPmsiAd(SPmsiAd { rd, source, group, originator })
            }
        }
    }
}

#[cfg(feature = "arbitrary")]
impl<'a> arbitrary::Arbitrary<'a> for McastRoute {
    fn arbitrary(u: &mut arbitrary::Unstructured<'a>) -> arbitrary::Result<Self> {
        fn of<'a, A>(u: &mut arbitrary::Unstructured<'a>, family: AddressFamily) -> arbitrary::Result<McastKind>
        where
            A: CAddress + Into<IpAddr> + arbitrary::Arbitrary<'a>,
        {
            let ad = |u: &mut arbitrary::Unstructured<'a>| -> arbitrary::Result<AdRoute> {
                Ok(match u.int_in_range(0..=2)? {
                    0 => AdRoute::IntraAsIPmsi(u.arbitrary()?),
                    1 => AdRoute::InterAsIPmsi(u.arbitrary()?),
                    _ => AdRoute::SPmsi {
                        rd: u.arbitrary()?,
                        flow: SFlow {
                            family,
                            source: u.arbitrary::<Option<A>>()?.map(Into::into),
                            group: match u.arbitrary::<CGroup<A>>()? {
                                CGroup::Any => CGroup::Any,
                                CGroup::AnyBidir => CGroup::AnyBidir,
                                CGroup::Group(group) => CGroup::Group(group.into()),
                            },
                        },
                        originator: u.arbitrary()?,
                    },
                })
            };
            Ok(match u.int_in_range(0..=4)? {
                0 => McastKind::Ad(ad(u)?),
                1 => McastKind::Leaf { key: ad(u)?, originator: u.arbitrary()? },
                2 => {
                    let SourceActiveAd { rd, source, group } = u.arbitrary::<SourceActiveAd<A>>()?;
                    McastKind::SourceActive(SourceActiveAd { rd, source: source.into(), group: group.into() })
                }
                3 => McastKind::SharedTreeJoin(widen(u.arbitrary::<CMulticast<A>>()?)),
                _ => McastKind::SourceTreeJoin(widen(u.arbitrary::<CMulticast<A>>()?)),
            })
        }
        Ok(match u.arbitrary()? {
            true => Self { family: AddressFamily::V4, kind: of::<Ipv4Addr>(u, AddressFamily::V4)? },
            false => Self { family: AddressFamily::V6, kind: of::<Ipv6Addr>(u, AddressFamily::V6)? },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_match_is_by_rfc_6625() {
        let (s, asm, ssm): (IpAddr, IpAddr, IpAddr) =
            ([10, 0, 0, 1].into(), [239, 1, 1, 1].into(), [232, 1, 1, 1].into());
        let all = Some(SFlow::all(AddressFamily::V4));
        let any_group = Some(SFlow { family: AddressFamily::V4, source: Some(s), group: CGroup::Any });
        assert_eq!(SFlow::candidates(Some(s), ssm, true), [Some(SFlow::source_group(s, ssm)), any_group, all]);
        let any_source = Some(SFlow::any_source(asm));
        assert_eq!(SFlow::candidates(Some(s), asm, false), [Some(SFlow::source_group(s, asm)), any_source, all]);
        assert_eq!(SFlow::candidates(None, asm, false), [None, any_source, all]);
    }
}
