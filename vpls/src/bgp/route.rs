//! Routes of the families 25/65 and 25/8 as values, and their octets.
//!
//! The machine takes and yields these; a speaker carries them. [`Nlri::emit`] and [`RouteAttributes::communities`] write what goes into
//! an UPDATE, [`Nlri::of_vpls`], [`Nlri::of_mcast`] and [`RouteAttributes::new`] read what came in one.
#![cfg_attr(not(test), deny(clippy::arithmetic_side_effects))]

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};

use bgp_vpn::attr::ext_community::{L2vpnId, Layer2Info, TypedCommunity};
use bgp_vpn::attr::{ExtCommunity, PmsiFlags, PmsiLabel, PmsiTunnel, PmsiTunnelId, RouteTarget};
use bgp_vpn::nlri::mcast_vpn::{CGroup, LeafAd, SPmsiAd};
use bgp_vpn::nlri::{
    McastVplsNlri, McastVplsRoute, MldpFec, Nlri as _, NlriFormat, RouteDistinguisher, VeBlock, VplsNlri, VplsRoute,
};
use fwd_core::codec::BufMut;
use fwd_core::net::Label;
use p2mp_pw::ldp::fec::OpaqueValue;
use p2mp_pw::mldp::{TreeFec, TreeKind};

use crate::label_block::LabelBlock;

const FORMAT: NlriFormat = NlriFormat { add_path: false, multiple_labels: false };

/// Which flows an S-PMSI A-D route binds, and whose route it is: the route key of Leaf A-D routes (RFC 7117 §9.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct McastKey {
    /// Route distinguisher of the sender's VSI.
    pub rd: RouteDistinguisher,
    /// C-S; none: a wildcard (RFC 6625 §3).
    pub source: Option<IpAddr>,
    /// C-G; none: a wildcard.
    pub group: Option<IpAddr>,
    /// The sender.
    pub originator: IpAddr,
}

impl McastKey {
    /// The route of a binding for all flows, which asks every PE whether it can be on a tree.
    #[must_use]
    pub const fn all(rd: RouteDistinguisher, originator: IpAddr) -> Self {
        Self { rd, source: None, group: None, originator }
    }

    fn route(&self) -> SPmsiAd<IpAddr> {
        let group = self.group.map_or(CGroup::Any, CGroup::Group);
        SPmsiAd { rd: self.rd, source: self.source, group, originator: self.originator }
    }

    fn of(route: &SPmsiAd<IpAddr>) -> Option<Self> {
        let group = match route.group {
            CGroup::Any => None,
            CGroup::Group(group) => Some(group),
            CGroup::AnyBidir => return None,
        };
        Some(Self { rd: route.rd, source: route.source, group, originator: route.originator })
    }

    /// The NLRI's octets: type, length, route.
    fn octets(&self) -> Vec<u8> {
        let mut octets = Vec::new();
        McastVplsNlri { path_id: None, route: McastVplsRoute::SPmsiAd(self.route()) }.emit(FORMAT, &mut octets);
        octets
    }
}

/// A route of an L2VPN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Nlri {
    /// A label block of a VE (RFC 4761 §3.2.2).
    Block {
        /// Route distinguisher.
        rd: RouteDistinguisher,
        /// The VE.
        ve_id: u16,
        /// Its labels.
        block: LabelBlock,
    },
    /// A VSI of a PE (RFC 6074 §3.2.2.1), also the VPLS A-D route of RFC 7117 §3.2.
    Discovery {
        /// Route distinguisher.
        rd: RouteDistinguisher,
        /// The PE.
        pe: Ipv4Addr,
    },
    /// S-PMSI A-D (RFC 7117 §8.1, §9.2).
    SPmsi(McastKey),
    /// Leaf A-D (RFC 7117 §8.3, §9.2): the route that it answers, and who answers.
    Leaf(McastKey, IpAddr),
}

/// What tells one route from another: an [`Nlri`] without what may change under the same key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RouteKey {
    /// A block by its offset.
    Block(RouteDistinguisher, u16, u16),
    /// A VSI of a PE.
    Discovery(RouteDistinguisher, Ipv4Addr),
    /// S-PMSI A-D.
    SPmsi(McastKey),
    /// Leaf A-D.
    Leaf(McastKey, IpAddr),
}

impl Nlri {
    /// What tells it from others.
    #[must_use]
    pub const fn key(&self) -> RouteKey {
        match *self {
            Self::Block { rd, ve_id, block } => RouteKey::Block(rd, ve_id, block.offset),
            Self::Discovery { rd, pe } => RouteKey::Discovery(rd, pe),
            Self::SPmsi(key) => RouteKey::SPmsi(key),
            Self::Leaf(key, originator) => RouteKey::Leaf(key, originator),
        }
    }

    /// The route of a parsed NLRI of family 25/65; `None` of one that no VPLS uses.
    #[must_use]
    pub fn of_vpls(nlri: &VplsNlri<'_>) -> Option<Self> {
        match nlri.route {
            VplsRoute::VeBlock(b) => {
                let block = LabelBlock { offset: b.offset, size: b.size, base: b.first_label() };
                Some(Self::Block { rd: b.rd, ve_id: b.ve_id, block })
            }
            VplsRoute::AutoDiscovery { rd, pe } => Some(Self::Discovery { rd, pe }),
            VplsRoute::Other(_) => None,
        }
    }

    /// The route of a parsed NLRI of family 25/8; `None` of types and groups that no VPLS uses.
    #[must_use]
    pub fn of_mcast(nlri: &McastVplsNlri<'_>) -> Option<Self> {
        match &nlri.route {
            McastVplsRoute::SPmsiAd(route) => McastKey::of(route).map(Self::SPmsi),
            McastVplsRoute::LeafAd(leaf) => {
                let key = McastVplsNlri::take(leaf.route_key, FORMAT).ok().map(|(_, nlri)| nlri.route)?;
                let McastVplsRoute::SPmsiAd(route) = key else { return None };
                Some(Self::Leaf(McastKey::of(&route)?, leaf.originator))
            }
            McastVplsRoute::Other { .. } => None,
        }
    }

    /// Whether it is of family 25/8 rather than 25/65.
    #[must_use]
    pub const fn is_mcast(&self) -> bool {
        matches!(self, Self::SPmsi(_) | Self::Leaf(..))
    }

    /// Writes the NLRI.
    pub fn emit(&self, out: &mut impl BufMut) {
        let vpls = |route| VplsNlri { path_id: None, route };
        match *self {
            Self::Block { rd, ve_id, block } => {
                let LabelBlock { offset, size, base } = block;
                let label_base = VeBlock::label_octets(base);
                vpls(VplsRoute::VeBlock(VeBlock { rd, ve_id, offset, size, label_base, tlvs: &[] })).emit(FORMAT, out);
            }
            Self::Discovery { rd, pe } => vpls(VplsRoute::AutoDiscovery { rd, pe }).emit(FORMAT, out),
            Self::SPmsi(key) => out.put_slice(&key.octets()),
            Self::Leaf(key, originator) => {
                let route_key = key.octets();
                let route = McastVplsRoute::LeafAd(LeafAd { route_key: &route_key, originator });
                McastVplsNlri { path_id: None, route }.emit(FORMAT, out);
            }
        }
    }
}

/// A P-multicast tunnel that a VPLS may use (RFC 7117 §9.1).
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tunnel {
    /// Type 0: none; leaf information is asked for (RFC 7117 §9.1).
    None,
    /// Type 6: copies by the pseudowires; the address of the sender.
    IngressReplication(IpAddr),
    /// Type 2: an mLDP P2MP LSP.
    MldpP2mp {
        /// Its root.
        root: IpAddr,
        /// The opaque value, octets of its elements.
        opaque: Vec<u8>,
    },
    /// Type 1: an RSVP-TE P2MP LSP, which the embedder signals (RFC 4875 §19.1).
    RsvpTeP2mp {
        /// Extended tunnel identifier.
        extended_tunnel_id: Ipv4Addr,
        /// Tunnel identifier.
        tunnel_id: u16,
        /// P2MP identifier.
        p2mp_id: u32,
    },
}

impl Tunnel {
    /// Whether it is a tree of the core.
    #[must_use]
    pub const fn is_tree(&self) -> bool {
        matches!(self, Self::MldpP2mp { .. } | Self::RsvpTeP2mp { .. })
    }

    /// The name of the tree in [`p2mp_pw::mldp`]; none of another tunnel, or of an opaque value that is malformed.
    #[must_use]
    pub fn tree_fec(&self) -> Option<TreeFec> {
        let Self::MldpP2mp { root, opaque } = self else { return None };
        Some(TreeFec { kind: TreeKind::P2mp, root: *root, opaque: OpaqueValue::parse(opaque).ok()? })
    }
}

/// A PMSI Tunnel attribute of a VPLS (RFC 6514 §5, RFC 7117 §9.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pmsi {
    /// Whether leaves are to answer with Leaf A-D routes.
    pub leaf_info: bool,
    /// The label below that of an aggregate tree, or by which copies are taken; none: the tree belongs to one instance.
    pub label: Option<Label>,
    /// The tunnel.
    pub tunnel: Tunnel,
}

impl Pmsi {
    /// The attribute that was received; `None` of tunnels that no VPLS uses, which are as if they were not there.
    #[must_use]
    pub fn of(attribute: &PmsiTunnel<'_>) -> Option<Self> {
        let tunnel = match attribute.tunnel {
            PmsiTunnelId::None => Tunnel::None,
            PmsiTunnelId::IngressReplication(address) => Tunnel::IngressReplication(address),
            PmsiTunnelId::MldpP2mp(fec) => Tunnel::MldpP2mp { root: fec.root()?, opaque: fec.opaque.to_vec() },
            PmsiTunnelId::RsvpTeP2mp { extended_tunnel_id: IpAddr::V4(extended_tunnel_id), tunnel_id, p2mp_id } => {
                Tunnel::RsvpTeP2mp { extended_tunnel_id, tunnel_id, p2mp_id }
            }
            _ => return None,
        };
        let leaf_info = attribute.flags.contains(PmsiFlags::LEAF_INFORMATION_REQUIRED);
        Some(Self { leaf_info, label: attribute.label.label(), tunnel })
    }

    /// Writes the attribute's value.
    pub fn emit(&self, out: &mut impl BufMut) {
        let flags = if self.leaf_info { PmsiFlags::LEAF_INFORMATION_REQUIRED } else { PmsiFlags::empty() };
        let label = self.label.map_or(PmsiLabel::NONE, PmsiLabel::new);
        let (v4, v6);
        let tunnel = match &self.tunnel {
            Tunnel::None => PmsiTunnelId::None,
            Tunnel::IngressReplication(address) => PmsiTunnelId::IngressReplication(*address),
            Tunnel::MldpP2mp { root, opaque } => {
                let (address_family, root_octets): (u16, &[u8]) = match root {
                    IpAddr::V4(root) => {
                        v4 = root.octets();
                        (1, &v4)
                    }
                    IpAddr::V6(root) => {
                        v6 = root.octets();
                        (2, &v6)
                    }
                };
                PmsiTunnelId::MldpP2mp(MldpFec { fec_type: MldpFec::P2MP, address_family, root_octets, opaque })
            }
            Tunnel::RsvpTeP2mp { extended_tunnel_id, tunnel_id, p2mp_id } => PmsiTunnelId::RsvpTeP2mp {
                extended_tunnel_id: (*extended_tunnel_id).into(),
                tunnel_id: *tunnel_id,
                p2mp_id: *p2mp_id,
            },
        };
        PmsiTunnel { flags, label, tunnel }.emit(out);
    }
}

/// The attributes of a route that a VPLS looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteAttributes {
    /// NEXT_HOP: the PE.
    pub next_hop: IpAddr,
    /// LOCAL_PREF: the site preference of multi-homing (RFC 4761 §3.5). Default 100.
    pub local_pref: u32,
    /// Route targets, sorted.
    pub targets: Vec<RouteTarget>,
    /// How pseudowires to the PE are set up.
    pub layer2: Option<Layer2Info>,
    /// The VPLS-id of auto-discovery.
    pub vpls_id: Option<L2vpnId>,
    /// The P-multicast tunnel.
    pub pmsi: Option<Pmsi>,
}

impl RouteAttributes {
    /// The default of LOCAL_PREF.
    pub const LOCAL_PREF: u32 = 100;

    /// The attributes of a received route, from its extended communities and PMSI Tunnel attribute.
    #[must_use]
    pub fn new(
        next_hop: IpAddr,
        local_pref: u32,
        communities: impl Iterator<Item = ExtCommunity> + Clone,
        pmsi: Option<&PmsiTunnel<'_>>,
    ) -> Self {
        let mut targets: Vec<RouteTarget> = communities.clone().filter_map(RouteTarget::from_community).collect();
        targets.sort_unstable();
        targets.dedup();
        Self {
            next_hop,
            local_pref,
            targets,
            layer2: communities.clone().find_map(Layer2Info::from_community),
            vpls_id: communities.clone().find_map(L2vpnId::from_community),
            pmsi: pmsi.and_then(Pmsi::of),
        }
    }

    /// Attributes with targets alone.
    #[must_use]
    pub fn with_targets(next_hop: IpAddr, targets: &[RouteTarget]) -> Self {
        let mut targets = targets.to_vec();
        targets.sort_unstable();
        targets.dedup();
        Self { next_hop, local_pref: Self::LOCAL_PREF, targets, layer2: None, vpls_id: None, pmsi: None }
    }

    /// The extended communities to send.
    pub fn communities(&self) -> impl Iterator<Item = ExtCommunity> + '_ {
        let targets = self.targets.iter().map(|target| target.community());
        let layer2 = self.layer2.iter().map(Layer2Info::community);
        targets.chain(layer2).chain(self.vpls_id.iter().map(L2vpnId::community))
    }

    /// Whether an instance that imports these targets takes the route.
    #[must_use]
    pub fn is_imported(&self, import: &[RouteTarget]) -> bool {
        self.targets.iter().any(|target| import.contains(target))
    }
}

#[cfg(feature = "arbitrary")]
mod generate {
    use super::*;
    use arbitrary::{Arbitrary, Result, Unstructured};

    impl<'a> Arbitrary<'a> for LabelBlock {
        fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
            Ok(Self { offset: u.arbitrary()?, size: u.arbitrary()?, base: Label::from_low_bits(u.arbitrary()?) })
        }
    }

    impl<'a> Arbitrary<'a> for McastKey {
        fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
            Ok(Self { rd: u.arbitrary()?, source: u.arbitrary()?, group: u.arbitrary()?, originator: u.arbitrary()? })
        }
    }

    impl<'a> Arbitrary<'a> for Nlri {
        fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
            Ok(match u.int_in_range(0..=3)? {
                0 => Self::Block { rd: u.arbitrary()?, ve_id: u.arbitrary()?, block: u.arbitrary()? },
                1 => Self::Discovery { rd: u.arbitrary()?, pe: u.arbitrary()? },
                2 => Self::SPmsi(u.arbitrary()?),
                _ => Self::Leaf(u.arbitrary()?, u.arbitrary()?),
            })
        }
    }

    impl<'a> Arbitrary<'a> for Pmsi {
        fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
            let tunnel = match u.int_in_range(0..=3)? {
                0 => Tunnel::None,
                1 => Tunnel::IngressReplication(u.arbitrary()?),
                2 => {
                    let len = u.int_in_range(0..=24)?;
                    Tunnel::MldpP2mp { root: u.arbitrary()?, opaque: u.bytes(len)?.to_vec() }
                }
                _ => Tunnel::RsvpTeP2mp {
                    extended_tunnel_id: u.arbitrary()?,
                    tunnel_id: u.arbitrary()?,
                    p2mp_id: u.arbitrary()?,
                },
            };
            let label = Some(Label::from_low_bits(u.arbitrary()?)).filter(|label| label.value() != 0);
            Ok(Self { leaf_info: u.arbitrary()?, label, tunnel })
        }
    }

    impl<'a> Arbitrary<'a> for RouteAttributes {
        fn arbitrary(u: &mut Unstructured<'a>) -> Result<Self> {
            let targets: Vec<RouteTarget> =
                (0..u.int_in_range(0..=3)?).map(|_| u.arbitrary()).collect::<Result<_>>()?;
            let mut attributes = Self::with_targets(u.arbitrary()?, &targets);
            attributes.local_pref = u.arbitrary()?;
            attributes.layer2 = u.arbitrary()?;
            attributes.vpls_id =
                if u.arbitrary()? { Some(L2vpnId::two_octet_as(u.arbitrary()?, u.arbitrary()?)) } else { None };
            attributes.pmsi = u.arbitrary()?;
            Ok(attributes)
        }
    }
}
